//! When to try a delivery again. In: how often it was tried, the time, what the
//! other side asked for, and a random number. Out: an instant, or the end.
//!
//! Waits grow fourfold from 30 seconds to 12 hours, so that a broken receiver
//! may take a weekend to mend and a hiccup costs half a minute: 30 s, 2 min,
//! 8 min, 32 min, 2 h, 8½ h, then 12 h. Each is spread by half to either side
//! (Brooker, "Exponential backoff and jitter", AWS Architecture Blog, 2015), so
//! that a queue does not come back all at once.

use std::time::Duration;

use signalpost_core::time::{Span, Timestamp};

#[cfg(test)]
mod tests;

/// Attempts before a delivery becomes a dead letter: about 3 days.
pub const ATTEMPTS_MAX: u32 = 12;
/// The wait after the first attempt, before it is spread.
pub const WAIT_FIRST: Span = Span::SECOND.times(30);
/// No wait of our own choosing is longer.
pub const WAIT_LONGEST: Span = Span::HOUR.times(12);
/// No wait that the other side asks for is longer.
pub const ASKED_LONGEST: Span = Span::DAY;

/// When to try again after `attempt` attempts (1: the first has just failed),
/// or `None` when it is time to give up.
///
/// `after` is what the other side asked for: never earlier than that, up to
/// [`ASKED_LONGEST`]. `jitter` is a random number from 0 up to 1; others are
/// held at the nearest of these.
pub fn next_attempt(attempt: u32, now: Timestamp, after: Option<Duration>, jitter: f64) -> Option<Timestamp> {
    if attempt >= ATTEMPTS_MAX {
        return None;
    }
    // 30 s × 4^6 is above 12 h: more doublings only risk an overflow.
    let doublings = attempt.saturating_sub(1).min(6) * 2;
    let wait = WAIT_FIRST.times(1 << doublings).min(WAIT_LONGEST);
    let spread = spread(wait, jitter).min(WAIT_LONGEST);
    let asked = after.map_or(Span::ZERO, |asked| {
        Span::from_micros(i64::try_from(asked.as_micros()).unwrap_or(i64::MAX)).min(ASKED_LONGEST)
    });
    Some(now + spread.max(asked))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "at most 18 hours of microseconds, which a double counts exactly"
)]
fn spread(wait: Span, jitter: f64) -> Span {
    let jitter = if jitter.is_nan() { 0.5 } else { jitter.clamp(0.0, 1.0) };
    Span::from_micros((wait.as_micros() as f64 * (0.5 + jitter)) as i64)
}
