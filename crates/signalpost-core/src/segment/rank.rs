//! Ranks: `IF top 10 % by total_spent [AMONG customers WHERE …] THEN assign to
//! '…'`. Whether somebody is in depends on all others, so a rank cannot be kept
//! live; it is a query that is run by a schedule.

use sqlparser::tokenizer::Token;

use super::columns::Columns;
use super::grammar::Grammar;
use super::lex::lex;
use super::refusal::{Place, Refusal, Trouble};
use super::resolve::{Resolver, Scope};
use super::schema::Schema;
use super::statement::assigned_name;
use super::tree::{Expression, Predicate};
use super::{Definition, Form};
use crate::id::SegmentName;

/// The most people that may be asked for by number.
const PEOPLE_MAX: u32 = 100_000_000;

/// The people who stand first, or last, by a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranked {
    /// The segment's name.
    pub name: SegmentName,
    /// Whether the greatest values come first.
    pub top: bool,
    /// How many.
    pub share: Share,
    /// The value they are ranked by; whoever has none is not in.
    pub by: Expression,
    /// Who is ranked.
    pub among: Predicate,
}

/// How many of those who are ranked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Share {
    /// So many in a hundred; all of those who share the last place.
    Percent(f64),
    /// So many people; of those who share the last place the first by id.
    People(u32),
}

/// Reads a rule that ranks people; `None` when the text is no such rule.
///
/// # Errors
/// When it is one, and something in it is not understood.
pub fn parse_ranked(text: &str, schema: &Schema) -> Option<Result<Ranked, Refusal>> {
    let mut grammar = Grammar::new(lex(text, &mut Vec::new()).ok()?);
    let tokens = &mut grammar.tokens;
    if !tokens.take_word("if") {
        return None;
    }
    if tokens.take_word("in") {
        tokens.take_word("the");
    }
    let top = tokens.is_word("top");
    let has_number = matches!(tokens.peek_at(1), Some(Token::Number(..)));
    if !(top || tokens.is_word("bottom")) || !has_number {
        return None;
    }
    tokens.take();
    Some(ranked(&mut grammar, top, schema).map_err(|trouble| trouble.in_text(text)))
}

fn ranked(grammar: &mut Grammar, top: bool, schema: &Schema) -> Result<Ranked, Trouble> {
    let share = share(grammar)?;
    grammar.tokens.expect_word("by")?;
    let value = grammar.sum()?;
    let among = if grammar.tokens.take_word("among") {
        if !["customers", "people", "profiles"].iter().any(|word| grammar.tokens.take_word(word)) {
            return Err(grammar.tokens.unexpected("CUSTOMERS").hint("AMONG customers WHERE orders > 0"));
        }
        grammar.tokens.expect_word("where")?;
        Some(grammar.expression()?)
    } else {
        None
    };
    let name = assigned_name(grammar)?;
    let mut notes = Vec::new();
    let scopes = vec![Scope::Profile(None)];
    let mut resolver = Resolver {
        schema,
        scopes,
        notes: &mut notes,
        beside_event: false,
        grouped: None,
        strict: true,
        aggregates: 0,
    };
    let by = resolver.plain(&value)?;
    let among = among.map_or(Ok(Expression::truth(true)), |condition| resolver.truth(&condition))?;
    Ok(Ranked { name, top, share, by, among })
}

fn share(grammar: &mut Grammar) -> Result<Share, Trouble> {
    let place: Place = grammar.tokens.place();
    let number = match grammar.tokens.peek() {
        Some(Token::Number(digits, _)) => digits.parse::<f64>().unwrap_or(f64::NAN),
        _ => return Err(grammar.tokens.unexpected("a number").hint("IF top 10 % by total_spent")),
    };
    grammar.tokens.take();
    let percent = grammar.tokens.take_token(&Token::Mod) || grammar.tokens.take_word("percent");
    if percent {
        let fits = number > 0.0 && number <= 100.0;
        return fits
            .then_some(Share::Percent(number))
            .ok_or_else(|| Trouble::at(place, "a percentage is more than 0 and at most 100"));
    }
    if !["customers", "people", "profiles"].iter().any(|word| grammar.tokens.take_word(word)) {
        return Err(grammar
            .tokens
            .unexpected("% or CUSTOMERS")
            .hint("IF top 10 % by total_spent, IF top 100 customers by orders"));
    }
    let fits = number >= 1.0 && number <= f64::from(PEOPLE_MAX) && number.fract() == 0.0;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is a whole number in range"
    )]
    let people = number as u32;
    fits.then_some(Share::People(people))
        .ok_or_else(|| Trouble::at(place, format!("a number of people is whole, from 1 to {PEOPLE_MAX}")))
}

impl Ranked {
    /// The query that finds the members.
    pub fn to_sql(&self) -> String {
        let definition = Definition { name: None, form: Form::Select, predicate: self.among.clone() };
        let ranked = definition.to_sql_with_value(&self.by);
        let order = if self.top { "DESC" } else { "ASC" };
        let (rank, within) = match self.share {
            Share::Percent(percent) => {
                (format!("percent_rank() OVER (ORDER BY v {order})"), format!("< {:?}", percent / 100.0))
            }
            Share::People(people) => {
                (format!("row_number() OVER (ORDER BY v {order}, customer_id)"), format!("<= {people}"))
            }
        };
        format!(
            "SELECT customer_id FROM (SELECT customer_id, {rank} AS place FROM ({ranked}) WHERE v IS NOT NULL AND \
             customer_id IS NOT NULL) WHERE place {within}"
        )
    }

    /// The attributes that are read.
    pub fn attributes(&self) -> Vec<Box<str>> {
        let ask = |predicate: Expression| {
            let definition = Definition { name: None, form: Form::Select, predicate };
            let compiled = definition.compile(&mut Columns::default());
            compiled.attributes().map(Into::into).collect::<Vec<Box<str>>>()
        };
        let mut names = ask(self.by.clone());
        names.extend(ask(self.among.clone()));
        names
    }
}
