//! Segments by what they say: texts and timelines in, members and horizons out.

mod evaluation;
mod timeline;
mod texts;
