//! Rows in memory: what was written since the index was last brought up to date.

use std::collections::BTreeMap;
use std::ops::Bound;

use conclave_protocol::engine::Table;

use super::log::Marker;

/// Where a write begins in the log: the segment in the upper half, the offset in the lower.
pub(super) type Place = u64;

/// Beyond this, the index is brought up to date.
const ROWS_MAX: usize = 24 * 1024;
/// Beyond this, the index is brought up to date.
const BYTES_MAX: usize = 4 * 1024 * 1024;
/// Writing waits for the index when it is behind by so many times as much.
const BEHIND_MAX: usize = 4;

/// What the index may need besides its rows, for pages that are written anew.
const ROOM_SPARE: usize = 2 * 1024 * 1024;

/// The table's number in keys. Part of the format: never renumber.
pub(super) fn number_of(table: Table) -> u8 {
    match table {
        Table::Control => 1,
        Table::Messages => 2,
        Table::Marks => 3,
        Table::State => 4,
        Table::Index => 5,
        Table::Waiting => 6,
    }
}

/// The table with a number.
pub(super) fn table_of(number: u8) -> Option<Table> {
    Table::ALL.into_iter().find(|table| number_of(*table) == number)
}

/// The key within all tables: the table's number and the key within it.
pub(super) fn full_key(table: u8, key: &[u8]) -> Vec<u8> {
    let mut full = Vec::with_capacity(1 + key.len());
    full.push(table);
    full.extend_from_slice(key);
    full
}

/// What is known of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Held {
    /// It was removed.
    Removed,
    /// Its value is in the log.
    At(Place),
    /// Its value.
    Inline(Vec<u8>),
}

impl Held {
    /// What is kept of a write: of a message only its place.
    pub(super) fn new(full: &[u8], place: Place, value: Option<Vec<u8>>) -> Self {
        match value {
            None => Self::Removed,
            Some(_) if full.first() == Some(&number_of(Table::Messages)) => Self::At(place),
            Some(value) => Self::Inline(value),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Removed | Self::At(_) => 0,
            Self::Inline(value) => value.len(),
        }
    }
}

/// Rows by full key, up to a record of the log.
#[derive(Default)]
pub(super) struct Recent {
    rows: BTreeMap<Vec<u8>, Held>,
    bytes: usize,
    /// The newest record that is part of it.
    pub(super) end: Option<Marker>,
}

impl Recent {
    /// Nothing is known yet beyond a record.
    pub(super) fn after(end: Option<Marker>) -> Self {
        Self { end, ..Self::default() }
    }

    pub(super) fn put(&mut self, full: Vec<u8>, held: Held) {
        self.bytes += full.len() + held.bytes();
        self.rows.insert(full, held);
    }

    pub(super) fn get(&self, full: &[u8]) -> Option<&Held> {
        self.rows.get(full)
    }

    pub(super) fn rows(&self) -> &BTreeMap<Vec<u8>, Held> {
        &self.rows
    }

    pub(super) fn from(&self, full: Bound<&[u8]>) -> impl Iterator<Item = (&Vec<u8>, &Held)> {
        self.rows.range::<[u8], _>((full, Bound::Unbounded))
    }

    /// Roughly what the index will write for it.
    pub(super) fn index_bytes(&self) -> usize {
        2 * self.bytes + ROOM_SPARE
    }

    /// Whether the index should be brought up to date.
    pub(super) fn is_much(&self) -> bool {
        self.rows.len() >= ROWS_MAX || self.bytes >= BYTES_MAX
    }

    /// Whether nothing may be added before that.
    pub(super) fn is_too_much(&self) -> bool {
        self.rows.len() >= BEHIND_MAX * ROWS_MAX || self.bytes >= BEHIND_MAX * BYTES_MAX
    }
}
