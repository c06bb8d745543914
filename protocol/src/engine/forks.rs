//! Devices that signed two messages at one place of their chain in a room: all of them count, and
//! people are told.

use super::Engine;
use super::io::{Effect, Event, Table};
use super::load::id_at;
use crate::control::ControlLog;
use crate::envelope::Envelope;
use crate::id::{DeviceId, MessageId, ObjectId, RoomId};
use crate::limits::FORK_SEARCH_MAX;
use crate::view::AlarmView;

/// Prefix of proofs in [`Table::State`]; the device follows. The value: room, and one or two
/// messages.
const FORK: &[u8] = b"fork/";

/// A proof that a key is in two hands, or that its owner is not honest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fork {
    room: RoomId,
    messages: Vec<MessageId>,
}

impl Engine {
    /// Whether a device is known to have forked its chain anywhere.
    pub(super) fn has_forked(&self, device: DeviceId) -> bool {
        self.forks.contains_key(&device)
    }

    /// Looks, before a message is added, whether its place in its author's chain is taken. One
    /// proof a device is kept.
    pub(super) fn note_fork(&mut self, room: RoomId, id: MessageId, message: &Envelope) {
        let Some(log) = self.rooms.get(&room).map(|state| &state.log) else { return };
        if self.has_forked(message.device) || !log.uses_place(message.device, message.seq) {
            return;
        }
        let own = |id: &MessageId| log.get(*id).is_some_and(|e| e.device == message.device);
        let mut candidates: Vec<MessageId> = log
            .order()
            .newest_first()
            .map(|(_, id)| id)
            .filter(own)
            .take(FORK_SEARCH_MAX)
            .collect();
        candidates.retain(|id| {
            self.read_message(room, *id).is_some_and(|other| other.value().seq == message.seq)
        });
        // Without the other end there is no proof: it may have been taken back, or be this one.
        let Some(other) = candidates.into_iter().find(|other| *other != id) else { return };
        let messages = vec![other, id];
        let fork = Fork { room, messages };
        let value = [&room.0[..], &fork.messages.iter().flat_map(|id| id.0).collect::<Vec<_>>()];
        self.write(Table::State, [FORK, &message.device.0].concat(), value.concat());
        self.forks.insert(message.device, fork);
        self.count("equivocation");
        self.emit(Effect::Event(Event::Control));
    }

    pub(super) fn load_forks(&mut self) {
        let reader = self.reader.clone();
        let forks = &mut self.forks;
        reader.scan(Table::State, FORK, &mut |key, value| {
            let (Some(device), Some(room)) = (id_at(key, FORK.len()), id_at(value, 0)) else {
                return;
            };
            let messages = [32, 64].into_iter().filter_map(|at| id_at(value, at).map(ObjectId));
            let fork = Fork { room: RoomId(room), messages: messages.collect() };
            forks.insert(DeviceId(device), fork);
        });
    }

    /// The forks that concern this agent: of devices that still have access somewhere, in rooms
    /// that it may read.
    pub(super) fn fork_alarms(&self, control: &ControlLog) -> Vec<AlarmView> {
        let concerns = |device: &DeviceId, fork: &Fork| {
            control.access().agent_of(*device).is_some()
                && self.me().is_some_and(|me| control.access().has_access(me, fork.room))
        };
        let forks = self.forks.iter().filter(|(device, fork)| concerns(device, fork));
        forks
            .map(|(device, fork)| AlarmView {
                kind: "equivocation",
                message: format!(
                    "{} signed two messages at one place of its chain in {}: its key may be in two \
                     hands. Ask its owner; if the laptop was copied or stolen, revoke it with \
                     `conclave agent revoke NAME --device {device}`",
                    self.device_words(control, *device),
                    control.describe(fork.room.into()),
                ),
                objects: fork.messages.clone(),
            })
            .collect()
    }
}
