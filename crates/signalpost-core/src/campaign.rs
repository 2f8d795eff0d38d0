//! Campaigns. In: who, what and when. Out: for now only the identifier of a
//! delivery.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One message to one person: the idempotency key of all attempts to send it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeliveryId(pub u128);

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "d{:032x}", self.0)
    }
}
