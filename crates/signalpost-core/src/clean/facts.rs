//! Properties, traits and context into their normal forms, field by field.
//!
//! In: the maps of an event and the source's settings. Out: the same maps with
//! known fields rewritten, and a note on each that changed. A field is known by
//! its name; which kinds are touched is the source's to say
//! ([`Normalise`](super::settings::Normalise)).

use super::change::Notes;
use super::problem::{Problem, ProblemCode, excerpt};
use super::raw::type_name;
use super::settings::SourceSettings;
use super::text::{is_sentinel, tidy};
use super::{email, link, money, phone, place};
use crate::value::{Map, Value, get, set};

/// What a field holds, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Email,
    Phone,
    Country,
    Language,
    Currency,
    Amount,
    Link,
}

fn kind(name: &str) -> Option<Kind> {
    Some(match name {
        "email" => Kind::Email,
        "phone" | "phone_number" | "mobile" | "mobile_phone" | "telephone" => Kind::Phone,
        "country" | "country_code" => Kind::Country,
        "language" | "locale" | "lang" => Kind::Language,
        "currency" | "currency_code" => Kind::Currency,
        "price" | "unit_price" | "revenue" | "total" | "subtotal" | "tax" | "amount" => Kind::Amount,
        "url" | "page_url" | "landing_page" | "referrer" | "referer" => Kind::Link,
        _ => return None,
    })
}

/// Rewrites the known fields of an event's maps.
pub(super) fn clean(
    properties: &mut Map,
    traits: &mut Map,
    context: &mut Map,
    source: &SourceSettings,
    notes: &mut Notes,
) {
    let stated = |map: &Map| {
        let value = get(map, "currency").or_else(|| get(map, "currency_code"))?;
        value
            .as_text()
            .map(|text| money::currency(text).map_or_else(|| tidy(text).into_owned(), str::to_owned))
    };
    let currency =
        if properties.iter().any(|(name, value)| is_amount(name, value)) { stated(properties) } else { None };
    let mut campaign = Map::new();
    let mut walk = |map: &mut Map, place: &str, notes: &mut Notes| {
        let mut left_out = Vec::new();
        for (at, (name, value)) in map.iter_mut().enumerate() {
            let Some(kind) = kind(name) else { continue };
            // Amounts stand in properties; what a person earns is no price.
            if kind == Kind::Amount && place != "properties" {
                continue;
            }
            let field = Field { place, name, source, currency: currency.as_deref() };
            if field.clean(kind, value, &mut campaign, notes) {
                left_out.push(at);
            }
        }
        for at in left_out.into_iter().rev() {
            map.remove(at);
        }
    };
    walk(traits, "traits", notes);
    walk(properties, "properties", notes);
    if source.normalise.link && !context.is_empty() {
        walk(context, "context", notes);
        if let Some((_, Value::Map(page))) = context.iter_mut().find(|(name, _)| &**name == "page") {
            walk(page, "context.page", notes);
        }
    }
    if !campaign.is_empty() && get(context, "campaign").is_none() {
        set(context, "campaign", Value::Map(campaign));
    }
}

/// Whether a value is an amount that is text; a number is in its normal form.
fn is_amount(name: &str, value: &Value) -> bool {
    value.as_text().is_some() && kind(name) == Some(Kind::Amount)
}

/// One field under its normalisation.
struct Field<'a> {
    place: &'a str,
    name: &'a str,
    source: &'a SourceSettings,
    currency: Option<&'a str>,
}

impl Field<'_> {
    fn path(&self) -> String {
        format!("{}.{}", self.place, self.name)
    }

    /// Rewrites `value`; `true` when it became null to be left out.
    fn clean(&self, kind: Kind, value: &mut Value, campaign: &mut Map, notes: &mut Notes) -> bool {
        let wants = &self.source.normalise;
        match kind {
            Kind::Email => return self.email(value, notes),
            Kind::Phone if wants.phone => return self.phone(value, notes),
            Kind::Amount => return self.amount(value, notes),
            Kind::Country if wants.country => {
                self.text(value, "country", notes, |text| place::country(text).map(str::to_owned));
            }
            Kind::Language if wants.language => self.text(value, "language", notes, place::language),
            Kind::Currency if wants.currency => {
                self.text(value, "currency", notes, |text| money::currency(text).map(str::to_owned));
            }
            Kind::Link if wants.link => self.link(value, campaign, notes),
            _ => {}
        }
        false
    }

    /// Puts `to` in the place of `value` and notes it.
    fn replace(&self, value: &mut Value, to: Value, rule: &str, notes: &mut Notes) {
        let from = std::mem::replace(value, to.clone());
        notes.change(self.path(), from, to, rule);
    }

    /// Codes and names: what cannot be read stays as it came.
    fn text(&self, value: &mut Value, rule: &str, notes: &mut Notes, read: impl Fn(&str) -> Option<String>) {
        if let Some(text) = value.as_text()
            && let Some(read) = read(text)
            && read != text
        {
            self.replace(value, Value::Text(read.into()), rule, notes);
        }
    }

    /// Normalises an address; an unusable one is left out for a remark.
    fn email(&self, value: &mut Value, notes: &mut Notes) -> bool {
        let text = match &*value {
            Value::Null => return false,
            // What a `consent` event says of mail is a decision and no address.
            Value::Bool(_) if self.place == "properties" => return false,
            Value::Text(text) => text,
            other => {
                let message =
                    format!("expected text, got {}: {}", type_name(other), excerpt(&other.to_string()));
                notes.problems.push(Problem::new(ProblemCode::BadEmail, self.path(), message));
                self.replace(value, Value::Null, "email", notes);
                return true;
            }
        };
        let read = email::normalise(text);
        let address = if self.source.normalise.strip_plus_addresses {
            read.map(|address| email::without_plus(&address))
        } else {
            read
        };
        let Some(address) = address else {
            if !is_sentinel(&tidy(text)) {
                let message = format!("{text:?} is not an address mail can be sent to; left out");
                notes.problems.push(Problem::new(ProblemCode::BadEmail, self.path(), message));
            }
            self.replace(value, Value::Null, "email", notes);
            return true;
        };
        if email::is_placeholder(&address) {
            let message = format!("{address:?} is hardly a person's address; kept");
            notes.problems.push(Problem::new(ProblemCode::PlaceholderEmail, self.path(), message));
        }
        if *address != **text {
            self.replace(value, Value::Text(address.into()), "email", notes);
        }
        false
    }

    /// Normalises a phone number; what cannot be one where it says it is, is
    /// left out for a remark. A national number of a source without a region
    /// stays as it came, because nobody can say whose it is.
    fn phone(&self, value: &mut Value, notes: &mut Notes) -> bool {
        let text = match &*value {
            Value::Text(text) => text.to_string(),
            Value::Int(number) => number.to_string(),
            // What a column of numbers with gaps makes of one.
            Value::Float(number) if number.fract() == 0.0 && number.abs() < 1e16 => format!("{number:.0}"),
            _ => return false,
        };
        let region = self.source.phone_region.as_deref();
        if let Some(number) = phone::normalise(&text, region) {
            if value.as_text() != Some(&number) {
                self.replace(value, Value::Text(number.into()), "phone", notes);
            }
            return false;
        }
        let nothing = is_sentinel(&tidy(&text));
        if !nothing && region.is_none() && !phone::is_international(&text) {
            return false;
        }
        if !nothing {
            let message = format!(
                "{:?} is no phone number{}; left out",
                excerpt(&text),
                region.map(|region| format!(" in {region}, and no international one")).unwrap_or_default()
            );
            notes.problems.push(Problem::new(ProblemCode::BadPhone, self.path(), message));
        }
        self.replace(value, Value::Null, "phone", notes);
        true
    }

    /// Writes an amount of money that is text, such as `$1,234.50`, as plain
    /// decimal text, so that sums can be taken. What cannot be read stays, and
    /// what says that there is none is left out.
    fn amount(&self, value: &mut Value, notes: &mut Notes) -> bool {
        let Some(text) = value.as_text() else { return false };
        if is_sentinel(&tidy(text)) {
            self.replace(value, Value::Null, "amount", notes);
            return true;
        }
        let currency = self.currency.or(self.source.currency.as_deref());
        if let Some(amount) = money::normalise(value, currency, self.source.decimal_mark) {
            if *amount != *text {
                self.replace(value, Value::Text(amount.into()), "amount", notes);
            }
            return false;
        }
        if value.as_number().is_none() {
            let message = format!(
                "{:?} is no amount in {}, or could be two; kept as it came. Send a number, or set decimal_mark of the source",
                excerpt(&value.to_string()),
                currency.unwrap_or("a known currency")
            );
            notes.problems.push(Problem::new(ProblemCode::BadAmount, self.path(), message));
        }
        false
    }

    fn link(&self, value: &mut Value, campaign: &mut Map, notes: &mut Notes) {
        let Some(text) = value.as_text() else { return };
        if link::is_plain(text) {
            return;
        }
        let Some(read) = link::read(text) else { return };
        // A referrer's campaign was that of the visit before.
        if campaign.is_empty() && !self.name.starts_with("refer") {
            campaign.clone_from(&read.campaign);
        }
        if read.address != text {
            let rule = match (read.campaign.is_empty(), read.tracked) {
                (false, _) => "url.utm",
                (true, true) => "url.tracking",
                (true, false) => "url.form",
            };
            self.replace(value, Value::Text(read.address.into()), rule, notes);
        }
    }
}
