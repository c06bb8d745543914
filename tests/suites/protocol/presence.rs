//! Who is there: beacons, and what they are worth.

use std::collections::BTreeSet;

use conclave_protocol::codec;
use conclave_protocol::engine::{
    Command, Effect, Event, GossipToken, GossipVerdict, Input, RequestId, ResponseToken,
};
use conclave_protocol::id::{CompanyId, DeviceId, Topic};
use conclave_protocol::keys::DeviceKeys;
use conclave_protocol::limits::{
    BEACONS_FRAME_MAX, PRESENCE_EVERY_MS, PRESENCE_EXPIRY_MS, PRESENCE_GRACE_MS,
    PRESENCE_JITTER_MS, PRESENCE_TAKEN_MAX, PRESENCE_TAKEN_MS,
};
use conclave_protocol::object::ObjectType;
use conclave_protocol::presence::PresenceBeacon;
use conclave_protocol::signed::{Verified, peek_presence, peek_type, sign};
use conclave_protocol::sync::{AgedBeacon, Blob, Request, Response};
use conclave_protocol::time::Timestamp;
use conclave_tests::world::{NodeId, World};

use crate::scene::{Hand, team};

const YEARS: i64 = 10 * 365 * 24 * 3_600_000;

/// Whom a node shows to be there, by name.
fn present(w: &World, id: NodeId) -> BTreeSet<String> {
    let present = w.engine(id).present_agents();
    let agents = w.engine(id).agents().expect("a member");
    let there = agents.into_iter().filter(|view| present.contains(&view.agent.id));
    let there: BTreeSet<String> = there.map(|view| view.agent.name).collect();
    // What is shown of a room is the same.
    let (_, in_room) = w.engine(id).participants("help").expect("open");
    let in_room: BTreeSet<String> = in_room.into_iter().map(|agent| agent.name).collect();
    assert_eq!(there, in_room, "all of them have access to the room");
    there
}

fn sees(w: &World, id: NodeId, names: &[&str]) -> bool {
    present(w, id) == names.iter().map(ToString::to_string).collect()
}

fn all_see(w: &World, ids: &[NodeId], names: &[&str]) -> bool {
    ids.iter().all(|id| sees(w, *id, names))
}

fn presence_events(w: &World, id: NodeId) -> usize {
    let told = |event: &&Event| matches!(event, Event::Presence { .. });
    w.node(id).events.iter().filter(told).count()
}

fn beacon(
    keys: &DeviceKeys,
    device: DeviceId,
    company: CompanyId,
    issued: u64,
    online: bool,
) -> Vec<u8> {
    let issued = Timestamp(issued);
    let beacon = PresenceBeacon { version: 1, company, device, issued, online };
    sign(keys, ObjectType::Presence, company, &codec::encode(&beacon)).1
}

fn frame(beacons: &[(&[u8], u64)]) -> Request {
    let aged = |(bytes, age): &(&[u8], u64)| AgedBeacon { bytes: Blob(bytes.to_vec()), age: *age };
    Request::Presence { beacons: beacons.iter().map(aged).collect() }
}

/// What is published as a beacon among effects.
fn beacons_in(effects: &[Effect]) -> Vec<(PresenceBeacon, Vec<u8>)> {
    let published = effects.iter().filter_map(|effect| match effect {
        Effect::Publish { bytes, .. } => Some(bytes),
        _ => None,
    });
    published.filter_map(|bytes| Some((peek_presence(bytes).ok()?, bytes.clone()))).collect()
}

/// Hands a beacon in by gossip.
fn hear(hand: &mut Hand, from: DeviceId, topic: Topic, bytes: &[u8]) -> GossipVerdict {
    let token = GossipToken(7);
    let input = Input::Gossip { peer: from, token, topic, bytes: bytes.to_vec() };
    let verdict = hand.give(input).into_iter().find_map(|effect| match effect {
        Effect::Verdict { token: GossipToken(7), verdict } => Some(verdict),
        _ => None,
    });
    verdict.expect("one verdict")
}

fn later(hand: &mut Hand, ms: u64) -> Vec<Effect> {
    hand.now = hand.now.plus_ms(ms);
    hand.give(Input::Tick)
}

fn shows(hand: &Hand, name: &str) -> bool {
    let present = hand.engine.present_agents();
    let agent = hand.engine.agent(name).expect("an agent").agent;
    let (_, lines) = hand.engine.room_access("help").expect("open");
    let line = lines.into_iter().find(|line| line.agent == agent).expect("it has access");
    assert_eq!(line.present, present.contains(&agent.id));
    line.present
}

#[test]
fn everybody_is_seen_within_a_second_and_who_crashes_is_gone_after_a_grace() {
    let (mut w, alice, others) = team(1, &["bob", "carol"]);
    let [bob, carol] = others[..] else { panic!("two") };
    w.until("all", 1_000, |w| all_see(w, &[alice, bob, carol], &["alice", "bob", "carol"]));
    let events = presence_events(&w, alice);
    w.run(5 * PRESENCE_EXPIRY_MS);
    assert!(all_see(&w, &[alice, bob, carol], &["alice", "bob", "carol"]));
    assert_eq!(presence_events(&w, alice), events, "beacons that change nothing tell nothing");
    w.crash(carol);
    w.until("carol is gone", PRESENCE_GRACE_MS + 500, |w| {
        all_see(w, &[alice, bob], &["alice", "bob"])
    });
    w.run(500);
    assert_eq!(presence_events(&w, alice), events + 1);
    // Back, and known to one neighbour only: the others hear of it by way of that one.
    w.start(carol);
    assert!(sees(&w, carol, &["carol"]));
    w.connect(carol, bob);
    w.until("carol is back", 1_000, |w| {
        all_see(w, &[alice, bob, carol], &["alice", "bob", "carol"])
    });
}

#[test]
fn who_is_only_heard_by_way_of_others_expires() {
    let (mut w, alice, others) = team(2, &["bob", "carol"]);
    let [bob, carol] = others[..] else { panic!("two") };
    w.disconnect(alice, carol);
    w.run(PRESENCE_EXPIRY_MS);
    assert!(sees(&w, alice, &["alice", "bob", "carol"]), "by way of bob");
    w.crash(carol);
    w.until("bob sees it", PRESENCE_GRACE_MS + 500, |w| sees(w, bob, &["alice", "bob"]));
    // The last beacon is at most so old.
    w.run(PRESENCE_EXPIRY_MS - PRESENCE_EVERY_MS - PRESENCE_JITTER_MS - 5_000);
    assert!(sees(&w, alice, &["alice", "bob", "carol"]), "alice cannot know yet");
    w.until("it expires", PRESENCE_EVERY_MS + PRESENCE_JITTER_MS + 6_000, |w| {
        sees(w, alice, &["alice", "bob"])
    });
    // Nor does passing it on to a newcomer make it younger.
    let dave = w.join(alice, "dave", &["department:Support"]);
    w.run(1_000);
    assert!(sees(&w, dave, &["alice", "bob", "dave"]));
}

#[test]
fn a_clean_stop_is_seen_at_once_also_behind_others() {
    let (mut w, alice, others) = team(3, &["bob", "carol"]);
    let [bob, carol] = others[..] else { panic!("two") };
    w.disconnect(alice, carol);
    w.until("all", 1_000, |w| sees(w, alice, &["alice", "bob", "carol"]));
    w.input(carol, Input::Stopping);
    assert!(w.engine(carol).is_leaving());
    w.until("bob has confirmed it", 200, |w| !w.engine(carol).is_leaving());
    w.until("all know", 200, |w| all_see(w, &[alice, bob], &["alice", "bob"]));
    w.crash(carol);
    w.run(PRESENCE_EXPIRY_MS);
    assert!(all_see(&w, &[alice, bob], &["alice", "bob"]));
}

#[test]
fn a_node_that_stops_alone_waits_for_nobody_and_says_nothing_more() {
    let (w, alice, others) = team(4, &["bob"]);
    let mut hand = Hand::of(&w, alice, &[]);
    assert_eq!(beacons_in(&later(&mut hand, 1)).len(), 1);
    let said = beacons_in(&hand.give(Input::Stopping));
    assert!(!hand.engine.is_leaving());
    assert!(matches!(&said[..], [(beacon, _)] if !beacon.online));
    assert!(beacons_in(&later(&mut hand, PRESENCE_EXPIRY_MS)).is_empty());
    // With a neighbour that does not answer it waits, until that one is gone.
    let mut hand = Hand::of(&w, alice, &[]);
    later(&mut hand, 1);
    let bob = w.node(others[0]).device();
    hand.give(Input::Connected { peer: bob });
    let effects = hand.give(Input::Stopping);
    assert!(hand.engine.is_leaving());
    let asked = effects.iter().find_map(|effect| match effect {
        Effect::Send { peer, request, frame } if *peer == bob => {
            let goodbye = Request::decode(frame).ok();
            matches!(goodbye, Some(Request::Presence { .. })).then_some(*request)
        }
        _ => None,
    });
    let request: RequestId = asked.expect("a goodbye");
    hand.give(Input::Response { request, frame: Some(Response::Ack.encode()) });
    assert!(!hand.engine.is_leaving());
}

#[test]
fn a_lost_link_between_two_who_have_another_way_is_not_seen() {
    for seed in 10..20 {
        let (mut w, alice, others) = team(seed, &["bob", "carol"]);
        let [bob, carol] = others[..] else { panic!("two") };
        let everybody = ["alice", "bob", "carol"];
        w.until("all", 1_000, |w| all_see(w, &[alice, bob, carol], &everybody));
        w.run(seed * 1_777);
        let events = presence_events(&w, alice) + presence_events(&w, bob);
        w.disconnect(alice, bob);
        for _ in 0..700 {
            w.run(100);
            assert!(all_see(&w, &[alice, bob, carol], &everybody), "seed {seed}");
        }
        // Nor if it comes and goes.
        for _ in 0..20 {
            w.connect(alice, bob);
            w.run(300);
            w.disconnect(alice, bob);
            w.run(300);
            assert!(all_see(&w, &[alice, bob, carol], &everybody), "seed {seed}");
        }
        assert_eq!(presence_events(&w, alice) + presence_events(&w, bob), events);
        // Without any neighbour nobody is there, and all are back with one.
        w.isolate(alice);
        assert!(sees(&w, alice, &["alice"]), "at once");
        w.connect(alice, carol);
        w.until("back", 1_000, |w| sees(w, alice, &everybody));
    }
}

#[test]
fn old_forged_and_foreign_beacons_count_for_nothing() {
    let (w, alice, others) = team(5, &["bob", "carol"]);
    let (bobs, carols) = (w.node(others[0]).keys(), w.node(others[1]).keys());
    let (bob, carol) = (bobs.device(), carols.device());
    let (company, control) = (w.ledger().company, w.control_topic());
    let mut hand = Hand::of(&w, alice, &[]);
    hand.give(Input::Connected { peer: carol });
    let old = beacon(&bobs, bob, company, 1_000, true);
    let new = beacon(&bobs, bob, company, 2_000, true);
    assert_eq!(hear(&mut hand, carol, control, &new), GossipVerdict::Accept);
    assert!(shows(&hand, "bob"));
    later(&mut hand, PRESENCE_EXPIRY_MS - 1);
    assert!(shows(&hand, "bob"));
    // Neither it nor one before it brings him back, nor keeps him there.
    for again in [&new, &old] {
        assert_eq!(hear(&mut hand, carol, control, again), GossipVerdict::Ignore);
    }
    later(&mut hand, 1);
    assert!(!shows(&hand, "bob"));
    for again in [&new, &old] {
        assert_eq!(hear(&mut hand, carol, control, again), GossipVerdict::Ignore);
        let frame = frame(&[(again, 0)]).encode();
        hand.give(Input::Request { peer: carol, token: ResponseToken(1), frame });
    }
    assert!(!shows(&hand, "bob"));
    // By carol in his name; of another company; by nobody; with another signature.
    let stranger = DeviceKeys::new(&[9; 32], &[0; 32]);
    let elsewhere = CompanyId([5; 32]);
    let mut broken = beacon(&bobs, bob, company, 3_000, true);
    let last = broken.len() - 1;
    broken[last] ^= 1;
    for (bytes, verdict) in [
        (beacon(&carols, bob, company, 3_000, true), GossipVerdict::Reject),
        (beacon(&bobs, bob, elsewhere, 3_000, true), GossipVerdict::Reject),
        (beacon(&stranger, stranger.device(), company, 3_000, true), GossipVerdict::Ignore),
        (broken, GossipVerdict::Reject),
    ] {
        assert_eq!(hear(&mut hand, carol, control, &bytes), verdict);
        assert!(!shows(&hand, "bob"));
    }
    // On a room's topic a beacon has no place.
    let room = w.engine(alice).readable_room("help").expect("open").id;
    let topic = w.topic(room);
    let bytes = beacon(&bobs, bob, company, 4_000, true);
    let effects = hand.give(Input::Gossip { peer: carol, token: GossipToken(8), topic, bytes });
    let rejected = Effect::Verdict { token: GossipToken(8), verdict: GossipVerdict::Reject };
    assert!(effects.iter().any(|effect| format!("{effect:?}") == format!("{rejected:?}")));
    assert!(!shows(&hand, "bob"));
    // A newer one of his own does count, and one that says goodbye.
    let word = beacon(&bobs, bob, company, 3_000, true);
    assert_eq!(hear(&mut hand, carol, control, &word), GossipVerdict::Accept);
    assert!(shows(&hand, "bob"));
    let word = beacon(&bobs, bob, company, 3_001, false);
    assert_eq!(hear(&mut hand, carol, control, &word), GossipVerdict::Accept);
    assert!(!shows(&hand, "bob"));
}

#[test]
fn a_second_hand_makes_nobody_younger_and_a_restart_learns_what_is_old() {
    let (w, alice, others) = team(6, &["bob", "carol"]);
    let bobs = w.node(others[0]).keys();
    let (bob, carol) = (bobs.device(), w.node(others[1]).device());
    let (company, control) = (w.ledger().company, w.control_topic());
    let told = |hand: &mut Hand, beacons: &[(&[u8], u64)]| {
        let frame = frame(beacons).encode();
        hand.give(Input::Request { peer: carol, token: ResponseToken(1), frame });
    };
    let word = beacon(&bobs, bob, company, 5_000, true);
    let mut hand = Hand::of(&w, alice, &[]);
    hand.give(Input::Connected { peer: carol });
    told(&mut hand, &[(&word, 50_000)]);
    assert!(shows(&hand, "bob"));
    later(&mut hand, PRESENCE_EXPIRY_MS - 50_000);
    assert!(!shows(&hand, "bob"));
    // One that had expired already shows nobody, but what is older is known to be old.
    let mut hand = Hand::of(&w, alice, &[]);
    hand.give(Input::Connected { peer: carol });
    told(&mut hand, &[(&word, u64::MAX)]);
    assert!(!shows(&hand, "bob"));
    let older = beacon(&bobs, bob, company, 4_999, true);
    assert_eq!(hear(&mut hand, carol, control, &older), GossipVerdict::Ignore);
    assert!(!shows(&hand, "bob"));
    // And it passes on what it knows, with its age.
    let effects = hand.give(Input::Connected { peer: bob });
    let ages = effects.iter().find_map(|effect| match effect {
        Effect::Send { peer, frame, .. } if *peer == bob => match Request::decode(frame) {
            Ok(Request::Presence { beacons }) => Some(beacons),
            _ => None,
        },
        _ => None,
    });
    let aged = ages.expect("beacons").into_iter().find(|aged| aged.bytes.0 == word);
    assert_eq!(aged.expect("bob's").age, PRESENCE_EXPIRY_MS);
}

#[test]
fn a_flood_of_one_device_is_checked_and_passed_on_so_often_only() {
    let (w, alice, others) = team(7, &["bob", "carol"]);
    let (bobs, carols) = (w.node(others[0]).keys(), w.node(others[1]).keys());
    let (company, control) = (w.ledger().company, w.control_topic());
    let mut hand = Hand::of(&w, alice, &[]);
    hand.give(Input::Connected { peer: bobs.device() });
    let flood = |hand: &mut Hand, from: u64| {
        let taken = (from..from + 200).filter(|issued| {
            let online = issued % 2 == 0;
            let word = beacon(&bobs, bobs.device(), company, *issued, online);
            hear(hand, bobs.device(), control, &word) == GossipVerdict::Accept
        });
        taken.count()
    };
    assert_eq!(flood(&mut hand, 1_000), PRESENCE_TAKEN_MAX as usize);
    // Beyond that not even a broken signature is noticed: nothing is checked.
    let forged = beacon(&carols, bobs.device(), company, 9_000, true);
    assert_eq!(hear(&mut hand, bobs.device(), control, &forged), GossipVerdict::Ignore);
    let counted = hand.engine.status().verdicts;
    assert!(counted.contains(&("presence_flood", 200 - u64::from(PRESENCE_TAKEN_MAX) + 1)));
    // Others are heard all the same, and the user is told once.
    let word = beacon(&carols, carols.device(), company, 1, true);
    assert_eq!(hear(&mut hand, bobs.device(), control, &word), GossipVerdict::Accept);
    let told = |effect: &&Effect| matches!(effect, Effect::Event(Event::Presence { .. }));
    let effects = later(&mut hand, PRESENCE_TAKEN_MS);
    assert_eq!(effects.iter().filter(told).count(), 1);
    later(&mut hand, 1);
    assert_eq!(flood(&mut hand, 2_000), PRESENCE_TAKEN_MAX as usize);
}

#[test]
fn beacons_are_sent_about_every_twenty_seconds_and_rise_whatever_the_clock_does() {
    let (w, alice, _) = team(8, &["bob"]);
    let company = w.ledger().company;
    let mut hand = Hand::of(&w, alice, &[]);
    let mut issued = Vec::new();
    for _ in 0..3_000 {
        let effects = later(&mut hand, 100);
        for (beacon, bytes) in beacons_in(&effects) {
            assert!(Verified::<PresenceBeacon>::presence(&bytes, company).is_ok());
            assert!(beacon.online && beacon.device == hand.engine.device());
            issued.push(beacon.issued.0);
        }
    }
    assert!((12..=17).contains(&issued.len()), "{} in five minutes", issued.len());
    let gaps = issued.windows(2).map(|pair| pair[1] - pair[0]);
    let gaps: BTreeSet<u64> = gaps.collect();
    assert!(gaps.len() > 3, "with jitter: {gaps:?}");
    assert!(gaps.iter().all(|gap| (PRESENCE_EVERY_MS..=22_100).contains(gap)), "{gaps:?}");
    // The clock is set back by a year: they still rise.
    hand.now = Timestamp(hand.now.0.saturating_sub(365 * 24 * 3_600_000));
    let mut after = Vec::new();
    for _ in 0..300 {
        after.extend(beacons_in(&later(&mut hand, 100)).into_iter().map(|(b, _)| b.issued.0));
    }
    assert!(!after.is_empty() && after[0] > issued[issued.len() - 1]);
}

#[test]
fn clocks_that_are_wrong_by_years_change_nothing() {
    let (mut w, alice, others) = team(9, &["bob", "carol"]);
    let [bob, carol] = others[..] else { panic!("two") };
    let everybody = ["alice", "bob", "carol"];
    // So that ten years ago is a time.
    w.run(1);
    for (bobs, carols) in [(YEARS, -YEARS), (-YEARS, YEARS), (0, 0)] {
        w.set_clock(bob, bobs);
        w.set_clock(carol, carols);
        w.until("all", 2 * PRESENCE_EVERY_MS, |w| all_see(w, &[alice, bob, carol], &everybody));
        w.run(2 * PRESENCE_EXPIRY_MS);
        assert!(all_see(&w, &[alice, bob, carol], &everybody));
        w.crash(carol);
        w.until("carol is gone", PRESENCE_GRACE_MS + 500, |w| {
            all_see(w, &[alice, bob], &["alice", "bob"])
        });
        // With the same clock, and with one that was put right in between.
        for clock in [carols, 0] {
            w.set_clock(carol, clock);
            w.start(carol);
            w.connect_all();
            w.until("carol is back", 5_000, |w| all_see(w, &[alice, bob, carol], &everybody));
            w.run(PRESENCE_EXPIRY_MS);
            assert!(all_see(&w, &[alice, bob, carol], &everybody));
            w.crash(carol);
            w.run(PRESENCE_GRACE_MS + 500);
        }
        w.start(carol);
        w.connect_all();
    }
}

#[test]
fn who_does_not_want_to_be_seen_is_not_and_still_sees() {
    let (mut w, alice, others) = team(30, &["bob", "carol"]);
    let [bob, carol] = others[..] else { panic!("two") };
    let everybody = ["alice", "bob", "carol"];
    w.until("all", 1_000, |w| all_see(w, &[alice, bob, carol], &everybody));
    let set = |on| Command::ChangeSettings { presence: Some(on), notifications: None };
    assert!(w.engine(carol).status().presence);
    w.must(carol, set(false));
    assert!(!w.engine(carol).status().presence);
    w.until("carol is gone", 200, |w| all_see(w, &[alice, bob], &["alice", "bob"]));
    w.run(PRESENCE_EXPIRY_MS);
    assert!(sees(&w, carol, &everybody), "she sees the others, and herself");
    assert!(all_see(&w, &[alice, bob], &["alice", "bob"]));
    // Also after a start, and when somebody had not heard that she hid.
    w.crash(carol);
    w.start(carol);
    w.connect_all();
    for _ in 0..100 {
        w.run(500);
        assert!(all_see(&w, &[alice, bob], &["alice", "bob"]));
    }
    // A link that she loses is hidden from her all the same, and she says nothing when she stops.
    w.disconnect(carol, bob);
    for _ in 0..50 {
        w.run(100);
        assert!(sees(&w, carol, &everybody));
    }
    w.input(carol, Input::Stopping);
    assert!(!w.engine(carol).is_leaving());
    w.crash(carol);
    w.start(carol);
    w.connect_all();
    w.must(carol, set(true));
    w.until("carol is back", 1_000, |w| all_see(w, &[alice, bob, carol], &everybody));
}

#[test]
fn two_devices_with_one_key_do_not_drive_each_other() {
    let (w, alice, others) = team(31, &["bob"]);
    let (company, bob) = (w.ledger().company, w.node(others[0]).device());
    let control = w.control_topic();
    let keys = w.node(alice).keys();
    let mut hand = Hand::of(&w, alice, &[]);
    hand.give(Input::Connected { peer: bob });
    let mut said = beacons_in(&later(&mut hand, 1)).len();
    let mut issued = w.now().0 + 1_000_000;
    for _ in 0..100 {
        issued += 1;
        let word = beacon(&keys, keys.device(), company, issued, true);
        hear(&mut hand, bob, control, &word);
        said += beacons_in(&later(&mut hand, 1_000)).len();
    }
    assert!((4..=7).contains(&said), "{said} beacons in 100 s");
}

#[test]
fn strangers_learn_nothing_and_frames_are_bounded() {
    let (mut w, alice, others) = team(32, &["bob"]);
    let stranger = w.outsider("eve");
    let bobs = w.node(others[0]).keys();
    let word = beacon(&bobs, bobs.device(), w.ledger().company, u64::MAX, false);
    let request = frame(&[(&word, 0)]);
    assert_eq!(w.ask_as(alice, stranger.device(), &request), Response::Refused);
    w.until("bob", 1_000, |w| sees(w, alice, &["alice", "bob"]));
    let most = vec![(&word[..], 0); BEACONS_FRAME_MAX];
    assert!(Request::decode(&frame(&most).encode()).is_ok());
    let more = vec![(&word[..], 0); BEACONS_FRAME_MAX + 1];
    assert!(Request::decode(&frame(&more).encode()).is_err());
    assert_eq!(peek_type(&word), Some(ObjectType::Presence));
}
