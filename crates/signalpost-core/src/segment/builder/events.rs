//! From the builder's JSON to phrases about events: which, in which window,
//! how often, and what follows.

use serde_json::{Map, Value as Json};

use super::super::Zone;
use super::super::clauses::Length;
use super::super::duration;
use super::super::grammar::boxed;
use super::super::operand::{unit, zone};
use super::super::phrase::{Deed, Phrase, Said};
use super::super::syntax::{Call, Kind, Syntax};
use super::super::tree::Comparison;
use super::read::{Read, Reader};
use super::write::times;
use crate::time::Span;

/// The functions of `value`.
const FUNCTIONS: [&str; 8] = ["count", "count_distinct", "sum", "avg", "min", "max", "first", "last"];

impl Reader {
    pub(super) fn done(&mut self, json: &Json, path: &str) -> Read<Kind> {
        let object = self.object(json, path)?;
        self.only(object, path, &["events", "where", "then", "matching", "window", "times"])?;
        let mut phrase = self.phrase(object, path, Phrase::new(false, None))?;
        if let Some(said) = object.get("times") {
            let path = format!("{path}.times");
            let said = self.object(said, &path)?;
            let all = [
                Comparison::GreaterOrEqual,
                Comparison::LessOrEqual,
                Comparison::Equal,
                Comparison::Greater,
                Comparison::Less,
            ];
            let found = all.into_iter().find_map(|comparison| {
                let count = said.get(times(comparison)?)?.as_i64().filter(|count| *count >= 0)?;
                Some((comparison, count))
            });
            if found.is_none() || said.len() != 1 {
                return Err(self
                    .refused(&path, "how many times was expected here")
                    .hint("{\"at_least\": 3}, at_most, exactly, more_than, fewer_than"));
            }
            phrase.times = found;
        }
        Ok(Kind::Phrase(Box::new(phrase)))
    }

    pub(super) fn value(&mut self, json: &Json, path: &str) -> Read<Kind> {
        let object = self.object(json, path)?;
        self.only(object, path, &["function", "of", "events", "where", "then", "matching", "window"])?;
        let name = object.get("function").and_then(Json::as_str).unwrap_or_default();
        if !FUNCTIONS.contains(&name) {
            return Err(
                self.refused(path, format!("one of {} was expected as function", FUNCTIONS.join(", ")))
            );
        }
        let distinct = name == "count_distinct";
        let name = if distinct { "count" } else { name }.to_owned();
        let argument = match object.get("of") {
            Some(of) => self.expression(of, &format!("{path}.of"))?,
            None => Syntax { kind: Kind::Star, place: self.place(path) },
        };
        let call = Call { name, distinct, arguments: vec![argument], order: None };
        let phrase = self.phrase(object, path, Phrase::new(false, Some(call)))?;
        Ok(Kind::Phrase(Box::new(phrase)))
    }

    fn phrase(&mut self, object: &Map<String, Json>, path: &str, mut phrase: Phrase) -> Read<Phrase> {
        phrase.first = self.deed(object, path)?;
        if let Some(name) = object.get("matching") {
            phrase.matching = Some(self.text(name, &format!("{path}.matching"))?);
        }
        let then = object.get("then").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
        for (index, json) in then.iter().enumerate() {
            let path = format!("{path}.then[{index}]");
            let object = self.object(json, &path)?;
            self.only(object, &path, &["events", "where", "within", "without"])?;
            let deed = self.deed(object, &path)?;
            let within = object.get("within").map(|length| self.span(length, &path)).transpose()?;
            if phrase.without.is_some() || index >= 8 {
                return Err(self.refused(&path, "at most 8 events in a row, and without only at the end"));
            }
            if object.get("without").and_then(Json::as_bool).unwrap_or(false) {
                phrase.without = Some((deed, within));
            } else {
                phrase.then.push((deed, within));
            }
        }
        if let Some(window) = object.get("window") {
            let path = format!("{path}.window");
            (phrase.window, phrase.zone) = self.window(window, &path)?;
        }
        Ok(phrase)
    }

    fn deed(&mut self, object: &Map<String, Json>, path: &str) -> Read<Deed> {
        let mut types = Vec::new();
        let events = object.get("events").map(|events| match events.as_array() {
            Some(events) => Ok(events.as_slice()),
            None => Err(self.refused(&format!("{path}.events"), "a list of event types was expected here")),
        });
        for kind in events.transpose()?.unwrap_or_default() {
            types.push(self.text(kind, &format!("{path}.events"))?.into());
        }
        let filter =
            object.get("where").map(|json| self.expression(json, &format!("{path}.where"))).transpose()?;
        Ok(Deed { types, filter: filter.map(boxed) })
    }

    fn window(&mut self, json: &Json, path: &str) -> Read<(Said, Option<Zone>)> {
        let object = self.object(json, path)?;
        self.only(
            object,
            path,
            &["last", "ago", "since", "before", "between", "calendar", "offset", "whole_days", "zone"],
        )?;
        let zone = match object.get("zone") {
            Some(name) => Some(zone(&self.text(name, path)?, self.place(path))?),
            None => None,
        };
        let said = if let Some(length) = object.get("last") {
            Said::Last(self.length(length, path)?)
        } else if let Some(length) = object.get("ago") {
            Said::Ago(self.length(length, path)?)
        } else if let Some(instant) = object.get("since") {
            Said::Since(boxed(self.expression(instant, &format!("{path}.since"))?))
        } else if let Some(instant) = object.get("before") {
            Said::Before(boxed(self.expression(instant, &format!("{path}.before"))?))
        } else if let Some(both) = object.get("between") {
            let [low, high] = self.items(both, path)?;
            Said::Between(self.at(low, path, 0)?, self.at(high, path, 1)?)
        } else if let Some(name) = object.get("calendar") {
            let unit = unit(&self.text(name, path)?, self.place(path))?;
            let offset = object.get("offset").map_or(Some(0), Json::as_i64);
            let offset =
                offset.and_then(|offset| i32::try_from(offset).ok()).filter(|o| (-1_000..=0).contains(o));
            match offset {
                Some(offset) => Said::Calendar(unit, offset),
                None => {
                    return Err(self
                        .refused(path, "offset is 0 for the unit that now lies in, -1 for the one before"));
                }
            }
        } else if let Some(days) = object.get("whole_days") {
            match days
                .as_u64()
                .and_then(|days| u16::try_from(days).ok())
                .filter(|days| (1..=366).contains(days))
            {
                Some(days) => Said::Days(days),
                None => return Err(self.refused(path, "1 to 366 whole days")),
            }
        } else {
            return Err(self.refused(path, "a window was expected here").hint("{\"last\": \"30 days\"}"));
        };
        Ok((said, zone))
    }

    pub(super) fn length(&mut self, json: &Json, path: &str) -> Read<Length> {
        let (text, place) = (self.text(json, path)?, self.place(path));
        if let Some((amount, unit)) = text.trim().split_once(' ')
            && let Some(months) = duration::months(amount, unit.trim(), place)?
        {
            return Ok(Length::Months(months));
        }
        duration::from_text(&text, place).map(Length::Fixed)
    }

    fn span(&mut self, json: &Json, path: &str) -> Read<Span> {
        match self.length(json, path)? {
            Length::Fixed(span) => Ok(span),
            Length::Months(_) => {
                Err(self.refused(path, "months and years have no fixed length").hint("30 days"))
            }
        }
    }
}
