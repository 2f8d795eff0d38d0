//! Who sends a webhook: signatures and shared secrets.
//!
//! In: a request. Out: nothing, or 401 with what is wrong, which never says
//! what would have been right.

use axum::http::{HeaderMap, StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use signalpost_core::time::Timestamp;
use signalpost_core::value::Value;

use super::definition::{
    Encoding, HmacSettings, Hook, Hubspot, Product, Salesforce, StandardWebhooks, tolerance,
};
use super::soap;
use crate::deliver::secret::Secret;
use crate::problem::Problem;
use crate::signature::{Algorithm, from_hex, hmac, hubspot, is_equal, is_recent, standard};

/// What a signature is over.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// `POST`.
    pub method: &'a str,
    /// Path and query, as they were sent.
    pub path: &'a str,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// The body, decompressed.
    pub body: &'a [u8],
    /// How the outside reaches this server; empty when that is not set.
    pub public_url: &'a str,
    /// Now.
    pub now: Timestamp,
}

impl<'a> Request<'a> {
    fn header(&self, name: &str) -> Option<&'a str> {
        self.headers.get(name)?.to_str().ok().map(str::trim).filter(|value| !value.is_empty())
    }

    fn wanted(&self, name: &str) -> Result<&'a str, Problem> {
        self.header(name).ok_or_else(|| refused("no_signature", format!("the header {name} is missing")))
    }

    /// The address that the sender called, as far as can be told.
    fn uri(&self, url: Option<&str>) -> String {
        if let Some(url) = url {
            // Its own path, for a proxy may have changed that; the query is the request's.
            let query = self.path.split_once('?').map(|(_, query)| query);
            return match query {
                Some(query) if !url.contains('?') => format!("{url}?{query}"),
                _ => url.to_owned(),
            };
        }
        if !self.public_url.is_empty() {
            return format!("{}{}", self.public_url, self.path);
        }
        let protocol = self.header("x-forwarded-proto").unwrap_or("https");
        let host = self.header("x-forwarded-host").or_else(|| self.header("host")).unwrap_or_default();
        format!("{protocol}://{host}{}", self.path)
    }
}

fn refused(code: &str, detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, code, detail)
}

fn wrong_signature() -> Problem {
    refused("wrong_signature", "the signature is not that of this body by the hook's secret")
}

fn check(is_right: bool) -> Result<(), Problem> {
    if is_right { Ok(()) } else { Err(wrong_signature()) }
}

/// The secrets in force, the newest first.
fn each(secret: &Secret) -> impl Iterator<Item = &str> {
    secret.reveal().split_whitespace()
}

fn check_age(at: Option<Timestamp>, now: Timestamp, seconds: u32) -> Result<(), Problem> {
    let Some(at) = at else {
        return Err(refused("wrong_signature", "the timestamp cannot be read"));
    };
    if is_recent(at, now, tolerance(seconds)) {
        return Ok(());
    }
    let detail = format!("it was signed more than {seconds} seconds ago, or ahead of the clock here");
    Err(refused("old_timestamp", detail))
}

impl Hook {
    /// Checks that the request is from whom the hook is for.
    ///
    /// # Errors
    /// 401 when it is not, or cannot be told.
    pub fn verify(&self, request: &Request<'_>) -> Result<(), Problem> {
        match &self.product {
            Product::Shopify(settings) => shopify(&settings.secret, request),
            Product::Hubspot(settings) => settings.verify(request),
            Product::Salesforce(settings) => settings.verify(request),
            Product::StandardWebhooks(settings) => settings.verify(request),
            Product::Json(settings) => {
                if let Some(hmac) = &settings.hmac {
                    hmac.verify(request)?;
                }
                match &settings.secret {
                    Some(secret) => shared(secret, settings.header.as_deref(), request),
                    None => Ok(()),
                }
            }
        }
    }

    /// Reads an outbound message of the organisation that the hook is for.
    ///
    /// # Errors
    /// 400 when it cannot be read, 401 when it is another organisation's.
    pub fn outbound(&self, body: &[u8]) -> Result<Value, Problem> {
        let Product::Salesforce(Salesforce { organization_id: Some(id), .. }) = &self.product else {
            return Err(wrong_signature());
        };
        // 15 characters name it; three more may follow to tell capitals.
        let start = |id: &str| id.trim().as_bytes().get(..15).unwrap_or_default().to_vec();
        let read = soap::read(body, |own| is_equal(&start(own), &start(id.reveal())));
        read.map_err(|error| match error {
            soap::Error::Organization => {
                refused("wrong_organization", "the message is not from the organisation this hook is for")
            }
            error => Problem::new(StatusCode::BAD_REQUEST, "not_soap", error.to_string()),
        })
    }
}

/// Shopify signs the body alone, in base64. Source: shopify.dev, "Deliver
/// webhooks through HTTPS", "Validate the origin of your webhook".
fn shopify(secret: &Secret, request: &Request<'_>) -> Result<(), Problem> {
    let signature = request.wanted("x-shopify-hmac-sha256")?;
    request.wanted("x-shopify-topic")?;
    let given = STANDARD.decode(signature).map_err(|_| wrong_signature())?;
    check(
        each(secret)
            .any(|secret| is_equal(&given, &hmac(Algorithm::Sha256, secret.as_bytes(), &[request.body]))),
    )
}

impl Hubspot {
    fn verify(&self, request: &Request<'_>) -> Result<(), Problem> {
        let uri = request.uri(self.url.as_deref());
        let Request { method, body, .. } = *request;
        let older = request.header("x-hubspot-signature").filter(|_| self.older_signatures);
        if let (Some(signature), None) = (older, request.header("x-hubspot-signature-v3")) {
            let is_v2 = request.header("x-hubspot-signature-version") == Some("v2");
            return check(each(&self.secret).any(|secret| {
                if is_v2 {
                    hubspot::is_v2(secret, method, &uri, body, signature)
                } else {
                    hubspot::is_v1(secret, body, signature)
                }
            }));
        }
        let signature = request.wanted("x-hubspot-signature-v3")?;
        let timestamp = request.wanted("x-hubspot-request-timestamp")?;
        let micros = timestamp.parse::<i64>().ok().and_then(|millis| millis.checked_mul(1_000));
        check_age(micros.map(Timestamp::from_micros), request.now, self.tolerance_seconds)?;
        check(
            each(&self.secret).any(|secret| hubspot::is_v3(secret, method, &uri, body, timestamp, signature)),
        )
    }
}

impl Salesforce {
    /// JSON proves itself by the secret; SOAP by what is in it, when it is read.
    fn verify(&self, request: &Request<'_>) -> Result<(), Problem> {
        if self.organization_id.is_some() && soap::is_xml(request.body) {
            return Ok(());
        }
        match &self.secret {
            Some(secret) => shared(secret, self.header.as_deref(), request),
            None => Err(refused(
                "no_signature",
                "this hook takes outbound messages only; set its secret for JSON",
            )),
        }
    }
}

impl StandardWebhooks {
    fn verify(&self, request: &Request<'_>) -> Result<(), Problem> {
        let id = request.wanted("webhook-id")?;
        let timestamp = request.wanted("webhook-timestamp")?;
        let signature = request.wanted("webhook-signature")?;
        let seconds: Option<i64> = timestamp.parse().ok();
        let micros = seconds.and_then(|seconds| seconds.checked_mul(1_000_000));
        check_age(micros.map(Timestamp::from_micros), request.now, self.tolerance_seconds)?;
        let signer = standard::Signer::new(&self.secret).map_err(|_| wrong_signature())?;
        check(signer.is_signed(id, seconds.unwrap_or_default(), request.body, signature))
    }
}

impl HmacSettings {
    fn verify(&self, request: &Request<'_>) -> Result<(), Problem> {
        let signature = request.wanted(&self.header)?;
        let timestamp = match &self.timestamp_header {
            Some(name) => {
                let timestamp = request.wanted(name)?;
                check_age(instant(timestamp), request.now, self.tolerance_seconds)?;
                timestamp
            }
            None => "",
        };
        let text = signature.strip_prefix(&self.prefix).ok_or_else(wrong_signature)?;
        let given = match self.encoding {
            Encoding::Hex => from_hex(text),
            Encoding::Base64 => STANDARD.decode(text).ok(),
        };
        let given = given.ok_or_else(wrong_signature)?;
        let (before, behind) = self.around();
        let (before, behind) =
            (before.replace("{timestamp}", timestamp), behind.replace("{timestamp}", timestamp));
        let parts: [&[u8]; 3] = [before.as_bytes(), request.body, behind.as_bytes()];
        check(
            each(&self.secret)
                .any(|secret| is_equal(&given, &hmac(self.algorithm, secret.as_bytes(), &parts))),
        )
    }
}

/// Seconds, milliseconds or RFC 3339.
fn instant(text: &str) -> Option<Timestamp> {
    /// Numbers above this are milliseconds: as seconds they would be the year 5138.
    const SECONDS_MAX: i64 = 100_000_000_000;
    match text.parse::<i64>() {
        Ok(number) if number.abs() < SECONDS_MAX => {
            Some(Timestamp::from_micros(number.checked_mul(1_000_000)?))
        }
        Ok(number) => Some(Timestamp::from_micros(number.checked_mul(1_000)?)),
        Err(_) => Timestamp::parse(text),
    }
}

/// A secret sent with the request: in a header of its own, as a bearer token, as
/// the password of Basic, or as `X-Api-Key`.
fn shared(secret: &Secret, own: Option<&str>, request: &Request<'_>) -> Result<(), Problem> {
    let is_right = |given: &[u8]| each(secret).any(|secret| is_equal(given, secret.as_bytes()));
    let detail = "the hook's secret is missing or wrong";
    let given = match own {
        Some(name) => request.header(name).map(|value| value.strip_prefix("Bearer ").unwrap_or(value)),
        None => request.header("x-api-key").or_else(|| {
            let value = request.header(header::AUTHORIZATION.as_str())?;
            let (scheme, rest) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then_some(rest.trim())
        }),
    };
    if given.is_some_and(|given| is_right(given.as_bytes())) || own.is_none() && is_right(&basic(request)) {
        return Ok(());
    }
    Err(refused(if given.is_none() { "no_signature" } else { "wrong_signature" }, detail))
}

/// The password of Basic; empty when there is none.
fn basic(request: &Request<'_>) -> Vec<u8> {
    let read = || {
        let value = request.header(header::AUTHORIZATION.as_str())?;
        let (scheme, rest) = value.split_once(' ')?;
        let decoded = scheme.eq_ignore_ascii_case("basic").then(|| STANDARD.decode(rest.trim()).ok())??;
        let colon = decoded.iter().position(|byte| *byte == b':')?;
        decoded.get(colon + 1..).map(<[u8]>::to_vec)
    };
    read().unwrap_or_default()
}
