//! The small files of a store: its lock, its format, and where it was made.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant, UNIX_EPOCH};

use data_encoding::HEXLOWER;

use super::checks::KEY_BYTES;
use super::error::{StoreError, corrupt, from_io};
use super::log::segment_path;

/// The format that this program writes; it reads the older ones to migrate them.
pub(super) const FORMAT: u32 = 3;
/// The one before: the same log, with messages that nothing encrypts.
pub(super) const OPEN_FORMAT: u32 = 2;
/// Where the log is.
pub(super) const LOG_FOLDER: &str = "log";
/// A log that is not complete yet.
pub(super) const NEW_LOG_FOLDER: &str = "log.new";
/// The log of an older format, until it is removed.
pub(super) const OLD_LOG_FOLDER: &str = "log.old";
/// Where the index is.
pub(super) const INDEX_FOLDER: &str = "index";
/// Where everything was in format 1.
pub(super) const FIRST_FOLDER: &str = "sled";

const FORMAT_FILE: &str = "format";
const FORMAT_PREFIX: &str = "conclave-store ";
const LOCK_FILE: &str = "lock";
const ORIGIN_FILE: &str = "origin";
const ROOM_FILE: &str = "room";
const ORIGIN_PREFIX: &str = "conclave-origin 1";

/// How long a store that was just closed may take to become free.
const LOCK_RELEASE_MAX: Duration = Duration::from_secs(2);
/// How often it is looked at meanwhile.
const LOCK_LOOK_EVERY: Duration = Duration::from_millis(20);

/// Tries again while somebody else has it: threads of sled's own hold its lock a little longer
/// than whoever has just closed it.
pub(super) fn patiently<T>(
    mut open: impl FnMut() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let patience = Instant::now() + LOCK_RELEASE_MAX;
    loop {
        match open() {
            Err(StoreError::InUse { .. }) if Instant::now() < patience => {
                thread::sleep(LOCK_LOOK_EVERY);
            }
            opened => return opened,
        }
    }
}

/// Takes a store for this process until the file is dropped.
pub(super) fn lock(folder: &Path) -> Result<File, StoreError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let file = options.open(folder.join(LOCK_FILE)).map_err(|error| from_io(folder, &error))?;
    patiently(|| match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse { path: folder.to_owned() }),
        Err(TryLockError::Error(error)) => Err(from_io(folder, &error)),
    })?;
    Ok(file)
}

/// The format of the store in a folder; `None` if there is no store yet.
pub(super) fn read_format(folder: &Path) -> Result<Option<u32>, StoreError> {
    let unreadable = || corrupt(folder, "its format file cannot be read");
    let Some(text) = read_text(folder, FORMAT_FILE)? else { return Ok(None) };
    let number = text.strip_prefix(FORMAT_PREFIX).map(str::trim_end);
    number.and_then(|number| number.parse().ok()).map(Some).ok_or_else(unreadable)
}

/// Says that the store is complete. Last of all when one is made.
pub(super) fn write_format(folder: &Path, format: u32) -> io::Result<()> {
    replace(folder, FORMAT_FILE, &format!("{FORMAT_PREFIX}{format}\n"))?;
    match folder.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => Ok(()),
    }
}

/// Where a store was made, and the key of its checksums once more.
pub(super) struct Origin {
    pub(super) key: [u8; KEY_BYTES],
    /// As [`identity`] said then; empty in a store that was restored.
    pub(super) identity: String,
}

/// Nothing if there is no such file, or nothing can be read in it.
pub(super) fn read_origin(folder: &Path) -> Option<Origin> {
    let text = read_text(folder, ORIGIN_FILE).ok().flatten()?;
    let mut lines = text.lines();
    if lines.next() != Some(ORIGIN_PREFIX) {
        return None;
    }
    let key = HEXLOWER.decode(lines.next()?.as_bytes()).ok()?.try_into().ok()?;
    Some(Origin { key, identity: lines.next().unwrap_or_default().to_owned() })
}

pub(super) fn write_origin(folder: &Path, origin: &Origin) -> io::Result<()> {
    let key = HEXLOWER.encode(&origin.key);
    replace(folder, ORIGIN_FILE, &format!("{ORIGIN_PREFIX}\n{key}\n{}\n", origin.identity))
}

/// What tells this store's files from a copy of them: numbers and birth times of the folder of
/// its log and of a segment. The number of the device counts only where the file system knows
/// no birth times, for it may be another after a restart of the computer.
pub(super) fn identity(folder: &Path, segment: u32) -> io::Result<String> {
    identity_of(&folder.join(LOG_FOLDER), segment)
}

/// The same for a log that may have another name.
pub(super) fn identity_of(log: &Path, segment: u32) -> io::Result<String> {
    let mut words = Vec::new();
    for path in [log.to_owned(), segment_path(log, segment)] {
        let meta = fs::metadata(path)?;
        let born = meta.created().ok().and_then(|born| born.duration_since(UNIX_EPOCH).ok());
        let born = match born {
            Some(born) => format!("born {}", born.as_nanos()),
            None => format!("device {}", meta.dev()),
        };
        words.push(format!("{} {born}", meta.ino()));
    }
    Ok(words.join(", "))
}

/// Whether there is room for so many bytes now. Sled answers nothing more once it has met a full
/// disk, so it is better not to let it come to that.
pub(super) fn check_room(folder: &Path, bytes: usize) -> io::Result<()> {
    let path = folder.join(ROOM_FILE);
    let part = vec![0; 64 * 1024];
    let fill = || {
        let mut file = private_file(&path)?;
        (0..=bytes / part.len()).try_for_each(|_| file.write_all(&part))
    };
    let filled = fill();
    // Where it could not even be made there is nothing to remove.
    let _ = fs::remove_file(&path);
    filled
}

/// A random key for the checksums of a new store.
pub(super) fn new_key(folder: &Path) -> Result<[u8; KEY_BYTES], StoreError> {
    let mut key = [0; KEY_BYTES];
    getrandom::fill(&mut key).map_err(|error| from_io(folder, &io::Error::other(error)))?;
    Ok(key)
}

/// Makes a folder that only its owner can enter, whatever the umask says; one that is there is
/// left as it is.
pub(super) fn private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Makes a file, or empties one, that only its owner can read.
pub(super) fn private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

/// Removes a folder with what is in it, if there is one.
pub(super) fn remove_folder(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn read_text(folder: &Path, name: &str) -> Result<Option<String>, StoreError> {
    match fs::read_to_string(folder.join(name)) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            Err(corrupt(folder, format!("its {name} file cannot be read")))
        }
        Err(error) => Err(from_io(folder, &error)),
    }
}

/// Replaces a file as a whole, durably.
fn replace(folder: &Path, name: &str, text: &str) -> io::Result<()> {
    let temporary = folder.join(format!("{name}.new"));
    let mut file = private_file(&temporary)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&temporary, folder.join(name))?;
    File::open(folder)?.sync_all()
}
