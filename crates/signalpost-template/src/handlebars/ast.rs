//! The tree of a Handlebars template, flat: nodes and programs refer to each other by index.

use std::sync::Arc;

/// An index into [`Tree::nodes`] or [`Tree::programs`].
pub(crate) type Id = usize;

/// White space to take away on either side of a tag.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Strip {
    pub(crate) open: bool,
    pub(crate) close: bool,
}

/// A path: `../a.b`, `this.x`, `@index`.
#[derive(Clone, Debug)]
pub(crate) struct Path {
    pub(crate) data: bool,
    pub(crate) depth: usize,
    pub(crate) parts: Vec<Arc<str>>,
    pub(crate) original: String,
    pub(crate) at: usize,
}

impl Path {
    /// A path that starts at the context itself: `./x`, `this.x`, `.`.
    pub(crate) fn is_scoped(&self) -> bool {
        self.original.starts_with('.') || has_word_this(&self.original)
    }

    /// One name and nothing else: it may be a helper's.
    pub(crate) fn is_simple(&self) -> bool {
        self.parts.len() == 1 && !self.is_scoped() && self.depth == 0
    }
}

/// True where `this` ends a word anywhere in the text, as the reference tests it.
fn has_word_this(text: &str) -> bool {
    text.match_indices("this")
        .any(|(i, _)| !text.as_bytes().get(i + 4).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_'))
}

/// An expression.
#[derive(Clone, Debug)]
pub(crate) enum Expr {
    Path(Path),
    Text(Arc<str>),
    Number(f64),
    Bool(bool),
    Undefined,
    Null,
    Call(Box<Invocation>),
}

/// A name with parameters and hash arguments.
#[derive(Clone, Debug)]
pub(crate) struct Invocation {
    pub(crate) name: Expr,
    pub(crate) params: Vec<Expr>,
    pub(crate) hash: Vec<(Arc<str>, Expr)>,
    pub(crate) at: usize,
}

/// A piece of text; what is printed is `start..end` of the original.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    pub(crate) original: String,
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) left_stripped: bool,
    pub(crate) right_stripped: bool,
}

impl Content {
    pub(crate) fn value(&self) -> &str {
        self.original.get(self.start..self.end).unwrap_or("")
    }
}

/// A block with its programs.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    pub(crate) call: Invocation,
    pub(crate) program: Option<Id>,
    pub(crate) inverse: Option<Id>,
    pub(crate) open_strip: Strip,
    pub(crate) inverse_strip: Strip,
    pub(crate) close_strip: Strip,
}

/// A statement.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    Content(Content),
    Comment(Strip),
    Mustache {
        call: Invocation,
        escaped: bool,
        strip: Strip,
    },
    Block(Block),
    Partial {
        call: Invocation,
        indent: String,
        strip: Strip,
    },
    PartialBlock(Block),
    /// `{{#*inline "name"}}`.
    Inline(Block),
}

/// A list of statements with the names of its block parameters.
#[derive(Clone, Debug, Default)]
pub(crate) struct Program {
    pub(crate) body: Vec<Id>,
    pub(crate) parameters: Vec<Arc<str>>,
    /// It holds only the block of an `else if`.
    pub(crate) chained: bool,
}

/// A parsed template.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tree {
    pub(crate) nodes: Vec<Node>,
    /// Inner programs come before those around them; the last is the root.
    pub(crate) programs: Vec<Program>,
}
