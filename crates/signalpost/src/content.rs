//! Content: templates, recommendations, and the message they make for one person.
//!
//! In: a delivery that is due. Out: a message, rendered from the profile as it
//! is at that moment. Rendering runs within budgets; MJML is turned into HTML
//! on a thread with room for deep nesting.

#![expect(clippy::indexing_slicing, reason = "indexing JSON by name gives null where there is nothing")]

pub mod context;
pub mod template;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use serde_json::{Value as Json, json};
use signalpost_core::catalog::Catalog;
use signalpost_core::id::ProductId;
use signalpost_core::profile::Profile;
use signalpost_core::recommend::{Model, Request, Strategy};

use crate::clock::Clock;
use crate::deliver::DeliveryRecord;
use crate::deliver::destination::Destination;
use crate::deliver::inbox::Inbox;
use crate::deliver::message::Message;
use crate::deliver::outbox::{Compose, Composed};
use crate::documents::{Documents, Kind};
use crate::settings::Settings;
use crate::state::fjall::FjallStore;
use crate::state::{Store, Table};
use template::{MailTemplate, RenderedMail};

/// Products recommended in a mail when the campaign does not say.
const PRODUCTS: usize = 4;

/// What a person has looked at, put into the cart and bought.
#[derive(Clone, Debug, Default)]
pub struct Taste {
    /// Viewed, latest first.
    pub viewed: Vec<ProductId>,
    /// In the cart.
    pub cart: Vec<ProductId>,
    /// Bought, latest first.
    pub purchased: Vec<ProductId>,
}

impl Taste {
    /// A profile's taste.
    pub fn of(profile: &Profile) -> Self {
        Self {
            viewed: profile.viewed.iter().map(|(_, id)| id.clone()).collect(),
            cart: profile.cart_lines().map(|line| line.product_id.clone()).collect(),
            purchased: profile.purchased.iter().map(|(_, id)| id.clone()).collect(),
        }
    }
}

/// Everything a message is made of.
pub struct Content {
    store: Arc<FjallStore>,
    documents: Arc<Documents<FjallStore>>,
    catalog: Arc<RwLock<Catalog>>,
    model: Arc<Mutex<Model>>,
    clock: Clock,
    public_url: String,
    shop_name: String,
    inbox: Inbox,
    templates: Mutex<HashMap<(String, u32), Arc<MailTemplate>>>,
    destinations: Mutex<HashMap<String, Arc<Destination>>>,
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Content").finish_non_exhaustive()
    }
}

impl Content {
    /// Content over a store.
    pub fn new(
        store: Arc<FjallStore>,
        documents: Arc<Documents<FjallStore>>,
        catalog: Arc<RwLock<Catalog>>,
        model: Arc<Mutex<Model>>,
        clock: Clock,
        settings: &Settings,
        inbox: Inbox,
    ) -> Self {
        Self {
            store,
            documents,
            catalog,
            model,
            clock,
            public_url: settings.public_url(),
            shop_name: settings.shop_name.clone(),
            inbox,
            templates: Mutex::default(),
            destinations: Mutex::default(),
        }
    }

    /// Products for a person, as templates see them.
    pub fn recommend(&self, request: &Request<'_>) -> Vec<Json> {
        let catalog = self.catalog.read().unwrap_or_else(PoisonError::into_inner);
        let model = self.model.lock().unwrap_or_else(PoisonError::into_inner);
        let chosen = model.recommend(request, &catalog, self.clock.now());
        drop(model);
        chosen
            .iter()
            .map(|recommendation| {
                let mut product = product_json(&catalog, &recommendation.product_id);
                product["score"] = json!(recommendation.score);
                product["reason"] = json!(recommendation.reason);
                product["strategy"] = json!(recommendation.strategy.to_string());
                product
            })
            .collect()
    }

    /// The template of that name, compiled; each version once.
    ///
    /// # Errors
    /// When there is none, or it does not compile.
    pub fn template(&self, name: &str) -> Result<Arc<MailTemplate>, String> {
        let document = self
            .documents
            .get(Kind::Template, name)
            .map_err(|error| error.to_string())?
            .ok_or_else(|| format!("there is no template '{name}'"))?;
        let key = (name.to_owned(), document.version);
        let mut templates = self.templates.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(template) = templates.get(&key) {
            return Ok(Arc::clone(template));
        }
        let definition = serde_json::from_value(document.json()).map_err(|error| error.to_string())?;
        let template = MailTemplate::compile(name, &definition).map_err(|problem| problem.to_string())?;
        let template = Arc::new(template);
        templates.insert(key, Arc::clone(&template));
        Ok(template)
    }

    /// Renders a template for a profile.
    ///
    /// # Errors
    /// When a budget is reached or the template fails.
    pub fn render(&self, template: &MailTemplate, data: &Json) -> Result<RenderedMail, String> {
        template.render(data, self.clock.now()).map_err(|error| error.to_string())
    }

    /// The data a template sees for a profile.
    pub fn data(
        &self,
        profile: &Profile,
        strategy: Option<&str>,
        event: Json,
        unsubscribe_url: &str,
    ) -> Json {
        let strategy = strategy.and_then(|name| name.parse().ok()).unwrap_or(Strategy::Auto);
        let taste = Taste::of(profile);
        let request = Request {
            strategy,
            viewed: &taste.viewed,
            cart: &taste.cart,
            purchased: &taste.purchased,
            limit: PRODUCTS,
            ..Request::default()
        };
        let products = self.recommend(&request);
        let catalog = self.catalog.read().unwrap_or_else(PoisonError::into_inner);
        let user = context::user(profile, &catalog, self.clock.now());
        json!({
            "user": user,
            "customer": user,
            "event": event,
            "products": products,
            "segments": [],
            "content": {},
            "unsubscribe_url": unsubscribe_url,
            "shop": {"name": self.shop_name, "url": self.public_url},
            "now": self.clock.now().to_string(),
        })
    }

    /// Forgets a destination that was defined anew.
    pub fn forget_destination(&self, name: &str) {
        self.destinations.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    fn destination(&self, name: &str) -> Result<Arc<Destination>, String> {
        let mut destinations = self.destinations.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(destination) = destinations.get(name) {
            return Ok(Arc::clone(destination));
        }
        let document = self
            .documents
            .get(Kind::Destination, name)
            .map_err(|error| error.to_string())?
            .ok_or_else(|| format!("there is no destination '{name}'"))?;
        let destination = Arc::new(Destination::from_json(&document.json(), &self.inbox)?);
        destinations.insert(name.to_owned(), Arc::clone(&destination));
        Ok(destination)
    }

    fn unsubscribe_url(&self, record: &DeliveryRecord) -> String {
        format!("{}/unsubscribe/{}", self.public_url, record.delivery.id)
    }
}

/// A catalog item as templates see it; just the id when the catalog lacks it.
pub fn product_json(catalog: &Catalog, id: &ProductId) -> Json {
    match catalog.get(id) {
        Some(item) => item.to_json(),
        None => json!({"product_id": id.as_str(), "name": id.as_str()}),
    }
}

impl Compose for Content {
    type Destination = Destination;

    fn compose(&self, record: &DeliveryRecord) -> Result<Composed<Destination>, String> {
        let delivery = &record.delivery;
        let campaign = self
            .documents
            .get(Kind::Campaign, &delivery.campaign)
            .map_err(|error| error.to_string())?
            .ok_or_else(|| format!("the campaign '{}' is gone", delivery.campaign))?
            .json();
        let field = |name: &str| campaign.get(name).and_then(Json::as_str);
        let destination_name = field("destination").ok_or("the campaign names no destination")?.to_owned();
        let destination = self.destination(&destination_name)?;
        let template = self.template(field("template").ok_or("the campaign names no template")?)?;
        let bytes = self
            .store
            .get(Table::Profiles, &delivery.profile.place())
            .map_err(|error| error.to_string())?
            .ok_or("the profile is gone")?;
        let profile = Profile::decode(&bytes).map_err(|error| error.to_string())?;
        let to = profile
            .trait_value("email")
            .and_then(|v| v.as_text())
            .ok_or("the person has no address")?
            .to_owned();
        let event = json!({"event_id": delivery.event_id, "cause": delivery.cause});
        let unsubscribe_url = self.unsubscribe_url(record);
        let data = self.data(&profile, field("recommend"), event, &unsubscribe_url);
        let mail = self.render(&template, &data)?;
        let message = Message {
            id: delivery.id,
            campaign: delivery.campaign.to_string(),
            customer_id: profile.key.customer_id().map(ToString::to_string).unwrap_or_default(),
            to,
            to_name: context::full_name(&profile),
            subject: mail.subject,
            preheader: mail.preheader,
            html: mail.html,
            text: mail.text,
            unsubscribe_url,
            data: json!({"event": data["event"], "products": data["products"]}),
            decided_at: delivery.decided_at.to_string(),
        };
        Ok(Composed { message, destination_name, destination })
    }
}
