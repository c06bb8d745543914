//! What an admin of one Department may do, and what not.

use conclave_protocol::id::{ObjectId, UnitId};
use conclave_protocol::object::{Capabilities, FieldValue, Principal, UnitKind};

use super::scene::{Depart, Hand, Scene, office};

/// Departments "Support" and "Sales", and dora, admin of Support, rank 3.
fn scene() -> (Scene, UnitId, UnitId, Hand) {
    let mut s = Scene::new();
    let alice = s.alice.hand;
    let (support, sales) = (s.department(alice, "Support"), s.department(alice, "Sales"));
    let agent = s.person(alice, "dora").agent;
    let mut grant = office(agent, "dora", 3);
    grant.scope = Some(support);
    let dora = s.grant_like(alice, "dora", grant);
    (s, support, sales, dora)
}

fn all_count(s: &Scene, ids: &[ObjectId]) {
    let state = s.state();
    for (n, id) in ids.iter().enumerate() {
        assert!(state.carried.contains_key(id), "number {n} should be allowed");
    }
}

#[test]
fn scope_lets_groups_be_made_and_its_units_be_filled_renamed_deleted() {
    let (mut s, support, _, dora) = scene();
    let x = s.person(s.alice.hand, "x").agent;
    let group = s.group(dora, support, "Front");
    let in_group = s.member(dora, x, group, &[]);
    let in_department = s.member(dora, x, support, &[]);
    let allowed = [
        group.into(),
        in_group,
        in_department,
        s.revoke(dora, in_group, Depart, &[]),
        s.rename(dora, group, "Back"),
        s.rename(dora, support, "Help"),
        s.revoke(dora, group, Depart, &[]),
        s.revoke(dora, support, Depart, &[]),
    ];
    all_count(&s, &allowed);
}

#[test]
fn scope_ends_at_the_department() {
    let (mut s, support, sales, dora) = scene();
    let alice = s.alice.hand;
    let x = s.person(alice, "x");
    let group = s.group(alice, sales, "Field");
    let role = s.unit(alice, UnitKind::Role, None, "Lead");
    let elsewhere = s.member(alice, x.agent, group, &[]);
    s.refuses(|s| s.department(dora, "Own"));
    s.refuses(|s| s.group(dora, sales, "Own"));
    s.refuses(|s| s.unit(dora, UnitKind::Role, None, "Own"));
    s.refuses(|s| s.member(dora, x.agent, sales, &[]));
    s.refuses(|s| s.member(dora, x.agent, group, &[]));
    s.refuses(|s| s.member(dora, x.agent, role, &[]));
    s.refuses(|s| s.revoke(dora, elsewhere, Depart, &[]));
    s.refuses(|s| s.rename(dora, sales, "Other"));
    s.refuses(|s| s.revoke(dora, role, Depart, &[]));
    s.refuses(|s| s.agent(dora, "ghost"));
    s.refuses(|s| s.device(dora, x.agent, "phone"));
    s.refuses(|s| s.rename(dora, x.agent, "other"));
    s.refuses(|s| s.revoke(dora, x.agent, Depart, &[]));
    s.refuses(|s| s.revoke(dora, x.cert, Depart, &[]));
    assert!(s.state().units.contains_key(&support));
}

#[test]
fn scope_covers_rooms_made_under_it_for_its_units_and_single_agents() {
    let (mut s, support, sales, dora) = scene();
    let alice = s.alice.hand;
    let x = s.person(alice, "x").agent;
    let role = s.unit(alice, UnitKind::Role, None, "Lead");
    let group = s.group(alice, support, "Front");
    let own = s.room(dora, "own");
    let of_company = s.room(alice, "of the company");
    let by_alice = s.permit(alice, own, Principal::Unit(UnitId::ROLE_AGENT), &[]);
    let permit = s.permit(dora, own, Principal::Unit(support), &[]);
    let gone = s.revoke(dora, permit, Depart, &[]);
    let topic = FieldValue::Topic("News".into());
    let allowed = [
        own.into(),
        permit,
        gone,
        s.permit(dora, own, Principal::Unit(group), &[]),
        s.permit(dora, own, Principal::Agent(x), &[]),
        s.revoke(dora, by_alice, Depart, &[]),
        s.rename(dora, own, "ours"),
        s.set(dora, own, topic.clone(), &[]),
        s.room_cut(dora, own, gone),
        s.revoke(dora, own, Depart, &[]),
    ];
    all_count(&s, &allowed);
    let elsewhere = s.permit(alice, of_company, Principal::Unit(support), &[]);
    s.refuses(|s| s.permit(dora, own, Principal::Unit(UnitId::ROLE_AGENT), &[]));
    s.refuses(|s| s.permit(dora, own, Principal::Unit(role), &[]));
    s.refuses(|s| s.permit(dora, own, Principal::Unit(sales), &[]));
    s.refuses(|s| s.permit(dora, of_company, Principal::Unit(support), &[]));
    s.refuses(|s| s.revoke(dora, elsewhere, Depart, &[]));
    s.refuses(|s| s.set(dora, of_company, topic.clone(), &[]));
    s.refuses(|s| s.room_cut(dora, of_company, gone));
    s.refuses(|s| s.revoke(dora, of_company, Depart, &[]));
}

#[test]
fn scope_is_passed_on_no_wider() {
    let (mut s, support, sales, dora) = scene();
    let alice = s.alice.hand;
    let agent = s.agent(alice, "y");
    let mut inside = office(agent, "y", 4);
    inside.scope = Some(support);
    let mut outside = inside.clone();
    outside.scope = Some(sales);
    let fits = s.grant_like(dora, "y", inside.clone());
    let narrower = s.grant_like(alice, "y", inside);
    let elsewhere = s.grant_like(alice, "y", outside.clone());
    let company = s.admin(alice, "z", 4);
    s.refuses(|s| s.grant(dora, agent, "y", 4).authority);
    s.refuses(|s| s.grant_like(dora, "y", outside.clone()).authority);
    s.refuses(|s| s.revoke(dora, elsewhere.authority, Depart, &[]));
    s.refuses(|s| s.revoke(dora, company.grant(), Depart, &[]));
    let end = s.revoke(dora, fits.authority, Depart, &[]);
    let end_other = s.revoke(dora, narrower.authority, Depart, &[]);
    let state = s.state();
    assert!(state.effective.contains(&end) && state.effective.contains(&end_other));
}

#[test]
fn a_single_agent_let_in_by_a_department_must_be_its_member() {
    let (mut s, support, sales, dora) = scene();
    let alice = s.alice.hand;
    let x = s.person(alice, "x").agent;
    let group = s.group(alice, support, "Front");
    let room = s.room(dora, "own");
    let has = |s: &Scene| s.state().rooms[&room].with_access.contains(&x);
    let proved = |s: &Scene| s.state().rooms[&room].proved.contains(&x);
    let permit = s.permit(dora, room, Principal::Agent(x), &[]);
    s.member(alice, x, sales, &[]);
    assert!(!has(&s) && !proved(&s));
    let grant = s.member(alice, x, group, &[]);
    assert!(has(&s), "a member of its Group is its member");
    let gone = s.revoke(alice, grant, Depart, &[]);
    assert!(!has(&s) && proved(&s));
    let mut other = s.clone();
    other.ratify(alice, permit, &[]);
    assert!(has(&other), "the company stands behind it too");
    s.member(alice, x, support, &[gone]);
    assert!(has(&s));
    s.revoke(alice, support, Depart, &[]);
    assert!(!has(&s), "a deleted Department has no members");
}

#[test]
fn the_scope_of_a_ratify_counts_as_that_of_who_ratifies() {
    // A void permission of the company's, ratified by the Department: members only.
    let (mut s, support, _, dora) = scene();
    let alice = s.alice.hand;
    let (x, y) = (s.person(alice, "x").agent, s.person(alice, "y").agent);
    s.member(alice, x, support, &[]);
    let room = s.room(dora, "own");
    let bob = s.admin(alice, "bob", 2);
    let permits = [x, y].map(|agent| s.permit(bob.hand, room, Principal::Agent(agent), &[]));
    assert_eq!(s.state().rooms[&room].with_access.len(), 2);
    s.revoke(alice, bob.grant(), Depart, &[]);
    assert!(s.state().rooms[&room].with_access.is_empty());
    for permit in permits {
        s.ratify(dora, permit, &[]);
    }
    let state = s.state();
    assert!(state.rooms[&room].with_access.iter().eq([&x]));
}

#[test]
fn a_capability_that_lacks_is_not_sound() {
    let mut s = Scene::new();
    let alice = s.alice.hand;
    let x = s.person(alice, "x");
    let unit = s.department(alice, "Support");
    let room = s.room(alice, "help");
    let member = s.member(alice, x.agent, unit, &[]);
    let permit = s.permit(alice, room, Principal::Unit(unit), &[]);
    let mut grant = office(x.agent, "x", 2);
    grant.may = Capabilities { units: false, agents: false, rooms: false, admins: false };
    let bare = s.grant_like(alice, "x", grant);
    let other = s.admin(alice, "other", 3);
    s.refuses(|s| s.department(bare, "Own"));
    s.refuses(|s| s.member(bare, x.agent, unit, &[]));
    s.refuses(|s| s.revoke(bare, member, Depart, &[]));
    s.refuses(|s| s.revoke(bare, unit, Depart, &[]));
    s.refuses(|s| s.agent(bare, "ghost"));
    s.refuses(|s| s.device(bare, x.agent, "phone"));
    s.refuses(|s| s.revoke(bare, x.cert, Depart, &[]));
    s.refuses(|s| s.room(bare, "own"));
    s.refuses(|s| s.permit(bare, room, Principal::Agent(x.agent), &[]));
    s.refuses(|s| s.revoke(bare, permit, Depart, &[]));
    s.refuses(|s| s.rename(bare, room, "own"));
    s.refuses(|s| s.revoke(bare, other.grant(), Depart, &[]));
    s.refuses(|s| s.ratify(bare, unit, &[]));
    assert!(s.state().in_force.contains(&bare.authority));
}

#[test]
fn scope_does_not_reach_a_deleted_room_of_the_company() {
    let mut s = Scene::new();
    let alice = s.alice.hand;
    let support = s.department(alice, "Support");
    let agent = s.agent(alice, "dora");
    let mut grant = office(agent, "dora", 3);
    grant.scope = Some(support);
    grant.may = Capabilities { units: false, agents: false, rooms: true, admins: false };
    let dora = s.grant_like(alice, "dora", grant);
    let room = s.room(alice, "board");
    let gone = s.revoke(alice, room, Depart, &[]);
    s.refuses(|s| s.ratify(dora, room, &[gone]));
    assert!(s.state().rooms[&room].revoked);
}
