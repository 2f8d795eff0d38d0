//! Limits on what a template may cost: when parsing ([`Limits`]) and when rendering ([`Budgets`]).
//!
//! Every limit has a default that no honest mail reaches; a breach is an error that names the limit.

/// Limits on parsing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Blocks within blocks, and brackets within brackets (default 100, as the Liquid reference).
    pub nesting: usize,
    /// Bytes of one template's source (default 1 MiB).
    pub source_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { nesting: 100, source_bytes: 1 << 20 }
    }
}

/// Limits on one render, its partials included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budgets {
    /// Steps of the machine; long texts and arrays in filters count by their length (default 5 million).
    pub operations: u64,
    /// Bytes written, captures included (default 4 MiB).
    pub output_bytes: usize,
    /// Bytes kept in variables by `assign`, `capture` and filters (default 16 MiB).
    pub assigned_bytes: usize,
    /// Partials within partials, with the loops around them (default 100).
    pub partial_depth: usize,
}

impl Default for Budgets {
    fn default() -> Self {
        Budgets { operations: 5_000_000, output_bytes: 4 << 20, assigned_bytes: 16 << 20, partial_depth: 100 }
    }
}
