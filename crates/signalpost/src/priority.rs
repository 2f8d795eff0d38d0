//! Which threads yield when the machine is full.
//!
//! Accepting an event and making it durable goes first: what is on the log can
//! be worked on later, what was refused is lost to the sender. Threads behind
//! the log therefore run at a lower priority. While there is time left for
//! them this changes nothing.

use thread_priority::ThreadPriority;

/// The priority of threads behind the log, of 0 to 99; others have about 48. On
/// Linux this is a `nice` value of 16: while everything is wanted at once, a
/// twentieth or so of the time is theirs.
const BEHIND_THE_LOG: u8 = 8;

/// Lets this thread, and threads it starts from now on, yield to collecting.
pub fn yield_to_collecting() {
    let priority = BEHIND_THE_LOG.try_into().map(ThreadPriority::Crossplatform);
    if let Ok(Err(error)) = priority.map(thread_priority::set_current_thread_priority) {
        tracing::debug!(%error, "this thread keeps its priority");
    }
}

/// Runs `work` on a thread of its own that yields to collecting, as do the
/// threads that it starts, and waits for it. `None` when it could not run.
pub fn yielding<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    std::thread::scope(|scope| {
        let run = || {
            yield_to_collecting();
            work()
        };
        let thread = std::thread::Builder::new().name("opening".into()).spawn_scoped(scope, run).ok()?;
        thread.join().ok()
    })
}
