//! Commands that look back and ahead: simulation, forecast, runs of queries,
//! unexpected values.

use std::process::ExitCode;

use serde_json::{Value as Json, json};

use super::super::client::{Client, encode};
use super::super::output;
use super::{Command, Texts, read};

/// Runs one of them.
///
/// # Errors
/// When the API refuses.
pub(super) async fn run(command: Command, client: &Client, json: bool) -> anyhow::Result<ExitCode> {
    match command {
        Command::Simulate { name, draft, from, to, seconds } => {
            let draft = draft.map(|text| read(&Texts { text, ..Texts::default() })).transpose()?;
            let draft = draft.and_then(|named| named.into_iter().next());
            let body = draft.map_or(Json::Null, |named| named.body());
            let instants = [("from", from), ("to", to)];
            let given = instants.iter().filter_map(|(name, at)| at.as_ref().map(|at| (name, encode(at))));
            let given: String = given.map(|(name, at)| format!("&{name}={at}")).collect();
            let path = format!("/api/segments/{}/simulate?seconds={seconds}{given}", encode(&name));
            simulated(&client.post(&path, &body).await?, json);
        }
        Command::Forecast { name, hours } => {
            let path = format!("/api/segments/{}/forecast?hours={hours}", encode(&name));
            let answer = client.get(&path).await?;
            if json {
                output::object(&answer, json);
            } else {
                let columns = [("hour from", "from"), ("entering", "entering"), ("leaving", "leaving")];
                output::list(&answer["hours"], &columns, json);
                println!("entering {}, leaving {}", answer["entering"], answer["leaving"]);
            }
        }
        Command::Refresh { name } => {
            let path = format!("/api/segments/{}/refresh", encode(&name));
            output::object(&client.post(&path, &Json::Null).await?, json);
        }
        Command::Runs { name, limit } => {
            let answer = client.get(&format!("/api/segments/{}/runs?limit={limit}", encode(&name))).await?;
            let columns = [
                ("run", "run"),
                ("started", "started_at"),
                ("cause", "cause"),
                ("status", "status"),
                ("ms", "duration_ms"),
                ("members", "members"),
                ("entered", "entered"),
                ("left", "left"),
                ("error", "error"),
            ];
            output::list(&answer["runs"], &columns, json);
        }
        Command::Unexpected { name } => {
            let answer = client.get(&format!("/api/segments/{}/unexpected", encode(&name))).await?;
            let columns = [
                ("property", "property"),
                ("trait", "trait"),
                ("in it", "path"),
                ("of events", "events"),
                ("expected", "expected"),
                ("values", "values"),
                ("unexpected", "unexpected"),
                ("for example", "example"),
            ];
            output::list(&answer["unexpected"], &columns, json);
        }
        // The others are met in `super::run`.
        _ => {}
    }
    Ok(ExitCode::SUCCESS)
}

fn simulated(answer: &Json, json: bool) {
    if json {
        output::object(answer, json);
        return;
    }
    output::list(&answer["days"], &[("day", "day"), ("entered", "entered"), ("left", "left")], json);
    let columns =
        [("campaign", "campaign"), ("on", "trigger"), ("fired", "fired"), ("decisions", "decisions")];
    if answer["campaigns"] != json!([]) {
        output::list(&answer["campaigns"], &columns, json);
    }
    println!(
        "{} members at the start, {} entered, {} left, {} at the end, of {} people",
        answer["members_at_start"],
        answer["entered"],
        answer["left"],
        answer["members_at_end"],
        answer["people"]
    );
    if answer["complete"] != json!(true) {
        println!("the time was up before all people were played; give it more with --seconds");
    }
}
