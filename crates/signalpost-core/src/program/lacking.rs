//! What a profile that was made under an earlier program lacks.
//!
//! In: the version it was made under. Out: nothing, rows of some event types, or
//! everything; so that a timeline is read only as far as it must be.

use std::sync::Arc;

use super::{Program, Rows};
use crate::event::Event;
use crate::time::{Span, Timestamp};

/// What a profile lacks for a program.
#[derive(Debug)]
pub enum Lacking {
    /// Nothing: it is judged as it is.
    Nothing,
    /// Rows, which are cut from these events of its timeline.
    Rows(Wanted),
    /// Everything is made anew, from its whole timeline.
    Everything,
}

/// Which events of a timeline rows are cut from.
#[derive(Debug)]
pub struct Wanted {
    types: Vec<Arc<str>>,
    /// None before it.
    from: Timestamp,
}

impl Wanted {
    /// Whether events of this type are wanted.
    pub fn has_type(&self, event_type: &str) -> bool {
        self.types.iter().any(|wanted| **wanted == *event_type)
    }

    /// The instant before which no event is wanted.
    pub fn from(&self) -> Timestamp {
        self.from
    }

    /// Whether rows are cut from the event.
    pub fn has(&self, event: &Event) -> bool {
        event.timestamp >= self.from && self.has_type(&event.event_type) && event.counts()
    }
}

impl Program {
    /// What a profile that was made under `version` lacks.
    pub fn lacking(&self, version: u64) -> Lacking {
        if version < self.folded_since {
            return Lacking::Everything;
        }
        let mut wanted = Wanted { types: Vec::new(), from: Timestamp::MAX };
        for (name, _) in self.rows_since.iter().filter(|(_, since)| version < **since) {
            // All that was needed of a type may be needed no more.
            let Some((_, kept)) = self.rows.of(name).filter(|(_, kept)| kept.latest.is_none()) else {
                continue;
            };
            let from = kept.lookback.map_or(Timestamp::MIN, |span| self.changed_at - span - Span::SECOND);
            wanted.types.push(Arc::clone(name));
            wanted.from = wanted.from.min(from);
        }
        if wanted.types.is_empty() { Lacking::Nothing } else { Lacking::Rows(wanted) }
    }

    /// Notes what profiles of the version before lack, which kept these rows.
    pub(super) fn note_lacking(&mut self, kept: &Rows) {
        // What is derived stands in no timeline; folding makes it again.
        let derived = |name: &str| self.sequences.iter().any(|sequence| *sequence.rule.emit == *name);
        match kept.lack(&self.rows) {
            Some(types) if !types.iter().any(|name| derived(name)) => {
                self.rows_since.extend(types.into_iter().map(|name| (name, self.version)));
            }
            _ => self.folded_since = self.version,
        }
    }
}
