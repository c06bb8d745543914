//! The simulated network: connections, who hears whom in which topic, and what is lost on the way.

use std::collections::BTreeSet;

use conclave_protocol::engine::{Input, RequestId};
use conclave_protocol::id::{DeviceId, Topic};
use conclave_protocol::limits::REQUEST_MS_MAX;

use super::{Due, NodeId, World};

impl World {
    /// Connects two nodes that are up.
    pub fn connect(&mut self, a: NodeId, b: NodeId) {
        let (a, b) = (self.node(a).device(), self.node(b).device());
        self.connect_devices(a, b);
    }

    /// Connects all nodes that are up with each other.
    pub fn connect_all(&mut self) {
        let up: Vec<NodeId> = self.ids().filter(|id| self.is_up(*id)).collect();
        for (n, a) in up.iter().enumerate() {
            for b in &up[n + 1..] {
                self.connect(*a, *b);
            }
        }
    }

    /// Ends the connection of two nodes.
    pub fn disconnect(&mut self, a: NodeId, b: NodeId) {
        let (a, b) = (self.node(a).device(), self.node(b).device());
        self.disconnect_devices(a, b);
    }

    /// Ends all connections of a node.
    pub fn isolate(&mut self, id: NodeId) {
        let device = self.node(id).device();
        for peer in self.peers_of(device) {
            self.disconnect_devices(device, peer);
        }
    }

    /// Whether frames and gossip pass from one device to another.
    #[must_use]
    pub fn linked(&self, from: DeviceId, to: DeviceId) -> bool {
        self.links.contains(&(from, to))
    }

    pub(super) fn peers_of(&self, device: DeviceId) -> Vec<DeviceId> {
        self.links.iter().filter(|(from, _)| *from == device).map(|(_, to)| *to).collect()
    }

    pub(crate) fn connect_devices(&mut self, a: DeviceId, b: DeviceId) {
        if a == b || self.linked(a, b) {
            return;
        }
        self.links.extend([(a, b), (b, a)]);
        for (end, peer) in [(a, b), (b, a)] {
            if let Some(id) = self.by_device(end) {
                self.input(id, Input::Connected { peer });
            }
        }
        self.update_presence();
    }

    pub(crate) fn disconnect_devices(&mut self, a: DeviceId, b: DeviceId) {
        if !self.links.remove(&(a, b)) {
            return;
        }
        self.links.remove(&(b, a));
        for (end, peer) in [(a, b), (b, a)] {
            let Some(id) = self.by_device(end) else { continue };
            self.input(id, Input::Disconnected { peer });
            // Requests under way fail, and the engine hears of it some time later: maybe
            // when the peer is back.
            let failed: Vec<RequestId> = self.nodes[id.0]
                .asked
                .iter()
                .filter(|(_, to)| **to == peer)
                .map(|(request, _)| *request)
                .collect();
            let life = self.node(id).life;
            for request in failed {
                self.nodes[id.0].asked.remove(&request);
                self.send_later(Due::Response { to: id, life, request, frame: None });
            }
        }
        self.update_presence();
    }

    /// Who hears whom in which topic: both are connected, and each allows the other.
    pub(crate) fn in_topic(&self, one: NodeId, other: DeviceId, topic: Topic) -> bool {
        let allows = |id: NodeId, device: DeviceId| {
            self.node(id).policy.topics.get(&topic).is_some_and(|d| d.contains(&device))
        };
        let (node, device) = (self.node(one), self.node(one).device());
        node.engine.is_some()
            && self.linked(device, other)
            && allows(one, other)
            && self.by_device(other).is_none_or(|other| {
                self.puppets.contains_key(&self.node(other).device()) || allows(other, device)
            })
    }

    /// Tells every node who joined or left a topic since it was told last.
    pub(crate) fn update_presence(&mut self) {
        for id in self.ids().collect::<Vec<_>>() {
            if !self.is_up(id) {
                continue;
            }
            let mut present = BTreeSet::new();
            for peer in self.peers_of(self.node(id).device()) {
                for topic in self.node(id).policy.topics.keys() {
                    if self.in_topic(id, peer, *topic) {
                        present.insert((peer, *topic));
                    }
                }
            }
            let before = std::mem::replace(&mut self.nodes[id.0].presence, present.clone());
            for (joined, changes) in [
                (false, before.difference(&present).copied().collect::<Vec<_>>()),
                (true, present.difference(&before).copied().collect()),
            ] {
                for (peer, topic) in changes {
                    self.input(id, Input::TopicPeer { peer, topic, joined });
                }
            }
        }
    }

    /// From now on a connection passes nothing from one to the other, and neither notices: what is
    /// asked stays unanswered.
    pub fn deafen(&mut self, from: NodeId, to: NodeId) {
        let (from, to) = (self.node(from).device(), self.node(to).device());
        self.deaf.insert((from, to));
    }

    /// All connections pass everything again.
    pub fn undeafen(&mut self) {
        self.deaf.clear();
    }

    /// Whether a connection passes nothing from a device to a node.
    pub(super) fn is_deaf(&self, from: DeviceId, to: NodeId) -> bool {
        !self.deaf.is_empty() && self.deaf.contains(&(from, self.node(to).device()))
    }

    /// Whether a frame on its way between two devices is lost.
    pub(super) fn loses_frame(&mut self, from: DeviceId, to: DeviceId) -> bool {
        self.deaf.contains(&(from, to)) || self.chance(self.options.frames_lost_percent)
    }

    /// The asker of a request that will not be answered hears of that in the end.
    pub(super) fn give_up_later(&mut self, to: NodeId, life: u32, request: RequestId) {
        let at = (self.now.plus_ms(REQUEST_MS_MAX), self.number());
        self.due.insert(at, Due::GiveUp { to, life, request });
    }

    /// Puts something under way.
    pub(crate) fn send_later(&mut self, due: Due) {
        let ms = match &due {
            Due::Persisted { .. } => self.random(self.options.disk_ms_max + 1),
            _ => 1 + self.random(self.options.latency_ms_max),
        };
        let late =
            matches!(due, Due::Gossip { .. }) && self.chance(self.options.gossip_late_percent);
        let ms = if late { ms + self.random(3_000) } else { ms };
        let at = (self.now.plus_ms(ms), self.number());
        self.due.insert(at, due);
    }

    pub(crate) fn send_gossip(&mut self, due: Due) {
        if self.chance(self.options.gossip_lost_percent) {
            return;
        }
        if self.chance(self.options.gossip_twice_percent) {
            self.send_later(due.clone());
        }
        self.send_later(due);
    }
}
