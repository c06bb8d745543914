//! Moving agents between units: all at once, foreseen, and nothing lost on the way.

use conclave_protocol::engine::{Command, Failure, FailureKind, Outcome};
use conclave_protocol::object::Capabilities;
use conclave_protocol::view::{AgentRef, Preview, RoomRef};
use conclave_tests::world::{NodeId, World};

use crate::scene::team;

fn moving(agent: &str, from: &[&str], to: &[&str]) -> Command {
    let list = |units: &[&str]| units.iter().map(ToString::to_string).collect();
    Command::MoveMember { agent: agent.into(), from: list(from), to: list(to) }
}

/// Alice, admin, and bob and carol in Support; rooms of Support, its two Groups, and Sales.
fn scene(seed: u64) -> (World, NodeId, NodeId) {
    let (mut w, alice, others) = team(seed, &["bob", "carol"]);
    w.group(alice, "Support", "Day");
    w.group(alice, "Support", "Night");
    w.add_member(alice, "bob", "group:Support/Night");
    w.room(alice, "sales", &["department:Sales"]);
    w.room(alice, "night", &["group:Support/Night", "department:Sales"]);
    w.room(alice, "day", &["group:Support/Day", "agent:alice"]);
    w.connect_all();
    w.agree();
    (w, alice, others[0])
}

fn names<T>(list: &[T], name: impl Fn(&T) -> &str) -> Vec<String> {
    list.iter().map(|one| name(one).to_owned()).collect()
}

fn agents(list: &[AgentRef]) -> Vec<String> {
    names(list, |agent| &agent.name)
}

fn rooms(list: &[RoomRef]) -> Vec<String> {
    names(list, |room| &room.name)
}

/// What a preview says of each room: its name, who loses, who gains.
fn told(preview: &Preview) -> Vec<(String, Vec<String>, Vec<String>)> {
    let mut told: Vec<_> = preview
        .rooms
        .iter()
        .map(|room| (room.room.name.clone(), agents(&room.lose), agents(&room.gain)))
        .collect();
    told.sort();
    told
}

fn units(w: &World, agent: &str) -> Vec<String> {
    w.engine(agent_zero()).agent(agent).expect("known").units
}

/// Alice was first.
fn agent_zero() -> NodeId {
    NodeId(0)
}

/// Looks at a move, makes it, and compares.
fn moved(w: &mut World, by: NodeId, command: Command) -> Preview {
    let digest = w.engine(by).status().control_digest;
    let (_, mut planned) = w.engine(by).preview(&command).expect("a preview");
    assert_eq!(w.engine(by).status().control_digest, digest, "a preview signed something");
    let Outcome::Signed { mut preview, .. } = w.must(by, command) else {
        panic!("another outcome")
    };
    // Of a room that nobody is left in, members are asked for its end before it is done.
    planned.warnings.clear();
    preview.warnings.clear();
    assert_eq!(preview, planned);
    w.agree();
    preview
}

#[test]
fn a_move_says_what_is_lost_gained_and_kept_and_does_that() {
    let (mut w, alice, bob) = scene(1);
    w.post(bob, "help", "from support");
    w.agree();
    let change = moving("bob", &["department:Support"], &["department:Sales"]);
    let preview = moved(&mut w, alice, change);
    let none = Vec::<String>::new;
    let bobs = || vec!["bob".to_owned()];
    assert_eq!(
        told(&preview),
        [("help".to_owned(), bobs(), none()), ("sales".to_owned(), none(), bobs())]
    );
    assert_eq!(rooms(&preview.kept), ["night"]);
    assert_eq!(units(&w, "bob"), ["department:Sales"]);
    // What was written stays, and bob is out.
    assert_eq!(w.texts(alice, "help"), ["from support"]);
    assert!(w.engine(bob).readable_room("help").is_err());
    w.post(bob, "sales", "hello");
    w.agree();
}

#[test]
fn a_group_of_the_department_that_is_left_can_be_entered() {
    for seed in 2..5 {
        let (mut w, alice, bob) = scene(seed);
        w.post(bob, "night", "by night");
        w.agree();
        // Into another Group, by leaving the whole Department.
        let preview =
            moved(&mut w, alice, moving("bob", &["department:Support"], &["group:Support/Day"]));
        assert_eq!(units(&w, "bob"), ["group:Support/Day"]);
        assert_eq!(rooms(&preview.kept), ["help"]);
        assert_eq!(told(&preview).len(), 2, "{preview:?}");
        w.post(bob, "day", "by day");
        w.agree();
        // And back, as often as one likes; a Group that is held already is held on.
        moved(&mut w, alice, moving("bob", &["group:Support/Day"], &["department:Support"]));
        let both = ["group:Support/Night", "group:Support/Day"];
        moved(&mut w, alice, moving("bob", &["department:Support"], &both));
        assert_eq!(units(&w, "bob"), ["group:Support/Day", "group:Support/Night"]);
        moved(&mut w, alice, moving("bob", &["group:Support/Night"], &["department:Support"]));
        moved(&mut w, alice, moving("bob", &["department:Support"], &["group:Support/Day"]));
        assert_eq!(units(&w, "bob"), ["group:Support/Day"]);
        w.crash(alice);
        w.start(alice);
        w.connect_all();
        w.agree();
        assert_eq!(units(&w, "bob"), ["group:Support/Day"]);
    }
}

#[test]
fn a_move_that_is_not_allowed_in_full_changes_nothing() {
    let (mut w, alice, bob) = scene(6);
    let may = Capabilities { units: true, agents: false, rooms: true, admins: false };
    let (agent, device, root) = ("carol".to_owned(), None, None);
    let scope = Some("department:Support".to_owned());
    w.must(alice, Command::GrantAdmin { agent, device, rank: 3, may, scope, root });
    w.agree();
    let carol = NodeId(2);
    let before = w.engine(carol).status().control_digest;
    let refused = |w: &mut World, by, command: Command, kind| {
        let check = |failure: Failure| assert_eq!(failure.kind, kind, "{failure:?}");
        check(w.engine(by).preview(&command).expect_err("refused"));
        check(w.command(by, command).expect_err("refused"));
    };
    // Carol may take bob out of Support, and has no say in Sales.
    let change = moving("bob", &["department:Support"], &["department:Sales"]);
    refused(&mut w, carol, change.clone(), FailureKind::NotAdmin);
    refused(&mut w, bob, change, FailureKind::NotAdmin);
    let to_both =
        moving("bob", &["group:Support/Night"], &["group:Support/Day", "department:Sales"]);
    refused(&mut w, carol, to_both, FailureKind::NotAdmin);
    let nowhere = moving("bob", &["department:Support"], &[]);
    refused(&mut w, alice, nowhere, FailureKind::Usage);
    let from_nowhere = moving("bob", &[], &["department:Sales"]);
    refused(&mut w, alice, from_nowhere, FailureKind::Usage);
    let twice = moving("bob", &["department:Support"], &["department:Support"]);
    refused(&mut w, alice, twice, FailureKind::Usage);
    let unknown = moving("bob", &["department:Support"], &["department:Nowhere"]);
    refused(&mut w, alice, unknown, FailureKind::NotFound);
    let absent = moving("bob", &["department:Sales"], &["group:Support/Day"]);
    refused(&mut w, alice, absent, FailureKind::NotFound);
    w.settle();
    assert_eq!(w.engine(alice).status().control_digest, before);
    assert_eq!(units(&w, "bob"), ["department:Support", "group:Support/Night"]);
    // Within her Department she may.
    moved(&mut w, carol, moving("bob", &["group:Support/Night"], &["group:Support/Day"]));
    assert_eq!(units(&w, "bob"), ["department:Support", "group:Support/Day"]);
}

#[test]
fn what_only_adds_can_be_looked_at_too() {
    let (mut w, alice, _) = scene(7);
    let look = |w: &World, command| w.engine(alice).preview(&command);
    let add = Command::AddMember { agent: "bob".into(), unit: "department:Sales".into() };
    let (subject, preview) = look(&w, add.clone()).expect("a preview");
    assert_eq!(subject, "department:Sales");
    assert_eq!(told(&preview), [("sales".to_owned(), vec![], vec!["bob".to_owned()])]);
    assert_eq!(rooms(&preview.kept), ["help", "night"]);
    w.must(alice, add.clone());
    w.agree();
    assert_eq!(look(&w, add).expect_err("done").kind, FailureKind::Conflict);
    let permit = Command::Permit { room: "day".into(), unit: "department:Support".into() };
    let (_, preview) = look(&w, permit.clone()).expect("a preview");
    assert_eq!(
        told(&preview),
        [("day".to_owned(), vec![], vec!["bob".to_owned(), "carol".to_owned()])]
    );
    w.must(alice, permit.clone());
    assert_eq!(look(&w, permit).expect_err("done").kind, FailureKind::Conflict);
}

#[test]
fn a_topic_is_set_and_seen_by_all() {
    let (mut w, alice, bob) = scene(8);
    let topic =
        |room: &str, topic: &str| Command::SetTopic { room: room.into(), topic: topic.into() };
    w.must(alice, topic("help", " Calls of customers "));
    w.agree();
    assert_eq!(w.engine(bob).room("help").expect("open").topic, "Calls of customers");
    let line = w.engine(bob).rooms(false).expect("a member").remove(0);
    assert_eq!((line.room.name.as_str(), line.topic.as_str()), ("help", "Calls of customers"));
    for (wrong, kind) in [
        (topic("help", "Calls of customers"), FailureKind::Conflict),
        (topic("help", "a\u{1b}b"), FailureKind::Usage),
        (topic("help", &"a".repeat(257)), FailureKind::Usage),
        (topic("nowhere", "x"), FailureKind::NotFound),
    ] {
        assert_eq!(w.command(alice, wrong).expect_err("refused").kind, kind);
    }
    assert_eq!(
        w.command(bob, topic("help", "mine")).expect_err("refused").kind,
        FailureKind::NotAdmin
    );
    w.must(alice, topic("help", ""));
    w.agree();
    assert_eq!(w.engine(bob).room("help").expect("open").topic, "");
}
