//! The scene: segments, templates, campaigns, a destination and a catalog,
//! defined through the API as a user would.

use serde_json::{Value as Json, json};

use super::Events;
use crate::cli::client::{Client, encode};
use crate::cli::segment::{apply, statements};
use crate::cli::template::definition_of;

const SEGMENTS: &str = include_str!("../../../../assets/demo/segments.txt");
const CAMPAIGNS: &str = include_str!("../../../../assets/demo/campaigns.json");
const TEMPLATES: [(&str, &str); 4] = [
    ("abandoned_cart.mjml", include_str!("../../../../assets/demo/abandoned_cart.mjml")),
    ("welcome.liquid.html", include_str!("../../../../assets/demo/welcome.liquid.html")),
    ("win_back.hbs", include_str!("../../../../assets/demo/win_back.hbs")),
    ("new_in_electronics.mjml", include_str!("../../../../assets/demo/new_in_electronics.mjml")),
];

/// Defines everything.
///
/// # Errors
/// When the API refuses any of it.
pub async fn prepare(client: &Client, events: &Events) -> anyhow::Result<()> {
    for named in statements(SEGMENTS) {
        apply(client, &named).await?;
    }
    client.put("/api/destinations/mail", &json!({"kind": "inbox"})).await?;
    if let Events::Shop(shop) = events {
        let items: Vec<Json> =
            shop.catalog().iter().map(signalpost_core::shop::CatalogItem::to_json).collect();
        client.put("/api/catalog", &json!({"items": items})).await?;
    }
    let campaigns: Vec<Json> = serde_json::from_str(CAMPAIGNS)?;
    for campaign in &campaigns {
        let text = |name: &str| campaign.get(name).and_then(Json::as_str).unwrap_or_default();
        let file = text("template");
        let Some((_, body)) = TEMPLATES.iter().find(|(name, _)| *name == file) else { continue };
        let mut template = definition_of(file, body, None);
        template["subject"] = json!(text("subject"));
        template["preheader"] = json!(text("preheader"));
        client.put(&format!("/api/templates/{}", encode(file)), &template).await?;
        let definition = json!({
            "audience": text("segment"),
            "trigger": {"on": "enter"},
            "template": file,
            "destination": text("destination"),
            "recommend": campaign["products"]["strategy"],
            // One mail a day a person is plenty.
            "limits": {"cap": 1, "cap_hours": 24.0},
        });
        client.put(&format!("/api/campaigns/{}", encode(text("campaign"))), &definition).await?;
    }
    Ok(())
}
