//! Files that cannot be used are named, with what is wrong.

use std::process::Command;

use super::*;

/// A key and a certificate for it, by openssl.
fn make(folder: &Path, name: &str) -> (PathBuf, PathBuf) {
    let (certificate, key) = (folder.join(format!("{name}.crt")), folder.join(format!("{name}.key")));
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
        ])
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
        .arg("-out")
        .arg(&certificate)
        .arg("-keyout")
        .arg(&key)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    (certificate, key)
}

fn settings(certificate: &Path, key: &Path, client_ca: Option<&Path>) -> Settings {
    Settings {
        tls_certificate: Some(certificate.to_owned()),
        tls_key: Some(key.to_owned()),
        tls_client_ca: client_ca.map(Path::to_owned),
        ..Settings::default()
    }
}

/// Why these files cannot be used.
fn refused(certificate: &Path, key: &Path, client_ca: Option<&Path>) -> String {
    format!("{:#}", Tls::open(&settings(certificate, key, client_ca)).unwrap_err())
}

#[test]
fn a_file_that_cannot_be_used_is_named_with_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let (certificate, key) = make(folder.path(), "one");
    let (_, other_key) = make(folder.path(), "other");
    assert!(Tls::open(&settings(&certificate, &key, Some(&certificate))).unwrap().is_some());
    let missing = folder.path().join("missing.pem");
    let empty = write("empty.pem", b"");
    let damaged = write("damaged.pem", b"-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n");
    let nonsense = write("nonsense.pem", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let text = std::fs::read(&key).unwrap();
    let cut = write("cut.key", &text[..text.len() / 2]);
    let encrypted = folder.path().join("encrypted.key");
    let encrypting = Command::new("openssl")
        .args(["pkey", "-aes256", "-passout", "pass:secret", "-in"])
        .arg(&key)
        .arg("-out")
        .arg(&encrypted)
        .output()
        .unwrap();
    assert!(encrypting.status.success());
    for (error, file, what) in [
        (refused(&missing, &key, None), &missing, "cannot read the certificate"),
        (refused(&certificate, &missing, None), &missing, "cannot read the key"),
        (refused(&empty, &key, None), &empty, "holds no certificate"),
        (refused(&key, &key, None), &key, "holds no certificate"),
        (refused(&damaged, &key, None), &damaged, "damaged PEM"),
        (refused(&nonsense, &key, None), &nonsense, "cannot be used"),
        (refused(&certificate, &certificate, None), &certificate, "holds no private key"),
        (refused(&certificate, &cut, None), &cut, "damaged PEM"),
        (refused(&certificate, &encrypted, None), &encrypted, "is encrypted"),
        (refused(&certificate, &other_key, None), &other_key, "does not belong to the certificate"),
        (refused(&certificate, &key, Some(&missing)), &missing, "cannot read the client authority"),
        (refused(&certificate, &key, Some(&key)), &key, "holds no certificate"),
        (refused(&certificate, &key, Some(&nonsense)), &nonsense, "cannot be used"),
    ] {
        assert!(error.contains(&file.display().to_string()) && error.contains(what), "{error}");
    }
}
