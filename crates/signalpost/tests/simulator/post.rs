//! The outside that messages go to: a receiver that can tell repeats (a
//! webhook), one that cannot (SMTP), and the network before both.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use signalpost::clock::Clock;
use signalpost::deliver::DeliveryRecord;
use signalpost::deliver::message::{Message, Outcome};
use signalpost::deliver::outbox::{Carry, Compose, Composed};
use signalpost::deliver::rate::{self, Limiter};
use signalpost_core::campaign::DeliveryId;
use signalpost_core::time::{Span, Timestamp};

use crate::chance::Chance;
use crate::disk::Disk;
use crate::trace::Trace;

/// One receiver.
#[derive(Debug)]
pub(crate) struct Receiver {
    tells_repeats: bool,
    chance: Mutex<Chance>,
    calm: AtomicBool,
    clock: Clock,
    disk: Arc<Disk>,
    trace: Trace,
    received: Mutex<BTreeMap<DeliveryId, u32>>,
}

impl Receiver {
    /// How often each message arrived.
    pub(crate) fn received(&self) -> BTreeMap<DeliveryId, u32> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How often one message arrived.
    pub(crate) fn count(&self, id: DeliveryId) -> u32 {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).get(&id).copied().unwrap_or(0)
    }

    fn take(&self, id: DeliveryId) {
        *self.received.lock().unwrap_or_else(PoisonError::into_inner).entry(id).or_default() += 1;
    }

    fn attempt(&self, message: &Message) -> Outcome {
        let mut chance = self.chance.lock().unwrap_or_else(PoisonError::into_inner);
        let in_doubt = || Outcome::InDoubt { reason: "the connection broke".into() };
        if self.disk.is_dead() {
            return in_doubt();
        }
        if self.calm.load(Ordering::Relaxed) {
            self.take(message.id);
            return Outcome::Accepted { answer: "ok".into() };
        }
        let took = Span::MILLISECOND.times(i64::try_from(chance.below(3_000)).unwrap());
        self.clock.advance_to(self.clock.now() + took);
        match chance.below(100) {
            0..70 => {
                self.take(message.id);
                Outcome::Accepted { answer: "ok".into() }
            }
            70..80 => {
                let after = chance.percent(30).then_some(std::time::Duration::from_mins(2));
                Outcome::Retry { reason: "503".into(), after }
            }
            80..83 => Outcome::Refused { reason: "no such person".into() },
            83..87 => in_doubt(),
            87..92 => {
                self.take(message.id);
                in_doubt()
            }
            92..96 => {
                self.disk.die();
                in_doubt()
            }
            _ => {
                self.take(message.id);
                self.disk.die();
                in_doubt()
            }
        }
    }
}

impl Carry for Receiver {
    fn tells_repeats(&self) -> bool {
        self.tells_repeats
    }

    fn limiter(&self) -> Option<Limiter> {
        let settings = rate::Settings { per_second: 0.5, burst: 2 };
        (!self.tells_repeats).then(|| Limiter::new(settings).unwrap())
    }

    async fn send(&self, message: &Message, _: Timestamp) -> Outcome {
        let outcome = self.attempt(message);
        self.trace.note(format!("{} {} {outcome:?}", message.id, message.campaign).as_bytes());
        outcome
    }
}

/// Both receivers, and the messages that are made for them.
#[derive(Debug)]
pub(crate) struct Post {
    pub(crate) hook: Arc<Receiver>,
    pub(crate) mail: Arc<Receiver>,
}

impl Post {
    pub(crate) fn new(chance: &mut Chance, clock: &Clock, disk: &Arc<Disk>, trace: &Trace) -> Arc<Self> {
        let mut receiver = |tells_repeats| {
            Arc::new(Receiver {
                tells_repeats,
                chance: Mutex::new(Chance::new(chance.next())),
                calm: AtomicBool::new(false),
                clock: clock.clone(),
                disk: Arc::clone(disk),
                trace: trace.clone(),
                received: Mutex::default(),
            })
        };
        Arc::new(Self { hook: receiver(true), mail: receiver(false) })
    }

    /// From now on everything arrives at once.
    pub(crate) fn calm_down(&self) {
        self.hook.calm.store(true, Ordering::Relaxed);
        self.mail.calm.store(true, Ordering::Relaxed);
    }

    /// The receiver of a campaign.
    pub(crate) fn receiver(&self, campaign: &str) -> &Arc<Receiver> {
        if campaign.starts_with("mail") { &self.mail } else { &self.hook }
    }
}

impl Compose for Post {
    type Destination = Receiver;

    fn compose(&self, record: &DeliveryRecord) -> Result<Composed<Receiver>, String> {
        let delivery = &record.delivery;
        if delivery.id.0.is_multiple_of(50) {
            return Err("the template fails".into());
        }
        let message = Message {
            id: delivery.id,
            campaign: delivery.campaign.to_string(),
            customer_id: delivery.profile.to_string(),
            to: "somebody@post.shop".into(),
            to_name: String::new(),
            subject: delivery.cause.to_string(),
            preheader: String::new(),
            html: String::new(),
            text: String::new(),
            unsubscribe_url: String::new(),
            data: serde_json::Value::Null,
            decided_at: delivery.decided_at.to_string(),
        };
        let destination = Arc::clone(self.receiver(&delivery.campaign));
        let destination_name = if destination.tells_repeats { "hook" } else { "mail" }.to_owned();
        Ok(Composed { message, destination_name, destination })
    }
}
