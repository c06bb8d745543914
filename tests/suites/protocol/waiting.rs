//! Messages that cannot be judged yet: who may make a node hold them, how many, how long.

use conclave_protocol::engine::GossipVerdict;
use conclave_protocol::envelope::EnterBody;
use conclave_protocol::id::{DeviceId, ObjectId};
use conclave_protocol::keys::DeviceKeys;
use conclave_protocol::limits::{
    WAITING_BYTES_PER_PEER_MAX, WAITING_BYTES_PER_ROOM_MAX, WAITING_PER_PEER_MAX,
};
use conclave_protocol::object::ObjectType;
use conclave_protocol::room::{Held, WaitFor, Waiting};
use conclave_protocol::signed::{Trust, Verified};
use conclave_protocol::sync::Scope;
use conclave_tests::forge::{self, Forged};
use conclave_tests::world::{NodeId, World};

use crate::scene::{help, newest, push, team, unjudgeable, waiting};

/// A message by `author`, who has no way into the room, and one by `live` that follows it.
fn follows_an_outsider(w: &World, at: NodeId, author: &DeviceKeys, live: NodeId) -> [Forged; 2] {
    let (room, company) = (help(w, at), w.ledger().company);
    let (last, envelope) = newest(w, at);
    let draft = forge::envelope(company, room, author.device(), &[(last, envelope.height)]);
    let outside = forge::signed(author, &draft);
    let keys = w.node(live).keys();
    let mut draft =
        forge::envelope(company, room, keys.device(), &[(outside.id, envelope.height + 1)]);
    (draft.seq, draft.prev, draft.standing) = (9, Some(last), envelope.standing);
    draft.body = b"after a stranger".to_vec();
    [outside, forge::signed(&keys, &draft)]
}

#[test]
fn a_message_that_follows_an_outsiders_is_shown_alike_in_both_orders_of_arrival() {
    for (seed, by_gossip, certified) in
        [(1, false, false), (2, true, false), (3, false, true), (4, true, true)]
    {
        let (mut w, alice, others) = team(seed, &["mallory", "bob"]);
        let (mallory, bob) = (others[0], others[1]);
        let carol = w.join(alice, "carol", &["department:Sales"]);
        w.post(mallory, "help", "hi");
        w.agree();
        let author = if certified { w.node(carol).keys() } else { w.outsider("ghost") };
        let [outside, after] = follows_an_outsider(&w, alice, &author, mallory);
        let (room, device) = (help(&w, alice), w.node(mallory).device());
        let topic = w.topic(room);
        w.crash(mallory);
        w.crash(carol);
        w.isolate(alice);
        for (id, order) in [(alice, [&outside, &after]), (bob, [&after, &outside])] {
            let mut tokens = Vec::new();
            for forged in order {
                if by_gossip {
                    tokens.push((forged.id, w.inject_gossip(id, device, topic, &forged.bytes)));
                } else {
                    w.ask_as(id, device, &push(Scope::Room(room), &[forged]));
                }
            }
            w.run(100);
            assert_eq!(w.texts(id, "help"), ["hi", "after a stranger"], "seed {seed}");
            assert_eq!(waiting(&w, id), 0, "seed {seed}");
            for (forged, token) in tokens {
                let accepted = w.node(id).verdicts[&token] == GossipVerdict::Accept;
                assert_eq!(accepted, forged == after.id, "seed {seed}");
            }
        }
        w.connect(alice, bob);
        w.post(bob, "help", "and on");
        w.agree();
        assert_eq!(w.texts(alice, "help").len(), 3);
    }
}

#[test]
fn a_member_without_access_makes_nobody_hold_anything() {
    let (mut w, alice, _) = team(10, &["bob"]);
    let carol = w.join(alice, "carol", &["department:Sales"]);
    w.agree();
    let (room, device) = (help(&w, alice), w.node(carol).device());
    let topic = w.topic(room);
    let before = w.refusals(alice, "no_membership");
    for n in 0..50 {
        let ghost = w.outsider(&format!("ghost {n}"));
        let forged = unjudgeable(&w, room, &ghost, format!("junk {n}"));
        let token = w.inject_gossip(alice, device, topic, &forged.bytes);
        assert_eq!(w.node(alice).verdicts.get(&token), Some(&GossipVerdict::Ignore), "at once");
        // Nor one of a member of the room that follows what nobody has.
        let bob = w.node(NodeId(1)).keys();
        let unknown = (ObjectId([9; 32]), 77 + n);
        let draft = forge::envelope(w.ledger().company, room, bob.device(), &[unknown]);
        let forged = forge::signed(&bob, &draft);
        w.inject_gossip(alice, device, topic, &forged.bytes);
    }
    assert_eq!(waiting(&w, alice), 0);
    assert_eq!(w.refusals(alice, "no_membership"), before + 100);
}

/// Bob's next messages reach alice in the wrong order.
fn out_of_order(w: &mut World, alice: NodeId, bob: NodeId, count: usize, size: usize) {
    let room = help(w, alice);
    let (topic, from) = (w.topic(room), w.node(bob).device());
    w.isolate(alice);
    let texts = w.texts(alice, "help").len();
    let held = forge::all_stored(w, bob, room).len();
    for n in 0..count {
        w.post(bob, "help", &format!("{n}: {}", "x".repeat(size)));
    }
    for message in forge::all_stored(w, bob, room)[held..].iter().rev() {
        w.inject_gossip(alice, from, topic, message.bytes());
    }
    w.run(100);
    assert_eq!(w.texts(alice, "help").len(), texts + count, "out of order");
}

#[test]
fn a_member_with_access_fills_its_own_share_for_a_minute_and_others_go_on() {
    let (mut w, alice, others) = team(20, &["bob", "mallory"]);
    let (bob, mallory) = (others[0], others[1]);
    w.post(bob, "help", "first");
    w.agree();
    let (room, device) = (help(&w, alice), w.node(mallory).device());
    let topic = w.topic(room);
    w.crash(mallory);
    let over = 20;
    let junk = |w: &mut World, round: usize| {
        for n in 0..WAITING_PER_PEER_MAX + over {
            // Every hundred has a new key, and an `Enter` that nobody knows.
            let ghost = w.outsider(&format!("ghost {}", n / 100));
            let forged = unjudgeable(w, room, &ghost, format!("junk {round}/{n}"));
            w.inject_gossip(alice, device, topic, &forged.bytes);
        }
    };
    junk(&mut w, 0);
    assert_eq!(waiting(&w, alice), WAITING_PER_PEER_MAX);
    assert_eq!(w.refusals(alice, "waiting_full"), over as u64);
    out_of_order(&mut w, alice, bob, 30, 1);
    assert_eq!(waiting(&w, alice), WAITING_PER_PEER_MAX, "of honest ones nothing waits");
    // That other things change meanwhile makes them no younger.
    for n in 0..8 {
        w.run(10_000);
        w.department(alice, &format!("Department {n}"));
    }
    assert_eq!(waiting(&w, alice), 0, "forgotten");
    junk(&mut w, 1);
    assert_eq!(waiting(&w, alice), WAITING_PER_PEER_MAX, "the share is free again");
    w.connect(alice, bob);
    w.settle();
    out_of_order(&mut w, alice, bob, 30, 1);
}

#[test]
fn large_messages_fill_their_peers_share_of_bytes_and_no_more() {
    let (mut w, alice, others) = team(21, &["bob", "mallory"]);
    let (bob, mallory) = (others[0], others[1]);
    w.post(bob, "help", "first");
    w.agree();
    let (room, device) = (help(&w, alice), w.node(mallory).device());
    let topic = w.topic(room);
    w.crash(mallory);
    let ghost = w.outsider("ghost");
    let size = 16 * 1024;
    let count = WAITING_BYTES_PER_PEER_MAX / size + 10;
    for n in 0..count {
        let forged = unjudgeable(&w, room, &ghost, format!("{n:04}{}", "x".repeat(size - 4)));
        w.inject_gossip(alice, device, topic, &forged.bytes);
    }
    assert!(waiting(&w, alice) < WAITING_BYTES_PER_PEER_MAX / size);
    out_of_order(&mut w, alice, bob, 30, size - 10);
}

#[test]
fn the_bytes_that_wait_in_a_room_are_bounded() {
    let keys = conclave_tests::world::node::keys_of(&[1; 32]);
    let company = Default::default();
    let mut held = Held::default();
    let mut bytes = 0;
    for n in 0..1_500_u32 {
        let mut draft = forge::envelope(company, Default::default(), keys.device(), &[]);
        draft.body = format!("{n:04}{}", "x".repeat(16 * 1024 - 4)).into_bytes();
        let forged = forge::signed(&keys, &draft);
        let trust = Trust::StoredAs(forged.id);
        let envelope = Verified::envelope(&forged.bytes, company, trust).expect("well formed");
        let from = DeviceId([u8::try_from(n % 6).expect("small"); 32]);
        let since = Default::default();
        let one = Waiting {
            envelope,
            from,
            since,
            verdict: None,
            wait_for: WaitFor::Control,
            charged: from,
            newest_page: false,
            stored: false,
        };
        if held.insert(one).is_ok() {
            bytes += forged.bytes.len();
        }
    }
    assert!(bytes <= WAITING_BYTES_PER_ROOM_MAX && bytes > WAITING_BYTES_PER_ROOM_MAX * 9 / 10);
    let count = held.len();
    assert_eq!(held.take_for_control().len(), count);
    assert!(held.is_empty());
}

#[test]
fn a_text_under_the_newest_of_many_refused_enters_is_refused_at_once() {
    let (mut w, alice, others) = team(30, &["bob"]);
    let carol = w.join(alice, "carol", &["department:Sales"]);
    w.agree();
    let (room, company) = (help(&w, alice), w.ledger().company);
    let (topic, from) = (w.topic(room), w.node(others[0]).device());
    let keys = w.node(carol).keys();
    let log = w.engine(alice).control_log();
    let of = |kind: ObjectType| log.iter().find(|e| e.kind == kind.name()).expect("one").id;
    let body = EnterBody::Permitted {
        device_cert: of(ObjectType::DeviceCert),
        member_grants: vec![of(ObjectType::MemberGrant)],
        permit: of(ObjectType::Permit),
    };
    let enters: Vec<Forged> = (0..300)
        .map(|n| {
            let mut draft = forge::envelope(company, room, keys.device(), &[]);
            draft.claimed_time.0 = n;
            forge::signed(&keys, &forge::entering(draft, &body))
        })
        .collect();
    let under = |enter: &Forged, text: &str| {
        let mut draft = forge::envelope(company, room, keys.device(), &[(enter.id, 1)]);
        (draft.seq, draft.prev, draft.standing) = (2, Some(enter.id), Some(enter.id));
        draft.body = text.as_bytes().to_vec();
        forge::signed(&keys, &draft)
    };
    // It waits for its own `Enter`, whatever becomes of others.
    let last = enters.last().expect("many");
    let early = under(last, "early");
    let early = w.inject_gossip(alice, from, topic, &early.bytes);
    for enter in &enters[..299] {
        let token = w.inject_gossip(alice, from, topic, &enter.bytes);
        assert_eq!(w.node(alice).verdicts.get(&token), Some(&GossipVerdict::Reject));
    }
    assert!(!w.node(alice).verdicts.contains_key(&early), "it waits still");
    w.inject_gossip(alice, from, topic, &last.bytes);
    assert_eq!(w.node(alice).verdicts.get(&early), Some(&GossipVerdict::Reject));
    let late = under(last, "late");
    let token = w.inject_gossip(alice, from, topic, &late.bytes);
    assert_eq!(w.node(alice).verdicts.get(&token), Some(&GossipVerdict::Reject), "at once");
    assert_eq!(waiting(&w, alice), 0);
}
