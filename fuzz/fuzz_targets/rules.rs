//! Reads arbitrary segment rules and SQL; what is understood prints as text
//! that is understood alike.

#![no_main]

use libfuzzer_sys::fuzz_target;
use signalpost_core::segment::{Schema, parse};

fuzz_target!(|text: &str| {
    let schema = Schema::default();
    if let Ok(statement) = parse(text, &schema) {
        let printed = statement.to_string();
        let again = parse(&printed, &schema).unwrap_or_else(|error| panic!("{printed}: {error}"));
        assert_eq!(again.to_string(), printed);
    }
});
