//! The home folder: keys, tokens and small files that belong to one device.
//!
//! The folder is 0700 and every file in it 0600, whatever the umask. A file is replaced as a
//! whole: written beside, made durable, then renamed.

mod device_keys;
mod home_key;
mod page_files;
mod passphrase;
mod private_file;
mod recovery;
#[cfg(test)]
mod rest_tests;
mod root_key;
#[cfg(test)]
mod tests;

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use data_encoding::HEXLOWER;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

pub use self::device_keys::DeviceSecrets;
use self::device_keys::Versioned;
use self::home_key::HOME_KEY_FILE;
pub(crate) use self::page_files::KeptSession;
pub use self::passphrase::{Passphrase, PassphraseError};
pub use self::private_file::Existing;
use self::private_file::write_private;
pub use self::recovery::{
    PhraseError, RECOVERY_INDEX_MAX, new_recovery, parse_recovery_phrase, recovery_commitment,
    recovery_index, recovery_keys, recovery_root,
};
pub use self::root_key::{RootKey, RootKeyError};
use crate::api::secret::Seal;

const LOCK_FILE: &str = "lock";
const DEVICE_FILE: &str = "device.key";
const ROOT_FILE: &str = "root.key";
const TOKEN_FILE: &str = "api-token";
const SEAL_FILE: &str = "api-seal";
const RUNNING_FILE: &str = "node.json";
const JOIN_FILE: &str = "join.json";
const PEERS_FILE: &str = "peers.json";
const PORT_FILE: &str = "port.json";
const STORE_FOLDER: &str = "store";
/// A file of keys has less; a text that grows leaves copies behind.
const KEY_FILE_BYTES: usize = 2048;
const PRIVATE_FILE: u32 = 0o600;
const PRIVATE_FOLDER: u32 = 0o700;

/// Why the home folder cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HomeError {
    /// One process per home.
    #[error("another process uses {0}")]
    InUse(PathBuf),
    /// It cannot be made, read or written.
    #[error("cannot use {path}: {detail}")]
    NotWritable {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        detail: String,
    },
    /// A file's content makes no sense.
    #[error("{file} is damaged: {detail}")]
    Corrupt {
        /// Which file.
        file: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// A later program wrote it.
    #[error("{file} has version {version}, which this program does not know")]
    UnknownVersion {
        /// Which file.
        file: PathBuf,
        /// The version that it names.
        version: u32,
    },
    /// A key is never overwritten.
    #[error("{0} exists already")]
    Exists(PathBuf),
    /// There are no keys in it.
    #[error("the home {0} holds no keys")]
    NoKeys(PathBuf),
    /// Its keys are protected by a passphrase, and none was given.
    #[error("the keys in {0} are protected by a passphrase")]
    NeedsPassphrase(PathBuf),
    /// Its keys are not protected by a passphrase.
    #[error("the keys in {0} have no passphrase")]
    NoPassphrase(PathBuf),
    /// Its keys are protected by another passphrase.
    #[error("this is not the passphrase of the keys in {0}")]
    WrongPassphrase(PathBuf),
    /// The system gives no random numbers.
    #[error("the system gives no random numbers: {0}")]
    NoRandomness(String),
}

/// Where the node that uses a home can be reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningNode {
    /// `http://127.0.0.1:PORT`.
    pub api: String,
    /// Its process.
    pub pid: u32,
}

/// A request to join that the next node on this home sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingJoin {
    /// The name to be known by.
    pub agent: String,
    /// Only this company, by name or id.
    pub company: Option<String>,
    /// Multiaddrs of peers to ask.
    pub peers: Vec<String>,
    /// It is another device of the agent of that name, all of whose other devices are lost.
    #[serde(default)]
    pub lost: bool,
}

/// Files by name, with what they hold.
pub(crate) type KeptFiles = Vec<(&'static str, Zeroizing<Vec<u8>>)>;

/// Holds a home until it is dropped.
#[derive(Debug)]
pub struct HomeLock {
    _file: File,
}

/// A home folder.
#[derive(Clone, Debug)]
pub struct Home {
    path: PathBuf,
    /// Held by whoever reads or changes the files of keys, which belong together.
    changing: Arc<Mutex<()>>,
}

impl Home {
    /// Opens a home, or makes it; nobody else can enter it afterwards.
    ///
    /// # Errors
    /// [`HomeError::NotWritable`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, HomeError> {
        let path = path.as_ref();
        let fail = |error: io::Error| not_writable(path, &error);
        DirBuilder::new().recursive(true).mode(PRIVATE_FOLDER).create(path).map_err(fail)?;
        tighten(path, PRIVATE_FOLDER)?;
        Ok(Self { path: path.to_owned(), changing: Arc::default() })
    }

    /// Whether a folder is a home with keys in it; looks and changes nothing.
    #[must_use]
    pub fn is_home(path: &Path) -> bool {
        path.join(DEVICE_FILE).is_file()
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The files that make up a home, besides its store: what belongs to one run of a node, and
    /// the port that it happened to have, is left out.
    pub(crate) const BACKUP_FILES: [&str; 5] =
        [HOME_KEY_FILE, DEVICE_FILE, ROOT_FILE, JOIN_FILE, PEERS_FILE];

    /// Those of [`Home::BACKUP_FILES`] that are there, as they are: keys as they lie here, under
    /// a passphrase if they have one, and all of one moment.
    pub(crate) fn read_kept(&self) -> Result<KeptFiles, HomeError> {
        let _one = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        self.settle_keys()?;
        let mut kept = Vec::new();
        for name in Self::BACKUP_FILES {
            kept.extend(self.read(name)?.map(|bytes| (name, bytes)));
        }
        Ok(kept)
    }

    /// Puts one of [`Home::BACKUP_FILES`] into this home.
    pub(crate) fn write_kept(&self, name: &str, bytes: &[u8]) -> Result<(), HomeError> {
        self.write(name, bytes)
    }

    /// Where the store belongs.
    #[must_use]
    pub fn db_path(&self) -> PathBuf {
        self.path.join(STORE_FOLDER)
    }

    /// Where the root key of a company lies that was founded here, until its owner moves it.
    #[must_use]
    pub fn root_key_path(home: &Path) -> PathBuf {
        home.join(ROOT_FILE)
    }

    /// Takes the home for this process.
    ///
    /// # Errors
    /// [`HomeError::InUse`] if another process has it.
    pub fn lock(&self) -> Result<HomeLock, HomeError> {
        let path = self.path.join(LOCK_FILE);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(PRIVATE_FILE);
        let file = options.open(&path).map_err(|error| not_writable(&path, &error))?;
        tighten(&path, PRIVATE_FILE)?;
        match file.try_lock() {
            Ok(()) => Ok(HomeLock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(HomeError::InUse(self.path.clone())),
            Err(TryLockError::Error(error)) => Err(not_writable(&path, &error)),
        }
    }

    /// Makes a new token for the local API. Each run of a node has its own: when a node has been
    /// killed, its clients may show the old one to whoever listens on its port by then.
    ///
    /// # Errors
    /// [`HomeError::NotWritable`] or [`HomeError::NoRandomness`].
    pub fn new_api_token(&self) -> Result<Zeroizing<String>, HomeError> {
        self.new_hex_key(TOKEN_FILE)
    }

    /// The token of the local API, for a client.
    ///
    /// # Errors
    /// [`HomeError::Corrupt`] or [`HomeError::NotWritable`].
    pub fn read_api_token(&self) -> Result<Option<Zeroizing<String>>, HomeError> {
        self.read_hex_key(TOKEN_FILE)
    }

    /// Makes the key with which clients of this run of the node seal secrets for it.
    ///
    /// # Errors
    /// [`HomeError::NotWritable`] or [`HomeError::NoRandomness`].
    pub(crate) fn new_api_seal(&self) -> Result<Seal, HomeError> {
        let text = self.new_hex_key(SEAL_FILE)?;
        self.key_bytes(SEAL_FILE, &text).map(Seal::new)
    }

    /// The key with which a client seals secrets for the node that runs on this home.
    ///
    /// # Errors
    /// [`HomeError::Corrupt`] or [`HomeError::NotWritable`].
    pub(crate) fn read_api_seal(&self) -> Result<Option<Seal>, HomeError> {
        let Some(text) = self.read_hex_key(SEAL_FILE)? else { return Ok(None) };
        self.key_bytes(SEAL_FILE, &text).map(|key| Some(Seal::new(key)))
    }

    /// Says where the node on this home can be reached.
    ///
    /// # Errors
    /// [`HomeError::NotWritable`].
    pub fn write_running(&self, node: &RunningNode) -> Result<(), HomeError> {
        self.write_json(RUNNING_FILE, node)
    }

    /// Where the node on this home can be reached, if one said so. It may have died since.
    ///
    /// # Errors
    /// [`HomeError::Corrupt`] or [`HomeError::NotWritable`].
    pub fn read_running(&self) -> Result<Option<RunningNode>, HomeError> {
        self.read_json(RUNNING_FILE)
    }

    /// Takes back what [`Home::write_running`] said.
    ///
    /// # Errors
    /// [`HomeError::NotWritable`].
    pub fn remove_running(&self) -> Result<(), HomeError> {
        self.remove(RUNNING_FILE)
    }

    /// Keeps a request to join.
    ///
    /// # Errors
    /// [`HomeError::NotWritable`].
    pub fn write_join(&self, join: &PendingJoin) -> Result<(), HomeError> {
        self.write_json(JOIN_FILE, join)
    }

    /// The request to join, if there is one.
    ///
    /// # Errors
    /// [`HomeError::Corrupt`] or [`HomeError::NotWritable`].
    pub fn read_join(&self) -> Result<Option<PendingJoin>, HomeError> {
        self.read_json(JOIN_FILE)
    }

    /// Forgets the request to join.
    ///
    /// # Errors
    /// [`HomeError::NotWritable`].
    pub fn remove_join(&self) -> Result<(), HomeError> {
        self.remove(JOIN_FILE)
    }

    /// Forgets a request to join that was granted, and keeps the addresses that it went to:
    /// until members have told theirs, nothing else leads back to the company.
    ///
    /// # Errors
    /// [`HomeError::Corrupt`] or [`HomeError::NotWritable`].
    pub fn settle_join(&self) -> Result<(), HomeError> {
        let Some(join) = self.read_join()? else { return Ok(()) };
        if !join.peers.is_empty() {
            self.write_json(PEERS_FILE, &join.peers)?;
        }
        self.remove_join()
    }

    /// The addresses through which this device was let in.
    ///
    /// # Errors
    /// [`HomeError::Corrupt`] or [`HomeError::NotWritable`].
    pub fn read_peers(&self) -> Result<Vec<String>, HomeError> {
        Ok(self.read_cache(PEERS_FILE)?.unwrap_or_default())
    }

    /// The port that the network listened on last, if the system chose it.
    ///
    /// # Errors
    /// [`HomeError::Corrupt`] or [`HomeError::NotWritable`].
    pub fn read_port(&self) -> Result<Option<u16>, HomeError> {
        self.read_cache(PORT_FILE)
    }

    /// Remembers the port that the system chose.
    ///
    /// # Errors
    /// [`HomeError::NotWritable`].
    pub fn write_port(&self, port: u16) -> Result<(), HomeError> {
        self.write_json(PORT_FILE, &port)
    }

    fn new_hex_key(&self, name: &str) -> Result<Zeroizing<String>, HomeError> {
        let key = Zeroizing::new(HEXLOWER.encode(&*random_key()?));
        self.write(name, key.as_bytes())?;
        Ok(key)
    }

    fn read_hex_key(&self, name: &str) -> Result<Option<Zeroizing<String>>, HomeError> {
        let Some(bytes) = self.read(name)? else { return Ok(None) };
        let text = std::str::from_utf8(&bytes).map(str::trim_end).unwrap_or_default();
        self.key_bytes(name, text)?;
        Ok(Some(Zeroizing::new(text.to_owned())))
    }

    /// Refuses a file of another version than the one that is known.
    fn known_version(&self, name: &str, known: u32) -> Result<(), HomeError> {
        match self.read_json::<Versioned>(name)? {
            Some(file) if file.version != known => Err(self.unknown_version(name, file.version)),
            _ => Ok(()),
        }
    }

    fn unknown_version(&self, name: &str, version: u32) -> HomeError {
        HomeError::UnknownVersion { file: self.path.join(name), version }
    }

    fn key_bytes(&self, name: &str, hex: &str) -> Result<Zeroizing<[u8; 32]>, HomeError> {
        let mut key = Zeroizing::new([0; 32]);
        let right = HEXLOWER.decode_len(hex.len()) == Ok(key.len())
            && HEXLOWER.decode_mut(hex.as_bytes(), &mut *key).is_ok();
        let wrong = || self.corrupt(name, "it should hold 64 hexadecimal digits");
        right.then_some(key).ok_or_else(wrong)
    }

    fn json(&self, name: &str, value: &impl Serialize) -> Result<Zeroizing<Vec<u8>>, HomeError> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(KEY_FILE_BYTES));
        let written = serde_json::to_writer(&mut *bytes, value);
        written.map_err(|error| self.corrupt(name, &error.to_string())).map(|()| bytes)
    }

    fn write_json(&self, name: &str, value: &impl Serialize) -> Result<(), HomeError> {
        self.write(name, &self.json(name, value)?)
    }

    fn read_json<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, HomeError> {
        let Some(bytes) = self.read(name)? else { return Ok(None) };
        // The message of serde_json can quote what it has read, which may be a key.
        let value = serde_json::from_slice(&bytes);
        value.map(Some).map_err(|_| self.corrupt(name, "it cannot be read"))
    }

    /// A file that the node can do without: damage is no reason not to start.
    fn read_cache<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, HomeError> {
        match self.read_json(name) {
            Err(HomeError::Corrupt { file, .. }) => {
                tracing::warn!(file = %file.display(), "a damaged file is left out");
                Ok(None)
            }
            result => result,
        }
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), HomeError> {
        let path = self.path.join(name);
        let written = write_private(&path, bytes, Existing::Replace);
        written.map_err(|error| not_writable(&path, &error))
    }

    fn read(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, HomeError> {
        let path = self.path.join(name);
        match fs::read(&path) {
            Ok(bytes) => {
                let bytes = Zeroizing::new(bytes);
                tighten(&path, PRIVATE_FILE)?;
                Ok(Some(bytes))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(not_writable(&path, &error)),
        }
    }

    fn remove(&self, name: &str) -> Result<(), HomeError> {
        let path = self.path.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(not_writable(&path, &error))
            }
            _ => Ok(()),
        }
    }

    fn corrupt(&self, name: &str, detail: &str) -> HomeError {
        HomeError::Corrupt { file: self.path.join(name), detail: detail.to_owned() }
    }
}

fn random_key() -> Result<Zeroizing<[u8; 32]>, HomeError> {
    let mut key = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *key).map_err(|error| HomeError::NoRandomness(error.to_string()))?;
    Ok(key)
}

/// Sets exactly these permissions: neither an open umask nor a tight one decides.
fn tighten(path: &Path, mode: u32) -> Result<(), HomeError> {
    let fail = |error: io::Error| not_writable(path, &error);
    let now = fs::metadata(path).map_err(fail)?.permissions().mode() & 0o7777;
    if now == mode {
        return Ok(());
    }
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(fail)
}

fn not_writable(path: &Path, error: &io::Error) -> HomeError {
    HomeError::NotWritable { path: path.to_owned(), detail: error.to_string() }
}
