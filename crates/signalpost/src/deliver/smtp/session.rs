//! One conversation with a mail server. In: a connection and a mail. Out: the
//! server's answer, or how far the mail had come when it failed.
//!
//! The library's own `send` does not tell an error before the end of the mail
//! from one after it, and only the first may be tried again without the risk of
//! a second copy. So the steps of RFC 5321 are taken one by one here.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lettre::Address;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt, Rset};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use lettre::transport::smtp::response::Severity;
use tokio::net::TcpStream;

use super::Tls;
use super::socket::Socket;

/// The end of a mail is given this many times the timeout of a command: servers
/// scan and store before they answer (RFC 5321 §4.5.3.2.6: ten minutes).
const END_TIMEOUT_TIMES: u32 = 10;

/// Where to connect and as whom.
pub(super) struct Access {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: Tls,
    pub(super) tls_parameters: TlsParameters,
    pub(super) hello: ClientId,
    pub(super) credentials: Option<Credentials>,
    pub(super) timeout: Duration,
}

/// How far a mail had come when something failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Connecting, TLS, logging in: the mail plays no part yet.
    Session,
    /// `MAIL FROM` on a connection that was open already.
    Sender,
    /// `RCPT TO`, `DATA` or the mail itself, before its final dot.
    Before,
    /// The final dot may have reached the server.
    End,
}

/// What went wrong, and where.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) stage: Stage,
    /// The reply's code, if it was a reply.
    pub(super) code: Option<u16>,
    pub(super) reason: String,
}

impl Failure {
    fn new(stage: Stage, reason: impl Into<String>) -> Self {
        Self { stage, code: None, reason: reason.into() }
    }

    /// Whether the connection can serve the next mail: the server said no and
    /// did not hang up (421 announces that it does).
    pub(super) fn leaves_connection(&self) -> bool {
        self.stage != Stage::Session && self.code.is_some_and(|code| code != 421)
    }
}

/// Waits for a step up to `limit`; errors are given their place.
async fn step<T>(
    stage: Stage,
    limit: Duration,
    work: impl Future<Output = Result<T, lettre::transport::smtp::Error>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(limit, work).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => {
            Err(Failure { stage, code: error.status().map(u16::from), reason: error.to_string() })
        }
        Err(_) => Err(Failure::new(stage, format!("no answer within {limit:?}"))),
    }
}

/// Connects and reads the server's greeting.
///
/// The library writes a mail and its final dot apart. Nagle's algorithm would
/// hold the dot back until the mail is acknowledged, 40 ms later as a rule, so
/// the socket is ours and has it off; with TLS from the first byte the library
/// takes no socket but its own.
async fn connect(access: &Access) -> Result<AsyncSmtpConnection, Failure> {
    let (address, limit) = ((access.host.as_str(), access.port), access.timeout);
    if access.tls == Tls::Implicit {
        let tls = Some(access.tls_parameters.clone());
        let connect = AsyncSmtpConnection::connect_tokio1(address, Some(limit), &access.hello, tls, None);
        return step(Stage::Session, limit, Box::pin(connect)).await;
    }
    let failed = |reason| Failure::new(Stage::Session, format!("cannot connect: {reason}"));
    let socket = match tokio::time::timeout(limit, TcpStream::connect(address)).await {
        Ok(socket) => socket.map_err(|error| failed(error.to_string()))?,
        Err(_) => return Err(failed(format!("no answer within {limit:?}"))),
    };
    socket.set_nodelay(true).map_err(|error| failed(error.to_string()))?;
    let greet = AsyncSmtpConnection::connect_with_transport(Box::new(Socket::new(socket)), &access.hello);
    step(Stage::Session, limit, Box::pin(greet)).await
}

/// Connects, secures and logs in.
pub(super) async fn open(access: &Access) -> Result<AsyncSmtpConnection, Failure> {
    let mut connection = connect(access).await?;
    let upgrade = match access.tls {
        Tls::Required => {
            if !connection.can_starttls() {
                let reason = "the server offers no STARTTLS and smtp.tls is \"required\"";
                return Err(Failure::new(Stage::Session, reason));
            }
            true
        }
        Tls::Opportunistic => connection.can_starttls(),
        Tls::Implicit | Tls::None => false,
    };
    if upgrade {
        let starttls = connection.starttls(access.tls_parameters.clone(), &access.hello);
        step(Stage::Session, access.timeout, Box::pin(starttls)).await?;
    }
    if let Some(credentials) = &access.credentials {
        if access.tls == Tls::Opportunistic && !connection.is_encrypted() {
            let reason = "the server offers no TLS; the password was not sent in the open";
            return Err(Failure::new(Stage::Session, reason));
        }
        let login = connection.auth(&[Mechanism::Plain, Mechanism::Login], credentials);
        step(Stage::Session, access.timeout, Box::pin(login)).await?;
    }
    Ok(connection)
}

/// Hands one mail over; `Ok` holds the server's answer.
pub(super) async fn transmit(
    connection: &mut AsyncSmtpConnection,
    timeout: Duration,
    from: &Address,
    to: &Address,
    mail: &[u8],
) -> Result<String, Failure> {
    let info = connection.server_info();
    let mut parameters = Vec::new();
    if !(from.to_string().is_ascii() && to.to_string().is_ascii()) {
        if !info.supports_feature(Extension::SmtpUtfEight) {
            let reason = "the server does not take addresses with letters beyond ASCII (no SMTPUTF8)";
            return Err(Failure { stage: Stage::Before, code: Some(553), reason: reason.to_owned() });
        }
        parameters.push(MailParameter::SmtpUtfEight);
    }
    if !mail.is_ascii() && info.supports_feature(Extension::EightBitMime) {
        parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
    }
    step(Stage::Sender, timeout, connection.command(Mail::new(Some(from.clone()), parameters))).await?;
    step(Stage::Before, timeout, connection.command(Rcpt::new(to.clone(), Vec::new()))).await?;
    step(Stage::Before, timeout, connection.command(Data)).await?;
    end(connection, timeout, mail).await
}

/// Sends the mail's bytes and the final dot, and reads the answer to it.
async fn end(
    connection: &mut AsyncSmtpConnection,
    timeout: Duration,
    mail: &[u8],
) -> Result<String, Failure> {
    // The library asks for the next piece once the last is written, and writes
    // the dot when there is none: being asked in vain is the point of no return.
    let dot = AtomicBool::new(false);
    let mut pieces = std::iter::once(mail);
    let pieces = std::iter::from_fn(|| {
        let piece = pieces.next();
        dot.store(piece.is_none(), Ordering::Relaxed);
        piece
    });
    let limit = timeout.saturating_mul(END_TIMEOUT_TIMES);
    let answer = step(Stage::Before, limit, connection.message_iter(pieces)).await;
    let stage = if dot.load(Ordering::Relaxed) { Stage::End } else { Stage::Before };
    let response = answer.map_err(|failure| Failure { stage, ..failure })?;
    let text = response.message().collect::<Vec<_>>().join(" ");
    if response.code().severity != Severity::PositiveCompletion {
        return Err(Failure::new(stage, format!("unexpected answer {}: {text}", response.code())));
    }
    Ok(format!("{} {text}", response.code()))
}

/// Makes a connection ready for another mail after a refusal.
pub(super) async fn reset(connection: &mut AsyncSmtpConnection, timeout: Duration) -> bool {
    step(Stage::Session, timeout, connection.command(Rset)).await.is_ok()
}
