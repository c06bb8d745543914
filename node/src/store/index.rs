//! The index: a sled database that says for each key what the log holds of it, up to a record.
//!
//! It can be made again from the log at any time, so whatever is wrong with it is mended that
//! way. It is written only when it is brought up to date, in the background.
//!
//! Messages and marks have keys of a room and a dense arrival number. Their rows share one row
//! here for each 256 arrivals: the places of the messages, the one byte of the marks.

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use conclave_protocol::engine::Table;

use super::checks::{Checks, Covers};
use super::durable::Durable;
use super::error::{StoreError, corrupt, from_io, from_sled, is_want_of_descriptors};
use super::files::remove_folder;
use super::log::Marker;
use super::rows::{Held, Recent, number_of};

/// Sled's memory nears the size of the database under load unless it is told otherwise.
const CACHE_BYTES: u64 = 8 * 1024 * 1024;
/// The row that says how far the index reaches.
const MARKER_KEY: &[u8] = &[0];
/// Added to a table's number in the keys of shared rows.
const SHARED: u8 = 0x40;
/// Arrivals in one shared row.
const SHARED_ROWS: u64 = 256;
/// Bytes of a full key with a room and an arrival number.
const ARRIVAL_KEY: usize = 41;
const ROW_SUM: usize = 8;
/// Rows that are applied at once; readers wait meanwhile.
const APPLY_ROWS: usize = 256;
/// In place of a mark: see the key's own row.
const ELSEWHERE: u64 = 0xffff;
/// Added to a mark's byte, so that zero means that there is none.
const MARKED: u64 = 0x100;

/// How often removing an index is tried.
const REMOVAL_TRIES_MAX: u32 = 40;
/// How often, and how long apart, a file descriptor is asked for again: half a minute.
const DESCRIPTOR_TRIES_MAX: u32 = 600;
const DESCRIPTOR_REST: Duration = Duration::from_millis(50);

/// An open index.
pub(super) struct Index {
    folder: PathBuf,
    checks: Checks,
    database: sled::Db,
    durable: Mutex<Durable>,
}

/// Which shared row a key belongs to, and where in it; `width` bytes there.
struct Slot {
    shared: Vec<u8>,
    at: usize,
    width: usize,
}

impl Slot {
    fn of(full: &[u8]) -> Option<Self> {
        if full.len() != ARRIVAL_KEY {
            return None;
        }
        let table = *full.first()?;
        let width = width_of(table)?;
        let arrival = u64::from_be_bytes(full.get(33..)?.try_into().ok()?);
        let at = usize::try_from(arrival % SHARED_ROWS).ok()?;
        let shared = shared_key(table, full.get(1..33)?, arrival / SHARED_ROWS);
        Some(Self { shared, at, width })
    }

    fn read(&self, row: &[u8]) -> u64 {
        read_slot(row, self.at, self.width)
    }

    fn write(&self, row: &mut Vec<u8>, value: u64) {
        row.resize(self.width * SHARED_ROWS as usize, 0);
        let bytes = value.to_be_bytes();
        let start = self.at * self.width;
        if let (Some(to), Some(from)) =
            (row.get_mut(start..start + self.width), bytes.get(8 - self.width..))
        {
            to.copy_from_slice(from);
        }
    }
}

fn width_of(table: u8) -> Option<usize> {
    if table == number_of(Table::Messages) {
        Some(8)
    } else if table == number_of(Table::Marks) {
        Some(2)
    } else {
        None
    }
}

fn shared_key(table: u8, room: &[u8], number: u64) -> Vec<u8> {
    [&[table | SHARED][..], room, &number.to_be_bytes()].concat()
}

fn read_slot(row: &[u8], at: usize, width: usize) -> u64 {
    let bytes = row.get(at * width..(at + 1) * width).unwrap_or_default();
    bytes.iter().fold(0, |value, byte| (value << 8) | u64::from(*byte))
}

/// What a slot says; `None` if it says nothing or sends to the key's own row.
fn held_in(width: usize, slot: u64) -> Option<Held> {
    match (width, slot) {
        (_, 0) | (2, ELSEWHERE) => None,
        (2, mark) => Some(Held::Inline(vec![(mark & 0xff) as u8])),
        (_, place) => Some(Held::At(place)),
    }
}

impl Index {
    /// Opens the index in a folder, or makes one.
    pub(super) fn open(folder: &Path, checks: Checks) -> Result<Self, StoreError> {
        let config =
            sled::Config::new().path(folder).cache_capacity(CACHE_BYTES).flush_every_ms(None);
        let database = guarded(folder, || config.open())?;
        let durable = Mutex::new(Durable::new(folder.to_owned()));
        Ok(Self { folder: folder.to_owned(), checks, database, durable })
    }

    /// The record up to which it reaches.
    pub(super) fn marker(&self) -> Result<Option<Marker>, StoreError> {
        let Some(row) = self.row(MARKER_KEY)? else { return Ok(None) };
        Marker::decode(&row).map(Some).ok_or_else(|| self.damaged())
    }

    /// What it says of a key.
    pub(super) fn get(&self, full: &[u8]) -> Result<Option<Held>, StoreError> {
        if let Some(slot) = Slot::of(full) {
            let row = self.row(&slot.shared)?.unwrap_or_default();
            let value = slot.read(&row);
            if slot.width != 2 || value != ELSEWHERE {
                return Ok(held_in(slot.width, value));
            }
        }
        self.row(full)?.map(|row| self.held(&row)).transpose()
    }

    /// Finds up to `most` rows that begin with a full prefix, in order from a full key on. Gives
    /// the key up to which all are found, if there may be more.
    pub(super) fn rows(
        &self,
        prefix: &[u8],
        from: &[u8],
        most: usize,
        found: &mut BTreeMap<Vec<u8>, Held>,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let mut more: Option<Vec<u8>> = None;
        let mut taken = 0;
        let mut bytes = 0;
        let mut rows = self.database.range(from..);
        while let Some(entry) = guarded(&self.folder, || rows.next().transpose())? {
            let (key, row) = entry;
            if !key.starts_with(prefix) {
                break;
            }
            let held = self.held(self.opened(&key, &row)?)?;
            taken += 1;
            bytes += row.len();
            found.insert(key.to_vec(), held);
            if taken == most || bytes > 1024 * 1024 {
                more = Some(key.to_vec());
                break;
            }
        }
        let Some(width) = prefix.first().and_then(|table| width_of(*table)) else {
            return Ok(more);
        };
        let end = self.shared_rows(width, prefix, from, most, found)?;
        Ok(match (more, end) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        })
    }

    fn shared_rows(
        &self,
        width: usize,
        prefix: &[u8],
        from: &[u8],
        most: usize,
        found: &mut BTreeMap<Vec<u8>, Held>,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(table) = prefix.first().copied() else { return Ok(None) };
        let mut begin = from.to_vec();
        begin.resize(ARRIVAL_KEY, 0);
        let Some(begin) = Slot::of(&begin) else { return Ok(None) };
        let mut taken = 0;
        let mut rows = self.database.range(begin.shared..);
        while let Some(entry) = guarded(&self.folder, || rows.next().transpose())? {
            let (key, row) = entry;
            if key.first() != Some(&(table | SHARED)) {
                break;
            }
            let row = self.opened(&key, &row)?;
            let (room, number) = key.get(1..33).zip(key.get(33..)).ok_or_else(|| self.damaged())?;
            let number = u64::from_be_bytes(number.try_into().map_err(|_| self.damaged())?);
            for at in 0..SHARED_ROWS {
                let Some(held) = held_in(width, read_slot(row, at as usize, width)) else {
                    continue;
                };
                let arrival = number * SHARED_ROWS + at;
                let full = [&[table][..], room, &arrival.to_be_bytes()].concat();
                if full.as_slice() < from {
                    continue;
                }
                if !full.starts_with(prefix) {
                    return Ok(None);
                }
                taken += 1;
                if taken == most {
                    found.insert(full.clone(), held);
                    return Ok(Some(full));
                }
                found.insert(full, held);
            }
        }
        Ok(None)
    }

    /// Brings it up to date with recent rows, and returns when that will survive a power cut.
    pub(super) fn apply(&self, recent: &Recent) -> Result<(), StoreError> {
        let mut batch = sled::Batch::default();
        let mut pending = 0;
        let mut shared: Option<(Vec<u8>, Vec<u8>)> = None;
        for (full, held) in recent.rows() {
            pending += 1;
            if pending >= APPLY_ROWS {
                self.apply_batch(&mut batch)?;
                pending = 0;
            }
            let Some(slot) = Slot::of(full) else {
                self.put_own(&mut batch, full, held);
                continue;
            };
            if shared.as_ref().is_none_or(|(key, _)| *key != slot.shared) {
                if let Some((key, row)) = shared.take() {
                    self.put_shared(&mut batch, key, row);
                }
                let row = self.row(&slot.shared)?.unwrap_or_default();
                shared = Some((slot.shared.clone(), row));
            }
            let Some((_, row)) = &mut shared else { continue };
            let before = slot.read(row);
            let value = match (slot.width, held) {
                (_, Held::Removed) => 0,
                (8, Held::At(place)) => *place,
                (2, Held::Inline(value)) if value.len() == 1 => {
                    MARKED | u64::from(value.first().copied().unwrap_or_default())
                }
                _ => ELSEWHERE,
            };
            slot.write(row, value);
            if slot.width == 2 && value == ELSEWHERE {
                self.put_own(&mut batch, full, held);
            } else if slot.width == 2 && before == ELSEWHERE {
                batch.remove(full.as_slice());
            }
        }
        if let Some((key, row)) = shared.take() {
            self.put_shared(&mut batch, key, row);
        }
        // Applying a part twice does no harm, so only the marker has to come last.
        self.apply_batch(&mut batch)?;
        if let Some(marker) = recent.end {
            batch.insert(MARKER_KEY, self.sealed(MARKER_KEY, &marker.encode()));
        }
        self.apply_batch(&mut batch)?;
        guarded(&self.folder, || self.database.flush())?;
        let mut durable = self.durable.lock().unwrap_or_else(PoisonError::into_inner);
        // Want of file descriptors passes, and what is written is not lost by waiting.
        for _ in 0..DESCRIPTOR_TRIES_MAX {
            match durable.sync() {
                Err(error) if is_want_of_descriptors(&error) => thread::sleep(DESCRIPTOR_REST),
                result => return result.map_err(|error| from_io(&self.folder, &error)),
            }
        }
        durable.sync().map_err(|error| from_io(&self.folder, &error))
    }

    fn apply_batch(&self, batch: &mut sled::Batch) -> Result<(), StoreError> {
        let batch = std::mem::take(batch);
        guarded(&self.folder, || self.database.apply_batch(batch))
    }

    fn put_own(&self, batch: &mut sled::Batch, full: &[u8], held: &Held) {
        let row = match held {
            Held::Removed => {
                batch.remove(full);
                return;
            }
            Held::At(place) => [&[1][..], &place.to_be_bytes()].concat(),
            Held::Inline(value) => [&[0][..], value].concat(),
        };
        batch.insert(full, self.sealed(full, &row));
    }

    fn put_shared(&self, batch: &mut sled::Batch, key: Vec<u8>, row: Vec<u8>) {
        if row.iter().all(|byte| *byte == 0) {
            batch.remove(key);
        } else {
            let sealed = self.sealed(&key, &row);
            batch.insert(key, sealed);
        }
    }

    fn held(&self, row: &[u8]) -> Result<Held, StoreError> {
        match row.split_first() {
            Some((0, value)) => Ok(Held::Inline(value.to_vec())),
            Some((1, place)) => match place.try_into() {
                Ok(place) => Ok(Held::At(u64::from_be_bytes(place))),
                Err(_) => Err(self.damaged()),
            },
            _ => Err(self.damaged()),
        }
    }

    fn row(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let row = guarded(&self.folder, || self.database.get(key))?;
        row.map(|row| self.opened(key, &row).map(<[u8]>::to_vec)).transpose()
    }

    fn sealed(&self, key: &[u8], row: &[u8]) -> Vec<u8> {
        let sum: [u8; ROW_SUM] = self.checks.sum(Covers::IndexRow, &[key, row]);
        [&sum[..], row].concat()
    }

    fn opened<'a>(&self, key: &[u8], sealed: &'a [u8]) -> Result<&'a [u8], StoreError> {
        let (sum, row) = sealed.split_at_checked(ROW_SUM).ok_or_else(|| self.damaged())?;
        let fits = self.checks.sum::<ROW_SUM>(Covers::IndexRow, &[key, row])[..] == *sum;
        if fits { Ok(row) } else { Err(self.damaged()) }
    }

    fn damaged(&self) -> StoreError {
        corrupt(&self.folder, "a row of the index does not fit its checksum")
    }
}

/// Calls sled, which meets some kinds of damage with a panic.
pub(super) fn guarded<T>(
    folder: &Path,
    call: impl FnOnce() -> sled::Result<T>,
) -> Result<T, StoreError> {
    let done = catch_unwind(AssertUnwindSafe(call));
    done.map_err(|_| corrupt(folder, "it cannot be read"))?
        .map_err(|error| from_sled(folder, error))
}

/// Removes an index, and those that were moved out of its way.
pub(super) fn remove_all(folder: &Path) -> Result<(), StoreError> {
    let fail = |error: std::io::Error| from_io(folder, &error);
    let parent = folder.parent().unwrap_or(folder);
    let stem = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    for entry in fs::read_dir(parent).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name == stem || name.starts_with(&format!("{stem}.")) {
            // Threads of sled's own may write to it for a moment still.
            let mut tries = 0;
            while let Err(error) = remove_folder(&path) {
                tries += 1;
                if tries == REMOVAL_TRIES_MAX {
                    return Err(fail(error));
                }
                thread::sleep(DESCRIPTOR_REST);
            }
        }
    }
    Ok(())
}

/// Moves a damaged index out of the way. A few are kept to be looked at.
pub(super) fn set_aside(folder: &Path) -> Result<(), StoreError> {
    const KEPT: u32 = 2;
    let fail = |error: std::io::Error| from_io(folder, &error);
    if !fs::exists(folder).map_err(fail)? {
        return Ok(());
    }
    let aside = |number: u32| folder.with_extension(format!("damaged-{number}"));
    let mut number = 1;
    while fs::exists(aside(number)).map_err(fail)? {
        number += 1;
    }
    if number > KEPT {
        fs::remove_dir_all(aside(1)).map_err(fail)?;
        for old in 2..number {
            fs::rename(aside(old), aside(old - 1)).map_err(fail)?;
        }
        number -= 1;
    }
    fs::rename(folder, aside(number)).map_err(fail)
}
