//! Stores of other formats: an older one is migrated, a newer one refused and not touched.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use conclave_tests::process::{Company, Lab, Node};
use serde_json::Value;

use crate::lab;

const ROOM: &str = Company::EVERYONE;
/// What begins the file that names the format.
const FORMAT_PREFIX: &str = "conclave-store ";

/// A home that was made when a format was in use, and what is in it. See
/// `tests/fixtures/make_home.py`.
fn home_of_format(lab: &Lab, format: u32) -> (Node, Value) {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures");
    let file = |ending| fixtures.join(format!("home-format-{format}.{ending}"));
    let mut unpack = Command::new("tar");
    unpack.arg("-xzf").arg(file("tar.gz")).arg("-C").arg(lab.path());
    assert!(unpack.status().is_ok_and(|status| status.success()), "the home can be unpacked");
    let content = fs::read(file("json")).expect("what is in it");
    (lab.node("alice"), serde_json::from_slice(&content).expect("JSON"))
}

fn format_file(node: &Node) -> PathBuf {
    let files = node.files().into_iter();
    let mut found = files.filter(|(_, bytes)| bytes.starts_with(FORMAT_PREFIX.as_bytes()));
    found.next().expect("a file that names the format").0
}

/// Everything is there: what was said and by whom, in the same order.
fn assert_complete(alice: &Node, content: &Value) {
    let messages: Vec<Value> = alice
        .history(ROOM)
        .iter()
        .map(|message| {
            let fields = [&message["id"], &message["author"]["name"], &message["text"]];
            Value::from(fields.map(Value::clone).to_vec())
        })
        .collect();
    assert_eq!(Value::from(messages), content["messages"]);
    assert_eq!(alice.status()["control"]["digest"], content["control"]["digest"]);
}

#[test]
fn a_store_of_format_1_opens_with_everything_in_it() {
    let lab = lab();
    let (mut alice, content) = home_of_format(&lab, 1);
    alice.up();
    assert_complete(&alice, &content);
    let count = content["messages"].as_array().expect("messages").len();
    assert!(count > 40, "{count}");
    // She goes on where she was: a message, a unit, a newcomer.
    alice.send(ROOM, "after the update");
    alice.ok(&["role", "new", "Auditor"]);
    alice.kill_nine();
    alice.up();
    let texts = alice.texts(ROOM);
    assert_eq!(
        (texts.len(), texts.last().map(String::as_str)),
        (count + 1, Some("after the update"))
    );
    let units = alice.ok(&["role", "list"])["units"].to_string();
    assert!(units.contains("Auditor"), "{units}");
    assert_eq!(alice.status()["alarms"], serde_json::json!([]));
}

#[test]
fn a_store_of_a_newer_format_is_refused_and_not_touched() {
    let lab = lab();
    let mut alice = lab.node("alice");
    Company::found(&mut alice);
    alice.ok(&["room", "new", ROOM, "--permit", "role:Agent"]);
    alice.send(ROOM, "written by the old program");
    alice.stop();
    let file = format_file(&alice);
    let own = fs::read_to_string(&file).expect("the format");
    let number = own.trim().strip_prefix(FORMAT_PREFIX).and_then(|number| number.parse().ok());
    let number: u32 = number.expect("a number");
    for newer in [number + 1, 4_000_000] {
        fs::write(&file, format!("{FORMAT_PREFIX}{newer}\n")).expect("written");
        let before = alice.files();
        let up = ["up", "--no-mdns", "--listen", "/ip4/127.0.0.1/tcp/0"];
        let ran = alice.json(&up);
        ran.assert_problem(1, "failed");
        assert!(ran.stderr.contains(&newer.to_string()), "it says which: {ran:?}");
        alice.say(&up).assert_told(1);
        let kept = |files: Vec<(PathBuf, Vec<u8>)>| -> Vec<(PathBuf, Vec<u8>)> {
            // Whoever looks whether a home is in use leaves an empty file for that.
            files.into_iter().filter(|(path, _)| !path.ends_with("lock")).collect()
        };
        assert!(kept(alice.files()) == kept(before), "something was touched");
    }
    fs::write(&file, own).expect("written");
    alice.up();
    assert_eq!(alice.texts(ROOM), ["written by the old program"]);
}
