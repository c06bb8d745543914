//! What survives: an append-only log, and an index of it.
//!
//! The log is the truth. A commit is one record at its end and one sync; from then on the rows
//! in it count, and are found through memory (`rows::Recent`) until the index, a sled
//! database, is brought up to date in the background. A start reads what the index says and the
//! records after that. Whatever is wrong with the index, it is made again from the log.

mod catch_up;
mod checks;
mod copy;
mod damage;
mod durable;
mod error;
#[cfg(test)]
mod faults;
mod files;
mod index;
mod log;
mod migrate;
mod places;
mod reader;
mod records;
mod replay;
mod rows;
#[cfg(test)]
mod tests;
mod window;
mod writer;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};

use conclave_protocol::engine::{Batch, BatchId, Write};

use self::catch_up::{catch_up, keep};
use self::checks::Checks;
use self::damage::Damage;
pub use self::error::StoreError;
use self::error::{corrupt, from_io};
use self::files::{
    FIRST_FOLDER, FORMAT, INDEX_FOLDER, LOG_FOLDER, NEW_LOG_FOLDER, OLD_LOG_FOLDER, OPEN_FORMAT,
    Origin, check_room, identity, new_key, patiently, private_folder, read_format, read_origin,
    remove_folder, write_format, write_origin,
};
use self::index::{Index, set_aside};
use self::log::{Log, Marker, segment_path, segments};
use self::places::Segments;
use self::records::{Group, SEGMENT_HEAD, key_of_segment};
use self::replay::{End, Route, stands};
use self::rows::{Held, Recent};
pub use self::writer::{StoreNews, StoreWriter};

/// An open store.
pub struct Store {
    folder: PathBuf,
    checks: Checks,
    log: Mutex<Log>,
    rows: RwLock<Rows>,
    /// Held by whoever brings the index up to date.
    updating: Mutex<()>,
    segments: Segments,
    damage: Damage,
    is_copy: Mutex<bool>,
    // Last, so that the store is free only when everything in it is closed.
    _lock: File,
}

/// Where the newest value of a key is, from the newest place to the oldest.
struct Rows {
    recent: Recent,
    /// On its way into the index.
    frozen: Option<Arc<Recent>>,
    /// Nothing while it cannot be opened.
    index: Option<Arc<Index>>,
    /// The index reaches this far at least.
    applied: Option<Marker>,
}

impl Rows {
    fn find(&self, full: &[u8]) -> Result<Option<Held>, StoreError> {
        let frozen = self.frozen.as_deref();
        let recent = self.recent.get(full).or_else(|| frozen.and_then(|rows| rows.get(full)));
        match (recent, &self.index) {
            (Some(held), _) => Ok(Some(held.clone())),
            (None, Some(index)) => index.get(full),
            (None, None) => Err(StoreError::Stopped),
        }
    }
}

impl Store {
    /// Opens the store in a folder, or makes one. A store of an older format is migrated.
    ///
    /// # Errors
    /// [`StoreError`]; a store of a newer format is not touched.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let fail = |error: io::Error| from_io(folder, &error);
        refuse_newer(folder)?;
        private_folder(folder).map_err(fail)?;
        let lock = files::lock(folder)?;
        // Once more: whoever had it may have migrated it meanwhile.
        let format = refuse_newer(folder)?;
        let has_log = folder.join(LOG_FOLDER).exists();
        let has_first = folder.join(FIRST_FOLDER).exists();
        if format == Some(1) || (format.is_none() && has_first && !has_log) {
            migrate::from_first(folder)?;
            return Self::opened(folder, Some(FORMAT), lock);
        }
        if format == Some(OPEN_FORMAT) {
            let lock = migrate::from_open(folder, lock)?;
            return Self::opened(folder, Some(FORMAT), lock);
        }
        // Left behind by a migration that was cut off when all that counts was done.
        for left in [FIRST_FOLDER, OLD_LOG_FOLDER] {
            remove_folder(&folder.join(left)).map_err(fail)?;
        }
        Self::opened(folder, format, lock)
    }

    /// Opens what is there, of this format or the one before.
    fn opened(folder: &Path, format: Option<u32>, lock: File) -> Result<Self, StoreError> {
        let fail = |error: io::Error| from_io(folder, &error);
        let log_folder = folder.join(LOG_FOLDER);
        remove_folder(&folder.join(NEW_LOG_FOLDER)).map_err(fail)?;
        private_folder(&log_folder).map_err(fail)?;
        let origin = read_origin(folder);
        let mut found = segments(&log_folder).map_err(fail)?;
        if format.is_none() && is_unborn(&log_folder, &found).map_err(fail)? {
            remove_folder(&log_folder).map_err(fail)?;
            private_folder(&log_folder).map_err(fail)?;
            found.clear();
        }
        let damage = Damage::new(folder);
        let (checks, log, rows, went_back) = if found.is_empty() {
            if format.is_some() {
                return Err(corrupt(folder, "its log is missing"));
            }
            let checks = Checks::new(new_key(folder)?);
            set_aside(&folder.join(INDEX_FOLDER))?;
            let log = Log::create(&log_folder, checks.clone()).map_err(fail)?;
            let index = patiently(|| Index::open(&folder.join(INDEX_FOLDER), checks.clone()))?;
            let index = Some(Arc::new(index));
            let rows = Rows { recent: Recent::default(), frozen: None, index, applied: None };
            (checks, log, rows, false)
        } else {
            let key = key_of_log(&log_folder, &found, origin.as_ref()).map_err(fail)?;
            let key = key.ok_or_else(|| corrupt(folder, "no segment of its log has a head"))?;
            let checks = Checks::new(key);
            let (log, rows, went_back) = load(folder, &checks, &found, &damage)?;
            (checks, log, rows, went_back)
        };
        let first = found.first().copied().unwrap_or(1);
        let identity = identity(folder, first).map_err(fail)?;
        if format.is_none() {
            let origin = Origin { key: *checks.key(), identity: identity.clone() };
            write_origin(folder, &origin).map_err(fail)?;
            write_format(folder, FORMAT).map_err(fail)?;
        }
        if went_back {
            // Until it is adopted: the next start cannot tell any more.
            let origin = Origin { key: *checks.key(), identity: String::new() };
            write_origin(folder, &origin).map_err(fail)?;
        }
        let known = !went_back
            && (format.is_none() || origin.is_some_and(|origin| origin.identity == identity));
        let segments = Segments::new(&log_folder, checks.clone());
        segments.keep_open(log.end().0);
        Ok(Self {
            folder: folder.to_owned(),
            segments,
            checks,
            log: Mutex::new(log),
            rows: RwLock::new(rows),
            updating: Mutex::new(()),
            damage,
            is_copy: Mutex::new(!known),
            _lock: lock,
        })
    }

    /// Makes writes durable as one before it returns; for a store that no node uses yet.
    ///
    /// # Errors
    /// [`StoreError`]; then none of them is there.
    pub fn write_now(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        let mut group = Group::default();
        group.add(Batch { id: BatchId(0), writes });
        match self.commit(group) {
            Ok(()) => Ok(()),
            Err((_, error)) => Err(from_io(&self.folder, &error)),
        }
    }

    /// Closes it, and goes on holding its lock.
    fn closed(self) -> File {
        self._lock
    }

    /// Whether these files are not those in which the store was made or [adopted](Self::adopt):
    /// restored from a backup, or copied. Then another copy may have gone on meanwhile.
    #[must_use]
    pub fn is_copy(&self) -> bool {
        *self.is_copy.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that this copy is the one that goes on.
    ///
    /// # Errors
    /// [`StoreError`]; then it is a copy still.
    pub fn adopt(&self) -> Result<(), StoreError> {
        let fail = |error: io::Error| from_io(&self.folder, &error);
        let found = segments(&self.folder.join(LOG_FOLDER)).map_err(fail)?;
        let first = found.first().copied().unwrap_or(1);
        let identity = identity(&self.folder, first).map_err(fail)?;
        let origin = Origin { key: *self.checks.key(), identity };
        write_origin(&self.folder, &origin).map_err(fail)?;
        *self.is_copy.lock().unwrap_or_else(PoisonError::into_inner) = false;
        Ok(())
    }

    /// Makes a group durable. An error gives it back: nothing of it is there.
    fn commit(&self, group: Group) -> Result<(), (Group, io::Error)> {
        if group.is_empty() {
            return Ok(());
        }
        let mut log = self.log();
        let before = log.end().0;
        let (marker, places) = match log.append(&group) {
            Ok(done) => done,
            Err(error) => return Err((group, error)),
        };
        if log.end().0 != before {
            self.segments.keep_open(log.end().0);
        }
        let mut rows = self.rows.write().unwrap_or_else(PoisonError::into_inner);
        let written: Vec<_> = group.into_rows().collect();
        self.damage.mended(written.iter().map(|(full, _)| full));
        for ((full, value), place) in written.into_iter().zip(places) {
            let held = Held::new(&full, place, value);
            rows.recent.put(full, held);
        }
        rows.recent.end = Some(marker);
        Ok(())
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is much that the index does not know, and whether there is too much.
    fn is_behind(&self) -> (bool, bool) {
        let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner);
        (rows.recent.is_much(), rows.recent.is_too_much())
    }

    /// Brings the index up to date now, as the writer does by itself from time to time.
    ///
    /// # Errors
    /// [`StoreError`]; nothing is lost.
    pub fn catch_up_index(&self) -> Result<(), StoreError> {
        self.update_index()
    }

    /// Brings the index up to date. Whatever fails here, the log has it all.
    fn update_index(&self) -> Result<(), StoreError> {
        let _one = self.updating.lock().unwrap_or_else(PoisonError::into_inner);
        let (frozen, index) = {
            let mut rows = self.rows.write().unwrap_or_else(PoisonError::into_inner);
            if rows.frozen.is_none() {
                if rows.recent.rows().is_empty() {
                    return Ok(());
                }
                let next = Recent::after(rows.recent.end);
                rows.frozen = Some(Arc::new(std::mem::replace(&mut rows.recent, next)));
            }
            (rows.frozen.clone().unwrap_or_default(), rows.index.clone())
        };
        check_room(&self.folder, frozen.index_bytes())
            .map_err(|error| from_io(&self.folder, &error))?;
        let applied = match &index {
            Some(index) => index.apply(&frozen),
            None => Err(StoreError::Stopped),
        };
        match applied {
            Ok(()) => {
                let mut rows = self.rows.write().unwrap_or_else(PoisonError::into_inner);
                rows.applied = frozen.end;
                rows.frozen = None;
                Ok(())
            }
            Err(error) => {
                // Sled answers nothing more after a failure; only opening it again helps.
                let broken = index.as_ref().map(Arc::downgrade);
                drop(index);
                self.mend_index(broken, &error)?;
                Err(error)
            }
        }
    }

    /// Opens the index again after an error, or makes it again from the log if it is damaged.
    fn mend_index(
        &self,
        broken: Option<Weak<Index>>,
        error: &StoreError,
    ) -> Result<(), StoreError> {
        let mut rows = self.rows.write().unwrap_or_else(PoisonError::into_inner);
        let same = match (&rows.index, &broken) {
            (Some(now), Some(broken)) => Arc::as_ptr(now) == broken.as_ptr(),
            (now, broken) => now.is_none() && broken.is_none(),
        };
        if !same {
            return Ok(());
        }
        tracing::warn!(%error, "the index of the store is opened again");
        rows.index = None;
        let folder = self.folder.join(INDEX_FOLDER);
        if matches!(error, StoreError::Corrupt { .. }) {
            set_aside(&folder)?;
        }
        let (index, marker, _) = open_index(&folder, &self.checks, &self.folder.join(LOG_FOLDER))?;
        let until = rows.applied;
        if marker.map_or(0, |m| m.head.seq) < until.map_or(0, |m| m.head.seq) {
            let log_folder = self.folder.join(LOG_FOLDER);
            let found = segments(&log_folder).map_err(|error| from_io(&self.folder, &error))?;
            let route = Route {
                folder: &log_folder,
                checks: &self.checks,
                segments: &found,
                after: marker,
                until,
                durable: until,
            };
            let (recent, _) = catch_up(&route, &index, &self.damage)?;
            index.apply(&recent)?;
        }
        rows.index = Some(Arc::new(index));
        Ok(())
    }
}

/// The format of what is there.
fn refuse_newer(folder: &Path) -> Result<Option<u32>, StoreError> {
    let format = read_format(folder)?;
    match format.filter(|found| *found > FORMAT) {
        Some(found) => Err(StoreError::NewerFormat { path: folder.to_owned(), found }),
        None => Ok(format),
    }
}

/// Whether a crash has left nothing but the beginning of a first segment: a log that was never
/// complete holds nothing.
fn is_unborn(folder: &Path, found: &[u32]) -> io::Result<bool> {
    let mut length = 0;
    for segment in found {
        length += fs::metadata(segment_path(folder, *segment))?.len();
    }
    Ok(!found.is_empty() && length < SEGMENT_HEAD)
}

/// The key of the checksums, from the first segment whose head is whole, or kept beside the log.
fn key_of_log(
    folder: &Path,
    found: &[u32],
    origin: Option<&Origin>,
) -> io::Result<Option<[u8; checks::KEY_BYTES]>> {
    for segment in found {
        let file = File::open(segment_path(folder, *segment))?;
        let mut head = vec![0; SEGMENT_HEAD as usize];
        let read = window::read_up_to(&file, &mut head, 0)?;
        head.truncate(read);
        if let Some(key) = key_of_segment(&head, *segment) {
            return Ok(Some(key));
        }
    }
    Ok(origin.map(|origin| origin.key))
}

/// Opens the index and says how far it reaches. One that is damaged, or does not belong to the
/// log, is moved out of the way, and an empty one takes its place. In the second case somebody has
/// put back an older log, for the index never goes further than what is durable.
fn open_index(
    folder: &Path,
    checks: &Checks,
    log_folder: &Path,
) -> Result<(Index, Option<Marker>, bool), StoreError> {
    let mut went_back = false;
    let mut open = || -> Result<(Index, Option<Marker>), StoreError> {
        let index = patiently(|| Index::open(folder, checks.clone()))?;
        let marker = index.marker()?;
        if let Some(marker) = marker
            && !stands(log_folder, checks, &marker).map_err(|error| from_io(folder, &error))?
        {
            went_back = true;
            return Err(corrupt(folder, "it does not belong to the log"));
        }
        Ok((index, marker))
    };
    let opened = match open() {
        Err(StoreError::Corrupt { detail, .. }) => {
            tracing::warn!(detail, "the index of the store is made again");
            set_aside(folder)?;
            open()
        }
        opened => opened,
    };
    opened.map(|(index, marker)| (index, marker, went_back))
}

/// Opens log and index of a store that exists, and brings the one up to the other.
fn load(
    folder: &Path,
    checks: &Checks,
    found: &[u32],
    damage: &Damage,
) -> Result<(Log, Rows, bool), StoreError> {
    let fail = |error: io::Error| from_io(folder, &error);
    let (log_folder, index_folder) = (folder.join(LOG_FOLDER), folder.join(INDEX_FOLDER));
    let mut tries = 0;
    let mut went_back = false;
    let (index, recent, end) = loop {
        let (index, marker, back) = open_index(&index_folder, checks, &log_folder)?;
        went_back |= back;
        let route = Route {
            folder: &log_folder,
            checks,
            segments: found,
            after: marker,
            until: None,
            durable: marker,
        };
        match catch_up(&route, &index, damage) {
            Ok((recent, end)) => break (index, recent, end),
            Err(error @ StoreError::Corrupt { .. }) if tries == 0 => {
                tracing::warn!(%error, "the index of the store is made again");
                tries += 1;
                drop(index);
                set_aside(&index_folder)?;
            }
            Err(error) => return Err(error),
        }
    };
    let End { at, seq, torn } = end;
    for stretch in torn {
        tracing::warn!(?stretch, "what a crash has left of a commit is cut off the log");
        keep(&log_folder, stretch, damage).map_err(fail)?;
    }
    for later in found.iter().filter(|segment| **segment > at.0) {
        fs::remove_file(segment_path(&log_folder, *later)).map_err(fail)?;
    }
    let log = Log::resume(&log_folder, checks.clone(), at, seq).map_err(fail)?;
    let applied = index.marker()?;
    let rows = Rows { recent, frozen: None, index: Some(Arc::new(index)), applied };
    Ok((log, rows, went_back))
}
