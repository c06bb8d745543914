//! Who is there, and what belongs to a node alone: over the API and on the command line.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use conclave_tests::process::{Company, Node, wait_until};
use serde_json::{Value, json};

use crate::company;

const ROOM: &str = Company::EVERYONE;

/// Names of those that a node shows in the room.
fn there(node: &Node) -> Vec<String> {
    let shown = node.ok(&["room", "participants", ROOM]);
    let agents = shown["agents"].as_array().expect("a list").iter();
    agents.map(|agent| agent["name"].as_str().expect("a name").to_owned()).collect()
}

/// Asks the API as a script does; the status and the JSON.
fn ask(node: &Node, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let token = fs::read_to_string(node.home().join("api-token")).expect("a token");
    let api = node.ready()["api"].as_str().expect("an address");
    let address = api.strip_prefix("http://").expect("http");
    let mut stream = TcpStream::connect(address).expect("it listens");
    let body = body.to_string();
    let request = format!(
        "{method} {path} HTTP/1.0\r\nHost: {address}\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        token.trim(),
        body.len()
    );
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("head and body");
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    (status, serde_json::from_str(body).expect("JSON"))
}

#[test]
fn who_stops_is_gone_at_once_and_who_hides_is_not_seen() {
    let company = company();
    company.open_everyone();
    let Company { alice, mut bob, carol, .. } = company;
    wait_until("all are there", || (there(&alice).len() == 3).then_some(()));
    let (status, present) = ask(&alice, "GET", "/v1/presence", &json!({}));
    assert_eq!((status, present["agents"].as_array().map(Vec::len)), (200, Some(3)));

    let begun = Instant::now();
    bob.stop();
    assert!(begun.elapsed() < Duration::from_secs(5), "stopping took {:?}", begun.elapsed());
    // Not after a while: it has said so before it ended.
    assert_eq!(there(&alice), ["alice", "carol"]);
    assert_eq!(there(&carol), ["alice", "carol"]);
    bob.up();
    wait_until("bob is back", || (there(&alice).len() == 3).then_some(()));
    bob.kill_nine();
    wait_until("bob has crashed", || (there(&alice).len() == 2).then_some(()));

    let set = carol.ok(&["settings", "presence", "off"]);
    assert_eq!(set, json!({ "presence": false, "notifications": true }));
    wait_until("carol hides", || (there(&alice) == ["alice"]).then_some(()));
    assert_eq!(there(&carol), ["alice", "carol"]);
    assert_eq!(carol.status()["presence"], false);
    assert!(carol.say(&["status"]).stdout.contains("presence"));
    carol.ok(&["settings", "presence", "on"]);
    wait_until("carol is seen", || (there(&alice) == ["alice", "carol"]).then_some(()));
}

#[test]
fn settings_and_drafts_outlast_a_restart() {
    let company = company();
    company.open_everyone();
    let Company { mut alice, .. } = company;
    assert_eq!(alice.ok(&["settings"]), json!({ "presence": true, "notifications": true }));
    let set = alice.ok(&["settings", "notifications", "off", "presence", "off"]);
    assert_eq!(set, json!({ "presence": false, "notifications": false }));
    for wrong in [&["settings", "presence"][..], &["settings", "presence", "perhaps"]] {
        alice.fails(wrong, 2, "usage");
    }
    let put = |alice: &Node, body: Value| ask(alice, "PUT", "/v1/drafts", &body).0;
    let secret = "a text that nobody reads in a log";
    assert_eq!(put(&alice, json!({ "room": ROOM, "text": secret })), 200);
    assert_eq!(put(&alice, json!({ "room": ROOM, "text": "x".repeat(16 * 1024 + 1) })), 400);
    assert_eq!(put(&alice, json!({ "room": "Nowhere", "text": "x" })), 404);
    let (status, kept) = ask(&alice, "PUT", "/v1/settings", &json!({ "presence": true }));
    assert_eq!((status, kept), (200, json!({ "presence": true, "notifications": false })));
    let wrong = ask(&alice, "PUT", "/v1/settings", &json!({ "colour": true }));
    assert_eq!(wrong.0, 400, "{wrong:?}");
    alice.stop();
    alice.up();
    assert_eq!(alice.ok(&["settings"]), json!({ "presence": true, "notifications": false }));
    let (_, drafts) = ask(&alice, "GET", "/v1/drafts", &json!({}));
    let room = alice.ok(&["room", "show", ROOM])["id"].clone();
    assert_eq!(drafts, json!({ "drafts": [{ "room": room, "text": secret }] }));
    assert_eq!(put(&alice, json!({ "room": room, "text": "" })), 200);
    assert_eq!(ask(&alice, "GET", "/v1/drafts", &json!({})).1, json!({ "drafts": [] }));
    assert!(!alice.log().contains(secret));
}
