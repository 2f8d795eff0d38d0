//! Request bodies: what is read, and that no element harms another.

use proptest::prelude::*;

use crate::clean::batch::Element;
use crate::clean::{BodyError, Field, Limits, ProblemCode, parse_batch};
use crate::value::{Value, get};

fn parse(body: &str) -> Result<Vec<Element<'_>>, BodyError> {
    parse_batch(body.as_bytes(), &Limits::default())
}

/// One letter an element: `.` for an event, else the start of the problem's code.
fn shape(body: &str) -> String {
    let elements = parse(body).unwrap();
    let words = elements.iter().map(|element| match element {
        Ok(event) => event.problem.as_ref().map_or(".", |problem| problem.code.as_str()),
        Err(rejection) => rejection.problem.code.as_str(),
    });
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn the_three_shapes_of_a_body_are_read() {
    assert_eq!(shape(r#"{"event_type":"a"}"#), ".");
    assert_eq!(shape(r#"[{"event_type":"a"},{"event_type":"b"}]"#), ". .");
    assert_eq!(shape(r#"{"batch":[{"event_type":"a"},{"event_type":"b"}],"sent_at":"x"}"#), ". .");
    assert_eq!(shape("[]"), "");
    assert_eq!(shape("\u{feff}[{}]"), ".");
}

#[test]
fn the_wrapper_s_sent_at_is_shared_in_either_order() {
    for body in [
        r#"{"sent_at":"S","batch":[{"event_type":"a"},{"event_type":"b","sent_at":"own"}]}"#,
        r#"{"batch":[{"event_type":"a"},{"event_type":"b","sent_at":"own"}],"sent_at":"S"}"#,
        r#"{"batch":[{"event_type":"a"},{"event_type":"b","sent_at":"own","x":1e999}],"sent_at":"S"}"#,
    ] {
        let elements = parse(body).unwrap();
        assert_eq!(elements[0].as_ref().unwrap().sent_at, Field::from("S"), "{body}");
        if let Ok(event) = &elements[1] {
            assert_eq!(event.sent_at, Field::from("own"));
        }
    }
}

#[test]
fn an_event_may_have_a_property_called_batch() {
    for body in [r#"{"event_type":"a","batch":[1,{"k":2}]}"#, r#"{"batch":[1,{"k":2}],"event_type":"a"}"#] {
        let elements = parse(body).unwrap();
        let event = elements[0].as_ref().unwrap();
        assert_eq!(elements.len(), 1);
        assert!(
            matches!(get(&event.properties, "batch"), Some(Value::List(items)) if items.len() == 2),
            "{body}"
        );
    }
}

#[test]
fn a_wrong_element_harms_no_neighbour() {
    assert_eq!(
        shape(r#"[{},5,"x",null,[1],{"properties":3},{}]"#),
        ". not_an_object not_an_object not_an_object not_an_object wrong_type ."
    );
    assert_eq!(shape(r#"[{},{"x":1e999},{}]"#), ". unreadable .");
    let half_emoji = parse(r#"[{},{"x":"\ud83d\ude00 \ud83d!"},{}]"#).unwrap();
    assert_eq!(get(&half_emoji[1].as_ref().unwrap().properties, "x"), Some(&"😀 \u{fffd}!".into()));
    let deep = format!("[{{}},{{\"x\":{}1{}}},{{}}]", "[".repeat(63), "]".repeat(63));
    assert_eq!(shape(&deep), ". . .");
    for levels in [64, 100, 500, 100_000] {
        let deep = format!("[{{}},{{\"x\":{}1{}}},{{}}]", "[".repeat(levels), "]".repeat(levels));
        assert_eq!(shape(&deep), ". too_deep .", "{levels}");
    }
    let large = format!("[{{}},{{\"x\":\"{}\"}},{{}}]", "a".repeat(300_000));
    assert_eq!(shape(&large), ". too_large .");
    let latin = parse_batch(b"[{},{\"x\":\"caf\xe9\"}]", &Limits::default()).unwrap();
    assert_eq!(get(&latin[1].as_ref().unwrap().properties, "x"), Some(&"caf\u{fffd}".into()));
}

#[test]
fn only_what_is_no_json_is_an_error() {
    for (body, place) in
        [("", (1, 0)), ("[{}\n,{]", (2, 3)), ("{} x", (1, 4)), ("5", (1, 1)), ("[{}", (1, 3))]
    {
        match parse(body) {
            Err(BodyError::Json { line, column, .. }) => assert_eq!((line, column), place, "{body}"),
            other => panic!("{body}: {other:?}"),
        }
    }
    let limits = Limits { events_max: 2, ..Limits::default() };
    assert_eq!(parse_batch(b"[{},{},{}]", &limits), Err(BodyError::TooManyEvents { max: 2 }));
    assert_eq!(
        parse_batch(b"{\"batch\":[{},{},{\"x\":1e999}]}", &limits),
        Err(BodyError::TooManyEvents { max: 2 })
    );
}

#[test]
fn unknown_fields_are_properties_and_of_equal_names_the_last_wins() {
    let body = r#"{"event_type":"a","price":1,"price":2,"properties":{"colour":"red","colour":"blue"},"colour":"green","product_id":null}"#;
    let elements = parse(body).unwrap();
    let event = elements[0].as_ref().unwrap();
    assert_eq!(event.properties, vec![("price".into(), Value::Int(2)), ("colour".into(), "blue".into())]);
    assert_eq!(event.product_id, Field::Absent);
    let many: Vec<String> = (0..40).map(|n| format!("\"k{}\":{n}", n % 20)).collect();
    let body = format!("{{\"properties\":{{{}}}}}", many.join(","));
    let elements = parse(&body).unwrap();
    let expected: Vec<_> = (0..20).map(|n| (format!("k{n}").into(), Value::Int(n + 20))).collect();
    assert_eq!(elements[0].as_ref().unwrap().properties, expected);
}

#[test]
fn a_rejection_holds_the_event_as_it_came() {
    let elements = parse(r#"[{"event_type":"a","traits":"x","n":18446744073709551615},"text"]"#).unwrap();
    let event = elements[0].as_ref().unwrap();
    assert_eq!(event.problem.as_ref().unwrap().code, ProblemCode::WrongType);
    assert_eq!(event.to_json()["traits"], "x");
    assert_eq!(elements[1].as_ref().unwrap_err().raw, "\"text\"");
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        drop(parse_batch(&bytes, &Limits::default()));
    }

    #[test]
    fn no_near_json_makes_it_panic(text in r#"[\[\]{}",:0-9eu\\dDfF. a-c"batch]{0,80}"#) {
        drop(parse_batch(text.as_bytes(), &Limits::default()));
        drop(parse_batch(text.as_bytes(), &Limits { event_bytes_max: 8, ..Limits::default() }));
    }
}
