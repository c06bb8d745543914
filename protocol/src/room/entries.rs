//! What is kept of each message, by its place in the set that is reconciled.

use std::collections::{BTreeMap, BTreeSet};

use super::places::Places;
use crate::control::Standing;
use crate::envelope::{Envelope, EnvelopeKind};
use crate::id::{DeviceId, MessageId};
use crate::sync::{Items, Ix, grow};
use crate::time::Timestamp;

/// It is accepted now.
pub(super) const ACCEPTED: u16 = 1;
/// A live author's message follows it.
pub(super) const ACKNOWLEDGED: u16 = 2;
/// It has been accepted at some time, so people may have seen it.
pub(super) const SHOWN: u16 = 4;
/// It had been shown before it was last accepted.
pub(super) const SEEN_BEFORE: u16 = 8;
/// Another device is known to hold it.
pub(super) const HELD_ELSEWHERE: u16 = 16;
/// An accepted message follows it directly.
pub(super) const FOLLOWED: u16 = 32;
/// It became visible after it came.
pub(super) const LATE: u16 = 64;
/// A pull that has not ended brought it; taken back if nothing acknowledges it.
pub(super) const UNACKNOWLEDGED: u16 = 128;
/// When it became visible, something behind it had been read.
pub(super) const ABOVE: u16 = 256;
/// When it came, its author's clock was far ahead of ours.
pub(super) const AHEAD: u16 = 512;

/// What is kept of a message besides its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts {
    pub(super) time: Timestamp,
    pub(super) arrival: u32,
    author: u32,
    parents_from: u32,
    parents: u8,
    pub(super) kind: EnvelopeKind,
    flags: u16,
}

impl Facts {
    pub(super) fn is(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }

    /// Sets a flag or takes it away; false if it was so before.
    pub(super) fn set(&mut self, flag: u16, to: bool) -> bool {
        let before = self.flags;
        self.flags = if to { before | flag } else { before & !flag };
        before != self.flags
    }

    pub(super) fn author(&self) -> usize {
        self.author as usize
    }
}

/// Somebody who wrote here.
#[derive(Clone, Debug)]
pub(super) struct Author {
    pub(super) device: DeviceId,
    /// As last judged by.
    pub(super) standing: Option<Standing>,
    /// The newest envelope: sequence number and id.
    pub(super) tail: Option<(u64, MessageId)>,
    /// The places in its chain that are used here.
    pub(super) places: Places,
    /// What spares a message of an author who is not live, see [`super::kept`].
    pub(super) rules: Vec<Vec<super::kept::Rule>>,
}

/// The messages, their parents and their authors.
#[derive(Clone, Debug, Default)]
pub(super) struct Entries {
    pub(super) items: Items,
    facts: Vec<Facts>,
    /// The number of the epoch of each; 0 for what has no content.
    epochs: Vec<u32>,
    /// The parents of all, each message's in a row.
    pool: Vec<Ix>,
    /// First bytes of each id, with its place: a tenth of what a map of ids takes.
    names: BTreeSet<[u8; 10]>,
    pub(super) authors: Vec<Author>,
    numbers: BTreeMap<DeviceId, u32>,
}

/// What a message brings along, its parents apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct New {
    pub(super) id: MessageId,
    pub(super) height: u64,
    pub(super) device: DeviceId,
    pub(super) kind: EnvelopeKind,
    pub(super) time: Timestamp,
    pub(super) arrival: u64,
    /// See [`super::Epochs::number_of`]; 0 for none.
    pub(super) epoch: u32,
}

impl New {
    pub(super) fn of(id: MessageId, envelope: &Envelope, arrival: u64, epoch: u32) -> Self {
        Self {
            id,
            height: envelope.height,
            device: envelope.device,
            kind: envelope.kind,
            time: envelope.claimed_time,
            arrival,
            epoch,
        }
    }
}

fn name_of(id: &MessageId, ix: Ix) -> [u8; 10] {
    let mut name = [0; 10];
    for (to, from) in name.iter_mut().zip(id.0.iter().take(6).chain(&ix.to_bytes())) {
        *to = *from;
    }
    name
}

impl Entries {
    pub(super) fn find(&self, id: MessageId) -> Option<Ix> {
        let (first, last) = (Ix::from_bytes([0; 4]), Ix::from_bytes([255; 4]));
        let alike = self.names.range(name_of(&id, first)..=name_of(&id, last));
        alike
            .map(|name| {
                let [.., a, b, c, d] = *name;
                Ix::from_bytes([a, b, c, d])
            })
            .find(|ix| self.id(*ix) == id)
    }

    pub(super) fn id(&self, ix: Ix) -> MessageId {
        self.items.place(ix).1
    }

    /// Panics if the place was not given out by this collection, which the type prevents.
    #[allow(clippy::indexing_slicing, reason = "places are given out by `items` only")]
    pub(super) fn facts(&self, ix: Ix) -> &Facts {
        &self.facts[ix.index()]
    }

    #[allow(clippy::indexing_slicing, reason = "places are given out by `items` only")]
    pub(super) fn facts_mut(&mut self, ix: Ix) -> &mut Facts {
        &mut self.facts[ix.index()]
    }

    /// The number of a message's epoch; 0 for what has no content.
    pub(super) fn epoch(&self, ix: Ix) -> u32 {
        self.epochs.get(ix.index()).copied().unwrap_or_default()
    }

    pub(super) fn parents(&self, ix: Ix) -> &[Ix] {
        let facts = self.facts(ix);
        let from = facts.parents_from as usize;
        self.pool.get(from..from + usize::from(facts.parents)).unwrap_or_default()
    }

    /// One parent of a message, by its number.
    pub(super) fn parent(&self, ix: Ix, n: usize) -> Option<Ix> {
        self.parents(ix).get(n).copied()
    }

    pub(super) fn author(&self, ix: Ix) -> Option<&Author> {
        self.authors.get(self.facts(ix).author())
    }

    pub(super) fn device(&self, ix: Ix) -> DeviceId {
        self.author(ix).map(|author| author.device).unwrap_or_default()
    }

    pub(super) fn author_of(&self, device: DeviceId) -> Option<&Author> {
        self.authors.get(*self.numbers.get(&device)? as usize)
    }

    /// The place of a device among the authors, made if need be.
    pub(super) fn author_number(&mut self, device: DeviceId) -> u32 {
        let next = u32::try_from(self.authors.len()).unwrap_or(u32::MAX);
        let number = *self.numbers.entry(device).or_insert(next);
        if number == next {
            let (standing, tail, places) = (None, None, Places::default());
            self.authors.push(Author { device, standing, tail, places, rules: Vec::new() });
        }
        number
    }

    pub(super) fn author_mut(&mut self, device: DeviceId) -> Option<&mut Author> {
        let number = self.author_number(device);
        self.authors.get_mut(number as usize)
    }

    /// Adds a message whose parents are here.
    pub(super) fn add(&mut self, new: New, parents: &[Ix]) -> Ix {
        let ix = self.items.add((new.height, new.id), false);
        self.put_facts(ix, new, parents);
        self.names.insert(name_of(&new.id, ix));
        ix
    }

    /// Adds a message that can be found only after [`Entries::build`].
    pub(super) fn put_down(&mut self, new: New, parents: &[Ix]) -> Ix {
        let ix = self.items.put_down((new.height, new.id));
        self.put_facts(ix, new, parents);
        ix
    }

    /// Makes what [`Entries::put_down`] left out.
    pub(super) fn build(&mut self) {
        self.items.build();
        let all: Vec<Ix> = self.all(false).collect();
        self.names = all.into_iter().map(|ix| name_of(&self.items.place(ix).1, ix)).collect();
    }

    /// Replaces the parents of a message by as many others.
    pub(super) fn set_parents(&mut self, ix: Ix, parents: &[Ix]) {
        let from = self.facts(ix).parents_from as usize;
        for (to, parent) in self.pool.iter_mut().skip(from).zip(parents) {
            *to = *parent;
        }
    }

    pub(super) fn remove(&mut self, ix: Ix) {
        self.names.remove(&name_of(&self.id(ix), ix));
        self.items.discard(ix);
    }

    /// All places in order, or in the opposite one.
    pub(super) fn all(&self, back: bool) -> impl Iterator<Item = Ix> + '_ {
        self.items.walk(crate::sync::Bound::MIN, crate::sync::Bound::MAX, back)
    }

    fn put_facts(&mut self, ix: Ix, new: New, parents: &[Ix]) {
        let author = self.author_number(new.device);
        let old = self.facts.get(ix.index());
        // The room that a message left which was taken back.
        let reuse = old.filter(|old| usize::from(old.parents) >= parents.len());
        let from = reuse.map(|old| old.parents_from);
        let from = from.unwrap_or_else(|| u32::try_from(self.pool.len()).unwrap_or(u32::MAX));
        if reuse.is_none() {
            for parent in parents {
                grow(&mut self.pool);
                self.pool.push(*parent);
            }
        }
        let facts = Facts {
            time: new.time,
            // A room with 2^32 messages fits in no memory.
            arrival: u32::try_from(new.arrival).unwrap_or(u32::MAX),
            author,
            parents_from: from,
            parents: u8::try_from(parents.len()).unwrap_or(u8::MAX),
            kind: new.kind,
            flags: 0,
        };
        match (self.facts.get_mut(ix.index()), self.epochs.get_mut(ix.index())) {
            (Some(slot), Some(epoch)) => (*slot, *epoch) = (facts, new.epoch),
            _ => {
                grow(&mut self.facts);
                self.facts.push(facts);
                grow(&mut self.epochs);
                self.epochs.push(new.epoch);
            }
        }
        self.set_parents(ix, parents);
    }
}
