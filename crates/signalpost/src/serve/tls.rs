//! TLS: certificate, key and the authorities of clients' certificates, from
//! files that may change while the server runs. A change that cannot be used
//! leaves what was in use before.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::pki_types::pem::{Error as PemError, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{Error, RootCertStore, ServerConfig};

use crate::settings::{ClientCertificates, Settings};

#[cfg(test)]
mod tests;

/// Between two looks at the files.
const PAUSE: Duration = Duration::from_secs(2);

/// The files, as the settings name them.
#[derive(Clone, Debug)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
    client_ca: Option<PathBuf>,
    client_certificates: ClientCertificates,
}

/// What tells one version of a file from the next: a file that is replaced has
/// another number, also where its time is the same. `None` when it is not there.
type Stamp = Option<(SystemTime, u64, u64)>;

/// TLS as it is in use now.
#[derive(Debug)]
pub struct Tls {
    files: Files,
    config: RwLock<Arc<ServerConfig>>,
    stamps: Vec<Stamp>,
}

impl Tls {
    /// Reads the files; `None` when the settings name none.
    ///
    /// # Errors
    /// Naming the file and what is wrong with it.
    pub fn open(settings: &Settings) -> anyhow::Result<Option<Self>> {
        let (Some(certificate), Some(key)) = (&settings.tls_certificate, &settings.tls_key) else {
            return Ok(None);
        };
        let files = Files {
            certificate: certificate.clone(),
            key: key.clone(),
            client_ca: settings.tls_client_ca.clone(),
            client_certificates: settings.tls_client_certificates,
        };
        // Before they are read: a change meanwhile is seen with the next look.
        let stamps = files.stamps();
        let config = RwLock::new(Arc::new(files.read()?));
        Ok(Some(Self { files, config, stamps }))
    }

    /// For one connection, what is in use now.
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner)))
    }

    /// Looks at the files over and over, and takes them up when they changed.
    pub async fn watch(self: Arc<Self>) {
        let mut seen = self.stamps.clone();
        loop {
            tokio::time::sleep(PAUSE).await;
            let own = Arc::clone(&self);
            let before = seen.clone();
            let looked = tokio::task::spawn_blocking(move || own.look(before)).await;
            seen = looked.unwrap_or(seen);
        }
    }

    /// Takes the files up when they are not as they were `before`.
    fn look(&self, before: Vec<Stamp>) -> Vec<Stamp> {
        let stamps = self.files.stamps();
        if stamps == before {
            return before;
        }
        let certificate = self.files.certificate.display();
        match self.files.read() {
            Ok(config) => {
                *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
                tracing::info!(%certificate, "the certificate changed; new connections get it");
            }
            Err(error) => {
                let error = format!("{error:#}");
                tracing::error!(error, "the changed TLS files cannot be used; those from before stay in use");
            }
        }
        stamps
    }
}

impl Files {
    fn stamps(&self) -> Vec<Stamp> {
        let stamp = |file: &PathBuf| {
            let of = |held: Metadata| Some((held.modified().ok()?, held.len(), held.ino()));
            std::fs::metadata(file).ok().and_then(of)
        };
        [Some(&self.certificate), Some(&self.key), self.client_ca.as_ref()]
            .into_iter()
            .flatten()
            .map(stamp)
            .collect()
    }

    fn read(&self) -> anyhow::Result<ServerConfig> {
        let (certificate, key) = (self.certificate.display(), self.key.display());
        let chain = certificates(&self.certificate, "certificate")?;
        let private = private_key(&self.key)?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13, &TLS12])?;
        let builder = match self.client_verifier(provider)? {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_single_cert(chain, private).map_err(|error| match error {
            Error::InconsistentKeys(_) => {
                anyhow::anyhow!("the key {key} does not belong to the certificate {certificate}")
            }
            Error::InvalidCertificate(why) => {
                anyhow::anyhow!("the certificate {certificate} cannot be used: {why:?}")
            }
            error => {
                anyhow::anyhow!("the certificate {certificate} and the key {key} cannot be used: {error}")
            }
        })?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }

    /// Who looks at clients' certificates; `None` when nobody does.
    fn client_verifier(
        &self,
        provider: Arc<CryptoProvider>,
    ) -> anyhow::Result<Option<Arc<dyn ClientCertVerifier>>> {
        let Some(file) = &self.client_ca else { return Ok(None) };
        let mut roots = RootCertStore::empty();
        for certificate in certificates(file, "client authority")? {
            roots
                .add(certificate)
                .with_context(|| format!("the client authority {} cannot be used", file.display()))?;
        }
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        let builder = match self.client_certificates {
            ClientCertificates::Required => builder,
            ClientCertificates::Optional => builder.allow_unauthenticated(),
        };
        let verifier = builder
            .build()
            .with_context(|| format!("the client authority {} cannot be used", file.display()))?;
        Ok(Some(verifier))
    }
}

fn bytes(file: &Path, what: &str) -> anyhow::Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("cannot read the {what} {}", file.display()))
}

/// The certificates of a PEM file, at least one.
fn certificates(file: &Path, what: &str) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let found: Vec<_> =
        CertificateDer::pem_slice_iter(&bytes(file, what)?).collect::<Result<_, _>>().map_err(|error| {
            anyhow::anyhow!("the {what} {} is damaged PEM: {}", file.display(), damage(&error))
        })?;
    if found.is_empty() {
        bail!("the {what} {} holds no certificate: it must be PEM, with BEGIN CERTIFICATE", file.display());
    }
    Ok(found)
}

fn private_key(file: &Path) -> anyhow::Result<PrivateKeyDer<'static>> {
    let text = bytes(file, "key")?;
    let is_encrypted = String::from_utf8_lossy(&text).contains("ENCRYPTED");
    let file = file.display();
    match PrivateKeyDer::from_pem_slice(&text) {
        Ok(key) if !is_encrypted => Ok(key),
        Ok(_) => bail!("the key {file} is encrypted; write it plain: openssl pkey -in {file}"),
        Err(PemError::NoItemsFound) if is_encrypted => {
            bail!("the key {file} is encrypted; write it plain: openssl pkey -in {file}")
        }
        Err(PemError::NoItemsFound) => {
            bail!("the key {file} holds no private key: it must be PEM, with BEGIN PRIVATE KEY")
        }
        Err(error) => bail!("the key {file} is damaged PEM: {}", damage(&error)),
    }
}

/// What is wrong, without what stands in the file.
fn damage(error: &PemError) -> &'static str {
    match error {
        PemError::MissingSectionEnd { .. } => "a block has no END line",
        PemError::IllegalSectionStart { .. } => "a BEGIN line is not right",
        PemError::Base64Decode(_) => "a block is not base64",
        _ => "it cannot be read",
    }
}
