//! What fuzzing found, as cases that can be read. See `tests/fuzz/README.md`.

use std::collections::BTreeMap;

use conclave_protocol::control::{Added, Alarm, ControlLog};
use conclave_protocol::found::{Founding, found};
use conclave_protocol::id::{AgentId, DeviceId, ObjectId, RoomId, UnitId};
use conclave_protocol::keys::DeviceKeys;
use conclave_protocol::object::{
    AdminGrant, AgentCert, Capabilities, DeviceCert, Genesis, HistoryPolicy, MemberGrant, Payload,
    Permit, Principal, Revoke, RevokeMode, RoomCreate, SignatureBytes, UnitCreate, UnitKind,
};
use conclave_protocol::signed::{Trust, Verified};
use conclave_tests::forge;
use conclave_tests::world::node::{keys_of, seed_of};

/// A company that a root and alice, its first admin, have begun.
struct Company {
    log: ControlLog,
    root: DeviceKeys,
    alice: DeviceKeys,
    alice_grant: ObjectId,
    tails: BTreeMap<DeviceId, (u64, ObjectId)>,
}

fn keys(name: &str) -> DeviceKeys {
    keys_of(&seed_of(name, 3))
}

impl Company {
    fn new() -> Self {
        let (root, alice) = (keys("root"), keys("alice"));
        let founded = found(&Founding {
            company: "Acme",
            agent: "alice",
            root: &root,
            recovery: ObjectId([1; 32]),
            salt: ObjectId([2; 32]),
            device: &alice,
        });
        let mut log = ControlLog::new(founded.company);
        let mut tails = BTreeMap::new();
        let genesis = Verified::<Genesis>::genesis(&founded.objects[0].1, Trust::Nothing);
        log.add_genesis(genesis.expect("just made"));
        tails.insert(root.device(), (1, founded.objects[0].0));
        let mut alice_grant = ObjectId::default();
        for (id, bytes) in &founded.objects[1..] {
            let object = Verified::control(bytes, founded.company, Trust::Nothing);
            let object = object.expect("just made");
            if matches!(object.value().payload, Payload::AdminGrant(_)) {
                alice_grant = *id;
            }
            let header = &object.value().header;
            tails.insert(header.author, (header.seq, *id));
            log.add(object);
        }
        log.refresh();
        Self { log, root, alice, alice_grant, tails }
    }

    fn write(&mut self, by: &DeviceKeys, authority: ObjectId, payload: Payload) -> ObjectId {
        let tail = self.tails.get(&by.device()).copied();
        let (seq, prev) = (tail.map_or(1, |(seq, _)| seq + 1), tail.map(|(_, id)| id));
        let references: Vec<ObjectId> =
            payload.references().into_iter().chain([authority]).chain(prev).collect();
        let height = self.log.height_over(&references).expect("all is here");
        let company = self.log.company();
        let made = forge::control(by, company, (seq, prev), authority, height, payload);
        let trust = Trust::StoredAs(made.id);
        let object = Verified::control(&made.bytes, company, trust).expect("well formed");
        assert!(matches!(self.log.add(object), Added::Taken(_)));
        self.log.refresh();
        self.tails.insert(by.device(), (seq, made.id));
        made.id
    }

    fn agent(&mut self, name: &str) -> AgentId {
        let (alice, grant) = (self.alice.clone(), self.alice_grant);
        self.write(&alice, grant, Payload::AgentCert(AgentCert { name: name.into() })).into()
    }

    /// Alice makes somebody an admin of rank 2.
    fn admin(&mut self, device: &DeviceKeys) -> ObjectId {
        let agent = self.agent("admin");
        let (alice, grant) = (self.alice.clone(), self.alice_grant);
        let payload = Payload::AdminGrant(AdminGrant {
            device: device.device(),
            agent,
            rank: 2,
            may: Capabilities::ALL,
            scope: None,
            overrides: Vec::new(),
        });
        self.write(&alice, grant, payload)
    }
}

/// Nothing of the struck device's chain stays.
fn revoke(target: ObjectId) -> Payload {
    let mode = RevokeMode::Depart;
    Payload::Revoke(Revoke { target, control_cuts: Vec::new(), keep: Vec::new(), mode })
}

fn cert(agent: AgentId, device: &DeviceKeys) -> Payload {
    Payload::DeviceCert(DeviceCert {
        agent,
        device: device.device(),
        sealing: device.sealing(),
        countersignature: None,
        proof: SignatureBytes([0; 64]),
    })
}

#[test]
fn a_resignation_of_a_void_grant_has_no_effect() {
    let mut c = Company::new();
    let bob = keys("bob");
    let grant = c.admin(&bob);
    let resignation = c.write(&bob, grant, revoke(grant));
    assert!(c.log.counts(resignation) && c.log.is_effective(resignation));
    let (root, alice_grant, genesis) = (c.root.clone(), c.alice_grant, c.log.company().into());
    c.write(&root, genesis, revoke(alice_grant));
    assert!(!c.log.counts(grant) && !c.log.counts(resignation));
    assert!(!c.log.is_effective(resignation));
}

#[test]
fn a_void_certificate_claims_no_disputed_key() {
    let mut c = Company::new();
    let (bob, laptop) = (keys("bob"), keys("laptop"));
    let bobs = c.admin(&bob);
    let agents = ["one", "two", "three"].map(|name| c.agent(name));
    let (alice, alice_grant) = (c.alice.clone(), c.alice_grant);
    c.write(&alice, alice_grant, cert(agents[0], &laptop));
    c.write(&alice, alice_grant, cert(agents[1], &laptop));
    c.write(&bob, bobs, cert(agents[2], &laptop));
    let disputed = |c: &Company| -> Vec<AgentId> {
        let claims = c.log.alarms().into_iter().find_map(|alarm| match alarm {
            Alarm::DisputedKey { agents, .. } => Some(agents),
            _ => None,
        });
        claims.expect("in dispute")
    };
    assert_eq!(disputed(&c).len(), 3);
    c.write(&alice, alice_grant, revoke(bobs));
    let mut expected = agents[..2].to_vec();
    expected.sort_unstable();
    assert_eq!(disputed(&c), expected);
}

/// Without access, a way in that nothing ended would let all messages stand.
#[test]
fn a_group_of_a_void_department_leads_nowhere() {
    let mut c = Company::new();
    let (bob, laptop) = (keys("bob"), keys("laptop"));
    let bobs = c.admin(&bob);
    let (alice, own) = (c.alice.clone(), c.alice_grant);
    let carol = c.agent("carol");
    c.write(&alice, own, cert(carol, &laptop));
    let unit =
        |kind, parent| Payload::UnitCreate(UnitCreate { kind, parent, name: "Support".into() });
    let department = UnitId::from(c.write(&bob, bobs, unit(UnitKind::Department, None)));
    let group = c.write(&alice, own, unit(UnitKind::Group, Some(department))).into();
    let member = MemberGrant { agent: carol, unit: group, overrides: Vec::new() };
    c.write(&alice, own, Payload::MemberGrant(member));
    let made = RoomCreate { name: "Helpdesk".into(), history: HistoryPolicy::Full };
    let room = RoomId::from(c.write(&alice, own, Payload::RoomCreate(made)));
    let principal = Principal::Unit(department);
    c.write(&alice, own, Payload::Permit(Permit { room, principal, overrides: Vec::new() }));
    assert!(c.log.standing(laptop.device(), room).live);
    // Bob goes, and with him all that he signed: the Department, but not alice's Group.
    c.write(&alice, own, revoke(bobs));
    assert!(c.log.access().with_access(room).is_empty());
    let standing = c.log.standing(laptop.device(), room);
    assert!(!standing.live && !standing.proved(), "{standing:?}");
    assert!(!c.log.is_proved(carol, room));
}
