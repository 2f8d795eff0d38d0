//! A message ready to go out, and what became of an attempt to send it.

use std::time::Duration;

use signalpost_core::campaign::DeliveryId;

/// One personal message, rendered.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// The delivery it belongs to: the idempotency key of every attempt.
    pub id: DeliveryId,
    /// The campaign's name.
    pub campaign: String,
    /// The person's key.
    pub customer_id: String,
    /// The address, normalised.
    pub to: String,
    /// The person's name, for the address header; may be empty.
    pub to_name: String,
    /// The subject line.
    pub subject: String,
    /// The preview text; may be empty.
    pub preheader: String,
    /// The HTML body.
    pub html: String,
    /// The plain-text body.
    pub text: String,
    /// Where one click unsubscribes (RFC 8058); may be empty.
    pub unsubscribe_url: String,
    /// Facts for machines: profile, event, segments, products. JSON object.
    pub data: serde_json::Value,
    /// When it was decided on, RFC 3339.
    pub decided_at: String,
}

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The other side took it. `answer` is what it said, shortened, without secrets.
    Accepted {
        /// What it said.
        answer: String,
    },
    /// Not taken, worth another try: refused connection, 429, 5xx, SMTP 4xx.
    Retry {
        /// Why.
        reason: String,
        /// When the other side asked to be tried again.
        after: Option<Duration>,
    },
    /// Not taken, and never will be: 4xx, SMTP 5xx.
    Refused {
        /// Why.
        reason: String,
    },
    /// It may have been taken: the connection broke after everything was sent.
    InDoubt {
        /// What happened.
        reason: String,
    },
}
