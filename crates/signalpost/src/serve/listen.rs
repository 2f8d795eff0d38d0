//! The listener: HTTP/1.1 and 2 on one port, TLS when configured, and limits
//! on how long a client may take.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, Version, header};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::explained::explained;
use super::gate::Gate;
use super::gate::head::Refusal;
use super::patience::patient;
use super::routes::Routes;
use super::tls::Tls;
use crate::problem::Problem;
use crate::settings::Settings;

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 4_096;
/// How long connections may take to end when the server stops.
const DRAIN: Duration = Duration::from_secs(10);
/// Pause after an accept that failed: file descriptors may have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long a head may take to come, a TLS handshake to be made, a body to go on.
const PATIENCE: Duration = Duration::from_secs(7);
/// How long a connection may stay between two requests.
const IDLE: Duration = Duration::from_secs(60);
/// Browsers that came by TLS once come by nothing else for two years (RFC 6797).
const STRICT_TRANSPORT: HeaderValue = HeaderValue::from_static("max-age=63072000");

/// A bound listener, not yet serving.
#[derive(Debug)]
pub struct Listener {
    tcp: TcpListener,
    tls: Option<Arc<Tls>>,
    request_time: Duration,
}

/// What every connection shares.
struct Serving {
    routes: Routes,
    protocols: auto::Builder<TokioExecutor>,
    tls: Option<Arc<Tls>>,
    /// Until the answer begins.
    request_time: Duration,
    /// See [`PATIENCE`].
    patience: Duration,
}

impl Listener {
    /// Binds the address.
    ///
    /// # Errors
    /// When it is taken, or a TLS file cannot be used.
    pub fn bind(settings: &Settings) -> anyhow::Result<Self> {
        let tls = Tls::open(settings)?.map(Arc::new);
        let tcp = listen(settings.listen).with_context(|| {
            format!("cannot listen on {}; is another server running there?", settings.listen)
        })?;
        Ok(Self { tcp, tls, request_time: Duration::from_secs(settings.request_seconds_max) })
    }

    /// The address in use.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    /// Serves until `stop` completes, then lets requests under way end.
    pub async fn serve(self, routes: Routes, stop: impl Future<Output = ()>) {
        let graceful = GracefulShutdown::new();
        let watching = self.tls.clone().map(|tls| tokio::spawn(tls.watch()));
        let serving = Arc::new(Serving {
            routes,
            protocols: protocols(),
            tls: self.tls,
            request_time: self.request_time,
            patience: PATIENCE.min(self.request_time),
        });
        tokio::pin!(stop);
        loop {
            let (stream, peer) = tokio::select! {
                () = &mut stop => break,
                accepted = self.tcp.accept() => match accepted {
                    Ok(accepted) => accepted,
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                        continue;
                    }
                },
            };
            // Small answers must not wait for more to send.
            drop(stream.set_nodelay(true));
            tokio::spawn(Arc::clone(&serving).accept(stream, peer.ip(), graceful.watcher()));
        }
        if let Some(watching) = watching {
            watching.abort();
        }
        if tokio::time::timeout(DRAIN, graceful.shutdown()).await.is_err() {
            tracing::warn!("some connections did not end in time and were closed");
        }
    }
}

fn protocols() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // Heads come whole through the gate: this bounds the time between requests.
    // Answers are small: one piece of memory costs less than several.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(IDLE).writev(false);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Some(Duration::from_secs(20)))
        .max_concurrent_streams(256);
    builder
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

impl Serving {
    async fn accept(self: Arc<Self>, stream: TcpStream, peer: IpAddr, watcher: Watcher) {
        match &self.tls {
            None => self.connection(stream, peer, watcher).await,
            Some(tls) => {
                let handshake = tokio::time::timeout(self.patience, tls.acceptor().accept(stream));
                match handshake.await {
                    Ok(Ok(stream)) => self.connection(stream, peer, watcher).await,
                    Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
                    Err(_) => tracing::debug!("a TLS handshake was not made in time"),
                }
            }
        }
    }

    async fn connection<I>(self: &Arc<Self>, stream: I, peer: IpAddr, watcher: Watcher)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let gate = Gate::new(stream, self.patience);
        let (serving, refused) = (Arc::clone(self), gate.refused());
        let service = hyper::service::service_fn(move |request: Request<Incoming>| {
            let serving = Arc::clone(&serving);
            // Now, and not when the answer is worked on: what comes behind this
            // request may be refused meanwhile.
            let refusal = refused.get().copied();
            async move { Ok::<_, std::convert::Infallible>(serving.answer(peer, request, refusal).await) }
        });
        let connection = self.protocols.serve_connection_with_upgrades(TokioIo::new(gate), service);
        if let Err(error) = watcher.watch(connection.into_owned()).await {
            tracing::debug!(%error, "a connection ended early");
        }
    }

    async fn answer(&self, peer: IpAddr, request: Request<Incoming>, refusal: Option<Refusal>) -> Response {
        let refusal = refusal.or_else(|| lacks_host(&request).then_some(Refusal::Host));
        let mut answer = match refusal {
            Some(refusal) => {
                Problem::new(refusal.status(), refusal.code(), refusal.to_string()).into_response()
            }
            None => self.route(peer, request).await,
        };
        if self.tls.is_some() {
            answer.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, STRICT_TRANSPORT);
        }
        answer
    }

    /// The answer of whoever the request is for. A stream of live messages is
    /// answered at once and lasts; only the time until the answer begins is bounded.
    async fn route(&self, peer: IpAddr, request: Request<Incoming>) -> Response {
        let (parts, body) = request.into_parts();
        let (body, stalled) = patient(body, self.patience);
        let answer = self.routes.answer(peer, Request::from_parts(parts, body));
        match tokio::time::timeout(self.request_time, answer).await {
            Ok(answer) if !stalled.is_so() => explained(answer).await,
            Ok(_) | Err(_) => {
                let detail = "the request was not there in time, or took too long";
                Problem::new(StatusCode::REQUEST_TIMEOUT, "too_slow", detail).into_response()
            }
        }
    }
}

/// Whether an HTTP/2 request names no host; of others the gate has seen to it.
fn lacks_host(request: &Request<Incoming>) -> bool {
    request.version() == Version::HTTP_2
        && request.uri().authority().is_none()
        && !request.headers().contains_key(header::HOST)
}
