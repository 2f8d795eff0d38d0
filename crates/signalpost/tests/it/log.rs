//! The log in a folder: what was appended is there after every kind of end,
//! and damage is told, never passed over.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;
use signalpost::log::embedded::{EmbeddedLog, Settings};
use signalpost::log::{Appended, Body, Error, Group, Log, Quarantined, Record};
use signalpost_core::event::Event;
use signalpost_core::time::{Span, Timestamp};
use signalpost_core::value::Value;
use tempfile::TempDir;

use crate::support::eventually;

/// Small segments, so that a test has many.
fn settings() -> Settings {
    Settings { partitions: 2, min_free_bytes: 1, segment_bytes: 8 << 10, ..Settings::default() }
}

fn open(folder: &TempDir) -> Result<EmbeddedLog, Error> {
    EmbeddedLog::open(&folder.path().join("log"), &settings())
}

fn at(second: u64) -> Timestamp {
    Timestamp::from_micros(1_800_000_000_000_000 + i64::try_from(second).unwrap() * 1_000_000)
}

fn event(number: u64) -> Event {
    Event {
        event_id: format!("e{number}").into(),
        event_type: "product_view".into(),
        customer_id: Some("C1".into()),
        anonymous_id: None,
        timestamp: at(number),
        received_at: at(number),
        product_id: None,
        properties: vec![("note".into(), Value::Text("x".repeat(200).into()))],
        traits: Vec::new(),
        context: Vec::new(),
        source: "default".into(),
    }
}

fn record(number: u64) -> Arc<Record> {
    Arc::new(Record { at: at(number), body: Body::Event(Arc::new(event(number))) })
}

/// One record for a partition, seen under the record's number.
fn group(partition: u32, number: u64) -> Group {
    Group {
        records: vec![Appended::new(partition, record(number))],
        seen: vec![(u128::from(number) << 64 | 7, at(number))],
        ..Group::default()
    }
}

fn refused(number: u64) -> Quarantined {
    Quarantined {
        received_at: at(number),
        source: "default".into(),
        code: "missing_field".into(),
        field: "event_type".into(),
        message: "event_type is missing".into(),
        raw: format!("{{\"n\":{number}}}").into(),
        user_agent: "".into(),
    }
}

/// Everything a partition holds from `offset` on.
fn all(log: &EmbeddedLog, partition: u32, mut offset: u64) -> Vec<(u64, Arc<Record>)> {
    let mut found = Vec::new();
    loop {
        let records = log.read(partition, offset, 7).unwrap();
        let Some((last, _)) = records.last() else { return found };
        offset = last + 1;
        found.extend(records);
    }
}

fn segments(folder: &TempDir) -> Vec<PathBuf> {
    let found = fs::read_dir(folder.path().join("log/journal")).unwrap();
    let mut paths: Vec<PathBuf> = found.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn append_bytes(path: &Path, bytes: &[u8]) {
    fs::File::options().append(true).open(path).unwrap().write_all(bytes).unwrap();
}

fn flip(path: &Path, place: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[place] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn what_was_appended_is_read_again_from_every_place() {
    let folder = tempfile::tempdir().unwrap();
    {
        let log = open(&folder).unwrap();
        for number in 0..200 {
            log.append(group(u32::from(number % 3 == 0), number)).unwrap();
        }
    }
    assert!(segments(&folder).len() > 3, "several segments");
    let log = open(&folder).unwrap();
    assert_eq!(log.latest(), at(199));
    for partition in 0..2 {
        let numbers: Vec<u64> = (0..200).filter(|n| u32::from(n % 3 == 0) == partition).collect();
        let expected: Vec<_> = (0..).zip(numbers.iter().map(|n| record(*n))).collect();
        assert_eq!(log.end(partition), expected.len() as u64);
        for from in [0, 1, 17, expected.len() - 1, expected.len()] {
            assert_eq!(
                all(&log, partition, from as u64),
                expected[from..],
                "partition {partition} from {from}"
            );
        }
    }
}

#[test]
fn a_frame_cut_off_by_a_crash_goes_and_the_rest_stays() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..5 {
        let log = open(&folder).unwrap();
        assert_eq!(all(&log, 0, 0).len() as u64, number, "nothing is lost by the end of the file before");
        log.append(group(0, number)).unwrap();
        drop(log);
        let last = segments(&folder).pop().unwrap();
        let whole = fs::read(&last).unwrap();
        // The beginning of the frame just written, as a crash may leave it.
        append_bytes(&last, &whole[whole.len() - 150..whole.len() - 20]);
    }
    let log = open(&folder).unwrap();
    assert_eq!(all(&log, 0, 0).len(), 5);
}

#[test]
fn a_segment_that_was_being_made_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    open(&folder).unwrap().append(group(0, 1)).unwrap();
    fs::write(folder.path().join("log/journal/00000000000000000002.log"), b"SPLS\x01").unwrap();
    let log = open(&folder).unwrap();
    log.append(group(0, 2)).unwrap();
    assert_eq!(all(&log, 0, 0).len(), 2);
}

#[test]
fn a_segment_with_frames_is_never_taken_for_one_being_made() {
    let folder = tempfile::tempdir().unwrap();
    open(&folder).unwrap().append(group(0, 1)).unwrap();
    let path = segments(&folder).pop().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    bytes[..36].fill(0);
    fs::write(&path, &bytes).unwrap();
    let error = open(&folder).unwrap_err();
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
    assert_eq!(fs::read(&path).unwrap(), bytes, "what is left of it is left alone");
}

#[test]
fn damage_between_frames_is_told_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    {
        let log = open(&folder).unwrap();
        (0..6).for_each(|number| log.append(group(0, number)).unwrap());
    }
    let path = segments(&folder).pop().unwrap();
    let middle = fs::read(&path).unwrap().len() / 2;
    flip(&path, middle);
    let error = open(&folder).unwrap_err();
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("SP001") && error.to_string().contains(".log at byte"), "{error}");
}

#[test]
fn damage_in_an_older_segment_is_told_when_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(&folder).unwrap();
    for number in 0..40_000 {
        log.append(Group { records: vec![Appended::new(0, record(number))], ..Group::default() }).unwrap();
        if segments(&folder).len() > 2 {
            break;
        }
    }
    flip(&segments(&folder)[0], 2_000);
    // Beside the records kept in memory there is no other way to read them.
    drop(log);
    let outcome = open(&folder).and_then(|log| log.read(0, 0, 1_000).map(|_| ()));
    assert!(matches!(outcome, Err(Error::Damaged { .. })), "{outcome:?}");
}

#[test]
fn acknowledged_records_that_are_gone_are_missed() {
    let folder = tempfile::tempdir().unwrap();
    {
        let log = open(&folder).unwrap();
        (0..3).for_each(|number| log.append(group(0, number)).unwrap());
    }
    let path = segments(&folder).pop().unwrap();
    let length = fs::metadata(&path).unwrap().len();
    fs::File::options().write(true).open(&path).unwrap().set_len(length - 10).unwrap();
    let error = open(&folder).unwrap_err();
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("acknowledged"), "{error}");
}

#[test]
fn a_folder_of_something_else_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("log")).unwrap();
    fs::write(folder.path().join("log/notes.txt"), "mine").unwrap();
    let error = open(&folder).unwrap_err();
    assert!(error.to_string().contains("not a log of this version"), "{error}");
    assert_eq!(fs::read_dir(folder.path().join("log")).unwrap().count(), 1, "nothing was made in it");
}

#[test]
fn a_second_process_is_refused_and_harms_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(&folder).unwrap();
    log.append(group(0, 1)).unwrap();
    assert!(matches!(open(&folder), Err(Error::InUse)));
    log.append(group(0, 2)).unwrap();
    assert_eq!(all(&log, 0, 0).len(), 2);
}

#[test]
fn what_nobody_needs_any_more_goes_by_whole_segments() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(&folder).unwrap();
    (0..200).for_each(|number| log.append(group(0, number)).unwrap());
    let before = segments(&folder).len();
    log.trim(&[200, 0], at(0)).unwrap();
    assert_eq!(segments(&folder).len(), before, "nothing is older");
    log.trim(&[0, 0], at(1_000)).unwrap();
    assert_eq!(segments(&folder).len(), before, "all of it is needed");
    log.trim(&[100, 0], at(1_000)).unwrap();
    assert!(segments(&folder).len() < before);
    drop(log);
    let log = open(&folder).unwrap();
    assert_eq!(log.end(0), 200);
    assert_eq!(all(&log, 0, 100).len(), 100, "what is needed is there");
    assert!(
        matches!(log.read(0, 0, 1), Err(Error::Damaged { .. })),
        "what went is not passed over in silence"
    );
    let identity = |number: u64| log.seen(u128::from(number) << 64 | 7).unwrap();
    assert_eq!(identity(0), Some(at(0)), "identities outlive the records");
    assert_eq!(identity(200), None);
}

#[test]
fn identities_are_found_in_memory_and_on_the_disk_and_the_newest_counts() {
    const GROUPS: u64 = 30;
    const EACH: u64 = 60_000;
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { segment_bytes: 8 << 20, ..settings() };
    let open = || EmbeddedLog::open(&folder.path().join("log"), &settings).unwrap();
    // Spread over the whole range, as hashes are.
    let identity = |n: u64| u128::from(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)) << 64 | u128::from(n);
    let log = open();
    for number in 0..GROUPS {
        let own = (number * EACH..(number + 1) * EACH).map(|n| (identity(n), at(number)));
        // One that comes in each group.
        let seen = own.chain([(identity(u64::MAX), at(number))]).collect();
        log.append(Group { seen, ..Group::default() }).unwrap();
    }
    let check = |log: &EmbeddedLog| {
        for n in (0..GROUPS * EACH).step_by(977) {
            assert_eq!(log.seen(identity(n)).unwrap(), Some(at(n / EACH)), "{n}");
        }
        for n in (GROUPS * EACH..2 * GROUPS * EACH).step_by(977) {
            assert_eq!(log.seen(identity(n)).unwrap(), None, "{n}");
        }
        assert_eq!(log.seen(identity(u64::MAX)).unwrap(), Some(at(GROUPS - 1)));
    };
    check(&log);
    drop(log);
    check(&open());
}

#[test]
fn identities_are_forgotten_after_the_time_they_are_kept() {
    const DAY: u64 = 86_400;
    let folder = tempfile::tempdir().unwrap();
    let log = open(&folder).unwrap();
    for day in 0..18 {
        // Enough for a run each day.
        let seen: Vec<_> = (0..400_000).map(|n| (n << 64 | u128::from(day), at(day * DAY))).collect();
        let group = Group { records: vec![Appended::new(0, record(day * DAY))], seen, ..Group::default() };
        // While the disk has not kept up, no more is taken.
        eventually("there is room", || log.append(group.clone()).ok());
    }
    eventually("the first days are forgotten", || log.seen(3 << 64).unwrap().is_none().then_some(()));
    for day in 12..18 {
        assert_eq!(log.seen(3 << 64 | u128::from(day)).unwrap(), Some(at(day * DAY)), "day {day}");
    }
}

#[test]
fn refused_events_are_listed_and_let_go_of_over_restarts() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..4 {
        let log = open(&folder).unwrap();
        let quarantined = vec![refused(2 * number), refused(2 * number + 1)];
        log.append(Group { quarantined, ..Group::default() }).unwrap();
        let first = log.quarantined(0, 1).unwrap()[0].0;
        log.append(Group { released: vec![first, 9_999], ..Group::default() }).unwrap();
    }
    let log = open(&folder).unwrap();
    assert_eq!(log.quarantine_len(), 4);
    let listed = log.quarantined(0, 100).unwrap();
    assert_eq!(listed.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [5, 6, 7, 8]);
    assert_eq!(listed[3].1, refused(7));
    assert_eq!(log.quarantined(7, 1).unwrap(), [(7, refused(6))]);
}

#[test]
fn time_does_not_go_back_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    open(&folder).unwrap().append(group(0, 500)).unwrap();
    assert_eq!(open(&folder).unwrap().latest() - at(500), Span::ZERO);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// However groups are cut and whenever the program ends between them, the
    /// log reads as the plain list of what was appended.
    #[test]
    fn the_log_is_the_list_of_what_was_appended(
        groups in prop::collection::vec((prop::collection::vec((0_u32..2, 0_u64..1_000), 0..30), any::<bool>()), 1..40)
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut log = open(&folder).unwrap();
        let mut expected: BTreeMap<u32, Vec<Arc<Record>>> = BTreeMap::new();
        let mut seen: BTreeMap<u128, Timestamp> = BTreeMap::new();
        for (numbers, ends) in groups {
            let mut made = Group::default();
            for (partition, number) in numbers {
                made.records.push(Appended::new(partition, record(number)));
                made.seen.push((u128::from(number), at(number)));
                expected.entry(partition).or_default().push(record(number));
                seen.insert(u128::from(number), at(number));
            }
            log.append(made).unwrap();
            if ends {
                drop(log);
                log = open(&folder).unwrap();
            }
        }
        for partition in 0..2 {
            let held: Vec<_> = all(&log, partition, 0).into_iter().map(|(_, record)| record).collect();
            prop_assert_eq!(&held, expected.entry(partition).or_default());
        }
        for number in 0..1_000 {
            prop_assert_eq!(log.seen(number).unwrap(), seen.get(&number).copied());
        }
    }
}
