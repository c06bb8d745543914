//! The side that pulls: what is asked of which peer, and what is made of the answers.

use std::collections::{BTreeMap, BTreeSet};

use super::Engine;
use super::io::{Effect, RequestId};
use crate::id::{DeviceId, MessageId, ObjectId, RoomId, Topic};
use crate::limits::{ADDRESS_RECORDS_FRAME_MAX, OBJECTS_FRAME_BYTES_MAX};
use crate::sync::{Blob, Items, Pull, Request, Response, RoomSummary, Scope};
use crate::time::Timestamp;

/// Receipts are gathered this long, in ms, so that a burst costs one frame.
const RECEIPT_DELAY_MS: u64 = 50;
/// So many are sent without delay: whoever posts fast waits for them.
const RECEIPTS_AT_ONCE: usize = 128;

/// A connected peer.
#[derive(Debug, Default)]
pub(super) struct Peer {
    /// A summary is under way, and whether another is due after it.
    summary: Option<bool>,
    /// The pull under way; one at a time, so that control comes before rooms.
    pub(super) pull: Option<Pull>,
    /// The pull waits until others have brought what comes before.
    pub(super) rests: bool,
    pub(super) todo: BTreeSet<Scope>,
    pub(super) wanted: BTreeMap<RoomId, BTreeSet<MessageId>>,
    /// Sets of which something was left to other peers' pulls.
    pub(super) again: BTreeSet<Scope>,
    /// How many items the peer says it has of a set.
    pub(super) expected: BTreeMap<Scope, u64>,
    /// In which round the slow timer last chose it, from 1; 0: never. No time: clocks are set back.
    reconciled: u64,
    /// It was compared with once more because of what waited there.
    pub(super) looked_again: bool,
    /// An answer of the peer made no sense.
    pub(super) penalty_until: Option<Timestamp>,
    /// Digest of the control log of which revocations were last pushed to it.
    pub(super) told: Option<ObjectId>,
    /// A pull from it brought void objects that nothing refers to.
    pub(super) brought_idle: bool,
    /// Our beacons on connecting.
    pub(super) beacons: super::presence::Exchange,
    /// We have introduced ourselves to it.
    pub(super) introduced_to: bool,
}

/// What a request of ours was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Summary(DeviceId),
    Introduction(DeviceId),
    Pull(DeviceId),
    Instants(DeviceId),
    Heads(DeviceId, RoomId),
    JoinHello(DeviceId),
    JoinReveal(DeviceId),
    JoinPoll(DeviceId),
    Approval,
    /// An admin was told of a device that we have confirmed.
    Confirmed(DeviceId),
    Beacons(DeviceId),
    Keys(DeviceId, RoomId),
    /// Nothing is asked of it: that it answers says that our last word has arrived.
    Goodbye(DeviceId),
    /// The answer does not matter.
    Nothing,
}

impl Asked {
    /// Whose connection the answer belongs to, if that matters.
    fn peer(self) -> Option<DeviceId> {
        match self {
            Self::Summary(peer)
            | Self::Introduction(peer)
            | Self::Pull(peer)
            | Self::Instants(peer)
            | Self::Heads(peer, _)
            | Self::JoinHello(peer)
            | Self::JoinReveal(peer)
            | Self::JoinPoll(peer)
            | Self::Beacons(peer)
            | Self::Keys(peer, _)
            | Self::Goodbye(peer) => Some(peer),
            Self::Approval | Self::Confirmed(_) | Self::Nothing => None,
        }
    }
}

impl Engine {
    pub(super) fn connected(&mut self, peer: DeviceId) {
        self.peers.insert(peer, Peer::default());
        self.link_found(peer);
        if self.is_member(peer) {
            self.greet_member(peer);
        }
        self.repair_membership(peer);
        self.join_tick();
    }

    pub(super) fn disconnected(&mut self, peer: DeviceId) {
        self.introduced.remove(&peer);
        let pull = self.peers.remove(&peer).and_then(|state| state.pull);
        if let Some(pull) = pull {
            self.pull_ended(peer, pull.scope(), false);
        }
        // What it had brought may have waited for a pull that was still to come.
        let answered_for =
            |state: &super::Room| state.unacknowledged.values().any(|peers| peers.contains(&peer));
        let rooms = self.rooms.iter().filter(|(_, state)| answered_for(state));
        let rooms: Vec<RoomId> = rooms.map(|(room, _)| *room).collect();
        for room in rooms {
            self.drop_unacknowledged(room, peer);
        }
        // Their answers would be taken for those of the next connection.
        let gone = self.requests.extract_if(.., |_, asked| asked.peer() == Some(peer));
        let heads: Vec<(RequestId, RoomId)> = gone
            .filter_map(|(request, asked)| match asked {
                Asked::Heads(_, room) => Some((request, room)),
                _ => None,
            })
            .collect();
        for (request, room) in heads {
            self.heads_answered(request, peer, room, None);
        }
        self.nobody_to_answer(peer);
        self.in_topic.retain(|_, peers| {
            peers.remove(&peer);
            !peers.is_empty()
        });
        self.link_lost(peer);
        self.instants_of_gone(peer);
    }

    pub(super) fn topic_peer(&mut self, peer: DeviceId, topic: Topic, joined: bool) {
        let peers = self.in_topic.entry(topic).or_default();
        if joined {
            peers.insert(peer);
        } else {
            peers.remove(&peer);
        }
        let hears_us = peers.len();
        if peers.is_empty() {
            self.in_topic.remove(&topic);
        }
        if joined {
            self.neighbour_listens(topic, hears_us);
        }
    }

    /// A damaged store may have lost the way from the company to our own certificate. The
    /// company's id is known, so whoever has the log can give it back to us.
    fn repair_membership(&mut self, peer: DeviceId) {
        if !self.member && self.control.is_some() {
            self.want(peer, Scope::Control);
        }
    }

    /// What a member gets on connecting: addresses, and a comparison of everything.
    pub(super) fn greet_member(&mut self, peer: DeviceId) {
        let records: Vec<Blob> =
            self.addresses.values().map(|known| Blob(known.bytes.clone())).collect();
        // By count and by bytes: records differ in size.
        let mut chunk: Vec<Blob> = Vec::new();
        let mut bytes = 0;
        for record in records {
            let full = chunk.len() >= ADDRESS_RECORDS_FRAME_MAX
                || bytes + record.0.len() > OBJECTS_FRAME_BYTES_MAX;
            if full {
                let records = std::mem::take(&mut chunk);
                self.ask(peer, Request::Addresses { records });
                bytes = 0;
            }
            bytes += record.0.len();
            chunk.push(record);
        }
        if !chunk.is_empty() {
            self.ask(peer, Request::Addresses { records: chunk });
        }
        self.send_reports(peer);
        self.send_beacons(peer);
        self.tell_confirmed(peer);
        self.summarize(peer);
        self.repair_from(peer);
        self.ask_again_for_keys(peer);
    }

    pub(super) fn reconcile_with_someone(&mut self) {
        let connected: Vec<DeviceId> = self.peers.keys().copied().collect();
        for peer in connected {
            self.repair_membership(peer);
        }
        // At random among those with whom it is longest ago, so that everybody's turn comes.
        let mut members = self.connected_members();
        let turn = |peer: &DeviceId| self.peers.get(peer).map_or(0, |state| state.reconciled);
        let longest_ago = members.iter().map(turn).min();
        members.retain(|peer| Some(turn(peer)) == longest_ago);
        let choice = self.entropy.below(members.len() as u64);
        let chosen = usize::try_from(choice).ok().and_then(|n| members.get(n).copied());
        if let Some(peer) = chosen {
            self.reconcile_round += 1;
            if let Some(state) = self.peers.get_mut(&peer) {
                state.reconciled = self.reconcile_round;
                state.looked_again = false;
            }
            self.repeat_report(peer);
            self.ask_again_for_keys(peer);
            self.summarize(peer);
        }
    }

    /// Compares everything with a peer.
    pub(super) fn summarize(&mut self, peer: DeviceId) {
        let Some(state) = self.peers.get_mut(&peer) else { return };
        if let Some(again) = state.summary.as_mut() {
            *again = true;
            return;
        }
        state.summary = Some(false);
        self.send(peer, Asked::Summary(peer), &Request::Summary);
        self.ask_for_instants(peer);
    }

    /// Sends a request whose answer does not matter.
    pub(super) fn ask(&mut self, peer: DeviceId, request: Request) {
        if self.peers.contains_key(&peer) {
            self.send(peer, Asked::Nothing, &request);
        }
    }

    pub(super) fn send(&mut self, peer: DeviceId, asked: Asked, request: &Request) -> RequestId {
        self.last_request += 1;
        let id = RequestId(self.last_request);
        self.requests.insert(id, asked);
        self.emit(Effect::Send { peer, request: id, frame: request.encode() });
        id
    }

    /// An answer came, or will not come.
    pub(super) fn response(&mut self, request: RequestId, frame: Option<&[u8]>) {
        let Some(asked) = self.requests.remove(&request) else { return };
        let response = frame.and_then(|frame| match Response::decode(frame) {
            Ok(response) => Some(response),
            Err(_) => {
                self.count("malformed");
                None
            }
        });
        match asked {
            Asked::Nothing | Asked::Goodbye(_) => {}
            Asked::Keys(peer, room) => self.keys_answered(peer, room, response),
            Asked::Beacons(peer) => self.beacons_answered(peer, response),
            Asked::Summary(peer) => self.summary_answered(peer, response),
            Asked::Introduction(peer) => self.introduced(peer, response),
            Asked::Pull(peer) => self.pull_answered(peer, response),
            Asked::Instants(peer) => self.instants_answered(peer, response),
            Asked::Heads(peer, room) => self.heads_answered(request, peer, room, response),
            Asked::JoinHello(peer) => self.join_offered(peer, response),
            Asked::JoinReveal(peer) | Asked::JoinPoll(peer) => self.join_answered(peer, response),
            Asked::Confirmed(device) => self.confirmed_answered(device, response),
            Asked::Approval => self.approval_answered(request, response),
        }
    }

    fn summary_answered(&mut self, peer: DeviceId, response: Option<Response>) {
        let Some(state) = self.peers.get_mut(&peer) else { return };
        let again = state.summary.take().unwrap_or(false);
        if matches!(response, Some(Response::Refused)) && self.is_member(peer) {
            self.introduce_ourselves(peer);
        }
        if let Some(Response::Summary { control, rooms, waiting }) = response {
            self.expect(peer, Scope::Control, control.count);
            if self.control_summary().is_some_and(|ours| differs(&ours, &control)) {
                self.want(peer, Scope::Control);
            } else {
                self.control_compared = true;
            }
            for theirs in rooms {
                self.compare_with(peer, theirs);
            }
            for theirs in waiting {
                self.compare_waiting(peer, theirs);
            }
        }
        if again {
            self.summarize(peer);
        }
    }

    /// Compares what a peer says it has of a room with what is here.
    pub(super) fn compare_with(&mut self, peer: DeviceId, theirs: RoomSummary) {
        if !self.shares_room(peer, theirs.room) {
            return;
        }
        let Some(ours) = self.room_summary(theirs.room) else { return };
        self.expect(peer, Scope::Room(theirs.room), theirs.count);
        if differs(&ours, &theirs) {
            self.want(peer, Scope::Room(theirs.room));
        } else if let Some(room) = self.rooms.get_mut(&theirs.room) {
            room.compared = true;
            if ours == theirs {
                // The receipts of some may have been lost with a connection.
                for id in room.log.pending() {
                    self.held_elsewhere(theirs.room, id);
                }
                self.hide_newest_pages(theirs.room);
            }
        }
    }

    /// As [`Engine::compare_with`], for what waits there.
    pub(super) fn compare_waiting(&mut self, peer: DeviceId, theirs: RoomSummary) {
        let ours = self.waiting_summary(theirs.room);
        if self.shares_room(peer, theirs.room) && ours.is_some_and(|ours| differs(&ours, &theirs)) {
            self.want(peer, Scope::Waiting(theirs.room));
        }
    }

    fn expect(&mut self, peer: DeviceId, scope: Scope, count: u64) {
        if let Some(state) = self.peers.get_mut(&peer) {
            state.expected.insert(scope, count);
        }
    }

    /// What is held of a set, in its order.
    pub(super) fn items(&self, scope: Scope) -> Option<&Items> {
        match scope {
            Scope::Control => self.control.as_ref().map(crate::control::ControlLog::order),
            Scope::Room(room) => self.rooms.get(&room).map(|room| room.log.shared()),
            Scope::Waiting(room) => self.rooms.get(&room).map(|room| room.log.held.offered()),
        }
    }

    pub(super) fn control_summary(&self) -> Option<RoomSummary> {
        let (count, fingerprint) = self.control.as_ref()?.summary();
        Some(RoomSummary { room: RoomId::default(), count, fingerprint })
    }

    pub(super) fn room_summary(&self, room: RoomId) -> Option<RoomSummary> {
        let (count, fingerprint) = self.rooms.get(&room)?.log.summary();
        Some(RoomSummary { room, count, fingerprint })
    }

    pub(super) fn waiting_summary(&self, room: RoomId) -> Option<RoomSummary> {
        let (count, fingerprint) = self.rooms.get(&room)?.log.held.offered().summary();
        Some(RoomSummary { room, count, fingerprint })
    }

    /// Notes that the author of a message should hear that it is held here.
    pub(super) fn owe_receipt(&mut self, author: DeviceId, room: RoomId, id: MessageId) {
        if !self.peers.contains_key(&author) || !self.is_member(author) {
            return;
        }
        let ids = self.receipts.entry(author).or_default().entry(room).or_default();
        ids.push(id);
        let full = ids.len() >= RECEIPTS_AT_ONCE;
        if full {
            self.receipts_at = Some(self.now);
            self.send_receipts_if_due();
        } else if self.receipts_at.is_none() {
            self.receipts_at = Some(self.now.plus_ms(RECEIPT_DELAY_MS));
        }
    }

    pub(super) fn send_receipts_if_due(&mut self) {
        if self.receipts_at.is_none_or(|at| at > self.now) {
            return;
        }
        self.receipts_at = None;
        for (author, rooms) in std::mem::take(&mut self.receipts) {
            for (room, ids) in rooms {
                self.ask(author, Request::Held { room, ids });
            }
        }
    }
}

fn differs(ours: &RoomSummary, theirs: &RoomSummary) -> bool {
    theirs.count > 0 && (ours.count, ours.fingerprint) != (theirs.count, theirs.fingerprint)
}
