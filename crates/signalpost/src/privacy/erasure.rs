//! Erasures: approved, put on the log, carried out, and said to be done.
//!
//! In: who is to be forgotten. The workers take the person out of their state
//! (see `worker::erasure`); here goes what stands elsewhere: the lake's rows,
//! deliveries and mails, derived events and links kept for the lake, refused
//! events, what the recommendations know of whose sessions were whose. An
//! erasure is through when a look at all of it finds nothing left, so that one
//! that was cut short, or met a mail on its way out, is simply looked at again.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use anyhow::Context;
use serde_json::Value as Json;
use signalpost_core::clean::IMPORTED;
use signalpost_core::event::Event;
use signalpost_core::id::{CustomerId, ProfileKey};
use signalpost_core::profile::fold::UNSUBSCRIBE;
use signalpost_core::time::Timestamp;
use signalpost_core::value::{Map, Value};
use signalpost_lake::Subject;

use super::{ROWS, Status, each_row};
use crate::app::App;
use crate::deliver::{self, DeliveryRecord};
use crate::log::dedup::{Identity, event_identity};
use crate::log::writer::{Incoming, Submission, SubmitError};
use crate::log::{Body, Log, QuarantineId, Reach};
use crate::state::{self, Batch, Store, Table};
use crate::worker::{self, DerivedRow, Erasure, delivery_log_key, erasure_key, outbox_key};
use crate::{documents, history};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(250);
/// After one that failed.
const PAUSE_AFTER_ERROR: Duration = Duration::from_secs(10);
/// Erasures carried out together.
const TOGETHER: usize = 16;
/// Where refused events say who it was.
const NAMES: [&str; 4] = ["customer_id", "userId", "anonymous_id", "anonymousId"];

/// Puts on the log that somebody is to be forgotten. A `device` that is nobody's
/// becomes theirs first, so that it is forgotten as a person's devices are.
///
/// # Errors
/// When it cannot be made durable.
pub async fn ask(
    app: &App,
    customer_id: &str,
    device: Option<&str>,
    request: &str,
) -> Result<(), SubmitError> {
    let customer_id = CustomerId::from(customer_id);
    let partition = ProfileKey::Customer(customer_id.clone()).partition(app.log.partitions());
    let events =
        device.map(|device| link(device, &customer_id, request, app.clock.now())).into_iter().collect();
    let records = vec![(partition, Body::Erase { customer_id, request: request.into() })];
    app.writer.submit(Submission { events, records, ..Submission::default() }).await?;
    Ok(())
}

/// The person that a device becomes so that it can be forgotten.
pub fn nobody(request: &str) -> String {
    format!("erasure:{request}")
}

/// The event that makes a device somebody's: history, and a refusal of mail, so
/// that nothing begins because of it.
fn link(device: &str, customer_id: &CustomerId, request: &str, now: Timestamp) -> Incoming {
    let event_id = nobody(request);
    let event = Event {
        event_id: event_id.as_str().into(),
        event_type: UNSUBSCRIBE.into(),
        customer_id: Some(customer_id.clone()),
        anonymous_id: Some(device.into()),
        timestamp: now,
        received_at: now,
        product_id: None,
        properties: Map::new(),
        traits: Map::new(),
        context: vec![(IMPORTED.into(), Value::Bool(true))],
        source: "privacy".into(),
    };
    let identity = Identity { event_id: Some(event_identity(&event_id)), content: None, timestamp: now };
    Incoming { event: Arc::new(event), identity, encoded: None }
}

/// Carries erasures out for as long as the program runs.
pub fn start(app: &Arc<App>) {
    let weak = Arc::downgrade(app);
    tokio::spawn(async move {
        if let Some(app) = weak.upgrade()
            && let Err(error) = ask_again(&app).await
        {
            tracing::error!(%error, "erasures that were approved could not be asked for again");
        }
        loop {
            tokio::time::sleep(PAUSE).await;
            let Some(app) = weak.upgrade() else { return };
            if app.partitions.is_stopping() {
                return;
            }
            if let Err(error) = carry_out(&app).await {
                tracing::error!(%error, "an erasure was not carried out; trying again");
                tokio::time::sleep(PAUSE_AFTER_ERROR).await;
            }
        }
    });
}

/// Asks again for what was approved before the start and did not come onto the log.
async fn ask_again(app: &App) -> anyhow::Result<()> {
    let known: Vec<Box<str>> = under_way(app)?.into_iter().map(|(.., erasure)| erasure.request).collect();
    for document in app.documents.list(documents::Kind::PrivacyRequest)? {
        let content = document.json();
        let said = |name: &str| content.get(name).and_then(Json::as_str);
        if let Some(customer_id) = said("customer_id")
            && super::status_of(&content) == Status::Approved
            && !known.iter().any(|request| **request == *document.name)
        {
            ask(app, customer_id, said("anonymous_id"), &document.name).await?;
        }
    }
    Ok(())
}

/// Every erasure that is not through: partition, number, and how far it is.
pub(crate) fn under_way(app: &App) -> Result<Vec<(u32, u64, Erasure)>, state::Error> {
    let mut all = Vec::new();
    for partition in 0..app.log.partitions() {
        let own = worker::erasures(&*app.store, partition)?;
        all.extend(own.into_iter().map(|(number, erasure)| (partition, number, erasure)));
    }
    Ok(all)
}

/// Carries out what the workers' state has forgotten already.
async fn carry_out(app: &Arc<App>) -> anyhow::Result<()> {
    let mut erasures = under_way(app)?;
    erasures.retain(|(.., erasure)| erasure.done.is_some());
    erasures.truncate(TOGETHER);
    if erasures.is_empty() {
        return Ok(());
    }
    // The lake must have all that came before.
    let ends = app.ends();
    history::catch_up_with_log(app).await;
    if !app.has_reached(&ends) {
        return Ok(());
    }
    let people: Vec<Erasure> = erasures.iter().map(|(.., erasure)| erasure.clone()).collect();
    let subjects: Vec<Subject> = people.iter().filter_map(subject).collect();
    let sweeping = Arc::clone(app);
    let swept = tokio::task::spawn_blocking(move || sweep(&sweeping, &people)).await??;
    let rows = app.lake.erase(&subjects).await.context("the lake")?;
    if swept + rows > 0 {
        return Ok(());
    }
    let mut batch = Batch::default();
    for (partition, number, erasure) in erasures {
        super::erased(&app.documents, &erasure.request, app.clock.now())?;
        batch.delete(Table::Positions, erasure_key(partition, number));
    }
    app.store.commit(batch)?;
    app.store.sync()?;
    Ok(())
}

/// The person as the lake knows them.
fn subject(erasure: &Erasure) -> Option<Subject> {
    let reach = |reach: &Reach| {
        let Reach { partition, offset, changes, at } = *reach;
        signalpost_lake::Reach { partition, offset, changes, at }
    };
    let devices = erasure.devices.iter();
    Some(Subject {
        customer_id: erasure.customer_id.to_string(),
        reach: reach(erasure.done.as_ref()?),
        devices: devices.filter_map(|(id, held)| Some((id.to_string(), reach(held.as_ref()?)))).collect(),
    })
}

/// Who is erased up to when.
#[derive(Debug, Default)]
struct Erased {
    profiles: HashMap<ProfileKey, Timestamp>,
}

impl Erased {
    fn of(erasures: &[Erasure]) -> Self {
        let mut profiles = HashMap::new();
        for erasure in erasures {
            let done = erasure.done.map(|reach| reach.at);
            let people = done.map(|at| (ProfileKey::Customer(erasure.customer_id.clone()), at));
            let devices = erasure.devices.iter();
            let devices = devices
                .filter_map(|(id, reach)| Some((ProfileKey::Anonymous(id.clone()), reach.as_ref()?.at)));
            profiles.extend(people.into_iter().chain(devices));
        }
        Self { profiles }
    }

    /// Whether what is known of a profile since `at` goes.
    fn has(&self, profile: &ProfileKey, at: Timestamp) -> bool {
        self.profiles.get(profile).is_some_and(|until| at <= *until)
    }

    fn has_event(&self, event: &Event) -> bool {
        event.profile_key().is_some_and(|key| self.has(&key, event.received_at))
    }
}

/// Takes out what the store, the inbox, the quarantine and the recommendations
/// hold; answers how much was there, what could not be taken out yet included.
fn sweep(app: &App, erasures: &[Erasure]) -> anyhow::Result<usize> {
    // What the workers have forgotten stays forgotten before the rest goes.
    app.store.sync()?;
    let erased = Erased::of(erasures);
    let mut batch = Batch::default();
    each_row(&*app.store, Table::Derived, |key, value| {
        if let DerivedRow::Made(event) = state::decode(Table::Derived, value)?
            && erased.has_event(&event)
        {
            batch.delete(Table::Derived, key);
        }
        Ok(())
    })?;
    each_row(&*app.store, Table::Identities, |key, value| {
        let row: worker::IdentityRow = state::decode(Table::Identities, value)?;
        if erased.has(&ProfileKey::Customer(row.customer_id), row.linked_at) {
            batch.delete(Table::Identities, key);
        }
        Ok(())
    })?;
    let on_their_way = deliveries(app, &erased, &mut batch)?;
    let refused = refused(app, &erased)?;
    let found = batch.writes.len() + on_their_way + refused.len();
    app.store.commit(batch)?;
    if !refused.is_empty() {
        app.writer.submit_blocking(Submission { released: refused, ..Submission::default() })?;
    }
    if found == 0 {
        let mut model = app.model.lock().unwrap_or_else(PoisonError::into_inner);
        erased.profiles.keys().for_each(|profile| model.forget(profile));
        drop(model);
        history::save_model(app);
    }
    Ok(found)
}

/// Takes out deliveries and their mails; answers how many are on their way out,
/// which have to end first.
fn deliveries(app: &App, erased: &Erased, batch: &mut Batch) -> anyhow::Result<usize> {
    let mut theirs: Vec<DeliveryRecord> = Vec::new();
    each_row(&*app.store, Table::Deliveries, |_, value| {
        let record: DeliveryRecord = state::decode(Table::Deliveries, value)?;
        if erased.has(&record.delivery.profile, record.delivery.decided_at) {
            theirs.push(record);
        }
        Ok(())
    })?;
    let (sending, ended): (Vec<_>, Vec<_>) =
        theirs.into_iter().partition(|record| record.status == deliver::Status::Sending);
    for DeliveryRecord { delivery, next_attempt, .. } in ended {
        // The mail first: it is found by its record.
        app.inbox.remove(delivery.id).context("the inbox")?;
        if let Some(at) = next_attempt {
            batch.delete(Table::Outbox, outbox_key(at, delivery.id));
        }
        batch.delete(Table::DeliveryLog, delivery_log_key(delivery.decided_at, delivery.id));
        batch.delete(Table::Deliveries, delivery.id.0.to_be_bytes().to_vec());
    }
    Ok(sending.len())
}

/// Refused events that name the people.
fn refused(app: &App, erased: &Erased) -> anyhow::Result<Vec<QuarantineId>> {
    let mut found = Vec::new();
    let mut from = 0;
    loop {
        let rows = app.log.quarantined(from, ROWS)?;
        let last = rows.len() < ROWS;
        for (id, held) in rows {
            from = id + 1;
            let Ok(raw) = serde_json::from_str::<Json>(&held.raw) else { continue };
            let names = NAMES.iter().filter_map(|name| raw.get(name)?.as_str());
            let is_theirs = |name: &str| {
                let (person, device) =
                    (ProfileKey::Customer(name.into()), ProfileKey::Anonymous(name.into()));
                erased.has(&person, held.received_at) || erased.has(&device, held.received_at)
            };
            if names.into_iter().any(is_theirs) {
                found.push(id);
            }
        }
        if last {
            return Ok(found);
        }
    }
}
