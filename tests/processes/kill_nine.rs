//! kill -9 of each node in turn while everybody writes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use conclave_tests::process::{
    Acknowledged, Company, Node, TIME_MAX, all_have, crowd, run, text, wait_until, write_until,
};

use crate::{PATIENCE, Stopper, company, lab};

const ROOM: &str = Company::EVERYONE;
/// Messages that must be acknowledged by everyone between two kills.
const BETWEEN_KILLS: usize = 15;

#[test]
fn nothing_acknowledged_is_lost_or_doubled() {
    let Company { alice, bob, carol, lab: _lab } = {
        let company = company();
        company.open_everyone();
        company
    };
    let mut nodes = [alice, bob, carol];
    let stop = AtomicBool::new(false);
    let acknowledged = thread::scope(|scope| {
        // Also if something fails in between: the scope waits for its writers.
        let stopper = Stopper(&stop);
        let (sender, counted) = mpsc::channel();
        let writers: Vec<_> = nodes
            .iter()
            .enumerate()
            .map(|(index, node)| {
                let name = node.name().to_owned();
                let (command, stop, sender) = (node.maker(), &stop, sender.clone());
                let tell = move || sender.send(index).expect("the test counts");
                scope.spawn(move || write(&name, command, stop, tell))
            })
            .collect();
        let all_write = || {
            // What was acknowledged before does not count.
            while counted.try_recv().is_ok() {}
            let mut counts = [0; 3];
            while counts.iter().any(|count| *count < BETWEEN_KILLS) {
                let index = counted.recv_timeout(TIME_MAX);
                counts[index.expect("everybody can write")] += 1;
            }
        };
        all_write();
        for at in [0, 1, 2, 2, 0, 1] {
            let node = &mut nodes[at];
            let port = node.port();
            node.kill_nine();
            // Held, so that the system cannot give it out again.
            let _taken = TcpListener::bind(("127.0.0.1", port));
            node.up();
            assert_ne!(node.port(), port);
            assert_eq!(node.ready()["member"], true);
            // Were the next one killed before it has heard of the new port, and so on, in the
            // end nobody would know where anybody is.
            wait_until("it has found the others", || {
                let status = node.status();
                let peers = status["peers"].as_array().expect("peers").iter();
                let agents: BTreeSet<_> =
                    peers.map(|peer| peer["agent"]["name"].as_str()).collect();
                (agents.len() == 2 && !agents.contains(&None)).then_some(())
            });
            all_write();
        }
        drop(stopper);
        let acknowledged = writers.into_iter().map(|writer| writer.join().expect("a writer"));
        acknowledged.flatten().collect::<BTreeMap<String, String>>()
    });
    println!("{} messages were acknowledged", acknowledged.len());

    for node in &nodes {
        let mut seen = String::new();
        // What is lost, and where, is to be told in a failure.
        let found = catch_unwind(AssertUnwindSafe(|| {
            wait_until("everyone has everything and agrees", || {
                let history = ids(node);
                let lost = acknowledged.iter().filter(|(id, _)| !history.contains(*id));
                let lost: Vec<_> = lost.map(|(_, words)| words.as_str()).collect();
                let digest = |node: &Node| Some(node.room_status(ROOM)?["digest"].clone());
                let equal = digest(node).is_some() && digest(node) == digest(&nodes[0]);
                seen = format!("{} lacks {lost:?}; equal: {equal}", node.name());
                (lost.is_empty() && equal).then_some(())
            });
        }));
        if let Err(cause) = found {
            println!("{seen}");
            nodes.iter().for_each(|node| println!("{}: {}", node.name(), node.status()));
            resume_unwind(cause);
        }
        let history = node.history(ROOM);
        assert_eq!(ids(node).len(), history.len(), "no id twice on {}", node.name());
        let texts: BTreeSet<_> = history.iter().map(|message| text(&message["text"])).collect();
        assert_eq!(texts.len(), history.len(), "no text twice on {}", node.name());
        for message in &history {
            let Some(words) = acknowledged.get(&text(&message["id"])) else { continue };
            assert_eq!(message["text"], *words.as_str());
        }
    }
    let orders = nodes.each_ref().map(|node| node.texts(ROOM));
    assert!(orders.iter().all(|order| *order == orders[0]), "the same order everywhere");
}

fn ids(node: &Node) -> BTreeSet<String> {
    node.history(ROOM).iter().map(|message| text(&message["id"])).collect()
}

/// Posts until it is told to stop, whatever happens to the node meanwhile; gives id and text
/// of what was acknowledged.
fn write(
    name: &str,
    command: impl Fn(&[&str]) -> Command,
    stop: &AtomicBool,
    tell: impl Fn(),
) -> Vec<(String, String)> {
    let mut acknowledged = Vec::new();
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        // A text is tried once: what was not acknowledged may be there all the same.
        let words = format!("{name} {number}");
        let ran = run(command(&["--json", "send", ROOM, &words]), &[]);
        match ran.code {
            0 => {
                acknowledged.push((text(&ran.document()["id"]), words));
                tell();
            }
            3 => ran.assert_problem(3, "not_running"),
            _ => ran.assert_problem(1, "failed"),
        }
    }
    acknowledged
}

#[test]
fn nothing_is_lost_when_killed_30_times_at_any_instant() {
    kill_at_any_instant(30);
}

#[test]
#[ignore = "takes minutes: cargo test -p conclave --test processes -- --ignored 200_times"]
fn nothing_is_lost_when_killed_200_times_at_any_instant() {
    kill_at_any_instant(200);
}

/// Kills the one who writes most and the one who mostly receives in turn, at instants that
/// have nothing to do with what they are doing.
fn kill_at_any_instant(kills: u64) {
    let lab = lab();
    let mut nodes = crowd(&lab, 3);
    nodes.iter_mut().for_each(Node::keep_port);
    let stop = AtomicBool::new(false);
    let begin = Instant::now();
    let acknowledged = thread::scope(|scope| {
        let stopper = Stopper(&stop);
        let (sender, counted) = mpsc::channel();
        let writers: Vec<_> = nodes[..2]
            .iter()
            .map(|node| {
                let name = node.name().to_owned();
                let (command, stop, sender) = (node.maker(), &stop, sender.clone());
                let tell = move |count| sender.send(count).expect("the test counts");
                scope.spawn(move || write_until(stop, &name, ROOM, command, tell))
            })
            .collect();
        for number in 0..kills {
            // Under load: something was acknowledged since the last time.
            while counted.recv_timeout(TIME_MAX).expect("somebody can write") == 0 {}
            // Spread over a quarter of a second without a pattern.
            thread::sleep(Duration::from_millis(number * 7919 % 251));
            let node = &mut nodes[usize::try_from(number % 3).expect("small")];
            node.kill_nine();
            node.up();
        }
        drop(stopper);
        let acknowledged = writers.into_iter().map(|writer| writer.join().expect("a writer"));
        acknowledged.flatten().collect::<Acknowledged>()
    });
    println!("{kills} kills, {} acknowledged in {:?}", acknowledged.len(), begin.elapsed());
    assert!(acknowledged.len() as u64 > kills, "hardly anything was written");
    all_have(&nodes, ROOM, &acknowledged, PATIENCE);
    // Each has it on its own disk, not from the others.
    nodes.iter_mut().for_each(Node::stop);
    for node in &mut nodes {
        node.up();
        all_have([&*node], ROOM, &acknowledged, PATIENCE);
        node.stop();
    }
}
