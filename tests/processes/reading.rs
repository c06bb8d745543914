//! Reading: what is marked as read, a room as text, the audit trail narrowed down, and what only
//! the page asks for so far.

use std::future::Future;

use conclave_node::api::client::Client;
use conclave_node::api::types::Change;
use conclave_tests::process::{Company, Node, text, wait_until};
use serde_json::{Value, json};

use crate::company;

const ROOM: &str = Company::SUPPORT;

fn line(node: &Node) -> Value {
    let list = node.ok(&["room", "list"]);
    let lines = list["rooms"].as_array().expect("rooms").clone();
    lines.into_iter().find(|line| line["name"] == ROOM).expect("the room")
}

/// What the client of the local API does against a node.
fn ask<T, F: Future<Output = T>>(node: &Node, ask: impl FnOnce(Client) -> F) -> T {
    let client = Client::open(node.home()).unwrap_or_else(|problem| panic!("{problem}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(ask(client))
}

#[test]
fn history_marks_what_it_showed_and_no_more() {
    let company = company();
    company.open_support();
    let Company { alice, bob, .. } = company;
    let ids: Vec<String> = (0..4).map(|n| bob.send(ROOM, &format!("b{n}"))).collect();
    wait_until("all are unread", || (line(&alice)["unread"] == 4).then_some(()));
    assert_eq!(line(&alice)["first_unread"], ids[0].as_str());
    assert!(line(&alice)["newest"].is_string());
    alice.ok(&["history", ROOM, "--before", &ids[3]]);
    // Looking back marks nothing.
    assert_eq!(line(&alice)["unread"], 4);
    ask(&alice, async |client| client.mark_read(ROOM, Some(&ids[1])).await).expect("marked");
    assert_eq!(
        (&line(&alice)["unread"], &line(&alice)["first_unread"]),
        (&json!(2), &json!(ids[2]))
    );
    alice.ok(&["history", ROOM]);
    assert_eq!((&line(&alice)["unread"], &line(&alice)["first_unread"]), (&json!(0), &Value::Null));
    let wrong = ask(&alice, async |client| client.mark_read(ROOM, Some("nonsense")).await);
    assert_eq!(wrong.expect_err("unknown").kind, "not_found");
}

#[test]
fn a_room_is_exported_as_text() {
    let company = company();
    company.open_support();
    let Company { alice, bob, carol, .. } = company;
    // More than one part of the text.
    let mut input: Vec<String> = (0..250).map(|n| format!("line {n}")).collect();
    input.push(String::new());
    bob.ok(&["send", ROOM, "one\nbob: two\u{202e}"]);
    let sent = bob.json_with_input(&["send", ROOM, "-"], input.join("\n").as_bytes());
    assert_eq!(sent.code, 0, "{}", sent.stderr);
    wait_until("all are here", || (line(&alice)["unread"] == 251).then_some(()));
    let told = alice.say(&["export", ROOM]);
    assert_eq!(told.code, 0, "{}", told.stderr);
    let lines: Vec<&str> = told.stdout.lines().collect();
    assert_eq!(lines.len(), 252);
    assert!(lines[0].ends_with(" bob: one") && lines[1] == "    bob: two\\u{202e}", "{lines:?}");
    let stamp: Vec<char> = lines[0].chars().take(20).collect();
    assert!(stamp[4] == '-' && stamp[10] == ' ' && stamp[16] == ':' && stamp[19] == ' ');
    assert!(lines[251].ends_with(" bob: line 249"), "{}", lines[251]);
    assert_eq!(line(&alice)["unread"], 251, "an export reads nothing");
    alice.fails(&["export", ROOM, "--format", "text"], 2, "usage");
    assert_eq!(alice.say(&["export", "nowhere"]).code, 5);
    let refused = carol.say(&["export", ROOM]);
    assert_eq!((refused.code, refused.stdout.as_str()), (4, ""));
}

#[test]
fn the_log_is_narrowed_down() {
    let Company { alice, lab: _lab, .. } = company();
    let objects = |args: &[&str]| {
        let log = alice.ok(&[&["log"], args].concat());
        log["objects"].as_array().expect("objects").clone()
    };
    let all = objects(&[]);
    let grants = objects(&["--kind", "member-grant"]);
    assert!(!grants.is_empty() && grants.len() < all.len());
    assert!(grants.iter().all(|line| line["kind"] == "member-grant"));
    let newest = objects(&["--newest-first", "--limit", "2"]);
    let expected: Vec<&Value> = all.iter().rev().take(2).collect();
    assert_eq!(newest.iter().collect::<Vec<_>>(), expected);
    assert_eq!(
        objects(&["--agent", "alice", "--state", "counts"]).len(),
        all.iter().filter(|l| l["agent"]["name"] == "alice").count()
    );
    assert_eq!(objects(&["--text", &text(&all[3]["id"])]), [all[3].clone()]);
    assert!(objects(&["--state", "void"]).is_empty());
    alice.fails(&["log", "--kind", "nonsense"], 2, "usage");
    alice.fails(&["log", "--agent", "nobody"], 5, "not_found");
}

#[test]
fn what_the_page_asks_of_people() {
    let Company { alice, bob, .. } = company();
    alice.ok(&["room", "new", "Lounge", "--permit", "role:Agent"]);
    let permits = ["department:Support".to_owned(), "agent:nobody".to_owned()];
    let preview = ask(&alice, async |client| client.access_preview(&permits).await).expect("one");
    assert!(preview.agents.iter().any(|line| line.name == "bob"));
    assert_eq!(preview.unknown, ["agent:nobody"]);
    let found = ask(&bob, async |client| client.principals("sup").await).expect("a member");
    assert!(found.principals.iter().any(|p| p.principal == "department:Support" && p.members > 0));
    let rooms = ask(&alice, async |client| client.agent_rooms("bob").await).expect("an admin");
    assert_eq!((rooms.agent.name.as_str(), rooms.rooms[0].name.as_str()), ("bob", "Lounge"));
    let refused = ask(&bob, async |client| client.agent_rooms("alice").await);
    assert_eq!(refused.expect_err("no admin").kind, "not_admin");
    assert_eq!(alice.status()["admin"]["rank"], 1);
    assert_eq!(bob.status()["admin"], Value::Null);

    alice.ok(&["department", "new", "Research"]);
    let (agent, unit) = ("bob".to_owned(), "department:Research".to_owned());
    let (from, to) = (vec!["department:Support".to_owned()], vec![unit.clone()]);
    for change in [
        Change::AddMember { agent: agent.clone(), unit: unit.clone() },
        Change::RemoveMember { agent: agent.clone(), unit: unit.clone() },
        Change::MoveMember { agent, from, to },
        Change::SetTopic { room: "Lounge".into(), topic: "Coffee".into() },
    ] {
        let (planned, done) = ask(&alice, async |client| {
            let request = client.request(change.clone(), None).expect("no secret");
            let planned = client.preview(&request).await.expect("a preview");
            (planned, client.change(&request).await.expect("done"))
        });
        assert_eq!(planned.effects, done.effects, "{change:?}");
        let about_bob = !matches!(change, Change::SetTopic { .. });
        assert_eq!(planned.effects.kept.len(), usize::from(about_bob), "{change:?}");
    }
    assert_eq!(alice.ok(&["agent", "show", "bob"])["units"], json!(["department:Research"]));
    assert_eq!(alice.ok(&["room", "show", "Lounge"])["topic"], "Coffee");
}
