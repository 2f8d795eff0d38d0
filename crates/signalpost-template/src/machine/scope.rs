//! What a Handlebars program sees: its context, the contexts around, `@` data, block parameters, inline partials.
//!
//! In: what blocks, loops and partials bring. Out: [`Scope`], cheap to clone; its parts are shared lists.

use std::rc::Rc;
use std::sync::Arc;

use super::helper::Program;
use crate::value::Value;
use crate::value::compare::js_loose_equal;

/// The contexts around a program, innermost first.
#[derive(Debug)]
pub(crate) struct Depth<'a> {
    pub(crate) value: Value<'a>,
    pub(crate) parent: Option<Rc<Depth<'a>>>,
}

/// `@` data: what a frame sets hides what the frames around it set.
#[derive(Debug)]
pub(crate) struct Data<'a> {
    pub(crate) entries: Vec<(Arc<str>, Value<'a>)>,
    /// The frame is that of an item of `each`.
    pub(crate) item: Option<Item<'a>>,
    /// The frame is that of a partial block; `None` takes the block around away.
    pub(crate) partial_block: Option<Option<Rc<Closure<'a>>>>,
    pub(crate) parent: Option<Rc<Data<'a>>>,
}

/// What `@key`, `@index`, `@first` and `@last` mean for an item of `each`.
#[derive(Debug)]
pub(crate) struct Item<'a> {
    pub(crate) key: Value<'a>,
    pub(crate) index: usize,
    pub(crate) last: bool,
}

impl<'a> Item<'a> {
    fn datum(&self, name: &str) -> Option<Value<'a>> {
        Some(match name {
            "key" => self.key.clone(),
            "index" => Value::Int(i64::try_from(self.index).unwrap_or(i64::MAX)),
            "first" => Value::Bool(self.index == 0),
            "last" => Value::Bool(self.last),
            _ => return None,
        })
    }
}

/// The block parameters of the programs around, innermost first.
#[derive(Debug)]
pub(crate) struct Parameters<'a> {
    pub(crate) values: Vec<Value<'a>>,
    pub(crate) parent: Option<Rc<Parameters<'a>>>,
}

/// Inline partials, the latest first.
#[derive(Debug)]
pub(crate) struct Inlines<'a> {
    pub(crate) name: Arc<str>,
    pub(crate) closure: Rc<Closure<'a>>,
    pub(crate) parent: Option<Rc<Inlines<'a>>>,
}

/// A program with what it sees.
#[derive(Debug)]
pub(crate) struct Closure<'a> {
    pub(crate) program: Program,
    pub(crate) scope: Scope<'a>,
    /// The program is an inline partial, which sees the partial block it is given as any partial does.
    pub(crate) inline: bool,
    /// The partial block that the program itself sees.
    pub(crate) partial_block: Option<Rc<Closure<'a>>>,
}

/// What a program sees.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scope<'a> {
    pub(crate) context: Option<Value<'a>>,
    pub(crate) depths: Option<Rc<Depth<'a>>>,
    pub(crate) data: Option<Rc<Data<'a>>>,
    pub(crate) parameters: Option<Rc<Parameters<'a>>>,
    pub(crate) inlines: Option<Rc<Inlines<'a>>>,
    /// Which run of a template the program belongs to; inline partials are those of the run.
    pub(crate) run: usize,
}

impl<'a> Scope<'a> {
    pub(crate) fn this(&self) -> Value<'a> {
        self.context.clone().unwrap_or(Value::Missing)
    }

    /// True where a context is no other than the innermost one: by JavaScript's `==`, as the original compares.
    fn is_innermost(&self, context: &Value<'a>) -> bool {
        js_loose_equal(self.depths.as_ref().map_or(&Value::Missing, |depth| &depth.value), context)
    }

    /// The same scope with another context, and the old one around it unless it is the same.
    pub(crate) fn with_context(&self, context: Value<'a>) -> Scope<'a> {
        let mut scope = self.clone();
        if !self.is_innermost(&context) {
            scope.depths = Some(Rc::new(Depth { value: context.clone(), parent: self.depths.clone() }));
        }
        scope.context = Some(context);
        scope
    }

    pub(crate) fn with_data(mut self, entries: Vec<(Arc<str>, Value<'a>)>) -> Scope<'a> {
        self.data =
            Some(Rc::new(Data { entries, item: None, partial_block: None, parent: self.data.take() }));
        self
    }

    /// The scope of a program with block parameters; those that are not given are missing.
    pub(crate) fn with_parameters(mut self, values: Vec<Value<'a>>) -> Scope<'a> {
        self.parameters = Some(Rc::new(Parameters { values, parent: self.parameters.take() }));
        self
    }

    /// Moves on to an item of a list, from the scope around the loop or that of the item before, whose frames
    /// are used again where nothing keeps them. Without an item, no `@` data is kept.
    pub(crate) fn enter_item(&mut self, around: &Scope<'a>, value: Value<'a>, item: Option<Item<'a>>) {
        if around.is_innermost(&value) {
            self.depths.clone_from(&around.depths);
        } else {
            match self.depths.as_mut().and_then(Rc::get_mut) {
                Some(depth) => depth.value = value.clone(),
                None => {
                    self.depths =
                        Some(Rc::new(Depth { value: value.clone(), parent: around.depths.clone() }));
                }
            }
        }
        match self.data.as_mut().and_then(Rc::get_mut) {
            _ if item.is_none() => {}
            Some(data) => data.item = item,
            None => {
                let parent = around.data.clone();
                self.data = Some(Rc::new(Data { entries: Vec::new(), item, partial_block: None, parent }));
            }
        }
        self.context = Some(value);
        self.parameters.clone_from(&around.parameters);
        self.inlines.clone_from(&around.inlines);
    }

    pub(crate) fn datum(&self, name: &str) -> Option<Value<'a>> {
        self.datum_above(name, 0)
    }

    /// True where there are so many data frames around the current one.
    pub(crate) fn has_frame(&self, depth: usize) -> bool {
        let mut frame = self.data.as_ref();
        for _ in 0..depth {
            frame = frame.and_then(|f| f.parent.as_ref());
        }
        frame.is_some()
    }

    /// `@../name`: looked up from so many frames up on.
    pub(crate) fn datum_above(&self, name: &str, depth: usize) -> Option<Value<'a>> {
        let mut frame = self.data.as_ref();
        for _ in 0..depth {
            frame = frame.and_then(|f| f.parent.as_ref());
        }
        while let Some(data) = frame {
            if let Some((_, value)) = data.entries.iter().find(|(n, _)| &**n == name) {
                return Some(value.clone());
            }
            if let Some(found) = data.item.as_ref().and_then(|item| item.datum(name)) {
                return Some(found);
            }
            if let (Some(block), "partial-block") = (&data.partial_block, name) {
                return block.as_ref().map(|_| Value::Bool(true));
            }
            frame = data.parent.as_ref();
        }
        None
    }

    /// The partial block that `@partial-block` means here.
    pub(crate) fn partial_block(&self) -> Option<Rc<Closure<'a>>> {
        let mut frame = self.data.as_ref();
        while let Some(data) = frame {
            if let Some(block) = &data.partial_block {
                return block.clone();
            }
            frame = data.parent.as_ref();
        }
        None
    }
}
