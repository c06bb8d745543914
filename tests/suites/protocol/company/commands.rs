//! Every command of admins once, with its preview; resignations, renames, rooms out of use.

use super::*;
use crate::scene::team;
use conclave_protocol::object::HistoryPolicy;

fn grant(agent: &str, rank: u32, may: Capabilities, scope: Option<&str>) -> Command {
    let (agent, device, scope) = (agent.to_owned(), None, scope.map(str::to_owned));
    Command::GrantAdmin { agent, device, rank, may, scope, root: None }
}

#[test]
fn every_command_does_what_its_preview_says() {
    let (mut w, alice, others) = team(1, &["bob", "carol", "dora", "xavier"]);
    let [bob, carol, dora, xavier] = others[..] else { panic!("four") };
    w.group(alice, "Support", "Night");
    w.add_member(alice, "dora", "group:Support/Night");
    w.room(alice, "night", &["group:Support/Night", "agent:alice"]);
    w.agree();
    w.post(dora, "night", "quiet");
    w.agree();
    for id in [bob, carol, xavier] {
        w.post(id, "help", &w.node(id).name.clone());
        w.agree();
    }
    let go = |w: &mut World, command| foreseen(w, alice, command);
    // Grants and renames take nothing away.
    for command in [
        grant("bob", 2, Capabilities::ALL, None),
        grant("dora", 3, STAFF, Some("department:Support")),
        Command::RenameUnit { unit: "group:Support/Night".into(), name: "Late".into() },
        Command::RenameRoom { room: "night".into(), name: "late".into() },
        Command::SetRoomActive { room: "late".into(), active: false },
        Command::SetRoomActive { room: "late".into(), active: true },
    ] {
        let preview = go(&mut w, command.clone());
        assert_eq!(preview, Preview::default(), "{command:?}");
    }
    assert_eq!(w.texts(dora, "late"), ["quiet"]);
    // The Group goes: dora is out of its room, and still in Support.
    let preview = go(&mut w, Command::DeleteUnit { unit: "group:Support/Late".into() });
    assert_eq!(preview.rooms.len(), 1);
    assert_eq!(preview.rooms[0].lose[0].name, "dora");
    assert!(may_read(&w, dora, "help") && !may_read(&w, dora, "late"));
    let units = |w: &World| w.engine(alice).agent("dora").unwrap().units;
    assert!(!units(&w).contains(&"group:Support/Late".to_owned()), "{:?}", units(&w));
    assert_eq!(w.texts(alice, "late"), ["quiet"]);
    let preview = go(&mut w, ratify("group:Support/Late"));
    assert_eq!(preview.rooms[0].gain[0].name, "dora");
    w.agree();
    assert_eq!(w.texts(dora, "late"), ["quiet"]);
    // The Department goes with its Groups: of "help" nobody is left.
    let preview = go(&mut w, Command::DeleteUnit { unit: "department:Support".into() });
    assert_eq!(preview.rooms.len(), 2);
    assert_eq!(preview.rooms.iter().filter(|r| r.nobody_left).count(), 1);
    assert!(preview.warnings.is_empty(), "{:?}", preview.warnings);
    go(&mut w, ratify("department:Support"));
    all_show(&w, &[alice, bob, carol, dora, xavier], "help", &["bob", "carol", "xavier"]);
    assert_eq!(w.texts(dora, "late"), ["quiet"]);
    // Permissions and memberships.
    let unpermit = |unit: &str| Command::Unpermit { room: "late".into(), unit: unit.into() };
    assert_eq!(go(&mut w, unpermit("group:Support/Late")).rooms[0].lose.len(), 1);
    assert_eq!(go(&mut w, remove("carol", "department:Support")).rooms[0].lose.len(), 1);
    w.add_member(alice, "carol", "department:Support");
    w.agree();
    // People.
    w.crash(xavier);
    let preview = go(&mut w, dismiss("xavier"));
    assert_eq!((preview.dismissed.len(), preview.rooms.len()), (1, 1));
    assert_eq!(go(&mut w, ratify("agent:xavier")).returned.len(), 1);
    w.start(xavier);
    w.connect_all();
    w.agree();
    // An admin: with all that it signed, or only with the future.
    w.group(bob, "Support", "Bob's");
    w.agree();
    let preview = go(&mut w, revoke_admin("bob", None));
    assert_eq!((preview.admins_ended.len(), preview.voided.len()), (1, 0));
    assert_eq!(preview.admins_ended[0].agent.name, "bob");
    go(&mut w, grant("bob", 2, Capabilities::ALL, None));
    let first = Pen::of(&w, alice).log.ids().find(|id| {
        w.engine(alice).audit(0, 999).is_ok_and(|(lines, _)| {
            lines.iter().any(|l| l.id == *id && l.author == w.node(bob).device())
        })
    });
    w.group(bob, "Support", "Bob's second");
    w.agree();
    let preview = go(&mut w, revoke_admin("bob", first));
    assert_eq!((preview.admins_ended.len(), preview.voided.len()), (1, 1));
    let labels: Vec<_> =
        w.engine(carol).units(UnitKind::Group).expect("ok").into_iter().map(|u| u.label).collect();
    assert_eq!(labels, ["group:Support/Bob's", "group:Support/Late"]);
    // And the rest.
    go(&mut w, Command::DeleteRoom { room: "late".into() });
    assert!(w.engine(dora).rooms(false).expect("a member").iter().all(|r| r.room.name == "help"));
    // What only adds says who gets in.
    for command in [
        Command::AddMember { agent: "bob".into(), unit: "department:Sales".into() },
        Command::Permit { room: "help".into(), unit: "role:Agent".into() },
    ] {
        let (_, preview) = w.engine(alice).preview(&command).expect("a preview");
        assert!(preview.rooms.iter().all(|room| room.lose.is_empty()), "{command:?}");
        w.must(alice, command);
        w.agree();
    }
    // What changes nobody's access has no preview.
    for command in [
        Command::NewUnit { kind: UnitKind::Role, name: "R".into(), department: None },
        Command::NewRoom {
            name: "new".into(),
            permits: vec!["role:Agent".into()],
            history: HistoryPolicy::Full,
        },
        Command::Send { room: "help".into(), text: "x".into() },
        Command::MarkRead { room: "help".into(), up_to: None },
    ] {
        let failed = w.engine(alice).preview(&command).unwrap_err();
        assert_eq!(failed.kind, FailureKind::Usage, "{command:?}");
        w.must(alice, command);
    }
    w.agree();
}

#[test]
fn resignation_leaves_what_was_signed_and_ends_what_comes_after() {
    for seed in 11..13 {
        let (mut w, alice, others) = team(seed, &["bob", "carol"]);
        let [bob, carol] = others[..] else { panic!("two") };
        make_admin(&mut w, alice, "bob", 2, Capabilities::ALL);
        // Two grants: both end at once.
        foreseen(&mut w, alice, grant("bob", 3, STAFF, Some("Sales")));
        make_admin(&mut w, bob, "carol", 3, STAFF);
        w.group(bob, "Support", "Bob's");
        let dave = w.join(bob, "dave", &["department:Support"]);
        w.connect_all();
        w.agree();
        let preview = foreseen(&mut w, bob, revoke_admin("bob", None));
        assert_eq!(preview.admins_ended.len(), 2);
        assert!(preview.voided.is_empty(), "{preview:?}");
        let failed = w.command(bob, remove("dave", "department:Support")).unwrap_err();
        assert_eq!(failed.kind, FailureKind::NotAdmin);
        let failed = w.command(bob, revoke_admin("bob", None)).unwrap_err();
        assert_eq!(failed.kind, FailureKind::NotFound);
        // Whom bob appointed and let in stays.
        w.group(carol, "Support", "Carol's");
        w.post(dave, "help", "I am still here");
        w.agree();
        for id in [alice, bob, carol, dave] {
            assert_eq!(w.engine(id).units(UnitKind::Group).expect("a member").len(), 2);
            let admins = w.engine(id).admins().expect("a member");
            let names: Vec<&str> =
                admins.iter().filter(|a| a.in_force).map(|a| a.agent.name.as_str()).collect();
            assert_eq!(names, ["alice", "carol"]);
            assert_eq!(alarms(&w, id), [""; 0]);
        }
        // Bob is let back in as what alice likes.
        foreseen(&mut w, alice, grant("bob", 2, STAFF, None));
        foreseen(&mut w, bob, remove("dave", "department:Support"));
    }
}

#[test]
fn names_given_in_two_partitions_differ_by_a_suffix_until_one_is_renamed() {
    let (mut w, alice, others) = team(21, &["bob", "carol"]);
    let [bob, carol] = others[..] else { panic!("two") };
    make_admin(&mut w, alice, "bob", 2, Capabilities::ALL);
    w.isolate(bob);
    w.room(bob, "plans", &["role:Agent"]);
    w.post(bob, "plans", "bob's");
    w.room(alice, "plans", &["role:Agent"]);
    w.post(alice, "plans", "alice's");
    w.department(bob, "Legal");
    w.department(alice, "Legal");
    w.connect_all();
    w.agree();
    for id in [alice, bob, carol] {
        let rooms = w.engine(id).rooms(false).expect("a member");
        let mut names: Vec<String> = rooms.into_iter().map(|r| r.room.name).collect();
        names.retain(|name| name.starts_with("plans"));
        assert_eq!(names.len(), 2);
        assert_eq!(names[0], "plans", "the more senior one's, whenever it came");
        assert!(names[1].starts_with("plans:") && names[1].len() == 14, "{names:?}");
        assert_eq!(w.texts(id, "plans"), ["alice's"]);
        assert_eq!(w.texts(id, &names[1]), ["bob's"]);
        let labels = w.engine(id).units(UnitKind::Department).expect("a member");
        assert_eq!(labels.iter().filter(|u| u.label.starts_with("department:Legal:")).count(), 1);
    }
    let second = w.engine(bob).rooms(false).expect("a member");
    let second = second.iter().find(|r| r.room.name.starts_with("plans:")).expect("there");
    let (room, name) = (second.room.name.clone(), "bob's plans".to_owned());
    foreseen(&mut w, bob, Command::RenameRoom { room, name });
    for id in [alice, bob, carol] {
        assert_eq!(w.texts(id, "bob's plans"), ["bob's"]);
    }
    // The same room is renamed in two partitions: the senior's name holds; later ones may change it.
    w.isolate(bob);
    let rename =
        |room: &str, name: &str| Command::RenameRoom { room: room.into(), name: name.into() };
    w.must(bob, rename("plans", "ideas"));
    w.must(alice, rename("plans", "strategy"));
    w.connect_all();
    w.agree();
    for id in [alice, bob, carol] {
        assert_eq!(w.texts(id, "strategy"), ["alice's"]);
    }
    foreseen(&mut w, bob, rename("strategy", "ideas"));
    for id in [alice, bob, carol] {
        assert_eq!(w.texts(id, "ideas"), ["alice's"]);
        assert!(w.engine(id).readable_room("strategy").is_err());
    }
}

#[test]
fn a_room_out_of_use_still_takes_what_is_written() {
    let (mut w, alice, others) = team(31, &["bob", "carol"]);
    let [bob, carol] = others[..] else { panic!("two") };
    w.isolate(bob);
    w.post(bob, "help", "written before bob knew");
    foreseen_alone(&mut w, alice);
    w.connect_all();
    w.agree();
    for id in [alice, bob, carol] {
        assert!(!w.engine(id).room("help").expect("open").active);
        assert_eq!(w.texts(id, "help"), ["written before bob knew"]);
    }
    let again = Command::SetRoomActive { room: "help".into(), active: false };
    assert_eq!(w.command(alice, again).unwrap_err().kind, FailureKind::Conflict);
    foreseen(&mut w, alice, Command::SetRoomActive { room: "help".into(), active: true });
    for id in [alice, bob, carol] {
        assert!(w.engine(id).room("help").expect("open").active);
    }
}

fn foreseen_alone(w: &mut World, alice: NodeId) {
    w.must(alice, Command::SetRoomActive { room: "help".into(), active: false });
}

#[test]
fn who_steps_down_with_the_root_key_may_say_what_was_good() {
    let (mut w, alice, others) = team(41, &["bob", "carol"]);
    let [bob, carol] = others[..] else { panic!("two") };
    let device = w.node(alice).device();
    let (_, last_good) = Pen::of(&w, alice).log.tail(device).expect("it signed");
    w.post(carol, "help", "hm");
    w.agree();
    // Somebody sat at alice's laptop.
    w.group(alice, "Support", "Strange");
    w.remove_member(alice, "carol", "department:Support");
    w.agree();
    let (agent, last_good) = ("alice".to_owned(), Some(last_good.to_string()));
    let root = root(&w);
    let cut = Command::RevokeAdmin { agent, device: None, last_good, root };
    let preview = foreseen(&mut w, alice, cut);
    assert_eq!((preview.voided.len(), preview.admins_ended.len()), (2, 1));
    for id in [alice, bob, carol] {
        assert!(w.engine(id).units(UnitKind::Group).expect("a member").is_empty());
    }
    all_show(&w, &[alice, bob, carol], "help", &["hm"]);
}
