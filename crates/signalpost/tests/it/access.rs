//! The examples of `docs/access.md`, run as printed.

use crate::support::run_examples;

#[test]
fn the_examples_of_the_page_run_as_printed() {
    let said = run_examples("access.md", 6);
    assert!(said.contains("events:write is not segments:read"), "{said}");
    // One of them came twice, under the old secret and the new.
    let count = |part: &str| said.matches(part).count();
    assert_eq!((count("\"accepted\":1"), count("\"duplicates\":1")), (3, 1), "{said}");
}
