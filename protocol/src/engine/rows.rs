//! The rows of a room in the store, and how a log is made of them again.
//!
//! A message is written once, under the number of its arrival, and never again. What is known of
//! it besides is a mark, and the usual has none. Both are gathered in the index, a row for each
//! 1,024 arrivals, which can be made anew from the messages and the marks of what nobody has seen.

use std::collections::BTreeSet;

use super::Engine;
use super::io::{Reader, Table, Write};
use super::load::{READ, TAIL, id_at, number_at};
use crate::envelope::Envelope;
use crate::id::{CompanyId, MessageId, ObjectId, RoomId};
use crate::room::RoomLog;
use crate::signed::{Trust, Verified, peek_id};

/// Messages that are read before they are judged: a signature is checked only where none of the
/// others among them follows.
const READ_AT_ONCE: usize = 4096;

/// The key of a message, or of its mark: room, number of arrival.
pub(super) fn message_key(room: RoomId, arrival: u64) -> Vec<u8> {
    [&room.0[..], &arrival.to_be_bytes()].concat()
}

fn chunk_key(room: RoomId, number: u32) -> Vec<u8> {
    [&room.0[..], &number.to_be_bytes()].concat()
}

/// A log that is being read from the store.
struct Loading<'a> {
    company: CompanyId,
    room: RoomId,
    reader: &'a dyn Reader,
    log: RoomLog,
    /// Rows that hold no message of this room.
    damaged: Vec<u64>,
    /// Rows whose message is in another row too.
    twice: Vec<u64>,
    /// Rows of messages that follow what is not here.
    orphans: Vec<u64>,
}

impl Engine {
    pub(super) fn load_rooms(&mut self) {
        let Some(company) = self.company() else { return };
        let reader = self.reader.clone();
        let ours = self.keys.device();
        let mut rooms = rooms_in(&*reader, Table::Messages);
        rooms.extend(rooms_in(&*reader, Table::Index));
        for room in rooms {
            let loaded = Loading::of(company, room, &*reader);
            for _ in 0..loaded.damaged.len() + loaded.orphans.len() {
                self.count("damaged");
            }
            for arrival in loaded.damaged.iter().chain(&loaded.twice) {
                self.remove_message(room, *arrival);
            }
            let mut log = loaded.log;
            log.find_pending(ours);
            let state = self.rooms.entry(room).or_default();
            // The pulls that brought them were cut off by the end of the process.
            let cut_off = log.unacknowledged().into_iter();
            state.unacknowledged = cut_off.map(|id| (id, BTreeSet::from([ours]))).collect();
            state.log = log;
        }
        self.load_epoch_keys();
        self.load_epochs(company);
        let rooms = &mut self.rooms;
        reader.scan(Table::State, TAIL, &mut |key, value| {
            let parts = (id_at(key, TAIL.len()), number_at(value, 0), id_at(value, 8));
            if let (Some(room), Some(seq), Some(id)) = parts {
                let log = &mut rooms.entry(RoomId(room)).or_default().log;
                log.keep_tail(ours, seq, ObjectId(id));
            }
        });
        reader.scan(Table::State, READ, &mut |key, value| {
            let room = id_at(key, READ.len()).map(RoomId);
            if let Some(room) = room.and_then(|room| rooms.get_mut(&room)) {
                room.log.load_reading(value);
            }
        });
    }

    /// Takes note of the epochs of rooms whose messages are known from the index only, and opens
    /// what was sealed for this device and not opened yet.
    fn load_epochs(&mut self, company: CompanyId) {
        let reader = self.reader.clone();
        let rooms: Vec<RoomId> = self.rooms.keys().copied().collect();
        for room in rooms {
            let rows = self.rooms.get(&room).map(|state| state.log.epoch_rows());
            for arrival in rows.unwrap_or_default() {
                let Some(bytes) = reader.get(Table::Messages, &message_key(room, arrival)) else {
                    continue;
                };
                let named = self.rooms.get(&room).and_then(|state| state.log.at_arrival(arrival));
                let trust = named.map_or(Trust::Nothing, Trust::StoredAs);
                let envelope = Verified::<Envelope>::envelope(&bytes, company, trust).ok();
                let Some(envelope) = envelope.filter(|e| Some(e.id()) == named) else { continue };
                let (id, message) = (envelope.id(), envelope.value());
                if let Some(state) = self.rooms.get_mut(&room) {
                    state.log.note_epoch(id, message);
                }
                self.follow_epochs(room, id, message);
            }
        }
    }

    /// Signed bytes of a message that is held, durable or on the way there.
    pub(super) fn stored_message(&self, room: RoomId, id: MessageId) -> Option<Vec<u8>> {
        if let Some((_, bytes)) = self.in_flight.get(&id) {
            return Some(bytes.clone());
        }
        let arrival = self.rooms.get(&room)?.log.get(id)?.arrival;
        self.reader.get(Table::Messages, &message_key(room, arrival))
    }

    /// Writes a message under the number of its arrival.
    pub(super) fn write_message(
        &mut self,
        room: RoomId,
        arrival: u64,
        envelope: &Verified<Envelope>,
    ) {
        let bytes = envelope.bytes().to_vec();
        self.write(Table::Messages, message_key(room, arrival), bytes.clone());
        let batch = super::BatchId(self.last_batch.0 + 1);
        self.in_flight.insert(envelope.id(), (batch, bytes));
    }

    /// Writes down the newest place in our own chain of a room.
    pub(super) fn write_tail(&mut self, room: RoomId, seq: u64, id: MessageId) {
        let place = [&seq.to_be_bytes()[..], &id.0].concat();
        self.write(Table::State, [TAIL, &room.0].concat(), place);
    }

    /// Removes a message and what is known of it. The index may name it until
    /// [`Engine::write_index`] comes.
    pub(super) fn remove_message(&mut self, room: RoomId, arrival: u64) {
        for table in [Table::Messages, Table::Marks] {
            self.writes.push(Write { table, key: message_key(room, arrival), value: None });
        }
    }

    /// Writes down what is known of a message, if that is not what the store says.
    pub(super) fn write_mark(&mut self, room: RoomId, id: MessageId) {
        let mark = self.rooms.get_mut(&room).and_then(|state| state.log.mark(id));
        if let Some(mark) = mark {
            let key = message_key(room, mark.arrival);
            self.writes.push(Write { table: Table::Marks, key, value: mark.value });
        }
    }

    /// Writes the rows of the index that are full or out of date.
    pub(super) fn write_index(&mut self, room: RoomId) {
        while let Some(chunk) = self.rooms.get_mut(&room).and_then(|state| state.log.take_chunk()) {
            self.write(Table::Index, chunk_key(room, chunk.number), chunk.value);
            for arrival in chunk.covers {
                let key = message_key(room, arrival);
                self.writes.push(Write { table: Table::Marks, key, value: None });
            }
        }
    }
}

impl<'a> Loading<'a> {
    fn of(company: CompanyId, room: RoomId, reader: &'a dyn Reader) -> Self {
        let log = load_index(room, reader);
        let (damaged, twice, orphans) = (Vec::new(), Vec::new(), Vec::new());
        let mut loading = Self { company, room, reader, log, damaged, twice, orphans };
        loading.load_messages();
        loading.load_orphans();
        let log = &mut loading.log;
        reader.scan(Table::Marks, &room.0, &mut |key, value| {
            if let Some(arrival) = number_at(key, 32) {
                log.load_mark(arrival, value);
            }
        });
        loading
    }

    /// Reads the messages that the index does not cover.
    fn load_messages(&mut self) {
        let from = message_key(self.room, self.log.after_index());
        let mut batch: Vec<(u64, Vec<u8>)> = Vec::new();
        let reader = self.reader;
        let prefix = self.room.0;
        reader.scan_from(Table::Messages, &prefix, &from, &mut |key, value| {
            let Some(arrival) = number_at(key, 32) else { return true };
            batch.push((arrival, value.to_vec()));
            if batch.len() >= READ_AT_ONCE {
                self.take_batch(std::mem::take(&mut batch));
            }
            true
        });
        self.take_batch(batch);
    }

    /// Takes in a row of messages. The hash says which message it is, and not that it is sound;
    /// that follows from a sound message that names it, or else from its signature.
    fn take_batch(&mut self, batch: Vec<(u64, Vec<u8>)>) {
        let mut named: BTreeSet<MessageId> = BTreeSet::new();
        let mut sound = Vec::new();
        for (arrival, bytes) in batch.into_iter().rev() {
            self.log.skip_arrivals(arrival);
            match self.read(&bytes, |id| named.contains(&id)) {
                Some(envelope) => {
                    named.extend(envelope.value().parents.iter().copied());
                    sound.push((arrival, envelope));
                }
                None => self.damaged.push(arrival),
            }
        }
        for (arrival, envelope) in sound.into_iter().rev() {
            if self.log.missing_parents(envelope.value()).is_empty() {
                self.take(arrival, &envelope);
            } else {
                self.orphans.push(arrival);
            }
        }
    }

    fn read(
        &self,
        bytes: &[u8],
        is_named: impl FnOnce(MessageId) -> bool,
    ) -> Option<Verified<Envelope>> {
        let id = peek_id(bytes)?;
        let trust = if is_named(id) { Trust::StoredAs(id) } else { Trust::Nothing };
        let envelope = Verified::<Envelope>::envelope(bytes, self.company, trust).ok()?;
        (envelope.value().room == self.room).then_some(envelope)
    }

    fn take(&mut self, arrival: u64, envelope: &Verified<Envelope>) {
        if !self.log.load(envelope.id(), envelope.value(), arrival, true) {
            self.twice.push(arrival);
        }
    }

    /// A parent that was damaged once came again, and has a higher number than its children.
    fn load_orphans(&mut self) {
        loop {
            let before = self.orphans.len();
            for arrival in std::mem::take(&mut self.orphans) {
                let bytes = self.reader.get(Table::Messages, &message_key(self.room, arrival));
                let envelope = bytes.and_then(|bytes| self.read(&bytes, |_| true));
                match envelope {
                    Some(e) if self.log.missing_parents(e.value()).is_empty() => {
                        self.take(arrival, &e);
                    }
                    _ => self.orphans.push(arrival),
                }
            }
            if self.orphans.len() == before {
                return;
            }
        }
    }
}

/// A log of what a room's index says, as far as it can be understood.
fn load_index(room: RoomId, reader: &dyn Reader) -> RoomLog {
    let mut limit = u32::MAX;
    loop {
        let mut log = RoomLog::default();
        let (mut next, mut good) = (0, true);
        reader.scan_from(Table::Index, &room.0, &room.0, &mut |key, value| {
            let number = key.get(32..).and_then(|number| number.try_into().ok());
            if next >= limit || number.map(u32::from_be_bytes) != Some(next) {
                return false;
            }
            good = log.load_chunk(value);
            next += u32::from(good);
            good
        });
        if good && log.finish_chunks() {
            return log;
        }
        // Without the row that makes no sense; without any if they do not fit together.
        limit = if good { 0 } else { next };
    }
}

/// The rooms that have rows in a table.
fn rooms_in(reader: &dyn Reader, table: Table) -> BTreeSet<RoomId> {
    let mut rooms = BTreeSet::new();
    let mut from = Some([0_u8; 32]);
    while let Some(start) = from.take() {
        reader.scan_from(table, &[], &start, &mut |key, _| {
            if let Some(room) = id_at(key, 0) {
                rooms.insert(RoomId(room));
                from = after(room);
            }
            false
        });
    }
    rooms
}

/// The next key of 32 bytes.
fn after(mut key: [u8; 32]) -> Option<[u8; 32]> {
    for byte in key.iter_mut().rev() {
        *byte = byte.wrapping_add(1);
        if *byte != 0 {
            return Some(key);
        }
    }
    None
}
