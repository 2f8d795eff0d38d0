//! Values read out of JSON, as live segments read them.

use std::borrow::Cow;

use deltalake::arrow::array::{ArrayRef, AsArray};
use deltalake::arrow::datatypes::Float64Type;
use proptest::prelude::*;
use signalpost_core::value::Value;

use super::*;

fn read(gives: Gives, raw: &[&str]) -> ArrayRef {
    gives.column(raw.iter().map(|raw| Some(Cow::Borrowed(*raw))), raw.len())
}

#[test]
fn a_value_of_another_type_is_null() {
    let raw = ["5", "2.50", "\"5\"", "\" 7 \"", "\"abc\"", "true", "[1]", "{\"a\":1}", "\"in\\u0066\""];
    let numbers: Vec<Option<f64>> = read(Gives::Number, &raw).as_primitive::<Float64Type>().iter().collect();
    assert_eq!(numbers, [Some(5.0), Some(2.5), Some(5.0), Some(7.0), None, None, None, None, None]);
    let texts = read(Gives::String, &raw);
    let texts: Vec<Option<&str>> = texts.as_string_view().iter().collect();
    assert_eq!(texts, [None, None, Some("5"), Some(" 7 "), Some("abc"), None, None, None, Some("inf")]);
    let truths: Vec<Option<bool>> = read(Gives::Truth, &raw).as_boolean().iter().collect();
    assert_eq!(truths.iter().flatten().collect::<Vec<_>>(), [&true]);
}

#[test]
fn equal_numbers_have_one_form() {
    for (raw, expected) in [("5", "5"), ("5.0", "5"), ("1e2", "100"), ("2.50", "2.5"), ("\"5.0\"", "\"5.0\"")]
    {
        assert_eq!(one_form(raw), expected, "{raw}");
    }
}

#[test]
fn a_path_leads_into_objects_and_lists() {
    let json = r#"{"a.b":1,"c":{"d":"x"},"e":[{"f":2}]}"#;
    for (path, expected) in [("a.b", "1"), ("c.d", "\"x\""), ("e.0.f", "2"), ("c", r#"{"d":"x"}"#)] {
        assert_eq!(Path::new(path).find(json).as_deref(), Some(expected), "{path}");
    }
    assert_eq!(Path::new("c.x").find(json), None);
}

proptest! {
    #[test]
    fn a_number_is_read_as_live_segments_read_it(text in "[-+]?[0-9]{0,4}[.]?[0-9]{0,3}(e[0-9])?|[ a-z]{0,3}") {
        let raw = Value::from(text.as_str()).to_json().to_string();
        prop_assert_eq!(number(&raw), Value::from(text.as_str()).as_number());
    }
}
