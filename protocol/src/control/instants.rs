//! Instant rooms that this node knows of, beside what follows from the log.
//!
//! Who has access to one follows from its agents and from the log. Which ones a node knows does
//! not: it is no part of the state that nodes compare.

use std::collections::BTreeMap;

use super::{Access, ControlLog};
use crate::envelope::{EnterBody, Envelope};
use crate::id::{AgentId, DeviceId, ObjectId, RoomId, UnitId};
use crate::instant::InstantAgents;
use crate::object::{Payload, Principal};

impl ControlLog {
    /// Takes note of an instant room; gives its id.
    pub fn learn_instant(&mut self, agents: InstantAgents) -> RoomId {
        let room = agents.room(self.company);
        self.access.instants.insert(room, agents);
        room
    }

    /// Forgets an instant room.
    pub fn forget_instant(&mut self, room: RoomId) {
        self.access.instants.remove(&room);
    }

    /// Whether the objects that an `Enter` lists can never lead its device to the room, whatever
    /// becomes of them: what is only void or ended here may count for an honest forwarder.
    #[must_use]
    pub fn contradicts_itself(&self, enter: &Envelope, body: &EnterBody) -> bool {
        self.enter_contradicts_itself(enter.device, enter.room, body)
    }

    /// As [`ControlLog::contradicts_itself`], of the `Enter` of a device in a room.
    #[must_use]
    pub fn enter_contradicts_itself(
        &self,
        device: DeviceId,
        room: RoomId,
        body: &EnterBody,
    ) -> bool {
        let payload = |id: ObjectId| self.get(id).map(|object| &object.payload);
        let Some(Payload::DeviceCert(cert)) = payload(body.device_cert()) else { return true };
        if cert.device != device {
            return true;
        }
        let (grants, permit) = match body {
            EnterBody::Instant { agents, .. } => return !agents.contains(cert.agent),
            EnterBody::Permitted { member_grants, permit, .. } => (member_grants, permit),
        };
        let Some(Payload::Permit(permit)) = payload(*permit) else { return true };
        let mut units = std::collections::BTreeSet::new();
        for grant in grants {
            match payload(*grant) {
                Some(Payload::MemberGrant(g)) if g.agent == cert.agent => {
                    units.insert(g.unit);
                    if let Some(Payload::UnitCreate(unit)) = payload(g.unit.into()) {
                        units.extend(unit.parent);
                    }
                }
                _ => return true,
            }
        }
        let leads = match permit.principal {
            Principal::Agent(agent) => agent == cert.agent,
            Principal::Unit(UnitId::ROLE_AGENT) => true,
            Principal::Unit(unit) => units.contains(&unit),
        };
        permit.room != room || !leads
    }
}

impl Access {
    /// The instant rooms that are known here.
    #[must_use]
    pub fn instants(&self) -> &BTreeMap<RoomId, InstantAgents> {
        &self.instants
    }

    /// The agents of an instant room that is known here.
    #[must_use]
    pub fn instant(&self, room: RoomId) -> Option<&InstantAgents> {
        self.instants.get(&room)
    }

    /// Whether an agent is one of those of an instant room that is known here.
    pub(super) fn is_of_instant(&self, agent: AgentId, room: RoomId) -> bool {
        self.instant(room).is_some_and(|agents| agents.contains(agent))
    }

    pub(super) fn take_instants(&mut self) -> BTreeMap<RoomId, InstantAgents> {
        std::mem::take(&mut self.instants)
    }

    pub(super) fn set_instants(&mut self, instants: BTreeMap<RoomId, InstantAgents>) {
        self.instants = instants;
    }
}
