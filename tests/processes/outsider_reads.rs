//! Who is outside a room reads nothing of it: not a member without access, not one who was
//! removed, not a stranger, and not a newcomer of what came before, whatever they subscribe to and
//! ask, with a libp2p peer that is not our node; and not with the ciphertext in their hands.

use std::collections::BTreeMap;

use conclave_node::identity::DeviceSecrets;
use conclave_protocol::crypt::EpochKey;
use conclave_protocol::envelope::Envelope;
use conclave_protocol::id::{MessageId, RoomId};
use conclave_protocol::sync::Response;
use conclave_tests::canary::{Scanner, canary};
use conclave_tests::found::{envelopes, envelopes_in};
use conclave_tests::outsider::{Opened, Outsider, Prey, open_all, secrets_of};
use conclave_tests::process::{Company, Node, text, wait_until};

use crate::company;

const ROOM: &str = Company::SUPPORT;
const UNIT: &str = "group:Support/Front Line";

/// A company in which alice and bob have a room and instant messages.
struct Talk {
    company: Company,
    /// What they have said.
    said: Vec<String>,
    instant: RoomId,
    room: RoomId,
}

impl Talk {
    #[track_caller]
    fn new() -> Self {
        let company = company();
        company.open_support();
        let Company { alice, bob, .. } = &company;
        let [first, second, private] =
            ["firstword", "secondword", "privateword"].map(|word| canary(word, 1));
        alice.send(ROOM, &first);
        wait_until("bob has it", || (bob.texts(ROOM).len() == 1).then_some(()));
        bob.send(ROOM, &second);
        let sent = alice.ok(&["im", "bob", &private]);
        let instant = text(&sent["room"]["id"]);
        wait_until("all is everywhere", || {
            let here = bob.json(&["history", &instant]).stdout.contains(&private);
            (here && alice.texts(ROOM).len() == 2).then_some(())
        });
        let room = id_of(alice, ROOM);
        let instant = instant.parse().expect("an id");
        Self { said: vec![first, second, private], company, instant, room }
    }

    /// They go on, where they are heard by others too.
    #[track_caller]
    fn go_on(&mut self, number: u64) {
        let Company { alice, bob, .. } = &self.company;
        let [live, private] = ["liveword", "liveprivate"].map(|word| canary(word, number));
        alice.send(ROOM, &live);
        bob.ok(&["im", "alice", &private]);
        wait_until("both have it", || {
            let here = alice.json(&["im", "bob"]).stdout.contains(&private);
            (here && bob.texts(ROOM).contains(&live)).then_some(())
        });
        self.said.extend([live, private]);
    }
}

fn id_of(node: &Node, room: &str) -> RoomId {
    text(&node.ok(&["room", "show", room])["id"]).parse().expect("an id")
}

/// Subscribes to everything and asks everybody for everything; gives what of the answers about
/// rooms was more than a refusal.
fn attack(outsider: &Outsider, prey: &Prey, secrets: &DeviceSecrets) -> Vec<String> {
    outsider.subscribe(prey.topics());
    for request in prey.about_control() {
        outsider.ask_all(&request);
    }
    let mut leaks = Vec::new();
    for request in prey.about_rooms(&secrets.keys()) {
        for answer in outsider.ask_all(&request) {
            if !matches!(answer, None | Some(Response::Refused | Response::Ack)) {
                leaks.push(format!("{request:?}: {answer:?}"));
            }
        }
    }
    leaks
}

/// What an outsider has been given, opened with its keys.
fn opened(
    outsider: &Outsider,
    prey: &Prey,
    secrets: &DeviceSecrets,
    before: &BTreeMap<MessageId, EpochKey>,
) -> Opened {
    let messages = envelopes_in(&outsider.received(), prey.company);
    open_all(prey.company, &messages, &outsider.given(), &secrets.keys(), before)
}

/// Checks that nothing of these messages is in what an outsider has received: no envelope, no
/// ciphertext, no sealed or wrapped key, no key, no word.
#[track_caller]
fn assert_nothing_received(
    outsider: &Outsider,
    prey: &Prey,
    messages: &BTreeMap<MessageId, Envelope>,
    inside: &Opened,
) {
    let received = outsider.received();
    assert!(!messages.is_empty() && !inside.keys.is_empty() && !inside.texts.is_empty());
    let mut secrets: Vec<(String, Vec<u8>)> = Vec::new();
    for (id, message) in messages {
        if message.kind.is_content() {
            secrets.push((format!("the ciphertext of {id}"), message.body.clone()));
            secrets.push((format!("the nonce of {id}"), message.nonce.clone()));
        }
        for key in message.epoch_keys().into_iter().flat_map(|keys| keys.keys) {
            secrets.push((format!("a sealed key of {id}"), key.sealed.0.to_vec()));
        }
        for previous in message.epoch_start().into_iter().flat_map(|start| start.previous) {
            let wrapped = previous.wrapped.map(|wrapped| wrapped.0.to_vec());
            secrets.extend(wrapped.map(|key| (format!("a wrapped key of {id}"), key)));
        }
    }
    for (epoch, key) in &inside.keys {
        secrets.push((format!("the key of {epoch}"), key.secret().to_vec()));
    }
    secrets.extend(inside.texts.values().map(|text| (text.clone(), text.clone().into_bytes())));
    let scanner =
        Scanner::for_bytes(secrets.iter().map(|(name, bytes)| (name.clone(), bytes.as_slice())));
    scanner.assert_clean("what the outsider received", &received);
    let found = envelopes_in(&received, prey.company);
    let found: Vec<_> = messages.keys().filter(|id| found.contains_key(*id)).collect();
    assert!(found.is_empty(), "{found:?}");
}

fn nothing() -> BTreeMap<MessageId, EpochKey> {
    BTreeMap::new()
}

/// What a member with access has on its disk, and opens with its own keys.
fn inside_of(node: &Node, prey: &Prey) -> (BTreeMap<MessageId, Envelope>, Opened) {
    let messages = envelopes(node);
    let keys = secrets_of(node.home()).keys();
    let inside = open_all(prey.company, &messages, &[], &keys, &nothing());
    (messages, inside)
}

#[test]
fn a_member_without_access_who_asks_everybody_for_everything_reads_nothing() {
    let mut talk = Talk::new();
    talk.company.carol.stop();
    let secrets = secrets_of(talk.company.carol.home());
    let prey = Prey::of(&talk.company.bob);
    assert_eq!(prey.rooms.len(), 2, "{:?}", prey.rooms);
    let outsider = Outsider::start(&secrets, &prey, &[&talk.company.alice, &talk.company.bob]);
    assert_eq!(attack(&outsider, &prey, &secrets), [""; 0]);
    talk.go_on(1);
    // What is new too; in it lie epochs that did not exist before.
    let prey = Prey::of(&talk.company.bob);
    assert_eq!(attack(&outsider, &prey, &secrets), [""; 0]);
    talk.go_on(2);
    let (alice, bob) = (&talk.company.alice, &talk.company.bob);
    let control = prey.control_topic();
    // She is a member: of the control log she hears, so what is missing is not for want of a line.
    alice.ok(&["role", "new", "Auditor"]);
    wait_until("she hears of it", || outsider.has_heard(control).then_some(()));
    for room in [talk.room, talk.instant] {
        assert!(!outsider.has_heard(prey.topic(room)), "gossip of {room}");
    }
    // What the document on threats says that she can see.
    for node in [alice, bob] {
        for room in [talk.room, talk.instant] {
            let told = || outsider.is_told_of(node, prey.topic(room)).then_some(());
            wait_until("a member can see who is in which topic", told);
        }
    }
    let (messages, inside) = inside_of(bob, &prey);
    for words in &talk.said {
        assert!(inside.has(words), "bob has all: {words}");
    }
    assert_nothing_received(&outsider, &prey, &messages, &inside);
    assert!(opened(&outsider, &prey, &secrets, &nothing()).texts.is_empty());
    // All of it in her hands is of no use.
    let handed = open_all(prey.company, &messages, &[], &secrets.keys(), &nothing());
    assert!(handed.keys.is_empty() && handed.texts.is_empty(), "{handed:?}");

    // The same peer, with access, gets and opens it all: but for that, it would have.
    alice.ok(&["agent", "add", "carol", UNIT]);
    wait_until("she reads the room", || {
        let _ = attack(&outsider, &Prey::of(bob), &secrets);
        let read = opened(&outsider, &prey, &secrets, &nothing());
        (read.has(&talk.said[0]) && read.has(&talk.said[5])).then_some(())
    });
    let live = canary("withaccess", 1);
    wait_until("she is in the topic", || {
        bob.send(ROOM, &live);
        outsider.has_heard(prey.topic(talk.room)).then_some(())
    });
    let (messages, _) = inside_of(bob, &prey);
    let read = opened(&outsider, &prey, &secrets, &nothing());
    for (number, words) in talk.said.iter().enumerate() {
        // What the two write to each other alone stays theirs.
        let private = number > 0 && number % 2 == 0;
        assert_eq!(read.has(words), !private, "{words}");
    }
    assert!(messages.len() > read.texts.len());
}

#[test]
fn a_removed_member_keeps_what_it_had_and_reads_nothing_new() {
    assert!(reads_nothing_after(&["agent", "remove", "bob", UNIT]), "he is a member still");
}

#[test]
fn a_revoked_agent_keeps_what_it_had_and_reads_nothing_new() {
    assert!(!reads_nothing_after(&["agent", "revoke", "bob"]), "he is one no longer");
}

/// Gives whether he still hears of changes of the control log.
#[track_caller]
fn reads_nothing_after(how: &[&str]) -> bool {
    let talk = Talk::new();
    let Company { alice, mut bob, carol, lab: _lab } = talk.company;
    let prey = Prey::of(&bob);
    let (old, inside) = inside_of(&bob, &prey);
    bob.stop();
    let secrets = secrets_of(bob.home());
    let outsider = Outsider::start(&secrets, &prey, &[&alice, &carol]);
    // Inside, the same peer is served: what fails later fails for want of access.
    assert_ne!(attack(&outsider, &prey, &secrets), [""; 0]);
    assert!(opened(&outsider, &prey, &secrets, &nothing()).has(&talk.said[0]));
    // Carol takes his place, so that there is somebody to talk to.
    alice.ok(&["agent", "add", "carol", UNIT]);
    alice.ok(how);
    wait_until("carol reads the room", || {
        // And knows of the removal: before she does, he is a member like others.
        let knows = carol.control_digest() == alice.control_digest();
        (knows && carol.lists(ROOM) && carol.texts(ROOM).len() == 2).then_some(())
    });
    let before = outsider.received().len();
    let role = canary("Laterrole", 1);
    alice.ok(&["role", "new", &role]);
    let new: Vec<String> = (0..4).map(|number| canary("newword", number)).collect();
    for (number, words) in new.iter().enumerate() {
        [&alice, &carol][number % 2].send(ROOM, words);
    }
    for node in [&alice, &carol] {
        wait_until("all have it", || {
            let texts = node.texts(ROOM);
            new.iter().all(|words| texts.contains(words)).then_some(())
        });
    }
    let prey = Prey::of(&alice);
    let leaks = attack(&outsider, &prey, &secrets);
    // His instant messages with alice stay his.
    let about_room = format!("{:?}", talk.room);
    let leaks: Vec<_> = leaks.iter().filter(|leak| leak.contains(&about_room)).collect();
    assert!(leaks.is_empty(), "{leaks:?}");
    assert!(outsider.received().len() > before, "it is heard all the same");
    let (messages, now) = inside_of(&alice, &prey);
    // What he has made up himself, he may well have.
    let his = secrets.keys().device();
    let newer: BTreeMap<_, _> = messages
        .iter()
        .filter(|(id, message)| !old.contains_key(*id) && message.device != his)
        .map(|(id, message)| (*id, message.clone()))
        .collect();
    let mut fresh = now;
    fresh.keys.retain(|epoch, _| !inside.keys.contains_key(epoch));
    fresh.texts.retain(|id, _| newer.contains_key(id));
    assert!(new.iter().all(|words| fresh.has(words)));
    assert_nothing_received(&outsider, &prey, &newer, &fresh);
    // With all that alice has, and every key that he had.
    let handed =
        open_all(prey.company, &messages, &outsider.given(), &secrets.keys(), &inside.keys);
    assert!(handed.has(&talk.said[0]) && handed.has(&talk.said[2]), "the old stays");
    for words in &new {
        assert!(!handed.has(words), "{words}");
    }
    assert!(fresh.keys.keys().all(|epoch| !handed.keys.contains_key(epoch)));
    !Scanner::new(&[role]).find(&outsider.received()).is_empty()
}

#[test]
fn a_stranger_who_asks_everybody_for_everything_reads_nothing() {
    let mut talk = Talk::new();
    let secrets = secrets_of(&talk.company.lab.path().join("mallory"));
    let prey = Prey::of(&talk.company.bob);
    let outsider = Outsider::start(&secrets, &prey, &[&talk.company.alice, &talk.company.bob]);
    assert_eq!(attack(&outsider, &prey, &secrets), [""; 0]);
    talk.go_on(1);
    let prey = Prey::of(&talk.company.bob);
    assert_eq!(attack(&outsider, &prey, &secrets), [""; 0]);
    for request in prey.about_control() {
        for answer in outsider.ask_all(&request) {
            assert!(matches!(answer, None | Some(Response::Refused)), "{request:?}: {answer:?}");
        }
    }
    let (messages, inside) = inside_of(&talk.company.bob, &prey);
    assert!(talk.said.iter().all(|words| inside.has(words)));
    assert_nothing_received(&outsider, &prey, &messages, &inside);
    for topic in prey.topics() {
        assert!(!outsider.has_heard(topic), "strangers hear no gossip");
        for node in [&talk.company.alice, &talk.company.bob] {
            assert!(!outsider.is_told_of(node, topic), "strangers are told of no topic");
        }
    }
    let names = Scanner::new(&[ROOM, "Front Line", "Escalation"]);
    names.assert_clean("what the stranger received", &outsider.received());
    let handed = open_all(prey.company, &messages, &[], &secrets.keys(), &nothing());
    assert!(handed.keys.is_empty() && handed.texts.is_empty(), "{handed:?}");
}

#[test]
fn under_from_join_a_newcomer_opens_nothing_that_came_before() {
    let Company { alice, bob, mut carol, lab: _lab } = company();
    let new = ["room", "new", ROOM, "--permit", "department:Support", "--history", "from-join"];
    alice.ok(&new);
    wait_until("bob lists the room", || bob.lists(ROOM).then_some(()));
    let [before, after] = ["beforeword", "afterword"].map(|word| canary(word, 1));
    alice.send(ROOM, &before);
    wait_until("bob has it", || (bob.texts(ROOM).len() == 1).then_some(()));
    carol.stop();
    let secrets = secrets_of(carol.home());
    alice.ok(&["agent", "add", "carol", UNIT]);
    wait_until("bob knows of it", || {
        (bob.control_digest() == alice.control_digest()).then_some(())
    });
    let prey = Prey::of(&bob);
    let outsider = Outsider::start(&secrets, &prey, &[&alice, &bob]);
    wait_until("what is written now is for her too", || {
        alice.send(ROOM, &after);
        let prey = Prey::of(&bob);
        let _ = attack(&outsider, &prey, &secrets);
        opened(&outsider, &prey, &secrets, &nothing()).has(&after).then_some(())
    });
    let prey = Prey::of(&bob);
    let _ = attack(&outsider, &prey, &secrets);
    assert!(!opened(&outsider, &prey, &secrets, &nothing()).has(&before));
    let (messages, inside) = inside_of(&bob, &prey);
    assert!(inside.has(&before) && inside.has(&after));
    let handed = open_all(prey.company, &messages, &outsider.given(), &secrets.keys(), &nothing());
    assert!(handed.has(&after) && !handed.has(&before), "{:?}", handed.texts);
}

/// His own node runs on, with all that its store has.
#[test]
fn the_running_node_of_who_was_removed_reads_nothing_new() {
    for how in [&["agent", "remove", "bob", UNIT][..], &["agent", "revoke", "bob"]] {
        let Talk { company, said, room, .. } = Talk::new();
        let Company { alice, mut bob, carol, lab: _lab } = company;
        let prey = Prey::of(&bob);
        let (_, inside) = inside_of(&bob, &prey);
        alice.ok(&["agent", "add", "carol", UNIT]);
        alice.ok(how);
        wait_until("carol knows of it", || {
            let knows = carol.control_digest() == alice.control_digest();
            (knows && carol.lists(ROOM) && carol.texts(ROOM).len() == 2).then_some(())
        });
        wait_until("bob is out", || (bob.json(&["history", ROOM]).code == 4).then_some(()));
        let new: Vec<String> = (0..4).map(|number| canary("newword", number)).collect();
        for (number, words) in new.iter().enumerate() {
            [&alice, &carol][number % 2].send(ROOM, words);
        }
        for node in [&alice, &carol] {
            wait_until("the others have it all", || {
                let texts = node.texts(ROOM);
                new.iter().all(|words| texts.contains(words)).then_some(())
            });
        }
        let id = room.to_string();
        for args in [&["history", ROOM][..], &["history", &id], &["tail", ROOM], &["export", ROOM]]
        {
            let ran = bob.say(args);
            assert!(matches!(ran.code, 4 | 5), "{how:?}: {args:?}: {ran:?}");
            assert_eq!(ran.stdout, "", "{how:?}: {args:?}");
        }
        let secrets = secrets_of(bob.home());
        let (messages, now) = inside_of(&alice, &prey);
        let held = envelopes_in(
            &bob.files().into_iter().flat_map(|f| f.1).collect::<Vec<_>>(),
            prey.company,
        );
        bob.stop();
        // Not even the ciphertext has come.
        for (id, text) in now.texts.iter().filter(|(_, text)| new.contains(text)) {
            assert!(!held.contains_key(id), "{how:?}: bob's node holds {text}");
        }
        let files: Vec<u8> = bob.files().into_iter().flat_map(|(_, bytes)| bytes).collect();
        Scanner::new(&new).assert_clean("bob's home", &files);
        let handed = open_all(prey.company, &messages, &[], &secrets.keys(), &inside.keys);
        assert!(handed.has(&said[0]), "{how:?}: he keeps what he had");
        assert!(new.iter().all(|words| !handed.has(words)), "{how:?}: {:?}", handed.texts);
        assert!(new.iter().all(|words| now.has(words)));
    }
}
