//! The judge: the lake's SQL over what has come in, held against the live side.

use std::collections::{BTreeMap, BTreeSet};

use signalpost::history::customers::customer_data;
use signalpost_core::profile::Profile;
use signalpost_core::time::Timestamp;
use signalpost_core::value::Value;
use signalpost_lake::{ColumnType, IdentityRow, Lake, LiveTable, LiveTables, Reach, Settings, Subject};

use crate::case::{Case, Input, instant};
use crate::live::{Live, Told};

/// The lake's stream of derived events, beside that of events.
const DERIVED: u32 = 1;

/// One answer of the live side that is not SQL's.
#[derive(Clone, Debug)]
pub(crate) struct Difference {
    pub(crate) segment: String,
    pub(crate) at: String,
    /// Those only the live side has.
    pub(crate) surplus: BTreeSet<String>,
    /// Those only SQL has.
    pub(crate) missing: BTreeSet<String>,
    /// Why SQL has no answer.
    pub(crate) error: Option<String>,
}

/// What a case came to.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) differences: Vec<Difference>,
    /// Segments the language refuses, by text.
    pub(crate) refused: Vec<(String, String)>,
    /// Answers compared.
    pub(crate) answers: usize,
    /// Of those, with somebody in it.
    pub(crate) with_members: usize,
    /// Memberships that began or ended.
    pub(crate) changes: usize,
}

/// A lake in a folder of its own.
pub(crate) struct Judge {
    lake: Lake,
    _folder: tempfile::TempDir,
    offsets: [u64; 3],
}

impl Judge {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings =
            Settings { memory_limit_bytes: 256 << 20, target_partitions: 1, ..Settings::default() };
        let lake = Lake::open(folder.path(), settings).await.unwrap();
        Self { lake, _folder: folder, offsets: [0; 3] }
    }

    fn next(&mut self, stream: usize) -> u64 {
        let offset = &mut self.offsets[stream];
        *offset += 1;
        *offset
    }

    /// Brings to the lake what the live side told.
    async fn hear(&mut self, told: Vec<Told>) {
        let mut retracted = Vec::new();
        for told in told {
            match told {
                Told::Event(event) => {
                    let offset = self.next(0);
                    self.lake.push_events(0, offset, vec![event]);
                }
                Told::Derived(event) => {
                    let offset = self.next(1);
                    self.lake.push_derived(DERIVED, offset, event);
                }
                Told::Retracted(id) => retracted.push(id.to_string()),
                Told::Linked(device, customer, linked_at) => {
                    let row = IdentityRow {
                        anonymous_id: device.to_string(),
                        customer_id: customer.to_string(),
                        linked_at,
                    };
                    let offset = self.next(2);
                    self.lake.push_identities(0, offset, vec![row]);
                }
            }
        }
        if !retracted.is_empty() {
            self.lake.retract(&retracted).await.unwrap();
        }
    }

    async fn erase(&mut self, customer: &str, devices: Vec<String>, at: Timestamp) {
        let reach = Reach { partition: 0, offset: self.offsets[0] + 1, changes: 0, at };
        let devices = devices.into_iter().map(|device| (device, reach)).collect();
        let subject = Subject { customer_id: customer.to_owned(), reach, devices };
        self.lake.erase(&[subject]).await.unwrap();
    }

    /// Asks for a segment's members by its SQL.
    async fn members(
        &self,
        sql: &str,
        now: Timestamp,
        tables: &Tables<'_>,
    ) -> Result<BTreeSet<String>, String> {
        let rows = self.lake.sql(sql, now, tables).await.map_err(|error| error.to_string())?;
        let rows = rows.to_json_rows().map_err(|error| error.to_string())?;
        Ok(rows.iter().filter_map(|row| row["customer_id"].as_str().map(str::to_owned)).collect())
    }
}

/// The tables beside the lake's own.
struct Tables<'a> {
    live: &'a Live,
    /// Everybody, folded anew.
    folded: &'a [Profile],
    now: Timestamp,
}

impl LiveTables for Tables<'_> {
    fn table(&self, name: &str) -> Option<LiveTable<'_>> {
        match name {
            "customer_data" => {
                let profiles = |see: &mut dyn FnMut(&Profile)| self.folded.iter().for_each(see);
                Some(customer_data(profiles, &self.live.program, self.now))
            }
            "memberships" => Some(self.memberships()),
            _ => None,
        }
    }
}

impl Tables<'_> {
    fn memberships(&self) -> LiveTable<'_> {
        let mut rows: Vec<Vec<Value>> = Vec::new();
        let mut open: BTreeMap<(u32, String), usize> = BTreeMap::new();
        for change in &self.live.changes {
            let key = (change.segment_id, change.profile.to_string());
            if change.entered {
                open.insert(key.clone(), rows.len());
                let segment = change.segment.as_str().into();
                rows.push(vec![key.1.as_str().into(), segment, Value::Time(change.at), Value::Null]);
            } else if let Some(place) = open.remove(&key) {
                rows[place][3] = Value::Time(change.at);
            }
        }
        let columns = [
            ("profile_id", ColumnType::Text),
            ("segment", ColumnType::Text),
            ("entered_at", ColumnType::Time),
            ("exited_at", ColumnType::Time),
        ];
        LiveTable::from_rows(columns.map(|(name, kind)| (name.to_owned(), kind)).to_vec(), rows)
    }
}

/// Lives through a case and holds every answer against SQL's.
pub(crate) async fn judge(case: &Case) -> Verdict {
    let mut judge = Judge::new().await;
    let mut live = Live::new(&case.sequences);
    let mut verdict = Verdict::default();
    let begin = case.inputs.first().map_or(Timestamp::from_micros(0), |input| instant(&input.at));
    let mut asks = case.asks.iter().map(|ask| instant(ask)).peekable();
    let mut latest = begin;
    for place in 0..=case.inputs.len() {
        let input = case.inputs.get(place);
        let until = input.map_or(Timestamp::MAX, |input| instant(&input.at));
        while let Some(at) = asks.next_if(|at| *at < until) {
            live.advance(at);
            latest = at;
            ask(&mut judge, &mut live, at, &mut verdict).await;
        }
        for wanted in case.segments.iter().filter(|wanted| wanted.after_inputs == place) {
            if let Err(refusal) = live.define(&wanted.name, &wanted.text, latest) {
                verdict.refused.push((wanted.text.clone(), refusal));
            }
        }
        if let Some(input) = input {
            latest = until;
            take(&mut judge, &mut live, input, until).await;
        }
    }
    verdict.changes = live.changes.len();
    verdict
}

async fn take(judge: &mut Judge, live: &mut Live, input: &Input, at: Timestamp) {
    live.advance(at);
    if let Some(event) = &input.event {
        live.take(event, at);
    }
    if let Some(customer) = &input.erase {
        judge.hear(std::mem::take(&mut live.told)).await;
        let devices = live.erase(customer, at);
        judge.erase(customer, devices, at).await;
    }
}

async fn ask(judge: &mut Judge, live: &mut Live, at: Timestamp, verdict: &mut Verdict) {
    judge.hear(std::mem::take(&mut live.told)).await;
    let folded = live.folded(at);
    let tables = Tables { live, folded: &folded, now: at };
    for segment in &live.program.segments {
        let name = segment.name.as_str();
        let held = live.members(name);
        let found = judge.members(&segment.definition.to_sql(), at, &tables).await;
        verdict.answers += 1;
        verdict.with_members += usize::from(!held.is_empty());
        let difference = |found: &BTreeSet<String>, error| Difference {
            segment: name.to_owned(),
            at: at.to_string(),
            surplus: held.difference(found).cloned().collect(),
            missing: found.difference(&held).cloned().collect(),
            error,
        };
        match found {
            Ok(found) if found == held => {}
            Ok(found) => verdict.differences.push(difference(&found, None)),
            Err(error) => verdict.differences.push(difference(&BTreeSet::new(), Some(error))),
        }
    }
}
