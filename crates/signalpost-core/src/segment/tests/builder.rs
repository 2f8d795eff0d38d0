//! The builder's form: what it says, what its schema allows, what is refused.

use serde_json::{Value as Json, json};

use crate::segment::{BUILDER_SCHEMA, Schema, Statement, parse, parse_builder};

/// What the published schema has against `json`; a small reader of the
/// keywords that the schema uses, which panics on any other.
pub(super) fn problem_with(json: &Json) -> Option<String> {
    let schema: Json = serde_json::from_str(BUILDER_SCHEMA).expect("JSON");
    problem(json, &schema, &schema)
}

fn problem(json: &Json, schema: &Json, root: &Json) -> Option<String> {
    schema.as_object().expect("an object").iter().find_map(|(keyword, said)| match keyword.as_str() {
        "$schema" | "title" | "$defs" | "description" => None,
        "$ref" => {
            let name = said.as_str()?.strip_prefix("#/$defs/").expect("a local reference");
            problem(json, root["$defs"].get(name).expect(name), root)
        }
        "anyOf" => {
            let fits = said.as_array()?.iter().any(|schema| problem(json, schema, root).is_none());
            (!fits).then(|| format!("nothing fits {json}"))
        }
        "type" => {
            let is = |name: &str| match name {
                "object" => json.is_object(),
                "array" => json.is_array(),
                "string" => json.is_string(),
                "number" => json.is_number(),
                "integer" => json.is_i64() || json.is_u64(),
                "boolean" => json.is_boolean(),
                "null" => json.is_null(),
                other => panic!("type {other}"),
            };
            let fits = match said {
                Json::Array(names) => names.iter().any(|name| is(name.as_str().expect("a name"))),
                name => is(name.as_str().expect("a name")),
            };
            (!fits).then(|| format!("{json} is no {said}"))
        }
        "required" => {
            let missing =
                said.as_array()?.iter().find(|name| json.get(name.as_str().expect("a name")).is_none());
            missing.map(|name| format!("{name} is missing"))
        }
        "properties" => json
            .as_object()?
            .iter()
            .find_map(|(name, value)| said.get(name).and_then(|schema| problem(value, schema, root))),
        "additionalProperties" => {
            let odd = json.as_object()?.keys().find(|name| schema["properties"].get(name.as_str()).is_none());
            odd.map(|name| format!("{name} is not known"))
        }
        "items" => json.as_array()?.iter().find_map(|item| problem(item, said, root)),
        "prefixItems" => {
            let mut pairs = json.as_array()?.iter().zip(said.as_array()?);
            pairs.find_map(|(item, schema)| problem(item, schema, root))
        }
        "enum" => (!said.as_array()?.contains(json)).then(|| format!("{json} is none of {said}")),
        "const" => (json != said).then(|| format!("{json} is not {said}")),
        "minItems" | "maxItems" | "minimum" | "maximum" | "minLength" | "maxLength" | "minProperties"
        | "maxProperties" => {
            let size = match json {
                Json::Array(items) => items.len() as i64,
                Json::Object(fields) => fields.len() as i64,
                Json::String(text) => text.chars().count() as i64,
                number => number.as_i64()?,
            };
            let bound = said.as_i64().expect("a number");
            let fits = if keyword.starts_with("min") { size >= bound } else { size <= bound };
            (!fits).then(|| format!("{json} against {keyword} {said}"))
        }
        other => panic!("the schema says {other}"),
    })
}

#[test]
fn blocks_say_what_rules_say() {
    let cases = [
        (
            "IF event_type = 'cart_abandonment' AND event_time >= now() - 24 hours THEN assign to 'Abandoned Cart Last 24h'",
            json!({"name": "Abandoned Cart Last 24h", "condition": {"done": {"events": ["cart_abandonment"], "window": {"last": "24 hours"}}}}),
        ),
        (
            "SELECT customer_id FROM customer_data WHERE age BETWEEN 25 AND 35 AND location = 'NYC'",
            json!({"condition": {"all": [{"between": [{"trait": "age"}, 25, 35]}, {"compare": [{"trait": "location"}, "=", "NYC"]}]}}),
        ),
        (
            "IF done purchase where (price > 10) at least 3 times last month in zone 'Europe/Berlin' THEN assign to 'x'",
            json!({"name": "x", "condition": {"done": {
                "events": ["purchase"], "where": {"compare": [{"event": "price"}, ">", 10]}, "times": {"at_least": 3},
                "window": {"calendar": "month", "offset": -1, "zone": "Europe/Berlin"},
            }}}),
        ),
        (
            "IF done view then cart within 2 hours without purchase within 1 hour matching product_id AND \
             sum(price) of purchase >= 500 THEN assign to 'x'",
            json!({"name": "x", "condition": {"all": [
                {"done": {"events": ["view"], "matching": "product_id", "then": [
                    {"events": ["cart"], "within": "2 hours"}, {"events": ["purchase"], "within": "1 hour", "without": true},
                ]}},
                {"compare": [{"value": {"function": "sum", "of": {"event": "price"}, "events": ["purchase"]}}, ">=", 500]},
            ]}}),
        ),
        (
            "AFTER add_to_cart WITHOUT purchase WITHIN 1 hour MATCHING product_id EMIT cart_abandonment",
            json!({"after": "add_to_cart", "without": "purchase", "within": "1 hour", "matching": "product_id", "emit": "cart_abandonment"}),
        ),
        (
            "IF event.items[*].sku = 'x' OR user.a.b ~* 'x' AND extract(hour FROM now() AT TIME ZONE 'Asia/Tokyo') < 9 THEN assign to 'x'",
            json!({"name": "x", "condition": {"any": [
                {"done": {"where": {"compare": [{"path": {"event": "items"}, "steps": ["*", {"key": "sku"}]}, "=", "x"]}}},
                {"all": [
                    {"matches": [{"path": {"trait": "a"}, "steps": [{"key": "b"}]}, "x"], "any_case": true},
                    {"compare": [{"part": [{"at_zone": [{"now": true}, "Asia/Tokyo"]}, "hour"]}, "<", 9]},
                ]},
            ]}}),
        ),
    ];
    for (text, json) in cases {
        let statement: Statement = parse(text, &Schema::default()).expect(text);
        assert_eq!(statement.to_builder(), json, "{text}");
        assert_eq!(problem_with(&json), None, "{text}");
        let (read, _) = parse_builder(&json, &Schema::default()).expect(text);
        assert_eq!(read, statement, "{text}");
    }
}

#[test]
fn refusals_say_where_in_the_blocks() {
    let cases = [
        (json!([]), "an object was expected here (at the top)", ""),
        (json!({"name": "x"}), "the condition is missing", "\"done\""),
        (json!({"condition": {"al": []}}), "'al' is no kind of condition or value (at condition)", "'all'"),
        (
            json!({"condition": {"all": [true, {"compare": [{"trait": "a"}, "~", 1]}]}}),
            "'~' compares nothing (at condition.all[1].compare)",
            "<=",
        ),
        (json!({"condition": {"done": {"event": ["a"]}}}), "there is no field 'event' here", "'events'"),
        (json!({"condition": {"event": "price"}}), "no event here that could have 'price'", "\"where\""),
        (
            json!({"condition": {"done": {"events": ["a"], "where": {"event": "price", "outer": 1}}}}),
            "no event here",
            "",
        ),
        (json!({"condition": {"done": {"times": {"at_last": 3}}}}), "how many times", "at_least"),
        (
            json!({"condition": {"done": {"window": {"last": "a week"}}}}),
            "a week is not a length",
            "24 hours",
        ),
        (
            json!({"condition": {"compare": [{"trait": "last_seen"}, "=", 3]}}),
            "an instant is compared with a number",
            "unit",
        ),
        (json!({"condition": {"call": "sum", "of": [1]}}), "there is no function 'sum'", ""),
        (
            json!({"condition": {"at_zone": [{"now": true}, "Berlin"]}}),
            "no time zone 'Berlin'",
            "'Europe/Berlin'",
        ),
        (json!({"condition": 5}), "a condition was expected", "age >= 18"),
        (json!({"after": "a", "without": "b", "within": "1 hour", "emit": "a"}), "for ever", "another type"),
    ];
    for (json, message, hint) in cases {
        let refusal = parse_builder(&json, &Schema::default()).expect_err(message);
        assert!(refusal.message.contains(message), "{json}\n{refusal}");
        assert!(refusal.hint.as_deref().unwrap_or_default().contains(hint), "{json}\n{refusal}");
    }
    let mut deep = json!(true);
    for _ in 0..200 {
        deep = json!({"not": deep});
    }
    let refusal = parse_builder(&json!({"condition": deep}), &Schema::default()).expect_err("too deep");
    assert!(refusal.message.contains("nested more than 128 deep"), "{}", refusal.message);
}
