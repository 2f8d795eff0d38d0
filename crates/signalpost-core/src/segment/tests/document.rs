//! The examples of `docs/segments.md`: read, and held to what the page says.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::timeline::at;
use crate::event::Event;
use crate::id::{CustomerId, ProfileKey};
use crate::profile::{Moment, Profile};
use crate::program::{Change, Defined, Program};
use crate::segment::{Schema, Statement, parse, parse_builder, parse_ranked};
use crate::step::refold;
use crate::time::Timestamp;
use crate::value::{Map, Value};

/// A fenced block: its language, its text, its line.
struct Block {
    language: String,
    text: String,
    line: usize,
}

fn blocks() -> Vec<Block> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/segments.md");
    let page = std::fs::read_to_string(path).expect("docs/segments.md");
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (line, text) in page.lines().enumerate() {
        match (&mut open, text.strip_prefix("```")) {
            (None, Some(language)) => {
                open = Some(Block { language: language.to_owned(), text: String::new(), line: line + 1 });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(block), None) => {
                block.text.push_str(text);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block is not closed");
    blocks
}

type People = BTreeMap<String, Vec<(Moment, Event)>>;

fn people(text: &str) -> People {
    let mut people = People::new();
    for (sequence, line) in (1..).zip(text.lines()) {
        let json: Json = serde_json::from_str(line).expect(line);
        let person = json["person"].as_str().expect("a person").to_owned();
        let timestamp = at(json["at"].as_str().expect("an instant"));
        let map = |name: &str| match Value::from(json[name].clone()) {
            Value::Map(map) => map,
            _ => Map::new(),
        };
        let event = Event {
            event_id: format!("e{sequence}").as_str().into(),
            event_type: json["event_type"].as_str().expect("a type").into(),
            customer_id: Some(CustomerId::from(person.as_str())),
            anonymous_id: None,
            timestamp,
            received_at: timestamp,
            product_id: json["product_id"].as_str().map(Into::into),
            properties: map("properties"),
            traits: map("traits"),
            context: Map::new(),
            source: "docs".into(),
        };
        people.entry(person).or_default().push((Moment { timestamp, sequence }, event));
    }
    people
}

fn names(people: &People, of: impl Fn(&Event) -> &Map) -> Vec<Box<str>> {
    let events = people.values().flatten();
    let mut names: Vec<Box<str>> =
        events.flat_map(|(_, event)| of(event).iter().map(|(name, _)| name.clone())).collect();
    names.sort();
    names.dedup();
    names
}

/// Who is in the segment at an instant.
fn members(people: &People, program: &Program, name: &str, now: Timestamp) -> Vec<String> {
    let id = program.segment(name).expect(name).id;
    let mut members = Vec::new();
    for (person, timeline) in people {
        let known = timeline.iter().filter(|(moment, _)| moment.timestamp <= now).cloned();
        let known: Vec<_> = known.collect();
        if known.is_empty() {
            continue;
        }
        let mut profile = Profile::new(ProfileKey::Customer(CustomerId::from(person.as_str())));
        refold(&mut profile, program, known, now, &mut Vec::new());
        if profile.is_member(id) {
            members.push(person.clone());
        }
    }
    members
}

/// Holds a refusal to the words that the page has for it.
fn is_refused(block: &Block) {
    let mut lines = block.text.lines();
    let text = lines.next().expect("a text");
    let refusal = parse(text, &Schema::default()).expect_err(text).to_string();
    for said in lines {
        let said = said.trim_start_matches("-- ");
        assert!(refusal.contains(said), "line {}: {said}\n{refusal}", block.line);
    }
}

#[test]
fn the_examples_of_the_page_are_true() {
    let blocks = blocks();
    let people = people(&blocks.iter().find(|block| block.language == "people").expect("people").text);
    let (traits, properties) =
        (names(&people, |event| &event.traits), names(&people, |event| &event.properties));
    let mut schema = Schema::default();
    traits.iter().for_each(|name| schema.add_trait(name));
    properties.iter().for_each(|name| schema.add_property(name));
    let mut program = Program::default();
    let mut last: Option<(String, Statement)> = None;
    let (mut read, mut told) = (0, 0);
    for block in &blocks {
        let line = block.line;
        match block.language.as_str() {
            "segment" => {
                let text = block.text.trim();
                let statement =
                    parse(text, &schema).unwrap_or_else(|refusal| panic!("line {line}: {refusal}"));
                let what = match &statement {
                    Statement::Segment(definition) => {
                        let name = definition
                            .name
                            .as_ref()
                            .map_or_else(|| format!("line {line}"), |name| name.as_str().to_owned());
                        assert!(
                            program.check(&name, definition).expect("no circle").is_empty(),
                            "line {line}"
                        );
                        last = Some((name.clone(), statement.clone()));
                        Defined::Segment {
                            name: name.as_str().into(),
                            version: 1,
                            text: text.to_owned(),
                            traits: traits.clone(),
                            properties: properties.clone(),
                        }
                    }
                    Statement::Sequence(_) => Defined::Sequence { text: text.to_owned() },
                };
                program.apply(&Change { at: at("2026-01-01T00:00:00Z"), what }).expect(text);
                read += 1;
            }
            "members" => {
                let (name, _) = last.as_ref().expect("a segment before its members");
                for said in block.text.lines() {
                    let (instant, names) = said.split_once("Z: ").expect(said);
                    let expected: Vec<&str> = names.split(", ").filter(|name| *name != "nobody").collect();
                    let found = members(&people, &program, name, at(&format!("{instant}Z")));
                    assert_eq!(found, expected, "{name} at {instant}, line {line}");
                    told += 1;
                }
            }
            "builder" => {
                let json: Json = serde_json::from_str(&block.text).expect("JSON");
                let (_, statement) = last.as_ref().expect("a segment before its blocks");
                assert_eq!(statement.to_builder(), json, "line {line}");
                let again = parse_builder(&json, &schema).map(|(statement, _)| statement);
                assert_eq!(again.as_ref(), Ok(statement), "line {line}");
            }
            "refused" => is_refused(block),
            "refreshed" if block.text.starts_with("IF") => {
                let ranked = parse_ranked(block.text.trim(), &schema).expect("a rank");
                ranked.unwrap_or_else(|refusal| panic!("line {line}: {refusal}"));
            }
            // The others are held to what the page says by the whole program.
            "people" | "refreshed" | "found" | "query" | "answer" | "console" | "" => {}
            other => panic!("line {line}: a block of {other}"),
        }
    }
    assert!(read >= 40 && told >= 60, "{read} examples, {told} instants");
}
