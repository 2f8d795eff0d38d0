//! Reads arbitrary token requests, as `/oauth/token` takes them.
//!
//! Every one ends as a request or as an error whose text may stand in the
//! answer; a good request reads the same when it is written anew.

#![no_main]

use libfuzzer_sys::fuzz_target;
use signalpost_core::oauth::read;

fuzz_target!(|input: &[u8]| {
    // The header's line, then the body.
    let mut halves = input.splitn(2, |byte| *byte == b'\n');
    let authorization = halves.next().filter(|line| !line.is_empty());
    match read(halves.next().unwrap_or_default(), authorization) {
        Ok(request) => {
            assert!(request.client_id.len() <= 256 && request.client_secret.len() <= 256);
            let escaped = |text: &str| text.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
            let (id, secret) = (escaped(&request.client_id), escaped(&request.client_secret));
            let scope = escaped(&request.scopes.join(" "));
            let written =
                format!("grant_type=client_credentials&client_id={id}&client_secret={secret}&scope={scope}");
            if !id.is_empty() && !secret.is_empty() {
                assert_eq!(read(written.as_bytes(), None), Ok(request));
            }
        }
        Err(error) => {
            let text = error.to_string();
            assert!(text.bytes().all(|byte| matches!(byte, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e)));
            assert!(!error.code().is_empty());
        }
    }
});
