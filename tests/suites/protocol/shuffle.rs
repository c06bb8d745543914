//! Case 1: the same objects give the same company, in whatever order. The property behind it,
//! on many random logs, is P1 in `authority::properties`.

use conclave_tests::random_log::RandomLog;

use crate::authority::compare::assert_same;
use crate::authority::{Arrivals, evaluators, shuffled};

#[test]
fn shuffle_of_200_objects_gives_one_state() {
    let log = RandomLog::new(1, 200);
    let given = Arrivals::of(&log);
    let expected = evaluators()[0](&given);
    assert!(expected.carried.len() > 60, "most objects should count");
    assert!(!expected.void().is_empty(), "some should be void");
    for evaluate in evaluators() {
        for seed in 0..20 {
            assert_same(&evaluate(&shuffled(&given, seed)), &expected, "shuffled");
        }
    }
}
