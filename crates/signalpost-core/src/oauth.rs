//! A token request of OAuth 2.0 (RFC 6749, 4.4: client credentials) as it is
//! read. In: the form in the body and the `Authorization` header. Out: who asks
//! with which secret for what, or the error that 5.2 has for it.

use std::collections::HashSet;
use std::fmt;

use base64::Engine;
use thiserror::Error;

#[cfg(test)]
mod tests;

/// Parameters of a form; more are a mistake or an attack.
const PARAMETERS_MAX: usize = 32;
/// The longest client id or secret, in bytes.
const CREDENTIAL_BYTES_MAX: usize = 256;

/// Who asks for a token, and what it is to allow.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenRequest {
    /// The client's public name.
    pub client_id: String,
    /// What proves it. Shown nowhere.
    pub client_secret: String,
    /// The scopes asked for, each once; empty for all that the client has.
    pub scopes: Vec<String>,
}

impl fmt::Debug for TokenRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenRequest").field("scopes", &self.scopes).finish_non_exhaustive()
    }
}

/// Why a request gets no token. The texts hold nothing of what came, so they
/// keep to the characters that 5.2 allows in `error_description`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Error {
    /// The request is malformed.
    #[error("{0}")]
    InvalidRequest(&'static str),
    /// The client did not prove who it is.
    #[error("{0}")]
    InvalidClient(&'static str),
    /// Another grant than client credentials.
    #[error("the only grant_type is client_credentials")]
    UnsupportedGrantType,
    /// A scope that is malformed, unknown, or more than the client has.
    #[error("{0}")]
    InvalidScope(&'static str),
}

impl Error {
    /// The error's name in 5.2.
    pub fn code(self) -> &'static str {
        match self {
            Self::InvalidRequest(_) => "invalid_request",
            Self::InvalidClient(_) => "invalid_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope(_) => "invalid_scope",
        }
    }
}

/// What the form says. A parameter without a value counts as absent (3.2).
#[derive(Default)]
struct Form {
    grant_type: Option<String>,
    scope: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
}

/// Reads a request: its body, and the value of its `Authorization` header.
///
/// # Errors
/// What is wrong with it, see [`Error`].
pub fn read(body: &[u8], authorization: Option<&[u8]>) -> Result<TokenRequest, Error> {
    let form = form(body)?;
    let grant_type = form.grant_type.as_deref().ok_or(Error::InvalidRequest("grant_type is missing"))?;
    if grant_type != "client_credentials" {
        return Err(Error::UnsupportedGrantType);
    }
    let (client_id, client_secret) = credentials(authorization, &form)?;
    if client_id.len().max(client_secret.len()) > CREDENTIAL_BYTES_MAX {
        return Err(Error::InvalidClient("the client is not known, or its secret is wrong"));
    }
    let scopes = form.scope.as_deref().map_or(Ok(Vec::new()), scopes)?;
    Ok(TokenRequest { client_id, client_secret, scopes })
}

/// The client's id and secret: from the header or from the body, never from both (2.3).
fn credentials(authorization: Option<&[u8]>, form: &Form) -> Result<(String, String), Error> {
    let Some(value) = authorization else {
        return match (&form.client_id, &form.client_secret) {
            (Some(id), Some(secret)) => Ok((id.clone(), secret.clone())),
            _ => Err(Error::InvalidClient("send the client's id and secret by HTTP Basic or in the body")),
        };
    };
    if form.client_secret.is_some() {
        return Err(Error::InvalidRequest("the client's secret came by HTTP Basic and in the body"));
    }
    let (id, secret) =
        basic(value).ok_or(Error::InvalidClient("the Authorization header is not HTTP Basic"))?;
    if form.client_id.as_ref().is_some_and(|named| *named != id) {
        return Err(Error::InvalidRequest("client_id is not the client of the Authorization header"));
    }
    Ok((id, secret))
}

/// HTTP Basic, whose two parts are form-encoded here (2.3.1).
fn basic(value: &[u8]) -> Option<(String, String)> {
    let (scheme, rest) = std::str::from_utf8(value).ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let bytes = base64::engine::general_purpose::STANDARD.decode(rest.trim()).ok()?;
    let colon = bytes.iter().position(|byte| *byte == b':')?;
    let (id, secret) = bytes.split_at(colon);
    Some((decode(id)?, decode(secret.get(1..)?)?))
}

fn form(body: &[u8]) -> Result<Form, Error> {
    let mut form = Form::default();
    let mut seen = HashSet::new();
    for pair in body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
        let mut halves = pair.splitn(2, |byte| *byte == b'=');
        let mut half = || decode(halves.next().unwrap_or_default());
        let unreadable = Error::InvalidRequest("the body is not a form in UTF-8");
        let (name, value) = (half().ok_or(unreadable)?, half().ok_or(unreadable)?);
        if !seen.insert(name.clone()) {
            return Err(Error::InvalidRequest("a parameter came twice"));
        }
        if seen.len() > PARAMETERS_MAX {
            return Err(Error::InvalidRequest("too many parameters"));
        }
        let value = Some(value).filter(|value| !value.is_empty());
        match name.as_str() {
            "grant_type" => form.grant_type = value,
            "scope" => form.scope = value,
            "client_id" => form.client_id = value,
            "client_secret" => form.client_secret = value,
            // 3.2: what is not known is ignored.
            _ => {}
        }
    }
    Ok(form)
}

/// Decodes `application/x-www-form-urlencoded`; `None` where an escape is
/// broken or the text is not UTF-8.
fn decode(text: &[u8]) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => hex(*rest.next()?)? << 4 | hex(*rest.next()?)?,
            other => *other,
        });
    }
    String::from_utf8(bytes).ok()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// `scope-token *( SP scope-token )` (3.3).
fn scopes(text: &str) -> Result<Vec<String>, Error> {
    let mut scopes: Vec<String> = Vec::new();
    for scope in text.split(' ') {
        let is_token =
            !scope.is_empty() && scope.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e));
        if !is_token {
            return Err(Error::InvalidScope("scope is not a list of scopes with one space between"));
        }
        if !scopes.iter().any(|held| held == scope) {
            scopes.push(scope.to_owned());
        }
    }
    Ok(scopes)
}
