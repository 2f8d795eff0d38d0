//! When people come: the rhythm of the day and of the week.
//!
//! In: the run's first and last instant and a person's offset from UTC. Out:
//! the instants their visits begin, far enough apart that one visit's events
//! never mix with the next one's.

use super::Settings;
use super::chance::Chance;

pub(super) const SECOND_MS: i64 = 1_000;
pub(super) const MINUTE_MS: i64 = 60 * SECOND_MS;
pub(super) const HOUR_MS: i64 = 60 * MINUTE_MS;
pub(super) const DAY_MS: i64 = 24 * HOUR_MS;

/// The longest a visit may last.
pub(super) const VISIT_MS_MAX: i64 = 45 * MINUTE_MS;
/// From the beginning of a visit to that of the next one. Together with
/// [`VISIT_MS_MAX`] it keeps every purchase at most 45 minutes, or at least 75,
/// after anything put in a cart: a rule that waits an hour never meets a case
/// that a few minutes' error of a clock could turn round.
const VISIT_GAP_MS: i64 = 2 * HOUR_MS;
/// No visit begins in the last hours of a run, so that every timer of an hour
/// has run out before its end.
const QUIET_END_MS: i64 = 4 * HOUR_MS;

/// Visits by hour of the day, local time: lunch and evening peaks.
const HOURS: [u32; 24] =
    [12, 6, 3, 2, 2, 4, 10, 22, 34, 40, 44, 48, 56, 50, 44, 44, 48, 56, 66, 82, 94, 88, 58, 28];
/// Visits by day of the week, Monday first: quiet Fridays, full Sundays.
const WEEKDAYS: [u32; 7] = [100, 96, 98, 100, 84, 104, 134];

/// First and last instant of the run, in ms since the epoch; the last is not
/// part of it.
pub(super) fn span_ms(settings: &Settings) -> (i64, i64) {
    // Rounded up: nothing happens before the start.
    let micros = settings.start.as_micros();
    let start = micros.div_euclid(1_000) + i64::from(micros.rem_euclid(1_000) != 0);
    (start, start.saturating_add(i64::from(settings.days()) * DAY_MS))
}

/// The beginnings of one person's visits, latest first.
pub(super) fn visits(chance: &mut Chance, settings: &Settings, offset_minutes: i32) -> Vec<i64> {
    let (start, end) = span_ms(settings);
    // Visits in 14 days, by kind of person: once, now and then, often, daily.
    let fortnight = match chance.weighted(&[34, 34, 24, 8]) {
        0 => 1,
        1 => chance.between(2, 4),
        2 => chance.between(4, 8),
        _ => chance.between(8, 17),
    };
    let wanted = (fortnight * i64::from(settings.days()) + 7) / 14;
    let mut visits: Vec<i64> = (0..wanted.max(1))
        .filter_map(|_| {
            (0..8)
                .map(|_| moment(chance, start, end, offset_minutes))
                .find(|at| (start..end - QUIET_END_MS).contains(at))
        })
        .collect();
    visits.sort_unstable();
    visits.dedup_by(|later, earlier| *later - *earlier < VISIT_GAP_MS);
    visits.reverse();
    visits
}

/// One instant by weekday and hour; may lie a little outside the run.
fn moment(chance: &mut Chance, start: i64, end: i64, offset_minutes: i32) -> i64 {
    let offset = i64::from(offset_minutes) * MINUTE_MS;
    let first_day = (start + offset).div_euclid(DAY_MS);
    let last_day = (end + offset).div_euclid(DAY_MS);
    let mut day = first_day;
    for _ in 0..8 {
        day = chance.between(first_day, last_day + 1);
        // 1970-01-01 was a Thursday, the fourth day.
        let weekday = usize::try_from((day + 3).rem_euclid(7)).unwrap_or(0);
        if chance.below(134) < WEEKDAYS.get(weekday).copied().unwrap_or(134) {
            break;
        }
    }
    let hour = i64::try_from(chance.weighted(&HOURS)).unwrap_or(0);
    day * DAY_MS + hour * HOUR_MS + chance.between(0, HOUR_MS) - offset
}
