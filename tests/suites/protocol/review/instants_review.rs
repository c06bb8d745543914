//! Instant messages and beacons against a member with a modified node.

use conclave_protocol::codec::encode;
use conclave_protocol::engine::{Command, Effect, Event, Input, Outcome, ResponseToken, Table};
use conclave_protocol::envelope::EnterBody;
use conclave_protocol::id::{AgentId, MessageId, ObjectId, RoomId};
use conclave_protocol::instant::InstantAgents;
use conclave_protocol::object::{ControlObject, ObjectType, Payload};
use conclave_protocol::presence::PresenceBeacon;
use conclave_protocol::signed::{Trust, Verified, sign};
use conclave_protocol::sync::{
    AgedBeacon, Blob, Bound, InstantSummary, Request, Response, RoomSummary, Scope,
};
use conclave_protocol::view::ControlEntry;
use conclave_tests::forge::{self, Forged};
use conclave_tests::world::{NodeId, Options, World};

use crate::scene::Hand;

/// Alice and mallory, who is no admin.
fn two(seed: u64) -> (World, NodeId, NodeId) {
    let mut w = World::new(seed, Options::CALM);
    let alice = w.found("Acme", "alice");
    let mallory = w.join(alice, "mallory", &[]);
    w.connect_all();
    w.agree();
    (w, alice, mallory)
}

fn agent(w: &World, id: NodeId) -> AgentId {
    w.engine(id).status().agent.expect("a member").id
}

/// Both, and one whom the log does not know: as many conversations as one likes.
fn agents(w: &World, alice: NodeId, mallory: NodeId, n: u8) -> InstantAgents {
    let known = [agent(w, alice), agent(w, mallory)];
    InstantAgents::new(known.into_iter().chain([AgentId([n; 32])])).expect("three")
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

/// A text of mallory that follows what nobody has.
fn orphan(w: &World, mallory: NodeId, room: RoomId) -> Forged {
    let keys = w.node(mallory).keys();
    let nowhere = (ObjectId([9; 32]), 7);
    let mut draft = forge::envelope(w.ledger().company, room, keys.device(), &[nowhere]);
    (draft.seq, draft.prev) = (2, Some(ObjectId([8; 32])));
    draft.claimed_time = w.now();
    forge::signed(&keys, &draft)
}

#[test]
fn what_waits_in_a_conversation_that_is_forgotten_leaves_nothing_on_the_disk() {
    let (w, alice, mallory) = two(1);
    let mut hand = Hand::of(&w, alice, &[]);
    let peer = w.node(mallory).device();
    for n in 1..=3 {
        hand.give(Input::Connected { peer });
        let agents = agents(&w, alice, mallory, n);
        let text = orphan(&w, mallory, agents.room(w.ledger().company));
        let frame = Request::Instant { agents, objects: vec![Blob(text.bytes)] }.encode();
        hand.give(Input::Request { peer, token: ResponseToken(u64::from(n)), frame });
        assert_eq!(hand.disk.count(Table::Waiting), 1, "it may come to count");
        hand.give(Input::Disconnected { peer });
        assert_eq!(hand.disk.count(Table::Waiting), 0, "nobody knows the room any more");
    }
}

#[test]
fn nothing_is_shown_of_a_conversation_of_which_nothing_counts() {
    let (w, alice, mallory) = two(2);
    let mut hand = Hand::of(&w, alice, &[]);
    let peer = w.node(mallory).device();
    let agents = agents(&w, alice, mallory, 1);
    let room = agents.room(w.ledger().company);
    let keys = w.node(mallory).keys();
    let body = EnterBody::Instant { device_cert: cert(&w, mallory), agents: agents.clone() };
    let draft = forge::envelope(w.ledger().company, room, keys.device(), &[]);
    let draft = forge::entering(draft, &body);
    let enter = forge::signed(&keys, &draft);
    let to = w.node(alice).keys();
    let (start, sealed) = forge::epoch(&keys, (enter.id, &draft), &[(to.device(), to.sealing())]);
    let text = orphan(&w, mallory, room);
    let summary = RoomSummary { room, count: 100_000, fingerprint: ObjectId([5; 32]) };
    let told = InstantSummary { agents: agents.clone(), waiting: None, summary };
    let mut shown: Vec<MessageId> = Vec::new();
    let mut fetched = false;
    let mut open = hand.give(Input::Connected { peer });
    while let Some(effect) = open.pop() {
        match effect {
            Effect::Event(Event::Message(view, _)) => shown.push(view.id),
            Effect::Send { request, frame, .. } => {
                let answer = match Request::decode(&frame) {
                    Ok(Request::Instants { .. }) => {
                        Response::Instants { next: None, rooms: vec![told.clone()] }
                    }
                    Ok(Request::Newest { .. }) => {
                        Response::Ids { ids: vec![Bound { height: 8, id: text.id }], more: true }
                    }
                    Ok(Request::Get { .. }) if !fetched => {
                        fetched = true;
                        let objects = vec![Blob(text.bytes.clone())];
                        Response::Objects { objects, done: 1 }
                    }
                    _ => continue,
                };
                let frame = Some(answer.encode());
                open.extend(hand.give(Input::Response { request, frame }));
            }
            _ => {}
        }
    }
    assert!(fetched, "the newest page was asked for");
    assert_eq!(shown, [], "it is in no list, and starts no conversation that counts as hers");
    assert!(hand.engine.instants().expect("a member").is_empty());
    assert_eq!(hand.disk.count(Table::Waiting), 1);
    // Once something counts the conversation is there, and the page is seen in it.
    let objects = [enter, start, sealed].map(|forged| Blob(forged.bytes)).to_vec();
    let frame = Request::Instant { agents, objects }.encode();
    for effect in hand.give(Input::Request { peer, token: ResponseToken(1), frame }) {
        if let Effect::Event(Event::Message(view, _)) = effect {
            shown.push(view.id);
        }
    }
    assert_eq!(shown, [text.id]);
    assert_eq!(hand.engine.instants().expect("a member").len(), 1);
}

#[test]
fn nobody_can_find_out_that_a_conversation_was_opened_with_them() {
    let (mut w, alice, mallory) = two(3);
    let device = w.node(mallory).device();
    let pair = InstantAgents::new([agent(&w, alice), agent(&w, mallory)]).expect("two");
    let room = pair.room(w.ledger().company);
    let text = orphan(&w, mallory, room);
    w.crash(mallory);
    let asked = |w: &mut World| -> Vec<Response> {
        [
            Request::Newest { scope: Scope::Room(room) },
            Request::Newest { scope: Scope::Waiting(room) },
            Request::List { scope: Scope::Room(room), lower: Bound::MIN, upper: Bound::MAX },
            Request::Ranges { scope: Scope::Room(room), lower: Bound::MIN, upper: Bound::MAX },
            Request::Get { scope: Scope::Room(room), ids: vec![text.id] },
            Request::Push { scope: Scope::Room(room), objects: vec![Blob(text.bytes.clone())] },
            Request::Heads { room },
        ]
        .iter()
        .map(|request| w.ask_as(alice, device, request))
        .collect()
    };
    let before = asked(&mut w);
    let opened = w.must(alice, Command::OpenInstant { agents: vec!["mallory".into()] });
    assert!(matches!(opened, Outcome::Instant(view) if view.room.id == room));
    assert_eq!(asked(&mut w), before, "the answers are those of before");
}

#[test]
fn a_frame_of_forged_beacons_costs_one_check() {
    let (mut w, alice, mallory) = two(4);
    let keys = w.node(mallory).keys();
    let (company, device) = (w.ledger().company, w.node(alice).device());
    let forged = |n: u64| {
        let issued = w.now().plus_ms(n);
        let beacon = PresenceBeacon { version: 1, company, device, issued, online: true };
        let (_, bytes) = sign(&keys, ObjectType::Presence, company, &encode(&beacon));
        AgedBeacon { bytes: Blob(bytes), age: 0 }
    };
    let beacons = (1..=100).map(forged).collect();
    w.crash(mallory);
    let before = w.refusals(alice, "bad_signature");
    w.ask_as(alice, keys.device(), &Request::Presence { beacons });
    assert_eq!(w.refusals(alice, "bad_signature") - before, 1, "an honest peer brings none");
}
