//! Units, memberships, rooms and permissions.

use std::collections::BTreeSet;

use conclave_protocol::id::{AgentId, UnitId};
use conclave_protocol::object::{Principal, UnitKind};

use super::scene::{Depart, Scene, Strict};

#[test]
fn a_group_goes_with_its_department_and_returns_with_it() {
    let mut s = Scene::new();
    let alice = s.alice.hand;
    let x = s.person(alice, "x").agent;
    let support = s.department(alice, "Support");
    let group = s.group(alice, support, "Front");
    let room = s.room(alice, "help");
    s.permit(alice, room, Principal::Unit(group), &[]);
    s.member(alice, x, group, &[]);
    assert!(s.state().rooms[&room].with_access.contains(&x));
    let gone = s.revoke(alice, support, Depart, &[]);
    let state = s.state();
    assert!(!state.units.contains_key(&group) && !state.units.contains_key(&support));
    assert!(state.rooms[&room].with_access.is_empty());
    assert!(state.memberships.contains(&(x, group)), "the pair itself was not struck");
    let ratify = s.ratify(alice, group, &[gone]);
    let state = s.state();
    assert!(state.carried.contains_key(&ratify) && !state.units.contains_key(&group));
    s.ratify(alice, support, &[gone]);
    let state = s.state();
    assert!(state.units.contains_key(&group) && state.rooms[&room].with_access.contains(&x));
}

#[test]
fn a_deleted_unit_matches_nobody_and_a_group_member_is_in_the_department() {
    let mut s = Scene::new();
    let alice = s.alice.hand;
    let x = s.person(alice, "x").agent;
    let support = s.department(alice, "Support");
    let group = s.group(alice, support, "Front");
    let room = s.room(alice, "help");
    let permit = s.permit(alice, room, Principal::Unit(support), &[]);
    s.member(alice, x, group, &[]);
    assert!(s.state().rooms[&room].with_access.contains(&x));
    s.revoke(alice, group, Depart, &[]);
    let state = s.state();
    assert!(state.rooms[&room].with_access.is_empty());
    assert!(state.rooms[&room].proved.contains(&x));
    assert!(state.permits.contains(&(room, Principal::Unit(support))));
    assert!(state.carried.contains_key(&permit));
}

#[test]
fn leaving_a_department_is_leaving_its_groups_and_not_its_permissions() {
    let mut s = Scene::new();
    let alice = s.alice.hand;
    let x = s.person(alice, "x").agent;
    let support = s.department(alice, "Support");
    let group = s.group(alice, support, "Front");
    let room = s.room(alice, "help");
    let permit = s.permit(alice, room, Principal::Unit(support), &[]);
    s.permit(alice, room, Principal::Unit(group), &[]);
    let wide = s.member(alice, x, support, &[]);
    let narrow = s.member(alice, x, group, &[]);
    let gone = s.revoke(alice, wide, Depart, &[]);
    assert!(s.state().memberships.is_empty());
    // Back into the Group alone: it has to name what struck the Department.
    s.member(alice, x, group, &[gone]);
    assert!(s.state().memberships.iter().eq([&(x, group)]));
    let gone = s.revoke(alice, narrow, Depart, &[]);
    s.member(alice, x, support, &[gone]);
    assert!(s.state().memberships.is_empty(), "the first removal is not named");
    s.revoke(alice, permit, Depart, &[]);
    assert!(s.state().permits.contains(&(room, Principal::Unit(group))));
}

#[test]
fn removal_beats_a_concurrent_grant_of_the_same_pair() {
    let mut s = Scene::new();
    let alice = s.alice.hand;
    let junior = s.admin(alice, "junior", 2).hand;
    let x = s.person(alice, "x").agent;
    let unit = s.department(alice, "Support");
    let first = s.member(alice, x, unit, &[]);
    s.revoke(junior, first, Depart, &[]);
    s.member(alice, x, unit, &[]);
    assert!(s.state().memberships.is_empty(), "even a senior's, that did not know");
}

#[test]
fn a_ratify_of_a_member_grant_adds_no_override() {
    let mut s = Scene::new();
    let alice = s.alice.hand;
    let x = s.person(alice, "x").agent;
    let unit = s.department(alice, "Support");
    let grant = s.member(alice, x, unit, &[]);
    let gone = s.revoke(alice, grant, Depart, &[]);
    s.ratify(alice, grant, &[gone]);
    assert!(s.state().memberships.is_empty());
}

#[test]
fn laundering_a_strict_removal_from_a_department_through_a_group() {
    let mut s = Scene::new();
    let alice = s.alice.hand;
    let junior = s.admin(alice, "junior", 2).hand;
    let x = s.person(alice, "x").agent;
    let support = s.department(alice, "Support");
    let group = s.group(alice, support, "Front");
    let wide = s.member(alice, x, support, &[]);
    let strict = s.revoke(alice, wide, Strict, &[]);
    let narrow = s.member(alice, x, group, &[strict]);
    assert!(s.state().memberships.iter().eq([&(x, group)]));
    let ended = s.revoke(junior, narrow, Depart, &[]);
    s.member(junior, x, support, &[ended]);
    assert!(s.state().memberships.is_empty(), "only an equal or senior lets x into the Department");
    s.member(junior, x, group, &[ended]);
    assert!(s.state().memberships.iter().eq([&(x, group)]), "back to where a senior had let x");
    // Of a Group's grant, the closure goes through those of its Department too.
    let wide = s.member(alice, x, support, &[strict]);
    let ended_too = s.revoke(junior, wide, Depart, &[]);
    assert!(s.state().memberships.is_empty());
    let other = s.group(alice, support, "Back");
    s.member(junior, x, other, &[ended_too]);
    assert!(s.state().memberships.iter().eq([&(x, other)]));
    s.member(junior, x, support, &[ended_too]);
    assert!(s.state().memberships.contains(&(x, support)));
}

#[test]
fn laundering_a_strict_end_of_a_permission_through_that_of_another_room() {
    let mut s = Scene::new();
    let alice = s.alice.hand;
    let junior = s.admin(alice, "junior", 2).hand;
    let x = Principal::Agent(s.person(alice, "x").agent);
    let (one, two) = (s.room(alice, "one"), s.room(alice, "two"));
    let permit = s.permit(alice, one, x, &[]);
    let strict = s.revoke(alice, permit, Strict, &[]);
    // Names too much, by mistake or on purpose.
    let wide = s.permit(alice, two, x, &[strict]);
    let ended = s.revoke(junior, wide, Depart, &[]);
    s.permit(junior, one, x, &[ended]);
    assert!(s.state().permits.is_empty());
}

#[test]
fn everybody_is_whoever_is_live() {
    let mut s = Scene::new();
    let alice = s.alice.hand;
    let (x, y) = (s.person(alice, "x").agent, s.person(alice, "y").agent);
    let room = s.room(alice, "all");
    let permit = s.permit(alice, room, Principal::Unit(UnitId::ROLE_AGENT), &[]);
    s.revoke(alice, y, Depart, &[]);
    let state = s.state();
    assert_eq!(state.rooms[&room].with_access, BTreeSet::from([x, s.alice.agent()]));
    assert!(state.rooms[&room].proved.contains(&y));
    s.revoke(alice, permit, Strict, &[]);
    assert!(s.state().rooms[&room].with_access.is_empty());
}

#[test]
fn a_room_or_unit_deleted_under_strict_returns_from_an_equal_rank_only() {
    let mut s = Scene::new();
    let alice = s.alice.hand;
    let junior = s.admin(alice, "junior", 2).hand;
    let (room, unit) = (s.room(alice, "help"), s.department(alice, "Support"));
    let gone = [s.revoke(alice, room, Strict, &[]), s.revoke(alice, unit, Strict, &[])];
    s.ratify(junior, room, &gone[..1]);
    s.ratify(junior, unit, &gone[1..]);
    let state = s.state();
    assert!(state.rooms[&room].revoked && !state.units.contains_key(&unit));
    s.ratify(alice, room, &gone[..1]);
    s.ratify(alice, unit, &gone[1..]);
    let state = s.state();
    assert!(!state.rooms[&room].revoked && state.units.contains_key(&unit));
}

#[test]
fn references_of_the_wrong_type_are_not_sound() {
    let mut s = Scene::new();
    let alice = s.alice.hand;
    let x = s.person(alice, "x");
    let unit = s.department(alice, "Support");
    let group = s.group(alice, unit, "Front");
    let room = s.room(alice, "help");
    let member = s.member(alice, x.agent, unit, &[]);
    let ratify = s.ratify(alice, unit, &[]);
    s.refuses(|s| s.group(alice, group, "Nested"));
    s.refuses(|s| s.member(alice, AgentId(room.0), unit, &[]));
    s.refuses(|s| s.member(alice, x.agent, unit, &[member]));
    s.refuses(|s| s.permit(alice, room, Principal::Unit(UnitId(x.agent.0)), &[]));
    s.refuses(|s| s.revoke(alice, ratify, Depart, &[]));
    s.refuses(|s| s.ratify(alice, s.root.authority, &[]));
    s.refuses(|s| s.room_cut(alice, room, member));
    s.refuses(|s| s.unit(alice, UnitKind::Role, None, "Agent"));
    assert!(s.state().sound.contains(&ratify));
}
