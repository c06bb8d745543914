//! Authority: who may say what, and what is left of it after quarrels. See
//! `docs/decisions/0009-authority.md`.
//!
//! Every case is a set of signed objects and what has to follow from it. The properties are
//! checked on random logs. Both ask whatever [`evaluators`] gives.

mod cases;
pub mod compare;
mod grants;
mod naming;
mod people;
mod properties;
mod roots;
pub mod scene;
mod scopes;
mod statistics;
mod units_and_rooms;

use std::collections::BTreeSet;

use conclave_protocol::control::{Added, ControlLog};
use conclave_protocol::id::ObjectId;
use conclave_protocol::object::{ControlObject, Genesis};
use conclave_protocol::signed::{Trust, Verified};
use conclave_tests::random_log::RandomLog;
use conclave_tests::reference::{State, evaluate};
use conclave_tests::snapshot::snapshot;

/// Signed objects in the order in which they come, with all that is needed to add them.
#[derive(Clone, Debug)]
pub struct Arrivals {
    pub genesis: (ObjectId, Genesis, Vec<u8>),
    pub objects: Vec<(ObjectId, ControlObject, Vec<u8>)>,
    /// Whether signatures are checked: they take far longer than all the rest, and what is
    /// written here has good ones.
    pub strict: bool,
}

impl Arrivals {
    /// A random log in the order of writing.
    pub fn of(log: &RandomLog) -> Self {
        let genesis = (log.company.into(), log.founding.clone(), log.genesis.clone());
        Self { genesis, objects: log.objects.clone(), strict: false }
    }

    /// The objects from their bytes.
    pub fn verified(&self) -> impl Iterator<Item = Verified<ControlObject>> + '_ {
        self.objects.iter().map(|(id, _, bytes)| {
            let trust = if self.strict { Trust::Nothing } else { Trust::StoredAs(*id) };
            let company = self.genesis.0.into();
            Verified::<ControlObject>::control(bytes, company, trust).expect("well formed")
        })
    }

    /// A log that holds `Genesis` only.
    pub fn founded(&self) -> ControlLog {
        let (id, _, bytes) = &self.genesis;
        let mut log = ControlLog::new((*id).into());
        let trust = if self.strict { Trust::Nothing } else { Trust::StoredAs(*id) };
        log.add_genesis(Verified::<Genesis>::genesis(bytes, trust).expect("well formed"));
        log.refresh();
        log
    }
}

/// Every object, some twice, in an order that follows from a seed.
pub fn shuffled(arrivals: &Arrivals, seed: u64) -> Arrivals {
    let twice = arrivals.objects.iter().step_by(3);
    let mut numbered: Vec<_> = arrivals.objects.iter().chain(twice).cloned().enumerate().collect();
    numbered.sort_by_key(|(n, (id, _, _))| {
        let hash: [u8; 32] = blake3::hash(format!("{seed} {n} {id}").as_bytes()).into();
        hash
    });
    let objects = numbered.into_iter().map(|(_, object)| object).collect();
    Arrivals { genesis: arrivals.genesis.clone(), objects, strict: arrivals.strict }
}

/// A node keeps an object only with all it refers to.
pub fn keep_whole(part: &mut Arrivals) {
    loop {
        let held: BTreeSet<ObjectId> =
            part.objects.iter().map(|(id, _, _)| *id).chain([part.genesis.0]).collect();
        let before = part.objects.len();
        part.objects.retain(|(_, object, _)| object.references().iter().all(|r| held.contains(r)));
        if part.objects.len() == before {
            return;
        }
    }
}

/// Gives the state of some objects that come in some order.
pub type Evaluator = fn(&Arrivals) -> State;

/// From the set, straight from the document.
fn reference(arrivals: &Arrivals) -> State {
    let (id, genesis, _) = &arrivals.genesis;
    let objects = arrivals.objects.iter().map(|(id, o, _)| (*id, o.clone())).collect();
    evaluate(*id, genesis, &objects)
}

/// The real log with the objects added in the order given; what people see is derived after
/// each for which `now` says so, and at the end.
pub fn incremental(arrivals: &Arrivals, now: impl Fn(ObjectId) -> bool) -> ControlLog {
    let mut log = arrivals.founded();
    for object in arrivals.verified() {
        let id = object.id();
        assert!(!matches!(log.add(object), Added::Full), "there is room for so few");
        if now(id) {
            log.refresh();
        }
    }
    log.refresh();
    log
}

/// The real log with all objects at once, as from a store.
pub fn loaded(arrivals: &Arrivals) -> ControlLog {
    let mut log = arrivals.founded();
    log.load(arrivals.verified().collect());
    log
}

fn one_by_one(arrivals: &Arrivals) -> State {
    snapshot(&incremental(arrivals, |_| true))
}

fn in_batches(arrivals: &Arrivals) -> State {
    snapshot(&incremental(arrivals, |id| id.0[0].is_multiple_of(5)))
}

fn at_once(arrivals: &Arrivals) -> State {
    snapshot(&loaded(arrivals))
}

/// All that are to agree, the reference first.
pub fn evaluators() -> Vec<Evaluator> {
    vec![reference, one_by_one, in_batches, at_once]
}

/// The states that all evaluators give, in several orders.
pub fn states(arrivals: &Arrivals) -> Vec<State> {
    let mut backwards = arrivals.clone();
    backwards.objects.reverse();
    let orders = [arrivals.clone(), backwards, shuffled(arrivals, 1)];
    let all = evaluators();
    all.iter().flat_map(|evaluate| orders.iter().map(evaluate)).collect()
}

/// How many random logs a property is tried on: `CONCLAVE_CASES`, or few.
pub fn cases() -> u32 {
    std::env::var("CONCLAVE_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(300)
}
