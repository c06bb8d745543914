//! What belongs to a node alone: settings and drafts.

use conclave_protocol::engine::{Command, Draft, FailureKind, Settings};
use conclave_protocol::limits::{DRAFT_BYTES_MAX, DRAFTS_MAX};
use conclave_tests::world::{NodeId, World};

use crate::scene::{help, team};

fn draft(room: &str, text: &str) -> Command {
    Command::SetDraft { room: room.into(), text: text.into() }
}

fn texts(w: &World, id: NodeId) -> Vec<String> {
    w.engine(id).drafts().into_iter().map(|draft| draft.text).collect()
}

#[test]
fn settings_are_kept_over_a_restart_each_for_itself() {
    let (mut w, alice, _) = team(1, &["bob"]);
    let change = |presence, notifications| Command::ChangeSettings { presence, notifications };
    let is = |w: &World, presence, notifications| {
        w.engine(alice).settings() == Settings { presence, notifications }
    };
    assert!(is(&w, true, true));
    for (given, expected) in [
        ((None, Some(false)), (true, false)),
        ((Some(false), None), (false, false)),
        ((None, None), (false, false)),
        ((Some(true), Some(true)), (true, true)),
        ((Some(false), Some(true)), (false, true)),
    ] {
        w.must(alice, change(given.0, given.1));
        assert!(is(&w, expected.0, expected.1), "{given:?}");
        w.crash(alice);
        w.start(alice);
        assert!(is(&w, expected.0, expected.1), "{given:?} after a start");
    }
}

#[test]
fn drafts_are_kept_over_a_restart_and_end_when_they_are_empty() {
    let (mut w, alice, _) = team(2, &["bob"]);
    let room = help(&w, alice);
    w.must(alice, draft("help", "one"));
    w.must(alice, draft(&room.to_string(), "two\n\u{1b}[1m lines"));
    let kept = vec![Draft { room, text: "two\n\u{1b}[1m lines".into() }];
    assert_eq!(w.engine(alice).drafts(), kept);
    w.crash(alice);
    w.start(alice);
    assert_eq!(w.engine(alice).drafts(), kept);
    w.must(alice, draft("help", ""));
    w.must(alice, draft("help", ""));
    assert!(texts(&w, alice).is_empty());
    w.crash(alice);
    w.start(alice);
    assert!(texts(&w, alice).is_empty());
}

#[test]
fn drafts_are_bounded_in_size_and_number() {
    let (mut w, alice, _) = team(3, &[]);
    let longest = "x".repeat(DRAFT_BYTES_MAX);
    w.must(alice, draft("help", &longest));
    let failure = w.command(alice, draft("help", &format!("{longest}x"))).expect_err("too long");
    assert_eq!(failure.kind, FailureKind::Usage);
    assert_eq!(texts(&w, alice), [longest]);
    let failure = w.command(alice, draft("Nowhere", "text")).expect_err("no such room");
    assert_eq!(failure.kind, FailureKind::NotFound);
    for n in 1..=DRAFTS_MAX {
        w.room(alice, &format!("room {n}"), &["role:Agent"]);
    }
    for n in 1..DRAFTS_MAX {
        w.must(alice, draft(&format!("room {n}"), "text"));
    }
    let last = format!("room {DRAFTS_MAX}");
    let failure = w.command(alice, draft(&last, "text")).expect_err("too many");
    assert_eq!(failure.kind, FailureKind::Conflict);
    w.must(alice, draft("help", "another text"));
    w.must(alice, draft("help", ""));
    w.must(alice, draft(&last, "text"));
    assert_eq!(texts(&w, alice).len(), DRAFTS_MAX);
}

#[test]
fn drafts_end_with_access_and_with_the_room() {
    let (mut w, alice, others) = team(4, &["bob"]);
    let bob = others[0];
    w.room(alice, "all", &["role:Agent"]);
    w.agree();
    w.must(bob, draft("help", "for help"));
    w.must(bob, draft("all", "for all"));
    w.must(alice, Command::DeleteRoom { room: "all".into() });
    w.until("the room is gone", 5_000, |w| texts(w, bob) == ["for help"]);
    let leave = Command::RemoveMember { agent: "bob".into(), unit: "department:Support".into() };
    w.must(alice, leave);
    w.until("access is gone", 5_000, |w| texts(w, bob).is_empty());
    let failure = w.command(bob, draft("help", "again")).expect_err("not open");
    assert_eq!(failure.kind, FailureKind::NoAccess);
    // Who is let in again begins anew.
    w.add_member(alice, "bob", "department:Support");
    w.until("open again", 5_000, |w| w.engine(bob).readable_room("help").is_ok());
    assert!(texts(&w, bob).is_empty());
}

#[test]
fn a_restored_home_keeps_drafts_and_settings_before_it_may_sign() {
    let (mut w, alice, others) = team(5, &["bob"]);
    let bob = others[0];
    let rows = w.disk(bob).durable();
    w.post(alice, "help", "hello");
    w.crash(bob);
    w.restore(bob, rows);
    w.start(bob);
    w.connect_all();
    w.must(bob, draft("help", "begun"));
    w.must(bob, Command::ChangeSettings { presence: Some(false), notifications: None });
    assert_eq!(texts(&w, bob), ["begun"]);
    assert!(!w.engine(bob).settings().presence);
}
