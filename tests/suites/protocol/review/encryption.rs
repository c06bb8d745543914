//! Who is kept out of a room by its keys: what a review of the encryption tried.

use conclave_protocol::crypt::{EpochKey, SealingContext};
use conclave_protocol::engine::SealJob;
use conclave_protocol::id::{CompanyId, DeviceId, ObjectId, RoomId, UnitId};
use conclave_protocol::object::Principal;

use crate::authority::scene::{Depart, Scene, Strict};

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
    let known: std::collections::BTreeSet<ObjectId> = first.union(&back).copied().collect();
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
