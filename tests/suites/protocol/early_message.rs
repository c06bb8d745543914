//! Case 21: a message that arrives before its control objects.

use conclave_protocol::engine::{Command, GossipVerdict};
use conclave_protocol::envelope::EnterBody;
use conclave_protocol::id::{DeviceId, ObjectId, RoomId};
use conclave_protocol::limits::WAITING_PER_PEER_MAX;
use conclave_tests::forge;
use conclave_tests::world::{NodeId, Options, World};

/// Alice and bob share a room; dave joins at alice while bob is away, and posts. Gives the
/// world and dave's envelopes: his `Enter`, the start of an epoch, a text and the epoch's keys.
fn early(seed: u64) -> (World, NodeId, NodeId, RoomId, Vec<Vec<u8>>) {
    let mut w = World::new(seed, Options::CALM);
    let alice = w.found("Acme", "alice");
    let room = w.room(alice, "all", &["role:Agent"]);
    let bob = w.join(alice, "bob", &[]);
    w.agree();
    w.isolate(bob);
    let dave = w.join(alice, "dave", &[]);
    w.settle();
    w.post(dave, "all", "first day");
    w.settle();
    let device = w.node(dave).device();
    let messages: Vec<Vec<u8>> = forge::all_stored(&w, alice, room)
        .into_iter()
        .filter(|m| m.value().device == device)
        .map(|m| m.bytes().to_vec())
        .collect();
    assert_eq!(messages.len(), 4);
    (w, alice, bob, room, messages)
}

#[test]
fn early_message_is_held_then_accepted() {
    let (mut w, alice, bob, room, messages) = early(1);
    // Only gossip at first: nothing has been reconciled when it arrives.
    w.crash(bob);
    w.start(bob);
    w.connect(alice, bob);
    let topic = w.topic(room);
    let from = w.node(alice).device();
    // Newest first.
    let tokens: Vec<_> =
        messages.iter().rev().map(|bytes| w.inject_gossip(bob, from, topic, bytes)).collect();
    assert!(tokens.iter().all(|t| !w.node(bob).verdicts.contains_key(t)), "held");
    assert!(w.texts(bob, "all").is_empty());
    w.settle();
    assert!(tokens.iter().all(|t| w.node(bob).verdicts[t] == GossipVerdict::Accept));
    assert_eq!(w.texts(bob, "all"), ["first day"]);
}

#[test]
fn early_message_whose_control_objects_never_come_is_ignored_after_two_seconds() {
    let (mut w, alice, bob, room, messages) = early(2);
    let keys = w.outsider("a member that never serves");
    // A member whose node answers nothing useful: alice's key without alice's node.
    w.crash(alice);
    drop(keys);
    let puppet = w.empty_puppet(alice);
    let from = puppet.keys.device();
    w.replace_by_puppet(alice, puppet);
    w.connect_device(from, bob);
    w.settle();
    let topic = w.topic(room);
    let began = w.now();
    let tokens: Vec<_> =
        messages.iter().map(|bytes| w.inject_gossip(bob, from, topic, bytes)).collect();
    w.run(1_900);
    assert!(tokens.iter().all(|t| !w.node(bob).verdicts.contains_key(t)), "still held");
    let before = w.refusals(bob, "no_membership");
    w.run(200);
    assert!(tokens.iter().all(|t| w.node(bob).verdicts[t] == GossipVerdict::Ignore));
    assert_eq!(w.refusals(bob, "no_membership"), before + 4);
    assert!(w.now().ms_since(began) < 2_200);
    assert!(w.texts(bob, "all").is_empty());
}

#[test]
fn early_message_is_not_held_longer_because_other_control_objects_come() {
    let mut w = World::new(3, Options::CALM);
    let alice = w.found("Acme", "alice");
    let room = w.room(alice, "all", &["role:Agent"]);
    let bob = w.join(alice, "bob", &[]);
    w.agree();
    let keys = w.outsider("dave");
    let body = EnterBody::Permitted {
        device_cert: ObjectId([9; 32]),
        member_grants: Vec::new(),
        permit: ObjectId([8; 32]),
    };
    let company = w.ledger().company;
    let draft = forge::envelope(company, room, keys.device(), &[]);
    let forged = forge::signed(&keys, &forge::entering(draft, &body));
    let (topic, from) = (w.topic(room), w.node(alice).device());
    let token = w.inject_gossip(bob, from, topic, &forged.bytes);
    for n in 0..3 {
        w.department(alice, &format!("Department {n}"));
        w.run(900);
    }
    assert_eq!(w.node(bob).verdicts.get(&token), Some(&GossipVerdict::Ignore));
}

#[test]
fn early_message_queue_is_bounded() {
    let mut w = World::new(4, Options::CALM);
    let alice = w.found("Acme", "alice");
    let room = w.room(alice, "all", &["role:Agent"]);
    let bob = w.join(alice, "bob", &[]);
    w.agree();
    let keys = w.outsider("dave");
    let (topic, from): (_, DeviceId) = (w.topic(room), w.node(alice).device());
    let over = 20;
    let company = w.ledger().company;
    for n in 0..WAITING_PER_PEER_MAX + over {
        let mut draft = forge::envelope(company, room, keys.device(), &[]);
        draft.body = format!("junk {n}").into_bytes();
        let forged = forge::signed(&keys, &draft);
        w.inject_gossip(bob, from, topic, &forged.bytes);
    }
    assert_eq!(w.refusals(bob, "waiting_full"), over as u64);
    w.run(2_100);
    let open = w.node(bob).verdicts.values().filter(|v| **v == GossipVerdict::Ignore).count();
    assert_eq!(open, WAITING_PER_PEER_MAX + over, "every verdict was given");
    // The room goes on working.
    w.give(bob, Command::Send { room: "all".into(), text: "still here".into() });
    w.agree();
    assert_eq!(w.texts(alice, "all"), ["still here"]);
}
