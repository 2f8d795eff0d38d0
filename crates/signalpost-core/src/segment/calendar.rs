//! The calendar: instants as clocks show them, the beginnings of days, weeks
//! and months, and when each turns.
//!
//! A wall-clock time (what the clocks of a zone show) is held as the instant
//! at which clocks in UTC would show the same.

use std::fmt;
use std::sync::LazyLock;

use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};

use super::routine::{Part, Unit};
use crate::time::{Span, Timestamp};

/// The rules of all zones, as they were when the program was built: a machine's
/// own would make a replay depend on the machine.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// A time zone by its name in the IANA database, such as `Europe/Berlin`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    name: Box<str>,
    rules: TimeZone,
}

impl Zone {
    /// The zone of this name, in any case. `None` when there is none.
    pub fn named(name: &str) -> Option<Self> {
        let rules = ZONES.get(name).ok()?;
        let name = rules.iana_name().unwrap_or("UTC").into();
        Some(Self { name, rules })
    }

    /// Its name, as the database spells it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The zone nearest to a name that is none.
    pub(super) fn nearest(name: &str) -> Option<String> {
        let zones: Vec<String> = ZONES.available().map(|zone| zone.to_string()).collect();
        let city = |zone: &str| zone.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
        let wanted = city(name).replace(' ', "_");
        let same_city = zones.iter().find(|zone| city(zone) == wanted).cloned();
        same_city
            .or_else(|| super::schema::nearest(name, zones.iter().map(String::as_str)).map(str::to_owned))
    }

    /// What clocks show at an instant.
    pub fn wall(&self, instant: Timestamp) -> Option<Timestamp> {
        let offset = self.rules.to_offset(instant.to_jiff()?);
        Some(instant + seconds(offset.seconds()))
    }

    /// The first later instant at which clocks are put forward or back;
    /// [`Timestamp::MAX`] when they never are.
    pub(super) fn turns_after(&self, instant: Timestamp) -> Timestamp {
        let Some(at) = instant.to_jiff() else { return Timestamp::MAX };
        let next = self.rules.following(at).next();
        next.map_or(Timestamp::MAX, |turn| Timestamp::from_micros(turn.timestamp().as_microsecond()))
    }

    /// The instant at which clocks show a time, and, when that time is one
    /// that clocks are put forward over, for how long of wall-clock time it
    /// still is. A time shown twice means the first; a time never shown means
    /// as much later as the clocks are put forward.
    pub fn instant(&self, wall: Timestamp) -> Option<(Timestamp, Option<Span>)> {
        let shown = civil(wall)?;
        let ambiguous = self.rules.to_ambiguous_timestamp(shown);
        Some(match ambiguous.offset() {
            AmbiguousOffset::Unambiguous { offset } => (wall - seconds(offset.seconds()), None),
            AmbiguousOffset::Fold { before, .. } => (wall - seconds(before.seconds()), None),
            AmbiguousOffset::Gap { before, after } => {
                let instant = wall - seconds(before.seconds());
                let turn = self.rules.preceding(instant.next().to_jiff()?).next()?;
                let turn = Timestamp::from_micros(turn.timestamp().as_microsecond());
                (instant, Some((turn + seconds(after.seconds())) - wall))
            }
        })
    }

    /// Whether the beginning of the local day only ever moves forward: no
    /// clock is put back over a midnight. Rules repeat after the years tried.
    pub(super) fn days_go_forward(&self) -> bool {
        let from = Timestamp::from_micros(946_684_800_000_000).to_jiff().unwrap_or_default();
        self.rules.following(from).take(128).all(|turn| {
            let at = Timestamp::from_micros(turn.timestamp().as_microsecond());
            let day = |at: Timestamp| self.wall(at).map(Timestamp::day);
            day(at - Span::from_micros(1)) <= day(at)
        })
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

fn seconds(count: i32) -> Span {
    Span::SECOND.times(i64::from(count))
}

/// The calendar form of an instant in UTC.
fn civil(instant: Timestamp) -> Option<DateTime> {
    Some(jiff::tz::Offset::UTC.to_datetime(instant.to_jiff()?))
}

fn midnight(date: Date) -> Option<Timestamp> {
    let at = jiff::tz::Offset::UTC.to_timestamp(date.to_datetime(jiff::civil::Time::midnight())).ok()?;
    Some(Timestamp::from_micros(at.as_microsecond()))
}

fn date_of(day: i64) -> Option<Date> {
    Some(civil(Timestamp::from_micros(0) + Span::DAY.times(day))?.date())
}

/// The beginning of the unit an instant lies in, and of the next one.
pub(super) fn truncate(unit: Unit, instant: Timestamp) -> Option<(Timestamp, Timestamp)> {
    let whole = |length: Span| {
        let micros = instant.as_micros();
        let start = Timestamp::from_micros(micros - micros.rem_euclid(length.as_micros()));
        Some((start, start + length))
    };
    match unit {
        Unit::Minute => whole(Span::MINUTE),
        Unit::Hour => whole(Span::HOUR),
        Unit::Day => whole(Span::DAY),
        Unit::Week => {
            // 1 January 1970 was a Thursday.
            let day = instant.day();
            let monday = day - (day + 3).rem_euclid(7);
            let start = Timestamp::from_micros(0) + Span::DAY.times(monday);
            Some((start, start + Span::DAY.times(7)))
        }
        Unit::Month | Unit::Quarter | Unit::Year => {
            let date = civil(instant)?.date();
            let (first, months) = match unit {
                Unit::Month => (date.month(), 1),
                Unit::Quarter => ((date.month() - 1) / 3 * 3 + 1, 3),
                _ => (1, 12),
            };
            let start = Date::new(date.year(), first, 1).ok()?;
            let next = start.checked_add(jiff::Span::new().months(months)).ok()?;
            Some((midnight(start)?, midnight(next)?))
        }
    }
}

/// A number of an instant's calendar form, and the unit with which it changes.
pub(super) fn part(part: Part, instant: Timestamp) -> Option<(i64, Unit)> {
    let shown = civil(instant)?;
    let date = shown.date();
    Some(match part {
        Part::Year => (i64::from(date.year()), Unit::Year),
        Part::Quarter => (i64::from((date.month() - 1) / 3 + 1), Unit::Quarter),
        Part::Month => (i64::from(date.month()), Unit::Month),
        Part::Week => (i64::from(date.iso_week_date().week()), Unit::Week),
        Part::Day => (i64::from(date.day()), Unit::Day),
        Part::DayOfWeek => (i64::from(date.weekday().to_sunday_zero_offset()), Unit::Day),
        Part::DayOfYear => (i64::from(date.day_of_year()), Unit::Day),
        Part::Hour => (i64::from(shown.hour()), Unit::Hour),
        Part::Minute => (i64::from(shown.minute()), Unit::Minute),
        // Seconds turn within the minute; the caller asks no further.
        Part::Second => (i64::from(shown.second()), Unit::Minute),
    })
}

/// An instant so many months later, or earlier; on the last day of a month
/// that has no such day.
pub(super) fn shift_months(instant: Timestamp, months: i32) -> Option<Timestamp> {
    let shown = civil(instant)?;
    let date = shown.date().checked_add(jiff::Span::new().try_months(months).ok()?).ok()?;
    let micros = instant.as_micros().rem_euclid(Span::DAY.as_micros());
    Some(midnight(date)? + Span::from_micros(micros))
}

/// Days from `on`'s day to the next anniversary of `date`'s day.
pub(super) fn days_until_anniversary(date: Timestamp, on: Timestamp) -> Option<i64> {
    let (born, today) = (date_of(date.day())?, date_of(on.day())?);
    let in_year = |year: i16| {
        let last = Date::new(year, born.month(), 1).ok()?.days_in_month();
        Date::new(year, born.month(), born.day().min(last)).ok()
    };
    let this_year = in_year(today.year())?;
    let next = if this_year < today { in_year(today.year().checked_add(1)?)? } else { this_year };
    Some(midnight(next)?.day() - on.day())
}
