//! Compiles `for` and `tablerow`: their markup in each mode, their collection and attributes.
//!
//! In: a tag. Out: the operations that start a loop, and the loop's description.

use super::compiler::{Compiler, Kind, Mode, Open};
use super::expression::{Expr, Parser, lax};
use super::lax as scan;
use super::lexer::{Complaint, Kind as Token, is_word};
use super::source::Tag;
use crate::code::{From, Index, Loop, Op};
use crate::emit::index;
use crate::error::{Error, Fault, FaultKind};

const FOR: &str = "Syntax Error in 'for loop' - Valid syntax: for [item] in [collection]";
const FOR_IN: &str = "For loops require an 'in' clause";
const FOR_ATTRIBUTE: &str = "Invalid attribute in for loop. Valid attributes are limit and offset";
const TABLE: &str =
    "Syntax Error in 'table_row loop' - Valid syntax: table_row [item] in [collection] cols=3";

/// The parts of a `for` or `tablerow`.
struct LoopParts {
    variable: String,
    collection: Expr,
    collection_text: String,
    reversed: bool,
    offset: Option<Expr>,
    continued: bool,
    limit: Option<Expr>,
    columns: Option<Expr>,
}

fn syntax(message: &str) -> Complaint {
    (Fault::new(FaultKind::Syntax, message), 0)
}

fn unplaced(fault: Fault) -> Complaint {
    (fault, 0)
}

impl Compiler<'_> {
    pub(crate) fn for_loop(&mut self, tag: Tag<'_>) -> Result<Kind, Error> {
        let parts = match self.mode {
            Mode::Lax => lax_for(tag.markup),
            _ => strict_for(tag.markup, self.mode),
        }
        .map_err(|c| self.complaint(c, tag))?;
        let start = self.emit_loop(&parts);
        self.emitter.push(Op::ForStart(start));
        Ok(Kind::For {
            start,
            body: self.emitter.here(),
            skip: None,
            reads: self.loop_reads(&parts, "forloop"),
        })
    }

    pub(crate) fn table(&mut self, tag: Tag<'_>) -> Result<Kind, Error> {
        let parts = match self.mode {
            Mode::Strict2 => strict_table(tag.markup, self.mode),
            _ => lax_table(tag.markup),
        }
        .map_err(|c| self.complaint(c, tag))?;
        let start = self.emit_loop(&parts);
        self.emitter.push(Op::TableStart(start));
        Ok(Kind::Table { start, body: self.emitter.here(), reads: self.loop_reads(&parts, "tablerowloop") })
    }

    fn loop_reads(&mut self, parts: &LoopParts, state: &str) -> usize {
        self.depth += 1;
        let mark = self.reads.mark();
        let items = self.expr_read(&parts.collection).map(|path| path + "[]");
        self.reads.alias(&parts.variable, items);
        self.reads.alias(state, None);
        mark
    }

    fn emit_loop(&mut self, parts: &LoopParts) -> Index {
        self.emit_expr(&parts.collection);
        for value in [&parts.offset, &parts.limit, &parts.columns].into_iter().flatten() {
            self.emit_expr(value);
        }
        let name = format!("{}-{}", parts.variable, parts.collection_text);
        let from = match (&parts.offset, parts.continued) {
            (_, true) => From::Continue,
            (Some(_), _) => From::Given,
            _ => From::Start,
        };
        let one = Loop {
            name: self.emitter.shared(&name),
            variable: self.emitter.shared(&parts.variable),
            from,
            limit: parts.limit.is_some(),
            columns: parts.columns.is_some(),
            reversed: parts.reversed,
            otherwise: 0,
            next: 0,
        };
        self.emitter.code.loops.push(one);
        index(self.emitter.code.loops.len() - 1)
    }

    pub(crate) fn for_else(&mut self) {
        self.next_body();
        let Some(Open { node, kind: Kind::For { start, body, skip, reads }, .. }) = self.open.last_mut()
        else {
            return;
        };
        let (node, start, body, mark) = (*node, *start, *body, *reads);
        self.depth -= 1;
        self.emitter.resume(node);
        let next = self.emitter.push(Op::ForNext(body));
        *skip = Some(self.emitter.push(Op::Jump(0)));
        self.reads.forget(mark);
        self.set_otherwise(start);
        if let Some(one) = self.emitter.code.loops.get_mut(start as usize) {
            one.next = next;
        }
    }
}

fn strict_for(markup: &str, mode: Mode) -> Result<LoopParts, Complaint> {
    let mut parser = Parser::new(markup, mode.roots())?;
    let variable = parser.consume(Token::Id)?.to_owned();
    if !parser.id_if("in") {
        return parser.complain(FOR_IN);
    }
    let mark = parser.mark();
    let collection = parser.expression()?;
    let mut parts = LoopParts::new(variable, collection, parser.text_since(mark));
    parts.reversed = parser.id_if("reversed");
    while parser.look(Token::Comma) || parser.look(Token::Id) {
        parser.consume_if(Token::Comma);
        let offset = parser.id_if("offset");
        if !offset && !parser.id_if("limit") {
            return parser.complain(FOR_ATTRIBUTE);
        }
        parser.consume(Token::Colon)?;
        let mark = parser.mark();
        let value = parser.expression()?;
        parts.set(if offset { "offset" } else { "limit" }, value, &parser.text_since(mark));
    }
    parser.consume(Token::End)?;
    Ok(parts)
}

impl LoopParts {
    fn new(variable: String, collection: Expr, collection_text: String) -> Self {
        LoopParts {
            variable,
            collection,
            collection_text,
            reversed: false,
            offset: None,
            continued: false,
            limit: None,
            columns: None,
        }
    }

    fn set(&mut self, key: &str, value: Expr, text: &str) {
        match key {
            "offset" => {
                self.continued = text == "continue";
                self.offset = (!self.continued).then_some(value);
            }
            "limit" => self.limit = Some(value),
            _ => {}
        }
    }
}

/// `name in fragment`, with how the name may look and where it may stand.
fn lax_in(markup: &str, dashes: bool, anchored: bool) -> Option<(String, scan::Range)> {
    let word = |b: u8| is_word(b) || (dashes && b == b'-');
    let bytes = markup.as_bytes();
    let mut at = 0;
    loop {
        let start = at + bytes.get(at..)?.iter().position(|b| word(*b))?;
        if anchored && start != 0 {
            return None;
        }
        let end = start + bytes.get(start..)?.iter().take_while(|b| word(**b)).count();
        let word_in = scan::skip_spaces(markup, end);
        if word_in > end && markup.get(word_in..).is_some_and(|r| r.starts_with("in")) {
            let from = scan::skip_spaces(markup, word_in + 2);
            if from > word_in + 2
                && let Some(to) = scan::fragments_end(markup, from)
            {
                return Some((scan::cut(markup, (start, end)).to_owned(), (from, to)));
            }
        }
        if anchored {
            return None;
        }
        at = end;
    }
}

fn lax_for(markup: &str) -> Result<LoopParts, Complaint> {
    let (variable, range) = lax_in(markup, true, true).ok_or_else(|| syntax(FOR))?;
    let text = scan::cut(markup, range);
    let mut parts = LoopParts::new(variable, lax(text).map_err(unplaced)?, text.to_owned());
    let after = scan::skip_spaces(markup, range.1);
    parts.reversed = markup.get(after..).is_some_and(|r| r.starts_with("reversed"));
    for (key, value) in scan::attributes(markup) {
        parts.set(key, lax(value).map_err(unplaced)?, value);
    }
    Ok(parts)
}

fn lax_table(markup: &str) -> Result<LoopParts, Complaint> {
    let (variable, range) = lax_in(markup, false, false).ok_or_else(|| syntax(TABLE))?;
    let text = scan::cut(markup, range);
    let mut parts = LoopParts::new(variable, lax(text).map_err(unplaced)?, text.to_owned());
    for (key, value) in scan::attributes(markup) {
        parts.set_table(key, lax(value).map_err(unplaced)?);
    }
    Ok(parts)
}

impl LoopParts {
    fn set_table(&mut self, key: &str, value: Expr) {
        match key {
            "offset" => self.offset = Some(value),
            "limit" => self.limit = Some(value),
            "cols" => self.columns = Some(value),
            _ => {}
        }
    }
}

fn strict_table(markup: &str, mode: Mode) -> Result<LoopParts, Complaint> {
    let mut parser = Parser::new(markup, mode.roots())?;
    let variable = parser.consume(Token::Id)?.to_owned();
    if !parser.id_if("in") {
        return parser.complain(FOR_IN);
    }
    let mark = parser.mark();
    let collection = parser.expression()?;
    let mut parts = LoopParts::new(variable, collection, parser.text_since(mark));
    parser.consume_if(Token::Comma);
    while parser.look(Token::Id) {
        let key = parser.take().text.to_owned();
        if !matches!(key.as_str(), "cols" | "limit" | "offset" | "range") {
            return parser.complain(&format!(
                "Invalid attribute '{key}' in tablerow loop. Valid attributes are cols, limit, offset, and range"
            ));
        }
        parser.consume(Token::Colon)?;
        let value = parser.expression()?;
        parts.set_table(&key, value);
        parser.consume_if(Token::Comma);
    }
    parser.consume(Token::End)?;
    Ok(parts)
}
