//! Sending to a customer's own HTTP endpoint. In: a message. Out: one signed
//! POST and what the receiver said to it.
//!
//! The request follows Standard Webhooks 1.0 (standardwebhooks.com): the
//! delivery's id is `webhook-id` in every attempt, so that a receiver can tell
//! repeats; this is why an attempt that broke half way may be tried again. The
//! body of every attempt is the same, only the timestamp and signature move.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use reqwest::{Client, Response, StatusCode, Url};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use signalpost_core::time::Timestamp;

use super::message::{Message, Outcome};
use super::secret::{MASK, Secret, shown};
use crate::signature::standard as sign;

pub mod address;
pub mod retry_after;

#[cfg(test)]
mod tests;

/// Bytes of an answer that are kept.
pub const ANSWER_BYTES_MAX: usize = 1_024;
/// Seconds an attempt may take, unless set.
pub const TIMEOUT_SECONDS: u32 = 10;
const TIMEOUT_SECONDS_MAX: u32 = 300;
/// Headers that are ours to write, besides all that begin with `webhook-`.
const OWN_HEADERS: [&str; 6] =
    ["host", "content-type", "content-length", "transfer-encoding", "connection", "user-agent"];

/// Where a webhook goes and how it proves who sent it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// `https://…`; `http://…` only with `allow_private_addresses`. Its query
    /// may hold a token and is not shown.
    pub url: Secret,
    /// `whsec_` and base64, as Standard Webhooks has it; several apart by
    /// spaces while a secret is being changed. None: unsigned.
    #[serde(default)]
    pub secret: Option<Secret>,
    /// Further headers, such as `Authorization`. Values are secrets.
    #[serde(default)]
    pub headers: BTreeMap<String, Secret>,
    /// Seconds an attempt may take in all, 1 to 300, by default 10.
    #[serde(default = "timeout_seconds")]
    pub timeout_seconds: u32,
    /// Whether the receiver may stand in a private network. By default not:
    /// who may set a destination could otherwise reach the machine's neighbours.
    #[serde(default)]
    pub allow_private_addresses: bool,
}

const fn timeout_seconds() -> u32 {
    TIMEOUT_SECONDS
}

/// Settings that cannot work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not an address of the web.
    #[error("webhook.url is not a URL ({0}); write it as https://example.com/path")]
    Url(String),
    /// A scheme other than HTTP, or HTTP in the open.
    #[error("webhook.url begins with {0}://; use https:// (http:// only with allow_private_addresses)")]
    Scheme(String),
    /// Name and password in the URL.
    #[error("webhook.url holds a name or password; send them in webhook.headers.Authorization")]
    Credentials,
    /// An address in a private network.
    #[error("webhook.url points to the private address {0}; set allow_private_addresses if it is meant")]
    Private(std::net::IpAddr),
    /// A mask where a secret belongs.
    #[error("webhook.{0} is masked; send it in full once more, as the receiver is another")]
    Masked(&'static str),
    /// The secret has no key in it.
    #[error(transparent)]
    Secret(#[from] sign::Error),
    /// A header that cannot be sent, or is ours.
    #[error("webhook.headers: {name:?} {problem}")]
    Header {
        /// Its name.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A timeout out of bounds.
    #[error("webhook.timeout_seconds must be from 1 to {TIMEOUT_SECONDS_MAX}, got {0}")]
    Timeout(u32),
    /// The HTTP client could not start, for example without root certificates.
    #[error("cannot start the HTTP client: {0}")]
    Client(String),
}

impl Settings {
    /// What a user may see of them.
    pub fn describe(&self) -> Value {
        let url = Url::parse(self.url.reveal()).map_or_else(
            |_| MASK.to_owned(),
            |mut url| {
                let query = if url.query().is_some() { format!("?{MASK}") } else { String::new() };
                url.set_query(None);
                url.set_fragment(None);
                format!("{url}{query}")
            },
        );
        let headers: Map<String, Value> =
            self.headers.keys().map(|name| (name.clone(), Value::from(MASK))).collect();
        json!({
            "url": url,
            "secret": self.secret.as_ref().map(|_| MASK),
            "headers": headers,
            "timeout_seconds": self.timeout_seconds,
            "allow_private_addresses": self.allow_private_addresses,
        })
    }

    /// Puts the secrets of the settings `before` where these hold a mask: a form
    /// may send back what [`Settings::describe`] showed it.
    ///
    /// Only while the receiver's origin is the same. Otherwise someone who may
    /// change settings but not read secrets could have them sent to himself; the
    /// masks then stay and [`Webhook::new`] asks for the secrets.
    #[must_use]
    pub fn with_secrets_of(mut self, before: &Self) -> Self {
        if self.describe().get("url") == before.describe().get("url") && self.url.reveal().ends_with(MASK) {
            self.url = before.url.clone();
        }
        let origin = |settings: &Self| Url::parse(settings.url.reveal()).ok().map(|url| url.origin());
        if origin(&self).is_none() || origin(&self) != origin(before) {
            return self;
        }
        self.secret = self.secret.map(|secret| secret.or_before(before.secret.as_ref()));
        for (name, value) in &mut self.headers {
            *value = std::mem::take(value).or_before(before.headers.get(name));
        }
        self
    }

    fn checked_url(&self) -> Result<Url, Error> {
        if self.url.reveal().ends_with(MASK) {
            return Err(Error::Masked("url"));
        }
        let url = Url::parse(self.url.reveal()).map_err(|error| Error::Url(error.to_string()))?;
        match url.scheme() {
            "https" => {}
            "http" if self.allow_private_addresses => {}
            other => return Err(Error::Scheme(other.to_owned())),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Error::Credentials);
        }
        // A name is judged when it is resolved, an address right here.
        let literal = url.host_str().and_then(|host| host.trim_matches(['[', ']']).parse().ok());
        match literal {
            Some(ip) if !self.allow_private_addresses && !address::is_public(ip) => Err(Error::Private(ip)),
            _ => Ok(url),
        }
    }

    fn checked_headers(&self) -> Result<HeaderMap, Error> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let wrong = |problem| Error::Header { name: name.clone(), problem };
            if value.is_mask() {
                return Err(wrong("is masked; send its value once more"));
            }
            let lower = name.to_ascii_lowercase();
            if OWN_HEADERS.contains(&lower.as_str()) || lower.starts_with("webhook-") {
                return Err(wrong("is written by Signalpost; leave it out"));
            }
            let header = HeaderName::from_bytes(lower.as_bytes())
                .map_err(|_| wrong("is not a header name; use letters, digits and hyphens"))?;
            let mut text = HeaderValue::from_str(value.reveal())
                .map_err(|_| wrong("has a value with a line break or control character"))?;
            text.set_sensitive(true);
            headers.insert(header, text);
        }
        Ok(headers)
    }
}

/// A webhook ready to send.
#[derive(Debug)]
pub struct Webhook {
    client: Client,
    url: Secret,
    signer: Option<sign::Signer>,
    headers: HeaderMap,
    secrets: Vec<Secret>,
}

impl Webhook {
    /// Checks the settings and readies a client; sends nothing.
    pub fn new(settings: Settings) -> Result<Self, Error> {
        let url = settings.checked_url()?;
        let headers = settings.checked_headers()?;
        if settings.timeout_seconds == 0 || settings.timeout_seconds > TIMEOUT_SECONDS_MAX {
            return Err(Error::Timeout(settings.timeout_seconds));
        }
        if settings.secret.as_ref().is_some_and(Secret::is_mask) {
            return Err(Error::Masked("secret"));
        }
        let signer = settings.secret.as_ref().map(sign::Signer::new).transpose()?;
        let timeout = Duration::from_secs(u64::from(settings.timeout_seconds));
        // No proxy from the environment: it would resolve names for us and undo
        // the check of addresses.
        let mut client = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(timeout)
            .connect_timeout(timeout)
            .pool_idle_timeout(Duration::from_secs(30));
        if !settings.allow_private_addresses {
            client = client.dns_resolver(Arc::new(address::PublicOnly));
        }
        let client = client.build().map_err(|error| Error::Client(chain(&error)))?;
        // Longest first: a whole value, then the token in it (`Bearer …`, `?key=…`).
        let mut secrets: Vec<Secret> = settings.headers.into_values().collect();
        secrets.extend(url.query().map(Secret::from));
        let tokens: Vec<Secret> = secrets
            .iter()
            .filter_map(|all| all.reveal().rsplit([' ', '=', '&']).next().map(Secret::from))
            .collect();
        secrets.extend(tokens);
        secrets.extend(url.query_pairs().map(|(_, value)| Secret::from(value.into_owned())));
        for secret in settings.secret.iter().flat_map(|all| all.reveal().split_whitespace()) {
            secrets.push(secret.into());
            secrets.push(secret.trim_start_matches(sign::PREFIX).into());
        }
        Ok(Self { client, url: url.as_str().into(), signer, headers, secrets })
    }

    /// Sends it once. `now` is the wall clock: receivers refuse timestamps that
    /// are minutes off.
    pub async fn send(&self, message: &Message, now: Timestamp) -> Outcome {
        let id = message.id.to_string();
        let body = body(message, now);
        let seconds = now.as_micros().div_euclid(1_000_000);
        let mut request = self
            .client
            .post(self.url.reveal())
            .headers(self.headers.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, concat!("Signalpost/", env!("CARGO_PKG_VERSION")))
            .header("webhook-id", &id)
            .header("webhook-timestamp", seconds);
        if let Some(signer) = &self.signer {
            request = request.header("webhook-signature", signer.sign(&id, seconds, &body));
        }
        match request.body(body).send().await {
            Ok(response) => self.judge(response, now).await,
            Err(error) => Outcome::Retry { reason: self.shown(&chain(&error.without_url())), after: None },
        }
    }

    async fn judge(&self, response: Response, now: Timestamp) -> Outcome {
        let status = response.status();
        let after = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok())
            .and_then(|text| retry_after::read(text, now));
        let answer = self.shown(&start_of_body(response).await);
        let said = if answer.is_empty() { status.to_string() } else { format!("{status}: {answer}") };
        if status.is_success() {
            return Outcome::Accepted { answer: said };
        }
        let again = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS];
        if status.is_server_error() || again.contains(&status) {
            return Outcome::Retry { reason: said, after };
        }
        if status.is_redirection() {
            let reason = format!("{said}: redirects are not followed; set webhook.url to the final address");
            return Outcome::Refused { reason };
        }
        Outcome::Refused { reason: said }
    }

    fn shown(&self, text: &str) -> String {
        shown(text, self.secrets.iter().map(Secret::reveal), ANSWER_BYTES_MAX)
    }
}

/// The JSON body, the same for every attempt:
/// `{"type":"campaign.message","timestamp":"2026-…Z","data":{"delivery_id":"d…",…}}`.
/// The facts in [`Message::data`] stand beside the fields of the message, which
/// win where names meet.
pub fn body(message: &Message, now: Timestamp) -> String {
    let mut data = Map::new();
    let own = [
        ("delivery_id", message.id.to_string()),
        ("campaign", message.campaign.clone()),
        ("customer_id", message.customer_id.clone()),
        ("email", message.to.clone()),
        ("name", message.to_name.clone()),
        ("subject", message.subject.clone()),
        ("preheader", message.preheader.clone()),
        ("html", message.html.clone()),
        ("text", message.text.clone()),
        ("unsubscribe_url", message.unsubscribe_url.clone()),
    ];
    data.extend(own.into_iter().map(|(name, text)| (name.to_owned(), Value::from(text))));
    if let Value::Object(facts) = &message.data {
        for (name, fact) in facts {
            data.entry(name).or_insert_with(|| fact.clone());
        }
    }
    let timestamp = if message.decided_at.is_empty() { now.to_string() } else { message.decided_at.clone() };
    json!({ "type": "campaign.message", "timestamp": timestamp, "data": data }).to_string()
}

/// The first bytes of an answer; what breaks while reading ends it.
async fn start_of_body(mut response: Response) -> String {
    let mut bytes = Vec::new();
    while bytes.len() < ANSWER_BYTES_MAX {
        match response.chunk().await {
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(None) | Err(_) => break,
        }
    }
    // A secret that the cut would split is still whole here, and is masked
    // before `shown` cuts, unless a receiver splits it over chunks on purpose.
    String::from_utf8_lossy(&bytes).into_owned()
}

/// An error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
