//! Who is kept out of a room by its keys: what a review of the encryption tried.

use std::cell::Cell;
use std::collections::BTreeSet;

use conclave_protocol::crypt::{EpochKey, SealingContext, SecretRng};
use conclave_protocol::engine::{SealJob, UNREADABLE};
use conclave_protocol::envelope::{Envelope, EnvelopeKind};
use conclave_protocol::epoch::{
    DeviceKey, EpochKeys, EpochStart, PreviousEpoch, recipients_digest,
};
use conclave_protocol::id::{CompanyId, DeviceId, MessageId, ObjectId, RoomId, UnitId};
use conclave_protocol::keys::DeviceKeys;
use conclave_protocol::limits::EPOCH_FITTING_TRIES_MAX;
use conclave_protocol::object::Principal;
use conclave_protocol::room::{Epochs, Fitting};
use conclave_protocol::sync::{Request, Response};
use conclave_tests::forge;
use conclave_tests::world::{NodeId, World};

use crate::authority::scene::{Depart, Scene, Strict};
use crate::scene::{help, team};

const EVERYBODY: Principal = Principal::Unit(UnitId::ROLE_AGENT);

#[test]
fn a_removal_that_counts_again_by_a_ratify_has_to_be_answered_again() {
    let mut s = Scene::new();
    let alice = s.alice.hand;
    let room = s.room(alice, "help");
    s.permit(alice, room, EVERYBODY, &[]);
    let (bob, x) = (s.admin(alice, "bob", 2), s.person(alice, "x"));
    let removal = s.revoke(bob.hand, x.agent, Depart, &[]);
    let first = s.log().ended_access(room);
    assert!(first.contains(&removal));
    // Without a cut nothing stands that bob signed: x is back, and may be given keys.
    s.revoke(alice, bob.grant(), Depart, &[]);
    let log = s.log();
    assert!(log.access().has_access(x.agent, room));
    let back = log.ended_access(room);
    // Now the removal alone counts again, and x is out.
    s.ratify(alice, removal, &[]);
    let log = s.log();
    assert!(!log.access().has_access(x.agent, room));
    let known: BTreeSet<ObjectId> = first.union(&back).copied().collect();
    let again = log.ended_access(room);
    assert!(!known.is_superset(&again), "an epoch of before would answer all of it");
}

#[test]
fn a_ratify_of_who_removed_somebody_has_to_be_answered_too() {
    let mut s = Scene::new();
    let alice = s.alice.hand;
    let room = s.room(alice, "help");
    s.permit(alice, room, EVERYBODY, &[]);
    let (bob, x) = (s.admin(alice, "bob", 2), s.person(alice, "x"));
    let carol = s.admin(bob.hand, "carol", 3);
    let removal = s.revoke(carol.hand, x.agent, Strict, &[]);
    let cut = s.revoke(alice, bob.grant(), Depart, &[]);
    assert!(s.log().access().has_access(x.agent, room));
    let ratify = s.ratify(alice, carol.grant(), &[]);
    let log = s.log();
    assert!(!log.access().has_access(x.agent, room));
    let ended = log.ended_access(room);
    for id in [removal, cut, ratify] {
        assert!(ended.contains(&id));
    }
}

#[test]
fn both_of_two_recoveries_have_to_be_answered() {
    let mut s = Scene::new();
    let (genesis, last) = (s.root.authority, s.last("root"));
    let room = s.room(s.alice.hand, "help");
    let one = s.rotate("root 2", genesis, "root 3", last);
    s.begin_anew("root 2");
    let two = s.rotate("root 2", genesis, "root 3", genesis);
    // The second leaves less of what the old key had signed: alice's office has ended by it.
    assert!(!s.state().in_force.contains(&s.alice.grant()));
    let ended = s.log().ended_access(room);
    assert!(ended.contains(&one.authority) && ended.contains(&two.authority));
}

#[test]
fn a_job_that_seals_a_key_shows_no_secret() {
    let context = SealingContext {
        company: CompanyId([1; 32]),
        room: RoomId([2; 32]),
        epoch: ObjectId([3; 32]),
        device: DeviceId([4; 32]),
    };
    // From the seed of the encapsulated keys follows the key, for everybody who has its parts.
    let job = SealJob::new(context, EpochKey::new([77; 32]), Vec::new(), [201; 32]);
    let shown = format!("{job:?}");
    assert!(!shown.contains("201") && !shown.contains("77, 77"), "{shown}");
}

fn id(n: u64) -> MessageId {
    let mut id = [0; 32];
    id[..8].copy_from_slice(&n.to_be_bytes());
    ObjectId(id)
}

const MALLORY: DeviceId = DeviceId([7; 32]);
const BOB: DeviceId = DeviceId([8; 32]);
const ROOM: RoomId = RoomId([2; 32]);

fn key(n: u64) -> EpochKey {
    EpochKey::new(id(n).0)
}

/// An epoch, for its author alone, that follows others and answers something.
fn begin(epochs: &mut Epochs, n: u64, author: DeviceId, previous: &[u64], after: &[u64]) {
    let previous = previous.iter().map(|n| PreviousEpoch { wrapped: None, epoch: id(*n) });
    let body = EpochStart {
        previous: previous.collect(),
        after: after.iter().map(|n| id(*n)).collect(),
        key_hash: key(n).hash(ROOM),
        recipients: 1,
        recipients_digest: recipients_digest([author]),
    };
    epochs.begin(id(n), author, body, Some((n, id(n))));
    epochs.set_recipients(id(n), author, vec![author]);
}

fn fitting<'a>(live: &'a dyn Fn(DeviceId) -> bool, ended: &'a BTreeSet<ObjectId>) -> Fitting<'a> {
    Fitting { live, may_have: &|_| true, ended, holds: &|_| true }
}

#[test]
fn an_epoch_of_which_nobody_can_say_what_it_answers_is_not_used() {
    let mut epochs = Epochs::default();
    begin(&mut epochs, 1, BOB, &[], &[100]);
    // It follows one that is not here: perhaps that answers a removal nobody here has heard of,
    // and whoever was removed by it must not be given the key.
    begin(&mut epochs, 3, BOB, &[1, 2], &[]);
    assert_eq!(epochs.answered(id(1)), Some(BTreeSet::from([id(100)])));
    assert_eq!(epochs.answered(id(3)), None);
    epochs.learn(ROOM, id(3), key(3), false);
    let none = BTreeSet::new();
    // Nor is it written under: who comes later could not be given the key either.
    assert_eq!(epochs.to_write_under(&fitting(&|_| true, &none)), None);
    assert_eq!(epochs.heads(|_| true, |_| true), [id(1)]);
    begin(&mut epochs, 2, MALLORY, &[], &[101]);
    let both = BTreeSet::from([id(100), id(101)]);
    assert_eq!(epochs.answered(id(3)), Some(both.clone()));
    assert_eq!(epochs.to_write_under(&fitting(&|_| true, &both)), Some(id(3)));
}

#[test]
fn a_new_epoch_follows_only_what_will_come_to_everybody() {
    let mut epochs = Epochs::default();
    begin(&mut epochs, 1, BOB, &[], &[]);
    // Somebody who is being removed says that this answers the removal, and sends it to one
    // member only, before the removal is known there. Were it followed, the next epoch would not
    // name the removal itself, and who lacks this one would not know what the next one answers.
    begin(&mut epochs, 2, MALLORY, &[1], &[100]);
    let shared = |epoch| epoch != id(2);
    assert_eq!(epochs.heads(shared, |_| true), [id(1)]);
    assert_eq!(epochs.heads(|_| true, |_| true), [id(2)]);
}

#[test]
fn who_begins_many_epochs_does_not_keep_keys_of_others_from_being_asked_for() {
    let mut epochs = Epochs::default();
    begin(&mut epochs, 1, BOB, &[], &[]);
    for n in 2..1_000 {
        begin(&mut epochs, n, MALLORY, &[], &[]);
    }
    let wanted = epochs.wanted_from(DeviceId([9; 32]), |_| true);
    assert_eq!(wanted.len(), 999);
    assert_eq!(wanted[..3], [id(999), id(1), id(998)]);
}

#[test]
fn thousands_of_epochs_that_do_not_fit_are_not_all_looked_at() {
    let mut epochs = Epochs::default();
    for n in 1..=5_000 {
        let previous: Vec<u64> = (n - 1..n).filter(|n| *n > 0).collect();
        begin(&mut epochs, n, MALLORY, &previous, &[]);
        assert!(!epochs.learn(ROOM, id(n), key(n), false).is_empty());
    }
    let looked = Cell::new(0);
    let live = |_| {
        looked.set(looked.get() + 1);
        true
    };
    let ended = BTreeSet::from([id(100_000)]);
    assert_eq!(epochs.to_write_under(&fitting(&live, &ended)), None);
    assert_eq!(looked.get(), EPOCH_FITTING_TRIES_MAX);
}

#[test]
fn a_machine_that_is_set_back_gives_what_it_makes_later_another_key() {
    // It draws the same bytes again; the key depends on what it is made for.
    let drawn = [5; 32];
    let hash = |what: &[u8]| EpochKey::of_circumstances(drawn, what).hash(ROOM);
    assert_ne!(hash(b"for bob and x"), hash(b"for bob"));
    assert_ne!(hash(b"for bob"), EpochKey::new(drawn).hash(ROOM));
    assert_eq!(hash(b"for bob"), hash(b"for bob"));
}

#[test]
fn what_is_no_text_hides_nothing_and_shows_its_author() {
    let (mut w, alice, others) = team(21, &["mallory"]);
    let mallory = others[0];
    w.post(mallory, "help", "hi");
    w.agree();
    let (room, keys) = (help(&w, alice), w.node(mallory).keys());
    let topic = w.topic(room);
    let all = forge::all_stored(&w, alice, room);
    let text = all.iter().rfind(|m| m.value().kind == EnvelopeKind::Text).expect("posted");
    let epoch = text.value().epoch;
    let mut behind = None;
    for n in 0..3 {
        let mut draft = next_of(&w, alice, &keys, behind.as_ref());
        // Under the right epoch, and nothing that its key opens.
        (draft.epoch, draft.nonce, draft.body) = (epoch, vec![n; 24], vec![n; 40]);
        let forged = forge::signed(&keys, &draft);
        w.inject_gossip(alice, keys.device(), topic, &forged.bytes);
        behind = Some((forged.id, draft));
    }
    w.run(2_000);
    let page = w.engine(alice).history("help", 2, None).expect("a page");
    assert!(page.more && page.messages.len() == 2, "{page:?}");
    for message in &page.messages {
        assert_eq!((message.device, message.text.as_str()), (keys.device(), UNREADABLE));
    }
    let first = page.messages[0].id.to_string();
    let older = w.engine(alice).history("help", 2, Some(&first)).expect("a page");
    let texts: Vec<&str> = older.messages.iter().map(|m| m.text.as_str()).collect();
    assert_eq!(texts, ["hi", UNREADABLE]);
}

/// The next envelope of a member behind what it wrote last.
fn next_of(
    w: &World,
    at: NodeId,
    by: &DeviceKeys,
    behind: Option<&(MessageId, Envelope)>,
) -> Envelope {
    let room = help(w, at);
    let all = forge::all_stored(w, at, room);
    let own = all.iter().filter(|m| m.value().device == by.device());
    let last = own.max_by_key(|m| m.value().seq).expect("posted");
    let stored = (last.id(), last.value().clone());
    let (id, last) = behind.unwrap_or(&stored);
    let standing = if last.kind == EnvelopeKind::Enter { Some(*id) } else { last.standing };
    let parents = [(*id, last.height)];
    let mut draft = forge::envelope(w.ledger().company, room, by.device(), &parents);
    (draft.seq, draft.prev, draft.standing) = (last.seq + 1, Some(*id), standing);
    draft
}

#[test]
fn the_key_of_an_epoch_that_follows_one_that_is_not_here_is_given_to_nobody() {
    let (mut w, alice, others) = team(22, &["bob", "mallory"]);
    let (bob, mallory) = (w.node(others[0]).device(), others[1]);
    w.post(mallory, "help", "hi");
    w.agree();
    let (room, keys) = (help(&w, alice), w.node(mallory).keys());
    let topic = w.topic(room);
    let to = w.node(alice).keys();
    let mut behind = None;
    let mut begun = Vec::new();
    // The same twice, but for what they follow.
    for previous in [Vec::new(), vec![PreviousEpoch { wrapped: None, epoch: id(404) }]] {
        let key = key(begun.len() as u64 + 1);
        let mut draft = next_of(&w, alice, &keys, behind.as_ref());
        let body = EpochStart {
            previous,
            after: Vec::new(),
            key_hash: key.hash(room),
            recipients: 1,
            recipients_digest: recipients_digest([to.device()]),
        };
        (draft.kind, draft.body) = (EnvelopeKind::EpochStart, body.encode());
        let start = forge::signed(&keys, &draft);
        w.inject_gossip(alice, keys.device(), topic, &start.bytes);
        let mut next = next_of(&w, alice, &keys, Some(&(start.id, draft)));
        let (company, epoch, device) = (next.company, start.id, to.device());
        let context = SealingContext { company, room, epoch, device };
        let sealed = context.seal(to.sealing(), &key, &mut SecretRng::new(&[9; 32]));
        let body = EpochKeys { epoch, part: 0, keys: vec![DeviceKey { device, sealed }] };
        (next.kind, next.body) = (EnvelopeKind::EpochKeys, body.encode());
        let sealed = forge::signed(&keys, &next);
        w.inject_gossip(alice, keys.device(), topic, &sealed.bytes);
        behind = Some((sealed.id, next));
        begun.push(epoch);
    }
    w.run(1_000);
    let given = |w: &mut World, epoch| {
        let request = Request::EpochKeys { room, epochs: vec![epoch] };
        match w.ask_as(alice, bob, &request) {
            Response::EpochKeys { keys } => keys.len(),
            other => panic!("unexpected {other:?}"),
        }
    };
    assert_eq!(given(&mut w, begun[0]), 1);
    assert_eq!(given(&mut w, begun[1]), 0);
}
