//! The side that serves: what a peer may have, checked at every request.

use super::Engine;
use super::io::{Effect, GossipVerdict, ResponseToken};
use super::messages::Origin;
use crate::id::{DeviceId, ObjectId, RoomId};
use crate::limits::{OBJECTS_FRAME_BYTES_MAX, STRANGER_FRAME_BYTES_MAX, SUMMARY_ROOMS_MAX};
use crate::sync::{Blob, Request, Response, Scope, answer_list, answer_newest, answer_ranges};

impl Engine {
    /// Answers a request, exactly once.
    pub(super) fn serve(&mut self, peer: DeviceId, token: ResponseToken, frame: &[u8]) {
        // A stranger has nothing long to say, and is not worth decoding it.
        let known = self.is_member(peer) || self.introduced.contains_key(&peer);
        let fits = frame.len() <= STRANGER_FRAME_BYTES_MAX || known;
        let response = match Request::decode(if fits { frame } else { &[] }) {
            Ok(request) => self.answer(peer, request),
            Err(_) => {
                self.count("malformed");
                Response::Refused
            }
        };
        self.emit(Effect::Respond { token, frame: response.encode() });
    }

    fn answer(&mut self, peer: DeviceId, request: Request) -> Response {
        if request.is_join() {
            return self.answer_join(peer, request);
        }
        if let Request::Introduce { objects } = &request
            && !self.is_member(peer)
        {
            return self.answer_introduction(peer, objects);
        }
        if self.introduced.contains_key(&peer) && !self.is_member(peer) {
            return self.answer_introduced(peer, request);
        }
        if !self.is_member(peer) {
            self.count("unknown_peer");
            return Response::Refused;
        }
        match request {
            Request::Summary => self.answer_summary(peer),
            Request::Ranges { scope, lower, upper } => match self.servable(peer, scope) {
                Some(items) => answer_ranges(items, lower, upper),
                None => Response::Refused,
            },
            Request::List { scope, lower, upper } => match self.servable(peer, scope) {
                Some(items) => answer_list(items, lower, upper),
                None => Response::Refused,
            },
            Request::Newest { scope } => match self.servable(peer, scope) {
                Some(items) => answer_newest(items),
                None => Response::Refused,
            },
            Request::Heads { room } => self.answer_heads(peer, room),
            Request::Get { scope, ids } => match self.servable(peer, scope) {
                Some(_) => self.answer_get(scope, &ids),
                None => Response::Refused,
            },
            Request::Push { scope, objects } => self.take_push(peer, scope, &objects),
            Request::Addresses { records } => {
                for record in &records {
                    self.take_address_record(Some(peer), &record.0);
                }
                Response::Ack
            }
            Request::Reports { records } => {
                for record in &records {
                    self.take_report(&record.0);
                }
                Response::Ack
            }
            Request::Presence { beacons } => {
                for beacon in &beacons {
                    // Nobody keeps a forged one: whoever brings it is not worth more checks.
                    let taken = self.take_beacon(&beacon.bytes.0, Some(beacon.age));
                    if taken == GossipVerdict::Reject {
                        break;
                    }
                }
                self.beacons_came(peer);
                Response::Ack
            }
            Request::Instants { from } => self.answer_instants(peer, from),
            Request::Instant { agents, objects } => self.take_instant(peer, agents, &objects),
            Request::Confirmed { device } => self.take_confirmed(peer, *device),
            Request::EpochKeys { room, epochs } => self.give_keys(peer, room, &epochs),
            // It is in the log already.
            Request::Introduce { .. } => Response::Ack,
            Request::Held { room, ids } => {
                // Also from or to someone who has lost access meanwhile: what is held is held.
                if self.standing_of(peer, room).proved() {
                    self.note_held(peer, room, &ids);
                    for id in ids {
                        self.held_elsewhere(room, id);
                    }
                }
                Response::Ack
            }
            Request::JoinHello { .. }
            | Request::JoinReveal { .. }
            | Request::JoinPoll
            | Request::JoinSign { .. } => Response::Refused,
        }
    }

    /// A device that has introduced itself may reconcile the control log, and nothing else.
    fn answer_introduced(&mut self, peer: DeviceId, request: Request) -> Response {
        match request {
            Request::Summary => match self.control_summary() {
                Some(control) => {
                    Response::Summary { control, rooms: Vec::new(), waiting: Vec::new() }
                }
                None => Response::Refused,
            },
            Request::Ranges { scope: Scope::Control, lower, upper } => {
                match self.items(Scope::Control) {
                    Some(items) => answer_ranges(items, lower, upper),
                    None => Response::Refused,
                }
            }
            Request::List { scope: Scope::Control, lower, upper } => {
                match self.items(Scope::Control) {
                    Some(items) => answer_list(items, lower, upper),
                    None => Response::Refused,
                }
            }
            Request::Get { scope: Scope::Control, ids } => self.answer_get(Scope::Control, &ids),
            Request::Push { scope: Scope::Control, objects } => {
                self.take_push(peer, Scope::Control, &objects)
            }
            _ => {
                self.count("unknown_peer");
                Response::Refused
            }
        }
    }

    /// A set, if this peer may read it.
    fn servable(&self, peer: DeviceId, scope: Scope) -> Option<&crate::sync::Items> {
        match scope {
            Scope::Control => {}
            Scope::Room(room) | Scope::Waiting(room)
                if self.shares_room(peer, room) && !self.instants.is_hidden_from(peer, room) => {}
            Scope::Room(_) | Scope::Waiting(_) => return None,
        }
        self.items(scope)
    }

    fn answer_summary(&self, peer: DeviceId) -> Response {
        let Some(control) = self.control_summary() else {
            return Response::Refused;
        };
        let shared: Vec<RoomId> = self
            .topics
            .values()
            .copied()
            .filter(|room| !self.instants.is_kept(*room) && self.shares_room(peer, *room))
            .take(SUMMARY_ROOMS_MAX)
            .collect();
        let rooms = shared.iter().filter_map(|room| self.room_summary(*room)).collect();
        let waiting = shared.iter().filter_map(|room| self.waiting_summary(*room));
        let waiting = waiting.filter(|summary| summary.count > 0).collect();
        Response::Summary { control, rooms, waiting }
    }

    fn answer_get(&self, scope: Scope, ids: &[ObjectId]) -> Response {
        let mut objects = Vec::new();
        let mut size = 0;
        let mut done = 0;
        for id in ids {
            if let Some(bytes) = self.object_bytes(scope, *id) {
                if size + bytes.len() > OBJECTS_FRAME_BYTES_MAX {
                    break;
                }
                size += bytes.len();
                objects.push(Blob(bytes));
            }
            done += 1;
        }
        Response::Objects { objects, done }
    }

    fn object_bytes(&self, scope: Scope, id: ObjectId) -> Option<Vec<u8>> {
        match scope {
            Scope::Control => self.control.as_ref()?.bytes(id).map(<[u8]>::to_vec),
            // Read through the hash check: damaged bytes are never passed on.
            Scope::Room(room) | Scope::Waiting(room) => {
                if let Some(waiting) = self.rooms.get(&room)?.log.held.get(id) {
                    // What has no row yet could be lost, and the asker with nothing.
                    return waiting.stored.then(|| waiting.envelope.bytes().to_vec());
                }
                self.read_message(room, id).map(|message| message.bytes().to_vec())
            }
        }
    }

    fn take_push(&mut self, peer: DeviceId, scope: Scope, objects: &[Blob]) -> Response {
        match scope {
            Scope::Control => {
                let taken = self.take_control_objects(objects.iter().map(|b| b.0.as_slice()), None);
                if taken.parked {
                    self.want(peer, Scope::Control);
                }
            }
            Scope::Room(room)
                if self.shares_room(peer, room) && !self.instants.is_hidden_from(peer, room) =>
            {
                self.take_pushed_messages(peer, room, objects);
            }
            Scope::Room(_) | Scope::Waiting(_) => {
                for _ in objects {
                    self.count("no_membership");
                }
                return Response::Refused;
            }
        }
        Response::Ack
    }

    pub(super) fn take_pushed_messages(&mut self, peer: DeviceId, room: RoomId, objects: &[Blob]) {
        let origin = Origin::Sync { peer, since: self.now, newest_page: false };
        for object in objects {
            self.take_message(room, &object.0, origin);
        }
    }
}
