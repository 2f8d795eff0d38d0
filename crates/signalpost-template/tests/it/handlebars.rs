//! Forms of Handlebars that other engines refuse, and the safety of helpers.

use serde_json::json;
use signalpost_template::{BlockArguments, CompileOptions, Helper, HelperCall, Language, Template, Value};

use crate::{mustache, options, partials};

#[test]
fn ordinary_forms_work() {
    let data = json!({"a": {"b": [1, 2]}, "list": ["x", "y"], "o": {"10": "j", "2": "i", "k": "l"}});
    assert_eq!(mustache("{{#a.b}}{{.}}{{/a.b}}{{^x}}none{{/x}}", &data), "12none");
    assert_eq!(
        mustache("{{#each list as |item i|}}{{i}}{{item}}{{#unless @last}},{{/unless}}{{/each}}", &data),
        "0x,1y"
    );
    assert_eq!(mustache("{{#each o}}{{@key}}={{this}} {{/each}}", &data), "2=i 10=j k=l ");
    assert_eq!(mustache("{{#if x}}1{{else if a}}2{{else}}3{{/if}}", &data), "2");
    assert_eq!(mustache("{{#with a}}{{#each b}}{{../../list.[1]}}{{/each}}{{/with}}", &data), "yy");
}

struct Twice;

impl Helper for Twice {
    fn call<'a>(&self, call: &mut HelperCall<'_, 'a>) -> Result<Value<'a>, String> {
        let once = call.block(BlockArguments::default())?;
        let again =
            call.block(BlockArguments { context: Some(call.param(0)), ..BlockArguments::default() })?;
        Ok(Value::from(once + &again))
    }
}

#[test]
fn helpers_run_their_block_and_pass_errors_on() {
    let compile = CompileOptions { known_helpers: vec!["twice".to_owned()], ..CompileOptions::default() };
    let mut with = options();
    with.helpers.insert("twice".to_owned(), Box::new(Twice));
    let data = json!({"n": 1, "o": {"n": 2}});
    let template =
        Template::compile(Language::Handlebars, "t", "{{#twice o}}{{n}}{{/twice}}", &compile).unwrap();
    assert_eq!(template.render(&data, &with).unwrap().text, "12");
    let source = "{{#twice o}}\n{{> gone}}{{/twice}}";
    let template = Template::compile(Language::Handlebars, "t", source, &compile).unwrap();
    let error = template.render(&data, &with).unwrap_err();
    assert_eq!((error.line, error.message.as_str()), (2, "The partial gone could not be found"));
}

/// What differed from handlebars.js once in the differential run, each as small as it could be made.
#[test]
fn the_differential_runs_finds_stay_mended() {
    let data = json!({"a": "A", "list": [1, false, []], "none": null, "name": "tea", "n": 1.5});
    let same = |source: &str, expected: &str| assert_eq!(mustache(source, &data), expected, "{source}");
    // An empty name is the context.
    same("{{#with name}}{{''}}{{[]}}{{/with}}", "teatea");
    // `lookup` looks for the text of a number.
    same("{{lookup name 1}}{{lookup name 1.5}}{{lookup none}}", "e");
    // A partial's hash extends what items and letters there are.
    same("{{#*inline 'p'}}{{#each .}}{{@key}}={{this}};{{/each}}{{/inline}}{{> p 'ab' x=1}}", "0=a;1=b;x=1;");
    same(
        "{{#*inline 'p'}}{{#each .}}{{@key}}={{this}};{{/each}}{{/inline}}{{> p list x=1 y=undefined}}",
        "0=1;1=false;2=;x=1;",
    );
    // Standard helpers run their block in an empty object where there is no context; sections do not.
    same(
        "{{#*inline 'p'}}{{#if 1}}{{.}}{{/if}}|{{^x}}{{.}}{{/x}}{{/inline}}{{> p nothing}}",
        "[object Object]|",
    );
    // Contexts are compared with `==`: an empty list is no other context than false.
    same("{{#each list}}{{#each ../list}}{{#with ..}}+{{else}}-{{/with}}{{/each}}{{/each}}", "+++-++-++");
}

#[test]
fn inline_partials_see_what_their_template_sees() {
    let data = json!({"a": "A", "x": {"a": "X"}, "list": [1, 2]});
    let same = |source: &str, expected: &str| assert_eq!(mustache(source, &data), expected, "{source}");
    same("{{#*inline 'p'}}[{{> @partial-block}}]{{/inline}}{{#> p}}block{{/p}}", "[block]");
    same("{{#*inline 'p'}}{{@../key}}{{@key}}{{/inline}}{{#each list}}{{> p}}{{/each}}", "01");
    // At the root, no context is around an inline partial but its own.
    same("{{#*inline 'p'}}{{../a}}{{/inline}}{{> p x}}", "");
    same("{{#with x}}{{#*inline 'p'}}{{a}}{{../a}}{{/inline}}{{> p ../list}}{{/with}}", "A");
    // One that calls itself does not find another of its name.
    let endless = Template::compile(
        Language::Handlebars,
        "test",
        "{{#*inline 'p'}}{{> p}}{{/inline}}{{> p}}",
        &CompileOptions::default(),
    );
    assert!(endless.unwrap().render(&data, &options()).is_err());
}

#[test]
fn data_can_be_turned_off() {
    let mut compile = CompileOptions::default();
    compile.handlebars.data = false;
    let data = json!({"list": ["a", "b"], "r": 1});
    let partials =
        partials(Language::Handlebars, &[("p", "{{@root.r}}{{#each list}}{{@index}}{{this}}{{/each}}")]);
    let mut options = options();
    options.partials = Some(&partials);
    let render = |source: &str| {
        Template::compile(Language::Handlebars, "test", source, &compile).unwrap().render(&data, &options)
    };
    assert_eq!(render("{{> p}}").unwrap().text, "ab");
    // A template that asks for data has it all the same, and so have its partials.
    assert_eq!(render("{{@root.r}}{{> p}}").unwrap().text, "110a1b");
    assert!(render("{{#> p2}}{{> @partial-block}}{{/p2}}").is_err());
}
