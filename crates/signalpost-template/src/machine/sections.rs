//! Handlebars' blocks and partials: which program runs, in which context, and what follows it.

use std::rc::Rc;
use std::sync::Arc;

use super::frames::Frame;
use super::helper::Program;
use super::mustache::{js_empty, js_truthy};
use super::scope::{Item, Parameters, Scope};
use super::{Flow, Machine};
use crate::code::{Block, Builtin, Call, Code, Index};
use crate::error::{Fault, FaultKind};
use crate::value::Value;

/// A block with a context of its own whose program runs.
#[derive(Debug)]
pub(crate) struct Section<'a> {
    start: Index,
    end: Index,
    /// What is put back at its end.
    pub(super) saved: Scope<'a>,
    each: Option<Each<'a>>,
    /// The program has block parameters.
    parametrized: bool,
}

/// The items that `each` goes through.
#[derive(Debug)]
struct Each<'a> {
    items: Value<'a>,
    /// The keys of an object, in JavaScript's order.
    keys: Option<Vec<Arc<str>>>,
    at: usize,
    count: usize,
}

/// An object's keys in JavaScript's order: whole numbers first, then the others as they came.
fn js_keys(value: &Value<'_>) -> Vec<Arc<str>> {
    let keys: Vec<Arc<str>> = match value {
        Value::Map(map) => map.keys().map(|k| Arc::from(k.as_str())).collect(),
        Value::Object(entries) => entries.iter().map(|(k, _)| k.clone()).collect(),
        other => other.entries().into_iter().map(|(k, _)| k).collect(),
    };
    let index = |k: &str| (k == "0" || !k.starts_with('0')).then(|| k.parse::<u32>().ok()).flatten();
    if !keys.iter().any(|k| index(k).is_some()) {
        return keys;
    }
    let (mut whole, others): (Vec<_>, Vec<_>) = keys.into_iter().partition(|k| index(k).is_some());
    whole.sort_by_key(|k| index(k));
    whole.extend(others);
    whole
}

impl<'a> Machine<'a> {
    pub(crate) fn block(&mut self, code: &Code, at: Index) -> Result<(), Fault> {
        let Some(block) = code.blocks.get(at as usize) else {
            return Ok(());
        };
        let call = &block.call;
        let registered = call.helper && self.options.helpers.contains_key(&*call.name);
        if let (Some(builtin), false) = (call.builtin, registered) {
            return self.builtin_block(code, block, builtin);
        }
        let (params, hash) = self.arguments(call);
        let programs = (self.program(block.program), self.program(block.inverse));
        if registered {
            self.pc = block.end as usize;
            let value = self.helper(&call.name, &call.name, params, hash, programs.0, programs.1)?;
            return self.write_value(&value, false);
        }
        let Some(find) = code.finds.get(call.find as usize) else {
            return Ok(());
        };
        let value = self.lookup(find)?;
        if call.certain {
            if js_truthy(&value) {
                return Err(Fault::new(FaultKind::Helper, format!("{} is not a function", call.name)));
            }
            self.pc = block.end as usize;
            let value = self.helper_missing(call, params, hash, programs.0, programs.1)?;
            return self.write_value(&value, false);
        }
        if self.options.helpers.contains_key("blockHelperMissing") {
            self.pc = block.end as usize;
            let answer =
                self.helper("blockHelperMissing", &call.name, vec![value], hash, programs.0, programs.1)?;
            return self.write_value(&answer, false);
        }
        self.section(code, block, value)
    }

    fn program(&self, start: Option<Index>) -> Option<Program> {
        start.map(|start| Program { template: self.template.clone(), start })
    }

    /// `{{#name}}` without a helper: by what the value is.
    fn section(&mut self, code: &Code, block: &Block, value: Value<'a>) -> Result<(), Fault> {
        match value {
            Value::Bool(true) => self.as_it_is(code, block, block.program),
            Value::Bool(false) | Value::Nil | Value::Missing => self.as_it_is(code, block, block.inverse),
            list if list.is_array() && list.is_empty() => self.as_it_is(code, block, block.inverse),
            list if list.is_array() => self.each(code, block, list),
            other => self.within(code, block, other, Vec::new()),
        }
    }

    fn builtin_block(&mut self, code: &Code, block: &Block, builtin: Builtin) -> Result<(), Fault> {
        let call = &block.call;
        let one = call.parameters == 1;
        match builtin {
            Builtin::If | Builtin::Unless if one => {
                let from = self.stack.len().saturating_sub(call.hash.len());
                let given = self.stack.get(from..).unwrap_or(&[]);
                let zero = call.hash.iter().zip(given).any(|(k, v)| &**k == "includeZero" && js_truthy(v));
                self.stack.truncate(from);
                let condition = self.pop();
                let holds = (zero || js_truthy(&condition)) && !js_empty(&condition);
                let program = if holds == (builtin == Builtin::If) { block.program } else { block.inverse };
                self.once(code, block, program)
            }
            Builtin::With if one => {
                self.drop_hash(call);
                let context = self.pop();
                if js_empty(&context) {
                    return self.once(code, block, block.inverse);
                }
                self.within(code, block, context.clone(), vec![context])
            }
            Builtin::Each if one => {
                self.drop_hash(call);
                let items = self.pop();
                self.each(code, block, items)
            }
            Builtin::Each => Err(Fault::argument("Must pass iterator to #each")),
            Builtin::If | Builtin::Unless | Builtin::With => {
                Err(Fault::argument(format!("#{} requires exactly one argument", call.name)))
            }
            Builtin::Lookup | Builtin::Log => {
                let (params, _) = self.arguments(call);
                self.pc = block.end as usize;
                let value = self.builtin_value(&call.name, &params)?;
                self.write_value(&value, false)
            }
        }
    }

    /// Drops hash arguments that mean nothing to a helper.
    fn drop_hash(&mut self, call: &Call) {
        let kept = self.stack.len().saturating_sub(call.hash.len());
        self.stack.truncate(kept);
    }

    /// Runs a program once in the current context, as a standard helper does: null becomes an empty object.
    fn once(&mut self, code: &Code, block: &Block, program: Option<Index>) -> Result<(), Fault> {
        match program {
            Some(start) if self.scope.context.as_ref().is_none_or(Value::is_nil) => {
                self.enter_block()?;
                self.once_in_nothing(code, block, start);
                Ok(())
            }
            program => self.as_it_is(code, block, program),
        }
    }

    /// Runs a program once in the current context as it is.
    fn as_it_is(&mut self, code: &Code, block: &Block, program: Option<Index>) -> Result<(), Fault> {
        let Some(start) = program else {
            self.pc = block.end as usize;
            return Ok(());
        };
        self.enter_block()?;
        let (parameters, inlines) = (self.scope.parameters.clone(), self.scope.inlines.clone());
        if code.takes_parameters(start) {
            let inner = Parameters { values: Vec::new(), parent: parameters.clone() };
            self.scope.parameters = Some(Rc::new(inner));
        }
        self.frames.push(Frame::Plain { end: block.end, parameters, inlines });
        self.pc = start as usize;
        Ok(())
    }

    /// Runs a program where the context is null or missing: it becomes an empty object, which counts as a context of its own unless it stands for null.
    fn once_in_nothing(&mut self, code: &Code, block: &Block, start: Index) {
        let empty = Value::Object(Rc::new(Vec::new()));
        let mut scope = self.scope.clone();
        if matches!(scope.context, Some(Value::Nil)) {
            scope.context = Some(empty);
        } else {
            scope = scope.with_context(empty);
        }
        let parametrized = code.takes_parameters(start);
        if parametrized {
            scope = scope.with_parameters(Vec::new());
        }
        let saved = std::mem::replace(&mut self.scope, scope);
        let section = Section { start, end: block.end, saved, each: None, parametrized };
        self.frames.push(Frame::Section(Box::new(section)));
        self.pc = start as usize;
    }

    /// Runs a block's program once in another context.
    fn within(
        &mut self,
        code: &Code,
        block: &Block,
        context: Value<'a>,
        parameters: Vec<Value<'a>>,
    ) -> Result<(), Fault> {
        let Some(start) = block.program else {
            self.pc = block.end as usize;
            return Ok(());
        };
        self.enter_block()?;
        let mut scope = self.scope.with_context(context);
        let parametrized = code.takes_parameters(start);
        if parametrized {
            scope = scope.with_parameters(parameters);
        }
        let saved = std::mem::replace(&mut self.scope, scope);
        let section = Section { start, end: block.end, saved, each: None, parametrized };
        self.frames.push(Frame::Section(Box::new(section)));
        self.pc = start as usize;
        Ok(())
    }

    /// Blocks nest by recursion of data or partials only; the parser bounds the rest.
    fn enter_block(&mut self) -> Result<(), Fault> {
        let limit = self.options.budgets.partial_depth.saturating_mul(20);
        if self.frames.len() > limit {
            return Err(Fault::new(FaultKind::Stack, "Nesting too deep"));
        }
        Ok(())
    }

    fn each(&mut self, code: &Code, block: &Block, items: Value<'a>) -> Result<(), Fault> {
        let keys = items.is_object().then(|| js_keys(&items));
        let count = match &keys {
            Some(keys) => keys.len(),
            None if items.is_array() || matches!(items, Value::Range(..)) => items.len().unwrap_or(0),
            None => 0,
        };
        if count == 0 {
            return self.once(code, block, block.inverse);
        }
        let Some(start) = block.program else {
            self.pc = block.end as usize;
            return Ok(());
        };
        self.enter_block()?;
        let saved = self.scope.clone();
        let each = Some(Each { items, keys, at: 0, count });
        let parametrized = code.takes_parameters(start);
        let section = Section { start, end: block.end, saved, each, parametrized };
        self.frames.push(Frame::Section(Box::new(section)));
        self.next_item();
        Ok(())
    }

    /// Sets the scope for the next item of the innermost `each`.
    fn next_item(&mut self) {
        let Some(Frame::Section(section)) = self.frames.last_mut() else {
            return;
        };
        let Some(each) = &mut section.each else {
            return;
        };
        let at = each.at;
        each.at += 1;
        let (value, key) = match each.keys.as_ref().map(|keys| keys.get(at)) {
            Some(Some(key)) => (each.items.property(key), Value::Text(key.clone())),
            _ => (each.items.item(at), Value::Int(i64::try_from(at).unwrap_or(i64::MAX))),
        };
        let value = value.unwrap_or(Value::Missing);
        let parameters = if section.parametrized { vec![value.clone(), key.clone()] } else { Vec::new() };
        let item = Item { key, index: at, last: at + 1 == each.count };
        let item = (!self.no_data && self.scope.data.is_some()).then_some(item);
        self.scope.enter_item(&section.saved, value, item);
        if section.parametrized {
            let parent = self.scope.parameters.take();
            self.scope.parameters = Some(Rc::new(Parameters { values: parameters, parent }));
        }
        self.pc = section.start as usize;
    }

    /// The end of a block's program: the next item, or what follows the block.
    pub(crate) fn block_end(&mut self) -> Result<Flow, Fault> {
        let (end, flow) = match self.frames.last() {
            Some(Frame::Plain { end, .. }) => (Some(*end), Flow::Next),
            Some(Frame::Section(section)) => {
                if section.each.as_ref().is_some_and(|each| each.at < each.count) {
                    self.next_item();
                    return Ok(Flow::Next);
                }
                (Some(section.end), Flow::Next)
            }
            Some(Frame::Mustache(_)) => (None, Flow::Switch),
            _ => return Ok(Flow::Done),
        };
        self.unwind(self.frames.len() - 1);
        if let Some(end) = end {
            self.pc = end as usize;
        }
        Ok(flow)
    }
}
