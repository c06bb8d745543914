//! Nobody outside a room can read what was written without them: property P10.
//!
//! An adversary sits at every device. It has all ciphertext there is, keeps every key that was ever
//! sealed for it in an honest member's `EpochKeys` or given to it by an honest node, and follows
//! wrapped keys. What a malicious member with access gives away nobody can prevent: that is left
//! out.
//!
//! A message is private from a device that had no access in its author's control log when it was
//! written. The device may have its key only if somebody gave it that key who knew of all that the
//! author knew and still let it in: judged by both logs together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use conclave_protocol::control::ControlLog;
use conclave_protocol::crypt::{EpochKey, SealedKey, SealingContext};
use conclave_protocol::envelope::{Envelope, EnvelopeKind};
use conclave_protocol::id::{AgentId, DeviceId, MessageId, ObjectId, RoomId};
use conclave_protocol::keys::DeviceKeys;
use conclave_protocol::object::HistoryPolicy;
use conclave_protocol::signed::{Trust, Verified};
use conclave_protocol::sync::Response;

use super::access::{Known, log_of};
use super::{Checker, Made};
use crate::forge;
use crate::world::{NodeId, World};

/// The ids of what a node held of the control log at one time.
pub(super) type Held = Arc<BTreeSet<ObjectId>>;

/// A text of an honest node.
struct Written {
    message: MessageId,
    room: RoomId,
    /// Devices with access, in the author's own log.
    allowed: BTreeSet<DeviceId>,
    agents: BTreeSet<AgentId>,
    history: HistoryPolicy,
    held: Held,
}

/// A key that an honest node let a device have.
struct Given {
    to: DeviceId,
    room: RoomId,
    epoch: MessageId,
    /// None if the device itself has begun the epoch.
    sealed: Option<SealedKey>,
    by: NodeId,
    has_access: bool,
    held: Held,
}

/// What has been seen of keys and of what they protect.
#[derive(Default)]
pub(super) struct Private {
    written: Vec<Written>,
    given: Vec<Given>,
    /// Every control object that a node ever stored.
    objects: BTreeMap<ObjectId, Vec<u8>>,
}

impl Private {
    pub(super) fn learn_objects(&mut self, objects: &BTreeMap<ObjectId, Vec<u8>>) {
        for (id, bytes) in objects {
            self.objects.entry(*id).or_insert_with(|| bytes.clone());
        }
    }

    /// An honest node writes a text.
    pub(super) fn writes(&mut self, message: MessageId, envelope: &Envelope, known: &Known) {
        let room = envelope.room;
        let Some(log) = known.log() else { return };
        let made = log.access().rooms().get(&room).map(|info| info.history);
        let history = made.unwrap_or(HistoryPolicy::Full);
        let (allowed, agents) = with_access(known, room);
        let held = known.held();
        self.written.push(Written { message, room, allowed, agents, history, held });
    }

    /// What a node learnt in the batch in which it wrote these texts: it may have known it then.
    pub(super) fn also_knew(&mut self, texts: &[MessageId], known: &Known) {
        for written in self.written.iter_mut().rev().take(texts.len()) {
            let (allowed, agents) = with_access(known, written.room);
            written.allowed.extend(allowed);
            written.agents.extend(agents);
        }
    }

    fn gives(
        &mut self,
        (by, known): (NodeId, &Known),
        to: DeviceId,
        (room, epoch): (RoomId, MessageId),
        sealed: Option<SealedKey>,
    ) {
        let has_access = known.log().is_some_and(|log| log.access().device_has_access(to, room));
        let held = known.held();
        self.given.push(Given { to, room, epoch, sealed, by, has_access, held });
    }

    /// An honest node begins an epoch or hands out its key.
    pub(super) fn hands_out(&mut self, by: NodeId, id: MessageId, made: &Made, known: &Known) {
        let envelope = &made.envelope;
        if envelope.kind == EnvelopeKind::EpochStart {
            self.gives((by, known), envelope.device, (envelope.room, id), None);
        }
        for key in envelope.epoch_keys().into_iter().flat_map(|keys| {
            let epoch = keys.epoch;
            keys.keys.into_iter().map(move |key| (epoch, key))
        }) {
            let (epoch, key) = key;
            self.gives((by, known), key.device, (envelope.room, epoch), Some(key.sealed));
        }
    }
}

/// The devices and agents with access to a room.
fn with_access(known: &Known, room: RoomId) -> (BTreeSet<DeviceId>, BTreeSet<AgentId>) {
    let Some(access) = known.log().map(ControlLog::access) else { return Default::default() };
    let devices = access.devices().keys().copied();
    let devices = devices.filter(|device| access.device_has_access(*device, room));
    (devices.collect(), access.with_access(room))
}

impl World {
    /// An answer leaves a node.
    pub(in crate::world) fn check_answer(&mut self, id: NodeId, to: DeviceId, frame: &[u8]) {
        self.with_checker(|checker, _| checker.answers(id, to, frame));
    }

    /// Nobody can read what was written without them, with all keys that they ever got.
    pub fn judge_private(&mut self) {
        self.with_checker(|checker, world| checker.judge_private(world));
    }

    /// How often something happened that the checker counts.
    #[must_use]
    pub fn counted(&self, what: &str) -> u64 {
        let checker = self.checker.as_ref();
        checker.and_then(|checker| checker.counts.get(what)).copied().unwrap_or(0)
    }

    fn keys_of_device(&self, device: DeviceId) -> Option<DeviceKeys> {
        let puppet = self.puppets.get(&device).map(|puppet| puppet.keys.clone());
        puppet.or_else(|| Some(self.node(self.by_device(device)?).keys()))
    }
}

impl Checker {
    fn answers(&mut self, id: NodeId, to: DeviceId, frame: &[u8]) {
        let Ok(Response::EpochKeys { keys }) = Response::decode(frame) else { return };
        self.count("answers to who asked for keys");
        for given in keys {
            let start =
                Verified::<Envelope>::envelope(&given.start.0, self.company, Trust::Nothing);
            let Ok(start) = start else { panic!("a node gave a key for what is no epoch") };
            let place = (start.value().room, start.id());
            self.count("keys given to who asked");
            let known = &self.nodes.entry(id).or_default().known;
            self.private.gives((id, known), to, place, Some(given.sealed));
        }
    }

    /// All keys that one gives, with the one itself, by following what honest members wrapped.
    fn opened_by(
        &self,
        room: RoomId,
        epoch: MessageId,
        key: EpochKey,
    ) -> Vec<(MessageId, EpochKey)> {
        let mut all = vec![(epoch, key)];
        let mut at = 0;
        while let Some((later, key)) = all.get(at).cloned() {
            at += 1;
            let Some(made) = self.made.get(&later).filter(|made| !made.by_liar) else { continue };
            for previous in made.envelope.epoch_start().into_iter().flat_map(|s| s.previous) {
                let opened = previous.wrapped.as_ref();
                let opened = opened.and_then(|w| key.unwrap_key(room, previous.epoch, w));
                if let Some(opened) = opened
                    && all.iter().all(|(id, _)| *id != previous.epoch)
                {
                    all.push((previous.epoch, opened));
                }
            }
        }
        all
    }

    pub(super) fn judge_private(&mut self, world: &World) {
        let mut by_epoch: BTreeMap<MessageId, Vec<&Written>> = BTreeMap::new();
        for written in &self.private.written {
            let epoch = self.made.get(&written.message).and_then(|made| made.envelope.epoch);
            by_epoch.entry(epoch.unwrap_or_default()).or_default().push(written);
        }
        let mut opened: BTreeMap<(RoomId, MessageId), Vec<(MessageId, EpochKey)>> = BTreeMap::new();
        let mut logs: BTreeMap<(usize, usize), ControlLog> = BTreeMap::new();
        let (mut kept, mut later) = (0, 0);
        let mut read: BTreeSet<(DeviceId, MessageId)> = BTreeSet::new();
        for given in &self.private.given {
            let (room, epoch) = (given.room, given.epoch);
            let Some(key) = self.key_of(world, given) else { continue };
            let keys =
                opened.entry((room, epoch)).or_insert_with(|| self.opened_by(room, epoch, key));
            for (epoch, key) in keys.iter() {
                for written in by_epoch.get(epoch).into_iter().flatten() {
                    if written.room != room || written.allowed.contains(&given.to) {
                        continue;
                    }
                    if read.contains(&(given.to, written.message)) {
                        continue;
                    }
                    let place =
                        (Arc::as_ptr(&written.held) as usize, Arc::as_ptr(&given.held) as usize);
                    let knows_all = given.held.is_superset(&written.held);
                    let let_in = if knows_all && written.history == HistoryPolicy::Full {
                        given.has_access
                    } else {
                        let log = logs.entry(place).or_insert_with(|| {
                            let ids = written.held.union(&given.held);
                            let all = ids.filter_map(|id| self.private.objects.get(id));
                            log_of(self.company, all, &self.instants)
                        });
                        let agent = log.access().agent_of(given.to);
                        log.access().device_has_access(given.to, room)
                            && (written.history == HistoryPolicy::Full
                                || agent.is_some_and(|agent| written.agents.contains(&agent)))
                    };
                    if let_in {
                        later += 1;
                        read.insert((given.to, written.message));
                        continue;
                    }
                    let text = self.made[&written.message].envelope.text(key);
                    let name = |device| match world.by_device(device) {
                        Some(id) => world.node(id).name.clone(),
                        None => format!("{device:?}"),
                    };
                    assert!(
                        text.is_none(),
                        "P10: {} can read {text:?} by {} in {room:?} ({:?}), which was written \
                         without it: {} let it have the key of {:?}",
                        name(given.to),
                        name(self.made[&written.message].envelope.device),
                        written.history,
                        world.node(given.by).name,
                        given.epoch,
                    );
                }
            }
        }
        let devices: BTreeSet<DeviceId> = self.private.given.iter().map(|g| g.to).collect();
        for written in &self.private.written {
            kept +=
                devices.iter().filter(|device| !written.allowed.contains(device)).count() as u64;
        }
        *self.counts.entry("texts kept from devices with other keys").or_default() += kept;
        *self.counts.entry("texts that devices may read since they were let in").or_default() +=
            later;
    }

    fn key_of(&self, world: &World, given: &Given) -> Option<EpochKey> {
        let Some(sealed) = &given.sealed else {
            return forge::epoch_key(given.room, given.epoch);
        };
        let context = SealingContext {
            company: self.company,
            room: given.room,
            epoch: given.epoch,
            device: given.to,
        };
        world.keys_of_device(given.to)?.sealing_secret().open(&context, sealed)
    }

    /// All honest texts that are accepted can be read by all who may: `read` is what these nodes
    /// show. Gives how many texts nodes do not show since they were written before they came.
    pub(super) fn judge_reading(
        &self,
        world: &World,
        log: &ControlLog,
        room: RoomId,
        accepted: &BTreeSet<MessageId>,
        read: &[(NodeId, BTreeSet<MessageId>)],
    ) -> u64 {
        let mut closed = 0;
        for written in self.private.written.iter().filter(|w| accepted.contains(&w.message)) {
            let author = self.made[&written.message].envelope.device;
            let readers =
                |(_, shown): &&(NodeId, BTreeSet<MessageId>)| shown.contains(&written.message);
            // With its last reader a key may be gone for good.
            let author_is_here = read.iter().any(|(id, _)| world.node(*id).device() == author);
            let anybody = author_is_here || read.iter().any(|one| readers(&one));
            for (id, shown) in read {
                let agent = log.access().agent_of(world.node(*id).device());
                let may = written.history == HistoryPolicy::Full
                    || agent.is_some_and(|agent| written.agents.contains(&agent));
                let name = &world.node(*id).name;
                if may && anybody {
                    assert!(
                        shown.contains(&written.message) || self.nodes[id].damaged,
                        "readable: {name} cannot read {:?} of {room:?} ({:?}) under {:?}, which a \
                         liar began: {:?}",
                        written.message,
                        written.history,
                        self.made[&written.message].envelope.epoch,
                        self.made[&written.message]
                            .envelope
                            .epoch
                            .and_then(|epoch| self.made.get(&epoch))
                            .map(|made| made.by_liar),
                    );
                }
                if !may {
                    closed += 1;
                }
            }
        }
        closed
    }
}
