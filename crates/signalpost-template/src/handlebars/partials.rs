//! Emits Handlebars' partial calls and inline partials.

use std::sync::Arc;

use super::ast::{Block as BlockNode, Expr, Id, Invocation, Node};
use super::emit::{Compiler, Task};
use super::parse::original;
use crate::code::{Index, Op, PartialCall};
use crate::emit::index;
use crate::error::{Error, ErrorKind};

impl Compiler<'_> {
    pub(crate) fn start_inline(&mut self, inline: Id) {
        let Some(Node::Inline(block)) = self.tree.nodes.get(inline) else {
            return;
        };
        let jump = self.emitter.push(Op::Jump(0));
        if let Some(Expr::Text(name)) = block.call.params.first() {
            self.emitter.code.inline_names.push(name.clone());
        }
        self.inline_starts.insert(inline, self.emitter.here());
        self.tasks.push(Task::EndInline { jump });
        if let Some(program) = block.program {
            let (path, _) = self.around();
            self.begin_program(program, (path, true));
        }
    }

    /// Emits the names of a program's inline partials; gives where their code starts.
    pub(crate) fn inline_names(&mut self, program: Id) -> Result<Vec<Index>, Error> {
        let mut starts = Vec::new();
        for (id, block) in self.inlines(program) {
            self.inline_name(block)?;
            starts.push(self.inline_starts.get(&id).copied().unwrap_or(0));
        }
        Ok(starts)
    }

    /// Emits the registration of a program's inline partials; a later one hides an earlier one of its name.
    pub(crate) fn register(&mut self, program: Id) -> Result<(), Error> {
        for (id, block) in self.inlines(program) {
            self.inline_name(block)?;
            let start = self.inline_starts.get(&id).copied().unwrap_or(0);
            self.emitter.push(Op::Inline(start));
        }
        Ok(())
    }

    fn inline_name(&mut self, block: &BlockNode) -> Result<(), Error> {
        match block.call.params.first() {
            Some(name) => self.param(name),
            None => {
                self.emitter.push(Op::Nil);
                Ok(())
            }
        }
    }

    pub(crate) fn partial(
        &mut self,
        call: &Invocation,
        indent: &str,
        block: Option<Id>,
    ) -> Result<(), Error> {
        let options = &self.options.handlebars;
        let (explicit, prevent_indent) = (options.explicit_partial_context, options.prevent_indent);
        let node = self.emitter.node(call.at, call.at, 0);
        if call.params.len() > 1 {
            let message = format!("Unsupported number of partial arguments: {}", call.params.len());
            return Err(Error::at(ErrorKind::Syntax, self.name, self.emitter.source, call.at, message));
        }
        if prevent_indent && !indent.is_empty() {
            self.emitter.text(indent);
        }
        let dynamic = matches!(call.name, Expr::Call(_));
        // In handlebars.js, a dynamic partial that is given no context takes its name for the context here, and
        // `undefined` for its name.
        let misread = dynamic && explicit && call.params.is_empty();
        if let Expr::Call(name) = &call.name {
            self.value(name, true)?;
        }
        for param in &call.params {
            self.param(param)?;
        }
        let mut hash = Vec::new();
        for (key, value) in call.hash.iter().filter(|(_, v)| !matches!(v, Expr::Undefined)) {
            self.param(value)?;
            hash.push(self.emitter.shared(key));
        }
        let spec = PartialCall {
            name: if misread { Arc::from("undefined") } else { Arc::from(original(&call.name)) },
            dynamic: dynamic && !misread,
            context: misread || !call.params.is_empty(),
            hash,
            copied: !call.hash.is_empty(),
            indent: Arc::from(if prevent_indent { "" } else { indent }),
            block: None,
            inlines: Vec::new(),
            explicit,
        };
        self.emitter.code.partial_calls.push(spec);
        let at = index(self.emitter.code.partial_calls.len() - 1);
        let Some(program) = block else {
            self.emitter.push(Op::Partial(at));
            self.emitter.close(node, false);
            return Ok(());
        };
        let jump = self.emitter.push(Op::Jump(0));
        let start = self.emitter.here();
        if let Some(spec) = self.emitter.code.partial_calls.get_mut(at as usize) {
            spec.block = Some(start);
        }
        self.tasks.push(Task::EndPartial { call: at, program, jump, node });
        let (path, _) = self.around();
        self.begin_program(program, (path, true));
        Ok(())
    }
}
