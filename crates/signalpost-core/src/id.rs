//! Identifiers as types, so that one can never stand where another belongs.
//!
//! An identifier is opaque text: Signalpost compares identifiers by bytes and
//! never reads meaning into them.

#[cfg(test)]
mod tests;

use std::fmt;

use ecow::EcoString;
use serde::{Deserialize, Serialize};

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(EcoString);

        impl $name {
            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }
    };
}

text_id!(
    /// The customer's own key for a known person.
    CustomerId
);
text_id!(
    /// A device or browser that has not said who uses it.
    AnonymousId
);
text_id!(
    /// One event, as its sender named it or as Signalpost did on receipt.
    EventId
);
text_id!(
    /// A catalog item.
    ProductId
);
text_id!(
    /// The name of a segment, as marketers write it: `Abandoned Cart Last 24h`.
    SegmentName
);
text_id!(
    /// A source of events: a write key and its settings.
    SourceId
);

/// Who a profile belongs to: the key its partition is chosen by.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum ProfileKey {
    /// A known person.
    Customer(CustomerId),
    /// A visitor not yet known.
    Anonymous(AnonymousId),
}

/// Bytes of a place before the identifier: the kind, the slot, the length.
const PLACE_HEAD_BYTES: usize = 1 + 2 + 4;

impl ProfileKey {
    /// The key as bytes that sort and never collide: one letter for the kind,
    /// then the identifier.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.write_bytes(&mut bytes);
        bytes
    }

    /// Puts what [`ProfileKey::to_bytes`] gives behind what `bytes` holds.
    pub fn write_bytes(&self, bytes: &mut Vec<u8>) {
        let (kind, text) = self.parts();
        bytes.reserve(1 + text.len());
        bytes.push(kind);
        bytes.extend_from_slice(text.as_bytes());
    }

    fn parts(&self) -> (u8, &str) {
        match self {
            Self::Customer(id) => (b'c', id.as_str()),
            Self::Anonymous(id) => (b'a', id.as_str()),
        }
    }

    /// Reads back what [`ProfileKey::to_bytes`] wrote; `None` for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (kind, text) = bytes.split_first()?;
        Self::of_parts(*kind, text)
    }

    fn of_parts(kind: u8, text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        match kind {
            b'c' => Some(Self::Customer(text.into())),
            b'a' => Some(Self::Anonymous(text.into())),
            _ => None,
        }
    }

    /// The customer, when the person is known.
    pub fn customer_id(&self) -> Option<&CustomerId> {
        match self {
            Self::Customer(id) => Some(id),
            Self::Anonymous(_) => None,
        }
    }

    /// The partition that owns this profile, of `partitions` in all.
    pub fn partition(&self, partitions: u32) -> u32 {
        (u32::from(self.slot()) * partitions) >> u16::BITS
    }

    /// One of 65,536 slots. Each partition owns those in a row.
    ///
    /// FNV-1a (Fowler, Noll, Vo) with a final mix: stable across versions and
    /// machines, because slots are written to disk.
    fn slot(&self) -> u16 {
        let (kind, text) = self.parts();
        let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
        for byte in std::iter::once(kind).chain(text.bytes()) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        hash ^= hash >> 32;
        let [low, high, ..] = hash.to_le_bytes();
        u16::from_le_bytes([low, high])
    }

    /// Where the records of this profile stand in the store: behind its kind and
    /// its slot, so that those of a partition are neighbours. No place begins as
    /// another one does.
    pub fn place(&self) -> Vec<u8> {
        let (kind, text) = self.parts();
        let mut place = Vec::with_capacity(PLACE_HEAD_BYTES + text.len());
        place.push(kind);
        place.extend(self.slot().to_be_bytes());
        place.extend(u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
        place.extend(text.as_bytes());
        place
    }

    /// Reads back what [`ProfileKey::place`] made; `None` for anything else.
    pub fn from_place(place: &[u8]) -> Option<Self> {
        let (kind, text) = (place.first()?, place.get(PLACE_HEAD_BYTES..)?);
        Self::of_parts(*kind, text)
    }

    /// The places of a partition's profiles, of `partitions` in all: from the
    /// first bytes on, below the second.
    pub fn places(partition: u32, partitions: u32) -> [(Vec<u8>, Vec<u8>); 2] {
        let first = |partition: u32| (partition << u16::BITS).div_ceil(partitions.max(1));
        [b'a', b'c'].map(|kind| {
            let edge = |slot: u32| match u16::try_from(slot) {
                Ok(slot) => [&[kind][..], &slot.to_be_bytes()].concat(),
                Err(_) => vec![kind + 1],
            };
            (edge(first(partition)), edge(first(partition + 1)))
        })
    }
}

impl fmt::Display for ProfileKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Customer(id) => write!(f, "{id}"),
            Self::Anonymous(id) => write!(f, "anonymous:{id}"),
        }
    }
}
