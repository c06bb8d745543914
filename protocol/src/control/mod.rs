//! The control log: which signed objects count, and what follows from them.
//!
//! The rules stand in `docs/decisions/0009-authority.md`; the files follow it. An object enters the
//! log once it is *sound* (`sound`). It counts if some authority stands behind it: it is *carried*
//! (`authority`, over the chains in `nodes`). What that means for people is derived in `access`.
//! All of it is a function of the set of sound objects, whatever order they came in; it is kept up
//! to date object by object, at a cost that grows with what an object touches.

mod access;
mod alarms;
mod authority;
mod explain;
mod instants;
mod links;
mod lookup;
mod names;
mod nodes;
mod parked;
mod sound;

use std::collections::{BTreeMap, BTreeSet};

pub use access::{Access, AgentInfo, Changes, DeviceInfo, Ended, RoomInfo, Standing, UnitInfo};
pub use alarms::Alarm;
pub use explain::{Explanation, Link, Verdict};
pub use names::{Selected, is_id};
pub use sound::Unsound;

use self::access::View;
use self::authority::Authority;
use self::links::Links;
use self::nodes::{Ix, Nodes};
use self::parked::Parked;
use crate::cached::Cached;
use crate::id::{CompanyId, DeviceId, ObjectId};
use crate::limits::VOID_CONTROL_PER_DEVICE_MAX;
use crate::object::{ControlObject, Genesis, Payload};
use crate::signed::Verified;
use crate::sync::Items;
use crate::topic::TopicSecret;

/// What became of an object that was added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Added {
    /// It is in the log now, and so are these that had waited for it; in the order in which
    /// they came in. Whether they count is another question, see [`ControlLog::counts`].
    Taken(Vec<ObjectId>),
    /// It is here already.
    Duplicate,
    /// It waits for objects it refers to.
    Parked {
        /// Those that are missing.
        missing: Vec<ObjectId>,
    },
    /// It waits for objects, or is void, and there is no room to hold it.
    Full,
    /// It can never count and is not kept.
    Unsound(Unsound),
}

/// The control log of one company, as far as this node has it.
#[derive(Clone, Debug)]
pub struct ControlLog {
    company: CompanyId,
    topics: Option<TopicSecret>,
    nodes: Nodes,
    links: Links,
    authority: Authority,
    access: Access,
    /// What is reconciled with other nodes: carried objects and all that these refer to.
    order: Items,
    parked: Parked,
    /// All objects by place in their author's chain.
    places: BTreeMap<(DeviceId, u64), Vec<Ix>>,
    /// Places with more than one.
    forks: BTreeSet<(DeviceId, u64)>,
    /// By who answers for them: void objects that nothing reconciled refers to and that never counted.
    idle: BTreeMap<DeviceId, usize>,
    /// Objects about which `access` has not heard yet.
    unheard: BTreeSet<Ix>,
    digest: Cached<ObjectId>,
}

impl ControlLog {
    /// The empty log of a company. Nothing counts before its `Genesis` is here.
    #[must_use]
    pub fn new(company: CompanyId) -> Self {
        Self {
            company,
            topics: None,
            nodes: Nodes::default(),
            links: Links::default(),
            authority: Authority::default(),
            access: Access::default(),
            order: Items::new(),
            parked: Parked::default(),
            places: BTreeMap::new(),
            forks: BTreeSet::new(),
            idle: BTreeMap::new(),
            unheard: BTreeSet::new(),
            digest: Cached::default(),
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
        self.nodes.genesis().map(Verified::value)
    }

    /// What the names of gossip topics are made of, once its `Genesis` is here.
    #[must_use]
    pub fn topics(&self) -> Option<TopicSecret> {
        self.topics
    }

    /// What follows from the log. Current after [`ControlLog::refresh`].
    #[must_use]
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// What is reconciled with other nodes, in order of (height, id), `Genesis` included: the
    /// carried objects, and all that these refer to.
    #[must_use]
    pub fn order(&self) -> &Items {
        &self.order
    }

    /// The signed bytes of an object, carried or void.
    #[must_use]
    pub fn bytes(&self, id: ObjectId) -> Option<&[u8]> {
        self.nodes.find(id).map(|ix| self.nodes.bytes(ix))
    }

    /// An object other than `Genesis`, carried or void.
    #[must_use]
    pub fn get(&self, id: ObjectId) -> Option<&ControlObject> {
        self.nodes.object(self.nodes.find(id)?)
    }

    /// Whether an object is in the log, carried or void.
    #[must_use]
    pub fn holds(&self, id: ObjectId) -> bool {
        self.nodes.find(id).is_some()
    }

    /// Whether an object counts: it is sound, and some authority stands behind it.
    #[must_use]
    pub fn counts(&self, id: ObjectId) -> bool {
        self.nodes.find(id).is_some_and(|ix| self.nodes.node(ix).carried())
    }

    /// The rank of the most senior authority behind an object.
    #[must_use]
    pub fn rank(&self, id: ObjectId) -> Option<u32> {
        self.authority.rank(self.nodes.find(id)?, &self.nodes)
    }

    /// Whether an `AdminGrant` stands and no revocation hits it.
    #[must_use]
    pub fn in_force(&self, grant: ObjectId) -> bool {
        self.nodes.find(grant).is_some_and(|ix| {
            matches!(self.nodes.payload(ix), Some(Payload::AdminGrant(_)))
                && self.authority.in_force(ix)
        })
    }

    /// Whether a `Revoke` counts and has an effect; one of an `AdminGrant`, whether it hits it.
    #[must_use]
    pub fn is_effective(&self, revoke: ObjectId) -> bool {
        let Some(ix) = self.nodes.find(revoke) else { return false };
        let Some(Payload::Revoke(r)) = self.nodes.payload(ix) else { return false };
        if !self.nodes.node(ix).carried() {
            return false;
        }
        match self.nodes.payload_of(r.target) {
            Some(Payload::AdminGrant(_)) => {
                let target = self.nodes.find(r.target);
                let seat = target.and_then(|grant| self.authority.seat(grant));
                // A resignation also hits a grant that is void, and is void itself.
                seat.is_some_and(|seat| seat.stands && seat.hits.contains(&ix))
            }
            _ => self.view().effective(ix),
        }
    }

    /// Ids of all objects, carried and void, in order of arrival.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = ObjectId> + '_ {
        self.nodes.iter().map(|(ix, _)| self.nodes.id(ix))
    }

    /// Number of objects in the log, carried and void.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether not even `Genesis` is here.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.len() == 0
    }

    /// Digest of [`ControlLog::order`]: BLAKE3 over the ids in that order, under the context
    /// `conclave v1 control digest`.
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

    /// Count and fingerprint of [`ControlLog::order`], for reconciliation.
    #[must_use]
    pub fn summary(&self) -> (u64, ObjectId) {
        self.order.summary()
    }

    /// The newest place in a device's chain: sequence number and id.
    #[must_use]
    pub fn tail(&self, device: DeviceId) -> Option<(u64, ObjectId)> {
        let chain = self.places.range((device, 0)..=(device, u64::MAX));
        let (&(_, seq), places) = chain.last()?;
        places.first().map(|ix| (seq, self.nodes.id(*ix)))
    }

    /// The height that an object with these references has.
    #[must_use]
    pub fn height_over(&self, references: &[ObjectId]) -> Option<u64> {
        let mut height = 0;
        for id in references {
            height = height.max(self.nodes.height(self.nodes.find(*id)?));
        }
        Some(height + 1)
    }

    /// Adds the `Genesis`. The caller makes everything that was taken durable and then calls
    /// [`ControlLog::refresh`].
    pub fn add_genesis(&mut self, genesis: Verified<Genesis>) -> Added {
        if self.nodes.genesis().is_some() {
            return Added::Duplicate;
        }
        let id = genesis.id();
        if CompanyId::from(id) != self.company {
            return Added::Unsound(Unsound::Reference);
        }
        self.topics = Some(TopicSecret::of(genesis.value()));
        let place = (genesis.value().root, 1);
        let ix = self.nodes.push_genesis(genesis);
        self.places.insert(place, vec![ix]);
        self.authority.add_genesis();
        self.settle();
        let mut taken = vec![id];
        self.take_parked(id, &mut taken);
        Added::Taken(taken)
    }

    /// Adds an object. The caller makes everything that was taken durable and then calls
    /// [`ControlLog::refresh`].
    pub fn add(&mut self, object: Verified<ControlObject>) -> Added {
        self.add_if(object, Self::has_room)
    }

    /// As [`ControlLog::add`], also if the author's share of void objects is used up: what refers
    /// to the object, and makes it part of what is reconciled, may come later in the same pull. The
    /// caller bounds this, and takes back with [`ControlLog::drop_idle`] what remains idle.
    pub fn add_beyond_share(&mut self, object: Verified<ControlObject>) -> Added {
        self.add_if(object, |_, _| true)
    }

    fn add_if(
        &mut self,
        object: Verified<ControlObject>,
        has_room: fn(&Self, &ControlObject) -> bool,
    ) -> Added {
        let id = object.id();
        if self.holds(id) || self.parked.contains(id) {
            return Added::Duplicate;
        }
        let missing = self.missing(object.value());
        if !missing.is_empty() {
            return if self.parked.insert(object, &missing) {
                Added::Parked { missing }
            } else {
                Added::Full
            };
        }
        if let Err(reason) = sound::check(object.value(), &self.nodes) {
            return Added::Unsound(reason);
        }
        if !has_room(self, object.value()) {
            return Added::Full;
        }
        self.take(object);
        let mut taken = vec![id];
        self.take_parked(id, &mut taken);
        Added::Taken(taken)
    }

    /// Adds objects that were stored, and evaluates them all at once. Those that are not sound are
    /// left out; gives how many.
    pub fn load(&mut self, mut objects: Vec<Verified<ControlObject>>) -> usize {
        // References point down, so in this order nothing has to wait.
        objects.sort_by_key(|object| (object.value().header.height, object.id()));
        let mut left_out = 0;
        for object in objects {
            let here = self.missing(object.value()).is_empty() && !self.holds(object.id());
            if here && sound::check(object.value(), &self.nodes).is_ok() {
                self.push(object);
            } else {
                left_out += 1;
            }
        }
        self.evaluate();
        left_out
    }

    /// Whether an object is void, nothing reconciled refers to it, and it never counted.
    #[must_use]
    pub fn is_idle(&self, id: ObjectId) -> bool {
        self.nodes.find(id).is_some_and(|ix| {
            let node = self.nodes.node(ix);
            !node.reconciled && !node.once_carried
        })
    }

    /// Whether an object's author has more idle objects here than its share.
    #[must_use]
    pub fn is_over_share(&self, id: ObjectId) -> bool {
        let charged = self.nodes.find(id).map(|ix| self.nodes.node(ix).charged);
        let idle = charged.and_then(|charged| self.idle.get(&charged)).copied().unwrap_or(0);
        idle > VOID_CONTROL_PER_DEVICE_MAX
    }

    /// Takes idle objects out, with the idle ones that refer to them; gives all of them. Costs as
    /// much as evaluating the whole log.
    pub fn drop_idle(&mut self, ids: &BTreeSet<ObjectId>) -> Vec<ObjectId> {
        let mut needed: BTreeSet<Ix> = BTreeSet::new();
        let mut out: BTreeSet<Ix> = BTreeSet::new();
        let backwards: Vec<Ix> = self.nodes.iter().map(|(ix, _)| ix).rev().collect();
        for ix in &backwards {
            if !self.is_idle(self.nodes.id(*ix)) || needed.contains(ix) {
                needed.extend(self.nodes.references(*ix));
            }
        }
        for ix in backwards.iter().rev().filter(|ix| !needed.contains(ix)) {
            let id = self.nodes.id(*ix);
            let follows = self.nodes.references(*ix).iter().any(|r| out.contains(r));
            if self.is_idle(id) && (ids.contains(&id) || follows) {
                out.insert(*ix);
            }
        }
        if out.is_empty() {
            return Vec::new();
        }
        let mut log = Self::new(self.company);
        std::mem::swap(&mut log.parked, &mut self.parked);
        log.access.set_instants(self.access.take_instants());
        let mut dropped = Vec::new();
        for (ix, node) in self.nodes.iter() {
            if out.contains(&ix) {
                dropped.push(self.nodes.id(ix));
            } else if let Some(object) = node.verified() {
                let copy = log.push(object.clone());
                log.nodes.node_mut(copy).once_carried = node.once_carried;
            } else if let Some(genesis) = self.nodes.genesis() {
                log.add_genesis(genesis.clone());
            }
        }
        log.evaluate();
        *self = log;
        dropped
    }

    /// Evaluates the whole log again from the set of its objects.
    pub fn evaluate(&mut self) {
        if self.is_empty() {
            return;
        }
        self.authority.all_again(&mut self.nodes, &self.links);
        self.settle();
        self.charge_again();
        let instants = self.access.take_instants();
        self.access = Access::default();
        self.access.set_instants(instants);
        self.unheard.extend(self.nodes.iter().map(|(ix, _)| ix));
        self.refresh();
    }

    /// Finds again whose share each idle object counts against.
    fn charge_again(&mut self) {
        self.idle.clear();
        let all: Vec<Ix> = self.nodes.iter().map(|(ix, _)| ix).skip(1).collect();
        for ix in all {
            let charged = self.answerable(self.nodes.authority(ix));
            let node = self.nodes.node_mut(ix);
            node.charged = charged;
            if !node.reconciled && !node.once_carried {
                *self.idle.entry(charged).or_default() += 1;
            }
        }
    }

    /// Derives what people see from what was added since the last time.
    pub fn refresh(&mut self) -> Changes {
        let unheard = std::mem::take(&mut self.unheard);
        let mut changes = Changes::default();
        let view = View { nodes: &self.nodes, links: &self.links, authority: &self.authority };
        self.access.refresh(&unheard, view, &mut changes);
        changes
    }

    fn view(&self) -> View<'_> {
        View { nodes: &self.nodes, links: &self.links, authority: &self.authority }
    }

    fn missing(&self, object: &ControlObject) -> Vec<ObjectId> {
        object.references().into_iter().filter(|id| !self.holds(*id)).collect()
    }

    /// Void objects are bounded by author. A new object can be carried only by an authority
    /// whose holder nothing limits: a cut names what was there before.
    fn has_room(&self, object: &ControlObject) -> bool {
        let Some(authority) = self.nodes.find(object.header.authority) else { return false };
        let idle = self.idle.get(&self.answerable(authority)).copied().unwrap_or(0);
        self.authority.is_open(authority) || idle < VOID_CONTROL_PER_DEVICE_MAX
    }

    /// Who answers for what is signed under an authority: its holder if it stands, else that of the
    /// nearest one above it that does. So whoever was cut off has one share, however many keys it
    /// appoints.
    fn answerable(&self, mut authority: Ix) -> DeviceId {
        while !self.authority.seat(authority).is_some_and(|seat| seat.stands)
            && authority != Ix::GENESIS
        {
            authority = self.nodes.authority(authority);
        }
        match self.nodes.payload(authority) {
            Some(Payload::AdminGrant(grant)) => grant.device,
            _ => self.nodes.author(authority),
        }
    }

    fn take(&mut self, object: Verified<ControlObject>) {
        let ix = self.push(object);
        self.authority.add(ix, &mut self.nodes, &self.links);
        self.settle();
    }

    fn push(&mut self, object: Verified<ControlObject>) -> Ix {
        let place = (object.value().header.author, object.value().header.seq);
        let ix = self.nodes.push_object(object);
        self.links.add(ix, &self.nodes);
        let places = self.places.entry(place).or_default();
        places.push(ix);
        if places.len() > 1 {
            self.forks.insert(place);
        }
        let charged = self.answerable(self.nodes.authority(ix));
        self.nodes.node_mut(ix).charged = charged;
        *self.idle.entry(charged).or_default() += 1;
        ix
    }

    /// Takes in what waited for `first`, and what waited for that, and so on.
    fn take_parked(&mut self, first: ObjectId, taken: &mut Vec<ObjectId>) {
        let mut arrived = vec![first];
        while let Some(id) = arrived.pop() {
            for object in self.parked.take_waiting_for(id) {
                let missing = self.missing(object.value());
                if !missing.is_empty() {
                    // It was held already, so there is room for it.
                    self.parked.insert(object, &missing);
                } else if sound::check(object.value(), &self.nodes).is_ok()
                    && self.has_room(object.value())
                {
                    let id = object.id();
                    self.take(object);
                    taken.push(id);
                    arrived.push(id);
                }
            }
        }
    }

    /// Brings the reconciled set up to date with what the last objects touched.
    fn settle(&mut self) {
        let touched = std::mem::take(&mut self.authority.touched);
        let mut open: Vec<Ix> = touched.iter().copied().collect();
        while let Some(ix) = open.pop() {
            let node = self.nodes.node(ix);
            let (before, now) = (node.reconciled, node.carried() || node.pins > 0);
            let (was_idle, once) =
                (!before && !node.once_carried, node.once_carried || node.carried());
            let charged = node.charged;
            let is_idle = !now && !once;
            let node = self.nodes.node_mut(ix);
            node.reconciled = now;
            node.once_carried = once;
            if was_idle && !is_idle && ix != Ix::GENESIS {
                let idle = self.idle.entry(charged).or_default();
                *idle = idle.saturating_sub(1);
                if *idle == 0 {
                    self.idle.remove(&charged);
                }
            } else if !was_idle && is_idle {
                *self.idle.entry(charged).or_default() += 1;
            }
            if before == now {
                continue;
            }
            let place = (self.nodes.height(ix), self.nodes.id(ix));
            if now {
                self.order.insert(place);
            } else {
                self.order.remove(&place);
            }
            self.digest.clear();
            for reference in self.nodes.references(ix) {
                let node = self.nodes.node_mut(reference);
                node.pins = if now { node.pins + 1 } else { node.pins.saturating_sub(1) };
                open.push(reference);
            }
        }
        self.unheard.extend(touched);
    }
}
