//! Playing a history is having lived it.

use super::*;

const SEGMENTS: [&str; 4] = [
    CART,
    ABANDONED,
    "IF done product_view at least 2 times in the last 2 hours THEN assign to 'keen'",
    "IF in_segment('keen') AND NOT done purchase in the last 1 hour THEN assign to 'undecided'",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// From any instant on, what a play tells is what was told by the clock and
    /// by events that came as they happened.
    #[test]
    fn a_play_tells_what_was_told(
        mut events in prop::collection::vec((0_i64..40_000, 0_usize..3), 1..25),
        from in 0_i64..45_000,
        length in 0_i64..100_000,
    ) {
        let types = ["product_view", "add_to_cart", "purchase"];
        events.sort_unstable();
        let program = program(&SEGMENTS);
        let mut lived = Profile::new(ProfileKey::Customer("c1".into()));
        lived.program_version = program.version;
        let (mut timeline, mut told) = (Vec::new(), Vec::new());
        for ((seconds, kind), sequence) in events.iter().zip(1..) {
            let event = event(&format!("e{sequence}"), types[*kind], *seconds);
            advance(&mut lived, &program, at(*seconds), &mut told);
            apply(&mut lived, &program, &event, sequence, at(*seconds), &mut told);
            timeline.push((Moment { timestamp: event.timestamp, sequence }, event));
        }
        advance(&mut lived, &program, at(200_000), &mut told);
        let mut person = Profile::new(ProfileKey::Customer("c1".into()));
        let played = play(&mut person, &program, timeline, at(from), at(from + length));
        let moves = |actions: Vec<Action>| -> Vec<MembershipChange> {
            let changes = actions.into_iter().filter_map(|action| match action {
                Action::Membership(change) => Some(change),
                _ => None,
            });
            changes.filter(|change| change.at > at(from) && change.at <= at(from + length)).collect()
        };
        prop_assert_eq!(moves(played), moves(told));
    }
}

#[test]
fn a_play_tells_which_campaigns_would_have_fired() {
    let mut program = program(&[ABANDONED]);
    let campaign = Campaign {
        name: "come back".into(),
        trigger: Trigger::Enter { segment: "Abandoned Cart Last 24h".into() },
        audience: None,
        template: "t".into(),
        destination: "d".into(),
        recommend: None,
        limits: Limits { rest: Span::DAY.times(3), ..Limits::default() },
        active: true,
    };
    program.apply(&Change { at: at(-1_000), what: Defined::Campaign(campaign) }).unwrap();
    let day = 86_400;
    let timeline = [0, 2 * day, 5 * day].into_iter().zip(1..).map(|(seconds, sequence)| {
        let event = event(&format!("e{sequence}"), "cart_abandonment", seconds);
        (Moment { timestamp: event.timestamp, sequence }, event)
    });
    let mut person = Profile::new(ProfileKey::Customer("c1".into()));
    let actions = play(&mut person, &program, timeline.collect(), at(-10), at(9 * day));
    let decided: Vec<_> = actions
        .iter()
        .filter_map(|action| match action {
            Action::Deliver(delivery) => Some(delivery.decision.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(decided, [Decision::Send, Decision::Capped, Decision::Send]);
}
