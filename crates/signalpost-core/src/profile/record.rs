//! A profile's form on disk: a version byte, then postcard.

use thiserror::Error;

use super::Profile;

/// The version written now.
pub const RECORD_VERSION: u8 = 1;

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
        let mut bytes = Vec::with_capacity(512);
        bytes.push(RECORD_VERSION);
        // Writing to a Vec cannot fail, and every field type serialises; should
        // that change, the version byte alone is refused on reading.
        postcard::to_extend(self, bytes).unwrap_or_else(|_| vec![RECORD_VERSION])
    }

    /// Reads back what [`Profile::encode`] wrote.
    ///
    /// # Errors
    /// When the bytes are damaged or of a later version.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        match bytes.split_first() {
            Some((&RECORD_VERSION, body)) => {
                postcard::from_bytes(body).map_err(|error| DecodeError::Damaged { reason: error.to_string() })
            }
            Some((&found, _)) if found > RECORD_VERSION => Err(DecodeError::Version { found }),
            _ => Err(DecodeError::Damaged { reason: "it is empty".into() }),
        }
    }
}
