//! The side that pulls: what is asked of which peer, and what is made of the answers.

use std::collections::{BTreeMap, BTreeSet};

use super::Engine;
use super::io::{Effect, RequestId, Table};
use super::messages::Origin;
use super::{KnownAddresses, io};
use crate::address::AddressRecord;
use crate::id::{DeviceId, MessageId, ObjectId, RoomId, Topic};
use crate::limits::{
    ADDRESS_CHANGES_MAX, ADDRESS_CHANGES_MS, ADDRESS_RECORDS_FRAME_MAX, ADDRESS_RECORDS_MAX,
    ADDRESSES_MAX, IDS_FRAME_MAX, OBJECTS_FRAME_BYTES_MAX,
};
use crate::object::ObjectType;
use crate::signed::{Verified, sign};
use crate::sync::{Blob, Items, Pull, PullStep, Request, Response, RoomSummary, Scope};

/// Receipts are gathered this long, in ms, so that a burst costs one frame.
const RECEIPT_DELAY_MS: u64 = 50;
/// So many are sent without delay: whoever posts fast waits for them.
const RECEIPTS_AT_ONCE: usize = 128;
/// Messages wanted by id of one peer in one room.
const WANTED_MAX: usize = 4 * IDS_FRAME_MAX;

/// A connected peer.
#[derive(Debug, Default)]
pub(super) struct Peer {
    /// A summary is under way, and whether another is due after it.
    summary: Option<bool>,
    /// The pull under way; one at a time, so that control comes before rooms.
    pull: Option<Pull>,
    todo: BTreeSet<Scope>,
    wanted: BTreeMap<RoomId, BTreeSet<MessageId>>,
    /// Digest of the control log of which revocations were last pushed to it.
    pub(super) told: Option<ObjectId>,
    /// A pull from it brought void objects that nothing refers to.
    pub(super) brought_idle: bool,
    /// We have introduced ourselves to it.
    pub(super) introduced_to: bool,
}

/// What a request of ours was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Summary(DeviceId),
    Introduction(DeviceId),
    Pull(DeviceId),
    JoinHello(DeviceId),
    JoinReveal(DeviceId),
    JoinPoll(DeviceId),
    Approval,
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
            | Self::JoinHello(peer)
            | Self::JoinReveal(peer)
            | Self::JoinPoll(peer) => Some(peer),
            Self::Approval | Self::Nothing => None,
        }
    }
}

impl Engine {
    pub(super) fn connected(&mut self, peer: DeviceId) {
        self.peers.insert(peer, Peer::default());
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
        // Their answers would be taken for those of the next connection.
        self.requests.retain(|_, asked| asked.peer() != Some(peer));
        let left: Vec<Topic> = self
            .presence
            .iter_mut()
            .filter_map(|(topic, peers)| peers.remove(&peer).then_some(*topic))
            .collect();
        for topic in left {
            self.presence_changed(topic);
        }
    }

    pub(super) fn topic_peer(&mut self, peer: DeviceId, topic: Topic, joined: bool) {
        let peers = self.presence.entry(topic).or_default();
        let changed = if joined { peers.insert(peer) } else { peers.remove(&peer) };
        if peers.is_empty() {
            self.presence.remove(&topic);
        }
        if changed {
            self.presence_changed(topic);
        }
    }

    /// A damaged store may have lost the way from the company to our own certificate. The
    /// company's id is known, so whoever has the log can give it back to us.
    fn repair_membership(&mut self, peer: DeviceId) {
        if !self.member && self.control.is_some() {
            self.want(peer, Scope::Control);
        }
    }

    fn presence_changed(&mut self, topic: Topic) {
        if let Some(room) = self.topics.get(&topic).copied() {
            self.emit(Effect::Event(io::Event::Presence(room)));
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
        self.summarize(peer);
    }

    pub(super) fn reconcile_with_someone(&mut self) {
        let connected: Vec<DeviceId> = self.peers.keys().copied().collect();
        for peer in connected {
            self.repair_membership(peer);
        }
        let members = self.connected_members();
        let choice = self.entropy.below(members.len() as u64);
        let chosen = usize::try_from(choice).ok().and_then(|n| members.get(n).copied());
        if let Some(peer) = chosen {
            self.repeat_report(peer);
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
    }

    /// Pulls a set from a peer.
    pub(super) fn want(&mut self, peer: DeviceId, scope: Scope) {
        if let Some(state) = self.peers.get_mut(&peer) {
            state.todo.insert(scope);
            self.drive(peer);
        }
    }

    /// Fetches messages by id from a peer.
    pub(super) fn want_messages(&mut self, peer: DeviceId, room: RoomId, ids: Vec<MessageId>) {
        if ids.is_empty() {
            return;
        }
        if let Some(state) = self.peers.get_mut(&peer) {
            let wanted = state.wanted.entry(room).or_default();
            let space = WANTED_MAX.saturating_sub(wanted.len());
            wanted.extend(ids.into_iter().take(space));
            self.drive(peer);
        }
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
            Asked::Nothing => {}
            Asked::Summary(peer) => self.summary_answered(peer, response),
            Asked::Introduction(peer) => self.introduced(peer, response),
            Asked::Pull(peer) => self.pull_answered(peer, response),
            Asked::JoinHello(peer) => self.join_offered(peer, response),
            Asked::JoinReveal(peer) | Asked::JoinPoll(peer) => self.join_answered(peer, response),
            Asked::Approval => self.approval_answered(request, response),
        }
    }

    fn summary_answered(&mut self, peer: DeviceId, response: Option<Response>) {
        let Some(state) = self.peers.get_mut(&peer) else { return };
        let again = state.summary.take().unwrap_or(false);
        if matches!(response, Some(Response::Refused)) && self.is_member(peer) {
            self.introduce_ourselves(peer);
        }
        if let Some(Response::Summary { control, rooms }) = response {
            if self.control_summary().is_some_and(|ours| differs(&ours, &control)) {
                self.want(peer, Scope::Control);
            }
            for theirs in rooms {
                if !self.shares_room(peer, theirs.room) {
                    continue;
                }
                let Some(ours) = self.room_summary(theirs.room) else { continue };
                if differs(&ours, &theirs) {
                    self.want(peer, Scope::Room(theirs.room));
                } else if let Some(room) = self.rooms.get_mut(&theirs.room) {
                    room.compared = true;
                    if ours == theirs {
                        // The receipts of some may have been lost with a connection.
                        for id in room.log.pending() {
                            self.held_elsewhere(theirs.room, id);
                        }
                    }
                }
            }
        }
        if again {
            self.summarize(peer);
        }
    }

    /// Starts the next pull from a peer, if none is under way.
    pub(super) fn drive(&mut self, peer: DeviceId) {
        let Some(state) = self.peers.get_mut(&peer) else { return };
        if state.pull.is_some() {
            return;
        }
        let control_first = state.todo.first() == Some(&Scope::Control);
        if !control_first && let Some((room, ids)) = state.wanted.pop_first() {
            state.pull = Some(Pull::of(Scope::Room(room), ids));
        } else if let Some(scope) = state.todo.pop_first() {
            state.pull = Some(Pull::new(scope));
        } else {
            return;
        }
        self.step(peer);
    }

    fn step(&mut self, peer: DeviceId) {
        // Taken out while the log is looked at, and put back if it goes on.
        let Some(mut pull) = self.peers.get_mut(&peer).and_then(|p| p.pull.take()) else { return };
        let scope = pull.scope();
        let step = match self.items(scope) {
            Some(items) => pull.next(items),
            None => PullStep::Failed,
        };
        match step {
            PullStep::Ask(request) => {
                if let Some(state) = self.peers.get_mut(&peer) {
                    state.pull = Some(pull);
                }
                self.send(peer, Asked::Pull(peer), &request);
            }
            PullStep::Done | PullStep::Failed => {
                self.pull_ended(peer, scope, step == PullStep::Done);
                self.drive(peer);
            }
        }
    }

    fn pull_answered(&mut self, peer: DeviceId, response: Option<Response>) {
        let Some(mut pull) = self.peers.get_mut(&peer).and_then(|p| p.pull.take()) else { return };
        let scope = pull.scope();
        let goes_on = match (&response, self.items(scope)) {
            (Some(response), Some(items)) => pull.answer(response, items),
            _ => false,
        };
        if !goes_on {
            self.pull_ended(peer, scope, false);
            return self.drive(peer);
        }
        if let Some(state) = self.peers.get_mut(&peer) {
            state.pull = Some(pull);
        }
        if let Some(Response::Objects { objects, .. }) = response {
            match scope {
                Scope::Control => {
                    let objects = objects.iter().map(|b| b.0.as_slice());
                    if self.take_control_objects(objects, Some(peer)).changed {
                        self.summarize(peer);
                    }
                }
                Scope::Room(room) => {
                    let origin = Origin::Sync { peer, since: self.now };
                    for object in &objects {
                        self.take_message(room, &object.0, origin);
                    }
                }
            }
        }
        self.step(peer);
    }

    fn pull_ended(&mut self, peer: DeviceId, scope: Scope, complete: bool) {
        if scope == Scope::Control {
            self.drop_idle_brought(peer);
        }
        if let Scope::Room(room) = scope {
            self.drop_unacknowledged(room, peer);
            if let Some(room) = self.rooms.get_mut(&room) {
                room.compared |= complete;
            }
        }
    }

    /// Whether a pull of a room is under way.
    pub(super) fn is_pulling_from(&self, peer: DeviceId, room: RoomId) -> bool {
        let pull = self.peers.get(&peer).and_then(|p| p.pull.as_ref());
        pull.is_some_and(|pull| pull.scope() == Scope::Room(room))
    }

    /// Whether something of a room is being fetched.
    pub(super) fn is_fetching(&self, room: RoomId) -> bool {
        self.peers.values().any(|peer| {
            peer.pull.as_ref().is_some_and(|pull| pull.scope() == Scope::Room(room))
                || peer.todo.contains(&Scope::Room(room))
                || peer.wanted.contains_key(&room)
        })
    }

    /// What is held of a set, in its order.
    pub(super) fn items(&self, scope: Scope) -> Option<&Items> {
        match scope {
            Scope::Control => self.control.as_ref().map(crate::control::ControlLog::order),
            Scope::Room(room) => self.rooms.get(&room).map(|room| room.log.shared()),
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

    /// Our listen addresses changed.
    pub(super) fn listening_on(&mut self, mut addresses: Vec<String>) {
        addresses.truncate(ADDRESSES_MAX);
        self.listening = addresses;
        self.publish_own_addresses();
    }

    pub(super) fn publish_own_addresses(&mut self) {
        let Some(company) = self.company().filter(|_| self.member) else { return };
        if self.listening.is_empty() {
            return;
        }
        let device = self.keys.device();
        // Above the last one even if the clock stood still or was set back.
        let last = self.addresses.get(&device).map(|known| known.issued.plus_ms(1));
        let issued = last.map_or(self.now, |last| last.max(self.now));
        let record = AddressRecord {
            version: 1,
            company,
            device,
            issued,
            addresses: self.listening.clone(),
        };
        let body = crate::codec::encode(&record);
        let (_, bytes) = sign(&self.keys, ObjectType::AddressRecord, company, &body);
        self.take_address_record(None, &bytes);
    }

    /// Takes an address record in, if it is newer than what is known, and passes it on.
    pub(super) fn take_address_record(&mut self, from: Option<DeviceId>, bytes: &[u8]) {
        let Some(company) = self.company() else { return };
        let record = match Verified::<AddressRecord>::address(bytes, company) {
            Ok(record) => record,
            Err(error) => return self.count(super::control::verify_word(error)),
        };
        let AddressRecord { device, issued, addresses, .. } = record.value().clone();
        let now = self.now;
        let known = self.addresses.get(&device);
        let ours = device == self.keys.device();
        // What says nothing new is not worth a write and a frame to everyone.
        let newer = known
            .is_none_or(|known| known.issued < issued && (ours || known.addresses != addresses));
        if let Some(known) = self.addresses.get_mut(&device)
            && known.issued < issued
            && !newer
        {
            // But it makes those of before it old news.
            (known.issued, known.bytes) = (issued, bytes.to_vec());
            return;
        }
        let known = self.addresses.get(&device);
        let recent = known.map_or((now, 0), |known| match known.changes {
            (since, _) if now.ms_since(since) > ADDRESS_CHANGES_MS => (now, 0),
            recent => recent,
        });
        if !ours && newer && recent.1 >= ADDRESS_CHANGES_MAX {
            if let Some(known) = self.addresses.get_mut(&device)
                && known.later.as_ref().is_none_or(|(later, _)| *later < issued)
            {
                known.later = Some((issued, bytes.to_vec()));
            }
            return self.count("address_flood");
        }
        let room_left =
            self.addresses.contains_key(&device) || self.addresses.len() < ADDRESS_RECORDS_MAX;
        if !newer || !room_left || !self.is_member(device) {
            return;
        }
        // Our own comes back only from nodes that knew us before; ours is the newest.
        if ours && from.is_some() {
            return;
        }
        self.write(Table::State, Self::address_key(device), bytes.to_vec());
        let changes = (recent.0, recent.1 + 1);
        let bytes = bytes.to_vec();
        if !ours {
            self.emit(Effect::Addresses { peer: device, addresses: addresses.clone() });
        }
        let known = KnownAddresses { issued, addresses, bytes, changes, later: None };
        self.addresses.insert(device, known);
        let record = Blob(self.addresses.get(&device).map(|k| k.bytes.clone()).unwrap_or_default());
        for peer in self.connected_members() {
            if Some(peer) != from && peer != device {
                self.ask(peer, Request::Addresses { records: vec![record.clone()] });
            }
        }
    }

    /// Takes the newest addresses of devices that had changed theirs too often.
    pub(super) fn take_later_addresses(&mut self) {
        let now = self.now;
        let later: Vec<Vec<u8>> = self
            .addresses
            .values_mut()
            .filter(|known| now.ms_since(known.changes.0) > ADDRESS_CHANGES_MS)
            .filter_map(|known| known.later.take().map(|(_, bytes)| bytes))
            .collect();
        for bytes in later {
            self.take_address_record(None, &bytes);
        }
    }
}

fn differs(ours: &RoomSummary, theirs: &RoomSummary) -> bool {
    theirs.count > 0 && (ours.count, ours.fingerprint) != (theirs.count, theirs.fingerprint)
}
