//! Sending: a rendered message comes in, goes out by webhook, SMTP or into the
//! built-in inbox, and what became of it comes back.

pub mod message;
pub mod secret;

pub mod webhook;

pub mod smtp;

pub mod inbox;

pub mod rate;
pub mod retry;
