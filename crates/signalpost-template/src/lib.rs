//! The Liquid and Handlebars languages on one virtual machine, for mail that is made for each person.
//!
//! Templates compile to a flat bytecode once and render for each person with budgets on steps, output, variables
//! and nesting. Both languages behave exactly as their references do: Shopify's Liquid 5.13 and handlebars.js 4.7.
//!
//! # Liquid
//! ```
//! use signalpost_template::{CompileOptions, Language, RenderOptions, Template};
//!
//! let source = "{% if user.last_viewed_product == 'Product A' %}\
//!     <div class=\"offer\">Special 20% off on Product A!</div>{% else %}\
//!     <div class=\"default\">Check out our latest products!</div>{% endif %}";
//! let template = Template::compile(Language::Liquid, "offer", source, &CompileOptions::default())?;
//! let data = serde_json::json!({"user": {"last_viewed_product": "Product A"}});
//! let options = RenderOptions::at(jiff::Timestamp::UNIX_EPOCH);
//! assert!(template.render(&data, &options)?.text.contains("Special 20% off"));
//! # Ok::<(), signalpost_template::Error>(())
//! ```
//!
//! # Handlebars
//! ```
//! use signalpost_template::{CompileOptions, Language, RenderOptions, Template};
//!
//! let source = "<div class=\"recommendations\">{{#each products}}<div class=\"product\"> \
//!     <img src=\"{{this.image_url}}\" /> <p>{{this.name}}</p> </div>{{/each}}</div>";
//! let template = Template::compile(Language::Handlebars, "products", source, &CompileOptions::default())?;
//! let data = serde_json::json!({"products": [{"image_url": "a.png", "name": "Tea & Co"}]});
//! let options = RenderOptions::at(jiff::Timestamp::UNIX_EPOCH);
//! assert!(template.render(&data, &options)?.text.contains("<p>Tea &amp; Co</p>"));
//! # Ok::<(), signalpost_template::Error>(())
//! ```
//!
//! # What differs from the references on purpose
//! - Unknown filters, and unknown helpers called with parameters, are refused when compiling
//!   ([`CompileOptions::refuse_unknown`]); a render ends with its first error ([`OnError::Raise`]) instead of
//!   writing `Liquid error` into a mail. Both can be set as the references have them.
//! - Every limit is a budget with a default. Liquid's resource limits are off in the reference; numbers here may
//!   have 65,536 bits, brackets nest 64 deep, Handlebars blocks and expressions nest 100 deep.
//! - Liquid has two more filters: `raw` where output is escaped automatically, and `money` where unknown filters
//!   are refused. A filter that the host registers replaces a standard one of its name.
//! - `sort` is stable. Ruby's is not, where keys are equal.
//! - `base64_decode` gives text: bytes that are not UTF-8 become U+FFFD.
//! - Dates beyond the years -9999 to 9999 are printed as they came. Text is read as a date by the patterns that
//!   mails hold; Ruby knows more, e.g. Japanese eras, weeks of the year, and `--05-09` without a year; and after a
//!   time it takes any word for a zone, the name of a month too, where the month is read here.
//! - After `break` in a `when`, the reference may still print text of a later matching `when`; here nothing follows.
//! - Handlebars: text is cut and looked up by characters, not by UTF-16 halves; inline partials see the block
//!   parameters around them; an inline partial given to a partial of its name is used in it. Two numbers that are
//!   printed unescaped side by side print both, where JavaScript may add them; functions in data and decorators other
//!   than `inline` do not exist, and `{{@partial-block}}`, which is a function there, prints `true` where it is not
//!   called. With `strict` and `compat` together, names that only the contexts around have are found.
//! - Handlebars: a block opens a new level of contexts unless its context equals the one around by JavaScript's `==`,
//!   which makes text of a list or object to compare it with text. Text of more than 1,024 bytes counts as unlike any
//!   list or object here, and 1,000 bytes of a list or object are read as a number at most, so that comparing costs
//!   little.
//!
//! # Reading further
//! [`Template::names`] lists what a template reads, as paths like `products[].price`; [`spans`] cuts a template for
//! highlighting; [`liquid_tags`], [`liquid_filters`] and [`handlebars_helpers`] feed completion.

mod budget;
mod catalog;
mod code;
mod date;
mod emit;
mod error;
mod handlebars;
mod liquid;
mod machine;
mod names;
mod render;
mod spans;
mod template;
mod value;

pub use budget::{Budgets, Limits};
pub use catalog::{Known, handlebars_helpers, liquid_filters, liquid_tags};
pub use error::{Error, ErrorDetails, ErrorKind, Limit, Position};
pub use liquid::compiler::Mode;
pub use machine::helper::{BlockArguments, Helper, HelperCall, escape_html, js_text};
pub use render::{CustomFilter, Locale, OnError, PartialSources, Partials, RenderOptions, Rendered};
pub use spans::{Span, SpanKind, spans};
pub use template::{CompileOptions, HandlebarsOptions, Language, Template};
pub use value::compare::js_strict_equal;
pub use value::{LoopState, Properties, Value};
