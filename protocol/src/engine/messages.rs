//! Taking messages in: the one path for strangers' and our own.

use std::collections::{BTreeMap, BTreeSet};

use super::Engine;
use super::control::{refusal_of, verify_word};
use super::io::{Effect, Event, GossipToken, GossipVerdict};
use crate::envelope::{Envelope, EnvelopeKind};
use crate::id::{DeviceId, MessageId, ObjectId, RoomId, Topic};
use crate::limits::{
    HOLD_MS_MAX, REVOCATIONS_PUSHED_MAX, UNACKNOWLEDGED_BYTES_PER_ROOM_MAX,
    UNACKNOWLEDGED_PER_ROOM_MAX,
};
use crate::room::{WaitFor, Waiting, is_ahead};
use crate::signed::{Checked, Trust, Verified};
use crate::sync::{Request, Scope};
use crate::time::Timestamp;

/// How a message came, which decides who is told what about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// By gossip; a verdict is due, at the latest `until`.
    Gossip { peer: DeviceId, token: GossipToken, until: Timestamp },
    /// In an answer or push of a peer, or a second time after waiting, since when.
    Sync { peer: DeviceId, since: Timestamp, newest_page: bool },
    /// Written here.
    Own,
}

/// `Enter`s remembered as refused, per room.
const REFUSED_ENTERS_MAX: usize = 256;

impl Engine {
    /// A gossip message came.
    pub(super) fn gossip(
        &mut self,
        peer: DeviceId,
        token: GossipToken,
        topic: Topic,
        bytes: &[u8],
    ) {
        if !self.is_member(peer) {
            self.count("unknown_peer");
            return self.verdict(token, GossipVerdict::Ignore);
        }
        if self.topic_names().is_some_and(|topics| topics.control() == topic) {
            return self.gossip_control(peer, token, bytes);
        }
        let Some(room) = self.topics.get(&topic).copied() else {
            return self.verdict(token, GossipVerdict::Ignore);
        };
        let until = self.now.plus_ms(HOLD_MS_MAX);
        self.take_message(room, bytes, Origin::Gossip { peer, token, until });
    }

    /// Judges bytes that claim to be a message of `room`.
    pub(super) fn take_message(&mut self, room: RoomId, bytes: &[u8], origin: Origin) {
        let Some(company) = self.company() else { return };
        let checked = self.take_check(bytes);
        let id = checked.as_ref().map(Checked::id).or_else(|| crate::signed::peek_id(bytes));
        // What is here already needs no second look at its signature.
        if let Some(id) = id
            && self.holds_or_waits(room, id)
        {
            if self.is_damaged(room, id) {
                return self.mend(room, bytes, origin);
            }
            self.brought_again(room, id, origin);
            return self.refuse(origin, GossipVerdict::Ignore, "duplicate");
        }
        let trust = match origin {
            Origin::Own => id.map_or(Trust::Nothing, Trust::StoredAs),
            Origin::Gossip { .. } | Origin::Sync { .. } => Trust::Nothing,
        };
        let verified = match checked {
            Some(checked) => checked.into_envelope(company),
            None => Verified::<Envelope>::envelope(bytes, company, trust),
        };
        let envelope = match verified {
            Ok(envelope) => envelope,
            Err(error) => return self.refuse(origin, refusal_of(error), verify_word(error)),
        };
        if envelope.value().room != room {
            return self.refuse(origin, GossipVerdict::Reject, "wrong_room");
        }
        if self
            .me()
            .is_none_or(|me| self.control.as_ref().is_none_or(|c| !c.access().has_access(me, room)))
        {
            return self.refuse(origin, GossipVerdict::Ignore, "not_our_room");
        }
        self.judge_message(room, envelope, origin);
    }

    /// Whether a message of a room is here, counting or waiting.
    pub(super) fn holds_or_waits(&self, room: RoomId, id: MessageId) -> bool {
        let log = self.rooms.get(&room).map(|state| &state.log);
        log.is_some_and(|log| log.get(id).is_some() || log.held.contains(id))
    }

    /// Judges a verified message of a room that is open here.
    pub(super) fn judge_message(
        &mut self,
        room: RoomId,
        envelope: Verified<Envelope>,
        origin: Origin,
    ) {
        let message = envelope.value();
        if !self.may_start_instant(room, message.device) {
            return self.refuse(origin, GossipVerdict::Ignore, "instants_full");
        }
        let standing = self.standing_of(message.device, room);
        if !standing.proved() {
            return self.judge_outsider(room, envelope, origin);
        }
        let Some(state) = self.rooms.get(&room) else { return };
        let wanted = state.log.held.wants(envelope.id()) || state.log.is_kept_head(envelope.id());
        let missing = state.log.missing_parents(message);
        if !standing.live && !wanted {
            // Its author has lost access. In an answer to a pull the acknowledgement, if there
            // is one, comes after it; by gossip it would have to be here already.
            let fits = missing.is_empty() && state.log.height_fits(message);
            return match origin {
                Origin::Sync { peer, .. } if fits && self.may_bring_unacknowledged(peer, room) => {
                    self.store_unacknowledged(room, &envelope, peer);
                }
                _ => self.refuse_removed(origin, message.device, room),
            };
        }
        if !missing.is_empty() {
            return self.wait(room, envelope, origin, WaitFor::Parents(missing));
        }
        if !state.log.height_fits(message) {
            return self.refuse(origin, GossipVerdict::Ignore, "height_mismatch");
        }
        // Of a chain that forks gossip carries two ends; the others come by reconciliation.
        let third =
            self.has_forked(message.device) && state.log.uses_place(message.device, message.seq);
        let passes_on = standing.live && !third;
        let verdict = if passes_on { GossipVerdict::Accept } else { GossipVerdict::Ignore };
        self.settle(origin, verdict);
        self.store_message(room, envelope, origin);
    }

    /// A message whose author no chain of grants that is here leads to the room: either the
    /// grants are on their way, or it can never fit.
    fn judge_outsider(&mut self, room: RoomId, envelope: Verified<Envelope>, origin: Origin) {
        let message = envelope.value();
        let Some(control) = self.control.as_ref() else { return };
        let Some(state) = self.rooms.get_mut(&room) else { return };
        let hopeless = match (message.kind, message.standing) {
            (EnvelopeKind::Enter, _) => message
                .enter_body()
                .is_ok_and(|body| body.references().all(|id| control.counts(id))),
            (_, Some(enter)) => state.refused_enters.contains_key(&enter),
            (_, None) => true,
        };
        // An accepted message follows it, so its envelope has to be kept; it is never shown.
        if state.log.held.wants(envelope.id()) {
            let missing = state.log.missing_parents(message);
            if !missing.is_empty() {
                return self.wait(room, envelope, origin, WaitFor::Parents(missing));
            }
            if state.log.height_fits(message) {
                self.settle(origin, GossipVerdict::Ignore);
                return self.store_message(room, envelope, origin);
            }
        }
        if hopeless {
            let certified = control.access().agent_of(message.device).is_some();
            let reason = if certified { "no_membership" } else { "unknown_device" };
            if message.kind == EnvelopeKind::Enter {
                let body = message.enter_body();
                let verdict = match body.map(|b| control.contradicts_itself(message, &b)) {
                    Ok(false) => GossipVerdict::Ignore,
                    _ => GossipVerdict::Reject,
                };
                if state.refused_enters.len() >= REFUSED_ENTERS_MAX {
                    state.refused_enters.pop_first();
                }
                state.refused_enters.insert(envelope.id(), verdict);
                // Messages that waited for this `Enter` are as hopeless as it is.
                let waiting = state.log.held.take_for_enter(envelope.id());
                self.refuse(origin, verdict, reason);
                return self.judge_again(room, waiting);
            }
            let enter = message.standing.and_then(|enter| state.refused_enters.get(&enter));
            let verdict = enter.copied().unwrap_or(GossipVerdict::Reject);
            return self.refuse(origin, verdict, reason);
        }
        self.wait(room, envelope, origin, WaitFor::Control);
    }

    /// Holds a message, and asks whoever gave it to us for what is missing.
    fn wait(
        &mut self,
        room: RoomId,
        envelope: Verified<Envelope>,
        origin: Origin,
        wait_for: WaitFor,
    ) {
        let (peer, since, mut verdict, newest_page) = match origin {
            Origin::Gossip { peer, token, until } => (peer, self.now, Some((token, until)), false),
            Origin::Sync { peer, since, newest_page } => (peer, since, None, newest_page),
            Origin::Own => return,
        };
        // Only members of the room may make us hold what we cannot judge.
        if !self.shares_room(peer, room) {
            return self.refuse(origin, GossipVerdict::Ignore, "no_membership");
        }
        let enter = envelope.value().standing;
        let wanted = match &wait_for {
            WaitFor::Parents(missing) => missing.clone(),
            WaitFor::Control => enter.into_iter().collect(),
        };
        let for_control = wait_for == WaitFor::Control;
        // Whoever signed it has access now, so it will count once its parents do, and need not
        // wait here to be passed on.
        let id = envelope.id();
        let live = !for_control && self.standing_of(envelope.value().device, room).live;
        let pass_on = verdict.take_if(|_| live);
        let chases = verdict.is_none() && pass_on.is_none() && !newest_page;
        let stored = false;
        let charged = if live { envelope.value().device } else { peer };
        let waiting = Waiting {
            envelope,
            from: peer,
            since,
            verdict,
            wait_for,
            charged,
            newest_page,
            stored,
        };
        let Some(state) = self.rooms.get_mut(&room) else { return };
        if state.log.held.insert(waiting).is_err() {
            return self.refuse(origin, GossipVerdict::Ignore, "waiting_full");
        }
        // In a pull from below what comes before it is on its way: a row would be written in vain.
        let in_order = matches!(origin, Origin::Sync { .. })
            && !newest_page
            && self.pulls_whole_from(peer, room);
        if live && !in_order {
            self.store_waiting(room, id);
        }
        if let Some((token, _)) = pass_on {
            self.verdict(token, GossipVerdict::Accept);
        }
        if for_control {
            self.want(peer, Scope::Control);
        } else if chases && !self.is_fetching(room) {
            // Parents of parents: more is missing than a message or two.
            self.want(peer, Scope::Room(room));
        }
        // A parent may be here and wait for control objects that never come. Now that something
        // follows it, it need not be accepted any more to be kept.
        let state = self.rooms.get_mut(&room);
        let here: Vec<Waiting> = state
            .map(|state| wanted.iter().filter_map(|id| state.log.held.take_wanted(*id)).collect())
            .unwrap_or_default();
        let missing = wanted
            .into_iter()
            .filter(|id| !here.iter().any(|w| w.envelope.id() == *id))
            .filter(|id| !self.rooms.get(&room).is_some_and(|r| r.log.held.contains(*id)))
            .collect();
        self.want_messages(peer, room, missing);
        self.judge_again(room, here);
    }

    /// Whether a pull from this peer goes on, and it has not brought too much of this kind.
    fn may_bring_unacknowledged(&self, peer: DeviceId, room: RoomId) -> bool {
        let brought = self
            .rooms
            .get(&room)
            .map_or((0, 0), |state| (state.unacknowledged.len(), state.unacknowledged_bytes));
        self.is_pulling_from(peer, room)
            && brought.0 < UNACKNOWLEDGED_PER_ROOM_MAX
            && brought.1 < UNACKNOWLEDGED_BYTES_PER_ROOM_MAX
    }

    /// Keeps a message that a pull or push brought, and whose author has lost access, until
    /// the end of the pull: what acknowledges it may be thousands of messages further on. It
    /// counts, so that what follows it finds its parents, but is neither shown nor shared.
    fn store_unacknowledged(
        &mut self,
        room: RoomId,
        envelope: &Verified<Envelope>,
        from: DeviceId,
    ) {
        let (id, message) = (envelope.id(), envelope.value());
        let standing = self.standing_of(message.device, room);
        let Some(state) = self.rooms.get_mut(&room) else { return };
        let arrival = state.log.next_arrival();
        state.log.insert(id, message, standing, arrival);
        state.log.mark_unacknowledged(id);
        state.unacknowledged.insert(id, BTreeSet::from([from]));
        state.unacknowledged_bytes += envelope.bytes().len();
        self.write_message(room, arrival, envelope);
        self.write_mark(room, id);
        self.write_index(room);
        self.follow_epochs(room, id, message);
        let children = match self.rooms.get_mut(&room) {
            Some(state) => state.log.held.take_children(id),
            None => Vec::new(),
        };
        self.judge_again(room, children);
    }

    /// Refuses, and takes back, what a peer's pull brought by authors who have lost access, and
    /// that nothing acknowledges; called when that pull ends.
    pub(super) fn drop_unacknowledged(&mut self, room: RoomId, from: DeviceId) {
        let origin = Origin::Sync { peer: from, since: self.now, newest_page: false };
        let Some(state) = self.rooms.get_mut(&room) else { return };
        let brought: BTreeMap<MessageId, BTreeSet<DeviceId>> = state
            .unacknowledged
            .extract_if(.., |_, peers| peers.remove(&from) && peers.is_empty())
            .collect();
        let taken = state.log.take_back(&brought);
        // What stays because another's pull has built on it goes with that pull.
        if let Some(others) = state.unacknowledged.values().next().cloned() {
            let log = &state.log;
            let stays = |id: &MessageId| log.get(*id).is_some_and(|e| !e.is_accepted());
            let stays = brought.into_keys().filter(stays);
            state.unacknowledged.extend(stays.map(|id| (id, others.clone())));
        }
        if state.unacknowledged.is_empty() {
            state.unacknowledged_bytes = 0;
        }
        if !taken.is_empty() {
            self.pause_after_taking_back(from, room);
        }
        for (id, entry) in taken {
            self.remove_message(room, entry.arrival);
            self.in_flight.remove(&id);
            self.refuse_removed(origin, entry.device, room);
        }
        self.write_index(room);
    }

    /// Every peer that brings an unacknowledged message, or has it too, answers for it: it stays
    /// until the last of their pulls has ended.
    pub(super) fn vouched_for(&mut self, room: RoomId, peer: DeviceId, ids: &[MessageId]) {
        let Some(state) = self.rooms.get_mut(&room) else { return };
        for id in ids {
            if let Some(peers) = state.unacknowledged.get_mut(id) {
                peers.insert(peer);
            }
        }
    }

    fn brought_again(&mut self, room: RoomId, id: MessageId, origin: Origin) {
        let Origin::Sync { peer, .. } = origin else { return };
        if self.is_pulling_from(peer, room) {
            self.vouched_for(room, peer, &[id]);
        }
    }

    /// Refuses a message of an author who has lost access; the forwarder, who may be honest
    /// and behind, is told why.
    fn refuse_removed(&mut self, origin: Origin, author: DeviceId, room: RoomId) {
        if let Origin::Gossip { peer, .. } | Origin::Sync { peer, .. } = origin {
            self.push_revocations(peer, author, room);
        }
        self.refuse(origin, GossipVerdict::Ignore, "removed");
    }

    /// Stores a counting message, shows what it makes visible, and judges what waited for it.
    fn store_message(&mut self, room: RoomId, envelope: Verified<Envelope>, origin: Origin) {
        let (id, message) = (envelope.id(), envelope.value());
        let standing = self.standing_of(message.device, room);
        let proved = standing.proved();
        let ours = message.device == self.keys.device();
        self.note_fork(room, id, message);
        let Some(state) = self.rooms.get_mut(&room) else { return };
        let arrival = state.log.next_arrival();
        state.log.use_place(message.device, message.seq);
        let accepted = state.log.insert(id, message, standing, arrival);
        if is_ahead(message.claimed_time, self.now) {
            state.log.mark_ahead(id);
        }
        self.write_message(room, arrival, &envelope);
        self.write_mark(room, id);
        self.keep_instant(room, message.device);
        for accepted in accepted {
            let seen = self
                .rooms
                .get(&room)
                .and_then(|state| state.log.get(accepted))
                .is_some_and(|entry| entry.seen_before);
            if seen {
                // A seal, or an author who is back: people know the message already.
                self.show_state(room, accepted);
                continue;
            }
            self.write_mark(room, accepted);
            if accepted == id && !self.incomplete.contains(&id) {
                // Its text is at hand: nothing needs to be read back.
                let text = self.text_of(room, message);
                if let Some(view) = text.and_then(|text| self.view_of(room, id, text)) {
                    let live =
                        !matches!(origin, Origin::Sync { .. }) || self.is_news(room, view.time);
                    self.emit(Effect::Event(Event::Message(view, live)));
                }
                continue;
            }
            self.show(room, accepted);
        }
        self.write_index(room);
        self.follow_epochs(room, id, message);
        if ours
            && message.kind.is_content()
            && let Some(state) = self.rooms.get_mut(&room)
        {
            state.log.mark_pending(id);
        }
        if ours {
            self.write_tail(room, message.seq, id);
        } else {
            self.acknowledged_by(room, message);
            if origin != Origin::Own && proved {
                self.owe_receipt(message.device, room, id);
            }
        }
        let children = match self.rooms.get_mut(&room) {
            Some(state) => state.log.held.take_children(id),
            None => Vec::new(),
        };
        self.judge_again(room, children);
    }

    /// Judges messages that had waited. What they set free in turn is queued here and not
    /// judged further down the stack: chains are as long as a peer likes.
    pub(super) fn judge_again(&mut self, room: RoomId, waiting: Vec<Waiting>) {
        self.to_judge.extend(waiting.into_iter().map(|waiting| (room, waiting)));
        if std::mem::replace(&mut self.judging, true) {
            return;
        }
        while let Some((room, waiting)) = self.to_judge.pop_front() {
            let (id, stored) = (waiting.envelope.id(), waiting.stored);
            let origin = self.origin_of(room, &waiting);
            self.judge_message(room, waiting.envelope, origin);
            self.waited(room, id, stored);
        }
        self.judging = false;
    }

    /// Judges messages again that wait for control objects.
    pub(super) fn retry_waiting_for_control(&mut self) {
        let rooms: Vec<RoomId> =
            self.topics.values().copied().chain(self.instants.told()).collect();
        for room in rooms {
            let waiting = match self.rooms.get_mut(&room) {
                Some(state) => state.log.held.take_for_control(),
                None => continue,
            };
            self.judge_again(room, waiting);
        }
    }

    /// Gives the verdicts that are due although what was missing has not come.
    pub(super) fn expire_verdicts(&mut self) {
        let mut due = Vec::new();
        for state in self.rooms.values_mut() {
            due.extend(state.log.held.overdue(self.now));
        }
        for (token, _, wait_for) in due {
            self.verdict(token, GossipVerdict::Ignore);
            if wait_for == WaitFor::Control {
                self.count("no_membership");
            }
        }
        let mut forgotten = Vec::new();
        for (room, state) in &mut self.rooms {
            let late = state.log.held.forget_before(self.now);
            forgotten.extend(late.into_iter().map(|waiting| (*room, waiting)));
        }
        for (room, waiting) in forgotten {
            let id = waiting.envelope.id();
            self.waited(room, id, waiting.stored);
        }
        let now = self.now;
        let parked: Vec<_> = self
            .parked_verdicts
            .iter()
            .filter(|(_, (_, until))| *until <= now)
            .map(|(id, (token, _))| (*id, *token))
            .collect();
        for (id, token) in parked {
            self.parked_verdicts.remove(&id);
            self.verdict(token, GossipVerdict::Ignore);
        }
    }

    /// A message of ours that another device's message follows is held by that device.
    fn acknowledged_by(&mut self, room: RoomId, message: &Envelope) {
        for parent in &message.parents {
            self.held_elsewhere(room, *parent);
        }
    }

    /// Another device holds a message.
    pub(super) fn held_elsewhere(&mut self, room: RoomId, id: MessageId) {
        let ours = self.keys.device();
        let Some(state) = self.rooms.get_mut(&room) else { return };
        if state.log.get(id).is_none_or(|entry| entry.device != ours)
            || !state.log.mark_held_elsewhere(id)
        {
            return;
        }
        self.write_mark(room, id);
        self.write_index(room);
        self.show_state(room, id);
    }

    /// A message became visible.
    pub(super) fn show(&mut self, room: RoomId, id: MessageId) {
        if self.incomplete.remove(&id) {
            // People see it already; now it counts.
            return self.show_state(room, id);
        }
        if let Some(view) = self.message_view(room, id) {
            let live = self.is_news(room, view.time);
            self.emit(Effect::Event(Event::Message(view, live)));
        }
    }

    /// The state of a visible message may have changed.
    pub(super) fn show_state(&mut self, room: RoomId, id: MessageId) {
        if let Some(view) = self.message_view(room, id) {
            self.emit(Effect::Event(Event::MessageState(view)));
        }
    }

    /// Sends the revocations that ended an author's access to a peer that seems not to know.
    fn push_revocations(&mut self, peer: DeviceId, author: DeviceId, room: RoomId) {
        let Some(control) = self.control.as_ref() else { return };
        let revokes = control.revokes_against(author, room);
        self.push_control(peer, revokes);
    }

    /// Sends control objects to a peer that seems not to know them, newest first.
    pub(super) fn push_control(&mut self, peer: DeviceId, revokes: BTreeSet<ObjectId>) {
        let Some(control) = self.control.as_ref() else { return };
        let height = |id: &ObjectId| control.get(*id).map(|o| o.header.height);
        let mut newest: Vec<ObjectId> = revokes.into_iter().collect();
        newest.sort_by_key(|id| std::cmp::Reverse(height(id)));
        let objects: Vec<Vec<u8>> = newest
            .into_iter()
            .take(REVOCATIONS_PUSHED_MAX)
            .filter_map(|id| control.bytes(id))
            .map(<[u8]>::to_vec)
            .collect();
        if objects.is_empty() {
            return;
        }
        let digest = control.digest();
        // Once per state of the log is enough, however many messages come.
        let told = self.peers.get_mut(&peer).map(|p| p.told.replace(digest));
        if told.is_some_and(|told| told != Some(digest)) {
            let objects = objects.into_iter().map(crate::sync::Blob).collect();
            self.ask(peer, Request::Push { scope: Scope::Control, objects });
        }
    }

    pub(super) fn refuse(&mut self, origin: Origin, verdict: GossipVerdict, reason: &'static str) {
        self.count(reason);
        self.settle(origin, verdict);
    }

    pub(super) fn settle(&mut self, origin: Origin, verdict: GossipVerdict) {
        if let Origin::Gossip { token, .. } = origin {
            self.verdict(token, verdict);
        }
    }
}
