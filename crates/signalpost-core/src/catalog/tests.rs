//! The catalog: what is read from JSON, what is refused and how it says so.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn item(json: Json) -> Item {
    Item::from_json(&json).unwrap()
}

/// Each case: an item's JSON, and what a template sees of it or the problem.
#[track_caller]
fn check(json: Json, expected: Result<Json, &str>) {
    let found = Item::from_json(&json).map(|item| item.to_json()).map_err(|problem| problem.to_string());
    assert_eq!(found, expected.map_err(str::to_owned), "{json}");
}

#[test]
fn a_full_item_goes_in_and_comes_out() {
    let full = json!({
        "product_id": "A1X2", "name": "Kettle", "category": "Kitchen", "brand": "Brise", "price": "24.90",
        "currency": "EUR", "image_url": "https://example.com/k.jpg", "url": "https://example.com/k",
        "in_stock": false, "tags": ["steel", "new"], "colour": "red", "litres": 1.7
    });
    check(full.clone(), Ok(full));
}

#[test]
fn the_least_item_has_defaults() {
    check(
        json!({"product_id": " a1x2 "}),
        Ok(json!({
            "product_id": "A1X2", "name": "A1X2", "category": null, "brand": null, "price": null,
            "currency": null, "image_url": null, "url": null, "in_stock": true, "tags": []
        })),
    );
}

#[test]
fn other_names_and_shapes_are_read() {
    let read = item(json!({
        "id": 4711, "title": " Kettle ", "image_link": "https://i", "link": "https://u", "brand": "",
        "price": {"amount": 24.9, "currency": "eur"}, "availability": "out_of_stock", "tags": "steel, new,",
        "attributes": {"colour": "red", "name": "never over a field"}, "litres": null
    }));
    assert_eq!(read.product_id, ProductId::from("4711"));
    assert_eq!(&*read.name, "Kettle");
    assert_eq!(read.price, Some(Price { amount: "24.9".into(), currency: Some("EUR".into()) }));
    assert!(!read.in_stock && read.brand.is_none());
    assert_eq!(read.tags, [Box::from("steel"), Box::from("new")]);
    assert_eq!(read.attributes, vec![("colour".into(), Value::from("red"))]);
}

#[test]
fn a_problem_names_the_field_and_how_to_mend_it() {
    check(
        json!([1]),
        Err(
            "an item must be a JSON object such as {\"product_id\":\"A1X2\",\"name\":\"Kettle\"}, not a list",
        ),
    );
    check(json!({"name": "x"}), Err("`product_id` is missing: every item needs one"));
    check(json!({"product_id": "  "}), Err("`product_id` is missing: every item needs one"));
    check(json!({"product_id": {"a": 1}}), Err("`product_id` must be text, not {\"a\":1}"));
    for price in [json!("12,50"), json!(-1), json!("1e3"), json!({"amount": null}), json!("."), json!(true)] {
        let problem = Item::from_json(&json!({"product_id": "A", "price": price})).unwrap_err();
        assert_eq!(problem.field(), "price", "{problem}");
    }
    check(
        json!({"product_id": "A", "price": 1, "currency": "euro"}),
        Err("`currency` must be three letters of ISO 4217 such as EUR, not \"euro\""),
    );
    check(
        json!({"product_id": "A", "in_stock": "perhaps"}),
        Err("`in_stock` must be true or false, not \"perhaps\""),
    );
    check(json!({"product_id": "A", "tags": [1]}), Err("`tags` must be a list of text, not [1]"));
    let long = Item::from_json(&json!({"product_id": "x".repeat(300)})).unwrap_err();
    assert!(long.to_string().len() < 200, "a problem stays short: {long}");
}

#[test]
fn a_category_follows_its_items() {
    let mut catalog: Catalog = [
        item(json!({"product_id": "B", "category": "Electronics"})),
        item(json!({"product_id": "A", "category": "electronics "})),
        item(json!({"product_id": "C", "category": "Electronics Toys"})),
        item(json!({"product_id": "D"})),
    ]
    .into_iter()
    .collect();
    let ids = |catalog: &Catalog, category: &str| -> Vec<String> {
        catalog.in_category(category).map(|item| item.product_id.to_string()).collect()
    };
    assert_eq!(ids(&catalog, "ELECTRONICS"), ["A", "B"]);
    assert_eq!(catalog.len(), 4);

    let earlier = catalog.upsert(item(json!({"product_id": "a", "category": "Garden"})));
    assert_eq!(earlier.unwrap().category.as_deref(), Some("electronics"));
    assert_eq!(ids(&catalog, "electronics"), ["B"]);
    assert_eq!(ids(&catalog, "garden"), ["A"]);
    assert!(catalog.get(&"A".into()).unwrap().is_in("GARDEN"));

    assert!(catalog.remove(&"B".into()).is_some());
    assert!(catalog.remove(&"B".into()).is_none());
    assert_eq!(ids(&catalog, "electronics"), [""; 0]);
    assert_eq!(catalog.items().map(|item| item.product_id.to_string()).collect::<Vec<_>>(), ["A", "C", "D"]);
}

proptest! {
    /// What a template sees can be read back: an export is an import.
    #[test]
    fn json_goes_round(
        id in "[A-Z0-9]{1,8}", name in "[a-zA-Z]{1,9}", category in proptest::option::of("[a-z]{1,5}"),
        amount in proptest::option::of("[0-9]{1,6}(\\.[0-9]{1,2})?"), in_stock: bool,
        tags in proptest::collection::vec("[a-z]{1,4}", 0..3), colour in proptest::option::of(-9i64..9),
    ) {
        let first = Item::from_json(&json!({
            "product_id": id, "name": name, "category": category, "price": amount, "currency": "GBP",
            "in_stock": in_stock, "tags": tags, "colour": colour,
        })).unwrap();
        prop_assert_eq!(Item::from_json(&first.to_json()).unwrap(), first);
    }
}

#[test]
fn events_and_the_catalog_name_an_item_alike() {
    use crate::clean::{ProductIdPolicy, product_id::normalise};
    for id in [
        "85123a ",
        "4006381333931",
        "gid://shopify/Product/632910392",
        "shopify:product:632910392",
        "GTIN:04006381333931",
    ] {
        let event = normalise(&Value::from(id), &ProductIdPolicy::default()).id.unwrap();
        let item = Item::from_json(&json!({"product_id": id})).unwrap();
        assert_eq!(item.product_id, event, "{id}");
        assert_eq!(Item::from_json(&item.to_json()).unwrap().product_id, event, "kept and read again: {id}");
    }
}
