//! The kind of a column follows from the values seen, in any order.

use proptest::prelude::*;
use signalpost_core::value::{Map, Value};

use super::{NAMES_MAX, PropertyKind, Registry};

fn kind_of(values: &[Value]) -> Option<PropertyKind> {
    let registry = Registry::default();
    for value in values {
        let map: Map = vec![("x".into(), value.clone())];
        registry.observe([map].iter());
    }
    registry.all().get("x").copied()
}

#[test]
fn kinds() {
    use PropertyKind::{Bool, Float, Int, Text};
    let cases: [(&[Value], _); 6] = [
        (&[Value::Null], None),
        (&[Value::Int(1), Value::Null], Some(Int)),
        (&[Value::Int(1), Value::Float(1.5)], Some(Float)),
        (&[Value::Bool(true)], Some(Bool)),
        (&[Value::Bool(true), Value::Int(1)], Some(Text)),
        (&[Value::List(vec![])], Some(Text)),
    ];
    for (values, kind) in cases {
        assert_eq!(kind_of(values), kind, "{values:?}");
    }
}

proptest! {
    #[test]
    fn order_does_not_matter(picks in prop::collection::vec(0..5_usize, 1..6)) {
        let value = |pick: &usize| [Value::Null, Value::Int(1), Value::Float(0.5), Value::Bool(true), "a".into()][*pick].clone();
        let forward: Vec<_> = picks.iter().map(value).collect();
        let backward: Vec<_> = picks.iter().rev().map(value).collect();
        prop_assert_eq!(kind_of(&forward), kind_of(&backward));
    }
}

#[test]
fn fixed_columns_and_too_many_names_are_left_out() {
    let registry = Registry::default();
    let many: Map = (0..3 * NAMES_MAX).map(|n| (format!("p{n}").into(), Value::Int(1))).collect();
    registry.observe([vec![("event_type".into(), Value::Int(1))], many].iter());
    assert_eq!(registry.all().len(), NAMES_MAX);
    assert!(!registry.all().contains_key("event_type"));
}
