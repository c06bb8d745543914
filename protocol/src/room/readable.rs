//! Which messages can be read here: those whose epoch's key is known.

use super::RoomLog;
use super::entries::{ABOVE, ACCEPTED, LATE};
use crate::envelope::{Envelope, EnvelopeKind};
use crate::id::MessageId;
use crate::sync::{Bound, Ix, Place};

impl RoomLog {
    /// Takes note of what an envelope says of epochs; after a start also of one that only the index
    /// has named.
    pub fn note_epoch(&mut self, id: MessageId, envelope: &Envelope) {
        if let Some(start) = envelope.epoch_start() {
            self.epochs.begin(id, envelope.device, start, Some((envelope.height, id)));
        }
        if let Some(keys) = envelope.epoch_keys() {
            self.epochs.add_recipients(envelope.device, &keys);
        }
    }

    /// The numbers of rows that begin epochs or hand out keys, in order of arrival.
    #[must_use]
    pub fn epoch_rows(&self) -> Vec<u64> {
        let all = self.entries.all(false).map(|ix| self.entries.facts(ix));
        let epochs = all.filter(|facts| {
            matches!(facts.kind, EnvelopeKind::EpochStart | EnvelopeKind::EpochKeys)
        });
        let mut rows: Vec<u64> = epochs.map(|facts| u64::from(facts.arrival)).collect();
        rows.sort_unstable();
        rows
    }

    /// The epoch of a counting message with content.
    #[must_use]
    pub fn epoch_of(&self, id: MessageId) -> Option<MessageId> {
        let ix = self.entries.find(id)?;
        self.epochs.id_of(self.entries.epoch(ix))
    }

    /// Whether a counting message has content whose key is known here.
    #[must_use]
    pub fn is_readable(&self, id: MessageId) -> bool {
        self.entries.find(id).is_some_and(|ix| self.is_readable_at(ix))
    }

    pub(super) fn is_readable_at(&self, ix: Ix) -> bool {
        self.epochs.has_key_of(self.entries.epoch(ix))
    }

    /// Accepted messages with content that no key known here opens.
    #[must_use]
    pub fn locked(&self) -> u64 {
        let locked = |ix: &Ix| {
            let facts = self.entries.facts(*ix);
            facts.kind.is_content() && facts.is(ACCEPTED) && !self.is_readable_at(*ix)
        };
        self.entries.all(false).filter(locked).count() as u64
    }

    /// People see a message now that they could not see before; of what came first.
    pub(super) fn became_visible(&mut self, ix: Ix) {
        let (last, place) = (self.arrivals.last, self.entries.items.place(ix));
        let covered = self.is_covered(ix);
        let beyond = self.reading.is_beyond(place);
        let facts = self.entries.facts_mut(ix);
        facts.set(ABOVE, beyond);
        if covered && !facts.is(LATE) {
            // People see it only now, although they have read beyond it.
            facts.set(LATE, true);
            self.arrivals.put_late(last + 1, ix);
        }
    }

    /// The keys of these epochs have become known. Gives the accepted messages that can be read by
    /// that, in the order of the screen.
    pub fn became_readable(&mut self, epochs: &[MessageId]) -> Vec<MessageId> {
        let numbers: std::collections::BTreeSet<u32> =
            epochs.iter().map(|id| self.epochs.number_of(*id)).collect();
        let all = self.entries.items.walk(Bound::MIN, Bound::MAX, false);
        let readable: Vec<Ix> = all
            .filter(|ix| numbers.contains(&self.entries.epoch(*ix)))
            .filter(|ix| self.entries.facts(*ix).is(ACCEPTED))
            .collect();
        for ix in &readable {
            self.became_visible(*ix);
            self.note_newest(self.entries.items.place(*ix));
            self.count_unread(*ix);
        }
        readable.into_iter().map(|ix| self.entries.id(ix)).collect()
    }

    /// Keeps where the newest accepted message stands that can be read.
    pub(super) fn note_newest(&mut self, place: Place) {
        self.newest = self.newest.max(Some(place));
    }
}
