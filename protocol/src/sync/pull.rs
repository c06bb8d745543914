//! Pulling one set from one peer: the newest of a room first, then compare ranges, list what
//! differs, fetch what is missing.
//!
//! After the newest page a pull goes from the lowest height up, because a message counts only
//! once its parents do: what comes in that order is judged at once and never has to wait in
//! memory. Several pulls of one set share the work: what one of them is fetching, the others leave
//! out and come back for if it did not arrive.
//!
//! Bounded: at most one request is under way, the ranges to look at are at most
//! `RANGE_PARTS` per level of splitting, each answer moves on or ends the pull, and a peer that
//! lists what it does not have is left alone soon.

use std::collections::VecDeque;

use super::frames::{Bound, Request, Response, Scope};
use super::items::Items;
use super::ranges::{fingerprint_of_range, is_empty};
use crate::id::ObjectId;
use crate::limits::{
    IDS_FRAME_MAX, NEWEST_PAGE_MAX, OBJECT_BYTES_MAX, OBJECTS_FRAME_BYTES_MAX, RANGE_PARTS,
    UNSUPPLIED_MAX,
};
use crate::signed::peek_id;

/// A range this small is listed rather than split.
const LIST_AT_MOST: u64 = 256;
/// A pull that has asked this often ends: the peer leads it in circles. Honest peers need
/// about one request per 256 KiB of objects.
const REQUESTS_MAX: u32 = 100_000;

/// An answer with fewer bytes has room for another object, with its signature and frame.
const FULL_FRAME_BYTES: usize = OBJECTS_FRAME_BYTES_MAX - OBJECT_BYTES_MAX - 1024;

#[derive(Clone, Debug)]
enum Asked {
    Nothing,
    Newest,
    Ranges { lower: Bound, upper: Bound },
    List { lower: Bound, upper: Bound },
    Objects { ids: Vec<ObjectId> },
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PullStep {
    /// Send this request.
    Ask(Request),
    /// Everything that the peer has in this set is here, or was fetched, or is being fetched from
    /// others: see [`Pull::left_to_others`].
    Done,
    /// The peer's answer makes no sense; give up.
    Failed,
}

/// Whether an id that a peer lists is worth asking it for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// It is not here.
    Missing,
    /// It is here, or waits here.
    Held,
    /// Another peer has been asked for it.
    Elsewhere,
}

/// The state of a pull.
#[derive(Clone, Debug)]
pub struct Pull {
    scope: Scope,
    /// Ask for the newest page before anything else.
    newest: bool,
    /// The ids that are missing now are those of the newest page.
    fetching_newest: bool,
    /// Ranges that differ, lowest first, and whether they are small enough to list.
    ranges: VecDeque<(Bound, Bound, bool)>,
    missing: VecDeque<ObjectId>,
    asked: Asked,
    requests: u32,
    /// Objects that the peer listed and did not have.
    unsupplied: usize,
    /// The ids were chosen by this side, so the peer need not have them.
    by_id: bool,
    left_to_others: bool,
}

impl Pull {
    /// A pull of a whole set.
    #[must_use]
    pub fn new(scope: Scope) -> Self {
        Self {
            scope,
            newest: false,
            fetching_newest: false,
            ranges: VecDeque::from([(Bound::MIN, Bound::MAX, false)]),
            missing: VecDeque::new(),
            asked: Asked::Nothing,
            requests: 0,
            unsupplied: 0,
            by_id: false,
            left_to_others: false,
        }
    }

    /// A pull of a whole set that lacks much here: people see its newest page first.
    #[must_use]
    pub fn newest_first(scope: Scope) -> Self {
        Self { newest: true, ..Self::new(scope) }
    }

    /// A pull of known ids.
    #[must_use]
    pub fn of(scope: Scope, ids: impl IntoIterator<Item = ObjectId>) -> Self {
        let missing = ids.into_iter().collect();
        Self { ranges: VecDeque::new(), missing, by_id: true, ..Self::new(scope) }
    }

    /// Which set.
    #[must_use]
    pub fn scope(&self) -> Scope {
        self.scope
    }

    /// Whether known ids are fetched, and not a whole set compared.
    #[must_use]
    pub fn is_by_id(&self) -> bool {
        self.by_id
    }

    /// Whether what arrives now belongs to the newest page.
    #[must_use]
    pub fn is_newest_page(&self) -> bool {
        self.fetching_newest
    }

    /// Whether something was left out because others were being asked for it.
    #[must_use]
    pub fn left_to_others(&self) -> bool {
        self.left_to_others
    }

    /// The objects that the peer has been asked for and has not answered about.
    #[must_use]
    pub fn fetching(&self) -> &[ObjectId] {
        match &self.asked {
            Asked::Objects { ids } => ids,
            _ => &[],
        }
    }

    /// The next request. `ours` is what this node holds of the set, or has on the way there;
    /// `need` says what to make of an id that the peer has.
    pub fn next(&mut self, ours: &Items, mut need: impl FnMut(ObjectId) -> Need) -> PullStep {
        self.requests += 1;
        if self.requests > REQUESTS_MAX || self.unsupplied > UNSUPPLIED_MAX {
            return PullStep::Failed;
        }
        if std::mem::take(&mut self.newest) {
            self.asked = Asked::Newest;
            return PullStep::Ask(Request::Newest { scope: self.scope });
        }
        // Fetch before looking further, so that memory stays bounded by one list.
        let mut left_to_others = false;
        self.missing.retain(|id| match need(*id) {
            Need::Missing => true,
            Need::Held => false,
            Need::Elsewhere => {
                left_to_others = true;
                false
            }
        });
        self.left_to_others |= left_to_others;
        if !self.missing.is_empty() {
            let count = self.missing.len().min(IDS_FRAME_MAX);
            let ids: Vec<ObjectId> = self.missing.iter().take(count).copied().collect();
            self.asked = Asked::Objects { ids: ids.clone() };
            return PullStep::Ask(Request::Get { scope: self.scope, ids });
        }
        self.fetching_newest = false;
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
            (Asked::Newest, Response::Ids { ids, .. }) => {
                if ids.len() > NEWEST_PAGE_MAX {
                    return false;
                }
                self.missing.extend(ids.iter().map(|bound| bound.id));
                self.fetching_newest = true;
                true
            }
            // Whoever does not know this question knows the others.
            (Asked::Newest, Response::Refused) => true,
            (Asked::Ranges { lower, upper }, Response::Parts { parts }) => {
                self.compare(lower, upper, parts, ours)
            }
            (Asked::List { lower, upper }, Response::Ids { ids, more }) => {
                self.list(lower, upper, ids, *more, ours)
            }
            (Asked::Objects { ids }, Response::Objects { done, objects }) => {
                let done = usize::try_from(*done).unwrap_or(usize::MAX);
                // No progress would be asked for again for ever.
                if done == 0 || done > ids.len() {
                    return false;
                }
                // Only a full frame is a reason to stop early: others leave to this peer what it
                // has been asked for, so it must not spread that over time.
                let bytes: usize = objects.iter().map(|object| object.0.len()).sum();
                if done < ids.len() && bytes < FULL_FRAME_BYTES {
                    return false;
                }
                let wanted: std::collections::BTreeSet<ObjectId> =
                    ids[..done].iter().copied().collect();
                let is_wanted = |id: ObjectId| wanted.contains(&id);
                if !objects.iter().all(|object| peek_id(&object.0).is_some_and(is_wanted)) {
                    return false;
                }
                if !self.by_id {
                    self.unsupplied += done.saturating_sub(objects.len());
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
            let request = match pull.next(ours, |_| Need::Missing) {
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
            // They were put in place above, not into the answer.
            pull.unsupplied = 0;
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
        assert!(matches!(
            pull.next(&ours, |_| Need::Missing),
            PullStep::Ask(Request::Ranges { .. })
        ));
        assert!(!pull.answer(&Response::Ack, &ours));
        let mut pull = Pull::of(Scope::Control, [ObjectId([1; 32])]);
        assert!(matches!(pull.next(&ours, |_| Need::Missing), PullStep::Ask(Request::Get { .. })));
        assert!(!pull.answer(&Response::Objects { objects: Vec::new(), done: 0 }, &ours));
        let backwards = Response::Ids { ids: vec![Bound::MAX, Bound::MIN], more: false };
        let mut pull = Pull::new(Scope::Control);
        assert!(matches!(
            pull.next(&Items::new(), |_| Need::Missing),
            PullStep::Ask(Request::List { .. })
        ));
        assert!(!pull.answer(&backwards, &ours));
    }

    #[test]
    fn the_bound_above_carries_over() {
        let top = Bound { height: 4, id: ObjectId([255; 32]) };
        assert_eq!(just_above(top), Bound { height: 5, id: ObjectId([0; 32]) });
        assert!(just_above(Bound::MIN) > Bound::MIN);
    }
}
