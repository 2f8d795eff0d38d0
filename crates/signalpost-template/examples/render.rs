//! Renders templates from standard input, for comparisons with other engines.
//!
//! In: JSON lines `{"language", "mode", "onError", "template", "data", "partials", "compileOptions"}`. Out: JSON lines
//! `{"text"}` or `{"error"}`.

use std::collections::HashMap;
use std::io::{BufRead as _, Write as _};

use serde_json::{Value, json};
use signalpost_template::{
    CompileOptions, Error, HandlebarsOptions, Language, Mode, OnError, PartialSources, RenderOptions,
    Template,
};

fn text<'c>(case: &'c Value, field: &str) -> &'c str {
    case.get(field).and_then(Value::as_str).unwrap_or("")
}

fn run(case: &Value) -> Result<String, Error> {
    let language =
        if text(case, "language") == "handlebars" { Language::Handlebars } else { Language::Liquid };
    let mode = match text(case, "mode") {
        "strict" => Mode::Strict,
        "strict2" => Mode::Strict2,
        _ => Mode::Lax,
    };
    let is = |name: &str| case.get("compileOptions").and_then(|o| o.get(name)) == Some(&Value::Bool(true));
    let handlebars = HandlebarsOptions {
        strict: is("strict"),
        assume_objects: is("assumeObjects"),
        compat: is("compat"),
        known_helpers_only: is("knownHelpersOnly"),
        prevent_indent: is("preventIndent"),
        ignore_standalone: is("ignoreStandalone"),
        explicit_partial_context: is("explicitPartialContext"),
        no_escape: is("noEscape"),
        data: case.pointer("/compileOptions/data") != Some(&Value::Bool(false)),
    };
    let options = CompileOptions { mode, refuse_unknown: false, handlebars, ..CompileOptions::default() };
    let template = Template::compile(language, "main", text(case, "template"), &options)?;
    let partials = case.get("partials").and_then(Value::as_object).into_iter().flatten();
    let sources: HashMap<String, String> =
        partials.map(|(name, source)| (name.clone(), source.as_str().unwrap_or("").to_owned())).collect();
    let partials = PartialSources::new(language, sources, &options);
    let mut render = RenderOptions::at(jiff::Timestamp::UNIX_EPOCH);
    render.partials = Some(&partials);
    render.on_error = if text(case, "onError") == "raise" { OnError::Raise } else { OnError::Inline };
    Ok(template.render(case.get("data").unwrap_or(&Value::Null), &render)?.text)
}

fn main() -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let answer = match serde_json::from_str::<Value>(&line?) {
            Ok(case) => match run(&case) {
                Ok(text) => json!({ "text": text }),
                Err(error) => json!({ "error": error.message.clone() }),
            },
            Err(error) => json!({ "error": error.to_string() }),
        };
        writeln!(out, "{answer}")?;
    }
    Ok(())
}
