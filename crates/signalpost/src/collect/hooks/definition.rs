//! A hook as it is defined: which product calls, how it proves who it is, and
//! what its messages mean.

use axum::http::HeaderMap;
use serde::Deserialize;
use serde_json::Value as Json;
use signalpost_core::hook::{Mapping, known};
use signalpost_core::time::Span;

use crate::deliver::secret::{MASK, Secret};
use crate::signature::{Algorithm, standard};

/// How far a signed timestamp may be off, unless set: what HubSpot and Standard
/// Webhooks ask for.
const TOLERANCE_SECONDS: u32 = 300;
/// The most headers kept of a request, and the most bytes of each.
const HEADERS_MAX: usize = 64;
const HEADER_BYTES_MAX: usize = 512;

/// A hook in force.
#[derive(Debug)]
pub struct Hook {
    /// Its name, which is also its place: `/hooks/NAME`.
    pub name: String,
    /// The source its events count for; its own name unless set.
    pub source: String,
    /// What its messages mean.
    pub mapping: Mapping,
    pub(super) product: Product,
}

/// Who calls, and how that is proved.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Product {
    Shopify(Shopify),
    Hubspot(Hubspot),
    Salesforce(Salesforce),
    StandardWebhooks(StandardWebhooks),
    Json(JsonSender),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Shopify {
    /// The app's client secret, or the one shown under Notifications; several
    /// apart by spaces.
    pub(super) secret: Secret,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Hubspot {
    /// The app's client secret; several apart by spaces.
    pub(super) secret: Secret,
    /// The target URL as HubSpot has it, where neither `public_url` nor the
    /// `Host` that a proxy passes on says so.
    #[serde(default)]
    pub(super) url: Option<String>,
    /// Whether signatures of versions 1 and 2, which do not grow old, are taken.
    #[serde(default)]
    pub(super) older_signatures: bool,
    #[serde(default = "tolerance_seconds")]
    pub(super) tolerance_seconds: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Salesforce {
    /// The organisation's id, 15 or 18 characters, which an outbound message
    /// carries. None: no SOAP is taken.
    #[serde(default)]
    pub(super) organization_id: Option<Secret>,
    /// What a flow's JSON is sent with, as a bearer token or in `header`. None:
    /// no JSON is taken.
    #[serde(default)]
    pub(super) secret: Option<Secret>,
    #[serde(default)]
    pub(super) header: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StandardWebhooks {
    /// `whsec_` and base64; several apart by spaces.
    pub(super) secret: Secret,
    #[serde(default = "tolerance_seconds")]
    pub(super) tolerance_seconds: u32,
}

/// Anybody else. Without `secret` and `hmac` an access key is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JsonSender {
    /// A shared secret, as a bearer token, as `X-Api-Key`, or in `header`.
    #[serde(default)]
    pub(super) secret: Option<Secret>,
    #[serde(default)]
    pub(super) header: Option<String>,
    #[serde(default)]
    pub(super) hmac: Option<HmacSettings>,
}

/// A signature over the body, as most products make one in their own way.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HmacSettings {
    /// The header with the signature.
    pub(super) header: String,
    /// The key; several apart by spaces.
    pub(super) secret: Secret,
    #[serde(default)]
    pub(super) algorithm: Algorithm,
    #[serde(default)]
    pub(super) encoding: Encoding,
    /// What stands before the signature in the header: `sha256=`.
    #[serde(default)]
    pub(super) prefix: String,
    /// The header with the time of signing; without one, requests do not grow old.
    #[serde(default)]
    pub(super) timestamp_header: Option<String>,
    /// What is signed: `{body}`, or `{timestamp}.{body}` with a timestamp.
    #[serde(default)]
    pub(super) signs: Option<String>,
    #[serde(default = "tolerance_seconds")]
    pub(super) tolerance_seconds: u32,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Encoding {
    #[default]
    Hex,
    Base64,
}

const fn tolerance_seconds() -> u32 {
    TOLERANCE_SECONDS
}

pub(super) fn tolerance(seconds: u32) -> Span {
    Span::SECOND.times(i64::from(seconds))
}

/// A definition that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The settings, in the words of what reads them.
    #[error("{0}")]
    Settings(#[from] serde_json::Error),
    /// A setting with a value it cannot have.
    #[error("{field} {problem}")]
    Setting {
        /// Which.
        field: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The mapping.
    #[error("mapping{0}")]
    Mapping(#[from] signalpost_core::hook::Error),
}

impl Hook {
    /// Makes a hook of its definition: `{"kind": "shopify", "secret": …}`, with a
    /// `mapping` and a `source` for any kind.
    ///
    /// # Errors
    /// What is wrong with the definition.
    pub fn from_json(name: &str, definition: &Json) -> Result<Self, Error> {
        let mut settings = definition.clone();
        let mut take = |member| settings.as_object_mut().and_then(|object| object.shift_remove(member));
        let mapping = take("mapping").filter(|mapping| !mapping.is_null());
        let source = match take("source") {
            None | Some(Json::Null) => name.to_owned(),
            Some(Json::String(source)) if !source.is_empty() => source,
            Some(_) => return Err(wrong("source", "must be the name of a source")),
        };
        let kind = settings.get("kind").and_then(Json::as_str).unwrap_or_default().to_owned();
        let product: Product = serde_json::from_value(settings)?;
        product.check()?;
        let mapping = match (mapping, known::mapping(&kind)) {
            (Some(mapping), _) => mapping,
            (None, text) => serde_json::from_str(text.unwrap_or("{}"))?,
        };
        Ok(Self { name: name.to_owned(), source, mapping: Mapping::parse(&mapping)?, product })
    }

    /// Whether a request proves itself by an access key.
    pub fn wants_key(&self) -> bool {
        matches!(&self.product, Product::Json(JsonSender { secret: None, hmac: None, .. }))
    }

    /// Whether SOAP is taken.
    pub fn speaks_soap(&self) -> bool {
        matches!(&self.product, Product::Salesforce(settings) if settings.organization_id.is_some())
    }

    /// The headers that a mapping sees and quarantine keeps: none that could
    /// hold a secret, and none that only carried the request here.
    pub fn shown_headers(&self, headers: &HeaderMap) -> Vec<(Box<str>, Box<str>)> {
        const HIDDEN: [&str; 9] =
            ["auth", "cookie", "secret", "token", "key", "signature", "hmac", "password", "session"];
        const CARRIED: [&str; 12] = [
            "host",
            "connection",
            "content-length",
            "content-encoding",
            "content-type",
            "transfer-encoding",
            "accept",
            "accept-encoding",
            "expect",
            "forwarded",
            "via",
            "te",
        ];
        let own = match &self.product {
            Product::Salesforce(Salesforce { header, .. }) | Product::Json(JsonSender { header, .. }) => {
                header.as_deref()
            }
            _ => None,
        };
        let may_hold_secret = |name: &str| {
            own.is_some_and(|own| own.eq_ignore_ascii_case(name))
                || (name != "idempotency-key" && HIDDEN.iter().any(|word| name.contains(word)))
        };
        let carried = |name: &str| CARRIED.contains(&name) || name.starts_with("x-forwarded-");
        headers
            .iter()
            .filter(|(name, _)| !may_hold_secret(name.as_str()) && !carried(name.as_str()))
            .filter_map(|(name, value)| Some((name.as_str().into(), value.to_str().ok()?.into())))
            .filter(|(_, value): &(Box<str>, Box<str>)| value.len() <= HEADER_BYTES_MAX)
            .take(HEADERS_MAX)
            .collect()
    }
}

fn wrong(field: &'static str, problem: &'static str) -> Error {
    Error::Setting { field, problem }
}

impl Product {
    fn check(&self) -> Result<(), Error> {
        match self {
            Self::Shopify(settings) => secret("secret", &settings.secret),
            Self::Hubspot(settings) => {
                let is_address = |url: &String| url.starts_with("https://") || url.starts_with("http://");
                if settings.url.as_ref().is_some_and(|url| !is_address(url)) {
                    return Err(wrong("url", "must begin with https://"));
                }
                secret("secret", &settings.secret)
            }
            Self::Salesforce(settings) => settings.check(),
            Self::StandardWebhooks(settings) => {
                secret("secret", &settings.secret)?;
                standard::Signer::new(&settings.secret)
                    .map(|_| ())
                    .map_err(|_| wrong("secret", "must be whsec_ followed by base64"))
            }
            Self::Json(settings) => {
                if let Some(own) = &settings.secret {
                    secret("secret", own)?;
                }
                header("header", settings.header.as_deref())?;
                settings.hmac.as_ref().map_or(Ok(()), HmacSettings::check)
            }
        }
    }
}

impl Salesforce {
    fn check(&self) -> Result<(), Error> {
        if self.organization_id.is_none() && self.secret.is_none() {
            return Err(wrong(
                "organization_id",
                "is missing: set it for outbound messages, or secret for a flow",
            ));
        }
        if let Some(id) = &self.organization_id {
            secret("organization_id", id)?;
            let text = id.reveal();
            let is_id =
                matches!(text.len(), 15 | 18) && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
            if !is_id {
                return Err(wrong(
                    "organization_id",
                    "must have 15 or 18 letters and digits, such as 00D5g000004abcd",
                ));
            }
        }
        if let Some(own) = &self.secret {
            secret("secret", own)?;
        }
        header("header", self.header.as_deref())
    }
}

impl HmacSettings {
    fn check(&self) -> Result<(), Error> {
        secret("hmac.secret", &self.secret)?;
        header("hmac.header", Some(&self.header))?;
        header("hmac.timestamp_header", self.timestamp_header.as_deref())?;
        match &self.signs {
            Some(signs) if !signs.contains("{body}") => Err(wrong("hmac.signs", "must contain {body}")),
            Some(signs) if self.timestamp_header.is_some() && !signs.contains("{timestamp}") => {
                Err(wrong("hmac.signs", "must contain {timestamp}: what is not signed proves nothing"))
            }
            _ => Ok(()),
        }
    }

    /// What is signed before and behind the body.
    pub(super) fn around(&self) -> (&str, &str) {
        let usual = if self.timestamp_header.is_some() { "{timestamp}.{body}" } else { "{body}" };
        self.signs.as_deref().unwrap_or(usual).split_once("{body}").unwrap_or_default()
    }
}

fn secret(field: &'static str, secret: &Secret) -> Result<(), Error> {
    if secret.is_mask() {
        return Err(wrong(field, "is masked; send it in full"));
    }
    if secret.reveal().trim().is_empty() { Err(wrong(field, "is empty")) } else { Ok(()) }
}

fn header(field: &'static str, name: Option<&str>) -> Result<(), Error> {
    match name {
        Some(name) if name.parse::<axum::http::HeaderName>().is_err() => {
            Err(wrong(field, "is no header name; use letters, digits and hyphens"))
        }
        _ => Ok(()),
    }
}

/// Where a definition holds secrets, as JSON Pointers.
const SECRETS: [&str; 3] = ["/secret", "/organization_id", "/hmac/secret"];

/// The definition as it is shown: secrets are blotted out.
pub fn describe(definition: &Json) -> Json {
    let mut shown = definition.clone();
    for place in SECRETS {
        if let Some(value) = shown.pointer_mut(place).filter(|value| !value.is_null()) {
            *value = Json::from(MASK);
        }
    }
    shown
}

/// Puts the secrets of the definition before where this one holds a mask: a form
/// may send back what [`describe`] showed it. Only for the same product.
pub fn with_secrets_of(mut definition: Json, before: &Json) -> Json {
    if definition.get("kind") != before.get("kind") {
        return definition;
    }
    for place in SECRETS {
        if let (Some(value), Some(held)) = (definition.pointer_mut(place), before.pointer(place))
            && value == MASK
        {
            value.clone_from(held);
        }
    }
    definition
}
