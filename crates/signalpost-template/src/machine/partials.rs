//! Liquid's partials: `include`, which shares the variables, and `render`, which does not.

use std::rc::Rc;
use std::sync::Arc;

use super::frames::{Call, Context, Frame};
use super::{Flow, Machine};
use crate::code::{Code, Index};
use crate::error::{Fault, FaultKind, nearest};
use crate::template::Template;
use crate::value::{LoopState, Value};

impl<'a> Machine<'a> {
    /// The partial called `name`, or the reference's complaint.
    pub(crate) fn partial(&self, name: &str) -> Result<Template, Fault> {
        let partials = self.options.partials;
        match partials.and_then(|p| p.get(name)) {
            Some(Ok(template)) => Ok((*template).clone()),
            Some(Err(error)) => {
                let mut fault = Fault::new(FaultKind::Syntax, error.message.clone());
                fault.placed = Some(error);
                Err(fault)
            }
            None => {
                let known = partials.map_or(Vec::new(), crate::render::Partials::names);
                let near = nearest(name, known.iter().map(String::as_str));
                let hint = near.map_or(String::new(), |n| format!(" (did you mean '{n}'?)"));
                Err(Fault::new(FaultKind::Partial, format!("Could not find asset {name}{hint}")))
            }
        }
    }

    /// Refuses `include` inside `render`.
    pub(crate) fn include_guard(&mut self) -> Result<(), Fault> {
        if self.context().isolated {
            return Err(Fault::new(FaultKind::Disabled, "include usage is not allowed in this context"));
        }
        Ok(())
    }

    pub(crate) fn include_enter(&mut self, code: &Code, at: Index) -> Result<(), Fault> {
        let Some(spec) = code.partials.get(at as usize) else {
            return Ok(());
        };
        let given = if spec.with { Some(self.pop()) } else { None };
        let name = self.pop();
        let Some(name) = name.as_str() else {
            return Err(Fault::argument("Argument error in tag 'include' - Illegal template name"));
        };
        let partial = self.partial(name)?;
        let value = match given {
            Some(value) => value,
            None => self.context().find(name).unwrap_or(Value::Nil),
        };
        self.enter_partial()?;
        let last = name.rsplit('/').next().unwrap_or(name);
        let variable = spec.alias.clone().unwrap_or_else(|| Arc::from(last));
        let mark = self.context().inner.len();
        let name: Arc<str> = Arc::from(name);
        let call = Call {
            variable,
            each: value.is_array(),
            count: value.len().unwrap_or(0),
            value,
            at: 0,
            mark,
            attributes_end: mark,
            running: false,
            template: self.template.clone(),
            code: self.code.clone(),
            pc: 0,
            base: self.base,
            template_name: Some(name),
            attributes: Vec::new(),
            state: None,
            partial,
        };
        self.frames.push(Frame::Include(Box::new(call)));
        Ok(())
    }

    pub(crate) fn set_local(&mut self, code: &Code, name: Index) {
        let value = self.pop();
        if let Some(name) = code.names.get(name as usize) {
            self.context().inner.push((name.clone(), value));
        }
    }

    /// Runs the partial of the include whose attributes are set now.
    pub(crate) fn include_run(&mut self) -> Result<Flow, Fault> {
        let (pc, inner) = (self.pc, self.context().inner.len());
        let old_name = self.context().template_name.clone();
        let Some(Frame::Include(call)) = self.frames.last_mut() else {
            return Ok(Flow::Next);
        };
        call.pc = pc;
        call.running = true;
        call.attributes_end = inner;
        let new_name = std::mem::replace(&mut call.template_name, old_name);
        self.template = call.partial.clone();
        self.code = call.partial.inner.code.clone();
        self.base = self.frames.len();
        self.context().template_name = new_name;
        self.include_next()
    }

    /// Starts the include's partial for its next item, or leaves it.
    fn include_next(&mut self) -> Result<Flow, Fault> {
        let Some(Frame::Include(call)) = self.frames.last_mut() else {
            return Ok(Flow::Next);
        };
        let item = match (call.each, call.at) {
            (true, at) if at < call.count => call.value.item(at),
            (false, 0) => Some(call.value.clone()),
            _ => None,
        };
        call.at += 1;
        let (variable, end) = (call.variable.clone(), call.attributes_end);
        match item {
            Some(item) => {
                let context = self.context();
                context.inner.truncate(end);
                context.inner.push((variable, item));
                self.pc = 0;
            }
            None => {
                let depth = self.frames.len() - 1;
                self.unwind(depth);
            }
        }
        Ok(Flow::Switch)
    }

    pub(crate) fn render_run(&mut self, code: &Code, at: Index) -> Result<Flow, Fault> {
        let Some(spec) = code.partials.get(at as usize) else {
            return Ok(Flow::Next);
        };
        let from = self.stack.len().saturating_sub(spec.attributes.len());
        let attributes: Vec<_> = spec.attributes.iter().cloned().zip(self.stack.drain(from..)).collect();
        let value = if spec.with { self.pop() } else { Value::Nil };
        let partial = self.partial(&spec.name)?;
        self.enter_partial()?;
        let each = spec.each && (value.is_array() || matches!(value, Value::Range(..)) || value.is_object());
        let value = if each && value.is_object() {
            let pairs = value.entries().into_iter().map(|(k, v)| Value::from(vec![Value::Text(k), v]));
            Value::from(pairs.collect::<Vec<_>>())
        } else {
            value
        };
        let last = spec.name.rsplit('/').next().unwrap_or(&spec.name);
        let count = if each { value.len().unwrap_or(0) } else { 1 };
        let call = Call {
            variable: spec.alias.clone().unwrap_or_else(|| Arc::from(last)),
            state: each.then(|| Rc::new(LoopState::new(spec.name.clone(), count, None))),
            each,
            count,
            value,
            at: 0,
            mark: 0,
            attributes_end: 0,
            running: true,
            template: self.template.clone(),
            code: self.code.clone(),
            pc: self.pc,
            base: self.base,
            template_name: Some(spec.name.clone()),
            attributes,
            partial,
        };
        self.template = call.partial.clone();
        self.code = call.partial.inner.code.clone();
        self.frames.push(Frame::Render(Box::new(call)));
        self.base = self.frames.len();
        self.contexts.push(Context::isolated(spec.name.clone()));
        self.render_next()
    }

    /// Starts the render's partial for its next item in a fresh context, or leaves it.
    fn render_next(&mut self) -> Result<Flow, Fault> {
        let Some(Frame::Render(call)) = self.frames.last_mut() else {
            return Ok(Flow::Next);
        };
        if call.at >= call.count {
            let depth = self.frames.len() - 1;
            self.unwind(depth);
            return Ok(Flow::Switch);
        }
        if let (Some(state), true) = (&call.state, call.at > 0) {
            state.advance();
        }
        let item =
            if call.each { call.value.item(call.at).unwrap_or(Value::Nil) } else { call.value.clone() };
        call.at += 1;
        let name = call.template_name.clone().unwrap_or_else(|| Arc::from(""));
        let mut context = Context::isolated(name);
        if let Some(state) = &call.state {
            context.outer.push((Arc::from("forloop"), Value::Loop(state.clone())));
        }
        for (key, value) in &call.attributes {
            context.set_outer(key, value.clone());
        }
        if !item.is_nil() {
            context.set_outer(&call.variable, item);
        }
        self.contexts.pop();
        self.contexts.push(context);
        self.pc = 0;
        Ok(Flow::Switch)
    }

    /// The end of a template's code: back to where it was called, or on with the next item.
    pub(crate) fn end_of_code(&mut self) -> Result<Flow, Fault> {
        // A `break` may leave frames of this code open.
        let base = self.base;
        self.unwind(base);
        match self.frames.last() {
            Some(Frame::Include(_)) => self.include_next(),
            Some(Frame::Render(_)) => self.render_next(),
            Some(Frame::Mustache(_)) => {
                let depth = self.frames.len() - 1;
                self.unwind(depth);
                Ok(Flow::Switch)
            }
            _ => Ok(Flow::Done),
        }
    }

    /// Goes back to the code around a partial.
    pub(crate) fn return_to(&mut self, call: Call<'a>) {
        self.template = call.template;
        self.code = call.code;
        self.pc = call.pc;
        self.base = call.base;
    }
}
