//! What survives: a sled database behind a small surface.
//!
//! All tables live in one sled tree, each under a byte of its own, because one `apply_batch` on
//! one tree is atomic, also across a crash. `flush()` alone does not survive a power cut, since
//! sled asks the kernel for `sync_file_range` only; so every commit ends with an `fsync` of the
//! files and their folders, and many batches share one commit to make it cheap.

mod durable;
mod rows;
#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use self::durable::Durable;
use self::rows::{full_key, open, seal};
use conclave_protocol::engine::{Batch, BatchId, Reader, Table, Write};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// How long a store that was just closed may take to become free.
const LOCK_RELEASE_MAX: Duration = Duration::from_secs(2);
/// How often it is looked at meanwhile.
const LOCK_LOOK_EVERY: Duration = Duration::from_millis(20);

/// The format that this program reads and writes.
const FORMAT: u32 = 1;
const FORMAT_FILE: &str = "format";
const FORMAT_PREFIX: &str = "conclave-store ";
const DATABASE_FOLDER: &str = "sled";
/// Sled's memory nears the size of the database under load unless it is told otherwise.
const CACHE_BYTES: u64 = 16 * 1024 * 1024;
/// Between the end of one commit and the beginning of the next, at least.
const COMMIT_REST: Duration = Duration::from_millis(2);
/// Bounds of what is committed at once.
/// How often, and how long apart, a commit asks again for a file descriptor: half a minute.
const DESCRIPTOR_TRIES_MAX: u32 = 600;
const DESCRIPTOR_REST: Duration = Duration::from_millis(50);
const GROUP_BATCHES_MAX: usize = 4096;
const GROUP_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Why the store cannot be opened or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Written by a newer program; nothing was touched.
    #[error(
        "the store in {path} has format {found}; this program knows formats up to {FORMAT} only"
    )]
    NewerFormat {
        /// Where.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// Another process has it open.
    #[error("another process uses the store in {path}")]
    InUse {
        /// Where.
        path: PathBuf,
    },
    /// No room.
    #[error("the disk is full: cannot write to the store in {path}")]
    DiskFull {
        /// Where.
        path: PathBuf,
    },
    /// Not allowed.
    #[error("no permission to use the store in {path}")]
    Permission {
        /// Where.
        path: PathBuf,
    },
    /// What is there makes no sense.
    #[error("the store in {path} is damaged: {detail}")]
    Corrupt {
        /// Where.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// Any other failure of the system.
    #[error("cannot use the store in {path}: {detail}")]
    Io {
        /// Where.
        path: PathBuf,
        /// What the system says.
        detail: String,
    },
    /// The writer has failed or has been stopped.
    #[error("the store accepts no more writes")]
    Stopped,
}

/// An open store.
pub struct Store {
    folder: PathBuf,
    database: sled::Db,
    durable: Mutex<Durable>,
}

impl Store {
    /// Opens the store in a folder, or makes one.
    ///
    /// # Errors
    /// [`StoreError`]; a store of a newer format is not touched.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let fail = |error: io::Error| from_io(folder, &error);
        let format = read_format(folder)?;
        if let Some(found) = format.filter(|found| *found > FORMAT) {
            return Err(StoreError::NewerFormat { path: folder.to_owned(), found });
        }
        fs::create_dir_all(folder).map_err(fail)?;
        let config = sled::Config::new()
            .path(folder.join(DATABASE_FOLDER))
            .cache_capacity(CACHE_BYTES)
            .flush_every_ms(None);
        let open = || {
            // Sled meets some kinds of damage with a panic.
            let opened = catch_unwind(AssertUnwindSafe(|| config.open()));
            opened
                .map_err(|_| corrupt(folder, "it cannot be read"))?
                .map_err(|error| from_sled(folder, error))
        };
        // Threads of sled's own hold the lock a little longer than whoever has just closed it.
        let patience = Instant::now() + LOCK_RELEASE_MAX;
        let database = loop {
            match open() {
                Err(StoreError::InUse { .. }) if Instant::now() < patience => {
                    thread::sleep(LOCK_LOOK_EVERY);
                }
                opened => break opened?,
            }
        };
        let durable = Mutex::new(Durable::new(folder.join(DATABASE_FOLDER)));
        let store = Self { folder: folder.to_owned(), database, durable };
        // Last, so that a folder with a format is one with a database.
        if format.is_none() {
            store.commit(sled::Batch::default())?;
            write_format(folder).map_err(fail)?;
        }
        Ok(store)
    }

    /// Starts the one writer of this store, and gives the news of what has become durable: the
    /// newest batch of each commit, or the error after which nothing is accepted any more.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the system has no thread left.
    pub fn writer(
        self: &Arc<Self>,
    ) -> Result<(StoreWriter, UnboundedReceiver<Result<BatchId, StoreError>>), StoreError> {
        let (batches, waiting) = mpsc::channel();
        let (done, news) = unbounded_channel();
        let store = Arc::clone(self);
        let thread = thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || write_all(&store, &waiting, &done))
            .map_err(|error| from_io(&self.folder, &error))?;
        Ok((StoreWriter { batches: Some(batches), thread: Some(thread) }, news))
    }

    /// Makes writes durable as one before it returns; for a store that no node uses yet.
    ///
    /// # Errors
    /// [`StoreError`]; then none of them is there.
    pub fn write_now(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        let mut group = sled::Batch::default();
        add(&mut group, Batch { id: BatchId(0), writes });
        self.commit(group)
    }

    /// Applies writes as one, and returns when they will survive a power cut.
    fn commit(&self, writes: sled::Batch) -> Result<(), StoreError> {
        let commit = || {
            self.database.apply_batch(writes)?;
            self.database.flush()
        };
        // An error while sled writes in the background can surface as a panic.
        catch_unwind(AssertUnwindSafe(commit))
            .map_err(|_| corrupt(&self.folder, "writing to it failed badly"))?
            .map_err(|error| from_sled(&self.folder, error))?;
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

    fn get_checked(&self, key: &[u8]) -> Option<sled::IVec> {
        match catch_unwind(AssertUnwindSafe(|| self.database.get(key))) {
            Ok(Ok(value)) => value,
            Ok(Err(error)) => {
                tracing::error!(%error, "cannot read from the store");
                None
            }
            Err(_) => {
                tracing::error!("cannot read from the store");
                None
            }
        }
    }
}

impl Reader for Store {
    fn get(&self, table: Table, key: &[u8]) -> Option<Vec<u8>> {
        let key = full_key(table, key);
        let row = self.get_checked(&key)?;
        let value = open(&key, &row);
        if value.is_none() {
            tracing::warn!(table = table.name(), "a damaged row is left out");
        }
        value.map(<[u8]>::to_vec)
    }

    fn scan(&self, table: Table, prefix: &[u8], visit: &mut dyn FnMut(&[u8], &[u8])) {
        self.scan_from(table, prefix, prefix, &mut |key, value| {
            visit(key, value);
            true
        });
    }

    fn scan_from(
        &self,
        table: Table,
        prefix: &[u8],
        from: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) {
        let prefix = full_key(table, prefix);
        let mut rows = self.database.range(full_key(table, from)..);
        // Sled meets some kinds of damage with a panic.
        while let Ok(Some(entry)) = catch_unwind(AssertUnwindSafe(|| rows.next())) {
            match entry {
                Ok((key, _)) if !key.starts_with(&prefix) => return,
                // Visited all the same, empty: the engine counts it as damaged.
                Ok((key, row)) => {
                    let value = open(&key, &row).unwrap_or_default();
                    if !visit(key.get(1..).unwrap_or_default(), value) {
                        return;
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "cannot read from the store");
                    return;
                }
            }
        }
    }
}

/// The way to write. Dropping it, or [`StoreWriter::stop`], waits for what was accepted.
pub struct StoreWriter {
    batches: Option<mpsc::Sender<Batch>>,
    thread: Option<JoinHandle<()>>,
}

impl StoreWriter {
    /// Hands over a batch. Batches become durable in the order of these calls.
    ///
    /// # Errors
    /// [`StoreError::Stopped`] after a failure, which was reported once.
    pub fn write(&self, batch: Batch) -> Result<(), StoreError> {
        let batches = self.batches.as_ref().ok_or(StoreError::Stopped)?;
        batches.send(batch).map_err(|_| StoreError::Stopped)
    }

    /// Returns when everything that was accepted is durable, or has failed. Blocks.
    pub fn stop(mut self) {
        self.finish();
    }

    fn finish(&mut self) {
        self.batches = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the store's writer has panicked");
        }
    }
}

impl Drop for StoreWriter {
    fn drop(&mut self) {
        self.finish();
    }
}

/// The writer's thread: everything that waits goes into one commit, up to a bound.
fn write_all(
    store: &Store,
    waiting: &mpsc::Receiver<Batch>,
    done: &UnboundedSender<Result<BatchId, StoreError>>,
) {
    let mut rest_until = Instant::now();
    while let Ok(first) = waiting.recv() {
        // A lone batch is written at once. Under load a short rest between commits lets more
        // batches gather, since most of a commit's cost is the same for one and for many.
        thread::sleep(rest_until.saturating_duration_since(Instant::now()));
        let mut group = sled::Batch::default();
        let mut newest = first.id;
        let mut bytes = add(&mut group, first);
        for _ in 1..GROUP_BATCHES_MAX {
            if bytes >= GROUP_BYTES_MAX {
                break;
            }
            let Ok(next) = waiting.try_recv() else { break };
            newest = next.id;
            bytes += add(&mut group, next);
        }
        let result = store.commit(group).map(|()| newest);
        rest_until = Instant::now() + COMMIT_REST;
        let failed = result.is_err();
        // Nobody listens when the node is being torn down; what was accepted is still written.
        let _ = done.send(result);
        if failed {
            return;
        }
    }
}

/// Adds a batch to a group, and returns its size. The later of two writes of one key stays.
fn add(group: &mut sled::Batch, batch: Batch) -> usize {
    let mut bytes = 0;
    for write in batch.writes {
        bytes += write.key.len() + write.value.as_ref().map_or(0, Vec::len);
        let key = full_key(write.table, &write.key);
        match write.value {
            Some(value) => {
                let row = seal(&key, &value);
                group.insert(key, row);
            }
            None => group.remove(key),
        }
    }
    bytes
}

/// The format of the store in a folder; `None` if there is no store yet.
fn read_format(folder: &Path) -> Result<Option<u32>, StoreError> {
    match fs::read_to_string(folder.join(FORMAT_FILE)) {
        Ok(text) => {
            let number = text.strip_prefix(FORMAT_PREFIX).map(str::trim_end);
            let number = number.and_then(|number| number.parse().ok());
            number.map(Some).ok_or_else(|| corrupt(folder, "its format file cannot be read"))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            Err(corrupt(folder, "its format file cannot be read"))
        }
        Err(error) => Err(from_io(folder, &error)),
    }
}

fn write_format(folder: &Path) -> io::Result<()> {
    let temporary = folder.join("format.new");
    let mut file = File::create(&temporary)?;
    writeln!(file, "{FORMAT_PREFIX}{FORMAT}")?;
    file.sync_all()?;
    fs::rename(&temporary, folder.join(FORMAT_FILE))?;
    File::open(folder)?.sync_all()?;
    match folder.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => Ok(()),
    }
}

/// This process, or the whole system, has too many files open.
fn is_want_of_descriptors(error: &io::Error) -> bool {
    // ENFILE and EMFILE, the same numbers on all Unix systems.
    matches!(error.raw_os_error(), Some(23 | 24))
}

fn corrupt(folder: &Path, detail: &str) -> StoreError {
    StoreError::Corrupt { path: folder.to_owned(), detail: detail.to_owned() }
}

fn from_io(folder: &Path, error: &io::Error) -> StoreError {
    use io::ErrorKind as Kind;
    let path = folder.to_owned();
    match error.kind() {
        Kind::StorageFull | Kind::QuotaExceeded => StoreError::DiskFull { path },
        Kind::PermissionDenied | Kind::ReadOnlyFilesystem => StoreError::Permission { path },
        _ => {
            let detail = error.to_string();
            // Sled wraps the system's error in text of its own.
            if detail.contains("could not acquire lock") {
                StoreError::InUse { path }
            } else {
                StoreError::Io { path, detail }
            }
        }
    }
}

fn from_sled(folder: &Path, error: sled::Error) -> StoreError {
    match error {
        sled::Error::Io(error) => from_io(folder, &error),
        other => corrupt(folder, &other.to_string()),
    }
}
