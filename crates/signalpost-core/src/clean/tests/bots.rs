//! The kinds of user agents, on 6,531 labelled ones.

use std::collections::BTreeMap;
use std::io::Read;

use super::shared;
use crate::clean::bot::{Agent, classify, prepare};

/// Label and text; a bot that isbot's own fixtures do not have is labelled
/// `foreign-bot`, since a list does too well on what it was made from.
fn labelled() -> Option<Vec<(String, String)>> {
    let packed = std::fs::read(shared("user-agents/user_agents.jsonl.gz")?).unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(&packed[..]).read_to_string(&mut text).unwrap();
    let line = |line: &str| {
        let json: serde_json::Value = serde_json::from_str(line).unwrap();
        let own = json["sources"]
            .as_array()
            .unwrap()
            .iter()
            .any(|source| source.as_str().unwrap().contains("isbot"));
        let label = match json["label"].as_str().unwrap() {
            "bot" if !own => "foreign-bot",
            label => label,
        };
        (label.to_owned(), json["ua"].as_str().unwrap().to_owned())
    };
    Some(text.lines().map(line).collect())
}

#[test]
fn the_labelled_agents_are_told_apart() {
    let Some(agents) = labelled() else { return };
    let mut table: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for (label, agent) in agents {
        table.entry((label, format!("{:?}", classify(&agent)))).or_default().push(agent);
    }
    for ((label, kind), agents) in &table {
        println!("{label:>24} {kind:>12} {:>5}", agents.len());
    }
    let share = |label: &str, kinds: &[Agent]| {
        let of = |kind: &str| table.get(&(label.to_owned(), kind.to_owned())).map_or(0, Vec::len);
        let all: usize = table.iter().filter(|((l, _), _)| l == label).map(|(_, agents)| agents.len()).sum();
        let hit: usize = kinds.iter().map(|kind| of(&format!("{kind:?}"))).sum();
        hit as f64 / all as f64
    };
    let automaton = [Agent::Bot, Agent::HttpLibrary, Agent::LinkScanner];
    let person = [Agent::Human, Agent::App, Agent::EmailClient];
    assert!(share("bot", &automaton) >= 0.97, "bots found: {}", share("bot", &automaton));
    assert!(share("foreign-bot", &automaton) >= 0.95, "foreign bots: {}", share("foreign-bot", &automaton));
    assert!(share("human", &person) >= 0.995, "people kept: {}", share("human", &person));
    assert!(share("app", &person) >= 0.84, "apps kept: {}", share("app", &person));
    assert!(share("http-library", &automaton) >= 0.95);
    assert!(share("email-proxy", &[Agent::EmailProxy]) >= 1.0);
    assert!(share("email-client", &person) >= 0.95);
    assert!(share("link-scanner", &[Agent::LinkScanner]) >= 1.0);
}

#[test]
fn one_agent_of_each_kind() {
    assert!(prepare());
    for (agent, kind) in [
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
            Agent::Human,
        ),
        (
            "Mozilla/5.0 (Linux; Android 10; CUBOT X30) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Mobile Safari/537.36",
            Agent::Human,
        ),
        ("MyShop/3.2.1 (iPhone; iOS 17.5; Scale/3.00)", Agent::App),
        ("MyShop/12 CFNetwork/1325.0.1 Darwin/21.1.0", Agent::App),
        ("Mozilla/5.0 (Windows NT 10.0; rv:115.0) Gecko/20100101 Thunderbird/115.3.1", Agent::EmailClient),
        (
            "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
            Agent::EmailProxy,
        ),
        ("Mozilla/5.0", Agent::EmailProxy),
        ("BarracudaSentinel/1.0", Agent::LinkScanner),
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", Agent::Bot),
        ("MyShop-Backend/1.0", Agent::Bot),
        ("curl/8.5.0", Agent::HttpLibrary),
        ("python-requests/2.31.0", Agent::HttpLibrary),
        ("", Agent::Human),
    ] {
        assert_eq!(classify(agent), kind, "{agent}");
    }
}
