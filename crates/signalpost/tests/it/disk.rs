//! A disk that runs full: events are refused, not lost, and taken again when
//! there is room. Needs root for a small disk of its own; skipped loudly else.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value as Json, json};
use tempfile::TempDir;

use crate::support::{Server, encode, eventually, pause, within};

/// The reserve the program is told to keep.
const RESERVE: u64 = 60 << 20;

/// A disk in memory, gone with its test.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn mount(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let options = format!("size={size}");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(folder.path()).output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self(folder)),
            Ok(output) => {
                eprintln!(
                    "SKIPPED: a full disk needs root and mount: {}",
                    String::from_utf8_lossy(&output.stderr).trim()
                );
                None
            }
            Err(error) => {
                eprintln!("SKIPPED: a full disk needs root and mount: {error}");
                None
            }
        }
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn free(&self) -> u64 {
        let space = rustix::fs::statvfs(self.path()).unwrap();
        space.f_bavail * space.f_frsize
    }

    /// Fills the disk until no more than `left` bytes are free.
    fn fill(&self, name: &str, left: u64) -> PathBuf {
        let path = self.path().join(name);
        let mut file = File::create(&path).unwrap();
        let block = vec![1; 64 << 10];
        while self.free() > left && file.write_all(&block).is_ok() {}
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(self.path()).output());
    }
}

/// Sends one event; whether it was accepted.
fn send(server: &Server, sent: &mut Vec<String>) -> bool {
    let id = format!("e{}", sent.len());
    let answer =
        server.events(&json!({"event_id": id, "event_type": "view", "customer_id": "C1"}).to_string());
    match answer.status {
        202 => sent.push(id),
        503 => {
            answer.problem(503, "not_durable");
            let seconds: u64 = answer.header("retry-after").parse().unwrap();
            assert!((1..=60).contains(&seconds));
        }
        other => panic!("{other}: {}", answer.text()),
    }
    answer.status == 202
}

#[test]
fn a_full_disk_refuses_and_loses_nothing() {
    let Some(disk) = SmallDisk::mount("320m") else { return };
    let data = disk.path().join("data");
    let settings = [("SIGNALPOST_MIN_FREE_BYTES", RESERVE.to_string())];
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut server = Server::on(&data, &settings);
    server.define("Viewers", "IF event_type = 'view' THEN assign to 'Viewers'");
    let mut sent = Vec::new();
    assert!(send(&server, &mut sent), "{} bytes are free at the start", disk.free());
    for round in 0..3 {
        let filler = disk.fill("filler", RESERVE - (1 << 20));
        assert!(!send(&server, &mut sent), "round {round}: {} bytes free", disk.free());
        server.get("/healthz").expect(200);
        assert_eq!(server.members("Viewers"), ["C1"], "what is there can be read");
        std::fs::remove_file(filler).unwrap();
        assert!(send(&server, &mut sent), "round {round}: {} bytes free", disk.free());
    }
    // Another program takes the reserve too, while the program works. What it
    // says of that goes to the same full disk, and cannot be written either.
    let filler = disk.fill("filler", 0);
    assert!(!send(&server, &mut sent));
    pause(2_500);
    assert_eq!(server.members("Viewers"), ["C1"]);
    std::fs::remove_file(filler).unwrap();
    eventually("events are taken again", || send(&server, &mut sent).then_some(()));
    server.settle();
    server.get("/readyz").expect(200);
    server.kill();
    let server = Server::on(&data, &settings);
    server.settle();
    eventually("every event that was acknowledged is there", || {
        let rows = server.sql("SELECT event_id FROM events ORDER BY CAST(substr(event_id, 2) AS INT)");
        let ids: Vec<&str> = rows.iter().map(|row| row["event_id"].as_str().unwrap()).collect();
        (ids == sent).then_some(())
    });
    assert_eq!(server.members("Viewers"), ["C1"]);
    eprintln!("{} events over {} fillings of the disk", sent.len(), 4);
}

/// Bytes that cannot be packed, as text: those of a number, the same each time.
fn noise(seed: u64, length: usize) -> String {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut text = String::with_capacity(length);
    while text.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        text.push_str(&format!("{state:016x}"));
    }
    text
}

#[test]
fn an_erasure_that_meets_a_full_disk_is_carried_out_when_there_is_room() {
    let Some(disk) = SmallDisk::mount("400m") else { return };
    let data = disk.path().join("data");
    let reserve = 4 << 20;
    let settings = [("SIGNALPOST_MIN_FREE_BYTES", reserve.to_string())];
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut server = Server::on(&data, &settings);
    server.define("Viewers", "IF event_type = 'view' THEN assign to 'Viewers'");
    for round in 0..4_u64 {
        let events: Vec<Json> = (0..600)
            .map(|number| {
                let seed = round * 600 + number;
                let note = noise(seed, 8_000);
                json!({"event_id": format!("e{seed}"), "event_type": "view", "customer_id": format!("C{}", seed % 6), "properties": {"note": note}})
            })
            .collect();
        server.accept(&Json::from(events));
    }
    server.settle();
    eventually("all are in the lake", || (server.cell("SELECT count(*) FROM events") == 2_400).then_some(()));
    // Longer than the lake takes until its next commit.
    pause(6_000);
    // Room for the order to erase, none for the lake's files without the person.
    let filler = disk.fill("filler", reserve + (1 << 20));
    let made = server.post("/api/privacy/erase", &json!({"customer_id": "C3"})).expect(202);
    let id = made["id"].as_str().unwrap().to_owned();
    let status = |server: &Server| {
        server.get(&format!("/api/privacy/requests/{}", encode(&id))).expect(200)["status"].clone()
    };
    eventually("the person is forgotten", || (server.members("Viewers").len() == 5).then_some(()));
    let more = disk.fill("more", 0);
    pause(12_000);
    assert_eq!(status(&server), "approved", "{} bytes free", disk.free());
    server.get("/healthz").expect(200);
    assert_eq!(server.members("Viewers").len(), 5, "the others can be read");
    std::fs::remove_file(more).unwrap();
    std::fs::remove_file(filler).unwrap();
    let before = disk.free();
    within(Duration::from_secs(60), "the erasure is through", || (status(&server) == "done").then_some(()));
    let left = |server: &Server| server.cell("SELECT count(*) FROM events_all");
    assert_eq!(
        (left(&server), server.cell("SELECT count(*) FROM events_all WHERE customer_id = 'C3'")),
        (json!(2_000), json!(0))
    );
    eprintln!("{before} bytes free before, {} after", disk.free());
    server.kill();
    let server = Server::on(&data, &settings);
    server.settle();
    assert_eq!((left(&server), server.members("Viewers").len()), (json!(2_000), 5));
}
