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

#[test]
fn a_store_of_format_1_keeps_the_company_and_drops_what_nothing_encrypts() {
    opens_without_messages(1);
}

#[test]
fn a_store_of_format_2_keeps_the_company_and_drops_what_nothing_encrypts() {
    opens_without_messages(2);
}

fn opens_without_messages(format: u32) {
    let lab = lab();
    let (mut alice, content) = home_of_format(&lab, format);
    let said: Vec<&str> = content["messages"]
        .as_array()
        .expect("messages")
        .iter()
        .map(|message| message[2].as_str().expect("a text"))
        .collect();
    assert!(said.len() > 40, "{}", said.len());
    let readable = |node: &Node| {
        said.iter().filter(|text| !node.files_with(text.as_bytes()).is_empty()).count()
    };
    assert_eq!(readable(&alice), said.len(), "they were there in plain");
    alice.up();
    assert!(alice.log().contains("unencrypted"), "she is told: {}", alice.log());
    assert_eq!(alice.status()["control"]["digest"], content["control"]["digest"]);
    assert!(alice.texts(ROOM).is_empty());
    assert_eq!(readable(&alice), 0);
    if format == 2 {
        // Since then a store knows whether it is a copy, as this one is, and stays one.
        assert!(alice.status()["troubles"].to_string().contains("restored from a copy"));
        return;
    }
    // She goes on where the company was: a message, a unit.
    alice.send(ROOM, "after the update");
    alice.ok(&["role", "new", "Auditor"]);
    alice.kill_nine();
    alice.forget_log();
    alice.up();
    assert!(!alice.log().contains("unencrypted"), "once only");
    assert_eq!(alice.texts(ROOM), ["after the update"]);
    let units = alice.ok(&["role", "list"])["units"].to_string();
    assert!(units.contains("Auditor"), "{units}");
    assert_eq!(alice.status()["alarms"], serde_json::json!([]));
    alice.stop();
    assert_eq!(readable(&alice), 0);
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
