//! The program's own tables, as SQL sees them.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use signalpost_core::profile::{BUILT_IN, Profile};
use signalpost_core::value::Value;
use signalpost_lake::{ColumnType, LiveTable, LiveTables};

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

/// The tables of a running program.
#[derive(Debug)]
pub struct AppTables<'a> {
    app: &'a App,
    now: signalpost_core::time::Timestamp,
}

impl<'a> AppTables<'a> {
    /// The tables at `now`, which computed traits depend on.
    pub fn new(app: &'a App, now: signalpost_core::time::Timestamp) -> Self {
        Self { app, now }
    }

    /// `customer_data`: a row a known person, a column a trait or computed trait.
    fn customer_data(&self) -> LiveTable<'a> {
        let app = self.app;
        let now = self.now;
        let columns = customer_columns(app, now);
        let names: Vec<String> = columns.iter().map(|(name, _)| name.clone()).collect();
        let rows = move |wanted: &[usize], row: &mut dyn FnMut(&[Value])| {
            each_profile(app, &mut |profile| {
                let values: Vec<Value> = wanted
                    .iter()
                    .filter_map(|place| names.get(*place))
                    .map(|name| attribute(profile, name, now))
                    .collect();
                row(&values);
            });
        };
        LiveTable { columns, rows: Box::new(rows) }
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
                    segment.definition.to_string().as_str().into(),
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

    /// `memberships`: a row a stay, `exited_at` null while it lasts.
    fn memberships(&self) -> LiveTable<'a> {
        let mut open: BTreeMap<(u32, String), Vec<Value>> = BTreeMap::new();
        let mut rows: Vec<Vec<Value>> = Vec::new();
        let changes = self.app.store.scan(Table::Changes, &[], None, usize::MAX).unwrap_or_default();
        for (_, value) in changes {
            let Ok(ChangeRow { change }) = state::decode::<ChangeRow>(Table::Changes, &value) else {
                continue;
            };
            let key = (change.segment_id, change.profile.to_string());
            if change.entered {
                let row = vec![
                    key.1.as_str().into(),
                    change.profile.customer_id().map_or(Value::Null, |id| id.as_str().into()),
                    change.segment.as_str().into(),
                    Value::Int(i64::from(change.version)),
                    Value::Time(change.at),
                    Value::Null,
                    crate::history::cause_text(&change.cause).as_str().into(),
                ];
                open.insert(key, row);
            } else if let Some(mut row) = open.remove(&key) {
                if let Some(exited_at) = row.get_mut(5) {
                    *exited_at = Value::Time(change.at);
                }
                rows.push(row);
            }
        }
        rows.extend(open.into_values());
        let columns = [
            ("profile_id", ColumnType::Text),
            ("customer_id", ColumnType::Text),
            ("segment", ColumnType::Text),
            ("version", ColumnType::Int),
            ("entered_at", ColumnType::Time),
            ("exited_at", ColumnType::Time),
            ("cause", ColumnType::Text),
        ];
        table(&columns, rows)
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

fn attribute(profile: &Profile, name: &str, now: signalpost_core::time::Timestamp) -> Value {
    match name {
        "profile_id" => profile.key.to_string().as_str().into(),
        "anonymous_ids" => Value::List(profile.anonymous_ids.iter().map(|id| id.as_str().into()).collect()),
        "cart" => Value::List(profile.cart_lines().map(|line| line.product_id.as_str().into()).collect()),
        _ => profile.attribute(name, now).0,
    }
}

/// The columns: fixed ones, one a trait seen, and counts and times by event type.
fn customer_columns(app: &App, now: signalpost_core::time::Timestamp) -> Vec<(String, ColumnType)> {
    let mut columns: Vec<(String, ColumnType)> = vec![("profile_id".into(), ColumnType::Text)];
    let empty = Profile::new(signalpost_core::id::ProfileKey::Customer("".into()));
    for (name, _) in BUILT_IN {
        let kind = match *name {
            "first_seen" | "last_seen" => ColumnType::Time,
            "recency_score" | "events" | "cart_items" | "orders" | "rfm_recency" | "rfm_frequency" => {
                ColumnType::Int
            }
            "total_spent" | "rfm_monetary" => ColumnType::Float,
            "email_consent" => ColumnType::Bool,
            _ => kind_of(&empty.attribute(name, now).0),
        };
        columns.push(((*name).into(), kind));
    }
    columns.push(("anonymous_ids".into(), ColumnType::Text));
    columns.push(("cart".into(), ColumnType::Text));
    let mut traits: BTreeMap<String, ColumnType> = BTreeMap::new();
    let mut types: std::collections::BTreeSet<Box<str>> = std::collections::BTreeSet::new();
    each_profile(app, &mut |profile| {
        for held in &profile.traits {
            let kind = kind_of(&held.value);
            traits
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
    columns.retain(|(name, _)| !traits.contains_key(name) || name == "customer_id");
    traits.remove("customer_id");
    columns.extend(traits);
    for event_type in types {
        columns.push((format!("{event_type}_count"), ColumnType::Int));
        for days in [1, 7, 30, 90] {
            columns.push((format!("{event_type}_count_{days}d"), ColumnType::Int));
        }
        columns.push((format!("first_{event_type}_at"), ColumnType::Time));
        columns.push((format!("last_{event_type}_at"), ColumnType::Time));
    }
    // What segments ask for is a column even before anybody has it.
    let program = app.program.read().unwrap_or_else(PoisonError::into_inner);
    for name in program.segments.iter().flat_map(|segment| segment.compiled.attributes()) {
        if !columns.iter().any(|(known, _)| known == name) {
            columns.push((name.to_owned(), kind_of(&empty.attribute(name, now).0)));
        }
    }
    columns
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
