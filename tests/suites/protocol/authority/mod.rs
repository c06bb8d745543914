//! Authority: who may say what, and what is left of it after quarrels. See
//! `docs/decisions/0009-authority.md`.
//!
//! Every case is a set of signed objects and what has to follow from it. The properties are
//! checked on random logs. Both ask whatever [`evaluators`] gives.

mod cases;
mod grants;
mod naming;
mod open_questions;
mod people;
mod properties;
mod roots;
mod scene;
mod scopes;
mod statistics;
mod units_and_rooms;

use conclave_protocol::id::ObjectId;
use conclave_protocol::object::{ControlObject, Genesis};
use conclave_tests::random_log::RandomLog;
use conclave_tests::reference::{State, evaluate};

/// Signed objects in the order in which they come, with all that is needed to add them.
#[derive(Clone, Debug)]
pub struct Arrivals {
    pub genesis: (ObjectId, Genesis, Vec<u8>),
    pub objects: Vec<(ObjectId, ControlObject, Vec<u8>)>,
}

impl Arrivals {
    /// A random log in the order of writing.
    pub fn of(log: &RandomLog) -> Self {
        let genesis = (log.company.into(), log.founding.clone(), log.genesis.clone());
        Self { genesis, objects: log.objects.clone() }
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
    Arrivals { genesis: arrivals.genesis.clone(), objects }
}

/// Gives the state of some objects that come in some order.
pub type Evaluator = fn(&Arrivals) -> State;

/// From the set, straight from the document.
fn reference(arrivals: &Arrivals) -> State {
    let (id, genesis, _) = &arrivals.genesis;
    let objects = arrivals.objects.iter().map(|(id, o, _)| (*id, o.clone())).collect();
    evaluate(*id, genesis, &objects)
}

/// All that are to agree. The one that feeds a `ControlLog` goes here too: it verifies the
/// bytes, adds them in the order given, and takes a snapshot.
pub fn evaluators() -> Vec<Evaluator> {
    vec![reference]
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
