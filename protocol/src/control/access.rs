//! Who belongs where and who may read what, derived from the counting control objects.
//!
//! A pair (agent, unit) or (room, principal) is in force if one of its grants is. A grant is
//! in force if its override closure holds every `Revoke` that strikes its pair; a `Revoke` of
//! a membership in a Department strikes the memberships in its Groups too.

use std::collections::{BTreeMap, BTreeSet};

use crate::envelope::EnterBody;
use crate::id::{AgentId, DeviceId, ObjectId, RoomId, UnitId};
use crate::object::{ControlObject, HistoryPolicy, Payload, Principal, UnitKind};

/// An agent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AgentInfo {
    /// Its display name.
    pub name: String,
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

/// A Department, Group or Role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitInfo {
    /// What it is.
    pub kind: UnitKind,
    /// For a Group its Department.
    pub parent: Option<UnitId>,
    /// Its name.
    pub name: String,
}

/// The grants of one pair and what strikes them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Pair {
    /// Every counting grant, in force or ended.
    grants: BTreeSet<ObjectId>,
    /// Those in force.
    in_force: BTreeSet<ObjectId>,
    /// Every counting `Revoke` that strikes the pair.
    revokes: BTreeSet<ObjectId>,
}

/// A room with its permissions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomInfo {
    /// Its name.
    pub name: String,
    /// What newcomers may read.
    pub history: HistoryPolicy,
    permits: BTreeMap<Principal, Pair>,
    with_access: BTreeSet<AgentId>,
    /// Agents that some chain of counting grants, in force or ended, leads to the room.
    proved: BTreeSet<AgentId>,
}

/// Everything derived. See the module's documentation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    agents: BTreeMap<AgentId, AgentInfo>,
    devices: BTreeMap<DeviceId, DeviceInfo>,
    /// Keys certified for more than one agent: live for none.
    disputed: BTreeSet<DeviceId>,
    units: BTreeMap<UnitId, UnitInfo>,
    members: BTreeMap<(AgentId, UnitId), Pair>,
    rooms: BTreeMap<RoomId, RoomInfo>,
}

impl Access {
    pub(super) fn derive<'a>(
        objects: impl Iterator<Item = (ObjectId, &'a ControlObject)> + Clone,
    ) -> Self {
        let mut access = Self::default();
        access.collect(objects.clone());
        access.strike(objects);
        access.open_rooms();
        access
    }

    /// Agents by id.
    #[must_use]
    pub fn agents(&self) -> &BTreeMap<AgentId, AgentInfo> {
        &self.agents
    }

    /// Live devices by key.
    #[must_use]
    pub fn devices(&self) -> &BTreeMap<DeviceId, DeviceInfo> {
        &self.devices
    }

    /// Keys certified for more than one agent; live for none of them.
    #[must_use]
    pub fn disputed(&self) -> &BTreeSet<DeviceId> {
        &self.disputed
    }

    /// Units by id.
    #[must_use]
    pub fn units(&self) -> &BTreeMap<UnitId, UnitInfo> {
        &self.units
    }

    /// Rooms by id.
    #[must_use]
    pub fn rooms(&self) -> &BTreeMap<RoomId, RoomInfo> {
        &self.rooms
    }

    /// The agent of a live device.
    #[must_use]
    pub fn agent_of(&self, device: DeviceId) -> Option<AgentId> {
        self.devices.get(&device).map(|d| d.agent)
    }

    /// Whether an agent may read and write in a room now.
    #[must_use]
    pub fn has_access(&self, agent: AgentId, room: RoomId) -> bool {
        self.rooms.get(&room).is_some_and(|r| r.with_access.contains(&agent))
    }

    /// Whether a device's agent may read and write in a room now.
    #[must_use]
    pub fn device_has_access(&self, device: DeviceId, room: RoomId) -> bool {
        self.agent_of(device).is_some_and(|agent| self.has_access(agent, room))
    }

    /// Whether an agent may, or once could, be in a room.
    #[must_use]
    pub fn is_proved(&self, agent: AgentId, room: RoomId) -> bool {
        self.rooms.get(&room).is_some_and(|r| r.proved.contains(&agent))
    }

    /// The units that an agent belongs to directly.
    pub fn units_of(&self, agent: AgentId) -> impl Iterator<Item = UnitId> + '_ {
        self.members
            .range((agent, UnitId([0; 32]))..=(agent, UnitId([255; 32])))
            .filter(|(_, pair)| !pair.in_force.is_empty())
            .map(|((_, unit), _)| *unit)
    }

    /// The grants in force of an agent in a unit.
    #[must_use]
    pub fn member_grants(&self, agent: AgentId, unit: UnitId) -> BTreeSet<ObjectId> {
        self.members.get(&(agent, unit)).map(|p| p.in_force.clone()).unwrap_or_default()
    }

    /// Every `Revoke` that a new grant of this pair has to override.
    #[must_use]
    pub fn member_revokes(&self, agent: AgentId, unit: UnitId) -> BTreeSet<ObjectId> {
        let pair = |unit| self.members.get(&(agent, unit));
        let mut revokes = pair(unit).map(|p| p.revokes.clone()).unwrap_or_default();
        // A pair that has never had a grant has no entry, yet its Department's may strike it.
        if let Some(parent) = self.units.get(&unit).and_then(|u| u.parent) {
            revokes.extend(pair(parent).into_iter().flat_map(|p| &p.revokes));
        }
        revokes
    }

    /// The permits in force of a room for a principal.
    #[must_use]
    pub fn permits(&self, room: RoomId, principal: Principal) -> BTreeSet<ObjectId> {
        self.permit_pair(room, principal).map(|p| p.in_force.clone()).unwrap_or_default()
    }

    /// Every `Revoke` that a new permit of this pair has to override.
    #[must_use]
    pub fn permit_revokes(&self, room: RoomId, principal: Principal) -> BTreeSet<ObjectId> {
        self.permit_pair(room, principal).map(|p| p.revokes.clone()).unwrap_or_default()
    }

    /// The permissions in force through which an agent has access.
    #[must_use]
    pub fn via(&self, agent: AgentId, room: RoomId) -> Vec<Principal> {
        let Some(room) = self.rooms.get(&room) else {
            return Vec::new();
        };
        room.principals().filter(|principal| self.holds(agent, *principal)).collect()
    }

    /// The objects that an `Enter` of a device in a room lists, if it has access.
    #[must_use]
    pub fn enter_body(&self, device: DeviceId, room: RoomId) -> Option<EnterBody> {
        let info = self.devices.get(&device)?;
        let principal = self.via(info.agent, room).into_iter().next()?;
        let permit = *self.permits(room, principal).first()?;
        let member_grants = match principal {
            Principal::Unit(UnitId::ROLE_AGENT) | Principal::Agent(_) => Vec::new(),
            Principal::Unit(unit) => self
                .units_of(info.agent)
                .find(|held| self.belongs(*held, unit))
                .and_then(|held| self.member_grants(info.agent, held).first().copied())
                .into_iter()
                .collect(),
        };
        Some(EnterBody { device_cert: info.cert, member_grants, permit })
    }

    /// Whether the objects that an `Enter` lists still lead its device to the room.
    #[must_use]
    pub fn enter_fits(&self, device: DeviceId, room: RoomId, body: &EnterBody) -> bool {
        let Some(info) = self.devices.get(&device) else {
            return false;
        };
        let permitted = self.rooms.get(&room).is_some_and(|r| {
            r.permits.iter().any(|(principal, pair)| {
                pair.in_force.contains(&body.permit) && self.holds(info.agent, *principal)
            })
        });
        let granted = body.member_grants.iter().all(|grant| {
            self.units_of(info.agent)
                .any(|unit| self.member_grants(info.agent, unit).contains(grant))
        });
        info.cert == body.device_cert && permitted && granted
    }

    /// Every `Revoke` that may have ended an agent's access to a room; for a peer that seems
    /// not to know of them.
    #[must_use]
    pub fn revokes_against(&self, agent: AgentId, room: RoomId) -> BTreeSet<ObjectId> {
        let memberships = self
            .members
            .range((agent, UnitId([0; 32]))..=(agent, UnitId([255; 32])))
            .flat_map(|(_, pair)| &pair.revokes);
        let permits = self
            .rooms
            .get(&room)
            .into_iter()
            .flat_map(|r| r.permits.values())
            .flat_map(|pair| &pair.revokes);
        memberships.chain(permits).copied().collect()
    }

    fn permit_pair(&self, room: RoomId, principal: Principal) -> Option<&Pair> {
        self.rooms.get(&room)?.permits.get(&principal)
    }

    /// Whether membership in `held` is membership in `wanted`.
    fn belongs(&self, held: UnitId, wanted: UnitId) -> bool {
        held == wanted || self.units.get(&held).is_some_and(|u| u.parent == Some(wanted))
    }

    fn holds(&self, agent: AgentId, principal: Principal) -> bool {
        match principal {
            Principal::Unit(UnitId::ROLE_AGENT) => self.agents.contains_key(&agent),
            Principal::Unit(unit) => self.units_of(agent).any(|held| self.belongs(held, unit)),
            Principal::Agent(named) => named == agent,
        }
    }

    fn collect<'a>(&mut self, objects: impl Iterator<Item = (ObjectId, &'a ControlObject)>) {
        let mut certified: BTreeMap<DeviceId, BTreeSet<(AgentId, ObjectId)>> = BTreeMap::new();
        for (id, object) in objects {
            match &object.payload {
                Payload::AdminGrant(_)
                | Payload::Revoke(_)
                | Payload::RootRotate(_)
                | Payload::RoomCut(_)
                | Payload::Ratify(_)
                | Payload::SetField(_) => {}
                Payload::UnitCreate(u) => {
                    let info = UnitInfo { kind: u.kind, parent: u.parent, name: u.name.clone() };
                    self.units.insert(id.into(), info);
                }
                Payload::AgentCert(c) => {
                    self.agents.entry(id.into()).or_default().name.clone_from(&c.name);
                }
                Payload::DeviceCert(c) => {
                    certified.entry(c.device).or_default().insert((c.agent, id));
                }
                Payload::MemberGrant(g) => {
                    self.members.entry((g.agent, g.unit)).or_default().grants.insert(id);
                }
                Payload::RoomCreate(r) => {
                    let room = self.rooms.entry(id.into()).or_insert_with(RoomInfo::empty);
                    room.name.clone_from(&r.name);
                    room.history = r.history;
                }
                Payload::Permit(p) => {
                    let room = self.rooms.entry(p.room).or_insert_with(RoomInfo::empty);
                    room.permits.entry(p.principal).or_default().grants.insert(id);
                }
            }
        }
        for (device, certs) in certified {
            let agents: BTreeSet<AgentId> = certs.iter().map(|(agent, _)| *agent).collect();
            let Some(&(agent, cert)) = certs.first().filter(|_| agents.len() == 1) else {
                self.disputed.insert(device);
                continue;
            };
            self.devices.insert(device, DeviceInfo { agent, cert });
            self.agents.entry(agent).or_default().devices.insert(device);
        }
    }

    /// Finds the grants in force of every pair.
    fn strike<'a>(&mut self, objects: impl Iterator<Item = (ObjectId, &'a ControlObject)> + Clone) {
        let by_id: BTreeMap<ObjectId, &ControlObject> = objects.clone().collect();
        for (id, object) in objects {
            let Payload::Revoke(revoke) = &object.payload else { continue };
            match by_id.get(&revoke.target).map(|o| &o.payload) {
                Some(Payload::MemberGrant(g)) => {
                    // An entry without grants is kept: a later grant must override this too.
                    self.members.entry((g.agent, g.unit)).or_default().revokes.insert(id);
                    let groups = self.units.iter().filter(|(_, u)| u.parent == Some(g.unit));
                    for (group, _) in groups {
                        if let Some(pair) = self.members.get_mut(&(g.agent, *group)) {
                            pair.revokes.insert(id);
                        }
                    }
                }
                Some(Payload::Permit(p)) => {
                    let pair =
                        self.rooms.get_mut(&p.room).and_then(|r| r.permits.get_mut(&p.principal));
                    if let Some(pair) = pair {
                        pair.revokes.insert(id);
                    }
                }
                _ => {}
            }
        }
        let permits = self.rooms.values_mut().flat_map(|r| r.permits.values_mut());
        for pair in self.members.values_mut().chain(permits) {
            for grant in &pair.grants {
                if pair.revokes.is_empty() || pair.revokes.is_subset(&closure(*grant, &by_id)) {
                    pair.in_force.insert(*grant);
                }
            }
        }
    }

    fn open_rooms(&mut self) {
        let rooms: Vec<RoomId> = self.rooms.keys().copied().collect();
        for id in rooms {
            let Some(room) = self.rooms.get(&id) else { continue };
            let now: Vec<Principal> = room.principals().collect();
            let ever: Vec<Principal> = room.permits.keys().copied().collect();
            let with_access = self.holders(&now, |pair| !pair.in_force.is_empty());
            let proved = self.holders(&ever, |pair| !pair.grants.is_empty());
            if let Some(room) = self.rooms.get_mut(&id) {
                room.with_access = with_access;
                room.proved = proved;
            }
        }
    }

    /// The agents that hold any of the principals through pairs that `counts` accepts.
    fn holders(
        &self,
        principals: &[Principal],
        counts: impl Fn(&Pair) -> bool,
    ) -> BTreeSet<AgentId> {
        let mut holders = BTreeSet::new();
        let mut units = BTreeSet::new();
        for principal in principals {
            match principal {
                Principal::Unit(UnitId::ROLE_AGENT) => holders.extend(self.agents.keys()),
                Principal::Unit(unit) => {
                    units.insert(*unit);
                }
                Principal::Agent(agent) => {
                    holders.insert(*agent);
                }
            }
        }
        for ((agent, held), pair) in &self.members {
            let parent = self.units.get(held).and_then(|u| u.parent);
            let wanted = units.contains(held) || parent.is_some_and(|p| units.contains(&p));
            if wanted && counts(pair) {
                holders.insert(*agent);
            }
        }
        holders
    }
}

impl RoomInfo {
    fn empty() -> Self {
        Self {
            name: String::new(),
            history: HistoryPolicy::Full,
            permits: BTreeMap::new(),
            with_access: BTreeSet::new(),
            proved: BTreeSet::new(),
        }
    }

    /// Agents With Access.
    #[must_use]
    pub fn with_access(&self) -> &BTreeSet<AgentId> {
        &self.with_access
    }

    /// The principals that a permit in force names.
    pub fn principals(&self) -> impl Iterator<Item = Principal> + '_ {
        self.permits.iter().filter(|(_, pair)| !pair.in_force.is_empty()).map(|(p, _)| *p)
    }
}

/// The override closure of a grant: the `Revoke`s it names, and those that the grants named by
/// these as targets name, and so on.
fn closure(grant: ObjectId, by_id: &BTreeMap<ObjectId, &ControlObject>) -> BTreeSet<ObjectId> {
    let mut closure = BTreeSet::new();
    let mut grants = vec![grant];
    while let Some(grant) = grants.pop() {
        let overrides = match by_id.get(&grant).map(|o| &o.payload) {
            Some(Payload::MemberGrant(g)) => &g.overrides,
            Some(Payload::Permit(p)) => &p.overrides,
            _ => continue,
        };
        for revoke in overrides {
            if !closure.insert(*revoke) {
                continue;
            }
            if let Some(Payload::Revoke(r)) = by_id.get(revoke).map(|o| &o.payload) {
                grants.push(r.target);
            }
        }
    }
    closure
}
