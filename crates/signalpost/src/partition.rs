//! Threads around the workers: one a partition, and one that keeps time.
//!
//! A worker's thread steps while there is something to do, passes messages to
//! other partitions on, and publishes what was committed.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use signalpost_core::time::Timestamp;

use crate::clock::Clock;
use crate::log::writer::{Submission, SubmitError, Writer};
use crate::log::{Body, Log, Message};
use crate::state::{self, Batch, Store, Table};
use crate::worker::{Backfill, Error, Published, Worker};

/// How often the timekeeper looks for something due.
const TICK: Duration = Duration::from_millis(2);
/// How long a thread sleeps with nothing to do, unless woken.
const IDLE: Duration = Duration::from_millis(500);
/// A step of fewer records is small.
const FEW: u64 = 256;
/// How long records gather after a small step while more keep coming: one
/// commit for many costs far less than one for each.
const GATHER: Duration = Duration::from_millis(2);
/// How often in a row, while each time at least [`GATHER_MORE`] came.
const GATHER_ROUNDS: usize = 4;
/// Records that make it worth while to wait for more.
const GATHER_MORE: u64 = 8;
/// Messages the relay passes on at once.
const RELAY_MAX: usize = 1_000;

/// Hears of everything the workers commit.
pub trait Publish: Send + Sync + 'static {
    /// Called after each commit, in order within a partition.
    fn publish(&self, partition: u32, published: Published);
}

/// What the rest of the program knows of one partition.
#[derive(Debug)]
pub struct Gauge {
    /// The next record to take.
    pub offset: AtomicU64,
    /// When something is due next, in microseconds.
    pub next_due: AtomicI64,
    /// Whether definitions are still being applied to profiles.
    pub backfilling: AtomicBool,
    /// Changes of the program taken.
    pub program: AtomicU64,
    /// The change that is, or was last, applied to profiles; to how many of how
    /// many so far.
    pub backfill: Mutex<Backfill>,
    /// Membership changes made.
    pub changes: AtomicU64,
    /// Profiles of known people.
    pub known: AtomicU64,
    /// Profiles of visitors not yet known.
    pub anonymous: AtomicU64,
    /// Whether the worker has stopped for good.
    pub failed: AtomicBool,
}

/// All partitions of this process.
#[derive(Debug)]
pub struct Partitions {
    gauges: Vec<Gauge>,
    wake: (Mutex<u64>, Condvar),
    stopping: AtomicBool,
}

impl Partitions {
    /// For `count` partitions, none started yet.
    pub fn new(count: u32) -> Arc<Self> {
        let gauge = |_| Gauge {
            offset: AtomicU64::new(0),
            next_due: AtomicI64::new(i64::MAX),
            backfilling: AtomicBool::new(false),
            program: AtomicU64::new(0),
            backfill: Mutex::default(),
            changes: AtomicU64::new(0),
            known: AtomicU64::new(0),
            anonymous: AtomicU64::new(0),
            failed: AtomicBool::new(false),
        };
        Arc::new(Self {
            gauges: (0..count).map(gauge).collect(),
            wake: (Mutex::new(0), Condvar::new()),
            stopping: AtomicBool::new(false),
        })
    }

    /// What is known of each partition.
    pub fn gauges(&self) -> &[Gauge] {
        &self.gauges
    }

    /// Tells the threads that the log has grown.
    pub fn wake(&self) {
        *self.wake.0.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.wake.1.notify_all();
    }

    /// Lets the threads end after the step in hand.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.wake();
    }

    /// Whether the threads have been told to end.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Waits for a wake that came after `seen`, or for `time`; returns the newest.
    fn wait(&self, seen: u64, time: Duration) -> u64 {
        let turn = self.wake.0.lock().unwrap_or_else(PoisonError::into_inner);
        if *turn != seen {
            return *turn;
        }
        *self.wake.1.wait_timeout(turn, time).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Starts a partition's thread.
    ///
    /// # Errors
    /// When its state cannot be opened, or no thread started.
    pub fn start<S: Store, L: Log>(
        self: &Arc<Self>,
        partition: u32,
        store: Arc<S>,
        log: Arc<L>,
        cache_profiles: usize,
        writer: Writer,
        publish: Arc<dyn Publish>,
    ) -> anyhow::Result<JoinHandle<()>> {
        let mut worker = Worker::open(partition, Arc::clone(&store), log, cache_profiles)?;
        let shared = Arc::clone(self);
        self.report(partition, &worker);
        let thread = std::thread::Builder::new().name(format!("worker-{partition}")).spawn(move || {
            crate::priority::yield_to_collecting();
            let relay = Relay { partition, store, writer };
            if let Err(error) = shared.run(partition, &mut worker, &relay, &*publish) {
                tracing::error!(partition, %error, "the partition's worker has stopped");
                if let Some(gauge) = shared.gauges.get(partition as usize) {
                    gauge.failed.store(true, Ordering::Release);
                }
            }
        })?;
        Ok(thread)
    }

    fn run<S: Store, L: Log>(
        &self,
        partition: u32,
        worker: &mut Worker<S, L>,
        relay: &Relay<S>,
        publish: &dyn Publish,
    ) -> Result<(), Error> {
        // What was left in the relay when the program last stopped goes first.
        relay.pass_on(&self.stopping)?;
        let mut seen = 0;
        while !self.stopping.load(Ordering::Acquire) {
            match worker.step()? {
                Some(published) => {
                    // Reported last: whoever sees the new position may count on
                    // everything that follows from it.
                    let (relayed, records) = (published.relayed, published.records);
                    publish.publish(partition, published);
                    if relayed {
                        relay.pass_on(&self.stopping)?;
                    }
                    self.report(partition, worker);
                    if (records as u64) < FEW {
                        gather(worker);
                    }
                }
                None => seen = self.wait(seen, IDLE),
            }
        }
        Ok(())
    }

    fn report<S: Store, L: Log>(&self, partition: u32, worker: &Worker<S, L>) {
        if let Some(gauge) = self.gauges.get(partition as usize) {
            gauge.next_due.store(worker.next_due().as_micros(), Ordering::Release);
            *gauge.backfill.lock().unwrap_or_else(PoisonError::into_inner) = worker.backfill();
            gauge.backfilling.store(worker.is_backfilling(), Ordering::Release);
            gauge.program.store(worker.position().program, Ordering::Release);
            gauge.changes.store(worker.position().changes, Ordering::Release);
            gauge.known.store(worker.position().known, Ordering::Release);
            gauge.anonymous.store(worker.position().anonymous, Ordering::Release);
            gauge.offset.store(worker.position().offset, Ordering::Release);
        }
    }

    /// Starts the timekeeper: when something is due in a partition, time is
    /// written on its log.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start_timekeeper<L: Log>(
        self: &Arc<Self>,
        log: Arc<L>,
        clock: Clock,
        writer: Writer,
    ) -> std::io::Result<JoinHandle<()>> {
        let shared = Arc::clone(self);
        std::thread::Builder::new().name("timekeeper".into()).spawn(move || {
            // A tick is written once for each due instant; the worker then moves on.
            let mut ticked = vec![i64::MIN; shared.gauges.len()];
            while !shared.stopping.load(Ordering::Acquire) {
                std::thread::park_timeout(TICK);
                let now = clock.now();
                let mut submission = Submission::default();
                for ((partition, gauge), ticked) in (0_u32..).zip(&shared.gauges).zip(&mut ticked) {
                    let due = gauge.next_due.load(Ordering::Acquire);
                    let caught_up = gauge.offset.load(Ordering::Acquire) == log.end(partition);
                    if Timestamp::from_micros(due) <= now && caught_up && *ticked < now.as_micros() {
                        *ticked = now.as_micros();
                        submission.records.push((partition, Body::Tick));
                    }
                }
                if !submission.records.is_empty()
                    && let Err(error) = writer.submit_blocking(submission)
                {
                    tracing::warn!(%error, "time could not be written on the log; trying again");
                }
            }
        })
    }
}

/// Lets records gather behind a small step.
fn gather<S: Store, L: Log>(worker: &Worker<S, L>) {
    let mut waiting = worker.waiting();
    for _ in 0..GATHER_ROUNDS {
        if waiting == 0 || waiting >= FEW {
            return;
        }
        std::thread::park_timeout(GATHER);
        let before = std::mem::replace(&mut waiting, worker.waiting());
        if waiting < before + GATHER_MORE {
            return;
        }
    }
}

/// What waits in a partition's relay, for the log; and the batch that takes it
/// out of the relay once it stands there. `None` when nothing waits.
///
/// Each message carries its number, so that one passed on twice (after a crash
/// between the two) is taken once.
///
/// # Errors
/// When the store fails or a record is damaged.
pub fn waiting<S: Store>(
    store: &S,
    partition: u32,
    partitions: u32,
) -> Result<Option<(Submission, Batch)>, state::Error> {
    let rows = state::scan_prefix(store, Table::Relay, &partition.to_be_bytes(), RELAY_MAX)?;
    if rows.is_empty() {
        return Ok(None);
    }
    let mut submission = Submission::default();
    let mut batch = Batch::default();
    for (key, value) in rows {
        let message: Message = state::decode(Table::Relay, &value)?;
        let sequence = key.get(4..).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes);
        let target = message.profile_key().partition(partitions);
        submission.records.push((target, Body::Relayed { from: partition, sequence, message }));
        batch.delete(Table::Relay, key);
    }
    Ok(Some((submission, batch)))
}

/// Passes a partition's messages on to the log, in order.
#[derive(Debug)]
struct Relay<S> {
    partition: u32,
    store: Arc<S>,
    writer: Writer,
}

impl<S: Store> Relay<S> {
    /// Passes everything on that waits.
    fn pass_on(&self, stopping: &AtomicBool) -> Result<(), Error> {
        while !stopping.load(Ordering::Acquire) {
            let Some((submission, passed)) = waiting(&*self.store, self.partition, self.writer.partitions())?
            else {
                break;
            };
            // The state that made these messages need not be durable: should
            // it be lost, the replay makes them again with the same numbers.
            match self.writer.submit_blocking(submission) {
                Ok(_) => self.store.commit(passed)?,
                Err(SubmitError::Closed) => break,
                Err(error) => {
                    tracing::warn!(%error, "messages between partitions wait for the log");
                    std::thread::park_timeout(Duration::from_millis(100));
                }
            }
        }
        Ok(())
    }
}
