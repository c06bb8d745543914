//! Admins: appointed, limited to a Department, ended, resigned; units and rooms that they rename
//! and delete.

use conclave_tests::process::{Company, Node, text, wait_until};
use serde_json::{Value, json};

use crate::company;

const ROOM: &str = Company::SUPPORT;

/// Waits until a node has the same control log as another.
#[track_caller]
fn heard(node: &Node, of: &Node) {
    wait_until("the change has come", || {
        (node.control_digest() == of.control_digest()).then_some(())
    });
}

/// The admin grants in force of an agent.
#[track_caller]
fn grants(node: &Node, agent: &str) -> Vec<Value> {
    let list = node.ok(&["admin", "list"]);
    let admins = list["admins"].as_array().expect("admins");
    let of = |admin: &&Value| admin["agent"]["name"] == agent && admin["in_force"] == true;
    admins.iter().filter(of).cloned().collect()
}

#[test]
fn a_rank_is_given_and_taken() {
    let Company { alice, bob, carol, lab: _lab } = company();
    bob.fails(&["department", "new", "Research"], 4, "not_admin");
    bob.fails(&["admin", "grant", "carol", "--rank", "2"], 4, "not_admin");
    // The root key still lies in alice's home.
    alice.ok(&["admin", "grant", "bob", "--rank", "1"]);
    alice.fails(&["admin", "grant", "bob", "--rank", "1"], 6, "conflict");
    alice.fails(&["admin", "grant", "nobody", "--rank", "2"], 5, "not_found");
    alice.fails(&["admin", "grant", "bob", "--rank", "0"], 2, "usage");
    alice.fails(&["admin", "grant", "bob", "--rank", "2", "--may", "all"], 2, "usage");
    heard(&bob, &alice);
    bob.ok(&["department", "new", "Research"]);
    let [grant] = grants(&bob, "bob").try_into().expect("one grant");
    assert_eq!((&grant["rank"], &grant["scope"]), (&json!(1), &Value::Null));
    assert_eq!(grant["may"], json!(["units", "agents", "rooms", "admins"]));
    for field in ["grant", "device"] {
        assert_eq!(text(&grant[field]).len(), 64);
    }

    // Only the root key ends a rank 1; what bob made stays.
    carol.fails(&["admin", "revoke", "bob"], 4, "not_admin");
    let ended = alice.ok(&["admin", "revoke", "bob"]);
    assert_eq!(ended["lost"]["admins_ended"][0]["agent"]["name"], "bob");
    heard(&bob, &alice);
    bob.fails(&["department", "new", "Sports"], 4, "not_admin");
    assert!(grants(&bob, "bob").is_empty());
    let units = alice.ok(&["department", "list"])["units"].to_string();
    assert!(units.contains("department:Research"), "{units}");
    alice.fails(&["admin", "revoke", "bob"], 5, "not_found");
}

#[test]
fn an_admin_of_one_department_is_one_there_only_and_may_resign() {
    let Company { alice, bob, carol, lab: _lab } = company();
    let grant = ["admin", "grant", "bob", "--rank", "3", "--scope", "department:Support"];
    alice.ok(&grant);
    heard(&bob, &alice);
    let [grant] = grants(&bob, "bob").try_into().expect("one grant");
    assert_eq!(grant["scope"], "department:Support");
    assert_eq!(grant["may"], json!(["units", "rooms"]));
    bob.ok(&["group", "new", "Night Shift", "--department", "Support"]);
    bob.fails(&["group", "new", "Night Shift", "--department", "Sales"], 4, "not_admin");
    bob.fails(&["role", "new", "Boss"], 4, "not_admin");
    bob.fails(&["admin", "grant", "carol", "--rank", "4"], 4, "not_admin");

    assert_eq!(bob.json(&["admin", "revoke", "bob"]).code, 0, "everybody may resign");
    bob.fails(&["group", "new", "Day Shift", "--department", "Support"], 4, "not_admin");
    heard(&carol, &bob);
    let units = carol.ok(&["group", "list"])["units"].to_string();
    assert!(units.contains("Support/Night Shift"), "{units}");
}

#[test]
fn units_are_renamed_and_deleted_and_return() {
    let company = company();
    company.open_support();
    let Company { alice, bob, .. } = company;
    let renamed = alice.ok(&["department", "rename", "Support", "Helpdesk"]);
    assert_eq!(renamed["unit"], "department:Helpdesk");
    let id = text(&renamed["id"]);
    let group = ["group", "rename", "Front Line", "First Line", "--department", "Helpdesk"];
    assert_eq!(alice.ok(&group)["unit"], "group:Helpdesk/First Line");
    alice.fails(&["group", "rename", "First Line", "X"], 2, "usage");
    alice.fails(&["role", "rename", "department:Helpdesk", "X"], 5, "not_found");
    alice.fails(&["department", "rename", &id, "Sales"], 6, "conflict");
    alice.fails(&["department", "rename", &id, "a/b"], 2, "usage");
    heard(&bob, &alice);
    bob.fails(&["department", "delete", "Helpdesk"], 4, "not_admin");
    assert!(bob.lists(ROOM), "a name is no permission");

    let digest = alice.control_digest();
    let dry = alice.ok(&["department", "delete", "Helpdesk", "--dry-run"]);
    assert_eq!((&dry["dry_run"], &dry["subject"]), (&json!(true), &json!("department:Helpdesk")));
    assert_eq!(dry["rooms"][0]["room"]["name"], ROOM);
    assert_eq!(dry["rooms"][0]["nobody_left"], true);
    assert_eq!(dry["rooms"][0]["lose"].as_array().expect("agents").len(), 2);
    assert_eq!(alice.control_digest(), digest, "a dry run changes nothing");

    let deleted = alice.ok(&["department", "delete", &id]);
    assert_eq!((text(&deleted["id"]), &deleted["unit"]), (id, &json!("department:Helpdesk")));
    assert_eq!(deleted["objects"].as_array().expect("objects").len(), 1);
    assert_eq!(deleted["lost"]["rooms"], dry["rooms"]);
    wait_until("bob has lost the room", || (!bob.lists(ROOM)).then_some(()));
    alice.fails(&["department", "delete", "Helpdesk"], 5, "not_found");
    alice.ok(&["ratify", "department:Helpdesk"]);
    wait_until("bob has the room again", || bob.lists(ROOM).then_some(()));
    alice.fails(&["ratify", "department:Helpdesk"], 6, "conflict");
}

#[test]
fn a_room_is_renamed_put_out_of_use_and_deleted() {
    let company = company();
    company.open_support();
    let Company { alice, bob, .. } = company;
    bob.send(ROOM, "before");
    let renamed = alice.ok(&["room", "rename", ROOM, "Hall"]);
    assert_eq!((&renamed["name"], &renamed["active"]), (&json!("Hall"), &json!(true)));
    assert_eq!(alice.ok(&["room", "deactivate", "Hall"])["active"], false);
    alice.fails(&["room", "deactivate", "Hall"], 6, "conflict");
    heard(&bob, &alice);
    bob.fails(&["send", "Hall", "into the void"], 6, "conflict");
    assert_eq!(bob.texts("Hall"), ["before"]);
    bob.fails(&["room", "reactivate", "Hall"], 4, "not_admin");
    assert_eq!(alice.ok(&["room", "reactivate", "Hall"])["active"], true);
    heard(&bob, &alice);
    bob.send("Hall", "after");

    let deleted = alice.ok(&["room", "delete", "Hall"]);
    assert_eq!(deleted["name"], "Hall");
    let id = text(&deleted["id"]);
    wait_until("it has left bob's list", || (!bob.lists("Hall")).then_some(()));
    for room in ["Hall", &id] {
        alice.fails(&["room", "show", room], 5, "not_found");
        bob.fails(&["history", room], 5, "not_found");
    }
    alice.ok(&["ratify", "room:Hall"]);
    wait_until("bob reads it again", || {
        (bob.lists("Hall") && bob.texts("Hall") == ["before", "after"]).then_some(())
    });
}
