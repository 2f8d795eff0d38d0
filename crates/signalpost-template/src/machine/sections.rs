//! Handlebars' blocks and partials: which program runs, in which context, and what follows it.

use std::rc::Rc;
use std::sync::Arc;

use super::frames::Frame;
use super::helper::Program;
use super::mustache::{Inlines, Item, Parameters, Scope, js_empty, js_truthy};
use super::{Flow, Machine};
use crate::code::{Block, Code, Index};
use crate::error::{Fault, FaultKind};
use crate::value::Value;

/// A block whose program runs.
#[derive(Debug)]
pub(crate) struct Section<'a> {
    start: Index,
    end: Index,
    saved: Saved<'a>,
    each: Option<Each<'a>>,
}

/// What is put back at the end of a block.
#[derive(Debug)]
enum Saved<'a> {
    Scope(Scope<'a>),
    /// The block kept its context: only what a program may add to.
    Kept {
        parameters: Option<Rc<Parameters<'a>>>,
        inlines: Option<Rc<Inlines<'a>>>,
    },
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

/// True for the helpers that the language brings.
pub(crate) fn is_builtin(name: &str) -> bool {
    matches!(name, "each" | "if" | "log" | "lookup" | "unless" | "with")
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
    pub(crate) fn block(&mut self, code: &Code, at: Index) -> Result<Flow, Fault> {
        let Some(block) = code.blocks.get(at as usize) else {
            return Ok(Flow::Next);
        };
        let call = &block.call;
        let (params, hash) = self.arguments(call);
        let programs = (self.program(block.program), self.program(block.inverse));
        if call.helper {
            if self.options.helpers.contains_key(&*call.name) {
                self.pc = block.end as usize;
                let value = self.helper(&call.name, &call.name, params, hash, programs.0, programs.1)?;
                self.write_value(&value, false)?;
                return Ok(Flow::Next);
            }
            if is_builtin(&call.name) {
                return self.builtin_block(block, params, &hash);
            }
        }
        let Some(find) = code.finds.get(call.find as usize) else {
            return Ok(Flow::Next);
        };
        let value = self.lookup(find)?;
        if call.certain {
            if js_truthy(&value) {
                return Err(Fault::new(FaultKind::Helper, format!("{} is not a function", call.name)));
            }
            self.pc = block.end as usize;
            let value = self.helper_missing(call, params, hash, programs.0, programs.1)?;
            self.write_value(&value, false)?;
            return Ok(Flow::Next);
        }
        if self.options.helpers.contains_key("blockHelperMissing") {
            self.pc = block.end as usize;
            let answer =
                self.helper("blockHelperMissing", &call.name, vec![value], hash, programs.0, programs.1)?;
            self.write_value(&answer, false)?;
            return Ok(Flow::Next);
        }
        self.section(block, value)
    }

    fn program(&self, start: Option<Index>) -> Option<Program> {
        start.map(|start| Program { template: self.template.clone(), start })
    }

    /// `{{#name}}` without a helper: by what the value is.
    fn section(&mut self, block: &Block, value: Value<'a>) -> Result<Flow, Fault> {
        match value {
            Value::Bool(true) => self.once(block, block.program, None, Vec::new()),
            Value::Bool(false) | Value::Nil | Value::Missing => {
                self.once(block, block.inverse, None, Vec::new())
            }
            list if list.is_array() => self.each(block, list),
            other => self.once(block, block.program, Some(other), Vec::new()),
        }
    }

    fn builtin_block(
        &mut self,
        block: &Block,
        mut params: Vec<Value<'a>>,
        hash: &[(Arc<str>, Value<'a>)],
    ) -> Result<Flow, Fault> {
        let name = &*block.call.name;
        let one = params.len() == 1;
        match name {
            "if" | "unless" if one => {
                let zero = hash.iter().any(|(k, v)| &**k == "includeZero" && js_truthy(v));
                let condition = params.pop().unwrap_or(Value::Missing);
                let holds = (zero || js_truthy(&condition)) && !js_empty(&condition);
                let program = if holds == (name == "if") { block.program } else { block.inverse };
                self.once(block, program, None, Vec::new())
            }
            "with" if one => {
                let context = params.pop().unwrap_or(Value::Missing);
                if js_empty(&context) {
                    return self.once(block, block.inverse, None, Vec::new());
                }
                self.once(block, block.program, Some(context.clone()), vec![context])
            }
            "each" if !one => Err(Fault::argument("Must pass iterator to #each")),
            "each" => {
                let items = params.swap_remove(0);
                self.each(block, items)
            }
            "if" | "unless" | "with" => {
                Err(Fault::argument(format!("#{name} requires exactly one argument")))
            }
            _ => {
                self.pc = block.end as usize;
                let value = match (name, params.as_slice()) {
                    ("lookup", [object, field, ..]) => {
                        super::mustache::js_property(object, &field.to_js_text()).unwrap_or(Value::Missing)
                    }
                    _ => Value::Missing,
                };
                self.write_value(&value, false)?;
                Ok(Flow::Next)
            }
        }
    }

    /// Runs a program once; `None` as context keeps the current one.
    fn once(
        &mut self,
        block: &Block,
        program: Option<Index>,
        context: Option<Value<'a>>,
        parameters: Vec<Value<'a>>,
    ) -> Result<Flow, Fault> {
        let Some(start) = program else {
            self.pc = block.end as usize;
            return Ok(Flow::Next);
        };
        self.enter_block()?;
        let saved = match context {
            Some(context) => {
                let scope = self.scope.with_context(context).with_parameters(parameters);
                Saved::Scope(std::mem::replace(&mut self.scope, scope))
            }
            None => {
                let around = self.scope.parameters.take();
                let inner = Parameters { values: parameters, parent: around.clone() };
                self.scope.parameters = Some(Rc::new(inner));
                Saved::Kept { parameters: around, inlines: self.scope.inlines.clone() }
            }
        };
        self.frames.push(Frame::Section(Box::new(Section { start, end: block.end, saved, each: None })));
        self.pc = start as usize;
        Ok(Flow::Next)
    }

    /// Blocks nest by recursion of data or partials only; the parser bounds the rest.
    fn enter_block(&mut self) -> Result<(), Fault> {
        let limit = self.options.budgets.partial_depth.saturating_mul(20);
        if self.frames.len() > limit {
            return Err(Fault::new(FaultKind::Stack, "Nesting too deep"));
        }
        Ok(())
    }

    fn each(&mut self, block: &Block, items: Value<'a>) -> Result<Flow, Fault> {
        let keys = items.is_object().then(|| js_keys(&items));
        let count = match &keys {
            Some(keys) => keys.len(),
            None if items.is_array() || matches!(items, Value::Range(..)) => items.len().unwrap_or(0),
            None => 0,
        };
        if count == 0 {
            return self.once(block, block.inverse, None, Vec::new());
        }
        let Some(start) = block.program else {
            self.pc = block.end as usize;
            return Ok(Flow::Next);
        };
        self.enter_block()?;
        let saved = Saved::Scope(self.scope.clone());
        let each = Some(Each { items, keys, at: 0, count });
        self.frames.push(Frame::Section(Box::new(Section { start, end: block.end, saved, each })));
        self.next_item();
        Ok(Flow::Next)
    }

    /// Sets the scope for the next item of the innermost `each`.
    fn next_item(&mut self) {
        let Some(Frame::Section(section)) = self.frames.last_mut() else {
            return;
        };
        let (Some(each), Saved::Scope(around)) = (&mut section.each, &section.saved) else {
            return;
        };
        let at = each.at;
        each.at += 1;
        let place = Value::Int(i64::try_from(at).unwrap_or(i64::MAX));
        let (item, key) = match each.keys.as_ref().map(|keys| keys.get(at)) {
            Some(Some(key)) => (each.items.property(key), Value::Text(key.clone())),
            _ => (each.items.item(at), place.clone()),
        };
        let item = item.unwrap_or(Value::Missing);
        let data = Item { key: key.clone(), index: at, last: at + 1 == each.count };
        let scope = around.with_context(item.clone()).with_item(data).with_parameters(vec![item, key]);
        self.pc = section.start as usize;
        self.scope = scope;
    }

    /// The end of a block's program: the next item, or what follows the block.
    pub(crate) fn block_end(&mut self) -> Result<Flow, Fault> {
        match self.frames.last() {
            Some(Frame::Section(section)) => {
                if section.each.as_ref().is_some_and(|each| each.at < each.count) {
                    self.next_item();
                    return Ok(Flow::Next);
                }
                let end = section.end;
                let depth = self.frames.len() - 1;
                self.unwind(depth);
                self.pc = end as usize;
                Ok(Flow::Next)
            }
            Some(Frame::Mustache(_)) => {
                let depth = self.frames.len() - 1;
                self.unwind(depth);
                Ok(Flow::Switch)
            }
            _ => Ok(Flow::Done),
        }
    }

    pub(crate) fn leave_section(&mut self, section: Section<'a>) {
        match section.saved {
            Saved::Scope(scope) => self.scope = scope,
            Saved::Kept { parameters, inlines } => {
                self.scope.parameters = parameters;
                self.scope.inlines = inlines;
            }
        }
    }
}
