//! Nodes on computers of their own, as far as Linux can make them on one machine: network
//! namespaces on one switch, where mDNS alone finds the others.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test says what it expected, and prints what it measured"
)]

mod capture;
mod clock;
mod disks;
mod duel;
mod lan;
mod other_user;
mod rough;

use std::process::Command;
use std::time::{Duration, Instant};

use conclave_tests::process::{Company, Lab, Node, same_code, wait_until};

use crate::lan::Lan;

/// The binary that was built with these tests.
const BINARY: &str = env!("CARGO_BIN_EXE_conclave");
const ROOM: &str = Company::SUPPORT;
const UNIT: &str = "group:Support/Front Line";

/// How long nodes may take to agree after the fault is over; a busy machine is slow.
const PATIENCE: Duration = Duration::from_secs(120);

/// A node on its own computer, which listens everywhere and is told no address.
fn on(lan: &Lan, lab: &Lab, name: &str) -> Node {
    let launcher = lan.computer(name);
    let launcher: Vec<&str> = launcher.iter().map(String::as_str).collect();
    let mut node = lab.node_behind(name, &launcher);
    node.set_listen(&[]);
    node
}

/// Lets a newcomer in whom only mDNS has brought together with the others.
fn admit(admin: &Node, newcomer: &mut Node, unit: &str) {
    newcomer.ok(&["join", "--no-wait", "--as", newcomer.name()]);
    newcomer.up();
    let begin = Instant::now();
    let code = same_code(admin, newcomer);
    println!("{} was found by mDNS after {:?}", newcomer.name(), begin.elapsed());
    admin.ok(&["agent", "approve", newcomer.name(), "--code", &code, "--to", unit]);
    wait_until("the newcomer is a member", || (newcomer.status()["member"] == true).then_some(()));
}

fn has(node: &Node, words: &str) -> Option<()> {
    (node.lists(ROOM) && node.texts(ROOM).iter().any(|text| text == words)).then_some(())
}

#[test]
#[ignore = "needs root and network namespaces: run by .ci/run"]
fn four_computers_find_each_other_by_mdns_alone() {
    let lan = Lan::new();
    let lab = Lab::new(BINARY);
    let [mut alice, mut bob, mut carol, mut dave] =
        ["alice", "bob", "carol", "dave"].map(|name| on(&lan, &lab, name));
    Company::found(&mut alice);
    admit(&alice, &mut bob, UNIT);
    admit(&alice, &mut carol, "group:Sales/Front Line");
    admit(&alice, &mut dave, "group:Support/Escalation");

    alice.ok(&["room", "new", ROOM, "--permit", "department:Support"]);
    let members = [&alice, &bob, &dave];
    for node in members {
        wait_until("the room is listed", || node.lists(ROOM).then_some(()));
    }
    for author in members {
        let words = format!("{} speaks", author.name());
        let begin = Instant::now();
        author.send(ROOM, &words);
        for node in members {
            wait_until("everyone has it", || has(node, &words));
        }
        let took = begin.elapsed();
        println!("{}'s message reached everyone after {took:?}", author.name());
        assert!(took < Duration::from_secs(5), "{took:?}");
    }

    wait_until("carol has the same control log", || {
        (carol.control_digest() == alice.control_digest()).then_some(())
    });
    assert!(!carol.lists(ROOM) && carol.room_status(ROOM).is_none());
    carol.fails(&["send", ROOM, "let me in"], 4, "no_access");
    carol.stop();
    assert_eq!(carol.files_with(b"alice speaks").len(), 0);
    carol.up();

    alice.ok(&["agent", "remove", "bob", UNIT]);
    let begin = Instant::now();
    wait_until("bob cannot post", || {
        let ran = bob.json(&["send", ROOM, "still here?"]);
        (ran.code != 0).then(|| ran.assert_problem(4, "no_access"))
    });
    for node in [&alice, &dave] {
        wait_until("bob has left With Access", || {
            (!node.with_access(ROOM).contains(&"bob".to_owned())).then_some(())
        });
    }
    let took = begin.elapsed();
    println!("the removal took effect everywhere after {took:?}");
    assert!(took < Duration::from_secs(10), "{took:?}");
    for node in [&alice, &dave] {
        assert!(has(node, "bob speaks").is_some(), "what he wrote stays");
    }
}

#[test]
#[ignore = "needs root and network namespaces: run by .ci/run"]
fn a_cable_pulled_and_put_back_loses_nothing() {
    let lan = Lan::new();
    let lab = Lab::new(BINARY);
    let [mut alice, mut bob, mut dave] = ["alice", "bob", "dave"].map(|name| on(&lan, &lab, name));
    Company::found(&mut alice);
    admit(&alice, &mut bob, UNIT);
    admit(&alice, &mut dave, UNIT);
    alice.ok(&["room", "new", ROOM, "--permit", "department:Support"]);
    alice.send(ROOM, "together");
    for node in [&bob, &dave] {
        wait_until("all are there", || has(node, "together"));
    }

    lan.unplug("bob");
    alice.send(ROOM, "bob cannot hear this");
    bob.send(ROOM, "nobody can hear me");
    wait_until("dave hears alice", || has(&dave, "bob cannot hear this"));
    assert!(has(&bob, "bob cannot hear this").is_none());
    // Long enough for the connections to be given up on both sides.
    for (node, other) in [(&alice, "bob"), (&bob, "alice")] {
        wait_until("the connection is gone", || {
            let status = node.status();
            let peers = status["peers"].as_array().expect("peers").clone();
            peers.iter().all(|peer| peer["agent"]["name"] != other).then_some(())
        });
    }
    lan.plug("bob");
    let begin = Instant::now();
    wait_until("bob has heard it", || has(&bob, "bob cannot hear this"));
    for node in [&alice, &dave] {
        wait_until("bob is heard", || has(node, "nobody can hear me"));
    }
    println!("healed after {:?}", begin.elapsed());
    wait_until("all agree", || {
        let digest = |node: &Node| node.room_status(ROOM).map(|room| room["digest"].clone());
        let digests = [&alice, &bob, &dave].map(digest);
        digests.iter().all(|digest| *digest == digests[0]).then_some(())
    });
    assert_eq!(alice.texts(ROOM), bob.texts(ROOM));
    assert_eq!(alice.texts(ROOM), dave.texts(ROOM));

    // Nobody named a port, so that of the last time is taken again: addresses that others
    // remember stay true.
    let before = bob.status()["listen"].clone();
    bob.stop();
    bob.up();
    assert_eq!(bob.status()["listen"], before);
}

#[test]
#[ignore = "needs root and network namespaces: run by .ci/run"]
fn a_home_on_a_disk_that_may_only_be_read() {
    // Root may write everywhere: only a mount that forbids it stops even root.
    let mount =
        "mount --bind \"$HOME\" \"$HOME\" && mount -o remount,ro,bind \"$HOME\" && exec \"$@\"";
    let lab = Lab::new(BINARY);
    let node = lab.node("alice");
    node.ok(&["init", "--company", "Example", "--as", "alice"]);
    let able = Command::new("unshare").args(["--mount", "true"]).status();
    assert!(able.is_ok_and(|status| status.success()), "this test needs root and `unshare`");
    let locked = lab.node_behind("alice", &["unshare", "--mount", "sh", "-c", mount, "sh"]);
    let up = ["up", "--no-mdns", "--listen", "/ip4/127.0.0.1/tcp/0"];
    locked.json(&up).assert_problem(1, "failed");
    locked.say(&up).assert_told(1);
    let fresh = lab.node_behind("bob", &["unshare", "--mount", "sh", "-c", mount, "sh"]);
    fresh.json(&["init", "--company", "Other", "--as", "bob"]).assert_problem(1, "failed");
    fresh.say(&["join", "--as", "bob", "--no-wait"]).assert_told(1);
}
