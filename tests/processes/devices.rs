//! A second computer of one person: let in, the same everywhere, and stolen.

use conclave_tests::process::{Company, Node, ask_to_join, text, wait_until};
use serde_json::Value;

use crate::company;

const ROOM: &str = Company::SUPPORT;

/// The request that a device shows which is no admin's, once the new one shows the same code.
fn code_at(first: &Node, second: &Node) -> String {
    wait_until("both of bob's computers show one code", || {
        let status = second.status();
        let listed = first.ok(&["device", "list"]);
        let mut requests = listed["requests"].as_array().expect("requests").iter();
        let request = requests.find(|request| request["device"] == status["device"])?;
        assert_eq!((&request["name"], &request["confirmed"]), (&"bob".into(), &false.into()));
        let code = text(&request["code"]);
        (status["join"]["code"] == code.as_str()).then_some(code)
    })
}

fn line_of(node: &Node, device: &Value) -> Value {
    let listed = node.ok(&["device", "list"]);
    let devices = listed["devices"].as_array().expect("devices");
    devices.iter().find(|one| one["id"] == *device).expect("it is listed").clone()
}

#[track_caller]
fn all_show(nodes: &[&Node], texts: &[&str]) {
    let mut wanted: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
    wanted.sort_unstable();
    for node in nodes {
        wait_until(&format!("{} shows all", node.home().display()), || {
            let mut shown = node.texts(ROOM);
            shown.sort_unstable();
            (shown == wanted).then_some(())
        });
    }
}

/// Alice, bob, and bob's second computer, let in.
fn bob_has_two() -> (Company, Node) {
    let company = company();
    company.open_support();
    company.bob.send(ROOM, "before the second");
    let mut second = company.lab.node("bob's second");
    second.ok(&["join", "--no-wait", "--as", "bob", "--peer", &company.bob.address()]);
    second.up();
    let code = code_at(&company.bob, &second);
    company.bob.fails(&["device", "add", "AAAA-AAAA"], 4, "wrong_code");
    let typed = code.to_lowercase();
    let added = company.bob.ok(&["device", "add", "--code", &typed]);
    assert_eq!((&added["state"], &added["admins"]), (&"waiting".into(), &1.into()));
    assert_eq!(added["device"], second.status()["device"]);
    let request = wait_until("the request at the admin", || {
        company.alice.ok(&["agent", "requests"])["requests"].get(0).cloned()
    });
    assert_eq!((&request["name"], &request["code"]), (&"bob".into(), &code.as_str().into()));
    assert_eq!((&request["countersigned"], &request["name_taken"]), (&true.into(), &false.into()));
    assert_eq!(request["device_of"]["name"], "bob");
    let shown = company.alice.say(&["agent", "requests"]).stdout;
    assert!(shown.contains("another device") && shown.contains(&code), "{shown}");
    let approved = company.alice.ok(&["agent", "approve", "bob", "--code", &code]);
    assert_eq!(approved["device"], added["device"]);
    wait_until("it is a member", || (second.status()["member"] == true).then_some(()));
    (company, second)
}

#[test]
fn a_second_computer_shows_the_same_and_a_stolen_one_goes() {
    let (Company { alice, bob, carol: _carol, .. }, mut second) = bob_has_two();
    let device = second.status()["device"].clone();
    assert_eq!(second.status()["agent"], bob.status()["agent"]);
    wait_until("it lists the room", || second.lists(ROOM).then_some(()));
    all_show(&[&alice, &bob, &second], &["before the second"]);
    second.send(ROOM, "from the second");
    bob.send(ROOM, "from the first");
    let before = ["before the second", "from the second", "from the first"];
    all_show(&[&alice, &bob, &second], &before);
    let rooms = |node: &Node| node.ok(&["room", "list"])["rooms"].clone();
    let names = |node: &Node| {
        let rooms = rooms(node);
        let rooms = rooms.as_array().expect("rooms").iter();
        rooms.map(|room| (room["id"].clone(), room["unread"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(names(&bob), names(&second));
    // One conversation reaches both.
    alice.ok(&["im", "bob", "to both of you"]);
    for node in [&bob, &second] {
        wait_until("the instant message", || {
            let instants = node.ok(&["im"])["instants"].clone();
            (instants.as_array().map(Vec::len) == Some(1)).then_some(())
        });
    }
    let line = line_of(&bob, &device);
    assert_eq!((&line["active"], &line["countersigned"]), (&true.into(), &true.into()));
    assert_eq!((&line["this"], &line["unconfirmed"]), (&false.into(), &false.into()));
    assert_eq!(line["peer_id"], second.status()["peer_id"]);
    assert_eq!(alice.status()["alarms"], serde_json::json!([]));

    // Stolen: bob says what stays, the admin makes it so.
    let id = text(&device);
    let ran = bob.json(&["device", "remove", &id[..8], "--strict"]);
    ran.assert_problem(4, "not_admin");
    let hint = bob.say(&["device", "remove", &id[..8], "--strict"]).stderr;
    let (_, line) = hint.split_once("conclave agent revoke ").expect("what an admin types");
    let words: Vec<&str> = line.lines().next().expect("a line").split(' ').collect();
    assert!(words.contains(&"--keep"), "{line}");
    alice.ok(&[&["agent", "revoke"][..], &words].concat());
    // Whether or not the thief's node has heard of it, nobody takes what it writes.
    second.json(&["send", ROOM, "by the thief"]);
    bob.send(ROOM, "after the theft");
    all_show(&[&alice, &bob], &[&before[..], &["after the theft"]].concat());
    let line = line_of(&bob, &device);
    assert_eq!(line["active"], false);
    second.stop();
    all_show(&[&alice, &bob], &[&before[..], &["after the theft"]].concat());
    bob.fails(&["device", "remove", &id], 6, "conflict");
    let own = text(&bob.status()["device"]);
    bob.fails(&["device", "remove", &own], 2, "usage");
    alice.fails(&["device", "remove", &own], 6, "conflict");
}

#[test]
fn an_admin_adds_and_removes_an_own_computer_alone() {
    let Company { alice, bob, lab, .. } = {
        let company = company();
        company.open_support();
        company
    };
    alice.send(ROOM, "hello");
    let mut second = lab.node("alice's second");
    second.ok(&["join", "--no-wait", "--as", "alice", "--peer", &alice.address()]);
    second.up();
    let code = wait_until("the request", || {
        let request = alice.ok(&["device", "list"])["requests"].get(0).cloned()?;
        (second.status()["join"]["code"] == request["code"]).then(|| text(&request["code"]))
    });
    alice.fails(&["agent", "approve", "alice", "--code", &code], 6, "conflict");
    let added = alice.ok(&["device", "add", &code]);
    assert_eq!(added["state"], "admitted");
    wait_until("it is a member", || (second.status()["member"] == true).then_some(()));
    wait_until("it lists the room", || second.lists(ROOM).then_some(()));
    second.send(ROOM, "from the second");
    all_show(&[&alice, &bob, &second], &["hello", "from the second"]);
    let device = text(&added["device"]);
    let removed = alice.ok(&["device", "remove", &device, "--strict"]);
    assert_eq!(removed["agent"]["name"], "alice");
    all_show(&[&alice, &bob], &["hello", "from the second"]);
    wait_until("it may nothing any more", || {
        (second.json(&["send", ROOM, "x"]).code == 4).then_some(())
    });
}

#[test]
fn where_all_computers_are_lost_an_admin_decides_alone_and_all_are_warned() {
    let Company { alice, mut bob, carol, lab } = company();
    bob.kill_nine();
    let other = lab.path().join("other");
    std::fs::create_dir(&other).expect("a folder");
    let mut waits = lab.node_in(&other, "bob");
    ask_to_join(&mut waits, &["--peer", &alice.address()]);
    wait_until("word that the name is taken", || {
        (waits.status()["join"]["name_taken"] == true).then_some(())
    });
    assert_eq!(alice.ok(&["agent", "requests"])["requests"], serde_json::json!([]));
    waits.stop();
    ask_to_join(&mut waits, &["--others-lost", "--peer", &alice.address()]);
    let code = conclave_tests::process::same_code(&alice, &waits);
    alice.fails(&["agent", "approve", "bob", "--code", &code], 6, "conflict");
    alice.ok(&["agent", "approve", "bob", "--code", &code, "--another-device"]);
    wait_until("it is a member", || (waits.status()["member"] == true).then_some(()));
    for node in [&alice, &carol, &waits] {
        wait_until("the warning", || {
            let alarms = node.status()["alarms"].clone();
            let kinds = alarms.as_array()?.iter().map(|alarm| alarm["kind"].clone());
            kinds.into_iter().any(|kind| kind == "uncountersigned_device").then_some(())
        });
    }
    let shown = alice.say(&["device", "list", "bob"]).stdout;
    assert!(shown.contains("CONFIRMED BY NONE"), "{shown}");
    let shown = alice.say(&["agent", "show", "bob"]).stdout;
    assert!(shown.contains("CONFIRMED BY NONE"), "{shown}");
}
