//! Settings: what whoever runs Signalpost may tune. From a file, the
//! environment and the command line, the later winning.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::{Deserialize, Serialize};

/// Every setting, with its default.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The folder everything is kept in.
    pub data: PathBuf,
    /// The address and port to listen on.
    pub listen: SocketAddr,
    /// How the outside reaches this server, for links in mails. Default: `http://` and `listen`.
    pub public_url: String,
    /// Certificate chain, PEM; with `tls_key` the server speaks TLS.
    pub tls_certificate: Option<PathBuf>,
    /// Private key, PEM.
    pub tls_key: Option<PathBuf>,
    /// Certificates that vouch for those of clients, PEM: mutual TLS.
    pub tls_client_ca: Option<PathBuf>,
    /// Whether a client must show a certificate, with `tls_client_ca`.
    pub tls_client_certificates: ClientCertificates,
    /// Partitions of the log; fixed at the first start. More lets more cores work.
    pub partitions: u32,
    /// Profiles held in memory, all partitions together.
    pub cached_profiles: usize,
    /// Requests are refused while the disk has less free than this, in bytes.
    pub min_free_bytes: u64,
    /// The largest request body, in bytes, after decompression.
    pub body_bytes_max: usize,
    /// The most events in one request.
    pub batch_events_max: usize,
    /// Seconds until a request must be there and its answer begin. Whoever sends nothing for 7 is closed before.
    pub request_seconds_max: u64,
    /// Records are kept on the log at least this many days.
    pub log_days: u32,
    /// An event sent again within this many days is known again by its id: 7 to 60.
    pub dedup_days: u32,
    /// Refused events are kept so many days; 0: until somebody drops them.
    pub quarantine_days: u32,
    /// A file with the networks of data centres, one a line: `203.0.113.0/24`.
    pub data_centres: Option<PathBuf>,
    /// Seconds between commits to the lake.
    pub lake_commit_seconds: u64,
    /// Seconds between two comparisons of a few segments with the lake's SQL, at least; 0: none are made.
    pub segment_verify_seconds: u64,
    /// Memory for SQL, in bytes.
    pub sql_memory_bytes: usize,
    /// Seconds an OAuth token is good.
    pub oauth_token_seconds: u64,
    /// Days after which the key that signs tokens is replaced.
    pub oauth_key_days: u32,
    /// The shop's name, for templates.
    pub shop_name: String,
    /// The admin key of the first start; else one is made.
    #[serde(skip_serializing)]
    pub admin_key: Option<String>,
    /// The write key of the first start; else one is made.
    #[serde(skip_serializing)]
    pub write_key: Option<String>,
}

/// Whether clients must show a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientCertificates {
    /// Without one there is no connection.
    Required,
    /// One that is shown must be good.
    Optional,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            data: PathBuf::from("data"),
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            public_url: String::new(),
            tls_certificate: None,
            tls_key: None,
            tls_client_ca: None,
            tls_client_certificates: ClientCertificates::Required,
            partitions: 4,
            cached_profiles: 20_000,
            min_free_bytes: 256 << 20,
            body_bytes_max: 8 << 20,
            batch_events_max: 10_000,
            request_seconds_max: 30,
            log_days: 7,
            dedup_days: 7,
            quarantine_days: 0,
            data_centres: None,
            lake_commit_seconds: 5,
            segment_verify_seconds: 60,
            sql_memory_bytes: 512 << 20,
            oauth_token_seconds: 600,
            oauth_key_days: 90,
            shop_name: String::new(),
            admin_key: None,
            write_key: None,
        }
    }
}

impl Settings {
    /// Reads the file, when one is named, then the environment.
    ///
    /// # Errors
    /// For a file that cannot be read, an unknown key or a value of the wrong kind.
    pub fn load(file: Option<&Path>) -> anyhow::Result<Self> {
        let mut table = match file {
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .with_context(|| format!("cannot read {}", path.display()))?;
                toml::from_str::<toml::Table>(&text)
                    .with_context(|| format!("{} is not TOML", path.display()))?
            }
            None => toml::Table::new(),
        };
        let known = toml::Table::try_from(Self { public_url: " ".into(), ..Self::default() })?;
        let optional =
            ["tls_certificate", "tls_key", "tls_client_ca", "data_centres", "admin_key", "write_key"];
        for name in known.keys().map(String::as_str).chain(optional) {
            if let Some(value) = environment(&format!("SIGNALPOST_{}", name.to_uppercase())) {
                let value = match known.get(name) {
                    Some(toml::Value::Integer(_)) => toml::Value::Integer(
                        value
                            .parse()
                            .with_context(|| format!("SIGNALPOST_{} is not a number", name.to_uppercase()))?,
                    ),
                    _ => toml::Value::String(value),
                };
                table.insert(name.to_owned(), value);
            }
        }
        let settings: Self = table.try_into().context("the settings are wrong")?;
        settings.check()?;
        Ok(settings)
    }

    /// Whether the settings make sense together.
    ///
    /// # Errors
    /// Naming the setting and the value it should have.
    pub fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(
            (1..=256).contains(&self.partitions),
            "partitions must be from 1 to 256, not {}",
            self.partitions
        );
        anyhow::ensure!(
            self.tls_certificate.is_some() == self.tls_key.is_some(),
            "tls_certificate and tls_key go together; one of them is missing"
        );
        anyhow::ensure!(
            self.tls_client_ca.is_none() || self.tls_certificate.is_some(),
            "tls_client_ca needs tls_certificate and tls_key"
        );
        anyhow::ensure!(
            (60..=86_400).contains(&self.oauth_token_seconds),
            "oauth_token_seconds must be from 60 to 86400, not {}",
            self.oauth_token_seconds
        );
        anyhow::ensure!(self.oauth_key_days >= 1, "oauth_key_days must be at least 1");
        anyhow::ensure!(
            (7..=60).contains(&self.dedup_days),
            "dedup_days must be from 7 to 60, not {}",
            self.dedup_days
        );
        anyhow::ensure!(self.body_bytes_max >= 1024, "body_bytes_max must be at least 1024");
        Ok(())
    }

    /// How the outside reaches this server.
    pub fn public_url(&self) -> String {
        if !self.public_url.is_empty() {
            return self.public_url.trim_end_matches('/').to_owned();
        }
        let scheme = if self.tls_certificate.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.listen)
    }
}

/// What the environment says of object stores, by the standard names, as
/// options: `AWS_REGION` is `aws_region`.
pub fn object_store_options() -> Vec<(String, String)> {
    const NAMES: [&str; 16] = [
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_S3",
        "AWS_VIRTUAL_HOSTED_STYLE_REQUEST",
        "AWS_SKIP_SIGNATURE",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_ROLE_ARN",
        "AWS_ROLE_SESSION_NAME",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
        "AWS_METADATA_ENDPOINT",
    ];
    NAMES.iter().filter_map(|name| Some((name.to_ascii_lowercase(), environment(name)?))).collect()
}

/// An environment variable; `None` when unset or empty.
#[expect(clippy::disallowed_methods, reason = "this is the place the environment is read")]
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
