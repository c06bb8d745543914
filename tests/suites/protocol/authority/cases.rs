//! The numbered cases of the design, as far as they concern the control log. Those of the root
//! are in `roots`, those of certificates in `people`.

use conclave_protocol::object::{Payload, Principal, UnitCreate, UnitKind};

use super::scene::{Depart, Hand, Scene, Strict};

/// Eleven Departments by one hand.
fn eleven(s: &mut Scene, by: Hand) -> Vec<conclave_protocol::id::ObjectId> {
    (0..11).map(|n| s.department(by, &format!("Department {n}")).into()).collect()
}

#[test]
fn late_object_beyond_the_cut_is_void_and_what_is_before_stays() {
    let mut s = Scene::new();
    let x = s.admin(s.alice.hand, "x", 2);
    let made = eleven(&mut s, x.hand);
    let before = s.without(&made[10..]);
    assert_eq!(before.state().units.len(), 10);
    s.revoke(s.alice.hand, x.grant(), Depart, &[made[9]]);
    let state = s.state();
    assert!(state.sound.contains(&made[10]) && !state.carried.contains_key(&made[10]));
    assert_eq!(state.units.len(), 10);
    assert!(!state.reconciled.contains(&made[10]), "nobody needs to hear of it");
    assert!(!state.in_force.contains(&x.grant()) && state.carried.contains_key(&x.grant()));
}

#[test]
fn late_fork_before_the_cut_is_void_and_the_chain_up_to_it_stays() {
    let mut s = Scene::new();
    let x = s.admin(s.alice.hand, "x", 2);
    let made = eleven(&mut s, x.hand);
    s.revoke(s.alice.hand, x.grant(), Depart, &[made[9]]);
    let expected = s.state();
    s.rewind("x", made[3]);
    let fork = s.department(x.hand, "Fork");
    let after = s.department(x.hand, "After");
    s.begin_anew("x");
    let first = s.department(x.hand, "First");
    let mut state = s.state();
    for id in [fork, after, first] {
        assert!(state.sound.remove(&id.into()), "sound, and yet");
    }
    assert_eq!(state, expected);
    assert!(state.equivocations.is_empty(), "what is void is no news");
}

#[test]
fn duel_of_equals_leaves_both_and_everybody_sees_it() {
    let mut s = Scene::new();
    let bob = s.admin(s.root, "bob", 1);
    let alice = s.alice;
    let one = s.revoke(alice.hand, bob.grant(), Strict, &[]);
    let two = s.revoke(bob.hand, alice.grant(), Strict, &[]);
    let state = s.state();
    assert!(state.in_force.contains(&alice.grant()) && state.in_force.contains(&bob.grant()));
    assert!(state.powerless.contains(&one) && state.powerless.contains(&two));
    assert!(state.carried.contains_key(&one), "it stays in the log for all to see");
}

#[test]
fn duel_of_ranks_ends_the_junior() {
    let mut s = Scene::new();
    let bob = s.admin(s.alice.hand, "bob", 2);
    let alice = s.alice;
    let last = s.last("alice");
    let down = s.revoke(alice.hand, bob.grant(), Depart, &[]);
    let up = s.revoke(bob.hand, alice.grant(), Depart, &[last]);
    let state = s.state();
    assert!(state.in_force.contains(&alice.grant()));
    assert!(!state.in_force.contains(&bob.grant()));
    assert!(state.effective.contains(&down));
    assert!(!state.carried.contains_key(&up), "no cut leaves it");
}

#[test]
fn revenge_back_dated_by_a_removed_admin_changes_nothing() {
    let mut s = Scene::new();
    let a = s.admin(s.alice.hand, "a", 2);
    let b = s.admin(s.alice.hand, "b", 3);
    let first = s.department(a.hand, "First").into();
    s.department(a.hand, "Second");
    let last = s.last("a");
    s.revoke(s.alice.hand, a.grant(), Depart, &[last]);
    let expected = s.state();
    s.rewind("a", first);
    let revenge = s.revoke(a.hand, b.grant(), Depart, &[]);
    let side = s.revoke(a.hand, b.agent(), Strict, &[]);
    let mut state = s.state();
    assert!(state.sound.remove(&revenge) && state.sound.remove(&side));
    assert_eq!(state, expected);
    assert!(state.in_force.contains(&b.grant()));
}

#[test]
fn re_add_needs_to_know_the_removal_and_under_strict_the_rank() {
    let mut s = Scene::new();
    let senior = s.alice.hand;
    let junior = s.admin(senior, "junior", 2).hand;
    let x = s.person(senior, "x").agent;
    let unit = s.department(senior, "Support");
    let held = |s: &Scene| s.state().memberships.contains(&(x, unit));
    let first = s.member(senior, x, unit, &[]);
    assert!(held(&s));
    let gone = s.revoke(senior, first, Depart, &[]);
    assert!(!held(&s));
    s.member(junior, x, unit, &[]);
    assert!(!held(&s), "it did not know");
    s.member(junior, x, unit, &[gone]);
    assert!(held(&s), "a junior may, after `Depart`");
    let strict = s.revoke(senior, first, Strict, &[]);
    assert!(!held(&s));
    let low = s.member(junior, x, unit, &[gone, strict]);
    assert!(!held(&s), "a junior may not, after `Strict`");
    s.ratify(senior, low, &[]);
    assert!(held(&s), "the senior stands behind it now");
    let again = s.revoke(junior, low, Strict, &[]);
    assert!(!held(&s));
    s.member(junior, x, unit, &[again]);
    assert!(held(&s), "`Strict` by rank 1 is overridden by what it ended, which has rank 1");
}

#[test]
fn re_add_works_through_the_grants_that_were_ended() {
    // Each names only the last removal; what it ended had named the one before.
    let mut s = Scene::new();
    let alice = s.alice.hand;
    let x = s.person(alice, "x").agent;
    let unit = s.department(alice, "Support");
    let mut grant = s.member(alice, x, unit, &[]);
    for _ in 0..4 {
        let gone = s.revoke(alice, grant, Depart, &[]);
        assert!(s.state().memberships.is_empty());
        grant = s.member(alice, x, unit, &[gone]);
        assert!(s.state().memberships.contains(&(x, unit)));
    }
}

#[test]
fn laundering_by_a_junior_does_not_undo_a_strict_removal() {
    // Case 31: Strict by the senior, re-add by the senior, Depart, re-add by a junior.
    let mut s = Scene::new();
    let senior = s.alice.hand;
    let junior = s.admin(senior, "junior", 2).hand;
    let x = s.person(senior, "x").agent;
    let unit = s.department(senior, "Support");
    let held = |s: &Scene| s.state().memberships.contains(&(x, unit));
    let first = s.member(senior, x, unit, &[]);
    let strict = s.revoke(senior, first, Strict, &[]);
    let back = s.member(senior, x, unit, &[strict]);
    assert!(held(&s));
    let gone = s.revoke(senior, back, Depart, &[]);
    assert!(!held(&s));
    let mut other = s.clone();
    // The senior's re-add lies in the closure, and overrides `Strict` by the senior's rank.
    s.member(junior, x, unit, &[gone]);
    assert!(held(&s));
    // Without it, naming everything is not enough.
    let low = other.member(junior, x, unit, &[]);
    let low_gone = other.revoke(junior, low, Depart, &[]);
    other.member(junior, x, unit, &[strict, low_gone]);
    assert!(!held(&other), "the junior's own override of `Strict` is nothing");
    // A void re-add passes nothing on.
    let mut third = s.without(&[]);
    let cut = third.object(back).header.prev.expect("not the first");
    third.revoke(third.root, third.alice.grant(), Depart, &[cut]);
    assert!(!held(&third));
}

#[test]
fn regrant_of_a_replaced_permission_and_of_a_closed_room() {
    let mut s = Scene::new();
    let alice = s.alice.hand;
    let x = s.person(alice, "x").agent;
    let (old, new) = (s.department(alice, "Old"), s.department(alice, "New"));
    s.member(alice, x, old, &[]);
    s.member(alice, x, new, &[]);
    let room = s.room(alice, "help");
    let first = s.permit(alice, room, Principal::Unit(old), &[]);
    let gone = s.revoke(alice, first, Depart, &[]);
    assert!(s.state().rooms[&room].with_access.is_empty(), "nobody, never everybody");
    s.permit(alice, room, Principal::Unit(new), &[]);
    assert!(s.state().rooms[&room].with_access.contains(&x));
    s.permit(alice, room, Principal::Unit(old), &[gone]);
    assert!(s.state().permits.contains(&(room, Principal::Unit(old))));
    let closed = s.revoke(alice, room, Depart, &[]);
    let state = s.state();
    assert!(state.rooms[&room].revoked && state.rooms[&room].with_access.is_empty());
    assert!(state.rooms[&room].proved.contains(&x), "what it wrote can still be judged");
    s.ratify(alice, room, &[closed]);
    assert!(s.state().rooms[&room].with_access.contains(&x));
}

#[test]
fn two_cuts_leave_the_shorter_prefix_and_on_forks_the_common_one() {
    let mut s = Scene::new();
    let bob = s.admin(s.root, "bob", 1);
    let x = s.admin(s.alice.hand, "x", 2);
    let made = eleven(&mut s, x.hand);
    let mut forked = s.clone();
    s.revoke(s.alice.hand, x.grant(), Depart, &[made[4]]);
    s.revoke(bob.hand, x.grant(), Depart, &[made[8]]);
    assert_eq!(s.state().units.len(), 5);
    forked.rewind("x", made[3]);
    let other: Vec<_> = (0..3).map(|n| forked.department(x.hand, &format!("Fork {n}"))).collect();
    let state = forked.state();
    assert_eq!(state.units.len(), 14, "an equivocation alone voids nothing");
    assert_eq!(state.equivocations.len(), 3);
    forked.revoke(forked.alice.hand, x.grant(), Depart, &[made[10]]);
    assert_eq!(forked.state().units.len(), 11);
    forked.revoke(bob.hand, x.grant(), Depart, &[other[2].into()]);
    let state = forked.state();
    assert_eq!(state.units.len(), 4, "up to where they part");
    assert!(state.equivocations.is_empty());
}

/// An admin of rank 2 whose stolen device made a ghost, after honest work.
struct Stolen {
    s: Scene,
    admin: super::scene::Admin,
    ghost: super::scene::Person,
    staff: super::scene::Person,
    staff_gone: conclave_protocol::id::ObjectId,
    membership: (conclave_protocol::id::AgentId, conclave_protocol::id::UnitId),
}

fn stolen() -> Stolen {
    let mut s = Scene::new();
    let alice = s.alice.hand;
    let admin = s.admin(alice, "x", 2);
    let staff = s.person(alice, "staff");
    let unit = s.department(alice, "Support");
    let grant = s.member(alice, staff.agent, unit, &[]);
    let honest = s.person(admin.hand, "honest");
    let ghost = s.person(admin.hand, "ghost");
    s.member(admin.hand, ghost.agent, unit, &[]);
    s.revoke(admin.hand, grant, Strict, &[]);
    let staff_gone = s.revoke(admin.hand, staff.agent, Strict, &[]);
    let state = s.state();
    assert!(state.agents.contains_key(&ghost.agent) && !state.agents.contains_key(&staff.agent));
    s.revoke(alice, admin.grant(), Strict, &[honest.cert]);
    let membership = (staff.agent, unit);
    Stolen { s, admin, ghost, staff, staff_gone, membership }
}

#[test]
fn stolen_admin_is_undone_by_one_cut() {
    let Stolen { s, admin, ghost, staff, staff_gone, membership } = stolen();
    let state = s.state();
    assert!(!state.in_force.contains(&admin.grant()));
    assert!(!state.agents.contains_key(&ghost.agent) && !state.devices.contains_key(&ghost.device));
    assert!(!state.carried.contains_key(&staff_gone));
    assert!(state.agents.contains_key(&staff.agent) && state.memberships.contains(&membership));
    assert_eq!(state.agents.len(), 4, "alice, the admin, staff, and whom it certified honestly");
}

#[test]
fn ratify_returns_one_ghost() {
    let Stolen { mut s, ghost, membership: (_, unit), .. } = stolen();
    s.ratify(s.alice.hand, ghost.agent, &[]);
    let state = s.state();
    assert!(state.agents.contains_key(&ghost.agent));
    assert!(!state.devices.contains_key(&ghost.device), "its certificate is another object");
    s.ratify(s.alice.hand, ghost.cert, &[]);
    let state = s.state();
    assert_eq!(state.devices[&ghost.device], ghost.agent);
    assert_eq!(state.carried[&ghost.cert], 1, "the rank is now that of who stands behind it");
    assert!(!state.memberships.contains(&(ghost.agent, unit)));
}

#[test]
fn ratify_of_a_grant_carries_what_the_grant_issued() {
    // The one who appointed is cut; whom it appointed may stay by a Ratify.
    let mut s = Scene::new();
    let alice = s.alice.hand;
    let x = s.admin(alice, "x", 2);
    let y = s.admin(x.hand, "y", 3);
    let unit = s.department(y.hand, "Support");
    s.revoke(alice, x.grant(), Depart, &[]);
    assert!(s.state().units.is_empty());
    s.ratify(alice, y.grant(), &[]);
    let state = s.state();
    assert!(state.units.contains_key(&unit) && state.in_force.contains(&y.grant()));
    assert_eq!(state.carried[&unit.into()], 3, "its content, the rank included, is unchanged");
    assert_eq!(state.carried[&y.grant()], 1);
}

#[test]
fn ratify_of_a_ratify_carries_the_first_target_too() {
    let mut s = Scene::new();
    let alice = s.alice.hand;
    let x = s.admin(alice, "x", 2);
    let y = s.admin(alice, "y", 2);
    let unit = s.department(x.hand, "Support");
    let ratify = s.ratify(y.hand, unit, &[]);
    s.revoke(alice, x.grant(), Depart, &[]);
    assert!(s.state().units.contains_key(&unit), "y stands behind it");
    s.revoke(alice, y.grant(), Depart, &[]);
    let state = s.state();
    assert!(!state.units.contains_key(&unit) && !state.reconciled.contains(&ratify));
    s.ratify(alice, ratify, &[]);
    let state = s.state();
    assert!(state.units.contains_key(&unit));
    assert_eq!((state.carried[&ratify], state.carried[&unit.into()]), (1, 1));
}

#[test]
fn undone_revoker_gives_its_target_back() {
    let mut s = Scene::new();
    let alice = s.alice.hand;
    let (x, y) = (s.admin(alice, "x", 2), s.admin(alice, "y", 3));
    let unit = s.department(y.hand, "Support");
    let before = s.department(x.hand, "Before");
    let removal = s.revoke(x.hand, y.grant(), Strict, &[]);
    assert!(!s.state().units.contains_key(&unit));
    s.revoke(alice, x.grant(), Depart, &[before.into()]);
    let state = s.state();
    assert!(!state.carried.contains_key(&removal));
    assert!(state.in_force.contains(&y.grant()) && state.units.contains_key(&unit));
    // And once more: who cut the cutter is cut by the root.
    let cut = s.object(s.last("alice")).header.prev.expect("not the first");
    s.revoke(s.root, s.alice.grant(), Depart, &[cut]);
    let state = s.state();
    assert!(!state.in_force.contains(&y.grant()), "the removal stands again");
}

#[test]
fn last_admin_may_leave_and_the_root_appoints_another() {
    let mut s = Scene::new();
    let alice = s.alice;
    let unit = s.department(alice.hand, "Support");
    s.revoke(alice.hand, alice.grant(), Depart, &[]);
    let state = s.state();
    assert!(state.in_force.is_empty() && state.units.contains_key(&unit));
    let bob = s.admin(s.root, "bob", 1);
    let sales = s.department(bob.hand, "Sales");
    let state = s.state();
    assert!(state.in_force.contains(&bob.grant()) && state.units.contains_key(&sales));
}

#[test]
fn split_view_gives_one_state_and_a_proof() {
    let mut s = Scene::new();
    let x = s.admin(s.alice.hand, "x", 2);
    let first = s.department(x.hand, "First");
    let one = s.department(x.hand, "One");
    s.rewind("x", first.into());
    let two = s.department(x.hand, "Two");
    for half in [s.without(&[one.into()]), s.without(&[two.into()])] {
        assert!(half.state().equivocations.is_empty());
    }
    let state = s.state();
    assert!(state.units.contains_key(&one) && state.units.contains_key(&two));
    assert_eq!(state.equivocations.into_iter().collect::<Vec<_>>(), [(x.person.device, 2)]);
}

#[test]
fn sound_is_decided_once() {
    // Not 1 + the largest height, a predecessor of somebody else, a seq too far.
    let mut s = Scene::new();
    let x = s.admin(s.alice.hand, "x", 2);
    let unit = |name: &str| {
        let (kind, parent, name) = (UnitKind::Department, None, name.to_owned());
        Payload::UnitCreate(UnitCreate { kind, parent, name })
    };
    let good = s.write(x.hand, unit("Good"));
    let expected = s.state();
    assert!(expected.sound.contains(&good));
    let last = s.last("alice");
    s.rewind("x", last);
    let foreign = s.write(x.hand, unit("Foreign"));
    let child = s.write(x.hand, unit("Child"));
    let state = s.state();
    assert!(!state.sound.contains(&foreign) && !state.sound.contains(&child));
    assert_eq!(state, expected);
}
