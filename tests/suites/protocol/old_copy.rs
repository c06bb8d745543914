//! A home that was restored from an older copy of itself signs nothing before it knows what it
//! had signed since.

use std::collections::BTreeSet;

use conclave_protocol::engine::{Command, FailureKind};
use conclave_protocol::object::UnitKind;
use conclave_tests::forge;
use conclave_tests::world::{NodeId, World};

use crate::scene::{help, team};

pub fn send(text: &str) -> Command {
    Command::Send { room: "help".into(), text: text.into() }
}

fn unit(name: &str) -> Command {
    Command::NewUnit { kind: UnitKind::Department, name: name.into(), department: None }
}

/// Sequence numbers that a device has used in the room, as another node holds them.
pub fn numbers(w: &World, holder: NodeId, author: NodeId) -> Vec<u64> {
    let device = w.node(author).device();
    let all = forge::all_stored(w, holder, help(w, holder));
    all.iter().map(|m| m.value()).filter(|m| m.device == device).map(|m| m.seq).collect()
}

pub fn all_different(numbers: &[u64]) -> bool {
    numbers.iter().collect::<BTreeSet<_>>().len() == numbers.len()
}

/// Alice's copy is put back after she wrote what only bob has; bob is away, carol is there.
pub fn restored_beside_carol(seed: u64) -> (World, NodeId, NodeId, NodeId) {
    let (mut w, alice, others) = team(seed, &["bob", "carol"]);
    let (bob, carol) = (others[0], others[1]);
    w.post(alice, "help", "before");
    w.agree();
    let copy = w.disk(alice).durable();
    w.isolate(carol);
    w.post(alice, "help", "for bob only");
    let unit = |name: &str| Command::NewUnit {
        kind: UnitKind::Department,
        name: name.into(),
        department: None,
    };
    w.command(alice, unit("For bob only")).expect("made");
    w.run(2_000);
    w.crash(alice);
    w.crash(bob);
    w.restore(alice, copy);
    w.start(alice);
    w.connect(alice, carol);
    w.run(2_000);
    (w, alice, bob, carol)
}

/// Alice, an admin, goes on after a copy of her disk was made, and the copy is put back.
fn restored(seed: u64) -> (World, NodeId, NodeId, NodeId) {
    let (mut w, alice, others) = team(seed, &["bob", "carol"]);
    w.post(alice, "help", "before");
    w.agree();
    let copy = w.disk(alice).durable();
    for n in 0..3 {
        w.post(alice, "help", &format!("after {n}"));
        w.command(alice, unit(&format!("Unit {n}"))).expect("made");
    }
    w.agree();
    w.crash(alice);
    w.restore(alice, copy);
    w.start(alice);
    (w, alice, others[0], others[1])
}

#[test]
fn old_copy_signs_nothing_while_it_is_alone() {
    let (mut w, alice, bob, _) = restored(1);
    for command in [send("too early"), unit("Too early")] {
        let failure = w.command(alice, command).expect_err("nobody has told it");
        assert_eq!(failure.kind, FailureKind::Failed);
        assert!(failure.message.contains("copy"), "{failure:?}");
        assert!(failure.hint.contains("another member"), "{failure:?}");
    }
    w.run(100);
    w.connect(alice, bob);
    w.agree();
    assert!(!w.node(alice).copied);
    w.command(alice, send("now")).expect("it knows");
    w.command(alice, unit("Now")).expect("it knows");
    w.connect_all();
    w.agree();
    assert_eq!(w.texts(bob, "help"), ["before", "after 0", "after 1", "after 2", "now"]);
}

#[test]
fn old_copy_uses_no_sequence_number_twice() {
    for seed in 0..10 {
        let (mut w, alice, bob, carol) = restored(seed);
        // Asked for at once: it waits for what bob knows.
        w.connect(alice, bob);
        let waiting = w.give(alice, send("at once"));
        w.until("the answer", 20_000, |w| w.node(alice).answers.contains_key(&waiting));
        w.connect_all();
        w.agree();
        assert!(w.texts(carol, "help").contains(&"at once".to_owned()), "seed {seed}");
        let numbers = numbers(&w, bob, alice);
        assert!(all_different(&numbers), "seed {seed}: {numbers:?}");
        assert!(w.engine(bob).status().alarms.is_empty(), "seed {seed}: no fork");
    }
}

#[test]
fn old_copy_uses_no_number_twice_although_nobody_present_has_its_newest_message() {
    let (mut w, alice, bob, carol) = restored_beside_carol(7);
    w.command(alice, send("carol knows nothing")).expect("compared with carol");
    w.start(bob);
    w.connect_all();
    w.agree();
    let numbers = numbers(&w, bob, alice);
    assert!(all_different(&numbers), "{numbers:?}");
    assert_eq!(w.texts(carol, "help").len(), 3);
}

#[test]
fn old_copy_of_the_only_device_goes_on() {
    let mut w = World::new(3, conclave_tests::world::Options::CALM);
    let alice = w.found("Acme", "alice");
    w.room(alice, "help", &["role:Agent"]);
    w.crash(alice);
    let copy = w.disk(alice).durable();
    w.restore(alice, copy);
    w.start(alice);
    w.command(alice, send("nobody else can know more")).expect("posts");
}
