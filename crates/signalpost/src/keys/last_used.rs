//! When keys and clients were last used: noted in memory by each request, and
//! written down now and then, all of them in one document. A crash forgets the
//! last minute of it and nothing else.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use serde_json::json;
use signalpost_core::time::Timestamp;

use crate::app::App;
use crate::documents::{Documents, Kind};
use crate::state::{self, Store};

/// Between two writes.
const PAUSE: Duration = Duration::from_secs(60);
const NAME: &str = "last-used";

/// The minutes of last use as they were written, by id.
///
/// # Errors
/// When the store fails.
pub fn load<S: Store>(documents: &Documents<S>) -> Result<BTreeMap<String, Timestamp>, state::Error> {
    let document = documents.get(Kind::Meta, NAME)?;
    Ok(document.and_then(|document| serde_json::from_value(document.json()).ok()).unwrap_or_default())
}

/// Writes them when they changed.
///
/// # Errors
/// When the store fails.
pub fn save(app: &App) -> Result<(), state::Error> {
    let uses: BTreeMap<String, Timestamp> =
        app.keys.last_uses().into_iter().chain(app.oauth.clients.last_uses()).collect();
    if uses == load(&app.documents)? {
        return Ok(());
    }
    app.documents.replace(Kind::Meta, NAME, &json!(uses), app.clock.now())?;
    Ok(())
}

/// Writes them every minute, as long as the program lives.
pub fn start(app: &Arc<App>) {
    let app = Arc::downgrade(app);
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(PAUSE).await;
            let Some(saved) = Weak::upgrade(&app).map(|app| tokio::task::spawn_blocking(move || save(&app)))
            else {
                return;
            };
            if let Ok(Err(error)) = saved.await {
                tracing::warn!(%error, "when keys were last used was not written down");
            }
        }
    });
}
