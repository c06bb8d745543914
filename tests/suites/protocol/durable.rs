//! Durable before visible, and what crashes must not lose or repeat (P8).

use conclave_protocol::engine::{
    Batch, Command, CommandId, Effect, Engine, EngineConfig, Input, Outcome, Table,
};
use conclave_protocol::id::MessageId;
use conclave_protocol::time::Timestamp;
use conclave_protocol::vault::Vault;
use conclave_tests::world::node::keys_of;
use conclave_tests::world::{NodeId, Options, World, disk::Disk};
use proptest::prelude::*;
use std::sync::Arc;

/// An engine over a copy of a node's disk, driven by hand.
fn by_hand(w: &World, id: NodeId, seed: [u8; 32]) -> (Engine, Arc<Disk>) {
    let disk = Arc::new(Disk::new(false));
    for ((table, key), value) in w.disk(id).durable() {
        disk.put(table, &key, &value);
    }
    let keys = keys_of(&conclave_tests::world::node::seed_of(&w.node(id).name, w.seed));
    assert_eq!(keys.device(), w.node(id).device());
    let config = EngineConfig {
        keys,
        vault: Vault::new(&[1; 32]),
        seed,
        reader: disk.clone(),
        join: None,
        copied: false,
    };
    (Engine::new(config, w.now()), disk)
}

fn drain(engine: &mut Engine) -> (Vec<Batch>, Vec<Effect>) {
    let (mut batches, mut others) = (Vec::new(), Vec::new());
    while let Some(effect) = engine.poll() {
        match effect {
            Effect::Persist(batch) => batches.push(batch),
            other => others.push(other),
        }
    }
    (batches, others)
}

#[test]
fn nothing_comes_out_before_the_batch_it_rests_on() {
    let mut w = World::new(1, Options::CALM);
    let alice = w.found("Acme", "alice");
    w.room(alice, "all", &["role:Agent"]);
    w.settle();
    let (mut engine, disk) = by_hand(&w, alice, [1; 32]);
    let now = Timestamp(w.now().0 + 1);
    drain(&mut engine);
    let send = |n: u64| Input::Command {
        id: CommandId(n),
        command: Command::Send { room: "all".into(), text: format!("m{n}") },
    };
    engine.handle(now, send(1));
    let (first, others) = drain(&mut engine);
    assert_eq!((first.len(), others.len()), (1, 0), "only the batch: {others:?}");
    engine.handle(now, send(2));
    // An answer that rests on nothing new still waits its turn: effects keep their order.
    engine.handle(
        now,
        Input::Command {
            id: CommandId(3),
            command: Command::MarkRead { room: "none".into(), up_to: None },
        },
    );
    let (second, others) = drain(&mut engine);
    assert_eq!((second.len(), others.len()), (1, 0), "{others:?}");
    let persist = |engine: &mut Engine, batches: Vec<Batch>| {
        for batch in batches {
            let id = batch.id;
            disk.write(batch);
            disk.make_durable(id);
            engine.handle(now, Input::Persisted { batch: id });
        }
        drain(engine).1
    };
    let answers = |effects: &[Effect]| -> Vec<u64> {
        effects
            .iter()
            .filter_map(|e| match e {
                Effect::Answer { id, .. } => Some(id.0),
                _ => None,
            })
            .collect()
    };
    let effects = persist(&mut engine, first);
    assert_eq!(answers(&effects), [1]);
    let published = effects.iter().filter(|e| matches!(e, Effect::Publish { .. })).count();
    assert_eq!(published, 3, "the Enter, the epoch and the text");
    assert_eq!(answers(&persist(&mut engine, second)), [2, 3]);
}

/// Random work with crashes at random instants. Gives what was acknowledged.
fn work(w: &mut World, ids: &[NodeId], steps: usize) -> Vec<(NodeId, MessageId, String)> {
    let mut given = Vec::new();
    for n in 0..steps {
        let node = ids[usize::try_from(w.random(ids.len() as u64)).unwrap_or(0)];
        match w.random(10) {
            0 => {
                w.crash(node);
                let pause = w.random(200);
                w.run(pause);
                w.start(node);
                w.connect_all();
            }
            1 => w.isolate(node),
            2 => w.connect_all(),
            _ => {
                let text = format!("{n} by {}", w.node(node).name);
                let command = Command::Send { room: "all".into(), text: text.clone() };
                given.push((node, w.give(node, command), text));
            }
        }
        let pause = w.random(40);
        w.run(pause);
    }
    w.run(1_000);
    given
        .into_iter()
        .filter_map(|(node, id, text)| match w.node(node).answers.get(&id) {
            Some(Ok(Outcome::Message(view))) => {
                assert_eq!(view.text, text);
                Some((node, view.id, text))
            }
            Some(other) => panic!("unexpected {other:?}"),
            None => None,
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn crashes_lose_nothing_acknowledged_and_repeat_nothing(seed: u64) {
        let mut w = World::new(seed, Options::CALM);
        let alice = w.found("Acme", "alice");
        w.room(alice, "all", &["role:Agent"]);
        let bob = w.join(alice, "bob", &[]);
        let carol = w.join(alice, "carol", &[]);
        w.connect_all();
        w.agree();
        w.options = Options { disk_ms_max: 25, ..Options::ROUGH };
        let acknowledged = work(&mut w, &[alice, bob, carol], 60);
        prop_assert!(acknowledged.len() > 5);
        w.options = Options::CALM;
        w.connect_all();
        w.agree();
        for id in [alice, bob, carol] {
            let shown = w.messages(id, "all");
            for (_, message, text) in &acknowledged {
                let times = shown.iter().filter(|m| m.id == *message).count();
                prop_assert_eq!(times, 1, "{} at {}", text, w.node(id).name);
            }
            // Texts are unique, so a second copy of one would be a repetition.
            let mut texts: Vec<&String> = shown.iter().map(|m| &m.text).collect();
            texts.sort();
            prop_assert!(texts.windows(2).all(|pair| pair[0] != pair[1]));
        }
    }

    #[test]
    fn an_admin_that_crashes_while_it_changes_things_agrees_with_itself_and_all(seed: u64) {
        let mut w = World::new(seed, Options { disk_ms_max: 25, ..Options::CALM });
        let alice = w.found("Acme", "alice");
        let bob = w.join(alice, "bob", &[]);
        w.agree();
        let mut answered = Vec::new();
        for n in 0..25 {
            let name = format!("D{n}");
            let command = Command::NewUnit {
                kind: conclave_protocol::object::UnitKind::Department,
                name,
                department: None,
            };
            let given = w.give(alice, command);
            let pause = w.random(40);
            w.run(pause);
            if w.random(4) == 0 {
                w.crash(alice);
                w.start(alice);
                w.connect_all();
            }
            answered.push(given);
        }
        w.agree();
        let held = w.engine(bob).units(conclave_protocol::object::UnitKind::Department);
        let held: Vec<_> = held.expect("a member").into_iter().map(|u| u.id).collect();
        for given in answered {
            if let Some(Ok(Outcome::Unit(view))) = w.node(alice).answers.get(&given) {
                prop_assert!(held.contains(&view.id), "{} was acknowledged and is gone", view.label);
            }
        }
        prop_assert!(w.engine(alice).status().alarms.is_empty(), "no place was used twice");
    }
}

#[test]
fn damaged_rows_are_left_out_and_come_back_from_peers() {
    let mut w = World::new(5, Options::CALM);
    let alice = w.found("Acme", "alice");
    w.room(alice, "all", &["role:Agent"]);
    let bob = w.join(alice, "bob", &[]);
    w.agree();
    for n in 0..30 {
        w.post(alice, "all", &format!("m{n}"));
    }
    w.agree();
    w.crash(bob);
    let rows = w.disk(bob).durable();
    let messages: Vec<_> = rows.iter().filter(|((t, _), _)| *t == Table::Messages).collect();
    let ((table, key), value) = messages[10];
    let mut bent = value.clone();
    let last = bent.len() - 70;
    bent[last] ^= 1;
    w.disk(bob).put(*table, key, &bent);
    w.start(bob);
    assert!(w.refusals(bob, "damaged") > 0);
    w.connect(alice, bob);
    w.agree();
    assert_eq!(w.texts(bob, "all").len(), 30);
}
