//! Hostile text as people would type it or pass it to the program: what is no text is refused,
//! everything else is shown, and nothing that is printed or logged acts.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use conclave_tests::hostile_text::{Hostile, acting, corpus};
use conclave_tests::process::{Company, Lab, Node, Ran, admit, ask_to_join, run, text, wait_until};
use serde_json::Value;

use crate::lab;

const ROOM: &str = "Canteen";
/// So many rooms, agents and objects of a kind are looked at one by one; lists show them all.
const ONE_BY_ONE_MAX: usize = 16;
/// Starts nodes that log all they can say.
const LOUD: [&str; 2] = ["env", "CONCLAVE_LOG=debug"];

/// Commands that show what others wrote, with what stands for a room, an agent and an object.
const SHOWING: [&str; 26] = [
    "status",
    "department list",
    "group list",
    "role list",
    "agent list",
    "agent requests",
    "agent show AGENT",
    "device list",
    "device list AGENT",
    "device remove 0123456789abcdef --dry-run",
    "agent remove AGENT role:Manager --dry-run",
    "agent revoke AGENT --dry-run",
    "admin list",
    "room list",
    "room list --all",
    "room show ROOM",
    "room access ROOM",
    "room access ROOM --why AGENT",
    "room participants ROOM",
    "room delete ROOM --dry-run",
    "im",
    "im AGENT",
    "history ROOM",
    "export ROOM",
    "log",
    "why OBJECT",
];

/// Commands that show nothing of others beyond the words of their own arguments, which
/// [`what_is_typed_is_refused_or_shown_and_never_acts`] gives them, or that other tests look at.
const SILENT: [&str; 49] = [
    "init",
    "join",
    "up",
    "send",
    "tail",
    "ratify",
    "recover",
    "passphrase set",
    "passphrase remove",
    "backup",
    "restore",
    "devnet",
    "devnet run",
    "devnet up",
    "devnet down",
    "devnet forge",
    "devnet start",
    "devnet stop",
    "completions",
    "man",
    "help",
    "department new",
    "department rename",
    "department delete",
    "group new",
    "group rename",
    "group delete",
    "role new",
    "role rename",
    "role delete",
    "agent approve",
    "agent refuse",
    "device add",
    "agent add",
    "admin grant",
    "admin revoke",
    "admin resign",
    "admin add",
    "admin remove",
    "room new",
    "room permit",
    "room unpermit",
    "room rename",
    "room deactivate",
    "room reactivate",
    "open",
    "settings",
    "devnet status",
    "devnet demo",
];

/// Alice founded the company, bob is a member; both nodes log all they can say.
pub(crate) fn loud_company(lab: &Lab) -> (Node, Node) {
    let mut alice = lab.node_behind("alice", &LOUD);
    let mut bob = lab.node_behind("bob", &LOUD);
    Company::found(&mut alice);
    admit(&alice, &mut bob, &alice.address(), "group:Support/Front Line");
    alice.ok(&["room", "new", ROOM, "--permit", "role:Agent"]);
    wait_until("bob lists the room", || bob.lists(ROOM).then_some(()));
    (alice, bob)
}

#[track_caller]
fn assert_tame(what: &str, ran: &Ran) {
    for output in [&ran.stdout, &ran.stderr] {
        if let Some(found) = acting(output) {
            panic!("{what}: {found}");
        }
    }
    assert!((0..=6).contains(&ran.code), "{what}: {ran:?}");
}

/// Runs a command as people and as scripts do; nothing that it prints acts.
#[track_caller]
fn look<S: AsRef<OsStr>>(node: &Node, args: &[S]) -> String {
    let what = || args.iter().map(|a| a.as_ref().display().to_string()).collect::<Vec<_>>();
    let people = node.say(args);
    assert_tame(&format!("{:?}", what()), &people);
    let scripts = node.json(args);
    assert_tame(&format!("{:?} --json", what()), &scripts);
    if args[0].as_ref() == "export" {
        scripts.assert_problem(1, "failed");
        assert_eq!(people.code, 0, "{:?}", what());
        return people.stdout;
    }
    assert_eq!(people.code, scripts.code, "{:?}", what());
    // For scripts even joiners are written out: that means the same.
    for output in [&scripts.stdout, &scripts.stderr] {
        assert!(!output.contains(['\u{200c}', '\u{200d}', '\u{fe0f}']), "{:?}", what());
    }
    people.stdout
}

/// Looks with every command at everything, and into the log.
#[track_caller]
pub(crate) fn look_at_everything(node: &Node) {
    let log = node.ok(&["log"]);
    let ids = |list: &Value, field: &str| -> Vec<String> {
        let list = list[field].as_array().expect("a list");
        // Spread over the list: each holds another text.
        let step = list.len().div_ceil(ONE_BY_ONE_MAX).max(1);
        list.iter().step_by(step).map(|one| text(&one["id"])).collect()
    };
    let objects = ids(&log, "objects");
    let rooms = ids(&node.ok(&["room", "list"]), "rooms");
    let agents = ids(&node.ok(&["agent", "list"]), "agents");
    assert!(!rooms.is_empty() && !agents.is_empty() && !objects.is_empty());
    for command in SHOWING {
        let words: Vec<&str> = command.split(' ').collect();
        let places: &[String] = match words.iter().find(|w| ["ROOM", "OBJECT"].contains(w)) {
            Some(&"ROOM") => &rooms,
            Some(_) => &objects,
            None if words.contains(&"AGENT") => &agents,
            None => &[String::new()],
        };
        for place in places {
            let word = |word: &&str| match *word {
                "ROOM" | "OBJECT" => place.clone(),
                // With a room in the same command, everybody's own agent does.
                "AGENT" if words.contains(&"ROOM") => agents[0].clone(),
                "AGENT" => place.clone(),
                word => word.to_owned(),
            };
            let args: Vec<String> = words.iter().map(word).collect();
            look(node, &args);
        }
    }
    look_at_log(node);
}

/// What the node has logged acts no more than what is printed.
#[track_caller]
pub(crate) fn look_at_log(node: &Node) {
    let log = node.log();
    assert!(log.contains("DEBUG"), "{} logs all it can say", node.name());
    if let Some(found) = acting(&log) {
        panic!("the log of {}: {found}", node.name());
    }
}

/// The names of all commands below one, from its help.
fn commands(lab: &Lab, below: &[&str]) -> Vec<String> {
    let args: Vec<&str> = below.iter().copied().chain(["--help"]).collect();
    let help = run(lab.command(&[], &args), &[]).stdout;
    let Some((_, list)) = help.split_once("\nCommands:\n") else { return Vec::new() };
    let lines = list.lines().take_while(|line| line.starts_with("  "));
    let mut found = Vec::new();
    for line in lines.filter(|line| !line.starts_with("   ")) {
        let name = line.split_whitespace().next().expect("a name");
        if name == "help" {
            continue;
        }
        let full: Vec<&str> = below.iter().copied().chain([name]).collect();
        let deeper = commands(lab, &full);
        if deeper.is_empty() {
            found.push(full.join(" "));
        } else {
            found.extend(deeper);
        }
    }
    found
}

#[test]
fn every_command_is_looked_at_or_known_to_show_nothing_of_others() {
    let known: BTreeSet<&str> = SILENT.into_iter().chain(SHOWING).collect();
    let all = commands(&lab(), &[]);
    assert!(all.len() > 30, "{all:?}");
    for command in all {
        let listed = known.iter().any(|k| *k == command || k.starts_with(&format!("{command} ")));
        assert!(listed, "does `{command}` show text of others? put it on one of the lists");
    }
}

#[test]
fn what_is_typed_is_refused_or_shown_and_never_acts() {
    let lab = lab();
    let (alice, bob) = loud_company(&lab);
    let tail = bob.follow(&["tail", ROOM]);
    alice.send(ROOM, "tail?");
    // The tail shows what comes after its start: until it shows something, it has not begun.
    wait_until("the tail runs", || {
        alice.send(ROOM, "tail?");
        tail.line_now()
    });
    let before = bob.texts(ROOM).len();
    let conversation = text(&alice.ok(&["im", "bob", "between us"])["room"]["id"]);
    let mut sent = Vec::new();
    let mut between_us = vec!["between us".to_owned()];
    for hostile in corpus() {
        let (posted, said) = type_everywhere(&alice, hostile);
        sent.extend(posted);
        between_us.extend(said);
    }
    wait_until("bob has what is between them", || {
        (bob.texts(&conversation) == between_us).then_some(())
    });
    for node in [&alice, &bob] {
        look(node, &["history", &conversation]);
        look(node, &["export", &conversation]);
    }
    assert!(sent.len() > 60, "most of the corpus is text: {}", sent.len());
    alice.send(ROOM, "the end");
    let has_all = || (bob.texts(ROOM).last().is_some_and(|last| last == "the end")).then_some(());
    wait_until("bob has all messages", has_all);
    let texts = bob.texts(ROOM);
    let got = &texts[texts.len() - 1 - sent.len()..texts.len() - 1];
    assert!(texts.len() > before && got == sent, "texts arrive as they are");
    wait_until("bob's control log is alice's", || {
        (bob.control_digest() == alice.control_digest()).then_some(())
    });
    let mut lines = 0;
    loop {
        let line = tail.next_line().expect("the tail goes on");
        assert_eq!(acting(&line), None);
        lines += 1;
        if line.ends_with("the end") {
            break;
        }
    }
    assert!(lines > sent.len());
    for node in [&alice, &bob] {
        look_at_everything(node);
    }
}

/// Gives a text to everything that takes one; gives what was posted in the room, and what was
/// said to bob.
#[track_caller]
fn type_everywhere(node: &Node, hostile: &Hostile) -> (Vec<String>, Option<String>) {
    let Hostile { about, bytes, .. } = hostile;
    let mut sent = Vec::new();
    let by_input = node.json_with_input(&["send", ROOM, "-"], bytes);
    assert_tame(about, &by_input);
    sent.extend(by_input.documents().iter().map(|message| text(&message["text"])));
    if hostile.text().is_none() {
        assert_eq!((by_input.code, sent.len()), (2, 0), "{about} is no text");
    }
    if bytes.contains(&0) {
        return (sent, None);
    }
    let typed = OsStr::from_bytes(bytes);
    let args = |words: &[&str]| -> Vec<OsString> {
        words.iter().map(Into::into).chain([typed.to_owned()]).collect()
    };
    let ran = node.json(&args(&["send", ROOM, "--"]));
    assert_tame(about, &ran);
    assert!(ran.code == 2 || ran.code == 0 && hostile.text().is_some(), "{about}: {ran:?}");
    if ran.code == 0 {
        sent.push(text(&ran.document()["text"]));
        assert_eq!(sent.last().map(String::as_str), hostile.text(), "{about}");
    }
    let instant = node.json(&args(&["im", "bob", "--"]));
    assert_tame(about, &instant);
    assert_eq!(instant.code, ran.code, "{about}: {instant:?}");
    let said = (instant.code == 0).then(|| text(&instant.document()["text"]));
    assert_eq!(said.as_deref(), hostile.text().filter(|_| ran.code == 0), "{about}");
    for words in [
        &["role", "new", "--"][..],
        &["room", "new", "--permit", "role:Agent", "--"],
        &["room", "rename", "--", "Nowhere"],
        &["group", "new", "--department", "Support", "--"],
        &["agent", "approve", "--code", "AAAA-AAAA", "--"],
        &["agent", "add", "--", "alice"],
        &["history", "--limit", "1", "--"],
        &["why", "--"],
        &["agent", "show", "--"],
        &["im", "--"],
        &["export", "--"],
        &["settings", "--"],
        &["no-such-command", "--"],
        &[],
    ] {
        assert_tame(&format!("{about}: {words:?}"), &node.say(&args(words)));
    }
    assert_tame(about, &node.json(&args(&["room", "show", "--"])));
    (sent, said)
}

#[test]
fn names_that_deceive_are_not_made_here() {
    let lab = lab();
    let mut alice = lab.node("alice");
    Company::found(&mut alice);
    let digest = alice.control_digest();
    for kind in ["direction", "invisible", "terminal", "bytes"] {
        for hostile in corpus().iter().filter(|hostile| hostile.kind == kind) {
            let good = ["right to left", "unusual spaces", "private use and unassigned"];
            let good = good.contains(&hostile.about.as_str()) || hostile.about == "escaped already";
            if good || hostile.bytes.contains(&0) {
                continue;
            }
            let name = OsStr::from_bytes(&hostile.bytes);
            let new = [OsStr::new("role"), OsStr::new("new"), OsStr::new("--"), name];
            alice.json(&new).assert_problem(2, "usage");
            let newcomer = lab.node("newcomer");
            let named = OsString::from("--as=");
            let named = [named.as_os_str(), name].into_iter().collect::<OsString>();
            let join = [OsStr::new("join"), OsStr::new("--no-wait"), &named];
            let ran = newcomer.json(&join);
            ran.assert_problem(2, "usage");
            assert!(!newcomer.home().exists(), "{}: nothing is left behind", hostile.about);
        }
    }
    assert_eq!(alice.control_digest(), digest);
}

#[test]
fn a_newcomer_with_the_look_of_another_is_marked_before_it_is_let_in() {
    let lab = lab();
    let mut alice = lab.node("alice");
    Company::found(&mut alice);
    for (name, note) in [
        ("a1ice", Some("looks like \"alice\" (agent)")),
        ("\u{430}dmin", Some("mixes Cyrillic and Latin; could be taken for a word of the program")),
        ("Zo\u{eb}", None),
    ] {
        let mut newcomer = lab.node(name);
        ask_to_join(&mut newcomer, &["--peer", &alice.address()]);
        let request = wait_until("alice sees the request", || {
            let requests = alice.ok(&["agent", "requests"]);
            let mut requests = requests["requests"].as_array().expect("requests").iter();
            requests.find(|request| request["name"] == name).cloned()
        });
        assert_eq!(request.get("name_note").and_then(Value::as_str), note, "{request}");
        if let Some(note) = note {
            let told = alice.say(&["agent", "requests"]).stdout;
            assert!(told.contains(&format!("{name} [{note}]")), "{told}");
        }
    }
}
