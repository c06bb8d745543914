//! Every view of the page, one after the other, in a company that could be one.

use conclave_tests::process::text;
use serde_json::Value;

use crate::believable::Believable;
use crate::chrome::{Page, Theme};
use crate::people::Desk;

/// A wide screen, a narrow one, a phone.
pub(crate) const WIDTHS: [(u32, u32); 3] = [(1280, 800), (768, 1024), (360, 740)];

/// Nothing is being read any more.
const SETTLED: &str = "!document.querySelector('[aria-busy=true]')";

/// Shows each view to `look`, with its name.
#[track_caller]
pub(crate) fn each_view(mut look: impl FnMut(&str, &Page)) {
    let Believable { mut at_work, newcomer, .. } = Believable::new();
    let admin = at_work.remove(0);
    let waiting = Desk::at(newcomer);
    waiting.whole().says("Jonas Weber");
    look("waiting", &waiting);
    let desk = Desk::at(admin);
    let id = |list: &Value, name: &str| {
        let list = list.as_array().expect("a list");
        let found = list.iter().find(|one| one["name"] == name);
        text(&found.unwrap_or_else(|| panic!("{name} in {list:?}"))["id"])
    };
    let rooms = desk.node.ok(&["room", "list", "--all"]);
    let agents = desk.node.ok(&["agent", "list"]);
    let room = id(&rooms["rooms"], "Help Desk");
    let agent = id(&agents["agents"], "Bruno Keller");
    for (view, hash, words) in [
        ("home", String::new(), "Chat Rooms"),
        ("room", format!("#/room/{room}"), "Lunch?"),
        ("participants", format!("#/room/{room}/participants"), "Bruno Keller"),
        ("access", format!("#/room/{room}/access"), "Inés Márquez"),
        ("settings", "#/settings".to_owned(), "otification"),
        ("admin-units", "#/admin/units".to_owned(), "Night Shift"),
        ("admin-agents", "#/admin/agents".to_owned(), "Greta Lindqvist"),
        ("admin-agent", format!("#/admin/agents/{agent}"), "Bruno Keller"),
        ("admin-requests", "#/admin/requests".to_owned(), "Jonas Weber"),
        ("admin-rooms", "#/admin/rooms".to_owned(), "Trade Fair 2027"),
        ("admin-room", format!("#/admin/rooms/{room}"), "Help Desk"),
        ("admin-audit", "#/admin/audit".to_owned(), "Amelia Hart"),
        ("admin-devices", "#/admin/devices".to_owned(), "Bruno Keller"),
        ("admin-alarms", "#/admin/alarms".to_owned(), "larm"),
    ] {
        show(&desk, &hash, words);
        look(view, &desk);
    }
    show(&desk, &format!("#/room/{room}"), "Lunch?");
    desk.side().click("button", "New Chat Room");
    let dialog = desk.whole().find("dialog", "New Chat Room");
    dialog.fill("textbox", "Name", "Warehouse Move");
    for permission in ["Department Support", "Role On Call"] {
        desk.permit(&dialog, permission);
    }
    dialog.says("Dmitri Volkov");
    look("new", &desk);
    dialog.click("button", "Cancel");
    desk.whole().gone("dialog", "New Chat Room");
    desk.press("?");
    desk.whole().find("dialog", "Keys");
    look("keyboard", &desk);
}

#[track_caller]
fn show(desk: &Desk, hash: &str, words: &str) {
    desk.look(1280, 800, Theme::Light);
    desk.view(hash);
    desk.wait("nothing is being read any more", SETTLED);
    desk.whole().says(words);
}
