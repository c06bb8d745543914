//! Which sound objects name a given one: the other direction of the references.

use std::collections::{BTreeMap, BTreeSet};

use super::nodes::{Ix, Nodes};
use crate::id::{AgentId, DeviceId, ObjectId, RoomId, UnitId};
use crate::object::{Field, Payload};

/// What a `SetField` sets.
pub(super) type FieldKey = (Ix, Field);

/// Sound objects by what they name. Nothing is ever taken out.
#[derive(Clone, Debug, Default)]
pub(super) struct Links {
    /// `Revoke`s by target; those of certificates also stand in `revokes_of_pair`.
    revokes: BTreeMap<Ix, Vec<Ix>>,
    revokes_of_pair: BTreeMap<(DeviceId, AgentId), Vec<Ix>>,
    revokes_of_devices: BTreeMap<AgentId, Vec<Ix>>,
    /// `Revoke`s of admins, agents and devices.
    revokes_of_admins: Vec<Ix>,
    devices: BTreeMap<AgentId, BTreeSet<DeviceId>>,
    ratifies: BTreeMap<Ix, Vec<Ix>>,
    /// Grants and permits by the `Revoke`s that they override.
    overridden_by: BTreeMap<Ix, Vec<Ix>>,
    grants_of_agent: BTreeMap<AgentId, Vec<Ix>>,
    grants_of_device: BTreeMap<DeviceId, Vec<Ix>>,
    certs: BTreeMap<(DeviceId, AgentId), Vec<Ix>>,
    cuts: BTreeMap<(RoomId, Ix), Vec<Ix>>,
    fields: BTreeMap<FieldKey, Vec<Ix>>,
    groups: BTreeMap<UnitId, Vec<UnitId>>,
    rotations: BTreeMap<Ix, Vec<Ix>>,
    /// `Ratify`s of what may end an access once it counts again, see [`Links::ratifies_that_may_end`].
    ratifies_that_may_end: Vec<Ix>,
}

fn of<'a, K: Ord>(map: &'a BTreeMap<K, Vec<Ix>>, key: &K) -> &'a [Ix] {
    map.get(key).map(Vec::as_slice).unwrap_or_default()
}

impl Links {
    pub(super) fn add(&mut self, ix: Ix, nodes: &Nodes) {
        let Some(payload) = nodes.payload(ix) else { return };
        match payload {
            Payload::RootRotate(_) => {
                self.rotations.entry(nodes.authority(ix)).or_default().push(ix);
            }
            Payload::AdminGrant(g) => {
                self.grants_of_agent.entry(g.agent).or_default().push(ix);
                self.grants_of_device.entry(g.device).or_default().push(ix);
            }
            Payload::DeviceCert(c) => {
                self.certs.entry((c.device, c.agent)).or_default().push(ix);
                self.devices.entry(c.agent).or_default().insert(c.device);
            }
            Payload::UnitCreate(u) => {
                if let Some(parent) = u.parent {
                    self.groups.entry(parent).or_default().push(nodes.id(ix).into());
                }
            }
            Payload::MemberGrant(g) => self.overrides(ix, &g.overrides, nodes),
            Payload::Permit(p) => self.overrides(ix, &p.overrides, nodes),
            Payload::Revoke(r) => {
                let Some(target) = nodes.find(r.target) else { return };
                self.revokes.entry(target).or_default().push(ix);
                if let Some(
                    Payload::AdminGrant(_) | Payload::AgentCert(_) | Payload::DeviceCert(_),
                ) = nodes.payload(target)
                {
                    self.revokes_of_admins.push(ix);
                }
                if let Some(Payload::DeviceCert(c)) = nodes.payload(target) {
                    self.revokes_of_pair.entry((c.device, c.agent)).or_default().push(ix);
                    self.revokes_of_devices.entry(c.agent).or_default().push(ix);
                }
            }
            Payload::RoomCut(c) => {
                let Some(revoke) = nodes.find(c.revoke) else { return };
                self.cuts.entry((c.room, revoke)).or_default().push(ix);
            }
            Payload::Ratify(r) => {
                let Some(target) = nodes.find(r.target) else { return };
                self.ratifies.entry(target).or_default().push(ix);
                if let Some(
                    Payload::Revoke(_)
                    | Payload::Ratify(_)
                    | Payload::AdminGrant(_)
                    | Payload::AgentCert(_)
                    | Payload::DeviceCert(_),
                ) = nodes.payload(target)
                {
                    self.ratifies_that_may_end.push(ix);
                }
            }
            Payload::SetField(f) => {
                let Some(target) = nodes.find(f.target) else { return };
                self.fields.entry((target, f.value.field())).or_default().push(ix);
            }
            Payload::AgentCert(_) | Payload::RoomCreate(_) => {}
        }
    }

    fn overrides(&mut self, ix: Ix, overrides: &[ObjectId], nodes: &Nodes) {
        for revoke in overrides.iter().filter_map(|id| nodes.find(*id)) {
            self.overridden_by.entry(revoke).or_default().push(ix);
        }
    }

    /// `Revoke`s that target an object.
    pub(super) fn revokes_of(&self, target: Ix) -> &[Ix] {
        of(&self.revokes, &target)
    }

    /// `Revoke`s of any certificate of a key for an agent.
    pub(super) fn revokes_of_pair(&self, device: DeviceId, agent: AgentId) -> &[Ix] {
        of(&self.revokes_of_pair, &(device, agent))
    }

    /// `Revoke`s of any certificate of any key for an agent.
    pub(super) fn revokes_of_devices(&self, agent: AgentId) -> &[Ix] {
        of(&self.revokes_of_devices, &agent)
    }

    /// `Revoke`s of `AdminGrant`s, agents and devices.
    pub(super) fn revokes_of_admins(&self) -> impl Iterator<Item = Ix> + '_ {
        self.revokes_of_admins.iter().copied()
    }

    /// Keys certified for an agent.
    pub(super) fn devices_of(&self, agent: AgentId) -> impl Iterator<Item = DeviceId> + '_ {
        self.devices.get(&agent).into_iter().flatten().copied()
    }

    /// `Ratify`s of an object.
    pub(super) fn ratifies_of(&self, target: Ix) -> &[Ix] {
        of(&self.ratifies, &target)
    }

    /// `Ratify`s of `Revoke`s, of what may stand behind one, and of certificates, by which a key
    /// may come to have two agents.
    pub(super) fn ratifies_that_may_end(&self) -> &[Ix] {
        &self.ratifies_that_may_end
    }

    /// Grants and permits that override a `Revoke`.
    pub(super) fn overriders_of(&self, revoke: Ix) -> &[Ix] {
        of(&self.overridden_by, &revoke)
    }

    /// `AdminGrant`s that name an agent.
    pub(super) fn grants_of(&self, agent: AgentId) -> &[Ix] {
        of(&self.grants_of_agent, &agent)
    }

    /// `AdminGrant`s that name a device.
    pub(super) fn grants_of_device(&self, device: DeviceId) -> &[Ix] {
        of(&self.grants_of_device, &device)
    }

    /// Certificates of a key for an agent.
    pub(super) fn certs_of(&self, device: DeviceId, agent: AgentId) -> &[Ix] {
        of(&self.certs, &(device, agent))
    }

    /// Agents for which a key is certified.
    pub(super) fn agents_of(&self, device: DeviceId) -> impl Iterator<Item = AgentId> + '_ {
        let all = (device, AgentId([0; 32]))..=(device, AgentId([255; 32]));
        self.certs.range(all).map(|((_, agent), _)| *agent)
    }

    /// `RoomCut`s of a room for a `Revoke`.
    pub(super) fn cuts_of(&self, room: RoomId, revoke: Ix) -> &[Ix] {
        of(&self.cuts, &(room, revoke))
    }

    /// `SetField`s of a target.
    pub(super) fn fields_of(&self, key: FieldKey) -> &[Ix] {
        of(&self.fields, &key)
    }

    /// Fields of targets that were set more than once.
    pub(super) fn fields_set_again(&self) -> impl Iterator<Item = FieldKey> + '_ {
        self.fields.iter().filter(|(_, set)| set.len() > 1).map(|(key, _)| *key)
    }

    /// Groups of a Department.
    pub(super) fn groups_of(&self, department: UnitId) -> &[UnitId] {
        self.groups.get(&department).map(Vec::as_slice).unwrap_or_default()
    }

    /// `RootRotate`s that open the commitment of a `Genesis` or `RootRotate`.
    pub(super) fn rotations_of(&self, root: Ix) -> &[Ix] {
        of(&self.rotations, &root)
    }

    /// All `RootRotate`s that open a commitment.
    pub(super) fn rotations(&self) -> impl Iterator<Item = Ix> + '_ {
        self.rotations.values().flatten().copied()
    }
}
