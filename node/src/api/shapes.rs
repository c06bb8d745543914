//! The documented shapes of JSON, compared field by field.

use std::collections::BTreeSet;

use conclave_protocol::engine::{Failure, FailureKind};
use conclave_protocol::id::{AgentId, CompanyId, DeviceId, ObjectId, RoomId, UnitId};
use conclave_protocol::object::{HistoryPolicy, UnitKind};
use conclave_protocol::room::ClockNote;
use conclave_protocol::time::Timestamp;
use conclave_protocol::view;
use serde::Serialize;
use serde_json::{Value, json};

use super::convert;
use super::types::{
    Access, AccessLine, AccessPreview, Admin, Agent, AgentRoom, Approved, Change, ChangeRequest,
    ControlEntry, DryRun, ErrorDocument, Instant, Join, JoinRequest, LogEntry, Member, Message,
    Named, Page, Participants, Principal, Problem, Refused, Room, RoomLine, Status, Unit, Why,
};
use crate::handle::NetInfo;

fn fields(value: impl Serialize) -> BTreeSet<String> {
    match serde_json::to_value(value).expect("JSON") {
        Value::Object(object) => object.into_iter().map(|(name, _)| name).collect(),
        other => panic!("not an object: {other}"),
    }
}

#[track_caller]
fn check(value: impl Serialize, documented: &str) {
    let documented = documented.split_whitespace().map(str::to_owned).collect();
    assert_eq!(fields(value), documented);
}

fn agent() -> view::AgentRef {
    view::AgentRef { id: AgentId([1; 32]), name: "alice".into() }
}

fn room() -> view::RoomRef {
    view::RoomRef { id: RoomId([2; 32]), name: "Support".into() }
}

fn company() -> view::CompanyRef {
    view::CompanyRef { id: CompanyId([3; 32]), name: "Example".into() }
}

fn message() -> view::MessageView {
    view::MessageView {
        id: ObjectId([0xab; 32]),
        room: room(),
        author: agent(),
        device: DeviceId([4; 32]),
        height: 7,
        time: Timestamp(1_795_415_000_123),
        text: "hello\n\u{1b}".into(),
        state: view::MessageState::Pending,
        incomplete: false,
        late: false,
        clock: None,
    }
}

fn join() -> view::JoinView {
    view::JoinView {
        state: view::JoinState::Waiting,
        agent: "bob".into(),
        company: Some(company()),
        code: Some("ABCD-EFGH".into()),
        name_taken: false,
    }
}

fn status(member: bool) -> Status {
    let device = DeviceId([5; 32]);
    let stranger = DeviceId([6; 32]);
    let peer = |device| view::PeerView { device, agent: Some(agent()) };
    let view = view::StatusView {
        company: Some(company()),
        agent: Some(agent()),
        device: DeviceId([4; 32]),
        member,
        join: Some(join()),
        peers: vec![peer(device), peer(stranger)],
        control_digest: ObjectId([8; 32]),
        control_objects: 12,
        rooms: vec![view::RoomStatus {
            room: room(),
            messages: 3,
            locked: 1,
            digest: ObjectId([9; 32]),
            sync: "complete".into(),
            instant: false,
        }],
        verdicts: vec![("no_membership", 1)],
        applied: view::AppliedView {
            applied: 2,
            devices: 3,
            missing: vec![view::MissingDevice { agent: agent(), device, last_seen: None }],
        },
        alarms: vec![view::AlarmView {
            kind: "equivocation",
            message: "ask".into(),
            objects: vec![ObjectId([1; 32])],
        }],
        copied: false,
        presence: true,
        admin: Some(view::OwnAuthority { rank: 1, may: vec!["units"], scope: None }),
    };
    let mut net = NetInfo { peer_id: "12D3".into(), ..NetInfo::default() };
    net.peers.insert(device, ("12D4".into(), "/ip4/127.0.0.1/tcp/1".into()));
    convert::status(view, net)
}

#[test]
fn message_is_as_documented() {
    let json = serde_json::to_value(Message::from(message())).expect("JSON");
    let hex = |byte: &str| byte.repeat(32);
    let expected = json!({
        "id": hex("ab"),
        "room": { "id": hex("02"), "name": "Support" },
        "author": { "id": hex("01"), "name": "alice" },
        "device": hex("04"),
        "height": 7,
        "time": "2026-11-23T06:23:20.123Z",
        "text": "hello\n\u{1b}",
        "state": "pending",
    });
    assert_eq!(json, expected);
    let text = serde_json::to_string(&json).expect("JSON");
    assert!(!text.contains('\u{1b}') && !text.contains('\n'), "one line, nothing that acts");
}

#[test]
fn shapes_are_as_documented() {
    let view = view::InstantView {
        room: room(),
        agents: vec![(agent(), true)],
        unread: 2,
        first_unread: Some(ObjectId([5; 32])),
        newest: Some(Timestamp(1)),
        access: true,
    };
    let instant = Instant::from(view);
    check(&instant.agents[0], "id name active");
    check(instant, "id name agents unread first_unread newest access");
    check(
        Page::from(view::Page { messages: vec![message()], ..view::Page::default() }),
        "messages more newer",
    );
    let unit =
        view::UnitView { id: UnitId::ROLE_AGENT, kind: UnitKind::Role, label: "role:Agent".into() };
    check(Unit::from(unit), "id unit");
    let view = view::AgentView { agent: agent(), units: vec![], devices: vec![], active: true };
    check(Agent::from(view), "id name units devices active");
    let request = view::JoinRequestView {
        name: "bob".into(),
        device: DeviceId([4; 32]),
        code: "ABCD-EFGH".into(),
        expires: Timestamp(1),
        name_taken: false,
        device_of: None,
        countersigned: false,
    };
    check(
        JoinRequest::from(request),
        "name device code expires name_taken device_of countersigned",
    );
    let alice = Named::from(agent());
    let device = DeviceId([4; 32]);
    check(Approved { agent: alice.clone(), device, units: vec![] }, "agent device units");
    check(Refused { name: "bob".into(), device }, "name device");
    let member = Member { agent: alice.clone(), unit: "role:M".into(), object: ObjectId([1; 32]) };
    check(member, "agent unit object");
    let view = view::RoomView {
        room: room(),
        topic: "Calls".into(),
        history: HistoryPolicy::Full,
        active: true,
        permissions: vec!["role:Agent".into()],
        principals: vec![view::PermittedView {
            principal: "role:Agent".into(),
            id: UnitId::ROLE_AGENT.into(),
            gone: false,
        }],
    };
    let shown = Room::from(view);
    assert_eq!(shown.history, "full");
    check(&shown.principals[0], "principal id gone");
    check(shown, "id name history active permissions topic principals");
    let line = view::RoomLine {
        room: room(),
        unread: 1,
        active: true,
        access: true,
        topic: String::new(),
        first_unread: Some(ObjectId([1; 32])),
        newest: Some(Timestamp(1)),
    };
    check(RoomLine::from(line), "id name unread active access topic first_unread newest");
    let line = view::AccessLine { agent: agent(), via: vec![], present: true };
    let line = AccessLine::from(line);
    check(line.clone(), "id name via present");
    check(Access { room: room().into(), agents: vec![line] }, "room agents");
    check(Participants { room: room().into(), agents: vec![alice.clone()] }, "room agents");
    check(alice, "id name");
    check(Join::from(join()), "state agent company code name_taken");
    let entry = view::ControlEntry {
        id: ObjectId([1; 32]),
        kind: "genesis",
        height: 1,
        author: device,
        bytes: vec![0, 0xff],
    };
    let entry = ControlEntry::from(entry);
    assert_eq!(entry.bytes, "00ff");
    check(entry, "id kind height author bytes");
}

#[test]
fn status_is_as_documented() {
    let shown = status(true);
    assert_eq!(shown.peers.len(), 1, "a peer without a connection is not shown");
    check(
        shown.clone(),
        "company agent device peer_id member join listen peers control applied rooms verdicts \
         alarms presence admin",
    );
    let json = serde_json::to_value(&shown).expect("JSON");
    check(&json["peers"][0], "peer_id device agent addr");
    check(&json["control"], "digest objects");
    check(&json["rooms"][0], "id name messages locked digest sync kind");
    check(&json["alarms"][0], "kind message objects");
    check(&json["admin"], "rank may scope");
    check(&json["applied"], "devices applied missing");
    check(&json["applied"]["missing"][0], "agent device last_seen");
    assert_eq!(json["verdicts"], json!({ "no_membership": 1 }));
    let stranger = serde_json::to_value(status(false)).expect("JSON");
    assert_eq!((&stranger["company"], &stranger["agent"]), (&Value::Null, &Value::Null));
}

fn admin() -> view::AdminView {
    view::AdminView {
        grant: ObjectId([1; 32]),
        agent: agent(),
        device: DeviceId([4; 32]),
        rank: 2,
        may: vec!["units"],
        scope: Some("department:Support".into()),
        in_force: true,
        ended_by: vec![],
    }
}

#[test]
fn authority_is_as_documented() {
    check(Admin::from(admin()), "grant agent device rank may scope in_force ended_by");
    let preview = view::Preview {
        rooms: vec![view::RoomPreview {
            room: room(),
            lose: vec![agent()],
            gain: vec![],
            messages_lost: None,
            nobody_left: true,
        }],
        admins_ended: vec![admin()],
        ..view::Preview::default()
    };
    let dry = DryRun { dry_run: true, subject: "bob".into(), effects: preview.into() };
    let json = serde_json::to_value(dry).expect("JSON");
    check(
        &json,
        "dry_run subject rooms dismissed returned admins_ended voided restored warnings powerless \
         kept",
    );
    check(&json["rooms"][0], "room lose gain messages_lost nobody_left");
    assert_eq!(json["rooms"][0]["messages_lost"], Value::Null);
    let line = view::LogLine {
        id: ObjectId([1; 32]),
        kind: "genesis",
        height: 1,
        author: DeviceId([4; 32]),
        seq: 1,
        agent: None,
        authority: None,
        rank: Some(0),
        state: "counts",
        text: "founds".into(),
        cut_by: vec![],
        ratify: None,
        heard: None,
    };
    check(
        LogEntry::from(line),
        "id kind height seq author agent authority rank state text cut_by ratify heard",
    );
    let link = view::WhyLink {
        id: ObjectId([1; 32]),
        kind: "genesis",
        author: "the root key".into(),
        holds: true,
        text: "founds".into(),
        heard: Some(Timestamp(0)),
    };
    let why = view::WhyView {
        id: ObjectId([1; 32]),
        kind: None,
        state: "parked".into(),
        summary: "waits".into(),
        chain: vec![link],
        failing: None,
        cut_by: vec![],
        ended_by: vec![],
        missing: vec![],
        ratify: None,
    };
    let json = serde_json::to_value(Why::from(why)).expect("JSON");
    check(&json, "id kind state summary chain failing cut_by ended_by missing ratify");
    check(&json["chain"][0], "id kind author holds text heard");
    assert_eq!(json["chain"][0]["heard"], "1970-01-01T00:00:00.000Z");
}

#[test]
fn people_are_as_documented() {
    let line = view::AccessLine { agent: agent(), via: vec!["role:Agent".into()], present: false };
    let preview = view::AccessPreview { agents: vec![line], unknown: vec!["bob".into()] };
    let json = serde_json::to_value(AccessPreview::from(preview)).expect("JSON");
    check(&json, "agents unknown");
    check(&json["agents"][0], "id name via");
    let principal = view::PrincipalView {
        principal: "department:Support".into(),
        id: ObjectId([1; 32]),
        kind: "department",
        name: "Support".into(),
        members: 3,
    };
    check(Principal::from(principal), "principal id kind name members");
    let room = view::AgentRoom { room: room(), active: true, via: vec!["role:Agent".into()] };
    check(AgentRoom::from(room), "id name active via");
}

#[test]
fn what_is_rare_is_there_only_when_it_is_so() {
    let mut view = message();
    view.late = true;
    view.clock = Some(ClockNote::Behind);
    let json = serde_json::to_value(Message::from(view)).expect("JSON");
    assert_eq!((&json["late"], &json["clock"]), (&json!(true), &json!("behind")));
}

#[test]
fn changes_are_read_as_documented() {
    let moves = json!({ "change": "move_member", "agent": "bob", "from": ["a"], "to": ["b"] });
    for change in [
        moves,
        json!({ "change": "add_member", "agent": "bob", "unit": "role:M" }),
        json!({ "change": "permit", "room": "Hall", "unit": "role:M" }),
        json!({ "change": "set_topic", "room": "Hall", "topic": "Calls" }),
    ] {
        let read: ChangeRequest = serde_json::from_value(change.clone()).expect("a change");
        assert_eq!(serde_json::to_value(read).expect("JSON"), change);
    }
    let read = |json: Value| serde_json::from_value::<ChangeRequest>(json).expect("a change");
    let request = read(json!({ "change": "revoke_agent", "agent": "bob", "root": "00" }));
    let Change::RevokeAgent { agent, device: None, strict: false, keep, last_good: None } =
        request.change
    else {
        panic!("another change")
    };
    assert_eq!((agent.as_str(), keep.len(), request.root.as_deref()), ("bob", 0, Some("00")));
    let request = read(json!({ "change": "delete_room", "room": "Hall" }));
    let written = serde_json::to_value(request).expect("JSON");
    assert_eq!(written, json!({ "change": "delete_room", "room": "Hall" }));
}

#[test]
fn errors_are_as_documented() {
    let failure = Failure::new(FailureKind::NotMember, "not yet", "ask");
    let document = ErrorDocument { error: Problem::from(failure) };
    let expected =
        json!({ "error": { "kind": "not_member", "message": "not yet", "hint": "ask" } });
    assert_eq!(serde_json::to_value(document).expect("JSON"), expected);
}
