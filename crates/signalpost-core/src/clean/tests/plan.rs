//! Tracking plans: what is refused, what differs, what is learnt.

use proptest::prelude::*;

use super::received_at;
use crate::clean::plan::schema::Schema;
use crate::clean::plan::{Document, Error, Learner, Plan, Unplanned};
use crate::clean::{
    Clean, Limits, PlanMode, ProblemCode, Rejection, Sender, SourceSettings, clean, clean_by_plan,
    parse_batch,
};
use crate::event::Event;
use crate::value::Value;

const PLAN: &str = r##"{
  "version": 3,
  "mode": "warn",
  "unplanned": "warn",
  "events": {
    "purchase": {
      "version": 2,
      "mode": "strict",
      "schema": {
        "type": "object",
        "required": ["customer_id", "product_id"],
        "properties": {
          "properties": {
            "type": "object",
            "required": ["price"],
            "properties": {
              "price": {"type": "number", "exclusiveMinimum": 0, "multipleOf": 0.01},
              "quantity": {"type": "integer", "minimum": 1},
              "currency": {"enum": ["EUR", "USD"]},
              "items": {"type": "array", "maxItems": 2, "items": {"$ref": "#/$defs/item"}}
            },
            "additionalProperties": false
          }
        },
        "$defs": {"item": {"type": "object", "required": ["sku"], "properties": {"sku": {"type": "string", "pattern": "^[A-Z]+$"}}}}
      }
    },
    "product_view": {"schema": {"properties": {"properties": {"properties": {"category": {"type": "string"}}}}}}
  }
}"##;

fn by_plan(json: &str, plan: &Plan) -> Result<Clean, Rejection> {
    let mut elements = parse_batch(json.as_bytes(), &Limits::default()).unwrap();
    let source = SourceSettings::default();
    elements.remove(0).and_then(|raw| {
        clean_by_plan(raw, received_at(), &Sender::default(), &source, plan, || "assigned".into())
    })
}

fn event(json: &str) -> Event {
    let mut elements = parse_batch(json.as_bytes(), &Limits::default()).unwrap();
    let source = SourceSettings::default();
    clean(elements.remove(0).unwrap(), received_at(), &Sender::default(), &source, || "assigned".into())
        .unwrap()
        .event
}

/// The differences of a value from a schema, a line each.
fn differences(schema: &str, value: &str) -> String {
    let schema = Schema::compile(&serde_json::from_str(schema).unwrap()).unwrap();
    let value = Value::from(serde_json::from_str::<serde_json::Value>(value).unwrap());
    let lines =
        schema.check(&value).into_iter().map(|v| format!("{}: {}, got {}", v.path, v.expected, v.got));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn what_differs_is_named_with_what_was_expected() {
    let plan = Plan::from_json(PLAN).unwrap();
    let good = r#"{"event_type":"purchase","customer_id":"c","product_id":"p","price":19.99,"quantity":2,"currency":"EUR","items":[{"sku":"A"}]}"#;
    assert_eq!(by_plan(good, &plan).unwrap().problems, []);
    let wrong = event(
        r#"{"event_type":"purchase","customer_id":"c","price":"free","quantity":1.5,"currency":"GBP","items":[{"sku":"a"},{},5],"colour":1}"#,
    );
    let outcome = plan.check(&wrong);
    assert_eq!((outcome.version, outcome.rejected), (Some(2), true));
    let lines: Vec<String> = outcome.problems.iter().map(ToString::to_string).collect();
    let said = |rest: &str| {
        format!("plan_violation in {rest}").replace('~', "the plan (version 2 of purchase) expects")
    };
    assert_eq!(
        lines,
        [
            said("product_id: ~ a value, got nothing"),
            said("properties.price: ~ number, got text \"free\""),
            said("properties.quantity: ~ integer, got number 1.5"),
            said("properties.currency: ~ one of \"EUR\", \"USD\", got text \"GBP\""),
            said("properties.items: ~ at most 2 items, got a list"),
            said("properties.items[0].sku: ~ text like ^[A-Z]+$, got text \"a\""),
            said("properties.items[1].sku: ~ a value, got nothing"),
            said("properties.items[2]: ~ object, got number 5"),
            said("properties.colour: ~ no value here, got number 1"),
        ]
    );
}

#[test]
fn strict_rejects_and_warn_remarks() {
    let plan = Plan::from_json(PLAN).unwrap();
    let rejection = by_plan(
        r#"{"event_type":"purchase","customer_id":"c","product_id":"a1","price":"1,5 x","size":5}"#,
        &plan,
    )
    .unwrap_err();
    assert_eq!(rejection.problem.code, ProblemCode::PlanViolation);
    assert_eq!(rejection.problem.field, "properties.price");
    assert!(rejection.raw.contains("\"a1\"") && rejection.raw.contains("1,5 x"), "{}", rejection.raw);
    let codes = |json: &str| -> Vec<ProblemCode> {
        by_plan(json, &plan).unwrap().problems.iter().map(|problem| problem.code).collect()
    };
    assert_eq!(
        codes(r#"{"event_type":"product_view","customer_id":"c","category":5}"#),
        [ProblemCode::PlanViolation]
    );
    assert_eq!(codes(r#"{"event_type":"dance","customer_id":"c"}"#), [ProblemCode::UnplannedEvent]);
    let all: Vec<&str> = rejection.problems().map(|problem| &*problem.field).collect();
    assert_eq!(all, ["properties.price", "properties.size"], "every violation is named");
    let strict = Plan::from_json(r#"{"unplanned":"strict"}"#).unwrap();
    let rejection = by_plan(r#"{"event_type":"dance","customer_id":"c"}"#, &strict).unwrap_err();
    assert_eq!(rejection.problem.code, ProblemCode::UnplannedEvent);
}

#[test]
fn a_source_may_be_held_to_more_or_less_than_the_plan_says() {
    let plan = Plan::from_json(PLAN).unwrap();
    let outcome = |mode, unplanned, json: &str| {
        let source = SourceSettings { plan: mode, unplanned, ..SourceSettings::default() };
        let raw = parse_batch(json.as_bytes(), &Limits::default()).unwrap().remove(0).unwrap();
        match clean_by_plan(raw, received_at(), &Sender::default(), &source, &plan, || "x".into()) {
            Ok(clean) => format!("{} remarks", clean.problems.len()),
            Err(rejection) => rejection.problem.code.to_string(),
        }
    };
    let purchase = r#"{"event_type":"purchase","customer_id":"c","product_id":"a1","price":true}"#;
    let view = r#"{"event_type":"product_view","customer_id":"c","category":5}"#;
    let dance = r#"{"event_type":"dance","customer_id":"c"}"#;
    let all = |mode, unplanned| [purchase, view, dance].map(|json| outcome(mode, unplanned, json));
    assert_eq!(all(PlanMode::AsPlanned, None), ["plan_violation", "1 remarks", "1 remarks"]);
    assert_eq!(all(PlanMode::Warn, None), ["1 remarks", "1 remarks", "1 remarks"]);
    assert_eq!(all(PlanMode::Strict, None), ["plan_violation", "plan_violation", "1 remarks"]);
    assert_eq!(
        all(PlanMode::Strict, Some(Unplanned::Strict)),
        ["plan_violation", "plan_violation", "unplanned_event"]
    );
    assert_eq!(all(PlanMode::Off, Some(Unplanned::Strict)), ["0 remarks", "0 remarks", "0 remarks"]);
    assert_eq!(
        all(PlanMode::AsPlanned, Some(Unplanned::Allow)),
        ["plan_violation", "1 remarks", "0 remarks"]
    );
}

#[test]
fn the_known_keywords_hold() {
    assert_eq!(differences(r#"{"type":["string","null"]}"#, "null"), "");
    assert_eq!(differences(r#"{"type":"integer"}"#, "3.0"), "");
    assert_eq!(differences(r#"{"const":{"a":1,"b":[2]}}"#, r#"{"b":[2],"a":1.0}"#), "");
    assert_eq!(differences(r#"{"anyOf":[{"type":"string"},{"minimum":5}]}"#, "7"), "");
    assert_eq!(differences(r#"{"maxLength":2}"#, "\"äöü\""), ": at most 2 characters, got text \"äöü\"");
    assert_eq!(
        differences(r#"{"oneOf":[{"minimum":1},{"minimum":5}]}"#, "7"),
        ": a value that fits exactly one of the forms in oneOf, got number 7"
    );
    assert_eq!(
        differences(r#"{"not":{"type":"string"}}"#, "\"x\""),
        ": a value that does not fit the form in not, got text \"x\""
    );
    assert_eq!(
        differences(
            r#"{"properties":{"mail":{"format":"email"},"at":{"format":"date-time"}}}"#,
            r#"{"mail":"x","at":"now"}"#
        ),
        "mail: text in the form email, got text \"x\"\nat: text in the form date-time, got text \"now\""
    );
    assert_eq!(differences(r#"{"minProperties":2}"#, r#"{"a":1}"#), ": at least 2 names, got 1");
    assert_eq!(differences("false", "1"), ": no value here, got number 1");
}

#[test]
fn what_is_not_understood_is_refused() {
    let refused =
        |schema: &str| match Plan::from_json(&format!(r#"{{"events":{{"a":{{"schema":{schema}}}}}}}"#)) {
            Err(Error::Schema { event_type, at, .. }) => format!("{event_type} {at}"),
            other => panic!("{other:?}"),
        };
    assert_eq!(refused(r#"{"properties":{"x":{"typ":"string"}}}"#), "a /properties/x/typ");
    assert_eq!(refused(r#"{"type":"text"}"#), "a /type");
    assert_eq!(refused(r#"{"if":{}}"#), "a /if");
    assert_eq!(refused(r#"{"pattern":"("}"#), "a /pattern");
    assert_eq!(refused(r#"{"pattern":"(a{1000}){1000}"}"#), "a /pattern");
    assert_eq!(refused(r#"{"minimum":"1"}"#), "a /minimum");
    assert_eq!(refused(r##"{"$ref":"https://elsewhere.example/x"}"##), "a /$ref");
    assert!(refused(r##"{"items":{"$ref":"#"}}"##).contains("$ref"), "a loop");
    assert_eq!(refused("5"), "a ");
    assert!(matches!(Plan::from_json("{\"evnts\":{}}"), Err(Error::Document { .. })));
}

#[test]
fn a_plan_is_exported_as_it_was_imported() {
    let plan = Plan::from_json(PLAN).unwrap();
    let again = Plan::from_json(&plan.to_json()).unwrap();
    assert_eq!(plan.document(), again.document());
    assert_eq!(plan.to_json(), again.to_json());
}

#[test]
fn a_plan_is_learnt_from_traffic() {
    let mut learner = Learner::default();
    for n in 0..200 {
        let channel = if n % 2 == 0 { "web" } else { "app" };
        let price = if n % 3 == 0 { "5".to_owned() } else { format!("{n}.5") };
        learner.observe(&event(&format!(
            r#"{{"event_type":"purchase","customer_id":"c{n}","price":{price},"channel":"{channel}","note":{},"traits":{{"email":"a{n}@b.example"}},"items":[{{"sku":"s{n}"}}]}}"#,
            if n == 7 { "null" } else { "\"n\"" }
        )));
    }
    let document = learner.finish();
    let schema = &document.events["purchase"].schema;
    assert_eq!(schema["required"], serde_json::json!(["customer_id"]));
    let properties = &schema["properties"]["properties"];
    assert_eq!(properties["properties"]["price"], serde_json::json!({"type": "number"}));
    assert_eq!(
        properties["properties"]["channel"],
        serde_json::json!({"type": "string", "enum": ["app", "web"]})
    );
    assert_eq!(properties["properties"]["note"], serde_json::json!({"type": ["null", "string"]}));
    assert_eq!(properties["properties"]["items"]["items"]["required"], serde_json::json!(["sku"]));
    assert_eq!(schema["properties"]["traits"]["properties"]["email"]["format"], "email");
    let plan = Plan::compile(document).unwrap();
    let outcome =
        plan.check(&event(r#"{"event_type":"purchase","customer_id":"c","price":"x","channel":"fax"}"#));
    assert!(!outcome.rejected);
    let fields: Vec<&str> = outcome.problems.iter().map(|problem| problem.field.as_str()).collect();
    assert_eq!(
        fields,
        ["properties.items", "properties.note", "properties.price", "properties.channel", "traits.email"]
            .into_iter()
            .filter(|field| *field != "traits.email")
            .collect::<Vec<_>>()
    );
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        (-5_i64..5).prop_map(Into::into),
        (-5.0_f64..5.0).prop_map(Into::into),
        "[a-c@.]{0,4}".prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            proptest::collection::btree_map(
                "(type|items|enum|required|properties|minimum|pattern|not|anyOf|[a-c])",
                inner,
                0..4
            )
            .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_was_learnt_from_follows_what_was_learnt(
        events in proptest::collection::vec((proptest::sample::select(vec!["a", "b"]), any_json()), 1..60),
    ) {
        let events: Vec<Event> = events
            .iter()
            .map(|(kind, json)| {
                event(&serde_json::json!({"event_type": kind, "customer_id": "c", "properties": {"x": json}, "y": json}).to_string())
            })
            .collect();
        let mut learner = Learner::default();
        events.iter().for_each(|event| learner.observe(event));
        let text = Plan::compile(learner.finish()).unwrap().to_json();
        let plan = Plan::from_json(&text).unwrap();
        for event in &events {
            prop_assert_eq!(plan.check(event).problems, vec![], "{}", text);
        }
    }

    #[test]
    fn no_schema_and_no_value_makes_it_panic(schema in any_json(), value in any_json()) {
        if let Ok(schema) = Schema::compile(&schema) {
            let value = Value::from(value);
            prop_assert_eq!(schema.check(&value), schema.check(&value));
        }
        drop(serde_json::from_value::<Document>(schema));
    }
}
