//! The root line: cases 13 and 14, and what rotation means.

use super::scene::{Depart, Scene, Strict, keys};

#[test]
fn root_theft_is_undone_by_a_rotation_with_an_earlier_cut() {
    let mut s = Scene::new();
    let bob = s.admin(s.root, "bob", 1);
    let good = s.last("root");
    let genesis = s.root.authority;
    let thief = s.admin(s.root, "thief", 1);
    let ghost = s.person(thief.hand, "ghost");
    let gone = s.revoke(s.root, bob.grant(), Depart, &[]);
    assert!(!s.state().in_force.contains(&bob.grant()));
    let root = s.rotate("root 2", genesis, "root 3", good);
    let state = s.state();
    assert_eq!(state.root_keys, [keys("root").device(), keys("root 2").device()]);
    assert!(!state.carried.contains_key(&gone) && state.in_force.contains(&bob.grant()));
    assert!(!state.carried.contains_key(&thief.grant()));
    assert!(!state.agents.contains_key(&ghost.agent) && !state.agents.contains_key(&thief.agent()));
    assert_eq!(state.carried[&root.authority], 0);
    // The thief goes on in vain; the new key appoints.
    let again = s.admin(s.root, "again", 1);
    let carol = s.admin(root, "carol", 1);
    let state = s.state();
    assert!(!state.carried.contains_key(&again.grant()));
    assert!(state.in_force.contains(&carol.grant()));
}

#[test]
fn root_theft_before_anything_leaves_the_founding_alone() {
    let mut s = Scene::new();
    let genesis = s.root.authority;
    s.rotate("root 2", genesis, "root 3", genesis);
    let state = s.state();
    assert!(state.in_force.is_empty() && state.agents.is_empty());
    assert_eq!(state.root_keys.len(), 2);
}

#[test]
fn root_fork_cannot_be_made_and_rank_one_works_on() {
    let mut s = Scene::new();
    let genesis = s.root.authority;
    let last = s.last("root");
    let one = s.rotate("root 2", genesis, "root 3", last);
    let bob = s.admin(one, "bob", 1);
    s.begin_anew("root 2");
    s.refuses(|s| s.rotate("root 2", genesis, "thief's", genesis).authority);
    // With another cut it is one with the first; this one leaves nothing but the founding.
    let two = s.rotate("root 2", genesis, "root 3", genesis);
    let unit = s.department(bob.hand, "Support");
    let state = s.state();
    assert_eq!(state.root_keys, [keys("root").device(), keys("root 2").device()]);
    for id in [one.authority, two.authority] {
        assert_eq!(state.carried[&id], 0);
    }
    assert!(!state.in_force.contains(&s.alice.grant()), "beyond one of the cuts");
    assert!(state.in_force.contains(&bob.grant()) && state.units.contains_key(&unit));
    assert!(state.recovered_twice, "everybody sees it");
    assert!(state.equivocations.is_empty(), "rotations are no equivocation");
}

#[test]
fn root_theft_of_a_replaced_key_changes_nothing() {
    let mut s = Scene::new();
    let genesis = s.root.authority;
    let last = s.last("root");
    let second = s.rotate("root 2", genesis, "root 3", last);
    let bob = s.admin(second, "bob", 1);
    let last = s.last("root 2");
    s.rotate("root 3", second.authority, "root 4", last);
    let expected = s.state();
    assert!(expected.in_force.contains(&bob.grant()));
    // Whoever finds the second key, long replaced:
    s.begin_anew("root 2");
    let late = s.rotate("root 2", genesis, "root 3", genesis);
    let puppet = s.grant(late, bob.agent(), "puppet", 1);
    let mut state = s.state();
    assert!(state.sound.remove(&late.authority) && state.sound.remove(&puppet.authority));
    assert_eq!(state, expected);
}

#[test]
fn both_recoveries_stand_while_the_next_root_leaves_them() {
    let mut s = Scene::new();
    let genesis = s.root.authority;
    let early = s.last("root");
    let bob = s.admin(s.root, "bob", 1);
    let late = s.last("root");
    let one = s.rotate("root 2", genesis, "root 3", late);
    s.begin_anew("root 2");
    let two = s.rotate("root 2", genesis, "root 3", early);
    assert!(!s.state().in_force.contains(&bob.grant()), "the shorter of the cuts");
    // The third key leaves the branch of one of them only.
    let third = s.rotate("root 3", one.authority, "root 4", one.authority);
    let state = s.state();
    assert!(state.in_force.contains(&bob.grant()), "the other is void now");
    assert_eq!(state.carried.get(&one.authority), Some(&0));
    assert!(!state.carried.contains_key(&two.authority));
    // Run twice as well, on the other branch: each stands by one of the cuts.
    s.begin_anew("root 3");
    let fourth = s.rotate("root 3", two.authority, "root 4", two.authority);
    let carol = s.admin(third, "carol", 1);
    let dave = s.admin(fourth, "dave", 1);
    let state = s.state();
    for hand in [one, two, third, fourth] {
        assert_eq!(state.carried.get(&hand.authority), Some(&0));
    }
    assert!(!state.in_force.contains(&bob.grant()));
    assert!(state.in_force.contains(&carol.grant()) && state.in_force.contains(&dave.grant()));
}

#[test]
fn a_rotation_leaves_at_least_the_one_that_it_cites() {
    let mut s = Scene::new();
    let genesis = s.root.authority;
    let last = s.last("root");
    let one = s.rotate("root 2", genesis, "root 3", last);
    let first = s.admin(one, "bob", 1).grant();
    s.begin_anew("root 2");
    let apart = s.grant(one, s.alice.agent(), "other", 1).authority;
    s.refuses(|s| s.rotate("root 3", one.authority, "root 4", apart).authority);
    s.rotate("root 3", one.authority, "root 4", first);
    assert_eq!(s.state().root_keys.len(), 3);
}

#[test]
fn what_the_root_revoked_the_root_gives_back() {
    let mut s = Scene::new();
    let bob = s.person(s.alice.hand, "bob");
    let unit = s.department(s.alice.hand, "Support");
    let gone = s.revoke(s.root, bob.cert, Strict, &[]);
    assert!(!s.state().devices.contains_key(&bob.device));
    s.ratify(s.root, bob.cert, &[gone]);
    assert!(s.state().devices.contains_key(&bob.device));
    s.refuses(|s| s.ratify(s.root, unit, &[]));
}

#[test]
fn a_recovery_that_was_run_twice_is_one_rotation_with_the_common_prefix() {
    let mut s = Scene::new();
    let genesis = s.root.authority;
    let early = s.last("root");
    let bob = s.admin(s.root, "bob", 1);
    let late = s.last("root");
    let one = s.rotate("root 2", genesis, "root 3", late);
    assert!(s.state().in_force.contains(&bob.grant()));
    s.begin_anew("root 2");
    let two = s.rotate("root 2", genesis, "root 3", early);
    let state = s.state();
    assert!(state.recovered_twice && state.root_keys.len() == 2);
    assert_eq!((state.carried[&one.authority], state.carried[&two.authority]), (0, 0));
    assert!(!state.in_force.contains(&bob.grant()));
    assert!(state.in_force.contains(&s.alice.grant()));
    // The next key may follow on either, and what the second cites is the same root.
    let carol = s.admin(one, "carol", 1);
    let dave = s.admin(two, "dave", 1);
    let state = s.state();
    assert!(state.in_force.contains(&carol.grant()) && state.in_force.contains(&dave.grant()));
    let last = s.last("root 2");
    s.refuses(|s| s.rotate("root 3", one.authority, "root 4", last).authority);
    s.rotate("root 3", two.authority, "root 4", last);
    assert_eq!(s.state().root_keys.len(), 3);
}

#[test]
fn a_rotation_by_another_key_or_with_a_foreign_cut_is_not_sound() {
    let mut s = Scene::new();
    let genesis = s.root.authority;
    let last = s.last("root");
    let wrong_key = s.rotate("thief", genesis, "root 3", last);
    let alices = s.last("alice");
    let wrong_cut = s.rotate("root 2", genesis, "root 3", alices);
    let state = s.state();
    assert!(!state.sound.contains(&wrong_key.authority));
    assert!(!state.sound.contains(&wrong_cut.authority));
    assert_eq!(state.root_keys.len(), 1);
}

#[test]
fn the_root_does_what_it_may_and_no_more() {
    let mut s = Scene::new();
    let bob = s.person(s.alice.hand, "bob");
    let (agent, root) = (bob.agent, s.root);
    s.refuses(|s| s.department(root, "Support"));
    s.refuses(|s| s.room(root, "help"));
    s.refuses(|s| s.device(root, agent, "phone"));
    s.refuses(|s| s.rename(root, agent, "robert"));
    // For the day when the only senior admin's laptop is stolen.
    let out = s.revoke(s.root, s.alice.person.cert, Depart, &[bob.cert]);
    s.revoke(s.root, bob.agent, Depart, &[]);
    let state = s.state();
    assert!(state.effective.contains(&out) && state.agents.contains_key(&s.alice.agent()));
    assert!(state.devices.is_empty() && !state.agents.contains_key(&bob.agent));
    assert!(!state.in_force.contains(&s.alice.grant()), "it strikes the grant too");
    assert!(state.carried.contains_key(&bob.cert), "what is before the cut stays");
}
