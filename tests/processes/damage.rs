//! Flipped and truncated bytes in the store: found, set aside, fetched again from peers.

use std::fs::{self, OpenOptions};

use conclave_protocol::id::MessageId;
use conclave_tests::process::{Acknowledged, Company, Node, all_have, burst, wait_until};

use crate::{PATIENCE, company};

const ROOM: &str = Company::EVERYONE;
const MESSAGES: usize = 200;

/// Bob's home, stopped, with messages by alice and by him that carol has too.
struct Filled {
    company: Company,
    acknowledged: Acknowledged,
}

impl Filled {
    fn new() -> Self {
        let mut company = company();
        company.open_everyone();
        let mut acknowledged = Acknowledged::new();
        for node in [&company.alice, &company.bob] {
            let command = node.command(&["--json", "send", ROOM, "-"]);
            let (sent, code) = burst(command, node.name(), 0..MESSAGES / 2);
            assert_eq!(code, 0);
            acknowledged.extend(sent);
        }
        all_have([&company.alice, &company.bob, &company.carol], ROOM, &acknowledged, PATIENCE);
        company.bob.stop();
        Self { company, acknowledged }
    }

    /// Bob starts again and ends with what the others have; so does what he writes then.
    fn heals(mut self) {
        let Company { alice, bob, carol, lab: _lab } = &mut self.company;
        bob.up();
        assert_eq!(bob.ready()["member"], true, "he knows who he is");
        let nodes = [&*alice, &*bob, &*carol];
        all_have(nodes, ROOM, &self.acknowledged, PATIENCE);
        wait_until("one control log", || {
            (bob.control_digest() == alice.control_digest()).then_some(())
        });
        wait_until("he can post", || {
            let ran = bob.json(&["send", ROOM, "after the damage"]);
            (ran.code == 0).then_some(())
        });
        all_have(nodes, ROOM, &self.acknowledged, PATIENCE);
        assert_eq!(alice.status()["alarms"], serde_json::json!([]), "no place is taken twice");
        // Not only in memory: it is all there without help.
        let digest = bob.room_status(ROOM).expect("the room")["digest"].clone();
        alice.stop();
        carol.stop();
        bob.stop();
        bob.up();
        assert_eq!(bob.room_status(ROOM).expect("the room")["digest"], digest);
    }
}

/// Flips a bit in every place that names one of the messages, so in those that follow them; gives
/// how many there were.
fn flip_in_names(node: &Node, messages: &[MessageId]) -> usize {
    let mut flipped = 0;
    for path in node.store_files() {
        let mut bytes = fs::read(&path).expect("a file of the store");
        for id in messages {
            let found = |bytes: &[u8]| bytes.windows(id.0.len()).position(|window| window == id.0);
            while let Some(at) = found(&bytes) {
                bytes[at] ^= 0x20;
                flipped += 1;
            }
        }
        fs::write(&path, bytes).expect("it can be written");
    }
    flipped
}

#[test]
fn flipped_bits_in_messages_are_found_and_these_fetched_again() {
    let filled = Filled::new();
    // His own as well as another's.
    let words = ["alice 33", "alice 50", "bob 12", "bob 44"];
    let history = filled.company.alice.history(ROOM);
    let named = history.iter().filter(|m| words.iter().any(|words| m["text"] == *words));
    let ids: Vec<MessageId> =
        named.map(|m| m["id"].as_str().expect("an id").parse().expect("an id")).collect();
    assert_eq!(ids.len(), words.len());
    let flipped = flip_in_names(&filled.company.bob, &ids);
    assert!(flipped >= words.len(), "the damage was done: {flipped}");
    filled.heals();
}

#[test]
fn flipped_bits_anywhere_in_the_store_are_found_and_repaired() {
    let filled = Filled::new();
    for path in filled.company.bob.store_files() {
        let mut bytes = fs::read(&path).expect("a file of the store");
        let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        // The first bytes of each file and the last, and five places between.
        for part in 0..7 {
            let at = (used.saturating_sub(1) * part / 6).min(bytes.len() - 1);
            bytes[at] ^= 0x01;
        }
        fs::write(&path, bytes).expect("it can be written");
    }
    filled.heals();
}

#[test]
fn a_store_cut_short_is_filled_again() {
    let filled = Filled::new();
    for path in filled.company.bob.store_files() {
        let bytes = fs::read(&path).expect("a file of the store");
        let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let file = OpenOptions::new().write(true).open(&path).expect("it can be written");
        file.set_len(used as u64 * 2 / 3).expect("it can be cut");
    }
    filled.heals();
}

#[test]
fn a_page_of_zeros_in_the_store_is_filled_again() {
    let filled = Filled::new();
    for path in filled.company.bob.store_files() {
        let mut bytes = fs::read(&path).expect("a file of the store");
        let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let from = (used / 2) & !4095;
        let to = (from + 4096).min(used);
        bytes[from..to].fill(0);
        fs::write(&path, bytes).expect("it can be written");
    }
    filled.heals();
}
