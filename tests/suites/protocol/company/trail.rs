//! The audit trail, and why something counts or does not: for objects and for messages.

use super::*;
use crate::scene::{stand_in, team};
use conclave_protocol::object::{Payload, UnitCreate};
use conclave_protocol::sync::Scope;
use conclave_tests::forge;
use pen::gossip;

#[test]
fn the_trail_tells_who_did_what_and_what_became_of_it() {
    let (mut w, alice, others) = team(1, &["bob", "carol"]);
    let [bob, carol] = others[..] else { panic!("two") };
    make_admin(&mut w, alice, "bob", 2, Capabilities::ALL);
    w.group(bob, "Support", "Good");
    w.agree();
    let device = w.node(bob).device();
    let (_, last_good) = Pen::of(&w, alice).log.tail(device).expect("it signed");
    w.group(bob, "Support", "Bad");
    w.agree();
    let cut = match w.must(alice, revoke_admin("bob", Some(last_good))) {
        Outcome::Signed { objects, subject, .. } => {
            assert_eq!(subject, "bob");
            objects[0]
        }
        other => panic!("{other:?}"),
    };
    w.agree();
    for id in [alice, bob, carol] {
        let (lines, next) = w.engine(id).audit(0, 1_000).expect("a member");
        assert_eq!(next, lines.len() as u64);
        let find = |text: &str| lines.iter().find(|l| l.text.contains(text)).expect("in the trail");
        let good = find("makes the Group Good");
        assert_eq!((good.state, good.rank, good.ratify), ("counts", Some(2), None));
        assert_eq!(good.agent.as_ref().map(|a| a.name.as_str()), Some("bob"));
        let bad = find("makes the Group Bad");
        assert_eq!((bad.state, bad.rank, bad.ratify), ("void", None, Some(bad.id)));
        assert_eq!(bad.cut_by, [cut]);
        assert_eq!(find("founds the company").agent, None, "the root");
        assert!(lines.iter().any(|l| l.id == cut && l.text == "ends bob's authority of rank 2"));
        // Page by page it is the same.
        let (mut paged, mut from) = (Vec::new(), 0);
        loop {
            let (page, next) = w.engine(id).audit(from, 4).expect("a member");
            if page.is_empty() {
                break;
            }
            paged.extend(page);
            from = next;
        }
        assert_eq!(paged, lines);
        // Why, link by link.
        let why = w.engine(id).why(&bad.id.to_string()).expect("a member");
        assert_eq!((why.state.as_str(), why.failing), ("void", Some(bad.id)));
        assert_eq!((why.cut_by, why.ratify), (vec![cut], Some(bad.id)));
        assert!(why.summary.contains("ends bob's authority"), "{}", why.summary);
        let kinds: Vec<_> = why.chain.iter().map(|link| (link.kind, link.holds)).collect();
        let by = ("admin-grant", true);
        assert_eq!(kinds, [("unit-create", false), by, by, ("genesis", true)]);
        // The grant counted, and was ended.
        let grant = why.chain[1].id;
        let why = w.engine(id).why(&grant.to_string()).expect("a member");
        assert_eq!((why.state.as_str(), why.ended_by), ("counts", vec![cut]));
        assert!(why.summary.contains("was ended by"), "{}", why.summary);
        let admins = w.engine(id).admins().expect("a member");
        let last = admins.last().expect("bob");
        assert_eq!((last.in_force, last.grant, &last.ended_by), (false, grant, &vec![cut]));
        // What is nobody's, and what is no id.
        let failed = w.engine(id).why(&ObjectId([9; 32]).to_string()).unwrap_err();
        assert_eq!(failed.kind, FailureKind::NotFound);
        assert_eq!(w.engine(id).why("help").unwrap_err().kind, FailureKind::Usage);
    }
    // Ratified, it stands by alice.
    let bad = Pen::of(&w, alice).log.tail(device).expect("it signed").1;
    foreseen(&mut w, alice, ratify(bad));
    for id in [alice, bob, carol] {
        let why = w.engine(id).why(&bad.to_string()).expect("a member");
        assert_eq!(why.state, "counts");
        let kinds: Vec<_> = why.chain.iter().map(|link| link.kind).collect();
        assert_eq!(kinds, ["unit-create", "ratify", "admin-grant", "genesis"]);
        assert!(why.chain[0].text.contains("was ratified"), "{}", why.chain[0].text);
    }
}

#[test]
fn the_trail_knows_what_is_parked() {
    let (mut w, alice, others) = team(11, &["bob"]);
    let bob = others[0];
    let pen = Pen::of(&w, alice);
    let (keys, grant) = (w.node(alice).keys(), pen.grants("alice")[0]);
    let unit = |name: &str| {
        let (kind, parent) = (UnitKind::Role, None);
        Payload::UnitCreate(UnitCreate { kind, parent, name: name.into() })
    };
    let mut ahead = Pen { log: pen.log.clone() };
    let first = ahead.sign_under(&keys, grant, unit("one"));
    let second = ahead.sign_under(&keys, grant, unit("two"));
    // Bob gets the second, from a peer that does not have the first.
    w.isolate(bob);
    let device = stand_in(&mut w, alice);
    w.connect_device(device, bob);
    let token = w.inject_gossip(bob, device, w.control_topic(), &second.bytes);
    w.run(5_000);
    let ignored = conclave_protocol::engine::GossipVerdict::Ignore;
    assert_eq!(w.node(bob).verdicts.get(&token), Some(&ignored));
    let why = w.engine(bob).why(&second.id.to_string()).expect("a member");
    assert_eq!((why.state.as_str(), why.missing), ("parked", vec![first.id]));
    assert!(why.summary.contains("waits for 1"), "{}", why.summary);
    // It counts as soon as the first is there.
    w.puppet_mut(device).hold(Scope::Control, 0, &first.bytes);
    gossip(&mut w, bob, device, &[first]);
    w.settle();
    let why = w.engine(bob).why(&second.id.to_string()).expect("a member");
    assert_eq!(why.state, "counts");
}

#[test]
fn why_a_message_counts_is_told_to_who_may_read_it() {
    let (mut w, alice, others) = team(21, &["bob", "carol", "xavier", "zoe"]);
    let [bob, carol, xavier, zoe] = others[..] else { panic!("four") };
    w.remove_member(alice, "carol", "department:Support");
    let kept = w.post(xavier, "help", "good");
    w.agree();
    let lost = w.post(xavier, "help", "bad");
    w.agree();
    let answer = w.post(zoe, "help", "answer");
    w.agree();
    let why = |w: &World, id: NodeId, message: MessageId| w.engine(id).why(&message.to_string());
    let accepted = why(&w, bob, lost).expect("a member");
    assert_eq!((accepted.state.as_str(), accepted.ended_by.len()), ("accepted", 0));
    assert!(accepted.summary.contains("xavier"), "{}", accepted.summary);
    let kinds: Vec<_> = accepted.chain.iter().map(|link| link.kind).collect();
    for kind in ["device-cert", "member-grant", "permit", "admin-grant", "genesis"] {
        assert!(kinds.contains(&kind), "{kinds:?}");
    }
    assert!(accepted.chain.iter().all(|link| link.holds));
    w.remove_member(alice, "xavier", "department:Support");
    w.agree();
    let vouched = why(&w, bob, lost).expect("a member");
    assert_eq!((vouched.state.as_str(), vouched.ended_by.len()), ("vouched", 1));
    assert!(vouched.summary.contains("takes xavier out"), "{}", vouched.summary);
    w.crash(xavier);
    foreseen(&mut w, alice, strictly("xavier", None, &[kept]));
    for id in [alice, bob, zoe] {
        let void = why(&w, id, lost).expect("a member");
        assert_eq!((void.state.as_str(), void.ended_by.len()), ("void", 2));
        assert!(void.summary.contains("dismisses xavier (strict)"), "{}", void.summary);
        assert_eq!(why(&w, id, kept).expect("a member").state, "vouched");
        let zoes = why(&w, id, answer).expect("a member").state;
        assert!(["accepted", "pending"].contains(&zoes.as_str()), "{zoes}");
    }
    // Carol cannot look, and learns nothing by asking.
    for message in [kept, lost, answer] {
        let failed = why(&w, carol, message).unwrap_err();
        assert!([FailureKind::NoAccess, FailureKind::NotFound].contains(&failed.kind));
        assert!(!failed.message.contains("xavier") && !failed.message.contains("zoe"));
    }
    // Why somebody is in, or is not.
    let access = |name: &str| w.engine(alice).why_access("help", name).expect("an admin");
    assert_eq!(access("bob").state, "counts");
    assert!(access("bob").summary.contains("department:Support"));
    let out = access("carol");
    assert_eq!((out.state.as_str(), out.ended_by.len()), ("void", 1));
    assert!(access("xavier").summary.contains("dismissed"), "{}", access("xavier").summary);
    // A message of somebody who never had access.
    let room = crate::scene::help(&w, alice);
    let outsider = w.node(carol).keys();
    let ghost = forge::signed(
        &outsider,
        &forge::envelope(w.ledger().company, room, outsider.device(), &[]),
    );
    let failed = w.engine(alice).why(&ghost.id.to_string()).unwrap_err();
    assert_eq!(failed.kind, FailureKind::NotFound);
}
