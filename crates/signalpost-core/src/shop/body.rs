//! From a record to the event as it is sent: JSON, with the sender's quirks.
//!
//! In: a record, the catalog and the visitor behind it. Out: a user agent and
//! an event object. Duplicates come out equal to the byte because nothing here
//! looks at when a record is sent again.

use serde_json::{Map, Value as Json};

use super::Fault;
use super::catalog::{CURRENCY, Catalog};
use super::chance::mix;
use super::people::{CRAWLERS, Device, Line, MAIL_PROGRAMS, Stamp, Visitor};
use super::record::{Act, Arrival, CRAWLER, Mark, Page, Record};
use super::schedule::{DAY_MS, HOUR_MS};
use super::visit::WORDS;

/// Keeps device names apart from event names made of the same numbers.
const DEVICE_NAMES: u64 = 0x5349_474e_414c_0001;
const SHOP: &str = "https://shop.example.com";
const YEAR_MS: i64 = 365 * DAY_MS;

/// What people type into the search box, by category in the catalog's order.
const SEARCHES: [[&str; WORDS]; 8] = [
    ["headphones", "usb-c charger", "laptop"],
    ["coffee", "chef knife", "espresso machine"],
    ["floor lamp", "linen", "wool throw"],
    ["tent", "trail running", "backpack"],
    ["rain jacket", "merino", "jeans"],
    ["serum", "toothbrush heads", "sunscreen"],
    ["novel", "cookbook", "notebook"],
    ["board game", "train set", "puzzle"],
];

/// Texts for a `timestamp` that no reader can take for an instant.
const UNREADABLE: [&str; 4] =
    ["2024-13-41T09:30:00Z", "yesterday at noon", "25:61:00", "2023-02-29T10:00:00Z"];

/// Writes the events of one sender.
pub(super) struct Writer<'a> {
    pub(super) catalog: &'a Catalog,
    /// `None` for a crawler.
    pub(super) visitor: Option<&'a Visitor>,
    pub(super) seed: u64,
}

fn object<const N: usize>(fields: [(&str, Json); N]) -> Map<String, Json> {
    let mut map = Map::with_capacity(N);
    for (name, value) in fields {
        map.insert(name.to_owned(), value);
    }
    map
}

/// Cents as a number with two places at most, the way trackers send prices.
/// A double holds every amount up to 10^13 cents exactly enough to come back
/// by rounding.
fn money(cents: i64) -> Json {
    #[expect(clippy::cast_precision_loss, reason = "amounts stay far below 2^53 cents")]
    let amount = cents as f64 / 100.0;
    Json::from(amount)
}

/// An order's number as customers see it.
pub(super) fn order_id(visitor: u32, order: u32) -> String {
    format!("SO-{visitor:06}-{order:02}")
}

impl Writer<'_> {
    /// The user agent and the event.
    pub(super) fn write(&self, record: &Record) -> (&'static str, Json) {
        let fault = match record.mark {
            Mark::Broken(fault) => Some(fault),
            _ => None,
        };
        let device = self.device(record);
        let user_agent = user_agent(record, device);
        let mut event = Map::with_capacity(9);
        event.insert("event_id".to_owned(), self.event_id(record).into());
        if fault != Some(Fault::MissingEventType) {
            event.insert("event_type".to_owned(), record.act.event_type().into());
        }
        if fault != Some(Fault::MissingIdentity) {
            self.identity(record, &mut event);
        }
        self.clock(record, device, fault, &mut event);
        if let Some(item) = product(record.act).and_then(|place| self.catalog.items.get(place)) {
            event.insert("product_id".to_owned(), item.id.as_str().into());
        }
        let properties = match fault {
            Some(Fault::WrongType) if record.number.is_multiple_of(2) => Json::from("[object Object]"),
            Some(Fault::WrongType) => Json::Array(vec![record.act.event_type().into()]),
            _ => Json::Object(self.properties(record)),
        };
        event.insert("properties".to_owned(), properties);
        if let Some(traits) = self.traits(record) {
            event.insert("traits".to_owned(), Json::Object(traits));
        }
        event.insert("context".to_owned(), Json::Object(self.context(record, user_agent)));
        (user_agent, Json::Object(event))
    }

    /// Unique over the run: a bijection of sender and number.
    pub(super) fn event_id(&self, record: &Record) -> String {
        let name = (u64::from(record.sender) << 32) | u64::from(record.number);
        format!("ev-{:016x}", mix(name ^ mix(self.seed)))
    }

    /// The device that sends it; the mailing service and crawlers have none.
    fn device(&self, record: &Record) -> Option<&Device> {
        let visitor = self.visitor.filter(|_| !record.act.is_mail())?;
        visitor.devices.get(usize::from(record.device))
    }

    fn identity(&self, record: &Record, event: &mut Map<String, Json>) {
        if record.named {
            event.insert("customer_id".to_owned(), format!("C-{:06}", record.sender).into());
        }
        if !record.act.is_mail() {
            // A crawler keeps no cookie: each of its requests is a new device.
            let device = if record.sender & CRAWLER == 0 { u32::from(record.device) } else { record.number };
            let name = (u64::from(record.sender) << 32) | u64::from(device);
            let name = format!("an-{:016x}", mix(name ^ mix(self.seed ^ DEVICE_NAMES)));
            event.insert("anonymous_id".to_owned(), name.into());
        }
    }

    /// `timestamp`, and `sent_at` where the device tells it.
    fn clock(
        &self,
        record: &Record,
        device: Option<&Device>,
        fault: Option<Fault>,
        event: &mut Map<String, Json>,
    ) {
        let stamp = device.map_or(Stamp::Utc, |device| device.stamp);
        let ahead = device.map_or(0, |device| device.clock_ahead_ms);
        let offset = self.visitor.map_or(0, |visitor| visitor.city.offset_minutes);
        let years = i64::from(record.number % 20) + 2;
        let timestamp = match fault {
            Some(Fault::UnreadableTimestamp) => {
                let place = usize::try_from(record.number).unwrap_or(0) % UNREADABLE.len();
                UNREADABLE.get(place).copied().unwrap_or_default().into()
            }
            // Hours to days after the epoch: time since the device started. Never
            // in milliseconds, which would pass for seconds of some later year.
            Some(Fault::TimestampTooOld) => {
                let stamp = if stamp == Stamp::Millis { Stamp::Utc } else { stamp };
                write_instant(HOUR_MS + record.time.rem_euclid(30 * DAY_MS), stamp, offset)
            }
            Some(Fault::TimestampAhead) => write_instant(record.time + years * YEAR_MS, stamp, offset),
            _ => write_instant(record.time + ahead, stamp, offset),
        };
        event.insert("timestamp".to_owned(), timestamp);
        // Beside a false `timestamp`, `sent_at` could seem to put it right.
        let is_true =
            matches!(fault, None | Some(Fault::MissingEventType | Fault::MissingIdentity | Fault::WrongType));
        if is_true && device.is_some_and(|device| device.tells_sent_at) {
            event.insert("sent_at".to_owned(), write_instant(record.sent + ahead, stamp, offset));
        }
    }

    fn item(&self, line: Line, with_quantity: bool) -> Map<String, Json> {
        let Some(item) = self.catalog.items.get(line.product) else { return Map::new() };
        let mut fields = object([
            ("name", item.name.into()),
            ("category", item.category.into()),
            ("price", money(item.price_cents)),
            ("currency", CURRENCY.into()),
        ]);
        if with_quantity {
            fields.insert("quantity".to_owned(), line.quantity.into());
        }
        fields
    }

    fn properties(&self, record: &Record) -> Map<String, Json> {
        match record.act {
            Act::Identify => Map::new(),
            Act::PageView(page) => object([("path", self.path(page).into())]),
            Act::ProductView(product) => self.item(Line { product, quantity: 1 }, false),
            Act::Search(category, word) => {
                let words = SEARCHES.get(category).and_then(|words| words.get(word)).copied();
                object([
                    ("query", words.unwrap_or("gift").into()),
                    ("results", (3 + record.number % 12).into()),
                ])
            }
            Act::AddToCart(line) | Act::RemoveFromCart(line) => self.item(line, true),
            Act::CheckoutStarted(items, cents) => {
                object([("items", items.into()), ("total", money(cents)), ("currency", CURRENCY.into())])
            }
            Act::Purchase(order, line) => {
                let mut fields = object([("order_id", order_id(record.sender, order).into())]);
                fields.extend(self.item(line, true));
                fields
            }
            Act::Return(order, line) => {
                let mut fields = object([("order_id", order_id(record.sender, order).into())]);
                fields.extend(self.item(line, true));
                let reasons = ["too small", "not as described", "changed my mind", "arrived damaged"];
                let reason = reasons.get(usize::try_from(order % 4).unwrap_or(0)).copied();
                fields.insert("reason".to_owned(), reason.into());
                fields
            }
            Act::NewsletterSignup => object([("placement", "footer".into())]),
            Act::EmailOpen => object([("mail", mailing(record.time).into())]),
            Act::EmailClick => {
                object([("mail", mailing(record.time).into()), ("link", format!("{SHOP}/new").into())])
            }
        }
    }

    fn path(&self, page: Page) -> String {
        match page {
            Page::Home => "/".to_owned(),
            Page::Category(place) => {
                let name = self.catalog.categories.get(place).map_or("all", |(name, ..)| name);
                format!("/c/{}", name.to_ascii_lowercase())
            }
            Page::Cart => "/cart".to_owned(),
            Page::Shipping => "/help/shipping".to_owned(),
        }
    }

    fn traits(&self, record: &Record) -> Option<Map<String, Json>> {
        let visitor = self.visitor?;
        let email = email_as_written(visitor, record.number);
        let consent = |agreed: bool| Json::Object(object([("email", agreed.into())]));
        match record.act {
            Act::Identify => Some(object([
                ("email", email.into()),
                ("first_name", visitor.first_name.into()),
                ("last_name", visitor.last_name.into()),
                ("age", visitor.age.into()),
                ("location", visitor.city.name.into()),
                ("language", visitor.city.language.into()),
                ("consent", consent(visitor.consents)),
            ])),
            Act::NewsletterSignup => Some(object([("email", email.into()), ("consent", consent(true))])),
            _ => None,
        }
    }

    fn context(&self, record: &Record, user_agent: &str) -> Map<String, Json> {
        let mut context = object([("user_agent", user_agent.into())]);
        if record.act.is_mail() {
            return context;
        }
        if let Some(visitor) = self.visitor {
            context.insert("locale".to_owned(), visitor.city.locale.into());
        }
        let url = match (product(record.act).and_then(|place| self.catalog.items.get(place)), record.act) {
            (_, Act::PageView(page)) => format!("{SHOP}{}", self.path(page)),
            (Some(item), _) => item.url.clone(),
            (None, Act::Search(..)) => format!("{SHOP}/search"),
            (None, Act::CheckoutStarted(..)) => format!("{SHOP}/checkout"),
            (None, _) => format!("{SHOP}/account"),
        };
        context.insert("page".to_owned(), Json::Object(object([("url", url.into())])));
        let (referrer, campaign) = origin(record);
        if let Some(referrer) = referrer {
            context.insert("referrer".to_owned(), referrer.into());
        }
        if let Some((source, medium, name)) = campaign {
            let campaign =
                object([("source", source.into()), ("medium", medium.into()), ("name", name.into())]);
            context.insert("campaign".to_owned(), Json::Object(campaign));
        }
        context
    }
}

/// The place in the catalog of the product an act is about.
fn product(act: Act) -> Option<usize> {
    match act {
        Act::ProductView(product) => Some(product),
        Act::AddToCart(line) | Act::RemoveFromCart(line) => Some(line.product),
        Act::Purchase(_, line) | Act::Return(_, line) => Some(line.product),
        _ => None,
    }
}

fn user_agent(record: &Record, device: Option<&Device>) -> &'static str {
    if record.mark == Mark::Bot {
        return CRAWLERS.get(usize::from(record.device)).copied().unwrap_or_default();
    }
    let mail = MAIL_PROGRAMS.get(usize::from(record.sender.is_multiple_of(3))).copied();
    device.map_or(mail.unwrap_or_default(), Device::user_agent)
}

/// Referrer; and source, medium and name of the campaign behind a visit.
fn origin(record: &Record) -> (Option<&'static str>, Option<(&'static str, &'static str, String)>) {
    let name = |name: &str| name.to_owned();
    match record.arrival {
        Arrival::Direct => (None, None),
        Arrival::SearchEngine => (Some("https://www.google.com/"), None),
        Arrival::SearchAd => (Some("https://www.google.com/"), Some(("google", "cpc", name("brand-search")))),
        Arrival::SocialAd => {
            (Some("https://l.instagram.com/"), Some(("instagram", "paid_social", name("autumn-lookbook"))))
        }
        Arrival::Newsletter => (None, Some(("newsletter", "email", mailing(record.time)))),
    }
}

/// The newsletter of the week: `weekly-2913`, counted from 1970.
fn mailing(time: i64) -> String {
    format!("weekly-{}", time.div_euclid(7 * DAY_MS))
}

/// The address, the way this person's fingers put it this time.
fn email_as_written(visitor: &Visitor, number: u32) -> String {
    let email = visitor.email();
    if !visitor.writes_email_badly {
        return email;
    }
    match number % 3 {
        0 => format!(" {} ", email.to_uppercase()),
        1 => format!("{email}  "),
        _ => email
            .replacen(visitor.first_name.to_lowercase().as_str(), visitor.first_name, 1)
            .replace("example", "Example"),
    }
}

fn write_instant(millis: i64, stamp: Stamp, offset_minutes: i32) -> Json {
    let offset = match stamp {
        Stamp::Millis => return millis.into(),
        Stamp::Seconds => return millis.div_euclid(1_000).into(),
        Stamp::Utc => None,
        Stamp::Offset => jiff::tz::Offset::from_seconds(offset_minutes * 60).ok(),
    };
    // Beyond the year 9999 there is no text for an instant, but a number.
    let Ok(instant) = jiff::Timestamp::from_millisecond(millis) else { return millis.into() };
    match offset {
        Some(offset) => instant.display_with_offset(offset).to_string().into(),
        None => instant.to_string().into(),
    }
}
