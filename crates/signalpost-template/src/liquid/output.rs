//! Compiles Liquid outputs: expressions, filters and their arguments.
//!
//! In: markup of `{{ }}`, `echo`, `assign`. Out: operations that leave one value on the stack.

use super::compiler::{Compiler, Mode};
use super::expression::{Expr, Parser, Roots, Step, lax, range_end};
use super::filters;
use super::lax as scan;
use super::lexer::{Complaint, Kind};
use crate::code::{Constant, FilterCall, Op, Path, Root, Segment};
use crate::emit::index;
use crate::error::{Error, ErrorKind, Fault, nearest};
use crate::names;

/// A filter with its arguments.
#[derive(Debug)]
pub(crate) struct FilterExpr {
    name: String,
    arguments: Vec<Expr>,
    keywords: Vec<(String, Expr)>,
}

/// What `{{ }}` holds.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) input: Expr,
    pub(crate) filters: Vec<FilterExpr>,
}

fn strict_output(markup: &str, mode: Mode) -> Result<Output, Complaint> {
    let mut parser = Parser::new(markup, mode.roots())?;
    if parser.look(Kind::End) {
        return Ok(Output { input: Expr::Nil, filters: Vec::new() });
    }
    let input = parser.expression()?;
    let mut filters = Vec::new();
    while parser.consume_if(Kind::Pipe).is_some() {
        filters.push(strict_filter(&mut parser, mode)?);
    }
    parser.consume(Kind::End)?;
    Ok(Output { input, filters })
}

fn strict_filter(parser: &mut Parser<'_>, mode: Mode) -> Result<FilterExpr, Complaint> {
    let name = parser.consume(Kind::Id)?.to_owned();
    let mut filter = FilterExpr { name, arguments: Vec::new(), keywords: Vec::new() };
    if parser.consume_if(Kind::Colon).is_none() {
        return Ok(filter);
    }
    let lenient = mode == Mode::Strict2;
    let at_end = |p: &Parser<'_>| lenient && (p.look(Kind::Pipe) || p.look(Kind::End));
    if !at_end(parser) {
        strict_argument(parser, &mut filter)?;
    }
    while parser.consume_if(Kind::Comma).is_some() && !at_end(parser) {
        strict_argument(parser, &mut filter)?;
    }
    Ok(filter)
}

fn strict_argument(parser: &mut Parser<'_>, filter: &mut FilterExpr) -> Result<(), Complaint> {
    if parser.look(Kind::Id) && parser.look_ahead(Kind::Colon) {
        let key = parser.take().text.to_owned();
        parser.take();
        let value = parser.expression()?;
        add_keyword(filter, key, value);
    } else {
        filter.arguments.push(parser.expression()?);
    }
    Ok(())
}

/// A keyword given twice keeps its first place and its last value, as in a Ruby hash.
fn add_keyword(filter: &mut FilterExpr, key: String, value: Expr) {
    match filter.keywords.iter_mut().find(|(k, _)| *k == key) {
        Some((_, old)) => *old = value,
        None => filter.keywords.push((key, value)),
    }
}

fn lax_output(markup: &str) -> Result<Output, Fault> {
    let Some((name, found)) = scan::output(markup) else {
        return Ok(Output { input: Expr::Nil, filters: Vec::new() });
    };
    let input = lax(name)?;
    let mut filters = Vec::new();
    for one in found {
        let mut filter =
            FilterExpr { name: one.name.to_owned(), arguments: Vec::new(), keywords: Vec::new() };
        for argument in one.arguments {
            let value = lax(argument.value)?;
            match argument.keyword {
                Some(key) => add_keyword(&mut filter, key.to_owned(), value),
                None => filter.arguments.push(value),
            }
        }
        filters.push(filter);
    }
    Ok(Output { input, filters })
}

impl Compiler<'_> {
    /// Reads an output in the compiler's mode; the lax mode tries the strict grammar first.
    pub(crate) fn output(&self, markup: &str, at: usize) -> Result<Output, Error> {
        match strict_output(markup, self.mode) {
            Ok(output) => Ok(output),
            Err(_) if self.mode == Mode::Lax => lax_output(markup).map_err(|f| self.fault(f, at)),
            Err((mut fault, offset)) => {
                fault.message = format!("{} in \"{{{{{markup}}}}}\"", fault.message);
                Err(self.fault(fault, at + offset))
            }
        }
    }

    /// Emits an output's value; `printed` where it is written at once.
    pub(crate) fn emit_output(&mut self, output: Output, at: usize, printed: bool) -> Result<(), Error> {
        let defaulted = output.filters.first().is_some_and(|f| f.name == "default");
        self.emit_read(&output.input, printed && !defaulted);
        for filter in output.filters {
            self.emit_filter(filter, at)?;
        }
        Ok(())
    }

    fn emit_filter(&mut self, filter: FilterExpr, at: usize) -> Result<(), Error> {
        let builtin =
            filters::find(&filter.name).filter(|_| filter.name != "raw" || self.options.auto_escape);
        let known = builtin.is_some() || self.options.known_filters.contains(&filter.name);
        if !known && self.options.refuse_unknown {
            return Err(self.unknown_filter(&filter.name, at));
        }
        let arguments = filter.arguments.len();
        for argument in &filter.arguments {
            self.emit_expr(argument);
        }
        let mut keywords = Vec::new();
        for (key, value) in &filter.keywords {
            self.emit_expr(value);
            keywords.push(self.emitter.shared(key));
        }
        let name = self.emitter.shared(&filter.name);
        self.emitter.code.filters.push(FilterCall { name, builtin, arguments, keywords });
        let call = index(self.emitter.code.filters.len() - 1);
        self.emitter.push(Op::Filter(call));
        Ok(())
    }

    fn unknown_filter(&self, name: &str, at: usize) -> Error {
        let source = self.emitter.source;
        let offset = source.get(at..).and_then(|s| s.find(name)).map_or(at, |i| at + i);
        let known = filters::names().map(str::to_owned).chain(self.options.known_filters.iter().cloned());
        let known: Vec<String> = known.collect();
        let hint =
            nearest(name, known.iter().map(String::as_str)).map(|near| format!("did you mean `{near}`?"));
        Error::at(ErrorKind::UnknownFilter, self.name, source, offset, format!("Unknown filter '{name}'"))
            .with_width(name.len())
            .with_hint(hint)
    }

    pub(crate) fn emit_expr(&mut self, expr: &Expr) {
        self.emit_read(expr, false);
    }

    fn emit_read(&mut self, expr: &Expr, reported: bool) {
        let op = match expr {
            Expr::Nil => Op::Nil,
            Expr::Bool(b) => Op::Bool(*b),
            Expr::Int(i) => Op::Int(*i),
            Expr::Big(b) => Op::Const(self.emitter.constant(Constant::Big(b.clone()))),
            Expr::Float(f) => Op::Const(self.emitter.constant(Constant::Float(*f))),
            Expr::Text(t) | Expr::Name(t) => Op::Const(self.emitter.constant(Constant::Text(t.clone()))),
            Expr::Empty => Op::Const(self.emitter.constant(Constant::Empty)),
            Expr::Blank => Op::Const(self.emitter.constant(Constant::Blank)),
            Expr::Range(a, b) => match (range_end(a), range_end(b)) {
                (Some(from), Some(to)) => Op::Const(self.emitter.constant(Constant::Range(from, to))),
                _ => {
                    self.emit_read(a, false);
                    self.emit_read(b, false);
                    Op::MakeRange
                }
            },
            Expr::Path(root, steps) => Op::Path(self.emit_path(root, steps, reported)),
        };
        self.emitter.push(op);
    }

    fn emit_path(&mut self, root: &Expr, steps: &[Step], reported: bool) -> u32 {
        let mut dynamic = 0;
        let root = match root {
            Expr::Name(name) | Expr::Text(name) => Root::Name(self.emitter.shared(name)),
            other => {
                self.emit_expr(other);
                dynamic += 1;
                Root::Dynamic
            }
        };
        let mut segments = Vec::with_capacity(steps.len());
        for step in steps {
            segments.push(match step {
                Step::Dot(name) if matches!(&**name, "first" | "last" | "size") => {
                    Segment::Command(name.clone())
                }
                Step::Dot(name) | Step::Bracket(Expr::Text(name)) => Segment::Key(self.emitter.shared(name)),
                Step::Bracket(Expr::Int(i)) => Segment::Index(*i),
                Step::Bracket(other) => {
                    self.emit_expr(other);
                    dynamic += 1;
                    Segment::Dynamic
                }
            });
        }
        let path = Path { root, segments, dynamic, reported };
        if let Some(read) = self.path_read(&path) {
            self.reads.read(read);
        }
        self.emitter.code.paths.push(path);
        index(self.emitter.code.paths.len() - 1)
    }

    /// The path as the schema knows it; `None` where the template made the value.
    pub(crate) fn path_read(&self, path: &Path) -> Option<String> {
        let Root::Name(root) = &path.root else {
            return None;
        };
        let (mut text, segments) = match path.segments.split_first() {
            Some((Segment::Key(key), rest)) if self.is_self(root) => (self.reads.root(key)?, rest),
            _ if self.is_self(root) => return None,
            _ => (self.reads.root(root)?, path.segments.as_slice()),
        };
        for segment in segments {
            match segment {
                Segment::Key(key) => names::append(&mut text, key),
                Segment::Command(key) if &**key == "size" => return Some(text),
                Segment::Command(_) | Segment::Index(_) | Segment::Dynamic => text.push_str("[]"),
            }
        }
        Some(text)
    }

    /// The name stands for all variables in scope.
    fn is_self(&self, name: &str) -> bool {
        name == "self" && !self.reads.is_given(name)
    }

    /// The schema path of an expression, where it is one.
    pub(crate) fn expr_read(&self, expr: &Expr) -> Option<String> {
        let Expr::Path(root, steps) = expr else {
            return None;
        };
        let Expr::Name(root) = &**root else {
            return None;
        };
        let (mut text, steps) = match steps.split_first() {
            Some((Step::Dot(key) | Step::Bracket(Expr::Text(key)), rest)) if self.is_self(root) => {
                (self.reads.root(key)?, rest)
            }
            _ if self.is_self(root) => return None,
            _ => (self.reads.root(root)?, steps.as_slice()),
        };
        for step in steps {
            match step {
                Step::Dot(key) if matches!(&**key, "first" | "last") => text.push_str("[]"),
                Step::Dot(key) if &**key == "size" => return None,
                Step::Dot(key) | Step::Bracket(Expr::Text(key)) => names::append(&mut text, key),
                Step::Bracket(_) => text.push_str("[]"),
            }
        }
        Some(text)
    }
}

impl Mode {
    pub(crate) fn roots(self) -> Roots {
        if self == Mode::Strict2 { Roots::NoBare } else { Roots::Any }
    }
}
