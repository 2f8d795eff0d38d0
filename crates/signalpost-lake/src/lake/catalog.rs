//! The small file beside the tables: which log partitions and property names
//! were seen so far.
//!
//! `catalog.json`: `{"version":1,"streams":[0,1],"properties":{"price":"float"}}`.
//! Written before the rows it speaks of, by rename, only when it changed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::delta::sync;
use crate::error::Error;
use crate::property::PropertyKind;

const NAME: &str = "catalog.json";

/// Log partitions looked for when the file is lost.
const STREAMS_GUESSED: u32 = 64;

/// What is known of the tables' content.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Catalog {
    pub(super) streams: BTreeSet<u32>,
    pub(super) properties: BTreeMap<Box<str>, PropertyKind>,
}

/// Reads the catalog of the lake in `folder`; an empty one for a new lake. A
/// lost or broken file costs the names of properties seen so far, no rows.
pub(super) async fn read(folder: &Path) -> Result<Catalog, Error> {
    let path = folder.join(NAME);
    let guess = || Catalog { streams: (0..STREAMS_GUESSED).collect(), properties: BTreeMap::new() };
    match tokio::fs::read(&path).await {
        Ok(bytes) => Ok(parse(&bytes).unwrap_or_else(|| {
            tracing::warn!(path = %path.display(), "cannot read the lake's catalog; property columns come back as they are seen");
            guess()
        })),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let is_new = !tokio::fs::try_exists(folder.join("events")).await.unwrap_or(false);
            Ok(if is_new { Catalog::default() } else { guess() })
        }
        Err(source) => Err(Error::Disk { path, source }),
    }
}

fn parse(bytes: &[u8]) -> Option<Catalog> {
    let json: Value = serde_json::from_slice(bytes).ok()?;
    if json.get("version")?.as_u64()? != 1 {
        return None;
    }
    let streams =
        json.get("streams")?.as_array()?.iter().filter_map(|stream| stream.as_u64()?.try_into().ok());
    let kind = |(name, kind): (&String, &Value)| {
        Some((name.as_str().into(), PropertyKind::from_name(kind.as_str()?)?))
    };
    let properties = json.get("properties")?.as_object()?.iter().filter_map(kind);
    Some(Catalog { streams: streams.collect(), properties: properties.collect() })
}

/// Writes the catalog when it differs from the one on disk.
pub(super) async fn write(folder: &Path, catalog: &Catalog) -> Result<(), Error> {
    let path = folder.join(NAME);
    if let Ok(bytes) = tokio::fs::read(&path).await
        && parse(&bytes).as_ref() == Some(catalog)
    {
        return Ok(());
    }
    let properties: Map<String, Value> =
        catalog.properties.iter().map(|(name, kind)| (name.to_string(), kind.name().into())).collect();
    let json = json!({"version": 1, "streams": catalog.streams, "properties": properties});
    let draft = folder.join("catalog.json.new");
    tokio::fs::write(&draft, json.to_string()).await.map_err(Error::disk(&draft))?;
    sync(draft.clone()).await?;
    tokio::fs::rename(&draft, &path).await.map_err(Error::disk(&path))?;
    sync(folder.to_owned()).await
}
