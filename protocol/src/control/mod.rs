//! The control log: which signed objects count, and what follows from them.
//!
//! An object counts once everything it refers to counts, its height and its place in its
//! author's chain are right, and the authority it cites allows it. Each of these is a
//! property of the object and of what it refers to, so the counting set is the same in
//! whatever order objects arrive. What ends by a `Revoke` is decided in `access`, from the
//! counting set as a whole.

mod access;
mod names;
mod parked;

use std::collections::{BTreeMap, BTreeSet};

pub use access::{Access, AgentInfo, DeviceInfo, RoomInfo, UnitInfo};
pub use names::{Selected, is_id};
use parked::Parked;

use crate::cached::Cached;
use crate::id::{CompanyId, DeviceId, ObjectId, UnitId};
use crate::object::{
    AdminGrant, Capabilities, ControlObject, Genesis, ObjectType, Payload, Principal, UnitKind,
};
use crate::signed::Verified;
use crate::sync::fingerprint;

/// Why an object can never count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VoidReason {
    /// The authority it cites does not carry it.
    NoAuthority,
    /// Its height is not 1 + the largest height of what it refers to.
    Height,
    /// Its predecessor is not its author's object before it.
    Chain,
    /// It refers to an object of the wrong type.
    Reference,
    /// Part of the protocol that this version does not evaluate.
    Unsupported,
}

impl VoidReason {
    /// The counter in `status`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::NoAuthority => "no_authority",
            Self::Height => "height_mismatch",
            Self::Chain => "chain_mismatch",
            Self::Reference => "wrong_reference",
            Self::Unsupported => "unsupported",
        }
    }
}

/// What became of an object that was added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Added {
    /// It counts, and so do these that had waited for it; in the order in which they count.
    Counts(Vec<ObjectId>),
    /// It is here already.
    Duplicate,
    /// It waits for objects it refers to.
    Parked {
        /// Those that are missing.
        missing: Vec<ObjectId>,
    },
    /// It waits for objects, but there is no room to hold it.
    Full,
    /// It can never count and is not kept.
    Void(VoidReason),
}

/// The control log of one company, as far as this node has it.
#[derive(Clone, Debug)]
pub struct ControlLog {
    company: CompanyId,
    genesis: Option<Verified<Genesis>>,
    objects: BTreeMap<ObjectId, Verified<ControlObject>>,
    /// Counting objects in the order of synchronisation.
    order: BTreeSet<(u64, ObjectId)>,
    parked: Parked,
    /// All objects by place in their author's chain; more than one is an equivocation.
    places: BTreeMap<(DeviceId, u64), Vec<ObjectId>>,
    access: Access,
    digest: Cached<ObjectId>,
    summary: Cached<(u64, ObjectId)>,
}

impl ControlLog {
    /// The empty log of a company. Nothing counts before its `Genesis` is here.
    #[must_use]
    pub fn new(company: CompanyId) -> Self {
        Self {
            company,
            genesis: None,
            objects: BTreeMap::new(),
            order: BTreeSet::new(),
            parked: Parked::default(),
            places: BTreeMap::new(),
            access: Access::default(),
            digest: Cached::default(),
            summary: Cached::default(),
        }
    }

    /// The company.
    #[must_use]
    pub fn company(&self) -> CompanyId {
        self.company
    }

    /// Its `Genesis`, once here.
    #[must_use]
    pub fn genesis(&self) -> Option<&Genesis> {
        self.genesis.as_ref().map(Verified::value)
    }

    /// What follows from the counting objects. Current after [`ControlLog::refresh`].
    #[must_use]
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// Counting objects in order of (height, id), `Genesis` included.
    #[must_use]
    pub fn order(&self) -> &BTreeSet<(u64, ObjectId)> {
        &self.order
    }

    /// The signed bytes of a counting object.
    #[must_use]
    pub fn bytes(&self, id: ObjectId) -> Option<&[u8]> {
        if let Some(genesis) = self.genesis.as_ref().filter(|g| g.id() == id) {
            return Some(genesis.bytes());
        }
        self.objects.get(&id).map(Verified::bytes)
    }

    /// A counting object other than `Genesis`.
    #[must_use]
    pub fn get(&self, id: ObjectId) -> Option<&ControlObject> {
        self.objects.get(&id).map(Verified::value)
    }

    /// Whether an object counts.
    #[must_use]
    pub fn counts(&self, id: ObjectId) -> bool {
        self.height_of(id).is_some()
    }

    /// Digest of the counting set: BLAKE3 over the ids in order of (height, id), under the
    /// context `conclave v1 control digest`.
    #[must_use]
    pub fn digest(&self) -> ObjectId {
        self.digest.get_or(|| {
            let mut hasher = blake3::Hasher::new_derive_key("conclave v1 control digest");
            for (_, id) in &self.order {
                hasher.update(&id.0);
            }
            ObjectId(hasher.finalize().into())
        })
    }

    /// Count and fingerprint of the counting set, for reconciliation.
    #[must_use]
    pub fn summary(&self) -> (u64, ObjectId) {
        self.summary.get_or(|| {
            let ids = self.order.iter().map(|(_, id)| *id);
            (self.order.len() as u64, fingerprint(ids))
        })
    }

    /// Places at which a device signed more than one object.
    pub fn equivocations(&self) -> impl Iterator<Item = (DeviceId, u64)> + '_ {
        self.places.iter().filter(|(_, ids)| ids.len() > 1).map(|(place, _)| *place)
    }

    /// The newest place in a device's chain: sequence number and id.
    #[must_use]
    pub fn tail(&self, device: DeviceId) -> Option<(u64, ObjectId)> {
        let chain = self.places.range((device, 0)..=(device, u64::MAX));
        let (&(_, seq), ids) = chain.last()?;
        ids.first().map(|id| (seq, *id))
    }

    /// The grant under which a device may act with what `needed` asks, if there is one.
    #[must_use]
    pub fn admin_grant(
        &self,
        device: DeviceId,
        needed: impl Fn(Capabilities) -> bool,
    ) -> Option<ObjectId> {
        self.objects.iter().find_map(|(id, object)| match &object.value().payload {
            Payload::AdminGrant(g) if g.device == device && needed(g.may) => Some(*id),
            _ => None,
        })
    }

    /// Devices that may approve newcomers.
    pub fn approvers(&self) -> impl Iterator<Item = DeviceId> + '_ {
        self.objects.values().filter_map(|object| match &object.value().payload {
            Payload::AdminGrant(g) if g.may.agents => Some(g.device),
            _ => None,
        })
    }

    /// The height that an object with these references has.
    #[must_use]
    pub fn height_over(&self, references: &[ObjectId]) -> Option<u64> {
        let mut height = 0;
        for id in references {
            height = height.max(self.height_of(*id)?);
        }
        Some(height + 1)
    }

    /// Adds the `Genesis`. Returns what counts now, in order.
    pub fn add_genesis(&mut self, genesis: Verified<Genesis>) -> Added {
        if self.genesis.is_some() {
            return Added::Duplicate;
        }
        if CompanyId::from(genesis.id()) != self.company {
            return Added::Void(VoidReason::Reference);
        }
        let id = genesis.id();
        self.places.insert((genesis.value().root, 1), vec![id]);
        self.order.insert((1, id));
        self.digest.clear();
        self.summary.clear();
        self.genesis = Some(genesis);
        let mut counted = vec![id];
        self.count_parked(id, &mut counted);
        Added::Counts(counted)
    }

    /// Adds an object. The caller makes every object of `Counts` durable and then calls
    /// [`ControlLog::refresh`].
    pub fn add(&mut self, object: Verified<ControlObject>) -> Added {
        let id = object.id();
        if self.objects.contains_key(&id) || self.parked.contains(id) {
            return Added::Duplicate;
        }
        let missing: Vec<ObjectId> =
            object.value().references().into_iter().filter(|r| !self.counts(*r)).collect();
        if !missing.is_empty() {
            return if self.parked.insert(object, &missing) {
                Added::Parked { missing }
            } else {
                Added::Full
            };
        }
        if let Err(reason) = self.judge(object.value()) {
            return Added::Void(reason);
        }
        self.count(object);
        let mut counted = vec![id];
        self.count_parked(id, &mut counted);
        Added::Counts(counted)
    }

    /// Derives access again from the counting set.
    pub fn refresh(&mut self) {
        self.access = Access::derive(self.objects.iter().map(|(id, o)| (*id, o.value())));
    }

    fn count(&mut self, object: Verified<ControlObject>) {
        let header = &object.value().header;
        self.places.entry((header.author, header.seq)).or_default().push(object.id());
        self.order.insert((header.height, object.id()));
        self.digest.clear();
        self.summary.clear();
        self.objects.insert(object.id(), object);
    }

    /// Counts what waited for `first`, and what waited for that, and so on.
    fn count_parked(&mut self, first: ObjectId, counted: &mut Vec<ObjectId>) {
        let mut arrived = vec![first];
        while let Some(id) = arrived.pop() {
            for object in self.parked.take_waiting_for(id) {
                let ready = object.value().references().into_iter().all(|r| self.counts(r));
                if !ready {
                    // It was held already, so there is room for it.
                    let missing: Vec<ObjectId> = object
                        .value()
                        .references()
                        .into_iter()
                        .filter(|r| !self.counts(*r))
                        .collect();
                    self.parked.insert(object, &missing);
                } else if self.judge(object.value()).is_ok() {
                    let id = object.id();
                    self.count(object);
                    counted.push(id);
                    arrived.push(id);
                }
            }
        }
    }

    fn height_of(&self, id: ObjectId) -> Option<u64> {
        if self.genesis.as_ref().is_some_and(|g| g.id() == id) {
            return Some(1);
        }
        self.objects.get(&id).map(|o| o.value().header.height)
    }

    /// Whether an object counts whose references all do.
    fn judge(&self, object: &ControlObject) -> Result<(), VoidReason> {
        let header = &object.header;
        if self.height_over(&object.references()) != Some(header.height) {
            return Err(VoidReason::Height);
        }
        self.judge_chain(object)?;
        self.judge_references(&object.payload)?;
        if header.authority == ObjectId::from(self.company) {
            return self.judge_as_root(object);
        }
        let Some(Payload::AdminGrant(grant)) = self.get(header.authority).map(|o| &o.payload)
        else {
            return Err(VoidReason::NoAuthority);
        };
        self.judge_as_admin(object, grant)
    }

    fn judge_chain(&self, object: &ControlObject) -> Result<(), VoidReason> {
        let header = &object.header;
        let Some(prev) = header.prev else {
            return Ok(());
        };
        let (author, seq) = match (self.get(prev), self.genesis()) {
            (Some(before), _) => (before.header.author, before.header.seq),
            (None, Some(genesis)) => (genesis.root, 1),
            (None, None) => return Err(VoidReason::Chain),
        };
        if author == header.author && seq + 1 == header.seq {
            Ok(())
        } else {
            Err(VoidReason::Chain)
        }
    }

    /// Each reference must be of the type that its place asks for.
    fn judge_references(&self, payload: &Payload) -> Result<(), VoidReason> {
        let is = |id: ObjectId, wanted: ObjectType| {
            self.get(id).is_some_and(|o| o.payload.object_type() == wanted)
        };
        let revokes = |ids: &[ObjectId]| ids.iter().all(|id| is(*id, ObjectType::Revoke));
        let unit = |id: UnitId| is(id.into(), ObjectType::UnitCreate);
        let fits = match payload {
            Payload::AdminGrant(g) => {
                is(g.agent.into(), ObjectType::AgentCert)
                    && g.scope.is_none_or(unit)
                    && revokes(&g.overrides)
            }
            Payload::UnitCreate(u) => u.parent.is_none_or(|parent| {
                matches!(
                    self.get(parent.into()).map(|o| &o.payload),
                    Some(Payload::UnitCreate(p)) if p.kind == UnitKind::Department
                )
            }),
            Payload::AgentCert(_) | Payload::RoomCreate(_) => true,
            Payload::DeviceCert(c) => is(c.agent.into(), ObjectType::AgentCert),
            Payload::MemberGrant(g) => {
                is(g.agent.into(), ObjectType::AgentCert) && unit(g.unit) && revokes(&g.overrides)
            }
            Payload::Permit(p) => {
                let principal = match p.principal {
                    Principal::Unit(id) => id == UnitId::ROLE_AGENT || unit(id),
                    Principal::Agent(id) => is(id.into(), ObjectType::AgentCert),
                };
                is(p.room.into(), ObjectType::RoomCreate) && principal && revokes(&p.overrides)
            }
            Payload::RootRotate(_)
            | Payload::RoomCut(_)
            | Payload::Ratify(_)
            | Payload::SetField(_) => return Err(VoidReason::Unsupported),
            Payload::Revoke(r) => {
                if !is(r.target, ObjectType::MemberGrant) && !is(r.target, ObjectType::Permit) {
                    return Err(VoidReason::Unsupported);
                }
                true
            }
        };
        if fits { Ok(()) } else { Err(VoidReason::Reference) }
    }

    /// The root appoints top admins and certifies the founder, nothing else.
    fn judge_as_root(&self, object: &ControlObject) -> Result<(), VoidReason> {
        let root = self.genesis().map(|g| g.root);
        if root != Some(object.header.author) {
            return Err(VoidReason::NoAuthority);
        }
        match &object.payload {
            Payload::AdminGrant(g) => {
                // Ranks, scopes and re-appointments are not evaluated by this version.
                let plain = g.rank == 1 && g.scope.is_none() && g.overrides.is_empty();
                if plain { Ok(()) } else { Err(VoidReason::Unsupported) }
            }
            Payload::AgentCert(_) => Ok(()),
            _ => Err(VoidReason::NoAuthority),
        }
    }

    fn judge_as_admin(&self, object: &ControlObject, grant: &AdminGrant) -> Result<(), VoidReason> {
        let allowed = match &object.payload {
            Payload::AdminGrant(_)
            | Payload::RootRotate(_)
            | Payload::RoomCut(_)
            | Payload::Ratify(_)
            | Payload::SetField(_) => return Err(VoidReason::Unsupported),
            Payload::UnitCreate(u) => {
                grant.may.units && !(u.kind == UnitKind::Role && u.name == names::ROLE_AGENT)
            }
            Payload::MemberGrant(_) => grant.may.units,
            Payload::AgentCert(_) | Payload::DeviceCert(_) => grant.may.agents,
            Payload::RoomCreate(_) | Payload::Permit(_) => grant.may.rooms,
            Payload::Revoke(r) => match self.get(r.target).map(|o| &o.payload) {
                Some(Payload::MemberGrant(_)) => grant.may.units,
                Some(Payload::Permit(_)) => grant.may.rooms,
                _ => false,
            },
        };
        if allowed && grant.device == object.header.author {
            Ok(())
        } else {
            Err(VoidReason::NoAuthority)
        }
    }
}
