//! How a device goes.

use conclave_protocol::engine::FailureKind;
use conclave_protocol::id::DeviceId;
use conclave_tests::forge;

use super::*;
use crate::scene::{help, newest, push};
use conclave_protocol::sync::Scope;

fn remove(device: impl ToString, strict: bool, keep: &[&str]) -> Command {
    let keep = keep.iter().map(ToString::to_string).collect();
    Command::RemoveDevice { device: device.to_string(), strict, keep }
}

fn prefix(device: DeviceId, digits: usize) -> String {
    device.to_string()[..digits].to_owned()
}

/// What an admin types who follows a hint.
fn told(hint: &str) -> Command {
    let (_, line) = hint.split_once("conclave agent revoke ").expect("a command");
    let mut words = line.split(' ');
    let agent = words.next().expect("an agent").to_owned();
    let (mut device, mut strict, mut keep) = (None, false, Vec::new());
    while let Some(word) = words.next() {
        let mut value = || words.next().expect("a value").to_owned();
        match word {
            "--device" => device = Some(value()),
            "--keep" => keep.push(value()),
            "--strict" => strict = true,
            other => panic!("unexpected {other}"),
        }
    }
    Command::RevokeAgent { agent, device, strict, keep, last_good: None, root: None }
}

#[test]
fn a_stolen_device_of_a_member_goes_by_the_word_of_the_other_one() {
    let (mut w, alice, bob, second) = bob_has_two(31);
    // A room that the admin does not read.
    w.room(alice, "own", &["agent:bob"]);
    w.agree();
    w.post(second, "help", "before the theft");
    w.post(second, "own", "in private");
    w.agree();
    let stolen = w.node(second).device();
    let digest = w.engine(bob).status().control_digest;
    let failed = w.command(bob, remove(prefix(stolen, 8), true, &[])).unwrap_err();
    assert_eq!(failed.kind, FailureKind::NotAdmin);
    assert_eq!(w.engine(bob).status().control_digest, digest);
    // The thief writes something that bob has not seen yet.
    w.isolate(second);
    w.post(second, "help", "by the thief");
    let (_, last) = newest(&w, second);
    w.must(alice, told(&failed.hint));
    w.crash(second);
    w.agree();
    for id in [alice, bob] {
        assert!(w.texts(id, "help").contains(&"before the theft".to_owned()));
    }
    assert_eq!(w.texts(bob, "own"), ["in private"]);
    // What it wrote afterwards is refused, whoever brings it.
    let (room, keys) = (help(&w, bob), w.node(second).keys());
    let forged = forge::signed(&keys, &last);
    let carol = w.ids().find(|id| w.node(*id).name == "carol").expect("carol");
    let from = w.node(carol).device();
    w.ask_as(bob, from, &push(Scope::Room(room), &[&forged]));
    w.settle();
    assert!(!w.texts(bob, "help").contains(&"by the thief".to_owned()));
    let gone = device_of(&w, bob, second);
    assert!(!gone.active && gone.countersigned && !gone.unconfirmed);
}

#[test]
fn an_admin_removes_an_own_device_and_says_what_stays() {
    let (mut w, alice, _) = team(32, &["bob"]);
    let (second, code) = asking(&mut w, alice);
    w.must(alice, add(&code));
    admitted(&mut w, second);
    let good = w.post(second, "help", "good");
    w.agree();
    w.post(second, "help", "bad");
    w.agree();
    let device = w.node(second).device();
    // By default all that is here stays.
    let (_, preview) = w.engine(alice).preview(&remove(device, true, &[])).expect("may");
    assert!(preview.warnings.iter().any(|w| w.contains("1 rooms")), "{:?}", preview.warnings);
    assert!(preview.rooms.iter().all(|room| room.messages_lost == Some(0)));
    let (_, preview) = w.engine(alice).preview(&remove(device, true, &["none"])).expect("may");
    assert_eq!(preview.rooms[0].messages_lost, Some(2));
    w.must(alice, remove(prefix(device, 12), true, &[&good.to_string()]));
    w.crash(second);
    w.agree();
    assert_eq!(w.texts(alice, "help"), ["good"]);
    // Once gone it is gone, and can only be dealt with more strictly.
    let failed = w.command(alice, remove(device, false, &[])).unwrap_err();
    assert_eq!(failed.kind, FailureKind::Conflict);
    w.must(alice, remove(device, true, &["none"]));
    w.agree();
}

#[test]
fn what_is_refused_says_why() {
    let (mut w, alice, bob, second) = bob_has_two(33);
    let carol = w.ids().find(|id| w.node(*id).name == "carol").expect("carol");
    let (bobs, carols) = (w.node(bob).device(), w.node(carol).device());
    let kind = |w: &mut World, at, command| w.command(at, command).unwrap_err().kind;
    assert_eq!(kind(&mut w, bob, remove(bobs, false, &[])), FailureKind::Usage);
    assert_eq!(kind(&mut w, bob, remove(prefix(bobs, 7), false, &[])), FailureKind::Usage);
    assert_eq!(kind(&mut w, bob, remove("zzzzzzzzz", false, &[])), FailureKind::Usage);
    assert_eq!(kind(&mut w, bob, remove("00000000", false, &[])), FailureKind::NotFound);
    // Of somebody else's only admins may, and never the last.
    let failed = w.command(alice, remove(carols, false, &[])).unwrap_err();
    assert_eq!(failed.kind, FailureKind::Conflict);
    assert!(failed.hint.contains("agent revoke carol"), "{}", failed.hint);
    assert_eq!(kind(&mut w, carol, remove(bobs, false, &[])), FailureKind::NotAdmin);
    let failed = w.command(second, remove(bobs, false, &[])).unwrap_err();
    assert_eq!(failed.kind, FailureKind::NotAdmin);
    let line = format!("conclave agent revoke bob --device {bobs}");
    assert!(failed.hint.ends_with(&line), "{}", failed.hint);
    w.must(alice, told(&failed.hint));
    w.crash(bob);
    w.agree();
    assert_eq!(kind(&mut w, second, remove(bobs, false, &[])), FailureKind::Conflict);
}
