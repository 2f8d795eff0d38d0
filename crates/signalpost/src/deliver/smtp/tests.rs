//! Mail as a real server takes it, and what becomes of it when one does not.

use std::path::Path;
use std::process::Command;

use proptest::prelude::*;
use signalpost_core::campaign::DeliveryId;

use super::*;

mod faults;
mod server;

fn now() -> Timestamp {
    Timestamp::parse("2026-01-01T00:00:00Z").unwrap()
}

fn message(number: u128) -> Message {
    Message {
        id: DeliveryId(number),
        campaign: "Back in stock: boots".into(),
        customer_id: "c-1".into(),
        to: "ada@example.com".into(),
        to_name: "Lovelace, Ada \"Zoë\"".into(),
        subject: "Zoë, it is back – 20 % off on everything you have looked at since spring".into(),
        preheader: "Size 38 & 39".into(),
        html: "<html><body class=\"a\"><p>Hällo <b>Ada</b></p>\n.\n</body></html>".into(),
        text: "Hällo Ada\n.\n..two dots\nline".into(),
        unsubscribe_url: "https://shop.example/u?d=1&k=ä".into(),
        data: Value::Null,
        decided_at: "2026-01-05T10:00:00.5Z".into(),
    }
}

fn smtp(value: Value) -> Smtp {
    Smtp::new(serde_json::from_value(value).unwrap()).unwrap()
}

fn sender() -> Sender {
    Sender::new("Blue Shop <news@shop.example>", Some("help@shop.example")).unwrap()
}

fn built(message: &Message) -> String {
    String::from_utf8(build(message, &sender(), now()).unwrap()).unwrap()
}

fn head(mail: &str) -> &str {
    mail.split_once("\r\n\r\n").unwrap().0
}

#[test]
fn a_mail_has_the_headers_receivers_look_for() {
    let mail = built(&message(0xabc));
    let head = format!("\r\n{}\r\n", head(&mail));
    for line in [
        "From: \"Blue Shop\" <news@shop.example>",
        "Reply-To: help@shop.example",
        "Date: Mon, 05 Jan 2026 10:00:00 +0000",
        "Message-ID: <d00000000000000000000000000000abc@shop.example>",
        "X-Signalpost-Campaign: Back in stock: boots",
        "Feedback-ID: back-in-stock--boots:campaign:signalpost",
        "List-Unsubscribe: <https://shop.example/u?d=1&k=%C3%A4>",
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
        "MIME-Version: 1.0",
    ] {
        assert!(head.contains(&format!("\r\n{line}\r\n")), "{line} in {head}");
    }
    assert_eq!(mail, built(&message(0xabc)), "every attempt sends the same bytes");
}

#[test]
fn nothing_a_person_brings_starts_a_header() {
    let mut evil = message(1);
    let breaks = "x\r\nBcc: eve@evil.example\r\n\r\n<script>\u{2028}\0";
    evil.subject = breaks.into();
    evil.to_name = breaks.into();
    evil.campaign = breaks.into();
    evil.preheader = breaks.into();
    let mail = built(&evil);
    let head = head(&mail);
    assert!(!head.contains("\r\nBcc"), "{head}");
    assert!(head.contains("\r\nSubject: =?utf-8?B?") || head.contains("\r\nSubject: x  Bcc"), "{head}");
    for to in ["ada@example.com\r\nBcc: eve@evil.example", "ada@example.com>, <eve@evil.example", "ada", ""] {
        let refused = build(&Message { to: to.into(), ..message(1) }, &sender(), now());
        assert_eq!(refused, Err(BuildError::To(to.into())));
    }
    for url in ["javascript:alert(1)", "not a url", "mailto:a@b.example"] {
        let refused = build(&Message { unsubscribe_url: url.into(), ..message(1) }, &sender(), now());
        assert_eq!(refused, Err(BuildError::UnsubscribeUrl(url.into())));
    }
    for from in ["A <a@b.example>\r\nBcc: c@d.example", "a@b.example, c@d.example", "A a@b.example>", "A"] {
        assert!(Sender::new(from, None).is_err(), "{from}");
    }
}

#[test]
fn the_preheader_stands_first_once() {
    let html = |html: &str, preheader: &str| {
        let mail = Message { html: html.into(), preheader: preheader.into(), ..message(1) };
        crate::deliver::inbox::eml::read(built(&mail).as_bytes()).html
    };
    let with = html("<HTML><head></head><BODY x=\"1\">\n<p>One</p></BODY></HTML>", "a < b");
    assert!(with.contains("<BODY x=\"1\"><div style=\"display:none;"), "{with}");
    assert!(with.contains(">a &lt; b</div>\n<p>One</p>"), "{with}");
    assert!(html("<p>One</p>", "Two").starts_with("<div style=\"display:none;"));
    let own = "<body><div style=\"display: none\">Two</div><p>One</p></body>";
    assert_eq!(html(own, "Two"), own);
    assert_eq!(html(own, ""), own);
    let visible = html("<body><p>Two</p></body>", "Two");
    assert_eq!(visible.matches("Two").count(), 2, "a visible text is not a preheader: {visible}");
}

#[test]
fn a_mail_without_html_or_text_has_one_part_and_one_without_both_is_refused() {
    let text = built(&Message { html: String::new(), ..message(1) });
    assert!(text.contains("Content-Type: text/plain; charset=utf-8") && !text.contains("multipart"));
    let html = built(&Message { text: String::new(), ..message(1) });
    assert!(html.contains("Content-Type: text/html; charset=utf-8") && !html.contains("multipart"));
    let none = Message { text: " ".into(), html: String::new(), preheader: String::new(), ..message(1) };
    assert_eq!(build(&none, &sender(), now()), Err(BuildError::Empty));
}

#[test]
fn international_domains_go_out_in_ascii() {
    let sender = Sender::new("news@müller.example", None).unwrap();
    let mail = Message { to: "ada@exämple.com".into(), ..message(1) };
    let mail = String::from_utf8(build(&mail, &sender, now()).unwrap()).unwrap();
    assert!(mail.is_ascii());
    assert!(
        mail.contains("<ada@xn--exmple-cua.com>") && mail.contains("@xn--mller-kva.example>\r\n"),
        "{mail}"
    );
}

#[test]
fn an_undated_message_is_dated_by_the_clock() {
    let mail = built(&Message { decided_at: String::new(), ..message(1) });
    assert!(mail.contains("\r\nDate: Thu, 01 Jan 2026 00:00:00 +0000\r\n"), "{mail}");
}

proptest! {
    /// Whatever is put in, lines end in CRLF, are at most 998 bytes, and the
    /// headers are ours alone.
    #[test]
    fn every_mail_is_well_formed(
        subject in any::<String>(), name in any::<String>(), campaign in any::<String>(),
        preheader in any::<String>(), html in any::<String>(), text in any::<String>(),
        long in 0usize..3_000,
    ) {
        let subject = format!("{subject}{}", "s".repeat(long));
        let html = format!("<p>{html}{}", "h".repeat(long));
        let mail = Message { subject, to_name: name, campaign, preheader, html, text, ..message(7) };
        let mail = build(&mail, &sender(), now()).unwrap();
        prop_assert!(mail.is_ascii());
        for (at, byte) in mail.iter().enumerate() {
            prop_assert_eq!(*byte == b'\n', at > 0 && mail[at - 1] == b'\r', "bare line end at {}", at);
        }
        for line in mail.split(|byte| *byte == b'\n') {
            prop_assert!(line.len() <= 999);
        }
        let text = String::from_utf8(mail).unwrap();
        let mut names: Vec<&str> = head(&text)
            .split("\r\n")
            .filter(|line| !line.starts_with([' ', '\t']))
            .map(|line| line.split_once(':').unwrap().0)
            .collect();
        names.sort_unstable();
        let own = ["Content-Type", "Date", "Feedback-ID", "From", "List-Unsubscribe",
            "List-Unsubscribe-Post", "MIME-Version", "Message-ID", "Reply-To", "Subject", "To",
            "X-Signalpost-Campaign"];
        names.retain(|name| *name != "Content-Transfer-Encoding");
        prop_assert_eq!(names, own);
    }
}

#[test]
fn settings_that_cannot_work_say_why() {
    let dir = tempfile::tempdir().unwrap();
    let empty = dir.path().join("empty.pem");
    std::fs::write(&empty, "nothing").unwrap();
    let cases = [
        (json!({ "host": "h", "from": "nobody" }), "smtp.from \"nobody\" is not a mail address"),
        (json!({ "host": "h", "from": "a@b.c", "reply_to": "x" }), "smtp.reply_to \"x\""),
        (json!({ "host": "", "from": "a@b.c" }), "smtp.host must be"),
        (json!({ "host": "h", "from": "a@b.c", "hello_name": "a b" }), "smtp.hello_name"),
        (json!({ "host": "h", "from": "a@b.c", "username": "u" }), "smtp.username and smtp.password go"),
        (
            json!({ "host": "h", "from": "a@b.c", "username": "u", "password": "hunter2", "tls": "none" }),
            "smtp.password would be sent in the open",
        ),
        (json!({ "host": "h", "from": "a@b.c", "timeout_seconds": 0 }), "smtp.timeout_seconds"),
        (json!({ "host": "h", "from": "a@b.c", "connections_max": 0 }), "smtp.connections_max"),
        (json!({ "host": "h", "from": "a@b.c", "ca_file": "/nowhere.pem" }), "smtp.ca_file \"/nowhere.pem\""),
        (json!({ "host": "h", "from": "a@b.c", "ca_file": empty }), "no certificate in it"),
    ];
    for (value, expected) in cases {
        let settings: Settings = serde_json::from_value(value.clone()).unwrap();
        let error = Smtp::new(settings).unwrap_err().to_string();
        assert!(error.contains(expected) && !error.contains("hunter2"), "{value}: {error}");
    }
    assert!(serde_json::from_value::<Settings>(json!({ "host": "h", "from": "a@b.c", "prot": 1 })).is_err());
}

#[test]
fn the_password_is_not_shown() {
    let settings: Settings = serde_json::from_value(json!({
        "host": "mx.example", "from": "A <a@b.example>", "username": "u", "password": "hunter2hunter2",
        "tls": "implicit",
    }))
    .unwrap();
    assert_eq!(
        settings.describe(),
        json!({
            "host": "mx.example", "port": 465, "tls": "implicit", "username": "u", "password": "•••",
            "from": "A <a@b.example>", "reply_to": null, "ca_file": null, "hello_name": null,
            "timeout_seconds": 60, "connections_max": 4,
        })
    );
    let shown = format!("{settings:?} {:?}", Smtp::new(settings.clone()).unwrap());
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn a_masked_password_is_kept_for_the_same_server_only() {
    let read = |value: Value| serde_json::from_value::<Settings>(value).unwrap();
    let before = read(json!({
        "host": "mx.example", "port": 587, "from": "A <a@b.example>", "username": "u", "password": "hunter2",
    }));
    let shown = before.describe();
    assert_eq!(read(shown.clone()).with_secrets_of(&before), before);
    for (field, value) in [("host", "evil.example"), ("tls", "opportunistic"), ("ca_file", "/tmp/evil.pem")] {
        let mut moved = shown.clone();
        moved[field] = value.into();
        let moved = read(moved).with_secrets_of(&before);
        assert!(moved.password.as_ref().unwrap().is_mask(), "{field}");
        if field != "ca_file" {
            let error = Smtp::new(moved).unwrap_err().to_string();
            assert!(error.contains("smtp.password is masked"), "{error}");
        }
    }
}

/// A self-signed certificate and its key, made by `openssl`.
fn certificate(folder: &Path) -> (PathBuf, PathBuf) {
    let (certificate, key) = (folder.join("cert.pem"), folder.join("key.pem"));
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
            "-subj",
            "/CN=localhost",
        ])
        .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output()
        .expect("openssl makes the certificate of the test's mail server");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    (certificate, key)
}
