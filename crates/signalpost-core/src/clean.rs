//! From what was sent to a clean event, or to the reason it is quarantined.
