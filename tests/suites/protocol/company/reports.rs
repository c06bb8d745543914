//! On how many devices a state of the control log is applied, as far as a node knows.

use super::*;
use crate::scene::team;
use conclave_protocol::object::ObjectType;
use conclave_protocol::sync::{Blob, Request, Response};
use conclave_protocol::view::AppliedView;
use conclave_tests::world::Options;

fn applied(w: &World, id: NodeId) -> AppliedView {
    w.engine(id).status().applied
}

fn counts(w: &World, id: NodeId) -> (u64, u64) {
    let view = applied(w, id);
    assert_eq!(view.applied + view.missing.len() as u64, view.devices);
    (view.applied, view.devices)
}

#[test]
fn applied_reaches_all_devices_and_drops_while_some_are_apart() {
    for (seed, options) in
        [(1, Options::CALM), (2, Options::ROUGH), (3, Options::ROUGH), (4, Options::ROUGH)]
    {
        let (mut w, alice, others) = team(seed, &["bob", "carol", "dave"]);
        let [bob, carol, dave] = others[..] else { panic!("three") };
        w.options = options;
        w.department(alice, "Legal");
        w.until("everybody", 300_000, |w| {
            [alice, bob, carol, dave].iter().all(|id| counts(w, *id) == (4, 4))
        });
        // Apart: what alice changes is applied at bob, and dave and carol are missing.
        w.isolate(carol);
        w.isolate(dave);
        w.connect(carol, dave);
        w.department(alice, "Press");
        w.until("two", 300_000, |w| [alice, bob].iter().all(|id| counts(w, *id) == (2, 4)));
        let missing = applied(&w, alice).missing;
        let mut names: Vec<_> = missing.iter().map(|m| m.agent.name.clone()).collect();
        names.sort();
        assert_eq!(names, ["carol", "dave"]);
        assert!(missing.iter().all(|m| m.last_seen.is_some()), "they were seen before");
        assert_eq!(counts(&w, carol), (4, 4), "carol does not know better");
        w.connect_all();
        w.until("everybody again", 300_000, |w| {
            [alice, bob, carol, dave].iter().all(|id| counts(w, *id) == (4, 4))
        });
        // Who is dismissed is not waited for.
        w.crash(dave);
        w.must(alice, dismiss("dave"));
        w.until("three", 300_000, |w| {
            [alice, bob, carol].iter().all(|id| counts(w, *id) == (3, 3))
        });
    }
}

#[test]
fn applied_is_heard_by_way_of_others_and_after_a_start() {
    let (mut w, alice, others) = team(11, &["bob", "carol"]);
    let [bob, carol] = others[..] else { panic!("two") };
    w.disconnect(alice, carol);
    w.department(alice, "Legal");
    w.until("by way of bob", 60_000, |w| counts(w, alice) == (3, 3));
    // A start forgets the reports of others; on connecting they come again.
    w.crash(alice);
    w.start(alice);
    assert_eq!(counts(&w, alice), (1, 3));
    w.connect(alice, bob);
    w.until("from bob", 60_000, |w| counts(w, alice) == (3, 3));
    // A node that is switched off is missing after the next change, with when it was last seen.
    w.crash(carol);
    w.department(alice, "Press");
    w.run(60_000);
    assert_eq!(counts(&w, alice), (2, 3));
    assert!(applied(&w, alice).missing[0].last_seen.is_some());
}

#[test]
fn applied_cannot_be_claimed_by_others_or_from_long_ago() {
    let (mut w, alice, others) = team(21, &["bob", "carol"]);
    let [bob, carol] = others[..] else { panic!("two") };
    w.isolate(carol);
    w.crash(carol);
    w.department(alice, "Legal");
    w.run(5_000);
    assert_eq!(counts(&w, alice), (2, 3));
    let status = w.engine(alice).status();
    let company = w.ledger().company;
    let report = |keys: &conclave_protocol::keys::DeviceKeys, device, issued| {
        let report = conclave_protocol::report::StateReport {
            version: 1,
            company,
            device,
            issued: conclave_protocol::time::Timestamp(issued),
            digest: status.control_digest,
            objects: status.control_objects,
        };
        let body = conclave_protocol::codec::encode(&report);
        conclave_protocol::signed::sign(keys, ObjectType::StateReport, company, &body).1
    };
    let (bobs, carols) = (w.node(bob).keys(), w.node(carol).keys());
    let now = w.now().0;
    let stranger = w.outsider("eve");
    let records = vec![
        // Bob in carol's name; carol long ago; somebody who is nobody.
        report(&bobs, carols.device(), now),
        report(&carols, carols.device(), 1),
        report(&stranger, stranger.device(), now),
        b"garbage".to_vec(),
    ];
    let request = Request::Reports { records: records.into_iter().map(Blob).collect() };
    assert_eq!(w.ask_as(alice, bobs.device(), &request), Response::Ack);
    w.run(5_000);
    assert_eq!(counts(&w, alice), (2, 3));
    // Strangers are not even heard.
    let own = report(&carols, carols.device(), now);
    let request = Request::Reports { records: vec![Blob(own)] };
    assert_eq!(w.ask_as(alice, stranger.device(), &request), Response::Refused);
    assert_eq!(counts(&w, alice), (2, 3));
    // Her own word, by whoever passes it on, is good.
    assert_eq!(w.ask_as(alice, bobs.device(), &request), Response::Ack);
    assert_eq!(counts(&w, alice), (3, 3));
}
