//! A request's body that must keep coming: when nothing comes for a while, the
//! request is given up.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use tokio::sync::Notify;
use tokio::time::{Sleep, sleep};

/// Told when a body has stalled.
pub type Stalled = Arc<Notify>;

/// A body that is waited for no longer than `time` at once.
struct Patient {
    body: Incoming,
    time: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    stalled: Stalled,
}

/// The body, and who is told when it stalls; `None` for one that has ended already.
pub fn patient(body: Incoming, time: Duration) -> (Body, Option<Stalled>) {
    if body.is_end_stream() {
        return (Body::empty(), None);
    }
    let stalled = Stalled::default();
    (Body::new(Patient { body, time, timer: None, stalled: Arc::clone(&stalled) }), Some(stalled))
}

impl hyper::body::Body for Patient {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let time = self.time;
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if polled.is_ready() {
            self.timer = None;
        } else if self.timer.get_or_insert_with(|| Box::pin(sleep(time))).as_mut().poll(cx).is_ready() {
            self.stalled.notify_one();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
