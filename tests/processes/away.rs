//! Back after having been away, with the author gone.

use conclave_tests::process::{Company, Node, wait_until};

use crate::company;

const ROOM: &str = Company::EVERYONE;
const MISSED: usize = 40;

#[test]
fn what_was_missed_comes_from_a_member_while_its_author_is_gone() {
    let Company { mut alice, bob, mut carol, lab: _lab } = {
        let company = company();
        company.open_everyone();
        company
    };
    alice.send(ROOM, "all together");
    wait_until("carol has the first", || (carol.texts(ROOM).len() == 1).then_some(()));
    carol.stop();

    let lines: String = (0..MISSED).map(|number| format!("missed {number}\n")).collect();
    let ran = alice.json_with_input(&["send", ROOM, "-"], lines.as_bytes());
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.documents().len(), MISSED);
    // A unit and a room that she knows nothing of either.
    alice.ok(&["role", "new", "Night Shift"]);
    alice.ok(&["room", "new", "Night", "--permit", "role:Agent"]);
    alice.send("Night", "quiet so far");
    wait_until("bob has it all", || {
        (bob.texts(ROOM).len() == MISSED + 1 && bob.lists("Night") && bob.texts("Night").len() == 1)
            .then_some(())
    });
    let expected = alice.texts(ROOM);
    alice.kill_nine();

    carol.up();
    wait_until("carol has what she missed", || (carol.texts(ROOM) == expected).then_some(()));
    wait_until("carol has the new room", || {
        (carol.lists("Night") && carol.texts("Night") == ["quiet so far"]).then_some(())
    });
    let state = |node: &Node, room: &str| {
        let status = node.room_status(room).expect("the room");
        (status["digest"].clone(), status["messages"].clone(), status["sync"].clone())
    };
    for room in [ROOM, "Night"] {
        wait_until("carol and bob agree", || {
            (state(&carol, room) == state(&bob, room)).then_some(())
        });
    }
    assert_eq!(carol.control_digest(), bob.control_digest());

    // The author comes back on another port and finds them, and they him.
    alice.up();
    carol.send(ROOM, "welcome back");
    wait_until("alice has the answer", || {
        alice.texts(ROOM).contains(&"welcome back".to_owned()).then_some(())
    });
}

#[test]
fn what_was_written_alone_arrives_later_in_the_same_order() {
    let Company { mut alice, mut bob, mut carol, lab: _lab } = {
        let company = company();
        company.open_everyone();
        company
    };
    for node in [&mut alice, &mut bob, &mut carol] {
        // Nobody will be there to tell a new port to.
        node.keep_port();
    }
    bob.stop();
    carol.stop();
    for number in 0..5 {
        alice.send(ROOM, &format!("alice alone {number}"));
    }
    alice.stop();
    bob.up();
    for number in 0..5 {
        bob.send(ROOM, &format!("bob alone {number}"));
    }
    alice.up();
    carol.up();
    let nodes = [&alice, &bob, &carol];
    for node in nodes {
        wait_until("all ten are everywhere", || (node.texts(ROOM).len() == 10).then_some(()));
    }
    assert_eq!(alice.texts(ROOM), bob.texts(ROOM));
    assert_eq!(carol.texts(ROOM), bob.texts(ROOM));
}
