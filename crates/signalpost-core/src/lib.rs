//! What Signalpost *decides*: pure functions from events to profiles,
//! segments and actions.
//!
//! Nothing here has a clock, a disk, a network or a random number: `now` is an
//! argument, and what the outside must do is returned as data. The modules
//! stand in the order an event passes them.

pub mod id;
pub mod time;
pub mod value;

pub mod event;

pub mod clean;

pub mod hook;

pub mod profile;

pub mod segment;

pub mod campaign;

pub mod program;

pub mod step;

pub mod catalog;
pub mod recommend;

pub mod oauth;

pub mod shop;
