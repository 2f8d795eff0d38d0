//! Reads arbitrary text as a time, in zones with and without a clock that turns.
//!
//! What is read can be written and read again as the same instant, whatever the
//! source says of zones and of the order of day and month; and what stands in
//! one order only is the same in both.

#![no_main]

use libfuzzer_sys::fuzz_target;
use signalpost_core::clean::timestamp::parse;
use signalpost_core::clean::{DateOrder, SourceSettings};
use signalpost_core::time::Timestamp;
use signalpost_core::value::Value;

const ZONES: [&str; 3] = ["UTC", "Europe/Berlin", "Asia/Kathmandu"];

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    for time_zone in ZONES {
        let [unknown, day, month] = [DateOrder::Unknown, DateOrder::DayFirst, DateOrder::MonthFirst]
            .map(|date_order| instant(&text, time_zone, date_order));
        if unknown.is_some() {
            assert!(unknown == day && unknown == month, "{text:?} is not plain after all");
        }
    }
    if let Ok(number) = text.parse::<f64>() {
        drop(parse(&Value::Float(number), &SourceSettings::default(), received_at()));
    }
});

fn received_at() -> Timestamp {
    Timestamp::from_micros(1_800_000_000_000_000)
}

fn instant(text: &str, time_zone: &str, date_order: DateOrder) -> Option<Timestamp> {
    let source = SourceSettings { time_zone: time_zone.to_owned(), date_order, ..SourceSettings::default() };
    let instant = parse(&text.into(), &source, received_at()).ok()??;
    let written = instant.to_string();
    let again = parse(&written.as_str().into(), &source, received_at());
    assert_eq!(again, Ok(Some(instant)), "{text:?} became {written}");
    Some(instant)
}
