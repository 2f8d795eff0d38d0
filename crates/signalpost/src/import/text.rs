//! A file's bytes as UTF-8 text, unpacked, a buffer at a time.
//!
//! In: a [`Place`]. Out: a reader of UTF-8, and how many packed bytes have been
//! read so far. UTF-16 is told by its mark or its zero bytes and converted; an
//! encoding that can only be guessed at has to be named.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, bail};
use encoding_rs::{Decoder, Encoding, UTF_8, UTF_16BE, UTF_16LE};
use futures::{Stream, StreamExt};
use signalpost_lake::Error;
use tokio::runtime::Handle;

use super::place::{At, Packing, Place};

/// Bytes by which the encoding is told.
const HEAD_BYTES: usize = 64 << 10;
/// Bytes read at once.
const BUFFER_BYTES: usize = 256 << 10;

/// A file as text.
pub struct Text {
    /// UTF-8, unless a row is damaged.
    pub reader: BufReader<Box<dyn Read + Send>>,
    /// The encoding it was read as, when that was not UTF-8.
    pub encoding: Option<&'static str>,
}

impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Text").field("encoding", &self.encoding).finish_non_exhaustive()
    }
}

/// Opens a file as text. `read` counts its packed bytes as they are read. Blocks,
/// so it must be called where that does no harm.
///
/// # Errors
/// When it cannot be opened, or is in an encoding that must be named.
pub fn open(
    place: &Place,
    encoding: Option<&'static Encoding>,
    read: &Arc<AtomicU64>,
) -> anyhow::Result<Text> {
    let mut bytes = unpack(place, Counted { inner: raw(place)?, read: Arc::clone(read) })?;
    let mut head = Vec::with_capacity(HEAD_BYTES);
    (&mut bytes).take(HEAD_BYTES as u64).read_to_end(&mut head).with_context(|| cannot_read(place))?;
    let marked = Encoding::for_bom(&head).map(|(encoding, _)| encoding);
    let encoding = match marked.or(encoding) {
        Some(encoding) => encoding,
        None => tell(&head).with_context(|| place.name.clone())?,
    };
    let text: Box<dyn Read + Send> = Box::new(Cursor::new(head).chain(bytes));
    if encoding == UTF_8 {
        let mut reader = BufReader::with_capacity(BUFFER_BYTES, text);
        if marked.is_some() {
            reader.read_exact(&mut [0; 3])?;
        }
        return Ok(Text { reader, encoding: None });
    }
    let decoding = Decoding {
        inner: text,
        decoder: encoding.new_decoder(),
        input: Vec::new(),
        output: Vec::new(),
        given: 0,
        ended: false,
    };
    Ok(Text {
        reader: BufReader::with_capacity(BUFFER_BYTES, Box::new(decoding)),
        encoding: Some(encoding.name()),
    })
}

fn cannot_read(place: &Place) -> String {
    format!("cannot read {}", place.name)
}

fn raw(place: &Place) -> anyhow::Result<Box<dyn Read + Send>> {
    match &place.at {
        At::Disk(path) => Ok(Box::new(File::open(path).with_context(|| cannot_read(place))?)),
        At::Bucket(bucket, object) => {
            let runtime = Handle::current();
            let stream = runtime.block_on(bucket.read(&object.key))?;
            Ok(Box::new(Arriving { runtime, stream, piece: Cursor::default() }))
        }
    }
}

fn unpack(place: &Place, bytes: impl Read + Send + 'static) -> anyhow::Result<Box<dyn Read + Send>> {
    let bytes = BufReader::with_capacity(BUFFER_BYTES, bytes);
    Ok(match place.packing {
        Packing::None => Box::new(bytes),
        Packing::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(bytes)),
        Packing::Zstd => {
            Box::new(zstd::stream::read::Decoder::with_buffer(bytes).with_context(|| cannot_read(place))?)
        }
        Packing::Brotli => Box::new(brotli::Decompressor::new(bytes, 64 << 10)),
    })
}

/// The encoding that a file's beginning tells of.
fn tell(head: &[u8]) -> anyhow::Result<&'static Encoding> {
    let zeros = |odd: usize| head.iter().skip(odd).step_by(2).filter(|byte| **byte == 0).count();
    // Text of one byte a character has no zeros; UTF-16 of a Latin script has
    // hardly anything else in every other place.
    let (even, odd) = (zeros(0), zeros(1));
    if odd * 5 > head.len() && even * 50 < head.len().max(50) {
        return Ok(UTF_16LE);
    }
    if even * 5 > head.len() && odd * 50 < head.len().max(50) {
        return Ok(UTF_16BE);
    }
    let Err(error) = std::str::from_utf8(head) else { return Ok(UTF_8) };
    if error.error_len().is_none() && head.len() == HEAD_BYTES {
        // Only cut in the middle of a character.
        return Ok(UTF_8);
    }
    let (good, bad) = head.split_at(error.valid_up_to());
    let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
    let damaged = bad.iter().filter(|byte| **byte >= 0x80).count();
    let byte = bad.first().copied().unwrap_or_default();
    bail!(
        "line {line} is not UTF-8 (byte 0x{byte:02X}; {damaged} bytes beyond ASCII follow); files from Excel and older systems are often in Windows-1252 (Latin-1): say --encoding windows-1252, or whichever it is"
    )
}

/// Counts what is read.
struct Counted {
    inner: Box<dyn Read + Send>,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(into)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// A stream of pieces as a reader, for a thread that may wait.
struct Arriving<S> {
    runtime: Handle,
    stream: S,
    piece: Cursor<Vec<u8>>,
}

impl<S: Stream<Item = Result<Vec<u8>, Error>> + Unpin> Read for Arriving<S> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.piece.read(into)?;
            if read > 0 || into.is_empty() {
                return Ok(read);
            }
            match self.runtime.block_on(self.stream.next()) {
                Some(piece) => self.piece = Cursor::new(piece.map_err(io::Error::other)?),
                None => return Ok(0),
            }
        }
    }
}

/// Bytes of another encoding as UTF-8. What cannot be read becomes U+FFFD.
struct Decoding {
    inner: Box<dyn Read + Send>,
    decoder: Decoder,
    input: Vec<u8>,
    output: Vec<u8>,
    /// Bytes of `output` that were given out.
    given: usize,
    ended: bool,
}

impl Read for Decoding {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.given == self.output.len() && !self.ended {
            self.refill()?;
        }
        let ready = self.output.get(self.given..).unwrap_or_default();
        let count = ready.len().min(into.len());
        for (to, from) in into.iter_mut().zip(ready) {
            *to = *from;
        }
        self.given += count;
        Ok(count)
    }
}

impl Decoding {
    fn refill(&mut self) -> io::Result<()> {
        self.input.resize(HEAD_BYTES, 0);
        let read = self.inner.read(&mut self.input)?;
        self.input.truncate(read);
        let room = self.decoder.max_utf8_buffer_length(read).unwrap_or(4 * HEAD_BYTES);
        self.output.clear();
        self.output.resize(room, 0);
        let last = read == 0;
        // There is room for all of it, so nothing of the input is left over.
        let (_, _, written, _) = self.decoder.decode_to_utf8(&self.input, &mut self.output, last);
        self.output.truncate(written);
        self.given = 0;
        self.ended = last;
        Ok(())
    }
}
