//! All requests of a run in order of sending, before they are written out.
//!
//! In: visitors. Out: records, with the dirt mixed in: crawlers, duplicates
//! and broken doubles. A visit is played when its time comes, so only what is
//! not sent yet is held in memory.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::catalog::Catalog;
use super::chance::Chance;
use super::people::{CRAWLERS, Visitor};
use super::record::{Act, Arrival, CRAWLER, DOUBLE, Mark, Page, Record};
use super::schedule::{HOUR_MS, MINUTE_MS, SECOND_MS, span_ms};
use super::{Fault, Settings, visit};

/// The stream of chance behind the dirt; visitors use the streams below it.
const DIRT_STREAM: u64 = 1 << 40;

enum Pending {
    /// A visitor comes.
    Visit(usize),
    /// A request is due.
    Send(Record),
}

/// Due at, place in the order of making, what. Sorted by the first two.
struct Due(i64, u64, Pending);

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        (self.0, self.1) == (other.0, other.1)
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.0, self.1).cmp(&(other.0, other.1))
    }
}

/// The iterator over records.
pub(super) struct Traffic<'a> {
    settings: &'a Settings,
    catalog: &'a Catalog,
    visitors: Vec<Visitor>,
    queue: BinaryHeap<Reverse<Due>>,
    made: u64,
    dirt: Chance,
    end: i64,
    crawls: u32,
    /// Crawler requests owed to the share asked for, and those of the next crawl.
    crawl_debt: f64,
    crawl_len: u32,
    /// What a visit has sent; kept to reuse its memory.
    visit: Vec<Record>,
}

impl<'a> Traffic<'a> {
    pub(super) fn new(settings: &'a Settings, catalog: &'a Catalog) -> Self {
        let categories = catalog.categories.len();
        let visitors: Vec<Visitor> =
            (0..settings.visitors()).map(|number| Visitor::new(number, settings, categories)).collect();
        let mut traffic = Self {
            settings,
            catalog,
            queue: BinaryHeap::with_capacity(visitors.len() * 2),
            visitors: Vec::new(),
            made: 0,
            dirt: Chance::new(settings.seed, DIRT_STREAM),
            end: span_ms(settings).1,
            crawls: 0,
            crawl_debt: 0.0,
            crawl_len: 20,
            visit: Vec::new(),
        };
        for (place, visitor) in visitors.iter().enumerate() {
            if let Some(at) = visitor.visits.last() {
                traffic.put(*at, Pending::Visit(place));
            }
        }
        traffic.visitors = visitors;
        traffic
    }

    /// The visitor of this number, as far as the run has come.
    pub(super) fn visitor(&self, number: u32) -> Option<&Visitor> {
        self.visitors.get(usize::try_from(number).ok()?)
    }

    fn put(&mut self, at: i64, pending: Pending) {
        self.queue.push(Reverse(Due(at, self.made, pending)));
        self.made += 1;
    }

    /// Plays one visit and queues what it sends.
    fn play(&mut self, place: usize, began: i64) {
        let mut sent = std::mem::take(&mut self.visit);
        if let Some(visitor) = self.visitors.get_mut(place) {
            visitor.visits.pop();
            let next = visitor.visits.last().copied();
            let until = next.unwrap_or(self.end);
            visit::run(visitor, self.catalog, self.settings.dirt.offline_share, (began, until), &mut sent);
            if let Some(next) = next {
                self.put(next, Pending::Visit(place));
            }
        }
        for record in &sent {
            self.put(record.at, Pending::Send(*record));
            self.soil(*record);
            self.crawl_debt += self.settings.dirt.bot_share.clamp(0.0, 10.0);
        }
        sent.clear();
        self.visit = sent;
        while self.crawl_debt >= f64::from(self.crawl_len) {
            self.crawl(began);
        }
    }

    /// Queues the dirt that comes with one good record.
    fn soil(&mut self, record: Record) {
        if self.dirt.happens(self.settings.dirt.duplicate_share) {
            let again = record.at + self.dirt.spread(2 * SECOND_MS, 8 * HOUR_MS);
            if again < self.end {
                self.put(again, Pending::Send(Record { at: again, mark: Mark::Duplicate, ..record }));
            }
        }
        if self.dirt.happens(self.settings.dirt.broken_share) {
            let at = record.at + self.dirt.between(1, 900);
            let mark =
                Mark::Broken(Fault::ALL.get(self.dirt.place(Fault::ALL.len())).copied().unwrap_or_default());
            let double = Record { at, sent: at, number: record.number | DOUBLE, mark, ..record };
            self.put(at, Pending::Send(double));
        }
    }

    /// Sends a crawler through the shop from about `from` on.
    fn crawl(&mut self, from: i64) {
        self.crawl_debt -= f64::from(self.crawl_len);
        let crawler = self.dirt.place(CRAWLERS.len());
        let sender = CRAWLER | self.crawls;
        self.crawls += 1;
        // A crawl takes at most an hour and visits end four before the run does.
        let mut at = from + self.dirt.between(0, 90 * MINUTE_MS);
        let first = self.dirt.place(self.catalog.items.len());
        for number in 0..self.crawl_len {
            at += self.dirt.between(SECOND_MS, 30 * SECOND_MS);
            let place = usize::try_from(number).unwrap_or(0);
            let product = (first + place) % self.catalog.items.len().max(1);
            let category = place % self.catalog.categories.len().max(1);
            let act = match number % 8 {
                0 => Act::PageView(Page::Category(category)),
                _ => Act::ProductView(product),
            };
            let record = Record {
                at,
                sent: at,
                time: at,
                sender,
                device: u8::try_from(crawler).unwrap_or(0),
                number,
                named: false,
                arrival: Arrival::Direct,
                act,
                mark: Mark::Bot,
            };
            self.put(at, Pending::Send(record));
        }
        self.crawl_len = 20 + self.dirt.below(60);
    }
}

impl Iterator for Traffic<'_> {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        loop {
            let Reverse(Due(at, _, pending)) = self.queue.pop()?;
            match pending {
                Pending::Send(record) => return Some(record),
                Pending::Visit(place) => self.play(place, at),
            }
        }
    }
}
