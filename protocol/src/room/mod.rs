//! One room's log: which messages are held, which of them are accepted, in which order.
//!
//! A message *counts* once all its parents count and its height is right. A counting message
//! is accepted if its author is live, or if, for one way in that its author once had, everything
//! that ended it spares the message: because a live author's message follows it, or because the
//! revocation keeps it. All depends only on the control log and on the set of counting messages,
//! so nodes that hold the same sets accept the same messages.

mod arrivals;
mod entries;
mod epochs;
mod index;
mod judge;
mod kept;
mod places;
mod readable;
mod reading;
mod times;
mod waiting;

use std::collections::{BTreeMap, BTreeSet};

pub use arrivals::Mark;
pub use epochs::{Epochs, Fitting};
pub use index::Chunk;
pub use reading::Unread;
pub use times::{ClockNote, is_ahead};
pub use waiting::{Held, WaitFor, Waiting};

use self::arrivals::Arrivals;
use self::entries::{ACCEPTED, Entries, HELD_ELSEWHERE, New, SEEN_BEFORE, SHOWN, UNACKNOWLEDGED};
use self::kept::Kept;
use self::reading::Reading;
use crate::bits::Bits;
use crate::cached::Cached;
use crate::control::Standing;
use crate::envelope::{Envelope, EnvelopeKind};
use crate::id::{DeviceId, MessageId, ObjectId};
use crate::limits::PARENTS_MAX;
use crate::sync::{Bound, Items, Ix, Place};
use crate::time::Timestamp;

/// What is known of a counting message that this node holds. Its bytes are in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// 1 + the largest height of its parents.
    pub height: u64,
    /// Who signed it.
    pub device: DeviceId,
    /// What it is.
    pub kind: EnvelopeKind,
    /// What the author's clock said.
    pub claimed_time: Timestamp,
    /// In which order messages were stored here, from 1; the number of its row.
    pub arrival: u64,
    /// It has been accepted at some time, so people may have seen it.
    pub shown: bool,
    /// It had been shown before it was last accepted: then that is no news.
    pub seen_before: bool,
    /// Another device is known to hold it.
    pub held_elsewhere: bool,
    accepted: bool,
}

impl Entry {
    /// Whether it is accepted now.
    #[must_use]
    pub fn is_accepted(self) -> bool {
        self.accepted
    }
}

/// What a change of the control log did to a room; in the order of the screen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rejudged {
    /// Accepted now and never shown before.
    pub accepted: Vec<MessageId>,
    /// Accepted before and not now.
    pub lost: Vec<MessageId>,
    /// Accepted now, not before, and shown at some earlier time; empty at a start.
    pub returned: Vec<MessageId>,
}

/// The log of one room.
#[derive(Clone, Debug, Default)]
pub struct RoomLog {
    /// All messages. Those that are accepted and their ancestors are shared with other nodes.
    entries: Entries,
    arrivals: Arrivals,
    /// Accepted messages without accepted children.
    heads: BTreeSet<MessageId>,
    /// How many accepted messages have content.
    content: u64,
    kept: Kept,
    /// Content of our own that no other device is known to hold.
    pending: BTreeSet<MessageId>,
    /// While all messages are judged: what will be shared.
    draft: Option<Bits>,
    digest: Cached<ObjectId>,
    /// Messages that wait for parents or control objects.
    pub held: Held,
    /// Under which keys messages are encrypted.
    pub epochs: Epochs,
    /// The last accepted message with content.
    newest: Option<Place>,
    reading: Reading,
}

/// The counting messages of a room in the order of the screen.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a>(&'a Items);

impl<'a> Order<'a> {
    /// How many there are.
    #[must_use]
    pub fn len(self) -> usize {
        self.0.held()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// All, ascending.
    pub fn iter(self) -> impl Iterator<Item = Place> + 'a {
        self.0.walk(Bound::MIN, Bound::MAX, false).map(move |ix| self.0.place(ix))
    }

    /// Those from a place on, ascending.
    pub fn from(self, start: Place) -> impl Iterator<Item = Place> + 'a {
        let start = Bound { height: start.0, id: start.1 };
        self.0.walk(start, Bound::MAX, false).map(move |ix| self.0.place(ix))
    }

    /// Those before a place, descending.
    pub fn before(self, end: Place) -> impl Iterator<Item = Place> + 'a {
        let end = Bound { height: end.0, id: end.1 };
        self.0.walk(Bound::MIN, end, true).map(move |ix| self.0.place(ix))
    }

    /// All, descending.
    pub fn newest_first(self) -> impl Iterator<Item = Place> + 'a {
        self.0.walk(Bound::MIN, Bound::MAX, true).map(move |ix| self.0.place(ix))
    }
}

impl RoomLog {
    /// A message that counts.
    #[must_use]
    pub fn get(&self, id: MessageId) -> Option<Entry> {
        self.entries.find(id).map(|ix| self.entry(ix))
    }

    fn entry(&self, ix: Ix) -> Entry {
        let facts = self.entries.facts(ix);
        Entry {
            height: self.entries.items.place(ix).0,
            device: self.entries.device(ix),
            kind: facts.kind,
            claimed_time: facts.time,
            arrival: u64::from(facts.arrival),
            shown: facts.is(SHOWN),
            seen_before: facts.is(SEEN_BEFORE),
            held_elsewhere: facts.is(HELD_ELSEWHERE),
            accepted: facts.is(ACCEPTED),
        }
    }

    /// What a message follows.
    #[must_use]
    pub fn parents_of(&self, id: MessageId) -> Vec<MessageId> {
        let parents = self.entries.find(id).map(|ix| self.entries.parents(ix));
        parents.unwrap_or_default().iter().map(|ix| self.entries.id(*ix)).collect()
    }

    /// Counting messages in the order of the screen.
    #[must_use]
    pub fn order(&self) -> Order<'_> {
        Order(&self.entries.items)
    }

    /// What is reconciled with other nodes, in the order of the screen.
    #[must_use]
    pub fn shared(&self) -> &Items {
        &self.entries.items
    }

    /// The newest envelope of a device: sequence number and id.
    #[must_use]
    pub fn tail(&self, device: DeviceId) -> Option<(u64, MessageId)> {
        self.entries.author_of(device)?.tail
    }

    /// Number of accepted messages with content.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.content
    }

    /// Digest of the accepted set: BLAKE3 over the ids in order of (height, id), under the
    /// context `conclave v1 room digest`. Computed once for each state of it.
    #[must_use]
    pub fn digest(&self) -> ObjectId {
        self.digest.get_or(|| {
            let mut hasher = blake3::Hasher::new_derive_key("conclave v1 room digest");
            for ix in self.entries.all(false) {
                if self.entries.facts(ix).is(ACCEPTED) {
                    hasher.update(&self.entries.id(ix).0);
                }
            }
            ObjectId(hasher.finalize().into())
        })
    }

    /// Parents that are not counting here.
    #[must_use]
    pub fn missing_parents(&self, envelope: &Envelope) -> Vec<MessageId> {
        let missing = |id: &&MessageId| self.entries.find(**id).is_none();
        envelope.parents.iter().filter(missing).copied().collect()
    }

    /// Whether the height is 1 + the largest of the parents, which all count.
    #[must_use]
    pub fn height_fits(&self, envelope: &Envelope) -> bool {
        let parents = envelope.parents.iter().filter_map(|id| self.entries.find(*id));
        let heights = parents.map(|ix| self.entries.items.place(ix).0);
        heights.max().unwrap_or(0) + 1 == envelope.height
    }

    /// Devices that wrote here.
    pub fn authors(&self) -> impl Iterator<Item = DeviceId> + '_ {
        self.entries.authors.iter().map(|author| author.device)
    }

    /// Whether a revocation names a message among the heads of what it keeps.
    #[must_use]
    pub fn is_kept_head(&self, id: MessageId) -> bool {
        self.kept.has_head(id)
    }

    /// Whether a message is shared with other nodes: it, or one that follows it, is accepted.
    #[must_use]
    pub fn is_shared(&self, id: MessageId) -> bool {
        self.entries.find(id).is_some_and(|ix| self.entries.items.is_shared(ix))
    }

    /// Adds a message whose parents count and whose height fits. Returns what is accepted now
    /// and was not before: it, and ancestors of ended authors that it acknowledges.
    pub fn insert(
        &mut self,
        id: MessageId,
        envelope: &Envelope,
        standing: Standing,
        arrival: u64,
    ) -> Vec<MessageId> {
        let live = standing.live;
        let more_is_kept = self.learn_standing(envelope.device, standing) && !live;
        let Some(ix) = self.add(id, envelope, arrival) else { return Vec::new() };
        let more_is_kept = more_is_kept || self.is_kept_head(id);
        self.judge_new(ix, live, more_is_kept)
    }

    /// Adds a message from the store whose parents are here; [`RoomLog::rejudge`] decides about
    /// it. False if it is here already.
    pub fn load(&mut self, id: MessageId, envelope: &Envelope, arrival: u64, shown: bool) -> bool {
        let Some(ix) = self.add(id, envelope, arrival) else { return false };
        self.use_place(envelope.device, envelope.seq);
        self.entries.facts_mut(ix).set(SHOWN, shown);
        true
    }

    fn add(&mut self, id: MessageId, envelope: &Envelope, arrival: u64) -> Option<Ix> {
        if self.entries.find(id).is_some() {
            return None;
        }
        self.keep_tail(envelope.device, envelope.seq, id);
        let parents: Vec<Ix> =
            envelope.parents.iter().filter_map(|id| self.entries.find(*id)).collect();
        let epoch = envelope.epoch.map_or(0, |epoch| self.epochs.number_of(epoch));
        let ix = self.entries.add(New::of(id, envelope, arrival, epoch), &parents);
        self.arrivals.put(arrival, ix, &self.entries);
        self.note_epoch(id, envelope);
        Some(ix)
    }

    /// Takes back those of `candidates` that are neither shared (accepted, acknowledged, kept) nor
    /// followed by anything that stays; children come before parents.
    pub fn take_back<T>(&mut self, candidates: &BTreeMap<MessageId, T>) -> Vec<(MessageId, Entry)> {
        let places = candidates.keys().filter_map(|id| self.entries.find(*id));
        let mut going: BTreeMap<Place, Ix> = places
            .filter(|ix| !self.entries.items.is_shared(*ix))
            .map(|ix| (self.entries.items.place(ix), ix))
            .collect();
        // Whatever follows one of them is higher than the lowest.
        let Some((height, _)) = going.keys().next().copied() else { return Vec::new() };
        let above = Bound { height: height + 1, id: ObjectId([0; 32]) };
        let gone: BTreeSet<Ix> = going.values().copied().collect();
        let mut followed: BTreeSet<Ix> = BTreeSet::new();
        for ix in self.entries.items.walk(above, Bound::MAX, false) {
            if !gone.contains(&ix) {
                let parents = self.entries.parents(ix).iter();
                followed.extend(parents.filter(|parent| gone.contains(parent)));
            }
        }
        let mut taken = Vec::new();
        while let Some(((_, id), ix)) = going.pop_last() {
            if followed.contains(&ix) {
                followed.extend(self.entries.parents(ix));
                continue;
            }
            let entry = self.entry(ix);
            self.arrivals.remove(entry.arrival, ix);
            self.kept.forget(ix);
            self.pending.remove(&id);
            self.epochs.take_back(id);
            self.entries.remove(ix);
            taken.push((id, entry));
        }
        taken
    }

    /// Content of our own that no other device is known to hold.
    #[must_use]
    pub fn pending(&self) -> Vec<MessageId> {
        self.pending.iter().copied().collect()
    }

    /// Notes that content of our own has been added.
    pub fn mark_pending(&mut self, id: MessageId) {
        self.pending.insert(id);
    }

    /// Finds after a start which content of a device no other is known to hold.
    pub fn find_pending(&mut self, device: DeviceId) {
        let Some(author) = self.entries.author_of(device).map(|author| author.device) else {
            return;
        };
        let entries = &self.entries;
        let ours = entries.all(false).filter(|ix| {
            let facts = entries.facts(*ix);
            facts.kind.is_content() && !facts.is(HELD_ELSEWHERE) && entries.device(*ix) == author
        });
        self.pending = ours.map(|ix| entries.id(ix)).collect();
    }

    /// Count and fingerprint of what is shared.
    #[must_use]
    pub fn summary(&self) -> (u64, ObjectId) {
        self.entries.items.summary()
    }

    /// Takes note of the newest place in a chain, should its message be damaged.
    pub fn keep_tail(&mut self, device: DeviceId, seq: u64, id: MessageId) {
        if let Some(author) = self.entries.author_mut(device)
            && author.tail.is_none_or(|(before, _)| seq > before)
        {
            author.tail = Some((seq, id));
        }
    }

    /// Whether a device has used this place in its chain, with a message that is or was here.
    #[must_use]
    pub fn uses_place(&self, device: DeviceId, seq: u64) -> bool {
        self.entries.author_of(device).is_some_and(|author| author.places.has(seq))
    }

    /// Notes that a device has used a place in its chain.
    pub fn use_place(&mut self, device: DeviceId, seq: u64) {
        if let Some(author) = self.entries.author_mut(device) {
            author.places.insert(seq);
        }
    }

    /// Notes that another device holds a message; false if that was known.
    pub fn mark_held_elsewhere(&mut self, id: MessageId) -> bool {
        self.pending.remove(&id);
        let Some(ix) = self.entries.find(id) else { return false };
        self.entries.facts_mut(ix).set(HELD_ELSEWHERE, true)
    }

    /// Notes that only a pull that goes on stands behind a message.
    pub fn mark_unacknowledged(&mut self, id: MessageId) {
        if let Some(ix) = self.entries.find(id) {
            self.entries.facts_mut(ix).set(UNACKNOWLEDGED, true);
        }
    }

    /// Messages that pulls brought which the end of the process cut off.
    #[must_use]
    pub fn unacknowledged(&self) -> Vec<MessageId> {
        let all = self.entries.all(false);
        let cut_off = all.filter(|ix| self.entries.facts(*ix).is(UNACKNOWLEDGED));
        cut_off.map(|ix| self.entries.id(ix)).collect()
    }

    /// Messages that people here have seen, that are accepted no longer, and that an
    /// acknowledgement would keep: those without children among them.
    #[must_use]
    pub fn unsealed_heads(&self) -> Vec<MessageId> {
        let unsealed: BTreeSet<MessageId> = self.unsealed().collect();
        let mut covered = BTreeSet::new();
        for id in &unsealed {
            covered.extend(self.parents_of(*id));
        }
        unsealed.difference(&covered).copied().collect()
    }

    /// See [`RoomLog::unsealed_heads`]; all of them.
    pub fn unsealed(&self) -> impl Iterator<Item = MessageId> + '_ {
        let all = self.entries.all(false);
        all.filter(|ix| self.is_unsealed_at(*ix)).map(|ix| self.entries.id(ix))
    }

    /// Whether people here have seen a message that is accepted no longer, and that an
    /// acknowledgement would keep.
    #[must_use]
    pub fn is_unsealed(&self, id: MessageId) -> bool {
        self.entries.find(id).is_some_and(|ix| self.is_unsealed_at(ix))
    }

    fn is_unsealed_at(&self, ix: Ix) -> bool {
        let facts = self.entries.facts(ix);
        facts.is(SHOWN) && !facts.is(ACCEPTED) && self.stands(ix, true)
    }

    /// Messages that would be shown no longer if authors stood otherwise, those left out that
    /// this node would seal.
    #[must_use]
    pub fn lost_by(&self, standing_of: impl Fn(DeviceId) -> Standing) -> u64 {
        let mut then = self.clone();
        let Some(rejudged) = then.rejudge(standing_of) else { return 0 };
        let lost = rejudged.lost.into_iter().filter(|id| {
            let content = then.get(*id).is_some_and(|e| e.kind.is_content());
            content && !then.is_unsealed(*id)
        });
        lost.count() as u64
    }

    /// Accepted messages that no accepted message follows, ascending.
    #[must_use]
    pub fn heads(&self) -> Vec<MessageId> {
        self.heads.iter().copied().collect()
    }

    /// Parents for a new envelope of ours, ascending, with their height: the accepted heads,
    /// the highest first if there are more than the bound.
    #[must_use]
    pub fn parents(&self) -> (Vec<MessageId>, u64) {
        let places = self.heads.iter().filter_map(|id| self.entries.find(*id));
        let mut heads: Vec<Place> = places.map(|ix| self.entries.items.place(ix)).collect();
        heads.sort_unstable_by(|a, b| b.cmp(a));
        heads.truncate(PARENTS_MAX);
        let height = heads.first().map_or(0, |(height, _)| *height);
        let mut parents: Vec<MessageId> = heads.into_iter().map(|(_, id)| id).collect();
        parents.sort_unstable();
        (parents, height)
    }
}
