//! A disk that runs full: events are refused, not lost, and taken again when
//! there is room. Needs root for a small disk of its own; skipped loudly else.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use tempfile::TempDir;

use crate::support::{Server, eventually, pause};

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
