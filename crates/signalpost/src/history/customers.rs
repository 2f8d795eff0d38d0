//! `customer_data`: a row a known person, a column a trait or computed trait; as
//! it is now, from the roster, and as it was.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use signalpost_core::id::ProfileKey;
use signalpost_core::profile::{BUILT_IN, Profile};
use signalpost_core::program::Program;
use signalpost_core::segment::Definition;
use signalpost_core::step;
use signalpost_core::time::Timestamp;
use signalpost_core::value::Value;
use signalpost_lake::{ColumnType, LiveColumn, LiveData, LiveTable};

use super::roster::Names;
use super::tables::AppTables;
use crate::app::App;
use crate::state::{self, Store, Table};
use crate::worker::read_timeline;

/// Profiles read from the store at once.
const CHUNK: usize = 2_000;

impl<'a> AppTables<'a> {
    /// `customer_data` from the roster's columns.
    fn present_customers(&self) -> Result<LiveTable<'a>, state::Error> {
        let (app, now) = (self.app, self.now);
        let gauges = app.partitions.gauges();
        let taken: Vec<u64> = gauges.iter().map(|gauge| gauge.offset.load(Ordering::Acquire)).collect();
        let Names { traits, types } = app.roster.names(&app.store, &taken, now)?;
        let columns = {
            let program = app.program.read().unwrap_or_else(PoisonError::into_inner);
            column_names(&program, &traits, &types)
        };
        let names = columns.clone();
        let give = move |wanted: &[usize]| -> Vec<LiveColumn> {
            let wanted: Vec<String> = wanted.iter().filter_map(|place| names.get(*place)).cloned().collect();
            let held: Vec<String> = wanted.iter().map(|name| attribute_of(name).to_owned()).collect();
            let columns = app.roster.columns(&app.store, &taken, now, &held).unwrap_or_else(|error| {
                tracing::error!(%error, "profiles cannot be read");
                wanted.iter().map(|_| Arc::default()).collect()
            });
            let kind = |name: &String, values: &[Value]| match own_kind(name, &types) {
                Some(ColumnType::Json) => ColumnType::Json,
                Some(kind) if !traits.contains(name.as_str()) => kind,
                _ => kind_of_all(values.iter()),
            };
            wanted.iter().zip(columns).map(|(name, values)| (kind(name, &values), values)).collect()
        };
        let columns = columns.into_iter().map(|name| (name.clone(), shown_as(&name))).collect();
        Ok(LiveTable { columns, data: LiveData::Columns(Box::new(give)) })
    }

    /// `customer_data`: a row a known person, a column a trait or computed trait.
    pub(super) fn customer_data(&self) -> LiveTable<'a> {
        if self.is_present {
            match self.present_customers() {
                Ok(table) => return table,
                Err(error) => {
                    tracing::error!(%error, "the roster cannot be read; profiles are read one by one")
                }
            }
        }
        let app = self.app;
        let profiles = move |see: &mut dyn FnMut(&Profile)| each_profile(app, see);
        customer_data(profiles, &app.program.read().unwrap_or_else(PoisonError::into_inner), self.now)
    }

    /// `customer_data` as the timelines have it at an instant: late events, and
    /// those of devices that were linked since, count where they belong.
    pub(super) fn past_customers(&self, at: Timestamp) -> Option<LiveTable<'a>> {
        let app = self.app;
        let Names { traits, types } = app.roster.names(&app.store, &[], self.now).ok()?;
        let names = {
            let program = app.program.read().unwrap_or_else(PoisonError::into_inner);
            column_names(&program, &traits, &types)
        };
        let columns = names.iter().map(|name| (name.clone(), shown_as(name))).collect();
        let give = move |wanted: &[usize]| -> Vec<LiveColumn> {
            let wanted: Vec<&String> = wanted.iter().filter_map(|place| names.get(*place)).collect();
            let mut columns: Vec<Vec<Value>> = wanted.iter().map(|_| Vec::new()).collect();
            each_past_profile(app, at, &mut |profile| {
                for (name, column) in wanted.iter().zip(&mut columns) {
                    column.push(attribute(profile, attribute_of(name), at).0);
                }
            });
            let kind = |name: &str, values: &[Value]| match own_kind(name, &types) {
                Some(ColumnType::Json) => ColumnType::Json,
                Some(kind) if !traits.contains(name) => kind,
                _ => kind_of_all(values.iter()),
            };
            wanted.iter().zip(columns).map(|(name, values)| (kind(name, &values), Arc::new(values))).collect()
        };
        Some(LiveTable { columns, data: LiveData::Columns(Box::new(give)) })
    }
}

/// Calls `see` with every profile of a known person.
fn each_profile(app: &App, see: &mut dyn FnMut(&Profile)) {
    let mut from = b"c".to_vec();
    loop {
        let rows = match app.store.scan(Table::Profiles, &from, Some(b"d"), CHUNK) {
            Ok(rows) => rows,
            Err(error) => {
                tracing::error!(%error, "profiles cannot be read");
                return;
            }
        };
        for (_, value) in &rows {
            match Profile::decode(value) {
                Ok(profile) => see(&profile),
                Err(error) => tracing::error!(%error, "a profile is left out"),
            }
        }
        match rows.last() {
            Some((key, _)) if rows.len() == CHUNK => {
                from.clone_from(key);
                from.push(0);
            }
            _ => return,
        }
    }
}

/// Calls `see` with every known person as the timelines have them at `at`; those
/// of whom nothing was known yet are left out.
fn each_past_profile(app: &App, at: Timestamp, see: &mut dyn FnMut(&Profile)) {
    // The sequence rules alone: derived events count too.
    let rules = {
        let program = app.program.read().unwrap_or_else(PoisonError::into_inner);
        program.draft("", Definition::nobody(), at)
    };
    each_profile(app, &mut |held| {
        let timeline = match read_timeline(&*app.store, &held.key) {
            Ok(timeline) => timeline,
            Err(error) => {
                tracing::error!(%error, "a profile is left out");
                return;
            }
        };
        let past: Vec<_> = timeline.into_iter().filter(|(moment, _)| moment.timestamp <= at).collect();
        if past.is_empty() {
            return;
        }
        let mut profile = Profile::new(held.key.clone());
        profile.anonymous_ids = held.anonymous_ids.clone();
        step::refold(&mut profile, &rules, past, at, &mut Vec::new());
        see(&profile);
    });
}

/// `customer_data` at `now`: a row for each profile that `profiles` shows, a
/// column a trait or computed trait.
pub fn customer_data<'a>(
    profiles: impl Fn(&mut dyn FnMut(&Profile)) + Send + 'a,
    program: &Program,
    now: Timestamp,
) -> LiveTable<'a> {
    let columns = customer_columns(&profiles, program);
    let names: Vec<String> = columns.iter().map(|(name, _)| name.clone()).collect();
    let rows = move |wanted: &[usize], row: &mut dyn FnMut(&[Value])| {
        profiles(&mut |profile| {
            let values: Vec<Value> = wanted
                .iter()
                .filter_map(|place| names.get(*place))
                .map(|name| attribute(profile, attribute_of(name), now).0)
                .collect();
            row(&values);
        });
    };
    LiveTable { columns, data: LiveData::Rows(Box::new(rows)) }
}

/// Before the name of a trait: the column in which it stands as JSON.
const JSON: &str = "traits.";

/// The attribute whose values a column holds.
fn attribute_of(column: &str) -> &str {
    column.strip_prefix(JSON).unwrap_or(column)
}

/// How a column is shown before its values are known.
fn shown_as(column: &str) -> ColumnType {
    if column.starts_with(JSON) { ColumnType::Json } else { ColumnType::Text }
}

/// A column's value for a profile, and until when it holds by the clock.
pub(super) fn attribute(profile: &Profile, name: &str, now: Timestamp) -> (Value, Timestamp) {
    if name == "profile_id" {
        return (profile.key.to_string().as_str().into(), Timestamp::MAX);
    }
    profile.attribute(name, now)
}

/// The columns, by reading every profile.
fn customer_columns(
    profiles: &impl Fn(&mut dyn FnMut(&Profile)),
    program: &Program,
) -> Vec<(String, ColumnType)> {
    let mut kinds: BTreeMap<String, ColumnType> = BTreeMap::new();
    let mut types: BTreeSet<Box<str>> = BTreeSet::new();
    profiles(&mut |profile| {
        for held in &profile.traits {
            let kind = kind_of(&held.value);
            kinds
                .entry(held.name.to_string())
                .and_modify(|known| *known = wider(*known, kind))
                .or_insert(kind);
        }
        for summary in &profile.types {
            if !types.contains(&*summary.event_type) {
                types.insert((*summary.event_type).into());
            }
        }
    });
    let traits = kinds.keys().map(|name| name.as_str().into()).collect();
    let names = column_names(program, &traits, &types);
    let kind = |name: &String| kinds.get(name).copied().or_else(|| own_kind(name, &types));
    names.into_iter().map(|name| (name.clone(), kind(&name).unwrap_or(ColumnType::Text))).collect()
}

/// The columns' names: fixed ones, one a trait seen, and counts and times by
/// event type.
fn column_names(program: &Program, traits: &BTreeSet<Box<str>>, types: &BTreeSet<Box<str>>) -> Vec<String> {
    let mut names = vec!["profile_id".to_owned()];
    names.extend(BUILT_IN.iter().map(|(name, _)| (*name).to_owned()));
    names.extend(["anonymous_ids".to_owned(), "cart".to_owned()]);
    let mut known: BTreeSet<String> = names.iter().cloned().collect();
    let mut add = |name: String| {
        if known.insert(name.clone()) {
            names.push(name);
        }
    };
    for name in traits {
        add(name.to_string());
        add(format!("{JSON}{name}"));
    }
    for event_type in types {
        add(format!("{event_type}_count"));
        for days in [1, 7, 30, 90] {
            add(format!("{event_type}_count_{days}d"));
        }
        add(format!("first_{event_type}_at"));
        add(format!("last_{event_type}_at"));
    }
    // What segments ask for is a column even before anybody has it.
    for name in program.segments.iter().flat_map(|segment| segment.compiled.attributes()) {
        add(name.to_owned());
        add(format!("{JSON}{name}"));
    }
    names
}

/// The type of a computed trait; `None` for what is none.
fn own_kind(name: &str, types: &BTreeSet<Box<str>>) -> Option<ColumnType> {
    match name {
        "profile_id" | "customer_id" | "anonymous_ids" | "cart" => Some(ColumnType::Text),
        "last_viewed_product" | "recent_view_category" => Some(ColumnType::Text),
        "first_seen" | "last_seen" => Some(ColumnType::Time),
        "recency_score" | "events" | "cart_items" | "orders" | "rfm_recency" | "rfm_frequency" => {
            Some(ColumnType::Int)
        }
        "total_spent" | "rfm_monetary" => Some(ColumnType::Float),
        "email_consent" => Some(ColumnType::Bool),
        json if json.starts_with(JSON) => Some(ColumnType::Json),
        _ => {
            let of_type = |prefix, suffix| {
                let event_type = name.strip_prefix(prefix)?.strip_suffix(suffix)?;
                types.contains(event_type).then_some(ColumnType::Time)
            };
            let empty = Profile::new(ProfileKey::Customer("".into()));
            match empty.attribute(name, Timestamp::MIN).0 {
                Value::Int(_) => Some(ColumnType::Int),
                _ => of_type("first_", "_at").or_else(|| of_type("last_", "_at")),
            }
        }
    }
}

/// The narrowest type that holds all of the values; text when there are none.
fn kind_of_all<'v>(values: impl Iterator<Item = &'v Value>) -> ColumnType {
    let mut kinds = values.filter(|value| !value.is_null()).map(kind_of);
    let first = kinds.next().unwrap_or(ColumnType::Text);
    kinds.fold(first, wider)
}

fn kind_of(value: &Value) -> ColumnType {
    match value {
        Value::Int(_) => ColumnType::Int,
        Value::Float(_) => ColumnType::Float,
        Value::Bool(_) => ColumnType::Bool,
        Value::Time(_) => ColumnType::Time,
        _ => ColumnType::Text,
    }
}

/// The type that holds values of both.
fn wider(a: ColumnType, b: ColumnType) -> ColumnType {
    match (a, b) {
        _ if a == b => a,
        (ColumnType::Int, ColumnType::Float) | (ColumnType::Float, ColumnType::Int) => ColumnType::Float,
        _ => ColumnType::Text,
    }
}
