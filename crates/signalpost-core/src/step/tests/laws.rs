//! Laws over many kinds of segments at once: asking few is asking all, and
//! living through events is folding them anew.

use super::*;

/// Segments of many kinds: by rows, by sums, by traits, by windows of days.
const MANY: [&str; 18] = [
    "IF event_type = 'product_view' AND event_time >= now() - 1 hours THEN assign to 'lately'",
    "IF event_type = 'add_to_cart' AND event_time >= now() - 2 hours AND size = 1 THEN assign to 'sized'",
    "IF event_type = 'purchase' THEN assign to 'buyers'",
    "IF event_type = 'add_to_cart' AND event_time >= now() - 3 hours AND NOT EXISTS (SELECT 1 FROM events p WHERE p.event_type = 'purchase' AND p.timestamp >= event.timestamp) THEN assign to 'open'",
    "SELECT customer_id FROM customer_data WHERE recent_view_category = 'Toys'",
    "SELECT customer_id FROM customer_data WHERE events >= 4",
    "SELECT customer_id FROM customer_data WHERE total_spent >= 100 OR email_consent = FALSE",
    "SELECT customer_id FROM customer_data WHERE first_seen >= now() - INTERVAL '2 hours'",
    "SELECT customer_id FROM customer_data WHERE add_to_cart_count > 0 AND purchase_count = 0 AND tier = 2",
    "SELECT customer_id FROM customer_data WHERE customer_id IN (SELECT customer_id FROM events WHERE timestamp >= now() - INTERVAL '2 hours' GROUP BY customer_id HAVING count(*) >= 3)",
    "SELECT customer_id FROM customer_data WHERE NOT EXISTS (SELECT 1 FROM events WHERE event_type = 'product_view')",
    "SELECT customer_id FROM customer_data WHERE product_view_count_1d > 2 OR cart_items > 1 OR recency_score > 0",
    "IF NOT in_segment('d') AND done page_view THEN assign to 'x'",
    "IF in_segment('c') OR in_segment('b') AND done purchase in the last 2 hours THEN assign to 'x'",
    "IF done add_to_cart without purchase within 1 hour THEN assign to 'x'",
    "IF done product_view then add_to_cart within 2 hours THEN assign to 'x'",
    "IF done any event yesterday in zone 'Europe/Berlin' AND NOT done purchase today in zone 'Asia/Tokyo' THEN assign to 'x'",
    "IF sum(total) of purchase in the last 3 hours >= 80 OR done product_view every day for 2 days including today THEN assign to 'x'",
];

/// A program of these segments, named `a`, `b`, … in order.
fn program_of(segments: &[&str], properties: &[&str]) -> Program {
    let mut program = Program::default();
    for (text, name) in segments.iter().zip('a'..) {
        let what = Defined::Segment {
            name: name.to_string().as_str().into(),
            version: 1,
            text: (*text).into(),
            traits: vec!["tier".into()],
            properties: properties.iter().map(|name| (*name).into()).collect(),
        };
        program.apply(&Change { at: at(-1), what }).unwrap();
    }
    program
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// An event only asks the segments it can matter to. That must come to the
    /// same as asking all of them each time, to the microsecond.
    #[test]
    fn asking_few_segments_is_asking_all(
        chosen in prop::sample::subsequence(MANY.to_vec(), 1..8).prop_shuffle(),
        with_rule in any::<bool>(),
        events in prop::collection::vec((0_usize..6, 0_i64..30_000, 0_i64..12_000, 0_usize..4), 1..25),
    ) {
        let types = ["product_view", "add_to_cart", "purchase", "page_view", "unsubscribe", "cart_abandonment"];
        let mut program = program_of(&chosen, &["size"]);
        if with_rule {
            program.apply(&Change { at: at(-1), what: Defined::Sequence { text: CART.into() } }).unwrap();
        }
        let mut arrivals: Vec<i64> = events.iter().map(|(_, arrival, ..)| *arrival).collect();
        arrivals.sort_unstable();
        let mut few = Profile::new(ProfileKey::Customer("c1".into()));
        few.program_version = program.version;
        let mut all = few.clone();
        for ((kind, _, late, facts), (arrival, sequence)) in events.iter().zip(arrivals.into_iter().zip(1..)) {
            let mut event = event(&format!("e{sequence}"), types[*kind], arrival - late);
            event.properties = vec![("category".into(), ["Toys", "Books"][facts % 2].into()), ("size".into(), Value::Int(*facts as i64)), ("total".into(), Value::Int(40))];
            if *facts == 3 {
                event.traits.push(("tier".into(), Value::Int(*late % 3)));
                event.traits.push(("consent".into(), Value::Bool(late % 2 == 0)));
            }
            let (mut by_few, mut by_all) = (Vec::new(), Vec::new());
            for (profile, actions) in [(&mut few, &mut by_few), (&mut all, &mut by_all)] {
                advance(profile, &program, at(arrival), actions);
            }
            all.unevaluated = true;
            for (profile, actions) in [(&mut few, &mut by_few), (&mut all, &mut by_all)] {
                apply(profile, &program, &event, sequence, at(arrival), actions);
            }
            prop_assert_eq!(by_few, by_all);
            prop_assert!(few.next_due() > at(arrival) && all.next_due() > at(arrival));
        }
        let (mut by_few, mut by_all) = (Vec::new(), Vec::new());
        advance(&mut few, &program, at(200_000), &mut by_few);
        advance(&mut all, &program, at(200_000), &mut by_all);
        prop_assert_eq!(by_few, by_all);
        prop_assert_eq!(few.memberships, all.memberships);
    }

    /// Events that come late, out of order, twice at one instant, and timers in
    /// between leave at every instant the members that a fold of everything
    /// known by then leaves.
    #[test]
    fn living_through_events_is_folding_them_anew(
        chosen in prop::sample::subsequence(MANY.to_vec(), 1..8).prop_shuffle(),
        events in prop::collection::vec((0_usize..6, 0_i64..30_000, 0_i64..100_000, 0_usize..4), 1..20),
        asked in prop::collection::vec(0_i64..200_000, 1..6),
    ) {
        let types = ["product_view", "add_to_cart", "purchase", "page_view", "unsubscribe", "cart_abandonment"];
        let program = program_of(&chosen, &["size", "total"]);
        // Segments that ask in a circle are refused when they are defined.
        prop_assume!(!program.readers.are_circular());
        let mut inputs: Vec<_> =
            events.iter().map(|(kind, arrival, late, facts)| (*arrival, Some((*kind, *late, *facts)))).collect();
        inputs.extend(asked.iter().map(|instant| (*instant, None)));
        inputs.sort_by_key(|(arrival, input)| (*arrival, input.is_none()));
        let mut live = Profile::new(ProfileKey::Customer("c1".into()));
        live.program_version = program.version;
        let mut timeline: Vec<(Moment, Event)> = Vec::new();
        for ((arrival, input), sequence) in inputs.into_iter().zip(1..) {
            let now = at(arrival);
            let mut told = Vec::new();
            advance(&mut live, &program, now, &mut told);
            if let Some((kind, late, facts)) = input {
                let mut event = event(&format!("e{sequence}"), types[kind], arrival - late);
                event.properties = vec![("category".into(), ["Toys", "Books"][facts % 2].into()), ("size".into(), Value::Int(facts as i64)), ("total".into(), Value::Int(40))];
                timeline.push((Moment { timestamp: event.timestamp, sequence }, event.clone()));
                apply(&mut live, &program, &event, sequence, now, &mut told);
            }
            if timeline.is_empty() {
                continue;
            }
            let mut anew = Profile::new(live.key.clone());
            refold(&mut anew, &program, timeline.clone(), now, &mut told);
            let members = |profile: &Profile| {
                let mut ids: Vec<u32> = profile.memberships.iter().map(|held| held.segment).collect();
                ids.sort_unstable();
                ids
            };
            prop_assert_eq!(members(&live), members(&anew), "at {} under {:?}", now, &chosen);
            prop_assert!(live.next_due() > now, "at {} under {:?}", now, &chosen);
        }
    }

    /// After a change, a profile that is only given what it lacks is judged as one
    /// folded anew is, then and ever after.
    #[test]
    fn what_lacks_little_need_not_be_folded_anew(
        before in prop::sample::subsequence(MANY.to_vec(), 1..6),
        added in prop::sample::select(MANY.to_vec()),
        with_rule in any::<bool>(),
        events in prop::collection::vec((0_usize..6, 0_i64..60_000, 0_i64..20_000, 0_usize..4), 1..25),
    ) {
        let types = ["product_view", "add_to_cart", "purchase", "page_view", "unsubscribe", "cart_abandonment"];
        let mut program = program_of(&before, &["size", "total"]);
        if with_rule {
            program.apply(&Change { at: at(-1), what: Defined::Sequence { text: CART.into() } }).unwrap();
        }
        let mut events = events;
        events.sort_unstable_by_key(|(_, seconds, ..)| *seconds);
        let mut kept = Profile::new(ProfileKey::Customer("c1".into()));
        kept.program_version = program.version;
        let mut timeline: Vec<(Moment, Event)> = Vec::new();
        let mut anew = None;
        for ((kind, seconds, late, facts), sequence) in events.into_iter().zip(1..) {
            let now = at(seconds);
            if seconds > 30_000 && anew.is_none() {
                let what = Defined::Segment {
                    name: "added".into(),
                    version: 1,
                    text: added.replace("assign to 'x'", "assign to 'added'"),
                    traits: vec!["tier".into()],
                    properties: vec!["size".into(), "total".into()],
                };
                advance(&mut kept, &program, now, &mut Vec::new());
                let made_under = program.version;
                prop_assume!(program.apply(&Change { at: now, what }).is_ok());
                let mut folded = kept.clone();
                let (mut told, mut told_anew) = (Vec::new(), Vec::new());
                refold(&mut folded, &program, timeline.clone(), now, &mut told_anew);
                match program.lacking(made_under) {
                    Lacking::Nothing => redefined(&mut kept, &program, now, &mut told),
                    Lacking::Rows(wanted) => widen(&mut kept, &program, &wanted, &timeline, now, &mut told),
                    Lacking::Everything => refold(&mut kept, &program, timeline.clone(), now, &mut told),
                }
                prop_assert_eq!(told, told_anew);
                anew = Some(folded);
            }
            let mut event = event(&format!("e{sequence}"), types[kind], seconds - late + 4_000);
            event.properties = vec![("category".into(), ["Toys", "Books"][facts % 2].into()), ("size".into(), Value::Int(facts as i64)), ("total".into(), Value::Int(40))];
            timeline.push((Moment { timestamp: event.timestamp, sequence }, event.clone()));
            let (mut told, mut told_anew) = (Vec::new(), Vec::new());
            advance(&mut kept, &program, now, &mut told);
            apply(&mut kept, &program, &event, sequence, now, &mut told);
            if let Some(anew) = &mut anew {
                advance(anew, &program, now, &mut told_anew);
                apply(anew, &program, &event, sequence, now, &mut told_anew);
                // Derived events are taken back in the order in which they were noted.
                for told in [&mut told, &mut told_anew] {
                    told.sort_by_cached_key(|action| format!("{action:?}"));
                }
                prop_assert_eq!(told, told_anew);
            }
        }
        if let Some(mut anew) = anew {
            let (mut told, mut told_anew) = (Vec::new(), Vec::new());
            advance(&mut kept, &program, at(300_000), &mut told);
            advance(&mut anew, &program, at(300_000), &mut told_anew);
            prop_assert_eq!(told, told_anew);
        }
    }

    /// Where the latest event of a type tells all, no rows are kept; a profile
    /// that was folded anew, to be explained, has those that are named.
    #[test]
    fn rows_that_are_only_named_are_only_kept_to_be_named(moments in prop::collection::vec(0_i64..3_000, 1..60)) {
        let mut scene = Scene::new(&["IF event_type = 'product_view' AND event_time >= now() - 1 hours THEN assign to 'lately'"]);
        let now = at(3_000);
        let mut timeline = Vec::new();
        for (seconds, sequence) in moments.iter().zip(1..) {
            let event = event(&format!("e{sequence}"), "product_view", *seconds);
            scene.send(&event, now);
            timeline.push((Moment { timestamp: event.timestamp, sequence }, event));
        }
        prop_assert_eq!(&scene.profile.rows, &[]);
        prop_assert_eq!(&scene.told, &["enter lately at 3000000000"]);
        let mut latest: Vec<_> = timeline.iter().map(|(moment, _)| *moment).collect();
        latest.sort_unstable();
        let latest = latest.split_off(latest.len().saturating_sub(crate::segment::EVIDENCE_MAX));

        refold(&mut scene.profile, &scene.program, timeline, now, &mut Vec::new());
        let subject = ProfileSubject { profile: &scene.profile, program: &scene.program };
        let told = scene.program.segments[0].compiled.explain(&subject, now);
        let named = told.events.iter().rev();
        let named: Vec<_> = named.map(|event| Moment { timestamp: event.timestamp, sequence: event.sequence }).collect();
        prop_assert_eq!(named, latest);
        scene.wait(now);
        prop_assert_eq!(&scene.profile.rows, &[]);
    }
}
