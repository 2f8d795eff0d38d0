//! Liquid's loops and registers: `for`, `tablerow`, `case`, `cycle`, counters, assignments and captures.

use std::rc::Rc;
use std::sync::Arc;

use super::Machine;
use super::frames::{Context, Frame};
use crate::code::{Code, From, Index, Loop, Op};
use crate::error::Fault;
use crate::value::{LoopState, Value, format, number};

/// The part of a collection that a loop runs over: the items, the first and how many.
type Segment<'a> = (Value<'a>, usize, usize);

/// What a loop sees of a value: its items, an object's pairs, or text as one item.
fn iterable<'a>(value: Value<'a>) -> Value<'a> {
    match &value {
        Value::List(_) | Value::Array(_) | Value::Range(..) => value,
        Value::Map(_) | Value::Object(_) | Value::Lazy(_) => {
            let pairs = value.entries().into_iter().map(|(k, v)| Value::from(vec![Value::Text(k), v]));
            Value::from(pairs.collect::<Vec<_>>())
        }
        other if other.as_str().is_some_and(|s| !s.is_empty()) => Value::from(vec![value]),
        _ => Value::from(Vec::new()),
    }
}

fn segment<'a>(collection: Value<'a>, from: i64, limit: Option<i64>) -> Segment<'a> {
    let text = collection.as_str().is_some();
    let items = iterable(collection);
    if text {
        // Text is one item, whatever offset and limit say.
        let length = items.len().unwrap_or(0);
        return (items, 0, length);
    }
    let length = items.len().unwrap_or(0);
    let first = usize::try_from(from).unwrap_or(0).min(length);
    let end = match limit {
        Some(limit) => usize::try_from(limit.saturating_add(from)).unwrap_or(0).min(length),
        None => length,
    };
    (items, first, end.saturating_sub(first))
}

fn signed(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

impl<'a> Machine<'a> {
    pub(crate) fn context(&mut self) -> &mut Context<'a> {
        if self.contexts.is_empty() {
            self.contexts.push(Context::root(Value::Nil));
        }
        let last = self.contexts.len() - 1;
        #[expect(clippy::indexing_slicing, reason = "one was pushed above")]
        &mut self.contexts[last]
    }

    pub(crate) fn assign(&mut self, code: &Code, name: Index) -> Result<(), Fault> {
        let value = match self.pop() {
            Value::Missing => Value::Nil,
            value => value,
        };
        self.charge_assigned(&value)?;
        let width = self.context().width();
        self.charge(width / 16)?;
        if let Some(name) = code.names.get(name as usize) {
            self.context().set_outer(name, value);
        }
        Ok(())
    }

    pub(crate) fn capture_start(&mut self, code: &Code, name: Index) {
        if let Some(name) = code.names.get(name as usize) {
            self.frames.push(Frame::Capture { start: self.out.len(), name: name.clone() });
        }
    }

    /// Keeps what was captured, also where a `break` ends the capture early.
    pub(crate) fn capture_end(&mut self) -> Result<(), Fault> {
        let Some(Frame::Capture { start, name }) = self.frames.pop() else {
            return Ok(());
        };
        let text = self.take_output(start);
        let value = if self.code.auto_escape { Value::Safe(text) } else { Value::Text(text) };
        self.charge_assigned(&value)?;
        self.context().set_outer(&name, value);
        self.check_output()
    }

    pub(crate) fn count(&mut self, code: &Code, name: Index, down: bool) -> Result<(), Fault> {
        let Some(name) = code.names.get(name as usize) else {
            return Ok(());
        };
        let context = self.context();
        let known = context.counters.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
        let value = match known.or_else(|| context.data.property(name)) {
            None | Some(Value::Nil | Value::Bool(false)) => Value::Int(0),
            Some(value) => value,
        };
        let step = number::Number::Small(if down { -1 } else { 1 });
        let next = match &value {
            Value::Int(_) | Value::Big(_) | Value::Float(_) => {
                number::apply(&number::number(&value), &step, number::Arithmetic::Plus)?.into_value()?
            }
            _ => return Err(Fault::new(crate::error::FaultKind::Internal, "internal")),
        };
        match context.counters.iter_mut().find(|(n, _)| n == name) {
            Some((_, old)) => *old = next.clone(),
            None => context.counters.push((name.clone(), next.clone())),
        }
        let shown = if down { next } else { value };
        self.print(&shown, false)
    }

    pub(crate) fn cycle(&mut self, code: &Code, at: Index) {
        let Some(cycle) = code.cycles.get(at as usize) else {
            return;
        };
        let key = match &cycle.key {
            Some(key) => key.to_string(),
            None => {
                let mut key = String::new();
                format::inspect(&self.pop(), &mut key, 1 << 16);
                key
            }
        };
        let count = cycle.values.len();
        let known = self.context().cycles.len();
        self.owe(known / 4);
        let context = self.context();
        let turn = match context.cycles.iter_mut().find(|(k, _)| *k == key) {
            Some((_, turn)) => {
                let now = *turn;
                *turn = if now + 1 >= count { 0 } else { now + 1 };
                now
            }
            None => {
                context.cycles.push((key, usize::from(count > 1)));
                0
            }
        };
        match cycle.values.get(turn) {
            Some(start) => self.pc = *start as usize,
            None => {
                self.stack.push(Value::Nil);
                self.pc = cycle.end as usize;
            }
        }
    }

    pub(crate) fn for_start(&mut self, code: &Code, at: Index) -> Result<(), Fault> {
        let Some(spec) = code.loops.get(at as usize) else {
            return Ok(());
        };
        let limit = if spec.limit { Some(self.pop()) } else { None };
        let offset = if spec.from == From::Given { Some(self.pop()) } else { None };
        let collection = self.pop();
        let from = match (&offset, spec.from) {
            (_, From::Continue) => {
                self.context().offsets.iter().find(|(n, _)| *n == spec.name).map_or(0, |(_, at)| *at)
            }
            (Some(given), _) if !given.is_nil() => number::clamped_integer(given)?,
            _ => 0,
        };
        let limit = limit.filter(|l| !l.is_nil()).map(|l| number::clamped_integer(&l)).transpose()?;
        self.charge_entries(&collection)?;
        let (items, first, count) = segment(collection, from, limit);
        let context = self.context();
        let next = from.saturating_add(signed(count));
        match context.offsets.iter_mut().find(|(n, _)| *n == spec.name) {
            Some((_, at)) => *at = next,
            None => context.offsets.push((spec.name.clone(), next)),
        }
        if count == 0 {
            self.pc = spec.otherwise as usize;
            return Ok(());
        }
        self.open_for(spec, at, items, first, count)
    }

    /// Counts the pairs that a loop over an object makes.
    fn charge_entries(&mut self, collection: &Value<'a>) -> Result<(), Fault> {
        if collection.is_object() { self.charge(collection.len().unwrap_or(0)) } else { Ok(()) }
    }

    fn open_for(
        &mut self,
        spec: &Loop,
        at: Index,
        items: Value<'a>,
        first: usize,
        count: usize,
    ) -> Result<(), Fault> {
        self.enter_partial()?;
        let context = self.context();
        let parent = context.loops.last().cloned();
        let state = Rc::new(LoopState::new(spec.name.clone(), count, parent));
        context.loops.push(state.clone());
        let mark = context.inner.len();
        let item = items.item(if spec.reversed { first + count - 1 } else { first }).unwrap_or(Value::Nil);
        context.inner.push((Arc::from("forloop"), Value::Loop(state.clone())));
        context.inner.push((spec.variable.clone(), item));
        self.frames.push(Frame::For { spec: at, items, first, count, reversed: spec.reversed, state, mark });
        Ok(())
    }

    pub(crate) fn for_next(&mut self, body: Index) {
        let Some(Frame::For { items, first, count, reversed, state, mark, .. }) = self.frames.last() else {
            return;
        };
        state.advance();
        let at = state.index.get();
        if at < *count {
            let place = if *reversed { first + count - 1 - at } else { first + at };
            let (item, mark) = (items.item(place).unwrap_or(Value::Nil), *mark);
            if let Some((_, slot)) = self.context().inner.get_mut(mark + 1) {
                *slot = item;
            }
            self.pc = body as usize;
        } else {
            let depth = self.frames.len() - 1;
            self.unwind(depth);
        }
    }

    pub(crate) fn table_start(&mut self, code: &Code, at: Index) -> Result<(), Fault> {
        let Some(spec) = code.loops.get(at as usize) else {
            return Ok(());
        };
        let whole = |v: Value<'a>| number::to_i(&v).ok_or_else(|| Fault::argument("invalid integer"));
        let columns = if spec.columns { Some(self.pop()) } else { None };
        let limit = if spec.limit { Some(self.pop()) } else { None };
        let offset = if spec.from == From::Given { Some(self.pop()) } else { None };
        let collection = self.pop();
        if !collection.is_truthy() {
            self.pc = spec.otherwise as usize;
            return Ok(());
        }
        let from = offset.map(whole).transpose()?.unwrap_or(0);
        let limit = limit.map(whole).transpose()?;
        self.charge_entries(&collection)?;
        let (items, first, count) = segment(collection, from, limit);
        let columns = columns.map(whole).transpose()?.unwrap_or(signed(count));
        self.out.push_str("<tr class=\"row1\">\n");
        if count == 0 {
            self.out.push_str("</tr>\n");
            self.pc = spec.otherwise as usize;
            return Ok(());
        }
        self.enter_partial()?;
        let mut state = LoopState::new(spec.name.clone(), count, None);
        state.columns = Some(columns);
        let state = Rc::new(state);
        let context = self.context();
        let mark = context.inner.len();
        let item = items.item(first).unwrap_or(Value::Nil);
        context.inner.push((Arc::from("tablerowloop"), Value::Loop(state.clone())));
        context.inner.push((spec.variable.clone(), item));
        self.out.push_str("<td class=\"col1\">");
        self.frames.push(Frame::Table { spec: at, items, first, state, mark });
        self.check_output()
    }

    pub(crate) fn table_next(&mut self, body: Index) -> Result<(), Fault> {
        let Some(Frame::Table { items, first, state, mark, .. }) = self.frames.last() else {
            return Ok(());
        };
        self.out.push_str("</td>");
        let ends_row = state.columns == Some(state.column.get()) && !state.is_last();
        if ends_row {
            self.out.push_str("</tr>\n<tr class=\"row");
            format::integer(state.row.get() + 1, &mut self.out);
            self.out.push_str("\">");
        }
        state.advance();
        let at = state.index.get();
        if at < state.length {
            self.out.push_str("<td class=\"col");
            format::integer(state.column.get(), &mut self.out);
            self.out.push_str("\">");
            let (item, mark) = (items.item(first + at).unwrap_or(Value::Nil), *mark);
            if let Some((_, slot)) = self.context().inner.get_mut(mark + 1) {
                *slot = item;
            }
            self.pc = body as usize;
        } else {
            self.out.push_str("</tr>\n");
            let depth = self.frames.len() - 1;
            self.unwind(depth);
        }
        self.check_output()
    }

    pub(crate) fn case(&mut self, op: Op) {
        if op == Op::CaseStart {
            self.frames.push(Frame::Case { pending: 0, matched: false });
            return;
        }
        let hit = op == Op::CaseTally && self.pop().is_truthy();
        let Some(Frame::Case { pending, matched }) = self.frames.last_mut() else {
            return;
        };
        match op {
            Op::CaseTally => *pending += usize::from(hit),
            Op::CaseRun(next) => {
                if *pending == 0 {
                    self.pc = next as usize;
                } else {
                    *pending -= 1;
                    *matched = true;
                }
            }
            Op::CaseElse(next) => {
                if *matched {
                    self.pc = next as usize;
                }
            }
            _ => {
                self.frames.pop();
            }
        }
    }
}
