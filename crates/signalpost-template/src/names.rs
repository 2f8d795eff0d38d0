//! Which variables a template reads, as paths that can be checked against a schema.
//!
//! In: each read, assignment and loop, in the order of the source. Out: sorted paths like `user.name`,
//! `products[].price`; what the template makes itself is left out.

use std::collections::BTreeSet;

/// Collects the paths a template reads.
#[derive(Debug, Default)]
pub(crate) struct Reads {
    paths: BTreeSet<String>,
    /// Names the template gives.
    aliases: Vec<Alias>,
}

/// A name that the template gives.
#[derive(Debug)]
struct Alias {
    name: String,
    /// The path behind it, or `None` where there is none.
    path: Option<String>,
    /// It outlives the loop it is given in, as variables do.
    lasting: bool,
}

impl Reads {
    /// The path that a root name stands for; `None` where the template made the value.
    pub(crate) fn root(&self, name: &str) -> Option<String> {
        match self.aliases.iter().rev().find(|alias| alias.name == name) {
            Some(alias) => alias.path.clone(),
            None => Some(name.to_owned()),
        }
    }

    pub(crate) fn read(&mut self, path: String) {
        if !path.is_empty() {
            self.paths.insert(path);
        }
    }

    /// Whether the template gives this name.
    pub(crate) fn is_given(&self, name: &str) -> bool {
        self.aliases.iter().any(|alias| alias.name == name)
    }

    /// Gives a name until the end of the loop or block around.
    pub(crate) fn alias(&mut self, name: &str, path: Option<String>) {
        self.aliases.push(Alias { name: name.to_owned(), path, lasting: false });
    }

    /// Gives a name to the end of the template.
    pub(crate) fn variable(&mut self, name: &str, path: Option<String>) {
        self.aliases.push(Alias { name: name.to_owned(), path, lasting: true });
    }

    /// How many names are given; to forget those of a loop at its end.
    pub(crate) fn mark(&self) -> usize {
        self.aliases.len()
    }

    pub(crate) fn forget(&mut self, mark: usize) {
        let given = self.aliases.split_off(mark.min(self.aliases.len()));
        self.aliases.extend(given.into_iter().filter(|alias| alias.lasting));
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
