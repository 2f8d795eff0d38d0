//! What an expression can see while a message is mapped, and what it may cost.

use std::borrow::Cow;
use std::cell::Cell;

use super::error::Refusal;
use super::{Message, WORK_MAX};
use crate::value::Value;

/// What an expression can see.
#[derive(Clone, Copy)]
pub(super) struct Scope<'s> {
    pub(super) message: &'s Message<'s>,
    pub(super) topic: &'s Value,
    pub(super) id: &'s Value,
    pub(super) time: &'s Value,
    /// The values of `let`, as far as they are known.
    pub(super) lets: &'s [Value],
    /// The element that is gone through, and its place.
    pub(super) item: &'s Value,
    pub(super) index: usize,
    pub(super) budget: &'s Budget,
}

impl<'s> Scope<'s> {
    /// Before anything has a name.
    pub(super) fn start(message: &'s Message<'s>, nothing: &'s Value, budget: &'s Budget) -> Self {
        Self {
            message,
            topic: nothing,
            id: nothing,
            time: nothing,
            lets: &[],
            item: nothing,
            index: 0,
            budget,
        }
    }
}

/// The steps that are left.
pub(super) struct Budget(Cell<usize>);

impl Budget {
    pub(super) fn new() -> Self {
        Self(Cell::new(WORK_MAX))
    }

    /// Takes steps off.
    pub(super) fn spend(&self, steps: usize) -> Result<(), Refusal> {
        let left = self.0.get().checked_sub(steps).ok_or_else(Refusal::too_much_work)?;
        self.0.set(left);
        Ok(())
    }

    /// The value itself; copying it costs what it is large.
    pub(super) fn own(&self, value: Cow<'_, Value>) -> Result<Value, Refusal> {
        match value {
            Cow::Owned(value) => Ok(value),
            Cow::Borrowed(value) => {
                self.spend(cost(value))?;
                Ok(value.clone())
            }
        }
    }
}

/// What copying a value costs.
fn cost(value: &Value) -> usize {
    match value {
        Value::Text(text) => 1 + text.len() / 32,
        Value::List(items) => 1 + items.iter().map(cost).sum::<usize>(),
        Value::Map(map) => 1 + map.iter().map(|(name, value)| name.len() / 32 + cost(value)).sum::<usize>(),
        _ => 1,
    }
}
