//! Whether an automaton did it: the verdict on the user agent, what the page
//! told of its browser, the rate and the network, weighed together.
//!
//! In: an event as it came and its sender. Out: [`Judgement`], whose mark stands
//! in `context.bot` of the clean event.

use std::borrow::Cow;

use super::bot::{self, Agent, Verdict};
use super::problem::{Problem, ProblemCode, excerpt};
use super::raw::RawEvent;
use super::score::{self, Evidence, Score};
use super::sender::Sender;
use super::settings::SourceSettings;
use crate::time::Timestamp;
use crate::value::{Map, Value, get, set};

/// The key in `context` under which an automaton's kind and the reasons stand.
pub const MARKED_BOT: &str = "bot";

/// The key in `context` that says a mail service fetched this, perhaps with no
/// person: not to be counted as engagement alone.
pub const MACHINE_OPEN: &str = "machine_open";

/// What is thought of who did it.
#[derive(Clone, Debug, Default)]
pub(super) struct Judgement<'a> {
    /// The kind of program, when its user agent was told.
    pub(super) agent: Option<Cow<'a, Verdict>>,
    /// What speaks for an automaton.
    pub(super) score: Score,
    /// Whether the event is to be marked as an automaton's.
    pub(super) marked: bool,
}

/// Judges who did it. `identity` names the person or the device. The person's
/// agent, which a server passes on in `context`, says more than the agent of the
/// server's own request.
///
/// # Errors
/// When an automaton did it and the source wants none of that.
pub(super) fn judge<'a>(
    raw: &RawEvent<'_>,
    identity: &str,
    at: Timestamp,
    sender: &'a Sender<'_>,
    source: &SourceSettings,
) -> Result<Judgement<'a>, Problem> {
    let passed_on = ["user_agent", "userAgent"].iter().find_map(|name| get(&raw.context, name)?.as_text());
    // An import's request is nobody's.
    let imported = get(&raw.context, super::IMPORTED).is_some();
    let own = sender.agent.as_ref().filter(|_| !imported);
    let agent = match passed_on {
        Some(text) => Some(Cow::Owned(bot::explain(text))),
        None => own.map(|(_, verdict)| Cow::Borrowed(verdict)),
    };
    if !source.filter_bots {
        return Ok(Judgement { agent, ..Judgement::default() });
    }
    // What is usual for a server says nothing against the person it speaks of.
    let doubted = passed_on.is_some() || source.drop_http_libraries;
    let usual = |verdict: &&Verdict| doubted || !matches!(verdict.agent, Agent::HttpLibrary | Agent::Unnamed);
    // A server's rate is its shop's, and it stands in a data centre itself.
    let from_browser = match &agent {
        Some(verdict) => passed_on.is_none() && verdict.agent == Agent::Human,
        // Where a person should be, not to say who asks makes nobody a server.
        None => source.drop_http_libraries && !imported,
    };
    let evidence = Evidence {
        agent: agent.as_deref().filter(usual),
        too_fast: from_browser && sender.too_fast.is_some_and(|too_fast| too_fast(identity, at)),
        data_centre: from_browser && sender.data_centre,
    };
    let score = score::score(&raw.context, evidence);
    let unnamed = evidence.agent.is_some_and(|verdict| verdict.agent == Agent::Unnamed);
    let marked = score.is_automaton() || unnamed;
    if marked && !source.mark_bots {
        let field = if passed_on.is_some() { "context.user_agent" } else { "user_agent" };
        let because = match agent.filter(|verdict| verdict.agent.is_automaton()) {
            Some(verdict) => {
                let text = passed_on.or(own.map(|(text, _)| *text)).unwrap_or_default();
                format!("{:?} is an automaton: {verdict}", excerpt(text))
            }
            None => format!("an automaton did it: {}", names(&score).join(", ")),
        };
        return Err(Problem::new(ProblemCode::Bot, field, because));
    }
    Ok(Judgement { agent, score, marked })
}

fn names(score: &Score) -> Vec<&'static str> {
    score.reasons.iter().map(|(reason, _)| reason.as_str()).collect()
}

impl Judgement<'_> {
    /// Writes what was found into the event's context.
    pub(super) fn write(&self, context: &mut Map) {
        if self.marked {
            set(context, MARKED_BOT, self.mark());
        }
        if self.agent.as_ref().is_some_and(|verdict| verdict.agent == Agent::EmailProxy) {
            set(context, MACHINE_OPEN, Value::Bool(true));
        }
    }

    /// What `context.bot` says: the kind of automaton, the rule that told it and
    /// what it saw, and every reason.
    fn mark(&self) -> Value {
        let text = |text: &str| Value::Text(text.into());
        let verdict = self.agent.as_deref().filter(|verdict| verdict.agent.is_automaton());
        // Without a name of its own it is a browser that a program drives.
        let kind = verdict.map_or(Agent::Automation, |verdict| verdict.agent);
        let mut mark = vec![("kind".into(), text(kind.as_str()))];
        if let Some(verdict) = verdict {
            mark.push(("rule".into(), text(verdict.rule.as_str())));
            mark.push(("evidence".into(), text(&verdict.evidence)));
        }
        mark.push(("points".into(), Value::Int(i64::from(self.score.points))));
        let reasons = names(&self.score).into_iter().map(text).collect();
        mark.push(("reasons".into(), Value::List(reasons)));
        Value::Map(mark)
    }
}
