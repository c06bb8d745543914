//! Cases 17, 28, 31 and 33 between several engines.

use conclave_protocol::engine::{Command, GossipVerdict};
use conclave_protocol::id::{MessageId, ObjectId};
use conclave_protocol::limits::HEIGHT_MAX;
use conclave_protocol::object::Capabilities;
use conclave_protocol::sync::{Blob, Request, Scope};
use conclave_protocol::view::MessageState;
use conclave_tests::forge::{self, Forged};
use conclave_tests::world::hostile::Claim;
use conclave_tests::world::{NodeId, Options, World};

use crate::company::pen::Pen;
use crate::scene::{help, stand_in, team};

fn dismiss(agent: &str, strict: bool, keep: &[MessageId]) -> Command {
    let keep = keep.iter().map(ToString::to_string).collect();
    let (device, last_good, root) = (None, None, None);
    Command::RevokeAgent { agent: agent.into(), device, strict, keep, last_good, root }
}

fn ratify(target: &str) -> Command {
    Command::Ratify { target: target.into(), root: None }
}

/// The next message of a device on top of what a node holds.
fn next(w: &World, device: NodeId, at: NodeId, text: &str) -> Claim {
    let room = help(w, at);
    let held = forge::all_stored(w, at, room);
    let author = w.node(device).device();
    let own = held.iter().filter(|m| m.value().device == author);
    let tail = own.max_by_key(|m| m.value().seq).map(|m| (m.value().seq, m.id()));
    let top = held.last().expect("the room holds something");
    Claim {
        company: w.ledger().company,
        room,
        device: author,
        seq: tail.map_or(1, |(seq, _)| seq + 1),
        prev: tail.map(|(_, id)| id),
        parents: vec![(top.id(), top.value().height)],
        lift: 0,
        kind: 0,
        standing: Some(tail.map_or(top.id(), |(_, id)| id)),
        body: text.as_bytes().to_vec(),
        claimed_time: 1_700_000_000_000,
    }
}

#[test]
fn last_word_that_reached_only_one_member_stands_everywhere_after_its_seal() {
    for seed in 1..9 {
        let (mut w, alice, others) = team(seed, &["bob", "carol", "dave", "xavier"]);
        let [bob, carol, dave, xavier] = others[..] else { panic!("four") };
        w.post(xavier, "help", "before");
        w.agree();
        for away in [bob, xavier] {
            w.isolate(away);
        }
        w.connect(bob, xavier);
        w.remove_member(alice, "xavier", "department:Support");
        w.settle();
        w.post(xavier, "help", "the last word");
        w.settle();
        assert_eq!(w.texts(bob, "help"), ["before", "the last word"]);
        w.crash(xavier);
        if seed % 2 == 0 {
            w.options = Options { disk_ms_max: 30, ..Options::ROUGH };
        }
        w.connect(bob, carol);
        // A power cut between what bob learns and what he seals changes nothing.
        if seed % 3 == 0 {
            let pause = w.random(300);
            w.run(pause);
            w.crash_torn(bob);
            w.start(bob);
        }
        w.run(2_000);
        w.options = Options::CALM;
        w.connect_all();
        w.agree();
        for id in [alice, bob, carol, dave] {
            let shown: Vec<_> =
                w.messages(id, "help").into_iter().map(|m| (m.text, m.state)).collect();
            let vouched = |text: &str| (text.to_owned(), MessageState::Vouched);
            assert_eq!(shown, [vouched("before"), vouched("the last word")], "seed {seed}");
        }
        let fresh = w.join(alice, "erin", &["department:Support"]);
        w.connect_all();
        w.agree();
        assert_eq!(w.texts(fresh, "help"), ["before", "the last word"]);
    }
}

#[test]
fn tower_of_invented_parents_is_never_counted_and_never_at_the_bottom_of_the_screen() {
    let (mut w, alice, others) = team(1, &["bob", "mallory"]);
    let [bob, mallory] = others[..] else { panic!("two") };
    w.post(mallory, "help", "honest so far");
    w.agree();
    let room = help(&w, alice);
    let keys = w.node(mallory).keys();
    let device = stand_in(&mut w, mallory);
    for id in [alice, bob] {
        w.connect_device(device, id);
    }
    let invented = |n: u8| (ObjectId([n; 32]), (1 << 47) + u64::from(n));
    let mut lies: Vec<(Forged, Option<GossipVerdict>)> = Vec::new();
    for (parents, lift, verdict) in [
        // Beyond every bound: malformed.
        (None, (1 << 63) - 3, Some(GossipVerdict::Reject)),
        (None, HEIGHT_MAX, Some(GossipVerdict::Reject)),
        // Its parents are here and do not bear it.
        (None, 1 << 40, Some(GossipVerdict::Ignore)),
        (None, 1, Some(GossipVerdict::Ignore)),
        // Its parents are nowhere: nobody can say.
        (Some(vec![invented(1)]), 0, None),
        (Some(vec![invented(2), invented(3)]), 0, None),
    ] {
        let mut claim = next(&w, mallory, alice, &format!("tower {lift}"));
        claim.lift = lift;
        claim.parents = parents.unwrap_or(claim.parents);
        lies.push((claim.sign(&keys), verdict));
    }
    let topic = w.topic(room);
    for (lie, expected) in &lies {
        let token = w.inject_gossip(bob, device, topic, &lie.bytes);
        w.run(5_000);
        let verdict = w.node(bob).verdicts.get(&token).copied();
        match expected {
            Some(expected) => assert_eq!(verdict, Some(*expected)),
            None => assert!(verdict.is_some_and(|v| v != GossipVerdict::Reject), "{verdict:?}"),
        }
        let push =
            Request::Push { scope: Scope::Room(room), objects: vec![Blob(lie.bytes.clone())] };
        w.ask_as(alice, device, &push);
        w.puppet_mut(device).hold(Scope::Room(room), 1 << 40, &lie.bytes);
    }
    w.run(60_000);
    w.post(bob, "help", "at the bottom");
    w.run(60_000);
    for id in [alice, bob] {
        let texts = w.texts(id, "help");
        assert_eq!(texts.last().map(String::as_str), Some("at the bottom"), "{texts:?}");
        assert_eq!(texts, ["honest so far", "at the bottom"]);
        let height = w.messages(id, "help").last().map_or(0, |m| m.height);
        assert!(height < 10, "what is new stands {height} high");
        w.crash(id);
        w.start(id);
    }
    w.connect(alice, bob);
    w.run(10_000);
    assert_eq!(w.texts(alice, "help"), w.texts(bob, "help"));
    for (lie, _) in &lies {
        assert!(!w.texts(bob, "help").iter().any(|text| text.starts_with("tower")));
        assert!(forge::stored(&w, bob, lie.id).is_none(), "it is stored as if it counted");
    }
}

#[test]
fn laundering_under_an_earlier_departure_brings_back_nothing_that_is_back_dated() {
    for seed in 1..4 {
        let (mut w, alice, others) = team(seed, &["bob", "carol", "xavier", "zoe"]);
        let [bob, carol, xavier, zoe] = others[..] else { panic!("four") };
        let may = Capabilities { admins: false, ..Capabilities::ALL };
        let (agent, device, scope, root) = ("carol".to_owned(), None, None, None);
        w.must(alice, Command::GrantAdmin { agent, device, rank: 2, may, scope, root });
        w.agree();
        let good = w.post(xavier, "help", "good");
        w.agree();
        w.post(zoe, "help", "yes");
        w.agree();
        // Strictly by the senior, who lets him in again; mildly by the junior, who does too.
        w.must(alice, dismiss("xavier", true, &[good]));
        w.agree_without(&[xavier]);
        w.must(alice, ratify("agent:xavier"));
        w.agree_without(&[xavier]);
        w.must(carol, dismiss("xavier", false, &[]));
        w.agree_without(&[xavier]);
        w.must(carol, ratify("agent:xavier"));
        w.connect_all();
        w.run(20_000);
        w.agree();
        w.post(xavier, "help", "back");
        w.agree();
        for id in [alice, bob, carol, zoe] {
            assert_eq!(w.texts(id, "help"), ["good", "yes", "back"]);
        }
        // Mildly again, then strictly: a junior cannot undo that, and what is signed as if under
        // the first departure is void, whoever brings it.
        let keys = w.node(xavier).keys();
        let mut old = next(&w, xavier, alice, "back-dated");
        let first = forge::stored(&w, alice, good).expect("held");
        (old.seq, old.prev) = (first.value().seq + 1, Some(good));
        old.parents = vec![(good, first.value().height)];
        let ghost = old.sign(&keys);
        w.remove_member(carol, "xavier", "department:Support");
        w.agree_without(&[xavier]);
        w.must(alice, dismiss("xavier", true, &[good]));
        w.agree_without(&[xavier]);
        w.give(carol, ratify("agent:xavier"));
        w.add_member(carol, "xavier", "department:Support");
        w.agree_without(&[xavier]);
        let topic = w.topic(help(&w, alice));
        for id in [alice, bob, carol, zoe] {
            let from = w.node(if id == zoe { bob } else { zoe }).device();
            let token = w.inject_gossip(id, from, topic, &ghost.bytes);
            w.run(5_000);
            assert_eq!(w.node(id).verdicts.get(&token), Some(&GossipVerdict::Ignore));
        }
        w.agree_without(&[xavier]);
        for id in [alice, bob, carol, zoe] {
            assert!(!w.engine(id).agent("xavier").expect("known").active);
            assert_eq!(w.texts(id, "help"), ["good", "yes"], "at {}", w.node(id).name);
            assert!(!w.disk(id).holds(ghost.id));
        }
    }
}

/// Carol and xavier wrote one chain; xavier was then dismissed strictly, so that half of it is
/// void. Eve and frank were away: each has heard every other message of it, in no order that
/// lets it count, and only then of the dismissal.
fn chain(seed: u64, length: usize) -> (World, NodeId, [NodeId; 2]) {
    let (mut w, alice, others) = team(seed, &["carol", "xavier", "bob", "eve", "frank"]);
    let [carol, xavier, bob, eve, frank] = others[..] else { panic!("five") };
    for away in [eve, frank] {
        w.isolate(away);
    }
    for n in 0..length {
        let by = if n % 2 == 0 { carol } else { xavier };
        w.post(by, "help", &format!("m{n}"));
        w.settle();
    }
    w.must(alice, dismiss("xavier", true, &[]));
    w.agree_without(&[xavier, eve, frank]);
    let held = forge::all_stored(&w, alice, help(&w, alice));
    let chain: Vec<Forged> =
        held.iter().map(|m| Forged { id: m.id(), bytes: m.bytes().to_vec() }).collect();
    // Bob's device hands out the control log, and of the room what it is told to.
    let log = Pen::of(&w, alice).log;
    for id in w.ids().collect::<Vec<_>>() {
        w.isolate(id);
    }
    let device = stand_in(&mut w, bob);
    let topic = w.topic(help(&w, alice));
    for id in [eve, frank] {
        w.connect_device(device, id);
    }
    for (n, message) in chain.iter().enumerate() {
        let to = if n % 2 == 0 { eve } else { frank };
        w.inject_gossip(to, device, topic, &message.bytes);
    }
    w.run(1_000);
    for id in [eve, frank] {
        w.isolate(id);
    }
    for (height, id) in log.order() {
        let bytes = log.bytes(id).expect("it is there").to_vec();
        w.puppet_mut(device).hold(Scope::Control, height, &bytes);
    }
    for id in [eve, frank] {
        w.connect_device(device, id);
        w.until("the control log", 60_000, |w| {
            w.engine(id).status().control_digest == log.digest()
        });
    }
    (w, alice, [eve, frank])
}

#[test]
fn scattered_halves_of_one_chain_with_void_ancestors_become_whole_in_one_session() {
    for seed in 1..5 {
        let (mut w, alice, [eve, frank]) = chain(seed, 24);
        w.run(5_000);
        for id in [eve, frank] {
            assert!(w.texts(id, "help").len() < 2, "nothing but the first can count");
            w.isolate(id);
        }
        w.connect(eve, frank);
        // Before the slow timer: no second session helps.
        w.run(8_000);
        let whole = w.texts(alice, "help");
        assert_eq!(whole.len(), 12, "half of it is void");
        for id in [eve, frank] {
            assert_eq!(w.texts(id, "help"), whole, "seed {seed}, {}", w.node(id).name);
        }
        let digest = |id: NodeId| w.room_status(id, "help").map(|status| status.digest);
        assert_eq!(digest(eve), digest(alice));
        assert_eq!(digest(frank), digest(alice));
    }
}
