//! From what was sent to a clean event, or to the reason it is quarantined.
//!
//! In: a request body ([`parse_batch`]) or fields from an adapter
//! ([`RawEvent`]), with the time of receipt, the user agent and the source's
//! settings. Out: [`Clean`], an event every later step can trust, with remarks
//! on what was mended; or [`Rejection`], which goes to quarantine.
//!
//! Dirty input is not an error: it is mended where only one meaning is
//! possible, kept with a remark where a segment or mail can do without, and
//! rejected only where who, what or when stays unknown. Cleaning a clean event
//! again changes nothing.

pub mod settings;

pub mod problem;

pub mod change;

pub(crate) mod json;

pub mod raw;

pub mod sender;

pub mod batch;

mod automaton;
pub mod bot;
pub mod email;
mod facts;
pub mod fingerprint;
pub mod identity;
mod lineage;
pub mod link;
pub mod money;
pub mod network;
pub mod phone;
pub mod place;
pub mod plan;
pub mod product_id;
pub mod score;
pub mod text;
pub mod timestamp;

pub mod tracking;

pub use automaton::{MACHINE_OPEN, MARKED_BOT};
pub use batch::parse_batch;
pub use bot::{Agent, Rule, Verdict};
pub use change::Change;
pub use lineage::CLEANED;
pub use problem::{BodyError, Problem, ProblemCode, Rejection};
pub use raw::{Field, RawEvent};
pub use score::Score;
pub use sender::Sender;
pub use settings::{
    DateOrder, DecimalMark, FingerprintScope, Limits, Normalise, OptOut, PlanMode, ProductIdPolicy,
    SourceSettings, Vendor,
};

use std::borrow::Cow;

use automaton::Judgement;
use change::Notes;
use problem::excerpt;
use raw::type_name;
use text::{is_placeholder_id, is_sentinel, tidy};

use crate::event::Event;
use crate::id::{AnonymousId, CustomerId, EventId, ProductId};
use crate::time::Timestamp;
use crate::value::{Value, set};

/// The longest event type, in bytes.
pub const EVENT_TYPE_BYTES_MAX: usize = 200;

/// The key in `context` that says a browser asks not to have its data sold or
/// shared.
pub const OPTED_OUT: &str = "gpc";

/// The key in `context` under which an imported event's file and line stand.
/// What was imported is history: it changes profiles, and begins no message.
pub const IMPORTED: &str = "import";

/// An event after cleaning.
#[derive(Clone, Debug, PartialEq)]
pub struct Clean {
    /// The event.
    pub event: Event,
    /// Whether the sender named it; else its id was assigned.
    pub has_own_id: bool,
    /// What was mended, left out or looks dubious.
    pub problems: Vec<Problem>,
    /// Each value that was changed: from what, to what, by which rule.
    pub changes: Vec<Change>,
    /// The kind of program that did it, when its user agent was told.
    pub agent: Option<Agent>,
    /// What speaks for an automaton.
    pub score: Score,
}

/// Cleans one event.
///
/// `assign_id` is asked for an id only when the event brought none.
///
/// # Errors
/// The event's rejection, with the event as it came, when who, what or when is
/// missing or unreadable, or when an automaton did it and the source wants none
/// of that.
pub fn clean(
    raw: RawEvent<'_>,
    received_at: Timestamp,
    sender: &Sender<'_>,
    source: &SourceSettings,
    assign_id: impl FnOnce() -> EventId,
) -> Result<Clean, Rejection> {
    match judge(&raw, received_at, sender, source) {
        Ok(judged) => {
            let mut clean = judged.into_clean(raw, received_at, sender, source, assign_id);
            clean.note_lineage(source);
            Ok(clean)
        }
        Err(problem) => Err(raw.reject(problem)),
    }
}

/// What was read from an event's own fields.
struct Judged<'a> {
    event_type: Box<str>,
    customer_id: Option<CustomerId>,
    anonymous_id: Option<AnonymousId>,
    event_id: Option<EventId>,
    product_id: Option<ProductId>,
    timestamp: Timestamp,
    /// The time as the sender's clock had it, when that was wrong.
    original_timestamp: Option<Timestamp>,
    automaton: Judgement<'a>,
    notes: Notes,
}

/// Cleans one event and holds it against a tracking plan.
///
/// # Errors
/// As [`clean`], and with every violation when the plan, or the source, is
/// strict about an event that differs.
pub fn clean_by_plan(
    raw: RawEvent<'_>,
    received_at: Timestamp,
    sender: &Sender<'_>,
    source: &SourceSettings,
    plan: &plan::Plan,
    assign_id: impl FnOnce() -> EventId,
) -> Result<Clean, Rejection> {
    let judged = match judge(&raw, received_at, sender, source) {
        Ok(judged) => judged,
        Err(problem) => return Err(raw.reject(problem)),
    };
    // Only what may be rejected is needed again as it came.
    let as_it_came = plan.may_reject(&judged.event_type, source).then(|| raw.clone());
    let mut clean = judged.into_clean(raw, received_at, sender, source, assign_id);
    let outcome = plan.check_for(&clean.event, source);
    if let (true, Some(raw)) = (outcome.rejected, as_it_came) {
        return Err(raw.reject_for_all(outcome.problems));
    }
    clean.problems.extend(outcome.problems);
    clean.note_lineage(source);
    Ok(clean)
}

impl Clean {
    /// Its content as a number: see [`fingerprint::fingerprint`].
    pub fn fingerprint(&self) -> u128 {
        fingerprint::fingerprint(&self.event)
    }

    fn note_lineage(&mut self, source: &SourceSettings) {
        lineage::write(&mut self.event.context, &self.changes, &self.problems, source.lineage_bytes);
    }
}

fn judge<'a>(
    raw: &RawEvent<'_>,
    received_at: Timestamp,
    sender: &'a Sender<'_>,
    source: &SourceSettings,
) -> Result<Judged<'a>, Problem> {
    if let Some(problem) = &raw.problem {
        return Err(problem.clone());
    }
    let event_type = event_type(&raw.event_type)?;
    let mut notes = Notes::default();
    let customer_id = identity(&raw.customer_id, "customer_id", source, &mut notes.problems)?;
    let anonymous_id = identity(&raw.anonymous_id, "anonymous_id", source, &mut notes.problems)?;
    if customer_id.is_none() && anonymous_id.is_none() {
        let why = notes.problems.first().map(|problem| format!(" ({})", problem.message)).unwrap_or_default();
        let message = format!("send customer_id or anonymous_id; neither names anybody{why}");
        return Err(Problem::new(ProblemCode::MissingIdentity, "customer_id", message));
    }
    let event_id = identity::read(&raw.event_id, "event_id")?.filter(|id| !is_sentinel(id));
    let (timestamp, original_timestamp) = time(raw, received_at, source, &mut notes.problems)?;
    let identity = customer_id.as_deref().or(anonymous_id.as_deref()).unwrap_or_default();
    let automaton = automaton::judge(raw, identity, timestamp, sender, source)?;
    let product = product_id::read(&raw.product_id, &source.product_ids);
    notes.problems.extend(product.problem);
    note_fields(raw, &event_type, timestamp, product.id.as_ref(), &mut notes);
    Ok(Judged {
        event_type,
        customer_id: customer_id.map(|id| CustomerId::from(&*id)),
        anonymous_id: anonymous_id.map(|id| AnonymousId::from(&*id)),
        event_id: event_id.map(|id| EventId::from(&*id)),
        product_id: product.id,
        timestamp,
        original_timestamp,
        automaton,
        notes,
    })
}

impl Judged<'_> {
    fn into_clean(
        mut self,
        raw: RawEvent<'_>,
        received_at: Timestamp,
        sender: &Sender<'_>,
        source: &SourceSettings,
        assign_id: impl FnOnce() -> EventId,
    ) -> Clean {
        let RawEvent { mut properties, mut traits, mut context, .. } = raw;
        facts::clean(&mut properties, &mut traits, &mut context, source, &mut self.notes);
        self.automaton.write(&mut context);
        if sender.opted_out {
            set(&mut context, OPTED_OUT, Value::Bool(true));
        }
        if let Some(original) = self.original_timestamp {
            set(&mut context, fingerprint::ORIGINAL_TIMESTAMP, Value::Text(original.to_string().into()));
        }
        let has_own_id = self.event_id.is_some();
        let event = Event {
            event_id: self.event_id.unwrap_or_else(assign_id),
            event_type: self.event_type,
            customer_id: self.customer_id,
            anonymous_id: self.anonymous_id,
            timestamp: self.timestamp,
            received_at,
            product_id: self.product_id,
            properties,
            traits,
            context,
            source: source.id.clone(),
        };
        let Notes { problems, changes } = self.notes;
        let Judgement { agent, score, .. } = self.automaton;
        Clean { event, has_own_id, problems, changes, agent: agent.map(|verdict| verdict.agent), score }
    }
}

fn event_type(field: &Field<'_>) -> Result<Box<str>, Problem> {
    let problem = |code, message: String| Err(Problem::new(code, "event_type", message));
    let text = match field {
        Field::Absent => {
            return problem(
                ProblemCode::MissingField,
                "required: what was done, such as product_view".to_owned(),
            );
        }
        Field::Text(text) => tidy(text),
        Field::Value(value) => {
            return problem(ProblemCode::WrongType, format!("expected text, got {}", type_name(value)));
        }
    };
    if is_sentinel(&text) {
        let message = format!("{text:?} says nothing; send what was done, such as product_view");
        return problem(ProblemCode::MissingField, message);
    }
    if text.len() > EVENT_TYPE_BYTES_MAX {
        let message = format!(
            "{:?} has {} bytes, at most {EVENT_TYPE_BYTES_MAX} are allowed; put details in properties",
            excerpt(&text),
            text.len()
        );
        return problem(ProblemCode::TooLong, message);
    }
    Ok(text.into())
}

fn identity<'a>(
    field: &'a Field<'_>,
    name: &str,
    source: &SourceSettings,
    problems: &mut Vec<Problem>,
) -> Result<Option<Cow<'a, str>>, Problem> {
    let Some(text) = identity::read(field, name)? else { return Ok(None) };
    let nobody = is_placeholder_id(&text)
        || source.placeholder_ids.iter().any(|placeholder| placeholder.eq_ignore_ascii_case(&text));
    if !nobody {
        return Ok(Some(text));
    }
    if !text.is_empty() {
        let message = format!("{text:?} stands for nobody in particular and was left out");
        problems.push(Problem::new(ProblemCode::PlaceholderId, name, message));
    }
    Ok(None)
}

/// The event's time, and the sender's own when its clock was wrong.
///
/// A clock is corrected as Segment's specification does ("Common fields",
/// Timestamps): `received_at - (sent_at - timestamp)`. Only beyond
/// [`SourceSettings::clock_tolerance`], because up to it the network explains
/// the difference; and only when the event was not "sent before it happened".
fn time(
    raw: &RawEvent<'_>,
    received_at: Timestamp,
    source: &SourceSettings,
    problems: &mut Vec<Problem>,
) -> Result<(Timestamp, Option<Timestamp>), Problem> {
    let Some(stated) = timestamp::read(&raw.timestamp, source, "timestamp")? else {
        if !raw.timestamp.is_absent() {
            let message = "the value says that there is none; the time of receipt was taken";
            problems.push(Problem::new(ProblemCode::NoTimestamp, "timestamp", message));
        }
        return Ok((received_at, None));
    };
    let sent_at = match timestamp::read(&raw.sent_at, source, "sent_at") {
        Ok(sent_at) => sent_at,
        Err(problem) => {
            problems.push(Problem { code: ProblemCode::BadSentAt, ..problem });
            None
        }
    };
    let Some(sent_at) = sent_at else { return Ok((timestamp::check(stated, source, received_at)?, None)) };
    let skew = received_at - sent_at;
    let within = skew.as_micros().saturating_abs() <= source.clock_tolerance.as_micros();
    if within || stated > sent_at {
        if !within {
            let message =
                format!("sent at {sent_at}, before it happened at {stated}; the clock was not corrected");
            problems.push(Problem::new(ProblemCode::BadSentAt, "sent_at", message));
        }
        return Ok((timestamp::check(stated, source, received_at)?, None));
    }
    let corrected = timestamp::check(received_at - (sent_at - stated), source, received_at)?;
    let message = format!("the sender's clock was off by {skew}; {stated} was taken as {corrected}");
    problems.push(Problem::new(ProblemCode::ClockCorrected, "timestamp", message));
    Ok((corrected, Some(stated)))
}

/// Notes which of an event's own fields were changed.
fn note_fields(
    raw: &RawEvent<'_>,
    event_type: &str,
    timestamp: Timestamp,
    product_id: Option<&ProductId>,
    notes: &mut Notes,
) {
    let of_text = |field: &Field<'_>, now: Option<&str>| match (field, now) {
        (Field::Text(text), Some(now)) => **text != *now,
        (Field::Absent, _) | (_, None) => false,
        (Field::Value(_), Some(_)) => true,
    };
    if of_text(&raw.event_type, Some(event_type)) {
        notes.change("event_type", raw.event_type.to_value(), Value::Text(event_type.into()), "text");
    }
    let product = product_id.map(ProductId::as_str);
    if of_text(&raw.product_id, product) {
        let to = product.map_or(Value::Null, |id| Value::Text(id.into()));
        notes.change("product_id", raw.product_id.to_value(), to, "product_id");
    }
    // RFC 3339 says the same instant in another form at most.
    let other_form = match &raw.timestamp {
        Field::Absent => false,
        Field::Text(text) => !timestamp::is_rfc3339(text),
        Field::Value(_) => true,
    };
    if other_form {
        notes.change(
            "timestamp",
            raw.timestamp.to_value(),
            Value::Text(timestamp.to_string().into()),
            "timestamp",
        );
    }
}

#[cfg(test)]
mod tests;
