//! The socket under a conversation in plain text. In: what the server sends.
//! Out: one line at a time until TLS begins, then all as it comes.
//!
//! A reader that takes more than the line it needs would keep what someone in
//! between put right after the answer to `STARTTLS`, and later take it for the
//! server's word under TLS ("NO STARTTLS", Poddebniak and others, USENIX
//! Security 2021). Here such bytes reach the TLS handshake, which fails on them.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The first byte of a TLS handshake (RFC 8446 §5.1); no SMTP command has it.
const TLS_HANDSHAKE: u8 = 0x16;

/// A socket that gives single lines while the conversation is in plain text.
#[derive(Debug)]
pub(super) struct Socket {
    inner: TcpStream,
    plain: bool,
}

impl Socket {
    pub(super) fn new(inner: TcpStream) -> Self {
        Self { inner, plain: true }
    }
}

impl AsyncTokioStream for Socket {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.inner.peer_addr()
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.plain {
            return Pin::new(&mut this.inner).poll_read(cx, out);
        }
        // Looked at first and then taken up to the end of the line: what lies
        // beyond stays in the system's buffer.
        let mut ahead = [0; 1_024];
        let mut peeked = ReadBuf::new(&mut ahead);
        ready!(this.inner.poll_peek(cx, &mut peeked))?;
        let line = peeked.filled().split_inclusive(|byte| *byte == b'\n').next();
        let length = line.map_or(0, <[u8]>::len).min(out.remaining());
        let mut taken = [0; 1_024];
        let mut part = ReadBuf::new(taken.get_mut(..length).unwrap_or_default());
        ready!(Pin::new(&mut this.inner).poll_read(cx, &mut part))?;
        out.put_slice(part.filled());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if bytes.first() == Some(&TLS_HANDSHAKE) {
            this.plain = false;
        }
        Pin::new(&mut this.inner).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}
