//! A mail template: subject, preheader and body in Liquid or Handlebars, the
//! body in HTML or MJML; compiled once, rendered for each person.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use signalpost_core::time::Timestamp;
use signalpost_template::{CompileOptions, Error, Language, RenderOptions, Template};
use thiserror::Error as ThisError;

/// Stack of the thread that turns MJML into HTML: its parser recurses.
const MJML_STACK_BYTES: usize = 32 << 20;
/// Tags a body may nest; deeper ones are refused before any parser recurses.
const NESTING_MAX: usize = 200;
/// Columns of the plain-text body.
const TEXT_COLUMNS: usize = 78;

/// A template as it is defined.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Definition {
    /// `liquid` (default) or `handlebars`.
    pub language: LanguageName,
    /// What the body is: `html` (default) or `mjml`.
    pub format: Format,
    /// The subject line.
    pub subject: String,
    /// The preview text.
    pub preheader: String,
    /// The body.
    pub body: String,
    /// The plain-text body; made from the HTML when empty.
    pub text: String,
}

/// A template language.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LanguageName {
    /// Liquid.
    #[default]
    Liquid,
    /// Handlebars.
    Handlebars,
}

/// What a body is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// HTML.
    #[default]
    Html,
    /// MJML, turned into HTML after rendering.
    Mjml,
}

impl From<LanguageName> for Language {
    fn from(name: LanguageName) -> Self {
        match name {
            LanguageName::Liquid => Self::Liquid,
            LanguageName::Handlebars => Self::Handlebars,
        }
    }
}

/// Why a template cannot be compiled or rendered.
#[derive(Debug, ThisError)]
pub enum TemplateError {
    /// In the language: with line, column and a caret.
    #[error("{part}: {error}")]
    Language {
        /// `subject`, `preheader`, `body` or `text`.
        part: &'static str,
        /// What and where.
        error: Box<Error>,
    },
    /// In the MJML.
    #[error("body: the MJML cannot be turned into HTML: {0}")]
    Mjml(String),
}

impl TemplateError {
    /// Line and column, when known.
    pub fn position(&self) -> Option<(usize, usize)> {
        match self {
            Self::Language { error, .. } => Some((error.line, error.column)),
            Self::Mjml(_) => None,
        }
    }
}

/// A compiled mail template.
#[derive(Debug)]
pub struct MailTemplate {
    format: Format,
    subject: Template,
    preheader: Template,
    body: Template,
    text: Option<Template>,
}

/// A rendered mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenderedMail {
    /// The subject line, on one line.
    pub subject: String,
    /// The preview text.
    pub preheader: String,
    /// The HTML body.
    pub html: String,
    /// The plain-text body.
    pub text: String,
    /// Paths that were printed and had no value.
    pub undefined: Vec<String>,
}

/// The options everything is compiled with: unknown filters, tags and helpers
/// are refused, missing data prints nothing, HTML is escaped where `html`.
pub fn compile_options(html: bool) -> CompileOptions {
    CompileOptions { auto_escape: html, refuse_unknown: true, ..CompileOptions::default() }
}

impl MailTemplate {
    /// Compiles a definition.
    ///
    /// # Errors
    /// With the part, line, column and a caret.
    pub fn compile(name: &str, definition: &Definition) -> Result<Self, TemplateError> {
        let language = definition.language.into();
        let compile = |part: &'static str, source: &str, html: bool| {
            Template::compile(language, &format!("{name} {part}"), source, &compile_options(html))
                .map_err(|error| TemplateError::Language { part, error: Box::new(error) })
        };
        let text =
            (!definition.text.is_empty()).then(|| compile("text", &definition.text, false)).transpose()?;
        Ok(Self {
            format: definition.format,
            subject: compile("subject", &definition.subject, false)?,
            preheader: compile("preheader", &definition.preheader, false)?,
            body: compile("body", &definition.body, true)?,
            text,
        })
    }

    /// Every variable path it reads.
    pub fn names(&self) -> Vec<String> {
        let parts = [&self.subject, &self.preheader, &self.body].into_iter().chain(&self.text);
        let mut names: Vec<String> = parts.flat_map(Template::names).collect();
        names.sort();
        names.dedup();
        names
    }

    /// Renders it with `data`; `now` is what the template's clock shows.
    ///
    /// # Errors
    /// When a budget is reached, a filter refuses its input, or MJML is wrong.
    pub fn render(&self, data: &Json, now: Timestamp) -> Result<RenderedMail, TemplateError> {
        let options = RenderOptions::at(now.to_jiff().unwrap_or(jiff::Timestamp::UNIX_EPOCH));
        let mut undefined = Vec::new();
        let mut part = |name: &'static str, template: &Template| {
            let rendered = template
                .render(data, &options)
                .map_err(|error| TemplateError::Language { part: name, error: Box::new(error) })?;
            undefined.extend(rendered.undefined.into_iter().map(|(path, _)| path));
            Ok::<_, TemplateError>(rendered.text)
        };
        let subject = one_line(&part("subject", &self.subject)?);
        let preheader = one_line(&part("preheader", &self.preheader)?);
        let body = part("body", &self.body)?;
        let own_text = self.text.as_ref().map(|template| part("text", template)).transpose()?;
        let html = match self.format {
            Format::Html => body,
            Format::Mjml => mjml_to_html(body)?,
        };
        let text = match own_text {
            Some(text) => text,
            None => html_to_text(&html),
        };
        Ok(RenderedMail { subject, preheader, html, text, undefined })
    }
}

/// Line breaks in a subject would end the header.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Turns MJML into HTML.
///
/// # Errors
/// When it is not MJML, or nests too deep.
pub fn mjml_to_html(source: String) -> Result<String, TemplateError> {
    if nesting(&source) > NESTING_MAX {
        return Err(TemplateError::Mjml(format!("tags nest deeper than {NESTING_MAX}")));
    }
    // Carriage returns make the parser fail.
    let source = source.replace('\r', "");
    on_deep_stack(move || {
        let parsed = mrml::parse(&source).map_err(|error| TemplateError::Mjml(error.to_string()))?;
        parsed
            .element
            .render(&mrml::prelude::render::RenderOptions::default())
            .map_err(|error| TemplateError::Mjml(error.to_string()))
    })?
}

/// The HTML as text a person reads; empty when it nests too deep to be read.
fn html_to_text(html: &str) -> String {
    if nesting(html) > NESTING_MAX {
        return String::new();
    }
    let html = html.to_owned();
    let read = on_deep_stack(move || {
        html2text::config::plain()
            .raw_mode(true)
            .string_from_read(html.as_bytes(), TEXT_COLUMNS)
            .unwrap_or_default()
    });
    read.unwrap_or_default().lines().map(str::trim_end).collect::<Vec<_>>().join("\n").trim().to_owned()
}

/// The deepest nesting of tags, counted without a parser.
fn nesting(source: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for tag in source.split('<').skip(1) {
        if tag.starts_with('/') {
            depth = depth.saturating_sub(1);
        } else if tag.starts_with(|first: char| first.is_ascii_alphabetic()) && !is_void(tag) {
            depth += 1;
            deepest = deepest.max(depth);
        }
    }
    deepest
}

fn is_void(tag: &str) -> bool {
    const VOID: [&str; 9] = ["img", "br", "hr", "meta", "link", "input", "col", "source", "wbr"];
    let name = tag.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').next().unwrap_or_default();
    let closed = tag.split('>').next().is_some_and(|inside| inside.ends_with('/'));
    closed || VOID.iter().any(|void| name.eq_ignore_ascii_case(void))
}

/// Runs `work` on a thread with a deep stack, so that no input overflows ours.
fn on_deep_stack<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, TemplateError> {
    std::thread::Builder::new()
        .stack_size(MJML_STACK_BYTES)
        .spawn(work)
        .map_err(|error| TemplateError::Mjml(error.to_string()))?
        .join()
        .map_err(|_| TemplateError::Mjml("the converter failed on this input".into()))
}
