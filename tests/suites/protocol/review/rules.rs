//! Rules that all evaluators share.

use conclave_protocol::control::Added;
use conclave_protocol::limits::VOID_CONTROL_PER_DEVICE_MAX;
use conclave_protocol::object::{Principal, UnitKind};
use conclave_protocol::signed::{Trust, Verified};

use crate::authority::scene::{Depart, Hand, Scene, Strict, keys, office};

/// A senior strictly takes xavier out of a Department, and lets him into one Group of it again.
/// A junior ends that, names only that, and so gets him into another Group, and into the
/// Department itself.
#[test]
fn strict_removal_from_a_department_is_not_laundered_through_one_of_its_groups() {
    let mut s = Scene::new();
    let alice = s.alice.hand;
    let xavier = s.person(alice, "xavier");
    let bob = s.person(alice, "bob");
    let junior = s.grant(alice, bob.agent, "bob", 5);
    let sales = s.department(alice, "Sales");
    let night = s.group(alice, sales, "Night");
    let day = s.group(alice, sales, "Day");
    let first = s.member(alice, xavier.agent, sales, &[]);
    let strict = s.revoke(alice, first, Strict, &[]);
    let back = s.member(alice, xavier.agent, night, &[strict]);
    let depart = s.revoke(junior, back, Depart, &[]);
    s.member(junior, xavier.agent, day, &[depart]);
    s.member(junior, xavier.agent, sales, &[depart]);
    let _ = s.state();
    let log = s.log();
    assert!(!log.access().is_member(xavier.agent, day), "into another Group");
    assert!(log.member_grants(xavier.agent, sales).is_empty(), "into the Department itself");
}

/// A senior dismisses xavier strictly: nothing of what he wrote stands. A junior certifies his
/// key for a new agent with access: all of it stands again.
#[test]
fn strict_dismissal_is_not_laundered_by_certifying_the_key_for_a_new_agent() {
    let mut s = Scene::new();
    let alice = s.alice.hand;
    let xavier = s.person(alice, "xavier");
    let bob = s.person(alice, "bob");
    let junior = s.grant(alice, bob.agent, "bob", 5);
    let room = s.room(alice, "den");
    s.permit(alice, room, Principal::Unit(conclave_protocol::id::UnitId::ROLE_AGENT), &[]);
    s.revoke(alice, xavier.agent, Strict, &[]);
    assert!(!s.log().standing(xavier.device, room).live);
    let other = s.agent(junior, "yves");
    s.device(junior, other, "xavier");
    let _ = s.state();
    let standing = s.log().standing(xavier.device, room);
    assert!(!standing.live, "everything that the key ever signed is accepted: {standing:?}");
}

/// An agent certified by a senior and renamed by a junior takes the plain name of an agent that
/// somebody in between certified.
#[test]
fn a_junior_cannot_take_a_plain_name_from_a_senior_by_renaming() {
    let mut s = Scene::new();
    let (root, alice) = (s.root, s.alice.hand);
    let fred = s.agent(root, "fred");
    let ceo = s.agent(alice, "ceo");
    let bob = s.person(alice, "bob");
    let junior = s.grant(alice, bob.agent, "bob", 5);
    assert_eq!(s.log().access().agent_named("ceo"), Some(ceo));
    s.rename(junior, fred, "ceo");
    let _ = s.state();
    assert_eq!(s.log().access().agent_named("ceo"), Some(ceo), "now it is fred");
}

/// Void objects are counted by author. Who was cut off appoints keys of its own, void too, and
/// each has a share.
#[test]
fn p9_an_admin_that_was_cut_off_has_one_share_of_void_objects_whatever_keys_it_makes() {
    let mut s = Scene::new();
    let alice = s.alice.hand;
    let mallory = s.admin(alice, "mallory", 2);
    s.revoke(alice, mallory.grant(), Depart, &[mallory.grant()].map(|_| s.last("alice")));
    let mut log = s.log();
    let before = log.len();
    let names: Vec<&'static str> =
        (0..4).map(|n| &*Box::leak(format!("sock {n}").into_boxed_str())).collect();
    let mut full = 0;
    let mut put = |s: &Scene, log: &mut conclave_protocol::control::ControlLog, id| {
        let object = s.object(id).clone();
        let by = ["mallory", "sock 0", "sock 1", "sock 2", "sock 3"];
        let key = by.iter().find(|k| keys(k).device() == object.header.author).expect("one");
        let (_, bytes) = object.sign(&keys(key));
        let object = Verified::control(&bytes, s.company, Trust::StoredAs(id)).expect("good");
        match log.add(object) {
            Added::Taken(_) => {}
            // What rests on one that was refused waits for it, within the bounds of what waits.
            Added::Full | Added::Parked { .. } => full += 1,
            other => panic!("{other:?}"),
        }
    };
    for name in &names {
        let grant = s.grant_like(mallory.hand, "x", office(mallory.agent(), name, 3));
        put(&s, &mut log, grant.authority);
        let hand = Hand { key: name, authority: grant.authority };
        for n in 0..600 {
            let unit = s.unit(hand, UnitKind::Role, None, &format!("u{n}"));
            put(&s, &mut log, unit.into());
        }
    }
    assert!(
        log.len() - before <= VOID_CONTROL_PER_DEVICE_MAX,
        "{} void objects of one admin, {full} refused",
        log.len() - before
    );
}
