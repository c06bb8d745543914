//! Who may make somebody a device of an agent, and what strangers learn of a company.

use conclave_protocol::crypt::{EpochKey, SealingContext};
use conclave_protocol::engine::{Command, GossipVerdict, SealJob};
use conclave_protocol::id::{CompanyId, DeviceId, ObjectId, RoomId};
use conclave_protocol::object::{Capabilities, Payload, Revoke, RevokeMode};
use conclave_protocol::sync::{Blob, Bound, JoinAnswer, Request, Response, Scope};
use conclave_protocol::view::JoinState;
use conclave_tests::world::{NodeId, World};

use crate::company::pen::{Pen, gossip};
use crate::scene::team;

fn introduce(objects: &[&[u8]]) -> Request {
    Request::Introduce { objects: objects.iter().map(|b| Blob(b.to_vec())).collect() }
}

fn reads(w: &mut World, at: NodeId, peer: DeviceId) -> bool {
    let list = Request::List { scope: Scope::Control, lower: Bound::MIN, upper: Bound::MAX };
    !matches!(w.ask_as(at, peer, &list), Response::Refused)
}

/// Carol asks to be let in as carol. Bob stood between her and the admin, had her sign a proof for
/// his own agent, and an admin took her for his second device.
#[test]
fn a_newcomer_who_was_certified_in_anothers_name_stays_out() {
    for (name, member) in [("bob", false), ("carol", true)] {
        let (mut w, alice, others) = team(71, &["bob"]);
        let bob = others[0];
        let carol = w.newcomer("carol");
        w.connect(alice, carol);
        w.code_at(alice, "carol");
        let (keys, bobs, alices) = (w.node(carol).keys(), w.node(bob).keys(), w.node(alice).keys());
        let mut pen = Pen::of(&w, alice);
        let mut new = Vec::new();
        if name == "carol" {
            let cert = conclave_protocol::object::AgentCert { name: "carol".into() };
            new.push(pen.sign(&alices, Payload::AgentCert(cert)));
        }
        let confirmed_by = (name == "bob").then_some(&bobs);
        let cert = pen.device_cert(pen.agent(name), &keys, confirmed_by);
        new.push(pen.sign(&alices, cert));
        let verdicts = gossip(&mut w, alice, bobs.device(), &new);
        assert!(verdicts.iter().all(|verdict| *verdict == GossipVerdict::Accept));
        let decided = |w: &World| {
            let state = w.engine(carol).join_view().map(|view| view.state);
            w.engine(carol).status().member || state == Some(JoinState::Refused)
        };
        w.until("a decision", 60_000, decided);
        assert_eq!(w.engine(carol).status().member, member, "{name}");
    }
}

/// Whoever knows the id of a dismissed agent and no more is told nothing of its end: with that goes
/// all it rests on, down to the object that founds the company, whose salt no stranger may see.
#[test]
fn a_made_up_certificate_for_a_dismissed_agent_learns_nothing() {
    let (mut w, alice, others) = team(72, &["bob", "xavier"]);
    let [bob, xavier] = others[..] else { panic!("two") };
    w.isolate(xavier);
    let (alices, from) = (w.node(alice).keys(), w.node(alice).device());
    let mut pen = Pen::of(&w, alice);
    let agent = pen.agent("xavier");
    let (target, control_cuts, keep) = (agent.into(), Vec::new(), Vec::new());
    let revoke = Revoke { target, control_cuts, keep, mode: RevokeMode::Strict };
    let revoke = pen.sign(&alices, Payload::Revoke(revoke));
    assert_eq!(gossip(&mut w, bob, from, &[revoke]), [GossipVerdict::Accept]);
    w.settle();
    let stranger = w.outsider("stranger");
    let device = w.puppet(&stranger, bob);
    let cert = pen.device_cert(agent, &stranger, None);
    let cert = pen.sign_after(&stranger, None, pen.grants("alice")[0], cert);
    let answer = w.ask_as(bob, device, &introduce(&[&cert.bytes]));
    w.settle();
    assert_eq!(answer, Response::Refused);
    assert_eq!(w.puppet_mut(device).pushed, [], "a stranger was told of a dismissal");
}

/// An admin who was removed lets a device in with whoever has not heard of it. Once that member
/// hears of it, the device has nothing more to ask.
#[test]
fn an_introduction_ends_with_the_grant_it_rests_on() {
    let (mut w, alice, others) = team(73, &["bob", "dora"]);
    let [bob, dora] = others[..] else { panic!("two") };
    let may = Capabilities::ALL;
    let (agent, rank, scope) = ("dora".into(), 9, None);
    w.must(alice, Command::GrantAdmin { agent, device: None, rank, may, scope, root: None });
    w.agree();
    w.isolate(dora);
    let mut pen = Pen::of(&w, bob);
    let (alices, doras) = (w.node(alice).keys(), w.node(dora).keys());
    let grant = pen.grants("dora")[0];
    let stranger = w.outsider("stranger");
    let device = w.puppet(&stranger, bob);
    let cert = pen.device_cert(pen.agent("dora"), &stranger, None);
    let cert = pen.sign_after(&doras, None, grant, cert);
    let bytes = pen.log.bytes(grant).expect("held").to_vec();
    let answer = w.ask_as(bob, device, &introduce(&[&cert.bytes, &bytes]));
    assert_eq!(answer, Response::Ack);
    assert!(reads(&mut w, bob, device), "nothing speaks against it yet");
    let (target, control_cuts, keep) = (grant, Vec::new(), Vec::new());
    let revoke = Revoke { target, control_cuts, keep, mode: RevokeMode::Strict };
    let revoke = pen.sign(&alices, Payload::Revoke(revoke));
    let from = alices.device();
    assert_eq!(gossip(&mut w, bob, from, &[revoke]), [GossipVerdict::Accept]);
    w.settle();
    assert!(!reads(&mut w, bob, device), "it reads on after its admin was removed");
}

/// What seals a key is a key itself: whoever has the seed opens what was sealed.
#[test]
fn no_effect_shows_the_seed_that_seals_a_key() {
    let context = SealingContext {
        company: CompanyId([1; 32]),
        room: RoomId([2; 32]),
        epoch: ObjectId([3; 32]),
        device: DeviceId([4; 32]),
    };
    let job = SealJob::new(context, EpochKey::new([201; 32]), Vec::new(), [203; 32]);
    let shown = format!("{:?}", conclave_protocol::engine::Effect::Seal(job));
    for secret in ["201", "203", "c9c9", "cbcb"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

/// A certificate that some other agent's device has signed too is not shown as confirmed.
#[test]
fn nobody_elses_device_confirms_one() {
    let (mut w, alice, others) = team(74, &["bob", "carol"]);
    let [bob, carol] = others[..] else { panic!("two") };
    let (alices, bobs, carols) = (w.node(alice).keys(), w.node(bob).keys(), w.node(carol).keys());
    let mut pen = Pen::of(&w, alice);
    let mut certify = |name: &str, by| {
        let device = w.outsider(name);
        let cert = pen.device_cert(pen.agent("bob"), &device, Some(by));
        (device.device(), pen.sign(&alices, cert))
    };
    let (foreign, by_carol) = certify("foreign", &carols);
    let (own, by_bob) = certify("own", &bobs);
    assert_eq!(
        gossip(&mut w, bob, alices.device(), &[by_carol, by_bob]),
        [GossipVerdict::Accept; 2]
    );
    let shown = w.engine(bob).devices(None).expect("a member").devices;
    let of = |device| shown.iter().find(|one| one.device == device).expect("listed");
    assert!(of(own).countersigned && !of(own).unconfirmed);
    assert!(!of(foreign).countersigned && of(foreign).unconfirmed);
}

/// One admin's node says that a device is in, and it is not: the others are told of it all the same.
#[test]
fn an_admin_who_lies_that_a_device_is_in_does_not_end_its_waiting() {
    let (mut w, alice, others) = team(75, &["bob"]);
    let bob = others[0];
    w.isolate(alice);
    let second = w.newcomer("bob");
    w.connect(bob, second);
    let code = |w: &World| {
        let requests = w.engine(bob).devices(None).expect("a member").requests;
        requests.into_iter().next().map(|request| request.code)
    };
    w.until("the request", 30_000, |w| code(w).is_some());
    let code = code(&w).expect("shown");
    w.must(bob, Command::AddDevice { code });
    let liar = crate::scene::stand_in(&mut w, alice);
    let said = Response::Join { answer: JoinAnswer::Admitted }.encode();
    w.puppet_mut(liar).garbage = Some(said);
    w.connect_device(liar, bob);
    w.run(30_000);
    let waiting = w.engine(bob).devices(None).expect("a member").requests;
    assert!(waiting.iter().any(|request| request.confirmed), "{waiting:?}");
}
