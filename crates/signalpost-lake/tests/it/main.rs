//! The lake as its users see it: rows go in, SQL answers, through crashes,
//! replays, commits and compactions.

#[cfg(test)]
mod answers;
#[cfg(test)]
mod concurrency;
#[cfg(test)]
mod durability;
#[cfg(test)]
mod query;
#[cfg(test)]
mod support;
