//! A set that is reconciled, in its order: counted, walked and fingerprinted by parts.
//!
//! The places (height, id) are the leaves of a radix tree: 16 ways at each step, over the nibbles
//! of the height and then of the id, with steps that all have in common left out. What is kept
//! for a node is thrown away only on the path to a place that changes, so one more message costs
//! a few short hashes, however many there are and however their heights are spread.
//!
//! The tree may hold places that are not shared: they are walked, but not counted and not
//! fingerprinted. So a room's log needs one tree only.

use super::frames::Bound;
use super::ranges::{LEAF_MAX, print_of_children, print_of_places};
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

    fn holds(&self, place: &Place) -> bool {
        self.lower <= *place && *place < self.upper
    }
}

#[derive(Clone, Debug, Default)]
struct Node {
    /// Shared places below it.
    shared: u32,
    print: Cached<ObjectId>,
    body: Body,
}

#[derive(Clone, Debug)]
enum Body {
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
struct Inner {
    /// The lowest place that it could hold.
    start: Place,
    /// How many nibbles its places have in common; the next one tells the children apart.
    depth: usize,
    /// By nibble, ascending.
    children: Vec<(u8, Node)>,
}

/// See the module's documentation.
#[derive(Clone, Debug, Default)]
pub struct Items {
    places: Vec<Place>,
    free: Vec<Ix>,
    shared: Bits,
    all: usize,
    root: Node,
    hashed: std::cell::Cell<u64>,
}

impl Items {
    /// The empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many places are in the set.
    #[must_use]
    pub fn len(&self) -> usize {
        self.root.shared as usize
    }

    /// Whether it is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a place is in the set.
    #[must_use]
    pub fn contains(&self, place: &Place) -> bool {
        self.find(*place).is_some_and(|ix| self.is_shared(ix))
    }

    /// Adds a place; false if it was there.
    pub fn insert(&mut self, place: Place) -> bool {
        match self.find(place) {
            Some(ix) => self.share(ix, true),
            None => {
                self.add(place, true);
                true
            }
        }
    }

    /// Takes a place out; false if it was not there.
    pub fn remove(&mut self, place: &Place) -> bool {
        let Some(ix) = self.find(*place) else { return false };
        let was = self.is_shared(ix);
        self.discard(ix);
        was
    }

    /// All places, ascending.
    pub fn iter(&self) -> impl Iterator<Item = Place> + '_ {
        self.range(Bound::MIN, Bound::MAX)
    }

    /// The places of a range, ascending.
    pub fn range(&self, lower: Bound, upper: Bound) -> impl Iterator<Item = Place> + '_ {
        self.walk(lower, upper, false).filter(|ix| self.is_shared(*ix)).map(|ix| self.place(ix))
    }

    /// The places of a range, descending.
    pub fn range_back(&self, lower: Bound, upper: Bound) -> impl Iterator<Item = Place> + '_ {
        self.walk(lower, upper, true).filter(|ix| self.is_shared(*ix)).map(|ix| self.place(ix))
    }

    /// How many places a range holds.
    #[must_use]
    pub fn count(&self, lower: Bound, upper: Bound) -> u64 {
        self.count_below(&self.root, &Span::new(lower, upper))
    }

    /// Count and fingerprint of a range.
    #[must_use]
    pub fn fingerprint(&self, lower: Bound, upper: Bound) -> (u64, ObjectId) {
        let span = Span::new(lower, upper);
        (self.count_below(&self.root, &span), self.print(&self.root, &span))
    }

    /// Count and fingerprint of the whole.
    #[must_use]
    pub fn summary(&self) -> (u64, ObjectId) {
        (self.len() as u64, self.print_of_node(&self.root))
    }

    /// How many bytes have gone into hashes so far: what fingerprints cost, for tests.
    #[must_use]
    pub fn bytes_hashed(&self) -> u64 {
        self.hashed.get()
    }

    /// The lowest bounds of the two or more parts into which the tree divides a range, without
    /// that of the first; nothing if the range fits one leaf.
    pub(super) fn divide(&self, lower: Bound, upper: Bound) -> Vec<Bound> {
        let span = Span::new(lower, upper);
        let mut node = &self.root;
        loop {
            let Body::Inner(inner) = &node.body else { return Vec::new() };
            if self.count_below(node, &span) <= LEAF_MAX as u64 {
                return Vec::new();
            }
            let mut parts = self.parts(inner, &span);
            let first = parts.next();
            let mut rest = parts.map(|(nibble, _, _)| inner.bound_of(nibble)).peekable();
            match (first, rest.peek()) {
                (Some(_), Some(_)) => return rest.collect(),
                (Some((_, child, _)), None) => node = child,
                (None, _) => return Vec::new(),
            }
        }
    }

    /// Every place that is held, shared or not; as many as [`Items::held`] says.
    pub(crate) fn walk(&self, lower: Bound, upper: Bound, back: bool) -> Walk<'_> {
        let span = Span::new(lower, upper);
        Walk { items: self, span, back, open: vec![&self.root], leaf: Vec::new() }
    }

    /// How many places are held, shared or not.
    pub(crate) fn held(&self) -> usize {
        self.all
    }

    /// One more than the largest [`Ix::index`].
    pub(crate) fn slots(&self) -> usize {
        self.places.len()
    }

    /// Panics if the place was not given out by this collection, which the type prevents.
    #[allow(clippy::indexing_slicing, reason = "places are given out by `add` only")]
    pub(crate) fn place(&self, ix: Ix) -> Place {
        self.places[ix.index()]
    }

    /// Whether a place counts as part of the set.
    pub(crate) fn is_shared(&self, ix: Ix) -> bool {
        self.shared.has(ix.index())
    }

    /// Adds a place that is not there yet.
    pub(crate) fn add(&mut self, place: Place, shared: bool) -> Ix {
        let ix = self.slot(place);
        self.shared.set(ix.index(), shared);
        self.all += 1;
        self.root.insert(ix, &self.places, &self.shared);
        ix
    }

    /// Makes room for a place without taking it into the tree; [`Items::build`] follows.
    pub(crate) fn put_down(&mut self, place: Place) -> Ix {
        let ix = self.slot(place);
        self.all += 1;
        ix
    }

    /// Makes the tree anew of all places that have been put down.
    pub(crate) fn build(&mut self) {
        let mut list: Vec<Ix> = (0..self.places.len()).map(Ix::at).collect();
        if !self.free.is_empty() {
            let free: std::collections::BTreeSet<Ix> = self.free.iter().copied().collect();
            list.retain(|ix| !free.contains(ix));
        }
        list.sort_by_key(|ix| self.place(*ix));
        self.root = Node::of(&list, &self.places, &self.shared);
    }

    /// Forgets a place altogether.
    pub(crate) fn discard(&mut self, ix: Ix) {
        let (place, shared) = (self.place(ix), self.is_shared(ix));
        self.root.remove(ix, &place, shared);
        self.shared.set(ix.index(), false);
        self.all -= 1;
        self.free.push(ix);
    }

    /// Says whether a place counts as part of the set; false if that was known.
    pub(crate) fn share(&mut self, ix: Ix, shared: bool) -> bool {
        let changed = self.shared.set(ix.index(), shared);
        if changed {
            let place = self.place(ix);
            let mut node = &mut self.root;
            loop {
                node.touch(shared, !shared);
                let Body::Inner(inner) = &mut node.body else { return true };
                match inner.child_mut(nibble(&place, inner.depth)) {
                    Some(child) => node = child,
                    None => return true,
                }
            }
        }
        changed
    }

    /// Says for all places whether they count; what stays the same keeps its fingerprint.
    pub(crate) fn share_only(&mut self, shared: Bits) {
        let before = std::mem::replace(&mut self.shared, shared);
        self.root.recount(&before, &self.shared);
    }

    fn find(&self, place: Place) -> Option<Ix> {
        let mut node = &self.root;
        loop {
            match &node.body {
                Body::Inner(inner) => node = inner.child(nibble(&place, inner.depth))?,
                Body::Leaf(list) => {
                    let at = list.binary_search_by(|ix| self.place(*ix).cmp(&place)).ok()?;
                    return list.get(at).copied();
                }
            }
        }
    }

    fn slot(&mut self, place: Place) -> Ix {
        if let Some(ix) = self.free.pop()
            && let Some(slot) = self.places.get_mut(ix.index())
        {
            *slot = place;
            return ix;
        }
        grow(&mut self.places);
        self.places.push(place);
        Ix::at(self.places.len() - 1)
    }

    fn count_below(&self, node: &Node, span: &Span) -> u64 {
        if node.shared == 0 {
            return 0;
        }
        match &node.body {
            Body::Leaf(list) => {
                let inside = |ix: &&Ix| self.is_shared(**ix) && span.holds(&self.place(**ix));
                list.iter().filter(inside).count() as u64
            }
            Body::Inner(inner) if inner.is_within(span) => u64::from(node.shared),
            Body::Inner(inner) if inner.is_outside(span) => 0,
            Body::Inner(inner) => {
                inner.children.iter().map(|(_, child)| self.count_below(child, span)).sum()
            }
        }
    }

    /// The children that hold something of a range, with how much.
    fn parts<'a>(
        &'a self,
        inner: &'a Inner,
        span: &'a Span,
    ) -> impl Iterator<Item = (u8, &'a Node, u64)> {
        inner
            .children
            .iter()
            .map(|(nibble, child)| (*nibble, child, self.count_below(child, span)))
            .filter(|(_, _, count)| *count > 0)
    }

    fn print_of_node(&self, node: &Node) -> ObjectId {
        let all = Span::new(Bound::MIN, Bound::MAX);
        node.print.get_or(|| self.derive(node, &all))
    }

    fn print(&self, node: &Node, span: &Span) -> ObjectId {
        let whole = match &node.body {
            Body::Inner(inner) => inner.is_within(span),
            Body::Leaf(list) => {
                let ends = list.first().into_iter().chain(list.last());
                ends.into_iter().all(|ix| span.holds(&self.place(*ix)))
            }
        };
        if whole { self.print_of_node(node) } else { self.derive(node, span) }
    }

    fn derive(&self, node: &Node, span: &Span) -> ObjectId {
        let count = self.count_below(node, span);
        match &node.body {
            Body::Inner(inner) if count > LEAF_MAX as u64 => {
                let parts: Vec<(u8, &Node, u64)> = self.parts(inner, span).collect();
                if let [(_, child, _)] = parts.as_slice() {
                    return self.print(child, span);
                }
                let children = parts.iter().map(|(n, child, c)| (*n, *c, self.print(child, span)));
                let (print, bytes) = print_of_children(children);
                self.hashed.set(self.hashed.get() + bytes);
                print
            }
            _ => {
                let walk = Walk {
                    items: self,
                    span: *span,
                    back: false,
                    open: vec![node],
                    leaf: Vec::new(),
                };
                let shared = walk.filter(|ix| self.is_shared(*ix)).map(|ix| self.place(ix));
                let (print, bytes) = print_of_places(shared);
                self.hashed.set(self.hashed.get() + bytes);
                print
            }
        }
    }
}

impl Node {
    fn of(list: &[Ix], places: &[Place], shared: &Bits) -> Self {
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
    fn touch(&mut self, more: bool, less: bool) {
        self.shared = self.shared + u32::from(more) - u32::from(less && self.shared > 0);
        self.print.clear();
    }

    fn insert(&mut self, ix: Ix, places: &[Place], bits: &Bits) {
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

    fn remove(&mut self, ix: Ix, place: &Place, shared: bool) {
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
    fn recount(&mut self, before: &Bits, now: &Bits) -> bool {
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
    fn child(&self, way: u8) -> Option<&Node> {
        let at = self.children.binary_search_by_key(&way, |(n, _)| *n).ok()?;
        self.children.get(at).map(|(_, child)| child)
    }

    fn child_mut(&mut self, way: u8) -> Option<&mut Node> {
        let at = self.children.binary_search_by_key(&way, |(n, _)| *n).ok()?;
        self.children.get_mut(at).map(|(_, child)| child)
    }

    /// The lowest place that a child could hold.
    fn bound_of(&self, way: u8) -> Bound {
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

    fn is_within(&self, span: &Span) -> bool {
        span.lower <= self.start && ceiling(&self.start, self.depth) < span.upper
    }

    fn is_outside(&self, span: &Span) -> bool {
        span.upper <= self.start || ceiling(&self.start, self.depth) < span.lower
    }
}

/// Goes through the places of a range, in either direction.
pub(crate) struct Walk<'a> {
    items: &'a Items,
    span: Span,
    back: bool,
    /// Nodes to visit; the next is the last.
    open: Vec<&'a Node>,
    /// Places to give out; the next is the last.
    leaf: Vec<Ix>,
}

impl Iterator for Walk<'_> {
    type Item = Ix;

    fn next(&mut self) -> Option<Ix> {
        loop {
            if let Some(ix) = self.leaf.pop() {
                return Some(ix);
            }
            match &self.open.pop()?.body {
                Body::Leaf(list) => {
                    let inside = |ix: &Ix| self.span.holds(&self.items.place(*ix));
                    self.leaf.extend(list.iter().copied().filter(inside));
                    if !self.back {
                        self.leaf.reverse();
                    }
                }
                Body::Inner(inner) if inner.is_outside(&self.span) => {}
                Body::Inner(inner) => {
                    let at = self.open.len();
                    self.open.extend(inner.children.iter().map(|(_, child)| child));
                    if !self.back
                        && let Some(added) = self.open.get_mut(at..)
                    {
                        added.reverse();
                    }
                }
            }
        }
    }
}

impl<'a> IntoIterator for &'a Items {
    type Item = Place;
    type IntoIter = Box<dyn Iterator<Item = Place> + 'a>;

    fn into_iter(self) -> Self::IntoIter {
        Box::new(self.iter())
    }
}

impl FromIterator<Place> for Items {
    fn from_iter<T: IntoIterator<Item = Place>>(places: T) -> Self {
        let mut items = Self::default();
        items.extend(places);
        items
    }
}

impl Extend<Place> for Items {
    fn extend<T: IntoIterator<Item = Place>>(&mut self, places: T) {
        for place in places {
            self.insert(place);
        }
    }
}

impl PartialEq for Items {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl Eq for Items {}

/// Room for one more, without the doubling that would waste half the memory of a long list.
pub(crate) fn grow<T>(list: &mut Vec<T>) {
    if list.len() == list.capacity() {
        list.reserve_exact((list.len() / 8).max(16));
    }
}

fn nibble(place: &Place, at: usize) -> u8 {
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
