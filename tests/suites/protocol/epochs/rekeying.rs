//! Cases 22 (its part of keys) and 23: who begins an epoch, honestly or not.

use conclave_protocol::crypt::{EpochKey, SealingContext, SecretRng};
use conclave_protocol::epoch::{DeviceKey, EpochKeys, EpochStart, recipients_digest};
use conclave_protocol::id::ObjectId;
use conclave_protocol::limits::{EPOCH_KEYS_GIVEN_MAX, EPOCH_KEYS_GIVEN_MS, REKEY_SPACING_MS};
use conclave_protocol::object::Payload;
use conclave_protocol::sync::Scope;
use conclave_tests::world::hostile::Claim;

use super::*;
use crate::company::pen::Pen;
use crate::scene::{help, push, stand_in, team};

#[test]
fn transfer_an_unaware_re_keyers_epoch_goes_unused_once_its_author_is_informed() {
    let (mut w, alice, others) = team(1, &["bob", "carol", "xavier", "yan"]);
    let [bob, carol, xavier, yan] = others[..] else { panic!("four") };
    w.watch();
    w.post(bob, "help", "together");
    w.agree();
    // Bob and carol do not know that xavier has gone; carol re-keys because of yan.
    for id in [bob, carol, xavier] {
        w.isolate(id);
    }
    w.connect(bob, carol);
    w.connect(carol, xavier);
    w.remove_member(alice, "xavier", "department:Support");
    w.post(alice, "help", "without xavier");
    w.must(carol, Command::OpenInstant { agents: vec!["bob".into()] });
    let unaware = w.post(carol, "help", "unaware");
    w.run(3_000);
    let old = epoch_of(&w, carol, unaware);
    w.connect_all();
    w.agree_without(&[xavier]);
    for id in [carol, bob, alice, yan] {
        let informed = w.post(id, "help", "informed");
        w.settle();
        assert_ne!(epoch_of(&w, id, informed), old, "{} uses it", w.node(id).name);
    }
    let room = help(&w, alice);
    asks_everybody(&mut w, xavier, room);
    w.judge_private();
    assert!(kept(&w) > 0);
    for id in [alice, bob, carol, yan] {
        assert_eq!(w.texts(id, "help").len(), 7, "{}", w.node(id).name);
    }
}

#[test]
fn transfer_two_that_re_key_in_two_partitions_use_one_epoch_in_the_end() {
    for seed in 2..6 {
        let (mut w, alice, others) = team(seed, &["bob", "carol", "dave", "xavier"]);
        let [bob, carol, dave, xavier] = others[..] else { panic!("four") };
        w.watch();
        w.post(xavier, "help", "first");
        w.agree();
        w.remove_member(alice, "xavier", "department:Support");
        w.agree_without(&[xavier]);
        for id in [carol, dave] {
            w.isolate(id);
        }
        w.connect(carol, dave);
        w.post(bob, "help", "here");
        w.post(carol, "help", "there");
        w.run(3_000);
        w.connect_all();
        w.agree_without(&[xavier]);
        let mut used = std::collections::BTreeSet::new();
        for id in [alice, bob, carol, dave] {
            let text = w.post(id, "help", "again");
            w.settle();
            used.insert(epoch_of(&w, id, text));
        }
        assert_eq!(used.len(), 1, "seed {seed}: {used:?}");
        for id in [alice, bob, carol, dave] {
            assert_eq!(w.texts(id, "help").len(), 7, "seed {seed}: {}", w.node(id).name);
        }
        w.judge_private();
    }
}

/// A member with a hostile hand: it begins an epoch and gives `victims` another key than the rest.
fn cheats(
    w: &mut World,
    mallory: NodeId,
    at: NodeId,
    victims: &[NodeId],
    n: u8,
    after: Vec<ObjectId>,
) -> (MessageId, EpochKey) {
    let room = help(w, at);
    let (keys, company) = (w.node(mallory).keys(), w.ledger().company);
    let pen = Pen::of(w, at);
    let access = pen.log.access();
    let devices = access.devices().iter().filter(|(d, _)| access.device_has_access(**d, room));
    let devices: Vec<_> = devices.map(|(device, info)| (*device, info.cert)).collect();
    let key = EpochKey::new([n; 32]);
    let start = EpochStart {
        previous: Vec::new(),
        after,
        key_hash: key.hash(room),
        recipients: devices.len() as u32,
        recipients_digest: recipients_digest(devices.iter().map(|(device, _)| *device)),
    };
    let held = forge::all_stored(w, at, room);
    let own = held.iter().filter(|m| m.value().device == keys.device());
    let tail = own.max_by_key(|m| m.value().seq).expect("it wrote");
    let standing =
        held.iter().find(|m| m.value().device == keys.device() && m.value().standing.is_none());
    let top = held.last().expect("held");
    let mut claim = Claim {
        company,
        room,
        device: keys.device(),
        seq: tail.value().seq + 1,
        prev: Some(tail.id()),
        parents: vec![(top.id(), top.value().height)],
        lift: 0,
        kind: 18,
        standing: standing.map(|m| m.id()),
        body: start.encode(),
        claimed_time: w.now().0,
    };
    let begun = claim.sign(&keys);
    let mut rng = SecretRng::new(&[n; 32]);
    let victims: Vec<_> = victims.iter().map(|id| w.node(*id).device()).collect();
    let seal = |(device, cert): &(_, ObjectId)| {
        let sealing = match &pen.log.get(*cert).expect("held").payload {
            Payload::DeviceCert(cert) => cert.sealing,
            _ => panic!("no certificate"),
        };
        let other = EpochKey::new([n + 100; 32]);
        let key = if victims.contains(device) { &other } else { &key };
        let context = SealingContext { company, room, epoch: begun.id, device: *device };
        DeviceKey { device: *device, sealed: context.seal(sealing, key, &mut rng) }
    };
    let keys_of_all = devices.iter().map(seal).collect();
    claim.parents = vec![(begun.id, claim.height())];
    (claim.seq, claim.prev, claim.kind) = (claim.seq + 1, Some(begun.id), 19);
    claim.body = EpochKeys { epoch: begun.id, part: 0, keys: keys_of_all }.encode();
    let handed = claim.sign(&keys);
    let from = keys.device();
    for id in w.ids().filter(|id| w.is_up(*id)).collect::<Vec<_>>() {
        w.ask_as(id, from, &push(Scope::Room(room), &[&begun, &handed]));
    }
    w.settle();
    (begun.id, key)
}

#[test]
fn split_key_is_found_by_the_hash_and_re_keyed_and_all_can_read() {
    let (mut w, alice, others) = team(11, &["bob", "carol", "mallory"]);
    let [bob, carol, mallory] = others[..] else { panic!("three") };
    w.post(mallory, "help", "honest so far");
    w.agree();
    let device = stand_in(&mut w, mallory);
    for id in [alice, bob, carol] {
        w.connect_device(device, id);
    }
    let (split, key) = cheats(&mut w, mallory, alice, &[carol], 41, Vec::new());
    let room = help(&w, alice);
    forge::learn_epoch(room, split, &key);
    w.run(5_000);
    assert!(w.refusals(carol, "split_key") > 0, "carol has not noticed");
    let alarms = w.engine(carol).status().alarms;
    assert!(alarms.iter().any(|alarm| alarm.kind == "split_key"), "{alarms:?}");
    for id in [alice, bob, carol] {
        let text = w.post(id, "help", "after");
        w.settle();
        let epoch = epoch_of(&w, id, text);
        assert!(epoch != split || id != carol, "carol uses an epoch whose key she was denied");
    }
    w.run(5_000);
    for id in [alice, bob, carol] {
        let read = w.texts(id, "help");
        assert_eq!(read.len(), 4, "{} reads {read:?}", w.node(id).name);
    }
}

#[test]
fn split_key_again_and_again_makes_no_storm() {
    let (mut w, alice, others) = team(12, &["bob", "carol", "mallory"]);
    let [bob, carol, mallory] = others[..] else { panic!("three") };
    w.post(mallory, "help", "honest so far");
    w.agree();
    let device = stand_in(&mut w, mallory);
    for id in [alice, bob, carol] {
        w.connect_device(device, id);
    }
    let room = help(&w, alice);
    let before = epochs(&w, alice, room).len();
    let begun = w.now();
    for n in 1..13 {
        cheats(&mut w, mallory, alice, &[bob, carol], n, Vec::new());
        w.run(1_000);
    }
    assert!(w.refusals(bob, "split_key") > 3, "bob has not noticed");
    let honest = epochs(&w, alice, room).len() - before - 12;
    let rounds = w.now().ms_since(begun) / REKEY_SPACING_MS + 1;
    assert!(honest as u64 <= 2 * rounds, "{honest} epochs in {rounds} rounds");
    let text = w.post(bob, "help", "still here");
    w.run(5_000);
    for id in [alice, bob, carol] {
        let read = w.messages(id, "help");
        assert!(read.iter().any(|m| m.id == text), "{} cannot read", w.node(id).name);
    }
}

#[test]
fn keys_of_an_epoch_that_answers_what_a_node_does_not_know_are_not_given_by_it() {
    let (mut w, alice, others) = team(13, &["bob", "carol", "xavier"]);
    let [bob, carol, xavier] = others[..] else { panic!("three") };
    w.post(xavier, "help", "first");
    w.agree();
    for id in [carol, xavier] {
        w.isolate(id);
    }
    w.remove_member(alice, "xavier", "department:Support");
    w.settle();
    w.post(bob, "help", "without xavier");
    w.agree_without(&[carol, xavier]);
    let room = help(&w, alice);
    let fresh = epochs(&w, bob, room).pop().expect("bob began one");
    // Carol gets the room's log and not the control log.
    let held = forge::all_stored(&w, bob, room);
    let topic = w.topic(room);
    let from = w.node(bob).device();
    for message in held {
        w.inject_gossip(carol, from, topic, message.bytes());
    }
    w.run(1_000);
    assert!(epochs(&w, carol, room).contains(&fresh), "carol has not heard of it");
    assert!(w.texts(carol, "help").contains(&"without xavier".to_owned()), "she has the key");
    assert_eq!(ask(&mut w, carol, xavier, room, &[fresh]), Some(0));
    assert_eq!(ask(&mut w, carol, alice, room, &[fresh]), Some(0), "nor to anybody else");
    assert_eq!(ask(&mut w, bob, xavier, room, &[fresh]), None, "bob knows");
}

#[test]
fn nobody_writes_under_an_epoch_that_answers_what_does_not_exist() {
    let (mut w, alice, others) = team(15, &["bob", "mallory"]);
    let [bob, mallory] = others[..] else { panic!("two") };
    w.post(mallory, "help", "honest so far");
    w.agree();
    let device = stand_in(&mut w, mallory);
    for id in [alice, bob] {
        w.connect_device(device, id);
    }
    let (epoch, key) = cheats(&mut w, mallory, alice, &[], 42, vec![ObjectId([9; 32])]);
    forge::learn_epoch(help(&w, alice), epoch, &key);
    let text = w.post(bob, "help", "after");
    w.settle();
    assert_ne!(epoch_of(&w, bob, text), epoch);
    // Its key would be given to nobody who comes later.
    let fresh = w.join(alice, "erin", &["department:Support"]);
    w.connect_all();
    w.run(60_000);
    assert_eq!(w.texts(fresh, "help"), ["honest so far", "after"]);
}

#[test]
fn keys_are_given_so_often_and_no_more() {
    let (mut w, alice, others) = team(14, &["bob"]);
    let bob = others[0];
    w.post(alice, "help", "text");
    w.agree();
    let room = help(&w, alice);
    let epoch = epochs(&w, alice, room);
    let mut given = 0;
    for _ in 0..EPOCH_KEYS_GIVEN_MAX + 20 {
        given += ask(&mut w, alice, bob, room, &epoch[..1]).unwrap_or(0) as u32;
    }
    assert!(given >= EPOCH_KEYS_GIVEN_MAX, "{given}");
    let most = EPOCH_KEYS_GIVEN_MAX + 20;
    assert!(given < most, "{given} of {most}");
    w.run(EPOCH_KEYS_GIVEN_MS + 1);
    assert_eq!(ask(&mut w, alice, bob, room, &epoch[..1]), Some(1), "and then again");
}
