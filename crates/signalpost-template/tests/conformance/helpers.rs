//! The host helpers of the Handlebars cases, from their description as lists of parts (see the README there).

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value as Json;
use signalpost_template::{BlockArguments, Helper, HelperCall, Value, escape_html, js_strict_equal, js_text};

/// A helper whose answer is made of parts.
struct Parts(Vec<Json>);

type Answer<T> = Result<T, String>;

pub(crate) fn described(case: &Json) -> HashMap<String, Box<dyn Helper>> {
    let mut helpers: HashMap<String, Box<dyn Helper>> = HashMap::new();
    for (name, parts) in case["helpers"].as_object().into_iter().flatten() {
        helpers.insert(name.clone(), Box::new(Parts(parts.as_array().unwrap().clone())));
    }
    helpers
}

impl Helper for Parts {
    fn call<'a>(&self, call: &mut HelperCall<'_, 'a>) -> Answer<Value<'a>> {
        if let [only] = self.0.as_slice()
            && let Some(value) = value_part(only, call)?
        {
            return Ok(value);
        }
        Ok(Value::from(text(&self.0, call)?))
    }
}

/// A part that is the answer itself, not text.
fn value_part<'a>(part: &Json, call: &mut HelperCall<'_, 'a>) -> Answer<Option<Value<'a>>> {
    if part.get("undef").is_some() {
        return Ok(Some(Value::Missing));
    }
    if part.get("eq").is_some() {
        return Ok(Some(Value::Bool(js_strict_equal(&call.param(0), &call.param(1)))));
    }
    if let Some(parts) = part.get("safe") {
        if part.get("ifname").and_then(Json::as_str).is_some_and(|n| n != call.name()) {
            return Ok(Some(Value::Missing));
        }
        return Ok(Some(Value::Safe(Arc::from(text(parts.as_array().unwrap(), call)?))));
    }
    if let Some(plus) = part.get("plus") {
        let (a, b) = (call.param(index(&plus[0])), call.param(index(&plus[1])));
        return Ok(Some(match (a.as_float(), b.as_float()) {
            (Some(x), Some(y)) => Value::from(x + y),
            _ => Value::from(js_text(&a) + &js_text(&b)),
        }));
    }
    Ok(None)
}

fn index(json: &Json) -> usize {
    usize::try_from(json.as_u64().unwrap()).unwrap()
}

fn text(parts: &[Json], call: &mut HelperCall<'_, '_>) -> Answer<String> {
    let mut out = String::new();
    for part in parts {
        match part {
            Json::String(plain) => out.push_str(plain),
            Json::Object(object) => {
                let (key, argument) = object.iter().next().unwrap();
                out.push_str(&one(key, argument, part, call)?);
            }
            _ => panic!("a part that is not described: {part}"),
        }
    }
    Ok(out)
}

fn truthy(value: &Value<'_>) -> bool {
    match value {
        Value::Missing | Value::Nil | Value::Bool(false) | Value::Int(0) => false,
        other => other.as_str() != Some(""),
    }
}

fn of_this<'a>(call: &HelperCall<'_, 'a>, name: &str) -> Value<'a> {
    call.this().property(name).unwrap_or(Value::Missing)
}

fn one(key: &str, argument: &Json, part: &Json, call: &mut HelperCall<'_, '_>) -> Answer<String> {
    let name = argument.as_str().unwrap_or("");
    Ok(match key {
        "p" => js_text(&call.param(index(argument))),
        "pup" => js_text(&call.param(index(argument))).to_uppercase(),
        "h" => js_text(&call.hash(name)),
        "he" => escape_html(&js_text(&call.hash(name))),
        "t" => js_text(&of_this(call, name)),
        "tup" => js_text(&of_this(call, name)).to_uppercase(),
        "tor" => Some(of_this(call, name)).filter(truthy).map_or(String::new(), |v| js_text(&v)),
        "ift" => {
            if truthy(&of_this(call, name)) {
                part["s"].as_str().unwrap().to_owned()
            } else {
                String::new()
            }
        }
        "d" => js_text(&call.data(name)),
        "name" => call.name().to_owned(),
        "num" => {
            let value = call.param(index(argument));
            if value.as_float().is_some() { js_text(&value) } else { "NaN".to_owned() }
        }
        "bool" => match call.param(index(argument)) {
            Value::Bool(truth) => truth.to_string(),
            _ => "NaB".to_owned(),
        },
        "fn" | "inv" => {
            let arguments = block_arguments(argument, part, call);
            if key == "fn" { call.block(arguments)? } else { call.inverse(arguments)? }
        }
        "fnp" => {
            let context = Some(call.param(index(argument)));
            call.block(BlockArguments { context, ..BlockArguments::default() })?
        }
        "cond" => {
            if truthy(&call.param(0)) {
                call.block(BlockArguments::default())?
            } else {
                call.inverse(BlockArguments::default())?
            }
        }
        "list" => list(call)?,
        "print" => match call.hash("print") {
            Value::Bool(true) => text(argument.as_array().unwrap(), call)?,
            Value::Bool(false) => "NOT PRINTING".to_owned(),
            _ => "THIS SHOULD NOT HAPPEN".to_owned(),
        },
        _ => js_text(
            &value_part(part, call)?.unwrap_or_else(|| panic!("a part that is not described: {part}")),
        ),
    })
}

fn list(call: &mut HelperCall<'_, '_>) -> Answer<String> {
    let items = call.param(0);
    let count = items.len().unwrap_or(0);
    if count == 0 {
        return Ok(format!("<p>{}</p>", call.inverse(BlockArguments::default())?));
    }
    let mut out = String::from("<ul>");
    for at in 0..count {
        let context = items.item(at);
        out.push_str("<li>");
        out.push_str(&call.block(BlockArguments { context, ..BlockArguments::default() })?);
        out.push_str("</li>");
    }
    Ok(out + "</ul>")
}

/// The context and data that a part asks its block to be rendered with.
fn block_arguments<'a>(argument: &Json, part: &Json, call: &HelperCall<'_, 'a>) -> BlockArguments<'a> {
    let context = match argument.as_str() {
        Some("this") => None,
        Some("none") => Some(Value::Missing),
        _ => Some(filled(argument, call)),
    };
    let data = part.get("data").and_then(Json::as_object).into_iter().flatten();
    let data = data.map(|(k, v)| (k.clone(), Value::from_json(v))).collect();
    BlockArguments { context, data, parameters: Vec::new() }
}

/// A value in which `{"$p": i}` stands for a parameter.
fn filled<'a>(json: &Json, call: &HelperCall<'_, 'a>) -> Value<'a> {
    match json {
        Json::Object(object) => match object.get("$p") {
            Some(i) => call.param(index(i)),
            None => {
                let entries = object.iter().map(|(k, v)| (Arc::from(k.as_str()), filled(v, call))).collect();
                Value::Object(std::rc::Rc::new(entries))
            }
        },
        other => Value::from_json(other),
    }
}
