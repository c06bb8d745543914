//! People with keys who sign real objects, so that a case reads like its description.

use std::collections::BTreeMap;

use conclave_protocol::codec;
use conclave_protocol::control::ControlLog;
use conclave_protocol::id::{AgentId, CompanyId, DeviceId, ObjectId, RoomId, UnitId};
use conclave_protocol::keys::{DeviceKeys, device_statement, recovery_hash};
use conclave_protocol::object::{
    AdminGrant, AgentCert, CONTROL_VERSION, Capabilities, ControlCut, ControlObject,
    Countersignature, DeviceCert, FieldValue, Genesis, Header, HistoryPolicy, MemberGrant,
    ObjectType, Payload, Permit, Principal, Ratify, Revoke, RoomCreate, RoomCut, RootRotate,
    SetField, SignatureBytes, UnitCreate, UnitKind,
};
use conclave_protocol::signed::sign;
use conclave_tests::reference::State;
use conclave_tests::world::node::{keys_of, seed_of};

use super::compare::assert_same;
use super::{Arrivals, loaded, states};

pub use conclave_protocol::object::RevokeMode::{Depart, Strict};

/// A key that acts under an authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hand {
    pub key: &'static str,
    pub authority: ObjectId,
}

/// Somebody with one device.
#[derive(Clone, Copy, Debug)]
pub struct Person {
    pub agent: AgentId,
    pub cert: ObjectId,
    pub device: DeviceId,
}

/// Somebody with an office; its grant is the authority of the hand.
#[derive(Clone, Copy, Debug)]
pub struct Admin {
    pub person: Person,
    pub hand: Hand,
}

impl Admin {
    pub fn grant(&self) -> ObjectId {
        self.hand.authority
    }

    pub fn agent(&self) -> AgentId {
        self.person.agent
    }
}

/// A company that is being written.
#[derive(Clone)]
pub struct Scene {
    pub company: CompanyId,
    arrivals: Arrivals,
    /// Where each key writes next: behind this.
    heads: BTreeMap<&'static str, (u64, ObjectId)>,
    pub root: Hand,
    /// Rank 1, all capabilities, appointed by the root.
    pub alice: Admin,
}

pub fn keys(name: &str) -> DeviceKeys {
    keys_of(&seed_of(name, 9))
}

/// The hash of a recovery key and of those after it: "root 2" to "root 5".
pub fn commitment(name: &str) -> ObjectId {
    let line = ["root 2", "root 3", "root 4", "root 5"];
    let later: &[&str] = match line.iter().position(|known| *known == name) {
        Some(n) => &line[n..],
        None => &[name],
    };
    let hash = |next, name: &&str| recovery_hash(keys(name).device(), next);
    later.iter().rev().fold(ObjectId::default(), hash)
}

impl Scene {
    /// A company with a root, whose recovery key is "root 2", and alice.
    pub fn new() -> Self {
        let root = keys("root");
        let genesis = Genesis {
            version: CONTROL_VERSION,
            name: "Acme".into(),
            root: root.device(),
            recovery: commitment("root 2"),
            salt: ObjectId([3; 32]),
        };
        let body = codec::encode(&genesis);
        let (id, bytes) = sign(&root, ObjectType::Genesis, CompanyId::default(), &body);
        let nobody = Hand { key: "root", authority: id };
        let person = Person { agent: id.into(), cert: id, device: root.device() };
        let mut scene = Self {
            company: id.into(),
            arrivals: Arrivals { genesis: (id, genesis, bytes), objects: Vec::new(), strict: true },
            heads: BTreeMap::from([("root", (1, id))]),
            root: nobody,
            alice: Admin { person, hand: nobody },
        };
        scene.alice = scene.admin(scene.root, "alice", 1);
        scene
    }

    /// What follows; the same whoever is asked and in whatever order the objects come.
    pub fn state(&self) -> State {
        let mut all = states(&self.arrivals);
        let state = all.pop().expect("there is an evaluator");
        for other in all {
            assert_same(&other, &state, "one evaluator and another");
        }
        state
    }

    /// The real log.
    pub fn log(&self) -> ControlLog {
        loaded(&self.arrivals)
    }

    pub fn object(&self, id: ObjectId) -> &ControlObject {
        let found = self.arrivals.objects.iter().find(|(other, _, _)| *other == id);
        &found.expect("written here").1
    }

    /// Leaves out what somebody does not know.
    pub fn without(&self, ids: &[ObjectId]) -> Self {
        let mut other = self.clone();
        other.arrivals.objects.retain(|(id, _, _)| !ids.contains(id));
        other
    }

    /// Whatever this writes last is not sound, and what comes before it is. It is written in a
    /// copy, since nothing can follow an object that is not sound.
    #[track_caller]
    pub fn refuses<T: Into<ObjectId>>(&self, write: impl FnOnce(&mut Self) -> T) {
        let mut other = self.clone();
        let id = write(&mut other).into();
        let state = other.state();
        assert!(!state.sound.contains(&id), "this is sound: {:?}", other.object(id));
        let rest = other.arrivals.objects.iter().filter(|(held, _, _)| *held != id);
        for (held, object, _) in rest {
            assert!(state.sound.contains(held), "this is not sound either: {object:?}");
        }
    }

    /// The newest object of a key.
    pub fn last(&self, key: &str) -> ObjectId {
        self.heads[key].1
    }

    /// Lets a key go on behind an earlier object of its own: a fork.
    pub fn rewind(&mut self, key: &'static str, to: ObjectId) {
        let place = (self.place(to).1, to);
        self.heads.insert(key, place);
    }

    /// Lets a key begin anew, at seq 1.
    pub fn begin_anew(&mut self, key: &'static str) {
        self.heads.remove(key);
    }

    fn place(&self, id: ObjectId) -> (DeviceId, u64, u64) {
        if id == self.arrivals.genesis.0 {
            return (self.arrivals.genesis.1.root, 1, 1);
        }
        let header = &self.object(id).header;
        (header.author, header.seq, header.height)
    }

    /// Signs and adds an object.
    pub fn write(&mut self, by: Hand, payload: Payload) -> ObjectId {
        let keys = keys(by.key);
        let head = self.heads.get(by.key).copied();
        let header = Header {
            version: CONTROL_VERSION,
            company: self.company,
            author: keys.device(),
            seq: head.map_or(1, |(seq, _)| seq + 1),
            prev: head.map(|(_, id)| id),
            authority: by.authority,
            height: 0,
        };
        let mut object = ControlObject { header, payload };
        let heights = object.references().into_iter().map(|id| self.place(id).2);
        object.header.height = heights.max().unwrap_or(0) + 1;
        let (id, bytes) = object.sign(&keys);
        self.heads.insert(by.key, (object.header.seq, id));
        if self.arrivals.objects.iter().all(|(other, _, _)| *other != id) {
            self.arrivals.objects.push((id, object, bytes));
        }
        id
    }

    // People and offices.

    /// An agent with one device, whose key has its name.
    pub fn person(&mut self, by: Hand, name: &'static str) -> Person {
        let agent = self.agent(by, name);
        let cert = self.device(by, agent, name);
        Person { agent, cert, device: keys(name).device() }
    }

    pub fn agent(&mut self, by: Hand, name: &str) -> AgentId {
        self.write(by, Payload::AgentCert(AgentCert { name: name.into() })).into()
    }

    /// A certificate that no other device has confirmed.
    pub fn device(&mut self, by: Hand, agent: AgentId, key: &str) -> ObjectId {
        self.device_confirmed(by, agent, key, None)
    }

    pub fn device_confirmed(
        &mut self,
        by: Hand,
        agent: AgentId,
        key: &str,
        confirming: Option<&str>,
    ) -> ObjectId {
        let own = keys(key);
        let (device, sealing) = (own.device(), own.sealing());
        let statement = device_statement(self.company, agent, device, sealing);
        let countersignature = confirming.map(keys).map(|other| Countersignature {
            device: other.device(),
            signature: SignatureBytes(other.sign(&statement)),
        });
        let proof = SignatureBytes(own.sign(&statement));
        let cert = DeviceCert { agent, device, sealing, countersignature, proof };
        self.write(by, Payload::DeviceCert(cert))
    }

    /// A new person with an office for everything. The root certifies no devices, so its
    /// admins certify their own.
    pub fn admin(&mut self, by: Hand, name: &'static str, rank: u32) -> Admin {
        let agent = self.agent(by, name);
        let hand = self.grant(by, agent, name, rank);
        let certifier = if by.key.starts_with("root") { hand } else { by };
        let cert = self.device(certifier, agent, name);
        Admin { person: Person { agent, cert, device: keys(name).device() }, hand }
    }

    pub fn grant(&mut self, by: Hand, agent: AgentId, key: &'static str, rank: u32) -> Hand {
        self.grant_like(by, key, office(agent, key, rank))
    }

    pub fn grant_like(&mut self, by: Hand, key: &'static str, grant: AdminGrant) -> Hand {
        Hand { key, authority: self.write(by, Payload::AdminGrant(grant)) }
    }

    // Units and rooms.

    pub fn unit(&mut self, by: Hand, kind: UnitKind, parent: Option<UnitId>, name: &str) -> UnitId {
        self.write(by, Payload::UnitCreate(UnitCreate { kind, parent, name: name.into() })).into()
    }

    pub fn department(&mut self, by: Hand, name: &str) -> UnitId {
        self.unit(by, UnitKind::Department, None, name)
    }

    pub fn group(&mut self, by: Hand, parent: UnitId, name: &str) -> UnitId {
        self.unit(by, UnitKind::Group, Some(parent), name)
    }

    pub fn member(
        &mut self,
        by: Hand,
        agent: AgentId,
        unit: UnitId,
        overrides: &[ObjectId],
    ) -> ObjectId {
        let overrides = sorted(overrides);
        self.write(by, Payload::MemberGrant(MemberGrant { agent, unit, overrides }))
    }

    pub fn room(&mut self, by: Hand, name: &str) -> RoomId {
        let room = RoomCreate { name: name.into(), history: HistoryPolicy::Full };
        self.write(by, Payload::RoomCreate(room)).into()
    }

    pub fn permit(
        &mut self,
        by: Hand,
        room: RoomId,
        principal: Principal,
        overrides: &[ObjectId],
    ) -> ObjectId {
        let overrides = sorted(overrides);
        self.write(by, Payload::Permit(Permit { room, principal, overrides }))
    }

    // Ends, returns, changes.

    /// With cuts at these objects, one a device.
    pub fn revoke(
        &mut self,
        by: Hand,
        target: impl Into<ObjectId>,
        mode: conclave_protocol::object::RevokeMode,
        cuts: &[ObjectId],
    ) -> ObjectId {
        let mut control_cuts: Vec<ControlCut> = cuts.iter().map(|id| self.cut(*id)).collect();
        control_cuts.sort_by_key(|cut| cut.device);
        let revoke = Revoke { target: target.into(), control_cuts, keep: Vec::new(), mode };
        self.write(by, Payload::Revoke(revoke))
    }

    fn cut(&self, id: ObjectId) -> ControlCut {
        let (device, seq, _) = self.place(id);
        ControlCut { device, seq, id }
    }

    pub fn ratify(
        &mut self,
        by: Hand,
        target: impl Into<ObjectId>,
        overrides: &[ObjectId],
    ) -> ObjectId {
        let overrides = sorted(overrides);
        self.write(by, Payload::Ratify(Ratify { target: target.into(), overrides }))
    }

    pub fn room_cut(&mut self, by: Hand, room: RoomId, revoke: ObjectId) -> ObjectId {
        self.write(by, Payload::RoomCut(RoomCut { room, revoke, keep: Vec::new() }))
    }

    pub fn set(
        &mut self,
        by: Hand,
        target: impl Into<ObjectId>,
        value: FieldValue,
        supersedes: &[ObjectId],
    ) -> ObjectId {
        let supersedes = sorted(supersedes);
        self.write(by, Payload::SetField(SetField { target: target.into(), value, supersedes }))
    }

    pub fn rename(&mut self, by: Hand, target: impl Into<ObjectId>, name: &str) -> ObjectId {
        self.set(by, target, FieldValue::Name(name.into()), &[])
    }

    /// The key opens what `committed` says of it, and commits to the next.
    pub fn rotate(
        &mut self,
        key: &'static str,
        committed: ObjectId,
        next: &str,
        cut: ObjectId,
    ) -> Hand {
        let rotate = RootRotate { next: commitment(next), cut: self.cut(cut) };
        let by = Hand { key, authority: committed };
        Hand { key, authority: self.write(by, Payload::RootRotate(rotate)) }
    }
}

/// An office for everything in the whole company.
pub fn office(agent: AgentId, key: &str, rank: u32) -> AdminGrant {
    let (device, may) = (keys(key).device(), Capabilities::ALL);
    AdminGrant { device, agent, rank, may, scope: None, overrides: Vec::new() }
}

fn sorted(ids: &[ObjectId]) -> Vec<ObjectId> {
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    ids
}
