//! Messages of a room that cannot be judged yet: bounded in number, bytes and time, in all and
//! per peer that brought them.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::GossipToken;
use crate::envelope::Envelope;
use crate::id::{DeviceId, MessageId};
use crate::limits::{
    WAITING_BYTES_PER_PEER_MAX, WAITING_BYTES_PER_ROOM_MAX, WAITING_CONTROL_MS_MAX,
    WAITING_PARENTS_MS_MAX, WAITING_PER_PEER_MAX, WAITING_PER_ROOM_MAX,
};
use crate::signed::Verified;
use crate::sync::Items;
use crate::time::Timestamp;

/// What a message waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WaitFor {
    /// Parents that are not here.
    Parents(Vec<MessageId>),
    /// Control objects, or the `Enter` that would name them.
    Control,
}

/// A message that waits.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// The message.
    pub envelope: Verified<Envelope>,
    /// Who gave it to us.
    pub from: DeviceId,
    /// Since when.
    pub since: Timestamp,
    /// The gossip verdict that is still open, and until when.
    pub verdict: Option<(GossipToken, Timestamp)>,
    /// What for.
    pub wait_for: WaitFor,
    /// Whose share it takes: its author's, if that has access, or that of who gave it to us, for a
    /// key costs nothing to make.
    pub charged: DeviceId,
    /// It belongs to the newest page of a running pull.
    pub newest_page: bool,
    /// It has a row of its own in the store.
    pub stored: bool,
}

/// The waiting messages of a room.
#[derive(Clone, Debug, Default)]
pub struct Held {
    messages: BTreeMap<MessageId, Waiting>,
    /// Missing parent → those that wait for it.
    children: BTreeMap<MessageId, BTreeSet<MessageId>>,
    /// How many each peer brought.
    brought: BTreeMap<DeviceId, usize>,
    /// How many, and how many bytes, are charged to each.
    by_peer: BTreeMap<DeviceId, (usize, usize)>,
    bytes: usize,
    /// Those that have rows in the store: others may ask for them.
    offered: Items,
}

impl Held {
    /// Whether a message waits.
    #[must_use]
    pub fn contains(&self, id: MessageId) -> bool {
        self.messages.contains_key(&id)
    }

    /// Whether a waiting message names this one as a parent.
    #[must_use]
    pub fn wants(&self, id: MessageId) -> bool {
        self.children.contains_key(&id)
    }

    /// One that waits.
    #[must_use]
    pub fn get(&self, id: MessageId) -> Option<&Waiting> {
        self.messages.get(&id)
    }

    /// Notes that a message has a row in the store; false if that was known, or it does not wait.
    pub fn mark_stored(&mut self, id: MessageId) -> bool {
        let Some(waiting) = self.messages.get_mut(&id) else { return false };
        self.offered.insert((waiting.envelope.value().height, id));
        !std::mem::replace(&mut waiting.stored, true)
    }

    /// Those that have rows in the store, in the order of the screen.
    #[must_use]
    pub fn offered(&self) -> &Items {
        &self.offered
    }

    /// Those that wait, by id.
    pub fn iter(&self) -> impl Iterator<Item = (MessageId, &Waiting)> {
        self.messages.iter().map(|(id, waiting)| (*id, waiting))
    }

    /// How many a peer has brought.
    #[must_use]
    pub fn brought_by(&self, peer: DeviceId) -> usize {
        self.brought.get(&peer).copied().unwrap_or(0)
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Holds a message, or gives it back if there is no room.
    ///
    /// # Errors
    /// The message, unchanged.
    pub fn insert(&mut self, waiting: Waiting) -> Result<(), Box<Waiting>> {
        let (held, held_bytes) = self.by_peer.get(&waiting.charged).copied().unwrap_or((0, 0));
        let size = waiting.envelope.bytes().len();
        if self.messages.len() >= WAITING_PER_ROOM_MAX
            || held >= WAITING_PER_PEER_MAX
            || self.bytes + size > WAITING_BYTES_PER_ROOM_MAX
            || held_bytes + size > WAITING_BYTES_PER_PEER_MAX
        {
            return Err(Box::new(waiting));
        }
        self.bytes += size;
        let id = waiting.envelope.id();
        if let WaitFor::Parents(missing) = &waiting.wait_for {
            for parent in missing {
                self.children.entry(*parent).or_default().insert(id);
            }
        }
        self.by_peer.insert(waiting.charged, (held + 1, held_bytes + size));
        *self.brought.entry(waiting.from).or_default() += 1;
        self.messages.insert(id, waiting);
        Ok(())
    }

    /// Takes those that wait for a parent which counts now.
    pub fn take_children(&mut self, parent: MessageId) -> Vec<Waiting> {
        let children = self.children.remove(&parent).unwrap_or_default();
        children.into_iter().filter_map(|id| self.take(id)).collect()
    }

    /// Takes those that wait for control objects.
    pub fn take_for_control(&mut self) -> Vec<Waiting> {
        self.take_where(|w| w.wait_for == WaitFor::Control)
    }

    /// Takes those that wait for control objects and name this `Enter`.
    pub fn take_for_enter(&mut self, enter: MessageId) -> Vec<Waiting> {
        self.take_where(|w| {
            w.wait_for == WaitFor::Control && w.envelope.value().standing == Some(enter)
        })
    }

    /// Takes one that waits for control objects, now that something follows it.
    pub fn take_wanted(&mut self, id: MessageId) -> Option<Waiting> {
        let waits = self.messages.get(&id)?.wait_for == WaitFor::Control;
        if waits { self.take(id) } else { None }
    }

    /// The wall clock was set back.
    pub fn clock_went_back(&mut self, ms: u64) {
        for waiting in self.messages.values_mut() {
            waiting.since = waiting.since.minus_ms(ms);
            if let Some((_, until)) = waiting.verdict.as_mut() {
                *until = until.minus_ms(ms);
            }
        }
    }

    /// Forgets what has waited too long, and gives it back. Verdicts are given long before that.
    pub fn forget_before(&mut self, now: Timestamp) -> Vec<Waiting> {
        let late = |w: &Waiting| {
            let limit = match w.wait_for {
                WaitFor::Parents(_) => WAITING_PARENTS_MS_MAX,
                WaitFor::Control => WAITING_CONTROL_MS_MAX,
            };
            w.verdict.is_none() && now.ms_since(w.since) > limit
        };
        self.take_where(late)
    }

    /// Gives up the verdicts that are due; the messages go on waiting, without one. Returns
    /// each with what it waits for.
    pub fn overdue(&mut self, now: Timestamp) -> Vec<(GossipToken, MessageId, WaitFor)> {
        let mut due = Vec::new();
        for (id, waiting) in &mut self.messages {
            if waiting.verdict.is_some_and(|(_, until)| until <= now)
                && let Some((token, _)) = waiting.verdict.take()
            {
                due.push((token, *id, waiting.wait_for.clone()));
            }
        }
        due
    }

    /// The earliest moment at which a verdict is due.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.messages.values().filter_map(|w| w.verdict.map(|(_, until)| until)).min()
    }

    fn take_where(&mut self, wanted: impl Fn(&Waiting) -> bool) -> Vec<Waiting> {
        let ids: Vec<MessageId> =
            self.messages.iter().filter(|(_, w)| wanted(w)).map(|(id, _)| *id).collect();
        ids.into_iter().filter_map(|id| self.take(id)).collect()
    }

    fn take(&mut self, id: MessageId) -> Option<Waiting> {
        let waiting = self.messages.remove(&id)?;
        self.offered.remove(&(waiting.envelope.value().height, id));
        let size = waiting.envelope.bytes().len();
        self.bytes -= size;
        if let Some(brought) = self.brought.get_mut(&waiting.from) {
            *brought -= 1;
            if *brought == 0 {
                self.brought.remove(&waiting.from);
            }
        }
        if let Some((held, bytes)) = self.by_peer.get_mut(&waiting.charged) {
            *held -= 1;
            *bytes -= size;
            if *held == 0 {
                self.by_peer.remove(&waiting.charged);
            }
        }
        if let WaitFor::Parents(missing) = &waiting.wait_for {
            for parent in missing {
                if let Some(children) = self.children.get_mut(parent) {
                    children.remove(&id);
                    if children.is_empty() {
                        self.children.remove(parent);
                    }
                }
            }
        }
        Some(waiting)
    }
}
