//! What can be looked at. Nothing here changes anything.

use super::Engine;
use super::command::{Failure, FailureKind};
use super::principals::permitted;
use crate::control::ControlLog;
use crate::id::{AgentId, DeviceId, MessageId, ObjectId, RoomId};
use crate::join::JoinRequest;
use crate::object::{ControlObject, HistoryPolicy, ObjectType, Payload, UnitKind};
use crate::view::{
    AccessLine, AgentRef, AgentView, CompanyRef, ControlEntry, JoinRequestView, JoinView,
    MessageState, MessageView, PeerView, RoomLine, RoomRef, RoomStatus, RoomView, StatusView,
    UnitView,
};

impl Engine {
    /// The state of this node.
    #[must_use]
    pub fn status(&self) -> StatusView {
        let control = self.control.as_ref().filter(|_| self.member);
        StatusView {
            company: self.company_ref().filter(|_| self.member),
            agent: self.me().map(|me| self.agent_ref(me)),
            device: self.keys.device(),
            member: self.member,
            join: self.join_view().filter(|_| !self.member),
            peers: self.peers.keys().map(|peer| self.peer_view(*peer)).collect(),
            control_digest: control.map(ControlLog::digest).unwrap_or_default(),
            control_objects: control.map_or(0, |c| c.order().len() as u64),
            applied: self.applied(),
            rooms: self.accessible_rooms().into_iter().map(|room| self.room_status(room)).collect(),
            verdicts: self.verdicts.iter().map(|(reason, count)| (*reason, *count)).collect(),
            alarms: control.map(|c| self.alarm_views(c)).unwrap_or_default(),
            copied: self.is_copied(),
            presence: self.settings.presence,
            admin: self.own_authority(),
        }
    }

    /// Our own request to join, if one was made since the start.
    #[must_use]
    pub fn join_view(&self) -> Option<JoinView> {
        self.join.as_ref().map(super::joining::JoinClient::view)
    }

    /// Devices that ask to be let in.
    ///
    /// # Errors
    /// If this device may not let agents in.
    pub fn join_requests(&self) -> Result<Vec<JoinRequestView>, Failure> {
        self.require_approver()?;
        let access = self.access()?;
        let view = |request: &JoinRequest| JoinRequestView {
            name: request.newcomer.name.clone(),
            device: request.newcomer.device,
            code: request.code().unwrap_or_default().to_owned(),
            expires: request.expires,
            name_taken: access.agent_named(&request.newcomer.name).is_some(),
            device_of: access
                .agent_named(&request.newcomer.name)
                .filter(|agent| access.is_live(*agent))
                .map(|agent| self.agent_ref(agent)),
            countersigned: false,
        };
        let mut requests: Vec<_> = self.desk.open(self.now).map(view).collect();
        requests.extend(self.confirmed_views());
        Ok(requests)
    }

    /// Units of a kind, by name.
    ///
    /// # Errors
    /// If this device is not a member.
    pub fn units(&self, kind: UnitKind) -> Result<Vec<UnitView>, Failure> {
        let access = self.access()?;
        let mut units: Vec<UnitView> = access
            .units()
            .iter()
            .filter(|(_, unit)| unit.kind == kind && !unit.revoked)
            .map(|(id, unit)| UnitView { id: *id, kind: unit.kind, label: access.unit_label(*id) })
            .collect();
        units.sort_by(|a, b| a.label.cmp(&b.label));
        Ok(units)
    }

    /// All agents, by name.
    ///
    /// # Errors
    /// If this device is not a member.
    pub fn agents(&self) -> Result<Vec<AgentView>, Failure> {
        let mut agents: Vec<AgentView> =
            self.access()?.agents().keys().map(|id| self.agent_view(*id)).collect();
        agents.sort_by(|a, b| a.agent.name.cmp(&b.agent.name));
        Ok(agents)
    }

    /// One agent.
    ///
    /// # Errors
    /// If there is none of that name or id.
    pub fn agent(&self, selector: &str) -> Result<AgentView, Failure> {
        Ok(self.agent_view(self.find_agent(selector)?.id))
    }

    /// Rooms that this agent may access, by name; with `all`, for admins, every room.
    ///
    /// # Errors
    /// If this device is not a member, or asks for all without a grant for rooms.
    pub fn rooms(&self, all: bool) -> Result<Vec<RoomLine>, Failure> {
        let access = self.access()?;
        if all {
            self.require_admin(|may| may.rooms, "see all rooms")?;
        }
        let mut lines: Vec<RoomLine> = access
            .rooms()
            .iter()
            .filter(|(_, info)| !info.revoked)
            .map(|(id, _)| self.room_line(*id))
            .filter(|l| all || l.access)
            .collect();
        lines.sort_by(|a, b| a.room.name.cmp(&b.room.name));
        Ok(lines)
    }

    /// A room with its permissions; for those With Access and for admins.
    ///
    /// # Errors
    /// Unknown, or not open to this agent.
    pub fn room(&self, selector: &str) -> Result<RoomView, Failure> {
        self.room_view(self.visible_room(selector)?)
    }

    /// Who has access to a room, and through which permissions; for those With Access and
    /// for admins.
    ///
    /// # Errors
    /// Unknown, or not open to this agent.
    pub fn room_access(&self, selector: &str) -> Result<(RoomRef, Vec<AccessLine>), Failure> {
        let room = self.visible_room(selector)?;
        let access = self.access()?;
        let mut lines: Vec<AccessLine> = access
            .with_access(room)
            .into_iter()
            .map(|agent| AccessLine {
                agent: self.agent_ref(agent),
                via: access.via(agent, room).into_iter().map(|p| access.label(p)).collect(),
                present: self.is_present(agent),
            })
            .collect();
        lines.sort_by(|a, b| a.agent.name.cmp(&b.agent.name));
        Ok((self.room_ref(room), lines))
    }

    /// Who is in a room now, as far as this node sees.
    ///
    /// # Errors
    /// Unknown, or not open to this agent.
    pub fn participants(&self, selector: &str) -> Result<(RoomRef, Vec<AgentRef>), Failure> {
        let room = self.readable_room(selector)?;
        let (_, lines) = self.room_access(selector)?;
        let present = lines.into_iter().filter(|line| line.present).map(|line| line.agent);
        Ok((room, present.collect()))
    }

    /// The room of a name, if this agent may read it.
    ///
    /// # Errors
    /// Unknown, or not open to this agent.
    pub fn readable_room(&self, selector: &str) -> Result<RoomRef, Failure> {
        let room = self.find_conversation(selector)?;
        let access = self.access()?;
        if self.me().is_some_and(|me| access.has_access(me, room)) {
            Ok(self.room_ref(room))
        } else {
            Err(self.no_access(room))
        }
    }

    /// The counting control objects, in order of (height, id).
    #[must_use]
    pub fn control_log(&self) -> Vec<ControlEntry> {
        let Some(control) = self.control.as_ref().filter(|_| self.member) else {
            return Vec::new();
        };
        let entry = |(height, id): (u64, ObjectId)| {
            let object: Option<&ControlObject> = control.get(id);
            let author = object.map(|o| o.header.author).or(control.genesis().map(|g| g.root))?;
            let kind = object.map_or(ObjectType::Genesis, |o| o.payload.object_type()).name();
            let bytes = control.bytes(id)?.to_vec();
            Some(ControlEntry { id, kind, height, author, bytes })
        };
        control.order().iter().filter_map(entry).collect()
    }

    pub(super) fn company_ref(&self) -> Option<CompanyRef> {
        let control = self.control.as_ref()?;
        let name = control.genesis()?.name.clone();
        Some(CompanyRef { id: control.company(), name })
    }

    pub(super) fn room_view(&self, room: RoomId) -> Result<RoomView, Failure> {
        let access = self.access()?;
        let instant = access.instant(room).map(|_| (String::new(), HistoryPolicy::Full, true));
        let made = access.rooms().get(&room);
        let made = made.map(|info| (info.topic.clone(), info.history, info.active));
        let (topic, history, active) = instant.or(made).ok_or_else(|| self.no_access(room))?;
        Ok(RoomView {
            room: self.room_ref(room),
            topic,
            history,
            active,
            permissions: access.principals(room).map(|p| access.label(p)).collect(),
            principals: access.principals(room).map(|p| permitted(access, p)).collect(),
        })
    }

    /// A message as shown, if it is visible.
    pub(super) fn message_view(&self, room: RoomId, id: MessageId) -> Option<MessageView> {
        if !self.is_visible(room, id) {
            return None;
        }
        if let Some(message) = self.incomplete_message(room, id) {
            return self.incomplete_view(room, id, message);
        }
        self.view_of(room, id, self.text_of(room, self.read_message(room, id)?.value())?)
    }

    /// A message that is or was visible, with its text, which the caller has at hand.
    pub(super) fn view_of(&self, room: RoomId, id: MessageId, text: String) -> Option<MessageView> {
        let entry = self.rooms.get(&room)?.log.get(id)?;
        let access = self.control.as_ref()?.access();
        let author = self.author_of(room, entry.device, id).map(|id| self.agent_ref(id))?;
        // Of a device, not of an agent: what a stolen laptop wrote stands by others' word only.
        let live = access.device_has_access(entry.device, room);
        let ours = entry.device == self.keys.device();
        let state = match (live, ours && !entry.held_elsewhere) {
            _ if !self.is_visible(room, id) => MessageState::Void,
            (true, true) => MessageState::Pending,
            (true, false) => MessageState::Accepted,
            (false, _) => MessageState::Vouched,
        };
        Some(MessageView {
            id,
            room: self.room_ref(room),
            author,
            device: entry.device,
            height: entry.height,
            time: entry.claimed_time,
            text,
            state,
            incomplete: false,
            late: !ours && self.rooms.get(&room).is_some_and(|state| state.log.came_late(id)),
            clock: self.rooms.get(&room).and_then(|state| state.log.clock_note(id)),
        })
    }

    /// The agent of a device, or, if it is live no longer, the one that it was when it wrote.
    pub(super) fn author_of(
        &self,
        room: RoomId,
        device: DeviceId,
        id: MessageId,
    ) -> Option<AgentId> {
        let control = self.control.as_ref()?;
        if let Some(agent) = control.access().agent_of(device) {
            return Some(agent);
        }
        let certified = || {
            let enter = self.read_message(room, id)?.value().standing?;
            let body = self.read_message(room, enter)?.value().enter_body().ok()?;
            match &control.get(body.device_cert())?.payload {
                Payload::DeviceCert(cert) if cert.device == device => Some(cert.agent),
                _ => None,
            }
        };
        certified().or_else(|| control.standing(device, room).agent)
    }

    /// Content that is accepted, or was shown and is about to be sealed by this node.
    pub(super) fn is_visible(&self, room: RoomId, id: MessageId) -> bool {
        let Some(state) = self.rooms.get(&room) else { return false };
        if let Some(message) = self.incomplete_message(room, id) {
            return message.epoch.is_some_and(|epoch| state.log.epochs.key(epoch).is_some());
        }
        let sealing = state.seal_at.is_some();
        state.log.get(id).is_some_and(|entry| {
            let about_to_be_sealed = sealing && state.log.is_unsealed(id);
            state.log.is_readable(id) && (entry.is_accepted() || about_to_be_sealed)
        })
    }

    pub(super) fn visible_room(&self, selector: &str) -> Result<RoomId, Failure> {
        let room = self.find_conversation(selector)?;
        let access = self.access()?;
        let open = self.me().is_some_and(|me| access.has_access(me, room));
        if open || self.is_admin(|may| may.rooms) { Ok(room) } else { Err(self.no_access(room)) }
    }

    /// Says what is missing without saying what only members may know.
    fn no_access(&self, room: RoomId) -> Failure {
        Failure::new(
            FailureKind::NoAccess,
            format!(
                "the room \"{}\" is not open to you: none of your units is among its permissions",
                self.room_ref(room).name
            ),
            "ask an admin to add you to one of its units, or to add a permission",
        )
    }

    pub(super) fn room_ref(&self, id: RoomId) -> RoomRef {
        let info = self.control.as_ref().and_then(|c| c.access().rooms().get(&id));
        let name = info.map(|r| r.name.clone()).or_else(|| self.instant_name(id));
        RoomRef { id, name: name.unwrap_or_default() }
    }

    fn agent_view(&self, id: AgentId) -> AgentView {
        let agent = self.agent_ref(id);
        let Some(access) = self.control.as_ref().map(ControlLog::access) else {
            return AgentView { agent, units: Vec::new(), devices: Vec::new(), active: false };
        };
        // A deleted unit has no members, and another one may bear its name by now.
        let in_use =
            |unit: &crate::id::UnitId| access.units().get(unit).is_some_and(|info| !info.revoked);
        let units = access.units_of(id).filter(in_use);
        let mut units: Vec<String> = units.map(|unit| access.unit_label(unit)).collect();
        units.sort();
        let devices = access.agents().get(&id).map(|a| a.devices.iter().copied().collect());
        let devices: Vec<_> = devices.unwrap_or_default();
        let active = !devices.is_empty();
        AgentView { agent, units, devices, active }
    }

    fn peer_view(&self, peer: crate::id::DeviceId) -> PeerView {
        let access = self.control.as_ref().filter(|_| self.member).map(ControlLog::access);
        let agent = access.and_then(|a| a.agent_of(peer)).map(|agent| self.agent_ref(agent));
        PeerView { device: peer, agent }
    }

    fn room_status(&self, id: RoomId) -> RoomStatus {
        let (room, instant) = (self.room_ref(id), self.instants.is_kept(id));
        let Some(state) = self.rooms.get(&id) else {
            let (digest, sync) = (ObjectId::default(), "complete".to_owned());
            return RoomStatus { room, messages: 0, locked: 0, digest, sync, instant };
        };
        let alone = !self.connected_members().iter().any(|peer| self.shares_room(*peer, id));
        let waiting = state.log.held.len();
        let have = state.log.shared().len() as u64;
        let sync = if let Some(expected) = self.expected_of(id).filter(|n| *n > have) {
            format!("fetching: {have} of {expected}")
        } else if self.is_fetching(id) {
            format!("fetching, {waiting} waiting")
        } else if waiting > 0 {
            format!("{waiting} waiting for what they refer to")
        } else if alone && self.others(Some(id)) {
            "complete as far as known: no other member is connected".to_owned()
        } else if state.compared || alone {
            "complete".to_owned()
        } else {
            "comparing".to_owned()
        };
        let (messages, digest) = (state.log.messages(), state.log.digest());
        let locked = if state.log.epochs.lacks_any() { state.log.locked() } else { 0 };
        RoomStatus { room, messages, locked, digest, sync, instant }
    }
}
