//! The documented fields of every command, as scripts rely on them.

use conclave_tests::process::{Company, ask_to_join, same_code, wait_until};
use serde_json::Value;

use crate::company;

const ROOM: &str = Company::SUPPORT;
const MESSAGE: &[&str] = &[
    "id:id",
    "room.id:id",
    "room.name:text",
    "author.id:id",
    "author.name:text",
    "device:id",
    "height:number",
    "time:time",
    "text:text",
    "state:text",
];
const ROOM_FIELDS: &[&str] =
    &["id:id", "name:text", "history:text", "active:bool", "permissions:texts", "principals:list"];
const MEMBER: &[&str] = &["agent.id:id", "agent.name:text", "unit:text", "object:id"];

/// Checks that a document has at least these fields, each written `path:kind`.
#[track_caller]
fn check(what: &str, document: &Value, fields: &[&str]) {
    for field in fields {
        let (path, kind) = field.split_once(':').expect("path:kind");
        let mut parts = path.split('.');
        let value = parts.try_fold(document, |value, part| value.get(part));
        let value = value.unwrap_or_else(|| panic!("{what}: no field {path}: {document}"));
        assert!(is(value, kind), "{what}: {path} is no {kind}: {document}");
    }
}

fn is(value: &Value, kind: &str) -> bool {
    let lower_hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    match kind {
        "id" => value.as_str().is_some_and(|id| id.len() == 64 && id.chars().all(lower_hex)),
        "text" => value.as_str().is_some_and(|text| !text.is_empty()),
        "time" => value.as_str().is_some_and(|time| {
            let bytes = time.as_bytes();
            time.ends_with('Z') && bytes.len() >= 20 && bytes[4] == b'-' && bytes[10] == b'T'
        }),
        "number" => value.is_u64(),
        "bool" => value.is_boolean(),
        "null" => value.is_null(),
        "none" => value.as_array().is_some_and(Vec::is_empty),
        "object" => value.is_object(),
        "list" => value.is_array(),
        "texts" => value.as_array().is_some_and(|list| list.iter().all(Value::is_string)),
        "ids" => value.as_array().is_some_and(|list| list.iter().all(|one| is(one, "id"))),
        other => panic!("no such kind: {other}"),
    }
}

/// The members of a list, which must not be empty: nothing would be checked.
#[track_caller]
fn each<'a>(document: &'a Value, field: &str) -> &'a Vec<Value> {
    let list = document[field].as_array().unwrap_or_else(|| panic!("no list {field}: {document}"));
    assert!(!list.is_empty(), "{field} is empty: {document}");
    list
}

#[test]
fn a_company_its_units_and_its_agents() {
    let Company { mut alice, lab, .. } = company();
    let other = lab.node("founder");
    let init = other.ok(&["init", "--company", "Other", "--as", "founder"]);
    let fields = &["company.id:id", "company.name:text", "agent.id:id", "agent.name:text"];
    check("init", &init, fields);
    check("init", &init, &["device:id", "peer_id:text", "recovery_phrase:text"]);
    let words = init["recovery_phrase"].as_str().expect("words");
    assert_eq!(words.split_whitespace().count(), 24);

    alice.stop();
    alice.up();
    let ready = alice.ready().clone();
    check("up", &ready, &["ready:bool", "member:bool", "peer_id:text", "listen:texts", "api:text"]);
    assert!(ready.get("open").is_some_and(|open| open.is_null() || open.is_string()), "{ready}");
    let peer_id = ready["peer_id"].as_str().expect("an identity");
    for address in each(&ready, "listen") {
        assert!(address.as_str().is_some_and(|a| a.ends_with(&format!("/p2p/{peer_id}"))));
    }

    for (kind, name) in [("department", "Research"), ("role", "Trainer")] {
        let unit = alice.ok(&[kind, "new", name]);
        check(kind, &unit, &["id:id", "unit:text"]);
        assert_eq!(unit["unit"], format!("{kind}:{name}"));
    }
    let unit = alice.ok(&["group", "new", "Lab One", "--department", "Research"]);
    check("group", &unit, &["id:id", "unit:text"]);
    assert_eq!(unit["unit"], "group:Research/Lab One");
    for kind in ["department", "group", "role"] {
        for unit in each(&alice.ok(&[kind, "list"]), "units") {
            check(kind, unit, &["id:id", "unit:text"]);
        }
    }

    check("agent add", &alice.ok(&["agent", "add", "bob", "role:Trainer"]), MEMBER);
    check("agent remove", &alice.ok(&["agent", "remove", "bob", "role:Trainer"]), MEMBER);
    let agent = &["id:id", "name:text", "units:texts", "devices:ids", "active:bool"];
    for one in each(&alice.ok(&["agent", "list"]), "agents") {
        check("agent list", one, agent);
    }
    check("agent show", &alice.ok(&["agent", "show", "bob"]), agent);

    let mut dave = lab.node("dave");
    ask_to_join(&mut dave, &["--peer", &alice.address()]);
    let code = same_code(&alice, &dave);
    for request in each(&alice.ok(&["agent", "requests"]), "requests") {
        let fields = &["name:text", "device:id", "code:text", "expires:time", "name_taken:bool"];
        check("agent requests", request, &["device_of:null", "countersigned:bool"]);
        check("agent requests", request, fields);
    }
    let devices = alice.ok(&["device", "list"]);
    check("device list", &devices, &["agent.id:id", "agent.name:text", "requests:none"]);
    for device in each(&devices, "devices") {
        check("device list", device, &["id:id", "peer_id:text", "since:time", "this:bool"]);
        let fields = &["active:bool", "countersigned:bool", "unconfirmed:bool", "connected:bool"];
        check("device list", device, fields);
    }
    let waiting = dave.status();
    check("status of a newcomer", &waiting, &["join.state:text", "join.code:text"]);
    check("status of a newcomer", &waiting, &["member:bool", "company:null", "agent:null"]);
    let to = ["--to", "group:Support/Front Line"];
    let approve = [&["agent", "approve", "dave", "--code", &code][..], &to].concat();
    let approved = alice.ok(&approve);
    let fields = &["agent.id:id", "agent.name:text", "device:id", "units:texts"];
    check("agent approve", &approved, fields);
    wait_until("dave is a member", || (dave.status()["member"] == true).then_some(()));
}

#[test]
fn a_request_to_join() {
    let dave = crate::lab().node("dave");
    let join = dave.ok(&["join", "--as", "dave", "--no-wait"]);
    check("join", &join, &["state:text", "agent:text", "company:null", "code:null"]);
    assert_eq!(join["state"], "waiting");
}

#[test]
fn rooms_messages_and_status() {
    let company = company();
    company.open_support();
    let Company { alice, bob, .. } = company;
    let new = ["room", "new", "Lounge", "--permit", "role:Agent", "--permit", "agent:bob"];
    let room = alice.ok(&new);
    check("room new", &room, ROOM_FIELDS);
    assert_eq!(room["history"], "full");
    check("room show", &alice.ok(&["room", "show", "Lounge"]), ROOM_FIELDS);
    for principal in each(&room, "principals") {
        check("room new", principal, &["principal:text", "id:id", "gone:bool"]);
    }
    let permitted = alice.ok(&["room", "permit", "Lounge", "role:Manager"]);
    check("room permit", &permitted, ROOM_FIELDS);
    assert!(each(&permitted, "permissions").contains(&"role:Manager".into()));
    let closed = alice.ok(&["room", "unpermit", "Lounge", "role:Manager"]);
    check("room unpermit", &closed, ROOM_FIELDS);
    assert!(!each(&closed, "permissions").contains(&"role:Manager".into()));

    check("send", &bob.ok(&["send", ROOM, "hello"]), MESSAGE);
    let ran = bob.json_with_input(&["send", ROOM, "-"], b"one\ntwo\n");
    let lines = ran.documents();
    assert_eq!(lines.len(), 2);
    lines.iter().for_each(|line| check("send -", line, MESSAGE));
    wait_until("alice has them", || (alice.texts(ROOM).len() == 3).then_some(()));
    for line in each(&alice.ok(&["room", "list"]), "rooms") {
        let fields = &["id:id", "name:text", "unread:number", "active:bool", "access:bool"];
        check("room list", line, fields);
        let newest = if line["name"] == ROOM { "newest:time" } else { "newest:null" };
        check("room list", line, &["first_unread:null", newest]);
        assert_eq!(line["topic"], "");
    }
    let page = alice.ok(&["history", ROOM, "--limit", "2"]);
    check("history", &page, &["messages:list", "more:bool", "newer:bool"]);
    let messages = each(&page, "messages");
    messages.iter().for_each(|message| check("history", message, MESSAGE));
    let texts: Vec<_> = messages.iter().map(|message| message["text"].clone()).collect();
    assert_eq!((texts, &page["more"]), (vec!["one".into(), "two".into()], &true.into()));
    let oldest = messages[0]["id"].as_str().expect("an id");
    let page = alice.ok(&["history", ROOM, "--before", oldest]);
    assert_eq!(each(&page, "messages").len(), 1);
    assert_eq!((&page["more"], &page["newer"]), (&false.into(), &true.into()));

    let access = alice.ok(&["room", "access", ROOM]);
    check("room access", &access, &["room.id:id", "room.name:text", "agents:list"]);
    for agent in each(&access, "agents") {
        check("room access", agent, &["id:id", "name:text", "via:texts", "present:bool"]);
        assert_eq!(agent["via"], serde_json::json!(["department:Support"]));
    }
    wait_until("both are there", || {
        let there = alice.ok(&["room", "participants", ROOM]);
        (there["agents"].as_array()?.len() == 2).then_some(())
    });
    let there = alice.ok(&["room", "participants", ROOM]);
    check("room participants", &there, &["room.id:id", "room.name:text", "agents:list"]);
    for agent in each(&there, "agents") {
        check("room participants", agent, &["id:id", "name:text"]);
    }

    let status = alice.status();
    check("status", &status, &["company.id:id", "company.name:text", "agent.id:id"]);
    check("status", &status, &["agent.name:text", "device:id", "peer_id:text", "member:bool"]);
    check("status", &status, &["listen:texts", "control.digest:id", "control.objects:number"]);
    check("status", &status, &["verdicts:object", "alarms:list", "join:null"]);
    check("status", &status, &["admin.rank:number", "admin.may:texts", "admin.scope:null"]);
    for peer in each(&status, "peers") {
        check("status: peers", peer, &["peer_id:text", "agent:object", "addr:text"]);
    }
    for room in each(&status, "rooms") {
        let fields = &["id:id", "name:text", "messages:number", "digest:id", "sync:text"];
        check("status: rooms", room, fields);
    }
}

#[test]
fn unread_counts_what_others_wrote_until_it_is_read() {
    let company = company();
    company.open_support();
    let Company { alice, bob, .. } = company;
    let unread = || {
        let list = alice.ok(&["room", "list"]);
        each(&list, "rooms").iter().find(|line| line["name"] == ROOM).expect("it")["unread"].clone()
    };
    alice.send(ROOM, "my own");
    assert_eq!(unread(), 0);
    bob.send(ROOM, "one");
    bob.send(ROOM, "two");
    wait_until("two are unread", || (unread() == 2).then_some(()));
    assert_eq!(alice.texts(ROOM).len(), 3);
    assert_eq!(unread(), 0);
}
