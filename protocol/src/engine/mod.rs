//! The engine: one node's protocol, without IO.
//!
//! Grammar of the border. [`Engine::handle`] takes what happened outside; [`Engine::poll`]
//! gives what is to be done outside, one effect at a time, in order; [`Engine::next_timeout`]
//! says when to hand in [`Input::Tick`]. All other methods look and change nothing.
//!
//! Durable before visible: everything that one `handle` writes is one [`Batch`]. Effects are
//! stamped with the newest batch at their time and come out only when it is durable; only
//! [`Effect::Persist`] itself comes out at once, so that a store can commit many at a time, and
//! with it the questions of a running pull, which tell nothing.

mod about;
mod addresses;
mod admin;
mod alarms;
mod audit;
mod authoring;
mod checks;
mod command;
mod commands;
mod control;
mod copied;
mod damage;
mod device_removal;
mod devices;
mod entropy;
mod epochs;
mod forks;
mod heads;
mod heard;
mod incomplete;
mod instants;
mod introduction;
mod io;
mod joining;
mod keys;
mod load;
mod messages;
mod moves;
mod naming;
mod presence;
mod preview;
mod principals;
mod pulling;
mod queries;
mod reading;
mod refusing;
mod reports;
mod rows;
mod serving;
mod settings;
mod syncing;
mod targets;
mod transcript;
mod window;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

pub use audit::{AuditFilter, AuditPage};
pub use command::{Command, Failure, FailureKind, Outcome, Signer};
pub use epochs::SealJob;
pub use io::{
    Batch, BatchId, CommandId, Effect, Event, GossipToken, GossipVerdict, Input, PeerPolicy,
    Reader, RequestId, ResponseToken, Table, Write,
};
pub use keys::UNREADABLE;
pub use reading::PageAt;
pub use settings::{Draft, Settings};
pub use transcript::TranscriptPlan;

use entropy::Entropy;
use joining::{Approval, JoinClient};
use syncing::{Asked, Peer};

use crate::confirmed::ConfirmedDevices;
use crate::control::ControlLog;
use crate::id::{AgentId, CompanyId, DeviceId, MessageId, ObjectId, RoomId, Topic};
use crate::join::JoinDesk;
use crate::keys::DeviceKeys;
use crate::limits::RECONCILE_EVERY_MS;
use crate::room::{RoomLog, Waiting};
use crate::signed::Checked;
use crate::time::Timestamp;
use crate::topic::TopicSecret;
use crate::vault::Vault;

/// What an engine is started with.
pub struct EngineConfig {
    /// This device's keys.
    pub keys: DeviceKeys,
    /// What seals rows of the store that hold keys or words.
    pub vault: Vault,
    /// Fresh randomness.
    pub seed: [u8; 32],
    /// What the store holds.
    pub reader: Arc<dyn Reader>,
    /// The request to join that the user made, if this device is not a member yet.
    pub join: Option<JoinWish>,
    /// Whether what the store holds may be older than what this device has signed.
    pub copied: bool,
}

/// What a user asks for who wants to be let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinWish {
    /// The name to be known by.
    pub agent: String,
    /// Only this company, by name or id.
    pub company: Option<String>,
    /// It is another device of the agent of that name, all of whose other devices are lost.
    pub lost: bool,
}

/// An open room.
#[derive(Debug, Default)]
struct Room {
    log: RoomLog,
    /// This device's newest `Enter`, once known.
    entered: Option<(MessageId, crate::envelope::EnterBody)>,
    /// When to begin an epoch in the place of one that gave this device another key.
    rekey_at: Option<Timestamp>,
    /// When that was done last.
    rekeyed: Option<Timestamp>,
    /// When to seal what a removal left without acknowledgement.
    seal_at: Option<Timestamp>,
    /// Since when it is open to this agent, if that began after the start.
    opened: Option<Timestamp>,
    /// Whether the room has been compared with another device since the start.
    compared: bool,
    /// `Enter`s that were refused under the present control log; bounded.
    refused_enters: BTreeMap<MessageId, io::GossipVerdict>,
    /// Messages by authors who have lost access, that running pulls brought, with the peers:
    /// taken back at the end of the last unless something acknowledges them.
    unacknowledged: BTreeMap<MessageId, BTreeSet<DeviceId>>,
    /// Bytes that came since there were none of them.
    unacknowledged_bytes: usize,
}

/// An address record with its bytes.
#[derive(Clone, Debug)]
struct KnownAddresses {
    issued: Timestamp,
    addresses: Vec<String>,
    bytes: Vec<u8>,
    /// Since when, and how many changes were taken since then.
    changes: (Timestamp, u32),
    /// The newest record that came when there had been too many changes; taken later.
    later: Option<(Timestamp, Vec<u8>)>,
}

/// One node's protocol state. See the module's documentation.
pub struct Engine {
    now: Timestamp,
    keys: DeviceKeys,
    vault: Vault,
    reader: Arc<dyn Reader>,
    entropy: Entropy,
    /// The company's log; for a newcomer that has been admitted it is not durable before it
    /// certifies this device.
    control: Option<ControlLog>,
    member: bool,
    rooms: BTreeMap<RoomId, Room>,
    /// Rooms that this agent may access, by topic.
    topics: BTreeMap<Topic, RoomId>,
    policy: PeerPolicy,
    peers: BTreeMap<DeviceId, Peer>,
    /// Who is in which topic, as far as direct connections show.
    in_topic: BTreeMap<Topic, BTreeSet<DeviceId>>,
    presence: presence::Presence,
    key_requests: keys::KeyRequests,
    settings: Settings,
    /// Texts that the user has begun to write.
    drafts: BTreeMap<RoomId, String>,
    listening: Vec<String>,
    addresses: BTreeMap<DeviceId, KnownAddresses>,
    join: Option<JoinClient>,
    desk: JoinDesk,
    /// Devices of this agent that wait for an admin, or of any agent, at an admin.
    confirmed: ConfirmedDevices,
    approvals: BTreeMap<RequestId, Approval>,
    requests: BTreeMap<RequestId, Asked>,
    /// Objects that peers have been asked for.
    fetching: BTreeMap<ObjectId, (DeviceId, Timestamp)>,
    /// Until when a room is not pulled from a device whose last pulls had to be taken back, and how
    /// often that was so.
    pauses: BTreeMap<(DeviceId, RoomId), (Timestamp, u32)>,
    /// When to look again at what pulls left to each other.
    pull_again_at: Option<Timestamp>,
    heads: heads::Heads,
    /// Devices that have signed two messages at one place, each with a proof.
    forks: BTreeMap<DeviceId, forks::Fork>,
    copied: copied::Copied,
    instants: instants::Instants,
    /// Whether the control log has been compared with another device since the start.
    control_compared: bool,
    last_request: u64,
    /// Gossip verdicts of parked control objects, each with its deadline.
    parked_verdicts: BTreeMap<ObjectId, (GossipToken, Timestamp)>,
    /// Acknowledgements to authors of messages that are held here, and when to send them.
    receipts: BTreeMap<DeviceId, BTreeMap<RoomId, Vec<MessageId>>>,
    receipts_at: Option<Timestamp>,
    reports: reports::Reports,
    /// Void control objects that running pulls brought, with the peers.
    void_brought: BTreeMap<ObjectId, BTreeSet<DeviceId>>,
    /// Devices that are not in the log and have shown a good chain to it.
    introduced: BTreeMap<DeviceId, ObjectId>,
    reconcile_at: Timestamp,
    /// How often the slow timer has chosen a member.
    reconcile_round: u64,
    verdicts: BTreeMap<&'static str, u64>,
    /// Messages whose batch is not durable yet, so not in the reader either.
    in_flight: BTreeMap<MessageId, (BatchId, Vec<u8>)>,
    /// Messages that had waited and are to be judged now.
    to_judge: VecDeque<(RoomId, Waiting)>,
    judging: bool,
    /// Waiting messages that are shown.
    incomplete: BTreeSet<MessageId>,
    /// When to look for more that should be.
    incomplete_at: Option<Timestamp>,
    /// Checked objects of the input that is being taken, in order.
    checked: VecDeque<Checked>,
    windows: window::Windows,
    writes: Vec<Write>,
    staged: Vec<Effect>,
    batches: VecDeque<Batch>,
    effects: VecDeque<(BatchId, Effect)>,
    /// Effects that need not wait for any batch.
    at_once: VecDeque<Effect>,
    last_batch: BatchId,
    persisted: BatchId,
    damaged: damage::Damaged,
}

impl Engine {
    /// Takes in what happened outside at `now`.
    pub fn handle(&mut self, now: Timestamp, input: Input) {
        if now < self.now {
            self.clock_went_back(self.now.ms_since(now));
        }
        self.now = now;
        self.take(input);
        self.go_on_after_copy();
        self.commit();
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Connected { peer } => self.connected(peer),
            Input::Disconnected { peer } => self.disconnected(peer),
            Input::TopicPeer { peer, topic, joined } => self.topic_peer(peer, topic, joined),
            Input::Gossip { peer, token, topic, bytes } => self.gossip(peer, token, topic, &bytes),
            Input::Request { peer, token, frame } => self.serve(peer, token, &frame),
            Input::Response { request, frame } => self.response(request, frame.as_deref()),
            Input::Listening { addresses } => self.listening_on(addresses),
            Input::Command { id, command } => self.command(id, command),
            Input::Persisted { batch } => self.batch_persisted(batch),
            Input::Sealed { room, epoch, parts } => self.keys_sealed(room, epoch, parts),
            Input::Behind { peer } => self.fell_behind(peer),
            Input::Checked { objects, input } => {
                // One in another would let the stack grow with what arrives.
                if !matches!(*input, Input::Checked { .. }) {
                    self.checked = objects.into();
                    self.take(*input);
                    self.checked.clear();
                }
            }
            Input::Stopping => self.say_goodbye(),
            Input::Tick => self.tick(),
        }
    }

    /// What the caller has found out about an object of the input that is being taken.
    fn take_check(&mut self, bytes: &[u8]) -> Option<Checked> {
        let place = self.checked.iter().position(|checked| checked.is_of(bytes))?;
        self.checked.drain(..=place).next_back()
    }

    /// The next thing to do outside, if there is one.
    pub fn poll(&mut self) -> Option<Effect> {
        if let Some(batch) = self.batches.pop_front() {
            return Some(Effect::Persist(batch));
        }
        if let Some(effect) = self.at_once.pop_front() {
            return Some(effect);
        }
        if self.effects.front().is_some_and(|(after, _)| *after <= self.persisted) {
            return self.effects.pop_front().map(|(_, effect)| effect);
        }
        None
    }

    /// When [`Input::Tick`] is due at the latest.
    #[must_use]
    pub fn next_timeout(&self) -> Timestamp {
        let rooms = self.rooms.values();
        let seals = rooms.clone().flat_map(|room| [room.seal_at, room.rekey_at]).flatten();
        let verdicts = rooms.filter_map(|room| room.log.held.next_due());
        let parked = self.parked_verdicts.values().map(|(_, until)| *until);
        let join = self.join.as_ref().and_then(JoinClient::next_timeout);
        seals
            .chain(verdicts)
            .chain(parked)
            .chain(join)
            .chain(self.receipts_at)
            .chain(self.incomplete_at)
            .chain(self.pull_again_at)
            .chain(self.heads.due())
            .chain(self.copied.due())
            .chain(self.report_due())
            .chain(self.presence_due())
            .chain(self.key_requests.due())
            .min()
            .map_or(self.reconcile_at, |next| next.min(self.reconcile_at))
    }

    /// The newest batch; what queries show may depend on it.
    #[must_use]
    pub fn last_batch(&self) -> BatchId {
        self.last_batch
    }

    /// The newest batch that is known to be durable.
    #[must_use]
    pub fn persisted(&self) -> BatchId {
        self.persisted
    }

    /// The time of the last input.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// This device.
    #[must_use]
    pub fn device(&self) -> DeviceId {
        self.keys.device()
    }

    /// The wall clock was set back: what was due in a while is due in the same while.
    fn clock_went_back(&mut self, ms: u64) {
        self.reconcile_at = self.reconcile_at.minus_ms(ms);
        self.receipts_at = self.receipts_at.map(|at| at.minus_ms(ms));
        self.incomplete_at = self.incomplete_at.map(|at| at.minus_ms(ms));
        self.pull_again_at = self.pull_again_at.map(|at| at.minus_ms(ms));
        for room in self.rooms.values_mut() {
            room.seal_at = room.seal_at.map(|at| at.minus_ms(ms));
            room.rekey_at = room.rekey_at.map(|at| at.minus_ms(ms));
            room.rekeyed = room.rekeyed.map(|at| at.minus_ms(ms));
            room.log.held.clock_went_back(ms);
        }
        for (_, until) in self.parked_verdicts.values_mut() {
            *until = until.minus_ms(ms);
        }
        if let Some(join) = self.join.as_mut() {
            join.clock_went_back(ms);
        }
        self.reports.clock_went_back(ms);
        self.presence.clock_went_back(ms);
        self.key_requests.clock_went_back(ms);
        self.heads.clock_went_back(ms);
        self.windows.clock_went_back(ms);
        for peer in self.peers.values_mut() {
            peer.penalty_until = peer.penalty_until.map(|until| until.minus_ms(ms));
        }
        for (until, _) in self.pauses.values_mut() {
            *until = until.minus_ms(ms);
        }
        for (_, since) in self.fetching.values_mut() {
            *since = since.minus_ms(ms);
        }
        self.copied.clock_went_back(ms);
        self.desk.clock_went_back(ms);
        self.confirmed.clock_went_back(ms);
    }

    fn tick(&mut self) {
        self.expire_verdicts();
        self.seal_what_is_due();
        self.rekey_what_is_due();
        self.ask_for_keys_if_due();
        self.send_receipts_if_due();
        self.show_incomplete_if_due();
        self.pull_again_if_due();
        self.go_on_with_heads();
        self.report_if_due();
        self.presence_tick();
        self.settle_instants();
        self.join_tick();
        if self.reconcile_at <= self.now {
            let jitter = self.entropy.below(RECONCILE_EVERY_MS / 2);
            self.reconcile_at = self.now.plus_ms(RECONCILE_EVERY_MS + jitter);
            self.take_later_addresses();
            self.repair_damaged();
            self.repeat_confirmed();
            self.reconcile_with_someone();
        }
    }

    fn batch_persisted(&mut self, batch: BatchId) {
        self.persisted = self.persisted.max(batch);
        let persisted = self.persisted;
        self.in_flight.retain(|_, (after, _)| *after > persisted);
    }

    /// Makes one batch of all writes since the last, and stamps the effects with it.
    fn commit(&mut self) {
        if !self.writes.is_empty() {
            self.last_batch = BatchId(self.last_batch.0 + 1);
            let writes = std::mem::take(&mut self.writes);
            self.batches.push_back(Batch { id: self.last_batch, writes });
        }
        let after = self.last_batch;
        self.effects.extend(self.staged.drain(..).map(|effect| (after, effect)));
    }

    fn emit(&mut self, effect: Effect) {
        self.staged.push(effect);
    }

    fn write(&mut self, table: Table, key: impl Into<Vec<u8>>, value: Vec<u8>) {
        self.writes.push(Write { table, key: key.into(), value: Some(value) });
    }

    fn count(&mut self, reason: &'static str) {
        *self.verdicts.entry(reason).or_default() += 1;
    }

    fn verdict(&mut self, token: GossipToken, verdict: GossipVerdict) {
        self.emit(Effect::Verdict { token, verdict });
    }

    fn company(&self) -> Option<CompanyId> {
        self.control.as_ref().map(ControlLog::company)
    }

    /// What the names of topics are made of, if this device knows its company.
    fn topic_names(&self) -> Option<TopicSecret> {
        self.control.as_ref().and_then(ControlLog::topics)
    }

    /// This device's agent, if it is a member.
    fn me(&self) -> Option<AgentId> {
        let control = self.control.as_ref().filter(|_| self.member)?;
        control.access().agent_of(self.keys.device())
    }

    /// Whether the control log certifies a device.
    fn is_member(&self, device: DeviceId) -> bool {
        self.member && self.control.as_ref().is_some_and(|c| c.access().agent_of(device).is_some())
    }

    /// Whether both this device and another may access a room.
    fn shares_room(&self, device: DeviceId, room: RoomId) -> bool {
        self.control.as_ref().is_some_and(|control| {
            control.access().device_has_access(device, room)
                && control.access().device_has_access(self.keys.device(), room)
        })
    }

    fn connected_members(&self) -> Vec<DeviceId> {
        self.peers.keys().copied().filter(|peer| self.is_member(*peer)).collect()
    }
}
