//! Bounds on what peers may send: frames, lists, names, control objects that wait.

use conclave_protocol::engine::{Command, FailureKind};
use conclave_protocol::id::{DeviceId, ObjectId};
use conclave_protocol::limits::{
    FRAME_BYTES_MAX, IDS_FRAME_MAX, PARKED_CONTROL_MAX, STRANGER_FRAME_BYTES_MAX,
};
use conclave_protocol::name::{NameError, check_name, normalize_name};
use conclave_protocol::object::{Payload, UnitCreate, UnitKind};
use conclave_protocol::sync::{Blob, FrameError, Request, Response, Scope};
use conclave_tests::forge::{self, Forged};
use conclave_tests::world::node::keys_of;
use conclave_tests::world::{NodeId, World};

use crate::scene::{push, sent_to, stand_in, team};

/// A sound object but for the authority it cites, which nobody has.
fn dangling(w: &World, n: u64) -> Forged {
    let seed = blake3::derive_key("conclave tests random author", &n.to_be_bytes());
    let name = format!("Department {n}");
    let unit = UnitCreate { kind: UnitKind::Department, parent: None, name };
    let company = w.ledger().company;
    let (place, nowhere) = ((1, None), ObjectId(seed));
    forge::control(&keys_of(&seed), company, place, nowhere, 9, Payload::UnitCreate(unit))
}

/// How often a puppet was asked for the control log, or a part of it.
fn control_pulls(w: &World, from: NodeId, to: DeviceId) -> usize {
    let asked = sent_to(w, from, to).into_iter().filter(|request| {
        matches!(
            request,
            Request::List { scope: Scope::Control, .. }
                | Request::Ranges { scope: Scope::Control, .. }
        )
    });
    asked.count()
}

#[test]
fn control_objects_of_authors_nobody_knows_leave_room_for_others() {
    let (mut w, alice, others) = team(1, &["bob", "mallory"]);
    let (bob, mallory) = (others[0], others[1]);
    // Bob misses two objects of alice's, of which the second refers to the first.
    w.isolate(bob);
    w.department(alice, "One");
    w.department(alice, "Two");
    w.settle();
    let log = w.engine(alice).control_log();
    let [one, two] = [2, 1].map(|n| {
        let entry = &log[log.len() - n];
        Forged { id: entry.id, bytes: entry.bytes.clone() }
    });
    let device = stand_in(&mut w, mallory);
    w.connect_device(device, bob);
    w.settle();
    let count = PARKED_CONTROL_MAX as u64 + 904;
    let junk: Vec<Forged> = (0..count).map(|n| dangling(&w, n)).collect();
    for chunk in junk.chunks(500) {
        let chunk: Vec<&Forged> = chunk.iter().collect();
        assert_eq!(w.ask_as(bob, device, &push(Scope::Control, &chunk)), Response::Ack);
    }
    assert_eq!(w.refusals(bob, "parked_full"), 0);
    w.settle();
    // What cannot wait, or is here, is no reason to ask for anything.
    let before = control_pulls(&w, bob, device);
    assert!(before > 0, "what waits is asked for");
    let known = Forged { id: log[0].id, bytes: log[0].bytes.clone() };
    let newest = junk.last().expect("many");
    for forged in [&known, newest, &Forged { id: known.id, bytes: b"junk".to_vec() }] {
        w.ask_as(bob, device, &push(Scope::Control, &[forged]));
    }
    w.run(1_000);
    assert_eq!(control_pulls(&w, bob, device), before);
    // In the wrong order, and both count.
    let held = w.engine(bob).control_log().len();
    w.ask_as(bob, device, &push(Scope::Control, &[&two]));
    assert_eq!(w.engine(bob).control_log().len(), held);
    w.ask_as(bob, device, &push(Scope::Control, &[&one]));
    assert_eq!(w.engine(bob).control_log().len(), held + 2);
    w.isolate(bob);
    w.connect(alice, bob);
    w.agree();
}

#[test]
fn a_long_frame_of_a_stranger_is_refused_unread() {
    let (mut w, alice, _) = team(2, &["bob"]);
    let keys = w.outsider("stranger");
    let stranger = w.puppet(&keys, alice);
    let of_length = |length: usize| {
        let frame = |bytes: usize| {
            let records = vec![Blob(vec![7; bytes])];
            Request::Addresses { records }.encode()
        };
        let spare = length - 200;
        let frame = frame(spare + 200 - (frame(spare).len() - spare));
        assert_eq!(frame.len(), length);
        frame
    };
    let mut refused = |frame: Vec<u8>| {
        let before = ["malformed", "unknown_peer"].map(|reason| w.refusals(alice, reason));
        let token = w.inject_request(alice, stranger, frame);
        w.run(10);
        let response = Response::decode(&w.node(alice).responses[&token]);
        assert_eq!(response, Ok(Response::Refused));
        let after = ["malformed", "unknown_peer"].map(|reason| w.refusals(alice, reason));
        [after[0] - before[0], after[1] - before[1]]
    };
    assert_eq!(refused(of_length(STRANGER_FRAME_BYTES_MAX)), [0, 1], "read, and not allowed");
    assert_eq!(refused(of_length(STRANGER_FRAME_BYTES_MAX + 1)), [1, 0], "not read");
    assert_eq!(refused(of_length(FRAME_BYTES_MAX)), [1, 0]);
    // The longest that a newcomer has to say fits.
    let id = ObjectId([255; 32]);
    let name = "\u{10ffff}".repeat(64);
    let hello = Request::JoinHello { name, sealing: id, commitment: id, lost: false }.encode();
    assert!(hello.len() <= STRANGER_FRAME_BYTES_MAX);
}

#[test]
fn longer_lists_than_the_bound_are_refused() {
    let blobs = |count| vec![Blob(vec![1]); count];
    for scope in [Scope::Control, Scope::Room(Default::default())] {
        let push = |count| Request::Push { scope, objects: blobs(count) }.encode();
        assert!(Request::decode(&push(IDS_FRAME_MAX)).is_ok());
        assert_eq!(Request::decode(&push(IDS_FRAME_MAX + 1)), Err(FrameError::TooLong));
    }
    let answer = |count| Response::Objects { objects: blobs(count), done: 1 }.encode();
    assert!(Response::decode(&answer(IDS_FRAME_MAX)).is_ok());
    assert_eq!(Response::decode(&answer(IDS_FRAME_MAX + 1)), Err(FrameError::TooLong));
    // And by an engine, from a member.
    let (mut w, alice, others) = team(3, &["bob"]);
    let bob = w.node(others[0]).device();
    let before = w.refusals(alice, "malformed");
    let push = Request::Push { scope: Scope::Control, objects: blobs(IDS_FRAME_MAX + 1) };
    assert_eq!(w.ask_as(alice, bob, &push), Response::Refused);
    assert_eq!(w.refusals(alice, "malformed"), before + 1, "once, not once for each");
}

#[test]
fn names_with_characters_that_cannot_be_seen_are_refused() {
    let (mut w, alice, _) = team(4, &[]);
    let before = w.engine(alice).status().control_digest;
    for hidden in ['\u{200b}', '\u{2060}', '\u{feff}', '\u{ad}', '\u{61c}', '\u{2063}'] {
        for name in [format!("Sup{hidden}port"), format!("Support{hidden}"), hidden.to_string()] {
            assert_eq!(check_name(&name), Err(NameError::Control), "{name:?}");
            assert_eq!(normalize_name(&name), Err(NameError::Control), "{name:?}");
            let kind = UnitKind::Department;
            let failed = w.command(alice, Command::NewUnit { kind, name, department: None });
            assert_eq!(failed.expect_err("hidden").kind, FailureKind::Usage);
        }
    }
    assert_eq!(w.engine(alice).status().control_digest, before);
    // Scripts need these.
    for name in
        ["\u{646}\u{627}\u{645}\u{647}\u{200c}\u{627}\u{6cc}", "\u{915}\u{94d}\u{200d}\u{937}"]
    {
        assert_eq!(check_name(name), Ok(()));
    }
}
