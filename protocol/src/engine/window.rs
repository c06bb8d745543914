//! How far a device may be ahead of those who read it.
//!
//! Gossip loses messages under overload, so whoever posts many is made to wait: at most
//! [`SEND_WINDOW`] messages of ours may lack the receipt of a reader that is in the room's topic.
//! A reader counts while it makes progress. One that has said nothing for [`SEND_PATIENCE_MS`]
//! does not, until it does again: posting works without anybody there, and nobody can stop it.
//! What such a reader misses it gets by reconciliation.

use std::collections::{BTreeMap, VecDeque};

use super::Engine;
use super::command::Command;
use crate::id::{DeviceId, MessageId, RoomId, Topic};
use crate::limits::{SEND_PATIENCE_MS, SEND_WINDOW};
use crate::sync::{Blob, Request, Scope};
use crate::time::Timestamp;

/// Messages of ours whose receipts are told apart, for each room. Beyond this a reader is so far
/// behind that its receipts do not matter.
const NUMBERED_MAX: usize = 4096;

/// The windows of all rooms in which something was posted since the start.
#[derive(Debug, Default)]
pub(super) struct Windows(BTreeMap<RoomId, Window>);

impl Windows {
    /// The wall clock was set back.
    pub(super) fn clock_went_back(&mut self, ms: u64) {
        for reader in self.0.values_mut().flat_map(|window| window.readers.values_mut()) {
            reader.since = reader.since.minus_ms(ms);
        }
    }
}

#[derive(Debug, Default)]
struct Window {
    /// How many messages were posted since the start.
    posted: u64,
    numbers: BTreeMap<MessageId, u64>,
    order: VecDeque<MessageId>,
    readers: BTreeMap<DeviceId, Reader>,
}

/// How far a reader has come.
#[derive(Clone, Copy, Debug)]
struct Reader {
    held: u64,
    /// When it last had everything, or made progress.
    since: Timestamp,
}

impl Window {
    fn post(&mut self, id: MessageId, present: impl Iterator<Item = DeviceId>, now: Timestamp) {
        let before = self.posted;
        self.posted += 1;
        self.numbers.insert(id, self.posted);
        self.order.push_back(id);
        if self.order.len() > NUMBERED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.numbers.remove(&oldest);
        }
        let mut readers = BTreeMap::new();
        for device in present {
            let known = self.readers.get(&device).filter(|reader| reader.held < before);
            let fresh = Reader { held: before, since: now };
            readers.insert(device, known.copied().unwrap_or(fresh));
        }
        self.readers = readers;
    }

    fn held(&mut self, by: DeviceId, ids: &[MessageId], now: Timestamp) {
        let newest = ids.iter().filter_map(|id| self.numbers.get(id)).max();
        if let (Some(newest), Some(reader)) = (newest, self.readers.get_mut(&by))
            && *newest > reader.held
        {
            *reader = Reader { held: *newest, since: now };
        }
    }

    fn is_full(&self, now: Timestamp) -> bool {
        self.readers.values().any(|reader| {
            self.posted - reader.held >= SEND_WINDOW
                && now.ms_since(reader.since) < SEND_PATIENCE_MS
        })
    }
}

impl Engine {
    /// Whether a command has to wait because the readers of its room cannot keep up. Ask again
    /// after the next input; wait no longer than [`crate::limits::SEND_WAIT_MS_MAX`].
    #[must_use]
    pub fn must_wait(&self, command: &Command, now: Timestamp) -> bool {
        let Command::Send { room, .. } = command else { return false };
        // Looked up by name only if there is a window that could be full.
        self.windows.0.values().any(|window| window.is_full(now))
            && self
                .find_conversation(room)
                .is_ok_and(|room| self.windows.0.get(&room).is_some_and(|w| w.is_full(now)))
    }

    /// Gossip to a peer was lost. It is shown the heads of the rooms that it is present in, so that
    /// it sees what it lacks and fetches it; and as the link is bad, we look for what we lack.
    pub(super) fn fell_behind(&mut self, peer: DeviceId) {
        self.count("gossip_lost");
        if !self.is_member(peer) {
            return;
        }
        self.summarize(peer);
        let present = |topic: &Topic| self.in_topic.get(topic).is_some_and(|p| p.contains(&peer));
        let rooms: Vec<RoomId> = self
            .topics
            .iter()
            .filter(|(topic, room)| present(topic) && self.shares_room(peer, **room))
            .map(|(_, room)| *room)
            .collect();
        for room in rooms {
            let Some(state) = self.rooms.get(&room) else { continue };
            let (heads, _) = state.log.parents();
            let objects: Vec<Blob> = heads
                .into_iter()
                .filter_map(|id| self.stored_message(room, id))
                .map(Blob)
                .collect();
            if !objects.is_empty() {
                self.ask(peer, Request::Push { scope: Scope::Room(room), objects });
            }
        }
    }

    /// Takes note of a message of ours that is about to be published.
    pub(super) fn note_posted(&mut self, room: RoomId, topic: Topic, id: MessageId) {
        let present = self.in_topic.get(&topic).into_iter().flatten().copied();
        self.windows.0.entry(room).or_default().post(id, present, self.now);
    }

    /// Takes note of what a reader says it holds.
    pub(super) fn note_held(&mut self, by: DeviceId, room: RoomId, ids: &[MessageId]) {
        if let Some(window) = self.windows.0.get_mut(&room) {
            window.held(by, ids, self.now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ObjectId;

    const READER: DeviceId = DeviceId([1; 32]);
    const OTHER: DeviceId = DeviceId([2; 32]);

    fn id(n: u64) -> MessageId {
        ObjectId(*blake3::hash(&n.to_be_bytes()).as_bytes())
    }

    fn posted(window: &mut Window, range: std::ops::Range<u64>, readers: &[DeviceId], now: u64) {
        for n in range {
            window.post(id(n), readers.iter().copied(), Timestamp(now));
        }
    }

    #[test]
    fn a_reader_that_falls_behind_closes_the_window_and_opens_it_again() {
        let mut window = Window::default();
        posted(&mut window, 0..SEND_WINDOW - 1, &[READER, OTHER], 0);
        assert!(!window.is_full(Timestamp(0)));
        posted(&mut window, SEND_WINDOW - 1..SEND_WINDOW, &[READER, OTHER], 0);
        assert!(window.is_full(Timestamp(0)));
        window.held(READER, &[id(0), id(100)], Timestamp(10));
        assert!(window.is_full(Timestamp(10)), "the other one has nothing yet");
        window.held(OTHER, &[id(50)], Timestamp(10));
        assert!(!window.is_full(Timestamp(10)));
    }

    #[test]
    fn who_says_nothing_or_has_gone_is_not_waited_for() {
        let mut window = Window::default();
        posted(&mut window, 0..SEND_WINDOW, &[READER], 0);
        assert!(window.is_full(Timestamp(SEND_PATIENCE_MS - 1)));
        assert!(!window.is_full(Timestamp(SEND_PATIENCE_MS)));
        // It is back: its progress counts again.
        window.held(READER, &[id(0)], Timestamp(5_000));
        posted(&mut window, SEND_WINDOW..SEND_WINDOW + 1, &[READER], 5_000);
        assert!(window.is_full(Timestamp(5_000)));
        posted(&mut window, SEND_WINDOW + 1..SEND_WINDOW + 2, &[], 5_000);
        assert!(!window.is_full(Timestamp(5_000)), "nobody is there");
    }

    #[test]
    fn a_clock_that_is_set_back_makes_nobody_wait_longer() {
        let mut windows = Windows::default();
        let room = RoomId([3; 32]);
        posted(windows.0.entry(room).or_default(), 0..SEND_WINDOW, &[READER], 3_600_000);
        windows.clock_went_back(3_600_000);
        let is_full = |now| windows.0[&room].is_full(Timestamp(now));
        assert!(is_full(SEND_PATIENCE_MS - 1) && !is_full(SEND_PATIENCE_MS));
    }

    #[test]
    fn memory_is_bounded_whatever_is_posted() {
        let mut window = Window::default();
        posted(&mut window, 0..NUMBERED_MAX as u64 + 10, &[READER], 0);
        assert_eq!((window.numbers.len(), window.order.len()), (NUMBERED_MAX, NUMBERED_MAX));
        assert_eq!(window.readers.len(), 1);
    }
}
