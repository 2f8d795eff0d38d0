//! Where profiles stand, and whose they are.

use proptest::prelude::*;

use super::*;

fn key() -> impl Strategy<Value = ProfileKey> {
    prop_oneof![
        any::<String>().prop_map(|id| ProfileKey::Customer(id.as_str().into())),
        any::<String>().prop_map(|id| ProfileKey::Anonymous(id.as_str().into())),
        "c[0-9]{1,3}".prop_map(|id| ProfileKey::Customer(id.as_str().into())),
    ]
}

proptest! {
    #[test]
    fn a_place_is_read_back_and_stands_among_those_of_its_partition(key in key(), partitions in 1_u32..=256) {
        let place = key.place();
        prop_assert_eq!(ProfileKey::from_place(&place), Some(key.clone()));
        for partition in 0..partitions {
            let among = ProfileKey::places(partition, partitions).iter().any(|(from, to)| *from <= place && place < *to);
            prop_assert_eq!(among, key.partition(partitions) == partition);
        }
    }

    #[test]
    fn no_place_begins_as_another_one(one in key(), other in key()) {
        prop_assume!(one != other);
        prop_assert!(!one.place().starts_with(&other.place()));
    }
}

#[test]
fn partitions_have_about_as_many_profiles() {
    for partitions in [1, 3, 4, 7, 64] {
        let mut counts = vec![0_u32; partitions as usize];
        for number in 0..64_000 {
            counts[ProfileKey::Customer(format!("c{number}").as_str().into()).partition(partitions)
                as usize] += 1;
        }
        let mean = 64_000 / partitions;
        assert!(counts.iter().all(|count| count.abs_diff(mean) < mean / 5), "{counts:?}");
    }
}
