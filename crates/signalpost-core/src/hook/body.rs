//! A webhook's body into a value.

use std::cell::Cell;

use serde::de::DeserializeSeed;

use crate::clean::BodyError;
use crate::clean::batch::{body_error, mend_surrogates};
use crate::clean::json::ValueSeed;
use crate::value::Value;

/// The most levels of objects and lists in a body; what lies deeper is refused.
const BODY_DEPTH_MAX: usize = 64;

/// Reads a JSON body. Bytes that are not Unicode and half surrogate pairs become
/// U+FFFD; of equal names the last counts.
///
/// # Errors
/// When it is not JSON, or is nested deeper than 64 levels.
pub fn read_body(body: &[u8]) -> Result<Value, BodyError> {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    let text = String::from_utf8_lossy(body);
    let mended = mend_surrogates(&text);
    let too_deep = Cell::new(false);
    let seed = ValueSeed { depth_left: BODY_DEPTH_MAX, too_deep: &too_deep };
    let mut deserializer = serde_json::Deserializer::from_str(&mended);
    let value = seed
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value))
        .map_err(|error| body_error(&error))?;
    if too_deep.get() {
        let message = format!("nested deeper than {BODY_DEPTH_MAX} levels");
        return Err(BodyError::Json { message, line: 1, column: 1 });
    }
    Ok(value)
}
