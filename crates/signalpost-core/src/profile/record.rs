//! A profile's form on disk, made to be small and quick to write: a record is
//! written with every event of its profile.
//!
//! A version byte, then the fields in the order of [`Profile`]. Whole numbers
//! are varints (seven bits a byte, least first; signed ones zigzag). An instant
//! is its distance from the instant written before it, a sequence from the
//! sequence before it. Rows name their type by its place among the types.

mod read;
mod write;

use thiserror::Error;

use super::Profile;

/// The version written now.
pub const RECORD_VERSION: u8 = 3;
/// The version that knew one instant for all segments.
const ONE_HORIZON: u8 = 2;

/// Why bytes are not a profile.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum DecodeError {
    /// Written by a later program.
    #[error(
        "profile record has version {found}, this program reads up to {RECORD_VERSION}: upgrade Signalpost"
    )]
    Version {
        /// The version found.
        found: u8,
    },
    /// Written by a program that was never released.
    #[error(
        "profile record has version {found}, this program reads {RECORD_VERSION}: start with an empty data folder and send the events again"
    )]
    Outdated {
        /// The version found.
        found: u8,
    },
    /// Damaged, or not a profile.
    #[error("profile record cannot be read: {reason}")]
    Damaged {
        /// What the decoder says.
        reason: String,
    },
}

impl Profile {
    /// The profile as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes =
            Vec::with_capacity(256 + 32 * (self.viewed.len() + self.cart.len() + self.rows.len()));
        bytes.push(RECORD_VERSION);
        write::profile(self, bytes)
    }

    /// Reads back what [`Profile::encode`] wrote.
    ///
    /// # Errors
    /// When the bytes are damaged or of another version.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let damaged = |reason: &str| DecodeError::Damaged { reason: reason.to_owned() };
        match bytes.split_first() {
            Some((&version @ (ONE_HORIZON | RECORD_VERSION), body)) => {
                read::profile(body, version).map_err(|reason| damaged(reason.0))
            }
            Some((&found, _)) if found > RECORD_VERSION => Err(DecodeError::Version { found }),
            Some((&found, _)) if found > 0 => Err(DecodeError::Outdated { found }),
            Some(_) => Err(damaged("it has no version")),
            None => Err(damaged("it is empty")),
        }
    }
}
