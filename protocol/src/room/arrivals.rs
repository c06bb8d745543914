//! In which order messages came to this node: the order of their rows in the store, and of what
//! people have not read yet.

use std::collections::{BTreeMap, BTreeSet};

use super::RoomLog;
use super::entries::{ABOVE, AHEAD, Entries, HELD_ELSEWHERE, LATE, SHOWN, UNACKNOWLEDGED};
use crate::id::MessageId;
use crate::limits::{INDEX_CHUNK, INDEX_MARKS_MAX};
use crate::sync::Ix;

/// The bits of a mark.
const MARK_SHOWN: u8 = 1;
const MARK_HELD: u8 = 2;
const MARK_UNACKNOWLEDGED: u8 = 4;
// 8 is taken in the index: it became visible late.
const MARK_ABOVE: u8 = 16;
const MARK_AHEAD: u8 = 32;
/// What is known of most messages, and not written down.
const MARK_USUAL: u8 = MARK_SHOWN;

/// A row of [`crate::engine::Table::Marks`] that has to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Whose.
    pub arrival: u64,
    /// Its new value; none if it is no longer needed.
    pub value: Option<Vec<u8>>,
}

/// See the module's documentation.
#[derive(Clone, Debug, Default)]
pub(super) struct Arrivals {
    /// Places by chunk of the index, each in order of arrival.
    chunks: BTreeMap<u32, Vec<Ix>>,
    pub(super) last: u64,
    /// What became visible later than it came, by when that was.
    late: BTreeMap<u64, Ix>,
    late_of: BTreeMap<Ix, u64>,
    /// Arrivals of messages that have a mark in the store.
    marked: BTreeSet<u64>,
    /// How many chunks of the index have been written.
    pub(super) indexed: u32,
    /// Written chunks that are out of date.
    pub(super) stale: BTreeSet<u32>,
}

/// A number of eight bytes in a row.
pub(super) fn number_at(row: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(row.get(at..at + 8)?.try_into().ok()?))
}

/// The chunk of the index that an arrival belongs to.
pub(super) fn chunk_of(arrival: u64) -> u32 {
    u32::try_from(arrival.saturating_sub(1) / INDEX_CHUNK).unwrap_or(u32::MAX)
}

/// The first arrival of a chunk.
pub(super) fn start_of(chunk: u32) -> u64 {
    u64::from(chunk) * INDEX_CHUNK + 1
}

impl Arrivals {
    pub(super) fn put(&mut self, arrival: u64, ix: Ix, entries: &Entries) {
        self.last = self.last.max(arrival);
        let chunk = self.chunks.entry(chunk_of(arrival)).or_default();
        let before = |other: &Ix| u64::from(entries.facts(*other).arrival) < arrival;
        let at = match chunk.last() {
            Some(last) if !before(last) => chunk.partition_point(before),
            _ => chunk.len(),
        };
        chunk.insert(at, ix);
    }

    pub(super) fn put_late(&mut self, position: u64, ix: Ix) {
        self.last = self.last.max(position);
        self.late.insert(position, ix);
        self.late_of.insert(ix, position);
    }

    pub(super) fn late(&self, ix: Ix) -> Option<u64> {
        self.late_of.get(&ix).copied()
    }

    /// All from a chunk on, in order of arrival.
    pub(super) fn chunks_from(&self, chunk: u32) -> impl Iterator<Item = Ix> + '_ {
        self.chunks.range(chunk..).flat_map(|(_, chunk)| chunk).copied()
    }

    /// What became visible late, from such a number on.
    pub(super) fn late_from(&self, from: u64) -> impl Iterator<Item = Ix> + '_ {
        self.late.range(from..).map(|(_, ix)| *ix)
    }

    pub(super) fn find(&self, arrival: u64, entries: &Entries) -> Option<Ix> {
        let chunk = self.chunks.get(&chunk_of(arrival)).filter(|_| arrival > 0)?;
        let key = |ix: &Ix| u64::from(entries.facts(*ix).arrival);
        // Where it is if none of the chunk was taken back.
        let usual = usize::try_from(arrival - start_of(chunk_of(arrival))).ok();
        if let Some(ix) = usual.and_then(|at| chunk.get(at)).filter(|ix| key(ix) == arrival) {
            return Some(*ix);
        }
        let at = chunk.binary_search_by_key(&arrival, key).ok()?;
        chunk.get(at).copied()
    }

    /// The messages of a chunk, in order of arrival.
    pub(super) fn chunk(&self, chunk: u32) -> &[Ix] {
        self.chunks.get(&chunk).map(Vec::as_slice).unwrap_or_default()
    }

    /// A message is taken back.
    pub(super) fn remove(&mut self, arrival: u64, ix: Ix) {
        let number = chunk_of(arrival);
        if let Some(chunk) = self.chunks.get_mut(&number) {
            chunk.retain(|other| *other != ix);
            if chunk.is_empty() {
                self.chunks.remove(&number);
            }
        }
        if let Some(position) = self.late_of.remove(&ix) {
            self.late.remove(&position);
        }
        if number < self.indexed {
            self.stale.insert(number);
        }
    }

    /// Takes note that the messages of a chunk stand in the index with all that is known of
    /// them. Returns the marks that say no more than that.
    pub(super) fn written(&mut self, chunk: u32) -> Vec<u64> {
        self.stale.remove(&chunk);
        self.indexed = self.indexed.max(chunk + 1);
        let of_chunk = self.marked.range(start_of(chunk)..start_of(chunk + 1));
        let covered: Vec<u64> = of_chunk.copied().collect();
        for arrival in &covered {
            self.marked.remove(arrival);
        }
        covered
    }
}

impl RoomLog {
    /// The arrival number for the next message.
    #[must_use]
    pub fn next_arrival(&self) -> u64 {
        self.arrivals.last + 1
    }

    /// The message whose row has this number.
    #[must_use]
    pub fn at_arrival(&self, arrival: u64) -> Option<MessageId> {
        self.arrivals.find(arrival, &self.entries).map(|ix| self.entries.id(ix))
    }

    /// Rows up to this number are not to be used again, whatever they hold.
    pub fn skip_arrivals(&mut self, last: u64) {
        self.arrivals.last = self.arrivals.last.max(last);
    }

    /// What has to be written so that the store knows of a message what this log knows.
    pub fn mark(&mut self, id: MessageId) -> Option<Mark> {
        let ix = self.entries.find(id)?;
        let arrival = u64::from(self.entries.facts(ix).arrival);
        let bits = self.mark_bits(ix);
        let late = self.arrivals.late(ix);
        let chunk = chunk_of(arrival);
        let in_index = chunk < self.arrivals.indexed;
        if bits == MARK_USUAL && late.is_none() && !in_index {
            let was = self.arrivals.marked.remove(&arrival);
            return was.then_some(Mark { arrival, value: None });
        }
        let mut value = vec![bits];
        value.extend(late.into_iter().flat_map(u64::to_be_bytes));
        self.arrivals.marked.insert(arrival);
        if in_index {
            let of_chunk = self.arrivals.marked.range(start_of(chunk)..start_of(chunk + 1));
            if of_chunk.count() >= INDEX_MARKS_MAX {
                self.arrivals.stale.insert(chunk);
            }
        }
        Some(Mark { arrival, value: Some(value) })
    }

    /// Takes in a mark from the store; false if it says nothing that can be understood.
    pub fn load_mark(&mut self, arrival: u64, value: &[u8]) -> bool {
        let Some(ix) = self.arrivals.find(arrival, &self.entries) else { return false };
        let Some((bits, late)) = value.split_first() else { return false };
        self.arrivals.marked.insert(arrival);
        self.set_marks(ix, *bits);
        if let Ok(late) = late.try_into() {
            self.set_late(ix, u64::from_be_bytes(late));
        }
        true
    }

    pub(super) fn set_late(&mut self, ix: Ix, position: u64) {
        self.entries.facts_mut(ix).set(LATE, true);
        if let Some(before) = self.arrivals.late_of.remove(&ix) {
            self.arrivals.late.remove(&before);
        }
        self.arrivals.put_late(position, ix);
    }

    pub(super) fn mark_bits(&self, ix: Ix) -> u8 {
        let facts = self.entries.facts(ix);
        let bit = |flag, bit| if facts.is(flag) { bit } else { 0 };
        bit(SHOWN, MARK_SHOWN)
            | bit(HELD_ELSEWHERE, MARK_HELD)
            | bit(UNACKNOWLEDGED, MARK_UNACKNOWLEDGED)
            | bit(ABOVE, MARK_ABOVE)
            | bit(AHEAD, MARK_AHEAD)
    }

    pub(super) fn set_marks(&mut self, ix: Ix, bits: u8) {
        let facts = self.entries.facts_mut(ix);
        facts.set(SHOWN, bits & MARK_SHOWN != 0);
        facts.set(HELD_ELSEWHERE, bits & MARK_HELD != 0);
        facts.set(UNACKNOWLEDGED, bits & MARK_UNACKNOWLEDGED != 0);
        facts.set(ABOVE, bits & MARK_ABOVE != 0);
        facts.set(AHEAD, bits & MARK_AHEAD != 0);
    }
}
