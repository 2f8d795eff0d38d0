//! golden-liquid and liquid-spec, judged as the README beside the cases says.

use std::collections::HashMap;

use libtest_mimic::Trial;
use serde_json::Value as Json;
use signalpost_template::{CompileOptions, Language, Mode, OnError, PartialSources, RenderOptions, Template};

use crate::{Counts, budgets, cases, trial};

pub(crate) fn trials(counts: &Counts) -> Vec<Trial> {
    let mut trials = Vec::new();
    for (suite, path) in [
        ("golden-liquid", "liquid/golden_liquid.json"),
        ("liquid-spec", "liquid/liquid_spec.json"),
        ("own-liquid", "own/liquid.json"),
    ] {
        for case in cases(path) {
            let group = case["group"].as_str().unwrap().to_owned();
            let name = case["name"].as_str().unwrap().to_owned();
            trials.push(trial(counts, suite, &group, &name, move || judge(&case)));
        }
    }
    trials
}

/// Partials by name, as given and with `.liquid` added or removed.
fn sources(case: &Json) -> HashMap<String, String> {
    let mut sources = HashMap::new();
    for (name, source) in case["templates"].as_object().into_iter().flatten() {
        let source = source.as_str().unwrap().to_owned();
        let other = match name.strip_suffix(".liquid") {
            Some(short) => short.to_owned(),
            None => format!("{name}.liquid"),
        };
        sources.entry(other).or_insert_with(|| source.clone());
        sources.insert(name.clone(), source);
    }
    sources
}

fn run(case: &Json) -> Result<String, String> {
    let mode = match case["mode"].as_str() {
        Some("strict") => Mode::Strict,
        Some("strict2") => Mode::Strict2,
        _ => Mode::Lax,
    };
    let options = CompileOptions {
        mode,
        refuse_unknown: false,
        auto_escape: case["autoEscape"] == true,
        ..CompileOptions::default()
    };
    let source = case["template"].as_str().unwrap();
    let template =
        Template::compile(Language::Liquid, "main", source, &options).map_err(|e| e.to_string())?;
    let partials = PartialSources::new(Language::Liquid, sources(case), &options);
    let mut render = RenderOptions::at("2024-01-01T00:01:58Z".parse().unwrap());
    render.partials = Some(&partials);
    render.budgets = budgets(case);
    let raised = case["invalid"].as_bool() == Some(true);
    render.on_error = if raised { OnError::Raise } else { OnError::Inline };
    let empty = Json::Object(serde_json::Map::new());
    let data = if case["data"].is_object() { &case["data"] } else { &empty };
    template.render(data, &render).map(|r| r.text).map_err(|e| e.to_string())
}

fn judge(case: &Json) -> Result<(), String> {
    let outcome = run(case);
    let shown = || {
        format!(
            "template: {:?}\ndata: {}\npartials: {}",
            case["template"].as_str().unwrap(),
            case["data"],
            case["templates"]
        )
    };
    if case["invalid"].as_bool() == Some(true) {
        return match outcome {
            Err(_) => Ok(()),
            Ok(text) => Err(format!("{}\nexpected an error, got {text:?}", shown())),
        };
    }
    let expected: Vec<&str> = match case["results"].as_array() {
        Some(results) => results.iter().filter_map(Json::as_str).collect(),
        None => case["result"].as_str().into_iter().collect(),
    };
    match outcome {
        Ok(text) if expected.contains(&text.as_str()) => Ok(()),
        Ok(text) => Err(format!("{}\nexpected {expected:?}\n     got  {text:?}", shown())),
        Err(error) => Err(format!("{}\nexpected {expected:?}\n     got  {error}", shown())),
    }
}
