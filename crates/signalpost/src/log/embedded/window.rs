//! Reading forward through a file, a large piece at a time.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Bytes read at once.
const PIECE_BYTES: usize = 256 << 10;

/// A piece of a file in memory.
#[derive(Debug)]
pub(super) struct Window {
    file: File,
    start: u64,
    bytes: Vec<u8>,
}

impl Window {
    /// At the beginning of `file`.
    pub(super) fn new(file: File) -> Self {
        Self { file, start: 0, bytes: Vec::new() }
    }

    /// `length` bytes from `at` on; fewer where the file ends.
    pub(super) fn get(&mut self, at: u64, length: usize) -> io::Result<&[u8]> {
        let inside = at.checked_sub(self.start).and_then(|skip| usize::try_from(skip).ok());
        let inside = inside.filter(|skip| skip.saturating_add(length) <= self.bytes.len());
        let skip = match inside {
            Some(skip) => skip,
            None => {
                self.fill(at, length.max(PIECE_BYTES))?;
                0
            }
        };
        let held = self.bytes.get(skip..).unwrap_or_default();
        Ok(held.get(..length).unwrap_or(held))
    }

    fn fill(&mut self, at: u64, length: usize) -> io::Result<()> {
        self.start = at;
        self.bytes.clear();
        // A length that damage made up must not become memory.
        let left = self.file.metadata()?.len().saturating_sub(at);
        self.bytes.resize(length.min(usize::try_from(left).unwrap_or(usize::MAX)), 0);
        let mut filled = 0;
        while let Some(rest) = self.bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, at + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.bytes.truncate(filled);
        Ok(())
    }
}
