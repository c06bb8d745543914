//! Pulls across frame boundaries, addresses, and control objects out of order.

use conclave_protocol::engine::{Command, GossipVerdict, Input};
use conclave_protocol::object::UnitKind;
use conclave_protocol::sync::{Blob, Request, Scope};
use conclave_tests::world::{Options, World};

#[test]
fn large_texts_come_through_frames_of_256_kib() {
    let mut w = World::new(1, Options::CALM);
    let alice = w.found("Acme", "alice");
    w.room(alice, "all", &["role:Agent"]);
    let large = "x".repeat(16 * 1024);
    for n in 0..70 {
        w.post(alice, "all", &format!("{n:02}{}", &large[2..]));
    }
    let bob = w.join(alice, "bob", &[]);
    w.agree();
    assert_eq!(w.texts(bob, "all").len(), 70);
}

#[test]
fn a_control_log_of_many_frames_reaches_a_newcomer_and_both_ways() {
    let mut w = World::new(2, Options { disk_ms_max: 0, ..Options::CALM });
    let alice = w.found("Acme", "alice");
    for n in 0..1_300 {
        let (kind, name) = (UnitKind::Role, format!("role {n}"));
        w.give(alice, Command::NewUnit { kind, name, department: None });
    }
    let bob = w.join(alice, "bob", &[]);
    w.agree();
    assert_eq!(w.engine(bob).status().control_objects, 1_306);
}

#[test]
fn a_long_pull_from_two_peers_at_once_and_a_crash_on_the_way() {
    for seed in 0..3 {
        let mut w = World::new(seed, Options::CALM);
        let alice = w.found("Acme", "alice");
        w.department(alice, "Support");
        w.add_member(alice, "alice", "department:Support");
        w.room(alice, "help", &["department:Support"]);
        let xavier = w.join(alice, "xavier", &["department:Support"]);
        let bob = w.join(alice, "bob", &["department:Support"]);
        w.connect_all();
        for n in 0..1_100 {
            let text = format!("{n} {}", "long ".repeat(60));
            w.give(xavier, Command::Send { room: "help".into(), text });
        }
        w.agree();
        w.remove_member(alice, "xavier", "department:Support");
        w.agree();
        w.crash(xavier);
        let dave = w.join(alice, "dave", &[]);
        w.connect(bob, dave);
        w.agree();
        w.add_member(alice, "dave", "department:Support");
        let pause = 5 + w.random(60);
        w.run(pause);
        w.crash(dave);
        w.start(dave);
        w.connect(alice, dave);
        let pause = w.random(30);
        w.run(pause);
        w.connect(bob, dave);
        let pause = w.random(60);
        w.run(pause);
        w.disconnect(alice, dave);
        w.agree();
        assert_eq!(w.texts(dave, "help").len(), 1_100);
    }
}

#[test]
fn a_push_in_the_middle_of_a_pull_does_not_undo_it() {
    let mut w = World::new(5, Options::CALM);
    let alice = w.found("Acme", "alice");
    w.department(alice, "Support");
    w.add_member(alice, "alice", "department:Support");
    let room = w.room(alice, "help", &["department:Support"]);
    let xavier = w.join(alice, "xavier", &["department:Support"]);
    for n in 0..1_100 {
        let text = format!("{n} {}", "long ".repeat(200));
        w.give(xavier, Command::Send { room: "help".into(), text });
    }
    w.agree();
    w.remove_member(alice, "xavier", "department:Support");
    w.agree();
    w.crash(xavier);
    let dave = w.join(alice, "dave", &[]);
    w.agree();
    let any = conclave_tests::forge::all_stored(&w, alice, room)[0].bytes().to_vec();
    w.add_member(alice, "dave", "department:Support");
    let from = w.node(alice).device();
    w.until("the pull", 1_000, |w| w.disk(dave).durable().len() > 300);
    assert!(w.texts(dave, "help").is_empty(), "the acknowledgement comes last");
    let (scope, objects) = (Scope::Room(room), vec![Blob(any)]);
    w.ask_as(dave, from, &Request::Push { scope, objects });
    w.until("the history", 4_000, |w| w.texts(dave, "help").len() == 1_100);
}

#[test]
fn control_gossip_out_of_order_is_held_and_then_accepted() {
    let mut w = World::new(3, Options::CALM);
    let alice = w.found("Acme", "alice");
    let bob = w.join(alice, "bob", &[]);
    w.agree();
    w.isolate(bob);
    let known = w.engine(bob).control_log().len();
    w.department(alice, "One");
    w.department(alice, "Two");
    w.department(alice, "Three");
    let log = w.engine(alice).control_log();
    let topic = w.control_topic();
    let from = w.node(alice).device();
    let fresh: Vec<_> = log[known..].iter().rev().map(|e| e.bytes.clone()).collect();
    let tokens: Vec<_> =
        fresh.iter().map(|bytes| w.inject_gossip(bob, from, topic, bytes)).collect();
    w.run(50);
    for token in &tokens {
        assert_eq!(w.node(bob).verdicts.get(token), Some(&GossipVerdict::Accept));
    }
    assert!(w.agrees());
    // Without its predecessor: two seconds, then nothing.
    w.department(alice, "Four");
    w.department(alice, "Five");
    let last = w.engine(alice).control_log().pop().expect("Five").bytes;
    let token = w.inject_gossip(bob, from, topic, &last);
    w.run(1_900);
    assert_eq!(w.node(bob).verdicts.get(&token), None);
    w.run(200);
    assert_eq!(w.node(bob).verdicts.get(&token), Some(&GossipVerdict::Ignore));
    w.connect(alice, bob);
    w.agree();
}

#[test]
fn the_newest_addresses_reach_all_even_if_the_clock_stands_or_steps_back() {
    let mut w = World::new(4, Options::CALM);
    let alice = w.found("Acme", "alice");
    let bob = w.join(alice, "bob", &[]);
    w.agree();
    let device = w.node(alice).device();
    let listen = |w: &mut World, address: &str| {
        w.input(alice, Input::Listening { addresses: vec![address.to_owned()] });
    };
    listen(&mut w, "/ip4/192.0.2.1/tcp/1");
    listen(&mut w, "/ip4/192.0.2.1/tcp/2");
    w.settle();
    assert_eq!(w.node(bob).addresses[&device], ["/ip4/192.0.2.1/tcp/2"]);
    // Alice's clock is set back by an hour while her node is down.
    w.crash(alice);
    w.step_back(3_600_000);
    w.start(alice);
    listen(&mut w, "/ip4/192.0.2.1/tcp/3");
    w.connect(alice, bob);
    w.run(2_000);
    assert_eq!(w.node(bob).addresses[&device], ["/ip4/192.0.2.1/tcp/3"]);
}
