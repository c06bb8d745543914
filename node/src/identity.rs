//! The home folder: keys, tokens and small files that belong to one device.
//!
//! The folder is 0700 and every file in it 0600, whatever the umask. A file is replaced as a
//! whole: written beside, made durable, then renamed.

mod page_files;
mod passphrase;
mod private_file;
mod recovery;
mod root_key;
#[cfg(test)]
mod tests;

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use conclave_protocol::keys::{DeviceKeys, public_key};
use conclave_protocol::vault::Vault;
use data_encoding::HEXLOWER;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

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
use crate::net::peer_id_of_device;

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
const KEY_VERSION: u32 = 1;
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
    /// A key is never overwritten.
    #[error("{0} exists already")]
    Exists(PathBuf),
    /// The system gives no random numbers.
    #[error("the system gives no random numbers: {0}")]
    NoRandomness(String),
}

/// The secret keys of a device. There is deliberately no way to print them.
#[derive(ZeroizeOnDrop)]
pub struct DeviceSecrets {
    seed: [u8; 32],
    sealing: [u8; 32],
}

impl DeviceSecrets {
    /// What the engine signs and is addressed with.
    #[must_use]
    pub fn keys(&self) -> DeviceKeys {
        DeviceKeys::new(&self.seed, &self.sealing)
    }

    /// What seals the rows of the store that hold keys or words.
    #[must_use]
    pub fn vault(&self) -> Vault {
        let key = blake3::derive_key("conclave v1 vault key", &self.sealing);
        Vault::new(&key)
    }

    /// The libp2p identity.
    #[must_use]
    pub fn peer_id(&self) -> String {
        peer_id_of_device(public_key(&self.seed)).map(|peer| peer.to_string()).unwrap_or_default()
    }

    /// The Ed25519 seed.
    #[must_use]
    pub fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.seed)
    }

    /// The secret X25519 key.
    #[must_use]
    pub fn sealing_secret(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.sealing)
    }
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

/// Holds a home until it is dropped.
#[derive(Debug)]
pub struct HomeLock {
    _file: File,
}

/// A home folder.
#[derive(Clone, Debug)]
pub struct Home {
    path: PathBuf,
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
        Ok(Self { path: path.to_owned() })
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
    pub(crate) const BACKUP_FILES: [&str; 4] = [DEVICE_FILE, ROOT_FILE, JOIN_FILE, PEERS_FILE];

    /// One of [`Home::BACKUP_FILES`] as it is, if it is there.
    pub(crate) fn read_kept(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, HomeError> {
        self.read(name)
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

    /// This device's keys, if it has any.
    ///
    /// # Errors
    /// [`HomeError::Corrupt`] or [`HomeError::NotWritable`].
    pub fn device_secrets(&self) -> Result<Option<DeviceSecrets>, HomeError> {
        let Some(file) = self.read_key::<DeviceFile>(DEVICE_FILE, |file| file.version)? else {
            return Ok(None);
        };
        let secrets = DeviceSecrets {
            seed: self.key_bytes(DEVICE_FILE, &file.signing)?,
            sealing: self.key_bytes(DEVICE_FILE, &file.sealing)?,
        };
        Ok(Some(secrets))
    }

    /// Makes this device's keys.
    ///
    /// # Errors
    /// [`HomeError::Exists`] if it has keys already.
    pub fn create_device_secrets(&self) -> Result<DeviceSecrets, HomeError> {
        let secrets = DeviceSecrets { seed: *random_key()?, sealing: *random_key()? };
        let file = DeviceFile {
            version: KEY_VERSION,
            signing: HEXLOWER.encode(&secrets.seed),
            sealing: HEXLOWER.encode(&secrets.sealing),
        };
        self.create_key(DEVICE_FILE, &file)?;
        Ok(secrets)
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
        self.key_bytes(SEAL_FILE, &text).map(|key| Seal::new(Zeroizing::new(key)))
    }

    /// The key with which a client seals secrets for the node that runs on this home.
    ///
    /// # Errors
    /// [`HomeError::Corrupt`] or [`HomeError::NotWritable`].
    pub(crate) fn read_api_seal(&self) -> Result<Option<Seal>, HomeError> {
        let Some(text) = self.read_hex_key(SEAL_FILE)? else { return Ok(None) };
        self.key_bytes(SEAL_FILE, &text).map(|key| Some(Seal::new(Zeroizing::new(key))))
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

    fn create_key(&self, name: &str, file: &impl Serialize) -> Result<(), HomeError> {
        let path = self.path.join(name);
        match write_private(&path, &self.json(name, file)?, Existing::Refuse) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(HomeError::Exists(path))
            }
            written => written.map_err(|error| not_writable(&path, &error)),
        }
    }

    fn read_key<T: DeserializeOwned>(
        &self,
        name: &str,
        version: impl Fn(&T) -> u32,
    ) -> Result<Option<T>, HomeError> {
        let file = self.read_json(name)?;
        match file.as_ref().map(version) {
            None | Some(KEY_VERSION) => Ok(file),
            Some(other) => Err(self.corrupt(name, &format!("its version {other} is not known"))),
        }
    }

    fn key_bytes(&self, name: &str, hex: &str) -> Result<[u8; 32], HomeError> {
        let bytes = HEXLOWER.decode(hex.as_bytes()).map(Zeroizing::new);
        let key = bytes.ok().and_then(|bytes| bytes.as_slice().try_into().ok());
        key.ok_or_else(|| self.corrupt(name, "it should hold 64 hexadecimal digits"))
    }

    fn json(&self, name: &str, value: &impl Serialize) -> Result<Zeroizing<Vec<u8>>, HomeError> {
        let bytes = serde_json::to_vec(value).map(Zeroizing::new);
        bytes.map_err(|error| self.corrupt(name, &error.to_string()))
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

#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
struct DeviceFile {
    version: u32,
    signing: String,
    sealing: String,
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
