//! Nodes that are stopped for a while or get little of the processor: they catch up, and nobody
//! is shut out for it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use conclave_tests::process::{Acknowledged, Company, all_have, burst};
use serde_json::json;

use crate::{PATIENCE, Stopper, company};

const ROOM: &str = Company::EVERYONE;

#[test]
fn a_process_stopped_for_15_s_catches_up() {
    stopped_for(Duration::from_secs(15));
}

#[test]
#[ignore = "takes a minute: cargo test -p conclave --test processes -- --ignored stopped_for_60"]
fn a_process_stopped_for_60_s_catches_up() {
    stopped_for(Duration::from_secs(60));
}

fn stopped_for(time: Duration) {
    let Company { alice, bob, carol, lab: _lab } = {
        let company = company();
        company.open_everyone();
        company
    };
    let mut sent = Acknowledged::new();
    let mut send = |name: &str, count: usize| {
        let (more, code) = burst(alice.command(&["--json", "send", ROOM, "-"]), name, 0..count);
        assert_eq!(code, 0);
        sent.extend(more);
    };
    send("before", 20);
    bob.signal("STOP");
    send("he is stopped", 50);
    // The time is the fault itself.
    thread::sleep(time);
    send("he is still stopped", 50);
    bob.signal("CONT");
    let (more, code) = burst(bob.command(&["--json", "send", ROOM, "-"]), "back", 0..5);
    assert_eq!(code, 0);
    sent.extend(more);
    all_have([&alice, &bob, &carol], ROOM, &sent, PATIENCE);
    for node in [&alice, &bob, &carol] {
        assert_eq!(node.status()["alarms"], json!([]), "{}", node.name());
        assert_eq!(node.with_access(ROOM).len(), 3);
    }
}

#[test]
fn a_process_with_a_fifth_of_the_time_catches_up() {
    let Company { alice, bob, carol, lab: _lab } = {
        let company = company();
        company.open_everyone();
        company
    };
    let stop = AtomicBool::new(false);
    let pid = bob.pid();
    let mut sent = Acknowledged::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            let signal = |name: &str| {
                let mut kill = std::process::Command::new("kill");
                let done = kill.args([name, &pid.to_string()]).status();
                assert!(done.is_ok_and(|status| status.success()), "kill {name}");
            };
            while !stop.load(Ordering::Relaxed) {
                signal("-STOP");
                thread::sleep(Duration::from_millis(80));
                signal("-CONT");
                thread::sleep(Duration::from_millis(20));
            }
        });
        let stopper = Stopper(&stop);
        for node in [&alice, &bob, &carol] {
            let command = node.command(&["--json", "send", ROOM, "-"]);
            let (more, code) = burst(command, node.name(), 0..50);
            assert_eq!(code, 0);
            sent.extend(more);
        }
        all_have([&alice, &bob, &carol], ROOM, &sent, PATIENCE);
        drop(stopper);
    });
    assert_eq!(bob.status()["alarms"], json!([]));
}
