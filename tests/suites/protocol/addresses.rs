//! Address records: learnt and passed on, however often a device changes its own.

use std::collections::{BTreeMap, BTreeSet};

use conclave_protocol::address::AddressRecord;
use conclave_protocol::engine::{Effect, Input, ResponseToken, Table};
use conclave_protocol::id::{AgentId, DeviceId};
use conclave_protocol::keys::{DeviceKeys, device_statement};
use conclave_protocol::limits::{ADDRESS_CHANGES_MAX, ADDRESS_CHANGES_MS, FRAME_BYTES_MAX};
use conclave_protocol::object::{AgentCert, DeviceCert, ObjectType, Payload, SignatureBytes};
use conclave_protocol::signed::{Trust, Verified, sign};
use conclave_protocol::sync::{Blob, Request};
use conclave_protocol::time::Timestamp;
use conclave_tests::forge;
use conclave_tests::world::node::keys_of;
use conclave_tests::world::{NodeId, World};

use crate::scene::{Hand, Row, team};

fn record(w: &World, keys: &DeviceKeys, issued: u64, addresses: &[String]) -> Blob {
    let company = w.ledger().company;
    let record = AddressRecord {
        version: 1,
        company,
        device: keys.device(),
        issued: Timestamp(issued),
        addresses: addresses.to_vec(),
    };
    let body = conclave_protocol::codec::encode(&record);
    Blob(sign(keys, ObjectType::AddressRecord, company, &body).1)
}

fn port(n: u64) -> Vec<String> {
    vec![format!("/ip4/10.0.0.1/tcp/{n}")]
}

/// An engine with alice's disk, connected with bob and carol.
fn hand(w: &World, alice: NodeId, peers: &[NodeId]) -> Hand {
    let mut hand = Hand::of(w, alice, &[]);
    for peer in peers {
        hand.give(Input::Connected { peer: w.node(*peer).device() });
    }
    hand
}

fn hear(hand: &mut Hand, peer: DeviceId, records: Vec<Blob>) -> Vec<Effect> {
    let frame = Request::Addresses { records }.encode();
    hand.give(Input::Request { peer, token: ResponseToken(1), frame })
}

/// Address records that were sent to a device, frame by frame.
fn told(effects: &[Effect], to: DeviceId) -> Vec<Vec<Blob>> {
    let frames = effects.iter().filter_map(|effect| match effect {
        Effect::Send { peer, frame, .. } if *peer == to => {
            assert!(frame.len() <= FRAME_BYTES_MAX, "{} bytes in a frame", frame.len());
            Request::decode(frame).ok()
        }
        _ => None,
    });
    let records = frames.filter_map(|request| match request {
        Request::Addresses { records } => Some(records),
        _ => None,
    });
    records.collect()
}

/// What the node would dial, after all of this.
fn learnt(effects: &[Effect], of: DeviceId) -> Option<Vec<String>> {
    let mut known: BTreeMap<DeviceId, Vec<String>> = BTreeMap::new();
    for effect in effects {
        if let Effect::Addresses { peer, addresses } = effect {
            known.insert(*peer, addresses.clone());
        }
    }
    known.remove(&of)
}

#[test]
fn a_flood_of_changes_costs_little_and_the_newest_is_learnt_in_the_end() {
    let (w, alice, others) = team(1, &["bob", "carol"]);
    let mut hand = hand(&w, alice, &others);
    let (keys, carol) = (w.node(others[0]).keys(), w.node(others[1]).device());
    let bob = keys.device();
    let most = usize::try_from(ADDRESS_CHANGES_MAX).expect("small");
    let mut last = 0;
    for round in 0..3 {
        // 60 in one frame and 60 one by one, all within a second.
        let now = hand.now.0;
        let some = |from: u64| (from..from + 60).map(|n| record(&w, &keys, now + n, &port(n)));
        let mut effects = hear(&mut hand, bob, some(1).collect());
        for one in some(61) {
            hand.now = hand.now.plus_ms(10);
            effects.extend(hear(&mut hand, bob, vec![one]));
        }
        last = 120;
        assert!(told(&effects, carol).len() <= most, "round {round}");
        assert!(told(&effects, bob).is_empty());
        let writes = std::mem::take(&mut hand.writes);
        assert!(writes.len() <= most, "{} writes in round {round}", writes.len());
        // When it is quiet again, what came last is learnt and passed on, once.
        hand.now = hand.now.plus_ms(ADDRESS_CHANGES_MS + 6_000);
        let mut effects = hand.give(Input::Tick);
        hand.now = hand.now.plus_ms(ADDRESS_CHANGES_MS + 6_000);
        effects.extend(hand.give(Input::Tick));
        assert_eq!(learnt(&effects, bob), Some(port(last)), "round {round}");
        assert_eq!(told(&effects, carol).len(), 1, "round {round}");
        hand.writes.clear();
    }
    // A change after that is learnt at once.
    let fresh = record(&w, &keys, hand.now.0 + 1_000, &port(last + 1));
    let effects = hear(&mut hand, bob, vec![fresh]);
    assert_eq!(learnt(&effects, bob), Some(port(last + 1)));
    assert_eq!(told(&effects, carol).len(), 1);
}

#[test]
fn what_says_nothing_new_is_neither_written_nor_passed_on() {
    let (w, alice, others) = team(2, &["bob", "carol"]);
    let mut hand = hand(&w, alice, &others);
    let (keys, carol) = (w.node(others[0]).keys(), w.node(others[1]).device());
    let bob = keys.device();
    let now = hand.now.0;
    let effects = hear(&mut hand, bob, vec![record(&w, &keys, now, &port(1))]);
    assert_eq!((told(&effects, carol).len(), hand.writes.len()), (1, 1));
    hand.writes.clear();
    for n in 1..100 {
        let effects = hear(&mut hand, bob, vec![record(&w, &keys, now + 10 * n, &port(1))]);
        assert!(told(&effects, carol).is_empty() && hand.writes.is_empty());
    }
    // But it was said later than this, which arrives now.
    let effects = hear(&mut hand, carol, vec![record(&w, &keys, now + 500, &port(2))]);
    assert_eq!(learnt(&effects, bob), None);
    // A real change is still learnt, and nothing has been held against the device.
    let effects = hear(&mut hand, bob, vec![record(&w, &keys, now + 2_000, &port(3))]);
    assert_eq!(learnt(&effects, bob), Some(port(3)));
    assert_eq!((told(&effects, carol).len(), hand.writes.len()), (1, 1));
}

/// Control rows that certify 90 devices, and their keys.
fn crowd(w: &World, alice: NodeId) -> (Vec<Row>, Vec<DeviceKeys>) {
    let (company, keys) = (w.ledger().company, w.node(alice).keys());
    let log = w.engine(alice).control_log();
    let grant = log.iter().find(|e| e.kind == "admin-grant").expect("alice's").id;
    let ours = log.iter().filter(|e| e.author == keys.device());
    let tail = ours.max_by_key(|e| e.height).expect("alice wrote");
    let place = Verified::control(&tail.bytes, company, Trust::Nothing);
    let mut seq = place.expect("sound").value().header.seq;
    let (mut prev, mut height) = (tail.id, tail.height);
    let (mut rows, mut devices) = (Vec::new(), Vec::new());
    let mut keep = |payload: Payload| {
        (seq, height) = (seq + 1, height + 1);
        let made = forge::control(&keys, company, (seq, Some(prev)), grant, height, payload);
        rows.push((Table::Control, made.id.0.to_vec(), made.bytes));
        prev = made.id;
        made.id
    };
    for n in 0..90_u8 {
        let newcomer = keys_of(&[n + 1; 32]);
        let agent = AgentId::from(keep(Payload::AgentCert(AgentCert { name: format!("a{n}") })));
        let (device, sealing) = (newcomer.device(), newcomer.sealing());
        let statement = device_statement(company, agent, device, sealing);
        let proof = SignatureBytes(newcomer.sign(&statement));
        let countersignature = None;
        let cert = DeviceCert { agent, device, sealing, countersignature, proof };
        keep(Payload::DeviceCert(cert));
        devices.push(newcomer);
    }
    (rows, devices)
}

#[test]
fn records_that_exceed_a_frame_together_are_told_in_several() {
    let (w, alice, others) = team(3, &["bob", "carol"]);
    let (rows, devices) = crowd(&w, alice);
    let mut hand = Hand::of(&w, alice, &rows);
    let (bob, carol) = (w.node(others[0]).device(), w.node(others[1]).device());
    hand.give(Input::Connected { peer: bob });
    let long: Vec<String> = (0..16).map(|n| format!("/dns/{}/tcp/{n}", "x".repeat(240))).collect();
    let records: Vec<Blob> = devices.iter().map(|keys| record(&w, keys, 1, &long)).collect();
    assert!(records.iter().map(|r| r.0.len()).sum::<usize>() > FRAME_BYTES_MAX);
    for chunk in records.chunks(50) {
        let effects = hear(&mut hand, bob, chunk.to_vec());
        assert!(chunk.len() <= effects.len(), "each is to be dialled");
    }
    let effects = hand.give(Input::Connected { peer: carol });
    let frames = told(&effects, carol);
    assert!(frames.len() > 1);
    let told: BTreeSet<Vec<u8>> = frames.into_iter().flatten().map(|blob| blob.0).collect();
    assert!(records.iter().all(|record| told.contains(&record.0)));
}
