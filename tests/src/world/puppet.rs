//! A peer without an engine: it serves what a test gives it, whatever the rules say.

use std::collections::BTreeMap;

use conclave_protocol::engine::{GossipToken, Input, ResponseToken};
use conclave_protocol::id::{DeviceId, ObjectId, Topic};
use conclave_protocol::keys::DeviceKeys;
use conclave_protocol::signed::peek_id;
use conclave_protocol::sync::{
    Blob, Bound, Items, Request, Response, RoomSummary, Scope, answer_list, answer_newest,
    answer_ranges, fingerprint_of_range,
};

use super::lies::Lie;
use super::node::{keys_of, seed_of};
use super::{NodeId, World};

/// See the module's documentation.
#[derive(Clone)]
pub struct Puppet {
    /// Its keys.
    pub keys: DeviceKeys,
    /// What it says that it holds.
    pub sets: BTreeMap<Scope, Items>,
    /// What it hands out.
    pub bytes: BTreeMap<ObjectId, Vec<u8>>,
    /// If set, every answer of it.
    pub garbage: Option<Vec<u8>>,
    /// What it does with its answers.
    pub lie: Lie,
    /// What it was handed unasked.
    pub pushed: Vec<Blob>,
}

impl Puppet {
    /// Adds an object to a set.
    pub fn hold(&mut self, scope: Scope, height: u64, bytes: &[u8]) {
        let id = peek_id(bytes).unwrap_or_default();
        self.sets.entry(scope).or_default().insert((height, id));
        self.bytes.insert(id, bytes.to_vec());
    }

    fn summary(&self, scope: Scope) -> RoomSummary {
        let empty = Items::new();
        let items = self.sets.get(&scope).unwrap_or(&empty);
        let (count, fingerprint) = fingerprint_of_range(items, Bound::MIN, Bound::MAX);
        let room = match scope {
            Scope::Room(room) | Scope::Waiting(room) => room,
            Scope::Control => Default::default(),
        };
        RoomSummary { room, count, fingerprint }
    }

    /// Nothing, if the answer never comes.
    pub(super) fn answer(&mut self, frame: &[u8]) -> Option<Vec<u8>> {
        if let Some(garbage) = &self.garbage {
            return Some(garbage.clone());
        }
        let empty = Items::new();
        let set = |scope| self.sets.get(&scope).unwrap_or(&empty);
        let response = match Request::decode(frame) {
            Ok(Request::Summary) => {
                let rooms = self.sets.keys().filter(|s| matches!(s, Scope::Room(_)));
                Response::Summary {
                    control: self.summary(Scope::Control),
                    rooms: rooms.map(|scope| self.summary(*scope)).collect(),
                    waiting: Vec::new(),
                }
            }
            Ok(Request::Ranges { scope, lower, upper }) => answer_ranges(set(scope), lower, upper),
            Ok(Request::List { scope, lower, upper }) => answer_list(set(scope), lower, upper),
            Ok(Request::Newest { scope }) => answer_newest(set(scope)),
            Ok(Request::Instants { .. }) => Response::Instants { rooms: Vec::new(), next: None },
            Ok(Request::Heads { room }) => answer_newest(set(Scope::Room(room))),
            Ok(Request::Get { ids, .. }) => {
                let held = ids.iter().filter_map(|id| self.bytes.get(id).cloned().map(Blob));
                let mut size = 0;
                let objects: Vec<Blob> = held
                    .take_while(|blob| {
                        size += blob.0.len();
                        size <= 256 * 1024
                    })
                    .collect();
                let done = ids.len().min(objects.len().max(1)) as u64;
                let all = ids.iter().all(|id| self.bytes.contains_key(id));
                Response::Objects { objects, done: if all { done } else { ids.len() as u64 } }
            }
            Ok(Request::Push { objects, .. }) => {
                self.pushed.extend(objects);
                Response::Ack
            }
            _ => Response::Ack,
        };
        self.lie.bend(self, response)
    }
}

impl World {
    /// Keys that no node has, by name.
    #[must_use]
    pub fn outsider(&self, name: &str) -> DeviceKeys {
        keys_of(&seed_of(name, self.seed))
    }

    /// Makes a puppet with these keys and connects it with a node.
    pub fn puppet(&mut self, keys: &DeviceKeys, with: NodeId) -> DeviceId {
        let device = keys.device();
        let (sets, bytes) = (BTreeMap::new(), BTreeMap::new());
        let puppet = Puppet {
            keys: keys.clone(),
            sets,
            bytes,
            garbage: None,
            lie: Lie::None,
            pushed: Vec::new(),
        };
        self.puppets.entry(device).or_insert(puppet);
        let with = self.node(with).device();
        self.connect_devices(device, with);
        device
    }

    /// A puppet, to change what it holds.
    pub fn puppet_mut(&mut self, device: DeviceId) -> &mut Puppet {
        match self.puppets.get_mut(&device) {
            Some(puppet) => puppet,
            None => panic!("{device:?} is no puppet"),
        }
    }

    /// Hands a node a gossip message as if `peer` had passed it on.
    pub fn inject_gossip(
        &mut self,
        to: NodeId,
        peer: DeviceId,
        topic: Topic,
        bytes: &[u8],
    ) -> GossipToken {
        let id = peek_id(bytes).unwrap_or_default();
        self.hand_gossip(peer, to, topic, id, bytes.to_vec())
    }

    /// Hands a node a request as if `peer` had sent it.
    pub fn inject_request(&mut self, to: NodeId, peer: DeviceId, frame: Vec<u8>) -> ResponseToken {
        let token = ResponseToken(self.number());
        self.nodes[to.0].asked_by.insert(token, peer);
        self.input(to, Input::Request { peer, token, frame });
        token
    }

    /// Asks a node as `peer`, and waits for the answer.
    pub fn ask_as(&mut self, to: NodeId, peer: DeviceId, request: &Request) -> Response {
        let token = self.inject_request(to, peer, request.encode());
        self.until("a response", 5_000, |w| w.node(to).responses.contains_key(&token));
        let frame = &self.node(to).responses[&token];
        match Response::decode(frame) {
            Ok(response) => response,
            Err(error) => panic!("a node sent a malformed response: {error}"),
        }
    }
}

/// Puppets that stand in for nodes.
impl World {
    /// A puppet with a node's keys and nothing else.
    #[must_use]
    pub fn empty_puppet(&self, id: NodeId) -> Puppet {
        let keys = self.node(id).keys();
        Puppet {
            keys,
            sets: BTreeMap::new(),
            bytes: BTreeMap::new(),
            garbage: None,
            pushed: Vec::new(),
            lie: Lie::None,
        }
    }

    /// Lets a puppet answer for the key of a node that is down.
    pub fn replace_by_puppet(&mut self, id: NodeId, puppet: Puppet) {
        assert!(!self.is_up(id), "the node itself would answer");
        self.puppets.insert(puppet.keys.device(), puppet);
    }

    /// Connects a device that has no node that is up with one that has.
    pub fn connect_device(&mut self, device: DeviceId, with: NodeId) {
        let with = self.node(with).device();
        self.connect_devices(device, with);
    }
}
