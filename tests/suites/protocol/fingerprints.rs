//! Fingerprints of ranges: what they depend on, how ranges are split, and what a change costs.

use std::collections::BTreeSet;

use conclave_protocol::id::ObjectId;
use conclave_protocol::limits::RANGE_PARTS;
use conclave_protocol::sync::{Bound, Items, Place, Response, answer_ranges};
use conclave_tests::reference::fingerprint;
use proptest::prelude::*;

fn id_of(n: u64) -> ObjectId {
    ObjectId(blake3::hash(&n.to_be_bytes()).into())
}

/// Heights that lie close together, all at one, or far apart; ids that share their beginnings.
fn place() -> impl Strategy<Value = Place> {
    let height =
        prop_oneof![0..40_u64, Just(7), any::<u64>(), (0..9_u64).prop_map(|n| 1 << (4 * n))];
    let alike = (0..6_usize, any::<u8>()).prop_map(|(at, byte)| {
        let mut id = [0x33; 32];
        id[at * 6] = byte;
        ObjectId(id)
    });
    (height, prop_oneof![(0..400_u64).prop_map(id_of), alike])
}

fn places() -> impl Strategy<Value = Vec<Place>> {
    prop_oneof![prop::collection::vec(place(), 0..40), prop::collection::vec(place(), 0..500)]
}

fn bound() -> impl Strategy<Value = Bound> {
    let of = |(height, id)| Bound { height, id };
    prop_oneof![4 => place().prop_map(of), 1 => Just(Bound::MIN), 1 => Just(Bound::MAX)]
}

fn within(set: &BTreeSet<Place>, lower: Bound, upper: Bound) -> Vec<Place> {
    let inside =
        |place: &&Place| (lower.height, lower.id) <= **place && **place < (upper.height, upper.id);
    set.iter().filter(inside).copied().collect()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 150, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn depend_on_the_contents_of_a_range_only(
        places in places(), more in places(), bounds in prop::collection::vec((bound(), bound()), 6),
    ) {
        let mut items: Items = places.iter().copied().collect();
        let mut set: BTreeSet<Place> = places.iter().copied().collect();
        // Once more with others in between, which go again; the last ones stay gone.
        for place in &more {
            prop_assert_eq!(items.insert(*place), set.insert(*place));
        }
        let whole: Vec<Place> = set.iter().copied().collect();
        prop_assert_eq!(items.summary(), (whole.len() as u64, fingerprint(&whole)));
        for place in more.iter().rev().skip(3) {
            prop_assert_eq!(items.remove(place), set.remove(place));
        }
        prop_assert!(items.iter().eq(set.iter().copied()));
        for (lower, upper) in bounds {
            let expected = within(&set, lower, upper);
            let (count, print) = items.fingerprint(lower, upper);
            prop_assert_eq!(count, expected.len() as u64);
            prop_assert_eq!(print, fingerprint(&expected));
            prop_assert!(items.range(lower, upper).eq(expected.iter().copied()));
            prop_assert!(items.range_back(lower, upper).eq(expected.iter().rev().copied()));
        }
        let whole: Vec<Place> = set.iter().copied().collect();
        prop_assert_eq!(items.summary(), (whole.len() as u64, fingerprint(&whole)));
    }

    #[test]
    fn of_two_ranges_are_the_same_only_if_their_contents_are(
        places in places(), other in places(), bounds in (bound(), bound()),
    ) {
        let sets = [&places, &other].map(|p| p.iter().copied().collect::<BTreeSet<Place>>());
        let [a, b] = [&places, &other].map(|p| p.iter().copied().collect::<Items>());
        let (lower, upper) = bounds;
        let same = within(&sets[0], lower, upper) == within(&sets[1], lower, upper);
        prop_assert_eq!(a.fingerprint(lower, upper) == b.fingerprint(lower, upper), same);
        // One less is noticed.
        if let Some(place) = within(&sets[0], lower, upper).first() {
            let mut less = a.clone();
            less.remove(place);
            prop_assert_ne!(a.fingerprint(lower, upper).1, less.fingerprint(lower, upper).1);
        }
    }

    #[test]
    fn a_range_is_split_until_it_is_small(
        places in places(), lower in bound(), upper in bound(),
    ) {
        prop_assume!(lower < upper);
        let items: Items = places.iter().copied().collect();
        let mut open = vec![(lower, upper)];
        let mut asked = 0;
        while let Some((lower, upper)) = open.pop() {
            asked += 1;
            prop_assert!(asked <= 4 * places.len() + 4, "no progress");
            let Response::Parts { parts } = answer_ranges(&items, lower, upper) else {
                return Err(TestCaseError::fail("no parts"));
            };
            prop_assert!((1..=RANGE_PARTS).contains(&parts.len()));
            prop_assert_eq!(parts.last().map(|part| part.upper), Some(upper));
            let whole = items.count(lower, upper);
            prop_assert_eq!(parts.iter().map(|part| part.count).sum::<u64>(), whole);
            prop_assert!(parts.len() > 1 || whole <= 64, "{} in one part", whole);
            let mut from = lower;
            for part in &parts {
                prop_assert!(from < part.upper);
                let expected = items.fingerprint(from, part.upper);
                prop_assert_eq!((part.count, part.fingerprint), expected);
                prop_assert!(parts.len() == 1 || part.count < whole);
                if parts.len() > 1 {
                    open.push((from, part.upper));
                }
                from = part.upper;
            }
        }
    }
}

#[test]
fn one_more_among_many_costs_a_few_short_hashes() {
    let chat = |n: u64| (n / 2 + 1, id_of(n));
    let at_one_height = |n: u64| (1, id_of(n));
    for place in [chat as fn(u64) -> Place, at_one_height] {
        let mut items: Items = (0..100_000).map(place).collect();
        let _ = items.summary();
        let mut worst = 0;
        // At the end, in the middle, and one that goes.
        for change in [place(100_001), (25_000, id_of(7)), (1, id_of(8_000_000))] {
            let before = items.bytes_hashed();
            assert!(items.insert(change));
            let _ = items.summary();
            worst = worst.max(items.bytes_hashed() - before);
            let before = items.bytes_hashed();
            assert!(items.remove(&change));
            let _ = items.summary();
            worst = worst.max(items.bytes_hashed() - before);
        }
        assert!(worst <= 8_000, "{worst} bytes");
        // A comparison with somebody who lacks one, at both sides.
        let mut other = items.clone();
        other.remove(&place(50_000));
        let _ = other.summary();
        let before = items.bytes_hashed() + other.bytes_hashed();
        let mut range = (Bound::MIN, Bound::MAX);
        while items.count(range.0, range.1) > 256 {
            let Response::Parts { parts } = answer_ranges(&items, range.0, range.1) else {
                panic!("no parts");
            };
            let mut from = range.0;
            for part in parts {
                if other.fingerprint(from, part.upper).1 != part.fingerprint {
                    range = (from, part.upper);
                }
                from = part.upper;
            }
        }
        let cost = items.bytes_hashed() + other.bytes_hashed() - before;
        assert!(cost <= 64_000, "{cost} bytes");
    }
}
