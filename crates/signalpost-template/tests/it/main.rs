//! What the crate promises beside the languages themselves: budgets, errors with places, features for mail.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may stop on a broken promise"
)]

mod budgets;
mod errors;
mod handlebars;
mod mail;
mod promises;
mod random;
mod tools;

use std::collections::HashMap;

use serde_json::Value as Json;
use signalpost_template::{
    CompileOptions, Error, Language, PartialSources, RenderOptions, Rendered, Template,
};

/// The usual options at a fixed time.
pub(crate) fn options<'a>() -> RenderOptions<'a> {
    RenderOptions::at("2026-02-03T04:05:06Z".parse().unwrap())
}

/// Compiles and renders with the default options.
pub(crate) fn render(language: Language, source: &str, data: &Json) -> Result<Rendered, Error> {
    Template::compile(language, "test", source, &CompileOptions::default())?.render(data, &options())
}

pub(crate) fn liquid(source: &str, data: &Json) -> String {
    render(Language::Liquid, source, data).unwrap().text
}

pub(crate) fn mustache(source: &str, data: &Json) -> String {
    render(Language::Handlebars, source, data).unwrap().text
}

/// Partials of one language.
pub(crate) fn partials(language: Language, sources: &[(&str, &str)]) -> PartialSources {
    let sources: HashMap<String, String> =
        sources.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    PartialSources::new(language, sources, &CompileOptions::default())
}
