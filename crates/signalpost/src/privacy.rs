//! Requests about people's data: taken down durably, so that none is lost, and
//! followed until they are done.
//!
//! In: requests, from hooks (Shopify and HubSpot pass their customers' on) or by
//! hand; then what became of them. Out: documents that are listed with what is
//! due when. An erasure that is approved is carried out ([`erasure`]); what is
//! known of a person is handed out by [`export`].

pub mod erasure;
pub mod export;
#[cfg(test)]
mod tests;

use serde_json::{Value as Json, json};
use signalpost_core::hook::PrivacyRequest;
use signalpost_core::time::{Span, Timestamp};
use signalpost_core::value::map_to_json;
use thiserror::Error;

use crate::documents::{Document, Documents, Kind};
use crate::state::{self, Store, Table};

/// How long the law (GDPR article 12) and Shopify give.
const DUE_IN: Span = Span::DAY.times(30);
/// What each request says of itself.
const NOTE: &str = "Taken down. Make sure that it is the person who asks. An erasure is carried out here once it is approved; what an export has to hold is handed out at /api/privacy/export. Do the same in other systems, answer whoever asked, and say here that it is done.";
/// Who says so when the program has done something by itself.
const BY_ITSELF: &str = "signalpost";
/// Rows read from the store at once.
const ROWS: usize = 4_096;
/// Changes kept of one request.
const HISTORY_MAX: usize = 1_000;

/// How far a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Status {
    /// It has come.
    Received,
    /// Somebody works on it.
    InProgress,
    /// An erasure that the program carries out, and says when it is done.
    Approved,
    /// What was asked has been done.
    Done,
    /// It was refused: who asked is not the person, or the law demands that data is kept.
    Refused,
}

impl Status {
    /// Every status, by name.
    pub const ALL: [(&'static str, Self); 5] = [
        ("received", Self::Received),
        ("in_progress", Self::InProgress),
        ("approved", Self::Approved),
        ("done", Self::Done),
        ("refused", Self::Refused),
    ];

    /// The status of a name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(held, _)| *held == name).map(|(_, status)| *status)
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, held)| *held == self).map_or("", |(name, _)| name)
    }

    /// Whether nothing more is to be done.
    pub fn is_closed(self) -> bool {
        matches!(self, Self::Done | Self::Refused)
    }

    /// Whether somebody may say that `next` follows. What is closed may be taken
    /// up again; what is approved may be once more.
    fn may_become(self, next: Self) -> bool {
        match self {
            Self::Received => next != Self::Received,
            Self::InProgress => next.is_closed() || next == Self::Approved,
            Self::Approved => next == Self::Approved,
            Self::Done | Self::Refused => next == Self::InProgress,
        }
    }

    /// Whether a change from this to `next` has to say why.
    fn needs_note(self, next: Self) -> bool {
        next.is_closed() || self.is_closed()
    }
}

/// What became of a request.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// What it is now.
    pub status: Status,
    /// What was done or why not, for people.
    pub note: &'a str,
    /// Whose key said so.
    pub by: &'a str,
    /// Whose data it turned out to be, where the request did not say.
    pub customer_id: Option<&'a str>,
}

/// Why a step cannot be taken.
#[derive(Debug, Error)]
pub enum StepError {
    /// One does not follow from the other.
    #[error("a request that is '{from}' cannot become '{to}'", from = .0.as_str(), to = .1.as_str())]
    Order(Status, Status),
    /// Nobody would know what was done.
    #[error("say in note what was done, or why not")]
    Note,
    /// It has gone back and forth too often.
    #[error("a request keeps at most {HISTORY_MAX} changes")]
    TooMany,
    /// The store failed.
    #[error(transparent)]
    State(#[from] state::Error),
}

/// Takes requests of a hook down. One that was taken down before stays as it is.
///
/// # Errors
/// When they cannot be made durable.
pub fn record<S: Store>(
    documents: &Documents<S>,
    hook: &str,
    requests: &[PrivacyRequest],
    at: Timestamp,
) -> Result<(), state::Error> {
    for request in requests {
        let id = match &request.id {
            // Two kinds of request may come in one message.
            Some(id) => format!("{hook}:{}:{id}", request.kind.as_str()),
            None => new_id(),
        };
        if documents.get(Kind::PrivacyRequest, &id)?.is_none() {
            documents.put(Kind::PrivacyRequest, &id, &content(request, hook, at), at)?;
        }
    }
    Ok(())
}

/// Takes one request down that came by letter, mail or telephone.
///
/// # Errors
/// When it cannot be made durable.
pub fn take_down<S: Store>(
    documents: &Documents<S>,
    request: &PrivacyRequest,
    by: &str,
    at: Timestamp,
) -> Result<Json, state::Error> {
    let document = documents.put(Kind::PrivacyRequest, &new_id(), &content(request, by, at), at)?;
    Ok(shown(&document, at))
}

fn new_id() -> String {
    uuid::Uuid::now_v7().to_string()
}

fn content(request: &PrivacyRequest, source: &str, at: Timestamp) -> Json {
    json!({
        "kind": request.kind.as_str(),
        "status": Status::Received.as_str(),
        "source": source,
        "received_at": at.to_string(),
        "due_at": (at + DUE_IN).to_string(),
        "customer_id": request.customer_id,
        "anonymous_id": request.anonymous_id,
        "email": request.email,
        "phone": request.phone,
        "details": map_to_json(&request.details),
        "note": NOTE,
        "history": [],
    })
}

/// Says what became of a request. `None` when there is no such request.
///
/// # Errors
/// When the step cannot be taken.
pub fn step<S: Store>(
    documents: &Documents<S>,
    id: &str,
    step: Step<'_>,
    at: Timestamp,
) -> Result<Option<Json>, StepError> {
    let changed = documents.change(Kind::PrivacyRequest, id, at, |content| taken(content, step, at))?;
    Ok(changed.map(|document| shown(&document, at)))
}

fn taken(mut content: Json, step: Step<'_>, at: Timestamp) -> Result<Json, StepError> {
    let before = status_of(&content);
    if !before.may_become(step.status) {
        return Err(StepError::Order(before, step.status));
    }
    if before.needs_note(step.status) && step.note.trim().is_empty() {
        return Err(StepError::Note);
    }
    if content.get("history").and_then(Json::as_array).is_some_and(|steps| steps.len() >= HISTORY_MAX) {
        return Err(StepError::TooMany);
    }
    set(&mut content, step, at);
    Ok(content)
}

fn set(content: &mut Json, step: Step<'_>, at: Timestamp) {
    let Some(object) = content.as_object_mut() else { return };
    object.insert("status".to_owned(), json!(step.status.as_str()));
    if let Some(customer_id) = step.customer_id {
        object.insert("customer_id".to_owned(), json!(customer_id));
    }
    let entry = json!({
        "status": step.status.as_str(), "at": at.to_string(), "by": step.by, "note": step.note.trim(),
    });
    if let Some(history) = object.entry("history").or_insert_with(|| json!([])).as_array_mut() {
        history.push(entry);
    }
}

/// Says that the program has carried an erasure out. Of the request is kept what
/// names nobody: that it came, and what became of it when.
///
/// # Errors
/// When it cannot be made durable.
fn erased<S: Store>(documents: &Documents<S>, id: &str, at: Timestamp) -> Result<(), state::Error> {
    let Some(document) = documents.get(Kind::PrivacyRequest, id)? else { return Ok(()) };
    let mut content = document.json();
    if let Some(object) = content.as_object_mut() {
        for name in ["customer_id", "anonymous_id", "email", "phone", "details"] {
            object.insert(name.to_owned(), Json::Null);
        }
        let steps = object.get_mut("history").and_then(Json::as_array_mut);
        for step in steps.into_iter().flatten().filter_map(Json::as_object_mut) {
            step.insert("note".to_owned(), json!(""));
        }
    }
    let note = "erased here: profile, timeline, memberships, deliveries, and the rows in the lake";
    let step = Step { status: Status::Done, note, by: BY_ITSELF, customer_id: None };
    set(&mut content, step, at);
    documents.replace(Kind::PrivacyRequest, id, &content, at)
}

fn status_of(content: &Json) -> Status {
    content.get("status").and_then(Json::as_str).and_then(Status::of).unwrap_or(Status::Received)
}

/// One request.
///
/// # Errors
/// When the store fails.
pub fn get<S: Store>(
    documents: &Documents<S>,
    id: &str,
    now: Timestamp,
) -> Result<Option<Json>, state::Error> {
    Ok(documents.get(Kind::PrivacyRequest, id)?.map(|document| shown(&document, now)))
}

/// Every request, the newest first.
///
/// # Errors
/// When the store fails.
pub fn list<S: Store>(documents: &Documents<S>, now: Timestamp) -> Result<Vec<Json>, state::Error> {
    let documents = documents.list(Kind::PrivacyRequest)?;
    let mut requests: Vec<Json> = documents.iter().map(|document| shown(document, now)).collect();
    let order = |request: &Json| {
        let text = |name: &str| request.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
        (Timestamp::parse(&text("received_at")), text("id"))
    };
    requests.sort_by_cached_key(|request| std::cmp::Reverse(order(request)));
    Ok(requests)
}

/// A request with its name, and whether its time is over.
fn shown(document: &Document, now: Timestamp) -> Json {
    let mut content = document.json();
    let due = content.get("due_at").and_then(Json::as_str).and_then(Timestamp::parse);
    let is_overdue = !status_of(&content).is_closed() && due.is_some_and(|due| due < now);
    if let Some(object) = content.as_object_mut() {
        object.shift_insert(0, "id".to_owned(), json!(document.name));
        object.insert("overdue".to_owned(), json!(is_overdue));
    }
    content
}

/// Calls `see` with every row of a table.
fn each_row<S: Store>(
    store: &S,
    table: Table,
    mut see: impl FnMut(Vec<u8>, &[u8]) -> Result<(), state::Error>,
) -> Result<(), state::Error> {
    let mut from = Vec::new();
    loop {
        let rows = store.scan(table, &from, None, ROWS)?;
        let last = rows.len() < ROWS;
        for (key, value) in rows {
            from.clone_from(&key);
            see(key, &value)?;
        }
        if last {
            return Ok(());
        }
        from.push(0);
    }
}
