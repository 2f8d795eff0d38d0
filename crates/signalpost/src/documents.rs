//! Versioned documents: segments, templates, campaigns, destinations, sources,
//! hooks, keys, catalog items and privacy requests. Every change is a new version; none is
//! lost, but of what says so.

use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use signalpost_core::time::Timestamp;

use crate::state::{self, Batch, Error, Store, Table};

/// What kind of document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A segment's text.
    Segment,
    /// A sequence rule's text.
    Sequence,
    /// A template.
    Template,
    /// A campaign.
    Campaign,
    /// A destination, with its secrets.
    Destination,
    /// A source's settings.
    Source,
    /// An access key's hash and scopes.
    Key,
    /// An OAuth client's hash and scopes.
    Client,
    /// A catalog item.
    Item,
    /// A hook: who may call and what it means.
    Hook,
    /// A request about somebody's data.
    PrivacyRequest,
    /// What events of a type have to look like.
    Plan,
    /// A setting of the installation itself.
    Meta,
}

impl Kind {
    fn letter(self) -> u8 {
        match self {
            Self::Segment => b's',
            Self::Sequence => b'q',
            Self::Template => b't',
            Self::Campaign => b'c',
            Self::Destination => b'd',
            Self::Source => b'o',
            Self::Key => b'k',
            Self::Client => b'a',
            Self::Item => b'i',
            Self::Hook => b'h',
            Self::PrivacyRequest => b'p',
            Self::Plan => b'n',
            Self::Meta => b'm',
        }
    }
}

/// One version of a document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// Its name.
    pub name: String,
    /// From 1.
    pub version: u32,
    /// When this version was made.
    pub at: Timestamp,
    /// The content, as JSON text; `None` when this version deletes it.
    pub content: Option<String>,
}

impl Document {
    /// The content as JSON; null when deleted.
    pub fn json(&self) -> Json {
        self.content.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Json::Null)
    }
}

/// The documents of a store.
#[derive(Debug)]
pub struct Documents<S: ?Sized> {
    /// One writer at a time, so that versions follow each other.
    writing: Mutex<()>,
    store: Arc<S>,
}

fn prefix(kind: Kind, name: &str) -> Vec<u8> {
    let mut key = vec![kind.letter()];
    key.extend(u32::try_from(name.len()).unwrap_or(u32::MAX).to_be_bytes());
    key.extend(name.as_bytes());
    key
}

impl<S: Store + ?Sized> Documents<S> {
    /// The documents in `store`.
    pub fn new(store: Arc<S>) -> Self {
        Self { writing: Mutex::new(()), store }
    }

    /// Makes a new version, durably.
    ///
    /// # Errors
    /// When the store fails.
    pub fn put(&self, kind: Kind, name: &str, content: &Json, at: Timestamp) -> Result<Document, Error> {
        self.write(kind, name, Some(content.to_string()), at)
    }

    /// Makes a version that deletes the document.
    ///
    /// # Errors
    /// When the store fails.
    pub fn delete(&self, kind: Kind, name: &str, at: Timestamp) -> Result<Document, Error> {
        self.write(kind, name, None, at)
    }

    fn write(
        &self,
        kind: Kind,
        name: &str,
        content: Option<String>,
        at: Timestamp,
    ) -> Result<Document, Error> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        self.write_next(kind, name, content, at)
    }

    /// The next version; whoever calls is the one writer.
    fn write_next(
        &self,
        kind: Kind,
        name: &str,
        content: Option<String>,
        at: Timestamp,
    ) -> Result<Document, Error> {
        let version = self.latest(kind, name)?.map_or(1, |document| document.version + 1);
        let document = Document { name: name.to_owned(), version, at, content };
        let mut batch = Batch::default();
        self.add(kind, &document, &mut batch);
        self.store.commit(batch)?;
        self.store.sync()?;
        Ok(document)
    }

    /// Makes a new version of the one there is, with nobody writing in between.
    /// `None` when there is none.
    ///
    /// # Errors
    /// What `change` says, or when the store fails.
    pub fn change<E: From<Error>>(
        &self,
        kind: Kind,
        name: &str,
        at: Timestamp,
        change: impl FnOnce(Json) -> Result<Json, E>,
    ) -> Result<Option<Document>, E> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(document) = self.get(kind, name)? else { return Ok(None) };
        let content = change(document.json())?.to_string();
        Ok(Some(self.write_next(kind, name, Some(content), at)?))
    }

    fn add(&self, kind: Kind, document: &Document, batch: &mut Batch) {
        let mut key = prefix(kind, &document.name);
        key.extend(document.version.to_be_bytes());
        batch.put(Table::Documents, key, state::encode(document));
    }

    /// Makes a new version, durably, and in the same step lets go of those before:
    /// for secrets that must not outlast their use, and for what changes often.
    ///
    /// # Errors
    /// When the store fails.
    pub fn replace(&self, kind: Kind, name: &str, content: &Json, at: Timestamp) -> Result<(), Error> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let prefix = prefix(kind, name);
        let end = state::prefix_end(&prefix);
        let version = self.latest(kind, name)?.map_or(1, |document| document.version + 1);
        let mut batch = Batch::default();
        for key in self.store.scan_keys(Table::Documents, &prefix, end.as_deref(), usize::MAX)? {
            batch.delete(Table::Documents, key);
        }
        let document = Document { name: name.to_owned(), version, at, content: Some(content.to_string()) };
        self.add(kind, &document, &mut batch);
        self.store.commit(batch)?;
        self.store.sync()
    }

    /// Sets many documents at once, each as its next version, all or none.
    ///
    /// # Errors
    /// When the store fails.
    pub fn put_all(&self, kind: Kind, items: &[(String, Json)], at: Timestamp) -> Result<(), Error> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut batch = Batch::default();
        for (name, content) in items {
            let version = self.latest(kind, name)?.map_or(1, |document| document.version + 1);
            let document = Document { name: name.clone(), version, at, content: Some(content.to_string()) };
            self.add(kind, &document, &mut batch);
        }
        self.store.commit(batch)?;
        self.store.sync()
    }

    fn latest(&self, kind: Kind, name: &str) -> Result<Option<Document>, Error> {
        let prefix = prefix(kind, name);
        let rows =
            self.store.scan_back(Table::Documents, &prefix, state::prefix_end(&prefix).as_deref(), 1)?;
        rows.first().map(|(_, value)| state::decode(Table::Documents, value)).transpose()
    }

    /// The newest version, when the document is there and not deleted.
    ///
    /// # Errors
    /// When the store fails.
    pub fn get(&self, kind: Kind, name: &str) -> Result<Option<Document>, Error> {
        Ok(self.latest(kind, name)?.filter(|document| document.content.is_some()))
    }

    /// Every version, oldest first, deletions too.
    ///
    /// # Errors
    /// When the store fails.
    pub fn versions(&self, kind: Kind, name: &str) -> Result<Vec<Document>, Error> {
        let rows = state::scan_prefix(&*self.store, Table::Documents, &prefix(kind, name), usize::MAX)?;
        rows.iter().map(|(_, value)| state::decode(Table::Documents, value)).collect()
    }

    /// The newest version of every document of a kind that is not deleted.
    ///
    /// # Errors
    /// When the store fails.
    pub fn list(&self, kind: Kind) -> Result<Vec<Document>, Error> {
        let rows = state::scan_prefix(&*self.store, Table::Documents, &[kind.letter()], usize::MAX)?;
        let mut newest: Vec<Document> = Vec::new();
        for (_, value) in &rows {
            let document: Document = state::decode(Table::Documents, value)?;
            match newest.last_mut() {
                Some(last) if last.name == document.name => *last = document,
                _ => newest.push(document),
            }
        }
        newest.retain(|document| document.content.is_some());
        newest.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(newest)
    }
}
