//! Parses and renders arbitrary Handlebars templates.

#![no_main]

mod render;

use libfuzzer_sys::fuzz_target;
use signalpost_template::Language;

fuzz_target!(|source: &str| render::render(Language::Handlebars, source));
