//! The bytes of the log: segment heads, records, and the writes in a record.
//!
//! ```text
//! segment  magic 8, version 4, number 4, key 32, check 8, zeros 8, then records
//! record   magic 4, length 4, sequence number 8, sum 8, check 4, then writes
//! write    table 1 (+ 128: removes), shared, rest and value length (LEB128), rest of the key,
//!          check 4, and unless it removes: sum 8, value
//! ```
//!
//! Numbers are big-endian. The key of a write begins with `shared` bytes of the key before it in
//! its record. The record's sum covers all its writes; each write can also be checked alone.

use std::collections::BTreeMap;

use conclave_protocol::engine::{Batch, Table};

use super::checks::{Checks, Covers, KEY_BYTES};
use super::rows::{full_key, number_of};

/// Bytes of a segment's head.
pub(super) const SEGMENT_HEAD: u64 = 64;
/// Bytes of a record's head.
pub(super) const RECORD_HEAD: usize = 28;
/// What a record begins with.
pub(super) const RECORD_MAGIC: [u8; 4] = [0xc0, b'R', b'e', 0xc5];

const SEGMENT_MAGIC: [u8; 8] = *b"cnclvlog";
const SEGMENT_VERSION: u32 = 1;
const REMOVES: u8 = 0x80;
const VALUE_SUM: usize = 8;

/// The head of a segment.
pub(super) fn segment_head(checks: &Checks, segment: u32) -> [u8; SEGMENT_HEAD as usize] {
    let mut head = [0; SEGMENT_HEAD as usize];
    head[..8].copy_from_slice(&SEGMENT_MAGIC);
    head[8..12].copy_from_slice(&SEGMENT_VERSION.to_be_bytes());
    head[12..16].copy_from_slice(&segment.to_be_bytes());
    head[16..48].copy_from_slice(checks.key());
    let check: [u8; 8] = checks.sum(Covers::Segment, &[&head[..48]]);
    head[48..56].copy_from_slice(&check);
    head
}

/// The key in a segment's head, if the head is whole and names this segment.
pub(super) fn key_of_segment(head: &[u8], segment: u32) -> Option<[u8; KEY_BYTES]> {
    let key: [u8; KEY_BYTES] = head.get(16..48)?.try_into().ok()?;
    (head == segment_head(&Checks::new(key), segment)).then_some(key)
}

/// The head of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RecordHead {
    /// Bytes of its writes.
    pub(super) length: u32,
    /// Rises from record to record.
    pub(super) seq: u64,
    /// Over its writes.
    pub(super) sum: [u8; 8],
}

impl RecordHead {
    pub(super) fn new(checks: &Checks, seq: u64, writes: &[u8]) -> Self {
        let length = u32::try_from(writes.len()).unwrap_or(u32::MAX);
        Self { length, seq, sum: checks.sum(Covers::Record, &[&seq.to_be_bytes(), writes]) }
    }

    /// Whether these are its writes.
    pub(super) fn fits(&self, checks: &Checks, writes: &[u8]) -> bool {
        *self == Self::new(checks, self.seq, writes)
    }

    pub(super) fn encode(&self, checks: &Checks, segment: u32) -> [u8; RECORD_HEAD] {
        let mut head = [0; RECORD_HEAD];
        head[..4].copy_from_slice(&RECORD_MAGIC);
        head[4..8].copy_from_slice(&self.length.to_be_bytes());
        head[8..16].copy_from_slice(&self.seq.to_be_bytes());
        head[16..24].copy_from_slice(&self.sum);
        let parts: [&[u8]; 2] = [&segment.to_be_bytes(), &head[..24]];
        let check: [u8; 4] = checks.sum(Covers::RecordHead, &parts);
        head[24..].copy_from_slice(&check);
        head
    }

    pub(super) fn decode(checks: &Checks, segment: u32, bytes: &[u8]) -> Option<Self> {
        if !bytes.starts_with(&RECORD_MAGIC) {
            return None;
        }
        let head = Self {
            length: u32::from_be_bytes(bytes.get(4..8)?.try_into().ok()?),
            seq: u64::from_be_bytes(bytes.get(8..16)?.try_into().ok()?),
            sum: bytes.get(16..24)?.try_into().ok()?,
        };
        (head.encode(checks, segment) == bytes).then_some(head)
    }
}

/// Writes that are committed together. The later of two writes of one key stays.
#[derive(Default)]
pub(super) struct Group {
    /// By key and table, in this order, so that rows of one message share their key's bytes.
    rows: BTreeMap<(Vec<u8>, u8), Option<Vec<u8>>>,
    bytes: usize,
}

impl Group {
    pub(super) fn add(&mut self, batch: Batch) {
        for write in batch.writes {
            self.put(write.table, write.key, write.value);
        }
    }

    pub(super) fn put(&mut self, table: Table, key: Vec<u8>, value: Option<Vec<u8>>) {
        self.bytes += key.len() + value.as_ref().map_or(0, Vec::len);
        self.rows.insert((key, number_of(table)), value);
    }

    /// Roughly what it will take in the log.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// A record with room for its head, and where in it each write begins.
    pub(super) fn encode(&self, checks: &Checks) -> (Vec<u8>, Vec<u32>) {
        let mut bytes = Vec::with_capacity(RECORD_HEAD + self.bytes + self.rows.len() * 32);
        bytes.resize(RECORD_HEAD, 0);
        let mut starts = Vec::with_capacity(self.rows.len());
        let mut before: &[u8] = &[];
        for ((key, table), value) in &self.rows {
            starts.push(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
            let shared = key.iter().zip(before).take_while(|(a, b)| a == b).count();
            encode_write(checks, &mut bytes, *table, key, shared, value.as_deref());
            before = key;
        }
        (bytes, starts)
    }

    /// The rows in the order of their places: full key and value.
    pub(super) fn into_rows(self) -> impl Iterator<Item = (Vec<u8>, Option<Vec<u8>>)> {
        self.rows.into_iter().map(|((key, table), value)| (full_key(table, &key), value))
    }
}

fn encode_write(
    checks: &Checks,
    bytes: &mut Vec<u8>,
    table: u8,
    key: &[u8],
    shared: usize,
    value: Option<&[u8]>,
) {
    let tag = if value.is_some() { table } else { table | REMOVES };
    let length = value.map_or(0, <[u8]>::len);
    let rest = key.get(shared..).unwrap_or_default();
    bytes.push(tag);
    for number in [shared, rest.len(), length] {
        push_number(bytes, number);
    }
    bytes.extend_from_slice(rest);
    bytes.extend_from_slice(&head_check(checks, tag, key, length));
    if let Some(value) = value {
        bytes.extend_from_slice(&value_sum(checks, tag, key, value));
        bytes.extend_from_slice(value);
    }
}

fn head_check(checks: &Checks, tag: u8, key: &[u8], length: usize) -> [u8; 4] {
    checks.sum(Covers::WriteHead, &[&[tag], key, &(length as u64).to_be_bytes()])
}

fn value_sum(checks: &Checks, tag: u8, key: &[u8], value: &[u8]) -> [u8; VALUE_SUM] {
    checks.sum(Covers::Value, &[&[tag], key, value])
}

/// One write as it stands in the log.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct StoredWrite<'a> {
    /// The table's number.
    pub(super) table: u8,
    pub(super) value: StoredValue<'a>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum StoredValue<'a> {
    /// It removes its key.
    Removed,
    /// Its checksum was not looked at yet.
    Sealed { sum: &'a [u8], value: &'a [u8] },
}

impl<'a> StoredWrite<'a> {
    /// The value, if its checksum fits.
    pub(super) fn open(&self, checks: &Checks, key: &[u8]) -> Option<&'a [u8]> {
        match self.value {
            StoredValue::Sealed { sum, value } => {
                (value_sum(checks, self.table, key, value)[..] == *sum).then_some(value)
            }
            StoredValue::Removed => None,
        }
    }
}

/// What a write's head says.
struct WriteHead {
    tag: u8,
    shared: usize,
    rest: usize,
    value: usize,
    /// Where the rest of the key begins.
    at: usize,
}

impl WriteHead {
    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut at = 1;
        let tag = *bytes.first()?;
        let shared = take_number(bytes, &mut at)?;
        let rest = take_number(bytes, &mut at)?;
        let value = take_number(bytes, &mut at)?;
        Some(Self { tag, shared, rest, value, at })
    }

    fn removes(&self) -> bool {
        self.tag & REMOVES != 0
    }

    /// Bytes of the whole write.
    fn total(&self) -> Option<usize> {
        let value = if self.removes() { 0 } else { VALUE_SUM.checked_add(self.value)? };
        self.at.checked_add(self.rest)?.checked_add(4)?.checked_add(value)
    }
}

/// How many bytes the write takes that begins here, if enough of it is there to tell.
pub(super) fn length_of_write(bytes: &[u8]) -> Option<usize> {
    WriteHead::decode(bytes)?.total()
}

/// Takes the write at the front of `bytes`; `key` is the key of the write before it, and becomes
/// this one's. Nothing if its head does not fit.
pub(super) fn take_write<'a>(
    checks: &Checks,
    bytes: &mut &'a [u8],
    key: &mut Vec<u8>,
) -> Option<StoredWrite<'a>> {
    let head = WriteHead::decode(bytes)?;
    let whole = bytes.get(..head.total()?)?;
    let mut full = key.get(..head.shared)?.to_vec();
    let check_at = head.at + head.rest;
    full.extend_from_slice(whole.get(head.at..check_at)?);
    let check = whole.get(check_at..check_at + 4)?;
    if check != head_check(checks, head.tag, &full, head.value) {
        return None;
    }
    let value = if head.removes() {
        StoredValue::Removed
    } else {
        let (sum, value) = whole.get(check_at + 4..)?.split_at_checked(VALUE_SUM)?;
        StoredValue::Sealed { sum, value }
    };
    *bytes = bytes.get(whole.len()..)?;
    *key = full;
    Some(StoredWrite { table: head.tag & !REMOVES, value })
}

/// The value of the write of a key that begins here; nothing if it is not whole.
pub(super) fn open_write<'a>(
    checks: &Checks,
    mut bytes: &'a [u8],
    table: u8,
    key: &[u8],
) -> Option<&'a [u8]> {
    let mut found = key.to_vec();
    let write = take_write(checks, &mut bytes, &mut found)?;
    if write.table != table || found != key {
        return None;
    }
    write.open(checks, key)
}

fn push_number(bytes: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn take_number(bytes: &[u8], at: &mut usize) -> Option<usize> {
    let mut number = 0;
    // Lengths have at most 35 bits, whatever is written here.
    for shift in [0, 7, 14, 21, 28] {
        let byte = *bytes.get(*at)?;
        *at += 1;
        number |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}
