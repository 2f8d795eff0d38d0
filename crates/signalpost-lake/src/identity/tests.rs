//! The owner of an event follows the latest link before it, else the earliest.

use proptest::prelude::*;

use super::Links;

/// The rule, word for word.
fn expected(links: &[(i64, u8)], at: i64) -> Option<u8> {
    let before = links
        .iter()
        .enumerate()
        .filter(|(_, link)| link.0 <= at)
        .max_by_key(|(place, link)| (link.0, *place));
    let after = links.iter().enumerate().min_by_key(|(place, link)| (link.0, *place));
    before.or(after).map(|(_, link)| link.1)
}

proptest! {
    #[test]
    fn owner_is_as_the_rule_says(links in prop::collection::vec((0..6_i64, 0..4_u8), 0..8), at in -1..7_i64, seen in 0..8_usize) {
        let mut held = Links::default();
        for (at, customer) in &links {
            held.add("d", &customer.to_string(), *at);
        }
        let seen = seen.min(links.len());
        let owner = held.owner("d", at, seen as u64).map(str::to_owned);
        prop_assert_eq!(owner, expected(&links[..seen], at).map(|customer| customer.to_string()));
    }
}
