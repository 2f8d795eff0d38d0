//! What both targets do with a template: compile it, render it within small budgets, ask the tools about it.

use signalpost_template::{
    Budgets, CompileOptions, Language, Mode, OnError, PartialSources, RenderOptions, Template, spans,
};

/// Compiles and renders; whatever happens must happen within the budgets and without a panic.
pub fn render(language: Language, source: &str) {
    let mode = [Mode::Lax, Mode::Strict, Mode::Strict2][source.len() % 3];
    let compile = CompileOptions {
        mode,
        refuse_unknown: false,
        auto_escape: source.len() % 2 == 0,
        ..CompileOptions::default()
    };
    for span in spans(language, source) {
        assert!(source.get(span.start..span.end).is_some());
    }
    let template = match Template::compile(language, "fuzz", source, &compile) {
        Ok(template) => template,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let partials = PartialSources::new(
        language,
        [("p".to_owned(), source.to_owned())].into_iter().collect(),
        &compile,
    );
    let data = serde_json::json!({
        "a": 3, "b": "x,y", "c": {"d": [1, "z"]}, "list": [{"a": 1}, {"a": null}, 2.5, "t", [1]], "p": "p",
    });
    let mut options = RenderOptions::at(jiff::Timestamp::UNIX_EPOCH);
    options.budgets =
        Budgets { operations: 50_000, output_bytes: 20_000, assigned_bytes: 100_000, partial_depth: 20 };
    options.on_error = OnError::Inline;
    options.partials = Some(&partials);
    if let Ok(rendered) = template.render(&data, &options) {
        assert!(rendered.text.len() <= options.budgets.output_bytes);
        assert!(rendered.operations <= options.budgets.operations);
    }
    assert!(template.names().is_sorted());
}
