//! From the store to a running engine.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::entropy::Entropy;
use super::heard::heard_row;
use super::io::{BatchId, Effect, PeerPolicy, Table, Write};
use super::{Engine, EngineConfig, KnownAddresses};
use crate::address::AddressRecord;
use crate::confirmed::ConfirmedDevices;
use crate::control::ControlLog;
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
/// The key, in [`Table::State`], that is there once this home has been a copy.
pub(super) const WAS_COPY: &[u8] = b"was-copy";
/// Prefix of the address records in [`Table::State`]; the device follows.
pub(super) const ADDRESS: &[u8] = b"address/";

pub(super) fn id_at(bytes: &[u8], at: usize) -> Option<[u8; 32]> {
    bytes.get(at..at + 32)?.try_into().ok()
}

pub(super) fn number_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

impl Engine {
    /// The key of the company's id in [`Table::State`]; there once this device is a member.
    pub const COMPANY_KEY: &'static [u8] = COMPANY;

    /// What a store has to hold for an engine to start in a company that was just founded.
    #[must_use]
    pub fn founding_writes(foundation: &Foundation, now: Timestamp) -> Vec<Write> {
        let put = |table, key: &[u8], value: Vec<u8>| Write {
            table,
            key: key.to_vec(),
            value: Some(value),
        };
        let objects = foundation.objects.iter();
        objects
            .map(|(id, bytes)| put(Table::Control, &id.0, bytes.clone()))
            .chain(foundation.objects.iter().map(|(id, _)| heard_row(*id, now)))
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
            vault: config.vault,
            reader: config.reader,
            entropy: Entropy::new(config.seed),
            control: None,
            member: false,
            rooms: BTreeMap::new(),
            topics: BTreeMap::new(),
            policy: PeerPolicy::default(),
            peers: BTreeMap::new(),
            in_topic: BTreeMap::new(),
            key_requests: super::keys::KeyRequests::default(),
            presence: super::presence::Presence::new(now),
            settings: super::Settings::default(),
            drafts: BTreeMap::new(),
            listening: Vec::new(),
            addresses: BTreeMap::new(),
            join: None,
            desk: JoinDesk::default(),
            confirmed: ConfirmedDevices::default(),
            approvals: BTreeMap::new(),
            requests: BTreeMap::new(),
            last_request: 0,
            fetching: BTreeMap::new(),
            pull_again_at: None,
            pauses: BTreeMap::new(),
            heads: super::heads::Heads::default(),
            forks: BTreeMap::new(),
            copied: super::copied::Copied::new(config.copied),
            instants: super::instants::Instants::default(),
            control_compared: false,
            parked_verdicts: BTreeMap::new(),
            receipts: BTreeMap::new(),
            receipts_at: None,
            reports: super::reports::Reports::new(now),
            introduced: BTreeMap::new(),
            void_brought: BTreeMap::new(),
            reconcile_at: now.plus_ms(RECONCILE_EVERY_MS),
            reconcile_round: 0,
            verdicts: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            to_judge: VecDeque::new(),
            judging: false,
            incomplete: BTreeSet::new(),
            incomplete_at: None,
            checked: VecDeque::new(),
            windows: super::window::Windows::default(),
            writes: Vec::new(),
            staged: Vec::new(),
            batches: VecDeque::new(),
            effects: VecDeque::new(),
            at_once: VecDeque::new(),
            last_batch: BatchId(0),
            persisted: BatchId(0),
            damaged: super::damage::Damaged::default(),
        };
        engine.load_control();
        engine.load_instants();
        engine.load_rooms();
        engine.load_addresses();
        engine.load_forks();
        engine.load_settings();
        if let Some(control) = engine.control.as_ref() {
            // What is in the store was written when this device was certified: nothing of it
            // is news, or to be written again.
            engine.member = control.access().agent_of(engine.keys.device()).is_some();
            engine.follow_control(None);
            let rooms: Vec<RoomId> = engine.rooms.keys().copied().collect();
            for room in rooms {
                engine.drop_unacknowledged(room, engine.keys.device());
                engine.write_index(room);
            }
            engine.load_waiting();
            engine.resume_sealing();
        }
        if !engine.member
            && let Some(wish) = config.join
        {
            engine.load_wish(wish);
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

    /// The device's key in [`Table::State`] for its address record.
    pub(super) fn address_key(device: DeviceId) -> Vec<u8> {
        [ADDRESS, &device.0].concat()
    }
}
