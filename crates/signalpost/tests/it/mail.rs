//! Mail over SMTP, to a real mail server: aiosmtpd (Debian's
//! `python3-aiosmtpd`) run beside the program; skipped loudly without it.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::{Value as Json, json};
use tempfile::TempDir;

use crate::deliver::{await_status, campaign};
use crate::support::{Server, free_port};

const SCRIPT: &str = r#"
import asyncio, email, email.policy, json, logging, ssl, sys
from aiosmtpd.smtp import SMTP
logging.disable(logging.ERROR)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody@"):
            return "550 5.1.1 no such person"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"
    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        part = lambda kind: (lambda p: p and p.get_content())(mail.get_body((kind,)))
        print(json.dumps(dict(to=envelope.rcpt_tos, tls=session.ssl is not None, html=part("html"), text=part("plain"),
            headers={k: str(v) for k, v in mail.items()}, defects=[str(d) for p in mail.walk() for d in p.defects])), flush=True)
        return "250 2.0.0 queued as 42"
async def main():
    make = lambda: SMTP(Handler(), hostname="mx.test", tls_context=context, require_starttls=True)
    server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0)
    print(json.dumps(dict(port=server.sockets[0].getsockname()[1])), flush=True)
    await server.serve_forever()
asyncio.run(main())
"#;

struct MailServer {
    child: Child,
    lines: BufReader<ChildStdout>,
    port: u64,
    folder: TempDir,
}

impl Drop for MailServer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl MailServer {
    /// Starts one; `None` where there is no aiosmtpd.
    fn start() -> Option<Self> {
        let python = ["python3", "/usr/bin/python3"].into_iter().find(|python| {
            let imported = Command::new(python).args(["-c", "import aiosmtpd.smtp"]).output();
            imported.is_ok_and(|output| output.status.success())
        });
        let Some(python) = python else {
            eprintln!(
                "SKIPPED: mail over SMTP needs aiosmtpd; install python3-aiosmtpd (scripts/setup test does)"
            );
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
        let made = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
                "-days",
                "2",
            ])
            .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout"])
            .arg(&key)
            .arg("-out")
            .arg(&certificate)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let mut child = Command::new(python)
            .args(["-W", "ignore", "-c", SCRIPT])
            .args([certificate, key])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let port = line(&mut lines)["port"].as_u64().unwrap();
        Some(Self { child, lines, port, folder })
    }

    /// The next mail it took.
    fn mail(&mut self) -> Json {
        line(&mut self.lines)
    }
}

fn line(lines: &mut BufReader<ChildStdout>) -> Json {
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"))
}

#[test]
fn mail_goes_over_smtp_with_starttls() {
    let Some(mut mails) = MailServer::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let listen = format!("127.0.0.1:{}", free_port());
    let public = [("SIGNALPOST_PUBLIC_URL", "https://mail.shop.example")];
    let server = Server::try_on(&folder.path().join("data"), &listen, &public).unwrap();
    let smtp = json!({"kind": "smtp", "host": "localhost", "port": mails.port, "tls": "required", "timeout_seconds": 20,
        "from": "Blue Shop <news@shop.example>", "ca_file": mails.folder.path().join("cert.pem")});
    campaign(&server, "Mail", &smtp, &json!({"on": "event", "event_type": "purchase"}), &json!({}));
    server.accept(&json!({"event_type": "purchase", "customer_id": "C1",
        "traits": {"email": "ada@example.com", "first_name": "Zoë", "last_name": "Lovelace, Ada"}}));
    let sent = await_status(&server, "Mail", "sent");
    assert!(sent["attempts"][0]["outcome"].as_str().unwrap().contains("queued as 42"), "{sent}");
    let mail = mails.mail();
    assert_eq!(
        (&mail["tls"], &mail["to"], &mail["defects"]),
        (&json!(true), &json!(["ada@example.com"]), &json!([]))
    );
    assert_eq!(mail["headers"]["Subject"], "Hello Zoë");
    let link = format!("https://mail.shop.example/unsubscribe/{}", sent["id"].as_str().unwrap());
    assert_eq!(mail["headers"]["List-Unsubscribe"], format!("<{link}>"));
    assert_eq!(mail["headers"]["List-Unsubscribe-Post"], "List-Unsubscribe=One-Click");
    assert!(
        mail["html"].as_str().unwrap().contains("Hi Zoë") && mail["html"].as_str().unwrap().contains(&link),
        "{mail}"
    );
    assert!(mail["text"].as_str().unwrap().contains("Hi Zoë"), "{mail}");
    campaign(&server, "Nobody", &smtp, &json!({"on": "event", "event_type": "refund"}), &json!({}));
    server.accept(
        &json!({"event_type": "refund", "customer_id": "C2", "traits": {"email": "nobody@example.com"}}),
    );
    let refused = await_status(&server, "Nobody", "refused");
    assert!(refused["attempts"][0]["outcome"].as_str().unwrap().contains("no such person"), "{refused}");
}
