//! A configured destination: one kind, its settings, and how to send with it.

use serde::Deserialize;
use serde_json::Value as Json;
use signalpost_core::time::Timestamp;

use super::inbox::Inbox;
use super::message::{Message, Outcome};
use super::rate::{self, Limiter};
use super::smtp::{self, Smtp};
use super::webhook::{self, Webhook};

/// Where messages go.
#[derive(Debug)]
pub struct Destination {
    kind: Kind,
    limiter: Option<Limiter>,
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

impl Destination {
    /// Makes a destination of its definition: `kind`, its settings, and a
    /// `rate` for any kind. `inbox` is the built-in one.
    ///
    /// # Errors
    /// What is wrong with the definition, naming the field.
    pub fn from_json(definition: &Json, inbox: &Inbox) -> Result<Self, String> {
        let mut settings = definition.clone();
        let rate = settings.as_object_mut().and_then(|object| object.shift_remove("rate"));
        let limiter = match rate {
            None | Some(Json::Null) => None,
            Some(rate) => {
                let rate: rate::Settings =
                    serde_json::from_value(rate).map_err(|error| format!("rate: {error}"))?;
                Some(Limiter::new(rate).map_err(|error| error.to_string())?)
            }
        };
        let kind = match serde_json::from_value(settings).map_err(|error| error.to_string())? {
            Definition::Inbox {} => Kind::Inbox(inbox.clone()),
            Definition::Webhook(settings) => {
                Kind::Webhook(Box::new(Webhook::new(settings).map_err(|error| error.to_string())?))
            }
            Definition::Smtp(settings) => {
                Kind::Smtp(Box::new(Smtp::new(settings).map_err(|error| error.to_string())?))
            }
        };
        Ok(Self { kind, limiter })
    }

    /// Whether the other side can tell a repeat by the delivery's id, so that
    /// an attempt in doubt may be made again.
    pub fn tells_repeats(&self) -> bool {
        match self.kind {
            Kind::Inbox(_) | Kind::Webhook(_) => true,
            Kind::Smtp(_) => false,
        }
    }

    /// A fresh limiter, when the destination has a rate.
    pub fn limiter(&self) -> Option<Limiter> {
        self.limiter.clone()
    }

    /// Makes one attempt.
    pub async fn send(&self, message: &Message, now: Timestamp) -> Outcome {
        match &self.kind {
            Kind::Inbox(inbox) => inbox.send(message, now).await,
            Kind::Webhook(webhook) => webhook.send(message, now).await,
            Kind::Smtp(smtp) => smtp.send(message, now).await,
        }
    }
}

/// The fields of a definition that are never shown.
const SECRETS: [&str; 4] = ["url", "secret", "password", "headers"];

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
