//! The frames of HTTP/2 (RFC 9113, 4), as far as must be known to tell a
//! connection that rests from one that has stopped in the middle of something.

/// What stands before a frame's payload.
const HEAD_BYTES: usize = 9;
/// The type of frames that begin a head.
const HEADERS: u8 = 1;
/// The type of frames that go on with a head.
const CONTINUATION: u8 = 9;
/// The flag of the last frame of a head.
const END_HEADERS: u8 = 4;

/// Where in its frames a connection is.
#[derive(Debug)]
pub struct Frames {
    /// So many bytes of the frame's head have come.
    head: usize,
    /// So many bytes of its payload have not.
    left: usize,
    kind: u8,
    flags: u8,
    /// Whether a request's head is not whole.
    in_head: bool,
    /// Whether no frame has come: each side has to begin with one.
    is_first: bool,
}

impl Default for Frames {
    fn default() -> Self {
        Self { head: 0, left: 0, kind: 0, flags: 0, in_head: false, is_first: true }
    }
}

impl Frames {
    /// Takes bytes in; whether a frame ended with them.
    pub fn take(&mut self, mut bytes: &[u8]) -> bool {
        let mut ended = false;
        while let Some((byte, rest)) = bytes.split_first() {
            if self.head < HEAD_BYTES {
                self.take_head(*byte);
                bytes = rest;
            } else {
                let payload = self.left.min(bytes.len());
                self.left -= payload;
                bytes = bytes.get(payload..).unwrap_or_default();
            }
            if self.head == HEAD_BYTES && self.left == 0 {
                self.end();
                ended = true;
            }
        }
        ended
    }

    fn take_head(&mut self, byte: u8) {
        match self.head {
            0..3 => self.left = self.left << 8 | usize::from(byte),
            3 => self.kind = byte,
            4 => self.flags = byte,
            _ => {}
        }
        self.head += 1;
        if self.head == HEAD_BYTES {
            self.in_head |= self.kind == HEADERS;
        }
    }

    fn end(&mut self) {
        if matches!(self.kind, HEADERS | CONTINUATION) && self.flags & END_HEADERS != 0 {
            self.in_head = false;
        }
        self.head = 0;
        self.is_first = false;
    }

    /// Whether more has to come.
    pub fn is_open(&self) -> bool {
        self.is_first || self.head > 0 || self.in_head
    }

    /// Whether what has to come is a request's head.
    pub fn is_in_head(&self) -> bool {
        self.in_head
    }
}
