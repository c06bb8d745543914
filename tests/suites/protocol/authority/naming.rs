//! Fields that change, and names that collide.

use conclave_protocol::id::ObjectId;
use conclave_protocol::object::{FieldValue, UnitKind};

use super::scene::{Depart, Scene};

fn suffixed(name: &str, id: impl Into<ObjectId>) -> String {
    format!("{name}:{}", &id.into().to_string()[..8])
}

#[test]
fn supersession_gives_the_newest_and_concurrent_values_the_most_senior() {
    let mut s = Scene::new();
    let alice = s.alice.hand;
    let junior = s.admin(alice, "junior", 2).hand;
    let room = s.room(alice, "help");
    let topic = |s: &Scene| s.state().rooms[&room].topic.clone();
    let set = |s: &mut Scene, by, text: &str, old: &[ObjectId]| {
        s.set(by, room, FieldValue::Topic(text.into()), old)
    };
    assert_eq!(topic(&s), "");
    let low = set(&mut s, junior, "low", &[]);
    assert_eq!(topic(&s), "low");
    let high = set(&mut s, alice, "high", &[]);
    assert_eq!(topic(&s), "high", "concurrent: the senior's");
    let later = set(&mut s, junior, "later", &[low, high]);
    assert_eq!(topic(&s), "later", "any later one may supersede");
    // Another field, or another room's, is no predecessor.
    let room2 = s.room(alice, "two");
    s.refuses(|s| s.set(alice, room2, FieldValue::Topic("two".into()), &[later]));
    s.refuses(|s| s.set(alice, room, FieldValue::Active(false), &[later]));
    // Void values supersede nothing.
    let made = s.object(later).header.prev.expect("not the first");
    let grant = s.object(later).header.authority;
    s.revoke(alice, grant, Depart, &[made]);
    assert_eq!(topic(&s), "high");
}

#[test]
fn concurrent_values_of_one_rank_follow_the_smallest_id() {
    let mut s = Scene::new();
    let alice = s.alice.hand;
    let room = s.room(alice, "help");
    let values = ["a", "b", "c"].map(|name| (s.rename(alice, room, name), name));
    let smallest = values.iter().min().expect("three").1;
    assert_eq!(s.state().rooms[&room].name, smallest);
}

#[test]
fn active_is_a_field_and_changes_no_access() {
    let mut s = Scene::new();
    let alice = s.alice.hand;
    let room = s.room(alice, "help");
    assert!(s.state().rooms[&room].active);
    let off = s.set(alice, room, FieldValue::Active(false), &[]);
    assert!(!s.state().rooms[&room].active && !s.state().rooms[&room].revoked);
    s.set(alice, room, FieldValue::Active(true), &[off]);
    assert!(s.state().rooms[&room].active);
}

#[test]
fn fields_belong_to_their_kind_of_target() {
    let mut s = Scene::new();
    let alice = s.alice.hand;
    let x = s.person(alice, "x");
    let unit = s.department(alice, "Support");
    let role = s.unit(alice, UnitKind::Role, None, "Lead");
    s.refuses(|s| s.set(alice, unit, FieldValue::Topic("t".into()), &[]));
    s.refuses(|s| s.set(alice, x.agent, FieldValue::Active(true), &[]));
    s.refuses(|s| s.rename(alice, x.cert, "device"));
    s.refuses(|s| s.rename(alice, role, "Agent"));
    s.rename(alice, unit, "Agent");
    assert_eq!(s.state().units[&unit], "Agent", "only a Role must not be called so");
}

#[test]
fn name_suffixes_go_to_the_later_by_rank_and_id() {
    let mut s = Scene::new();
    let alice = s.alice.hand;
    let junior = s.admin(alice, "junior", 2).hand;
    let low = s.agent(junior, "kim");
    assert_eq!(s.state().agents[&low], "kim");
    let one = s.agent(alice, "kim");
    let two = s.agent(alice, "kim");
    let (first, second) = if one < two { (one, two) } else { (two, one) };
    let state = s.state();
    assert_eq!(state.agents[&first], "kim");
    assert_eq!(state.agents[&second], suffixed("kim", second));
    assert_eq!(state.agents[&low], suffixed("kim", low), "made by rank 2, so behind those of 1");
    // A renamed one leaves the name; a revoked one too; one that is ratified moves up.
    s.rename(alice, first, "tim");
    assert_eq!(s.state().agents[&second], "kim");
    s.revoke(alice, second, Depart, &[]);
    assert_eq!(s.state().agents[&low], "kim");
    s.rename(alice, first, "kim");
    s.ratify(alice, low, &[]);
    assert_eq!(s.state().carried[&low.into()], 1);
}

#[test]
fn name_suffixes_go_by_the_rank_of_whoever_gave_the_name() {
    let mut s = Scene::new();
    let alice = s.alice.hand;
    let junior = s.admin(alice, "junior", 2).hand;
    let (one, two) = (s.agent(alice, "kim"), s.agent(alice, "tim"));
    // The smaller id, so that it would come first among equals.
    let (kim, other) = if one < two { (two, one) } else { (one, two) };
    s.rename(alice, kim, "ceo");
    let taken = s.rename(junior, other, "ceo");
    let state = s.state();
    assert_eq!(state.agents[&kim], "ceo");
    assert_eq!(state.agents[&other], suffixed("ceo", other), "whoever certified it");
    s.ratify(alice, taken, &[]);
    let state = s.state();
    assert_eq!(state.agents[&other], "ceo", "a senior gave it now");
    assert_eq!(state.agents[&kim], suffixed("ceo", kim));
    // One that a junior certified, named by a senior.
    let low = s.agent(junior, "low");
    s.rename(alice, low, "junior");
    let named = s.agent(junior, "junior");
    assert_eq!(s.state().agents[&named], suffixed("junior", named));
}

#[test]
fn name_suffixes_compare_units_of_one_kind_and_parent_and_rooms_that_stand() {
    let mut s = Scene::new();
    let alice = s.alice.hand;
    let (a, b) = (s.department(alice, "A"), s.department(alice, "B"));
    let in_a = s.group(alice, a, "Front");
    let in_b = s.group(alice, b, "Front");
    let role = s.unit(alice, UnitKind::Role, None, "Front");
    let department = s.department(alice, "Front");
    let twin = s.group(alice, a, "Front");
    let state = s.state();
    for unit in [in_b, role, department] {
        assert_eq!(state.units[&unit], "Front");
    }
    let later = in_a.max(twin);
    assert_eq!(state.units[&in_a.min(twin)], "Front");
    assert_eq!(state.units[&later], suffixed("Front", later));
    let rooms = [s.room(alice, "help"), s.room(alice, "help")];
    let (first, second) = (rooms[0].min(rooms[1]), rooms[0].max(rooms[1]));
    assert_eq!(s.state().rooms[&second].name, suffixed("help", second));
    s.revoke(alice, first, Depart, &[]);
    let state = s.state();
    assert_eq!(state.rooms[&second].name, "help");
    assert_eq!(state.rooms[&first].name, "help", "a deleted room takes no part");
}
