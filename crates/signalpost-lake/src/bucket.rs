//! Files in an object store that speaks S3: what an import reads from
//! `s3://bucket/…`.
//!
//! In: a bucket's name and the standard `aws_…` options. Out: the objects below
//! a prefix, and an object's bytes as they arrive, never whole.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use deltalake::parquet::arrow::arrow_reader::ArrowReaderOptions;
use deltalake::parquet::arrow::async_reader::AsyncFileReader;
use deltalake::parquet::errors::{ParquetError, Result as ParquetResult};
use deltalake::parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use futures::future::BoxFuture;
use futures::{FutureExt, Stream, StreamExt, TryStreamExt};
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::error::Error;
use crate::parquet_rows::ParquetRows;

/// A bucket.
#[derive(Clone, Debug)]
pub struct Bucket {
    name: String,
    store: Arc<dyn ObjectStore>,
}

/// One object of a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its key, without a slash in front.
    pub key: String,
    /// Its size.
    pub bytes: u64,
}

impl Bucket {
    /// Reaches a bucket with the options of that name (`aws_access_key_id`,
    /// `aws_endpoint_url`, …); unknown ones are left out. Nothing is asked yet.
    ///
    /// # Errors
    /// [`Error::Bucket`] when the options make no sense together.
    pub fn open(name: &str, options: &[(String, String)]) -> Result<Self, Error> {
        let mut builder = AmazonS3Builder::new().with_bucket_name(name);
        for (option, value) in options {
            if let Ok(key) = option.parse::<AmazonS3ConfigKey>() {
                builder = builder.with_config(key, value);
            }
            if option.starts_with("aws_endpoint_url") && value.starts_with("http://") {
                builder = builder.with_allow_http(true);
            }
        }
        let store = builder.build().map_err(failed(name, ""))?;
        Ok(Self { name: name.to_owned(), store: Arc::new(store) })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The object of this key; `None` when there is none.
    ///
    /// # Errors
    /// [`Error::Bucket`] when the store refuses or cannot be reached.
    pub async fn find(&self, key: &str) -> Result<Option<Object>, Error> {
        match self.store.head(&path(key)).await {
            Ok(found) => Ok(Some(Object { key: found.location.to_string(), bytes: found.size })),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed(&self.name, key)(error)),
        }
    }

    /// The objects below a folder, by key; all of them for an empty folder.
    ///
    /// # Errors
    /// As [`Bucket::find`].
    pub async fn list(&self, folder: &str) -> Result<Vec<Object>, Error> {
        let folder = path(folder.trim_end_matches('/'));
        let listing = self.store.list(Some(&folder).filter(|folder| !folder.as_ref().is_empty()));
        let object =
            |found: object_store::ObjectMeta| Object { key: found.location.to_string(), bytes: found.size };
        let mut objects: Vec<Object> =
            listing.map_ok(object).try_collect().await.map_err(failed(&self.name, folder.as_ref()))?;
        objects.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(objects)
    }

    /// An object's bytes as they arrive.
    ///
    /// # Errors
    /// As [`Bucket::find`], also for an object that is gone.
    pub async fn read(
        &self,
        key: &str,
    ) -> Result<impl Stream<Item = Result<Vec<u8>, Error>> + Send + Unpin + use<>, Error> {
        let found = self.store.get(&path(key)).await.map_err(failed(&self.name, key))?;
        let (name, key) = (self.name.clone(), key.to_owned());
        let pieces = found.into_stream();
        Ok(pieces.map(move |piece| piece.map(|bytes| bytes.to_vec()).map_err(failed(&name, &key))))
    }

    /// An object's rows, when it is Parquet: only what is needed of it is read.
    ///
    /// # Errors
    /// As [`Bucket::find`], and [`Error::NotParquet`].
    pub async fn read_parquet(&self, object: &Object) -> Result<ParquetRows, Error> {
        let (store, path) = (Arc::clone(&self.store), path(&object.key));
        ParquetRows::read(Ranges { store, path, bytes: object.bytes }).await
    }
}

/// An object of which pieces are read.
struct Ranges {
    store: Arc<dyn ObjectStore>,
    path: Path,
    bytes: u64,
}

impl AsyncFileReader for Ranges {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, ParquetResult<Bytes>> {
        async move {
            let piece = self.store.get_range(&self.path, range).await;
            piece.map_err(|error| ParquetError::External(Box::new(error)))
        }
        .boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, ParquetResult<Vec<Bytes>>> {
        async move {
            let pieces = self.store.get_ranges(&self.path, &ranges).await;
            pieces.map_err(|error| ParquetError::External(Box::new(error)))
        }
        .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, ParquetResult<Arc<ParquetMetaData>>> {
        async move {
            let bytes = self.bytes;
            let reader = ParquetMetaDataReader::new().with_arrow_reader_options(options);
            Ok(Arc::new(reader.load_and_finish(self, bytes).await?))
        }
        .boxed()
    }
}

/// A key as a path, as it is: what looks encoded in it is part of its name.
fn path(key: &str) -> Path {
    Path::parse(key).unwrap_or_else(|_| Path::from(key))
}

fn failed(bucket: &str, key: &str) -> impl FnOnce(object_store::Error) -> Error + use<> {
    let place = format!("s3://{bucket}/{key}");
    move |error| Error::Bucket { place, reason: reason(&error) }
}

/// What a store's error says, without the addresses and documents around it.
fn reason(error: &object_store::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    let text = innermost.to_string();
    let between = |from: &str, to: &str| Some(text.split_once(from)?.1.split_once(to)?.0);
    match (between("<Code>", "</Code>"), between("<Message>", "</Message>")) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code.to_owned(),
        _ => text.lines().next().unwrap_or_default().to_owned(),
    }
}
