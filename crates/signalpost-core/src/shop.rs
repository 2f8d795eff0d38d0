//! A shop and its visitors, made up from a seed: what `signalpost demo` plays
//! when no real data is at hand.
//!
//! In: settings with a seed. Out: a catalog, every request the shop's pages
//! would send in order of sending, what the pipeline must make of each, and
//! the sums a pipeline must come to. The same settings give the same bytes on
//! every machine: there is no clock and no outside chance, and no function
//! whose last digit depends on a library.
//!
//! Three names for three lives: an *act* is what a person does, a *record* is
//! that act on its way with its quirks, a [`Request`] is what is sent.

mod body;
mod catalog;
mod chance;
mod expected;
mod people;
mod products;
mod record;
mod schedule;
mod traffic;
mod visit;

#[cfg(test)]
mod tests;

use crate::id::EventId;
use crate::time::{Span, Timestamp};

pub use catalog::{CURRENCY, CatalogItem};
pub use expected::Expected;

use catalog::Catalog;
use record::Mark;
use traffic::Traffic;

/// What to simulate.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Where all variety comes from.
    pub seed: u64,
    /// People who visit at least once; at most 10 million are simulated. A
    /// million takes about 0.7 GB of memory.
    pub visitors: u32,
    /// Length of the run; at least 1 and at most 3,650 are simulated.
    pub days: u32,
    /// The run covers `start` up to, not including, `start + days`. Must be
    /// after the year 2000, or the pipeline would be right to refuse the events.
    pub start: Timestamp,
    /// Share of visitors who never sign in. Default 0.4.
    pub anonymous_share: f64,
    /// How much of what real senders get wrong is mixed in.
    pub dirt: Dirt,
}

/// What real senders get wrong: shares from 0 (never) to 1 (always).
#[derive(Clone, Debug, PartialEq)]
pub struct Dirt {
    /// Events sent once more, to the byte, 2 seconds to 8 hours later. Default 0.02.
    pub duplicate_share: f64,
    /// Crawler requests for each event of a person. Default 0.06.
    pub bot_share: f64,
    /// Visits by phone without reception, whose events arrive 5 minutes to 2
    /// days after they happened. Default 0.05.
    pub offline_share: f64,
    /// Devices whose clock is wrong by 3 minutes to 5 hours; they tell
    /// `sent_at` by the same clock. Default 0.04.
    pub skewed_share: f64,
    /// Events that come with a broken double. Default 0.01.
    pub broken_share: f64,
    /// People whose e-mail address is written in mixed case and with spaces
    /// around it. Default 0.25.
    pub email_share: f64,
}

impl Default for Dirt {
    fn default() -> Self {
        Self {
            duplicate_share: 0.02,
            bot_share: 0.06,
            offline_share: 0.05,
            skewed_share: 0.04,
            broken_share: 0.01,
            email_share: 0.25,
        }
    }
}

impl Settings {
    /// 2,000 visitors in 14 days from `start`, with the usual dirt.
    pub fn new(seed: u64, start: Timestamp) -> Self {
        Self { seed, visitors: 2_000, days: 14, start, anonymous_share: 0.4, dirt: Dirt::default() }
    }

    fn days(&self) -> u32 {
        self.days.clamp(1, 3_650)
    }

    fn visitors(&self) -> u32 {
        self.visitors.min(10_000_000)
    }
}

/// What is wrong with a broken event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// It has no `event_type`.
    #[default]
    MissingEventType,
    /// It has neither `customer_id` nor `anonymous_id`.
    MissingIdentity,
    /// Its `timestamp` is text that is no instant.
    UnreadableTimestamp,
    /// Its `properties` are text or a list instead of an object.
    WrongType,
    /// Its `timestamp` is in January 1970: a clock that was never set.
    TimestampTooOld,
    /// Its `timestamp` is years ahead.
    TimestampAhead,
}

impl Fault {
    /// All there are.
    pub const ALL: [Self; 6] = [
        Self::MissingEventType,
        Self::MissingIdentity,
        Self::UnreadableTimestamp,
        Self::WrongType,
        Self::TimestampTooOld,
        Self::TimestampAhead,
    ];

    /// The reason as quarantine shows it: the code that `clean` gives.
    pub const fn code(self) -> &'static str {
        match self {
            Self::MissingEventType => "missing_field",
            Self::MissingIdentity => "missing_identity",
            Self::UnreadableTimestamp => "bad_timestamp",
            Self::WrongType => "wrong_type",
            Self::TimestampTooOld => "timestamp_too_old",
            Self::TimestampAhead => "timestamp_in_future",
        }
    }
}

/// What the pipeline must make of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Truth {
    /// Accepted; it happened at most 3 seconds before it was sent.
    Clean,
    /// Accepted; it happened 5 minutes to 2 days before it was sent.
    Late,
    /// The same event came before, was clean or late, and is not counted again.
    DuplicateOf(EventId),
    /// A crawler: its own user agent says so.
    Bot,
    /// Quarantined, for this reason.
    Broken(Fault),
}

impl Truth {
    /// The kind as a word: `clean`, `late`, `duplicate`, `bot`, `broken`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Late => "late",
            Self::DuplicateOf(_) => "duplicate",
            Self::Bot => "bot",
            Self::Broken(_) => "broken",
        }
    }
}

/// One event on its way to `POST /api/events`.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// When it is sent; whole milliseconds. The receiver's clock must show this
    /// instant for late and skewed events to be judged rightly.
    pub at: Timestamp,
    /// The `User-Agent` header; the body's `context.user_agent` says the same.
    pub user_agent: String,
    /// One event object, exactly as sent.
    pub body: serde_json::Value,
    /// What must become of it.
    pub truth: Truth,
}

/// A shop with its visitors.
#[derive(Clone, Debug)]
pub struct Shop {
    settings: Settings,
    catalog: Catalog,
}

impl Shop {
    /// The shop that these settings describe.
    pub fn new(settings: Settings) -> Self {
        Self { settings, catalog: Catalog::new() }
    }

    /// What the shop sells: 120 products in 8 categories, the same at all seeds.
    pub fn catalog(&self) -> &[CatalogItem] {
        &self.catalog.items
    }

    /// The first instant after the run. Every timer of an hour that an event of
    /// the run started has run out by then.
    pub fn end(&self) -> Timestamp {
        let millis = schedule::span_ms(&self.settings).1;
        Timestamp::from_micros(0) + Span::MILLISECOND.times(millis)
    }

    /// All requests from the first on, in order of sending.
    pub fn requests(&self) -> Requests<'_> {
        Requests { traffic: Traffic::new(&self.settings, &self.catalog), shop: self }
    }

    /// What a right pipeline comes to at [`Shop::end`]. Runs through the whole
    /// simulation once more, without writing out the requests.
    pub fn expected(&self) -> Expected {
        expected::count(Traffic::new(&self.settings, &self.catalog), self)
    }
}

/// The requests of a run, in order of sending; made by [`Shop::requests`].
pub struct Requests<'a> {
    shop: &'a Shop,
    traffic: Traffic<'a>,
}

impl std::fmt::Debug for Requests<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Requests").field("settings", &self.shop.settings).finish_non_exhaustive()
    }
}

impl Iterator for Requests<'_> {
    type Item = Request;

    fn next(&mut self) -> Option<Request> {
        let record = self.traffic.next()?;
        let writer = body::Writer {
            catalog: &self.shop.catalog,
            visitor: self.traffic.visitor(record.sender),
            seed: self.shop.settings.seed,
        };
        let (user_agent, body) = writer.write(&record);
        let truth = match record.mark {
            Mark::Clean => Truth::Clean,
            Mark::Late => Truth::Late,
            Mark::Duplicate => Truth::DuplicateOf(writer.event_id(&record).into()),
            Mark::Bot => Truth::Bot,
            Mark::Broken(fault) => Truth::Broken(fault),
        };
        let at = Timestamp::from_micros(0) + Span::MILLISECOND.times(record.at);
        Some(Request { at, user_agent: user_agent.to_owned(), body, truth })
    }
}
