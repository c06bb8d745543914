//! Sound: decided once, from an object and what it refers to.

use std::collections::BTreeSet;

use conclave_protocol::id::{AgentId, DeviceId, ObjectId, RoomId, UnitId};
use conclave_protocol::keys::recovery_hash;
use conclave_protocol::object::{
    AdminGrant, Capabilities, ControlObject, DeviceCert, FieldValue, Genesis, Payload, Principal,
    Revoke, RootRotate, SetField, UnitCreate, UnitKind,
};

use super::Objects;

/// The name of the built-in Role.
const RESERVED_ROLE: &str = "Agent";

/// The sound objects of a set.
#[derive(Clone, Debug)]
pub struct Sound {
    /// The company.
    pub genesis_id: ObjectId,
    /// Its founding.
    pub genesis: Genesis,
    objects: Objects,
}

impl Sound {
    /// Picks them from a set.
    #[must_use]
    pub fn of(genesis_id: ObjectId, genesis: &Genesis, all: &Objects) -> Self {
        let genesis = genesis.clone();
        let mut log = Self { genesis_id, genesis, objects: Objects::new() };
        let mut by_height: Vec<(&ObjectId, &ControlObject)> = all.iter().collect();
        // A sound object is higher than all it refers to, so one pass is enough.
        by_height.sort_by_key(|(id, object)| (object.header.height, **id));
        for (id, object) in by_height {
            log.add(*id, object);
        }
        log
    }

    /// Adds an object if it is sound.
    pub fn add(&mut self, id: ObjectId, object: &ControlObject) -> bool {
        let sound = self.admits(object);
        if sound {
            self.objects.insert(id, object.clone());
        }
        sound
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = (ObjectId, &ControlObject)> + '_ {
        self.objects.iter().map(|(id, object)| (*id, object))
    }

    pub(super) fn ids(&self) -> BTreeSet<ObjectId> {
        self.objects.keys().copied().collect()
    }

    /// One of them; `Genesis` is none.
    #[must_use]
    pub fn get(&self, id: impl Into<ObjectId>) -> Option<&ControlObject> {
        self.objects.get(&id.into())
    }

    /// What one of them says.
    #[must_use]
    pub fn payload(&self, id: impl Into<ObjectId>) -> Option<&Payload> {
        self.get(id).map(|object| &object.payload)
    }

    pub(crate) fn grant(&self, id: ObjectId) -> Option<&AdminGrant> {
        match self.payload(id) {
            Some(Payload::AdminGrant(grant)) => Some(grant),
            _ => None,
        }
    }

    pub(crate) fn unit(&self, id: UnitId) -> Option<&UnitCreate> {
        match self.payload(id) {
            Some(Payload::UnitCreate(unit)) => Some(unit),
            _ => None,
        }
    }

    pub(crate) fn device_cert(&self, id: ObjectId) -> Option<&DeviceCert> {
        match self.payload(id) {
            Some(Payload::DeviceCert(cert)) => Some(cert),
            _ => None,
        }
    }

    pub(super) fn grants(&self) -> impl Iterator<Item = (ObjectId, &AdminGrant)> + '_ {
        self.all().filter_map(|(id, object)| match &object.payload {
            Payload::AdminGrant(grant) => Some((id, grant)),
            _ => None,
        })
    }

    pub(super) fn revokes(&self) -> impl Iterator<Item = (ObjectId, &Revoke)> + '_ {
        self.all().filter_map(|(id, object)| match &object.payload {
            Payload::Revoke(revoke) => Some((id, revoke)),
            _ => None,
        })
    }

    pub(crate) fn rotations(&self) -> impl Iterator<Item = (ObjectId, &RootRotate)> + '_ {
        self.all().filter_map(|(id, object)| match &object.payload {
            Payload::RootRotate(rotate) => Some((id, rotate)),
            _ => None,
        })
    }

    /// Whether `id` is `last` or stands before it in one device's chain.
    #[must_use]
    pub fn is_up_to(&self, id: ObjectId, last: ObjectId) -> bool {
        let before = |at: ObjectId| self.get(at).and_then(|object| object.header.prev);
        std::iter::successors(Some(last), |at| before(*at)).any(|at| at == id)
    }

    /// The Department that a unit is or lies in.
    pub(crate) fn department(&self, unit: UnitId) -> Option<UnitId> {
        match self.unit(unit)? {
            UnitCreate { kind: UnitKind::Department, .. } => Some(unit),
            other => other.parent,
        }
    }

    fn is_department(&self, unit: UnitId) -> bool {
        self.unit(unit).is_some_and(|u| u.kind == UnitKind::Department)
    }

    fn is_agent(&self, agent: AgentId) -> bool {
        matches!(self.payload(agent), Some(Payload::AgentCert(_)))
    }

    fn is_room(&self, room: RoomId) -> bool {
        matches!(self.payload(room), Some(Payload::RoomCreate(_)))
    }

    fn is_revoke(&self, id: ObjectId) -> bool {
        matches!(self.payload(id), Some(Payload::Revoke(_)))
    }

    /// Author, place in the chain and height, of `Genesis` too.
    fn place(&self, id: ObjectId) -> Option<(DeviceId, u64, u64)> {
        if id == self.genesis_id {
            return Some((self.genesis.root, 1, 1));
        }
        self.get(id).map(|o| (o.header.author, o.header.seq, o.header.height))
    }

    /// Whether an object is sound, given the sound ones below it.
    #[must_use]
    pub fn admits(&self, object: &ControlObject) -> bool {
        let header = &object.header;
        let heights: Option<Vec<u64>> = object
            .references()
            .into_iter()
            .map(|id| self.place(id).map(|(_, _, height)| height))
            .collect();
        let highest = heights.and_then(|heights| heights.into_iter().max());
        header.company == self.genesis_id.into()
            && highest.is_some_and(|highest| header.height == highest + 1)
            && self.chain_fits(object)
            && self.references_fit(&object.payload)
            && match &object.payload {
                Payload::RootRotate(rotate) => self.opens_commitment(object, rotate),
                payload => {
                    self.speaks_for(header.author, header.authority)
                        && self.could_issue(header.authority, payload)
                }
            }
    }

    fn chain_fits(&self, object: &ControlObject) -> bool {
        let header = &object.header;
        let Some(prev) = header.prev else {
            return header.seq == 1;
        };
        let first_root = header.author == self.genesis.root;
        let fits = |(author, seq, _)| author == header.author && seq + 1 == header.seq;
        self.place(prev).is_some_and(fits)
            && (!first_root || header.seq != 2 || prev == self.genesis_id)
    }

    fn references_fit(&self, payload: &Payload) -> bool {
        let revokes = |ids: &[ObjectId]| ids.iter().all(|id| self.is_revoke(*id));
        match payload {
            Payload::AdminGrant(g) => {
                self.is_agent(g.agent)
                    && g.scope.is_none_or(|scope| self.is_department(scope))
                    && revokes(&g.overrides)
            }
            Payload::UnitCreate(u) => {
                u.parent.is_none_or(|parent| self.is_department(parent))
                    && !(u.kind == UnitKind::Role && u.name == RESERVED_ROLE)
            }
            Payload::AgentCert(_) | Payload::RoomCreate(_) => true,
            Payload::DeviceCert(c) => self.is_agent(c.agent),
            Payload::MemberGrant(g) => {
                self.is_agent(g.agent) && self.unit(g.unit).is_some() && revokes(&g.overrides)
            }
            Payload::Permit(p) => {
                let principal = match p.principal {
                    Principal::Agent(agent) => self.is_agent(agent),
                    Principal::Unit(unit) => {
                        unit == UnitId::ROLE_AGENT || self.unit(unit).is_some()
                    }
                };
                self.is_room(p.room) && principal && revokes(&p.overrides)
            }
            Payload::Revoke(r) => {
                let target = matches!(
                    self.payload(r.target),
                    Some(
                        Payload::AdminGrant(_)
                            | Payload::AgentCert(_)
                            | Payload::DeviceCert(_)
                            | Payload::MemberGrant(_)
                            | Payload::Permit(_)
                            | Payload::UnitCreate(_)
                            | Payload::RoomCreate(_)
                    )
                );
                target && r.control_cuts.iter().all(|c| self.is_at(c.id, c.device, c.seq))
            }
            Payload::RootRotate(r) => self.is_at(r.cut.id, r.cut.device, r.cut.seq),
            Payload::RoomCut(c) => self.is_room(c.room) && self.is_revoke(c.revoke),
            Payload::Ratify(r) => {
                let target = !matches!(self.payload(r.target), None | Some(Payload::RootRotate(_)));
                target && revokes(&r.overrides)
            }
            Payload::SetField(f) => self.field_fits(f),
        }
    }

    fn is_at(&self, id: ObjectId, device: DeviceId, seq: u64) -> bool {
        self.place(id).is_some_and(|(author, at, _)| (author, at) == (device, seq))
    }

    fn field_fits(&self, field: &SetField) -> bool {
        let target = match (self.payload(field.target), &field.value) {
            // No Role is named so, at whatever time.
            (Some(Payload::UnitCreate(u)), FieldValue::Name(name)) => {
                !(u.kind == UnitKind::Role && name == RESERVED_ROLE)
            }
            (Some(Payload::AgentCert(_)), FieldValue::Name(_))
            | (Some(Payload::RoomCreate(_)), _) => true,
            _ => false,
        };
        let same = |id: &ObjectId| {
            matches!(self.payload(*id), Some(Payload::SetField(older))
                if older.target == field.target && older.value.field() == field.value.field())
        };
        target && field.supersedes.iter().all(same)
    }

    /// The key of a root, and the hash of the key after it.
    pub(super) fn root(&self, id: ObjectId) -> Option<(DeviceId, ObjectId)> {
        if id == self.genesis_id {
            return Some((self.genesis.root, self.genesis.recovery));
        }
        match self.get(id) {
            Some(ControlObject { header, payload: Payload::RootRotate(rotate) }) => {
                Some((header.author, rotate.next))
            }
            _ => None,
        }
    }

    fn opens_commitment(&self, object: &ControlObject, rotate: &RootRotate) -> bool {
        let header = &object.header;
        let (cited, cut) = (header.authority, &rotate.cut);
        self.root(cited).is_some_and(|(replaced, committed)| {
            committed == recovery_hash(header.author, rotate.next)
                && cut.device == replaced
                && (cited == self.genesis_id || self.is_up_to(cited, cut.id))
        })
    }

    /// Whether a `Revoke` ends the very grant that it cites.
    pub(super) fn is_resignation(&self, id: ObjectId) -> bool {
        matches!(self.get(id), Some(ControlObject { header, payload: Payload::Revoke(revoke) })
            if header.authority == revoke.target)
    }

    /// Whether an authority is a grant for, or a root with, that key.
    #[must_use]
    pub fn speaks_for(&self, author: DeviceId, authority: ObjectId) -> bool {
        self.grant(authority).map(|g| g.device).or(self.root(authority).map(|(key, _)| key))
            == Some(author)
    }

    /// Whether an authority could issue such an object, judged by its content alone.
    #[must_use]
    pub fn could_issue(&self, authority: ObjectId, payload: &Payload) -> bool {
        if let Payload::Ratify(ratify) = payload {
            return self.could_ratify(authority, ratify.target);
        }
        match self.grant(authority) {
            Some(grant) => self.grant_could_issue(authority, grant, payload),
            None => self.root(authority).is_some() && self.root_could_issue(payload),
        }
    }

    fn could_ratify(&self, authority: ObjectId, target: ObjectId) -> bool {
        match (self.payload(target), self.grant(authority)) {
            (Some(Payload::Ratify(inner)), _) => self.could_ratify(authority, inner.target),
            // What revoking them asks for.
            (Some(Payload::UnitCreate(_)), Some(grant)) => {
                grant.may.units && self.has_unit(grant.scope, target.into())
            }
            (Some(Payload::RoomCreate(_)), Some(grant)) => {
                grant.may.rooms && self.has_room(grant.scope, target.into())
            }
            // The root gives devices back, and certifies none.
            (Some(Payload::DeviceCert(_)), None) => self.root(authority).is_some(),
            // Resigning needs no capability; standing behind a resignation does.
            (Some(Payload::Revoke(revoke)), Some(grant)) if revoke.target == authority => {
                grant.may.admins
            }
            (Some(payload), _) => self.could_issue(authority, payload),
            (None, _) => false,
        }
    }

    fn root_could_issue(&self, payload: &Payload) -> bool {
        match payload {
            Payload::AdminGrant(_) | Payload::AgentCert(_) => true,
            Payload::Revoke(revoke) => matches!(
                self.payload(revoke.target),
                Some(Payload::AdminGrant(_) | Payload::AgentCert(_) | Payload::DeviceCert(_))
            ),
            _ => false,
        }
    }

    fn grant_could_issue(&self, id: ObjectId, grant: &AdminGrant, payload: &Payload) -> bool {
        let (may, scope) = (grant.may, grant.scope);
        let people = may.agents && scope.is_none();
        match payload {
            Payload::AdminGrant(junior) => {
                may.admins
                    && junior.rank > grant.rank
                    && no_wider(junior.may, may)
                    && (scope.is_none() || junior.scope == scope)
            }
            Payload::UnitCreate(unit) => may.units && (scope.is_none() || unit.parent == scope),
            Payload::MemberGrant(member) => may.units && self.has_unit(scope, member.unit),
            Payload::AgentCert(_) | Payload::DeviceCert(_) => people,
            Payload::RoomCreate(_) => may.rooms,
            Payload::Permit(permit) => {
                may.rooms
                    && self.has_room(scope, permit.room)
                    && match permit.principal {
                        Principal::Agent(_) => true,
                        Principal::Unit(unit) => self.has_unit(scope, unit),
                    }
            }
            Payload::RoomCut(cut) => may.rooms && self.has_room(scope, cut.room),
            Payload::SetField(field) => match self.payload(field.target) {
                Some(Payload::AgentCert(_)) => people,
                Some(Payload::UnitCreate(_)) => {
                    may.units && self.has_unit(scope, field.target.into())
                }
                Some(Payload::RoomCreate(_)) => {
                    may.rooms && self.has_room(scope, field.target.into())
                }
                _ => false,
            },
            // The first is a resignation.
            Payload::Revoke(revoke) if revoke.target == id => true,
            Payload::Revoke(revoke) => match self.payload(revoke.target) {
                Some(Payload::AdminGrant(other)) => {
                    may.admins && (scope.is_none() || other.scope == scope)
                }
                Some(Payload::AgentCert(_) | Payload::DeviceCert(_)) => people,
                Some(Payload::MemberGrant(member)) => {
                    may.units && self.has_unit(scope, member.unit)
                }
                Some(Payload::UnitCreate(_)) => {
                    may.units && self.has_unit(scope, revoke.target.into())
                }
                Some(Payload::Permit(permit)) => may.rooms && self.has_room(scope, permit.room),
                Some(Payload::RoomCreate(_)) => {
                    may.rooms && self.has_room(scope, revoke.target.into())
                }
                _ => false,
            },
            Payload::RootRotate(_) | Payload::Ratify(_) => false,
        }
    }

    /// Whether a unit lies within a scope. No Department holds a Role.
    fn has_unit(&self, scope: Option<UnitId>, unit: UnitId) -> bool {
        scope.is_none() || self.department(unit) == scope
    }

    /// Whether a room lies within a scope: it was made under it.
    fn has_room(&self, scope: Option<UnitId>, room: RoomId) -> bool {
        let made_under = self.get(room).and_then(|o| self.grant(o.header.authority));
        scope.is_none() || made_under.is_some_and(|g| g.scope == scope)
    }
}

fn no_wider(inner: Capabilities, outer: Capabilities) -> bool {
    (!inner.units || outer.units)
        && (!inner.agents || outer.agents)
        && (!inner.rooms || outer.rooms)
        && (!inner.admins || outer.admins)
}
