//! What a caller gives to a render and gets from it.
//!
//! In: [`RenderOptions`] (the time, the zone, budgets, partials, filters, helpers). Out: [`Rendered`].

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::budget::Budgets;
use crate::error::Error;
use crate::machine::helper::Helper;
use crate::template::{CompileOptions, Language, Template};
use crate::value::Value;

/// Gives partials by name.
pub trait Partials {
    /// The partial called `name`: `None` where there is none, an error where it cannot be compiled.
    fn get(&self, name: &str) -> Option<Result<Arc<Template>, Error>>;
    /// The names there are, to suggest one near a wrong one.
    fn names(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Partials from their sources; each is compiled when it is first asked for, and once.
pub struct PartialSources {
    language: Language,
    options: CompileOptions,
    sources: HashMap<String, String>,
    compiled: Mutex<HashMap<String, Result<Arc<Template>, Error>>>,
}

impl fmt::Debug for PartialSources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PartialSources").field("names", &self.names()).finish_non_exhaustive()
    }
}

impl PartialSources {
    /// Partials in one language, by name.
    pub fn new(language: Language, sources: HashMap<String, String>, options: &CompileOptions) -> Self {
        PartialSources { language, options: options.clone(), sources, compiled: Mutex::new(HashMap::new()) }
    }
}

impl Partials for PartialSources {
    fn get(&self, name: &str) -> Option<Result<Arc<Template>, Error>> {
        let source = self.sources.get(name)?;
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = compiled
            .entry(name.to_owned())
            .or_insert_with(|| Template::compile(self.language, name, source, &self.options).map(Arc::new));
        Some(entry.clone())
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.sources.keys().cloned().collect();
        names.sort();
        names
    }
}

/// A Liquid filter registered by the host: the input and the arguments, a value or a complaint.
pub type CustomFilter = dyn for<'a> Fn(&Value<'a>, &[Value<'a>]) -> Result<Value<'a>, String> + Send + Sync;

/// Words and forms of a language for dates and money.
pub trait Locale {
    /// The name of a month, 0 for January; `short` for the abbreviation. `None` leaves it English.
    fn month(&self, month: usize, short: bool) -> Option<String>;
    /// The name of a weekday, 0 for Sunday.
    fn weekday(&self, weekday: usize, short: bool) -> Option<String>;
    /// An amount of money in a currency (ISO 4217), for the filter `money`.
    fn money(&self, amount: f64, currency: &str) -> Option<String>;
}

/// What happens to an error while rendering Liquid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum OnError {
    /// The render ends with the error: no broken mail is sent.
    #[default]
    Raise,
    /// The reference's words are written in its place, and the render goes on.
    Inline,
}

/// What a render needs beside template and data.
pub struct RenderOptions<'a> {
    /// The time that `'now' | date` means.
    pub now: Timestamp,
    /// The zone that dates without one are in, and are shown in.
    pub time_zone: TimeZone,
    /// What the render may cost.
    pub budgets: Budgets,
    /// Where `render`, `include` and `{{> }}` find partials.
    pub partials: Option<&'a dyn Partials>,
    /// Liquid filters beside the standard ones; a name may replace a standard one.
    pub filters: HashMap<String, Box<CustomFilter>>,
    /// Handlebars helpers beside the standard ones; a name may replace a standard one.
    pub helpers: HashMap<String, Box<dyn Helper>>,
    /// Handlebars `@name` data that the render starts with.
    pub data: Vec<(String, Value<'a>)>,
    /// What happens to errors in Liquid.
    pub on_error: OnError,
    /// Words for dates and money.
    pub locale: Option<&'a dyn Locale>,
    /// Asked every few thousand steps; `true` ends the render.
    pub expired: Option<&'a dyn Fn() -> bool>,
}

impl fmt::Debug for RenderOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RenderOptions")
            .field("now", &self.now)
            .field("budgets", &self.budgets)
            .field("filters", &self.filters.keys())
            .field("helpers", &self.helpers.keys())
            .finish_non_exhaustive()
    }
}

impl RenderOptions<'_> {
    /// The usual options at a point in time: UTC, default budgets, no partials.
    pub fn at(now: Timestamp) -> Self {
        RenderOptions {
            now,
            time_zone: TimeZone::UTC,
            budgets: Budgets::default(),
            partials: None,
            filters: HashMap::new(),
            helpers: HashMap::new(),
            data: Vec::new(),
            on_error: OnError::Raise,
            locale: None,
            expired: None,
        }
    }
}

/// The outcome of a render.
#[derive(Clone, Debug, Default)]
pub struct Rendered {
    /// The text.
    pub text: String,
    /// Paths that were printed but had no value, and how often each.
    pub undefined: Vec<(String, usize)>,
    /// Errors that were written into the text (with [`OnError::Inline`]).
    pub problems: Vec<Error>,
    /// What the Handlebars `log` helper was given.
    pub log: Vec<String>,
    /// How many steps the render took.
    pub operations: u64,
}
