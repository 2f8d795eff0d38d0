//! The schedule of the open loop: out come the instants at which requests are
//! due, each as it comes, whatever the server does.
//!
//! The runtime's timer counts in whole milliseconds, which would show in every
//! latency; a thread that waits on a channel is woken some 60 µs late.

use std::io;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// The shortest wait; what is due meanwhile leaves together. It bounds the cost
/// of a high rate to 10,000 wakes a second.
const WAIT_MIN: Duration = Duration::from_micros(100);

/// The instants from `first` up to `end`, `rate` a second.
pub(super) struct Schedule {
    /// When the first request is due.
    pub(super) first: Instant,
    /// Requests due at or after it are not sent.
    pub(super) end: Instant,
    /// Requests a second.
    pub(super) rate: f64,
}

/// Starts a thread that hands out the schedule. The channel ends with the
/// schedule; dropping the returned sender ends the thread before that.
pub(super) fn start(
    schedule: Schedule,
    now: fn() -> Instant,
) -> io::Result<(Sender<()>, UnboundedReceiver<Instant>)> {
    let (stop, stopped) = channel::<()>();
    let (sender, due_instants) = unbounded_channel();
    std::thread::Builder::new().name("bench-pace".to_owned()).spawn(move || {
        for index in 0_u64.. {
            let Some(due) = schedule.instant(index) else { return };
            let wait = due.saturating_duration_since(now());
            let stop =
                !wait.is_zero() && stopped.recv_timeout(wait.max(WAIT_MIN)) != Err(RecvTimeoutError::Timeout);
            if stop || sender.send(due).is_err() {
                return;
            }
        }
    })?;
    Ok((stop, due_instants))
}

impl Schedule {
    fn instant(&self, index: u64) -> Option<Instant> {
        let offset = Duration::try_from_secs_f64(index as f64 / self.rate).ok()?;
        self.first.checked_add(offset).filter(|due| *due < self.end)
    }
}
