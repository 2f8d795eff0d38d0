//! `/api/campaigns`: who gets what, and when.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use signalpost_core::campaign::{Campaign, Limits, Trigger};
use signalpost_core::time::{Span, Timestamp};

use super::{Answer, check_name, json as answer, ok, read};
use crate::app::App;
use crate::define;
use crate::documents::{Document, Kind};
use crate::problem::Problem;
use crate::schedule;
use crate::serve::auth;

/// A campaign as the API takes it.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// The segment spoken to.
    audience: Option<String>,
    /// What starts a message.
    trigger: TriggerDefinition,
    /// The template's name.
    template: String,
    /// The destination's name.
    destination: String,
    /// A recommendation strategy, `auto` when absent.
    recommend: Option<String>,
    /// Bounds.
    #[serde(default)]
    limits: LimitsDefinition,
    /// Whether it decides anything.
    #[serde(default = "yes")]
    active: bool,
}

fn yes() -> bool {
    true
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case", tag = "on", deny_unknown_fields)]
enum TriggerDefinition {
    Enter { segment: Option<String> },
    Exit { segment: Option<String> },
    Event { event_type: String },
    Schedule { cron: String, time_zone: Option<String> },
    Once { at: Option<String> },
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
struct LimitsDefinition {
    /// Messages of all campaigns to one person within `cap_hours`.
    cap: u32,
    cap_hours: Option<f64>,
    /// Hours of rest between two messages of this campaign to one person.
    rest_hours: Option<f64>,
    /// The consent that matters; `email` when absent, none when "".
    consent: Option<String>,
    /// Whether silence counts as no.
    consent_required: bool,
    /// Percent of people held out, for measuring.
    holdout_percent: u8,
}

#[expect(clippy::cast_possible_truncation, reason = "a float-to-integer cast saturates")]
fn hours(field: &str, hours: f64) -> Result<Span, Problem> {
    if !(0.0..=87_600.0).contains(&hours) {
        return Err(Problem::invalid(field, format!("{hours} is not a number of hours from 0 to 87,600")));
    }
    Ok(Span::from_micros((hours * 3_600_000_000.0).round() as i64))
}

impl Definition {
    fn into_campaign(self, name: &str, now: Timestamp) -> Result<Campaign, Problem> {
        let audience = self.audience.as_deref();
        let segment = |own: Option<String>| {
            own.or_else(|| audience.map(str::to_owned)).map(String::into_boxed_str).ok_or_else(|| {
                Problem::invalid("trigger.segment", "say which segment: trigger.segment or audience")
            })
        };
        let trigger = match self.trigger {
            TriggerDefinition::Enter { segment: own } => Trigger::Enter { segment: segment(own)? },
            TriggerDefinition::Exit { segment: own } => Trigger::Exit { segment: segment(own)? },
            TriggerDefinition::Event { event_type } => Trigger::Event { event_type: event_type.into() },
            TriggerDefinition::Schedule { cron, time_zone } => {
                let time_zone = time_zone.unwrap_or_else(|| "UTC".into());
                schedule::parse(&cron).map_err(|error| Problem::invalid("trigger.cron", error))?;
                jiff::tz::TimeZone::get(&time_zone)
                    .map_err(|error| Problem::invalid("trigger.time_zone", error.to_string()))?;
                Trigger::Schedule { cron: cron.into(), time_zone: time_zone.into() }
            }
            TriggerDefinition::Once { at } => Trigger::Once {
                at: at.map(|at| super::instant("trigger.at", &at)).transpose()?.unwrap_or(now),
            },
        };
        // On leaving, the person is no longer in the audience by definition.
        let audience = if matches!(trigger, Trigger::Exit { .. }) {
            None
        } else {
            self.audience.map(String::into_boxed_str)
        };
        let limits = self.limits;
        if limits.holdout_percent > 100 {
            return Err(Problem::invalid("limits.holdout_percent", "a percentage is from 0 to 100"));
        }
        Ok(Campaign {
            name: name.into(),
            trigger,
            audience,
            template: self.template.into(),
            destination: self.destination.into(),
            recommend: self.recommend.map(String::into_boxed_str),
            limits: Limits {
                cap: limits.cap,
                cap_window: hours("limits.cap_hours", limits.cap_hours.unwrap_or(24.0))?,
                rest: hours("limits.rest_hours", limits.rest_hours.unwrap_or(0.0))?,
                consent: match limits.consent.as_deref() {
                    None => Some("email".into()),
                    Some("") => None,
                    Some(purpose) => Some(purpose.into()),
                },
                consent_required: limits.consent_required,
                holdout_percent: limits.holdout_percent,
            },
            active: self.active,
        })
    }
}

fn shown(document: &Document) -> Json {
    json!({"name": document.name, "version": document.version, "at": document.at.to_string(), "definition": document.json()})
}

/// Lists the campaigns.
///
/// # Errors
/// The usual.
#[utoipa::path(get, path = "/api/campaigns", tag = "deliver", operation_id = "listCampaigns", responses((status = 200)))]
pub async fn list(State(app): State<Arc<App>>, headers: HeaderMap) -> Answer {
    auth::require(&app, &headers, "deliver:read")?;
    let campaigns: Vec<Json> = app.documents.list(Kind::Campaign)?.iter().map(shown).collect();
    Ok(ok(&json!({"campaigns": campaigns})))
}

/// Defines a campaign.
///
/// # Errors
/// 422 naming the field that is wrong.
#[utoipa::path(put, path = "/api/campaigns/{name}", tag = "deliver", operation_id = "putCampaign", params(("name" = String, Path)), request_body(content = Object), responses((status = 200), (status = 201), (status = 422)))]
pub async fn put(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    auth::require(&app, &headers, "deliver:write")?;
    check_name(&name)?;
    let raw: Json = read(&body)?;
    let definition: Definition = read(&body)?;
    for (field, kind, value) in [
        ("template", Kind::Template, &definition.template),
        ("destination", Kind::Destination, &definition.destination),
    ] {
        if app.documents.get(kind, value)?.is_none() {
            return Err(Problem::invalid(field, format!("there is no {field} '{value}'; define it first")));
        }
    }
    let campaign = definition.into_campaign(&name, app.clock.now())?;
    let (document, is_new) = define::put_campaign(&app, campaign, &raw).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok(answer(status, &shown(&document)))
}

/// Takes a campaign away.
///
/// # Errors
/// 404 and the usual.
#[utoipa::path(delete, path = "/api/campaigns/{name}", tag = "deliver", operation_id = "deleteCampaign", params(("name" = String, Path)), responses((status = 204), (status = 404)))]
pub async fn delete(State(app): State<Arc<App>>, Path(name): Path<String>, headers: HeaderMap) -> Answer {
    auth::require(&app, &headers, "deliver:write")?;
    if define::remove_campaign(&app, &name).await? {
        Ok(answer(StatusCode::NO_CONTENT, &Json::Null))
    } else {
        Err(Problem::not_found("campaign", &name))
    }
}
