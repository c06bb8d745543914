//! Reconciliation: whatever subsets two nodes begin with, both end with the union (P7).

use conclave_protocol::engine::Command;
use conclave_tests::world::{NodeId, Options, World};
use proptest::prelude::*;

/// Three members write in random partitions, so that each holds another part of the history.
fn scattered(seed: u64, steps: usize) -> (World, Vec<NodeId>) {
    let mut w = World::new(seed, Options::CALM);
    let alice = w.found("Acme", "alice");
    w.room(alice, "all", &["role:Agent"]);
    w.room(alice, "two", &["role:Agent"]);
    let mut ids = vec![alice];
    for name in ["bob", "carol", "dave"] {
        ids.push(w.join(alice, name, &[]));
    }
    w.connect_all();
    w.agree();
    w.options = Options { gossip_lost_percent: 50, ..Options::ROUGH };
    for n in 0..steps {
        let pick = |w: &mut World| ids[usize::try_from(w.random(4)).unwrap_or(0)];
        let node = pick(&mut w);
        match w.random(8) {
            0 => w.isolate(node),
            1 => {
                let other = pick(&mut w);
                if node != other {
                    w.connect(node, other);
                }
            }
            _ => {
                let room = if w.random(3) == 0 { "two" } else { "all" };
                let text = format!("{n}");
                w.give(node, Command::Send { room: room.into(), text });
            }
        }
        let pause = w.random(60);
        w.run(pause);
    }
    w.run(200);
    for id in &ids {
        w.isolate(*id);
    }
    (w, ids)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn subsets_end_equal_without_any_gossip(seed: u64) {
        let (mut w, ids) = scattered(seed, 60);
        let differ = !w.agrees();
        w.options = Options { gossip_lost_percent: 100, ..Options::CALM };
        // Only a chain of connections, each opened by a random side.
        for pair in ids.windows(2) {
            let turned = w.random(2) == 0;
            let (a, b) = if turned { (pair[0], pair[1]) } else { (pair[1], pair[0]) };
            w.connect(a, b);
        }
        w.agree();
        let total = w.texts(ids[0], "all").len() + w.texts(ids[0], "two").len();
        prop_assert!(total > 20);
        prop_assume!(differ || total > 0);
    }

    #[test]
    fn control_logs_and_rooms_come_together_after_removals_on_the_way(seed: u64) {
        let (mut w, ids) = scattered(seed, 30);
        let alice = ids[0];
        w.department(alice, "Staff");
        for name in ["bob", "carol"] {
            w.add_member(alice, name, "department:Staff");
        }
        w.permit(alice, "all", "department:Staff");
        w.permit(alice, "all", "agent:alice");
        w.unpermit(alice, "all", "role:Agent");
        // Dave, who does not know yet, writes on.
        w.give(ids[3], Command::Send { room: "all".into(), text: "unaware".into() });
        w.run(500);
        w.options = Options::CALM;
        // The others hear of the removal before they meet dave: else they may vouch for it.
        w.connect(alice, ids[1]);
        w.connect(alice, ids[2]);
        w.settle();
        w.connect_all();
        w.agree();
        prop_assert!(w.engine(ids[3]).readable_room("all").is_err());
        prop_assert!(!w.texts(alice, "all").iter().any(|t| t == "unaware"));
        // Whoever joins now gets the same.
        let late = w.join(alice, "late", &["department:Staff"]);
        w.connect_all();
        w.agree();
        prop_assert_eq!(w.texts(late, "all"), w.texts(alice, "all"));
    }
}

#[test]
fn an_answer_to_an_old_connection_does_not_end_the_pull_of_the_new_one() {
    for seed in 0..20 {
        let mut w = World::new(seed, Options { latency_ms_max: 40, ..Options::CALM });
        let alice = w.found("Acme", "alice");
        w.room(alice, "all", &["role:Agent"]);
        let bob = w.join(alice, "bob", &[]);
        w.agree();
        w.isolate(bob);
        for n in 0..20 {
            w.post(alice, "all", &format!("m{n}"));
        }
        w.connect(alice, bob);
        let pause = 10 + w.random(60);
        w.run(pause);
        w.disconnect(alice, bob);
        w.connect(alice, bob);
        // Long before the slow timer.
        w.run(2_000);
        assert_eq!(w.texts(bob, "all").len(), 20, "seed {seed}");
    }
}
