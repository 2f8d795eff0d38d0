//! A bare axum handler that reads the same body into the same kind of struct,
//! keeps nothing and answers 202 with a small JSON: the least any server on this
//! stack must cost, and so the yardstick for ours.
//!
//! [`bare_server`] runs it in this process, [`serve`] as the whole of a process
//! that [`Yardstick::spawn`] has started.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::serve::ListenerExt;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::net::{TcpListener, TcpSocket};

use super::Error;

/// The hidden subcommand that runs [`serve`].
pub const SUBCOMMAND: &str = "bench-yardstick";

/// Connections that may wait to be accepted; Linux caps it at its `somaxconn`.
const BACKLOG: u32 = 4_096;
const WHAT: &str = "yardstick";

/// What a bare handler has answered so far.
#[derive(Debug, Default)]
pub struct Counts {
    /// Requests answered with 202.
    pub requests: AtomicU64,
    /// Events in them.
    pub events: AtomicU64,
}

/// A bare server running in this process.
#[derive(Clone, Debug)]
pub struct BareServer {
    /// Where it listens.
    pub address: SocketAddr,
    /// What it has answered.
    pub counts: Arc<Counts>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "reading into them is the work that is measured")]
struct Event {
    event_type: String,
    customer_id: Option<String>,
    anonymous_id: Option<String>,
    timestamp: Option<String>,
    event_id: Option<String>,
    product_id: Option<String>,
    #[serde(default)]
    properties: HashMap<String, Value>,
    #[serde(default)]
    traits: HashMap<String, Value>,
    #[serde(default)]
    context: HashMap<String, Value>,
}

#[derive(Serialize)]
struct Reply {
    accepted: usize,
    duplicates: usize,
    quarantined: usize,
    errors: [u8; 0],
}

/// The bare handler under `/api/events`.
pub fn router(counts: Arc<Counts>) -> Router {
    Router::new().route("/api/events", post(collect)).with_state(counts)
}

async fn collect(State(counts): State<Arc<Counts>>, body: Bytes) -> Response {
    let events = if body.trim_ascii_start().starts_with(b"[") {
        serde_json::from_slice::<Vec<Event>>(&body)
    } else {
        serde_json::from_slice::<Event>(&body).map(|event| vec![event])
    };
    match events {
        Ok(events) => {
            let accepted = events.len();
            counts.requests.fetch_add(1, Ordering::Relaxed);
            counts.events.fetch_add(accepted as u64, Ordering::Relaxed);
            let reply = Reply { accepted, duplicates: 0, quarantined: 0, errors: [] };
            (StatusCode::ACCEPTED, Json(reply)).into_response()
        }
        Err(wrong) => (StatusCode::BAD_REQUEST, wrong.to_string()).into_response(),
    }
}

/// Starts the bare handler on a free port of 127.0.0.1, on a thread and a
/// runtime of its own that live as long as the process.
pub async fn bare_server() -> Result<BareServer, Error> {
    let counts = Arc::new(Counts::default());
    let (sender, address) = tokio::sync::oneshot::channel();
    let app = router(Arc::clone(&counts));
    let started = |source| Error::Start { what: WHAT, source };
    std::thread::Builder::new()
        .name("bench-bare".to_owned())
        .spawn(move || {
            let listen = SocketAddr::from(([127, 0, 0, 1], 0));
            let mut sender = Some(sender);
            let mut tell = |address: io::Result<SocketAddr>| {
                // Nobody waiting means nobody to tell.
                drop(sender.take().map(|sender| sender.send(address)));
                Ok(())
            };
            if let Err(wrong) = serve_router(listen, app, &mut tell) {
                let _told: io::Result<()> = tell(Err(wrong));
            }
        })
        .map_err(started)?;
    let address = address.await.map_err(|lost| started(io::Error::other(lost)))?.map_err(started)?;
    Ok(BareServer { address, counts })
}

/// Runs the bare handler until standard input ends; the whole of the hidden
/// subcommand [`SUBCOMMAND`].
///
/// Prints one line, the address: `127.0.0.1:40123`. Its parent holds the other
/// end of standard input, so that it never outlives the parent.
pub fn serve(listen: SocketAddr) -> io::Result<()> {
    std::thread::Builder::new().name("bench-parent".to_owned()).spawn(|| {
        // Whether the parent closed the pipe or broke it, it is gone.
        drop(io::stdin().read_to_end(&mut Vec::new()));
        std::process::exit(0);
    })?;
    serve_router(listen, router(Arc::default()), &mut |address| {
        let mut out = io::stdout();
        writeln!(out, "{}", address?)?;
        out.flush()
    })
}

fn serve_router(
    listen: SocketAddr,
    app: Router,
    tell: &mut dyn FnMut(io::Result<SocketAddr>) -> io::Result<()>,
) -> io::Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let listener = listen_deep(listen)?;
        tell(listener.local_addr())?;
        let listener = listener.tap_io(|stream| {
            // Without it an answer may wait for an acknowledgement; it still comes.
            drop(stream.set_nodelay(true));
        });
        axum::serve(listener, app).await
    })
}

/// Listens with room for a whole load's connections to arrive at once. Past the
/// backlog the system drops them, and each is tried again a second later.
fn listen_deep(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// A yardstick running as another process; ends with this value.
#[derive(Debug)]
pub struct Yardstick {
    child: Child,
    address: SocketAddr,
}

impl Yardstick {
    /// Starts `program bench-yardstick --listen 127.0.0.1:0` and reads the address
    /// it prints. Waits for it, so call it where blocking is allowed.
    pub fn spawn(program: &std::path::Path) -> Result<Self, Error> {
        let failed = |source| Error::Start { what: WHAT, source };
        let mut child = Command::new(program)
            .args([SUBCOMMAND, "--listen", "127.0.0.1:0"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let mut line = String::new();
        let read = match child.stdout.take() {
            Some(out) => BufReader::new(out).read_line(&mut line).map(|_| ()),
            None => Ok(()),
        };
        let address = read.and_then(|()| {
            line.trim()
                .parse()
                .map_err(|_| io::Error::other(format!("expected an address, it printed {line:?}")))
        });
        match address {
            Ok(address) => Ok(Self { child, address }),
            Err(wrong) => {
                end(&mut child);
                Err(failed(wrong))
            }
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Yardstick {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn end(child: &mut Child) {
    // Both fail only when the process has already ended, which is what is wanted.
    drop(child.kill());
    drop(child.wait());
}
