//! Cases 4, 5, 6 and 15: admins against each other, and the last one.

use super::*;
use crate::scene::team;
use pen::gossip;

/// A node signs that another's authority has ended, whatever its own rules say.
fn strike(w: &mut World, by: NodeId, whom: NodeId, name: &str) -> ObjectId {
    let mut pen = Pen::of(w, by);
    let device = w.node(whom).device();
    let grant = pen.grants(name)[0];
    let revoke = pen.revoke(grant, &[device]);
    let forged = pen.sign(&w.node(by).keys(), revoke);
    gossip(w, by, device, std::slice::from_ref(&forged));
    w.settle();
    forged.id
}

fn in_force(w: &World, id: NodeId) -> Vec<String> {
    let admins = w.engine(id).admins().expect("a member");
    admins.into_iter().filter(|a| a.in_force).map(|a| a.agent.name).collect()
}

#[test]
fn duel_of_equals_ends_with_both_and_an_alarm_everywhere() {
    for seed in 1..4 {
        let names = ["bob", "carol", "xavier", "yves"];
        let (mut w, alice, others) = team(seed, &names);
        let [bob, carol, xavier, yves] = others[..] else { panic!("four") };
        make_admin(&mut w, alice, "bob", 1, Capabilities::ALL);
        w.post(xavier, "help", "by bob's man");
        w.agree();
        w.post(yves, "help", "by alice's man");
        w.agree();
        // It is an appeal, and said to be nothing more.
        let (_, preview) = w.engine(alice).preview(&revoke_admin("bob", None)).expect("may ask");
        assert!(preview.warnings[0].contains("no effect"), "{:?}", preview.warnings);
        assert!(preview.admins_ended.is_empty());
        w.crash(xavier);
        w.crash(yves);
        w.isolate(alice);
        w.isolate(bob);
        strike(&mut w, alice, bob, "bob");
        w.must(alice, dismiss("xavier"));
        strike(&mut w, bob, alice, "alice");
        w.must(bob, dismiss("yves"));
        w.connect_all();
        w.agree();
        for id in [alice, bob, carol] {
            assert_eq!(in_force(&w, id), ["alice", "bob"]);
            let alarms = w.engine(id).status().alarms;
            assert_eq!(alarms.len(), 2, "{alarms:?}");
            for alarm in alarms {
                assert_eq!(alarm.kind, "duel_of_equals");
                assert!(alarm.message.contains("more senior admin"), "{}", alarm.message);
                assert!(alarm.message.contains("root key"), "{}", alarm.message);
                assert!(alarm.message.contains("conclave admin revoke"), "{}", alarm.message);
                let why = w.engine(id).why(&alarm.objects[0].to_string()).expect("a member");
                assert!(why.summary.contains("no effect"), "{}", why.summary);
            }
            for gone in ["xavier", "yves"] {
                assert!(!w.engine(id).agent(gone).expect("known").active);
            }
        }
        all_show(&w, &[alice, bob, carol], "help", &["by bob's man", "by alice's man"]);
        // The root decides, at any node.
        let root = root(&w);
        let (agent, device, last_good) = ("bob".to_owned(), None, None);
        foreseen(&mut w, carol, Command::RevokeAdmin { agent, device, last_good, root });
        for id in [alice, bob, carol] {
            assert_eq!(in_force(&w, id), ["alice"]);
            assert_eq!(alarms(&w, id), [""; 0], "it is decided");
        }
    }
}

#[test]
fn duel_of_ranks_only_the_junior_is_out() {
    for seed in 11..14 {
        let (mut w, alice, others) = team(seed, &["bob", "carol"]);
        let [bob, carol] = others[..] else { panic!("two") };
        make_admin(&mut w, alice, "bob", 2, Capabilities::ALL);
        w.isolate(bob);
        w.must(alice, revoke_admin("bob", None));
        let attempt = strike(&mut w, bob, alice, "alice");
        w.group(bob, "Support", "Bob's own");
        w.connect_all();
        w.agree();
        for id in [alice, bob, carol] {
            assert_eq!(in_force(&w, id), ["alice"]);
            assert!(w.engine(id).units(UnitKind::Group).expect("a member").is_empty());
            assert_eq!(alarms(&w, id), [""; 0], "what is void alarms nobody");
        }
        // Bob is not left in the dark about his own.
        let why = w.engine(bob).why(&attempt.to_string()).expect("a member");
        assert_eq!(why.state, "void");
        assert_eq!(why.cut_by.len(), 1);
        // Revenge: the same on old references, as if from long ago.
        let pen = Pen::of(&w, bob);
        let (keys, grant) = (w.node(bob).keys(), ended_grant(&pen, "bob"));
        let target = pen.grants("alice")[0];
        let forged = pen.sign_after(&keys, None, grant, pen.revoke(target, &[]));
        let from = w.node(bob).device();
        let verdicts = gossip(&mut w, carol, from, &[forged]);
        assert_eq!(verdicts, [conclave_protocol::engine::GossipVerdict::Ignore]);
        w.agree();
        for id in [alice, carol] {
            assert_eq!(in_force(&w, id), ["alice"]);
        }
    }
}

#[test]
fn a_junior_that_strikes_at_its_senior_alarms_everybody_and_does_nothing() {
    let (mut w, alice, others) = team(21, &["bob", "carol"]);
    let [bob, carol] = others[..] else { panic!("two") };
    make_admin(&mut w, alice, "bob", 2, Capabilities::ALL);
    for command in [revoke_admin("alice", None), dismiss("alice")] {
        let failed = w.command(bob, command).unwrap_err();
        assert_eq!(failed.kind, FailureKind::NotAdmin, "{failed}");
    }
    strike(&mut w, bob, alice, "alice");
    // By the side doors too: the agent, and the device.
    for door in 0..2 {
        let mut pen = Pen::of(&w, bob);
        let (agent, device) = (pen.agent("alice"), w.node(alice).device());
        let cert = pen.log.certs_of(device, agent).next().expect("certified");
        let revoke = if door == 0 { pen.revoke(agent, &[device]) } else { pen.revoke(cert, &[]) };
        let forged = pen.sign(&w.node(bob).keys(), revoke);
        gossip(&mut w, bob, device, &[forged]);
    }
    w.agree();
    for id in [alice, bob, carol] {
        assert_eq!(in_force(&w, id), ["alice", "bob"]);
        assert_eq!(alarms(&w, id), ["powerless_revoke"; 3]);
    }
    // Alice does what the alarm says, and has peace.
    foreseen(&mut w, alice, revoke_admin("bob", None));
    for id in [alice, bob, carol] {
        assert_eq!(in_force(&w, id), ["alice"]);
        assert_eq!(alarms(&w, id), [""; 0]);
    }
    w.post(alice, "help", "still here");
    w.agree();
    all_show(&w, &[bob, carol], "help", &["still here"]);
}

#[test]
fn last_admin_leaves_and_the_root_appoints_another() {
    let (mut w, alice, others) = team(31, &["bob", "carol"]);
    let [bob, carol] = others[..] else { panic!("two") };
    w.post(alice, "help", "farewell");
    w.agree();
    let preview = foreseen(&mut w, alice, revoke_admin("alice", None));
    assert_eq!(preview.admins_ended.len(), 1);
    assert!(preview.voided.is_empty(), "what was signed stays");
    for id in [alice, bob, carol] {
        assert!(in_force(&w, id).is_empty());
        let new = Command::NewUnit { kind: UnitKind::Role, name: "R".into(), department: None };
        assert_eq!(w.command(id, new).unwrap_err().kind, FailureKind::NotAdmin);
    }
    w.post(alice, "help", "a colleague like you");
    w.agree();
    make_admin(&mut w, carol, "bob", 1, Capabilities::ALL);
    w.department(bob, "Next");
    let dave = w.join(bob, "dave", &["department:Support"]);
    w.connect_all();
    w.agree();
    all_show(&w, &[alice, bob, carol, dave], "help", &["farewell", "a colleague like you"]);
    assert_eq!(in_force(&w, dave), ["bob"]);
}

fn ended_grant(pen: &Pen, name: &str) -> ObjectId {
    let agent = pen.agent(name);
    let mut all = pen.log.admin_grants().filter(|(_, grant)| grant.agent == agent);
    all.find(|(id, _)| !pen.log.in_force(*id)).expect("it has ended").0
}

#[test]
fn what_two_admins_change_apart_is_shown_until_one_of_them_decides() {
    let (mut w, alice, others) = team(5, &["bob", "carol"]);
    let (bob, carol) = (others[0], others[1]);
    make_admin(&mut w, alice, "bob", 2, Capabilities::ALL);
    w.agree();
    w.post(carol, "help", "hello");
    w.agree();
    let room = w.room_status(alice, "help").expect("a member").room.id.to_string();
    let rename = |w: &mut World, id, name: &str| {
        w.must(id, Command::RenameRoom { room: room.clone(), name: name.into() });
    };
    w.isolate(alice);
    rename(&mut w, alice, "Desk of Alice");
    rename(&mut w, bob, "Desk of Bob");
    w.connect_all();
    w.agree();
    let conflicts = |w: &World, id| {
        let alarms = w.engine(id).status().alarms.into_iter();
        let conflicts = alarms.filter(|alarm| alarm.kind == "conflicting_changes");
        conflicts.map(|alarm| alarm.message).collect::<Vec<_>>()
    };
    for id in [alice, bob] {
        let [message] = &conflicts(&w, id)[..] else { panic!("one conflict") };
        let (first, second) = (message.find("Desk of Alice"), message.find("Desk of Bob"));
        assert!(first.is_some() && first < second, "{message}");
    }
    assert!(conflicts(&w, carol).is_empty(), "no names of rooms for those who are no admins");
    assert_eq!(w.room_status(carol, "Desk of Alice").map(|room| room.messages), Some(1));
    rename(&mut w, bob, "Desk of both");
    w.agree();
    for id in [alice, bob, carol] {
        assert!(conflicts(&w, id).is_empty());
        assert!(w.room_status(id, "Desk of both").is_some());
    }
    w.isolate(alice);
    rename(&mut w, alice, "Desk one");
    rename(&mut w, bob, "Desk two");
    w.connect_all();
    w.agree();
    assert_eq!(conflicts(&w, bob).len(), 1);
    w.must(alice, Command::DeleteRoom { room: room.clone() });
    w.agree();
    for id in [alice, bob] {
        assert!(conflicts(&w, id).is_empty(), "nobody can settle what is deleted");
    }
}
