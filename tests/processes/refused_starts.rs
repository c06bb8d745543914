//! Homes and ports on which nothing can be started, and nodes that are not there.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use conclave_tests::process::{Company, Node};

use crate::lab;

fn founded(name: &str) -> Node {
    let node = lab().node(name);
    node.ok(&["init", "--company", "Example", "--as", name]);
    node
}

#[track_caller]
fn refused(node: &Node, args: &[&str], code: i32, kind: &str) {
    node.json(args).assert_problem(code, kind);
    node.say(args).assert_told(code);
}

#[test]
fn without_a_running_node() {
    let alice = founded("alice");
    let nowhere = lab().node("nowhere");
    for node in [&alice, &nowhere] {
        for args in [
            &["status"][..],
            &["send", "Room", "hello"],
            &["send", "Room", "-"],
            &["history", "Room"],
            &["tail", "Room"],
            &["room", "list"],
            &["room", "new", "Room", "--permit", "role:Agent"],
            &["agent", "list"],
            &["agent", "requests"],
            &["department", "new", "Support"],
        ] {
            refused(node, args, 3, "not_running");
        }
    }
    assert!(!nowhere.home().exists(), "a mistyped home is not made");
    // A node that was killed has left its notes behind.
    let mut alice = alice;
    alice.up();
    alice.kill_nine();
    refused(&alice, &["status"], 3, "not_running");
    refused(&alice, &["send", "Room", "hello"], 3, "not_running");
}

#[test]
fn signals_end_a_node_cleanly() {
    let alice = founded("alice");
    for signal in ["INT", "TERM"] {
        let node = alice.follow(&["up", "--no-mdns", "--listen", "/ip4/127.0.0.1/tcp/0"]);
        assert!(node.next_line().is_some_and(|line| line.contains("\"ready\":true")));
        assert!(alice.home().join("node.json").exists());
        node.signal(signal);
        assert_eq!((node.rest().len(), node.wait()), (0, 0), "SIG{signal}");
        assert!(!alice.home().join("node.json").exists(), "it takes back where it was");
        refused(&alice, &["status"], 3, "not_running");
    }
}

#[test]
fn two_nodes_on_one_home() {
    let mut alice = lab().node("alice");
    Company::found(&mut alice);
    alice.ok(&["room", "new", "Room", "--permit", "role:Agent"]);
    let up = ["up", "--no-mdns", "--listen", "/ip4/127.0.0.1/tcp/0"];
    refused(&alice, &up, 6, "conflict");
    refused(&alice, &["init", "--company", "Other", "--as", "alice"], 6, "conflict");
    refused(&alice, &["join", "--as", "alice", "--no-wait"], 6, "conflict");
    // The first is unharmed, also for those who look for it.
    alice.send("Room", "still here");
    alice.kill_nine();
    alice.up();
    assert_eq!(alice.texts("Room"), ["still here"]);
}

#[test]
fn a_home_that_is_in_use_already() {
    let alice = founded("alice");
    let before = fs::read(alice.home().join("device.key")).expect("a key");
    refused(&alice, &["init", "--company", "Other", "--as", "bob"], 6, "conflict");
    refused(&alice, &["join", "--as", "bob", "--no-wait"], 6, "conflict");
    assert_eq!(fs::read(alice.home().join("device.key")).expect("a key"), before);
    let bob = lab().node("bob");
    bob.ok(&["join", "--as", "bob", "--no-wait"]);
    refused(&bob, &["init", "--company", "Other", "--as", "bob"], 6, "conflict");
    // Somebody's folder is not taken over.
    let other = lab().node("documents");
    fs::create_dir(other.home()).expect("a folder");
    fs::write(other.home().join("letter.txt"), "dear").expect("a file");
    refused(&other, &["init", "--company", "Other", "--as", "bob"], 6, "conflict");
    assert_eq!(fs::read_dir(other.home()).expect("the folder").count(), 1);
}

#[test]
fn an_empty_home() {
    let nobody = lab().node("nobody");
    refused(&nobody, &["up"], 5, "not_found");
    assert!(!nobody.home().exists());
    fs::create_dir(nobody.home()).expect("a folder");
    refused(&nobody, &["up"], 5, "not_found");
    // An empty folder is as good as none to begin with.
    nobody.ok(&["init", "--company", "Example", "--as", "nobody"]);
}

#[test]
fn somebodys_folder_is_not_touched() {
    let lab = lab();
    let node = lab.node("somebody");
    fs::create_dir(node.home()).expect("a folder");
    fs::set_permissions(node.home(), fs::Permissions::from_mode(0o755)).expect("a mode");
    fs::write(node.home().join("letter"), "dear").expect("a file");
    refused(&node, &["up"], 5, "not_found");
    refused(&node, &["init", "--company", "Example", "--as", "alice"], 6, "conflict");
    refused(&node, &["join", "--as", "alice", "--no-wait"], 6, "conflict");
    let mode = fs::metadata(node.home()).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode, 0o755);
    assert_eq!(fs::read_dir(node.home()).expect("it is there").count(), 1);
}

#[test]
fn a_home_that_cannot_be_written() {
    let lab = lab();
    fs::write(lab.path().join("file"), "").expect("a file");
    // Below a file, in place of a file, and where not even root can make a folder.
    for home in ["file/home", "file", "/proc/conclave"] {
        let node = lab.node(home);
        refused(&node, &["init", "--company", "Example", "--as", "alice"], 1, "failed");
        refused(&node, &["join", "--as", "alice", "--no-wait"], 1, "failed");
    }
}

#[test]
fn ports_that_are_taken() {
    let alice = founded("alice");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port();
    let listen = ["--no-mdns", "--listen", "/ip4/127.0.0.1/tcp/0"];
    let api = format!("127.0.0.1:{port}");
    refused(&alice, &[&["up", "--api", &api][..], &listen].concat(), 1, "failed");
    let address = format!("/ip4/127.0.0.1/tcp/{port}");
    refused(&alice, &["up", "--no-mdns", "--listen", &address], 1, "failed");
    // Also when another address would do: asked for two, it listens on two or not at all.
    refused(&alice, &[&["up"][..], &listen, &["--listen", &address]].concat(), 1, "failed");
    // Nothing was left half started: the same home starts as soon as the port is free.
    drop(taken);
    let mut alice = alice;
    alice.set_listen(&["--no-mdns", "--listen", &address]);
    alice.up();
    assert_eq!(alice.port(), port);
    alice.stop();
}

#[test]
fn addresses_that_are_none() {
    let alice = founded("alice");
    for address in ["nonsense", "127.0.0.1:4100", "/ip4/1.2.3.4/frob/1", "/ip4/300.0.0.1/tcp/1"] {
        for flag in ["--listen", "--peer"] {
            refused(&alice, &["up", "--no-mdns", flag, address], 2, "usage");
        }
        let bob = lab().node("bob");
        refused(&bob, &["join", "--as", "bob", "--no-wait", "--peer", address], 2, "usage");
        assert!(!bob.home().exists(), "{address}: nothing is made");
    }
    for api in ["0.0.0.0:0", "192.0.2.1:80", "localhost", "127.0.0.1"] {
        refused(&alice, &["up", "--no-mdns", "--api", api], 2, "usage");
    }
}

#[test]
fn names_of_companies_and_agents() {
    let lab = lab();
    let long = "x".repeat(65);
    for name in ["", "a/b", "a:b", "bell\u{7}", &long] {
        let node = lab.node("somebody");
        refused(&node, &["init", "--company", name, "--as", "alice"], 2, "usage");
        refused(&node, &["init", "--company", "Example", "--as", name], 2, "usage");
        refused(&node, &["join", "--as", name, "--no-wait"], 2, "usage");
        assert!(!node.home().exists(), "{name:?}: nothing is made");
    }
}
