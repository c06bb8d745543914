//! A home goes into one file while its node runs, and comes out of it again.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use conclave_tests::found::assert_no_number_twice;
use conclave_tests::process::{Acknowledged, Company, all_have, text, wait_until};

use crate::{PATIENCE, company};

const ROOM: &str = Company::EVERYONE;

#[test]
fn a_backup_made_while_the_node_runs_comes_back_and_goes_on() {
    let Company { mut alice, mut bob, carol, lab } = {
        let company = company();
        company.open_everyone();
        company
    };
    drop(carol);
    alice.keep_port();
    bob.keep_port();
    let mut sent = Acknowledged::new();
    for n in 0..20 {
        sent.insert(bob.send(ROOM, &format!("before {n}")), format!("before {n}"));
    }
    let file = lab.path().join("bob.backup");
    let name = file.to_str().expect("a path");
    let made = bob.ok(&["backup", name]);
    assert_eq!(text(&made["file"]), name);
    let meta = fs::metadata(&file).expect("it is there");
    assert_eq!(made["bytes"].as_u64(), Some(meta.len()));
    assert_eq!(meta.permissions().mode() & 0o777, 0o600);
    // What is there already is left alone.
    bob.fails(&["backup", name], 6, "conflict");
    for n in 0..5 {
        sent.insert(bob.send(ROOM, &format!("after {n}")), format!("after {n}"));
    }
    all_have([&alice, &bob], ROOM, &sent, PATIENCE);
    bob.stop();

    // The disk of bob's computer is gone.
    fs::remove_dir_all(bob.home()).expect("removed");
    let restored = bob.ok(&["restore", name]);
    assert_eq!(text(&restored["file"]), name);
    bob.fails(&["restore", name], 6, "conflict");
    bob.up();
    wait_until("it has learned what it had signed", || {
        bob.status().get("troubles").is_none().then_some(())
    });
    sent.insert(bob.send(ROOM, "back again"), "back again".to_owned());
    all_have([&alice, &bob], ROOM, &sent, PATIENCE);
    for node in [&alice, &bob] {
        assert_no_number_twice(node);
    }
}

#[test]
fn a_restored_node_says_what_it_waits_for() {
    let Company { mut alice, mut bob, carol, lab } = {
        let company = company();
        company.open_everyone();
        company
    };
    drop(carol);
    alice.keep_port();
    let file = lab.path().join("bob.backup");
    let name = file.to_str().expect("a path");
    bob.send(ROOM, "hello");
    bob.ok(&["backup", name]);
    bob.stop();
    alice.stop();
    fs::remove_dir_all(bob.home()).expect("removed");
    bob.ok(&["restore", name]);
    bob.up();
    let troubles = bob.status()["troubles"].to_string();
    assert!(troubles.contains("restored from a copy"), "{troubles}");
    assert_eq!(bob.texts(ROOM), ["hello"], "it can be read");
    bob.fails(&["send", ROOM, "too early"], 1, "failed");
    alice.up();
    wait_until("it can post", || (bob.json(&["send", ROOM, "in time"]).code == 0).then_some(()));
}

#[test]
fn what_is_no_whole_backup_is_refused_and_leaves_nothing() {
    let Company { mut alice, bob, carol, lab } = company();
    drop((bob, carol));
    let file = lab.path().join("alice.backup");
    let name = file.to_str().expect("a path");
    alice.ok(&["backup", name]);
    alice.stop();
    let whole = fs::read(&file).expect("readable");
    let node = lab.node("restored");
    let missing = lab.path().join("no such file");
    node.fails(&["restore", missing.to_str().expect("a path")], 5, "not_found");
    let mut altered = whole.clone();
    altered[whole.len() / 2] ^= 1;
    let cut = whole[..whole.len() - 1].to_vec();
    for (what, bytes) in [("altered", altered), ("cut short", cut), ("empty", Vec::new())] {
        let bad = lab.path().join(what);
        fs::write(&bad, bytes).expect("written");
        let ran = node.json(&["restore", bad.to_str().expect("a path")]);
        ran.assert_problem(1, "failed");
        assert!(!node.home().join("device.key").exists(), "{what}");
    }
    // And the whole one still fits.
    node.ok(&["restore", name]);
    node.fails(&["status"], 3, "not_running");
}
