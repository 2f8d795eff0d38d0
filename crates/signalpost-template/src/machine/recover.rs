//! What a fault becomes: an error with its place, and in Liquid perhaps text in the output.

use super::Machine;
use crate::code::{Code, Index};
use crate::error::{Error, ErrorKind, Fault, FaultKind};
use crate::render::OnError;
use crate::template::Language;

impl Machine<'_> {
    /// Gives a fault its place; writes it into the output where the options say so, and goes on after its statement.
    pub(crate) fn recover(&mut self, fault: Fault, code: &Code) -> Result<(), Error> {
        let at = code.places.get(self.pc.saturating_sub(1)).copied().unwrap_or(0);
        let Some(node) = code.nodes.get(at as usize).copied() else {
            return Err(self.error_at(&fault, 0));
        };
        let inline = self.options.on_error == OnError::Inline && self.template.language() == Language::Liquid;
        let fatal = fault.is_fatal() || !inline;
        let error = match &fault.placed {
            Some(placed) => placed.clone(),
            None => self.error_at(&fault, node.offset as usize),
        };
        if fatal {
            return Err(error);
        }
        self.stack.clear();
        self.unwind(self.base + node.depth as usize);
        if !node.blank {
            let text = self.inline_text(&fault, &error, node.line);
            self.out.push_str(&text);
        }
        if self.rendered.problems.len() < 100 {
            self.rendered.problems.push(error);
        }
        self.pc = node.end as usize;
        match self.check_output() {
            Ok(()) => Ok(()),
            Err(fault) => Err(self.error_at(&fault, node.offset as usize)),
        }
    }

    /// The reference's words for an error: `Liquid error (snippet line 3): divided by 0`.
    fn inline_text(&self, fault: &Fault, error: &Error, line: Index) -> String {
        if fault.placed.is_some() && error.kind != ErrorKind::Render {
            return format!(
                "Liquid syntax error ({} line {}): {}",
                error.template, error.line, error.message
            );
        }
        let name = self.contexts.last().and_then(|c| c.template_name.clone());
        let place = name.map_or(String::new(), |n| format!("{n} "));
        format!("Liquid error ({place}line {line}): {}", fault.message)
    }

    pub(crate) fn error_at(&self, fault: &Fault, offset: usize) -> Error {
        let inner = &self.template.inner;
        // The message is the reference's; the hint says which limit it was.
        let limit = (fault.kind == FaultKind::Stack).then(|| {
            format!("at most {} partials within partials are allowed", self.options.budgets.partial_depth)
        });
        let kind = fault.error_kind();
        Error::at(kind, &inner.name, &inner.source, offset, fault.message.clone()).with_hint(limit)
    }

    /// An error for a helper: whatever is wrong, at the current place.
    pub(crate) fn error_here(&self, fault: &Fault) -> Error {
        if let Some(placed) = &fault.placed {
            return placed.clone();
        }
        let at = self.code.places.get(self.pc.saturating_sub(1)).copied().unwrap_or(0);
        let offset = self.code.nodes.get(at as usize).map_or(0, |n| n.offset as usize);
        self.error_at(fault, offset)
    }
}
