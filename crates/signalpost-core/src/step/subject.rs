//! A profile as segments see it.

use crate::profile::{Profile, ProfileRow};
use crate::program::Program;
use crate::segment::{Subject, Summary};
use crate::time::Timestamp;
use crate::value::Value;

/// One profile under one program.
#[derive(Debug)]
pub struct ProfileSubject<'a> {
    /// The profile.
    pub profile: &'a Profile,
    /// What segment names mean.
    pub program: &'a Program,
}

impl Subject for ProfileSubject<'_> {
    type Row = ProfileRow;

    fn rows(&self) -> &[ProfileRow] {
        &self.profile.rows
    }

    fn summary(&self, event_type: &str) -> Option<Summary> {
        let held = self.profile.summary(event_type)?;
        Some(Summary { count: held.count, first: held.first, last: held.last })
    }

    fn attribute(&self, name: &str, now: Timestamp) -> (Value, Timestamp) {
        self.profile.attribute(name, now)
    }

    fn in_segment(&self, name: &str) -> bool {
        self.program.segment(name).is_some_and(|segment| self.profile.is_member(segment.id))
    }
}
