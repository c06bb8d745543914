//! Messages whose rows in the store turn out to be damaged: their place in the log stays, and
//! their bytes are fetched again.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::Engine;
use super::io::{GossipVerdict, Table};
use super::load::{id_at, number_at};
use super::messages::Origin;
use crate::envelope::Envelope;
use crate::id::{DeviceId, MessageId, RoomId};
use crate::signed::{Trust, Verified};

/// Messages that are held without their bytes. Reading finds them, and reading changes nothing
/// else, so they are noted behind a shared reference.
#[derive(Debug, Default)]
pub(super) struct Damaged(RefCell<BTreeSet<(RoomId, MessageId)>>);

impl Damaged {
    fn note(&self, room: RoomId, id: MessageId) {
        self.0.borrow_mut().insert((room, id));
    }

    fn has(&self, room: RoomId, id: MessageId) -> bool {
        self.0.borrow().contains(&(room, id))
    }

    fn forget(&self, room: RoomId, id: MessageId) {
        self.0.borrow_mut().remove(&(room, id));
    }

    fn by_room(&self) -> BTreeMap<RoomId, Vec<MessageId>> {
        let mut rooms: BTreeMap<RoomId, Vec<MessageId>> = BTreeMap::new();
        for (room, id) in self.0.borrow().iter() {
            rooms.entry(*room).or_default().push(*id);
        }
        rooms
    }
}

impl Engine {
    /// A message that is held, its hash checked on reading. If its row is damaged it is fetched
    /// again.
    pub(super) fn read_message(&self, room: RoomId, id: MessageId) -> Option<Verified<Envelope>> {
        self.rooms.get(&room)?.log.get(id)?;
        let bytes = self.stored_message(room, id);
        let company = self.company()?;
        let message = bytes.and_then(|bytes| {
            Verified::<Envelope>::envelope(&bytes, company, Trust::StoredAs(id)).ok()
        });
        if message.is_none() {
            self.damaged.note(room, id);
        }
        message
    }

    /// Whether the bytes of a message that is held are known to be lost.
    pub(super) fn is_damaged(&self, room: RoomId, id: MessageId) -> bool {
        self.damaged.has(room, id)
    }

    /// Asks connected members for what was found damaged.
    pub(super) fn repair_damaged(&mut self) {
        for (table, key) in self.reader.take_damaged() {
            let place = (table == Table::Messages)
                .then(|| Some((RoomId(id_at(&key, 0)?), number_at(&key, 32)?)));
            let Some((room, arrival)) = place.flatten() else { continue };
            if let Some(id) = self.rooms.get(&room).and_then(|state| state.log.at_arrival(arrival))
            {
                self.damaged.note(room, id);
            }
        }
        for (room, ids) in self.damaged.by_room() {
            let mut peers = self.connected_members();
            peers.retain(|peer| self.shares_room(*peer, room));
            let choice = self.entropy.below(peers.len() as u64);
            let chosen = usize::try_from(choice).ok().and_then(|n| peers.get(n).copied());
            if let Some(peer) = chosen {
                self.want_messages(peer, room, ids);
            }
        }
    }

    /// Asks a member for what was found damaged.
    pub(super) fn repair_from(&mut self, peer: DeviceId) {
        for (room, ids) in self.damaged.by_room() {
            if self.shares_room(peer, room) {
                self.want_messages(peer, room, ids);
            }
        }
    }

    /// The bytes of a message came again whose row is damaged; they are checked as a stranger's.
    pub(super) fn mend(&mut self, room: RoomId, bytes: &[u8], origin: Origin) {
        let Some(company) = self.company() else { return };
        let envelope = match Verified::<Envelope>::envelope(bytes, company, Trust::Nothing) {
            Ok(envelope) if envelope.value().room == room => envelope,
            _ => return self.refuse(origin, GossipVerdict::Reject, "bad_signature"),
        };
        let id = envelope.id();
        let entry = self.rooms.get(&room).and_then(|state| state.log.get(id));
        if let Some(entry) = entry {
            self.write_message(room, entry.arrival, &envelope);
            self.damaged.forget(room, id);
            self.show_state(room, id);
        }
        self.refuse(origin, GossipVerdict::Ignore, "mended");
    }
}
