//! Helpers that the host registers for Handlebars, and what they can ask of the render.

use std::fmt;
use std::sync::Arc;

use super::Machine;
use crate::code::Index;
use crate::error::Fault;
use crate::template::Template;
use crate::value::{Value, format};

/// A Handlebars helper registered by the host.
///
/// A text answer is escaped in `{{helper}}` and not in a block; [`Value::Safe`] is never escaped.
pub trait Helper: Send + Sync {
    /// Answers a call.
    ///
    /// # Errors
    /// A message where the helper refuses its input, or what a block it ran failed with.
    fn call<'a>(&self, call: &mut HelperCall<'_, 'a>) -> Result<Value<'a>, String>;
}

/// A block's code.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) template: Template,
    pub(crate) start: Index,
}

/// A call of a helper.
pub struct HelperCall<'m, 'a> {
    pub(crate) machine: &'m mut Machine<'a>,
    pub(crate) name: String,
    pub(crate) params: Vec<Value<'a>>,
    pub(crate) hash: Vec<(Arc<str>, Value<'a>)>,
    pub(crate) program: Option<Program>,
    pub(crate) inverse: Option<Program>,
    pub(crate) failed: Option<Fault>,
}

impl fmt::Debug for HelperCall<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HelperCall")
            .field("name", &self.name)
            .field("params", &self.params)
            .field("hash", &self.hash)
            .finish_non_exhaustive()
    }
}

/// How a helper runs its block.
#[derive(Debug, Default)]
pub struct BlockArguments<'a> {
    /// The block's context; `None` keeps the current one.
    pub context: Option<Value<'a>>,
    /// `@name` values for the block.
    pub data: Vec<(String, Value<'a>)>,
    /// Values of the block parameters.
    pub parameters: Vec<Value<'a>>,
}

impl<'a> HelperCall<'_, 'a> {
    /// The name that the helper was called by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The parameters.
    pub fn params(&self) -> &[Value<'a>] {
        &self.params
    }

    /// A parameter; what is not given is [`Value::Missing`].
    pub fn param(&self, index: usize) -> Value<'a> {
        self.params.get(index).cloned().unwrap_or(Value::Missing)
    }

    /// A hash argument; what is not given is [`Value::Missing`].
    pub fn hash(&self, name: &str) -> Value<'a> {
        self.hash.iter().find(|(k, _)| &**k == name).map_or(Value::Missing, |(_, v)| v.clone())
    }

    /// The current context.
    pub fn this(&self) -> Value<'a> {
        self.machine.scope.this()
    }

    /// A `@name` value.
    pub fn data(&self, name: &str) -> Value<'a> {
        self.machine.scope.datum(name).unwrap_or(Value::Missing)
    }

    /// True where the helper was called as a block.
    pub fn is_block(&self) -> bool {
        self.program.is_some() || self.inverse.is_some()
    }

    /// The block's text; nothing where there is no block.
    ///
    /// # Errors
    /// What the block failed with; the helper passes it on.
    pub fn block(&mut self, arguments: BlockArguments<'a>) -> Result<String, String> {
        let program = self.program.clone();
        self.run(program, arguments)
    }

    /// The text of the `else` block.
    ///
    /// # Errors
    /// What the block failed with; the helper passes it on.
    pub fn inverse(&mut self, arguments: BlockArguments<'a>) -> Result<String, String> {
        let program = self.inverse.clone();
        self.run(program, arguments)
    }

    fn run(&mut self, program: Option<Program>, arguments: BlockArguments<'a>) -> Result<String, String> {
        let Some(program) = program else {
            return Ok(String::new());
        };
        let mut scope = match arguments.context {
            Some(context) => self.machine.scope.with_context(context),
            None => self.machine.scope.clone(),
        };
        if !arguments.data.is_empty() {
            scope = scope.with_data(arguments.data.into_iter().map(|(k, v)| (Arc::from(k), v)).collect());
        }
        if program.template.inner.code.takes_parameters(program.start) {
            scope = scope.with_parameters(arguments.parameters);
        }
        match self.machine.run_program(&program, scope) {
            Ok(text) => Ok(text.to_string()),
            Err(error) => {
                let message = error.message.clone();
                self.failed = Some(Fault::placed(error));
                Err(message)
            }
        }
    }
}

/// Text escaped for HTML as Handlebars does it.
pub fn escape_html(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    super::escape::mustache_escape(text, &mut out);
    out
}

/// The text of a value as JavaScript concatenates it: also `undefined` and `null`.
pub fn js_text(value: &Value<'_>) -> String {
    match value {
        Value::Missing => "undefined".to_owned(),
        Value::Nil => "null".to_owned(),
        other => {
            let mut text = String::new();
            format::js_display(other, &mut text, 1 << 20);
            text
        }
    }
}
