//! One room's log: which messages are held, which of them are accepted, in which order.
//!
//! A message *counts* once all its parents count and its height is right. A counting message
//! is accepted if its author is live, or if, for one way in that its author once had, everything
//! that ended it spares the message: because a live author's message follows it, or because the
//! revocation keeps it. All depends only on the control log and on the set of counting messages,
//! so nodes that hold the same sets accept the same messages.

mod waiting;

use std::collections::{BTreeMap, BTreeSet};

pub use waiting::{Held, WaitFor, Waiting};

use crate::cached::Cached;
use crate::control::{Ended, Standing};
use crate::envelope::{Envelope, EnvelopeKind};
use crate::id::{AgentId, DeviceId, MessageId, ObjectId};
use crate::limits::PARENTS_MAX;
use crate::sync::fingerprint;
use crate::time::Timestamp;

/// A counting message that this node holds. Its bytes are in the store.
#[derive(Clone, Debug)]
pub struct Entry {
    /// 1 + the largest height of its parents.
    pub height: u64,
    /// Who signed it.
    pub device: DeviceId,
    /// What it is.
    pub kind: EnvelopeKind,
    /// What it follows.
    pub parents: Box<[MessageId]>,
    /// What the author's clock said.
    pub claimed_time: Timestamp,
    /// In which order messages came to this node, or became visible if that was later; from 1.
    pub arrival: u64,
    /// It has been accepted at some time, so people may have seen it.
    pub shown: bool,
    /// It had been shown before it was last accepted: then that is no news.
    pub seen_before: bool,
    /// Another device is known to hold it.
    pub held_elsewhere: bool,
    accepted: bool,
    acknowledged: bool,
    accepted_children: u32,
}

impl Entry {
    /// Whether it is accepted now.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        self.accepted
    }
}

/// What a change of the control log did to a room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rejudged {
    /// Accepted now and never shown before.
    pub accepted: Vec<MessageId>,
    /// Accepted before and not now.
    pub lost: Vec<MessageId>,
}

/// The log of one room.
#[derive(Clone, Debug, Default)]
pub struct RoomLog {
    entries: BTreeMap<MessageId, Entry>,
    order: BTreeSet<(u64, MessageId)>,
    /// Accepted messages and their ancestors: what is reconciled with other nodes.
    shared: BTreeSet<(u64, MessageId)>,
    /// Accepted messages without accepted children.
    heads: BTreeSet<MessageId>,
    /// Newest envelope of each device: sequence number and id.
    tails: BTreeMap<DeviceId, (u64, MessageId)>,
    /// Content by order of arrival.
    arrivals: BTreeMap<u64, MessageId>,
    last_arrival: u64,
    standings: BTreeMap<DeviceId, Standing>,
    /// What revocations keep: heads → these and their ancestors, as far as they are held.
    kept: BTreeMap<BTreeSet<MessageId>, BTreeSet<MessageId>>,
    /// Content of our own that no other device is known to hold.
    pending: BTreeSet<MessageId>,
    summary: Cached<(u64, ObjectId)>,
    /// Messages that wait for parents or control objects.
    pub held: Held,
    /// Arrival number up to which the user has read.
    pub read: u64,
}

impl RoomLog {
    /// A message that counts.
    #[must_use]
    pub fn get(&self, id: MessageId) -> Option<&Entry> {
        self.entries.get(&id)
    }

    /// Counting messages in the order of the screen.
    #[must_use]
    pub fn order(&self) -> &BTreeSet<(u64, MessageId)> {
        &self.order
    }

    /// What is reconciled with other nodes, in the order of the screen.
    #[must_use]
    pub fn shared(&self) -> &BTreeSet<(u64, MessageId)> {
        &self.shared
    }

    /// The newest envelope of a device: sequence number and id.
    #[must_use]
    pub fn tail(&self, device: DeviceId) -> Option<(u64, MessageId)> {
        self.tails.get(&device).copied()
    }

    /// The arrival number for the next message.
    #[must_use]
    pub fn next_arrival(&self) -> u64 {
        self.last_arrival + 1
    }

    /// Number of accepted messages with content.
    #[must_use]
    pub fn messages(&self) -> u64 {
        let content = |e: &&Entry| e.accepted && e.kind.is_content();
        self.entries.values().filter(content).count() as u64
    }

    /// Accepted content of others that arrived since the user last read.
    #[must_use]
    pub fn unread(&self, me: Option<AgentId>) -> u64 {
        let unread = |id: &&MessageId| {
            self.entries.get(*id).is_some_and(|e| {
                let agent = self.standings.get(&e.device).and_then(|s| s.agent);
                e.accepted && agent != me
            })
        };
        self.arrivals.range(self.read + 1..).map(|(_, id)| id).filter(unread).count() as u64
    }

    /// Digest of the accepted set: BLAKE3 over the ids in order of (height, id), under the
    /// context `conclave v1 room digest`.
    #[must_use]
    pub fn digest(&self) -> ObjectId {
        let mut hasher = blake3::Hasher::new_derive_key("conclave v1 room digest");
        for (_, id) in &self.order {
            if self.entries.get(id).is_some_and(|e| e.accepted) {
                hasher.update(&id.0);
            }
        }
        ObjectId(hasher.finalize().into())
    }

    /// Parents that are not counting here.
    #[must_use]
    pub fn missing_parents(&self, envelope: &Envelope) -> Vec<MessageId> {
        envelope.parents.iter().filter(|p| !self.entries.contains_key(p)).copied().collect()
    }

    /// Whether the height is 1 + the largest of the parents, which all count.
    #[must_use]
    pub fn height_fits(&self, envelope: &Envelope) -> bool {
        let heights = envelope.parents.iter().filter_map(|p| self.entries.get(p));
        heights.map(|e| e.height).max().unwrap_or(0) + 1 == envelope.height
    }

    /// Devices that wrote here.
    pub fn authors(&self) -> impl Iterator<Item = DeviceId> + '_ {
        self.tails.keys().copied()
    }

    /// Whether a revocation names a message among the heads of what it keeps.
    #[must_use]
    pub fn is_kept_head(&self, id: MessageId) -> bool {
        self.kept.keys().any(|heads| heads.contains(&id))
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
        self.standings.insert(envelope.device, standing);
        self.load(id, envelope, arrival, false);
        let mut accepted = Vec::new();
        let fresh_author = !live && self.learn_keeps(envelope.device);
        if fresh_author || self.is_kept_head(id) {
            // More is kept than was known: this is rare enough to look at everything.
            accepted = self.judge_all().accepted;
            accepted.retain(|other| *other != id);
            if self.entries.get(&id).is_some_and(|e| e.accepted) {
                accepted.insert(0, id);
            }
        } else if live {
            self.accept(id);
            accepted.push(id);
            self.acknowledge_ancestors(id, &mut accepted);
        }
        accepted
    }

    /// Adds a message from the store, in order of height; [`RoomLog::rejudge`] decides about
    /// it.
    pub fn load(&mut self, id: MessageId, envelope: &Envelope, arrival: u64, shown: bool) {
        let entry = Entry {
            height: envelope.height,
            device: envelope.device,
            kind: envelope.kind,
            parents: envelope.parents.clone().into_boxed_slice(),
            claimed_time: envelope.claimed_time,
            arrival,
            shown,
            seen_before: false,
            held_elsewhere: false,
            accepted: false,
            acknowledged: false,
            accepted_children: 0,
        };
        let tail = self.tails.entry(envelope.device).or_insert((envelope.seq, id));
        if envelope.seq > tail.0 {
            *tail = (envelope.seq, id);
        }
        if envelope.kind.is_content() {
            self.arrivals.insert(arrival, id);
        }
        self.last_arrival = self.last_arrival.max(arrival);
        self.order.insert((envelope.height, id));
        self.entries.insert(id, entry);
    }

    /// Takes back those of `candidates` that are neither accepted nor followed by anything that
    /// stays; children come before parents.
    pub fn take_back<T>(&mut self, candidates: &BTreeMap<MessageId, T>) -> Vec<(MessageId, Entry)> {
        if candidates.is_empty() {
            return Vec::new();
        }
        let stays = |id: &MessageId, e: &Entry| e.accepted || !candidates.contains_key(id);
        let staying = self.entries.iter().filter(|(id, e)| stays(id, e));
        let mut followed: BTreeSet<MessageId> =
            staying.flat_map(|(_, e)| e.parents.iter().copied()).collect();
        let mut places: Vec<(u64, MessageId)> = candidates
            .keys()
            .filter_map(|id| self.entries.get(id).map(|e| (e, id)))
            .filter(|(e, _)| !e.accepted)
            .map(|(e, id)| (e.height, *id))
            .collect();
        places.sort_unstable_by(|a, b| b.cmp(a));
        let mut taken = Vec::new();
        for place in places {
            let Some(entry) = self.entries.remove(&place.1) else { continue };
            if followed.contains(&place.1) {
                followed.extend(entry.parents.iter().copied());
                self.entries.insert(place.1, entry);
                continue;
            }
            self.order.remove(&place);
            self.shared.remove(&place);
            self.summary.clear();
            self.arrivals.remove(&entry.arrival);
            taken.push((place.1, entry));
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

    /// Count and fingerprint of what is shared; computed once for each state of it.
    #[must_use]
    pub fn summary(&self) -> (u64, ObjectId) {
        self.summary.get_or(|| {
            let ids = self.shared.iter().map(|(_, id)| *id);
            (self.shared.len() as u64, fingerprint(ids))
        })
    }

    /// Takes note of the newest place in our own chain, should its message be damaged.
    pub fn keep_tail(&mut self, device: DeviceId, seq: u64, id: MessageId) {
        let tail = self.tails.entry(device).or_insert((seq, id));
        if seq > tail.0 {
            *tail = (seq, id);
        }
    }

    /// Notes that another device holds a message; false if that was known.
    pub fn mark_held_elsewhere(&mut self, id: MessageId) -> bool {
        self.pending.remove(&id);
        self.entries
            .get_mut(&id)
            .is_some_and(|entry| !std::mem::replace(&mut entry.held_elsewhere, true))
    }

    /// Judges every message again after a change of the control log; `None` if no author stands
    /// differently.
    pub fn rejudge(&mut self, standing_of: impl Fn(DeviceId) -> Standing) -> Option<Rejudged> {
        let standings: BTreeMap<DeviceId, Standing> =
            self.tails.keys().map(|device| (*device, standing_of(*device))).collect();
        if standings == self.standings {
            return None;
        }
        self.standings = standings;
        Some(self.judge_all())
    }

    fn judge_all(&mut self) -> Rejudged {
        let before: BTreeSet<MessageId> =
            self.entries.iter().filter(|(_, e)| e.accepted).map(|(id, _)| *id).collect();
        // Also those of before a restart: a start is no news.
        let shown: BTreeSet<MessageId> =
            self.entries.iter().filter(|(_, e)| e.shown).map(|(id, _)| *id).collect();
        self.shared.clear();
        self.summary.clear();
        self.heads.clear();
        for entry in self.entries.values_mut() {
            entry.accepted = false;
            entry.acknowledged = false;
            entry.accepted_children = 0;
        }
        self.find_kept();
        // Children come before parents, so one pass finds all that live authors acknowledge.
        let descending: Vec<MessageId> = self.order.iter().rev().map(|(_, id)| *id).collect();
        for id in descending {
            let Some(entry) = self.entries.get(&id) else { continue };
            let (live, acknowledged) = (self.is_live(entry.device), entry.acknowledged);
            if live || acknowledged {
                self.acknowledge_parents(id);
            }
            if live || self.stands(id, acknowledged) {
                self.accept(id);
            }
        }
        let after = || self.entries.iter().filter(|(_, e)| e.accepted).map(|(id, _)| *id);
        Rejudged {
            accepted: after().filter(|id| !shown.contains(id)).collect(),
            lost: before.iter().filter(|id| !self.entries[id].accepted).copied().collect(),
        }
    }

    fn is_live(&self, device: DeviceId) -> bool {
        self.standings.get(&device).is_some_and(|standing| standing.live)
    }

    /// Whether a message of an author who is not live stands, given whether a live author's
    /// message follows it.
    fn stands(&self, id: MessageId, acknowledged: bool) -> bool {
        let Some(entry) = self.entries.get(&id) else { return false };
        let holds = |heads: &BTreeSet<MessageId>| {
            self.kept.get(heads).is_some_and(|kept| kept.contains(&id))
        };
        let spares = |ended: &Ended| {
            if ended.acknowledged_stays {
                acknowledged || ended.keeps.iter().any(holds)
            } else {
                !ended.keeps.is_empty() && ended.keeps.iter().all(holds)
            }
        };
        self.standings
            .get(&entry.device)
            .is_some_and(|standing| standing.ways.iter().any(|way| way.iter().all(spares)))
    }

    /// Takes note of what revocations keep that concern an author; true if that is news.
    fn learn_keeps(&mut self, device: DeviceId) -> bool {
        let ways = self.standings.get(&device).map(|s| s.ways.as_slice()).unwrap_or_default();
        let keeps = ways.iter().flatten().flat_map(|ended| &ended.keeps);
        keeps.filter(|heads| !heads.is_empty()).any(|heads| !self.kept.contains_key(heads))
    }

    /// Finds what revocations keep, as far as it is held, and shares it.
    fn find_kept(&mut self) {
        let all = self.standings.values().flat_map(|s| &s.ways).flatten();
        let heads: BTreeSet<BTreeSet<MessageId>> =
            all.flat_map(|ended| &ended.keeps).filter(|k| !k.is_empty()).cloned().collect();
        self.kept.clear();
        for heads in heads {
            let mut kept = BTreeSet::new();
            let mut open: Vec<MessageId> = heads.iter().copied().collect();
            while let Some(id) = open.pop() {
                let Some(entry) = self.entries.get(&id) else { continue };
                if kept.insert(id) {
                    self.shared.insert((entry.height, id));
                    open.extend(entry.parents.iter().copied());
                }
            }
            self.kept.insert(heads, kept);
        }
    }

    /// Messages that people here have seen, that are accepted no longer, and that an
    /// acknowledgement would keep: those without children among them.
    #[must_use]
    pub fn unsealed_heads(&self) -> Vec<MessageId> {
        let unsealed: BTreeSet<MessageId> = self.unsealed().collect();
        let mut covered = BTreeSet::new();
        for id in &unsealed {
            covered.extend(self.entries[id].parents.iter().copied());
        }
        unsealed.difference(&covered).copied().collect()
    }

    /// See [`RoomLog::unsealed_heads`]; all of them.
    pub fn unsealed(&self) -> impl Iterator<Item = MessageId> + '_ {
        self.entries.keys().copied().filter(|id| self.is_unsealed(*id))
    }

    /// Whether people here have seen a message that is accepted no longer, and that an
    /// acknowledgement would keep.
    #[must_use]
    pub fn is_unsealed(&self, id: MessageId) -> bool {
        self.entries.get(&id).is_some_and(|e| e.shown && !e.accepted && self.stands(id, true))
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
        let mut heads: Vec<(u64, MessageId)> =
            self.heads.iter().filter_map(|id| Some((self.entries.get(id)?.height, *id))).collect();
        heads.sort_unstable_by(|a, b| b.cmp(a));
        heads.truncate(PARENTS_MAX);
        let height = heads.first().map_or(0, |(height, _)| *height);
        let mut parents: Vec<MessageId> = heads.into_iter().map(|(_, id)| id).collect();
        parents.sort_unstable();
        (parents, height)
    }

    fn accept(&mut self, id: MessageId) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        if std::mem::replace(&mut entry.accepted, true) {
            return;
        }
        entry.seen_before = std::mem::replace(&mut entry.shown, true);
        if !entry.seen_before && entry.arrival < self.last_arrival {
            // People see it only now, whatever they had read when it came.
            self.last_arrival += 1;
            let before = std::mem::replace(&mut entry.arrival, self.last_arrival);
            if self.arrivals.remove(&before).is_some() {
                self.arrivals.insert(self.last_arrival, id);
            }
        }
        let (height, leaf) = (entry.height, entry.accepted_children == 0);
        let parents = entry.parents.clone();
        self.shared.insert((height, id));
        self.summary.clear();
        if leaf {
            self.heads.insert(id);
        }
        for parent in &parents {
            if let Some(entry) = self.entries.get_mut(parent) {
                entry.accepted_children += 1;
                self.heads.remove(parent);
            }
        }
    }

    /// Marks the parents of a message as acknowledged; returns those that were not.
    fn acknowledge_parents(&mut self, id: MessageId) -> Vec<MessageId> {
        let parents = self.entries.get(&id).map(|e| e.parents.clone()).unwrap_or_default();
        let mut fresh = Vec::new();
        for parent in &parents {
            let Some(entry) = self.entries.get_mut(parent) else { continue };
            if !std::mem::replace(&mut entry.acknowledged, true) {
                self.shared.insert((entry.height, *parent));
                self.summary.clear();
                fresh.push(*parent);
            }
        }
        fresh
    }

    /// Follows the parents of a live author's message down to what is acknowledged already.
    fn acknowledge_ancestors(&mut self, id: MessageId, accepted: &mut Vec<MessageId>) {
        let mut stack = vec![id];
        while let Some(id) = stack.pop() {
            for parent in self.acknowledge_parents(id) {
                let Some(entry) = self.entries.get(&parent) else { continue };
                if !entry.accepted && self.stands(parent, true) {
                    self.accept(parent);
                    accepted.push(parent);
                }
                stack.push(parent);
            }
        }
    }
}
