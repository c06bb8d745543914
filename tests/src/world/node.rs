//! One node of the world: an engine, its disk, and the shell that the real node has round it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use conclave_protocol::engine::{
    CommandId, Engine, EngineConfig, Event, Failure, GossipToken, GossipVerdict, JoinWish, Outcome,
    PeerPolicy, RequestId, ResponseToken,
};
use conclave_protocol::id::{DeviceId, ObjectId, Topic};
use conclave_protocol::keys::DeviceKeys;
use conclave_protocol::time::Timestamp;
use conclave_protocol::vault::Vault;

use super::disk::Disk;

/// A gossip message whose verdict is open.
#[derive(Clone, Debug)]
pub(super) struct Arrived {
    pub(super) from: DeviceId,
    pub(super) topic: Topic,
    pub(super) id: ObjectId,
    pub(super) bytes: Vec<u8>,
    pub(super) at: Timestamp,
}

/// See the module's documentation.
pub struct Node {
    /// Its name, which is its agent's too.
    pub name: String,
    /// Its store.
    pub disk: Arc<Disk>,
    /// Answers to commands, since the node was made.
    pub answers: BTreeMap<CommandId, Result<Outcome, Failure>>,
    /// Events, since the last start.
    pub events: Vec<Event>,
    /// Every verdict, since the node was made.
    pub verdicts: BTreeMap<GossipToken, GossipVerdict>,
    /// Answers to requests of peers that are no nodes of the world.
    pub responses: BTreeMap<ResponseToken, Vec<u8>>,
    /// Who asked, of requests by such peers.
    pub(super) asked_by: BTreeMap<ResponseToken, DeviceId>,
    /// Frames sent to such peers.
    pub sent_outside: Vec<(DeviceId, RequestId, Vec<u8>)>,
    /// Addresses that it was told to dial, by device.
    pub addresses: BTreeMap<DeviceId, Vec<String>>,
    /// The join that it was started with.
    pub wish: Option<JoinWish>,
    /// Its disk holds an older copy of itself, and it has not learned yet what is missing.
    pub copied: bool,
    pub(super) seed: [u8; 32],
    device: DeviceId,
    pub(super) engine: Option<Engine>,
    /// Counts starts, so that what was meant for an earlier process is lost.
    pub(super) life: u32,
    /// How far its clock is off, in ms, and how often it was set.
    pub(super) clock: (i64, u32),
    pub(super) policy: PeerPolicy,
    /// Gossip ids that it has seen: de-duplication.
    pub(super) seen: BTreeSet<ObjectId>,
    pub(super) gossip: BTreeMap<GossipToken, Arrived>,
    pub(super) serving: BTreeMap<ResponseToken, (DeviceId, RequestId)>,
    pub(super) asked: BTreeMap<RequestId, DeviceId>,
    pub(super) presence: BTreeSet<(DeviceId, Topic)>,
}

/// The seed of a node's key: one per world and name.
pub fn seed_of(name: &str, salt: u64) -> [u8; 32] {
    let mut material = salt.to_be_bytes().to_vec();
    material.extend_from_slice(name.as_bytes());
    blake3::derive_key("conclave tests node seed", &material)
}

/// The keys that belong to a seed.
pub fn keys_of(seed: &[u8; 32]) -> DeviceKeys {
    DeviceKeys::new(seed, &blake3::derive_key("conclave tests sealing", seed))
}

impl Node {
    pub(super) fn new(name: &str, salt: u64, shows_pending: bool) -> Self {
        let seed = seed_of(name, salt);
        Self {
            name: name.to_owned(),
            disk: Arc::new(Disk::new(shows_pending)),
            answers: BTreeMap::new(),
            events: Vec::new(),
            verdicts: BTreeMap::new(),
            responses: BTreeMap::new(),
            asked_by: BTreeMap::new(),
            sent_outside: Vec::new(),
            addresses: BTreeMap::new(),
            wish: None,
            copied: false,
            seed,
            device: keys_of(&seed).device(),
            engine: None,
            life: 0,
            clock: (0, 0),
            policy: PeerPolicy::default(),
            seen: BTreeSet::new(),
            gossip: BTreeMap::new(),
            serving: BTreeMap::new(),
            asked: BTreeMap::new(),
            presence: BTreeSet::new(),
        }
    }

    /// Who may be in which topic, as it was last told.
    #[must_use]
    pub fn policy(&self) -> &PeerPolicy {
        &self.policy
    }

    /// Its keys; tests may sign with them what the node would not.
    #[must_use]
    pub fn keys(&self) -> DeviceKeys {
        keys_of(&self.seed)
    }

    /// What seals rows of its disk.
    #[must_use]
    pub fn vault(&self) -> Vault {
        Vault::new(&self.seed)
    }

    /// Its device.
    #[must_use]
    pub fn device(&self) -> DeviceId {
        self.device
    }

    pub(super) fn start(&mut self, now: Timestamp) {
        self.life += 1;
        let mut material = self.seed.to_vec();
        material.extend_from_slice(&self.life.to_be_bytes());
        let config = EngineConfig {
            keys: self.keys(),
            vault: self.vault(),
            seed: blake3::derive_key("conclave tests entropy", &material),
            reader: self.disk.clone(),
            join: self.wish.clone(),
            copied: self.copied,
        };
        self.engine = Some(Engine::new(config, now));
    }

    /// Forgets everything that a process holds in memory.
    pub(super) fn stop(&mut self) {
        self.engine = None;
        self.policy = PeerPolicy::default();
        self.seen.clear();
        self.gossip.clear();
        self.serving.clear();
        self.asked.clear();
        self.presence.clear();
        self.events.clear();
        self.disk.crash();
    }
}
