//! Cases 22 (its part of the control log) and 29: access changes while people write.

use super::*;
use crate::scene::team;
use conclave_protocol::view::MessageState;

/// The ways in which bob may lose access to "help".
fn losses() -> Vec<Command> {
    vec![
        remove("bob", "department:Support"),
        Command::DeleteUnit { unit: "group:Support/Night".into() },
        remove("bob", "group:Support/Night"),
        Command::Unpermit { room: "help".into(), unit: "agent:bob".into() },
    ]
}

/// Alice and carol are in Support; bob is let in by the only way that the `n`-th loss takes.
fn scene(seed: u64, n: usize) -> (World, [NodeId; 4]) {
    let (mut w, alice, others) = team(seed, &["carol", "dave"]);
    let bob = w.join(alice, "bob", &[]);
    w.group(alice, "Support", "Night");
    match n {
        0 => w.add_member(alice, "bob", "department:Support"),
        1 | 2 => w.add_member(alice, "bob", "group:Support/Night"),
        _ => w.permit(alice, "help", "agent:bob"),
    }
    w.connect_all();
    w.agree();
    (w, [alice, bob, others[0], others[1]])
}

#[test]
fn transfer_a_message_that_one_had_seen_stays_on_all() {
    for (n, loss) in losses().into_iter().enumerate() {
        let (mut w, [alice, bob, carol, dave]) = scene(n as u64, n);
        w.isolate(alice);
        w.disconnect(bob, dave);
        w.disconnect(carol, dave);
        // Bob and carol do not know.
        w.must(alice, loss.clone());
        w.post(bob, "help", "meanwhile");
        w.settle();
        assert_eq!(w.texts(carol, "help"), ["meanwhile"]);
        w.connect_all();
        w.agree();
        assert!(!may_read(&w, bob, "help"), "{loss:?}");
        for id in [alice, carol, dave] {
            let shown = w.messages(id, "help");
            assert_eq!(shown.len(), 1, "{loss:?} at {}", w.node(id).name);
            assert_eq!((shown[0].state, &*shown[0].author.name), (MessageState::Vouched, "bob"));
        }
    }
}

#[test]
fn transfer_a_message_that_nobody_had_seen_is_nowhere() {
    for (n, loss) in losses().into_iter().enumerate() {
        let (mut w, [alice, bob, carol, dave]) = scene(10 + n as u64, n);
        w.isolate(bob);
        w.must(alice, loss.clone());
        w.post(bob, "help", "meanwhile");
        w.settle();
        w.connect_all();
        w.agree();
        for id in [alice, carol, dave] {
            assert_eq!(w.texts(id, "help").len(), 0, "{loss:?}");
        }
        assert!(!may_read(&w, bob, "help"));
        // It returns with its author.
        let command = match n {
            0 | 2 => Command::AddMember { agent: "bob".into(), unit: "department:Support".into() },
            1 => ratify("group:Support/Night"),
            _ => Command::Permit { room: "help".into(), unit: "agent:bob".into() },
        };
        w.must(alice, command);
        w.agree();
        all_show(&w, &[alice, bob, carol, dave], "help", &["meanwhile"]);
    }
}

#[test]
fn transfer_under_a_rough_network_ends_equal_whatever_arrives_first() {
    use conclave_tests::world::Options;
    for seed in 20..26 {
        let (mut w, [alice, bob, carol, dave]) = scene(seed, 0);
        w.options = Options::ROUGH;
        for n in 0..6 {
            let text = format!("b{n}");
            w.give(bob, Command::Send { room: "help".into(), text });
            w.give(carol, Command::Send { room: "help".into(), text: format!("c{n}") });
            if n == 3 {
                w.give(alice, remove("bob", "department:Support"));
            }
            let pause = w.random(40);
            w.run(pause);
        }
        w.options = Options::CALM;
        w.connect_all();
        w.agree();
        let texts = w.texts(alice, "help");
        assert_eq!(texts.iter().filter(|t| t.starts_with('c')).count(), 6);
        for id in [carol, dave] {
            assert_eq!(w.texts(id, "help"), texts);
        }
    }
}

#[test]
fn regroup_all_that_was_written_stays_also_what_nobody_answered() {
    for seed in 30..33 {
        let (mut w, [alice, bob, carol, dave]) = scene(seed, 2);
        w.group(alice, "Support", "Day");
        w.post(bob, "help", "by night");
        w.agree();
        // Bob moves, is away meanwhile, and writes on under the old grant.
        w.isolate(bob);
        w.add_member(alice, "bob", "group:Support/Day");
        foreseen_apart(&mut w, alice, remove("bob", "group:Support/Night"));
        w.post(bob, "help", "still by night");
        w.connect_all();
        w.agree();
        w.post(bob, "help", "by day");
        w.agree();
        all_show(&w, &[alice, bob, carol, dave], "help", &["by night", "still by night", "by day"]);
        assert!(w.messages(dave, "help").iter().all(|m| m.state == MessageState::Accepted));
        let fresh = w.join(alice, "erin", &["department:Support"]);
        w.connect_all();
        w.agree();
        assert_eq!(w.texts(fresh, "help").len(), 3);
    }
}

/// While not all are connected: only that nobody loses anything.
fn foreseen_apart(w: &mut World, by: NodeId, command: Command) {
    let (_, preview) = w.engine(by).preview(&command).expect("a preview");
    assert!(preview.rooms.is_empty(), "{preview:?}");
    w.must(by, command);
}
