//! The `signalpost` command.

fn main() {}
