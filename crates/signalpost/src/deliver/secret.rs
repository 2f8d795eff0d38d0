//! Passwords, keys and tokens: they come in with a destination's settings, are
//! used, and never come out in a log, an error or an answer.

use std::fmt;

use serde::Deserialize;

#[cfg(test)]
mod tests;

/// What stands in the place of a secret wherever people can read it.
pub const MASK: &str = "•••";

/// A text that never prints. It has no `Serialize`: showing one is a decision,
/// made by [`Secret::reveal`].
#[derive(Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The secret itself, for the one place that uses it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether this is [`MASK`], sent back by a form that showed the settings
    /// and meaning "as before".
    pub fn is_mask(&self) -> bool {
        self.0 == MASK
    }

    /// Takes the place of a mask: what the secret was before, if it was one.
    pub fn or_before(self, before: Option<&Self>) -> Self {
        match before {
            Some(before) if self.is_mask() => before.clone(),
            _ => self,
        }
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

/// `text` as it may be shown: secrets replaced (those under four characters
/// are left, they would black out the language itself), control characters
/// turned into spaces, cut to `bytes_max` at a character.
pub fn shown<'a>(text: &str, secrets: impl IntoIterator<Item = &'a str>, bytes_max: usize) -> String {
    let mut text = text.to_owned();
    for secret in secrets {
        if secret.len() >= 4 {
            text = text.replace(secret, MASK);
        }
    }
    let cut: String = text
        .char_indices()
        .take_while(|(at, letter)| at + letter.len_utf8() <= bytes_max)
        .map(|(_, letter)| if letter.is_control() { ' ' } else { letter })
        .collect();
    cut.trim().to_owned()
}
