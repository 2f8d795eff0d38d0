//! Helpers.
/// A Handlebars helper registered by the host.
pub trait Helper: Send + Sync {}
