//! Instant messages: conversations that any agent starts with others.

use conclave_protocol::engine::{
    Command, Effect, Event, FailureKind, GossipVerdict, Input, Outcome, ResponseToken, Table,
};
use conclave_protocol::envelope::EnterBody;
use conclave_protocol::id::{AgentId, DeviceId, ObjectId, RoomId};
use conclave_protocol::instant::InstantAgents;
use conclave_protocol::keys::DeviceKeys;
use conclave_protocol::limits::{
    INSTANTS_OF_OTHERS_MAX, INSTANTS_OPENED_MAX, INSTANTS_PER_STARTER_MAX, INSTANTS_TOLD_MAX,
    INSTANTS_TOLD_PER_PEER_MAX,
};
use conclave_protocol::object::{ControlObject, Payload};
use conclave_protocol::signed::{Trust, Verified};
use conclave_protocol::sync::{Blob, Bound, Request, Response, Scope};
use conclave_protocol::view::{ControlEntry, InstantView, MessageState};
use conclave_tests::forge::{self, Forged};
use conclave_tests::world::{NodeId, Options, World};

use crate::scene::Hand;

/// A company of these agents; nobody but the first is an admin, and there is no room.
fn company(seed: u64, names: &[&str]) -> (World, Vec<NodeId>) {
    let mut w = World::new(seed, Options::CALM);
    let mut nodes = vec![w.found("Acme", names[0])];
    for name in &names[1..] {
        let joined = w.join(nodes[0], name, &[]);
        nodes.push(joined);
    }
    w.connect_all();
    w.agree();
    (w, nodes)
}

fn open(w: &mut World, id: NodeId, others: &[&str]) -> String {
    let agents = others.iter().map(ToString::to_string).collect();
    match w.must(id, Command::OpenInstant { agents }) {
        Outcome::Instant(view) => view.room.id.to_string(),
        other => panic!("unexpected {other:?}"),
    }
}

/// Opens and writes.
fn say(w: &mut World, id: NodeId, others: &[&str], text: &str) -> String {
    let room = open(w, id, others);
    w.post(id, &room, text);
    room
}

fn instants(w: &World, id: NodeId) -> Vec<InstantView> {
    w.engine(id).instants().expect("a member")
}

fn texts_if_any(w: &World, id: NodeId, room: &str) -> Option<Vec<String>> {
    w.engine(id).readable_room(room).ok().map(|_| w.texts(id, room))
}

fn agent(w: &World, id: NodeId) -> AgentId {
    w.engine(id).status().agent.expect("a member").id
}

fn agents_of(w: &World, nodes: &[NodeId]) -> InstantAgents {
    InstantAgents::new(nodes.iter().map(|id| agent(w, *id))).expect("2 to 32")
}

/// The certificate of a node's device.
fn cert(w: &World, id: NodeId) -> ObjectId {
    let (device, company) = (w.node(id).device(), w.ledger().company);
    let certified = |entry: &ControlEntry| {
        let object = Verified::<ControlObject>::control(&entry.bytes, company, Trust::Nothing);
        object.is_ok_and(|object| {
            matches!(&object.value().payload, Payload::DeviceCert(cert) if cert.device == device)
        })
    };
    let log = w.engine(id).control_log();
    log.iter().find(|entry| certified(entry)).expect("certified").id
}

#[test]
fn an_instant_message_reaches_an_agent_who_is_online_at_once() {
    let (mut w, nodes) = company(1, &["alice", "bob", "carol"]);
    let (alice, bob, carol) = (nodes[0], nodes[1], nodes[2]);
    // Neither of them is an admin.
    let room = open(&mut w, bob, &["carol"]);
    w.run(20_000);
    assert!(instants(&w, carol).is_empty(), "nobody hears of what is only open");
    w.post(bob, &room, "are you there?");
    w.until("delivery", 200, |w| texts_if_any(w, carol, &room).is_some_and(|t| t.len() == 1));
    w.post(carol, &room, "yes");
    w.until("the answer", 200, |w| w.texts(bob, &room).len() == 2);
    w.agree();
    for id in [bob, carol] {
        assert_eq!(w.texts(id, &room), ["are you there?", "yes"]);
        assert!(w.messages(id, &room).iter().all(|m| m.state == MessageState::Accepted));
        let with: Vec<String> = w
            .engine(id)
            .room_access(&room)
            .expect("open")
            .1
            .into_iter()
            .flat_map(|line| line.via)
            .collect();
        assert_eq!(with, ["agent:bob", "agent:carol"]);
    }
    assert_eq!(instants(&w, bob)[0].room.name, "carol");
    assert_eq!(instants(&w, carol)[0].room.name, "bob");
    assert_eq!(w.messages(carol, &room)[0].room.name, "bob");
    // Nothing of it is at the admin, who may know the id.
    assert_eq!(texts_if_any(&w, alice, &room), None);
    assert!(instants(&w, alice).is_empty() && w.engine(alice).status().rooms.is_empty());
    assert!(w.engine(bob).rooms(false).expect("a member").is_empty(), "it is no room of the list");
    assert_eq!(forge::all_stored(&w, alice, room.parse().expect("an id")).len(), 0);
}

#[test]
fn who_was_away_gets_it_from_any_member_who_holds_it() {
    let (mut w, nodes) = company(2, &["alice", "bob", "carol"]);
    let (alice, bob, carol) = (nodes[0], nodes[1], nodes[2]);
    w.crash(carol);
    let room = say(&mut w, alice, &["bob", "carol"], "meeting at ten");
    w.until("delivery", 500, |w| texts_if_any(w, bob, &room).is_some_and(|t| t.len() == 1));
    w.run(1_000);
    // The author is gone before carol comes back.
    w.crash(alice);
    w.start(carol);
    w.connect(bob, carol);
    w.until("delivery by bob", 2_000, |w| {
        texts_if_any(w, carol, &room) == Some(vec!["meeting at ten".to_owned()])
    });
    assert_eq!(instants(&w, carol)[0].room.name, "alice, bob");
    w.post(carol, &room, "fine");
    w.start(alice);
    w.connect_all();
    w.agree();
    assert_eq!(w.texts(alice, &room), ["meeting at ten", "fine"]);
}

#[test]
fn it_reaches_members_whom_the_author_does_not_meet() {
    let (mut w, nodes) = company(3, &["alice", "bob", "carol"]);
    let (alice, bob, carol) = (nodes[0], nodes[1], nodes[2]);
    w.isolate(alice);
    w.connect(alice, bob);
    let room = say(&mut w, alice, &["bob", "carol"], "one");
    w.until("delivery", 1_000, |w| texts_if_any(w, carol, &room).is_some_and(|t| t.len() == 1));
    w.post(alice, &room, "two");
    w.until("the next one", 1_000, |w| w.texts(carol, &room).len() == 2);
    assert_eq!(w.texts(bob, &room), ["one", "two"]);
}

#[test]
fn the_same_agents_have_the_same_conversation_whoever_opens_it() {
    let (mut w, nodes) = company(4, &["alice", "bob"]);
    let (alice, bob) = (nodes[0], nodes[1]);
    let room = say(&mut w, bob, &["alice"], "hello");
    w.agree();
    let (view, again) = (instants(&w, bob), open(&mut w, alice, &["bob"]));
    assert_eq!(again, room, "the same agents, the same conversation");
    assert_eq!(view.len(), 1);
    assert_eq!(open(&mut w, bob, &["alice", "bob", "alice"]), room, "oneself is understood");
}

#[test]
fn who_may_be_named_and_how_many() {
    let (mut w, nodes) = company(5, &["alice", "bob"]);
    let alice = nodes[0];
    let mut kind = |agents: &[&str]| {
        let agents = agents.iter().map(ToString::to_string).collect();
        let answer = w.command(alice, Command::OpenInstant { agents });
        answer.expect_err("refused").kind
    };
    assert_eq!(kind(&[]), FailureKind::Usage);
    assert_eq!(kind(&["alice"]), FailureKind::Usage);
    assert_eq!(kind(&["bob", "nobody"]), FailureKind::NotFound);
    let room = open(&mut w, alice, &["bob"]);
    for command in [
        Command::Permit { room: room.clone(), unit: "role:Agent".into() },
        Command::RenameRoom { room: room.clone(), name: "ours".into() },
        Command::DeleteRoom { room: room.clone() },
        Command::SetRoomActive { room: room.clone(), active: false },
    ] {
        let failure = w.command(alice, command).expect_err("nothing of it can be changed");
        assert_eq!(failure.kind, FailureKind::NotFound);
    }
}

#[test]
fn what_is_open_and_empty_is_bounded_and_forgotten() {
    let (mut w, nodes) = company(6, &["a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7"]);
    let me = nodes[0];
    let mut opened = Vec::new();
    for set in 1_u8..128 {
        let named: Vec<String> =
            (0..7).filter(|n| set & (1 << n) != 0).map(|n| format!("a{}", n + 1)).collect();
        let named: Vec<&str> = named.iter().map(String::as_str).collect();
        opened.push(open(&mut w, me, &named));
    }
    assert_eq!(instants(&w, me).len(), INSTANTS_OPENED_MAX);
    let last = opened.last().expect("some").clone();
    w.post(me, &last, "to all");
    w.agree();
    w.crash(me);
    w.start(me);
    assert_eq!(instants(&w, me).len(), 1, "what is empty does not survive");
    assert_eq!(w.texts(me, &last), ["to all"]);
}

#[test]
fn it_survives_a_restart_with_what_was_read() {
    let (mut w, nodes) = company(7, &["alice", "bob"]);
    let (alice, bob) = (nodes[0], nodes[1]);
    let room = say(&mut w, alice, &["bob"], "one");
    w.post(alice, &room, "two");
    w.agree();
    assert_eq!(instants(&w, bob)[0].unread, 2);
    assert_eq!(instants(&w, bob)[0].first_unread, Some(w.messages(bob, &room)[0].id));
    assert_eq!(instants(&w, alice)[0].unread, 0, "one's own are read");
    w.must(bob, Command::MarkRead { room: room.clone(), up_to: None });
    w.post(alice, &room, "three");
    w.agree();
    w.crash(bob);
    w.start(bob);
    let view = instants(&w, bob).remove(0);
    assert_eq!((view.unread, view.first_unread), (1, Some(w.messages(bob, &room)[2].id)));
    assert_eq!(w.texts(bob, &room), ["one", "two", "three"]);
    w.connect_all();
    w.post(bob, &room, "four");
    w.agree();
    assert_eq!(w.texts(alice, &room).len(), 4);
}

#[test]
fn the_list_changes_are_told_and_the_newest_comes_first() {
    let (mut w, nodes) = company(8, &["alice", "bob", "carol"]);
    let (alice, bob) = (nodes[0], nodes[1]);
    let told = |w: &World| {
        w.node(bob).events.iter().filter(|event| matches!(event, Event::Instants)).count()
    };
    let before = told(&w);
    let first = say(&mut w, alice, &["bob"], "one");
    w.agree();
    assert_eq!(told(&w), before + 1);
    w.run(1_000);
    let second = say(&mut w, alice, &["bob", "carol"], "two");
    w.agree();
    let order = |w: &World| -> Vec<String> {
        instants(w, bob).iter().map(|view| view.room.id.to_string()).collect()
    };
    assert_eq!(order(&w), [second.clone(), first.clone()]);
    w.run(1_000);
    w.post(bob, &first, "three");
    w.agree();
    assert_eq!(order(&w), [first, second]);
}

#[test]
fn a_dismissed_agent_loses_access_and_the_others_keep_the_history() {
    let (mut w, nodes) = company(9, &["alice", "bob", "carol"]);
    let (alice, bob, carol) = (nodes[0], nodes[1], nodes[2]);
    let room = say(&mut w, carol, &["alice", "bob"], "by carol");
    w.agree();
    w.must(
        alice,
        Command::RevokeAgent {
            agent: "carol".into(),
            device: None,
            strict: false,
            keep: Vec::new(),
            last_good: None,
            root: None,
        },
    );
    w.run(5_000);
    w.agree();
    for id in [alice, bob] {
        assert_eq!(w.texts(id, &room), ["by carol"], "sealed by those who have seen it");
        let view = instants(&w, id).remove(0);
        let gone: Vec<&str> =
            view.agents.iter().filter(|(_, here)| !here).map(|(a, _)| a.name.as_str()).collect();
        assert_eq!(gone, ["carol"]);
    }
    // What she goes on writing is taken by nobody, however it is dated.
    let keys = w.node(carol).keys();
    let room_id: RoomId = room.parse().expect("an id");
    let draft = forge::envelope(w.ledger().company, room_id, keys.device(), &[]);
    let late = forge::signed(&keys, &draft);
    let topic = w.topic(room_id);
    let token = w.inject_gossip(bob, w.node(alice).device(), topic, &late.bytes);
    w.run(3_000);
    assert_eq!(w.node(bob).verdicts.get(&token), Some(&GossipVerdict::Ignore));
    assert_eq!(w.texts(bob, &room), ["by carol"]);
    let asked = Request::List { scope: Scope::Room(room_id), lower: Bound::MIN, upper: Bound::MAX };
    w.crash(carol);
    assert_eq!(w.ask_as(bob, keys.device(), &asked), Response::Refused);
    w.post(bob, &room, "on we go");
    w.agree();
    assert_eq!(w.texts(alice, &room), ["by carol", "on we go"]);
    let alone = w.command(bob, Command::OpenInstant { agents: vec!["carol".into()] });
    assert!(alone.is_err(), "there is nobody to read it");
}

/// An `Enter` of a device in an instant room, and a text after it.
fn forged(w: &World, keys: &DeviceKeys, room: RoomId, body: &EnterBody) -> (Forged, Forged) {
    let company = w.ledger().company;
    let draft = forge::envelope(company, room, keys.device(), &[]);
    let enter = forge::signed(keys, &forge::entering(draft, body));
    let mut text = forge::envelope(company, room, keys.device(), &[(enter.id, 1)]);
    (text.seq, text.prev, text.standing) = (2, Some(enter.id), Some(enter.id));
    (enter, forge::signed(keys, &text))
}

#[test]
fn who_is_not_among_its_agents_cannot_write_read_or_learn_of_it() {
    let (mut w, nodes) = company(10, &["alice", "bob", "mallory"]);
    let (alice, bob, mallory) = (nodes[0], nodes[1], nodes[2]);
    let room = say(&mut w, alice, &["bob"], "between us");
    w.agree();
    let room_id: RoomId = room.parse().expect("an id");
    let agents = agents_of(&w, &[alice, bob]);
    let with_itself = agents_of(&w, &[alice, bob, mallory]);
    let keys = w.node(mallory).keys();
    let device = keys.device();
    let device_cert = cert(&w, mallory);
    w.crash(mallory);
    // It knows the id, and asks for all there is.
    for request in [
        Request::List { scope: Scope::Room(room_id), lower: Bound::MIN, upper: Bound::MAX },
        Request::Newest { scope: Scope::Room(room_id) },
        Request::Heads { room: room_id },
        Request::Get { scope: Scope::Waiting(room_id), ids: Vec::new() },
        // And what nobody ever heard of is refused in the same words.
        Request::Newest { scope: Scope::Room(RoomId([7; 32])) },
    ] {
        assert_eq!(w.ask_as(alice, device, &request), Response::Refused, "{request:?}");
    }
    let answer = w.ask_as(alice, device, &Request::Instants { from: RoomId::default() });
    assert_eq!(answer, Response::Instants { rooms: Vec::new(), next: None });
    // It is in no topic of theirs.
    let topic = w.topic(room_id);
    for id in [alice, bob] {
        let allowed = &w.node(id).policy().topics[&topic];
        assert_eq!(allowed.len(), 2);
        assert!(!allowed.contains(&device));
    }
    // It lists them, or itself with them, or claims the room by a list that is another's.
    let body = EnterBody::Instant { device_cert, agents: agents.clone() };
    let (enter, text) = forged(&w, &keys, room_id, &body);
    let body = EnterBody::Instant { device_cert, agents: with_itself };
    let (other, _) = forged(&w, &keys, room_id, &body);
    let from = w.node(alice).device();
    let verdict = |w: &mut World, forged: &Forged| {
        let token = w.inject_gossip(bob, from, topic, &forged.bytes);
        w.run(3_000);
        w.node(bob).verdicts[&token]
    };
    assert_eq!(verdict(&mut w, &enter), GossipVerdict::Reject);
    assert_eq!(verdict(&mut w, &other), GossipVerdict::Reject);
    assert_eq!(verdict(&mut w, &text), GossipVerdict::Reject, "its standing can never fit");
    let objects = vec![Blob(enter.bytes.clone()), Blob(text.bytes.clone())];
    let push = Request::Push { scope: Scope::Room(room_id), objects: objects.clone() };
    assert_eq!(w.ask_as(bob, device, &push), Response::Refused);
    let told = Request::Instant { agents, objects };
    assert_eq!(w.ask_as(bob, device, &told), Response::Refused);
    w.agree();
    assert_eq!(w.texts(bob, &room), ["between us"]);
}

#[test]
fn an_enter_by_another_device_of_the_company_opens_nothing() {
    let (mut w, nodes) = company(11, &["alice", "bob", "mallory"]);
    let (alice, bob, mallory) = (nodes[0], nodes[1], nodes[2]);
    let room = say(&mut w, alice, &["bob"], "one");
    w.agree();
    let room_id: RoomId = room.parse().expect("an id");
    // Alice's certificate in mallory's hand.
    let body =
        EnterBody::Instant { device_cert: cert(&w, alice), agents: agents_of(&w, &[alice, bob]) };
    let (enter, _) = forged(&w, &w.node(mallory).keys(), room_id, &body);
    let topic = w.topic(room_id);
    let token = w.inject_gossip(bob, w.node(alice).device(), topic, &enter.bytes);
    w.run(3_000);
    assert_eq!(w.node(bob).verdicts[&token], GossipVerdict::Reject);
    assert_eq!(w.texts(bob, &room), ["one"]);
}

#[test]
fn a_room_that_a_peer_tells_of_and_does_not_have_is_forgotten() {
    let (mut w, nodes) = company(12, &["alice", "bob", "carol"]);
    let (alice, bob, carol) = (nodes[0], nodes[1], nodes[2]);
    let agents = agents_of(&w, &[alice, bob, carol]);
    let device = w.node(bob).device();
    w.crash(bob);
    let told = Request::Instant { agents, objects: Vec::new() };
    assert_eq!(w.ask_as(alice, device, &told), Response::Ack);
    w.run(30_000);
    assert!(instants(&w, alice).is_empty());
    let writes = |w: &World| w.disk(alice).count(Table::State);
    let before = writes(&w);
    assert_eq!(w.ask_as(alice, device, &told), Response::Ack);
    w.run(30_000);
    assert_eq!(writes(&w), before, "nothing is written for it");
    // It is neither in the topics nor among the rooms that others hear of.
    assert_eq!(w.node(alice).policy().topics.len(), 1);
    let answer = w.ask_as(alice, device, &Request::Instants { from: RoomId::default() });
    assert_eq!(answer, Response::Instants { rooms: Vec::new(), next: None });
}

/// Rooms of two agents with others that the log does not know, and messages by one of them.
fn flood(
    w: &World,
    (victim, by): (NodeId, NodeId),
    range: std::ops::Range<u32>,
) -> Vec<(InstantAgents, Forged, Forged)> {
    let keys = w.node(by).keys();
    let device_cert = cert(w, by);
    range
        .map(|n| {
            let mut invented = [0xee; 32];
            invented[..4].copy_from_slice(&n.to_be_bytes());
            let known = [agent(w, victim), agent(w, by)];
            let agents = InstantAgents::new(known.into_iter().chain([AgentId(invented)]));
            let agents = agents.expect("three");
            let room = agents.room(w.ledger().company);
            let body = EnterBody::Instant { device_cert, agents: agents.clone() };
            let (enter, text) = forged(w, &keys, room, &body);
            (agents, enter, text)
        })
        .collect()
}

#[test]
fn one_who_starts_many_takes_no_place_from_others() {
    let (mut w, nodes) = company(13, &["alice", "bob", "mallory"]);
    let (alice, bob, mallory) = (nodes[0], nodes[1], nodes[2]);
    let over = 20;
    let most = u32::try_from(INSTANTS_PER_STARTER_MAX).expect("small");
    let rooms = flood(&w, (alice, mallory), 0..most + over);
    let device = w.node(mallory).device();
    w.crash(mallory);
    for (agents, enter, text) in &rooms {
        let objects = vec![Blob(enter.bytes.clone()), Blob(text.bytes.clone())];
        w.ask_as(alice, device, &Request::Instant { agents: agents.clone(), objects });
    }
    w.settle();
    assert_eq!(instants(&w, alice).len(), INSTANTS_PER_STARTER_MAX);
    assert!(w.refusals(alice, "instants_full") > 0);
    const { assert!(INSTANTS_PER_STARTER_MAX * 4 <= INSTANTS_OF_OTHERS_MAX) };
    // Bob is heard all the same, also with mallory, and alice can write to her.
    for others in [&["alice"][..], &["alice", "mallory"]] {
        let room = say(&mut w, bob, others, "hello");
        w.until("delivery", 1_000, |w| texts_if_any(w, alice, &room).is_some_and(|t| t.len() == 1));
    }
    let room = say(&mut w, alice, &["mallory"], "stop that");
    assert_eq!(w.texts(alice, &room), ["stop that"]);
    // Also after a start it is so.
    w.crash(alice);
    w.start(alice);
    assert_eq!(instants(&w, alice).len(), INSTANTS_PER_STARTER_MAX + 3);
}

#[test]
fn what_peers_tell_of_at_a_time_is_bounded() {
    let (w, nodes) = company(14, &["alice", "bob", "mallory"]);
    let (alice, mallory) = (nodes[0], nodes[2]);
    let rooms = flood(&w, (alice, mallory), 0..u32::try_from(INSTANTS_TOLD_MAX).expect("small"));
    let mut hand = Hand::of(&w, alice, &[]);
    let peer: DeviceId = w.node(mallory).device();
    hand.give(Input::Connected { peer });
    let mut told = |agents: &InstantAgents, n: u64| {
        let frame = Request::Instant { agents: agents.clone(), objects: Vec::new() }.encode();
        let effects = hand.give(Input::Request { peer, token: ResponseToken(n), frame });
        effects.into_iter().find_map(|effect| match effect {
            Effect::Respond { frame, .. } => Response::decode(&frame).ok(),
            _ => None,
        })
    };
    // It never answers what it is asked for.
    let answers: Vec<Response> =
        rooms.iter().zip(1..).filter_map(|((agents, ..), n)| told(agents, n)).collect();
    assert_eq!(answers.len(), INSTANTS_TOLD_MAX);
    let taken = answers.iter().filter(|answer| **answer == Response::Ack).count();
    assert_eq!(taken, INSTANTS_TOLD_PER_PEER_MAX);
    hand.give(Input::Disconnected { peer });
    assert!(hand.engine.instants().expect("a member").is_empty());
}

#[test]
fn a_new_device_gets_more_rooms_than_one_answer_names() {
    let (mut w, nodes) = company(15, &["alice", "bob", "carol"]);
    let (alice, bob, carol) = (nodes[0], nodes[1], nodes[2]);
    let many = u32::try_from(2 * INSTANTS_TOLD_PER_PEER_MAX - 7).expect("small");
    // Alice and carol are in all of them, and bob holds none.
    let rooms = flood(&w, (carol, alice), 0..many);
    w.crash(carol);
    w.crash(bob);
    let keys = w.node(alice).keys();
    for (agents, enter, text) in &rooms {
        let objects = vec![Blob(enter.bytes.clone()), Blob(text.bytes.clone())];
        let told = Request::Instant { agents: agents.clone(), objects };
        assert_eq!(w.ask_as(alice, keys.device(), &told), Response::Ack);
    }
    w.settle();
    assert_eq!(instants(&w, alice).len(), rooms.len());
    w.start(carol);
    w.connect(alice, carol);
    w.until("all of them", 20_000, |w| instants(w, carol).len() == rooms.len());
    w.agree();
    assert!(rooms.iter().all(|(_, _, text)| w.disk(carol).holds(text.id)));
}

#[test]
fn an_old_copy_that_has_forgotten_a_conversation_uses_no_number_twice() {
    let (mut w, nodes) = company(16, &["alice", "bob", "carol"]);
    let (alice, bob, carol) = (nodes[0], nodes[1], nodes[2]);
    let copy = w.disk(alice).durable();
    let room = say(&mut w, alice, &["bob"], "forgotten");
    w.agree();
    w.crash(alice);
    w.crash(bob);
    w.restore(alice, copy);
    w.start(alice);
    w.connect(alice, carol);
    w.until("no copy any more", 20_000, |w| !w.node(alice).copied);
    assert!(instants(&w, alice).is_empty());
    // Bob, who alone knows, is away. The world watches that no place is used twice.
    assert_eq!(say(&mut w, alice, &["bob"], "after"), room);
    w.start(bob);
    w.connect_all();
    w.agree();
    for id in [alice, bob] {
        let mut texts = w.texts(id, &room);
        texts.sort();
        assert_eq!(texts, ["after", "forgotten"]);
    }
}

#[test]
fn why_somebody_is_in_instant_messages_names_no_room() {
    let (mut w, nodes) = company(60, &["alice", "bob", "carol"]);
    let room = say(&mut w, nodes[1], &["carol"], "a word");
    w.agree();
    let why = |agent: &str| w.engine(nodes[1]).why_access(&room, agent).expect("bob is in it");
    let inside = why("carol");
    assert_eq!((inside.kind, inside.state.as_str()), (None, "counts"));
    assert!(inside.chain.iter().all(|link| link.kind != "room-create"), "{inside:?}");
    assert!(inside.chain.iter().any(|link| link.kind == "device-cert"), "{inside:?}");
    let outside = why("alice");
    assert_eq!((outside.kind, outside.state.as_str()), (None, "void"));
    assert!(!outside.summary.contains("deleted"), "{}", outside.summary);
}
