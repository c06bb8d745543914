//! Text of others that tries to be more than text: on the page it is text.

use std::collections::BTreeSet;

use conclave_tests::hostile_text::corpus;
use conclave_tests::process::{Company, run, text, wait_until};
use serde_json::Value;

use crate::BINARY;
use crate::people::Desk;

/// What no text may bring onto the page, and what links must be like.
const FOREIGN: &str = "(() => {
    const inside = [...document.querySelectorAll('[aria-label=Conversation] .text, bdi')];
    const allowed = new Set(['A', 'SPAN', 'BDI', 'BR']);
    const elements = inside.flatMap((part) => [...part.querySelectorAll('*')]);
    const links = [...document.querySelectorAll('[aria-label=Conversation] a')];
    return {
        elements: elements.filter((one) => !allowed.has(one.tagName)).map((one) => one.outerHTML),
        scripts: [...document.scripts].filter((one) => !one.src.startsWith(location.origin)).length,
        frames: document.querySelectorAll('iframe, object, embed, base, form[action]').length,
        links: links.filter((link) => !['http:', 'https:'].includes(link.protocol)
            || !link.relList.contains('noopener') || !link.relList.contains('noreferrer'))
            .map((link) => link.outerHTML),
        raw: inside.map((part) => part.textContent)
            .filter((words) => /[\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\u202a-\\u202e\\u2066-\\u2069]/u.test(words)),
    };
})()";

/// Looks at what is on screen now.
#[track_caller]
fn is_only_text(desk: &Desk, view: &str) {
    desk.painted();
    let found = desk.eval(FOREIGN);
    let clean = serde_json::json!({
        "elements": [], "scripts": 0, "frames": 0, "links": [], "raw": [],
    });
    assert_eq!(found, clean, "{view}");
    assert_eq!(desk.faults(), [""; 0], "{view}");
}

#[test]
#[ignore = "needs chromium: run by .ci/run"]
fn hostile_text_is_text_everywhere_on_the_page() {
    let company = Company::new(BINARY);
    company.open_everyone();
    let Company { alice, bob, carol: _carol, .. } = company;
    // Whatever the node accepts as a name or a message; what it refuses is shown nowhere.
    let mut said = Vec::new();
    for hostile in corpus() {
        let Some(words) = hostile.text() else { continue };
        // Text with a zero byte cannot even be typed on a command line.
        if words.contains('\0') {
            continue;
        }
        for unit in ["department", "role"] {
            let _ = alice.json(&[unit, "new", "--", words]);
        }
        let room = ["room", "new", "--permit", "role:Agent", "--", words];
        let _ = alice.json(&room);
        let send = ["--json", "send", Company::EVERYONE, "--", words];
        let sent = run(bob.command(&send), &[]);
        if sent.code == 0 {
            said.push(text(&sent.document()["id"]));
        }
    }
    assert!(said.len() > 20, "only {} of the texts were said", said.len());
    let desk = Desk::at(alice);
    wait_until("alice has all of it", || {
        let history = desk.node.history(Company::EVERYONE);
        let ids: BTreeSet<String> = history.iter().map(|one| text(&one["id"])).collect();
        said.iter().all(|id| ids.contains(id)).then_some(())
    });
    is_only_text(&desk, "the list of rooms");
    desk.enter(Company::EVERYONE);
    desk.wait(
        "what was said is on screen",
        "document.querySelectorAll('[aria-label=Conversation] :is(li, article)').length > 20",
    );
    is_only_text(&desk, "a conversation");
    for page in ["units", "agents", "rooms", "audit", "devices", "alarms"] {
        let main = desk.admin(page);
        main.find("navigation", "Administration");
        desk.wait("it is read", "document.querySelector('main h1')");
        is_only_text(&desk, page);
    }
    let rooms = desk.node.ok(&["room", "list", "--all"]);
    let rooms = rooms["rooms"].as_array().expect("rooms");
    assert!(rooms.len() > 5, "only {} rooms got such a name", rooms.len());
    for room in rooms.iter().map(|room: &Value| text(&room["id"])) {
        desk.view(&format!("#/room/{room}"));
        desk.main().find("textbox", "Write a message");
        is_only_text(&desk, "a room");
    }
    desk.side().click("button", "New Chat Room");
    let dialog = desk.whole().find("dialog", "New Chat Room");
    dialog.click("button", "Add Permission");
    wait_until("permissions are offered", || (dialog.all("option").len() > 5).then_some(()));
    is_only_text(&desk, "Add Permission");
    assert_eq!(desk.browser.tabs(), 2, "no other tab was opened");
}
