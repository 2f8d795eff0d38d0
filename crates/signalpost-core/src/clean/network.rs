//! Lists of networks, such as those of data centres, that a user brings.
//!
//! In: text with one network a line (`203.0.113.0/24`, `2001:db8::/32`, or one
//! address), with `#` before remarks. Out: [`Networks`], which tells in a few
//! comparisons whether an address is in one of them: the ranges are sorted and
//! those that touch are one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The most networks of one list.
pub const NETWORKS_MAX: usize = 1_000_000;

/// Why a list cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A line is no network.
    #[error("line {line}: {text:?} is no network such as 203.0.113.0/24 or 2001:db8::/32")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What stands there.
        text: String,
    },
    /// There are too many.
    #[error("the list has more than {NETWORKS_MAX} networks")]
    TooMany,
}

/// Networks of both kinds, as ranges of addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks {
    v4: Vec<(u32, u32)>,
    v6: Vec<(u128, u128)>,
}

impl Networks {
    /// Reads a list.
    ///
    /// # Errors
    /// For the first line that is no network, and for too long a list.
    pub fn parse(list: &str) -> Result<Self, Error> {
        let mut networks = Self::default();
        for (place, line) in list.lines().enumerate() {
            let text = line.split('#').next().unwrap_or_default().trim();
            if text.is_empty() {
                continue;
            }
            let wrong = || Error::Line { line: place + 1, text: super::problem::excerpt(text) };
            match network(text).ok_or_else(wrong)? {
                Range::V4(range) => networks.v4.push(range),
                Range::V6(range) => networks.v6.push(range),
            }
            if networks.len() > NETWORKS_MAX {
                return Err(Error::TooMany);
            }
        }
        networks.v4 = joined(networks.v4, |end| end.checked_add(1));
        networks.v6 = joined(networks.v6, |end| end.checked_add(1));
        Ok(networks)
    }

    /// Whether an address is in one of them. An IPv4 address written as IPv6
    /// (`::ffff:203.0.113.1`) is the IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(address) => within(&self.v4, address.to_bits()),
            IpAddr::V6(address) => within(&self.v6, address.to_bits()),
        }
    }

    /// How many ranges there are.
    pub fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

enum Range {
    V4((u32, u32)),
    V6((u128, u128)),
}

/// The first and last address of a network. Bits behind its length are not
/// looked at, as in most published lists.
fn network(text: &str) -> Option<Range> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length.parse::<u32>().ok()?)),
        None => (text, None),
    };
    if let Ok(address) = address.parse::<Ipv4Addr>() {
        let length = length.unwrap_or(32);
        let below = 32_u32.checked_sub(length)?;
        let mask = u32::MAX.checked_shl(below).unwrap_or(0);
        let first = address.to_bits() & mask;
        return Some(Range::V4((first, first | !mask)));
    }
    let address = address.parse::<Ipv6Addr>().ok()?;
    let below = 128_u32.checked_sub(length.unwrap_or(128))?;
    let mask = u128::MAX.checked_shl(below).unwrap_or(0);
    let first = address.to_bits() & mask;
    Some(Range::V6((first, first | !mask)))
}

/// Sorted ranges, those that overlap or touch made one.
fn joined<T: Ord + Copy>(mut ranges: Vec<(T, T)>, next: impl Fn(T) -> Option<T>) -> Vec<(T, T)> {
    ranges.sort_unstable();
    let mut joined: Vec<(T, T)> = Vec::with_capacity(ranges.len());
    for (first, last) in ranges {
        match joined.last_mut() {
            Some((_, end)) if next(*end).is_none_or(|next| first <= next) => *end = last.max(*end),
            _ => joined.push((first, last)),
        }
    }
    joined
}

fn within<T: Ord + Copy>(ranges: &[(T, T)], address: T) -> bool {
    let behind = ranges.partition_point(|(first, _)| *first <= address);
    behind.checked_sub(1).and_then(|place| ranges.get(place)).is_some_and(|(_, last)| address <= *last)
}
