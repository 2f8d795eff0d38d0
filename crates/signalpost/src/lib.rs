//! What Signalpost *does*: the server, its clock, its disk and its network.

pub mod deliver;
