//! Peers that are killed and start again once a second while everybody writes.

use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

use conclave_tests::process::{Acknowledged, Company, Node, all_have, crowd, write_until};

use crate::{PATIENCE, Stopper, lab};

const ROOM: &str = Company::EVERYONE;
const EVERY: Duration = Duration::from_secs(1);

#[test]
fn everything_arrives_though_8_peers_restart_once_a_second() {
    restart(8, Duration::from_secs(16));
}

#[test]
#[ignore = "takes 8 minutes: cargo test -p conclave --test processes -- --ignored 20_peers_restart"]
fn everything_arrives_though_20_peers_restart_once_a_second_for_5_minutes() {
    restart(20, Duration::from_mins(5));
}

fn restart(count: usize, time: Duration) {
    let lab = lab();
    let mut nodes = crowd(&lab, count);
    nodes.iter_mut().for_each(Node::keep_port);
    let stop = AtomicBool::new(false);
    let mut restarts = 0;
    let acknowledged = thread::scope(|scope| {
        let stopper = Stopper(&stop);
        let writers: Vec<_> = nodes
            .iter()
            .map(|node| {
                let (name, command, stop) = (node.name().to_owned(), node.maker(), &stop);
                scope.spawn(move || {
                    // So that they all have some, and none more than it can pass on.
                    write_until(stop, &name, ROOM, command, |_| thread::sleep(EVERY))
                })
            })
            .collect();
        let begin = Instant::now();
        while begin.elapsed() < time {
            let next = begin + EVERY * (restarts + 1);
            let node = &mut nodes[restarts as usize % count];
            node.kill_nine();
            node.up();
            restarts += 1;
            thread::sleep(next.saturating_duration_since(Instant::now()));
        }
        drop(stopper);
        let acknowledged = writers.into_iter().map(|writer| writer.join().expect("a writer"));
        acknowledged.flatten().collect::<Acknowledged>()
    });
    let begin = Instant::now();
    assert!(acknowledged.len() > count, "hardly anything was written");
    all_have(&nodes, ROOM, &acknowledged, PATIENCE);
    println!("{restarts} restarts, {} acknowledged", acknowledged.len());
    println!("everywhere {:?} after the end", begin.elapsed());
}
