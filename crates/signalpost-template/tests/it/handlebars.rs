//! Forms of Handlebars that other engines refuse, and the safety of helpers.

use serde_json::json;
use signalpost_template::{BlockArguments, CompileOptions, Helper, HelperCall, Language, Template, Value};

use crate::{mustache, options};

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
