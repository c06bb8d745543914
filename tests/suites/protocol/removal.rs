//! Removal and re-adding, seen from the rooms.

use conclave_protocol::engine::{Command, FailureKind};
use conclave_tests::world::{NodeId, Options, World};

fn company(seed: u64) -> (World, NodeId, NodeId) {
    let mut w = World::new(seed, Options::CALM);
    let alice = w.found("Acme", "alice");
    w.department(alice, "Support");
    w.group(alice, "Support", "Front Line");
    w.room(alice, "help", &["department:Support"]);
    let bob = w.join(alice, "bob", &[]);
    w.agree();
    (w, alice, bob)
}

fn may(w: &World, id: NodeId, room: &str) -> bool {
    w.engine(id).readable_room(room).is_ok()
}

fn via(w: &World, id: NodeId, agent: &str, room: &str) -> Vec<String> {
    let (_, lines) = w.engine(id).room_access(room).expect("an admin sees it");
    lines.into_iter().find(|l| l.agent.name == agent).map(|l| l.via).unwrap_or_default()
}

#[test]
fn a_department_is_left_with_its_groups_and_each_comes_back_by_itself() {
    let (mut w, alice, bob) = company(1);
    let (department, group) = ("department:Support", "group:Support/Front Line");
    w.add_member(alice, "bob", department);
    w.add_member(alice, "bob", group);
    w.agree();
    assert!(may(&w, bob, "help"));
    w.remove_member(alice, "bob", department);
    w.agree();
    assert!(!may(&w, bob, "help"), "the Group must not hold it open");
    assert!(w.engine(alice).agent("bob").expect("known").units.is_empty());
    // Back into the Group only: that is membership in the Department.
    w.add_member(alice, "bob", group);
    w.agree();
    assert!(may(&w, bob, "help"));
    assert_eq!(w.engine(alice).agent("bob").expect("known").units, [group]);
    // Out by the Department again although only the Group is held.
    w.remove_member(alice, "bob", department);
    w.agree();
    assert!(!may(&w, bob, "help"));
    // Many times: every re-adding overrides all that came before.
    for _ in 0..5 {
        w.add_member(alice, "bob", department);
        w.add_member(alice, "bob", group);
        w.agree();
        assert!(may(&w, bob, "help"));
        w.remove_member(alice, "bob", group);
        assert!(may(&w, bob, "help"));
        w.remove_member(alice, "bob", department);
        w.agree();
        assert!(!may(&w, bob, "help"));
    }
    w.add_member(alice, "bob", department);
    w.agree();
    assert_eq!(via(&w, bob, "bob", "help"), [department]);
}

#[test]
fn the_last_permission_removed_means_nobody() {
    let (mut w, alice, bob) = company(2);
    w.permit(alice, "help", "role:Agent");
    w.agree();
    w.post(bob, "help", "hello");
    w.agree();
    w.unpermit(alice, "help", "department:Support");
    w.unpermit(alice, "help", "role:Agent");
    w.agree();
    let (_, lines) = w.engine(alice).room_access("help").expect("an admin sees it");
    assert!(lines.is_empty(), "nobody, never everybody: {lines:?}");
    for id in [alice, bob] {
        assert!(!may(&w, id, "help"));
        let failed = w.command(id, Command::Send { room: "help".into(), text: "x".into() });
        assert_eq!(failed.unwrap_err().kind, FailureKind::NoAccess);
    }
    w.permit(alice, "help", "role:Agent");
    w.agree();
    assert_eq!(w.texts(bob, "help"), ["hello"]);
    assert_eq!(w.texts(alice, "help"), ["hello"]);
    w.post(bob, "help", "again");
    w.agree();
    assert_eq!(w.texts(alice, "help"), ["hello", "again"]);
}

#[test]
fn access_names_every_permission_that_gives_it() {
    let (mut w, alice, bob) = company(3);
    w.add_member(alice, "bob", "group:Support/Front Line");
    w.permit(alice, "help", "agent:bob");
    w.permit(alice, "help", "group:Support/Front Line");
    w.agree();
    let mut names = via(&w, alice, "bob", "help");
    names.sort();
    assert_eq!(names, ["agent:bob", "department:Support", "group:Support/Front Line"]);
    w.remove_member(alice, "bob", "group:Support/Front Line");
    w.agree();
    assert_eq!(via(&w, alice, "bob", "help"), ["agent:bob"]);
    assert!(may(&w, bob, "help"));
    w.unpermit(alice, "help", "agent:bob");
    w.agree();
    assert!(!may(&w, bob, "help"));
}

#[test]
fn a_removed_member_hears_and_says_nothing_more() {
    let (mut w, alice, bob) = company(4);
    w.add_member(alice, "bob", "department:Support");
    w.add_member(alice, "alice", "department:Support");
    w.agree();
    w.post(alice, "help", "before");
    w.agree();
    w.remove_member(alice, "bob", "department:Support");
    w.agree();
    let secret = w.post(alice, "help", "after");
    w.run(60_000);
    assert!(!w.disk(bob).holds(secret), "bob got what was written after it left");
    // It returns, and reads what it missed.
    w.add_member(alice, "bob", "department:Support");
    w.agree();
    assert_eq!(w.texts(bob, "help"), ["before", "after"]);
    w.post(bob, "help", "back");
    w.agree();
    assert_eq!(w.texts(alice, "help"), ["before", "after", "back"]);
}

#[test]
fn what_was_written_while_out_comes_with_the_return_on_all_nodes() {
    let (mut w, alice, bob) = company(5);
    w.add_member(alice, "bob", "department:Support");
    w.add_member(alice, "alice", "department:Support");
    let carol = w.join(alice, "carol", &["department:Support"]);
    w.connect_all();
    w.agree();
    w.post(bob, "help", "before");
    w.agree();
    // Bob is away and writes on while it is removed.
    w.isolate(bob);
    w.remove_member(alice, "bob", "department:Support");
    w.run(2_000);
    w.post(bob, "help", "while out");
    w.run(1_000);
    w.connect(alice, bob);
    w.agree();
    assert_eq!(w.texts(alice, "help"), ["before"]);
    assert_eq!(w.texts(carol, "help"), ["before"]);
    w.add_member(alice, "bob", "department:Support");
    w.connect_all();
    w.agree();
    for id in [alice, bob, carol] {
        assert_eq!(w.texts(id, "help"), ["before", "while out"]);
    }
}

#[test]
fn concurrent_removal_beats_a_grant_that_does_not_know_it() {
    // Two signed by the same admin in two orders cannot be concurrent; two nodes are.
    let (mut w, alice, bob) = company(6);
    w.add_member(alice, "bob", "group:Support/Front Line");
    w.agree();
    let before = w.engine(alice).control_log().len();
    let again = Command::AddMember { agent: "bob".into(), unit: "group:Support/Front Line".into() };
    assert_eq!(w.command(alice, again).unwrap_err().kind, FailureKind::Conflict);
    let gone = Command::RemoveMember { agent: "bob".into(), unit: "department:Support".into() };
    w.must(alice, gone.clone());
    assert_eq!(w.command(alice, gone).unwrap_err().kind, FailureKind::NotFound);
    assert_eq!(w.engine(alice).control_log().len(), before + 1, "failures change nothing");
    w.agree();
    assert!(!may(&w, bob, "help"));
}
