//! Pages of a room, and what has been read of it.

use conclave_protocol::engine::{Command, Event, FailureKind, PageAt};
use conclave_protocol::id::{MessageId, RoomId};
use conclave_protocol::limits::CLOCK_WRONG_MS;
use conclave_protocol::room::ClockNote;
use conclave_protocol::sync::Scope;
use conclave_protocol::view::RoomLine;
use conclave_tests::forge;
use conclave_tests::world::{NodeId, World};

use crate::scene::{help, newest, push, team};

fn line(w: &World, id: NodeId) -> RoomLine {
    w.engine(id).rooms(false).expect("a member").remove(0)
}

fn unread(w: &World, id: NodeId) -> u64 {
    line(w, id).unread
}

fn read(w: &mut World, id: NodeId, up_to: Option<MessageId>) {
    let up_to = up_to.map(|id| id.to_string());
    w.must(id, Command::MarkRead { room: "help".into(), up_to });
}

/// The read marks that a node told of, newest last.
fn told(w: &World, id: NodeId) -> Vec<(RoomId, u64)> {
    let events = w.node(id).events.iter();
    let marks = events.filter_map(|event| match event {
        Event::Read { room, unread } => Some((*room, *unread)),
        _ => None,
    });
    marks.collect()
}

#[test]
fn a_mark_reads_up_to_a_message_and_no_further() {
    let (mut w, alice, others) = team(1, &["bob"]);
    let bob = others[0];
    let ids: Vec<MessageId> = (0..5).map(|n| w.post(bob, "help", &format!("b{n}"))).collect();
    w.agree();
    assert_eq!((unread(&w, alice), line(&w, alice).first_unread), (5, Some(ids[0])));
    assert_eq!(line(&w, alice).newest, Some(w.messages(alice, "help")[4].time));
    read(&mut w, alice, Some(ids[2]));
    assert_eq!((unread(&w, alice), line(&w, alice).first_unread), (2, Some(ids[3])));
    // What lies before it, and the same again, changes nothing and is not told.
    read(&mut w, alice, Some(ids[1]));
    read(&mut w, alice, Some(ids[2]));
    assert_eq!(told(&w, alice), [(help(&w, alice), 2)]);
    w.crash(alice);
    w.start(alice);
    assert_eq!((unread(&w, alice), line(&w, alice).first_unread), (2, Some(ids[3])));
    w.connect_all();
    w.agree();
    read(&mut w, alice, Some(ids[4]));
    assert_eq!((unread(&w, alice), line(&w, alice).first_unread), (0, None));
    let stranger = Command::MarkRead { room: "help".into(), up_to: Some("ab".repeat(32)) };
    assert_eq!(w.command(alice, stranger).unwrap_err().kind, FailureKind::NotFound);
    // Bob's own are not unread for him.
    assert_eq!((unread(&w, bob), line(&w, bob).first_unread), (0, None));
}

#[test]
fn what_arrives_late_is_marked_and_is_the_first_unread() {
    let (mut w, alice, others) = team(2, &["bob", "carol"]);
    let (bob, carol) = (others[0], others[1]);
    w.post(alice, "help", "hello");
    w.agree();
    w.isolate(carol);
    let late = w.post(carol, "help", "from the train");
    let mut last = late;
    for n in 0..4 {
        last = w.post(bob, "help", &format!("b{n}"));
    }
    w.settle();
    read(&mut w, alice, Some(last));
    assert_eq!(unread(&w, alice), 0);
    w.connect_all();
    w.agree();
    assert_eq!((unread(&w, alice), line(&w, alice).first_unread), (1, Some(late)));
    let marks = |w: &World, id| -> Vec<bool> {
        w.messages(id, "help").iter().map(|message| message.late).collect()
    };
    let at = w.messages(alice, "help").iter().position(|m| m.id == late).expect("shown");
    let mut expected = vec![false; 6];
    expected[at] = true;
    assert_eq!(marks(&w, alice), expected);
    // Bob has read nothing, so to him nothing came late; carol wrote it.
    for id in [bob, carol] {
        assert_eq!(marks(&w, id), [false; 6]);
    }
    // Reading the end again does not read it unseen, since it came after that.
    w.crash(alice);
    w.start(alice);
    assert_eq!((unread(&w, alice), marks(&w, alice)), (1, expected));
    read(&mut w, alice, Some(late));
    assert_eq!(unread(&w, alice), 0);
}

#[test]
fn pages_lead_through_a_room_in_both_directions() {
    let (mut w, alice, others) = team(3, &["bob"]);
    for n in 0..25 {
        w.post(if n % 3 == 0 { alice } else { others[0] }, "help", &format!("{n}"));
    }
    w.agree();
    let engine = w.engine(alice);
    let all = w.texts(alice, "help");
    let page = |at: PageAt<'_>, limit| {
        let page = engine.page("help", limit, at).expect("readable");
        let texts: Vec<String> = page.messages.iter().map(|m| m.text.clone()).collect();
        (texts, page.more, page.newer)
    };
    let id = |n: usize| w.messages(alice, "help")[n].id.to_string();
    assert_eq!(page(PageAt::Oldest, 10), (all[..10].to_vec(), false, true));
    assert_eq!(page(PageAt::Newest, 10), (all[15..].to_vec(), true, false));
    assert_eq!(page(PageAt::Newest, 25), (all.clone(), false, false));
    assert_eq!(page(PageAt::Before(&id(15)), 10), (all[5..15].to_vec(), true, true));
    assert_eq!(page(PageAt::Before(&id(5)), 10), (all[..5].to_vec(), false, true));
    assert_eq!(page(PageAt::After(&id(4)), 10), (all[5..15].to_vec(), true, true));
    assert_eq!(page(PageAt::After(&id(20)), 10), (all[21..].to_vec(), true, false));
    assert_eq!(page(PageAt::After(&id(24)), 10), (vec![], true, false));
    assert_eq!(page(PageAt::Around(&id(12)), 5), (all[10..15].to_vec(), true, true));
    assert_eq!(page(PageAt::Around(&id(0)), 5), (all[..5].to_vec(), false, true));
    assert_eq!(page(PageAt::Around(&id(24)), 5), (all[22..].to_vec(), true, false));
    assert_eq!(page(PageAt::Around(&id(12)), 1), (all[12..13].to_vec(), true, true));
    let wrong = engine.page("help", 5, PageAt::Around("nonsense"));
    assert_eq!(wrong.unwrap_err().kind, FailureKind::NotFound);
}

/// A message by a device, after the newest one, with a clock of its own.
fn says(w: &mut World, at: NodeId, by: NodeId, seq: u64, ms: u64) -> MessageId {
    let (last, envelope) = newest(w, at);
    let keys = w.node(by).keys();
    let (company, room) = (w.ledger().company, help(w, at));
    let enter = forge::all_stored(w, at, room).into_iter().find(|m| {
        m.value().device == keys.device()
            && m.value().kind == conclave_protocol::envelope::EnvelopeKind::Enter
    });
    let mut draft = forge::envelope(company, room, keys.device(), &[(last, envelope.height)]);
    (draft.seq, draft.standing) = (seq, enter.map(|enter| enter.id()));
    draft.prev = Some(last);
    draft.claimed_time.0 = ms;
    let made = forge::signed(&keys, &draft);
    let request = push(Scope::Room(room), &[&made]);
    w.ask_as(at, keys.device(), &request);
    w.settle();
    made.id
}

#[test]
fn a_clock_that_is_far_off_is_named() {
    let (mut w, alice, others) = team(4, &["bob", "carol"]);
    let (bob, carol) = (others[0], others[1]);
    for id in [bob, carol, alice] {
        w.post(id, "help", "hello");
        w.agree();
    }
    w.isolate(alice);
    let now = w.now().0;
    let ahead = says(&mut w, alice, bob, 50, now + 2 * CLOCK_WRONG_MS);
    let behind = says(&mut w, alice, bob, 51, 1_000);
    let behind_too = says(&mut w, alice, bob, 52, 2_000);
    let fine = says(&mut w, alice, carol, 50, now + 1_000);
    let slow = says(&mut w, alice, carol, 51, now - CLOCK_WRONG_MS / 2);
    let note = |w: &World, id: MessageId| {
        let shown = w.messages(alice, "help").into_iter().find(|message| message.id == id);
        shown.expect("shown").clock
    };
    let expected = [
        (ahead, Some(ClockNote::Ahead)),
        (behind, Some(ClockNote::Behind)),
        (behind_too, Some(ClockNote::Behind)),
        (fine, None),
        (slow, None),
    ];
    for (id, clock) in expected {
        assert_eq!(note(&w, id), clock);
    }
    // A restart, and the day that was claimed, change nothing.
    w.crash(alice);
    w.start(alice);
    for (id, clock) in expected {
        assert_eq!(note(&w, id), clock);
    }
}
