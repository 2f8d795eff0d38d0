//! Against servers that misbehave, played line by line.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// What a bad server does next.
#[derive(Clone, Copy)]
enum Step {
    /// Sends a line.
    Say(&'static str),
    /// Waits for a line with this start.
    Hear(&'static str),
    /// Waits for a whole mail.
    HearMail,
    /// Waits for this many bytes of a mail, then resets the connection.
    ResetAfter(usize),
    /// Says nothing until the client goes.
    Silence,
}
use Step::{Hear, HearMail, ResetAfter, Say, Silence};

const HELLO: [Step; 3] = [Say("220 bad.test"), Hear("EHLO"), Say("250 bad.test")];
const TO_DATA: [Step; 6] = [
    Hear("MAIL FROM:<news@shop.example>"),
    Say("250 ok"),
    Hear("RCPT TO:<ada@example.com>"),
    Say("250 ok"),
    Hear("DATA"),
    Say("354 go on"),
];

/// Plays one script a connection, in order; hangs up at the end of each.
async fn play(scripts: Vec<Vec<Step>>) -> (Smtp, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        for script in scripts {
            let (socket, _) = listener.accept().await.unwrap();
            perform(socket, script).await;
        }
    });
    let settings = json!({
        "host": "127.0.0.1", "port": port, "tls": "none", "from": "news@shop.example", "timeout_seconds": 1,
    });
    (smtp(settings), task)
}

async fn perform(mut socket: TcpStream, script: Vec<Step>) {
    let mut heard = Vec::new();
    for step in script {
        match step {
            Say(line) => socket.write_all(format!("{line}\r\n").as_bytes()).await.unwrap(),
            Hear(start) => {
                let line = until(&mut socket, &mut heard, b"\r\n").await;
                assert!(line.starts_with(start), "expected {start}, heard {line}");
            }
            HearMail => drop(until(&mut socket, &mut heard, b"\r\n.\r\n").await),
            ResetAfter(bytes) => {
                let mut buffer = vec![0; bytes];
                socket.read_exact(&mut buffer).await.unwrap();
                return;
            }
            Silence => {
                let mut buffer = [0; 1024];
                while socket.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
            }
        }
    }
}

async fn until(socket: &mut TcpStream, heard: &mut Vec<u8>, end: &[u8]) -> String {
    loop {
        if let Some(at) = heard.windows(end.len()).position(|window| window == end) {
            let rest = heard.split_off(at + end.len());
            return String::from_utf8(std::mem::replace(heard, rest)).unwrap();
        }
        let mut buffer = [0; 4096];
        let read = socket.read(&mut buffer).await.unwrap();
        assert!(read > 0, "the client went while {end:?} was awaited");
        heard.extend_from_slice(&buffer[..read]);
    }
}

/// Sends one mail to a server that plays `steps` and says what became of it:
/// the outcome's name and its reason.
async fn outcome(steps: &[&[Step]]) -> (&'static str, String) {
    let (smtp, task) = play(vec![steps.concat()]).await;
    let outcome = smtp.send(&message(1), now()).await;
    drop(smtp);
    task.await.unwrap();
    named(outcome)
}

fn named(outcome: Outcome) -> (&'static str, String) {
    match outcome {
        Outcome::Accepted { answer } => ("accepted", answer),
        Outcome::Retry { reason, .. } => ("retry", reason),
        Outcome::Refused { reason } => ("refused", reason),
        Outcome::InDoubt { reason } => ("in doubt", reason),
    }
}

#[tokio::test]
async fn replies_decide_by_their_class_and_place() {
    let start: [&[Step]; 2] = [&HELLO, &TO_DATA];
    let cases: [(&str, &[&[Step]]); 9] = [
        ("retry", &[&[Say("421 too busy")]]),
        ("retry", &[&[Say("554 you are on a list")]]),
        ("retry", &[&HELLO, &[Hear("MAIL"), Say("451 later"), Hear("RSET")]]),
        ("refused", &[&HELLO, &[Hear("MAIL"), Say("550 not you"), Hear("RSET")]]),
        ("retry", &[&HELLO, &[Hear("MAIL"), Say("530 log in first"), Hear("RSET")]]),
        ("refused", &[&HELLO, &TO_DATA[..3], &[Say("550 nobody here"), Hear("RSET"), Say("250 ok")]]),
        ("retry", &[&HELLO, &TO_DATA[..5], &[Say("452 disk full"), Hear("RSET"), Say("250 ok")]]),
        ("retry", &[start[0], start[1], &[HearMail, Say("451 grey list"), Hear("RSET"), Say("250 ok")]]),
        ("refused", &[start[0], start[1], &[HearMail, Say("554 spam"), Hear("RSET"), Say("250 ok")]]),
    ];
    for (at, (expected, steps)) in cases.into_iter().enumerate() {
        let (found, reason) = outcome(steps).await;
        assert_eq!(found, expected, "case {at}: {reason}");
    }
}

#[tokio::test]
async fn plain_text_after_starttls_never_counts_as_said_under_tls() {
    let injected = "220 go on\r\n250-bad.test\r\n250 AUTH PLAIN";
    let hello = [Say("220 bad.test"), Hear("EHLO"), Say("250-bad.test\r\n250 STARTTLS"), Hear("STARTTLS")];
    let (mut smtp, task) = play(vec![[&hello[..], &[Say(injected), Silence]].concat()]).await;
    smtp.access.tls = Tls::Required;
    let (found, reason) = named(smtp.send(&message(1), now()).await);
    assert_eq!(found, "retry");
    assert!(reason.contains("corrupt message"), "{reason}");
    drop(smtp);
    task.await.unwrap();
}

#[tokio::test]
async fn a_break_before_the_end_is_tried_again() {
    for steps in [
        vec![&[][..]],
        vec![&[Silence][..]],
        vec![&HELLO[..]],
        vec![&HELLO[..], &TO_DATA[..1], &[Silence]],
        vec![&HELLO[..], &TO_DATA[..3]],
        vec![&HELLO[..], &TO_DATA[..5]],
    ] {
        let (found, reason) = outcome(&steps).await;
        assert_eq!(found, "retry", "{reason}");
    }
}

#[tokio::test]
async fn a_break_in_the_middle_of_a_long_mail_is_tried_again() {
    let steps = [&HELLO[..], &TO_DATA[..], &[ResetAfter(10_000)]].concat();
    let (smtp, task) = play(vec![steps]).await;
    // Far more than the buffers of both ends hold, so that the break is met
    // while writing and the final dot is never written.
    let long = Message { text: "word ".repeat(3_000_000), ..message(1) };
    let (found, reason) = named(smtp.send(&long, now()).await);
    assert_eq!(found, "retry", "{reason}");
    task.await.unwrap();
}

#[tokio::test]
async fn silence_or_a_break_after_the_final_dot_is_in_doubt() {
    for last in [&[HearMail][..], &[HearMail, Say("2xx what")], &[HearMail, Say("354 more?")]] {
        let (found, reason) = outcome(&[&HELLO, &TO_DATA, last]).await;
        assert_eq!(found, "in doubt", "{reason}");
    }
}

#[tokio::test]
async fn no_answer_to_the_final_dot_is_in_doubt_after_ten_times_the_timeout() {
    let (mut smtp, task) = play(vec![[&HELLO[..], &TO_DATA[..], &[HearMail, Silence]].concat()]).await;
    smtp.access.timeout = Duration::from_millis(300);
    let started = Instant::now();
    let (found, reason) = named(smtp.send(&message(1), now()).await);
    assert_eq!((found, reason.as_str()), ("in doubt", "no answer within 3s"));
    assert!(started.elapsed() >= Duration::from_secs(3));
    drop(smtp);
    task.await.unwrap();
}

#[tokio::test]
async fn a_connection_closed_between_two_mails_is_replaced() {
    let once = [&HELLO[..], &TO_DATA[..], &[HearMail, Say("250 first")]].concat();
    let again = [&HELLO[..], &TO_DATA[..], &[HearMail, Say("250 second")]].concat();
    let goodbye = [&once[..], &[Hear("MAIL"), Say("421 timeout, closing")]].concat();
    for first in [once, goodbye] {
        let (smtp, task) = play(vec![first, again.clone()]).await;
        assert_eq!(named(smtp.send(&message(1), now()).await), ("accepted", "250 first".into()));
        assert_eq!(named(smtp.send(&message(2), now()).await), ("accepted", "250 second".into()));
        task.await.unwrap();
    }
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let smtp = smtp(json!({ "host": "127.0.0.1", "port": port, "tls": "none", "from": "news@shop.example" }));
    let (found, reason) = named(smtp.send(&message(1), now()).await);
    assert_eq!(found, "retry");
    assert!(reason.contains("refused"), "{reason}");
}
