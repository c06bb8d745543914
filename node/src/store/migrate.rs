//! From older formats to this one.
//!
//! In format 1 sled held all rows; in format 2 they are in a log as now. In both nothing encrypts
//! what people wrote. Such messages are refused everywhere from this format on, so what belongs
//! to them is left behind: the messages and their marks, positions in them, drafts, rooms of
//! instant messages and proofs of forks. What was signed about the company stays, and so do
//! settings and addresses. The sequence numbers of all own chains begin anew, here as everywhere.
//!
//! The new log grows under another name, and the format file is the last that is written: a
//! crash at any moment leaves one of the formats, whole. Nothing of the old rows stays in files
//! of the store then; what the disk keeps of files that were removed is up to the disk.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use conclave_protocol::engine::{Reader as _, Table};

use super::checks::{Checks, KEY_BYTES};
use super::damage::DAMAGED_FILE;
use super::error::{StoreError, corrupt, from_io};
use super::files::{
    FIRST_FOLDER, FORMAT, INDEX_FOLDER, LOG_FOLDER, NEW_LOG_FOLDER, OLD_LOG_FOLDER, OPEN_FORMAT,
    Origin, identity, identity_of, new_key, patiently, private_folder, read_origin, remove_folder,
    write_format, write_origin,
};
use super::index::{guarded, remove_all};
use super::log::{Log, segments};
use super::records::Group;
use super::rows::number_of;
use super::{Store, key_of_log};

/// Bytes of the checksum in front of each value in format 1.
const SUM_BYTES: usize = 8;
/// Written to the new log at once.
const GROUP_BYTES: usize = 1024 * 1024;
/// Rows of [`Table::State`] that belong to messages, by the beginning of their keys.
const OF_MESSAGES: [&[u8]; 6] = [b"tail/", b"read/", b"draft/", b"fork/", b"instant/", b"epoch/"];
/// The tables of which anything stays.
const KEPT_TABLES: [Table; 2] = [Table::Control, Table::State];

fn is_kept(table: Table, key: &[u8]) -> bool {
    match table {
        Table::Control => true,
        Table::State => !OF_MESSAGES.iter().any(|prefix| key.starts_with(prefix)),
        Table::Messages | Table::Marks | Table::Index | Table::Waiting => false,
    }
}

fn tell(folder: &Path) {
    tracing::warn!(
        store = %folder.display(),
        "the store is brought to a newer format: messages and drafts of the provisional, \
         unencrypted format are dropped; the company, its rooms and the settings stay"
    );
}

/// Makes a store of this format out of one of format 1. The caller holds the store's lock.
pub(super) fn from_first(folder: &Path) -> Result<(), StoreError> {
    let fail = |error: io::Error| from_io(folder, &error);
    let old = folder.join(FIRST_FOLDER);
    if !old.exists() {
        return Err(corrupt(folder, "its database is missing"));
    }
    tell(folder);
    // Left behind by a try that did not get to its end.
    remove_folder(&folder.join(LOG_FOLDER)).map_err(fail)?;
    remove_all(&folder.join(INDEX_FOLDER))?;
    let config = sled::Config::new().path(&old).flush_every_ms(None);
    let first = First { folder, database: patiently(|| guarded(folder, || config.open()))? };
    let mut growing = Growing::new(folder)?;
    for table in KEPT_TABLES {
        first.rows(table, &mut |key, value| growing.keep(table, key, value))?;
    }
    let key = growing.finish()?;
    drop(first);
    fs::rename(folder.join(NEW_LOG_FOLDER), folder.join(LOG_FOLDER)).map_err(fail)?;
    sync(folder).map_err(fail)?;
    let identity = identity(folder, 1).map_err(fail)?;
    write_origin(folder, &Origin { key, identity }).map_err(fail)?;
    write_format(folder, FORMAT).map_err(fail)?;
    remove_folder(&old).map_err(fail)
}

/// Makes a store of this format out of one of format 2, whose lock is given.
pub(super) fn from_open(folder: &Path, lock: File) -> Result<File, StoreError> {
    let fail = |error: io::Error| from_io(folder, &error);
    let [log, new, old] =
        [LOG_FOLDER, NEW_LOG_FOLDER, OLD_LOG_FOLDER].map(|name| folder.join(name));
    let mut lock = lock;
    // The old log gets its other name only when the new one is complete.
    if !old.exists() {
        tell(folder);
        lock = grow(folder, lock)?;
        fs::rename(&log, &old).map_err(fail)?;
    }
    if !log.exists() {
        fs::rename(&new, &log).map_err(fail)?;
    }
    sync(folder).map_err(fail)?;
    // A copy stays one: the origin names the old log then neither as it is nor as it was.
    let is_made_here = |origin: &Origin| {
        [&old, &log].into_iter().any(|log| {
            let first = segments(log).ok().and_then(|found| found.first().copied());
            first.is_some_and(|first| identity_of(log, first).is_ok_and(|id| id == origin.identity))
        })
    };
    let known = read_origin(folder).as_ref().is_some_and(is_made_here);
    let identity = if known { identity(folder, 1).map_err(fail)? } else { String::new() };
    let key = key_of_log(&log, &[1], None).map_err(fail)?;
    let key = key.ok_or_else(|| corrupt(folder, "its new log cannot be read"))?;
    write_origin(folder, &Origin { key, identity }).map_err(fail)?;
    remove_file(&folder.join(DAMAGED_FILE)).map_err(fail)?;
    write_format(folder, FORMAT).map_err(fail)?;
    remove_folder(&old).map_err(fail)?;
    Ok(lock)
}

/// Makes the new log of a store of format 2, and removes what knows the old one.
pub(super) fn grow(folder: &Path, lock: File) -> Result<File, StoreError> {
    let store = Store::opened(folder, Some(OPEN_FORMAT), lock)?;
    let mut growing = Growing::new(folder)?;
    for table in KEPT_TABLES {
        let mut kept = Ok(());
        store.scan(table, &[], &mut |key, value| {
            if kept.is_ok() {
                kept = growing.keep(table, key, value);
            }
        });
        kept?;
    }
    growing.finish()?;
    let lock = store.closed();
    remove_all(&folder.join(INDEX_FOLDER))?;
    Ok(lock)
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The new log, a group at a time.
struct Growing<'a> {
    folder: &'a Path,
    checks: Checks,
    log: Log,
    group: Group,
}

impl<'a> Growing<'a> {
    fn new(folder: &'a Path) -> Result<Self, StoreError> {
        let fail = |error: io::Error| from_io(folder, &error);
        let new = folder.join(NEW_LOG_FOLDER);
        remove_folder(&new).map_err(fail)?;
        private_folder(&new).map_err(fail)?;
        let checks = Checks::new(new_key(folder)?);
        let log = Log::create(&new, checks.clone()).map_err(fail)?;
        Ok(Self { folder, checks, log, group: Group::default() })
    }

    /// Takes a row over if it is one of those that stay.
    fn keep(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        if !is_kept(table, key) {
            return Ok(());
        }
        self.group.put(table, key.to_vec(), Some(value.to_vec()));
        if self.group.bytes() < GROUP_BYTES { Ok(()) } else { self.write() }
    }

    /// All of it is durable afterwards. Gives the key of its checksums.
    fn finish(mut self) -> Result<[u8; KEY_BYTES], StoreError> {
        self.write()?;
        Ok(*self.checks.key())
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
    fn rows(&self, table: Table, visit: Visit<'_>) -> Result<(), StoreError> {
        let mut rows = self.database.scan_prefix([number_of(table)]);
        while let Some((key, row)) = guarded(self.folder, || rows.next().transpose())? {
            match open_row(&key, &row) {
                Some(value) => visit(key.get(1..).unwrap_or_default(), value)?,
                None => tracing::warn!(table = table.name(), "a damaged row is left out"),
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
