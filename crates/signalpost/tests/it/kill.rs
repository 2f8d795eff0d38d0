//! `kill -9` at random instants under load. Clients that get no answer send the
//! same events again. In the end every acknowledged event is there exactly
//! once, members are what SQL says and what a clean replay of the log makes,
//! and nobody got a mail twice.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use crate::deliver::campaign;
use crate::http::exchange;
use crate::receiver::Receiver;
use crate::support::{Server, WRITE, command, encode, eventually, free_port, pause, within};

/// How often the program is killed.
const KILLS: u32 = 60;
/// Clients that send at once.
const CLIENTS: u64 = 4;
/// People the events are about.
const PEOPLE: u64 = 250;
/// Where the random instants and events come from.
const SEED: u64 = 20_240_427;
/// Over this much of the lake's own commits a kill falls too.
const SETTINGS: [(&str, &str); 1] = [("SIGNALPOST_LAKE_COMMIT_SECONDS", "1")];

/// Segments that hold, the rule the clock acts on, and what brings a message.
const SEGMENTS: [(&str, &str); 4] = [
    (
        "Lookers",
        "SELECT customer_id FROM customer_data WHERE customer_id IN (SELECT customer_id FROM events WHERE event_type = 'product_view' GROUP BY customer_id HAVING count(*) >= 5)",
    ),
    ("Buyers", "IF event_type = 'purchase' AND event_time >= now() - 24 hours THEN assign to 'Buyers'"),
    ("Lost", "IF event_type = 'cart_abandonment' AND event_time >= now() - 24 hours THEN assign to 'Lost'"),
    ("Spenders", "SELECT customer_id FROM customer_data WHERE total_spent >= 100 AND in_segment('Lost')"),
];
const SEQUENCE: &str = "AFTER add_to_cart WITHOUT purchase WITHIN 2 seconds EMIT cart_abandonment";

/// Numbers that look random and are the same each time (Steele and others,
/// "Fast splittable pseudorandom number generators", 2014).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % below
    }
}

/// What the clients know.
#[derive(Default)]
struct Ledger {
    acknowledged: Mutex<HashSet<String>>,
    resent: AtomicU64,
    repeats: AtomicU64,
    over: AtomicBool,
}

fn event(id: &str, dice: &mut Dice) -> Json {
    let person = dice.roll(PEOPLE);
    let device = format!("device-{person}");
    let mut event = match dice.roll(20) {
        0..=9 => json!({"event_type": "product_view", "product_id": format!("P{}", dice.roll(40))}),
        10..=13 => json!({"event_type": "add_to_cart", "product_id": format!("P{}", dice.roll(40))}),
        14..=16 => json!({"event_type": "purchase", "properties": {"order_id": id, "total": dice.roll(40)}}),
        _ => json!({"event_type": "login", "anonymous_id": device}),
    };
    event["event_id"] = json!(id);
    if event["event_type"] == "product_view" && dice.roll(3) == 0 {
        event["anonymous_id"] = json!(device);
    } else {
        event["customer_id"] = json!(format!("C{person}"));
        event["traits"] = json!({"email": format!("c{person}@example.com")});
    }
    event
}

/// One client: sends batches until it is over, each until it is acknowledged.
fn client(number: u64, address: SocketAddr, ledger: &Ledger) {
    let mut dice = Dice(SEED ^ (number << 32));
    let mut next = 0;
    while !ledger.over.load(Ordering::Relaxed) {
        let ids: Vec<String> =
            (0..=dice.roll(8)).map(|place| format!("k{number}-{}", next + place)).collect();
        next += ids.len() as u64;
        let events: Vec<Json> = ids.iter().map(|id| event(id, &mut dice)).collect();
        let body = Json::Array(events).to_string();
        loop {
            match exchange(address, "POST", "/api/events", &[("X-Api-Key", WRITE)], body.as_bytes()) {
                Ok(answer) if answer.status == 202 => {
                    let answer = answer.json();
                    let repeats = answer["duplicates"].as_u64().unwrap();
                    assert_eq!(answer["accepted"].as_u64().unwrap() + repeats, ids.len() as u64, "{answer}");
                    ledger.repeats.fetch_add(repeats, Ordering::Relaxed);
                    break;
                }
                Ok(answer) => {
                    assert!(matches!(answer.status, 429 | 503), "{}: {}", answer.status, answer.text())
                }
                Err(_) => {}
            }
            ledger.resent.fetch_add(1, Ordering::Relaxed);
            pause(10);
        }
        ledger.acknowledged.lock().unwrap().extend(ids);
        pause(4 + dice.roll(8));
    }
}

/// Starts and kills the program over and over; the longest start it saw.
fn kill_over_and_over(data: &Path, listen: &str) -> Duration {
    let mut dice = Dice(SEED);
    let mut longest = Duration::ZERO;
    for kill in 0..KILLS {
        if kill % 5 == 4 {
            // Now and then it does not even come to listen.
            let mut child = command(data)
                .args(["serve", "--listen", listen])
                .envs(SETTINGS)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            pause(dice.roll(400));
            child.kill().unwrap();
            child.wait().unwrap();
            continue;
        }
        let started = Instant::now();
        let mut server = Server::try_on(data, listen, &SETTINGS)
            .unwrap_or_else(|error| panic!("after {kill} kills: {error}"));
        longest = longest.max(started.elapsed());
        pause(100 + dice.roll(900));
        server.kill();
    }
    longest
}

fn define(server: &Server, hook: &Receiver) {
    server.define("carts", SEQUENCE);
    for (name, text) in SEGMENTS {
        server.define(name, text);
    }
    let on = |segment: &str| json!({"on": "enter", "segment": segment});
    campaign(server, "Welcome", &json!({"kind": "inbox"}), &on("Lookers"), &json!({}));
    let hook = json!({"kind": "webhook", "url": format!("http://{}/", hook.address), "allow_private_addresses": true});
    campaign(server, "Hook", &hook, &on("Buyers"), &json!({}));
}

#[test]
fn sixty_kills_lose_nothing_and_double_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let port = free_port();
    let listen = format!("127.0.0.1:{port}");
    let receiver = Receiver::start();
    let mut first = Server::try_on(&data, &listen, &SETTINGS).unwrap();
    define(&first, &receiver);
    first.kill();
    let ledger = Ledger::default();
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let started = Instant::now();
    let (mut server, longest) = std::thread::scope(|scope| {
        for number in 0..CLIENTS {
            let ledger = &ledger;
            scope.spawn(move || client(number, address, ledger));
        }
        let longest = kill_over_and_over(&data, &listen);
        let server = Server::try_on(&data, &listen, &SETTINGS).unwrap_or_else(|error| panic!("{error}"));
        ledger.over.store(true, Ordering::Relaxed);
        (server, longest)
    });
    let spent = started.elapsed();
    within(Duration::from_secs(60), "everything is worked on", || {
        (server.get("/api/stats").expect(200)["settled"] == true).then_some(())
    });
    // The sequence rule's two seconds run out for the last carts.
    pause(2_500);
    server.settle();
    let acknowledged = ledger.acknowledged.into_inner().unwrap();
    let stored = check_events(&server, &acknowledged);
    check_members(&server);
    let (mails, hooks) = check_messages(&server, &receiver);
    let changes = check_replay(&mut server, folder.path());
    eprintln!(
        "{KILLS} kills in {spent:.1?}: {} events acknowledged, {stored} stored with derived ones, {} requests sent again, \
         {} repeats told apart, longest start {longest:.2?}, {changes} stays replayed alike, {mails} mails, {hooks} webhooks",
        acknowledged.len(),
        ledger.resent.load(Ordering::Relaxed),
        ledger.repeats.load(Ordering::Relaxed),
    );
}

/// Every acknowledged event once, and none that was not sent.
fn check_events(server: &Server, acknowledged: &HashSet<String>) -> usize {
    let rows = eventually("all events are in SQL's reach", || {
        let rows = server
            .sql("SELECT event_id, count(*) AS n FROM events WHERE source <> 'derived' GROUP BY event_id");
        (rows.len() >= acknowledged.len()).then_some(rows)
    });
    let stored: HashMap<&str, u64> =
        rows.iter().map(|row| (row["event_id"].as_str().unwrap(), row["n"].as_u64().unwrap())).collect();
    let lost: Vec<&String> =
        acknowledged.iter().filter(|id| !stored.contains_key(id.as_str())).take(10).collect();
    assert!(lost.is_empty(), "acknowledged and gone: {lost:?}");
    let doubled: Vec<_> = stored.iter().filter(|(_, n)| **n != 1).take(10).collect();
    assert!(doubled.is_empty(), "there more than once: {doubled:?}");
    let strange: Vec<_> = stored.keys().filter(|id| !acknowledged.contains(**id)).take(10).collect();
    assert!(strange.is_empty(), "every batch was acknowledged in the end: {strange:?}");
    let derived = server.sql("SELECT event_id FROM events WHERE source = 'derived'");
    let distinct: HashSet<&str> = derived.iter().map(|row| row["event_id"].as_str().unwrap()).collect();
    assert_eq!(derived.len(), distinct.len(), "derived events are there once");
    assert!(!derived.is_empty());
    stored.len() + derived.len()
}

/// The live members are what SQL finds in the lake.
fn check_members(server: &Server) {
    for (name, _) in SEGMENTS {
        let verdict = server.post(&format!("/api/segments/{}/verify", encode(name)), &Json::Null).expect(200);
        assert_eq!(verdict["equal"], true, "{verdict}");
        assert!(verdict["live"].as_u64().unwrap() > 0, "{verdict}");
    }
}

/// One message to each person that entered, told apart by its id.
fn check_messages(server: &Server, receiver: &Receiver) -> (usize, usize) {
    eventually("everything decided has gone out", || {
        (server.cell("SELECT count(*) FROM deliveries WHERE decision = 'send' AND status <> 'sent'") == 0)
            .then_some(())
    });
    let people = |query: &str| -> BTreeSet<String> {
        server.sql(query).iter().map(|row| row["customer_id"].as_str().unwrap().to_owned()).collect()
    };
    let messages = server.get("/api/inbox?limit=1000").expect(200)["messages"].clone();
    let mails: Vec<&str> =
        messages.as_array().unwrap().iter().map(|message| message["to"].as_str().unwrap()).collect();
    let once: BTreeSet<&str> = mails.iter().copied().collect();
    assert_eq!(once.len(), mails.len(), "nobody got the mail twice");
    let entered = people(
        "SELECT DISTINCT customer_id FROM memberships WHERE segment = 'Lookers' AND customer_id IS NOT NULL",
    );
    let decided =
        people("SELECT customer_id FROM deliveries WHERE campaign = 'Welcome' AND decision = 'send'");
    assert_eq!(mails.len(), decided.len());
    assert!(decided.is_subset(&entered), "{:?}", decided.difference(&entered).collect::<Vec<_>>());

    let mut by_id: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let taken = receiver.taken();
    for one in &taken {
        let to = one.json()["data"]["customer_id"].as_str().unwrap().to_owned();
        by_id.entry(one.id().to_owned()).or_default().insert(to);
    }
    let told: BTreeSet<&String> = by_id.values().flatten().collect();
    assert_eq!(
        (told.len(), by_id.values().map(BTreeSet::len).sum::<usize>()),
        (by_id.len(), by_id.len()),
        "a person has one id"
    );
    let decided = people("SELECT customer_id FROM deliveries WHERE campaign = 'Hook' AND decision = 'send'");
    assert_eq!(told.into_iter().cloned().collect::<BTreeSet<_>>(), decided);
    eprintln!(
        "{} webhooks came, {} of them repeats told by their id",
        taken.len(),
        taken.len() - by_id.len()
    );
    (mails.len(), taken.len())
}

fn stays(server: &Server) -> BTreeSet<String> {
    let rows = server.sql(
        "SELECT segment, profile_id, customer_id, version, entered_at, exited_at, cause FROM memberships",
    );
    rows.iter().map(Json::to_string).collect()
}

/// A program that has only a copy of the log comes to the same.
fn check_replay(server: &mut Server, folder: &Path) -> usize {
    let ids = "SELECT event_id, timestamp, customer_id, anonymous_id FROM events ORDER BY event_id";
    let (live, events) = (stays(server), server.sql(ids));
    server.stop();
    let copy = folder.join("copy");
    copy_folder(&server.data.join("log"), &copy.join("log"));
    let replayed = Server::on(&copy, &SETTINGS);
    within(Duration::from_secs(60), "the log is replayed", || {
        (replayed.get("/api/stats").expect(200)["settled"] == true).then_some(())
    });
    let wanted = events.len();
    eventually("the lake is filled again", || {
        (replayed.cell("SELECT count(*) FROM events") == wanted).then_some(())
    });
    assert!(events == replayed.sql(ids), "the lake is filled alike");
    let again = stays(&replayed);
    let differing: Vec<&String> = live.symmetric_difference(&again).take(6).collect();
    assert!(differing.is_empty(), "{} and {} stays: {differing:#?}", live.len(), again.len());
    live.len()
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn a_first_start_that_was_killed_is_made_good_by_the_next() {
    let mut dice = Dice(SEED);
    for round in 0..16 {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let mut child = command(&data)
            .args(["serve", "--listen", "127.0.0.1:0"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // The first moments, in which everything is made, are the interesting ones.
        let lived = dice.roll(if round % 2 == 0 { 40 } else { 300 });
        pause(lived);
        child.kill().unwrap();
        child.wait().unwrap();
        let server = Server::try_on(&data, "127.0.0.1:0", &[])
            .unwrap_or_else(|error| panic!("killed after {lived} ms: {error}"));
        server.accept(&json!({"event_type": "view", "customer_id": "C1"}));
        assert_eq!(
            server.get("/api/keys").expect(200)["keys"].as_array().unwrap().len(),
            2,
            "killed after {lived} ms"
        );
    }
}
