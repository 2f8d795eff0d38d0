//! The Liquid front end: source text to bytecode, as Shopify's Liquid 5.13 reads it.

pub(crate) mod blocks;
pub(crate) mod compiler;
pub(crate) mod expression;
pub(crate) mod filters;
pub(crate) mod lax;
pub(crate) mod lexer;
pub(crate) mod loops;
pub(crate) mod output;
pub(crate) mod source;
pub(crate) mod tags;

/// Every tag with what it does, for completion in an editor.
pub(crate) const TAGS: &[(&str, &str)] = &[
    ("#", "A comment within a tag."),
    ("assign", "Gives a value a name: {% assign name = value | filter %}."),
    ("break", "Leaves the loop around it."),
    ("capture", "Keeps what its block prints under a name."),
    ("case", "Prints the `when` blocks whose value equals its own, else the `else` block."),
    ("comment", "Prints nothing."),
    ("continue", "Goes on with the next item of the loop around it."),
    ("cycle", "Prints its values in turn, one each time."),
    ("decrement", "Takes one from a counter and prints it."),
    ("doc", "Documents a template; prints nothing."),
    ("echo", "Prints a value; the tag form of {{ }}."),
    ("else", "What is printed otherwise."),
    ("elsif", "Another condition of an `if` or `unless`."),
    ("for", "Prints its block once for each item: {% for item in items limit: 3 offset: 1 reversed %}."),
    ("if", "Prints its block where the condition holds."),
    ("ifchanged", "Prints its block where it differs from the last time."),
    ("include", "Prints a partial that sees the variables around it."),
    ("increment", "Prints a counter and adds one to it."),
    ("liquid", "Several tags, one a line, without delimiters."),
    ("raw", "Prints its block as it stands."),
    ("render", "Prints a partial that sees only what it is given."),
    ("tablerow", "Prints HTML table cells, one for each item, in rows of `cols`."),
    ("unless", "Prints its block where the condition does not hold."),
    ("when", "A case of `case`."),
];
