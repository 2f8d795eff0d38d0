//! The Handlebars front end.
use crate::code::Code;
use crate::error::Error;
use crate::template::CompileOptions;
pub(crate) fn compile(
    _name: &str,
    _source: &str,
    _options: &CompileOptions,
) -> Result<(Code, Vec<String>), Error> {
    Ok((Code::default(), Vec::new()))
}
