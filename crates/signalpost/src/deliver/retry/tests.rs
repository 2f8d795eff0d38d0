//! The laws of trying again.

use proptest::prelude::*;

use super::*;

const NOW: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);

fn wait(attempt: u32, after: Option<Duration>, jitter: f64) -> Option<Span> {
    next_attempt(attempt, NOW, after, jitter).map(|when| when - NOW)
}

#[test]
fn the_middle_schedule_is_about_three_days() {
    let waits: Vec<String> =
        (1..=12).map_while(|n| wait(n, None, 0.5)).map(|wait| wait.to_string()).collect();
    assert_eq!(
        waits,
        [
            "30 seconds",
            "2 minutes",
            "8 minutes",
            "32 minutes",
            "128 minutes",
            "512 minutes",
            "12 hours",
            "12 hours",
            "12 hours",
            "12 hours",
            "12 hours",
        ]
    );
    let all = (1..12).filter_map(|n| wait(n, None, 0.5)).fold(Span::ZERO, |sum, wait| sum + wait);
    assert!(all > Span::HOUR.times(70) && all < Span::HOUR.times(74), "{all:?}");
}

#[test]
fn the_twelfth_failure_is_the_last() {
    assert!(wait(11, None, 0.0).is_some());
    assert_eq!(wait(12, None, 0.0), None);
    assert_eq!(wait(u32::MAX, Some(Duration::from_secs(1)), 0.0), None);
}

#[test]
fn what_the_other_side_asks_for_counts_up_to_a_day() {
    assert_eq!(wait(1, Some(Duration::from_secs(3_600)), 0.5), Some(Span::HOUR));
    assert_eq!(wait(1, Some(Duration::from_secs(1)), 0.5), Some(WAIT_FIRST));
    assert_eq!(wait(1, Some(Duration::MAX), 0.5), Some(ASKED_LONGEST));
}

proptest! {
    #[test]
    fn waits_stay_within_bounds(
        attempt in 0u32..40, after in prop::option::of(0u64..200_000), jitter in -1.0f64..2.0,
    ) {
        match wait(attempt, after.map(Duration::from_secs), jitter) {
            None => prop_assert!(attempt >= ATTEMPTS_MAX),
            Some(wait) => {
                prop_assert!(attempt < ATTEMPTS_MAX);
                prop_assert!(wait >= Span::SECOND.times(15));
                prop_assert!(wait <= ASKED_LONGEST);
                if after.is_none() {
                    prop_assert!(wait <= WAIT_LONGEST);
                }
            }
        }
    }

    #[test]
    fn waits_grow_with_attempts_and_with_jitter(
        attempt in 1u32..10, less in 0.0f64..1.0, more in 0.0f64..1.0,
    ) {
        prop_assert!(wait(attempt, None, less) <= wait(attempt + 1, None, less));
        prop_assert!(wait(attempt, None, less.min(more)) <= wait(attempt, None, less.max(more)));
    }
}
