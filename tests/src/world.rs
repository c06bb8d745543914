//! A world of several engines in one process, under simulated time, network and disk.
//!
//! Everything is decided by the seed. One step takes the earliest thing that is due (a
//! delivery, or a node's timer), hands it to the engine and carries its effects out.
//! [`checks`] looks at every effect on the way. A failure prints the seed.
//!
//! To extend it: what can be under way is one enum (`Due`); what a network may do to it is
//! decided in [`network`]; what a disk may do, in [`Disk`]; what a clock may do, in [`clock`].

pub mod checker;
pub mod checks;
pub mod clock;
pub mod disk;
mod effects;
pub mod helpers;
pub mod hostile;
pub mod lies;
pub mod network;
pub mod node;
pub mod puppet;

use std::collections::{BTreeMap, BTreeSet};

use conclave_protocol::engine::{
    BatchId, Command, CommandId, Engine, GossipToken, Input, RequestId, ResponseToken,
};
use conclave_protocol::id::{DeviceId, ObjectId, Topic};
use conclave_protocol::time::Timestamp;

use disk::Disk;
pub use node::Node;
use puppet::Puppet;

/// A node, by its place in the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeId(pub usize);

/// What the world does to what passes through it.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Longest way of a frame or gossip message, in ms; the shortest is 1.
    pub latency_ms_max: u64,
    /// Longest time until a batch is durable, in ms; 0: at once.
    pub disk_ms_max: u64,
    /// Of 100 gossip messages, how many are lost.
    pub gossip_lost_percent: u64,
    /// Of 100 gossip messages, how many come a second time, later, past the de-duplication.
    pub gossip_twice_percent: u64,
    /// Of 100 gossip messages, how many come up to three seconds late.
    pub gossip_late_percent: u64,
    /// Of 100 requests, and of 100 answers, how many are lost on a connection that stands; the
    /// asker gives up after `REQUEST_MS_MAX`.
    pub frames_lost_percent: u64,
}

impl Options {
    /// Nothing is lost; the order of arrival still varies.
    pub const CALM: Self = Self {
        latency_ms_max: 5,
        disk_ms_max: 3,
        gossip_lost_percent: 0,
        gossip_twice_percent: 0,
        gossip_late_percent: 0,
        frames_lost_percent: 0,
    };
    /// Gossip is lost, doubled and late.
    pub const ROUGH: Self = Self {
        latency_ms_max: 40,
        disk_ms_max: 30,
        gossip_lost_percent: 30,
        gossip_twice_percent: 20,
        gossip_late_percent: 20,
        frames_lost_percent: 0,
    };
}

/// What is under way.
#[derive(Clone, Debug)]
pub(crate) enum Due {
    Persisted {
        node: NodeId,
        life: u32,
        batch: BatchId,
    },
    Gossip {
        from: DeviceId,
        to: NodeId,
        topic: Topic,
        id: ObjectId,
        bytes: Vec<u8>,
    },
    Request {
        from: DeviceId,
        to: DeviceId,
        request: RequestId,
        frame: Vec<u8>,
    },
    Response {
        to: NodeId,
        life: u32,
        request: RequestId,
        frame: Option<Vec<u8>>,
    },
    /// Nothing came in time.
    /// The work that an engine had asked for is done.
    Sealed {
        to: NodeId,
        life: u32,
        input: Box<Input>,
    },
    GiveUp {
        to: NodeId,
        life: u32,
        request: RequestId,
    },
}

/// See the module's documentation.
pub struct World {
    /// Decides everything.
    pub seed: u64,
    /// What happens to what is under way. May be changed at any time.
    pub options: Options,
    pub(crate) now: Timestamp,
    pub(crate) nodes: Vec<Node>,
    pub(crate) puppets: BTreeMap<DeviceId, Puppet>,
    links: BTreeSet<(DeviceId, DeviceId)>,
    /// Connections that pass nothing in this direction, and do not notice.
    deaf: BTreeSet<(DeviceId, DeviceId)>,
    due: BTreeMap<(Timestamp, u64), Due>,
    drawn: u64,
    numbered: u64,
    pub(crate) ledger: checks::Ledger,
    /// Judges everything, if a test wants that.
    pub(crate) checker: Option<Box<checker::Checker>>,
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the world's seed was {}, the time {} ms", self.seed, self.now.0);
        }
    }
}

impl World {
    /// An empty world.
    #[must_use]
    pub fn new(seed: u64, options: Options) -> Self {
        Self {
            seed,
            options,
            now: Timestamp(1_700_000_000_000),
            nodes: Vec::new(),
            puppets: BTreeMap::new(),
            links: BTreeSet::new(),
            deaf: BTreeSet::new(),
            due: BTreeMap::new(),
            drawn: 0,
            numbered: 0,
            ledger: checks::Ledger::default(),
            checker: None,
        }
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// A number below `bound` (or 0), drawn from the seed.
    pub fn random(&mut self, bound: u64) -> u64 {
        self.drawn += 1;
        let mut hasher = blake3::Hasher::new_derive_key("conclave tests world");
        hasher.update(&self.seed.to_be_bytes());
        hasher.update(&self.drawn.to_be_bytes());
        let mut bytes = [0; 8];
        hasher.finalize_xof().fill(&mut bytes);
        if bound == 0 { 0 } else { u64::from_be_bytes(bytes) % bound }
    }

    fn chance(&mut self, percent: u64) -> bool {
        percent > 0 && self.random(100) < percent
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.numbered += 1;
        self.numbered
    }

    /// A node.
    #[must_use]
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    /// All nodes.
    pub fn ids(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..self.nodes.len()).map(NodeId)
    }

    /// The engine of a node that is up.
    #[must_use]
    pub fn engine(&self, id: NodeId) -> &Engine {
        let node = self.node(id);
        node.engine.as_ref().unwrap_or_else(|| panic!("{} is down", node.name))
    }

    /// Whether a node is up.
    #[must_use]
    pub fn is_up(&self, id: NodeId) -> bool {
        self.node(id).engine.is_some()
    }

    pub(crate) fn by_device(&self, device: DeviceId) -> Option<NodeId> {
        self.ids().find(|id| self.node(*id).device() == device)
    }

    /// Makes a node that is down.
    pub fn add(&mut self, name: &str) -> NodeId {
        // Both kinds of store exist: reads may or may not show what is not durable yet.
        let shows_pending = self.random(2) == 0;
        // Two people may have one name; they do not have one key.
        let namesakes = self.nodes.iter().filter(|n| n.name == name).count() as u64;
        let salt = self.seed.wrapping_add(namesakes << 48);
        self.nodes.push(Node::new(name, salt, shows_pending));
        NodeId(self.nodes.len() - 1)
    }

    /// Starts a node from what its disk holds.
    pub fn start(&mut self, id: NodeId) {
        assert!(!self.is_up(id), "{} is up already", self.node(id).name);
        let now = self.clock_of(id);
        self.check_start(id);
        self.nodes[id.0].start(now);
        self.carry_out(id);
    }

    /// Puts an older copy of a node's disk in place; the node is down, and the next start knows
    /// that it is one.
    pub fn restore(&mut self, id: NodeId, rows: disk::Rows) {
        assert!(!self.is_up(id), "{} is up", self.node(id).name);
        self.nodes[id.0].disk.restore(rows);
        self.nodes[id.0].copied = true;
    }

    /// As [`World::crash`], but some of what nobody was told to be durable had reached the disk:
    /// a random number of batches.
    pub fn crash_torn(&mut self, id: NodeId) {
        self.isolate(id);
        let batches = self.random(self.node(id).disk.pending() as u64 + 1);
        self.node(id).disk.crash_after(usize::try_from(batches).unwrap_or(0));
        self.nodes[id.0].stop();
    }

    /// Ends a node's process at once; what is not durable is lost.
    pub fn crash(&mut self, id: NodeId) {
        let device = self.node(id).device();
        for peer in self.peers_of(device) {
            self.disconnect_devices(device, peer);
        }
        self.nodes[id.0].stop();
    }

    /// Hands an input to a node that is up and carries out what follows.
    pub fn input(&mut self, id: NodeId, input: Input) {
        let now = self.clock_of(id);
        if let Some(engine) = self.nodes[id.0].engine.as_mut() {
            engine.handle(now, input);
            self.carry_out(id);
        }
    }

    /// Gives a command; its answer is in [`Node::answers`] later.
    pub fn give(&mut self, id: NodeId, command: Command) -> CommandId {
        let number = CommandId(self.number());
        self.input(id, Input::Command { id: number, command });
        number
    }

    /// When something is due next: a delivery, or a timer.
    fn next(&self) -> (Option<Timestamp>, Option<(Timestamp, NodeId)>) {
        let delivery = self.due.keys().next().map(|(at, _)| *at);
        let timers = self.ids().filter_map(|id| {
            let engine = self.node(id).engine.as_ref()?;
            Some((self.world_time(id, engine.next_timeout()).max(self.now), id))
        });
        (delivery, timers.min())
    }

    /// Sets all clocks back. Only while nothing is under way that has a time.
    pub fn step_back(&mut self, ms: u64) {
        self.now = Timestamp(self.now.0 - ms);
    }

    /// Whether nothing is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.due.is_empty()
    }

    pub(crate) fn next_timer(&self) -> Option<Timestamp> {
        self.next().1.map(|(at, _)| at)
    }

    /// Does the next thing that is due, if it is due by `until`; else moves the time there.
    pub(crate) fn step(&mut self, until: Timestamp) -> bool {
        let (delivery, timer) = self.next();
        let delivery_first = delivery.is_some_and(|at| timer.is_none_or(|(timer, _)| at <= timer));
        if delivery_first && delivery.is_some_and(|at| at <= until) {
            let Some(((at, _), due)) = self.due.pop_first() else { return false };
            self.now = self.now.max(at);
            self.deliver(due);
            return true;
        }
        let Some((at, id)) = timer.filter(|(at, _)| !delivery_first && *at <= until) else {
            self.now = self.now.max(until);
            return false;
        };
        self.now = at;
        self.input(id, Input::Tick);
        let next = self.engine(id).next_timeout();
        assert!(
            next > self.clock_of(id),
            "{}'s timer stands still at {next:?}",
            self.node(id).name
        );
        true
    }

    fn deliver(&mut self, due: Due) {
        match due {
            Due::Persisted { node, life, batch } => {
                if self.node(node).life == life && self.is_up(node) {
                    self.node(node).disk.make_durable(batch);
                    self.input(node, Input::Persisted { batch });
                }
            }
            Due::Gossip { from, to, topic, id, bytes } => {
                if self.in_topic(to, from, topic) && !self.is_deaf(from, to) {
                    self.gossip_arrives(from, to, topic, id, bytes);
                }
            }
            Due::Request { from, to, request, frame } => {
                self.request_arrives(from, to, request, frame)
            }
            Due::Response { to, life, request, frame } => {
                if self.node(to).life == life {
                    self.nodes[to.0].asked.remove(&request);
                    self.input(to, Input::Response { request, frame });
                }
            }
            Due::Sealed { to, life, input } => {
                if self.node(to).life == life {
                    self.input(to, *input);
                }
            }
            Due::GiveUp { to, life, request } => {
                if self.node(to).life == life && self.nodes[to.0].asked.remove(&request).is_some() {
                    self.input(to, Input::Response { request, frame: None });
                }
            }
        }
    }

    fn gossip_arrives(
        &mut self,
        from: DeviceId,
        to: NodeId,
        topic: Topic,
        id: ObjectId,
        bytes: Vec<u8>,
    ) {
        // A second copy that the options sent comes after the de-duplication forgot the first.
        let fresh = self.nodes[to.0].seen.insert(id);
        if fresh || self.options.gossip_twice_percent > 0 {
            self.hand_gossip(from, to, topic, id, bytes);
        }
    }

    pub(crate) fn hand_gossip(
        &mut self,
        peer: DeviceId,
        to: NodeId,
        topic: Topic,
        id: ObjectId,
        bytes: Vec<u8>,
    ) -> GossipToken {
        let token = GossipToken(self.number());
        let at = self.now;
        let arrived = node::Arrived { from: peer, topic, id, bytes: bytes.clone(), at };
        self.nodes[to.0].gossip.insert(token, arrived);
        self.input(to, Input::Gossip { peer, token, topic, bytes });
        token
    }

    fn request_arrives(
        &mut self,
        from: DeviceId,
        to: DeviceId,
        request: RequestId,
        frame: Vec<u8>,
    ) {
        if !self.linked(from, to) {
            return;
        }
        if let Some(id) = self.by_device(to).filter(|id| self.is_up(*id)) {
            let token = ResponseToken(self.number());
            self.nodes[id.0].serving.insert(token, (from, request));
            self.input(id, Input::Request { peer: from, token, frame });
        } else if let Some(asker) = self.by_device(from) {
            let answer = self.puppets.get_mut(&to).map(|puppet| puppet.answer(&frame));
            if self.checker.is_none() {
                self.nodes[asker.0].sent_outside.push((to, request, frame));
            }
            let life = self.node(asker).life;
            if answer == Some(None) || self.loses_frame(to, from) {
                return self.give_up_later(asker, life, request);
            }
            let frame = answer.flatten();
            self.send_later(Due::Response { to: asker, life, request, frame });
        }
    }

    /// What left the nodes.
    #[must_use]
    pub fn ledger(&self) -> &checks::Ledger {
        &self.ledger
    }

    /// The disk of a node.
    #[must_use]
    pub fn disk(&self, id: NodeId) -> &Disk {
        &self.node(id).disk
    }
}
