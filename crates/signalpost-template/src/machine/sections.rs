//! Handlebars blocks.
use crate::value::Value;
#[derive(Debug)]
pub(crate) struct Section<'a> {
    pub(crate) v: Value<'a>,
}
#[derive(Debug)]
pub(crate) struct PartialFrame<'a> {
    pub(crate) v: Value<'a>,
}
