//! The group commit: everything that waits is made durable by one sync.
//!
//! In: submissions from many requests at once. Out: one group on the log, and
//! an answer to each submission, after the sync and never before.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use signalpost_core::event::Event;
use signalpost_core::time::{Span, Timestamp};
use tokio::sync::oneshot;

use super::dedup::{Deduplicator, Identity};
use super::{Appended, Body, Error, Group, Log, QuarantineId, Quarantined, Record};
use crate::clock::Clock;

/// Bytes that may wait for a sync; more are refused until some are through.
pub const WAITING_BYTES_MAX: usize = 64 << 20;
/// Submissions that may wait.
const WAITING_MAX: usize = 16_384;
/// How long submissions gather before a group is made, when many come: one sync
/// for many costs the machine far less than one for each few.
const GATHER: Duration = Duration::from_millis(1);
/// Submissions in a millisecond that are many.
const MANY_A_MILLISECOND: u128 = 16;
/// Events in one group at most.
const GROUP_EVENTS_MAX: usize = 50_000;

/// A clean event on its way to the log.
#[derive(Debug)]
pub struct Incoming {
    /// The event; its `received_at` is set when the group is made. Nobody else
    /// holds it yet.
    pub event: Arc<Event>,
    /// How it is told from others.
    pub identity: Identity,
    /// Its bytes for the log.
    pub encoded: Option<Vec<u8>>,
}

/// What one request wants on the log.
#[derive(Debug, Default)]
pub struct Submission {
    /// Clean events, in order.
    pub events: Vec<Incoming>,
    /// Refused events.
    pub quarantined: Vec<Quarantined>,
    /// Quarantined events that are done with. When one of them is gone already,
    /// somebody else was faster, and nothing that came of it is taken.
    pub released: Vec<QuarantineId>,
    /// Other records, by partition.
    pub records: Vec<(u32, Body)>,
    /// The request's name as a number: under one name only one is taken.
    pub request: Option<u128>,
    /// The size of the request's body, for back-pressure.
    pub bytes: usize,
}

/// What became of a submission.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Events accepted.
    pub accepted: usize,
    /// Events left out as repeats.
    pub duplicates: usize,
    /// Which of the submission's events those were, ascending.
    pub repeats: Vec<usize>,
    /// Events put into quarantine.
    pub quarantined: usize,
    /// The time of the group.
    pub at: Timestamp,
}

/// Why a submission was not taken.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// Too much waits already.
    #[error("too many events are waiting to be made durable; try again in a second")]
    Busy,
    /// The server is stopping.
    #[error("the server is stopping")]
    Closed,
    /// The log failed.
    #[error(transparent)]
    Log(#[from] Arc<Error>),
}

/// Makes groups; owns the order of the log.
#[derive(Debug)]
pub struct GroupCommit<L> {
    log: Arc<L>,
    clock: Clock,
    latest: Timestamp,
}

impl<L: Log> GroupCommit<L> {
    /// A writer for `log`; time goes on from the log's latest.
    pub fn new(log: Arc<L>, clock: Clock) -> Self {
        let latest = log.latest();
        Self { log, clock, latest }
    }

    /// Makes one group of all the submissions, and tells what became of each.
    ///
    /// # Errors
    /// When the group cannot be made durable: then none of it is.
    pub fn commit(&mut self, submissions: Vec<Submission>) -> Result<Vec<Receipt>, Error> {
        let now = self.clock.now().max(self.latest);
        let partitions = self.log.partitions();
        let mut group = Group::default();
        let mut receipts = Vec::with_capacity(submissions.len());
        let events = submissions.iter().map(|submission| submission.events.len()).sum();
        group.records.reserve(events);
        let mut deduplicator = Deduplicator::new(&*self.log, now, events);
        for submission in submissions {
            if let Some(request) = submission.request {
                let named = Identity { event_id: Some(request), content: None, timestamp: now };
                if deduplicator.is_repeat(&named)? {
                    let duplicates = submission.events.len() + submission.quarantined.len();
                    let repeats = (0..submission.events.len()).collect();
                    receipts.push(Receipt { duplicates, repeats, at: now, ..Receipt::default() });
                    continue;
                }
            }
            let replays = !(submission.events.is_empty() && submission.quarantined.is_empty());
            if replays && !self.may_release(&submission.released, &group)? {
                receipts.push(Receipt { at: now, ..Receipt::default() });
                continue;
            }
            let mut receipt =
                Receipt { quarantined: submission.quarantined.len(), at: now, ..Receipt::default() };
            for (place, mut incoming) in submission.events.into_iter().enumerate() {
                let Some(key) = incoming.event.profile_key() else { continue };
                if deduplicator.is_repeat(&incoming.identity)? {
                    receipt.duplicates += 1;
                    receipt.repeats.push(place);
                    continue;
                }
                receipt.accepted += 1;
                let partition = key.partition(partitions);
                Arc::make_mut(&mut incoming.event).received_at = now;
                let record = Arc::new(Record { at: now, body: Body::Event(incoming.event) });
                group.records.push(Appended { partition, record, encoded: incoming.encoded });
            }
            for (partition, body) in submission.records {
                group.records.push(Appended::new(partition, Arc::new(Record { at: now, body })));
            }
            group.quarantined.extend(submission.quarantined);
            group.released.extend(submission.released);
            receipts.push(receipt);
        }
        group.seen = deduplicator.into_seen();
        if !(group.records.is_empty() && group.quarantined.is_empty() && group.released.is_empty()) {
            self.log.append(group)?;
        }
        self.latest = now;
        Ok(receipts)
    }

    /// Whether what is to be let go of is all still there, so that nothing is
    /// replayed twice, whoever asks for it and however often.
    fn may_release(&self, released: &[QuarantineId], group: &Group) -> Result<bool, Error> {
        for id in released {
            if group.released.contains(id) || !self.log.holds_quarantined(*id)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

type Outcome = Result<Receipt, SubmitError>;
type Waiting = (Submission, oneshot::Sender<Outcome>);
/// What each of a group's submitters is told.
type Answers = Vec<(oneshot::Sender<Outcome>, Outcome)>;

/// A cheap handle to the writer's thread.
#[derive(Clone, Debug)]
pub struct Writer {
    sender: SyncSender<Waiting>,
    waiting_bytes: Arc<AtomicUsize>,
    partitions: u32,
}

impl Writer {
    /// Starts the thread. `wake` is called after each group, with the log changed.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start<L: Log>(
        log: Arc<L>,
        clock: Clock,
        wake: impl Fn() + Send + 'static,
    ) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (sender, receiver) = sync_channel(WAITING_MAX);
        let waiting_bytes = Arc::new(AtomicUsize::new(0));
        let writer = Self { sender, waiting_bytes: Arc::clone(&waiting_bytes), partitions: log.partitions() };
        let commit = GroupCommit::new(log, clock);
        let answer = answering();
        let thread = std::thread::Builder::new()
            .name("log-writer".into())
            .spawn(move || run(commit, &receiver, &waiting_bytes, &wake, &*answer))?;
        Ok((writer, thread))
    }

    /// How many partitions the log has.
    pub fn partitions(&self) -> u32 {
        self.partitions
    }

    /// Submits, and waits until it is durable.
    ///
    /// # Errors
    /// When too much waits, or the log fails.
    pub async fn submit(&self, submission: Submission) -> Result<Receipt, SubmitError> {
        self.send(submission)?.await.map_err(|_| SubmitError::Closed)?
    }

    /// Submits from a thread that may block.
    ///
    /// # Errors
    /// As [`Writer::submit`].
    pub fn submit_blocking(&self, submission: Submission) -> Result<Receipt, SubmitError> {
        self.send(submission)?.blocking_recv().map_err(|_| SubmitError::Closed)?
    }

    fn send(
        &self,
        submission: Submission,
    ) -> Result<oneshot::Receiver<Result<Receipt, SubmitError>>, SubmitError> {
        let bytes = submission.bytes;
        if self.waiting_bytes.load(Ordering::Acquire) + bytes > WAITING_BYTES_MAX {
            return Err(SubmitError::Busy);
        }
        let (reply, answer) = oneshot::channel();
        self.waiting_bytes.fetch_add(bytes, Ordering::AcqRel);
        self.sender.try_send((submission, reply)).map_err(|error| {
            self.waiting_bytes.fetch_sub(bytes, Ordering::AcqRel);
            match error {
                TrySendError::Full(_) => SubmitError::Busy,
                TrySendError::Disconnected(_) => SubmitError::Closed,
            }
        })?;
        Ok(answer)
    }
}

/// How answers are given. Inside a runtime one of its own tasks does it, so that
/// the requests of a group are woken together and not each from another thread.
fn answering() -> Box<dyn Fn(Answers) + Send> {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return Box::new(tell) };
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    runtime.spawn(async move {
        while let Some(answers) = receiver.recv().await {
            tell(answers);
        }
    });
    Box::new(move |answers| {
        // The runtime may have ended before the writer.
        if let Err(unsent) = sender.send(answers) {
            tell(unsent.0);
        }
    })
}

fn tell(answers: Answers) {
    for (reply, outcome) in answers {
        // A client that has gone has its events all the same.
        drop(reply.send(outcome));
    }
}

fn run<L: Log>(
    mut commit: GroupCommit<L>,
    receiver: &Receiver<Waiting>,
    waiting_bytes: &AtomicUsize,
    wake: &dyn Fn(),
    answer: &dyn Fn(Answers),
) {
    let mut many_come = false;
    let mut last = crate::clock::instant();
    while let Ok(first) = receiver.recv() {
        if many_come {
            std::thread::park_timeout(GATHER);
        }
        let mut submissions = Vec::new();
        let mut replies = Vec::new();
        let mut events = 0;
        let mut bytes = 0;
        let mut next = Some(first);
        while let Some((submission, reply)) = next {
            events += submission.events.len();
            bytes += submission.bytes;
            submissions.push(submission);
            replies.push(reply);
            next = if events < GROUP_EVENTS_MAX { receiver.try_recv().ok() } else { None };
        }
        let now = crate::clock::instant();
        let passed = now.duration_since(std::mem::replace(&mut last, now));
        many_come = replies.len() as u128 * 1_000 >= passed.as_micros() * MANY_A_MILLISECOND;
        let outcome = commit.commit(submissions);
        waiting_bytes.fetch_sub(bytes, Ordering::AcqRel);
        match outcome {
            Ok(receipts) => {
                answer(replies.into_iter().zip(receipts.into_iter().map(Ok)).collect());
                wake();
            }
            Err(error) => {
                tracing::error!(%error, "a group could not be made durable");
                let error = Arc::new(error);
                let outcomes = std::iter::repeat_with(|| Err(SubmitError::Log(Arc::clone(&error))));
                answer(replies.into_iter().zip(outcomes).collect());
            }
        }
    }
}

/// A span no identity's window may exceed: older identities may be forgotten.
pub const WINDOW_MAX: Span = super::dedup::REMEMBERED;
