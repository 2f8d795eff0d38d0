//! Names of event columns as small numbers, so that rows hold values by index.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

/// The place of an event's column in the rows given to evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ColumnIndex(u16);

impl ColumnIndex {
    /// What is given when there is no room for another column; always null.
    pub(super) const NONE: Self = Self(u16::MAX);

    /// The index of this number; [`ColumnIndex::number`] gave it.
    pub(crate) const fn from_number(number: u16) -> Self {
        Self(number)
    }

    /// The index as it is written to disk.
    pub(crate) const fn number(self) -> u16 {
        self.0
    }

    /// The index, from 0.
    pub const fn as_usize(self) -> usize {
        self.0 as usize
    }
}

/// Names of event columns by index. It only grows, and all segments of a
/// program share it, so that a row can hold its values by index.
#[derive(Clone, Debug, Default)]
pub struct Columns {
    names: Vec<Box<str>>,
    index: HashMap<Box<str>, ColumnIndex>,
}

impl Columns {
    /// The index of a name, given out when it is new. At most 65,535 names.
    pub fn intern(&mut self, name: &str) -> ColumnIndex {
        if let Some(index) = self.index.get(name) {
            return *index;
        }
        let index = match u16::try_from(self.names.len()) {
            Ok(next) if next < u16::MAX => ColumnIndex(next),
            _ => return ColumnIndex::NONE,
        };
        self.names.push(name.into());
        self.index.insert(name.into(), index);
        index
    }

    /// The name at an index.
    pub fn name(&self, index: ColumnIndex) -> Option<&str> {
        self.names.get(index.as_usize()).map(|name| &**name)
    }

    /// The index of a name that has one.
    pub fn find(&self, name: &str) -> Option<ColumnIndex> {
        self.index.get(name).copied()
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The names in the order of their indexes.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|name| &**name)
    }
}
