//! Escaping for HTML, as each language does it.
//!
//! In: text. Out: the text appended with the special characters replaced; runs without any are copied at once.

/// Appends `text`, with what `replacement` gives for a byte put in its place. The bytes that any language escapes
/// are found by a table, so that plain text is passed over quickly.
fn escape_with(text: &str, out: &mut String, replacement: impl Fn(u8) -> Option<&'static str>) {
    #[expect(
        clippy::indexing_slicing,
        reason = "evaluated when compiling, where a mistake would not compile"
    )]
    const SPECIAL: [bool; 256] = {
        let mut table = [false; 256];
        let bytes = b"&<>\"'`=";
        let mut at = 0;
        while at < bytes.len() {
            table[bytes[at] as usize] = true;
            at += 1;
        }
        table
    };
    let bytes = text.as_bytes();
    let (mut from, mut at) = (0, 0);
    while let Some(i) =
        bytes.get(at..).and_then(|r| r.iter().position(|b| SPECIAL.get(usize::from(*b)) == Some(&true)))
    {
        at += i;
        if let Some(with) = bytes.get(at).and_then(|b| replacement(*b)) {
            out.push_str(text.get(from..at).unwrap_or(""));
            out.push_str(with);
            from = at + 1;
        }
        at += 1;
    }
    out.push_str(text.get(from..).unwrap_or(""));
}

fn liquid_entity(byte: u8) -> Option<&'static str> {
    match byte {
        b'&' => Some("&amp;"),
        b'<' => Some("&lt;"),
        b'>' => Some("&gt;"),
        b'"' => Some("&quot;"),
        b'\'' => Some("&#39;"),
        _ => None,
    }
}

/// True where [`liquid_escape`] would change nothing.
pub(crate) fn is_plain(text: &str) -> bool {
    !text.bytes().any(|b| matches!(b, b'&' | b'<' | b'>' | b'"' | b'\''))
}

/// Ruby's `CGI.escapeHTML`.
pub(crate) fn liquid_escape(text: &str, out: &mut String) {
    escape_with(text, out, liquid_entity);
}

/// The same, leaving entities that are there already.
pub(crate) fn liquid_escape_once(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some(at) = rest.find(['&', '<', '>', '"', '\'']) {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let byte = from.bytes().next().unwrap_or(0);
        if byte == b'&' && is_entity(from) {
            out.push('&');
        } else {
            out.push_str(liquid_entity(byte).unwrap_or(""));
        }
        rest = from.get(1..).unwrap_or("");
    }
    out.push_str(rest);
}

/// True for `&name;` and `&#123;`.
fn is_entity(text: &str) -> bool {
    let body = text.get(1..).unwrap_or("");
    let (digits, rest) = match body.strip_prefix('#') {
        Some(rest) => (true, rest),
        None => (false, body),
    };
    let length = rest
        .bytes()
        .take_while(|b| if digits { b.is_ascii_digit() } else { b.is_ascii_alphabetic() })
        .count();
    length > 0 && rest.as_bytes().get(length) == Some(&b';')
}

/// Handlebars' `escapeExpression`.
pub(crate) fn mustache_escape(text: &str, out: &mut String) {
    escape_with(text, out, |byte| match byte {
        b'&' => Some("&amp;"),
        b'<' => Some("&lt;"),
        b'>' => Some("&gt;"),
        b'"' => Some("&quot;"),
        b'\'' => Some("&#x27;"),
        b'`' => Some("&#x60;"),
        b'=' => Some("&#x3D;"),
        _ => None,
    });
}
