//! The README's first command.

use conclave_tests::process::run;
use serde_json::Value;

use crate::lab;

#[test]
fn devnet_shows_accepted_messages_and_refused_ones_with_their_reasons() {
    let lab = lab();
    let dir = lab.path().join("devnet");
    let dir = dir.to_str().expect("UTF-8");
    let ran = run(lab.command(&[], &["--json", "devnet", "--exit", "--dir", dir]), &[]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let report = ran.document();
    assert_eq!(report["ok"], true, "{report}");
    let names: Vec<_> = list(&report["nodes"]).iter().map(|node| node["agent"].clone()).collect();
    assert_eq!(names, ["alice", "bob", "carol"]);
    for node in list(&report["nodes"]) {
        assert!(node["api"].as_str().is_some_and(|api| api.starts_with("http://127.0.0.1:")));
        assert!(node["home"].as_str().is_some_and(|home| home.starts_with(dir)), "{node}");
    }
    assert!(!list(&report["accepted"]).is_empty());
    for message in list(&report["accepted"]) {
        assert_eq!(message["state"], "accepted", "{message}");
        assert!(message["text"].is_string() && message["author"]["name"].is_string());
    }
    let refused: Vec<_> = list(&report["refused"])
        .iter()
        .map(|one| (one["by"].clone(), one["reason"].clone()))
        .collect();
    for by in ["bob", "alice"] {
        for reason in ["no_membership", "bad_signature"] {
            assert!(refused.contains(&(by.into(), reason.into())), "{by} {reason}: {refused:?}");
        }
    }
    // None of its nodes is left: their homes are free.
    for name in ["alice", "bob", "carol"] {
        let node = lab.command(&[], &["--json", "--home", &format!("{dir}/{name}"), "status"]);
        run(node, &[]).assert_problem(3, "not_running");
    }
}

#[test]
fn devnet_tells_people_what_happens() {
    let lab = lab();
    let ran = run(lab.command(&[], &["devnet", "--exit"]), &[]);
    assert_eq!(ran.code, 0, "{ran:?}");
    for words in ["alice", "bob", "carol", "Support", "no_membership", "bad_signature"] {
        assert!(ran.stdout.contains(words), "{words}: {}", ran.stdout);
    }
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap_or_else(|| panic!("a list is expected, not {value}"))
}
