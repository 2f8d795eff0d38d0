//! What holds for every mapping and every message.

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::headers;
use crate::hook::{Mapping, Message, OUTPUTS_MAX, known, read_body};

fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        prop::sample::select(vec![
            "",
            "a",
            "id",
            "orders/create",
            "$",
            "$.a",
            "$item",
            "10.00",
            "contact.creation"
        ])
        .prop_map(Json::from),
    ];
    let names = prop::sample::select(vec![
        "id",
        "customer",
        "email",
        "line_items",
        "a",
        "$first",
        "$concat",
        "$each",
        "as",
        "when",
        "rules",
        "events",
        "event_type",
        "properties",
        "price",
        "quantity",
        "type",
        "object",
        "subscriptionType",
        "objectId",
        "data",
    ]);
    leaf.prop_recursive(5, 60, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Json::from),
            prop::collection::vec((names.clone(), inner), 0..6).prop_map(|members| {
                members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Json>()
            }),
        ]
    })
}

proptest! {
    #[test]
    fn no_body_harms_a_known_mapping(body in any_json(), topic in "(orders|carts|customers|products)/(create|update|delete|paid|redact)") {
        let body = read_body(body.to_string().as_bytes()).unwrap();
        let headers = headers(&[("x-shopify-topic", &topic), ("x-shopify-webhook-id", "w")]);
        for (_, text) in known::MAPPINGS {
            let mapping = Mapping::parse(&serde_json::from_str(text).unwrap()).unwrap();
            for message in mapping.messages(&body) {
                let message = Message { hook: "h", body: &message, headers: &headers };
                let made = mapping.apply(&message);
                prop_assert_eq!(&made, &mapping.apply(&message));
                if let Ok(mapped) = made {
                    prop_assert!(mapped.outputs.len() <= OUTPUTS_MAX);
                }
            }
        }
    }

    #[test]
    fn any_mapping_is_understood_or_pointed_at(expression in any_json(), when in any_json(), body in any_json()) {
        let mapping = json!({"rules": [{"when": when, "events": [{"event_type": expression}]}, {"ignore": true}]});
        match Mapping::parse(&mapping) {
            Err(error) => {
                prop_assert!(mapping.pointer(&error.at).is_some(), "{} of {}", error.at, mapping);
            }
            Ok(mapping) => {
                let body = read_body(body.to_string().as_bytes()).unwrap();
                let message = Message { hook: "h", body: &body, headers: &[] };
                prop_assert!(mapping.apply(&message).is_ok());
            }
        }
    }
}
