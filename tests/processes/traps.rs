//! What has silenced gossip before, with real nodes: many topics, large objects among small
//! ones, leaving and rejoining a topic, a node that comes back elsewhere.

use std::time::{Duration, Instant};

use conclave_tests::process::{Acknowledged, Company, all_have, burst, wait_until};

use crate::{PATIENCE, company};

const ROOM: &str = Company::EVERYONE;
/// Gossipsub's filter of subscriptions lets 100 topics through unless it is told otherwise.
const ROOMS: usize = 130;
/// The longest text a message may have.
const TEXT_BYTES_MAX: usize = 16 * 1024;
/// Gossip takes well under a second. Reconciling now and then, which would hide a gossip that is
/// silent, takes up to ten, so that one of several messages would be late.
const BY_GOSSIP: Duration = Duration::from_secs(3);

#[test]
fn a_message_in_the_last_of_130_rooms_arrives_by_gossip() {
    let Company { alice, bob, carol, lab: _lab } = company();
    let name = |number: usize| format!("Room {number}");
    for number in 0..ROOMS {
        alice.ok(&["room", "new", &name(number), "--permit", "role:Agent"]);
    }
    for node in [&bob, &carol] {
        wait_until("all rooms are listed", || {
            let rooms = node.ok(&["room", "list"])["rooms"].as_array().expect("rooms").len();
            (rooms == ROOMS).then_some(())
        });
    }
    for number in [0, 99, 100, 101, ROOMS - 1] {
        alice.send(&name(number), "first");
        for node in [&bob, &carol] {
            wait_until("it arrives", || (!node.texts(&name(number)).is_empty()).then_some(()));
        }
    }
    for number in [ROOMS - 1, 0, 64, 100] {
        for author in [&bob, &carol] {
            let words = format!("{} by gossip", author.name());
            author.send(&name(number), &words);
            let begin = Instant::now();
            for node in [&alice, &bob, &carol] {
                wait_until("it arrives", || {
                    node.texts(&name(number)).contains(&words).then_some(())
                });
            }
            assert!(begin.elapsed() < BY_GOSSIP, "room {number}: {:?}", begin.elapsed());
        }
    }
}

#[test]
fn large_objects_among_small_ones_do_not_end_a_link() {
    let Company { alice, bob, carol, lab: _lab } = {
        let company = company();
        company.open_everyone();
        company
    };
    let mut sent = Acknowledged::new();
    for round in 0..3 {
        // A long name makes a long line; the number at its end counts.
        let long = "x".repeat(TEXT_BYTES_MAX - 2);
        for (name, count) in [(format!("small {round}"), 100), (long, 5), ("again".into(), 100)] {
            let name = if name.len() > 100 {
                // Each round's own, and exactly as long as a text may be.
                format!("{round}{}", &name[1..])
            } else {
                format!("{name} {round}")
            };
            let command = alice.command(&["--json", "send", ROOM, "-"]);
            let (more, code) = burst(command, &name, 0..count);
            assert_eq!((code, more.len()), (0, count));
            sent.extend(more);
        }
    }
    all_have([&alice, &bob, &carol], ROOM, &sent, PATIENCE);
    for number in 0..3 {
        let words = format!("the link is alive {number}");
        alice.send(ROOM, &words);
        let begin = Instant::now();
        for node in [&bob, &carol] {
            wait_until("it arrives", || node.texts(ROOM).contains(&words).then_some(()));
        }
        assert!(begin.elapsed() < BY_GOSSIP, "{:?}", begin.elapsed());
    }
}

#[test]
fn who_leaves_a_room_and_returns_hears_it_within_seconds() {
    let Company { alice, bob, carol, lab: _lab } = company();
    let unit = "group:Support/Front Line";
    alice.ok(&["agent", "add", "carol", unit]);
    alice.ok(&["room", "new", ROOM, "--permit", unit, "--permit", "agent:alice"]);
    for node in [&bob, &carol] {
        wait_until("the room is listed", || node.lists(ROOM).then_some(()));
    }
    for round in 0..3 {
        alice.ok(&["agent", "remove", "bob", unit]);
        wait_until("bob has left", || (!bob.lists(ROOM)).then_some(()));
        let missed = format!("without bob {round}");
        alice.send(ROOM, &missed);
        wait_until("carol has it", || carol.texts(ROOM).contains(&missed).then_some(()));
        alice.ok(&["agent", "add", "bob", unit]);
        let begin = Instant::now();
        wait_until("bob is back", || {
            (bob.lists(ROOM) && bob.texts(ROOM).contains(&missed)).then_some(())
        });
        println!("back and all there after {:?}", begin.elapsed());
        for number in 0..5 {
            let words = format!("bob hears this {round} {number}");
            carol.send(ROOM, &words);
            let begin = Instant::now();
            wait_until("bob hears it", || bob.texts(ROOM).contains(&words).then_some(()));
            assert!(begin.elapsed() < BY_GOSSIP, "{words}: {:?}", begin.elapsed());
        }
    }
}

#[test]
fn a_node_that_comes_back_from_another_address_hears_and_is_heard() {
    let Company { alice, mut bob, carol, lab: _lab } = {
        let company = company();
        company.open_everyone();
        company
    };
    for address in ["127.0.0.2", "127.0.0.3", "127.0.0.1"] {
        // Killed, so that the others still hold connections to where he was.
        bob.kill_nine();
        bob.set_listen(&["--no-mdns", "--listen", &format!("/ip4/{address}/tcp/0")]);
        bob.up();
        assert!(bob.address().contains(address));
        wait_until("he has found both", || {
            let status = bob.status();
            let peers = status["peers"].as_array().expect("peers");
            (peers.iter().filter(|peer| peer["agent"]["name"].is_string()).count() == 2)
                .then_some(())
        });
        for number in 0..5 {
            for (author, reader) in [(&alice, &bob), (&bob, &carol), (&carol, &bob)] {
                let words = format!("{} {number} for {address}", author.name());
                author.send(ROOM, &words);
                let begin = Instant::now();
                wait_until("it is heard", || reader.texts(ROOM).contains(&words).then_some(()));
                assert!(begin.elapsed() < BY_GOSSIP, "{words}: {:?}", begin.elapsed());
            }
        }
    }
}
