//! Requests as clients send them, and as they should not.

use proptest::prelude::*;

use super::*;

const GRANT: &str = "grant_type=client_credentials";

/// `id secret [scopes]`, or the error's name.
fn check(body: &str, authorization: Option<&str>, expected: &str) {
    let found = match read(body.as_bytes(), authorization.map(str::as_bytes)) {
        Ok(request) => format!("{} {} {:?}", request.client_id, request.client_secret, request.scopes),
        Err(error) => error.code().to_owned(),
    };
    assert_eq!(found, expected, "{body} {authorization:?}");
}

fn basic_of(text: &str) -> String {
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(text))
}

#[test]
fn clients_prove_themselves_by_header_or_body() {
    let by_header = basic_of("c1:s3cret");
    check(GRANT, Some(&by_header), "c1 s3cret []");
    check(GRANT, Some(&by_header.replace("Basic", "bAsIc")), "c1 s3cret []");
    check(&format!("{GRANT}&client_id=c1"), Some(&by_header), "c1 s3cret []");
    check(&format!("{GRANT}&client_id=c1&client_secret=s%2B3+cret"), None, "c1 s+3 cret []");
    // The RFC has both halves form-encoded before they are joined.
    check(GRANT, Some(&basic_of("a%3Ab:c%25+d")), "a:b c% d []");
    check(GRANT, Some(&basic_of("c1:")), "c1  []");
}

#[test]
fn scopes_are_a_list() {
    let ask = |scope: &str| format!("{GRANT}&client_id=c&client_secret=s&scope={scope}");
    check(&ask("events:write"), None, r#"c s ["events:write"]"#);
    check(&ask("a+b%20a"), None, r#"c s ["a", "b"]"#);
    check(&ask(""), None, "c s []");
    for wrong in ["a++b", "+a", "a+", "%22", "%5C", "%C3%A9", "a%00b", "a%0Ab"] {
        check(&ask(wrong), None, "invalid_scope");
    }
}

#[test]
fn what_is_wrong_is_named_as_the_rfc_does() {
    let header = basic_of("c:s");
    let good = "client_id=c&client_secret=s";
    check("", None, "invalid_request");
    check(good, None, "invalid_request");
    check(&format!("grant_type=&{good}"), None, "invalid_request");
    check(&format!("grant_type=password&{good}"), None, "unsupported_grant_type");
    check(&format!("grant_type=CLIENT_CREDENTIALS&{good}"), None, "unsupported_grant_type");
    check(GRANT, None, "invalid_client");
    check(&format!("{GRANT}&client_id=c"), None, "invalid_client");
    check(&format!("{GRANT}&{good}"), Some(&header), "invalid_request");
    check(&format!("{GRANT}&client_id=other"), Some(&header), "invalid_request");
    for twice in ["grant_type=client_credentials", "client_id=c", "client_secret=s", "unknown=1&unknown=2"] {
        check(&format!("{GRANT}&{good}&{twice}"), None, "invalid_request");
    }
    check(&format!("{GRANT}&{good}&scope=&scope=a"), None, "invalid_request");
    for unreadable in ["%", "%2", "%zz", "%ff", "a=%80"] {
        check(&format!("{GRANT}&{good}&{unreadable}"), None, "invalid_request");
    }
    let many: String = (0..40).map(|number| format!("&p{number}=1")).collect();
    check(&format!("{GRANT}&{good}{many}"), None, "invalid_request");
    for wrong in ["Basic", "Basic !!!", "Bearer abc", "Basic YWJj", ""] {
        check(GRANT, Some(wrong), "invalid_client");
    }
    check(GRANT, Some(&basic_of(&format!("c:{}", "s".repeat(300)))), "invalid_client");
}

#[test]
fn a_request_never_prints_its_secret() {
    let request = read(format!("{GRANT}&client_id=c&client_secret=hidden").as_bytes(), None).unwrap();
    assert!(!format!("{request:?}").contains("hidden"));
}

proptest! {
    /// Whatever comes is answered, in the characters that an answer may have.
    #[test]
    fn anything_is_answered(
        body in prop::collection::vec(any::<u8>(), 0..200),
        header in prop::option::of(prop::collection::vec(any::<u8>(), 0..60)),
    ) {
        let mut whole = GRANT.as_bytes().to_vec();
        whole.push(b'&');
        whole.extend_from_slice(&body);
        for body in [&body, &whole] {
            if let Err(error) = read(body, header.as_deref()) {
                let text = error.to_string();
                prop_assert!(text.bytes().all(|byte| matches!(byte, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e)));
            }
        }
    }
}
