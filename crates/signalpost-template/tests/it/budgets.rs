//! Hostile templates end with an error within their budget: no panic, no abort, no hang.

use serde_json::json;
use signalpost_template::{Budgets, CompileOptions, ErrorKind, Language, Limit, Limits, Template};

use crate::{liquid, mustache, options, partials, render};

fn limit_of(language: Language, source: &str, data: &serde_json::Value) -> Limit {
    match render(language, source, data) {
        Ok(rendered) => panic!("rendered {} bytes", rendered.text.len()),
        Err(error) => match error.kind {
            ErrorKind::Budget(limit) => limit,
            other => panic!("{other:?}: {error}"),
        },
    }
}

#[test]
fn twenty_thousand_nested_blocks_are_refused() {
    let liquid = format!("{}{}", "{% if true %}".repeat(20_000), "{% endif %}".repeat(20_000));
    assert_eq!(limit_of(Language::Liquid, &liquid, &json!({})), Limit::Nesting);
    let unclosed = "{% for i in (1..2) %}".repeat(20_000);
    assert_eq!(limit_of(Language::Liquid, &unclosed, &json!({})), Limit::Nesting);
    let mustache = format!("{}{}", "{{#if a}}".repeat(20_000), "{{/if}}".repeat(20_000));
    assert_eq!(limit_of(Language::Handlebars, &mustache, &json!({})), Limit::Nesting);
    let chained = format!("{{{{#if a}}}}{}{{{{/if}}}}", "{{else if b}}".repeat(20_000));
    assert_eq!(limit_of(Language::Handlebars, &chained, &json!({})), Limit::Nesting);
}

#[test]
fn nesting_may_be_allowed_deeper_without_harm() {
    let options_deep = CompileOptions {
        limits: Limits { nesting: 30_000, ..Limits::default() },
        ..CompileOptions::default()
    };
    let source = format!("{}x{}", "{% if true %}".repeat(20_000), "{% endif %}".repeat(20_000));
    let template = Template::compile(Language::Liquid, "deep", &source, &options_deep).unwrap();
    assert_eq!(template.render(&json!({}), &options()).unwrap().text, "x");
    let source = format!("{}x{}", "{{#if a}}".repeat(20_000), "{{/if}}".repeat(20_000));
    let template = Template::compile(Language::Handlebars, "deep", &source, &options_deep).unwrap();
    assert!(template.render(&json!({"a": 1}), &options()).is_err(), "a budget of the render ends it");
}

#[test]
fn brackets_and_expressions_nest_within_bounds() {
    let brackets = format!("{{{{ {}a{} }}}}", "a[".repeat(50_000), "]".repeat(50_000));
    assert!(
        render(Language::Liquid, &brackets, &json!({})).is_err() || liquid(&brackets, &json!({})).is_empty()
    );
    let open = format!("{{{{ {} }}}}", "[".repeat(200_000));
    assert_eq!(liquid(&open, &json!({})), "");
    let calls = format!("{{{{lookup {}a{} 'b'}}}}", "(lookup ".repeat(20_000), " 'b')".repeat(20_000));
    assert_eq!(limit_of(Language::Handlebars, &calls, &json!({})), Limit::Nesting);
}

#[test]
fn partials_that_include_themselves_or_each_other_end() {
    for (language, sources, start) in [
        (Language::Liquid, vec![("a", "{% include 'a' %}")], "{% include 'a' %}"),
        (Language::Liquid, vec![("a", "{% render 'b' %}"), ("b", "{% render 'a' %}")], "{% render 'a' %}"),
        (Language::Handlebars, vec![("a", "{{> b}}"), ("b", "{{> a}}")], "{{> a}}"),
        (Language::Handlebars, vec![("a", "{{#> a}}x{{/a}}")], "{{> a}}"),
    ] {
        let sources = partials(language, &sources);
        let mut render = options();
        render.partials = Some(&sources);
        let template = Template::compile(language, "start", start, &CompileOptions::default()).unwrap();
        let error = template.render(&json!({}), &render).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Budget(Limit::PartialDepth), "{error}");
    }
}

#[test]
fn a_partial_block_that_calls_itself_ends() {
    let sources = partials(Language::Handlebars, &[("a", "{{> @partial-block}}")]);
    let mut render = options();
    render.partials = Some(&sources);
    let source = "{{#> a}}{{#> a}}{{> @partial-block}}{{/a}}{{/a}}";
    let template =
        Template::compile(Language::Handlebars, "start", source, &CompileOptions::default()).unwrap();
    assert!(template.render(&json!({}), &render).is_err());
}

#[test]
fn long_loops_end_at_the_budget_of_steps() {
    let source = "{% for i in (1..100000000) %}{% assign x = i %}{% endfor %}";
    assert_eq!(limit_of(Language::Liquid, source, &json!({})), Limit::Operations);
    let empty = "{% for i in (1..100000000) %}{% endfor %}";
    assert_eq!(limit_of(Language::Liquid, empty, &json!({})), Limit::Operations);
    let nested = "{% for i in (1..9999) %}{% for j in (1..9999) %}{% cycle 1, 2 %}{% endfor %}{% endfor %}";
    assert_eq!(limit_of(Language::Liquid, nested, &json!({})), Limit::Operations);
    for filter in ["join", "sort", "reverse", "map: 'a'", "sum", "uniq", "compact", "first | times: 2 | join"]
    {
        let source = format!("{{% assign r = (1..9000000000000000000) %}}{{{{ r | {filter} }}}}");
        let outcome = render(Language::Liquid, &source, &json!({}));
        assert!(filter.starts_with("first") || outcome.is_err(), "{filter}");
    }
}

#[test]
fn captures_and_assigns_that_double_end_at_a_budget() {
    let source =
        "{% assign x = 'aaaaaaaa' %}{% for i in (1..60) %}{% assign x = x | append: x %}{% endfor %}";
    assert_eq!(limit_of(Language::Liquid, source, &json!({})), Limit::AssignedBytes);
    let source = "{% assign x = 'aaaaaaaa' %}{% for i in (1..60) %}{% capture x %}{{ x }}{{ x }}{% endcapture %}{% endfor %}";
    assert_eq!(limit_of(Language::Liquid, source, &json!({})), Limit::OutputBytes);
    let source =
        "{% assign x = 'aaaaaaaaaa' %}{% for i in (1..9) %}{% assign x = x | replace: 'a', x %}{% endfor %}";
    assert!(render(Language::Liquid, source, &json!({})).is_err());
    let source =
        "{% assign x = '1,2' | split: ',' %}{% for i in (1..60) %}{% assign x = x | concat: x %}{% endfor %}";
    assert!(render(Language::Liquid, source, &json!({})).is_err());
}

#[test]
fn numbers_grow_beyond_64_bits_but_not_without_end() {
    assert_eq!(liquid("{{ 9223372036854775807 | plus: 1 }}", &json!({})), "9223372036854775808");
    assert_eq!(liquid("{{ -9223372036854775808 | abs }}", &json!({})), "9223372036854775808");
    assert_eq!(liquid("{{ -9223372036854775808 | divided_by: -1 }}", &json!({})), "9223372036854775808");
    assert_eq!(liquid("{{ -9223372036854775808 | modulo: -1 }}", &json!({})), "0");
    let source = "{% assign x = 3 %}{% for i in (1..60) %}{% assign x = x | times: x %}{% endfor %}";
    assert_eq!(limit_of(Language::Liquid, source, &json!({})), Limit::NumberSize);
    for odd in [
        "{{ 1.0e308 | times: 1.0e308 }}",
        "{{ 'x' | round: 99999999999999999999 }}",
        "{{ 5.5 | round: -99999999999 }}",
    ] {
        let _whatever = render(Language::Liquid, odd, &json!({}));
    }
}

/// Sixty times 2^62 is no minutes at all where 64 bits wrap around.
#[test]
fn a_zone_beyond_all_bounds_is_no_zone() {
    let text = "2024-01-02 03:04 +1:4611686018427387904";
    assert_eq!(liquid("{{ t | date: '%Y %z' }}", &json!({ "t": text })), text);
    let text = "2024-01-02 03:04 +24:00";
    assert_eq!(liquid("{{ t | date: '%Y %z' }}", &json!({ "t": text })), text, "as in Ruby");
    let text = "2024-01-02 03:04 +5:99999999999999999999999";
    let _whatever = render(Language::Liquid, "{{ t | date: '%Y %z' }}", &json!({ "t": text }));
}

#[test]
fn ranges_reach_from_end_to_end() {
    let range = "{% assign r = (-9223372036854775808..9223372036854775807) %}";
    let shown = |rest: &str| liquid(&(range.to_owned() + rest), &json!({}));
    let _whatever = shown("{{ 5 | map: r | join: ',' }}");
    assert_eq!(
        shown("{{ 'abc' | map: r | join }}|{{ r.first }}{{ r.last }}"),
        "|-92233720368547758089223372036854775807"
    );
    assert_eq!(shown("{% for i in r limit: 1 %}{{ i }}{% endfor %}"), "-9223372036854775808");
}

#[test]
fn division_by_zero_is_an_error_with_a_place() {
    for source in ["a\n{{ 1 | divided_by: 0 }}", "a\n{{ 1 | modulo: 0 }}"] {
        let error = render(Language::Liquid, source, &json!({})).unwrap_err();
        assert_eq!((error.message.as_str(), error.line), ("divided by 0", 2));
    }
    assert_eq!(liquid("{{ 1.5 | divided_by: 0 }}", &json!({})), "Infinity", "as the reference's decimals do");
}

#[test]
fn a_megabyte_of_text_is_handled() {
    let long = "a<b ".repeat(1 << 18);
    let data = json!({ "t": long });
    let source = "{{ t | escape | size }} {{ t | split: ' ' | size }} {{ t | strip_html | size }}";
    assert_eq!(liquid(source, &data), "1835008 262144 1048576");
    assert_eq!(mustache("{{t.length}}", &data), "1048576");
    let quotes = "{{ ".to_owned() + &"\"'".repeat(200_000) + " }}";
    let _whatever = render(Language::Liquid, &quotes, &json!({}));
    let tags = "{% if ".repeat(100_000);
    assert!(render(Language::Liquid, &tags, &json!({})).is_err());
    let ands = format!("{{% if {} a %}}x{{% endif %}}", "a and ".repeat(100_000));
    assert_eq!(liquid(&ands, &json!({"a": 1})), "x");
}

#[test]
fn hostile_keys_are_only_keys() {
    let data = json!({"__proto__": 1, "constructor": 2, "": 3, "a\"]b": 4, "x": {"size": 9, "first": 8}});
    assert_eq!(liquid("{{ __proto__ }}{{ constructor }}{{ x.size }}{{ x.first }}", &data), "1298");
    assert_eq!(
        mustache("{{__proto__}}{{constructor}}{{x.constructor}}{{x.hasOwnProperty}}{{[a\"]}}", &data),
        "12"
    );
    assert_eq!(mustache("{{#each x}}{{@key}}{{/each}}", &data), "sizefirst");
}

#[test]
fn the_caller_can_set_a_deadline() {
    let expired = || true;
    let mut render = options();
    render.expired = Some(&expired);
    let source = "{% for i in (1..100000) %}{{ i }}{% endfor %}";
    let template = Template::compile(Language::Liquid, "t", source, &CompileOptions::default()).unwrap();
    assert_eq!(template.render(&json!({}), &render).unwrap_err().kind, ErrorKind::Budget(Limit::Deadline));
}

#[test]
fn the_source_has_a_limit() {
    let source = "a".repeat((1 << 20) + 1);
    assert_eq!(limit_of(Language::Liquid, &source, &json!({})), Limit::SourceBytes);
}

#[test]
fn the_output_has_a_limit() {
    let mut render = options();
    render.budgets = Budgets { output_bytes: 100, ..Budgets::default() };
    for (language, source) in [
        (Language::Liquid, "{% for i in (1..100) %}abc{% endfor %}"),
        (Language::Liquid, "{{ list }}"),
        (Language::Handlebars, "{{#each list}}{{.}}abc{{/each}}"),
        (Language::Handlebars, "{{list}}"),
    ] {
        let template = Template::compile(language, "t", source, &CompileOptions::default()).unwrap();
        let data = json!({ "list": (0..100).collect::<Vec<_>>() });
        let error = template.render(&data, &render).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Budget(Limit::OutputBytes), "{source}");
    }
}

/// What was slow once with large data: each ends at the budget, or is quick.
#[test]
fn large_data_costs_what_it_takes() {
    let numbers: Vec<i32> = (0..50_000).collect();
    let keys: serde_json::Map<String, serde_json::Value> =
        (0..5_000).map(|i| (format!("k{i}"), json!(i))).collect();
    let data = json!({"a": numbers, "b": numbers, "t": "ä".repeat(500_000), "u": " ".repeat(1_000_000), "o": keys, "l": numbers});
    let again = |body: &str| format!("{{% for i in (1..1000000) %}}{body}{{% endfor %}}");
    for body in [
        "{% if a == b %}{% endif %}",
        "{% if t contains 'zz' %}{% endif %}",
        "{% if u == blank %}{% endif %}",
        "{% if t == t %}{% endif %}",
        "{% assign x = t.size %}",
        "{% for p in o %}{% break %}{% endfor %}",
        "{% cycle i: 1, 2 %}",
    ] {
        assert_eq!(limit_of(Language::Liquid, &again(body), &data), Limit::Operations, "{body}");
    }
    let variables: String = (0..40_000).map(|i| format!("{{% assign a{i} = 1 %}}")).collect();
    assert_eq!(limit_of(Language::Liquid, &variables, &data), Limit::Operations);
    for body in ["{{lookup @root.t 400000}}", "{{@root.t.length}}", "{{#with ../o}}{{> p a=1}}{{/with}}"] {
        let source = format!("{{{{#*inline 'p'}}}}{{{{/inline}}}}{{{{#each l}}}}{body}{{{{/each}}}}");
        assert_eq!(limit_of(Language::Handlebars, &source, &data), Limit::Operations, "{body}");
    }
    let loose = "{{#each l}}{{#with @root.l}}{{#with @root.t}}{{/with}}{{/with}}{{/each}}";
    assert!(render(Language::Handlebars, loose, &data).is_ok());
    // Asking whether a long list is empty costs nothing by its length.
    let asked = render(Language::Liquid, "{% if a == empty or a == nil %}{% endif %}", &data).unwrap();
    assert!(asked.operations < 100);
}
