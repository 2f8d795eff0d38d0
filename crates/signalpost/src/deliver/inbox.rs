//! The built-in destination: mail is kept as files and looked at in the web UI.
//! In: a message. Out: `<folder>/<2 hex digits>/<delivery id>.eml`, and lists
//! and mails read back from there.
//!
//! The files are all there is: no index that could disagree with them. The
//! order of the list is kept in memory and found again at start from each
//! file's time of modification, which is set to the instant of sending; what a
//! list shows of a mail is read from its headers.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use signalpost_core::campaign::DeliveryId;
use signalpost_core::time::Timestamp;

use super::message::{Message, Outcome};
use super::smtp::{BuildError, Sender, build};

pub mod eml;

#[cfg(test)]
mod tests;

/// Mails kept, unless set.
pub const MAILS_MAX: u32 = 200_000;
/// The longest list given at once.
pub const LIST_MAX: usize = 1_000;
/// Bytes of a mail that hold all headers `build` writes.
const HEAD_BYTES: u64 = 16 * 1_024;

/// Where mail is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The folder; made if it is not there.
    pub folder: PathBuf,
    /// Who mail is from, `Name <name@example.com>`.
    #[serde(default = "from")]
    pub from: String,
    /// Where answers would go.
    #[serde(default)]
    pub reply_to: Option<String>,
    /// Mails kept, by default 200,000; the oldest go first.
    #[serde(default = "mails_max")]
    pub mails_max: u32,
}

fn from() -> String {
    "Signalpost <signalpost@localhost>".to_owned()
}

const fn mails_max() -> u32 {
    MAILS_MAX
}

impl Settings {
    /// An inbox in a folder, all else by default.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), from: from(), reply_to: None, mails_max: MAILS_MAX }
    }

    /// What a user may see of them: all.
    pub fn describe(&self) -> Value {
        json!({
            "folder": self.folder,
            "from": self.from,
            "reply_to": self.reply_to,
            "mails_max": self.mails_max,
        })
    }
}

/// The inbox cannot be opened or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The sender's addresses.
    #[error("inbox.{0}")]
    Sender(BuildError),
    /// No room for a single mail.
    #[error("inbox.mails_max must be at least 1, got 0")]
    MailsMax,
    /// The disk.
    #[error("inbox {path:?}: {problem}")]
    Disk {
        /// What was read or written.
        path: PathBuf,
        /// Why it failed.
        problem: io::Error,
    },
}

/// One line of the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// The delivery.
    pub id: DeliveryId,
    /// The address header of the recipient.
    pub to: String,
    /// The subject.
    pub subject: String,
    /// The campaign.
    pub campaign: String,
    /// When it was put into the inbox.
    pub sent_at: Timestamp,
}

impl Entry {
    /// Its place in the list, to go on from.
    pub fn place(&self) -> Place {
        (self.sent_at, self.id)
    }
}

/// A place in the list: mails are in the order of time, then of id.
pub type Place = (Timestamp, DeliveryId);

/// A mail read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its headers in order, decoded.
    pub headers: Vec<(String, String)>,
    /// The HTML body; may be empty.
    pub html: String,
    /// The text body; may be empty.
    pub text: String,
    /// The mail as it would have gone out.
    pub eml: Vec<u8>,
}

/// The order of the list.
#[derive(Debug, Default)]
struct Order {
    places: BTreeSet<Place>,
    times: HashMap<DeliveryId, Timestamp>,
}

impl Order {
    fn insert(&mut self, id: DeliveryId, at: Timestamp) {
        if self.times.insert(id, at).is_none() {
            self.places.insert((at, id));
        }
    }

    fn remove(&mut self, id: DeliveryId) -> bool {
        self.times.remove(&id).is_some_and(|at| self.places.remove(&(at, id)))
    }
}

/// The inbox; clones share it. Two processes must not open one folder.
#[derive(Clone, Debug)]
pub struct Inbox(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    folder: PathBuf,
    sender: Sender,
    mails_max: usize,
    order: Mutex<Order>,
    temporary: AtomicU64,
}

impl Inbox {
    /// Opens the inbox in `folder` with default settings; see [`Inbox::open`].
    pub fn new(folder: impl Into<PathBuf>) -> Result<Self, Error> {
        Self::open(Settings::new(folder))
    }

    /// Opens an inbox, clears what a crash left half written and finds the order
    /// of its mails. Reads the disk: about a second for 100,000 mails.
    pub fn open(settings: Settings) -> Result<Self, Error> {
        let sender = Sender::new(&settings.from, settings.reply_to.as_deref()).map_err(Error::Sender)?;
        if settings.mails_max == 0 {
            return Err(Error::MailsMax);
        }
        let folder = settings.folder;
        fs::create_dir_all(&folder).map_err(|problem| disk(&folder, problem))?;
        let order = scan(&folder)?;
        Ok(Self(Arc::new(Shared {
            folder,
            sender,
            mails_max: usize::try_from(settings.mails_max).unwrap_or(usize::MAX),
            order: Mutex::new(order),
            temporary: AtomicU64::new(0),
        })))
    }

    /// Stores it, durably. The same delivery again changes nothing.
    pub async fn send(&self, message: &Message, now: Timestamp) -> Outcome {
        let mail = match build(message, &self.0.sender, now) {
            Ok(mail) => mail,
            Err(error) => return Outcome::Refused { reason: error.to_string() },
        };
        let (shared, id) = (Arc::clone(&self.0), message.id);
        match tokio::task::spawn_blocking(move || shared.store(id, &mail, now)).await {
            Ok(Ok(answer)) => Outcome::Accepted { answer: answer.to_owned() },
            Ok(Err(error)) => Outcome::Retry { reason: error.to_string(), after: None },
            Err(error) => Outcome::Retry { reason: error.to_string(), after: None },
        }
    }

    /// How many mails there are.
    pub fn count(&self) -> usize {
        self.0.order().places.len()
    }

    /// The newest mails, up to `limit` (at most [`LIST_MAX`]), from just before
    /// a place on. Reads the disk: call it off the async threads.
    pub fn list(&self, limit: usize, before: Option<Place>) -> Vec<Entry> {
        let limit = limit.min(LIST_MAX);
        let places: Vec<Place> = {
            let order = self.0.order();
            match before {
                Some(place) => order.places.range(..place).rev().take(limit).copied().collect(),
                None => order.places.iter().rev().take(limit).copied().collect(),
            }
        };
        places.into_iter().filter_map(|place| self.0.entry(place)).collect()
    }

    /// One mail. Reads the disk: call it off the async threads.
    pub fn read(&self, id: DeliveryId) -> Result<Option<Stored>, Error> {
        let path = self.0.path(id);
        match fs::read(&path) {
            Ok(eml) => {
                let mail = eml::read(&eml);
                Ok(Some(Stored { headers: mail.headers, html: mail.html, text: mail.text, eml }))
            }
            Err(problem) if problem.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(problem) => Err(disk(&path, problem)),
        }
    }

    /// Takes a mail out for good, as the right to erasure asks for; `false` when
    /// it is not there. Writes to the disk: call it off the async threads.
    pub fn remove(&self, id: DeliveryId) -> Result<bool, Error> {
        self.0.remove(id)
    }
}

impl Shared {
    fn order(&self) -> MutexGuard<'_, Order> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, id: DeliveryId) -> PathBuf {
        self.folder.join(format!("{:02x}", id.0 & 0xff)).join(format!("{id}.eml"))
    }

    fn store(&self, id: DeliveryId, mail: &[u8], now: Timestamp) -> Result<&'static str, Error> {
        if self.order().times.contains_key(&id) {
            return Ok("already in the inbox");
        }
        let path = self.path(id);
        let shard = path.parent().unwrap_or(&self.folder);
        let number = self.temporary.fetch_add(1, Ordering::Relaxed);
        let temporary = shard.join(format!("{id}.{number}.tmp"));
        write_durably(&temporary, shard, &path, mail, now).map_err(|problem| {
            // What is left is cleared at the next start if not here.
            drop(fs::remove_file(&temporary));
            disk(&path, problem)
        })?;
        let surplus: Vec<DeliveryId> = {
            let mut order = self.order();
            order.insert(id, now);
            let surplus = order.places.len().saturating_sub(self.mails_max);
            order.places.iter().take(surplus).map(|(_, id)| *id).collect()
        };
        for oldest in surplus {
            self.remove(oldest)?;
        }
        Ok("stored in the inbox")
    }

    fn remove(&self, id: DeliveryId) -> Result<bool, Error> {
        let known = self.order().remove(id);
        let path = self.path(id);
        match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(problem) if problem.kind() == io::ErrorKind::NotFound => Ok(known),
            Err(problem) => Err(disk(&path, problem)),
        }
    }

    /// What a list shows; `None` for a file that someone took away meanwhile.
    fn entry(&self, (sent_at, id): Place) -> Option<Entry> {
        let mut head = Vec::new();
        File::open(self.path(id)).ok()?.take(HEAD_BYTES).read_to_end(&mut head).ok()?;
        let headers = eml::headers(&head);
        let named = |name: &str| {
            let found = headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.clone()).unwrap_or_default()
        };
        Some(Entry {
            id,
            to: named("To"),
            subject: named("Subject"),
            campaign: named("X-Signalpost-Campaign"),
            sent_at,
        })
    }
}

/// Writes, syncs, and only then gives the file its name.
fn write_durably(temporary: &Path, shard: &Path, path: &Path, mail: &[u8], now: Timestamp) -> io::Result<()> {
    if !shard.is_dir() {
        fs::create_dir_all(shard)?;
        if let Some(folder) = shard.parent() {
            File::open(folder)?.sync_all()?;
        }
    }
    let mut file = File::create(temporary)?;
    file.write_all(mail)?;
    let micros = u64::try_from(now.as_micros()).unwrap_or(0);
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_micros(micros))?;
    file.sync_all()?;
    drop(file);
    fs::rename(temporary, path)?;
    File::open(shard)?.sync_all()
}

/// Finds all mails under a folder; files of other names are left alone.
fn scan(folder: &Path) -> Result<Order, Error> {
    let mut order = Order::default();
    for shard in 0..=0xff_u8 {
        let shard = folder.join(format!("{shard:02x}"));
        let files = match fs::read_dir(&shard) {
            Ok(files) => files,
            Err(problem) if problem.kind() == io::ErrorKind::NotFound => continue,
            Err(problem) => return Err(disk(&shard, problem)),
        };
        for file in files {
            let file = file.map_err(|problem| disk(&shard, problem))?;
            let (path, name) = (file.path(), file.file_name());
            let name = name.to_string_lossy();
            if name.ends_with(".tmp") {
                fs::remove_file(&path).map_err(|problem| disk(&path, problem))?;
            } else if let Some(id) = id_of(&name) {
                let modified = file.metadata().and_then(|about| about.modified());
                order.insert(id, timestamp(modified.map_err(|problem| disk(&path, problem))?));
            }
        }
    }
    Ok(order)
}

fn id_of(name: &str) -> Option<DeliveryId> {
    let digits = name.strip_prefix('d')?.strip_suffix(".eml")?;
    let id = DeliveryId(u128::from_str_radix(digits, 16).ok()?);
    (format!("{id}.eml") == name).then_some(id)
}

fn timestamp(time: SystemTime) -> Timestamp {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

fn disk(path: &Path, problem: io::Error) -> Error {
    Error::Disk { path: path.to_owned(), problem }
}
