//! Segments by what they say: texts and timelines in, members and horizons out.

mod brute;
mod builder;
mod calendar;
mod data;
mod document;
mod evaluation;
mod functions;
mod laws;
mod phrases;
mod rank;
mod texts;
mod timeline;
