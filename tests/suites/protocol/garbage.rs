//! Bytes from nowhere: no panic, a refusal, a counter.

use conclave_protocol::engine::{GossipVerdict, Input, RequestId};
use conclave_protocol::id::{DeviceId, ObjectId, RoomId, Topic};
use conclave_protocol::sync::{Bound, JoinAnswer, Part, Request, Response, RoomSummary, Scope};
use conclave_tests::world::{NodeId, Options, World};
use proptest::prelude::*;

struct Scene {
    w: World,
    alice: NodeId,
    bob: DeviceId,
    room: RoomId,
}

fn scene() -> Scene {
    let mut w = World::new(1, Options::CALM);
    let alice = w.found("Acme", "alice");
    let room = w.room(alice, "all", &["role:Agent"]);
    let bob = w.join(alice, "bob", &[]);
    w.post(alice, "all", "one");
    w.agree();
    w.post(bob, "all", "two");
    w.agree();
    let bob = w.node(bob).device();
    Scene { w, alice, bob, room }
}

impl Scene {
    fn check(&mut self) {
        self.w.settle();
        assert_eq!(self.w.texts(self.alice, "all"), ["one", "two"]);
    }
}

/// Frames that are well formed and senseless.
fn odd_responses(room: RoomId) -> Vec<Vec<u8>> {
    let id = ObjectId([255; 32]);
    let bound = |height| Bound { height, id };
    let summary = |count| RoomSummary { room, count, fingerprint: id };
    let part = |upper, count| Part { upper, count, fingerprint: id };
    let responses = [
        Response::Refused,
        Response::Ack,
        Response::Summary {
            control: summary(u64::MAX),
            rooms: vec![summary(u64::MAX); 9],
            waiting: vec![summary(u64::MAX); 9],
        },
        Response::Parts { parts: Vec::new() },
        Response::Parts { parts: vec![part(Bound::MAX, u64::MAX)] },
        Response::Parts { parts: vec![part(Bound::MIN, 1), part(Bound::MAX, 1)] },
        Response::Parts { parts: (1..17).map(|n| part(bound(n), 300)).collect() },
        Response::Ids { ids: Vec::new(), more: true },
        Response::Ids { ids: vec![bound(u64::MAX)], more: true },
        Response::Ids { ids: vec![bound(1), bound(2)], more: true },
        Response::Objects { objects: Vec::new(), done: u64::MAX },
        Response::Objects { objects: Vec::new(), done: 1 },
        Response::Join { answer: JoinAnswer::Admitted },
    ];
    responses.iter().map(Response::encode).collect()
}

#[test]
fn senseless_answers_end_a_pull_and_nothing_else() {
    let mut s = scene();
    for frame in odd_responses(s.room) {
        // To every request of a connection, one after another.
        for wanted in [1, 3] {
            let (alice, bob) = (s.alice, s.bob);
            s.w.input(alice, Input::Disconnected { peer: bob });
            s.w.input(alice, Input::Connected { peer: bob });
            for n in 0..400 {
                let frame = if n % wanted == 0 { frame.clone() } else { Response::Ack.encode() };
                s.w.input(alice, Input::Response { request: RequestId(n), frame: Some(frame) });
            }
        }
    }
    s.check();
}

#[test]
fn a_peer_that_answers_everything_alike_is_asked_a_bounded_number_of_times() {
    for frame in odd_responses(RoomId([0; 32])) {
        let mut s = scene();
        let bob_node = s.w.ids().nth(1).expect("bob");
        s.w.crash(bob_node);
        let mut puppet = s.w.empty_puppet(bob_node);
        puppet.garbage = Some(frame.clone());
        s.w.replace_by_puppet(bob_node, puppet);
        let (bob, alice) = (s.bob, s.alice);
        s.w.connect_device(bob, alice);
        s.w.run(8_000);
        let asked = s.w.node(alice).sent_outside.len();
        assert!(asked < 200, "asked {asked} times, answered with {:?}", Response::decode(&frame));
    }
}

#[test]
fn a_peer_that_always_has_more_is_dropped_in_the_end() {
    // Every answer claims a new difference: the pull must not run in circles in no time.
    let mut s = scene();
    let bob_node = s.w.ids().nth(1).expect("bob");
    s.w.crash(bob_node);
    let mut puppet = s.w.empty_puppet(bob_node);
    let scope = Scope::Room(s.room);
    for n in 0..3_000u64 {
        let id = ObjectId(blake3_of(n));
        puppet.sets.entry(scope).or_default().insert((n / 7 + 1, id));
    }
    s.w.replace_by_puppet(bob_node, puppet);
    let (bob, alice) = (s.bob, s.alice);
    s.w.connect_device(bob, alice);
    s.w.run(8_000);
    let asked = s.w.node(alice).sent_outside.len();
    assert!(asked < 100, "asked {asked} times for what the peer does not hand out");
    s.check();
}

fn blake3_of(n: u64) -> [u8; 32] {
    let mut id = [0x5a; 32];
    id[..8].copy_from_slice(&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    id
}

/// Real bytes with a few of them changed, so that the damage goes deep.
fn bent(real: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let length = real.len();
    let changes = prop::collection::vec((0..length, any::<u8>()), 0..4);
    (changes, 0..3usize, prop::collection::vec(any::<u8>(), 0..3)).prop_map(
        move |(changes, cut, tail)| {
            let mut bytes = real.clone();
            for (at, byte) in changes {
                bytes[at] = byte;
            }
            bytes.truncate(length - cut);
            bytes.extend(tail);
            bytes
        },
    )
}

fn samples() -> Vec<Vec<u8>> {
    let id = ObjectId([7; 32]);
    let room = RoomId([8; 32]);
    let (lower, upper) = (Bound::MIN, Bound::MAX);
    let scope = Scope::Room(room);
    let mut frames: Vec<Vec<u8>> = [
        Request::Summary,
        Request::Ranges { scope, lower, upper },
        Request::List { scope: Scope::Control, lower: upper, upper: lower },
        Request::Get { scope: Scope::Control, ids: vec![id, id] },
        Request::Push { scope, objects: vec![conclave_protocol::sync::Blob(vec![1, 2])] },
        Request::Held { room, ids: vec![id] },
        Request::JoinHello { name: "x".into(), sealing: id, commitment: id, lost: false },
        Request::JoinReveal { nonce: id },
        Request::JoinPoll,
    ]
    .iter()
    .map(Request::encode)
    .collect();
    frames.extend(odd_responses(room));
    let s = scene();
    let log = s.w.engine(s.alice).control_log();
    frames.extend(log.into_iter().map(|entry| entry.bytes));
    let stored = conclave_tests::forge::all_stored(&s.w, s.alice, s.room);
    frames.extend(stored.iter().map(|message| message.bytes().to_vec()));
    frames
}

fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    let real = prop::sample::select(samples()).prop_flat_map(bent);
    prop_oneof![prop::collection::vec(any::<u8>(), 0..200), real]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 20, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn garbage_is_refused_and_counted(frames in prop::collection::vec(any_bytes(), 40)) {
        let mut s = scene();
        let stranger = s.w.outsider("stranger");
        let (alice, bob) = (s.alice, s.bob);
        let stranger = s.w.puppet(&stranger, alice);
        let topics = [s.w.topic(s.room), s.w.control_topic(), Topic([3; 32])];
        let before: u64 = s.w.engine(alice).status().verdicts.iter().map(|(_, n)| n).sum();
        for (n, bytes) in frames.iter().enumerate() {
            for topic in topics {
                let token = s.w.inject_gossip(alice, bob, topic, bytes);
                s.w.run(2_100);
                let verdict = s.w.node(alice).verdicts.get(&token).copied();
                prop_assert!(verdict.is_some());
                prop_assert_ne!(verdict, Some(GossipVerdict::Accept), "{:?}", bytes);
            }
            for peer in [bob, stranger] {
                let token = s.w.inject_request(alice, peer, bytes.clone());
                s.w.run(20);
                let frame = s.w.node(alice).responses.get(&token);
                prop_assert!(frame.is_some(), "exactly one answer");
                let response = frame.and_then(|frame| Response::decode(frame).ok());
                if Request::decode(bytes).is_err() {
                    prop_assert_eq!(response, Some(Response::Refused));
                }
            }
            let request = RequestId(n as u64);
            s.w.input(alice, Input::Response { request, frame: Some(bytes.clone()) });
        }
        let after: u64 = s.w.engine(alice).status().verdicts.iter().map(|(_, n)| n).sum();
        prop_assert!(after > before);
        s.check();
    }
}
