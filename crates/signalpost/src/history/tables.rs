//! The program's own tables, as SQL sees them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use signalpost_core::id::ProfileKey;
use signalpost_core::profile::{BUILT_IN, Profile};
use signalpost_core::time::Timestamp;
use signalpost_core::value::Value;
use signalpost_lake::{ColumnType, LiveColumn, LiveData, LiveTable, LiveTables};

use super::roster::Names;
use crate::app::App;
use crate::deliver::DeliveryRecord;
use crate::log::Log;
use crate::state::{self, Store, Table};
use crate::worker::{ChangeRow, read_outbox_key};

/// Profiles read from the store at once.
const CHUNK: usize = 2_000;

/// The tables there are beside the lake's.
pub const NAMES: [&str; 6] =
    ["customer_data", "segments", "memberships", "deliveries", "catalog", "quarantine"];

/// A stay: `cause` and `processed_at` are those of the entry.
const MEMBERSHIP_COLUMNS: [(&str, ColumnType); 10] = [
    ("profile_id", ColumnType::Text),
    ("customer_id", ColumnType::Text),
    ("segment", ColumnType::Text),
    ("version", ColumnType::Int),
    ("entered_at", ColumnType::Time),
    ("exited_at", ColumnType::Time),
    ("cause", ColumnType::Text),
    ("exit_cause", ColumnType::Text),
    ("processed_at", ColumnType::Time),
    ("exit_processed_at", ColumnType::Time),
];

/// The tables of a running program.
#[derive(Debug)]
pub struct AppTables<'a> {
    app: &'a App,
    now: Timestamp,
    /// Whether that is the present, of which columns are at hand.
    is_present: bool,
    /// Only those who are in these segments now, of `memberships`.
    members_of: Option<Vec<(Box<str>, u32)>>,
}

impl<'a> AppTables<'a> {
    /// The tables of now, with `now()` at another instant, which computed traits
    /// depend on.
    pub fn new(app: &'a App, now: Timestamp) -> Self {
        Self { app, now, is_present: false, members_of: None }
    }

    /// The tables of now.
    pub fn of_now(app: &'a App) -> Self {
        Self { app, now: app.clock.now(), is_present: true, members_of: None }
    }

    /// The same, but `memberships` holds only those who are in these segments
    /// now, which is quicker than the stays of all.
    pub fn with_members_of(self, segments: Option<Vec<(Box<str>, u32)>>) -> Self {
        Self { members_of: segments, ..self }
    }

    /// The instant at which they stand.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// `customer_data` from the roster's columns.
    fn present_customers(&self) -> Result<LiveTable<'a>, state::Error> {
        let (app, now) = (self.app, self.now);
        let gauges = app.partitions.gauges();
        let taken: Vec<u64> = gauges.iter().map(|gauge| gauge.offset.load(Ordering::Acquire)).collect();
        let Names { traits, types } = app.roster.names(&app.store, &taken, now)?;
        let columns = column_names(app, &traits, &types);
        let names = columns.clone();
        let give = move |wanted: &[usize]| -> Vec<LiveColumn> {
            let wanted: Vec<String> = wanted.iter().filter_map(|place| names.get(*place)).cloned().collect();
            let columns = app.roster.columns(&app.store, &taken, now, &wanted).unwrap_or_else(|error| {
                tracing::error!(%error, "profiles cannot be read");
                wanted.iter().map(|_| Arc::default()).collect()
            });
            let kind = |name: &String, values: &[Value]| match own_kind(name, &types) {
                Some(kind) if !traits.contains(name.as_str()) => kind,
                _ => kind_of_all(values.iter()),
            };
            wanted.iter().zip(columns).map(|(name, values)| (kind(name, &values), values)).collect()
        };
        let columns = columns.into_iter().map(|name| (name, ColumnType::Text)).collect();
        Ok(LiveTable { columns, data: LiveData::Columns(Box::new(give)) })
    }

    /// `customer_data`: a row a known person, a column a trait or computed trait.
    fn customer_data(&self) -> LiveTable<'a> {
        if self.is_present {
            match self.present_customers() {
                Ok(table) => return table,
                Err(error) => {
                    tracing::error!(%error, "the roster cannot be read; profiles are read one by one")
                }
            }
        }
        let app = self.app;
        let now = self.now;
        let columns = customer_columns(app);
        let names: Vec<String> = columns.iter().map(|(name, _)| name.clone()).collect();
        let rows = move |wanted: &[usize], row: &mut dyn FnMut(&[Value])| {
            each_profile(app, &mut |profile| {
                let values: Vec<Value> = wanted
                    .iter()
                    .filter_map(|place| names.get(*place))
                    .map(|name| attribute(profile, name, now).0)
                    .collect();
                row(&values);
            });
        };
        LiveTable { columns, data: LiveData::Rows(Box::new(rows)) }
    }

    fn segments(&self) -> LiveTable<'a> {
        let program = self.app.program.read().unwrap_or_else(PoisonError::into_inner);
        let rows = program
            .segments
            .iter()
            .map(|segment| {
                let version = Value::Int(i64::from(segment.version));
                vec![
                    segment.name.as_str().into(),
                    version,
                    segment.text().as_str().into(),
                    Value::Time(segment.since),
                ]
            })
            .collect();
        let columns = [
            ("name", ColumnType::Text),
            ("version", ColumnType::Int),
            ("rule", ColumnType::Text),
            ("since", ColumnType::Time),
        ];
        table(&columns, rows)
    }

    /// Those who are in the segments now.
    fn present_members(&self, segments: &[(Box<str>, u32)]) -> LiveTable<'a> {
        let mut rows = Vec::new();
        for (name, id) in segments {
            let held = state::scan_prefix(&*self.app.store, Table::Members, &id.to_be_bytes(), usize::MAX);
            for (key, value) in held.unwrap_or_default() {
                let Some(profile) = key.get(4..).and_then(ProfileKey::from_bytes) else { continue };
                let Ok((entered_at, version)) = state::decode::<(Timestamp, u32)>(Table::Members, &value)
                else {
                    continue;
                };
                rows.push(vec![
                    profile.to_string().as_str().into(),
                    profile.customer_id().map_or(Value::Null, |id| id.as_str().into()),
                    (&**name).into(),
                    Value::Int(i64::from(version)),
                    Value::Time(entered_at),
                ]);
            }
        }
        table(&MEMBERSHIP_COLUMNS, rows)
    }

    /// `memberships`: a row a stay, `exited_at` null while it lasts.
    fn memberships(&self) -> LiveTable<'a> {
        if let Some(segments) = &self.members_of {
            return self.present_members(segments);
        }
        let mut open: BTreeMap<(u32, String), Vec<Value>> = BTreeMap::new();
        let mut rows: Vec<Vec<Value>> = Vec::new();
        let changes = self.app.store.scan(Table::Changes, &[], None, usize::MAX).unwrap_or_default();
        for (_, value) in changes {
            let Ok(ChangeRow { change, processed_at }) = state::decode::<ChangeRow>(Table::Changes, &value)
            else {
                continue;
            };
            let cause = crate::history::cause_text(&change.cause);
            let key = (change.segment_id, change.profile.to_string());
            if change.entered {
                let row = vec![
                    key.1.as_str().into(),
                    change.profile.customer_id().map_or(Value::Null, |id| id.as_str().into()),
                    change.segment.as_str().into(),
                    Value::Int(i64::from(change.version)),
                    Value::Time(change.at),
                    Value::Null,
                    cause.as_str().into(),
                    Value::Null,
                    Value::Time(processed_at),
                    Value::Null,
                ];
                open.insert(key, row);
            } else if let Some(mut row) = open.remove(&key) {
                let left =
                    [(5, Value::Time(change.at)), (7, cause.as_str().into()), (9, Value::Time(processed_at))];
                for (place, value) in left {
                    if let Some(held) = row.get_mut(place) {
                        *held = value;
                    }
                }
                rows.push(row);
            }
        }
        rows.extend(open.into_values());
        table(&MEMBERSHIP_COLUMNS, rows)
    }

    fn deliveries(&self) -> LiveTable<'a> {
        let log = self.app.store.scan(Table::DeliveryLog, &[], None, usize::MAX).unwrap_or_default();
        let records = log.iter().filter_map(|(key, _)| {
            let (_, id) = read_outbox_key(key)?;
            let bytes = self.app.store.get(Table::Deliveries, &id.0.to_be_bytes()).ok()??;
            state::decode::<DeliveryRecord>(Table::Deliveries, &bytes).ok()
        });
        let rows = records.map(|record| delivery_row(&record)).collect();
        let columns = [
            ("delivery_id", ColumnType::Text),
            ("campaign", ColumnType::Text),
            ("profile_id", ColumnType::Text),
            ("customer_id", ColumnType::Text),
            ("decision", ColumnType::Text),
            ("status", ColumnType::Text),
            ("destination", ColumnType::Text),
            ("subject", ColumnType::Text),
            ("attempts", ColumnType::Int),
            ("cause", ColumnType::Text),
            ("decided_at", ColumnType::Time),
        ];
        table(&columns, rows)
    }

    fn catalog(&self) -> LiveTable<'a> {
        let catalog = self.app.catalog.read().unwrap_or_else(PoisonError::into_inner);
        let text = |value: &Option<Box<str>>| value.as_deref().map_or(Value::Null, Value::from);
        let rows = catalog
            .items()
            .map(|item| {
                let price = item.price.as_ref();
                vec![
                    item.product_id.as_str().into(),
                    (&*item.name).into(),
                    text(&item.category),
                    text(&item.brand),
                    price.and_then(|price| price.amount.parse().ok()).map_or(Value::Null, Value::Float),
                    price.map_or(Value::Null, |price| text(&price.currency)),
                    Value::Bool(item.in_stock),
                    text(&item.url),
                    text(&item.image_url),
                ]
            })
            .collect();
        let columns = [
            ("product_id", ColumnType::Text),
            ("name", ColumnType::Text),
            ("category", ColumnType::Text),
            ("brand", ColumnType::Text),
            ("price", ColumnType::Float),
            ("currency", ColumnType::Text),
            ("in_stock", ColumnType::Bool),
            ("url", ColumnType::Text),
            ("image_url", ColumnType::Text),
        ];
        table(&columns, rows)
    }

    fn quarantine(&self) -> LiveTable<'a> {
        let rows = self.app.log.quarantined(0, usize::MAX).unwrap_or_default();
        let rows = rows
            .into_iter()
            .map(|(id, row)| {
                vec![
                    Value::Int(i64::try_from(id).unwrap_or(i64::MAX)),
                    Value::Time(row.received_at),
                    Value::Text(row.source),
                    Value::Text(row.code),
                    Value::Text(row.field),
                    Value::Text(row.message),
                    Value::Text(row.raw),
                ]
            })
            .collect();
        let columns = [
            ("id", ColumnType::Int),
            ("received_at", ColumnType::Time),
            ("source", ColumnType::Text),
            ("code", ColumnType::Text),
            ("field", ColumnType::Text),
            ("message", ColumnType::Text),
            ("raw", ColumnType::Text),
        ];
        table(&columns, rows)
    }
}

fn delivery_row(record: &DeliveryRecord) -> Vec<Value> {
    let delivery = &record.delivery;
    vec![
        delivery.id.to_string().as_str().into(),
        (&*delivery.campaign).into(),
        delivery.profile.to_string().as_str().into(),
        delivery.profile.customer_id().map_or(Value::Null, |id| id.as_str().into()),
        crate::deliver::decision_name(&delivery.decision).into(),
        record.status.name().into(),
        (&*record.destination).into(),
        (&*record.subject).into(),
        Value::Int(i64::try_from(record.attempts.len()).unwrap_or(i64::MAX)),
        (&*delivery.cause).into(),
        Value::Time(delivery.decided_at),
    ]
}

fn table<'a>(columns: &[(&str, ColumnType)], rows: Vec<Vec<Value>>) -> LiveTable<'a> {
    LiveTable::from_rows(columns.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect(), rows)
}

impl LiveTables for AppTables<'_> {
    fn table(&self, name: &str) -> Option<LiveTable<'_>> {
        match name {
            "customer_data" => Some(self.customer_data()),
            "segments" => Some(self.segments()),
            "memberships" => Some(self.memberships()),
            "deliveries" => Some(self.deliveries()),
            "catalog" => Some(self.catalog()),
            "quarantine" => Some(self.quarantine()),
            _ => None,
        }
    }

    fn names(&self) -> Vec<String> {
        NAMES.iter().map(|name| (*name).to_owned()).collect()
    }
}

/// Calls `see` with every profile of a known person.
pub fn each_profile(app: &App, see: &mut dyn FnMut(&Profile)) {
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

/// A column's value for a profile, and until when it holds by the clock.
pub(super) fn attribute(profile: &Profile, name: &str, now: Timestamp) -> (Value, Timestamp) {
    let value = match name {
        "profile_id" => profile.key.to_string().as_str().into(),
        "anonymous_ids" => Value::List(profile.anonymous_ids.iter().map(|id| id.as_str().into()).collect()),
        "cart" => Value::List(profile.cart_lines().map(|line| line.product_id.as_str().into()).collect()),
        _ => return profile.attribute(name, now),
    };
    (value, Timestamp::MAX)
}

/// The columns, by reading every profile.
fn customer_columns(app: &App) -> Vec<(String, ColumnType)> {
    let mut kinds: BTreeMap<String, ColumnType> = BTreeMap::new();
    let mut types: BTreeSet<Box<str>> = BTreeSet::new();
    each_profile(app, &mut |profile| {
        for held in &profile.traits {
            let kind = kind_of(&held.value);
            kinds
                .entry(held.name.to_string())
                .and_modify(|known| *known = wider(*known, kind))
                .or_insert(kind);
        }
        for summary in &profile.types {
            if !types.contains(&summary.event_type) {
                types.insert(summary.event_type.clone());
            }
        }
    });
    let traits = kinds.keys().map(|name| name.as_str().into()).collect();
    let names = column_names(app, &traits, &types);
    let kind = |name: &String| kinds.get(name).copied().or_else(|| own_kind(name, &types));
    names.into_iter().map(|name| (name.clone(), kind(&name).unwrap_or(ColumnType::Text))).collect()
}

/// The columns' names: fixed ones, one a trait seen, and counts and times by
/// event type.
fn column_names(app: &App, traits: &BTreeSet<Box<str>>, types: &BTreeSet<Box<str>>) -> Vec<String> {
    let mut names = vec!["profile_id".to_owned()];
    names.extend(BUILT_IN.iter().map(|(name, _)| (*name).to_owned()));
    names.extend(["anonymous_ids".to_owned(), "cart".to_owned()]);
    let mut known: BTreeSet<String> = names.iter().cloned().collect();
    let mut add = |name: String| {
        if known.insert(name.clone()) {
            names.push(name);
        }
    };
    traits.iter().for_each(|name| add(name.to_string()));
    for event_type in types {
        add(format!("{event_type}_count"));
        for days in [1, 7, 30, 90] {
            add(format!("{event_type}_count_{days}d"));
        }
        add(format!("first_{event_type}_at"));
        add(format!("last_{event_type}_at"));
    }
    // What segments ask for is a column even before anybody has it.
    let program = app.program.read().unwrap_or_else(PoisonError::into_inner);
    for name in program.segments.iter().flat_map(|segment| segment.compiled.attributes()) {
        add(name.to_owned());
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
