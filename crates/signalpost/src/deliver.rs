//! Deliver: decisions become messages, and messages go out once.
//!
//! In: decisions the workers committed. Out: attempts, each recorded before it
//! begins and after it ends, so that a crash never sends one twice: what was
//! under way when the program died is in doubt, and only a destination that
//! can tell repeats gets it again.

pub mod destination;
pub mod inbox;
pub mod message;
pub mod outbox;
pub mod rate;
pub mod retry;
pub mod secret;
pub mod smtp;
pub mod webhook;

use serde::{Deserialize, Serialize};
use signalpost_core::campaign::{Decision, Delivery};
use signalpost_core::time::Timestamp;

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Decided against; see the decision.
    Suppressed,
    /// Waits for its first or next attempt.
    Pending,
    /// An attempt is under way, or was when the program died.
    Sending,
    /// The other side took it.
    Sent,
    /// The other side will not have it.
    Refused,
    /// Tried often enough: a dead letter, until somebody retries it.
    Dead,
    /// It may have gone out; it is not tried again by itself.
    InDoubt,
}

impl Status {
    /// Its name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Suppressed => "suppressed",
            Self::Pending => "pending",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::Refused => "refused",
            Self::Dead => "dead",
            Self::InDoubt => "in_doubt",
        }
    }
}

/// The reason a decision was made against sending, in the API's words.
pub fn decision_name(decision: &Decision) -> &'static str {
    match decision {
        Decision::Send => "send",
        Decision::NoConsent => "no_consent",
        Decision::NoAddress => "no_address",
        Decision::Capped => "capped",
        Decision::HeldOut => "held_out",
    }
}

/// One attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryAttempt {
    /// When it began.
    pub at: Timestamp,
    /// What came of it; empty while it is under way.
    pub outcome: Box<str>,
}

/// A delivery in the store: what was decided, and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeliveryRecord {
    /// What was decided.
    pub delivery: Delivery,
    /// Where it stands.
    pub status: Status,
    /// The attempts, oldest first.
    pub attempts: Vec<DeliveryAttempt>,
    /// When the next one is due.
    pub next_attempt: Option<Timestamp>,
    /// The destination it went to, or will.
    pub destination: Box<str>,
    /// The address it went to.
    pub to: Box<str>,
    /// Its subject.
    pub subject: Box<str>,
}

impl DeliveryRecord {
    /// A decision just made.
    pub fn new(delivery: Delivery, status: Status) -> Self {
        let next_attempt = (status == Status::Pending).then_some(delivery.decided_at);
        Self {
            delivery,
            status,
            attempts: Vec::new(),
            next_attempt,
            destination: "".into(),
            to: "".into(),
            subject: "".into(),
        }
    }

    /// The delivery as the API shows it.
    pub fn to_json(&self) -> serde_json::Value {
        let attempts: Vec<_> = self
            .attempts
            .iter()
            .map(|attempt| serde_json::json!({"at": attempt.at.to_string(), "outcome": attempt.outcome}))
            .collect();
        serde_json::json!({
            "id": self.delivery.id.to_string(),
            "campaign": self.delivery.campaign,
            "profile": self.delivery.profile.to_string(),
            "customer_id": self.delivery.profile.customer_id().map(signalpost_core::id::CustomerId::as_str),
            "decision": decision_name(&self.delivery.decision),
            "status": self.status.name(),
            "cause": self.delivery.cause,
            "event_id": self.delivery.event_id,
            "decided_at": self.delivery.decided_at.to_string(),
            "destination": self.destination,
            "to": self.to,
            "subject": self.subject,
            "attempts": attempts,
            "next_attempt": self.next_attempt.map(|at| at.to_string()),
        })
    }
}
