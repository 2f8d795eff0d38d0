//! Handlebars on the machine: the environment of a program, lookups, helper calls and output.
//!
//! In: operations of the Handlebars front end. Out: values on the stack, text in the output.

use std::rc::Rc;
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::frames::Frame;
use super::helper::{HelperCall, Program};
use super::scope::{Closure, Depth, Inlines, Scope};
use super::{Flow, Machine, escape};
use crate::code::{Call, Code, Find, Index, Op};
use crate::error::{Fault, FaultKind};
use crate::value::{Value, entry, format};

/// JavaScript's property lookup on data: own properties, items, `length`.
pub(crate) fn js_property<'a>(value: &Value<'a>, key: &str) -> Option<Value<'a>> {
    let count = |n: usize| Some(Value::Int(i64::try_from(n).unwrap_or(i64::MAX)));
    let place = || (key == "0" || !key.starts_with('0')).then(|| key.parse::<usize>().ok()).flatten();
    if value.is_array() {
        return if key == "length" { count(value.len().unwrap_or(0)) } else { value.item(place()?) };
    }
    if let Some(text) = value.as_str() {
        if key == "length" {
            return count(text.encode_utf16().count());
        }
        return text.chars().nth(place()?).map(|c| Value::from(c.to_string()));
    }
    value.property(key)
}

/// What a path of plain keys leads to in the caller's JSON, without making values on the way. `None` where it leads
/// through anything else, or to nothing.
fn in_data<'j>(map: &'j Map<String, Json>, parts: &[Arc<str>]) -> Option<&'j Json> {
    let (first, rest) = parts.split_first()?;
    let mut found = entry(map, first)?;
    for part in rest {
        found = entry(found.as_object()?, part)?;
    }
    Some(found)
}

/// JavaScript's truth.
pub(crate) fn js_truthy(value: &Value<'_>) -> bool {
    match value {
        Value::Missing | Value::Nil | Value::Bool(false) | Value::Int(0) => false,
        Value::Float(f) => *f != 0.0 && !f.is_nan(),
        Value::Str(s) => !s.is_empty(),
        Value::Text(s) => !s.is_empty(),
        _ => true,
    }
}

/// Handlebars' `isEmpty`.
pub(crate) fn js_empty(value: &Value<'_>) -> bool {
    let zero = matches!(value, Value::Int(0)) || matches!(value, Value::Float(f) if *f == 0.0);
    (!js_truthy(value) && !zero) || (value.is_array() && value.is_empty())
}

impl<'a> Machine<'a> {
    pub(crate) fn start_mustache(&mut self, data: Value<'a>) {
        self.no_data = self.code.no_data;
        let mut entries: Vec<(Arc<str>, Value<'a>)> =
            self.options.data.iter().map(|(k, v)| (Arc::from(k.as_str()), v.clone())).collect();
        if !entries.iter().any(|(k, _)| &**k == "root") {
            entries.push((Arc::from("root"), data.clone()));
        }
        let scope = Scope {
            depths: Some(Rc::new(Depth { value: data.clone(), parent: None })),
            context: Some(data),
            ..Scope::default()
        };
        self.scope = scope.with_data(entries);
    }

    pub(crate) fn find(&mut self, code: &Code, at: Index) -> Result<(), Fault> {
        let Some(find) = code.finds.get(at as usize) else {
            return Ok(());
        };
        let value = self.lookup(find)?;
        if find.reported && matches!(value, Value::Missing) {
            self.report_undefined(|| find.original.to_string());
        }
        self.stack.push(value);
        Ok(())
    }

    /// A property as JavaScript finds it; going through text counts.
    fn js(&self, value: &Value<'a>, key: &str) -> Option<Value<'a>> {
        if let Some(text) = value.as_str() {
            self.owe(text.len() / 16);
        }
        js_property(value, key)
    }

    /// The value of a path in the current context.
    fn plain(&self, find: &Find) -> Value<'a> {
        let Some(context) = &self.scope.context else {
            return Value::Missing;
        };
        if let Value::Map(map) = context
            && let Some(found) = in_data(map, &find.parts)
        {
            return Value::from(found);
        }
        let mut parts = find.parts.iter();
        let Some(first) = parts.next().filter(|_| !context.is_nil()) else {
            return context.clone();
        };
        let mut value = self.js(context, first).unwrap_or(Value::Missing);
        for part in parts {
            if value.is_nil() {
                break;
            }
            value = self.js(&value, part).unwrap_or(Value::Missing);
        }
        value
    }

    /// The value of a path.
    pub(crate) fn lookup(&self, find: &Find) -> Result<Value<'a>, Fault> {
        if find.plain { Ok(self.plain(find)) } else { self.special(find) }
    }

    fn special(&self, find: &Find) -> Result<Value<'a>, Fault> {
        let mut parts = find.parts.iter().peekable();
        let mut value = match find.block_parameter {
            Some((up, at)) => {
                parts.next();
                self.block_parameter(up, at)
            }
            None if find.data => {
                let first = parts.next().map_or("", |p| p);
                let found = self.scope.datum_above(first, find.depth);
                let above = find.assume && !self.scope.has_frame(find.depth);
                if (found.is_none() && find.strict) || above {
                    return Err(not_defined(first, "[object Object]"));
                }
                found.unwrap_or(Value::Missing)
            }
            None if find.compat && !find.parts.is_empty() => {
                let first = parts.next().map_or("", |p| p);
                let found = self.in_contexts_around(first);
                if found.is_none() && find.strict {
                    return Err(not_defined(first, "[object Object]"));
                }
                found.unwrap_or(Value::Missing)
            }
            None => self.context_up(find.depth),
        };
        while let Some(part) = parts.next() {
            let last = parts.peek().is_none();
            if value.is_nil() {
                if find.assume {
                    return Err(not_defined(
                        part,
                        if matches!(value, Value::Nil) { "null" } else { "undefined" },
                    ));
                }
                return Ok(value);
            }
            let found = self.js(&value, part);
            let object = value.is_array() || value.is_object();
            if last && find.strict && (found.is_none() || !object) {
                let mut shown = String::new();
                format::js_display(&value, &mut shown, 200);
                return Err(not_defined(part, &shown));
            }
            value = found.unwrap_or(Value::Missing);
        }
        Ok(value)
    }

    fn block_parameter(&self, up: usize, at: usize) -> Value<'a> {
        let mut level = self.scope.parameters.as_ref();
        for _ in 0..up {
            level = level.and_then(|l| l.parent.as_ref());
        }
        level.and_then(|l| l.values.get(at).cloned()).unwrap_or(Value::Missing)
    }

    fn context_up(&self, depth: usize) -> Value<'a> {
        if depth == 0 {
            return self.scope.this();
        }
        let mut level = self.scope.depths.as_ref();
        for _ in 0..depth {
            level = level.and_then(|l| l.parent.as_ref());
        }
        level.map_or(Value::Missing, |l| l.value.clone())
    }

    /// Compat mode: the first context around that has the property.
    fn in_contexts_around(&self, name: &str) -> Option<Value<'a>> {
        let mut level = self.scope.depths.as_ref();
        while let Some(depth) = level {
            let value = &depth.value;
            // A context of 0, "" or false stands for all its properties, as in the original.
            let found = if js_truthy(value) { self.js(value, name) } else { Some(value.clone()) };
            if let Some(found) = found.filter(|v| !v.is_nil()) {
                return Some(found);
            }
            level = depth.parent.as_ref();
        }
        None
    }

    /// Writes the top of the stack: nothing for what is not there.
    pub(crate) fn write(&mut self, escaped: bool) -> Result<(), Fault> {
        if let Some(Value::Str(text)) = self.stack.last() {
            let text: &'a str = text;
            self.drop_top();
            if escaped {
                escape::mustache_escape(text, &mut self.out);
            } else {
                self.out.push_str(text);
            }
            return self.check_output();
        }
        let value = self.pop();
        self.write_value(&value, escaped)
    }

    pub(crate) fn write_value(&mut self, value: &Value<'a>, escaped: bool) -> Result<(), Fault> {
        let limit = self.output_limit();
        match value {
            Value::Nil | Value::Missing => return Ok(()),
            Value::Safe(text) => self.out.push_str(text),
            // Numbers and truth values hold nothing to escape.
            Value::Int(_) | Value::Big(_) | Value::Bool(_) | Value::Float(_) => {
                format::js_display(value, &mut self.out, limit);
            }
            _ if !escaped => {
                format::js_display(value, &mut self.out, limit);
            }
            _ => match value.as_str() {
                Some(text) => escape::mustache_escape(text, &mut self.out),
                None => {
                    let mut text = String::new();
                    format::js_display(value, &mut text, limit);
                    escape::mustache_escape(&text, &mut self.out);
                }
            },
        }
        self.check_output()
    }

    pub(crate) fn mustache_step(&mut self, code: &Arc<Code>, op: Op) -> Result<Flow, Fault> {
        match op {
            Op::Call(at) => {
                let Some(call) = code.calls.get(at as usize) else {
                    return Ok(Flow::Next);
                };
                let value = self.call_value(code, call)?;
                self.stack.push(value);
                Ok(Flow::Next)
            }
            Op::Partial(at) => self.run_partial(code, at),
            Op::Inline(start) => {
                let name = self.pop().to_js_text();
                let mut scope = self.scope.clone();
                scope.depths = self.depths_around();
                self.scope.inlines = Some(self.inline(&name, start, scope));
                Ok(Flow::Next)
            }
            _ => Ok(Flow::Next),
        }
    }

    /// The contexts around the program that runs, without its own: what its inline partials see.
    fn depths_around(&self) -> Option<Rc<Depth<'a>>> {
        match self.frames.last() {
            Some(Frame::Section(section)) => section.saved.depths.clone(),
            Some(Frame::Mustache(call)) => call.around.clone(),
            Some(_) => self.scope.depths.clone(),
            None => None,
        }
    }

    /// The current inline partials with one more.
    pub(crate) fn inline(&self, name: &str, start: Index, scope: Scope<'a>) -> Rc<Inlines<'a>> {
        let closure = Closure {
            program: Program { template: self.template.clone(), start },
            scope,
            partial_block: None,
            inline: true,
        };
        Rc::new(Inlines {
            name: Arc::from(name),
            closure: Rc::new(closure),
            parent: self.scope.inlines.clone(),
        })
    }

    /// Takes a call's hash and parameters from the stack.
    pub(crate) fn arguments(&mut self, call: &Call) -> (Vec<Value<'a>>, Vec<(Arc<str>, Value<'a>)>) {
        let from = self.stack.len().saturating_sub(call.hash.len());
        let hash: Vec<_> = call.hash.iter().cloned().zip(self.stack.drain(from..)).collect();
        let from = self.stack.len().saturating_sub(call.parameters);
        (self.stack.drain(from..).collect(), hash)
    }

    /// The value of `{{name}}`: a helper's answer where the host has helpers, or the value of the path.
    pub(crate) fn name(&mut self, code: &Code, at: Index) -> Result<(), Fault> {
        let Some(call) = code.calls.get(at as usize) else {
            return Ok(());
        };
        if self.options.helpers.is_empty() {
            return self.find(code, call.find);
        }
        let value = self.call_value(code, call)?;
        self.stack.push(value);
        Ok(())
    }

    /// The value of `{{name …}}`: a helper's answer, or the value of the path.
    fn call_value(&mut self, code: &Code, call: &Call) -> Result<Value<'a>, Fault> {
        let (params, hash) = self.arguments(call);
        if call.helper {
            if self.options.helpers.contains_key(&*call.name) {
                return self.helper(&call.name, &call.name, params, hash, None, None);
            }
            if call.builtin.is_some() {
                return self.builtin_value(&call.name, &params);
            }
        }
        let Some(find) = code.finds.get(call.find as usize) else {
            return Ok(Value::Missing);
        };
        let value = self.lookup(find)?;
        if call.certain {
            if js_truthy(&value) {
                return Err(Fault::new(FaultKind::Helper, format!("{} is not a function", call.name)));
            }
            return self.helper_missing(call, params, hash, None, None);
        }
        if value.is_nil() && self.options.helpers.contains_key("helperMissing") {
            return self.helper("helperMissing", &call.name, params, hash, None, None);
        }
        if find.reported && matches!(value, Value::Missing) {
            self.report_undefined(|| find.original.to_string());
        }
        Ok(value)
    }

    pub(crate) fn helper_missing(
        &mut self,
        call: &Call,
        params: Vec<Value<'a>>,
        hash: Vec<(Arc<str>, Value<'a>)>,
        program: Option<Program>,
        inverse: Option<Program>,
    ) -> Result<Value<'a>, Fault> {
        if self.options.helpers.contains_key("helperMissing") {
            return self.helper("helperMissing", &call.name, params, hash, program, inverse);
        }
        if params.is_empty() {
            return Ok(Value::Missing);
        }
        Err(Fault::new(FaultKind::Helper, format!("Missing helper: \"{}\"", call.name)))
    }

    /// Calls a helper of the host.
    pub(crate) fn helper(
        &mut self,
        helper: &str,
        name: &str,
        params: Vec<Value<'a>>,
        hash: Vec<(Arc<str>, Value<'a>)>,
        program: Option<Program>,
        inverse: Option<Program>,
    ) -> Result<Value<'a>, Fault> {
        let options = self.options;
        let Some(found) = options.helpers.get(helper) else {
            return Ok(Value::Missing);
        };
        let mut call =
            HelperCall { machine: self, name: name.to_owned(), params, hash, program, inverse, failed: None };
        match found.call(&mut call) {
            Ok(value) => Ok(value),
            Err(message) => Err(match call.failed.take() {
                Some(fault) => fault,
                None => Fault::argument(message),
            }),
        }
    }

    /// A standard helper called for its value.
    pub(crate) fn builtin_value(&mut self, name: &str, params: &[Value<'a>]) -> Result<Value<'a>, Fault> {
        match (name, params) {
            ("lookup", [object, ..]) if !js_truthy(object) => Ok(object.clone()),
            ("lookup", [object, field]) => Ok(self.js(object, &field.to_js_text()).unwrap_or(Value::Missing)),
            ("lookup", _) => Err(Fault::argument("`lookup` needs a value and a name: {{lookup value name}}")),
            ("log", _) => {
                let line: Vec<String> = params.iter().map(Value::to_js_text).collect();
                self.log(line.join(" "));
                Ok(Value::Missing)
            }
            ("each", [_]) | ("if" | "unless" | "with", [_]) => {
                Err(Fault::argument(format!("`{name}` needs a block: {{{{#{name}}}}} … {{{{/{name}}}}}")))
            }
            ("each", _) => Err(Fault::argument("Must pass iterator to #each")),
            _ => Err(Fault::argument(format!("#{name} requires exactly one argument"))),
        }
    }
}

fn not_defined(name: &str, object: &str) -> Fault {
    Fault::new(FaultKind::Missing, format!("\"{name}\" not defined in {object}"))
}
