//! Fingerprints of ranges of the order (height, id), and the serving side.
//!
//! The fingerprint depends on nothing but the places in the range. Up to [`LEAF_MAX`] of them are
//! hashed as they stand. More are divided by the first nibble, of height and then id, in which
//! they differ, and the parts' counts and fingerprints are hashed. Hashes and not sums: sums of
//! chosen ids can be made to collide.

use super::frames::Part;
use super::frames::{Bound, Response};
use super::items::Items;
use super::tree::Place;
use crate::id::ObjectId;
use crate::limits::{IDS_FRAME_MAX, NEWEST_PAGE_MAX, RANGE_PARTS};

/// Most places that are hashed one by one.
pub(super) const LEAF_MAX: usize = 64;

/// The fingerprint of up to [`LEAF_MAX`] places in their order, and how many bytes it hashed.
pub(super) fn print_of_places(places: impl Iterator<Item = Place>) -> (ObjectId, u64) {
    let mut hasher = blake3::Hasher::new_derive_key("conclave v1 range");
    for (height, id) in places {
        hasher.update(&height.to_be_bytes());
        hasher.update(&id.0);
    }
    (ObjectId(hasher.finalize().into()), hasher.count())
}

/// The fingerprint of two or more parts in their order: the nibble that tells each apart, its
/// count and its fingerprint. And how many bytes it hashed.
pub(super) fn print_of_children(
    children: impl Iterator<Item = (u8, u64, ObjectId)>,
) -> (ObjectId, u64) {
    let mut hasher = blake3::Hasher::new_derive_key("conclave v1 range parts");
    for (nibble, count, print) in children {
        hasher.update(&[nibble]);
        hasher.update(&count.to_be_bytes());
        hasher.update(&print.0);
    }
    (ObjectId(hasher.finalize().into()), hasher.count())
}

/// Whether a range holds nothing.
pub(super) fn is_empty(items: &Items, lower: Bound, upper: Bound) -> bool {
    items.count(lower, upper) == 0
}

/// Count and fingerprint of a range.
#[must_use]
pub fn fingerprint_of_range(items: &Items, lower: Bound, upper: Bound) -> (u64, ObjectId) {
    items.fingerprint(lower, upper)
}

/// Splits a range where the tree does, so that both sides have the fingerprints of most parts
/// already. A range that is not split has few enough places to list.
#[must_use]
pub fn answer_ranges(items: &Items, lower: Bound, upper: Bound) -> Response {
    let mut ends = vec![(upper, items.count(lower, upper))];
    // The largest part, as long as it and the others together are few enough.
    while let Some(largest) = (0..ends.len()).max_by_key(|n| ends.get(*n).map(|(_, count)| *count))
    {
        let from = largest.checked_sub(1).and_then(|n| ends.get(n)).map_or(lower, |(end, _)| *end);
        let Some((to, _)) = ends.get(largest).copied() else { break };
        let inner = items.divide(from, to);
        if inner.is_empty() || ends.len() + inner.len() > RANGE_PARTS {
            break;
        }
        let mut start = from;
        let mut parts = Vec::new();
        for end in inner.into_iter().chain([to]) {
            parts.push((end, items.count(start, end)));
            start = end;
        }
        ends.splice(largest..=largest, parts);
    }
    let mut start = lower;
    let mut parts = Vec::new();
    for (end, count) in ends {
        let (_, fingerprint) = items.fingerprint(start, end);
        parts.push(Part { upper: end, count, fingerprint });
        start = end;
    }
    Response::Parts { parts }
}

/// Lists a range, as far as a frame goes.
#[must_use]
pub fn answer_list(items: &Items, lower: Bound, upper: Bound) -> Response {
    let mut range = items.range(lower, upper);
    let ids = range.by_ref().take(IDS_FRAME_MAX).map(|(height, id)| Bound { height, id }).collect();
    Response::Ids { ids, more: range.next().is_some() }
}

/// The newest items of a set, ascending.
#[must_use]
pub fn answer_newest(items: &Items) -> Response {
    let newest = items.range_back(Bound::MIN, Bound::MAX).take(NEWEST_PAGE_MAX);
    let mut ids: Vec<Bound> = newest.map(|(height, id)| Bound { height, id }).collect();
    ids.reverse();
    Response::Ids { ids, more: false }
}
