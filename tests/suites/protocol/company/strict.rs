//! Cases 19 and 20, and strict revocations: what stays of what was written, and what goes.

use super::*;
use crate::scene::{newest, team};
use conclave_protocol::engine::Event;
use conclave_protocol::view::MessageState;
use pen::second_device;
use std::collections::BTreeSet;

/// Zoe was away with xavier, who had been removed, and answered him.
fn answered(seed: u64) -> (World, [NodeId; 5], MessageId) {
    let (mut w, alice, others) = team(seed, &["bob", "carol", "zoe", "xavier"]);
    let [bob, carol, zoe, xavier] = others[..] else { panic!("four") };
    let first = w.post(xavier, "help", "before");
    w.agree();
    for away in [zoe, xavier] {
        w.isolate(away);
    }
    w.connect(zoe, xavier);
    w.remove_member(alice, "xavier", "department:Support");
    w.settle();
    w.post(xavier, "help", "after");
    w.settle();
    w.post(zoe, "help", "I agree");
    w.settle();
    w.crash(xavier);
    w.connect_all();
    w.agree();
    (w, [alice, bob, carol, zoe, xavier], first)
}

#[test]
fn stale_friend_what_it_answered_is_kept_and_marked() {
    for seed in 1..4 {
        let (mut w, [alice, bob, carol, zoe, _], _) = answered(seed);
        for id in [alice, bob, carol, zoe] {
            let shown: Vec<_> =
                w.messages(id, "help").into_iter().map(|m| (m.text, m.state)).collect();
            let vouched = |text: &str| (text.to_owned(), MessageState::Vouched);
            let zoes = if id == zoe { shown[2].1 } else { MessageState::Accepted };
            let expected = [vouched("before"), vouched("after"), ("I agree".to_owned(), zoes)];
            assert_eq!(shown, expected);
        }
        let fresh = w.join(alice, "dave", &["department:Support"]);
        w.connect_all();
        w.agree();
        assert_eq!(w.texts(fresh, "help").len(), 3);
    }
}

#[test]
fn stale_friend_is_overruled_by_a_room_cut() {
    for seed in 11..14 {
        let (mut w, [alice, bob, carol, zoe, _], first) = answered(seed);
        let preview = foreseen(&mut w, alice, strictly("xavier", None, &[first]));
        assert_eq!(preview.rooms.len(), 1);
        assert_eq!(preview.rooms[0].messages_lost, Some(1));
        all_show(&w, &[alice, bob, carol, zoe], "help", &["before", "I agree"]);
        let cuts = w.control_kinds(alice).into_iter().filter(|kind| *kind == "room-cut").count();
        assert_eq!(cuts, 1, "one for the earlier departure");
        let fresh = w.join(alice, "dave", &["department:Support"]);
        w.connect_all();
        w.agree();
        all_show(&w, &[fresh], "help", &["before", "I agree"]);
        for id in [bob, fresh] {
            w.crash(id);
            w.start(id);
        }
        w.connect_all();
        w.agree();
        all_show(&w, &[alice, bob, fresh], "help", &["before", "I agree"]);
    }
}

#[test]
fn closed_loop_of_two_removed_members_stands_nowhere() {
    for seed in 21..24 {
        let (mut w, alice, others) = team(seed, &["bob", "xavier", "yves"]);
        let [bob, xavier, yves] = others[..] else { panic!("three") };
        w.post(xavier, "help", "hello");
        w.agree();
        for away in [xavier, yves] {
            w.isolate(away);
        }
        w.remove_member(alice, "xavier", "department:Support");
        w.remove_member(alice, "yves", "department:Support");
        w.settle();
        w.connect(xavier, yves);
        for n in 0..3 {
            w.post(xavier, "help", &format!("x{n}"));
            w.settle();
            w.post(yves, "help", &format!("y{n}"));
            w.settle();
        }
        w.connect_all();
        w.agree();
        all_show(&w, &[alice, bob], "help", &["hello"]);
        let fresh = w.join(alice, "dave", &["department:Support"]);
        w.connect_all();
        w.agree();
        all_show(&w, &[fresh], "help", &["hello"]);
    }
}

/// Revokes a device, mildly.
fn lost(agent: &str, device: DeviceId) -> Command {
    match strictly(agent, Some(device), &[]) {
        Command::RevokeAgent { agent, device, keep, last_good, root, .. } => {
            Command::RevokeAgent { agent, device, strict: false, keep, last_good, root }
        }
        other => other,
    }
}

#[test]
fn closed_loop_a_room_of_one_person_keeps_its_history_when_the_device_changes() {
    for seed in 31..34 {
        let (mut w, alice, others) = team(seed, &["bob", "carol"]);
        let [bob, carol] = others[..] else { panic!("two") };
        w.room(alice, "diary", &["agent:bob"]);
        w.agree();
        w.post(bob, "diary", "Monday");
        w.post(bob, "diary", "Tuesday");
        let new = second_device(&mut w, alice, bob, "bob's new laptop");
        assert_eq!(alarms(&w, carol), [""; 0], "it was confirmed by the old one");
        all_show(&w, &[bob, new], "diary", &["Monday", "Tuesday"]);
        let device = w.node(bob).device();
        w.crash(bob);
        foreseen(&mut w, alice, lost("bob", device));
        w.post(new, "diary", "Wednesday");
        w.agree();
        all_show(&w, &[new], "diary", &["Monday", "Tuesday", "Wednesday"]);
        let third = second_device(&mut w, alice, new, "bob's newest");
        all_show(&w, &[new, third], "diary", &["Monday", "Tuesday", "Wednesday"]);
        let authors: Vec<_> =
            w.messages(third, "diary").into_iter().map(|m| m.author.name).collect();
        assert_eq!(authors, ["bob"; 3]);
    }
}

#[test]
fn a_stolen_device_loses_all_that_its_owner_does_not_keep() {
    for seed in 41..44 {
        let (mut w, alice, others) = team(seed, &["bob", "carol", "dave"]);
        let [bob, carol, dave] = others[..] else { panic!("three") };
        let new = second_device(&mut w, alice, bob, "bob's desktop");
        w.post(bob, "help", "mine 1");
        w.agree();
        w.post(new, "help", "from the desktop");
        w.agree();
        let last = w.post(bob, "help", "mine 2");
        w.agree();
        // Stolen; and carol answers the thief.
        w.post(bob, "help", "the thief's 1");
        w.agree();
        w.post(carol, "help", "what?");
        w.agree();
        w.post(bob, "help", "the thief's 2");
        w.agree();
        let device = w.node(bob).device();
        w.crash(bob);
        let preview = foreseen(&mut w, alice, strictly("bob", Some(device), &[last]));
        assert_eq!(preview.rooms.len(), 1);
        assert_eq!(preview.rooms[0].messages_lost, Some(2));
        assert!(preview.rooms[0].lose.is_empty(), "bob himself has another device");
        let stays = ["mine 1", "from the desktop", "mine 2", "what?"];
        all_show(&w, &[alice, carol, dave, new], "help", &stays);
        // Whoever has them on the screen is told that they are void.
        let void: BTreeSet<&str> = w
            .node(carol)
            .events
            .iter()
            .filter_map(|event| match event {
                Event::MessageState(view) if view.state == MessageState::Void => {
                    Some(view.text.as_str())
                }
                _ => None,
            })
            .collect();
        assert_eq!(void, BTreeSet::from(["the thief's 1", "the thief's 2"]));
        let fresh = w.join(alice, "erin", &["department:Support"]);
        w.connect_all();
        w.agree();
        all_show(&w, &[fresh], "help", &stays);
        for message in w.messages(fresh, "help").iter().filter(|m| m.text.starts_with("mine")) {
            assert_eq!(message.author.name, "bob");
        }
        w.post(new, "help", "it is me");
        w.agree();
        assert_eq!(w.texts(fresh, "help").len(), 5);
        // Why the thief's message is gone, and that its envelope is still held by reference.
        let (_, envelope) = newest(&w, fresh);
        assert_eq!(envelope.device, w.node(new).device());
    }
}

#[test]
fn laundering_a_strict_removal_is_not_undone_by_a_mild_one_later() {
    let (mut w, alice, others) = team(51, &["bob", "carol", "xavier", "zoe"]);
    let [bob, carol, xavier, zoe] = others[..] else { panic!("four") };
    make_admin(&mut w, alice, "carol", 2, STAFF);
    let kept = w.post(xavier, "help", "good");
    w.agree();
    w.post(xavier, "help", "bad");
    w.agree();
    w.post(zoe, "help", "answer");
    w.agree();
    w.crash(xavier);
    foreseen(&mut w, alice, strictly("xavier", None, &[kept]));
    all_show(&w, &[alice, bob, carol, zoe], "help", &["good", "answer"]);
    // A junior cannot let xavier return from what a senior did strictly.
    let command = ratify("agent:xavier");
    let (_, preview) = w.engine(carol).preview(&command).expect("it can be signed");
    assert!(preview.warnings.iter().any(|w| w.contains("strict")), "{preview:?}");
    assert!(preview.returned.is_empty());
    // The senior can, and everything returns with xavier.
    let preview = foreseen(&mut w, alice, command);
    assert_eq!(preview.returned.len(), 1);
    w.start(xavier);
    w.connect_all();
    w.agree();
    all_show(&w, &[alice, xavier, zoe], "help", &["good", "bad", "answer"]);
    // A mild removal by the junior now, and what members acknowledged stays.
    foreseen(&mut w, carol, remove("xavier", "department:Support"));
    all_show(&w, &[alice, zoe], "help", &["good", "bad", "answer"]);
}

#[test]
fn room_cuts_of_several_admins_each_have_to_spare_a_message() {
    use conclave_protocol::object::{Payload, RoomCut};
    let (mut w, alice, others) = team(61, &["bob", "carol", "xavier", "zoe"]);
    let [bob, carol, xavier, zoe] = others[..] else { panic!("four") };
    make_admin(&mut w, alice, "carol", 2, STAFF);
    let mut posts = Vec::new();
    for text in ["a", "b", "c"] {
        posts.push(w.post(xavier, "help", text));
        w.agree();
    }
    w.post(zoe, "help", "yes");
    w.agree();
    let removal = match w.must(alice, remove("xavier", "department:Support")) {
        Outcome::Member { object, .. } => object,
        other => panic!("{other:?}"),
    };
    w.agree();
    all_show(&w, &[alice, bob, carol, zoe], "help", &["a", "b", "c", "yes"]);
    let room = crate::scene::help(&w, alice);
    for (by, keep, expected) in [
        (alice, vec![posts[1]], vec!["a", "b", "yes"]),
        // Each part has to spare it.
        (carol, vec![posts[0]], vec!["a", "yes"]),
        // Parts of one admin unite.
        (carol, vec![posts[2]], vec!["a", "b", "yes"]),
        (alice, vec![posts[2]], vec!["a", "b", "c", "yes"]),
        // A keep of what nobody holds is no keep of anything else.
        (alice, vec![ObjectId([7; 32])], vec!["a", "b", "c", "yes"]),
    ] {
        let mut pen = Pen::of(&w, by);
        let cut = Payload::RoomCut(RoomCut { room, revoke: removal, keep });
        let cut = pen.sign(&w.node(by).keys(), cut);
        let from = w.node(bob).device();
        pen::gossip(&mut w, by, from, &[cut]);
        w.agree();
        all_show(&w, &[alice, bob, carol, zoe], "help", &expected);
        let name = format!("fresh{}", w.ids().count());
        let fresh = w.join(alice, &name, &["department:Support"]);
        w.connect_all();
        w.agree();
        all_show(&w, &[fresh], "help", &expected);
    }
}
