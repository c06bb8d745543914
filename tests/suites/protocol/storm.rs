//! Everything at once: members come and go, nodes crash, gossip is lost, all by seed. After
//! healing all agree. `CONCLAVE_SEEDS=1000` looks further than the default.

use conclave_protocol::engine::{Command, Outcome};
use conclave_protocol::id::MessageId;
use conclave_tests::world::{NodeId, Options, World};

fn seeds(default: u64) -> std::ops::Range<u64> {
    let wished = std::env::var("CONCLAVE_SEEDS").ok().and_then(|n| n.parse().ok());
    0..wished.unwrap_or(default)
}

fn change_memberships(w: &mut World, alice: NodeId) {
    let units = ["department:Support", "group:Support/Front", "role:Lead"];
    let unit = units[usize::try_from(w.random(3)).unwrap_or(0)].to_owned();
    let agent = ["bob", "carol", "dave"][usize::try_from(w.random(3)).unwrap_or(0)].to_owned();
    let room = "help".to_owned();
    let command = match w.random(6) {
        0 => Command::Permit { room, unit },
        1 => Command::Unpermit { room, unit },
        2 | 3 => Command::RemoveMember { agent, unit },
        _ => Command::AddMember { agent, unit },
    };
    // Many fail: the pair is in that state already.
    w.give(alice, command);
}

fn storm(seed: u64, steps: usize) {
    let mut w = World::new(seed, Options::CALM);
    let alice = w.found("Acme", "alice");
    w.department(alice, "Support");
    w.group(alice, "Support", "Front");
    let lead = Command::NewUnit {
        kind: conclave_protocol::object::UnitKind::Role,
        name: "Lead".into(),
        department: None,
    };
    w.must(alice, lead);
    w.room(alice, "help", &["department:Support", "role:Lead", "agent:alice"]);
    w.room(alice, "all", &["role:Agent"]);
    let mut ids = vec![alice];
    for name in ["bob", "carol", "dave"] {
        ids.push(w.join(alice, name, &["department:Support"]));
    }
    w.connect_all();
    w.agree();
    w.options = Options { disk_ms_max: 20, ..Options::ROUGH };
    let mut posts = Vec::new();
    for n in 0..steps {
        let node = ids[usize::try_from(w.random(4)).unwrap_or(0)];
        match w.random(14) {
            0 => {
                w.crash(node);
                let pause = w.random(300);
                w.run(pause);
                w.start(node);
            }
            1 => w.isolate(node),
            2 => w.connect_all(),
            3..=5 => change_memberships(&mut w, alice),
            _ => {
                let room = if w.random(3) == 0 { "all" } else { "help" };
                let command = Command::Send { room: room.into(), text: format!("{n}") };
                posts.push((node, room, w.give(node, command)));
            }
        }
        let pause = w.random(80);
        w.run(pause);
    }
    w.run(1_000);
    w.options = Options::CALM;
    w.connect_all();
    w.agree();
    // In a room that nobody was removed from, nothing acknowledged is lost.
    let accepted: Vec<MessageId> = posts
        .iter()
        .filter(|(_, room, _)| *room == "all")
        .filter_map(|(node, _, id)| match w.node(*node).answers.get(id) {
            Some(Ok(Outcome::Message(view))) => Some(view.id),
            _ => None,
        })
        .collect();
    let shown: Vec<MessageId> = w.messages(alice, "all").iter().map(|m| m.id).collect();
    assert!(accepted.iter().all(|id| shown.contains(id)));
    assert_eq!(
        shown.len(),
        shown.iter().collect::<std::collections::BTreeSet<_>>().len(),
        "a message is shown twice"
    );
    // Whoever comes now, or starts again, sees the same.
    let erin = w.join(alice, "erin", &["department:Support"]);
    w.connect_all();
    w.agree();
    for id in ids.iter().copied().chain([erin]) {
        w.crash(id);
        w.start(id);
    }
    w.connect_all();
    w.agree();
    assert!(w.engine(alice).status().alarms.is_empty());
}

#[test]
fn after_any_storm_all_agree() {
    for seed in seeds(15) {
        storm(seed, 80);
    }
}
