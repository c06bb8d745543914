//! What the user has read of a room, and what not.
//!
//! A message is read if it came, or became visible, before everything was read, or if it stood at
//! or before a place in the order of the screen when all up to there was read. So what arrives
//! late and sorts among read messages is unread, and stays so when the end of the room is read by
//! its place only.

use std::cell::Cell;

use super::RoomLog;
use super::arrivals::{chunk_of, number_at};
use super::entries::{ABOVE, ACCEPTED, LATE};
use crate::id::{AgentId, MessageId, ObjectId};
use crate::limits::READ_PLACES_MAX;
use crate::sync::{Bound, Ix, Place};

/// Bytes of a place and a number.
const PLACE_BYTES: usize = 48;

/// What the user has not read: content of others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unread {
    /// How many messages.
    pub count: u64,
    /// The first of them in the order of the screen.
    pub first: Option<Place>,
}

/// See the module's documentation.
#[derive(Clone, Debug, Default)]
pub(super) struct Reading {
    /// All that came, or became visible, up to this number.
    all: u64,
    /// All at or before a place that had come by a number: the places fall, the numbers rise.
    places: Vec<(Place, u64)>,
    /// What follows from that, and for whom; kept up with every message.
    unread: Cell<Option<(Option<AgentId>, Unread)>>,
}

impl Reading {
    /// Whether what stands at a place, and came or became visible as this number, has been read.
    pub(super) fn covers(&self, place: Place, position: u64) -> bool {
        position <= self.all || self.places.iter().any(|(to, by)| place <= *to && position <= *by)
    }

    /// Whether something beyond a place has been read.
    pub(super) fn is_beyond(&self, place: Place) -> bool {
        self.places.first().is_some_and(|(highest, _)| place < *highest)
    }

    pub(super) fn forget_unread(&self) {
        self.unread.set(None);
    }

    /// Takes note that everything up to a place has been read now.
    fn add(&mut self, to: Place, by: u64) {
        self.places.retain(|(place, _)| *place > to);
        self.places.push((to, by));
        if self.places.len() > READ_PLACES_MAX {
            // Not the first: it says how far the user has come. What it alone covers is unread.
            self.places.remove(1);
        }
    }

    /// Takes note that nothing is unread.
    fn finish(&mut self, newest: Option<Place>, by: u64) {
        self.all = by;
        let highest = self.places.first().map(|(place, _)| *place).max(newest);
        self.places = highest.map(|place| (place, by)).into_iter().collect();
    }
}

impl RoomLog {
    /// Content of others that the user has not read.
    #[must_use]
    pub fn unread_of(&self, me: Option<AgentId>) -> Unread {
        if let Some((of, unread)) = self.reading.unread.get()
            && of == me
        {
            return unread;
        }
        let unread = self.find_unread(me);
        self.reading.unread.set(Some((me, unread)));
        unread
    }

    /// How much of others the user has not read.
    #[must_use]
    pub fn unread(&self, me: Option<AgentId>) -> u64 {
        self.unread_of(me).count
    }

    /// The newest accepted message with content, in the order of the screen.
    #[must_use]
    pub fn newest(&self) -> Option<Place> {
        self.newest
    }

    /// All up to a place in the order of the screen, or simply all, has been read. False if
    /// nothing changed by that.
    pub fn mark_read(&mut self, up_to: Option<Place>, me: Option<AgentId>) -> bool {
        let before = self.unread_of(me);
        let by = self.arrivals.last;
        let after = match (up_to, before.first) {
            (None, _) => Unread::default(),
            (Some(to), Some(first)) if to >= first => self.unread_beyond(to, first, before, me),
            // Nothing that can be seen is affected; how far the user has come may be.
            (Some(to), _) if before.count == 0 && !self.reading.covers(to, by) => before,
            _ => return false,
        };
        if let Some(to) = up_to {
            self.reading.add(to, by);
        }
        if after.count == 0 {
            let same = self.reading.all == by && up_to.is_none();
            self.reading.finish(self.newest, by);
            self.reading.unread.set(Some((me, after)));
            return !(same && before.count == 0);
        }
        self.reading.unread.set(Some((me, after)));
        true
    }

    /// What is left unread once all up to a place is read.
    fn unread_beyond(
        &self,
        to: Place,
        first: Place,
        before: Unread,
        me: Option<AgentId>,
    ) -> Unread {
        let (first, end) = (bound(first), after(to));
        let newly = self.entries.items.walk(first, end, false);
        let newly = newly.filter(|ix| self.is_unread(*ix, me)).count() as u64;
        let count = before.count.saturating_sub(newly);
        let mut rest = self.entries.items.walk(end, Bound::MAX, false);
        let next = (count > 0).then(|| rest.find(|ix| self.is_unread(*ix, me))).flatten();
        Unread { count, first: next.map(|ix| self.entries.items.place(ix)) }
    }

    /// Looks at whatever came after everything was read.
    fn find_unread(&self, me: Option<AgentId>) -> Unread {
        let from = self.reading.all + 1;
        let on_time = self.arrivals.chunks_from(chunk_of(from)).filter(|ix| {
            let facts = self.entries.facts(*ix);
            u64::from(facts.arrival) >= from && !facts.is(LATE)
        });
        let mut unread = Unread::default();
        for ix in on_time.chain(self.arrivals.late_from(from)) {
            if self.is_unread(ix, me) {
                unread.add(self.entries.items.place(ix));
            }
        }
        unread
    }

    fn is_unread(&self, ix: Ix, me: Option<AgentId>) -> bool {
        let facts = self.entries.facts(ix);
        if !facts.is(ACCEPTED) || !facts.kind.is_content() || !self.is_readable_at(ix) {
            return false;
        }
        let standing = self.entries.author(ix).and_then(|author| author.standing.as_ref());
        standing.and_then(|standing| standing.agent) != me && !self.is_covered(ix)
    }

    pub(super) fn is_covered(&self, ix: Ix) -> bool {
        let arrival = u64::from(self.entries.facts(ix).arrival);
        let position = self.arrivals.late(ix).unwrap_or(arrival);
        self.reading.covers(self.entries.items.place(ix), position)
    }

    /// A message has become visible.
    pub(super) fn count_unread(&mut self, ix: Ix) {
        if let Some((me, mut unread)) = self.reading.unread.get()
            && self.is_unread(ix, me)
        {
            unread.add(self.entries.items.place(ix));
            self.reading.unread.set(Some((me, unread)));
        }
    }

    /// Whether a message came when something that stands behind it had been read.
    #[must_use]
    pub fn came_late(&self, id: MessageId) -> bool {
        self.entries.find(id).is_some_and(|ix| self.entries.facts(ix).is(ABOVE))
    }

    /// What has been read, to be written down: a number, and places with theirs.
    #[must_use]
    pub fn reading(&self) -> Vec<u8> {
        let mut row = self.reading.all.to_be_bytes().to_vec();
        for ((height, id), by) in &self.reading.places {
            row.extend(height.to_be_bytes());
            row.extend(id.0);
            row.extend(by.to_be_bytes());
        }
        row
    }

    /// Takes in what was written down; as much of it as can be understood.
    pub fn load_reading(&mut self, row: &[u8]) {
        let Some(all) = number_at(row, 0) else { return };
        self.reading = Reading { all, ..Reading::default() };
        // What was read may have been taken back; its number is used up.
        self.skip_arrivals(all);
        for place in row.get(8..).unwrap_or_default().chunks_exact(PLACE_BYTES) {
            let id = place.get(8..40).and_then(|id| id.try_into().ok());
            let (Some(height), Some(id), Some(by)) =
                (number_at(place, 0), id, number_at(place, 40))
            else {
                continue;
            };
            self.skip_arrivals(by);
            self.reading.places.push(((height, ObjectId(id)), by));
        }
    }
}

impl Unread {
    fn add(&mut self, place: Place) {
        self.count += 1;
        self.first = Some(self.first.map_or(place, |first| first.min(place)));
    }
}

fn bound(place: Place) -> Bound {
    Bound { height: place.0, id: place.1 }
}

/// The next place behind one.
fn after(place: Place) -> Bound {
    let mut id = place.1;
    for byte in id.0.iter_mut().rev() {
        *byte = byte.wrapping_add(1);
        if *byte != 0 {
            return Bound { height: place.0, id };
        }
    }
    Bound { height: place.0.saturating_add(1), id }
}
