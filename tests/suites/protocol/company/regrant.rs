//! Case 8: a room changes hands, or is closed, and its history stays.

use super::*;
use crate::scene::team;
use conclave_protocol::view::MessageState;

fn unpermit(unit: &str) -> Command {
    Command::Unpermit { room: "help".into(), unit: unit.into() }
}

fn close() -> Command {
    Command::DeleteRoom { room: "help".into() }
}

/// Xavier wrote what nobody answered; bob is in both Departments, dave only in Sales.
fn written(seed: u64) -> (World, NodeId, NodeId, NodeId, NodeId) {
    let (mut w, alice, others) = team(seed, &["bob", "xavier"]);
    let (bob, xavier) = (others[0], others[1]);
    w.add_member(alice, "bob", "department:Sales");
    let dave = w.join(alice, "dave", &["department:Sales"]);
    w.connect_all();
    w.agree();
    w.post(alice, "help", "welcome");
    w.agree();
    w.post(xavier, "help", "one");
    w.post(xavier, "help", "two");
    w.agree();
    (w, alice, bob, xavier, dave)
}

#[test]
fn regrant_takes_the_only_permission_and_gives_another() {
    for seed in 1..4 {
        let (mut w, alice, bob, xavier, dave) = written(seed);
        // For a moment the room is nobody's: what alice holds of it is kept.
        let preview = foreseen(&mut w, alice, unpermit("department:Support"));
        assert!(preview.rooms[0].nobody_left && preview.warnings.is_empty());
        assert_eq!(preview.rooms[0].lose.len(), 3);
        assert!(!may_read(&w, alice, "help") && !may_read(&w, bob, "help"));
        w.permit(alice, "help", "department:Sales");
        w.agree();
        assert!(!may_read(&w, alice, "help") && !may_read(&w, xavier, "help"));
        all_show(&w, &[bob, dave], "help", &["welcome", "one", "two"]);
        let states: Vec<_> = w.messages(dave, "help").iter().map(|m| m.state).collect();
        assert_eq!(states, [MessageState::Vouched; 3], "their authors are out");
        assert_eq!(w.refusals(dave, "removed"), 0, "nothing honest was refused");
        // Who comes later gets the same, and it is the same after a start.
        let erin = w.join(alice, "erin", &["department:Sales"]);
        w.connect_all();
        w.agree();
        w.crash(dave);
        w.start(dave);
        w.connect_all();
        w.agree();
        all_show(&w, &[bob, dave, erin], "help", &["welcome", "one", "two"]);
        // And those who lost it find it as it was, should they be let in again.
        w.permit(alice, "help", "department:Support");
        w.post(dave, "help", "hello");
        w.agree();
        let all = ["welcome", "one", "two", "hello"];
        all_show(&w, &[alice, bob, xavier, dave, erin], "help", &all);
    }
}

#[test]
fn regrant_the_other_way_round_leaves_somebody_to_seal() {
    for seed in 11..14 {
        let (mut w, alice, bob, xavier, dave) = written(seed);
        w.permit(alice, "help", "department:Sales");
        w.agree();
        let preview = foreseen(&mut w, alice, unpermit("department:Support"));
        assert!(!preview.rooms[0].nobody_left);
        all_show(&w, &[bob, dave], "help", &["welcome", "one", "two"]);
        assert!(!may_read(&w, xavier, "help"));
        let erin = w.join(alice, "erin", &["department:Sales"]);
        w.connect_all();
        w.agree();
        all_show(&w, &[bob, dave, erin], "help", &["welcome", "one", "two"]);
    }
}

#[test]
fn regrant_keeps_what_is_there_although_its_authors_are_dismissed_before_the_new_permission() {
    let (mut w, alice, bob, xavier, dave) = written(21);
    foreseen(&mut w, alice, unpermit("department:Support"));
    w.crash(xavier);
    foreseen(&mut w, alice, dismiss("xavier"));
    w.permit(alice, "help", "department:Sales");
    w.agree();
    // Nobody could seal when xavier was dismissed; bob, who had seen it all, does so now.
    all_show(&w, &[bob, dave], "help", &["welcome", "one", "two"]);
    let erin = w.join(alice, "erin", &["department:Sales"]);
    w.connect_all();
    w.agree();
    all_show(&w, &[erin], "help", &["welcome", "one", "two"]);
}

#[test]
fn regrant_a_closed_room_returns_with_its_history() {
    let (mut w, alice, bob, xavier, dave) = written(31);
    let room = crate::scene::help(&w, alice).to_string();
    let late = w.post(bob, "help", "three");
    w.agree();
    let preview = foreseen(&mut w, alice, close());
    assert!(preview.rooms[0].nobody_left && preview.warnings.is_empty());
    let pen = Pen::of(&w, alice);
    let keeps = pen.log.ids().find_map(|id| match &pen.log.get(id)?.payload {
        conclave_protocol::object::Payload::Revoke(r) if !r.keep.is_empty() => Some(r.keep.clone()),
        _ => None,
    });
    assert_eq!(keeps.expect("a keep")[0].messages, [late]);
    for id in [alice, bob, xavier] {
        assert!(!may_read(&w, id, "help"));
        assert!(w.engine(id).status().rooms.is_empty());
        let send = Command::Send { room: room.clone(), text: "x".into() };
        assert_eq!(w.command(id, send).unwrap_err().kind, FailureKind::NotFound);
    }
    assert!(w.engine(alice).rooms(true).expect("an admin").is_empty());
    // Twice is once too often; a permission does not open it.
    let again = w.command(alice, close());
    assert!(again.is_err(), "{again:?}");
    let preview = foreseen(&mut w, alice, ratify("room:help"));
    assert_eq!(preview.rooms[0].gain.len(), 3);
    w.permit(alice, "help", "department:Sales");
    w.agree();
    all_show(&w, &[alice, bob, xavier, dave], "help", &["welcome", "one", "two", "three"]);
}

#[test]
fn regrant_by_an_admin_without_access_asks_members_who_stay_what_to_keep() {
    let (mut w, alice, bob, xavier, dave) = written(51);
    make_admin(&mut w, alice, "dave", 2, STAFF);
    let (_, preview) = w.engine(dave).preview(&close()).expect("can be looked at");
    assert!(preview.warnings[0].contains("will be asked"), "{:?}", preview.warnings);
    w.command(dave, close()).expect("closes the room");
    w.agree();
    let pen = Pen::of(&w, dave);
    let device = w.node(dave).device();
    let kept =
        pen.log.ids().filter_map(|id| pen.log.get(id)).find_map(|object| match &object.payload {
            conclave_protocol::object::Payload::Revoke(revoke)
                if object.header.author == device =>
            {
                revoke.keep.first().cloned()
            }
            _ => None,
        });
    assert_eq!(kept.expect("members were asked").messages.len(), 1, "the one head");
    // Everybody who is let in later reads what was there.
    w.command(dave, ratify("room:help")).expect("opens it again");
    for name in ["alice", "bob", "xavier"] {
        w.remove_member(alice, name, "department:Support");
    }
    w.permit(alice, "help", "department:Sales");
    w.agree();
    all_show(&w, &[bob, dave], "help", &["welcome", "one", "two"]);
    assert!(w.engine(xavier).readable_room("help").is_err());
}

#[test]
fn regrant_by_an_admin_whom_no_member_can_tell_warns_that_nothing_can_be_kept() {
    let (mut w, alice, bob, xavier, dave) = written(51);
    make_admin(&mut w, alice, "dave", 2, STAFF);
    w.isolate(dave);
    let (_, preview) = w.engine(dave).preview(&close()).expect("can be looked at");
    assert!(preview.rooms[0].nobody_left);
    assert_eq!(preview.rooms[0].messages_lost, None, "dave cannot look");
    assert_eq!(preview.warnings.len(), 1);
    assert!(preview.warnings[0].contains("has said where it ends"), "{:?}", preview.warnings);
    w.command(dave, close()).expect("closes the room");
    w.connect_all();
    w.agree();
    foreseen(&mut w, dave, ratify("room:help"));
    all_show(&w, &[alice, bob, xavier], "help", &["welcome", "one", "two"]);
}

#[test]
fn regrant_the_last_member_who_leaves_with_several_memberships_keeps_by_each() {
    let (mut w, alice, bob, _, dave) = written(61);
    w.group(alice, "Support", "Night");
    w.add_member(alice, "alice", "group:Support/Night");
    w.post(alice, "help", "notes");
    w.agree();
    foreseen(&mut w, alice, remove("xavier", "department:Support"));
    foreseen(&mut w, alice, remove("bob", "department:Support"));
    let preview = foreseen(&mut w, alice, remove("alice", "department:Support"));
    assert!(preview.rooms[0].nobody_left && preview.warnings.is_empty());
    let pen = Pen::of(&w, alice);
    let device = w.node(alice).device();
    let keeps = pen.log.ids().filter(|id| match pen.log.get(*id) {
        Some(object) if object.header.author == device => {
            matches!(&object.payload, conclave_protocol::object::Payload::Revoke(r) if !r.keep.is_empty())
        }
        _ => false,
    });
    assert_eq!(keeps.count(), 2, "from the Department, and from the Group");
    w.permit(alice, "help", "department:Sales");
    w.agree();
    all_show(&w, &[bob, dave], "help", &["welcome", "one", "two", "notes"]);
}

#[test]
fn invented_head_of_a_member_who_is_removed_is_not_kept() {
    let (mut w, alice, others) = team(71, &["xavier"]);
    let xavier = others[0];
    let last = w.post(xavier, "help", "known to both");
    w.agree();
    let room = crate::scene::help(&w, alice);
    // Xavier alone is left in the room, and has signed what it shows to nobody.
    w.remove_member(alice, "alice", "department:Support");
    w.agree();
    let keys = w.node(xavier).keys();
    let envelope = conclave_tests::forge::stored(&w, xavier, last).expect("held").value().clone();
    let mut next = envelope.clone();
    (next.seq, next.prev) = (envelope.seq + 1, Some(last));
    (next.parents, next.height, next.body) = (vec![last], envelope.height + 1, b"later".to_vec());
    let hidden = conclave_tests::forge::signed(&keys, &next);
    w.crash(xavier);
    let mut puppet = w.empty_puppet(xavier);
    puppet.hold(conclave_protocol::sync::Scope::Room(room), next.height, &hidden.bytes);
    let device = puppet.keys.device();
    w.replace_by_puppet(xavier, puppet);
    w.connect_device(device, alice);
    w.command(alice, dismiss("xavier")).expect("nobody is left");
    let pen = Pen::of(&w, alice);
    let kept = pen.log.ids().filter_map(|id| pen.log.get(id)).any(|object| {
        matches!(
            &object.payload,
            conclave_protocol::object::Payload::Revoke(revoke)
                if revoke.keep.iter().any(|keep| keep.messages.contains(&hidden.id))
        )
    });
    assert!(!kept, "whoever is removed has no say in what is kept");
    // And what it shows later is void for whoever is let in.
    w.add_member(alice, "alice", "department:Support");
    let topic = w.topic(room);
    w.connect_device(device, alice);
    w.inject_gossip(alice, device, topic, &hidden.bytes);
    w.run(5_000);
    assert!(!w.texts(alice, "help").contains(&"later".to_owned()));
}
