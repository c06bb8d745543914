//! From format 1, in which sled held all rows, to the log.
//!
//! The new log grows under another name, and the format file is the last that is written: a
//! crash at any moment leaves one of the two formats, whole.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::Path;

use conclave_protocol::engine::Table;

use super::checks::Checks;
use super::error::{StoreError, corrupt, from_io};
use super::files::{
    FIRST_FOLDER, INDEX_FOLDER, LOG_FOLDER, NEW_LOG_FOLDER, Origin, identity, new_key, patiently,
    private_folder, remove_folder, write_format, write_origin,
};
use super::index::{guarded, set_aside};
use super::log::Log;
use super::records::Group;
use super::rows::number_of;

/// Bytes of the checksum in front of each value in format 1.
const SUM_BYTES: usize = 8;
/// Written to the new log at once.
const GROUP_BYTES: usize = 1024 * 1024;
/// What a message's value said of it in format 1.
const SHOWN: u8 = 1;
/// See [`SHOWN`].
const UNACKNOWLEDGED: u8 = 2;
/// Flags of a mark.
const MARK_SHOWN: u8 = 1;
/// See [`MARK_SHOWN`].
const MARK_ELSEWHERE: u8 = 2;
/// See [`MARK_SHOWN`].
const MARK_UNACKNOWLEDGED: u8 = 4;

/// Makes a store of format 2 out of one of format 1. The caller holds the store's lock.
pub(super) fn migrate(folder: &Path) -> Result<(), StoreError> {
    let fail = |error: io::Error| from_io(folder, &error);
    let old = folder.join(FIRST_FOLDER);
    if !old.exists() {
        return Err(corrupt(folder, "its database is missing"));
    }
    tracing::info!("the store is brought to a newer format");
    // Left behind by a try that did not get to its end.
    for left in [LOG_FOLDER, NEW_LOG_FOLDER] {
        remove_folder(&folder.join(left)).map_err(fail)?;
    }
    set_aside(&folder.join(INDEX_FOLDER))?;
    let config = sled::Config::new().path(&old).flush_every_ms(None);
    let first = First { folder, database: patiently(|| guarded(folder, || config.open()))? };
    let new = folder.join(NEW_LOG_FOLDER);
    private_folder(&new).map_err(fail)?;
    let checks = Checks::new(new_key(folder)?);
    let log = Log::create(&new, checks.clone()).map_err(fail)?;
    let mut growing = Growing { folder, log, group: Group::default() };
    for table in [Table::Control, Table::State, Table::Waiting] {
        first
            .rows(table, &[], &mut |key, value| growing.put(table, key.to_vec(), value.to_vec()))?;
    }
    first.messages(&mut growing)?;
    growing.write()?;
    drop(growing);
    fs::rename(&new, folder.join(LOG_FOLDER)).map_err(fail)?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(fail)?;
    let identity = identity(folder, 1).map_err(fail)?;
    write_origin(folder, &Origin { key: *checks.key(), identity }).map_err(fail)?;
    write_format(folder).map_err(fail)?;
    drop(first);
    remove_folder(&old).map_err(fail)
}

/// The new log, a group at a time.
struct Growing<'a> {
    folder: &'a Path,
    log: Log,
    group: Group,
}

impl Growing<'_> {
    fn put(&mut self, table: Table, key: Vec<u8>, value: Vec<u8>) -> Result<(), StoreError> {
        self.group.put(table, key, Some(value));
        if self.group.bytes() < GROUP_BYTES { Ok(()) } else { self.write() }
    }

    fn write(&mut self) -> Result<(), StoreError> {
        let group = std::mem::take(&mut self.group);
        if group.is_empty() {
            return Ok(());
        }
        let written = self.log.append(&group);
        written.map(drop).map_err(|error| from_io(self.folder, &error))
    }
}

/// What is done with a row: its key and its value.
type Visit<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> Result<(), StoreError>;

/// A store of format 1.
struct First<'a> {
    folder: &'a Path,
    database: sled::Db,
}

impl First<'_> {
    /// Visits the rows of a table; damaged ones are left out, peers have them still.
    fn rows(&self, table: Table, prefix: &[u8], visit: Visit<'_>) -> Result<(), StoreError> {
        let prefix = [&[number_of(table)][..], prefix].concat();
        let mut rows = self.database.scan_prefix(&prefix);
        while let Some((key, row)) = guarded(self.folder, || rows.next().transpose())? {
            match open_row(&key, &row) {
                Some(value) => visit(key.get(1..).unwrap_or_default(), value)?,
                None => tracing::warn!(table = table.name(), "a damaged row is left out"),
            }
        }
        Ok(())
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let full = [&[number_of(table)][..], key].concat();
        let row = guarded(self.folder, || self.database.get(&full))?;
        Ok(row.and_then(|row| open_row(&full, &row).map(<[u8]>::to_vec)))
    }

    /// Messages get new keys: their room, and their place in the order of arrival.
    fn messages(&self, growing: &mut Growing<'_>) -> Result<(), StoreError> {
        let mut rooms: BTreeMap<Vec<u8>, Vec<(u64, Vec<u8>)>> = BTreeMap::new();
        self.rows(Table::Messages, &[], &mut |key, value| {
            let arrival = value.get(1..9).and_then(|bytes| bytes.try_into().ok());
            if let (Some((room, rest)), Some(arrival)) = (key.split_at_checked(32), arrival)
                && rest.len() == 40
            {
                let rows = rooms.entry(room.to_vec()).or_default();
                rows.push((u64::from_be_bytes(arrival), rest.to_vec()));
            }
            Ok(())
        })?;
        for (room, mut rows) in rooms {
            rows.sort_unstable();
            for (number, (_, rest)) in (1_u64..).zip(rows) {
                let old_key = [room.as_slice(), &rest].concat();
                let Some(value) = self.get(Table::Messages, &old_key)? else { continue };
                let id = rest.get(8..).unwrap_or_default();
                let mark_key = [room.as_slice(), id].concat();
                let mut flags = match value.first() {
                    Some(&SHOWN) => MARK_SHOWN,
                    Some(&UNACKNOWLEDGED) => MARK_UNACKNOWLEDGED,
                    _ => 0,
                };
                if self.get(Table::Marks, &mark_key)?.is_some() {
                    flags |= MARK_ELSEWHERE;
                }
                let key = [room.as_slice(), &number.to_be_bytes()].concat();
                if flags != 0 {
                    growing.put(Table::Marks, key.clone(), vec![flags])?;
                }
                growing.put(Table::Messages, key, value.get(9..).unwrap_or_default().to_vec())?;
            }
        }
        Ok(())
    }
}

/// The value behind a checksum that fits.
fn open_row<'a>(key: &[u8], row: &'a [u8]) -> Option<&'a [u8]> {
    let (sum, value) = row.split_at_checked(SUM_BYTES)?;
    (sum == first_sum(key, value)).then_some(value)
}

/// The checksum of format 1.
pub(super) fn first_sum(key: &[u8], value: &[u8]) -> [u8; SUM_BYTES] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(key.len() as u64).to_be_bytes());
    hasher.update(key);
    hasher.update(value);
    let mut sum = [0; SUM_BYTES];
    hasher.finalize_xof().fill(&mut sum);
    sum
}
