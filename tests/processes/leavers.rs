//! Leavers and stolen laptops: what is said before, what is lost, who has heard of it.

use conclave_tests::process::{Company, wait_until};
use serde_json::json;

use crate::company;

const ROOM: &str = Company::SUPPORT;

#[test]
fn a_dismissed_agent_can_do_nothing_and_returns_by_a_ratify() {
    let company = company();
    company.open_support();
    let Company { alice, bob, carol, .. } = company;
    bob.send(ROOM, "bob was here");
    alice.send(ROOM, "alice answers");
    wait_until("all have all", || {
        (alice.texts(ROOM).len() == 2 && bob.texts(ROOM).len() == 2).then_some(())
    });
    carol.fails(&["agent", "revoke", "bob"], 4, "not_admin");

    let digest = alice.control_digest();
    let dry = alice.ok(&["agent", "revoke", "bob", "--dry-run"]);
    assert_eq!(dry["dismissed"][0]["name"], "bob");
    assert_eq!(dry["rooms"][0]["lose"][0]["name"], "bob");
    assert_eq!((&dry["rooms"][0]["messages_lost"], &dry["voided"]), (&json!(0), &json!([])));
    assert_eq!(alice.control_digest(), digest, "a dry run changes nothing");

    let ran = alice.say(&["agent", "revoke", "bob", "--wait", "50"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stderr.contains("lose access: bob"), "it is said before: {ran:?}");
    assert!(ran.stderr.ends_with("applied on 2 of 2 devices\n"), "{ran:?}");
    wait_until("bob knows it", || (bob.json(&["send", ROOM, "me?"]).code != 0).then_some(()));
    bob.json(&["send", ROOM, "me?"]).assert_problem(4, "no_access");
    let history = alice.history(ROOM);
    assert_eq!(history[0]["state"], "vouched", "{history:?}");
    let agents = alice.ok(&["agent", "show", "bob"]);
    assert_eq!(agents["active"], false);
    alice.fails(&["agent", "revoke", "bob"], 6, "conflict");

    alice.ok(&["ratify", "agent:bob", "--wait", "50"]);
    wait_until("bob writes again", || (bob.json(&["send", ROOM, "back"]).code == 0).then_some(()));
    wait_until("alice reads him", || alice.texts(ROOM).contains(&"back".to_owned()).then_some(()));
}

#[test]
fn a_strict_revocation_keeps_only_what_is_named() {
    let company = company();
    company.open_support();
    let Company { alice, bob, .. } = company;
    let good = bob.send(ROOM, "good");
    bob.send(ROOM, "by the thief");
    wait_until("alice has them", || (alice.texts(ROOM).len() == 2).then_some(()));
    alice.fails(&["agent", "revoke", "bob", "--keep", &good], 2, "usage");
    let revoke = ["agent", "revoke", "bob", "--strict", "--keep", &good];
    let dry = alice.ok(&[&revoke[..], &["--dry-run"]].concat());
    assert_eq!(dry["rooms"][0]["messages_lost"], 1);
    alice.ok(&revoke);
    wait_until("it is void", || (alice.texts(ROOM) == ["good"]).then_some(()));
}

#[test]
fn waiting_says_who_has_not_heard() {
    let Company { alice, bob, mut carol, lab: _lab } = company();
    let done = alice.ok(&["agent", "remove", "bob", "group:Support/Front Line", "--wait", "50"]);
    assert_eq!(done["applied"], json!({ "devices": 3, "applied": 3, "missing": [] }));
    assert_eq!(done["agent"]["name"], "bob");

    carol.keep_port();
    carol.stop();
    alice.ok(&["agent", "add", "bob", "role:Manager"]);
    let remove = ["agent", "remove", "bob", "role:Manager", "--wait", "1"];
    let ran = alice.json(&remove);
    ran.assert_problem(1, "failed");
    assert!(ran.stderr.contains("2 of 3") && ran.stderr.contains("carol"), "{ran:?}");
    let applied = &alice.status()["applied"];
    assert_eq!((&applied["devices"], &applied["applied"]), (&json!(3), &json!(2)));
    assert_eq!(applied["missing"][0]["agent"]["name"], "carol");
    assert!(applied["missing"][0]["last_seen"].is_string(), "{applied}");
    let shown = alice.say(&["status"]);
    assert!(shown.stdout.contains("on 2 of 3 devices; not yet: carol's device"), "{shown:?}");
    carol.up();
    wait_until("carol has applied it too", || {
        (alice.status()["applied"]["missing"] == json!([])).then_some(())
    });
    drop(bob);
}
