//! The roster: what is asked of known people, column by column, in memory.
//!
//! Reading every profile from the store for a query costs seconds at a million
//! of them. The roster reads them all once for a column that is asked for, and
//! from then on only those of which something came, or whose value ends by the
//! clock.
//!
//! In: which people records on the log speak of ([`Roster::note`]), and names of
//! columns. Out: the columns, as the profiles in the store have them at an
//! instant.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use signalpost_core::id::ProfileKey;
use signalpost_core::profile::Profile;
use signalpost_core::time::Timestamp;
use signalpost_core::value::Value;

use super::customers::attribute;
use crate::app::AppStore;
use crate::state::{Error, Store, Table};

/// Profiles read from the store at once.
const CHUNK: usize = 4_096;
/// Columns kept; those not asked for longest go first.
const COLUMNS_MAX: usize = 48;
/// With more people to look at again than one in so many, all are read anew.
const FEW: usize = 4;
/// People noted at most; with more, all are read anew.
const NOTED_MAX: usize = 1_000_000;

/// The people of a program, as far as anybody asked.
#[derive(Debug, Default)]
pub struct Roster {
    /// Whether anybody asked yet: until then nothing is noted.
    asked: AtomicBool,
    noted: Mutex<Noted>,
    held: Mutex<Held>,
}

/// Names that people's columns are made of.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Traits.
    pub traits: BTreeSet<Box<str>>,
    /// Event types.
    pub types: BTreeSet<Box<str>>,
}

/// Whom records speak of that the columns may not yet show.
#[derive(Debug, Default)]
struct Noted {
    /// With the record's partition and offset.
    people: HashMap<ProfileKey, (u32, u64)>,
    /// Whether there were too many.
    everybody: bool,
}

#[derive(Debug, Default)]
struct Held {
    /// Rows by person.
    places: HashMap<ProfileKey, usize>,
    /// Whose row; `None` for one that is gone.
    people: Vec<Option<ProfileKey>>,
    columns: BTreeMap<String, Column>,
    /// Trait names and event types seen so far.
    traits: BTreeSet<Box<str>>,
    types: BTreeSet<Box<str>>,
    /// Counts questions, to tell which columns are asked for.
    questions: u64,
}

#[derive(Debug, Default)]
struct Column {
    values: Arc<Vec<Value>>,
    /// Until when each holds by the clock; empty when all do for ever.
    until: Vec<Timestamp>,
    asked_at: u64,
}

impl Column {
    /// What stays as it is is not touched, so that whoever has made something of
    /// the column may keep it.
    fn set(&mut self, place: usize, value: Value, until: Timestamp) {
        if self.values.get(place) != Some(&value) {
            let values = Arc::make_mut(&mut self.values);
            if values.len() <= place {
                values.resize(place + 1, Value::Null);
            }
            if let Some(held) = values.get_mut(place) {
                *held = value;
            }
        }
        if until != Timestamp::MAX || !self.until.is_empty() {
            if self.until.len() <= place {
                self.until.resize(place + 1, Timestamp::MAX);
            }
            if let Some(held) = self.until.get_mut(place) {
                *held = until;
            }
        }
    }
}

impl Roster {
    /// Notes that a record speaks of a person.
    pub fn note(&self, person: &ProfileKey, partition: u32, offset: u64) {
        if !self.asked.load(Ordering::Acquire) || person.customer_id().is_none() {
            return;
        }
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.people.len() >= NOTED_MAX {
            noted.people.clear();
            noted.everybody = true;
        }
        if !noted.everybody {
            noted.people.insert(person.clone(), (partition, offset));
        }
    }

    /// The names of traits and event types there are.
    ///
    /// # Errors
    /// When the store fails.
    pub fn names(&self, store: &AppStore, taken: &[u64], now: Timestamp) -> Result<Names, Error> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        self.bring_up_to_date(&mut held, store, taken, now, &[])?;
        Ok(Names { traits: held.traits.clone(), types: held.types.clone() })
    }

    /// Columns of all known people, in the order asked for. Each is as the store
    /// has it once the workers have taken the records before `taken`, which they
    /// have.
    ///
    /// # Errors
    /// When the store fails.
    pub fn columns(
        &self,
        store: &AppStore,
        taken: &[u64],
        now: Timestamp,
        names: &[String],
    ) -> Result<Vec<Arc<Vec<Value>>>, Error> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        self.bring_up_to_date(&mut held, store, taken, now, names)?;
        let columns = names.iter().filter_map(|name| held.columns.get(name));
        let there: Vec<bool> = held.people.iter().map(Option::is_some).collect();
        let all = there.iter().all(|there| *there);
        Ok(columns
            .map(|column| {
                if all {
                    return Arc::clone(&column.values);
                }
                let rows = column.values.iter().zip(&there).filter(|(_, there)| **there);
                Arc::new(rows.map(|(value, _)| value.clone()).collect())
            })
            .collect())
    }

    fn bring_up_to_date(
        &self,
        held: &mut Held,
        store: &AppStore,
        taken: &[u64],
        now: Timestamp,
        names: &[String],
    ) -> Result<(), Error> {
        let is_first = !self.asked.swap(true, Ordering::AcqRel);
        let (people, everybody) = self.take_noted(taken);
        held.questions += 1;
        let fresh: Vec<&String> = names.iter().filter(|name| !held.columns.contains_key(*name)).collect();
        for name in fresh {
            held.columns.insert(name.clone(), Column::default());
        }
        let new = names.iter().any(|name| held.columns.get(name).is_some_and(|column| column.asked_at == 0));
        for name in names {
            if let Some(column) = held.columns.get_mut(name) {
                column.asked_at = held.questions;
            }
        }
        let mut again = people;
        again.extend(held.expired(now));
        if is_first || everybody || new || again.len() > held.people.len() / FEW {
            let read = held.read_all(store, now);
            if read.is_err() {
                // Half-read columns are not to be taken for whole ones.
                held.columns.clear();
                self.noted.lock().unwrap_or_else(PoisonError::into_inner).everybody = true;
            }
            read?;
        } else {
            for person in &again {
                held.read_one(store, person, now)?;
            }
        }
        held.forget_unasked();
        Ok(())
    }

    /// Those noted by records the workers have taken.
    fn take_noted(&self, taken: &[u64]) -> (BTreeSet<ProfileKey>, bool) {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let mut ready = BTreeSet::new();
        noted.people.retain(|person, (partition, offset)| {
            let waits = taken.get(*partition as usize).is_none_or(|taken| *offset >= *taken);
            if !waits {
                ready.insert(person.clone());
            }
            waits
        });
        (ready, std::mem::take(&mut noted.everybody))
    }
}

fn learn(known: &mut BTreeSet<Box<str>>, name: &str) {
    if !known.contains(name) {
        known.insert(name.into());
    }
}

impl Held {
    /// People of whom a value has ended by the clock.
    fn expired(&self, now: Timestamp) -> BTreeSet<ProfileKey> {
        let mut people = BTreeSet::new();
        for column in self.columns.values() {
            let ended = column.until.iter().zip(&self.people).filter(|(until, _)| **until <= now);
            people.extend(ended.filter_map(|(_, person)| person.clone()));
        }
        people
    }

    fn read_all(&mut self, store: &AppStore, now: Timestamp) -> Result<(), Error> {
        let mut seen = vec![false; self.people.len()];
        let mut from = b"c".to_vec();
        loop {
            let rows = store.scan(Table::Profiles, &from, Some(b"d"), CHUNK)?;
            for (_, bytes) in &rows {
                match Profile::decode(bytes) {
                    Ok(profile) => {
                        let place = self.set(&profile, now);
                        if let Some(seen) = seen.get_mut(place) {
                            *seen = true;
                        }
                    }
                    Err(error) => tracing::error!(%error, "a profile is left out"),
                }
            }
            match rows.last() {
                Some((key, _)) if rows.len() == CHUNK => {
                    from.clone_from(key);
                    from.push(0);
                }
                _ => break,
            }
        }
        for (person, seen) in self.people.iter_mut().zip(seen) {
            if !seen && let Some(gone) = person.take() {
                self.places.remove(&gone);
            }
        }
        Ok(())
    }

    fn read_one(&mut self, store: &AppStore, person: &ProfileKey, now: Timestamp) -> Result<(), Error> {
        let bytes = store.get(Table::Profiles, &person.place())?;
        match bytes.as_deref().map(Profile::decode) {
            Some(Ok(profile)) => {
                self.set(&profile, now);
            }
            Some(Err(error)) => tracing::error!(%error, "a profile is left out"),
            None => {
                let place = self.places.remove(person);
                if let Some(held) = place.and_then(|place| self.people.get_mut(place)) {
                    *held = None;
                }
            }
        }
        Ok(())
    }

    /// Sets a person's row, and answers where it is.
    fn set(&mut self, profile: &Profile, now: Timestamp) -> usize {
        let place = match self.places.get(&profile.key) {
            Some(place) => *place,
            None => {
                let place = self.people.len();
                self.people.push(Some(profile.key.clone()));
                self.places.insert(profile.key.clone(), place);
                place
            }
        };
        // What is to happen to the person may change any of them.
        let event_due = profile.next_event_due();
        for (name, column) in &mut self.columns {
            let (value, until) = attribute(profile, name, now);
            column.set(place, value, until.min(event_due));
        }
        let (traits, types) = (&mut self.traits, &mut self.types);
        profile.traits.iter().for_each(|held| learn(traits, &held.name));
        profile.types.iter().for_each(|held| learn(types, &held.event_type));
        place
    }

    fn forget_unasked(&mut self) {
        while self.columns.len() > COLUMNS_MAX {
            let oldest = self.columns.iter().min_by_key(|(_, column)| column.asked_at);
            let Some((name, _)) = oldest.map(|(name, column)| (name.clone(), column.asked_at)) else { break };
            self.columns.remove(&name);
        }
    }
}
