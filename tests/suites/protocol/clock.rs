//! A wall clock that is set back while the node runs.

use conclave_protocol::engine::Command;
use conclave_protocol::limits::RECONCILE_EVERY_MS;
use conclave_protocol::view::MessageState;
use conclave_tests::world::{Options, World};

const HOUR: u64 = 3_600_000;

#[test]
fn a_clock_that_is_set_back_stops_no_timer() {
    let mut w = World::new(11, Options::CALM);
    let alice = w.found("Acme", "alice");
    w.room(alice, "all", &["role:Agent"]);
    let bob = w.join(alice, "bob", &[]);
    w.agree();
    let before = w.now();
    w.step_back(HOUR);
    for id in [alice, bob] {
        w.give(id, Command::MarkRead { room: "all".into(), up_to: None });
    }
    w.settle();
    for id in [alice, bob] {
        let next = w.engine(id).next_timeout();
        assert!(next.ms_since(w.now()) <= 2 * RECONCILE_EVERY_MS, "due after {next:?}");
    }
    assert!(w.now() < before);
    // Receipts go by a timer too.
    let id = w.post(alice, "all", "an hour earlier");
    w.run(2_000);
    let sent = w.messages(alice, "all").into_iter().find(|m| m.id == id).expect("it is there");
    assert_eq!(sent.state, MessageState::Accepted);
}

#[test]
fn the_slow_timer_comes_to_everybody_whatever_the_clock_does() {
    let mut w = World::new(12, Options::CALM);
    let alice = w.found("Acme", "alice");
    w.room(alice, "all", &["role:Agent"]);
    let others = ["bob", "carol", "dave"].map(|name| w.join(alice, name, &[]));
    w.connect_all();
    w.agree();
    // Long enough for the timer to have come to all of them.
    w.run(10 * RECONCILE_EVERY_MS);
    let year = 365 * 24 * i64::try_from(HOUR).expect("small");
    for hours in [0, -year, year, 0] {
        w.set_clock(alice, hours);
        w.run(2 * RECONCILE_EVERY_MS);
    }
    w.options.gossip_lost_percent = 100;
    for id in others {
        for other in others.iter().filter(|other| **other != id) {
            w.disconnect(id, *other);
        }
    }
    for (n, id) in others.into_iter().enumerate() {
        w.post(id, "all", &format!("by {n}"));
    }
    w.run(8 * RECONCILE_EVERY_MS);
    assert_eq!(w.texts(alice, "all").len(), 3);
}
