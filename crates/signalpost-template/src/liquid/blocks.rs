//! Compiles the Liquid tags that have a block: conditions, loops, captures; and the tags within and at their end.
//!
//! In: a tag. Out: operations and an entry on the stack of open blocks; `false` where the tag is none of these.

use super::compiler::{Body, Compiler, Kind, Mode, Open};
use super::expression::{Expr, Parser, lax, lax_condition};
use super::lax as scan;
use super::lexer::{Complaint, Kind as Token};
use super::source::Tag;
use super::tags::first_signature;
use crate::code::{Comparison, Index, Op};
use crate::error::{Error, Fault, FaultKind};

const IF: &str = "Syntax Error in tag 'if' - Valid syntax: if [expression]";
const CASE: &str = "Syntax Error in 'case' - Valid syntax: case [condition]";
const WHEN: &str =
    "Syntax Error in tag 'case' - Valid when condition: {% when [condition] [or condition2...] %}";
const CASE_ELSE: &str = "Syntax Error in tag 'case' - Valid else condition: {% else %} (no parameters) ";
const CAPTURE: &str = "Syntax Error in 'capture' - Valid syntax: capture [var]";

/// One comparison, and how it is joined to the next.
struct Condition {
    left: Expr,
    right: Option<(String, Expr)>,
    /// `and` (true) or `or` before the next one.
    and: Option<bool>,
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
    pub(crate) fn next_body(&mut self) {
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

    pub(crate) fn set_otherwise(&mut self, start: Index) {
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
        if self.mode == Mode::Strict2 {
            self.only_name(tag.markup).map_err(|c| self.complaint(c, tag))?;
        }
        let Some(to) = first_signature(tag.markup) else {
            return Err(self.syntax(tag.markup_at, CAPTURE.to_owned()));
        };
        let name = self.emitter.name(to);
        self.reads.variable(to, None);
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
