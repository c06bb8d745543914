//! A room exported by a real node, and verified where there is no node, no home and no key.

use std::fs;
use std::path::Path;
use std::process::Command;

use conclave_tests::process::{Company, Ran, run, text, wait_until};
use serde_json::{Value, json};

use crate::{BINARY, company};

const ROOM: &str = Company::SUPPORT;

/// The program in an environment without anything, in a home that is empty.
fn bare(home: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command.args(args).env_clear().env("HOME", home).current_dir(home);
    command
}

fn verify(home: &Path, args: &[&str]) -> Ran {
    run(bare(home, &[&["verify"], args].concat()), &[])
}

fn write(path: &Path, document: &Value) {
    let fields = ["transcript", "head", "control", "entries", "seal"];
    let parts = fields.map(|field| format!("\"{field}\":{}", document[field]));
    fs::write(path, format!("{{{}}}", parts.join(","))).expect("written");
}

#[test]
fn a_transcript_is_verified_without_a_node() {
    let company = company();
    company.open_support();
    let Company { mut alice, bob, carol, lab } = company;
    // More than one part.
    let many: Vec<String> = (0..300).map(|n| format!("line {n}\n")).collect();
    let sent = bob.json_with_input(&["send", ROOM, "-"], many.concat().as_bytes());
    assert_eq!(sent.code, 0, "{}", sent.stderr);
    alice.send(ROOM, "canary-of-alice");
    wait_until("both have all", || {
        let all = |node: &conclave_tests::process::Node| {
            node.texts(ROOM).last().is_some_and(|last| last == "canary-of-alice")
        };
        (all(&alice) && all(&bob)).then_some(())
    });
    let exported = alice.say(&["export", ROOM, "--format", "json"]);
    assert_eq!(exported.code, 0, "{}", exported.stderr);
    assert_eq!(alice.json(&["export", ROOM]).code, 0);
    carol.fails(&["export", ROOM, "--format", "json"], 4, "no_access");
    alice.fails(&["export", "nowhere", "--format", "json"], 5, "not_found");
    let mut lines = alice.say(&["export", ROOM]).stdout;
    assert_eq!(lines.split_off(lines.len() - 16), "canary-of-alice\n");
    let id = text(&alice.ok(&["status"])["company"]["id"]);
    alice.stop();

    let home = lab.path().join("empty");
    fs::create_dir(&home).expect("a folder");
    let file = home.join("support.json");
    fs::write(&file, &exported.stdout).expect("written");
    let told = verify(&home, &["support.json"]);
    assert_eq!(told.code, 0, "{told:?}");
    for words in ["verified", &id, "compare the id", "messages  301", "alice", "department:Support"]
    {
        assert!(told.stdout.contains(words), "{words}: {}", told.stdout);
    }
    let ran = verify(&home, &["support.json", "--json", "--company", &id]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let report = ran.document();
    assert_eq!((&report["ok"], &report["messages"]), (&json!(true), &json!(301)));
    assert_eq!((&report["accepted"], &report["without_text"]), (&json!(301), &json!(0)));
    assert_eq!((&report["company"]["id"], &report["problems"]), (&json!(id), &json!([])));
    assert_eq!(report["exported"]["agent"]["name"], "alice");
    let by_input = run(bare(&home, &["verify", "-"]), exported.stdout.as_bytes());
    assert_eq!(by_input.code, 0, "{by_input:?}");
    // Nothing was made there.
    let found: Vec<_> = fs::read_dir(&home).expect("a folder").flatten().collect();
    assert_eq!(found.len(), 1, "{found:?}");

    let document: Value = serde_json::from_str(&exported.stdout).expect("one document");
    let at = document["entries"]
        .as_array()
        .and_then(|entries| entries.iter().position(|entry| entry["text"] == "line 7"))
        .expect("it was exported");
    let bad = text(&document["entries"][at]["id"]);
    let mut forged = document.clone();
    forged["entries"][at]["text"] = json!("I quit\u{1b}[2J");
    let mut removed = document.clone();
    removed["entries"].as_array_mut().expect("a list").remove(at);
    for (changed, words) in [(&forged, bad.as_str()), (&removed, "missing")] {
        write(&home.join("changed.json"), changed);
        let told = verify(&home, &["changed.json"]);
        told.assert_told(1);
        assert!(told.stderr.contains(words) && !told.stderr.contains('\u{1b}'), "{told:?}");
        verify(&home, &["changed.json", "--json"]).assert_problem(1, "failed");
    }
    let other = verify(&home, &["support.json", "--json", "--company", &"ab".repeat(32)]);
    other.assert_problem(1, "failed");
    verify(&home, &["support.json", "--json", "--company", "Acme"]).assert_problem(2, "usage");
    verify(&home, &["no-such-file", "--json"]).assert_problem(5, "not_found");
    verify(&home, &[".", "--json"]).assert_problem(1, "failed");
    fs::write(home.join("other.json"), b"{\"text\":\"hello\"}").expect("written");
    verify(&home, &["other.json", "--json"]).assert_problem(2, "usage");
}
