//! From tokens to a phrase about events: what may follow `done`, in any order.

use sqlparser::tokenizer::{Token, Word};

use super::clauses::Length;
use super::duration;
use super::grammar::{Grammar, Parsed, boxed};
use super::phrase::{Deed, Phrase, Said};
use super::refusal::Trouble;
use super::routine::Unit;
use super::syntax::{Kind, Syntax};
use super::tree::Comparison;
use crate::time::Span;

/// Most events in a row that a phrase may ask for.
const STEPS_MAX: usize = 8;
/// Most days in a row.
const DAYS_MAX: u16 = 366;

/// Reads the events and everything said of them.
pub(super) fn read(grammar: &mut Grammar, mut phrase: Phrase) -> Parsed<Phrase> {
    phrase.first = deed(grammar, phrase.value.is_some())?;
    loop {
        let place = grammar.tokens.place();
        if follow(grammar, &mut phrase)? || window(grammar, &mut phrase)? || option(grammar, &mut phrase)? {
            continue;
        }
        if phrase.value.is_none() && phrase.times.is_none() && times(grammar, &mut phrase)? {
            continue;
        }
        let dated = matches!(phrase.window, Said::Calendar(..) | Said::Days(_)) || phrase.every_day.is_some();
        if phrase.zone.is_some() && !dated {
            return Err(Trouble::at(place, "a time zone is only needed where days are counted").hint(
                "yesterday in zone 'Europe/Berlin', this month in zone '…', every day for 7 days in zone '…'",
            ));
        }
        if phrase.young.is_some() && !(phrase.negated && matches!(phrase.window, Said::Last(_))) {
            return Err(Trouble::at(
                place,
                "new profiles only make a difference to what was not done lately",
            )
            .hint("not done purchase in the last 30 days excluding new profiles"));
        }
        return Ok(phrase);
    }
}

/// Types, and a condition on the event.
fn deed(grammar: &mut Grammar, is_value: bool) -> Parsed<Deed> {
    let tokens = &mut grammar.tokens;
    let mut types = Vec::new();
    if tokens.is_word("any") && tokens.is_word_at(1, "event") {
        tokens.take();
        tokens.take();
    } else if tokens.is_word("any") && tokens.is_word_at(1, "of") {
        tokens.take();
        tokens.take();
        tokens.expect_token(&Token::LParen)?;
        loop {
            types.push(event_type(grammar)?);
            if !grammar.tokens.take_token(&Token::Comma) {
                break;
            }
        }
        grammar.tokens.expect_token(&Token::RParen)?;
    } else {
        types.push(event_type(grammar)?);
    }
    let filter = filter(grammar, is_value)?;
    Ok(Deed { types, filter })
}

fn event_type(grammar: &mut Grammar) -> Parsed<Box<str>> {
    let name = match grammar.tokens.peek() {
        Some(Token::Word(word)) => word.value.clone(),
        Some(Token::SingleQuotedString(text)) => text.clone(),
        _ => {
            return Err(grammar.tokens.unexpected("an event type").hint(
                "done purchase, done 'Order Completed', done any of (purchase, refund), done any event",
            ));
        }
    };
    grammar.tokens.take();
    Ok(name.into())
}

/// `where (…)`, or `where` and one comparison.
fn filter(grammar: &mut Grammar, is_value: bool) -> Parsed<Option<Box<Syntax>>> {
    if !grammar.tokens.take_word("where") {
        return Ok(None);
    }
    if grammar.tokens.peek() == Some(&Token::LParen) {
        grammar.tokens.take();
        let condition = grammar.outside_phrases(|own| own.deeper(Grammar::expression))?;
        grammar.tokens.expect_token(&Token::RParen)?;
        return Ok(Some(boxed(condition)));
    }
    if is_value {
        // The value itself is compared with what follows.
        return Err(grammar
            .tokens
            .unexpected("'('")
            .hint("sum(price) of purchase where (price > 10) >= 500"));
    }
    let outside = std::mem::replace(&mut grammar.in_phrase, true);
    let condition = grammar.deeper(Grammar::negation);
    grammar.in_phrase = outside;
    Ok(Some(boxed(condition?)))
}

/// `then …`, `without …`.
fn follow(grammar: &mut Grammar, phrase: &mut Phrase) -> Parsed<bool> {
    let place = grammar.tokens.place();
    // THEN also ends an IF rule and a condition of CASE.
    let then = grammar.tokens.is_word("then") && !grammar.tokens.is_word_at(1, "assign") && !grammar.in_case;
    if !then && !grammar.tokens.is_word("without") {
        return Ok(false);
    }
    if phrase.without.is_some() || phrase.then.len() >= STEPS_MAX {
        return Err(Trouble::at(
            place,
            format!("at most {STEPS_MAX} events in a row, and WITHOUT only at the end"),
        ));
    }
    grammar.tokens.take();
    let deed = deed(grammar, phrase.value.is_some())?;
    let within = if grammar.tokens.take_word("within") { Some(fixed(grammar)?) } else { None };
    if then {
        phrase.then.push((deed, within));
        return Ok(true);
    }
    let before = phrase.then.last().map_or(&phrase.first, |(deed, _)| deed);
    let ends_itself = deed.types.is_empty() || deed.types.iter().any(|kind| before.types.contains(kind));
    if ends_itself && deed.filter.is_none() {
        return Err(Trouble::at(place, "the event itself would be what must not follow it")
            .hint("name another event type after WITHOUT, or say where it differs"));
    }
    phrase.without = Some((deed, within));
    Ok(true)
}

/// `in the last 30 days`, `yesterday`, `before '…'`, …
fn window(grammar: &mut Grammar, phrase: &mut Phrase) -> Parsed<bool> {
    let place = grammar.tokens.place();
    let Some(window) = window_said(grammar, phrase.value.is_some())? else { return Ok(false) };
    if !matches!(phrase.window, Said::Always) || phrase.every_day.is_some() {
        return Err(Trouble::at(place, "the window of time is said twice"));
    }
    phrase.window = window;
    Ok(true)
}

fn window_said(grammar: &mut Grammar, is_value: bool) -> Parsed<Option<Said>> {
    // Beside a value arithmetic may follow, which is not the instant's.
    let instant = |grammar: &mut Grammar| {
        let read = if is_value { Grammar::cast } else { Grammar::sum };
        grammar.deeper(read).map(boxed)
    };
    let tokens = &mut grammar.tokens;
    if tokens.is_word("in") && tokens.is_word_at(1, "the") && tokens.is_word_at(2, "last") {
        (0..3).for_each(|_| drop(tokens.take()));
        if let (Some(Token::Number(count, _)), true) = (tokens.peek(), tokens.is_word_at(1, "whole")) {
            let days = count.parse().unwrap_or(u16::MAX);
            tokens.take();
            tokens.take();
            if !(tokens.take_word("days") || tokens.take_word("day")) || days > DAYS_MAX {
                return Err(tokens.unexpected(&format!("days, at most {DAYS_MAX}")));
            }
            return Ok(Some(Said::Days(days)));
        }
        return Ok(Some(Said::Last(length(grammar)?)));
    }
    if tokens.is_word("more") && tokens.is_word_at(1, "than") && !is_times(grammar, 2) {
        grammar.tokens.take();
        grammar.tokens.take();
        let length = length(grammar)?;
        grammar.tokens.expect_word("ago")?;
        return Ok(Some(Said::Ago(length)));
    }
    if grammar.tokens.take_word("since") {
        return Ok(Some(Said::Since(instant(grammar)?)));
    }
    if grammar.tokens.take_word("before") {
        return Ok(Some(Said::Before(instant(grammar)?)));
    }
    // Beside a value BETWEEN compares the value.
    if !is_value && grammar.tokens.take_word("between") {
        let low = instant(grammar)?;
        grammar.tokens.expect_word("and")?;
        return Ok(Some(Said::Between(low, instant(grammar)?)));
    }
    for (word, offset) in [("today", 0), ("yesterday", -1)] {
        if grammar.tokens.take_word(word) {
            return Ok(Some(Said::Calendar(Unit::Day, offset)));
        }
    }
    for (word, offset) in [("this", 0), ("last", -1)] {
        let unit = match grammar.tokens.peek_at(1) {
            Some(Token::Word(unit)) if grammar.tokens.is_word(word) => Unit::named(&unit.value),
            _ => None,
        };
        if let Some(unit) = unit {
            grammar.tokens.take();
            grammar.tokens.take();
            return Ok(Some(Said::Calendar(unit, offset)));
        }
    }
    Ok(None)
}

/// Whether `3 times` stands so many tokens further on.
fn is_times(grammar: &Grammar, at: usize) -> bool {
    matches!(grammar.tokens.peek_at(at), Some(Token::Number(..)))
        && ["time", "times"].iter().any(|word| grammar.tokens.is_word_at(at + 1, word))
}

/// `at least 3 times`, `exactly 1 time`, …
fn times(grammar: &mut Grammar, phrase: &mut Phrase) -> Parsed<bool> {
    const FORMS: [(&[&str], Comparison); 6] = [
        (&["at", "least"], Comparison::GreaterOrEqual),
        (&["at", "most"], Comparison::LessOrEqual),
        (&["exactly"], Comparison::Equal),
        (&["more", "than"], Comparison::Greater),
        (&["fewer", "than"], Comparison::Less),
        (&["less", "than"], Comparison::Less),
    ];
    for (words, comparison) in FORMS {
        if !words.iter().enumerate().all(|(at, word)| grammar.tokens.is_word_at(at, word)) {
            continue;
        }
        words.iter().for_each(|_| drop(grammar.tokens.take()));
        let refused = grammar.tokens.unexpected("how many times").hint("at least 3 times");
        let count = match grammar.tokens.take() {
            Some(Token::Number(count, _)) => count.parse::<i64>().ok(),
            _ => None,
        };
        let Some(count) = count else { return Err(refused) };
        if !(grammar.tokens.take_word("times") || grammar.tokens.take_word("time")) {
            return Err(grammar.tokens.unexpected("times"));
        }
        phrase.times = Some((comparison, count));
        return Ok(true);
    }
    Ok(false)
}

/// `every day for 7 days`, `in zone '…'`, `matching x`, `excluding new profiles`.
fn option(grammar: &mut Grammar, phrase: &mut Phrase) -> Parsed<bool> {
    let place = grammar.tokens.place();
    let tokens = &mut grammar.tokens;
    if tokens.is_word("every") && tokens.is_word_at(1, "day") && phrase.value.is_none() {
        if !matches!(phrase.window, Said::Always) || phrase.times.is_some() {
            return Err(Trouble::at(place, "every day is a window of its own")
                .hint("done app_open every day for 7 days"));
        }
        tokens.take();
        tokens.take();
        tokens.expect_word("for")?;
        let days = match tokens.take() {
            Some(Token::Number(count, _)) => count.parse().ok().filter(|days| (1..=DAYS_MAX).contains(days)),
            _ => None,
        };
        let Some(days) = days else {
            return Err(Trouble::at(place, format!("every day for 1 to {DAYS_MAX} days")));
        };
        if !(tokens.take_word("days") || tokens.take_word("day")) {
            return Err(tokens.unexpected("days"));
        }
        let today = tokens.is_word("including") && tokens.is_word_at(1, "today");
        if today {
            tokens.take();
            tokens.take();
        }
        phrase.every_day = Some((days, today));
        return Ok(true);
    }
    if tokens.is_word("in") && tokens.is_word_at(1, "zone") && phrase.zone.is_none() {
        tokens.take();
        tokens.take();
        phrase.zone = Some(grammar.zone()?);
        return Ok(true);
    }
    if tokens.is_word("matching") && phrase.matching.is_none() {
        tokens.take();
        let follows = !phrase.then.is_empty() || phrase.without.is_some();
        let name = match tokens.peek() {
            Some(Token::Word(Word { value, .. })) if follows => value.clone(),
            _ => return Err(tokens.unexpected("a property of the events of THEN or WITHOUT")),
        };
        tokens.take();
        phrase.matching = Some(name);
        return Ok(true);
    }
    for (word, young) in [("including", true), ("excluding", false)] {
        if tokens.is_word(word) && tokens.is_word_at(1, "new") && phrase.young.is_none() {
            tokens.take();
            tokens.take();
            tokens.expect_word("profiles")?;
            phrase.young = Some(young);
            return Ok(true);
        }
    }
    Ok(false)
}

/// `30 days`, `3 months`, `INTERVAL '1 hour'`.
fn length(grammar: &mut Grammar) -> Parsed<Length> {
    let syntax = grammar.deeper(Grammar::operand)?;
    let place = syntax.place;
    let length = match syntax.kind {
        Kind::Duration(span) => Some(Length::Fixed(span)).filter(|_| span > Span::ZERO),
        Kind::Months(months) => Some(Length::Months(months)).filter(|_| months > 0),
        Kind::Literal(value) => match value.as_text() {
            Some(text) => Some(Length::Fixed(duration::from_text(text, place)?)),
            None => None,
        },
        _ => None,
    };
    length.ok_or_else(|| {
        Trouble::at(place, "a length of time was expected").hint("30 days, 24 hours, 3 months")
    })
}

fn fixed(grammar: &mut Grammar) -> Parsed<Span> {
    let place = grammar.tokens.place();
    match length(grammar)? {
        Length::Fixed(span) => Ok(span),
        Length::Months(_) => {
            Err(Trouble::at(place, "months and years have no fixed length").hint("WITHIN 30 days"))
        }
    }
}
