//! A hook's message as quarantine keeps it: with its headers and its body, so
//! that it can be mapped again when the mapping has been mended.
//!
//! The text begins with `hook NAME`, which no JSON does. So nothing that came in
//! as an event can pass for a hook's message when it is replayed.

use serde_json::{Map, Value as Json, json};
use signalpost_core::hook::Message;
use signalpost_core::value::Value;

const MARK: &str = "hook ";

/// A message that is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Envelope {
    /// The hook it came to.
    pub hook: String,
    /// The headers that a mapping may see.
    pub headers: Vec<(Box<str>, Box<str>)>,
    /// The message; text when it could not be read as JSON.
    pub body: Json,
    /// Which of the things that it made were refused; none when all of it was.
    pub only: Option<Vec<usize>>,
    /// Whether the body is the text of one that is no JSON.
    pub is_text: bool,
}

impl Envelope {
    /// For a message that could not be mapped, or of whose outputs some were refused.
    pub fn of_message(message: &Message<'_>, only: Option<Vec<usize>>) -> Self {
        Self {
            hook: message.hook.to_owned(),
            headers: message.headers.to_vec(),
            body: message.body.to_json(),
            only,
            is_text: false,
        }
    }

    /// For a body that could not be read.
    pub fn of_text(hook: &str, headers: &[(Box<str>, Box<str>)], text: &str) -> Self {
        Self {
            hook: hook.to_owned(),
            headers: headers.to_vec(),
            body: json!(text),
            only: None,
            is_text: true,
        }
    }

    /// The text for quarantine.
    pub fn write(&self) -> String {
        let headers: Map<String, Json> =
            self.headers.iter().map(|(name, value)| (name.to_string(), json!(**value))).collect();
        let name = if self.is_text { "text" } else { "body" };
        let mut kept = Map::new();
        kept.insert("headers".to_owned(), Json::Object(headers));
        if let Some(only) = &self.only {
            kept.insert("only".to_owned(), json!(only));
        }
        kept.insert(name.to_owned(), self.body.clone());
        format!("{MARK}{}\n{}", self.hook, Json::Object(kept))
    }

    /// Reads it back; `None` for anything else that is in quarantine.
    pub fn read(raw: &str) -> Option<Self> {
        let (hook, rest) = raw.strip_prefix(MARK)?.split_once('\n')?;
        let kept: Json = serde_json::from_str(rest).ok()?;
        let headers = kept.get("headers")?.as_object()?;
        let headers =
            headers.iter().map(|(name, value)| Some((name.as_str().into(), value.as_str()?.into())));
        let only = kept.get("only").and_then(Json::as_array);
        let only = only.map(|only| {
            only.iter().filter_map(|place| usize::try_from(place.as_u64()?).ok()).collect::<Vec<_>>()
        });
        let text = kept.get("text");
        Some(Self {
            hook: hook.to_owned(),
            headers: headers.collect::<Option<_>>()?,
            is_text: text.is_some(),
            body: text.or_else(|| kept.get("body"))?.clone(),
            only,
        })
    }

    /// The body as a mapping reads it.
    pub fn value(&self) -> Value {
        Value::from(self.body.clone())
    }
}
