//! When a node took a control object in: its own clock's word, kept beside the object.

use conclave_protocol::engine::Table;
use conclave_protocol::id::ObjectId;
use conclave_protocol::time::Timestamp;
use conclave_tests::world::{NodeId, World};

use crate::scene::team;

fn times(w: &World, id: NodeId) -> Vec<(ObjectId, Option<Timestamp>)> {
    let (lines, _) = w.engine(id).audit(0, 1_000).expect("a member");
    lines.into_iter().map(|line| (line.id, line.heard)).collect()
}

/// Rows with times on a node's disk.
fn rows(w: &World, id: NodeId) -> usize {
    let is_time = |key: &[u8]| key.starts_with(b"heard/");
    let rows = w.disk(id).durable();
    rows.keys().filter(|(table, key)| *table == Table::State && is_time(key)).count()
}

/// The newest object at a node.
fn newest(w: &World, id: NodeId) -> ObjectId {
    times(w, id).last().expect("objects").0
}

#[test]
fn each_node_knows_when_it_took_an_object_in_and_no_start_changes_that() {
    let (mut w, alice, others) = team(1, &["bob"]);
    let bob = others[0];
    w.isolate(bob);
    w.run(60_000);
    let signed = w.now();
    w.department(alice, "Meanwhile");
    let id = newest(&w, alice);
    assert_eq!(w.engine(bob).heard(id), None, "it is not there yet");
    w.run(60_000);
    let met = w.now();
    w.connect(alice, bob);
    w.agree();
    let heard = |w: &World, node: NodeId| w.engine(node).heard(id).expect("it is there");
    assert!(heard(&w, alice) >= signed && heard(&w, alice) < signed.plus_ms(10_000));
    assert!(heard(&w, bob) >= met, "not when it was signed");
    for node in [alice, bob] {
        let before = times(&w, node);
        w.run(30_000);
        w.crash(node);
        w.start(node);
        w.connect_all();
        w.agree();
        assert_eq!(times(&w, node), before);
        let why = w.engine(node).why(&id.to_string()).expect("it is there");
        assert_eq!(why.chain[0].heard, w.engine(node).heard(id));
    }
    // Who joined took all of it in on that day; the founder's first objects are in no such row
    // here, as in a home of before such times were kept.
    let (ours, theirs) = (times(&w, alice), times(&w, bob));
    assert!(theirs.iter().all(|(_, heard)| heard.is_some()));
    let unknown = ours.iter().filter(|(_, heard)| heard.is_none()).count();
    assert!(unknown > 0 && unknown < 6, "{unknown} of {}", ours.len());
    assert_eq!((rows(&w, alice), rows(&w, bob)), (ours.len() - unknown, theirs.len()));
}

#[test]
fn what_comes_again_in_the_place_of_a_damaged_row_is_not_news() {
    let (mut w, alice, others) = team(2, &["bob"]);
    let bob = others[0];
    let before = times(&w, bob);
    w.run(600_000);
    w.crash(bob);
    w.disk(bob).damage(Table::Control, 3).expect("a row");
    w.start(bob);
    assert!(w.refusals(bob, "damaged") > 0);
    w.connect(alice, bob);
    w.agree();
    let mut after = times(&w, bob);
    assert_eq!(after.len(), before.len(), "it is here again");
    let mut before = before;
    // The order of arrival may be another now.
    before.sort();
    after.sort();
    assert_eq!(after, before);
}
