//! JSON straight into the value model, with a bound on depth and without an
//! intermediate tree.
//!
//! In: a serde deserializer. Out: [`Value`] and [`Map`]; of equal keys the last
//! wins, as in JavaScript.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::value::{Map, Value};

/// Reads one value; what lies deeper than `depth_left` levels becomes null and
/// sets `too_deep`.
#[derive(Clone, Copy)]
pub(crate) struct ValueSeed<'c> {
    pub(crate) depth_left: usize,
    pub(crate) too_deep: &'c Cell<bool>,
}

impl ValueSeed<'_> {
    fn deeper(self) -> Option<Self> {
        match self.depth_left.checked_sub(1) {
            Some(depth_left) => Some(Self { depth_left, ..self }),
            None => {
                self.too_deep.set(true);
                None
            }
        }
    }
}

impl<'de> DeserializeSeed<'de> for ValueSeed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueSeed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Int(number))
    }

    #[expect(clippy::cast_precision_loss, reason = "Value::Float is where numbers beyond i64 belong")]
    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(i64::try_from(number).map_or(Value::Float(number as f64), Value::Int))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Float(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.into()))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::Text(text.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let Some(inner) = self.deeper() else {
            while items.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(Value::Null);
        };
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let Some(inner) = self.deeper() else {
            while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return Ok(Value::Null);
        };
        let mut map = Map::new();
        while let Some(name) = entries.next_key::<Box<str>>()? {
            map.push((name, entries.next_value_seed(inner)?));
        }
        keep_last(&mut map);
        Ok(Value::Map(map))
    }
}

/// Of entries with equal names keeps the last, at the place of the first.
pub(super) fn keep_last(map: &mut Map) {
    /// Up to here comparing each with each is faster than sorting.
    const FEW: usize = 12;
    if map.len() <= FEW {
        let mut at = 1;
        while at < map.len() {
            let (before, rest) = map.split_at_mut(at);
            let twin = rest
                .first_mut()
                .and_then(|entry| before.iter_mut().find(|held| held.0 == entry.0).map(|held| (held, entry)));
            match twin {
                Some((held, entry)) => {
                    std::mem::swap(&mut held.1, &mut entry.1);
                    map.remove(at);
                }
                None => at += 1,
            }
        }
        return;
    }
    let mut order: Vec<(usize, &str)> =
        map.iter().enumerate().map(|(place, (name, _))| (place, &**name)).collect();
    order.sort_unstable_by(|a, b| a.1.cmp(b.1).then(a.0.cmp(&b.0)));
    if order.windows(2).all(|pair| !matches!(pair, [a, b] if a.1 == b.1)) {
        return;
    }
    // Each run of equal names: the first place takes the last place's value.
    let mut moves: Vec<(usize, usize)> = Vec::new();
    let mut dropped = vec![false; map.len()];
    for run in order.chunk_by(|a, b| a.1 == b.1) {
        if let [(first, _), .., (last, _)] = run {
            moves.push((*first, *last));
            for (place, _) in run.iter().skip(1) {
                if let Some(flag) = dropped.get_mut(*place) {
                    *flag = true;
                }
            }
        }
    }
    for (first, last) in moves {
        let value = map.get_mut(last).map(|entry| std::mem::take(&mut entry.1));
        if let (Some(value), Some(entry)) = (value, map.get_mut(first)) {
            entry.1 = value;
        }
    }
    let mut flags = dropped.into_iter();
    map.retain(|_| !flags.next().unwrap_or(false));
}
