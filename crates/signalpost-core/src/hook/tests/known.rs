//! The mappings that come with the program, on bodies as the products send them.

use serde_json::{Value as Json, json};

use super::{map, outputs, show};
use crate::hook::{Mapping, known};

fn mapping(name: &str) -> Mapping {
    Mapping::parse(&serde_json::from_str(known::mapping(name).unwrap()).unwrap())
        .unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn shopify(topic: &str, body: &Json) -> Vec<Json> {
    let headers = [
        ("x-shopify-topic", topic),
        ("x-shopify-webhook-id", "w1"),
        ("x-shopify-triggered-at", "2026-01-01T00:00:00.123456789Z"),
        ("x-shopify-shop-domain", "demo.myshopify.com"),
    ];
    outputs(&mapping("shopify"), &headers, body)
}

fn order() -> Json {
    json!({"id": 820982911946154508_i64, "email": "Jon@Example.com", "created_at": "2026-01-01T10:00:00-05:00",
        "processed_at": null, "currency": "USD", "total_price": "398.00", "name": "#1001", "cart_token": "c1?key=k",
        "customer": {"id": 115310627314723954_i64, "email": "john@example.com", "first_name": null, "last_name": "Smith",
            "default_address": {"city": "Ottawa", "country_code": "CA"}},
        "billing_address": {"first_name": "Steve", "city": "Bonn", "country_code": "DE"}, "shipping_address": [],
        "discount_codes": [{"code": "SUMMER", "amount": "5.00"}],
        "line_items": [
            {"id": 1, "product_id": 788032119674292922_i64, "variant_id": 2, "title": "Tee", "quantity": 2, "price": "199.00",
             "sku": "IPOD", "discount_allocations": [{"amount": "5.00"}]},
            {"id": 3, "product_id": null, "variant_id": null, "title": "Tip", "quantity": 1, "price": "0.00", "sku": ""}]})
}

#[test]
fn a_shopify_order_is_a_purchase_a_line() {
    let made = shopify("orders/create", &order());
    assert_eq!(made.len(), 3);
    let placed = &made[0];
    assert_eq!(placed["event_type"], "order_placed");
    assert_eq!(placed["customer_id"], 115310627314723954_i64);
    assert_eq!(placed["anonymous_id"], "shopify:cart:c1");
    assert_eq!(placed["timestamp"], "2026-01-01T10:00:00-05:00");
    assert_eq!(
        placed["traits"],
        json!({"email": "jon@example.com", "first_name": "Steve", "last_name": "Smith", "city": "Ottawa", "country": "CA"})
    );
    assert_eq!(placed["properties"]["total"], 398.0);
    assert_eq!(placed["properties"]["discount_codes"], json!(["SUMMER"]));
    let line = &made[1];
    assert_eq!(line["event_id"], "shopify:order:820982911946154508:1");
    assert_eq!(line["anonymous_id"], "shopify:order:820982911946154508");
    assert_eq!(line["product_id"], "shopify:product:788032119674292922");
    assert_eq!(line["properties"]["revenue"], 393);
    // A line without a product is a purchase all the same.
    assert_eq!((made[2].get("product_id"), &made[2]["properties"]["name"]), (None, &json!("Tip")));
}

#[test]
fn a_guest_is_known_by_the_address_and_a_stranger_by_the_order() {
    let mut guest = order();
    guest["customer"] = json!(null);
    assert_eq!(shopify("orders/create", &guest)[1]["customer_id"], "jon@example.com");
    guest["email"] = json!("");
    guest["cart_token"] = json!(null);
    guest["token"] = json!("the order's own");
    assert_eq!(shopify("orders/create", &guest)[0]["anonymous_id"], "shopify:order:820982911946154508");
    let made = shopify("orders/create", &guest);
    assert_eq!(made[1].get("customer_id"), None);
    assert_eq!(made[1]["anonymous_id"], "shopify:order:820982911946154508");
}

#[test]
fn a_shopify_refund_finds_its_order() {
    let refund = json!({"id": 9, "order_id": 820982911946154508_i64, "created_at": "2026-01-02T00:00:00Z", "note": null,
        "refund_line_items": [{"quantity": 1, "subtotal": 199.0, "line_item": {"product_id": 7, "title": "Tee", "sku": ""}}],
        "transactions": [{"amount": "199.00", "kind": "refund", "status": "success", "currency": "USD"},
            {"amount": "1.00", "kind": "refund", "status": "failure"}]});
    let made = shopify("refunds/create", &refund);
    assert_eq!(made[0]["anonymous_id"], "shopify:order:820982911946154508");
    assert_eq!(made[0]["properties"]["amount"], 199);
    assert_eq!(made[0]["properties"]["products"][0]["product_id"], "shopify:product:7");
}

#[test]
fn a_shopify_customer_may_refuse_mail_but_not_take_it_back() {
    let customer = |state: &str| {
        json!({"id": 5, "email": "a@b.example", "updated_at": "2026-01-01T00:00:00Z", "phone": null, "addresses": [],
            "email_marketing_consent": {"state": state, "opt_in_level": null, "consent_updated_at": "2025-12-01T00:00:00Z"},
            "sms_marketing_consent": null})
    };
    let refused = shopify("customers/update", &customer("unsubscribed"));
    assert_eq!(refused[0]["traits"]["email_marketing"], "unsubscribed");
    assert_eq!(refused[1]["event_type"], "consent");
    assert_eq!(refused[1]["properties"], json!({"email": false}));
    assert_eq!(refused[1]["timestamp"], "2025-12-01T00:00:00Z");
    let given = shopify("customers/update", &customer("subscribed"));
    assert_eq!(given.len(), 1);
    assert_eq!(given[0]["traits"]["email_marketing"], "subscribed");
}

#[test]
fn shopify_products_go_to_the_catalog() {
    let mut product = json!({"id": 632910392, "title": "IPod", "vendor": "Apple", "product_type": "Player", "handle": "ipod",
        "status": "active", "tags": "a, b", "image": null, "images": [{"src": "https://cdn.example/i.png"}],
        "variants": [{"id": 1, "price": "199.00", "compare_at_price": null, "inventory_quantity": 0, "inventory_policy": "deny", "sku": "S"},
            {"id": 2, "price": "209.00", "inventory_quantity": 3, "inventory_policy": "deny"}]});
    let item = &shopify("products/update", &product)[0]["upsert"];
    assert_eq!(item["product_id"], "shopify:product:632910392");
    assert_eq!((&item["price"], &item["in_stock"]), (&json!("199.00"), &json!(true)));
    assert_eq!(item["url"], "https://demo.myshopify.com/products/ipod");
    assert_eq!(item["image_url"], "https://cdn.example/i.png");
    product["variants"][1]["inventory_quantity"] = json!(0);
    assert_eq!(shopify("products/update", &product)[0]["upsert"]["in_stock"], false);
    product["status"] = json!("draft");
    assert_eq!(shopify("products/update", &product)[0]["upsert"]["in_stock"], false);
    assert_eq!(
        shopify("products/delete", &json!({"id": 632910392}))[0],
        json!({"remove": "shopify:product:632910392"})
    );
}

#[test]
fn the_mandatory_topics_make_privacy_requests() {
    let body = json!({"shop_id": 954889, "shop_domain": "s.myshopify.com", "orders_requested": [299938],
        "customer": {"id": 191167, "email": "john@example.com", "phone": "555-625-1199"}, "data_request": {"id": 9999}});
    let made = shopify("customers/data_request", &body);
    assert_eq!((&made[0]["privacy"], &made[0]["customer_id"]), (&json!("export"), &json!("191167")));
    assert_eq!(made[0]["details"]["orders"], json!([299938]));
    assert_eq!(shopify("customers/redact", &body)[0]["privacy"], "erase");
    assert_eq!(shopify("shop/redact", &body)[0]["privacy"], "erase_all");
}

#[test]
fn a_shopify_cart_tells_each_line_once_in_each_quantity() {
    let cart = json!({"id": "tok", "token": "tok", "updated_at": "2026-01-01T00:00:00.000Z", "created_at": "x",
        "line_items": [{"id": 44, "variant_id": 44, "quantity": 2, "product_id": 7, "price": "5.00", "title": "Tee", "sku": null}]});
    let made = shopify("carts/update", &cart);
    assert_eq!(made[0]["event_type"], "cart_update");
    assert_eq!(made[1]["event_id"], "shopify:cart:tok:44:2");
    assert_eq!(made[1]["anonymous_id"], "shopify:cart:tok");
    let checkout = json!({"id": 1, "token": "ch", "cart_token": "tok", "email": null, "line_items": [], "created_at": "2026-01-01T00:00:00Z"});
    assert_eq!(shopify("checkouts/create", &checkout)[0]["anonymous_id"], "shopify:cart:tok");
}

#[test]
fn test_notifications_are_not_counted() {
    let headers = [("x-shopify-topic", "orders/create"), ("x-shopify-test", "true")];
    assert!(map(&mapping("shopify"), &headers, &order().to_string()).remove(0).unwrap().ignored);
}

#[test]
fn hubspot_notifications_are_messages_of_their_own() {
    let body = json!([
        {"eventId": 1, "subscriptionId": 12345, "portalId": 62515, "occurredAt": 1564113600000_i64,
         "subscriptionType": "contact.propertyChange", "attemptNumber": 0, "objectId": 123, "changeSource": "CRM",
         "propertyName": "firstname", "propertyValue": "Zoë", "appId": 54321},
        {"eventId": 2, "subscriptionId": 7, "portalId": 1, "occurredAt": 1788597072520_i64, "subscriptionType": "object.propertyChange",
         "objectTypeId": "0-1", "objectId": 9, "propertyName": "hs_email_optout", "propertyValue": "true"},
        {"eventId": 3, "subscriptionId": 7, "portalId": 1, "occurredAt": 1788597072520_i64, "subscriptionType": "contact.privacyDeletion", "objectId": 9},
        {"eventId": 4, "subscriptionId": 7, "portalId": 1, "occurredAt": 1788597072520_i64, "subscriptionType": "deal.creation", "objectId": 9}]);
    let made = map(&mapping("hubspot"), &[], &body.to_string());
    let first = show(&made[0].as_ref().unwrap().outputs[0].0);
    assert_eq!(
        (&first["customer_id"], &first["traits"]),
        (&json!("hubspot:123"), &json!({"first_name": "Zoë"}))
    );
    assert_eq!(first["event_id"], "shop:hubspot:62515:12345:123:1:1564113600000:0");
    let second = &made[1].as_ref().unwrap().outputs;
    assert_eq!(show(&second[1].0)["properties"], json!({"email": false}));
    assert_eq!(show(&made[2].as_ref().unwrap().outputs[0].0)["privacy"], "erase");
    assert!(made[3].as_ref().unwrap_err().message.contains("deal.creation"));
}

#[test]
fn salesforce_speaks_by_message_and_by_flow() {
    let mapping = mapping("salesforce");
    let soap = json!([{"notification_id": "04l1", "organization_id": "00D", "type": "Contact",
        "object": {"Id": "003A", "Email": "A@b.example", "FirstName": "Ann", "HasOptedOutOfEmail": "true", "Score__c": "3"}}]);
    let made = outputs(&mapping, &[], &soap);
    assert_eq!((&made[0]["customer_id"], &made[0]["event_type"]), (&json!("003A"), &json!("contact_update")));
    assert_eq!(made[0]["traits"], json!({"email": "a@b.example", "first_name": "Ann"}));
    assert_eq!(
        (&made[0]["properties"]["Score__c"], &made[0]["event_id"]),
        (&json!("3"), &json!("shop:04l1:0"))
    );
    assert_eq!(made[1]["properties"], json!({"email": false}));

    let change = json!({"schema": "x", "payload": {"LastName": "Doe", "ChangeEventHeader": {"entityName": "Lead", "recordIds": ["00Q1"],
        "changeType": "UPDATE", "transactionKey": "t", "sequenceNumber": 1, "commitTimestamp": 1788597072520_i64}}});
    let made = outputs(&mapping, &[], &change);
    assert_eq!((&made[0]["customer_id"], &made[0]["event_type"]), (&json!("00Q1"), &json!("lead_update")));
    assert_eq!(made[0]["event_id"], "shop:t:1:0");

    let flow =
        json!({"type": "Case", "event": "case_closed", "ContactId": "003B", "Id": "500", "Status": "Closed"});
    let made = outputs(&mapping, &[], &flow);
    assert_eq!((&made[0]["customer_id"], &made[0]["event_type"]), (&json!("003B"), &json!("case_closed")));
}

#[test]
fn anything_else_is_read_by_its_usual_names() {
    let standard = outputs(
        &mapping("standard_webhooks"),
        &[("webhook-id", "msg_1")],
        &json!({"type": "segment.added", "timestamp": "2026-01-01T00:00:00Z", "data": {"customer_id": "1", "note": "n"}}),
    );
    assert_eq!(
        (&standard[0]["event_id"], &standard[0]["event_type"]),
        (&json!("shop:msg_1:0"), &json!("segment.added"))
    );
    let plain =
        outputs(&mapping("json"), &[], &json!({"event": "signup", "email": "A@B.example", "plan": "pro"}));
    assert_eq!(plain[0]["customer_id"], "a@b.example");
    assert_eq!(plain[0]["properties"]["plan"], "pro");
}
