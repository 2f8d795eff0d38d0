//! What the step makes of events and of the clock.

use proptest::prelude::*;

use super::*;
use crate::campaign::{Decision, Limits};
use crate::id::{AnonymousId, CustomerId};
use crate::program::{Change, Defined, Lacking};
use crate::value::{Map, Value};

mod exits;
mod laws;
mod play;
mod refreshed;

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

const CART: &str = "AFTER add_to_cart WITHOUT purchase WITHIN 1 hour EMIT cart_abandonment";
const LOST: &str = "AFTER cart_abandonment WITHOUT purchase WITHIN 1 day EMIT cart_lost";

#[test]
fn a_rule_that_follows_a_rule_is_fired_with_it_and_taken_back_with_it() {
    // In whichever order the two were defined.
    for (texts, cart, lost) in [([CART, LOST], 1, 2), ([LOST, CART], 2, 1)] {
        let mut scene = Scene::new(&texts);
        // The start comes two days late: both waits are over.
        scene.send(&event("e1", "add_to_cart", -2 * 86_400), at(0));
        let told = std::mem::take(&mut scene.told);
        let hours = |hours: i64| (hours - 48) * 3_600_000_000;
        let fired = [
            format!("derive cart_abandonment at {}", hours(1)),
            format!("derive cart_lost at {}", hours(25)),
        ];
        assert_eq!(told, fired);
        scene.send(&event("e2", "purchase", -2 * 86_400 + 60), at(1));
        let abandoned = format!("cart_abandonment:{cart}:e1");
        assert_eq!(
            scene.told,
            [format!("retract {abandoned}"), format!("retract cart_lost:{lost}:{abandoned}")]
        );
    }
}

#[test]
fn what_is_left_after_taking_back_is_summed_up_exactly() {
    let mut scene = Scene::new(&[CART]);
    // One from outside, and one derived that does not hold in the end.
    scene.send(&event("e1", "cart_abandonment", 10), at(10));
    scene.send(&event("e2", "add_to_cart", 20), at(20));
    scene.wait(at(4_000));
    assert_eq!(scene.profile.summary("cart_abandonment").unwrap().last, at(3_620));
    scene.send(&event("e3", "purchase", 30), at(4_001));
    let left = scene.profile.summary("cart_abandonment").unwrap();
    assert_eq!((left.count, left.first, left.last), (1, at(10), at(10)));
}

#[test]
fn a_segment_told_by_another_does_not_go_back_and_forth() {
    // The first is judged before the one it names.
    let lookers = "IF event_type = 'product_view' AND NOT in_segment('Buyers') THEN assign to 'Lookers'";
    let buyers = "IF event_type = 'product_view' THEN assign to 'Buyers'";
    let mut scene = Scene::new(&[lookers, buyers]);
    scene.send(&event("e1", "product_view", 0), at(0));
    assert_eq!(scene.told, ["enter Buyers at 0"]);
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
fn an_event_that_waited_for_its_time_is_treated_as_one_that_comes_then() {
    let told = [0, 60].map(|now| {
        let mut scene = Scene::new(&["IF event_type = 'purchase' THEN assign to 'Buyers'"]);
        let campaign = Campaign {
            name: "Thanks".into(),
            trigger: Trigger::Event { event_type: "purchase".into() },
            audience: Some("Buyers".into()),
            template: "thanks".into(),
            destination: "mail".into(),
            recommend: None,
            limits: Limits::default(),
            active: true,
        };
        scene.program.apply(&Change { at: at(-1), what: Defined::Campaign(campaign) }).unwrap();
        scene.send(&event("e1", "purchase", 60), at(now));
        scene.wait(at(100));
        scene.told
    });
    assert_eq!(told[0], ["enter Buyers at 60000000", "deliver Thanks Send"]);
    assert_eq!(told[0], told[1]);
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

#[test]
fn a_consent_given_outside_of_events_counts_with_the_next_one() {
    let mut scene = Scene::new(&["SELECT customer_id FROM customer_data WHERE email_consent = TRUE"]);
    scene.profile.program_version = scene.program.version;
    scene.send(&event("e1", "page_view", 0), at(0));
    scene.profile.set_consent("email", true, Moment { timestamp: at(1), sequence: 9 });
    scene.send(&event("e2", "page_view", 2), at(2));
    assert_eq!(scene.told, ["enter segment at 2000000"]);
}

#[test]
fn segments_that_ask_for_each_other_are_judged_in_order() {
    // Each asks for the one defined after it: the last is judged first.
    let texts: Vec<String> = (0..9)
        .map(|index| format!("IF in_segment('s{}') THEN assign to 's{index}'", index + 1))
        .chain(
            ["IF event_type = 'purchase' AND event_time >= now() - 1 hours THEN assign to 's9'".to_owned()],
        )
        .collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let mut scene = Scene::new(&texts);
    scene.send(&event("e1", "purchase", 0), at(0));
    assert_eq!(scene.told.len(), 10, "{:?}", scene.told);
    scene.wait(at(7_200));
    assert_eq!(scene.told.len(), 20, "{:?}", scene.told);
    assert!(scene.told.iter().skip(10).all(|told| told.ends_with("at 3600000001")), "{:?}", scene.told);
}

#[test]
fn segments_may_not_ask_in_a_circle() {
    let definition = |text: &str| match crate::segment::parse(text, &crate::segment::Schema::default()) {
        Ok(crate::segment::Statement::Segment(definition)) => definition,
        other => panic!("{other:?}"),
    };
    let program = program(&[
        "IF in_segment('b') THEN assign to 'a'",
        "IF NOT in_segment('c') AND in_segment('d') THEN assign to 'b'",
        "IF done purchase THEN assign to 'd'",
    ]);
    let check = |name: &str, text: &str| program.check(name, &definition(text));
    let refused = check("c", "IF in_segment('a') THEN assign to 'c'").unwrap_err().to_string();
    assert!(refused.contains("c → a → b → c"), "{refused}");
    assert!(check("a", "IF in_segment('a') THEN assign to 'a'").is_err());
    assert!(check("a", "IF in_segment('d') THEN assign to 'a'").unwrap().is_empty());
    let remarks = check("e", "IF in_segment('dd') THEN assign to 'e'").unwrap();
    assert!(remarks[0].contains("no segment 'dd' yet") && remarks[0].contains("'d'"), "{remarks:?}");
    // What was stored before is still taken.
    let mut stored = program;
    let text = "IF in_segment('a') AND last_seen > 3 THEN assign to 'c'".to_owned();
    let what = Defined::Segment { name: "c".into(), version: 1, text, traits: vec![], properties: vec![] };
    stored.apply(&Change { at: at(0), what }).unwrap();
    assert!(stored.readers.are_circular());
}

#[test]
fn windows_end_at_their_exact_instant_also_when_clocks_turn() {
    // Noon in Berlin on the day before clocks went forward, 28 March 2026.
    let noon = Timestamp::parse("2026-03-28T11:00:00Z").unwrap();
    let texts = [
        "IF done app_open in the last 10 minutes THEN assign to 'ten minutes'",
        "IF event_type = 'app_open' AND event_time >= now() - 24 hours THEN assign to 'a day'",
        "IF done app_open at least 1 time in the last 30 days THEN assign to 'thirty days'",
        "IF done app_open yesterday in zone 'Europe/Berlin' THEN assign to 'yesterday'",
        "IF done app_open today in zone 'Europe/Berlin' THEN assign to 'today'",
    ];
    let mut program = Program::default();
    for text in texts {
        let name = text.rsplit('\'').nth(1).unwrap().into();
        let text = text.to_owned();
        let what = Defined::Segment { name, version: 1, text, traits: vec![], properties: vec![] };
        program.apply(&Change { at: noon - Span::DAY, what }).unwrap();
    }
    let mut profile = Profile::new(ProfileKey::Customer("c1".into()));
    profile.program_version = program.version;
    let opened = Event { timestamp: noon, received_at: noon, ..event("e1", "app_open", 0) };
    let mut actions = Vec::new();
    apply(&mut profile, &program, &opened, 1, noon, &mut actions);
    advance(&mut profile, &program, noon + Span::DAY.times(60), &mut actions);
    let told: Vec<String> = actions
        .iter()
        .filter_map(|action| match action {
            Action::Membership(change) => {
                let word = if change.entered { "+" } else { "-" };
                Some(format!("{word}{} {}", change.segment, change.at))
            }
            _ => None,
        })
        .collect();
    assert_eq!(
        told,
        [
            "+ten minutes 2026-03-28T11:00:00Z",
            "+a day 2026-03-28T11:00:00Z",
            "+thirty days 2026-03-28T11:00:00Z",
            "+today 2026-03-28T11:00:00Z",
            "-ten minutes 2026-03-28T11:10:00.000001Z",
            "+yesterday 2026-03-28T23:00:00Z",
            "-today 2026-03-28T23:00:00Z",
            "-a day 2026-03-29T11:00:00.000001Z",
            // The 29th had 23 hours.
            "-yesterday 2026-03-29T22:00:00Z",
            "-thirty days 2026-04-27T11:00:00.000001Z",
        ]
    );
    assert_eq!(profile.next_due(), Timestamp::MAX, "nothing is left to wake for");
}
