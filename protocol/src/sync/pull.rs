//! Pulling one set from one peer: compare ranges, list what differs, fetch what is missing.
//!
//! Bounded: at most one request is under way, the ranges to look at are at most
//! `RANGE_PARTS` per level of splitting, and each answer moves on or ends the pull.

use std::collections::VecDeque;

use super::frames::{Bound, Request, Response, Scope};
use super::items::Items;
use super::ranges::{fingerprint_of_range, is_empty};
use crate::id::ObjectId;
use crate::limits::{IDS_FRAME_MAX, RANGE_PARTS};

/// A range this small is listed rather than split.
const LIST_AT_MOST: u64 = 256;
/// A pull that has asked this often ends: the peer leads it in circles. Honest peers need
/// about one request per 256 KiB of objects.
const REQUESTS_MAX: u32 = 100_000;

#[derive(Clone, Debug)]
enum Asked {
    Nothing,
    Ranges { lower: Bound, upper: Bound },
    List { lower: Bound, upper: Bound },
    Objects { ids: Vec<ObjectId> },
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PullStep {
    /// Send this request.
    Ask(Request),
    /// Everything that the peer has in this set is here or was fetched.
    Done,
    /// The peer's answer makes no sense; give up.
    Failed,
}

/// The state of a pull.
#[derive(Clone, Debug)]
pub struct Pull {
    scope: Scope,
    /// Ranges that differ, lowest first, and whether they are small enough to list.
    ranges: VecDeque<(Bound, Bound, bool)>,
    missing: VecDeque<ObjectId>,
    asked: Asked,
    requests: u32,
}

impl Pull {
    /// A pull of a whole set.
    #[must_use]
    pub fn new(scope: Scope) -> Self {
        Self {
            scope,
            ranges: VecDeque::from([(Bound::MIN, Bound::MAX, false)]),
            missing: VecDeque::new(),
            asked: Asked::Nothing,
            requests: 0,
        }
    }

    /// A pull of known ids.
    #[must_use]
    pub fn of(scope: Scope, ids: impl IntoIterator<Item = ObjectId>) -> Self {
        let missing = ids.into_iter().collect();
        Self { ranges: VecDeque::new(), missing, ..Self::new(scope) }
    }

    /// Which set.
    #[must_use]
    pub fn scope(&self) -> Scope {
        self.scope
    }

    /// The next request. `ours` is what this node holds of the set, or has on the way there.
    pub fn next(&mut self, ours: &Items) -> PullStep {
        self.requests += 1;
        if self.requests > REQUESTS_MAX {
            return PullStep::Failed;
        }
        // Fetch before looking further, so that memory stays bounded by one list.
        if !self.missing.is_empty() {
            let count = self.missing.len().min(IDS_FRAME_MAX);
            let ids: Vec<ObjectId> = self.missing.iter().take(count).copied().collect();
            self.asked = Asked::Objects { ids: ids.clone() };
            return PullStep::Ask(Request::Get { scope: self.scope, ids });
        }
        let Some((lower, upper, small)) = self.ranges.pop_front() else {
            return PullStep::Done;
        };
        if small || is_empty(ours, lower, upper) {
            self.asked = Asked::List { lower, upper };
            return PullStep::Ask(Request::List { scope: self.scope, lower, upper });
        }
        self.asked = Asked::Ranges { lower, upper };
        PullStep::Ask(Request::Ranges { scope: self.scope, lower, upper })
    }

    /// Takes in the answer to the last request. Objects themselves are judged by the caller.
    /// False if the answer does not fit what was asked.
    pub fn answer(&mut self, response: &Response, ours: &Items) -> bool {
        match (std::mem::replace(&mut self.asked, Asked::Nothing), response) {
            (Asked::Ranges { lower, upper }, Response::Parts { parts }) => {
                self.compare(lower, upper, parts, ours)
            }
            (Asked::List { lower, upper }, Response::Ids { ids, more }) => {
                self.list(lower, upper, ids, *more, ours)
            }
            (Asked::Objects { ids }, Response::Objects { done, .. }) => {
                let done = usize::try_from(*done).unwrap_or(usize::MAX);
                // No progress would be asked for again for ever.
                if done == 0 || done > ids.len() {
                    return false;
                }
                self.missing.drain(..done.min(self.missing.len()));
                true
            }
            _ => false,
        }
    }

    fn compare(
        &mut self,
        lower: Bound,
        upper: Bound,
        parts: &[super::frames::Part],
        ours: &Items,
    ) -> bool {
        let ends_right = parts.last().is_some_and(|p| p.upper == upper);
        let mut from = lower;
        let mut differing = Vec::new();
        for part in parts {
            if part.upper <= from {
                return false;
            }
            let (_, print) = fingerprint_of_range(ours, from, part.upper);
            if part.count > 0 && print != part.fingerprint {
                // A single part over the whole range would be asked for again for ever.
                let whole = from == lower && part.upper == upper;
                let small = part.count <= LIST_AT_MOST || whole;
                differing.push((from, part.upper, small));
            }
            from = part.upper;
        }
        if !ends_right || self.ranges.len() > RANGE_PARTS * RANGE_PARTS * 4 {
            return false;
        }
        for range in differing.into_iter().rev() {
            self.ranges.push_front(range);
        }
        true
    }

    fn list(
        &mut self,
        lower: Bound,
        upper: Bound,
        ids: &[Bound],
        more: bool,
        ours: &Items,
    ) -> bool {
        let ascending = ids.windows(2).all(|pair| pair[0] < pair[1]);
        let inside = ids.iter().all(|b| lower <= *b && *b < upper);
        if !ascending || !inside || (more && ids.is_empty()) {
            return false;
        }
        let unknown = ids.iter().filter(|b| !ours.contains(&(b.height, b.id)));
        self.missing.extend(unknown.map(|b| b.id));
        if let Some(last) = ids.last().filter(|_| more) {
            self.ranges.push_front((just_above(*last), upper, true));
        }
        true
    }
}

/// The lowest bound above another.
fn just_above(bound: Bound) -> Bound {
    let mut id = bound.id.0;
    for byte in id.iter_mut().rev() {
        *byte = byte.wrapping_add(1);
        if *byte != 0 {
            return Bound { height: bound.height, id: ObjectId(id) };
        }
    }
    Bound { height: bound.height.saturating_add(1), id: ObjectId([0; 32]) }
}

#[cfg(test)]
mod tests {
    use super::super::ranges::{answer_list, answer_ranges};
    use super::*;

    fn item(n: u64) -> (u64, ObjectId) {
        (n / 3, ObjectId(blake3::hash(&n.to_be_bytes()).into()))
    }

    fn run(ours: &mut Items, theirs: &Items) -> u32 {
        let mut pull = Pull::new(Scope::Control);
        let mut asked = 0;
        loop {
            let request = match pull.next(ours) {
                PullStep::Ask(request) => request,
                PullStep::Done => return asked,
                PullStep::Failed => panic!("failed against an honest peer"),
            };
            asked += 1;
            let response = match request {
                Request::Ranges { lower, upper, .. } => answer_ranges(theirs, lower, upper),
                Request::List { lower, upper, .. } => answer_list(theirs, lower, upper),
                Request::Get { ids, .. } => {
                    let wanted: BTreeSetOf = ids.iter().copied().collect();
                    ours.extend(theirs.iter().filter(|(_, id)| wanted.contains(id)));
                    Response::Objects { objects: Vec::new(), done: ids.len() as u64 }
                }
                other => panic!("unexpected {other:?}"),
            };
            assert!(pull.answer(&response, ours));
        }
    }

    type BTreeSetOf = std::collections::BTreeSet<ObjectId>;

    #[test]
    fn a_pull_ends_with_the_union() {
        let all: Items = (0..5000).map(item).collect();
        for (take, skip) in [(0, 1), (1, 2), (1, 7), (1, 4999), (1, 1)] {
            let mut ours: Items =
                (0..5000).filter(|n| take == 1 && n % skip != 0).map(item).collect();
            ours.extend((9000..9010).map(item));
            let before = ours.clone();
            run(&mut ours, &all);
            assert_eq!(ours, all.iter().chain(before.iter()).collect::<Items>());
        }
    }

    #[test]
    fn cost_grows_with_the_difference() {
        let all: Items = (0..50_000).map(item).collect();
        let mut ours = all.clone();
        ours.remove(&item(77));
        assert!(run(&mut ours, &all) <= 8);
    }

    #[test]
    fn a_lying_peer_is_dropped() {
        let ours: Items = (0..10).map(item).collect();
        let mut pull = Pull::new(Scope::Control);
        assert!(matches!(pull.next(&ours), PullStep::Ask(Request::Ranges { .. })));
        assert!(!pull.answer(&Response::Ack, &ours));
        let mut pull = Pull::of(Scope::Control, [ObjectId([1; 32])]);
        assert!(matches!(pull.next(&ours), PullStep::Ask(Request::Get { .. })));
        assert!(!pull.answer(&Response::Objects { objects: Vec::new(), done: 0 }, &ours));
        let backwards = Response::Ids { ids: vec![Bound::MAX, Bound::MIN], more: false };
        let mut pull = Pull::new(Scope::Control);
        assert!(matches!(pull.next(&Items::new()), PullStep::Ask(Request::List { .. })));
        assert!(!pull.answer(&backwards, &ours));
    }

    #[test]
    fn the_bound_above_carries_over() {
        let top = Bound { height: 4, id: ObjectId([255; 32]) };
        assert_eq!(just_above(top), Bound { height: 5, id: ObjectId([0; 32]) });
        assert!(just_above(Bound::MIN) > Bound::MIN);
    }
}
