//! Countries into ISO 3166-1 alpha-2, languages into BCP 47.
//!
//! In: codes of two or three letters, English names, and for languages tags as
//! browsers and operating systems write them. Out: `DE`, `pt-BR`; `None` where
//! nothing known is named. The tables are those of the crates celes and isolang.

use celes::Country;
use isolang::Language;

use super::text::tidy;

/// Names that people use and the tables lack.
const COUNTRY_NAMES: [(&str, &str); 42] = [
    ("uk", "GB"),
    ("u.k.", "GB"),
    ("united kingdom", "GB"),
    ("great britain", "GB"),
    ("england", "GB"),
    ("scotland", "GB"),
    ("wales", "GB"),
    ("northern ireland", "GB"),
    ("usa", "US"),
    ("u.s.", "US"),
    ("u.s.a.", "US"),
    ("united states", "US"),
    ("united states of america", "US"),
    ("america", "US"),
    ("russia", "RU"),
    ("south korea", "KR"),
    ("korea", "KR"),
    ("republic of korea", "KR"),
    ("north korea", "KP"),
    ("vietnam", "VN"),
    ("viet nam", "VN"),
    ("czech republic", "CZ"),
    ("czechia", "CZ"),
    ("holland", "NL"),
    ("netherlands", "NL"),
    ("the netherlands", "NL"),
    ("eire", "IE"),
    ("republic of ireland", "IE"),
    ("uae", "AE"),
    ("united arab emirates", "AE"),
    ("taiwan", "TW"),
    ("iran", "IR"),
    ("turkey", "TR"),
    ("turkiye", "TR"),
    ("bolivia", "BO"),
    ("venezuela", "VE"),
    ("tanzania", "TZ"),
    ("moldova", "MD"),
    ("syria", "SY"),
    ("laos", "LA"),
    ("macedonia", "MK"),
    ("ivory coast", "CI"),
];

/// What people call countries in their own languages, where no other is meant.
const OWN_NAMES: [(&str, &str); 24] = [
    ("deutschland", "DE"),
    ("österreich", "AT"),
    ("schweiz", "CH"),
    ("suisse", "CH"),
    ("svizzera", "CH"),
    ("españa", "ES"),
    ("italia", "IT"),
    ("nederland", "NL"),
    ("belgië", "BE"),
    ("belgique", "BE"),
    ("sverige", "SE"),
    ("norge", "NO"),
    ("danmark", "DK"),
    ("suomi", "FI"),
    ("polska", "PL"),
    ("česko", "CZ"),
    ("brasil", "BR"),
    ("méxico", "MX"),
    ("türkiye", "TR"),
    ("россия", "RU"),
    ("україна", "UA"),
    ("日本", "JP"),
    ("中国", "CN"),
    ("대한민국", "KR"),
];

/// Reads a country, by code or name.
pub fn country(given: &str) -> Option<&'static str> {
    const BYTES_MAX: usize = 80;
    if given.len() > BYTES_MAX {
        return None;
    }
    let tidied = tidy(given);
    let lower = tidied.to_lowercase();
    let listed =
        |list: &[(&str, &'static str)]| list.iter().find(|(name, _)| *name == lower).map(|(_, code)| *code);
    if let Some(code) = listed(&COUNTRY_NAMES).or_else(|| listed(&OWN_NAMES)) {
        return Some(code);
    }
    let found = match lower.len() {
        2 => Country::from_alpha2(&lower),
        3 => Country::from_alpha3(&lower),
        _ => Country::from_alias(&lower).or_else(|_| Country::from_name(&lower)),
    };
    if let Ok(country) = found {
        return Some(country.alpha2);
    }
    Country::get_countries()
        .into_iter()
        .find(|country| country.long_name.eq_ignore_ascii_case(&lower))
        .map(|country| country.alpha2)
}

/// Reads a language: a tag such as `pt_br` or `zh-Hant-TW`, a code or an English
/// name.
pub fn language(given: &str) -> Option<String> {
    const BYTES_MAX: usize = 60;
    if given.len() > BYTES_MAX {
        return None;
    }
    let tidied = tidy(given);
    // POSIX adds an encoding and a variant, HTTP a weight and further tags.
    let tag = tidied.split(['.', '@', ',', ';']).next()?.trim();
    let mut parts = tag.split(['-', '_']);
    let first = parts.next()?.to_ascii_lowercase();
    let known = match first.len() {
        2 => Language::from_639_1(first_language(&first)),
        3 => Language::from_639_3(bibliographic(&first)),
        _ => return by_name(&tidied),
    };
    let Some(language) = known else { return by_name(&tidied) };
    let mut out = language.to_639_1().unwrap_or_else(|| language.to_639_3()).to_owned();
    for part in parts {
        let letters = part.bytes().all(|byte| byte.is_ascii_alphabetic());
        let digits = part.bytes().all(|byte| byte.is_ascii_digit());
        match part.len() {
            4 if letters => {
                let (head, tail) = part.split_at_checked(1)?;
                out.push('-');
                out.push_str(&head.to_ascii_uppercase());
                out.push_str(&tail.to_ascii_lowercase());
            }
            2 if letters => {
                out.push('-');
                out.push_str(&part.to_ascii_uppercase());
            }
            3 if digits => {
                out.push('-');
                out.push_str(part);
            }
            // Variants and extensions say nothing a segment asks for.
            _ if !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric()) => break,
            _ => return None,
        }
    }
    Some(out)
}

/// Codes withdrawn from ISO 639-1 that Java still writes.
fn first_language(code: &str) -> &str {
    match code {
        "iw" => "he",
        "in" => "id",
        "ji" => "yi",
        other => other,
    }
}

/// The codes of ISO 639-2/B, which ISO 639-3 has not.
fn bibliographic(code: &str) -> &str {
    const PAIRS: [(&str, &str); 20] = [
        ("alb", "sqi"),
        ("arm", "hye"),
        ("baq", "eus"),
        ("bur", "mya"),
        ("chi", "zho"),
        ("cze", "ces"),
        ("dut", "nld"),
        ("fre", "fra"),
        ("geo", "kat"),
        ("ger", "deu"),
        ("gre", "ell"),
        ("ice", "isl"),
        ("mac", "mkd"),
        ("mao", "mri"),
        ("may", "msa"),
        ("per", "fas"),
        ("rum", "ron"),
        ("slo", "slk"),
        ("tib", "bod"),
        ("wel", "cym"),
    ];
    PAIRS.iter().find(|(old, _)| *old == code).map_or(code, |(_, new)| new)
}

fn by_name(given: &str) -> Option<String> {
    let mut title = String::with_capacity(given.len());
    let mut starts = true;
    for character in given.chars() {
        if starts {
            title.extend(character.to_uppercase());
        } else {
            title.extend(character.to_lowercase());
        }
        starts = character == ' ' || character == '-';
    }
    let language = Language::from_name(&title)?;
    Some(language.to_639_1().unwrap_or_else(|| language.to_639_3()).to_owned())
}
