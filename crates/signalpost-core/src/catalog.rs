//! What can be bought: catalog items, and the index recommendations and
//! templates look them up in.
//!
//! In: JSON objects from the API, a feed or an import. Out: typed items, or the
//! field that must be mended; and JSON again for the `products` of a template.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::clean::{ProductIdPolicy, product_id};
use crate::id::ProductId;
use crate::value::{Map, Value, get};

/// The longest product id taken, in bytes.
pub const PRODUCT_ID_BYTES_MAX: usize = 256;

/// The names of the fields an [`Item`] holds by itself; everything else in an
/// item's JSON is an attribute.
const FIELDS: [&str; 10] =
    ["product_id", "name", "category", "brand", "price", "currency", "image_url", "url", "in_stock", "tags"];

/// One thing that can be bought.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// Its key, in the normal form of [`product_id`].
    pub product_id: ProductId,
    /// What people read; the product id when none was sent.
    pub name: Box<str>,
    /// Where it stands in the shop: `Electronics`.
    pub category: Option<Box<str>>,
    /// Who makes it.
    pub brand: Option<Box<str>>,
    /// What it costs.
    pub price: Option<Price>,
    /// A picture, as an absolute address.
    pub image_url: Option<Box<str>>,
    /// Its page in the shop, as an absolute address.
    pub url: Option<Box<str>>,
    /// Whether it can be bought now; `true` unless the catalog says otherwise.
    pub in_stock: bool,
    /// Free labels, in the order they were sent.
    pub tags: Vec<Box<str>>,
    /// Everything else the catalog said about it.
    pub attributes: Map,
}

/// What an item costs. The amount is decimal text, never a binary fraction, so
/// that a mail says exactly what the shop says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    /// Digits with at most one point: `12.50`. Never negative.
    pub amount: Box<str>,
    /// ISO 4217, in capitals; `None` when the catalog did not say.
    pub currency: Option<Box<str>>,
}

/// Why an item was not taken. Every kind names the field to mend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The item is not a JSON object.
    #[error(
        "an item must be a JSON object such as {{\"product_id\":\"A1X2\",\"name\":\"Kettle\"}}, not {found}"
    )]
    NotAnObject {
        /// The kind of JSON that came.
        found: &'static str,
    },
    /// A field that every item needs is absent or empty.
    #[error("`{field}` is missing: every item needs one")]
    Missing {
        /// The field.
        field: &'static str,
    },
    /// A field holds something that cannot be read.
    #[error("`{field}` must be {expected}, not {found}")]
    Unreadable {
        /// The field.
        field: &'static str,
        /// What it should hold.
        expected: &'static str,
        /// What it held, cut to 80 characters.
        found: Box<str>,
    },
}

impl Problem {
    /// The field to mend; empty when it is the item as a whole.
    pub fn field(&self) -> &'static str {
        match self {
            Self::NotAnObject { .. } => "",
            Self::Missing { field } | Self::Unreadable { field, .. } => field,
        }
    }
}

/// A product id in the form that `clean` gives it by default, so that the
/// events and the catalog name one item alike: `85123a ` and `85123A`, a GTIN
/// with or without its leading zeros, `gid://shopify/Product/1` and
/// `shopify:product:1`. `None` when nothing is left or it is longer than
/// [`PRODUCT_ID_BYTES_MAX`].
pub fn product_id(text: &str) -> Option<ProductId> {
    let read = product_id::normalise(&Value::from(text), &ProductIdPolicy::default());
    read.id.filter(|id| id.as_str().len() <= PRODUCT_ID_BYTES_MAX)
}

impl Item {
    /// Reads an item from a JSON object.
    ///
    /// `product_id` is required (also read from `id` or `sku`). `name` is also
    /// read from `title`, `image_url` from `image_link`, `url` from `link`, and
    /// `in_stock` from the `availability` of a product feed. `price` is a
    /// number, decimal text, or `{"amount": "12.50", "currency": "EUR"}`;
    /// `currency` may stand beside it. An `attributes` object is unfolded;
    /// other fields become attributes under their own names.
    ///
    /// # Errors
    /// [`Problem`], naming the first field that cannot be read.
    pub fn from_json(json: &Json) -> Result<Self, Problem> {
        let Json::Object(object) = json else {
            return Err(Problem::NotAnObject { found: kind(json) });
        };
        let mut fields = Fields { object, taken: BTreeSet::new() };
        let id = fields.text(&["product_id", "id", "sku"], "product_id")?;
        let id = id.ok_or(Problem::Missing { field: "product_id" })?;
        let product_id = product_id(&id).ok_or_else(|| Problem::Unreadable {
            field: "product_id",
            expected: "text of 1 to 256 bytes",
            found: shown(&Json::from(&*id)),
        })?;
        let name = fields.text(&["name", "title"], "name")?;
        Ok(Self {
            name: name.unwrap_or_else(|| product_id.as_str().into()),
            category: fields.text(&["category"], "category")?,
            brand: fields.text(&["brand"], "brand")?,
            price: fields.price()?,
            image_url: fields.text(&["image_url", "image_link"], "image_url")?,
            url: fields.text(&["url", "link"], "url")?,
            in_stock: fields.in_stock()?,
            tags: fields.tags()?,
            attributes: fields.rest(),
            product_id,
        })
    }

    /// The item as a template sees it: its fields and, beside them, its
    /// attributes. The price is decimal text, the currency stands by itself,
    /// and what is absent is `null`.
    pub fn to_json(&self) -> Json {
        let text = |text: &Option<Box<str>>| text.as_deref().map_or(Json::Null, Json::from);
        let currency = self.price.as_ref().and_then(|price| price.currency.clone());
        let mut object = serde_json::Map::new();
        let mut put = |name: &str, value: Json| object.insert(name.to_owned(), value);
        put("product_id", Json::from(self.product_id.as_str()));
        put("name", Json::from(&*self.name));
        put("category", text(&self.category));
        put("brand", text(&self.brand));
        put("price", self.price.as_ref().map_or(Json::Null, |price| Json::from(&*price.amount)));
        put("currency", text(&currency));
        put("image_url", text(&self.image_url));
        put("url", text(&self.url));
        put("in_stock", Json::from(self.in_stock));
        put("tags", self.tags.iter().map(|tag| Json::from(&**tag)).collect());
        for (name, value) in &self.attributes {
            object.entry(name.to_string()).or_insert_with(|| value.to_json());
        }
        Json::Object(object)
    }

    /// Whether this item is in `category`; capitals do not matter.
    pub fn is_in(&self, category: &str) -> bool {
        self.category.as_deref().is_some_and(|own| category_key(own) == category_key(category))
    }
}

/// The fields of an item's JSON, and which of them have been read.
struct Fields<'a> {
    object: &'a serde_json::Map<String, Json>,
    taken: BTreeSet<&'static str>,
}

impl Fields<'_> {
    /// The first of `names` that is there and not null or empty text.
    fn find(&mut self, names: &[&'static str]) -> Option<&Json> {
        let name = names.iter().copied().find(|name| match self.object.get(*name) {
            None | Some(Json::Null) => false,
            Some(Json::String(text)) => !text.trim().is_empty(),
            Some(_) => true,
        })?;
        self.taken.insert(name);
        self.object.get(name)
    }

    /// Text, or a number or truth value as text.
    fn text(&mut self, names: &[&'static str], field: &'static str) -> Result<Option<Box<str>>, Problem> {
        match self.find(names) {
            None => Ok(None),
            Some(Json::String(text)) => Ok(Some(text.trim().into())),
            Some(Json::Number(number)) => Ok(Some(number.to_string().into())),
            Some(other) => Err(unreadable(field, "text", other)),
        }
    }

    fn price(&mut self) -> Result<Option<Price>, Problem> {
        const EXPECTED: &str = "an amount such as 12.50 that is not negative";
        let beside = self.find(&["currency"]).cloned();
        let Some(price) = self.find(&["price"]).cloned() else { return Ok(None) };
        let (amount, inside) = match &price {
            Json::Object(object) => (object.get("amount").unwrap_or(&Json::Null), object.get("currency")),
            other => (other, None),
        };
        let digits = match amount {
            Json::String(text) => text.trim().to_owned(),
            Json::Number(number) => number.to_string(),
            _ => return Err(unreadable("price", EXPECTED, &price)),
        };
        if !is_amount(&digits) {
            return Err(unreadable("price", EXPECTED, &price));
        }
        let currency = match inside.filter(|currency| !currency.is_null()).or(beside.as_ref()) {
            None => None,
            Some(Json::String(text)) if is_currency(text.trim()) => {
                Some(text.trim().to_ascii_uppercase().into())
            }
            Some(other) => {
                return Err(unreadable("currency", "three letters of ISO 4217 such as EUR", other));
            }
        };
        Ok(Some(Price { amount: digits.into(), currency }))
    }

    fn in_stock(&mut self) -> Result<bool, Problem> {
        const EXPECTED: &str = "true or false";
        match self.find(&["in_stock", "availability"]) {
            None => Ok(true),
            Some(Json::Bool(told)) => Ok(*told),
            Some(other) => {
                let text = match other {
                    Json::String(text) => text.trim().to_lowercase().replace(['_', '-'], " "),
                    Json::Number(number) => number.to_string(),
                    _ => return Err(unreadable("in_stock", EXPECTED, other)),
                };
                match text.as_str() {
                    "true" | "1" | "yes" | "y" | "in stock" | "preorder" | "backorder" => Ok(true),
                    "false" | "0" | "no" | "n" | "out of stock" | "discontinued" => Ok(false),
                    _ => Err(unreadable("in_stock", EXPECTED, other)),
                }
            }
        }
    }

    /// A list of text, or text with commas between the tags.
    fn tags(&mut self) -> Result<Vec<Box<str>>, Problem> {
        const EXPECTED: &str = "a list of text";
        match self.find(&["tags"]) {
            None => Ok(Vec::new()),
            Some(Json::String(text)) => {
                Ok(text.split(',').map(str::trim).filter(|tag| !tag.is_empty()).map(Box::from).collect())
            }
            Some(Json::Array(items)) => items
                .iter()
                .map(|item| item.as_str().map(|tag| tag.trim().into()))
                .collect::<Option<Vec<_>>>()
                .ok_or_else(|| unreadable("tags", EXPECTED, &Json::Array(items.clone()))),
            Some(other) => Err(unreadable("tags", EXPECTED, other)),
        }
    }

    fn rest(&self) -> Map {
        let mut attributes = Map::new();
        let mut put = |name: &str, value: &Json| {
            if !value.is_null() && !FIELDS.contains(&name) && get(&attributes, name).is_none() {
                attributes.push((name.into(), Value::from(value.clone())));
            }
        };
        for (name, value) in self.object {
            match value {
                _ if self.taken.contains(name.as_str()) => {}
                Json::Object(inner) if name == "attributes" => {
                    inner.iter().for_each(|(name, value)| put(name, value));
                }
                value => put(name, value),
            }
        }
        attributes
    }
}

fn is_amount(text: &str) -> bool {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    text.len() <= 30 && digits(whole) && digits(fraction)
}

fn is_currency(text: &str) -> bool {
    text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_alphabetic())
}

fn unreadable(field: &'static str, expected: &'static str, found: &Json) -> Problem {
    Problem::Unreadable { field, expected, found: shown(found) }
}

fn shown(json: &Json) -> Box<str> {
    json.to_string().chars().take(80).collect::<String>().into()
}

fn kind(json: &Json) -> &'static str {
    match json {
        Json::Null => "null",
        Json::Bool(_) => "a truth value",
        Json::Number(_) => "a number",
        Json::String(_) => "text",
        Json::Array(_) => "a list",
        Json::Object(_) => "an object",
    }
}

fn category_key(category: &str) -> String {
    category.trim().to_lowercase()
}

/// All items, by id and by category. Iteration is in order of the ids' bytes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Catalog {
    items: BTreeMap<ProductId, Item>,
    /// (category key, product id), so that one category is one range.
    categories: BTreeSet<(Box<str>, ProductId)>,
}

impl Catalog {
    /// An empty catalog.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts an item in, in place of an earlier one with the same id, which is
    /// returned.
    pub fn upsert(&mut self, item: Item) -> Option<Item> {
        let earlier = self.remove(&item.product_id);
        if let Some(category) = &item.category {
            self.categories.insert((category_key(category).into(), item.product_id.clone()));
        }
        self.items.insert(item.product_id.clone(), item);
        earlier
    }

    /// Takes an item out and returns it.
    pub fn remove(&mut self, id: &ProductId) -> Option<Item> {
        let item = self.items.remove(id)?;
        if let Some(category) = &item.category {
            self.categories.remove(&(category_key(category).into(), id.clone()));
        }
        Some(item)
    }

    /// The item with this id.
    pub fn get(&self, id: &ProductId) -> Option<&Item> {
        self.items.get(id)
    }

    /// The items of one category; capitals do not matter.
    pub fn in_category<'a>(&'a self, category: &str) -> impl Iterator<Item = &'a Item> + use<'a> {
        let key: Box<str> = category_key(category).into();
        let from = (key.clone(), ProductId::from(""));
        self.categories
            .range((Bound::Included(from), Bound::Unbounded))
            .take_while(move |(own, _)| *own == key)
            .filter_map(|(_, id)| self.items.get(id))
    }

    /// All items.
    pub fn items(&self) -> impl Iterator<Item = &Item> {
        self.items.values()
    }

    /// How many items there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}

impl FromIterator<Item> for Catalog {
    fn from_iter<I: IntoIterator<Item = Item>>(items: I) -> Self {
        let mut catalog = Self::new();
        for item in items {
            catalog.upsert(item);
        }
        catalog
    }
}

#[cfg(test)]
mod tests;
