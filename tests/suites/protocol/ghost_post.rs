//! Case 18: what a removed member signs after all know is shown nowhere, however it comes.

use conclave_protocol::engine::GossipVerdict;
use conclave_protocol::envelope::Envelope;
use conclave_protocol::id::{MessageId, RoomId};
use conclave_protocol::sync::{Blob, Request, Response, Scope};
use conclave_tests::forge::{self, Forged};
use conclave_tests::world::{NodeId, Options, World};

struct Removed {
    w: World,
    alice: NodeId,
    bob: NodeId,
    carol: NodeId,
    mallory: NodeId,
    room: RoomId,
    /// A message of mallory's from before the removal.
    old: (MessageId, Envelope),
}

/// Mallory wrote, the others answered, then mallory was removed and all know.
fn removed(seed: u64) -> Removed {
    let mut w = World::new(seed, Options::CALM);
    let alice = w.found("Acme", "alice");
    w.department(alice, "Support");
    w.add_member(alice, "alice", "department:Support");
    let room = w.room(alice, "help", &["department:Support"]);
    let bob = w.join(alice, "bob", &["department:Support"]);
    let carol = w.join(alice, "carol", &["department:Support"]);
    let mallory = w.join(alice, "mallory", &["department:Support"]);
    w.connect_all();
    w.agree();
    let id = w.post(mallory, "help", "honest work");
    w.settle();
    w.post(bob, "help", "thanks");
    w.agree();
    let old = forge::stored(&w, alice, id).expect("held");
    let old = (id, old.value().clone());
    w.remove_member(alice, "mallory", "department:Support");
    w.agree();
    w.isolate(mallory);
    Removed { w, alice, bob, carol, mallory, room, old }
}

impl Removed {
    /// Old sequence number, old parents, an old time: as if it had been under way.
    fn back_dated(&self, text: &str) -> Forged {
        let keys = self.w.node(self.mallory).keys();
        let mut envelope = self.old.1.clone();
        forge::say(&mut envelope, text);
        forge::signed(&keys, &envelope)
    }

    /// Follows all that mallory knows.
    fn fresh(&self, text: &str) -> Forged {
        let keys = self.w.node(self.mallory).keys();
        let mut envelope = self.old.1.clone();
        envelope.seq += 1;
        envelope.prev = Some(self.old.0);
        envelope.parents = vec![self.old.0];
        envelope.height = self.old.1.height + 1;
        forge::say(&mut envelope, text);
        forge::signed(&keys, &envelope)
    }

    fn check_nowhere(&mut self, forged: &[Forged]) {
        self.w.settle();
        for id in [self.alice, self.bob, self.carol] {
            let texts = self.w.texts(id, "help");
            assert_eq!(texts, ["honest work", "thanks"], "at {}", self.w.node(id).name);
            for one in forged {
                assert!(!self.w.disk(id).holds(one.id), "stored at {}", self.w.node(id).name);
            }
        }
    }
}

#[test]
fn ghost_post_by_gossip_is_ignored_and_the_forwarder_is_told() {
    let mut r = removed(1);
    let topic = r.w.topic(r.room);
    let carol = r.w.node(r.carol).device();
    for forged in [r.back_dated("ghost"), r.fresh("late ghost")] {
        let before = r.w.refusals(r.bob, "removed");
        let token = r.w.inject_gossip(r.bob, carol, topic, &forged.bytes);
        r.w.settle();
        assert_eq!(r.w.node(r.bob).verdicts.get(&token), Some(&GossipVerdict::Ignore));
        assert_eq!(r.w.refusals(r.bob, "removed"), before + 1);
        r.check_nowhere(&[forged]);
    }
}

#[test]
fn ghost_post_by_push_is_shown_and_stored_nowhere() {
    let mut r = removed(2);
    let (scope, forged) = (Scope::Room(r.room), [r.back_dated("ghost"), r.fresh("late")]);
    let objects: Vec<Blob> = forged.iter().map(|f| Blob(f.bytes.clone())).collect();
    // By the removed member itself, and by a member who still has access.
    let mallory = r.w.node(r.mallory).keys();
    let device = r.w.puppet(&mallory, r.bob);
    let push = Request::Push { scope, objects };
    assert_eq!(r.w.ask_as(r.bob, device, &push), Response::Refused);
    let carol = r.w.node(r.carol).device();
    let before = r.w.refusals(r.bob, "removed");
    assert_eq!(r.w.ask_as(r.bob, carol, &push), Response::Ack);
    r.check_nowhere(&forged);
    assert_eq!(r.w.refusals(r.bob, "removed"), before + 2);
}

#[test]
fn ghost_post_by_pull_is_shown_and_stored_nowhere() {
    let mut r = removed(3);
    let forged = [r.back_dated("ghost"), r.fresh("late")];
    // Carol's device serves them without an acknowledgement: an accomplice that will not sign.
    let carol = r.w.node(r.carol).keys();
    r.w.isolate(r.carol);
    r.w.crash(r.carol);
    let world = &mut r.w;
    let held = forge::all_stored(world, r.bob, r.room);
    let scope = Scope::Room(r.room);
    let lone = world.add("accomplice");
    world.start(lone);
    let device = carol.device();
    // The puppet answers for carol's key while carol's node is away.
    let mut puppet = conclave_tests::world::puppet::Puppet {
        keys: carol,
        sets: Default::default(),
        bytes: Default::default(),
        garbage: None,
        pushed: Vec::new(),
        lie: Default::default(),
    };
    for message in held {
        puppet.hold(scope, message.value().height, message.bytes());
    }
    puppet.hold(scope, r.old.1.height, &forged[0].bytes);
    puppet.hold(scope, r.old.1.height + 1, &forged[1].bytes);
    world.replace_by_puppet(r.carol, puppet);
    let before = world.refusals(r.bob, "removed");
    let bob = r.bob;
    world.connect_device(device, bob);
    world.run(5_000);
    assert!(world.refusals(bob, "removed") >= before + 2, "they were pulled and refused");
    world.run(30_000);
    for id in [r.alice, r.bob] {
        assert_eq!(world.texts(id, "help"), ["honest work", "thanks"]);
        for one in &forged {
            assert!(!world.disk(id).holds(one.id));
        }
    }
    // And after a start from the store.
    world.crash(bob);
    world.start(bob);
    assert_eq!(world.texts(bob, "help"), ["honest work", "thanks"]);
}
