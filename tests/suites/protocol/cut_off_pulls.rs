//! What a pull brings of a removed author before it brings an acknowledgement, if it ever does.

use std::collections::BTreeSet;

use conclave_protocol::envelope::Envelope;
use conclave_protocol::id::{DeviceId, MessageId};
use conclave_protocol::limits::{IDS_FRAME_MAX, UNACKNOWLEDGED_PER_ROOM_MAX};
use conclave_protocol::signed::Verified;
use conclave_protocol::sync::Scope;
use conclave_tests::forge::{self, Forged};
use conclave_tests::world::{NodeId, World};

use crate::scene::{help, rows, team};

struct Scene {
    w: World,
    alice: NodeId,
    bob: NodeId,
    carol: NodeId,
    xavier: NodeId,
    /// What is honestly in the room.
    honest: Vec<Verified<Envelope>>,
    /// Xavier's message.
    old: (MessageId, Envelope),
}

/// Xavier was removed, all know, and bob is alone.
fn removed(seed: u64) -> Scene {
    let (mut w, alice, others) = team(seed, &["bob", "carol", "xavier"]);
    let (bob, carol, xavier) = (others[0], others[1], others[2]);
    let old = w.post(xavier, "help", "x1");
    w.agree();
    w.post(alice, "help", "ok");
    w.agree();
    w.crash(xavier);
    w.remove_member(alice, "xavier", "department:Support");
    w.agree();
    let honest = forge::all_stored(&w, alice, help(&w, alice));
    let old = (old, forge::stored(&w, alice, old).expect("held").value().clone());
    w.isolate(bob);
    Scene { w, alice, bob, carol, xavier, honest, old }
}

impl Scene {
    /// What xavier signs after its removal: side by side, or each after the one before.
    fn ghosts(&self, count: u64, chained: bool, size: usize) -> Vec<(u64, Forged)> {
        let keys = self.w.node(self.xavier).keys();
        let mut ghost = self.old.1.clone();
        let mut made: Vec<(u64, Forged)> = Vec::new();
        for n in 0..count {
            let (parent, height) = match made.last().filter(|_| chained) {
                Some((height, forged)) => (forged.id, *height),
                None => (self.old.0, self.old.1.height),
            };
            (ghost.parents, ghost.height) = (vec![parent], height + 1);
            (ghost.seq, ghost.prev) = (self.old.1.seq + 10 + n, Some(self.old.0));
            forge::say(&mut ghost, format!("ghost {n} {}", "x".repeat(size)));
            made.push((ghost.height, forge::signed(&keys, &ghost)));
        }
        made
    }

    /// An accomplice: a member's key that serves what is honest and these.
    fn accomplice(&mut self, id: NodeId, ghosts: &[(u64, Forged)]) -> DeviceId {
        if self.w.is_up(id) {
            self.w.crash(id);
        }
        let scope = Scope::Room(help(&self.w, self.bob));
        let mut puppet = self.w.empty_puppet(id);
        for message in &self.honest {
            puppet.hold(scope, message.value().height, message.bytes());
        }
        for (height, forged) in ghosts {
            puppet.hold(scope, *height, &forged.bytes);
        }
        let device = puppet.keys.device();
        self.w.replace_by_puppet(id, puppet);
        device
    }

    /// Goes on until bob holds that many rows more than are honest.
    fn until_bob_holds(&mut self, more: usize) {
        let (bob, wanted) = (self.bob, self.honest.len() + more);
        self.w.until("ghosts on the way in", 60_000, |w| rows(w, bob) >= wanted);
    }

    fn check_nothing_is_left(&mut self) {
        assert_eq!(rows(&self.w, self.bob), self.honest.len());
        assert_eq!(self.w.texts(self.bob, "help"), ["x1", "ok"]);
        self.w.crash(self.bob);
        self.w.start(self.bob);
        self.w.run(100);
        assert_eq!(rows(&self.w, self.bob), self.honest.len());
    }
}

#[test]
fn nothing_is_left_when_the_peer_goes_away_in_the_middle() {
    let mut s = removed(1);
    let ghosts = s.ghosts(600, false, 2_000);
    let device = s.accomplice(s.alice, &ghosts);
    s.w.connect_device(device, s.bob);
    s.until_bob_holds(200);
    s.w.isolate(s.bob);
    s.w.run(100);
    s.check_nothing_is_left();
}

#[test]
fn nothing_is_left_after_a_crash_in_the_middle() {
    let mut s = removed(2);
    let ghosts = s.ghosts(600, true, 2_000);
    let device = s.accomplice(s.alice, &ghosts);
    s.w.connect_device(device, s.bob);
    s.until_bob_holds(200);
    s.w.crash(s.bob);
    assert!(rows(&s.w, s.bob) > s.honest.len(), "some were durable");
    s.w.start(s.bob);
    s.w.run(100);
    s.check_nothing_is_left();
}

#[test]
fn nothing_is_left_when_the_pulls_of_several_peers_end_one_after_the_other() {
    for (seed, chained, from) in [(3, false, 0), (4, true, 0), (5, true, 200)] {
        let mut s = removed(seed);
        let ghosts = s.ghosts(1_500, chained, 2_000);
        let first = s.accomplice(s.alice, &ghosts);
        // The second goes on where the first has been before.
        let second = s.accomplice(s.carol, &ghosts[from..]);
        s.w.connect_device(first, s.bob);
        s.until_bob_holds(400);
        s.w.connect_device(second, s.bob);
        s.until_bob_holds(900);
        s.w.disconnect(s.alice, s.bob);
        s.w.run(30_000);
        assert_eq!(rows(&s.w, s.bob), s.honest.len(), "seed {seed}");
        s.check_nothing_is_left();
    }
}

#[test]
fn what_one_pull_has_brought_is_not_taken_back_because_another_has_brought_it_too() {
    let mut s = removed(6);
    let ghosts = s.ghosts(1_500, false, 2_000);
    let first = s.accomplice(s.alice, &ghosts);
    let second = s.accomplice(s.carol, &ghosts[..700]);
    s.w.connect_device(first, s.bob);
    s.until_bob_holds(700);
    s.w.connect_device(second, s.bob);
    s.w.run(60);
    let before = rows(&s.w, s.bob);
    s.w.disconnect(s.carol, s.bob);
    s.w.run(10);
    assert!(rows(&s.w, s.bob) >= before, "the first pull goes on");
    s.w.run(30_000);
    s.check_nothing_is_left();
}

#[test]
fn an_honest_history_that_only_its_end_acknowledges_arrives_from_two_peers_at_once() {
    for (seed, leaves) in [(10, false), (11, true)] {
        let (mut w, alice, others) = team(seed, &["bob", "xavier"]);
        let (bob, xavier) = (others[0], others[1]);
        for n in 0..500 {
            w.post(xavier, "help", &format!("x{n} {}", "y".repeat(2_000)));
        }
        w.agree();
        w.post(alice, "help", "the end");
        w.agree();
        w.remove_member(alice, "xavier", "department:Support");
        w.agree();
        w.crash(xavier);
        // Dave has access before it meets anyone who holds the room.
        let dave = w.join(alice, "dave", &[]);
        let erin = w.join(alice, "erin", &[]);
        w.connect(dave, erin);
        w.agree();
        w.isolate(dave);
        w.add_member(alice, "dave", "department:Support");
        w.settle();
        w.connect(dave, erin);
        w.settle();
        assert_eq!(rows(&w, dave), 0);
        w.connect(dave, alice);
        w.connect(dave, bob);
        w.until("a part of it", 60_000, |w| rows(w, dave) > 300);
        let shown = w.messages(dave, "help");
        assert!(shown.iter().all(|m| m.incomplete), "not acknowledged yet");
        if leaves {
            w.disconnect(dave, alice);
        }
        w.until("all of it", 60_000, |w| w.texts(dave, "help").len() == 501);
        w.connect_all();
        w.agree();
        w.crash(dave);
        w.start(dave);
        assert_eq!(w.texts(dave, "help").len(), 501);
    }
}

#[test]
fn what_pulls_bring_before_an_acknowledgement_is_bounded() {
    let mut s = removed(20);
    // More than one answer brings: the bound must not be passed, and the pull end, in one step.
    let over = 2 * IDS_FRAME_MAX;
    let count = u64::try_from(UNACKNOWLEDGED_PER_ROOM_MAX + over).expect("small");
    let ghosts = s.ghosts(count, false, 0);
    assert_eq!(ghosts.iter().map(|(_, f)| f.id).collect::<BTreeSet<_>>().len(), ghosts.len());
    let device = s.accomplice(s.alice, &ghosts);
    s.w.options.latency_ms_max = 1;
    s.w.connect_device(device, s.bob);
    s.until_bob_holds(UNACKNOWLEDGED_PER_ROOM_MAX);
    let bob = s.bob;
    let honest = s.honest.len();
    s.w.until("the end of the pull", 60_000, |w| {
        assert!(rows(w, bob) <= honest + UNACKNOWLEDGED_PER_ROOM_MAX);
        rows(w, bob) == honest
    });
    assert!(s.w.refusals(bob, "removed") >= count);
    s.w.isolate(bob);
    s.check_nothing_is_left();
}
