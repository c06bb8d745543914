//! Journeys of admins, D1 to D7: who belongs where, which rooms are open to whom, and why.

use conclave_tests::process::{Company, Lab, Node, ask_to_join, text, wait_until};

use crate::BINARY;
use crate::chrome::Part;
use crate::people::{AWAY, Desk, Office};

const SUPPORT: &str = Company::SUPPORT;
const EVERYONE: &str = Company::EVERYONE;

impl Desk {
    /// Goes to one of the admin pages, such as `units`, and gives it.
    #[track_caller]
    pub(crate) fn admin(&self, page: &str) -> Part<'_> {
        self.view(&format!("#/admin/{page}"));
        self.main()
    }

    /// Goes to the admin page of one agent or room.
    #[track_caller]
    fn admin_of(&self, page: &str, name: &str) -> Part<'_> {
        self.admin(page).click("link", name);
        self.main().find("heading", name);
        self.main()
    }

    /// Opens a dialog by its button and gives it.
    #[track_caller]
    fn dialog(&self, button: &str, title: &str) -> Part<'_> {
        self.main().click("button", button);
        self.whole().find("dialog", title)
    }

    /// Ends a dialog by its button, and waits until the page says what was done.
    #[track_caller]
    fn done(&self, dialog: &Part<'_>, button: &str, said: &str) {
        dialog.click("button", button);
        self.whole().gone("dialog", dialog.name());
        self.main().find("region", "Last change").says(said);
    }

    /// Makes a unit.
    #[track_caller]
    fn new_unit(&self, button: &str, title: &str, name: &str) {
        let dialog = self.dialog(button, title);
        dialog.fill("textbox", "Name", name);
        self.done(&dialog, "Ok", name);
    }

    /// Lets a newcomer in after the codes have been compared, into units such as
    /// `Group Support/Front Line`.
    #[track_caller]
    pub(crate) fn let_in(&self, name: &str, code: &str, units: &[&str]) {
        let requests = self.admin("requests");
        requests.find("heading", name);
        requests.says(code);
        let title = format!("Let {name} in");
        let dialog = self.dialog(&format!("Let in {name}"), &title);
        let field = format!("Type the code on {name}’s screen, as {name} reads it to you");
        dialog.fill("textbox", &field, "AAAA-AAAA");
        dialog.says("The codes differ.");
        assert!(dialog.find("button", &title).try_click_here().is_err(), "codes differ");
        dialog.fill("textbox", &field, code);
        dialog.says("The codes are the same.");
        for unit in units {
            dialog.click("checkbox", unit);
        }
        self.done(&dialog, &title, &format!("Let {name} in"));
    }
}

/// Waits until nodes stand behind the same control log.
#[track_caller]
fn agree(nodes: &[&Node]) {
    wait_until("all have the same control log", || {
        let digests: Vec<String> = nodes.iter().map(|node| node.control_digest()).collect();
        digests.iter().all(|digest| *digest == digests[0]).then_some(())
    });
}

#[test]
#[ignore = "needs chromium: run by .ci/run"]
fn d1_a_company_is_founded_on_the_page() {
    let lab = Lab::new(BINARY);
    let [mut alice, mut bob] = ["alice", "bob"].map(|name| lab.node(name));
    alice.ok(&["init", "--company", "Example", "--as", "alice"]);
    alice.up();
    let alice = Desk::at(alice);
    let units = alice.admin("units");
    units.says("There is no Department yet");
    for department in ["Support", "Sales"] {
        alice.new_unit("New Department", "New Department", department);
    }
    for (department, group) in
        [("Support", "Front Line"), ("Support", "Escalation"), ("Sales", "Enterprise")]
    {
        let button = format!("New Group in {department}");
        alice.new_unit(&button, &button, group);
    }
    alice.new_unit("New Role", "New Role", "Manager");
    for heading in ["Departments (2)", "Roles (1)"] {
        units.find("heading", heading);
    }
    // Herself, from the unit's side.
    let dialog = alice.dialog("Add people to Escalation", "Add people to Support/Escalation");
    dialog.click("checkbox", "Agent alice");
    alice.done(&dialog, "Ok", "Added 1 person to");
    ask_to_join(&mut bob, &["--peer", &alice.node.address()]);
    let bob = Desk::at(bob);
    let code = wait_until("the code is known", || {
        bob.node.status()["join"]["code"].as_str().map(str::to_owned)
    });
    bob.whole().says(&code);
    alice.let_in("bob", &code, &["Group Support/Front Line", "Role Manager"]);
    bob.side();
    let agents = alice.admin("agents");
    for words in ["alice", "bob", "Support/Front Line", "Manager", "admin, rank 1"] {
        agents.says(words);
    }
    // From the agent's side.
    alice.admin_of("agents", "bob");
    let dialog = alice.dialog("Add to unit", "Add bob to units");
    dialog.click("checkbox", "Group Sales/Enterprise");
    alice.done(&dialog, "Ok", "Added bob to 1 unit.");
    let list = alice.node.ok(&["agent", "show", "bob"]);
    assert_eq!(
        list["units"],
        serde_json::json!(["group:Sales/Enterprise", "group:Support/Front Line", "role:Manager"])
    );
    let dialog = alice.dialog("Remove from Sales/Enterprise", "Remove bob from Sales/Enterprise");
    alice.done(&dialog, "Remove bob", "Removed bob from");
    alice.main().gone("button", "Remove from Sales/Enterprise");
}

#[test]
#[ignore = "needs chromium: run by .ci/run"]
fn d2_a_new_room_appears_where_its_permissions_reach_and_nowhere_else() {
    const NAME: &str = "Trade Fair";
    let Office { alice, bob, carol } = Office::open();
    alice.side().click("button", "New Chat Room");
    let dialog = alice.whole().find("dialog", "New Chat Room");
    let preview = dialog.find("region", "Who will get in");
    preview.says("Nobody yet.");
    assert!(dialog.find("button", "Ok").try_click_here().is_err(), "a room for nobody");
    dialog.fill("textbox", "Name", NAME);
    for permission in ["Group Support/Front Line", "Role Manager", "Agent carol"] {
        alice.permit(&dialog, permission);
    }
    preview.says("2 agents");
    for name in ["bob", "carol"] {
        preview.says(name);
    }
    assert!(!preview.text().contains("alice"), "alice is in none of these: {}", preview.text());
    dialog.click("button", "Remove Agent carol");
    preview.says("1 agent");
    preview.says_no_more("carol");
    alice.permit(&dialog, "Agent alice");
    preview.says("alice");
    dialog.click("button", "Ok");
    alice.whole().gone("dialog", "New Chat Room");
    // She is in it, and so is bob; carol is not, although her node knows the change.
    alice.main().find("heading", NAME);
    bob.lists(NAME);
    agree(&[&alice.node, &bob.node, &carol.node]);
    carol.lists(EVERYONE);
    assert!(!carol.has_line(NAME), "carol was removed before Ok");
    alice.write("welcome");
    bob.enter(NAME);
    bob.reads("welcome");
    let access = bob.tab("With Access");
    access.says("Group Support/Front Line");
    access.says("Agent alice");
    // The same name again is refused, and the dialog stays with what was chosen.
    alice.may_fail_to_load();
    alice.side().click("button", "New Chat Room");
    let dialog = alice.whole().find("dialog", "New Chat Room");
    dialog.fill("textbox", "Name", NAME);
    alice.permit(&dialog, "Department Support");
    dialog.click("button", "Ok");
    dialog.find("alert", "");
    dialog.find("button", "Remove Department Support");
    dialog.click("button", "Cancel");
    alice.whole().gone("dialog", "New Chat Room");
}

#[test]
#[ignore = "needs chromium: run by .ci/run"]
fn d3_a_move_says_first_what_is_lost_and_kept_and_then_where_it_is_applied() {
    let Office { alice, bob, carol } = Office::open();
    alice.node.ok(&["room", "new", "Quotes", "--permit", "department:Sales"]);
    carol.lists("Quotes");
    let carol = carol.leave();
    alice.admin_of("agents", "bob");
    let dialog = alice.dialog("Move", "Move bob");
    let before = alice.node.control_digest();
    dialog.find("group", "To").click("checkbox", "Group Sales/Enterprise");
    for words in ["Lost in 1 room", SUPPORT, "Gained in 1 room", "Quotes", "Kept", EVERYONE] {
        dialog.says(words);
    }
    assert_eq!(alice.node.control_digest(), before, "a preview changes nothing");
    alice.done(&dialog, "Move bob", "Moved bob.");
    let told = alice.main().find("region", "Last change");
    // Carol has gone home: two of three devices can know.
    told.says("Applied on 2 of 3 devices");
    told.says("carol");
    bob.lists("Quotes");
    bob.lists_no_more(SUPPORT);
    bob.lists(EVERYONE);
    let mut carol = carol;
    carol.up();
    told.says("Applied on 3 of 3 devices");
    alice.admin("devices").says("Applied on 3 of 3 devices");
}

#[test]
#[ignore = "needs chromium: run by .ci/run"]
fn d4_a_leaver_is_refused_by_all_and_what_was_written_before_stays() {
    let Office { alice, bob, carol } = Office::open();
    for desk in [&alice, &bob, &carol] {
        desk.enter(EVERYONE);
    }
    bob.write("written before");
    alice.reads("written before");
    carol.reads("written before");
    alice.admin_of("agents", "bob");
    let dialog = alice.dialog("Dismiss", "Dismiss bob");
    for words in ["Can act no longer: bob", SUPPORT, EVERYONE] {
        dialog.says(words);
    }
    bob.may_fail_to_load();
    alice.done(&dialog, "Dismiss bob", "Dismissed bob.");
    alice.main().find("button", "Let return");
    agree(&[&alice.node, &carol.node]);
    bob.lists_no_more(EVERYONE);
    bob.main().says("You have no access to this room now");
    bob.node.fails(&["send", EVERYONE, "too late"], 4, "no_access");
    carol.reads("written before");
    let access = carol.tab("With Access");
    access.says("alice");
    access.says_no_more("bob");
    // It can be undone.
    let dialog = alice.dialog("Let return", "Let bob return");
    dialog.says("Can act again: bob");
    alice.done(&dialog, "Let bob return", "bob can act again.");
    bob.lists(EVERYONE);
    bob.enter(EVERYONE);
    bob.write("back again");
    carol.tab("Chat Room");
    carol.reads("back again");
}

#[test]
#[ignore = "needs chromium: run by .ci/run"]
fn d5_a_room_through_its_life() {
    const RENAMED: &str = "Help Desk Europe";
    let Office { alice, bob, carol } = Office::open();
    for desk in [&alice, &bob, &carol] {
        // What a room lists may be asked for in the moment in which it closes.
        desk.may_fail_to_load();
    }
    bob.enter(SUPPORT);
    bob.write("about to change");
    alice.admin_of("rooms", SUPPORT);
    let dialog = alice.dialog("Rename", "Rename Help Desk");
    dialog.fill("textbox", "New name", RENAMED);
    alice.done(&dialog, "Rename", RENAMED);
    bob.lists(RENAMED);
    bob.main().find("heading", RENAMED);
    // Opened to Sales too, then closed to Support.
    let dialog = alice.dialog("Add Permission", "Add Permission to Help Desk Europe");
    alice.permit(&dialog, "Department Sales");
    dialog.says("Gets access: carol");
    alice.done(&dialog, "Ok", "Added 1 permission");
    carol.lists(RENAMED);
    let dialog = alice
        .dialog("Remove permission department:Support", "Remove a permission of Help Desk Europe");
    dialog.says("Lose access: ");
    alice.done(&dialog, "Remove permission", "Removed");
    bob.lists_no_more(RENAMED);
    carol.enter(RENAMED);
    carol.reads("about to change");
    // The last permission: nobody, never everybody.
    let dialog = alice
        .dialog("Remove permission department:Sales", "Remove a permission of Help Desk Europe");
    dialog.says("is the last permission");
    alice.done(&dialog, "Remove permission", "Removed");
    carol.lists_no_more(RENAMED);
    alice.main().says("Nobody has access to this room.");
    let dialog = alice.dialog("Add Permission", "Add Permission to Help Desk Europe");
    alice.permit(&dialog, "Department Support");
    alice.done(&dialog, "Ok", "Added 1 permission");
    bob.enter(RENAMED);
    let dialog = alice.dialog("Deactivate", "Deactivate Help Desk Europe");
    alice.done(&dialog, "Deactivate Help Desk Europe", "Deactivated");
    bob.main().says("This room is inactive");
    bob.side().find("button", "Inactive");
    bob.main().gone("textbox", "Write a message");
    bob.main().gone("button", "Send");
    bob.reads("about to change");
    let dialog = alice.dialog("Reactivate", "Reactivate Help Desk Europe");
    alice.done(&dialog, "Reactivate Help Desk Europe", "Reactivated");
    bob.main().says_no_more("This room is inactive");
    bob.write("alive again");
    bob.reads("alive again");
    let dialog = alice.dialog("Delete", "Delete Help Desk Europe");
    dialog.click("button", "Delete Help Desk Europe");
    alice.whole().gone("dialog", "Delete Help Desk Europe");
    alice.main().find("heading", "Chat Rooms");
    alice.main().gone("link", RENAMED);
    bob.lists_no_more(RENAMED);
    bob.main().says("You have no access to this room now");
}

#[test]
#[ignore = "needs chromium: run by .ci/run"]
fn d6_two_admins_apart_change_the_same_room_and_all_end_alike() {
    const OF_ALICE: &str = "Desk of Alice";
    const OF_BOB: &str = "Desk of Bob";
    let Office { mut alice, mut bob, carol } = Office::open();
    // Each finds the other again where it was.
    alice.node.keep_port();
    bob.node.keep_port();
    alice.admin_of("agents", "bob");
    let dialog = alice.dialog("Make admin", "Make bob an admin");
    alice.done(&dialog, "Make admin", "bob is now an admin of rank 2.");
    bob.side().find("link", "Admin");
    let carol = carol.leave();
    let rename = |desk: &Desk, name: &str| {
        desk.admin_of("rooms", SUPPORT);
        let dialog = desk.dialog("Rename", &format!("Rename {SUPPORT}"));
        dialog.fill("textbox", "New name", name);
        desk.done(&dialog, "Rename", name);
    };
    // Never up at the same time, so neither knows what the other does.
    alice.stop();
    rename(&bob, OF_BOB);
    let dialog = bob.dialog("Add Permission", &format!("Add Permission to {OF_BOB}"));
    bob.permit(&dialog, "Role Agent");
    bob.done(&dialog, "Ok", "Added 1 permission");
    bob.stop();
    alice.node.up();
    alice.whole().says_no_more(AWAY);
    rename(&alice, OF_ALICE);
    bob.node.up();
    bob.whole().says_no_more(AWAY);
    let mut carol = carol;
    carol.up();
    agree(&[&alice.node, &bob.node, &carol]);
    let names: Vec<String> = [&alice.node, &bob.node, &carol]
        .iter()
        .map(|node| {
            let rooms = node.ok(&["room", "list"]);
            let rooms = rooms["rooms"].as_array().expect("rooms").iter();
            rooms
                .map(|room| text(&room["name"]))
                .find(|name| name.contains("Desk"))
                .unwrap_or_default()
        })
        .collect();
    // The permission counts, and so does the name of the more senior.
    assert_eq!(names, [OF_ALICE; 3]);
    // That they did not know of one another is shown, and what to do.
    for desk in [&alice, &bob] {
        let alarms = desk.admin("alarms");
        for words in ["changed apart", OF_ALICE, OF_BOB, "once more to settle it"] {
            alarms.says(words);
        }
    }
    for desk in [&alice, &bob] {
        desk.lists(OF_ALICE);
        let audit = desk.admin("audit");
        audit.fill("searchbox", "Search in what it says", "Desk of");
        audit.says(OF_ALICE);
        audit.says(OF_BOB);
    }
}

#[test]
#[ignore = "needs chromium: run by .ci/run"]
fn d7_who_granted_what_all_rooms_of_a_person_and_why() {
    let Office { alice, bob: _bob, carol: _carol } = Office::open();
    let audit = alice.admin("audit");
    audit.find("heading", "Audit");
    let rows = || {
        let rows = audit.find("table", "Audit trail").all("row");
        let texts = rows.iter().map(Part::text);
        texts.filter(|text| !text.starts_with("What")).collect::<Vec<_>>()
    };
    wait_until("everything is listed", || (rows().len() > 20).then_some(()));
    audit.pick("Kind", "room-create");
    wait_until("rooms only", || (rows().len() == 2).then_some(()));
    for room in [SUPPORT, EVERYONE] {
        audit.says(room);
    }
    audit.says("2 entries that fit, of ");
    audit.find("columnheader", "Heard");
    audit.pick("Kind", "All kinds");
    audit.fill("searchbox", "Search in what it says", "bob");
    wait_until("what is about bob", || {
        let rows = rows();
        let about = |row: &String| row.contains("bob");
        (!rows.is_empty() && rows.iter().all(about)).then_some(())
    });
    audit.pick("Signed by", "bob");
    audit.says("Nothing fits.");
    audit.pick("Signed by", "Signed by anyone");
    wait_until("what anybody signed is back", || (!rows().is_empty()).then_some(()));
    audit.pick("State", "void");
    audit.says("Nothing fits.");
    // All rooms of a person, and why.
    let agent = alice.admin_of("agents", "bob");
    agent.find("table", "Rooms of bob").says(SUPPORT);
    agent.find("table", "Rooms of bob").says(EVERYONE);
    let why = alice.dialog("Why is Help Desk open to bob?", "Why bob and Help Desk?");
    for words in ["Has access", "opens the room Help Desk", "alice", ", heard "] {
        why.says(words);
    }
    why.find("contentinfo", "").click("button", "Close");
    alice.whole().gone("dialog", "Why bob and Help Desk?");
    alice.admin_of("agents", "carol");
    alice.main().pick("A room that is not open", SUPPORT);
    let why = alice.dialog("Why not?", "Why carol and Help Desk?");
    why.says("No access");
}

#[test]
#[ignore = "needs chromium: run by .ci/run"]
fn who_is_refused_reads_so_and_what_is_deleted_is_named_so() {
    let lab = Lab::new(BINARY);
    let [mut alice, mut bob] = ["alice", "bob"].map(|name| lab.node(name));
    Company::found(&mut alice);
    let permits = ["--permit", "department:Support", "--permit", "role:Manager"];
    alice.ok(&[&["room", "new", SUPPORT][..], &permits].concat());
    alice.ok(&["role", "delete", "Manager"]);
    alice.ok(&["role", "new", "Manager"]);
    alice.ok(&["room", "permit", SUPPORT, "role:Manager"]);
    ask_to_join(&mut bob, &["--peer", &alice.address()]);
    let (alice, bob) = (Desk::at(alice), Desk::at(bob));
    alice.admin("requests").find("heading", "bob");
    let dialog = alice.dialog("Refuse bob", "Refuse bob");
    dialog.says("asks no more");
    dialog.click("button", "Refuse bob");
    alice.whole().gone("dialog", "Refuse bob");
    alice.main().says("Nobody asks to be let in.");
    bob.whole().find("heading", "The request was refused");
    bob.whole().says("conclave join");
    // Two permissions of one name, of which one is dead.
    alice.admin_of("rooms", SUPPORT);
    let permissions = alice.main().find("table", &format!("Permissions of {SUPPORT}"));
    permissions.says("deleted: matches nobody");
    let dead = "Remove permission role:Manager (deleted: matches nobody)";
    let dialog = alice.dialog(dead, &format!("Remove a permission of {SUPPORT}"));
    alice.done(&dialog, "Remove permission", "Removed");
    alice.main().gone("button", dead);
    alice.main().find("button", "Remove permission role:Manager");
}
