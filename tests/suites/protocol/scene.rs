//! What several modules begin with.

use std::sync::Arc;

use conclave_protocol::engine::{Effect, Engine, EngineConfig, Input, Table, Write};
use conclave_protocol::envelope::Envelope;
use conclave_protocol::id::{DeviceId, MessageId, RoomId};
use conclave_protocol::keys::DeviceKeys;
use conclave_protocol::sync::{Blob, Request, Scope};
use conclave_protocol::time::Timestamp;
use conclave_tests::forge::{self, Forged};
use conclave_tests::world::{NodeId, Options, World, disk::Disk};

/// Alice, admin, and others in the Department that the room "help" is open to. There is a
/// Department "Sales" too, which it is not open to.
pub fn team(seed: u64, names: &[&str]) -> (World, NodeId, Vec<NodeId>) {
    let mut w = World::new(seed, Options::CALM);
    let alice = w.found("Acme", "alice");
    w.department(alice, "Support");
    w.department(alice, "Sales");
    w.add_member(alice, "alice", "department:Support");
    w.room(alice, "help", &["department:Support"]);
    let others: Vec<NodeId> =
        names.iter().map(|name| w.join(alice, name, &["department:Support"])).collect();
    w.connect_all();
    w.agree();
    (w, alice, others)
}

/// The room "help".
pub fn help(w: &World, id: NodeId) -> RoomId {
    forge::room_id(w.engine(id), "help")
}

/// The newest message of "help" at a node.
pub fn newest(w: &World, id: NodeId) -> (MessageId, Envelope) {
    let all = forge::all_stored(w, id, help(w, id));
    let last = all.last().expect("the room holds something");
    (last.id(), last.value().clone())
}

/// A message with standing that no node can look up.
pub fn unjudgeable(w: &World, room: RoomId, keys: &DeviceKeys, body: String) -> Forged {
    let mut draft = forge::envelope(w.ledger().company, room, keys.device(), &[]);
    draft.body = body.into_bytes();
    forge::signed(keys, &draft)
}

/// How many messages of "help" wait at a node.
pub fn waiting(w: &World, id: NodeId) -> usize {
    let sync = w.room_status(id, "help").expect("open").sync;
    let digits: String = sync.chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}

/// Rows of messages that a node's disk holds durably.
pub fn rows(w: &World, id: NodeId) -> usize {
    w.disk(id).count(Table::Messages)
}

pub fn push(scope: Scope, objects: &[&Forged]) -> Request {
    Request::Push { scope, objects: objects.iter().map(|f| Blob(f.bytes.clone())).collect() }
}

/// Requests that a node sent to a puppet.
pub fn sent_to(w: &World, from: NodeId, puppet: DeviceId) -> Vec<Request> {
    let sent = w.node(from).sent_outside.iter().filter(|(to, _, _)| *to == puppet);
    sent.filter_map(|(_, _, frame)| Request::decode(frame).ok()).collect()
}

/// A node's key without its node: it answers, and holds nothing.
pub fn stand_in(w: &mut World, id: NodeId) -> DeviceId {
    w.crash(id);
    let puppet = w.empty_puppet(id);
    let device = puppet.keys.device();
    w.replace_by_puppet(id, puppet);
    device
}

/// A row to be put into a store: table, key, value.
pub type Row = (Table, Vec<u8>, Vec<u8>);

/// An engine over a copy of a node's disk, driven by hand; its disk is at once durable.
pub struct Hand {
    pub engine: Engine,
    pub disk: Arc<Disk>,
    pub now: Timestamp,
    /// All that was written.
    pub writes: Vec<Write>,
}

impl Hand {
    pub fn of(w: &World, id: NodeId, more: &[Row]) -> Self {
        let disk = Arc::new(Disk::new(false));
        for ((table, key), value) in w.disk(id).durable() {
            disk.put(table, &key, &value);
        }
        for (table, key, value) in more {
            disk.put(*table, key, value);
        }
        let keys = w.node(id).keys();
        let config = EngineConfig {
            keys,
            vault: w.node(id).vault(),
            seed: [1; 32],
            reader: disk.clone(),
            join: None,
            copied: false,
        };
        let mut hand =
            Self { engine: Engine::new(config, w.now()), disk, now: w.now(), writes: Vec::new() };
        hand.carry_out();
        hand.writes.clear();
        hand
    }

    /// What follows from an input, but for what is written.
    pub fn give(&mut self, input: Input) -> Vec<Effect> {
        self.engine.handle(self.now, input);
        self.carry_out()
    }

    fn carry_out(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        while let Some(effect) = self.engine.poll() {
            let Effect::Persist(batch) = effect else {
                effects.push(effect);
                continue;
            };
            let number = batch.id;
            self.writes.extend(batch.writes.iter().cloned());
            self.disk.write(batch);
            self.disk.make_durable(number);
            self.engine.handle(self.now, Input::Persisted { batch: number });
        }
        effects
    }
}
