//! The Liquid and Handlebars languages on one virtual machine.

mod budget;
mod catalog;
mod code;
mod date;
mod emit;
mod error;
mod handlebars;
mod liquid;
mod machine;
mod names;
mod render;
mod template;
mod value;

pub use budget::{Budgets, Limits};
pub use catalog::{Known, handlebars_helpers, liquid_filters, liquid_tags};
pub use error::{Error, ErrorDetails, ErrorKind, Limit, Position};
pub use liquid::compiler::Mode;
pub use machine::helper::{BlockArguments, Helper, HelperCall, escape_html, js_text};
pub use render::{CustomFilter, Locale, OnError, PartialSources, Partials, RenderOptions, Rendered};
pub use template::{CompileOptions, HandlebarsOptions, Language, Template};
pub use value::compare::js_strict_equal;
pub use value::{LoopState, Properties, Value};
