//! The scanner finds what serde_json finds.

use proptest::prelude::*;
use signalpost_core::value::{Map, Value};

use super::{escaped, find, find_path, write_map};

fn text(map: &Map) -> String {
    let mut bytes = Vec::new();
    write_map(map, &mut bytes);
    String::from_utf8(bytes).unwrap()
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        any::<f64>().prop_map(Value::Float),
        ".{0,12}".prop_map(|text| Value::from(text.as_str())),
    ];
    leaf.prop_recursive(3, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::List),
            prop::collection::vec((".{0,6}".prop_map(String::into_boxed_str), inner), 0..5)
                .prop_map(Value::Map),
        ]
    })
}

proptest! {
    #[test]
    fn finds_what_a_full_parser_finds(
        entries in prop::collection::btree_map(".{0,8}", value(), 0..6),
        other in ".{0,8}",
    ) {
        let map: Map = entries.iter().map(|(name, value)| (name.as_str().into(), value.clone())).collect();
        let json = text(&map);
        let parsed: serde_json::Value = serde_json::from_str(&json).unwrap();
        for name in entries.keys().chain([&other]) {
            let found = find(&json, &escaped(name)).map(|raw| serde_json::from_str::<serde_json::Value>(raw).unwrap());
            prop_assert_eq!(found.as_ref(), parsed.get(name));
        }
    }

    #[test]
    fn never_panics_on_any_text(json in ".{0,40}", key in ".{0,6}") {
        find(&json, &key);
        find_path(&json, &key);
    }
}

#[test]
fn reads_spaced_json_and_paths() {
    let json = r#" { "a" : { "b.c" : [ 1 , "}" ] , "d" : -2.5e3 } , "a.x": "y" } "#;
    assert_eq!(find_path(json, "a.b.c"), Some(r#"[ 1 , "}" ]"#));
    assert_eq!(find_path(json, "a.d"), Some("-2.5e3"));
    assert_eq!(find_path(json, "a.x"), Some(r#""y""#));
    assert_eq!(find_path(json, "a.nothing"), None);
}
