//! The random logs are worth something only if they hold what they are to test.

use std::collections::BTreeMap;

use conclave_protocol::id::ObjectId;
use conclave_protocol::object::{Payload, RevokeMode};
use conclave_tests::random_log::RandomLog;
use conclave_tests::reference::{Objects, State, evaluate};

const LOGS: u64 = 200;
const LENGTH: usize = 55;

#[derive(Default)]
struct Counts(BTreeMap<&'static str, usize>);

impl Counts {
    fn add(&mut self, what: &'static str, count: usize) {
        *self.0.entry(what).or_default() += count;
    }

    fn of(&self, what: &str) -> usize {
        self.0.get(what).copied().unwrap_or(0)
    }
}

fn count(log: &RandomLog, counts: &mut Counts) {
    let set = log.set();
    let state = evaluate(log.company.into(), &log.founding, &set);
    let void = state.void();
    counts.add("objects", set.len());
    counts.add("sound", state.sound.len());
    counts.add("carried", state.carried.len());
    counts.add("void", void.len());
    counts.add("reconciled void", void.intersection(&state.reconciled).count());
    counts.add("powerless", state.powerless.len());
    counts.add("disputed keys", state.disputed.len());
    counts.add("uncountersigned", state.uncountersigned.len());
    counts.add("equivocations", state.equivocations.len());
    let twice = set.values().filter(|o| matches!(o.payload, Payload::RootRotate(_))).count();
    counts.add("recovered twice", usize::from(twice > state.root_keys.len() - 1));
    counts.add("root rotations", usize::from(state.root_keys.len() > 1));
    counts.add("logs with a cut that voids", usize::from(cut_voids(&set, &state)));
    counts.add("with access", state.rooms.values().map(|r| r.with_access.len()).sum());
    let ended = state.rooms.values().map(|r| r.proved.difference(&r.with_access).count());
    counts.add("proved, not with access", ended.sum());
    counts.add("revoked rooms", state.rooms.values().filter(|r| r.revoked).count());
    for (id, object) in set.iter().filter(|(id, _)| state.carried.contains_key(*id)) {
        count_carried(*id, &object.payload, (log, &set, &state), counts);
    }
}

/// Whether a grant that is carried and ended has objects on both sides of its cut.
fn cut_voids(set: &Objects, state: &State) -> bool {
    let ended = |id: &ObjectId| {
        matches!(set.get(id).map(|o| &o.payload), Some(Payload::AdminGrant(_)))
            && state.carried.contains_key(id)
            && !state.in_force.contains(id)
    };
    state.void().iter().any(|id| ended(&set[id].header.authority))
}

fn count_carried(
    id: ObjectId,
    payload: &Payload,
    (log, set, state): (&RandomLog, &Objects, &State),
    counts: &mut Counts,
) {
    match payload {
        Payload::AdminGrant(grant) => {
            counts.add("grants", 1);
            counts.add("ended grants", usize::from(!state.in_force.contains(&id)));
            let overridden = grant.overrides.iter().any(|r| state.effective.contains(r));
            let saved = overridden && state.in_force.contains(&id);
            counts.add("grants in force that override", usize::from(saved));
        }
        Payload::AgentCert(_) => {
            counts.add("revoked agents", usize::from(!state.agents.contains_key(&id.into())));
        }
        Payload::UnitCreate(_) => {
            counts.add("revoked units", usize::from(!state.units.contains_key(&id.into())));
        }
        Payload::MemberGrant(grant) => {
            let held = state.memberships.contains(&(grant.agent, grant.unit));
            let again = held && !grant.overrides.is_empty();
            counts.add("memberships again in force", usize::from(again));
            counts.add("memberships struck", usize::from(!held));
        }
        Payload::Permit(permit) if !permit.overrides.is_empty() => {
            let back = state.permits.contains(&(permit.room, permit.principal));
            counts.add("permits again in force", usize::from(back));
        }
        Payload::Revoke(revoke) if state.effective.contains(&id) => {
            counts.add("effective", 1);
            counts.add("strict", usize::from(revoke.mode == RevokeMode::Strict));
            let own = set[&id].header.authority == revoke.target;
            counts.add("resignations", usize::from(own));
        }
        Payload::Ratify(ratify) if state.carried.contains_key(&ratify.target) => {
            let mut without = set.clone();
            without.remove(&id);
            let before = evaluate(log.company.into(), &log.founding, &without);
            let alone = !before.carried.contains_key(&ratify.target);
            counts.add("carried only by a Ratify", usize::from(alone));
            let back = before.agents.len() < state.agents.len()
                || before.devices.len() < state.devices.len()
                || before.units.len() < state.units.len();
            counts.add("returned by a Ratify", usize::from(back && !alone));
        }
        _ => {}
    }
}

#[test]
fn random_logs_reach_every_rule() {
    let mut counts = Counts::default();
    for seed in 0..LOGS {
        count(&RandomLog::new(seed, LENGTH), &mut counts);
    }
    let per_hundred = |n: usize| n as f64 * 100.0 / LOGS as f64;
    for (what, n) in &counts.0 {
        println!("{what:35} {:8.1} in 100 logs", per_hundred(*n));
    }
    let unsound = counts.of("objects") - counts.of("sound");
    assert!(unsound > 0 && unsound * 5 < counts.of("objects"), "{unsound} are not sound");
    assert!(counts.of("void") * 12 > counts.of("sound"), "few are void");
    assert!(counts.of("void") * 2 < counts.of("sound"), "most are void");
    for (what, least_in_100) in [
        ("logs with a cut that voids", 80),
        ("carried only by a Ratify", 15),
        ("returned by a Ratify", 8),
        ("memberships again in force", 30),
        ("memberships struck", 20),
        ("permits again in force", 8),
        ("disputed keys", 10),
        ("uncountersigned", 15),
        ("equivocations", 100),
        ("recovered twice", 8),
        ("root rotations", 8),
        ("powerless", 40),
        ("resignations", 10),
        ("ended grants", 80),
        ("grants in force that override", 5),
        ("revoked agents", 15),
        ("revoked units", 8),
        ("revoked rooms", 4),
        ("with access", 50),
        ("proved, not with access", 30),
    ] {
        let found = per_hundred(counts.of(what));
        assert!(found >= f64::from(least_in_100), "{what}: {found} in 100 logs");
    }
}

#[test]
fn random_logs_decode_and_carry_good_signatures() {
    use conclave_protocol::object::ControlObject;
    use conclave_protocol::signed::{Trust, Verified};
    for seed in 0..5 {
        let log = RandomLog::new(seed, LENGTH);
        for (id, object, bytes) in &log.objects {
            let arrived = Verified::<ControlObject>::control(bytes, log.company, Trust::Nothing);
            let arrived = arrived.expect("well formed");
            assert_eq!((arrived.id(), arrived.value()), (*id, object));
        }
    }
}
