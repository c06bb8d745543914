//! Pairs of (agent, unit) and (room, principal): which of their grants are in force.
//!
//! A `Revoke` strikes the whole pair. A grant is in force if its override closure holds every
//! carried `Revoke` that strikes its pair: the overrides of the grant, those of the grants that
//! these name as targets, and so on, each judged by the rank of the grant that makes it.

use std::collections::BTreeSet;

use super::View;
use crate::control::nodes::Ix;
use crate::object::{Payload, RevokeMode};

/// The grants of one pair.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::control) struct Pair {
    /// All sound grants, in the order in which they came.
    pub(in crate::control) grants: BTreeSet<Ix>,
    /// Those in force.
    pub(in crate::control) in_force: BTreeSet<Ix>,
    /// All sound `Revoke`s that target one of the grants.
    pub(in crate::control) revokes: BTreeSet<Ix>,
}

impl View<'_> {
    /// Those of a grant's overrides that it may make.
    fn permitted_overrides(&self, grant: Ix) -> impl Iterator<Item = Ix> + '_ {
        let overrides = match self.nodes.payload(grant) {
            Some(Payload::MemberGrant(g)) => g.overrides.as_slice(),
            Some(Payload::Permit(p)) => p.overrides.as_slice(),
            _ => &[],
        };
        let rank = self.rank(grant);
        overrides.iter().filter_map(|id| self.nodes.find(*id)).filter(move |revoke| {
            // A void grant or `Revoke` passes nothing on.
            let (Some(rank), Some(struck)) = (rank, self.rank(*revoke)) else { return false };
            self.mode(*revoke) == Some(RevokeMode::Depart) || rank <= struck
        })
    }

    pub(in crate::control) fn mode(&self, revoke: Ix) -> Option<RevokeMode> {
        match self.nodes.payload(revoke)? {
            Payload::Revoke(r) => Some(r.mode),
            _ => None,
        }
    }

    /// Those of `strikes` that a carried grant does not override.
    pub(in crate::control) fn not_overridden(
        &self,
        grant: Ix,
        strikes: &BTreeSet<Ix>,
    ) -> BTreeSet<Ix> {
        let mut left: BTreeSet<Ix> = strikes.clone();
        let mut seen = BTreeSet::new();
        let first = grant;
        let mut grants = vec![grant];
        while let Some(grant) = grants.pop() {
            for revoke in self.permitted_overrides(grant) {
                if seen.insert(revoke) {
                    left.remove(&revoke);
                    if left.is_empty() {
                        return left;
                    }
                    let Some(Payload::Revoke(r)) = self.nodes.payload(revoke) else { continue };
                    let target = self.nodes.find(r.target);
                    grants.extend(target.filter(|target| self.is_on_pair_of(first, *target)));
                }
            }
        }
        left
    }

    /// Whether the closure of a grant goes on through another: one of the same pair or, for a
    /// membership in a Group, of that with its Department. Through others, what is strict for one
    /// pair could be undone by way of the next.
    fn is_on_pair_of(&self, grant: Ix, other: Ix) -> bool {
        match (self.nodes.payload(grant), self.nodes.payload(other)) {
            (Some(Payload::MemberGrant(g)), Some(Payload::MemberGrant(o))) => {
                let parent = match self.nodes.payload_of(g.unit) {
                    Some(Payload::UnitCreate(u)) => u.parent,
                    _ => None,
                };
                g.agent == o.agent && (g.unit == o.unit || parent == Some(o.unit))
            }
            (Some(Payload::Permit(p)), Some(Payload::Permit(o))) => {
                p.room == o.room && p.principal == o.principal
            }
            _ => false,
        }
    }

    /// Finds the grants in force. `strikes` are the carried `Revoke`s on the pair.
    pub(in crate::control) fn in_force(&self, pair: &Pair, strikes: &BTreeSet<Ix>) -> BTreeSet<Ix> {
        let newest = strikes.last();
        // What is overridden came before what overrides it.
        let later =
            pair.grants.iter().filter(|grant| newest.is_none_or(|newest| *newest < **grant));
        let carried = later.filter(|grant| self.carried(**grant));
        carried.filter(|grant| self.not_overridden(**grant, strikes).is_empty()).copied().collect()
    }

    /// Grants whose override closure may lead through an object.
    pub(super) fn dependents(&self, ix: Ix) -> BTreeSet<Ix> {
        let mut dependents = BTreeSet::new();
        let mut open = vec![ix];
        while let Some(ix) = open.pop() {
            let revokes: Vec<Ix> = match self.nodes.payload(ix) {
                Some(Payload::Revoke(_)) => vec![ix],
                _ => self.links.revokes_of(ix).to_vec(),
            };
            for grant in revokes.iter().flat_map(|revoke| self.links.overriders_of(*revoke)) {
                if dependents.insert(*grant) {
                    open.push(*grant);
                }
            }
        }
        dependents
    }
}
