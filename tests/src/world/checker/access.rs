//! What a node's own control log says, worked out from what it stored.

use std::collections::{BTreeMap, BTreeSet};

use conclave_protocol::control::{ControlLog, Standing};
use conclave_protocol::engine::{Batch, Table};
use conclave_protocol::id::{CompanyId, DeviceId, ObjectId, RoomId};
use conclave_protocol::instant::InstantAgents;
use conclave_protocol::object::{ControlObject, Genesis, ObjectType};
use conclave_protocol::signed::{Trust, Verified, peek_id, peek_type};
use conclave_protocol::time::Timestamp;

use super::private::Held;
use crate::reference::{Objects, State, evaluate};
use crate::world::disk::Rows;

/// Effects may come out this long after the log that they rest on has been changed again: they
/// wait for the disk.
const DISK_MS: u64 = 100;

/// See the module's documentation.
#[derive(Default)]
pub(super) struct Known {
    log: Option<ControlLog>,
    objects: BTreeMap<ObjectId, Vec<u8>>,
    /// Instant rooms that somebody has begun; not part of any log.
    instants: BTreeSet<InstantAgents>,
    /// The ids of the objects, shared with whoever remembers what was known at a time.
    held: Held,
    /// Since when a device has had no access to a room.
    denied: BTreeMap<(DeviceId, RoomId), Timestamp>,
}

impl Known {
    /// From a disk.
    pub(super) fn of(
        company: CompanyId,
        rows: &Rows,
        now: Timestamp,
        devices: &[DeviceId],
        instants: &BTreeSet<InstantAgents>,
    ) -> Self {
        let control = rows.iter().filter(|((table, _), _)| *table == Table::Control);
        let objects = control.filter_map(|(_, value)| Some((peek_id(value)?, value.clone())));
        let instants = instants.clone();
        let mut known = Self { objects: objects.collect(), instants, ..Self::default() };
        known.read_again(company);
        known.note_denied(now, devices);
        known.note_held();
        known
    }

    /// What of the control log was known, by id.
    pub(super) fn held(&self) -> Held {
        self.held.clone()
    }

    fn note_held(&mut self) {
        self.held = Held::new(self.objects.keys().copied().collect());
    }

    pub(super) fn objects(&self) -> &BTreeMap<ObjectId, Vec<u8>> {
        &self.objects
    }

    /// A batch has been written.
    pub(super) fn learn(
        &mut self,
        company: CompanyId,
        batch: &Batch,
        now: Timestamp,
        devices: &[DeviceId],
    ) {
        let mut fresh = Vec::new();
        let mut dropped = false;
        for write in batch.writes.iter().filter(|write| write.table == Table::Control) {
            match &write.value {
                Some(bytes) => {
                    let Some(id) = peek_id(bytes) else { continue };
                    if self.objects.insert(id, bytes.clone()).is_none() {
                        fresh.push(bytes.clone());
                    }
                }
                None => {
                    let id = write.key.first_chunk().map(|id| ObjectId(*id));
                    dropped |= id.is_some_and(|id| self.objects.remove(&id).is_some());
                }
            }
        }
        let genesis = fresh.iter().any(|bytes| peek_type(bytes) == Some(ObjectType::Genesis));
        match self.log.as_mut().filter(|_| !dropped && !genesis) {
            Some(log) => {
                for bytes in &fresh {
                    if let Some(object) = read(company, bytes) {
                        log.add_beyond_share(object);
                    }
                }
                log.refresh();
            }
            None => self.read_again(company),
        }
        self.note_denied(now, devices);
        self.note_held();
    }

    /// Somebody begins an instant room.
    pub(super) fn learn_instant(&mut self, agents: &InstantAgents) {
        self.instants.insert(agents.clone());
        if let Some(log) = self.log.as_mut() {
            log.learn_instant(agents.clone());
        }
    }

    fn read_again(&mut self, company: CompanyId) {
        self.log = Some(log_of(company, self.objects.values(), &self.instants));
    }

    fn note_denied(&mut self, now: Timestamp, devices: &[DeviceId]) {
        let Some(log) = &self.log else { return };
        let access = log.access();
        for room in access.rooms().keys().chain(access.instants().keys()) {
            for device in devices {
                let place = (*device, *room);
                if access.device_has_access(*device, *room) {
                    self.denied.remove(&place);
                } else {
                    self.denied.entry(place).or_insert(now);
                }
            }
        }
    }

    /// How long a device has had no access to a room; 0 if it has, or had just now.
    pub(super) fn denied_for_ms(&self, device: DeviceId, room: RoomId, now: Timestamp) -> u64 {
        let Some(log) = &self.log else { return 0 };
        if log.access().device_has_access(device, room) {
            return 0;
        }
        match self.denied.get(&(device, room)) {
            Some(since) if now.ms_since(*since) <= DISK_MS => 0,
            Some(since) => now.ms_since(*since),
            None => u64::MAX,
        }
    }

    /// How a device stands in a room.
    pub(super) fn standing(&self, device: DeviceId, room: RoomId) -> Standing {
        self.log.as_ref().map(|log| log.standing(device, room)).unwrap_or_default()
    }

    /// The log.
    pub(super) fn log(&self) -> Option<&ControlLog> {
        self.log.as_ref()
    }

    /// What the plain reference makes of the same objects.
    pub(super) fn reference(&self) -> Option<State> {
        let mut objects = Objects::new();
        let mut first = None;
        for (id, bytes) in &self.objects {
            if peek_type(bytes) == Some(ObjectType::Genesis) {
                let genesis = Verified::<Genesis>::genesis(bytes, Trust::Nothing).ok()?;
                first = Some((*id, genesis.value().clone()));
            } else if let Some(company) = self.log.as_ref().map(ControlLog::company) {
                objects.extend(read(company, bytes).map(|object| (*id, object.value().clone())));
            }
        }
        let (id, genesis) = first?;
        Some(evaluate(id, &genesis, &objects))
    }

    /// Stored objects that count for nothing, by author.
    pub(super) fn void_by_author(&self) -> BTreeMap<DeviceId, usize> {
        let mut by_author = BTreeMap::new();
        let Some(log) = &self.log else { return by_author };
        let reconciled: BTreeSet<ObjectId> = log.order().iter().map(|(_, id)| id).collect();
        for id in self.objects.keys().filter(|id| !reconciled.contains(id)) {
            if let Some(object) = log.get(*id) {
                *by_author.entry(object.header.author).or_default() += 1;
            }
        }
        by_author
    }
}

/// The log that some objects make.
pub(super) fn log_of<'a>(
    company: CompanyId,
    all: impl Iterator<Item = &'a Vec<u8>>,
    instants: &BTreeSet<InstantAgents>,
) -> ControlLog {
    let mut log = ControlLog::new(company);
    let mut objects = Vec::new();
    for bytes in all {
        if peek_type(bytes) == Some(ObjectType::Genesis) {
            if let Ok(genesis) = Verified::<Genesis>::genesis(bytes, Trust::Nothing) {
                log.add_genesis(genesis);
            }
        } else {
            objects.extend(read(company, bytes));
        }
    }
    log.load(objects);
    for agents in instants {
        log.learn_instant(agents.clone());
    }
    log
}

fn read(company: CompanyId, bytes: &[u8]) -> Option<Verified<ControlObject>> {
    let trust = peek_id(bytes).map_or(Trust::Nothing, Trust::StoredAs);
    Verified::control(bytes, company, trust).ok()
}
