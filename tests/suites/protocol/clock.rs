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
        w.give(id, Command::MarkRead { room: "all".into() });
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
