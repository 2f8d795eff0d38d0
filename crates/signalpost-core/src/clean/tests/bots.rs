//! The kinds of user agents, on 6,531 labelled ones.

use std::collections::BTreeMap;
use std::io::Read;

use super::shared;
use crate::clean::bot::{Agent, Rule, classify, explain, prepare};
use proptest::prelude::*;

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
    let automaton =
        [Agent::Crawler, Agent::Automation, Agent::Unnamed, Agent::HttpLibrary, Agent::LinkScanner];
    let person = [Agent::Human, Agent::App, Agent::EmailClient];
    for label in ["bot", "foreign-bot", "http-library", "human", "app", "email-client"] {
        println!("{label:>24} held for automatons: {:.2} %", 100.0 * share(label, &automaton));
    }
    let found = |label: &str, least: f64| {
        let got = share(label, &automaton);
        assert!(got >= least, "{label}: {got} found, at least {least} expected");
    };
    // Of isbot's own fixtures some are apps, feed readers and made-up browsers;
    // all bots together are what counts.
    found("bot", 0.96);
    found("foreign-bot", 0.985);
    let bots: Vec<&String> = table
        .iter()
        .filter(|((label, kind), _)| {
            label.ends_with("bot") && automaton.iter().any(|agent| format!("{agent:?}") == *kind)
        })
        .flat_map(|(_, agents)| agents)
        .collect();
    let all = table.iter().filter(|((label, _), _)| label.ends_with("bot")).map(|(_, agents)| agents.len());
    let of_all = bots.len() as f64 / all.sum::<usize>() as f64;
    println!("{:>24} held for automatons: {:.2} %", "all bots", 100.0 * of_all);
    assert!(of_all >= 0.985, "all bots: {of_all}");
    found("http-library", 0.95);
    assert!(share("human", &automaton) <= 0.005, "people wrongly marked: {}", share("human", &automaton));
    assert!(share("app", &person) >= 1.0, "apps kept: {}", share("app", &person));
    assert!(share("email-client", &person) >= 1.0);
    assert!(share("email-proxy", &[Agent::EmailProxy]) >= 1.0);
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
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", Agent::Crawler),
        ("MyShop-Backend/1.0", Agent::Unnamed),
        ("curl/8.5.0", Agent::HttpLibrary),
        ("python-requests/2.31.0", Agent::HttpLibrary),
        ("", Agent::Human),
    ] {
        assert_eq!(classify(agent), kind, "{agent}");
    }
}

#[test]
fn agents_of_kinds_never_seen_are_told_too() {
    const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)";
    let with = |rest: &str| format!("{BROWSER} {rest}");
    for (agent, kind) in [
        ("FrobnicatorBot/3.1 (+https://frob.example/bot)".to_owned(), Agent::Crawler),
        ("Mozilla/5.0 (compatible; Frobnicator/2.0; info@frob.example)".to_owned(), Agent::Crawler),
        ("Mozilla/5.0 (compatible; Frobnicator)".to_owned(), Agent::Crawler),
        ("frob-link-checker 1.0 (https://frob.example)".to_owned(), Agent::Crawler),
        (with("HeadlessChrome/150.0.0.0 Safari/537.36"), Agent::Automation),
        (with("Chrome/150.0.0.0 Safari/537.36 Playwright/2.1"), Agent::Automation),
        (with("Frob/1.2 Chrome/150.0.0.0 Electron/44.1.0 Safari/537.36"), Agent::Human),
        ("Frob/88 CFNetwork/3826.600.41 Darwin/26.6.0".to_owned(), Agent::App),
        ("com.frob.shop/4.4.1 (Android 17; Pixel 12)".to_owned(), Agent::App),
        ("FrobShop/4.4.1 (iPhone; iOS 19.1; Scale/3.00)".to_owned(), Agent::App),
        ("Frob Radio 4".to_owned(), Agent::App),
        ("Mozilla/5.0 (Linux; Android 9; XBOT 3000) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/99.0.1.1 Mobile Safari/537.36".to_owned(), Agent::Human),
        ("FrobMail Image Proxy/1.0".to_owned(), Agent::EmailProxy),
        ("ZohoMail ImageProxy".to_owned(), Agent::EmailProxy),
        ("Mimecast URL Protection/2".to_owned(), Agent::LinkScanner),
        ("Proofpoint-URL-Defense/1.0".to_owned(), Agent::LinkScanner),
        ("Thunderbird/140.0 (X11)".to_owned(), Agent::EmailClient),
        ("okhttp/5.1.0".to_owned(), Agent::HttpLibrary),
    ] {
        assert_eq!(classify(&agent), kind, "{agent}: {}", explain(&agent));
    }
}

#[test]
fn a_verdict_says_why() {
    let verdict = explain("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)");
    assert_eq!((verdict.agent, verdict.rule), (Agent::Crawler, Rule::SaysSo));
    assert!(verdict.evidence.to_lowercase().contains("bot"), "{verdict}");
    assert_eq!(verdict.to_string(), format!("it calls itself an automaton ({:?})", verdict.evidence));
}

proptest! {
    #[test]
    fn no_agent_makes_it_panic(agent in "\\PC{0,120}", near in "(Mozilla/5.0 )?[a-zA-Z0-9/;:+. ()_-]{0,80}") {
        for agent in [agent, near] {
            let verdict = explain(&agent);
            prop_assert_eq!(verdict.agent, classify(&agent));
            prop_assert_eq!(verdict.agent, classify(&format!("  {agent}\n")));
        }
    }
}
