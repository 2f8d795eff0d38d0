//! The lake as its users see it: rows go in, SQL answers, through crashes,
//! replays, commits and compactions.

mod answers;
mod concurrency;
mod durability;
mod query;
mod support;
