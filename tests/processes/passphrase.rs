//! Keys at rest: a passphrase is set, needed, changed and removed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use conclave_tests::process::{Company, Lab, Node, text, wait_until};

use crate::lab;

const UP: [&str; 4] = ["up", "--no-mdns", "--listen", "/ip4/127.0.0.1/tcp/0"];

/// A file with this first line.
fn words(lab: &Lab, name: &str, line: &str) -> String {
    let path = lab.path().join(name);
    fs::write(&path, format!("{line}\nnot this\n")).expect("written");
    path.to_str().expect("text").to_owned()
}

fn set<'a>(new: &'a str, current: Option<&'a str>) -> Vec<&'a str> {
    let mut args = vec!["passphrase", "set", "--passphrase-file", new];
    args.extend(current.into_iter().flat_map(|file| ["--current-passphrase-file", file]));
    args
}

fn peer_id(node: &Node) -> String {
    text(&node.ready()["peer_id"])
}

fn assert_private(home: &Path) {
    for name in ["home.key", "device.key"] {
        let mode = fs::metadata(home.join(name)).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn a_passphrase_is_set_needed_changed_and_removed() {
    let lab = lab();
    let mut alice = lab.node_behind("alice", &["sh", "-c", "umask 0; exec \"$@\"", "sh"]);
    let [first, second] = ["first", "second"].map(|name| {
        let line = format!("correct horse {name}");
        words(&lab, name, &line)
    });
    let short = words(&lab, "short", "seven77");
    alice.ok(&["init", "--company", "Example", "--as", "alice"]);
    alice.fails(&set(&first, None), 3, "not_running");
    alice.fails(&["passphrase", "remove"], 3, "not_running");
    alice.up();
    let identity = peer_id(&alice);
    alice.fails(&["passphrase", "remove"], 6, "conflict");
    alice.fails(&["passphrase", "set"], 2, "usage");
    alice.fails(&set(&short, None), 2, "usage");
    alice.fails(&set("nowhere", None), 5, "not_found");
    let plain = fs::read(alice.home().join("home.key")).expect("a key");
    assert_eq!(alice.ok(&set(&first, None))["protected"], true);
    assert_private(alice.home());
    // It goes on as before, and nobody changes it without the current one.
    alice.ok(&["role", "new", "Auditor"]);
    alice.fails(&set(&second, None), 2, "usage");
    alice.fails(&set(&second, Some(&second)), 4, "refused");
    alice.fails(&["passphrase", "remove"], 2, "usage");
    let remove = |file| ["passphrase", "remove", "--current-passphrase-file", file];
    alice.fails(&remove(&second), 4, "refused");

    alice.stop();
    alice.json(&UP).assert_problem(2, "usage");
    alice.say(&UP).assert_told(2);
    alice.json(&[&UP[..], &["--passphrase-file", &second]].concat()).assert_problem(4, "refused");
    // The key of before, put back, opens nothing.
    let sealed = fs::read(alice.home().join("home.key")).expect("a key");
    fs::write(alice.home().join("home.key"), plain).expect("written");
    alice.json(&UP).assert_problem(1, "failed");
    fs::write(alice.home().join("home.key"), sealed).expect("written");
    alice.up_with(&["--passphrase-file", &first]);
    assert_eq!(peer_id(&alice), identity);

    // Both on standard input, the current one first.
    let both = set("-", Some("-"));
    let ran = alice.json_with_input(&both, b"correct horse first\ncorrect horse second\n");
    assert_eq!(ran.code, 0, "{ran:?}");
    alice.kill_nine();
    alice.json(&[&UP[..], &["--passphrase-file", &first]].concat()).assert_problem(4, "refused");
    alice.up_with(&["--passphrase-file", &second]);
    assert_eq!(alice.ok(&remove(&second))["protected"], false);
    assert_private(alice.home());
    alice.stop();
    // A passphrase that is not needed does no harm.
    alice.up_with(&["--passphrase-file", "nowhere"]);
    assert_eq!(peer_id(&alice), identity);
    for line in ["correct horse first", "correct horse second"] {
        assert!(alice.files_with(line.as_bytes()).is_empty());
        assert!(!alice.log().contains(line));
    }
}

#[test]
fn a_home_has_a_passphrase_from_its_beginning() {
    let lab = lab();
    let [home, root, other] =
        ["home", "root", "other"].map(|name| words(&lab, name, &format!("correct horse {name}")));
    let mut alice = lab.node("alice");
    let init = ["init", "--company", "Example", "--as", "alice"];
    let files = ["--root-passphrase-file", &root, "--passphrase-file", &home];
    alice.ok(&[&init[..], &files].concat());
    assert_private(alice.home());
    alice.json(&UP).assert_problem(2, "usage");
    alice.up_with(&["--passphrase-file", &home]);

    let mut bob = lab.node("bob");
    let peer = alice.address();
    let join = ["join", "--no-wait", "--as", "bob", "--peer", &peer];
    bob.ok(&[&join[..], &["--passphrase-file", &home]].concat());
    // Asking again takes the same passphrase.
    bob.fails(&join, 2, "usage");
    bob.fails(&[&join[..], &["--passphrase-file", &other]].concat(), 4, "refused");
    bob.ok(&[&join[..], &["--passphrase-file", &home]].concat());
    bob.json(&UP).assert_problem(2, "usage");
    bob.up_with(&["--passphrase-file", &home]);

    // One that has asked without gets one when it asks again.
    let mut carol = lab.node("carol");
    let again = ["join", "--no-wait", "--as", "carol", "--peer", &peer];
    carol.ok(&again);
    carol.ok(&[&again[..], &["--passphrase-file", &other]].concat());
    carol.json(&UP).assert_problem(2, "usage");
    carol.up_with(&["--passphrase-file", &other]);
}

#[test]
fn a_backup_is_of_no_use_without_the_passphrase() {
    let lab = lab();
    let mut alice = lab.node("alice");
    Company::found(&mut alice);
    let [right, wrong] =
        ["right", "wrong"].map(|name| words(&lab, name, &format!("correct horse {name}")));
    let backup = |alice: &Node, name: &str| {
        let file = lab.path().join(name).to_str().expect("text").to_owned();
        alice.ok(&["backup", &file]);
        file
    };
    let before = backup(&alice, "before");
    alice.ok(&set(&right, None));
    // Made by the same run: it carries the new files.
    let after = backup(&alice, "after");
    let identity = peer_id(&alice);
    alice.stop();

    let mut restored = lab.node("restored");
    restored.ok(&["restore", &after]);
    restored.json(&UP).assert_problem(2, "usage");
    restored.json(&[&UP[..], &["--passphrase-file", &wrong]].concat()).assert_problem(4, "refused");
    restored.up_with(&["--passphrase-file", &right]);
    assert_eq!(peer_id(&restored), identity);
    restored.stop();

    let mut older = lab.node("older");
    older.ok(&["restore", &before]);
    older.up();
    assert_eq!(peer_id(&older), identity, "as the documents say");
}

/// Killed at any moment while its passphrase changes, a node starts again with the old passphrase
/// or with the new one.
#[test]
fn a_node_that_is_killed_while_its_passphrase_changes_keeps_its_keys() {
    let lab = lab();
    let mut alice = lab.node("alice");
    Company::found(&mut alice);
    let identity = peer_id(&alice);
    let files = ["one", "two"].map(|name| words(&lab, name, &format!("correct horse {name}")));
    alice.ok(&set(&files[0], None));
    let mut now = 0;
    for _ in 0..2 {
        let other = 1 - now;
        let mut change = alice.command(&set(&files[other], Some(&files[now])));
        let mut change =
            change.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
        let next = alice.home().join("home.key.next");
        // Killed when the first file was written, or soon after that.
        wait_until("the change has begun", || {
            let over = change.try_wait().expect("a child").is_some();
            (next.exists() || over).then_some(())
        });
        alice.kill_nine();
        let _ = change.wait();
        let held = [now, other].into_iter().find(|at| starts(&mut alice, &files[*at]));
        now = held.expect("one of the two opens it");
        assert_eq!(peer_id(&alice), identity);
    }
}

/// Starts a node; false if it refuses this passphrase.
fn starts(node: &mut Node, file: &str) -> bool {
    let probe = node.follow(&[&UP[..], &["--passphrase-file", file]].concat());
    if probe.next_line().is_none() {
        assert_eq!(probe.wait(), 4, "{}", node.log());
        return false;
    }
    probe.signal("TERM");
    assert_eq!(probe.wait(), 0);
    node.up_with(&["--passphrase-file", file]);
    true
}
