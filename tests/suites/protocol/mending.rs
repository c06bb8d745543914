//! Rows of messages that turn out damaged after the start, and indices that are of no use.

use std::collections::BTreeSet;

use conclave_protocol::engine::Table;
use conclave_protocol::signed::peek_id;
use conclave_tests::world::{NodeId, World};

use crate::scene::team;

type Key = Vec<u8>;

fn rows_of(w: &World, id: NodeId, wanted: Table) -> Vec<(Key, Vec<u8>)> {
    let rows = w.disk(id).durable().into_iter();
    rows.filter(|((table, _), _)| *table == wanted).map(|((_, key), value)| (key, value)).collect()
}

fn keys_of(w: &World, id: NodeId, table: Table) -> BTreeSet<Key> {
    rows_of(w, id, table).into_iter().map(|(key, _)| key).collect()
}

fn digest(w: &World, id: NodeId) -> conclave_protocol::id::ObjectId {
    w.room_status(id, "help").expect("open").digest
}

/// Two nodes with so many messages that the index covers most of them.
fn long_talk(seed: u64) -> (World, NodeId, NodeId) {
    let (mut w, alice, others) = team(seed, &["bob"]);
    for n in 0..1_060 {
        w.post(alice, "help", &format!("m{n}"));
    }
    w.agree();
    assert!(!rows_of(&w, others[0], Table::Index).is_empty());
    (w, alice, others[0])
}

#[test]
fn damaged_messages_keep_their_places_and_come_again() {
    let (mut w, alice, bob) = long_talk(1);
    w.crash(bob);
    // Bent, cut off, and gone; all in the part that a start does not read.
    let rows = rows_of(&w, bob, Table::Messages);
    for (n, at) in [300, 500, 700].into_iter().enumerate() {
        let (key, value) = &rows[at];
        let mut bent = value.clone();
        match n {
            0 => bent[value.len() - 70] ^= 1,
            1 => bent.truncate(20),
            _ => bent.clear(),
        }
        w.disk(bob).put(Table::Messages, key, &bent);
    }
    w.start(bob);
    w.isolate(bob);
    assert_eq!(w.texts(bob, "help").len(), 1_057, "what cannot be read is not shown");
    assert_eq!(digest(&w, bob), digest(&w, alice), "and is in the log all the same");
    w.connect(alice, bob);
    w.until("the lost messages", 60_000, |w| w.texts(bob, "help").len() == 1_060);
    w.agree();
    assert_eq!(w.refusals(bob, "mended"), 3);
    w.settle();
    assert_eq!(rows_of(&w, bob, Table::Messages), rows, "each row as it was");
    w.crash(bob);
    w.start(bob);
    assert_eq!(w.texts(bob, "help"), w.texts(alice, "help"));
    assert_eq!(w.refusals(bob, "damaged"), 0);
}

#[test]
fn an_index_that_is_of_no_use_is_made_anew() {
    let (mut w, alice, bob) = long_talk(2);
    let (key, index) = rows_of(&w, bob, Table::Index).remove(0);
    let mut of_another_version = index.clone();
    of_another_version[0] ^= 0x80;
    let mut longer = index.clone();
    longer.push(0);
    let cut_off = index[..index.len() / 2].to_vec();
    for bent in [of_another_version, longer, cut_off, Vec::new()] {
        w.crash(bob);
        w.disk(bob).put(Table::Index, &key, &bent);
        w.start(bob);
        assert_eq!(w.refusals(bob, "damaged"), 0);
        assert_eq!(digest(&w, bob), digest(&w, alice));
        assert_eq!(w.texts(bob, "help").len(), 1_060);
        w.settle();
        let again = rows_of(&w, bob, Table::Index);
        assert_eq!(again.len(), 1);
        assert_eq!((again[0].1[0], again[0].1.len()), (index[0], index.len()), "written again");
    }
}

#[test]
fn a_message_is_one_row_and_an_own_one_a_mark_more() {
    let (mut w, alice, others) = team(3, &["bob"]);
    let bob = others[0];
    w.post(alice, "help", "first");
    w.post(bob, "help", "second");
    w.agree();
    let (rows, marks) = (
        [alice, bob].map(|id| keys_of(&w, id, Table::Messages)),
        [alice, bob].map(|id| keys_of(&w, id, Table::Marks)),
    );
    w.post(alice, "help", "third");
    w.agree();
    for (n, id) in [alice, bob].into_iter().enumerate() {
        let after = keys_of(&w, id, Table::Messages);
        assert_eq!(after.difference(&rows[n]).count(), 1);
        let marked = keys_of(&w, id, Table::Marks).difference(&marks[n]).count();
        assert_eq!(marked, usize::from(id == alice), "at {}", w.node(id).name);
    }
    // A row holds the signed bytes and nothing else; its key counts the arrivals.
    for (at, (key, value)) in rows_of(&w, alice, Table::Messages).into_iter().enumerate() {
        assert_eq!(key.len(), 40);
        assert_eq!(key[32..], (at as u64 + 1).to_be_bytes());
        assert!(peek_id(&value).is_some());
    }
}
