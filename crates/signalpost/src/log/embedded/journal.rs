//! The journal: frames one behind the other, in segments, each durable before
//! the next is written.
//!
//! A frame that a crash cut off is cut away at the next start; it was never
//! acknowledged. Anything else that cannot be read is damage and is reported.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use signalpost_core::time::Timestamp;

use super::super::{Error, Record};
use super::frame::{Header, Section, Tail};
use super::segment::Segment;
use super::window::Window;

/// Places kept a partition, so that readers go on without searching.
const PLACES_MAX: usize = 4;

/// The journal in a folder.
#[derive(Debug)]
pub(super) struct Journal {
    folder: PathBuf,
    /// Oldest first; never empty.
    segments: RwLock<Vec<Arc<Segment>>>,
    end: Mutex<End>,
    places: Vec<Mutex<Vec<Place>>>,
}

/// Where the next frame goes.
#[derive(Debug)]
struct End {
    file: File,
    /// Bytes of whole frames.
    length: u64,
    next_frame: u64,
    /// A write failed behind `length`: that must go before the next.
    torn: bool,
}

/// Where a partition's record stands.
#[derive(Clone, Debug)]
struct Place {
    offset: u64,
    segment: Arc<Segment>,
    position: u64,
}

/// A frame met at recovery.
#[derive(Debug)]
pub(super) struct Met {
    /// Its header.
    pub(super) header: Header,
    /// Its sections.
    pub(super) sections: Vec<Section>,
    /// What stands behind its records.
    pub(super) tail: Tail,
}

fn unavailable(error: &impl ToString) -> Error {
    Error::Unavailable { reason: error.to_string() }
}

fn damaged(partition: u32, offset: u64, segment: &Segment, position: u64, fault: &str) -> Error {
    let reason = format!("{} at byte {position}: {fault}", segment.path.display());
    Error::Damaged { partition, offset, reason }
}

impl Journal {
    /// Opens the journal in `folder`, making it with `partitions` when absent.
    /// [`Journal::recover`] must follow.
    pub(super) fn open(folder: &Path, partitions: u32) -> Result<Self, Error> {
        fs::create_dir_all(folder).map_err(|error| unavailable(&error))?;
        let mut segments = find_segments(folder)?;
        if segments.is_empty() {
            let first = Segment {
                path: Segment::path_in(folder, 1),
                first_frame: 1,
                newest_before: Timestamp::MIN,
                salt: rand::random(),
                offsets: vec![0; partitions as usize],
            };
            first.create().map_err(|error| unavailable(&error))?;
            segments.push(Arc::new(first));
        }
        let last = segments.last().ok_or_else(|| unavailable(&"there is no segment"))?;
        let file = File::options().read(true).write(true).open(&last.path);
        let end = End {
            file: file.map_err(|error| unavailable(&error))?,
            length: last.header_bytes(),
            next_frame: last.first_frame,
            torn: false,
        };
        let places = last.offsets.iter().map(|_| Mutex::default()).collect();
        Ok(Self { folder: folder.to_owned(), segments: RwLock::new(segments), end: Mutex::new(end), places })
    }

    fn segments(&self) -> Vec<Arc<Segment>> {
        self.segments.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn lock_end(&self) -> MutexGuard<'_, End> {
        self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The segment that grows.
    pub(super) fn last_segment(&self) -> Option<Arc<Segment>> {
        self.segments().pop()
    }

    /// The segment behind the oldest, when there is one.
    pub(super) fn second_segment(&self) -> Option<Arc<Segment>> {
        self.segments().into_iter().nth(1)
    }

    /// The next frame's number.
    pub(super) fn next_frame(&self) -> u64 {
        self.lock_end().next_frame
    }

    /// Reads every frame behind frame `known`, and at least the last segment,
    /// in order; cuts off what a crash left half written.
    pub(super) fn recover(&self, known: u64, meet: &mut dyn FnMut(Met)) -> Result<(), Error> {
        let segments = self.segments();
        let from = segments.partition_point(|segment| segment.first_frame <= known + 1).saturating_sub(1);
        let mut next_frame = segments.get(from).map_or(1, |segment| segment.first_frame);
        for (place, segment) in segments.iter().enumerate().skip(from) {
            let is_last = place + 1 == segments.len();
            if segment.first_frame != next_frame {
                let fault = format!("frame {next_frame} should follow, and the file begins with another");
                return Err(damaged(0, 0, segment, 0, &fault));
            }
            let bytes = fs::read(&segment.path).map_err(|error| unavailable(&error))?;
            let mut position = usize::try_from(segment.header_bytes()).unwrap_or(usize::MAX);
            while let Some(rest) = bytes.get(position..).filter(|rest| !rest.is_empty()) {
                match read_whole(rest, segment.salt, next_frame) {
                    Ok(met) => {
                        position += usize::try_from(met.header.bytes()).unwrap_or(usize::MAX);
                        next_frame += 1;
                        meet(met);
                    }
                    Err(_) if is_last && !holds_later_frame(rest, segment.salt, next_frame) => break,
                    Err(fault) => return Err(damaged(0, 0, segment, position as u64, fault)),
                }
            }
            if is_last {
                let mut end = self.lock_end();
                end.length = position as u64;
                end.next_frame = next_frame;
                end.cut().map_err(|error| unavailable(&error))?;
            }
        }
        Ok(())
    }

    /// Writes a frame and makes it durable.
    pub(super) fn append(&self, frame: &[u8]) -> io::Result<()> {
        let mut end = self.lock_end();
        if end.torn {
            end.cut()?;
        }
        let written = end.file.write_all_at(frame, end.length).and_then(|()| end.file.sync_data());
        match written {
            Ok(()) => {
                end.length += frame.len() as u64;
                end.next_frame += 1;
                Ok(())
            }
            Err(error) => {
                end.torn = true;
                Err(error)
            }
        }
    }

    /// Bytes of the segment that grows.
    pub(super) fn length(&self) -> u64 {
        self.lock_end().length
    }

    /// Begins a new segment.
    pub(super) fn begin_segment(&self, offsets: Vec<u64>, newest: Timestamp) -> io::Result<()> {
        let mut end = self.lock_end();
        if end.torn {
            end.cut()?;
        }
        let segment = Segment {
            path: Segment::path_in(&self.folder, end.next_frame),
            first_frame: end.next_frame,
            newest_before: newest,
            salt: rand::random(),
            offsets,
        };
        let file = segment.create()?;
        *end = End { file, length: segment.header_bytes(), next_frame: end.next_frame, torn: false };
        drop(end);
        self.segments.write().unwrap_or_else(PoisonError::into_inner).push(Arc::new(segment));
        Ok(())
    }

    /// Deletes the oldest segments while `may_go` says of the one behind that
    /// everything before it may go.
    pub(super) fn trim(&self, may_go: impl Fn(&Segment) -> bool) -> Result<(), Error> {
        loop {
            let mut segments = self.segments.write().unwrap_or_else(PoisonError::into_inner);
            if !segments.get(1).is_some_and(|next| may_go(next)) {
                return Ok(());
            }
            let oldest = segments.remove(0);
            drop(segments);
            oldest.delete().map_err(|error| unavailable(&error))?;
        }
    }

    /// Records of a partition from `offset` on, below `end`, at most about `limit`.
    pub(super) fn read(
        &self,
        partition: u32,
        offset: u64,
        end: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Arc<Record>)>, Error> {
        let mut found: Vec<(u64, Arc<Record>)> = Vec::new();
        let mut place = self.find(partition, offset)?;
        let mut window = open_window(&place.segment)?;
        while place.offset < end && found.len() < limit {
            let Place { segment, position, .. } = &place;
            let fail = |fault: &str| damaged(partition, place.offset, segment, *position, fault);
            let head =
                window.get(*position, super::frame::HEADER_BYTES).map_err(|error| unavailable(&error))?;
            if head.is_empty() {
                let Some(next) = self.after(segment) else { return Err(fail("the frame is missing")) };
                window = open_window(&next)?;
                let position = next.header_bytes();
                place = Place { segment: next, position, ..place };
                continue;
            }
            let header = Header::read(head).map_err(fail)?;
            let head = window.get(*position, header.head_bytes()).map_err(|error| unavailable(&error))?;
            let sections = header.sections(head, segment.salt).map_err(fail)?;
            let mut start = position + header.head_bytes() as u64;
            for section in sections {
                if section.partition == partition && section.first + u64::from(section.records) > offset {
                    if section.first > place.offset {
                        return Err(fail(&format!("record {} should follow", place.offset)));
                    }
                    let bytes = window.get(start, section.bytes).map_err(|error| unavailable(&error))?;
                    let records = section.records(bytes, segment.salt).map_err(fail)?;
                    place.offset = section.first + u64::from(section.records);
                    found.extend(records.into_iter().filter(|(at, _)| *at >= offset));
                    break;
                }
                start += section.bytes as u64;
            }
            place.position += header.bytes();
        }
        self.keep(partition, place);
        Ok(found)
    }

    /// Where to begin reading for a partition's `offset`.
    fn find(&self, partition: u32, offset: u64) -> Result<Place, Error> {
        if let Some(places) = self.places.get(partition as usize) {
            let mut places = places.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(index) = places.iter().position(|place| place.offset == offset) {
                return Ok(places.remove(index));
            }
        }
        let begins = |segment: &Arc<Segment>| segment.offsets.get(partition as usize).copied().unwrap_or(0);
        let mut segments = self.segments();
        segments.retain(|segment| begins(segment) <= offset);
        let segment = segments.pop().ok_or_else(|| Error::Damaged {
            partition,
            offset,
            reason: "the log begins behind it".into(),
        })?;
        Ok(Place { offset, position: segment.header_bytes(), segment })
    }

    fn keep(&self, partition: u32, place: Place) {
        let Some(places) = self.places.get(partition as usize) else { return };
        let mut places = places.lock().unwrap_or_else(PoisonError::into_inner);
        places.insert(0, place);
        places.truncate(PLACES_MAX);
    }

    fn after(&self, segment: &Segment) -> Option<Arc<Segment>> {
        self.segments().into_iter().find(|next| next.first_frame > segment.first_frame)
    }
}

impl End {
    /// Cuts off what stands behind the last whole frame.
    fn cut(&mut self) -> io::Result<()> {
        self.file.set_len(self.length)?;
        self.file.sync_all()?;
        self.torn = false;
        Ok(())
    }
}

fn open_window(segment: &Segment) -> Result<Window, Error> {
    File::open(&segment.path).map(Window::new).map_err(|error| unavailable(&error))
}

/// The segments in a folder, oldest first.
fn find_segments(folder: &Path) -> Result<Vec<Arc<Segment>>, Error> {
    let mut paths = Vec::new();
    for found in fs::read_dir(folder).map_err(|error| unavailable(&error))? {
        let path = found.map_err(|error| unavailable(&error))?.path();
        if path.extension().and_then(OsStr::to_str) == Some("log") {
            paths.push(path);
        }
    }
    paths.sort();
    let mut segments = Vec::new();
    let last = paths.len().saturating_sub(1);
    for (index, path) in paths.into_iter().enumerate() {
        match Segment::read(path.clone()) {
            Ok(Some(segment)) => segments.push(Arc::new(segment)),
            // The machine stopped while the file was made; it held no frame.
            Ok(None) if index == last => fs::remove_file(&path).map_err(|error| unavailable(&error))?,
            Ok(None) => {
                let reason = format!("{} is cut off", path.display());
                return Err(Error::Damaged { partition: 0, offset: 0, reason });
            }
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                let reason = format!("{}: {error}", path.display());
                return Err(Error::Damaged { partition: 0, offset: 0, reason });
            }
            Err(error) => return Err(unavailable(&error)),
        }
    }
    Ok(segments)
}

/// Reads and checks a whole frame at the front of `bytes`.
fn read_whole(bytes: &[u8], salt: u64, number: u64) -> Result<Met, super::frame::Fault> {
    let header = Header::read(bytes)?;
    let sections = header.sections(bytes, salt)?;
    if header.number != number {
        return Err("frames do not follow each other");
    }
    let mut rest = bytes.get(header.head_bytes()..).ok_or("the frame is cut off")?;
    for section in &sections {
        let (own, behind) = rest.split_at_checked(section.bytes).ok_or("the frame is cut off")?;
        if !section.is_whole(own, salt) {
            return Err("a section's checksum does not fit");
        }
        rest = behind;
    }
    let tail_bytes = header.bytes() - (bytes.len() - rest.len()) as u64;
    let tail = usize::try_from(tail_bytes).ok().and_then(|length| rest.get(..length));
    let tail = header.tail(tail.ok_or("the frame is cut off")?, salt)?;
    Ok(Met { header, sections, tail })
}

/// Whether a later frame stands behind a place that cannot be read: then that
/// place was not being written when the machine stopped.
fn holds_later_frame(bytes: &[u8], salt: u64, number: u64) -> bool {
    (1..bytes.len()).any(|start| {
        let Some(rest) = bytes.get(start..).filter(|rest| rest.starts_with(b"SPL1")) else { return false };
        Header::read(rest).is_ok_and(|header| header.number > number && header.sections(rest, salt).is_ok())
    })
}
