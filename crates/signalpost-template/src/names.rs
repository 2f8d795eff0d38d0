//! Which variables a template reads, as paths that can be checked against a schema.
//!
//! In: each read, assignment and loop, in the order of the source. Out: sorted paths like `user.name`,
//! `products[].price`; what the template makes itself is left out.

use std::collections::BTreeSet;

/// Collects the paths a template reads.
#[derive(Debug, Default)]
pub(crate) struct Reads {
    paths: BTreeSet<String>,
    /// Names the template gives: the path behind one, or `None` where there is none.
    aliases: Vec<(String, Option<String>)>,
}

impl Reads {
    /// The path that a root name stands for; `None` where the template made the value.
    pub(crate) fn root(&self, name: &str) -> Option<String> {
        match self.aliases.iter().rev().find(|(alias, _)| alias == name) {
            Some((_, path)) => path.clone(),
            None => Some(name.to_owned()),
        }
    }

    pub(crate) fn read(&mut self, path: String) {
        if !path.is_empty() {
            self.paths.insert(path);
        }
    }

    pub(crate) fn alias(&mut self, name: &str, path: Option<String>) {
        self.aliases.push((name.to_owned(), path));
    }

    /// How many names are given; to forget those of a loop at its end.
    pub(crate) fn mark(&self) -> usize {
        self.aliases.len()
    }

    pub(crate) fn forget(&mut self, mark: usize) {
        self.aliases.truncate(mark);
    }

    pub(crate) fn finish(self) -> Vec<String> {
        self.paths.into_iter().collect()
    }
}

/// Appends one step to a path: `.name` where it is a plain word, else `["name"]`.
pub(crate) fn append(path: &mut String, key: &str) {
    let plain = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if path.is_empty() {
        path.push_str(key);
    } else if plain {
        path.push('.');
        path.push_str(key);
    } else {
        path.push_str("[\"");
        path.push_str(key);
        path.push_str("\"]");
    }
}
