//! Who may read can read: newcomers, those who return, those who were away, and after crashes.

use conclave_protocol::engine::Table;

use super::*;
use crate::scene::{help, team};

#[test]
fn newcomer_reads_everything_from_a_node_that_wrote_nothing() {
    let (mut w, alice, others) = team(1, &["bob", "carol", "xavier"]);
    let [bob, carol, xavier] = others[..] else { panic!("three") };
    w.watch();
    for (n, who) in ["xavier", "carol"].into_iter().enumerate() {
        w.post(bob, "help", &format!("text {n}"));
        w.agree_without(&[xavier]);
        if n == 0 {
            w.remove_member(alice, who, "department:Support");
            w.agree_without(&[xavier]);
        }
    }
    w.crash(bob);
    let fresh = w.join(alice, "erin", &["department:Support"]);
    w.isolate(fresh);
    w.connect(fresh, carol);
    w.run(30_000);
    assert_eq!(w.texts(fresh, "help"), ["text 0", "text 1"]);
    w.judge_private();
}

#[test]
fn newcomer_of_a_room_whose_history_is_closed_reads_nothing_old_and_nothing_is_unread() {
    for seed in 2..5 {
        let (mut w, alice, others) = team(seed, &["bob", "carol"]);
        let [bob, carol] = others[..] else { panic!("two") };
        w.watch();
        let room = room_with(&mut w, alice, HistoryPolicy::FromJoin, &["department:Support"]);
        w.agree();
        w.post(bob, "den", "old");
        w.post(carol, "den", "older");
        w.agree();
        let fresh = w.join(alice, "erin", &["department:Support"]);
        w.connect_all();
        w.run(20_000);
        assert_eq!(w.texts(fresh, "den").len(), 0);
        let line = w.engine(fresh).rooms(false).expect("a member");
        let line = line.iter().find(|line| line.room.id == room).expect("open");
        assert_eq!(line.unread, 0, "unread is what cannot be read");
        asks_everybody(&mut w, fresh, room);
        w.post(bob, "den", "new");
        w.run(20_000);
        asks_everybody(&mut w, fresh, room);
        assert_eq!(w.texts(fresh, "den"), ["new"]);
        assert_eq!(w.texts(carol, "den").len(), 3);
        // Also after a start.
        w.crash(fresh);
        w.start(fresh);
        w.connect_all();
        w.run(20_000);
        assert_eq!(w.texts(fresh, "den"), ["new"]);
        w.judge_private();
        assert!(kept(&w) > 0);
    }
}

#[test]
fn who_returns_to_a_room_reads_what_was_written_meanwhile() {
    let (mut w, alice, others) = team(5, &["bob", "xavier"]);
    let [bob, xavier] = others[..] else { panic!("two") };
    w.watch();
    w.post(xavier, "help", "before");
    w.agree();
    w.remove_member(alice, "xavier", "department:Support");
    w.agree_without(&[xavier]);
    w.post(bob, "help", "meanwhile");
    w.agree_without(&[xavier]);
    w.judge_private();
    w.add_member(alice, "xavier", "department:Support");
    w.connect_all();
    w.run(20_000);
    w.agree();
    assert_eq!(w.texts(xavier, "help"), ["before", "meanwhile"]);
    w.post(xavier, "help", "after");
    w.agree();
    assert_eq!(w.texts(bob, "help").len(), 3);
    w.judge_private();
}

#[test]
fn who_was_away_during_several_changes_of_the_key_reads_all() {
    let (mut w, alice, others) = team(6, &["bob", "carol", "x", "y", "z"]);
    let (bob, carol) = (others[0], others[1]);
    w.post(carol, "help", "all");
    w.agree();
    w.crash(carol);
    for (n, name) in ["x", "y", "z"].into_iter().enumerate() {
        w.remove_member(alice, name, "department:Support");
        w.settle();
        w.post(bob, "help", &format!("without {name}"));
        w.settle();
        w.crash(others[2 + n]);
    }
    let room = help(&w, bob);
    assert!(epochs(&w, bob, room).len() >= 4);
    w.start(carol);
    w.connect_all();
    w.run(30_000);
    assert_eq!(w.texts(carol, "help"), ["all", "without x", "without y", "without z"]);
}

#[test]
fn a_crash_between_an_epoch_and_its_keys_leaves_nothing_unreadable() {
    for seed in 20..44 {
        let (mut w, alice, others) = team(seed, &["bob", "carol", "xavier"]);
        let [bob, carol, xavier] = others[..] else { panic!("three") };
        w.post(xavier, "help", "first");
        w.agree();
        w.remove_member(alice, "xavier", "department:Support");
        w.agree_without(&[xavier]);
        w.crash(xavier);
        w.give(bob, Command::Send { room: "help".into(), text: "new".into() });
        let pause = w.random(8);
        w.run(pause);
        w.crash_torn(bob);
        w.start(bob);
        w.connect_all();
        w.agree();
        w.post(bob, "help", "after");
        w.post(carol, "help", "after that");
        w.run(20_000);
        w.agree();
        let read = w.texts(bob, "help");
        assert_eq!(read[0], "first");
        assert!(read.contains(&"after".to_owned()) && read.contains(&"after that".to_owned()));
        for id in [alice, bob, carol] {
            assert_eq!(w.texts(id, "help"), read, "seed {seed} at {}", w.node(id).name);
            let status = w.engine(id).status();
            assert!(status.rooms.iter().all(|room| room.sync.starts_with("complete")));
        }
    }
}

#[test]
fn a_damaged_row_of_a_key_is_asked_for_again() {
    let (mut w, alice, others) = team(7, &["bob"]);
    let bob = others[0];
    w.post(alice, "help", "text");
    w.agree();
    w.crash(bob);
    let rows = w.disk(bob).durable();
    let keys: Vec<_> = rows
        .into_iter()
        .filter(|((table, key), _)| *table == Table::State && key.starts_with(b"epoch/"))
        .collect();
    assert!(!keys.is_empty());
    for ((table, key), mut value) in keys {
        let last = value.len() - 1;
        value[last] ^= 1;
        w.disk(bob).put(table, &key, &value);
    }
    w.start(bob);
    assert_eq!(w.refusals(bob, "damaged"), 1);
    w.connect_all();
    w.run(20_000);
    assert_eq!(w.texts(bob, "help"), ["text"]);
    // It is written down again.
    w.crash(bob);
    w.start(bob);
    assert_eq!(w.refusals(bob, "damaged"), 0);
    assert_eq!(w.texts(bob, "help"), ["text"]);
}

#[test]
fn an_instant_conversation_is_read_by_its_agents_alone_and_re_keys_when_a_device_goes() {
    let (mut w, alice, others) = team(8, &["bob", "carol", "mallory"]);
    let [bob, carol, mallory] = others[..] else { panic!("three") };
    w.watch();
    let agents = vec!["carol".to_owned(), "alice".to_owned()];
    let Outcome::Instant(view) = w.must(bob, Command::OpenInstant { agents }) else {
        panic!("no conversation")
    };
    let room = view.room.id;
    let selector = room.to_string();
    let first = w.post(bob, &selector, "between us");
    w.agree();
    assert_eq!(w.texts(carol, &selector), ["between us"]);
    asks_everybody(&mut w, mallory, room);
    let (device, keep, last_good, root) = (None, Vec::new(), None, None);
    let (agent, strict) = ("carol".to_owned(), false);
    w.must(alice, Command::RevokeAgent { agent, device, strict, keep, last_good, root });
    w.agree_without(&[carol]);
    let second = w.post(bob, &selector, "without carol");
    w.agree_without(&[carol]);
    assert_ne!(epoch_of(&w, bob, first), epoch_of(&w, bob, second));
    for outsider in [carol, mallory] {
        asks_everybody(&mut w, outsider, room);
    }
    assert_eq!(w.texts(alice, &selector).len(), 2);
    w.judge_private();
    assert!(kept(&w) > 0);
}
