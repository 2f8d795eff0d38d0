//! How surely an automaton did something, from all that is known of it.
//!
//! In: the verdict on its user agent, what the page reported of the browser,
//! how fast its events come, and whether its address is a data centre's. Out:
//! [`Score`]: points from 0 to 100 and every reason with its share. The marks a
//! browser gives of itself can be forged one way only: no person's browser says
//! that a program drives it.

use super::bot::{Agent, Verdict};
use crate::time::{Span, Timestamp};
use crate::value::{Map, Value, get};

/// From here on an automaton is assumed.
pub const AUTOMATON_POINTS: u8 = 50;

/// A reason to assume an automaton.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Its user agent is an automaton's.
    Agent,
    /// Its user agent is no browser's and no app's.
    UnnamedAgent,
    /// Its user agent is that of a mail service's image proxy.
    MachineOpen,
    /// `navigator.webdriver` is true.
    WebDriver,
    /// Its screen has no area.
    NoScreen,
    /// It accepts no language.
    NoLanguage,
    /// It acts faster than a person can.
    Rate,
    /// Its address belongs to a data centre.
    DataCentre,
}

impl Reason {
    /// Every reason there is.
    pub const ALL: [Self; 8] = [
        Self::Agent,
        Self::UnnamedAgent,
        Self::MachineOpen,
        Self::WebDriver,
        Self::NoScreen,
        Self::NoLanguage,
        Self::Rate,
        Self::DataCentre,
    ];

    /// The reason as answers show it: never changed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::UnnamedAgent => "unnamed_agent",
            Self::MachineOpen => "machine_open",
            Self::WebDriver => "webdriver",
            Self::NoScreen => "no_screen",
            Self::NoLanguage => "no_language",
            Self::Rate => "rate",
            Self::DataCentre => "data_centre",
        }
    }

    /// Its share of the points. What proves it by itself has 100; what people
    /// have too, behind a company's network or an old browser, is not enough
    /// alone.
    pub(super) const fn points(self) -> u8 {
        match self {
            Self::Agent | Self::WebDriver => 100,
            Self::Rate => 60,
            Self::UnnamedAgent | Self::DataCentre => 40,
            Self::NoScreen => 30,
            Self::MachineOpen | Self::NoLanguage => 20,
        }
    }
}

/// How surely an automaton did it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Score {
    /// From 0, nothing speaks for an automaton, to 100.
    pub points: u8,
    /// What speaks for it, with its share.
    pub reasons: Vec<(Reason, u8)>,
}

impl Score {
    /// Whether an automaton is assumed.
    pub fn is_automaton(&self) -> bool {
        self.points >= AUTOMATON_POINTS
    }
}

/// What is known beside the event.
#[derive(Clone, Copy, Debug, Default)]
pub struct Evidence<'a> {
    /// The verdict on its user agent.
    pub agent: Option<&'a Verdict>,
    /// Whether its rate is beyond a person's: see [`Rates`].
    pub too_fast: bool,
    /// Whether its address is in a list of data centres.
    pub data_centre: bool,
}

/// Weighs all that is known. `context` is the event's: `webdriver` (or
/// `automation`) and `screen` with `width` and `height`, as the browser SDK and
/// Segment's libraries send them, and `locale` or `languages`.
pub fn score(context: &Map, evidence: Evidence<'_>) -> Score {
    let mut score = Score::default();
    let mut add = |holds: bool, reason: Reason| {
        if holds {
            score.points = score.points.saturating_add(reason.points()).min(100);
            score.reasons.push((reason, reason.points()));
        }
    };
    let agent = evidence.agent.map(|verdict| verdict.agent);
    add(agent.is_some_and(|agent| agent.is_automaton() && agent != Agent::Unnamed), Reason::Agent);
    add(agent == Some(Agent::Unnamed), Reason::UnnamedAgent);
    add(agent == Some(Agent::EmailProxy), Reason::MachineOpen);
    let driven =
        ["webdriver", "automation"].iter().any(|name| get(context, name) == Some(&Value::Bool(true)));
    add(driven, Reason::WebDriver);
    let side = |name: &str| get(context, "screen").and_then(|screen| screen.get(name)?.as_number());
    add(side("width") == Some(0.0) || side("height") == Some(0.0), Reason::NoScreen);
    let silent = |value: Option<&Value>| match value {
        Some(Value::Text(text)) => text.is_empty(),
        Some(Value::List(items)) => items.is_empty(),
        _ => false,
    };
    add(silent(get(context, "locale")) || silent(get(context, "languages")), Reason::NoLanguage);
    add(evidence.too_fast, Reason::Rate);
    add(evidence.data_centre, Reason::DataCentre);
    score
}

/// How many events each of the latest identities sent, to find rates that no
/// person reaches. Memory is bounded: of the few identities that share a place,
/// the one that goes for another is one whose window is over, else the slowest.
#[derive(Debug)]
pub struct Rates {
    window: Span,
    places: Vec<[Seen; SHARED_BY]>,
}

/// Identities that share a place.
const SHARED_BY: usize = 4;

/// One identity's window.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    identity: u64,
    start: Timestamp,
    /// 0 for nobody.
    count: u32,
}

impl Rates {
    /// Counts windows of `window`, of about `identities_max` identities.
    pub fn new(window: Span, identities_max: usize) -> Self {
        let places = identities_max.div_ceil(SHARED_BY).max(1);
        Self { window, places: vec![[Seen::default(); SHARED_BY]; places] }
    }

    /// Takes in an event of an identity, named by a hash, and tells how many it
    /// has sent in the window. A burst is judged by its own window, so that a
    /// batch sent after hours offline, whose events have their own times, is
    /// none.
    pub fn observe(&mut self, identity: u64, at: Timestamp) -> u32 {
        let window = self.window;
        let is_over = |seen: &Seen| !(Span::ZERO..window).contains(&(at - seen.start));
        let place = identity % self.places.len() as u64;
        let Some(place) = usize::try_from(place).ok().and_then(|place| self.places.get_mut(place)) else {
            return 1;
        };
        let is_own = |seen: &Seen| seen.count > 0 && seen.identity == identity;
        let found = match place.iter().position(is_own) {
            Some(own) => place.get_mut(own),
            None => place.iter_mut().min_by_key(|seen| (!is_over(seen), seen.count)),
        };
        let Some(seen) = found else { return 1 };
        if !is_own(seen) || is_over(seen) {
            *seen = Seen { identity, start: at, count: 0 };
        }
        seen.count = seen.count.saturating_add(1);
        seen.count
    }
}
