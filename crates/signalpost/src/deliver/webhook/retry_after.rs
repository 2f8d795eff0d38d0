//! The `Retry-After` header (RFC 9110 §10.2.3). In: its text and the time. Out:
//! how long to wait.

use std::time::Duration;

use jiff::civil::DateTime;
use jiff::fmt::{rfc2822, strtime};
use jiff::tz::TimeZone;
use signalpost_core::time::Timestamp;

/// Reads seconds or an HTTP date, in any of the three forms of RFC 9110
/// §5.6.7. A date gone by is no wait; nonsense is `None`.
pub fn read(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let when = date(text)?.as_microsecond();
    let micros = when.saturating_sub(now.as_micros());
    Some(Duration::from_micros(u64::try_from(micros).unwrap_or(0)))
}

fn date(text: &str) -> Option<jiff::Timestamp> {
    if let Ok(date) = rfc2822::DateTimeParser::new().parse_timestamp(text) {
        return Some(date);
    }
    ["%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"].iter().find_map(|form| {
        let date: DateTime = strtime::parse(form, text).ok()?.to_datetime().ok()?;
        Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp())
    })
}
