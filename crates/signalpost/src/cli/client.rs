//! How commands reach the program: over HTTP when `SIGNALPOST_URL` says where
//! a server runs, else by opening the data folder and asking the same API
//! inside this process.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Request, header};
use http_body_util::BodyExt;
use serde_json::Value as Json;
use tower::ServiceExt;

use crate::app::{App, is_initialised};
use crate::clock::Clock;
use crate::serve::explained::explained;
use crate::settings::{Settings, environment};

/// Smaller bodies are not packed.
const PACKED_BYTES_MIN: usize = 1_024;

/// Where requests go.
pub struct Client {
    key: String,
    to: To,
}

enum To {
    Server { http: reqwest::Client, url: String, packs: bool },
    Folder { app: Arc<App>, router: axum::Router },
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
    /// How long to wait before asking again, when the server says so.
    pub retry_after: Option<Duration>,
}

/// A request of an import: its body is sent as it is, packed where that pays.
#[derive(Clone, Debug)]
pub struct Packet<'a> {
    /// POST or PUT.
    pub method: Method,
    /// The path, with its query.
    pub path: &'a str,
    /// The `Idempotency-Key`; none when empty.
    pub key: &'a str,
    /// JSON.
    pub body: Bytes,
}

impl Answer {
    /// The body as JSON; null when it is none.
    pub fn json(&self) -> Json {
        serde_json::from_slice(&self.body).unwrap_or(Json::Null)
    }

    /// Whether it went well.
    pub fn is_ok(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The JSON, or the problem as an error.
    ///
    /// # Errors
    /// When the answer is a problem.
    pub fn ok(self) -> anyhow::Result<Json> {
        if self.is_ok() {
            return Ok(self.json());
        }
        let problem = self.json();
        match problem.get("snippet").and_then(Json::as_str) {
            Some(snippet) => bail!("{snippet}"),
            None => bail!(
                "{}",
                problem.get("detail").and_then(Json::as_str).unwrap_or("the server answered with an error")
            ),
        }
    }
}

impl Client {
    /// Connects to the server the environment names, or opens the folder.
    ///
    /// # Errors
    /// When there is neither, or the folder is in use by a running server.
    pub async fn connect(settings: Settings) -> anyhow::Result<Self> {
        if let Some(url) = environment("SIGNALPOST_URL") {
            let key = environment("SIGNALPOST_KEY")
                .context("SIGNALPOST_URL is set; set SIGNALPOST_KEY to a key of that server too")?;
            return Ok(Self::of_server(&url, &key));
        }
        if !is_initialised(&settings.data) {
            bail!(
                "there is no data in {}; start 'signalpost serve' once, name another folder with --data, or set SIGNALPOST_URL and SIGNALPOST_KEY",
                settings.data.display()
            );
        }
        let data = settings.data.display().to_string();
        let app = App::start(settings, Clock::system()).await.with_context(|| {
            format!("cannot open {data}; if a server runs on it, set SIGNALPOST_URL and SIGNALPOST_KEY to ask that server")
        })?;
        Ok(Self::inside(app))
    }

    /// A client of a program in this process.
    pub fn inside(app: Arc<App>) -> Self {
        let key = app.keys.ephemeral(app.clock.now());
        let router = crate::serve::router(Arc::clone(&app));
        Self { key, to: To::Folder { app, router } }
    }

    /// A client of a server.
    pub fn of_server(url: &str, key: &str) -> Self {
        let url = url.trim_end_matches('/').to_owned();
        Self {
            key: key.to_owned(),
            to: To::Server { http: reqwest::Client::new(), packs: !is_near(&url), url },
        }
    }

    /// Ends the program in this process, when there is one.
    pub async fn close(&self) {
        if let To::Folder { app, .. } = &self.to {
            app.stop().await;
        }
    }

    /// Asks.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub async fn ask(&self, method: Method, path: &str, body: Option<&Json>) -> anyhow::Result<Answer> {
        self.ask_for(method, path, body, "application/json").await
    }

    /// Asks for an answer of a kind.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub async fn ask_for(
        &self,
        method: Method,
        path: &str,
        body: Option<&Json>,
        accept: &str,
    ) -> anyhow::Result<Answer> {
        let text = body.map(ToString::to_string).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::ACCEPT, accept)
            .header(header::CONTENT_TYPE, "application/json");
        self.exchange(request.body(Bytes::from(text))?).await
    }

    /// Sends a packet of an import.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub async fn send(&self, packet: Packet<'_>) -> anyhow::Result<Answer> {
        let mut request = Request::builder()
            .method(packet.method)
            .uri(packet.path)
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/json");
        if !packet.key.is_empty() {
            request = request.header("idempotency-key", packet.key);
        }
        let mut body = packet.body;
        if matches!(self.to, To::Server { packs: true, .. }) && body.len() > PACKED_BYTES_MIN {
            body = zstd::stream::encode_all(&body[..], 1)?.into();
            request = request.header(header::CONTENT_ENCODING, "zstd");
        }
        self.exchange(request.body(body)?).await
    }

    async fn exchange(&self, mut request: Request<Bytes>) -> anyhow::Result<Answer> {
        let bearer = format!("Bearer {}", self.key).parse().context("the key has characters no key has")?;
        request.headers_mut().insert(header::AUTHORIZATION, bearer);
        match &self.to {
            To::Server { http, url, .. } => {
                let (head, body) = request.into_parts();
                let asked = http.request(head.method, format!("{url}{}", head.uri)).headers(head.headers);
                let response =
                    asked.body(body).send().await.with_context(|| format!("cannot reach {url}"))?;
                let (status, retry_after) = (response.status().as_u16(), retry_after(response.headers()));
                Ok(Answer { status, retry_after, body: response.bytes().await?.to_vec() })
            }
            To::Folder { router, .. } => {
                let response = match router.clone().oneshot(request.map(Body::from)).await {
                    Ok(response) => explained(response).await,
                    Err(never) => match never {},
                };
                let (status, retry_after) = (response.status().as_u16(), retry_after(response.headers()));
                Ok(Answer {
                    status,
                    retry_after,
                    body: response.into_body().collect().await?.to_bytes().to_vec(),
                })
            }
        }
    }

    /// Waits until a program in this process has worked on everything; a server
    /// does so without anybody waiting. Tells how many events are left.
    pub async fn settle(&self, left: &mut dyn FnMut(u64)) {
        if let To::Folder { app, .. } = &self.to {
            while !app.is_settled() && !app.has_failed() {
                left(app.lag());
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }

    /// Reads.
    ///
    /// # Errors
    /// When the answer is a problem.
    pub async fn get(&self, path: &str) -> anyhow::Result<Json> {
        self.ask(Method::GET, path, None).await?.ok()
    }

    /// Sends.
    ///
    /// # Errors
    /// When the answer is a problem.
    pub async fn post(&self, path: &str, body: &Json) -> anyhow::Result<Json> {
        self.ask(Method::POST, path, Some(body)).await?.ok()
    }

    /// Sets.
    ///
    /// # Errors
    /// When the answer is a problem.
    pub async fn put(&self, path: &str, body: &Json) -> anyhow::Result<Json> {
        self.ask(Method::PUT, path, Some(body)).await?.ok()
    }
}

/// Whether a server runs on this machine: then packing costs more than it saves.
fn is_near(url: &str) -> bool {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest);
    ["127.", "localhost", "[::1]"].iter().any(|near| host.starts_with(near))
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// A name as part of a path.
pub fn encode(name: &str) -> String {
    use std::fmt::Write;
    name.bytes().fold(String::new(), |mut path, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            path.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _infallible = write!(path, "%{byte:02X}");
        }
        path
    })
}
