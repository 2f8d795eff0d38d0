//! What is known of a person, as one document: for whoever asks to see it (GDPR,
//! article 15) or to take it elsewhere (article 20).

use serde_json::{Value as Json, json};
use signalpost_core::event::Event;
use signalpost_core::id::ProfileKey;
use signalpost_core::value::map_to_json;

use crate::admin::profiles;
use crate::app::App;
use crate::deliver::DeliveryRecord;
use crate::history::{change_json, event_json};
use crate::problem::Problem;
use crate::state::{self, Table};
use crate::worker::{ChangeRow, history_prefix, read_timeline};

/// All that is known of a person, or of a device that is nobody's: profile,
/// events, changes of membership, deliveries. `None` when nothing is. Reads the
/// disk.
///
/// # Errors
/// When the store fails.
pub fn of(app: &App, key: &ProfileKey) -> Result<Option<Json>, Problem> {
    let profile = profiles::load_key(app, key)?;
    let events: Vec<Json> =
        read_timeline(&*app.store, key)?.iter().map(|(_, event)| whole_event(event)).collect();
    let deliveries = deliveries(app, key)?;
    if profile.is_none() && events.is_empty() && deliveries.is_empty() {
        return Ok(None);
    }
    let (customer_id, anonymous_id) = match key {
        ProfileKey::Customer(id) => (Some(id.as_str()), None),
        ProfileKey::Anonymous(id) => (None, Some(id.as_str())),
    };
    Ok(Some(json!({
        "customer_id": customer_id,
        "anonymous_id": anonymous_id,
        "made_at": app.clock.now().to_string(),
        "profile": profile.map(|profile| profiles::description(app, &profile)),
        "events": events,
        "memberships": memberships(app, key)?,
        "deliveries": deliveries,
    })))
}

fn whole_event(event: &Event) -> Json {
    let mut json = event_json(event);
    if let Some(object) = json.as_object_mut() {
        object.insert("traits".to_owned(), map_to_json(&event.traits));
        object.insert("context".to_owned(), map_to_json(&event.context));
    }
    json
}

/// Every entry and exit, segment by segment.
fn memberships(app: &App, key: &ProfileKey) -> Result<Vec<Json>, Problem> {
    let last_id = app.program.read().unwrap_or_else(std::sync::PoisonError::into_inner).last_id();
    let mut changes = Vec::new();
    for segment in 0..=last_id {
        let rows =
            state::scan_prefix(&*app.store, Table::History, &history_prefix(segment, key), usize::MAX)?;
        for (_, value) in rows {
            let row: ChangeRow = state::decode(Table::History, &value)?;
            changes.push(change_json(&row.change));
        }
    }
    Ok(changes)
}

fn deliveries(app: &App, key: &ProfileKey) -> Result<Vec<Json>, Problem> {
    let mut found = Vec::new();
    super::each_row(&*app.store, Table::Deliveries, |_, value| {
        let record: DeliveryRecord = state::decode(Table::Deliveries, value)?;
        if record.delivery.profile == *key {
            found.push(record.to_json());
        }
        Ok(())
    })?;
    Ok(found)
}
