//! Whole statements: `IF … THEN assign to '…'`, `SELECT customer_id …`,
//! `AFTER … WITHOUT … WITHIN … EMIT …`.

use sqlparser::tokenizer::{Token, Word};

use super::columns::Columns;
use super::grammar::Grammar;
use super::group::grouped;
use super::lex::lex;
use super::query::{check_identity_item, refuse_limit};
use super::refusal::{Note, Refusal, Trouble};
use super::resolve::{Resolver, Scope};
use super::schema::Schema;
use super::syntax::{Kind, Query, Syntax};
use super::tree::Expression;
use super::{Definition, Form, SequenceRule, Statement, duration};
use crate::id::SegmentName;
use crate::time::Span;

/// Longest name of a segment, in characters.
const NAME_LETTERS_MAX: usize = 200;

/// Reads a segment or a sequence rule.
///
/// # Errors
/// The first thing in the text that is not understood or cannot be kept live,
/// with its place and how to mend it.
pub fn parse(text: &str, schema: &Schema) -> Result<Statement, Refusal> {
    parse_with_notes(text, schema).map(|(statement, _)| statement)
}

/// Like [`parse`], with remarks on what was taken all the same: typographic
/// quotes, event types that look misspelt.
///
/// # Errors
/// As [`parse`].
pub fn parse_with_notes(text: &str, schema: &Schema) -> Result<(Statement, Vec<Note>), Refusal> {
    let mut notes = Vec::new();
    let reading = Reading { schema, strict: true };
    let statement = read(text, reading, &mut notes).map_err(|trouble| trouble.in_text(text))?;
    if let Statement::Segment(definition) = &statement {
        notes.extend(kept_for_ever(definition));
    }
    notes.sort_by_key(|note| (note.line, note.column));
    Ok((statement, notes))
}

/// Remarks on event types of which every event of a person must be kept,
/// since the text sets no limit to how far back it looks.
pub(super) fn kept_for_ever(definition: &Definition) -> impl Iterator<Item = Note> {
    let compiled = definition.compile(&mut Columns::default());
    let without_end =
        compiled.needs().to_vec().into_iter().filter(|need| need.lookback.is_none() && need.latest.is_none());
    without_end.map(|need| {
        let which = need.event_type.map_or_else(|| "every type".to_owned(), |kind| format!("type '{kind}'"));
        let message = format!(
            "all events of {which} are kept for ever for this, however many a person has; a window such as IN THE \
             LAST 365 DAYS sets them a limit"
        );
        Note { line: 1, column: 1, message }
    })
}

/// Reads a text that was taken before: what is refused only since then, since
/// it can never hold, is taken all the same.
///
/// # Errors
/// As [`parse`].
pub(crate) fn parse_stored(text: &str, schema: &Schema) -> Result<Statement, Refusal> {
    let reading = Reading { schema, strict: false };
    read(text, reading, &mut Vec::new()).map_err(|trouble| trouble.in_text(text))
}

fn read(text: &str, reading: Reading<'_>, notes: &mut Vec<Note>) -> Result<Statement, Trouble> {
    let mut grammar = Grammar::new(lex(text, notes)?);
    let tokens = &grammar.tokens;
    let statement = if tokens.is_word("if") {
        Statement::Segment(rule(&mut grammar, reading, notes)?)
    } else if tokens.is_word("after") {
        Statement::Sequence(sequence(&mut grammar)?)
    } else if tokens.is_word("select") {
        Statement::Segment(select(&mut grammar, reading, notes)?)
    } else {
        return Err(tokens.unexpected("IF, SELECT or AFTER").hint(
            "IF event_type = '…' THEN assign to '…', or SELECT customer_id FROM customer_data WHERE …",
        ));
    };
    grammar.tokens.take_token(&Token::SemiColon);
    if grammar.tokens.peek().is_some() {
        return Err(grammar.tokens.unexpected("the end of the text"));
    }
    Ok(statement)
}

/// Where names are looked up, and how much is taken.
#[derive(Clone, Copy)]
struct Reading<'s> {
    schema: &'s Schema,
    strict: bool,
}

fn resolver<'s>(reading: Reading<'s>, scopes: Vec<Scope>, notes: &'s mut Vec<Note>) -> Resolver<'s> {
    let Reading { schema, strict } = reading;
    Resolver { schema, scopes, notes, beside_event: false, grouped: None, strict, aggregates: 0 }
}

fn rule(grammar: &mut Grammar, reading: Reading<'_>, notes: &mut Vec<Note>) -> Result<Definition, Trouble> {
    grammar.tokens.expect_word("if")?;
    let condition = grammar.expression()?;
    let name = assigned_name(grammar)?;
    let mut resolver = resolver(reading, vec![Scope::Profile(None), Scope::Free], notes);
    let raw = resolver.truth(&condition)?;
    Ok(Definition { name: Some(name), form: Form::Rule, predicate: grouped(&raw) })
}

/// `THEN assign to 'name'`.
pub(super) fn assigned_name(grammar: &mut Grammar) -> Result<SegmentName, Trouble> {
    if !grammar.tokens.is_word("then") {
        return Err(grammar.tokens.unexpected("AND, OR or THEN"));
    }
    grammar.tokens.take();
    grammar.tokens.expect_word("assign")?;
    grammar.tokens.expect_word("to")?;
    grammar.tokens.take_word("segment");
    let place = grammar.tokens.place();
    let name = match grammar.tokens.peek() {
        Some(Token::Word(Word { value, quote_style: Some(_), .. })) => {
            let value = value.clone();
            grammar.tokens.take();
            value
        }
        _ => grammar.text("the segment's name in single quotes")?,
    };
    if name.trim().is_empty() || name.chars().count() > NAME_LETTERS_MAX {
        return Err(Trouble::at(place, format!("a name has 1 to {NAME_LETTERS_MAX} characters")));
    }
    Ok(SegmentName::from(name))
}

fn select(grammar: &mut Grammar, reading: Reading<'_>, notes: &mut Vec<Note>) -> Result<Definition, Trouble> {
    let query = grammar.query()?;
    if grammar.tokens.peek().is_some_and(|token| *token != Token::SemiColon) {
        return Err(grammar.tokens.unexpected("the end of the query"));
    }
    refuse_limit(&query)?;
    check_identity_item(&query)?;
    let predicate = match query.table.as_str() {
        "events" => resolver(reading, vec![Scope::Profile(None)], notes).has_row(&query)?,
        "customer_data" => profile_condition(&query, reading, notes)?,
        other => {
            return Err(Trouble::at(
                query.table_place,
                format!("{other} is not a table segments can be made of"),
            )
            .hint("FROM customer_data or FROM events"));
        }
    };
    Ok(Definition { name: None, form: Form::Select, predicate })
}

fn profile_condition(
    query: &Query,
    reading: Reading<'_>,
    notes: &mut Vec<Note>,
) -> Result<Expression, Trouble> {
    if let Some(piece) = query.group.first().or(query.having.as_ref()) {
        return Err(Trouble::at(piece.place, "customer_data has one row a profile: there is nothing to group").hint(
            "customer_id IN (SELECT customer_id FROM events WHERE … GROUP BY customer_id HAVING count(*) >= 3)",
        ));
    }
    let everyone = Expression::truth(true);
    let Some(filter) = &query.filter else { return Ok(everyone) };
    resolver(reading, vec![Scope::Profile(query.alias.clone())], notes).truth(filter)
}

fn sequence(grammar: &mut Grammar) -> Result<SequenceRule, Trouble> {
    grammar.tokens.expect_word("after")?;
    let after = event_name(grammar)?;
    grammar.tokens.expect_word("without")?;
    let without = event_name(grammar)?;
    grammar.tokens.expect_word("within")?;
    let place = grammar.tokens.place();
    let within = length(&grammar.expression()?)?;
    if within <= Span::ZERO {
        return Err(Trouble::at(place, "the length of time must be more than nothing").hint("WITHIN 1 hour"));
    }
    let matching = if grammar.tokens.take_word("matching") { Some(event_name(grammar)?) } else { None };
    grammar.tokens.expect_word("emit")?;
    let place = grammar.tokens.place();
    let emit = event_name(grammar)?;
    if emit == after {
        return Err(Trouble::at(place, format!("{emit} would follow on itself for ever"))
            .hint("emit an event of another type"));
    }
    Ok(SequenceRule { after, without, within, matching, emit })
}

/// An event type or property, bare or in any quotes.
fn event_name(grammar: &mut Grammar) -> Result<String, Trouble> {
    let name =
        match grammar.tokens.peek() {
            Some(Token::Word(word)) => word.value.clone(),
            Some(Token::SingleQuotedString(text)) => text.clone(),
            _ => return Err(grammar.tokens.unexpected("an event type or property").hint(
                "AFTER add_to_cart WITHOUT purchase WITHIN 1 hour MATCHING product_id EMIT cart_abandonment",
            )),
        };
    if name.trim().is_empty() {
        return Err(grammar.tokens.unexpected("a name that is not empty"));
    }
    grammar.tokens.take();
    Ok(name)
}

fn length(syntax: &Syntax) -> Result<Span, Trouble> {
    match &syntax.kind {
        Kind::Duration(span) => Ok(*span),
        Kind::Literal(value) if value.as_text().is_some() => {
            duration::from_text(value.as_text().unwrap_or_default(), syntax.place)
        }
        Kind::Months(_) => {
            Err(Trouble::at(syntax.place, "months and years have no fixed length").hint("WITHIN 30 days"))
        }
        _ => Err(Trouble::at(syntax.place, "a length of time was expected").hint("WITHIN 1 hour")),
    }
}
