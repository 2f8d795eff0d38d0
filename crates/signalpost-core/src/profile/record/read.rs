//! Bytes into a profile: the mirror of [`super::write`].

use super::ONE_HORIZON;
use crate::event::Event;
use crate::id::{ProductId, ProfileKey};
use crate::profile::{
    Awaited, CartLine, Consent, Contact, Derived, Membership, Moment, Profile, ProfileRow, Trait,
    TypeSummary, Waits,
};
use crate::segment::{ColumnIndex, TypeName};
use crate::time::Timestamp;
use crate::value::{Map, Value};

/// How deep values may be nested: a little more than any event's may.
const DEPTH_MAX: usize = 130;

/// What is wrong with the bytes.
#[derive(Debug)]
pub(super) struct Reason(pub(super) &'static str);

type Read<T> = Result<T, Reason>;

/// Reads all fields of a version; nothing may follow them.
pub(super) fn profile(bytes: &[u8], version: u8) -> Read<Profile> {
    let mut from = Reader { rest: bytes, at: 0, sequence: 0 };
    let anonymous = from.truth()?;
    let key = from.text()?;
    let key = if anonymous { ProfileKey::Anonymous(key.into()) } else { ProfileKey::Customer(key.into()) };
    let mut profile = Profile::new(key);
    profile.anonymous_ids = from.list(|from| Ok(from.text()?.into()))?;
    profile.types = from.list(Reader::summary)?;
    profile.traits = from.list(|from| {
        Ok(Trait { name: from.text()?.into(), value: from.value(DEPTH_MAX)?, set_at: from.moment()? })
    })?;
    profile.consents = from.list(|from| {
        Ok(Consent { purpose: from.text()?.into(), granted: from.truth()?, set_at: from.moment()? })
    })?;
    profile.last_viewed = from.option(Reader::touched)?;
    profile.viewed = from.list(Reader::touched)?;
    profile.recent_view_category = from.option(|from| Ok((from.moment()?, from.text()?.into())))?;
    profile.cart = from.list(Reader::cart_line)?;
    profile.cart_emptied = from.option(Reader::moment)?;
    profile.orders = from.list(|from| Ok(u64::from_le_bytes(from.eight()?)))?;
    profile.spent_micros = from.signed()?;
    profile.purchased = from.list(Reader::touched)?;
    profile.rows = from.rows(&profile.types)?;
    profile.future = from.list(|from| Ok((from.moment()?, from.event()?)))?;
    profile.derived = from.list(Reader::derived)?;
    profile.awaited = from.list(|from| {
        Ok(Awaited { rule: from.small()?, matching: from.value(DEPTH_MAX)?, at: from.instant()? })
    })?;
    profile.memberships = from.list(|from| {
        Ok(Membership { segment: from.small()?, entered_at: from.instant()?, version: from.small()? })
    })?;
    // Written in the order of entry before.
    profile.memberships.sort_by_key(|held| held.segment);
    profile.contacts = from.list(|from| Ok(Contact { campaign: from.small()?, at: from.instant()? }))?;
    profile.program_version = from.number()?;
    let others = from.instant_or_never()?;
    let each = if version == ONE_HORIZON { Vec::new() } else { from.waits()? };
    profile.waits = Waits::of(each, others);
    profile.unevaluated = from.truth()?;
    profile.explainable = from.truth()?;
    profile.timer = from.instant_or_never()?;
    if from.rest.is_empty() { Ok(profile) } else { Err(Reason("something follows it")) }
}

struct Reader<'a> {
    rest: &'a [u8],
    /// The instant read last, in microseconds.
    at: i64,
    /// The sequence read last.
    sequence: u64,
}

const CUT_SHORT: Reason = Reason("it is cut short");

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Read<u8> {
        let (first, rest) = self.rest.split_first().ok_or(CUT_SHORT)?;
        self.rest = rest;
        Ok(*first)
    }

    fn eight(&mut self) -> Read<[u8; 8]> {
        let (eight, rest) = self.rest.split_first_chunk().ok_or(CUT_SHORT)?;
        self.rest = rest;
        Ok(*eight)
    }

    fn number(&mut self) -> Read<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Reason("a number is too long"))
    }

    fn small(&mut self) -> Read<u32> {
        u32::try_from(self.number()?).map_err(|_| Reason("a number is too large"))
    }

    fn signed(&mut self) -> Read<i64> {
        let number = self.number()?;
        Ok((number >> 1).cast_signed() ^ -((number & 1).cast_signed()))
    }

    fn truth(&mut self) -> Read<bool> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Reason("neither true nor false")),
        }
    }

    fn text(&mut self) -> Read<&'a str> {
        let length = usize::try_from(self.number()?).map_err(|_| CUT_SHORT)?;
        let (text, rest) = self.rest.split_at_checked(length).ok_or(CUT_SHORT)?;
        self.rest = rest;
        std::str::from_utf8(text).map_err(|_| Reason("a text is not UTF-8"))
    }

    fn list<T>(&mut self, mut one: impl FnMut(&mut Self) -> Read<T>) -> Read<Vec<T>> {
        let count = usize::try_from(self.number()?).map_err(|_| CUT_SHORT)?;
        // Every item takes a byte at least: damage cannot ask for more memory.
        if count > self.rest.len() {
            return Err(CUT_SHORT);
        }
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            items.push(one(self)?);
        }
        Ok(items)
    }

    fn option<T>(&mut self, one: impl FnOnce(&mut Self) -> Read<T>) -> Read<Option<T>> {
        if self.truth()? { one(self).map(Some) } else { Ok(None) }
    }

    fn instant(&mut self) -> Read<Timestamp> {
        self.at = self.at.wrapping_add(self.signed()?);
        Ok(Timestamp::from_micros(self.at))
    }

    fn instant_or_never(&mut self) -> Read<Timestamp> {
        Ok(self.option(Self::instant)?.unwrap_or(Timestamp::MAX))
    }

    fn waits(&mut self) -> Read<Vec<(u32, Timestamp)>> {
        let mut segment = 0_u32;
        self.list(|from| {
            segment = segment.wrapping_add(from.small()?);
            Ok((segment, from.instant()?))
        })
    }

    fn moment(&mut self) -> Read<Moment> {
        let timestamp = self.instant()?;
        self.sequence = self.sequence.wrapping_add(self.signed()?.cast_unsigned());
        Ok(Moment { timestamp, sequence: self.sequence })
    }

    fn touched(&mut self) -> Read<(Moment, ProductId)> {
        Ok((self.moment()?, self.text()?.into()))
    }

    fn summary(&mut self) -> Read<TypeSummary> {
        let (event_type, count) = (self.text()?.into(), self.number()?);
        let (first, last) = (self.instant()?, self.instant()?);
        let outside = self.option(|from| Ok((from.instant()?, from.instant()?)))?;
        let mut before = 0_i64;
        let daily = self.list(|from| {
            before = before.wrapping_add(from.signed()?);
            Ok((before, from.small()?))
        })?;
        Ok(TypeSummary { event_type, count, first, last, outside, daily })
    }

    fn cart_line(&mut self) -> Read<CartLine> {
        Ok(CartLine {
            product_id: self.text()?.into(),
            quantity: self.option(Self::float)?.unwrap_or(1.0),
            added: self.option(Self::moment)?,
            removed: self.option(Self::moment)?,
        })
    }

    fn derived(&mut self) -> Read<Derived> {
        Ok(Derived {
            rule: self.small()?,
            cause: self.moment()?,
            cause_event_id: self.text()?.into(),
            matching: self.value(DEPTH_MAX)?,
            product_id: self.option(|from| Ok(from.text()?.into()))?,
            due: self.instant()?,
            fired: self.truth()?,
        })
    }

    fn rows(&mut self, types: &[TypeSummary]) -> Read<Vec<ProfileRow>> {
        let mut shared: Vec<TypeName> = types.iter().map(|held| held.event_type.clone()).collect();
        shared.extend(self.list(|from| Ok(TypeName::from(from.text()?)))?);
        self.list(|from| {
            let place = usize::try_from(from.number()?).unwrap_or(usize::MAX);
            let event_type = shared.get(place).ok_or(Reason("a row has no type"))?.clone();
            let moment = from.moment()?;
            let values = from.list(|from| {
                let column = u16::try_from(from.number()?).map_err(|_| Reason("a column is too large"))?;
                Ok((ColumnIndex::from_number(column), from.value(DEPTH_MAX)?))
            })?;
            Ok(ProfileRow { moment, event_type, values })
        })
    }

    fn event(&mut self) -> Read<Event> {
        Ok(Event {
            event_id: self.text()?.into(),
            event_type: self.text()?.into(),
            customer_id: self.option(|from| Ok(from.text()?.into()))?,
            anonymous_id: self.option(|from| Ok(from.text()?.into()))?,
            timestamp: self.instant()?,
            received_at: self.instant()?,
            product_id: self.option(|from| Ok(from.text()?.into()))?,
            properties: self.map(DEPTH_MAX)?,
            traits: self.map(DEPTH_MAX)?,
            context: self.map(DEPTH_MAX)?,
            source: self.text()?.into(),
        })
    }

    fn float(&mut self) -> Read<f64> {
        Ok(f64::from_bits(u64::from_le_bytes(self.eight()?)))
    }

    fn map(&mut self, depth: usize) -> Read<Map> {
        self.list(|from| Ok((from.text()?.into(), from.value(depth)?)))
    }

    fn value(&mut self, depth: usize) -> Read<Value> {
        let deeper = || depth.checked_sub(1).ok_or(Reason("values are nested too deep"));
        Ok(match self.byte()? {
            0 => Value::Null,
            1 => Value::Bool(false),
            2 => Value::Bool(true),
            3 => Value::Int(self.signed()?),
            4 => Value::Float(self.float()?),
            5 => Value::Text(self.text()?.into()),
            6 => Value::Time(self.instant()?),
            7 => {
                let depth = deeper()?;
                Value::List(self.list(|from| from.value(depth))?)
            }
            8 => Value::Map(self.map(deeper()?)?),
            _ => return Err(Reason("a value has no kind")),
        })
    }
}
