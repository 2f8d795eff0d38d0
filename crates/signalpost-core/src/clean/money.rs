//! Amounts of money as people and shops write them, into decimal text.
//!
//! In: a JSON value, the source's currency and how it writes decimals. Out:
//! text such as `1234.50`, never a binary fraction; `None` where the text is no
//! amount, names another currency, or could be two different amounts.

use super::settings::DecimalMark;
use super::text::tidy;
use crate::value::Value;

/// Currencies without a minor unit and with one of three digits, by ISO 4217.
const WITHOUT_DECIMALS: [&str; 16] = [
    "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF",
    "XPF",
];
const WITH_THREE_DECIMALS: [&str; 7] = ["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"];

/// The active codes of ISO 4217, so that `3 pcs` is no amount.
const CODES: &str = "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BRL BSD BTN BWP BYN \
    BZD CAD CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF \
    GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR \
    LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK \
    PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT \
    TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG BGN ANG";

/// What stands beside amounts, in lower case, and the currencies it can mean;
/// none listed means that many use it.
const SIGNS: [(&str, &[&str]); 44] = [
    ("us$", &["USD"]),
    ("r$", &["BRL"]),
    ("a$", &["AUD"]),
    ("au$", &["AUD"]),
    ("c$", &["CAD"]),
    ("ca$", &["CAD"]),
    ("cad$", &["CAD"]),
    ("nz$", &["NZD"]),
    ("hk$", &["HKD"]),
    ("s$", &["SGD"]),
    ("nt$", &["TWD"]),
    ("mx$", &["MXN"]),
    ("ar$", &["ARS"]),
    ("$u", &["UYU"]),
    ("s/.", &["PEN"]),
    ("s/", &["PEN"]),
    ("bs.", &["BOB", "VES"]),
    (
        "$",
        &[
            "USD", "CAD", "AUD", "NZD", "HKD", "SGD", "TWD", "MXN", "ARS", "CLP", "COP", "UYU", "BRL", "BSD",
            "BBD", "BZD", "BMD", "BND", "FJD", "GYD", "JMD", "KYD", "LRD", "NAD", "SBD", "SRD", "TTD", "XCD",
            "DOP", "CUP",
        ],
    ),
    ("€", &["EUR"]),
    ("£", &["GBP", "EGP", "LBP", "GIP", "FKP", "SHP", "SYP", "SSP"]),
    ("¥", &["JPY", "CNY"]),
    ("円", &["JPY"]),
    ("元", &["CNY", "TWD"]),
    ("₹", &["INR"]),
    ("rs.", &["INR", "PKR", "LKR", "NPR", "MUR", "SCR"]),
    ("rs", &["INR", "PKR", "LKR", "NPR", "MUR", "SCR"]),
    ("₩", &["KRW"]),
    ("원", &["KRW"]),
    ("₽", &["RUB"]),
    ("руб.", &["RUB", "BYN"]),
    ("руб", &["RUB", "BYN"]),
    ("₺", &["TRY"]),
    ("tl", &["TRY"]),
    ("₴", &["UAH"]),
    ("₪", &["ILS"]),
    ("₫", &["VND"]),
    ("฿", &["THB"]),
    ("₱", &["PHP"]),
    ("zł", &["PLN"]),
    ("kč", &["CZK"]),
    ("ft", &["HUF"]),
    ("kr", &["SEK", "NOK", "DKK", "ISK"]),
    ("lei", &["RON", "MDL"]),
    ("лв", &["BGN"]),
];
/// Further signs of francs and crowns, with their dot.
const DOTTED_SIGNS: [(&str, &[&str]); 5] = [
    ("kr.", &["SEK", "NOK", "DKK", "ISK"]),
    ("fr.", &["CHF"]),
    ("sfr.", &["CHF"]),
    ("лв.", &["BGN"]),
    ("rp", &["IDR"]),
];

/// Reads a currency: an ISO 4217 code in any case, or a sign that only one
/// currency uses.
pub fn currency(given: &str) -> Option<&'static str> {
    if given.len() > 16 {
        return None;
    }
    let tidied = tidy(given);
    if let Some(code) = CODES.split(' ').find(|code| code.eq_ignore_ascii_case(&tidied)) {
        return Some(code);
    }
    match named(&tidied)? {
        Currencies::OneOf([code]) => Some(code),
        _ => None,
    }
}

/// Reads an amount. `currency` is the ISO 4217 code it is in unless it says
/// otherwise; an amount that names another one is refused.
pub fn normalise(input: &Value, currency: Option<&str>, mark: DecimalMark) -> Option<String> {
    match input {
        Value::Int(number) => Some(number.to_string()),
        // The shortest text that reads back as this number is what was sent.
        Value::Float(number) if number.is_finite() => plain(&number.to_string()),
        Value::Text(text) => read_text(text, currency, mark),
        _ => None,
    }
}

fn read_text(given: &str, currency: Option<&str>, mark: DecimalMark) -> Option<String> {
    const BYTES_MAX: usize = 64;
    if given.len() > BYTES_MAX {
        return None;
    }
    let tidied = tidy(given);
    let (text, negative) = without_sign(&tidied)?;
    let (number, named) = without_currency(text)?;
    let (number, inner_negative) = match number.strip_prefix('-') {
        Some(rest) if !negative => (rest.trim_start(), true),
        Some(_) => return None,
        None => (number, false),
    };
    let fits = match (named, currency) {
        (Currencies::Unnamed, _) | (_, None) => true,
        (Currencies::Code(code), Some(currency)) => code.eq_ignore_ascii_case(currency),
        (Currencies::OneOf(codes), Some(currency)) => {
            codes.iter().any(|code| code.eq_ignore_ascii_case(currency))
        }
    };
    if !fits {
        return None;
    }
    let amount = separated(number, currency, mark)?;
    let zero = amount.bytes().all(|byte| matches!(byte, b'0' | b'.'));
    Some(if (negative || inner_negative) && !zero { format!("-{amount}") } else { amount })
}

/// The text without an outer sign: `-5`, `5-` (SAP), `(5)` (accountants).
fn without_sign(text: &str) -> Option<(&str, bool)> {
    if let Some(inner) = text.strip_prefix('(') {
        return inner.strip_suffix(')').map(|inner| (inner.trim(), true));
    }
    if let Some(rest) = text.strip_prefix('-') {
        return Some((rest.trim_start(), true));
    }
    if let Some(rest) = text.strip_suffix('-') {
        // `5,-` is five whole crowns or euros, not minus five.
        let whole = rest.ends_with([',', '.', '-']);
        return Some(if whole { (text, false) } else { (rest.trim_end(), true) });
    }
    Some((text.strip_prefix('+').unwrap_or(text), false))
}

/// The currencies a text names.
#[derive(Clone, Copy)]
enum Currencies<'a> {
    Unnamed,
    Code(&'a str),
    OneOf(&'static [&'static str]),
}

/// The number between the currency's sign or code, at one end at most.
fn without_currency(text: &str) -> Option<(&str, Currencies<'_>)> {
    let digit = text.find(|c: char| c.is_ascii_digit())?;
    // A mark or sign directly before the digits belongs to the number, but the
    // dot of `Rs.` does not.
    let head = text.get(..digit)?;
    let opening = head.strip_suffix(['-', '.', ',']).filter(|before| !before.ends_with(char::is_alphabetic));
    let first = opening.map_or(digit, str::len);
    let last = text.rfind(|c: char| c.is_ascii_digit())? + 1;
    let tail = text.get(last..)?;
    // `5,-`, `5.-`, `5.--` and a bare closing mark belong to the number.
    let closing = tail.len() - tail.trim_start_matches([',', '.', '-']).len();
    let before = text.get(..first)?.trim();
    let after = tail.get(closing..)?.trim();
    let number = text.get(first..last)?;
    match (before, after) {
        ("", "") => Some((number, Currencies::Unnamed)),
        (sign, "") | ("", sign) => Some((number, named(sign)?)),
        // `$5.00 USD`
        (sign, code) => match (named(sign)?, named(code)?) {
            (Currencies::OneOf(codes), Currencies::Code(code))
                if codes.iter().any(|held| held.eq_ignore_ascii_case(code)) =>
            {
                Some((number, Currencies::Code(code)))
            }
            _ => None,
        },
    }
}

fn named(sign: &str) -> Option<Currencies<'_>> {
    let lower = sign.to_lowercase();
    if let Some((_, codes)) = SIGNS.iter().chain(&DOTTED_SIGNS).find(|(held, _)| *held == lower) {
        return Some(Currencies::OneOf(codes));
    }
    CODES.split(' ').any(|code| code.eq_ignore_ascii_case(sign)).then_some(Currencies::Code(sign))
}

/// A number with its marks, as plain decimal text.
fn separated(number: &str, currency: Option<&str>, mark: DecimalMark) -> Option<String> {
    // Spaces and apostrophes only ever group.
    let spaced = number.contains([' ', '\'', '’']);
    let joined;
    let number = if spaced {
        if !groups_fit(number.split([',', '.']).next()?, &[' ', '\'', '’']) {
            return None;
        }
        joined = number.replace([' ', '\'', '’'], "");
        joined.as_str()
    } else {
        number
    };
    let points = number.matches('.').count();
    let commas = number.matches(',').count();
    let (point, comma) = (number.rfind('.'), number.rfind(','));
    match (points, commas) {
        (0, 0) => plain(number),
        (1, 1..) if point > comma => grouped(number, ',', Some('.')),
        (1.., 1) if comma > point => grouped(number, '.', Some(',')),
        (2.., 0) => grouped(number, '.', None),
        (0, 2..) => grouped(number, ',', None),
        (1, 0) => single(number, '.', spaced, currency, mark),
        (0, 1) => single(number, ',', spaced, currency, mark),
        _ => None,
    }
}

/// One mark, once: before a fraction, or between thousands?
fn single(
    number: &str,
    separator: char,
    spaced: bool,
    currency: Option<&str>,
    mark: DecimalMark,
) -> Option<String> {
    let (whole, fraction) = number.split_once(separator)?;
    let decimal = || plain(&format!("{whole}.{fraction}"));
    let could_group = fraction.len() == 3
        && (1..=3).contains(&whole.len())
        && !whole.starts_with('0')
        && fraction.bytes().all(|byte| byte.is_ascii_digit());
    if !could_group || spaced {
        return decimal();
    }
    let grouped = || plain(&format!("{whole}{fraction}"));
    let is_in =
        |list: &[&str]| currency.is_some_and(|code| list.iter().any(|held| held.eq_ignore_ascii_case(code)));
    if is_in(&WITHOUT_DECIMALS) {
        return grouped();
    }
    match (mark, separator) {
        (DecimalMark::Point, '.') | (DecimalMark::Comma, ',') => decimal(),
        (DecimalMark::Point, _) | (DecimalMark::Comma, _) => grouped(),
        (DecimalMark::Unknown, '.') if is_in(&WITH_THREE_DECIMALS) => decimal(),
        (DecimalMark::Unknown, _) => None,
    }
}

fn grouped(number: &str, group: char, decimal: Option<char>) -> Option<String> {
    let (whole, fraction) = match decimal {
        Some(mark) => number.rsplit_once(mark)?,
        None => (number, ""),
    };
    if !groups_fit(whole, &[group]) {
        return None;
    }
    let whole = whole.replace(group, "");
    if decimal.is_some() { plain(&format!("{whole}.{fraction}")) } else { plain(&whole) }
}

/// Whether groups are of three, or of two before a last three (India).
fn groups_fit(whole: &str, separators: &[char]) -> bool {
    let mut groups = whole.split(separators).map(str::len);
    let Some(first) = groups.next() else { return false };
    let rest: Vec<usize> = groups.collect();
    let thousands = rest.iter().all(|length| *length == 3) && (1..=3).contains(&first);
    let lakhs = rest.split_last().is_some_and(|(last, middle)| {
        *last == 3 && middle.iter().all(|length| *length == 2) && (1..=2).contains(&first)
    });
    rest.is_empty() || thousands || lakhs
}

/// `1.5e3`, `.5`, `007.50`, `5.` as `1500`, `0.5`, `7.50`, `5`.
fn plain(number: &str) -> Option<String> {
    let (negative, unsigned) = match number.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", number),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) || exponent.abs() > 30 {
        return None;
    }
    let point = i32::try_from(whole.len()).ok()? + exponent;
    let (whole, fraction) = match usize::try_from(point) {
        Ok(point) if point >= digits.len() => (format!("{digits:0<point$}"), String::new()),
        Ok(point) => {
            let (whole, fraction) = digits.split_at_checked(point)?;
            (whole.to_owned(), fraction.to_owned())
        }
        Err(_) => {
            let zeros = usize::try_from(point.unsigned_abs()).ok()?;
            (String::new(), format!("{}{digits}", "0".repeat(zeros)))
        }
    };
    let trimmed = whole.trim_start_matches('0');
    let whole = if trimmed.is_empty() { "0" } else { trimmed };
    Some(if fraction.is_empty() {
        format!("{negative}{whole}")
    } else {
        format!("{negative}{whole}.{fraction}")
    })
}
