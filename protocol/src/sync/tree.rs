//! The radix tree of [`super::items::Items`].

use super::frames::Bound;
use super::ranges::LEAF_MAX;
use crate::bits::Bits;
use crate::cached::Cached;
use crate::id::ObjectId;

/// Where an object stands in the order of the screen: height and id.
pub type Place = (u64, ObjectId);

/// Nibbles of a height; those of the id follow.
const HEIGHT_NIBBLES: usize = 16;

/// A place in [`Items`], until it is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ix(u32);

impl Ix {
    /// As an index of lists that are kept beside the set.
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }

    /// The other way round.
    pub(crate) fn at(index: usize) -> Self {
        // A set of 2^32 places fits in no memory.
        Self(u32::try_from(index).unwrap_or(u32::MAX))
    }

    /// As four bytes.
    pub(crate) fn to_bytes(self) -> [u8; 4] {
        self.0.to_be_bytes()
    }

    /// From four bytes.
    pub(crate) fn from_bytes(bytes: [u8; 4]) -> Self {
        Self(u32::from_be_bytes(bytes))
    }
}

/// A range of the order: the lower bound is in it, the upper one is not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    lower: Place,
    upper: Place,
}

impl Span {
    pub(super) fn new(lower: Bound, upper: Bound) -> Self {
        Self { lower: (lower.height, lower.id), upper: (upper.height, upper.id) }
    }

    pub(super) fn holds(&self, place: &Place) -> bool {
        self.lower <= *place && *place < self.upper
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Node {
    /// Shared places below it.
    pub(super) shared: u32,
    pub(super) print: Cached<ObjectId>,
    pub(super) body: Body,
}

#[derive(Clone, Debug)]
pub(super) enum Body {
    /// Ascending; at most [`LEAF_MAX`].
    Leaf(Vec<Ix>),
    Inner(Box<Inner>),
}

impl Default for Body {
    fn default() -> Self {
        Self::Leaf(Vec::new())
    }
}

#[derive(Clone, Debug)]
pub(super) struct Inner {
    /// The lowest place that it could hold.
    start: Place,
    /// How many nibbles its places have in common; the next one tells the children apart.
    pub(super) depth: usize,
    /// By nibble, ascending.
    pub(super) children: Vec<(u8, Node)>,
}

impl Node {
    pub(super) fn of(list: &[Ix], places: &[Place], shared: &Bits) -> Self {
        let place = |ix: &Ix| places.get(ix.index()).copied().unwrap_or_default();
        let ends = list.first().zip(list.last()).filter(|_| list.len() > LEAF_MAX);
        let Some((first, last)) = ends.map(|(first, last)| (place(first), place(last))) else {
            let count = list.iter().filter(|ix| shared.has(ix.index())).count();
            let shared = u32::try_from(count).unwrap_or(u32::MAX);
            return Self { shared, print: Cached::default(), body: Body::Leaf(list.to_vec()) };
        };
        let depth = in_common(&first, &last);
        let mut children = Vec::new();
        let mut rest = list;
        while let Some(next) = rest.first() {
            let way = nibble(&place(next), depth);
            let end = rest.partition_point(|ix| nibble(&place(ix), depth) == way);
            let (these, after) = rest.split_at(end);
            children.push((way, Self::of(these, places, shared)));
            rest = after;
        }
        children.shrink_to_fit();
        let sum = children.iter().map(|(_, child)| child.shared).sum();
        let inner = Inner { start: floor(&first, depth), depth, children };
        Self { shared: sum, print: Cached::default(), body: Body::Inner(Box::new(inner)) }
    }

    /// Something below it changed.
    pub(super) fn touch(&mut self, more: bool, less: bool) {
        self.shared = self.shared + u32::from(more) - u32::from(less && self.shared > 0);
        self.print.clear();
    }

    pub(super) fn insert(&mut self, ix: Ix, places: &[Place], bits: &Bits) {
        let shared = bits.has(ix.index());
        let place_of = |ix: &Ix| places.get(ix.index()).copied().unwrap_or_default();
        let place = place_of(&ix);
        let mut node = self;
        loop {
            // A place that is not shared changes no fingerprint.
            if shared {
                node.touch(true, false);
            }
            // Not under this node's common part: a node above it, with two children.
            if let Body::Inner(inner) = &node.body
                && in_common(&inner.start, &place) < inner.depth
            {
                node.branch_off(ix, &place, shared);
                return;
            }
            if let Body::Leaf(list) = &mut node.body {
                let at = list.partition_point(|other| place_of(other) < place);
                list.insert(at, ix);
                if list.len() > LEAF_MAX {
                    let list = std::mem::take(list);
                    *node = Self::of(&list, places, bits);
                }
                return;
            }
            let Body::Inner(inner) = &mut node.body else { return };
            let way = nibble(&place, inner.depth);
            let at = match inner.children.binary_search_by_key(&way, |(n, _)| *n) {
                Ok(at) => at,
                Err(at) => {
                    inner.children.insert(at, (way, Self::default()));
                    at
                }
            };
            match inner.children.get_mut(at) {
                Some((_, child)) => node = child,
                None => return,
            }
        }
    }

    /// Puts a place beside all that this node holds.
    fn branch_off(&mut self, ix: Ix, place: &Place, shared: bool) {
        let mut below = std::mem::take(self);
        let Body::Inner(inner) = &below.body else { return };
        let depth = in_common(&inner.start, place);
        let way = nibble(&inner.start, depth);
        let both = below.shared;
        below.shared -= u32::from(shared);
        let leaf = Self {
            shared: u32::from(shared),
            print: Cached::default(),
            body: Body::Leaf(vec![ix]),
        };
        let own = (nibble(place, depth), leaf);
        let children = if own.0 < way { vec![own, (way, below)] } else { vec![(way, below), own] };
        let inner = Inner { start: floor(place, depth), depth, children };
        self.shared = both;
        self.body = Body::Inner(Box::new(inner));
    }

    pub(super) fn remove(&mut self, ix: Ix, place: &Place, shared: bool) {
        self.touch(false, shared);
        match &mut self.body {
            Body::Leaf(list) => list.retain(|other| *other != ix),
            Body::Inner(inner) => {
                let way = nibble(place, inner.depth);
                if let Some(child) = inner.child_mut(way) {
                    child.remove(ix, place, shared);
                    if child.is_bare() {
                        inner.children.retain(|(n, _)| *n != way);
                    }
                }
                if inner.children.is_empty() {
                    self.body = Body::default();
                }
            }
        }
    }

    fn is_bare(&self) -> bool {
        matches!(&self.body, Body::Leaf(list) if list.is_empty())
    }

    /// Counts anew which places are shared; true if it is not the same ones.
    pub(super) fn recount(&mut self, before: &Bits, now: &Bits) -> bool {
        let changed = match &mut self.body {
            Body::Leaf(list) => {
                let shared = list.iter().filter(|ix| now.has(ix.index())).count();
                self.shared = u32::try_from(shared).unwrap_or(u32::MAX);
                list.iter().any(|ix| before.has(ix.index()) != now.has(ix.index()))
            }
            Body::Inner(inner) => {
                let mut changed = false;
                self.shared = 0;
                for (_, child) in &mut inner.children {
                    changed |= child.recount(before, now);
                    self.shared += child.shared;
                }
                changed
            }
        };
        if changed {
            self.print.clear();
        }
        changed
    }
}

impl Inner {
    pub(super) fn child(&self, way: u8) -> Option<&Node> {
        let at = self.children.binary_search_by_key(&way, |(n, _)| *n).ok()?;
        self.children.get(at).map(|(_, child)| child)
    }

    pub(super) fn child_mut(&mut self, way: u8) -> Option<&mut Node> {
        let at = self.children.binary_search_by_key(&way, |(n, _)| *n).ok()?;
        self.children.get_mut(at).map(|(_, child)| child)
    }

    /// The lowest place that a child could hold.
    pub(super) fn bound_of(&self, way: u8) -> Bound {
        let (mut height, mut id) = self.start;
        match self.depth.checked_sub(HEIGHT_NIBBLES) {
            None => height |= u64::from(way) << (4 * (HEIGHT_NIBBLES - 1 - self.depth)),
            Some(at) => {
                if let Some(byte) = id.0.get_mut(at / 2) {
                    *byte |= if at % 2 == 0 { way << 4 } else { way };
                }
            }
        }
        Bound { height, id }
    }

    pub(super) fn is_within(&self, span: &Span) -> bool {
        span.lower <= self.start && ceiling(&self.start, self.depth) < span.upper
    }

    pub(super) fn is_outside(&self, span: &Span) -> bool {
        span.upper <= self.start || ceiling(&self.start, self.depth) < span.lower
    }
}

pub(super) fn nibble(place: &Place, at: usize) -> u8 {
    match at.checked_sub(HEIGHT_NIBBLES) {
        None => (place.0 >> (4 * (HEIGHT_NIBBLES - 1 - at)) & 15) as u8,
        Some(at) => {
            let byte = place.1.0.get(at / 2).copied().unwrap_or_default();
            if at % 2 == 0 { byte >> 4 } else { byte & 15 }
        }
    }
}

/// How many nibbles two places have in common.
fn in_common(a: &Place, b: &Place) -> usize {
    if a.0 != b.0 {
        return ((a.0 ^ b.0).leading_zeros() / 4) as usize;
    }
    let same = a.1.0.iter().zip(&b.1.0).take_while(|(a, b)| a == b).count();
    let half = match (a.1.0.get(same), b.1.0.get(same)) {
        (Some(a), Some(b)) => usize::from(a >> 4 == b >> 4),
        _ => 0,
    };
    HEIGHT_NIBBLES + 2 * same + half
}

/// The lowest place that has the first nibbles in common with this one.
fn floor(place: &Place, depth: usize) -> Place {
    fill(place, depth, 0)
}

/// The highest place that has the first nibbles in common with this one.
fn ceiling(place: &Place, depth: usize) -> Place {
    fill(place, depth, 15)
}

fn fill(place: &Place, depth: usize, with: u8) -> Place {
    let (mut height, mut id) = *place;
    let byte = with << 4 | with;
    match depth.checked_sub(HEIGHT_NIBBLES) {
        None => {
            let low = u64::MAX.checked_shr(4 * u32::try_from(depth).unwrap_or(0)).unwrap_or(0);
            height = height & !low | if with == 0 { 0 } else { low };
            id.0.fill(byte);
        }
        Some(at) => {
            let mut rest = id.0.iter_mut().skip(at / 2);
            if at % 2 == 1
                && let Some(half) = rest.next()
            {
                *half = *half & 0xf0 | with;
            }
            rest.for_each(|b| *b = byte);
        }
    }
    (height, id)
}
