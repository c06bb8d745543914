//! What objects cost whoever takes them in. Each measures twice, with n and 2n objects of one
//! hostile admin: more than four times as long is more than quadratic, twice is linear.
//!
//! Release: `cargo test --release -p conclave-tests --test protocol review::costs --
//! --ignored --nocapture --test-threads=1`. No test fails on a slow machine: these are run by hand.

use std::time::{Duration, Instant};

use conclave_protocol::codec;
use conclave_protocol::control::{Added, ControlLog};
use conclave_protocol::id::{AgentId, CompanyId, ObjectId, UnitId};
use conclave_protocol::keys::{DeviceKeys, device_statement};
use conclave_protocol::object::{
    AdminGrant, AgentCert, CONTROL_VERSION, Capabilities, ControlCut, ControlObject, DeviceCert,
    Genesis, Header, HistoryPolicy, MemberGrant, ObjectType, Payload, Permit, Principal, Ratify,
    Revoke, RevokeMode, RoomCreate, SignatureBytes, UnitCreate, UnitKind,
};
use conclave_protocol::signed::{Trust, Verified, sign};
use conclave_tests::world::node::{keys_of, seed_of};

type Signed = Vec<Verified<ControlObject>>;

struct Writer {
    genesis: Verified<Genesis>,
    company: CompanyId,
    heads: std::collections::BTreeMap<conclave_protocol::id::DeviceId, (u64, ObjectId)>,
    heights: std::collections::BTreeMap<ObjectId, u64>,
    objects: Signed,
    root: DeviceKeys,
    alice: (DeviceKeys, ObjectId),
    mallory: (DeviceKeys, ObjectId, AgentId),
    victim: (DeviceKeys, AgentId),
}

fn key(name: &str) -> DeviceKeys {
    keys_of(&seed_of(name, 77))
}

impl Writer {
    fn new() -> Self {
        let root = key("root");
        let genesis = Genesis {
            version: CONTROL_VERSION,
            name: "Acme".into(),
            root: root.device(),
            recovery: ObjectId([9; 32]),
            salt: ObjectId([3; 32]),
        };
        let body = codec::encode(&genesis);
        let (id, bytes) = sign(&root, ObjectType::Genesis, CompanyId::default(), &body);
        let genesis = Verified::<Genesis>::genesis(&bytes, Trust::Nothing).expect("good");
        let none = (key("x"), id);
        let mut w = Self {
            genesis,
            company: id.into(),
            heads: [(root.device(), (1, id))].into(),
            heights: [(id, 1)].into(),
            objects: Vec::new(),
            root: root.clone(),
            alice: none.clone(),
            mallory: (none.0.clone(), id, id.into()),
            victim: (none.0, id.into()),
        };
        let agent = w.put(&root, id, Payload::AgentCert(AgentCert { name: "alice".into() }));
        let alice = key("alice");
        let grant = w.grant(&root, id, &alice, agent.into(), 1);
        w.alice = (alice.clone(), grant);
        let agent = w.put(&alice, grant, Payload::AgentCert(AgentCert { name: "mal".into() }));
        let mallory = key("mallory");
        let hers = w.grant(&alice, grant, &mallory, agent.into(), 2);
        w.mallory = (mallory, hers, agent.into());
        let agent = w.put(&alice, grant, Payload::AgentCert(AgentCert { name: "vic".into() }));
        let own = key("victim");
        let statement = device_statement(w.company, agent.into(), own.device(), own.sealing());
        let cert = DeviceCert {
            agent: agent.into(),
            device: own.device(),
            sealing: own.sealing(),
            countersignature: None,
            proof: SignatureBytes(own.sign(&statement)),
        };
        w.put(&alice, grant, Payload::DeviceCert(cert));
        w.victim = (own, agent.into());
        w
    }

    fn put(&mut self, keys: &DeviceKeys, authority: ObjectId, payload: Payload) -> ObjectId {
        let author = keys.device();
        let head = self.heads.get(&author).copied();
        let header = Header {
            version: CONTROL_VERSION,
            company: self.company,
            author,
            seq: head.map_or(1, |(seq, _)| seq + 1),
            prev: head.map(|(_, id)| id),
            authority,
            height: 0,
        };
        let mut object = ControlObject { header, payload };
        let heights = object.references().into_iter().map(|id| self.heights[&id]);
        object.header.height = heights.max().unwrap_or(0) + 1;
        let (id, bytes) = object.sign(keys);
        self.heads.insert(author, (object.header.seq, id));
        self.heights.insert(id, object.header.height);
        let verified = Verified::control(&bytes, self.company, Trust::StoredAs(id));
        self.objects.push(verified.expect("well formed"));
        id
    }

    fn mal(&mut self, payload: Payload) -> ObjectId {
        let (keys, grant, _) = self.mallory.clone();
        self.put(&keys, grant, payload)
    }

    fn grant(
        &mut self,
        by: &DeviceKeys,
        authority: ObjectId,
        to: &DeviceKeys,
        agent: AgentId,
        rank: u32,
    ) -> ObjectId {
        let (device, may) = (to.device(), Capabilities::ALL);
        let grant = AdminGrant { device, agent, rank, may, scope: None, overrides: Vec::new() };
        self.put(by, authority, Payload::AdminGrant(grant))
    }

    fn revoke(target: ObjectId) -> Payload {
        let (control_cuts, keep, mode) = (Vec::new(), Vec::new(), RevokeMode::Depart);
        Payload::Revoke(Revoke { target, control_cuts, keep, mode })
    }

    fn log(&self) -> ControlLog {
        let mut log = ControlLog::new(self.company);
        log.add_genesis(self.genesis.clone());
        log
    }

    fn loaded(&self) -> (ControlLog, Duration) {
        let mut log = self.log();
        let objects = self.objects.clone();
        let start = Instant::now();
        assert_eq!(log.load(objects), 0);
        (log, start.elapsed())
    }

    fn added(&self) -> Duration {
        let mut log = self.log();
        let objects = self.objects.clone();
        let start = Instant::now();
        for object in objects {
            assert!(matches!(log.add(object), Added::Taken(_)));
            log.refresh();
        }
        start.elapsed()
    }
}

/// Fails if twice as many objects take more than about three times as long.
fn grows_linearly(what: &str, n: usize, cost: impl Fn(usize) -> Duration) {
    let _ = cost(n / 4);
    let (one, two) = (cost(n), cost(2 * n));
    let ratio = two.as_secs_f64() / one.as_secs_f64();
    println!("{what}: {n} objects {one:?}, {} objects {two:?}, factor {ratio:.1}", 2 * n);
    assert!(ratio < 3.0, "{what}: {n} objects {one:?}, {} objects {two:?}, {ratio:.1}", 2 * n);
}

fn grants_of_one_agent(n: usize) -> Writer {
    let mut w = Writer::new();
    let (keys, grant, agent) = w.mallory.clone();
    let cert = w.victim.1;
    // A powerless Revoke of the agent that they name: every seat looks at all grants for it.
    let junior = key("junior");
    let juniors = w.grant(&keys, grant, &junior, agent, 3);
    w.put(&junior, juniors, Writer::revoke(cert.into()));
    for i in 0..n {
        let device = key(&format!("sock {i}"));
        w.grant(&keys, grant, &device, cert, 3);
    }
    w
}

#[test]
#[ignore = "measures time: run by hand, in a release build"]
fn many_grants_for_one_agent_at_load() {
    grows_linearly("grants of one agent, load", 250, |n| grants_of_one_agent(n).loaded().1);
}

#[test]
#[ignore = "measures time: run by hand, in a release build"]
fn many_grants_for_one_agent_one_by_one() {
    grows_linearly("grants of one agent, one by one", 250, |n| grants_of_one_agent(n).added());
}

#[test]
#[ignore = "measures time: run by hand, in a release build"]
fn ending_who_made_many_grants_for_one_agent() {
    grows_linearly("grants of one agent, their issuer ended", 250, |n| {
        let mut w = grants_of_one_agent(n);
        let mut log = w.loaded().0;
        let (keys, grant) = w.alice.clone();
        let target = w.mallory.1;
        w.put(&keys, grant, Writer::revoke(target));
        let last = w.objects.pop().expect("one");
        let start = Instant::now();
        assert!(matches!(log.add(last), Added::Taken(_)));
        log.refresh();
        start.elapsed()
    });
}

/// 600 objects of one admin, about 200 kB, and how long every start takes after it.
#[test]
#[ignore = "takes long"]
fn grants_and_revokes_of_one_agent_at_load() {
    for n in [75, 150, 300] {
        let mut w = grants_of_one_agent(n);
        let (junior, cert) = (key("junior"), w.victim.1);
        let grant = w.objects.iter().find(|o| o.value().header.author == junior.device());
        let grant = grant.expect("one").value().header.authority;
        for _ in 0..n {
            w.put(&junior, grant, Writer::revoke(cert.into()));
        }
        println!("{n} grants and {n} revokes: load {:?}", w.loaded().1);
    }
}

fn ratifies_of_one(n: usize) -> Writer {
    let mut w = Writer::new();
    let unit = UnitCreate { kind: UnitKind::Role, parent: None, name: "r".into() };
    let target = w.mal(Payload::UnitCreate(unit));
    for _ in 0..n {
        w.mal(Payload::Ratify(Ratify { target, overrides: Vec::new() }));
    }
    w
}

#[test]
#[ignore = "measures time: run by hand, in a release build"]
fn many_ratifies_of_one_object_at_load() {
    grows_linearly("ratifies of one object, load", 2_000, |n| ratifies_of_one(n).loaded().1);
}

#[test]
#[ignore = "measures time: run by hand, in a release build"]
fn many_ratifies_of_one_object_one_by_one() {
    grows_linearly("ratifies of one object, one by one", 2_000, |n| ratifies_of_one(n).added());
}

#[test]
#[ignore = "measures time: run by hand, in a release build"]
fn a_long_chain_of_ratifies() {
    grows_linearly("ratify of ratify of …, load", 2_000, |n| {
        let mut w = Writer::new();
        let unit = UnitCreate { kind: UnitKind::Role, parent: None, name: "r".into() };
        let mut target = w.mal(Payload::UnitCreate(unit));
        for _ in 0..n {
            target = w.mal(Payload::Ratify(Ratify { target, overrides: Vec::new() }));
        }
        w.loaded().1
    });
}

fn revokes_of_the_senior(n: usize) -> Writer {
    let mut w = Writer::new();
    let target = w.alice.1;
    for _ in 0..n {
        w.mal(Writer::revoke(target));
    }
    w
}

#[test]
#[ignore = "measures time: run by hand, in a release build"]
fn many_powerless_revokes_of_one_grant_at_load() {
    grows_linearly("powerless revokes, load", 2_000, |n| revokes_of_the_senior(n).loaded().1);
}

#[test]
#[ignore = "measures time: run by hand, in a release build"]
fn many_powerless_revokes_of_one_grant_one_by_one() {
    grows_linearly("powerless revokes, one by one", 2_000, |n| revokes_of_the_senior(n).added());
}

#[test]
#[ignore = "measures time: run by hand, in a release build"]
fn many_powerless_revokes_in_the_audit_trail() {
    grows_linearly("explain of each of many powerless revokes", 500, |n| {
        let log = revokes_of_the_senior(n).loaded().0;
        let ids: Vec<ObjectId> = log.ids().collect();
        let start = Instant::now();
        for id in ids {
            let _ = log.explain(id);
        }
        start.elapsed()
    });
}

/// Removed and re-added, each time naming everything before (as an honest node does).
fn removed_and_readded(n: usize) -> (Writer, UnitId, conclave_protocol::id::RoomId) {
    let mut w = Writer::new();
    let unit = UnitCreate { kind: UnitKind::Department, parent: None, name: "d".into() };
    let unit: UnitId = w.mal(Payload::UnitCreate(unit)).into();
    let room = RoomCreate { name: "r".into(), history: HistoryPolicy::Full };
    let room = w.mal(Payload::RoomCreate(room)).into();
    let principal = Principal::Unit(unit);
    w.mal(Payload::Permit(Permit { room, principal, overrides: Vec::new() }));
    let agent = w.victim.1;
    let mut revokes: Vec<ObjectId> = Vec::new();
    for _ in 0..n {
        let mut overrides = revokes.clone();
        overrides.sort_unstable();
        let grant = w.mal(Payload::MemberGrant(MemberGrant { agent, unit, overrides }));
        revokes.push(w.mal(Writer::revoke(grant)));
    }
    (w, unit, room)
}

#[test]
#[ignore = "measures time: run by hand, in a release build"]
fn standing_of_an_agent_removed_and_readded_many_times() {
    grows_linearly("standing after removals and re-adds", 60, |n| {
        let (w, _, room) = removed_and_readded(n);
        let log = w.loaded().0;
        let device = w.victim.0.device();
        let start = Instant::now();
        assert!(!log.standing(device, room).live);
        start.elapsed()
    });
}

#[test]
#[ignore = "measures time: run by hand, in a release build"]
fn grants_of_one_pair_one_by_one() {
    grows_linearly("grants of one pair, one by one", 500, |n| {
        let mut w = Writer::new();
        let unit = UnitCreate { kind: UnitKind::Department, parent: None, name: "d".into() };
        let unit: UnitId = w.mal(Payload::UnitCreate(unit)).into();
        let agent = w.victim.1;
        for _ in 0..n {
            w.mal(Payload::MemberGrant(MemberGrant { agent, unit, overrides: Vec::new() }));
        }
        w.added()
    });
}

#[test]
#[ignore = "measures time: run by hand, in a release build"]
fn fields_of_one_target_one_by_one() {
    grows_linearly("fields of one target, one by one", 500, |n| {
        let mut w = Writer::new();
        let target = w.victim.1.into();
        for i in 0..n {
            let value = conclave_protocol::object::FieldValue::Name(format!("n{i}"));
            w.mal(Payload::SetField(conclave_protocol::object::SetField {
                target,
                value,
                supersedes: Vec::new(),
            }));
        }
        w.added()
    });
}

/// As above, and then many grants that rest on all of it.
#[test]
#[ignore = "measures time: run by hand, in a release build"]
fn grants_that_rest_on_many_removals_one_by_one() {
    grows_linearly("grants over removals and re-adds, one by one", 60, |n| {
        let (mut w, unit, _) = removed_and_readded(n);
        let agent = w.victim.1;
        let mut log = w.loaded().0;
        let overrides = vec![w.heads[&w.mallory.0.device()].1];
        let first = w.objects.len();
        for _ in 0..n {
            let overrides = overrides.clone();
            w.mal(Payload::MemberGrant(MemberGrant { agent, unit, overrides }));
        }
        let start = Instant::now();
        for object in w.objects.split_off(first) {
            assert!(matches!(log.add(object), Added::Taken(_)));
            log.refresh();
        }
        start.elapsed()
    });
}

/// A hostile admin strikes a grant often, with a cut each.
#[test]
#[ignore = "measures time: run by hand, in a release build"]
fn resignations_on_many_branches() {
    grows_linearly("resignations, load", 500, |n| {
        let mut w = Writer::new();
        let (keys, grant, _) = w.mallory.clone();
        let first = {
            let unit = UnitCreate { kind: UnitKind::Role, parent: None, name: "r".into() };
            w.mal(Payload::UnitCreate(unit))
        };
        for i in 0..n {
            w.heads.insert(keys.device(), (1, first));
            let control_cuts = vec![ControlCut { device: keys.device(), seq: 1, id: first }];
            let keep = vec![conclave_protocol::object::Keep {
                room: ObjectId([u8::try_from(i % 251).unwrap_or(0); 32]).into(),
                messages: vec![ObjectId([u8::try_from(i / 251).unwrap_or(0); 32])],
            }];
            let mode = RevokeMode::Depart;
            let revoke = Revoke { target: grant, control_cuts, keep, mode };
            w.put(&keys, grant, Payload::Revoke(revoke));
        }
        w.loaded().1
    });
}

#[test]
#[ignore = "measures time: run by hand, in a release build"]
fn the_root_key_is_not_used_here() {
    let w = Writer::new();
    assert_eq!(w.loaded().0.root().map(|(key, _)| key), Some(w.root.device()));
}
