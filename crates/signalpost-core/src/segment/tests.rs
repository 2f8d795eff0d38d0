//! Segments by what they say: texts and timelines in, members and horizons out.

mod brute;
mod data;
mod evaluation;
mod laws;
mod texts;
mod timeline;
