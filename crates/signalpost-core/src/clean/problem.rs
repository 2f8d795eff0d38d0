//! What can be wrong with an event, as a code for machines and a sentence for
//! people, and the rejection that goes to quarantine.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// What is wrong. The text form is part of the API: never changed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum ProblemCode {
            $($(#[$doc])* #[serde(rename = $text)] $name,)*
        }

        impl ProblemCode {
            /// Every code there is.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The code as answers, metrics and the quarantine show it.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

codes! {
    /// A required field is absent, null or empty.
    MissingField = "missing_field",
    /// A value of another JSON type was needed.
    WrongType = "wrong_type",
    /// A text is longer than allowed.
    TooLong = "too_long",
    /// The event's JSON is larger than allowed.
    TooLarge = "too_large",
    /// The event is nested deeper than allowed.
    TooDeep = "too_deep",
    /// The element is not a JSON object.
    NotAnObject = "not_an_object",
    /// The element has a value no program can hold, such as `1e999`.
    Unreadable = "unreadable",
    /// Neither `customer_id` nor `anonymous_id` names anybody.
    MissingIdentity = "missing_identity",
    /// An id that stands for "nobody" (`undefined`, `guest`) was left out.
    PlaceholderId = "placeholder_id",
    /// The time cannot be read.
    BadTimestamp = "bad_timestamp",
    /// The time can be read in two ways.
    AmbiguousTimestamp = "ambiguous_timestamp",
    /// The time is before the source's earliest.
    TimestampTooOld = "timestamp_too_old",
    /// The time is too far ahead of receipt.
    TimestampInFuture = "timestamp_in_future",
    /// The time says "none"; receipt time was taken.
    NoTimestamp = "no_timestamp",
    /// The sender's clock was wrong and was corrected by `sent_at`.
    ClockCorrected = "clock_corrected",
    /// `sent_at` could not be used.
    BadSentAt = "bad_sent_at",
    /// The product id cannot be used and was left out.
    BadProductId = "bad_product_id",
    /// The product id looks like a GTIN but its check digit does not fit.
    BadCheckDigit = "bad_check_digit",
    /// The e-mail address cannot be used and was left out.
    BadEmail = "bad_email",
    /// The e-mail address is one that people write to be left in peace.
    PlaceholderEmail = "placeholder_email",
    /// The phone number cannot be one and was left out.
    BadPhone = "bad_phone",
    /// The amount cannot be read, or could be two amounts; kept as it came.
    BadAmount = "bad_amount",
    /// The event does not follow the tracking plan.
    PlanViolation = "plan_violation",
    /// The tracking plan knows no event of this type.
    UnplannedEvent = "unplanned_event",
    /// No rule of the hook's mapping says what the message means.
    Unmapped = "unmapped",
    /// The catalog item cannot be read.
    BadItem = "bad_item",
    /// An automaton did it.
    Bot = "bot",
}

impl fmt::Display for ProblemCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One thing wrong with an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// What is wrong.
    pub code: ProblemCode,
    /// The field it is about, `traits.email` for a nested one; empty for the
    /// whole event.
    pub field: String,
    /// What came, what was expected and how to mend it.
    pub message: String,
}

impl Problem {
    /// A problem with `field`.
    pub fn new(code: ProblemCode, field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code, field: field.into(), message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.field.is_empty() {
            write!(f, "{}: {}", self.code, self.message)
        } else {
            write!(f, "{} in {}: {}", self.code, self.field, self.message)
        }
    }
}

/// An event that goes to quarantine: why, and what it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejection {
    /// Why.
    pub problem: Problem,
    /// What else is wrong, where all of it is known.
    pub more: Vec<Problem>,
    /// The event as JSON text, to be shown, mended and replayed. It holds the
    /// same values as what came, not the same bytes.
    pub raw: String,
}

impl Rejection {
    /// A rejection for one problem.
    pub fn new(problem: Problem, raw: String) -> Self {
        Self { problem, more: Vec::new(), raw }
    }

    /// Everything that is wrong, the first reason first.
    pub fn problems(&self) -> impl Iterator<Item = &Problem> {
        std::iter::once(&self.problem).chain(&self.more)
    }

    /// Everything that is wrong as one problem, so that it can be mended at once.
    pub fn summary(&self) -> Problem {
        let mut summary = self.problem.clone();
        for Problem { field, message, .. } in &self.more {
            summary.message.push_str(&format!("; {field}: {message}"));
        }
        summary
    }
}

/// A body in which no event can be found at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The body is not JSON.
    #[error("the body is not JSON: {message} at line {line}, column {column}")]
    Json {
        /// What the parser met.
        message: String,
        /// Line, counted from 1.
        line: usize,
        /// Column in bytes, counted from 1; 0 when the line is empty.
        column: usize,
    },
    /// The body has more events than allowed.
    #[error("the body has more than {max} events; send them in several requests")]
    TooManyEvents {
        /// The limit.
        max: usize,
    },
}

/// `text` short enough for a message, cut at a character's edge.
pub(crate) fn excerpt(text: &str) -> String {
    const CHARS_MAX: usize = 60;
    let mut short: String = text.chars().take(CHARS_MAX).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
