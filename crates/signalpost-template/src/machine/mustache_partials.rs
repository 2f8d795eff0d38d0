//! Handlebars' partials: what a name means, in which scope it runs, and what is done with its text.

use std::rc::Rc;
use std::sync::Arc;

use super::frames::Frame;
use super::helper::Program;
use super::scope::{Closure, Data, Depth, Inlines, Scope};
use super::{Flow, Machine};
use crate::code::{Code, Index, PartialCall};
use crate::error::{Error, Fault, FaultKind};
use crate::template::Template;
use crate::value::Value;

/// A partial that runs, and where it returns to.
#[derive(Debug)]
pub(crate) struct PartialFrame<'a> {
    template: Template,
    code: Arc<Code>,
    pc: usize,
    base: usize,
    pub(crate) scope: Scope<'a>,
    /// The contexts that the partial was given beside its own.
    pub(crate) around: Option<Rc<Depth<'a>>>,
    start: usize,
    indent: Arc<str>,
}

impl<'a> Machine<'a> {
    pub(crate) fn leave_mustache(&mut self, call: PartialFrame<'a>) {
        self.depth = self.depth.saturating_sub(1);
        if !call.indent.is_empty() {
            self.indent(call.start, &call.indent);
        }
        self.template = call.template;
        self.code = call.code;
        self.pc = call.pc;
        self.base = call.base;
        self.scope = call.scope;
    }

    /// Puts `indent` before each line that was written since `start`.
    fn indent(&mut self, start: usize, indent: &str) {
        let written = self.out.get(start..).unwrap_or("").to_owned();
        self.out.truncate(start);
        let mut lines = written.split('\n').peekable();
        while let Some(line) = lines.next() {
            let last = lines.peek().is_none();
            if !(last && line.is_empty()) {
                self.out.push_str(indent);
                self.out.push_str(line);
            }
            if !last {
                self.out.push('\n');
            }
        }
    }

    pub(crate) fn run_partial(&mut self, code: &Arc<Code>, at: Index) -> Result<Flow, Fault> {
        let Some(call) = code.partial_calls.get(at as usize) else {
            return Ok(Flow::Next);
        };
        let from = self.stack.len().saturating_sub(call.inlines.len());
        let names: Vec<Value<'a>> = self.stack.drain(from..).collect();
        let from = self.stack.len().saturating_sub(call.hash.len());
        let hash: Vec<_> = call.hash.iter().cloned().zip(self.stack.drain(from..)).collect();
        let given = if call.context { Some(self.pop()) } else { None };
        let name = if call.dynamic { self.pop().to_js_text() } else { call.name.to_string() };
        if call.copied {
            let copied = given.as_ref().or(self.scope.context.as_ref());
            let length = copied.map_or(0, |c| c.len().or(c.as_str().map(str::len)).unwrap_or(0));
            self.charge(length)?;
        }
        let context = self.partial_context(call, given, hash);
        let block = call.block.map(|start| {
            Rc::new(Closure {
                program: Program { template: self.template.clone(), start },
                scope: self.scope.clone(),
                partial_block: self.scope.partial_block(),
                inline: false,
            })
        });
        let mut inlines = self.scope.inlines.clone();
        for (name, start) in names.iter().zip(&call.inlines) {
            let closure = self.inline(&name.to_js_text(), *start, self.scope.clone());
            inlines = Some(Rc::new(Inlines {
                name: closure.name.clone(),
                closure: closure.closure.clone(),
                parent: inlines,
            }));
        }
        self.enter_partial()?;
        let uses_depths = code.uses_depths;
        let indent = call.indent.clone();
        self.enter_target(&name, context, block, inlines, uses_depths, indent)?;
        Ok(Flow::Switch)
    }

    fn partial_context(
        &self,
        call: &PartialCall,
        given: Option<Value<'a>>,
        hash: Vec<(Arc<str>, Value<'a>)>,
    ) -> Value<'a> {
        let context = match given {
            Some(value) => value,
            None if call.explicit => Value::Missing,
            None => self.scope.this(),
        };
        if !call.copied {
            return context;
        }
        let mut entries = js_entries(&context);
        for (key, value) in hash {
            match entries.iter_mut().find(|(k, _)| *k == key) {
                Some((_, old)) => *old = value,
                None => entries.push((key, value)),
            }
        }
        Value::Object(Rc::new(entries))
    }

    /// Begins what a partial's name means: the partial block, an inline partial, a partial, or the given block.
    fn enter_target(
        &mut self,
        name: &str,
        context: Value<'a>,
        block: Option<Rc<Closure<'a>>>,
        inlines: Option<Rc<Inlines<'a>>>,
        uses_depths: bool,
        indent: Arc<str>,
    ) -> Result<(), Fault> {
        let mut target = if name == "@partial-block" { self.scope.partial_block() } else { None };
        let mut inline = self.scope.inlines.as_ref();
        while let (None, Some(one)) = (&target, inline) {
            self.owe(1);
            if &*one.name == name && name != "@partial-block" {
                target = Some(one.closure.clone());
            }
            inline = one.parent.as_ref();
        }
        if name == "@partial-block" && self.no_data {
            return Err(Fault::new(FaultKind::Partial, "@partial-block needs @ data, which is turned off"));
        }
        let mut frame = PartialFrame {
            around: if uses_depths { self.scope.depths.clone() } else { None },
            template: self.template.clone(),
            code: self.code.clone(),
            pc: self.pc,
            base: self.base,
            scope: self.scope.clone(),
            start: self.out.len(),
            indent,
        };
        // The called partial sees the block it was given, or the one around where it was given none.
        let mut data = self.scope.data.clone();
        if let Some(block) = &block {
            let partial_block = Some(Some(block.clone()));
            data = Some(Rc::new(Data { entries: Vec::new(), item: None, partial_block, parent: data }));
        }
        let is_block_call = target.is_none() && name == "@partial-block";
        if target.is_none() && !is_block_call {
            match self.partial(name) {
                Ok(template) => {
                    self.enter_template(template, context, data, inlines, uses_depths);
                    self.push_mustache(frame);
                    return Ok(());
                }
                Err(fault) if fault.kind == FaultKind::Partial && block.is_some() => {}
                Err(fault) if fault.kind == FaultKind::Partial => {
                    return Err(Fault::new(
                        FaultKind::Partial,
                        format!("The partial {name} could not be found"),
                    ));
                }
                Err(fault) => return Err(fault),
            }
        }
        let Some(closure) = target.or(block) else {
            return Err(Fault::new(FaultKind::Partial, format!("The partial {name} could not be found")));
        };
        frame.around.clone_from(&closure.scope.depths);
        self.enter_closure(&closure, context, data);
        self.push_mustache(frame);
        Ok(())
    }

    fn push_mustache(&mut self, frame: PartialFrame<'a>) {
        self.frames.push(Frame::Mustache(Box::new(frame)));
        self.base = self.frames.len();
    }

    fn enter_template(
        &mut self,
        template: Template,
        context: Value<'a>,
        data: Option<Rc<Data<'a>>>,
        inlines: Option<Rc<Inlines<'a>>>,
        uses_depths: bool,
    ) {
        let depths = if uses_depths {
            self.scope.with_context(context.clone()).depths
        } else {
            Some(Rc::new(Depth { value: context.clone(), parent: None }))
        };
        self.code = template.inner.code.clone();
        self.template = template;
        self.pc = 0;
        self.runs += 1;
        let data = if self.no_data { None } else { data };
        self.scope =
            Scope { context: Some(context), depths, data, parameters: None, inlines, run: self.runs };
    }

    /// Begins a program that was given as a block or inline, in the scope where it stands.
    fn enter_closure(&mut self, closure: &Closure<'a>, context: Value<'a>, data: Option<Rc<Data<'a>>>) {
        let mut scope = closure.scope.with_context(context);
        // It also sees the inline partials that its template has registered since, itself among them.
        scope.inlines = self.inlines_of(scope.run).or(scope.inlines);
        scope.data = if closure.inline {
            data
        } else {
            // The block sees the caller's data, but the partial block of the place where it stands.
            let partial_block = Some(closure.partial_block.clone());
            Some(Rc::new(Data { entries: Vec::new(), item: None, partial_block, parent: data }))
        };
        self.code = closure.program.template.inner.code.clone();
        self.template = closure.program.template.clone();
        self.pc = closure.program.start as usize;
        self.scope = if self.code.takes_parameters(closure.program.start) {
            scope.with_parameters(Vec::new())
        } else {
            scope
        };
    }

    /// The inline partials that a run of a template has now, or had when it called the partial that runs.
    fn inlines_of(&self, run: usize) -> Option<Rc<Inlines<'a>>> {
        if self.scope.run == run {
            return self.scope.inlines.clone();
        }
        let suspended = self.frames.iter().rev().find_map(|frame| match frame {
            Frame::Mustache(call) if call.scope.run == run => Some(&call.scope),
            _ => None,
        });
        suspended.and_then(|scope| scope.inlines.clone())
    }

    /// Runs a program for a helper and gives back what it wrote.
    pub(crate) fn run_program(&mut self, program: &Program, scope: Scope<'a>) -> Result<Arc<str>, Error> {
        if let Err(fault) = self.enter_partial() {
            return Err(self.error_here(&fault));
        }
        let saved = (self.template.clone(), self.code.clone(), self.pc, self.base, self.scope.clone());
        let (start, depth) = (self.out.len(), self.frames.len());
        self.frames.push(Frame::Stop);
        self.base = self.frames.len();
        self.template = program.template.clone();
        self.code = program.template.inner.code.clone();
        self.pc = program.start as usize;
        self.scope = scope;
        let outcome = self.execute();
        self.unwind(depth);
        (self.template, self.code, self.pc, self.base, self.scope) = saved;
        self.depth = self.depth.saturating_sub(1);
        outcome?;
        Ok(self.take_output(start))
    }
}

/// What JavaScript goes through in a value: an object's entries, items by their places, text by its letters.
fn js_entries<'a>(value: &Value<'a>) -> Vec<(Arc<str>, Value<'a>)> {
    let numbered = |items: Vec<Value<'a>>| {
        items.into_iter().enumerate().map(|(i, item)| (Arc::from(i.to_string()), item)).collect()
    };
    if value.is_array() {
        return numbered((0..value.len().unwrap_or(0)).filter_map(|i| value.item(i)).collect());
    }
    match value.as_str() {
        Some(text) => numbered(text.chars().map(|c| Value::from(c.to_string())).collect()),
        None => value.entries(),
    }
}
