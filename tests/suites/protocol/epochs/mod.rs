//! Who can read a room: property P10 and cases 22 (its part of keys) and 23, by name. The
//! simulated world's checker keeps every key that any device ever got, see
//! `conclave_tests::world::checker`.

mod losses;
mod readers;
mod rekeying;

use conclave_protocol::engine::{Command, Outcome};
use conclave_protocol::id::{MessageId, RoomId};
use conclave_protocol::limits::EPOCH_KEYS_ASKED_MAX;
use conclave_protocol::object::HistoryPolicy;
use conclave_protocol::sync::{Request, Response};
use conclave_tests::forge;
use conclave_tests::world::{NodeId, World};

/// The epochs of a room that a node holds, by height.
fn epochs(w: &World, id: NodeId, room: RoomId) -> Vec<MessageId> {
    let held = forge::all_stored(w, id, room);
    held.iter().filter(|m| m.value().epoch_start().is_some()).map(|m| m.id()).collect()
}

/// The epoch of a text.
fn epoch_of(w: &World, id: NodeId, message: MessageId) -> MessageId {
    forge::stored(w, id, message).and_then(|m| m.value().epoch).expect("a text of an epoch")
}

/// Asks a node for keys as a device that it may not even be connected with.
fn ask(w: &mut World, at: NodeId, by: NodeId, room: RoomId, epochs: &[MessageId]) -> Option<usize> {
    let device = w.node(by).device();
    match w.ask_as(at, device, &Request::EpochKeys { room, epochs: epochs.to_vec() }) {
        Response::EpochKeys { keys } => Some(keys.len()),
        _ => None,
    }
}

/// A node that lost access asks all others for all keys, and keeps what it gets.
fn asks_everybody(w: &mut World, by: NodeId, room: RoomId) {
    for id in w.ids().filter(|id| w.is_up(*id) && *id != by).collect::<Vec<_>>() {
        for some in epochs(w, id, room).chunks(EPOCH_KEYS_ASKED_MAX) {
            ask(w, id, by, room, some);
        }
    }
}

fn room_with(w: &mut World, by: NodeId, history: HistoryPolicy, permits: &[&str]) -> RoomId {
    let permits = permits.iter().map(ToString::to_string).collect();
    match w.must(by, Command::NewRoom { name: "den".into(), permits, history }) {
        Outcome::Room(view, _) => view.room.id,
        other => panic!("unexpected {other:?}"),
    }
}

/// Everything that the checker knows by now.
fn kept(w: &World) -> u64 {
    w.counted("texts kept from devices with other keys")
}
