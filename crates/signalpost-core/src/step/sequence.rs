//! Sequence rules: `AFTER a WITHOUT b WITHIN span EMIT c`.
//!
//! Each `a` at time *t* makes a derived event `c` at *t + span*, unless a `b`
//! stands in `[t, t + span)`. The derived events of a profile are a function
//! of its timeline: a `b` that arrives late takes its `c` back.

use super::Action;
use crate::event::{Event, derived_place};
use crate::id::EventId;
use crate::profile::{Derived, Moment, Profile};
use crate::program::{Program, Sequence};
use crate::time::Timestamp;
use crate::value::{Map, Value};

/// Awaited events kept a rule, for `a`s that arrive late.
const AWAITED_KEPT: usize = 256;

/// Takes note of an event: it may start a rule, or be what one waits for.
pub(super) fn observe(
    profile: &mut Profile,
    program: &Program,
    event: &Event,
    moment: Moment,
    actions: &mut Vec<Action>,
) {
    for sequence in &program.sequences {
        if *event.event_type == *sequence.rule.without {
            cancel(profile, program, sequence, event, moment, actions);
        }
        if *event.event_type == *sequence.rule.after {
            start(profile, sequence, event, moment);
        }
    }
}

fn matching(sequence: &Sequence, event: &Event) -> Value {
    sequence.rule.matching.as_deref().map_or(Value::Null, |name| event.column(name))
}

fn start(profile: &mut Profile, sequence: &Sequence, event: &Event, moment: Moment) {
    let due = moment.timestamp + sequence.rule.within;
    let value = matching(sequence, event);
    let bought = profile.awaited.iter().any(|awaited| {
        awaited.rule == sequence.id
            && awaited.matching == value
            && awaited.at >= moment.timestamp
            && awaited.at < due
    });
    let known = profile.derived.iter().any(|held| held.rule == sequence.id && held.cause == moment);
    if bought || known {
        return;
    }
    profile.derived.push(Derived {
        rule: sequence.id,
        cause: moment,
        cause_event_id: event.event_id.as_str().into(),
        matching: value,
        product_id: event.product_id.clone(),
        due,
        fired: false,
    });
}

fn cancel(
    profile: &mut Profile,
    program: &Program,
    sequence: &Sequence,
    event: &Event,
    moment: Moment,
    actions: &mut Vec<Action>,
) {
    let value = matching(sequence, event);
    let at = moment.timestamp;
    let ended = |held: &Derived| {
        held.rule == sequence.id && held.matching == value && held.cause.timestamp <= at && at < held.due
    };
    end(profile, program, sequence, ended, actions);
    profile.awaited.push(crate::profile::Awaited { rule: sequence.id, matching: value, at });
    if profile.awaited.len() > AWAITED_KEPT {
        profile.awaited.remove(0);
    }
}

/// Ends the waits of a rule that are `ended`, and takes back what they made.
fn end(
    profile: &mut Profile,
    program: &Program,
    sequence: &Sequence,
    ended: impl Fn(&Derived) -> bool,
    actions: &mut Vec<Action>,
) {
    while let Some(index) = profile.derived.iter().position(&ended) {
        let held = profile.derived.remove(index);
        if held.fired {
            take_back(profile, program, sequence, &held, actions);
        }
    }
}

/// Undoes a derived event: its row and its count go, and the waits it started.
fn take_back(
    profile: &mut Profile,
    program: &Program,
    sequence: &Sequence,
    held: &Derived,
    actions: &mut Vec<Action>,
) {
    let moment = derived_moment(sequence, held);
    profile.rows.retain(|row| !(row.moment == moment && *row.event_type == *sequence.rule.emit));
    let alike = |other: &&Derived| {
        let rule = program.sequences.iter().find(|rule| rule.id == other.rule);
        other.fired && rule.is_some_and(|rule| rule.rule.emit == sequence.rule.emit)
    };
    let left: Vec<Timestamp> = profile.derived.iter().filter(alike).map(|other| other.due).collect();
    profile.forget(&sequence.rule.emit, held.due, &left);
    actions.push(Action::Retract(derived_id(sequence, held)));
    for started in program.sequences.iter().filter(|started| started.rule.after == sequence.rule.emit) {
        let by_it: &dyn Fn(&Derived) -> bool = &|other| other.rule == started.id && other.cause == moment;
        end(profile, program, started, by_it, actions);
    }
}

/// Makes the derived events that are due by `now`, in the order of their
/// times, and folds them in. One may start a wait that is over as well.
pub(super) fn fire(
    profile: &mut Profile,
    program: &Program,
    now: Timestamp,
    actions: &mut Vec<Action>,
) -> Vec<Event> {
    let mut fired = Vec::new();
    while let Some(held) = take_due(profile, now) {
        let Some(sequence) = program.sequences.iter().find(|sequence| sequence.id == held.rule) else {
            continue;
        };
        let event = derived_event(profile, sequence, &held, now);
        let moment = derived_moment(sequence, &held);
        profile.fold_derived(&event, moment);
        super::insert_row(profile, program, &event, moment, now);
        // A derived event may itself start or end a rule.
        observe(profile, program, &event, moment, actions);
        actions.push(Action::Derive(event.clone()));
        fired.push(event);
    }
    fired
}

/// The wait that was over first by `now`, marked as fired.
fn take_due(profile: &mut Profile, now: Timestamp) -> Option<Derived> {
    let waiting = profile.derived.iter_mut().filter(|held| !held.fired && held.due <= now);
    let held = waiting.min_by_key(|held| (held.due, held.cause, held.rule))?;
    held.fired = true;
    Some(held.clone())
}

/// The ids of the derived events that have fired.
pub(super) fn fired_ids(profile: &Profile, program: &Program) -> Vec<EventId> {
    let fired = profile.derived.iter().filter(|held| held.fired);
    fired
        .filter_map(|held| {
            let sequence = program.sequences.iter().find(|sequence| sequence.id == held.rule)?;
            Some(derived_id(sequence, held))
        })
        .collect()
}

fn derived_moment(sequence: &Sequence, held: &Derived) -> Moment {
    Moment { timestamp: held.due, sequence: derived_place(&derived_id(sequence, held)) }
}

fn derived_id(sequence: &Sequence, held: &Derived) -> EventId {
    EventId::from(format!("{}:{}:{}", sequence.rule.emit, sequence.id, held.cause_event_id))
}

fn derived_event(profile: &Profile, sequence: &Sequence, held: &Derived, now: Timestamp) -> Event {
    let mut properties: Map = vec![
        ("cause_event_id".into(), Value::Text(held.cause_event_id.clone())),
        ("started_at".into(), Value::Text(held.cause.timestamp.to_string().into())),
    ];
    if let Some(name) = sequence.rule.matching.as_deref()
        && name != "product_id"
    {
        properties.push((name.into(), held.matching.clone()));
    }
    Event {
        event_id: derived_id(sequence, held),
        event_type: sequence.rule.emit.as_str().into(),
        customer_id: profile.key.customer_id().cloned(),
        anonymous_id: match &profile.key {
            crate::id::ProfileKey::Anonymous(id) => Some(id.clone()),
            crate::id::ProfileKey::Customer(_) => None,
        },
        timestamp: held.due,
        received_at: now,
        product_id: held.product_id.clone(),
        properties,
        traits: Map::new(),
        context: Map::new(),
        source: "derived".into(),
    }
}
