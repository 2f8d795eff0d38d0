//! handlebars-spec, judged as the README beside the cases says; cases that need JavaScript are left out.

use std::collections::HashMap;

use libtest_mimic::Trial;
use serde_json::Value as Json;
use signalpost_template::{
    CompileOptions, HandlebarsOptions, Language, PartialSources, RenderOptions, Template, Value,
};

use crate::helpers::described;
use crate::{Counts, budgets, cases, trial};

pub(crate) fn trials(counts: &Counts) -> Vec<Trial> {
    let mut trials = Vec::new();
    let shared = cases("handlebars/handlebars_spec.json").into_iter().map(|case| ("handlebars", case));
    let own = cases("own/handlebars.json").into_iter().map(|case| ("own-handlebars", case));
    for (suite, case) in shared.chain(own) {
        if case["class"] == "js-only" {
            continue;
        }
        let group = format!("{} / {}", case["group"].as_str().unwrap(), case["class"].as_str().unwrap());
        let name = case["name"].as_str().unwrap().to_owned();
        trials.push(trial(counts, suite, &group, &name, move || judge(&case)));
    }
    trials
}

fn options(case: &Json) -> CompileOptions {
    let given = &case["compileOptions"];
    let is = |name: &str| given[name].as_bool() == Some(true);
    let known = given["knownHelpers"].as_object().into_iter().flatten();
    CompileOptions {
        refuse_unknown: false,
        known_helpers: known.map(|(name, _)| name.clone()).collect(),
        handlebars: HandlebarsOptions {
            strict: is("strict"),
            assume_objects: is("assumeObjects"),
            compat: is("compat"),
            data: given["data"].as_bool() != Some(false),
            known_helpers_only: is("knownHelpersOnly"),
            prevent_indent: is("preventIndent"),
            ignore_standalone: is("ignoreStandalone"),
            explicit_partial_context: is("explicitPartialContext"),
            no_escape: is("noEscape"),
        },
        ..CompileOptions::default()
    }
}

fn run(case: &Json) -> Result<String, String> {
    let options = options(case);
    let source = case["template"].as_str().unwrap();
    let template =
        Template::compile(Language::Handlebars, "main", source, &options).map_err(|e| e.to_string())?;
    let partials = case["partials"].as_object().into_iter().flatten();
    let sources: HashMap<String, String> =
        partials.map(|(k, v)| (k.clone(), v.as_str().unwrap_or("").to_owned())).collect();
    let partials = PartialSources::new(Language::Handlebars, sources, &options);
    let mut render = RenderOptions::at("2024-01-01T00:01:58Z".parse().unwrap());
    render.partials = Some(&partials);
    render.budgets = budgets(case);
    render.helpers = described(case);
    let data = case["runtimeOptions"]["data"].as_object().into_iter().flatten();
    render.data = data.map(|(k, v)| (k.clone(), Value::from(v))).collect();
    template.render(&case["data"], &render).map(|r| r.text).map_err(|e| e.to_string())
}

fn judge(case: &Json) -> Result<(), String> {
    let outcome = run(case);
    let shown = || {
        format!(
            "template: {:?}\ndata: {}\npartials: {}\noptions: {} {}\nhelpers: {}",
            case["template"].as_str().unwrap(),
            case["data"],
            case["partials"],
            case["compileOptions"],
            case["runtimeOptions"],
            case["helpers"]
        )
    };
    if case["invalid"].as_bool() == Some(true) {
        return match outcome {
            Err(_) => Ok(()),
            Ok(text) => Err(format!("{}\nexpected an error, got {text:?}", shown())),
        };
    }
    let expected = case["result"].as_str().unwrap();
    match outcome {
        Ok(text) if text == expected => Ok(()),
        Ok(text) => Err(format!("{}\nexpected {expected:?}\n     got  {text:?}", shown())),
        Err(error) => Err(format!("{}\nexpected {expected:?}\n     got  {error}", shown())),
    }
}
