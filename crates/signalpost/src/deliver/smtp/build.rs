//! A message as mail. In: the message and who sends it. Out: RFC 5322 bytes,
//! the same for every attempt.
//!
//! Nothing a person or an event brings can start a header of its own: control
//! characters become spaces, text that is not plain goes out as RFC 2047 words,
//! addresses pass a parser and the link of unsubscribing is a parsed URL.

use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lettre::Address;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MessageBuilder, MultiPart, SinglePart};
use reqwest::Url;
use signalpost_core::campaign::DeliveryId;
use signalpost_core::time::Timestamp;

use crate::deliver::message::Message;

/// Bytes of a display name that are kept.
const NAME_BYTES_MAX: usize = 200;
/// Bytes of a subject that are kept; no mail client shows a tenth of it.
const SUBJECT_BYTES_MAX: usize = 2_000;
/// Bytes of a header line that need no folding (RFC 5322 §2.1.1 asks for 78).
const PLAIN_BYTES_MAX: usize = 60;
/// How far into the body a preheader of the template's own is looked for.
const PREHEADER_WITHIN_BYTES: usize = 4_096;

/// Who a mail is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    from: Mailbox,
    reply_to: Option<Mailbox>,
}

/// A message or sender that cannot become mail.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The recipient.
    #[error("{0:?} is not a mail address; expected one like ada@example.com")]
    To(String),
    /// The sender.
    #[error("{field} {text:?} is not a mail address; write it as Name <name@example.com>")]
    Sender {
        /// The setting it came from.
        field: &'static str,
        /// What stood there.
        text: String,
    },
    /// Where to unsubscribe.
    #[error("unsubscribe_url {0:?} is not an http(s) URL")]
    UnsubscribeUrl(String),
    /// Neither HTML nor text.
    #[error("the message has neither HTML nor text")]
    Empty,
    /// The mail library refused it.
    #[error("cannot be written as mail: {0}")]
    Mail(String),
}

impl Sender {
    /// Reads `Name <name@example.com>` or a bare address, twice.
    pub fn new(from: &str, reply_to: Option<&str>) -> Result<Self, Error> {
        let reply_to = reply_to.map(|text| mailbox("reply_to", text)).transpose()?;
        Ok(Self { from: mailbox("from", from)?, reply_to })
    }

    /// The address mail comes from and bounces to.
    pub fn address(&self) -> &Address {
        &self.from.email
    }

    /// The sender's domain.
    pub fn domain(&self) -> &str {
        self.from.email.domain()
    }
}

fn mailbox(field: &'static str, text: &str) -> Result<Mailbox, Error> {
    let wrong = || Error::Sender { field, text: text.to_owned() };
    if text.chars().any(char::is_control) {
        return Err(wrong());
    }
    let text = text.trim();
    let (name, address) = match text.strip_suffix('>') {
        Some(inner) => inner.rsplit_once('<').ok_or_else(wrong)?,
        None => ("", text),
    };
    let name = name.trim().trim_matches('"').trim();
    let address = address.trim().parse().map_err(|_| wrong())?;
    Ok(Mailbox::new(name_of(name), with_ascii_domain(address)))
}

/// The address with its domain in the ASCII form of IDNA, which every server
/// takes; only a local part beyond ASCII then needs SMTPUTF8.
fn with_ascii_domain(address: Address) -> Address {
    if address.domain().is_ascii() {
        return address;
    }
    let url = Url::parse(&format!("http://{}/", address.domain())).ok();
    let ascii = url.and_then(|url| Address::new(address.user(), url.host_str()?).ok());
    ascii.unwrap_or(address)
}

/// The recipient's address, parsed.
pub(super) fn recipient(message: &Message) -> Result<Address, Error> {
    message.to.parse().map(with_ascii_domain).map_err(|_| Error::To(message.to.clone()))
}

/// The mail's `Message-ID`: from the delivery, so that all attempts have the
/// same and a receiver that took two keeps one.
pub fn message_id(id: DeliveryId, sender: &Sender) -> String {
    format!("<{id}@{}>", sender.domain())
}

/// Writes the mail. `now` dates it only if the message does not say when it was
/// decided on.
pub fn build(message: &Message, sender: &Sender, now: Timestamp) -> Result<Vec<u8>, Error> {
    let to = Mailbox::new(name_of(&message.to_name), recipient(message)?);
    let mut mail = lettre::Message::builder()
        .from(sender.from.clone())
        .to(to)
        .date(system_time(Timestamp::parse(&message.decided_at).unwrap_or(now)))
        .message_id(Some(message_id(message.id, sender)))
        .raw_header(text_header("Subject", cut(&message.subject, SUBJECT_BYTES_MAX)));
    if let Some(reply_to) = &sender.reply_to {
        mail = mail.reply_to(reply_to.clone());
    }
    mail = mail
        .raw_header(text_header("X-Signalpost-Campaign", cut(&message.campaign, NAME_BYTES_MAX)))
        .raw_header(text_header("Feedback-ID", &format!("{}:campaign:signalpost", token(&message.campaign))));
    mail = with_unsubscribe(mail, &message.unsubscribe_url)?;
    let text = lines(&message.text);
    let html = with_preheader(&lines(&message.html), &message.preheader);
    let mail = match (text.trim().is_empty(), html.trim().is_empty()) {
        (true, true) => return Err(Error::Empty),
        (false, true) => mail.singlepart(SinglePart::plain(text)),
        (true, false) => mail.singlepart(SinglePart::html(html)),
        (false, false) => {
            let boundary = format!("signalpost-{}", message.id);
            let parts = MultiPart::alternative().boundary(boundary);
            mail.multipart(parts.singlepart(SinglePart::plain(text)).singlepart(SinglePart::html(html)))
        }
    };
    Ok(mail.map_err(|error| Error::Mail(error.to_string()))?.formatted())
}

/// `List-Unsubscribe` for a link, and the promise of RFC 8058 that one POST to
/// it suffices.
fn with_unsubscribe(mail: MessageBuilder, url: &str) -> Result<MessageBuilder, Error> {
    if url.is_empty() {
        return Ok(mail);
    }
    let parsed = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    // A parsed URL is ASCII without spaces, controls or angle brackets.
    let Some(link) = parsed.filter(|url| url.as_str().len() <= 900) else {
        return Err(Error::UnsubscribeUrl(cut(url, NAME_BYTES_MAX).to_owned()));
    };
    Ok(mail
        .raw_header(plain_header("List-Unsubscribe", format!("<{}>", link.as_str().replace(['<', '>'], ""))))
        .raw_header(plain_header("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".to_owned())))
}

/// A header whose value is known to be printable ASCII.
fn plain_header(name: &'static str, value: String) -> HeaderValue {
    HeaderValue::dangerous_new_pre_encoded(HeaderName::new_from_ascii_str(name), value.clone(), value)
}

/// A header of any text: as it is when short and plain, else as RFC 2047 words.
fn text_header(name: &'static str, value: &str) -> HeaderValue {
    let value = one_line(value);
    let plain = value.bytes().all(|byte| (b' '..=b'~').contains(&byte))
        && value.len() <= PLAIN_BYTES_MAX
        && !value.contains("=?");
    let encoded = if plain { value.clone() } else { words(&value) };
    HeaderValue::dangerous_new_pre_encoded(HeaderName::new_from_ascii_str(name), value, encoded)
}

/// RFC 2047 words of at most 75 bytes, each of whole characters, folded.
fn words(text: &str) -> String {
    const WORD_BYTES: usize = 39;
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    for letter in text.chars() {
        if word.len() + letter.len_utf8() > WORD_BYTES {
            words.push(format!("=?utf-8?B?{}?=", STANDARD.encode(&word)));
            word.clear();
        }
        word.push(letter);
    }
    if !word.is_empty() {
        words.push(format!("=?utf-8?B?{}?=", STANDARD.encode(&word)));
    }
    words.join("\r\n ")
}

/// Control characters (and Unicode's line and paragraph ends) as single spaces.
fn one_line(text: &str) -> String {
    let is_break = |letter: char| letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}');
    let spaced: String = text.chars().map(|letter| if is_break(letter) { ' ' } else { letter }).collect();
    spaced.trim().to_owned()
}

fn name_of(text: &str) -> Option<String> {
    let name = one_line(cut(text, NAME_BYTES_MAX));
    if name.is_empty() { None } else { Some(name) }
}

/// The campaign's name as Gmail's Feedback-ID takes it: no colons, no spaces.
fn token(text: &str) -> String {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '-' };
    let token: String = text.chars().take(40).map(plain).collect();
    let token = token.trim_matches('-').to_owned();
    if token.is_empty() { "campaign".to_owned() } else { token }
}

/// The longest start of at most `bytes_max` bytes that ends at a character.
fn cut(text: &str, bytes_max: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes_max)).unwrap_or(text)
}

/// One kind of line end and no NUL: mail knows no bare CR or LF, and servers
/// that read them differently can be made to see two mails in one.
fn lines(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n").replace('\0', "")
}

/// Puts the preview text first in the body, unseen, unless the template has
/// put it there already (as MJML's `mj-preview` does).
fn with_preheader(html: &str, preheader: &str) -> String {
    let preheader = one_line(preheader);
    if preheader.is_empty() || html.trim().is_empty() {
        return html.to_owned();
    }
    let escaped = escape(&preheader);
    let at = body_start(html);
    let (before, body) = html.split_at_checked(at).unwrap_or(("", html));
    let start = cut(body, PREHEADER_WITHIN_BYTES);
    let found = start.find(&escaped).or_else(|| start.find(&preheader));
    let hidden = found.and_then(|at| start.get(..at)).is_some_and(|before| {
        before.replace(' ', "").contains("display:none") || before.contains("visibility:hidden")
    });
    if hidden {
        return html.to_owned();
    }
    // mso-hide hides it from Outlook, which ignores max-height.
    format!(
        "{before}<div style=\"display:none;font-size:1px;line-height:1px;max-height:0;max-width:0;\
         opacity:0;overflow:hidden;mso-hide:all\">{escaped}</div>{body}"
    )
}

/// Where the content of `<body …>` begins, or 0 without one.
fn body_start(html: &str) -> usize {
    let lower = html.to_ascii_lowercase();
    let tag = lower.match_indices("<body").find(|(at, _)| {
        lower.as_bytes().get(at + 5).is_some_and(|next| *next == b'>' || next.is_ascii_whitespace())
    });
    tag.and_then(|(at, _)| Some(at + lower.get(at..)?.find('>')? + 1)).unwrap_or(0)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Mail dates know no time before 1970.
fn system_time(at: Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_micros(u64::try_from(at.as_micros()).unwrap_or(0))
}
