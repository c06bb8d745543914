//! The audit trail: who did what, what counts, and why.

use conclave_tests::process::{Company, Node, text, wait_until};
use serde_json::{Value, json};

use crate::company;

const ROOM: &str = Company::SUPPORT;

#[track_caller]
fn log(node: &Node) -> Vec<Value> {
    node.ok(&["log"])["objects"].as_array().expect("objects").clone()
}

#[track_caller]
fn by<'a>(log: &'a [Value], agent: &str) -> Vec<&'a Value> {
    log.iter().filter(|line| line["agent"]["name"] == agent).collect()
}

#[test]
fn what_a_cut_makes_void_is_shown_explained_and_restored() {
    let Company { alice, bob, carol, lab: _lab } = company();
    alice.ok(&["admin", "grant", "bob", "--rank", "2"]);
    wait_until("bob is an admin", || {
        (bob.json(&["department", "new", "Research"]).code == 0).then_some(())
    });
    bob.ok(&["department", "new", "Sports"]);
    wait_until("alice has both", || (by(&log(&alice), "bob").len() == 2).then_some(()));
    let lines = log(&alice);
    for line in &lines {
        for field in ["id", "author"] {
            assert_eq!(text(&line[field]).len(), 64, "{line}");
        }
        for field in ["kind", "state", "text"] {
            assert!(!text(&line[field]).is_empty(), "{line}");
        }
        assert!(text(&line["heard"]).ends_with('Z'), "{line}");
        assert!(line["height"].is_u64() && line["seq"].is_u64(), "{line}");
        assert!(line["rank"].is_u64() && line["cut_by"] == json!([]), "{line}");
        assert_eq!((&line["state"], &line["ratify"]), (&json!("counts"), &Value::Null));
    }
    assert_eq!((&lines[0]["kind"], &lines[0]["agent"]), (&json!("genesis"), &Value::Null));
    assert_eq!(alice.ok(&["log", "--limit", "1"])["objects"], json!([lines.last()]));

    let [first, second] = by(&lines, "bob").try_into().expect("two");
    let (good, bad) = (text(&first["id"]), text(&second["id"]));
    let revoke = ["admin", "revoke", "bob", "--last-good", &good];
    let ended = alice.ok(&revoke);
    assert_eq!(ended["lost"]["voided"], json!([bad]));
    let cut = text(&ended["objects"][0]);

    let why = alice.ok(&["why", &bad]);
    assert_eq!((&why["state"], &why["failing"]), (&json!("void"), &json!(bad)));
    assert_eq!((&why["cut_by"], &why["ratify"]), (&json!([cut]), &json!(bad)));
    let chain = why["chain"].as_array().expect("a chain");
    assert_eq!(chain.first().map(|link| &link["holds"]), Some(&json!(false)));
    assert_eq!(chain.last().map(|link| &link["kind"]), Some(&json!("genesis")));
    for link in chain {
        assert!(!text(&link["text"]).is_empty() && !text(&link["author"]).is_empty(), "{link}");
        assert!(text(&link["heard"]).ends_with('Z'), "{link}");
    }
    let told = alice.say(&["log"]).stdout;
    assert!(told.contains(&format!("conclave ratify {bad}")) && told.contains(&cut), "{told}");
    let units = || alice.ok(&["department", "list"])["units"].to_string();
    assert!(!units().contains("Sports"));

    alice.ok(&["ratify", &bad]);
    assert!(units().contains("Sports"));
    assert_eq!(alice.ok(&["why", &bad])["state"], "counts");
    wait_until("carol agrees", || (carol.control_digest() == alice.control_digest()).then_some(()));
    alice.fails(&["why", "bob"], 2, "usage");
    alice.fails(&["why", &"ab".repeat(32)], 5, "not_found");
}

#[test]
fn why_an_agent_has_access() {
    let company = company();
    company.open_support();
    let Company { alice, bob, .. } = company;
    let id = bob.send(ROOM, "hello");
    let why = alice.ok(&["room", "access", ROOM, "--why", "bob"]);
    assert_eq!((&why["room"]["name"], &why["agent"]["name"]), (&json!(ROOM), &json!("bob")));
    assert_eq!((&why["access"], &why["ended_by"]), (&json!(true), &json!([])));
    let kinds: Vec<&Value> =
        why["chain"].as_array().expect("a chain").iter().map(|link| &link["kind"]).collect();
    for kind in ["device-cert", "member-grant", "permit", "admin-grant", "genesis"] {
        assert!(kinds.contains(&&json!(kind)), "{kind}: {kinds:?}");
    }
    assert_eq!(alice.ok(&["room", "access", ROOM, "--why", "carol"])["access"], false);
    wait_until("alice has it", || (alice.texts(ROOM).len() == 1).then_some(()));
    assert_eq!(alice.ok(&["why", &id])["state"], "accepted");
    alice.ok(&["agent", "remove", "bob", "group:Support/Front Line"]);
    let why = alice.ok(&["room", "access", ROOM, "--why", "bob"]);
    assert_eq!(why["access"], false);
    assert_eq!(why["ended_by"].as_array().map(Vec::len), Some(1), "{why}");
}

#[test]
fn the_log_is_followed() {
    let Company { alice, bob, .. } = company();
    let before = log(&bob).len();
    let follow = bob.follow(&["log", "--follow", "--json", "--limit", "1"]);
    let line = |what: &str| -> Value {
        let line = follow.next_line().expect(what);
        serde_json::from_str(&line).expect("JSON")
    };
    assert_eq!(line("the newest")["id"], log(&bob)[before - 1]["id"]);
    let made = alice.ok(&["role", "new", "Auditor"]);
    let new = line("the new one");
    assert_eq!((&new["id"], &new["kind"]), (&made["id"], &json!("unit-create")));
    assert_eq!(new["agent"]["name"], "alice");
}
