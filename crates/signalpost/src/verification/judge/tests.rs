//! What was so at the instant of a comparison, told from what is so now.

use signalpost_core::id::ProfileKey;
use signalpost_core::step::{MembershipCause, MembershipChange};
use signalpost_core::time::Timestamp;

use super::was_member;

/// Changes at seconds, newest first: `+` an entry, `-` an exit.
fn changes(text: &str) -> Vec<MembershipChange> {
    let change = |word: &str| {
        let (sign, second) = word.split_at(1);
        MembershipChange {
            profile: ProfileKey::Customer("c1".into()),
            segment_id: 1,
            segment: "S".into(),
            version: 1,
            entered: sign == "+",
            at: Timestamp::from_micros(second.parse::<i64>().unwrap_or_default() * 1_000_000),
            cause: MembershipCause::Clock,
        }
    };
    text.split_whitespace().map(change).collect()
}

fn check(text: &str, is_member: bool, expected: &[(i64, bool)]) {
    let changes = changes(text);
    for (second, expected) in expected {
        let at = Timestamp::from_micros(second * 1_000_000);
        assert_eq!(was_member(&changes, is_member, at), *expected, "{text:?} at {second}");
    }
}

#[test]
fn later_changes_are_undone() {
    check("", true, &[(5, true)]);
    check("", false, &[(5, false)]);
    check("+10", true, &[(9, false), (10, true), (11, true)]);
    check("-20 +10", false, &[(9, false), (10, true), (19, true), (20, false), (30, false)]);
    check("+30 -20 +10", true, &[(5, false), (15, true), (25, false), (30, true)]);
}

#[test]
fn a_state_that_no_change_explains_is_not_explained_away() {
    // A member by the history, and not by the table of members.
    check("+10", false, &[(11, false)]);
    // The other way round.
    check("-20 +10", true, &[(21, true)]);
}
