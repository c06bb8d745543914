//! Which control objects count and who may read what, straight from the document: sets and
//! fixpoints, no care for speed. Compared with the real thing on random logs.

use std::collections::{BTreeMap, BTreeSet};

use conclave_protocol::id::{AgentId, DeviceId, ObjectId, RoomId, UnitId};
use conclave_protocol::object::{AdminGrant, ControlObject, Payload, Principal, UnitKind};

/// What a set of objects means.
#[derive(Debug, Default)]
pub struct Model {
    objects: BTreeMap<ObjectId, ControlObject>,
    genesis: ObjectId,
    root: DeviceId,
    /// The objects that count, `Genesis` left out.
    pub counts: BTreeSet<ObjectId>,
}

/// What a `Revoke` strikes and a grant is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Pair {
    Member(AgentId, UnitId),
    Permit(RoomId, Principal),
}

impl Model {
    /// Evaluates a set of objects.
    #[must_use]
    pub fn of(
        genesis: ObjectId,
        root: DeviceId,
        objects: impl Iterator<Item = (ObjectId, ControlObject)>,
    ) -> Self {
        let objects = objects.collect();
        let mut model = Self { objects, genesis, root, counts: BTreeSet::new() };
        // The least fixpoint: what counts rests only on what counts.
        loop {
            let more: Vec<ObjectId> = model
                .objects
                .iter()
                .filter(|(id, object)| !model.counts.contains(id) && model.may_count(object))
                .map(|(id, _)| *id)
                .collect();
            if more.is_empty() {
                return model;
            }
            model.counts.extend(more);
        }
    }

    fn counting(&self) -> impl Iterator<Item = (ObjectId, &Payload)> {
        self.objects
            .iter()
            .filter(|(id, _)| self.counts.contains(id))
            .map(|(id, object)| (*id, &object.payload))
    }

    fn get(&self, id: ObjectId) -> Option<&ControlObject> {
        self.objects.get(&id).filter(|_| self.counts.contains(&id))
    }

    fn payload(&self, id: impl Into<ObjectId>) -> Option<&Payload> {
        self.get(id.into()).map(|o| &o.payload)
    }

    fn height(&self, id: ObjectId) -> Option<u64> {
        if id == self.genesis { Some(1) } else { self.get(id).map(|o| o.header.height) }
    }

    fn may_count(&self, object: &ControlObject) -> bool {
        let header = &object.header;
        let heights: Option<Vec<u64>> =
            object.references().into_iter().map(|id| self.height(id)).collect();
        let highest = heights.and_then(|heights| heights.into_iter().max());
        highest.is_some_and(|highest| header.height == highest + 1)
            && self.chain_fits(object)
            && self.references_fit(&object.payload)
            && self.authority_allows(object)
    }

    fn chain_fits(&self, object: &ControlObject) -> bool {
        let header = &object.header;
        match header.prev {
            None => header.seq == 1,
            Some(prev) if prev == self.genesis => header.author == self.root && header.seq == 2,
            Some(prev) => self.get(prev).is_some_and(|before| {
                before.header.author == header.author && before.header.seq + 1 == header.seq
            }),
        }
    }

    fn references_fit(&self, payload: &Payload) -> bool {
        let agent = |id: AgentId| matches!(self.payload(id), Some(Payload::AgentCert(_)));
        let unit = |id: UnitId| matches!(self.payload(id), Some(Payload::UnitCreate(_)));
        let revokes = |ids: &[ObjectId]| {
            ids.iter().all(|id| matches!(self.payload(*id), Some(Payload::Revoke(_))))
        };
        match payload {
            Payload::AdminGrant(g) => agent(g.agent) && g.scope.is_none_or(unit),
            Payload::UnitCreate(u) => u.parent.is_none_or(|parent| {
                matches!(self.payload(parent), Some(Payload::UnitCreate(p))
                    if p.kind == UnitKind::Department)
            }),
            Payload::AgentCert(_) | Payload::RoomCreate(_) => true,
            Payload::DeviceCert(c) => agent(c.agent),
            Payload::MemberGrant(g) => agent(g.agent) && unit(g.unit) && revokes(&g.overrides),
            Payload::Permit(p) => {
                let principal = match p.principal {
                    Principal::Unit(id) => id == UnitId::ROLE_AGENT || unit(id),
                    Principal::Agent(id) => agent(id),
                };
                let room = matches!(self.payload(p.room), Some(Payload::RoomCreate(_)));
                room && principal && revokes(&p.overrides)
            }
            Payload::Revoke(r) => {
                matches!(self.payload(r.target), Some(Payload::MemberGrant(_) | Payload::Permit(_)))
            }
            _ => false,
        }
    }

    fn authority_allows(&self, object: &ControlObject) -> bool {
        let header = &object.header;
        if header.authority == self.genesis {
            let plain = |g: &AdminGrant| g.rank == 1 && g.scope.is_none() && g.overrides.is_empty();
            return header.author == self.root
                && match &object.payload {
                    Payload::AgentCert(_) => true,
                    Payload::AdminGrant(g) => plain(g),
                    _ => false,
                };
        }
        let Some(Payload::AdminGrant(grant)) = self.payload(header.authority) else {
            return false;
        };
        let may = grant.may;
        grant.device == header.author
            && match &object.payload {
                Payload::AdminGrant(_) => false,
                Payload::UnitCreate(u) => {
                    may.units && !(u.kind == UnitKind::Role && u.name == "Agent")
                }
                Payload::MemberGrant(_) => may.units,
                Payload::AgentCert(_) | Payload::DeviceCert(_) => may.agents,
                Payload::RoomCreate(_) | Payload::Permit(_) => may.rooms,
                Payload::Revoke(r) => match self.payload(r.target) {
                    Some(Payload::MemberGrant(_)) => may.units,
                    Some(Payload::Permit(_)) => may.rooms,
                    _ => false,
                },
                _ => false,
            }
    }

    fn pair_of(&self, grant: ObjectId) -> Option<Pair> {
        match self.payload(grant)? {
            Payload::MemberGrant(g) => Some(Pair::Member(g.agent, g.unit)),
            Payload::Permit(p) => Some(Pair::Permit(p.room, p.principal)),
            _ => None,
        }
    }

    fn strikes(&self, revoke: ObjectId, pair: Pair) -> bool {
        let Some(Payload::Revoke(r)) = self.payload(revoke) else { return false };
        let Some(struck) = self.pair_of(r.target) else { return false };
        match (struck, pair) {
            (Pair::Member(agent, unit), Pair::Member(other, group)) => {
                let inside = matches!(self.payload(group), Some(Payload::UnitCreate(u))
                    if u.parent == Some(unit));
                agent == other && (unit == group || inside)
            }
            _ => struck == pair,
        }
    }

    fn overrides(&self, grant: ObjectId) -> BTreeSet<ObjectId> {
        match self.payload(grant) {
            Some(Payload::MemberGrant(g)) => g.overrides.iter().copied().collect(),
            Some(Payload::Permit(p)) => p.overrides.iter().copied().collect(),
            _ => BTreeSet::new(),
        }
    }

    fn closure(&self, grant: ObjectId) -> BTreeSet<ObjectId> {
        let mut closure = self.overrides(grant);
        loop {
            let mut next = closure.clone();
            for revoke in &closure {
                if let Some(Payload::Revoke(r)) = self.payload(*revoke) {
                    next.extend(self.overrides(r.target));
                }
            }
            if next == closure {
                return closure;
            }
            closure = next;
        }
    }

    fn in_force(&self, grant: ObjectId) -> bool {
        let Some(pair) = self.pair_of(grant) else { return false };
        let closure = self.closure(grant);
        self.counting().all(|(id, _)| !self.strikes(id, pair) || closure.contains(&id))
    }

    /// Certified agents.
    #[must_use]
    pub fn agents(&self) -> BTreeSet<AgentId> {
        let agents = self.counting().filter(|(_, p)| matches!(p, Payload::AgentCert(_)));
        agents.map(|(id, _)| id.into()).collect()
    }

    /// Rooms.
    #[must_use]
    pub fn rooms(&self) -> BTreeSet<RoomId> {
        let rooms = self.counting().filter(|(_, p)| matches!(p, Payload::RoomCreate(_)));
        rooms.map(|(id, _)| id.into()).collect()
    }

    /// Devices that are certified for exactly one agent.
    #[must_use]
    pub fn devices(&self) -> BTreeMap<DeviceId, AgentId> {
        let mut certified: BTreeMap<DeviceId, BTreeSet<AgentId>> = BTreeMap::new();
        for (_, payload) in self.counting() {
            if let Payload::DeviceCert(c) = payload {
                certified.entry(c.device).or_default().insert(c.agent);
            }
        }
        let one = |(device, agents): (DeviceId, BTreeSet<AgentId>)| {
            agents.first().filter(|_| agents.len() == 1).map(|agent| (device, *agent))
        };
        certified.into_iter().filter_map(one).collect()
    }

    /// The units that an agent belongs to by a grant in force.
    #[must_use]
    pub fn units_of(&self, agent: AgentId) -> BTreeSet<UnitId> {
        self.memberships(agent, |grant| self.in_force(grant))
    }

    fn memberships(&self, agent: AgentId, fits: impl Fn(ObjectId) -> bool) -> BTreeSet<UnitId> {
        self.counting()
            .filter_map(|(id, payload)| match payload {
                Payload::MemberGrant(g) if g.agent == agent && fits(id) => Some(g.unit),
                _ => None,
            })
            .collect()
    }

    fn holds(&self, agent: AgentId, principal: Principal, units: &BTreeSet<UnitId>) -> bool {
        match principal {
            Principal::Agent(named) => named == agent,
            Principal::Unit(UnitId::ROLE_AGENT) => self.agents().contains(&agent),
            Principal::Unit(unit) => units.iter().any(|held| {
                let inside = matches!(self.payload(*held), Some(Payload::UnitCreate(u))
                    if u.parent == Some(unit));
                *held == unit || inside
            }),
        }
    }

    /// The permissions in force through which an agent has access.
    #[must_use]
    pub fn via(&self, agent: AgentId, room: RoomId) -> BTreeSet<Principal> {
        let units = self.units_of(agent);
        self.permits(room, |grant| self.in_force(grant))
            .into_iter()
            .filter(|principal| self.holds(agent, *principal, &units))
            .collect()
    }

    /// Whether some chain of grants, in force or ended, leads an agent to a room.
    #[must_use]
    pub fn is_proved(&self, agent: AgentId, room: RoomId) -> bool {
        let units = self.memberships(agent, |_| true);
        let principals = self.permits(room, |_| true);
        principals.into_iter().any(|principal| self.holds(agent, principal, &units))
    }

    fn permits(&self, room: RoomId, fits: impl Fn(ObjectId) -> bool) -> BTreeSet<Principal> {
        self.counting()
            .filter_map(|(id, payload)| match payload {
                Payload::Permit(p) if p.room == room && fits(id) => Some(p.principal),
                _ => None,
            })
            .collect()
    }
}
