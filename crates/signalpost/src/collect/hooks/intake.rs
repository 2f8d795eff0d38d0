//! What a hook's messages make, on its way to be kept.
//!
//! In: messages. Out: one submission to the log, changes of the catalog and
//! privacy requests. All of it can be repeated without harm, since a sender
//! whose answer got lost sends it again.

use std::sync::Arc;

use serde_json::{Value as Json, json};
use signalpost_core::catalog::{self, Item};
use signalpost_core::clean::plan::Plan;
use signalpost_core::clean::{self, BodyError, Problem as Found, ProblemCode, Sender, SourceSettings};
use signalpost_core::hook::{Message, Output, PrivacyRequest};
use signalpost_core::time::Timestamp;

use super::definition::Hook;
use super::envelope::Envelope;
use crate::admin::catalog::Change;
use crate::app::App;
use crate::collect::{self, Remark, Sorted, Taken};
use crate::log::writer::Receipt;
use crate::log::{QuarantineId, Quarantined};
use crate::privacy;
use crate::problem::Problem;

/// What some messages of a hook make.
#[derive(Debug)]
pub struct Intake {
    hook: Arc<Hook>,
    source: SourceSettings,
    plan: Arc<Plan>,
    received_at: Timestamp,
    sorted: Sorted,
    changes: Vec<Change>,
    requests: Vec<PrivacyRequest>,
    ignored: usize,
    messages: usize,
}

/// Something that a message makes and that cannot be taken.
struct Refused {
    /// Its place among the message's outputs.
    place: usize,
    /// Where in the mapping it is made.
    at: Box<str>,
    problem: Found,
}

impl Intake {
    /// For messages of `hook` received at `received_at`.
    pub fn new(app: &App, hook: &Arc<Hook>, received_at: Timestamp) -> Self {
        // A hook's request is made by a server, whatever its source says of others.
        let source = SourceSettings { drop_http_libraries: false, ..(*app.source(&hook.source)).clone() };
        Self {
            hook: Arc::clone(hook),
            source,
            plan: app.intake.plan(),
            received_at,
            sorted: Sorted::default(),
            changes: Vec::new(),
            requests: Vec::new(),
            ignored: 0,
            messages: 0,
        }
    }

    /// Lets go of a quarantined message in the same commit.
    pub fn release(&mut self, id: QuarantineId) {
        self.sorted.submission.released.push(id);
    }

    /// Takes one message; of its outputs `only` those, when it is said.
    pub fn take(&mut self, message: &Message<'_>, only: Option<&[usize]>) {
        let mapped = match self.hook.mapping.apply(message) {
            Ok(mapped) => mapped,
            Err(refusal) => {
                let problem = Found::new(refusal.code, refusal.at, refusal.message);
                self.refuse(&problem, &Envelope::of_message(message, None));
                self.messages += 1;
                return;
            }
        };
        self.ignored += usize::from(mapped.ignored);
        let wanted = |place: &usize| only.is_none_or(|only| only.contains(place));
        let mut refused = Vec::new();
        for (place, (output, at)) in mapped.outputs.into_iter().enumerate().filter(|(place, _)| wanted(place))
        {
            if let Err(problem) = self.take_output(output) {
                refused.push(Refused { place, at, problem });
            }
        }
        if let Some(first) = refused.first() {
            let Refused { at, problem, .. } = first;
            let more = match refused.len() - 1 {
                0 => String::new(),
                more => format!("; and {more} more of this message"),
            };
            let message_text = format!("{} (made at {at} of the mapping){more}", problem.message);
            let problem = Found::new(problem.code, problem.field.clone(), message_text);
            let only = refused.iter().map(|refused| refused.place).collect();
            self.refuse(&problem, &Envelope::of_message(message, Some(only)));
        }
        self.messages += 1;
    }

    /// Keeps a body that is no JSON.
    pub fn unreadable(&mut self, error: &BodyError, envelope: Envelope) {
        self.refuse(&Found::new(ProblemCode::Unreadable, "", error.to_string()), &envelope);
    }

    fn take_output(&mut self, output: Output) -> Result<(), Found> {
        match output {
            Output::Event(event) => {
                let (source, sender) = (&self.source, Sender::default());
                let assign_id = collect::new_event_id;
                let cleaned =
                    clean::clean_by_plan(*event, self.received_at, &sender, source, &self.plan, assign_id);
                let clean = cleaned.map_err(|rejection| rejection.summary())?;
                self.sorted.take(clean, source);
            }
            Output::Upsert(mut json) => {
                if let (Some(currency), Some(object)) = (&self.source.currency, json.as_object_mut()) {
                    // A shop's product does not say what its price is in.
                    object.entry("currency").or_insert_with(|| json!(currency));
                }
                let item = Item::from_json(&json).map_err(|problem| {
                    Found::new(ProblemCode::BadItem, problem.field(), problem.to_string())
                })?;
                self.changes.push(Change::Upsert(item));
            }
            Output::Remove(id) => {
                let id = catalog::product_id(&id).ok_or_else(|| {
                    Found::new(
                        ProblemCode::BadItem,
                        "product_id",
                        "the item to be taken out has no product id",
                    )
                })?;
                self.changes.push(Change::Remove(id));
            }
            Output::Privacy(request) => self.requests.push(request),
        }
        Ok(())
    }

    fn refuse(&mut self, problem: &Found, envelope: &Envelope) {
        self.sorted.remarks.push(Remark {
            index: self.messages,
            code: problem.code.as_str(),
            field: problem.field.clone(),
            message: problem.message.clone(),
        });
        self.sorted.submission.quarantined.push(Quarantined {
            received_at: self.received_at,
            source: self.hook.source.as_str().into(),
            code: problem.code.as_str().into(),
            field: problem.field.as_str().into(),
            message: problem.message.as_str().into(),
            raw: envelope.write().into(),
            user_agent: "".into(),
        });
    }

    /// Makes all of it durable, and says what became of it.
    ///
    /// # Errors
    /// When it cannot be made durable: then its sender is to send it again.
    pub async fn keep(self, app: &Arc<App>, bytes: usize) -> Result<Kept, Problem> {
        privacy::record(&app.documents, &self.hook.name, &self.requests, self.received_at)?;
        let changed = crate::admin::catalog::apply(app, self.changes)?;
        let taken = collect::submit(app, self.sorted, bytes).await?;
        Ok(Kept {
            receipt: taken.receipt.clone(),
            answer: json!({
                "catalog": changed, "privacy_requests": self.requests.len(), "ignored": self.ignored,
            }),
            taken,
        })
    }
}

/// What became of some messages.
#[derive(Debug)]
pub struct Kept {
    /// Of their events.
    pub receipt: Receipt,
    taken: Taken,
    answer: Json,
}

impl Kept {
    /// As their sender is told.
    pub fn to_json(&self) -> Json {
        let mut answer = self.taken.to_json();
        if let (Some(answer), Some(more)) = (answer.as_object_mut(), self.answer.as_object()) {
            answer.extend(more.clone());
        }
        answer
    }
}
