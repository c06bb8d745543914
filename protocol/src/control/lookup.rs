//! What engines ask of the log: under which grant to sign, what to override, who stands how.

use std::collections::BTreeSet;

use super::authority::ids;
use super::nodes::{Ix, Limit};
use super::{ControlLog, Standing, sound};
use crate::envelope::EnterBody;
use crate::id::{AgentId, DeviceId, ObjectId, RoomId, UnitId};
use crate::object::{AdminGrant, Field, Payload, Principal};

impl ControlLog {
    /// The most senior grant under which a device may sign a payload now, if there is one. What
    /// ends a grant of the device itself is signed under that grant.
    #[must_use]
    pub fn authority_for(&self, device: DeviceId, payload: &Payload) -> Option<ObjectId> {
        let resigned = self
            .open_grants(device)
            .map(|(ix, _)| self.nodes.id(ix))
            .find(|grant| matches!(payload, Payload::Revoke(r) if r.target == *grant));
        if resigned.is_some() {
            return resigned;
        }
        let open = self
            .open_grants(device)
            .filter(|(ix, _)| sound::could_issue(*ix, payload, &self.nodes));
        let best = open.min_by_key(|(ix, grant)| (grant.rank, self.nodes.id(*ix)));
        best.map(|(ix, _)| self.nodes.id(ix))
    }

    /// The grants under which a device may act now.
    pub fn grants_of(&self, device: DeviceId) -> impl Iterator<Item = (ObjectId, &AdminGrant)> {
        self.open_grants(device).map(|(ix, grant)| (self.nodes.id(ix), grant))
    }

    fn open_grants(&self, device: DeviceId) -> impl Iterator<Item = (Ix, &AdminGrant)> {
        let grants = self.links.grants_of_device(device).iter().copied();
        grants.filter(|ix| self.authority.is_open(*ix)).filter_map(|ix| {
            match self.nodes.payload(ix) {
                Some(Payload::AdminGrant(grant)) => Some((ix, grant)),
                _ => None,
            }
        })
    }

    /// All `AdminGrant`s that count, in force or ended, with their rank as objects.
    pub fn admin_grants(&self) -> impl Iterator<Item = (ObjectId, &AdminGrant)> {
        self.authority.seats().filter(|(_, seat)| seat.stands).filter_map(|(ix, _)| {
            match self.nodes.payload(ix) {
                Some(Payload::AdminGrant(grant)) => Some((self.nodes.id(ix), grant)),
                _ => None,
            }
        })
    }

    /// Devices that may approve newcomers.
    pub fn approvers(&self) -> impl Iterator<Item = DeviceId> + '_ {
        self.admin_grants()
            .filter(|(id, grant)| grant.may.agents && grant.scope.is_none() && self.in_force(*id))
            .map(|(_, grant)| grant.device)
    }

    /// The root key that may sign now, and the object under which it acts.
    #[must_use]
    pub fn root(&self) -> Option<(DeviceId, ObjectId)> {
        let open = self
            .authority
            .seats()
            .filter(|(_, seat)| seat.rank == 0 && seat.stands && seat.limit == Limit::All);
        open.map(|(ix, _)| (self.nodes.author(ix), self.nodes.id(ix))).min_by_key(|(_, id)| *id)
    }

    /// Who signed an object, and at which place of its chain.
    #[must_use]
    pub fn place_of(&self, id: ObjectId) -> Option<(DeviceId, u64)> {
        let ix = self.nodes.find(id)?;
        Some((self.nodes.author(ix), self.nodes.seq(ix)))
    }

    /// Whether the root could issue a payload.
    #[must_use]
    pub fn root_could_issue(&self, payload: &Payload) -> bool {
        sound::could_issue(Ix::GENESIS, payload, &self.nodes)
    }

    /// Whether a key is, or was, the root's.
    #[must_use]
    pub fn is_root_key(&self, key: DeviceId) -> bool {
        let roots = self.authority.seats().filter(|(_, seat)| seat.rank == 0);
        roots.into_iter().any(|(ix, _)| self.nodes.author(ix) == key)
    }

    /// The hash of the key that may replace the root.
    #[must_use]
    pub fn recovery_commitment(&self) -> Option<ObjectId> {
        let (_, root) = self.root()?;
        match self.get(root).map(|o| &o.payload) {
            Some(Payload::RootRotate(rotate)) => Some(rotate.next),
            _ => self.genesis().map(|genesis| genesis.recovery),
        }
    }

    /// How a device stands in a room.
    #[must_use]
    pub fn standing(&self, device: DeviceId, room: RoomId) -> Standing {
        self.access.standing(device, room, self.view())
    }

    /// Whether an agent may, or once could, be in a room: some chain of grants that count, in
    /// force or ended, leads there.
    #[must_use]
    pub fn is_proved(&self, agent: AgentId, room: RoomId) -> bool {
        self.access.agents().contains_key(&agent)
            && !self.access.ways_in(agent, room, self.view()).is_empty()
    }

    /// The root keys, from the first to the one that may sign now.
    #[must_use]
    pub fn root_keys(&self) -> Vec<DeviceId> {
        let mut roots: Vec<(u64, DeviceId)> = self
            .authority
            .seats()
            .filter(|(_, seat)| seat.rank == 0 && seat.stands)
            .map(|(ix, _)| (self.nodes.height(ix), self.nodes.author(ix)))
            .collect();
        roots.sort_unstable();
        let mut keys: Vec<DeviceId> = Vec::new();
        for (_, key) in roots {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        keys
    }

    /// The grants in force of an agent in a unit.
    #[must_use]
    pub fn member_grants(&self, agent: AgentId, unit: UnitId) -> BTreeSet<ObjectId> {
        let pair = self.access.member_pair(agent, unit);
        pair.into_iter().flat_map(|p| &p.in_force).map(|ix| self.nodes.id(*ix)).collect()
    }

    /// Every `Revoke` that a new grant of this pair has to override.
    #[must_use]
    pub fn member_revokes(&self, agent: AgentId, unit: UnitId) -> BTreeSet<ObjectId> {
        let strikes = self.access.strikes_on_member(agent, unit, self.view());
        strikes.into_iter().map(|ix| self.nodes.id(ix)).collect()
    }

    /// The permits in force of a room for a principal.
    #[must_use]
    pub fn permits(&self, room: RoomId, principal: Principal) -> BTreeSet<ObjectId> {
        let pair = self.access.permit_pair(room, principal);
        pair.into_iter().flat_map(|p| &p.in_force).map(|ix| self.nodes.id(*ix)).collect()
    }

    /// Every `Revoke` that a new permit of this pair has to override.
    #[must_use]
    pub fn permit_revokes(&self, room: RoomId, principal: Principal) -> BTreeSet<ObjectId> {
        let strikes = self.access.strikes_on_permit(room, principal, self.view());
        strikes.into_iter().map(|ix| self.nodes.id(ix)).collect()
    }

    /// The effective `Revoke`s that hold an agent, device (by its certificate), unit or room out:
    /// what a `Ratify` has to override to let it return.
    #[must_use]
    pub fn revokes_on(&self, target: ObjectId) -> Vec<ObjectId> {
        let Some(ix) = self.nodes.find(target) else { return Vec::new() };
        let revokes = match self.nodes.payload(ix) {
            Some(Payload::DeviceCert(c)) => {
                let certs = self.links.certs_of(c.device, c.agent);
                let revokes = self.links.revokes_of_pair(c.device, c.agent);
                self.view().not_returned(revokes, certs)
            }
            _ => self.view().not_returned(self.links.revokes_of(ix), &[ix]),
        };
        let mut ids = ids(&revokes, &self.nodes);
        ids.sort_unstable();
        ids
    }

    /// The effective `Revoke`s that hold a device out, for whichever agent it was certified, those
    /// of the agent included.
    #[must_use]
    pub fn held_out(&self, device: DeviceId) -> BTreeSet<ObjectId> {
        let mut out = BTreeSet::new();
        for agent in self.links.agents_of(device) {
            let certs = self.links.certs_of(device, agent);
            let revokes = self.links.revokes_of_pair(device, agent);
            out.extend(ids(&self.view().not_returned(revokes, certs), &self.nodes));
            out.extend(self.revokes_on(agent.into()));
        }
        out
    }

    /// Whether an `AdminGrant`, which need not be here, could issue a payload.
    #[must_use]
    pub fn grant_could_issue(&self, grant: &AdminGrant, payload: &Payload) -> bool {
        sound::admin_could_issue(grant, payload, &self.nodes)
    }

    /// The `Revoke`s that hit an `AdminGrant`.
    #[must_use]
    pub fn hits(&self, grant: ObjectId) -> Vec<ObjectId> {
        let seat = self.nodes.find(grant).and_then(|ix| self.authority.seat(ix));
        seat.map(|seat| ids(&seat.hits, &self.nodes)).unwrap_or_default()
    }

    /// Effective `Revoke`s of an agent and of a device: what a new `AdminGrant` has to override.
    #[must_use]
    pub fn admin_revokes(&self, agent: AgentId, device: DeviceId) -> BTreeSet<ObjectId> {
        let of_agent = self.nodes.find(agent).map(|ix| self.links.revokes_of(ix));
        let of_device = self.links.revokes_of_pair(device, agent);
        let all = of_agent.unwrap_or_default().iter().chain(of_device);
        all.filter(|ix| self.view().effective(**ix)).map(|ix| self.nodes.id(*ix)).collect()
    }

    /// The certificates of a device for an agent that count.
    pub fn certs_of(&self, device: DeviceId, agent: AgentId) -> impl Iterator<Item = ObjectId> {
        let certs = self.links.certs_of(device, agent).iter().copied();
        certs.filter(|ix| self.nodes.node(*ix).carried()).map(|ix| self.nodes.id(ix))
    }

    /// Devices that are, or were, certified for an agent.
    pub fn devices_of(&self, agent: AgentId) -> impl Iterator<Item = DeviceId> + '_ {
        self.links.devices_of(agent)
    }

    /// Agents for which a device is, or was, certified.
    pub fn agents_of_device(&self, device: DeviceId) -> impl Iterator<Item = AgentId> + '_ {
        self.links.agents_of(device)
    }

    /// Carried `SetField`s of a field that no other supersedes: what a new value has to name.
    #[must_use]
    pub fn current_fields(&self, target: ObjectId, field: Field) -> Vec<ObjectId> {
        let Some(ix) = self.nodes.find(target) else { return Vec::new() };
        let carried = self.links.fields_of((ix, field)).iter().filter(|f| self.view().carried(**f));
        let mut ids: BTreeSet<ObjectId> = carried.map(|ix| self.nodes.id(*ix)).collect();
        let superseded: Vec<ObjectId> = ids
            .iter()
            .filter_map(|id| match self.nodes.payload_of(*id) {
                Some(Payload::SetField(f)) => Some(f.supersedes.clone()),
                _ => None,
            })
            .flatten()
            .collect();
        ids.retain(|id| !superseded.contains(id));
        ids.into_iter().collect()
    }

    /// Carried `SetField`s that give one field different values, none knowing of the other: the one
    /// that is shown first. What is deleted or dismissed has no conflicts: nobody could settle them.
    #[must_use]
    pub fn conflicting_fields(&self) -> Vec<Vec<ObjectId>> {
        let value = |id: &ObjectId| match self.nodes.payload_of(*id) {
            Some(Payload::SetField(f)) => Some(&f.value),
            _ => None,
        };
        let access = &self.access;
        let is_gone = |target: ObjectId| {
            access.rooms().get(&target.into()).is_some_and(|room| room.revoked)
                || access.units().get(&target.into()).is_some_and(|unit| unit.revoked)
                || access.agents().get(&target.into()).is_some_and(|agent| !agent.live)
        };
        let mut conflicts = Vec::new();
        for (target, field) in self.links.fields_set_again() {
            let target = self.nodes.id(target);
            if is_gone(target) {
                continue;
            }
            let mut ids = self.current_fields(target, field);
            ids.sort_by_key(|id| (self.rank(*id), *id));
            if ids.iter().any(|id| value(id) != ids.first().and_then(value)) {
                conflicts.push(ids);
            }
        }
        conflicts
    }

    /// The objects that an `Enter` of a device in a room lists, if it has access.
    #[must_use]
    pub fn enter_body(&self, device: DeviceId, room: RoomId) -> Option<EnterBody> {
        let info = self.access.devices().get(&device)?;
        if let Some(agents) = self.access.instant(room) {
            let agents = agents.contains(info.agent).then(|| agents.clone())?;
            return Some(EnterBody::Instant { device_cert: info.cert, agents });
        }
        let principal = self.access.via(info.agent, room).into_iter().next()?;
        let permit = *self.permits(room, principal).first()?;
        let member_grants = match principal {
            Principal::Unit(UnitId::ROLE_AGENT) | Principal::Agent(_) => Vec::new(),
            Principal::Unit(unit) => self
                .access
                .units_of(info.agent)
                .find(|held| {
                    let parent = self.access.units().get(held).and_then(|u| u.parent);
                    *held == unit || parent == Some(unit)
                })
                .and_then(|held| self.member_grants(info.agent, held).first().copied())
                .into_iter()
                .collect(),
        };
        Some(EnterBody::Permitted { device_cert: info.cert, member_grants, permit })
    }

    /// Whether the objects that an `Enter` lists still lead its device to the room.
    #[must_use]
    pub fn enter_fits(&self, device: DeviceId, room: RoomId, body: &EnterBody) -> bool {
        let Some(info) = self.access.devices().get(&device) else {
            return false;
        };
        let (grants, permit) = match body {
            EnterBody::Instant { device_cert, agents } => {
                return info.cert == *device_cert && self.access.instant(room) == Some(agents);
            }
            EnterBody::Permitted { member_grants, permit, .. } => (member_grants, permit),
        };
        let permitted = self
            .access
            .via(info.agent, room)
            .into_iter()
            .any(|principal| self.permits(room, principal).contains(permit));
        let granted = grants.iter().all(|grant| {
            self.access
                .units_of(info.agent)
                .any(|unit| self.member_grants(info.agent, unit).contains(grant))
        });
        info.cert == body.device_cert() && permitted && granted
    }

    /// Every object that may have ended a device's access to a room, for a peer that seems not
    /// to know of them.
    #[must_use]
    pub fn revokes_against(&self, device: DeviceId, room: RoomId) -> BTreeSet<ObjectId> {
        let standing = self.standing(device, room);
        let ended: BTreeSet<ObjectId> =
            standing.ways.iter().flatten().filter_map(|ended| ended.revoke).collect();
        if !ended.is_empty() {
            return ended;
        }
        // Void certificates and grants have no `Revoke` of their own: what hit their issuers.
        let certs = self
            .links
            .agents_of(device)
            .flat_map(|agent| self.links.certs_of(device, agent).iter().copied());
        let issuers = certs.map(|cert| self.nodes.authority(cert));
        let hits = issuers.filter_map(|grant| self.authority.seat(grant)).flat_map(|s| &s.hits);
        hits.map(|ix| self.nodes.id(*ix)).collect()
    }
}
