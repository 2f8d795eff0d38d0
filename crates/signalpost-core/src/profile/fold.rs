//! The fold: one event into one profile.
//!
//! Each rule keeps the greatest [`Moment`], a count, a sum or a set, so the
//! order of arrival never matters.

use super::{CartLine, Consent, Moment, Profile, Trait, TypeSummary};
use crate::event::Event;
use crate::id::ProductId;
use crate::segment::TypeName;
use crate::time::Timestamp;
use crate::value::{Value, get};

/// Days of daily counts kept a type, for `<event_type>_count_<N>d`.
pub const DAILY_COUNTS_KEPT: usize = 92;
/// Products kept in `viewed` and `purchased`.
pub const VIEWED_KEPT: usize = 20;
/// Products kept in the cart.
pub const CART_KEPT: usize = 200;
/// Event types that are a look at a product.
pub(super) const VIEWS: &[&str] = &["product_view", "product_viewed", "view"];
/// Event types that put a product into the cart.
const CART_ADDS: &[&str] = &["add_to_cart", "product_added"];
/// Event types that take a product out of the cart.
const CART_REMOVES: &[&str] = &["remove_from_cart", "product_removed"];
/// Event types that buy.
pub(super) const PURCHASES: &[&str] = &["purchase", "order_completed"];
/// Event types that change the cart: the three before together.
pub(super) const CART: &[&str] =
    &["add_to_cart", "product_added", "remove_from_cart", "product_removed", "purchase", "order_completed"];
/// The event type that refuses e-mail.
pub const UNSUBSCRIBE: &str = "unsubscribe";
/// The purpose that mails go out for.
const EMAIL: &str = "email";
/// The event type that says yes or no to purposes: its properties.
pub(super) const CONSENT: &str = "consent";
/// The purpose that a browser's Global Privacy Control refuses, as the CCPA has it.
pub const SALE_AND_SHARING: &str = "sale_and_sharing";
/// The most purposes that events may bring to a profile.
const PURPOSES_MAX: usize = 64;
/// The longest name of a purpose that an event may bring, in bytes.
const PURPOSE_BYTES_MAX: usize = 64;
/// Micro-units in one unit of money.
const MICROS: f64 = 1_000_000.0;

impl Profile {
    /// Takes in one event whose time has come.
    pub fn fold(&mut self, event: &Event, moment: Moment) {
        self.fold_summary(event, true);
        self.fold_facts(event, moment);
    }

    /// Takes in one derived event, which may be taken back.
    pub(crate) fn fold_derived(&mut self, event: &Event, moment: Moment) {
        self.fold_summary(event, false);
        self.fold_facts(event, moment);
    }

    fn fold_facts(&mut self, event: &Event, moment: Moment) {
        self.fold_traits(event, moment);
        if let Some(id) = &event.anonymous_id
            && self.key.customer_id().is_some()
            && !self.anonymous_ids.contains(id)
        {
            self.anonymous_ids.push(id.clone());
        }
        match &*event.event_type {
            kind if VIEWS.contains(&kind) => self.fold_view(event, moment),
            kind if CART_ADDS.contains(&kind) => self.fold_cart_added(event, moment),
            kind if CART_REMOVES.contains(&kind) => self.fold_cart_removed(event, moment),
            kind if PURCHASES.contains(&kind) => self.fold_purchase(event, moment),
            UNSUBSCRIBE => self.set_consent(EMAIL, false, moment),
            CONSENT => self.fold_consent(event, moment),
            _ => {}
        }
        if get(&event.context, "gpc") == Some(&Value::Bool(true)) {
            self.set_consent(SALE_AND_SHARING, false, moment);
        }
    }

    /// `outside` says that the event was not derived.
    fn fold_summary(&mut self, event: &Event, outside: bool) {
        let at = event.timestamp;
        let day = at.day();
        let summary = match self.place_of_type(&event.event_type) {
            Some(index) => self.types.get_mut(index),
            None => {
                self.types.push(TypeSummary {
                    event_type: TypeName::from(&*event.event_type),
                    count: 0,
                    first: at,
                    last: at,
                    outside: None,
                    daily: Vec::new(),
                });
                self.types.last_mut()
            }
        };
        let Some(summary) = summary else { return };
        summary.count += 1;
        summary.first = summary.first.min(at);
        summary.last = summary.last.max(at);
        if outside {
            let (first, last) = summary.outside.unwrap_or((at, at));
            summary.outside = Some((first.min(at), last.max(at)));
        }
        match summary.daily.binary_search_by_key(&day, |(held, _)| *held) {
            Ok(index) => {
                if let Some((_, count)) = summary.daily.get_mut(index) {
                    *count += 1;
                }
            }
            Err(index) => summary.daily.insert(index, (day, 1)),
        }
        if summary.daily.len() > DAILY_COUNTS_KEPT {
            summary.daily.remove(0);
        }
    }

    /// Takes one derived event out of its type's sums; `left` are the times of
    /// the derived ones of its kind that stay.
    pub(crate) fn forget(&mut self, event_type: &str, at: Timestamp, left: &[Timestamp]) {
        let Some(index) = self.place_of_type(event_type) else { return };
        let Some(summary) = self.types.get_mut(index) else { return };
        summary.count = summary.count.saturating_sub(1);
        if let Some((_, count)) = summary.daily.iter_mut().find(|(day, _)| *day == at.day()) {
            *count = count.saturating_sub(1);
        }
        let (first, last) = summary.outside.unzip();
        match (left.iter().copied().chain(first).min(), left.iter().copied().chain(last).max()) {
            (Some(first), Some(last)) => {
                summary.first = first;
                summary.last = last;
            }
            _ => {
                self.types.remove(index);
            }
        }
    }

    fn fold_traits(&mut self, event: &Event, moment: Moment) {
        for (name, value) in &event.traits {
            if &**name == "consent" {
                self.fold_consents(value, moment);
            } else {
                self.set_trait(name, value, moment);
            }
        }
    }

    fn set_trait(&mut self, name: &str, value: &Value, moment: Moment) {
        match self.traits.iter_mut().find(|held| &*held.name == name) {
            Some(held) if held.set_at <= moment => {
                held.value = value.clone();
                held.set_at = moment;
            }
            Some(_) => {}
            None => self.traits.push(Trait { name: name.into(), value: value.clone(), set_at: moment }),
        }
    }

    /// `consent: {"email": true}`, or `consent: true` for e-mail.
    fn fold_consents(&mut self, value: &Value, moment: Moment) {
        match value {
            Value::Bool(granted) => self.set_consent("email", *granted, moment),
            Value::Map(purposes) => {
                for (purpose, granted) in purposes {
                    if let Value::Bool(granted) = granted {
                        self.set_consent(purpose, *granted, moment);
                    }
                }
            }
            _ => {}
        }
    }

    fn fold_consent(&mut self, event: &Event, moment: Moment) {
        for (purpose, value) in &event.properties {
            let Value::Bool(granted) = *value else { continue };
            // The key in a page is public: whoever has it may refuse mail for
            // anybody, but not take a refusal back.
            let may = purpose.len() <= PURPOSE_BYTES_MAX && !(granted && &**purpose == EMAIL);
            let has_room = self.consents.len() < PURPOSES_MAX || self.consent(purpose).is_some();
            if may && has_room {
                self.set_consent(purpose, granted, moment);
            }
        }
    }

    /// Records a consent decision; the latest moment wins.
    pub fn set_consent(&mut self, purpose: &str, granted: bool, moment: Moment) {
        self.unevaluated |= self.consent(purpose) != Some(granted);
        match self.consents.iter_mut().find(|held| &*held.purpose == purpose) {
            Some(held) if held.set_at <= moment => {
                held.granted = granted;
                held.set_at = moment;
            }
            Some(_) => {}
            None => self.consents.push(Consent { purpose: purpose.into(), granted, set_at: moment }),
        }
    }

    fn fold_view(&mut self, event: &Event, moment: Moment) {
        if let Some(id) = &event.product_id {
            replace_if_later(&mut self.last_viewed, id, moment);
            keep_latest(&mut self.viewed, id, moment);
        }
        if let Some(Value::Text(category)) = get(&event.properties, "category") {
            replace_if_later(&mut self.recent_view_category, category, moment);
        }
    }

    fn fold_cart_added(&mut self, event: &Event, moment: Moment) {
        let quantity = get(&event.properties, "quantity").and_then(Value::as_number).unwrap_or(1.0);
        if let Some(line) = self.cart_line(event)
            && line.added <= Some(moment)
        {
            line.added = Some(moment);
            line.quantity = quantity;
        }
    }

    fn fold_cart_removed(&mut self, event: &Event, moment: Moment) {
        if let Some(line) = self.cart_line(event) {
            line.removed = line.removed.max(Some(moment));
        }
    }

    fn cart_line(&mut self, event: &Event) -> Option<&mut CartLine> {
        let id = event.product_id.as_ref()?;
        if let Some(index) = self.cart.iter().position(|line| line.product_id == *id) {
            return self.cart.get_mut(index);
        }
        if self.cart.len() >= CART_KEPT {
            // The line that was touched longest ago tells least.
            let oldest = self.cart.iter().enumerate().min_by_key(|(_, line)| line.added.max(line.removed))?.0;
            self.cart.remove(oldest);
        }
        self.cart.push(CartLine { product_id: id.clone(), quantity: 1.0, added: None, removed: None });
        self.cart.last_mut()
    }

    fn fold_purchase(&mut self, event: &Event, moment: Moment) {
        let order = match get(&event.properties, "order_id") {
            Some(Value::Null) | None => event.event_id.as_str().to_owned(),
            Some(id) => id.to_string(),
        };
        let order = hash(order.as_bytes());
        if let Err(index) = self.orders.binary_search(&order) {
            self.orders.insert(index, order);
        }
        self.spent_micros = self.spent_micros.saturating_add(amount_micros(event));
        match &event.product_id {
            Some(id) => {
                keep_latest(&mut self.purchased, id, moment);
                // Noted even when nothing was in the cart: the add may arrive late.
                self.fold_cart_removed(event, moment);
            }
            None => self.cart_emptied = self.cart_emptied.max(Some(moment)),
        }
    }
}

/// Keeps what came last; what is the same is not written anew.
fn replace_if_later<T: Clone + PartialEq>(held: &mut Option<(Moment, T)>, value: &T, moment: Moment) {
    match held {
        Some((at, _)) if *at > moment => {}
        Some((at, same)) if same == value => *at = moment,
        held => *held = Some((moment, value.clone())),
    }
}

/// Keeps each product once, at its latest moment, latest first.
fn keep_latest(held: &mut Vec<(Moment, ProductId)>, id: &ProductId, moment: Moment) {
    match held.iter().position(|(_, other)| other == id) {
        Some(index) => {
            if held.get(index).is_some_and(|(at, _)| *at >= moment) {
                return;
            }
            held.remove(index);
        }
        None if held.len() >= VIEWED_KEPT && held.last().is_some_and(|(at, _)| *at > moment) => return,
        None => {}
    }
    let index = held.partition_point(|(at, _)| *at > moment);
    held.insert(index, (moment, id.clone()));
    held.truncate(VIEWED_KEPT);
}

/// What a purchase was worth, in micro-units: `revenue`, `total` or `value`
/// when told, else `quantity` (1 when absent) times `unit_price` or `price`.
pub fn amount_micros(event: &Event) -> i64 {
    let number = |name: &str| get(&event.properties, name).and_then(Value::as_number);
    if let Some(total) = number("revenue").or_else(|| number("total")).or_else(|| number("value")) {
        return to_micros(total);
    }
    let price = number("unit_price").or_else(|| number("price")).unwrap_or(0.0);
    let quantity = number("quantity").unwrap_or(1.0);
    let product = i128::from(to_micros(price)) * i128::from(to_micros(quantity)) / 1_000_000;
    i64::try_from(product).unwrap_or(i64::MAX)
}

/// Rounds to micro-units; numbers of up to nine digits before the point and
/// six after it are exact, larger ones are held at the limits.
#[expect(clippy::cast_possible_truncation, reason = "a float-to-integer cast saturates")]
fn to_micros(number: f64) -> i64 {
    (number * MICROS).round() as i64
}

/// FNV-1a, 64 bits: stable across versions, because it is written to disk.
pub fn hash(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
