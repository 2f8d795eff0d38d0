//! What templates see of a person.

use serde_json::{Map, Value as Json, json};
use signalpost_core::catalog::Catalog;
use signalpost_core::profile::{BUILT_IN, Profile};
use signalpost_core::time::Timestamp;

use super::product_json;

/// The person's traits and computed traits, the cart joined with the catalog.
pub fn user(profile: &Profile, catalog: &Catalog, now: Timestamp) -> Json {
    let mut user = Map::new();
    for (name, _) in BUILT_IN {
        user.insert((*name).into(), profile.attribute(name, now).0.to_json());
    }
    for held in profile.traits.iter().filter(|held| !held.value.is_null() && &*held.name != "customer_id") {
        user.insert(held.name.to_string(), held.value.to_json());
    }
    let cart: Vec<Json> = profile
        .cart_lines()
        .map(|line| {
            let mut product = product_json(catalog, &line.product_id);
            product["quantity"] = quantity(line.quantity);
            product
        })
        .collect();
    user.insert("cart".into(), Json::Array(cart));
    Json::Object(user)
}

/// A whole number is shown without a point.
fn quantity(number: f64) -> Json {
    #[expect(clippy::cast_possible_truncation, reason = "the bounds are checked")]
    if number.fract() == 0.0 && number.abs() < 1e15 { json!(number as i64) } else { json!(number) }
}

/// First and last name, as far as they are known.
pub fn full_name(profile: &Profile) -> String {
    let part = |name: &str| {
        profile.trait_value(name).and_then(|v| v.as_text()).unwrap_or_default().trim().to_owned()
    };
    let whole = part("name");
    if whole.is_empty() {
        format!("{} {}", part("first_name"), part("last_name")).trim().to_owned()
    } else {
        whole
    }
}
