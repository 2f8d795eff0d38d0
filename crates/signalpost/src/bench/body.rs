//! Writes requests: a prebuilt head and a body of events made on the fly, into
//! a buffer that is used again and again.

use rand::rngs::SmallRng;
use rand::{Rng, RngExt, SeedableRng};

use super::{Load, Target};

/// The most events a request may carry.
pub(super) const BATCH_MAX: usize = 10_000;

/// Width of the content length: spaces before the number are allowed
/// (RFC 9110, section 5.5), so the head never changes its own length.
const LENGTH_WIDTH: usize = 8;

const CATEGORIES: [&str; 8] =
    ["Electronics", "Home & Garden", "Toys", "Books", "Beauty", "Sports", "Fashion", "Groceries"];
const PRODUCTS: u64 = 5_000;

/// Makes one request after the other, each with events nobody sent before.
pub(super) struct RequestWriter {
    head: Vec<u8>,
    batch: usize,
    named: bool,
    customers: Customers,
    random: SmallRng,
    /// What the ids of this run begin with.
    run: String,
    events_written: u64,
    wall_micros: fn() -> i64,
    /// The second that `second_text` shows.
    second: i64,
    /// `2024-04-27T14:35:00`
    second_text: String,
}

impl RequestWriter {
    /// A writer for `load`; the wall clock makes the event ids of this run
    /// differ from those of an earlier run with the same seed.
    pub(super) fn new(target: &Target, load: &Load, wall_micros: fn() -> i64) -> Self {
        let key = if target.key.is_empty() {
            String::new()
        } else {
            format!("authorization: Bearer {}\r\n", target.key)
        };
        let agent = match load.user_agent {
            "" => String::new(),
            agent => format!("user-agent: {agent}\r\n"),
        };
        let head = format!(
            "POST {} HTTP/1.1\r\nhost: {}\r\n{key}{agent}content-type: application/json\r\ncontent-length: {:LENGTH_WIDTH$}\r\n\r\n",
            target.path, target.address, ""
        );
        Self {
            head: head.into_bytes(),
            batch: load.batch,
            named: load.named,
            customers: Customers::new(load.profiles, load.zipf),
            random: SmallRng::seed_from_u64(load.seed),
            run: format!("b{:x}-{:x}-", wall_micros(), load.seed),
            events_written: 0,
            wall_micros,
            second: i64::MIN,
            second_text: String::new(),
        }
    }

    /// Replaces `out` by the next request.
    pub(super) fn write(&mut self, out: &mut Vec<u8>) {
        out.clear();
        out.extend_from_slice(&self.head);
        let now = (self.wall_micros)();
        self.show_second(now.div_euclid(1_000_000));
        let millis = now.rem_euclid(1_000_000) / 1_000;
        if self.batch == 1 {
            self.write_event(out, millis);
        } else {
            for index in 0..self.batch {
                out.push(if index == 0 { b'[' } else { b',' });
                self.write_event(out, millis);
            }
            out.push(b']');
        }
        let mut length = out.len() - self.head.len();
        let length_end = self.head.len() - "\r\n\r\n".len();
        for place in out.get_mut(length_end - LENGTH_WIDTH..length_end).unwrap_or_default().iter_mut().rev() {
            *place = digit(length % 10);
            length /= 10;
            if length == 0 {
                break;
            }
        }
    }

    /// The mission's shape, about 200 bytes: of 100 events, 80 product views, 12
    /// additions to the cart, 5 page views, 3 purchases.
    fn write_event(&mut self, out: &mut Vec<u8>, millis: i64) {
        let dice = self.random.next_u64();
        let product = (dice >> 8) % PRODUCTS;
        let category = CATEGORIES.get(usize::try_from(product % 8).unwrap_or(0)).copied().unwrap_or_default();
        let kind = match (dice >> 32) % 100 {
            0..80 => "product_view",
            80..92 => "add_to_cart",
            92..97 => "page_view",
            _ => "purchase",
        };
        out.extend_from_slice(b"{\"event_type\":\"");
        out.extend_from_slice(kind.as_bytes());
        out.extend_from_slice(b"\",\"customer_id\":\"c");
        push_decimal(out, self.customers.draw(&mut self.random), 1);
        if kind != "page_view" {
            out.extend_from_slice(b"\",\"product_id\":\"SP-");
            push_decimal(out, 1_000 + product, 1);
        }
        out.extend_from_slice(b"\",\"timestamp\":\"");
        out.extend_from_slice(self.second_text.as_bytes());
        out.push(b'.');
        push_decimal(out, millis.unsigned_abs(), 3);
        out.push(b'Z');
        if self.named {
            out.extend_from_slice(b"\",\"event_id\":\"");
            out.extend_from_slice(self.run.as_bytes());
            push_decimal(out, self.events_written, 1);
            self.events_written += 1;
        }
        out.extend_from_slice(b"\",\"properties\":{\"category\":\"");
        out.extend_from_slice(category.as_bytes());
        if kind == "page_view" {
            out.extend_from_slice(b"\",\"url\":\"https://shop.example/c/");
            push_decimal(out, product % 8, 1);
            out.extend_from_slice(b"\"}}");
            return;
        }
        let cents = 499 + product * 37 % 49_500;
        out.extend_from_slice(b"\",\"price\":");
        push_decimal(out, cents / 100, 1);
        out.push(b'.');
        push_decimal(out, cents % 100, 2);
        if kind == "purchase" {
            out.extend_from_slice(b",\"quantity\":");
            push_decimal(out, 1 + (dice >> 24) % 3, 1);
        }
        out.extend_from_slice(b"}}");
    }

    fn show_second(&mut self, second: i64) {
        if second == self.second {
            return;
        }
        self.second = second;
        let text = jiff::Timestamp::from_second(second).unwrap_or_default().to_string();
        self.second_text = text.trim_end_matches('Z').to_owned();
    }
}

/// Who does what: uniform over all, or by Zipf's law.
pub(super) struct Customers {
    profiles: u64,
    zipf: bool,
    /// ln(profiles + 1)
    log: f64,
}

impl Customers {
    pub(super) fn new(profiles: u64, zipf: bool) -> Self {
        Self { profiles, zipf, log: (profiles as f64 + 1.0).ln() }
    }

    /// A customer's number, 0 up to `profiles`.
    ///
    /// Zipf's law with exponent 1 is drawn from its continuous form: rank
    /// ⌊eᵘ⌋ with u uniform in [0, ln(n+1)) has the probability
    /// ln((k+1)/k)/ln(n+1), which is 1/k up to a constant for all but the first
    /// few ranks. A prime step then scatters the ranks, so that busy customers
    /// are not neighbours in the server's key order.
    pub(super) fn draw(&self, random: &mut SmallRng) -> u64 {
        const STEP: u64 = 2_654_435_761;
        if !self.zipf {
            return random.random_range(0..self.profiles);
        }
        let unit: f64 = random.random();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 up to profiles + 1")]
        let rank = (unit * self.log).exp() as u64;
        let rank = rank.clamp(1, self.profiles) - 1;
        rank * STEP % self.profiles
    }
}

/// Writes `number` with at least `width` digits.
fn push_decimal(out: &mut Vec<u8>, mut number: u64, width: usize) {
    let start = out.len();
    while number > 0 || out.len() - start < width {
        out.push(digit(usize::try_from(number % 10).unwrap_or(0)));
        number /= 10;
    }
    out.get_mut(start..).unwrap_or_default().reverse();
}

fn digit(value: usize) -> u8 {
    b'0' + u8::try_from(value).unwrap_or(0)
}
