//! What the step makes of events and of the clock.

use proptest::prelude::*;

use super::*;
use crate::campaign::{Decision, Limits};
use crate::id::{AnonymousId, CustomerId};
use crate::program::{Change, Defined};
use crate::value::{Map, Value};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(1_700_000_000_000_000) + Span::SECOND.times(seconds)
}

fn event(id: &str, event_type: &str, seconds: i64) -> Event {
    Event {
        event_id: id.into(),
        event_type: event_type.into(),
        customer_id: Some(CustomerId::from("c1")),
        anonymous_id: None,
        timestamp: at(seconds),
        received_at: at(seconds),
        product_id: Some("A".into()),
        properties: Map::new(),
        traits: vec![("email".into(), Value::from("jane@example.com"))],
        context: Map::new(),
        source: "test".into(),
    }
}

const ABANDONED: &str = "IF event_type = 'cart_abandonment' AND event_time >= now() - 24 hours THEN assign to 'Abandoned Cart Last 24h'";

fn program(texts: &[&str]) -> Program {
    let mut program = Program::default();
    for text in texts {
        let what = if text.starts_with("AFTER") {
            Defined::Sequence { text: (*text).into() }
        } else {
            let name = text.rsplit('\'').nth(1).unwrap_or("segment");
            Defined::Segment {
                name: name.into(),
                version: 1,
                text: (*text).into(),
                traits: vec![],
                properties: vec![],
            }
        };
        program.apply(&Change { at: at(-1_000), what }).unwrap();
    }
    program
}

/// One person under a program, with everything that happened, as text.
struct Scene {
    program: Program,
    profile: Profile,
    sequence: u64,
    told: Vec<String>,
}

impl Scene {
    fn new(texts: &[&str]) -> Self {
        let profile = Profile::new(ProfileKey::Customer("c1".into()));
        Self { program: program(texts), profile, sequence: 0, told: Vec::new() }
    }

    fn tell(&mut self, actions: Vec<Action>) {
        for action in actions {
            self.told.push(match action {
                Action::Membership(change) => {
                    let word = if change.entered { "enter" } else { "exit" };
                    format!("{word} {} at {}", change.segment, change.at.as_micros() - at(0).as_micros())
                }
                Action::Deliver(delivery) => format!("deliver {} {:?}", delivery.campaign, delivery.decision),
                Action::Derive(event) => {
                    format!("derive {} at {}", event.event_type, (event.timestamp - at(0)).as_micros())
                }
                Action::Retract(id) => format!("retract {id}"),
                Action::Link { anonymous_id, .. } => format!("link {anonymous_id}"),
            });
        }
    }

    fn send(&mut self, event: &Event, now: Timestamp) {
        self.wait(now);
        let mut actions = Vec::new();
        self.sequence += 1;
        apply(&mut self.profile, &self.program, event, self.sequence, now, &mut actions);
        self.tell(actions);
    }

    fn wait(&mut self, now: Timestamp) {
        let mut actions = Vec::new();
        advance(&mut self.profile, &self.program, now, &mut actions);
        self.tell(actions);
    }
}

#[test]
fn a_member_leaves_at_the_exact_instant() {
    let mut scene = Scene::new(&[ABANDONED]);
    // Stamped 23 h 59 min 50 s ago.
    let stamped = -(24 * 3_600 - 10);
    scene.send(&event("e1", "cart_abandonment", stamped), at(0));
    scene.wait(at(3_600));
    assert_eq!(
        scene.told,
        ["enter Abandoned Cart Last 24h at 0", "exit Abandoned Cart Last 24h at 10000001"]
    );
}

#[test]
fn an_abandoned_cart_is_told_by_the_clock() {
    let rule = "AFTER add_to_cart WITHOUT purchase WITHIN 1 hour EMIT cart_abandonment";
    let mut scene = Scene::new(&[rule, ABANDONED]);
    scene.send(&event("e1", "add_to_cart", 0), at(0));
    scene.wait(at(7_200));
    assert_eq!(
        scene.told,
        ["derive cart_abandonment at 3600000000", "enter Abandoned Cart Last 24h at 3600000000"]
    );
    // The purchase was in time, and only its message was late.
    scene.send(&event("e2", "purchase", 1_800), at(7_300));
    assert_eq!(
        scene.told.get(2..).unwrap(),
        ["retract cart_abandonment:1:e1", "exit Abandoned Cart Last 24h at 7300000000"]
    );
}

#[test]
fn an_event_from_the_future_waits_for_its_time() {
    let mut scene = Scene::new(&[ABANDONED]);
    scene.send(&event("e1", "cart_abandonment", 60), at(0));
    assert_eq!(scene.told, [""; 0]);
    scene.wait(at(100));
    assert_eq!(scene.told, ["enter Abandoned Cart Last 24h at 60000000"]);
}

#[test]
fn consent_caps_and_rest_are_decided_and_recorded() {
    let mut scene = Scene::new(&[]);
    let campaign = Campaign {
        name: "Thanks".into(),
        trigger: Trigger::Event { event_type: "purchase".into() },
        audience: None,
        template: "thanks".into(),
        destination: "mail".into(),
        recommend: None,
        limits: Limits { cap: 1, ..Limits::default() },
        active: true,
    };
    scene.program.apply(&Change { at: at(-1), what: Defined::Campaign(campaign) }).unwrap();
    scene.send(&event("e1", "purchase", 0), at(0));
    scene.send(&event("e2", "purchase", 1), at(1));
    let mut refusal = event("e3", "purchase", 2);
    refusal.traits.push(("consent".into(), Value::Bool(false)));
    scene.send(&refusal, at(2));
    let expected =
        [Decision::Send, Decision::Capped, Decision::NoConsent].map(|d| format!("deliver Thanks {d:?}"));
    assert_eq!(scene.told, expected);
}

#[test]
fn a_new_device_is_linked_once() {
    let mut scene = Scene::new(&[]);
    for id in ["e1", "e2"] {
        let mut linked = event(id, "page_view", 0);
        linked.anonymous_id = Some(AnonymousId::from("device"));
        scene.send(&linked, at(0));
    }
    assert_eq!(scene.told, ["link device"]);
}

proptest! {
    /// The end does not depend on the order of arrival, nor on how often the
    /// clock was looked at; and folding anew changes nothing.
    #[test]
    fn state_is_a_function_of_the_timeline(
        events in prop::collection::vec((0_usize..4, 0_i64..10_000), 1..20),
        seed in any::<u64>(),
    ) {
        let types = ["add_to_cart", "purchase", "cart_abandonment", "product_view"];
        let texts = [
            "AFTER add_to_cart WITHOUT purchase WITHIN 1 hour EMIT cart_abandonment",
            "IF event_type = 'cart_abandonment' AND event_time >= now() - 2 hours THEN assign to 'Abandoned'",
            "IF event_type = 'product_view' THEN assign to 'Viewers'",
        ];
        let events: Vec<Event> = (0..).zip(&events).map(|(i, (kind, t))| event(&format!("e{i}"), types[*kind], *t)).collect();
        let end = at(12_000);
        let run = |order: &[Event]| {
            let mut scene = Scene::new(&texts);
            for event in order {
                scene.send(event, at(10_000));
            }
            scene.wait(end);
            let mut fired: Vec<_> = scene.profile.derived.iter().filter(|d| d.fired).map(|d| (d.due, d.cause_event_id.clone())).collect();
            fired.sort();
            let mut members: Vec<_> = scene.profile.memberships.iter().map(|m| m.segment).collect();
            members.sort_unstable();
            (fired, members, scene)
        };
        let (fired, members, mut scene) = run(&events);
        let mut shuffled = events.clone();
        let mut state = seed;
        for index in (1..shuffled.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            shuffled.swap(index, usize::try_from(state >> 33).unwrap() % (index + 1));
        }
        let (other_fired, other_members, _) = run(&shuffled);
        prop_assert_eq!(&fired, &other_fired);
        prop_assert_eq!(&members, &other_members);

        let timeline: Vec<_> = (1_u64..).zip(&events).map(|(sequence, e)| (Moment { timestamp: e.timestamp, sequence }, e.clone())).collect();
        let mut actions = Vec::new();
        refold(&mut scene.profile, &scene.program, timeline, end, &mut actions);
        let mut again: Vec<_> = scene.profile.memberships.iter().map(|m| m.segment).collect();
        again.sort_unstable();
        prop_assert_eq!(&members, &again);
        prop_assert!(actions.is_empty(), "folding anew did something: {:?}", actions);
    }
}
