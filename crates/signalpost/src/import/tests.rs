//! Reading rows and shaping them, without a server.

use std::io::BufReader;

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::csv::{Next, Record, Records, tell_delimiter};
use super::mapping::{Kind, Mapping};
use super::objects::Objects;
use super::shape::Shape;
use super::shape::cell::{self, Cell};

/// What records a text has: the line and the fields of each, or the line and
/// what is wrong.
fn records(text: &[u8], delimiter: u8) -> Vec<(u64, Result<Vec<String>, String>)> {
    // A small buffer, so that rows lie across its edges.
    let mut records = Records::new(BufReader::with_capacity(7, text), delimiter);
    let mut record = Record::default();
    let mut found = Vec::new();
    loop {
        match records.next(&mut record).unwrap() {
            Next::End => return found,
            Next::Refused(fault) => found.push((record.line, Err(fault))),
            Next::Record => {
                let fields = record.texts().unwrap().map(std::borrow::Cow::into_owned).collect();
                found.push((record.line, Ok(fields)));
            }
        }
    }
}

/// Checks records written as `line: field|field` and `line! fault`.
fn check_csv(text: &str, expected: &[&str]) {
    let shown = |(line, record): (u64, Result<Vec<String>, String>)| match record {
        Ok(fields) => format!("{line}: {}", fields.join("|")),
        Err(fault) => format!("{line}! {fault}"),
    };
    let found: Vec<String> = records(text.as_bytes(), b',').into_iter().map(shown).collect();
    assert_eq!(found, expected, "{text:?}");
}

#[test]
fn csv_is_read_with_its_lines() {
    check_csv("a,b\r\n\r\n,\nc,\"d\"", &["1: a|b", "3: |", "4: c|d"]);
    check_csv("\"a,\"\"b\"\"\",\"\"\n\"x\ny\n\",z\nlast,", &["1: a,\"b\"|", "2: x\ny\n|z", "5: last|"]);
    check_csv("5\" nail, \"b\",c\"", &["1: 5\" nail| \"b\"|c\""]);
    check_csv("", &[]);
    check_csv("\n \n", &[]);
}

#[test]
fn a_broken_quote_costs_one_row() {
    let never = "field 2 begins with a quote that never closes";
    check_csv("a,b\nc,\"d\ne,f\ng,h", &["1: a|b", &format!("2! {never}"), "3: e|f", "4: g|h"]);
    check_csv("c,\"d\ne,\"f\"\ng,h\n", &["1! field 2 goes on after its closing quote", "2: e|f", "3: g|h"]);
    check_csv("\"a\"b,c\nd,e", &["1! field 1 goes on after its closing quote", "2: d|e"]);
    check_csv("a,\"b", &["1! field 2 begins with a quote that never closes"]);
    check_csv(
        "a,\"b\nc,\"d\ne,\"f",
        &[
            "1! field 2 goes on after its closing quote",
            "2! field 2 goes on after its closing quote",
            &format!("3! {never}"),
        ],
    );
}

#[test]
fn rows_without_end_take_no_memory() {
    let long = vec![b'x'; 3 << 20];
    for before in [&b"a,b\n"[..], b"a,b\nc,\"d\n"] {
        let text = [before, &long, b"\ne,f\n"].concat();
        let found = records(&text, b',');
        let (last, rest) = found.split_last().unwrap();
        assert_eq!(last.1, Ok(vec!["e".to_owned(), "f".to_owned()]), "{rest:?}");
        assert!(
            rest.last().unwrap().1.as_ref().is_err_and(|fault| fault.contains("longer than")),
            "{rest:?}"
        );
    }
}

#[test]
fn separators_are_told_by_the_header() {
    for (header, delimiter) in
        [("a,b;c,d", b','), ("a;b;\"c,d,e,f\"", b';'), ("a\tb", b'\t'), ("a|b|c", b'|'), ("alone", b',')]
    {
        assert_eq!(tell_delimiter(header.as_bytes()), delimiter, "{header}");
    }
}

fn quoted(field: &str, always: bool) -> String {
    if always || field.contains(['"', ',', '\n', '\r']) || field.is_empty() {
        return format!("\"{}\"", field.replace('"', "\"\""));
    }
    field.to_owned()
}

proptest! {
    /// What was written by the rules is read as it was.
    #[test]
    fn written_csv_reads_back(rows in prop::collection::vec(prop::collection::vec("[a,\"\n\r é]{0,6}", 1..5), 0..20), always: bool, crlf: bool) {
        let ending = if crlf { "\r\n" } else { "\n" };
        let line = |row: &Vec<String>| row.iter().map(|field| quoted(field, always)).collect::<Vec<_>>().join(",") + ending;
        let text: String = rows.iter().map(line).collect();
        let found: Vec<Vec<String>> = records(text.as_bytes(), b',').into_iter().map(|(_, record)| record.unwrap()).collect();
        // A line of blanks alone is no record.
        let is_blank = |row: &Vec<String>| line(row).trim_ascii().is_empty();
        prop_assert_eq!(found, rows.iter().filter(|row| !is_blank(row)).cloned().collect::<Vec<_>>());
    }

    /// No line is lost, whatever stands in it.
    #[test]
    fn every_line_is_in_a_record_or_refused(text in "[a\",\n\r]{0,60}") {
        let mut line = 1;
        for (at, record) in records(text.as_bytes(), b',') {
            // Between two there are only blank lines.
            let passed = text.split('\n').skip(line - 1).take(usize::try_from(at).unwrap() - line);
            for blank in passed {
                prop_assert!(blank.trim_ascii().is_empty(), "{:?} in {:?}", blank, text);
            }
            let lines = record.map_or(1, |fields| 1 + fields.join("").matches('\n').count());
            line = usize::try_from(at).unwrap() + lines;
        }
        for rest in text.split('\n').skip(line - 1) {
            prop_assert!(rest.trim_ascii().is_empty(), "{:?} in {:?}", rest, text);
        }
    }
}

fn objects(text: &str) -> Vec<String> {
    let mut objects = Objects::new(BufReader::with_capacity(64, text.as_bytes())).unwrap();
    let mut record = Record::default();
    let mut found = Vec::new();
    loop {
        match objects.next(&mut record) {
            Ok(Next::End) => return found,
            Ok(Next::Record) => {
                found.push(format!("{}: {}", record.line, String::from_utf8_lossy(&record.raw)))
            }
            Ok(Next::Refused(fault)) => found.push(format!("{}! {fault}", record.line)),
            Err(error) => {
                found.push(format!("error: {error}"));
                return found;
            }
        }
    }
}

#[test]
fn objects_are_found_wherever_they_stand() {
    assert_eq!(objects("{\"a\":1}\n\n{\"b\"\nnot\n"), ["1: {\"a\":1}", "3: {\"b\"", "4: not"]);
    assert_eq!(
        objects("\n[{\"a\":\"}]\\\"{\"},\n\n{\"b\":\n[{}]} , {}]\n"),
        ["2: {\"a\":\"}]\\\"{\"}", "4: {\"b\":\n[{}]}", "5: {}"]
    );
    assert_eq!(objects("{\n\"a\": 1\n}\n{\n}"), ["1: {\n\"a\": 1\n}", "4: {\n}"]);
    assert_eq!(objects("[{},\n{\"a\":"), ["1: {}", "2! the file ends inside this object"]);
    assert_eq!(
        objects("[{}, 5]"),
        ["1: {}", "error: line 1: expected an object, found '5'; what follows cannot be read"]
    );
}

#[test]
fn types_are_told_by_all_values_and_the_name() {
    let tell = |name: &str, values: &[&str]| {
        let cell = cell::tell(name, values.iter().copied());
        let mut json = Vec::new();
        cell.write_text(values[0], None, &mut json);
        serde_json::from_slice::<Json>(&json).unwrap()
    };
    assert_eq!(tell("n", &["1", "-2.50", ""]), json!(1));
    assert_eq!(tell("n", &["1", "2,5"]), json!("1"));
    assert_eq!(tell("n", &["007"]), json!("007"));
    assert_eq!(tell("n", &["12345678901234567890"]), json!("12345678901234567890"));
    assert_eq!(tell("n", &["1e5"]), json!("1e5"));
    assert_eq!(tell("n", &["TRUE", "false"]), json!(true));
    for name in ["order_id", "CustomerID", "InvoiceNo", "zip", "Phone ", "SKU"] {
        assert_eq!(tell(name, &["1"]), json!("1"), "{name}");
    }
    for name in ["paid", "casino", "encode", "Quantity"] {
        assert_eq!(tell(name, &["1"]), json!(1), "{name}");
    }
}

/// What a row of these columns becomes.
fn shaped(mapping: &Mapping, header: &str, row: &str) -> Json {
    let columns: Vec<String> = header.split(',').map(str::to_owned).collect();
    let cells: Vec<Cell> = columns.iter().map(|name| cell::tell(name, ["1"].into_iter())).collect();
    let mut shape = Shape::new(mapping, Some(&columns), &cells).unwrap();
    let mut records = Records::new(row.as_bytes(), b',');
    let mut record = Record::default();
    records.next(&mut record).unwrap();
    let mut json = Vec::new();
    shape.write(&record, "ID", "f:2", &mut json).unwrap();
    serde_json::from_slice(&json).unwrap()
}

#[test]
fn constants_stand_in_and_a_column_may_go_to_several_fields() {
    let mut mapping = Mapping::new(Kind::Events);
    for set in ["event_type=visit", "properties.shop=north"] {
        mapping.set(set).unwrap();
    }
    for map in ["customer_id=mail", "traits.email=mail"] {
        mapping.map(map).unwrap();
    }
    assert_eq!(
        shaped(&mapping, "event_type,mail,shop", ",j@example.com,"),
        json!({"event_type": "visit", "customer_id": "j@example.com", "event_id": "ID", "properties": {"shop": "north"},
            "traits": {"email": "j@example.com"}, "context": {"import": "f:2"}})
    );
    assert_eq!(shaped(&mapping, "event_type,mail", "buy,x")["event_type"], "buy");
    let people = Mapping::new(Kind::Profiles);
    assert_eq!(
        shaped(&people, "customer_id,age,event_id", "C1,5,own"),
        json!({"customer_id": "C1", "event_id": "own", "event_type": "identify", "traits": {"age": 5}, "context": {"import": "f:2"}})
    );
    let items = Mapping::new(Kind::Catalog);
    assert_eq!(shaped(&items, "sku,name,weight", "1,2,3"), json!({"sku": "1", "name": "2", "weight": 3}));
}

/// The rows of `docs/import.md` become what it says.
#[test]
fn the_documented_example_is_true() {
    let page = include_str!("../../../../docs/import.md");
    let block = |kind: &str| {
        let from = page.find(&format!("```{kind}\n")).unwrap() + kind.len() + 4;
        page.get(from..).unwrap().split("```").next().unwrap()
    };
    let mapping = Mapping::read(Kind::Events, block("toml")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("export.csv");
    std::fs::write(&file, block("csv")).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let expected: Vec<Json> =
        serde_json::Deserializer::from_str(block("json")).into_iter().map(Result::unwrap).collect();
    let found = runtime.block_on(async move {
        let places = super::place::find(&[file.display().to_string()], None, &[]).await.unwrap();
        let cutting = super::batch::Cutting {
            mapping: std::sync::Arc::new(mapping),
            reading: super::rows::Reading::default(),
            batch_rows: 10,
            run: 0,
            done: super::batch::Reached::default(),
        };
        let work = move || {
            let file = super::prepare::prepare(&places[0], &cutting.mapping, cutting.reading).unwrap();
            let (to, mut batches) = tokio::sync::mpsc::channel(2);
            super::batch::cut(&file, &cutting, &to).unwrap();
            batches.blocking_recv().unwrap().body
        };
        tokio::task::spawn_blocking(work).await.unwrap()
    });
    let mut found: Vec<Json> = serde_json::from_slice(&found).unwrap();
    for event in &mut found {
        let object = event.as_object_mut().unwrap();
        object.remove("context");
        object.remove("event_id");
    }
    assert_eq!(found, expected);
}
