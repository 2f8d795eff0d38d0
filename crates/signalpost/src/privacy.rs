//! Requests about people's data: taken down durably, so that none is lost.
//!
//! In: requests, so far from hooks (Shopify and HubSpot pass their customers'
//! on). Out: documents that are listed with what is due when. They are not
//! carried out by the program yet, and say so.

use serde_json::{Value as Json, json};
use signalpost_core::hook::PrivacyRequest;
use signalpost_core::time::{Span, Timestamp};
use signalpost_core::value::map_to_json;

use crate::app::App;
use crate::documents::Kind;
use crate::state::Error;

/// How long the law (GDPR article 12) and Shopify give.
const DUE_IN: Span = Span::DAY.times(30);
/// What each request says of itself.
const NOTE: &str = "Taken down; not carried out automatically. Look the person up by customer_id or email, export or erase by hand, and answer whoever asked.";

/// Takes requests down. One that was taken down before stays as it is.
///
/// # Errors
/// When they cannot be made durable.
pub fn record(app: &App, hook: &str, requests: &[PrivacyRequest], at: Timestamp) -> Result<(), Error> {
    for request in requests {
        let id = match &request.id {
            // Two kinds of request may come in one message.
            Some(id) => format!("{hook}:{}:{id}", request.kind.as_str()),
            None => uuid::Uuid::now_v7().to_string(),
        };
        if app.documents.get(Kind::PrivacyRequest, &id)?.is_some() {
            continue;
        }
        let content = json!({
            "kind": request.kind.as_str(),
            "status": "received",
            "source": hook,
            "received_at": at.to_string(),
            "due_at": (at + DUE_IN).to_string(),
            "customer_id": request.customer_id,
            "email": request.email,
            "phone": request.phone,
            "details": map_to_json(&request.details),
            "note": NOTE,
        });
        app.documents.put(Kind::PrivacyRequest, &id, &content, at)?;
    }
    Ok(())
}

/// Every request, the newest first.
///
/// # Errors
/// When the store fails.
pub fn list(app: &App) -> Result<Vec<Json>, Error> {
    let mut documents = app.documents.list(Kind::PrivacyRequest)?;
    documents.sort_by(|a, b| (b.at, &b.name).cmp(&(a.at, &a.name)));
    let shown = |name: &str, mut content: Json| {
        if let Some(object) = content.as_object_mut() {
            object.shift_insert(0, "id".to_owned(), json!(name));
        }
        content
    };
    Ok(documents.iter().map(|document| shown(&document.name, document.json())).collect())
}
