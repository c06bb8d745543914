//! Many nodes in one room, and people who never stop writing.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::{Company, Lab, Node, admit, run, text, wait_until};

/// Lines of one `send ROOM -`.
const BURST: usize = 25;

/// What was acknowledged: each message's id and text.
pub type Acknowledged = BTreeMap<String, String>;

/// Nodes that are up, each in `group:Support/Front Line`; the first is the admin. All list the
/// room [`Company::EVERYONE`].
#[track_caller]
#[must_use]
pub fn crowd(lab: &Lab, count: usize) -> Vec<Node> {
    let mut admin = lab.node("n0");
    Company::found(&mut admin);
    admin.ok(&["room", "new", Company::EVERYONE, "--permit", "role:Agent"]);
    let mut nodes = vec![admin];
    for number in 1..count {
        let mut node = lab.node(&format!("n{number}"));
        admit(&nodes[0], &mut node, &nodes[0].address(), "group:Support/Front Line");
        nodes.push(node);
    }
    for node in &nodes {
        wait_until("all list the room", || node.lists(Company::EVERYONE).then_some(()));
    }
    nodes
}

/// Posts numbered lines in one go, whatever becomes of the node meanwhile; gives what was
/// acknowledged, and how the command ended.
#[track_caller]
pub fn burst(command: Command, name: &str, numbers: Range<usize>) -> (Acknowledged, i32) {
    let lines: Vec<String> = numbers.map(|number| format!("{name} {number}")).collect();
    let ran = run(command, (lines.join("\n") + "\n").as_bytes());
    let pairs = ran.documents().into_iter().zip(lines).map(|(message, words)| {
        assert_eq!(message["text"], *words);
        (text(&message["id"]), words)
    });
    (pairs.collect(), ran.code)
}

/// Posts until it is told to stop; `tell` hears of each burst how much of it was acknowledged.
#[track_caller]
pub fn write_until(
    stop: &AtomicBool,
    name: &str,
    room: &str,
    command: impl Fn(&[&str]) -> Command,
    tell: impl Fn(usize),
) -> Acknowledged {
    let mut all = Acknowledged::new();
    let mut next = 0;
    while !stop.load(Ordering::Relaxed) {
        let one = command(&["--json", "send", room, "-"]);
        let (acknowledged, code) = burst(one, name, next..next + BURST);
        assert!([0, 1, 3].contains(&code), "{name}: it ended with {code}");
        // A text is tried once: what was not acknowledged may be there all the same.
        next += BURST;
        tell(acknowledged.len());
        all.extend(acknowledged);
    }
    all
}

/// Waits until all nodes hold all of this in a room, once and in one order, with one digest.
#[track_caller]
pub fn all_have<'a>(
    nodes: impl IntoIterator<Item = &'a Node> + Clone,
    room: &str,
    acknowledged: &Acknowledged,
    patience: Duration,
) {
    let deadline = Instant::now() + patience;
    loop {
        let lacks: Vec<String> =
            nodes.clone().into_iter().filter_map(|node| lacks(node, room, acknowledged)).collect();
        let digests: BTreeSet<String> =
            nodes.clone().into_iter().map(|node| digest(node, room)).collect();
        // Digests are of what is accepted; what a removed author wrote, and some have seen, is on
        // their screens already while its seal is under way.
        let ids = |node: &Node| -> Vec<String> {
            node.history(room).iter().map(|message| text(&message["id"])).collect()
        };
        if lacks.is_empty() && digests.len() == 1 {
            let orders: BTreeSet<Vec<String>> = nodes.clone().into_iter().map(ids).collect();
            if orders.len() == 1 {
                break;
            }
        }
        let states: Vec<_> = nodes.clone().into_iter().map(Node::status).collect();
        assert!(
            Instant::now() < deadline,
            "not in {patience:?}: {lacks:?}, {digests:?}, {states:?}"
        );
        thread::sleep(super::LOOK_EVERY);
    }
    for node in nodes {
        let history = node.history(room);
        let ids: Vec<String> = history.iter().map(|message| text(&message["id"])).collect();
        let distinct: BTreeSet<&String> = ids.iter().collect();
        assert_eq!(distinct.len(), ids.len(), "an id twice on {}", node.name());
        let texts: BTreeSet<String> =
            history.iter().map(|message| text(&message["text"])).collect();
        assert_eq!(texts.len(), ids.len(), "a text twice on {}", node.name());
        for message in &history {
            let Some(words) = acknowledged.get(&text(&message["id"])) else { continue };
            assert_eq!(message["text"], *words.as_str());
        }
    }
}

/// The digest of a room, as far as a node has one.
#[track_caller]
#[must_use]
pub fn digest(node: &Node, room: &str) -> String {
    node.room_status(room).map_or_else(String::new, |status| text(&status["digest"]))
}

fn lacks(node: &Node, room: &str, acknowledged: &Acknowledged) -> Option<String> {
    let has: BTreeSet<String> =
        node.history(room).iter().map(|message| text(&message["id"])).collect();
    let lost: Vec<&String> =
        acknowledged.iter().filter(|(id, _)| !has.contains(*id)).map(|(_, words)| words).collect();
    let (first, last) = (lost.first()?, lost.last()?);
    Some(format!("{} lacks {} ({first} to {last})", node.name(), lost.len()))
}
