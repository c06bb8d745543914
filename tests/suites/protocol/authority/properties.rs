//! Properties P1, P2, P3 and P9 on random logs. A failure prints the seed; more cases with
//! `CONCLAVE_CASES`.

use std::collections::{BTreeMap, BTreeSet};

use conclave_protocol::control::ControlLog;
use conclave_protocol::id::{DeviceId, ObjectId};
use conclave_protocol::limits::{PARKED_CONTROL_MAX, VOID_CONTROL_PER_DEVICE_MAX};
use conclave_protocol::object::{ControlObject, Genesis, Payload, UnitCreate, UnitKind};
use conclave_protocol::signed::{Trust, Verified};
use conclave_tests::forge;
use conclave_tests::random_log::RandomLog;
use conclave_tests::reference::State;
use conclave_tests::snapshot::snapshot;
use conclave_tests::world::node::{keys_of, seed_of};
use proptest::prelude::*;

use super::compare::{assert_same, difference, reduced};
use super::{Arrivals, Evaluator, cases, evaluators, keep_whole, loaded, shuffled};

/// P1: any order, any duplicates, and every evaluator give one state.
fn order_is_nothing(all: &[Evaluator], log: &RandomLog, mix: u64) {
    let given = Arrivals::of(log);
    let fails = |given: &Arrivals| {
        let expected = all[0](given);
        for (n, evaluate) in all.iter().enumerate() {
            for (order, objects) in [("as written", given), ("mixed", &shuffled(given, mix))] {
                let state = evaluate(objects);
                if state != expected {
                    let differ = difference(&state, &expected);
                    return Some(format!("evaluator {n}, {order}:\n{differ}"));
                }
            }
        }
        None
    };
    if fails(&given).is_some() {
        panic!("{}", reduced(&given, fails));
    }
}

/// After every single step the log says what it would say if it had been loaded just then.
fn every_step_is_as_if_loaded(log: &RandomLog, mix: u64) {
    let fails = |given: &Arrivals| {
        let given = shuffled(given, mix);
        let mut log = given.founded();
        for (n, object) in given.verified().enumerate() {
            log.add(object);
            log.refresh();
            let mut so_far = given.clone();
            so_far.objects.truncate(n + 1);
            let fresh = loaded(&so_far);
            let (now, then) = (snapshot(&log), snapshot(&fresh));
            if now != then {
                return Some(format!("step {n}:\n{}", difference(&now, &then)));
            }
            if log.digest() != fresh.digest() || log.summary() != fresh.summary() {
                return Some(format!("digest at step {n}\n"));
            }
            if log.alarms() != fresh.alarms() {
                return Some(format!("alarms {:?}, {:?}\n", log.alarms(), fresh.alarms()));
            }
        }
        None
    };
    let given = Arrivals::of(log);
    if fails(&given).is_some() {
        panic!("{}", reduced(&given, fails));
    }
}

/// The grant that an object gives up.
fn resigns(object: &ControlObject) -> Option<ObjectId> {
    match &object.payload {
        Payload::Revoke(r) if r.target == object.header.authority => Some(r.target),
        _ => None,
    }
}

fn keys_in_office(given: &Arrivals, state: &State) -> BTreeSet<DeviceId> {
    let grants = given.objects.iter().filter(|(id, _, _)| state.in_force.contains(id));
    grants
        .filter_map(|(_, object, _)| match &object.payload {
            Payload::AdminGrant(grant) => Some(grant.device),
            _ => None,
        })
        .chain(state.root_keys.last().copied())
        .collect()
}

/// P2: whoever holds no office any more can sign what it likes, with whatever predecessor and
/// references: nothing changes but what is sound. Left out: who resigned, and was not removed
/// by a senior, can resign again earlier, and so take back what it issued.
fn back_dating_is_in_vain(evaluate: Evaluator, log: &mut RandomLog) -> usize {
    let before = evaluate(&Arrivals::of(log));
    let in_office = keys_in_office(&Arrivals::of(log), &before);
    let first = log.objects.len();
    let resigned: BTreeSet<ObjectId> = log
        .objects
        .iter()
        .filter(|(id, _, _)| before.effective.contains(id))
        .filter_map(|(_, object, _)| resigns(object))
        .collect();
    let root_keys = &before.root_keys;
    log.write_more(12, |authority, author, payload| {
        if matches!(payload, Payload::RootRotate(_)) {
            // By a key that another has replaced; one that is still to come is no thief's.
            return root_keys.contains(&author) && root_keys.last() != Some(&author);
        }
        let again = matches!(payload, Payload::Revoke(r) if r.target == authority);
        let resigns_again = again && resigned.contains(&authority);
        !in_office.contains(&author) && !resigns_again
    });
    let mut after = evaluate(&Arrivals::of(log));
    after.sound.clone_from(&before.sound);
    assert_same(&after, &before, "afterwards and before");
    log.objects.len() - first
}

/// P3: what ranks ≥ k write changes nothing about the grants of ranks < k, nor about what these
/// grants and the root issued; and a grant of rank k at most ends by its own resignation.
fn juniors_are_powerless(evaluate: Evaluator, log: &mut RandomLog, k: u32) -> usize {
    let before = evaluate(&Arrivals::of(log));
    let ranks: BTreeMap<ObjectId, u32> = log
        .objects
        .iter()
        .filter_map(|(id, object, _)| match &object.payload {
            Payload::AdminGrant(grant) => Some((*id, grant.rank)),
            _ => None,
        })
        .collect();
    let first = log.objects.len();
    log.write_more(12, |authority, _, _| ranks.get(&authority).is_some_and(|rank| *rank >= k));
    let given = Arrivals::of(log);
    let after = evaluate(&given);
    let senior = |state: &State| {
        let carried: BTreeMap<_, _> =
            state.carried.iter().filter(|(_, rank)| **rank < k).map(|(id, r)| (*id, *r)).collect();
        let mut in_force = state.in_force.clone();
        in_force.retain(|id| ranks.get(id).is_some_and(|rank| *rank < k));
        (carried, in_force)
    };
    assert_eq!(senior(&before), senior(&after), "something of ranks < {k}");
    for id in before.in_force.iter().filter(|id| ranks.get(id) == Some(&k)) {
        let resigned =
            given.objects[first..].iter().any(|(_, object, _)| resigns(object) == Some(*id));
        assert!(after.in_force.contains(id) || resigned, "an equal ended {id:?}");
    }
    log.objects.len() - first
}

/// Two nodes that hold parts, and tell each other only of what is reconciled, end alike, and
/// as if each had everything.
fn exchange_is_enough(evaluate: Evaluator, log: &RandomLog, mix: u64) {
    let all = Arrivals::of(log);
    let mut nodes = [0, 1].map(|node| {
        let mut part = all.clone();
        let share = |id: &ObjectId| {
            let hash: [u8; 32] = blake3::hash(format!("{mix} {id}").as_bytes()).into();
            hash[0] % 3 == node || hash[0] % 3 == 2
        };
        part.objects.retain(|(id, _, _)| share(id));
        keep_whole(&mut part);
        part
    });
    let mut union = nodes[0].clone();
    union.objects.extend(nodes[1].objects.clone());
    loop {
        let states = [0, 1].map(|n| evaluate(&nodes[n]));
        if states[0].reconciled == states[1].reconciled {
            let mut expected = evaluate(&union);
            for mut state in states {
                // Void objects that nothing rests on stay where they are.
                state.sound.clone_from(&expected.sound);
                expected.sound.clone_from(&state.sound);
                assert_same(&state, &expected, "one node and the union");
            }
            return;
        }
        for (from, to) in [(0, 1), (1, 0)] {
            let held: BTreeSet<ObjectId> = nodes[to].objects.iter().map(|(id, _, _)| *id).collect();
            let sent = nodes[from]
                .objects
                .iter()
                .filter(|(id, _, _)| states[from].reconciled.contains(id) && !held.contains(id));
            let sent: Vec<_> = sent.cloned().collect();
            nodes[to].objects.extend(sent);
        }
    }
}

/// P1 says that all agree, so each log is asked of one of them.
fn one_of_all(seed: u64) -> Evaluator {
    let all = evaluators();
    all[usize::try_from(seed % all.len() as u64).unwrap_or_default()]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cases(),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn p1_any_order_gives_the_same_state(seed: u64, length in 5..70usize, mix: u64) {
        order_is_nothing(&evaluators(), &RandomLog::new(seed, length), mix);
    }

    #[test]
    fn p1_every_step_is_as_if_loaded(seed: u64, length in 5..50usize, mix: u64) {
        every_step_is_as_if_loaded(&RandomLog::new(seed, length), mix);
    }

    #[test]
    fn p2_back_dating_changes_nothing(seed: u64, length in 20..70usize) {
        back_dating_is_in_vain(one_of_all(seed), &mut RandomLog::new(seed, length));
    }

    #[test]
    fn p3_juniors_change_nothing_about_seniors(seed: u64, length in 20..70usize, k in 1..4u32) {
        juniors_are_powerless(one_of_all(seed), &mut RandomLog::new(seed, length), k);
    }

    #[test]
    fn what_is_reconciled_is_enough_to_agree(seed: u64, length in 20..70usize, mix: u64) {
        exchange_is_enough(one_of_all(seed), &RandomLog::new(seed, length), mix);
    }
}

#[test]
fn the_properties_are_tried_on_something() {
    let (mut late, mut junior) = (0, 0);
    for seed in 0..30 {
        late += back_dating_is_in_vain(evaluators()[0], &mut RandomLog::new(seed, 50));
        junior += juniors_are_powerless(evaluators()[0], &mut RandomLog::new(seed, 50), 2);
    }
    assert!(late > 100, "{late} written by those without office");
    assert!(junior > 100, "{junior} written by juniors");
}

/// P9: whatever one author floods a log with, only so much of it is held.
#[test]
fn p9_void_and_unknown_objects_are_bounded() {
    let log = RandomLog::new(1, 0);
    let mut control = ControlLog::new(log.company);
    let genesis = Verified::<Genesis>::genesis(&log.genesis, Trust::Nothing).expect("sound");
    control.add_genesis(genesis);
    let mut add = |bytes: &[u8]| {
        let object = Verified::<ControlObject>::control(bytes, log.company, Trust::Nothing);
        control.add(object.expect("well formed"));
    };
    for (_, _, bytes) in &log.objects {
        add(bytes);
    }
    let mallory = keys_of(&seed_of("mallory", 1));
    let unit = |n: usize| {
        let name = format!("flood {n}");
        Payload::UnitCreate(UnitCreate { kind: UnitKind::Department, parent: None, name })
    };
    let flood = VOID_CONTROL_PER_DEVICE_MAX + 500;
    let grant = log.objects[1].0;
    let mut flooded = Vec::new();
    for n in 0..flood {
        // Under somebody else's grant, and under one that nobody has.
        let nowhere = ObjectId(blake3::hash(&n.to_be_bytes()).into());
        for authority in [grant, nowhere] {
            let forged = forge::control(&mallory, log.company, (1, None), authority, 4, unit(n));
            add(&forged.bytes);
            flooded.push(forged.id);
        }
    }
    let held = flooded.iter().filter(|id| control.get(**id).is_some()).count();
    assert!(held <= VOID_CONTROL_PER_DEVICE_MAX + PARKED_CONTROL_MAX, "{held} are held");
    assert_eq!(control.order().len(), log.objects.len() + 1, "none of them counts");
}
