//! Functions of values, patterns, and what lies inside objects and lists.

use serde_json::json;

use super::timeline::{Timeline, definition, holds, hour, start};
use crate::value::Value;

#[test]
fn functions_of_texts_and_numbers() {
    let person = Timeline::default()
        .attribute("name", "  Ann-Marie Ödman ".into())
        .attribute("code", "a/b/c".into())
        .attribute("age", Value::Int(-7));
    let cases = [
        ("length(trim(name)) = 15", Some(true)),
        ("trim(name) = 'Ann-Marie Ödman'", Some(true)),
        ("ltrim(name) = 'Ann-Marie Ödman ' AND rtrim(name) = '  Ann-Marie Ödman'", Some(true)),
        ("left(code, 1) = 'a' AND left(code, -4) = 'a' AND left(code, 9) = code", Some(true)),
        ("right(code, 1) = 'c' AND right(code, -2) = 'b/c' AND right(code, 0) = ''", Some(true)),
        ("substring(code, 3) = 'b/c' AND substr(code, 1, 1) = 'a' AND substr(code, 0, 2) = 'a'", Some(true)),
        ("substr(code, 9) = '' AND substr(code, 3, 100) = 'b/c'", Some(true)),
        ("replace(code, '/', '') = 'abc'", Some(true)),
        ("code || '!' = 'a/b/c!' AND (code || missing) IS NULL", Some(true)),
        ("concat(code, missing, '!') = 'a/b/c!'", Some(true)),
        ("starts_with(code, 'a/') AND ends_with(code, '/c') AND contains(code, '/b/')", Some(true)),
        ("strpos(trim(name), 'Ö') = 11 AND strpos(code, 'x') = 0", Some(true)),
        ("split_part(code, '/', 2) = 'b' AND split_part(code, '/', -1) = 'c'", Some(true)),
        ("split_part(code, '/', 4) = ''", Some(true)),
        ("abs(age) = 7 AND mod(age, 4) = -3 AND age % 4 = -3", Some(true)),
        ("round(2.5) = 3 AND round(-2.5) = -3 AND round(2.345, 1) = 2.3", Some(true)),
        ("floor(-1.5) = -2 AND ceil(-1.5) = -1", Some(true)),
        ("greatest(1, missing, age) = 1 AND least(1, missing, age) = -7", Some(true)),
        ("age % 0 IS NULL", Some(true)),
        ("length(missing) = 1", None),
        ("upper(left(code, 1)) = 'A'", Some(true)),
    ];
    for (condition, value) in cases {
        assert_eq!(holds(condition, &person, start()), value, "{condition}");
    }
}

#[test]
fn regular_expressions() {
    let person = Timeline::default().attribute("email", "Jane@Shop.example".into());
    let cases = [
        ("email ~ '@Shop'", Some(true)),
        ("email ~ '@shop'", Some(false)),
        ("email ~* '@shop\\.example$'", Some(true)),
        ("email !~ '^jane'", Some(true)),
        ("email !~* '^jane'", Some(false)),
        ("regexp_like(email, 'J.ne')", Some(true)),
        ("email MATCHES 'J.ne'", Some(true)),
        ("missing ~ 'x'", None),
        ("NOT email ~ 'z'", Some(true)),
    ];
    for (condition, value) in cases {
        assert_eq!(holds(condition, &person, start()), value, "{condition}");
    }
}

#[test]
fn what_lies_inside_objects_and_lists() {
    let items = json!([{"sku": "A", "price": 5}, {"sku": "B", "price": 9.5, "tags": ["new", "red"]}]);
    let timeline = Timeline::default()
        .event(
            hour(1),
            "order",
            &[("items", items.into()), ("ship", json!({"to": {"City Name": "NYC"}}).into())],
        )
        .attribute("tags", json!(["vip", 7]).into())
        .attribute("address", json!({"city": "Rome"}).into());
    let cases = [
        ("event.items[0].sku = 'A'", true),
        ("event.items[1].price > 9", true),
        ("event.items[2].price IS NULL", true),
        ("event.ship.to.\"City Name\" = 'NYC'", true),
        ("properties.ship.to.\"City Name\" LIKE 'N%'", true),
        ("array_length(event.items) = 2", true),
        ("'B' = ANY(event.items[*].sku)", true),
        ("list_contains(event.items[*].sku, 'C')", false),
        ("array_contains(event.items[1].tags, 'red')", true),
        ("event_type = 'order' AND user.address.city = 'Rome'", true),
        ("array_contains(user.tags, 7) AND user.tags[0] = 'vip'", true),
        ("event.items.sku IS NULL", true),
    ];
    for (condition, value) in cases {
        let text = format!("IF {condition} THEN assign to 'x'");
        assert_eq!(super::timeline::evaluate(&text, &timeline, hour(2)).value, Some(value), "{condition}");
        let printed = definition(&text).to_string();
        assert_eq!(definition(&printed), definition(&text), "{printed}");
    }
    let text = "SELECT customer_id FROM customer_data WHERE customer_data.address.city = 'Rome' AND tags[0] = 'vip' \
                AND (SELECT sum(items[0].price) FROM events) = 5";
    assert_eq!(super::timeline::evaluate(text, &timeline, hour(2)).value, Some(true));
    let sql = definition("IF event.items[*].sku = 'x' AND event.a.b > 3 THEN assign to 'x'").to_sql();
    assert!(sql.contains("json_string(e1.\"properties\", 'items.*.sku') = 'x'"), "{sql}");
    assert!(sql.contains("json_number(e1.\"properties\", 'a.b') > 3"), "{sql}");
}
