//! A file looked at before anything of it is sent: its columns, the types of
//! their values, and whether the mapping fits.
//!
//! In: a [`Place`] and a mapping. Out: [`Prepared`], or what has to be mended
//! first. Blocks.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use super::WrongMapping;
use super::csv::{Next, Record};
use super::mapping::{Kind, Mapping};
use super::place::Place;
use super::rows::{Reading, Rows};
use super::shape::Shape;
use super::shape::cell::{self, Cell};

/// Rows by which types are told.
const SAMPLE_ROWS: usize = 1_000;
/// Bytes of rows by which types are told.
const SAMPLE_BYTES: usize = 4 << 20;

/// A file that can be imported.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The file.
    pub place: Place,
    /// Its columns, with the type of each; `None` where rows bring their own.
    pub columns: Option<Vec<(String, Cell)>>,
    /// The encoding it is read as, when that is not UTF-8.
    pub encoding: Option<&'static str>,
    /// What its beginning says: the same for the same rows under another name.
    pub start: u128,
    /// Whether it has any row.
    pub is_empty: bool,
}

impl Prepared {
    /// The shape of its rows.
    ///
    /// # Errors
    /// When the mapping does not fit.
    pub fn shape(&self, mapping: &Mapping) -> Result<Shape, WrongMapping> {
        let Some(columns) = &self.columns else { return Shape::new(mapping, None, &[]) };
        let (names, cells): (Vec<String>, Vec<Cell>) = columns.iter().cloned().unzip();
        Shape::new(mapping, Some(&names), &cells)
    }

    /// The number under which its import is remembered: its rows', and its name
    /// without what tells only of the packing.
    pub fn id(&self) -> u128 {
        let base = self.place.base();
        let bare = [".gz", ".zst", ".br"].iter().find_map(|ending| base.strip_suffix(ending)).unwrap_or(base);
        let mut hash = Xxh3::new();
        hash.update(&self.start.to_le_bytes());
        hash.update(bare.as_bytes());
        hash.digest128()
    }
}

/// Looks at a file's beginning.
///
/// # Errors
/// When it cannot be read, none of its first rows can, or the mapping does not
/// fit ([`WrongMapping`]).
pub fn prepare(place: &Place, mapping: &Mapping, reading: Reading) -> anyhow::Result<Prepared> {
    let mut rows = Rows::open(place, reading, &Arc::new(AtomicU64::new(0)))?;
    let mut sample = Vec::new();
    let mut refused: Option<(u64, String)> = None;
    let mut bytes = 0;
    while sample.len() < SAMPLE_ROWS && bytes < SAMPLE_BYTES {
        let mut record = Record::default();
        match rows.next(&mut record)? {
            Next::End => break,
            Next::Refused(message) => {
                bytes += record.raw.len();
                refused.get_or_insert((record.line, message));
            }
            Next::Record => {
                bytes += record.raw.len();
                sample.push(record);
            }
        }
    }
    if let (true, Some((line, message))) = (sample.is_empty(), refused) {
        anyhow::bail!("{}: no row at its beginning can be read; line {line}: {message}", place.name);
    }
    if let Some(columns) = rows.columns.as_deref().filter(|columns| !columns.is_empty()) {
        check(mapping, columns).map_err(|error| WrongMapping(format!("{}: {error}", place.name)))?;
    }
    let columns = rows.columns.as_ref().map(|names| {
        let types = if rows.are_objects { vec![Cell::Json; names.len()] } else { types(names, &sample) };
        names.iter().cloned().zip(types).collect::<Vec<_>>()
    });
    let mut hash = Xxh3::new();
    hash.update(mapping.kind.as_str().as_bytes());
    for (name, _) in columns.iter().flatten() {
        hash.update(&xxh3_128(name.as_bytes()).to_le_bytes());
    }
    hash.update(sample.first().map_or(&[], |record| &record.raw));
    let prepared = Prepared {
        place: place.clone(),
        columns,
        encoding: rows.encoding,
        start: hash.digest128(),
        is_empty: sample.is_empty(),
    };
    prepared.shape(mapping).map_err(|error| WrongMapping(format!("{}: {error}", place.name)))?;
    Ok(prepared)
}

/// Whether the columns that the mapping names are there, and those there give
/// what every row needs.
fn check(mapping: &Mapping, columns: &[String]) -> Result<(), WrongMapping> {
    let listed = || columns.join(", ");
    let named =
        mapping.fields.iter().map(|(_, column)| column).chain(mapping.types.keys()).chain(&mapping.guest);
    for column in named {
        let first = column.split('.').next().unwrap_or(column);
        if !columns.iter().any(|held| held == column || held == first) {
            return Err(WrongMapping(format!("there is no column '{column}'; the columns are {}", listed())));
        }
    }
    let lacks = |name: &str| !mapping.gives(name, columns);
    let missing = match mapping.kind {
        Kind::Events if lacks("event_type") => Some("event_type"),
        Kind::Events | Kind::Profiles
            if lacks("customer_id") && lacks("anonymous_id") && mapping.guest.is_none() =>
        {
            Some("customer_id")
        }
        Kind::Catalog if lacks("product_id") && !columns.iter().any(|name| name == "id" || name == "sku") => {
            Some("product_id")
        }
        _ => None,
    };
    match missing {
        Some(field) => Err(WrongMapping(format!(
            "no column gives {field}: say --map {field}=COLUMN{}; the columns are {}",
            if field == "event_type" { " or --set event_type=NAME" } else { "" },
            listed()
        ))),
        None => Ok(()),
    }
}

fn types(names: &[String], sample: &[Record]) -> Vec<Cell> {
    let rows: Vec<Vec<_>> = sample.iter().filter_map(|record| Some(record.texts().ok()?.collect())).collect();
    let column = |place: usize| rows.iter().filter_map(move |row| row.get(place)).map(AsRef::as_ref);
    names.iter().enumerate().map(|(place, name)| cell::tell(name, column(place))).collect()
}
