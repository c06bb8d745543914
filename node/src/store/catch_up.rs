//! Bringing an index up to the log: the records that it does not know yet, or all.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::checks::Checks;
use super::damage::Damage;
use super::error::{StoreError, from_io};
use super::index::Index;
use super::log::{Marker, place, segment_path};
use super::records::{RECORD_HEAD, StoredValue, length_of_write, take_write};
use super::replay::{End, Met, Route, Stretch, replay};
use super::rows::{Held, Recent, full_key};
use super::window::Window;

/// Read at once of a damaged stretch.
const STEP: usize = 64 * 1024;
/// Kept of a stretch in which nothing can be read.
const ASIDE_BYTES: usize = 64 * 1024;

/// Goes through the log and brings the index up to date as often as it takes. Gives what is left
/// over for the next time, and the end of the log.
pub(super) fn catch_up(
    route: &Route<'_>,
    index: &Index,
    damage: &Damage,
) -> Result<(Recent, End), StoreError> {
    let fail = |error: io::Error| from_io(route.folder, &error);
    let mut recent = Recent::after(route.after);
    let mut failed = None;
    let end = replay(route, &mut |met| {
        match met {
            Met::Record(marker, writes) => {
                take_record(route.checks, &marker, writes, &mut recent);
                recent.end = Some(marker);
            }
            Met::Damage(stretch) => salvage(route, stretch, &mut recent, damage)?,
        }
        if recent.is_much() {
            let whole = std::mem::take(&mut recent);
            recent.end = whole.end;
            if let Err(error) = index.apply(&whole) {
                failed = Some(error);
                return Err(io::Error::other("the index cannot be written"));
            }
        }
        Ok(())
    });
    match (failed, end) {
        (Some(error), _) => Err(error),
        (None, end) => Ok((recent, end.map_err(fail)?)),
    }
}

fn take_record(checks: &Checks, marker: &Marker, writes: &[u8], recent: &mut Recent) {
    let mut rest = writes;
    let mut key = Vec::new();
    while !rest.is_empty() {
        let at = RECORD_HEAD + writes.len() - rest.len();
        let at = marker.start + u32::try_from(at).unwrap_or(u32::MAX);
        // The record's sum fits, so this was written by a program that knows better.
        let Some(write) = take_write(checks, &mut rest, &mut key) else { return };
        let value = match write.value {
            StoredValue::Removed => None,
            StoredValue::Sealed { value, .. } => Some(value.to_vec()),
        };
        let full = full_key(write.table, &key);
        let held = Held::new(&full, place(marker.segment, at), value);
        recent.put(full, held);
    }
}

/// Takes from a damaged stretch what can be taken. A row whose value is damaged is one whose
/// value is not known: an older one must not come back in its place.
fn salvage(
    route: &Route<'_>,
    stretch: Stretch,
    recent: &mut Recent,
    damage: &Damage,
) -> io::Result<()> {
    let Stretch { segment, start, end } = stretch;
    tracing::warn!(segment, start, end, "a part of the log is damaged");
    let file = Arc::new(File::open(segment_path(route.folder, segment))?);
    let mut window = Window::new(file, STEP);
    let mut at = start + RECORD_HEAD as u64;
    let mut key = Vec::new();
    while at < end {
        let left = usize::try_from(end - at).unwrap_or(usize::MAX);
        let length = length_of_write(window.get(at, left.min(STEP))?);
        let Some(length) = length.filter(|length| *length <= left) else { break };
        let bytes = window.get(at, length)?;
        let mut rest = bytes;
        let Some(write) = take_write(route.checks, &mut rest, &mut key) else { break };
        let full = full_key(write.table, &key);
        let place = place(segment, u32::try_from(at).unwrap_or(u32::MAX));
        let held = match write.value {
            StoredValue::Removed => Held::Removed,
            StoredValue::Sealed { .. } => match write.open(route.checks, &key) {
                Some(value) => Held::new(&full, place, Some(value.to_vec())),
                None => {
                    damage.found(&full, bytes);
                    Held::At(place)
                }
            },
        };
        recent.put(full, held);
        at += length as u64;
    }
    keep(route.folder, Stretch { segment, start: at.min(end), end }, damage)
}

/// Keeps the bytes of a stretch of which nobody knows what they were.
pub(super) fn keep(folder: &Path, stretch: Stretch, damage: &Damage) -> io::Result<()> {
    let Stretch { segment, start, end } = stretch;
    if start >= end {
        return Ok(());
    }
    let file = Arc::new(File::open(segment_path(folder, segment))?);
    let length = usize::try_from(end - start).unwrap_or(usize::MAX).min(ASIDE_BYTES);
    let mut window = Window::new(file, length);
    damage.keep(&format!("{segment:08}:{start}"), window.get(start, length)?);
    Ok(())
}
