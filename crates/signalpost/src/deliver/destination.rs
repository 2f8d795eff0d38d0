//! A configured destination: one kind, its settings, and how to send with it.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value as Json;

use super::inbox::Inbox;
use super::message::{Message, Outcome};
use super::smtp::{self, Smtp};
use super::webhook::{self, Webhook};

/// Where messages go.
#[derive(Debug)]
pub struct Destination {
    kind: Kind,
    rate: Option<(f64, u32)>,
}

#[derive(Debug)]
enum Kind {
    Inbox(Inbox),
    Webhook(Box<Webhook>),
    Smtp(Box<Smtp>),
}

/// A destination as it is defined: `{"kind":"smtp", …settings}`.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Definition {
    Inbox {},
    Webhook(webhook::Settings),
    Smtp(smtp::Settings),
}

/// Bounds every kind may have.
#[derive(Debug, Default, Deserialize)]
struct Bounds {
    /// Messages a second at most.
    rate_per_second: Option<f64>,
    /// Messages at once after a pause.
    burst: Option<u32>,
}

impl Destination {
    /// Makes a destination of its definition. `mail` is the built-in inbox's folder.
    ///
    /// # Errors
    /// What is wrong with the definition, naming the field.
    pub fn from_json(definition: &Json, mail: &Path) -> Result<Self, String> {
        let mut settings = definition.clone();
        let mut bounds = serde_json::Map::new();
        if let Some(object) = settings.as_object_mut() {
            for name in ["rate_per_second", "burst"] {
                if let Some(value) = object.shift_remove(name) {
                    bounds.insert(name.into(), value);
                }
            }
        }
        let bounds: Bounds = serde_json::from_value(Json::Object(bounds)).map_err(|error| error.to_string())?;
        let kind = match serde_json::from_value(settings).map_err(|error| error.to_string())? {
            Definition::Inbox {} => Kind::Inbox(Inbox::new(mail).map_err(|error| error.to_string())?),
            Definition::Webhook(settings) => {
                Kind::Webhook(Box::new(Webhook::new(settings).map_err(|error| error.to_string())?))
            }
            Definition::Smtp(settings) => Kind::Smtp(Box::new(Smtp::new(settings).map_err(|error| error.to_string())?)),
        };
        let rate = bounds.rate_per_second.map(|rate| (rate, bounds.burst.unwrap_or(1)));
        Ok(Self { kind, rate })
    }

    /// Whether the other side can tell a repeat by the delivery's id, so that
    /// an attempt in doubt may be made again.
    pub fn tells_repeats(&self) -> bool {
        match self.kind {
            Kind::Inbox(_) | Kind::Webhook(_) => true,
            Kind::Smtp(_) => false,
        }
    }

    /// Messages a second and at once, when bounded.
    pub fn rate(&self) -> Option<(f64, u32)> {
        self.rate
    }

    /// Makes one attempt.
    pub async fn send(&self, message: &Message) -> Outcome {
        match &self.kind {
            Kind::Inbox(inbox) => inbox.send(message),
            Kind::Webhook(webhook) => webhook.send(message).await,
            Kind::Smtp(smtp) => smtp.send(message).await,
        }
    }
}

/// The fields of a definition that are never shown.
const SECRETS: [&str; 3] = ["secret", "password", "headers"];

/// The definition as it is shown: secrets are blotted out.
pub fn describe(definition: &Json) -> Json {
    let mut shown = definition.clone();
    if let Some(object) = shown.as_object_mut() {
        for name in SECRETS {
            if let Some(value) = object.get_mut(name).filter(|value| !value.is_null()) {
                *value = Json::String("•••".into());
            }
        }
    }
    shown
}
