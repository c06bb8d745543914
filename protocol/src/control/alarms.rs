//! What in the log should make people look, derived from its present state.

use std::collections::{BTreeMap, BTreeSet};

use super::ControlLog;
use super::nodes::Ix;
use crate::id::{AgentId, DeviceId, ObjectId};
use crate::object::Payload;

/// Something that an admin should look at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Alarm {
    /// A device that is an admin signed two objects for one place in its chain: its key is used in
    /// two places, or somebody tries to show different things to different people.
    Equivocation {
        /// Whose key.
        device: DeviceId,
        /// At which place.
        seq: u64,
    },
    /// Two rotations of one key leave different parts of the old root's objects: the recovery was
    /// run twice, or the phrase is in two hands. What both leave counts.
    RootFork {
        /// The rotations.
        rotations: Vec<ObjectId>,
    },
    /// An admin tried to end the authority of an equal, or to dismiss one.
    DuelOfEquals {
        /// The attempt.
        revoke: ObjectId,
    },
    /// An admin tried to end the authority of a senior, or to dismiss one.
    PowerlessRevoke {
        /// The attempt.
        revoke: ObjectId,
    },
    /// A device that no other device of its agent confirmed.
    Uncountersigned {
        /// The device.
        device: DeviceId,
        /// Its agent.
        agent: AgentId,
    },
    /// A key with unrevoked certificates for two agents; live for neither.
    DisputedKey {
        /// The key.
        device: DeviceId,
        /// Who is said to own it.
        agents: Vec<AgentId>,
    },
}

impl Alarm {
    /// A stable word for scripts.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Equivocation { .. } => "equivocation",
            Self::RootFork { .. } => "root_fork",
            Self::DuelOfEquals { .. } => "duel_of_equals",
            Self::PowerlessRevoke { .. } => "powerless_revoke",
            Self::Uncountersigned { .. } => "uncountersigned_device",
            Self::DisputedKey { .. } => "disputed_key",
        }
    }
}

impl ControlLog {
    /// Places at which a device signed more than one object that counts. Rotations run twice
    /// from one phrase are honest and left out.
    pub fn equivocations(&self) -> impl Iterator<Item = (DeviceId, u64)> + '_ {
        let counting = |place: &Ix| {
            let rotation = matches!(self.nodes.payload(*place), Some(Payload::RootRotate(_)));
            !rotation && self.nodes.node(*place).carried()
        };
        let forked = self.forks.iter().filter(move |place| {
            self.places.get(place).is_some_and(|all| all.iter().filter(|p| counting(p)).count() > 1)
        });
        forked.copied()
    }

    /// The objects that count at one place of a device's chain: more than one is the proof of an
    /// equivocation.
    pub fn at_place(&self, device: DeviceId, seq: u64) -> impl Iterator<Item = ObjectId> + '_ {
        let places = self.places.get(&(device, seq)).into_iter().flatten();
        places.filter(|ix| self.nodes.node(**ix).carried()).map(|ix| self.nodes.id(*ix))
    }

    /// Carried `Revoke`s of admins, agents and devices that have no effect, because they are aimed
    /// at equals or seniors.
    pub fn powerless(&self) -> impl Iterator<Item = ObjectId> + '_ {
        self.attempts().map(|(revoke, _)| revoke)
    }

    /// With whether it is aimed at an equal.
    fn attempts(&self) -> impl Iterator<Item = (ObjectId, bool)> + '_ {
        let all = self.links.revokes_of_admins();
        all.filter_map(|ix| self.attempt(ix).map(|equal| (self.nodes.id(ix), equal)))
    }

    /// If a `Revoke` has no effect because of whom it is aimed at: whether at an equal.
    pub(super) fn attempt(&self, ix: Ix) -> Option<bool> {
        let Some(Payload::Revoke(revoke)) = self.nodes.payload(ix) else { return None };
        let rank = self.authority.rank(ix, &self.nodes)?;
        let target = self.nodes.find(revoke.target)?;
        let protected = match self.nodes.payload(target)? {
            Payload::AdminGrant(_) => {
                let seat = self.authority.seat(target)?;
                (seat.stands && rank >= seat.rank && !seat.hits.contains(&ix)).then_some(seat.rank)
            }
            _ if self.view().effective(ix) => None,
            Payload::AgentCert(_) => self.most_senior_rank(revoke.target.into()),
            Payload::DeviceCert(c) => self.most_senior_rank(c.agent),
            _ => None,
        };
        protected.map(|protected| rank == protected)
    }

    /// Whether both sides of an attempt still have their authority: else it has been decided.
    fn is_undecided(&self, revoke: ObjectId) -> bool {
        let Some(ix) = self.nodes.find(revoke) else { return false };
        let attacks = self.authority.is_open(self.nodes.authority(ix));
        let target = match self.nodes.payload(ix) {
            Some(Payload::Revoke(r)) => self.nodes.find(r.target),
            _ => None,
        };
        let stands = target.is_some_and(|target| match self.nodes.payload(target) {
            Some(Payload::AdminGrant(_)) => self.authority.in_force(target),
            // Who was appointed by somebody who knew of it, and said so, is not in dispute.
            Some(Payload::AgentCert(_)) => self.disputes(revoke, self.nodes.id(target).into()),
            Some(Payload::DeviceCert(c)) => self.disputes(revoke, c.agent),
            _ => false,
        });
        attacks && stands
    }

    /// Whether a grant in force names the agent that does not override the `Revoke`.
    fn disputes(&self, revoke: ObjectId, agent: AgentId) -> bool {
        self.links.grants_of(agent).iter().any(|ix| match self.nodes.payload(*ix) {
            Some(Payload::AdminGrant(grant)) => {
                self.authority.in_force(*ix) && grant.overrides.binary_search(&revoke).is_err()
            }
            _ => false,
        })
    }

    /// The smallest rank of an agent's grants in force.
    fn most_senior_rank(&self, agent: AgentId) -> Option<u32> {
        Some(self.authority.most_senior(agent, None)).filter(|rank| *rank < u32::MAX)
    }

    /// Rotations that count, by the key that they put in place; ids ascending.
    fn rotations(&self) -> BTreeMap<DeviceId, Vec<ObjectId>> {
        let mut rotations: BTreeMap<DeviceId, Vec<ObjectId>> = BTreeMap::new();
        let standing =
            self.authority.seats().filter(|(ix, s)| s.rank == 0 && s.stands && *ix != Ix::GENESIS);
        for (ix, _) in standing {
            rotations.entry(self.nodes.author(ix)).or_default().push(self.nodes.id(ix));
        }
        rotations.values_mut().for_each(|ids| ids.sort_unstable());
        rotations
    }

    /// What needs attention now, in a stable order.
    #[must_use]
    pub fn alarms(&self) -> BTreeSet<Alarm> {
        let mut alarms = BTreeSet::new();
        for (_, rotations) in self.rotations() {
            let cut = |id: &ObjectId| match self.nodes.payload_of(*id) {
                Some(Payload::RootRotate(rotate)) => Some(rotate.cut.id),
                _ => None,
            };
            let cuts: BTreeSet<Option<ObjectId>> = rotations.iter().map(cut).collect();
            if cuts.len() > 1 {
                alarms.insert(Alarm::RootFork { rotations });
            }
        }
        for (device, seq) in self.equivocations() {
            // Once it is an admin no longer, nothing more can come of it.
            let roots = self.root().is_some_and(|(root, _)| root == device);
            if roots || self.grants_of(device).next().is_some() {
                alarms.insert(Alarm::Equivocation { device, seq });
            }
        }
        for (revoke, equal) in self.attempts() {
            if !self.is_undecided(revoke) {
                continue;
            }
            alarms.insert(if equal {
                Alarm::DuelOfEquals { revoke }
            } else {
                Alarm::PowerlessRevoke { revoke }
            });
        }
        for device in self.access.uncountersigned() {
            if let Some(agent) = self.access.agent_of(*device) {
                alarms.insert(Alarm::Uncountersigned { device: *device, agent });
            }
        }
        for device in self.access.disputed() {
            // A void certificate claims nothing, and not every node has it.
            let claims = |agent: &AgentId| {
                self.access.is_live(*agent) && self.view().standing_cert(*device, *agent).is_some()
            };
            let agents = self.links.agents_of(*device).filter(claims).collect();
            alarms.insert(Alarm::DisputedKey { device: *device, agents });
        }
        alarms
    }
}
