//! What Signalpost remembers.
