//! The lines of a text, with their numbers: bounded, and able to go back.

use std::io::{self, BufRead, Read};

/// The longest row, in bytes.
pub const ROW_BYTES_MAX: usize = 1 << 20;
/// What is kept of a row that is longer.
pub const KEPT_BYTES: usize = 64 << 10;

/// Reads lines.
#[derive(Debug)]
pub struct Lines<R> {
    reader: R,
    /// Lines read so far.
    number: u64,
    /// The last line of which only the beginning was kept.
    cut: u64,
    /// Lines that were read too far, to be read again.
    again: Vec<u8>,
    again_at: usize,
}

impl<R: BufRead> Lines<R> {
    /// Reads from the beginning of `reader`.
    pub fn new(reader: R) -> Self {
        Self { reader, number: 0, cut: 0, again: Vec::new(), again_at: 0 }
    }

    /// The number of the line read last, from 1.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Whether the line read last was too long, so that its end is missing.
    pub fn was_cut(&self) -> bool {
        self.cut == self.number
    }

    /// Appends the next line with its end; `false` at the end of the text.
    ///
    /// # Errors
    /// When the text cannot be read.
    pub fn next(&mut self, into: &mut Vec<u8>) -> io::Result<bool> {
        let rest = self.again.get(self.again_at..).unwrap_or_default();
        if !rest.is_empty() {
            let length = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |at| at + 1);
            into.extend_from_slice(rest.get(..length).unwrap_or_default());
            self.again_at += length;
            self.number += 1;
            return Ok(true);
        }
        let before = into.len();
        let limit = ROW_BYTES_MAX as u64 + 1;
        (&mut self.reader).take(limit).read_until(b'\n', into)?;
        if into.len() == before {
            return Ok(false);
        }
        self.number += 1;
        if into.last() != Some(&b'\n') && into.len() - before > ROW_BYTES_MAX {
            self.cut = self.number;
            into.truncate(before + KEPT_BYTES);
            into.push(b'\n');
            self.pass_over_line()?;
        }
        Ok(true)
    }

    fn pass_over_line(&mut self) -> io::Result<()> {
        let mut passed = Vec::new();
        loop {
            passed.clear();
            let read = (&mut self.reader).take(ROW_BYTES_MAX as u64).read_until(b'\n', &mut passed)?;
            if read == 0 || passed.last() == Some(&b'\n') {
                return Ok(());
            }
        }
    }

    /// Goes back to just behind line `number`; `lines` are those since.
    pub fn go_back(&mut self, number: u64, mut lines: Vec<u8>) {
        lines.extend_from_slice(self.again.get(self.again_at..).unwrap_or_default());
        self.again = lines;
        self.again_at = 0;
        self.number = number;
    }
}

/// Why a row that is too long is refused.
pub fn too_long() -> String {
    format!("the row is longer than {ROW_BYTES_MAX} bytes; its beginning is kept")
}
