//! What runs have found, each once more by hand.

use std::sync::Arc;

use signalpost::clock::Clock;
use signalpost::deliver::outbox::Outbox;
use signalpost::deliver::{DeliveryRecord, Status};
use signalpost::log::Body;
use signalpost::log::writer::{GroupCommit, Submission};
use signalpost::state::{self, Store, Table};
use signalpost::worker::{Published, Worker, outbox_key};
use signalpost_core::campaign::{Campaign, Decision, Delivery, DeliveryId, Limits, Trigger};
use signalpost_core::event::Event;
use signalpost_core::id::ProfileKey;
use signalpost_core::profile::Profile;
use signalpost_core::program::{Change, Defined};
use signalpost_core::time::{Span, Timestamp};
use signalpost_core::value::{Map, Value};

use crate::chance::Chance;
use crate::disk::{Disk, Planted, Tape};
use crate::post::Post;
use crate::trace::Trace;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(1_772_366_400_000_000) + Span::SECOND.times(seconds)
}

/// One partition, step by step.
struct Bench {
    clock: Clock,
    disk: Arc<Disk>,
    tape: Arc<Tape>,
    commit: GroupCommit<Tape>,
    worker: Worker<Disk, Tape>,
}

impl Bench {
    fn new() -> Self {
        let (clock, tape) = (Clock::manual(at(0)), Tape::new(1));
        let disk = Arc::new(Disk::new(Trace::new(), Planted::Nothing));
        let worker = Worker::open(0, Arc::clone(&disk), Arc::clone(&tape), 10).unwrap();
        Self { commit: GroupCommit::new(Arc::clone(&tape), clock.clone()), clock, disk, tape, worker }
    }

    /// Puts records on the log at an instant, in one group.
    fn log(&mut self, seconds: i64, bodies: Vec<Body>) {
        self.clock.advance_to(at(seconds));
        let records = bodies.into_iter().map(|body| (0, body)).collect();
        self.commit.commit(vec![Submission { records, ..Submission::default() }]).unwrap();
    }

    fn take_all(&mut self) -> Published {
        let mut all = Published::default();
        while let Some(published) = self.worker.step().unwrap() {
            all.changes.extend(published.changes);
            all.deliveries.extend(published.deliveries);
        }
        all
    }

    fn reopen(&mut self) {
        self.worker = Worker::open(0, Arc::clone(&self.disk), Arc::clone(&self.tape), 10).unwrap();
    }
}

fn event(id: &str, event_type: &str, seconds: i64) -> Body {
    Body::Event(Arc::new(Event {
        event_id: id.into(),
        event_type: event_type.into(),
        customer_id: Some("c1".into()),
        anonymous_id: None,
        timestamp: at(seconds),
        received_at: at(seconds),
        product_id: Some("A".into()),
        properties: Map::new(),
        traits: vec![("email".into(), Value::from("c1@post.shop"))],
        context: Map::new(),
        source: "test".into(),
    }))
}

fn define(seconds: i64, what: Defined) -> Body {
    Body::Define(Arc::new(Change { at: at(seconds), what }))
}

fn segment(name: &str, condition: &str) -> Defined {
    let text = format!("SELECT customer_id FROM customer_data WHERE {condition}");
    Defined::Segment { name: name.into(), version: 1, text, traits: vec![], properties: vec![] }
}

fn campaign(name: &str, trigger: Trigger, audience: Option<&str>) -> Campaign {
    Campaign {
        name: name.into(),
        trigger,
        audience: audience.map(Into::into),
        template: "t".into(),
        destination: "d".into(),
        recommend: None,
        limits: Limits::default(),
        active: true,
    }
}

#[test]
fn a_campaign_is_read_back_from_the_store() {
    let triggers = [
        Trigger::Enter { segment: "s".into() },
        Trigger::Exit { segment: "s".into() },
        Trigger::Event { event_type: "e".into() },
        Trigger::Schedule { cron: "0 9 * * *".into(), time_zone: "UTC".into() },
        Trigger::Once { at: at(0) },
    ];
    for trigger in triggers {
        let change = Change { at: at(0), what: Defined::Campaign(campaign("c", trigger, Some("s"))) };
        assert_eq!(state::decode::<Change>(Table::Program, &state::encode(&change)).unwrap(), change);
    }
}

#[test]
fn a_definition_takes_effect_where_it_stands_on_the_log() {
    let mut bench = Bench::new();
    bench.log(0, vec![define(0, segment("Viewers", "product_view_count > 0"))]);
    bench.log(60, vec![event("e1", "product_view", 60)]);
    // Asked for before the event came, on the log behind it.
    bench.log(61, vec![define(30, Defined::SegmentRemoved { name: "Viewers".into() })]);
    let changes: Vec<_> = bench.take_all().changes.into_iter().map(|(_, c)| (c.entered, c.at)).collect();
    assert_eq!(changes, [(true, at(60)), (false, at(61))]);
}

#[test]
fn a_campaign_folds_nothing_anew_after_a_restart() {
    let mut bench = Bench::new();
    let trigger = Trigger::Enter { segment: "Viewers".into() };
    bench.log(0, vec![define(0, segment("Viewers", "product_view_count > 0"))]);
    bench.log(1, vec![define(1, Defined::Campaign(campaign("hook", trigger, None)))]);
    bench.log(2, vec![event("e1", "product_view", 2)]);
    bench.take_all();
    bench.reopen();
    let key = ProfileKey::Customer("c1".into()).place();
    let profile = Profile::decode(&bench.disk.get(Table::Profiles, &key).unwrap().unwrap()).unwrap();
    assert_eq!(profile.program_version, bench.worker.program().version);
}

#[test]
fn an_audience_is_that_of_the_newest_definitions() {
    let schedule = Trigger::Once { at: at(3_600) };
    let script: [(i64, Body); 4] = [
        (0, event("e1", "product_view", 0)),
        (1, define(1, segment("Viewers", "product_view_count > 0"))),
        (1, define(1, Defined::Campaign(campaign("hook", schedule, Some("Viewers"))))),
        (7_200, Body::Tick),
    ];
    // Taken record by record, with time between them, and all at once.
    let decided = [1, usize::MAX].map(|at_once| {
        let mut bench = Bench::new();
        for (seconds, body) in script.clone() {
            bench.log(seconds, vec![body]);
        }
        bench.tape.give_at_once(at_once);
        bench.take_all().deliveries
    });
    assert_eq!(decided[0].len(), 1);
    assert_eq!(decided[0], decided[1]);
}

#[test]
fn two_decisions_of_one_cause_are_one() {
    let trigger = Trigger::Enter { segment: "Full cart".into() };
    let limits = Limits { rest: Span::HOUR, ..Limits::default() };
    let campaign = Campaign { limits, ..campaign("hook", trigger, None) };
    let decided = [1, usize::MAX].map(|at_once| {
        let mut bench = Bench::new();
        bench.log(0, vec![define(0, segment("Full cart", "cart_items > 0"))]);
        bench.log(1, vec![define(1, Defined::Campaign(campaign.clone()))]);
        // In, out and in again, all at one instant.
        let kinds = [("e1", "add_to_cart"), ("e2", "remove_from_cart"), ("e3", "add_to_cart")];
        bench.log(9, kinds.map(|(id, kind)| event(id, kind, 9)).into());
        bench.tape.give_at_once(at_once);
        let decided = bench.take_all().deliveries;
        let rows = bench.disk.scan(Table::Deliveries, &[], None, 9).unwrap();
        let stored: DeliveryRecord = state::decode(Table::Deliveries, &rows[0].1).unwrap();
        assert_eq!((rows.len(), stored.status), (1, Status::Pending));
        decided
    });
    assert_eq!(decided[0].iter().map(|d| &d.decision).collect::<Vec<_>>(), [&Decision::Send]);
    assert_eq!(decided[0], decided[1]);
}

#[test]
fn an_attempt_whose_end_was_not_written_is_in_doubt() {
    let (clock, trace) = (Clock::manual(at(0)), Trace::new());
    let disk = Arc::new(Disk::new(trace.clone(), Planted::Nothing));
    let post = Post::new(&mut Chance::new(1), &clock, &disk, &trace);
    post.calm_down();
    let id = DeliveryId(1);
    let delivery = Delivery {
        id,
        campaign: "mail".into(),
        profile: ProfileKey::Customer("c1".into()),
        cause: "event e1".into(),
        event_id: None,
        caused_at: at(0),
        decided_at: at(0),
        decision: Decision::Send,
    };
    let record = DeliveryRecord::new(delivery, Status::Pending);
    let mut batch = state::Batch::default();
    batch.put(Table::Deliveries, id.0.to_be_bytes().to_vec(), state::encode(&record));
    batch.put(Table::Outbox, outbox_key(at(0), id), Vec::new());
    disk.commit(batch).unwrap();
    let mut outbox = Outbox::new(Arc::clone(&disk), Arc::clone(&post), clock);
    // The mark and its sync are written; the outcome is not.
    disk.refuse_in(Some(2));
    assert!(futures::executor::block_on(outbox.turn()).is_err());
    let turn = futures::executor::block_on(outbox.turn()).unwrap();
    assert_eq!(turn.done.iter().map(|record| record.status).collect::<Vec<_>>(), [Status::InDoubt]);
    assert_eq!(post.mail.count(id), 1);
    assert_eq!(disk.scan(Table::Outbox, &[], None, 9).unwrap(), []);
}
