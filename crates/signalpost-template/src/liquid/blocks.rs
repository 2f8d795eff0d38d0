//! Compiles the Liquid tags that have a block: conditions, loops, captures; and the tags within and at their end.
//!
//! In: a tag. Out: operations and an entry on the stack of open blocks; `false` where the tag is none of these.

use super::compiler::{Body, Compiler, Kind, Mode, Open};
use super::expression::{Expr, Parser, lax, lax_condition};
use super::lax as scan;
use super::lexer::{Complaint, Kind as Token, is_word};
use super::source::Tag;
use super::tags::first_signature;
use crate::code::{Comparison, From, Index, Loop, Op};
use crate::emit::index;
use crate::error::{Error, Fault, FaultKind};

const IF: &str = "Syntax Error in tag 'if' - Valid syntax: if [expression]";
const CASE: &str = "Syntax Error in 'case' - Valid syntax: case [condition]";
const WHEN: &str =
    "Syntax Error in tag 'case' - Valid when condition: {% when [condition] [or condition2...] %}";
const CASE_ELSE: &str = "Syntax Error in tag 'case' - Valid else condition: {% else %} (no parameters) ";
const FOR: &str = "Syntax Error in 'for loop' - Valid syntax: for [item] in [collection]";
const FOR_IN: &str = "For loops require an 'in' clause";
const FOR_ATTRIBUTE: &str = "Invalid attribute in for loop. Valid attributes are limit and offset";
const TABLE: &str =
    "Syntax Error in 'table_row loop' - Valid syntax: table_row [item] in [collection] cols=3";
const CAPTURE: &str = "Syntax Error in 'capture' - Valid syntax: capture [var]";

/// One comparison, and how it is joined to the next.
struct Condition {
    left: Expr,
    right: Option<(String, Expr)>,
    /// `and` (true) or `or` before the next one.
    and: Option<bool>,
}

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
    /// Compiles a tag that opens a block; `false` where it does not.
    pub(crate) fn block_tag(&mut self, tag: Tag<'_>) -> Result<bool, Error> {
        let name = match tag.name {
            "if" => "if",
            "unless" => "unless",
            "case" => "case",
            "for" => "for",
            "tablerow" => "tablerow",
            "capture" => "capture",
            "ifchanged" => "ifchanged",
            _ => return Ok(false),
        };
        let node = self.emitter.node(tag.markup_at, tag.name_at, self.depth);
        let kind = match name {
            "if" | "unless" => {
                let next = self.condition(tag, name == "unless")?;
                Kind::If { next: Some(next), ends: Vec::new() }
            }
            "case" => self.case(tag)?,
            "for" => self.for_loop(tag)?,
            "tablerow" => self.table(tag)?,
            "capture" => self.capture(tag)?,
            _ => {
                self.emitter.push(Op::ChangedStart);
                self.depth += 1;
                Kind::Changed
            }
        };
        self.push_open(name, tag.name_at, node, kind)?;
        Ok(true)
    }

    /// Compiles `else`, `elsif`, `when` and the ends of blocks; `false` where the tag belongs to no open block.
    pub(crate) fn middle_or_end(&mut self, tag: Tag<'_>, floor: usize) -> Result<bool, Error> {
        if self.open.len() <= floor {
            return Ok(false);
        }
        let Some(open) = self.open.last() else {
            return Ok(false);
        };
        if tag.name.strip_prefix("end") == Some(open.tag) {
            self.end_block();
            return Ok(true);
        }
        match (&open.kind, tag.name) {
            (Kind::If { .. }, "elsif" | "else") => self.else_if(tag)?,
            (Kind::Case { .. }, "when" | "else") => self.when_or_else(tag)?,
            (Kind::For { skip: None, .. }, "else") => self.for_else(),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Ends the current body of the innermost block and starts another.
    fn next_body(&mut self) {
        if let Some(open) = self.open.last_mut() {
            open.blank &= open.body.blank;
            open.body = Body::NEW;
        }
    }

    fn end_block(&mut self) {
        self.next_body();
        let Some(open) = self.open.pop() else {
            return;
        };
        self.emitter.resume(open.node);
        let stripped =
            open.blank && matches!(open.kind, Kind::If { .. } | Kind::Case { .. } | Kind::For { .. });
        if stripped {
            for text in &open.texts {
                self.emitter.erase(*text);
            }
        }
        let blank = self.finish(&open);
        self.emitter.close(open.node, blank);
        self.placed(blank);
    }

    /// Emits what stands at the end of a block; tells whether the block counts as blank.
    fn finish(&mut self, open: &Open) -> bool {
        match &open.kind {
            Kind::If { next, ends } => {
                for at in next.iter().chain(ends) {
                    self.emitter.patch(*at);
                }
            }
            Kind::Case { before, run, .. } => {
                self.finish_when(*before, *run);
                self.emitter.push(Op::CaseEnd);
                self.depth -= 1;
            }
            Kind::For { start, body, skip, reads } => {
                if let Some(skip) = skip {
                    self.emitter.patch(*skip);
                } else {
                    self.depth -= 1;
                    self.set_next(*start);
                    self.emitter.push(Op::ForNext(*body));
                    self.set_otherwise(*start);
                    self.reads.forget(*reads);
                }
            }
            Kind::Table { start, body, reads } => {
                self.depth -= 1;
                self.set_next(*start);
                self.emitter.push(Op::TableNext(*body));
                self.set_otherwise(*start);
                self.reads.forget(*reads);
            }
            Kind::Capture => {
                self.depth -= 1;
                self.emitter.push(Op::CaptureEnd);
                return true;
            }
            Kind::Changed => {
                self.depth -= 1;
                self.emitter.push(Op::ChangedEnd);
            }
        }
        open.blank
    }

    fn set_otherwise(&mut self, start: Index) {
        let here = self.emitter.here();
        if let Some(one) = self.emitter.code.loops.get_mut(start as usize) {
            one.otherwise = here;
        }
    }

    fn set_next(&mut self, start: Index) {
        let here = self.emitter.here();
        if let Some(one) = self.emitter.code.loops.get_mut(start as usize) {
            one.next = here;
        }
    }

    fn capture(&mut self, tag: Tag<'_>) -> Result<Kind, Error> {
        let Some(to) = first_signature(tag.markup) else {
            return Err(self.syntax(tag.markup_at, CAPTURE.to_owned()));
        };
        if self.mode == Mode::Strict2 {
            self.only_name(tag.markup).map_err(|c| self.complaint(c, tag))?;
        }
        let name = self.emitter.name(to);
        self.reads.alias(to, None);
        self.emitter.push(Op::CaptureStart(name));
        self.depth += 1;
        Ok(Kind::Capture)
    }

    /// Emits a condition and the jump that leaves its block out.
    fn condition(&mut self, tag: Tag<'_>, inverted: bool) -> Result<Index, Error> {
        let conditions = match self.mode {
            Mode::Lax => lax_conditions(tag.markup),
            _ => strict_conditions(tag.markup, self.mode),
        }
        .map_err(|c| self.complaint(c, tag))?;
        let mut jumps = Vec::new();
        for condition in &conditions {
            self.comparison(&condition.left, condition.right.as_ref());
            match condition.and {
                Some(true) => jumps.push(self.emitter.push(Op::AndJump(0))),
                Some(false) => jumps.push(self.emitter.push(Op::OrJump(0))),
                None => {}
            }
        }
        for jump in jumps {
            self.emitter.patch(jump);
        }
        Ok(self.emitter.push(if inverted { Op::JumpIfTruthy(0) } else { Op::JumpIfFalsy(0) }))
    }

    fn comparison(&mut self, left: &Expr, right: Option<&(String, Expr)>) {
        self.emit_expr(left);
        let Some((operator, right)) = right else {
            return;
        };
        self.emit_expr(right);
        let compare = match operator.as_str() {
            "==" => Comparison::Equal,
            "!=" | "<>" => Comparison::NotEqual,
            "<" => Comparison::Less,
            ">" => Comparison::Greater,
            "<=" => Comparison::LessOrEqual,
            ">=" => Comparison::GreaterOrEqual,
            "contains" => Comparison::Contains,
            _ => {
                let name = self.emitter.name(operator);
                self.emitter.push(Op::UnknownOperator(name));
                return;
            }
        };
        self.emitter.push(Op::Compare(compare));
    }

    fn else_if(&mut self, tag: Tag<'_>) -> Result<(), Error> {
        self.next_body();
        let Some(Open { node, kind: Kind::If { next, ends }, .. }) = self.open.last_mut() else {
            return Ok(());
        };
        let (node, last) = (*node, next.take());
        self.emitter.resume(node);
        ends.push(self.emitter.push(Op::Jump(0)));
        if let Some(last) = last {
            self.emitter.patch(last);
        }
        if tag.name == "elsif" {
            let jump = self.condition(tag, false)?;
            if let Some(Open { kind: Kind::If { next, .. }, .. }) = self.open.last_mut() {
                *next = Some(jump);
            }
        } else {
            // Whatever follows another `else` is never reached.
            let skip = self.emitter.push(Op::Jump(0));
            self.emitter.patch(skip);
        }
        Ok(())
    }

    fn case(&mut self, tag: Tag<'_>) -> Result<Kind, Error> {
        let left = if self.mode == Mode::Strict2 {
            let mode = self.mode;
            let read = |markup| -> Result<Expr, Complaint> {
                let mut parser = Parser::new(markup, mode.roots())?;
                let left = parser.expression()?;
                parser.consume(Token::End)?;
                Ok(left)
            };
            read(tag.markup)
        } else {
            match scan::find_fragment(tag.markup, 0) {
                Some(range) => lax(scan::cut(tag.markup, range)).map_err(unplaced),
                None => Err(syntax(CASE)),
            }
        }
        .map_err(|c| self.complaint(c, tag))?;
        self.emitter.push(Op::CaseStart);
        self.depth += 1;
        // What stands before the first `when` is never run.
        let before = Some(self.emitter.push(Op::Jump(0)));
        Ok(Kind::Case { left, before, run: None })
    }

    /// Ends a `when` body: back to run it again where two of its values matched.
    fn finish_when(&mut self, before: Option<Index>, run: Option<Index>) {
        if let Some(run) = run {
            self.emitter.push(Op::Jump(run));
            self.emitter.patch(run);
        }
        if let Some(before) = before {
            self.emitter.patch(before);
        }
    }

    fn when_or_else(&mut self, tag: Tag<'_>) -> Result<(), Error> {
        self.next_body();
        let Some(Open { node, kind: Kind::Case { left, before, run }, .. }) = self.open.last_mut() else {
            return Ok(());
        };
        let (node, left, before, run) = (*node, left.clone(), before.take(), run.take());
        self.emitter.resume(node);
        self.finish_when(before, run);
        let (mut new_before, mut new_run) = (None, None);
        if tag.name == "else" {
            if !tag.markup.trim().is_empty() {
                return Err(self.syntax(tag.markup_at, CASE_ELSE.to_owned()));
            }
            new_before = Some(self.emitter.push(Op::CaseElse(0)));
        } else {
            let values = if self.mode == Mode::Strict2 {
                strict_when(tag.markup, self.mode)
            } else {
                lax_when(tag.markup)
            }
            .map_err(|c| self.complaint(c, tag))?;
            for value in values {
                self.comparison(&left, Some(&("==".to_owned(), value)));
                self.emitter.push(Op::CaseTally);
            }
            new_run = Some(self.emitter.push(Op::CaseRun(0)));
        }
        if let Some(Open { kind: Kind::Case { before, run, .. }, .. }) = self.open.last_mut() {
            *before = new_before;
            *run = new_run;
        }
        Ok(())
    }

    fn for_loop(&mut self, tag: Tag<'_>) -> Result<Kind, Error> {
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

    fn table(&mut self, tag: Tag<'_>) -> Result<Kind, Error> {
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

    fn for_else(&mut self) {
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

fn strict_conditions(markup: &str, mode: Mode) -> Result<Vec<Condition>, Complaint> {
    let mut parser = Parser::new(markup, mode.roots())?;
    let mut found = Vec::new();
    loop {
        let left = parser.condition()?;
        let right = match parser.consume_if(Token::Comparison) {
            Some(operator) => Some((operator.to_owned(), parser.condition()?)),
            None => None,
        };
        let and = if parser.id_if("and") {
            Some(true)
        } else if parser.id_if("or") {
            Some(false)
        } else {
            None
        };
        found.push(Condition { left, right, and });
        if and.is_none() {
            parser.consume(Token::End)?;
            return Ok(found);
        }
    }
}

fn lax_conditions(markup: &str) -> Result<Vec<Condition>, Complaint> {
    let mut parts = scan::expressions_and_operators(markup);
    let mut found = Vec::new();
    let mut and = None;
    loop {
        let text = parts.pop().unwrap_or("");
        let comparison = scan::comparison(text).ok_or_else(|| syntax(IF))?;
        let left = lax_condition(comparison.left).map_err(unplaced)?;
        let right = match comparison.operator {
            Some(operator) => {
                let right = comparison.right.map_or(Ok(Expr::Nil), lax_condition).map_err(unplaced)?;
                Some((operator.to_owned(), right))
            }
            None => None,
        };
        found.push(Condition { left, right, and });
        let Some(operator) = parts.pop() else {
            found.reverse();
            return Ok(found);
        };
        and = match operator.trim() {
            "and" => Some(true),
            "or" => Some(false),
            _ => return Err(syntax(IF)),
        };
    }
}

fn strict_when(markup: &str, mode: Mode) -> Result<Vec<Expr>, Complaint> {
    let mut parser = Parser::new(markup, mode.roots())?;
    let mut values = vec![parser.condition()?];
    while parser.id_if("or") || parser.consume_if(Token::Comma).is_some() {
        values.push(parser.condition()?);
    }
    parser.consume(Token::End)?;
    Ok(values)
}

fn lax_when(markup: &str) -> Result<Vec<Expr>, Complaint> {
    let mut values = Vec::new();
    let mut at = 0;
    loop {
        let range = scan::find_fragment(markup, at).ok_or_else(|| syntax(WHEN))?;
        values.push(lax_condition(scan::cut(markup, range)).map_err(unplaced)?);
        let gap = scan::skip_spaces(markup, range.1);
        let rest = markup.get(gap..).unwrap_or("");
        let next = if rest.starts_with(',') {
            Some(scan::skip_spaces(markup, gap + 1))
        } else if gap > range.1 && rest.starts_with("or") {
            Some(scan::skip_spaces(markup, gap + 2)).filter(|n| *n > gap + 2)
        } else {
            None
        };
        match next.filter(|n| scan::fragment_end(markup, *n).is_some()) {
            Some(next) => at = next,
            None => return Ok(values),
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
