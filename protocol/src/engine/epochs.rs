//! Under which key this device writes, and handing a new one to the devices of a room.
//!
//! A room's key is replaced before the first content after a loss of access, by whoever writes it:
//! a room in which nobody writes costs nothing, however many are removed. The `EpochStart` and the
//! message go out at once; sealing the key for a thousand devices takes a while and is done
//! elsewhere, see [`SealJob`]. Who has the message before the key shows it when the key is there.

use std::collections::BTreeSet;

use zeroize::ZeroizeOnDrop;

use super::Engine;
use super::authoring::{Content, broken, not_a_member};
use super::command::Failure;
use super::io::{Effect, Input, Table};
use super::load::id_at;
use crate::control::{Access, ControlLog};
use crate::crypt::{EpochKey, SealingContext, SecretRng};
use crate::envelope::EnvelopeKind;
use crate::epoch::{DeviceKey, EpochKeys, EpochStart, PreviousEpoch, recipients_digest};
use crate::id::{AgentId, CompanyId, DeviceId, MessageId, ObjectId, RoomId};
use crate::limits::{
    EPOCH_AFTER_MAX, EPOCH_KEYS_PART_MAX, EPOCH_RECIPIENTS_MAX, REKEY_DELAY_MS_MAX,
    REKEY_SPACING_MS,
};
use crate::object::{HistoryPolicy, Payload};
use crate::room::Fitting;

/// Prefix of the keys of epochs in [`Table::State`]; room and epoch follow. Sealed by the vault.
const EPOCH: &[u8] = b"epoch/";

pub(super) fn epoch_row(room: RoomId, epoch: MessageId) -> Vec<u8> {
    [EPOCH, &room.0, &epoch.0].concat()
}

/// A new key to be sealed for each of its recipients: about 0.1 ms of work for each.
#[derive(Clone, Debug)]
pub struct SealJob {
    context: SealingContext,
    key: EpochKey,
    recipients: Vec<(DeviceId, ObjectId)>,
    seed: Seed,
}

/// Who has it opens what was sealed with it: wiped when dropped, and never shown.
#[derive(Clone, ZeroizeOnDrop)]
struct Seed([u8; 32]);

impl std::fmt::Debug for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seed(…)")
    }
}

impl SealJob {
    /// Does the work; what it gives has to be handed to the engine that asked for it.
    #[must_use]
    pub fn run(self) -> Input {
        let mut rng = SecretRng::new(&self.seed.0);
        let seal = |part: &[(DeviceId, ObjectId)], rng: &mut SecretRng| -> Vec<DeviceKey> {
            let keys = part.iter().map(|(device, sealing)| {
                let context = SealingContext { device: *device, ..self.context };
                DeviceKey { device: *device, sealed: context.seal(*sealing, &self.key, rng) }
            });
            keys.collect()
        };
        let chunks = self.recipients.chunks(EPOCH_KEYS_PART_MAX);
        let parts = (0_u32..).zip(chunks).map(|(part, chunk)| {
            EpochKeys { epoch: self.context.epoch, part, keys: seal(chunk, &mut rng) }.encode()
        });
        let parts = parts.collect();
        Input::Sealed { room: self.context.room, epoch: self.context.epoch, parts }
    }

    /// A job for a key of one's own choice; for measuring it.
    #[must_use]
    pub fn new(
        context: SealingContext,
        key: EpochKey,
        recipients: Vec<(DeviceId, ObjectId)>,
        seed: [u8; 32],
    ) -> Self {
        Self { context, key, recipients, seed: Seed(seed) }
    }

    /// Room and epoch.
    #[must_use]
    pub fn epoch(&self) -> (RoomId, MessageId) {
        (self.context.room, self.context.epoch)
    }

    /// The key that is being sealed.
    #[must_use]
    pub fn key(&self) -> &EpochKey {
        &self.key
    }
}

/// What newcomers of a room may read; of one that is not known, nothing old.
pub(super) fn history_of(access: &Access, room: RoomId) -> HistoryPolicy {
    let made = access.rooms().get(&room).map(|info| info.history);
    let instant = access.instant(room).map(|_| HistoryPolicy::Full);
    made.or(instant).unwrap_or(HistoryPolicy::FromJoin)
}

/// Whether those who were given a key may have it: all have access, and if newcomers may not read
/// what is older, nobody with access was left out.
fn may_have(access: &Access, room: RoomId, devices: &[DeviceId]) -> bool {
    let mut agents: BTreeSet<AgentId> = BTreeSet::new();
    for device in devices {
        match access.agent_of(*device).filter(|agent| access.has_access(*agent, room)) {
            Some(agent) => drop(agents.insert(agent)),
            None => return false,
        }
    }
    history_of(access, room) == HistoryPolicy::Full
        || access.with_access(room).into_iter().all(|agent| {
            let devices = access.agents().get(&agent).map(|info| info.devices.len());
            agents.contains(&agent) || devices.unwrap_or_default() == 0
        })
}

impl Engine {
    /// Reads the keys that were written down.
    pub(super) fn load_epoch_keys(&mut self) {
        let reader = self.reader.clone();
        let mut damaged = 0;
        let (rooms, vault) = (&mut self.rooms, &self.vault);
        reader.scan(Table::State, EPOCH, &mut |key, value| {
            let ids = (id_at(key, EPOCH.len()), id_at(key, EPOCH.len() + 32));
            let opened = vault.open(key, value);
            let secret = opened.and_then(|secret| <[u8; 32]>::try_from(secret.as_slice()).ok());
            let (Some(secret), (Some(room), Some(epoch))) = (secret, ids) else {
                // Members have it still.
                damaged += 1;
                return;
            };
            let state = rooms.entry(RoomId(room)).or_default();
            state.log.epochs.load_key(ObjectId(epoch), EpochKey::new(secret));
        });
        for _ in 0..damaged {
            self.count("damaged");
        }
    }

    pub(super) fn write_epoch_key(&mut self, room: RoomId, epoch: MessageId) {
        let key = self.rooms.get(&room).and_then(|state| state.log.epochs.key(epoch));
        if let Some(secret) = key.map(EpochKey::secret) {
            let row = epoch_row(room, epoch);
            let sealed = self.vault.seal(&row, secret);
            self.write(Table::State, row, sealed);
        }
    }

    /// Under which epoch to write in a room now, if there is one whose key is here.
    fn fitting_epoch(&mut self, room: RoomId) -> Result<(Option<MessageId>, Ended), Failure> {
        let control = self.control.as_ref().ok_or_else(not_a_member)?;
        let state = self.rooms.get_mut(&room).ok_or_else(|| broken("has no room"))?;
        if let Some(epoch) = state.log.epochs.writing() {
            return Ok((Some(epoch), Ended::default()));
        }
        let ended = control.ended_access(room);
        let fitting = Fitting {
            live: &|device| control.standing(device, room).live,
            may_have: &|devices| may_have(control.access(), room, devices),
            ended: &ended,
        };
        Ok((state.log.epochs.to_write_under(&fitting), ended))
    }

    /// The epoch under which to write in a room, begun if need be; with those that were begun.
    pub(super) fn epoch_to_write_under(
        &mut self,
        room: RoomId,
        standing: MessageId,
    ) -> Result<(MessageId, Vec<MessageId>), Failure> {
        let mut begun = Vec::new();
        loop {
            let (fitting, ended) = self.fitting_epoch(room)?;
            if let Some(epoch) = fitting {
                return Ok((epoch, begun));
            }
            // Each answers more than the one before; what is left over is answered by the last.
            let rounds_max = ended.len() / EPOCH_AFTER_MAX + 2;
            if begun.len() >= rounds_max {
                return Err(broken("begins an epoch that does not fit"));
            }
            begun.push(self.begin_epoch(room, standing, &ended)?);
        }
    }

    /// Begins an epoch. If there is more to answer than one can, it is for nobody, and another
    /// has to follow.
    fn begin_epoch(
        &mut self,
        room: RoomId,
        standing: MessageId,
        ended: &Ended,
    ) -> Result<MessageId, Failure> {
        let control = self.control.as_ref().ok_or_else(not_a_member)?;
        let state = self.rooms.get(&room).ok_or_else(|| broken("has no room"))?;
        let heads = state.log.epochs.heads(|id| control.holds(id));
        let answered: Ended =
            heads.iter().flat_map(|head| state.log.epochs.answered(*head)).collect();
        let mut after: Vec<ObjectId> = ended.difference(&answered).copied().collect();
        let is_last = after.len() <= EPOCH_AFTER_MAX;
        after.truncate(EPOCH_AFTER_MAX);
        let recipients = if is_last { recipients_of(control, room) } else { Vec::new() };
        if recipients.len() > EPOCH_RECIPIENTS_MAX {
            return Err(broken("would need too many keys"));
        }
        let with_earlier = history_of(control.access(), room) == HistoryPolicy::Full;
        let key = EpochKey::new(self.entropy.secret());
        let state = self.rooms.get(&room).ok_or_else(|| broken("has no room"))?;
        let previous = heads.into_iter().map(|epoch| {
            let earlier = state.log.epochs.key(epoch).filter(|_| with_earlier);
            let wrapped = earlier.map(|earlier| key.wrap(room, epoch, earlier));
            PreviousEpoch { wrapped, epoch }
        });
        let devices: Vec<DeviceId> = recipients.iter().map(|(device, _)| *device).collect();
        let start = EpochStart {
            previous: previous.collect(),
            after,
            key_hash: key.hash(room),
            recipients: u32::try_from(devices.len()).unwrap_or(u32::MAX),
            recipients_digest: recipients_digest(devices.iter().copied()),
        };
        let content = Content::Plain(start.encode());
        let id =
            self.post_envelope(room, EnvelopeKind::EpochStart, Some(standing), content, None)?;
        let device = self.keys.device();
        if let Some(state) = self.rooms.get_mut(&room) {
            state.log.epochs.load_key(id, key.clone());
            state.log.epochs.set_recipients(id, device, devices);
        }
        self.write_epoch_key(room, id);
        self.seal_key(room, id, key, recipients);
        Ok(id)
    }

    fn seal_key(
        &mut self,
        room: RoomId,
        epoch: MessageId,
        key: EpochKey,
        recipients: Vec<(DeviceId, ObjectId)>,
    ) {
        if recipients.is_empty() {
            return;
        }
        let company = self.company().unwrap_or_default();
        let context = SealingContext { company, room, epoch, device: self.keys.device() };
        let seed = self.entropy.secret();
        self.emit(Effect::Seal(SealJob::new(context, key, recipients, seed)));
    }

    /// The keys of an epoch of ours have been sealed: they are posted.
    pub(super) fn keys_sealed(&mut self, room: RoomId, epoch: MessageId, parts: Vec<Vec<u8>>) {
        let ours = self.keys.device();
        let state = self.rooms.get(&room);
        if state.is_none_or(|state| state.log.epochs.author(epoch) != Some(ours)) {
            return;
        }
        let mut posted = Vec::new();
        for part in parts {
            // Access may have ended meanwhile; then the key is for nobody any more.
            match self.post(room, EnvelopeKind::EpochKeys, part, None) {
                Ok(id) => posted.push(id),
                Err(_) => self.count("keys_not_posted"),
            }
        }
        self.tell_instant(room, &posted);
    }

    /// Seals again, after a start, what the end of the process cut off. Where the devices with
    /// access are others by now nobody writes under that epoch, and who needs its key asks for it.
    pub(super) fn resume_sealing(&mut self) {
        let ours = self.keys.device();
        let rooms: Vec<RoomId> = self.topics.values().copied().collect();
        for room in rooms {
            let (Some(control), Some(state)) = (self.control.as_ref(), self.rooms.get(&room))
            else {
                continue;
            };
            let epochs = &state.log.epochs;
            let unsealed = epochs.unsealed_by(ours);
            if unsealed.is_empty() {
                continue;
            }
            let recipients = recipients_of(control, room);
            let digest = recipients_digest(recipients.iter().map(|(device, _)| *device));
            let same = unsealed.into_iter().filter(|(_, of)| *of == digest);
            let jobs: Vec<(MessageId, EpochKey)> =
                same.filter_map(|(id, _)| Some((id, epochs.key(id)?.clone()))).collect();
            for (id, key) in jobs {
                self.seal_key(room, id, key, recipients.clone());
            }
        }
    }

    /// Others were given another key than this device: a new epoch puts that right, after a delay
    /// that differs from device to device, so that not all who were cheated begin one.
    pub(super) fn rekey_soon(&mut self, room: RoomId, epoch: MessageId) {
        let material = [epoch.0, self.keys.device().0].concat();
        let rank = blake3::derive_key("conclave v1 rekey rank", &material);
        let [a, b, ..] = rank;
        let delay =
            u64::from(u16::from_be_bytes([a, b])) * REKEY_DELAY_MS_MAX / u64::from(u16::MAX);
        let at = self.now.plus_ms(delay);
        let Some(state) = self.rooms.get_mut(&room) else { return };
        // Who cheats again and again makes no storm by that.
        let rested = |last: crate::time::Timestamp| last.plus_ms(REKEY_SPACING_MS) <= at;
        if state.rekey_at.is_none() && state.rekeyed.is_none_or(rested) {
            state.rekey_at = Some(at);
        }
    }

    /// Begins the epochs that are due, unless one that fits has come meanwhile.
    pub(super) fn rekey_what_is_due(&mut self) {
        let now = self.now;
        let due = self.rooms.iter().filter(|(_, s)| s.rekey_at.is_some_and(|at| at <= now));
        let due: Vec<RoomId> = due.map(|(room, _)| *room).collect();
        for room in due {
            if let Some(state) = self.rooms.get_mut(&room) {
                state.rekey_at = None;
                state.rekeyed = Some(now);
            }
            let fits = self.fitting_epoch(room).is_ok_and(|(epoch, _)| epoch.is_some());
            if !fits && self.topics.values().any(|open| *open == room) {
                // Without access there is nothing to put right.
                drop(self.renew_epoch(room));
            }
        }
    }

    fn renew_epoch(&mut self, room: RoomId) -> Result<(), Failure> {
        self.require_own_tail(Some(room))?;
        let standing = self.enter(room)?;
        self.epoch_to_write_under(room, standing)?;
        Ok(())
    }

    /// What decides under which epochs to write has changed.
    pub(super) fn look_at_epochs_again(&mut self) {
        for state in self.rooms.values_mut() {
            state.log.epochs.look_again();
            state.log.epochs.try_again(None);
        }
        self.ask_for_keys_soon();
    }
}

/// Objects that ended access.
type Ended = BTreeSet<ObjectId>;

/// The live devices of the agents with access, ascending, with the keys to which is sealed.
fn recipients_of(control: &ControlLog, room: RoomId) -> Vec<(DeviceId, ObjectId)> {
    let access = control.access();
    let agents = access.with_access(room);
    let devices: BTreeSet<DeviceId> = agents
        .iter()
        .filter_map(|agent| access.agents().get(agent))
        .flat_map(|agent| agent.devices.iter().copied())
        .collect();
    devices.into_iter().filter_map(|device| Some((device, sealing_of(control, device)?))).collect()
}

/// The X25519 key of a live device.
pub(super) fn sealing_of(control: &ControlLog, device: DeviceId) -> Option<ObjectId> {
    let cert = control.access().devices().get(&device)?.cert;
    match &control.get(cert)?.payload {
        Payload::DeviceCert(cert) => Some(cert.sealing),
        _ => None,
    }
}

/// The company's id, for contexts of keys.
pub(super) fn context_of(
    company: Option<CompanyId>,
    room: RoomId,
    epoch: MessageId,
    device: DeviceId,
) -> SealingContext {
    SealingContext { company: company.unwrap_or_default(), room, epoch, device }
}
