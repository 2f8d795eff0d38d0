//! The standard filters of Liquid 5.13: the table of names, arities and one-line descriptions.
//!
//! In: a filter's index and the values on the stack. Out: a value, or the reference's complaint.

mod arrays;
mod math;
mod strings;
mod texts;

use std::borrow::Cow;
use std::sync::Arc;

use crate::error::Fault;
use crate::machine::Machine;
use crate::value::{Value, format};

/// A filter: the machine, the input, the arguments (keyword arguments as one object at the end).
pub(crate) type Function = for<'a> fn(&mut Machine<'a>, Value<'a>, &[Value<'a>]) -> Result<Value<'a>, Fault>;

/// A standard filter.
#[derive(Clone, Copy)]
pub(crate) struct Filter {
    pub(crate) name: &'static str,
    /// Arguments beside the input: at least, at most.
    least: usize,
    most: usize,
    pub(crate) function: Function,
    pub(crate) description: &'static str,
}

macro_rules! filters {
    ($(($name:literal, $least:literal, $most:literal, $function:path, $description:literal),)*) => {
        /// Every standard filter, by name.
        pub(crate) static FILTERS: &[Filter] = &[
            $(Filter {
                name: $name, least: $least, most: $most, function: $function, description: $description,
            },)*
        ];
    };
}

filters! {
    ("abs", 0, 0, math::abs, "The number without its sign."),
    ("append", 1, 1, strings::append, "Adds text at the end."),
    ("at_least", 1, 1, math::at_least, "The number, or a lower bound where it is less."),
    ("at_most", 1, 1, math::at_most, "The number, or an upper bound where it is more."),
    ("base64_decode", 0, 0, texts::base64_decode, "Reads Base64."),
    ("base64_encode", 0, 0, texts::base64_encode, "Writes Base64."),
    ("base64_url_safe_decode", 0, 0, texts::base64_url_safe_decode, "Reads URL-safe Base64."),
    ("base64_url_safe_encode", 0, 0, texts::base64_url_safe_encode, "Writes URL-safe Base64."),
    ("capitalize", 0, 0, strings::capitalize, "First letter large, the others small."),
    ("ceil", 0, 0, math::ceil, "Rounds up to a whole number."),
    ("compact", 0, 1, arrays::compact, "Leaves out nil items, or items without a property."),
    ("concat", 1, 1, arrays::concat, "Joins two arrays to one."),
    ("date", 1, 1, crate::date::filter, "Formats a date: date: '%d.%m.%Y'."),
    ("default", 0, 2, arrays::default, "Another value where the input is nil, false or empty."),
    ("divided_by", 1, 1, math::divided_by, "Divides; whole numbers give a whole number, rounded down."),
    ("downcase", 0, 0, strings::downcase, "Small letters."),
    ("escape", 0, 0, texts::escape, "Escapes HTML."),
    ("escape_once", 0, 0, texts::escape_once, "Escapes HTML, but not what is escaped already."),
    ("find", 1, 2, arrays::find, "The first item whose property is a value."),
    ("find_index", 1, 2, arrays::find_index, "The place of the first item whose property is a value."),
    ("first", 0, 0, arrays::first, "The first item or letter."),
    ("floor", 0, 0, math::floor, "Rounds down to a whole number."),
    ("h", 0, 0, texts::escape, "Escapes HTML; the same as escape."),
    ("has", 1, 2, arrays::has, "Whether an item's property is a value."),
    ("join", 0, 1, arrays::join, "Prints the items with text between them."),
    ("last", 0, 0, arrays::last, "The last item or letter."),
    ("lstrip", 0, 0, strings::lstrip, "Takes white space away at the start."),
    ("map", 1, 1, arrays::map, "One property of each item."),
    ("minus", 1, 1, math::minus, "Subtracts."),
    ("modulo", 1, 1, math::modulo, "The remainder of a division."),
    ("money", 1, 1, math::money, "An amount in a currency, as the locale writes it: money: 'EUR'."),
    ("newline_to_br", 0, 0, texts::newline_to_br, "Puts <br /> before line ends."),
    ("plus", 1, 1, math::plus, "Adds."),
    ("prepend", 1, 1, strings::prepend, "Adds text at the start."),
    ("raw", 0, 0, texts::raw, "Prints as it is where output is escaped automatically."),
    ("reject", 1, 2, arrays::reject, "The items whose property is not a value."),
    ("remove", 1, 1, strings::remove, "Takes all occurrences of a text away."),
    ("remove_first", 1, 1, strings::remove_first, "Takes the first occurrence of a text away."),
    ("remove_last", 1, 1, strings::remove_last, "Takes the last occurrence of a text away."),
    ("replace", 1, 2, strings::replace, "Replaces all occurrences of a text."),
    ("replace_first", 1, 2, strings::replace_first, "Replaces the first occurrence of a text."),
    ("replace_last", 2, 2, strings::replace_last, "Replaces the last occurrence of a text."),
    ("reverse", 0, 0, arrays::reverse, "The items in the opposite order."),
    ("round", 0, 1, math::round, "Rounds to a number of decimal places."),
    ("rstrip", 0, 0, strings::rstrip, "Takes white space away at the end."),
    ("size", 0, 0, arrays::size, "How many letters or items."),
    ("slice", 1, 2, strings::slice, "A part of text or of an array: slice: 0, 3."),
    ("sort", 0, 1, arrays::sort, "Sorts, by a property where one is given."),
    ("sort_natural", 0, 1, arrays::sort_natural, "Sorts without regard to large and small letters."),
    ("split", 1, 1, strings::split, "Cuts text into an array."),
    ("strip", 0, 0, strings::strip, "Takes white space away on both sides."),
    ("strip_html", 0, 0, texts::strip_html, "Takes HTML tags away."),
    ("strip_newlines", 0, 0, texts::strip_newlines, "Takes line ends away."),
    ("sum", 0, 1, arrays::sum, "Adds the items, or a property of each."),
    ("times", 1, 1, math::times, "Multiplies."),
    ("truncate", 0, 2, strings::truncate, "Shortens text to a number of letters."),
    ("truncatewords", 0, 2, strings::truncatewords, "Shortens text to a number of words."),
    ("uniq", 0, 1, arrays::uniq, "Leaves out items that came before."),
    ("upcase", 0, 0, strings::upcase, "Large letters."),
    ("url_decode", 0, 0, texts::url_decode, "Reads percent-encoding."),
    ("url_encode", 0, 0, texts::url_encode, "Writes percent-encoding."),
    ("where", 1, 2, arrays::filter_where, "The items whose property is a value."),
}

/// The index of a standard filter.
pub(crate) fn find(name: &str) -> Option<usize> {
    FILTERS.binary_search_by_key(&name, |f| f.name).ok()
}

pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    FILTERS.iter().map(|f| f.name)
}

/// Calls a standard filter after checking how many arguments it gets.
pub(crate) fn call<'a>(
    machine: &mut Machine<'a>,
    filter: usize,
    input: Value<'a>,
    arguments: &[Value<'a>],
) -> Result<Value<'a>, Fault> {
    let Some(filter) = FILTERS.get(filter) else {
        return Ok(input);
    };
    let given = arguments.len();
    if given < filter.least || given > filter.most {
        let (least, most) = (filter.least + 1, filter.most + 1);
        let expected = if least == most { least.to_string() } else { format!("{least}..{most}") };
        let message = format!("wrong number of arguments (given {}, expected {expected})", given + 1);
        return Err(Fault::argument(message));
    }
    (filter.function)(machine, input, arguments)
}

/// The text of a value as Ruby's `to_s`, borrowed where it is text.
pub(crate) fn text<'v>(value: &'v Value<'_>) -> Cow<'v, str> {
    match value.as_str() {
        Some(s) => Cow::Borrowed(s),
        None => {
            let mut out = String::new();
            format::display(value, &mut out, 1 << 24);
            Cow::Owned(out)
        }
    }
}

pub(crate) fn owned<'a>(text: impl Into<String>) -> Value<'a> {
    Value::Text(Arc::from(text.into()))
}

/// A part of a text value, borrowed from the caller's data where the whole is.
pub(crate) fn part<'a>(whole: &Value<'a>, cut: impl for<'t> Fn(&'t str) -> &'t str) -> Value<'a> {
    match whole {
        Value::Str(s) => Value::Str(cut(s)),
        other => {
            let text = text(other);
            let part = cut(&text);
            if let (Value::Text(_), true) = (other, part.len() == text.len()) {
                return other.clone();
            }
            owned(part)
        }
    }
}
