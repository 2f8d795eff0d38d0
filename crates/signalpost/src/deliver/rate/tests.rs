//! The laws of the limiter.

use proptest::prelude::*;
use signalpost_core::time::Span;

use super::*;

fn limiter(per_second: f64, burst: u32) -> Limiter {
    Limiter::new(Settings { per_second, burst }).unwrap()
}

#[test]
fn a_burst_then_the_steady_rate() {
    let mut limiter = limiter(10.0, 3);
    let start = Timestamp::parse("2026-01-01T00:00:00Z").unwrap();
    for _ in 0..3 {
        assert_eq!(limiter.take(start), Ok(()));
    }
    let when = start + Span::from_micros(100_000);
    assert_eq!(limiter.take(start), Err(when));
    assert_eq!(limiter.take(when), Ok(()));
    assert_eq!(limiter.take(when), Err(when + Span::from_micros(100_000)));
}

#[test]
fn a_clock_set_back_a_year_waits_one_interval() {
    let mut limiter = limiter(1.0, 1);
    let start = Timestamp::parse("2026-01-01T00:00:00Z").unwrap();
    assert_eq!(limiter.take(start), Ok(()));
    let back = start - Span::DAY.times(365);
    assert_eq!(limiter.take(back), Err(back + Span::SECOND));
    assert_eq!(limiter.take(back + Span::SECOND), Ok(()));
}

#[test]
fn more_than_the_burst_goes_once_and_is_made_up_for() {
    let mut limiter = limiter(10.0, 5);
    let start = Timestamp::parse("2026-01-01T00:00:00Z").unwrap();
    assert_eq!(limiter.take_many(0, start), Ok(()));
    assert_eq!(limiter.take_many(100, start), Ok(()));
    let paid_off = start + Span::from_micros((100 - 5 + 1) * 100_000);
    assert_eq!(limiter.ready(start), Err(paid_off));
    assert_eq!(limiter.take_many(0, start), Ok(()));
    assert_eq!(limiter.take(paid_off), Ok(()));
    // The next large one waits for a full bucket.
    assert_eq!(limiter.take_many(100, paid_off), Err(paid_off + Span::from_micros(5 * 100_000)));
}

#[test]
fn impossible_rates_are_refused() {
    for per_second in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(matches!(Limiter::new(Settings { per_second, burst: 1 }), Err(Error::PerSecond(_))));
    }
    assert_eq!(Limiter::new(Settings { per_second: 1.0, burst: 0 }).unwrap_err(), Error::Burst);
}

proptest! {
    /// In no window pass more calls than the burst and what the rate refills.
    #[test]
    fn no_window_holds_more_than_burst_and_rate(
        per_second in 0.05f64..2_000.0,
        burst in 1u32..40,
        steps in prop::collection::vec(0i64..400_000, 1..300),
    ) {
        let mut limiter = limiter(per_second, burst);
        let mut now = Timestamp::from_micros(1_700_000_000_000_000);
        let mut granted = Vec::new();
        for step in steps {
            now = now + Span::from_micros(step);
            if limiter.take(now).is_ok() {
                granted.push(now);
            }
        }
        prop_assert!(!granted.is_empty());
        for (first, from) in granted.iter().enumerate() {
            for (last, until) in granted.iter().enumerate().skip(first) {
                let window_seconds = (*until - *from).as_micros() as f64 / 1e6;
                let allowed = f64::from(burst) + per_second * window_seconds + 1e-6;
                prop_assert!(((last - first + 1) as f64) <= allowed);
            }
        }
    }

    /// Whatever the sizes: all that went before a call keeps to burst and rate.
    #[test]
    fn batches_keep_to_the_rate(
        per_second in 0.5f64..2_000.0,
        burst in 1u32..40,
        steps in prop::collection::vec((0i64..400_000, 0usize..200), 1..200),
    ) {
        let mut limiter = limiter(per_second, burst);
        let start = Timestamp::from_micros(1_700_000_000_000_000);
        let (mut now, mut granted) = (start, 0);
        for (step, count) in steps {
            now = now + Span::from_micros(step);
            match limiter.take_many(count, now) {
                Ok(()) => {
                    let allowed = f64::from(burst) + per_second * (now - start).as_micros() as f64 / 1e6;
                    prop_assert!(count == 0 || granted as f64 <= allowed + 1e-6);
                    granted += count;
                }
                Err(when) => prop_assert_eq!(limiter.clone().take_many(count, when), Ok(())),
            }
        }
    }

    /// The instant it names works, and the microsecond before does not.
    #[test]
    fn the_named_instant_is_the_first_that_works(
        per_second in 0.05f64..2_000.0, burst in 1u32..20, taken in 0u32..40,
    ) {
        let mut limiter = limiter(per_second, burst);
        let now = Timestamp::from_micros(1_700_000_000_000_000);
        let granted = (0..taken).filter(|_| limiter.take(now).is_ok()).count();
        prop_assert_eq!(granted, taken.min(burst) as usize);
        if let Err(when) = limiter.clone().take(now) {
            prop_assert!(when > now);
            prop_assert_eq!(limiter.clone().take(when - Span::from_micros(1)), Err(when));
            prop_assert_eq!(limiter.take(when), Ok(()));
        } else {
            prop_assert!(taken < burst);
        }
    }
}
