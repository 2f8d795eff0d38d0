//! Who visits the simulated shop: persons, their devices and the crawlers.
//!
//! In: settings and the number of a visitor. Out: a person with a home, a
//! taste, devices with their quirks, and the instants of their visits.
#![expect(clippy::indexing_slicing, reason = "places are drawn below the length of constant tables")]

use super::Settings;
use super::chance::Chance;
use super::schedule;

/// Where people live: the `location` trait, language, locale, offset from UTC
/// in minutes (standard time all year), and the pool of names.
pub(super) struct City {
    pub(super) name: &'static str,
    pub(super) language: &'static str,
    pub(super) locale: &'static str,
    pub(super) offset_minutes: i32,
    names: usize,
    weight: u32,
}

const fn city(
    name: &'static str,
    locale: (&'static str, &'static str),
    offset_minutes: i32,
    names: usize,
    weight: u32,
) -> City {
    City { name, language: locale.0, locale: locale.1, offset_minutes, names, weight }
}

pub(super) const CITIES: [City; 10] = [
    city("Berlin", ("de", "de-DE"), 60, 0, 20),
    city("NYC", ("en", "en-US"), -300, 1, 20),
    city("London", ("en", "en-GB"), 0, 1, 15),
    city("Hamburg", ("de", "de-DE"), 60, 0, 8),
    city("Paris", ("fr", "fr-FR"), 60, 2, 9),
    city("Vienna", ("de", "de-AT"), 60, 0, 8),
    city("Madrid", ("es", "es-ES"), 60, 3, 7),
    city("Zurich", ("de", "de-CH"), 60, 0, 5),
    city("Amsterdam", ("en", "en-NL"), 60, 1, 5),
    city("Dublin", ("en", "en-IE"), 0, 1, 3),
];

const FIRST_NAMES: [[&str; 14]; 4] = [
    [
        "Anna", "Lukas", "Mia", "Jonas", "Lena", "Felix", "Clara", "Paul", "Hannah", "Moritz", "Greta",
        "Emil", "Ida", "Theo",
    ],
    [
        "Olivia", "James", "Grace", "Noah", "Maya", "Ethan", "Zoe", "Marcus", "Priya", "Owen", "Naomi",
        "Daniel", "Ruby", "Samir",
    ],
    [
        "Camille", "Hugo", "Manon", "Louis", "Chloe", "Jules", "Ines", "Antoine", "Lucie", "Mathis", "Elise",
        "Bastien", "Nadia", "Remy",
    ],
    [
        "Lucia", "Mateo", "Carmen", "Pablo", "Elena", "Diego", "Marta", "Javier", "Irene", "Alvaro",
        "Noelia", "Sergio", "Pilar", "Hector",
    ],
];

const LAST_NAMES: [[&str; 14]; 4] = [
    [
        "Schmidt", "Weber", "Fischer", "Wagner", "Becker", "Hofmann", "Keller", "Vogel", "Brandt", "Lorenz",
        "Huber", "Steiner", "Yilmaz", "Nowak",
    ],
    [
        "Bennett", "Carter", "Murphy", "Patel", "Rivera", "Hughes", "Chen", "Brooks", "Okafor", "Walsh",
        "Foster", "Kim", "Reed", "Sullivan",
    ],
    [
        "Moreau",
        "Laurent",
        "Girard",
        "Lefevre",
        "Mercier",
        "Dupuis",
        "Benali",
        "Fontaine",
        "Roussel",
        "Marchand",
        "Caron",
        "Diallo",
        "Perrin",
        "Blanchard",
    ],
    [
        "Garcia",
        "Romero",
        "Navarro",
        "Torres",
        "Dominguez",
        "Molina",
        "Ortega",
        "Serrano",
        "Castro",
        "Vidal",
        "Herrera",
        "Campos",
        "Fuentes",
        "Iglesias",
    ],
];

/// Youngest age and weight of each band of ages; the last band ends at 75.
const AGES: [(u8, u32); 8] = [(18, 14), (25, 20), (30, 20), (36, 16), (45, 13), (55, 9), (65, 6), (75, 0)];

/// Browsers: whether it is a phone, and the user agent. The versions are those
/// of one autumn, as in a real shop's log.
pub(super) const BROWSERS: [(bool, &str); 12] = [
    (
        true,
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1",
    ),
    (
        true,
        "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36",
    ),
    (
        true,
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.6 Mobile/15E148 Safari/604.1",
    ),
    (
        true,
        "Mozilla/5.0 (Linux; Android 14; SM-S911B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36",
    ),
    (true, "Mozilla/5.0 (Android 15; Mobile; rv:143.0) Gecko/143.0 Firefox/143.0"),
    (
        true,
        "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36",
    ),
    (
        false,
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
    ),
    (
        false,
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Safari/605.1.15",
    ),
    (false, "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:143.0) Gecko/20100101 Firefox/143.0"),
    (
        false,
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36 Edg/141.0.0.0",
    ),
    (
        false,
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
    ),
    (false, "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"),
];

const BROWSER_WEIGHTS: [u32; 12] = [22, 16, 7, 7, 2, 6, 15, 8, 5, 6, 4, 2];

/// Mail programs that people read with; image proxies are left out because
/// their fetches need not be a person.
pub(super) const MAIL_PROGRAMS: [&str; 2] = [
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Thunderbird/128.5.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)",
];

/// Crawlers, as their operators document them.
pub(super) const CRAWLERS: [&str; 6] = [
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "Mozilla/5.0 (compatible; SemrushBot/7~bl; +http://www.semrush.com/bot.html)",
    "Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)",
    "python-requests/2.32.3",
];

/// How a device writes instants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stamp {
    /// RFC 3339 in UTC.
    Utc,
    /// RFC 3339 with the offset of the person's city.
    Offset,
    /// Milliseconds since the epoch, as a number.
    Millis,
    /// Seconds since the epoch, as a number; the fraction is lost.
    Seconds,
}

/// A browser or phone.
#[derive(Clone, Debug)]
pub(super) struct Device {
    /// Place in [`BROWSERS`].
    pub(super) browser: usize,
    pub(super) stamp: Stamp,
    pub(super) tells_sent_at: bool,
    /// By how many milliseconds its clock is ahead (behind when negative).
    pub(super) clock_ahead_ms: i64,
    /// Whether the shop knows who uses it.
    pub(super) known: bool,
}

impl Device {
    pub(super) fn is_phone(&self) -> bool {
        BROWSERS[self.browser].0
    }

    pub(super) fn user_agent(&self) -> &'static str {
        BROWSERS[self.browser].1
    }
}

/// One line of a cart or an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) product: usize,
    pub(super) quantity: u8,
}

/// An order, as far as a return needs it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    pub(super) bought_ms: i64,
    pub(super) number: u32,
    /// One of its lines.
    pub(super) line: Line,
    pub(super) device: u8,
}

/// A person, and what their visits have led to so far.
#[derive(Clone)]
pub(super) struct Visitor {
    pub(super) number: u32,
    pub(super) chance: Chance,
    pub(super) city: &'static City,
    pub(super) first_name: &'static str,
    pub(super) last_name: &'static str,
    pub(super) age: u8,
    /// Whether mail may be sent, as they answered when they signed in.
    pub(super) consents: bool,
    /// Never signs in.
    pub(super) stays_anonymous: bool,
    /// Writes their address in mixed case and with spaces around it.
    pub(super) writes_email_badly: bool,
    /// Preferred category, and the second.
    pub(super) tastes: [usize; 2],
    pub(super) devices: Vec<Device>,
    /// When visits begin, in ms since the epoch; the next one is last.
    pub(super) visits: Vec<i64>,
    pub(super) cart: Vec<Line>,
    /// The device the cart was filled on, and when it was last touched.
    pub(super) cart_device: u8,
    pub(super) cart_touched_ms: i64,
    pub(super) orders: u32,
    pub(super) last_order: Option<Order>,
    pub(super) subscribed: bool,
    /// Events so far: what their ids are made of.
    pub(super) events: u32,
}

impl Visitor {
    /// Visitor `number` of the run; depends on nothing but the settings.
    pub(super) fn new(number: u32, settings: &Settings, categories: usize) -> Self {
        let mut chance = Chance::new(settings.seed, u64::from(number));
        let city = &CITIES[chance.weighted(&CITIES.each_ref().map(|city| city.weight))];
        let band = chance.weighted(&AGES.map(|(_, weight)| weight)).min(AGES.len() - 2);
        let (youngest, next) = (i64::from(AGES[band].0), i64::from(AGES[band + 1].0));
        let stays_anonymous = chance.happens(settings.anonymous_share);
        let devices = devices(&mut chance, settings);
        Self {
            number,
            city,
            first_name: FIRST_NAMES[city.names][chance.place(14)],
            last_name: LAST_NAMES[city.names][chance.place(14)],
            age: u8::try_from(chance.between(youngest, next)).unwrap_or(18),
            consents: chance.happens(0.6),
            stays_anonymous,
            writes_email_badly: chance.happens(settings.dirt.email_share),
            tastes: [taste(&mut chance, categories), taste(&mut chance, categories)],
            devices,
            visits: schedule::visits(&mut chance, settings, city.offset_minutes),
            chance,
            cart: Vec::new(),
            cart_device: 0,
            cart_touched_ms: 0,
            orders: 0,
            last_order: None,
            subscribed: false,
            events: 0,
        }
    }

    /// Whether the shop has ever learnt who this is.
    pub(super) fn is_known(&self) -> bool {
        self.devices.iter().any(|device| device.known)
    }

    /// The address in its clean form, the visitor's own.
    pub(super) fn email(&self) -> String {
        let host = if self.number.is_multiple_of(3) { "example.net" } else { "example.com" };
        let (first, last) = (self.first_name.to_lowercase(), self.last_name.to_lowercase());
        format!("{first}.{last}{}@{host}", self.number)
    }
}

/// A category by popularity; `Electronics`, the first, is the most liked.
fn taste(chance: &mut Chance, categories: usize) -> usize {
    const WEIGHTS: [u32; 8] = [26, 15, 12, 12, 13, 10, 6, 6];
    chance.weighted(&WEIGHTS[..categories.min(WEIGHTS.len())])
}

fn devices(chance: &mut Chance, settings: &Settings) -> Vec<Device> {
    let count = [1, 2, 3][chance.weighted(&[62, 31, 7])];
    let device = |chance: &mut Chance| {
        let browser = chance.weighted(&BROWSER_WEIGHTS);
        let off_minutes = chance.spread(3, 300) * if chance.happens(0.5) { 1 } else { -1 };
        let is_off = chance.happens(settings.dirt.skewed_share);
        // A clock that is wrong can only be put right by `sent_at`, and only
        // exactly when the fraction of the second is told.
        let stamp = match chance.weighted(&[55, 20, 17, 8]) {
            0 => Stamp::Utc,
            1 => Stamp::Offset,
            3 if !is_off => Stamp::Seconds,
            _ => Stamp::Millis,
        };
        Device {
            browser,
            stamp,
            tells_sent_at: is_off || (stamp != Stamp::Seconds && chance.happens(0.6)),
            clock_ahead_ms: if is_off { off_minutes * 60_000 } else { 0 },
            known: false,
        }
    };
    (0..count).map(|_| device(chance)).collect()
}
