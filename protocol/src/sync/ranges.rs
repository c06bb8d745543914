//! Fingerprints of ranges of the order (height, id), and the serving side.

use std::collections::BTreeSet;

use super::frames::{Bound, Part, Response};
use crate::id::ObjectId;
use crate::limits::{IDS_FRAME_MAX, NEWEST_PAGE_MAX, RANGE_PARTS};

/// A set that is reconciled, in its order.
pub type Items = BTreeSet<(u64, ObjectId)>;

/// BLAKE3 over the ids in order, under the context `conclave v1 range`. A hash and not a sum:
/// sums of chosen ids can be made to collide.
#[must_use]
pub fn fingerprint(ids: impl Iterator<Item = ObjectId>) -> ObjectId {
    let mut hasher = blake3::Hasher::new_derive_key("conclave v1 range");
    for id in ids {
        hasher.update(&id.0);
    }
    ObjectId(hasher.finalize().into())
}

fn in_range(
    items: &Items,
    lower: Bound,
    upper: Bound,
) -> impl Iterator<Item = (u64, ObjectId)> + '_ {
    let (from, to) = ((lower.height, lower.id), (upper.height, upper.id));
    // `BTreeSet::range` panics if the bounds are the wrong way round; a peer chose them.
    let to = to.max(from);
    items.range(from..to).copied()
}

/// Whether a range holds nothing.
pub(super) fn is_empty(items: &Items, lower: Bound, upper: Bound) -> bool {
    in_range(items, lower, upper).next().is_none()
}

/// Count and fingerprint of a range.
#[must_use]
pub fn fingerprint_of_range(items: &Items, lower: Bound, upper: Bound) -> (u64, ObjectId) {
    let mut count = 0;
    let counted = in_range(items, lower, upper).map(|(_, id)| {
        count += 1;
        id
    });
    let print = fingerprint(counted);
    (count, print)
}

/// Splits a range into parts of about equal size.
#[must_use]
pub fn answer_ranges(items: &Items, lower: Bound, upper: Bound) -> Response {
    let ids: Vec<(u64, ObjectId)> = in_range(items, lower, upper).collect();
    let size = ids.len().div_ceil(RANGE_PARTS).max(1);
    let mut parts = Vec::new();
    let mut rest = ids.as_slice();
    loop {
        let (chunk, after) = rest.split_at(size.min(rest.len()));
        let end = after.first().map_or(upper, |(height, id)| Bound { height: *height, id: *id });
        parts.push(Part {
            upper: end,
            count: chunk.len() as u64,
            fingerprint: fingerprint(chunk.iter().map(|(_, id)| *id)),
        });
        rest = after;
        if rest.is_empty() {
            return Response::Parts { parts };
        }
    }
}

/// Lists a range, as far as a frame goes.
#[must_use]
pub fn answer_list(items: &Items, lower: Bound, upper: Bound) -> Response {
    let mut range = in_range(items, lower, upper);
    let ids = range.by_ref().take(IDS_FRAME_MAX).map(|(height, id)| Bound { height, id }).collect();
    Response::Ids { ids, more: range.next().is_some() }
}

/// The newest items of a set, ascending.
#[must_use]
pub fn answer_newest(items: &Items) -> Response {
    let newest = items.iter().rev().take(NEWEST_PAGE_MAX);
    let mut ids: Vec<Bound> =
        newest.map(|(height, id)| Bound { height: *height, id: *id }).collect();
    ids.reverse();
    Response::Ids { ids, more: false }
}
