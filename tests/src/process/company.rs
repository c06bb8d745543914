//! A company to begin with: alice founds it, others join as people would.

use std::path::PathBuf;

use super::{Lab, Node, text, wait_until};

/// Three nodes that are up: alice, who founded it, bob and carol.
pub struct Company {
    /// The admin, in `group:Support/Escalation`.
    pub alice: Node,
    /// In `group:Support/Front Line`.
    pub bob: Node,
    /// In `group:Sales/Front Line`.
    pub carol: Node,
    /// For more nodes.
    pub lab: Lab,
}

impl Company {
    /// A room open to `department:Support`.
    pub const SUPPORT: &'static str = "Help Desk";
    /// A room open to everyone.
    pub const EVERYONE: &'static str = "Canteen";

    /// Founds it and lets bob and carol in. There are no rooms yet.
    #[track_caller]
    #[must_use]
    pub fn new(binary: impl Into<PathBuf>) -> Self {
        let lab = Lab::new(binary);
        let [mut alice, mut bob, mut carol] = ["alice", "bob", "carol"].map(|name| lab.node(name));
        Self::found(&mut alice);
        admit(&alice, &mut bob, &alice.address(), "group:Support/Front Line");
        admit(&alice, &mut carol, &alice.address(), "group:Sales/Front Line");
        Self { alice, bob, carol, lab }
    }

    /// Founds it on the node of its admin, starts that, and makes the units.
    #[track_caller]
    pub fn found(admin: &mut Node) {
        admin.ok(&["init", "--company", "Example", "--as", admin.name()]);
        admin.up();
        for (department, groups) in
            [("Support", ["Front Line", "Escalation"]), ("Sales", ["Front Line", "Enterprise"])]
        {
            admin.ok(&["department", "new", department]);
            for group in groups {
                admin.ok(&["group", "new", group, "--department", department]);
            }
        }
        admin.ok(&["role", "new", "Manager"]);
        admin.ok(&["agent", "add", admin.name(), "group:Support/Escalation"]);
    }

    /// Makes [`Self::SUPPORT`], and waits until bob sees it.
    #[track_caller]
    pub fn open_support(&self) {
        self.alice.ok(&["room", "new", Self::SUPPORT, "--permit", "department:Support"]);
        wait_until("bob lists the room", || self.bob.lists(Self::SUPPORT).then_some(()));
    }

    /// Makes [`Self::EVERYONE`], and waits until all see it.
    #[track_caller]
    pub fn open_everyone(&self) {
        self.alice.ok(&["room", "new", Self::EVERYONE, "--permit", "role:Agent"]);
        for node in [&self.bob, &self.carol] {
            wait_until("all list the room", || node.lists(Self::EVERYONE).then_some(()));
        }
    }
}

/// Lets a newcomer in through the node at `peer`, into a unit; it is up afterwards.
#[track_caller]
pub fn admit(admin: &Node, newcomer: &mut Node, peer: &str, unit: &str) {
    ask_to_join(newcomer, &["--peer", peer]);
    let code = same_code(admin, newcomer);
    admin.ok(&["agent", "approve", newcomer.name(), "--code", &code, "--to", unit]);
    let what = format!("{} is a member", newcomer.name());
    wait_until(&what, || (newcomer.status()["member"] == true).then_some(()));
}

/// Stores a request to join under the node's own name and starts the node.
#[track_caller]
pub fn ask_to_join(newcomer: &mut Node, args: &[&str]) {
    let join = ["join", "--no-wait", "--as", newcomer.name()];
    let join = newcomer.ok(&join.into_iter().chain(args.iter().copied()).collect::<Vec<_>>());
    assert_eq!(join["state"], "waiting");
    newcomer.up();
    assert_eq!(newcomer.ready()["member"], false);
}

/// The safety code of a newcomer, once both sides show the same.
#[track_caller]
#[must_use]
pub fn same_code(admin: &Node, newcomer: &Node) -> String {
    let what = format!("both sides show the same code for {}", newcomer.name());
    wait_until(&what, || {
        let status = newcomer.status();
        let requests = admin.ok(&["agent", "requests"]);
        let mut requests = requests["requests"].as_array().expect("requests").iter();
        let request = requests.find(|request| request["device"] == status["device"])?;
        assert_eq!(request["name"], newcomer.name());
        let code = text(&request["code"]);
        (status["join"]["code"] == code.as_str()).then_some(code)
    })
}
