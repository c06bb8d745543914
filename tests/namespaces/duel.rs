//! Two admins of one rank, cut off from each other, remove each other and each other's people.

use conclave_tests::process::{Company, Lab, Node, wait_until};

use crate::lan::Lan;
use crate::{BINARY, ROOM, UNIT, admit, has, on};

fn alarms(node: &Node) -> Vec<(String, String)> {
    let status = node.status();
    let alarms = status["alarms"].as_array().expect("alarms").clone();
    alarms
        .iter()
        .map(|alarm| {
            let text = |key: &str| alarm[key].as_str().expect("a text").to_owned();
            (text("kind"), text("message"))
        })
        .collect()
}

fn agents(node: &Node, active: bool) -> Vec<String> {
    let list = node.ok(&["agent", "list"]);
    let agents = list["agents"].as_array().expect("agents").clone();
    let chosen = agents.iter().filter(|agent| agent["active"] == active);
    chosen.map(|agent| agent["name"].as_str().expect("a name").to_owned()).collect()
}

#[test]
#[ignore = "needs root and network namespaces: run by .ci/run"]
fn duel_of_equals_apart_ends_with_both_an_alarm_and_one_digest() {
    let lan = Lan::new();
    let lab = Lab::new(BINARY);
    let [mut alice, mut bob, mut carol, mut dave, mut erin] =
        ["alice", "bob", "carol", "dave", "erin"].map(|name| on(&lan, &lab, name));
    Company::found(&mut alice);
    for newcomer in [&mut bob, &mut carol, &mut dave, &mut erin] {
        admit(&alice, newcomer, UNIT);
    }
    alice.ok(&["admin", "grant", "bob", "--rank", "1", "--wait"]);
    // The root key goes into the safe: nobody is senior to the two now.
    let root_key = alice.home().join("root.key");
    let safe = lab.path().join("safe");
    std::fs::rename(&root_key, &safe).expect("the key can be moved away");
    alice.ok(&["room", "new", ROOM, "--permit", "department:Support"]);
    let all = [&alice, &bob, &carol, &dave, &erin];
    alice.send(ROOM, "together");
    for node in all {
        wait_until("all have it", || has(node, "together"));
    }

    // Bob is cut off; each removes the other, and the other's people.
    lan.unplug("bob");
    for (admin, other, person) in [(&alice, "bob", "dave"), (&bob, "alice", "carol")] {
        let said = admin.json(&["admin", "revoke", other]);
        assert_eq!(said.code, 0, "{}", said.stderr);
        let warned = said.stdout.contains("no effect");
        assert!(warned, "a warning is given: {} {}", said.stdout, said.stderr);
        admin.ok(&["agent", "revoke", person]);
    }
    // Each side goes on; in particular, dave has not heard of what bob did.
    wait_until("dave is out on alice's side", || {
        agents(&erin, false).contains(&"dave".to_owned()).then_some(())
    });
    assert!(agents(&erin, true).contains(&"bob".to_owned()));

    lan.plug("bob");
    // Who is dismissed is told so, and nothing else any more: the others must agree.
    let members = [&alice, &bob, &erin];
    wait_until("one digest", || {
        let digests = members.map(|node| node.control_digest());
        digests.iter().all(|digest| *digest == digests[0]).then_some(())
    });
    for node in members {
        // Both admins remain; whom either dismissed is out: they are nobody's equals.
        let active = agents(node, true);
        assert!(active.contains(&"alice".to_owned()) && active.contains(&"bob".to_owned()));
        assert_eq!(agents(node, false), ["carol", "dave"]);
    }
    for node in members {
        wait_until("everybody sees the alarm and what to do", || {
            let alarms = alarms(node);
            let duels: Vec<_> =
                alarms.iter().filter(|(kind, _)| kind == "duel_of_equals").collect();
            (duels.len() == 2 && duels.iter().all(|(_, words)| words.contains("admin revoke")))
                .then_some(())
        });
    }

    // Whoever holds the root key decides.
    let key = safe.to_str().expect("a path");
    alice.ok(&["admin", "revoke", "bob", "--root-key", key]);
    for node in members {
        wait_until("the alarm is over", || {
            alarms(node).iter().all(|(kind, _)| kind != "duel_of_equals").then_some(())
        });
    }
    let said = bob.json(&["admin", "revoke", "alice"]);
    said.assert_problem(4, "not_admin");
    // Dave was alice's to dismiss; what bob did to carol before stands, and can be undone.
    alice.ok(&["ratify", "agent:carol"]);
    wait_until("carol is back", || agents(&bob, true).contains(&"carol".to_owned()).then_some(()));
    wait_until("carol reads again", || has(&carol, "together"));
    carol.send(ROOM, "I am back");
    for node in members {
        wait_until("carol is heard", || has(node, "I am back"));
    }
}
