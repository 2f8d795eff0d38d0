//! Addresses of pages: what tracks people taken out, what names a campaign read
//! apart.
//!
//! In: the text of an `http` or `https` address. Out: [`Link`]: the address in
//! its normal form (lower-case host, no default port, no password) without
//! parameters that only track, and the campaign that `utm_` parameters name.
//! The order and the writing of the other parameters stay.

use url::Url;

use super::text::tidy;
use crate::value::{Map, Value};

/// Parameters that tell advertisers and mail services who clicked, by their
/// documentation; none changes what a page shows.
const TRACKERS: [&str; 58] = [
    "gclid",
    "gclsrc",
    "dclid",
    "gbraid",
    "wbraid",
    "gad_source",
    "gad_campaignid",
    "fbclid",
    "fb_action_ids",
    "fb_action_types",
    "fb_source",
    "fb_ref",
    "msclkid",
    "ttclid",
    "twclid",
    "li_fat_id",
    "igshid",
    "igsh",
    "mc_cid",
    "mc_eid",
    "_hsenc",
    "_hsmi",
    "__hstc",
    "__hssc",
    "__hsfp",
    "hsctatracking",
    "mkt_tok",
    "vero_id",
    "vero_conv",
    "yclid",
    "ysclid",
    "ymclid",
    "_openstat",
    "wickedid",
    "oly_anon_id",
    "oly_enc_id",
    "rb_clickid",
    "s_cid",
    "s_kwcid",
    "ef_id",
    "ml_subscriber",
    "ml_subscriber_hash",
    "_ga",
    "_gl",
    "_gac",
    "epik",
    "irclickid",
    "irgwc",
    "srsltid",
    "sccid",
    "_kx",
    "dm_i",
    "elqtrackid",
    "elqtrack",
    "guccounter",
    "guce_referrer",
    "rdt_cid",
    "cjevent",
];

/// Beginnings of such parameters: Matomo's, Piwik's, HubSpot's for ads, AT
/// Internet's, trackers of Marin and Klaviyo.
const TRACKER_PREFIXES: [&str; 8] = ["mtm_", "pk_", "piwik_", "hsa_", "at_campaign", "trk_", "mkwid", "stm_"];

/// An address, read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Link {
    /// The address in its normal form.
    pub address: String,
    /// `source`, `medium`, `name`, `term`, `content`, `id`, where `utm_` named
    /// them.
    pub campaign: Map,
    /// Whether a parameter was taken out that only tracks.
    pub tracked: bool,
}

/// Reads an address; `None` when it is not one of a web page.
pub fn read(given: &str) -> Option<Link> {
    const BYTES_MAX: usize = 8_192;
    if given.len() > BYTES_MAX {
        return None;
    }
    let mut url = Url::parse(&tidy(given)).ok()?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return None;
    }
    // A name and a password have no business in a history.
    url.set_username("").ok()?;
    url.set_password(None).ok()?;
    let mut link = Link::default();
    if let Some(query) = url.query().map(str::to_owned) {
        let kept: Vec<&str> = query.split('&').filter(|pair| keep(pair, &mut link)).collect();
        let kept = kept.join("&");
        url.set_query(if kept.is_empty() { None } else { Some(&kept) });
    }
    link.address = url.into();
    Some(link)
}

/// Whether a parameter stays; what it says of a campaign is noted.
fn keep(pair: &str, link: &mut Link) -> bool {
    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
    let name = name.to_ascii_lowercase();
    if name.is_empty() {
        return false;
    }
    if let Some(part) = name.strip_prefix("utm_") {
        let part = if part == "campaign" { "name" } else { part };
        let known = matches!(part, "source" | "medium" | "name" | "term" | "content" | "id");
        let value = decoded(value);
        if known && !value.is_empty() && !link.campaign.iter().any(|(held, _)| &**held == part) {
            link.campaign.push((part.into(), Value::Text(value.into())));
        }
        return false;
    }
    let tracks =
        TRACKERS.contains(&name.as_str()) || TRACKER_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    link.tracked |= tracks;
    !tracks
}

fn decoded(value: &str) -> String {
    let spaced = value.replace('+', " ");
    let text = super::product_id::percent_decode(&spaced).into_owned();
    tidy(&text).into_owned()
}

/// Whether an address plainly is in its normal form already, which most are.
pub(super) fn is_plain(given: &str) -> bool {
    let Some(rest) = given.strip_prefix("https://").or_else(|| given.strip_prefix("http://")) else {
        return false;
    };
    let Some((host, path)) = rest.split_once('/') else { return false };
    let host_fine =
        !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'-' | b'.'));
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'/');
    host_fine && path.bytes().all(unreserved)
}
