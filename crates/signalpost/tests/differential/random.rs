//! A random case: segments, people, and instants worth asking about.

use signalpost_core::time::{Span, Timestamp};

use crate::case::{Case, Wanted, instant};
use crate::chance::Chance;
use crate::language::{SEQUENCES, Writer};
use crate::live::Live;
use crate::people::People;

/// Segments of one case, which share its people.
pub(crate) const SEGMENTS: usize = 20;
const CUSTOMERS: usize = 16;
const INPUTS: usize = 160;

/// The case of a seed, and the texts in it that the language refused.
pub(crate) fn case(seed: u64) -> (Case, Vec<(String, String)>) {
    let mut chance = Chance::new(seed);
    let sequences = SEQUENCES.iter().filter(|_| chance.percent(40)).map(|text| (*text).to_owned());
    let mut case = Case { sequences: sequences.collect(), ..Case::default() };
    let mut people = People::new(&mut chance, CUSTOMERS);
    case.inputs = people.inputs(&mut chance, INPUTS);
    let mut refused = Vec::new();
    let mut writer = Writer::new(&mut chance);
    let mut known = Live::new(&case.sequences);
    while case.segments.len() < SEGMENTS && refused.len() < SEGMENTS {
        let name = format!("s{}", case.segments.len());
        let text = writer.segment(&name);
        // Most are there from the beginning, some are defined on the way.
        let after_inputs = if writer.chance.percent(85) { 0 } else { INPUTS / 2 };
        match known.define(&name, &text, Timestamp::MIN) {
            Ok(()) => case.segments.push(Wanted { name, text, after_inputs }),
            Err(why) => {
                writer.before.pop();
                refused.push((text, why));
            }
        }
    }
    case.asks = asks(&mut chance, &case);
    (case, refused)
}

/// Instants at which something is due by the clock, the microseconds beside
/// them, and any other one.
fn asks(chance: &mut Chance, case: &Case) -> Vec<String> {
    let mut live = Live::new(&case.sequences);
    let mut asks = Vec::new();
    let mut wanted = false;
    for (place, input) in case.inputs.iter().enumerate() {
        for segment in case.segments.iter().filter(|segment| segment.after_inputs == place) {
            live.define(&segment.name, &segment.text, instant(&input.at)).unwrap();
        }
        let at = instant(&input.at);
        wanted |= place % (INPUTS / 2) == INPUTS / 4;
        let due = live.next_due();
        if wanted && due < at {
            asks.extend([due - Span::from_micros(1), due]);
            wanted = false;
        }
        live.advance(at);
        if let Some(event) = &input.event {
            live.take(event, at);
        }
        if let Some(customer) = &input.erase {
            live.erase(customer, at);
        }
    }
    let end = case.inputs.last().map_or(Timestamp::MIN, |input| instant(&input.at));
    let later = i64::try_from(chance.below(80)).unwrap();
    live.advance(end + Span::HOUR.times(later));
    let due = live.next_due();
    if due < end + Span::DAY.times(400) {
        asks.extend([due - Span::from_micros(1), due]);
    }
    asks.retain(|at| *at >= instant(&case.inputs[0].at));
    asks.dedup();
    asks.iter().map(ToString::to_string).collect()
}
