//! Several windows of one browser, which has six connections to a node for all of them.

use conclave_tests::process::{Company, Lab, text};
use serde_json::json;

use crate::BINARY;
use crate::chrome::Page;
use crate::people::Desk;

const EVERYONE: &str = Company::EVERYONE;

fn shows(page: &Page, words: &str) {
    let conversation = "document.querySelector('main').innerText";
    page.wait(words, &format!("{conversation}.includes({})", json!(words)));
}

#[test]
#[ignore = "needs chromium: run by .ci/run"]
fn more_windows_than_a_browser_has_connections_all_go_on() {
    let lab = Lab::new(BINARY);
    let mut alice = lab.node("alice");
    Company::found(&mut alice);
    alice.ok(&["room", "new", EVERYONE, "--permit", "role:Agent"]);
    let mut desk = Desk::at(alice);
    desk.lists(EVERYONE);
    desk.enter(EVERYONE);
    let address =
        format!("{}/{}", text(&desk.node.ready()["api"]), text(&desk.eval("location.hash")));
    let windows: Vec<Page> = (0..8).map(|_| desk.browser.open(&address)).collect();
    desk.node.send(EVERYONE, "to all windows");
    for window in &windows {
        shows(window, "to all windows");
    }
    let last = windows.last().expect("one of them");
    last.eval("document.querySelector('.composer textarea').focus()");
    last.write("from the last window");
    last.press("Enter");
    shows(&desk, "from the last window");
    // The first window holds the stream for all. Another takes over, and misses nothing.
    // Neither the closed one nor one that is kept for Back keeps the others from it.
    let back = &windows[0];
    back.take_faults();
    back.go("about:blank");
    desk.page.cdp("Page.close", &json!({}));
    desk.node.send(EVERYONE, "somebody else listens now");
    for window in &windows[1..] {
        shows(window, "somebody else listens now");
    }
    // All of them notice that the node is away, and that it is back.
    back.eval("setTimeout(() => history.back()) && true");
    shows(back, "somebody else listens now");
    for window in &windows {
        window.may_fail_to_load();
    }
    desk.node.stop();
    let words = "document.body.innerText.includes('The node is not running')";
    for window in &windows {
        window.wait("it is told", words);
    }
    desk.node.up();
    desk.node.send(EVERYONE, "back again");
    for window in &windows {
        shows(window, "back again");
    }
}
