//! One visit to the shop, from arrival to leaving.
//!
//! In: a visitor as the last visit left them. Out: what the visit's devices
//! send, in order of happening, and the visitor as this visit leaves them.

use super::catalog::Catalog;
use super::people::{Line, Order, Stamp, Visitor};
use super::record::{Act, Arrival, Mark, Page, Record};
use super::schedule::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, VISIT_MS_MAX};

/// A cart not touched for so long is forgotten.
const CART_MS_MAX: i64 = 3 * DAY_MS;
/// The longest time a phone stays offline with events to send.
const OFFLINE_MS_MAX: i64 = 2 * DAY_MS;
/// The shortest; below it an event is not called late.
pub(super) const LATE_MS_MIN: i64 = 5 * MINUTE_MS;
/// Browsing stops here, so that a checkout still fits into the visit.
const BROWSE_MS_MAX: i64 = VISIT_MS_MAX - 10 * MINUTE_MS;
/// Words searched for in one category.
pub(super) const WORDS: usize = 3;

/// A visit going on.
pub(super) struct Visit<'a> {
    visitor: &'a mut Visitor,
    catalog: &'a Catalog,
    out: &'a mut Vec<Record>,
    began: i64,
    now: i64,
    device: u8,
    arrival: Arrival,
    /// Whether the customer's id is sent along.
    named: bool,
    /// When a phone without reception will send what it holds.
    reconnects: Option<i64>,
    last_view: Option<usize>,
}

/// Runs the visit that begins at `began` and appends what is sent. Everything
/// is sent before `end`, the earlier of the next visit and the end of the run.
pub(super) fn run(
    visitor: &mut Visitor,
    catalog: &Catalog,
    offline_share: f64,
    (began, end): (i64, i64),
    out: &mut Vec<Record>,
) {
    if began - visitor.cart_touched_ms > CART_MS_MAX {
        visitor.cart.clear();
    }
    let device = choose_device(visitor);
    let arrival = choose_arrival(visitor);
    let chance = &mut visitor.chance;
    let is_phone = visitor.devices.get(usize::from(device)).is_some_and(|device| device.is_phone());
    let reconnects =
        (is_phone && arrival != Arrival::Newsletter && chance.happens(offline_share)).then(|| {
            let wait = chance.spread(LATE_MS_MIN, OFFLINE_MS_MAX - VISIT_MS_MAX - MINUTE_MS);
            (began + VISIT_MS_MAX + wait).min(end - MINUTE_MS)
        });
    let is_known = visitor.devices.get(usize::from(device)).is_some_and(|device| device.known);
    let named = is_known && visitor.chance.happens(0.9);
    let mut visit = Visit {
        visitor,
        catalog,
        out,
        began,
        now: began,
        device,
        arrival,
        named,
        reconnects,
        last_view: None,
    };
    visit.read_mail();
    if visit.arrival == Arrival::Newsletter && visit.chance(0.35) {
        return; // The mail was opened, and no more.
    }
    if visit.arrival == Arrival::Newsletter {
        visit.send(Act::EmailClick);
        visit.wait(2, 8);
    }
    visit.browse();
    visit.settle();
}

/// The device of this visit. A cart on a device that is not known stays there,
/// so its owner goes back to it.
fn choose_device(visitor: &mut Visitor) -> u8 {
    let is_shared = visitor.devices.iter().all(|device| device.known);
    if !visitor.cart.is_empty() && !is_shared {
        return visitor.cart_device;
    }
    let weights: &[u32] = &[70, 25, 15];
    let weights = weights.get(..visitor.devices.len()).unwrap_or(weights);
    u8::try_from(visitor.chance.weighted(weights)).unwrap_or(0)
}

fn choose_arrival(visitor: &mut Visitor) -> Arrival {
    // Only who is known and has agreed gets mail that could be opened.
    let mail = if visitor.is_known() && visitor.consents { 30 } else { 0 };
    match visitor.chance.weighted(&[30, 34, 14, 12, mail]) {
        0 => Arrival::Direct,
        1 => Arrival::SearchEngine,
        2 => Arrival::SearchAd,
        3 => Arrival::SocialAd,
        _ => Arrival::Newsletter,
    }
}

impl Visit<'_> {
    fn chance(&mut self, share: f64) -> bool {
        self.visitor.chance.happens(share)
    }

    /// Lets `low` to `high` seconds pass.
    fn wait(&mut self, low: i64, high: i64) {
        self.now += self.visitor.chance.between(low * SECOND_MS, high * SECOND_MS);
    }

    /// Sends one event that happens now.
    fn send(&mut self, act: Act) {
        let flush = self.visitor.chance.between(40, 1_900);
        let sent = match self.reconnects {
            // The queue empties in order, about four a second.
            Some(at) => at + (self.now - self.began) / 180 + flush / 400,
            None => self.now + flush,
        };
        self.push(act, sent);
    }

    fn push(&mut self, act: Act, sent: i64) {
        let stamp = self.visitor.devices.get(usize::from(self.device)).map(|device| device.stamp);
        let is_coarse = stamp == Some(Stamp::Seconds) && !act.is_mail();
        let time = if is_coarse { self.now - self.now.rem_euclid(SECOND_MS) } else { self.now };
        let mark = if sent - time >= LATE_MS_MIN { Mark::Late } else { Mark::Clean };
        self.out.push(Record {
            at: sent,
            sent,
            time,
            sender: self.visitor.number,
            device: self.device,
            number: self.visitor.events,
            named: self.named || act.is_mail(),
            arrival: self.arrival,
            act,
            mark,
        });
        self.visitor.events += 1;
    }

    fn read_mail(&mut self) {
        if self.arrival == Arrival::Newsletter {
            self.send(Act::EmailOpen);
            self.wait(8, 90);
        }
    }

    fn browse(&mut self) {
        self.return_something();
        let taste = self.taste();
        match self.visitor.chance.below(10) {
            0..4 => self.send(Act::PageView(Page::Home)),
            4..7 => self.send(Act::PageView(Page::Category(taste))),
            _ => self.view(taste),
        }
        let steps = 3 + self.visitor.chance.below(12);
        let signs_in_at = self.visitor.chance.below(6);
        for step in 0..steps {
            self.wait(6, 110);
            if self.now - self.began > BROWSE_MS_MAX {
                break;
            }
            if step == signs_in_at {
                self.introduce(0.4);
            }
            let taste = self.taste();
            match self.visitor.chance.below(100) {
                0..10 => {
                    let word = self.visitor.chance.place(WORDS);
                    self.send(Act::Search(taste, word));
                }
                10..25 => self.send(Act::PageView(Page::Category(taste))),
                25..29 => self.send(Act::PageView(Page::Shipping)),
                _ => self.view(taste),
            }
        }
    }

    /// A category to look at: mostly the first taste.
    fn taste(&mut self) -> usize {
        let [first, second] = self.visitor.tastes;
        match self.visitor.chance.weighted(&[62, 28, 10]) {
            0 => first,
            1 => second,
            _ => self.visitor.chance.place(self.catalog.categories.len()),
        }
    }

    /// Looks at a product: one that goes with the last, or a popular one of
    /// the category; and perhaps takes it.
    fn view(&mut self, category: usize) {
        let partners = self.last_view.and_then(|view| self.catalog.items.get(view));
        let partners: &[usize] = partners.map_or(&[], |item| &item.goes_with);
        let follows = !partners.is_empty() && self.chance(0.3);
        let product = if follows {
            partners.get(self.visitor.chance.place(partners.len())).copied().unwrap_or(0)
        } else {
            self.popular(category)
        };
        self.last_view = Some(product);
        self.send(Act::ProductView(product));
        let Some(item) = self.catalog.items.get(product) else { return };
        let goes_with_cart = self.visitor.cart.iter().any(|line| item.goes_with.contains(&line.product));
        let is_held = self.visitor.cart.iter().any(|line| line.product == product);
        let share = if goes_with_cart { 0.3 } else { 0.078 };
        if item.in_stock && !is_held && self.visitor.cart.len() < 8 && self.chance(share) {
            self.take(product);
        }
    }

    /// A product of the category, the first ones more often (Zipf's law).
    fn popular(&mut self, category: usize) -> usize {
        let Some((_, first, count)) = self.catalog.categories.get(category) else { return 0 };
        let total: u32 = (1..=*count).map(weight).sum();
        let mut left = self.visitor.chance.below(total);
        for rank in 1..=*count {
            if left < weight(rank) {
                return first + rank - 1;
            }
            left -= weight(rank);
        }
        *first
    }

    fn take(&mut self, product: usize) {
        self.wait(4, 40);
        let quantity = [1, 1, 1, 2].get(self.visitor.chance.place(4)).copied().unwrap_or(1);
        let line = Line { product, quantity };
        self.send(Act::AddToCart(line));
        self.visitor.cart.push(line);
        self.touch_cart();
        if self.chance(0.08) {
            self.wait(10, 60);
            self.send(Act::RemoveFromCart(line));
            self.visitor.cart.pop();
        }
    }

    fn touch_cart(&mut self) {
        self.visitor.cart_device = self.device;
        self.visitor.cart_touched_ms = self.now;
    }

    /// Signs in on a device that is not known yet, or is known but signed out.
    fn introduce(&mut self, share: f64) {
        if self.named || self.visitor.stays_anonymous || self.reconnects.is_some() || !self.chance(share) {
            return;
        }
        self.named = true;
        self.send(Act::Identify);
        if let Some(device) = self.visitor.devices.get_mut(usize::from(self.device)) {
            device.known = true;
        }
        self.wait(3, 20);
        if self.visitor.consents && self.chance(0.5) {
            self.subscribe();
        }
    }

    fn subscribe(&mut self) {
        if !self.visitor.subscribed {
            self.visitor.subscribed = true;
            self.send(Act::NewsletterSignup);
            self.wait(3, 20);
        }
    }

    /// What happens to the cart, and other things done last.
    fn settle(&mut self) {
        if self.reconnects.is_some() {
            return; // Neither an order nor a form goes through without reception.
        }
        if self.visitor.stays_anonymous && self.device == 0 && self.chance(0.03) {
            self.wait(5, 30);
            self.subscribe();
        }
        let is_old = self.visitor.cart_touched_ms < self.began;
        let buys = if is_old { 0.3 } else { 0.5 };
        if self.visitor.cart.is_empty() || !self.chance(buys) {
            return;
        }
        self.wait(5, 60);
        self.send(Act::PageView(Page::Cart));
        self.wait(5, 60);
        self.introduce(1.0);
        let cents =
            self.visitor.cart.iter().map(|l| self.catalog.cents(l.product) * i64::from(l.quantity)).sum();
        let pieces = self.visitor.cart.iter().map(|line| u32::from(line.quantity)).sum();
        self.send(Act::CheckoutStarted(pieces, cents));
        if self.chance(0.8) {
            self.wait(30, 240);
            self.buy();
        } else {
            self.touch_cart();
        }
    }

    fn buy(&mut self) {
        let lines = std::mem::take(&mut self.visitor.cart);
        self.visitor.orders += 1;
        let order = self.visitor.orders;
        let sent = self.now + self.visitor.chance.between(40, 1_900);
        for line in &lines {
            self.push(Act::Purchase(order, *line), sent);
        }
        let line = lines.get(self.visitor.chance.place(lines.len()));
        let (bought_ms, device) = (self.now, self.device);
        self.visitor.last_order = line.map(|line| Order { bought_ms, number: order, line: *line, device });
        if self.chance(0.15) {
            self.wait(10, 60);
            self.subscribe_customer();
        }
    }

    fn subscribe_customer(&mut self) {
        if self.named && self.visitor.consents {
            self.subscribe();
        }
    }

    /// Announces a return, a day or more after the order.
    fn return_something(&mut self) {
        let Some(order) = self.visitor.last_order else { return };
        let is_buyer = self.named || order.device == self.device;
        let may_return = is_buyer && self.reconnects.is_none() && self.now - order.bought_ms > 20 * HOUR_MS;
        if may_return && self.chance(0.12) {
            self.visitor.last_order = None;
            self.send(Act::Return(order.number, order.line));
            self.wait(10, 60);
        }
    }
}

/// How often the product of this rank is looked at, against the others.
fn weight(rank: usize) -> u32 {
    u32::try_from(1_000 / (rank + 2)).unwrap_or(1)
}
