//! A profile into bytes. [`super::read`] is its mirror: change both together.

use crate::event::Event;
use crate::id::ProductId;
use crate::profile::{CartLine, Derived, Moment, Profile, ProfileRow, TypeSummary};
use crate::segment::TypeName;
use crate::time::Timestamp;
use crate::value::{Map, Value};

/// Writes all fields behind what `bytes` holds.
pub(super) fn profile(profile: &Profile, bytes: Vec<u8>) -> Vec<u8> {
    let mut to = Writer { bytes, at: 0, sequence: 0 };
    to.bytes.push(u8::from(profile.key.customer_id().is_none()));
    to.text(match &profile.key {
        crate::id::ProfileKey::Customer(id) => id.as_str(),
        crate::id::ProfileKey::Anonymous(id) => id.as_str(),
    });
    to.list(&profile.anonymous_ids, |to, id| to.text(id.as_str()));
    to.list(&profile.types, Writer::summary);
    to.list(&profile.traits, |to, held| {
        to.text(&held.name);
        to.value(&held.value);
        to.moment(held.set_at);
    });
    to.list(&profile.consents, |to, held| {
        to.text(&held.purpose);
        to.truth(held.granted);
        to.moment(held.set_at);
    });
    to.option(profile.last_viewed.as_ref(), Writer::touched);
    to.list(&profile.viewed, Writer::touched);
    to.option(profile.recent_view_category.as_ref(), |to, (moment, category)| {
        to.moment(*moment);
        to.text(category);
    });
    to.list(&profile.cart, Writer::cart_line);
    to.option(profile.cart_emptied.as_ref(), |to, moment| to.moment(*moment));
    to.list(&profile.orders, |to, order| to.bytes.extend_from_slice(&order.to_le_bytes()));
    to.signed(profile.spent_micros);
    to.list(&profile.purchased, Writer::touched);
    to.rows(profile);
    to.list(&profile.future, |to, (moment, event)| {
        to.moment(*moment);
        to.event(event);
    });
    to.list(&profile.derived, Writer::derived);
    to.list(&profile.awaited, |to, held| {
        to.number(held.rule.into());
        to.value(&held.matching);
        to.instant(held.at);
    });
    to.list(&profile.memberships, |to, held| {
        to.number(held.segment.into());
        to.instant(held.entered_at);
        to.number(held.version.into());
    });
    to.list(&profile.contacts, |to, held| {
        to.number(held.campaign.into());
        to.instant(held.at);
    });
    to.number(profile.program_version);
    to.instant_or_never(profile.waits.others());
    let mut before = 0;
    to.list(profile.waits.each(), |to, (segment, until)| {
        to.number((segment - std::mem::replace(&mut before, *segment)).into());
        to.instant(*until);
    });
    to.truth(profile.unevaluated);
    to.truth(profile.explainable);
    to.instant_or_never(profile.timer);
    to.bytes
}

struct Writer {
    bytes: Vec<u8>,
    /// The instant written last, in microseconds.
    at: i64,
    /// The sequence written last.
    sequence: u64,
}

impl Writer {
    fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.bytes.push(number.to_le_bytes()[0] | 0x80);
            number >>= 7;
        }
        self.bytes.push(number.to_le_bytes()[0]);
    }

    /// Small distances from zero become small numbers.
    fn signed(&mut self, number: i64) {
        self.number(((number << 1) ^ (number >> 63)).cast_unsigned());
    }

    fn truth(&mut self, truth: bool) {
        self.bytes.push(u8::from(truth));
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.bytes.extend_from_slice(text.as_bytes());
    }

    fn list<T>(&mut self, items: &[T], mut one: impl FnMut(&mut Self, &T)) {
        self.number(items.len() as u64);
        items.iter().for_each(|item| one(self, item));
    }

    fn option<T>(&mut self, item: Option<&T>, one: impl FnOnce(&mut Self, &T)) {
        self.truth(item.is_some());
        if let Some(item) = item {
            one(self, item);
        }
    }

    fn instant(&mut self, instant: Timestamp) {
        let at = instant.as_micros();
        self.signed(at.wrapping_sub(self.at));
        self.at = at;
    }

    /// [`Timestamp::MAX`] in one byte.
    fn instant_or_never(&mut self, instant: Timestamp) {
        self.option(Some(&instant).filter(|at| **at != Timestamp::MAX), |to, at| to.instant(*at));
    }

    fn moment(&mut self, moment: Moment) {
        self.instant(moment.timestamp);
        self.signed(moment.sequence.wrapping_sub(self.sequence).cast_signed());
        self.sequence = moment.sequence;
    }

    fn touched(&mut self, (moment, id): &(Moment, ProductId)) {
        self.moment(*moment);
        self.text(id.as_str());
    }

    fn summary(&mut self, summary: &TypeSummary) {
        self.text(&summary.event_type);
        self.number(summary.count);
        self.instant(summary.first);
        self.instant(summary.last);
        self.option(summary.outside.as_ref(), |to, (first, last)| {
            to.instant(*first);
            to.instant(*last);
        });
        let mut before = 0_i64;
        self.list(&summary.daily, |to, (day, count)| {
            to.signed(day.wrapping_sub(before));
            before = *day;
            to.number((*count).into());
        });
    }

    fn cart_line(&mut self, line: &CartLine) {
        self.text(line.product_id.as_str());
        // One of a thing is what people mostly put in.
        let one = line.quantity.to_bits() == 1_f64.to_bits();
        self.option(Some(&line.quantity).filter(|_| !one), |to, quantity| to.float(*quantity));
        self.option(line.added.as_ref(), |to, moment| to.moment(*moment));
        self.option(line.removed.as_ref(), |to, moment| to.moment(*moment));
    }

    fn derived(&mut self, held: &Derived) {
        self.number(held.rule.into());
        self.moment(held.cause);
        self.text(&held.cause_event_id);
        self.value(&held.matching);
        self.option(held.product_id.as_ref(), |to, id| to.text(id.as_str()));
        self.instant(held.due);
        self.truth(held.fired);
    }

    /// The names of types that only rows have, then the rows, each with its
    /// type's place: first come those that are summed up.
    fn rows(&mut self, profile: &Profile) {
        let mut names: Vec<&str> = profile.types.iter().map(|summary| &*summary.event_type).collect();
        let summed_up = names.len();
        let mut places: Vec<usize> = Vec::with_capacity(profile.rows.len());
        let mut last: Option<(&TypeName, usize)> = None;
        for row in &profile.rows {
            let place = match last {
                Some((name, place)) if name.is_shared_with(&row.event_type) => place,
                _ => names.iter().position(|name| **name == *row.event_type).unwrap_or_else(|| {
                    names.push(&row.event_type);
                    names.len() - 1
                }),
            };
            last = Some((&row.event_type, place));
            places.push(place);
        }
        self.list(names.get(summed_up..).unwrap_or_default(), |to, name| to.text(name));
        let mut places = places.into_iter();
        self.list(&profile.rows, |to, row: &ProfileRow| {
            to.number(places.next().unwrap_or_default() as u64);
            to.moment(row.moment);
            to.list(&row.values, |to, (column, value)| {
                to.number(column.number().into());
                to.value(value);
            });
        });
    }

    fn event(&mut self, event: &Event) {
        self.text(event.event_id.as_str());
        self.text(&event.event_type);
        self.option(event.customer_id.as_ref(), |to, id| to.text(id.as_str()));
        self.option(event.anonymous_id.as_ref(), |to, id| to.text(id.as_str()));
        self.instant(event.timestamp);
        self.instant(event.received_at);
        self.option(event.product_id.as_ref(), |to, id| to.text(id.as_str()));
        for map in [&event.properties, &event.traits, &event.context] {
            self.map(map);
        }
        self.text(event.source.as_str());
    }

    fn float(&mut self, number: f64) {
        self.bytes.extend_from_slice(&number.to_bits().to_le_bytes());
    }

    fn map(&mut self, map: &Map) {
        self.list(map, |to, (name, value)| {
            to.text(name);
            to.value(value);
        });
    }

    /// The kind, then the content.
    fn value(&mut self, value: &Value) {
        match value {
            Value::Null => self.bytes.push(0),
            Value::Bool(false) => self.bytes.push(1),
            Value::Bool(true) => self.bytes.push(2),
            Value::Int(number) => {
                self.bytes.push(3);
                self.signed(*number);
            }
            Value::Float(number) => {
                self.bytes.push(4);
                self.float(*number);
            }
            Value::Text(text) => {
                self.bytes.push(5);
                self.text(text);
            }
            Value::Time(instant) => {
                self.bytes.push(6);
                self.instant(*instant);
            }
            Value::List(items) => {
                self.bytes.push(7);
                self.list(items, Self::value);
            }
            Value::Map(map) => {
                self.bytes.push(8);
                self.map(map);
            }
        }
    }
}
