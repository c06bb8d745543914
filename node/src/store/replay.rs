//! Going through the log from a record on, past damage, to its end.
//!
//! A record that does not fit is damage if something durable comes after it: the commit after a
//! record begins only when the record is durable. At the very end it is what a crash has left of
//! a commit that was never acknowledged.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::checks::Checks;
use super::log::{Marker, segment_path};
use super::records::{RECORD_HEAD, RECORD_MAGIC, RecordHead, SEGMENT_HEAD, key_of_segment};
use super::window::Window;

const STEP: usize = 256 * 1024;

/// What is met on the way.
pub(super) enum Met<'a> {
    /// A whole record and the bytes of its writes.
    Record(Marker, &'a [u8]),
    /// A stretch that begins where a record should, and does not fit.
    Damage(Stretch),
}

/// A part of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) segment: u32,
    pub(super) start: u64,
    pub(super) end: u64,
}

/// The end of the log.
#[derive(Debug)]
pub(super) struct End {
    /// The last segment that holds anything durable, and its length without what is torn.
    pub(super) at: (u32, u64),
    pub(super) seq: u64,
    /// What a crash has left of a commit that was never acknowledged.
    pub(super) torn: Vec<Stretch>,
}

/// Where to begin, and what is known of the log already.
pub(super) struct Route<'a> {
    pub(super) folder: &'a Path,
    pub(super) checks: &'a Checks,
    pub(super) segments: &'a [u32],
    /// Records after this one are visited; all, if there is none.
    pub(super) after: Option<Marker>,
    /// The last one to be visited.
    pub(super) until: Option<Marker>,
    /// Up to its end everything is known to have been durable.
    pub(super) durable: Option<Marker>,
}

/// Visits the records of a log in order.
pub(super) fn replay(
    route: &Route<'_>,
    visit: &mut dyn FnMut(Met<'_>) -> io::Result<()>,
) -> io::Result<End> {
    let first = route.segments.first().copied().unwrap_or(1);
    let mut end = match route.after {
        Some(after) => {
            End { at: (after.segment, u64::from(after.end)), seq: after.head.seq, torn: Vec::new() }
        }
        None => End { at: (first, SEGMENT_HEAD), seq: 0, torn: Vec::new() },
    };
    let begin = end.at;
    for &segment in route.segments.iter().filter(|segment| **segment >= begin.0) {
        let file = Arc::new(File::open(segment_path(route.folder, segment))?);
        let length = file.metadata()?.len();
        let mut window = Window::new(file, STEP);
        let head = window.get(0, SEGMENT_HEAD as usize)?;
        if key_of_segment(head, segment).is_none() {
            tracing::warn!(segment, "the head of a segment of the log is damaged");
        }
        let mut at = if segment == begin.0 { begin.1 } else { SEGMENT_HEAD };
        while at < length {
            if route.until.is_some_and(|until| until.head.seq <= end.seq) {
                return Ok(end);
            }
            let after = end.seq;
            let Some(head) = head_at(route, &mut window, segment, at, after)? else {
                let next = next_head(route, &mut window, segment, at + 1, after)?;
                let stretch = Stretch { segment, start: at, end: next.unwrap_or(length) };
                at = stretch.end;
                end.torn.push(stretch);
                continue;
            };
            let next = at + (RECORD_HEAD as u64) + u64::from(head.length);
            let writes = window.get(at + RECORD_HEAD as u64, head.length as usize)?;
            if writes.len() < head.length as usize || !head.fits(route.checks, writes) {
                // Its length may be of use all the same: what comes after it may be whole.
                let stretch = Stretch { segment, start: at, end: next.min(length) };
                at = stretch.end;
                end.torn.push(stretch);
                continue;
            }
            for stretch in end.torn.drain(..) {
                visit(Met::Damage(stretch))?;
            }
            let number = |at: u64| u32::try_from(at).unwrap_or(u32::MAX);
            let marker = Marker { segment, start: number(at), end: number(next), head };
            visit(Met::Record(marker, writes))?;
            at = next;
            (end.at, end.seq) = ((segment, at), head.seq);
        }
    }
    let durable = route.durable.map_or((0, 0), |marker| (marker.segment, u64::from(marker.end)));
    while let Some(stretch) = end.torn.first().copied() {
        if (stretch.segment, stretch.start) >= durable {
            break;
        }
        end.torn.remove(0);
        visit(Met::Damage(stretch))?;
        end.at = (stretch.segment, stretch.end);
    }
    // A sequence number that may stand in a torn or damaged record is not used again.
    end.seq += 1 + end.torn.len() as u64;
    if let Some(durable) = route.durable {
        end.seq = end.seq.max(durable.head.seq);
    }
    Ok(end)
}

/// The head of a newer record at an offset.
fn head_at(
    route: &Route<'_>,
    window: &mut Window,
    segment: u32,
    at: u64,
    after: u64,
) -> io::Result<Option<RecordHead>> {
    let bytes = window.get(at, RECORD_HEAD)?;
    let head = RecordHead::decode(route.checks, segment, bytes);
    Ok(head.filter(|head| head.seq > after))
}

/// Where the next head of a newer record stands, from an offset on.
fn next_head(
    route: &Route<'_>,
    window: &mut Window,
    segment: u32,
    from: u64,
    after: u64,
) -> io::Result<Option<u64>> {
    let mut at = from;
    loop {
        let bytes = window.get(at, STEP)?;
        if bytes.len() < RECORD_HEAD {
            return Ok(None);
        }
        let found = bytes.windows(RECORD_HEAD).position(|head| {
            head.starts_with(&RECORD_MAGIC)
                && RecordHead::decode(route.checks, segment, head)
                    .is_some_and(|head| head.seq > after)
        });
        if let Some(found) = found {
            return Ok(Some(at + found as u64));
        }
        at += (bytes.len() - RECORD_HEAD + 1) as u64;
    }
}

/// Whether a record stands where a marker says.
pub(super) fn stands(folder: &Path, checks: &Checks, marker: &Marker) -> io::Result<bool> {
    let file = match File::open(segment_path(folder, marker.segment)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        opened => Arc::new(opened?),
    };
    if file.metadata()?.len() < u64::from(marker.end) {
        return Ok(false);
    }
    let mut window = Window::new(file, RECORD_HEAD);
    let head = window.get(u64::from(marker.start), RECORD_HEAD)?;
    Ok(RecordHead::decode(checks, marker.segment, head) == Some(marker.head))
}
