//! One machine with the whole program on it, single-threaded, under a clock
//! set by hand; it dies now and then and starts again.

use std::collections::VecDeque;
use std::fmt::Display;
use std::sync::Arc;

use signalpost::clock::Clock;
use signalpost::collect::{self, Request};
use signalpost::deliver::outbox::Outbox;
use signalpost::log::dedup::event_identity;
use signalpost::log::memory::Fault;
use signalpost::log::writer::{GroupCommit, Receipt, Submission};
use signalpost::log::{Body, Log};
use signalpost::partition;
use signalpost::state::{Store, Table};
use signalpost::worker::{Published, Worker};
use signalpost_core::clean::{Limits, SourceSettings, parse_batch};
use signalpost_core::id::{CustomerId, ProfileKey};
use signalpost_core::program::Change;
use signalpost_core::step::MembershipCause;
use signalpost_core::time::{Span, Timestamp};

use crate::chance::Chance;
use crate::check;
use crate::definitions::Definitions;
use crate::disk::{Disk, Planted, Tape};
use crate::people::People;
use crate::post::Post;
use crate::trace::Trace;

/// A run began here: 1 March 2026, noon.
const START: Timestamp = Timestamp::from_micros(1_772_366_400_000_000);
const BROWSER: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0.0.0 Safari/537.36";

/// What does not hold, and how it was seen.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) law: &'static str,
    pub(crate) seen: String,
}

impl Failure {
    pub(crate) fn new(law: &'static str, seen: impl Into<String>) -> Self {
        Self { law, seen: seen.into() }
    }

    /// Something stopped that should have gone on.
    pub(crate) fn stopped(error: impl Display) -> Self {
        Self::new("the program goes on", error.to_string())
    }
}

/// What happened in a run, to see that runs are not idle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) events: u64,
    pub(crate) duplicates: u64,
    pub(crate) crashes: u64,
    pub(crate) definitions: u64,
    pub(crate) changes: u64,
    /// Memberships that ended because somebody was forgotten.
    pub(crate) erased: u64,
    pub(crate) derived: u64,
    pub(crate) links: u64,
    pub(crate) decisions: u64,
    pub(crate) received: u64,
    pub(crate) checks: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Self) {
        self.events += other.events;
        self.duplicates += other.duplicates;
        self.crashes += other.crashes;
        self.definitions += other.definitions;
        self.changes += other.changes;
        self.erased += other.erased;
        self.derived += other.derived;
        self.links += other.links;
        self.decisions += other.decisions;
        self.received += other.received;
        self.checks += other.checks;
    }

    /// Whether everything happened that runs are about.
    pub(crate) fn is_busy(&self) -> bool {
        let all = [self.events, self.duplicates, self.crashes, self.definitions, self.changes];
        let more = [self.erased, self.derived, self.links, self.decisions, self.received, self.checks];
        all.iter().chain(&more).all(|count| *count > 10)
    }
}

/// The machine and the world around it.
#[derive(Debug)]
pub(crate) struct World {
    chance: Chance,
    clock: Clock,
    trace: Trace,
    planted: Planted,
    /// Nothing goes wrong any more.
    calm: bool,
    cached_profiles: usize,
    pub(crate) disk: Arc<Disk>,
    pub(crate) tape: Arc<Tape>,
    commit: GroupCommit<Tape>,
    pub(crate) workers: Vec<Worker<Disk, Tape>>,
    outbox: Outbox<Disk, Post>,
    pub(crate) post: Arc<Post>,
    pub(crate) people: People,
    definitions: Definitions,
    /// Changes under way to the log.
    defining: VecDeque<Change>,
    source: SourceSettings,
    pub(crate) tally: Tally,
}

impl World {
    pub(crate) fn new(seed: u64, planted: Planted) -> Result<Self, Failure> {
        let mut chance = Chance::new(seed);
        let partitions = u32::try_from(2 + chance.below(3)).unwrap();
        let clock = Clock::manual(START);
        let trace = Trace::new();
        let disk = Arc::new(Disk::new(trace.clone(), planted));
        let tape = Tape::new(partitions);
        let post = Post::new(&mut chance, &clock, &disk, &trace);
        let cached_profiles = *chance.pick(&[1, 3, 100]);
        let mut world = Self {
            commit: GroupCommit::new(Arc::clone(&tape), clock.clone()),
            outbox: Outbox::new(Arc::clone(&disk), Arc::clone(&post), clock.clone()),
            chance,
            clock,
            trace,
            planted,
            calm: false,
            cached_profiles,
            disk,
            tape,
            workers: Vec::new(),
            post,
            people: People::default(),
            definitions: Definitions::default(),
            defining: VecDeque::new(),
            source: SourceSettings::default(),
            tally: Tally::default(),
        };
        world.start()?;
        // Something is defined from the start, so that runs are about something.
        for _ in 0..6 {
            world.define();
        }
        Ok(world)
    }

    pub(crate) fn trace_hash(&self) -> u64 {
        self.trace.hash()
    }

    pub(crate) fn partitions(&self) -> u32 {
        self.tape.partitions()
    }

    /// The program starts, as `App::start` does it.
    fn start(&mut self) -> Result<(), Failure> {
        self.clock.advance_to(self.tape.latest());
        self.commit = GroupCommit::new(Arc::clone(&self.tape), self.clock.clone());
        self.workers = (0..self.partitions())
            .map(|partition| {
                Worker::open(partition, Arc::clone(&self.disk), Arc::clone(&self.tape), self.cached_profiles)
            })
            .collect::<Result<_, _>>()
            .map_err(Failure::stopped)?;
        self.outbox = Outbox::new(Arc::clone(&self.disk), Arc::clone(&self.post), self.clock.clone());
        let found = self.outbox.recover().map_err(Failure::stopped)?;
        self.trace.note(format!("started, {found} under way").as_bytes());
        Ok(())
    }

    /// The machine dies and starts again.
    fn crash(&mut self) -> Result<(), Failure> {
        self.tally.crashes += 1;
        let kept = self.chance.below(self.disk.unsynced() + 1);
        self.disk.restart(kept);
        self.tape.log.crash();
        self.start()
    }

    /// One thing happens.
    pub(crate) fn step(&mut self) -> Result<(), Failure> {
        let now = self.clock.now();
        match self.chance.below(100) {
            0..22 => self.people.send(&mut self.chance, now),
            22..28 => self.people.send_again(&mut self.chance, now),
            28..46 => self.take_requests()?,
            46..61 => self.work()?,
            61..69 => {
                let partition = self.chance.below(self.workers.len());
                self.pass_on(partition)?;
            }
            69..77 => self.wait(),
            77..82 => self.tick()?,
            82..89 => self.deliver()?,
            89..93 => self.define(),
            93..94 => self.consent()?,
            94..95 => self.erase()?,
            95..96 => self.crash()?,
            _ => self.rest()?,
        }
        Ok(())
    }

    fn wait(&mut self) {
        let span = *self.chance.pick(&[
            Span::MILLISECOND,
            Span::SECOND,
            Span::SECOND,
            Span::MINUTE,
            Span::MINUTE,
            Span::HOUR,
            Span::HOUR,
            Span::DAY,
        ]);
        let times = i64::try_from(1 + self.chance.below(30)).unwrap();
        let span = if span == Span::DAY { span } else { span.times(times) };
        self.clock.advance_to(self.clock.now() + span);
    }

    fn define(&mut self) {
        let now = self.clock.now();
        let what = self.definitions.next(&mut self.chance, now);
        self.defining.push_back(Change { at: now, what });
    }

    /// Puts submissions on the log; `None` when nobody hears whether they are there.
    fn append(&mut self, submissions: Vec<Submission>) -> Result<Option<Vec<Receipt>>, Failure> {
        let fault = match self.chance.below(100) {
            _ if self.calm => Fault::None,
            0..4 => Fault::Refuse,
            4..6 => Fault::DieBefore,
            6..9 => Fault::DieAfter,
            9..30 if self.planted == Planted::SkippedSync => Fault::SkipSync,
            _ => Fault::None,
        };
        self.tape.log.suffer(fault);
        let outcome = self.commit.commit(submissions);
        self.tape.log.suffer(Fault::None);
        match (outcome, fault) {
            (Ok(receipts), _) => {
                self.trace.note(format!("{receipts:?}").as_bytes());
                Ok(Some(receipts))
            }
            (Err(_), Fault::DieBefore | Fault::DieAfter) => self.crash().map(|()| None),
            (Err(_), Fault::Refuse) => Ok(None),
            (Err(error), _) => Err(Failure::stopped(error)),
        }
    }

    /// Takes the requests that have arrived, in one group with a definition.
    fn take_requests(&mut self) -> Result<(), Failure> {
        let now = self.clock.now();
        let limit = if self.calm { usize::MAX } else { 1 + self.chance.below(4) };
        let requests = self.people.arrived(now, limit);
        let mut submissions = Vec::new();
        let mut expected = Vec::new();
        for (number, body) in requests {
            let elements = parse_batch(body.as_bytes(), &Limits::default()).map_err(Failure::stopped)?;
            let submission =
                collect::sort(elements, &Request::new(now, BROWSER, Arc::new(self.source.clone())))
                    .into_submission();
            let ids: Vec<String> = submission.events.iter().map(|i| i.event.event_id.to_string()).collect();
            expected.push((number, ids, submission.quarantined.len()));
            submissions.push(submission);
        }
        let change = self.defining.pop_front();
        if let Some(change) = &change {
            let change = Arc::new(change.clone());
            let records = (0..self.partitions()).map(|p| (p, Body::Define(Arc::clone(&change)))).collect();
            let place = self.chance.below(submissions.len() + 1);
            submissions.insert(place, Submission { records, ..Submission::default() });
            expected.insert(place, (0, Vec::new(), 0));
        }
        let Some(receipts) = self.append(submissions)? else {
            self.defining.extend(change);
            return Ok(());
        };
        self.tally.definitions += u64::from(change.is_some());
        for ((number, ids, refused), receipt) in expected.into_iter().zip(receipts) {
            self.answer(number, &ids, refused, receipt)?;
        }
        Ok(())
    }

    fn answer(
        &mut self,
        number: u64,
        ids: &[String],
        refused: usize,
        receipt: Receipt,
    ) -> Result<(), Failure> {
        if receipt.accepted + receipt.duplicates != ids.len() || receipt.quarantined != refused {
            return Err(Failure::new("a receipt counts what was sent", format!("{receipt:?} for {ids:?}")));
        }
        self.tally.duplicates += receipt.duplicates as u64;
        if self.calm || self.chance.percent(85) {
            self.people.answered(number, ids, refused as u64);
        }
        if self.planted == Planted::ForgottenIdentity && !ids.is_empty() && self.chance.percent(20) {
            self.tape.log.forget_seen(event_identity(self.chance.pick::<String>(ids)));
        }
        Ok(())
    }

    fn consent(&mut self) -> Result<(), Failure> {
        let profile = ProfileKey::Customer(format!("c{}", self.chance.below(6)).into());
        let partition = profile.partition(self.partitions());
        let body = Body::Consent { profile, purpose: "email".into(), granted: self.chance.percent(80) };
        self.append(vec![Submission { records: vec![(partition, body)], ..Submission::default() }]).map(drop)
    }

    /// Somebody asks to be forgotten.
    fn erase(&mut self) -> Result<(), Failure> {
        let customer_id: CustomerId = format!("c{}", self.chance.below(6)).into();
        let partition = ProfileKey::Customer(customer_id.clone()).partition(self.partitions());
        let body = Body::Erase { customer_id, request: "asked".into() };
        self.append(vec![Submission { records: vec![(partition, body)], ..Submission::default() }]).map(drop)
    }

    /// A worker takes a step, and may die in the middle of it.
    fn work(&mut self) -> Result<(), Failure> {
        let partition = self.chance.below(self.workers.len());
        self.tape.give_at_once(1 + self.chance.below(20));
        if self.chance.percent(6) {
            self.disk.die_in(Some(self.chance.below(4)));
        }
        let stepped = self.workers[partition].step();
        self.disk.die_in(None);
        match stepped {
            Ok(published) => {
                self.publish(partition, published.as_ref());
                Ok(())
            }
            Err(_) if self.disk.is_dead() => self.crash(),
            Err(error) => Err(Failure::stopped(error)),
        }
    }

    fn publish(&mut self, partition: usize, published: Option<&Published>) {
        let Some(published) = published else { return };
        self.trace.note(format!("{partition} {published:?}").as_bytes());
        self.tally.changes += published.changes.len() as u64;
        let erased = published.changes.iter().filter(|(_, change)| change.cause == MembershipCause::Erasure);
        self.tally.erased += erased.count() as u64;
        self.tally.derived += published.derived.len() as u64;
        self.tally.links += published.identities.len() as u64;
        self.tally.decisions += published.deliveries.len() as u64;
    }

    /// Passes a partition's messages on; the machine may die between the two halves.
    fn pass_on(&mut self, partition: usize) -> Result<bool, Failure> {
        let from = u32::try_from(partition).unwrap();
        let waiting = partition::waiting(&*self.disk, from, self.partitions()).map_err(Failure::stopped)?;
        let Some((submission, passed)) = waiting else { return Ok(false) };
        if self.append(vec![submission])?.is_none() {
            return Ok(true);
        }
        if !self.calm && self.chance.percent(10) {
            return self.crash().map(|()| true);
        }
        self.disk.commit(passed).map_err(Failure::stopped)?;
        Ok(true)
    }

    /// The timekeeper looks whether something is due.
    fn tick(&mut self) -> Result<(), Failure> {
        let now = self.clock.now();
        let due = (0_u32..).zip(&self.workers).filter(|(partition, worker)| {
            worker.next_due() <= now && worker.position().offset == self.tape.end(*partition)
        });
        let records: Vec<_> = due.map(|(partition, _)| (partition, Body::Tick)).collect();
        self.append(vec![Submission { records, ..Submission::default() }]).map(drop)
    }

    /// A turn of the outbox; the machine may die in it, or the disk refuse a write.
    fn deliver(&mut self) -> Result<(), Failure> {
        if !self.calm && self.chance.percent(8) {
            self.disk.die_in(Some(self.chance.below(4)));
        }
        if !self.calm && self.chance.percent(8) {
            self.disk.refuse_in(Some(self.chance.below(4)));
        }
        let turn = futures::executor::block_on(self.outbox.turn());
        self.disk.die_in(None);
        self.disk.refuse_in(None);
        match turn {
            Ok(turn) => {
                self.trace.note(format!("{turn:?}").as_bytes());
                Ok(())
            }
            Err(_) if self.disk.is_dead() => self.crash(),
            // As the program does: it waits a while and takes another turn.
            Err(_) => Ok(()),
        }
    }

    /// Everything that is on the log is taken, without faults.
    fn settle(&mut self) -> Result<(), Failure> {
        let calm = std::mem::replace(&mut self.calm, true);
        loop {
            let mut busy = false;
            for partition in 0..self.workers.len() {
                while let Some(published) = self.workers[partition].step().map_err(Failure::stopped)? {
                    self.publish(partition, Some(&published));
                    busy = true;
                }
                busy |= self.pass_on(partition)?;
            }
            if !busy {
                break;
            }
        }
        self.calm = calm;
        Ok(())
    }

    fn rest(&mut self) -> Result<(), Failure> {
        self.tape.give_at_once(*self.chance.pick(&[1, 7, usize::MAX]));
        self.settle()?;
        self.tally.checks += 1;
        check::settled(self)
    }

    /// Nothing goes wrong any more; everything comes to its end.
    pub(crate) fn finish(&mut self) -> Result<(), Failure> {
        self.calm = true;
        self.post.calm_down();
        for round in 0.. {
            let waits = !self.disk.scan(Table::Outbox, &[], None, 1).map_err(Failure::stopped)?.is_empty();
            if round > 30 && !waits && !self.people.is_waiting() && self.defining.is_empty() {
                break;
            }
            if round > 2_000 {
                return Err(Failure::new("everything comes to its end", "it has not"));
            }
            let now = self.clock.now();
            self.people.send_again(&mut self.chance, now);
            self.take_requests()?;
            self.settle()?;
            self.tick()?;
            self.settle()?;
            // The rate of mails lets a few go at once.
            for _ in 0..20 {
                self.deliver()?;
                self.clock.advance_to(self.clock.now() + Span::SECOND.times(2));
            }
            let span =
                *self.chance.pick(&[Span::SECOND.times(2), Span::MINUTE.times(5), Span::HOUR.times(9)]);
            self.clock.advance_to(self.clock.now() + span);
        }
        self.rest()?;
        self.tally.events = self.people.events_sent();
        self.tally.received = (self.post.hook.received().len() + self.post.mail.received().len()) as u64;
        check::finished(self)
    }
}
