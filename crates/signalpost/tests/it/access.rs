//! The examples of `docs/access.md`, run as printed.

use std::path::Path;
use std::process::Command;

use crate::support::{ADMIN, PROGRAM, Server};

#[test]
fn the_examples_of_the_page_run_as_printed() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/access.md");
    let page = std::fs::read_to_string(page).unwrap();
    let examples: Vec<&str> =
        page.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(examples.len() >= 5);
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let programs = Path::new(PROGRAM).parent().unwrap().display();
    let path = format!("{programs}:{}", std::env::var_os("PATH").unwrap().to_str().unwrap());
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &examples.concat()])
        .current_dir(&folder)
        .envs([("PATH", path.as_str()), ("SIGNALPOST_URL", &server.url()), ("SIGNALPOST_KEY", ADMIN)])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("events:write is not segments:read"), "{said}");
    // One of them came twice, under the old secret and the new.
    let count = |part: &str| said.matches(part).count();
    assert_eq!((count("\"accepted\":1"), count("\"duplicates\":1")), (3, 1), "{said}");
}
