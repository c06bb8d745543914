//! The stream of events: where it goes on, and who hears what.

use std::fs;

use conclave_tests::process::http::{EventStream, StreamedEvent, ask};
use conclave_tests::process::{Company, Node, text, wait_until};

use crate::{company, lab};

const HOST: (&str, &str) = ("Host", "{address}");

fn bearer(node: &Node) -> String {
    let token = fs::read_to_string(node.home().join("api-token")).expect("a token");
    format!("Bearer {}", token.trim())
}

#[track_caller]
fn open(node: &Node, path: &str, more: &[(&str, &str)]) -> EventStream {
    let bearer = bearer(node);
    EventStream::open(node, path, &[&[HOST, ("Authorization", &bearer)], more].concat())
}

fn is_message(event: &StreamedEvent, text: &str) -> bool {
    event.name == "message" && event.data["text"] == text
}

fn names(events: &[StreamedEvent]) -> Vec<&str> {
    events.iter().map(|event| event.name.as_str()).collect()
}

#[test]
fn a_stream_goes_on_where_it_broke_off() {
    let mut alice = lab().node("alice");
    Company::found(&mut alice);
    alice.ok(&["room", "new", "Room", "--permit", "role:Agent"]);
    let mut stream = open(&alice, "/v1/events", &[]);
    let hello = stream.next_event().expect("a beginning");
    assert_eq!(hello.name, "hello");
    let boot = text(&hello.data["boot"]);
    alice.send("Room", "one");
    let heard = stream.until(|event| is_message(event, "one"));
    let one = heard.last().expect("it was heard");
    assert_eq!(one.data["live"], true, "{one:?}");
    assert!(one.id.starts_with(&format!("{boot}-")), "{one:?}");
    drop(stream);

    alice.send("Room", "two");
    alice.send("Room", "three");
    for (path, headers) in [
        ("/v1/events".to_owned(), vec![("Last-Event-ID", one.id.as_str())]),
        (format!("/v1/events?after={}", one.id), vec![]),
        // What the browser itself says is newer than what stands in the address.
        ("/v1/events?after=old".to_owned(), vec![("Last-Event-ID", one.id.as_str())]),
        (format!("/v1/events?room=Room&after={}", one.id), vec![]),
    ] {
        let mut stream = open(&alice, &path, &headers);
        let heard = stream.until(|event| is_message(event, "three"));
        assert!(heard[0].name == "hello" && heard[0].id == one.id, "{path}: {heard:?}");
        assert!(!names(&heard).contains(&"reset"), "{path}: {heard:?}");
        let texts = heard.iter().filter(|event| event.name == "message");
        let texts: Vec<_> = texts.map(|event| event.data["text"].clone()).collect();
        assert_eq!(texts, ["two", "three"], "{path}");
    }
    // To hear the marks of another window: everything here was written by her.
    let mut stream = open(&alice, "/v1/events", &[]);
    let body = r#"{"room":"Room"}"#;
    let known = bearer(&alice);
    let headers = [HOST, ("Authorization", known.as_str()), ("Content-Type", "application/json")];
    assert_eq!(ask(&alice, "POST", "/v1/read", &headers, Some(body)).status, 200);
    let heard = stream.until(|event| event.name == "read");
    assert_eq!(heard.last().map(|event| event.data["unread"].clone()), Some(0.into()));

    // What is not known any more, or was never, cannot be gone on from.
    alice.kill_nine();
    alice.up();
    for id in [one.id.as_str(), "nonsense", ""] {
        let mut stream = open(&alice, "/v1/events", &[("Last-Event-ID", id)]);
        let first = [stream.next_event(), stream.next_event()].map(Option::unwrap);
        assert_eq!(names(&first), ["hello", "reset"], "{id}");
        assert_ne!(text(&first[0].data["boot"]), boot);
        alice.send("Room", "again");
        stream.until(|event| is_message(event, "again"));
    }
}

#[test]
fn what_was_missed_is_for_those_who_may_read_it_now() {
    let company = company();
    company.open_support();
    company.open_everyone();
    let (alice, bob) = (&company.alice, &company.bob);
    let mut stream = open(bob, "/v1/events", &[]);
    let hello = stream.next_event().expect("a beginning");
    let mut of_room = open(bob, "/v1/events?room=Help%20Desk", &[]);
    alice.send(Company::SUPPORT, "for Support");
    stream.until(|event| is_message(event, "for Support"));
    of_room.until(|event| is_message(event, "for Support"));
    alice.ok(&["agent", "remove", "bob", "group:Support/Front Line"]);
    wait_until("bob knows", || (!bob.lists(Company::SUPPORT)).then_some(()));
    let end = of_room.until(|event| event.name == "error");
    assert_eq!(
        end.last().map(|event| event.data["error"]["kind"].clone()),
        Some("no_access".into())
    );
    assert!(of_room.next_event().is_none(), "it ends");
    alice.send(Company::EVERYONE, "for all");
    let mut again = open(bob, "/v1/events", &[("Last-Event-ID", &hello.id)]);
    let heard = again.until(|event| is_message(event, "for all"));
    assert!(names(&heard).contains(&"control") && !names(&heard).contains(&"reset"), "{heard:?}");
    let told = heard.iter().any(|event| event.data.to_string().contains("for Support"));
    assert!(!told, "{heard:?}");
}

#[test]
fn one_caller_cannot_take_all_streams() {
    let mut alice = lab().node("alice");
    Company::found(&mut alice);
    let bearer = bearer(&alice);
    let known = [HOST, ("Authorization", bearer.as_str())];
    let streams: Vec<_> = (0..32).map(|_| open(&alice, "/v1/events", &[])).collect();
    assert_eq!(ask(&alice, "GET", "/v1/events", &known, None).status, 429);
    assert_eq!(ask(&alice, "GET", "/v1/status", &known, None).status, 200);
    drop(streams);
    wait_until("places are given back", || {
        (ask(&alice, "GET", "/v1/events", &known, None).status == 200).then_some(())
    });
}
