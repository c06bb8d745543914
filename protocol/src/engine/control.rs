//! Taking control objects in, and everything that follows from a change of the log.

use std::collections::BTreeSet;

use super::Engine;
use super::io::{Effect, Event, GossipToken, GossipVerdict, PeerPolicy, Table, Write};
use super::load::COMPANY;
use crate::control::{Added, Changes, ControlLog, Standing};
use crate::id::{CompanyId, DeviceId, MessageId, ObjectId, RoomId};
use crate::limits::{HOLD_MS_MAX, SEAL_DELAY_MS_MAX, STATES_TOLD_MAX, VOID_CONTROL_BROUGHT_MAX};
use crate::object::{ControlObject, Genesis, ObjectError, ObjectType};
use crate::signed::{Checked, Trust, Verified, VerifyError, peek_type};
use crate::sync::Scope;

/// What became of control bytes, for gossip.
enum Taken {
    Counts,
    /// In the log, but no authority stands behind it.
    Void(ObjectId),
    Duplicate,
    Parked(ObjectId),
    Dropped(GossipVerdict),
}

/// What became of several control objects.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TakenObjects {
    /// Some count now.
    pub(super) changed: bool,
    /// Some wait for what they refer to.
    pub(super) parked: bool,
}

impl Engine {
    /// A control object came by gossip.
    pub(super) fn gossip_control(&mut self, peer: DeviceId, token: GossipToken, bytes: &[u8]) {
        if peek_type(bytes) == Some(ObjectType::StateReport) {
            let verdict = self.take_report(bytes);
            return self.verdict(token, verdict);
        }
        if peek_type(bytes) == Some(ObjectType::Presence) {
            let verdict = self.take_beacon(bytes, None);
            return self.verdict(token, verdict);
        }
        match self.take_control(bytes, None) {
            Taken::Counts => {
                self.verdict(token, GossipVerdict::Accept);
                self.control_changed();
            }
            Taken::Void(id) => {
                // Whoever passed it on may be honest and behind.
                self.verdict(token, GossipVerdict::Ignore);
                self.push_cut(peer, id);
                self.control_changed();
            }
            Taken::Duplicate => self.verdict(token, GossipVerdict::Ignore),
            Taken::Parked(id) => {
                let until = self.now.plus_ms(HOLD_MS_MAX);
                if let Some((old, _)) = self.parked_verdicts.insert(id, (token, until)) {
                    self.verdict(old, GossipVerdict::Ignore);
                }
                self.want(peer, Scope::Control);
            }
            Taken::Dropped(verdict) => self.verdict(token, verdict),
        }
    }

    /// Control objects came in an answer or push.
    ///
    /// `pulled_from` is the peer whose running pull brought them, if one did.
    pub(super) fn take_control_objects<'a>(
        &mut self,
        objects: impl Iterator<Item = &'a [u8]>,
        pulled_from: Option<DeviceId>,
    ) -> TakenObjects {
        let mut taken = TakenObjects::default();
        for bytes in objects {
            match self.take_control(bytes, pulled_from) {
                Taken::Counts | Taken::Void(_) => taken.changed = true,
                Taken::Parked(_) => taken.parked = true,
                Taken::Duplicate | Taken::Dropped(_) => {}
            }
        }
        if taken.changed {
            self.control_changed();
        }
        taken
    }

    fn take_control(&mut self, bytes: &[u8], pulled_from: Option<DeviceId>) -> Taken {
        let checked = self.take_check(bytes);
        let generous = pulled_from.filter(|peer| self.may_bring_void(*peer));
        let Some(control) = self.control.as_mut() else {
            return Taken::Dropped(GossipVerdict::Ignore);
        };
        let company = control.company();
        let added = if peek_type(bytes) == Some(ObjectType::Genesis) {
            Verified::<Genesis>::genesis(bytes, Trust::Nothing).and_then(|genesis| {
                if CompanyId::from(genesis.id()) == company {
                    Ok((genesis.id(), control.add_genesis(genesis)))
                } else {
                    Err(VerifyError::WrongCompany)
                }
            })
        } else {
            // What is here already needs no second look at its signature.
            let id = checked.as_ref().map(Checked::id).or_else(|| crate::signed::peek_id(bytes));
            let verify = || match checked {
                Some(checked) => checked.into_control(company),
                None => Verified::<ControlObject>::control(bytes, company, Trust::Nothing),
            };
            match id {
                Some(id) if control.holds(id) => Ok((id, Added::Duplicate)),
                _ => verify().map(|object| {
                    let id = object.id();
                    let Some(peer) = generous else { return (id, control.add(object)) };
                    let added = control.add_beyond_share(object);
                    if control.is_idle(id) {
                        self.void_brought.entry(id).or_default().insert(peer);
                    }
                    (id, added)
                }),
            }
        };
        match added {
            Ok((id, Added::Taken(ids))) => {
                self.persist_control(&ids);
                let counts = self.control.as_ref().is_some_and(|c| c.counts(id));
                if !counts {
                    self.count("void");
                }
                if counts { Taken::Counts } else { Taken::Void(id) }
            }
            Ok((_, Added::Duplicate)) => Taken::Duplicate,
            Ok((id, Added::Parked { .. })) => Taken::Parked(id),
            Ok((_, Added::Full)) => {
                self.count("parked_full");
                Taken::Dropped(GossipVerdict::Ignore)
            }
            Ok((_, Added::Unsound(reason))) => {
                self.count(reason.word());
                Taken::Dropped(GossipVerdict::Ignore)
            }
            Err(error) => {
                self.count(verify_word(error));
                Taken::Dropped(refusal_of(error))
            }
        }
    }

    /// Whether a pull from this peer may bring void objects beyond their author's share.
    fn may_bring_void(&self, peer: DeviceId) -> bool {
        let trusted = self.peers.get(&peer).is_some_and(|state| !state.brought_idle);
        trusted && self.void_brought.len() < VOID_CONTROL_BROUGHT_MAX
    }

    /// At the end of a pull: takes back the void objects that it brought and that nothing which is
    /// reconciled refers to. Whoever brought such has no credit any more.
    pub(super) fn drop_idle_brought(&mut self, peer: DeviceId) {
        let Some(control) = self.control.as_mut() else { return };
        let brought: BTreeSet<ObjectId> = self
            .void_brought
            .extract_if(.., |_, peers| peers.remove(&peer) && peers.is_empty())
            .map(|(id, _)| id)
            .filter(|id| control.is_idle(*id))
            .collect();
        let over = |id: &ObjectId| control.is_over_share(*id);
        if !brought.iter().any(over) {
            return;
        }
        let dropped = control.drop_idle(&brought);
        if let Some(state) = self.peers.get_mut(&peer) {
            state.brought_idle = true;
        }
        for id in dropped {
            self.void_brought.remove(&id);
            self.writes.push(Write { table: Table::Control, key: id.0.to_vec(), value: None });
            self.forget_heard(id);
            self.count("void_dropped");
        }
    }

    /// Tells a peer what cut an object off that it passed on.
    fn push_cut(&mut self, peer: DeviceId, id: ObjectId) {
        let Some(control) = self.control.as_ref() else { return };
        let explanation = control.explain(id);
        self.push_control(peer, explanation.cut_by.into_iter().collect());
    }

    /// Makes objects of the log durable, unless the log is that of a company which has not
    /// certified this device: then nothing is stored before it does.
    pub(super) fn persist_control(&mut self, ids: &[ObjectId]) {
        for id in ids {
            if let Some((token, _)) = self.parked_verdicts.remove(id) {
                let counts = self.control.as_ref().is_some_and(|c| c.counts(*id));
                let verdict = if counts { GossipVerdict::Accept } else { GossipVerdict::Ignore };
                self.verdict(token, verdict);
            }
        }
        if !self.member {
            return;
        }
        for id in ids {
            let bytes = self.control.as_ref().and_then(|c| c.bytes(*id)).map(<[u8]>::to_vec);
            if let Some(bytes) = bytes {
                self.write(Table::Control, id.0, bytes);
                self.note_heard(*id);
            }
        }
    }

    /// Everything that follows from a change of the control log.
    pub(super) fn control_changed(&mut self) {
        let Some(control) = self.control.as_mut() else { return };
        let changes = control.refresh();
        if !changes.is_empty() {
            self.follow_control(Some(&changes));
        }
    }

    /// As [`Engine::control_changed`], for `changes` or, after a start, for everything.
    pub(super) fn follow_control(&mut self, changes: Option<&Changes>) {
        let Some(control) = self.control.as_ref() else { return };
        let company = control.company();
        let certified = control.access().agent_of(self.keys.device()).is_some();
        if certified && !self.member {
            if !self.is_wished() {
                return self.joined_as_another(company);
            }
            self.become_member(company);
        }
        self.look_at_epochs_again();
        if changes.is_none_or(|c| !c.agents.is_empty() || !c.rooms.is_empty()) {
            let regained = self.open_rooms();
            // After a start all rooms are new; a conversation is there because of a message.
            for room in
                regained.iter().filter(|room| changes.is_some() && !self.instants.is_kept(**room))
            {
                if let Some(state) = self.rooms.get_mut(room) {
                    state.opened = Some(self.now);
                }
            }
            self.rejudge_rooms(changes, &regained);
            self.hide_incomplete_of_ended();
            // Before anything is accepted: gossip must not pass it on to whoever lost access.
            if self.update_policy() {
                // Whoever may read more than before has something to fetch.
                for peer in self.connected_members() {
                    self.summarize(peer);
                }
            }
        }
        let known: Vec<DeviceId> =
            self.introduced.keys().copied().filter(|peer| self.is_member(*peer)).collect();
        self.review_introductions();
        for peer in known {
            self.introduced.remove(&peer);
            self.greet_member(peer);
        }
        self.retry_waiting_for_control();
        self.drop_drafts_of_closed_rooms();
        self.presence_changed();
        self.report_soon();
        self.emit(Effect::Event(Event::Control));
    }

    fn become_member(&mut self, company: CompanyId) {
        self.member = true;
        self.write(Table::State, COMPANY, company.0.to_vec());
        let all: Vec<ObjectId> = self.control.iter().flat_map(ControlLog::ids).collect();
        self.persist_control(&all);
        self.joined();
        self.publish_own_addresses();
        // Connected before they could be told apart from strangers.
        for peer in self.connected_members() {
            self.greet_member(peer);
        }
    }

    /// Rooms that this agent may access now.
    pub(super) fn accessible_rooms(&self) -> BTreeSet<RoomId> {
        let (Some(control), Some(me)) = (self.control.as_ref(), self.me()) else {
            return BTreeSet::new();
        };
        let access = control.access();
        let rooms = access.rooms().keys().copied().chain(self.instants.kept());
        rooms.filter(|room| access.has_access(me, *room)).collect()
    }

    /// Gives the rooms to which access is new.
    fn open_rooms(&mut self) -> BTreeSet<RoomId> {
        let open = self.accessible_rooms();
        let before: BTreeSet<RoomId> = self.topics.values().copied().collect();
        let topics = self.topic_names();
        let named = |room: &RoomId| topics.map(|topics| (topics.room(*room), *room));
        self.topics = open.iter().filter_map(named).collect();
        for room in &open {
            self.rooms.entry(*room).or_default();
        }
        &open - &before
    }

    fn rejudge_rooms(&mut self, changes: Option<&Changes>, regained: &BTreeSet<RoomId>) {
        let Some(control) = self.control.as_ref() else { return };
        let (mut shown, mut others) = (Vec::new(), Vec::new());
        for (id, room) in &mut self.rooms {
            room.refused_enters.clear();
            let concerns = changes.is_none_or(|changes| {
                let changed = |device| {
                    control.agents_of_device(device).any(|agent| changes.agents.contains(&agent))
                };
                changes.rooms.contains(id) || room.log.authors().any(changed)
            });
            if !concerns {
                continue;
            }
            match room.log.rejudge(|device| control.standing(device, *id)) {
                Some(rejudged) => {
                    shown.extend(rejudged.accepted.into_iter().map(|message| (*id, message)));
                    let changed = rejudged.lost.into_iter().chain(rejudged.returned);
                    others.extend(changed.map(|message| (*id, message)).take(STATES_TOLD_MAX));
                }
                // Nothing could be sealed while this agent had no access.
                None if regained.contains(id) => {}
                None => continue,
            }
            if !room.log.unsealed_heads().is_empty() && room.seal_at.is_none() {
                let delay = self.entropy.below(SEAL_DELAY_MS_MAX);
                room.seal_at = Some(self.now.plus_ms(delay));
            }
        }
        for (room, message) in shown {
            self.write_mark(room, message);
            self.write_index(room);
            self.show(room, message);
        }
        for (room, message) in others {
            self.tell_state(room, message);
        }
    }

    /// Tells how a message stands that people have seen: also that it is void now.
    fn tell_state(&mut self, room: RoomId, id: MessageId) {
        let open = self.topics.values().any(|open| *open == room);
        let text = self.read_message(room, id).and_then(|m| self.text_of(room, m.value()));
        if let Some(view) = text.filter(|_| open).and_then(|text| self.view_of(room, id, text)) {
            self.emit(Effect::Event(Event::MessageState(view)));
        }
    }

    /// How a device stands in a room now.
    pub(super) fn standing_of(&self, device: DeviceId, room: RoomId) -> Standing {
        self.control.as_ref().map(|c| c.standing(device, room)).unwrap_or_default()
    }

    /// Returns whether the policy is another than before.
    pub(super) fn update_policy(&mut self) -> bool {
        let Some(control) = self.control.as_ref().filter(|_| self.member) else {
            return false;
        };
        let access = control.access();
        let members: BTreeSet<DeviceId> = access.devices().keys().copied().collect();
        let mut policy = PeerPolicy { members, ..PeerPolicy::default() };
        if let Some(topics) = control.topics() {
            policy.topics.insert(topics.control(), policy.members.clone());
        }
        for (topic, room) in &self.topics {
            let devices = access
                .with_access(*room)
                .into_iter()
                .filter_map(|agent| access.agents().get(&agent))
                .flat_map(|agent| agent.devices.iter().copied())
                .collect();
            policy.topics.insert(*topic, devices);
        }
        if policy == self.policy {
            return false;
        }
        self.policy = policy.clone();
        self.emit(Effect::Policy(policy));
        true
    }
}

/// The verdict for a verification error. What a newer version may have made is no offence of
/// whoever passes it on.
pub(super) fn refusal_of(error: VerifyError) -> GossipVerdict {
    match error {
        VerifyError::Malformed(ObjectError::Unsupported(_) | ObjectError::Version(_)) => {
            GossipVerdict::Ignore
        }
        _ => GossipVerdict::Reject,
    }
}

/// The counter of a verification error.
pub(super) fn verify_word(error: VerifyError) -> &'static str {
    match error {
        VerifyError::Malformed(ObjectError::Unsupported(_) | ObjectError::Version(_)) => {
            "unsupported"
        }
        VerifyError::Malformed(_) => "malformed",
        VerifyError::BadSignature => "bad_signature",
        VerifyError::WrongCompany => "wrong_company",
    }
}
