//! The `date` filter: reads a point in time as Ruby's `Time.parse` does and prints it as `strftime` does.
//!
//! In: a value, a format, and the render's `now` and time zone. Out: text, or the input where it is no date.

mod parse;
mod print;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, tz::Offset};

use crate::error::Fault;
use crate::liquid::filters::{owned, text};
use crate::machine::Machine;
use crate::value::Value;

/// A point in time with the clock that shows it.
#[derive(Clone, Debug)]
pub(crate) struct Moment {
    pub(crate) civil: DateTime,
    pub(crate) offset: Offset,
    /// The zone's name as `%Z` prints it.
    pub(crate) zone: String,
    pub(crate) at: Timestamp,
}

impl Moment {
    pub(crate) fn in_zone(at: Timestamp, zone: &TimeZone) -> Moment {
        let info = zone.to_offset_info(at);
        let offset = info.offset();
        Moment { civil: offset.to_datetime(at), offset, zone: info.abbreviation().to_owned(), at }
    }

    pub(crate) fn local(civil: DateTime, zone: &TimeZone) -> Option<Moment> {
        let at = zone.to_ambiguous_timestamp(civil).compatible().ok()?;
        Some(Moment::in_zone(at, zone))
    }

    pub(crate) fn fixed(civil: DateTime, offset: Offset, zone: &str) -> Option<Moment> {
        let at = offset.to_timestamp(civil).ok()?;
        Some(Moment { civil, offset, zone: zone.to_owned(), at })
    }
}

/// The point in time that a value means.
pub(crate) fn moment(value: &Value<'_>, now: Timestamp, zone: &TimeZone) -> Option<Moment> {
    if let Value::Int(seconds) = value {
        return Timestamp::from_second(*seconds).ok().map(|at| Moment::in_zone(at, zone));
    }
    let text = value.as_str()?;
    if text.is_empty() || text.len() > 200 {
        return None;
    }
    let lower = text.to_lowercase();
    if lower == "now" || lower == "today" {
        return Some(Moment::in_zone(now, zone));
    }
    if lower.bytes().all(|b| b.is_ascii_digit()) {
        let seconds = lower.parse().ok()?;
        return Timestamp::from_second(seconds).ok().map(|at| Moment::in_zone(at, zone));
    }
    parse::parse(&lower, now, zone)
}

/// The `date` filter.
pub(crate) fn filter<'a>(
    machine: &mut Machine<'a>,
    input: Value<'a>,
    arguments: &[Value<'a>],
) -> Result<Value<'a>, Fault> {
    let format = arguments.first().map_or("".into(), text);
    if format.is_empty() {
        return Ok(input);
    }
    let Some(moment) = moment(&input, machine.now(), machine.time_zone()) else {
        return Ok(input);
    };
    let mut out = String::new();
    if !print::strftime(&moment, &format, machine.locale(), &mut out) {
        return Err(Fault::argument(format!("invalid format: {format}")));
    }
    machine.charge_bytes(out.len())?;
    Ok(owned(out))
}
