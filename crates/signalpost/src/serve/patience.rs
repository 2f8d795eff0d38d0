//! A request's body that must keep coming: when nothing comes for a while, it
//! breaks off, and whoever answers is told why.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::BoxError;
use axum::body::{Body, Bytes};
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use tokio::time::{Sleep, sleep};

/// Whether a body has broken off since nothing came.
#[derive(Clone, Debug, Default)]
pub struct Stalled(Option<Arc<AtomicBool>>);

impl Stalled {
    /// Whether it has.
    pub fn is_so(&self) -> bool {
        self.0.as_ref().is_some_and(|stalled| stalled.load(Ordering::Acquire))
    }
}

/// A body that is waited for no longer than `time` at once.
struct Patient {
    body: Incoming,
    time: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    stalled: Arc<AtomicBool>,
}

/// The body, and what tells whether it stalled.
pub fn patient(body: Incoming, time: Duration) -> (Body, Stalled) {
    if body.is_end_stream() {
        return (Body::empty(), Stalled::default());
    }
    let stalled = Arc::<AtomicBool>::default();
    (Body::new(Patient { body, time, timer: None, stalled: Arc::clone(&stalled) }), Stalled(Some(stalled)))
}

impl hyper::body::Body for Patient {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let time = self.time;
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if polled.is_ready() {
            self.timer = None;
            return polled.map_err(BoxError::from);
        }
        if self.timer.get_or_insert_with(|| Box::pin(sleep(time))).as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        self.stalled.store(true, Ordering::Release);
        Poll::Ready(Some(Err("nothing more came in time".into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
