//! Case 1 and property P1: the same objects give the same company, in whatever order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use conclave_protocol::control::{Access, Added, ControlLog};
use conclave_protocol::engine::{Engine, EngineConfig, Table};
use conclave_protocol::id::{AgentId, ObjectId};
use conclave_protocol::object::{ControlObject, Genesis, Principal};
use conclave_protocol::signed::{Trust, Verified};
use conclave_protocol::time::Timestamp;
use conclave_tests::model::Model;
use conclave_tests::random_log::RandomLog;
use conclave_tests::world::disk::Disk;
use conclave_tests::world::node::{keys_of, seed_of};
use proptest::prelude::*;

/// Adds everything in an order; `None` stands for `Genesis`.
fn add_all(log: &RandomLog, order: &[Option<usize>]) -> ControlLog {
    let mut control = ControlLog::new(log.company);
    for place in order {
        let added = match place {
            None => control.add_genesis(
                Verified::<Genesis>::genesis(&log.genesis, Trust::Nothing).expect("sound"),
            ),
            Some(n) => {
                let bytes = &log.objects[*n].2;
                let object = Verified::<ControlObject>::control(bytes, log.company, Trust::Nothing);
                control.add(object.expect("sound"))
            }
        };
        assert_ne!(added, Added::Full, "no bound is near");
    }
    control.refresh();
    control
}

/// Everything once, some things twice, shuffled.
fn shuffled(log: &RandomLog, seed: u64) -> Vec<Option<usize>> {
    let mut order: Vec<Option<usize>> = (0..log.objects.len()).map(Some).chain([None]).collect();
    let twice: Vec<_> = order.iter().copied().filter(|n| n.is_none_or(|n| n % 3 == 0)).collect();
    order.extend(twice);
    let key = |(n, place): &(usize, Option<usize>)| {
        let hash: [u8; 32] = blake3::hash(format!("{seed} {n} {place:?}").as_bytes()).into();
        hash
    };
    let mut numbered: Vec<(usize, Option<usize>)> = order.into_iter().enumerate().collect();
    numbered.sort_by_key(key);
    numbered.into_iter().map(|(_, place)| place).collect()
}

fn compare_with_model(log: &RandomLog, control: &ControlLog) {
    let objects = log.objects.iter().map(|(id, object, _)| (*id, object.clone()));
    let model = Model::of(log.company.into(), log.root, objects);
    let counting: BTreeSet<ObjectId> = control.order().iter().map(|(_, id)| *id).collect();
    let mut expected = model.counts.clone();
    expected.insert(log.company.into());
    assert_eq!(counting, expected, "other objects count");
    let access = control.access();
    let agents: BTreeSet<AgentId> = access.agents().keys().copied().collect();
    assert_eq!(agents, model.agents());
    let devices: BTreeMap<_, _> = access.devices().iter().map(|(d, i)| (*d, i.agent)).collect();
    assert_eq!(devices, model.devices());
    assert_eq!(access.rooms().keys().copied().collect::<BTreeSet<_>>(), model.rooms());
    for agent in agents {
        assert_eq!(access.units_of(agent).collect::<BTreeSet<_>>(), model.units_of(agent));
        for room in model.rooms() {
            let via: BTreeSet<Principal> = access.via(agent, room).into_iter().collect();
            assert_eq!(via, model.via(agent, room), "via {agent:?} → {room:?}");
            assert_eq!(access.has_access(agent, room), !via.is_empty());
            assert_eq!(access.is_proved(agent, room), model.is_proved(agent, room));
            enter_is_sound(access, agent, room);
        }
    }
}

/// An agent with access can say by which objects, and these fit.
fn enter_is_sound(access: &Access, agent: AgentId, room: conclave_protocol::id::RoomId) {
    for (device, info) in access.devices().iter().filter(|(_, info)| info.agent == agent) {
        let body = access.enter_body(*device, room);
        assert_eq!(body.is_some(), access.has_access(info.agent, room));
        assert!(body.is_none_or(|body| access.enter_fits(*device, room, &body)));
    }
}

fn in_order(log: &RandomLog) -> ControlLog {
    let order: Vec<_> = [None].into_iter().chain((0..log.objects.len()).map(Some)).collect();
    add_all(log, &order)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_gives_the_same_company_as_the_model(seed: u64, length in 5..90usize, mix: u64) {
        let log = RandomLog::new(seed, length);
        let control = in_order(&log);
        compare_with_model(&log, &control);
        for n in 0..4 {
            let again = add_all(&log, &shuffled(&log, mix.wrapping_add(n)));
            prop_assert_eq!(again.digest(), control.digest());
            prop_assert_eq!(again.access(), control.access());
            prop_assert_eq!(
                again.equivocations().collect::<Vec<_>>(),
                control.equivocations().collect::<Vec<_>>()
            );
        }
    }
}

#[test]
fn shuffle_of_200_objects_gives_one_digest() {
    let log = RandomLog::new(1, 200);
    let control = in_order(&log);
    let objects = control.order().len();
    assert!(objects > 60, "most objects should count, {objects} do");
    assert!(objects < log.objects.len(), "some should be void");
    for seed in 0..60 {
        let again = add_all(&log, &shuffled(&log, seed));
        assert_eq!(again.digest(), control.digest());
        assert_eq!(again.access(), control.access());
    }
    // The same from a store, through an engine: as the founder, whose device is certified.
    let disk = Arc::new(Disk::new(true));
    for (_, id) in control.order() {
        disk.put(Table::Control, &id.0, control.bytes(*id).expect("counts"));
    }
    disk.put(Table::State, b"company", &log.company.0);
    let keys = keys_of(&seed_of("a", 1));
    let config = EngineConfig { keys, seed: [0; 32], reader: disk, join: None };
    let engine = Engine::new(config, Timestamp(1));
    let status = engine.status();
    assert!(status.member);
    assert_eq!(status.control_digest, control.digest());
    assert_eq!(status.control_objects, objects as u64);
    let agents = engine.agents().expect("a member").len();
    assert_eq!(agents, control.access().agents().len());
}

#[test]
fn shuffle_reaches_every_rule() {
    // The random logs are worth something only if they hold what they are to test.
    let (mut struck, mut restored, mut disputed, mut void, mut groups) = (0, 0, 0, 0, 0);
    for seed in 0..30 {
        let log = RandomLog::new(seed, 90);
        let control = in_order(&log);
        compare_with_model(&log, &control);
        void += log.objects.len() + 1 - control.order().len();
        let access = control.access();
        disputed += access.disputed().len();
        for (id, object, _) in log.objects.iter().filter(|(id, _, _)| control.counts(*id)) {
            use conclave_protocol::object::Payload;
            if let Payload::MemberGrant(g) = &object.payload
                && let Some(parent) = access.units()[&g.unit].parent
                && !access.member_grants(g.agent, g.unit).contains(id)
            {
                groups += access.member_revokes(g.agent, parent).len();
            }
            let (in_force, revokes) = match &object.payload {
                Payload::MemberGrant(g) => (
                    access.member_grants(g.agent, g.unit).contains(id),
                    access.member_revokes(g.agent, g.unit).len(),
                ),
                Payload::Permit(p) => (
                    access.permits(p.room, p.principal).contains(id),
                    access.permit_revokes(p.room, p.principal).len(),
                ),
                _ => continue,
            };
            struck += usize::from(!in_force);
            restored += usize::from(in_force && revokes > 0);
        }
    }
    assert!(groups > 5, "{groups} groups left with their Department");
    assert!(struck > 50, "{struck} struck");
    assert!(restored > 20, "{restored} restored");
    assert!(disputed > 10, "{disputed} disputed");
    assert!(void > 100, "{void} void");
}
