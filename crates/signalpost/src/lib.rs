//! What Signalpost *does*: the server, its clock, its disk and its network.
//!
//! The path an event takes: `collect` → (core: clean) → `log` → `worker`
//! (core: step) → `content` → `deliver`; beside it `history` (the lake) and
//! `admin`. `serve` is the only module that knows them all.

pub mod clock;
pub mod settings;

pub mod app;
pub mod serve;

pub mod collect;
pub mod content;
pub mod deliver;
pub mod log;
pub mod partition;
pub mod priority;
pub mod refresh;
pub mod schedule;
pub mod state;
pub mod verification;
pub mod worker;

pub mod admin;
pub mod database;
pub mod debugger;
pub mod define;
pub mod documents;
pub mod history;
pub mod hub;
pub mod keys;
pub mod oauth;
pub mod privacy;
pub mod problem;
pub mod retention;
pub mod signature;
pub mod unsubscribe;

pub mod bench;
pub mod cli;
pub mod demo;
pub mod import;
