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

mod json;

pub mod raw;

pub mod batch;

pub mod bot;
pub mod email;
pub mod fingerprint;
pub mod identity;
pub mod money;
pub mod product_id;
pub mod text;
pub mod timestamp;

pub mod tracking;

pub use batch::parse_batch;
pub use bot::Agent;
pub use problem::{BodyError, Problem, ProblemCode, Rejection};
pub use raw::{Field, RawEvent};
pub use settings::{
    DateOrder, DecimalMark, FingerprintScope, Limits, ProductIdPolicy, SourceSettings, Vendor,
};

use std::borrow::Cow;

use problem::excerpt;
use raw::type_name;
use text::{is_placeholder_id, is_sentinel, tidy};

use crate::event::Event;
use crate::id::{AnonymousId, CustomerId, EventId, ProductId};
use crate::time::Timestamp;
use crate::value::{Map, Value, get, set};

/// The longest event type, in bytes.
pub const EVENT_TYPE_BYTES_MAX: usize = 200;

/// An event after cleaning.
#[derive(Clone, Debug, PartialEq)]
pub struct Clean {
    /// The event.
    pub event: Event,
    /// Whether the sender named it; else its id was assigned.
    pub has_own_id: bool,
    /// Its content as a number: see [`fingerprint::fingerprint`].
    pub fingerprint: u128,
    /// What was mended, left out or looks dubious.
    pub problems: Vec<Problem>,
}

/// Cleans one event.
///
/// `user_agent` is that of the request. `assign_id` is asked for an id only
/// when the event brought none.
///
/// # Errors
/// The event's rejection, with the event as it came, when who, what or when is
/// missing or unreadable, or when an automaton did it.
pub fn clean(
    raw: RawEvent<'_>,
    received_at: Timestamp,
    user_agent: Option<&str>,
    source: &SourceSettings,
    assign_id: impl FnOnce() -> EventId,
) -> Result<Clean, Rejection> {
    match judge(&raw, received_at, user_agent, source) {
        Ok(judged) => Ok(judged.into_clean(raw, received_at, source, assign_id)),
        Err(problem) => Err(raw.reject(problem)),
    }
}

/// What was read from an event's own fields.
struct Judged {
    event_type: Box<str>,
    customer_id: Option<CustomerId>,
    anonymous_id: Option<AnonymousId>,
    event_id: Option<EventId>,
    product_id: Option<ProductId>,
    timestamp: Timestamp,
    /// The time as the sender's clock had it, when that was wrong.
    original_timestamp: Option<Timestamp>,
    problems: Vec<Problem>,
}

fn judge(
    raw: &RawEvent<'_>,
    received_at: Timestamp,
    user_agent: Option<&str>,
    source: &SourceSettings,
) -> Result<Judged, Problem> {
    if let Some(problem) = &raw.problem {
        return Err(problem.clone());
    }
    let event_type = event_type(&raw.event_type)?;
    let mut problems = Vec::new();
    let customer_id = identity(&raw.customer_id, "customer_id", source, &mut problems)?;
    let anonymous_id = identity(&raw.anonymous_id, "anonymous_id", source, &mut problems)?;
    if customer_id.is_none() && anonymous_id.is_none() {
        let why = problems.first().map(|problem| format!(" ({})", problem.message)).unwrap_or_default();
        let message = format!("send customer_id or anonymous_id; neither names anybody{why}");
        return Err(Problem::new(ProblemCode::MissingIdentity, "customer_id", message));
    }
    let event_id = identity::read(&raw.event_id, "event_id")?.filter(|id| !is_sentinel(id));
    let (timestamp, original_timestamp) = time(raw, received_at, source, &mut problems)?;
    if source.filter_bots {
        refuse_bots(raw, user_agent, source)?;
    }
    let product = product_id::read(&raw.product_id, &source.product_ids);
    problems.extend(product.problem);
    Ok(Judged {
        event_type,
        customer_id: customer_id.map(|id| CustomerId::from(&*id)),
        anonymous_id: anonymous_id.map(|id| AnonymousId::from(&*id)),
        event_id: event_id.map(|id| EventId::from(&*id)),
        product_id: product.id,
        timestamp,
        original_timestamp,
        problems,
    })
}

impl Judged {
    fn into_clean(
        mut self,
        raw: RawEvent<'_>,
        received_at: Timestamp,
        source: &SourceSettings,
        assign_id: impl FnOnce() -> EventId,
    ) -> Clean {
        let RawEvent { mut properties, mut traits, mut context, .. } = raw;
        clean_email(&mut traits, "traits", &mut self.problems);
        clean_email(&mut properties, "properties", &mut self.problems);
        clean_amounts(&mut properties, source, &mut self.problems);
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
        let fingerprint = fingerprint::fingerprint(&event);
        Clean { event, has_own_id, fingerprint, problems: self.problems }
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

/// Refuses what automatons did. The person's agent, which a server passes on in
/// `context`, says more than the agent of the server's own request.
fn refuse_bots(raw: &RawEvent<'_>, user_agent: Option<&str>, source: &SourceSettings) -> Result<(), Problem> {
    let passed_on = ["user_agent", "userAgent"].iter().find_map(|name| get(&raw.context, name)?.as_text());
    let (agent, field) = match (passed_on, user_agent) {
        (Some(agent), _) => (agent, "context.user_agent"),
        (None, Some(agent)) => (agent, "user_agent"),
        (None, None) => return Ok(()),
    };
    let refused = match bot::classify(agent) {
        Agent::Bot => passed_on.is_some() || source.drop_http_libraries || !bot::is_unnamed(agent),
        Agent::LinkScanner => true,
        Agent::HttpLibrary => passed_on.is_some() || source.drop_http_libraries,
        Agent::Human | Agent::App | Agent::EmailClient | Agent::EmailProxy => false,
    };
    if refused {
        let message = format!("{:?} is an automaton", excerpt(agent));
        return Err(Problem::new(ProblemCode::Bot, field, message));
    }
    Ok(())
}

/// Normalises `email`; an unusable one leaves the map for a remark.
fn clean_email(map: &mut Map, name: &str, problems: &mut Vec<Problem>) {
    let Some(place) = map.iter().position(|(name, _)| &**name == "email") else { return };
    let field = || format!("{name}.email");
    let Some((_, value)) = map.get_mut(place) else { return };
    let text = match value {
        Value::Null => return,
        Value::Text(text) => text,
        other => {
            let message = format!("expected text, got {}: {}", type_name(other), excerpt(&other.to_string()));
            problems.push(Problem::new(ProblemCode::BadEmail, field(), message));
            map.remove(place);
            return;
        }
    };
    match email::normalise(text) {
        Some(address) => {
            if email::is_placeholder(&address) {
                let message = format!("{address:?} is hardly a person's address; kept");
                problems.push(Problem::new(ProblemCode::PlaceholderEmail, field(), message));
            }
            if *address != **text {
                *text = address.into();
            }
        }
        None => {
            if !is_sentinel(&tidy(text)) {
                let message = format!("{text:?} is not an address mail can be sent to; left out");
                problems.push(Problem::new(ProblemCode::BadEmail, field(), message));
            }
            map.remove(place);
        }
    }
}

/// Writes amounts of money that are text, such as `$1,234.50`, as plain decimal
/// text, so that sums can be taken. What cannot be read stays as it came.
fn clean_amounts(properties: &mut Map, source: &SourceSettings, problems: &mut Vec<Problem>) {
    const NAMES: [&str; 7] = ["price", "unit_price", "revenue", "total", "subtotal", "tax", "amount"];
    let is_amount = |name: &str, value: &Value| {
        let is_text = value.as_text().is_some_and(|text| text.bytes().any(|byte| byte.is_ascii_digit()));
        is_text && NAMES.contains(&name) && value.as_number().is_none()
    };
    if !properties.iter().any(|(name, value)| is_amount(name, value)) {
        return;
    }
    let stated = get(properties, "currency").and_then(Value::as_text).map(|text| tidy(text).into_owned());
    let currency = stated.as_deref().or(source.currency.as_deref());
    for (name, value) in properties.iter_mut().filter(|(name, value)| is_amount(name, value)) {
        if let Some(amount) = money::normalise(value, currency, source.decimal_mark) {
            *value = Value::Text(amount.into());
            continue;
        }
        let message = format!(
            "{:?} is no amount in {}, or could be two; kept as it came. Send a number, or set decimal_mark of the source",
            excerpt(&value.to_string()),
            currency.unwrap_or("a known currency")
        );
        problems.push(Problem::new(ProblemCode::BadAmount, format!("properties.{name}"), message));
    }
}

#[cfg(test)]
mod tests;
