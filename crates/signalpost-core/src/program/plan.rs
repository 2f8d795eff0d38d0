//! What a program makes of an event, worked out once when it changes.
//!
//! In: compiled segments. Out: which rows profiles keep of each event type
//! ([`Rows`]), and which segments an event may move anybody into or out of
//! ([`Readers`]).

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use super::Segment;
use crate::event::Event;
use crate::profile::{Behind, behind};
use crate::segment::{ColumnIndex, Columns, Need};
use crate::time::Span;

/// Which rows of one event type profiles keep.
#[derive(Debug, Default)]
pub(crate) struct TypeRows {
    /// The columns, with their names.
    pub(crate) columns: Vec<(ColumnIndex, Box<str>)>,
    /// How far back from now; for ever when `None`.
    pub(crate) lookback: Option<Span>,
    /// Only so many of the latest, and only for explanations; all of the time
    /// when `None`.
    pub(crate) latest: Option<usize>,
}

/// Which rows profiles keep, by event type.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    by_type: HashMap<Arc<str>, TypeRows>,
    /// Of all other types.
    others: Option<TypeRows>,
}

impl Rows {
    pub(super) fn new(needs: &[Need], columns: &Columns) -> Self {
        let kept = |event_type: Option<&str>| {
            let mut of_type = needs.iter().filter(|need| {
                need.event_type.is_none()
                    || (event_type.is_some() && need.event_type.as_deref() == event_type)
            });
            let first = of_type.next()?;
            let mut rows = TypeRows { columns: Vec::new(), lookback: first.lookback, latest: first.latest };
            add_columns(&mut rows, first, columns);
            for need in of_type {
                rows.lookback = rows.lookback.zip(need.lookback).map(|(held, new)| held.max(new));
                rows.latest = rows.latest.zip(need.latest).map(|(held, new)| held.max(new));
                add_columns(&mut rows, need, columns);
            }
            Some(rows)
        };
        let named = needs.iter().filter_map(|need| need.event_type.clone());
        let by_type = named.filter_map(|name| Some((Arc::clone(&name), kept(Some(&name))?)));
        Self { by_type: by_type.collect(), others: kept(None) }
    }

    /// What is kept of a type, and its name to be shared by its rows; `None`
    /// when nothing is.
    pub(crate) fn of(&self, event_type: &str) -> Option<(Option<&Arc<str>>, &TypeRows)> {
        match self.by_type.get_key_value(event_type) {
            Some((name, rows)) => Some((Some(name), rows)),
            None => self.others.as_ref().map(|rows| (None, rows)),
        }
    }
}

fn add_columns(rows: &mut TypeRows, need: &Need, columns: &Columns) {
    for index in &need.columns {
        if let Some(name) = columns.name(*index)
            && !rows.columns.iter().any(|(held, _)| held == index)
        {
            rows.columns.push((*index, name.into()));
        }
    }
}

/// Which segments read what, by their places in the program.
#[derive(Debug, Default)]
pub(crate) struct Readers {
    /// Of a type that is not in `by_type`.
    every_type: Vec<usize>,
    by_type: HashMap<Box<str>, Vec<usize>>,
    by_trait: HashMap<Box<str>, Vec<usize>>,
    /// Whether a segment asks for another's members.
    linked: bool,
}

impl Readers {
    pub(super) fn new(segments: &[Segment]) -> Self {
        let mut readers = Self::default();
        let mut every_type = Vec::new();
        let mut by_type: HashMap<Box<str>, Vec<usize>> = HashMap::new();
        for (place, segment) in segments.iter().enumerate() {
            let reads = segment.compiled.reads();
            let mut types: Vec<&str> = reads.types.iter().map(|name| &**name).collect();
            let mut every = reads.every_type;
            for name in segment.compiled.attributes() {
                readers.by_trait.entry(name.into()).or_default().push(place);
                match behind(name) {
                    Behind::Nothing => {}
                    Behind::EveryType => every = true,
                    Behind::Types(behind) => types.extend(behind),
                    Behind::Type(name) => types.push(name),
                }
            }
            if every {
                every_type.push(place);
            }
            for name in types {
                by_type.entry(name.into()).or_default().push(place);
            }
            readers.linked |= segment.compiled.segments().next().is_some();
        }
        for places in by_type.values_mut() {
            places.extend(&every_type);
            places.sort_unstable();
            places.dedup();
        }
        Self { every_type, by_type, ..readers }
    }

    /// Whether a segment asks for another's members, so that all must be judged
    /// together.
    pub(crate) fn are_linked(&self) -> bool {
        self.linked
    }

    /// The places of the segments whose answer the event itself may change, in
    /// order. Not those it changes by way of other segments, or by what was
    /// derived from it.
    pub(crate) fn of(&self, event: &Event) -> Cow<'_, [usize]> {
        let by_type = self.by_type.get(&*event.event_type).unwrap_or(&self.every_type);
        let mut found = Cow::Borrowed(by_type.as_slice());
        for places in event.traits.iter().filter_map(|(name, _)| self.by_trait.get(name)) {
            found.to_mut().extend(places);
        }
        if let Cow::Owned(found) = &mut found {
            found.sort_unstable();
            found.dedup();
        }
        found
    }
}
