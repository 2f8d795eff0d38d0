//! Names of months, weekdays and halves of the day.
//!
//! Months in the languages whose systems print them most: English, German,
//! French, Spanish, Italian, Portuguese, Dutch. Only names that mean the same
//! month in all of these stand here.

use super::scan::Token;

/// Full names and abbreviations, in lower case, by month.
const MONTHS: [&[&str]; 12] = [
    &[
        "january", "jan", "januar", "jänner", "janvier", "janv", "enero", "ene", "gennaio", "gen", "janeiro",
        "januari",
    ],
    &[
        "february",
        "feb",
        "februar",
        "février",
        "févr",
        "fevrier",
        "febrero",
        "febbraio",
        "fevereiro",
        "fev",
        "februari",
    ],
    &["march", "mar", "märz", "mär", "mars", "marzo", "março", "maart", "mrt", "mrz"],
    &["april", "apr", "avril", "avr", "abril", "abr", "aprile"],
    &["may", "mai", "mayo", "maggio", "mag", "maio", "mei"],
    &["june", "jun", "juni", "juin", "junio", "giugno", "giu", "junho"],
    &["july", "jul", "juli", "juillet", "juil", "julio", "luglio", "lug", "julho"],
    &["august", "aug", "août", "aout", "agosto", "ago", "augustus"],
    &["september", "sep", "sept", "septembre", "septiembre", "settembre", "set", "setembro"],
    &["october", "oct", "oktober", "okt", "octobre", "octubre", "ottobre", "ott", "outubro", "out"],
    &["november", "nov", "novembre", "noviembre", "novembro"],
    &["december", "dec", "dezember", "dez", "décembre", "déc", "diciembre", "dic", "dicembre", "dezembro"],
];

/// English and German names of weekdays; three letters are enough.
const WEEKDAYS: [&str; 14] = [
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
    "montag",
    "dienstag",
    "mittwoch",
    "donnerstag",
    "freitag",
    "samstag",
    "sonntag",
];

/// The month a word names, 1 to 12.
pub(super) fn month(token: Token<'_>) -> Option<i64> {
    let Token::Word(word) = token else { return None };
    let word = word.to_lowercase();
    let place = MONTHS.iter().position(|names| names.contains(&word.as_str()))?;
    i64::try_from(place + 1).ok()
}

/// Whether a word names a weekday.
pub(super) fn is_weekday(token: Token<'_>) -> bool {
    let Token::Word(word) = token else { return false };
    let word = word.to_lowercase();
    word.len() >= 3 && WEEKDAYS.iter().any(|name| name.starts_with(&word))
}

/// Half a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Half {
    Morning,
    Afternoon,
}

impl Half {
    /// East Asian words, which stand before the hour.
    pub(super) fn before_hour(token: Token<'_>) -> Option<Self> {
        match token {
            Token::Word("上午" | "午前" | "오전") => Some(Self::Morning),
            Token::Word("下午" | "午後" | "오후") => Some(Self::Afternoon),
            _ => None,
        }
    }

    /// The hour of 24 for this half's hour 1 to 12.
    pub(super) fn hour(self, hour: i64) -> Option<i64> {
        let base = match self {
            Self::Morning => 0,
            Self::Afternoon => 12,
        };
        (1..=12).contains(&hour).then_some(base + hour % 12)
    }
}
