//! Signatures against what the vendors' own libraries say of them.

use super::hubspot;

#[test]
fn only_the_escapes_hubspot_names_are_undone() {
    assert_eq!(
        hubspot::decoded("https://a.example/h%3a%2F?x=%40%24&y=%20%26%"),
        "https://a.example/h:/?x=@$&y=%20%26%"
    );
    assert_eq!(hubspot::decoded("%é%2"), "%é%2");
}

#[test]
fn hexadecimal_is_read_whole_or_not() {
    assert_eq!(super::from_hex("00fFa1"), Some(vec![0, 255, 161]));
    for wrong in ["0", "0g", "é0", "0x00"] {
        assert_eq!(super::from_hex(wrong), None, "{wrong}");
    }
}

#[test]
fn nothing_is_equal_to_nothing() {
    assert!(!super::is_equal(b"", b""));
    assert!(super::is_equal(b"a", b"a"));
}

#[test]
fn an_hmac_is_that_of_rfc_4231() {
    let code = super::hmac(super::Algorithm::Sha256, b"Jefe", &[b"what do ya want ", b"for nothing?"]);
    let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
    assert_eq!(code, super::from_hex(expected).unwrap());
}
