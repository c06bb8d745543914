//! An old copy of a home is put back: no sequence number is used twice.

use std::thread;
use std::time::{Duration, Instant};

use conclave_tests::found::assert_no_number_twice;
use conclave_tests::process::{
    Acknowledged, Company, Node, Ran, all_have, burst, run, text, wait_until,
};
use serde_json::json;

use crate::{PATIENCE, company};

const ROOM: &str = Company::EVERYONE;
/// How long a command is left alone with a node that nobody else is connected to.
const ALONE: Duration = Duration::from_secs(3);

/// Runs a command on a node that is alone: it may be refused or wait until others are there.
/// `meet` brings them after a while; gives what became of it.
fn run_alone(node: &Node, args: &[&str], meet: impl FnOnce()) -> Ran {
    let command = node.command(&[&["--json"], args].concat());
    let running = thread::spawn(|| run(command, &[]));
    let begin = Instant::now();
    while !running.is_finished() && begin.elapsed() < ALONE {
        thread::sleep(Duration::from_millis(20));
    }
    meet();
    running.join().expect("it ends")
}

/// Posts, as soon as the node can.
fn post(node: &Node, words: &str) -> String {
    wait_until("it can post", || {
        let ran = node.json(&["send", ROOM, words]);
        (ran.code == 0).then(|| text(&ran.document()["id"]))
    })
}

fn no_alarm(nodes: [&Node; 2]) {
    for node in nodes {
        assert_eq!(node.status()["alarms"], json!([]), "{}", node.name());
    }
}

#[test]
fn a_node_learns_its_own_tail_before_it_posts_again() {
    let Company { mut alice, mut bob, carol, lab: _lab } = {
        let company = company();
        company.open_everyone();
        company
    };
    drop(carol);
    alice.keep_port();
    bob.keep_port();
    let mut sent = Acknowledged::new();
    let mut send = |node: &Node, name: &str| {
        let (more, code) = burst(node.command(&["--json", "send", ROOM, "-"]), name, 0..10);
        assert_eq!(code, 0);
        sent.extend(more);
    };
    send(&bob, "before the copy");
    bob.stop();
    let copy = bob.copy_home("copy");
    bob.up();
    send(&bob, "after the copy");
    send(&alice, "meanwhile");
    all_have([&alice, &bob], ROOM, &sent, PATIENCE);
    bob.stop();
    alice.stop();

    bob.put_back(&copy);
    bob.up();
    let ran = run_alone(&bob, &["send", ROOM, "too early?"], || alice.up());
    if ran.code == 0 {
        // It waited, and was not put in the place of another.
        sent.insert(text(&ran.document()["id"]), "too early?".to_owned());
    } else {
        ran.assert_problem(1, "failed");
    }
    sent.insert(post(&bob, "now"), "now".to_owned());
    all_have([&alice, &bob], ROOM, &sent, PATIENCE);
    no_alarm([&alice, &bob]);
    for node in [&alice, &bob] {
        let found = assert_no_number_twice(node);
        assert!(found >= sent.len(), "{found} messages were found on {}", node.name());
    }
}

#[test]
fn an_admin_learns_the_end_of_its_own_chain_before_it_signs_again() {
    let Company { mut alice, mut bob, carol, lab: _lab } = {
        let company = company();
        company.open_everyone();
        company
    };
    drop(carol);
    alice.keep_port();
    bob.keep_port();
    alice.stop();
    let copy = alice.copy_home("copy");
    alice.up();
    for name in ["Night Shift", "Day Shift"] {
        alice.ok(&["role", "new", name]);
    }
    wait_until("bob has it", || (bob.control_digest() == alice.control_digest()).then_some(()));
    let before = bob.control_digest();
    alice.stop();
    bob.stop();

    alice.put_back(&copy);
    alice.up();
    let ran = run_alone(&alice, &["role", "new", "Auditor"], || bob.up());
    if ran.code != 0 {
        ran.assert_problem(1, "failed");
        wait_until("she can sign", || {
            (alice.json(&["role", "new", "Auditor"]).code == 0).then_some(())
        });
    }
    wait_until("one control log", || {
        (bob.control_digest() == alice.control_digest()).then_some(())
    });
    assert_ne!(bob.control_digest(), before);
    let units = bob.ok(&["role", "list"])["units"].to_string();
    for name in ["Night Shift", "Day Shift", "Auditor"] {
        assert!(units.contains(name), "{name}: {units}");
    }
    no_alarm([&alice, &bob]);
}
