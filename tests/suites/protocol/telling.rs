//! What a node tells others of its own accord, whom, and in which order.

use conclave_protocol::engine::{Effect, GossipToken, GossipVerdict, Input, ResponseToken};
use conclave_protocol::id::{DeviceId, MessageId, ObjectId};
use conclave_protocol::limits::REVOCATIONS_PUSHED_MAX;
use conclave_protocol::signed::peek_id;
use conclave_protocol::sync::{Blob, Request, Scope};
use conclave_tests::forge;
use conclave_tests::world::{NodeId, World};

use crate::scene::{Hand, help, newest, push, sent_to, stand_in, team};

fn receipts(w: &World, from: NodeId, to: DeviceId) -> Vec<MessageId> {
    let held = sent_to(w, from, to).into_iter().filter_map(|request| match request {
        Request::Held { ids, .. } => Some(ids),
        _ => None,
    });
    held.flatten().collect()
}

#[test]
fn receipts_go_to_authors_of_the_room_and_to_nobody_else() {
    for (seed, certified) in [(1, false), (2, true)] {
        let (mut w, alice, others) = team(seed, &["bob"]);
        let carol = w.join(alice, "carol", &["department:Sales"]);
        w.post(others[0], "help", "hi");
        w.agree();
        let (room, company) = (help(&w, alice), w.ledger().company);
        let (last, envelope) = newest(&w, alice);
        // Alice keeps the outsider's message because bob's follows it. All are connected.
        let outsider = if certified { w.node(carol).keys() } else { w.outsider("ghost") };
        let bob = stand_in(&mut w, others[0]);
        w.connect_device(bob, alice);
        let device = if certified {
            let device = stand_in(&mut w, carol);
            w.connect_device(device, alice);
            device
        } else {
            w.puppet(&outsider, alice)
        };
        let draft = forge::envelope(company, room, device, &[(last, envelope.height)]);
        let outside = forge::signed(&outsider, &draft);
        let parent = (outside.id, envelope.height + 1);
        let mut draft = forge::envelope(company, room, bob, &[parent]);
        (draft.seq, draft.prev, draft.standing) = (9, Some(last), envelope.standing);
        let after = forge::signed(&w.node(others[0]).keys(), &draft);
        w.ask_as(alice, bob, &push(Scope::Room(room), &[&after, &outside]));
        w.run(5_000);
        assert!(w.disk(alice).holds(outside.id) && w.disk(alice).holds(after.id));
        assert_eq!(receipts(&w, alice, bob), [after.id]);
        assert!(receipts(&w, alice, device).is_empty(), "seed {seed}");
    }
}

#[test]
fn the_newest_of_many_revocations_is_among_those_that_a_forwarder_is_told() {
    let (mut w, alice, others) = team(10, &["bob", "carol"]);
    let (bob, carol) = (others[0], others[1]);
    let old = w.post(bob, "help", "hi");
    w.agree();
    w.crash(bob);
    let mut revokes: Vec<ObjectId> = Vec::new();
    // Until there are many, and the newest is in no way special by its id.
    loop {
        let before: Vec<ObjectId> = w.engine(alice).control_log().iter().map(|e| e.id).collect();
        w.remove_member(alice, "bob", "department:Support");
        let log = w.engine(alice).control_log();
        let fresh = log.iter().find(|e| !before.contains(&e.id)).expect("a revocation").id;
        let greater = revokes.iter().filter(|id| **id > fresh).count();
        revokes.push(fresh);
        let lesser = revokes.len() - 1 - greater;
        if greater > REVOCATIONS_PUSHED_MAX && lesser > REVOCATIONS_PUSHED_MAX {
            break;
        }
        assert!(revokes.len() < 400);
        w.add_member(alice, "bob", "department:Support");
    }
    w.settle();
    let room = help(&w, alice);
    let mut late = forge::stored(&w, alice, old).expect("held").value().clone();
    forge::say(&mut late, "ghost");
    let late = forge::signed(&w.node(bob).keys(), &late);
    let device = stand_in(&mut w, carol);
    w.connect_device(device, alice);
    let topic = w.topic(room);
    w.inject_gossip(alice, device, topic, &late.bytes);
    w.run(1_000);
    let told: Vec<ObjectId> = sent_to(&w, alice, device)
        .into_iter()
        .filter_map(|request| match request {
            Request::Push { scope: Scope::Control, objects } => Some(objects),
            _ => None,
        })
        .flatten()
        .filter_map(|blob| peek_id(&blob.0))
        .collect();
    assert_eq!(told.len(), REVOCATIONS_PUSHED_MAX);
    assert!(told.contains(revokes.last().expect("many")), "the newest is missing");
}

#[test]
fn who_loses_access_is_out_of_the_policy_before_held_messages_are_passed_on() {
    let (mut w, alice, others) = team(20, &["bob", "carol"]);
    let (bob, carol) = (w.node(others[0]).device(), others[1]);
    let room = help(&w, alice);
    let topic = w.topic(room);
    w.isolate(carol);
    let dave = w.join(alice, "dave", &["department:Support"]);
    w.settle();
    w.post(dave, "help", "first day");
    w.settle();
    w.remove_member(alice, "bob", "department:Support");
    w.settle();
    let known: Vec<ObjectId> = w.engine(carol).control_log().iter().map(|e| e.id).collect();
    let log = w.engine(alice).control_log().into_iter();
    let news: Vec<Blob> = log.filter(|e| !known.contains(&e.id)).map(|e| Blob(e.bytes)).collect();
    assert!(news.len() >= 4, "an agent, a device, a membership, a removal");
    let mut hand = Hand::of(&w, carol, &[]);
    let peer = w.node(alice).device();
    hand.give(Input::Connected { peer });
    let device = w.node(dave).device();
    let daves = forge::all_stored(&w, alice, room);
    let daves: Vec<_> = daves.iter().filter(|m| m.value().device == device).collect();
    assert_eq!(daves.len(), 4, "an Enter, an epoch, a text, keys");
    for (token, message) in (1..).map(GossipToken).zip(&daves) {
        let bytes = message.bytes().to_vec();
        let effects = hand.give(Input::Gossip { peer, token, topic, bytes });
        assert!(!effects.iter().any(|e| matches!(e, Effect::Verdict { .. })), "held");
    }
    let frame = Request::Push { scope: Scope::Control, objects: news }.encode();
    let effects = hand.give(Input::Request { peer, token: ResponseToken(1), frame });
    let accepts: Vec<usize> = (0..effects.len())
        .filter(|n| {
            let verdict = GossipVerdict::Accept;
            matches!(effects[*n], Effect::Verdict { verdict: v, .. } if v == verdict)
        })
        .collect();
    assert_eq!(accepts.len(), 4);
    let out = effects.iter().position(|effect| match effect {
        Effect::Policy(policy) => policy.topics.get(&topic).is_some_and(|d| !d.contains(&bob)),
        _ => false,
    });
    assert!(out.is_some_and(|out| out < accepts[0]), "{out:?} {accepts:?}");
}
