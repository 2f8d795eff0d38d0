//! Timelines in the store: the keys their events stand under, and reading them
//! one by one or many neighbours at once.

use std::ops::ControlFlow;

use signalpost_core::event::Event;
use signalpost_core::id::ProfileKey;
use signalpost_core::profile::Moment;
use signalpost_core::program::{Lacking, Wanted};
use signalpost_core::time::Timestamp;

use crate::state::{Error, Store, Table, decode, prefix_end};

/// A profile's events, or those that were to be read of them, ascending by time
/// and arrival.
pub(super) type Timeline = Vec<(Moment, Event)>;

/// What is read of a timeline.
#[derive(Debug)]
pub(super) enum Reading {
    /// Every event.
    Everything,
    /// Those that any of these wants.
    Wanted(Vec<Wanted>),
}

impl Reading {
    /// What `held` reads, and what is lacking besides.
    pub(super) fn with(held: Option<Self>, lacking: Lacking) -> Option<Self> {
        match (held, lacking) {
            (held, Lacking::Nothing) => held,
            (Some(Self::Everything), _) | (_, Lacking::Everything) => Some(Self::Everything),
            (None, Lacking::Rows(wanted)) => Some(Self::Wanted(vec![wanted])),
            (Some(Self::Wanted(mut all)), Lacking::Rows(wanted)) => {
                all.push(wanted);
                Some(Self::Wanted(all))
            }
        }
    }

    /// Whether the event of this key's moment and this record is read.
    fn takes(&self, moment: Moment, record: &[u8]) -> bool {
        let Self::Wanted(all) = self else { return true };
        let mut in_time = all.iter().filter(|wanted| moment.timestamp >= wanted.from()).peekable();
        // An event's record begins with its id and its type.
        in_time.peek().is_some()
            && postcard::take_from_bytes::<(&str, &str)>(record)
                .map_or(true, |((_, event_type), _)| in_time.any(|wanted| wanted.has_type(event_type)))
    }
}

/// Every event of a profile, ascending by time and arrival.
///
/// # Errors
/// When the store fails or a record is damaged.
pub fn read_timeline<S: Store + ?Sized>(store: &S, key: &ProfileKey) -> Result<Vec<(Moment, Event)>, Error> {
    let mut timelines = read_timelines(store, &[&key.place()], &Reading::Everything)?;
    Ok(timelines.pop().unwrap_or_default())
}

/// The timelines of the profiles at `places`, which ascend. What lies between
/// the first and the last one is read over, so they should be neighbours.
///
/// # Errors
/// When the store fails or a record is damaged.
pub(super) fn read_timelines<S: Store + ?Sized>(
    store: &S,
    places: &[&[u8]],
    reading: &Reading,
) -> Result<Vec<Timeline>, Error> {
    let mut timelines: Vec<Timeline> = places.iter().map(|_| Timeline::new()).collect();
    let (Some(first), Some(last)) = (places.first(), places.last()) else { return Ok(timelines) };
    let mut waiting = places.iter().zip(&mut timelines).peekable();
    let mut damage = None;
    store.visit(Table::Timeline, first, prefix_end(last).as_deref(), &mut |key, record| {
        while waiting.next_if(|(place, _)| ***place < *key && !key.starts_with(place)).is_some() {}
        let Some((place, timeline)) = waiting.peek_mut() else { return ControlFlow::Break(()) };
        let Some(moment) = key.strip_prefix(**place).map(|rest| read_moment(rest).unwrap_or_default()) else {
            return ControlFlow::Continue(());
        };
        if reading.takes(moment, record) {
            match decode(Table::Timeline, record) {
                Ok(event) => timeline.push((moment, event)),
                Err(error) => {
                    damage = Some(error);
                    return ControlFlow::Break(());
                }
            }
        }
        ControlFlow::Continue(())
    })?;
    damage.map_or(Ok(timelines), Err)
}

/// Where one event of a profile stands.
pub fn timeline_key(key: &ProfileKey, moment: Moment) -> Vec<u8> {
    let mut bytes = key.place();
    bytes.extend(sortable(moment.timestamp));
    bytes.extend(moment.sequence.to_be_bytes());
    bytes
}

fn read_moment(bytes: &[u8]) -> Option<Moment> {
    let (time, sequence) = bytes.split_at_checked(8)?;
    Some(Moment { timestamp: read_sortable(time)?, sequence: u64::from_be_bytes(sequence.try_into().ok()?) })
}

/// An instant as bytes that sort as instants do.
pub fn sortable(instant: Timestamp) -> [u8; 8] {
    (instant.as_micros().cast_unsigned() ^ (1 << 63)).to_be_bytes()
}

/// Reads back what [`sortable`] wrote.
pub(super) fn read_sortable(bytes: &[u8]) -> Option<Timestamp> {
    let bytes: [u8; 8] = bytes.try_into().ok()?;
    Some(Timestamp::from_micros((u64::from_be_bytes(bytes) ^ (1 << 63)).cast_signed()))
}
