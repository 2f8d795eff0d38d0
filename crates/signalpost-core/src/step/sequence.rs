//! Sequence rules: `AFTER a WITHOUT b WITHIN span EMIT c`.
//!
//! Each `a` at time *t* makes a derived event `c` at *t + span*, unless a `b`
//! stands in `[t, t + span)`. The derived events of a profile are a function
//! of its timeline: a `b` that arrives late takes its `c` back.

use super::Action;
use crate::event::Event;
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
            cancel(profile, sequence, event, moment, actions);
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
    let fired: Vec<Derived> =
        profile.derived.iter().filter(|held| held.fired && ended(held)).cloned().collect();
    for held in &fired {
        take_back(profile, sequence, held, actions);
    }
    profile.derived.retain(|held| !ended(held));
    profile.awaited.push(crate::profile::Awaited { rule: sequence.id, matching: value, at });
    if profile.awaited.len() > AWAITED_KEPT {
        profile.awaited.remove(0);
    }
}

/// Undoes a derived event: its row and its count go.
fn take_back(profile: &mut Profile, sequence: &Sequence, held: &Derived, actions: &mut Vec<Action>) {
    let id = derived_id(sequence, held);
    profile
        .rows
        .retain(|row| !(row.moment == derived_moment(held) && *row.event_type == *sequence.rule.emit));
    let left: Vec<Timestamp> = profile
        .derived
        .iter()
        .filter(|other| other.fired && *other != held && other.rule == sequence.id)
        .map(|other| other.due)
        .collect();
    profile.forget(&sequence.rule.emit, held.due, &left);
    actions.push(Action::Retract(id));
}

/// Makes the derived events that are due by `now`, and folds them in.
pub(super) fn fire(
    profile: &mut Profile,
    program: &Program,
    now: Timestamp,
    actions: &mut Vec<Action>,
) -> Vec<Event> {
    let mut fired = Vec::new();
    for index in 0..profile.derived.len() {
        let Some(held) = profile.derived.get_mut(index).filter(|held| !held.fired && held.due <= now) else {
            continue;
        };
        held.fired = true;
        let held = held.clone();
        let Some(sequence) = program.sequences.iter().find(|sequence| sequence.id == held.rule) else {
            continue;
        };
        let event = derived_event(profile, sequence, &held, now);
        let moment = derived_moment(&held);
        profile.fold(&event, moment);
        super::insert_row(profile, program, &event, moment, now);
        // A derived event may itself start or end a rule.
        observe(profile, program, &event, moment, actions);
        actions.push(Action::Derive(event.clone()));
        fired.push(event);
    }
    fired
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

fn derived_moment(held: &Derived) -> Moment {
    Moment { timestamp: held.due, sequence: held.cause.sequence }
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
