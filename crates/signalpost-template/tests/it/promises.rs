//! What the crate promises in general: what a breach says, what a template reads, that data is borrowed.

use std::cell::RefCell;
use std::sync::Mutex;

use serde_json::json;
use signalpost_template::{
    Budgets, CompileOptions, Error, ErrorKind, HandlebarsOptions, Language, Limit, Limits, Locale, Mode,
    Properties, RenderOptions, Template, Value, handlebars_helpers, liquid_filters, liquid_tags,
};

use crate::{options, partials};

fn names(language: Language, source: &str) -> Vec<String> {
    let compile = CompileOptions { refuse_unknown: false, ..CompileOptions::default() };
    Template::compile(language, "t", source, &compile).unwrap().names()
}

/// Renders a template called `mail` whose second line costs too much.
fn breach(language: Language, second_line: &str, change: impl FnOnce(&mut RenderOptions<'_>)) -> Error {
    let compile =
        CompileOptions { limits: Limits { nesting: 5, source_bytes: 5_000 }, ..CompileOptions::default() };
    let source = format!("first line\n{second_line}");
    let mut with = options();
    change(&mut with);
    let data = json!({"list": [1, 2, 3], "text": "0123456789"});
    let compiled = Template::compile(language, "mail", &source, &compile);
    compiled.and_then(|template| template.render(&data, &with).map(|r| r.text)).unwrap_err()
}

#[test]
fn a_breach_names_the_limit_the_line_and_the_template() {
    use Language::{Handlebars, Liquid};
    let loops = "{% for i in (1..99999999) %}{% endfor %}";
    let doubling = "{% assign x = 'aa' %}{% for i in (1..99) %}{% assign x = x | append: x %}{% endfor %}";
    let squaring = "{% assign x = 3 %}{% for i in (1..99) %}{% assign x = x | times: x %}{% endfor %}";
    let small = Budgets { operations: 1_000, output_bytes: 15, assigned_bytes: 500, partial_depth: 2 };
    let bounded = move |with: &mut RenderOptions<'_>| with.budgets = small;
    let free = |_: &mut RenderOptions<'_>| {};
    let late = |with: &mut RenderOptions<'_>| with.expired = Some(&|| true);
    let cases = [
        (breach(Liquid, loops, bounded), Limit::Operations, "1000 steps"),
        (breach(Liquid, "{{ text }}", bounded), Limit::OutputBytes, "15 bytes"),
        (breach(Handlebars, "{{text}}", bounded), Limit::OutputBytes, "15 bytes"),
        (breach(Liquid, doubling, bounded), Limit::AssignedBytes, "500 bytes"),
        (breach(Liquid, squaring, free), Limit::NumberSize, "65536 bits"),
        (breach(Liquid, &"{% if a %}".repeat(9), free), Limit::Nesting, "5 blocks"),
        (breach(Handlebars, &"{{#if a}}".repeat(9), free), Limit::Nesting, "5 blocks"),
        (breach(Liquid, loops, late), Limit::Deadline, "deadline"),
    ];
    for (error, limit, words) in cases {
        assert_eq!(error.kind, ErrorKind::Budget(limit), "{error}");
        assert_eq!((error.template.as_str(), error.line), ("mail", 2), "{error}");
        assert!(error.message.contains(words), "{error}");
    }
    let error = breach(Liquid, &"a".repeat(6_000), free);
    assert_eq!((error.kind, error.template.as_str()), (ErrorKind::Budget(Limit::SourceBytes), "mail"));
    assert!(error.message.contains("5000"), "{error}");
}

#[test]
fn too_many_partials_within_partials_name_the_partial() {
    for (language, call) in [(Language::Liquid, "{% render 'p' %}"), (Language::Handlebars, "{{> p}}")] {
        let sources = partials(language, &[("p", &format!("x\n\n{call}"))]);
        let mut with = options();
        with.partials = Some(&sources);
        with.budgets.partial_depth = 7;
        let template = Template::compile(language, "mail", call, &CompileOptions::default()).unwrap();
        let error = template.render(&json!({}), &with).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Budget(Limit::PartialDepth), "{error}");
        assert_eq!((error.template.as_str(), error.line), ("p", 3), "{error}");
        assert!(error.to_string().contains("at most 7 partials within partials"), "{error}");
    }
}

#[test]
fn a_template_reads_by_every_form_of_path() {
    let liquid = |source: &str| names(Language::Liquid, source);
    assert_eq!(
        liquid("{{ a['b c'].d }}{{ e[0].f }}{{ g[h.i].j }}"),
        ["a[\"b c\"].d", "e[].f", "g[].j", "h.i"]
    );
    assert_eq!(liquid("{% for i in (a..b.c) %}{{ i }}{% endfor %}"), ["a", "b.c"]);
    assert_eq!(liquid("{{ a | default: b, allow_false: c.d }}"), ["a", "b", "c.d"]);
    assert_eq!(
        liquid("{% case a %}{% when b, c %}{% endcase %}{% cycle d: e, 'f' %}"),
        ["a", "b", "c", "d", "e"]
    );
    let table = "{% tablerow r in a.rows cols: b limit: c offset: d %}{{ r.x }}{% endtablerow %}";
    assert_eq!(liquid(table), ["a.rows", "a.rows[].x", "b", "c", "d"]);
    let partials = "{% include 'p' with a.b, w: c %}{% render 'q' with d as z %}{% render 'r' for e as i, k: f %}{% include g %}";
    assert_eq!(liquid(partials), ["a.b", "c", "d", "e", "f", "g"]);
    assert_eq!(
        liquid("{% for a in b %}{% for c in a.d %}{{ c.e }}{{ a.f }}{% endfor %}{% endfor %}{{ a }}"),
        ["a", "b", "b[].d", "b[].d[].e", "b[].f"]
    );
    // What the template made is not read from the data, also behind the loop that made it.
    let made = "{% for p in l %}{% assign first = p %}{% capture c %}x{% endcapture %}{% endfor %}{{ first.name }}{{ c }}";
    assert_eq!(liquid(made), ["l", "l[]", "l[].name"]);
    assert_eq!(
        liquid("{{ self['a'].b }}{% for i in self.c %}{{ i.d }}{% endfor %}{{ self }}"),
        ["a.b", "c", "c[].d"]
    );
    let lines = "{% liquid\n assign t = a.b\n echo t.c\n for i in d\n echo i.e\n endfor\n%}";
    assert_eq!(liquid(lines), ["a.b", "a.b.c", "d", "d[].e"]);

    let mustache = |source: &str| names(Language::Handlebars, source);
    assert_eq!(
        mustache("{{#each a}}{{b}}{{../c}}{{@root.e.f}}{{this.g}}{{@index}}{{@key}}{{/each}}"),
        ["a", "a[].b", "a[].g", "c", "e.f"]
    );
    assert_eq!(mustache("{{#each a as |x i|}}{{x.b}}{{i}}{{y}}{{/each}}"), ["a", "a[].b", "a[].y"]);
    assert_eq!(
        mustache("{{#each a}}{{#each b}}{{c}}{{../d}}{{/each}}{{/each}}"),
        ["a", "a[].b", "a[].b[].c", "a[].d"]
    );
    assert_eq!(mustache("{{#with a.b as |c|}}{{c.d}}{{e}}{{../f}}{{/with}}"), ["a.b", "a.b.d", "a.b.e", "f"]);
    assert_eq!(mustache("{{> p a.b c=d.e}}{{> (lookup f 'x')}}"), ["a.b", "d.e", "f"]);
    assert_eq!(mustache("{{help a b=c.d}}{{#help x.y}}{{z}}{{/help}}"), ["a", "c.d", "x.y", "z"]);
    assert_eq!(
        mustache("{{{r}}}{{&s}}{{a.[b c]}}{{^t}}{{u}}{{/t}}{{#if v}}{{else if w}}{{/if}}"),
        ["a[\"b c\"]", "r", "s", "t", "u", "v", "w"]
    );
}

#[test]
fn data_is_borrowed() {
    let data = json!({"user": {"name": "a name of the caller's"}, "list": [1, 2]});
    let name = data["user"]["name"].as_str().unwrap().as_ptr() as usize;
    let seen: &'static Mutex<Vec<usize>> = Box::leak(Box::default());
    let mut with = options();
    with.filters.insert(
        "seen".to_owned(),
        Box::new(|input, _| {
            seen.lock().unwrap().push(input.as_str().map_or(0, |text| text.as_ptr() as usize));
            Ok(input.clone())
        }),
    );
    let compile = CompileOptions { known_filters: vec!["seen".to_owned()], ..CompileOptions::default() };
    let source = "{% assign u = user %}{% for i in list %}{{ u.name | seen | strip | seen }}{% endfor %}";
    Template::compile(Language::Liquid, "t", source, &compile).unwrap().render(&data, &with).unwrap();
    assert_eq!(*seen.lock().unwrap(), [name; 4]);
}

/// A profile that notes which traits were fetched.
struct Profile {
    fetched: RefCell<Vec<String>>,
    address: Option<Box<Profile>>,
}

impl Properties for Profile {
    fn get(&self, name: &str) -> Option<Value<'_>> {
        self.fetched.borrow_mut().push(name.to_owned());
        match name {
            "address" => self.address.as_deref().map(|inner| Value::lazy(inner)),
            "city" => Some(Value::Str("Graz")),
            _ => None,
        }
    }
}

#[test]
fn only_named_traits_are_fetched() {
    for (language, source) in [
        (
            Language::Liquid,
            "{% if address.city == 'Graz' %}{% if false %}{{ secret }}{% endif %}yes{% endif %}",
        ),
        (
            Language::Handlebars,
            "{{#with address}}{{#if false}}{{secret}}{{/if}}{{#if city}}yes{{/if}}{{/with}}",
        ),
    ] {
        let inner = Profile { fetched: RefCell::default(), address: None };
        let profile = Profile { fetched: RefCell::default(), address: Some(Box::new(inner)) };
        let with = options();
        let template = Template::compile(language, "t", source, &CompileOptions::default()).unwrap();
        assert_eq!(template.render(Value::lazy(&profile), &with).unwrap().text, "yes");
        let outer = profile.fetched.borrow();
        assert!(outer.iter().all(|name| name == "address" || name == "false"), "{outer:?}");
        assert_eq!(*profile.address.as_ref().unwrap().fetched.borrow(), ["city"]);
    }
}

#[test]
fn strict_modes_refuse_what_is_missing_or_malformed() {
    let strict = HandlebarsOptions { strict: true, ..HandlebarsOptions::default() };
    let compile = CompileOptions { handlebars: strict, ..CompileOptions::default() };
    let template = Template::compile(Language::Handlebars, "mail", "a\n {{user.name}}", &compile).unwrap();
    let error = template.render(&json!({"user": {}}), &options()).unwrap_err();
    assert_eq!((error.kind, error.line, error.column), (ErrorKind::Missing, 2, 2));
    assert!(error.message.contains("\"name\" not defined"), "{error}");
    for (mode, good) in [(Mode::Lax, true), (Mode::Strict, false), (Mode::Strict2, false)] {
        let compile = CompileOptions { mode, ..CompileOptions::default() };
        let outcome = Template::compile(Language::Liquid, "mail", "{% if a = b %}{% endif %}", &compile);
        assert_eq!(outcome.is_ok(), good, "{mode:?}");
    }
}

/// German words for all that the hook asks for.
struct German;

impl Locale for German {
    fn month(&self, month: usize, short: bool) -> Option<String> {
        Some(format!("M{month}{}", if short { "." } else { "" }))
    }
    fn weekday(&self, weekday: usize, short: bool) -> Option<String> {
        Some(format!("T{weekday}{}", if short { "." } else { "" }))
    }
    fn money(&self, amount: f64, currency: &str) -> Option<String> {
        (currency == "EUR").then(|| format!("{amount:.2} €").replace('.', ","))
    }
}

#[test]
fn a_locale_gives_the_words_of_dates_and_money() {
    let mut with = options();
    with.locale = Some(&German);
    let source = "{{ 'now' | date: '%A %a %B %b %^a' }} {{ '19.999' | money: 'EUR' }} {{ 5 | money: 'USD' }}";
    let template = Template::compile(Language::Liquid, "t", source, &CompileOptions::default()).unwrap();
    assert_eq!(template.render(&json!({}), &with).unwrap().text, "T2 T2. M1 M1. T2. 20,00 € 5.00 USD");
}

#[test]
fn a_custom_filter_may_refuse_and_replace() {
    let mut with = options();
    with.filters.insert(
        "upcase".to_owned(),
        Box::new(|_, arguments| match arguments.first() {
            Some(word) => Ok(word.clone()),
            None => Err("needs a word".to_owned()),
        }),
    );
    let render = |source: &str| {
        Template::compile(Language::Liquid, "t", source, &CompileOptions::default())
            .unwrap()
            .render(&json!({}), &with)
    };
    assert_eq!(render("{{ 'a' | upcase: 'b' }}").unwrap().text, "b");
    let error = render("x\n{{ 'a' | upcase }}").unwrap_err();
    assert_eq!((error.kind, error.line), (ErrorKind::Render, 2));
    assert!(error.message.contains("needs a word"), "{error}");
}

#[test]
fn completion_knows_every_tag_filter_and_helper() {
    let tags: Vec<&str> = liquid_tags().iter().map(|known| known.name).collect();
    let wanted = "if unless case for tablerow cycle assign capture increment decrement echo liquid raw comment # doc \
                  render include ifchanged break continue else elsif when";
    for tag in wanted.split_whitespace() {
        assert!(tags.contains(&tag), "{tag} is not among {tags:?}");
    }
    let helpers: Vec<&str> = handlebars_helpers().iter().map(|known| known.name).collect();
    for helper in ["each", "if", "unless", "with", "lookup", "log"] {
        assert!(helpers.contains(&helper), "{helper} is not among {helpers:?}");
    }
    assert!(liquid_filters().len() >= 58);
}

#[test]
fn missing_values_are_reported_from_within_loops_and_look_ups() {
    let data = json!({"products": [{"a": 1}, {}], "u": {}});
    let shown = |language, source| {
        let template = Template::compile(language, "t", source, &CompileOptions::default()).unwrap();
        let rendered = template.render(&data, &options()).unwrap();
        (
            rendered.text,
            rendered.undefined.into_iter().map(|(path, n)| format!("{path} {n}")).collect::<Vec<_>>(),
        )
    };
    let liquid = "{% for p in products %}{{ p.a }}{{ p['b'] }}{{ p.c.d }}{% endfor %}{{ u.x | upcase }}{{ products[7].z }}";
    let (text, undefined) = shown(Language::Liquid, liquid);
    assert_eq!(text, "1");
    assert_eq!(undefined, ["p.b 2", "p.c.d 2", "p.a 1", "u.x 1", "products[7].z 1"]);
    let mustache =
        "{{#each products}}{{a}}{{this.b}}{{../v}}{{@root.w.z}}{{#if c}}{{/if}}{{/each}}{{u.[a b]}}";
    let (text, undefined) = shown(Language::Handlebars, mustache);
    assert_eq!(text, "1");
    assert_eq!(undefined, ["this.b 2", "../v 2", "@root.w.z 2", "a 1", "u.a b 1"]);
}
