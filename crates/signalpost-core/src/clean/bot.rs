//! What kind of program a user agent belongs to, and why that is believed.
//!
//! In: the text of a `User-Agent`. Out: [`Verdict`]: an [`Agent`], the [`Rule`]
//! that told it and the part of the text the rule saw. The order of the
//! questions is the order of their certainty: what serves mail, what calls
//! itself a library or an automaton, what has the marks of a native app or a
//! phone, and only then words and shapes that automatons merely prefer.

mod rules;

use std::borrow::Cow;
use std::cell::RefCell;

use rules::Pattern;
use xxhash_rust::xxh3::xxh3_64;

/// What kind of program made a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Agent {
    /// A browser, or nothing that says otherwise.
    Human,
    /// A native app: a person.
    App,
    /// A mail program: a person who reads.
    EmailClient,
    /// Fetches images for a mail service, perhaps with no person: an open is
    /// to be flagged, not counted as engagement alone.
    EmailProxy,
    /// Follows links in mail before the reader does: never a click.
    LinkScanner,
    /// A crawler, monitor, previewer or other automaton that names itself.
    Crawler,
    /// A tool that drives a browser with no person before it.
    Automation,
    /// A library programs make requests with, such as curl.
    HttpLibrary,
    /// The text has the shape of no browser and no app. That is reason enough
    /// to doubt a visitor, but not a server that sends events with a key.
    Unnamed,
}

impl Agent {
    /// Every kind there is.
    pub const ALL: [Self; 9] = [
        Self::Human,
        Self::App,
        Self::EmailClient,
        Self::EmailProxy,
        Self::LinkScanner,
        Self::Crawler,
        Self::Automation,
        Self::HttpLibrary,
        Self::Unnamed,
    ];

    /// The kind as events and answers show it: never changed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Human => "person",
            Self::App => "native_app",
            Self::EmailClient => "email_client",
            Self::EmailProxy => "email_proxy",
            Self::LinkScanner => "link_scanner",
            Self::Crawler => "crawler",
            Self::Automation => "automation",
            Self::HttpLibrary => "http_library",
            Self::Unnamed => "unnamed",
        }
    }

    /// Whether no person is behind it.
    pub const fn is_automaton(self) -> bool {
        matches!(
            self,
            Self::LinkScanner | Self::Crawler | Self::Automation | Self::HttpLibrary | Self::Unnamed
        )
    }
}

/// How a kind was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// Nothing speaks against a browser.
    Browser,
    /// It names a kind of program.
    Name,
    /// It has the marks of a native app: its system, network layer or package.
    AppMark,
    /// It is called as apps are.
    AppName,
    /// It has the marks of a phone's or console's own browser.
    Phone,
    /// It calls itself an automaton.
    SaysSo,
    /// It has a word that automatons prefer, such as an address to write to.
    Hint,
    /// It says `compatible;` and then names no browser.
    CompatibleWithNone,
    /// It calls itself Mozilla and has no browser's engine.
    NoEngine,
    /// It has the shape of no browser.
    Shape,
}

impl Rule {
    /// The rule as events and answers show it: never changed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Browser => "browser",
            Self::Name => "name",
            Self::AppMark => "app_mark",
            Self::AppName => "app_name",
            Self::Phone => "phone",
            Self::SaysSo => "says_so",
            Self::Hint => "hint",
            Self::CompatibleWithNone => "compatible_with_none",
            Self::NoEngine => "no_engine",
            Self::Shape => "shape",
        }
    }
}

/// A kind of program, and why it is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The kind.
    pub agent: Agent,
    /// How it was told.
    pub rule: Rule,
    /// What in the text told it; empty where nothing did.
    pub evidence: Box<str>,
}

impl Verdict {
    fn new(agent: Agent, rule: Rule, evidence: &[u8]) -> Self {
        const EVIDENCE_BYTES_MAX: usize = 60;
        let evidence = evidence.get(..EVIDENCE_BYTES_MAX).unwrap_or(evidence);
        Self { agent, rule, evidence: String::from_utf8_lossy(evidence).trim().into() }
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let of = |f: &mut std::fmt::Formatter<'_>, why: &str| write!(f, "{why} ({:?})", self.evidence);
        match self.rule {
            Rule::Browser => f.write_str("nothing speaks against a browser"),
            Rule::Name => of(f, "it names itself"),
            Rule::AppMark => of(f, "it has the marks of a native app"),
            Rule::AppName => of(f, "it is called as apps are"),
            Rule::Phone => of(f, "it has the marks of a phone's own browser"),
            Rule::SaysSo => of(f, "it calls itself an automaton"),
            Rule::Hint => of(f, "it has a word that automatons prefer"),
            Rule::CompatibleWithNone => f.write_str("it is compatible with no known browser"),
            Rule::NoEngine => f.write_str("it calls itself Mozilla and has no browser's engine"),
            Rule::Shape => f.write_str("it has the shape of no browser"),
        }
    }
}

/// Compiles the patterns, which takes a tenth of a second and else falls to the
/// first event. `false` when one is wrong, which a test rules out.
pub fn prepare() -> bool {
    rules::ALL.iter().all(|pattern| pattern.is_sound())
}

/// An agent's text and what was thought of it.
type Judged = (Box<[u8]>, Verdict);

/// Agents remembered on each thread.
const RECENT_MAX: usize = 256;

thread_local! {
    /// Agents judged lately on this thread, each in the place of its hash: few
    /// browsers make most of the traffic, and a server passes on those of many.
    static RECENT: RefCell<Vec<Option<Judged>>> = RefCell::new(vec![None; RECENT_MAX]);
}

/// The kind of program `user_agent` belongs to.
pub fn classify(user_agent: &str) -> Agent {
    with_verdict(user_agent, |verdict| verdict.agent)
}

/// The kind of program `user_agent` belongs to, and why.
pub fn explain(user_agent: &str) -> Verdict {
    with_verdict(user_agent, Verdict::clone)
}

fn with_verdict<T>(user_agent: &str, take: impl FnOnce(&Verdict) -> T) -> T {
    let given = trimmed(user_agent);
    RECENT.with_borrow_mut(|recent| {
        let place = usize::try_from(xxh3_64(given)).unwrap_or(0) % RECENT_MAX;
        match recent.get_mut(place) {
            Some(Some((text, verdict))) if **text == *given => take(verdict),
            Some(place) => take(&place.insert((given.into(), judge(given))).1),
            None => take(&judge(given)),
        }
    })
}

fn judge(given: &[u8]) -> Verdict {
    let start = given.get(..5).unwrap_or_default();
    let is_mozilla = start.eq_ignore_ascii_case(b"mozil");
    let browser = is_mozilla || start.eq_ignore_ascii_case(b"opera");
    if browser && !rules::ANY.is_in(given) {
        return without_engine(given, is_mozilla)
            .unwrap_or_else(|| Verdict::new(Agent::Human, Rule::Browser, b""));
    }
    let masked = mask(given);
    // Mail's own programs and driven browsers are few: one look tells whether
    // to ask for each of them.
    let rare = rules::RARE.is_in(given);
    let if_rare = |pattern, text, agent| if rare { found(pattern, text, agent, Rule::Name) } else { None };
    if_rare(&rules::EMAIL_PROXY, given, Agent::EmailProxy)
        .or_else(|| if_rare(&rules::LINK_SCANNER, given, Agent::LinkScanner))
        .or_else(|| found(&rules::HTTP_LIBRARY, given, Agent::HttpLibrary, Rule::Name))
        .or_else(|| if_rare(&rules::AUTOMATION, &masked, Agent::Automation))
        .or_else(|| {
            let desktop = browser && rules::DESKTOP_APP.is_in(given) && !rules::EMAIL_CLIENT.is_in(given);
            desktop.then(|| Verdict::new(Agent::App, Rule::AppMark, b"Electron"))
        })
        .or_else(|| found(&rules::NAMED, &masked, Agent::Crawler, Rule::SaysSo))
        .or_else(|| if_rare(&rules::EMAIL_CLIENT, given, Agent::EmailClient))
        .or_else(|| if browser { of_browser(given, &masked) } else { of_other(given, &masked) })
        .or_else(|| without_engine(given, is_mozilla))
        .or_else(|| found(&rules::UNNAMED, &masked, Agent::Unnamed, Rule::Shape))
        .unwrap_or_else(|| Verdict::new(Agent::Human, Rule::Browser, b""))
}

fn found(pattern: &Pattern, text: &[u8], agent: Agent, rule: Rule) -> Option<Verdict> {
    pattern.find(text).map(|evidence| Verdict::new(agent, rule, evidence))
}

/// What speaks for an app or an automaton in the agent of a browser.
fn of_browser(given: &[u8], masked: &[u8]) -> Option<Verdict> {
    found(&rules::WEB_VIEW, given, Agent::App, Rule::AppMark).or_else(|| {
        // Apps add words of theirs to the agent of the web view they show.
        let in_hand = rules::HAND_HELD.is_in(given) && !rules::CONTACT.is_in(masked);
        if in_hand { None } else { found(&rules::HINT, masked, Agent::Crawler, Rule::Hint) }
    })
}

/// What speaks for a phone, an app or an automaton in any other agent.
fn of_other(given: &[u8], masked: &[u8]) -> Option<Verdict> {
    compatible_with_none(given)
        .or_else(|| found(&rules::PHONE, given, Agent::Human, Rule::Phone))
        .or_else(|| found(&rules::APP, given, Agent::App, Rule::AppMark))
        .or_else(|| {
            // Who leaves an address or does a machine's work is no app,
            // whatever it is called.
            let serves = contains(given, b"+http") || rules::CHORE.is_in(given);
            let bare = rules::ADDRESS.blank(given);
            if serves { None } else { found(&rules::APP_NAME, &bare, Agent::App, Rule::AppName) }
        })
        .or_else(|| found(&rules::HINT, masked, Agent::Crawler, Rule::Hint))
}

/// Who says Mozilla but has no engine, or is compatible with no browser.
fn without_engine(given: &[u8], is_mozilla: bool) -> Option<Verdict> {
    if !is_mozilla {
        return None;
    }
    compatible_with_none(given).or_else(|| {
        if rules::ENGINE.is_in(given) {
            return None;
        }
        let app = rules::APP_NAME.find(given).map(|name| Verdict::new(Agent::App, Rule::AppName, name));
        app.or_else(|| Some(Verdict::new(Agent::Unnamed, Rule::NoEngine, b"")))
    })
}

fn compatible_with_none(given: &[u8]) -> Option<Verdict> {
    let none = contains(given, b"(compatible") && !rules::COMPATIBLE_BROWSER.is_in(given);
    none.then(|| Verdict::new(Agent::Crawler, Rule::CompatibleWithNone, b""))
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part))
}

/// Whether an agent is held for an automaton only because it has the shape of
/// no browser: `MyShop-Backend/1.0`.
pub fn is_unnamed(user_agent: &str) -> bool {
    classify(user_agent) == Agent::Unnamed
}

/// The part that is judged: no real agent is longer.
fn trimmed(user_agent: &str) -> &[u8] {
    const BYTES_MAX: usize = 1_024;
    let bytes = user_agent.trim().as_bytes();
    bytes.get(..BYTES_MAX).unwrap_or(bytes)
}

/// The text without what looks like an automaton's name by chance: the model of
/// a device (`Android 7.0; M bot 54`), and the products of [`rules::MASK`].
fn mask(text: &[u8]) -> Cow<'_, [u8]> {
    match device(text) {
        Some((start, end)) => {
            let mut kept = text.get(..start).unwrap_or_default().to_vec();
            kept.extend_from_slice(text.get(end..).unwrap_or_default());
            Cow::Owned(rules::MASK.blank(&kept).into_owned())
        }
        None => rules::MASK.blank(text),
    }
}

/// Where the first comment names an Android device, unless it says more.
fn device(text: &[u8]) -> Option<(usize, usize)> {
    let open = text.iter().position(|byte| *byte == b'(')?;
    let mut depth = 0_usize;
    let mut end = text.len();
    for (place, byte) in text.iter().enumerate().skip(open) {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            end = place;
            break;
        }
    }
    let comment = text.get(open..end)?;
    let says_more =
        [&b"http"[..], b"compatible", b"@", b"crawl", b"spider/", b"screenshot", b"bot/", b"bot-", b" wpm"]
            .iter()
            .any(|word| contains(comment, word));
    let at = comment.windows(8).position(|window| window.eq_ignore_ascii_case(b"android "))?;
    (!says_more).then_some((open + at, end))
}
