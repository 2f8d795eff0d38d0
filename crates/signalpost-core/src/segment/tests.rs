//! Segments by what they say: texts and timelines in, members and horizons out.

mod evaluation;
mod texts;
mod timeline;
