//! Handlebars on the machine.
use super::{Flow, Machine};
use crate::code::{Code, Index, Op};
use crate::error::Fault;
use crate::value::Value;
use std::sync::Arc;
#[derive(Debug, Default)]
pub(crate) struct Scope<'a> {
    pub(crate) root: Option<Value<'a>>,
}
impl<'a> Machine<'a> {
    pub(crate) fn start_mustache(&mut self, data: Value<'a>) {
        self.scope.root = Some(data);
    }
    pub(crate) fn find(&mut self, _code: &Code, _at: Index) -> Result<(), Fault> {
        Ok(())
    }
    pub(crate) fn write(&mut self, _escape: bool) -> Result<(), Fault> {
        Ok(())
    }
    pub(crate) fn mustache_step(&mut self, _code: &Arc<Code>, _op: Op) -> Result<Flow, Fault> {
        Ok(Flow::Next)
    }
    pub(crate) fn leave_mustache(&mut self, _f: super::sections::PartialFrame<'a>) {}
    pub(crate) fn leave_section(&mut self, _f: super::sections::Section<'a>) {}
}
