//! Pulls under way: one a peer, several peers at once.

use std::collections::BTreeSet;

use super::Engine;
use super::io::Effect;
use super::messages::Origin;
use super::syncing::Asked;
use crate::id::{DeviceId, MessageId, ObjectId, RoomId};
use crate::limits::{
    IDS_FRAME_MAX, NEWEST_PAGE_MAX, PULL_PENALTY_MS, TAKEN_BACK_PAUSE_MS, TAKEN_BACK_PAUSE_MS_MAX,
    TAKEN_BACK_PAUSES_MAX, WAITING_PER_PEER_MAX,
};
use crate::sync::{Blob, Need, Pull, PullStep, Request, Response, Scope};

/// Messages wanted by id of one peer in one room.
const WANTED_MAX: usize = 4 * IDS_FRAME_MAX;
/// A pull that has run so far ahead of what others are fetching rests until they are done.
const AHEAD_MAX: usize = WAITING_PER_PEER_MAX / 2;

/// How long a peer may take over what it was asked for before others are asked too, in ms.
const CLAIM_MS: u64 = 2_000;

/// How long a room is not pulled from a peer that went away in the middle and left something to be
/// taken back, in ms.
const CUT_OFF_PAUSE_MS: u64 = 2_000;

/// What a pull does next.
enum Next {
    Ask(Request),
    /// What it brought waits for what others have been asked for.
    Rest,
    End {
        complete: bool,
    },
}

impl Engine {
    /// Pulls a set from a peer.
    pub(super) fn want(&mut self, peer: DeviceId, scope: Scope) {
        let now = self.now;
        if let Scope::Room(room) | Scope::Waiting(room) = scope
            && self.pauses.get(&(peer, room)).is_some_and(|(until, _)| *until > now)
        {
            return;
        }
        if let Some(state) = self.peers.get_mut(&peer)
            && state.penalty_until.is_none_or(|until| until <= now)
        {
            state.todo.insert(scope);
            self.drive(peer);
        }
    }

    /// A pull brought what nothing acknowledges: writing it again and again would fill the disk.
    /// An honest peer that is behind has what acknowledges it soon, and others have it anyway.
    pub(super) fn pause_after_taking_back(&mut self, peer: DeviceId, room: RoomId) {
        if self.pauses.len() >= TAKEN_BACK_PAUSES_MAX {
            let first = self.pauses.iter().min_by_key(|(_, (until, _))| *until);
            if let Some(key) = first.map(|(key, _)| *key) {
                self.pauses.remove(&key);
            }
        }
        let gone = !self.peers.contains_key(&peer);
        let pause = self.pauses.entry((peer, room)).or_insert((self.now, 0));
        // A pull that was cut off may have been honest, and begins with a short one.
        let first = if gone { CUT_OFF_PAUSE_MS } else { TAKEN_BACK_PAUSE_MS };
        let long = first.saturating_mul(1 << pause.1.min(20));
        *pause = (self.now.plus_ms(long.min(TAKEN_BACK_PAUSE_MS_MAX)), pause.1.saturating_add(1));
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

    /// Starts the next pull from a peer, if none is under way.
    pub(super) fn drive(&mut self, peer: DeviceId) {
        let Some(state) = self.peers.get_mut(&peer) else { return };
        if state.pull.is_some() {
            return;
        }
        let control_first = state.todo.first() == Some(&Scope::Control);
        let pull = if !control_first && let Some((room, ids)) = state.wanted.pop_first() {
            Pull::of(Scope::Room(room), ids)
        } else if let Some(scope) = state.todo.pop_first() {
            let theirs = state.expected.get(&scope).copied().unwrap_or(0);
            let lacks = theirs.saturating_sub(self.items(scope).map_or(0, |i| i.len() as u64));
            let much = lacks > NEWEST_PAGE_MAX as u64;
            if much && matches!(scope, Scope::Room(_)) {
                Pull::newest_first(scope)
            } else {
                Pull::new(scope)
            }
        } else {
            return;
        };
        if let Some(state) = self.peers.get_mut(&peer) {
            state.pull = Some(pull);
        }
        self.step(peer);
    }

    fn step(&mut self, peer: DeviceId) {
        // Taken out while the log is looked at, and put back if it goes on.
        let Some(mut pull) = self.peers.get_mut(&peer).and_then(|p| p.pull.take()) else { return };
        let next = self.next_of(peer, &mut pull);
        self.put_back(peer, pull, matches!(next, Next::Rest));
        match next {
            Next::Ask(request) => self.ask_at_once(peer, &request),
            Next::Rest => {}
            Next::End { complete } => self.end_pull(peer, complete),
        }
    }

    fn next_of(&mut self, peer: DeviceId, pull: &mut Pull) -> Next {
        let scope = pull.scope();
        if self.is_ahead(peer, scope) {
            return Next::Rest;
        }
        let Some(items) = self.items(scope) else { return Next::End { complete: false } };
        let mut held = Vec::new();
        let need = |id| {
            let need = self.need(peer, scope, id);
            if need == Need::Held {
                held.push(id);
            }
            need
        };
        let step = pull.next(items, need);
        if let Scope::Room(room) | Scope::Waiting(room) = scope {
            self.vouched_for(room, peer, &held);
        }
        match step {
            PullStep::Ask(request) => Next::Ask(request),
            PullStep::Done => Next::End { complete: true },
            PullStep::Failed => Next::End { complete: false },
        }
    }

    fn need(&self, peer: DeviceId, scope: Scope, id: ObjectId) -> Need {
        let held = match scope {
            Scope::Control => self.control.as_ref().is_some_and(|control| control.holds(id)),
            Scope::Room(room) | Scope::Waiting(room) => {
                self.holds_or_waits(room, id) && !self.is_damaged(room, id)
            }
        };
        if held {
            Need::Held
        } else if self
            .fetching
            .get(&id)
            .is_some_and(|(other, since)| *other != peer && self.now.ms_since(*since) < CLAIM_MS)
        {
            Need::Elsewhere
        } else {
            Need::Missing
        }
    }

    /// Whether what a peer has brought waits, in numbers, for what others are being asked for.
    fn is_ahead(&self, peer: DeviceId, scope: Scope) -> bool {
        let (Scope::Room(room) | Scope::Waiting(room)) = scope else { return false };
        let waiting = self.rooms.get(&room).map_or(0, |state| state.log.held.brought_by(peer));
        waiting >= AHEAD_MAX
            && self.peers.iter().any(|(other, state)| {
                *other != peer
                    && state
                        .pull
                        .as_ref()
                        .is_some_and(|p| p.scope() == scope && !p.fetching().is_empty())
            })
    }

    fn put_back(&mut self, peer: DeviceId, pull: Pull, rests: bool) {
        let now = self.now;
        for id in pull.fetching() {
            // Asking again for what it did not give does not make the claim younger.
            let claim = self.fetching.entry(*id).or_insert((peer, now));
            if claim.0 != peer {
                *claim = (peer, now);
            }
        }
        if let Some(state) = self.peers.get_mut(&peer) {
            state.pull = Some(pull);
            state.rests = rests;
        }
    }

    /// What a pull asks tells nothing that would have to be durable first.
    fn ask_at_once(&mut self, peer: DeviceId, request: &Request) {
        self.last_request += 1;
        let id = super::RequestId(self.last_request);
        self.requests.insert(id, Asked::Pull(peer));
        self.at_once.push_back(Effect::Send { peer, request: id, frame: request.encode() });
    }

    pub(super) fn pull_answered(&mut self, peer: DeviceId, response: Option<Response>) {
        let Some(mut pull) = self.peers.get_mut(&peer).and_then(|p| p.pull.take()) else { return };
        let scope = pull.scope();
        let fits = match (&response, self.items(scope)) {
            (Some(response), Some(items)) => pull.answer(response, items),
            _ => false,
        };
        if !fits {
            // No answer is bad luck; access may have ended meanwhile; anything else is not honest.
            if !matches!(response, None | Some(Response::Refused)) {
                self.count("bad_answer");
                let until = self.now.plus_ms(PULL_PENALTY_MS);
                if let Some(state) = self.peers.get_mut(&peer) {
                    state.penalty_until = Some(until);
                }
            }
            self.put_back(peer, pull, false);
            return self.end_pull(peer, false);
        }
        let newest_page = pull.is_newest_page();
        if !matches!(response, Some(Response::Objects { .. })) {
            self.release(peer);
        }
        // The next question is on its way while this answer is looked at.
        let next = self.next_of(peer, &mut pull);
        self.release_all_but(peer, pull.fetching());
        self.put_back(peer, pull, matches!(next, Next::Rest));
        if let Next::Ask(request) = &next {
            self.ask_at_once(peer, request);
        }
        if let Some(Response::Objects { objects, .. }) = response {
            self.take_pulled(peer, scope, &objects, newest_page);
        }
        if let Next::End { complete } = next {
            self.end_pull(peer, complete);
        }
        self.wake(scope);
    }

    fn take_pulled(&mut self, peer: DeviceId, scope: Scope, objects: &[Blob], newest_page: bool) {
        match scope {
            Scope::Control => {
                let objects = objects.iter().map(|b| b.0.as_slice());
                if self.take_control_objects(objects, Some(peer)).changed {
                    self.summarize(peer);
                }
            }
            Scope::Room(room) | Scope::Waiting(room) => {
                let origin = Origin::Sync { peer, since: self.now, newest_page };
                for object in objects {
                    self.take_message(room, &object.0, origin);
                }
                if newest_page {
                    self.show_newest_page(room, peer);
                }
            }
        }
    }

    /// Ends a peer's pull; with what it left to others that is looked at again when they are done.
    fn end_pull(&mut self, peer: DeviceId, complete: bool) {
        let Some(state) = self.peers.get_mut(&peer) else { return };
        let Some(pull) = state.pull.take() else { return };
        let scope = pull.scope();
        if pull.left_to_others() {
            state.again.insert(scope);
            self.pull_again_at = Some(self.now.plus_ms(CLAIM_MS));
        }
        let whole = complete && !pull.is_by_id() && !pull.left_to_others();
        self.pull_ended(peer, scope, whole);
        self.drive(peer);
    }

    /// What follows from the end of a pull, whoever ended it.
    pub(super) fn pull_ended(&mut self, peer: DeviceId, scope: Scope, whole: bool) {
        self.release(peer);
        match scope {
            Scope::Control => {
                self.drop_idle_brought(peer);
                self.control_compared |= whole;
            }
            Scope::Room(room) => {
                self.store_what_waits(room, peer);
                // What waits with the peer may follow it.
                let goes_on = |p: &super::Peer| p.todo.contains(&Scope::Waiting(room));
                if !(whole && self.peers.get(&peer).is_some_and(goes_on)) {
                    self.drop_unacknowledged(room, peer);
                }
                if whole {
                    self.hide_newest_pages(room);
                }
                if let Some(room) = self.rooms.get_mut(&room) {
                    room.compared |= whole;
                }
            }
            Scope::Waiting(room) => {
                self.drop_unacknowledged(room, peer);
                if whole {
                    self.look_for_what_waited(peer, room);
                }
            }
        }
        self.drop_told();
        let pulls = |state: &super::Peer| state.pull.as_ref().is_some_and(|p| p.scope() == scope);
        if self.peers.values().any(pulls) {
            return self.wake(scope);
        }
        let again: Vec<DeviceId> = self
            .peers
            .iter_mut()
            .filter_map(|(peer, state)| state.again.remove(&scope).then_some(*peer))
            .collect();
        for peer in again {
            self.want(peer, scope);
        }
    }

    /// What waited with a peer may have come to count there while we asked for it: then it is in
    /// the room now. Once between two turns of the slow timer, which would find it too.
    fn look_for_what_waited(&mut self, peer: DeviceId, room: RoomId) {
        let waits = self.rooms.get(&room).is_some_and(|state| !state.log.held.is_empty());
        let state = self.peers.get_mut(&peer).filter(|state| waits && !state.looked_again);
        if let Some(state) = state {
            state.looked_again = true;
            self.summarize(peer);
        }
    }

    /// Goes on with pulls of a set that rested.
    fn wake(&mut self, scope: Scope) {
        let rest: Vec<DeviceId> = self
            .peers
            .iter()
            .filter(|(_, s)| s.rests && s.pull.as_ref().is_some_and(|p| p.scope() == scope))
            .map(|(peer, _)| *peer)
            .collect();
        for peer in rest {
            if !self.is_ahead(peer, scope) {
                self.step(peer);
            }
        }
    }

    /// What a peer was asked for is free to be asked of others.
    fn release(&mut self, peer: DeviceId) {
        self.fetching.retain(|_, (other, _)| *other != peer);
    }

    fn release_all_but(&mut self, peer: DeviceId, asked: &[ObjectId]) {
        let asked: BTreeSet<ObjectId> = asked.iter().copied().collect();
        self.fetching.retain(|id, (other, _)| *other != peer || asked.contains(id));
    }

    /// Looks again at what was left to peers that take too long.
    pub(super) fn pull_again_if_due(&mut self) {
        if self.pull_again_at.is_none_or(|at| at > self.now) {
            return;
        }
        self.pull_again_at = None;
        let again: Vec<(DeviceId, Scope)> = self
            .peers
            .iter_mut()
            .flat_map(|(peer, state)| {
                std::mem::take(&mut state.again).into_iter().map(|scope| (*peer, scope))
            })
            .collect();
        for (peer, scope) in again {
            self.want(peer, scope);
        }
    }

    /// Whether a pull of a room is under way.
    pub(super) fn is_pulling_from(&self, peer: DeviceId, room: RoomId) -> bool {
        let pull = self.peers.get(&peer).and_then(|p| p.pull.as_ref());
        pull.is_some_and(
            |pull| matches!(pull.scope(), Scope::Room(of) | Scope::Waiting(of) if of == room),
        )
    }

    /// Whether a pull of all of a room is under way.
    pub(super) fn pulls_whole_from(&self, peer: DeviceId, room: RoomId) -> bool {
        let pull = self.peers.get(&peer).and_then(|p| p.pull.as_ref());
        pull.is_some_and(|pull| pull.scope() == Scope::Room(room) && !pull.is_by_id())
    }

    /// Whether something of a room is being fetched.
    pub(super) fn is_fetching(&self, room: RoomId) -> bool {
        self.peers.values().any(|peer| {
            peer.pull.as_ref().is_some_and(|pull| pull.scope() == Scope::Room(room))
                || peer.todo.contains(&Scope::Room(room))
                || peer.wanted.contains_key(&room)
        })
    }

    /// The largest number of items that a peer of whom a room is being pulled says it has.
    pub(super) fn expected_of(&self, room: RoomId) -> Option<u64> {
        let scope = Scope::Room(room);
        let pulled = |state: &&super::Peer| {
            state.todo.contains(&scope)
                || state.pull.as_ref().is_some_and(|p| p.scope() == scope && !p.is_by_id())
        };
        let expected = |state: &super::Peer| state.expected.get(&scope).copied();
        self.peers.values().filter(pulled).filter_map(expected).max()
    }
}
