//! Void control objects: those that something reconciled refers to reach everybody, however many
//! they are; others are bounded by author, whoever brings them.

use conclave_protocol::engine::{Command, Table};
use conclave_protocol::id::ObjectId;
use conclave_protocol::limits::VOID_CONTROL_PER_DEVICE_MAX;
use conclave_protocol::object::{Capabilities, Payload, UnitCreate, UnitKind};
use conclave_protocol::sync::Scope;
use conclave_tests::forge;
use conclave_tests::world::{NodeId, Options, World};

/// More than an author's share.
const MANY: u64 = VOID_CONTROL_PER_DEVICE_MAX as u64 + 300;

fn appoint(w: &mut World, by: NodeId, agent: &str) {
    w.must(
        by,
        Command::GrantAdmin {
            agent: agent.into(),
            device: None,
            rank: 2,
            may: Capabilities::ALL,
            scope: None,
            root: None,
        },
    );
    w.agree();
}

/// Ends bob's authority after his first object.
fn dismiss(w: &mut World, by: NodeId, bob: NodeId) {
    let device = w.node(bob).device();
    let log = w.engine(by).control_log();
    let first = log.iter().find(|entry| entry.author == device).expect("bob signed something").id;
    w.must(
        by,
        Command::RevokeAdmin {
            agent: "bob".into(),
            device: None,
            last_good: Some(first.to_string()),
            root: None,
        },
    );
}

fn role(w: &mut World, by: NodeId, name: String) {
    w.give(by, Command::NewUnit { kind: UnitKind::Role, name, department: None });
}

#[test]
fn void_objects_that_a_later_one_follows_reach_a_newcomer_however_many() {
    let mut w = World::new(3, Options { disk_ms_max: 0, ..Options::CALM });
    let alice = w.found("Acme", "alice");
    let bob = w.join(alice, "bob", &[]);
    appoint(&mut w, alice, "bob");
    for n in 0..MANY {
        role(&mut w, bob, format!("role {n}"));
    }
    w.agree();
    dismiss(&mut w, alice, bob);
    w.agree();
    appoint(&mut w, alice, "bob");
    role(&mut w, bob, "the last".into());
    w.agree();
    let dave = w.join(alice, "dave", &[]);
    w.agree();
    let status = w.engine(dave).status();
    assert_eq!(status.control_digest, w.engine(bob).status().control_digest);
    assert!(status.control_objects > MANY);
    assert_eq!(w.refusals(dave, "void_dropped"), 0);
}

#[test]
fn void_objects_that_nothing_follows_are_taken_back_at_the_end_of_the_pull() {
    let mut w = World::new(4, Options { disk_ms_max: 0, ..Options::CALM });
    let alice = w.found("Acme", "alice");
    let bob = w.join(alice, "bob", &[]);
    let mallory = w.join(alice, "mallory", &[]);
    appoint(&mut w, alice, "bob");
    role(&mut w, bob, "first".into());
    w.agree();
    dismiss(&mut w, alice, bob);
    w.agree();
    // Bob goes on signing, and mallory offers all of it.
    let keys = w.node(bob).keys();
    let company = w.ledger().company;
    let log = w.engine(alice).control_log();
    let last = log.iter().rfind(|entry| entry.author == keys.device()).expect("his first");
    let grant = log.iter().rfind(|entry| entry.kind == "admin-grant").expect("his grant").id;
    let (mut seq, mut prev, mut height) = (1, last.id, last.height);
    let mut puppet = w.empty_puppet(mallory);
    for entry in &log {
        puppet.hold(Scope::Control, entry.height, &entry.bytes);
    }
    for n in 0..2 * MANY {
        let unit = UnitCreate { kind: UnitKind::Role, parent: None, name: format!("ghost {n}") };
        let payload = Payload::UnitCreate(unit);
        (seq, height) = (seq + 1, height + 1);
        let place = (seq, Some(prev));
        let made = forge::control(&keys, company, place, grant, height, payload);
        puppet.hold(Scope::Control, height, &made.bytes);
        prev = made.id;
    }
    let before = w.engine(alice).status();
    w.crash(mallory);
    w.replace_by_puppet(mallory, puppet);
    let device = w.node(mallory).device();
    w.connect_device(device, alice);
    w.run(60_000);
    let after = w.engine(alice).status();
    assert_eq!(after.control_digest, before.control_digest);
    assert!(w.refusals(alice, "void_dropped") > MANY, "they were taken in, and taken back");
    let held: Vec<ObjectId> = w
        .engine(alice)
        .audit(0, usize::MAX)
        .expect("a member")
        .0
        .iter()
        .filter(|line| line.state == "void")
        .map(|line| line.id)
        .collect();
    assert!(held.len() <= VOID_CONTROL_PER_DEVICE_MAX, "{} are held", held.len());
    let rows = w.disk(alice).durable();
    let times = rows.keys().filter(|(_, key)| key.starts_with(b"heard/")).count();
    assert!(times <= w.disk(alice).count(Table::Control), "times of what was taken back stay");
    // And a node that starts again holds no more of them either.
    w.crash(alice);
    w.start(alice);
    assert_eq!(w.engine(alice).status().control_digest, before.control_digest);
}
