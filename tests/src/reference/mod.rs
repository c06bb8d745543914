//! What a set of control objects means, straight from `docs/decisions/0009-authority.md`: sets,
//! recursion and fixpoints, nothing kept from one question to the next. Slow and plain, to be
//! read beside that page and compared with the real thing on random logs.
//!
//! - `sound`: which objects enter the log at all, and who could issue what.
//! - `root`: the root line.
//! - `authority`: who stands behind what, rank by rank.
//! - `access`: agents, devices, units, memberships, permissions, rooms.
//! - `fields`: values that change, and names that collide.
//! - `ranges`: the fingerprints by which two nodes compare what they hold.

mod access;
mod authority;
mod fields;
mod ranges;
mod root;
mod sound;

use std::collections::{BTreeMap, BTreeSet};

use conclave_protocol::id::{AgentId, DeviceId, ObjectId, RoomId, UnitId};
use conclave_protocol::object::{ControlObject, Genesis, Payload, Principal};

use access::Access;
use authority::Authority;
pub use ranges::fingerprint;
pub use sound::Sound;

/// Decoded objects by id, `Genesis` left out.
pub type Objects = BTreeMap<ObjectId, ControlObject>;

/// What follows from a set of objects. `Genesis` is in `reconciled` only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Objects that enter the log.
    pub sound: BTreeSet<ObjectId>,
    /// Objects that some authority stands behind, with the rank of the most senior one.
    pub carried: BTreeMap<ObjectId, u32>,
    /// Carried `AdminGrant`s that no `Revoke` hits.
    pub in_force: BTreeSet<ObjectId>,
    /// Carried `Revoke`s that have an effect. Of an `AdminGrant`: that hit it.
    pub effective: BTreeSet<ObjectId>,
    /// Carried `Revoke`s of an `AdminGrant`, agent or device that have none.
    pub powerless: BTreeSet<ObjectId>,
    /// What nodes exchange: carried objects and all that these refer to.
    pub reconciled: BTreeSet<ObjectId>,
    /// Whether a recovery was run twice, with different cuts.
    pub recovered_twice: bool,
    /// The root keys, first to last.
    pub root_keys: Vec<DeviceId>,
    /// Live agents and their names as shown.
    pub agents: BTreeMap<AgentId, String>,
    /// Live devices.
    pub devices: BTreeMap<DeviceId, AgentId>,
    /// Keys that are live for nobody since two live agents have them.
    pub disputed: BTreeSet<DeviceId>,
    /// Live devices about which everybody is warned: nothing shows that they are their agent's.
    pub uncountersigned: BTreeSet<DeviceId>,
    /// Units that are not revoked, and their names as shown.
    pub units: BTreeMap<UnitId, String>,
    /// All rooms, revoked ones too.
    pub rooms: BTreeMap<RoomId, RoomState>,
    /// Pairs with a grant in force, of agents that exist.
    pub memberships: BTreeSet<(AgentId, UnitId)>,
    /// Pairs with a permission in force, of rooms that exist.
    pub permits: BTreeSet<(RoomId, Principal)>,
    /// Places in chains at which several objects are carried.
    pub equivocations: BTreeSet<(DeviceId, u64)>,
}

/// What follows for one room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoomState {
    /// Its name as shown.
    pub name: String,
    /// What it is about.
    pub topic: String,
    /// Whether it is in use.
    pub active: bool,
    /// Whether it is deleted.
    pub revoked: bool,
    /// Who has access now.
    pub with_access: BTreeSet<AgentId>,
    /// To whom some chain of carried grants and permissions leads, in force or ended.
    pub proved: BTreeSet<AgentId>,
}

impl State {
    /// Objects that are sound and not carried.
    #[must_use]
    pub fn void(&self) -> BTreeSet<ObjectId> {
        self.sound.iter().filter(|id| !self.carried.contains_key(id)).copied().collect()
    }
}

/// Evaluates a set of objects.
#[must_use]
pub fn evaluate(genesis_id: ObjectId, genesis: &Genesis, objects: &Objects) -> State {
    let log = Sound::of(genesis_id, genesis, objects);
    let authority = Authority::of(&log);
    let access = Access { log: &log, authority: &authority };
    let effective = authority.effective();
    let (devices, disputed) = access.devices();
    State {
        sound: log.ids(),
        carried: authority.ranks(),
        in_force: authority.in_force.clone(),
        powerless: powerless(&log, &authority, &effective),
        effective,
        reconciled: reconciled(&log, &authority),
        recovered_twice: authority.root.recovered_twice(&log),
        root_keys: authority.root.keys(),
        agents: access.live_agents().into_iter().map(|a| (a, access.agent_name(a))).collect(),
        uncountersigned: access.uncountersigned(&devices),
        devices,
        disputed,
        units: access.live_units().into_iter().map(|u| (u, access.unit_name(u))).collect(),
        rooms: access.rooms().into_iter().map(|r| (r, access.room(r))).collect(),
        memberships: access.memberships_in_force(),
        permits: access.permits_in_force(),
        equivocations: equivocations(&log, &authority),
    }
}

/// Attempts on equals and seniors, for everybody to see. A grant that overrides a senior's
/// `Revoke` was not attacked, and of one that is void nothing is to be seen.
fn powerless(
    log: &Sound,
    authority: &Authority<'_>,
    effective: &BTreeSet<ObjectId>,
) -> BTreeSet<ObjectId> {
    log.revokes()
        .filter(|(id, revoke)| {
            let attempt = match log.payload(revoke.target) {
                Some(Payload::AdminGrant(grant)) => {
                    authority.is_carried(revoke.target) && authority.rank_of(*id) >= grant.rank
                }
                Some(Payload::AgentCert(_) | Payload::DeviceCert(_)) => true,
                _ => false,
            };
            authority.is_carried(*id) && attempt && !effective.contains(id)
        })
        .map(|(id, _)| id)
        .collect()
}

fn reconciled(log: &Sound, authority: &Authority<'_>) -> BTreeSet<ObjectId> {
    let mut all = BTreeSet::from([log.genesis_id]);
    let mut open: Vec<ObjectId> = authority.ranks().into_keys().collect();
    while let Some(id) = open.pop() {
        if all.insert(id) {
            open.extend(log.get(id).map(ControlObject::references).unwrap_or_default());
        }
    }
    all
}

/// A recovery that was run twice is honest, so rotations are left out.
fn equivocations(log: &Sound, authority: &Authority<'_>) -> BTreeSet<(DeviceId, u64)> {
    let mut places: BTreeMap<(DeviceId, u64), BTreeSet<ObjectId>> = BTreeMap::new();
    for (id, object) in log.all().filter(|(id, _)| authority.is_carried(*id)) {
        if !matches!(object.payload, Payload::RootRotate(_)) {
            let place = (object.header.author, object.header.seq);
            places.entry(place).or_default().insert(id);
        }
    }
    places.into_iter().filter(|(_, ids)| ids.len() > 1).map(|(place, _)| place).collect()
}
