//! Everything that is defined at one moment: segments, sequence rules and
//! campaigns, compiled together.
//!
//! In: changes, in the order they stand on the log. Out: the program that the
//! step runs. Equal changes give an equal program, so a replay does too.

mod draft;
mod lacking;
mod plan;

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::campaign::Campaign;
use crate::id::SegmentName;
use crate::segment::{self, Columns, Compiled, Definition, Need, Schema, SequenceRule, Statement};
use crate::time::Timestamp;

pub use lacking::{Lacking, Wanted};
pub(crate) use plan::{Readers, Rows};

/// One definition made, changed or taken away.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// When it took effect.
    pub at: Timestamp,
    /// What.
    pub what: Defined,
}

/// What a [`Change`] defines.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Defined {
    /// A segment, as text: each change is a new version.
    Segment {
        /// Its name.
        name: SegmentName,
        /// From 1.
        version: u32,
        /// `IF …` or `SELECT …`.
        text: String,
        /// Trait names known when it was made; they decide what bare names mean.
        traits: Vec<Box<str>>,
        /// Property names known when it was made.
        properties: Vec<Box<str>>,
    },
    /// A segment is gone.
    SegmentRemoved {
        /// Its name.
        name: SegmentName,
    },
    /// A sequence rule, as text.
    Sequence {
        /// `AFTER … WITHOUT … WITHIN … EMIT …`.
        text: String,
    },
    /// A campaign.
    Campaign(Campaign),
    /// A campaign is gone.
    CampaignRemoved {
        /// Its name.
        name: Box<str>,
    },
    /// A segment whose members a query finds, run by a schedule.
    Refreshed {
        /// Its name.
        name: SegmentName,
        /// From 1.
        version: u32,
        /// The query and its schedule.
        refresh: Refresh,
    },
}

/// How a segment that cannot be live gets its members: by a query over
/// everything, run by a schedule. Each run's result comes by the log, so that a
/// replay needs neither the query nor what it read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refresh {
    /// As it was written: SQL, or a rule that means SQL.
    pub text: Box<str>,
    /// The query: each `customer_id` it answers is a member.
    pub sql: Box<str>,
    /// A cron expression; `None`: only when asked.
    pub cron: Option<Box<str>>,
    /// The IANA zone whose clocks the expression means.
    pub zone: Box<str>,
}

/// Why a change cannot be part of a program.
#[derive(Debug, Error)]
pub enum Error {
    /// The text is refused.
    #[error("{0}")]
    Refused(#[from] segment::Refusal),
    /// The text is of another kind than the change says.
    #[error("expected {expected}, found {found}")]
    Kind {
        /// What the change should define.
        expected: &'static str,
        /// What its text defines.
        found: &'static str,
    },
    /// The segment asks, by way of others, for its own members.
    #[error(
        "segments may not ask for each other in a circle: {}; leave out one in_segment('…'), or repeat its condition",
        .path.join(" → ")
    )]
    Circle {
        /// From the segment to itself.
        path: Vec<String>,
    },
}

/// A live segment.
#[derive(Debug)]
pub struct Segment {
    /// Its number in this program's whole life; never used again.
    pub id: u32,
    /// Its name.
    pub name: SegmentName,
    /// The version of its definition.
    pub version: u32,
    /// What its text means.
    pub definition: Definition,
    /// What the step runs.
    pub compiled: Compiled,
    /// When this version took effect.
    pub since: Timestamp,
    /// Which change of the program made this version, from 1.
    pub change: u64,
    /// Set when its members come from runs of a query; `compiled` is then never
    /// asked.
    pub refresh: Option<Refresh>,
}

impl Segment {
    /// Whether events and the clock move its members.
    pub fn is_live(&self) -> bool {
        self.refresh.is_none()
    }

    /// Its text: canonical when live, as it was written otherwise.
    pub fn text(&self) -> String {
        match &self.refresh {
            Some(refresh) => refresh.text.to_string(),
            None => self.definition.to_string(),
        }
    }

    /// The SQL that finds its members.
    pub fn sql(&self) -> String {
        match &self.refresh {
            Some(refresh) => refresh.sql.to_string(),
            None => self.definition.to_sql(),
        }
    }
}

/// A live sequence rule.
#[derive(Clone, Debug)]
pub struct Sequence {
    /// Its number in this program's whole life.
    pub id: u32,
    /// What it says.
    pub rule: SequenceRule,
    /// Its canonical text, by which it is known again.
    pub text: String,
}

/// All that is defined, compiled.
#[derive(Debug, Default)]
pub struct Program {
    /// How many changes were applied.
    pub changes: u64,
    /// Grows by one with each change that profiles must be folded anew for:
    /// those of segments and sequence rules.
    pub version: u64,
    /// The version since which profiles are what the sequence rules make of them:
    /// those made under an earlier one must be folded anew.
    pub(crate) folded_since: u64,
    /// The version since which profiles keep all the rows of a type.
    pub(crate) rows_since: HashMap<Arc<str>, u64>,
    /// When the latest of those took effect.
    pub changed_at: Timestamp,
    /// When the latest change of a campaign took effect.
    pub campaigns_changed_at: Timestamp,
    /// Names of event columns, by the numbers rows hold.
    pub columns: Columns,
    /// Segments, in the order they were first made: by number, ascending.
    pub segments: Vec<Segment>,
    /// Sequence rules, in the order they were made.
    pub sequences: Vec<Sequence>,
    /// Campaigns, in the order they were first made.
    pub campaigns: Vec<(u32, Campaign)>,
    /// Which rows profiles must keep.
    pub needs: Vec<Need>,
    /// The same by event type.
    pub(crate) rows: Rows,
    /// Which segments an event may matter to.
    pub(crate) readers: Readers,
    /// Segments that are no longer defined: their members still have to leave.
    removed: Vec<(u32, SegmentName)>,
    next_id: u32,
}

impl Program {
    /// Whether a definition may be applied under this name, as far as other
    /// segments are concerned. Remarks on segments it asks for that are not
    /// defined: nobody is in those.
    ///
    /// Ask before a change goes on the log; [`Program::apply`] takes what was
    /// stored before circles were refused.
    ///
    /// # Errors
    /// [`Error::Circle`].
    pub fn check(&self, name: &str, definition: &Definition) -> Result<Vec<String>, Error> {
        let mut remarks = Vec::new();
        for asked in definition.segments() {
            if &*asked != name && self.segment(&asked).is_none() {
                let near = segment::nearest(&asked, self.segments.iter().map(|held| held.name.as_str()));
                let near = near.map(|near| format!("; did you mean '{near}'?")).unwrap_or_default();
                remarks.push(format!("there is no segment '{asked}' yet, so that nobody is in it{near}"));
            }
        }
        // Each path from here on is followed once a segment.
        let mut seen: Vec<Box<str>> = Vec::new();
        let mut paths: Vec<Vec<Box<str>>> =
            definition.segments().into_iter().map(|asked| vec![asked]).collect();
        while let Some(path) = paths.pop() {
            let Some(last) = path.last() else { continue };
            if &**last == name {
                let circle = std::iter::once(name).chain(path.iter().map(|name| &**name));
                return Err(Error::Circle { path: circle.map(str::to_owned).collect() });
            }
            if seen.contains(last) {
                continue;
            }
            seen.push(last.clone());
            for next in self.segment(last).into_iter().flat_map(|held| held.compiled.segments()) {
                let mut longer = path.clone();
                longer.push(next.into());
                paths.push(longer);
            }
        }
        Ok(remarks)
    }

    /// Applies the next change on the log.
    ///
    /// # Errors
    /// When its text is refused; the program is then as it was.
    pub fn apply(&mut self, change: &Change) -> Result<(), Error> {
        match &change.what {
            Defined::Segment { name, version, text, traits, properties } => {
                let mut schema = Schema::default();
                traits.iter().for_each(|name| schema.add_trait(name));
                properties.iter().for_each(|name| schema.add_property(name));
                let Statement::Segment(definition) = segment::parse_stored(text, &schema)? else {
                    return Err(Error::Kind { expected: "a segment", found: "a sequence rule" });
                };
                self.set_segment(name, *version, definition, None, change.at);
            }
            Defined::Refreshed { name, version, refresh } => {
                self.set_segment(name, *version, Definition::nobody(), Some(refresh.clone()), change.at);
            }
            Defined::SegmentRemoved { name } => {
                let gone = self.segments.iter().filter(|held| held.name == *name);
                self.removed.extend(gone.map(|held| (held.id, held.name.clone())));
                self.segments.retain(|held| held.name != *name);
            }
            Defined::Sequence { text } => {
                let Statement::Sequence(rule) = segment::parse_stored(text, &Schema::default())? else {
                    return Err(Error::Kind { expected: "a sequence rule", found: "a segment" });
                };
                self.set_sequence(rule);
            }
            Defined::Campaign(campaign) => self.set_campaign(campaign),
            Defined::CampaignRemoved { name } => self.campaigns.retain(|(_, held)| held.name != *name),
        }
        self.changes += 1;
        if matches!(change.what, Defined::Campaign(_) | Defined::CampaignRemoved { .. }) {
            self.campaigns_changed_at = change.at;
        } else {
            self.version += 1;
            self.changed_at = change.at;
        }
        let kept = std::mem::take(&mut self.rows);
        self.plan();
        if matches!(change.what, Defined::Sequence { .. }) {
            self.folded_since = self.version;
        }
        self.note_lacking(&kept);
        Ok(())
    }

    /// Works out what the segments there are need, and what they read.
    fn plan(&mut self) {
        self.needs = self.segments.iter().flat_map(|s| s.compiled.needs().iter().cloned()).collect();
        self.rows = Rows::new(&self.needs, &self.columns);
        self.readers = Readers::new(&self.segments);
    }

    fn set_segment(
        &mut self,
        name: &SegmentName,
        version: u32,
        definition: Definition,
        refresh: Option<Refresh>,
        since: Timestamp,
    ) {
        let compiled = definition.compile(&mut self.columns);
        if let Some(held) = self.segments.iter_mut().find(|held| held.name == *name) {
            held.version = version;
            held.definition = definition;
            held.compiled = compiled;
            held.since = since;
            held.change = self.changes + 1;
            held.refresh = refresh;
            return;
        }
        let (id, change) = (self.new_id(), self.changes + 1);
        let name = name.clone();
        self.segments.push(Segment { id, name, version, definition, compiled, since, change, refresh });
    }

    fn set_sequence(&mut self, rule: SequenceRule) {
        let text = rule.to_string();
        if self.sequences.iter().any(|held| held.text == text) {
            return;
        }
        let id = self.new_id();
        self.sequences.push(Sequence { id, rule, text });
    }

    fn set_campaign(&mut self, campaign: &Campaign) {
        if let Some((_, held)) = self.campaigns.iter_mut().find(|(_, held)| held.name == campaign.name) {
            *held = campaign.clone();
            return;
        }
        let id = self.new_id();
        self.campaigns.push((id, campaign.clone()));
    }

    /// The highest id given to a segment, or to anything else, so far.
    pub fn last_id(&self) -> u32 {
        self.next_id
    }

    fn new_id(&mut self) -> u32 {
        self.next_id += 1;
        self.next_id
    }

    /// The segment of that name.
    pub fn segment(&self, name: &str) -> Option<&Segment> {
        self.segments.iter().find(|segment| segment.name.as_str() == name)
    }

    /// The segment of that number.
    pub fn segment_by_id(&self, id: u32) -> Option<&Segment> {
        self.segments.get(self.place_of(id)?)
    }

    /// Where the segment of that number stands among the segments.
    pub(crate) fn place_of(&self, id: u32) -> Option<usize> {
        self.segments.binary_search_by_key(&id, |segment| segment.id).ok()
    }

    /// The name of a segment's number, also when it is no longer defined.
    pub fn segment_name(&self, id: u32) -> SegmentName {
        let removed = self.removed.iter().find(|(held, _)| *held == id).map(|(_, name)| name);
        let name = self.segment_by_id(id).map(|segment| &segment.name).or(removed);
        name.cloned().unwrap_or_else(|| SegmentName::from(""))
    }
}
