//! Which variables a Handlebars template reads: the schema path of each context, name and block parameter.

use super::ast::{Expr, Id, Invocation, Path};
use super::emit::{Compiler, Kind};
use crate::names;

impl Compiler<'_> {
    /// The path as the schema knows it.
    pub(crate) fn path_read(&self, path: &Path, parameter: bool) -> Option<String> {
        let mut parts = path.parts.iter();
        let mut text = if path.data {
            match parts.next().map(|p| &**p) {
                Some("root") => String::new(),
                _ => return None,
            }
        } else if parameter {
            self.reads.root(parts.next()?)?
        } else {
            self.context_at(path.depth)?
        };
        for part in parts {
            names::append(&mut text, part);
        }
        Some(text)
    }

    /// The schema path of the context so many levels up.
    pub(crate) fn context_at(&self, depth: usize) -> Option<String> {
        let mut left = depth;
        for (path, own) in self.contexts.iter().rev() {
            if left == 0 {
                return path.clone();
            }
            left -= usize::from(*own);
        }
        None
    }

    /// The schema path of a block's context, and of its block parameters.
    pub(crate) fn inner_context(
        &mut self,
        call: &Invocation,
        path: &Path,
        kind: Kind,
        program: Id,
    ) -> (Option<String>, bool) {
        let names = self.tree.programs.get(program).map_or(Vec::new(), |p| p.parameters.clone());
        let helper = path.parts.first().map_or("", |p| p);
        let subject = match (kind, call.params.first()) {
            (Kind::Helper, Some(Expr::Path(param))) => {
                let parameter = param.parts.first().is_some_and(|f| self.block_parameter(f).is_some());
                self.path_read(param, parameter && param.depth == 0 && !param.is_scoped())
            }
            (Kind::Helper, _) => None,
            _ => self.path_read(path, false),
        };
        let context = match (kind, helper) {
            (Kind::Helper, "each") => (subject.map(|s| s + "[]"), true),
            (Kind::Helper, "with") => (subject, true),
            (Kind::Helper, _) => self.around(),
            _ => (subject.map(|s| s + "[]"), true),
        };
        for (at, name) in names.iter().enumerate() {
            let path = if at == 0 && matches!(helper, "each" | "with") { context.0.clone() } else { None };
            self.reads.alias(name, path);
        }
        context
    }
}
