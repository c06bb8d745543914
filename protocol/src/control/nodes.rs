//! The sound objects of the log, and the chains that `prev` makes of them.
//!
//! Each object of a device names the one before it, so a device's objects form a tree (a chain,
//! if it is honest). Cuts are places in that tree: what they leave are the ancestors. A second
//! pointer per object, which jumps back over a number of objects that grows like the skew
//! binary numbers, answers both questions about ancestors in logarithmic time, forks or not.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::id::{DeviceId, ObjectId};
use crate::object::{ControlObject, Genesis, Payload};
use crate::signed::Verified;

/// The place of an object in [`Nodes`]; it never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ix(u32);

impl Ix {
    /// `Genesis` is always the first.
    pub(super) const GENESIS: Self = Self(0);
}

#[derive(Clone, Debug)]
enum Body {
    Genesis(Arc<Verified<Genesis>>),
    Object(Arc<Verified<ControlObject>>),
}

/// A sound object and what is known of it.
#[derive(Clone, Debug)]
pub(super) struct Node {
    body: Body,
    parent: Option<Ix>,
    jump: Ix,
    /// The authority it cites stands behind it.
    pub(super) own: bool,
    /// Further grants that stand behind it, by `Ratify`; ascending.
    pub(super) ratified: Vec<Ix>,
    /// It was carried at some time.
    pub(super) once_carried: bool,
    /// Whose share of void objects it counts against while it is idle.
    pub(super) charged: DeviceId,
    /// How many reconciled objects refer to it.
    pub(super) pins: u32,
    /// It is carried, or something reconciled refers to it.
    pub(super) reconciled: bool,
}

impl Node {
    /// The object, unless it is `Genesis`.
    pub(super) fn verified(&self) -> Option<&Verified<ControlObject>> {
        match &self.body {
            Body::Genesis(_) => None,
            Body::Object(object) => Some(object),
        }
    }

    /// Whether some authority stands behind it.
    pub(super) fn carried(&self) -> bool {
        self.own || !self.ratified.is_empty()
    }
}

/// All sound objects.
#[derive(Clone, Debug, Default)]
pub(super) struct Nodes {
    list: Vec<Node>,
    by_id: BTreeMap<ObjectId, Ix>,
}

impl Nodes {
    pub(super) fn find(&self, id: impl Into<ObjectId>) -> Option<Ix> {
        self.by_id.get(&id.into()).copied()
    }

    /// Panics if the place was not given out by this collection, which the type prevents.
    #[allow(clippy::indexing_slicing, reason = "places are given out by `push` only")]
    pub(super) fn node(&self, ix: Ix) -> &Node {
        &self.list[ix.0 as usize]
    }

    #[allow(clippy::indexing_slicing, reason = "places are given out by `push` only")]
    pub(super) fn node_mut(&mut self, ix: Ix) -> &mut Node {
        &mut self.list[ix.0 as usize]
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = (Ix, &Node)> {
        let numbered = self.list.iter().enumerate();
        numbered.map(|(n, node)| (Ix(u32::try_from(n).unwrap_or(u32::MAX)), node))
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn genesis(&self) -> Option<&Verified<Genesis>> {
        match &self.list.first()?.body {
            Body::Genesis(genesis) => Some(genesis),
            Body::Object(_) => None,
        }
    }

    /// An object other than `Genesis`.
    pub(super) fn object(&self, ix: Ix) -> Option<&ControlObject> {
        match &self.node(ix).body {
            Body::Genesis(_) => None,
            Body::Object(object) => Some(object.value()),
        }
    }

    pub(super) fn payload(&self, ix: Ix) -> Option<&Payload> {
        self.object(ix).map(|object| &object.payload)
    }

    pub(super) fn payload_of(&self, id: impl Into<ObjectId>) -> Option<&Payload> {
        self.payload(self.find(id)?)
    }

    pub(super) fn id(&self, ix: Ix) -> ObjectId {
        match &self.node(ix).body {
            Body::Genesis(genesis) => genesis.id(),
            Body::Object(object) => object.id(),
        }
    }

    pub(super) fn bytes(&self, ix: Ix) -> &[u8] {
        match &self.node(ix).body {
            Body::Genesis(genesis) => genesis.bytes(),
            Body::Object(object) => object.bytes(),
        }
    }

    pub(super) fn height(&self, ix: Ix) -> u64 {
        self.object(ix).map_or(1, |object| object.header.height)
    }

    pub(super) fn seq(&self, ix: Ix) -> u64 {
        self.object(ix).map_or(1, |object| object.header.seq)
    }

    /// The key that signed it.
    pub(super) fn author(&self, ix: Ix) -> DeviceId {
        match &self.node(ix).body {
            Body::Genesis(genesis) => genesis.value().root,
            Body::Object(object) => object.value().header.author,
        }
    }

    /// The authority that it cites; `Genesis` cites itself.
    pub(super) fn authority(&self, ix: Ix) -> Ix {
        self.object(ix).and_then(|o| self.find(o.header.authority)).unwrap_or(Ix::GENESIS)
    }

    /// All that it refers to.
    pub(super) fn references(&self, ix: Ix) -> Vec<Ix> {
        let ids = self.object(ix).map(ControlObject::references).unwrap_or_default();
        ids.into_iter().filter_map(|id| self.find(id)).collect()
    }

    pub(super) fn push_genesis(&mut self, genesis: Verified<Genesis>) -> Ix {
        let id = genesis.id();
        let ix = self.push(id, Body::Genesis(Arc::new(genesis)), None);
        self.node_mut(ix).own = true;
        ix
    }

    /// Adds a sound object: what it refers to is here.
    pub(super) fn push_object(&mut self, object: Verified<ControlObject>) -> Ix {
        let parent = object.value().header.prev.and_then(|prev| self.find(prev));
        self.push(object.id(), Body::Object(Arc::new(object)), parent)
    }

    fn push(&mut self, id: ObjectId, body: Body, parent: Option<Ix>) -> Ix {
        // Objects of a company are counted in thousands; a log of 2^32 fits in no memory.
        let ix = Ix(u32::try_from(self.list.len()).unwrap_or(u32::MAX));
        let jump = parent.map_or(ix, |parent| {
            let once = self.node(parent).jump;
            let twice = self.node(once).jump;
            let even = self.seq(parent) - self.seq(once) == self.seq(once) - self.seq(twice);
            if even { twice } else { parent }
        });
        self.list.push(Node {
            body,
            parent,
            jump,
            own: false,
            ratified: Vec::new(),
            once_carried: false,
            charged: DeviceId::default(),
            pins: 0,
            reconciled: false,
        });
        self.by_id.insert(id, ix);
        ix
    }

    /// Whether `ancestor` is `ix` or lies before it in its chain.
    pub(super) fn is_ancestor(&self, ancestor: Ix, mut ix: Ix) -> bool {
        let seq = self.seq(ancestor);
        while self.seq(ix) > seq {
            let node = self.node(ix);
            ix = match node.parent {
                _ if self.seq(node.jump) >= seq && node.jump != ix => node.jump,
                Some(parent) => parent,
                None => return false,
            };
        }
        ix == ancestor
    }

    /// The last object that lies before (or is) both, if any.
    pub(super) fn meet(&self, mut a: Ix, mut b: Ix) -> Option<Ix> {
        if self.seq(a) > self.seq(b) {
            (a, b) = (b, a);
        }
        while self.seq(b) > self.seq(a) {
            let node = self.node(b);
            let jumps = self.seq(node.jump) >= self.seq(a) && node.jump != b;
            b = if jumps { node.jump } else { node.parent? };
        }
        while a != b {
            let (left, right) = (self.node(a), self.node(b));
            // At one depth both jump equally far.
            (a, b) = if left.jump == right.jump || left.jump == a {
                (left.parent?, right.parent?)
            } else {
                (left.jump, right.jump)
            };
        }
        Some(a)
    }
}

/// How much of a device's chain counts under an authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    /// Whatever it signs.
    All,
    /// This object and those before it.
    UpTo(Ix),
    /// Nothing.
    Nothing,
}

impl Limit {
    /// What both leave.
    pub(super) fn and(self, other: Self, nodes: &Nodes) -> Self {
        match (self, other) {
            (Self::All, limit) | (limit, Self::All) => limit,
            (Self::Nothing, _) | (_, Self::Nothing) => Self::Nothing,
            (Self::UpTo(a), Self::UpTo(b)) => nodes.meet(a, b).map_or(Self::Nothing, Self::UpTo),
        }
    }

    pub(super) fn holds(self, ix: Ix, nodes: &Nodes) -> bool {
        match self {
            Self::All => true,
            Self::UpTo(last) => nodes.is_ancestor(ix, last),
            Self::Nothing => false,
        }
    }
}
