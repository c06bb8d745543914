//! Histories under attack: what a hostile member's answers do to the screen and to pulls, and what
//! a home restored from a copy signs.

use conclave_protocol::engine::{Command, Effect, Event, Input, RequestId, ResponseToken, Table};
use conclave_protocol::envelope::Envelope;
use conclave_protocol::id::{DeviceId, MessageId, ObjectId, RoomId};
use conclave_protocol::signed::Verified;
use conclave_protocol::sync::{
    Blob, Items, Request, Response, RoomSummary, Scope, answer_list, answer_newest, answer_ranges,
};
use conclave_protocol::view::MessageState;
use conclave_tests::forge::{self, Forged};
use conclave_tests::world::{NodeId, World};

use crate::old_copy::{all_different, numbers, restored_beside_carol, send};
use crate::scene::{Hand, help, newest, team};

#[test]
fn a_copy_that_is_started_again_before_it_writes_uses_no_number_twice() {
    let (mut w, alice, bob, carol) = restored_beside_carol(1);
    assert!(!w.node(alice).copied, "carol was compared with");
    w.crash(alice);
    w.start(alice);
    w.connect(alice, carol);
    w.run(2_000);
    w.command(alice, send("carol knows nothing")).expect("posts");
    w.start(bob);
    w.connect_all();
    w.agree();
    let numbers = numbers(&w, bob, alice);
    assert!(all_different(&numbers), "{numbers:?}");
}

#[test]
fn a_copy_restored_twice_uses_no_number_twice() {
    let (mut w, alice, others) = team(3, &["bob", "carol"]);
    let (bob, carol) = (others[0], others[1]);
    w.post(alice, "help", "before");
    w.agree();
    let copy = w.disk(alice).durable();
    for (only, other) in [(bob, carol), (carol, bob)] {
        w.crash(alice);
        w.isolate(other);
        w.restore(alice, copy.clone());
        w.start(alice);
        w.connect(alice, only);
        w.run(2_000);
        w.command(alice, send(&format!("with {}", only.0))).expect("posts");
        w.run(2_000);
        w.isolate(only);
    }
    w.connect_all();
    w.agree();
    let numbers = numbers(&w, bob, alice);
    assert!(all_different(&numbers), "{numbers:?}");
}

#[test]
fn a_copy_from_before_its_first_message_uses_no_number_twice() {
    let (mut w, alice, others) = team(10, &["bob", "carol"]);
    let (bob, carol) = (others[0], others[1]);
    let copy = w.disk(alice).durable();
    w.isolate(carol);
    w.post(alice, "help", "for bob only");
    w.run(2_000);
    w.crash(alice);
    w.crash(bob);
    w.restore(alice, copy);
    w.start(alice);
    w.connect(alice, carol);
    w.run(2_000);
    w.command(alice, send("carol knows nothing")).expect("posts");
    w.start(bob);
    w.connect_all();
    w.agree();
    let numbers = numbers(&w, bob, alice);
    assert!(all_different(&numbers), "{numbers:?}");
}

/// Messages by a device at a height that nothing leads to.
fn towers(w: &World, at: NodeId, author: NodeId, count: u64, height: u64) -> Vec<(u64, Forged)> {
    let keys = w.node(author).keys();
    let (last, envelope) = newest(w, at);
    let invented = |n: u64| ObjectId(blake3_of(n));
    let make = |n: u64| {
        let parents = [(invented(n), height - 1)];
        let mut draft = forge::envelope(w.ledger().company, help(w, at), keys.device(), &parents);
        (draft.seq, draft.prev, draft.standing) = (100 + n, Some(last), envelope.standing);
        draft.body = format!("tower {n}").into_bytes();
        (height, forge::signed(&keys, &draft))
    };
    (0..count).map(make).collect()
}

fn blake3_of(n: u64) -> [u8; 32] {
    let mut id = [7; 32];
    id[..8].copy_from_slice(&n.to_be_bytes());
    id
}

#[test]
fn an_invented_newest_page_is_gone_once_an_honest_member_was_compared_with() {
    let (mut w, alice, others) = team(4, &["bob", "mallory"]);
    let (bob, mallory) = (others[0], others[1]);
    w.post(mallory, "help", "hi");
    w.agree();
    let made = towers(&w, alice, mallory, 100, 1 << 40);
    w.crash(mallory);
    w.isolate(alice);
    let mut puppet = w.empty_puppet(mallory);
    for (height, forged) in &made {
        puppet.hold(Scope::Room(help(&w, alice)), *height, &forged.bytes);
    }
    let device = puppet.keys.device();
    w.replace_by_puppet(mallory, puppet);
    w.connect_device(device, alice);
    let shown = |w: &World| w.texts(alice, "help").iter().any(|t| t.starts_with("tower"));
    let until = w.now().plus_ms(3_000);
    while w.now() < until && !shown(&w) {
        w.run(1);
    }
    w.disconnect(alice, mallory);
    w.connect(alice, bob);
    w.post(bob, "help", "after");
    w.until("bob's", 10_000, |w| w.texts(alice, "help").contains(&"after".to_owned()));
    w.run(30_000);
    assert_eq!(w.texts(alice, "help"), ["hi", "after"]);
}

#[test]
fn a_chain_of_steps_of_invented_parents_does_not_grow_into_a_tower() {
    let (mut w, alice, others) = team(5, &["bob", "mallory"]);
    let (bob, mallory) = (others[0], others[1]);
    w.post(mallory, "help", "hi");
    w.agree();
    let room = help(&w, alice);
    let (topic, from, keys) = (w.topic(room), w.node(mallory).device(), w.node(mallory).keys());
    let (last, envelope) = newest(&w, alice);
    let (mut parent, mut height) = (last, envelope.height);
    w.crash(mallory);
    for n in 0..100_u64 {
        let mut draft = forge::envelope(w.ledger().company, room, keys.device(), &[]);
        let mut parents = vec![parent, ObjectId(blake3_of(n))];
        parents.sort_unstable();
        (draft.parents, draft.height) = (parents, height + 64);
        (draft.seq, draft.prev, draft.standing) = (10 + n, Some(parent), envelope.standing);
        draft.body = format!("step {n}").into_bytes();
        let forged = forge::signed(&keys, &draft);
        w.inject_gossip(alice, from, topic, &forged.bytes);
        (parent, height) = (forged.id, height + 64);
    }
    w.run(1_000);
    for n in 0..200 {
        w.post(bob, "help", &format!("honest {n}"));
    }
    w.run(1_000);
    let texts = w.texts(alice, "help");
    assert_eq!(texts.last().map(String::as_str), Some("honest 199"));
}

#[test]
fn what_an_honest_author_wrote_is_not_called_void_because_its_bringer_kept_the_parents_back() {
    let (mut w, alice, others) = team(6, &["bob", "mallory"]);
    let (bob, mallory) = (others[0], others[1]);
    w.crash(alice);
    for n in 0..200 {
        w.post(bob, "help", &format!("b{n}"));
    }
    w.settle();
    let room = help(&w, bob);
    let honest = forge::all_stored(&w, bob, room);
    w.crash(mallory);
    let mut puppet = w.empty_puppet(mallory);
    for message in &honest[honest.len() - 80..] {
        puppet.hold(Scope::Room(room), message.value().height, message.bytes());
    }
    let device = puppet.keys.device();
    w.replace_by_puppet(mallory, puppet);
    w.start(alice);
    w.connect_device(device, alice);
    w.run(5_000);
    let void =
        |event: &Event| matches!(event, Event::MessageState(m) if m.state == MessageState::Void);
    let called = w.node(alice).events.iter().filter(|event| void(event)).count();
    w.connect(alice, bob);
    w.until("all", 60_000, |w| w.texts(alice, "help").len() == 200);
    assert_eq!(called, 0, "of bob's messages were called void");
}

#[test]
fn a_room_is_not_called_complete_while_nobody_is_there_to_tell() {
    let (mut w, alice, others) = team(7, &["bob"]);
    let bob = others[0];
    w.run(20_000);
    assert_eq!(w.room_status(bob, "help").expect("open").sync, "complete");
    w.isolate(bob);
    w.post(alice, "help", "unheard");
    w.run(60_000);
    assert_ne!(w.room_status(bob, "help").expect("open").sync, "complete");
}

/// A member driven by hand: requests that the engine sent to it, in order.
fn asked(effects: &[Effect], peer: DeviceId) -> Vec<(RequestId, Request)> {
    let sent = effects.iter().filter_map(|effect| match effect {
        Effect::Send { peer: to, request, frame } if *to == peer => {
            Request::decode(frame).ok().map(|decoded| (*request, decoded))
        }
        _ => None,
    });
    sent.collect()
}

fn give_answer(hand: &mut Hand, request: RequestId, response: &Response) -> Vec<Effect> {
    hand.give(Input::Response { request, frame: Some(response.encode()) })
}

fn ask(hand: &mut Hand, peer: DeviceId, request: &Request) -> Response {
    let input = Input::Request { peer, token: ResponseToken(1_000_000), frame: request.encode() };
    let effects = hand.give(input);
    let answer = effects.iter().find_map(|effect| match effect {
        Effect::Respond { frame, .. } => Response::decode(frame).ok(),
        _ => None,
    });
    answer.expect("an answer")
}

/// What a member says in a summary: the same control log, and these of the room.
fn summary_of(hand: &mut Hand, peer: DeviceId, rooms: &[(RoomId, &Items)]) -> Response {
    let Response::Summary { control, .. } = ask(hand, peer, &Request::Summary) else {
        panic!("a member is told");
    };
    let of = |(room, items): &(RoomId, &Items)| {
        let (count, fingerprint) = items.summary();
        RoomSummary { room: *room, count, fingerprint }
    };
    Response::Summary { control, rooms: rooms.iter().map(of).collect(), waiting: Vec::new() }
}

fn items_of(messages: &[Verified<Envelope>]) -> Items {
    messages.iter().map(|m| (m.value().height, m.id())).collect()
}

/// The honest answer to a question about a room.
fn honest_answer(request: &Request, items: &Items, all: &[Verified<Envelope>]) -> Response {
    match request {
        Request::Ranges { lower, upper, .. } => answer_ranges(items, *lower, *upper),
        Request::List { lower, upper, .. } => answer_list(items, *lower, *upper),
        Request::Newest { .. } => answer_newest(items),
        Request::Get { ids, .. } => {
            let bytes = |id: &MessageId| {
                let found = all.iter().find(|m| m.id() == *id);
                found.map(|m| Blob(m.bytes().to_vec()))
            };
            let objects = ids.iter().filter_map(bytes).collect();
            Response::Objects { objects, done: ids.len() as u64 }
        }
        _ => Response::Ack,
    }
}

#[test]
fn a_member_that_hands_out_nothing_does_not_keep_others_from_handing_it_out() {
    let (mut w, alice, others) = team(8, &["bob", "mallory"]);
    let (bob, mallory) = (others[0], others[1]);
    w.crash(alice);
    for n in 0..50 {
        w.post(bob, "help", &format!("b{n}"));
    }
    w.settle();
    let room = help(&w, bob);
    let all = forge::all_stored(&w, bob, room);
    let items = items_of(&all);
    let mut hand = Hand::of(&w, alice, &[]);
    let (honest, hostile) = (w.node(bob).device(), w.node(mallory).device());
    let mut open: Vec<(DeviceId, RequestId, Request)> = Vec::new();
    for peer in [hostile, honest] {
        let effects = hand.give(Input::Connected { peer });
        open.extend(asked(&effects, peer).into_iter().map(|(id, r)| (peer, id, r)));
        // The hostile one is first to be asked for what is missing.
        for _ in 0..4 {
            let Some(at) =
                open.iter().position(|(to, _, r)| *to == peer && !matches!(r, Request::Get { .. }))
            else {
                break;
            };
            let (_, id, request) = open.remove(at);
            let response = match request {
                Request::Summary => summary_of(&mut hand, peer, &[(room, &items)]),
                other => honest_answer(&other, &items, &all),
            };
            let effects = give_answer(&mut hand, id, &response);
            for to in [hostile, honest] {
                open.extend(asked(&effects, to).into_iter().map(|(id, r)| (to, id, r)));
            }
        }
    }
    // From now on the hostile one says each ten seconds that it does not have one of them.
    let held =
        |hand: &Hand| hand.engine.history("help", 100, None).map_or(0, |page| page.messages.len());
    for _ in 0..12 {
        hand.now = hand.now.plus_ms(9_900);
        let mut effects = hand.give(Input::Tick);
        let waiting = std::mem::take(&mut open);
        for (peer, id, request) in waiting {
            let response = match &request {
                Request::Summary => summary_of(&mut hand, peer, &[(room, &items)]),
                Request::Get { .. } if peer == hostile => {
                    Response::Objects { objects: Vec::new(), done: 1 }
                }
                other => honest_answer(other, &items, &all),
            };
            effects.extend(give_answer(&mut hand, id, &response));
        }
        for to in [hostile, honest] {
            open.extend(asked(&effects, to).into_iter().map(|(id, r)| (to, id, r)));
        }
    }
    assert_eq!(held(&hand), 50, "after two minutes");
}

#[test]
fn what_a_peer_brought_unacknowledged_goes_when_it_goes_whatever_it_was_asked_last() {
    // Rooms are asked for in the order of their ids.
    let left = (9..30).find_map(left_behind);
    assert_eq!(left.expect("some order fits"), []);
}

/// What a store holds of a ghost after the peer that brought it has gone in the middle of the pull
/// of another room; nothing if the rooms' ids are in the wrong order.
fn left_behind(seed: u64) -> Option<Vec<Table>> {
    let (mut w, alice, others) = team(seed, &["mallory", "xavier"]);
    let (mallory, xavier) = (others[0], others[1]);
    // A second room, which is asked for after the first.
    w.room(alice, "second", &["department:Support"]);
    w.post(xavier, "help", "x1");
    w.agree();
    w.crash(xavier);
    w.remove_member(alice, "xavier", "department:Support");
    w.agree();
    let rooms = [help(&w, alice), forge::room_id(w.engine(alice), "second")];
    let (first, second) = (rooms[0].min(rooms[1]), rooms[0].max(rooms[1]));
    if first != help(&w, alice) {
        return None;
    }
    let (old, envelope) = {
        let all = forge::all_stored(&w, alice, first);
        let of = |m: &&Verified<Envelope>| m.value().device == w.node(xavier).device();
        let last = all.iter().rev().find(of).expect("x1");
        (last.id(), last.value().clone())
    };
    let keys = w.node(xavier).keys();
    let mut ghost = envelope.clone();
    (ghost.parents, ghost.height) = (vec![old], envelope.height + 1);
    (ghost.seq, ghost.prev) = (envelope.seq + 9, Some(old));
    forge::say(&mut ghost, "ghost");
    let ghost = forge::signed(&keys, &ghost);
    let mut all = forge::all_stored(&w, alice, first);
    let trust = conclave_protocol::signed::Trust::Nothing;
    all.push(Verified::envelope(&ghost.bytes, w.ledger().company, trust).expect("sound"));
    let items = items_of(&all);
    let bogus: Items = [(1_u64, ObjectId([3; 32]))].into_iter().collect();
    let mut hand = Hand::of(&w, alice, &[]);
    let hostile = w.node(mallory).device();
    let effects = hand.give(Input::Connected { peer: hostile });
    let mut open = asked(&effects, hostile);
    let mut gone = false;
    while let Some((id, request)) = open.pop() {
        let of_second = matches!(
            &request,
            Request::List { scope: Scope::Room(r), .. } | Request::Ranges { scope: Scope::Room(r), .. }
                if *r == second
        );
        if of_second {
            // In the middle of this one it goes away.
            hand.give(Input::Disconnected { peer: hostile });
            gone = true;
            break;
        }
        let response = match &request {
            Request::Summary => {
                let rooms = [(first, &items), (second, &bogus)];
                let Response::Summary { control, rooms, .. } =
                    summary_of(&mut hand, hostile, &rooms)
                else {
                    panic!("made above");
                };
                let (room, count, fingerprint) = (first, 1, ObjectId([5; 32]));
                let waiting = vec![RoomSummary { room, count, fingerprint }];
                Response::Summary { control, rooms, waiting }
            }
            other => honest_answer(other, &items, &all),
        };
        let effects = give_answer(&mut hand, id, &response);
        open.extend(asked(&effects, hostile));
    }
    assert!(gone, "the second room was asked for");
    let holds = |value: &[u8]| value.windows(5).any(|part| part == b"ghost");
    let rows = hand.disk.durable().into_iter().filter(|(_, value)| holds(value));
    Some(rows.map(|((table, _), _)| table).collect())
}

/// Messages side by side, all after the newest one.
fn forks(w: &World, at: NodeId, author: NodeId, count: u64, text: &str) -> Vec<(u64, Forged)> {
    let keys = w.node(author).keys();
    let (last, envelope) = newest(w, at);
    let make = |n: u64| {
        let mut draft = envelope.clone();
        (draft.device, draft.parents, draft.height) =
            (keys.device(), vec![last], envelope.height + 1);
        (draft.seq, draft.prev) = (100 + n, Some(last));
        forge::say(&mut draft, format!("{text} {n}"));
        (draft.height, forge::signed(&keys, &draft))
    };
    (0..count).map(make).collect()
}

#[test]
fn a_room_in_which_a_member_made_many_forks_can_be_closed() {
    let (mut w, alice, others) = team(11, &["mallory"]);
    let mallory = others[0];
    w.post(mallory, "help", "hi");
    w.agree();
    let (topic, from) = (w.topic(help(&w, alice)), w.node(mallory).device());
    let made = forks(&w, alice, mallory, 1_100, "fork");
    w.crash(mallory);
    for (_, forged) in &made {
        w.inject_gossip(alice, from, topic, &forged.bytes);
    }
    w.run(1_000);
    assert_eq!(w.texts(alice, "help").len(), 1_101);
    w.must(alice, Command::DeleteRoom { room: "help".into() });
}

/// What xavier signs after its removal, served by mallory, a member; bob is there too.
fn ghosts_at_mallory(seed: u64, count: u64) -> (World, NodeId, NodeId, DeviceId) {
    let (mut w, alice, others) = team(seed, &["bob", "mallory", "xavier"]);
    let (bob, mallory, xavier) = (others[0], others[1], others[2]);
    w.post(xavier, "help", "x1");
    w.agree();
    let made = forks(&w, alice, xavier, count, "ghost");
    w.post(alice, "help", "ok");
    w.agree();
    w.crash(xavier);
    w.remove_member(alice, "xavier", "department:Support");
    w.agree();
    let room = help(&w, alice);
    let honest = forge::all_stored(&w, alice, room);
    w.crash(mallory);
    w.isolate(bob);
    let mut puppet = w.empty_puppet(mallory);
    for message in &honest {
        puppet.hold(Scope::Room(room), message.value().height, message.bytes());
    }
    for (height, forged) in &made {
        puppet.hold(Scope::Room(room), *height, &forged.bytes);
    }
    let device = puppet.keys.device();
    w.replace_by_puppet(mallory, puppet);
    (w, alice, bob, device)
}

#[test]
fn what_nothing_acknowledged_is_not_fetched_and_written_again_every_few_seconds() {
    let (mut w, _, bob, mallory) = ghosts_at_mallory(12, 300);
    w.connect_device(mallory, bob);
    w.run(120_000);
    let refused = w.refusals(bob, "removed");
    assert!(refused <= 2 * 300, "{refused} rows were written and taken back in two minutes");
}

#[test]
fn an_index_that_is_lost_makes_nothing_seen_that_nobody_has_seen() {
    let (mut w, alice, bob, mallory) = ghosts_at_mallory(13, 1_300);
    w.connect_device(mallory, bob);
    let index = |w: &World| w.disk(bob).count(Table::Index);
    w.until("a row of the index", 60_000, |w| index(w) > 0);
    w.crash(bob);
    let rows = w.disk(bob).durable();
    for ((table, key), _) in rows {
        if table == Table::Index {
            w.disk(bob).put(table, &key, &[]);
        }
    }
    w.start(bob);
    w.connect(alice, bob);
    w.run(30_000);
    for id in [alice, bob] {
        let texts = w.texts(id, "help");
        assert_eq!(texts.len(), 2, "ghosts were sealed: {:?}", texts.first());
    }
}

#[test]
fn what_a_member_invents_fills_its_own_share_at_others_and_not_that_of_who_passes_it_on() {
    use conclave_protocol::limits::WAITING_PER_PEER_MAX;
    let (mut w, alice, others) = team(14, &["bob", "carol", "mallory"]);
    let (bob, carol, mallory) = (others[0], others[1], others[2]);
    w.post(mallory, "help", "hi");
    w.post(carol, "help", "me too");
    w.agree();
    let room = help(&w, alice);
    let topic = w.topic(room);
    let made = towers(&w, alice, mallory, WAITING_PER_PEER_MAX as u64, 1 << 20);
    w.crash(mallory);
    w.isolate(alice);
    // Bob is honest: he passes on what a live author signed.
    let from = w.node(bob).device();
    for (_, forged) in &made {
        w.inject_gossip(alice, from, topic, &forged.bytes);
    }
    w.post(carol, "help", "one");
    w.post(carol, "help", "two");
    w.settle();
    let two = forge::all_stored(&w, carol, room).pop().expect("written");
    let before = w.refusals(alice, "waiting_full");
    w.inject_gossip(alice, from, topic, two.bytes());
    w.run(1_000);
    assert_eq!(w.refusals(alice, "waiting_full"), before, "an honest message of carol's");
}
