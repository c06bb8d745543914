//! People at their desks: a node each, a browser in front of it, and what they do on the page.
//!
//! All that is known of the page's frame stands here: the words and roles that it shows.

use std::ops::Deref;

use conclave_tests::process::{Company, Node, text, wait_until};

use crate::BINARY;
use crate::chrome::{Browser, Page, Part};

/// What stands beside a message that nobody else has yet.
pub(crate) const WAITING: &str = "Waiting: no other device has it yet";

/// A node and a browser in front of it, signed in by the link that the node printed.
pub(crate) struct Desk {
    // In the order in which they end: first who looks, last what is looked at.
    pub(crate) page: Page,
    pub(crate) browser: Browser,
    pub(crate) node: Node,
}

impl Desk {
    /// Sits down in front of a node that is up.
    #[track_caller]
    pub(crate) fn at(node: Node) -> Self {
        let browser = Browser::start();
        let page = browser.open(&text(&node.ready()["open"]));
        page.wait("the page is there", "document.querySelector('main')");
        Self { page, browser, node }
    }

    /// Takes the node down; the page stays and says so.
    #[track_caller]
    pub(crate) fn stop(&mut self) {
        self.page.may_fail_to_load();
        self.node.stop();
        self.whole().says("The node is not running");
    }

    /// Goes home: the node is down, the browser is closed.
    #[track_caller]
    pub(crate) fn leave(self) -> Node {
        let Self { page, browser, mut node } = self;
        drop((page, browser));
        node.stop();
        node
    }

    /// The list of rooms and instant messages at the side.
    #[track_caller]
    pub(crate) fn side(&self) -> Part<'_> {
        self.whole().find("navigation", "Rooms and instant messages")
    }

    /// Whether a room or instant message is listed now.
    #[track_caller]
    pub(crate) fn has_line(&self, place: &str) -> bool {
        self.side().has("link", place)
    }

    /// Waits until a room or instant message is listed.
    #[track_caller]
    pub(crate) fn lists(&self, place: &str) {
        self.side().find("link", place);
    }

    /// Waits until it is listed no more.
    #[track_caller]
    pub(crate) fn lists_no_more(&self, place: &str) {
        self.side().gone("link", place);
    }

    /// Waits until it is listed with so many unread messages.
    #[track_caller]
    pub(crate) fn unread(&self, place: &str, count: usize) {
        let words = match count {
            0 => String::new(),
            1 => ", 1 unread message".to_owned(),
            _ => format!(", {count} unread messages"),
        };
        let wanted = format!("{place}{words}");
        // Whether somebody of an instant message is there comes behind it.
        let fits = |name: &String| {
            *name == wanted || (name.starts_with(&wanted) && name.ends_with(" present"))
        };
        let what = format!("{} lists {wanted:?}", self.node.name());
        wait_until(&what, || self.side().names("link").iter().any(fits).then_some(()));
    }

    /// Opens a room or an instant message from the list.
    #[track_caller]
    pub(crate) fn enter(&self, place: &str) {
        self.side().click("link", place);
        self.main().find("heading", place);
    }

    /// What is beside the list.
    #[track_caller]
    pub(crate) fn main(&self) -> Part<'_> {
        self.whole().find("main", "")
    }

    /// Goes to one of the tabs of the open room, and gives what it shows.
    #[track_caller]
    pub(crate) fn tab(&self, name: &str) -> Part<'_> {
        self.main().click("tab", name);
        self.main().find("tabpanel", name)
    }

    /// Writes into the open room, without sending it.
    #[track_caller]
    pub(crate) fn draft(&self, words: &str) {
        self.main().fill("textbox", "Write a message", words);
    }

    /// Writes into the open room.
    #[track_caller]
    pub(crate) fn write(&self, words: &str) {
        self.draft(words);
        self.press("Enter");
    }

    /// Adds a permission in a dialog that has Add Permission, such as `Department Support`.
    #[track_caller]
    pub(crate) fn permit(&self, dialog: &Part<'_>, permission: &str) {
        const SEARCH: &str = "Search Departments, Groups, Roles, agents";
        if !dialog.has("combobox", SEARCH) {
            dialog.click("button", "Add Permission");
        }
        let (_, name) = permission.split_once(' ').expect("a kind and a name");
        dialog.fill("combobox", SEARCH, name.rsplit('/').next().expect("a name"));
        dialog.click("option", permission);
        dialog.find("button", &format!("Remove {permission}"));
    }

    /// The messages of the conversation, from top to bottom, each with all that it says.
    #[track_caller]
    pub(crate) fn messages(&self) -> Vec<String> {
        let conversation = self.whole().named("region", "Conversation");
        let [conversation] = conversation.as_slice() else { return Vec::new() };
        // One call for all of them, so that they are of one moment.
        const LINES: &str = "function() {
            return [...this.querySelectorAll('li, article')].map((line) => line.innerText);
        }";
        let lines = conversation.try_call(LINES, &[]).unwrap_or_default();
        let lines = lines.as_array().cloned().unwrap_or_default();
        lines.iter().filter_map(|line| line.as_str().map(str::to_owned)).collect()
    }

    /// Waits until a message with these words is on screen, and gives all that is said of it.
    #[track_caller]
    pub(crate) fn reads(&self, words: &str) -> String {
        self.reads_if(words, "", |_| true)
    }

    /// Waits until more is said of a message.
    #[track_caller]
    pub(crate) fn reads_with(&self, words: &str, more: &str) -> String {
        self.reads_if(words, &format!(" with {more:?}"), |line| line.contains(more))
    }

    /// Waits until that is said of a message no longer.
    #[track_caller]
    pub(crate) fn reads_without(&self, words: &str, more: &str) -> String {
        self.reads_if(words, &format!(" without {more:?}"), |line| !line.contains(more))
    }

    #[track_caller]
    fn reads_if(&self, words: &str, how: &str, is: impl Fn(&str) -> bool) -> String {
        let what = format!("{} reads {words:?}{how}", self.node.name());
        let wanted = |line: &String| line.contains(words) && is(line);
        wait_until(&what, || self.messages().into_iter().find(wanted))
    }

    /// Of these texts those that are on screen, in the order and as often as they are there.
    #[track_caller]
    pub(crate) fn order(&self, texts: &[&str]) -> Vec<String> {
        let find = |line: String| {
            texts.iter().find(|text| line.lines().any(|part| part.trim() == **text)).copied()
        };
        self.messages().into_iter().filter_map(find).map(str::to_owned).collect()
    }

    /// Waits until the settings say that desktop notifications are on, as they are at first.
    #[track_caller]
    pub(crate) fn wants_notifications(&self) {
        self.view("#/settings");
        self.main().find("button", "Turn notifications off");
    }
}

impl Deref for Desk {
    type Target = Page;

    fn deref(&self) -> &Page {
        &self.page
    }
}

/// Three people, each at a desk of their own: alice the admin in Support, bob in Support, carol
/// in Sales.
pub(crate) struct Office {
    pub(crate) alice: Desk,
    pub(crate) bob: Desk,
    pub(crate) carol: Desk,
}

impl Office {
    /// Founds it; there are the rooms [`Company::SUPPORT`] and [`Company::EVERYONE`].
    #[track_caller]
    pub(crate) fn open() -> Self {
        let company = Company::new(BINARY);
        company.open_support();
        company.open_everyone();
        let Company { alice, bob, carol, .. } = company;
        Self { alice: Desk::at(alice), bob: Desk::at(bob), carol: Desk::at(carol) }
    }
}
