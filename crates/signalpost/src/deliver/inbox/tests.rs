//! What goes into the inbox comes out of it, in order, after a restart too.

use proptest::prelude::*;
use signalpost_core::time::Span;

use super::*;

fn start() -> Timestamp {
    Timestamp::parse("2026-01-01T00:00:00.000001Z").unwrap()
}

fn message(number: u128) -> Message {
    Message {
        id: DeliveryId(number),
        campaign: "Wïnter".into(),
        customer_id: "c-1".into(),
        to: "ada@example.com".into(),
        to_name: "Ada".into(),
        subject: format!("Zoë, mail {number}: it is back and this subject is long enough to be folded"),
        preheader: String::new(),
        html: "<p>Hällo</p>\n".into(),
        text: "Hällo\n".into(),
        unsubscribe_url: String::new(),
        data: Value::Null,
        decided_at: "2026-01-01T00:00:00Z".into(),
    }
}

async fn stored(inbox: &Inbox, number: u128, seconds: i64) -> String {
    match inbox.send(&message(number), start() + Span::SECOND.times(seconds)).await {
        Outcome::Accepted { answer } => answer,
        other => panic!("{other:?}"),
    }
}

fn ids(entries: &[Entry]) -> Vec<u128> {
    entries.iter().map(|entry| entry.id.0).collect()
}

fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for shard in fs::read_dir(folder).unwrap() {
        for file in fs::read_dir(shard.unwrap().path()).unwrap() {
            found.push(file.unwrap().file_name().into_string().unwrap());
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn the_newest_mail_stands_first_and_pages_follow_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let inbox = Inbox::new(folder.path()).unwrap();
    // Times do not follow ids; 7 and 3 share one.
    for (number, seconds) in [(5, 1), (7, 3), (3, 3), (0xfff, 2), (1, 4)] {
        assert_eq!(stored(&inbox, number, seconds).await, "stored in the inbox");
    }
    let expected = [1, 7, 3, 0xfff, 5];
    for inbox in [inbox, Inbox::new(folder.path()).unwrap()] {
        assert_eq!(inbox.count(), 5);
        let first = inbox.list(2, None);
        assert_eq!(ids(&first), expected[..2]);
        let second = inbox.list(2, Some(first[1].place()));
        assert_eq!(ids(&second), expected[2..4]);
        assert_eq!(ids(&inbox.list(99, Some(second[1].place()))), expected[4..]);
        assert_eq!(
            first[0],
            Entry {
                id: DeliveryId(1),
                to: "Ada <ada@example.com>".into(),
                subject: message(1).subject,
                campaign: "Wïnter".into(),
                sent_at: start() + Span::SECOND.times(4),
            }
        );
    }
}

#[tokio::test]
async fn a_mail_is_read_back_as_it_was_meant() {
    let folder = tempfile::tempdir().unwrap();
    let inbox = Inbox::new(folder.path()).unwrap();
    stored(&inbox, 9, 0).await;
    let mail = inbox.read(DeliveryId(9)).unwrap().unwrap();
    assert_eq!((mail.html.as_str(), mail.text.as_str()), ("<p>Hällo</p>\n", "Hällo\n"));
    let subject = mail.headers.iter().find(|(name, _)| name == "Subject").unwrap();
    assert_eq!(subject.1, message(9).subject);
    assert_eq!(mail.eml, fs::read(folder.path().join("09").join(format!("{}.eml", DeliveryId(9)))).unwrap());
    assert_eq!(inbox.read(DeliveryId(10)).unwrap(), None);
}

#[tokio::test]
async fn the_same_delivery_twice_is_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let inbox = Inbox::new(folder.path()).unwrap();
    stored(&inbox, 1, 0).await;
    assert_eq!(stored(&inbox, 1, 60).await, "already in the inbox");
    let again = Inbox::new(folder.path()).unwrap();
    assert_eq!(stored(&again, 1, 120).await, "already in the inbox");
    let sends: Vec<_> = (0..8)
        .map(|_| {
            let inbox = inbox.clone();
            tokio::spawn(async move { stored(&inbox, 2, 1).await })
        })
        .collect();
    for send in sends {
        send.await.unwrap();
    }
    assert_eq!(inbox.count(), 2);
    assert_eq!(files(folder.path()), [format!("{}.eml", DeliveryId(1)), format!("{}.eml", DeliveryId(2))]);
    assert_eq!(again.list(9, None)[0].sent_at, start());
}

#[tokio::test]
async fn what_a_crash_left_is_cleared_and_other_files_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let inbox = Inbox::new(folder.path()).unwrap();
    stored(&inbox, 1, 0).await;
    let shard = folder.path().join("01");
    for name in [format!("{}.0.tmp", DeliveryId(0x101)), "notes.txt".into(), "dxyz.eml".into()] {
        fs::write(shard.join(name), "half").unwrap();
    }
    assert_eq!(Inbox::new(folder.path()).unwrap().count(), 1);
    assert_eq!(
        files(folder.path()),
        [format!("{}.eml", DeliveryId(1)), "dxyz.eml".into(), "notes.txt".into()]
    );
}

#[tokio::test]
async fn the_oldest_go_when_the_inbox_is_full_and_the_erased_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let inbox = Inbox::open(Settings { mails_max: 3, ..Settings::new(folder.path()) }).unwrap();
    for number in 1..=5 {
        stored(&inbox, number, i64::try_from(number).unwrap()).await;
    }
    assert_eq!(ids(&inbox.list(9, None)), [5, 4, 3]);
    assert!(inbox.remove(DeliveryId(4)).unwrap());
    assert!(!inbox.remove(DeliveryId(4)).unwrap());
    assert_eq!(ids(&inbox.list(9, None)), [5, 3]);
    assert_eq!(files(folder.path()).len(), 2);
}

#[tokio::test]
async fn a_full_or_missing_disk_is_tried_again_and_a_bad_address_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let inbox = Inbox::new(folder.path().join("in")).unwrap();
    fs::remove_dir_all(folder.path().join("in")).unwrap();
    fs::write(folder.path().join("in"), "a file where the folder was").unwrap();
    let outcome = inbox.send(&message(1), start()).await;
    assert!(matches!(outcome, Outcome::Retry { .. }), "{outcome:?}");
    assert_eq!(inbox.count(), 0);
    let bad = Message { to: "nobody".into(), ..message(2) };
    let outcome = inbox.send(&bad, start()).await;
    assert!(matches!(outcome, Outcome::Refused { .. }), "{outcome:?}");
}

#[test]
fn a_hundred_thousand_mails_are_listed_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let sender = Sender::new("a@b.example", None).unwrap();
    let mail = build(&message(1), &sender, start()).unwrap();
    // Links of one file a shard share its time, so that ids decide the order.
    let at = SystemTime::UNIX_EPOCH + Duration::from_micros(u64::try_from(start().as_micros()).unwrap());
    for number in 0..100_000_u128 {
        let shard = folder.path().join(format!("{:02x}", number & 0xff));
        let path = shard.join(format!("{}.eml", DeliveryId(number)));
        if number <= 0xff {
            fs::create_dir(&shard).unwrap();
            fs::write(&path, &mail).unwrap();
            File::options().write(true).open(&path).unwrap().set_modified(at).unwrap();
        } else {
            fs::hard_link(shard.join(format!("{}.eml", DeliveryId(number & 0xff))), path).unwrap();
        }
    }
    let opening = tokio::time::Instant::now();
    let inbox = Inbox::new(folder.path()).unwrap();
    let opened = opening.elapsed();
    assert_eq!(inbox.count(), 100_000);
    let listing = tokio::time::Instant::now();
    let page = inbox.list(50, None);
    let middle = inbox.list(50, Some((page[0].sent_at, DeliveryId(50_000))));
    let listed = listing.elapsed();
    eprintln!("100,000 mails: opened in {opened:?}, two pages of 50 in {listed:?}");
    assert_eq!(ids(&page)[..2], [99_999, 99_998]);
    assert_eq!(ids(&middle)[0], 49_999);
    assert!(listed < Duration::from_secs(2), "{listed:?}");
}

proptest! {
    /// Writing and reading agree for any text.
    #[test]
    fn any_mail_reads_back(subject in any::<String>(), html in any::<String>(), text in any::<String>()) {
        let mail = Message {
            subject: subject.clone(),
            html: format!("<p>{html}</p>"),
            text: format!("a{text}z"),
            ..message(1)
        };
        let sender = Sender::new("a@b.example", None).unwrap();
        let read = eml::read(&build(&mail, &sender, start()).unwrap());
        let lines = |text: &str| text.replace("\r\n", "\n").replace('\r', "\n").replace('\0', "");
        prop_assert_eq!(read.html, lines(&format!("<p>{html}</p>")));
        prop_assert_eq!(read.text, lines(&format!("a{text}z")));
        let found = read.headers.iter().find(|(name, _)| name == "Subject").unwrap();
        let spaced: String = subject.chars()
            .map(|c| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c })
            .collect();
        prop_assert_eq!(&found.1, spaced.trim());
    }

    /// Bytes of any kind are read without a crash.
    #[test]
    fn any_bytes_read(bytes in any::<Vec<u8>>(), head in "(Content-Type: multipart/mixed; boundary=a\r\n)?\r\n(--a\r\n)?") {
        let mut mail = head.into_bytes();
        mail.extend(bytes);
        let read = eml::read(&mail);
        prop_assert!(read.text.len() <= mail.len() * 3);
    }
}
