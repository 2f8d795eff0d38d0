//! The first cleaning of every short text: one Unicode form, no invisible
//! characters, and the words that mean "nothing".

use std::borrow::Cow;

use icu_normalizer::ComposingNormalizerBorrowed;

/// `text` in NFKC without invisible characters (U+200B-200F, U+FEFF, U+00AD),
/// with U+2010, U+2011 and U+2212 as `-`, and trimmed.
pub fn tidy(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text.trim());
    }
    let nfkc = ComposingNormalizerBorrowed::new_nfkc();
    // Dashes and invisible characters go first: NFKC makes U+2011 U+2010, and
    // may compose across a character that is about to vanish.
    let kept: String = text.chars().filter_map(plain).collect();
    let composed: String = nfkc.normalize(&kept).chars().filter_map(plain).collect();
    Cow::Owned(composed.trim().to_owned())
}

fn plain(character: char) -> Option<char> {
    match character {
        '\u{200B}'..='\u{200F}' | '\u{FEFF}' | '\u{00AD}' => None,
        '\u{2010}' | '\u{2011}' | '\u{2212}' => Some('-'),
        other => Some(other),
    }
}

/// Whether tidied `text` says that there is no value: what programs print for
/// null in JavaScript, Python, SQL dumps, spreadsheets and analytics exports.
pub fn is_sentinel(text: &str) -> bool {
    const SENTINELS: [&str; 18] = [
        "",
        "-",
        "--",
        "null",
        "none",
        "nil",
        "undefined",
        "nan",
        "nat",
        "n/a",
        "na",
        "#n/a",
        "\\n",
        "(null)",
        "<null>",
        "(not set)",
        "[object object]",
        "<na>",
    ];
    // The longest sentinel bounds the comparison.
    text.len() <= 15 && SENTINELS.iter().any(|sentinel| text.eq_ignore_ascii_case(sentinel))
}

/// Whether tidied `text` is an identity that stands for everybody: a sentinel,
/// or one that libraries and shops send for visitors who have not signed in
/// (compare the list of refused distinct ids in PostHog's ingestion).
///
/// `0` is not one: real data sets count people from it. Sources whose guests
/// are `0` say so in [`super::SourceSettings::placeholder_ids`].
pub fn is_placeholder_id(text: &str) -> bool {
    const PLACEHOLDERS: [&str; 8] =
        ["anonymous", "guest", "distinct_id", "distinctid", "not_authenticated", "true", "false", "unknown"];
    is_sentinel(text) || PLACEHOLDERS.iter().any(|word| text.eq_ignore_ascii_case(word))
}
