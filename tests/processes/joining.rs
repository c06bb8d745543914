//! Being let in: by a code that both sides compare, or not at all.

use std::ops::Not;

use conclave_tests::process::{Company, Node, admit, ask_to_join, same_code, wait_until};
use serde_json::Value;

use crate::{company, lab};

/// An admin's node and a newcomer's that asks it.
fn admin_and_newcomer() -> (Node, Node, String) {
    let lab = lab();
    let (mut alice, mut bob) = (lab.node("alice"), lab.node("bob"));
    Company::found(&mut alice);
    ask_to_join(&mut bob, &["--peer", &alice.address()]);
    let code = same_code(&alice, &bob);
    (alice, bob, code)
}

#[test]
fn a_wrong_code_is_refused_and_changes_nothing() {
    let (alice, bob, code) = admin_and_newcomer();
    let before = alice.status()["control"].clone();
    // Every digit another one, and each form that is no code at all.
    let other = |c: char| match c {
        '-' => '-',
        'A' => 'B',
        _ => 'A',
    };
    let wrong: String = code.chars().map(other).collect();
    for wrong in [wrong.as_str(), &code[..8], &format!("{code}A"), "AAAA-AAAA", ""] {
        alice.fails(&["agent", "approve", "bob", "--code", wrong], 4, "wrong_code");
    }
    alice.say(&["agent", "approve", "bob", "--code", &wrong]).assert_told(4);
    assert_eq!(alice.status()["control"], before);
    let list = alice.ok(&["agent", "list"]);
    assert_eq!(list["agents"].as_array().map(Vec::len), Some(1));
    let status = bob.status();
    assert_eq!((&status["member"], &status["control"]["objects"]), (&false.into(), &0.into()));
    bob.fails(&["send", "Anything", "hello"], 4, "not_member");
    bob.fails(&["history", "Anything"], 4, "not_member");
    bob.fails(&["room", "list"], 4, "not_member");
    // The request stands: the right code still lets him in.
    alice.ok(&["agent", "approve", "bob", "--code", &code]);
    wait_until("bob is a member", || (bob.status()["member"] == true).then_some(()));
}

#[test]
fn a_code_may_be_typed_in_lower_case_and_without_its_hyphen() {
    let (alice, bob, code) = admin_and_newcomer();
    let typed = code.to_lowercase().replace('-', "");
    assert_ne!(typed, code);
    let units = ["--to", "group:support/front line", "--to", "role:Manager"];
    let wrong_unit = [&["agent", "approve", "bob", "--code", &typed][..], &units].concat();
    alice.fails(&wrong_unit, 5, "not_found");
    let units = ["--to", "group:Support/Front Line", "--to", "role:Manager"];
    let approved = alice.ok(&[&["agent", "approve", "bob", "--code", &typed][..], &units].concat());
    assert_eq!(approved["agent"]["name"], "bob");
    assert_eq!(approved["device"], bob.status()["device"]);
    assert_eq!(approved["units"], serde_json::json!(["group:Support/Front Line", "role:Manager"]));
    wait_until("bob is a member", || (bob.status()["member"] == true).then_some(()));
    assert_eq!(alice.ok(&["agent", "requests"])["requests"], serde_json::json!([]));
}

#[test]
fn a_name_that_is_taken_is_a_conflict() {
    let Company { alice, lab, .. } = company();
    let mut other = lab.node("bob2");
    other.ok(&["join", "--no-wait", "--as", "bob", "--peer", &alice.address()]);
    other.up();
    // It is told so, and bob's own devices are asked instead of admins.
    wait_until("word that the name is taken", || {
        (other.status()["join"]["name_taken"] == true).then_some(())
    });
    assert_eq!(other.status()["join"]["code"], Value::Null);
    assert_eq!(alice.ok(&["agent", "requests"])["requests"], serde_json::json!([]));
    assert_eq!(other.status()["member"], false);
    let taken = other.say(&["status"]).stdout;
    assert!(taken.contains("a name that somebody bears already"), "{taken}");
    // Asked again under a free name, before anybody has let it in.
    other.stop();
    ask_as(&mut other, "rob", &alice.address());
    let request = wait_until("the new request is shown", || {
        let requests = alice.ok(&["agent", "requests"]);
        let requests = requests["requests"].as_array().expect("requests").clone();
        requests.into_iter().find(|request| request["name"] == "rob")
    });
    assert_eq!(request["name_taken"], false);
    let code = request["code"].as_str().expect("a code");
    alice.ok(&["agent", "approve", "rob", "--code", code]);
    wait_until("rob is a member", || (other.status()["member"] == true).then_some(()));
    assert_eq!(other.status()["agent"]["name"], "rob");
}

fn ask_as(node: &mut Node, name: &str, peer: &str) {
    node.ok(&["join", "--no-wait", "--as", name, "--peer", peer]);
    node.up();
}

#[test]
fn join_in_the_foreground_tells_the_code_and_ends_when_admitted() {
    let Company { alice, bob: _bob, carol, lab } = company();
    let mut dave = lab.node("dave");
    // By way of carol, who is no admin.
    let peer = carol.address();
    let join = ["--json", "join", "--no-mdns", "--listen", "/ip4/127.0.0.1/tcp/0"];
    let join = dave.follow(&[&join[..], &["--as", "dave", "--peer", &peer]].concat());
    let line = join.next_line().expect("a line with the code");
    let waiting: Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!(waiting["state"], "waiting", "{line}");
    assert_eq!(waiting["agent"], "dave");
    assert_eq!(waiting["company"]["name"], "Example");
    let code = waiting["code"].as_str().expect("a code");
    let request = wait_until("the request is shown", || {
        alice.ok(&["agent", "requests"])["requests"].get(0).cloned()
    });
    assert_eq!(request["code"], code, "both screens show the same code");
    alice.ok(&["agent", "approve", "dave", "--code", code, "--to", "department:Support"]);
    let line = join.next_line().expect("a line that he is admitted");
    let admitted: Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!(admitted["state"], "admitted", "{line}");
    assert_eq!(admitted["company"], waiting["company"]);
    assert_eq!(join.rest(), [""; 0]);
    assert_eq!(join.wait(), 0);
    // `up` needs no address any more.
    dave.up();
    assert_eq!(dave.ready()["member"], true);
    wait_until("dave sees the others", || {
        (dave.status()["peers"].as_array().map(Vec::len) == Some(3)).then_some(())
    });
    dave.fails(&["join", "--as", "dave", "--no-wait"], 6, "conflict");
    dave.stop();
    dave.fails(&["join", "--as", "dave", "--no-wait"], 6, "conflict");
}

#[test]
fn a_request_survives_the_restart_of_either_side() {
    let (mut alice, mut bob, _) = admin_and_newcomer();
    bob.kill_nine();
    bob.up();
    let code = same_code(&alice, &bob);
    // The same port, since the newcomer knows no other.
    alice.keep_port();
    alice.kill_nine();
    alice.up();
    let new_code = same_code(&alice, &bob);
    assert_ne!(new_code, code, "a code is for one try");
    alice.fails(&["agent", "approve", "bob", "--code", &code], 4, "wrong_code");
    alice.ok(&["agent", "approve", "bob", "--code", &new_code]);
    wait_until("bob is a member", || (bob.status()["member"] == true).then_some(()));
}

#[test]
fn who_only_asks_gets_nothing_of_the_company() {
    let company = company();
    company.open_support();
    company.alice.send(Company::SUPPORT, "not for strangers");
    let Company { alice, bob, carol, lab } = company;
    let mut mallory = lab.node("mallory");
    ask_to_join(&mut mallory, &["--peer", &alice.address()]);
    let _ = same_code(&alice, &mallory);
    // Whatever members tell each other meanwhile, the stranger is connected and asks all.
    let mut dave = lab.node("dave");
    admit(&alice, &mut dave, &bob.address(), "department:Support");
    wait_until("dave has the message", || {
        (dave.lists(Company::SUPPORT) && dave.texts(Company::SUPPORT).len() == 1).then_some(())
    });
    let status = mallory.status();
    assert_eq!(status["control"]["objects"], 0);
    assert_eq!(status["rooms"], serde_json::json!([]));
    assert!(status["peers"].as_array().is_some_and(|peers| peers.is_empty().not()));
    for words in [&["agent", "list"][..], &["room", "list"], &["department", "list"]] {
        mallory.fails(words, 4, "not_member");
    }
    mallory.stop();
    let mut carol = carol;
    carol.stop();
    // The names are in a member's control log, in clear; a stranger has none of them.
    for words in ["Front Line", "Escalation", "Help Desk"] {
        assert!(carol.files_with(words.as_bytes()).is_empty().not(), "{words}");
        assert!(mallory.files_with(words.as_bytes()).is_empty(), "{words}");
    }
    assert!(mallory.files_with(b"not for strangers").is_empty());
}

#[test]
fn a_refusal_is_told_and_ends_the_request_until_join_asks_again() {
    let (alice, mut bob, _) = admin_and_newcomer();
    alice.fails(&["agent", "refuse", "carol"], 5, "not_found");
    alice.fails(&["agent", "refuse", "bob", "--code", "AAAA-AAAA"], 4, "wrong_code");
    let refused = alice.ok(&["agent", "refuse", "bob"]);
    assert_eq!((&refused["name"], &refused["device"]), (&"bob".into(), &bob.status()["device"]));
    let is_refused = |bob: &Node| bob.status()["join"]["state"] == "refused";
    wait_until("bob hears of it", || is_refused(&bob).then_some(()));
    let status = bob.say(&["status"]).stdout;
    assert!(status.contains("refused as bob; `conclave join` asks again"), "{status}");
    assert_eq!(alice.ok(&["agent", "requests"])["requests"], serde_json::json!([]));
    bob.stop();
    bob.up();
    assert!(is_refused(&bob), "also after a restart");
    bob.stop();
    let join = ["--json", "join", "--no-mdns", "--listen", "/ip4/127.0.0.1/tcp/0"];
    let peer = alice.address();
    let join = bob.follow(&[&join[..], &["--as", "bob", "--peer", &peer]].concat());
    let line = join.next_line().expect("a line with the code");
    assert_eq!(serde_json::from_str::<Value>(&line).expect("JSON")["state"], "waiting");
    wait_until("the request is shown", || {
        alice.ok(&["agent", "requests"])["requests"].get(0).cloned()
    });
    alice.ok(&["agent", "refuse", "bob"]);
    let line = join.next_line().expect("a line that he is refused");
    assert_eq!(serde_json::from_str::<Value>(&line).expect("JSON")["state"], "refused");
    assert_eq!(join.wait(), 4);
}
