//! Phrases about events, as marketers say them: `done purchase at least 3
//! times in the last 30 days`, `sum(price) of purchase this month`, `done view
//! then purchase within 2 hours`.
//!
//! In: tokens. Out: the phrase's own tree; and from that the event sets it
//! means.

use sqlparser::tokenizer::{Token, Word};

use super::calendar::Zone;
use super::clauses::{Clauses, Length, Window, column, compare, start};
use super::function::truncated;
use super::grammar::{Grammar, Parsed, is_reserved};
use super::refusal::{Note, Place, Trouble};
use super::resolve::{Outcome, Resolver, Scope};
use super::routine::Unit;
use super::syntax::{Call, Kind, Syntax};
use super::tree::{Aggregate, Comparison, Expression, Function, Type};
use super::{duration, phrase_text};
use crate::time::Span;
use crate::value::Value;

/// A phrase as it is written.
#[derive(Clone, Debug)]
pub(super) struct Phrase {
    pub(super) negated: bool,
    /// What is taken of the events; whether there are any when `None`.
    pub(super) value: Option<Call>,
    pub(super) first: Deed,
    pub(super) times: Option<(Comparison, i64)>,
    pub(super) window: Said,
    pub(super) zone: Option<Zone>,
    /// What has to follow, in order.
    pub(super) then: Vec<(Deed, Option<Span>)>,
    /// What must not follow.
    pub(super) without: Option<(Deed, Option<Span>)>,
    /// A property in which all of them agree.
    pub(super) matching: Option<String>,
    /// So many days in a row, and whether today is one of them.
    pub(super) every_day: Option<(u16, bool)>,
    /// Whether profiles younger than the window count, where that is said.
    pub(super) young: Option<bool>,
}

/// Event types and what must be true of the event.
#[derive(Clone, Debug, Default)]
pub(super) struct Deed {
    /// Any when empty.
    pub(super) types: Vec<Box<str>>,
    pub(super) filter: Option<Box<Syntax>>,
}

/// A window as it is written.
#[derive(Clone, Debug)]
pub(super) enum Said {
    Always,
    Last(Length),
    Ago(Length),
    Since(Box<Syntax>),
    Before(Box<Syntax>),
    Between(Box<Syntax>, Box<Syntax>),
    Calendar(Unit, i32),
    Days(u16),
}

impl Phrase {
    pub(super) fn new(negated: bool, value: Option<Call>) -> Self {
        Self {
            negated,
            value,
            first: Deed::default(),
            times: None,
            window: Said::Always,
            zone: None,
            then: Vec::new(),
            without: None,
            matching: None,
            every_day: None,
            young: None,
        }
    }
}

impl Resolver<'_> {
    /// The condition or value that a phrase means.
    pub(super) fn phrase(&mut self, phrase: &Phrase, place: Place) -> Outcome<Expression> {
        let window = self.window(phrase, place)?;
        let filter = self.deed(phrase, &window)?;
        let found = match (&phrase.value, phrase.every_day, phrase.times) {
            (Some(call), _, _) => {
                return self.over_group(Scope::Events(None), filter, |own| own.call(call, place));
            }
            (None, Some((days, today)), _) => every_day(phrase, filter, days, today),
            (None, None, Some((comparison, times))) => {
                compare(comparison, count(Function::Count, None, filter), number(times))
            }
            (None, None, None) => Expression::Exists(Box::new(filter)),
        };
        if !phrase.negated {
            return Ok(found);
        }
        let not = Expression::Not(Box::new(found));
        let Window::Last(length) = &window else { return Ok(not) };
        match phrase.young {
            Some(false) => {
                let old = Expression::Attribute("first_seen".into());
                Ok(Expression::all([not, compare(Comparison::LessOrEqual, old, length.ago())]))
            }
            Some(true) => Ok(not),
            None => {
                let message = "profiles younger than the window count too: they have not done it either; write \
                               EXCLUDING NEW PROFILES to leave them out, or INCLUDING NEW PROFILES to say so";
                self.notes.push(Note { line: place.line, column: place.column, message: message.to_owned() });
                Ok(not)
            }
        }
    }

    fn window(&mut self, phrase: &Phrase, place: Place) -> Outcome<Window> {
        let zone = phrase.zone.clone();
        Ok(match &phrase.window {
            Said::Always => Window::Always,
            Said::Last(length) => Window::Last(*length),
            Said::Ago(length) => Window::Ago(*length),
            Said::Since(instant) => Window::Since(self.instant_said(instant)?),
            Said::Before(instant) => Window::Before(self.instant_said(instant)?),
            Said::Between(low, high) => Window::Between(self.instant_said(low)?, self.instant_said(high)?),
            Said::Calendar(unit, offset) => Window::Calendar(*unit, *offset, zone),
            Said::Days(0) => return Err(Trouble::at(place, "at least one day is needed")),
            Said::Days(1) => Window::Calendar(Unit::Day, -1, zone),
            Said::Days(days) => Window::Days(*days, zone),
        })
    }

    fn instant_said(&mut self, syntax: &Syntax) -> Outcome<Expression> {
        let instant = self.plain(syntax)?;
        match instant {
            Expression::Literal(Value::Text(text)) => {
                Ok(Expression::Literal(duration::instant(&text, syntax.place)?))
            }
            other if matches!(other.type_of(), Type::Time | Type::Unknown) => Ok(other),
            _ => Err(Trouble::at(syntax.place, "an instant was expected here")),
        }
    }

    /// Which events are meant: of the types, in the window, with what follows.
    fn deed(&mut self, phrase: &Phrase, window: &Window) -> Outcome<Expression> {
        self.scopes.push(Scope::Events(None));
        let outside = self.grouped.take();
        let rest = self.filter(&phrase.first).and_then(|mut rest| {
            rest.extend(self.follows(phrase, &phrase.then)?);
            Ok(rest)
        });
        self.grouped = outside;
        self.scopes.pop();
        let (types, window) = (phrase.first.types.clone(), window.clone());
        Ok(Clauses { types, window, rest: rest? }.filter())
    }

    fn filter(&mut self, deed: &Deed) -> Outcome<Vec<Expression>> {
        let filter = deed.filter.as_ref().map(|filter| self.truth(filter)).transpose()?;
        Ok(filter.into_iter().collect())
    }

    /// What must and must not come after the event of the innermost set.
    fn follows(&mut self, phrase: &Phrase, then: &[(Deed, Option<Span>)]) -> Outcome<Vec<Expression>> {
        let time = |depth| column("timestamp", depth);
        let later = |span| Expression::Shift(Box::new(time(1)), span);
        if let Some(((deed, within), rest)) = then.split_first() {
            let mut bounds = vec![compare(Comparison::Greater, time(0), time(1))];
            bounds.extend(within.map(|span| compare(Comparison::LessOrEqual, time(0), later(span))));
            let set = self.following(phrase, deed, bounds, rest)?;
            return Ok(vec![Expression::Exists(Box::new(set))]);
        }
        let Some((deed, within)) = &phrase.without else { return Ok(Vec::new()) };
        let mut bounds = vec![compare(Comparison::GreaterOrEqual, time(0), time(1))];
        bounds.extend(within.map(|span| compare(Comparison::Less, time(0), later(span))));
        let last = Phrase { without: None, ..phrase.clone() };
        let set = self.following(&last, deed, bounds, &[])?;
        let over = within.map(|span| compare(Comparison::LessOrEqual, time(0), Length::Fixed(span).ago()));
        let not = Expression::Not(Box::new(Expression::Exists(Box::new(set))));
        Ok(over.into_iter().chain([not]).collect())
    }

    fn following(
        &mut self,
        phrase: &Phrase,
        deed: &Deed,
        mut rest: Vec<Expression>,
        then: &[(Deed, Option<Span>)],
    ) -> Outcome<Expression> {
        if let Some(name) = &phrase.matching {
            rest.push(compare(Comparison::Equal, column(name, 0), column(name, 1)));
        }
        self.scopes.push(Scope::Events(None));
        let more = self.filter(deed).and_then(|mut filter| {
            filter.extend(self.follows(phrase, then)?);
            Ok(filter)
        });
        self.scopes.pop();
        rest.extend(more?);
        Ok(Clauses { types: deed.types.clone(), window: Window::Always, rest }.filter())
    }
}

fn number(count: i64) -> Expression {
    Expression::Literal(Value::Int(count))
}

fn count(function: Function, argument: Option<Expression>, filter: Expression) -> Expression {
    Expression::Aggregate(Box::new(Aggregate { function, argument, filter }))
}

/// On each of so many days in a row, which end yesterday or today.
fn every_day(phrase: &Phrase, filter: Expression, days: u16, today: bool) -> Expression {
    let zone = phrase.zone.as_ref();
    let time = || column("timestamp", 0);
    let first = -i32::from(days) + i32::from(today);
    let mut bounds = vec![compare(Comparison::GreaterOrEqual, time(), start(Unit::Day, first, zone))];
    if !today {
        bounds.push(compare(Comparison::Less, time(), start(Unit::Day, 0, zone)));
    }
    let mut parts = filter.conjuncts().to_vec();
    let types = usize::from(!phrase.first.types.is_empty());
    parts.splice(types..types, bounds);
    let shown = match zone {
        Some(zone) => Expression::ToWall(Box::new(time()), zone.clone()),
        None => time(),
    };
    let day = truncated(Unit::Day, shown);
    compare(
        Comparison::Equal,
        count(Function::CountDistinct, Some(day), Expression::all(parts)),
        number(i64::from(days)),
    )
}

impl Grammar {
    /// Whether a phrase follows the word `done`, which is a name elsewhere.
    pub(super) fn begins_phrase(&self, at: usize) -> bool {
        match self.tokens.peek_at(at) {
            Some(Token::SingleQuotedString(_)) => true,
            Some(Token::Word(Word { quote_style: Some(_), .. })) => true,
            Some(Token::Word(word)) => {
                let lower = word.value.to_ascii_lowercase();
                let any =
                    lower == "any" && ["event", "of"].iter().any(|word| self.tokens.is_word_at(at + 1, word));
                any || !is_reserved(&lower)
            }
            _ => false,
        }
    }

    /// `done …`, `has done …`, `has not done …`; the first word is the next.
    pub(super) fn done(&mut self, negated: bool, place: Place) -> Parsed<Syntax> {
        let mut phrase = Phrase::new(negated, None);
        if self.tokens.take_word("has") {
            phrase.negated ^= self.tokens.take_word("not");
        }
        self.tokens.expect_word("done")?;
        self.phrase_of(phrase, place)
    }

    /// `sum(x) of …`, after the call.
    pub(super) fn value_of(&mut self, call: Call, place: Place) -> Parsed<Syntax> {
        self.tokens.expect_word("of")?;
        self.phrase_of(Phrase::new(false, Some(call)), place)
    }

    fn phrase_of(&mut self, phrase: Phrase, place: Place) -> Parsed<Syntax> {
        let phrase = self.deeper(|own| phrase_text::read(own, phrase))?;
        Ok(Syntax { kind: Kind::Phrase(Box::new(phrase)), place })
    }
}
