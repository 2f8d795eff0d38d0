//! Identity and event ids: text or a number in, text out, or nobody.

use std::borrow::Cow;

use super::problem::{Problem, ProblemCode, excerpt};
use super::raw::{Field, type_name};
use super::text::tidy;
use crate::value::Value;

/// The longest customer, anonymous or event id, in bytes.
pub const BYTES_MAX: usize = 512;

/// The whole number as JSON writes it, when a float holds all its digits.
pub(super) fn whole_number(number: f64) -> Option<String> {
    /// 2^53: up to here every whole number has a float of its own.
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    (number.fract() == 0.0 && number.abs() <= EXACT_MAX).then(|| format!("{number:.0}"))
}

/// The id in `input`, tidied; `None` when there is none.
///
/// # Errors
/// When it has another type, lost digits, or is too long.
pub(super) fn read<'a>(input: &'a Field<'_>, name: &str) -> Result<Option<Cow<'a, str>>, Problem> {
    let text = match input {
        Field::Absent => return Ok(None),
        Field::Text(text) => tidy(text),
        Field::Value(Value::Int(number)) => number.to_string().into(),
        Field::Value(Value::Float(number)) => whole_number(*number).map(Cow::Owned).ok_or_else(|| {
            let message = format!("{number} is a number whose digits may be lost; send ids as text");
            Problem::new(ProblemCode::WrongType, name, message)
        })?,
        Field::Value(other) => {
            let message = format!("expected text or a whole number, got {}", type_name(other));
            return Err(Problem::new(ProblemCode::WrongType, name, message));
        }
    };
    if text.len() > BYTES_MAX {
        let message =
            format!("{:?} has {} bytes, at most {BYTES_MAX} are allowed", excerpt(&text), text.len());
        return Err(Problem::new(ProblemCode::TooLong, name, message));
    }
    Ok(Some(text))
}
