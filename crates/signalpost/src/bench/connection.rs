//! One keep-alive connection: a request goes out, an [`Answer`] comes back.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::wire::{Answer, REPLY_BYTES_MAX, read_reply};

/// Room for a usual reply, so that one read takes it whole.
const REPLY_BYTES_USUAL: usize = 2_048;

/// A connection with its two buffers.
pub(super) struct Connection {
    stream: TcpStream,
    /// The next request to send.
    pub(super) request: Vec<u8>,
    reply: Vec<u8>,
}

impl Connection {
    /// Connects to `address`.
    pub(super) async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = connect(address).await?;
        Ok(Self { stream, request: Vec::with_capacity(512), reply: Vec::with_capacity(REPLY_BYTES_USUAL) })
    }

    /// Replaces a connection that has ended by a new one.
    pub(super) async fn reopen(&mut self, address: SocketAddr) -> io::Result<()> {
        self.stream = connect(address).await?;
        Ok(())
    }

    /// Sends the request and reads its answer.
    ///
    /// Both calls are first tried without waiting, so that an exchange costs one
    /// write, one read and its share of a poll.
    pub(super) async fn exchange(&mut self) -> io::Result<Answer> {
        self.stream.write_all(&self.request).await?;
        self.reply.clear();
        loop {
            let ended = self.stream.read_buf(&mut self.reply).await? == 0;
            if let Some(answer) = read_reply(&self.reply, ended)? {
                if answer.length != self.reply.len() {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, "bytes after the reply"));
                }
                return Ok(answer);
            }
            if ended {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if self.reply.len() > REPLY_BYTES_MAX {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "the reply has no end"));
            }
        }
    }
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
