//! What is open while a template runs: loops, captures, partials; and Liquid's variables.

use std::rc::Rc;
use std::sync::Arc;

use crate::code::{Code, Index};
use crate::template::Template;
use crate::value::{LoopState, Value};

/// An open construct.
#[derive(Debug)]
pub(crate) enum Frame<'a> {
    For {
        spec: Index,
        items: Value<'a>,
        first: usize,
        count: usize,
        reversed: bool,
        state: Rc<LoopState>,
        /// How many inner variables there were before it.
        mark: usize,
    },
    Table {
        spec: Index,
        items: Value<'a>,
        first: usize,
        state: Rc<LoopState>,
        mark: usize,
    },
    Capture {
        start: usize,
        name: Arc<str>,
    },
    Changed {
        start: usize,
    },
    Case {
        pending: usize,
        matched: bool,
    },
    /// An `include` whose attributes are being set, or whose partial runs.
    Include(Box<Call<'a>>),
    Render(Box<Call<'a>>),
    /// The end of code that a helper asked to run.
    Stop,
    /// A block that keeps its context: where it ends, and what its program may add to.
    Plain {
        end: Index,
        parameters: Option<Rc<super::scope::Parameters<'a>>>,
        inlines: Option<Rc<super::scope::Inlines<'a>>>,
    },
    Section(Box<super::sections::Section<'a>>),
    Mustache(Box<super::mustache_partials::PartialFrame<'a>>),
}

/// Where a partial returns to, and what it runs over.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) partial: Template,
    pub(crate) variable: Arc<str>,
    pub(crate) value: Value<'a>,
    /// The value is an array, item by item.
    pub(crate) each: bool,
    pub(crate) at: usize,
    pub(crate) count: usize,
    pub(crate) mark: usize,
    /// After the attributes.
    pub(crate) attributes_end: usize,
    pub(crate) running: bool,
    pub(crate) template: Template,
    pub(crate) code: Arc<Code>,
    pub(crate) pc: usize,
    pub(crate) base: usize,
    pub(crate) template_name: Option<Arc<str>>,
    /// `render`: its attributes, and the loop state of `render … for`.
    pub(crate) attributes: Vec<(Arc<str>, Value<'a>)>,
    pub(crate) state: Option<Rc<LoopState>>,
}

/// Liquid's variables and registers, from the root or a `render` inwards.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    /// Variables that `assign` and `capture` set.
    pub(crate) outer: Vec<(Arc<str>, Value<'a>)>,
    /// Variables of loops and includes, innermost last.
    pub(crate) inner: Vec<(Arc<str>, Value<'a>)>,
    /// Counters of `increment` and `decrement`.
    pub(crate) counters: Vec<(Arc<str>, Value<'a>)>,
    /// The caller's data; only the root sees it.
    pub(crate) data: Value<'a>,
    pub(crate) cycles: Vec<(String, usize)>,
    pub(crate) offsets: Vec<(Arc<str>, i64)>,
    pub(crate) changed: Option<Arc<str>>,
    pub(crate) loops: Vec<Rc<LoopState>>,
    /// Inside `render`, where `include` is not allowed.
    pub(crate) isolated: bool,
    pub(crate) template_name: Option<Arc<str>>,
}

impl<'a> Context<'a> {
    pub(crate) fn root(data: Value<'a>) -> Self {
        Context {
            outer: Vec::new(),
            inner: Vec::new(),
            counters: Vec::new(),
            data,
            cycles: Vec::new(),
            offsets: Vec::new(),
            changed: None,
            loops: Vec::new(),
            isolated: false,
            template_name: None,
        }
    }

    pub(crate) fn isolated(template_name: Arc<str>) -> Self {
        let mut context = Context::root(Value::Nil);
        context.isolated = true;
        context.template_name = Some(template_name);
        context
    }

    pub(crate) fn set_outer(&mut self, name: &Arc<str>, value: Value<'a>) {
        match self.outer.iter_mut().find(|(n, _)| n == name) {
            Some((_, old)) => *old = value,
            None => self.outer.push((name.clone(), value)),
        }
    }

    /// The variable `name`; `None` where there is none.
    pub(crate) fn find(&self, name: &str) -> Option<Value<'a>> {
        match self.own(name) {
            Some(value) => Some(value.clone()),
            None => self.data.property(name),
        }
    }

    /// How many variables are searched for a name.
    pub(crate) fn width(&self) -> usize {
        self.inner.len() + self.outer.len() + self.counters.len()
    }

    /// The variable `name` where the template made it.
    pub(crate) fn own(&self, name: &str) -> Option<&Value<'a>> {
        let same = |entry: &&(Arc<str>, Value<'a>)| &*entry.0 == name;
        let found = self.inner.iter().rev().find(same);
        let found =
            found.or_else(|| self.outer.iter().find(same)).or_else(|| self.counters.iter().find(same));
        found.map(|(_, value)| value)
    }
}
