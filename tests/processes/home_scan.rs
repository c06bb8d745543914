//! No file of a home holds what people wrote, in any encoding, while the node runs or after; nor do
//! logs and the output of commands that do not show messages. Nor does any hold a key in plain.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use conclave_node::api::client::Client;
use conclave_node::api::types::Change;
use conclave_node::identity::{DeviceSecrets, Home, Passphrase};
use conclave_protocol::id::CompanyId;
use conclave_tests::canary::{Scanner, canary};
use conclave_tests::found::envelopes;
use conclave_tests::outsider::open_all;
use conclave_tests::process::{Company, Lab, Node, http, same_code, text, wait_until};
use serde_json::json;

use crate::stranger::runtime;
use crate::{Stopper, lab};

/// What a node says of itself when it is asked to say all.
const LOUD: [&str; 2] = ["env", "CONCLAVE_LOG=debug"];
const PASSPHRASE: &str = "correct horse battery";
/// Commands whose output holds no message.
const QUIET: [&[&str]; 12] = [
    &["status"],
    &["log"],
    &["room", "list"],
    &["room", "list", "--all"],
    &["agent", "list"],
    &["agent", "requests"],
    &["device", "list"],
    &["admin", "list"],
    &["role", "list"],
    &["department", "list"],
    &["settings"],
    &["im"],
];

/// Gives every file below a folder to `look`; files come and go while a node runs.
fn each_file(folder: &Path, look: &mut impl FnMut(&Path, &[u8])) -> usize {
    let mut count = 0;
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            count += each_file(&path, look);
        } else if let Ok(bytes) = fs::read(&path) {
            look(&path, &bytes);
            count += 1;
        }
    }
    count
}

/// Checks every file below a folder; names of files too.
#[track_caller]
fn assert_no_file_holds(scanner: &Scanner, folder: &Path) {
    let count = each_file(folder, &mut |path, bytes| {
        let name = path.to_string_lossy();
        scanner.assert_clean(&name, bytes);
        scanner.assert_clean("a name of a file", name.as_bytes());
    });
    assert!(count > 10, "{} holds a home", folder.display());
}

fn keep_draft(node: &Node, room: &str, words: &str) {
    let token = fs::read_to_string(node.home().join("api-token")).expect("a token");
    let bearer = format!("Bearer {}", token.trim());
    let headers = [
        ("Host", "{address}"),
        ("Authorization", bearer.as_str()),
        ("Content-Type", "application/json"),
    ];
    let draft = json!({ "room": room, "text": words }).to_string();
    let answer = http::ask(node, "PUT", "/v1/drafts", &headers, Some(&draft));
    assert_eq!(answer.status, 200, "{answer:?}");
}

fn set_topic(node: &Node, room: &str, topic: &str) {
    runtime().block_on(async {
        let client = Client::open(node.home()).expect("it runs");
        let change = Change::SetTopic { room: room.into(), topic: topic.into() };
        let request = client.request(change, None).expect("no secret");
        client.change(&request).await.expect("done");
    });
}

fn secrets(node: &Node, passphrase: Option<&str>) -> DeviceSecrets {
    let passphrase = passphrase.map(|text| Passphrase::new(text).expect("long enough"));
    let home = Home::open(node.home()).expect("a home");
    home.device_secrets(passphrase.as_ref()).expect("it opens").expect("it has keys")
}

/// The keys of two devices, and of all epochs that they know.
fn keys_of(nodes: &[(&Node, Option<&str>)]) -> Vec<(String, Vec<u8>)> {
    let mut keys = Vec::new();
    for (node, passphrase) in nodes {
        let secrets = secrets(node, *passphrase);
        let name = node.name();
        keys.push((format!("{name}'s seed"), secrets.seed().to_vec()));
        keys.push((format!("{name}'s X25519 key"), secrets.sealing_secret().to_vec()));
        keys.push((format!("{name}'s vault key"), secrets.vault_key().to_vec()));
        let company: CompanyId = text(&node.status()["company"]["id"]).parse().expect("an id");
        let nothing = std::collections::BTreeMap::new();
        let opened = open_all(company, &envelopes(node), &[], &secrets.keys(), &nothing);
        assert!(!opened.keys.is_empty());
        let epochs = opened.keys.iter();
        keys.extend(epochs.map(|(id, key)| (format!("the key of {id}"), key.secret().to_vec())));
    }
    keys
}

/// Alice, whose home has no passphrase, and bob, whose home has one; both say all they can in
/// their logs.
fn pair(lab: &Lab, unit: &str) -> (Node, Node) {
    let [mut alice, mut bob] = ["alice", "bob"].map(|name| lab.node_behind(name, &LOUD));
    Company::found(&mut alice);
    let file = lab.path().with_extension("passphrase");
    fs::write(&file, PASSPHRASE).expect("written");
    let file = file.to_str().expect("text").to_owned();
    let peer = alice.address();
    let join = ["join", "--no-wait", "--as", "bob", "--peer", &peer, "--passphrase-file", &file];
    bob.ok(&join);
    bob.up_with(&["--passphrase-file", &file]);
    fs::remove_file(&file).expect("removed");
    let code = same_code(&alice, &bob);
    alice.ok(&["agent", "approve", "bob", "--code", &code, "--to", unit]);
    wait_until("bob is a member", || (bob.status()["member"] == true).then_some(()));
    (alice, bob)
}

#[test]
fn no_file_of_a_home_holds_what_people_wrote() {
    let lab = lab();
    let (mut alice, mut bob) = pair(&lab, "group:Support/Front Line");
    let room = canary("Room", 1);
    let topic = canary("Topic", 1);
    let words: Vec<String> = (0..30).map(|number| canary("Word", number)).collect();
    let (said, rest) = words.split_at(24);
    let [private, answer, draft, long @ ..] = rest else { panic!("as many as are needed") };
    // Long enough for whatever is done with long ones.
    let long = format!("{} {}", long.concat().repeat(20), "x".repeat(4000));
    let scanner = Scanner::new(&words);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let stopper = Stopper(&done);
        let looking = scope.spawn(|| {
            let mut looks = 0;
            while !done.load(Ordering::Relaxed) {
                assert_no_file_holds(&scanner, lab.path());
                looks += 1;
            }
            looks
        });
        alice.ok(&["room", "new", &room, "--permit", "department:Support"]);
        wait_until("bob lists it", || bob.lists(&room).then_some(()));
        for (number, words) in said.iter().enumerate() {
            [&alice, &bob][number % 2].send(&room, words);
            if number % 8 == 0 {
                set_topic(&alice, &room, &format!("{topic} {number}"));
            }
        }
        bob.send(&room, &long);
        alice.ok(&["im", "bob", private]);
        wait_until("bob has it", || {
            bob.json(&["im", "alice"]).stdout.contains(private).then_some(())
        });
        bob.ok(&["im", "alice", answer]);
        for node in [&alice, &bob] {
            keep_draft(node, &room, draft);
            wait_until("all is here", || (node.texts(&room).len() == said.len() + 1).then_some(()));
        }
        drop(stopper);
        let looks = looking.join().expect("no file holds it");
        println!("every file was looked at {looks} times meanwhile");
        assert!(looks > 1, "nothing was seen in passing");
    });
    let keys = keys_of(&[(&alice, None), (&bob, Some(PASSPHRASE))]);
    let keys = Scanner::for_bytes(keys.iter().map(|(name, bytes)| (name.clone(), &bytes[..])));
    for node in [&alice, &bob] {
        for args in QUIET {
            for ran in [node.json(args), node.say(args)] {
                // Some are for admins only.
                assert!(matches!(ran.code, 0 | 4), "{args:?}: {ran:?}");
                for output in [&ran.stdout, &ran.stderr] {
                    scanner.assert_clean(&format!("{args:?}"), output.as_bytes());
                    keys.assert_clean(&format!("{args:?}"), output.as_bytes());
                }
            }
        }
    }
    for node in [&alice, &bob] {
        let file = lab.path().join(format!("{}.backup", node.name()));
        node.ok(&["backup", file.to_str().expect("text")]);
    }
    let token = fs::read_to_string(alice.home().join("api-token")).expect("a token");
    // Running, ended, and killed while it ran.
    assert_no_file_holds(&scanner, lab.path());
    assert_no_file_holds(&keys, lab.path());
    alice.stop();
    bob.kill_nine();
    assert_no_file_holds(&scanner, lab.path());
    assert_no_file_holds(&keys, lab.path());
    let log = alice.log();
    assert!(log.contains("DEBUG"), "it says all that it can: {log}");
    assert!(!log.contains(token.trim()), "the token of the local API is in the log");
    // The same look finds what is not hidden: names and topics, in the control log.
    let names = Scanner::new(&[room, topic]);
    for node in [&alice, &bob] {
        let mut found = std::collections::BTreeSet::new();
        each_file(node.home(), &mut |_, bytes| {
            found.extend(names.find(bytes).into_iter().map(|sighting| sighting.word));
        });
        assert_eq!(found.len(), 2, "{}: {found:?}", node.name());
    }
    // And people do find what they wrote.
    alice.up();
    assert_eq!(alice.texts(&text(&alice.ok(&["room", "list"])["rooms"][0]["name"])).len(), 25);
}
