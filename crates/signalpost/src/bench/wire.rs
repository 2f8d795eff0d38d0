//! Reads an HTTP/1.1 reply (RFC 9112) as far as a load client cares: bytes in,
//! an [`Answer`] out, `None` while more bytes are to come.

use std::io;

/// The longest reply that is read; a longer one is an error of the server.
pub(super) const REPLY_BYTES_MAX: usize = 1 << 20;

/// A whole reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// The status code.
    pub(super) status: u16,
    /// The number after `"accepted":` in the body, when there is one.
    pub(super) accepted: Option<u64>,
    /// The server ends the connection after this reply.
    pub(super) close: bool,
    /// Bytes of the reply, head and body.
    pub(super) length: usize,
}

enum Framing {
    Length(usize),
    Chunked,
    ToClose,
}

struct Head {
    status: u16,
    framing: Framing,
    close: bool,
}

/// Reads the reply at the start of `bytes`; `ended` tells that the server has
/// closed the connection, so that nothing will follow.
///
/// Interim replies (1xx) before the final one are passed over.
pub(super) fn read_reply(bytes: &[u8], ended: bool) -> io::Result<Option<Answer>> {
    let mut start = 0;
    loop {
        let rest = bytes.get(start..).unwrap_or_default();
        let Some(head_length) = find(rest, b"\r\n\r\n").map(|at| at + 4) else { return Ok(None) };
        let (head_bytes, body) = rest.split_at(head_length);
        let head = read_head(head_bytes)?;
        start += head_length;
        if (100..200).contains(&head.status) {
            continue;
        }
        let body_length = match head.framing {
            Framing::Length(length) => (length <= body.len()).then_some(length),
            Framing::Chunked => chunked_length(body)?,
            Framing::ToClose => ended.then_some(body.len()),
        };
        return Ok(body_length.map(|length| Answer {
            status: head.status,
            accepted: accepted_events(body.get(..length).unwrap_or_default()),
            close: head.close,
            length: start + length,
        }));
    }
}

fn read_head(head: &[u8]) -> io::Result<Head> {
    let mut lines = head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let first = lines.next().unwrap_or_default();
    let (old, status) = match (first.strip_prefix(b"HTTP/1."), first.get(9..12).and_then(decimal)) {
        (Some([minor, b' ', ..]), Some(status)) => {
            (*minor == b'0', u16::try_from(status).unwrap_or_default())
        }
        _ => return Err(wrong("not an HTTP/1.1 status line")),
    };
    let bodiless = (100..200).contains(&status) || status == 204 || status == 304;
    let mut framing = if bodiless { Framing::Length(0) } else { Framing::ToClose };
    let (mut close, mut keep_alive) = (false, !old);
    for line in lines {
        // Only three fields matter; the first letter spares the others a look.
        if !matches!(line.first(), Some(b'c' | b'C' | b't' | b'T')) {
            continue;
        }
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        if name.eq_ignore_ascii_case(b"content-length") && matches!(framing, Framing::ToClose) {
            let length = decimal(value).and_then(|length| usize::try_from(length).ok());
            framing = Framing::Length(length.ok_or_else(|| wrong("a content-length that is no number"))?);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") && !bodiless {
            framing = Framing::Chunked;
        } else if name.eq_ignore_ascii_case(b"connection") {
            close |= value.eq_ignore_ascii_case(b"close");
            keep_alive |= value.eq_ignore_ascii_case(b"keep-alive");
        }
    }
    let close = close || !keep_alive || matches!(framing, Framing::ToClose);
    Ok(Head { status, framing, close })
}

/// The length of a chunked body with its chunk sizes and trailers, when whole.
fn chunked_length(body: &[u8]) -> io::Result<Option<usize>> {
    let mut at = 0_usize;
    loop {
        let rest = body.get(at..).unwrap_or_default();
        let Some(line_end) = find(rest, b"\r\n") else { return Ok(None) };
        let line = rest.get(..line_end).unwrap_or_default();
        let digits = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        let size = std::str::from_utf8(digits).ok().and_then(|digits| usize::from_str_radix(digits, 16).ok());
        let size = size.ok_or_else(|| wrong("a chunk size that is no number"))?;
        if size > REPLY_BYTES_MAX {
            return Err(wrong("a chunk larger than any reply that is read"));
        }
        if size == 0 {
            // Trailers end with an empty line; without any it follows at once.
            let trailers = rest.get(line_end..).unwrap_or_default();
            return Ok(find(trailers, b"\r\n\r\n").map(|end| at + line_end + end + 4));
        }
        at += line_end + 2 + size + 2;
        if at > body.len() {
            return Ok(None);
        }
    }
}

fn accepted_events(body: &[u8]) -> Option<u64> {
    const FIELD: &[u8] = b"\"accepted\":";
    let value = body.get(find(body, FIELD)? + FIELD.len()..)?.trim_ascii_start();
    let digits = value.iter().take_while(|byte| byte.is_ascii_digit()).count();
    decimal(value.get(..digits)?)
}

fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    digits
        .iter()
        .try_fold(0_u64, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u64::from(byte - b'0')))
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

fn wrong(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
