//! A message shows once, also after a restart, by a second path and after the time that
//! gossipsub remembers it.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use conclave_tests::process::{
    Acknowledged, Company, Follow, Node, all_have, burst, text, wait_until,
};
use serde_json::Value;

use crate::{PATIENCE, company};

const ROOM: &str = Company::EVERYONE;
/// Gossipsub remembers ids for a minute.
const FORGOTTEN: Duration = Duration::from_secs(61);

#[test]
fn a_message_shows_once_after_restarts_and_by_a_second_path() {
    shows_once(Duration::ZERO);
}

#[test]
#[ignore = "takes minutes: cargo test -p conclave --test processes -- --ignored after_61_seconds"]
fn a_message_shows_once_after_61_seconds() {
    shows_once(FORGOTTEN);
}

fn shows_once(pause: Duration) {
    let Company { mut alice, mut bob, mut carol, lab: _lab } = {
        let company = company();
        company.open_everyone();
        company
    };
    for node in [&mut alice, &mut bob, &mut carol] {
        node.keep_port();
    }
    let tail = bob.follow(&["--json", "tail", ROOM]);
    let mut sent = Acknowledged::new();
    let mut printed = Vec::new();
    // When it follows is not to be seen from outside: write until it has printed one.
    wait_until("it follows", || {
        let words = format!("new {}", sent.len());
        sent.insert(carol.send(ROOM, &words), words);
        printed.push(id(&tail.line_now()?));
        Some(())
    });
    let send = |node: &Node, name: &str, sent: &mut Acknowledged| {
        let (more, code) = burst(node.command(&["--json", "send", ROOM, "-"]), name, 0..20);
        assert_eq!(code, 0);
        sent.extend(more);
    };
    send(&alice, "all are there", &mut sent);
    // Bob hears nothing for a while; what he missed comes by gossip and by reconciling.
    bob.signal("STOP");
    send(&alice, "while bob is stopped", &mut sent);
    send(&carol, "carol too while bob is stopped", &mut sent);
    bob.signal("CONT");
    // The others start again and have it all: bob meets it once more from both.
    thread::sleep(pause);
    for node in [&mut alice, &mut carol] {
        node.kill_nine();
        node.up();
    }
    send(&alice, "after a restart", &mut sent);
    send(&carol, "carol after a restart", &mut sent);
    all_have([&alice, &bob, &carol], ROOM, &sent, PATIENCE);
    thread::sleep(pause);
    send(&alice, "last", &mut sent);
    all_have([&alice, &bob, &carol], ROOM, &sent, PATIENCE);

    let last = bob.send(ROOM, "end");
    read_to(&tail, &last, &mut printed);
    let distinct: BTreeSet<&String> = printed.iter().collect();
    assert_eq!(distinct.len(), printed.len(), "printed twice");
    let from = printed.first().expect("one was printed");
    let history = bob.history(ROOM);
    let at =
        history.iter().position(|message| message["id"] == from.as_str()).expect("it is there");
    for message in &history[at..] {
        assert!(printed.contains(&text(&message["id"])), "not printed: {message}");
    }

    // His own restart shows nothing again either.
    bob.stop();
    assert_eq!(tail.rest(), [""; 0]);
    bob.up();
    let tail = bob.follow(&["--json", "tail", ROOM]);
    let mut printed = Vec::new();
    let mut fresh = BTreeSet::new();
    wait_until("it follows", || {
        fresh.insert(alice.send(ROOM, &format!("fresh {}", fresh.len())));
        printed.push(id(&tail.line_now()?));
        Some(())
    });
    let last = bob.send(ROOM, "very end");
    fresh.insert(last.clone());
    read_to(&tail, &last, &mut printed);
    assert!(printed.iter().all(|id| fresh.contains(id)), "something old was printed");
}

fn id(line: &str) -> String {
    let message: Value = serde_json::from_str(line).expect("JSON");
    text(&message["id"])
}

/// Reads lines to that of this message.
fn read_to(tail: &Follow, last: &str, printed: &mut Vec<String>) {
    while printed.last().is_none_or(|id| id != last) {
        printed.push(id(&tail.next_line().expect("it follows")));
    }
}
