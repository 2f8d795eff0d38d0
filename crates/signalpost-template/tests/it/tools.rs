//! Tools for an editor: spans and lists of names.

use proptest::prelude::*;
use signalpost_template::{Language, SpanKind, handlebars_helpers, liquid_filters, liquid_tags, spans};

fn shown(language: Language, source: &str) -> Vec<(&str, SpanKind)> {
    spans(language, source).into_iter().map(|s| (source.get(s.start..s.end).unwrap(), s.kind)).collect()
}

#[test]
fn liquid_is_cut_for_highlighting() {
    use SpanKind::{Delimiter, Filter, Keyword, Name, Number, Operator, Text};
    assert_eq!(
        shown(Language::Liquid, "Hi {{ user.name | default: 'you' }}{%- if a > 1 -%}"),
        [
            ("{{", Delimiter),
            ("user", Name),
            (".", Operator),
            ("name", Name),
            ("|", Operator),
            ("default", Filter),
            (":", Operator),
            ("'you'", Text),
            ("}}", Delimiter),
            ("{%-", Delimiter),
            ("if", Keyword),
            ("a", Name),
            (">", Operator),
            ("1", Number),
            ("-%}", Delimiter),
        ]
    );
}

#[test]
fn handlebars_is_cut_for_highlighting() {
    use SpanKind::{Comment, Delimiter, Keyword, Name, Text};
    assert_eq!(
        shown(Language::Handlebars, "{{#each list}}{{! x }}{{lookup 'a'}}"),
        [
            ("{{#", Delimiter),
            ("each", Keyword),
            ("list", Name),
            ("}}", Delimiter),
            ("{{! x }}", Comment),
            ("{{", Delimiter),
            ("lookup", Keyword),
            ("'a'", Text),
            ("}}", Delimiter),
        ]
    );
}

#[test]
fn every_name_has_a_line() {
    for known in [liquid_tags(), liquid_filters(), handlebars_helpers()].concat() {
        assert!(known.description.ends_with(['.', '}', '\'']) && known.description.len() > 4, "{known:?}");
    }
    assert!(liquid_filters().windows(2).all(|w| w[0].name < w[1].name), "filters are found by their order");
}

proptest! {
    #[test]
    fn spans_never_overlap(source in "[{}%a-c .|'\"#/!~\n-]{0,60}") {
        for language in [Language::Liquid, Language::Handlebars] {
            let mut end = 0;
            for span in spans(language, &source) {
                prop_assert!(span.start >= end && span.end > span.start && span.end <= source.len());
                prop_assert!(source.get(span.start..span.end).is_some());
                end = span.end;
            }
        }
    }
}
