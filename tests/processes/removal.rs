//! Taken out of the last unit that lets an agent into a room.

use std::time::{Duration, Instant};

use conclave_tests::process::{Company, Node, admit, wait_until};

use crate::company;

/// The goal is 2 s on a quiet machine; this only tells that something is broken.
const REMOVAL_MAX: Duration = Duration::from_secs(10);
const ROOM: &str = Company::SUPPORT;
const UNIT: &str = "group:Support/Front Line";

#[test]
fn a_removed_agent_loses_the_room_at_once_and_its_words_stay() {
    let Company { alice, mut bob, carol, lab } = {
        let company = company();
        company.open_support();
        company
    };
    let mut dave = lab.node("dave");
    admit(&alice, &mut dave, &alice.address(), "group:Support/Escalation");
    bob.send(ROOM, "bob was here");
    alice.send(ROOM, "alice answers");
    bob.send(ROOM, "bob's last words");
    let words = alice_and_bob();
    for node in [&alice, &bob, &dave] {
        wait_until("all have all", || (sorted(node) == words).then_some(()));
    }

    let removed = alice.ok(&["agent", "remove", "bob", UNIT]);
    let begin = Instant::now();
    assert_eq!(removed["unit"], UNIT);
    wait_until("bob cannot post", || {
        let ran = bob.json(&["send", ROOM, "still here?"]);
        (ran.code != 0).then(|| ran.assert_problem(4, "no_access"))
    });
    println!("bob cannot post {:?} after the removal", begin.elapsed());
    for node in [&alice, &dave] {
        wait_until("bob has left With Access", || {
            (!node.with_access(ROOM).contains(&"bob".to_owned())).then_some(())
        });
    }
    let took = begin.elapsed();
    println!("bob has left With Access everywhere {took:?} after the removal");
    assert!(took < REMOVAL_MAX, "{took:?}");
    assert!(!bob.lists(ROOM));
    assert_eq!(bob.room_status(ROOM), None);
    bob.fails(&["history", ROOM], 4, "no_access");

    // What he wrote stays, the same for everyone, also for someone who comes later. He may
    // have posted before he knew of his removal: then all agree on that, too.
    let mut erin = lab.node("erin");
    admit(&alice, &mut erin, &dave.address(), "group:Support/Escalation");
    wait_until("erin lists the room", || erin.lists(ROOM).then_some(()));
    alice.send(ROOM, "without bob");
    wait_until("the members agree", || {
        let state = |node: &Node| Some((node.room_status(ROOM)?["digest"].clone(), sorted(node)));
        let states = [&alice, &dave, &erin].map(state);
        let all = states[0].as_ref()?.1.contains(&"without bob".to_owned());
        (all && states.iter().all(|state| *state == states[0])).then_some(())
    });
    assert!(words.iter().all(|text| sorted(&erin).contains(text)), "{:?}", sorted(&erin));
    let refused = "bob's node takes nothing that was written without him";
    bob.stop();
    assert_eq!(bob.files_with(b"without bob").len(), 0, "{refused}");
    bob.up();

    // Back in: he reads and writes again, what he missed included.
    alice.ok(&["agent", "add", "bob", UNIT]);
    wait_until("bob lists the room again", || bob.lists(ROOM).then_some(()));
    wait_until("bob reads what he missed", || {
        sorted(&bob).contains(&"without bob".to_owned()).then_some(())
    });
    bob.send(ROOM, "back again");
    for node in [&alice, &dave, &erin] {
        wait_until("all read him again", || {
            sorted(node).contains(&"back again".to_owned()).then_some(())
        });
    }
    wait_until("all agree, bob included", || {
        let digest = |node: &Node| Some(node.room_status(ROOM)?["digest"].clone());
        let digests = [&alice, &bob, &dave, &erin].map(digest);
        digests.iter().all(|digest| digest.is_some() && *digest == digests[0]).then_some(())
    });
    assert!(!carol.lists(ROOM));
}

fn alice_and_bob() -> Vec<String> {
    ["alice answers", "bob was here", "bob's last words"].map(str::to_owned).to_vec()
}

fn sorted(node: &Node) -> Vec<String> {
    let mut texts = node.texts(ROOM);
    texts.sort();
    texts
}

#[test]
fn one_of_two_ways_in_is_enough() {
    let Company { alice, bob, carol, lab: _lab } = company();
    alice.ok(&["agent", "add", "carol", "role:Manager"]);
    let room = ["room", "new", "Both", "--permit", "department:Sales", "--permit", "role:Manager"];
    alice.ok(&room);
    wait_until("carol lists the room", || carol.lists("Both").then_some(()));
    alice.ok(&["agent", "remove", "carol", "group:Sales/Front Line"]);
    wait_until("the removal has come", || {
        (carol.control_digest() == alice.control_digest()).then_some(())
    });
    carol.send("Both", "still a manager");
    alice.ok(&["room", "unpermit", "Both", "role:Manager"]);
    wait_until("the room is closed to her", || (!carol.lists("Both")).then_some(()));
    carol.fails(&["send", "Both", "and now?"], 4, "no_access");
    assert!(!bob.lists("Both"));
}
