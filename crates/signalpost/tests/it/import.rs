//! `signalpost import`: files in, every row once, whatever happens.

mod once;

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::{Value as Json, json};

use crate::bucket;
use crate::support::{ADMIN, PROGRAM, Server};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A folder with files.
struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn put(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path.display().to_string()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

/// The report of an import that must go well.
fn imported(output: &Output) -> Json {
    assert!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn import(server: &Server, arguments: &[&str]) -> Json {
    imported(&server.run(&[&["--json", "import"], arguments].concat()))
}

/// Rows accepted, there already, quarantined, and done before.
fn counts(report: &Json) -> [u64; 4] {
    ["accepted", "duplicates", "quarantined", "done_before"].map(|name| report[name].as_u64().unwrap())
}

/// How a command that was called wrongly ended, and what it said.
fn refused(server: &Server, arguments: &[&str]) -> (i32, String) {
    let output = server.run(&[&["import"], arguments].concat());
    (output.status.code().unwrap(), text(&output.stderr))
}

fn reasons(report: &Json) -> Vec<(String, u64, u64)> {
    let reasons = report["reasons"].as_array().unwrap().iter();
    reasons
        .map(|reason| {
            let code = reason["code"].as_str().unwrap().to_owned();
            (code, reason["count"].as_u64().unwrap(), reason["samples"][0]["line"].as_u64().unwrap())
        })
        .collect()
}

const DIRTY: &str = "event_type,customer_id,timestamp,order_id,price,note\n\
    purchase,C1,2010-12-01 08:26:00,536365,2.55,\"hello, \"\"you\"\"\"\n\
    purchase,C2,2010-12-01 08:27:00,C536366,3.39,\"two\nlines\"\n\
    purchase,C3,2010-12-01 08:28:00,1\n\
    view,,2010-12-01,1,,\n\
    \n\
    view,C4,\"not closed,1,,\n\
    view,C5,\"closed\" late,1,,\n\
    view,C6,04/05/2024,1,,\n\
    view,C7,2011-01-01T00:00:00Z,1,,\n";

#[test]
fn broken_rows_are_kept_with_their_lines_and_harm_no_others() {
    let server = Server::start();
    let files = Files::new();
    let file = files.put("dirty.csv", DIRTY);
    let expected = [
        ("missing_identity".to_owned(), 1, 6),
        ("ambiguous_timestamp".to_owned(), 1, 10),
        ("bad_row".to_owned(), 3, 5),
    ];
    let dry = import(&server, &[&file, "--dry-run"]);
    assert_eq!((counts(&dry), reasons(&dry)), ([3, 0, 5, 0], expected.to_vec()));
    let first = &dry["first"][0];
    assert_eq!(
        (&first["customer_id"], &first["timestamp"], &first["properties"]),
        (
            &json!("C1"),
            &json!("2010-12-01T08:26:00Z"),
            &json!({"order_id": "536365", "price": 2.55, "note": "hello, \"you\""})
        )
    );
    let kept = server.get("/api/quarantine").expect(200);
    assert_eq!(kept["total"], 0, "a dry run keeps nothing");

    let report = import(&server, &[&file]);
    assert_eq!((counts(&report), reasons(&report)), ([3, 0, 5, 0], expected.to_vec()));
    server.settle();
    assert_eq!(
        server.sql("SELECT customer_id, note, order_id FROM events WHERE event_type = 'purchase' ORDER BY 1"),
        [
            json!({"customer_id": "C1", "note": "hello, \"you\"", "order_id": "536365"}),
            json!({"customer_id": "C2", "note": "two\nlines", "order_id": "C536366"}),
        ]
    );
    let kept = server.get("/api/quarantine").expect(200);
    let rows = kept["quarantined"].as_array().unwrap();
    assert_eq!(rows.len(), 5);
    let broken = rows.iter().find(|row| row["message"].as_str().unwrap().contains("line 9")).unwrap();
    assert_eq!((&broken["code"], &broken["raw"]), (&json!("bad_row"), &json!("view,C5,\"closed\" late,1,,")));
    let nobody = rows.iter().find(|row| row["code"] == "missing_identity").unwrap();
    let raw: Json = serde_json::from_str(nobody["raw"].as_str().unwrap()).unwrap();
    assert_eq!(raw["context"]["import"], "dirty.csv:6");

    let replayed = server.post("/api/quarantine/replay", &json!({"reason": "bad_row"})).expect(200);
    assert_eq!((&replayed["refused"], &replayed["accepted"]), (&json!(3), &json!(0)));

    assert_eq!(counts(&import(&server, &[&file])), [0, 0, 0, 8], "what was done is not done again");
    let grown = format!("{DIRTY}view,C8,2011-01-02T00:00:00Z,1,,\n");
    files.put("dirty.csv", grown);
    assert_eq!(counts(&import(&server, &[&file])), [1, 0, 0, 8], "only what is new");
    assert_eq!(counts(&import(&server, &[&file, "--again"])), [4, 0, 5, 0]);
}

#[test]
fn another_file_of_the_same_name_and_beginning_is_read_as_a_whole() {
    let server = Server::start();
    let files = Files::new();
    let file = files.put("a.csv", "event_type,customer_id\nview,C1\nview,C2\nview,C3\n");
    assert_eq!(counts(&import(&server, &[&file])), [3, 0, 0, 0]);
    files.put("a.csv", "event_type,customer_id\nview,C1\nview,C9\nview,C3\n");
    assert_eq!(counts(&import(&server, &[&file])), [1, 2, 0, 0]);
    let renamed = files.put("b.csv", "event_type,customer_id\nview,C1\nview,C9\nview,C3\n");
    assert_eq!(counts(&import(&server, &[&renamed])), [0, 3, 0, 0], "its rows are known by what they hold");
    let twice = files.put("twice.csv", "event_type,customer_id\nview,T1\nview,T1\n");
    assert_eq!(counts(&import(&server, &[&twice])), [2, 0, 0, 0], "equal rows of a file are two");
}

#[test]
fn columns_are_mapped_and_wrong_use_is_explained() {
    let server = Server::start();
    let files = Files::new();
    let rows = "Kind;User;When;Amount;Active;Town\npurchase;u1;27/04/2024 14:35;007;yes;Berlin\nrefund;u2;28/04/2024 09:00;12;no;\n";
    let file = files.put("export.csv", rows);
    let map = ["--map", "event_type=Kind", "--map", "customer_id=User", "--map", "timestamp=When"];
    let (code, said) = refused(&server, &[&file]);
    assert_eq!(code, 2);
    assert!(said.contains("no column gives event_type") && said.contains("Kind, User, When"), "{said}");
    for wrong in [
        &["--map", "custmer_id=User"][..],
        &["--map", "customer_id=Usr"],
        &["--map", "nothing"],
        &["--delimiter", "::"],
        &["--encoding", "ebcdic-37"],
        &["--time-zone", "Berlin"],
    ] {
        let (code, said) = refused(&server, &[&[file.as_str()][..], &map, wrong].concat());
        assert_eq!(code, 2, "{wrong:?}: {said}");
    }
    assert_eq!(refused(&server, &["nowhere.csv"]).0, 1);
    assert_eq!(refused(&server, &[]).0, 2);

    let mapping = files.put(
        "mapping.toml",
        "[fields]\nevent_type = \"Kind\"\ncustomer_id = \"User\"\ntimestamp = \"When\"\ntraits.city = \"Town\"\n\
         [constants]\nproperties.shop = \"north\"\n[types]\nAmount = \"text\"\nActive = \"boolean\"\n\
         [timestamp]\nformat = \"%d/%m/%Y %H:%M\"\nzone = \"Europe/Berlin\"\n",
    );
    let report = import(&server, &[&file, "--mapping", &mapping]);
    assert_eq!(counts(&report), [2, 0, 0, 0]);
    server.settle();
    let sql = "SELECT event_type, timestamp, \"Amount\", \"Active\", shop FROM events ORDER BY timestamp";
    assert_eq!(
        server.sql(sql),
        [
            json!({"event_type": "purchase", "timestamp": "2024-04-27T12:35:00Z", "Amount": "007", "Active": true, "shop": "north"}),
            json!({"event_type": "refund", "timestamp": "2024-04-28T07:00:00Z", "Amount": "12", "Active": false, "shop": "north"}),
        ]
    );
    assert_eq!(
        server.cell(
            "SELECT location FROM (SELECT city AS location FROM customer_data WHERE customer_id = 'u1') t"
        ),
        "Berlin"
    );
    let first =
        server.cell("SELECT count(*) FROM customer_data WHERE first_seen < TIMESTAMP '2024-05-01T00:00:00Z'");
    assert_eq!(first, 2, "history keeps its own times");
}

#[test]
fn encodings_are_told_converted_or_asked_for() {
    let server = Server::start();
    let files = Files::new();
    let rows = "event_type,customer_id,city\nview,K1,Köln\n";
    let utf16 = |mark: bool| {
        let units: Vec<u16> = mark.then_some(0xFEFF).into_iter().chain(rows.encode_utf16()).collect();
        units.iter().flat_map(|unit| unit.to_le_bytes()).collect::<Vec<u8>>()
    };
    let latin: Vec<u8> = rows.chars().map(|letter| u8::try_from(u32::from(letter)).unwrap()).collect();
    let marked = [b"\xEF\xBB\xBF", rows.as_bytes()].concat();
    let latin = files.put("latin.csv", latin);
    let (code, said) = refused(&server, &[&latin]);
    assert_eq!(code, 1);
    assert!(said.contains("line 2 is not UTF-8") && said.contains("--encoding windows-1252"), "{said}");
    for (name, bytes, options) in [
        ("marked.csv", marked, &[][..]),
        ("utf16.csv", utf16(true), &[]),
        ("bare16.csv", utf16(false), &[]),
        ("latin.csv", std::fs::read(&latin).unwrap(), &["--encoding", "latin-1"]),
    ] {
        let file = files.put(name, bytes);
        let dry = import(&server, &[&[file.as_str(), "--dry-run"], options].concat());
        assert_eq!(dry["first"][0]["properties"]["city"], "Köln", "{name}: {dry}");
        assert_eq!(dry["first"][0]["event_type"], "view", "{name}");
    }
    let mixed = files.put(
        "mixed.csv",
        [
            b"event_type,customer_id,n\n".to_vec(),
            b"view,K1,1\n".repeat(20_000),
            b"view,\xE9,1\nview,K2,1\n".to_vec(),
        ]
        .concat(),
    );
    let report = import(&server, &[&mixed]);
    assert_eq!(
        (counts(&report), reasons(&report)),
        ([20_001, 0, 1, 0], vec![("bad_row".to_owned(), 1, 20_002)])
    );
}

#[test]
fn json_lines_arrays_and_packed_files_are_read() {
    let server = Server::start();
    let files = Files::new();
    let events = [
        json!({"event_type": "view", "customer_id": "J1", "user": {"city": "Ulm"}, "properties": {"a": 1}, "n": 2}),
        json!({"event_type": "view", "user": {"id": 7}, "context": {"page": "/"}, "event_id": "own"}),
    ];
    let lines: String = events.iter().map(|event| format!("{event}\n")).collect();
    let array = serde_json::to_string_pretty(&events).unwrap();
    let broken = format!("{}\n{{\"event_type\": \"view\",\n[1]\n\n{}\n", events[0], events[1]);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(lines.as_bytes()).unwrap();
    let zstd = zstd::stream::encode_all(lines.as_bytes(), 1).unwrap();
    let mut brotli = Vec::new();
    brotli::CompressorReader::new(lines.as_bytes(), 4_096, 4, 20).read_to_end_into(&mut brotli);
    let map = ["--dry-run", "--map", "customer_id=user.id", "--guest", "customer_id"];
    for (name, bytes, bad) in [
        ("a.jsonl", lines.clone().into_bytes(), 0),
        ("a.json", array.clone().into_bytes(), 0),
        ("b.json", array.replace('\n', "").into_bytes(), 0),
        ("c.ndjson.gz", gzip.finish().unwrap(), 0),
        ("d.jsonl.zst", zstd, 0),
        ("e.json.br", brotli, 0),
        ("f.jsonl", broken.into_bytes(), 2),
    ] {
        let file = files.put(name, bytes);
        let dry = import(&server, &[&[file.as_str()][..], &map].concat());
        assert_eq!(counts(&dry), [2, 0, bad, 0], "{name}: {dry}");
        let (one, two) = (&dry["first"][0], &dry["first"][1]);
        assert_eq!(one["anonymous_id"], "guest:J1", "{name}");
        assert_eq!(one["properties"], json!({"user": {"city": "Ulm"}, "a": 1, "n": 2}), "{name}");
        assert_eq!(
            (&two["customer_id"], &two["event_id"], &two["context"]["page"]),
            (&json!("7"), &json!("own"), &json!("/")),
            "{name}"
        );
    }
    let bomb = files.put("bomb.csv.gz", {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(b"event_type,customer_id\nview,B1\n").unwrap();
        let zeros = vec![0; 1 << 20];
        (0..64).for_each(|_| gzip.write_all(&zeros).unwrap());
        gzip.write_all(b"\nview,B2\n").unwrap();
        gzip.finish().unwrap()
    });
    let report = import(&server, &[&bomb]);
    assert_eq!((counts(&report), reasons(&report)), ([2, 0, 1, 0], vec![("bad_row".to_owned(), 1, 3)]));
    let cut = files.put("cut.csv.gz", &std::fs::read(&bomb).unwrap()[..200]);
    assert_eq!(refused(&server, &[&cut]).0, 1);
    let garbage = files.put("garbage.json", "[{\"event_type\": \"view\", \"customer_id\": \"G1\"}, oops]");
    let (code, said) = refused(&server, &[&garbage]);
    assert!(code == 1 && said.contains("line 1"), "{said}");
}

/// Reads to the end of what only reads.
trait ReadAll {
    fn read_to_end_into(self, into: &mut Vec<u8>);
}

impl<R: std::io::Read> ReadAll for R {
    fn read_to_end_into(mut self, into: &mut Vec<u8>) {
        self.read_to_end(into).unwrap();
    }
}

#[test]
fn parquet_folders_and_globs_are_read() {
    let server = Server::start();
    let files = Files::new();
    server.accept(&json!([
        {"event_type": "view", "customer_id": "P1", "event_id": "p1", "timestamp": "2020-01-01T00:00:00.25Z", "properties": {"price": 1.5, "name": "Ä"}},
        {"event_type": "view", "customer_id": "P2", "event_id": "p2", "timestamp": "2020-01-02T00:00:00Z"},
    ]));
    server.settle();
    let file = files.path("out/day=1/rows.parquet");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let sql = "SELECT event_type, customer_id || 'x' AS customer_id, timestamp, price, name FROM events ORDER BY timestamp";
    let written = server.run(&["sql", sql, "-o", "parquet", "--to", file.to_str().unwrap()]);
    assert!(written.status.success(), "{}", text(&written.stderr));
    files.put("out/day=2/rows.csv", "event_type,customer_id\nview,F1\n");
    files.put("out/notes.txt", "not rows");
    files.put("out/.hidden.csv", "not rows");
    let folder = files.path("out").display().to_string();
    assert_eq!(counts(&import(&server, &[&folder])), [3, 0, 0, 0]);
    server.settle();
    assert_eq!(
        server.sql("SELECT timestamp, price, name FROM events WHERE customer_id = 'P1x'"),
        [json!({"timestamp": "2020-01-01T00:00:00.25Z", "price": 1.5, "name": "Ä"})]
    );
    let glob = files.path("out/*/rows.*").display().to_string();
    assert_eq!(counts(&import(&server, &[&glob])), [0, 0, 0, 3]);
    let none = files.path("out/*.parquet").display().to_string();
    assert_eq!(refused(&server, &[&none]).0, 1);
    let false_one = files.put("false.parquet", "event_type,customer_id\n");
    let (code, said) = refused(&server, &[&false_one]);
    assert!(code == 1 && said.contains("no Parquet"), "{said}");
}

#[test]
fn objects_of_a_bucket_are_read() {
    let server = Server::start();
    let files = Files::new();
    server.accept(&json!([{"event_type": "view", "customer_id": "S1", "event_id": "s1"}]));
    server.settle();
    let file = files.path("rows.parquet").display().to_string();
    let sql = "SELECT event_type, customer_id || 'x' AS customer_id FROM events";
    assert!(server.run(&["sql", sql, "-o", "parquet", "--to", &file]).status.success());
    let csv = |id: &str| format!("event_type,customer_id\nview,{id}\n").into_bytes();
    let objects = [
        ("in/2024/a ä.csv", csv("A")),
        ("in/2024/b.csv", csv("B")),
        ("in/2025/c.csv", csv("C")),
        ("in/2025/d.parquet", std::fs::read(&file).unwrap()),
        ("in/notes.txt", b"not rows".to_vec()),
        ("inside.csv", csv("D")),
    ];
    let address = bucket::serve(objects.into_iter().map(|(key, bytes)| (key.to_owned(), bytes)).collect());
    let run = |arguments: &[&str], key: &str| {
        let mut command = Command::new(PROGRAM);
        command.args(["--json", "import"]).args(arguments);
        command.env("SIGNALPOST_URL", server.url()).env("SIGNALPOST_KEY", ADMIN);
        command.env("AWS_ENDPOINT_URL", format!("http://{address}")).env("AWS_REGION", "eu-central-1");
        command.env("AWS_ACCESS_KEY_ID", key).env("AWS_SECRET_ACCESS_KEY", "secret").output().unwrap()
    };
    let url = |key: &str| format!("s3://{}/{key}", bucket::NAME);
    for (named, accepted) in
        [("in/2024/a ä.csv", 1), ("in/*/b.csv", 1), ("in", 2), ("", 1), ("in/2025/", 0), ("*.csv", 0)]
    {
        let report = imported(&run(&[&url(named)], bucket::ACCESS_KEY));
        assert_eq!(counts(&report)[0], accepted, "{named}: {report}");
    }
    server.settle();
    let people = server.sql("SELECT customer_id FROM events ORDER BY 1");
    assert_eq!(people.len(), 6, "{people:?}");
    for (named, key) in [("in/none.csv", bucket::ACCESS_KEY), ("in/2024/a ä.csv", "SOMEBODY")] {
        let output = run(&[&url(named)], key);
        assert_eq!(output.status.code(), Some(1), "{named}");
        assert!(text(&output.stderr).contains("s3://rows/"), "{}", text(&output.stderr));
    }
}

#[test]
fn people_and_catalogs_are_imported() {
    let server = Server::start();
    let files = Files::new();
    let people = files.put("people.csv", "customer_id,email,age,city,newsletter\nC1,jane@example.com,29,NYC,true\nC2,joe@example.com,,Ulm,false\n,nobody@example.com,1,X,true\n");
    let report = import(&server, &[&people, "--as", "profiles", "--map", "traits.location=city"]);
    assert_eq!(counts(&report), [2, 0, 1, 0]);
    server.settle();
    assert_eq!(
        server.sql("SELECT customer_id, email, age, location, newsletter FROM customer_data ORDER BY 1"),
        [
            json!({"customer_id": "C1", "email": "jane@example.com", "age": 29, "location": "NYC", "newsletter": true}),
            json!({"customer_id": "C2", "email": "joe@example.com", "age": null, "location": "Ulm", "newsletter": false}),
        ]
    );
    let count = 100_000;
    let mut rows = "sku,title,price,currency,tags,colour\n".to_owned();
    for number in 0..count {
        let price = if number == 7 { "cheap".to_owned() } else { format!("{}.50", number % 90) };
        rows.push_str(&format!("a{number},Thing {number},{price},EUR,\"x,y\",red\n"));
    }
    let items = files.put("items.csv", rows);
    let map = ["--as", "catalog", "--map", "product_id=sku", "--map", "name=title"];
    let report = import(&server, &[&[items.as_str()][..], &map].concat());
    assert_eq!(
        (counts(&report), reasons(&report)),
        ([count - 1, 0, 1, 0], vec![("bad_item".to_owned(), 1, 9)])
    );
    assert_eq!(counts(&import(&server, &[&[items.as_str()][..], &map].concat())), [0, 0, 0, count]);
    let catalog = server.get("/api/catalog?limit=1").expect(200);
    assert_eq!(catalog["total"], count - 1);
    let item = &catalog["items"][0];
    assert_eq!(
        (&item["product_id"], &item["name"], &item["price"], &item["tags"], &item["colour"]),
        (&json!("A0"), &json!("Thing 0"), &json!("0.50"), &json!(["x", "y"]), &json!("red"))
    );
}
