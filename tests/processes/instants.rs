//! Instant messages between real nodes, by the command line.

use std::time::{Duration, Instant};

use conclave_tests::process::{Company, Node, wait_until};
use serde_json::{Value, json};

use crate::company;

/// The goal is well under a second on a quiet machine; this only tells that something is broken.
const DELIVERY_MAX: Duration = Duration::from_secs(5);

/// The conversations of a node, as `conclave im` lists them.
fn instants(node: &Node) -> Vec<Value> {
    node.ok(&["im"])["instants"].as_array().expect("a list").clone()
}

fn texts(page: &Value) -> Vec<String> {
    let messages = page["messages"].as_array().expect("a list");
    messages.iter().map(|message| message["text"].as_str().expect("a text").to_owned()).collect()
}

/// Waits until a node shows a text of a conversation that it may not know yet.
fn arrives(node: &Node, room: &str, words: &str) {
    wait_until(&format!("{} has \"{words}\"", node.name()), || {
        let ran = node.json(&["history", room]);
        let page = (ran.code == 0).then(|| ran.document())?;
        texts(&page).iter().any(|text| text == words).then_some(())
    });
}

#[test]
fn an_instant_message_reaches_an_agent_at_once_and_nobody_else() {
    let Company { alice, mut bob, mut carol, lab: _lab } = company();
    // Bob is no admin, and there is no room.
    let begin = Instant::now();
    let sent = bob.ok(&["im", "carol", "are you there?"]);
    let room = sent["room"]["id"].as_str().expect("an id").to_owned();
    arrives(&carol, &room, "are you there?");
    let took = begin.elapsed();
    println!("the first message reached carol after {took:?}");
    assert!(took < DELIVERY_MAX, "{took:?}");
    assert_eq!(sent["room"]["name"], "carol");
    let begin = Instant::now();
    carol.ok(&["send", &room, "yes"]);
    arrives(&bob, &room, "yes");
    println!("the answer took {:?}", begin.elapsed());

    // Each sees the other's name; reading marks as read.
    let line = instants(&carol).remove(0);
    assert_eq!((&line["name"], &line["unread"]), (&json!("bob"), &json!(0)));
    assert_eq!(line["agents"].as_array().map(Vec::len), Some(2));
    bob.ok(&["send", &room, "good"]);
    wait_until("carol has one to read", || (instants(&carol)[0]["unread"] == 1).then_some(()));
    assert_eq!(texts(&carol.ok(&["im", "bob"])), ["are you there?", "yes", "good"]);
    assert_eq!(instants(&carol)[0]["unread"], 0);
    assert_eq!(bob.with_access(&room).len(), 2);
    assert!(!bob.lists(&room), "it is no room of the list");
    let status = bob.status();
    let kinds: Vec<&Value> =
        status["rooms"].as_array().expect("rooms").iter().map(|room| &room["kind"]).collect();
    assert!(kinds.contains(&&json!("instant")));

    // Alice is the admin and knows the id.
    for command in [&["history", room.as_str()][..], &["send", &room, "hm"], &["tail", &room]] {
        alice.fails(command, 5, "not_found");
    }
    assert!(instants(&alice).is_empty());
    let mut alice = alice;
    for node in [&mut alice, &mut bob, &mut carol] {
        node.stop();
    }
    let id = sent["id"].as_str().expect("an id");
    assert_ne!(carol.files_naming(id).len(), 0, "carol's node holds it");
    assert_eq!(alice.files_naming(id).len(), 0, "alice's node does not");
    for node in [&alice, &bob, &carol] {
        assert_eq!(node.files_with(b"are you there?").len(), 0, "nowhere in plain");
    }
}

#[test]
fn who_was_away_gets_it_from_another_and_keeps_it() {
    let Company { mut alice, mut bob, mut carol, lab: _lab } = company();
    // They have to find each other again when alice is gone.
    for node in [&mut bob, &mut carol] {
        node.keep_port();
    }
    carol.stop();
    let sent = bob.ok(&["im", "alice", "carol", "meeting at ten"]);
    let room = sent["room"]["id"].as_str().expect("an id").to_owned();
    arrives(&alice, &room, "meeting at ten");
    // The author is gone before carol is back.
    bob.stop();
    carol.up();
    arrives(&carol, &room, "meeting at ten");
    assert_eq!(instants(&carol)[0]["name"], "alice, bob");
    alice.stop();
    carol.kill_nine();
    carol.up();
    assert_eq!(texts(&carol.ok(&["history", &room])), ["meeting at ten"]);
    carol.ok(&["im", "bob", "alice", "fine"]);
    bob.up();
    arrives(&bob, &room, "fine");
}

#[test]
fn what_cannot_be_said_says_why() {
    let Company { alice, bob: _bob, carol: _carol, lab: _lab } = company();
    assert_eq!(alice.ok(&["im"]), json!({ "instants": [] }));
    alice.fails(&["im", "nobody"], 5, "not_found");
    alice.fails(&["im", "nobody", "hello"], 5, "not_found");
    alice.fails(&["im", "alice", "hello"], 2, "usage");
    alice.fails(&["im", "alice"], 2, "usage");
    alice.fails(&["im", "bob", " "], 2, "usage");
    assert!(instants(&alice).is_empty(), "what was refused opens nothing");
    let ran = alice.json_with_input(&["im", "bob", "-"], b"one\n\ntwo\n");
    assert_eq!(ran.documents().len(), 2);
    assert_eq!(texts(&alice.ok(&["im", "bob"])), ["one", "two"]);
    alice.ok(&["im", "bob", "--", "--> three"]);
    assert_eq!(texts(&alice.ok(&["im", "bob"])).len(), 3);
}
