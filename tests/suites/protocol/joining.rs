//! Joining: codes, names, time.

use conclave_protocol::engine::{Command, FailureKind};
use conclave_protocol::limits::JOIN_REQUEST_MS;
use conclave_protocol::sync::{Request, Response};
use conclave_protocol::view::JoinState;
use conclave_tests::world::{NodeId, Options, World};

fn approve(name: &str, code: &str, units: &[&str]) -> Command {
    let units = units.iter().map(ToString::to_string).collect();
    Command::Approve { name: name.into(), code: code.into(), units }
}

fn asking(seed: u64, name: &str) -> (World, NodeId, NodeId, String) {
    let mut w = World::new(seed, Options::CALM);
    let alice = w.found("Acme", "alice");
    w.department(alice, "Support");
    let bob = w.newcomer(name);
    w.connect(alice, bob);
    let code = w.code_at(alice, name);
    (w, alice, bob, code)
}

#[test]
fn a_wrong_code_changes_nothing() {
    let (mut w, alice, bob, code) = asking(1, "bob");
    let (digest, rows) = (w.engine(alice).status().control_digest, w.disk(alice).durable());
    let other: String = code.chars().map(|c| if c == 'A' { 'B' } else { 'A' }).collect();
    for wrong in ["", "AAAA-AAAA", "7777-7777", &code[..8], &other, &format!("{code}A")] {
        let failed = w.command(alice, approve("bob", wrong, &[]));
        assert_eq!(failed.unwrap_err().kind, FailureKind::WrongCode, "{wrong:?}");
    }
    w.run(10_000);
    assert_eq!(w.engine(alice).status().control_digest, digest);
    assert_eq!(w.disk(alice).durable(), rows);
    assert!(!w.engine(bob).status().member);
    // The right one still works, typed carelessly.
    let careless = code.to_lowercase().replace('-', " ");
    w.must(alice, approve("bob", &careless, &["department:Support"]));
    w.until("membership", 10_000, |w| w.engine(bob).status().member);
    w.agree();
    assert_eq!(w.engine(bob).agent("bob").expect("known").units, ["department:Support"]);
    let join = w.engine(bob).join_view().expect("it asked");
    assert_eq!(join.state, JoinState::Admitted);
}

#[test]
fn a_name_that_is_taken_is_a_conflict() {
    let (mut w, alice, _, code) = asking(2, "alice");
    let digest = w.engine(alice).status().control_digest;
    let request = &w.engine(alice).join_requests().expect("an admin")[0];
    assert!(request.name_taken && !request.countersigned);
    let failed = w.command(alice, approve("alice", &code, &[]));
    assert_eq!(failed.unwrap_err().kind, FailureKind::Conflict);
    assert_eq!(w.engine(alice).status().control_digest, digest);
}

#[test]
fn an_expired_request_cannot_be_approved() {
    let (mut w, alice, bob, code) = asking(3, "bob");
    w.isolate(bob);
    // Timers look at least every 15 s.
    w.run(JOIN_REQUEST_MS + 20_000);
    assert!(w.engine(alice).join_requests().expect("an admin").is_empty());
    let failed = w.command(alice, approve("bob", &code, &[]));
    assert_eq!(failed.unwrap_err().kind, FailureKind::NotFound);
    assert_eq!(w.engine(bob).join_view().expect("asked").state, JoinState::Expired);
    // It asks again by itself, under a new code.
    w.connect(alice, bob);
    let again = w.code_at(alice, "bob");
    assert_ne!(again, code);
    let shown = w.engine(bob).join_view().and_then(|v| v.code);
    assert_eq!(shown, Some(again.clone()));
    assert_eq!(w.engine(bob).join_view().expect("asks").state, JoinState::Waiting);
    w.must(alice, approve("bob", &again, &[]));
    w.until("membership", 10_000, |w| w.engine(bob).status().member);
}

#[test]
fn nobody_is_approved_while_not_connected_and_nothing_is_left_behind() {
    let (mut w, alice, bob, code) = asking(4, "bob");
    let digest = w.engine(alice).status().control_digest;
    w.isolate(bob);
    let failed = w.command(alice, approve("bob", &code, &[]));
    assert_eq!(failed.unwrap_err().kind, FailureKind::Failed);
    assert_eq!(w.engine(alice).status().control_digest, digest);
    // The connection breaks between question and proof.
    w.connect(alice, bob);
    let given = w.give(alice, approve("bob", &code, &[]));
    w.disconnect(alice, bob);
    w.until("an answer", 20_000, |w| w.node(alice).answers.contains_key(&given));
    assert!(w.node(alice).answers[&given].is_err());
    assert_eq!(w.engine(alice).status().control_digest, digest);
    w.connect(alice, bob);
    let code = w.code_at(alice, "bob");
    w.must(alice, approve("bob", &code, &[]));
    w.until("membership", 10_000, |w| w.engine(bob).status().member);
    w.agree();
}

#[test]
fn two_approvals_at_once_make_one_agent() {
    let (mut w, alice, bob, code) = asking(5, "bob");
    let first = w.give(alice, approve("bob", &code, &[]));
    let second = w.give(alice, approve("bob", &code, &[]));
    // And other changes of the admin's in between.
    w.department(alice, "Sales");
    w.until("both answers", 20_000, |w| {
        w.node(alice).answers.contains_key(&first) && w.node(alice).answers.contains_key(&second)
    });
    let answers = [first, second].map(|id| w.node(alice).answers[&id].is_ok());
    assert_eq!(answers.iter().filter(|ok| **ok).count(), 1, "{answers:?}");
    w.until("membership", 10_000, |w| w.engine(bob).status().member);
    w.agree();
    assert_eq!(w.engine(alice).agents().expect("a member").len(), 2);
    assert!(w.engine(alice).status().alarms.is_empty());
}

#[test]
fn only_admins_approve_and_others_refer_to_them() {
    let (mut w, alice, bob, code) = asking(6, "bob");
    w.must(alice, approve("bob", &code, &[]));
    w.until("membership", 10_000, |w| w.engine(bob).status().member);
    w.agree();
    let carol = w.newcomer("carol");
    w.connect(bob, carol);
    w.run(10_000);
    assert_eq!(w.engine(bob).join_requests().unwrap_err().kind, FailureKind::NotAdmin);
    let failed = w.command(bob, approve("carol", "AAAA-AAAA", &[]));
    assert_eq!(failed.unwrap_err().kind, FailureKind::NotAdmin);
    assert!(w.engine(carol).join_view().expect("asks").code.is_none());
    w.connect(alice, carol);
    let code = w.code_at(alice, "carol");
    w.must(alice, approve("carol", &code, &[]));
    w.until("membership", 10_000, |w| w.engine(carol).status().member);
}

#[test]
fn a_newcomer_signs_for_nobody_but_the_admin_it_took_an_offer_from() {
    let (mut w, alice, bob, _) = asking(7, "bob");
    let keys = w.outsider("mallory");
    let mallory = w.puppet(&keys, bob);
    let company = w.ledger().company;
    let sign = Request::JoinSign { company, agent: Default::default() };
    assert_eq!(w.ask_as(bob, mallory, &sign), Response::Refused);
    let admin = w.node(alice).device();
    let elsewhere = Request::JoinSign {
        company: conclave_protocol::id::CompanyId([3; 32]),
        agent: Default::default(),
    };
    assert_eq!(w.ask_as(bob, admin, &elsewhere), Response::Refused);
    assert!(matches!(w.ask_as(bob, admin, &sign), Response::JoinProof { .. }));
}

#[test]
fn a_newcomer_that_crashes_on_the_way_in_is_let_in_all_the_same() {
    for seed in 20..40 {
        let (mut w, alice, bob, code) = asking(seed, "bob");
        w.options.disk_ms_max = 20;
        w.give(alice, approve("bob", &code, &["department:Support"]));
        let pause = w.random(2_500);
        w.run(pause);
        w.crash(bob);
        w.start(bob);
        w.connect(alice, bob);
        if w.engine(alice).status().control_objects < 7 {
            // The approval had not gone through: nothing was left, it is asked for again.
            let code = w.code_at(alice, "bob");
            w.must(alice, approve("bob", &code, &["department:Support"]));
        }
        w.until("membership", 30_000, |w| w.engine(bob).status().member);
        w.agree();
        assert_eq!(w.engine(alice).agents().expect("a member").len(), 2, "seed {seed}");
        assert!(w.engine(alice).status().alarms.is_empty());
    }
}
