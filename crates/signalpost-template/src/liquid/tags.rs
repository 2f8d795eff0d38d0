//! Compiles the Liquid tags that have no block: assignments, counters, cycles, partials and the like.
//!
//! In: a tag. Out: its operations; `false` where the tag is none of these.

use std::sync::Arc;

use super::compiler::{Compiler, Mode};
use super::expression::{Expr, Parser, lax, strip};
use super::lax as scan;
use super::lexer::{Complaint, Kind, is_space, is_word};
use super::source::Tag;
use crate::code::{Cycle, Op, Partial};
use crate::emit::index;
use crate::error::{Error, Fault, FaultKind};
use crate::value::Value;

const ASSIGN: &str = "Syntax Error in 'assign' - Valid syntax: assign [var] = [source]";
const CYCLE: &str = "Syntax Error in 'cycle' - Valid syntax: cycle [name :] var [, var2, var3 ...]";
const INCLUDE: &str =
    "Error in tag 'include' - Valid syntax: include '[template]' (with|for) [object|collection]";
const RENDER: &str = "Syntax error in tag 'render' - Template name must be a quoted string";
const INLINE: &str = "Syntax error in tag '#' - Each line of comments must be prefixed by the '#' character";

/// The parts of an `include` or `render`.
struct PartialParts {
    name: Expr,
    variable: Option<Expr>,
    each: bool,
    alias: Option<Arc<str>>,
    attributes: Vec<(String, Expr)>,
}

fn syntax(message: &str) -> Complaint {
    (Fault::new(FaultKind::Syntax, message), 0)
}

/// The runs of `VariableSignature` in a markup: `\(?[\w\-\.\[\]]\)?` repeated.
fn signature_runs(markup: &str) -> impl Iterator<Item = (usize, usize)> + '_ {
    let signs = |b: u8| is_word(b) || matches!(b, b'-' | b'.' | b'[' | b']' | b'(' | b')');
    let mut at = 0;
    std::iter::from_fn(move || {
        let bytes = markup.as_bytes();
        let start = at + bytes.get(at..)?.iter().position(|b| signs(*b) && *b != b')')?;
        let length = bytes.get(start..)?.iter().take_while(|b| signs(**b)).count();
        at = start + length;
        Some((start, at))
    })
    .filter(move |(from, to)| scan::cut(markup, (*from, *to)).bytes().any(|b| !matches!(b, b'(' | b')')))
}

pub(crate) fn first_signature(markup: &str) -> Option<&str> {
    signature_runs(markup).next().map(|range| scan::cut(markup, range))
}

impl Compiler<'_> {
    /// Compiles a tag without a block; `false` where it is none.
    pub(crate) fn simple_tag(&mut self, tag: Tag<'_>) -> Result<bool, Error> {
        if !matches!(
            tag.name,
            "assign"
                | "echo"
                | "increment"
                | "decrement"
                | "cycle"
                | "break"
                | "continue"
                | "include"
                | "render"
                | "#"
        ) {
            return Ok(false);
        }
        let node = self.emitter.node(tag.markup_at, tag.name_at, self.depth);
        match tag.name {
            "assign" => self.assign(tag)?,
            "echo" => self.print(tag.markup, tag.markup_at)?,
            "increment" | "decrement" => self.counter(tag)?,
            "cycle" => self.cycle(tag)?,
            "include" => self.include(tag)?,
            "render" => self.render(tag)?,
            "#" => self.inline_comment(tag)?,
            other => {
                self.emitter.push(if other == "break" { Op::Break } else { Op::Continue });
            }
        }
        let blank = matches!(tag.name, "assign" | "#");
        self.emitter.close(node, blank);
        self.placed(blank);
        Ok(true)
    }

    fn inline_comment(&self, tag: Tag<'_>) -> Result<(), Error> {
        let broken = tag.markup.split('\n').skip(1).any(|line| {
            let line = line.trim_start_matches(|c: char| u8::try_from(c).is_ok_and(is_space));
            !line.is_empty() && !line.starts_with('#')
        });
        if broken { Err(self.syntax(tag.markup_at, INLINE.to_owned())) } else { Ok(()) }
    }

    fn assign(&mut self, tag: Tag<'_>) -> Result<(), Error> {
        let markup = tag.markup;
        let found = signature_runs(markup).find_map(|range| {
            let equals = scan::skip_spaces(markup, range.1);
            let follows = markup.as_bytes().get(equals) == Some(&b'=');
            follows.then(|| (scan::cut(markup, range), scan::skip_spaces(markup, equals + 1)))
        });
        let Some((to, from)) = found else {
            return Err(self.syntax(tag.markup_at, ASSIGN.to_owned()).with_width(markup.len()));
        };
        if self.mode == Mode::Strict2 {
            self.only_name(to).map_err(|c| self.complaint(c, tag))?;
        }
        let source = markup.get(from..).unwrap_or("");
        let output = self.output(source, tag.markup_at + from)?;
        let plain = output.filters.is_empty().then(|| self.expr_read(&output.input)).flatten();
        self.emit_output(output, tag.markup_at + from, false)?;
        let name = self.emitter.name(to);
        self.emitter.push(Op::Assign(name));
        self.reads.variable(to, plain);
        Ok(())
    }

    /// A markup that is one name and nothing else.
    pub(crate) fn only_name<'m>(&self, markup: &'m str) -> Result<&'m str, Complaint> {
        let mut parser = Parser::new(markup, self.mode.roots())?;
        let name = parser.consume(Kind::Id)?;
        parser.consume(Kind::End)?;
        Ok(name)
    }

    fn counter(&mut self, tag: Tag<'_>) -> Result<(), Error> {
        let mut name = strip(tag.markup);
        if self.mode == Mode::Strict2 {
            name = self.only_name(tag.markup).map_err(|c| self.complaint(c, tag))?;
        }
        let name = self.emitter.name(name);
        self.emitter.push(Op::Count { name, down: tag.name == "decrement" });
        Ok(())
    }

    fn cycle(&mut self, tag: Tag<'_>) -> Result<(), Error> {
        let parsed =
            if self.mode == Mode::Strict2 { self.strict_cycle(tag.markup) } else { lax_cycle(tag.markup) };
        let (name, values) = parsed.map_err(|c| self.complaint(c, tag))?;
        let key = if name.is_some() {
            None
        } else if values.iter().any(Expr::is_lookup) {
            // A cycle over variables has a state of its own, one over literals shares it with its like.
            self.unnamed += 1;
            Some(format!("\u{0}{}", self.unnamed))
        } else {
            Some(values.iter().map(|v| format!("{:?},", literal_value(v))).collect())
        };
        if let Some(name) = name {
            self.emit_expr(&name);
        }
        let at = index(self.emitter.code.cycles.len());
        self.emitter.code.cycles.push(Cycle { values: Vec::new(), key: key.map(Arc::from), end: 0 });
        self.emitter.push(Op::Cycle(at));
        let mut starts = Vec::new();
        let mut ends = Vec::new();
        for value in &values {
            starts.push(self.emitter.here());
            self.emit_expr(value);
            ends.push(self.emitter.push(Op::Jump(0)));
        }
        for end in ends {
            self.emitter.patch(end);
        }
        let end = self.emitter.here();
        let escape = self.options.auto_escape;
        self.emitter.push(Op::Print { escape });
        if let Some(cycle) = self.emitter.code.cycles.get_mut(at as usize) {
            cycle.values = starts;
            cycle.end = end;
        }
        Ok(())
    }

    fn strict_cycle(&self, markup: &str) -> Result<(Option<Expr>, Vec<Expr>), Complaint> {
        let mut parser = Parser::new(markup, self.mode.roots())?;
        if parser.look(Kind::End) {
            return Err(syntax(CYCLE));
        }
        let first = parser.expression()?;
        let (name, mut values) = if parser.consume_if(Kind::Colon).is_some() {
            (Some(first), vec![parser.expression()?])
        } else {
            (None, vec![first])
        };
        while parser.consume_if(Kind::Comma).is_some() && !parser.look(Kind::End) {
            values.push(parser.expression()?);
        }
        parser.consume(Kind::End)?;
        Ok((name, values))
    }

    fn include(&mut self, tag: Tag<'_>) -> Result<(), Error> {
        let parts = if self.mode == Mode::Strict2 {
            strict_partial(tag.markup, self.mode, false)
        } else {
            lax_partial(tag.markup, false)
        }
        .map_err(|c| self.complaint(c, tag))?;
        self.emitter.push(Op::IncludeGuard);
        self.emit_expr(&parts.name);
        if let Some(variable) = &parts.variable {
            self.emit_expr(variable);
        }
        let name = match &parts.name {
            Expr::Text(name) => name.clone(),
            _ => Arc::from(""),
        };
        let partial = Partial {
            name,
            alias: parts.alias,
            with: parts.variable.is_some(),
            each: parts.each,
            attributes: Vec::new(),
        };
        self.emitter.code.partials.push(partial);
        let at = index(self.emitter.code.partials.len() - 1);
        self.emitter.push(Op::IncludeEnter(at));
        for (key, value) in &parts.attributes {
            self.emit_expr(value);
            let name = self.emitter.name(key);
            self.emitter.push(Op::SetLocal(name));
        }
        self.emitter.push(Op::IncludeRun);
        Ok(())
    }

    fn render(&mut self, tag: Tag<'_>) -> Result<(), Error> {
        let parts = if self.mode == Mode::Strict2 {
            strict_partial(tag.markup, self.mode, true)
        } else {
            lax_partial(tag.markup, true)
        }
        .map_err(|c| self.complaint(c, tag))?;
        let Expr::Text(name) = &parts.name else {
            return Err(self.syntax(tag.markup_at, RENDER.to_owned()));
        };
        if let Some(variable) = &parts.variable {
            self.emit_expr(variable);
        }
        let mut attributes = Vec::new();
        for (key, value) in &parts.attributes {
            self.emit_expr(value);
            attributes.push(self.emitter.shared(key));
        }
        let partial = Partial {
            name: name.clone(),
            alias: parts.alias,
            with: parts.variable.is_some(),
            each: parts.each,
            attributes,
        };
        self.emitter.code.partials.push(partial);
        let at = index(self.emitter.code.partials.len() - 1);
        self.emitter.push(Op::RenderRun(at));
        Ok(())
    }
}

/// A literal as a value, to print it into a key.
fn literal_value(expr: &Expr) -> Value<'_> {
    match expr {
        Expr::Bool(b) => Value::Bool(*b),
        Expr::Int(i) => Value::Int(*i),
        Expr::Big(b) => Value::Big(b.clone()),
        Expr::Float(f) => Value::Float(*f),
        Expr::Text(t) => Value::Text(t.clone()),
        _ => Value::Nil,
    }
}

fn lax_cycle(markup: &str) -> Result<(Option<Expr>, Vec<Expr>), Complaint> {
    let fail = |fault| (fault, 0);
    let end = scan::fragment_end(markup, 0).ok_or_else(|| syntax(CYCLE))?;
    let colon = scan::skip_spaces(markup, end);
    if markup.as_bytes().get(colon) == Some(&b':') {
        let rest = markup.get(scan::skip_spaces(markup, colon + 1)..).unwrap_or("");
        let name = lax(scan::cut(markup, (0, end))).map_err(fail)?;
        return Ok((Some(name), lax_values(rest).map_err(fail)?));
    }
    // The name may also be the part of the fragment before its last colon: `name:'a'`.
    if let Some(inner) = last_colon(scan::cut(markup, (0, end))) {
        let rest = markup.get(scan::skip_spaces(markup, inner + 1)..).unwrap_or("");
        let name = lax(scan::cut(markup, (0, inner))).map_err(fail)?;
        return Ok((Some(name), lax_values(rest).map_err(fail)?));
    }
    Ok((None, lax_values(markup).map_err(fail)?))
}

/// The last colon of a fragment outside quotes, unless it is the first character.
fn last_colon(fragment: &str) -> Option<usize> {
    let mut at = 0;
    let mut found = None;
    while at < fragment.len() {
        if let Some(end) = scan::quoted_end(fragment, at) {
            at = end;
            continue;
        }
        if at > 0 && fragment.as_bytes().get(at) == Some(&b':') {
            found = Some(at);
        }
        at += 1;
    }
    found
}

fn lax_values(markup: &str) -> Result<Vec<Expr>, Fault> {
    let mut values = Vec::new();
    for part in markup.split(',') {
        if let Some(range) = scan::find_fragment(part, 0) {
            let value = lax(scan::cut(part, range))?;
            if value != Expr::Nil {
                // The reference drops a literal nil here.
                values.push(value);
            }
        }
    }
    Ok(values)
}

fn strict_partial(markup: &str, mode: Mode, render: bool) -> Result<PartialParts, Complaint> {
    let mut parser = Parser::new(markup, mode.roots())?;
    if render && !parser.look(Kind::Str) {
        return parser.complain(RENDER);
    }
    let name = parser.expression()?;
    let each = parser.id_if("for");
    let variable = if each || parser.id_if("with") { Some(parser.expression()?) } else { None };
    let alias = if parser.id_if("as") { Some(Arc::from(parser.consume(Kind::Id)?)) } else { None };
    parser.consume_if(Kind::Comma);
    let mut attributes = Vec::new();
    while parser.look(Kind::Id) {
        let key = parser.take().text.to_owned();
        parser.consume(Kind::Colon)?;
        attributes.push((key, parser.expression()?));
        parser.consume_if(Kind::Comma);
    }
    parser.consume(Kind::End)?;
    Ok(PartialParts { name, variable, each, alias, attributes })
}

/// The word at `at` after white space, where it is one of `words` and white space follows.
fn keyword(markup: &str, at: usize, words: &[&str]) -> Option<(usize, usize)> {
    let from = scan::skip_spaces(markup, at);
    if from == at {
        return None;
    }
    let (which, word) =
        words.iter().enumerate().find(|(_, w)| markup.get(from..).is_some_and(|r| r.starts_with(*w)))?;
    let after = from + word.len();
    let next = scan::skip_spaces(markup, after);
    (next > after).then_some((which, next))
}

fn lax_partial(markup: &str, render: bool) -> Result<PartialParts, Complaint> {
    let fail = |fault| (fault, 0);
    let start = if render {
        (0..markup.len()).find(|i| scan::quoted_end(markup, *i).is_some())
    } else {
        scan::find_fragment(markup, 0).map(|(from, _)| from)
    };
    let start = start.ok_or_else(|| syntax(if render { RENDER } else { INCLUDE }))?;
    let mut at = if render {
        let mut end = start;
        while let Some(next) = scan::quoted_end(markup, end) {
            end = next;
        }
        end
    } else {
        scan::fragments_end(markup, start).unwrap_or(start)
    };
    let name = lax(scan::cut(markup, (start, at))).map_err(fail)?;
    let (mut variable, mut each) = (None, false);
    if let Some((which, from)) = keyword(markup, at, &["with", "for"])
        && let Some(end) = scan::fragments_end(markup, from)
    {
        variable = Some(lax(scan::cut(markup, (from, end))).map_err(fail)?);
        each = which == 1;
        at = end;
    }
    let mut alias = None;
    if let Some((_, from)) = keyword(markup, at, &["as"]) {
        let rest = markup.as_bytes().get(from..).unwrap_or(&[]);
        let length = rest.iter().take_while(|b| is_word(**b) || **b == b'-').count();
        alias = (length > 0).then(|| Arc::from(scan::cut(markup, (from, from + length))));
    }
    let mut attributes: Vec<(String, Expr)> = Vec::new();
    for (key, value) in scan::attributes(markup) {
        let value = lax(value).map_err(fail)?;
        match attributes.iter_mut().find(|(k, _)| k == key) {
            Some((_, old)) => *old = value,
            None => attributes.push((key.to_owned(), value)),
        }
    }
    Ok(PartialParts { name, variable, each, alias, attributes })
}
