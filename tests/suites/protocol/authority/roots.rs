//! The root line: cases 13 and 14, and what rotation means.

use conclave_protocol::object::RevokeMode::Depart;

use super::scene::{Scene, keys};

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
fn root_fork_freezes_the_root_and_rank_one_works_on() {
    let mut s = Scene::new();
    let genesis = s.root.authority;
    let last = s.last("root");
    let one = s.rotate("root 2", genesis, "root 3", last);
    let bob = s.admin(one, "bob", 1);
    assert!(!s.state().root_frozen && s.state().in_force.contains(&bob.grant()));
    s.begin_anew("root 2");
    let two = s.rotate("root 2", genesis, "thief's", genesis);
    let unit = s.department(s.alice.hand, "Support");
    let state = s.state();
    assert!(state.root_frozen);
    assert_eq!(state.root_keys, [keys("root").device()]);
    for id in [one.authority, two.authority] {
        assert!(!state.carried.contains_key(&id), "neither counts");
        assert!(state.reconciled.contains(&id), "and everybody gets both");
    }
    assert!(!state.in_force.contains(&bob.grant()), "what hangs on a branch is void");
    assert!(state.in_force.contains(&s.alice.grant()) && state.units.contains_key(&unit));
    assert!(state.equivocations.is_empty(), "rotations are no equivocation");
    // The old key's objects go on counting as they did, those after the cuts too.
    let carol = s.admin(s.root, "carol", 1);
    assert!(s.state().in_force.contains(&carol.grant()));
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
    assert!(!state.root_frozen && state.root_keys.len() == 2);
    assert_eq!((state.carried[&one.authority], state.carried[&two.authority]), (0, 0));
    assert!(!state.in_force.contains(&bob.grant()));
    assert!(state.in_force.contains(&s.alice.grant()));
    // The next key may follow on either, and what the second cites is the same root.
    let carol = s.admin(one, "carol", 1);
    let dave = s.admin(two, "dave", 1);
    let state = s.state();
    assert!(state.in_force.contains(&carol.grant()) && state.in_force.contains(&dave.grant()));
    let last = s.last("root 2");
    s.rotate("root 3", one.authority, "root 4", last);
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
