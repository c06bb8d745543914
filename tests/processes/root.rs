//! The root key: where it is read, encrypted or not, and how the phrase replaces it.

use std::fs;

use conclave_tests::process::{Lab, Node, admit, text, wait_until};
use serde_json::Value;

use crate::lab;

/// alice, who has founded a company with these further arguments, and bob; and the phrase.
#[track_caller]
fn founded(lab: &Lab, args: &[&str]) -> (Node, Node, String) {
    let (mut alice, mut bob) = (lab.node("alice"), lab.node("bob"));
    let init = ["init", "--company", "Example", "--as", "alice"];
    let founded = alice.ok(&[&init[..], args].concat());
    alice.up();
    alice.ok(&["department", "new", "Support"]);
    admit(&alice, &mut bob, &alice.address(), "department:Support");
    (alice, bob, text(&founded["recovery_phrase"]))
}

fn path(node: &Node, file: &str) -> String {
    node.home().join(file).to_str().expect("text").to_owned()
}

#[test]
fn an_encrypted_root_key_needs_its_passphrase() {
    let lab = lab();
    let [words, wrong] = ["words", "wrong"].map(|name| lab.path().join(name));
    fs::write(&words, "correct horse battery\n").expect("written");
    fs::write(&wrong, "wrong horse battery\n").expect("written");
    let [words, wrong] = [&words, &wrong].map(|path| path.to_str().expect("text"));
    let (alice, _bob, _) = founded(&lab, &["--root-passphrase-file", words]);
    let grant = ["admin", "grant", "bob", "--rank", "1"];
    alice.fails(&grant, 2, "usage");
    let with = |file| [&grant[..], &["--root-passphrase-file", file]].concat();
    alice.fails(&with(wrong), 4, "refused");
    alice.ok(&["admin", "grant", "bob", "--rank", "2"]);
    alice.ok(&with(words));
}

#[test]
fn a_moved_root_key_is_named() {
    let lab = lab();
    let (alice, _bob, _) = founded(&lab, &[]);
    let stick = lab.path().join("stick.key");
    fs::rename(path(&alice, "root.key"), &stick).expect("moved");
    let grant = ["admin", "grant", "bob", "--rank", "1"];
    alice.fails(&grant, 4, "not_admin");
    let with = |file| [&grant[..], &["--root-key", file]].concat();
    alice.fails(&with("nowhere.key"), 5, "not_found");
    alice.ok(&with(stick.to_str().expect("text")));
}

#[test]
fn the_phrase_replaces_the_root_key_and_the_old_one_can_do_nothing() {
    let lab = lab();
    let (alice, bob, phrase) = founded(&lab, &[]);
    let [file, bad] = ["phrase", "bad"].map(|name| lab.path().join(name));
    fs::write(&file, &phrase).expect("written");
    fs::write(&bad, phrase.replace(' ', "\n").to_uppercase()).expect("written");
    let [file, other] = [&file, &bad].map(|path| path.to_str().expect("text").to_owned());

    let digest = alice.control_digest();
    let dry = alice.ok(&["recover", "--phrase-file", &other, "--dry-run"]);
    assert_eq!(dry["dry_run"], true, "capitals and line breaks are free");
    fs::write(&bad, "twenty four words").expect("written");
    alice.fails(&["recover", "--phrase-file", &other], 2, "usage");
    fs::write(&bad, format!("{}art", "abandon ".repeat(23))).expect("written");
    alice.fails(&["recover", "--phrase-file", &other], 4, "refused");
    alice.fails(&["recover", "--phrase-file", "nowhere"], 5, "not_found");
    assert_eq!(alice.control_digest(), digest);

    let old = fs::read(path(&alice, "root.key")).expect("a key");
    let recovered = alice.ok(&["recover", "--phrase-file", &file]);
    let replaced = text(&recovered["replaced"]);
    assert_eq!(fs::read(&replaced).expect("set aside"), old);
    let digits = &text(&recovered["old_root"])[..8];
    assert!(replaced.ends_with(&format!("root.key.replaced-{digits}")), "{replaced}");
    assert_ne!(fs::read(text(&recovered["root_key"])).expect("a key"), old);
    let grant = ["admin", "grant", "bob", "--rank", "1"];
    alice.fails(&[&grant[..], &["--root-key", &replaced]].concat(), 4, "not_admin");
    alice.ok(&grant);
    wait_until("bob agrees", || (bob.control_digest() == alice.control_digest()).then_some(()));
    assert_eq!(alice.status()["alarms"], Value::Array(Vec::new()));
    let words = phrase.split(' ').take(4).collect::<Vec<_>>().join(" ");
    assert!(alice.files_with(words.as_bytes()).is_empty(), "the phrase is stored nowhere");
    assert!(!alice.log().contains(&words));
}

#[test]
fn two_who_recover_apart_do_the_same() {
    let lab = lab();
    let (mut alice, mut bob, phrase) = founded(&lab, &[]);
    for node in [&mut alice, &mut bob] {
        node.keep_port();
    }
    let recover = |node: &Node| {
        let ran = node.json_with_input(&["recover", "--phrase-file", "-"], phrase.as_bytes());
        assert_eq!(ran.code, 0, "{ran:?}");
        ran.document()
    };
    bob.stop();
    let first = recover(&alice);
    alice.stop();
    bob.up();
    let second = recover(&bob);
    assert_eq!((&first["root"], &first["index"]), (&second["root"], &second["index"]));
    alice.up();
    wait_until("they agree", || (alice.control_digest() == bob.control_digest()).then_some(()));
    for node in [&alice, &bob] {
        assert_eq!(node.status()["alarms"], Value::Array(Vec::new()));
    }
    alice.ok(&["admin", "grant", "bob", "--rank", "1"]);
}
