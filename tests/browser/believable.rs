//! A company that could be one: for pictures, and for looking through every view.

use conclave_tests::process::{Lab, Node, admit, wait_until};

use crate::BINARY;

const UNITS: [(&str, &[&str]); 3] = [
    ("Support", &["Front Line", "Escalation", "Night Shift"]),
    ("Sales", &["Field", "Enterprise", "Renewals"]),
    ("Engineering", &["Platform", "Mobile", "Release"]),
];
const ROLES: [&str; 3] = ["Manager", "On Call", "Trainer"];

/// Who works there, and where; the first founded it.
const PEOPLE: [(&str, &[&str]); 9] = [
    ("Amelia Hart", &["group:Support/Escalation", "role:Manager"]),
    ("Bruno Keller", &["group:Support/Front Line"]),
    ("Chiara Rossi", &["group:Sales/Field"]),
    ("Dmitri Volkov", &["group:Support/Front Line", "role:On Call"]),
    ("Esther Okafor", &["group:Engineering/Platform"]),
    ("Farid Haddad", &["group:Engineering/Mobile", "role:On Call"]),
    ("Greta Lindqvist", &["group:Sales/Enterprise", "role:Manager"]),
    ("Hiro Tanaka", &["group:Engineering/Release"]),
    ("Inés Márquez", &["group:Support/Night Shift", "role:Trainer"]),
];
/// So many of them stay at their desks; the others have gone home.
const AT_WORK: usize = 3;

/// Rooms, the last of them inactive, with whom they are open to.
const ROOMS: [(&str, &[&str]); 22] = [
    ("Help Desk", &["department:Support"]),
    ("Announcements", &["role:Agent"]),
    ("Canteen", &["role:Agent"]),
    ("Escalations", &["group:Support/Escalation", "role:On Call", "agent:Hiro Tanaka"]),
    ("Outages", &["department:Support", "department:Engineering"]),
    ("Printers and Scanners", &["department:Support"]),
    ("VPN and Remote Access", &["department:Support", "group:Engineering/Platform"]),
    ("Password Resets", &["group:Support/Front Line", "group:Support/Night Shift"]),
    ("Handover", &["department:Support"]),
    ("Managers", &["role:Manager"]),
    ("On Call", &["role:On Call", "role:Manager"]),
    ("Training", &["role:Trainer", "group:Support/Front Line", "agent:Amelia Hart"]),
    ("Key Accounts", &["group:Sales/Enterprise", "role:Manager"]),
    ("Quotes", &["department:Sales"]),
    ("Trade Fair 2027", &["department:Sales", "agent:Amelia Hart"]),
    ("Release 14", &["department:Engineering", "role:Manager"]),
    ("Mobile App Feedback", &["group:Engineering/Mobile", "department:Support"]),
    ("Knowledge Base", &["role:Agent"]),
    ("New Hires", &["role:Manager", "role:Trainer"]),
    ("Facilities", &["role:Agent"]),
    ("Social", &["role:Agent"]),
    ("Migration 2025", &["department:Support"]),
];

/// What is said in the room that is looked at: who, by number, and what.
const TALK: [(usize, &str); 18] = [
    (0, "Good morning everyone. Two agents are out today, so please keep an eye on the queue."),
    (1, "Morning! Queue is at 14, oldest ticket from 07:52."),
    (1, "The print server in Building C drops jobs again. Three tickets since eight."),
    (0, "Same symptom as last week? Spooler stuck, port 9100 answers?"),
    (1, "Yes. Restarting the spooler helps for about twenty minutes."),
    (
        0,
        "Then it is the driver update. Notes are at https://kb.example.com/printing/driver-14-2 (see step 4).",
    ),
    (1, "Thanks, rolling back now."),
    (
        1,
        "Rolled back on all four queues:\n  C-1-north  ok\n  C-1-south  ok\n  C-2        ok\n  C-3        waiting for a person to add paper",
    ),
    (0, "🙌"),
    (1, "Ticket 48213: caller cannot sign in after changing her password on the phone. Any ideas?"),
    (
        0,
        "Ask her to lock and unlock the laptop while on the office network. The cached password is the old one.",
    ),
    (1, "That was it."),
    (
        0,
        "Reminder: maintenance of the VPN gateway tonight from 22:00 to 23:30. Please tell callers who work late.",
    ),
    (1, "Is there a text for the greeting?"),
    (0, "I will write one before lunch and put it into Announcements."),
    (
        1,
        "Perfect. Caller from Lyon says « la connexion est très lente depuis ce matin » — anyone else?",
    ),
    (0, "Seen the same from Porto. I have opened a ticket with the carrier."),
    (1, "Then I link both to it. Lunch?"),
];

/// Its nodes: those who are at work, up; those who are not are kept until the end.
pub(crate) struct Believable {
    /// Amelia, the admin; Bruno; Chiara.
    pub(crate) at_work: Vec<Node>,
    /// Asks to be let in.
    pub(crate) newcomer: Node,
    _at_home: Vec<Node>,
}

impl Believable {
    /// Founds it and lets all of that happen.
    #[track_caller]
    pub(crate) fn new() -> Self {
        let lab = Lab::new(BINARY);
        let mut people = vec![found(&lab)];
        for (name, units) in &PEOPLE[1..] {
            let mut node = lab.node(name);
            admit(&people[0], &mut node, &people[0].address(), units[0]);
            for unit in &units[1..] {
                people[0].ok(&["agent", "add", name, unit]);
            }
            people.push(node);
        }
        let (admin, bruno) = (&people[0], &people[1]);
        for (room, permits) in ROOMS {
            let permits = permits.iter().flat_map(|permit| ["--permit", permit]);
            admin.ok(&["room", "new", room].into_iter().chain(permits).collect::<Vec<_>>());
        }
        admin.ok(&["room", "deactivate", ROOMS[ROOMS.len() - 1].0]);
        wait_until("Bruno lists his rooms", || bruno.lists("Handover").then_some(()));
        for (number, (who, words)) in TALK.iter().enumerate() {
            let writer = &people[*who];
            writer.send("Help Desk", words);
            wait_until("all have heard it", || {
                let heard = |node: &Node| node.texts("Help Desk").len() == number + 1;
                people[..2].iter().all(heard).then_some(())
            });
        }
        for room in ["Announcements", "Outages", "Handover"] {
            bruno.send(room, "Please read the note of this morning.");
        }
        let mut at_home = people.split_off(AT_WORK);
        at_home.iter_mut().for_each(Node::stop);
        let mut newcomer = lab.node("Jonas Weber");
        conclave_tests::process::ask_to_join(&mut newcomer, &["--peer", &people[0].address()]);
        Self { at_work: people, newcomer, _at_home: at_home }
    }
}

fn found(lab: &Lab) -> Node {
    let (name, units) = PEOPLE[0];
    let mut admin = lab.node(name);
    admin.ok(&["init", "--company", "Northwind Services", "--as", name]);
    admin.up();
    for (department, groups) in UNITS {
        admin.ok(&["department", "new", department]);
        for group in groups {
            admin.ok(&["group", "new", group, "--department", department]);
        }
    }
    for role in ROLES {
        admin.ok(&["role", "new", role]);
    }
    for unit in units {
        admin.ok(&["agent", "add", name, unit]);
    }
    admin
}
