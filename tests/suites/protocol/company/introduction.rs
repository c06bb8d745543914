//! Case 30: a device that a member's log does not know shows its certificate.

use super::*;
use crate::scene::{push, team};
use conclave_protocol::engine::GossipVerdict;
use conclave_protocol::keys::DeviceKeys;
use conclave_protocol::limits::{INTRODUCED_MAX, INTRODUCTION_OBJECTS_MAX};
use conclave_protocol::object::{AdminGrant, AgentCert, Payload};
use conclave_protocol::sync::{Blob, Bound, Request, Response, Scope};
use conclave_tests::forge::Forged;
use pen::gossip;

fn introduce(objects: &[&[u8]]) -> Request {
    Request::Introduce { objects: objects.iter().map(|bytes| Blob(bytes.to_vec())).collect() }
}

/// Whatever a stranger asks for, it gets nothing.
fn learns_nothing(w: &mut World, at: NodeId, stranger: DeviceId) {
    let (lower, upper) = (Bound::MIN, Bound::MAX);
    let scope = Scope::Control;
    let ids = vec![w.ledger().company.into()];
    for request in [
        Request::Summary,
        Request::Ranges { scope, lower, upper },
        Request::List { scope, lower, upper },
        Request::Get { scope, ids },
        push(scope, &[]),
    ] {
        assert_eq!(w.ask_as(at, stranger, &request), Response::Refused, "{request:?}");
    }
}

/// What a node pushed to a device that has no node.
fn pushed(w: &World, from: NodeId, to: DeviceId) -> Vec<ObjectId> {
    let sent = crate::scene::sent_to(w, from, to);
    let mut all = Vec::new();
    for request in sent {
        match request {
            Request::Push { objects, .. } => {
                let ids = objects.iter().filter_map(|o| conclave_protocol::signed::peek_id(&o.0));
                all.extend(ids);
            }
            other => panic!("a stranger was asked {other:?}"),
        }
    }
    all
}

#[test]
fn introduction_by_its_own_chain_when_the_admin_went_offline() {
    for seed in 1..5 {
        let (mut w, alice, others) = team(seed, &["bob", "carol"]);
        let [bob, carol] = others[..] else { panic!("two") };
        if seed % 2 == 0 {
            // Through a junior admin, of whom bob has not heard either.
            w.isolate(bob);
            make_admin_apart(&mut w, alice, "carol");
        }
        w.connect_all();
        w.run(3_000);
        w.post(bob, "help", "hello");
        w.run(3_000);
        w.isolate(bob);
        let admin = if seed % 2 == 0 { carol } else { alice };
        let dave = w.join(admin, "dave", &["department:Support"]);
        w.settle();
        w.crash(alice);
        w.crash(carol);
        assert!(w.engine(bob).agent("dave").is_err(), "bob has not heard of dave");
        w.connect(bob, dave);
        w.until("an introduction", 60_000, |w| w.engine(bob).agent("dave").is_ok());
        w.until("dave's history", 60_000, |w| w.texts(dave, "help") == ["hello"]);
        w.post(dave, "help", "hi");
        w.agree();
        all_show(&w, &[bob, dave], "help", &["hello", "hi"]);
        w.start(alice);
        w.start(carol);
        w.connect_all();
        w.agree();
        all_show(&w, &[alice, bob, carol, dave], "help", &["hello", "hi"]);
    }
}

/// While some are away.
fn make_admin_apart(w: &mut World, by: NodeId, agent: &str) {
    let (agent, device, scope, root) = (agent.to_owned(), None, None, None);
    w.must(by, Command::GrantAdmin { agent, device, rank: 2, may: STAFF, scope, root });
    w.settle();
}

#[test]
fn introduction_of_strangers_with_made_up_chains_teaches_them_nothing() {
    let (mut w, alice, others) = team(11, &["bob", "mallory"]);
    let [bob, mallory] = others[..] else { panic!("two") };
    make_admin(&mut w, alice, "mallory", 2, STAFF);
    w.must(alice, revoke_admin("mallory", None));
    w.agree();
    let company = ObjectId::from(w.ledger().company);
    let pen = Pen::of(&w, bob);
    let genesis = pen.log.bytes(company).expect("held").to_vec();
    let revoked = pen
        .log
        .admin_grants()
        .find(|(id, _)| !pen.log.in_force(*id))
        .map(|(id, _)| id)
        .expect("mallory's");
    let alices = pen.grants("alice")[0];
    let bytes = |id: ObjectId| pen.log.bytes(id).expect("held").to_vec();
    let eve = w.outsider("eve");
    let agent = pen.agent("alice");
    let cert = pen.device_cert(agent, &eve, None);
    let root = w.outsider("root of nowhere");
    let own_grant = Payload::AdminGrant(AdminGrant {
        device: eve.device(),
        agent,
        rank: 1,
        may: Capabilities::ALL,
        scope: None,
        overrides: Vec::new(),
    });
    // Everything signed by keys of her own.
    let grant = pen.sign_after(&root, None, company, own_grant);
    let by = |keys: &DeviceKeys, authority| pen.sign_after(keys, None, authority, cert.clone());
    let by_root: Forged = by(&root, company);
    let by_eve = by(&eve, alices);
    // Mallory, whose authority has ended, signs for her.
    let late = by(&w.node(mallory).keys(), revoked);
    // Other people's certificates.
    let carried = |device: DeviceId| {
        let info = pen.log.access().devices().get(&device).copied().expect("live");
        bytes(info.cert)
    };
    let alices_cert = carried(w.node(alice).device());
    let bobs_cert = carried(w.node(bob).device());
    let chains: Vec<Vec<Vec<u8>>> = vec![
        vec![],
        vec![genesis.clone()],
        vec![by_root.bytes.clone()],
        vec![by_root.bytes.clone(), genesis],
        vec![by_eve.bytes.clone(), grant.bytes.clone()],
        vec![by_eve.bytes.clone(), bytes(alices)],
        vec![by_eve.bytes.clone()],
        vec![late.bytes.clone(), bytes(revoked)],
        vec![late.bytes, bytes(alices)],
        vec![alices_cert.clone(), bytes(alices)],
        vec![bobs_cert, bytes(alices)],
        vec![alices_cert],
        vec![bytes(alices)],
        vec![b"garbage".to_vec()],
        vec![by_eve.bytes; INTRODUCTION_OBJECTS_MAX + 1],
    ];
    let device = w.puppet(&eve, bob);
    w.settle();
    let before = (w.disk(bob).durable(), w.engine(bob).status().control_digest);
    for chain in &chains {
        let chain: Vec<&[u8]> = chain.iter().map(Vec::as_slice).collect();
        let answer = w.ask_as(bob, device, &introduce(&chain));
        assert_eq!(answer, Response::Refused, "{} objects", chain.len());
        learns_nothing(&mut w, bob, device);
    }
    w.settle();
    assert_eq!(pushed(&w, bob, device), [], "nobody told her anything");
    assert_eq!((w.disk(bob).durable(), w.engine(bob).status().control_digest), before);
}

#[test]
fn introduction_of_a_revoked_device_gives_it_its_own_revocations_only() {
    for whole_agent in [false, true] {
        let (mut w, alice, others) = team(21, &["bob", "xavier", "yves"]);
        let [bob, xavier, yves] = others[..] else { panic!("three") };
        w.isolate(xavier);
        w.crash(yves);
        let device = w.node(xavier).device();
        // What its own revocation rests on comes with it: alice signed this before.
        w.group(alice, "Support", "Night");
        let own =
            if whole_agent { dismiss("xavier") } else { strictly("xavier", Some(device), &[]) };
        let Outcome::Signed { objects, .. } = w.must(alice, own) else { panic!("signed") };
        w.must(alice, dismiss("yves"));
        w.settle();
        // Its own node comes, refused as it is, and learns what happened to it.
        w.connect(bob, xavier);
        w.run(60_000);
        assert!(w.disk(xavier).holds(objects[0]), "whole agent: {whole_agent}");
        let held = Pen::of(&w, xavier).log;
        assert!(held.counts(objects[0]), "it can judge it");
        assert!(held.access().is_live(Pen::of(&w, bob).agent("yves")), "not of yves");
        assert!(!may_read(&w, xavier, "help"));
        assert!(held.len() < Pen::of(&w, bob).log.len());
        learns_nothing(&mut w, bob, device);
    }
}

#[test]
fn introduction_is_open_to_so_many_at_a_time() {
    let (mut w, alice, others) = team(31, &["bob"]);
    let bob = others[0];
    w.isolate(bob);
    let mut pen = Pen::of(&w, alice);
    let (keys, grant) = (w.node(alice).keys(), pen.grants("alice")[0]);
    let mut people: Vec<(DeviceKeys, Forged, Forged)> = Vec::new();
    for n in 0..=INTRODUCED_MAX {
        let name = format!("n{n}");
        let agent = pen.sign(&keys, Payload::AgentCert(AgentCert { name: name.clone() }));
        let own = w.outsider(&name);
        let cert = pen.device_cert(agent.id.into(), &own, None);
        let cert = pen.sign(&keys, cert);
        people.push((own, agent, cert));
    }
    let grant = pen.log.bytes(grant).expect("held").to_vec();
    for (n, (own, _, cert)) in people.iter().enumerate() {
        let answer = w.ask_as(bob, own.device(), &introduce(&[&cert.bytes, &grant]));
        let expected = if n < INTRODUCED_MAX { Response::Ack } else { Response::Refused };
        assert_eq!(answer, expected, "number {n}");
    }
    assert_eq!(w.refusals(bob, "introductions_full"), 1);
    // An introduced device may compare the control log, and see no room.
    let first = people[0].0.device();
    let Response::Summary { rooms, .. } = w.ask_as(bob, first, &Request::Summary) else {
        panic!("refused")
    };
    assert!(rooms.is_empty());
    let room = Scope::Room(crate::scene::help(&w, bob));
    let list = Request::List { scope: room, lower: Bound::MIN, upper: Bound::MAX };
    assert_eq!(w.ask_as(bob, first, &list), Response::Refused);
    // Once they are in the log there is space again.
    let from = w.node(alice).device();
    for (_, agent, cert) in people {
        let verdicts = gossip(&mut w, bob, from, &[agent, cert]);
        assert_eq!(verdicts, [GossipVerdict::Accept; 2]);
    }
    let agent = pen.sign(&keys, Payload::AgentCert(AgentCert { name: "late".into() }));
    let own = w.outsider("late");
    let cert = pen.device_cert(agent.id.into(), &own, None);
    let cert = pen.sign(&keys, cert);
    let answer = w.ask_as(bob, own.device(), &introduce(&[&cert.bytes, &grant]));
    assert_eq!(answer, Response::Ack);
}
