//! A segment is never asked later than its answer holds.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{KEPT_MAX, Waits};
use crate::time::Timestamp;

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

#[test]
fn the_earliest_comes_first_and_only_what_is_due() {
    let mut waits = Waits::default();
    assert_eq!(waits.next(), Timestamp::MAX);
    for (segment, until) in [(3, at(30)), (1, at(10)), (2, Timestamp::MAX)] {
        waits.set(segment, until);
    }
    waits.settle();
    assert_eq!((waits.next(), waits.others()), (at(10), Timestamp::MAX));
    assert_eq!(waits.due(at(9)).count(), 0);
    assert_eq!(waits.due(at(10)).collect::<Vec<_>>(), [1]);
    assert_eq!(waits.due(at(30)).collect::<Vec<_>>(), [1, 3]);
    waits.set(1, Timestamp::MAX);
    waits.settle();
    assert_eq!(waits.next(), at(30));
}

proptest! {
    /// However many there are, each is asked by its instant: alone, or with all.
    #[test]
    fn nobody_is_forgotten(rounds in prop::collection::vec(
        prop::collection::vec((0_u32..600, 0_i64..1_000_000), 1..300), 1..8)) {
        let mut waits = Waits::default();
        let mut known: BTreeMap<u32, Timestamp> = BTreeMap::new();
        for round in rounds {
            for (segment, until) in round {
                let until = if until % 5 == 0 { Timestamp::MAX } else { at(until) };
                known.insert(segment, until);
                waits.set(segment, until);
            }
            waits.settle();
            prop_assert!(waits.each().len() <= KEPT_MAX);
            for (segment, until) in &known {
                let own = waits.each().iter().find(|(held, _)| held == segment).map(|(_, until)| *until);
                prop_assert!(own == Some(*until) || waits.others() <= *until);
            }
            let earliest = known.values().min().copied().unwrap_or(Timestamp::MAX);
            prop_assert!(waits.next() <= earliest);
            prop_assert_eq!(Waits::of(waits.each().to_vec(), waits.others()), waits.clone());
        }
    }
}
