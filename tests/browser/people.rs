//! People at their desks: a node each, a browser in front of it, and what they do on the page.
//!
//! All that is known of the page stands here: the words and roles that it shows.

use std::ops::Deref;

use conclave_tests::process::{Company, Node, text, wait_until};

use crate::BINARY;
use crate::chrome::{Browser, Page, Part};

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
        page.wait("the page is there", "document.querySelector('#app > *:not(.starting)')");
        Self { page, browser, node }
    }

    /// Takes the node down; the page stays and says so.
    #[track_caller]
    pub(crate) fn stop(&mut self) {
        self.page.may_fail_to_load();
        self.node.stop();
    }

    /// Opens a room from the tree.
    #[track_caller]
    pub(crate) fn enter(&self, room: &str) {
        self.tree().click("treeitem", room);
        self.whole().find("heading", room);
    }

    /// The tree: Live Chat, Workspace, Chat Rooms, Instant Messages.
    #[track_caller]
    pub(crate) fn tree(&self) -> Part<'_> {
        self.whole().find("tree", "Live Chat")
    }

    /// Waits until a room is in the tree.
    #[track_caller]
    pub(crate) fn lists(&self, room: &str) {
        self.tree().find("treeitem", room);
    }

    /// Waits until a room is in the tree no more.
    #[track_caller]
    pub(crate) fn lists_no_more(&self, room: &str) {
        self.tree().gone("treeitem", room);
    }

    /// Goes to one of the tabs of the open room, and gives what it shows.
    #[track_caller]
    pub(crate) fn tab(&self, name: &str) -> Part<'_> {
        self.whole().click("tab", name);
        self.whole().find("tabpanel", name)
    }

    /// Writes into the open room.
    #[track_caller]
    pub(crate) fn write(&self, words: &str) {
        self.whole().fill("textbox", "Message", words);
        self.page.press("Enter");
    }

    /// Adds a permission in a dialog that has Add Permission, such as `Department Support`.
    #[track_caller]
    pub(crate) fn permit(&self, dialog: &Part<'_>, permission: &str) {
        const SEARCH: &str = "Search Departments, Groups, Roles, agents";
        if !dialog.has("combobox", SEARCH) {
            dialog.click("button", "Add Permission");
        }
        let (_, name) = permission.split_once(' ').expect("a kind and a name");
        dialog.fill("combobox", SEARCH, name);
        dialog.click("option", permission);
        dialog.find("button", &format!("Remove {permission}"));
    }

    /// The messages on screen, from top to bottom, each with all that is said of it.
    #[track_caller]
    pub(crate) fn messages(&self) -> Vec<String> {
        let log = self.whole().all("log");
        let [log] = log.as_slice() else { return Vec::new() };
        log.all("article").iter().map(Part::text).collect()
    }

    /// Waits until a message with these words is on screen, and gives all that is said of it.
    #[track_caller]
    pub(crate) fn reads(&self, words: &str) -> String {
        let what = format!("{} reads {words:?}", self.node.name());
        wait_until(&what, || self.messages().into_iter().find(|message| message.contains(words)))
    }

    /// Of these texts those that are on screen, in the order and as often as they are there.
    #[track_caller]
    pub(crate) fn order(&self, texts: &[&str]) -> Vec<String> {
        let find = |message: String| texts.iter().find(|text| message.contains(**text)).copied();
        self.messages().into_iter().filter_map(find).map(str::to_owned).collect()
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
