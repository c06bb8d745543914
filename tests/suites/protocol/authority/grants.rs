//! Admins: who may appoint and end whom, resignations, cuts.

use conclave_protocol::object::Capabilities;

use super::scene::{Depart, Scene, Strict, office};

#[test]
fn resignation_needs_no_capability_and_leaves_everything_before_it() {
    let mut s = Scene::new();
    let agent = s.agent(s.alice.hand, "x");
    let mut grant = office(agent, "x", 2);
    grant.may = Capabilities { units: true, agents: false, rooms: false, admins: false };
    let x = s.grant_like(s.alice.hand, "x", grant);
    let unit = s.department(x, "Before");
    let left = s.revoke(x, x.authority, Depart, &[]);
    let late = s.department(x, "After");
    let state = s.state();
    assert!(state.effective.contains(&left) && !state.in_force.contains(&x.authority));
    assert_eq!(state.carried[&left], 2);
    assert!(state.units.contains_key(&unit) && !state.units.contains_key(&late));
    // A fork from before is beyond it as well.
    s.rewind("x", unit.into());
    let fork = s.department(x, "Fork");
    assert!(!s.state().units.contains_key(&fork));
}

#[test]
fn resignation_under_another_grant_is_a_removal_like_any_other() {
    let mut s = Scene::new();
    let agent = s.agent(s.alice.hand, "x");
    let (one, two) = (s.grant(s.alice.hand, agent, "x", 2), s.grant(s.root, agent, "x", 2));
    let equal = s.revoke(one, two.authority, Depart, &[]);
    let state = s.state();
    assert!(state.powerless.contains(&equal) && state.in_force.contains(&two.authority));
    let senior = s.grant(s.root, agent, "x", 1);
    s.revoke(senior, two.authority, Depart, &[]);
    assert!(!s.state().in_force.contains(&two.authority));
}

#[test]
fn resignation_beyond_a_seniors_cut_is_void() {
    let mut s = Scene::new();
    let x = s.admin(s.alice.hand, "x", 2);
    let first = s.department(x.hand, "First");
    let second = s.department(x.hand, "Second");
    s.revoke(s.alice.hand, x.grant(), Depart, &[second.into()]);
    s.rewind("x", first.into());
    let left = s.revoke(x.hand, x.grant(), Depart, &[]);
    let state = s.state();
    assert!(!state.carried.contains_key(&left), "it cannot take back what the senior left");
    assert!(state.units.contains_key(&second));
}

#[test]
fn two_resignations_on_a_fork_both_count_and_leave_what_is_common() {
    let mut s = Scene::new();
    let x = s.admin(s.alice.hand, "x", 2);
    let common = s.department(x.hand, "Common");
    let one = s.department(x.hand, "One");
    let left = s.revoke(x.hand, x.grant(), Depart, &[]);
    s.rewind("x", common.into());
    let two = s.department(x.hand, "Two");
    let right = s.revoke(x.hand, x.grant(), Depart, &[]);
    let state = s.state();
    assert!(state.carried.contains_key(&left) && state.carried.contains_key(&right));
    assert!(state.units.contains_key(&common));
    assert!(!state.units.contains_key(&one) && !state.units.contains_key(&two));
}

#[test]
fn only_strictly_senior_and_no_wider_appoints() {
    let mut s = Scene::new();
    let alice = s.alice.hand;
    let agent = s.agent(alice, "x");
    let mut narrow = office(agent, "bob", 2);
    narrow.may.rooms = false;
    let bob = s.grant_like(alice, "bob", narrow.clone());
    s.refuses(|s| s.grant(bob, agent, "x", 2).authority);
    s.refuses(|s| s.grant(bob, agent, "x", 3).authority);
    narrow.rank = 3;
    narrow.device = office(agent, "x", 3).device;
    let fits = s.grant_like(bob, "x", narrow.clone());
    narrow.may.admins = false;
    narrow.rank = 4;
    let clerk = s.grant_like(bob, "clerk", office_like(&narrow, "clerk"));
    narrow.rank = 5;
    let below = office_like(&narrow, "y");
    // It may not appoint at all.
    s.refuses(|s| s.grant_like(clerk, "y", below).authority);
    let state = s.state();
    assert!(state.in_force.contains(&fits.authority) && state.in_force.contains(&clerk.authority));
}

fn office_like(
    grant: &conclave_protocol::object::AdminGrant,
    key: &str,
) -> conclave_protocol::object::AdminGrant {
    let mut grant = grant.clone();
    grant.device = office(grant.agent, key, 1).device;
    grant
}

#[test]
fn a_grant_acts_for_its_own_key_only() {
    let mut s = Scene::new();
    let x = s.admin(s.alice.hand, "x", 2);
    let borrowed = super::scene::Hand { key: "x", authority: s.alice.grant() };
    s.refuses(|s| s.department(borrowed, "Borrowed"));
    let under_root = super::scene::Hand { key: "x", authority: s.root.authority };
    s.refuses(|s| s.agent(under_root, "y"));
    s.department(x.hand, "Own");
    assert_eq!(s.state().units.len(), 1);
}

#[test]
fn a_cut_of_one_grant_leaves_the_other_grants_of_the_device() {
    let mut s = Scene::new();
    let alice = s.alice.hand;
    let x = s.admin(alice, "x", 2);
    let other = s.grant(alice, x.agent(), "x", 3);
    let (one, two) = (s.department(x.hand, "One"), s.department(other, "Two"));
    s.revoke(alice, x.grant(), Strict, &[]);
    let state = s.state();
    assert!(!state.units.contains_key(&one) && state.units.contains_key(&two));
    assert!(state.in_force.contains(&other.authority));
    assert!(state.reconciled.contains(&one.into()), "the other's predecessor");
}

#[test]
fn a_demoted_admin_is_ended_by_those_who_are_senior_to_the_new_rank() {
    let mut s = Scene::new();
    let bob = s.admin(s.root, "bob", 1);
    s.revoke(s.root, bob.grant(), Depart, &[]);
    let demoted = s.grant(s.alice.hand, bob.agent(), "bob", 2);
    assert!(s.state().in_force.contains(&demoted.authority));
    let out = s.revoke(s.alice.hand, bob.agent(), Depart, &[]);
    let state = s.state();
    assert!(state.effective.contains(&out) && !state.in_force.contains(&demoted.authority));
}

#[test]
fn a_ratified_removal_has_the_rank_of_who_ratified_it() {
    let mut s = Scene::new();
    let bob = s.admin(s.root, "bob", 1);
    let removal = s.revoke(s.alice.hand, bob.grant(), Depart, &[]);
    assert!(s.state().powerless.contains(&removal));
    s.ratify(s.root, removal, &[]);
    let state = s.state();
    assert!(state.effective.contains(&removal) && !state.in_force.contains(&bob.grant()));
    assert_eq!(state.carried[&removal], 0);
}

#[test]
fn a_cut_that_names_another_device_leaves_nothing() {
    let mut s = Scene::new();
    let (x, y) = (s.admin(s.alice.hand, "x", 2), s.admin(s.alice.hand, "y", 2));
    let (one, two) = (s.department(x.hand, "One"), s.department(y.hand, "Two"));
    s.revoke(s.alice.hand, x.grant(), Depart, &[two.into()]);
    let state = s.state();
    assert!(!state.units.contains_key(&one) && state.units.contains_key(&two));
}

#[test]
fn ratified_resignation_leaves_what_was_before_it() {
    let mut s = Scene::new();
    let x = s.admin(s.alice.hand, "x", 2);
    let unit = s.department(x.hand, "Support");
    let left = s.revoke(x.hand, x.grant(), Depart, &[]);
    s.ratify(s.alice.hand, left, &[]);
    assert!(s.state().units.contains_key(&unit));
}

#[test]
fn resigning_needs_no_capability_and_ratifying_a_resignation_does() {
    let mut s = Scene::new();
    let agent = s.agent(s.alice.hand, "x");
    let mut grant = office(agent, "x", 2);
    grant.may.admins = false;
    let x = s.grant_like(s.alice.hand, "x", grant);
    let left = s.revoke(x, x.authority, Depart, &[]);
    s.refuses(|s| s.ratify(x, left, &[]));
    let ratify = s.ratify(s.alice.hand, left, &[]);
    let state = s.state();
    assert!(state.carried.contains_key(&ratify) && state.effective.contains(&left));
}

#[test]
fn a_void_resignation_is_not_effective() {
    let mut s = Scene::new();
    let x = s.admin(s.alice.hand, "x", 2);
    let y = s.admin(x.hand, "y", 3);
    let left = s.revoke(y.hand, y.grant(), Depart, &[]);
    let log = s.log();
    assert!(log.counts(left) && log.is_effective(left));
    s.revoke(s.alice.hand, x.grant(), Depart, &[]);
    let log = s.log();
    assert!(!log.counts(left), "its grant is void now");
    assert!(!log.is_effective(left), "a `Revoke` that does not count has no effect");
}

#[test]
fn whoever_resigned_can_take_back_what_they_had_done_until_a_senior_says_what_stays() {
    let mut s = Scene::new();
    let x = s.admin(s.alice.hand, "x", 2);
    let unit = s.department(x.hand, "Support");
    let left = s.revoke(x.hand, x.grant(), Depart, &[]);
    assert!(s.state().units.contains_key(&unit));
    s.begin_anew("x");
    let again = s.revoke(x.hand, x.grant(), Strict, &[]);
    let state = s.state();
    assert!(!state.units.contains_key(&unit), "as any admin can at any time");
    assert!(state.effective.contains(&left) && state.effective.contains(&again));
    s.revoke(s.alice.hand, x.grant(), Depart, &[left]);
    let state = s.state();
    assert!(state.units.contains_key(&unit) && !state.carried.contains_key(&again));
}
