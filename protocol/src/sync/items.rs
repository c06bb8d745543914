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
use super::tree::{Body, Inner, Ix, Node, Place, Span, nibble};
use crate::bits::Bits;
use crate::id::ObjectId;

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
