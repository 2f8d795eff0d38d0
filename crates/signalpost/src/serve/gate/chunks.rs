//! Where a chunked body ends (RFC 9112, 7.1). In: its bytes, as they come. Out:
//! how many of them belong to it. It reads no content, so that what it does not
//! understand is for the parser behind to refuse.

/// The longest line of a size with its extensions, or of a trailer, in bytes.
const LINE_BYTES_MAX: usize = 4_096;

/// Where the reading stands.
#[derive(Clone, Debug, Default)]
enum Part {
    /// In the line of a chunk's size.
    #[default]
    Size,
    /// In a chunk, with so many bytes to go, its own line end counted.
    Data(u64),
    /// In a line after the last chunk.
    Trailer,
    /// Behind it all.
    Done,
}

/// A body being read, from its start on.
#[derive(Clone, Debug, Default)]
pub struct Chunks {
    part: Part,
    line: Vec<u8>,
}

/// The framing is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken;

impl Chunks {
    /// Whether the body has ended.
    pub fn is_done(&self) -> bool {
        matches!(self.part, Part::Done)
    }

    /// How many of `bytes` belong to the body.
    ///
    /// # Errors
    /// When a line is no size, does not end with CR LF, or has no end.
    pub fn take(&mut self, bytes: &[u8]) -> Result<usize, Broken> {
        let mut taken = 0;
        while let Some(rest) = bytes.get(taken..).filter(|rest| !rest.is_empty()) {
            match &mut self.part {
                Part::Done => break,
                Part::Data(left) => {
                    let step = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                    *left -= step as u64;
                    taken += step;
                    if *left == 0 {
                        self.part = Part::Size;
                    }
                }
                Part::Size | Part::Trailer => taken += self.line(rest)?,
            }
        }
        Ok(taken)
    }

    /// Takes bytes of a line, and acts on it when it is complete.
    fn line(&mut self, rest: &[u8]) -> Result<usize, Broken> {
        let end = rest.iter().position(|byte| *byte == b'\n');
        let part = rest.get(..end.map_or(rest.len(), |end| end + 1)).unwrap_or_default();
        self.line.extend_from_slice(part);
        if self.line.len() > LINE_BYTES_MAX {
            return Err(Broken);
        }
        if end.is_some() {
            let line = std::mem::take(&mut self.line);
            let line = line.strip_suffix(b"\r\n").ok_or(Broken)?;
            self.part = match self.part {
                Part::Size => match size(line).ok_or(Broken)? {
                    0 => Part::Trailer,
                    size => Part::Data(size.checked_add(2).ok_or(Broken)?),
                },
                _ if line.is_empty() => Part::Done,
                _ => Part::Trailer,
            };
        }
        Ok(part.len())
    }
}

/// Hexadecimal digits, before any extension.
fn size(line: &[u8]) -> Option<u64> {
    let digits = line.split(|byte| *byte == b';').next()?.trim_ascii_end();
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit);
    u64::from_str_radix(std::str::from_utf8(digits).ok().filter(|_| is_number)?, 16).ok()
}
