//! E-mail addresses into one form.
//!
//! The local part is kept as given (it belongs to the mailbox's owner, RFC 5321
//! section 2.4); the domain becomes lower-case A-labels by UTS 46,
//! non-transitional. Refused is what no mail can be sent to or what is
//! plainly a typing error.

use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};

use super::product_id::percent_decode;
use super::text::tidy;

/// Brings an address to its normal form; `None` when it is not one. Takes
/// `Jane Doe <jane@example.com>`, `mailto:` and percent-encoded addresses too.
pub fn normalise(given: &str) -> Option<String> {
    /// RFC 5321 section 4.5.3.1: a path of 256 with its angle brackets.
    const BYTES_MAX: usize = 254;
    const LOCAL_BYTES_MAX: usize = 64;
    if given.len() > 1_000 {
        return None;
    }
    let tidied = tidy(given);
    let decoded = if tidied.contains('@') { tidied } else { percent_decode(&tidied).into_owned().into() };
    let mut text = decoded.as_ref();
    if let Some(inner) = text.strip_suffix('>') {
        text = inner.rsplit_once('<')?.1.trim();
    }
    if let Some((scheme, rest)) = text.split_once(':')
        && scheme.eq_ignore_ascii_case("mailto")
    {
        text = rest.split('?').next()?.trim();
    }
    for quote in ['"', '\''] {
        if let Some(inner) = text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            text = inner.trim();
        }
    }
    let (local, domain) = text.rsplit_once('@')?;
    if local.len() > LOCAL_BYTES_MAX || !(is_dot_atom(local) || is_quoted(local)) {
        return None;
    }
    let domain = normalise_domain(domain)?;
    let address = format!("{local}@{domain}");
    (address.len() <= BYTES_MAX).then_some(address)
}

/// The address without what stands behind a plus sign in its local part, which
/// most mail services deliver to the same box.
pub fn without_plus(address: &str) -> String {
    let Some((local, domain)) = address.rsplit_once('@') else { return address.to_owned() };
    match local.split_once('+') {
        Some((base, _)) if !base.is_empty() && !local.starts_with('"') => format!("{base}@{domain}"),
        _ => address.to_owned(),
    }
}

/// Whether an address is one that people write to be left in peace, or that
/// systems put where they have none.
pub fn is_placeholder(address: &str) -> bool {
    const LOCALS: [&str; 12] = [
        "noemail",
        "no-email",
        "nomail",
        "none",
        "null",
        "noreply",
        "no-reply",
        "donotreply",
        "test",
        "unknown",
        "notprovided",
        "guest",
    ];
    const DOMAINS: [&str; 6] =
        ["noemail.com", "nomail.com", "none.com", "test.com", "email.invalid", "marketplace.invalid"];
    let Some((local, domain)) = address.rsplit_once('@') else { return false };
    LOCALS.iter().any(|word| word.eq_ignore_ascii_case(local))
        || DOMAINS.contains(&domain)
        || domain.ends_with(".invalid")
}

/// RFC 5322 section 3.2.3 with the UTF-8 of RFC 6532.
fn is_dot_atom(local: &str) -> bool {
    local.split('.').all(|atom| {
        !atom.is_empty()
            && atom.chars().all(|c| {
                c.is_ascii_alphanumeric()
                    || "!#$%&'*+-/=?^_`{|}~".contains(c)
                    || (!c.is_ascii() && !c.is_control() && !c.is_whitespace())
            })
    })
}

/// RFC 5322 section 3.2.4, without line breaks.
fn is_quoted(local: &str) -> bool {
    let Some(inner) = local.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else { return false };
    let mut characters = inner.chars();
    while let Some(c) = characters.next() {
        let fine = match c {
            '\\' => characters.next().is_some_and(|escaped| !escaped.is_control()),
            '"' => false,
            other => !other.is_control(),
        };
        if !fine {
            return false;
        }
    }
    !inner.is_empty()
}

fn normalise_domain(domain: &str) -> Option<String> {
    let ascii = Uts46::new()
        .to_ascii(
            domain.strip_suffix('.').unwrap_or(domain).as_bytes(),
            AsciiDenyList::STD3,
            Hyphens::CheckFirstLast,
            DnsLength::Verify,
        )
        .ok()?;
    // No top level is numeric (RFC 3696 section 2), which also refuses IPv4.
    let (_, top) = ascii.rsplit_once('.')?;
    let named = top.len() >= 2 && !top.bytes().all(|byte| byte.is_ascii_digit());
    named.then(|| ascii.into_owned())
}
