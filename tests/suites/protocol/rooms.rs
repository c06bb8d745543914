//! Rooms as their members see them: order, states, unread, pages.

use conclave_protocol::engine::{Command, FailureKind};
use conclave_protocol::view::MessageState;
use conclave_tests::forge;
use conclave_tests::world::{Options, World};

#[test]
fn three_members_show_the_same_history_in_the_same_order() {
    for seed in 1..=4 {
        let mut w = World::new(seed, Options::CALM);
        let alice = w.found("Acme", "alice");
        w.department(alice, "Support");
        w.add_member(alice, "alice", "department:Support");
        w.room(alice, "help", &["department:Support"]);
        let bob = w.join(alice, "bob", &["department:Support"]);
        let carol = w.join(alice, "carol", &["department:Support"]);
        w.connect_all();
        w.agree();
        for n in 0..10 {
            for (id, who) in [(alice, "alice"), (bob, "bob"), (carol, "carol")] {
                w.give(id, Command::Send { room: "help".into(), text: format!("{who} {n}") });
            }
            w.run(3);
        }
        w.agree();
        assert_eq!(w.texts(alice, "help").len(), 30);
    }
}

#[test]
fn a_message_is_pending_until_another_device_holds_it() {
    let mut w = World::new(7, Options::CALM);
    let alice = w.found("Acme", "alice");
    w.room(alice, "all", &["role:Agent"]);
    let bob = w.join(alice, "bob", &[]);
    w.agree();
    w.isolate(alice);
    w.post(alice, "all", "anyone?");
    w.run(20_000);
    let state = |w: &World| w.messages(alice, "all")[0].state;
    assert_eq!(state(&w), MessageState::Pending);
    w.connect(alice, bob);
    w.agree();
    w.run(1_000);
    assert_eq!(state(&w), MessageState::Accepted);
    assert_eq!(w.messages(bob, "all")[0].state, MessageState::Accepted);
    // It stays so over a crash.
    w.crash(alice);
    w.start(alice);
    assert_eq!(state(&w), MessageState::Accepted);
}

#[test]
fn a_receipt_that_was_lost_with_the_connection_is_made_up_for() {
    let mut w = World::new(8, Options::CALM);
    let alice = w.found("Acme", "alice");
    w.room(alice, "all", &["role:Agent"]);
    let bob = w.join(alice, "bob", &[]);
    w.agree();
    w.post(alice, "all", "hello");
    w.until("the message", 1_000, |w| w.texts(bob, "all").len() == 1);
    w.disconnect(alice, bob);
    w.run(5_000);
    assert_eq!(w.messages(alice, "all")[0].state, MessageState::Pending);
    w.connect(alice, bob);
    w.run(30_000);
    assert_eq!(w.messages(alice, "all")[0].state, MessageState::Accepted);
}

#[test]
fn unread_counts_what_others_wrote_since_the_last_look() {
    let mut w = World::new(9, Options::CALM);
    let alice = w.found("Acme", "alice");
    w.room(alice, "all", &["role:Agent"]);
    let bob = w.join(alice, "bob", &[]);
    w.agree();
    for n in 0..5 {
        w.post(alice, "all", &format!("a{n}"));
    }
    w.post(bob, "all", "mine");
    w.agree();
    let unread = |w: &World, id| w.engine(id).rooms(false).map(|r| r[0].unread).unwrap_or(99);
    assert_eq!((unread(&w, alice), unread(&w, bob)), (1, 5));
    w.must(bob, Command::MarkRead { room: "all".into(), up_to: None });
    assert_eq!(unread(&w, bob), 0);
    w.crash(bob);
    w.start(bob);
    assert_eq!(unread(&w, bob), 0, "what was read stays read over a crash");
    w.connect(alice, bob);
    w.post(alice, "all", "new");
    w.agree();
    assert_eq!(unread(&w, bob), 1);
    w.crash(bob);
    w.start(bob);
    assert_eq!(unread(&w, bob), 1);
}

#[test]
fn history_comes_in_pages_without_gaps() {
    let mut w = World::new(10, Options::CALM);
    let alice = w.found("Acme", "alice");
    w.room(alice, "all", &["role:Agent"]);
    for n in 0..45 {
        w.post(alice, "all", &format!("m{n}"));
    }
    let engine = w.engine(alice);
    let mut pages = Vec::new();
    let mut before: Option<String> = None;
    loop {
        let page = engine.history("all", 10, before.as_deref()).expect("readable");
        assert!(page.messages.len() <= 10 && !page.messages.is_empty());
        before = page.messages.first().map(|m| m.id.to_string());
        let more = page.more;
        pages.push(page.messages);
        if !more {
            break;
        }
    }
    let texts: Vec<String> = pages.into_iter().rev().flatten().map(|m| m.text).collect();
    assert_eq!(texts, (0..45).map(|n| format!("m{n}")).collect::<Vec<_>>());
    assert_eq!(
        engine.history("all", 10, Some("nonsense")).unwrap_err().kind,
        FailureKind::NotFound
    );
}

#[test]
fn a_start_shows_nothing_as_new_and_writes_nothing_again() {
    let mut w = World::new(11, Options::CALM);
    let alice = w.found("Acme", "alice");
    w.room(alice, "all", &["role:Agent"]);
    for n in 0..20 {
        w.post(alice, "all", &format!("m{n}"));
    }
    w.settle();
    let before = w.disk(alice).durable();
    w.crash(alice);
    w.start(alice);
    let batch = w.engine(alice).last_batch();
    w.settle();
    let shown = w.node(alice).events.iter();
    let shown =
        shown.filter(|e| matches!(e, conclave_protocol::engine::Event::Message(..))).count();
    assert_eq!(shown, 0, "a start is no news");
    assert_eq!(batch.0, 0, "a start has nothing to write");
    assert_eq!(w.disk(alice).durable(), before);
    assert_eq!(w.texts(alice, "all").len(), 20);
}

#[test]
fn what_was_written_before_a_room_opened_to_somebody_is_no_news() {
    use conclave_protocol::engine::Event;
    let mut w = World::new(5, Options::CALM);
    let alice = w.found("Acme", "alice");
    w.department(alice, "Support");
    w.add_member(alice, "alice", "department:Support");
    w.room(alice, "help", &["department:Support"]);
    let bob = w.join(alice, "bob", &[]);
    w.post(alice, "help", "before");
    w.settle();
    w.run(1_000);
    w.add_member(alice, "bob", "department:Support");
    w.until("the history", 10_000, |w| {
        w.engine(bob).history("help", 9, None).is_ok_and(|page| page.messages.len() == 1)
    });
    w.run(1_000);
    w.post(alice, "help", "after");
    w.agree();
    let live: Vec<bool> = w
        .node(bob)
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Message(_, live) => Some(*live),
            _ => None,
        })
        .collect();
    assert_eq!(live, [false, true]);
}

#[test]
fn only_what_was_just_written_is_news() {
    use conclave_protocol::engine::Event;
    use conclave_protocol::limits::NEWS_AGE_MS_MAX;
    let mut w = World::new(12, Options::CALM);
    let alice = w.found("Acme", "alice");
    let bob = w.join(alice, "bob", &[]);
    w.room(alice, "all", &["role:Agent"]);
    w.settle();
    w.isolate(bob);
    w.post(alice, "all", "long ago");
    w.run(NEWS_AGE_MS_MAX);
    w.post(alice, "all", "a moment ago");
    w.connect(alice, bob);
    w.agree();
    w.post(alice, "all", "now");
    // A clock that is wrong makes nothing old that comes straight from its author.
    let wrong = i64::try_from(NEWS_AGE_MS_MAX).unwrap() * 10;
    w.settle();
    w.isolate(bob);
    w.set_clock(alice, -wrong);
    w.post(alice, "all", "now, says another clock");
    let room = w.messages(alice, "all")[0].room.id;
    let stored = forge::all_stored(&w, alice, room);
    let newest = stored.iter().max_by_key(|message| message.value().height).expect("a message");
    let (topic, device) = (w.topic(room), w.node(alice).device());
    w.inject_gossip(bob, device, topic, newest.bytes());
    w.settle();
    let news: Vec<(String, bool)> = w
        .node(bob)
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Message(message, live) => Some((message.text.clone(), *live)),
            _ => None,
        })
        .collect();
    let expected = [
        ("long ago", false),
        ("a moment ago", true),
        ("now", true),
        ("now, says another clock", true),
    ];
    assert_eq!(news, expected.map(|(text, live)| (text.to_owned(), live)));
}

#[test]
fn a_permission_of_a_deleted_unit_is_told_from_one_of_a_new_unit_of_its_name() {
    let mut w = World::new(40, Options::CALM);
    let alice = w.found("Acme", "alice");
    w.department(alice, "Support");
    w.room(alice, "help", &["department:Support", "role:Agent"]);
    let shown = |w: &World| w.engine(alice).room("help").expect("an admin").principals;
    let gone = |w: &World| -> Vec<(String, bool)> {
        let mut all: Vec<_> = shown(w).into_iter().map(|p| (p.principal, p.gone)).collect();
        all.sort();
        all
    };
    let label = |name: &str, gone| (name.to_owned(), gone);
    assert_eq!(gone(&w), [label("department:Support", false), label("role:Agent", false)]);
    w.must(alice, Command::DeleteUnit { unit: "department:Support".into() });
    assert_eq!(gone(&w), [label("department:Support", true), label("role:Agent", false)]);
    w.department(alice, "Support");
    w.permit(alice, "help", "department:Support");
    let two = [label("department:Support", false), label("department:Support", true)];
    assert_eq!(gone(&w), [&two[..], &[label("role:Agent", false)]].concat());
    // By its id the old one can be taken away; the name means the new one.
    let dead = shown(&w).into_iter().find(|p| p.gone).expect("the old one").id;
    w.unpermit(alice, "help", &dead.to_string());
    assert_eq!(gone(&w), [label("department:Support", false), label("role:Agent", false)]);
    w.permit(alice, "help", "agent:alice");
    let everybody = shown(&w).into_iter().find(|p| p.principal == "role:Agent").expect("it").id;
    w.unpermit(alice, "help", &everybody.to_string());
    assert_eq!(gone(&w), [label("agent:alice", false), label("department:Support", false)]);
    let alices = shown(&w).into_iter().find(|p| p.principal == "agent:alice").expect("it").id;
    w.unpermit(alice, "help", &alices.to_string());
    w.permit(alice, "help", &alices.to_string());
    assert_eq!(gone(&w).len(), 2);
}
