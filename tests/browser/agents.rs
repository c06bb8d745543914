//! Journeys of agents, A1 to A6: what they see and do all day.

use conclave_tests::process::{Company, Lab, ask_to_join, text, wait_until};

use crate::BINARY;
use crate::people::{Desk, Office, WAITING};

const SUPPORT: &str = Company::SUPPORT;
const EVERYONE: &str = Company::EVERYONE;

#[test]
#[ignore = "needs chromium: run by .ci/run"]
fn a1_a_newcomer_compares_a_code_with_the_admin_and_the_rooms_appear() {
    let lab = Lab::new(BINARY);
    let [mut alice, mut bob] = ["alice", "bob"].map(|name| lab.node(name));
    Company::found(&mut alice);
    alice.ok(&["room", "new", SUPPORT, "--permit", "department:Support"]);
    alice.ok(&["room", "new", "Managers", "--permit", "role:Manager"]);
    alice.send(SUPPORT, "written before bob came");
    ask_to_join(&mut bob, &["--peer", &alice.address()]);
    let (alice, bob) = (Desk::at(alice), Desk::at(bob));
    let code = wait_until("the code is known", || {
        bob.node.status()["join"]["code"].as_str().map(str::to_owned)
    });
    bob.whole().says(&code);
    alice.let_in("bob", &code, &["Group Support/Front Line"]);
    bob.lists(SUPPORT);
    assert!(!bob.has_line("Managers"), "a room that is not open to bob is not listed");
    bob.enter(SUPPORT);
    bob.reads("written before bob came");
}

#[test]
#[ignore = "needs chromium: run by .ci/run"]
fn a2_a_day_of_reading_and_writing() {
    let Office { alice, bob, carol } = Office::open();
    for desk in [&alice, &bob] {
        desk.lists(SUPPORT);
        desk.lists(EVERYONE);
    }
    assert!(!carol.has_line(SUPPORT), "carol is not in Support");
    alice.enter(SUPPORT);
    alice.write("good morning");
    alice.write("the queue is long");
    bob.unread(SUPPORT, 2);
    bob.enter(SUPPORT);
    bob.reads("the queue is long");
    bob.unread(SUPPORT, 0);
    bob.write("on my way");
    let seen = alice.reads("on my way");
    assert!(seen.contains("bob"), "a message says who wrote it: {seen}");
    let order = ["good morning", "the queue is long", "on my way"];
    for desk in [&alice, &bob] {
        wait_until("both show all of it in one order", || {
            (desk.order(&order) == order).then_some(())
        });
    }
    let participants = alice.tab("Participants");
    participants.says("alice");
    participants.says("bob");
    // He goes home, and stays on the list of those with access.
    let _bob = bob.leave();
    let access = alice.tab("With Access");
    for words in ["alice", "bob", "Department Support"] {
        access.says(words);
    }
    assert!(!access.text().contains("carol"), "carol has no access: {}", access.text());
    alice.tab("Chat Room");
    alice.reads("on my way");
}

#[test]
#[ignore = "needs chromium: run by .ci/run"]
fn a3_what_was_written_while_apart_is_there_once_in_one_order_without_a_storm() {
    let Office { alice, bob, carol } = Office::open();
    let desks = [&alice, &bob];
    for desk in desks {
        desk.wants_notifications();
        desk.enter(EVERYONE);
        desk.looked_at(false);
    }
    alice.write("before");
    bob.reads("before");
    wait_until("bob is told of what is new", || (bob.notifications().len() == 1).then_some(()));
    // Frozen, not ended: pages and sessions stay as they are.
    for node in [&bob.node, &carol.node] {
        node.signal("STOP");
    }
    let mine = ["alice one", "alice two", "alice three"];
    for words in mine {
        alice.write(words);
    }
    for words in mine {
        let line = alice.reads_with(words, WAITING);
        assert!(line.contains(words));
    }
    alice.node.signal("STOP");
    bob.node.signal("CONT");
    let his = ["bob one", "bob two", "bob three"];
    for words in his {
        bob.write(words);
    }
    bob.reads_with("bob three", WAITING);
    for node in [&alice.node, &carol.node] {
        node.signal("CONT");
    }
    let all: Vec<&str> = ["before"].into_iter().chain(mine).chain(his).collect();
    for desk in desks {
        wait_until("all of it is there once", || {
            (desk.order(&all).len() == all.len()).then_some(())
        });
    }
    wait_until("both show one order", || (alice.order(&all) == bob.order(&all)).then_some(()));
    let distinct: std::collections::BTreeSet<String> = alice.order(&all).into_iter().collect();
    assert_eq!(distinct.len(), all.len(), "each is there once");
    for words in all {
        alice.reads_without(words, WAITING);
    }
    let order = alice.order(&["alice one", "alice two", "alice three"]);
    assert_eq!(order, mine, "what one person writes stays in its order");
}

#[test]
#[ignore = "needs chromium: run by .ci/run"]
fn a3_old_history_is_no_news() {
    let Office { alice, mut bob, carol } = Office::open();
    bob.wants_notifications();
    bob.looked_at(false);
    bob.stop();
    alice.enter(EVERYONE);
    for number in 0..20 {
        alice.write(&format!("old news {number}"));
    }
    carol.lists(EVERYONE);
    carol.unread(EVERYONE, 20);
    bob.node.up();
    bob.unread(EVERYONE, 20);
    assert_eq!(bob.notifications(), [], "what was written while he was away is no news");
    alice.write("this is new");
    let told = wait_until("he is told of what is new", || {
        let told = bob.notifications();
        (!told.is_empty()).then_some(told)
    });
    assert_eq!(told.len(), 1, "{told:?}");
    let all = format!("{told:?}");
    assert!(all.contains("this is new") && all.contains("alice"), "{all}");
}

#[test]
#[ignore = "needs chromium: run by .ci/run"]
fn a4_a_room_appears_with_its_history_though_its_author_is_away() {
    let Office { alice, mut bob, carol } = Office::open();
    bob.enter(SUPPORT);
    bob.write("how to mend a printer");
    alice.enter(SUPPORT);
    alice.reads("how to mend a printer");
    bob.stop();
    assert!(!carol.has_line(SUPPORT));
    carol.wants_notifications();
    alice.node.ok(&["agent", "add", "carol", "group:Support/Front Line"]);
    carol.lists(SUPPORT);
    carol.enter(SUPPORT);
    let line = carol.reads("how to mend a printer");
    assert!(line.contains("bob"), "{line}");
    assert_eq!(carol.notifications(), [], "it was written before the room was open to her");
}

#[test]
#[ignore = "needs chromium: run by .ci/run"]
fn a5_a_refusal_says_what_is_missing() {
    let Office { alice, bob, carol: _carol } = Office::open();
    let room = alice.node.ok(&["room", "show", SUPPORT]);
    let room = text(&room["id"]);
    bob.enter(SUPPORT);
    alice.enter(SUPPORT);
    bob.write("still here");
    alice.reads("still here");
    bob.may_fail_to_load();
    bob.draft("a word that comes too late");
    alice.node.ok(&["agent", "remove", "bob", "group:Support/Front Line"]);
    bob.lists_no_more(SUPPORT);
    // The room is gone, and its address says why.
    bob.view(&format!("#/room/{room}"));
    bob.main().says("You have no access to this room now");
    bob.main().says("no permission of it matches you now");
    bob.main().says("a word that comes too late");
    assert!(bob.messages().is_empty(), "nothing of it is shown any more");
    alice.reads("still here");
    assert!(alice.order(&["a word that comes too late"]).is_empty());
}

#[test]
#[ignore = "needs chromium: run by .ci/run"]
fn a6_an_instant_message_reaches_several_and_one_who_was_away() {
    let Office { alice, bob, mut carol } = Office::open();
    carol.stop();
    alice.whole().click("button", "New Instant Message");
    let dialog = alice.whole().find("dialog", "New Instant Message");
    for name in ["bob", "carol"] {
        dialog.fill("combobox", "Search agents", name);
        dialog.click("option", name);
        dialog.find("button", &format!("Remove {name}"));
    }
    dialog.click("button", "Ok");
    alice.whole().gone("dialog", "New Instant Message");
    assert!(!bob.has_line("alice, carol"), "nobody is bothered before the first message");
    alice.write("a word between us");
    bob.enter("alice, carol");
    let line = bob.reads("a word between us");
    assert!(line.contains("alice"), "{line}");
    bob.write("heard");
    alice.reads("heard");
    carol.node.up();
    carol.enter("alice, bob");
    carol.reads("a word between us");
    carol.reads("heard");
    carol.write("me too");
    for desk in [&alice, &bob] {
        desk.reads("me too");
    }
    let order = ["a word between us", "heard", "me too"];
    for desk in [&alice, &bob, &carol] {
        wait_until("all show one order", || (desk.order(&order) == order).then_some(()));
    }
}
