//! JSON objects of a file, with the line each begins on.
//!
//! In: UTF-8 text: an object a line, or objects in an array or behind each
//! other, however they are broken into lines. Out: one object's text at a time.
//! Of a file in lines a broken one is refused and the next is read; where
//! objects may take several lines, what follows a break cannot be told apart, so
//! that ends the file.

use std::io::{self, BufRead};

use serde::de::IgnoredAny;

use super::csv::{Next, Record};
use super::lines::{KEPT_BYTES, Lines, ROW_BYTES_MAX, too_long};

/// Reads objects.
#[derive(Debug)]
pub enum Objects<R> {
    /// An object a line.
    Lines(Lines<R>),
    /// Objects over several lines, or many in one.
    Spread(Spread<R>),
}

impl<R: BufRead> Objects<R> {
    /// Reads from the beginning of `reader`, whose first bytes tell how objects
    /// stand.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn new(mut reader: R) -> io::Result<Self> {
        if is_spread(reader.fill_buf()?) {
            return Ok(Self::Spread(Spread { reader, line: 1 }));
        }
        Ok(Self::Lines(Lines::new(reader)))
    }

    /// Reads the next object's text into `record`.
    ///
    /// # Errors
    /// When the file cannot be read, or what follows cannot be told apart.
    pub fn next(&mut self, record: &mut Record) -> io::Result<Next> {
        record.raw.clear();
        match self {
            Self::Spread(spread) => spread.next(record),
            Self::Lines(lines) => loop {
                if !lines.next(&mut record.raw)? {
                    return Ok(Next::End);
                }
                record.line = lines.number();
                record.raw.truncate(record.raw.trim_ascii_end().len());
                if lines.was_cut() {
                    return Ok(Next::Refused(too_long()));
                }
                if !record.raw.is_empty() {
                    return Ok(Next::Record);
                }
            },
        }
    }
}

/// Whether the objects at the beginning of a file are not one a line.
fn is_spread(head: &[u8]) -> bool {
    let text = head.trim_ascii_start();
    if text.first() != Some(&b'{') {
        return text.first() == Some(&b'[');
    }
    let (first, rest) = match text.iter().position(|byte| *byte == b'\n') {
        Some(end) => text.split_at(end),
        None => return false,
    };
    let whole = serde_json::from_slice::<IgnoredAny>(first);
    // A line that was cut off in writing is followed by another object.
    whole.is_err_and(|error| error.is_eof()) && rest.trim_ascii_start().first() != Some(&b'{')
}

/// Reads objects wherever they begin and end.
#[derive(Debug)]
pub struct Spread<R> {
    reader: R,
    line: u64,
}

/// Where in an object the reading is.
#[derive(Debug, Default)]
struct Inside {
    depth: usize,
    in_text: bool,
    escaped: bool,
}

impl Inside {
    /// Takes one byte in; whether the object ends with it.
    fn ends_with(&mut self, byte: u8) -> bool {
        if self.in_text {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_text = false,
                _ => {}
            }
            return false;
        }
        match byte {
            b'"' => self.in_text = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        self.depth == 0
    }
}

impl<R: BufRead> Spread<R> {
    fn next(&mut self, record: &mut Record) -> io::Result<Next> {
        if !self.find()? {
            return Ok(Next::End);
        }
        record.line = self.line;
        let mut inside = Inside::default();
        let mut length = 0;
        loop {
            let bytes = self.reader.fill_buf()?;
            if bytes.is_empty() {
                return Ok(Next::Refused("the file ends inside this object".to_owned()));
            }
            let end = bytes.iter().position(|byte| inside.ends_with(*byte));
            let taken = end.map_or(bytes.len(), |end| end + 1);
            let piece = bytes.get(..taken).unwrap_or_default();
            self.line += piece.iter().filter(|byte| **byte == b'\n').count() as u64;
            let room = ROW_BYTES_MAX.saturating_sub(record.raw.len());
            record.raw.extend_from_slice(piece.get(..room).unwrap_or(piece));
            length += taken;
            self.reader.consume(taken);
            if end.is_some() {
                break;
            }
        }
        if length > ROW_BYTES_MAX {
            record.raw.truncate(KEPT_BYTES);
            return Ok(Next::Refused(too_long()));
        }
        Ok(Next::Record)
    }

    /// Goes to the next object's brace; `false` at the end of the file.
    fn find(&mut self) -> io::Result<bool> {
        loop {
            let bytes = self.reader.fill_buf()?;
            let Some(&byte) = bytes.first() else { return Ok(false) };
            match byte {
                b'{' => return Ok(true),
                b'\n' => self.line += 1,
                b'[' | b']' | b',' => {}
                _ if byte.is_ascii_whitespace() => {}
                _ => {
                    let message = format!(
                        "line {}: expected an object, found {:?}; what follows cannot be read",
                        self.line,
                        char::from(byte)
                    );
                    return Err(io::Error::new(io::ErrorKind::InvalidData, message));
                }
            }
            self.reader.consume(1);
        }
    }
}
