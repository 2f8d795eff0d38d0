//! The published description of the builder's form.

/// The JSON Schema (draft 2020-12) of what
/// [`parse_builder`](super::parse_builder) takes and
/// [`Statement::to_builder`](crate::segment::Statement::to_builder) gives.
pub const BUILDER_SCHEMA: &str = include_str!("schema.json");
