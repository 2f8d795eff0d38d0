//! Lists of networks.

use std::net::{IpAddr, Ipv4Addr};

use proptest::prelude::*;

use crate::clean::network::{Error, Networks};

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn addresses_are_found_in_networks_of_both_kinds() {
    let list = "# hosts of a cloud\n203.0.113.0/25\n203.0.113.128/25 # the other half\n\n198.51.100.7\n2001:db8::/32\n10.0.0.9/8\n";
    let networks = Networks::parse(list).unwrap();
    assert_eq!(networks.len(), 4, "what touches is one range");
    for inside in [
        "203.0.113.0",
        "203.0.113.255",
        "198.51.100.7",
        "10.255.255.255",
        "2001:db8:ffff::1",
        "::ffff:203.0.113.9",
    ] {
        assert!(networks.contains(address(inside)), "{inside}");
    }
    for outside in ["203.0.112.255", "203.0.114.0", "198.51.100.8", "11.0.0.0", "2001:db9::", "::1"] {
        assert!(!networks.contains(address(outside)), "{outside}");
    }
    assert!(Networks::parse("0.0.0.0/0\n::/0").unwrap().contains(address("255.255.255.255")));
    assert!(Networks::parse("").unwrap().is_empty());
}

#[test]
fn a_line_that_is_no_network_is_named() {
    for (list, line) in
        [("203.0.113.0/33", 1), ("\n203.0.113/24", 2), ("2001:db8::/129", 1), ("1.2.3.4/x", 1)]
    {
        assert!(matches!(Networks::parse(list), Err(Error::Line { line: at, .. }) if at == line), "{list}");
    }
}

proptest! {
    #[test]
    fn it_agrees_with_each_network_by_itself(
        networks in proptest::collection::vec((any::<u32>(), 0_u32..=32), 0..20),
        address in any::<u32>(),
    ) {
        let list: String =
            networks.iter().map(|(bits, length)| format!("{}/{length}\n", Ipv4Addr::from_bits(*bits))).collect();
        let within = |(bits, length): &(u32, u32)| *length == 0 || (bits ^ address) >> (32 - length) == 0;
        let found = Networks::parse(&list).unwrap().contains(Ipv4Addr::from_bits(address).into());
        prop_assert_eq!(found, networks.iter().any(within));
    }
}
