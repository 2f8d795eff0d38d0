//! Who sent an event, as far as the request tells.

use std::fmt;

use crate::time::Timestamp;

/// Tells whether an identity now acts faster than a person can, given an event
/// of it and when that happened: see [`super::score::Rates`].
pub type TooFast<'a> = &'a dyn Fn(&str, Timestamp) -> bool;

/// What is known of a sender beside its events.
#[derive(Clone, Copy, Default)]
pub struct Sender<'a> {
    /// The request's user agent.
    pub user_agent: Option<&'a str>,
    /// Whether the browser asks not to have its data sold or shared: `Sec-GPC: 1`
    /// (W3C, "Global Privacy Control").
    pub opted_out: bool,
    /// Whether the request's address belongs to a data centre.
    pub data_centre: bool,
    /// Asked for events that a browser sent; `None` when nobody counts.
    pub too_fast: Option<TooFast<'a>>,
}

impl<'a> Sender<'a> {
    /// A sender of whom only the user agent is known.
    pub fn of_agent(user_agent: Option<&'a str>) -> Self {
        Self { user_agent, ..Self::default() }
    }
}

impl fmt::Debug for Sender<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("user_agent", &self.user_agent)
            .field("opted_out", &self.opted_out)
            .field("data_centre", &self.data_centre)
            .finish_non_exhaustive()
    }
}
