//! What mail needs: missing values, escaping, dates at a given time, the host's own filters, names.

use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::tz::TimeZone;
use serde_json::json;
use signalpost_template::{CompileOptions, Language, Locale, Properties, Template, Value};

use crate::{liquid, mustache, options, render};

const PRODUCTS: &str = r#"<div class="recommendations">{{#each products}}<div class="product"> <img src="{{this.image_url}}" /> <p>{{this.name}}</p> </div>{{/each}}</div>"#;
const OFFER: &str = r#"{% if user.last_viewed_product == 'Product A' %}<div class="offer">Special 20% off on Product A!</div>{% else %}<div class="default">Check out our latest products!</div>{% endif %}"#;

#[test]
fn the_missions_templates_render() {
    let data = json!({"products": [{"image_url": "https://x.test/a.png", "name": "A & B"}]});
    assert_eq!(
        mustache(PRODUCTS, &data),
        r#"<div class="recommendations"><div class="product"> <img src="https://x.test/a.png" /> <p>A &amp; B</p> </div></div>"#
    );
    assert!(
        liquid(OFFER, &json!({"user": {"last_viewed_product": "Product A"}})).contains("Special 20% off")
    );
    assert!(liquid(OFFER, &json!({})).contains("latest products"));
}

#[test]
fn missing_values_print_nothing_and_are_counted() {
    let source = "{{ user.first_name }}{{ user.age }}{{ user.first_name }}{{ user.nick | default: 'you' }}";
    let rendered = render(Language::Liquid, source, &json!({"user": {"age": null}})).unwrap();
    assert_eq!(rendered.text, "you");
    assert_eq!(rendered.undefined, [("user.first_name".to_owned(), 2)]);
    let source = "{{user.first_name}}{{#if user.nick}}x{{/if}}";
    let rendered = render(Language::Handlebars, source, &json!({"user": {}})).unwrap();
    assert_eq!(rendered.undefined, [("user.first_name".to_owned(), 1)]);
}

#[test]
fn liquid_escapes_where_asked_and_raw_lifts_it() {
    let compile = CompileOptions { auto_escape: true, ..CompileOptions::default() };
    let source = "{{ a }}{{ a | raw }}{{ a | escape }}{% capture c %}<i>{{ a }}</i>{% endcapture %}{{ c }}{{ a | append: '&' }}";
    let template = Template::compile(Language::Liquid, "t", source, &compile).unwrap();
    let rendered = template.render(&json!({"a": "<b>"}), &options()).unwrap();
    assert_eq!(rendered.text, "&lt;b&gt;<b>&lt;b&gt;<i>&lt;b&gt;</i>&lt;b&gt;&amp;");
    assert_eq!(liquid("{{ a }}", &json!({"a": "<b>"})), "<b>");
}

#[test]
fn now_is_the_callers_in_the_callers_zone() {
    let template = Template::compile(
        Language::Liquid,
        "t",
        "{{ 'now' | date: '%Y-%m-%d %H:%M %Z' }}",
        &CompileOptions::default(),
    )
    .unwrap();
    let mut with = options();
    assert_eq!(template.render(&json!({}), &with).unwrap().text, "2026-02-03 04:05 UTC");
    with.time_zone = TimeZone::get("Europe/Berlin").unwrap();
    assert_eq!(template.render(&json!({}), &with).unwrap().text, "2026-02-03 05:05 CET");
}

#[test]
fn the_missions_timestamp_is_a_date() {
    let data = json!({"at": "2024-08-01T12:34:56Z"});
    assert_eq!(liquid("{{ at | date: '%d.%m.%Y %H:%M' }}", &data), "01.08.2024 12:34");
}

struct German;

impl Locale for German {
    fn month(&self, month: usize, short: bool) -> Option<String> {
        (month == 2).then(|| if short { "Mär".to_owned() } else { "März".to_owned() })
    }
    fn weekday(&self, _: usize, _: bool) -> Option<String> {
        None
    }
    fn money(&self, amount: f64, currency: &str) -> Option<String> {
        Some(format!("{amount:.2} {currency}").replace('.', ","))
    }
}

#[test]
fn the_host_brings_words_and_filters() {
    let mut with = options();
    with.locale = Some(&German);
    with.filters.insert("shout".to_owned(), Box::new(|input, _| Ok(Value::from(input.to_text() + "!"))));
    let compile = CompileOptions { known_filters: vec!["shout".to_owned()], ..CompileOptions::default() };
    let source = "{{ '2024-03-05' | date: '%e. %B' }} {{ 'hey' | shout }} {{ 12.5 | money: 'EUR' }}";
    let template = Template::compile(Language::Liquid, "t", source, &compile).unwrap();
    assert_eq!(template.render(&json!({}), &with).unwrap().text, " 5. März hey! 12,50 EUR");
}

struct Traits(AtomicUsize);

impl Properties for Traits {
    fn get(&self, name: &str) -> Option<Value<'_>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        (name == "first_name").then_some(Value::Str("Ada"))
    }
}

#[test]
fn a_lazy_profile_is_asked_only_for_what_is_named() {
    let traits = Traits(AtomicUsize::new(0));
    for (language, source) in
        [(Language::Liquid, "Hi {{ first_name }}"), (Language::Handlebars, "Hi {{first_name}}")]
    {
        let template = Template::compile(language, "t", source, &CompileOptions::default()).unwrap();
        let with = options();
        assert_eq!(template.render(Value::lazy(&traits), &with).unwrap().text, "Hi Ada");
    }
    assert_eq!(traits.0.load(Ordering::Relaxed), 2);
}

#[test]
fn names_lists_what_a_template_reads() {
    let names = |language, source| {
        Template::compile(language, "t", source, &CompileOptions::default()).unwrap().names()
    };
    let source = "{% for p in cart.items limit: max %}{{ p.price | times: rate }}{{ forloop.index }}{% endfor %}\
                  {% assign first = cart.items.first %}{{ first.name }}{% if user.vip %}{{ other }}{% endif %}";
    assert_eq!(
        names(Language::Liquid, source),
        [
            "cart.items",
            "cart.items[]",
            "cart.items[].name",
            "cart.items[].price",
            "max",
            "other",
            "rate",
            "user.vip"
        ]
    );
    let source = "{{#each products}}{{name}} {{../user.name}} {{@index}}{{#if sale}}{{price}}{{/if}}{{/each}}\
                  {{#with shop as |s|}}{{s.url}}{{city}}{{/with}}{{@root.year}}";
    assert_eq!(
        names(Language::Handlebars, source),
        [
            "products",
            "products[].name",
            "products[].price",
            "products[].sale",
            "shop",
            "shop.city",
            "shop.url",
            "user.name",
            "year"
        ]
    );
}

#[test]
fn a_template_is_shared_between_threads() {
    fn shared<T: Send + Sync>(_: &T) {}
    shared(&Template::compile(Language::Liquid, "t", "x", &CompileOptions::default()).unwrap());
}

#[test]
fn partials_lists_what_a_template_calls() {
    let compiled =
        |language, source| Template::compile(language, "t", source, &CompileOptions::default()).unwrap();
    let source = "{% render 'b' %}{% include 'a' %}{% include dynamic %}{% render 'b' %}";
    assert_eq!(compiled(Language::Liquid, source).partials(), ["a", "b"]);
    let source =
        "{{> footer}}{{> (lookup . 'x')}}{{#*inline \"mine\"}}{{/inline}}{{> mine}}{{#> maybe}}{{/maybe}}";
    assert_eq!(compiled(Language::Handlebars, source).partials(), ["footer"]);
}
