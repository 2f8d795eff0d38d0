//! Outbound messages of Salesforce: SOAP into the value a mapping reads.
//!
//! In: the XML of a `notifications` call (developer.salesforce.com, SOAP API,
//! "Understanding the Outbound Messaging WSDL"). Out: a list with, for each
//! notification, `notification_id`, `organization_id`, `action_id`, the object's
//! `type` and its fields as `object`. The session that a message may carry is
//! left behind. No document type is read and no entity is expanded but the five
//! of XML itself; depth, notifications and fields are bounded.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use signalpost_core::value::{Map, Value, set};

/// The answer that Salesforce waits for; without it, it sends again for a day.
pub const ACK: &str = concat!(
    r#"<?xml version="1.0" encoding="UTF-8"?>"#,
    r#"<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>"#,
    r#"<notificationsResponse xmlns="http://soap.sforce.com/2005/09/outbound"><Ack>true</Ack></notificationsResponse>"#,
    "</soapenv:Body></soapenv:Envelope>"
);

/// Levels of elements: envelope, body, call, notification, object, field, and
/// a few for compound fields.
const DEPTH_MAX: usize = 16;
/// A message holds at most 100.
const NOTIFICATIONS_MAX: usize = 1_000;
/// An object has at most 800 fields.
const FIELDS_MAX: usize = 2_000;

/// Why a message was not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not XML.
    #[error("the body is not XML: {0}")]
    Xml(String),
    /// XML of another kind.
    #[error("the body is no outbound message: {0}")]
    Shape(&'static str),
    /// Another organisation's, or nobody's.
    #[error("the message is from another organisation")]
    Organization,
}

/// Whether a body is XML rather than JSON.
pub fn is_xml(body: &[u8]) -> bool {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'<')
}

/// Reads a message of an organisation that `is_ours`.
///
/// # Errors
/// When it is none, or is of another organisation.
pub fn read(body: &[u8], is_ours: impl Fn(&str) -> bool) -> Result<Value, Error> {
    let text = std::str::from_utf8(body).map_err(|error| Error::Xml(error.to_string()))?;
    let mut reader = Reader::from_str(text.trim_start_matches('\u{FEFF}'));
    let mut message = Outbound::default();
    let mut open: Vec<Element> = Vec::new();
    loop {
        let event = reader.read_event().map_err(|error| Error::Xml(error.to_string()))?;
        match event {
            Event::Start(start) => {
                if open.len() >= DEPTH_MAX {
                    return Err(Error::Shape("its elements are nested deeper than 16 levels"));
                }
                open.push(Element::new(&start)?);
            }
            Event::Empty(start) => {
                let element = Element::new(&start)?;
                message.close(element, &mut open, &is_ours)?;
            }
            Event::End(_) => {
                let element = open.pop().ok_or(Error::Shape("an element ends that did not begin"))?;
                message.close(element, &mut open, &is_ours)?;
            }
            Event::Text(piece) => {
                let piece = piece.decode().map_err(|error| Error::Xml(error.to_string()))?;
                if let Some(element) = open.last_mut() {
                    element.text.push_str(&piece);
                }
            }
            Event::CData(piece) => {
                let piece = piece.decode().map_err(|error| Error::Xml(error.to_string()))?;
                if let Some(element) = open.last_mut() {
                    element.text.push_str(&piece);
                }
            }
            Event::GeneralRef(name) => {
                let character = character(&name)?;
                if let Some(element) = open.last_mut() {
                    element.text.push(character);
                }
            }
            Event::DocType(_) => return Err(Error::Shape("it has a document type, which is not read")),
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
            Event::Eof => break,
        }
    }
    if !open.is_empty() {
        return Err(Error::Xml("it is cut off".to_owned()));
    }
    message.finish()
}

/// `&amp;`, `&#38;`, and the like; no entity of anybody's own.
fn character(name: &quick_xml::events::BytesRef<'_>) -> Result<char, Error> {
    if let Some(character) = name.resolve_char_ref().map_err(|error| Error::Xml(error.to_string()))? {
        return Ok(character);
    }
    match &**name {
        b"amp" => Ok('&'),
        b"lt" => Ok('<'),
        b"gt" => Ok('>'),
        b"quot" => Ok('"'),
        b"apos" => Ok('\''),
        _ => Err(Error::Shape("it uses an entity of its own, which is not expanded")),
    }
}

/// An element that has begun.
#[derive(Debug)]
struct Element {
    /// Its name without a namespace.
    name: Box<str>,
    /// What `xsi:type` says, without a namespace.
    kind: Option<Box<str>>,
    is_nil: bool,
    text: String,
    children: Map,
}

impl Element {
    fn new(start: &BytesStart<'_>) -> Result<Self, Error> {
        let local = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned().into_boxed_str();
        let mut element = Self {
            name: local(start.local_name().as_ref()),
            kind: None,
            is_nil: false,
            text: String::new(),
            children: Map::new(),
        };
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|error| Error::Xml(error.to_string()))?;
            let value = local(&attribute.value);
            match attribute.key.local_name().as_ref() {
                b"type" => element.kind = Some(value.rsplit(':').next().unwrap_or_default().into()),
                b"nil" => element.is_nil = matches!(&*value, "true" | "1"),
                _ => {}
            }
        }
        Ok(element)
    }

    fn value(self) -> Value {
        if self.is_nil {
            Value::Null
        } else if self.children.is_empty() {
            Value::Text(self.text.trim().into())
        } else {
            Value::Map(self.children)
        }
    }
}

/// What has been read of a message.
#[derive(Debug, Default)]
struct Outbound {
    is_ours: bool,
    shared: Map,
    notifications: Vec<Value>,
}

impl Outbound {
    /// Puts an element that has ended where it belongs.
    fn close(
        &mut self,
        element: Element,
        open: &mut [Element],
        is_ours: &impl Fn(&str) -> bool,
    ) -> Result<(), Error> {
        let above: Vec<&str> = open.iter().map(|element| &*element.name).collect();
        match (above.as_slice(), &*element.name) {
            (["Envelope", "Body", "notifications"], "OrganizationId") => {
                self.is_ours = is_ours(element.text.trim());
                if !self.is_ours {
                    return Err(Error::Organization);
                }
                set(&mut self.shared, "organization_id", element.value());
            }
            (["Envelope", "Body", "notifications"], "ActionId") => {
                set(&mut self.shared, "action_id", element.value());
            }
            (["Envelope", "Body", "notifications"], "Notification") => {
                if self.notifications.len() >= NOTIFICATIONS_MAX {
                    return Err(Error::Shape("it holds more than 1000 notifications"));
                }
                self.notifications.push(Value::Map(element.children));
            }
            (["Envelope", "Body", "notifications", "Notification"], "Id") => {
                put(open, "notification_id", element.value())?;
            }
            (["Envelope", "Body", "notifications", "Notification"], "sObject") => {
                if let Some(kind) = &element.kind {
                    put(open, "type", Value::Text(kind.clone()))?;
                }
                put(open, "object", Value::Map(element.children))?;
            }
            (["Envelope", "Body", "notifications", "Notification", "sObject", ..], _) => {
                let name = element.name.clone();
                put(open, &name, element.value())?;
            }
            // The session and the addresses to call back are nobody's business here.
            _ => {}
        }
        Ok(())
    }

    fn finish(self) -> Result<Value, Error> {
        if !self.is_ours {
            return Err(Error::Organization);
        }
        if self.notifications.is_empty() {
            return Err(Error::Shape("it holds no notification"));
        }
        let whole = |notification: Value| {
            let mut map = self.shared.clone();
            if let Value::Map(own) = notification {
                map.extend(own);
            }
            Value::Map(map)
        };
        Ok(Value::List(self.notifications.into_iter().map(whole).collect()))
    }
}

/// Gives the innermost open element a member; a name that comes again makes a list.
fn put(open: &mut [Element], name: &str, value: Value) -> Result<(), Error> {
    let Some(element) = open.last_mut() else { return Ok(()) };
    if element.children.len() >= FIELDS_MAX {
        return Err(Error::Shape("an object has more than 2000 fields"));
    }
    match element.children.iter_mut().find(|(held, _)| &**held == name) {
        None => element.children.push((name.into(), value)),
        Some((_, Value::List(list))) if list.len() < FIELDS_MAX => list.push(value),
        Some((_, Value::List(_))) => return Err(Error::Shape("a field comes more than 2000 times")),
        Some((_, held)) => *held = Value::List(vec![std::mem::take(held), value]),
    }
    Ok(())
}
