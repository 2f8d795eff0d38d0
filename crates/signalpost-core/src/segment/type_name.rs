//! The name of an event type, with a number by which most names are told apart
//! at once.

use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The name of an event type, shared by its rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Arc<str>", into = "Arc<str>")]
pub struct TypeName {
    tag: u32,
    name: Arc<str>,
}

/// A number made of a name: other names mostly have others.
pub(super) fn tag(name: &str) -> u32 {
    // FNV-1a (Fowler, Noll, Vo), 32 bits.
    name.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

impl TypeName {
    /// See [`tag`].
    pub(crate) fn tag(&self) -> u32 {
        self.tag
    }

    /// The tag that a name would have.
    pub(crate) fn tag_of(name: &str) -> u32 {
        tag(name)
    }

    /// Whether both are the same text in memory, and so the same name.
    pub(crate) fn is_shared_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.name, &other.name)
    }
}

impl From<Arc<str>> for TypeName {
    fn from(name: Arc<str>) -> Self {
        Self { tag: tag(&name), name }
    }
}

impl From<&str> for TypeName {
    fn from(name: &str) -> Self {
        Arc::<str>::from(name).into()
    }
}

impl From<TypeName> for Arc<str> {
    fn from(name: TypeName) -> Self {
        name.name
    }
}

impl Deref for TypeName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.name
    }
}
