//! The abandoned-cart mail: parsing and rendering it in both languages, beside the crate `liquid`, the JavaScript
//! engines and a formatter written by hand.
//!
//! In: `cart.json` (eight products) and the mail in each language: about 14 KB of output; in Liquid 11
//! conditionals, 49 filter uses and one date. Out: times a render on one core, and at the end the ratios of this
//! run. The JavaScript engines run under Node with the packages of `benchsuite/` (`npm ci` there); where they
//! are missing the bench says so and prints the rest. `cargo bench` in `benchsuite/mail`.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark may stop where its template is broken"
)]

#[path = "mail/by_hand.rs"]
mod by_hand;
#[path = "mail/javascript.rs"]
mod javascript;

use std::hint::black_box;
use std::time::Duration;

use criterion::Criterion;
use serde_json::Value;
use signalpost_template::{CompileOptions, Language, RenderOptions, Template};

const LIQUID: &str = include_str!("cart.liquid");
const HANDLEBARS: &str = include_str!("cart.hbs");
const DATA: &str = include_str!("cart.json");

/// The least time of a call in nanoseconds, over batches that fill `span`: what else runs on the machine can only
/// make a batch slower.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn least(span: Duration, mut call: impl FnMut()) -> f64 {
    let started = std::time::Instant::now();
    call();
    let once = started.elapsed().max(Duration::from_nanos(100));
    let size = u32::try_from(span.as_nanos() / 27 / once.as_nanos()).unwrap().max(1);
    let mut best = f64::INFINITY;
    let started = std::time::Instant::now();
    while started.elapsed() < span {
        let begun = std::time::Instant::now();
        (0..size).for_each(|_| call());
        best = best.min(begun.elapsed().as_secs_f64() * 1e9 / f64::from(size));
    }
    best
}

fn criterion_benches(criterion: &mut Criterion, data: &Value) {
    let options = RenderOptions::at("2026-02-03T04:05:06Z".parse().unwrap());
    let compile = CompileOptions::default();
    for (name, language, source) in
        [("liquid", Language::Liquid, LIQUID), ("handlebars", Language::Handlebars, HANDLEBARS)]
    {
        let template = Template::compile(language, "cart", source, &compile).unwrap();
        criterion.bench_function(&format!("{name}/parse"), |b| {
            b.iter(|| Template::compile(language, "cart", black_box(source), &compile).unwrap());
        });
        criterion.bench_function(&format!("{name}/render"), |b| {
            b.iter(|| template.render(black_box(data), &options).unwrap());
        });
    }
    criterion.bench_function("liquid/by hand", |b| b.iter(|| by_hand::mail(black_box(data))));
}

fn line(name: &str, nanoseconds: f64, ours: f64, at_least: f64) {
    let ratio = nanoseconds / ours;
    let verdict = match at_least {
        0.0 => String::new(),
        target if ratio >= target => format!(" (at least {target})"),
        target => format!(" (MISSED: at least {target})"),
    };
    println!("  {name:<34}{:>9.1} µs {ratio:>8.2} times ours{verdict}", nanoseconds / 1e3);
}

/// Our time for a mail, printed, and its text.
fn ours(language: Language, source: &str, data: &Value, span: Duration) -> (f64, String) {
    let options = RenderOptions::at("2026-02-03T04:05:06Z".parse().unwrap());
    let compile = CompileOptions::default();
    let template = Template::compile(language, "cart", source, &compile).unwrap();
    let rendered = template.render(data, &options).unwrap();
    let render = least(span, || drop(black_box(template.render(black_box(data), &options).unwrap())));
    let parse = least(span, || {
        drop(black_box(Template::compile(language, "cart", black_box(source), &compile).unwrap()));
    });
    println!("{language:?}: {} bytes of output, {} steps", rendered.text.len(), rendered.operations);
    println!("  {:<34}{:>9.1} µs", "signalpost-template, parsing", parse / 1e3);
    println!("  {:<34}{:>9.1} µs", "signalpost-template", render / 1e3);
    (render, rendered.text)
}

/// Each engine on the same mail and data, one after the other in this run.
fn ratios(data: &Value, span: Duration) {
    let javascript = javascript::measure(LIQUID, HANDLEBARS, data, span);
    let (render, text) = ours(Language::Liquid, LIQUID, data, span);
    let by_hand = by_hand::mail(data);
    assert_eq!(by_hand, text, "the formatter by hand writes the same mail");
    line("written by hand", least(span, || drop(black_box(by_hand::mail(black_box(data))))), render, 0.0);
    let parser = liquid::ParserBuilder::with_stdlib().build().unwrap();
    let theirs = parser.parse(LIQUID).unwrap();
    let globals = liquid::to_object(data).unwrap();
    let their_text = theirs.render(&globals).unwrap();
    println!("  crate liquid writes {} bytes", their_text.len());
    let their_time = least(span, || drop(black_box(theirs.render(black_box(&globals)).unwrap())));
    line("crate liquid", their_time, render, 4.0);
    if let Some(javascript) = &javascript {
        println!("  liquidjs writes {} bytes", javascript.liquid.text.len());
        line("liquidjs", javascript.liquid.nanoseconds, render, 15.0);
    }
    let (render, text) = ours(Language::Handlebars, HANDLEBARS, data, span);
    if let Some(javascript) = &javascript {
        assert_eq!(javascript.handlebars.text, text, "handlebars.js writes the same mail");
        line("handlebars.js", javascript.handlebars.nanoseconds, render, 2.0);
    }
}

fn main() {
    let data: Value = serde_json::from_str(DATA).unwrap();
    let given = |flag: &str| std::env::args().any(|a| a == flag);
    let test = given("--test");
    let mut criterion = Criterion::default().configure_from_args();
    criterion_benches(&mut criterion, &data);
    criterion.final_summary();
    if !given("--profile-time") {
        ratios(&data, if test { Duration::from_millis(50) } else { Duration::from_secs(3) });
    }
}
