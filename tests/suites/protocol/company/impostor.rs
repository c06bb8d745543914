//! Case 26: somebody puts a device into the CEO's name, or the CEO's device into another's.

use super::*;
use crate::scene::{help, team};
use conclave_protocol::engine::GossipVerdict;
use conclave_protocol::object::Payload;
use conclave_tests::forge;
use pen::gossip;

const AGENTS: Capabilities =
    Capabilities { units: false, agents: true, rooms: false, admins: false };

/// Alice is the CEO; mallory admits agents; bob is nobody special.
fn scene(seed: u64) -> (World, [NodeId; 4]) {
    let (mut w, alice, others) = team(seed, &["bob", "carol", "mallory"]);
    make_admin(&mut w, alice, "carol", 2, Capabilities::ALL);
    make_admin(&mut w, alice, "mallory", 3, AGENTS);
    (w, [alice, others[0], others[1], others[2]])
}

#[test]
fn impostor_of_the_ceo_is_shown_to_everybody() {
    let (mut w, [alice, bob, carol, mallory]) = scene(1);
    let evil = w.outsider("evil");
    let mut pen = Pen::of(&w, mallory);
    let ceo = pen.agent("alice");
    let cert = pen.device_cert(ceo, &evil, None);
    let cert = pen.sign(&w.node(mallory).keys(), cert);
    let from = w.node(mallory).device();
    assert_eq!(gossip(&mut w, bob, from, &[cert]), [GossipVerdict::Accept]);
    w.agree();
    for id in [alice, bob, carol, mallory] {
        let alarms = w.engine(id).status().alarms;
        assert_eq!(alarms.len(), 1, "at {}: {alarms:?}", w.node(id).name);
        assert_eq!(alarms[0].kind, "uncountersigned_device");
        assert!(alarms[0].message.contains("alice") && alarms[0].message.contains("revoke"));
        assert!(alarms[0].message.contains(&evil.device().to_string()));
    }
    // The CEO does what the alarm says.
    let command = strictly("alice", Some(evil.device()), &[]);
    foreseen(&mut w, alice, command);
    for id in [alice, bob, carol, mallory] {
        assert_eq!(alarms(&w, id), [""; 0]);
    }
    // Mallory cannot do it to her once more under the same certificate, nor bring it back.
    let failed = w.engine(mallory).preview(&ratify(evil.device()));
    let (_, preview) = failed.expect("it can be signed");
    assert!(!preview.warnings.is_empty(), "{preview:?}");
    w.post(alice, "help", "nothing happened");
    w.agree();
    all_show(&w, &[bob, carol, mallory], "help", &["nothing happened"]);
}

#[test]
fn impostor_confirmed_by_a_stranger_or_by_the_wrong_colleague_is_an_alarm_too() {
    for seed in 11..13 {
        let (mut w, [alice, bob, carol, mallory]) = scene(seed);
        let evil = w.outsider("evil");
        let helper = if seed == 11 { w.outsider("helper") } else { w.node(mallory).keys() };
        let mut pen = Pen::of(&w, mallory);
        let ceo = pen.agent("alice");
        let cert = pen.device_cert(ceo, &evil, Some(&helper));
        let cert = pen.sign(&w.node(mallory).keys(), cert);
        let from = w.node(mallory).device();
        gossip(&mut w, bob, from, &[cert]);
        w.agree();
        for id in [alice, bob, carol, mallory] {
            assert_eq!(alarms(&w, id), ["uncountersigned_device"]);
        }
    }
}

#[test]
fn impostor_an_admin_of_one_department_cannot_certify_at_all() {
    let (mut w, [alice, bob, ..]) = scene(21);
    let (agent, device) = ("bob".to_owned(), None);
    let (scope, root) = (Some("Support".to_owned()), None);
    let may = Capabilities::ALL;
    w.must(alice, Command::GrantAdmin { agent, device, rank: 2, may, scope, root });
    w.agree();
    // Not by hand.
    let pen = Pen::of(&w, bob);
    let (keys, evil) = (w.node(bob).keys(), w.outsider("evil"));
    let grant = pen.grants("bob")[0];
    let before = w.engine(alice).status().control_digest;
    let cert = pen.device_cert(pen.agent("alice"), &evil, None);
    let ghost = Payload::AgentCert(conclave_protocol::object::AgentCert { name: "ghost".into() });
    let from = w.node(bob).device();
    for payload in [cert, ghost] {
        let forged = pen.sign_after(&keys, None, grant, payload);
        assert_eq!(gossip(&mut w, alice, from, &[forged]), [GossipVerdict::Ignore]);
    }
    w.agree();
    assert_eq!(w.engine(alice).status().control_digest, before);
    // And not by the commands: newcomers are not even asked to wait for bob.
    let dave = w.newcomer("dave");
    w.connect(bob, dave);
    w.run(10_000);
    assert!(w.engine(dave).join_view().and_then(|view| view.code).is_none());
    assert_eq!(w.engine(bob).join_requests().unwrap_err().kind, FailureKind::NotAdmin);
    let (name, code, units) = ("dave".into(), "AAAA-AAAA".into(), Vec::new());
    let failed = w.command(bob, Command::Approve { name, code, units });
    assert_eq!(failed.unwrap_err().kind, FailureKind::NotAdmin);
}

#[test]
fn impostor_the_ceos_key_certified_for_another_is_live_for_neither_until_one_is_revoked() {
    for seed in 31..34 {
        let (mut w, [alice, bob, carol, mallory]) = scene(seed);
        w.post(alice, "help", "from the CEO");
        w.agree();
        w.post(bob, "help", "aye");
        w.agree();
        w.post(alice, "help", "unanswered");
        w.agree();
        // The key itself says so: the CEO was tricked into signing it.
        let ceo = w.node(alice).keys();
        let mut pen = Pen::of(&w, mallory);
        let other = pen.agent("bob");
        let cert = pen.device_cert(other, &ceo, None);
        let cert = pen.sign(&w.node(mallory).keys(), cert);
        let from = w.node(mallory).device();
        assert_eq!(gossip(&mut w, alice, from, &[cert]), [GossipVerdict::Accept]);
        // Nobody passes anything on to a key that is nobody's; the others hear from mallory.
        let cert = pen.log.bytes(pen.log.tail(from).expect("signed").1).expect("held").to_vec();
        let topic = w.control_topic();
        w.inject_gossip(carol, from, topic, &cert);
        w.settle();
        w.until("the alarm everywhere", 180_000, |w| {
            [alice, bob, carol, mallory].iter().all(|id| alarms(w, *id) == ["disputed_key"])
        });
        let alarm = &w.engine(bob).status().alarms[0];
        assert!(alarm.message.contains("alice") && alarm.message.contains("bob"));
        assert!(alarm.message.contains("live for none"), "{}", alarm.message);
        // It posts nowhere: not at its own node, not past the others.
        let send = Command::Send { room: "help".into(), text: "x".into() };
        let failed = w.command(alice, send).unwrap_err();
        assert_eq!(failed.kind, FailureKind::NoAccess);
        let room = help(&w, bob);
        let held = forge::all_stored(&w, bob, room);
        let last = held.iter().rev().find(|m| m.value().device == ceo.device()).expect("hers");
        let mut envelope = last.value().clone();
        envelope.seq += 1;
        envelope.prev = Some(last.id());
        envelope.parents = vec![last.id()];
        envelope.height += 1;
        envelope.standing = last.value().standing;
        forge::say(&mut envelope, "forged");
        let forged = forge::signed(&ceo, &envelope);
        let (carols, topic) = (w.node(carol).device(), w.topic(room));
        let token = w.inject_gossip(bob, carols, topic, &forged.bytes);
        w.settle();
        assert_eq!(w.node(bob).verdicts.get(&token), Some(&GossipVerdict::Ignore));
        // What she wrote stays, under her name.
        for id in [bob, carol, mallory] {
            let shown = w.messages(id, "help");
            let texts: Vec<&str> = shown.iter().map(|m| m.text.as_str()).collect();
            assert_eq!(texts, ["from the CEO", "aye", "unanswered"]);
            for message in [&shown[0], &shown[2]] {
                assert_eq!(message.author.name, "alice");
            }
        }
        let fresh = w.join(carol, "dave", &["department:Support"]);
        w.connect_all();
        w.until("the history at dave", 60_000, |w| w.texts(fresh, "help").len() == 3);
        assert_eq!(w.messages(fresh, "help")[0].author.name, "alice");
        // One certificate is revoked, by somebody who is live; and all is as before.
        // Not strictly: that would bar the key for both.
        let device = Some(ceo.device().to_string());
        let (agent, keep) = ("bob".to_owned(), Vec::new());
        let revoke = Command::RevokeAgent {
            agent,
            device,
            strict: false,
            keep,
            last_good: None,
            root: None,
        };
        w.must(carol, revoke);
        w.agree();
        for id in [alice, bob, carol, mallory, fresh] {
            assert_eq!(alarms(&w, id), [""; 0]);
        }
        w.post(alice, "help", "me again");
        w.agree();
        let all = ["from the CEO", "aye", "unanswered", "me again"];
        all_show(&w, &[alice, bob, carol, mallory, fresh], "help", &all);
        let authors: Vec<_> =
            w.messages(fresh, "help").into_iter().map(|m| m.author.name).collect();
        assert_eq!(authors, ["alice", "bob", "alice", "alice"]);
    }
}
