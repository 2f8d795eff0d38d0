//! A program with one segment drafted into it, to be tried before it is
//! published.
//!
//! In: the program in force and a definition. Out: a program of that segment and
//! of what it needs: the segments it asks for, the sequence rules, the campaigns
//! it would start. Everything keeps its number.

use super::{Program, Segment};
use crate::campaign::{Campaign, Trigger};
use crate::id::SegmentName;
use crate::segment::Definition;
use crate::time::Timestamp;

impl Program {
    /// The program in which `name` is defined so, as if since `now`.
    pub fn draft(&self, name: &str, definition: Definition, now: Timestamp) -> Self {
        let held = self.segment(name);
        let mut draft = Self {
            changes: self.changes + 1,
            version: self.version + 1,
            changed_at: now,
            next_id: self.next_id + 1,
            sequences: self.sequences.clone(),
            campaigns: self.campaigns.iter().filter(|(_, held)| starts(held, name)).cloned().collect(),
            ..Self::default()
        };
        let audiences = draft.campaigns.iter().filter_map(|(_, campaign)| campaign.audience.clone());
        let mut wanted = definition.segments();
        wanted.extend(audiences);
        let mut next = 0;
        while let Some(asked) = wanted.get(next).cloned() {
            next += 1;
            let asks = self.segment(&asked).into_iter().flat_map(|held| held.compiled.segments());
            for more in asks {
                if !wanted.iter().any(|held| &**held == more) {
                    wanted.push(more.into());
                }
            }
        }
        for held in &self.segments {
            if held.name.as_str() != name && wanted.iter().any(|wanted| **wanted == *held.name.as_str()) {
                let compiled = held.definition.compile(&mut draft.columns);
                draft.segments.push(Segment {
                    id: held.id,
                    name: held.name.clone(),
                    version: held.version,
                    definition: held.definition.clone(),
                    compiled,
                    since: held.since,
                    change: held.change,
                    refresh: held.refresh.clone(),
                });
            }
        }
        let compiled = definition.compile(&mut draft.columns);
        draft.segments.push(Segment {
            id: held.map_or(draft.next_id, |held| held.id),
            name: SegmentName::from(name),
            version: held.map_or(1, |held| held.version + 1),
            definition,
            compiled,
            since: now,
            change: draft.changes,
            refresh: None,
        });
        draft.segments.sort_unstable_by_key(|segment| segment.id);
        draft.plan();
        draft
    }
}

/// Whether entering or leaving the segment starts the campaign.
fn starts(campaign: &Campaign, name: &str) -> bool {
    match &campaign.trigger {
        Trigger::Enter { segment } | Trigger::Exit { segment } => &**segment == name,
        _ => false,
    }
}
