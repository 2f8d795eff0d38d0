//! The Liquid compiler: walks the chunks of a document with an explicit stack of open blocks and emits bytecode.
//!
//! In: source and options. Out: [`Code`] and the paths the template reads, or the first error.

use super::lexer::Complaint;
use super::source::{Chunk, Chunks, Tag, full_tag, line_tag, possibly_invalid_tag};
use crate::code::{Code, Index, Op};
use crate::emit::Emitter;
use crate::error::{Error, ErrorKind, Fault, FaultKind, Limit, nearest};
use crate::names::Reads;
use crate::template::CompileOptions;

/// How strictly markup is read; the names are the reference's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Mode {
    /// Anything goes; what cannot be read is skipped.
    #[default]
    Lax,
    /// Some tags refuse what they cannot read.
    Strict,
    /// All tags do.
    Strict2,
}

/// The body of a block as far as it is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Body {
    /// The text right before the current place, which `{%-` trims.
    pub(crate) last_text: Option<Index>,
    /// Nothing in it prints but white space.
    pub(crate) blank: bool,
}

impl Body {
    pub(crate) const NEW: Body = Body { last_text: None, blank: true };
}

/// An open block.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) tag: &'static str,
    pub(crate) at: usize,
    pub(crate) node: Index,
    pub(crate) body: Body,
    /// All bodies read so far are blank.
    pub(crate) blank: bool,
    /// The block's own texts, to erase where it turns out blank.
    pub(crate) texts: Vec<Index>,
    pub(crate) kind: Kind,
}

/// What is special to a kind of block.
#[derive(Debug)]
pub(crate) enum Kind {
    If { next: Option<Index>, ends: Vec<Index> },
    Case { left: super::expression::Expr, before: Option<Index>, run: Option<Index> },
    For { start: Index, body: Index, skip: Option<Index>, reads: usize },
    Table { start: Index, body: Index, reads: usize },
    Capture,
    Changed,
}

/// The compiler's state.
#[derive(Debug)]
pub(crate) struct Compiler<'s> {
    pub(crate) name: &'s str,
    pub(crate) options: &'s CompileOptions,
    pub(crate) mode: Mode,
    pub(crate) emitter: Emitter<'s>,
    pub(crate) open: Vec<Open>,
    pub(crate) root: Body,
    pub(crate) depth: usize,
    pub(crate) reads: Reads,
    pub(crate) unnamed: usize,
    trim: bool,
}

/// Compiles a Liquid document.
pub(crate) fn compile(
    name: &str,
    source: &str,
    options: &CompileOptions,
) -> Result<(Code, Vec<String>), Error> {
    let mut compiler = Compiler {
        name,
        options,
        mode: options.mode,
        emitter: Emitter::new(source),
        open: Vec::new(),
        root: Body::NEW,
        depth: 0,
        reads: Reads::default(),
        unnamed: 0,
        trim: false,
    };
    compiler.emitter.code.auto_escape = options.auto_escape;
    compiler.document()?;
    compiler.emitter.node(source.len(), source.len(), 0);
    compiler.emitter.push(Op::End);
    Ok((compiler.emitter.code, compiler.reads.finish()))
}

fn is_blank(text: &str) -> bool {
    text.bytes().all(super::lexer::is_space)
}

impl<'s> Compiler<'s> {
    fn document(&mut self) -> Result<(), Error> {
        let source = self.emitter.source;
        let mut chunks = Chunks::document(source);
        while let Some(chunk) = chunks.shift() {
            if chunk.text.starts_with("{%") {
                self.trims(chunk);
                self.tag_chunk(chunk, &mut chunks)?;
            } else if chunk.text.starts_with("{{") {
                self.trims(chunk);
                self.variable(chunk)?;
            } else {
                self.text(chunk.text);
            }
        }
        self.all_closed(0)
    }

    fn all_closed(&self, floor: usize) -> Result<(), Error> {
        match self.open.get(floor..).and_then(<[Open]>::last) {
            Some(open) => Err(self.never_closed(open.tag, open.at)),
            None => Ok(()),
        }
    }

    pub(crate) fn never_closed(&self, tag: &str, at: usize) -> Error {
        self.syntax(at, format!("'{tag}' tag was never closed"))
            .with_hint(Some(format!("expected `end{tag}`")))
    }

    /// Applies `{%-` and `-%}` around a chunk.
    fn trims(&mut self, chunk: Chunk<'_>) {
        let bytes = chunk.text.as_bytes();
        if bytes.get(2) == Some(&b'-')
            && let Some(text) = self.body().last_text
        {
            let kept = self.emitter.text_of(text).trim_end_matches(is_stripped).len();
            self.emitter.set_length(text, kept);
        }
        self.trim = ends_with_dash(bytes);
    }

    pub(crate) fn body(&mut self) -> &mut Body {
        self.open.last_mut().map_or(&mut self.root, |open| &mut open.body)
    }

    fn text(&mut self, text: &str) {
        let text = if self.trim { text.trim_start_matches(is_stripped) } else { text };
        self.trim = false;
        let at = self.emitter.text(text);
        if let Some(open) = self.open.last_mut() {
            open.texts.push(at);
        }
        let body = self.body();
        body.last_text = Some(at);
        body.blank &= is_blank(text);
    }

    /// Notes that a node other than text stands in the body now.
    pub(crate) fn placed(&mut self, blank: bool) {
        let body = self.body();
        body.last_text = None;
        body.blank &= blank;
    }

    fn variable(&mut self, chunk: Chunk<'_>) -> Result<(), Error> {
        let Some(inner) = chunk.text.strip_suffix("}}").and_then(|t| t.get(2..)) else {
            let token = chunk.text;
            let message = format!("Variable '{token}' was not properly terminated with regexp: /\\}}\\}}/");
            return Err(self.syntax(chunk.at, message).with_hint(Some("expected `}}`".to_owned())));
        };
        let lead = usize::from(inner.starts_with('-'));
        let inner = inner.get(lead..).unwrap_or("");
        let markup = inner.strip_suffix('-').unwrap_or(inner);
        let node = self.emitter.node(chunk.at, chunk.at, self.depth);
        self.print(markup, chunk.at + 2 + lead)?;
        self.emitter.close(node, false);
        self.placed(false);
        Ok(())
    }

    /// Emits the printing of an output's markup.
    pub(crate) fn print(&mut self, markup: &str, at: usize) -> Result<(), Error> {
        let output = self.output(markup, at)?;
        self.emit_output(output, at, true)?;
        let escape = self.options.auto_escape;
        self.emitter.push(Op::Print { escape });
        Ok(())
    }

    fn tag_chunk(&mut self, chunk: Chunk<'s>, chunks: &mut Chunks<'s>) -> Result<(), Error> {
        let Some(tag) = full_tag(chunk) else {
            if chunk.text.ends_with("%}") && chunk.text.len() >= 4 {
                return self.unknown_tag(chunk.text, chunk.at, 0, false);
            }
            let message = format!("Tag '{}' was not properly terminated with regexp: /\\%\\}}/", chunk.text);
            return Err(self.syntax(chunk.at, message).with_hint(Some("expected `%}`".to_owned())));
        };
        self.tag(tag, chunks, 0, false)
    }

    /// Compiles one tag; `floor` is where the blocks of the `liquid` tag around it begin.
    fn tag(
        &mut self,
        tag: Tag<'s>,
        chunks: &mut Chunks<'s>,
        floor: usize,
        in_liquid: bool,
    ) -> Result<(), Error> {
        match tag.name {
            "liquid" => self.liquid_tag(tag, in_liquid),
            "comment" => self.comment(tag, chunks),
            "doc" => self.doc(tag, chunks),
            "raw" => self.raw(tag, chunks),
            _ if self.simple_tag(tag)? => Ok(()),
            _ if self.block_tag(tag)? => Ok(()),
            _ if self.middle_or_end(tag, floor)? => Ok(()),
            name => self.unknown_tag(name, tag.name_at, floor, in_liquid),
        }
    }

    /// The lines of a `liquid` tag; a `liquid` within one of its lines is a tag on the rest of that line.
    fn liquid_tag(&mut self, tag: Tag<'s>, in_liquid: bool) -> Result<(), Error> {
        if in_liquid {
            let mut rest = Some(tag);
            while let Some(t) = rest.filter(|t| t.name == "liquid") {
                rest = line_tag(t.markup, t.markup_at);
            }
            let mut none = Chunks::lines(self.emitter.source, 0, 0);
            return match rest {
                Some(tag) => {
                    let floor = self.open.len();
                    self.tag(tag, &mut none, floor, true)?;
                    self.all_closed(floor)
                }
                None => Ok(()),
            };
        }
        let floor = self.open.len();
        let mut lines = Chunks::lines(self.emitter.source, tag.markup_at, tag.markup_at + tag.markup.len());
        while let Some(line) = lines.shift() {
            if is_blank(line.text) {
                continue;
            }
            match line_tag(line.text, line.at) {
                Some(inner) => self.tag(inner, &mut lines, floor, true)?,
                None => return self.unknown_tag(line.text, line.at, floor, true),
            }
        }
        self.all_closed(floor)
    }

    fn comment(&mut self, tag: Tag<'s>, chunks: &mut Chunks<'s>) -> Result<(), Error> {
        let mut depth = 1usize;
        while let Some(chunk) = chunks.shift() {
            match raw_tag_name(chunk, chunks.lines) {
                Some("raw") => self.skip_raw(tag, chunks)?,
                Some("comment") => depth += 1,
                Some("endcomment") => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                self.end_raw(chunk, chunks.lines);
                self.placed(true);
                return Ok(());
            }
        }
        Err(self.never_closed("comment", tag.name_at))
    }

    fn skip_raw(&self, tag: Tag<'_>, chunks: &mut Chunks<'s>) -> Result<(), Error> {
        while let Some(chunk) = chunks.shift() {
            if possibly_invalid_tag(chunk.text).is_some_and(|(_, name)| name == "endraw") {
                return Ok(());
            }
        }
        Err(self.never_closed("raw", tag.name_at))
    }

    /// The trimming that the end of `raw`, `comment` or `doc` asks for.
    fn end_raw(&mut self, chunk: Chunk<'_>, in_lines: bool) {
        if !in_lines {
            self.trim = ends_with_dash(chunk.text.as_bytes());
        }
    }

    fn doc(&mut self, tag: Tag<'s>, chunks: &mut Chunks<'s>) -> Result<(), Error> {
        if !is_blank(tag.markup) {
            let message = "Syntax Error in 'doc' - Valid syntax: {% doc %}{% enddoc %}";
            return Err(self.syntax(tag.markup_at, message.to_owned()));
        }
        let mut empty = true;
        while let Some(chunk) = chunks.shift() {
            let found = possibly_invalid_tag(chunk.text).map(|(_, name)| name);
            let found = if chunks.lines { line_tag(chunk.text, chunk.at).map(|t| t.name) } else { found };
            if found == Some("doc") {
                let message = "Syntax Error in 'doc' - Nested doc tags are not allowed";
                return Err(self.syntax(chunk.at, message.to_owned()));
            }
            if found == Some("enddoc") {
                self.end_raw(chunk, chunks.lines);
                self.placed(empty);
                return Ok(());
            }
            empty &= chunk.text.is_empty();
        }
        Err(self.never_closed("doc", tag.name_at))
    }

    fn raw(&mut self, tag: Tag<'s>, chunks: &mut Chunks<'s>) -> Result<(), Error> {
        if !is_blank(tag.markup) {
            return Err(self.syntax(tag.markup_at, "Syntax Error in 'raw' - Valid syntax: raw".to_owned()));
        }
        let mut body = String::new();
        while let Some(chunk) = chunks.shift() {
            if let Some((before, "endraw")) = possibly_invalid_tag(chunk.text) {
                body.push_str(before);
                self.end_raw(chunk, chunks.lines);
                let node = self.emitter.node(tag.markup_at, tag.name_at, self.depth);
                self.emitter.text(&body);
                self.emitter.close(node, false);
                self.placed(body.is_empty());
                return Ok(());
            }
            body.push_str(chunk.text);
        }
        Err(self.never_closed("raw", tag.name_at))
    }

    /// The complaint about a tag that nothing knows, in the words for where it stands.
    fn unknown_tag(&self, tag: &str, at: usize, floor: usize, in_liquid: bool) -> Result<(), Error> {
        let block = self.open.get(floor..).and_then(<[Open]>::last).map(|open| open.tag);
        let message = match (block, in_liquid) {
            (None, false) if matches!(tag, "else" | "end") => format!("Unexpected outer '{tag}' tag"),
            (None, false) => format!("Unknown tag '{tag}'"),
            (block, _) => {
                let (name, close) = block.map_or(("liquid", "%}".to_owned()), |b| (b, format!("end{b}")));
                if tag == "else" {
                    format!("{name} tag does not expect 'else' tag")
                } else if tag.starts_with("end") {
                    format!("'{tag}' is not a valid delimiter for {name} tags. use {close}")
                } else {
                    format!("Unknown tag '{tag}'")
                }
            }
        };
        let kind = if message.starts_with("Unknown") { ErrorKind::UnknownTag } else { ErrorKind::Syntax };
        let hint = nearest(tag, super::TAGS.iter().map(|(name, _)| *name));
        Err(Error::at(kind, self.name, self.emitter.source, at, message)
            .with_width(tag.len())
            .with_hint(hint.filter(|h| *h != tag).map(|near| format!("did you mean `{near}`?"))))
    }

    pub(crate) fn syntax(&self, at: usize, message: String) -> Error {
        Error::at(ErrorKind::Syntax, self.name, self.emitter.source, at, message)
    }

    pub(crate) fn fault(&self, fault: Fault, at: usize) -> Error {
        let kind = if fault.kind == FaultKind::Syntax { ErrorKind::Syntax } else { fault.error_kind() };
        Error::at(kind, self.name, self.emitter.source, at, fault.message)
    }

    /// Places a strict parser's complaint about a tag's markup.
    pub(crate) fn complaint(&self, (mut fault, offset): Complaint, tag: Tag<'_>) -> Error {
        fault.message = format!("{} in \"{}\"", fault.message, tag.markup.trim());
        self.fault(fault, tag.markup_at + offset)
    }

    /// Opens a block.
    pub(crate) fn push_open(
        &mut self,
        tag: &'static str,
        at: usize,
        node: Index,
        kind: Kind,
    ) -> Result<(), Error> {
        if self.open.len() >= self.options.limits.nesting {
            return Err(Error::at(
                ErrorKind::Budget(Limit::Nesting),
                self.name,
                self.emitter.source,
                at,
                format!("Nesting too deep: more than {} blocks within blocks", self.options.limits.nesting),
            ));
        }
        self.open.push(Open { tag, at, node, body: Body::NEW, blank: true, texts: Vec::new(), kind });
        Ok(())
    }
}

fn is_stripped(c: char) -> bool {
    c == '\0' || u8::try_from(c).is_ok_and(super::lexer::is_space)
}

fn ends_with_dash(bytes: &[u8]) -> bool {
    bytes.len().checked_sub(3).and_then(|i| bytes.get(i)) == Some(&b'-')
}

fn raw_tag_name<'c>(chunk: Chunk<'c>, in_lines: bool) -> Option<&'c str> {
    if in_lines { line_tag(chunk.text, chunk.at).map(|t| t.name) } else { full_tag(chunk).map(|t| t.name) }
}
