//! A compiled template: compile once, render for each person.
//!
//! In: a language, a name, source. Out: [`Template`], immutable, `Send + Sync`, cheap to clone.

use std::sync::Arc;

use crate::budget::Limits;
use crate::code::Code;
use crate::error::{Error, ErrorKind, Limit};
use crate::liquid::compiler::Mode;
use crate::machine::Machine;
use crate::render::{RenderOptions, Rendered};
use crate::value::Value;
use crate::{handlebars, liquid};

/// Which language a template is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Language {
    /// Shopify's Liquid 5.13.
    Liquid,
    /// Handlebars 4.7.
    Handlebars,
}

/// How a template is compiled. The default is what mail wants.
#[derive(Clone, Debug)]
pub struct CompileOptions {
    /// How strictly Liquid markup is read.
    pub mode: Mode,
    /// Escapes what Liquid prints for HTML; the filter `raw` lifts it. Handlebars has its own rules.
    pub auto_escape: bool,
    /// Refuses filters that are neither standard nor in `known_filters`, and Handlebars helper calls with
    /// parameters that are neither standard nor in `known_helpers`.
    pub refuse_unknown: bool,
    /// Filters that the host registers when rendering.
    pub known_filters: Vec<String>,
    /// Helpers that the host registers when rendering.
    pub known_helpers: Vec<String>,
    /// Limits on parsing.
    pub limits: Limits,
    /// Options of Handlebars alone.
    pub handlebars: HandlebarsOptions,
}

/// The compile options of handlebars.js.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandlebarsOptions {
    /// Values that are missing are errors.
    pub strict: bool,
    /// Missing objects on a path are errors; missing values are not.
    pub assume_objects: bool,
    /// Names are also looked up in the contexts around, as in Mustache.
    pub compat: bool,
    /// `@name` data is kept: `@root`, what `each` brings, `@partial-block`.
    pub data: bool,
    /// Names that are helpers are only those known.
    pub known_helpers_only: bool,
    /// Partials are not indented.
    pub prevent_indent: bool,
    /// Tags alone on a line leave the line's white space.
    pub ignore_standalone: bool,
    /// Partials see only the context they are given.
    pub explicit_partial_context: bool,
    /// Nothing is escaped.
    pub no_escape: bool,
}

impl Default for HandlebarsOptions {
    fn default() -> Self {
        HandlebarsOptions {
            strict: false,
            assume_objects: false,
            compat: false,
            data: true,
            known_helpers_only: false,
            prevent_indent: false,
            ignore_standalone: false,
            explicit_partial_context: false,
            no_escape: false,
        }
    }
}

impl Default for CompileOptions {
    fn default() -> Self {
        CompileOptions {
            mode: Mode::Lax,
            auto_escape: false,
            refuse_unknown: true,
            known_filters: Vec::new(),
            known_helpers: Vec::new(),
            limits: Limits::default(),
            handlebars: HandlebarsOptions::default(),
        }
    }
}

/// A compiled template.
#[derive(Clone, Debug)]
pub struct Template {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) language: Language,
    pub(crate) name: Arc<str>,
    pub(crate) source: Arc<str>,
    pub(crate) code: Arc<Code>,
    pub(crate) reads: Vec<String>,
}

impl Template {
    /// Compiles `source`; the first error ends it.
    ///
    /// # Errors
    /// Grammar errors, unknown tags, filters and helpers, and limits on parsing, each with its place.
    pub fn compile(
        language: Language,
        name: &str,
        source: &str,
        options: &CompileOptions,
    ) -> Result<Template, Error> {
        let limit = options.limits.source_bytes.min(u32::MAX as usize / 4);
        if source.len() > limit {
            let message = format!("The template has {} bytes; at most {limit} are allowed", source.len());
            return Err(Error::at(ErrorKind::Budget(Limit::SourceBytes), name, "", 0, message));
        }
        let (code, reads) = match language {
            Language::Liquid => liquid::compiler::compile(name, source, options)?,
            Language::Handlebars => handlebars::compile(name, source, options)?,
        };
        Ok(Template {
            inner: Arc::new(Inner {
                language,
                name: Arc::from(name),
                source: Arc::from(source),
                code: Arc::new(code),
                reads,
            }),
        })
    }

    /// Renders the template with `data`.
    ///
    /// # Errors
    /// A reached budget, a missing partial, or a filter or helper that refused its input.
    pub fn render<'a>(
        &self,
        data: impl Into<Value<'a>>,
        options: &'a RenderOptions<'a>,
    ) -> Result<Rendered, Error> {
        Machine::new(options).run(self, data.into())
    }

    /// Every variable path the template reads, sorted: `user.name`, `products[].price`.
    pub fn names(&self) -> Vec<String> {
        self.inner.reads.clone()
    }

    /// The partials that the template calls by a fixed name, sorted; a check can look each of them up.
    pub fn partials(&self) -> Vec<String> {
        let code = &self.inner.code;
        let liquid = code.partials.iter().map(|p| &p.name).filter(|name| !name.is_empty());
        // A partial with a block of its own need not exist.
        let fixed = code.partial_calls.iter().filter(|p| !p.dynamic && p.block.is_none());
        let handlebars =
            fixed.map(|p| &p.name).filter(|n| &***n != "@partial-block" && !code.inline_names.contains(n));
        let names: std::collections::BTreeSet<String> =
            liquid.chain(handlebars).map(ToString::to_string).collect();
        names.into_iter().collect()
    }

    /// A template that prints nothing.
    pub(crate) fn empty() -> Template {
        Template {
            inner: Arc::new(Inner {
                language: Language::Liquid,
                name: Arc::from(""),
                source: Arc::from(""),
                code: Arc::default(),
                reads: Vec::new(),
            }),
        }
    }

    /// The template's language.
    pub fn language(&self) -> Language {
        self.inner.language
    }

    /// The template's name.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The template's source.
    pub fn source(&self) -> &str {
        &self.inner.source
    }
}
