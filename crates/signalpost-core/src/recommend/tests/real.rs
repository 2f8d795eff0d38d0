//! Counts on public data against answers that DuckDB gave
//! (`expected.sql` beside the data). Skipped, loudly, where the data is not.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;

use flate2::read::GzDecoder;

use super::*;

/// The folder of one data set, when it is there.
fn data(name: &str) -> Option<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "the variable says where test data lies")]
    let shared = std::env::var("SIGNALPOST_SHARED")
        .map_or_else(|_| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let folder = shared.join("data").join(name);
    if !folder.join("events.ndjson.gz").exists() {
        eprintln!("SKIPPED: no {name} in {}; set SIGNALPOST_SHARED to test on real data", shared.display());
        return None;
    }
    Some(folder)
}

/// The events of the file whose line holds `text`.
fn events(folder: &std::path::Path, text: &'static str) -> impl Iterator<Item = Event> {
    let file = std::fs::File::open(folder.join("events.ndjson.gz")).unwrap();
    let lines = BufReader::new(GzDecoder::new(file)).lines().map(Result::unwrap);
    lines.filter(move |line| line.contains(text)).map(|line| {
        let json: serde_json::Value = serde_json::from_str(&line).unwrap();
        let text = |name: &str| json[name].as_str().map(str::to_owned);
        let at = Timestamp::parse(json["timestamp"].as_str().unwrap()).unwrap();
        Event {
            event_id: text("event_id").unwrap().into(),
            event_type: text("event_type").unwrap().into(),
            customer_id: text("customer_id").map(Into::into),
            anonymous_id: Some("till".into()),
            timestamp: at,
            received_at: at,
            product_id: text("product_id").and_then(|id| catalog::product_id(&id)),
            properties: vec![("order_id".into(), Value::from(json["order_id"].clone()))],
            traits: Vec::new(),
            context: Vec::new(),
            source: "test".into(),
        }
    })
}

fn expected(folder: &std::path::Path, name: &str) -> Vec<Vec<String>> {
    let mut text = String::new();
    std::fs::File::open(folder.join("expected").join(name)).unwrap().read_to_string(&mut text).unwrap();
    text.lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

/// `[0-9]{5}[A-Z]{0,2}`: an article, not postage or a fee.
fn is_merchandise(id: &ProductId) -> bool {
    let (digits, letters) = id.as_str().split_at_checked(5).unwrap_or(("", "?"));
    digits.len() == 5
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && letters.len() <= 2
        && letters.bytes().all(|byte| byte.is_ascii_uppercase())
}

fn merchandise() -> Settings {
    Settings { filter: ProductFilter::new(is_merchandise), ..Settings::default() }
}

/// The rows `seed_rank, seed, seed_baskets, other, together, rank` of a model.
fn rows(model: &Model, kind: Together) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for (seed_rank, (seed, baskets)) in (1..).zip(model.most(kind, 20)) {
        for (rank, (other, together)) in (1..).zip(model.co_occurrence(&seed, kind, 5)) {
            let row = [seed_rank.to_string(), seed.to_string(), baskets.to_string(), other.to_string()];
            rows.push(row.into_iter().chain([together.to_string(), i32::to_string(&rank)]).collect());
        }
    }
    rows
}

#[test]
fn products_bought_together_in_a_year_of_a_shop() {
    let Some(folder) = data("online-retail") else { return };
    let mut model = Model::new(merchandise());
    for event in events(&folder, "") {
        model.observe(&event, &event.profile_key().unwrap());
    }
    assert_eq!(rows(&model, Together::Bought), expected(&folder, "e7_cooccurrence.csv"));
    let size = model.size();
    eprintln!("online-retail: {size:?}, {} bytes written", model.to_bytes().unwrap().len());
    assert_eq!((size.dropped_pairs, size.refused_products), (0, 0), "every count is exact");
}

#[test]
fn best_sellers_of_a_month() {
    let Some(folder) = data("online-retail") else { return };
    let mut model = Model::new(merchandise());
    for event in events(&folder, "\"timestamp\":\"2011-11-") {
        model.observe(&event, &event.profile_key().unwrap());
    }
    let best: Vec<_> =
        model.most(Together::Bought, 20).iter().map(|(id, n)| (id.to_string(), n.to_string())).collect();
    let rows = expected(&folder, "e6_top20_2011-11.csv");
    let by_orders: Vec<_> = rows
        .into_iter()
        .filter(|row| row[0] == "orders")
        .map(|row| (row[2].clone(), row[4].clone()))
        .collect();
    assert_eq!(best, by_orders);
}

#[test]
fn products_one_visitor_touched() {
    let Some(folder) = data("retailrocket-sample") else { return };
    let types: Vec<Box<str>> = vec!["product_view".into(), "add_to_cart".into(), "purchase".into()];
    let settings = Settings {
        view_types: types,
        session_gap: Span::from_micros(i64::MAX),
        session_max: usize::MAX,
        ..Settings::default()
    };
    let mut model = Model::new(settings);
    for event in events(&folder, "") {
        model.observe(&event, &event.profile_key().unwrap());
    }
    assert_eq!(rows(&model, Together::Viewed), expected(&folder, "e6_cooccurrence.csv"));
}
