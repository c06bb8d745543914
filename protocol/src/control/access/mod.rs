//! Who belongs where and who may read what, derived from what is carried.

mod ended;
mod pairs;
mod refresh;
mod standing;

use std::collections::{BTreeMap, BTreeSet};

pub(super) use pairs::Pair;
pub use refresh::Changes;
pub use standing::{Ended, Standing};

use super::authority::Authority;
use super::links::Links;
use super::names::NameTable;
use super::nodes::{Ix, Nodes};
use crate::id::{AgentId, DeviceId, ObjectId, RoomId, UnitId};
use crate::instant::InstantAgents;
use crate::object::{HistoryPolicy, Payload, Principal, RevokeMode, UnitKind};

/// The evaluated log, to look things up in.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) nodes: &'a Nodes,
    pub(super) links: &'a Links,
    pub(super) authority: &'a Authority,
}

impl View<'_> {
    pub(super) fn carried(&self, ix: Ix) -> bool {
        self.nodes.node(ix).carried()
    }

    /// The rank of the most senior carrier.
    pub(super) fn rank(&self, ix: Ix) -> Option<u32> {
        self.authority.rank(ix, self.nodes)
    }

    /// Whether a `Revoke` is carried and has an effect.
    pub(super) fn effective(&self, revoke: Ix) -> bool {
        self.authority.effective_rank(revoke, self.nodes).is_some()
    }

    /// Those `Revoke`s with an effect that no permitted `Ratify` of any target overrides.
    pub(super) fn not_returned(&self, revokes: &[Ix], targets: &[Ix]) -> Vec<Ix> {
        let ratifies = || targets.iter().flat_map(|target| self.links.ratifies_of(*target));
        let returns = |ratify: &Ix, revoke: Ix| {
            let Some(Payload::Ratify(r)) = self.nodes.payload(*ratify) else { return false };
            let permitted = self.mode(revoke) == Some(RevokeMode::Depart)
                || self.rank(*ratify) <= self.rank(revoke);
            self.carried(*ratify)
                && permitted
                && r.overrides.binary_search(&self.nodes.id(revoke)).is_ok()
        };
        let effective = revokes.iter().copied().filter(|revoke| self.effective(*revoke));
        effective.filter(|revoke| !ratifies().any(|ratify| returns(ratify, *revoke))).collect()
    }
}

/// An agent that some authority certified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AgentInfo {
    /// Its display name, with a suffix if another live agent bears it.
    pub name: String,
    /// Not dismissed.
    pub live: bool,
    /// Its live devices.
    pub devices: BTreeSet<DeviceId>,
}

/// A live device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceInfo {
    /// Whose.
    pub agent: AgentId,
    /// Its `DeviceCert`.
    pub cert: ObjectId,
}

/// A Department, Group or Role that some authority made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitInfo {
    /// What it is.
    pub kind: UnitKind,
    /// For a Group its Department.
    pub parent: Option<UnitId>,
    /// Its name, with a suffix if another unit of its kind and parent bears it.
    pub name: String,
    /// Deleted, or its Department is.
    pub revoked: bool,
}

/// A room that some authority made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomInfo {
    /// Its name, with a suffix if another room bears it.
    pub name: String,
    /// What it is about; empty if nobody said.
    pub topic: String,
    /// Whether it is in use.
    pub active: bool,
    /// What newcomers may read.
    pub history: HistoryPolicy,
    /// Deleted.
    pub revoked: bool,
}

/// Everything derived. See the module's documentation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    agents: BTreeMap<AgentId, AgentInfo>,
    devices: BTreeMap<DeviceId, DeviceInfo>,
    disputed: BTreeSet<DeviceId>,
    uncountersigned: BTreeSet<DeviceId>,
    units: BTreeMap<UnitId, UnitInfo>,
    rooms: BTreeMap<RoomId, RoomInfo>,
    members: BTreeMap<(AgentId, UnitId), Pair>,
    /// Agents with a membership in force, by unit.
    in_unit: BTreeMap<UnitId, BTreeSet<AgentId>>,
    /// Agents with a membership, in force or ended, or a void one, by unit.
    ever_in_unit: BTreeMap<UnitId, BTreeSet<AgentId>>,
    permits: BTreeMap<(RoomId, Principal), Pair>,
    /// Permits in force that are carried only under Departments, with these.
    limited: BTreeMap<Ix, BTreeSet<UnitId>>,
    /// Rooms that ever were open to a principal.
    rooms_of: BTreeMap<Principal, BTreeSet<RoomId>>,
    pub(super) names: NameTable,
    /// Not derived, see [`super::instants`].
    pub(super) instants: BTreeMap<RoomId, InstantAgents>,
}

const UNITS_MIN: UnitId = UnitId([0; 32]);
const UNITS_MAX: UnitId = UnitId([255; 32]);

impl Access {
    /// Agents by id, dismissed ones included.
    #[must_use]
    pub fn agents(&self) -> &BTreeMap<AgentId, AgentInfo> {
        &self.agents
    }

    /// Live devices by key.
    #[must_use]
    pub fn devices(&self) -> &BTreeMap<DeviceId, DeviceInfo> {
        &self.devices
    }

    /// Keys with unrevoked certificates for more than one agent; live for none of them.
    #[must_use]
    pub fn disputed(&self) -> &BTreeSet<DeviceId> {
        &self.disputed
    }

    /// Live devices, beyond their agent's first, that no other device of the agent confirmed.
    #[must_use]
    pub fn uncountersigned(&self) -> &BTreeSet<DeviceId> {
        &self.uncountersigned
    }

    /// Units by id, deleted ones included.
    #[must_use]
    pub fn units(&self) -> &BTreeMap<UnitId, UnitInfo> {
        &self.units
    }

    /// Rooms by id, deleted ones included.
    #[must_use]
    pub fn rooms(&self) -> &BTreeMap<RoomId, RoomInfo> {
        &self.rooms
    }

    /// The agent of a live device.
    #[must_use]
    pub fn agent_of(&self, device: DeviceId) -> Option<AgentId> {
        self.devices.get(&device).map(|d| d.agent)
    }

    /// Whether an agent is certified and not dismissed.
    #[must_use]
    pub fn is_live(&self, agent: AgentId) -> bool {
        self.agents.get(&agent).is_some_and(|a| a.live)
    }

    /// Whether an agent may read and write in a room now.
    #[must_use]
    pub fn has_access(&self, agent: AgentId, room: RoomId) -> bool {
        if !self.is_live(agent) {
            return false;
        }
        self.is_of_instant(agent, room)
            || self.rooms.get(&room).is_some_and(|r| !r.revoked)
                && self
                    .permits_of(room)
                    .any(|(principal, pair)| self.lets_in(agent, principal, pair))
    }

    /// Whether a device's agent may read and write in a room now.
    #[must_use]
    pub fn device_has_access(&self, device: DeviceId, room: RoomId) -> bool {
        self.agent_of(device).is_some_and(|agent| self.has_access(agent, room))
    }

    /// Agents With Access.
    #[must_use]
    pub fn with_access(&self, room: RoomId) -> BTreeSet<AgentId> {
        if let Some(agents) = self.instant(room) {
            return agents.iter().filter(|agent| self.is_live(*agent)).collect();
        }
        let mut agents = BTreeSet::new();
        if self.rooms.get(&room).is_none_or(|r| r.revoked) {
            return agents;
        }
        for (principal, pair) in self.permits_of(room) {
            if pair.in_force.is_empty() {
                continue;
            }
            match principal {
                Principal::Unit(UnitId::ROLE_AGENT) => agents.extend(self.agents.keys()),
                Principal::Unit(unit) => agents.extend(self.members_of(unit)),
                Principal::Agent(agent) => {
                    agents.extend(self.lets_in(agent, principal, pair).then_some(agent));
                }
            }
        }
        agents.retain(|agent| self.is_live(*agent));
        agents
    }

    /// The principals that a room is open to, by a permit in force; of an instant room its agents.
    pub fn principals(&self, room: RoomId) -> impl Iterator<Item = Principal> + '_ {
        let agents = self.instant(room).into_iter().flat_map(InstantAgents::iter);
        let in_force = self.permits_of(room).filter(|(_, pair)| !pair.in_force.is_empty());
        agents.map(Principal::Agent).chain(in_force.map(|(principal, _)| principal))
    }

    /// The units that an agent belongs to directly.
    pub fn units_of(&self, agent: AgentId) -> impl Iterator<Item = UnitId> + '_ {
        self.members
            .range((agent, UNITS_MIN)..=(agent, UNITS_MAX))
            .filter(|(_, pair)| !pair.in_force.is_empty())
            .map(|((_, unit), _)| *unit)
    }

    /// Members of a unit in use, by memberships in force in it or, if it is a Department, in a
    /// Group of it that is in use. Dismissed agents are among them.
    #[must_use]
    pub fn members_of(&self, unit: UnitId) -> BTreeSet<AgentId> {
        let Some(info) = self.units.get(&unit).filter(|u| !u.revoked) else {
            return BTreeSet::new();
        };
        let mut members = self.in_unit.get(&unit).cloned().unwrap_or_default();
        if info.kind == UnitKind::Department {
            let inside = |g: &UnitInfo| g.parent == Some(unit) && !g.revoked;
            let groups = self.units.iter().filter(|(_, group)| inside(group));
            members.extend(groups.filter_map(|(id, _)| self.in_unit.get(id)).flatten());
        }
        members
    }

    /// The permissions in force through which an agent has access.
    #[must_use]
    pub fn via(&self, agent: AgentId, room: RoomId) -> Vec<Principal> {
        if !self.has_access(agent, room) {
            return Vec::new();
        }
        if self.is_of_instant(agent, room) {
            return vec![Principal::Agent(agent)];
        }
        let permits = self.permits_of(room);
        permits.filter(|(p, pair)| self.lets_in(agent, *p, pair)).map(|(p, _)| p).collect()
    }

    /// Rooms that are, or were, open to a principal.
    pub fn rooms_of(&self, principal: Principal) -> impl Iterator<Item = RoomId> + '_ {
        self.rooms_of.get(&principal).into_iter().flatten().copied()
    }

    pub(super) fn member_pair(&self, agent: AgentId, unit: UnitId) -> Option<&Pair> {
        self.members.get(&(agent, unit))
    }

    pub(super) fn permit_pair(&self, room: RoomId, principal: Principal) -> Option<&Pair> {
        self.permits.get(&(room, principal))
    }

    fn permits_of(&self, room: RoomId) -> impl Iterator<Item = (Principal, &Pair)> {
        let first = (room, Principal::Unit(UNITS_MIN));
        let last = (room, Principal::Agent(AgentId([255; 32])));
        self.permits.range(first..=last).map(|((_, principal), pair)| (*principal, pair))
    }

    /// Whether permits in force let an agent in.
    fn lets_in(&self, agent: AgentId, principal: Principal, pair: &Pair) -> bool {
        if pair.in_force.is_empty() {
            return false;
        }
        match principal {
            Principal::Unit(UnitId::ROLE_AGENT) => true,
            Principal::Unit(unit) => self.is_member(agent, unit),
            Principal::Agent(named) => {
                named == agent
                    && pair.in_force.iter().any(|permit| match self.limited.get(permit) {
                        Some(units) => units.iter().any(|unit| self.is_member(agent, *unit)),
                        None => true,
                    })
            }
        }
    }

    fn is_in(&self, agent: AgentId, unit: UnitId) -> bool {
        self.in_unit.get(&unit).is_some_and(|members| members.contains(&agent))
    }

    /// Whether an agent is a member of a unit in use, directly or through a Group in use.
    #[must_use]
    pub fn is_member(&self, agent: AgentId, unit: UnitId) -> bool {
        let used = |unit: UnitId| self.units.get(&unit).filter(|u| !u.revoked);
        let Some(info) = used(unit) else { return false };
        self.is_in(agent, unit)
            || info.kind == UnitKind::Department
                && self
                    .units_of(agent)
                    .any(|held| used(held).is_some_and(|group| group.parent == Some(unit)))
    }
}
