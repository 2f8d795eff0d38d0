//! Times of a file whose form was said: by a `strptime` format, a zone, the
//! order of day and month.

use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use signalpost_core::clean::{self, SourceSettings};
use signalpost_core::time::Timestamp;
use signalpost_core::value::Value;

use super::WrongMapping;
use super::mapping::TimestampForm;

/// Reads times.
#[derive(Debug)]
pub struct Times {
    format: Option<String>,
    zone: TimeZone,
    /// For times in the forms that are known without a format.
    known: SourceSettings,
}

impl Times {
    /// A reader of times in this form; `None` when nothing was said of it.
    ///
    /// # Errors
    /// For an unknown zone, or a format that cannot be one.
    pub fn new(form: &TimestampForm) -> Result<Option<Self>, WrongMapping> {
        if form.is_unset() {
            return Ok(None);
        }
        let name = form.zone.as_deref().unwrap_or("UTC");
        let zone = TimeZone::get(name).map_err(|_| {
            WrongMapping(format!("there is no time zone '{name}'; use an IANA name such as Europe/Berlin"))
        })?;
        if let Some(format) = &form.format {
            // What can be written by it can be read by it.
            let sample = jiff::Timestamp::UNIX_EPOCH.to_zoned(zone.clone());
            strtime::format(format, &sample)
                .map_err(|error| WrongMapping(format!("'{format}' is no format of a time: {error}")))?;
        }
        let known = SourceSettings {
            time_zone: name.to_owned(),
            date_order: form.date_order.unwrap_or_default(),
            earliest: Timestamp::MIN,
            ..SourceSettings::default()
        };
        Ok(Some(Self { format: form.format.clone(), zone, known }))
    }

    /// The instant a text means; `None` when it is not understood.
    pub fn read(&self, text: &str) -> Option<Timestamp> {
        let Some(format) = &self.format else {
            let value = Value::Text(text.into());
            return clean::timestamp::parse(&value, &self.known, Timestamp::MAX).ok().flatten();
        };
        let parts = strtime::parse(format, text.trim()).ok()?;
        let instant = match parts.to_timestamp() {
            Ok(instant) => instant,
            Err(_) => {
                let civil =
                    parts.to_datetime().or_else(|_| parts.to_date().map(jiff::civil::Date::into)).ok()?;
                self.zone.to_timestamp(civil).ok()?
            }
        };
        Some(Timestamp::from_micros(instant.as_microsecond()))
    }
}
