//! What strangers and members without access get: nothing.

use conclave_protocol::engine::GossipVerdict;
use conclave_protocol::envelope::EnterBody;
use conclave_protocol::id::{CompanyId, DeviceId, ObjectId, RoomId};
use conclave_protocol::object::ObjectType;
use conclave_protocol::sync::{Blob, Bound, Request, Response, Scope};
use conclave_tests::forge;
use conclave_tests::world::{NodeId, Options, World};

fn all_requests(room: RoomId, id: ObjectId, bytes: &[u8]) -> Vec<Request> {
    let (lower, upper) = (Bound::MIN, Bound::MAX);
    let mut requests = vec![Request::Summary];
    for scope in [Scope::Control, Scope::Room(room)] {
        requests.extend([
            Request::Ranges { scope, lower, upper },
            Request::List { scope, lower, upper },
            Request::Get { scope, ids: vec![id, room.into()] },
            Request::Push { scope, objects: vec![Blob(bytes.to_vec())] },
        ]);
    }
    requests.push(Request::Addresses { records: vec![Blob(bytes.to_vec())] });
    requests.push(Request::Held { room, ids: vec![id] });
    requests.push(Request::Heads { room });
    requests.push(Request::Newest { scope: Scope::Control });
    requests.push(Request::Instants { from: RoomId::default() });
    requests.push(Request::EpochKeys { room, epochs: vec![id] });
    requests
}

fn scene(seed: u64) -> (World, NodeId, NodeId, RoomId) {
    let mut w = World::new(seed, Options::CALM);
    let alice = w.found("Acme", "alice");
    w.department(alice, "Board");
    w.add_member(alice, "alice", "department:Board");
    let room = w.room(alice, "board", &["department:Board"]);
    let bob = w.join(alice, "bob", &[]);
    w.post(alice, "board", "secret");
    w.agree();
    (w, alice, bob, room)
}

#[test]
fn a_stranger_gets_refused_whatever_it_asks() {
    let (mut w, alice, bob, room) = scene(1);
    let keys = w.outsider("stranger");
    let secret = w.messages(alice, "board")[0].id;
    let forged = forge::envelope(w.ledger().company, room, keys.device(), &[]);
    let forged = forge::signed(&keys, &forged);
    for id in [alice, bob] {
        let stranger = w.puppet(&keys, id);
        let before = w.disk(id).durable();
        for request in all_requests(room, secret, &forged.bytes) {
            let response = w.ask_as(id, stranger, &request);
            assert_eq!(response, Response::Refused, "to {request:?}");
        }
        // Nothing but what anyone on the network sees of a company: its name and id.
        let nonce = ObjectId([1; 32]);
        let hello = Request::JoinHello {
            name: "eve".into(),
            sealing: nonce,
            commitment: nonce,
            lost: false,
        };
        let answer = w.ask_as(id, stranger, &hello);
        if id == alice {
            assert!(matches!(answer, Response::JoinOffer { .. }), "{answer:?}");
        } else {
            assert!(matches!(answer, Response::JoinReferral { .. }), "{answer:?}");
        }
        let wrong = w.ask_as(id, stranger, &Request::JoinReveal { nonce });
        assert!(matches!(wrong, Response::Join { .. }), "{wrong:?}");
        let poll = w.ask_as(id, stranger, &Request::JoinPoll);
        assert!(matches!(poll, Response::Join { .. }), "{poll:?}");
        let sign = Request::JoinSign { company: w.ledger().company, agent: Default::default() };
        assert_eq!(w.ask_as(id, stranger, &sign), Response::Refused);
        assert_eq!(w.disk(id).durable(), before, "a stranger left something in the store");
        assert!(w.refusals(id, "unknown_peer") >= 11);
        // Its gossip is not even looked at.
        let topic = w.topic(room);
        let token = w.inject_gossip(id, stranger, topic, &forged.bytes);
        w.settle();
        assert_eq!(w.node(id).verdicts[&token], GossipVerdict::Ignore);
    }
    // And nobody asked it anything.
    let asked = w.node(alice).sent_outside.iter().filter(|(to, _, _)| *to == keys.device());
    assert_eq!(asked.count(), 0, "a stranger was asked for something");
}

#[test]
fn nothing_that_a_stranger_gets_lets_it_name_a_topic() {
    let (mut w, alice, bob, room) = scene(5);
    let company = w.ledger().company;
    let genesis = ObjectId::from(company);
    let log = w.engine(alice).control_log();
    let bytes = log.iter().find(|e| e.id == genesis).expect("it is there").bytes.clone();
    let objects: Vec<Blob> = log.iter().map(|e| Blob(e.bytes.clone())).collect();
    let (_, body, signature) = forge::split(&bytes);
    let tells = |w: &World, frame: &[u8]| {
        let holds = |part: &[u8]| frame.windows(part.len()).any(|window| window == part);
        w.shows_salt(frame) || holds(&body) || holds(&signature.0)
    };
    // It knows the company's id and name, the room's id and who is in it, and asks for everything.
    let keys = w.outsider("stranger");
    for id in [alice, bob] {
        let stranger = w.puppet(&keys, id);
        let nonce = ObjectId([1; 32]);
        let mut requests = all_requests(room, genesis, &bytes[..100]);
        requests.extend([
            Request::Introduce { objects: objects.iter().rev().take(16).cloned().collect() },
            Request::Get { scope: Scope::Control, ids: vec![genesis] },
            Request::JoinHello {
                name: "eve".into(),
                sealing: nonce,
                commitment: nonce,
                lost: false,
            },
            Request::JoinReveal { nonce },
            Request::JoinPoll,
            Request::JoinSign { company, agent: Default::default() },
        ]);
        for request in requests {
            let answer = w.ask_as(id, stranger, &request).encode();
            assert!(!tells(&w, &answer), "the answer to {request:?} tells it");
        }
        w.settle();
        let asked = w.node(id).sent_outside.iter().filter(|(to, _, _)| *to == keys.device());
        assert!(asked.map(|(_, _, frame)| frame).all(|frame| !tells(&w, frame)));
    }
    // A member is told with the first thing that it asks.
    let get = Request::Get { scope: Scope::Control, ids: vec![genesis] };
    let device = w.node(bob).device();
    let answer = w.ask_as(alice, device, &get).encode();
    assert!(tells(&w, &answer), "what would have been seen");
}

#[test]
fn a_member_without_access_is_refused_in_every_room_and_its_pushes_are_not_kept() {
    let (mut w, alice, bob, room) = scene(2);
    let device = w.node(bob).device();
    let secret = w.messages(alice, "board")[0].id;
    let keys = w.node(bob).keys();
    let company = w.ledger().company;
    let forged = forge::signed(&keys, &forge::envelope(company, room, device, &[]));
    w.isolate(bob);
    w.crash(bob);
    let puppet = w.empty_puppet(bob);
    w.replace_by_puppet(bob, puppet);
    w.connect_device(device, alice);
    let before = w.refusals(alice, "no_membership");
    for request in all_requests(room, secret, &forged.bytes) {
        let response = w.ask_as(alice, device, &request);
        let about_room = matches!(
            &request,
            Request::Ranges { scope: Scope::Room(_), .. }
                | Request::List { scope: Scope::Room(_), .. }
                | Request::Get { scope: Scope::Room(_), .. }
                | Request::Push { scope: Scope::Room(_), .. }
                | Request::Heads { .. }
                | Request::EpochKeys { .. }
        );
        if about_room {
            assert_eq!(response, Response::Refused, "to {request:?}");
        } else {
            assert_ne!(response, Response::Refused, "to {request:?}");
        }
        if let Response::Summary { rooms, .. } = response {
            assert!(rooms.is_empty(), "the room is in the summary");
        }
    }
    // A push, and keys that were asked for.
    assert_eq!(w.refusals(alice, "no_membership"), before + 2);
    w.settle();
    assert!(!w.disk(alice).holds(forged.id));
    assert_eq!(w.texts(alice, "board"), ["secret"]);
    // A room that does not exist is no different.
    let (lower, upper) = (Bound::MIN, Bound::MAX);
    let nowhere = Scope::Room(RoomId([5; 32]));
    let answer = w.ask_as(alice, device, &Request::List { scope: nowhere, lower, upper });
    assert_eq!(answer, Response::Refused);
}

/// Ids of control objects of a type, as a member sees them.
fn ids_of(w: &World, id: NodeId, object_type: ObjectType) -> Vec<ObjectId> {
    let log = w.engine(id).control_log();
    log.into_iter().filter(|e| e.kind == object_type.name()).map(|e| e.id).collect()
}

#[test]
fn a_forged_enter_with_all_objects_present_is_rejected_at_once() {
    let (mut w, alice, bob, room) = scene(3);
    let keys = w.node(bob).keys();
    let from: DeviceId = keys.device();
    // Bob's certificate, alice's membership, the room's permit: all real, no chain for bob.
    let certs = ids_of(&w, alice, ObjectType::DeviceCert);
    let grants = ids_of(&w, alice, ObjectType::MemberGrant);
    let permits = ids_of(&w, alice, ObjectType::Permit);
    let company: CompanyId = w.ledger().company;
    let topic = w.topic(room);
    for member_grants in [Vec::new(), grants] {
        let body =
            EnterBody::Permitted { device_cert: certs[1], member_grants, permit: permits[0] };
        let draft = forge::envelope(company, room, from, &[]);
        let enter = forge::signed(&keys, &forge::entering(draft.clone(), &body));
        let before = w.refusals(alice, "no_membership");
        let token = w.inject_gossip(alice, from, topic, &enter.bytes);
        assert_eq!(w.node(alice).verdicts.get(&token), Some(&GossipVerdict::Reject), "at once");
        assert_eq!(w.refusals(alice, "no_membership"), before + 1);
        // What stands on it is rejected at once too.
        let mut text = forge::envelope(company, room, from, &[(enter.id, 1)]);
        text.standing = Some(enter.id);
        text.seq = 2;
        text.prev = Some(enter.id);
        let text = forge::signed(&keys, &text);
        let token = w.inject_gossip(alice, from, topic, &text.bytes);
        assert_eq!(w.node(alice).verdicts.get(&token), Some(&GossipVerdict::Reject));
        w.settle();
        assert!(!w.disk(alice).holds(enter.id) && !w.disk(alice).holds(text.id));
    }
    assert_eq!(w.texts(alice, "board"), ["secret"]);
}

#[test]
fn control_objects_of_members_who_are_no_admins_change_nothing() {
    use conclave_protocol::object::{AgentCert, MemberGrant, Payload};
    let (mut w, alice, bob, _) = scene(4);
    let keys = w.node(bob).keys();
    let company = w.ledger().company;
    let before = w.engine(alice).status().control_digest;
    let topic = w.control_topic();
    let log = w.engine(alice).control_log();
    let grant = log.iter().find(|e| e.kind == "admin-grant").expect("alice's");
    let unit = log.iter().find(|e| e.kind == "unit-create").expect("board");
    let agents: Vec<_> = log.iter().filter(|e| e.kind == "agent-cert").collect();
    let height = |ids: &[ObjectId]| {
        let heights = log.iter().filter(|e| ids.contains(&e.id)).map(|e| e.height);
        heights.max().unwrap_or(0) + 1
    };
    let member = Payload::MemberGrant(MemberGrant {
        agent: agents[1].id.into(),
        unit: unit.id.into(),
        overrides: Vec::new(),
    });
    let ghost = Payload::AgentCert(AgentCert { name: "ghost".into() });
    for (authority, payload) in [
        (grant.id, member.clone()),
        (company.into(), member),
        (grant.id, ghost.clone()),
        (company.into(), ghost),
    ] {
        let refs = [authority, unit.id, agents[1].id];
        let refs = if matches!(payload, Payload::AgentCert(_)) { &refs[..1] } else { &refs[..] };
        let height = if refs == [ObjectId::from(company)] { 2 } else { height(refs) };
        let forged = forge::control(&keys, company, (1, None), authority, height, payload);
        let from = w.node(bob).device();
        let void = w.refusals(alice, "no_authority");
        let token = w.inject_gossip(alice, from, topic, &forged.bytes);
        assert_eq!(w.node(alice).verdicts[&token], GossipVerdict::Ignore);
        assert_eq!(w.refusals(alice, "no_authority"), void + 1);
    }
    w.settle();
    assert_eq!(w.engine(alice).status().control_digest, before);
}
