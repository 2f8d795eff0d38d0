//! The JavaScript engines, timed by `benchsuite/mail.js` under Node.
//!
//! In: the mail in both languages, its data, how long to measure. Out: what each engine wrote and its time; `None`,
//! said loudly, where Node or the packages are missing.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

/// What one engine did.
pub(crate) struct Measured {
    pub(crate) text: String,
    pub(crate) nanoseconds: f64,
}

pub(crate) struct Javascript {
    pub(crate) liquid: Measured,
    pub(crate) handlebars: Measured,
}

pub(crate) fn measure(liquid: &str, handlebars: &str, data: &Value, span: Duration) -> Option<Javascript> {
    match run(liquid, handlebars, data, span) {
        Ok(measured) => Some(measured),
        Err(why) => {
            println!(
                "SKIPPED: liquidjs and handlebars.js ({why}); they need Node and `npm ci` in benchsuite/"
            );
            None
        }
    }
}

fn run(liquid: &str, handlebars: &str, data: &Value, span: Duration) -> Result<Javascript, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let request =
        json!({ "liquid": liquid, "handlebars": handlebars, "data": data, "seconds": span.as_secs_f64() });
    let mut node = Command::new("node")
        .arg("mail.js")
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| e.to_string())?;
    if let Some(mut input) = node.stdin.take() {
        input.write_all(request.to_string().as_bytes()).map_err(|e| e.to_string())?;
    }
    let output = node.wait_with_output().map_err(|e| e.to_string())?;
    let answer: Value =
        serde_json::from_slice(&output.stdout).map_err(|_| "node mail.js failed".to_owned())?;
    let engine = |name: &str| Measured {
        text: answer[name]["text"].as_str().unwrap_or("").to_owned(),
        nanoseconds: answer[name]["nanoseconds"].as_f64().unwrap_or(f64::NAN),
    };
    Ok(Javascript { liquid: engine("liquidjs"), handlebars: engine("handlebars") })
}
