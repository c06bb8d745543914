//! Who gets to read the control log by an introduction.

use conclave_protocol::engine::{Command, GossipVerdict};
use conclave_protocol::object::{Capabilities, Payload, Revoke, RevokeMode, UnitCreate, UnitKind};
use conclave_protocol::sync::{Blob, Bound, Request, Response, Scope};
use conclave_tests::world::World;

use crate::company::pen::{Pen, gossip};
use crate::scene::team;

fn introduce(objects: &[&[u8]]) -> Request {
    Request::Introduce { objects: objects.iter().map(|b| Blob(b.to_vec())).collect() }
}

fn reads(
    w: &mut World,
    at: conclave_tests::world::NodeId,
    peer: conclave_protocol::id::DeviceId,
) -> bool {
    let list = Request::List { scope: Scope::Control, lower: Bound::MIN, upper: Bound::MAX };
    !matches!(w.ask_as(at, peer, &list), Response::Refused)
}

/// Xavier's device was revoked. An admin who was away, and knows nothing of it, certifies it
/// again; with that it reads the whole control log, also what came after its revocation.
#[test]
fn a_revoked_device_with_another_certificate_learns_its_own_revocations_only() {
    for whole_agent in [false, true] {
        let (mut w, alice, others) = team(41, &["bob", "xavier"]);
        let [bob, xavier] = others[..] else { panic!("two") };
        w.isolate(xavier);
        let keys = w.node(xavier).keys();
        let mut away = Pen::of(&w, alice);
        let target = if whole_agent {
            away.agent("xavier").into()
        } else {
            away.log.access().devices()[&keys.device()].cert
        };
        let mut pen = Pen::of(&w, alice);
        let root = w.root_keys("Acme");
        // Another admin, of whom everybody knows.
        let grant = conclave_protocol::object::AdminGrant {
            device: w.node(bob).device(),
            agent: pen.agent("bob"),
            rank: 1,
            may: Capabilities::ALL,
            scope: None,
            overrides: Vec::new(),
        };
        let grant = pen.sign(&root, Payload::AdminGrant(grant.clone()));
        let from = w.node(alice).device();
        assert_eq!(
            gossip(&mut w, bob, from, std::slice::from_ref(&grant)),
            [GossipVerdict::Accept]
        );
        w.settle();
        let mut behind = Pen::of(&w, bob);
        let alices = w.node(alice).keys();
        let revoke =
            Revoke { target, control_cuts: Vec::new(), keep: Vec::new(), mode: RevokeMode::Strict };
        let mut ahead = Pen::of(&w, bob);
        let revoke = ahead.sign(&alices, Payload::Revoke(revoke));
        assert_eq!(gossip(&mut w, bob, from, &[revoke]), [GossipVerdict::Accept]);
        w.settle();
        // Bob's keys, behind the times.
        let agent = behind.agent("xavier");
        let cert = behind.device_cert(agent, &keys, None);
        let bobs = w.node(bob).keys();
        let cert = behind.sign(&bobs, cert);
        let answer = w.ask_as(bob, keys.device(), &introduce(&[&cert.bytes, &grant.bytes]));
        let reads = reads(&mut w, bob, keys.device());
        assert!(!reads, "whole agent: {whole_agent}; {answer:?}");
        let _ = &mut away;
    }
}

/// An admin who may make rooms only cannot make a device known.
#[test]
fn who_may_not_certify_devices_introduces_nobody() {
    let (mut w, alice, others) = team(42, &["bob", "dora"]);
    let [bob, dora] = others[..] else { panic!("two") };
    let may = Capabilities { units: false, agents: false, rooms: true, admins: false };
    w.must(
        alice,
        Command::GrantAdmin {
            agent: "dora".into(),
            device: None,
            rank: 9,
            may,
            scope: Some("department:Sales".into()),
            root: None,
        },
    );
    w.agree();
    w.isolate(dora);
    let pen = Pen::of(&w, bob);
    let doras = w.node(dora).keys();
    let grant = pen.grants("dora")[0];
    let stranger = w.outsider("stranger");
    let cert = pen.device_cert(pen.agent("bob"), &stranger, None);
    let cert = pen.sign_after(&doras, None, grant, cert);
    let grant = pen.log.bytes(grant).expect("held").to_vec();
    let answer = w.ask_as(bob, stranger.device(), &introduce(&[&cert.bytes, &grant]));
    assert!(!reads(&mut w, bob, stranger.device()), "{answer:?}");
}

/// What a dismissed device is told ends with its first dismissal: a second one, years later, tells
/// nothing of the years between.
#[test]
fn a_second_revocation_tells_a_dismissed_device_nothing_of_the_time_between() {
    let (mut w, alice, others) = team(43, &["bob", "xavier"]);
    let [bob, xavier] = others[..] else { panic!("two") };
    w.isolate(xavier);
    let mut pen = Pen::of(&w, alice);
    let (keys, from) = (w.node(alice).keys(), w.node(alice).device());
    let agent = pen.agent("xavier");
    let revoke = |mode| {
        let (target, control_cuts, keep) = (agent.into(), Vec::new(), Vec::new());
        Payload::Revoke(Revoke { target, control_cuts, keep, mode })
    };
    let first = pen.sign(&keys, revoke(RevokeMode::Depart));
    let secret = UnitCreate { kind: UnitKind::Department, parent: None, name: "Layoffs".into() };
    let secret = pen.sign(&keys, Payload::UnitCreate(secret));
    let second = pen.sign(&keys, revoke(RevokeMode::Strict));
    let all = [first.clone(), secret.clone(), second];
    assert_eq!(gossip(&mut w, bob, from, &all), [GossipVerdict::Accept; 3]);
    w.settle();
    w.connect(bob, xavier);
    w.run(60_000);
    assert!(w.disk(xavier).holds(first.id), "it learns that it is out");
    assert!(!w.disk(xavier).holds(secret.id), "and what was done long after");
}
