//! Whom a room can be opened to, who would get in, where agents may go.

use conclave_protocol::engine::{Command, FailureKind, Outcome};
use conclave_protocol::object::Capabilities;
use conclave_tests::world::{NodeId, World};

use crate::scene::team;

fn scene(seed: u64) -> (World, NodeId, [NodeId; 3]) {
    let (mut w, alice, others) = team(seed, &["bob", "carol", "dora"]);
    w.group(alice, "Support", "Front Line");
    w.add_member(alice, "dora", "group:Support/Front Line");
    w.remove_member(alice, "dora", "department:Support");
    w.add_member(alice, "dora", "group:Support/Front Line");
    w.add_member(alice, "carol", "department:Sales");
    w.agree();
    (w, alice, others.try_into().expect("three"))
}

fn who(w: &World, id: NodeId, permits: &[&str]) -> Vec<(String, Vec<String>)> {
    let permits: Vec<String> = permits.iter().map(ToString::to_string).collect();
    let preview = w.engine(id).access_preview(&permits).expect("a member");
    assert!(preview.unknown.is_empty(), "{preview:?}");
    preview.agents.into_iter().map(|line| (line.agent.name, line.via)).collect()
}

#[test]
fn a_preview_of_access_is_the_access_that_follows() {
    let (mut w, alice, [bob, ..]) = scene(1);
    let sets: [&[&str]; 5] = [
        &["department:Support"],
        &["group:Support/Front Line", "department:Sales"],
        &["agent:bob", "department:Sales", "department:Support"],
        &["role:Agent"],
        &["agent:dora"],
    ];
    for (n, permits) in sets.into_iter().enumerate() {
        let name = format!("room {n}");
        let before = who(&w, alice, permits);
        assert_eq!(who(&w, bob, permits), before, "every member may look");
        w.room(alice, &name, permits);
        w.agree();
        let (_, lines) = w.engine(alice).room_access(&name).expect("an admin");
        let after: Vec<_> = lines.into_iter().map(|line| (line.agent.name, line.via)).collect();
        assert_eq!(before, after, "{permits:?}");
        assert!(!after.is_empty());
    }
    let typed = ["department:Nowhere".to_owned(), "agent:bob".to_owned(), "bob".to_owned()];
    let preview = w.engine(alice).access_preview(&typed).expect("a member");
    assert_eq!(preview.unknown, ["department:Nowhere", "bob"]);
    assert_eq!(preview.agents.len(), 1);
}

#[test]
fn a_department_admins_word_for_one_agent_is_limited() {
    let (mut w, alice, [bob, carol, _]) = scene(2);
    let may = Capabilities { units: true, agents: false, rooms: true, admins: false };
    let (agent, device, root) = ("bob".to_owned(), None, None);
    let scope = Some("department:Support".to_owned());
    w.must(alice, Command::GrantAdmin { agent, device, rank: 3, may, scope, root });
    w.remove_member(alice, "carol", "department:Support");
    w.agree();
    let permits = ["agent:carol", "department:Support"];
    let seen = who(&w, bob, &permits);
    let names: Vec<&str> = seen.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["alice", "bob", "dora"]);
    w.room(bob, "bobs", &permits);
    w.agree();
    let (_, lines) = w.engine(alice).room_access("bobs").expect("open");
    let after: Vec<_> = lines.into_iter().map(|line| (line.agent.name, line.via)).collect();
    assert_eq!(seen, after);
    assert!(w.engine(carol).readable_room("bobs").is_err());
    // Of an admin without scope it is not.
    assert_eq!(who(&w, alice, &permits).len(), 4);
}

#[test]
fn principals_are_found_by_any_part_of_their_name() {
    let (mut w, alice, [bob, _, dora]) = scene(3);
    let found = |w: &World, text: &str| -> Vec<(String, &'static str, u64)> {
        let found = w.engine(bob).principals(text).expect("a member");
        found.into_iter().map(|p| (p.principal, p.kind, p.members)).collect()
    };
    let all = found(&w, "");
    let labels: Vec<&str> = all.iter().map(|(label, _, _)| label.as_str()).collect();
    let expected = [
        "agent:alice",
        "agent:bob",
        "agent:carol",
        "agent:dora",
        "department:Sales",
        "department:Support",
        "group:Support/Front Line",
        "role:Agent",
    ];
    assert_eq!(labels, expected);
    let support = ("department:Support".to_owned(), "department", 4);
    let line = ("group:Support/Front Line".to_owned(), "group", 1);
    assert_eq!(found(&w, "supp"), [support, line.clone()]);
    assert_eq!(found(&w, " LINE "), [line]);
    assert_eq!(found(&w, "role:a"), [("role:Agent".to_owned(), "role", 4)]);
    assert!(found(&w, "nobody").is_empty());
    // Every one of them is understood where permissions are named.
    for (label, _, members) in all {
        assert_eq!(who(&w, alice, &[&label]).len() as u64, members, "{label}");
    }
    w.crash(dora);
    let (device, strict, keep, last_good, root) = (None, false, vec![], None, None);
    let agent = "dora".to_owned();
    w.must(alice, Command::RevokeAgent { agent, device, strict, keep, last_good, root });
    w.must(alice, Command::DeleteUnit { unit: "group:Support/Front Line".into() });
    w.agree();
    assert_eq!(found(&w, "dora"), []);
    assert_eq!(found(&w, "front"), []);
    assert_eq!(found(&w, "role:a")[0].2, 3);
}

#[test]
fn where_an_agent_may_go_is_for_admins_and_oneself() {
    let (mut w, alice, [bob, carol, _]) = scene(4);
    w.room(alice, "mixed", &["department:Support", "agent:carol", "department:Sales"]);
    w.agree();
    let rooms = |id: NodeId, agent: &str| {
        let (_, rooms) = w.engine(id).agent_rooms(agent).expect("allowed");
        rooms.into_iter().map(|room| (room.room.name, room.via)).collect::<Vec<_>>()
    };
    let help = ("help".to_owned(), vec!["department:Support".to_owned()]);
    let via = ["department:Sales", "department:Support", "agent:carol"];
    let seen = rooms(alice, "carol");
    assert_eq!(seen[0], help);
    assert_eq!((seen[1].0.as_str(), seen[1].1.len()), ("mixed", via.len()));
    assert!(via.iter().all(|one| seen[1].1.contains(&(*one).to_owned())));
    assert_eq!(rooms(carol, "carol"), seen);
    assert_eq!(w.engine(bob).agent_rooms("carol").unwrap_err().kind, FailureKind::NotAdmin);
    assert_eq!(w.engine(alice).agent_rooms("nobody").unwrap_err().kind, FailureKind::NotFound);
}

#[test]
fn a_node_says_what_it_may_do_as_an_admin() {
    let (mut w, alice, [bob, ..]) = scene(5);
    let admin = w.engine(alice).status().admin.expect("the founder");
    assert_eq!((admin.rank, admin.may.len(), admin.scope), (1, 4, None));
    assert_eq!(w.engine(bob).status().admin, None);
    let may = Capabilities { units: true, agents: false, rooms: true, admins: false };
    let (agent, device, root) = ("bob".to_owned(), None, None);
    let scope = Some("Support".to_owned());
    let outcome = w.must(alice, Command::GrantAdmin { agent, device, rank: 3, may, scope, root });
    assert!(matches!(outcome, Outcome::Signed { .. }));
    w.agree();
    let admin = w.engine(bob).status().admin.expect("an admin now");
    assert_eq!((admin.rank, admin.may), (3, vec!["units", "rooms"]));
    assert_eq!(admin.scope.as_deref(), Some("department:Support"));
}
