//! Exits by a clock that is moved by hand, second by second: each happens at
//! its exact instant, and nothing happens in between.

use super::*;

fn instant(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn visit(at: Timestamp) -> Event {
    Event { timestamp: at, received_at: at, ..event("e1", "visit", 0) }
}

/// The instants at which someone who visits once enters and leaves, found by
/// moving the clock from one second to the next around each of `near`.
fn stays(condition: &str, visited: Timestamp, near: &[Timestamp]) -> Vec<(bool, Timestamp)> {
    let mut scene = Scene::new(&[&format!("IF {condition} THEN assign to 'x'")]);
    let mut seen = Vec::new();
    let mut moved = |scene: &mut Scene, now: Timestamp, actions: Vec<Action>| {
        for action in actions {
            let Action::Membership(change) = action else { continue };
            assert!(change.at <= now && change.at > now - Span::SECOND, "{condition}: told late, at {now}");
            seen.push((change.entered, change.at));
        }
        assert!(scene.profile.next_due() > now);
    };
    let mut actions = Vec::new();
    apply(&mut scene.profile, &scene.program, &visit(visited), 1, visited, &mut actions);
    moved(&mut scene, visited, actions);
    for near in near {
        for second in -3..=3 {
            let now = *near + Span::SECOND.times(second);
            let mut actions = Vec::new();
            advance(&mut scene.profile, &scene.program, now, &mut actions);
            if second == -3 {
                assert_eq!(actions, [], "{condition}: nothing between {visited} and {now}");
            }
            moved(&mut scene, now, actions);
        }
    }
    seen
}

#[test]
fn windows_of_ten_minutes_a_day_and_thirty_days_end_at_their_second() {
    // Over the nights in which Berlin's clocks are put forward and back: a
    // length of time is no matter of clocks.
    for visited in ["2026-03-28T23:55:07Z", "2026-10-24T23:55:07Z", "2026-02-27T12:00:00Z"] {
        let visited = instant(visited);
        let windows = [
            ("10 minutes", Span::MINUTE.times(10)),
            ("24 hours", Span::DAY),
            ("30 days", Span::DAY.times(30)),
        ];
        for (window, length) in windows {
            let last = visited + length;
            let expected = [(true, visited), (false, last.next())];
            let rule = format!("event_type = 'visit' AND event_time >= now() - {window}");
            assert_eq!(stays(&rule, visited, &[last]), expected, "{window}");
            let phrase = format!("done visit in the last {window}");
            assert_eq!(stays(&phrase, visited, &[last]), expected, "{window}");
            let strict = format!("event_type = 'visit' AND event_time > now() - {window}");
            assert_eq!(stays(&strict, visited, &[last]), [(true, visited), (false, last)], "{window}");
        }
    }
}

#[test]
fn yesterday_in_berlin_begins_and_ends_at_its_midnights() {
    let yesterday = "done visit yesterday in zone 'Europe/Berlin'";
    for (visited, begins, ends) in [
        // 28 March has 24 hours, 29 March 23.
        ("2026-03-28T12:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"),
        ("2026-03-29T12:00:00Z", "2026-03-29T22:00:00Z", "2026-03-30T22:00:00Z"),
        // 25 October has 25.
        ("2026-10-24T21:30:00Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
        ("2026-10-25T00:30:00Z", "2026-10-25T23:00:00Z", "2026-10-26T23:00:00Z"),
        // The second time that clocks show half past two.
        ("2026-10-25T01:30:00Z", "2026-10-25T23:00:00Z", "2026-10-26T23:00:00Z"),
    ] {
        let (begins, ends) = (instant(begins), instant(ends));
        let expected = [(true, begins), (false, ends)];
        assert_eq!(stays(yesterday, instant(visited), &[begins, ends]), expected, "{visited}");
    }
}
