//! Refused events are kept for a time that is set (`quarantine_days`), and go
//! then: they hold people's data as others do, and nobody mends them any more.

use std::sync::Arc;
use std::time::Duration;

use signalpost_core::time::{Span, Timestamp};

use crate::app::App;
use crate::log::writer::Submission;
use crate::log::{Error, Log, QuarantineId};

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(600);
/// Rows let go of by one commit.
const TOGETHER: usize = 2_000;

/// Lets refused events go for as long as the program runs.
pub fn start(app: &Arc<App>) {
    if app.settings.quarantine_days == 0 {
        return;
    }
    let weak = Arc::downgrade(app);
    tokio::spawn(async move {
        while let Some(app) = weak.upgrade() {
            if app.partitions.is_stopping() {
                return;
            }
            if let Err(error) = forget(&app).await {
                tracing::warn!(%error, "refused events that are old enough were not let go of; trying again");
            }
            drop(app);
            tokio::time::sleep(PAUSE).await;
        }
    });
}

async fn forget(app: &App) -> anyhow::Result<()> {
    let before = app.clock.now() - Span::DAY.times(i64::from(app.settings.quarantine_days));
    loop {
        let released = older(&*app.log, before, TOGETHER)?;
        if released.is_empty() {
            return Ok(());
        }
        app.writer.submit(Submission { released, ..Submission::default() }).await?;
    }
}

/// The oldest refused events that came before an instant, at most `limit`.
///
/// # Errors
/// When they cannot be read.
pub fn older<L: Log + ?Sized>(log: &L, before: Timestamp, limit: usize) -> Result<Vec<QuarantineId>, Error> {
    let rows = log.quarantined(0, limit)?;
    Ok(rows.into_iter().take_while(|(_, row)| row.received_at < before).map(|(id, _)| id).collect())
}
