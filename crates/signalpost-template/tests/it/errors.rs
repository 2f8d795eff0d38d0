//! Errors name the place, show the line with a caret, and suggest what was meant.

use serde_json::json;
use signalpost_template::{CompileOptions, ErrorKind, Language, OnError, Template};

use crate::{options, partials, render};

fn shown(language: Language, source: &str) -> String {
    render(language, source, &json!({})).unwrap_err().to_string()
}

#[test]
fn an_unknown_filter_suggests_the_nearest() {
    assert_eq!(
        shown(Language::Liquid, "Hello\n  {{ user.name | upcas }}"),
        "Unknown filter 'upcas'\n --> test:2:18\n  |\n2 |   {{ user.name | upcas }}\n  |                  ^^^^^ did you mean `upcase`?"
    );
}

#[test]
fn unknown_tags_helpers_and_partials_are_errors() {
    let error = render(Language::Liquid, "{% iff a %}{% endif %}", &json!({})).unwrap_err();
    assert_eq!((error.kind, error.hint.as_deref()), (ErrorKind::UnknownTag, Some("did you mean `if`?")));
    let error = render(Language::Handlebars, "{{#eech list}}{{/eech}}", &json!({})).unwrap_err();
    assert_eq!((error.kind, error.hint.as_deref()), (ErrorKind::UnknownHelper, Some("did you mean `each`?")));
    let error = render(Language::Handlebars, "{{> foot}}", &json!({})).unwrap_err();
    assert_eq!(error.kind, ErrorKind::UnknownPartial);
    let sources = partials(Language::Liquid, &[("footer", "x")]);
    let mut with = options();
    with.partials = Some(&sources);
    let template =
        Template::compile(Language::Liquid, "t", "{% render 'foter' %}", &CompileOptions::default()).unwrap();
    let error = template.render(&json!({}), &with).unwrap_err();
    assert_eq!(error.kind, ErrorKind::UnknownPartial);
    assert!(error.message.contains("did you mean 'footer'?"), "{error}");
}

#[test]
fn unclosed_blocks_say_what_is_expected() {
    let error = render(Language::Liquid, "a\n{% if x %}b", &json!({})).unwrap_err();
    assert_eq!((error.line, error.column, error.hint.as_deref()), (2, 4, Some("expected `endif`")));
    let error = render(Language::Handlebars, "{{#each x}}b", &json!({})).unwrap_err();
    assert_eq!(error.hint.as_deref(), Some("expected `{{/each}}`"));
    let error = render(Language::Handlebars, "{{#if x}}b{{/each}}", &json!({})).unwrap_err();
    assert_eq!(error.message, "if doesn't match each");
}

#[test]
fn columns_count_characters() {
    let error = render(Language::Liquid, "äöü {{ 'x' | nope }}", &json!({})).unwrap_err();
    assert_eq!(error.column, 14);
}

#[test]
fn an_error_in_a_partial_names_the_partial() {
    let sources = partials(Language::Liquid, &[("price", "a\n{{ 1 | divided_by: 0 }}")]);
    let mut with = options();
    with.partials = Some(&sources);
    let template =
        Template::compile(Language::Liquid, "t", "{% render 'price' %}!", &CompileOptions::default())
            .unwrap();
    let error = template.render(&json!({}), &with).unwrap_err();
    assert_eq!((error.template.as_str(), error.line), ("price", 2));
    with.on_error = OnError::Inline;
    let rendered = template.render(&json!({}), &with).unwrap();
    assert_eq!(rendered.text, "a\nLiquid error (price line 2): divided by 0!");
    assert_eq!(rendered.problems.len(), 1);
}
