//! The listener: HTTP/1.1 and 2 on one port, TLS when configured, and limits
//! on how long a client may take.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tower::Service;

use super::explained::explained;
use super::first_bytes::FirstBytes;
use crate::settings::Settings;

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 4_096;
/// How long connections may take to end when the server stops.
const DRAIN: Duration = Duration::from_secs(10);
/// Pause after an accept that failed: file descriptors may have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A bound listener, not yet serving.
#[derive(Debug)]
pub struct Listener {
    tcp: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    request_time: Duration,
}

impl Listener {
    /// Binds the address.
    ///
    /// # Errors
    /// When it is taken, or the certificate cannot be read.
    pub fn bind(settings: &Settings) -> anyhow::Result<Self> {
        let tls = match (&settings.tls_certificate, &settings.tls_key) {
            (Some(certificate), Some(key)) => Some(tls_config(certificate, key)?),
            _ => None,
        };
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
    pub async fn serve(self, router: Router, stop: impl Future<Output = ()>) {
        let mut builder = auto::Builder::new(TokioExecutor::new());
        // Without these a half-sent request would hold its connection for ever.
        builder.http1().timer(TokioTimer::new()).header_read_timeout(self.request_time);
        builder
            .http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(Some(Duration::from_secs(20)))
            .max_concurrent_streams(256);
        let builder = Arc::new(builder);
        let graceful = GracefulShutdown::new();
        let acceptor = self.tls.map(TlsAcceptor::from);
        tokio::pin!(stop);
        loop {
            let stream = tokio::select! {
                () = &mut stop => break,
                accepted = self.tcp.accept() => match accepted {
                    Ok((stream, _)) => stream,
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                        continue;
                    }
                },
            };
            // Small answers must not wait for more to send.
            drop(stream.set_nodelay(true));
            let (router, builder, watcher) = (router.clone(), Arc::clone(&builder), graceful.watcher());
            let acceptor = acceptor.clone();
            let request_time = self.request_time;
            tokio::spawn(async move {
                match acceptor {
                    None => connection(stream, router, &builder, watcher, request_time).await,
                    Some(acceptor) => {
                        let Ok(Ok(stream)) =
                            tokio::time::timeout(request_time, acceptor.accept(stream)).await
                        else {
                            return;
                        };
                        connection(stream, router, &builder, watcher, request_time).await;
                    }
                }
            });
        }
        if tokio::time::timeout(DRAIN, graceful.shutdown()).await.is_err() {
            tracing::warn!("some connections did not end in time and were closed");
        }
    }
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn connection<I: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: I,
    router: Router,
    builder: &auto::Builder<TokioExecutor>,
    watcher: hyper_util::server::graceful::Watcher,
    request_time: Duration,
) {
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let mut router = router.clone();
        async move {
            // A stream of live messages is answered at once and lasts; only
            // the time until the answer begins is bounded.
            let answer = router.call(request);
            match tokio::time::timeout(request_time, answer).await {
                Ok(Ok(answer)) => Ok(explained(answer).await),
                Ok(Err(never)) => Err(never),
                Err(_) => Ok(axum::response::IntoResponse::into_response(crate::problem::Problem::new(
                    axum::http::StatusCode::REQUEST_TIMEOUT,
                    "too_slow",
                    "the request was not there in time, or took too long",
                ))),
            }
        }
    });
    let stream = TokioIo::new(FirstBytes::new(stream, request_time));
    let serving = watcher.watch(builder.serve_connection_with_upgrades(stream, service).into_owned());
    if let Err(error) = serving.await {
        tracing::debug!(%error, "a connection ended early");
    }
}

fn tls_config(certificate: &std::path::Path, key: &std::path::Path) -> anyhow::Result<Arc<ServerConfig>> {
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("cannot read the certificate {}", certificate.display()))?;
    let key = PrivateKeyDer::from_pem_file(key)
        .with_context(|| format!("cannot read the key {}", key.display()))?;
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .context("the certificate and the key do not fit")?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
