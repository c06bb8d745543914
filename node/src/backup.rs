//! A home in one file: its keys, what it remembers, and its store.
//!
//! ```text
//! magic 8, version 4
//! for each file of the home: length of its name 1, name, length 4, BLAKE3 32, bytes
//! 0 as 1 byte, the store (see `store::copy`), "end" and BLAKE3 of all before it 32
//! ```
//!
//! The file holds the secret keys as the home does: under its passphrase, if it has one; else
//! whoever reads the file has them. Whoever restores it while the first home
//! still runs has two devices with one key; the store says that it is a copy.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::identity::{Home, HomeError};
use crate::store::{Store, StoreError};

const MAGIC: [u8; 8] = *b"cnclvbak";
/// Since version 2 with the home key, without which the device's keys cannot be opened.
const VERSION: u32 = 2;
/// Restored as well; its device's keys lie there in plain.
const FIRST_VERSION: u32 = 1;
const END: [u8; 3] = *b"end";
/// No file of a home is longer.
const FILE_BYTES_MAX: u32 = 1024 * 1024;

/// Why a backup cannot be made or restored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BackupError {
    /// There is something already where it should go.
    #[error("{0} exists already")]
    Exists(PathBuf),
    /// There is no backup.
    #[error("there is no file {0}")]
    NotFound(PathBuf),
    /// The file is not one, is cut short, or was altered.
    #[error("{file} is no whole backup: {detail}")]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What was found.
        detail: String,
    },
    /// Written by a newer program.
    #[error("{file} is a backup of version {found}; this program knows versions up to {VERSION}")]
    NewerVersion {
        /// The file.
        file: PathBuf,
        /// Its version.
        found: u32,
    },
    /// The home cannot be read.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The store cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Any other failure of the system.
    #[error("cannot use {path}: {detail}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        detail: String,
    },
}

/// Writes a home, and what is durable in its store now, to a new file that only its owner can
/// read. The node may run meanwhile. Blocks.
///
/// # Errors
/// [`BackupError`]; then there is no such file.
pub fn backup(home: &Home, store: &Store, out: &Path) -> Result<(), BackupError> {
    let fail = |error: io::Error| from_io(out, &error);
    if fs::symlink_metadata(out).is_ok() {
        return Err(BackupError::Exists(out.to_owned()));
    }
    let temporary = beside(out)?;
    // Of a process with our number that was killed. What somebody else puts there meanwhile is
    // not written to, wherever it may lead.
    let _ = fs::remove_file(&temporary);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let file = options.open(&temporary).map_err(fail)?;
    let written = write_all(home, store, file)
        .and_then(|()| {
            // Unlike a rename, a link never takes the place of what has come meanwhile.
            fs::hard_link(&temporary, out).or_else(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => Err(error),
                // Some file systems know no links.
                _ => fs::rename(&temporary, out),
            })
        })
        .and_then(|()| File::open(folder_of(out))?.sync_all());
    // After a rename it is gone already; after a failure it is of no use.
    let _ = fs::remove_file(&temporary);
    written.map_err(fail)
}

fn write_all(home: &Home, store: &Store, file: File) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(0o600))?;
    let buffered = BufWriter::with_capacity(256 * 1024, file);
    let mut out = Summing { inner: buffered, hasher: blake3::Hasher::new() };
    out.write_all(&MAGIC)?;
    out.write_all(&VERSION.to_be_bytes())?;
    for (name, bytes) in home.read_kept().map_err(io::Error::other)? {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        if length > FILE_BYTES_MAX {
            return Err(io::Error::other(format!("{name} is too large")));
        }
        out.write_all(&[u8::try_from(name.len()).unwrap_or(u8::MAX)])?;
        out.write_all(name.as_bytes())?;
        out.write_all(&length.to_be_bytes())?;
        out.write_all(blake3::hash(&bytes).as_bytes())?;
        out.write_all(&bytes)?;
    }
    out.write_all(&[0])?;
    store.backup(&mut out)?;
    out.write_all(&END)?;
    let sum = out.hasher.finalize();
    out.inner.write_all(sum.as_bytes())?;
    let file = out.inner.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()
}

/// Makes a home out of a backup, in a folder that is new or empty. Its store says that it is a
/// copy. Blocks.
///
/// # Errors
/// [`BackupError`]; then nothing is left behind.
pub fn restore(file: &Path, home: &Path) -> Result<(), BackupError> {
    let fail = |error: io::Error| from_io(home, &error);
    match fs::read_dir(home).map(|mut entries| entries.next().is_some()) {
        Ok(false) => {}
        Ok(true) => return Err(BackupError::Exists(home.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(fail(error)),
    }
    let input = match File::open(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(BackupError::NotFound(file.to_owned()));
        }
        opened => opened.map_err(|error| from_io(file, &error))?,
    };
    // Grows beside its place, and gets its name only when all of it was checked.
    let growing = beside(home)?;
    if growing.exists() {
        fs::remove_dir_all(&growing).map_err(fail)?;
    }
    let restored = read_all(file, input, &growing).and_then(|()| {
        fs::rename(&growing, home).map_err(fail)?;
        File::open(folder_of(home)).and_then(|folder| folder.sync_all()).map_err(fail)
    });
    restored.inspect_err(|_| {
        // The first error is the one to tell.
        let _ = fs::remove_dir_all(&growing);
    })
}

fn read_all(file: &Path, input: File, growing: &Path) -> Result<(), BackupError> {
    let damaged =
        |detail: &str| BackupError::Damaged { file: file.to_owned(), detail: detail.to_owned() };
    let fail = |error: io::Error| match error.kind() {
        io::ErrorKind::UnexpectedEof => damaged("it is cut short"),
        _ => from_io(file, &error),
    };
    let buffered = BufReader::with_capacity(256 * 1024, input);
    let mut input = Hashing { inner: buffered, hasher: blake3::Hasher::new() };
    let mut magic = [0; 8];
    input.read_exact(&mut magic).map_err(fail)?;
    if magic != MAGIC {
        return Err(damaged("it begins with other bytes"));
    }
    let mut version = [0; 4];
    input.read_exact(&mut version).map_err(fail)?;
    match u32::from_be_bytes(version) {
        FIRST_VERSION | VERSION => {}
        found if found > VERSION => {
            return Err(BackupError::NewerVersion { file: file.to_owned(), found });
        }
        _ => return Err(damaged("its version is not known")),
    }
    let home = Home::open(growing)?;
    loop {
        let mut length = [0];
        input.read_exact(&mut length).map_err(fail)?;
        if length == [0] {
            break;
        }
        let mut name = vec![0; usize::from(length[0])];
        input.read_exact(&mut name).map_err(fail)?;
        let known = Home::BACKUP_FILES.into_iter().find(|known| known.as_bytes() == name);
        let name = known.ok_or_else(|| damaged("it holds a file that is no part of a home"))?;
        let mut length = [0; 4];
        input.read_exact(&mut length).map_err(fail)?;
        let length = u32::from_be_bytes(length);
        if length > FILE_BYTES_MAX {
            return Err(damaged("a file in it is too large"));
        }
        let mut sum = [0; 32];
        input.read_exact(&mut sum).map_err(fail)?;
        let mut bytes = Zeroizing::new(vec![0; length as usize]);
        input.read_exact(&mut bytes).map_err(fail)?;
        if blake3::hash(&bytes) != sum {
            return Err(damaged("it was altered"));
        }
        home.write_kept(name, &bytes)?;
    }
    Store::restore(&home.db_path(), &mut input).map_err(|error| match error {
        StoreError::Corrupt { detail, .. } => damaged(&detail),
        error => error.into(),
    })?;
    let mut end = [0; 3];
    input.read_exact(&mut end).map_err(fail)?;
    let sum = input.hasher.finalize();
    let mut told = [0; 32];
    input.inner.read_exact(&mut told).map_err(fail)?;
    let over = input.inner.read(&mut [0]).map_err(fail)? == 0;
    if end != END || sum != told || !over {
        return Err(damaged("it was altered"));
    }
    if !Home::is_home(growing) {
        return Err(damaged("it holds no keys"));
    }
    File::open(growing).and_then(|folder| folder.sync_all()).map_err(fail)
}

/// A name in the same folder that nobody else uses.
fn beside(path: &Path) -> Result<PathBuf, BackupError> {
    let name = path.file_name().ok_or_else(|| BackupError::Exists(path.to_owned()))?;
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}.new", std::process::id()));
    Ok(path.with_file_name(hidden))
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn from_io(path: &Path, error: &io::Error) -> BackupError {
    BackupError::Io { path: path.to_owned(), detail: error.to_string() }
}

struct Summing<W> {
    inner: W,
    hasher: blake3::Hasher,
}

impl<W: Write> Write for Summing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hasher.update(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

struct Hashing<R> {
    inner: R,
    hasher: blake3::Hasher,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(bytes)?;
        self.hasher.update(bytes.get(..read).unwrap_or_default());
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use conclave_protocol::engine::{Reader, Table, Write as Row};
    use tempfile::TempDir;

    use super::*;

    fn home_with_store(path: &Path) -> (Home, Store) {
        let home = Home::open(path).unwrap();
        home.create_device_secrets(None).unwrap();
        home.new_api_token().unwrap();
        home.write_port(4001).unwrap();
        let store = Store::open(&home.db_path()).unwrap();
        let value = Some(b"row".to_vec());
        store.write_now(vec![Row { table: Table::State, key: b"a".to_vec(), value }]).unwrap();
        (home, store)
    }

    #[test]
    fn a_home_goes_into_a_file_and_comes_back() {
        let folder = TempDir::new().unwrap();
        let (home, store) = home_with_store(&folder.path().join("one"));
        let file = folder.path().join("backup");
        backup(&home, &store, &file).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(backup(&home, &store, &file), Err(BackupError::Exists(file.clone())));
        let two = folder.path().join("two");
        restore(&file, &two).unwrap();
        let restored = Home::open(&two).unwrap();
        let device = |home: &Home| home.device_secrets(None).unwrap().unwrap().keys().device();
        assert_eq!(device(&restored), device(&home));
        assert!(restored.read_api_token().unwrap().is_none(), "a token belongs to one run");
        assert_eq!(fs::metadata(&two).unwrap().permissions().mode() & 0o777, 0o700);
        let store = Store::open(&restored.db_path()).unwrap();
        assert_eq!(store.get(Table::State, b"a"), Some(b"row".to_vec()));
        assert!(store.is_copy());
        assert_eq!(restore(&file, &two), Err(BackupError::Exists(two)));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    }

    #[test]
    fn a_file_that_is_not_whole_is_refused_and_leaves_nothing() {
        let folder = TempDir::new().unwrap();
        let (home, store) = home_with_store(&folder.path().join("one"));
        let file = folder.path().join("backup");
        backup(&home, &store, &file).unwrap();
        let whole = fs::read(&file).unwrap();
        let two = folder.path().join("two");
        for at in (0..whole.len()).step_by(13) {
            fs::write(&file, &whole[..at]).unwrap();
            assert!(matches!(restore(&file, &two), Err(BackupError::Damaged { .. })), "{at}");
            let mut altered = whole.clone();
            altered[at] ^= 1;
            fs::write(&file, &altered).unwrap();
            assert!(restore(&file, &two).is_err(), "{at}");
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        }
        fs::write(&file, [&whole[..], b"x"].concat()).unwrap();
        assert!(matches!(restore(&file, &two), Err(BackupError::Damaged { .. })));
        fs::write(&file, &whole).unwrap();
        restore(&file, &two).unwrap();
    }
}
