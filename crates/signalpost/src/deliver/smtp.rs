//! Sending by mail. In: a message. Out: what the mail server said to it.
//!
//! A few connections are kept open and used again. What may be tried again and
//! what may not hangs on how far a mail had come: see [`Smtp::send`].

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use signalpost_core::time::Timestamp;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::message::{Message, Outcome};
use super::secret::{MASK, Secret, shown};

mod build;
mod session;
mod socket;

#[cfg(test)]
mod tests;

pub use build::{Error as BuildError, Sender, build, message_id};
use session::{Access, Failure, Stage};

/// Bytes of an answer that are kept.
const ANSWER_BYTES_MAX: usize = 1_024;
/// Seconds a command may take, unless set.
pub const TIMEOUT_SECONDS: u32 = 60;
/// Connections open at once, unless set.
pub const CONNECTIONS_MAX: u32 = 4;
/// Mails over one connection: many servers end it soon after.
const MAILS_PER_CONNECTION: u32 = 100;
/// A connection unused for longer is not used again; servers close theirs.
const IDLE_MAX: Duration = Duration::from_secs(20);

/// How the connection is secured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// `STARTTLS`, or no mail (port 587).
    #[default]
    Required,
    /// TLS from the first byte (port 465, RFC 8314).
    Implicit,
    /// `STARTTLS` where offered. Someone in between can take the offer away.
    Opportunistic,
    /// In the open. A password then goes to this machine only.
    None,
}

/// A mail server and what it is told.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Its name or address; the certificate must be for it.
    pub host: String,
    /// By default 465 with implicit TLS, else 587.
    #[serde(default)]
    pub port: Option<u16>,
    /// How the connection is secured; by default `required`.
    #[serde(default)]
    pub tls: Tls,
    /// Who logs in; none: nobody does.
    #[serde(default)]
    pub username: Option<String>,
    /// The password that goes with it.
    #[serde(default)]
    pub password: Option<Secret>,
    /// `Name <name@example.com>`; bounces go there too.
    pub from: String,
    /// Where answers go, if not to `from`.
    #[serde(default)]
    pub reply_to: Option<String>,
    /// A PEM file of authorities to trust besides the system's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// How this machine introduces itself (`EHLO`); by default the domain of `from`.
    #[serde(default)]
    pub hello_name: Option<String>,
    /// Seconds a command may take, 1 to 600, by default 60; the end of a mail
    /// may take ten times as long.
    #[serde(default = "timeout_seconds")]
    pub timeout_seconds: u32,
    /// Connections open at once, 1 to 100, by default 4.
    #[serde(default = "connections_max")]
    pub connections_max: u32,
}

const fn timeout_seconds() -> u32 {
    TIMEOUT_SECONDS
}

const fn connections_max() -> u32 {
    CONNECTIONS_MAX
}

/// Settings that cannot work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The sender's addresses.
    #[error("smtp.{0}")]
    Sender(BuildError),
    /// A field out of its bounds.
    #[error("smtp.{field} {problem}")]
    Field {
        /// The setting.
        field: &'static str,
        /// What is wrong and what was expected.
        problem: &'static str,
    },
    /// The file of authorities.
    #[error("smtp.ca_file {path:?}: {problem}; expected PEM certificates")]
    CaFile {
        /// Its path.
        path: PathBuf,
        /// Why it cannot be used.
        problem: String,
    },
    /// TLS could not be set up.
    #[error("cannot set up TLS: {0}")]
    Tls(String),
}

impl Settings {
    /// What a user may see of them.
    pub fn describe(&self) -> Value {
        json!({
            "host": self.host,
            "port": self.port(),
            "tls": self.tls,
            "username": self.username,
            "password": self.password.as_ref().map(|_| MASK),
            "from": self.from,
            "reply_to": self.reply_to,
            "ca_file": self.ca_file,
            "hello_name": self.hello_name,
            "timeout_seconds": self.timeout_seconds,
            "connections_max": self.connections_max,
        })
    }

    /// The port that will be used.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(if self.tls == Tls::Implicit { 465 } else { 587 })
    }

    /// Puts the password of the settings `before` where these hold a mask: a form
    /// may send back what [`Settings::describe`] showed it. Only for the same
    /// server, secured no less; else the mask stays and [`Smtp::new`] asks for
    /// the password.
    #[must_use]
    pub fn with_secrets_of(mut self, before: &Self) -> Self {
        let same = self.host == before.host
            && self.port() == before.port()
            && self.tls == before.tls
            && self.ca_file == before.ca_file;
        if same {
            self.password = self.password.map(|password| password.or_before(before.password.as_ref()));
        }
        self
    }

    fn credentials(&self) -> Result<Option<Credentials>, Error> {
        let (username, password) = match (&self.username, &self.password) {
            (None, None) => return Ok(None),
            (Some(username), Some(password)) => (username, password),
            _ => {
                let problem = "and smtp.password go together: set both or neither";
                return Err(Error::Field { field: "username", problem });
            }
        };
        if password.is_mask() {
            let problem = "is masked; send it once more, as the server or its security is another";
            return Err(Error::Field { field: "password", problem });
        }
        let here = self.host == "localhost" || self.host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        if self.tls == Tls::None && !here {
            let problem = "would be sent in the open; set smtp.tls to \"required\" or \"implicit\"";
            return Err(Error::Field { field: "password", problem });
        }
        Ok(Some(Credentials::new(username.clone(), password.reveal().to_owned())))
    }

    fn tls_parameters(&self) -> Result<TlsParameters, Error> {
        let mut builder = TlsParameters::builder(self.host.clone());
        if let Some(path) = &self.ca_file {
            let wrong = |problem: String| Error::CaFile { path: path.clone(), problem };
            let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
            if !pem.windows(27).any(|bytes| bytes == b"-----BEGIN CERTIFICATE-----") {
                return Err(wrong("no certificate in it".to_owned()));
            }
            let authorities = Certificate::from_pem(&pem).map_err(|error| wrong(error.to_string()))?;
            builder = builder.add_root_certificate(authorities);
        }
        builder.build_rustls().map_err(|error| Error::Tls(error.to_string()))
    }

    fn check(&self) -> Result<(), Error> {
        let odd = |text: &str| text.is_empty() || text.chars().any(|c| c.is_control() || c.is_whitespace());
        if odd(&self.host) {
            return Err(Error::Field { field: "host", problem: "must be a name or address of a server" });
        }
        if self.hello_name.as_deref().is_some_and(odd) {
            return Err(Error::Field { field: "hello_name", problem: "must be a domain name" });
        }
        if !(1..=600).contains(&self.timeout_seconds) {
            return Err(Error::Field { field: "timeout_seconds", problem: "must be from 1 to 600" });
        }
        if !(1..=100).contains(&self.connections_max) {
            return Err(Error::Field { field: "connections_max", problem: "must be from 1 to 100" });
        }
        Ok(())
    }
}

/// An open connection between two mails.
struct Idle {
    connection: AsyncSmtpConnection,
    since: Instant,
    mails: u32,
}

/// A mail server ready to be sent to. It connects when there is mail.
pub struct Smtp {
    access: Access,
    sender: Sender,
    secrets: Vec<Secret>,
    permits: Semaphore,
    idle: Mutex<Vec<Idle>>,
}

impl fmt::Debug for Smtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Smtp({}:{})", self.access.host, self.access.port)
    }
}

impl Smtp {
    /// Checks the settings and reads the file of authorities; connects to nothing.
    pub fn new(settings: Settings) -> Result<Self, Error> {
        settings.check()?;
        let sender = Sender::new(&settings.from, settings.reply_to.as_deref()).map_err(Error::Sender)?;
        let hello = settings.hello_name.clone().unwrap_or_else(|| sender.domain().to_owned());
        let access = Access {
            port: settings.port(),
            tls: settings.tls,
            tls_parameters: settings.tls_parameters()?,
            hello: ClientId::Domain(hello),
            credentials: settings.credentials()?,
            timeout: Duration::from_secs(u64::from(settings.timeout_seconds)),
            host: settings.host,
        };
        let connections = usize::try_from(settings.connections_max).unwrap_or(1);
        Ok(Self {
            access,
            sender,
            secrets: settings.password.into_iter().collect(),
            permits: Semaphore::new(connections),
            idle: Mutex::new(Vec::new()),
        })
    }

    /// Sends it once; waits while all connections are busy.
    ///
    /// What fails before the mail's final dot was not taken: `Retry`, or
    /// `Refused` for a 5xx reply to this mail. A 5xx while connecting or
    /// logging in is about the settings, not the mail: `Retry`. Silence after
    /// the dot is `InDoubt`: the server may have the mail.
    pub async fn send(&self, message: &Message, now: Timestamp) -> Outcome {
        let prepared =
            build(message, &self.sender, now).and_then(|mail| Ok((mail, build::recipient(message)?)));
        let (mail, to) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => return Outcome::Refused { reason: error.to_string() },
        };
        let Ok(_permit) = self.permits.acquire().await else {
            return Outcome::Retry { reason: "the destination is closing".to_owned(), after: None };
        };
        match Box::pin(self.hand_over(&to, &mail)).await {
            Ok(answer) => Outcome::Accepted { answer: self.shown(&answer) },
            Err(failure) => self.outcome(&failure),
        }
    }

    async fn hand_over(&self, to: &lettre::Address, mail: &[u8]) -> Result<String, Failure> {
        let timeout = self.access.timeout;
        let from = self.sender.address();
        if let Some(mut idle) = self.take_idle() {
            let result = session::transmit(&mut idle.connection, timeout, from, to, mail).await;
            // The server may have closed it meanwhile; then nothing of this mail
            // is there yet and a new connection is the answer.
            let stale = matches!(&result, Err(failure)
                if failure.stage == Stage::Sender && !failure.leaves_connection());
            if !stale {
                self.put_back(idle, result.as_ref().err()).await;
                return result;
            }
        }
        let connection = session::open(&self.access).await?;
        let mut fresh = Idle { connection, since: Instant::now(), mails: 0 };
        let result = session::transmit(&mut fresh.connection, timeout, from, to, mail).await;
        self.put_back(fresh, result.as_ref().err()).await;
        result
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_idle(&self) -> Option<Idle> {
        let mut idle = self.idle();
        idle.retain(|idle| idle.since.elapsed() < IDLE_MAX);
        idle.pop()
    }

    async fn put_back(&self, mut used: Idle, failure: Option<&Failure>) {
        used.mails += 1;
        let usable = match failure {
            None => used.mails < MAILS_PER_CONNECTION,
            Some(failure) => {
                failure.leaves_connection() && session::reset(&mut used.connection, self.access.timeout).await
            }
        };
        if usable {
            used.since = Instant::now();
            self.idle().push(used);
        } else if failure.is_none() {
            // A polite end; nothing hangs on whether the server hears it.
            drop(tokio::time::timeout(Duration::from_secs(1), used.connection.abort()).await);
        }
    }

    fn outcome(&self, failure: &Failure) -> Outcome {
        let reason = self.shown(&failure.reason);
        // 530, 534, 535 and 538 ask for another login or for TLS (RFC 4954 §6).
        let about_session =
            failure.stage == Stage::Session || matches!(failure.code, Some(530 | 534 | 535 | 538));
        match failure.code {
            Some(code) if (500..600).contains(&code) && !about_session => Outcome::Refused { reason },
            None if failure.stage == Stage::End => Outcome::InDoubt { reason },
            _ => Outcome::Retry { reason, after: None },
        }
    }

    fn shown(&self, text: &str) -> String {
        shown(text, self.secrets.iter().map(Secret::reveal), ANSWER_BYTES_MAX)
    }
}
