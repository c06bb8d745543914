//! What a running node is given and must not take: always a reason, a hint and the code of the
//! contract, and nothing changed.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;

use conclave_tests::process::{Company, Node};

use crate::lab;

const ROOM: &str = "Help Desk";
const TEN_MEGABYTES: usize = 10_000_000;

/// One node with a room of its own.
fn alone() -> Node {
    let mut alice = lab().node("alice");
    Company::found(&mut alice);
    alice.ok(&["room", "new", ROOM, "--permit", "department:Support"]);
    alice
}

/// Checks one command both as scripts and as people see it.
#[track_caller]
fn refused<S: AsRef<OsStr>>(node: &Node, args: &[S], code: i32, kind: &str) {
    node.json(args).assert_problem(code, kind);
    node.say(args).assert_told(code);
}

#[test]
fn texts_that_are_no_messages() {
    let alice = alone();
    alice.send(ROOM, "first");
    for words in ["", "a\u{1b}[31mred", "bell \u{7}", "c1 \u{9b}31m", "\u{7f}"] {
        refused(&alice, &["send", ROOM, words], 2, "usage");
    }
    let bytes = OsString::from_vec(b"caf\xe9 \xff".to_vec());
    refused(&alice, &[OsStr::new("send"), OsStr::new(ROOM), &bytes], 2, "usage");
    // The largest argument that the system takes is 128 KiB.
    refused(&alice, &["send", ROOM, &"x".repeat(100_000)], 2, "usage");
    refused(&alice, &["send", ROOM, &"x".repeat(16 * 1024 + 1)], 2, "usage");
    // Characters that are more than one byte count by bytes.
    refused(&alice, &["send", ROOM, &"ü".repeat(8 * 1024 + 1)], 2, "usage");
    assert_eq!(alice.texts(ROOM), ["first"]);

    // What just fits, and what is unusual but text.
    let fits = "ü".repeat(8 * 1024);
    for words in [fits.as_str(), "- item", "two\nlines", "\ttabbed", "מזל 🎉 e\u{301}"] {
        alice.ok(&["send", ROOM, words]);
        let last = alice.texts(ROOM).pop();
        assert_eq!(last.as_deref(), Some(words));
    }
}

#[test]
fn standard_input_that_is_no_messages() {
    let alice = alone();
    let send = ["send", ROOM, "-"];
    let one_line = vec![b'x'; TEN_MEGABYTES];
    let bad: [(&str, &[u8]); 6] = [
        ("10 MB in one line", &one_line),
        ("not UTF-8", b"caf\xe9\n"),
        ("a zero byte", b"zero\0byte\n"),
        ("an escape", b"\x1b]52;c;aGVsbG8=\x07\n"),
        ("a C1 control in UTF-8", "\u{9b}31m\n".as_bytes()),
        ("no end of line", b"\xff"),
    ];
    for (what, input) in bad {
        let ran = alice.json_with_input(&send, input);
        println!("{what}");
        ran.assert_problem(2, "usage");
    }
    assert_eq!(alice.texts(ROOM), [""; 0]);

    // Of a long input everything before the bad line is there, and nothing after it.
    let ran = alice.json_with_input(&send, b"one\n\n\r\n  \t\ntwo\nbad \xff\nthree\n");
    ran.assert_problem_after_output(2, "usage");
    assert_eq!(ran.documents().len(), 2);
    assert_eq!(alice.texts(ROOM), ["one", "two"]);

    // Nothing at all is nothing to do.
    let ran = alice.json_with_input(&send, b"\n\n");
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (0, "", ""));
    let ran = alice.json_with_input(&send, b"");
    assert_eq!(ran.code, 0);
    assert_eq!(alice.texts(ROOM).len(), 2);
}

#[test]
fn ten_megabytes_of_lines_are_so_many_messages() {
    let alice = alone();
    // Each of the size that just fits: 10 MB are 611 of them.
    let line = [vec![b'x'; 16 * 1024], b"\n".to_vec()].concat();
    let count = TEN_MEGABYTES / line.len() + 1;
    let ran = alice.json_with_input(&["send", ROOM, "-"], &line.repeat(count));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(ran.stdout.lines().count(), count);
    assert_eq!(alice.room_status(ROOM).expect("the room")["messages"], count);
}

#[test]
fn what_does_not_exist() {
    let alice = alone();
    let before = alice.control_digest();
    let unknown_id = "0123456789abcdef".repeat(4);
    for args in [
        &["send", "Nowhere", "hello"][..],
        &["send", &unknown_id, "hello"],
        &["history", "Nowhere"],
        &["history", ROOM, "--before", &unknown_id],
        &["history", ROOM, "--before", "xyz"],
        &["tail", "Nowhere"],
        &["room", "show", "Nowhere"],
        &["room", "access", "Nowhere"],
        &["room", "participants", "Nowhere"],
        &["room", "permit", "Nowhere", "role:Manager"],
        &["room", "permit", ROOM, "role:Nobody"],
        &["room", "permit", ROOM, "agent:nobody"],
        &["room", "unpermit", "Nowhere", "role:Manager"],
        &["room", "new", "Other", "--permit", "department:Nowhere"],
        &["room", "new", "Other", "--permit", "department:Support", "--permit", "group:A/B"],
        &["group", "new", "Team", "--department", "Nowhere"],
        &["agent", "show", "nobody"],
        &["agent", "add", "nobody", "role:Manager"],
        &["agent", "add", "alice", "role:Nobody"],
        &["agent", "add", "alice", "group:Support/Nowhere"],
        &["agent", "remove", "nobody", "role:Manager"],
        &["agent", "approve", "nobody", "--code", "AAAA-AAAA"],
    ] {
        refused(&alice, args, 5, "not_found");
    }
    assert_eq!(alice.control_digest(), before);
}

#[test]
fn names_that_are_none_or_taken() {
    let alice = alone();
    let before = alice.control_digest();
    let long = "x".repeat(65);
    for name in ["", "a/b", "a:b", "bell\u{7}", "esc\u{1b}[0m", "line\nbreak", &long] {
        refused(&alice, &["department", "new", name], 2, "usage");
        refused(&alice, &["group", "new", name, "--department", "Support"], 2, "usage");
        refused(&alice, &["role", "new", name], 2, "usage");
        refused(&alice, &["room", "new", name, "--permit", "role:Agent"], 2, "usage");
    }
    for args in [
        &["department", "new", "Support"][..],
        &["group", "new", "Front Line", "--department", "Support"],
        &["role", "new", "Manager"],
        &["role", "new", "Agent"],
        &["room", "new", ROOM, "--permit", "role:Agent"],
    ] {
        // A reserved name is a bad one or a taken one: both are said plainly.
        let ran = alice.json(args);
        assert!(ran.code == 6 || (ran.code == 2 && args[2] == "Agent"), "{args:?}: {ran:?}");
        let kind = if ran.code == 6 { "conflict" } else { "usage" };
        refused(&alice, args, ran.code, kind);
    }
    // The same name in two spellings of Unicode is one name.
    alice.ok(&["role", "new", "Caf\u{e9}"]);
    refused(&alice, &["role", "new", "Cafe\u{301}"], 6, "conflict");
    let bytes = OsString::from_vec(b"caf\xe9".to_vec());
    refused(&alice, &[OsStr::new("role"), OsStr::new("new"), &bytes], 2, "usage");
    let digest = alice.control_digest();
    assert_ne!(digest, before);
    // 64 characters, the same group in another Department, quotes and spaces are fine.
    alice.ok(&["role", "new", &"ü".repeat(64)]);
    alice.ok(&["role", "new", "It's \"fine\", & <b>so"]);
}

#[test]
fn command_lines_that_make_no_sense() {
    let alice = alone();
    for args in [
        &["frobnicate"][..],
        &["room"],
        &["room", "frobnicate"],
        &["room", "new", "Lonely"],
        &["room", "new", "Lonely", "--permit", "Support"],
        &["room", "new", "Lonely", "--permit", "planet:Mars"],
        &["room", "new", "Lonely", "--permit", "role:Agent", "--history", "some"],
        &["send", ROOM],
        &["send", ROOM, "one", "two"],
        &["history", ROOM, "--limit", "0"],
        &["history", ROOM, "--limit", "-1"],
        &["status", "--frobnicate"],
        &["agent", "add", "alice"],
        &["agent", "add", "alice", "Support"],
        &["group", "new", "Orphan"],
        &["up", "--api", "nonsense"],
        &["init", "--as", "alice"],
    ] {
        alice.json(args).assert_problem(2, "usage");
        // Without arguments a person gets the whole help instead.
        if args.len() > 1 {
            alice.say(args).assert_told(2);
        }
    }
    assert!(!alice.lists("Lonely"));
}

#[test]
fn names_and_ids_mean_the_same() {
    let alice = alone();
    let room = alice.ok(&["room", "show", ROOM]);
    let id = room["id"].as_str().expect("an id");
    assert_eq!(alice.ok(&["room", "show", id]), room);
    let message = alice.ok(&["send", id, "by id"]);
    assert_eq!(message["room"]["name"], ROOM);
    let agent = alice.ok(&["agent", "show", "alice"]);
    let agent_id = agent["id"].as_str().expect("an id");
    assert_eq!(alice.ok(&["agent", "show", agent_id]), agent);
    assert_eq!(alice.ok(&["agent", "show", "agent:alice"]), agent);
    let roles = alice.ok(&["role", "list"]);
    let role =
        roles["units"].as_array().expect("units").iter().find(|u| u["unit"] == "role:Manager");
    let role_id = role.expect("the role")["id"].as_str().expect("an id");
    let added = alice.ok(&["agent", "add", agent_id, role_id]);
    assert_eq!(added["unit"], "role:Manager");
    // Also behind the word that says what it is, and only behind the right one.
    alice.ok(&["agent", "remove", &format!("agent:{agent_id}"), &format!("role:{role_id}")]);
    alice.fails(&["agent", "add", "alice", &format!("group:{role_id}")], 5, "not_found");
    assert_eq!(alice.ok(&["room", "show", &format!("room:{id}")]), room);
}
