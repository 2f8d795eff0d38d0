//! The flat bytecode that both languages compile to: operations, constants and the table of places.
//!
//! In: what a front end emits. Out: [`Code`], immutable and shared between threads.

use std::sync::Arc;

use num_bigint::BigInt;

/// An index of an operation, or into one of the tables of [`Code`].
pub(crate) type Index = u32;

/// One step of the machine. Operands are on the stack, the last pushed first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Op {
    /// Nothing; text that was taken away again.
    Nop,
    /// Writes `text[start..start + length]`.
    Text {
        start: Index,
        length: Index,
    },
    /// Pushes a constant.
    Const(Index),
    Nil,
    Bool(bool),
    Int(i64),
    Jump(Index),
    /// Takes the condition.
    JumpIfFalsy(Index),
    JumpIfTruthy(Index),
    /// `or`: jumps with the condition kept, or takes it.
    OrJump(Index),
    AndJump(Index),
    /// The end of a template.
    End,
    /// Pushes the value of a path.
    Path(Index),
    MakeRange,
    Compare(Comparison),
    UnknownOperator(Index),
    Filter(Index),
    /// Writes the top; escaped where `escape`.
    Print {
        escape: bool,
    },
    Assign(Index),
    CaptureStart(Index),
    CaptureEnd,
    Count {
        name: Index,
        down: bool,
    },
    Cycle(Index),
    ForStart(Index),
    ForNext(Index),
    TableStart(Index),
    TableNext(Index),
    ChangedStart,
    ChangedEnd,
    CaseStart,
    /// Takes a comparison's result and counts it.
    CaseTally,
    /// Runs a `when` body once for each match, else jumps.
    CaseRun(Index),
    /// Jumps where something matched.
    CaseElse(Index),
    CaseEnd,
    Break,
    Continue,
    IncludeGuard,
    IncludeEnter(Index),
    SetLocal(Index),
    IncludeRun,
    RenderRun(Index),
    /// Handlebars: pushes the value of a path in the context.
    Find(Index),
    /// Handlebars: pushes the value of a name without arguments, which may be a helper's.
    Name(Index),
    /// Handlebars: calls a helper for its value.
    Call(Index),
    /// Handlebars: a block call; its program and inverse follow.
    Block(Index),
    /// Handlebars: the end of a block's program or inverse.
    BlockEnd,
    /// Handlebars: writes the top as JavaScript prints it.
    Write {
        escape: bool,
    },
    /// Handlebars: runs a partial.
    Partial(Index),
    /// Handlebars: registers an inline partial whose name is on the stack and whose code starts at the index.
    Inline(Index),
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    Greater,
    LessOrEqual,
    GreaterOrEqual,
    Contains,
}

/// A constant of a template.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Constant {
    Text(Arc<str>),
    Float(f64),
    Big(Arc<BigInt>),
    Range(i64, i64),
    Empty,
    Blank,
    Missing,
}

/// A statement: where its faults are reported, and where the machine goes on after one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    /// The line, from 1.
    pub(crate) line: u32,
    /// The byte offset in the source.
    pub(crate) offset: u32,
    /// The operation after the statement.
    pub(crate) end: Index,
    /// How many control frames are open around it.
    pub(crate) depth: u32,
    /// True where a fault leaves no text behind.
    pub(crate) blank: bool,
}

/// The root of a Liquid path.
#[derive(Clone, Debug)]
pub(crate) enum Root {
    Name(Arc<str>),
    /// The name is on the stack.
    Dynamic,
}

/// One step of a Liquid path.
#[derive(Clone, Debug)]
pub(crate) enum Segment {
    /// `.name` or `["name"]`.
    Key(Arc<str>),
    /// `.first`, `.last`, `.size`: a key where there is one, else a question to the value.
    Command(Arc<str>),
    Index(i64),
    /// The key is on the stack.
    Dynamic,
}

/// A Liquid path.
#[derive(Clone, Debug)]
pub(crate) struct Path {
    pub(crate) root: Root,
    pub(crate) segments: Vec<Segment>,
    /// How many keys are on the stack.
    pub(crate) dynamic: usize,
    /// True where a value that is not there is worth a report: it is printed.
    pub(crate) reported: bool,
}

/// A call of a filter: its input and arguments are on the stack.
#[derive(Clone, Debug)]
pub(crate) struct FilterCall {
    pub(crate) name: Arc<str>,
    pub(crate) builtin: Option<usize>,
    pub(crate) arguments: usize,
    /// Names of the keyword arguments, whose values come after the others.
    pub(crate) keywords: Vec<Arc<str>>,
}

/// Where a loop starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    Start,
    Given,
    Continue,
}

/// A `for` or `tablerow`: collection, offset, limit and columns are on the stack in that order.
#[derive(Clone, Debug)]
pub(crate) struct Loop {
    pub(crate) name: Arc<str>,
    pub(crate) variable: Arc<str>,
    pub(crate) from: From,
    pub(crate) limit: bool,
    pub(crate) columns: bool,
    pub(crate) reversed: bool,
    /// Where an empty collection goes.
    pub(crate) otherwise: Index,
    /// The operation that moves to the next item.
    pub(crate) next: Index,
}

/// A `cycle`: its values, and the key of its state on the stack where it is named.
#[derive(Clone, Debug)]
pub(crate) struct Cycle {
    /// Where each value's operations start.
    pub(crate) values: Vec<Index>,
    pub(crate) key: Option<Arc<str>>,
    /// The operation that prints the value.
    pub(crate) end: Index,
}

/// An `include` or `render`.
#[derive(Clone, Debug)]
pub(crate) struct Partial {
    /// `render`: the fixed name; `include` has it on the stack.
    pub(crate) name: Arc<str>,
    pub(crate) alias: Option<Arc<str>>,
    pub(crate) with: bool,
    pub(crate) each: bool,
    pub(crate) attributes: Vec<Arc<str>>,
}

/// A Handlebars path.
#[derive(Clone, Debug)]
pub(crate) struct Find {
    pub(crate) depth: usize,
    pub(crate) parts: Vec<Arc<str>>,
    /// A path in the current context without anything special: what follows is not set.
    pub(crate) plain: bool,
    pub(crate) original: Arc<str>,
    /// `@name`.
    pub(crate) data: bool,
    /// The block parameter it starts from: how many programs up, and which one.
    pub(crate) block_parameter: Option<(usize, usize)>,
    /// Strict: a value must be there.
    pub(crate) strict: bool,
    /// Objects are taken for granted: a missing one on the way is an error, a missing value is not.
    pub(crate) assume: bool,
    /// Also look in the contexts around (compat mode).
    pub(crate) compat: bool,
    /// True where a value that is not there is worth a report: it is printed.
    pub(crate) reported: bool,
}

/// The helpers that Handlebars brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Builtin {
    Each,
    If,
    Log,
    Lookup,
    Unless,
    With,
}

impl Builtin {
    pub(crate) fn named(name: &str) -> Option<Builtin> {
        Some(match name {
            "each" => Builtin::Each,
            "if" => Builtin::If,
            "log" => Builtin::Log,
            "lookup" => Builtin::Lookup,
            "unless" => Builtin::Unless,
            "with" => Builtin::With,
            _ => return None,
        })
    }
}

/// A Handlebars helper call: parameters, then hash values, are on the stack.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) name: Arc<str>,
    pub(crate) find: Index,
    pub(crate) parameters: usize,
    pub(crate) hash: Vec<Arc<str>>,
    /// The name can only be a helper's (`{{name}}` without parameters may be a value).
    pub(crate) certain: bool,
    /// False for a path or `this`, which cannot name a helper.
    pub(crate) helper: bool,
    /// The standard helper that the name is.
    pub(crate) builtin: Option<Builtin>,
}

/// A Handlebars block call.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    pub(crate) call: Call,
    /// The first operation of the program and of the inverse.
    pub(crate) program: Option<Index>,
    pub(crate) inverse: Option<Index>,
    pub(crate) end: Index,
}

/// A Handlebars partial call: dynamic name, context and hash values are on the stack.
#[derive(Clone, Debug)]
pub(crate) struct PartialCall {
    pub(crate) name: Arc<str>,
    pub(crate) dynamic: bool,
    pub(crate) context: bool,
    pub(crate) hash: Vec<Arc<str>>,
    /// There is a hash, so the context is copied, even where all that is given is `undefined`.
    pub(crate) copied: bool,
    pub(crate) indent: Arc<str>,
    /// The first operation of the block of `{{#> name}}`.
    pub(crate) block: Option<Index>,
    /// The inline partials of that block, whose names are on the stack.
    pub(crate) inlines: Vec<Index>,
    /// The partial gets no context of its own (`explicitPartialContext`).
    pub(crate) explicit: bool,
}

/// A compiled template.
#[derive(Debug, Default)]
pub(crate) struct Code {
    pub(crate) ops: Vec<Op>,
    /// The statement of each operation.
    pub(crate) places: Vec<Index>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) text: String,
    pub(crate) constants: Vec<Constant>,
    pub(crate) names: Vec<Arc<str>>,
    pub(crate) paths: Vec<Path>,
    pub(crate) filters: Vec<FilterCall>,
    pub(crate) loops: Vec<Loop>,
    pub(crate) cycles: Vec<Cycle>,
    pub(crate) partials: Vec<Partial>,
    pub(crate) finds: Vec<Find>,
    pub(crate) calls: Vec<Call>,
    pub(crate) blocks: Vec<Block>,
    pub(crate) partial_calls: Vec<PartialCall>,
    /// Handlebars' compat mode: partials see the contexts around them.
    pub(crate) uses_depths: bool,
    /// Handlebars: no `@` data is kept.
    pub(crate) no_data: bool,
    /// Handlebars: the names of the template's inline partials.
    pub(crate) inline_names: Vec<Arc<str>>,
    /// Handlebars: the first operations of the programs that have block parameters.
    pub(crate) parametrized: Vec<Index>,
    /// Liquid output is escaped.
    pub(crate) auto_escape: bool,
}

impl Code {
    /// True where the program that starts at `start` has block parameters.
    pub(crate) fn takes_parameters(&self, start: Index) -> bool {
        !self.parametrized.is_empty() && self.parametrized.contains(&start)
    }
}
