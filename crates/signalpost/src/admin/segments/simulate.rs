//! `POST /api/segments/{name}/simulate`: a version played over history.
//!
//! Each person's timeline is played by the clock of its events, by the step that
//! is live, one person at a time: memory stays the same however many there are.
//! One simulation at a time, beside the path, for as long as it may take.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Value as Json, json};
use signalpost_core::campaign::Trigger;
use signalpost_core::profile::Profile;
use signalpost_core::program::Program;
use signalpost_core::segment::Statement;
use signalpost_core::step::{self, Action};
use signalpost_core::time::{Span, Timestamp};

use super::membership::{each_person, refreshed_at};
use super::{Sent, blocking, read_sent};
use crate::admin::{Answer, instant, ok, profiles};
use crate::app::App;
use crate::problem::Problem;
use crate::serve::auth;
use crate::worker::read_timeline;
use crate::{clock, define, deliver};

/// The longest time played.
const DAYS_MAX: i64 = 3_660;
/// How long a simulation may take when nothing else is said, and at most.
const SECONDS: u64 = 60;
const SECONDS_MAX: u64 = 600;

/// What is asked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    from: Option<String>,
    to: Option<String>,
    seconds: Option<u64>,
}

/// What was counted on one day.
#[derive(Default)]
struct Day {
    entered: u64,
    left: u64,
}

/// What a simulation counts.
struct Tally {
    wanted: u32,
    days: BTreeMap<i64, Day>,
    campaigns: BTreeMap<Box<str>, BTreeMap<&'static str, u64>>,
    people: u64,
    members_from: u64,
    members_to: u64,
    complete: bool,
}

/// Plays a segment, as defined or as drafted in the body, over history.
///
/// # Errors
/// 404, 422 when the draft is refused, 429 while another one runs.
#[utoipa::path(post, path = "/api/segments/{name}/simulate", tag = "segments", operation_id = "simulateSegment", params(("name" = String, Path), ("from" = Option<String>, Query, description = "RFC 3339; 30 days before `to` when absent"), ("to" = Option<String>, Query, description = "RFC 3339; now when absent"), ("seconds" = Option<u64>, Query, description = "the longest it may take: 60 when absent, 600 at most")), request_body(content = Option<Object>, description = "A draft: {\"rule\"}, {\"sql\"} or {\"builder\"}; the version in force when empty"), responses((status = 200, description = "{days: [{day, entered, left}], campaigns: [{campaign, trigger, decisions}], members_at_start, members_at_end, people, complete}"), (status = 404), (status = 422), (status = 429)))]
pub async fn simulate(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    auth::require(&app, &headers, "segments:read")?;
    let now = app.clock.now();
    let to = asked.to.map(|to| instant("to", &to)).transpose()?.unwrap_or(now).min(now);
    let from = asked.from.map(|from| instant("from", &from)).transpose()?;
    let from = from.unwrap_or(to - Span::DAY.times(30));
    if from > to || to - from > Span::DAY.times(DAYS_MAX) {
        let detail = format!("from is before to, and at most {DAYS_MAX} days are played");
        return Err(Problem::invalid("from", detail));
    }
    let draft = draft(&app, &name, &body)?;
    let Ok(turn) = Arc::clone(&app.simulating).try_lock_owned() else {
        let detail = "another simulation is under way; try again when it is done";
        return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "busy", detail));
    };
    let until =
        clock::instant() + Duration::from_secs(asked.seconds.unwrap_or(SECONDS).clamp(1, SECONDS_MAX));
    let task_app = Arc::clone(&app);
    let (tally, draft) = blocking(move || {
        let _turn = turn;
        let tally = crate::priority::yielding(|| play(&task_app, &draft, from, to, until));
        let failed =
            || Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "no thread can be started");
        Ok::<_, Problem>((tally.ok_or_else(failed)??, draft))
    })
    .await??;
    Ok(ok(&shown(&name, &draft, &tally, from, to)))
}

/// The program with the segment of the body, or the one in force, drafted in.
fn draft(app: &App, name: &str, body: &Bytes) -> Result<Program, Problem> {
    let now = app.clock.now();
    if matches!(body.trim_ascii(), b"" | b"null") {
        let program = app.program.read().unwrap_or_else(PoisonError::into_inner);
        let held = program.segment(name).ok_or_else(|| Problem::not_found("segment", name))?;
        if !held.is_live() {
            let detail = "a refreshed segment depends on what its query saw; only live ones can be played";
            return Err(Problem::invalid("name", detail));
        }
        return Ok(program.draft(name, held.definition.clone(), now));
    }
    let Sent { text, refresh, .. } = read_sent(app, body)?;
    if define::refreshed(app, name, &text, refresh)?.is_some() {
        return Err(Problem::invalid("refresh", "only live segments can be played over history"));
    }
    match define::read(app, name, &text)? {
        Statement::Segment(definition) => {
            define::remarks(app, name, &definition)?;
            let program = app.program.read().unwrap_or_else(PoisonError::into_inner);
            Ok(program.draft(name, definition, now))
        }
        Statement::Sequence(_) => {
            Err(Problem::invalid("rule", "a sequence rule has no members; send a segment"))
        }
    }
}

fn play(
    app: &App,
    draft: &Program,
    from: Timestamp,
    to: Timestamp,
    until: Instant,
) -> Result<Tally, Problem> {
    let wanted = draft.segments.last().map_or(0, |segment| segment.id);
    let mut tally = Tally {
        wanted,
        days: (from.day()..=to.day()).map(|day| (day, Day::default())).collect(),
        campaigns: draft
            .campaigns
            .iter()
            .map(|(_, campaign)| (campaign.name.clone(), BTreeMap::new()))
            .collect(),
        people: 0,
        members_from: 0,
        members_to: 0,
        complete: true,
    };
    each_person(app, &mut |key| {
        if clock::instant() >= until || app.partitions.is_stopping() {
            tally.complete = false;
            return Ok(false);
        }
        let mut profile = Profile::new(key);
        profile.memberships = refreshed_at(app, draft, &profile.key, from)?;
        if !draft.campaigns.is_empty()
            && let Some(held) = profiles::load_key(app, &profile.key)?
        {
            profile.consents = held.consents;
        }
        let timeline = read_timeline(&*app.store, &profile.key)?;
        let actions = step::play(&mut profile, draft, timeline, from, to);
        tally.count(&profile, &actions);
        Ok(true)
    })?;
    Ok(tally)
}

impl Tally {
    fn count(&mut self, profile: &Profile, actions: &[Action]) {
        self.people += 1;
        let mut moves = 0_i64;
        for action in actions {
            match action {
                Action::Membership(change) if change.segment_id == self.wanted => {
                    moves += if change.entered { 1 } else { -1 };
                    let day = self.days.entry(change.at.day()).or_default();
                    if change.entered { day.entered += 1 } else { day.left += 1 }
                }
                Action::Deliver(delivery) => {
                    let decisions = self.campaigns.entry(delivery.campaign.clone()).or_default();
                    *decisions.entry(deliver::decision_name(&delivery.decision)).or_default() += 1;
                }
                _ => {}
            }
        }
        let is_member = profile.is_member(self.wanted);
        self.members_to += u64::from(is_member);
        self.members_from += u64::from(i64::from(is_member) - moves == 1);
    }
}

fn shown(name: &str, draft: &Program, tally: &Tally, from: Timestamp, to: Timestamp) -> Json {
    let midnight = |day: i64| (Timestamp::from_micros(0) + Span::DAY.times(day)).to_string();
    let date = |day: i64| midnight(day).split('T').next().unwrap_or_default().to_owned();
    let days: Vec<Json> = tally
        .days
        .iter()
        .map(|(day, counted)| json!({"day": date(*day), "entered": counted.entered, "left": counted.left}))
        .collect();
    let campaigns: Vec<Json> = draft
        .campaigns
        .iter()
        .map(|(_, campaign)| {
            let trigger = if matches!(campaign.trigger, Trigger::Exit { .. }) { "exit" } else { "enter" };
            let decisions = tally.campaigns.get(&campaign.name);
            let fired = decisions.map_or(0, |decisions| decisions.values().sum::<u64>());
            json!({"campaign": campaign.name, "trigger": trigger, "fired": fired, "decisions": decisions})
        })
        .collect();
    json!({
        "segment": name,
        "from": from.to_string(),
        "to": to.to_string(),
        "entered": tally.days.values().map(|day| day.entered).sum::<u64>(),
        "left": tally.days.values().map(|day| day.left).sum::<u64>(),
        "members_at_start": tally.members_from,
        "members_at_end": tally.members_to,
        "days": days,
        "campaigns": campaigns,
        "people": tally.people,
        "complete": tally.complete,
    })
}
