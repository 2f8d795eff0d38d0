//! Who sent an event, as far as the request tells.

use std::fmt;

use super::bot::{self, Verdict};
use crate::time::Timestamp;

/// Tells whether an identity now acts faster than a person can, given an event
/// of it and when that happened: see [`super::score::Rates`].
pub type TooFast<'a> = &'a dyn Fn(&str, Timestamp) -> bool;

/// What is known of a sender beside its events.
#[derive(Clone, Default)]
pub struct Sender<'a> {
    /// The request's user agent, with what kind of program it belongs to: judged
    /// once for all events of the request.
    pub agent: Option<(&'a str, Verdict)>,
    /// Whether the browser asks not to have its data sold or shared: `Sec-GPC: 1`
    /// (W3C, "Global Privacy Control").
    pub opted_out: bool,
    /// Whether the request's address belongs to a data centre.
    pub data_centre: bool,
    /// Asked for events that a browser sent; `None` when nobody counts.
    pub too_fast: Option<TooFast<'a>>,
}

impl<'a> Sender<'a> {
    /// A sender of whom only the user agent is known. A blank one is none: no
    /// browser leaves it out.
    pub fn of_agent(user_agent: Option<&'a str>) -> Self {
        let told = user_agent.filter(|text| !text.trim().is_empty());
        let agent = told.map(|text| (text, bot::explain(text)));
        Self { agent, ..Self::default() }
    }
}

impl fmt::Debug for Sender<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("agent", &self.agent)
            .field("opted_out", &self.opted_out)
            .field("data_centre", &self.data_centre)
            .finish_non_exhaustive()
    }
}
