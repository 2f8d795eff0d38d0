//! Laws over random templates: no panic, the same twice, never above the budgets.

use proptest::prelude::*;
use serde_json::json;
use signalpost_template::{Budgets, CompileOptions, Language, Mode, OnError, RenderOptions, Template};

/// Pieces that often meet in templates, and some that never should.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("{{ ".to_owned()),
        Just(" }}".to_owned()),
        Just("{% ".to_owned()),
        Just(" %}".to_owned()),
        Just("{%- ".to_owned()),
        Just("{{~".to_owned()),
        "(if|unless|for|case|when|else|elsif|endif|endfor|endcase|assign|capture|endcapture|cycle|liquid|raw|endraw|comment|endcomment|break|continue|tablerow|endtablerow|include|render|increment|ifchanged|endifchanged|doc|enddoc) ",
        "(#if|#each|#with|/if|/each|/with|\\^|else|else if|>|#>|#\\*inline|/inline|!--|--|&|\\{|\\}|\\.\\./|@index|@root|this|as \\|x\\||lookup|\\(|\\)) ",
        "(a|b|c\\.d|list|list\\[0\\]|\\(1\\.\\.5\\)|i in list|x = a|'text'|\"q\"|1|-2\\.5|nil|empty|true) ",
        "(\\| )(upcase|plus: 1|append: a|split: ','|join|sort|map: 'a'|date: '%Y'|slice: 1, 2|replace: 'a', 'bb'|times: a|default: b) ",
        "(==|!=|<|contains|and|or|,|:|in|limit:|offset:|cols:|\\.|\\[|\\]|\\||\"|') ?",
        ".{0,5}",
        Just("\n".to_owned()),
    ]
}

fn source() -> impl Strategy<Value = String> {
    prop::collection::vec(piece(), 0..40).prop_map(|pieces| pieces.concat())
}

fn budgets() -> Budgets {
    Budgets { operations: 20_000, output_bytes: 5_000, assigned_bytes: 50_000, partial_depth: 10 }
}

fn check(language: Language, mode: Mode, source: &str) -> Result<(), TestCaseError> {
    let compile = CompileOptions { mode, refuse_unknown: false, ..CompileOptions::default() };
    let Ok(template) = Template::compile(language, "random", source, &compile) else {
        return Ok(());
    };
    let data =
        json!({"a": 3, "b": "x,y", "c": {"d": [1, "z"]}, "list": [{"a": 1}, {"a": null}, 2.5, "t", [1]]});
    let mut options = RenderOptions::at("2026-02-03T04:05:06Z".parse().unwrap());
    options.budgets = budgets();
    options.on_error = OnError::Inline;
    let first = template.render(&data, &options);
    if let Ok(rendered) = &first {
        prop_assert!(rendered.text.len() <= budgets().output_bytes);
        prop_assert!(rendered.operations <= budgets().operations);
    }
    let again = template.render(&data, &options);
    prop_assert_eq!(
        first.map(|r| r.text).map_err(|e| e.to_string()),
        again.map(|r| r.text).map_err(|e| e.to_string())
    );
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn liquid_stays_within_its_budgets(source in source(), mode in 0..3) {
        let mode = [Mode::Lax, Mode::Strict, Mode::Strict2][mode as usize];
        check(Language::Liquid, mode, &source)?;
    }

    #[test]
    fn handlebars_stays_within_its_budgets(source in source()) {
        check(Language::Handlebars, Mode::Lax, &source)?;
    }

    /// JavaScript prints floats of usual size by their shortest digits, as Rust does.
    #[test]
    fn floats_print_by_their_shortest_digits(amount in -10_000_000_000_i64..10_000_000_000, places in 0..7, raw in any::<f64>()) {
        let decimal: f64 = format!("{amount}e-{places}").parse().unwrap();
        for float in [decimal, decimal / 3.0, raw % 1e9] {
            if float == 0.0 || float.abs() >= 1e-5 {
                prop_assert_eq!(signalpost_template::Value::from(float).to_js_text(), (float + 0.0).to_string());
            }
        }
    }
}
