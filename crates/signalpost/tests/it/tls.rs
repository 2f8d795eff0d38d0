//! TLS, spoken by openssl: versions, protocols, clients' certificates, and files
//! that change while the server runs.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::support::{Server, command, eventually, free_port};

fn openssl(arguments: &[&str]) -> Output {
    let output = Command::new("openssl").args(arguments).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// A certificate of its own authority, and its key.
#[derive(Debug)]
struct Identity {
    certificate: PathBuf,
    key: PathBuf,
}

impl Identity {
    fn make(folder: &Path, name: &str) -> Self {
        let (certificate, key) = (folder.join(format!("{name}.crt")), folder.join(format!("{name}.key")));
        let subject = format!("/CN={name}");
        openssl(&[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
            "-subj",
            &subject,
            "-addext",
            "subjectAltName=DNS:localhost,IP:127.0.0.1",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
            "-out",
            certificate.to_str().unwrap(),
            "-keyout",
            key.to_str().unwrap(),
        ]);
        Self { certificate, key }
    }

    fn settings(&self) -> [(&str, &str); 2] {
        [
            ("SIGNALPOST_TLS_CERTIFICATE", self.certificate.to_str().unwrap()),
            ("SIGNALPOST_TLS_KEY", self.key.to_str().unwrap()),
        ]
    }

    /// Takes the place of another's files, as whoever renews a certificate does.
    fn replace(&self, other: &Self) {
        for (from, to) in [(&self.certificate, &other.certificate), (&self.key, &other.key)] {
            let beside = to.with_extension("new");
            std::fs::copy(from, &beside).unwrap();
            std::fs::rename(beside, to).unwrap();
        }
    }
}

/// What `openssl s_client` says of a connection, and whether it came about.
fn client(address: SocketAddr, arguments: &[&str], sent: &str) -> (bool, String) {
    use std::io::Write;
    let mut child = Command::new("timeout")
        .args(["20", "openssl", "s_client", "-connect", &address.to_string(), "-servername", "localhost"])
        .args(["-ign_eof"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A server that refuses the handshake may close before anything is sent.
    drop(child.stdin.take().unwrap().write_all(sent.as_bytes()));
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    (said.contains("Cipher is TLS_") || said.contains("Cipher is ECDHE"), said)
}

const ASK: &str = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

#[test]
fn only_new_versions_are_spoken_and_browsers_are_told_to_stay() {
    let folder = tempfile::tempdir().unwrap();
    let identity = Identity::make(folder.path(), "one");
    let server = Server::with(&identity.settings());
    for version in ["-tls1_2", "-tls1_3"] {
        let (connected, said) = client(server.address, &[version], ASK);
        assert!(connected && said.contains("HTTP/1.1 200 OK"), "{version}: {said}");
        assert!(said.to_lowercase().contains("strict-transport-security: max-age=63072000"), "{said}");
    }
    for version in ["-tls1", "-tls1_1"] {
        let (connected, said) = client(server.address, &[version, "-cipher", "DEFAULT@SECLEVEL=0"], ASK);
        assert!(!connected && !said.contains("HTTP/1.1"), "{version}: {said}");
    }
    let (connected, said) =
        client(server.address, &["-tls1_2", "-cipher", "AES128-SHA:AES256-GCM-SHA384"], ASK);
    assert!(!connected, "without forward secrecy: {said}");
    for (offered, chosen) in [("h2,http/1.1", "h2"), ("http/1.1", "http/1.1")] {
        let ask = if chosen == "h2" { "" } else { ASK };
        let said = client(server.address, &["-alpn", offered, "-no_ign_eof"], ask).1;
        assert!(said.contains(&format!("ALPN protocol: {chosen}")), "{said}");
    }
    let root = reqwest::Certificate::from_pem(&std::fs::read(&identity.certificate).unwrap()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = reqwest::Client::builder().tls_certs_only([root]).no_proxy().build().unwrap();
        let url = format!("https://localhost:{}/healthz", server.address.port());
        let answer = client.get(url).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.version()), (200, reqwest::Version::HTTP_2));
        assert!(answer.headers().contains_key("strict-transport-security"));
    });
}

/// Who the server says it is.
fn name(address: SocketAddr) -> String {
    let said = client(address, &[], ASK).1;
    let subject = said.lines().find_map(|line| line.strip_prefix("subject=")).unwrap_or_default();
    subject.replace("CN = ", "").replace("CN=", "").trim().to_owned()
}

#[test]
fn a_changed_certificate_is_taken_up_and_a_broken_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let [one, two, three] = ["one", "two", "three"].map(|name| Identity::make(folder.path(), name));
    let server = Server::with(&one.settings());
    assert_eq!(name(server.address), "one");
    two.replace(&one);
    eventually("the new certificate is served", || (name(server.address) == "two").then_some(()));
    std::fs::write(&one.certificate, "-----BEGIN CERTIFICATE-----\nhalf").unwrap();
    eventually("the broken file is complained about", || {
        let said = server.complaints();
        (said.contains("cannot be used") && said.contains(one.certificate.to_str().unwrap())).then_some(())
    });
    assert_eq!(name(server.address), "two", "the one from before stays");
    std::fs::copy(&three.certificate, &one.certificate).unwrap();
    eventually("the key of another certificate is complained about", || {
        server.complaints().contains("does not belong").then_some(())
    });
    std::fs::remove_file(&one.key).unwrap();
    eventually("the missing key is complained about", || {
        server.complaints().contains("cannot read the key").then_some(())
    });
    assert_eq!(name(server.address), "two");
    three.replace(&one);
    eventually("the mended files are served", || (name(server.address) == "three").then_some(()));
}

#[test]
fn clients_show_a_certificate_where_they_must() {
    let folder = tempfile::tempdir().unwrap();
    let [own, known, stranger] = ["own", "known", "stranger"].map(|name| Identity::make(folder.path(), name));
    for (wanted, without) in [("required", false), ("optional", true)] {
        let [certificate, key] = own.settings();
        let server = Server::with(&[
            certificate,
            key,
            ("SIGNALPOST_TLS_CLIENT_CA", known.certificate.to_str().unwrap()),
            ("SIGNALPOST_TLS_CLIENT_CERTIFICATES", wanted),
        ]);
        let showing = |identity: Option<&Identity>| {
            let shown = identity
                .map(|one| ["-cert", one.certificate.to_str().unwrap(), "-key", one.key.to_str().unwrap()]);
            let arguments = shown.as_ref().map_or(&[][..], |shown| &shown[..]);
            client(server.address, arguments, ASK).1.contains("HTTP/1.1 200 OK")
        };
        assert!(showing(Some(&known)), "{wanted}");
        assert!(!showing(Some(&stranger)), "{wanted}");
        assert_eq!(showing(None), without, "{wanted}");
    }
}

#[test]
fn files_that_cannot_be_used_stop_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let [one, two] = ["one", "two"].map(|name| Identity::make(folder.path(), name));
    let start = |certificate: &Path, key: &Path| {
        let output = command(&folder.path().join("data"))
            .args(["serve", "--listen", &format!("127.0.0.1:{}", free_port())])
            .env("SIGNALPOST_TLS_CERTIFICATE", certificate)
            .env("SIGNALPOST_TLS_KEY", key)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let said = start(&one.certificate, &two.key);
    assert!(
        said.contains("two.key does not belong to the certificate") && said.contains("one.crt"),
        "{said}"
    );
    let said = start(Path::new("/nowhere.crt"), &one.key);
    assert!(said.contains("cannot read the certificate /nowhere.crt"), "{said}");
    let said = start(&one.key, &one.certificate);
    assert!(said.contains("one.key holds no certificate"), "{said}");
    assert!(!folder.path().join("data").exists(), "nothing was begun");
}
