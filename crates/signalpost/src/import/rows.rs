//! The rows of one file, whatever its form.
//!
//! In: a [`Place`]. Out: the names of its columns, where it has any, and its
//! rows one by one. Reading blocks; it is done on a thread of its own.

use std::io::{BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context;
use encoding_rs::Encoding;
use signalpost_lake::ParquetRows;
use tokio::runtime::Handle;

use super::csv::{Next, Record, Records, tell_delimiter};
use super::objects::Objects;
use super::place::{At, Form, Place};
use super::text;

/// How files are read, where they do not tell by themselves.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reading {
    /// What separates the fields of CSV.
    pub delimiter: Option<u8>,
    /// Whether the first line of CSV is a row already; columns are then called 1, 2, …
    pub no_header: bool,
    /// The encoding of text.
    pub encoding: Option<&'static Encoding>,
}

type Bytes = BufReader<Box<dyn Read + Send>>;

/// A file being read.
pub struct Rows {
    /// The names of its columns; `None` where each row has its own.
    pub columns: Option<Vec<String>>,
    /// Whether rows are JSON objects; else they have fields in the columns' order.
    pub are_objects: bool,
    /// The encoding it was read as, when that was not UTF-8.
    pub encoding: Option<&'static str>,
    source: Source,
    /// The first row, where it was read to learn how many columns there are.
    first: Option<Record>,
    name: String,
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows")
            .field("name", &self.name)
            .field("columns", &self.columns)
            .finish_non_exhaustive()
    }
}

enum Source {
    Csv(Records<Bytes>),
    Json(Objects<Bytes>),
    Parquet(Box<Parquet>),
}

struct Parquet {
    rows: ParquetRows,
    /// JSON lines, and where the next begins.
    lines: Vec<u8>,
    at: usize,
    number: u64,
    /// The file's size, to tell how far it has been read.
    bytes: u64,
    read: Arc<AtomicU64>,
}

impl Rows {
    /// Opens a file; `read` counts its bytes as they are read.
    ///
    /// # Errors
    /// When it cannot be read, or is not what it is taken for.
    pub fn open(place: &Place, reading: Reading, read: &Arc<AtomicU64>) -> anyhow::Result<Self> {
        if place.form == Form::Parquet {
            return Self::open_parquet(place, read);
        }
        let text = text::open(place, reading.encoding, read)?;
        let (encoding, name) = (text.encoding, place.name.clone());
        if place.form == Form::Json {
            let source = Source::Json(Objects::new(text.reader).with_context(|| name.clone())?);
            return Ok(Self { columns: None, are_objects: true, encoding, source, first: None, name });
        }
        let (records, columns, first) =
            open_csv(text.reader, reading, &name).with_context(|| name.clone())?;
        let source = Source::Csv(records);
        Ok(Self { columns: Some(columns), are_objects: false, encoding, source, first, name })
    }

    fn open_parquet(place: &Place, read: &Arc<AtomicU64>) -> anyhow::Result<Self> {
        let runtime = Handle::current();
        let opened = match &place.at {
            At::Disk(path) => runtime.block_on(ParquetRows::open(path)),
            At::Bucket(bucket, object) => runtime.block_on(bucket.read_parquet(object)),
        };
        let rows = opened.with_context(|| place.name.clone())?;
        let columns = Some(rows.columns().to_vec());
        let (bytes, read) = (place.bytes, Arc::clone(read));
        let parquet = Parquet { rows, lines: Vec::new(), at: 0, number: 0, bytes, read };
        let (source, name) = (Source::Parquet(Box::new(parquet)), place.name.clone());
        Ok(Self { columns, are_objects: true, encoding: None, source, first: None, name })
    }

    /// Reads the next row into `record`.
    ///
    /// # Errors
    /// When the file cannot be read any further.
    pub fn next(&mut self, record: &mut Record) -> anyhow::Result<Next> {
        if let Some(first) = self.first.take() {
            *record = first;
            return Ok(Next::Record);
        }
        let next = match &mut self.source {
            Source::Csv(records) => match records.next(record).with_context(|| self.name.clone())? {
                Next::Record => check_columns(record, self.columns.as_deref().unwrap_or_default()),
                other => other,
            },
            Source::Json(objects) => objects.next(record).with_context(|| self.name.clone())?,
            Source::Parquet(parquet) => parquet.next(record).with_context(|| self.name.clone())?,
        };
        Ok(next)
    }
}

/// A row with another number of fields than the header cannot be told apart.
fn check_columns(record: &Record, columns: &[String]) -> Next {
    if record.len() == columns.len() {
        return Next::Record;
    }
    let hint = if record.len() > columns.len() { "; is a separator or a quote not quoted?" } else { "" };
    Next::Refused(format!("{} fields where the header has {}{hint}", record.len(), columns.len()))
}

fn open_csv(
    mut text: Bytes,
    reading: Reading,
    name: &str,
) -> anyhow::Result<(Records<Bytes>, Vec<String>, Option<Record>)> {
    use std::io::BufRead;
    let tabs = name.to_ascii_lowercase().contains(".tsv");
    let delimiter = match reading.delimiter {
        Some(delimiter) => delimiter,
        None if tabs => b'\t',
        None => tell_delimiter(text.fill_buf()?),
    };
    let mut records = Records::new(text, delimiter);
    let mut header = Record::default();
    match records.next(&mut header)? {
        Next::End => return Ok((records, Vec::new(), None)),
        Next::Refused(fault) => anyhow::bail!("line {}, the header: {fault}", header.line),
        Next::Record => {}
    }
    if reading.no_header {
        let columns = (1..=header.len()).map(|number| number.to_string()).collect();
        return Ok((records, columns, Some(header)));
    }
    let mut columns: Vec<String> = Vec::with_capacity(header.len());
    for (name, number) in header.texts().context("the header is not UTF-8; say --encoding")?.zip(1..) {
        let name = match name.trim() {
            "" => format!("column {number}"),
            name => name.to_owned(),
        };
        if columns.contains(&name) {
            anyhow::bail!(
                "the header has the column '{name}' twice; rename one, or say --no-header and map by number"
            );
        }
        columns.push(name);
    }
    Ok((records, columns, None))
}

impl Parquet {
    fn next(&mut self, record: &mut Record) -> anyhow::Result<Next> {
        while self.at >= self.lines.len() {
            let Some(lines) = Handle::current().block_on(self.rows.next())? else { return Ok(Next::End) };
            self.lines = lines;
            self.at = 0;
        }
        let rest = self.lines.get(self.at..).unwrap_or_default();
        let length = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        record.raw.clear();
        record.raw.extend_from_slice(rest.get(..length).unwrap_or_default());
        self.at += length + 1;
        self.number += 1;
        record.line = self.number;
        let share = u128::from(self.bytes) * u128::from(self.number) / u128::from(self.rows.len().max(1));
        self.read.store(u64::try_from(share).unwrap_or(self.bytes), Ordering::Relaxed);
        Ok(Next::Record)
    }
}
