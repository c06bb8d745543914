//! How another device comes in.

use conclave_protocol::engine::{Command, FailureKind, Outcome};
use conclave_protocol::limits::JOIN_REQUEST_MS;
use conclave_protocol::view::JoinState;

use super::*;

#[test]
fn an_admin_lets_an_own_device_in_alone() {
    let (mut w, alice, _) = team(1, &["bob"]);
    w.post(alice, "help", "before");
    let (second, code) = asking(&mut w, alice);
    let digest = w.engine(alice).status().control_digest;
    let failed = w.command(alice, add("AAAA-AAAA")).unwrap_err();
    assert_eq!(failed.kind, FailureKind::WrongCode);
    // A namesake is not made a device of hers by mistake.
    let failed = w.command(alice, approve("alice", &code)).unwrap_err();
    assert_eq!(failed.kind, FailureKind::Conflict);
    assert!(failed.hint.contains("device add"), "{}", failed.hint);
    assert_eq!(w.engine(alice).status().control_digest, digest);
    assert!(requests(&w, alice)[0].name_taken);
    let typed = code.to_lowercase().replace('-', "");
    match w.must(alice, add(&typed)) {
        Outcome::Device { agent, device, waits_until, admins } => {
            assert_eq!((agent.name.as_str(), waits_until, admins), ("alice", None, 0));
            assert_eq!(device, w.node(second).device());
        }
        other => panic!("unexpected {other:?}"),
    }
    admitted(&mut w, second);
    assert_eq!(alarms(&w, alice), [""; 0]);
    assert!(devices(&w, alice).requests.is_empty());
    let (old, new) = (device_of(&w, second, alice), device_of(&w, second, second));
    assert!(old.active && !old.this && !old.countersigned && !old.unconfirmed && old.connected);
    assert!(new.active && new.this && new.countersigned && !new.unconfirmed);
    // It reads what was written before, and writes; what either writes is nobody's news here.
    w.post(second, "help", "from the second");
    w.agree();
    w.post(alice, "help", "from the first");
    w.agree();
    for id in [alice, second] {
        assert_eq!(w.texts(id, "help"), ["before", "from the second", "from the first"]);
        let rooms = w.engine(id).rooms(false).expect("a member");
        assert_eq!(rooms[0].unread, 0, "one's own messages are not unread");
    }
    // An admin's authority is that of a device.
    let failed = w.engine(second).join_requests().unwrap_err();
    assert_eq!(failed.kind, FailureKind::NotAdmin);
    let failed = w.command(alice, add(&code)).unwrap_err();
    assert_eq!(failed.kind, FailureKind::NotFound);
}

#[test]
fn a_device_that_is_no_admins_leaves_the_rest_to_an_admin() {
    let (mut w, alice, others) = team(2, &["bob", "carol"]);
    let (bob, carol) = (others[0], others[1]);
    let between = match w.must(bob, Command::OpenInstant { agents: vec!["carol".into()] }) {
        Outcome::Instant(view) => view.room.id.to_string(),
        other => panic!("unexpected {other:?}"),
    };
    w.post(bob, &between, "between us");
    w.agree();
    let (second, code) = asking(&mut w, bob);
    assert!(requests(&w, alice).is_empty(), "an admin is not asked before bob's own device");
    assert_eq!(confirm(&mut w, bob, &code), Ok(1));
    w.until("the request at the admin", 10_000, |w| requests(w, alice).len() == 1);
    let request = requests(&w, alice).remove(0);
    assert_eq!((request.name.as_str(), &request.code), ("bob", &code));
    assert!(request.countersigned && !request.name_taken);
    assert_eq!(request.device_of.expect("bob").name, "bob");
    assert!(devices(&w, bob).requests[0].confirmed);
    let digest = w.engine(alice).status().control_digest;
    let wrong = w.command(alice, approve("bob", "AAAA-AAAA")).unwrap_err();
    assert_eq!(wrong.kind, FailureKind::WrongCode);
    let units = vec!["department:Sales".into()];
    let refused = Command::Approve { name: "bob".into(), code: code.clone(), units };
    assert_eq!(w.command(alice, refused).unwrap_err().kind, FailureKind::Usage);
    assert_eq!(w.engine(alice).status().control_digest, digest);
    match w.must(alice, approve("bob", &code)) {
        Outcome::Approved { agent, units, device } => {
            assert_eq!((agent.name.as_str(), units.len()), ("bob", 0));
            assert_eq!(device, w.node(second).device());
        }
        other => panic!("unexpected {other:?}"),
    }
    assert!(requests(&w, alice).is_empty());
    admitted(&mut w, second);
    assert!(devices(&w, bob).requests.is_empty());
    let seen = device_of(&w, bob, second);
    assert!(seen.countersigned && seen.since.is_some_and(|at| at <= w.now()));
    for id in [alice, bob, carol, second] {
        assert_eq!(alarms(&w, id), [""; 0]);
    }
    // The same rooms and conversations, with one participant.
    let rooms = |w: &World, id| {
        let lines = w.engine(id).status().rooms.into_iter();
        lines.map(|room| (room.room.id, room.digest)).collect::<Vec<_>>()
    };
    assert_eq!(rooms(&w, bob), rooms(&w, second));
    let (_, present) = w.engine(carol).participants("help").expect("open");
    let names: Vec<_> = present.into_iter().map(|agent| agent.name).collect();
    assert_eq!(names, ["alice", "bob", "carol"]);
    // Instant messages reach both, whichever side writes.
    w.post(carol, &between, "to both of you");
    w.agree();
    w.post(second, &between, "from the new one");
    w.agree();
    for id in [bob, second] {
        let texts = w.texts(id, &between);
        assert_eq!(texts, ["between us", "to both of you", "from the new one"]);
    }
    // Present as long as one of them is.
    w.crash(bob);
    w.run(60_000);
    let (_, present) = w.engine(carol).participants("help").expect("open");
    assert!(present.iter().any(|agent| agent.name == "bob"));
}

#[test]
fn an_admin_who_comes_later_is_told_then() {
    let (mut w, alice, others) = team(3, &["bob", "carol"]);
    let bob = others[0];
    w.isolate(alice);
    let (second, code) = asking(&mut w, bob);
    assert_eq!(confirm(&mut w, bob, &code), Ok(0), "no admin is there");
    w.run(120_000);
    assert!(requests(&w, alice).is_empty());
    assert_eq!(w.engine(second).join_view().map(|v| v.state), Some(JoinState::Waiting));
    w.connect(alice, bob);
    w.until("the request at the admin", 20_000, |w| requests(w, alice).len() == 1);
    // An admin's node may start anew in between: it is told again.
    w.crash(alice);
    w.start(alice);
    w.connect(alice, bob);
    w.until("the request once more", 20_000, |w| requests(w, alice).len() == 1);
    w.must(alice, approve("bob", &code));
    admitted(&mut w, second);
}

#[test]
fn what_was_confirmed_lapses_like_any_request() {
    let (mut w, alice, others) = team(4, &["bob"]);
    let bob = others[0];
    let (second, code) = asking(&mut w, bob);
    assert_eq!(confirm(&mut w, bob, &code), Ok(1));
    w.until("the request at the admin", 10_000, |w| requests(w, alice).len() == 1);
    w.isolate(second);
    w.run(JOIN_REQUEST_MS + 20_000);
    assert!(requests(&w, alice).is_empty());
    assert!(devices(&w, bob).requests.is_empty());
    assert_eq!(w.command(alice, approve("bob", &code)).unwrap_err().kind, FailureKind::NotFound);
    // It asks again by itself, under a new code.
    w.connect(bob, second);
    let again = code_of(&mut w, bob, second);
    assert_ne!(again, code);
    assert_eq!(confirm(&mut w, bob, &again), Ok(1));
    w.until("the request at the admin", 10_000, |w| requests(w, alice).len() == 1);
    w.must(alice, approve("bob", &again));
    admitted(&mut w, second);
}

#[test]
fn a_refusal_of_the_admin_reaches_the_new_device() {
    let (mut w, alice, others) = team(5, &["bob"]);
    let bob = others[0];
    let (second, code) = asking(&mut w, bob);
    assert_eq!(confirm(&mut w, bob, &code), Ok(1));
    w.until("the request at the admin", 10_000, |w| requests(w, alice).len() == 1);
    w.must(alice, Command::Refuse { name: "bob".into(), code: None });
    let state = |w: &World| w.engine(second).join_view().map(|view| view.state);
    w.until("word of it", 60_000, |w| state(w) == Some(JoinState::Refused));
    assert!(requests(&w, alice).is_empty() && devices(&w, bob).requests.is_empty());
}

#[test]
fn where_all_devices_are_lost_an_admin_decides_alone_and_everybody_is_warned() {
    let (mut w, alice, others) = team(6, &["bob", "carol"]);
    let (bob, carol) = (others[0], others[1]);
    w.post(bob, "help", "written before");
    w.agree();
    w.crash(bob);
    // Not said: then bob's own devices are waited for, and admins see nothing.
    let waits = w.newcomer("bob");
    w.connect(alice, waits);
    let taken = |w: &World| w.engine(waits).join_view().is_some_and(|view| view.name_taken);
    w.until("word that the name is taken", 10_000, taken);
    let view = w.engine(waits).join_view().expect("it asks");
    assert_eq!((view.code, view.state), (None, JoinState::Waiting));
    assert_eq!(view.company.expect("known").name, "Acme");
    assert!(requests(&w, alice).is_empty());
    let second = w.newcomer_as("bob", true);
    w.connect(alice, second);
    let code = w.code_at(alice, "bob");
    let request = requests(&w, alice).remove(0);
    assert!(request.name_taken && !request.countersigned);
    let failed = w.command(alice, approve("bob", &code)).unwrap_err();
    assert_eq!(failed.kind, FailureKind::Conflict);
    for way in ["device add", "--another-device", "another name"] {
        assert!(failed.hint.contains(way), "{}", failed.hint);
    }
    let anew = |code: &str| Command::ApproveDevice { name: "bob".into(), code: code.into() };
    assert_eq!(w.command(alice, anew("AAAA-AAAA")).unwrap_err().kind, FailureKind::WrongCode);
    assert_eq!(w.command(carol, anew(&code)).unwrap_err().kind, FailureKind::NotAdmin);
    w.must(alice, anew(&code));
    w.crash(waits);
    admitted(&mut w, second);
    for id in [alice, carol, second] {
        // The same admin has certified both: nobody can prove which of them was bob's first.
        assert_eq!(alarms(&w, id), ["uncountersigned_device"; 2]);
    }
    assert!(device_of(&w, second, second).unconfirmed);
    assert_eq!(w.texts(second, "help"), ["written before"]);
}

#[test]
fn a_new_name_is_no_device_of_anybody() {
    let (mut w, alice, _) = team(7, &[]);
    let dave = w.newcomer_as("dave", true);
    w.connect(alice, dave);
    let code = w.code_at(alice, "dave");
    let command = Command::ApproveDevice { name: "dave".into(), code: code.clone() };
    assert_eq!(w.command(alice, command).unwrap_err().kind, FailureKind::NotFound);
    w.must(alice, approve("dave", &code));
    admitted(&mut w, dave);
}
