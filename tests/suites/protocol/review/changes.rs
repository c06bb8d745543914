//! Whoever stands differently in a room is among the changes: else the room is not judged again.

use std::collections::{BTreeMap, BTreeSet};

use conclave_protocol::control::{ControlLog, Standing};
use conclave_protocol::id::{DeviceId, RoomId};
use conclave_protocol::object::{AdminGrant, Capabilities, Principal};
use conclave_tests::random_log::RandomLog;

use crate::authority::Arrivals;
use crate::authority::scene::{Depart, Scene, Strict, keys};

type Standings = BTreeMap<(DeviceId, RoomId), Standing>;

fn standings(log: &ControlLog, devices: &BTreeSet<DeviceId>) -> Standings {
    let rooms: Vec<RoomId> = log.access().rooms().keys().copied().collect();
    let pairs = devices.iter().flat_map(|device| rooms.iter().map(|room| (*device, *room)));
    pairs.map(|(device, room)| ((device, room), log.standing(device, room))).collect()
}

#[test]
fn whoever_stands_differently_is_among_the_changes_on_random_logs() {
    let mut missed = Vec::new();
    for seed in 0..u64::from(crate::authority::cases()) {
        let random = RandomLog::new(seed, 70);
        let given = Arrivals::of(&random);
        let devices: BTreeSet<DeviceId> = given
            .objects
            .iter()
            .filter_map(|(_, o, _)| match &o.payload {
                conclave_protocol::object::Payload::DeviceCert(c) => Some(c.device),
                _ => None,
            })
            .collect();
        let mut log = given.founded();
        let mut before = standings(&log, &devices);
        for (n, object) in given.verified().enumerate() {
            log.add(object);
            let changes = log.refresh();
            let after = standings(&log, &devices);
            for (place, now) in &after {
                let (device, room) = *place;
                let agents = log.agents_of_device(device).any(|a| changes.agents.contains(&a));
                if before.get(place).is_some_and(|then| then != now)
                    && !agents
                    && !changes.rooms.contains(&room)
                {
                    missed.push((seed, n));
                }
            }
            before = after;
        }
    }
    assert!(missed.is_empty(), "{} missed: {missed:?}", missed.len());
}

/// A permission for one agent that a Department gave rests on membership there. The membership
/// ends mildly, then the Department is deleted strictly: what the agent wrote goes; but nobody
/// judges the room again before the next start.
#[test]
fn a_deleted_department_is_news_for_rooms_that_rest_on_an_ended_membership_in_it() {
    let mut s = Scene::new();
    let alice = s.alice.hand;
    let sales = s.department(alice, "Sales");
    let bob = s.person(alice, "bob");
    let dan = s.person(alice, "dan");
    let may = Capabilities::ALL;
    let grant = AdminGrant {
        device: keys("dan").device(),
        agent: dan.agent,
        rank: 2,
        may,
        scope: Some(sales),
        overrides: Vec::new(),
    };
    let dan = s.grant_like(alice, "dan", grant);
    let room = s.room(dan, "den");
    s.permit(dan, room, Principal::Agent(bob.agent), &[]);
    let member = s.member(alice, bob.agent, sales, &[]);
    s.revoke(alice, member, Depart, &[]);
    let mut log = s.log();
    let before = log.standing(bob.device, room);
    s.revoke(alice, sales, Strict, &[]);
    let full = s.log();
    let last = full.bytes(s.last("alice")).expect("held").to_vec();
    let object = conclave_protocol::signed::Verified::control(
        &last,
        s.company,
        conclave_protocol::signed::Trust::Nothing,
    );
    log.add(object.expect("good"));
    let changes = log.refresh();
    assert_ne!(before, log.standing(bob.device, room));
    assert!(changes.agents.contains(&bob.agent) || changes.rooms.contains(&room), "{changes:?}");
}
