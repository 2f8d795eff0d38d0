//! Changes of membership go out in order, and stand in the state and in the lake
//! each exactly once, over a kill too.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value as Json, json};
use signalpost_lake::{Lake, NoTables, Settings};

use crate::support::{ADMIN, Server, eventually, now, pause, within};

/// People who enter and leave.
const PEOPLE: usize = 300;

/// The membership changes a listener hears, until the connection ends.
pub(crate) fn listen(server: &Server) -> Receiver<Json> {
    let mut stream = TcpStream::connect(server.address).unwrap();
    write!(stream, "GET /api/live HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADMIN}\r\n\r\n").unwrap();
    let (sender, receiver) = channel();
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let status = lines.next().unwrap();
    assert!(status.contains("200"), "{status}");
    std::thread::spawn(move || {
        let mut kind = String::new();
        for line in lines {
            if let Some(name) = line.strip_prefix("event: ") {
                kind = name.to_owned();
            }
            assert_ne!(kind, "missed", "the listener was too slow");
            if let Some(data) = line.strip_prefix("data: ").filter(|_| kind == "membership") {
                drop(sender.send(serde_json::from_str(data).unwrap()));
            }
        }
    });
    receiver
}

/// What happened to each person, in the order it was told: the word and the instant.
type Stays = BTreeMap<String, Vec<(String, String)>>;

fn by_person<'a>(changes: impl IntoIterator<Item = &'a Json>) -> Stays {
    let mut stays = Stays::new();
    for change in changes {
        let text = |key: &str| change[key].as_str().unwrap().to_owned();
        stays.entry(text("profile")).or_default().push((text("change"), text("at")));
    }
    stays
}

fn history(server: &Server) -> Stays {
    let answer = server.get("/api/segments/Here/history?limit=10000").expect(200);
    by_person(answer["changes"].as_array().unwrap().iter().rev())
}

fn ping(server: &Server, round: usize) {
    let events: Vec<Json> = (0..PEOPLE)
        .map(|person| json!({"event_type": "ping", "customer_id": format!("c{person}"), "event_id": format!("{round}-{person}"), "timestamp": now().to_string()}))
        .collect();
    server.accept(&json!(events));
}

fn everybody_left(server: &Server, rounds: usize) {
    within(Duration::from_secs(40), "all have come and gone", || {
        let history = server.get("/api/segments/Here/history?limit=1").expect(200);
        (history["total"] == 2 * rounds * PEOPLE && server.members("Here").is_empty()).then_some(())
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_told_in_order_and_stand_once_everywhere() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut server = Server::on(&data, &[]);
    server.define("Here", "IF done ping in the last 2 seconds THEN assign to 'Here'");
    let heard = listen(&server);
    ping(&server, 1);
    everybody_left(&server, 1);
    ping(&server, 2);
    everybody_left(&server, 2);
    pause(300);
    let first: Vec<Json> = heard.try_iter().collect();
    assert_eq!(by_person(&first), history(&server), "a listener hears what the history holds, in its order");
    // In the midst of entries and exits, it dies.
    ping(&server, 3);
    pause(60);
    server.kill();
    let mut server = Server::on(&data, &[]);
    let heard = listen(&server);
    server.settle();
    everybody_left(&server, 3);
    let stays = history(&server);
    for (person, changes) in &stays {
        let words: Vec<&str> = changes.iter().map(|(word, _)| word.as_str()).collect();
        assert_eq!(words, ["entered", "exited"].repeat(3), "{person}: {changes:?}");
        assert!(changes.is_sorted_by_key(|(_, at)| at.clone()), "{person}: {changes:?}");
    }
    pause(300);
    let second = by_person(&heard.try_iter().collect::<Vec<_>>());
    for (person, told) in &second {
        let all = stays.get(person).unwrap();
        assert!(all.ends_with(told), "{person} was told {told:?} of {all:?}");
    }
    eventually("the lake is settled", || {
        server.get("/api/stats").expect(200)["settled"].as_bool().filter(|b| *b)
    });
    server.stop();
    let lake = Lake::open(&data.join("lake"), Settings::default()).await.unwrap();
    let sql = "SELECT profile_id AS profile, change, at FROM memberships WHERE segment = 'Here' ORDER BY log_partition, log_offset, sequence";
    let rows = lake.sql(sql, now(), &NoTables).await.unwrap().to_json_rows().unwrap();
    let rows: Vec<Json> = rows.into_iter().map(Json::Object).collect();
    assert_eq!(by_person(&rows), stays, "the lake has each change once, in order");
}
