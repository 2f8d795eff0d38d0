//! The outbox: takes what is due, sends it, and records both ends of every attempt.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt};
use signalpost_core::campaign::DeliveryId;
use signalpost_core::time::Timestamp;

use super::destination::Destination;
use super::message::{Message, Outcome};
use super::rate::Limiter;
use super::{DeliveryAttempt, DeliveryRecord, Status, retry};
use crate::app::App;
use crate::clock::Clock;
use crate::state::{self, Batch, Error, Store, Table};
use crate::worker::{outbox_key, read_outbox_key};

/// Attempts under way at once at most.
const CONCURRENT_MAX: usize = 64;

/// Makes a message of a delivery, when its time comes: always from the profile
/// as it is then.
pub trait Compose: Send + Sync {
    /// The rendered message and where it goes.
    ///
    /// # Errors
    /// Why there is nothing to send: an unknown campaign, a template that
    /// fails, a person without an address.
    fn compose(&self, record: &DeliveryRecord) -> Result<Composed, String>;
}

/// A message and where it goes.
#[derive(Debug)]
pub struct Composed {
    /// The message.
    pub message: Message,
    /// The destination's name.
    pub destination_name: String,
    /// The destination.
    pub destination: Arc<Destination>,
}

/// The outbox of one store.
#[derive(Debug)]
pub struct Outbox<S, C> {
    store: Arc<S>,
    composer: Arc<C>,
    clock: Clock,
    limiters: HashMap<String, Limiter>,
}

/// How a turn of the outbox went.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Turn {
    /// Deliveries that came to an end or will be tried again.
    pub done: Vec<DeliveryRecord>,
    /// The instant the next one is due, when it is known.
    pub next: Option<Timestamp>,
}

impl<S: Store, C: Compose> Outbox<S, C> {
    /// An outbox over `store`.
    pub fn new(store: Arc<S>, composer: Arc<C>, clock: Clock) -> Self {
        Self { store, composer, clock, limiters: HashMap::new() }
    }

    /// After a start: attempts that were under way when the program died.
    /// A destination that can tell repeats gets them again; elsewhere they
    /// are in doubt, and a person decides.
    ///
    /// # Errors
    /// When the store fails.
    pub fn recover(&self) -> Result<usize, Error> {
        let now = self.clock.now();
        let mut batch = Batch::default();
        let mut found = 0;
        for (key, _) in self.store.scan(Table::Outbox, &[], None, usize::MAX)? {
            let Some((at, id)) = read_outbox_key(&key) else { continue };
            let Some(mut record) = self.load(id)? else { continue };
            if record.status != Status::Sending {
                continue;
            }
            found += 1;
            let tells_repeats =
                self.composer.compose(&record).is_ok_and(|composed| composed.destination.tells_repeats());
            if let Some(attempt) = record.attempts.last_mut() {
                attempt.outcome = "the program stopped while this was under way".into();
            }
            batch.delete(Table::Outbox, outbox_key(at, id));
            if tells_repeats {
                record.status = Status::Pending;
                record.next_attempt = Some(now);
                batch.put(Table::Outbox, outbox_key(now, id), Vec::new());
            } else {
                record.status = Status::InDoubt;
                record.next_attempt = None;
            }
            batch.put(Table::Deliveries, id.0.to_be_bytes().to_vec(), state::encode(&record));
        }
        self.store.commit(batch)?;
        self.store.sync()?;
        Ok(found)
    }

    fn load(&self, id: DeliveryId) -> Result<Option<DeliveryRecord>, Error> {
        let Some(bytes) = self.store.get(Table::Deliveries, &id.0.to_be_bytes())? else { return Ok(None) };
        state::decode(Table::Deliveries, &bytes).map(Some)
    }

    /// Sends what is due now.
    ///
    /// # Errors
    /// When the store fails: nothing is sent that could not be recorded first.
    pub async fn turn(&mut self) -> Result<Turn, Error> {
        let now = self.clock.now();
        let mut turn = Turn::default();
        let rows = self.store.scan(Table::Outbox, &[], None, CONCURRENT_MAX)?;
        let mut begun = Vec::new();
        let mut batch = Batch::default();
        for (key, _) in rows {
            let Some((at, id)) = read_outbox_key(&key) else { continue };
            if at > now {
                turn.next = Some(at);
                break;
            }
            match self.load(id)? {
                Some(record) => self.begin(at, record, now, &mut batch, &mut begun, &mut turn),
                None => batch.delete(Table::Outbox, key),
            }
        }
        self.store.commit(batch)?;
        if begun.is_empty() {
            return Ok(turn);
        }
        // The attempt is on disk before the first byte leaves.
        self.store.sync()?;
        let mut attempts: FuturesUnordered<_> = begun
            .into_iter()
            .map(|(at, record, composed)| async move {
                let outcome = composed.destination.send(&composed.message, now).await;
                (at, record, composed.destination.tells_repeats(), outcome)
            })
            .collect();
        let mut batch = Batch::default();
        while let Some((at, record, tells_repeats, outcome)) = attempts.next().await {
            turn.done.push(self.end(at, record, tells_repeats, outcome, &mut batch));
        }
        self.store.commit(batch)?;
        self.store.sync()?;
        Ok(turn)
    }

    fn begin(
        &mut self,
        at: Timestamp,
        mut record: DeliveryRecord,
        now: Timestamp,
        batch: &mut Batch,
        begun: &mut Vec<(Timestamp, DeliveryRecord, Composed)>,
        turn: &mut Turn,
    ) {
        let id = record.delivery.id;
        let composed = match self.composer.compose(&record) {
            Ok(composed) => composed,
            Err(reason) => {
                record.attempts.push(DeliveryAttempt { at: now, outcome: reason.into() });
                record.status = Status::Dead;
                record.next_attempt = None;
                batch.delete(Table::Outbox, outbox_key(at, id));
                batch.put(Table::Deliveries, id.0.to_be_bytes().to_vec(), state::encode(&record));
                turn.done.push(record);
                return;
            }
        };
        if let Some(fresh) = composed.destination.limiter() {
            let limiter = self.limiters.entry(composed.destination_name.clone()).or_insert(fresh);
            if let Err(when) = limiter.take(now) {
                // It waits at its new place, so that others are not held up behind it.
                batch.delete(Table::Outbox, outbox_key(at, id));
                batch.put(Table::Outbox, outbox_key(when, id), Vec::new());
                turn.next = Some(turn.next.map_or(when, |next| next.min(when)));
                return;
            }
        }
        record.status = Status::Sending;
        record.destination = composed.destination_name.as_str().into();
        record.to = composed.message.to.as_str().into();
        record.subject = composed.message.subject.as_str().into();
        record.attempts.push(DeliveryAttempt { at: now, outcome: "".into() });
        batch.put(Table::Deliveries, id.0.to_be_bytes().to_vec(), state::encode(&record));
        begun.push((at, record, composed));
    }

    fn end(
        &self,
        at: Timestamp,
        mut record: DeliveryRecord,
        tells_repeats: bool,
        outcome: Outcome,
        batch: &mut Batch,
    ) -> DeliveryRecord {
        let id = record.delivery.id;
        let now = self.clock.now();
        let again = |record: &DeliveryRecord, after: Option<Duration>| {
            let attempt = u32::try_from(record.attempts.len()).unwrap_or(u32::MAX);
            retry::next_attempt(attempt, now, after, rand::random())
        };
        let (status, told, next) = match outcome {
            Outcome::Accepted { answer } => (Status::Sent, answer, None),
            Outcome::Refused { reason } => (Status::Refused, reason, None),
            Outcome::InDoubt { reason } if !tells_repeats => (Status::InDoubt, reason, None),
            Outcome::InDoubt { reason } => {
                let next = again(&record, None);
                (if next.is_some() { Status::Pending } else { Status::Dead }, reason, next)
            }
            Outcome::Retry { reason, after } => {
                let next = again(&record, after);
                (if next.is_some() { Status::Pending } else { Status::Dead }, reason, next)
            }
        };
        if let Some(attempt) = record.attempts.last_mut() {
            attempt.outcome = if told.is_empty() { "accepted".into() } else { told.into() };
        }
        record.status = status;
        record.next_attempt = next;
        batch.delete(Table::Outbox, outbox_key(at, id));
        if let Some(next) = next {
            batch.put(Table::Outbox, outbox_key(next, id), Vec::new());
        }
        batch.put(Table::Deliveries, id.0.to_be_bytes().to_vec(), state::encode(&record));
        record
    }
}

/// How long the outbox rests when nothing is due.
const IDLE: Duration = Duration::from_millis(20);

/// Starts the outbox of the running program.
///
/// # Errors
/// When the store fails.
pub fn start(app: &Arc<App>) -> anyhow::Result<()> {
    let mut outbox = Outbox::new(Arc::clone(&app.store), Arc::clone(&app.content), app.clock.clone());
    let recovered = outbox.recover()?;
    if recovered > 0 {
        tracing::warn!(recovered, "deliveries were under way when the program last stopped");
    }
    let weak = Arc::downgrade(app);
    tokio::spawn(async move {
        loop {
            let Some(app) = weak.upgrade() else { return };
            match outbox.turn().await {
                Ok(turn) => {
                    let busy = !turn.done.is_empty();
                    turn.done.iter().for_each(|record| tell(&app, record));
                    drop(app);
                    if !busy {
                        tokio::time::sleep(IDLE).await;
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "the outbox waits: it cannot record what it does");
                    drop(app);
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    });
    Ok(())
}

fn tell(app: &App, record: &DeliveryRecord) {
    app.hub.count_delivery(record.status.name());
    if record.status == Status::Sent
        && let Some(event_id) = &record.delivery.event_id
    {
        app.hub.note_delivery(event_id, crate::clock::instant());
    }
    app.hub.tell("delivery", &record.to_json());
}
