//! Bringing what is derived up to date with the objects whose authority changed.

use std::collections::{BTreeMap, BTreeSet};

use super::{Access, DeviceInfo, RoomInfo, UnitInfo, View};
use crate::control::names::Namespace;
use crate::control::nodes::Ix;
use crate::id::{AgentId, DeviceId, ObjectId, RoomId, UnitId};
use crate::object::{Field, FieldValue, Payload, Principal, RevokeMode};

/// Whose access may be another than before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Agents whose devices, memberships or standing as a whole changed.
    pub agents: BTreeSet<AgentId>,
    /// Rooms whose permissions, units or history rules changed.
    pub rooms: BTreeSet<RoomId>,
    /// Something else that people see: names, topics, units, admins.
    pub shown: bool,
}

impl Changes {
    /// Whether nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What has to be derived again.
#[derive(Default)]
struct Stale {
    agents: BTreeSet<AgentId>,
    keys: BTreeSet<DeviceId>,
    units: BTreeSet<UnitId>,
    rooms: BTreeSet<RoomId>,
    members: BTreeSet<(AgentId, UnitId)>,
    permits: BTreeSet<(RoomId, Principal)>,
}

impl Access {
    /// Derives again what the touched objects may have changed.
    pub(in crate::control) fn refresh(
        &mut self,
        touched: &BTreeSet<Ix>,
        view: View<'_>,
        changes: &mut Changes,
    ) {
        let mut stale = Stale::default();
        for ix in touched {
            changes.shown = true;
            self.take_note(*ix, view, &mut stale, changes);
            for grant in view.dependents(*ix) {
                self.take_note(grant, view, &mut stale, changes);
            }
        }
        for agent in std::mem::take(&mut stale.agents) {
            self.refresh_agent(agent, view);
            stale.keys.extend(view.links.devices_of(agent));
            changes.agents.insert(agent);
        }
        for key in stale.keys {
            self.refresh_key(key, view, changes);
        }
        for unit in stale.units {
            self.refresh_unit(unit, view, changes);
        }
        for (agent, unit) in stale.members {
            self.refresh_member(agent, unit, view);
            changes.agents.insert(agent);
        }
        for room in &stale.rooms {
            self.refresh_room(*room, view);
        }
        for (room, principal) in stale.permits {
            self.refresh_permit(room, principal, view);
            stale.rooms.insert(room);
        }
        changes.rooms.append(&mut stale.rooms);
    }

    /// Notes what depends on an object that was added, or that other authorities stand behind.
    fn take_note(&mut self, ix: Ix, view: View<'_>, stale: &mut Stale, changes: &mut Changes) {
        let Some(payload) = view.nodes.payload(ix) else { return };
        let id = view.nodes.id(ix);
        match payload {
            Payload::RootRotate(_) | Payload::AdminGrant(_) => {}
            Payload::AgentCert(_)
            | Payload::DeviceCert(_)
            | Payload::UnitCreate(_)
            | Payload::RoomCreate(_) => note_entity(id, payload, stale),
            Payload::MemberGrant(g) => {
                self.members.entry((g.agent, g.unit)).or_default().grants.insert(ix);
                self.ever_in_unit.entry(g.unit).or_default().insert(g.agent);
                stale.members.insert((g.agent, g.unit));
            }
            Payload::Permit(p) => {
                self.permits.entry((p.room, p.principal)).or_default().grants.insert(ix);
                self.rooms_of.entry(p.principal).or_default().insert(p.room);
                stale.permits.insert((p.room, p.principal));
            }
            Payload::RoomCut(c) => {
                changes.rooms.insert(c.room);
            }
            Payload::Ratify(r) => {
                if let Some(target) = view.nodes.payload_of(r.target) {
                    note_entity(r.target, target, stale);
                }
            }
            Payload::SetField(f) => {
                if let Some(target) = view.nodes.payload_of(f.target) {
                    note_entity(f.target, target, stale);
                }
            }
            Payload::Revoke(r) => match view.nodes.payload_of(r.target) {
                Some(Payload::MemberGrant(g)) => {
                    let pair = self.members.entry((g.agent, g.unit)).or_default();
                    pair.revokes.insert(ix);
                    stale.members.insert((g.agent, g.unit));
                    let groups = view.links.groups_of(g.unit).iter();
                    let struck = groups.map(|group| (g.agent, *group));
                    stale.members.extend(struck.filter(|pair| self.members.contains_key(pair)));
                }
                Some(Payload::Permit(p)) => {
                    let pair = self.permits.entry((p.room, p.principal)).or_default();
                    pair.revokes.insert(ix);
                    stale.permits.insert((p.room, p.principal));
                }
                Some(target) => note_entity(r.target, target, stale),
                None => {}
            },
        }
    }

    fn refresh_agent(&mut self, agent: AgentId, view: View<'_>) {
        let Some(cert) = view.nodes.find(agent) else { return };
        let Some(rank) = view.rank(cert) else {
            self.agents.remove(&agent);
            self.rename(agent.into(), None);
            return;
        };
        let live = view.not_returned(view.links.revokes_of(cert), &[cert]).is_empty();
        let name = view.name_of(cert);
        let info = self.agents.entry(agent).or_default();
        info.live = live;
        info.name.clone_from(&name);
        let rank = view.name_rank(cert).unwrap_or(rank);
        self.rename(agent.into(), live.then_some((Namespace::Agents, name, rank)));
    }

    /// Finds for which agent a key is live, if for one.
    fn refresh_key(&mut self, key: DeviceId, view: View<'_>, changes: &mut Changes) {
        if let Some(before) = self.devices.remove(&key) {
            if let Some(agent) = self.agents.get_mut(&before.agent) {
                agent.devices.remove(&key);
            }
            changes.agents.insert(before.agent);
        }
        let mut certified = Vec::new();
        let barred = !view.strict_on_key(key).is_empty();
        for agent in view.links.agents_of(key) {
            changes.agents.insert(agent);
            if self.is_live(agent)
                && !barred
                && let Some(cert) = view.standing_cert(key, agent)
            {
                certified.push((agent, cert));
            }
        }
        self.disputed.remove(&key);
        match certified.as_slice() {
            [] => {}
            [(agent, cert)] => {
                let info = DeviceInfo { agent: *agent, cert: view.nodes.id(*cert) };
                self.devices.insert(key, info);
                if let Some(agent) = self.agents.get_mut(agent) {
                    agent.devices.insert(key);
                }
            }
            _ => {
                self.disputed.insert(key);
            }
        }
        for agent in view.links.agents_of(key) {
            self.refresh_warnings(agent, view);
        }
    }

    /// Finds an agent's live devices that no other device of theirs confirmed. One needs no
    /// confirmation: the first, by the rank of who certified it, then by height and id.
    fn refresh_warnings(&mut self, agent: AgentId, view: View<'_>) {
        let keys: BTreeSet<DeviceId> = view.links.devices_of(agent).collect();
        let certs: Vec<Ix> = keys
            .iter()
            .flat_map(|key| view.links.certs_of(*key, agent))
            .copied()
            .filter(|cert| view.carried(*cert))
            .collect();
        let order = |cert: &Ix| (view.rank(*cert), view.nodes.height(*cert), view.nodes.id(*cert));
        let first = certs.iter().copied().min_by_key(order);
        let live = |key: &DeviceId| self.devices.get(key).is_some_and(|d| d.agent == agent);
        let mut confirmed: BTreeSet<DeviceId> =
            first.and_then(|cert| view.certified_key(cert)).into_iter().collect();
        // Keys that confirm each other, and nothing else does, are not confirmed.
        loop {
            let more: Vec<DeviceId> = certs
                .iter()
                .filter(|cert| view.countersigner(**cert).is_some_and(|by| confirmed.contains(&by)))
                .filter_map(|cert| view.certified_key(*cert))
                .filter(|key| !confirmed.contains(key))
                .collect();
            if more.is_empty() {
                break;
            }
            confirmed.extend(more);
        }
        let mut unconfirmed: BTreeSet<DeviceId> =
            keys.iter().copied().filter(|key| live(key) && !confirmed.contains(key)).collect();
        // Which of two was first, equals cannot prove.
        if let Some(first) = first {
            let rival = certs.iter().any(|cert| {
                view.rank(*cert) == view.rank(first)
                    && view.certified_key(*cert).is_some_and(|key| unconfirmed.contains(&key))
            });
            let key = view.certified_key(first).filter(|key| rival && live(key));
            unconfirmed.extend(key);
        }
        for key in keys {
            if unconfirmed.contains(&key) {
                self.uncountersigned.insert(key);
            } else if live_for_other(self, key, agent) {
                // The other agent's list decides.
            } else {
                self.uncountersigned.remove(&key);
            }
        }
    }

    fn refresh_unit(&mut self, unit: UnitId, view: View<'_>, changes: &mut Changes) {
        let Some(create) = view.nodes.find(unit) else { return };
        let Some(Payload::UnitCreate(made)) = view.nodes.payload(create) else { return };
        let rank = view.rank(create);
        let own = !view.not_returned(view.links.revokes_of(create), &[create]).is_empty();
        let parent = made.parent.map(|parent| view.is_deleted(parent));
        let revoked = own || parent.unwrap_or(false);
        if let Some(rank) = rank {
            let name = view.name_of(create);
            let space = Namespace::Units(made.kind, made.parent);
            let rank = view.name_rank(create).unwrap_or(rank);
            let info =
                UnitInfo { kind: made.kind, parent: made.parent, name: name.clone(), revoked };
            self.units.insert(unit, info);
            self.rename(unit.into(), (!revoked).then_some((space, name, rank)));
        } else {
            self.units.remove(&unit);
            self.rename(unit.into(), None);
        }
        changes.rooms.extend(self.rooms_of(Principal::Unit(unit)));
        changes
            .rooms
            .extend(made.parent.into_iter().flat_map(|p| self.rooms_of(Principal::Unit(p))));
        // Also for those who were members: what ended it decides about what they wrote. And a
        // permission for a single agent may rest on being a member here.
        changes.agents.extend(self.ever_in_unit.get(&unit).into_iter().flatten());
        for group in view.links.groups_of(unit) {
            self.refresh_unit(*group, view, changes);
        }
    }

    fn refresh_member(&mut self, agent: AgentId, unit: UnitId, view: View<'_>) {
        let strikes = self.strikes_on_member(agent, unit, view);
        let Some(pair) = self.members.get_mut(&(agent, unit)) else { return };
        pair.in_force = view.in_force(pair, &strikes);
        let member = !pair.in_force.is_empty();
        if member {
            self.in_unit.entry(unit).or_default().insert(agent);
        } else if let Some(members) = self.in_unit.get_mut(&unit) {
            members.remove(&agent);
            if members.is_empty() {
                self.in_unit.remove(&unit);
            }
        }
    }

    /// Carried `Revoke`s that strike a membership, those of the Department included.
    pub(in crate::control) fn strikes_on_member(
        &self,
        agent: AgentId,
        unit: UnitId,
        view: View<'_>,
    ) -> BTreeSet<Ix> {
        let parent = match view.nodes.payload_of(unit) {
            Some(Payload::UnitCreate(u)) => u.parent,
            _ => None,
        };
        let pairs = [Some(unit), parent].into_iter().flatten();
        pairs
            .filter_map(|unit| self.members.get(&(agent, unit)))
            .flat_map(|pair| pair.revokes.iter().copied())
            .filter(|revoke| view.carried(*revoke))
            .collect()
    }

    fn refresh_room(&mut self, room: RoomId, view: View<'_>) {
        let Some(create) = view.nodes.find(room) else { return };
        let Some(Payload::RoomCreate(made)) = view.nodes.payload(create) else { return };
        let Some(rank) = view.rank(create) else {
            self.rooms.remove(&room);
            self.rename(room.into(), None);
            return;
        };
        let name = view.name_of(create);
        let topic = match view.field(create, Field::Topic) {
            Some(FieldValue::Topic(topic)) => topic.clone(),
            _ => String::new(),
        };
        let active = !matches!(view.field(create, Field::Active), Some(FieldValue::Active(false)));
        let revoked = !view.not_returned(view.links.revokes_of(create), &[create]).is_empty();
        let info = RoomInfo { name: name.clone(), topic, active, history: made.history, revoked };
        self.rooms.insert(room, info);
        let rank = view.name_rank(create).unwrap_or(rank);
        self.rename(room.into(), (!revoked).then_some((Namespace::Rooms, name, rank)));
    }

    fn refresh_permit(&mut self, room: RoomId, principal: Principal, view: View<'_>) {
        let strikes = self.strikes_on_permit(room, principal, view);
        let Some(pair) = self.permits.get_mut(&(room, principal)) else { return };
        pair.in_force = view.in_force(pair, &strikes);
        if matches!(principal, Principal::Agent(_)) {
            for permit in &pair.grants {
                match view.departments(*permit) {
                    Some(units) => self.limited.insert(*permit, units),
                    None => self.limited.remove(permit),
                };
            }
        }
    }

    /// Carried `Revoke`s that strike a permission.
    pub(in crate::control) fn strikes_on_permit(
        &self,
        room: RoomId,
        principal: Principal,
        view: View<'_>,
    ) -> BTreeSet<Ix> {
        let pair = self.permits.get(&(room, principal));
        let revokes = pair.into_iter().flat_map(|pair| pair.revokes.iter().copied());
        revokes.filter(|revoke| view.carried(*revoke)).collect()
    }

    /// Lists a bearer of a name, and brings the names up to date that this concerns.
    fn rename(&mut self, id: ObjectId, entry: Option<(Namespace, String, u32)>) {
        for id in self.names.set(id, entry) {
            let Some(shown) = self.names.shown(id) else { continue };
            if let Some(agent) = self.agents.get_mut(&AgentId::from(id)) {
                agent.name = shown;
            } else if let Some(unit) = self.units.get_mut(&UnitId::from(id)) {
                unit.name = shown;
            } else if let Some(room) = self.rooms.get_mut(&RoomId::from(id)) {
                room.name = shown;
            }
        }
    }
}

fn live_for_other(access: &Access, key: DeviceId, agent: AgentId) -> bool {
    access.devices.get(&key).is_some_and(|d| d.agent != agent)
}

fn note_entity(id: ObjectId, payload: &Payload, stale: &mut Stale) {
    match payload {
        Payload::AgentCert(_) => stale.agents.insert(id.into()),
        Payload::DeviceCert(c) => stale.keys.insert(c.device),
        Payload::UnitCreate(_) => stale.units.insert(id.into()),
        Payload::RoomCreate(_) => stale.rooms.insert(id.into()),
        _ => false,
    };
}

impl<'a> View<'a> {
    /// The certificate by which a key is an agent's device, unless that has been revoked.
    pub(in crate::control) fn standing_cert(&self, key: DeviceId, agent: AgentId) -> Option<Ix> {
        let certs = self.links.certs_of(key, agent);
        let carried = certs.iter().copied().filter(|cert| self.carried(*cert));
        let cert = carried.min_by_key(|cert| self.nodes.id(*cert))?;
        let revokes = self.links.revokes_of_pair(key, agent);
        self.not_returned(revokes, certs).is_empty().then_some(cert)
    }

    /// The strict `Revoke`s that stand on a key: on its certificates for any agent, or on such an
    /// agent. While there are any it is live for nobody, or certifying it for a new agent would
    /// undo what a senior meant to be final.
    pub(in crate::control) fn strict_on_key(&self, key: DeviceId) -> BTreeSet<Ix> {
        let mut strict = BTreeSet::new();
        for agent in self.links.agents_of(key) {
            let certs = self.links.certs_of(key, agent);
            if !certs.iter().any(|cert| self.carried(*cert)) {
                continue;
            }
            strict.extend(self.not_returned(self.links.revokes_of_pair(key, agent), certs));
            if let Some(cert) = self.nodes.find(agent) {
                strict.extend(self.not_returned(self.links.revokes_of(cert), &[cert]));
            }
        }
        strict.retain(|revoke| self.mode(*revoke) == Some(RevokeMode::Strict));
        strict
    }

    fn certified_key(&self, cert: Ix) -> Option<DeviceId> {
        match self.nodes.payload(cert)? {
            Payload::DeviceCert(c) => Some(c.device),
            _ => None,
        }
    }

    /// The device that confirmed a certificate.
    fn countersigner(&self, cert: Ix) -> Option<DeviceId> {
        match self.nodes.payload(cert)? {
            Payload::DeviceCert(c) => c.countersignature.as_ref().map(|by| by.device),
            _ => None,
        }
    }

    /// Whether a Department has been deleted.
    fn is_deleted(&self, department: UnitId) -> bool {
        self.nodes.find(department).is_some_and(|create| {
            !self.not_returned(self.links.revokes_of(create), &[create]).is_empty()
        })
    }

    /// The Departments under which alone a permit is carried; `None` if some carrier has the
    /// whole company as its scope.
    fn departments(&self, permit: Ix) -> Option<BTreeSet<UnitId>> {
        let mut units = BTreeSet::new();
        for (_, grant) in self.authority.carriers(permit, self.nodes) {
            match self.nodes.payload(grant) {
                Some(Payload::AdminGrant(g)) => units.insert(g.scope?),
                _ => return None,
            };
        }
        Some(units)
    }

    /// The value of a field, if one was ever set: of those that no other supersedes, the one of
    /// the most senior author, then of the smallest id.
    pub(super) fn field(&self, target: Ix, field: Field) -> Option<&'a FieldValue> {
        let (_, winner) = self.field_winner(target, field)?;
        match self.nodes.payload(winner) {
            Some(Payload::SetField(f)) => Some(&f.value),
            _ => None,
        }
    }

    /// The rank of whoever last named something, if it was renamed: a junior's name is a junior's,
    /// whoever certified the bearer.
    fn name_rank(&self, target: Ix) -> Option<u32> {
        self.field_winner(target, Field::Name).map(|(rank, _)| rank)
    }

    fn field_winner(&self, target: Ix, field: Field) -> Option<(u32, Ix)> {
        let nodes = self.nodes;
        let set = |ix: Ix| match nodes.payload(ix) {
            Some(Payload::SetField(f)) => Some(f),
            _ => None,
        };
        let all = self.links.fields_of((target, field));
        let carried: BTreeMap<ObjectId, (u32, Ix)> =
            all.iter().filter_map(|ix| Some((nodes.id(*ix), (self.rank(*ix)?, *ix)))).collect();
        let superseded: BTreeSet<ObjectId> = carried
            .values()
            .filter_map(|(_, ix)| set(*ix))
            .flat_map(|f| f.supersedes.iter().copied())
            .collect();
        let left = carried.into_iter().filter(|(id, _)| !superseded.contains(id));
        left.min_by_key(|(id, (rank, _))| (*rank, *id)).map(|(_, winner)| winner)
    }

    /// The plain name of an agent, unit or room.
    pub(in crate::control) fn name_of(&self, target: Ix) -> String {
        if let Some(FieldValue::Name(name)) = self.field(target, Field::Name) {
            return name.clone();
        }
        match self.nodes.payload(target) {
            Some(Payload::AgentCert(c)) => c.name.clone(),
            Some(Payload::UnitCreate(u)) => u.name.clone(),
            Some(Payload::RoomCreate(r)) => r.name.clone(),
            _ => String::new(),
        }
    }
}
