//! The Handlebars front end: source text to bytecode, as handlebars.js 4.7 reads it.

pub(crate) mod ast;
pub(crate) mod emit;
pub(crate) mod expression;
pub(crate) mod lexer;
pub(crate) mod parse;
pub(crate) mod partials;
pub(crate) mod reads;
pub(crate) mod whitespace;

use crate::code::Code;
use crate::error::Error;
use crate::template::CompileOptions;

/// Every standard helper with what it does, for completion in an editor.
pub(crate) const HELPERS: &[(&str, &str)] = &[
    ("each", "Prints its block once for each item, with @index, @key, @first and @last."),
    ("if", "Prints its block where the value is there and not empty."),
    ("log", "Writes its values to the render's log; prints nothing."),
    ("lookup", "The property or item of a value whose name is computed."),
    ("unless", "Prints its block where the value is missing or empty."),
    ("with", "Prints its block with another context."),
];

/// Compiles a Handlebars template.
pub(crate) fn compile(
    name: &str,
    source: &str,
    options: &CompileOptions,
) -> Result<(Code, Vec<String>), Error> {
    let mut tree = parse::parse(name, source, options)?;
    whitespace::control(&mut tree, options.handlebars.ignore_standalone);
    emit::compile(name, source, options, &tree)
}
