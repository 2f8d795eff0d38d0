//! The law of the timers: those in memory behave as if all were.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::state::memory::MemoryStore;
use crate::state::{Batch, Store};

/// One thing that happens to the timers of a partition.
#[derive(Clone, Debug)]
enum Happening {
    Set(i64, u8),
    Remove(i64, u8),
    /// Everything due until then goes off.
    Advance(i64),
    Commit,
    Reopen,
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        6 => (0_i64..200, any::<u8>()).prop_map(|(due, profile)| Happening::Set(due, profile)),
        2 => (0_i64..200, any::<u8>()).prop_map(|(due, profile)| Happening::Remove(due, profile)),
        2 => (0_i64..200).prop_map(Happening::Advance),
        1 => Just(Happening::Commit),
        1 => Just(Happening::Reopen),
    ]
}

proptest! {
    /// However few are in memory, timers go off as if all were.
    #[test]
    fn timers_go_off_in_order_as_a_plain_set_has_them(happenings in prop::collection::vec(happening(), 1..120)) {
        let store = MemoryStore::default();
        // A neighbour's timers stand beside them and never show.
        let mut neighbour = Batch::default();
        neighbour.put(Table::Timers, timer_key(8, Timestamp::from_micros(1), b"other"), Vec::new());
        store.commit(neighbour).unwrap();
        let mut timers = Timers::open(&store, 7).unwrap();
        let mut plain: BTreeSet<Timer> = BTreeSet::new();
        let mut batch = Batch::default();
        for happening in happenings {
            match happening {
                Happening::Set(due, profile) => {
                    let timer = (Timestamp::from_micros(due), vec![profile]);
                    timers.insert(timer.0, timer.1.clone());
                    batch.put(Table::Timers, timer_key(7, timer.0, &timer.1), Vec::new());
                    plain.insert(timer);
                }
                Happening::Remove(due, profile) => {
                    let timer = (Timestamp::from_micros(due), vec![profile]);
                    timers.remove(timer.0, timer.1.clone());
                    batch.delete(Table::Timers, timer_key(7, timer.0, &timer.1));
                    plain.remove(&timer);
                }
                Happening::Advance(until) => {
                    while timers.next_due() <= Timestamp::from_micros(until) {
                        if timers.is_behind() {
                            store.commit(std::mem::take(&mut batch)).unwrap();
                            timers.read_on(&store).unwrap();
                            continue;
                        }
                        let timer = timers.pop().unwrap();
                        prop_assert_eq!(Some(&timer), plain.first());
                        batch.delete(Table::Timers, timer_key(7, timer.0, &timer.1));
                        plain.pop_first();
                    }
                }
                Happening::Commit => store.commit(std::mem::take(&mut batch)).unwrap(),
                Happening::Reopen => {
                    store.commit(std::mem::take(&mut batch)).unwrap();
                    timers = Timers::open(&store, 7).unwrap();
                }
            }
            let next = plain.first().map_or(Timestamp::MAX, |(due, _)| *due);
            prop_assert!(timers.next_due() <= next, "nothing goes off too late");
        }
    }
}
