//! How fast a destination may be called, or a key may send events. In: the
//! instant of a call. Out: go, or the instant at which to ask again.
//!
//! The bucket is kept as one instant, the "theoretical arrival time" of the
//! generic cell rate algorithm (ITU-T I.371, annex A), which equals a token
//! bucket of `burst` tokens refilled at the given rate, without rounding drift.

use serde::{Deserialize, Serialize};
use signalpost_core::time::Timestamp;

#[cfg(test)]
mod tests;

/// The longest pause between two calls that a rate may ask for: a day.
const INTERVAL_NANOS_MAX: f64 = 86_400e9;

/// How fast a destination may be called, or a key may send events.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Calls a second over the long run; fractions are fine (0.1: one in ten
    /// seconds). More than 0, held at one a day or more.
    pub per_second: f64,
    /// Calls that may come at once after a quiet time, at least 1.
    #[serde(default = "one")]
    pub burst: u32,
}

const fn one() -> u32 {
    1
}

/// The rate cannot be kept.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum Error {
    /// Not a number above zero.
    #[error("rate.per_second must be a number above 0, got {0}; leave the rate out for no limit")]
    PerSecond(f64),
    /// No call could ever go.
    #[error("rate.burst must be at least 1, got 0")]
    Burst,
}

/// A token bucket; the caller brings the time.
#[derive(Clone, Debug)]
pub struct Limiter {
    /// Nanoseconds between calls at the steady rate.
    interval: i128,
    /// Calls that may come at once after a quiet time.
    burst: i128,
    /// Nanoseconds since the epoch at which the next call is due at the steady
    /// rate; `None` before the first.
    due: Option<i128>,
    /// Nanoseconds since the epoch when it was asked last.
    asked: i128,
}

impl Limiter {
    /// A full bucket.
    pub fn new(settings: Settings) -> Result<Self, Error> {
        if !(settings.per_second.is_finite() && settings.per_second > 0.0) {
            return Err(Error::PerSecond(settings.per_second));
        }
        if settings.burst == 0 {
            return Err(Error::Burst);
        }
        let interval = interval_nanos(settings.per_second);
        Ok(Self { interval, burst: i128::from(settings.burst), due: None, asked: i128::MIN })
    }

    /// Takes a token, or says when there will be one.
    ///
    /// A clock set back does not stop deliveries: the bucket then holds at the
    /// new time what it held at the old.
    pub fn take(&mut self, now: Timestamp) -> Result<(), Timestamp> {
        self.take_many(1, now)
    }

    /// Takes `count` tokens, or says when it can. More than a full bucket holds
    /// are given once it is full, and nothing then until they are made up for.
    pub fn take_many(&mut self, count: usize, now: Timestamp) -> Result<(), Timestamp> {
        let count = i128::try_from(count).unwrap_or(i128::MAX);
        let now = i128::from(now.as_micros()) * 1_000;
        let set_back = if self.due.is_some() { (self.asked - now).max(0) } else { 0 };
        let due = self.due.map_or(now, |due| due - set_back).max(now);
        self.asked = now;
        self.due = Some(due);
        let allowed_at = due + self.interval * (count.min(self.burst) - self.burst);
        if count > 0 && allowed_at > now {
            // Rounded up, so that the answer is an instant that works.
            let micros = allowed_at.div_euclid(1_000) + i128::from(allowed_at.rem_euclid(1_000) > 0);
            return Err(Timestamp::from_micros(i64::try_from(micros).unwrap_or(i64::MAX)));
        }
        self.due = Some(due + self.interval.saturating_mul(count));
        Ok(())
    }

    /// Whether there is a token, without taking it.
    pub fn ready(&self, now: Timestamp) -> Result<(), Timestamp> {
        self.clone().take(now)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "held between 1 and a day of nanoseconds just before")]
fn interval_nanos(per_second: f64) -> i128 {
    (1e9 / per_second).ceil().clamp(1.0, INTERVAL_NANOS_MAX) as i128
}
