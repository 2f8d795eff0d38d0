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

    /// The types of which rows kept so are not all that `wanted` keeps; `None`
    /// when they are types without a name.
    pub(super) fn lack(&self, wanted: &Self) -> Option<Vec<Arc<str>>> {
        let held = |event_type: &str| self.by_type.get(event_type).or(self.others.as_ref());
        let holds = |held: Option<&TypeRows>, wanted: &TypeRows| held.is_some_and(|held| held.holds(wanted));
        if wanted.others.as_ref().is_some_and(|wanted| !holds(self.others.as_ref(), wanted)) {
            return None;
        }
        // A type of its own may be cut down to less than all other types are.
        let own = self.by_type.iter().filter(|(name, held)| {
            !wanted.by_type.contains_key(*name)
                && wanted.others.as_ref().is_some_and(|wanted| !held.holds(wanted))
        });
        let named = wanted.by_type.iter().filter(|(name, wanted)| !holds(held(name), wanted));
        Some(own.map(|(name, _)| name).chain(named.map(|(name, _)| name)).cloned().collect())
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

impl TypeRows {
    /// Whether rows kept so are all that `wanted` keeps. Rows for explanations
    /// are made when one is asked for.
    fn holds(&self, wanted: &Self) -> bool {
        let far_enough = match (self.lookback, wanted.lookback) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(held), Some(wanted)) => held >= wanted,
        };
        let columns =
            || wanted.columns.iter().all(|(index, _)| self.columns.iter().any(|(own, _)| own == index));
        wanted.latest.is_some() || (self.latest.is_none() && far_enough && columns())
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
    /// All places, those that others ask for before those that ask.
    order: Vec<usize>,
    /// Where each place stands in that order; by place.
    ranks: Vec<usize>,
    /// Who asks for each place's members, directly or not; by place.
    askers: Vec<Vec<usize>>,
    /// Whether a segment asks, by way of others, for its own members.
    circular: bool,
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
        }
        let links = Links::new(segments);
        (readers.order, readers.circular) = links.order();
        readers.ranks = vec![0; segments.len()];
        for (rank, place) in readers.order.iter().enumerate() {
            if let Some(held) = readers.ranks.get_mut(*place) {
                *held = rank;
            }
        }
        for places in by_type.values_mut() {
            places.extend(&every_type);
        }
        // Whoever asks for a segment's members may move when these do.
        let lists = by_type.values_mut().chain(readers.by_trait.values_mut());
        for places in lists.chain(std::iter::once(&mut every_type)) {
            links.add_askers(places);
            places.sort_unstable_by_key(|place| readers.ranks.get(*place));
            places.dedup();
        }
        readers.askers = (0..segments.len())
            .map(|place| {
                let mut all = vec![place];
                links.add_askers(&mut all);
                all.split_off(1)
            })
            .collect();
        Self { every_type, by_type, ..readers }
    }

    /// Whether a segment asks, by way of others, for its own members, so that
    /// all must be judged together. What was defined so before it was refused
    /// still runs.
    pub(crate) fn are_circular(&self) -> bool {
        self.circular
    }

    /// The places of all segments, those that others ask for first.
    pub(crate) fn order(&self) -> &[usize] {
        &self.order
    }

    /// The places of the segments whose answer the event may change, also by way
    /// of other segments, those that others ask for first. Not those it changes
    /// by what was derived from it.
    ///
    /// With them those at `due`, and whoever asks for these.
    pub(crate) fn of<'a>(
        &self,
        events: impl Iterator<Item = &'a Event>,
        due: impl Iterator<Item = usize>,
    ) -> Cow<'_, [usize]> {
        let mut found: Cow<'_, [usize]> = Cow::Borrowed(&[]);
        for event in events {
            let by_type = self.by_type.get(&*event.event_type).unwrap_or(&self.every_type);
            if found.is_empty() {
                found = Cow::Borrowed(by_type.as_slice());
            } else {
                found.to_mut().extend(by_type);
            }
            for places in event.traits.iter().filter_map(|(name, _)| self.by_trait.get(name)) {
                found.to_mut().extend(places);
            }
        }
        for place in due {
            found.to_mut().push(place);
            found.to_mut().extend(self.askers_of(place));
        }
        if let Cow::Owned(found) = &mut found {
            found.sort_unstable_by_key(|place| self.ranks.get(*place));
            found.dedup();
        }
        found
    }

    /// The places of those that ask for the members of the segment at `place`.
    pub(crate) fn askers_of(&self, place: usize) -> &[usize] {
        self.askers.get(place).map_or(&[], Vec::as_slice)
    }
}

/// Which segments ask for which others' members, by place.
struct Links {
    /// Whom each asks for.
    asked: Vec<Vec<usize>>,
    /// Who asks for each.
    askers: Vec<Vec<usize>>,
}

impl Links {
    fn new(segments: &[Segment]) -> Self {
        let places: HashMap<&str, usize> =
            segments.iter().enumerate().map(|(place, segment)| (segment.name.as_str(), place)).collect();
        let named = |segment: &Segment| {
            segment.compiled.segments().filter_map(|name| places.get(name).copied()).collect::<Vec<_>>()
        };
        let asked: Vec<Vec<usize>> = segments.iter().map(named).collect();
        let mut askers = vec![Vec::new(); segments.len()];
        for (place, asked) in asked.iter().enumerate() {
            for other in asked {
                if let Some(askers) = askers.get_mut(*other) {
                    askers.push(place);
                }
            }
        }
        Self { asked, askers }
    }

    /// All places, those asked for first and otherwise as they stand, and
    /// whether some ask in a circle; these come last.
    fn order(&self) -> (Vec<usize>, bool) {
        let mut waits: Vec<usize> = self.asked.iter().map(Vec::len).collect();
        let mut order: Vec<usize> =
            (0..).zip(&waits).filter(|(_, waits)| **waits == 0).map(|(p, _)| p).collect();
        let mut next = 0;
        while let Some(place) = order.get(next).copied() {
            next += 1;
            for asker in self.askers.get(place).into_iter().flatten() {
                if let Some(left) = waits.get_mut(*asker) {
                    *left -= 1;
                    if *left == 0 {
                        order.push(*asker);
                    }
                }
            }
        }
        let circular = order.len() < self.asked.len();
        order.extend((0..).zip(&waits).filter(|(_, waits)| **waits > 0).map(|(place, _)| place));
        (order, circular)
    }

    /// Adds to `places` whoever asks for one of them, directly or not.
    fn add_askers(&self, places: &mut Vec<usize>) {
        let mut next = 0;
        while let Some(place) = places.get(next).copied() {
            next += 1;
            for asker in self.askers.get(place).into_iter().flatten() {
                if !places.contains(asker) {
                    places.push(*asker);
                }
            }
        }
    }
}
