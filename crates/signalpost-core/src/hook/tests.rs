//! Mappings through their public interface: what messages come to.

mod document;
mod known;
mod language;
mod laws;

use serde_json::{Value as Json, json};

use super::{Mapped, Mapping, Message, Output, Refusal, read_body};
use crate::value::Value;

fn headers(pairs: &[(&str, &str)]) -> Vec<(Box<str>, Box<str>)> {
    pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
}

/// Maps each message of a body.
fn map(mapping: &Mapping, pairs: &[(&str, &str)], body: &str) -> Vec<Result<Mapped, Refusal>> {
    let body = read_body(body.as_bytes()).unwrap();
    let headers = headers(pairs);
    let one = |body: &Value| mapping.apply(&Message { hook: "shop", body, headers: &headers });
    mapping.messages(&body).iter().map(|body| one(body)).collect()
}

fn show(output: &Output) -> Json {
    match output {
        Output::Event(event) => event.to_json(),
        Output::Upsert(item) => json!({"upsert": item}),
        Output::Remove(id) => json!({"remove": id}),
        Output::Privacy(request) => json!({
            "privacy": request.kind.as_str(), "customer_id": request.customer_id, "email": request.email,
            "details": crate::value::map_to_json(&request.details),
        }),
    }
}

/// What the only message of a body comes to, as JSON.
fn outputs(mapping: &Mapping, pairs: &[(&str, &str)], body: &Json) -> Vec<Json> {
    let mapped = map(mapping, pairs, &body.to_string()).remove(0).unwrap();
    mapped.outputs.iter().map(|(output, _)| show(output)).collect()
}
