//! What requests share while their events are cleaned.

use std::sync::{Arc, PoisonError, RwLock};

use anyhow::Context;
use signalpost_core::clean::network::Networks;
use signalpost_core::clean::plan::Plan;

use super::rates::Rates;
use crate::app::AppStore;
use crate::debugger::Debugger;
use crate::define::plan;
use crate::documents::Documents;
use crate::settings::Settings;

/// See the module.
#[derive(Debug)]
pub struct Intake {
    /// What happened to the last events.
    pub debugger: Debugger,
    /// How often people act.
    pub rates: Rates,
    /// The networks of data centres, when the settings name a list.
    pub data_centres: Networks,
    plan: RwLock<Arc<Plan>>,
}

impl Intake {
    /// Reads the plan and the list of networks.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub fn load(documents: &Documents<AppStore>, settings: &Settings) -> anyhow::Result<Self> {
        Ok(Self {
            debugger: Debugger::default(),
            rates: Rates::default(),
            data_centres: load_networks(settings)?,
            plan: RwLock::new(Arc::new(plan::load(documents)?)),
        })
    }

    /// The tracking plan.
    pub fn plan(&self) -> Arc<Plan> {
        Arc::clone(&self.plan.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another plan in force, from the next request on.
    pub fn set_plan(&self, plan: Plan) {
        *self.plan.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(plan);
    }
}

/// The list the settings name; an empty one when they name none.
fn load_networks(settings: &Settings) -> anyhow::Result<Networks> {
    let Some(path) = &settings.data_centres else { return Ok(Networks::default()) };
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    Networks::parse(&text).with_context(|| format!("{} is no list of networks", path.display()))
}
