//! The machine: runs the bytecode of both languages with a stack of values, a stack of frames and budgets.
//!
//! In: templates, data, options. Out: [`Rendered`], or the first error that ends the render. Nothing here recurses
//! over the template or the data.

pub(crate) mod escape;
pub(crate) mod frames;
pub(crate) mod helper;
pub(crate) mod interrupt;
pub(crate) mod lookup;
pub(crate) mod loops;
pub(crate) mod mustache;
pub(crate) mod mustache_partials;
pub(crate) mod partials;
pub(crate) mod recover;
pub(crate) mod scope;
pub(crate) mod sections;

use std::cell::Cell;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::code::{Code, Constant, Index, Op};
use crate::error::{Error, Fault, FaultKind, Limit};
use crate::liquid::filters;
use crate::render::{Locale, RenderOptions, Rendered};
use crate::template::{Language, Template};
use crate::value::{Value, format, number};

use frames::{Context, Frame};
use scope::Scope;

/// How many steps pass between two looks at the budget and the deadline.
const STRIDE: u64 = 4096;

/// What follows a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    Next,
    /// Another template's code goes on.
    Switch,
    Done,
}

/// The state of one render.
pub(crate) struct Machine<'a> {
    pub(crate) options: &'a RenderOptions<'a>,
    pub(crate) stack: Vec<Value<'a>>,
    pub(crate) frames: Vec<Frame<'a>>,
    /// Liquid's contexts: one for the root and one for each `render` around.
    pub(crate) contexts: Vec<Context<'a>>,
    /// Handlebars' state.
    pub(crate) scope: Scope<'a>,
    /// Handlebars keeps no `@` data.
    pub(crate) no_data: bool,
    /// How many templates were begun in Handlebars.
    pub(crate) runs: usize,
    pub(crate) out: String,
    /// Bytes that captures took out of the output again.
    captured: usize,
    assigned: usize,
    operations: Cell<u64>,
    next_check: u64,
    pub(crate) template: Template,
    pub(crate) code: Arc<Code>,
    pub(crate) pc: usize,
    /// How many frames were open when the current code began.
    pub(crate) base: usize,
    pub(crate) depth: usize,
    pub(crate) rendered: Rendered,
}

thread_local! {
    static EMPTY: Template = Template::empty();
}

impl<'a> Machine<'a> {
    pub(crate) fn new(options: &'a RenderOptions<'a>) -> Self {
        let template = EMPTY.with(Clone::clone);
        let code = template.inner.code.clone();
        Machine {
            options,
            stack: Vec::with_capacity(16),
            frames: Vec::with_capacity(8),
            contexts: Vec::with_capacity(1),
            scope: Scope::default(),
            no_data: false,
            runs: 0,
            out: String::new(),
            captured: 0,
            assigned: 0,
            operations: Cell::new(0),
            next_check: STRIDE.min(options.budgets.operations),
            template,
            code,
            pc: 0,
            base: 0,
            depth: 0,
            rendered: Rendered::default(),
        }
    }

    /// Renders `template` with `data`.
    pub(crate) fn run(mut self, template: &Template, data: Value<'a>) -> Result<Rendered, Error> {
        self.template = template.clone();
        self.code = template.inner.code.clone();
        self.out.reserve(template.inner.source.len());
        match template.language() {
            Language::Liquid => self.contexts.push(Context::root(data)),
            Language::Handlebars => self.start_mustache(data),
        }
        self.execute()?;
        self.rendered.text = self.out;
        self.rendered.operations = self.operations.get();
        Ok(self.rendered)
    }

    /// Runs until the end of the template, or of the block that a helper asked for.
    pub(crate) fn execute(&mut self) -> Result<(), Error> {
        loop {
            let code = self.code.clone();
            loop {
                let Some(op) = code.ops.get(self.pc).copied() else {
                    return Ok(());
                };
                self.pc += 1;
                let flow = match self.tick() {
                    Ok(()) => self.step(&code, op),
                    Err(fault) => Err(fault),
                };
                match flow {
                    Ok(Flow::Next) => {}
                    Ok(Flow::Switch) => break,
                    Ok(Flow::Done) => return Ok(()),
                    Err(fault) => {
                        self.recover(fault, &code)?;
                        break;
                    }
                }
            }
        }
    }

    /// Counts one step.
    fn tick(&mut self) -> Result<(), Fault> {
        let operations = self.operations.get() + 1;
        self.operations.set(operations);
        if operations >= self.next_check { self.check() } else { Ok(()) }
    }

    fn check(&mut self) -> Result<(), Fault> {
        let limit = self.options.budgets.operations;
        if self.operations.get() > limit {
            return Err(Fault::limit(
                Limit::Operations,
                format!("The template takes more than {limit} steps"),
            ));
        }
        if self.options.expired.is_some_and(|expired| expired()) {
            return Err(Fault::limit(Limit::Deadline, "The template did not finish before its deadline"));
        }
        self.next_check = (self.operations.get() + STRIDE).min(limit + 1);
        Ok(())
    }

    /// Counts `n` more steps.
    pub(crate) fn charge(&mut self, n: usize) -> Result<(), Fault> {
        self.owe(n);
        if self.operations.get() >= self.next_check { self.check() } else { Ok(()) }
    }

    /// Counts `n` more steps, where the budget is only looked at with the next step.
    pub(crate) fn owe(&self, n: usize) {
        // Below the largest number, so that a step can always be added.
        let owed = u64::try_from(n).unwrap_or(u64::MAX);
        self.operations.set(self.operations.get().saturating_add(owed).min(u64::MAX / 2));
    }

    /// Counts the handling of `n` bytes of text.
    pub(crate) fn charge_bytes(&mut self, n: usize) -> Result<(), Fault> {
        let limit = self.options.budgets.assigned_bytes;
        if n > limit {
            return Err(Fault::limit(
                Limit::AssignedBytes,
                format!("A text would be longer than {limit} bytes"),
            ));
        }
        self.charge(n / 16)
    }

    /// Counts what a variable keeps.
    pub(crate) fn charge_assigned(&mut self, value: &Value<'_>) -> Result<(), Fault> {
        let kept = match value {
            Value::Text(t) | Value::Safe(t) => t.len(),
            Value::Array(items) => 24 * items.len(),
            _ => 1,
        };
        self.assigned = self.assigned.saturating_add(kept);
        let limit = self.options.budgets.assigned_bytes;
        if self.assigned > limit {
            let message = format!("The template's variables hold more than {limit} bytes");
            return Err(Fault::limit(Limit::AssignedBytes, message));
        }
        Ok(())
    }

    /// Checks the output's budget; called after each write.
    pub(crate) fn check_output(&self) -> Result<(), Fault> {
        let limit = self.options.budgets.output_bytes;
        if self.out.len().saturating_add(self.captured) > limit {
            let message = format!("The template writes more than {limit} bytes");
            return Err(Fault::limit(Limit::OutputBytes, message));
        }
        Ok(())
    }

    /// How many more bytes may be written.
    pub(crate) fn output_limit(&self) -> usize {
        self.options.budgets.output_bytes.saturating_sub(self.captured)
    }

    /// Takes back what was written since `start`.
    pub(crate) fn take_output(&mut self, start: usize) -> Arc<str> {
        let text: Arc<str> = Arc::from(self.out.get(start..).unwrap_or(""));
        self.out.truncate(start);
        self.captured = self.captured.saturating_add(text.len());
        text
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.options.now
    }

    pub(crate) fn time_zone(&self) -> &'a TimeZone {
        &self.options.time_zone
    }

    pub(crate) fn locale(&self) -> Option<&'a dyn Locale> {
        self.options.locale
    }

    pub(crate) fn auto_escape(&self) -> bool {
        self.code.auto_escape
    }

    pub(crate) fn pop(&mut self) -> Value<'a> {
        self.stack.pop().unwrap_or(Value::Nil)
    }

    /// Takes the top away without moving it.
    pub(crate) fn drop_top(&mut self) {
        self.stack.truncate(self.stack.len().saturating_sub(1));
    }

    /// Takes a condition.
    fn condition(&mut self) -> bool {
        let holds = self.stack.last().is_some_and(Value::is_truthy);
        self.drop_top();
        holds
    }

    pub(crate) fn log(&mut self, line: String) {
        if self.rendered.log.len() < 1000 {
            self.rendered.log.push(line);
        }
    }

    /// Notes that a printed path had no value.
    pub(crate) fn report_undefined(&mut self, path: impl FnOnce() -> String) {
        if self.rendered.undefined.len() >= 1000 {
            return;
        }
        let path = path();
        match self.rendered.undefined.iter_mut().find(|(p, _)| *p == path) {
            Some((_, count)) => *count += 1,
            None => self.rendered.undefined.push((path, 1)),
        }
    }

    /// The operations that make up most of a render; the others are in [`Machine::rare_step`].
    fn step(&mut self, code: &Arc<Code>, op: Op) -> Result<Flow, Fault> {
        match op {
            Op::Nop => {}
            Op::Text { start, length } => {
                let start = start as usize;
                self.out.push_str(code.text.get(start..start + length as usize).unwrap_or(""));
                self.check_output()?;
            }
            Op::Const(at) => {
                let value = constant(code, at);
                self.stack.push(value);
            }
            Op::Nil => self.stack.push(Value::Nil),
            Op::Bool(b) => self.stack.push(Value::Bool(b)),
            Op::Int(i) => self.stack.push(Value::Int(i)),
            Op::Jump(to) => self.pc = to as usize,
            Op::JumpIfFalsy(to) => {
                if !self.condition() {
                    self.pc = to as usize;
                }
            }
            Op::JumpIfTruthy(to) => {
                if self.condition() {
                    self.pc = to as usize;
                }
            }
            Op::Path(at) => self.path(code, at),
            Op::Filter(at) => self.filter(code, at)?,
            Op::Print { escape } => {
                if let (false, Some(Value::Str(text))) = (escape, self.stack.last()) {
                    let text: &'a str = text;
                    self.drop_top();
                    self.out.push_str(text);
                    self.check_output()?;
                } else {
                    let value = self.pop();
                    self.print(&value, escape)?;
                }
            }
            Op::Compare(how) => self.compare(how)?,
            Op::ForNext(body) => self.for_next(body),
            Op::Find(at) => self.find(code, at)?,
            Op::Name(at) => self.name(code, at)?,
            Op::Write { escape } => self.write(escape)?,
            Op::Block(at) => self.block(code, at)?,
            Op::BlockEnd => return self.block_end(),
            _ => return self.rare_step(code, op),
        }
        Ok(Flow::Next)
    }

    fn rare_step(&mut self, code: &Arc<Code>, op: Op) -> Result<Flow, Fault> {
        match op {
            Op::OrJump(to) | Op::AndJump(to) => {
                let truthy = self.stack.last().is_some_and(Value::is_truthy);
                if truthy == matches!(op, Op::OrJump(_)) {
                    self.pc = to as usize;
                } else {
                    self.stack.pop();
                }
            }
            Op::MakeRange => self.make_range()?,
            Op::UnknownOperator(name) => {
                let name = code.names.get(name as usize).map_or("", |n| n);
                return Err(Fault::argument(format!("Unknown operator {name}")));
            }
            Op::Assign(name) => self.assign(code, name)?,
            Op::CaptureStart(name) => self.capture_start(code, name),
            Op::CaptureEnd => self.capture_end()?,
            Op::Count { name, down } => self.count(code, name, down)?,
            Op::Cycle(at) => self.cycle(code, at),
            Op::ForStart(at) => self.for_start(code, at)?,
            Op::TableStart(at) => self.table_start(code, at)?,
            Op::TableNext(body) => self.table_next(body)?,
            Op::ChangedStart => self.frames.push(Frame::Changed { start: self.out.len() }),
            Op::ChangedEnd => self.unwind(self.frames.len().saturating_sub(1)),
            Op::CaseStart | Op::CaseTally | Op::CaseRun(_) | Op::CaseElse(_) | Op::CaseEnd => self.case(op),
            Op::Break => return self.interrupt(false),
            Op::Continue => return self.interrupt(true),
            Op::IncludeGuard => self.include_guard()?,
            Op::IncludeEnter(at) => self.include_enter(code, at)?,
            Op::SetLocal(name) => self.set_local(code, name),
            Op::IncludeRun => return self.include_run(),
            Op::RenderRun(at) => return self.render_run(code, at),
            Op::End => return self.end_of_code(),
            Op::Call(_) | Op::Partial(_) | Op::Inline(_) => return self.mustache_step(code, op),
            _ => {}
        }
        Ok(Flow::Next)
    }

    fn make_range(&mut self) -> Result<(), Fault> {
        let (to, from) = (self.pop(), self.pop());
        let end = |value: &Value<'_>| match value {
            Value::Nil | Value::Missing | Value::Str(_) | Value::Text(_) | Value::Safe(_) => {
                Ok(number::to_i(value).unwrap_or(0))
            }
            other => number::clamped_integer(other),
        };
        let range = Value::Range(end(&from)?, end(&to)?);
        self.stack.push(range);
        Ok(())
    }

    fn filter(&mut self, code: &Code, at: Index) -> Result<(), Fault> {
        let Some(call) = code.filters.get(at as usize) else {
            return Ok(());
        };
        if !call.keywords.is_empty() {
            let from = self.stack.len().saturating_sub(call.keywords.len());
            let entries = call.keywords.iter().cloned().zip(self.stack.drain(from..)).collect();
            self.stack.push(Value::Object(std::rc::Rc::new(entries)));
        }
        let arguments = call.arguments + usize::from(!call.keywords.is_empty());
        let mut stack = std::mem::take(&mut self.stack);
        let base = stack.len().saturating_sub(arguments + 1);
        let input = stack.get_mut(base).map_or(Value::Nil, |v| std::mem::replace(v, Value::Nil));
        let given = stack.get(base + 1..).unwrap_or(&[]);
        let custom =
            if self.options.filters.is_empty() { None } else { self.options.filters.get(&*call.name) };
        let result = match (custom, call.builtin) {
            (Some(custom), _) => custom(&input, given).map_err(Fault::argument),
            (None, Some(builtin)) => filters::call(self, builtin, input, given),
            (None, None) => Ok(input),
        };
        stack.truncate(base);
        self.stack = stack;
        self.stack.push(result?);
        Ok(())
    }

    /// Writes a value as Liquid prints it: arrays item by item.
    pub(crate) fn print(&mut self, value: &Value<'a>, escape: bool) -> Result<(), Fault> {
        if value.is_array() {
            return self.print_items(value, escape);
        }
        if escape && !matches!(value, Value::Safe(_)) {
            match value.as_str() {
                Some(text) => escape::liquid_escape(text, &mut self.out),
                None => {
                    let mut text = String::new();
                    format::display(value, &mut text, self.output_limit());
                    escape::liquid_escape(&text, &mut self.out);
                }
            }
        } else {
            let limit = self.output_limit();
            format::display(value, &mut self.out, limit);
        }
        self.check_output()
    }

    fn print_items(&mut self, value: &Value<'a>, escape: bool) -> Result<(), Fault> {
        let mut open = vec![(value.clone(), 0usize)];
        while let Some((array, at)) = open.pop() {
            if let Some(item) = array.item(at) {
                self.charge(1)?;
                open.push((array, at + 1));
                if item.is_array() {
                    open.push((item, 0));
                } else {
                    self.print(&item, escape)?;
                }
            }
        }
        Ok(())
    }

    /// Counts one more partial within another.
    pub(crate) fn enter_partial(&mut self) -> Result<(), Fault> {
        if self.depth >= self.options.budgets.partial_depth {
            return Err(Fault::new(FaultKind::Stack, "Nesting too deep"));
        }
        self.depth += 1;
        Ok(())
    }
}

/// A constant as a value.
pub(crate) fn constant<'a>(code: &Code, at: Index) -> Value<'a> {
    match code.constants.get(at as usize) {
        Some(Constant::Text(t)) => Value::Text(t.clone()),
        Some(Constant::Float(f)) => Value::Float(*f),
        Some(Constant::Big(b)) => Value::Big(b.clone()),
        Some(Constant::Range(a, b)) => Value::Range(*a, *b),
        Some(Constant::Empty) => Value::Empty,
        Some(Constant::Blank) => Value::Blank,
        Some(Constant::Missing) => Value::Missing,
        None => Value::Nil,
    }
}
