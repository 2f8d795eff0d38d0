//! White-space control: `~`, and the lines that hold nothing but a block tag, a comment or a partial.
//!
//! In: the tree as parsed. Out: the same tree with texts shortened and partials indented, as the reference's
//! `WhitespaceControl` does in the same order.

use super::ast::{Block, Content, Id, Node, Strip, Tree};

/// What a statement asks of the texts beside it.
#[derive(Clone, Copy, Default)]
struct Asked {
    open: bool,
    close: bool,
    open_standalone: bool,
    close_standalone: bool,
    inline_standalone: bool,
}

/// Applies the rules to the whole tree.
pub(crate) fn control(tree: &mut Tree, ignore_standalone: bool) {
    let root = tree.programs.len().saturating_sub(1);
    for program in 0..tree.programs.len() {
        let body = tree.programs.get(program).map_or(Vec::new(), |p| p.body.clone());
        for at in 0..body.len() {
            statement(tree, &body, at, program == root, ignore_standalone);
        }
    }
}

fn statement(tree: &mut Tree, body: &[Id], at: usize, is_root: bool, ignore_standalone: bool) {
    let Some(id) = body.get(at).copied() else {
        return;
    };
    let block = match tree.nodes.get(id) {
        Some(Node::Block(b) | Node::PartialBlock(b) | Node::Inline(b)) => Some(b.clone()),
        _ => None,
    };
    let asked = match (&block, tree.nodes.get(id)) {
        (Some(block), _) => inside(tree, block, ignore_standalone),
        (None, Some(Node::Mustache { strip, .. })) => {
            Asked { open: strip.open, close: strip.close, ..Asked::default() }
        }
        (None, Some(Node::Comment(strip) | Node::Partial { strip, .. })) => {
            Asked { open: strip.open, close: strip.close, inline_standalone: true, ..Asked::default() }
        }
        _ => return,
    };
    let before = is_previous_blank(tree, body, at, is_root);
    let after = is_next_blank(tree, body, at + 1, is_root);
    if asked.close {
        omit_right(tree, body.get(at + 1), true);
    }
    let previous = at.checked_sub(1).and_then(|i| body.get(i));
    if asked.open {
        omit_left(tree, previous, true);
    }
    if ignore_standalone {
        return;
    }
    if asked.inline_standalone && before && after {
        omit_right(tree, body.get(at + 1), false);
        if omit_left(tree, previous, false) {
            indent(tree, id, previous);
        }
    }
    let Some(block) = block else {
        return;
    };
    if asked.open_standalone && before {
        omit_right(tree, first(tree, block.program.or(block.inverse)).as_ref(), false);
        omit_left(tree, previous, false);
    }
    if asked.close_standalone && after {
        omit_right(tree, body.get(at + 1), false);
        omit_left(tree, last(tree, block.inverse.or(block.program)).as_ref(), false);
    }
}

/// A partial alone on its line is printed with the line's white space before each of its lines.
fn indent(tree: &mut Tree, id: Id, previous: Option<&Id>) {
    let original = match previous.and_then(|p| tree.nodes.get(*p)) {
        Some(Node::Content(content)) => content.original.clone(),
        _ => return,
    };
    if let Some(Node::Partial { indent, .. }) = tree.nodes.get_mut(id) {
        let kept = original.trim_end_matches([' ', '\t']).len();
        *indent = original.get(kept..).unwrap_or("").to_owned();
    }
}

fn body_of(tree: &Tree, program: Option<Id>) -> Vec<Id> {
    program.and_then(|p| tree.programs.get(p)).map_or(Vec::new(), |p| p.body.clone())
}

fn first(tree: &Tree, program: Option<Id>) -> Option<Id> {
    body_of(tree, program).first().copied()
}

fn last(tree: &Tree, program: Option<Id>) -> Option<Id> {
    body_of(tree, program).last().copied()
}

/// The program of the block that a chained program holds.
fn chained_block(tree: &Tree, program: Id, at_end: bool) -> Option<Block> {
    let body = body_of(tree, Some(program));
    let id = if at_end { body.last() } else { body.first() }?;
    match tree.nodes.get(*id) {
        Some(Node::Block(block)) => Some(block.clone()),
        _ => None,
    }
}

fn is_chained(tree: &Tree, program: Option<Id>) -> bool {
    program.and_then(|p| tree.programs.get(p)).is_some_and(|p| p.chained)
}

/// Applies a block's own rules between its tags and its programs.
fn inside(tree: &mut Tree, block: &Block, ignore_standalone: bool) -> Asked {
    let program = block.program.or(block.inverse);
    let inverse = block.program.and(block.inverse);
    let (mut first_inverse, mut last_inverse) = (inverse, inverse);
    if is_chained(tree, inverse) {
        first_inverse = inverse.and_then(|p| chained_block(tree, p, false)).and_then(|b| b.program);
        while is_chained(tree, last_inverse) {
            let next = last_inverse.and_then(|p| chained_block(tree, p, true));
            // The reference goes on with the block's program, which is its inverse where that is chained.
            last_inverse = next.and_then(|b| b.program);
        }
    }
    let program_body = body_of(tree, program);
    let first_body = body_of(tree, first_inverse.or(program));
    let asked = Asked {
        open: block.open_strip.open,
        close: block.close_strip.close,
        open_standalone: is_next_blank(tree, &program_body, 0, false),
        close_standalone: is_previous_blank(tree, &first_body, first_body.len(), false),
        inline_standalone: false,
    };
    if block.open_strip.close {
        omit_right(tree, program_body.first(), true);
    }
    if inverse.is_none() {
        if block.close_strip.open {
            omit_left(tree, program_body.last(), true);
        }
        return asked;
    }
    between(tree, &program_body, &first_body, block.inverse_strip, ignore_standalone, || {
        (block.close_strip.open, last_inverse)
    });
    asked
}

/// The rules around the `else` of a block.
fn between(
    tree: &mut Tree,
    program: &[Id],
    inverse: &[Id],
    strip: Strip,
    ignore_standalone: bool,
    close: impl Fn() -> (bool, Option<Id>),
) {
    if strip.open {
        omit_left(tree, program.last(), true);
    }
    if strip.close {
        omit_right(tree, inverse.first(), true);
    }
    let (close_open, last_inverse) = close();
    if close_open {
        omit_left(tree, last(tree, last_inverse).as_ref(), true);
    }
    if !ignore_standalone
        && is_previous_blank(tree, program, program.len(), false)
        && is_next_blank(tree, inverse, 0, false)
    {
        omit_left(tree, program.last(), false);
        omit_right(tree, inverse.first(), false);
    }
}

fn content(tree: &Tree, id: Id) -> Option<&Content> {
    match tree.nodes.get(id) {
        Some(Node::Content(content)) => Some(content),
        _ => None,
    }
}

/// True where only white space stands between the statement at `at` and the start of its line.
fn is_previous_blank(tree: &Tree, body: &[Id], at: usize, is_root: bool) -> bool {
    let Some(previous) = at.checked_sub(1).and_then(|i| body.get(i)) else {
        return is_root;
    };
    let Some(text) = content(tree, *previous).map(|c| c.original.as_str()) else {
        return false;
    };
    let starts = at < 2 && is_root;
    if starts && text.chars().all(char::is_whitespace) {
        return true;
    }
    // `(?:^|\S)[^\S\n]*\n\s*$`: the white space at the end holds a line end.
    let tail = text.trim_end();
    text.get(tail.len()..).is_some_and(|blank| blank.contains('\n'))
}

/// True where only white space stands between the statement before `at` and the end of its line.
fn is_next_blank(tree: &Tree, body: &[Id], at: usize, is_root: bool) -> bool {
    let Some(next) = body.get(at) else {
        return is_root;
    };
    let Some(text) = content(tree, *next).map(|c| c.original.as_str()) else {
        return false;
    };
    let ends = body.get(at + 1).is_none() && is_root;
    let blank = text.get(..text.len() - text.trim_start().len()).unwrap_or("");
    blank.contains('\n') || (ends && blank.len() == text.len())
}

/// Takes white space away at the start of a text: all of it, or the rest of its line.
fn omit_right(tree: &mut Tree, id: Option<&Id>, multiple: bool) {
    let Some(Node::Content(content)) = id.and_then(|i| tree.nodes.get_mut(*i)) else {
        return;
    };
    if !multiple && content.right_stripped {
        return;
    }
    let value = content.value();
    let rest = if multiple {
        value.trim_start()
    } else {
        let rest = value.trim_start_matches([' ', '\t']);
        let rest = rest.strip_prefix('\r').filter(|r| r.starts_with('\n')).unwrap_or(rest);
        let rest = rest.strip_prefix('\r').unwrap_or(rest);
        rest.strip_prefix('\n').unwrap_or(rest)
    };
    let taken = value.len() - rest.len();
    content.start += taken;
    content.right_stripped = taken > 0;
}

/// Takes white space away at the end of a text: all of it, or what stands on its last line.
fn omit_left(tree: &mut Tree, id: Option<&Id>, multiple: bool) -> bool {
    let Some(Node::Content(content)) = id.and_then(|i| tree.nodes.get_mut(*i)) else {
        return false;
    };
    if !multiple && content.left_stripped {
        return false;
    }
    let value = content.value();
    let kept = if multiple { value.trim_end() } else { value.trim_end_matches([' ', '\t']) };
    let taken = value.len() - kept.len();
    content.end -= taken;
    content.left_stripped = taken > 0;
    content.left_stripped
}
