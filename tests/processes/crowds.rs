//! Many nodes on one computer: all messages reach all.

use std::collections::BTreeMap;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use conclave_tests::process::{
    Acknowledged, Company, Node, all_have, burst, crowd, run, text, wait_until,
};
use serde_json::Value;

use crate::{PATIENCE, lab};

const ROOM: &str = Company::EVERYONE;

#[test]
fn all_messages_reach_all_of_14_nodes_on_one_address() {
    let lab = lab();
    let nodes = crowd(&lab, 14);
    let sent: Acknowledged = thread::scope(|scope| {
        let writers: Vec<_> = nodes
            .iter()
            .map(|node| {
                let command = node.command(&["--json", "send", ROOM, "-"]);
                let name = node.name().to_owned();
                scope.spawn(move || burst(command, &name, 0..20))
            })
            .collect();
        let ended = writers.into_iter().map(|writer| writer.join().expect("a writer"));
        ended.flat_map(|(sent, code)| (code == 0).then_some(sent).expect("it sends")).collect()
    });
    assert_eq!(sent.len(), 14 * 20);
    all_have(&nodes, ROOM, &sent, PATIENCE);
}

/// Nodes, rooms, and messages a second in each room.
const NODES: usize = 100;
const ROOMS: usize = 10;
const PER_SECOND: u32 = 3;
const SECONDS: u32 = 60;

#[test]
#[ignore = "figures: cargo test --release -p conclave --test processes -- --ignored 100_nodes --nocapture"]
fn all_messages_reach_all_of_100_nodes_in_10_rooms_in_time() {
    let lab = lab();
    let begin = Instant::now();
    let nodes = crowd(&lab, NODES);
    let rooms: Vec<String> = (0..ROOMS).map(|number| format!("Room {number}")).collect();
    for room in &rooms {
        nodes[0].ok(&["room", "new", room, "--permit", "role:Agent"]);
    }
    for node in &nodes {
        wait_until("all list all rooms", || {
            rooms.iter().all(|room| node.lists(room)).then_some(())
        });
    }
    println!("{NODES} nodes with {ROOMS} rooms are up after {:?}", begin.elapsed());

    // Of each room one follower on another node; a text says when it was sent.
    let epoch = Instant::now();
    let (tell, latencies) = mpsc::channel();
    let mut acknowledged: BTreeMap<&String, Acknowledged> = BTreeMap::new();
    let mut followed = Vec::new();
    for (number, room) in rooms.iter().enumerate() {
        for place in [1, 3, 5, 7, 9] {
            let node = &nodes[(number + place * NODES / 10) % NODES];
            followed.push(node.follow(&["--json", "tail", room]));
        }
    }
    for follow in followed {
        let tell = tell.clone();
        thread::spawn(move || {
            while let Some(line) = follow.next_line() {
                let now = epoch.elapsed();
                let message: Value = serde_json::from_str(&line).expect("JSON");
                let words = message["text"].as_str().expect("a text");
                let sent = words.split(' ').nth(1).and_then(|word| word.parse().ok());
                let sent = Duration::from_micros(sent.expect("when it was sent"));
                if tell.send(now.saturating_sub(sent)).is_err() {
                    break;
                }
            }
        });
    }
    drop(tell);
    let makers: Vec<_> = nodes.iter().map(Node::maker).collect();
    thread::scope(|scope| {
        let writers: Vec<_> = rooms
            .iter()
            .enumerate()
            .map(|(number, room)| {
                let makers = &makers;
                scope.spawn(move || {
                    let mut sent = Acknowledged::new();
                    for tick in 0..PER_SECOND * SECONDS {
                        let due = epoch + Duration::from_secs(1) * tick / PER_SECOND;
                        thread::sleep(due.saturating_duration_since(Instant::now()));
                        let command = &makers[(number + tick as usize * 7) % NODES];
                        let words = format!("{tick} {}", epoch.elapsed().as_micros());
                        let ran = run(command(&["--json", "send", room, &words]), &[]);
                        assert_eq!(ran.code, 0, "{ran:?}");
                        sent.insert(text(&ran.document()["id"]), words);
                    }
                    (room, sent)
                })
            })
            .collect();
        for writer in writers {
            let (room, sent) = writer.join().expect("a writer");
            acknowledged.insert(room, sent);
        }
    });
    let took = epoch.elapsed();
    let expected = ROOMS as u32 * PER_SECOND * SECONDS;
    println!("{expected} messages sent in {took:?}");
    for (room, sent) in &acknowledged {
        all_have(&nodes, room, sent, PATIENCE);
    }
    println!("100 % everywhere {:?} after that", epoch.elapsed() - took);
    let mut latencies: Vec<Duration> = latencies.try_iter().collect();
    latencies.sort_unstable();
    let at = |percent: usize| latencies[(latencies.len() - 1) * percent / 100];
    println!("{} samples: p50 {:?}, p95 {:?}, p99 {:?}", latencies.len(), at(50), at(95), at(99));
    assert!(at(95) <= Duration::from_millis(500), "p95 is {:?}", at(95));
}
