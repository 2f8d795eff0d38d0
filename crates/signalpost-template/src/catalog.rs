//! Lists of what the languages know, with one line for each, for completion in an editor.

use crate::{handlebars, liquid};

/// A name that a template may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// The name.
    pub name: &'static str,
    /// What it does, in one line.
    pub description: &'static str,
}

fn known((name, description): &(&'static str, &'static str)) -> Known {
    Known { name, description }
}

/// Liquid's tags.
pub fn liquid_tags() -> Vec<Known> {
    liquid::TAGS.iter().map(known).collect()
}

/// Liquid's standard filters.
pub fn liquid_filters() -> Vec<Known> {
    liquid::filters::FILTERS.iter().map(|f| Known { name: f.name, description: f.description }).collect()
}

/// Handlebars' standard helpers.
pub fn handlebars_helpers() -> Vec<Known> {
    handlebars::HELPERS.iter().map(known).collect()
}
