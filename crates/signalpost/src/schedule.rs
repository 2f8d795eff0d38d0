//! Cron schedules in a time zone, as `croner` reads them.

use signalpost_core::time::Timestamp;

/// The first instant after `after` that the schedule names; `None` for a
/// schedule or zone that cannot be read, or one that never comes.
pub fn next(cron: &str, time_zone: &str, after: Timestamp) -> Option<Timestamp> {
    let zone = jiff::tz::TimeZone::get(time_zone).ok()?;
    let start = after.to_jiff().unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_zoned(zone);
    let pattern = parse(cron).ok()?;
    let next = pattern.find_next_occurrence(&start, false).ok()?;
    Some(Timestamp::from_micros(next.timestamp().as_microsecond()))
}

/// Reads a cron expression of five fields, or six with seconds first.
///
/// # Errors
/// What is wrong with it, for people.
pub fn parse(cron: &str) -> Result<croner::Cron, String> {
    use std::str::FromStr;
    croner::Cron::from_str(cron).map_err(|error| error.to_string())
}
