//! History: what the log and the workers tell goes on to the lake, to the
//! recommendation model and to those who listen.

pub mod customers;
pub mod model;
pub mod roster;
pub mod tables;

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use serde_json::json;
use signalpost_core::event::Event;
use signalpost_core::id::ProfileKey;
use signalpost_core::step::{MembershipCause, MembershipChange};
use signalpost_core::time::Span;
use signalpost_lake::{IdentityRow, MembershipRow, Table as LakeTable};

use crate::app::App;
use crate::clock;
use crate::log::{Body, Log};
use crate::partition::Publish;
use crate::state::{self, Store, Table};
use crate::worker::{self, ChangeRow, DerivedRow, Published};

/// How often new records are brought to the lake's tail: SQL is this fresh.
const FEED: Duration = Duration::from_millis(50);
/// The longest a comparison waits for the program to catch up with its log.
const CATCH_UP: Duration = Duration::from_secs(5);
/// Records brought at once.
const FEED_RECORDS: usize = 4_096;
/// How often in a row, so that a commit never has many more rows than
/// `TAIL_ROWS_MAX`, and one busy partition does not starve the rest.
const FEED_ROUNDS: usize = 4;
/// Rows in the tail that are committed without waiting for the clock.
const TAIL_ROWS_MAX: usize = 100_000;
/// Lake streams of derived events stand behind those of the partitions.
const DERIVED_STREAMS: u32 = 1_000;
/// Commits between two compactions.
const COMPACT_EVERY: u32 = 24;
/// Commits between two savings of the model, and trims of the log.
const SAVE_EVERY: u32 = 48;

/// The name of a cause in the API and the lake.
pub fn cause_text(cause: &MembershipCause) -> String {
    match cause {
        MembershipCause::Event(id) => format!("event {id}"),
        MembershipCause::Clock => "clock".into(),
        MembershipCause::Definition => "definition".into(),
        MembershipCause::Merge => "merge".into(),
        MembershipCause::Refresh { run, .. } => format!("refresh {run}"),
        MembershipCause::Erasure => "erasure".into(),
    }
}

fn membership_row(change: &MembershipChange, sequence: u64) -> MembershipRow {
    MembershipRow {
        profile_id: change.profile.to_string(),
        customer_id: change.profile.customer_id().map(ToString::to_string),
        segment: change.segment.to_string(),
        segment_version: change.version,
        change: if change.entered { "entered" } else { "exited" },
        at: change.at,
        cause: cause_text(&change.cause),
        sequence,
    }
}

fn identity_row(row: worker::IdentityRow) -> IdentityRow {
    IdentityRow {
        anonymous_id: row.anonymous_id.to_string(),
        customer_id: row.customer_id.to_string(),
        linked_at: row.linked_at,
    }
}

/// Derived events to be taken back in the lake with its next commit.
#[derive(Debug, Default)]
pub struct Retracted {
    waiting: Mutex<Vec<String>>,
    /// Held while they are taken back.
    turn: tokio::sync::Mutex<()>,
}

impl Retracted {
    fn waiting(&self) -> MutexGuard<'_, Vec<String>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Publishes what the workers commit.
#[derive(Debug)]
pub struct Publisher {
    app: Weak<App>,
}

impl Publisher {
    /// A publisher for `app`, which it does not keep alive.
    pub fn new(app: &Arc<App>) -> Self {
        Self { app: Arc::downgrade(app) }
    }
}

impl Publish for Publisher {
    fn publish(&self, partition: u32, published: Published) {
        let Some(app) = self.app.upgrade() else { return };
        let counters = &app.hub.counters;
        counters.processed.fetch_add(published.records as u64, Ordering::Relaxed);
        let now = clock::instant();
        for (_, change) in &published.changes {
            let counter = if change.entered { &counters.entries } else { &counters.exits };
            counter.fetch_add(1, Ordering::Relaxed);
            if let MembershipCause::Event(id) = &change.cause {
                app.hub.note_change(id.as_str(), now);
            }
            app.hub.tell("membership", &change_json(change));
        }
        for delivery in &published.deliveries {
            app.hub.count_delivery(crate::deliver::decision_name(&delivery.decision));
        }
        push_changes(&app, partition, &published.changes);
        push_derived(&app, partition, published.derived);
        for (sequence, row) in published.identities {
            app.lake.push_identities(partition, sequence, vec![identity_row(row)]);
        }
    }
}

/// A change as the API and live listeners see it.
pub fn change_json(change: &MembershipChange) -> serde_json::Value {
    json!({
        "segment": change.segment.as_str(),
        "version": change.version,
        "profile": change.profile.to_string(),
        "customer_id": change.profile.customer_id().map(signalpost_core::id::CustomerId::as_str),
        "change": if change.entered { "entered" } else { "exited" },
        "at": change.at.to_string(),
        "cause": cause_text(&change.cause),
    })
}

fn push_changes(app: &App, partition: u32, changes: &[(u64, MembershipChange)]) {
    if let Some((last, _)) = changes.last() {
        let rows = changes.iter().map(|(sequence, change)| membership_row(change, *sequence)).collect();
        app.lake.push_memberships(partition, *last, rows);
    }
}

fn push_derived(app: &App, partition: u32, rows: Vec<(u64, DerivedRow)>) {
    for (sequence, row) in rows {
        match row {
            DerivedRow::Made(event) => {
                app.hub.counters.derived.fetch_add(1, Ordering::Relaxed);
                app.lake.push_derived(DERIVED_STREAMS + partition, sequence, Arc::new(event));
            }
            DerivedRow::TakenBack(id) => {
                app.retracted.waiting().push(id.to_string());
            }
        }
    }
}

/// Brings the lake up to where the state is. Before the workers start: what
/// they publish comes behind it, and rows that come out of order are left out
/// as repeats.
///
/// # Errors
/// When the store cannot be read.
pub fn catch_up(app: &App) -> anyhow::Result<()> {
    (0..app.log.partitions()).try_for_each(|partition| catch_up_partition(app, partition))
}

/// Starts feeding the lake and the model from the log, on a thread of its own.
///
/// # Errors
/// When no thread can be started.
pub fn start(app: &Arc<App>) -> std::io::Result<()> {
    let mut offsets: Vec<u64> = (0..app.log.partitions())
        .map(|partition| app.lake.committed(LakeTable::Events, partition).map_or(0, |offset| offset + 1))
        .collect();
    let weak = Arc::downgrade(app);
    let runtime = tokio::runtime::Handle::current();
    std::thread::Builder::new().name("history".into()).spawn(move || {
        crate::priority::yield_to_collecting();
        let mut since_commit = clock::instant();
        let mut commits = 0;
        let mut restoring = weak.upgrade().map(|app| model::Restoring::begin(&app, &offsets));
        loop {
            if restoring.is_none() {
                std::thread::park_timeout(FEED);
            }
            let Some(app) = weak.upgrade() else { return };
            // Off the path: recommendations are poorer for a moment, nothing waits.
            if let Some(left) = &mut restoring {
                left.step(&app);
                if left.is_done() {
                    restoring = None;
                    app.model_restored.store(true, Ordering::Release);
                }
            }
            feed(&app, &mut offsets);
            let pending = app.lake.pending_rows();
            let retracted = !app.retracted.waiting().is_empty();
            let due = since_commit.elapsed() >= Duration::from_secs(app.settings.lake_commit_seconds);
            if (pending > 0 || retracted) && (due || pending > TAIL_ROWS_MAX) {
                since_commit = clock::instant();
                commits += 1;
                runtime.block_on(commit(&app, commits));
            }
        }
    })?;
    Ok(())
}

/// Waits until what is on the log now has been worked on and is in SQL's reach;
/// gives up after `CATCH_UP`, since a large backlog takes long.
pub async fn catch_up_with_log(app: &App) {
    let (ends, started) = (app.ends(), clock::instant());
    while !app.has_reached(&ends) && started.elapsed() < CATCH_UP && !app.has_failed() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Commits the lake's tail, and takes derived events back that no longer hold.
///
/// # Errors
/// When the lake cannot be written; what is to be taken back is kept.
pub async fn commit_lake(app: &App) -> Result<(), signalpost_lake::Error> {
    app.lake.commit().await?;
    // Whoever comes second waits for the first: what that one takes back is no
    // longer in the list, and not yet out of the lake.
    let _turn = app.retracted.turn.lock().await;
    let retracted = std::mem::take(&mut *app.retracted.waiting());
    if retracted.is_empty() {
        return Ok(());
    }
    if let Err(error) = app.lake.retract(&retracted).await {
        app.retracted.waiting().extend(retracted);
        return Err(error);
    }
    Ok(())
}

/// Takes derived events back in the lake that no longer hold, if there are any.
///
/// # Errors
/// As [`commit_lake`].
pub async fn commit_retractions(app: &App) -> Result<(), signalpost_lake::Error> {
    let any = !app.retracted.waiting().is_empty();
    let under_way = app.retracted.turn.try_lock().is_err();
    if any || under_way { commit_lake(app).await } else { Ok(()) }
}

async fn commit(app: &App, commits: u32) {
    if let Err(error) = commit_lake(app).await {
        tracing::error!(%error, "the lake was not committed; trying again");
        return;
    }
    if commits.is_multiple_of(COMPACT_EVERY)
        && let Err(error) = app.lake.compact().await
    {
        tracing::warn!(%error, "the lake was not compacted");
    }
    if commits.is_multiple_of(SAVE_EVERY) {
        save_model(app);
        if let Err(error) = trim(app) {
            tracing::warn!(%error, "the log was not trimmed");
        }
    }
}

/// Keeps the model for the next start.
pub fn save_model(app: &App) {
    // Until it stands where it stood, the snapshot there is serves better.
    if !app.model_restored.load(Ordering::Acquire) {
        return;
    }
    let fed: Vec<u64> = app.fed.iter().map(|offset| offset.load(Ordering::Acquire)).collect();
    if let Err(error) = model::save(app, &fed) {
        tracing::warn!(%error, "the recommendation model was not kept; the log makes it good");
    }
}

/// Pushes what the workers committed and the lake did not, before the stop.
fn catch_up_partition(app: &App, partition: u32) -> anyhow::Result<()> {
    let after = |table, stream| {
        let sequence = app.lake.committed(table, stream).map_or(0, |sequence| sequence + 1);
        let mut key = partition.to_be_bytes().to_vec();
        key.extend(sequence.to_be_bytes());
        key
    };
    let end = state::prefix_end(&partition.to_be_bytes());
    let rows = |table, from: Vec<u8>| app.store.scan(table, &from, end.as_deref(), usize::MAX);
    let sequence =
        |key: &[u8]| key.get(4..).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes);
    let mut changes = Vec::new();
    for (key, value) in rows(Table::Changes, after(LakeTable::Memberships, partition))? {
        let row: ChangeRow = state::decode(Table::Changes, &value)?;
        changes.push((sequence(&key), row.change));
    }
    push_changes(app, partition, &changes);
    for (key, value) in rows(Table::Identities, after(LakeTable::Identities, partition))? {
        let row: worker::IdentityRow = state::decode(Table::Identities, &value)?;
        app.lake.push_identities(partition, sequence(&key), vec![identity_row(row)]);
    }
    let committed = app.lake.committed(LakeTable::Events, DERIVED_STREAMS + partition);
    let mut derived = Vec::new();
    let mut taken_back: BTreeMap<u64, signalpost_core::id::EventId> = BTreeMap::new();
    for (key, value) in rows(Table::Derived, partition.to_be_bytes().to_vec())? {
        match state::decode(Table::Derived, &value)? {
            DerivedRow::TakenBack(id) => {
                taken_back.insert(sequence(&key), id);
            }
            DerivedRow::Made(event) => {
                taken_back.retain(|_, id| *id != event.event_id);
                if committed.is_none_or(|committed| sequence(&key) > committed) {
                    derived.push((sequence(&key), DerivedRow::Made(event)));
                }
            }
        }
    }
    // Whether an event was taken back in the lake is not written there, so all
    // of them are taken back again; that changes nothing when they were.
    derived.extend(taken_back.into_iter().map(|(sequence, id)| (sequence, DerivedRow::TakenBack(id))));
    push_derived(app, partition, derived);
    Ok(())
}

/// Brings new records of the log to the lake's tail and the model.
fn feed(app: &App, offsets: &mut [u64]) {
    for (partition, offset) in (0_u32..).zip(offsets) {
        for _ in 0..FEED_ROUNDS {
            let records = match app.log.read(partition, *offset, FEED_RECORDS) {
                Ok(records) if !records.is_empty() => records,
                Ok(_) => break,
                Err(error) => {
                    tracing::error!(%error, "the lake cannot read the log");
                    break;
                }
            };
            // Each with its own offset: it orders events of one instant.
            let mut events: Vec<(u64, Arc<Event>)> = Vec::with_capacity(records.len());
            for (at, record) in &records {
                *offset = at + 1;
                note_person(app, partition, *at, &record.body);
                if let Body::Event(event) = &record.body {
                    events.push((*at, Arc::clone(event)));
                }
            }
            observe(app, &events);
            app.lake.push_events_each(partition, events, offset.saturating_sub(1));
        }
        if let Some(fed) = app.fed.get(partition as usize) {
            fed.store(*offset, Ordering::Release);
        }
    }
}

/// Tells the roster whom a record speaks of.
fn note_person(app: &App, partition: u32, offset: u64, body: &Body) {
    match body {
        Body::Event(event) => {
            if let Some(key) = event.profile_key() {
                app.roster.note(&key, partition, offset);
            }
        }
        Body::Relayed { message, .. } => app.roster.note(&message.profile_key(), partition, offset),
        Body::Consent { profile, .. } => app.roster.note(profile, partition, offset),
        Body::Erase { customer_id, .. } => {
            app.roster.note(&ProfileKey::Customer(customer_id.clone()), partition, offset);
        }
        Body::Tick | Body::Define(_) | Body::Refreshed(_) => {}
    }
}

fn observe(app: &App, events: &[(u64, Arc<Event>)]) {
    let mut model = app.model.lock().unwrap_or_else(PoisonError::into_inner);
    let counting = || events.iter().map(|(_, event)| event).filter(|event| event.counts());
    for event in counting() {
        if let Some(key) = event.profile_key() {
            model.observe(event, &key);
        }
    }
    drop(model);
    app.hub.count_types(counting().map(|event| &*event.event_type));
    if app.hub.has_listeners() {
        for (_, event) in events {
            app.hub.tell("event", &event_json(event));
        }
    }
}

/// An event as the API and live listeners see it.
pub fn event_json(event: &Event) -> serde_json::Value {
    json!({
        "event_id": event.event_id.as_str(),
        "event_type": event.event_type,
        "customer_id": event.customer_id.as_ref().map(signalpost_core::id::CustomerId::as_str),
        "anonymous_id": event.anonymous_id.as_ref().map(signalpost_core::id::AnonymousId::as_str),
        "timestamp": event.timestamp.to_string(),
        "received_at": event.received_at.to_string(),
        "product_id": event.product_id.as_ref().map(signalpost_core::id::ProductId::as_str),
        "properties": signalpost_core::value::map_to_json(&event.properties),
        "source": event.source.as_str(),
        "bot": event.marked_bot(),
    })
}

/// Forgets records that are old enough and that nobody needs any more.
fn trim(app: &App) -> anyhow::Result<()> {
    let before = app.clock.now() - Span::DAY.times(i64::from(app.settings.log_days));
    // What the workers' state needs is in a synced store before it goes.
    let taken: Vec<u64> =
        app.partitions.gauges().iter().map(|gauge| gauge.offset.load(Ordering::Acquire)).collect();
    app.store.sync()?;
    let kept = |partition| app.lake.committed(LakeTable::Events, partition).map_or(0, |offset| offset + 1);
    let needed: Vec<u64> =
        (0_u32..).zip(taken).map(|(partition, taken)| taken.min(kept(partition))).collect();
    Ok(app.log.trim(&needed, before)?)
}
