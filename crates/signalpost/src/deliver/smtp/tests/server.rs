//! Against a real mail server: aiosmtpd (Debian's `python3-aiosmtpd`), run as a
//! child process. Python's own mail reader then says what it received.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Stdio};

use tempfile::TempDir;

use super::*;

const SCRIPT: &str = r#"
import asyncio, email, email.policy, json, logging, ssl, sys
from aiosmtpd.smtp import SMTP, AuthResult
logging.disable(logging.ERROR)
mode, cert, key = sys.argv[1:4]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(cert, key)
def say(**what):
    print(json.dumps(what), flush=True)
class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody@"):
            return "550 5.1.1 no such person"
        if address.startswith("busy@"):
            return "451 4.3.0 try later"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"
    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        part = lambda kind: (lambda p: p and p.get_content().replace("\r\n", "\n"))(mail.get_body((kind,)))
        say(mail_from=envelope.mail_from, rcpt_tos=envelope.rcpt_tos, peer=session.peer[1],
            tls=session.ssl is not None or mode == "implicit", login=getattr(session, "login", None),
            hello=session.host_name, headers={k: str(v) for k, v in mail.items()},
            name=mail["To"].addresses[0].display_name, defects=[str(d) for p in mail.walk() for d in p.defects],
            html=part("html"), text=part("plain"), options=envelope.mail_options)
        return "250 2.0.0 queued as 42"
def check(server, session, envelope, mechanism, data):
    ok = data.login == b"signalpost" and data.password == b"hunter2hunter2"
    session.login = mechanism if ok else None
    return AuthResult(success=ok, handled=False)
def make():
    starttls = context if mode in ("starttls", "login", "plain") else None
    return SMTP(Handler(), hostname="mx.test", tls_context=starttls, require_starttls=starttls is not None,
        enable_SMTPUTF8=True, authenticator=check, auth_required=mode in ("login", "plain", "implicit"),
        auth_require_tls=mode in ("login", "plain"),
        auth_exclude_mechanism={"login": ["PLAIN"], "plain": ["LOGIN"]}.get(mode, []))
async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(make, "127.0.0.1", 0, ssl=context if mode == "implicit" else None)
    say(port=server.sockets[0].getsockname()[1])
    await server.serve_forever()
asyncio.run(main())
"#;

/// What the server of a test speaks.
#[derive(Clone, Copy, Debug)]
enum Mode {
    Open,
    StartTls,
    Login,
    Plain,
    Implicit,
}

/// A running mail server; ends with the test.
struct MailServer {
    child: Child,
    lines: BufReader<ChildStdout>,
    port: u16,
    folder: TempDir,
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// A Python that has aiosmtpd, if there is one.
fn python() -> Option<&'static str> {
    ["python3", "/usr/bin/python3"].into_iter().find(|python| {
        let imported = Command::new(python).args(["-c", "import aiosmtpd.smtp"]).output();
        imported.is_ok_and(|output| output.status.success())
    })
}

impl MailServer {
    /// Starts one, or says loudly that it cannot.
    fn start(mode: Mode) -> Option<Self> {
        let Some(python) = python() else {
            eprintln!("SKIPPED: no Python with aiosmtpd (apt-get install python3-aiosmtpd)");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = certificate(folder.path());
        let mode = format!("{mode:?}").to_lowercase();
        let mut child = Command::new(python)
            .args(["-W", "ignore", "-c", SCRIPT, &mode])
            .args([certificate, key])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let port = line(&mut lines)["port"].as_u64().unwrap();
        Some(Self { child, lines, port: u16::try_from(port).unwrap(), folder })
    }

    /// The next mail it took.
    fn mail(&mut self) -> Value {
        line(&mut self.lines)
    }

    fn settings(&self, tls: &str) -> Value {
        json!({
            "host": "localhost", "port": self.port, "tls": tls, "timeout_seconds": 20,
            "from": "Blue Shop <news@shop.example>", "reply_to": "help@shop.example",
            "ca_file": self.folder.path().join("cert.pem"),
        })
    }

    fn with_login(&self, tls: &str, password: &str) -> Value {
        let mut settings = self.settings(tls);
        settings["username"] = "signalpost".into();
        settings["password"] = password.into();
        settings
    }
}

fn line(lines: &mut BufReader<ChildStdout>) -> Value {
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"))
}

fn accepted(outcome: &Outcome) {
    let taken = Outcome::Accepted { answer: "250 2.0.0 queued as 42".into() };
    assert_eq!(*outcome, taken);
}

#[tokio::test]
async fn a_server_with_starttls_receives_what_was_meant() {
    let Some(mut server) = MailServer::start(Mode::StartTls) else { return };
    let message = message(0xabc);
    accepted(&smtp(server.settings("required")).send(&message, now()).await);
    let mail = server.mail();
    assert_eq!(mail["mail_from"], "news@shop.example");
    assert_eq!(mail["rcpt_tos"], json!(["ada@example.com"]));
    assert_eq!(mail["tls"], true);
    assert_eq!(mail["hello"], "shop.example");
    assert_eq!(mail["defects"], json!([]));
    assert_eq!(mail["headers"]["Subject"], message.subject);
    assert_eq!(mail["name"], message.to_name);
    assert_eq!(mail["headers"]["Message-ID"], "<d00000000000000000000000000000abc@shop.example>");
    assert_eq!(mail["headers"]["List-Unsubscribe"], "<https://shop.example/u?d=1&k=%C3%A4>");
    assert_eq!(mail["headers"]["List-Unsubscribe-Post"], "List-Unsubscribe=One-Click");
    assert_eq!(mail["text"].as_str().unwrap().trim_end(), message.text);
    let html = mail["html"].as_str().unwrap();
    assert!(html.starts_with("<html><body class=\"a\"><div style=\"display:none;"), "{html}");
    assert!(html.contains(">Size 38 &amp; 39</div><p>Hällo <b>Ada</b></p>\n.\n</body>"), "{html}");
}

#[tokio::test]
async fn logins_work_by_plain_and_login_and_over_implicit_tls() {
    for (mode, tls, mechanism) in [
        (Mode::Plain, "required", "PLAIN"),
        (Mode::Login, "opportunistic", "LOGIN"),
        (Mode::Implicit, "implicit", "PLAIN"),
    ] {
        let Some(mut server) = MailServer::start(mode) else { return };
        accepted(&smtp(server.with_login(tls, "hunter2hunter2")).send(&message(1), now()).await);
        let mail = server.mail();
        assert_eq!((&mail["login"], &mail["tls"]), (&json!(mechanism), &json!(true)), "{mode:?}");
    }
}

#[tokio::test]
async fn a_wrong_login_is_the_settings_fault_not_the_mails() {
    let Some(server) = MailServer::start(Mode::Plain) else { return };
    for settings in [server.with_login("required", "wrongwrong"), server.settings("required")] {
        let outcome = smtp(settings).send(&message(1), now()).await;
        let Outcome::Retry { reason, .. } = outcome else { panic!("{outcome:?}") };
        assert!(reason.contains("53") && !reason.contains("wrongwrong"), "{reason}");
    }
}

#[tokio::test]
async fn an_unknown_authority_or_no_tls_at_all_sends_nothing() {
    let Some(server) = MailServer::start(Mode::StartTls) else { return };
    let mut settings = server.settings("required");
    settings["ca_file"] = Value::Null;
    let outcome = smtp(settings).send(&message(1), now()).await;
    assert!(
        matches!(&outcome, Outcome::Retry { reason, .. } if reason.contains("certificate")),
        "{outcome:?}"
    );
    let Some(open) = MailServer::start(Mode::Open) else { return };
    let outcome = smtp(open.settings("required")).send(&message(1), now()).await;
    assert!(matches!(&outcome, Outcome::Retry { reason, .. } if reason.contains("STARTTLS")), "{outcome:?}");
    let login = open.with_login("opportunistic", "hunter2hunter2");
    let outcome = smtp(login).send(&message(1), now()).await;
    assert!(
        matches!(&outcome, Outcome::Retry { reason, .. } if reason.contains("not sent in")),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn one_connection_carries_many_mails_and_survives_refusals() {
    let Some(mut server) = MailServer::start(Mode::Open) else { return };
    let smtp = smtp(server.settings("opportunistic"));
    accepted(&smtp.send(&message(1), now()).await);
    let to = |address: &str| Message { to: address.into(), ..message(2) };
    let outcome = smtp.send(&to("nobody@example.com"), now()).await;
    assert!(
        matches!(&outcome, Outcome::Refused { reason } if reason.contains("no such person")),
        "{outcome:?}"
    );
    let outcome = smtp.send(&to("busy@example.com"), now()).await;
    assert!(matches!(&outcome, Outcome::Retry { reason, .. } if reason.contains("try later")), "{outcome:?}");
    accepted(&smtp.send(&message(3), now()).await);
    accepted(&smtp.send(&to("zoë@exämple.com"), now()).await);
    let mails = [server.mail(), server.mail(), server.mail()];
    assert!(mails.iter().all(|mail| mail["peer"] == mails[0]["peer"]), "{mails:?}");
    assert_eq!(mails[2]["rcpt_tos"], json!(["zoë@xn--exmple-cua.com"]));
    assert_eq!(mails[2]["options"], json!(["SMTPUTF8", "BODY=8BITMIME"]));
}

#[tokio::test]
async fn no_more_connections_are_open_than_allowed() {
    let Some(mut server) = MailServer::start(Mode::Open) else { return };
    let mut settings = server.settings("none");
    settings["connections_max"] = 2.into();
    let smtp = std::sync::Arc::new(smtp(settings));
    let sends: Vec<_> = (0..30)
        .map(|number| {
            let smtp = std::sync::Arc::clone(&smtp);
            tokio::spawn(async move { smtp.send(&message(number), now()).await })
        })
        .collect();
    for send in sends {
        accepted(&send.await.unwrap());
    }
    let mut peers: Vec<String> = (0..30).map(|_| server.mail()["peer"].to_string()).collect();
    peers.sort_unstable();
    peers.dedup();
    assert!((1..=2).contains(&peers.len()), "{peers:?}");
}
