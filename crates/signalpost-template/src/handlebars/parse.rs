//! The Handlebars parser: an explicit stack of open blocks, expressions with bounded nesting.
//!
//! In: source. Out: a [`Tree`], or the first error with what was expected.

use std::sync::Arc;

use super::ast::{Block, Content, Expr, Id, Invocation, Node, Program, Strip, Tree};
use super::expression::{Ending, Head};
use crate::error::{Error, ErrorKind, Limit};
use crate::template::CompileOptions;
use crate::value::format;

/// What kind of block is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Plain,
    Inverted,
    /// An `else if` within the block before it on the stack.
    Chained,
    Partial,
    Inline,
}

/// An open block.
#[derive(Debug)]
struct Open {
    kind: Kind,
    call: Invocation,
    parameters: Vec<Arc<str>>,
    strip: Strip,
    body: Vec<Id>,
    /// The first program, once an inverse has begun.
    program: Option<Id>,
    inverse_strip: Strip,
    /// The inverse is an `else if`.
    chain: bool,
}

pub(crate) struct Parser<'s> {
    name: &'s str,
    pub(crate) source: &'s str,
    pub(crate) options: &'s CompileOptions,
    pub(crate) at: usize,
    tree: Tree,
    open: Vec<Open>,
    root: Vec<Id>,
}

/// Parses a template.
pub(crate) fn parse(name: &str, source: &str, options: &CompileOptions) -> Result<Tree, Error> {
    let mut parser =
        Parser { name, source, options, at: 0, tree: Tree::default(), open: Vec::new(), root: Vec::new() };
    parser.document()?;
    let root = Program { body: parser.root, ..Program::default() };
    parser.tree.programs.push(root);
    Ok(parser.tree)
}

impl<'s> Parser<'s> {
    pub(crate) fn error(&self, at: usize, message: impl Into<String>) -> Error {
        Error::at(ErrorKind::Syntax, self.name, self.source, at, message.into())
    }

    pub(crate) fn too_deep(&self, at: usize, message: String) -> Error {
        Error::at(ErrorKind::Budget(Limit::Nesting), self.name, self.source, at, message)
    }

    fn rest(&self) -> &'s str {
        self.source.get(self.at..).unwrap_or("")
    }

    fn document(&mut self) -> Result<(), Error> {
        while self.at < self.source.len() {
            if self.content() {
                self.tag()?;
            }
        }
        match self.open.last() {
            Some(open) => {
                let name = closing_name(&open.call.name);
                Err(self
                    .error(open.call.at, format!("'{name}' was never closed"))
                    .with_hint(Some(format!("expected `{{{{/{name}}}}}`"))))
            }
            None => Ok(()),
        }
    }

    /// Reads text up to the next tag; false where it is escaped text or the end.
    fn content(&mut self) -> bool {
        let rest = self.rest();
        let Some(at) = rest.find("{{") else {
            self.push_content(rest.to_owned());
            self.at = self.source.len();
            return false;
        };
        let before = rest.get(..at).unwrap_or("");
        self.at += at;
        if let Some(kept) = before.strip_suffix('\\') {
            self.push_content(kept.to_owned());
            if kept.ends_with('\\') {
                return true;
            }
            // An escaped tag is text up to the next one.
            let rest = self.rest();
            let next = rest.get(2..).and_then(|r| r.find("{{")).map_or(rest.len(), |i| i + 2);
            let text = rest.get(..next).unwrap_or("");
            let mut end = text.len();
            if next < rest.len() {
                let slashes = text.len() - text.trim_end_matches('\\').len();
                end -= slashes.min(2).min(text.len().saturating_sub(2));
            }
            self.push_content(text.get(..end).unwrap_or("").to_owned());
            self.at += end;
            return false;
        }
        self.push_content(before.to_owned());
        true
    }

    fn push_content(&mut self, original: String) {
        if original.is_empty() {
            return;
        }
        let end = original.len();
        self.push(Node::Content(Content {
            original,
            start: 0,
            end,
            left_stripped: false,
            right_stripped: false,
        }));
    }

    fn push(&mut self, node: Node) {
        self.tree.nodes.push(node);
        let id = self.tree.nodes.len() - 1;
        match self.open.last_mut() {
            Some(open) => open.body.push(id),
            None => self.root.push(id),
        }
    }

    /// Reads one tag at the current place.
    fn tag(&mut self) -> Result<(), Error> {
        let start = self.at;
        let rest = self.rest();
        if rest.starts_with("{{{{") {
            return self.raw_block(start);
        }
        let strip_open = rest.as_bytes().get(2) == Some(&b'~');
        let lead = 2 + usize::from(strip_open);
        let body = rest.get(lead..).unwrap_or("");
        if body.starts_with('!') {
            return self.comment(start, lead, strip_open);
        }
        if let Some(length) = inverse_tag(body) {
            let tag = rest.get(..lead + length).unwrap_or("");
            let strip = Strip { open: strip_open, close: tag.ends_with("~}}") };
            self.at = start + lead + length;
            return self.inverse(start, strip);
        }
        let (opener, length) = opener(body);
        self.at = start + lead + length;
        match opener {
            Opener::End => self.end_block(start, strip_open),
            Opener::Partial => self.partial(start, strip_open),
            Opener::Block(kind) => self.open_block(start, kind, strip_open),
            Opener::Chain => self.chain(start, strip_open),
            Opener::Decorator => Err(self.error(start, "Decorators other than `inline` do not exist")),
            Opener::Mustache { escaped, unescaped } => {
                let head = self.head(
                    start,
                    if unescaped { Ending::Unescaped } else { Ending::Plain },
                    false,
                    false,
                )?;
                let strip = Strip { open: strip_open, close: head.strip_close };
                self.push(Node::Mustache { call: head.call, escaped, strip });
                Ok(())
            }
        }
    }

    fn comment(&mut self, start: usize, lead: usize, strip_open: bool) -> Result<(), Error> {
        let rest = self.rest();
        let body = rest.get(lead..).unwrap_or("");
        let end = if body.starts_with("!--") {
            let mut from = 0;
            loop {
                let Some(i) = body.get(from..).and_then(|b| b.find("--")) else {
                    break None;
                };
                let after = body.get(from + i + 2..).unwrap_or("");
                if after.starts_with("}}") {
                    break Some(from + i + 4);
                }
                if after.starts_with("~}}") {
                    break Some(from + i + 5);
                }
                from += i + 1;
            }
        } else {
            body.find("}}").map(|i| i + 2)
        };
        let Some(end) = end else {
            return Err(self.error(start, "The comment is never closed"));
        };
        let close = body.get(..end).is_some_and(|b| b.ends_with("~}}"));
        self.at = start + lead + end;
        self.push(Node::Comment(Strip { open: strip_open, close }));
        Ok(())
    }

    /// `{{{{name}}}} … {{{{/name}}}}`: what is between is text.
    fn raw_block(&mut self, start: usize) -> Result<(), Error> {
        self.at = start + 4;
        let head = self.head(start, Ending::Raw, false, false)?;
        let mut depth = 1usize;
        let from = self.at;
        let mut search = from;
        loop {
            let Some(i) = self.source.get(search..).and_then(|r| r.find("{{{{")) else {
                return Err(self.error(start, "The raw block is never closed"));
            };
            let at = search + i;
            let after = self.source.get(at + 4..).unwrap_or("");
            let Some(name) = after.strip_prefix('/') else {
                depth += 1;
                search = at + 4;
                continue;
            };
            search = at + 5;
            let Some(end) = name.find("}}}}") else {
                continue;
            };
            let name = name.get(..end).unwrap_or("");
            if name.is_empty() || name.contains(char::is_whitespace) {
                continue;
            }
            depth -= 1;
            search = at + 5 + end + 4;
            if depth == 0 {
                let open = original(&head.call.name);
                if open != name {
                    return Err(self.error(at, format!("{open} doesn't match {name}")));
                }
                return self.finish_raw(head, from, at, search);
            }
        }
    }

    fn finish_raw(&mut self, head: Head, from: usize, to: usize, next: usize) -> Result<(), Error> {
        let text = self.source.get(from..to).unwrap_or("").to_owned();
        let mut body = Vec::new();
        if !text.is_empty() {
            let end = text.len();
            let content =
                Content { original: text, start: 0, end, left_stripped: false, right_stripped: false };
            self.tree.nodes.push(Node::Content(content));
            body.push(self.tree.nodes.len() - 1);
        }
        self.tree.programs.push(Program { body, ..Program::default() });
        let program = Some(self.tree.programs.len() - 1);
        let none = Strip::default();
        self.push(Node::Block(Block {
            call: head.call,
            program,
            inverse: None,
            open_strip: none,
            inverse_strip: none,
            close_strip: none,
        }));
        self.at = next;
        Ok(())
    }

    fn partial(&mut self, start: usize, strip_open: bool) -> Result<(), Error> {
        let head = self.head(start, Ending::Plain, true, false)?;
        let strip = Strip { open: strip_open, close: head.strip_close };
        self.push(Node::Partial { call: head.call, indent: String::new(), strip });
        Ok(())
    }

    fn open_block(&mut self, start: usize, kind: Kind, strip_open: bool) -> Result<(), Error> {
        let head = self.head(start, Ending::Plain, kind == Kind::Partial, kind != Kind::Partial)?;
        if kind == Kind::Inline && original(&head.call.name) != "inline" {
            return Err(self.error(start, "Decorators other than `inline` do not exist"));
        }
        let strip = Strip { open: strip_open, close: head.strip_close };
        self.push_open(start, kind, head, strip)
    }

    fn push_open(&mut self, start: usize, kind: Kind, head: Head, strip: Strip) -> Result<(), Error> {
        let limit = self.options.limits.nesting;
        if self.open.len() >= limit {
            let message = format!("Nesting too deep: more than {limit} blocks within blocks");
            return Err(Error::at(ErrorKind::Budget(Limit::Nesting), self.name, self.source, start, message));
        }
        self.open.push(Open {
            kind,
            call: head.call,
            parameters: head.parameters,
            strip,
            body: Vec::new(),
            program: None,
            inverse_strip: Strip::default(),
            chain: false,
        });
        Ok(())
    }

    fn program(&mut self, body: Vec<Id>, parameters: Vec<Arc<str>>, chained: bool) -> Id {
        self.tree.programs.push(Program { body, parameters, chained });
        self.tree.programs.len() - 1
    }

    /// Ends the first program of the innermost block, to begin its inverse.
    fn begin_inverse(&mut self, start: usize, strip: Strip, chain: bool) -> Result<(), Error> {
        let allowed = match self.open.last() {
            Some(open) if open.program.is_none() => match open.kind {
                Kind::Plain | Kind::Chained => true,
                Kind::Inverted => !chain,
                Kind::Partial => false,
                Kind::Inline => return Err(self.error(start, "Unexpected inverse block on decorator")),
            },
            _ => false,
        };
        let Some(open) = self.open.last_mut().filter(|_| allowed) else {
            return Err(self.error(start, "`else` belongs to no open block"));
        };
        open.inverse_strip = strip;
        open.chain = chain;
        let (body, parameters) = (std::mem::take(&mut open.body), std::mem::take(&mut open.parameters));
        let program = self.program(body, parameters, false);
        if let Some(open) = self.open.last_mut() {
            open.program = Some(program);
        }
        Ok(())
    }

    fn inverse(&mut self, start: usize, strip: Strip) -> Result<(), Error> {
        self.begin_inverse(start, strip, false)
    }

    fn chain(&mut self, start: usize, strip_open: bool) -> Result<(), Error> {
        let head = self.head(start, Ending::Plain, false, true)?;
        let strip = Strip { open: strip_open, close: head.strip_close };
        self.begin_inverse(start, strip, true)?;
        self.push_open(start, Kind::Chained, head, strip)
    }

    fn end_block(&mut self, start: usize, strip_open: bool) -> Result<(), Error> {
        let head = self.head(start, Ending::Plain, true, false)?;
        if !head.call.params.is_empty() || !head.call.hash.is_empty() {
            return Err(self.error(start, "A closing tag takes only a name"));
        }
        if matches!(head.call.name, Expr::Call(_)) {
            return Err(self.error(start, "A closing tag takes a name, not a call"));
        }
        let close = original(&head.call.name);
        let base = self.open.iter().rev().find(|o| o.kind != Kind::Chained);
        let Some(base) = base else {
            return Err(self.error(start, format!("`{close}` is closed but was not opened")));
        };
        let open = closing_name(&base.call.name);
        if open != close {
            return Err(self.error(start, format!("{open} doesn't match {close}")));
        }
        let strip = Strip { open: strip_open, close: head.strip_close };
        self.finish_chain(strip);
        self.finish_block(strip);
        Ok(())
    }

    /// Ends the `else if` blocks above the block that is closed, from the innermost.
    fn finish_chain(&mut self, close: Strip) {
        while self.open.last().is_some_and(|o| o.kind == Kind::Chained) {
            let Some(open) = self.open.pop() else {
                return;
            };
            let outer_is_base = self.open.last().is_some_and(|o| o.kind != Kind::Chained);
            // The reference gives each `else if` the closing strip of what ends the block around it.
            let close_strip = if outer_is_base { close } else { open.strip };
            let block = self.block(open, close_strip);
            self.tree.nodes.push(Node::Block(block));
            let node = self.tree.nodes.len() - 1;
            if let Some(outer) = self.open.last_mut() {
                outer.body.push(node);
            }
        }
    }

    /// A block from what was open: its last body is the inverse where one has begun.
    fn block(&mut self, open: Open, close_strip: Strip) -> Block {
        let last = self.program(open.body, open.parameters, open.chain);
        let (program, inverse) = match open.program {
            Some(program) => (Some(program), Some(last)),
            None => (Some(last), None),
        };
        let (program, inverse) =
            if open.kind == Kind::Inverted { (inverse, program) } else { (program, inverse) };
        Block {
            call: open.call,
            program,
            inverse,
            open_strip: open.strip,
            inverse_strip: open.inverse_strip,
            close_strip,
        }
    }

    fn finish_block(&mut self, close_strip: Strip) {
        let Some(open) = self.open.pop() else {
            return;
        };
        let kind = open.kind;
        let block = self.block(open, close_strip);
        self.push(match kind {
            Kind::Partial => Node::PartialBlock(block),
            Kind::Inline => Node::Inline(block),
            _ => Node::Block(block),
        });
    }
}

/// What a tag begins.
enum Opener {
    End,
    Partial,
    Block(Kind),
    Chain,
    Decorator,
    Mustache { escaped: bool, unescaped: bool },
}

/// The kind of a tag and the length of its sign.
fn opener(body: &str) -> (Opener, usize) {
    let trimmed = body.trim_start();
    if let Some(after) = trimmed.strip_prefix("else")
        && !after.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
    {
        return (Opener::Chain, body.len() - after.len());
    }
    match body.as_bytes().first() {
        Some(b'>') => (Opener::Partial, 1),
        Some(b'#') if body.starts_with("#>") => (Opener::Block(Kind::Partial), 2),
        Some(b'#') if body.starts_with("#*") => (Opener::Block(Kind::Inline), 2),
        Some(b'#') => (Opener::Block(Kind::Plain), 1),
        Some(b'/') => (Opener::End, 1),
        Some(b'^') => (Opener::Block(Kind::Inverted), 1),
        Some(b'{') => (Opener::Mustache { escaped: false, unescaped: true }, 1),
        Some(b'&') => (Opener::Mustache { escaped: false, unescaped: false }, 1),
        Some(b'*') => (Opener::Decorator, 1),
        _ => (Opener::Mustache { escaped: true, unescaped: false }, 0),
    }
}

/// The length of `^}}` or `else}}`, where the tag is one.
fn inverse_tag(body: &str) -> Option<usize> {
    let after = body.strip_prefix('^').or_else(|| body.trim_start().strip_prefix("else"))?;
    let close = after.trim_start();
    let close = close.strip_prefix('~').unwrap_or(close);
    close.starts_with("}}").then(|| body.len() - close.len() + 2)
}

/// What a name is called in messages and compared by.
/// The name that closes a block; the reference has none for a call, and says so.
fn closing_name(name: &Expr) -> String {
    if matches!(name, Expr::Call(_)) { "undefined".to_owned() } else { original(name) }
}

pub(crate) fn original(name: &Expr) -> String {
    match name {
        Expr::Path(path) => path.original.clone(),
        Expr::Text(text) => text.to_string(),
        Expr::Number(number) => {
            let mut text = String::new();
            format::js_float(*number, &mut text);
            text
        }
        Expr::Bool(truth) => truth.to_string(),
        Expr::Undefined => "undefined".to_owned(),
        Expr::Null => "null".to_owned(),
        Expr::Call(call) => original(&call.name),
    }
}
