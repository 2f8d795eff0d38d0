//! A secret is used, never shown.

use super::*;

#[test]
fn a_secret_never_prints() {
    let secret: Secret = serde_json::from_str("\"hunter2hunter2\"").unwrap();
    assert_eq!(secret.reveal(), "hunter2hunter2");
    assert_eq!(format!("{secret} {secret:?} {:?}", Some(&secret)), "••• ••• Some(•••)");
}

#[test]
fn shown_text_has_no_secrets_no_controls_and_a_limit() {
    assert_eq!(shown("key is s3cret\r\nsure", ["s3cret"], 100), "key is •••  sure");
    assert_eq!(shown("ééé", [], 5), "éé");
    assert_eq!(shown("a and b", ["a"], 100), "a and b");
}
