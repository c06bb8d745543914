//! Agents and devices: cases 26 and 27, keys in dispute, countersigning, returning.

use std::collections::BTreeSet;

use super::scene::{Depart, Scene, Strict, keys, office};

#[test]
fn impostor_device_without_a_countersignature_is_shown_to_everybody() {
    let mut s = Scene::new();
    let mallory = s.admin(s.alice.hand, "mallory", 3);
    let ceo = s.alice.agent();
    s.device(mallory.hand, ceo, "mallory's other key");
    let other = keys("mallory's other key").device();
    let state = s.state();
    assert_eq!(state.devices[&other], ceo, "it counts, for the day when all devices are lost");
    assert_eq!(state.uncountersigned, BTreeSet::from([other]));
    // A signature of a device that is not the agent's is none.
    s.device_confirmed(mallory.hand, ceo, "third", Some("mallory"));
    assert!(s.state().uncountersigned.contains(&keys("third").device()));
    // An honest second device has one, and that of a device revoked later stays good.
    let phone = s.device_confirmed(s.alice.hand, ceo, "phone", Some("alice"));
    let lost = s.device_confirmed(s.alice.hand, ceo, "tablet", Some("phone"));
    s.revoke(s.root, phone, Depart, &[]);
    let state = s.state();
    assert!(state.carried.contains_key(&lost));
    assert!(!state.uncountersigned.contains(&keys("tablet").device()));
    assert!(!state.uncountersigned.contains(&s.alice.person.device), "the first needs none");
}

#[test]
fn impostor_without_company_scope_is_refused() {
    let mut s = Scene::new();
    let alice = s.alice.hand;
    let unit = s.department(alice, "Support");
    let agent = s.agent(alice, "mallory");
    let mut grant = office(agent, "mallory", 3);
    grant.scope = Some(unit);
    let mallory = s.grant_like(alice, "mallory", grant);
    s.refuses(|s| s.device(mallory, s.alice.agent(), "other"));
    s.refuses(|s| s.agent(mallory, "ghost"));
}

#[test]
fn impostor_with_the_seniors_key_makes_it_live_for_neither_until_one_is_revoked() {
    let mut s = Scene::new();
    let alice = s.alice;
    let mallory = s.admin(alice.hand, "mallory", 3);
    let false_cert = s.device(mallory.hand, mallory.agent(), "alice");
    let state = s.state();
    assert_eq!(state.disputed, BTreeSet::from([alice.person.device]));
    assert!(!state.devices.contains_key(&alice.person.device));
    assert!(state.in_force.contains(&alice.grant()), "a grant needs no certificate");
    // The pair (alice's key, mallory) is no grant's, so this strikes nothing of alice's.
    s.revoke(alice.hand, false_cert, Depart, &[]);
    let state = s.state();
    assert!(state.disputed.is_empty() && state.in_force.contains(&alice.grant()));
    assert_eq!(state.devices[&alice.person.device], alice.agent());
    assert!(state.in_force.contains(&mallory.grant()), "nor mallory's own device");
}

#[test]
fn laundering_a_strict_dismissal_by_certifying_the_key_for_another_agent() {
    let mut s = Scene::new();
    let alice = s.alice.hand;
    let junior = s.admin(alice, "junior", 2).hand;
    let x = s.person(alice, "x");
    let dismissed = s.revoke(alice, x.agent, Strict, &[]);
    let other = s.agent(junior, "y");
    let cert = s.device(junior, other, "x");
    let state = s.state();
    assert!(state.agents.contains_key(&other), "only the key is barred");
    assert!(!state.devices.contains_key(&x.device) && state.disputed.is_empty());
    s.ratify(junior, x.agent, &[dismissed]);
    assert!(s.state().disputed.is_empty(), "a junior does not override `Strict`");
    s.ratify(alice, x.agent, &[dismissed]);
    assert_eq!(s.state().disputed, BTreeSet::from([x.device]), "two live agents have it again");
    // The same with one pair: it is live for neither agent, and there is no dispute.
    let gone = s.revoke(junior, cert, Strict, &[]);
    let state = s.state();
    assert!(!state.devices.contains_key(&x.device) && state.disputed.is_empty());
    s.ratify(junior, cert, &[gone]);
    s.revoke(junior, cert, Depart, &[]);
    assert_eq!(s.state().devices[&x.device], x.agent, "`Depart` leaves it to the other agent");
}

#[test]
fn a_key_of_a_revoked_agent_is_not_in_dispute() {
    let mut s = Scene::new();
    let alice = s.alice.hand;
    let (one, two) = (s.person(alice, "one"), s.agent(alice, "two"));
    s.device(alice, two, "one");
    assert!(s.state().disputed.contains(&one.device));
    s.revoke(alice, one.agent, Depart, &[]);
    let state = s.state();
    assert!(state.disputed.is_empty());
    assert_eq!(state.devices[&one.device], two);
}

#[test]
fn side_door_to_a_senior_is_shut_on_every_side() {
    let mut s = Scene::new();
    let alice = s.alice;
    s.refuses(|s| s.grant(alice.hand, alice.agent(), "bob", 1).authority);
    let phone = s.device_confirmed(alice.hand, alice.agent(), "phone", Some("alice"));
    let junior = s.admin(alice.hand, "junior", 2);
    let doors = [
        s.revoke(junior.hand, alice.grant(), Strict, &[]),
        s.revoke(junior.hand, alice.agent(), Strict, &[]),
        s.revoke(junior.hand, alice.person.cert, Strict, &[]),
        s.revoke(junior.hand, phone, Strict, &[]),
    ];
    // A second certificate for the same pair does not help either.
    let again = s.device(junior.hand, alice.agent(), "alice");
    let own = s.revoke(junior.hand, again, Strict, &[]);
    let state = s.state();
    for door in doors.into_iter().chain([own]) {
        assert!(state.powerless.contains(&door));
        assert!(state.carried.contains_key(&door), "everybody is to see the attempt");
    }
    assert!(state.in_force.contains(&alice.grant()));
    assert_eq!(state.devices[&alice.person.device], alice.agent());
    assert_eq!(state.devices[&keys("phone").device()], alice.agent());
}

#[test]
fn side_door_to_an_equal_is_shut_and_opens_when_the_office_has_ended() {
    let mut s = Scene::new();
    let bob = s.admin(s.root, "bob", 1);
    let out = s.revoke(s.alice.hand, bob.agent(), Depart, &[]);
    let state = s.state();
    assert!(state.powerless.contains(&out) && state.agents.contains_key(&bob.agent()));
    // An ended grant protects nobody: a dismissed admin can be removed by others than the root.
    s.revoke(s.root, bob.grant(), Depart, &[]);
    let state = s.state();
    assert!(state.effective.contains(&out) && !state.agents.contains_key(&bob.agent()));
}

#[test]
fn a_senior_removal_of_agent_or_device_strikes_the_grants() {
    let mut s = Scene::new();
    let alice = s.alice.hand;
    let (x, y) = (s.admin(alice, "x", 2), s.admin(alice, "y", 2));
    let (from_x, from_y) = (s.department(x.hand, "X"), s.department(y.hand, "Y"));
    s.revoke(alice, x.agent(), Depart, &[from_x.into()]);
    s.revoke(alice, y.person.cert, Depart, &[]);
    let state = s.state();
    assert_eq!(state.in_force.len(), 1, "alice's");
    assert!(state.units.contains_key(&from_x) && !state.units.contains_key(&from_y));
    assert!(!state.agents.contains_key(&x.agent()) && state.agents.contains_key(&y.agent()));
    assert!(!state.devices.contains_key(&y.person.device));
}

#[test]
fn self_service_revokes_ones_own_junior_or_plain_devices_only() {
    let mut s = Scene::new();
    let alice = s.alice.hand;
    let bob = s.admin(alice, "bob", 2);
    let laptop = s.device_confirmed(bob.hand, bob.agent(), "laptop", Some("bob"));
    let laptop_office = s.grant(alice, bob.agent(), "laptop", 3);
    let phone = s.device_confirmed(bob.hand, bob.agent(), "phone", Some("bob"));
    // Bob's own grant of rank 2 protects bob's agent from others of rank 2, not from bob.
    let lost = s.revoke(bob.hand, laptop, Strict, &[]);
    let lost_too = s.revoke(bob.hand, phone, Strict, &[]);
    let carol = s.admin(alice, "carol", 2);
    let meddling = s.revoke(carol.hand, bob.person.cert, Strict, &[]);
    let own = s.revoke(bob.hand, bob.person.cert, Strict, &[]);
    let state = s.state();
    assert!(state.effective.contains(&lost) && state.effective.contains(&lost_too));
    assert!(!state.in_force.contains(&laptop_office.authority));
    assert!(state.powerless.contains(&meddling) && state.powerless.contains(&own));
    assert_eq!(state.devices[&bob.person.device], bob.agent());
    // Carol may not take bob's phone either.
    let mut other = Scene::new();
    let alice = other.alice.hand;
    let (bob, carol) = (other.admin(alice, "bob", 2), other.admin(alice, "carol", 2));
    let phone = other.device_confirmed(bob.hand, bob.agent(), "phone", Some("bob"));
    let meddling = other.revoke(carol.hand, phone, Strict, &[]);
    assert!(other.state().powerless.contains(&meddling));
}

#[test]
fn a_revoked_agent_or_device_returns_when_every_revoke_is_named_by_right() {
    let mut s = Scene::new();
    let alice = s.alice.hand;
    let junior = s.admin(alice, "junior", 2).hand;
    let x = s.person(alice, "x");
    let here = |s: &Scene| s.state().agents.contains_key(&x.agent);
    let one = s.revoke(alice, x.agent, Depart, &[]);
    let two = s.revoke(alice, x.agent, Strict, &[]);
    assert!(!here(&s) && !s.state().devices.contains_key(&x.device));
    s.ratify(junior, x.agent, &[one]);
    assert!(!here(&s));
    s.ratify(junior, x.agent, &[one, two]);
    assert!(!here(&s), "a junior does not override `Strict`");
    s.ratify(alice, x.agent, &[two]);
    assert!(here(&s), "each named by somebody, each by right");
    assert!(s.state().devices.contains_key(&x.device));
    let three = s.revoke(junior, x.agent, Strict, &[]);
    assert!(!here(&s));
    s.ratify(junior, x.agent, &[three]);
    assert!(here(&s));
}

#[test]
fn a_device_is_a_pair_and_any_of_its_certificates_speaks_for_it() {
    let mut s = Scene::new();
    let alice = s.alice.hand;
    let x = s.person(alice, "x");
    let second = s.device_confirmed(alice, x.agent, "x", None);
    let gone = s.revoke(alice, x.cert, Depart, &[]);
    assert!(!s.state().devices.contains_key(&x.device), "another certificate is no way back");
    let third = s.device(alice, x.agent, "x");
    assert!(!s.state().devices.contains_key(&x.device));
    s.ratify(alice, second, &[gone]);
    let state = s.state();
    assert!(state.devices.contains_key(&x.device) && state.carried.contains_key(&third));
}

#[test]
fn a_returning_device_regains_no_grant() {
    let mut s = Scene::new();
    let alice = s.alice.hand;
    let x = s.admin(alice, "x", 2);
    let gone = s.revoke(alice, x.person.cert, Depart, &[]);
    s.ratify(alice, x.person.cert, &[gone]);
    let state = s.state();
    assert!(state.devices.contains_key(&x.person.device));
    assert!(!state.in_force.contains(&x.grant()));
    // A grant that does not know the removal falls under it too; one that does is in force.
    let unaware = s.grant(alice, x.agent(), "x", 2);
    let mut aware = office(x.agent(), "x", 2);
    aware.overrides = vec![gone];
    let aware = s.grant_like(alice, "x", aware);
    let state = s.state();
    assert!(!state.in_force.contains(&unaware.authority));
    assert!(state.in_force.contains(&aware.authority));
}

#[test]
fn a_grant_overrides_a_removal_only_from_an_equal_or_senior_issuer() {
    // Also after `Depart`: grants follow the rank in both modes.
    let mut s = Scene::new();
    let alice = s.alice.hand;
    let bob = s.admin(alice, "bob", 2);
    let x = s.admin(alice, "x", 3);
    let gone = s.revoke(alice, x.agent(), Depart, &[]);
    let mut grant = office(x.agent(), "x", 3);
    grant.overrides = vec![gone];
    let low = s.grant_like(bob.hand, "x", grant);
    assert!(!s.state().in_force.contains(&low.authority), "issued by rank 2, removed by rank 1");
    s.ratify(alice, low.authority, &[]);
    assert!(s.state().in_force.contains(&low.authority), "rank 1 stands behind it now");
}

#[test]
fn side_door_by_a_grant_in_the_seniors_name() {
    let mut s = Scene::new();
    let ceo = s.alice.agent();
    let phone = s.device_confirmed(s.alice.hand, ceo, "phone", Some("alice"));
    let junior = s.admin(s.alice.hand, "junior", 2);
    let mask = s.grant(junior.hand, ceo, "mask", 3);
    let out = s.revoke(mask, phone, Strict, &[]);
    let state = s.state();
    assert!(state.powerless.contains(&out));
    assert!(state.devices.contains_key(&keys("phone").device()));
}

#[test]
fn impostor_keys_that_countersign_each_other_are_shown() {
    let mut s = Scene::new();
    let mallory = s.admin(s.alice.hand, "mallory", 3);
    let ceo = s.alice.agent();
    s.device_confirmed(mallory.hand, ceo, "one", Some("two"));
    s.device_confirmed(mallory.hand, ceo, "two", Some("one"));
    let expected = ["one", "two"].map(|key| keys(key).device());
    assert_eq!(s.state().uncountersigned, BTreeSet::from(expected));
}

#[test]
fn impostor_cannot_become_the_first_device() {
    let mut s = Scene::new();
    let alice = s.alice.hand;
    let agent = s.agent(alice, "ceo");
    let mallory = s.admin(alice, "mallory", 2);
    s.department(alice, "Some work");
    s.department(alice, "More work");
    s.device(alice, agent, "ceo");
    s.begin_anew("mallory");
    s.device(mallory.hand, agent, "impostor");
    let state = s.state();
    assert!(state.uncountersigned.contains(&keys("impostor").device()));
    assert!(!state.uncountersigned.contains(&keys("ceo").device()));
}

#[test]
fn a_revoked_pair_stays_revoked_when_the_certificate_named_becomes_void() {
    let mut s = Scene::new();
    let alice = s.alice.hand;
    let bob = s.admin(alice, "bob", 2);
    let x = s.person(alice, "x");
    let second = s.device(bob.hand, x.agent, "x");
    s.revoke(alice, second, Strict, &[]);
    assert!(!s.state().devices.contains_key(&x.device));
    s.revoke(alice, bob.grant(), Depart, &[]);
    assert!(!s.state().devices.contains_key(&x.device), "a stolen laptop comes back to life");
}

#[test]
fn a_mask_in_a_seniors_name_is_weaker_than_the_senior_whatever_it_is_of() {
    // An equal of the same agent may revoke its plain devices, never the one in office.
    let mut s = Scene::new();
    let alice = s.alice.hand;
    let bob = s.admin(alice, "bob", 2);
    let plain = s.device_confirmed(alice, bob.agent(), "plain", Some("bob"));
    let equal = s.grant(alice, bob.agent(), "equal", 2);
    let tried = s.revoke(equal, bob.person.cert, Strict, &[]);
    let lost = s.revoke(equal, plain, Strict, &[]);
    let state = s.state();
    assert!(state.powerless.contains(&tried) && state.effective.contains(&lost));
    assert!(state.in_force.contains(&bob.grant()));
    // A void certificate of the pair returns nothing, and a Ratify of any of the pair does.
    let again = s.device(bob.hand, bob.agent(), "plain");
    assert!(!s.state().devices.contains_key(&keys("plain").device()));
    s.ratify(alice, again, &[lost]);
    assert!(s.state().devices.contains_key(&keys("plain").device()));
}

#[test]
fn a_chain_of_countersignatures_confirms_and_equals_cannot_prove_who_came_first() {
    let mut s = Scene::new();
    let alice = s.alice.hand;
    let x = s.person(alice, "x");
    s.device_confirmed(alice, x.agent, "two", Some("x"));
    s.device_confirmed(alice, x.agent, "three", Some("two"));
    assert!(s.state().uncountersigned.is_empty());
    let bob = s.admin(alice, "bob", 2);
    s.device(bob.hand, x.agent, "low");
    assert_eq!(s.state().uncountersigned, BTreeSet::from([keys("low").device()]));
    s.device(alice, x.agent, "equal");
    let expected = ["x", "low", "equal"].map(|key| keys(key).device());
    assert_eq!(s.state().uncountersigned, BTreeSet::from(expected));
}
