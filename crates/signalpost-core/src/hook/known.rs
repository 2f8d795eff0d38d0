//! The mappings for products known here: data, shown by
//! `signalpost hooks mapping`, to be used as they are or to begin one's own with.

/// Names of products, and the mapping of each as JSON text.
pub const MAPPINGS: [(&str, &str); 5] = [
    ("shopify", include_str!("mappings/shopify.json")),
    ("hubspot", include_str!("mappings/hubspot.json")),
    ("salesforce", include_str!("mappings/salesforce.json")),
    ("standard_webhooks", include_str!("mappings/standard_webhooks.json")),
    ("json", include_str!("mappings/json.json")),
];

/// The mapping for a product, as JSON text.
pub fn mapping(name: &str) -> Option<&'static str> {
    MAPPINGS.iter().find(|(held, _)| *held == name).map(|(_, text)| *text)
}
