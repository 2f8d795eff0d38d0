//! Which addresses a webhook may reach. In: a name or an IP address. Out: the
//! addresses on the public Internet, or a refusal.
//!
//! The check is made on the very addresses that are then connected to, so a
//! name that changes its answer between check and use gains nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Whether an address is on the public Internet, by the IANA special-purpose
/// address registries (RFC 6890 and updates). Forms of IPv6 that carry an IPv4
/// address are judged by that address.
pub fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let special = ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_documentation()
        || a == 0
        || a >= 224
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (b == 18 || b == 19));
    !special
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, g, h] = ip.segments();
    if let Some(inner) = ip.to_ipv4_mapped() {
        return is_public_v4(inner);
    }
    if (a, b, c, d, e, f) == (0x64, 0xff9b, 0, 0, 0, 0) {
        let [hi, lo] = [g.to_be_bytes(), h.to_be_bytes()];
        return is_public_v4(Ipv4Addr::new(hi[0], hi[1], lo[0], lo[1]));
    }
    // Global unicast is 2000::/3; within it 2001:0::/23 (protocols, Teredo),
    // 2001:db8::/32 and 3fff::/20 (documentation), 2002::/16 (6to4) are not for us.
    let global = a & 0xe000 == 0x2000;
    let special = (a == 0x2001 && (b < 0x200 || b == 0xdb8)) || a == 0x2002 || (a == 0x3fff && b < 0x1000);
    global && !special
}

/// Resolves names through the system and keeps the public addresses.
#[derive(Debug, Clone, Copy)]
pub struct PublicOnly;

/// A name of a private network.
#[derive(Debug, thiserror::Error)]
#[error("{0} has only private addresses; set allow_private_addresses if it is meant")]
pub struct OnlyPrivate(String);

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let name = name.as_str().to_owned();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<SocketAddr> = found.filter(|address| is_public(address.ip())).collect();
            if public.is_empty() {
                return Err(OnlyPrivate(name).into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}
