//! The catalog of the simulated shop.
//!
//! In: the table of products. Out: catalog items, and for the visits which
//! products a category holds and which go together.

use super::products::PRODUCTS;

/// The currency of every price in the shop.
pub const CURRENCY: &str = "EUR";

/// One product as the shop's catalog describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogItem {
    /// `SP-1042`; what events carry as `product_id`.
    pub id: String,
    /// As shown to a customer.
    pub name: &'static str,
    /// One of eight; `Electronics` is among them.
    pub category: &'static str,
    /// An invented maker.
    pub brand: &'static str,
    /// The price of one piece as decimal text with two places: `19.90`.
    pub price: String,
    /// The same price in cents.
    pub price_cents: i64,
    /// ISO 4217: always [`CURRENCY`].
    pub currency: &'static str,
    /// A picture, on a host reserved for examples (RFC 2606).
    pub image_url: String,
    /// The product's page.
    pub url: String,
    /// Lower-case words to find it by.
    pub tags: Vec<&'static str>,
    /// Whether it can be ordered; nothing out of stock is ever put in a cart.
    pub in_stock: bool,
    /// Products bought together with it, by place in the catalog; the relation
    /// holds both ways.
    pub(super) goes_with: Vec<usize>,
}

impl CatalogItem {
    /// The item as `PUT /api/catalog` takes it.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "id": self.id,
            "name": self.name,
            "category": self.category,
            "brand": self.brand,
            "price": self.price,
            "currency": self.currency,
            "image_url": self.image_url,
            "url": self.url,
            "tags": self.tags,
            "in_stock": self.in_stock,
        })
    }
}

/// All items, and the places each category takes among them.
#[derive(Clone, Debug)]
pub(super) struct Catalog {
    pub(super) items: Vec<CatalogItem>,
    /// Name, first place, number of items.
    pub(super) categories: Vec<(&'static str, usize, usize)>,
}

impl Catalog {
    /// Reads the table; a line that is not a product is left out, which a test
    /// would notice by the count.
    pub(super) fn new() -> Self {
        let mut items = Vec::new();
        let mut categories: Vec<(&'static str, usize, usize)> = Vec::new();
        let mut pairs: Vec<(usize, &'static str)> = Vec::new();
        for line in PRODUCTS.lines().filter(|line| !line.is_empty()) {
            let Some((item, partners)) = categories.last().and_then(|(category, ..)| read(line, category))
            else {
                categories.push((line, items.len(), 0));
                continue;
            };
            pairs.extend(partners.split(',').map(|number| (items.len(), number)));
            items.push(item);
            if let Some((_, _, count)) = categories.last_mut() {
                *count += 1;
            }
        }
        for (place, number) in pairs {
            let partner = items.iter().position(|item: &CatalogItem| item.id.ends_with(number));
            let Some(partner) = partner else { continue };
            link(&mut items, place, partner);
            link(&mut items, partner, place);
        }
        Self { items, categories }
    }

    /// Cents for one piece of the item at `place`.
    pub(super) fn cents(&self, place: usize) -> i64 {
        self.items.get(place).map_or(0, |item| item.price_cents)
    }
}

fn link(items: &mut [CatalogItem], from: usize, to: usize) {
    if let Some(item) = items.get_mut(from)
        && !item.goes_with.contains(&to)
    {
        item.goes_with.push(to);
    }
}

/// Reads one line of a product; also gives the numbers that go with it.
fn read(line: &'static str, category: &'static str) -> Option<(CatalogItem, &'static str)> {
    let mut fields = line.split('|');
    let number: u32 = fields.next()?.parse().ok()?;
    let (name, brand) = (fields.next()?, fields.next()?);
    let price_cents: i64 = fields.next()?.parse().ok()?;
    let tags = fields.next()?.split(',').collect();
    let item = CatalogItem {
        id: format!("SP-{number}"),
        name,
        category,
        brand,
        price: format!("{}.{:02}", price_cents / 100, price_cents % 100),
        price_cents,
        currency: CURRENCY,
        image_url: format!("https://img.example.com/p/{number}.jpg"),
        url: format!("https://shop.example.com/p/{number}"),
        tags,
        // Every seventeenth is sold out, at all seeds the same.
        in_stock: !number.is_multiple_of(17),
        goes_with: Vec::new(),
    };
    Some((item, fields.next()?))
}
