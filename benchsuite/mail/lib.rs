//! Only a bench stands here: `benches/mail.rs`.
