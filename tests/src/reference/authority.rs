//! Who stands behind what, rank by rank.

use std::collections::{BTreeMap, BTreeSet};

use conclave_protocol::id::{ObjectId, UnitId};
use conclave_protocol::object::{AdminGrant, Payload, Revoke};

use super::root::RootLine;
use super::sound::Sound;

/// What stands behind an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Carrier {
    pub(super) rank: u32,
    pub(super) scope: Option<UnitId>,
    /// None for the root.
    grant: Option<ObjectId>,
}

/// See the module's documentation.
pub(super) struct Authority<'a> {
    log: &'a Sound,
    pub(super) root: RootLine,
    carriers: BTreeMap<ObjectId, BTreeSet<Carrier>>,
    /// What hits each carried `AdminGrant`.
    hits: BTreeMap<ObjectId, BTreeSet<ObjectId>>,
    /// Carried `AdminGrant`s that nothing hits.
    pub(super) in_force: BTreeSet<ObjectId>,
}

impl<'a> Authority<'a> {
    pub(super) fn of(log: &'a Sound) -> Self {
        let mut all = Self {
            log,
            root: RootLine::of(log),
            carriers: BTreeMap::new(),
            hits: BTreeMap::new(),
            in_force: BTreeSet::new(),
        };
        all.rank_zero();
        let ranks: BTreeSet<u32> = log.grants().map(|(_, grant)| grant.rank).collect();
        for rank in ranks {
            all.rank(rank);
        }
        all
    }

    fn rank_zero(&mut self) {
        let root = Carrier { rank: 0, scope: None, grant: None };
        let rotations: Vec<ObjectId> = self.root.rotations().collect();
        for id in rotations {
            self.carry(id, root);
        }
        for (id, object) in self.log.all() {
            let rotates = matches!(object.payload, Payload::RootRotate(_));
            if !rotates && self.root.carries(self.log, id, object.header.authority) {
                self.carry(id, root);
            }
        }
    }

    /// Judges the grants of one rank by what is carried more senior, and carries what they
    /// issue. All that bears on them is known by now.
    fn rank(&mut self, rank: u32) {
        let grants: Vec<(ObjectId, &AdminGrant)> =
            self.log.grants().filter(|(_, grant)| grant.rank == rank).collect();
        let limits: Vec<(ObjectId, Limit)> =
            grants.iter().map(|(id, grant)| (*id, self.limit(*id, grant))).collect();
        for (id, limit) in &limits {
            let hits: BTreeSet<ObjectId> =
                limit.senior.union(&limit.resignations).copied().collect();
            // What is void has nothing that could be limited.
            if !self.is_carried(*id) {
                continue;
            }
            if hits.is_empty() {
                self.in_force.insert(*id);
            }
            self.hits.insert(*id, hits);
        }
        // Only now: which grants of this rank protect somebody is settled for all of them.
        for ((id, grant), (_, limit)) in grants.iter().zip(&limits) {
            if !self.is_carried(*id) {
                continue;
            }
            let carrier = Carrier { rank, scope: grant.scope, grant: Some(*id) };
            for (issued, object) in self.log.all() {
                if object.header.authority == *id && self.leaves(limit, grant, issued) {
                    self.carry(issued, carrier);
                }
            }
        }
    }

    /// Whoever stands behind a `Ratify` stands behind its target too.
    fn carry(&mut self, id: ObjectId, carrier: Carrier) {
        let new = self.carriers.entry(id).or_default().insert(carrier);
        if let Some(Payload::Ratify(ratify)) = self.log.payload(id).filter(|_| new) {
            self.carry(ratify.target, carrier);
        }
    }

    fn limit(&self, id: ObjectId, grant: &AdminGrant) -> Limit {
        let resigns = |at: ObjectId| self.log.is_resignation(at);
        let senior: BTreeSet<ObjectId> = self
            .log
            .revokes()
            .filter(|(revoke_id, revoke)| {
                !resigns(*revoke_id)
                    && self.aims_at(revoke, id, grant)
                    && self.has_effect_before(*revoke_id, revoke, grant.rank)
                    && !self.overrides(id, grant, *revoke_id)
            })
            .map(|(revoke_id, _)| revoke_id)
            .collect();
        let resignations = self
            .log
            .revokes()
            .filter(|(at, revoke)| revoke.target == id && resigns(*at))
            .map(|(at, _)| at)
            .filter(|at| self.seniors_leave(&senior, grant, *at))
            .collect();
        Limit { senior, resignations }
    }

    fn aims_at(&self, revoke: &Revoke, id: ObjectId, grant: &AdminGrant) -> bool {
        let device = self.log.device_cert(revoke.target);
        revoke.target == id
            || revoke.target == ObjectId::from(grant.agent)
            || device.is_some_and(|c| c.device == grant.device && c.agent == grant.agent)
    }

    /// Only the carriers more senior than the grant are looked at: a junior one from the same
    /// agent could otherwise be effective because the grant is ended, and end it by that.
    fn has_effect_before(&self, id: ObjectId, revoke: &Revoke, rank: u32) -> bool {
        let carriers = self.carriers(id);
        carriers.iter().any(|carrier| carrier.rank < rank && self.has_effect(revoke, carrier))
    }

    fn has_effect(&self, revoke: &Revoke, carrier: &Carrier) -> bool {
        let in_force = self.in_force.iter().filter_map(|id| self.log.grant(*id));
        match self.log.payload(revoke.target) {
            Some(Payload::AdminGrant(target)) => carrier.rank < target.rank,
            Some(Payload::AgentCert(_)) => in_force
                .filter(|grant| ObjectId::from(grant.agent) == revoke.target)
                .all(|grant| carrier.rank < grant.rank),
            Some(Payload::DeviceCert(cert)) => {
                let own = carrier.grant.and_then(|g| self.log.grant(g)).map(|g| g.agent);
                // People may revoke their own lost laptop, though not the one in office.
                let equal_will_do =
                    |grant: &AdminGrant| grant.device != cert.device && own == Some(cert.agent);
                in_force.filter(|grant| grant.agent == cert.agent).all(|grant| {
                    carrier.rank < grant.rank
                        || (carrier.rank == grant.rank && equal_will_do(grant))
                })
            }
            _ => true,
        }
    }

    fn overrides(&self, id: ObjectId, grant: &AdminGrant, revoke: ObjectId) -> bool {
        // For a void grant the rank is no question: it holds up nothing.
        let may = !self.is_carried(id) || self.rank_of(id) <= self.rank_of(revoke);
        grant.overrides.contains(&revoke) && may
    }

    fn seniors_leave(&self, senior: &BTreeSet<ObjectId>, grant: &AdminGrant, id: ObjectId) -> bool {
        senior.iter().all(|revoke| {
            let Some(Payload::Revoke(revoke)) = self.log.payload(*revoke) else { return false };
            let cut = revoke.control_cuts.iter().find(|cut| cut.device == grant.device);
            cut.is_some_and(|cut| self.log.is_up_to(id, cut.id))
        })
    }

    /// A resignation needs only what the seniors leave, not what another resignation leaves.
    /// Two on a fork would otherwise void each other, and nodes that have only one of them
    /// would never agree with those that have both.
    fn leaves(&self, limit: &Limit, grant: &AdminGrant, id: ObjectId) -> bool {
        let before_all = limit.resignations.iter().all(|last| self.log.is_up_to(id, *last));
        self.seniors_leave(&limit.senior, grant, id)
            && (limit.resignations.contains(&id) || before_all)
    }

    pub(super) fn carriers(&self, id: ObjectId) -> BTreeSet<Carrier> {
        self.carriers.get(&id).cloned().unwrap_or_default()
    }

    pub(super) fn is_carried(&self, id: impl Into<ObjectId>) -> bool {
        self.carriers.contains_key(&id.into())
    }

    /// The most senior rank; behind all ranks for what nobody stands behind.
    pub(super) fn rank_of(&self, id: impl Into<ObjectId>) -> u32 {
        self.carriers(id.into()).first().map_or(u32::MAX, |carrier| carrier.rank)
    }

    pub(super) fn ranks(&self) -> BTreeMap<ObjectId, u32> {
        self.carriers.keys().map(|id| (*id, self.rank_of(*id))).collect()
    }

    /// Carried `Revoke`s with an effect.
    pub(super) fn effective(&self) -> BTreeSet<ObjectId> {
        let hitting: BTreeSet<ObjectId> = self.hits.values().flatten().copied().collect();
        self.log
            .revokes()
            .filter(|(id, revoke)| match self.log.payload(revoke.target) {
                Some(Payload::AdminGrant(_)) => self.is_carried(*id) && hitting.contains(id),
                _ => self.is_effective(*id, revoke),
            })
            .map(|(id, _)| id)
            .collect()
    }

    /// For targets other than `AdminGrant`s.
    pub(super) fn is_effective(&self, id: ObjectId, revoke: &Revoke) -> bool {
        self.carriers(id).iter().any(|carrier| self.has_effect(revoke, carrier))
    }
}

/// What ends an `AdminGrant`.
struct Limit {
    senior: BTreeSet<ObjectId>,
    /// The device's own, which leave everything up to themselves.
    resignations: BTreeSet<ObjectId>,
}
