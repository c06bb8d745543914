//! How a device stands in a room: live, or which revocations ended its ways in.
//!
//! Acceptance rests on this (see the room's log): a live author's messages are accepted; those of
//! an author who once had access are accepted if, for one way in, every revocation that ended it
//! spares the message.

use std::collections::BTreeSet;

use super::{Access, UNITS_MAX, UNITS_MIN, View};
use crate::control::nodes::Ix;
use crate::id::{AgentId, DeviceId, MessageId, ObjectId, RoomId, UnitId};
use crate::object::{Payload, Principal, RevokeMode};

/// What one revocation leaves of one room's history.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ended {
    /// The revocation; none for a key that two agents claim, which is judged as after `Depart`.
    pub revoke: Option<ObjectId>,
    /// What members acknowledged stays.
    pub acknowledged_stays: bool,
    /// Heads of what stands, by signer. If what is acknowledged stays, one part is enough; else
    /// every part must hold a message, and without parts nothing stands.
    pub keeps: Vec<BTreeSet<MessageId>>,
}

/// How a device stands in a room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Its agent: the live one, else one for which it is, or was, certified.
    pub agent: Option<AgentId>,
    /// It may write now.
    pub live: bool,
    /// If it is not live: for each way in that it ever had, what ended it. Empty if it never had
    /// one.
    pub ways: Vec<Vec<Ended>>,
}

impl Standing {
    /// Whether it ever had a way in.
    #[must_use]
    pub fn proved(&self) -> bool {
        self.live || !self.ways.is_empty()
    }
}

impl Access {
    /// How a device stands in a room.
    pub(in crate::control) fn standing(
        &self,
        device: DeviceId,
        room: RoomId,
        view: View<'_>,
    ) -> Standing {
        let live = self.agent_of(device);
        if let Some(agent) = live
            && self.has_access(agent, room)
        {
            return Standing { agent: Some(agent), live: true, ways: Vec::new() };
        }
        let mut ways = BTreeSet::new();
        let mut known = None;
        let disputed = self.disputed.contains(&device);
        for agent in view.links.agents_of(device) {
            let certs = view.links.certs_of(device, agent);
            if !certs.iter().any(|cert| view.carried(*cert)) || !self.agents.contains_key(&agent) {
                continue;
            }
            known = known.or(Some(agent));
            let revokes = view.links.revokes_of_pair(device, agent);
            let mut ended = view.strict_on_key(device);
            ended.extend(view.not_returned(revokes, certs));
            if let Some(cert) = view.nodes.find(agent) {
                ended.extend(view.not_returned(view.links.revokes_of(cert), &[cert]));
            }
            for way in self.ways_in(agent, room, view) {
                let all: BTreeSet<Ix> = way.union(&ended).copied().collect();
                let mut way: Vec<Ended> =
                    all.iter().filter_map(|revoke| view.ended(*revoke, room)).collect();
                // A way that nothing ended is no reason to be without access; should there be one
                // after all, its messages must not stand for ever by that.
                if disputed || way.is_empty() {
                    way.push(Ended { revoke: None, acknowledged_stays: true, keeps: Vec::new() });
                }
                ways.insert(way);
            }
        }
        Standing { agent: live.or(known), live: false, ways: ways.into_iter().collect() }
    }

    /// For each chain of carried grants from an agent to a room, in force or ended: the
    /// `Revoke`s that ended it.
    pub(in crate::control) fn ways_in(
        &self,
        agent: AgentId,
        room: RoomId,
        view: View<'_>,
    ) -> BTreeSet<BTreeSet<Ix>> {
        let mut ways = BTreeSet::new();
        // Nothing but what ends the agent or its device ends this way.
        if self.is_of_instant(agent, room) {
            ways.insert(BTreeSet::new());
            return ways;
        }
        if !self.rooms.contains_key(&room) {
            return ways;
        }
        let create = view.nodes.find(room);
        let of_room: BTreeSet<Ix> = create
            .map(|ix| view.not_returned(view.links.revokes_of(ix), &[ix]))
            .into_iter()
            .flatten()
            .collect();
        let mut add = |parts: &[&BTreeSet<Ix>]| {
            ways.insert(parts.iter().flat_map(|part| part.iter().copied()).collect());
        };
        for (principal, pair) in self.permits_of(room) {
            let strikes = self.strikes_on_permit(room, principal, view);
            for permit in pair.grants.iter().filter(|permit| view.carried(**permit)) {
                let of_permit = view.not_overridden(*permit, &strikes);
                match principal {
                    Principal::Unit(UnitId::ROLE_AGENT) => add(&[&of_room, &of_permit]),
                    Principal::Unit(unit) => {
                        for of_member in self.ways_into_unit(agent, unit, view) {
                            add(&[&of_room, &of_permit, &of_member]);
                        }
                    }
                    Principal::Agent(named) if named == agent => match self.limited.get(permit) {
                        None => add(&[&of_room, &of_permit]),
                        Some(units) => {
                            for unit in units {
                                for of_member in self.ways_into_unit(agent, *unit, view) {
                                    add(&[&of_room, &of_permit, &of_member]);
                                }
                            }
                        }
                    },
                    Principal::Agent(_) => {}
                }
            }
        }
        ways
    }

    fn ways_into_unit(
        &self,
        agent: AgentId,
        unit: UnitId,
        view: View<'_>,
    ) -> BTreeSet<BTreeSet<Ix>> {
        let mut ways = BTreeSet::new();
        // Nobody made a void Department, so being in a Group of it leads nowhere; nothing ended
        // such a way, and messages by one that nothing ended would stand for ever.
        if !self.units.contains_key(&unit) {
            return ways;
        }
        let held = self.members.range((agent, UNITS_MIN)..=(agent, UNITS_MAX));
        for ((_, held), pair) in held {
            let Some(info) = self.units.get(held) else { continue };
            if *held != unit && info.parent != Some(unit) {
                continue;
            }
            let strikes = self.strikes_on_member(agent, *held, view);
            let of_units: BTreeSet<Ix> = [Some(*held), info.parent]
                .into_iter()
                .flatten()
                .filter_map(|unit| view.nodes.find(unit))
                .flat_map(|create| view.not_returned(view.links.revokes_of(create), &[create]))
                .collect();
            for grant in pair.grants.iter().filter(|grant| view.carried(**grant)) {
                let of_grant = view.not_overridden(*grant, &strikes);
                ways.insert(of_grant.union(&of_units).copied().collect());
            }
        }
        ways
    }
}

impl View<'_> {
    /// What a `Revoke`, and the `RoomCut`s for it, leave of a room.
    fn ended(&self, revoke: Ix, room: RoomId) -> Option<Ended> {
        let Some(Payload::Revoke(r)) = self.nodes.payload(revoke) else { return None };
        let own: BTreeSet<MessageId> = r
            .keep
            .iter()
            .filter(|keep| keep.room == room)
            .flat_map(|keep| keep.messages.iter().copied())
            .collect();
        let id = Some(self.nodes.id(revoke));
        let mut signers: std::collections::BTreeMap<DeviceId, BTreeSet<MessageId>> =
            std::collections::BTreeMap::new();
        for cut in self.links.cuts_of(room, revoke).iter().filter(|cut| self.carried(**cut)) {
            let Some(Payload::RoomCut(c)) = self.nodes.payload(*cut) else { continue };
            signers.entry(self.nodes.author(*cut)).or_default().extend(&c.keep);
        }
        let strict = r.mode == RevokeMode::Strict;
        if !strict && signers.is_empty() {
            return Some(Ended { revoke: id, acknowledged_stays: true, keeps: vec![own] });
        }
        let author = self.nodes.author(revoke);
        if strict || !own.is_empty() || signers.contains_key(&author) {
            signers.entry(author).or_default().extend(own);
        }
        let keeps = signers.into_values().collect();
        Some(Ended { revoke: id, acknowledged_stays: false, keeps })
    }
}
