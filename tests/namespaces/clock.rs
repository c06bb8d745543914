//! Clocks that are wrong, by ten years and by jumps: the same access decisions, and nobody is
//! shut out.

use std::fs;
use std::path::{Path, PathBuf};

use conclave_tests::process::{Acknowledged, Company, Node, all_have, burst, wait_until};
use serde_json::json;

use crate::{BINARY, PATIENCE};

const ROOM: &str = Company::EVERYONE;

/// Where the package libfaketime puts its library.
fn library() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").expect("a folder").filter_map(Result::ok);
    let name = "faketime/libfaketimeMT.so.1";
    let mut found = folders.map(|folder| folder.path().join(name)).filter(|path| path.exists());
    found.next().expect("this test needs the package libfaketime")
}

/// Starts a node again with the clock that a file tells, whenever it is asked.
#[track_caller]
fn with_clock(node: &mut Node, clock: &Path) {
    let preload = format!("LD_PRELOAD={}", library().display());
    let file = format!("FAKETIME_TIMESTAMP_FILE={}", clock.display());
    let monotonic = "FAKETIME_DONT_FAKE_MONOTONIC=1";
    let asked = "FAKETIME_NO_CACHE=1";
    node.stop();
    node.set_launcher(&["env", &preload, &file, monotonic, asked]);
    node.up();
}

#[test]
#[ignore = "needs libfaketime: run by .ci/run"]
fn clocks_wrong_by_ten_years_and_stepping_cost_nothing() {
    let mut company = Company::new(BINARY);
    company.open_everyone();
    let clock = |name: &str| company.lab.path().join(name);
    let (ahead, behind) = (clock("ahead"), clock("behind"));
    fs::write(&ahead, "+10y\n").expect("written");
    fs::write(&behind, "-10y\n").expect("written");
    let Company { alice, bob, carol, .. } = &mut company;
    with_clock(bob, &ahead);
    with_clock(carol, &behind);

    let mut sent = Acknowledged::new();
    let mut all_write = |nodes: [&Node; 3], when: &str| {
        for node in nodes {
            let command = node.command(&["--json", "send", ROOM, "-"]);
            let (more, code) = burst(command, &format!("{} {when}", node.name()), 0..10);
            assert_eq!(code, 0);
            sent.extend(more);
        }
        all_have(nodes, ROOM, &sent, PATIENCE);
    };
    all_write([alice, bob, carol], "now");
    let years: Vec<String> = ["bob now 0", "carol now 0"]
        .iter()
        .map(|words| {
            let history = alice.history(ROOM);
            let message = history.iter().find(|message| message["text"] == *words);
            message.expect("it is there")["time"].to_string()[1..5].to_owned()
        })
        .collect();
    let apart = |year: &str| year.parse::<i32>().expect("a year");
    assert!(apart(&years[0]) - apart(&years[1]) >= 19, "the clocks are wrong: {years:?}");

    // Changes by an admin, whoever's clock says what.
    alice.ok(&["agent", "remove", "carol", "group:Sales/Front Line"]);
    alice.ok(&["room", "new", "Later", "--permit", "department:Sales"]);
    alice.ok(&["agent", "add", "bob", "group:Sales/Enterprise"]);
    wait_until("bob lists it", || bob.lists("Later").then_some(()));
    wait_until("one control log", || {
        let digests = [&*alice, &*bob, &*carol].map(Node::control_digest);
        digests.iter().all(|digest| *digest == digests[0]).then_some(())
    });
    assert!(!carol.lists("Later"));
    carol.json(&["send", "Later", "let me in"]).assert_problem(4, "no_access");

    // The clocks step while they run: to the other end and back.
    for (step, (bobs, carols)) in
        [("-10y", "+10y"), ("+0", "-1h"), ("+10y", "-10y")].iter().enumerate()
    {
        fs::write(&ahead, format!("{bobs}\n")).expect("written");
        fs::write(&behind, format!("{carols}\n")).expect("written");
        all_write([alice, bob, carol], &format!("after step {step}"));
    }
    alice.ok(&["role", "new", "Auditor"]);
    wait_until("one control log", || {
        let digests = [&*alice, &*bob, &*carol].map(Node::control_digest);
        digests.iter().all(|digest| *digest == digests[0]).then_some(())
    });
    for node in [&*alice, &*bob, &*carol] {
        assert_eq!(node.with_access(ROOM), ["alice", "bob", "carol"], "{}", node.name());
        assert_eq!(node.status()["alarms"], json!([]), "{}", node.name());
        let members = node.status()["peers"].as_array().expect("peers").len();
        assert_eq!(members, 2, "{} is connected to both", node.name());
    }
}
