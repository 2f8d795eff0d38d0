//! Records of CSV (RFC 4180), with the line each begins on.
//!
//! In: UTF-8 text. Out: records, or what is wrong with one: then its first line
//! alone is refused, and reading goes on with the next, so that a quote that
//! never closes costs one row and not the rest of the file. That, the limits
//! and the row as it stood are why this is not a library's reader.

use std::borrow::Cow;
use std::io::{self, BufRead};

use super::lines::{Lines, ROW_BYTES_MAX, too_long};

/// A record: its text, and where its fields are.
#[derive(Debug, Default)]
pub struct Record {
    /// The line it begins on, from 1.
    pub line: u64,
    /// The record as it stands, without the line's end.
    pub raw: Vec<u8>,
    fields: Vec<Stretch>,
}

/// A field of a record: from, to, and whether quotes inside are doubled.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    from: usize,
    to: usize,
    doubled: bool,
}

impl Record {
    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The fields' texts.
    ///
    /// # Errors
    /// When the record is not UTF-8.
    pub fn texts(&self) -> Result<impl Iterator<Item = Cow<'_, str>>, std::str::Utf8Error> {
        let text = std::str::from_utf8(&self.raw)?;
        Ok(self.fields.iter().map(move |place| {
            let field = text.get(place.from..place.to).unwrap_or_default();
            if place.doubled { Cow::Owned(field.replace("\"\"", "\"")) } else { Cow::Borrowed(field) }
        }))
    }
}

/// What stands next in the file.
#[derive(Debug)]
pub enum Next {
    /// A record.
    Record,
    /// A line that is none; [`Record::raw`] holds it.
    Refused(String),
    /// Nothing more.
    End,
}

/// Reads records.
#[derive(Debug)]
pub struct Records<R> {
    lines: Lines<R>,
    delimiter: u8,
}

/// Where the reading of a record stands.
#[derive(Debug)]
struct Split {
    at: usize,
    /// Where the field begins, with its quote.
    field: usize,
    quoted: bool,
    doubled: bool,
}

impl Split {
    /// At the beginning of the field at `at`.
    fn field(raw: &[u8], at: usize) -> Self {
        let quoted = raw.get(at) == Some(&b'"');
        Self { at: at + usize::from(quoted), field: at, quoted, doubled: false }
    }
}

/// How a stretch of lines ends.
enum Ending {
    /// The record is whole.
    Whole,
    /// A quoted field goes on in the next line.
    Open,
    /// It can be no record.
    Broken(String),
}

impl<R: BufRead> Records<R> {
    /// Reads from the beginning of `reader`.
    pub fn new(reader: R, delimiter: u8) -> Self {
        Self { lines: Lines::new(reader), delimiter }
    }

    /// Reads the next record into `record`; blank lines are passed over.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn next(&mut self, record: &mut Record) -> io::Result<Next> {
        loop {
            record.raw.clear();
            record.fields.clear();
            if !self.lines.next(&mut record.raw)? {
                return Ok(Next::End);
            }
            record.line = self.lines.number();
            if self.lines.was_cut() {
                strip_end(&mut record.raw);
                return Ok(Next::Refused(too_long()));
            }
            if record.raw.iter().any(|byte| !byte.is_ascii_whitespace()) {
                return self.complete(record);
            }
        }
    }

    /// Reads on until the record is whole, or goes back to its second line.
    fn complete(&mut self, record: &mut Record) -> io::Result<Next> {
        let first = record.raw.len();
        let mut split = Split::field(&record.raw, 0);
        let fault = loop {
            match self.split(record, &mut split) {
                Ending::Whole => return Ok(Next::Record),
                Ending::Broken(fault) => break fault,
                Ending::Open => {}
            }
            let goes_on = record.raw.len() < ROW_BYTES_MAX && self.lines.next(&mut record.raw)?;
            if !goes_on || self.lines.was_cut() {
                let field = record.fields.len() + 1;
                break format!("field {field} begins with a quote that never closes");
            }
        };
        self.lines.go_back(record.line, record.raw.split_off(first));
        strip_end(&mut record.raw);
        record.fields.clear();
        Ok(Next::Refused(fault))
    }

    /// Finds fields from where the last stretch ended.
    fn split(&self, record: &mut Record, split: &mut Split) -> Ending {
        let raw = &record.raw;
        let end = raw.len() - line_end(raw);
        loop {
            if split.quoted {
                let Some(found) =
                    raw.get(split.at..).and_then(|rest| rest.iter().position(|byte| *byte == b'"'))
                else {
                    split.at = raw.len();
                    return Ending::Open;
                };
                let quote = split.at + found;
                match raw.get(quote + 1) {
                    Some(b'"') => {
                        split.doubled = true;
                        split.at = quote + 2;
                        continue;
                    }
                    _ if quote + 1 >= end || raw.get(quote + 1) == Some(&self.delimiter) => {
                        let place = Stretch { from: split.field + 1, to: quote, doubled: split.doubled };
                        record.fields.push(place);
                        split.at = quote + 1;
                        split.quoted = false;
                    }
                    _ => {
                        let field = record.fields.len() + 1;
                        return Ending::Broken(format!("field {field} goes on after its closing quote"));
                    }
                }
            } else {
                let rest = raw.get(split.at..end).unwrap_or_default();
                let length = rest.iter().position(|byte| *byte == self.delimiter).unwrap_or(rest.len());
                record.fields.push(Stretch { from: split.at, to: split.at + length, doubled: false });
                split.at += length;
            }
            if split.at >= end {
                record.raw.truncate(end);
                return Ending::Whole;
            }
            // Behind the separator; an empty last field may begin there.
            *split = Split::field(raw, split.at + 1);
        }
    }
}

fn line_end(raw: &[u8]) -> usize {
    match raw {
        [.., b'\r', b'\n'] => 2,
        [.., b'\n'] => 1,
        _ => 0,
    }
}

fn strip_end(raw: &mut Vec<u8>) {
    raw.truncate(raw.len() - line_end(raw));
}

/// The separator of a header line: whichever of `, ; tab |` stands in it most
/// often outside quotes; a comma where there is none.
pub fn tell_delimiter(header: &[u8]) -> u8 {
    let mut quoted = false;
    let mut counts = [(b',', 0), (b';', 0), (b'\t', 0), (b'|', 0)];
    for byte in header {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' if !quoted => break,
            _ if quoted => {}
            other => counts.iter_mut().filter(|(held, _)| held == other).for_each(|(_, count)| *count += 1),
        }
    }
    // The first of equals, so that a comma wins.
    counts.iter().rev().max_by_key(|(_, count)| *count).map_or(b',', |(delimiter, _)| *delimiter)
}
