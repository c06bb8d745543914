//! The index of a room in the store: what is kept of each message, 1,024 arrivals to a row, so
//! that a start need not read the messages.
//!
//! A row: version; number of authors, for each its device, sequence number and id of the newest
//! envelope that was known of it, and the runs of sequence numbers it had used; number of epochs, and their ids; number of
//! messages, and these in order of arrival. Numbers are in groups of seven bits, lowest first. Parents are named by their
//! arrivals, epochs by their number in the row's list, from 1.

use super::RoomLog;
use super::arrivals::{chunk_of, start_of};
use super::entries::{New, SHOWN};
use crate::envelope::EnvelopeKind;
use crate::id::{DeviceId, ObjectId};
use crate::limits::{INDEX_CHUNK, PARENTS_MAX};
use crate::sync::Ix;
use crate::time::Timestamp;

/// An index of another version is made anew.
const VERSION: u8 = 3;
/// Beside the bits of a mark: it became visible late, and when follows.
const LATE: u8 = 8;

/// A row of [`crate::engine::Table::Index`] to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Its number, from 0.
    pub number: u32,
    /// Its value.
    pub value: Vec<u8>,
    /// Arrivals of messages whose marks in the store it makes needless.
    pub covers: Vec<u64>,
}

impl RoomLog {
    /// The next row of the index that has to be written, if any.
    pub fn take_chunk(&mut self) -> Option<Chunk> {
        let next = self.arrivals.indexed;
        let full = start_of(next + 1) <= self.next_arrival();
        let number = if full { next } else { self.arrivals.stale.first().copied()? };
        let value = self.encode_chunk(number);
        let mut covers = self.arrivals.written(number);
        // Without a mark a message has been seen. Should the index be lost, what nobody has seen
        // must not be taken for history that is to be sealed: such marks stay beside it.
        covers.retain(|arrival| {
            let found = self.arrivals.find(*arrival, &self.entries);
            found.is_none_or(|ix| self.entries.facts(ix).is(SHOWN))
        });
        Some(Chunk { number, value, covers })
    }

    fn encode_chunk(&self, number: u32) -> Vec<u8> {
        let list = self.arrivals.chunk(number);
        // Sequence numbers are not kept for each message; an author's newest suffices.
        let mut authors: Vec<usize> =
            list.iter().map(|ix| self.entries.facts(*ix).author()).collect();
        authors.sort_unstable();
        authors.dedup();
        let mut out = vec![VERSION];
        put(&mut out, authors.len() as u64);
        for author in &authors {
            let Some(author) = self.entries.authors.get(*author) else { continue };
            out.extend(author.device.0);
            let (seq, id) = author.tail.unwrap_or_default();
            put(&mut out, seq);
            out.extend(id.0);
            put(&mut out, author.places.runs().len() as u64);
            for (first, last) in author.places.runs() {
                put(&mut out, first);
                put(&mut out, last);
            }
        }
        let mut epochs: Vec<u32> = list.iter().map(|ix| self.entries.epoch(*ix)).collect();
        epochs.sort_unstable();
        epochs.dedup();
        epochs.retain(|epoch| *epoch != 0);
        put(&mut out, epochs.len() as u64);
        for epoch in &epochs {
            out.extend(self.epochs.id_of(*epoch).unwrap_or_default().0);
        }
        put(&mut out, list.len() as u64);
        for ix in list {
            let facts = self.entries.facts(*ix);
            let (height, id) = self.entries.items.place(*ix);
            put(&mut out, u64::from(facts.arrival) - start_of(number));
            out.extend(id.0);
            put(&mut out, height);
            put(&mut out, facts.time.0);
            put(&mut out, authors.binary_search(&facts.author()).unwrap_or_default() as u64);
            out.push(facts.kind.number());
            let epoch = epochs.binary_search(&self.entries.epoch(*ix));
            put(&mut out, epoch.map_or(0, |at| at as u64 + 1));
            let late = self.arrivals.late(*ix);
            out.push(self.mark_bits(*ix) | if late.is_some() { LATE } else { 0 });
            if let Some(position) = late {
                put(&mut out, position);
            }
            let parents = self.entries.parents(*ix);
            put(&mut out, parents.len() as u64);
            for parent in parents {
                put(&mut out, u64::from(self.entries.facts(*parent).arrival));
            }
        }
        out
    }

    /// Takes in the next row of the index, into an empty log and before all else; nothing else
    /// works before [`RoomLog::finish_chunks`]. False if it cannot be understood: then this log
    /// is of no use, and has to be loaded from the messages.
    pub fn load_chunk(&mut self, value: &[u8]) -> bool {
        let number = self.arrivals.indexed;
        self.arrivals.indexed += 1;
        self.decode_chunk(number, value).is_some()
    }

    fn decode_chunk(&mut self, number: u32, value: &[u8]) -> Option<()> {
        let (version, mut rest) = value.split_first()?;
        if *version != VERSION {
            return None;
        }
        let rest = &mut rest;
        let mut authors: Vec<DeviceId> = Vec::new();
        for _ in 0..number_in(rest)?.min(INDEX_CHUNK) {
            let device = DeviceId(id_in(rest)?);
            let (seq, id) = (number_in(rest)?, ObjectId(id_in(rest)?));
            self.keep_tail(device, seq, id);
            for _ in 0..number_in(rest)? {
                let (first, last) = (number_in(rest)?, number_in(rest)?);
                if let Some(author) = self.entries.author_mut(device) {
                    author.places.insert_run(first, last);
                }
            }
            authors.push(device);
        }
        let mut epochs: Vec<u32> = vec![0];
        for _ in 0..number_in(rest)?.min(INDEX_CHUNK) {
            epochs.push(self.epochs.number_of(ObjectId(id_in(rest)?)));
        }
        let start = start_of(number);
        for _ in 0..number_in(rest)? {
            let arrival = start.checked_add(number_in(rest)?)?;
            let id = ObjectId(id_in(rest)?);
            let (height, time) = (number_in(rest)?, Timestamp(number_in(rest)?));
            let device = *authors.get(usize::try_from(number_in(rest)?).ok()?)?;
            let kind = EnvelopeKind::from_number(byte_in(rest)?)?;
            let epoch = *epochs.get(usize::try_from(number_in(rest)?).ok()?)?;
            let bits = byte_in(rest)?;
            let late = if bits & LATE == 0 { None } else { Some(number_in(rest)?) };
            let count = usize::try_from(number_in(rest)?).ok()?;
            if count > PARENTS_MAX || arrival >= start_of(number + 1) {
                return None;
            }
            // Arrivals for now; `finish_chunks` knows whose.
            let mut parents = Vec::with_capacity(count);
            for _ in 0..count {
                parents.push(Ix::at(usize::try_from(number_in(rest)?).ok()?));
            }
            let new = New { id, height, device, kind, time, arrival, epoch };
            let ix = self.entries.put_down(new, &parents);
            self.arrivals.put(arrival, ix, &self.entries);
            self.set_marks(ix, bits);
            if let Some(position) = late {
                self.set_late(ix, position);
            }
        }
        // Whatever was taken back has left its number behind.
        self.arrivals.last = self.arrivals.last.max(start_of(number + 1) - 1);
        rest.is_empty().then_some(())
    }

    /// Makes the log of what [`RoomLog::load_chunk`] took in; false if that does not fit
    /// together.
    pub fn finish_chunks(&mut self) -> bool {
        for slot in 0..self.entries.items.slots() {
            let ix = Ix::at(slot);
            let mut parents = self.entries.parents(ix).to_vec();
            for parent in &mut parents {
                let arrival = parent.index() as u64;
                let Some(found) = self.arrivals.find(arrival, &self.entries) else {
                    return false;
                };
                *parent = found;
            }
            self.entries.set_parents(ix, &parents);
        }
        self.entries.build();
        true
    }

    /// The first arrival that the index does not cover.
    #[must_use]
    pub fn after_index(&self) -> u64 {
        start_of(self.arrivals.indexed)
    }

    /// The row of the index that a message belongs to.
    #[must_use]
    pub fn chunk_of(arrival: u64) -> u32 {
        chunk_of(arrival)
    }
}

fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn byte_in(rest: &mut &[u8]) -> Option<u8> {
    let (first, after) = rest.split_first()?;
    *rest = after;
    Some(*first)
}

fn number_in(rest: &mut &[u8]) -> Option<u64> {
    let (mut number, mut shift) = (0_u64, 0);
    loop {
        let byte = byte_in(rest)?;
        if shift > 63 {
            return None;
        }
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
        shift += 7;
    }
}

fn id_in(rest: &mut &[u8]) -> Option<[u8; 32]> {
    let (id, after) = rest.split_first_chunk::<32>()?;
    *rest = after;
    Some(*id)
}
