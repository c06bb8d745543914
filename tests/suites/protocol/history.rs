//! Long histories, removed authors, seals: what stays, stays on all nodes alike.

use crate::scene::team;
use conclave_protocol::view::MessageState;

#[test]
fn a_long_history_that_only_its_end_acknowledges_reaches_whoever_joins_later() {
    let (mut w, alice, others) = team(1, &["xavier"]);
    let xavier = others[0];
    for n in 0..1_150 {
        w.post(xavier, "help", &format!("x{n}"));
    }
    w.agree();
    w.post(alice, "help", "the end");
    w.agree();
    w.remove_member(alice, "xavier", "department:Support");
    w.agree();
    w.crash(xavier);
    assert_eq!(w.texts(alice, "help").len(), 1_151);
    // Dave joins when xavier is long gone, and pulls everything.
    let dave = w.join(alice, "dave", &["department:Support"]);
    w.agree();
    assert_eq!(w.texts(dave, "help").len(), 1_151);
    let first = &w.messages(dave, "help")[0];
    assert_eq!((first.text.as_str(), first.state), ("x0", MessageState::Vouched));
    // And the same from the store.
    w.crash(dave);
    w.start(dave);
    assert_eq!(w.texts(dave, "help").len(), 1_151);
    // And from dave to one who comes later still, while alice is away.
    let erin = w.join(alice, "erin", &[]);
    w.add_member(alice, "erin", "department:Support");
    w.connect(alice, dave);
    w.settle();
    w.crash(alice);
    w.connect(dave, erin);
    w.until("the history at erin", 60_000, |w| w.texts(erin, "help").len() == 1_151);
}

#[test]
fn gossip_in_reverse_order_is_put_right() {
    let (mut w, alice, others) = team(2, &["bob"]);
    let bob = others[0];
    w.isolate(alice);
    for n in 0..900 {
        w.post(bob, "help", &format!("b{n}"));
    }
    let room = conclave_tests::forge::room_id(w.engine(bob), "help");
    let mut messages = conclave_tests::forge::all_stored(&w, bob, room);
    messages.reverse();
    let (topic, from) = (w.topic(room), w.node(bob).device());
    for message in messages {
        w.inject_gossip(alice, from, topic, message.bytes());
    }
    w.run(100);
    assert_eq!(w.texts(alice, "help").len(), 900);
}

#[test]
fn history_nobody_answered_is_sealed_once_and_stays() {
    for seed in 10..16 {
        let (mut w, alice, others) = team(seed, &["bob", "carol", "xavier"]);
        let (bob, xavier) = (others[0], others[2]);
        w.post(xavier, "help", "one");
        w.post(xavier, "help", "two");
        w.agree();
        let before = w.ledger().seals.len();
        w.remove_member(alice, "xavier", "department:Support");
        w.agree();
        for id in [alice, bob, others[1]] {
            assert_eq!(w.texts(id, "help"), ["one", "two"]);
            assert!(w.messages(id, "help").iter().all(|m| m.state == MessageState::Vouched));
        }
        let seals = w.ledger().seals.len() - before;
        assert!((1..=3).contains(&seals), "{seals} seals for one removal");
        // Nothing is sealed again by starts, control changes or further removals.
        w.run(30_000);
        w.crash(bob);
        w.start(bob);
        w.connect_all();
        w.agree();
        assert_eq!(w.ledger().seals.len() - before, seals, "a storm of seals");
        let dave = w.join(alice, "dave", &["department:Support"]);
        w.agree();
        assert_eq!(w.texts(dave, "help"), ["one", "two"]);
    }
}

#[test]
fn a_member_who_was_away_seals_what_only_it_had_seen() {
    let (mut w, alice, others) = team(20, &["bob", "xavier"]);
    let (bob, xavier) = (others[0], others[1]);
    // The last word of xavier reaches only bob, who does not know of the removal.
    w.isolate(alice);
    w.post(xavier, "help", "last word");
    w.until("the last word", 5_000, |w| w.texts(bob, "help").len() == 1);
    w.isolate(bob);
    w.crash(xavier);
    w.remove_member(alice, "xavier", "department:Support");
    w.connect(alice, bob);
    w.agree();
    assert_eq!(w.texts(alice, "help"), ["last word"]);
    assert_eq!(w.messages(alice, "help")[0].state, MessageState::Vouched);
    assert_eq!(w.messages(bob, "help")[0].state, MessageState::Vouched);
}

#[test]
fn many_forks_of_unsealed_history_are_sealed_in_a_chain() {
    let (mut w, alice, others) = team(21, &["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"]);
    // Ten heads at once, nobody answers.
    for id in &others {
        w.give(
            *id,
            conclave_protocol::engine::Command::Send { room: "help".into(), text: "!".into() },
        );
    }
    w.settle();
    for name in ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"] {
        w.remove_member(alice, name, "department:Support");
    }
    w.agree();
    assert_eq!(w.texts(alice, "help").len(), 10);
    let dave = w.join(alice, "dave", &["department:Support"]);
    w.agree();
    assert_eq!(w.texts(dave, "help").len(), 10);
}

#[test]
fn a_node_that_was_away_catches_up_from_another_than_the_author() {
    let (mut w, alice, others) = team(22, &["bob", "carol"]);
    let (bob, carol) = (others[0], others[1]);
    w.crash(carol);
    for n in 0..300 {
        w.post(bob, "help", &format!("b{n}"));
    }
    w.agree();
    w.crash(bob);
    w.start(carol);
    w.connect(alice, carol);
    w.agree();
    assert_eq!(w.texts(carol, "help").len(), 300);
    assert_eq!(w.texts(carol, "help")[299], "b299");
}
