//! Where rows come from: what was named on the command line, as single files.
//!
//! In: files, folders, globs and `s3://bucket/prefix`. Out: [`Place`]s in the
//! order they will be read, each with its form and its size.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use signalpost_lake::{Bucket, Object};

/// How rows stand in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// Comma-separated values, or with another separator.
    Csv,
    /// JSON objects: a line each, or in an array.
    Json,
    /// Apache Parquet.
    Parquet,
}

/// How a file's bytes are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// Not at all.
    None,
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
    /// Brotli.
    Brotli,
}

/// One file.
#[derive(Clone, Debug)]
pub struct Place {
    /// As reports name it.
    pub name: String,
    /// Its size, packed.
    pub bytes: u64,
    /// How its rows stand.
    pub form: Form,
    /// How it is packed.
    pub packing: Packing,
    /// Where it lies.
    pub at: At,
}

/// Where a file lies.
#[derive(Clone, Debug)]
pub enum At {
    /// On the disk.
    Disk(PathBuf),
    /// In an object store.
    Bucket(Bucket, Object),
}

impl Place {
    /// The last part of its name.
    pub fn base(&self) -> &str {
        self.name.rsplit('/').next().unwrap_or(&self.name)
    }
}

/// Finds the files that were named.
///
/// # Errors
/// When one is not there, or its form cannot be told.
pub async fn find(
    names: &[String],
    form: Option<Form>,
    options: &[(String, String)],
) -> anyhow::Result<Vec<Place>> {
    let mut places: Vec<Place> = Vec::new();
    for name in names {
        let found = match name.strip_prefix("s3://") {
            Some(rest) => in_bucket(rest, form, options).await?,
            None => on_disk(name, form)?,
        };
        if found.is_empty() {
            bail!(
                "no file to import at {name}: files end in .csv, .tsv, .json, .jsonl, .ndjson or .parquet, also packed (.gz, .zst, .br); name others one by one, with --format"
            );
        }
        for place in found {
            if !places.iter().any(|held| held.name == place.name) {
                places.push(place);
            }
        }
    }
    Ok(places)
}

fn on_disk(name: &str, form: Option<Form>) -> anyhow::Result<Vec<Place>> {
    let path = Path::new(name);
    if path.is_dir() {
        let mut paths = Vec::new();
        below(path, &mut paths)?;
        paths.sort();
        return paths
            .iter()
            .filter(|path| form.is_some() || guess(&path.to_string_lossy()).0.is_some())
            .map(|path| local(path, form))
            .collect();
    }
    if path.exists() || !name.contains(['*', '?', '[']) {
        return Ok(vec![local(path, form)?]);
    }
    let mut paths = Vec::new();
    for found in glob::glob(name).with_context(|| format!("'{name}' is no pattern for file names"))? {
        let path = found?;
        if path.is_file() {
            paths.push(path);
        }
    }
    paths.iter().map(|path| local(path, form)).collect()
}

/// Every file below a folder, but for hidden ones and marks such as `_SUCCESS`.
fn below(folder: &Path, paths: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in folder.read_dir().with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        let hidden = path.file_name().is_some_and(|name| {
            name.as_encoded_bytes().starts_with(b".") || name.as_encoded_bytes().starts_with(b"_")
        });
        if hidden {
            continue;
        }
        if path.is_dir() && !path.is_symlink() {
            below(&path, paths)?;
        } else if path.is_file() {
            paths.push(path);
        }
    }
    Ok(())
}

fn local(path: &Path, form: Option<Form>) -> anyhow::Result<Place> {
    let about = path.metadata().with_context(|| format!("cannot read {}", path.display()))?;
    place(path.display().to_string(), about.len(), form, At::Disk(path.to_owned()))
}

async fn in_bucket(
    rest: &str,
    form: Option<Form>,
    options: &[(String, String)],
) -> anyhow::Result<Vec<Place>> {
    let (name, key) = rest.split_once('/').unwrap_or((rest, ""));
    let bucket = Bucket::open(name, options)?;
    let remote = |object: Object| {
        let name = format!("s3://{}/{}", bucket.name(), object.key);
        place(name, object.bytes, form, At::Bucket(bucket.clone(), object))
    };
    if let Some(at) = key.find(['*', '?', '[']) {
        let folder = key.get(..at).and_then(|start| start.rsplit_once('/')).map_or("", |(folder, _)| folder);
        let pattern = glob::Pattern::new(key).with_context(|| format!("'{key}' is no pattern for keys"))?;
        let options = glob::MatchOptions { require_literal_separator: true, ..Default::default() };
        let objects = bucket.list(folder).await?;
        return objects
            .into_iter()
            .filter(|object| pattern.matches_with(&object.key, options))
            .map(remote)
            .collect();
    }
    if !key.is_empty()
        && !key.ends_with('/')
        && let Some(object) = bucket.find(key).await?
    {
        return Ok(vec![remote(object)?]);
    }
    let objects = bucket.list(key).await?;
    objects
        .into_iter()
        .filter(|object| form.is_some() || guess(&object.key).0.is_some())
        .map(remote)
        .collect()
}

fn place(name: String, bytes: u64, form: Option<Form>, at: At) -> anyhow::Result<Place> {
    let (guessed, packing) = guess(&name);
    match form.or(guessed) {
        Some(Form::Parquet) if packing != Packing::None => {
            bail!("{name} is Parquet inside another packing; unpack it first")
        }
        Some(form) => Ok(Place { name, bytes, form, packing, at }),
        None => {
            bail!("{name} does not end as CSV, JSON or Parquet files do; say --format csv, json or parquet")
        }
    }
}

/// The form and packing that a name tells of.
fn guess(name: &str) -> (Option<Form>, Packing) {
    let name = name.to_ascii_lowercase();
    let packings = [(".gz", Packing::Gzip), (".zst", Packing::Zstd), (".br", Packing::Brotli)];
    let packed = packings.iter().find_map(|(ending, packing)| Some((name.strip_suffix(ending)?, *packing)));
    let (inner, packing) = packed.unwrap_or((&name, Packing::None));
    let form = match inner.rsplit_once('.').map(|(_, ending)| ending) {
        Some("csv" | "tsv" | "tab") => Some(Form::Csv),
        Some("json" | "jsonl" | "ndjson" | "jsonlines") => Some(Form::Json),
        Some("parquet" | "pq") => Some(Form::Parquet),
        _ => None,
    };
    (form, packing)
}
