//! An origin of a page, as a browser names it: `https://shop.example`.

use serde::{Deserialize, Serialize};

/// An origin in the form browsers send it: lower case, no default port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Origin(String);

impl Origin {
    /// Reads an origin; `None` for anything else, a page's address too.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        let (scheme, authority) = text.split_once("://")?;
        let default_port = match scheme {
            "https" => ":443",
            "http" => ":80",
            _ => return None,
        };
        let authority = authority.strip_suffix(default_port).unwrap_or(authority);
        let is_authority = !authority.is_empty()
            && !authority.starts_with(':')
            && authority.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte));
        is_authority.then(|| Self(format!("{scheme}://{authority}")))
    }

    /// The origin as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether an `Origin` header names this one.
    pub fn is(&self, header: &[u8]) -> bool {
        std::str::from_utf8(header).ok().and_then(Self::parse).is_some_and(|named| named == *self)
    }
}
