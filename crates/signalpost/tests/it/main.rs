//! The whole program from outside: the binary is started on a fresh folder and
//! spoken to over HTTP, as a user would. Nothing here reaches into the code.

#![expect(clippy::disallowed_methods, reason = "a test from outside waits on real time")]

#[cfg(test)]
mod access;
#[cfg(test)]
mod ahead;
#[cfg(test)]
mod architecture;
#[cfg(test)]
mod backfill;
#[cfg(test)]
mod bots;
#[cfg(test)]
mod bucket;
#[cfg(test)]
mod collect;
#[cfg(test)]
mod command;
#[cfg(test)]
mod data_sets;
#[cfg(test)]
mod deliver;
#[cfg(test)]
mod description;
#[cfg(test)]
mod dirty;
#[cfg(test)]
mod disk;
#[cfg(test)]
mod hooks;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod http;
#[cfg(test)]
mod import;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod kill;
#[cfg(test)]
mod live;
#[cfg(test)]
mod log;
#[cfg(test)]
mod mail;
#[cfg(test)]
mod oauth;
#[cfg(test)]
mod plan;
#[cfg(test)]
mod privacy;
#[cfg(test)]
mod quarantine;
#[cfg(test)]
mod receiver;
#[cfg(test)]
mod refresh;
#[cfg(test)]
mod restart;
#[cfg(test)]
mod segments;
#[cfg(test)]
mod sql;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod tracking;
#[cfg(test)]
mod verify;
