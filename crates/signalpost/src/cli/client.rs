//! How commands reach the program: over HTTP when `SIGNALPOST_URL` says where
//! a server runs, else by opening the data folder and asking the same API
//! inside this process.

use std::sync::Arc;

use anyhow::{Context, bail};
use axum::body::Body;
use axum::http::{Method, Request, header};
use http_body_util::BodyExt;
use serde_json::Value as Json;
use tower::ServiceExt;

use crate::app::{App, is_initialised};
use crate::clock::Clock;
use crate::serve::explained::explained;
use crate::settings::{Settings, environment};

/// Where requests go.
pub struct Client {
    key: String,
    to: To,
}

enum To {
    Server { http: reqwest::Client, url: String },
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
            let url = url.trim_end_matches('/').to_owned();
            return Ok(Self { key, to: To::Server { http: reqwest::Client::new(), url } });
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
        Self { key: key.to_owned(), to: To::Server { http: reqwest::Client::new(), url: url.to_owned() } }
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
        let bearer = format!("Bearer {}", self.key);
        match &self.to {
            To::Server { http, url } => {
                let request = http
                    .request(method, format!("{url}{path}"))
                    .header(header::AUTHORIZATION, bearer)
                    .header(header::ACCEPT, accept)
                    .header(header::CONTENT_TYPE, "application/json")
                    .body(text);
                let response = request.send().await.with_context(|| format!("cannot reach {url}"))?;
                Ok(Answer { status: response.status().as_u16(), body: response.bytes().await?.to_vec() })
            }
            To::Folder { router, .. } => {
                let request = Request::builder()
                    .method(method)
                    .uri(path)
                    .header(header::AUTHORIZATION, bearer)
                    .header(header::ACCEPT, accept)
                    .header(header::CONTENT_TYPE, "application/json")
                    .body(Body::from(text))?;
                let response = match router.clone().oneshot(request).await {
                    Ok(response) => explained(response).await,
                    Err(never) => match never {},
                };
                let status = response.status().as_u16();
                Ok(Answer { status, body: response.into_body().collect().await?.to_bytes().to_vec() })
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
