//! Four homes: a room open to one Department, and someone outside it.

use std::time::{Duration, Instant};

use conclave_tests::process::{Company, Node, admit, wait_until};

use crate::company;

/// The goal is a second on a quiet machine; this only tells that something is broken.
const DELIVERY_MAX: Duration = Duration::from_secs(5);

const ROOM: &str = Company::SUPPORT;

#[test]
fn a_room_of_a_department_is_open_to_its_members_and_to_nobody_else() {
    let Company { alice, bob, mut carol, lab } = company();
    // Dave knows only carol's address, and she is no admin: she refers him to alice.
    let mut dave = lab.node("dave");
    admit(&alice, &mut dave, &carol.address(), "group:Support/Escalation");
    let room = alice.ok(&["room", "new", ROOM, "--permit", "department:Support"]);
    assert_eq!(room["permissions"], serde_json::json!(["department:Support"]));
    for node in [&bob, &dave] {
        wait_until("the room is listed", || node.lists(ROOM).then_some(()));
    }

    let members = [&alice, &bob, &dave];
    for (author, words) in
        [(&alice, "the printer burns"), (&bob, "unplug it"), (&dave, "on my way")]
    {
        let took = deliver(author, &members, words);
        println!("{}'s message reached everyone after {took:?}", author.name());
        assert!(took < DELIVERY_MAX, "{took:?}");
    }
    assert_eq!(alice.texts(ROOM), ["the printer burns", "unplug it", "on my way"]);
    for node in members {
        assert_eq!(node.texts(ROOM), alice.texts(ROOM), "{}", node.name());
        let mut names = node.with_access(ROOM);
        names.sort();
        assert_eq!(names, ["alice", "bob", "dave"], "{}", node.name());
        let digest = |node: &Node| node.room_status(ROOM).expect("the room")["digest"].clone();
        assert_eq!(digest(node), digest(&alice), "{}", node.name());
    }

    // Carol is in Sales. She has the same control log, and that is all she gets.
    wait_until("carol's control log is the same", || {
        (carol.control_digest() == alice.control_digest()).then_some(())
    });
    assert!(!carol.lists(ROOM));
    assert_eq!(carol.room_status(ROOM), None);
    let id = room["id"].as_str().expect("an id");
    for selector in [ROOM, id] {
        carol.fails(&["send", selector, "let me in"], 4, "no_access");
        carol.fails(&["history", selector], 4, "no_access");
        carol.fails(&["tail", selector], 4, "no_access");
    }
    let history = bob.history(ROOM);
    let mut bob = bob;
    carol.stop();
    bob.stop();
    // The last one is followed by none, so nothing names it.
    for message in &history[..2] {
        let id = message["id"].as_str().expect("an id");
        assert_ne!(bob.files_naming(id).len(), 0, "bob's node holds it");
        assert_eq!(carol.files_naming(id).len(), 0, "carol's node does not");
    }
    for words in ["the printer burns", "unplug it", "on my way"] {
        for node in [&bob, &carol] {
            assert_eq!(node.files_with(words.as_bytes()).len(), 0, "nowhere in plain");
        }
    }
}

/// Posts and waits until all have it; gives the time from the command to the last of them.
fn deliver(author: &Node, members: &[&Node], words: &str) -> Duration {
    let begin = Instant::now();
    author.send(ROOM, words);
    for node in members {
        let what = format!("{} has what {} wrote", node.name(), author.name());
        wait_until(&what, || node.texts(ROOM).iter().any(|text| text == words).then_some(()));
    }
    begin.elapsed()
}

#[test]
fn pending_becomes_accepted_when_another_device_holds_it() {
    let Company { alice, mut bob, carol: _carol, lab: _lab } = {
        let company = company();
        company.open_support();
        company
    };
    alice.send(ROOM, "with bob");
    let state = |words: &str| {
        let history = alice.history(ROOM);
        let message = history.into_iter().find(|message| message["text"] == words);
        message.expect("my own message")["state"].clone()
    };
    wait_until("bob holds it", || (state("with bob") == "accepted").then_some(()));
    bob.stop();
    wait_until("bob has gone", || {
        let peers = alice.status()["peers"].clone();
        let peers = peers.as_array().expect("peers").clone();
        peers.iter().all(|peer| peer["agent"]["name"] != "bob").then_some(())
    });
    let sent = alice.ok(&["send", ROOM, "alone"]);
    assert_eq!(sent["state"], "pending");
    assert_eq!(state("alone"), "pending");
    bob.up();
    wait_until("bob holds this, too", || (state("alone") == "accepted").then_some(()));
}

#[test]
fn tail_prints_each_new_message_once() {
    let company = company();
    company.open_support();
    let Company { alice, mut bob, .. } = company;
    bob.send(ROOM, "before");
    wait_until("alice has the first", || (!alice.texts(ROOM).is_empty()).then_some(()));
    let tail = alice.follow(&["--json", "tail", ROOM]);
    // When it follows is not to be seen from outside: write until it has printed one.
    let mut sent = Vec::new();
    let first = wait_until("it follows", || {
        let words = format!("new {}", sent.len());
        bob.send(ROOM, &words);
        sent.push(words);
        tail.line_now()
    });
    let parse = |line: &str| -> serde_json::Value { serde_json::from_str(line).expect("JSON") };
    let at = sent.iter().position(|words| parse(&first)["text"] == *words.as_str());
    for words in &sent[at.expect("one of the new ones") + 1..] {
        assert_eq!(parse(&tail.next_line().expect("a line"))["text"], *words.as_str());
    }
    bob.stop();
    let mut alice = alice;
    alice.stop();
    assert_eq!(tail.rest(), [""; 0], "nothing is printed twice");
    assert_eq!(tail.wait(), 3, "its node has ended");
}
