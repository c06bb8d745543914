//! From the store to a running engine.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::entropy::Entropy;
use super::io::{BatchId, Effect, PeerPolicy, Table, Write};
use super::joining::JoinClient;
use super::{Engine, EngineConfig, KnownAddresses};
use crate::address::AddressRecord;
use crate::control::ControlLog;
use crate::envelope::Envelope;
use crate::found::Foundation;
use crate::id::{CompanyId, DeviceId, ObjectId, RoomId};
use crate::join::JoinDesk;
use crate::limits::RECONCILE_EVERY_MS;
use crate::object::{ControlObject, Genesis};
use crate::signed::{Trust, Verified};
use crate::time::Timestamp;

/// The key of the company's id in [`Table::State`].
pub(super) const COMPANY: &[u8] = b"company";
/// Prefix of the read positions in [`Table::State`]; the room's id follows.
pub(super) const READ: &[u8] = b"read/";
/// Prefix of the newest places in our own chains in [`Table::State`]; the room's id follows.
pub(super) const TAIL: &[u8] = b"tail/";
/// Prefix of the address records in [`Table::State`]; the device follows.
pub(super) const ADDRESS: &[u8] = b"address/";

/// The key of a message: room, height (big-endian), id; so a room's rows are in its order.
pub(super) fn message_key(room: RoomId, height: u64, id: ObjectId) -> Vec<u8> {
    [&room.0[..], &height.to_be_bytes(), &id.0].concat()
}

/// What is known of a stored message besides its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Shown {
    /// Never accepted here; kept because something that is accepted follows it.
    No = 0,
    /// It has been accepted.
    Yes = 1,
    /// Brought by a pull that has not ended; taken back if nothing acknowledges it.
    Unacknowledged = 2,
}

/// The value of a message: what is known of it, its arrival number, its signed bytes.
pub(super) fn message_value(shown: Shown, arrival: u64, bytes: &[u8]) -> Vec<u8> {
    [&[shown as u8][..], &arrival.to_be_bytes(), bytes].concat()
}

/// The signed bytes in a message's value.
pub(super) fn message_bytes(value: &[u8]) -> Option<&[u8]> {
    value.get(9..)
}

fn id_at(bytes: &[u8], at: usize) -> Option<[u8; 32]> {
    bytes.get(at..at + 32)?.try_into().ok()
}

fn number_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

impl Engine {
    /// The key of the company's id in [`Table::State`]; there once this device is a member.
    pub const COMPANY_KEY: &'static [u8] = COMPANY;

    /// What a store has to hold for an engine to start in a company that was just founded.
    #[must_use]
    pub fn founding_writes(foundation: &Foundation) -> Vec<Write> {
        let put = |table, key: &[u8], value: Vec<u8>| Write {
            table,
            key: key.to_vec(),
            value: Some(value),
        };
        let objects = foundation.objects.iter();
        objects
            .map(|(id, bytes)| put(Table::Control, &id.0, bytes.clone()))
            .chain([put(Table::State, COMPANY, foundation.company.0.to_vec())])
            .collect()
    }

    /// An engine over what the store holds. Rows whose hash does not fit, and what depends on
    /// them, are left out and counted as `damaged`; peers have them still.
    #[must_use]
    pub fn new(config: EngineConfig, now: Timestamp) -> Self {
        let mut engine = Self {
            now,
            keys: config.keys,
            reader: config.reader,
            entropy: Entropy::new(config.seed),
            control: None,
            member: false,
            rooms: BTreeMap::new(),
            topics: BTreeMap::new(),
            policy: PeerPolicy::default(),
            peers: BTreeMap::new(),
            presence: BTreeMap::new(),
            listening: Vec::new(),
            addresses: BTreeMap::new(),
            join: None,
            desk: JoinDesk::default(),
            approvals: BTreeMap::new(),
            requests: BTreeMap::new(),
            last_request: 0,
            parked_verdicts: BTreeMap::new(),
            receipts: BTreeMap::new(),
            receipts_at: None,
            reports: super::reports::Reports::new(now),
            introduced: BTreeSet::new(),
            void_brought: BTreeMap::new(),
            reconcile_at: now.plus_ms(RECONCILE_EVERY_MS),
            verdicts: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            to_judge: VecDeque::new(),
            judging: false,
            checked: VecDeque::new(),
            windows: super::window::Windows::default(),
            writes: Vec::new(),
            staged: Vec::new(),
            batches: VecDeque::new(),
            effects: VecDeque::new(),
            last_batch: BatchId(0),
            persisted: BatchId(0),
        };
        engine.load_control();
        engine.load_rooms();
        engine.load_addresses();
        if let Some(control) = engine.control.as_ref() {
            // What is in the store was written when this device was certified: nothing of it
            // is news, or to be written again.
            engine.member = control.access().agent_of(engine.keys.device()).is_some();
            engine.follow_control(None);
            let rooms: Vec<RoomId> = engine.rooms.keys().copied().collect();
            for room in rooms {
                engine.drop_unacknowledged(room, engine.keys.device());
            }
        }
        if !engine.member
            && let Some(wish) = config.join
        {
            engine.join = Some(JoinClient::new(wish));
        }
        engine.commit();
        engine
    }

    fn load_control(&mut self) {
        let reader = self.reader.clone();
        let company = reader.get(Table::State, COMPANY).and_then(|bytes| id_at(&bytes, 0));
        let Some(company) = company.map(CompanyId) else {
            return;
        };
        let mut control = ControlLog::new(company);
        let mut objects: Vec<Verified<ControlObject>> = Vec::new();
        let mut damaged = 0;
        reader.scan(Table::Control, &[], &mut |key, value| {
            let Some(id) = id_at(key, 0).map(ObjectId) else {
                damaged += 1;
                return;
            };
            if id == ObjectId::from(company) {
                match Verified::<Genesis>::genesis(value, Trust::StoredAs(id)) {
                    Ok(genesis) => drop(control.add_genesis(genesis)),
                    Err(_) => damaged += 1,
                }
                return;
            }
            match Verified::<ControlObject>::control(value, company, Trust::StoredAs(id)) {
                Ok(object) => objects.push(object),
                Err(_) => damaged += 1,
            }
        });
        // Without a damaged object, what refers to it is of no use either; it comes back with it.
        damaged += control.load(objects);
        for _ in 0..damaged {
            self.count("damaged");
        }
        self.control = Some(control);
    }

    fn load_rooms(&mut self) {
        let Some(company) = self.company() else { return };
        let reader = self.reader.clone();
        let mut damaged = 0;
        let ours = self.keys.device();
        let rooms = &mut self.rooms;
        reader.scan(Table::Messages, &[], &mut |key, value| {
            let parsed = (|| {
                let room = RoomId(id_at(key, 0)?);
                let id = ObjectId(id_at(key, 40)?);
                let shown = *value.first()?;
                let arrival = number_at(value, 1)?;
                let bytes = message_bytes(value)?;
                let envelope =
                    Verified::<Envelope>::envelope(bytes, company, Trust::StoredAs(id)).ok()?;
                Some((room, envelope, shown, arrival))
            })();
            let Some((room, envelope, shown, arrival)) = parsed else {
                damaged += 1;
                return;
            };
            let state = rooms.entry(room).or_default();
            if shown == Shown::Unacknowledged as u8 {
                // The pull that brought it was cut off by the end of the process.
                state.unacknowledged.insert(envelope.id(), BTreeSet::from([ours]));
            }
            if state.log.missing_parents(envelope.value()).is_empty() {
                let (id, shown) = (envelope.id(), shown == Shown::Yes as u8);
                state.log.load(id, envelope.value(), arrival, shown);
                if envelope.value().device == ours && envelope.value().kind.is_content() {
                    state.log.mark_pending(id);
                }
            } else {
                // A parent was damaged: the message comes back with it.
                damaged += 1;
            }
        });
        reader.scan(Table::Marks, &[], &mut |key, _| {
            let (Some(room), Some(id)) = (id_at(key, 0), id_at(key, 32)) else { return };
            if let Some(room) = rooms.get_mut(&RoomId(room)) {
                room.log.mark_held_elsewhere(ObjectId(id));
            }
        });
        reader.scan(Table::State, TAIL, &mut |key, value| {
            let parts = (id_at(key, TAIL.len()), number_at(value, 0), id_at(value, 8));
            if let (Some(room), Some(seq), Some(id)) = parts {
                let log = &mut rooms.entry(RoomId(room)).or_default().log;
                log.keep_tail(ours, seq, ObjectId(id));
            }
        });
        reader.scan(Table::State, READ, &mut |key, value| {
            let (Some(room), Some(read)) = (id_at(key, READ.len()), number_at(value, 0)) else {
                return;
            };
            if let Some(room) = rooms.get_mut(&RoomId(room)) {
                room.log.read = read;
            }
        });
        for _ in 0..damaged {
            self.count("damaged");
        }
    }

    fn load_addresses(&mut self) {
        let Some(company) = self.company() else { return };
        let mut records = Vec::new();
        self.reader.scan(Table::State, ADDRESS, &mut |_, value| records.push(value.to_vec()));
        for bytes in records {
            let Ok(record) = Verified::<AddressRecord>::address(&bytes, company) else { continue };
            let AddressRecord { device, issued, addresses, .. } = record.value().clone();
            self.emit(Effect::Addresses { peer: device, addresses: addresses.clone() });
            let changes = (self.now, 0);
            let later = None;
            let known = KnownAddresses { issued, addresses, bytes, changes, later };
            self.addresses.insert(device, known);
        }
    }

    /// Signed bytes of a message that is held, durable or on the way there.
    pub(super) fn stored_message(&self, room: RoomId, id: ObjectId) -> Option<Vec<u8>> {
        if let Some((_, bytes)) = self.in_flight.get(&id) {
            return Some(bytes.clone());
        }
        let height = self.rooms.get(&room)?.log.get(id)?.height;
        let value = self.reader.get(Table::Messages, &message_key(room, height, id))?;
        message_bytes(&value).map(<[u8]>::to_vec)
    }

    /// A message that is held, its hash checked on reading.
    pub(super) fn read_message(&self, room: RoomId, id: ObjectId) -> Option<Verified<Envelope>> {
        let bytes = self.stored_message(room, id)?;
        Verified::<Envelope>::envelope(&bytes, self.company()?, Trust::StoredAs(id)).ok()
    }

    /// The device's key in [`Table::State`] for its address record.
    pub(super) fn address_key(device: DeviceId) -> Vec<u8> {
        [ADDRESS, &device.0].concat()
    }
}
