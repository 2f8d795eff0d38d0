//! The program's own tables, as SQL sees them.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use signalpost_core::id::ProfileKey;
use signalpost_core::time::Timestamp;
use signalpost_core::value::Value;
use signalpost_lake::{ColumnType, LiveTable, LiveTables};

use crate::app::App;
use crate::deliver::DeliveryRecord;
use crate::log::Log;
use crate::state::{self, Store, Table};
use crate::worker::{ChangeRow, read_outbox_key};

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
    pub(super) app: &'a App,
    pub(super) now: Timestamp,
    /// Whether that is the present, of which columns are at hand.
    pub(super) is_present: bool,
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
            past => self.past_customers(Timestamp::parse(past.strip_prefix("customer_data@")?)?),
        }
    }

    fn names(&self) -> Vec<String> {
        NAMES.iter().map(|name| (*name).to_owned()).collect()
    }
}
