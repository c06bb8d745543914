//! Who stands behind an object: the root line, then rank by rank.
//!
//! An authority (`Genesis`, a `RootRotate`, an `AdminGrant`) has a *seat*: whether it stands, and
//! how much of its holder's chain it lets count. A seat of rank k depends on seats of ranks below k
//! only, so when something changes, the seats that it may concern are judged again in ascending
//! order of rank, each once, and whatever cites a seat that changed is judged after it.

use std::collections::{BTreeMap, BTreeSet};

use super::links::Links;
use super::nodes::{Ix, Limit, Nodes};
use crate::id::{AgentId, DeviceId, ObjectId};
use crate::object::{AdminGrant, Payload, Revoke};

/// The state of an authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seat {
    /// 0 for a root, else what stands in the grant.
    pub(super) rank: u32,
    /// It is in the root line, or carried.
    pub(super) stands: bool,
    /// What it lets count.
    pub(super) limit: Limit,
    /// The `Revoke`s that hit it.
    pub(super) hits: Vec<Ix>,
    /// What cites it.
    cited_by: Vec<Ix>,
}

impl Seat {
    fn new(rank: u32) -> Self {
        Self { rank, stands: false, limit: Limit::Nothing, hits: Vec::new(), cited_by: Vec::new() }
    }
}

/// The seats, and what is to be judged again.
#[derive(Clone, Debug, Default)]
pub(super) struct Authority {
    seats: BTreeMap<Ix, Seat>,
    /// The ranks of grants in force, by the agent that they name and by device and agent, with how
    /// many grants have each.
    protectors: BTreeMap<(AgentId, Option<DeviceId>), BTreeMap<u32, usize>>,
    /// Seats to judge again, by rank.
    stale: BTreeSet<(u32, Ix)>,
    /// Objects to judge again.
    to_judge: Vec<Ix>,
    /// Objects whose carriers, or whose effect as a `Revoke`, may have changed.
    pub(super) touched: BTreeSet<Ix>,
}

impl Authority {
    pub(super) fn seat(&self, authority: Ix) -> Option<&Seat> {
        self.seats.get(&authority)
    }

    pub(super) fn seats(&self) -> impl Iterator<Item = (Ix, &Seat)> {
        self.seats.iter().map(|(ix, seat)| (*ix, seat))
    }

    /// Whether a grant stands and nothing hits it.
    pub(super) fn in_force(&self, grant: Ix) -> bool {
        self.seat(grant).is_some_and(|seat| seat.stands && seat.hits.is_empty())
    }

    /// Whether an authority lets all count that its holder signs now.
    pub(super) fn is_open(&self, authority: Ix) -> bool {
        self.seat(authority).is_some_and(|seat| seat.stands && seat.limit == Limit::All)
    }

    /// The authorities that stand behind an object.
    pub(super) fn carriers(&self, ix: Ix, nodes: &Nodes) -> impl Iterator<Item = (u32, Ix)> {
        let node = nodes.node(ix);
        let own = node.own.then(|| nodes.authority(ix));
        let all = own.into_iter().chain(node.ratified.iter().copied());
        all.filter_map(|grant| Some((self.seat(grant)?.rank, grant)))
    }

    /// The rank of the most senior carrier.
    pub(super) fn rank(&self, ix: Ix, nodes: &Nodes) -> Option<u32> {
        self.carriers(ix, nodes).map(|(rank, _)| rank).min()
    }

    /// The rank of the most senior carrier with which a `Revoke` has an effect; for one of an
    /// `AdminGrant` all carriers have, on ranks below theirs.
    pub(super) fn effective_rank(&self, revoke: Ix, nodes: &Nodes) -> Option<u32> {
        let Some(Payload::Revoke(r)) = nodes.payload(revoke) else { return None };
        let target = nodes.payload_of(r.target)?;
        let senior_to_all = |rank: u32, carrier: Ix| match target {
            Payload::AgentCert(_) => self.most_senior(r.target.into(), None) > rank,
            Payload::DeviceCert(c) => {
                let on_it = self.most_senior(c.agent, Some(c.device));
                let of_agent = self.most_senior(c.agent, None);
                // People may revoke their own lost laptop; nobody else's equal may.
                let own = agent_of(carrier, nodes) == Some(c.agent);
                on_it > rank && (of_agent > rank || own && of_agent == rank)
            }
            _ => true,
        };
        self.carriers(revoke, nodes)
            .filter(|(rank, carrier)| senior_to_all(*rank, *carrier))
            .map(|(rank, _)| rank)
            .min()
    }

    /// The smallest rank among grants in force that name an agent, or an agent and a device;
    /// `u32::MAX` without any.
    pub(super) fn most_senior(&self, agent: AgentId, device: Option<DeviceId>) -> u32 {
        let ranks = self.protectors.get(&(agent, device));
        ranks.and_then(|ranks| ranks.first_key_value()).map_or(u32::MAX, |(rank, _)| *rank)
    }

    /// Counts a grant among those in force, or no longer.
    fn count_protector(&mut self, grant: &AdminGrant, in_force: bool) {
        for key in [(grant.agent, None), (grant.agent, Some(grant.device))] {
            let ranks = self.protectors.entry(key).or_default();
            let count = ranks.entry(grant.rank).or_default();
            *count = if in_force { *count + 1 } else { count.saturating_sub(1) };
            if *count == 0 {
                ranks.remove(&grant.rank);
            }
            if ranks.is_empty() {
                self.protectors.remove(&key);
            }
        }
    }

    pub(super) fn add_genesis(&mut self) {
        let seat = Seat { stands: true, limit: Limit::All, ..Seat::new(0) };
        self.seats.insert(Ix::GENESIS, seat);
        self.touched.insert(Ix::GENESIS);
    }

    /// Takes note of a new object and settles what follows from it.
    pub(super) fn add(&mut self, ix: Ix, nodes: &mut Nodes, links: &Links) {
        if let Some(seat) = self.seats.get_mut(&nodes.authority(ix)) {
            seat.cited_by.push(ix);
        }
        self.touched.insert(ix);
        match nodes.payload(ix) {
            Some(Payload::RootRotate(_)) => {
                self.seats.insert(ix, Seat::new(0));
                self.root_line(nodes, links);
            }
            Some(Payload::AdminGrant(g)) => {
                self.seats.insert(ix, Seat::new(g.rank));
            }
            // A resignation ends its grant although, beyond its limit, it may not be carried.
            Some(Payload::Revoke(r)) if resigns(r, ix, nodes) => {
                self.mark_seat(nodes.authority(ix));
            }
            _ => {}
        }
        self.to_judge.push(ix);
        self.settle(nodes, links);
    }

    /// Evaluates everything again from the set of objects.
    pub(super) fn all_again(&mut self, nodes: &mut Nodes, links: &Links) {
        *self = Self::default();
        self.add_genesis();
        let all: Vec<Ix> = nodes.iter().map(|(ix, _)| ix).filter(|ix| *ix != Ix::GENESIS).collect();
        for ix in &all {
            let node = nodes.node_mut(*ix);
            node.own = false;
            node.ratified.clear();
            let rank = match nodes.payload(*ix) {
                Some(Payload::RootRotate(_)) => Some(0),
                Some(Payload::AdminGrant(g)) => Some(g.rank),
                _ => None,
            };
            if let Some(rank) = rank {
                self.seats.insert(*ix, Seat::new(rank));
                self.stale.insert((rank, *ix));
            }
        }
        for ix in &all {
            if let Some(seat) = self.seats.get_mut(&nodes.authority(*ix)) {
                seat.cited_by.push(*ix);
            }
        }
        self.stale.retain(|(rank, _)| *rank > 0);
        self.touched.extend(all.iter().copied());
        self.root_line(nodes, links);
        self.to_judge = all;
        self.settle(nodes, links);
    }

    /// Follows the root line from `Genesis`. A commitment fixes the key that opens it and the
    /// commitment after it, so the line cannot fork; only cuts can differ.
    fn root_line(&mut self, nodes: &Nodes, links: &Links) {
        let mut eras = vec![vec![Ix::GENESIS]];
        while let Some(era) = eras.last() {
            let next: Vec<Ix> =
                era.iter().flat_map(|root| links.rotations_of(*root)).copied().collect();
            if next.is_empty() {
                break;
            }
            eras.push(next);
        }
        // From the newest key back: what a replaced key signed beyond its cut, further rotations
        // included, changes nothing.
        let mut line: BTreeMap<Ix, Limit> = BTreeMap::new();
        let mut after: Vec<Limit> = Vec::new();
        for era in eras.into_iter().rev() {
            let stands = |root: &Ix| {
                *root == Ix::GENESIS
                    || after.is_empty()
                    || after.iter().any(|cut| cut.holds(*root, nodes))
            };
            let standing: Vec<Ix> = era.into_iter().filter(stands).collect();
            let limit = after.iter().fold(Limit::All, |limit, cut| limit.and(*cut, nodes));
            line.extend(standing.iter().map(|root| (*root, limit)));
            let cut = |root: &Ix| match nodes.payload(*root) {
                Some(Payload::RootRotate(r)) => {
                    nodes.find(r.cut.id).map_or(Limit::Nothing, Limit::UpTo)
                }
                _ => Limit::All,
            };
            after = standing.iter().map(cut).collect();
        }
        let roots: Vec<Ix> =
            self.seats.iter().filter(|(_, seat)| seat.rank == 0).map(|(ix, _)| *ix).collect();
        for root in roots {
            let limit = line.get(&root).copied();
            self.set_seat(root, limit.is_some(), limit.unwrap_or(Limit::Nothing), Vec::new());
            self.to_judge.push(root);
        }
    }

    fn settle(&mut self, nodes: &mut Nodes, links: &Links) {
        loop {
            while let Some(ix) = self.to_judge.pop() {
                self.judge(ix, nodes, links);
            }
            let Some((_, seat)) = self.stale.pop_first() else { return };
            self.judge_seat(seat, nodes, links);
        }
    }

    /// Finds the carriers of an object.
    fn judge(&mut self, ix: Ix, nodes: &mut Nodes, links: &Links) {
        if ix == Ix::GENESIS {
            return;
        }
        let own = match nodes.payload(ix) {
            // A rotation stands by the commitment that it opens, whatever was cut.
            Some(Payload::RootRotate(_)) => self.seat(ix).is_some_and(|seat| seat.stands),
            // What hits is carried, so that everybody learns of it: of two resignations on
            // branches of one chain neither lies within the limit.
            _ => self.seat(nodes.authority(ix)).is_some_and(|seat| {
                seat.stands && (seat.limit.holds(ix, nodes) || seat.hits.contains(&ix))
            }),
        };
        let mut ratified = BTreeSet::new();
        for ratify in links.ratifies_of(ix) {
            ratified.extend(self.carriers(*ratify, nodes).map(|(_, grant)| grant));
        }
        let node = nodes.node(ix);
        if node.own == own && node.ratified.iter().eq(&ratified) {
            return;
        }
        let node = nodes.node_mut(ix);
        node.own = own;
        node.ratified = ratified.into_iter().collect();
        self.touched.insert(ix);
        match nodes.payload(ix) {
            Some(Payload::AdminGrant(_)) => self.mark_seat(ix),
            Some(Payload::Ratify(r)) => self.to_judge.extend(nodes.find(r.target)),
            Some(Payload::Revoke(r)) => self.mark_struck(r, nodes, links),
            _ => {}
        }
    }

    fn mark_seat(&mut self, grant: Ix) {
        if let Some(seat) = self.seats.get(&grant).filter(|seat| seat.rank > 0) {
            self.stale.insert((seat.rank, grant));
        }
    }

    /// The seats that a `Revoke` may hit.
    fn mark_struck(&mut self, revoke: &Revoke, nodes: &Nodes, links: &Links) {
        match nodes.payload_of(revoke.target) {
            Some(Payload::AdminGrant(_)) => {
                nodes.find(revoke.target).into_iter().for_each(|grant| self.mark_seat(grant));
            }
            Some(Payload::AgentCert(_)) => {
                let grants = links.grants_of(AgentId::from(revoke.target));
                grants.iter().for_each(|grant| self.mark_seat(*grant));
            }
            Some(Payload::DeviceCert(c)) => {
                links.grants_of(c.agent).iter().for_each(|grant| self.mark_seat(*grant));
            }
            _ => {}
        }
    }

    /// Judges the seat of an `AdminGrant`; see the decision for *hits* and *limit*.
    fn judge_seat(&mut self, ix: Ix, nodes: &Nodes, links: &Links) {
        let Some(Payload::AdminGrant(grant)) = nodes.payload(ix) else { return };
        let issued_by = self.rank(ix, nodes);
        if issued_by.is_none() {
            // Void: nothing is left to be limited.
            return self.unseat(ix, grant, nodes, links);
        }
        let by_agent = nodes.find(grant.agent).map(|cert| links.revokes_of(cert));
        let by_device = links.revokes_of_pair(grant.device, grant.agent);
        let aimed = links.revokes_of(ix);
        let candidates = aimed.iter().chain(by_agent.unwrap_or_default()).chain(by_device);
        let mut hits = Vec::new();
        let mut limit = Limit::All;
        let mut resignations = Vec::new();
        for candidate in candidates {
            let Some(Payload::Revoke(revoke)) = nodes.payload(*candidate) else { continue };
            if resigns(revoke, *candidate, nodes) {
                resignations.push(*candidate);
                continue;
            }
            let senior = self.effective_rank(*candidate, nodes);
            if senior.is_none_or(|rank| rank >= grant.rank) {
                continue;
            }
            let overrides = grant.overrides.binary_search(&nodes.id(*candidate)).is_ok();
            if overrides && issued_by <= self.rank(*candidate, nodes) {
                continue;
            }
            hits.push(*candidate);
            limit = limit.and(left_by(revoke, grant, nodes), nodes);
        }
        let others = limit;
        for resignation in resignations {
            if others.holds(resignation, nodes) {
                hits.push(resignation);
                limit = limit.and(Limit::UpTo(resignation), nodes);
            }
        }
        let was_in_force = self.in_force(ix);
        self.set_seat(ix, true, limit, hits);
        if was_in_force != self.in_force(ix) {
            self.protection_changed(ix, grant, nodes, links);
        }
    }

    fn unseat(&mut self, ix: Ix, grant: &AdminGrant, nodes: &Nodes, links: &Links) {
        let was_in_force = self.in_force(ix);
        self.set_seat(ix, false, Limit::Nothing, Vec::new());
        if was_in_force {
            self.protection_changed(ix, grant, nodes, links);
        }
    }

    fn set_seat(&mut self, ix: Ix, stands: bool, limit: Limit, hits: Vec<Ix>) {
        let Some(seat) = self.seats.get_mut(&ix) else { return };
        let differs = seat.stands != stands || seat.limit != limit;
        if differs || seat.hits != hits {
            self.touched.insert(ix);
        }
        seat.stands = stands;
        seat.limit = limit;
        let resigned = seat.hits != hits;
        seat.hits = hits;
        if differs || resigned {
            self.to_judge.extend(&seat.cited_by);
        }
    }

    /// A grant came into force or went out of it. If that changes who is the most senior of its
    /// agent, or of its device, `Revoke`s of these may have an effect now, or none any more.
    fn protection_changed(&mut self, ix: Ix, grant: &AdminGrant, nodes: &Nodes, links: &Links) {
        let seniors = |authority: &Self| {
            let of = |device| authority.most_senior(grant.agent, device);
            (of(None), of(Some(grant.device)))
        };
        let before = seniors(self);
        self.count_protector(grant, self.in_force(ix));
        let after = seniors(self);
        if before == after {
            return;
        }
        let agent = nodes.find(grant.agent).map(|cert| links.revokes_of(cert)).unwrap_or_default();
        self.touched.extend(agent);
        self.touched.extend(links.revokes_of_devices(grant.agent));
        for other in links.grants_of(grant.agent) {
            if self.seats.get(other).is_some_and(|seat| seat.rank > grant.rank) {
                self.mark_seat(*other);
            }
        }
    }
}

/// Whether a `Revoke` ends the very grant that it cites.
pub(super) fn resigns(revoke: &Revoke, ix: Ix, nodes: &Nodes) -> bool {
    nodes.find(revoke.target) == Some(nodes.authority(ix))
}

/// What a `Revoke` leaves of the chain of a grant's device.
fn left_by(revoke: &Revoke, grant: &AdminGrant, nodes: &Nodes) -> Limit {
    let cut = revoke.control_cuts.iter().find(|cut| cut.device == grant.device);
    cut.and_then(|cut| nodes.find(cut.id)).map_or(Limit::Nothing, Limit::UpTo)
}

/// The agent that a grant names.
fn agent_of(grant: Ix, nodes: &Nodes) -> Option<AgentId> {
    match nodes.payload(grant)? {
        Payload::AdminGrant(g) => Some(g.agent),
        _ => None,
    }
}

/// The ids of places, for lists that leave this module.
pub(super) fn ids(places: &[Ix], nodes: &Nodes) -> Vec<ObjectId> {
    places.iter().map(|ix| nodes.id(*ix)).collect()
}
