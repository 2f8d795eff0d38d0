//! The abandoned-cart mail: parsing and rendering it in both languages, beside a formatter written by hand.
//!
//! In: eight products, eleven conditionals, some fifty filter uses, one date; about 14 KB of output. Out: times a
//! render on one core. The crates `liquid` and `handlebars` and the JavaScript engines are measured in `benchsuite`.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark may stop where its template is broken"
)]

use std::fmt::Write as _;
use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::{Value, json};
use signalpost_template::{CompileOptions, Language, RenderOptions, Template};

const LIQUID: &str = include_str!("cart.liquid");
const HANDLEBARS: &str = include_str!("cart.hbs");

fn data() -> Value {
    let products: Vec<Value> = (1..=8)
        .map(|i| {
            json!({
                "name": format!("Merino Pullover No. {i} & Scarf"),
                "brand": "north coast knitwear",
                "url": format!("https://shop.example.com/products/merino-pullover-{i}?utm=mail"),
                "image_url": format!("https://cdn.example.com/images/products/{i}/front-600x600.jpg"),
                "description": "A soft, warm pullover of fine merino wool that keeps its shape, made to last for many winters and easy to care for.",
                "price": 5990 + i * 100,
                "old_price": 7990,
                "on_sale": i % 2 == 0,
                "stock": i,
                "quantity": 1,
                "tags": ["wool", "winter", "new"],
            })
        })
        .collect();
    json!({
        "user": {"first_name": "ada", "email": "ada@example.com", "city": "London", "tier": "gold", "points": 1240},
        "cart": {"id": "c-1029", "total": 51520, "items": products, "abandoned_at": "2026-02-03T04:05:06Z"},
        "shop": {"name": "North Coast", "url": "https://shop.example.com", "address": "12 Harbour Street, Whitby"},
        "coupon": {"code": "COMEBACK10", "percent": 10},
        "unsubscribe_url": "https://shop.example.com/unsubscribe/abc",
    })
}

/// The same product list by hand, as the floor that no engine goes below.
fn by_hand(data: &Value) -> String {
    let mut out = String::with_capacity(16 << 10);
    let text = |v: &Value, key: &str| v.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
    for item in data["cart"]["items"].as_array().into_iter().flatten() {
        let name = text(item, "name").replace('&', "&amp;");
        let price = item["price"].as_f64().unwrap_or(0.0) / 100.0;
        let _written =
            write!(out, "<td>{name}</td><td>{}</td><td>{price:.2}</td>", text(item, "description"));
    }
    out
}

fn benches(criterion: &mut Criterion) {
    let data = data();
    let options = RenderOptions::at("2026-02-03T04:05:06Z".parse().unwrap());
    let compile = CompileOptions::default();
    for (name, language, source) in
        [("liquid", Language::Liquid, LIQUID), ("handlebars", Language::Handlebars, HANDLEBARS)]
    {
        let template = Template::compile(language, "cart", source, &compile).unwrap();
        let rendered = template.render(&data, &options).unwrap();
        println!("{name}: {} bytes of output, {} steps", rendered.text.len(), rendered.operations);
        criterion.bench_function(&format!("{name}/parse"), |b| {
            b.iter(|| Template::compile(language, "cart", black_box(source), &compile).unwrap());
        });
        criterion.bench_function(&format!("{name}/render"), |b| {
            b.iter(|| template.render(black_box(&data), &options).unwrap());
        });
    }
    criterion.bench_function("by hand, products only", |b| b.iter(|| by_hand(black_box(&data))));
}

criterion_group!(mail, benches);
criterion_main!(mail);
