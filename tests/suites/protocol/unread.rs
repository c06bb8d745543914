//! What counts as unread.

use conclave_protocol::engine::{Command, Event};
use conclave_protocol::sync::Scope;
use conclave_protocol::view::MessageState;
use conclave_tests::forge;
use conclave_tests::world::{NodeId, World};

use crate::scene::{help, newest, push, team};

fn unread(w: &World, id: NodeId) -> u64 {
    w.engine(id).rooms(false).expect("a member")[0].unread
}

#[test]
fn what_becomes_visible_after_it_came_is_unread_then() {
    let (mut w, alice, others) = team(1, &["bob"]);
    let carol = w.join(alice, "carol", &["department:Sales"]);
    w.post(others[0], "help", "hi");
    w.agree();
    // Carol wrote without access; bob's next message follows hers, so alice keeps it.
    let (room, company) = (help(&w, alice), w.ledger().company);
    let (last, envelope) = newest(&w, alice);
    let keys = w.node(carol).keys();
    let mut draft = forge::envelope(company, room, keys.device(), &[(last, envelope.height)]);
    draft.body = b"too early".to_vec();
    let early = forge::signed(&keys, &draft);
    let keys = w.node(others[0]).keys();
    let parent = (early.id, envelope.height + 1);
    let mut draft = forge::envelope(company, room, keys.device(), &[parent]);
    (draft.seq, draft.prev, draft.standing) = (9, Some(last), envelope.standing);
    let after = forge::signed(&keys, &draft);
    w.isolate(alice);
    w.crash(carol);
    let from = keys.device();
    w.ask_as(alice, from, &push(Scope::Room(room), &[&after, &early]));
    w.settle();
    assert_eq!(w.texts(alice, "help"), ["hi", "forged"]);
    assert_eq!(unread(&w, alice), 2);
    w.must(alice, Command::MarkRead { room: "help".into(), up_to: None });
    assert_eq!(unread(&w, alice), 0);
    w.add_member(alice, "carol", "department:Support");
    w.settle();
    assert_eq!(w.texts(alice, "help"), ["hi", "too early", "forged"]);
    assert_eq!(unread(&w, alice), 1);
    w.crash(alice);
    w.start(alice);
    assert_eq!(unread(&w, alice), 1, "after a start too");
    w.must(alice, Command::MarkRead { room: "help".into(), up_to: None });
    assert_eq!(unread(&w, alice), 0);
}

#[test]
fn what_was_read_stays_read_when_its_author_is_removed_and_returns() {
    let (mut w, alice, others) = team(2, &["bob", "xavier"]);
    let (bob, xavier) = (others[0], others[1]);
    w.post(xavier, "help", "one");
    w.agree();
    for id in [alice, bob] {
        assert_eq!(unread(&w, id), 1);
        w.must(id, Command::MarkRead { room: "help".into(), up_to: None });
    }
    // Nobody had answered, so one of them seals it and both accept it a second time.
    w.remove_member(alice, "xavier", "department:Support");
    w.agree();
    assert!(!w.ledger().seals.is_empty());
    for id in [alice, bob] {
        assert_eq!(w.texts(id, "help"), ["one"]);
        assert_eq!(unread(&w, id), 0, "at {}", w.node(id).name);
    }
    w.add_member(alice, "xavier", "department:Support");
    w.agree();
    for id in [alice, bob] {
        assert_eq!(unread(&w, id), 0, "at {}", w.node(id).name);
        w.crash(id);
        w.start(id);
        assert_eq!(unread(&w, id), 0, "at {}", w.node(id).name);
    }
}

#[test]
fn a_seal_shows_nothing_a_second_time() {
    let (mut w, alice, others) = team(3, &["bob", "xavier"]);
    let (bob, xavier) = (others[0], others[1]);
    let id = w.post(xavier, "help", "once");
    w.agree();
    w.remove_member(alice, "xavier", "department:Support");
    w.settle();
    for node in [alice, bob] {
        let shown = w.node(node).events.iter().filter(|event| match event {
            Event::Message(message, _) => message.id == id,
            _ => false,
        });
        assert_eq!(shown.count(), 1);
        let states = w.node(node).events.iter().filter_map(|event| match event {
            Event::MessageState(message) if message.id == id => Some(message.state),
            _ => None,
        });
        assert_eq!(states.collect::<Vec<_>>().last(), Some(&MessageState::Vouched));
    }
}
