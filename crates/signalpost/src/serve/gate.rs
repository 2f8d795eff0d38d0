//! The gate in front of the HTTP parser: each head of HTTP/1 must come in time,
//! whole and unambiguous before the parser sees any of it.
//!
//! In: the connection. Out: the same bytes, or, in the place of a refused
//! request, one that stands for it; the reason lies in [`Refused`] for whoever
//! answers. HTTP/2 has framing of its own and passes, unless it stops in the
//! middle of a frame.

pub mod chunks;
pub mod frames;
pub mod head;

#[cfg(test)]
mod tests;

use std::io::{Error, ErrorKind, Result};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use chunks::Chunks;
use frames::Frames;
use head::{Framing, Refusal};

/// How HTTP/2 begins.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// What the parser sees in the place of a refused request.
const STAND_IN: &[u8] = b"GET / HTTP/1.1\r\nHost: refused\r\nConnection: close\r\n\r\n";
/// Read at once, in bytes.
const READ_BYTES: usize = 8 << 10;
/// Of a body, read at once, in bytes.
const BODY_BYTES: usize = 64 << 10;
/// Of a head too large so much is read and thrown away, so that its sender, who
/// reads the answer only after sending, learns why.
const SURPLUS_BYTES_MAX: usize = 1 << 20;

/// Why the connection's request is refused, once it is.
pub type Refused = Arc<OnceLock<Refusal>>;

/// What comes next.
#[derive(Debug)]
enum Next {
    /// A head.
    Head,
    /// So many bytes of a body.
    Length(u64),
    /// A chunked body.
    Chunked(Chunks),
    /// HTTP/2: only its time is ours to look at.
    Frames(Frames),
    /// What stands behind a refused request, for nobody.
    Nothing,
}

/// What is waited for. How long a connection stays between two requests is for
/// the parser to say, which knows when the answer before has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    /// The first byte of the connection.
    First,
    /// The rest of a head.
    Rest,
    /// The rest of a frame of HTTP/2.
    Frame,
}

/// The connection.
#[derive(Debug)]
pub struct Gate<I> {
    stream: I,
    next: Next,
    /// Read and not yet handed on.
    held: Vec<u8>,
    /// So many bytes at the start of `held` may go on.
    judged: usize,
    /// So many bytes of a head were looked at for its end.
    searched: usize,
    /// So many bytes of a head too large were thrown away.
    surplus: usize,
    is_first: bool,
    time: Duration,
    timer: Option<(Wait, Pin<Box<Sleep>>)>,
    refused: Refused,
}

impl<I: AsyncRead + Unpin> Gate<I> {
    /// A connection on which each head has `time` to come.
    pub fn new(stream: I, time: Duration) -> Self {
        Self {
            stream,
            next: Next::Head,
            held: Vec::new(),
            judged: 0,
            searched: 0,
            surplus: 0,
            is_first: true,
            time,
            timer: None,
            refused: Refused::default(),
        }
    }

    /// Where the reason will lie.
    pub fn refused(&self) -> Refused {
        Arc::clone(&self.refused)
    }

    /// Judges what is held; afterwards `judged` is above 0, or more is needed.
    fn judge(&mut self) -> Result<()> {
        match &mut self.next {
            Next::Frames(frames) => {
                frames.take(&self.held);
                self.judged = self.held.len();
            }
            Next::Nothing => self.held.clear(),
            Next::Length(left) => {
                self.judged = usize::try_from(*left).unwrap_or(usize::MAX).min(self.held.len());
                *left -= self.judged as u64;
                if *left == 0 {
                    self.next = Next::Head;
                }
            }
            Next::Chunked(chunks) => {
                let taken = chunks.take(&self.held);
                self.judged = taken.map_err(|_| Error::new(ErrorKind::InvalidData, "broken chunks"))?;
                if chunks.is_done() {
                    self.next = Next::Head;
                }
            }
            Next::Head => self.judge_head(),
        }
        Ok(())
    }

    fn judge_head(&mut self) {
        if self.is_first && PREFACE.starts_with(self.held.get(..PREFACE.len()).unwrap_or(&self.held)) {
            if self.held.len() >= PREFACE.len() {
                self.next = Next::Frames(Frames::default());
                self.judged = PREFACE.len();
            }
            return;
        }
        if self.searched == 0 && self.surplus == 0 {
            // Empty lines before a request are to be overlooked (RFC 9112, 2.2).
            let empty = self.held.chunks_exact(2).take_while(|two| two == b"\r\n").count();
            self.held.drain(..2 * empty);
        }
        let Some(end) = head::end(&self.held, self.searched) else {
            // Half an empty line may still be one to be overlooked.
            self.searched = if self.held == b"\r" { 0 } else { self.held.len() };
            if self.held.len() > head::BYTES_MAX {
                self.surplus += self.held.len() - 3;
                self.held.drain(..self.held.len() - 3);
                self.searched = 3;
            }
            if self.surplus > SURPLUS_BYTES_MAX {
                self.refuse(Refusal::TooLarge);
            }
            return;
        };
        if self.surplus > 0 || end > head::BYTES_MAX {
            return self.refuse(Refusal::TooLarge);
        }
        match head::judge(self.held.get(..end).unwrap_or_default()) {
            Err(refusal) => self.refuse(refusal),
            Ok(framing) => {
                self.judged = end;
                self.searched = 0;
                self.is_first = false;
                self.next = match framing {
                    Framing::Length(0) => Next::Head,
                    Framing::Length(length) => Next::Length(length),
                    Framing::Chunked => Next::Chunked(Chunks::default()),
                };
            }
        }
    }

    /// Puts the stand-in in the place of everything held.
    fn refuse(&mut self, refusal: Refusal) {
        // Only the first reason counts: after it nothing is judged.
        let _first = self.refused.set(refusal);
        self.held = STAND_IN.to_vec();
        self.judged = self.held.len();
        self.next = Next::Nothing;
    }

    /// Hands on what was judged.
    fn release(&mut self, buf: &mut ReadBuf<'_>) {
        let count = self.judged.min(buf.remaining());
        buf.put_slice(self.held.get(..count).unwrap_or_default());
        self.held.drain(..count);
        self.judged -= count;
    }

    /// Reads what need not be looked at straight to where it goes.
    fn poll_through(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Option<Poll<Result<()>>> {
        match &mut self.next {
            Next::Frames(frames) => {
                let before = buf.filled().len();
                let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
                let read = buf.filled().get(before..).unwrap_or_default();
                // A head has its time from the first byte to the last, as in
                // HTTP/1; a body has to go on.
                if !read.is_empty() && (frames.take(read) || !frames.is_in_head()) {
                    self.timer = None;
                }
                Some(polled)
            }
            Next::Length(left) => {
                let most = usize::try_from(*left).unwrap_or(usize::MAX).min(buf.remaining()).min(BODY_BYTES);
                let mut read = ReadBuf::new(buf.initialize_unfilled_to(most));
                let polled = Pin::new(&mut self.stream).poll_read(cx, &mut read);
                let count = read.filled().len();
                buf.advance(count);
                *left -= count as u64;
                if *left == 0 {
                    self.next = Next::Head;
                }
                Some(polled)
            }
            Next::Head | Next::Chunked(_) | Next::Nothing => None,
        }
    }

    /// What is waited for; `None` where others look at the time.
    fn wait(&self) -> Option<Wait> {
        match &self.next {
            Next::Head if !self.held.is_empty() || self.surplus > 0 => Some(Wait::Rest),
            Next::Head if self.is_first => Some(Wait::First),
            Next::Frames(frames) if frames.is_open() => Some(Wait::Frame),
            _ => None,
        }
    }

    /// What was waited for too long.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<Wait> {
        let Some(wait) = self.wait() else {
            self.timer = None;
            return Poll::Pending;
        };
        let (_, timer) = match &mut self.timer {
            Some(timer) if timer.0 == wait => timer,
            timer => timer.insert((wait, Box::pin(sleep(self.time)))),
        };
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(wait)
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Gate<I> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        let gate = &mut *self;
        loop {
            if gate.judged > 0 {
                gate.release(buf);
                return Poll::Ready(Ok(()));
            }
            if !gate.held.is_empty() {
                gate.judge()?;
                if gate.judged > 0 {
                    continue;
                }
            } else if let Some(polled) = gate.poll_through(cx, buf) {
                if polled.is_ready() {
                    return polled;
                }
                ready!(gate.poll_timer(cx));
                return Poll::Ready(Err(Error::new(ErrorKind::TimedOut, "a frame did not come in time")));
            }
            let mut space = [MaybeUninit::uninit(); READ_BYTES];
            let mut read = ReadBuf::uninit(&mut space);
            match Pin::new(&mut gate.stream).poll_read(cx, &mut read) {
                Poll::Ready(Ok(())) if read.filled().is_empty() => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(())) => gate.held.extend_from_slice(read.filled()),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => match ready!(gate.poll_timer(cx)) {
                    Wait::Rest => gate.refuse(Refusal::Slow),
                    Wait::First | Wait::Frame => {
                        return Poll::Ready(Err(Error::new(ErrorKind::TimedOut, "no request came in time")));
                    }
                },
            }
        }
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Gate<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[std::io::IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
