//! The head of an HTTP/1 request, judged before it is parsed. In: its bytes, to
//! the empty line. Out: how its body is framed, or why it is refused.
//!
//! A proxy in front and the parser behind must see the same requests. What the
//! two may read differently (RFC 9112, 11.2) is refused here, also where our
//! parser would let it through.

use axum::http::StatusCode;
use thiserror::Error;

/// The largest head, in bytes.
pub const BYTES_MAX: usize = 32 << 10;
/// The most header lines; the parser takes no more.
const LINES_MAX: usize = 100;

/// Where a request's body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// After so many bytes; 0 for a request without a body.
    Length(u64),
    /// After the last chunk.
    Chunked,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// A line ends with a line feed alone, or holds a carriage return.
    #[error("each line of a request must end with CR LF, and neither may stand elsewhere")]
    LineEnd,
    /// A line that is no header: no colon, a space before it, a continuation.
    #[error("a header line must be a name, a colon and a value, on one line")]
    Line,
    /// None in HTTP/1.1, or several.
    #[error("a request needs one Host header")]
    Host,
    /// Several, or not a number.
    #[error("a request may have one Content-Length header, a number")]
    ContentLength,
    /// Both framings at once.
    #[error("a request may have Content-Length or Transfer-Encoding, not both")]
    TwoFramings,
    /// Anything but `chunked` in HTTP/1.1.
    #[error("the only Transfer-Encoding is chunked, in HTTP/1.1")]
    TransferEncoding,
    /// Too large.
    #[error("the head of a request may have {BYTES_MAX} bytes and {LINES_MAX} header lines")]
    TooLarge,
    /// It did not come in time.
    #[error("the request was not there in time")]
    Slow,
}

impl Refusal {
    /// The status of its answer.
    pub fn status(self) -> StatusCode {
        match self {
            Self::TooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// Its code for machines.
    pub fn code(self) -> &'static str {
        match self {
            Self::TooLarge => "headers_too_large",
            Self::Slow => "too_slow",
            _ => "bad_request",
        }
    }
}

/// Where the head ends in `bytes`, counted from their start; what is before
/// `from` was looked at already.
pub fn end(bytes: &[u8], from: usize) -> Option<usize> {
    let ends = |at: usize| matches!(bytes.get(..at), Some([.., b'\n'] | [.., b'\n', b'\r']));
    let rest = bytes.get(from..)?;
    rest.iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'\n')
        .map(|(at, _)| from + at)
        .find(|at| ends(*at))
        .map(|at| at + 1)
}

/// Judges a head.
///
/// # Errors
/// Why it is refused.
pub fn judge(head: &[u8]) -> Result<Framing, Refusal> {
    let mut lines = lines(head)?;
    let first = lines.next().unwrap_or_default();
    let is_1_1 = !first.ends_with(b" HTTP/1.0");
    let (mut hosts, mut length, mut encoded) = (0, None, false);
    for (number, line) in lines.enumerate() {
        if number == LINES_MAX {
            return Err(Refusal::TooLarge);
        }
        let (name, value) = header(line)?;
        if name.eq_ignore_ascii_case(b"host") {
            hosts += 1;
        } else if name.eq_ignore_ascii_case(b"content-length") {
            let number = number_of(value).filter(|_| length.is_none());
            length = Some(number.ok_or(Refusal::ContentLength)?);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if encoded || !is_1_1 || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Refusal::TransferEncoding);
            }
            encoded = true;
        }
    }
    if hosts > 1 || is_1_1 && hosts == 0 {
        return Err(Refusal::Host);
    }
    match (length, encoded) {
        (Some(_), true) => Err(Refusal::TwoFramings),
        (None, true) => Ok(Framing::Chunked),
        (length, false) => Ok(Framing::Length(length.unwrap_or(0))),
    }
}

/// The lines without their ends and without the empty one at the end.
fn lines(head: &[u8]) -> Result<impl Iterator<Item = &[u8]>, Refusal> {
    let head = head.strip_suffix(b"\r\n\r\n").ok_or(Refusal::LineEnd)?;
    let mut before = 0;
    let is_end = |byte: &u8| {
        let in_pair = *byte == b'\n' && before == b'\r' || *byte != b'\n' && before != b'\r';
        before = *byte;
        in_pair
    };
    if !head.iter().all(is_end) || before == b'\r' {
        return Err(Refusal::LineEnd);
    }
    Ok(head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)))
}

fn header(line: &[u8]) -> Result<(&[u8], &[u8]), Refusal> {
    let colon = line.iter().position(|byte| *byte == b':').ok_or(Refusal::Line)?;
    let (name, value) = line.split_at(colon);
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    if name.is_empty() || !name.iter().all(is_token) || value.contains(&0) {
        return Err(Refusal::Line);
    }
    Ok((name, value.get(1..).unwrap_or_default().trim_ascii()))
}

/// Digits alone: no sign, no list.
fn number_of(text: &[u8]) -> Option<u64> {
    let is_number = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| is_number)?.parse().ok()
}
