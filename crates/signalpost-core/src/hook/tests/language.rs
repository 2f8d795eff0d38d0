//! Every construct of the language, and what is wrong with slips.

use serde_json::{Value as Json, json};

use super::{map, outputs};
use crate::clean::ProblemCode;
use crate::hook::Mapping;

/// What `expression` makes of `body`.
fn value(expression: &Json, body: &Json) -> Json {
    let mapping = json!({"rules": [{"events": [{"event_type": "t", "properties": {"x": expression}}]}]});
    let mapping = Mapping::parse(&mapping).unwrap_or_else(|error| panic!("{expression}: {error}"));
    outputs(&mapping, &[("x-topic", "made")], body)[0]["properties"]["x"].clone()
}

fn wrong(mapping: &Json) -> String {
    Mapping::parse(mapping).unwrap_err().to_string()
}

fn holds(condition: &Json, body: &Json) -> bool {
    value(&json!({"$if": condition, "then": true, "else": false}), body) == true
}

#[test]
fn paths_lead_where_they_say() {
    let body = json!({"a": {"b": [{"c": 1, "d e": "x"}, {"c": 2}], "n": null}, "s": "text"});
    for (path, expected) in [
        ("$.a.b[0].c", json!(1)),
        ("$.a.b[-1].c", json!(2)),
        ("$.a.b[2].c", json!(null)),
        ("$.a.b[-3]", json!(null)),
        ("$.a.b[*].c", json!([1, 2])),
        ("$.a.b[c=2].c", json!(2)),
        ("$.a.b[0][\"d e\"]", json!("x")),
        ("$.s.length", json!(null)),
        ("$.nowhere.at.all", json!(null)),
        ("$header.X-Topic", json!("made")),
        ("$hook", json!("shop")),
        ("$$.s", json!("$.s")),
    ] {
        assert_eq!(value(&json!(path), &body), expected, "{path}");
    }
    let nested = json!({"a": [{"b": [1, 2]}, {"b": [3]}, {}]});
    assert_eq!(value(&json!("$.a[*].b[*]"), &nested), json!([1, 2, 3]));
}

#[test]
fn operators_do_what_they_say() {
    let body = json!({"first": "Ann", "blank": " ", "none": null, "n": 3, "price": "10.10", "list": [1, null, "2"],
        "tags": "a, b,,c", "gid": "gid://shopify/Customer/42", "lines": [{"q": 2, "p": "0.1"}, {"q": 1, "p": "0.2"}]});
    for (expression, expected) in [
        (json!({"$first": ["$.none", "$.blank", "$.first"]}), json!("Ann")),
        (json!({"$concat": ["id:", "$.n"]}), json!("id:3")),
        (json!({"$concat": ["id:", "$.none"]}), json!(null)),
        (json!({"$join": ["$.first", "$.none", "$.n"]}), json!("Ann 3")),
        (json!({"$join": "$.list", "with": "-"}), json!("1-2")),
        (json!({"$case": "$.n", "of": {"3": "three"}, "else": "many"}), json!("three")),
        (json!({"$case": "$.none", "of": {"3": "three"}}), json!(null)),
        (json!({"$if": {"$.n": {"above": 2}}, "then": "yes", "else": "no"}), json!("yes")),
        (json!({"$each": "$.lines", "as": "$item.q"}), json!([2, 1])),
        (json!({"$each": "$.lines", "as": "$index", "when": {"$item.q": 1}}), json!([1])),
        (json!({"$any": "$.lines", "when": {"$item.q": {"above": 1}}}), json!(true)),
        (json!({"$lower": "$.first"}), json!("ann")),
        (json!({"$number": "$.price"}), json!(10.1)),
        (json!({"$number": "$.first"}), json!(null)),
        (json!({"$text": "$.n"}), json!("3")),
        (json!({"$sum": "$.list"}), json!(3)),
        (json!({"$sum": ["$.n", "$.price"]}), json!(13.1)),
        (json!({"$sum": {"$each": "$.lines", "as": {"$product": ["$item.q", "$item.p"]}}}), json!(0.4)),
        (json!({"$product": ["$.n", "$.none"]}), json!(null)),
        (json!({"$minus": ["$.price", "0.1"]}), json!(10)),
        (json!({"$split": "$.tags", "by": ","}), json!(["a", "b", "c"])),
        (json!({"$split": "$.gid", "by": "/", "at": -1}), json!("42")),
        (json!({"$entry": ["$.first", "$.n"]}), json!({"Ann": 3})),
        (json!({"$literal": {"$first": "$.n"}}), json!({"$first": "$.n"})),
        (json!(["$.n", "$.none", "c"]), json!([3, "c"])),
        (json!({"a": "$.n", "b": "$.none", "...": {"c": 1}}), json!({"a": 3, "c": 1})),
    ] {
        assert_eq!(value(&expression, &body), expected, "{expression}");
    }
}

#[test]
fn conditions_hold_when_they_say() {
    let body = json!({"n": 3, "t": "abc", "no": null, "text_number": "3.0", "off": false});
    for condition in [
        json!({"$.n": 3, "$.t": ["x", "abc"]}),
        json!({"$.text_number": 3}),
        json!({"$.no": null}),
        json!({"$.nowhere": {"exists": false}}),
        json!({"$.off": {"exists": true}}),
        json!({"$.t": {"begins": "ab"}}),
        json!({"$.n": {"not": {"below": 3}}}),
        json!([{"$.n": 4}, {"$.t": "abc"}]),
        json!({}),
    ] {
        assert!(holds(&condition, &body), "{condition}");
    }
    for condition in
        [json!({"$.n": 3, "$.t": "x"}), json!([]), json!({"$.t": {"above": 1}}), json!({"$.t": null})]
    {
        assert!(!holds(&condition, &body), "{condition}");
    }
}

#[test]
fn the_first_rule_that_fits_makes_all_it_has() {
    let mapping = Mapping::parse(&json!({
        "topic": "$header.x-event", "id": "$.id", "time": "$.at",
        "let": {"who": {"$concat": ["c", "$.who"]}, "again": {"$concat": ["$let.who", "!"]}},
        "rules": [
            {"when": {"$topic": "noise"}, "ignore": true},
            {"when": {"$topic": "order"}, "events": [
                {"event_type": "order", "customer_id": "$let.again"},
                {"each": "$.lines", "event_type": "purchase", "customer_id": "$let.who", "product_id": "$item.sku"},
                {"each": "$.one", "event_type": "gift", "customer_id": "$let.who", "event_id": "own"}
            ], "catalog": [{"each": "$.lines", "upsert": {"product_id": "$item.sku"}}]},
        ],
    }))
    .unwrap();
    let body = json!({"id": 7, "who": 1, "at": "2026-01-01T00:00:00Z", "lines": [{"sku": "a"}, {"sku": "b"}], "one": {}});
    let made = outputs(&mapping, &[("x-event", "order")], &body);
    let event = |id: &str, kind: &str, who: &str| json!({"event_id": id, "event_type": kind, "customer_id": who, "timestamp": "2026-01-01T00:00:00Z"});
    let mut lines = [event("shop:7:1", "purchase", "c1"), event("shop:7:2", "purchase", "c1")];
    lines[0]["product_id"] = json!("a");
    lines[1]["product_id"] = json!("b");
    let [first, second] = lines;
    let upsert = |id: &str| json!({"upsert": {"product_id": id}});
    let expected = [
        event("shop:7:0", "order", "c1!"),
        first,
        second,
        event("own", "gift", "c1"),
        upsert("a"),
        upsert("b"),
    ];
    assert_eq!(made, expected);

    let ignored = map(&mapping, &[("x-event", "noise")], "{}").remove(0).unwrap();
    assert!(ignored.ignored && ignored.outputs.is_empty());
    let refused = map(&mapping, &[("x-event", "dance")], "{}").remove(0).unwrap_err();
    assert_eq!((refused.code, refused.at.as_str()), (ProblemCode::Unmapped, "/rules"));
    assert!(refused.message.contains("'dance'"), "{}", refused.message);
}

#[test]
fn a_body_of_several_messages_is_split() {
    let mapping =
        Mapping::parse(&json!({"split": "$.list", "rules": [{"events": [{"event_type": "$.t"}]}]})).unwrap();
    let made = map(&mapping, &[], r#"{"list":[{"t":"a"},{"t":"b"}]}"#);
    assert_eq!(made.len(), 2);
    assert_eq!(map(&mapping, &[], r#"{"t":"c"}"#).len(), 1);
}

#[test]
fn slips_are_pointed_at() {
    let event = |field: &str, value: Json| {
        let mut event = json!({"event_type": "t"});
        event[field] = value;
        json!({"rules": [{"when": {}, "events": [event]}]})
    };
    for (mapping, expected) in [
        (json!([]), "the mapping: expected an object, got a list"),
        (json!({}), "the mapping: 'rules' is missing"),
        (json!({"rules": [{"events": [{}]}]}), "/rules/0/events/0: 'event_type' is missing"),
        (json!({"rules": [{"when": {}}]}), "/rules/0: the rule makes nothing"),
        (event("costumer_id", json!("x")), "/rules/0/events/0: 'costumer_id' is not known here"),
        (
            event("customer_id", json!("$custmer.id")),
            "/rules/0/events/0/customer_id: '$custmer.id' is not a path",
        ),
        (event("customer_id", json!("$.a..b")), "a name is missing behind the point"),
        (event("customer_id", json!("$.a[x]")), "brackets hold a number"),
        (event("customer_id", json!("$item.id")), "$item and $index stand only inside"),
        (event("customer_id", json!("$let.who")), "there is no 'who' in 'let' before this"),
        (event("customer_id", json!({"$frist": []})), "there is no operator '$frist'; there are $first"),
        (event("customer_id", json!({"$minus": ["$.a"]})), "expected a list of two"),
        (
            event("properties", json!({"a/b": {"$split": "$.a"}})),
            "/rules/0/events/0/properties/a~1b: 'by' is missing",
        ),
        (
            event("when", json!({"$.a": {"equals": 1}})),
            "/rules/0/events/0/when/$.a/equals: 'equals' is no test",
        ),
        (event("when", json!({"$.a": {"above": "x"}})), "expected a number, got text"),
        (json!({"split": "$topic", "rules": []}), "split begins with $ alone"),
        (json!({"rules": [{"privacy": [{"kind": "forget"}]}]}), "there are export, erase, erase_all"),
    ] {
        let said = wrong(&mapping);
        assert!(said.contains(expected), "{mapping}\n said: {said}\n not: {expected}");
    }
}

#[test]
fn what_would_never_end_is_refused() {
    let mut deep = json!("$.a");
    for _ in 0..200 {
        deep = json!({"$first": [deep]});
    }
    assert!(wrong(&json!({"rules": [{"events": [{"event_type": deep}]}]})).contains("deeper than"));
    let mut not = json!("a");
    for _ in 0..200 {
        not = json!({"not": not});
    }
    assert!(wrong(&json!({"rules": [{"when": {"$.a": not}, "ignore": true}]})).contains("deeper than"));
    let many: Vec<Json> = vec![json!({"ignore": true}); 501];
    assert!(wrong(&json!({"rules": many})).contains("more than 500 rules"));

    // Each line copies all lines.
    let mapping = Mapping::parse(&json!({"rules": [{"events": [
        {"each": "$.lines", "event_type": "t", "properties": {"all": "$.lines"}}]}]}))
    .unwrap();
    let body = json!({"lines": vec![json!({"a": 1}); 4_000]});
    let refused = map(&mapping, &[], &body.to_string()).remove(0).unwrap_err();
    assert_eq!(refused.code, ProblemCode::TooLarge);
    let mapping =
        Mapping::parse(&json!({"rules": [{"events": [{"each": "$.l", "event_type": "t"}]}]})).unwrap();
    let body = json!({"l": vec![1; 5_001]});
    let refused = map(&mapping, &[], &body.to_string()).remove(0).unwrap_err();
    assert_eq!((refused.code, refused.at.as_str()), (ProblemCode::TooLarge, "/rules/0/events/0"));
}

#[test]
fn an_event_too_large_or_deep_says_so() {
    let mapping =
        Mapping::parse(&json!({"rules": [{"events": [{"event_type": "t", "properties": "$"}]}]})).unwrap();
    let made = map(&mapping, &[], &json!({"text": "x".repeat(300_000)}).to_string()).remove(0).unwrap();
    let super::Output::Event(event) = &made.outputs[0].0 else { panic!("no event") };
    assert_eq!(event.problem.as_ref().unwrap().code, ProblemCode::TooLarge);
}
