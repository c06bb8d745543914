//! Whoever loses access, by whatever: the next text of an informed author is kept from them, with
//! all keys that they ever got.

use conclave_protocol::engine::{Signer, Table};
use conclave_protocol::id::ObjectId;
use conclave_protocol::keys::{DeviceKeys, recovery_commitment, recovery_seed};
use conclave_protocol::limits::EPOCH_AFTER_MAX;
use conclave_protocol::object::{AdminGrant, Capabilities, Payload, Ratify};
use conclave_tests::forge::Forged;
use conclave_tests::world::node::seed_of;

use super::*;
use crate::company::pen::{Pen, gossip};
use crate::scene::{help, team};

struct Scene {
    w: World,
    alice: NodeId,
    bob: NodeId,
    carol: NodeId,
    dave: NodeId,
    xavier: NodeId,
}

/// Alice is an admin of rank 1, carol and dave of rank 2; xavier is in no unit. A first text has
/// been written, so that whoever comes is no recipient of its epoch and asks for the key.
fn scene(seed: u64) -> Scene {
    let (mut w, alice, others) = team(seed, &["bob", "carol", "dave"]);
    let [bob, carol, dave] = others[..] else { panic!("three") };
    let xavier = w.join(alice, "xavier", &[]);
    w.connect_all();
    for agent in ["carol", "dave"] {
        admin(&mut w, alice, agent, 2, None);
    }
    w.agree();
    // Something for cuts to leave.
    w.department(carol, "Legal");
    w.agree();
    w.watch();
    w.post(bob, "help", "first");
    w.agree();
    Scene { w, alice, bob, carol, dave, xavier }
}

fn admin(w: &mut World, by: NodeId, agent: &str, rank: u32, root: Option<Signer>) {
    let (agent, device, may, scope) = (agent.to_owned(), None, Capabilities::ALL, None);
    let may = if rank == 1 { may } else { Capabilities { admins: false, ..may } };
    w.must(by, Command::GrantAdmin { agent, device, rank, may, scope, root });
}

fn root(w: &World) -> Option<Signer> {
    Some(Signer::new(w.root_keys("Acme")))
}

fn dismiss(agent: &str, device: Option<String>, strict: bool) -> Command {
    let (agent, keep, last_good, root) = (agent.to_owned(), Vec::new(), None, None);
    Command::RevokeAgent { agent, device, strict, keep, last_good, root }
}

fn recover(w: &World, last_good: Option<ObjectId>) -> Command {
    let entropy = seed_of("recovery", w.seed);
    let key = Signer::new(DeviceKeys::new(&recovery_seed(&entropy, 1), &[0; 32]));
    let last_good = last_good.map(|id| id.to_string());
    Command::Recover { key, next: recovery_commitment(&entropy, 2), last_good }
}

impl Scene {
    fn add(&mut self, by: NodeId) {
        self.w.add_member(by, "xavier", "department:Support");
    }

    /// Xavier is in, has asked for the key of what is there, and reads.
    fn is_in(&mut self) {
        self.w.agree();
        assert!(self.w.texts(self.xavier, "help").contains(&"first".to_owned()));
    }

    /// Xavier is out; whoever knows writes on, and xavier asks all for all keys.
    fn goes_unread(mut self, how: &str) {
        let (xavier, room) = (self.xavier, help(&self.w, self.alice));
        self.w.agree_without(&[xavier]);
        let standing = |w: &World, id| w.engine(id).readable_room("help").is_ok();
        let device = self.w.node(xavier).device();
        let access = |id| Pen::of(&self.w, id).log.access().device_has_access(device, room);
        let known_by = [self.alice, self.bob, self.dave];
        assert!(known_by.into_iter().all(|id| !access(id)), "{how}: xavier has access");
        let before = kept(&self.w);
        let writers = [self.alice, self.bob, self.dave];
        let writers = writers.into_iter().filter(|id| standing(&self.w, *id)).collect::<Vec<_>>();
        assert!(writers.len() > 1, "{how}: nobody writes");
        for id in &writers {
            self.w.post(*id, "help", "secret");
            asks_everybody(&mut self.w, xavier, room);
        }
        self.w.agree_without(&[xavier]);
        asks_everybody(&mut self.w, xavier, room);
        self.w.judge_private();
        assert!(kept(&self.w) > before, "{how}: nothing was kept from anybody");
        for id in writers {
            let read = self.w.texts(id, "help");
            assert!(read.iter().filter(|text| *text == "secret").count() > 1, "{how}");
        }
    }

    /// Objects by hand become known everywhere.
    fn spread(&mut self, from: NodeId, objects: &[Forged]) {
        let from = self.w.node(from).device();
        for id in [self.alice, self.bob, self.carol, self.dave] {
            if self.w.node(id).device() != from {
                gossip(&mut self.w, id, from, objects);
            }
        }
        self.w.agree_without(&[self.xavier]);
    }
}

#[test]
fn removal_re_keys_from_a_unit() {
    let mut s = scene(1);
    s.add(s.alice);
    s.is_in();
    s.w.remove_member(s.alice, "xavier", "department:Support");
    s.goes_unread("a unit");
}

#[test]
fn removal_re_keys_by_the_end_of_a_permission() {
    let mut s = scene(2);
    s.w.permit(s.alice, "help", "agent:xavier");
    s.is_in();
    s.w.unpermit(s.alice, "help", "agent:xavier");
    s.goes_unread("a permission");
}

#[test]
fn removal_re_keys_by_the_end_of_a_unit() {
    let mut s = scene(3);
    s.w.group(s.alice, "Support", "Night");
    s.w.add_member(s.alice, "xavier", "group:Support/Night");
    s.is_in();
    s.w.must(s.alice, Command::DeleteUnit { unit: "group:Support/Night".into() });
    s.goes_unread("the end of a unit");
}

#[test]
fn removal_re_keys_by_a_dismissal_mild_or_strict_of_agent_or_device() {
    for (n, strict) in [(4, false), (5, true)] {
        let mut s = scene(n);
        s.add(s.alice);
        s.is_in();
        s.w.must(s.alice, dismiss("xavier", None, strict));
        s.goes_unread("a dismissal");
        let mut s = scene(10 + n);
        s.add(s.alice);
        s.is_in();
        let device = s.w.node(s.xavier).device().to_string();
        s.w.must(s.alice, dismiss("xavier", Some(device), strict));
        s.goes_unread("the end of a device");
    }
}

#[test]
fn stolen_admin_cut_re_keys_though_no_revocation_names_whom_it_puts_out() {
    let mut s = scene(6);
    let good = Pen::of(&s.w, s.alice).log.tail(s.w.node(s.carol).device()).expect("signed").1;
    s.add(s.carol);
    s.is_in();
    let (device, root) = (None, None);
    let last_good = Some(good.to_string());
    let agent = "carol".to_owned();
    s.w.must(s.alice, Command::RevokeAdmin { agent, device, last_good, root });
    s.goes_unread("a cut");
}

#[test]
fn root_theft_recovery_re_keys() {
    let mut s = scene(7);
    let root_device = s.w.root_keys("Acme").device();
    let good = Pen::of(&s.w, s.alice).log.tail(root_device).expect("signed").1;
    let root = root(&s.w);
    admin(&mut s.w, s.dave, "bob", 1, root);
    s.w.agree();
    s.add(s.bob);
    s.is_in();
    let command = recover(&s.w, Some(good));
    s.w.must(s.alice, command);
    s.goes_unread("a recovery");
}

#[test]
fn root_theft_recovered_twice_re_keys_for_the_second_that_leaves_less() {
    for seed in 20..24 {
        let mut s = scene(seed);
        let root_device = s.w.root_keys("Acme").device();
        let good = Pen::of(&s.w, s.alice).log.tail(root_device).expect("signed").1;
        let root = root(&s.w);
        admin(&mut s.w, s.dave, "bob", 1, root);
        s.w.agree();
        // In two partitions: dave's leaves less, and is known later.
        s.w.isolate(s.dave);
        let (all, less) = (recover(&s.w, None), recover(&s.w, Some(good)));
        s.w.must(s.dave, less);
        s.w.must(s.alice, all);
        s.w.agree_without(&[s.dave]);
        s.w.post(s.alice, "help", "recovered");
        s.w.agree_without(&[s.dave]);
        s.add(s.bob);
        s.w.agree_without(&[s.dave]);
        assert!(s.w.texts(s.xavier, "help").contains(&"recovered".to_owned()));
        s.w.connect_all();
        s.goes_unread("a second recovery");
    }
}

#[test]
fn impostor_disputed_key_re_keys() {
    let mut s = scene(8);
    s.add(s.alice);
    s.is_in();
    let keys = s.w.node(s.xavier).keys();
    let mut pen = Pen::of(&s.w, s.alice);
    let cert = pen.device_cert(pen.agent("bob"), &keys, None);
    let cert = pen.sign(&s.w.node(s.alice).keys(), cert);
    let from = s.w.node(s.bob).device();
    gossip(&mut s.w, s.alice, from, &[cert]);
    s.goes_unread("a disputed key");
}

/// Carol removes xavier and the others go on writing; then xavier is in again without a re-add,
/// gets the keys of what was written meanwhile, and is put out by the same old removal.
fn removed_by_carol(s: &mut Scene, strict: bool) -> ObjectId {
    s.add(s.alice);
    s.is_in();
    if strict {
        s.w.must(s.carol, dismiss("xavier", None, true));
    } else {
        s.w.remove_member(s.carol, "xavier", "department:Support");
    }
    s.w.agree_without(&[s.xavier]);
    let carols = s.w.node(s.carol).device();
    let removal = Pen::of(&s.w, s.alice).log.tail(carols).expect("signed").1;
    s.w.post(s.bob, "help", "meanwhile");
    s.w.agree_without(&[s.xavier]);
    removal
}

fn is_back(s: &mut Scene) {
    s.w.connect_all();
    s.w.run(20_000);
    s.w.agree();
    assert!(s.w.texts(s.xavier, "help").contains(&"meanwhile".to_owned()), "xavier is not back");
}

#[test]
fn ratify_of_a_removal_that_was_overridden_re_keys() {
    let mut s = scene(9);
    let removal = removed_by_carol(&mut s, true);
    // An equal lets him return; a senior stands behind the removal.
    s.w.must(s.dave, Command::Ratify { target: "agent:xavier".into(), root: None });
    is_back(&mut s);
    let mut pen = Pen::of(&s.w, s.alice);
    let payload = Payload::Ratify(Ratify { target: removal, overrides: Vec::new() });
    let forged = pen.sign(&s.w.node(s.alice).keys(), payload);
    let from = s.bob;
    s.spread(from, &[forged]);
    s.goes_unread("a ratified removal");
}

#[test]
fn promotion_of_a_dismissed_admin_re_keys_for_whom_its_old_removals_put_out() {
    let mut s = scene(10);
    let carols = s.w.node(s.carol).device();
    let good = Pen::of(&s.w, s.alice).log.tail(carols).expect("signed").1;
    let removal = removed_by_carol(&mut s, false);
    assert_ne!(good, removal);
    let (device, keep, root) = (None, Vec::new(), None);
    let (agent, strict) = ("carol".to_owned(), false);
    let last_good = Some(good.to_string());
    let command = Command::RevokeAgent { agent, device, strict, keep, last_good, root };
    s.w.must(s.alice, command);
    s.w.connect_all();
    s.w.run(20_000);
    s.w.agree_without(&[s.carol]);
    assert!(s.w.texts(s.xavier, "help").contains(&"meanwhile".to_owned()));
    // The root makes her as senior as alice: her dismissal has no effect any more.
    let mut pen = Pen::of(&s.w, s.alice);
    let grant = Payload::AdminGrant(AdminGrant {
        device: carols,
        agent: pen.agent("carol"),
        rank: 1,
        may: Capabilities::ALL,
        scope: None,
        overrides: Vec::new(),
    });
    let forged = pen.sign(&s.w.root_keys("Acme"), grant);
    let from = s.bob;
    s.spread(from, &[forged]);
    s.w.connect_all();
    s.goes_unread("a promotion");
}

#[test]
fn removal_re_keys_in_a_room_with_more_revocations_than_one_epoch_can_answer() {
    let (mut w, alice, others) = team(30, &["bob", "xavier"]);
    let [bob, xavier] = others[..] else { panic!("two") };
    w.watch();
    w.post(xavier, "help", "first");
    w.agree();
    w.crash(bob);
    w.crash(xavier);
    // Signed by hand, all on one certificate: each is another object.
    let mut pen = Pen::of(&w, alice);
    let (keys, agent) = (w.node(alice).keys(), pen.agent("xavier"));
    let count = EPOCH_AFTER_MAX + 30;
    w.crash(alice);
    for _ in 0..count {
        let payload = pen.revoke(agent, &[]);
        let forged = pen.sign(&keys, payload);
        w.disk(alice).put(Table::Control, &forged.id.0, &forged.bytes);
    }
    w.start(alice);
    w.start(bob);
    w.start(xavier);
    w.connect_all();
    w.run(60_000);
    w.agree_without(&[xavier]);
    let room = help(&w, alice);
    assert!(pen.log.ended_access(room).len() >= count);
    let before = epochs(&w, alice, room).len();
    let text = w.post(bob, "help", "after");
    w.agree_without(&[xavier]);
    let all = epochs(&w, alice, room);
    assert_eq!(all.len(), before + 2, "one answers what the other has no room for");
    assert_eq!(all.last(), Some(&epoch_of(&w, bob, text)));
    let next = w.post(alice, "help", "and on");
    w.agree_without(&[xavier]);
    assert_eq!(epoch_of(&w, alice, next), epoch_of(&w, bob, text), "it serves for what follows");
    assert_eq!(w.texts(bob, "help"), ["first", "after", "and on"]);
    assert_eq!(w.texts(alice, "help"), ["first", "after", "and on"]);
    asks_everybody(&mut w, xavier, room);
    w.judge_private();
}
