//! Commands that cannot be carried out say why, and change nothing.

use super::*;
use crate::scene::team;
use conclave_protocol::object::HistoryPolicy;

fn grant(agent: &str, rank: u32, may: Capabilities, scope: Option<&str>) -> Command {
    let (agent, device, scope) = (agent.to_owned(), None, scope.map(str::to_owned));
    Command::GrantAdmin { agent, device, rank, may, scope, root: None }
}

/// Gives commands that fail, looked at and in earnest, and checks that nothing changed.
fn all_fail(w: &mut World, by: NodeId, commands: Vec<(Command, FailureKind)>) {
    w.settle();
    let before = (w.disk(by).durable(), w.engine(by).status().control_digest);
    for (command, kind) in commands {
        if let Err(failed) = w.engine(by).preview(&command) {
            let no_preview = failed.message.contains("takes nothing away");
            assert!(failed.kind == kind || no_preview, "{command:?}: {failed:?}");
        } else {
            panic!("{command:?} has a preview");
        }
        match w.command(by, command.clone()) {
            Ok(outcome) => panic!("{command:?}: {outcome:?}"),
            Err(failed) => {
                assert_eq!(failed.kind, kind, "{command:?}: {failed:?}");
                assert!(!failed.hint.is_empty() && !failed.message.is_empty());
                assert!(!failed.message.contains("defect"), "{failed:?}");
            }
        }
    }
    w.settle();
    let after = (w.disk(by).durable(), w.engine(by).status().control_digest);
    assert!(before == after, "a failure left something behind");
}

fn everything() -> Vec<Command> {
    let (room, unit) = ("help".to_owned(), "department:Support".to_owned());
    vec![
        Command::NewUnit { kind: UnitKind::Role, name: "R".into(), department: None },
        Command::AddMember { agent: "carol".into(), unit: "department:Sales".into() },
        remove("carol", "department:Support"),
        Command::NewRoom {
            name: "new".into(),
            permits: vec![unit.clone()],
            history: HistoryPolicy::Full,
        },
        Command::Permit { room: room.clone(), unit: "role:Agent".into() },
        Command::Unpermit { room: room.clone(), unit: unit.clone() },
        grant("carol", 5, STAFF, None),
        revoke_admin("alice", None),
        dismiss("carol"),
        strictly("carol", None, &[]),
        Command::RenameUnit { unit: unit.clone(), name: "Other".into() },
        Command::DeleteUnit { unit },
        Command::RenameRoom { room: room.clone(), name: "other".into() },
        Command::SetRoomActive { room: room.clone(), active: false },
        Command::DeleteRoom { room },
        ratify("agent:gone"),
    ]
}

#[test]
fn who_is_no_admin_can_do_nothing_of_it() {
    let (mut w, alice, others) = team(1, &["bob", "carol", "gone"]);
    let bob = others[0];
    w.crash(others[2]);
    foreseen(&mut w, alice, dismiss("gone"));
    let all = everything().into_iter().map(|c| (c, FailureKind::NotAdmin)).collect();
    all_fail(&mut w, bob, all);
    // With a key that is not the root's neither.
    let root = Some(Signer::new(w.outsider("guess")));
    let (agent, device, last_good) = ("alice".to_owned(), None, None);
    let command = Command::RevokeAdmin { agent, device, last_good, root };
    all_fail(&mut w, bob, vec![(command, FailureKind::NotAdmin)]);
}

#[test]
fn who_is_not_senior_enough_is_told_so() {
    let (mut w, alice, others) = team(11, &["bob", "carol", "dora"]);
    let (bob, carol) = (others[0], others[1]);
    make_admin(&mut w, alice, "bob", 2, Capabilities::ALL);
    make_admin(&mut w, alice, "carol", 2, STAFF);
    make_admin(&mut w, alice, "dora", 3, STAFF);
    let not = FailureKind::NotAdmin;
    all_fail(
        &mut w,
        bob,
        vec![
            (revoke_admin("alice", None), not),
            (dismiss("alice"), not),
            (grant("carol", 1, STAFF, None), not),
            (grant("dora", 2, STAFF, None), not),
            (grant("carol", 0, STAFF, None), FailureKind::Usage),
        ],
    );
    all_fail(
        &mut w,
        carol,
        vec![(revoke_admin("dora", None), not), (grant("dora", 4, STAFF, None), not)],
    );
    // Alice may do all that, but for what needs the root.
    all_fail(&mut w, alice, vec![(grant("bob", 1, STAFF, None), not)]);
    // His own second laptop, which is no admin, bob may revoke: he is no more senior than himself.
    let second = pen::second_device(&mut w, alice, bob, "bob's second");
    let device = w.node(second).device();
    w.crash(second);
    foreseen(&mut w, bob, strictly("bob", Some(device), &[]));
    assert_eq!(alarms(&w, carol), [""; 0]);
    // Against an equal it is an appeal: said to have no effect, and seen by everybody.
    for (n, command) in [revoke_admin("carol", None), dismiss("carol")].into_iter().enumerate() {
        let preview = foreseen(&mut w, bob, command);
        assert_eq!(preview.warnings.len(), 1, "{preview:?}");
        assert!(preview.warnings[0].contains("no effect"), "{preview:?}");
        assert!(preview.admins_ended.is_empty() && preview.dismissed.is_empty());
        for id in [alice, bob, carol] {
            assert_eq!(alarms(&w, id), vec!["duel_of_equals"; n + 1]);
        }
    }
}

#[test]
fn what_is_not_there_or_there_already_is_named() {
    let (mut w, alice, others) = team(21, &["bob", "carol", "gone"]);
    w.crash(others[2]);
    foreseen(&mut w, alice, dismiss("gone"));
    w.room(alice, "second", &["role:Agent"]);
    w.department(alice, "Legal");
    let nobody = w.outsider("nobody").device();
    let own = w.node(alice).device();
    let message = w.post(alice, "help", "hello");
    let (_, alices) = Pen::of(&w, alice).log.tail(own).expect("signed");
    let (found, conflict, usage) =
        (FailureKind::NotFound, FailureKind::Conflict, FailureKind::Usage);
    let unit = |text: &str| text.to_owned();
    all_fail(
        &mut w,
        alice,
        vec![
            (remove("nobody", "department:Support"), found),
            (remove("bob", "department:Sales"), found),
            (remove("bob", "department:None"), found),
            (remove("bob", "role:Agent"), usage),
            (remove("bob", "Support"), usage),
            (Command::Unpermit { room: unit("none"), unit: unit("role:Agent") }, found),
            (Command::Unpermit { room: unit("help"), unit: unit("role:Agent") }, found),
            (revoke_admin("bob", None), found),
            (revoke_admin("nobody", None), found),
            (revoke_admin("alice", Some(message)), usage),
            (grant("bob", 2, STAFF, Some("None")), found),
            (strictly("bob", Some(nobody), &[]), found),
            (strictly("bob", None, &[ObjectId([7; 32])]), found),
            (strictly("bob", None, &[alices]), found),
            (dismiss("gone"), conflict),
            (ratify("agent:bob"), conflict),
            (ratify("department:Support"), conflict),
            (ratify("room:help"), conflict),
            (ratify("room:none"), found),
            (ratify("nobody"), found),
            (ratify(ObjectId([7; 32])), found),
            (ratify(w_company(21)), found),
            (Command::RenameUnit { unit: unit("department:Sales"), name: unit("Legal") }, conflict),
            (Command::RenameUnit { unit: unit("department:Sales"), name: unit("a/b") }, usage),
            (Command::RenameRoom { room: unit("help"), name: unit("second") }, conflict),
            (Command::RenameRoom { room: unit("help"), name: unit("") }, usage),
            (Command::SetRoomActive { room: unit("help"), active: true }, conflict),
            (Command::DeleteRoom { room: unit("none") }, found),
            (Command::DeleteUnit { unit: unit("role:Agent") }, usage),
            (Command::AddMember { agent: unit("bob"), unit: unit("department:Support") }, conflict),
            (Command::Permit { room: unit("second"), unit: unit("role:Agent") }, conflict),
        ],
    );
    let (agent, device) = ("alice".to_owned(), Some("no id".to_owned()));
    let bad = Command::RevokeAdmin { agent, device, last_good: None, root: None };
    let (agent, last_good) = ("alice".to_owned(), Some("no id".to_owned()));
    let worse = Command::RevokeAdmin { agent, device: None, last_good, root: root(&w) };
    all_fail(&mut w, alice, vec![(bad, usage), (worse, usage)]);
    let (agent, last_good) = ("alice".to_owned(), Some(message.to_string()));
    let strange = Command::RevokeAdmin { agent, device: None, last_good, root: root(&w) };
    all_fail(&mut w, alice, vec![(strange, found)]);
    // The same grant twice.
    make_admin(&mut w, alice, "bob", 2, STAFF);
    all_fail(&mut w, alice, vec![(grant("bob", 2, STAFF, None), conflict)]);
}

/// The id of a world's company is no object that can be ratified.
fn w_company(seed: u64) -> ObjectId {
    let (w, ..) = team(seed, &["bob", "carol", "gone"]);
    w.ledger().company.into()
}

#[test]
fn an_admin_of_one_department_leaves_nothing_half_done() {
    let (mut w, alice, others) = team(31, &["dora", "bob"]);
    let [dora, bob] = others[..] else { panic!("two") };
    foreseen(&mut w, alice, grant("dora", 2, Capabilities::ALL, Some("Support")));
    let not = FailureKind::NotAdmin;
    let room = |permits: &[&str]| Command::NewRoom {
        name: "dora's".into(),
        permits: permits.iter().map(ToString::to_string).collect(),
        history: HistoryPolicy::Full,
    };
    all_fail(
        &mut w,
        dora,
        vec![
            (room(&["department:Support", "department:Sales"]), not),
            (room(&["role:Agent"]), not),
            (Command::AddMember { agent: "bob".into(), unit: "department:Sales".into() }, not),
            (Command::NewUnit { kind: UnitKind::Role, name: "R".into(), department: None }, not),
            (
                Command::NewUnit {
                    kind: UnitKind::Group,
                    name: "G".into(),
                    department: Some("Sales".into()),
                },
                not,
            ),
            (Command::DeleteRoom { room: "help".into() }, not),
            (Command::Permit { room: "help".into(), unit: "agent:bob".into() }, not),
            (dismiss("bob"), not),
            (Command::DeleteUnit { unit: "department:Sales".into() }, not),
            (grant("bob", 3, STAFF, None), not),
            (grant("bob", 3, STAFF, Some("Sales")), not),
        ],
    );
    // What is hers she may.
    w.must(dora, room(&["department:Support", "agent:bob"]));
    w.group(dora, "Support", "Night");
    w.agree();
    foreseen(&mut w, dora, grant("bob", 3, STAFF, Some("Support")));
    w.post(bob, "dora's", "mine too");
    w.agree();
    foreseen(&mut w, dora, remove("bob", "department:Support"));
    assert!(!may_read(&w, bob, "dora's"), "let in only while a member of the Department");
    assert_eq!(w.texts(dora, "dora's"), ["mine too"]);
    foreseen(&mut w, dora, Command::DeleteUnit { unit: "department:Support".into() });
}

#[test]
fn an_approval_into_a_unit_out_of_scope_lets_nobody_in_by_halves() {
    let (mut w, alice, others) = team(41, &["dora"]);
    let dora = others[0];
    let agents = Capabilities { units: false, agents: true, rooms: false, admins: false };
    foreseen(&mut w, alice, grant("dora", 2, agents, None));
    foreseen(&mut w, alice, grant("dora", 2, STAFF, Some("Support")));
    let dave = w.newcomer("dave");
    w.connect(dora, dave);
    let code = w.code_at(dora, "dave");
    w.run(3_000);
    let before = w.engine(dora).status().control_digest;
    let approve = |unit: &str| Command::Approve {
        name: "dave".into(),
        code: code.clone(),
        units: vec!["department:Support".into(), unit.into()],
    };
    let failed = w.command(dora, approve("department:Sales")).unwrap_err();
    assert_eq!(failed.kind, FailureKind::NotAdmin, "{failed:?}");
    w.run(3_000);
    assert_eq!(w.engine(dora).status().control_digest, before, "half of it was signed");
    assert!(!w.engine(dave).status().member);
    w.group(alice, "Support", "Night");
    w.run(3_000);
    w.must(dora, approve("group:Support/Night"));
    w.until("membership", 60_000, |w| w.engine(dave).status().member);
}
