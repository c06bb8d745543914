//! What others on the computer can use up, and what a run leaves to the next one.

use std::fs;
use std::net::TcpStream;

use conclave_tests::process::{Acknowledged, Company, Node, all_have, burst, wait_until};

use crate::{PATIENCE, company, lab};

const ROOM: &str = Company::SUPPORT;

/// Alice alone with a room; her node may have this many files open.
fn frugal(files: u32) -> Node {
    let limit = format!("ulimit -n {files}; exec \"$@\"");
    let mut alice = lab().node_behind("alice", &["sh", "-c", &limit, "sh"]);
    Company::found(&mut alice);
    alice.ok(&["room", "new", ROOM, "--permit", "role:Agent"]);
    alice
}

fn idle(port: u16, count: usize) -> Vec<TcpStream> {
    (0..count).filter_map(|_| TcpStream::connect(("127.0.0.1", port)).ok()).collect()
}

fn api_port(node: &Node) -> u16 {
    let api = node.ready()["api"].as_str().expect("an address").to_owned();
    api.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port")
}

/// Posts until it works; what is acknowledged must be there.
fn post(node: &Node, words: &str) {
    wait_until("a message can be posted", || {
        (node.json(&["send", ROOM, words]).code == 0).then_some(())
    });
    assert!(node.texts(ROOM).contains(&words.to_owned()));
}

#[test]
fn silent_connections_to_the_local_api_end_nothing() {
    let alice = frugal(256);
    let held = idle(api_port(&alice), 400);
    post(&alice, "while they sit there");
    drop(held);
    post(&alice, "and after");
}

#[test]
fn silent_connections_to_the_network_end_nothing() {
    let alice = frugal(96);
    let held = idle(alice.port(), 200);
    post(&alice, "while they sit there");
    drop(held);
    post(&alice, "and after");
}

#[test]
fn with_64_file_descriptors_it_works_and_sheds_load() {
    let alice = frugal(64);
    post(&alice, "before");
    // More than it may have open, on both doors at once.
    let doors = [alice.port(), api_port(&alice)].map(|port| idle(port, 200));
    post(&alice, "while they sit there");
    drop(doors);
    post(&alice, "and after");
    let mut alice = alice;
    alice.stop();
    alice.up();
    assert_eq!(alice.texts(ROOM), ["before", "while they sit there", "and after"]);
}

#[test]
fn with_64_file_descriptors_among_others_messages_pass() {
    let Company { alice, mut bob, carol, lab: _lab } = {
        let company = company();
        company.open_everyone();
        company
    };
    bob.stop();
    bob.set_launcher(&["sh", "-c", "ulimit -n 64; exec \"$@\"", "sh"]);
    bob.up();
    let mut sent = Acknowledged::new();
    let held = idle(bob.port(), 200);
    for node in [&alice, &bob, &carol] {
        let command = node.command(&["--json", "send", Company::EVERYONE, "-"]);
        let (more, code) = burst(command, node.name(), 0..50);
        assert_eq!(code, 0);
        sent.extend(more);
    }
    all_have([&alice, &bob, &carol], Company::EVERYONE, &sent, PATIENCE);
    drop(held);
}

#[test]
fn in_256_mb_of_memory_it_takes_in_what_it_missed() {
    let Company { alice, mut bob, carol, lab: _lab } = {
        let company = company();
        company.open_everyone();
        company
    };
    bob.stop();
    // 32 MB of text, were it all held at once.
    let long = "x".repeat(16_000);
    let mut sent = Acknowledged::new();
    for round in 0..4 {
        let command = alice.command(&["--json", "send", Company::EVERYONE, "-"]);
        let (more, code) = burst(command, &format!("{round} {long}"), 0..500);
        assert_eq!(code, 0);
        sent.extend(more);
    }
    // What a program may have of its own, stacks included.
    bob.set_launcher(&["sh", "-c", "ulimit -d 262144; exec \"$@\"", "sh"]);
    bob.up();
    let held = idle(bob.port(), 200);
    wait_until("he has it all", || {
        let status = bob.room_status(Company::EVERYONE)?;
        (status["digest"] == alice.room_status(Company::EVERYONE)?["digest"]).then_some(())
    });
    drop(held);
    bob.set_launcher(&[]);
    all_have([&alice, &bob, &carol], Company::EVERYONE, &sent, PATIENCE);
}

#[test]
fn each_run_of_a_node_has_a_token_of_its_own() {
    let Company { mut alice, .. } = company();
    let token = |node: &Node| fs::read_to_string(node.home().join("api-token")).expect("a token");
    let first = token(&alice);
    assert_eq!(token(&alice), first);
    alice.kill_nine();
    alice.up();
    assert_ne!(token(&alice), first, "who took the dead node's port may have seen the old one");
}

#[test]
fn small_files_that_are_damaged_do_not_keep_a_node_down() {
    let Company { alice, mut bob, .. } = company();
    bob.stop();
    for file in ["peers.json", "port.json", "node.json"] {
        fs::write(bob.home().join(file), b"\x00{").expect("written");
    }
    bob.up();
    wait_until("bob is back", || (bob.control_digest() == alice.control_digest()).then_some(()));
}

#[test]
fn a_recovery_phrase_that_nobody_could_read_is_no_success() {
    let lab = lab();
    let full = lab.node_behind("full", &["sh", "-c", "exec \"$@\" >/dev/full", "sh"]);
    let ran = full.say(&["init", "--company", "Example", "--as", "alice"]);
    ran.assert_told(1);
    assert!(ran.stderr.contains("recovery phrase"), "{}", ran.stderr);
}

#[test]
fn any_loopback_address_will_do_for_the_local_api() {
    let lab = lab();
    let mut alice = lab.node("alice");
    alice.ok(&["init", "--company", "Example", "--as", "alice"]);
    alice.up_with(&["--api", "127.0.0.2:0"]);
    assert_eq!(alice.status()["member"], true);
}
