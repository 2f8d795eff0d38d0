//! Builds [`Code`]: interns names and constants, appends operations, patches jumps and keeps the place of each.
//!
//! In: calls from a front end, in the order of the source. Out: the finished code.

use std::collections::HashMap;
use std::sync::Arc;

use crate::code::{Code, Constant, Index, Node, Op};

/// The builder of one template's code.
#[derive(Debug)]
pub(crate) struct Emitter<'s> {
    pub(crate) source: &'s str,
    pub(crate) code: Code,
    interned: HashMap<Arc<str>, Index>,
    node: Index,
    /// Line starts, to find lines without scanning the source again for each statement.
    line_starts: Vec<usize>,
}

pub(crate) fn index(n: usize) -> Index {
    Index::try_from(n).unwrap_or(Index::MAX)
}

impl<'s> Emitter<'s> {
    pub(crate) fn new(source: &'s str) -> Self {
        let starts = source.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(i, _)| i + 1);
        let mut emitter = Emitter {
            source,
            code: Code::default(),
            interned: HashMap::new(),
            node: 0,
            line_starts: std::iter::once(0).chain(starts).collect(),
        };
        emitter.node(0, 0, 0);
        emitter
    }

    /// The line of a byte offset, from 1.
    pub(crate) fn line(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= offset)
    }

    /// Opens a statement: operations that follow belong to it. Its end is set by [`Emitter::close`].
    pub(crate) fn node(&mut self, line_offset: usize, offset: usize, depth: usize) -> Index {
        let node = Node {
            line: index(self.line(line_offset)),
            offset: index(offset),
            end: Index::MAX,
            depth: index(depth),
            blank: false,
        };
        self.code.nodes.push(node);
        self.node = index(self.code.nodes.len() - 1);
        self.node
    }

    /// Goes on with an earlier statement, e.g. an `if` at its `elsif`.
    pub(crate) fn resume(&mut self, node: Index) {
        self.node = node;
    }

    /// Ends a statement at the current place.
    pub(crate) fn close(&mut self, node: Index, blank: bool) {
        let end = self.here();
        if let Some(n) = self.code.nodes.get_mut(node as usize) {
            n.end = end;
            n.blank = blank;
        }
    }

    pub(crate) fn here(&self) -> Index {
        index(self.code.ops.len())
    }

    pub(crate) fn push(&mut self, op: Op) -> Index {
        self.code.ops.push(op);
        self.code.places.push(self.node);
        index(self.code.ops.len() - 1)
    }

    /// Points the jump at `at` to the current place.
    pub(crate) fn patch(&mut self, at: Index) {
        let here = self.here();
        if let Some(op) = self.code.ops.get_mut(at as usize) {
            *op = match *op {
                Op::Jump(_) => Op::Jump(here),
                Op::JumpIfFalsy(_) => Op::JumpIfFalsy(here),
                Op::JumpIfTruthy(_) => Op::JumpIfTruthy(here),
                Op::OrJump(_) => Op::OrJump(here),
                Op::AndJump(_) => Op::AndJump(here),
                Op::CaseRun(_) => Op::CaseRun(here),
                Op::CaseElse(_) => Op::CaseElse(here),
                other => other,
            };
        }
    }

    pub(crate) fn name(&mut self, name: &str) -> Index {
        let shared = self.shared(name);
        if let Some(found) = self.interned.get(&shared) {
            return *found;
        }
        self.code.names.push(shared.clone());
        let at = index(self.code.names.len() - 1);
        self.interned.insert(shared, at);
        at
    }

    /// The one shared copy of a name.
    pub(crate) fn shared(&mut self, name: &str) -> Arc<str> {
        match self.interned.get_key_value(name) {
            Some((key, _)) => key.clone(),
            None => Arc::from(name),
        }
    }

    pub(crate) fn constant(&mut self, constant: Constant) -> Index {
        self.code.constants.push(constant);
        index(self.code.constants.len() - 1)
    }

    pub(crate) fn text(&mut self, text: &str) -> Index {
        let start = index(self.code.text.len());
        self.code.text.push_str(text);
        self.push(Op::Text { start, length: index(text.len()) })
    }

    /// The text that a text operation writes.
    pub(crate) fn text_of(&self, at: Index) -> &str {
        match self.code.ops.get(at as usize) {
            Some(Op::Text { start, length }) => {
                let start = *start as usize;
                self.code.text.get(start..start + *length as usize).unwrap_or("")
            }
            _ => "",
        }
    }

    /// Shortens the text of a text operation.
    pub(crate) fn set_length(&mut self, at: Index, new: usize) {
        if let Some(Op::Text { length, .. }) = self.code.ops.get_mut(at as usize) {
            *length = index(new);
        }
    }

    pub(crate) fn erase(&mut self, at: Index) {
        if let Some(op) = self.code.ops.get_mut(at as usize) {
            *op = Op::Nop;
        }
    }
}
