//! Agents, devices, units, memberships, permissions, rooms.

use std::collections::{BTreeMap, BTreeSet};

use conclave_protocol::id::{AgentId, DeviceId, ObjectId, RoomId, UnitId};
use conclave_protocol::object::{
    DeviceCert, Field, MemberGrant, Payload, Permit, Principal, RevokeMode, UnitKind,
};

use super::RoomState;
use super::authority::Authority;
use super::sound::Sound;

/// What a `Revoke` of a grant strikes and what a grant is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pair {
    Member(AgentId, UnitId),
    Permit(RoomId, Principal),
}

/// See the module's documentation.
#[derive(Clone, Copy)]
pub(super) struct Access<'a> {
    pub(super) log: &'a Sound,
    pub(super) authority: &'a Authority<'a>,
}

impl<'a> Access<'a> {
    pub(super) fn carried(&self) -> impl Iterator<Item = (ObjectId, &'a Payload)> + '_ {
        self.log
            .all()
            .filter(|(id, _)| self.authority.is_carried(*id))
            .map(|(id, object)| (id, &object.payload))
    }

    // Agents, units, rooms: carried, and no effective Revoke that stands.

    fn agents(&self) -> BTreeSet<AgentId> {
        let certs = self.carried().filter(|(_, p)| matches!(p, Payload::AgentCert(_)));
        certs.map(|(id, _)| id.into()).collect()
    }

    pub(super) fn live_agents(&self) -> BTreeSet<AgentId> {
        self.agents().into_iter().filter(|a| !self.is_revoked(&one(*a))).collect()
    }

    pub(super) fn live_units(&self) -> BTreeSet<UnitId> {
        let units = self.carried().filter(|(_, p)| matches!(p, Payload::UnitCreate(_)));
        units.map(|(id, _)| id.into()).filter(|unit| self.is_live_unit(*unit)).collect()
    }

    /// A Group is revoked with its Department; where that is only void, the Group lives on.
    fn is_live_unit(&self, unit: UnitId) -> bool {
        let parent = self.log.unit(unit).and_then(|u| u.parent);
        self.authority.is_carried(unit)
            && !self.is_revoked(&one(unit))
            && parent.is_none_or(|parent| !self.is_revoked(&one(parent)))
    }

    pub(super) fn rooms(&self) -> BTreeSet<RoomId> {
        let rooms = self.carried().filter(|(_, p)| matches!(p, Payload::RoomCreate(_)));
        rooms.map(|(id, _)| id.into()).collect()
    }

    pub(super) fn live_rooms(&self) -> BTreeSet<RoomId> {
        self.rooms().into_iter().filter(|room| !self.is_revoked(&one(*room))).collect()
    }

    fn is_revoked(&self, targets: &BTreeSet<ObjectId>) -> bool {
        !self.standing(targets).is_empty()
    }

    /// The modes of the effective `Revoke`s of these that stand: no permitted `Ratify` of any of
    /// them overrides these.
    fn standing(&self, targets: &BTreeSet<ObjectId>) -> Vec<RevokeMode> {
        let stands = |id: ObjectId, mode: RevokeMode| {
            let overridden = self.carried().any(|(ratify_id, payload)| match payload {
                Payload::Ratify(ratify) => {
                    let senior = self.authority.rank_of(ratify_id) <= self.authority.rank_of(id);
                    targets.contains(&ratify.target)
                        && ratify.overrides.contains(&id)
                        && (mode == RevokeMode::Depart || senior)
                }
                _ => false,
            });
            !overridden
        };
        let standing = self.log.revokes().filter(|(id, revoke)| {
            targets.contains(&revoke.target)
                && self.authority.is_effective(*id, revoke)
                && stands(*id, revoke.mode)
        });
        standing.map(|(_, revoke)| revoke.mode).collect()
    }

    // Devices: pairs of key and agent, each with its carried certificates.

    /// All certificates of a pair, void ones too: a removal is not lost when the certificate
    /// that it names becomes void.
    fn certificates(&self, device: DeviceId, agent: AgentId) -> BTreeSet<ObjectId> {
        let certs = self.log.all().filter_map(|(id, o)| match &o.payload {
            Payload::DeviceCert(cert) => Some((id, cert)),
            _ => None,
        });
        certs.filter(|(_, c)| (c.device, c.agent) == (device, agent)).map(|(id, _)| id).collect()
    }

    /// Those with a carried certificate, and these.
    fn pairs(&self) -> BTreeMap<(DeviceId, AgentId), BTreeSet<ObjectId>> {
        let mut pairs: BTreeMap<_, BTreeSet<ObjectId>> = BTreeMap::new();
        for (id, payload) in self.carried() {
            if let Payload::DeviceCert(cert) = payload {
                pairs.entry((cert.device, cert.agent)).or_default().insert(id);
            }
        }
        pairs
    }

    /// Keys that are live for nobody, whatever other pairs they have: a `Strict` removal of one
    /// of their pairs or of its agent stands.
    fn barred(&self) -> BTreeSet<DeviceId> {
        let strict =
            |targets: &BTreeSet<ObjectId>| self.standing(targets).contains(&RevokeMode::Strict);
        self.pairs()
            .into_keys()
            .filter(|(device, agent)| {
                strict(&self.certificates(*device, *agent)) || strict(&one(*agent))
            })
            .map(|(device, _)| device)
            .collect()
    }

    /// Live devices, and keys in dispute.
    pub(super) fn devices(&self) -> (BTreeMap<DeviceId, AgentId>, BTreeSet<DeviceId>) {
        let live_agents = self.live_agents();
        let barred = self.barred();
        let mut claims: BTreeMap<DeviceId, BTreeSet<AgentId>> = BTreeMap::new();
        for (device, agent) in self.pairs().into_keys() {
            let revoked = self.is_revoked(&self.certificates(device, agent));
            if live_agents.contains(&agent) && !revoked && !barred.contains(&device) {
                claims.entry(device).or_default().insert(agent);
            }
        }
        let mut devices = BTreeMap::new();
        let mut disputed = BTreeSet::new();
        for (device, agents) in claims {
            match agents.first() {
                Some(agent) if agents.len() == 1 => _ = devices.insert(device, *agent),
                _ => _ = disputed.insert(device),
            }
        }
        (devices, disputed)
    }

    /// Live devices that nothing shows to be their agent's: those that are not confirmed, and
    /// the first where it cannot prove that it was first.
    pub(super) fn uncountersigned(&self, live: &BTreeMap<DeviceId, AgentId>) -> BTreeSet<DeviceId> {
        let mut shown = BTreeSet::new();
        for agent in self.agents() {
            let devices: BTreeSet<DeviceId> =
                live.iter().filter(|(_, of)| **of == agent).map(|(device, _)| *device).collect();
            shown.extend(self.unconfirmed(agent, &devices));
        }
        shown
    }

    fn unconfirmed(&self, agent: AgentId, live: &BTreeSet<DeviceId>) -> BTreeSet<DeviceId> {
        let certs: Vec<(ObjectId, &DeviceCert)> = self
            .carried()
            .filter_map(|(id, payload)| match payload {
                Payload::DeviceCert(cert) if cert.agent == agent => Some((id, cert)),
                _ => None,
            })
            .collect();
        let rank = |id: ObjectId| self.authority.rank_of(id);
        let height = |id: ObjectId| self.log.get(id).map(|object| object.header.height);
        let Some((first, of_first)) =
            certs.iter().copied().min_by_key(|(id, _)| (rank(*id), height(*id), *id))
        else {
            return BTreeSet::new();
        };
        let mut confirmed = BTreeSet::from([of_first.device]);
        loop {
            let more: BTreeSet<DeviceId> = certs
                .iter()
                .filter(|(_, cert)| {
                    let by = cert.countersignature.as_ref().map(|by| by.device);
                    by.is_some_and(|by| confirmed.contains(&by))
                })
                .map(|(_, cert)| cert.device)
                .collect();
            let before = confirmed.len();
            confirmed.extend(more);
            if confirmed.len() == before {
                break;
            }
        }
        let mut shown: BTreeSet<DeviceId> = live.difference(&confirmed).copied().collect();
        // Equals cannot prove who came first.
        let rival =
            certs.iter().any(|(id, cert)| shown.contains(&cert.device) && rank(*id) == rank(first));
        if rival && live.contains(&of_first.device) {
            shown.insert(of_first.device);
        }
        shown
    }

    // Memberships and permissions: grants, what strikes their pair, and what they override.

    fn pair(&self, id: ObjectId) -> Option<Pair> {
        match self.log.payload(id)? {
            Payload::MemberGrant(g) => Some(Pair::Member(g.agent, g.unit)),
            Payload::Permit(p) => Some(Pair::Permit(p.room, p.principal)),
            _ => None,
        }
    }

    /// A `Revoke` strikes the pair of its target even if that target is void.
    fn strikes(&self, target: ObjectId, pair: Pair) -> bool {
        match (self.pair(target), pair) {
            (Some(Pair::Member(agent, unit)), Pair::Member(other, held)) => {
                let parent = self.log.unit(held).and_then(|u| u.parent);
                agent == other && (unit == held || Some(unit) == parent)
            }
            (Some(struck), _) => struck == pair,
            (None, _) => false,
        }
    }

    /// The `Revoke`s that a grant overrides, by itself and through the grants of its own pair
    /// that these end; of a Group's, through those of its Department too.
    fn closure(&self, grant: ObjectId, pair: Pair) -> BTreeSet<ObjectId> {
        let mut closed = BTreeSet::new();
        let mut seen = BTreeSet::new();
        let mut open = vec![grant];
        while let Some(grant) = open.pop() {
            if !self.authority.is_carried(grant) || !seen.insert(grant) {
                continue;
            }
            let overrides = match self.log.payload(grant) {
                Some(Payload::MemberGrant(MemberGrant { overrides, .. })) => overrides,
                Some(Payload::Permit(Permit { overrides, .. })) => overrides,
                _ => continue,
            };
            for id in overrides.iter().filter(|id| self.authority.is_carried(**id)) {
                let Some(Payload::Revoke(revoke)) = self.log.payload(*id) else { continue };
                let senior = self.authority.rank_of(grant) <= self.authority.rank_of(*id);
                if revoke.mode == RevokeMode::Depart || senior {
                    closed.insert(*id);
                    if self.strikes(revoke.target, pair) {
                        open.push(revoke.target);
                    }
                }
            }
        }
        closed
    }

    fn is_in_force(&self, grant: ObjectId) -> bool {
        let Some(pair) = self.pair(grant) else { return false };
        let closure = self.closure(grant, pair);
        let stands = self.carried().any(|(id, payload)| match payload {
            Payload::Revoke(r) => self.strikes(r.target, pair) && !closure.contains(&id),
            _ => false,
        });
        self.authority.is_carried(grant) && !stands
    }

    fn memberships(&self) -> impl Iterator<Item = (ObjectId, (AgentId, UnitId))> + '_ {
        self.carried().filter_map(|(id, payload)| match payload {
            Payload::MemberGrant(g) => Some((id, (g.agent, g.unit))),
            _ => None,
        })
    }

    pub(super) fn memberships_in_force(&self) -> BTreeSet<(AgentId, UnitId)> {
        let exists = |agent: AgentId| self.authority.is_carried(agent);
        self.memberships()
            .filter(|(id, (agent, _))| exists(*agent) && self.is_in_force(*id))
            .map(|(_, pair)| pair)
            .collect()
    }

    fn permits(&self) -> impl Iterator<Item = (ObjectId, (RoomId, Principal))> + '_ {
        self.carried().filter_map(|(id, payload)| match payload {
            Payload::Permit(p) => Some((id, (p.room, p.principal))),
            _ => None,
        })
    }

    pub(super) fn permits_in_force(&self) -> BTreeSet<(RoomId, Principal)> {
        let exists = |room: RoomId| self.authority.is_carried(room);
        self.permits()
            .filter(|(id, (room, _))| exists(*room) && self.is_in_force(*id))
            .map(|(_, pair)| pair)
            .collect()
    }

    // Rooms: whom they let in.

    pub(super) fn room(&self, room: RoomId) -> RoomState {
        let open = self.live_rooms().contains(&room);
        RoomState {
            name: self.room_name(room),
            topic: self.topic(room),
            active: self.is_active(room),
            revoked: !open,
            with_access: if open { self.with_access(room) } else { BTreeSet::new() },
            proved: self.proved(room),
        }
    }

    fn with_access(&self, room: RoomId) -> BTreeSet<AgentId> {
        let held = self.memberships_in_force();
        // Who is only in a revoked Group is not in its Department by that.
        let held = held.into_iter().filter(|(_, unit)| self.is_live_unit(*unit)).collect();
        self.let_in(room, &self.live_agents(), &held, |permit| self.is_in_force(permit))
            .into_iter()
            .filter(|(_, unit)| unit.is_none_or(|unit| self.is_live_unit(unit)))
            .map(|(agent, _)| agent)
            .collect()
    }

    fn proved(&self, room: RoomId) -> BTreeSet<AgentId> {
        // Units prove something even if they were deleted; not those that are void.
        let ever = self.memberships().map(|(_, pair)| pair);
        let ever = ever.filter(|(_, unit)| self.authority.is_carried(*unit)).collect();
        let ways = self.let_in(room, &self.agents(), &ever, |_| true);
        let exists = |unit: UnitId| self.authority.is_carried(unit);
        ways.into_iter()
            .filter(|(_, unit)| unit.is_none_or(exists))
            .map(|(agent, _)| agent)
            .collect()
    }

    /// Whom the permissions that fit let in, each with the unit that has to be live for it.
    /// Whom a Department let in as a single agent is proved by having been its member.
    fn let_in(
        &self,
        room: RoomId,
        agents: &BTreeSet<AgentId>,
        held: &BTreeSet<(AgentId, UnitId)>,
        fits: impl Fn(ObjectId) -> bool,
    ) -> BTreeSet<(AgentId, Option<UnitId>)> {
        let belongs = |agent: AgentId, unit: UnitId| {
            held.iter().any(|(who, of)| {
                let parent = self.log.unit(*of).and_then(|u| u.parent);
                *who == agent && (*of == unit || parent == Some(unit))
            })
        };
        let mut ways = BTreeSet::new();
        for (id, (_, principal)) in self.permits().filter(|(_, (of, _))| *of == room) {
            if !fits(id) {
                continue;
            }
            for agent in agents {
                match principal {
                    Principal::Unit(UnitId::ROLE_AGENT) => _ = ways.insert((*agent, None)),
                    Principal::Unit(unit) if belongs(*agent, unit) => {
                        ways.insert((*agent, Some(unit)));
                    }
                    Principal::Agent(named) if named == *agent => {
                        for carrier in self.authority.carriers(id) {
                            if carrier.scope.is_none_or(|scope| belongs(*agent, scope)) {
                                ways.insert((*agent, carrier.scope));
                            }
                        }
                    }
                    Principal::Unit(_) | Principal::Agent(_) => {}
                }
            }
        }
        ways
    }

    // Names as shown.

    pub(super) fn agent_name(&self, agent: AgentId) -> String {
        let others = self.live_agents().into_iter().map(ObjectId::from).collect();
        self.shown_name(agent.into(), &others)
    }

    pub(super) fn unit_name(&self, unit: UnitId) -> String {
        let kind = |unit: UnitId| -> Option<(UnitKind, Option<UnitId>)> {
            self.log.unit(unit).map(|u| (u.kind, u.parent))
        };
        let mut others = self.live_units();
        others.retain(|other| kind(*other) == kind(unit));
        self.shown_name(unit.into(), &others.into_iter().map(ObjectId::from).collect())
    }

    fn room_name(&self, room: RoomId) -> String {
        let others = self.live_rooms().into_iter().map(ObjectId::from).collect();
        self.shown_name(room.into(), &others)
    }

    fn topic(&self, room: RoomId) -> String {
        self.text(room.into(), Field::Topic)
    }
}

fn one(id: impl Into<ObjectId>) -> BTreeSet<ObjectId> {
    BTreeSet::from([id.into()])
}
