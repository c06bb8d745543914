//! Two messages at one place of a device's chain: both count everywhere, and people are told.

use conclave_protocol::engine::Command;
use conclave_tests::forge;
use conclave_tests::world::{NodeId, World};

use crate::scene::{help, team};

/// What a node says about forked chains.
fn alarms(w: &World, id: NodeId) -> Vec<conclave_protocol::view::AlarmView> {
    let alarms = w.engine(id).status().alarms;
    alarms.into_iter().filter(|alarm| alarm.kind == "equivocation").collect()
}

/// Bob's key is in two hands: each of alice and carol has heard another message at one place.
fn forked(seed: u64) -> (World, NodeId, NodeId, [conclave_protocol::id::MessageId; 2]) {
    let (mut w, alice, others) = team(seed, &["bob", "carol"]);
    let (bob, carol) = (others[0], others[1]);
    let first = w.post(bob, "help", "honest so far");
    w.agree();
    w.disconnect(alice, carol);
    let keys = w.node(bob).keys();
    let all = forge::all_stored(&w, alice, help(&w, alice));
    let last =
        all.iter().filter(|m| m.value().device == keys.device()).max_by_key(|m| m.value().seq);
    let last = last.expect("the keys of his epoch");
    let text = forge::stored(&w, alice, first).expect("held");
    let mut envelope = last.value().clone();
    (envelope.standing, envelope.claimed_time) = (text.value().standing, text.value().claimed_time);
    let first = last.id();
    w.crash(bob);
    let topic = w.topic(help(&w, alice));
    let mut made = Vec::new();
    for (node, text) in [(alice, "to alice"), (carol, "to carol")] {
        let mut next = envelope.clone();
        (next.seq, next.prev) = (envelope.seq + 1, Some(first));
        (next.parents, next.height) = (vec![first], envelope.height + 1);
        forge::say(&mut next, text);
        let forged = forge::signed(&keys, &next);
        let device = w.node(bob).device();
        w.connect_device(device, node);
        w.inject_gossip(node, device, topic, &forged.bytes);
        made.push(forged.id);
    }
    w.run(1_000);
    (w, alice, carol, [made[0], made[1]])
}

#[test]
fn equivocation_to_two_halves_ends_equal_and_is_reported_by_all() {
    for seed in 1..4 {
        let (mut w, alice, carol, made) = forked(seed);
        assert!(alarms(&w, alice).is_empty() && alarms(&w, carol).is_empty());
        w.connect(alice, carol);
        w.agree();
        for id in [alice, carol] {
            let texts = w.texts(id, "help");
            assert_eq!(texts.len(), 3, "{texts:?}");
            let alarm = alarms(&w, id).pop().expect("it is reported");
            assert!(alarm.message.contains("bob") && alarm.message.contains("help"), "{alarm:?}");
            assert!(made.iter().all(|id| alarm.objects.contains(id)), "{alarm:?}");
            // It is known after a start.
            w.crash(id);
            w.start(id);
            assert_eq!(alarms(&w, id), [alarm]);
        }
    }
}

#[test]
fn a_chain_that_comes_out_of_order_again_or_with_gaps_is_no_fork() {
    let (mut w, alice, others) = team(5, &["bob", "carol"]);
    let (bob, carol) = (others[0], others[1]);
    w.isolate(carol);
    for n in 0..40 {
        w.post(bob, "help", &format!("m{n}"));
    }
    w.run(1_000);
    // Carol hears them newest first, then again, then by reconciliation.
    let topic = w.topic(help(&w, alice));
    let device = w.node(bob).device();
    let held = forge::all_stored(&w, alice, help(&w, alice));
    w.connect(bob, carol);
    for message in held.iter().rev().chain(held.iter()) {
        w.inject_gossip(carol, device, topic, message.bytes());
    }
    w.connect_all();
    w.agree();
    // And a copied home leaves numbers out.
    let copy = w.disk(bob).durable();
    w.crash(bob);
    w.restore(bob, copy);
    w.start(bob);
    w.connect_all();
    w.run(5_000);
    w.command(bob, Command::Send { room: "help".into(), text: "after a gap".into() })
        .expect("sent");
    w.agree();
    for id in [alice, bob, carol] {
        assert_eq!(alarms(&w, id), [], "{}", w.node(id).name);
        assert_eq!(w.texts(id, "help").len(), 41);
        w.crash(id);
        w.start(id);
        assert_eq!(alarms(&w, id), []);
    }
}
