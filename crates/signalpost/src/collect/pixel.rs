//! `GET /p.gif`: an event in a query string, for places that can only load an image.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::{Extensions, HeaderMap, header};
use axum::response::{IntoResponse, Response};
use signalpost_core::clean::RawEvent;
use signalpost_core::value::{Map, Value};

use super::request::{self, Request};
use crate::app::App;
use crate::serve::auth;

/// A transparent GIF of one pixel, 43 bytes.
const GIF: [u8; 43] = [
    0x47, 0x49, 0x46, 0x38, 0x39, 0x61, 0x01, 0x00, 0x01, 0x00, 0x80, 0x00, 0x00, 0x00, 0x00, 0x00, 0xFF,
    0xFF, 0xFF, 0x21, 0xF9, 0x04, 0x01, 0x00, 0x00, 0x00, 0x00, 0x2C, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00,
    0x01, 0x00, 0x00, 0x02, 0x02, 0x44, 0x01, 0x00, 0x3B,
];

/// Takes one event in and answers with the image, whatever became of the
/// event: a page must never show a broken image.
#[utoipa::path(get, path = "/p.gif", tag = "collect", operation_id = "pixel",
    params(("key" = String, Query, description = "A write key that allows nothing else"), ("event_type" = String, Query), ("customer_id" = Option<String>, Query), ("anonymous_id" = Option<String>, Query)),
    responses((status = 200, description = "A transparent image; never cached")))]
pub async fn pixel(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    extensions: Extensions,
    RawQuery(query): RawQuery,
) -> Response {
    let query = query.unwrap_or_default();
    if let Err(problem) = take(&app, &headers, request::peer(&extensions), &query).await {
        tracing::debug!(status = problem.status().as_u16(), "a pixel's event was not taken");
    }
    let headers = [
        (header::CONTENT_TYPE, "image/gif"),
        (header::CACHE_CONTROL, "no-store, no-cache, must-revalidate, private, max-age=0"),
        (header::EXPIRES, "0"),
        (header::PRAGMA, "no-cache"),
    ];
    (headers, GIF).into_response()
}

async fn take(
    app: &Arc<App>,
    headers: &HeaderMap,
    peer: Option<IpAddr>,
    query: &str,
) -> Result<(), crate::problem::Problem> {
    let mut event: Map = Vec::new();
    let mut properties: Map = Vec::new();
    let mut key = None;
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "key" => key = Some(value.into_owned()),
            "event_type" | "customer_id" | "anonymous_id" | "timestamp" | "event_id" | "product_id"
            | "sent_at" => {
                event.push((name.into(), Value::Text(value.into())));
            }
            _ => properties.push((name.into(), Value::Text(value.into()))),
        }
    }
    let key = match key {
        Some(secret) => auth::admit_in_address(app, headers, &secret)?,
        None => auth::admit(app, headers, None)?,
    };
    key.count_events(1, app.clock.now())?;
    event.push(("properties".into(), Value::Map(properties)));
    let raw = RawEvent::from_value(Value::Map(event), 64);
    let request = Request::of(app, headers, peer, &key.source);
    super::collect(app, [raw], &request, None, query.len()).await?;
    Ok(())
}
