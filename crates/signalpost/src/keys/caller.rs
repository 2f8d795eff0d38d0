//! Who asks: a key, or a token of an OAuth client, as requests meet it.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::{HeaderMap, StatusCode, header};
use signalpost_core::time::{Span, Timestamp};

use super::origin::Origin;
use crate::deliver::rate::Limiter;
use crate::problem::Problem;

/// Who asks, and what it may.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The key's or the client's public name.
    pub id: String,
    /// The source its events count for.
    pub source: String,
    /// What it allows.
    pub scopes: Vec<String>,
    /// Pages that may send with it; empty for all.
    pub allowed_origins: Vec<Origin>,
    /// Shared by everything that counts as the same key or client.
    pub usage: Arc<Usage>,
}

/// How much a key is used, and how much it may be.
#[derive(Debug, Default)]
pub struct Usage {
    limiter: Option<Mutex<Limiter>>,
    /// The minute of the last request, in microseconds; 0 before the first.
    last_used: AtomicI64,
}

impl Usage {
    /// No use yet, bounded by `limiter`.
    pub fn new(limiter: Option<Limiter>, last_used: Option<Timestamp>) -> Self {
        let last_used = AtomicI64::new(last_used.map_or(0, Timestamp::as_micros));
        Self { limiter: limiter.map(Mutex::new), last_used }
    }

    /// Notes a request. Kept to the minute: the place is written once a minute.
    pub fn note(&self, now: Timestamp) {
        let minute = Span::MINUTE.as_micros();
        let now = now.as_micros() / minute * minute;
        if self.last_used.load(Ordering::Relaxed) < now {
            self.last_used.fetch_max(now, Ordering::Relaxed);
        }
    }

    /// The minute of the last request.
    pub fn last_used(&self) -> Option<Timestamp> {
        let micros = self.last_used.load(Ordering::Relaxed);
        (micros > 0).then(|| Timestamp::from_micros(micros))
    }

    fn ask(
        &self,
        now: Timestamp,
        ask: impl FnOnce(&mut Limiter) -> Result<(), Timestamp>,
    ) -> Result<(), Problem> {
        let Some(limiter) = &self.limiter else { return Ok(()) };
        ask(&mut limiter.lock().unwrap_or_else(PoisonError::into_inner)).map_err(|when| {
            let micros = (when - now).as_micros().max(1);
            let seconds = u64::try_from(micros).unwrap_or(1).div_ceil(1_000_000);
            let detail = format!("the key sends more events than its rate allows; try again in {seconds} s");
            Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate", detail).retry_after(seconds)
        })
    }
}

/// Whether `held` is `wanted` or holds it: `admin` holds all, `content:*` all of content.
pub fn holds(held: &str, wanted: &str) -> bool {
    let area = wanted.split(':').next().unwrap_or(wanted);
    held == "admin" || held == wanted || held.strip_suffix(":*").is_some_and(|prefix| prefix == area)
}

impl Caller {
    /// Whether it allows what `scope` names.
    pub fn allows(&self, scope: &str) -> bool {
        self.scopes.iter().any(|held| holds(held, scope))
    }

    /// Whether it may write events and nothing else, so that its secret may
    /// stand in a page.
    pub fn only_writes_events(&self) -> bool {
        self.scopes.iter().all(|scope| scope == "events:write")
    }

    /// Whether a request from this page may send, when it comes from a page.
    ///
    /// # Errors
    /// 403 for a page of another origin.
    pub fn check_origin(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
        if self.allowed_origins.is_empty() || self.allowed_origins.iter().any(|one| one.is(origin.as_bytes()))
        {
            return Ok(());
        }
        let detail = format!("the key '{}' may not be used by pages of this origin", self.id);
        Err(Problem::new(StatusCode::FORBIDDEN, "origin", detail))
    }

    /// Whether it may send an event now.
    ///
    /// # Errors
    /// 429 when its rate is used up.
    pub fn check_rate(&self, now: Timestamp) -> Result<(), Problem> {
        self.usage.ask(now, |limiter| limiter.ready(now))
    }

    /// Counts events against its rate.
    ///
    /// # Errors
    /// 429 when there are more than the rate allows now: then none is counted.
    pub fn count_events(&self, events: usize, now: Timestamp) -> Result<(), Problem> {
        self.usage.ask(now, |limiter| limiter.take_many(events, now))
    }
}
