//! How fast a destination may be called. In: the instant of a call. Out: go, or
//! the instant at which to ask again.
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

/// How fast a destination may be called.
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
    /// Nanoseconds a call may come ahead of the steady rate: `(burst - 1) × interval`.
    tolerance: i128,
    /// Nanoseconds since the epoch at which the next call is due at the steady
    /// rate; `None` before the first.
    due: Option<i128>,
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
        Ok(Self { interval, tolerance: interval * i128::from(settings.burst - 1), due: None })
    }

    /// Takes a token, or says when there will be one.
    ///
    /// A clock set back does not stop deliveries: the bucket then counts as
    /// empty at the new time.
    pub fn take(&mut self, now: Timestamp) -> Result<(), Timestamp> {
        let now = i128::from(now.as_micros()) * 1_000;
        let empty = now + self.tolerance + self.interval;
        let due = self.due.unwrap_or(now).max(now).min(empty);
        let allowed_at = due - self.tolerance;
        if allowed_at > now {
            self.due = Some(due);
            // Rounded up, so that the answer is an instant that works.
            let micros = allowed_at.div_euclid(1_000) + i128::from(allowed_at.rem_euclid(1_000) > 0);
            return Err(Timestamp::from_micros(i64::try_from(micros).unwrap_or(i64::MAX)));
        }
        self.due = Some(due + self.interval);
        Ok(())
    }
}

#[expect(clippy::cast_possible_truncation, reason = "held between 1 and a day of nanoseconds just before")]
fn interval_nanos(per_second: f64) -> i128 {
    (1e9 / per_second).ceil().clamp(1.0, INTERVAL_NANOS_MAX) as i128
}
