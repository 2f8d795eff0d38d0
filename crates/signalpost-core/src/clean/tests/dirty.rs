//! Every dirty value of the shared data set, and the laws behind them.

use proptest::prelude::*;

use super::{received_at, shared};
use crate::clean::problem::ProblemCode;
use crate::clean::settings::{DateOrder, DecimalMark, ProductIdPolicy, SourceSettings, Vendor};
use crate::clean::{email, link, money, phone, place, product_id, timestamp};
use crate::time::Timestamp;
use crate::value::Value;

type Json = serde_json::Value;

/// Checks every line of a file; the failures of all come out together.
fn check_file(file: &str, read: impl Fn(&Json, Value) -> Option<String>, truth: impl Fn(&str) -> String) {
    let Some(path) = shared(&format!("dirty/{file}")) else { return };
    let mut failures = Vec::new();
    let text = std::fs::read_to_string(path).unwrap();
    for line in text.lines() {
        let case: Json = serde_json::from_str(line).unwrap();
        let got = read(&case, case["input"].clone().into());
        let expected = case["expect"].as_str().map(&truth);
        if got != expected {
            failures.push(format!("{} {}: expected {expected:?}, got {got:?}", case["id"], case["input"]));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn time(input: impl Into<Value>, settings: &SourceSettings) -> Result<Option<String>, ProblemCode> {
    timestamp::parse(&input.into(), settings, received_at())
        .map(|found| found.map(|instant| instant.to_string()))
        .map_err(|problem| problem.code)
}

#[test]
fn timestamps_are_read_as_expected() {
    let settings = SourceSettings::default();
    check_file(
        "timestamps.jsonl",
        |_, input| time(input, &settings).ok().flatten(),
        |expected| Timestamp::parse(expected).unwrap().to_string(),
    );
}

#[test]
fn product_ids_are_read_as_expected() {
    check_file(
        "product_ids.jsonl",
        |case, input| {
            let vendor = (case["cls"] == "shopify-numeric").then_some(Vendor::Shopify);
            let reading =
                product_id::normalise(&input, &ProductIdPolicy { vendor, ..ProductIdPolicy::default() });
            let flagged = reading.problem.is_some();
            // `raw:` in the data set, and null for a wrong check digit, mean: kept as it came,
            // and flagged.
            let id = reading.id?.to_string();
            match case["cls"].as_str() {
                Some("gtin-bad-check") if flagged && case["input"] == id.as_str() => None,
                _ if flagged => Some(format!("raw:{id}")),
                _ => Some(id),
            }
        },
        str::to_owned,
    );
}

#[test]
fn emails_are_read_as_expected() {
    check_file("emails.jsonl", |_, input| email::normalise(input.as_text()?), str::to_owned);
}

#[test]
fn phones_are_read_as_expected() {
    check_file(
        "phones.jsonl",
        |case, input| phone::normalise(input.as_text()?, case["default_region"].as_str()),
        str::to_owned,
    );
}

#[test]
fn further_phones_places_and_links() {
    for (given, region, expected) in [
        ("+49 (0) 30 / 901820", None, Some("+4930901820")),
        ("0049 30 901820", None, Some("+4930901820")),
        ("030 901820", None, None),
        ("030 901820", Some("DE"), Some("+4930901820")),
        ("030 901820", Some("xx"), None),
        ("+1 415 555 2671 ext. 9", None, Some("+14155552671")),
        ("+44 7911 123456", Some("uk"), Some("+447911123456")),
        ("call me", Some("US"), None),
    ] {
        assert_eq!(phone::normalise(given, region).as_deref(), expected, "{given}");
    }
    for (given, expected) in [
        ("de", Some("DE")),
        ("DEU", Some("DE")),
        (" Germany ", Some("DE")),
        ("Deutschland", Some("DE")),
        ("United Kingdom", Some("GB")),
        ("UK", Some("GB")),
        ("u.s.a.", Some("US")),
        ("France", Some("FR")),
        ("South Korea", Some("KR")),
        ("EIRE", Some("IE")),
        ("日本", Some("JP")),
        ("Atlantis", None),
        ("xx", None),
        ("", None),
    ] {
        assert_eq!(place::country(given), expected, "{given}");
    }
    for (given, expected) in [
        ("en", Some("en")),
        ("EN_us", Some("en-US")),
        ("pt-br", Some("pt-BR")),
        ("zh-hant-tw", Some("zh-Hant-TW")),
        ("de_DE.UTF-8@euro", Some("de-DE")),
        ("en-US,en;q=0.9", Some("en-US")),
        ("ger", Some("de")),
        ("deu", Some("de")),
        ("German", Some("de")),
        ("iw", Some("he")),
        ("es-419", Some("es-419")),
        ("xx", None),
        ("klingonish", None),
    ] {
        assert_eq!(place::language(given).as_deref(), expected, "{given}");
    }
    for (given, expected) in [
        ("https://Shop.example:443/a?b=1&gclid=x&utm_source=news&c=%20", "https://shop.example/a?b=1&c=%20"),
        ("https://shop.example/?fbclid=1", "https://shop.example/"),
        ("https://jane:secret@shop.example/a#top", "https://shop.example/a#top"),
        ("http://münchen.example/ä", "http://xn--mnchen-3ya.example/%C3%A4"),
    ] {
        assert_eq!(link::read(given).map(|link| link.address).as_deref(), Some(expected), "{given}");
    }
    for given in ["/relative?utm_source=x", "mailto:a@b.example", "javascript:alert(1)", "https://", "x"] {
        assert_eq!(link::read(given), None, "{given}");
    }
}

#[test]
fn amounts_are_read_as_expected() {
    check_file(
        "money.jsonl",
        |case, input| money::normalise(&input, case["currency"].as_str(), DecimalMark::Unknown),
        str::to_owned,
    );
}

#[test]
fn further_times_of_the_same_kinds_are_read() {
    let settings = SourceSettings::default();
    let moment = "2024-04-27T14:35:00Z";
    for text in [
        "2024-04-27T14:35:00,000Z",
        "2024/04/27 14:35:00",
        "2024-4-27 14:35",
        "20240427143500",
        "20240427T1435Z",
        "2024-04-27 14:35:00 +0000 UTC",
        "2024-04-27 16:35:00.000000001 +0200 CEST m=+0.0123",
        "Sat Apr 27 14:35:00 UTC 2024",
        "Sat Apr 27 14:35:00 +0000 2024",
        "Sat Apr 27 16:35:00 2024 +0200",
        "27-APR-24 02.35.00.000000 PM",
        "2024-04-27-14.35.00.000000",
        "2024:04:27 14:35:00",
        "4/27/2024, 2:35:00\u{202f}PM",
        "27.4.2024, 14:35:00",
        "27. 4. 2024 14:35",
        "27. April 2024 um 14:35 Uhr",
        "27 de abril de 2024 14:35",
        "27 avr. 2024 14:35",
        "April 27th, 2024 at 2:35 p.m.",
        "Saturday, April 27, 2024 2:35 PM",
        "2024. 4. 27. 오후 2:35:00",
        "2024년 4월 27일 14:35",
        "2024/4/27 下午2:35:00",
        "2024年4月27日 14時35分00秒",
        "2024-118T14:35:00Z",
        "2024-W17-6T14:35:00Z",
        "2024-04-27T16:35:00[Europe/Paris]",
        "2024-04-27 16:35:00 Europe/Paris",
        "2024-04-27T14:35:00-00:00",
        "/Date(1714228500000+0200)/",
        "\"2024-04-27T14:35:00Z\"",
        "1714228500000.0",
        "+002024-04-27T14:35:00Z",
        "２０２４-０４-２７ １４:３５",
    ] {
        assert_eq!(time(text, &settings), Ok(Some(moment.to_owned())), "{text}");
    }
    let json = |text: &str| Value::from(serde_json::from_str::<Json>(text).unwrap());
    for text in [
        r#"{"$date":"2024-04-27T14:35:00Z"}"#,
        r#"{"$date":{"$numberLong":"1714228500000"}}"#,
        r#"{"_seconds":1714228500,"_nanoseconds":0}"#,
        "[2024,4,27,14,35]",
        "20240427143500",
    ] {
        assert_eq!(time(json(text), &settings), Ok(Some(moment.to_owned())), "{text}");
    }
}

#[test]
fn what_no_clock_or_calendar_shows_is_refused() {
    let settings = SourceSettings::default();
    for text in [
        "2024-04-31",
        "2024-00-10",
        "2024-04-27T24:01:00Z",
        "2024-04-27T14:60:00Z",
        "2024-04-27T14:35:61Z",
        "2024-04-27T14:35:00+25:00",
        "2024-04-27T14:35:00+02:75",
        "14:35 PM",
        "04/27/2024 14:35 AM",
        "2024-04-27 0:35 PM",
        "2024-04-27T",
        "2024-04",
        "2024",
        "yesterday",
        "27/27/2024",
        "2024-04-27T14:35:00Z!",
        "2024-04-27T14:35:00ZZ",
        "2024-04-27 14:35 IST",
        "2024-04-27T14:35:00[Mars/Olympus]",
        "true",
        "1,714,228",
    ] {
        let got = time(text, &settings);
        assert!(
            matches!(got, Err(ProblemCode::BadTimestamp | ProblemCode::TimestampTooOld)),
            "{text}: {got:?}"
        );
    }
    assert_eq!(time("2024-04-27T24:00:00Z", &settings), Ok(Some("2024-04-28T00:00:00Z".to_owned())));
    assert_eq!(time("05/05/2024", &settings), Ok(Some("2024-05-05T00:00:00Z".to_owned())));
    assert_eq!(time("04-05-2024", &settings), Err(ProblemCode::AmbiguousTimestamp));
    assert_eq!(time(Value::Int(-5), &settings), Err(ProblemCode::TimestampTooOld));
    assert_eq!(time("4.5.2024", &settings), Ok(Some("2024-05-04T00:00:00Z".to_owned())));
}

#[test]
fn the_source_says_what_the_text_does_not() {
    let of = |order, zone: &str| SourceSettings {
        date_order: order,
        time_zone: zone.to_owned(),
        ..SourceSettings::default()
    };
    let text = "04/05/2024 10:00";
    assert_eq!(time(text, &of(DateOrder::DayFirst, "UTC")), Ok(Some("2024-05-04T10:00:00Z".to_owned())));
    assert_eq!(
        time(text, &of(DateOrder::MonthFirst, "America/New_York")),
        Ok(Some("2024-04-05T14:00:00Z".to_owned()))
    );
    // An hour that summer time skips.
    assert_eq!(
        time("2024-03-31 02:30", &of(DateOrder::Unknown, "Europe/Paris")),
        Ok(Some("2024-03-31T01:30:00Z".to_owned()))
    );
}

#[test]
fn further_addresses_and_amounts() {
    for (given, expected) in [
        ("<jane@example.com>", Some("jane@example.com")),
        ("'jane@example.com'", Some("jane@example.com")),
        ("MAILTO:jane@example.com?subject=hi", Some("jane@example.com")),
        ("jane@sub.example.co.uk", Some("jane@sub.example.co.uk")),
        ("jane@例え。jp", Some("jane@xn--r8jz45g.jp")),
        ("o'brien@example.com", Some("o'brien@example.com")),
        ("jane@192.168.0.1", None),
        (".jane@example.com", None),
        ("jane@example..com", None),
        ("jane doe@example.com", None),
        ("a@example.com, b@example.com", None),
        ("jane@example.com;", None),
        ("jane@example.c", None),
    ] {
        assert_eq!(email::normalise(given).as_deref(), expected, "{given}");
    }
    for (given, currency, expected) in [
        ("1.234.567,89", "EUR", Some("1234567.89")),
        ("$-5.00", "USD", Some("-5.00")),
        ("5.00-", "USD", Some("-5.00")),
        ("Rs.500", "INR", Some("500")),
        ("5,-", "NOK", Some("5")),
        ("US$ 5.00", "USD", Some("5.00")),
        ("$5.00 USD", "USD", Some("5.00")),
        (".50", "USD", Some("0.50")),
        ("0.125", "USD", Some("0.125")),
        ("1234.567", "USD", Some("1234.567")),
        ("¥1,234", "JPY", Some("1234")),
        ("5.00 EUR", "USD", None),
        ("1,2,3", "USD", None),
        ("10%", "USD", None),
        ("5-10", "USD", None),
        ("1.234", "USD", None),
        ("-0.00", "USD", Some("0.00")),
        ("199 kr", "SEK", Some("199")),
        ("1\u{a0}234\u{a0}567,00 zł", "PLN", Some("1234567.00")),
    ] {
        let got = money::normalise(&given.into(), Some(currency), DecimalMark::Unknown);
        assert_eq!(got.as_deref(), expected, "{given}");
    }
}

proptest! {
    #[test]
    fn a_printed_instant_reads_back_as_itself(micros in 946_684_800_000_000_i64..1_735_689_600_000_000) {
        let instant = Timestamp::from_micros(micros);
        let settings = SourceSettings::default();
        let read = |value: Value| timestamp::parse(&value, &settings, received_at()).unwrap();
        prop_assert_eq!(read(instant.to_string().as_str().into()), Some(instant));
        prop_assert_eq!(read(Value::Int(micros)), Some(instant));
        let spaced = instant.to_string().replace('T', " ").replace('Z', " UTC");
        prop_assert_eq!(read(spaced.as_str().into()), Some(instant));
        let jiff = instant.to_jiff().unwrap();
        let whole = Timestamp::from_micros(jiff.as_second() * 1_000_000);
        for form in ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y",
            "%d/%b/%Y:%H:%M:%S +0000", "%B %e, %Y %I:%M:%S %p", "%d.%m.%Y %H:%M:%S", "%G-W%V-%uT%TZ", "%Y%m%d%H%M%S"] {
            let text = jiff.strftime(form).to_string();
            prop_assert_eq!(read(text.as_str().into()), Some(whole), "{}", text);
        }
    }

    #[test]
    fn no_numbers_make_a_reader_panic(
        parts in proptest::collection::vec(any::<i64>(), 0..8),
        near in proptest::collection::vec(-1_i64..3_000, 3..8),
        float in any::<f64>(),
    ) {
        let list = |parts: &[i64]| Value::List(parts.iter().copied().map(Value::Int).collect());
        let of = |name: &str, number: i64| Value::Map(vec![(name.into(), Value::Int(number))]);
        let one = parts.first().copied().unwrap_or(i64::MIN);
        let values =
            [list(&parts), list(&near), Value::Float(float), Value::Int(one), of("seconds", one), of("$date", one)];
        for value in values {
            drop(timestamp::parse(&value, &SourceSettings::default(), received_at()));
            drop(product_id::normalise(&value, &ProductIdPolicy::default()));
            drop(money::normalise(&value, None, DecimalMark::Unknown));
        }
    }

    #[test]
    fn no_text_makes_a_reader_panic(text in "\\PC{0,40}", punctuated in "[0-9TZ%:+./ ()\\[\\]a-z年月,eE-]{0,30}") {
        for text in [text, punctuated] {
            let value = Value::from(text.as_str());
            drop(timestamp::parse(&value, &SourceSettings::default(), received_at()));
            let id = product_id::normalise(&value, &ProductIdPolicy::default()).id;
            if let Some(id) = id {
                let again = product_id::normalise(&id.as_str().into(), &ProductIdPolicy::default());
                prop_assert_eq!(again.id.as_ref(), Some(&id));
            }
            if let Some(number) = phone::normalise(&text, Some("DE")) {
                prop_assert_eq!(phone::normalise(&number, Some("US")), Some(number.clone()));
                prop_assert_eq!(phone::normalise(&number, None), Some(number.clone()));
            }
            if let Some(country) = place::country(&text) {
                prop_assert_eq!(place::country(country), Some(country));
            }
            if let Some(language) = place::language(&text) {
                prop_assert_eq!(place::language(&language), Some(language.clone()));
            }
            if let Some(currency) = money::currency(&text) {
                prop_assert_eq!(money::currency(currency), Some(currency));
            }
            if let Some(address) = email::normalise(&text) {
                prop_assert_eq!(email::normalise(&address), Some(address.clone()));
            }
            if let Some(amount) = money::normalise(&value, Some("USD"), DecimalMark::Point) {
                let again = money::normalise(&amount.as_str().into(), Some("USD"), DecimalMark::Point);
                prop_assert_eq!(again, Some(amount));
            }
        }
    }

    #[test]
    fn an_address_read_twice_is_read_once(
        path in "[a-zA-Z0-9/._%-]{0,12}", query in "([a-z_]{1,8}=[a-zA-Z0-9%+]{0,5}&?){0,4}", rest in "\\PC{0,20}",
        number in "[+0-9 ()/.-]{0,20}",
    ) {
        for text in [format!("HTTPS://Shop.Example/{path}?{query}utm_source=a&gclid=b"), format!("http://a.example/{rest}")] {
            if let Some(first) = link::read(&text) {
                let second = link::read(&first.address).unwrap();
                prop_assert_eq!(&second.address, &first.address);
                prop_assert!(second.campaign.is_empty() && !second.tracked);
            }
        }
        if let Some(phone) = phone::normalise(&number, Some("GB")) {
            prop_assert_eq!(phone::normalise(&phone, Some("GB")), Some(phone));
        }
    }
}
