//! Emits bytecode for a Handlebars tree, with an explicit stack of programs still to be emitted.
//!
//! In: the tree after white-space control. Out: [`Code`] and the paths the template reads.

use std::collections::HashMap;
use std::sync::Arc;

use super::ast::{Block as BlockNode, Expr, Id, Invocation, Node, Path, Tree};
use super::parse::original;
use crate::code::{Block, Builtin, Call, Code, Constant, Find, Index, Op};
use crate::emit::{Emitter, index};
use crate::error::{Error, ErrorKind, nearest};
use crate::names::Reads;
use crate::template::CompileOptions;

/// How a name without parameters is resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Only a helper.
    Helper,
    /// A helper where there is one, else a value.
    Ambiguous,
    /// Only a value.
    Simple,
}

/// What is left to do in the emission.
pub(crate) enum Task {
    /// The statements of a program from one on.
    Body {
        program: Id,
        at: usize,
    },
    /// The end of a program: `BlockEnd`, and the names it gave are forgotten.
    EndProgram {
        mark: usize,
    },
    /// What a block still needs: its inverse, then its end.
    Inverse {
        block: Index,
        inverse: Option<Id>,
        node: Index,
    },
    EndBlock {
        block: Index,
        node: Index,
    },
    /// The block of a partial call has ended.
    EndPartial {
        call: Index,
        program: Id,
        jump: Index,
        node: Index,
    },
    StartInline {
        inline: Id,
    },
    EndInline {
        jump: Index,
    },
    /// All inline partials of a program are emitted: register them.
    Register {
        program: Id,
    },
}

pub(crate) struct Compiler<'s> {
    pub(crate) name: &'s str,
    pub(crate) options: &'s CompileOptions,
    pub(crate) tree: &'s Tree,
    pub(crate) emitter: Emitter<'s>,
    pub(crate) tasks: Vec<Task>,
    /// Block parameters of the programs around, innermost last.
    parameters: Vec<Vec<Arc<str>>>,
    pub(crate) reads: Reads,
    /// The schema path of each context around, innermost last (`None` where it is not known), and whether the
    /// program has a context of its own.
    pub(crate) contexts: Vec<(Option<String>, bool)>,
    /// Where each inline partial's code starts, by node.
    pub(crate) inline_starts: HashMap<Id, Index>,
}

/// Compiles a tree.
pub(crate) fn compile(
    name: &str,
    source: &str,
    options: &CompileOptions,
    tree: &Tree,
) -> Result<(Code, Vec<String>), Error> {
    let mut compiler = Compiler {
        name,
        options,
        tree,
        emitter: Emitter::new(source),
        tasks: Vec::new(),
        parameters: Vec::new(),
        reads: Reads::default(),
        contexts: Vec::new(),
        inline_starts: HashMap::new(),
    };
    let root = tree.programs.len().saturating_sub(1);
    compiler.emitter.code.uses_depths = options.handlebars.compat;
    compiler.emitter.code.no_data = !options.handlebars.data;
    compiler.begin_program(root, (Some(String::new()), true));
    // The root ends with `End`, not with `BlockEnd`.
    compiler.run()?;
    compiler.emitter.code.ops.pop();
    compiler.emitter.code.places.pop();
    compiler.emitter.push(Op::End);
    Ok((compiler.emitter.code, compiler.reads.finish()))
}

impl<'s> Compiler<'s> {
    fn run(&mut self) -> Result<(), Error> {
        while let Some(task) = self.tasks.pop() {
            match task {
                Task::Body { program, at } => self.body(program, at)?,
                Task::EndProgram { mark } => {
                    self.emitter.push(Op::BlockEnd);
                    self.parameters.pop();
                    self.contexts.pop();
                    self.reads.forget(mark);
                }
                Task::Inverse { block, inverse, node } => {
                    self.tasks.push(Task::EndBlock { block, node });
                    if let Some(inverse) = inverse {
                        let here = self.emitter.here();
                        if let Some(spec) = self.emitter.code.blocks.get_mut(block as usize) {
                            spec.inverse = Some(here);
                        }
                        let context = self.around();
                        self.begin_program(inverse, context);
                    }
                }
                Task::EndBlock { block, node } => {
                    let here = self.emitter.here();
                    if let Some(spec) = self.emitter.code.blocks.get_mut(block as usize) {
                        spec.end = here;
                    }
                    self.emitter.close(node, false);
                }
                Task::EndPartial { call, program, jump, node } => {
                    self.emitter.patch(jump);
                    self.emitter.resume(node);
                    let inlines = self.inline_names(program)?;
                    if let Some(spec) = self.emitter.code.partial_calls.get_mut(call as usize) {
                        spec.inlines = inlines;
                    }
                    self.emitter.push(Op::Partial(call));
                    self.emitter.close(node, false);
                }
                Task::StartInline { inline } => self.start_inline(inline),
                Task::EndInline { jump } => self.emitter.patch(jump),
                Task::Register { program } => self.register(program)?,
            }
        }
        Ok(())
    }

    pub(crate) fn around(&self) -> (Option<String>, bool) {
        (self.contexts.last().and_then(|(path, _)| path.clone()), false)
    }

    /// Begins a program in a context: its inline partials first, then its statements.
    pub(crate) fn begin_program(&mut self, program: Id, context: (Option<String>, bool)) {
        let found = self.tree.programs.get(program);
        let parameters = found.map_or(Vec::new(), |p| p.parameters.clone());
        if !parameters.is_empty() {
            self.emitter.code.parametrized.push(self.emitter.here());
        }
        self.parameters.push(parameters);
        self.contexts.push(context);
        self.tasks.push(Task::EndProgram { mark: self.reads.mark() });
        self.tasks.push(Task::Body { program, at: 0 });
        let inlines: Vec<Id> = self.inlines(program).map(|(id, _)| id).collect();
        if !inlines.is_empty() {
            self.tasks.push(Task::Register { program });
        }
        for inline in inlines.into_iter().rev() {
            self.tasks.push(Task::StartInline { inline });
        }
    }

    /// The inline partials that a program defines.
    pub(crate) fn inlines(&self, program: Id) -> impl Iterator<Item = (Id, &'s BlockNode)> + use<'s> {
        let tree = self.tree;
        let body = tree.programs.get(program).map_or(&[][..], |p| &p.body);
        body.iter().filter_map(|id| match tree.nodes.get(*id) {
            Some(Node::Inline(block)) => Some((*id, block)),
            _ => None,
        })
    }

    fn body(&mut self, program: Id, at: usize) -> Result<(), Error> {
        let tree = self.tree;
        let Some(id) = tree.programs.get(program).and_then(|p| p.body.get(at)) else {
            return Ok(());
        };
        self.tasks.push(Task::Body { program, at: at + 1 });
        match tree.nodes.get(*id) {
            Some(Node::Content(content)) => {
                if !content.value().is_empty() {
                    self.emitter.text(content.value());
                }
                Ok(())
            }
            Some(Node::Mustache { call, escaped, .. }) => self.mustache(call, *escaped),
            Some(Node::Block(block)) => self.block(block),
            Some(Node::Partial { call, indent, .. }) => self.partial(call, indent, None),
            Some(Node::PartialBlock(block)) => self.partial(&block.call, "", block.program),
            _ => Ok(()),
        }
    }

    fn mustache(&mut self, call: &Invocation, escaped: bool) -> Result<(), Error> {
        let node = self.emitter.node(call.at, call.at, 0);
        self.value(call, false)?;
        let escape = escaped && !self.options.handlebars.no_escape;
        self.emitter.push(Op::Write { escape });
        self.emitter.close(node, false);
        Ok(())
    }

    /// The path that a call's name is; literals stand for properties of that name.
    fn name_path(&self, call: &Invocation) -> Path {
        match &call.name {
            Expr::Path(path) => path.clone(),
            other => {
                let text = original(other);
                Path {
                    data: false,
                    depth: 0,
                    parts: vec![Arc::from(text.as_str())],
                    original: text,
                    at: call.at,
                }
            }
        }
    }

    pub(crate) fn block_parameter(&self, name: &str) -> Option<(usize, usize)> {
        if self.reads.mark() == 0 {
            // No name was given anywhere around.
            return None;
        }
        self.parameters
            .iter()
            .rev()
            .filter(|names| !names.is_empty())
            .enumerate()
            .find_map(|(up, names)| names.iter().position(|n| &**n == name).map(|at| (up, at)))
    }

    fn is_known(&self, name: &str) -> bool {
        super::HELPERS.iter().any(|(n, _)| *n == name)
            || matches!(name, "helperMissing" | "blockHelperMissing")
            || self.options.known_helpers.iter().any(|k| k == name)
    }

    /// Which of the three ways a call is resolved in.
    fn kind(&self, call: &Invocation, path: &Path, subexpression: bool) -> Kind {
        let simple = path.is_simple();
        let first = path.parts.first().map_or("", |p| p);
        if simple && self.block_parameter(first).is_some() && !subexpression {
            return Kind::Simple;
        }
        if subexpression || !call.params.is_empty() || !call.hash.is_empty() {
            return Kind::Helper;
        }
        match simple {
            true if self.is_known(first) => Kind::Helper,
            true if self.options.handlebars.known_helpers_only => Kind::Simple,
            true => Kind::Ambiguous,
            false => Kind::Simple,
        }
    }

    /// Emits the value of a call.
    pub(crate) fn value(&mut self, call: &Invocation, subexpression: bool) -> Result<(), Error> {
        let path = self.name_path(call);
        let kind = self.kind(call, &path, subexpression);
        if kind == Kind::Simple {
            let find = self.find(&path, true, true, true);
            self.emitter.push(Op::Find(find));
            return Ok(());
        }
        let spec = self.call(call, &path, kind)?;
        self.emitter.code.calls.push(spec);
        let at = index(self.emitter.code.calls.len() - 1);
        self.emitter.push(if kind == Kind::Ambiguous { Op::Name(at) } else { Op::Call(at) });
        Ok(())
    }

    /// Emits parameters and hash, and describes the call.
    fn call(&mut self, call: &Invocation, path: &Path, kind: Kind) -> Result<Call, Error> {
        let name = path.parts.first().cloned().unwrap_or_else(|| Arc::from(""));
        let known = self.is_known(&name);
        if kind == Kind::Helper && !known {
            if self.options.handlebars.known_helpers_only {
                let message = format!("You specified knownHelpersOnly, but used the unknown helper {name}");
                return Err(Error::at(
                    ErrorKind::UnknownHelper,
                    self.name,
                    self.emitter.source,
                    path.at,
                    message,
                ));
            }
            if self.options.refuse_unknown && path.is_simple() {
                return Err(self.unknown_helper(&name, path.at));
            }
        }
        for param in &call.params {
            self.param(param)?;
        }
        let mut hash = Vec::new();
        // The literal `undefined` counts as not given.
        for (key, value) in call.hash.iter().filter(|(_, v)| !matches!(v, Expr::Undefined)) {
            self.param(value)?;
            hash.push(self.emitter.shared(key));
        }
        let find = self.find(path, true, kind == Kind::Ambiguous, kind == Kind::Ambiguous);
        let helper = path.is_simple() || known;
        Ok(Call {
            builtin: if helper { Builtin::named(&name) } else { None },
            name: if known || path.is_simple() { name } else { Arc::from(path.original.as_str()) },
            find,
            parameters: call.params.len(),
            hash,
            certain: kind == Kind::Helper,
            helper,
        })
    }

    fn unknown_helper(&self, name: &str, at: usize) -> Error {
        let known: Vec<String> = super::HELPERS
            .iter()
            .map(|(n, _)| (*n).to_owned())
            .chain(self.options.known_helpers.iter().cloned())
            .collect();
        let hint = nearest(name, known.iter().map(String::as_str)).map(|n| format!("did you mean `{n}`?"));
        Error::at(
            ErrorKind::UnknownHelper,
            self.name,
            self.emitter.source,
            at,
            format!("Unknown helper '{name}'"),
        )
        .with_width(name.len())
        .with_hint(hint)
    }

    /// Emits a parameter's value. Nesting is bounded by the parser.
    pub(crate) fn param(&mut self, expr: &Expr) -> Result<(), Error> {
        let op = match expr {
            Expr::Path(path) => {
                let find = self.find(path, false, false, true);
                Op::Find(find)
            }
            Expr::Text(text) => Op::Const(self.emitter.constant(Constant::Text(text.clone()))),
            Expr::Number(number) => number_op(*number, &mut self.emitter),
            Expr::Bool(truth) => Op::Bool(*truth),
            Expr::Undefined => Op::Const(self.emitter.constant(Constant::Missing)),
            Expr::Null => Op::Nil,
            Expr::Call(call) => return self.value(call, true),
        };
        self.emitter.push(op);
        Ok(())
    }

    /// Describes a lookup; `terminal` where the strict mode asks for its value, `printed` where it is output,
    /// `read` where the template may read it.
    fn find(&mut self, path: &Path, terminal: bool, printed: bool, read: bool) -> Index {
        let options = &self.options.handlebars;
        let scoped = path.is_scoped();
        let block_parameter = match path.parts.first() {
            Some(first) if path.depth == 0 && !scoped => self.block_parameter(first),
            _ => None,
        };
        if let Some(read) = self.path_read(path, block_parameter.is_some()).filter(|_| read) {
            self.reads.read(read);
        }
        // A path that begins with an empty name, as `{{""}}` does, is the context, whatever follows.
        let context = !path.data && path.parts.first().is_some_and(|p| p.is_empty());
        let parts = if context { &[][..] } else { path.parts.as_slice() };
        // As in the original, data is kept after all where a template asks for it.
        self.emitter.code.no_data &= !path.data;
        let strict = options.strict && terminal && block_parameter.is_none();
        let assume = options.strict || options.assume_objects;
        let data = path.data && !path.parts.is_empty();
        let compat = options.compat && !scoped && path.depth == 0;
        let special = strict || assume || data || compat || path.depth > 0;
        let find = Find {
            plain: !special && block_parameter.is_none(),
            depth: path.depth,
            parts: parts.iter().map(|p| self.emitter.shared(p)).collect(),
            original: Arc::from(path.original.as_str()),
            // `@this` is the context itself.
            data,
            block_parameter: if path.data { None } else { block_parameter },
            strict,
            assume,
            compat,
            reported: printed,
        };
        self.emitter.code.finds.push(find);
        index(self.emitter.code.finds.len() - 1)
    }

    fn block(&mut self, block: &BlockNode) -> Result<(), Error> {
        let node = self.emitter.node(block.call.at, block.call.at, 0);
        let path = self.name_path(&block.call);
        let kind = self.kind(&block.call, &path, false);
        let call = if kind == Kind::Simple {
            let find = self.find(&path, true, false, true);
            let name = Arc::from(path.original.as_str());
            Call { name, find, parameters: 0, hash: Vec::new(), certain: false, helper: false, builtin: None }
        } else {
            self.call(&block.call, &path, kind)?
        };
        let spec = Block { program: None, inverse: None, end: 0, call };
        self.emitter.code.blocks.push(spec);
        let at = index(self.emitter.code.blocks.len() - 1);
        self.emitter.push(Op::Block(at));
        self.tasks.push(Task::Inverse { block: at, inverse: block.inverse, node });
        if let Some(program) = block.program {
            let here = self.emitter.here();
            if let Some(spec) = self.emitter.code.blocks.get_mut(at as usize) {
                spec.program = Some(here);
            }
            let context = self.inner_context(&block.call, &path, kind, program);
            self.begin_program(program, context);
        }
        Ok(())
    }
}

fn number_op(number: f64, emitter: &mut Emitter<'_>) -> Op {
    match crate::value::compare::whole(number) {
        Some(whole) => Op::Int(whole),
        None => Op::Const(emitter.constant(Constant::Float(number))),
    }
}
