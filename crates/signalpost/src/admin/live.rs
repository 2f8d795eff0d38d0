//! `GET /api/live`: server-sent events as things happen.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream;
use tokio::sync::broadcast::error::RecvError;

use crate::app::App;
use crate::problem::Problem;
use crate::serve::auth;

/// Streams events, membership changes and deliveries.
///
/// # Errors
/// 401 and 403.
#[utoipa::path(get, path = "/api/live", tag = "segments", operation_id = "live", responses((status = 200, description = "text/event-stream: event, membership, delivery; 'missed' tells how many a slow reader lost")))]
pub async fn live(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, Problem> {
    auth::require(&app, &headers, "segments:read")?;
    let messages = stream::unfold(app.hub.listen(), |mut listener| async move {
        let event = match listener.recv().await {
            Ok(live) => Event::default().event(live.kind).data(&*live.data),
            Err(RecvError::Lagged(missed)) => Event::default().event("missed").data(missed.to_string()),
            Err(RecvError::Closed) => return None,
        };
        Some((Ok::<_, Infallible>(event), listener))
    });
    let keep_alive = KeepAlive::new().interval(Duration::from_secs(15));
    Ok(Sse::new(messages).keep_alive(keep_alive).into_response())
}
