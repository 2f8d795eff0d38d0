//! What the gate lets through, and that it lets it through unchanged however
//! the bytes come.

use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

const GOOD: &str = "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
const CHUNKED: &str = "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x=\"y\"\r\nabc\r\nA\r\n0123456789\r\n0\r\nTrailer: t\r\n\r\n";
const PLAIN: &str = "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n";

/// What comes out for bytes that come in pieces of these sizes, and the refusal.
fn pass(bytes: &[u8], pieces: &[usize]) -> (Vec<u8>, Option<Refusal>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (mut client, server) = tokio::io::duplex(1 << 22);
        let mut gate = Gate::new(server, Duration::from_secs(5));
        let mut out = Vec::new();
        let mut rest = bytes;
        let mut sizes = pieces.iter().cycle();
        while !rest.is_empty() {
            let size = sizes.next().map_or(rest.len(), |size| (*size).clamp(1, rest.len()));
            client.write_all(&rest[..size]).await.unwrap();
            rest = &rest[size..];
            let mut space = vec![0; 7];
            while let Ok(Ok(count @ 1..)) =
                tokio::time::timeout(Duration::from_micros(1), gate.read(&mut space)).await
            {
                out.extend_from_slice(&space[..count]);
            }
        }
        drop(client);
        let broken = gate.read_to_end(&mut out).await.err();
        assert!(broken.is_none_or(|error| error.kind() == ErrorKind::InvalidData));
        (out, gate.refused().get().copied())
    })
}

fn refusal(head: &str) -> Option<Refusal> {
    let (out, refusal) = pass(head.as_bytes(), &[]);
    if refusal.is_some() {
        assert_eq!(out, STAND_IN, "nothing of a refused request goes on");
    }
    refusal
}

#[test]
fn what_two_readers_could_read_differently_is_refused() {
    let with = |lines: &str| refusal(&format!("POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n\r\n"));
    assert_eq!(refusal(GOOD), None);
    assert_eq!(refusal(PLAIN), None);
    assert_eq!(refusal(CHUNKED), None);
    for both in [
        "Content-Length: 3\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 3",
        "transfer-encoding: Chunked\r\nCONTENT-LENGTH: 0",
    ] {
        assert_eq!(with(both), Some(Refusal::TwoFramings), "{both}");
    }
    for length in [
        "Content-Length: 3\r\nContent-Length: 3",
        "Content-Length: 3\r\nContent-Length: 4",
        "Content-Length: 3, 3",
        "Content-Length: +3",
        "Content-Length: -3",
        "Content-Length: 0x3",
        "Content-Length:",
        "Content-Length: 99999999999999999999",
    ] {
        assert_eq!(with(length), Some(Refusal::ContentLength), "{length}");
    }
    for encoding in ["identity", "gzip, chunked", "chunked, chunked", "xchunked", "\"chunked\""] {
        let line = format!("Transfer-Encoding: {encoding}");
        assert_eq!(with(&line), Some(Refusal::TransferEncoding), "{line}");
    }
    let twice = "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked";
    assert_eq!(with(twice), Some(Refusal::TransferEncoding));
    let old = "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(refusal(old), Some(Refusal::TransferEncoding));
    for line in ["Content-Length : 3", " folded", "\tfolded", "no colon", ": empty", "a b: c", "X: \0"] {
        assert_eq!(with(line), Some(Refusal::Line), "{line:?}");
    }
}

#[test]
fn a_request_names_one_host() {
    assert_eq!(refusal("GET / HTTP/1.1\r\n\r\n"), Some(Refusal::Host));
    assert_eq!(refusal("GET / HTTP/1.1\r\nX-Host: a\r\n\r\n"), Some(Refusal::Host));
    assert_eq!(refusal("GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n"), Some(Refusal::Host));
    assert_eq!(refusal("GET / HTTP/1.0\r\n\r\n"), None);
    assert_eq!(refusal("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"), Some(Refusal::Host));
}

#[test]
fn lines_end_with_both_and_with_nothing_else() {
    for head in [
        "GET / HTTP/1.1\nHost: a\n\n",
        "GET / HTTP/1.1\r\nHost: a\n\r\n",
        "GET / HTTP/1.1\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\n",
        "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n",
        "\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        assert_eq!(refusal(head), Some(Refusal::LineEnd), "{head:?}");
    }
    assert_eq!(refusal(&format!("\r\n\r\n{PLAIN}")), None);
    for pieces in [&[1][..], &[2], &[3]] {
        let (out, refused) = pass(format!("\r\n{PLAIN}").as_bytes(), pieces);
        assert_eq!((out.as_slice(), refused), (PLAIN.as_bytes(), None));
    }
}

#[test]
fn heads_have_a_size() {
    let of = |bytes: usize| format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "y".repeat(bytes));
    assert_eq!(refusal(&of(30_000)), None);
    for bytes in [33_000, 100_000, 900_000] {
        assert_eq!(refusal(&of(bytes)), Some(Refusal::TooLarge));
    }
    let lines = |count: usize| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(count));
    assert_eq!((refusal(&lines(99)), refusal(&lines(100))), (None, Some(Refusal::TooLarge)));
    // Without an end it is refused as soon as the surplus is too much.
    let endless = "x".repeat(2 << 20);
    let (out, refused) = pass(endless.as_bytes(), &[]);
    assert_eq!((out.as_slice(), refused), (STAND_IN, Some(Refusal::TooLarge)));
}

#[test]
fn a_second_request_is_judged_as_the_first() {
    for good in [GOOD, CHUNKED, PLAIN] {
        for (bad, why) in
            [("GET / HTTP/1.1\r\n\r\n", Refusal::Host), ("GET /\nHost: a\n\n", Refusal::LineEnd)]
        {
            let (out, refused) = pass(format!("{good}{bad}").as_bytes(), &[]);
            assert_eq!(refused, Some(why));
            assert_eq!(out, [good.as_bytes(), STAND_IN].concat());
        }
    }
}

#[test]
fn broken_chunks_are_not_followed() {
    let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    for body in [
        "x\r\n",
        "3\nabc\r\n",
        "\r\n",
        "-1\r\n",
        "ffffffffffffffff\r\n",
        "11111111111111111\r\n",
        "0\r\nA: b\n",
    ] {
        let (out, _) = pass(format!("{head}{body}GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes(), &[]);
        assert_eq!(out, head.as_bytes(), "{body:?}");
    }
    let long = format!("{head}1;{}\r\na\r\n0\r\n\r\n", "x".repeat(5_000));
    assert_eq!(pass(long.as_bytes(), &[]).0, head.as_bytes());
}

#[test]
fn http_2_passes() {
    let bytes = [PREFACE, b"\0\0\0\x04\0\0\0\0\0 anything \n\n"].concat();
    for pieces in [&[][..], &[1], &[18], &[20]] {
        assert_eq!(pass(&bytes, pieces), (bytes.clone(), None));
    }
}

#[test]
fn half_a_head_and_silence_are_not_waited_for() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for (sent, out) in [("", None), ("GET / HT", Some(STAND_IN))] {
            let (mut client, server) = tokio::io::duplex(64);
            client.write_all(sent.as_bytes()).await.unwrap();
            let mut gate = Gate::new(server, Duration::from_millis(20));
            let mut space = [0; 200];
            let read = gate.read(&mut space).await;
            assert_eq!(read.ok().map(|count| &space[..count]), out);
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Good requests pass byte for byte, in whatever pieces they come.
    #[test]
    fn good_requests_pass_unchanged(
        which in prop::collection::vec(0usize..3, 1..6),
        pieces in prop::collection::vec(1usize..40, 1..20),
    ) {
        let bytes: String = which.iter().map(|which| [GOOD, CHUNKED, PLAIN][*which]).collect();
        prop_assert_eq!(pass(bytes.as_bytes(), &pieces), (bytes.into_bytes(), None));
    }

    /// Whatever comes, a refusal stands for all of the request, in any pieces alike.
    #[test]
    fn pieces_make_no_difference(
        bytes in prop::collection::vec(prop::sample::select(b"GET / HTTP/1.1\r\n\nHost:a0Content-Length: \0".to_vec()), 0..120),
        pieces in prop::collection::vec(1usize..10, 1..10),
    ) {
        let bytes = [b"POST / HTTP/1.1\r\n".as_slice(), &bytes, b"\r\n\r\n"].concat();
        prop_assert_eq!(pass(&bytes, &pieces), pass(&bytes, &[]));
    }
}

/// A frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
}

const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];

/// Whether a connection of HTTP/2 is ended that sends this, then `drip` byte by
/// byte, and then nothing.
fn is_ended(sent: &[u8], drip: &[u8]) -> bool {
    let (patience, pause) = (Duration::from_millis(400), Duration::from_millis(100));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (mut client, server) = tokio::io::duplex(1 << 20);
        let mut gate = Gate::new(server, patience);
        client.write_all(&[PREFACE, sent].concat()).await.unwrap();
        let drip = drip.to_vec();
        let long = 2 * patience + pause * u32::try_from(drip.len()).unwrap();
        let dripping = tokio::spawn(async move {
            for byte in drip {
                sleep(pause).await;
                if client.write_all(&[byte]).await.is_err() {
                    break;
                }
            }
            client
        });
        let mut out = Vec::new();
        let read = tokio::time::timeout(long, gate.read_to_end(&mut out)).await;
        drop(dripping);
        read.is_ok_and(|read| read.unwrap_err().kind() == ErrorKind::TimedOut)
    })
}

#[test]
fn a_frame_that_stops_ends_its_connection_and_one_that_rests_does_not() {
    let head = frame(1, 4, 1, b"abcdef");
    let open_head = frame(1, 0, 1, b"abcdef");
    let data = frame(0, 1, 1, b"body");
    let with = |frames: &[&[u8]]| is_ended(&[&SETTINGS[..], &frames.concat()].concat(), b"");
    assert!(is_ended(b"", b""), "nothing behind the preface");
    assert!(with(&[&head[..4]]), "half a frame's own head");
    assert!(with(&[&head[..12]]), "half a request's head");
    assert!(with(&[&open_head]), "a head that was to go on");
    assert!(with(&[&head, &data[..11]]), "half a body");
    assert!(!with(&[&open_head, &frame(9, 4, 1, b"gh")]));
    assert!(!with(&[&head, &data]));
    assert!(!with(&[&head]), "a body that is waited for elsewhere");
}

#[test]
fn a_body_may_come_slowly_and_a_head_may_not() {
    let head = [&SETTINGS[..], &frame(1, 4, 1, b"abcdef")].concat();
    assert!(!is_ended(&head, &frame(0, 1, 1, b"body")));
    assert!(is_ended(&SETTINGS, &frame(1, 4, 1, b"abcdef")));
}

proptest! {
    #[test]
    fn frames_are_told_apart_however_they_come(
        lengths in prop::collection::vec((0_usize..200, 0_u8..12, any::<u8>()), 1..8), piece in 1_usize..40,
    ) {
        let whole: Vec<u8> = lengths.iter().flat_map(|(length, kind, flags)| {
            // A head ends in its own frame.
            frame(*kind, flags | 4, 1, &vec![7; *length])
        }).collect();
        let mut frames = Frames::default();
        whole.chunks(piece).for_each(|bytes| { frames.take(bytes); });
        prop_assert!(!frames.is_open());
        let mut short = Frames::default();
        short.take(whole.split_last().unwrap().1);
        prop_assert!(short.is_open());
    }
}
