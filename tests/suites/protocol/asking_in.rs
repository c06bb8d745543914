//! Asking to be let in: a desk that strangers cannot fill, admins that fall silent.

use conclave_protocol::engine::{Command, Engine, FailureKind};
use conclave_protocol::id::{DeviceId, ObjectId};
use conclave_protocol::join::{Newcomer, commitment};
use conclave_protocol::limits::{
    JOIN_FRAMES_PER_MINUTE_MAX, JOIN_REQUEST_MS, JOIN_REQUESTS_MAX, JOIN_SILENCE_MS,
    JOIN_UNREVEALED_MS,
};
use conclave_protocol::object::{AdminGrant, Capabilities, Payload};
use conclave_protocol::sync::{JoinAnswer, Request, Response, Scope};
use conclave_protocol::view::JoinState;
use conclave_tests::forge;
use conclave_tests::world::{NodeId, World};

use crate::scene::{push, stand_in, team};

const NONCE: ObjectId = ObjectId([7; 32]);

fn hello(w: &mut World, admin: NodeId, name: &str) -> (DeviceId, Response) {
    hello_as(w, admin, name, name)
}

/// As [`hello`], with the key of somebody who is not called so.
fn hello_as(w: &mut World, admin: NodeId, who: &str, name: &str) -> (DeviceId, Response) {
    let keys = w.outsider(who);
    let device = w.puppet(&keys, admin);
    let newcomer = Newcomer { device, sealing: keys.sealing(), name: name.to_owned() };
    let commitment = commitment(&newcomer, NONCE);
    let Newcomer { sealing, name, .. } = newcomer;
    (
        device,
        w.ask_as(admin, device, &Request::JoinHello { name, sealing, commitment, lost: false }),
    )
}

fn reveal(w: &mut World, admin: NodeId, device: DeviceId) -> JoinAnswer {
    match w.ask_as(admin, device, &Request::JoinReveal { nonce: NONCE }) {
        Response::Join { answer } => answer,
        other => panic!("unexpected {other:?}"),
    }
}

fn offered(response: &Response) -> bool {
    matches!(response, Response::JoinOffer { .. })
}

fn open(w: &World, admin: NodeId) -> usize {
    w.engine(admin).join_requests().expect("an admin").len()
}

#[test]
fn a_newcomer_that_does_not_go_on_lapses_and_one_that_does_stays() {
    let (mut w, alice, _) = team(1, &[]);
    let (quick, _) = hello(&mut w, alice, "quick");
    assert_eq!(reveal(&mut w, alice, quick), JoinAnswer::Waiting);
    let (slow, answer) = hello(&mut w, alice, "slow");
    assert!(offered(&answer));
    w.run(JOIN_UNREVEALED_MS);
    assert_eq!(reveal(&mut w, alice, slow), JoinAnswer::Unknown);
    w.run(JOIN_REQUEST_MS - 2 * JOIN_UNREVEALED_MS);
    assert_eq!(open(&w, alice), 1);
    let poll = w.ask_as(alice, quick, &Request::JoinPoll);
    assert_eq!(poll, Response::Join { answer: JoinAnswer::Waiting });
    w.run(2 * JOIN_UNREVEALED_MS);
    assert_eq!(open(&w, alice), 0);
}

#[test]
fn who_only_says_hello_gives_way_and_who_goes_on_does_not() {
    let (mut w, alice, _) = team(2, &[]);
    let half = JOIN_REQUESTS_MAX / 2;
    let mut waiting = Vec::new();
    for n in 0..half {
        let (device, _) = hello(&mut w, alice, &format!("honest {n}"));
        assert_eq!(reveal(&mut w, alice, device), JoinAnswer::Waiting);
        waiting.push(device);
    }
    // Many more than there is room for, of which none goes on; each is still heard.
    for n in 0..3 * half {
        assert!(offered(&hello(&mut w, alice, &format!("idle {n}")).1));
    }
    for n in half..JOIN_REQUESTS_MAX {
        let (device, _) = hello(&mut w, alice, &format!("honest {n}"));
        assert_eq!(reveal(&mut w, alice, device), JoinAnswer::Waiting, "{n}");
        waiting.push(device);
    }
    assert_eq!(open(&w, alice), JOIN_REQUESTS_MAX);
    let (_, late) = hello(&mut w, alice, "late");
    assert_eq!(late, Response::Join { answer: JoinAnswer::Busy });
    for device in waiting {
        let poll = w.ask_as(alice, device, &Request::JoinPoll);
        assert_eq!(poll, Response::Join { answer: JoinAnswer::Waiting });
    }
}

#[test]
fn who_asks_too_often_pushes_nobody_off_the_desk() {
    let (mut w, alice, _) = team(3, &[]);
    let (first, _) = hello(&mut w, alice, "first");
    w.run(10);
    for n in 1..JOIN_REQUESTS_MAX {
        hello(&mut w, alice, &format!("idle {n}"));
    }
    // One of those on the desk asks anew: it takes its own place.
    assert!(offered(&hello(&mut w, alice, "idle 1").1));
    // Another has no frames left, and is heard no more.
    let keys = w.outsider("loud");
    let loud = w.puppet(&keys, alice);
    for _ in 0..JOIN_FRAMES_PER_MINUTE_MAX {
        w.inject_request(alice, loud, Request::JoinPoll.encode());
    }
    let (_, answer) = hello(&mut w, alice, "loud");
    assert_eq!(answer, Response::Join { answer: JoinAnswer::Busy });
    assert_eq!(reveal(&mut w, alice, first), JoinAnswer::Waiting);
}

/// Lets the root make bob an admin too.
fn appoint(w: &mut World, alice: NodeId, bob: NodeId) {
    let (company, root) = (w.ledger().company, w.root_keys("Acme"));
    let log = w.engine(alice).control_log();
    let tail = log.iter().find(|e| e.kind == "admin-grant").expect("alice's").id;
    let agent = w.engine(bob).status().agent.expect("a member").id;
    let height = log.iter().find(|e| e.id == agent.into()).expect("bob's").height + 1;
    let device = w.node(bob).device();
    let (may, overrides) = (Capabilities::ALL, Vec::new());
    let grant = AdminGrant { device, agent, rank: 1, may, scope: None, overrides };
    let (place, authority) = ((4, Some(tail)), company.into());
    let payload = Payload::AdminGrant(grant);
    let forged = forge::control(&root, company, place, authority, height, payload);
    w.ask_as(alice, device, &push(Scope::Control, &[&forged]));
    w.agree();
    w.engine(bob).join_requests().expect("bob is an admin now");
}

fn state(w: &World, id: NodeId) -> JoinState {
    w.engine(id).join_view().expect("it asks").state
}

#[test]
fn a_newcomer_whose_admin_falls_silent_asks_another() {
    for (seed, connected) in [(10, true), (11, false)] {
        let (mut w, alice, others) = team(seed, &["bob"]);
        let bob = others[0];
        appoint(&mut w, alice, bob);
        let carol = w.newcomer("carol");
        w.connect(alice, carol);
        let code = w.code_at(alice, "carol");
        w.connect(bob, carol);
        w.run(10_000);
        assert_eq!(open(&w, bob), 0, "one admin at a time");
        // Alice's node hangs, or is gone.
        let device = stand_in(&mut w, alice);
        if connected {
            w.puppet_mut(device).garbage = Some(Response::Ack.encode());
            w.connect_device(device, carol);
        }
        w.run(JOIN_SILENCE_MS - 5_000);
        assert_eq!((open(&w, bob), state(&w, carol)), (0, JoinState::Waiting));
        w.run(10_000);
        let again = w.code_at(bob, "carol");
        assert_ne!(again, code);
        assert_eq!(w.engine(carol).join_view().and_then(|v| v.code), Some(again.clone()));
        let approve = Command::Approve { name: "carol".into(), code: again, units: Vec::new() };
        w.must(bob, approve);
        w.until("membership", 10_000, |w| w.engine(carol).status().member);
    }
}

#[test]
fn a_peer_that_puts_a_newcomer_off_for_ever_holds_it_a_quarter_of_an_hour_at_most() {
    let (mut w, alice, _) = team(20, &[]);
    let carol = w.newcomer("carol");
    let keys = w.outsider("someone");
    let someone = w.puppet(&keys, carol);
    let offer =
        Response::JoinOffer { company: Default::default(), name: "Acme".into(), nonce: NONCE };
    w.puppet_mut(someone).garbage = Some(offer.encode());
    w.until("an offer", 10_000, |w| w.engine(carol).join_view().is_some_and(|v| v.code.is_some()));
    let waiting = Response::Join { answer: JoinAnswer::Waiting };
    w.puppet_mut(someone).garbage = Some(waiting.encode());
    w.connect(alice, carol);
    w.run(JOIN_REQUEST_MS - 10_000);
    assert_eq!((open(&w, alice), state(&w, carol)), (0, JoinState::Waiting));
    w.run(20_000);
    assert_eq!(open(&w, alice), 1, "it asks the real admin");
    let code = w.code_at(alice, "carol");
    w.must(alice, Command::Approve { name: "carol".into(), code, units: Vec::new() });
    w.until("membership", 10_000, |w| w.engine(carol).status().member);
}

fn refuse(name: &str, code: Option<&str>) -> Command {
    Command::Refuse { name: name.into(), code: code.map(str::to_owned) }
}

#[test]
fn who_is_refused_asks_no_more_until_its_user_does() {
    let (mut w, alice, others) = team(30, &["bob"]);
    let bob = others[0];
    appoint(&mut w, alice, bob);
    let carol = w.newcomer("carol");
    w.connect(alice, carol);
    let code = w.code_at(alice, "carol");
    let digest = w.engine(alice).status().control_digest;
    w.must(alice, refuse("carol", None));
    assert_eq!(open(&w, alice), 0);
    w.until("word of it", 10_000, |w| state(w, carol) == JoinState::Refused);
    let view = w.engine(carol).join_view().expect("it asked");
    assert_eq!(view.company.map(|company| company.name).as_deref(), Some("Acme"));
    assert_eq!(view.code, None, "there is nothing to compare any more");
    let approve = Command::Approve { name: "carol".into(), code, units: Vec::new() };
    assert_eq!(w.command(alice, approve).unwrap_err().kind, FailureKind::NotFound);
    // Neither the same admin nor another is asked again, however long and with a new start.
    w.connect(bob, carol);
    for _ in 0..2 {
        w.run(2 * JOIN_REQUEST_MS);
        assert_eq!((open(&w, alice), open(&w, bob)), (0, 0));
        assert_eq!(state(&w, carol), JoinState::Refused);
        w.crash(carol);
        w.start(carol);
        w.connect(alice, carol);
        w.connect(bob, carol);
    }
    assert_eq!(w.engine(alice).status().control_digest, digest);
    // A new request of its user.
    w.crash(carol);
    let mut rows = w.disk(carol).durable();
    for write in Engine::asking_anew() {
        rows.remove(&(write.table, write.key)).expect("the refusal was kept");
    }
    w.disk(carol).restore(rows);
    w.start(carol);
    w.connect(alice, carol);
    let code = w.code_at(alice, "carol");
    w.must(alice, Command::Approve { name: "carol".into(), code, units: Vec::new() });
    w.until("membership", 10_000, |w| w.engine(carol).status().member);
}

#[test]
fn a_refusal_is_for_one_device_and_only_by_who_could_let_it_in() {
    let (mut w, alice, others) = team(31, &["bob"]);
    let (first, _) = hello_as(&mut w, alice, "mallory", "twin");
    assert_eq!(reveal(&mut w, alice, first), JoinAnswer::Waiting);
    let second = w.newcomer("twin");
    w.connect(alice, second);
    w.until("both ask", 10_000, |w| open(w, alice) == 2);
    let failed = |w: &mut World, id, command| w.command(id, command).unwrap_err().kind;
    assert_eq!(failed(&mut w, alice, refuse("twin", None)), FailureKind::Conflict);
    assert_eq!(failed(&mut w, alice, refuse("twin", Some("AAAA-AAAA"))), FailureKind::WrongCode);
    assert_eq!(failed(&mut w, alice, refuse("nobody", None)), FailureKind::NotFound);
    assert_eq!(failed(&mut w, others[0], refuse("twin", None)), FailureKind::NotAdmin);
    assert_eq!(open(&w, alice), 2, "nothing was changed");
    let code = w.engine(second).join_view().and_then(|view| view.code).expect("a code");
    w.must(alice, refuse("twin", Some(&code)));
    let left = w.engine(alice).join_requests().expect("an admin");
    assert_eq!(left.iter().map(|request| request.device).collect::<Vec<_>>(), [first]);
    w.must(alice, refuse(&first.to_string(), None));
    let poll = w.ask_as(alice, first, &Request::JoinPoll);
    assert_eq!(poll, Response::Join { answer: JoinAnswer::Refused });
    w.until("word of it", 10_000, |w| state(w, second) == JoinState::Refused);
}
