//! What a request tells of its events beside the events: who sends, when, from
//! where, and how its source wants them cleaned.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::ConnectInfo;
use axum::http::{Extensions, HeaderMap, header};
use signalpost_core::clean::SourceSettings;
use signalpost_core::clean::plan::Plan;
use signalpost_core::time::Timestamp;

use super::rates::Rates;
use crate::app::App;

/// The client's address, which the listener tells each request.
pub type Peer = ConnectInfo<IpAddr>;

/// A request's circumstances.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// When it came.
    pub received_at: Timestamp,
    /// Its user agent; empty when it has none.
    pub user_agent: &'a str,
    /// Whether its browser asks not to have data sold or shared.
    pub opted_out: bool,
    /// Whether it comes out of a data centre.
    pub data_centre: bool,
    /// What its source wants.
    pub source: Arc<SourceSettings>,
    /// What events have to look like.
    pub plan: Arc<Plan>,
    /// How often people act; `None` counts nobody.
    pub rates: Option<&'a Rates>,
}

impl<'a> Request<'a> {
    /// A request of which little is known.
    pub fn new(received_at: Timestamp, user_agent: &'a str, source: Arc<SourceSettings>) -> Self {
        Self {
            received_at,
            user_agent,
            opted_out: false,
            data_centre: false,
            source,
            plan: Arc::default(),
            rates: None,
        }
    }

    /// The request with these headers, sent with a key of `source`.
    pub fn of(app: &'a App, headers: &'a HeaderMap, peer: Option<IpAddr>, source: &str) -> Self {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let address = if app.intake.data_centres.is_empty() { None } else { client_address(headers, peer) };
        Self {
            opted_out: text(header::HeaderName::from_static("sec-gpc"))
                .is_some_and(|text| text.trim() == "1"),
            data_centre: address.is_some_and(|address| app.intake.data_centres.contains(address)),
            plan: app.intake.plan(),
            rates: Some(&app.intake.rates),
            ..Self::new(app.clock.now(), text(header::USER_AGENT).unwrap_or_default(), app.source(source))
        }
    }
}

/// The peer's address out of a request's extensions.
pub fn peer(extensions: &Extensions) -> Option<IpAddr> {
    extensions.get::<Peer>().map(|ConnectInfo(address)| *address)
}

/// Where a request comes from. What a proxy says of it is believed of one on
/// this machine or its own network; others could say anything.
fn client_address(headers: &HeaderMap, peer: Option<IpAddr>) -> Option<IpAddr> {
    let peer = peer?;
    let is_near = match peer.to_canonical() {
        IpAddr::V4(address) => address.is_loopback() || address.is_private(),
        IpAddr::V6(address) => address.is_loopback() || address.is_unique_local(),
    };
    let forwarded = || {
        let line = headers.get("x-forwarded-for")?.to_str().ok()?;
        line.rsplit(',').next()?.trim().parse().ok()
    };
    if is_near { forwarded().or(Some(peer)) } else { Some(peer) }
}
