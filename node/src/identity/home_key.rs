//! The key that unlocks a home, in the file `home.key`: plain, or sealed under a passphrase.
//!
//! A JSON object: `version`, `id` (16 bytes in hex, random), then either `key` (32 bytes in hex)
//! or `kdf`, `salt` and `sealed`: the key as `passphrase::Sealed` encrypts it, for a purpose that
//! names the id. `check` is the beginning of a BLAKE3 hash of the other fields: it tells damage
//! from a wrong passphrase.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::passphrase::{Cost, SealError, Sealed};
use super::{Home, HomeError, Passphrase, random_key};

/// The file.
pub(super) const HOME_KEY_FILE: &str = "home.key";
/// A new one, until the device's keys are sealed under it.
pub(super) const NEXT_FILE: &str = "home.key.next";
const VERSION: u32 = 1;
const PURPOSE: &str = "conclave v1 home key";
const CHECK_CONTEXT: &str = "conclave v1 home key file";
/// Zeros that are written at once.
const WIPE_STEP: usize = 4096;
/// Longer files are not wiped: they are none of ours.
const WIPE_BYTES_MAX: u64 = 1024 * 1024;

/// Tells one home key from another; random, and no secret.
pub(super) type KeyId = String;

/// The key of a home, in memory.
pub(super) struct HomeKey {
    pub(super) id: KeyId,
    pub(super) key: Zeroizing<[u8; 32]>,
}

impl HomeKey {
    pub(super) fn generate() -> Result<Self, HomeError> {
        let id = random_key()?;
        let id = HEXLOWER.encode(id.get(..16).unwrap_or_default());
        Ok(Self { id, key: random_key()? })
    }

    /// What its file holds.
    pub(super) fn file(
        &self,
        home: &Home,
        passphrase: Option<(&Passphrase, Cost)>,
    ) -> Result<HomeKeyFile, HomeError> {
        let mut file = HomeKeyFile::default();
        (file.version, file.id) = (VERSION, self.id.clone());
        match passphrase {
            None => file.key = HEXLOWER.encode(&*self.key),
            Some((passphrase, cost)) => {
                let sealed = Sealed::new(passphrase, cost, &purpose(&self.id), &self.key);
                let sealed = sealed.map_err(|error| unsealed(home, error))?;
                file.kdf = sealed.cost.to_string();
                file.salt = HEXLOWER.encode(&sealed.salt);
                file.sealed = HEXLOWER.encode(&sealed.bytes);
            }
        }
        file.check = file.sum();
        Ok(file)
    }
}

/// See the module.
#[derive(Default, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub(super) struct HomeKeyFile {
    version: u32,
    pub(super) id: KeyId,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    key: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    kdf: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    salt: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    sealed: String,
    check: String,
}

impl HomeKeyFile {
    /// Reads the one in its place, or the next.
    pub(super) fn read(home: &Home, name: &str) -> Result<Option<Self>, HomeError> {
        home.known_version(name, VERSION)?;
        let Some(file) = home.read_json::<Self>(name)? else { return Ok(None) };
        let whole = file.check == file.sum() && (file.key.is_empty() != file.sealed.is_empty());
        if whole { Ok(Some(file)) } else { Err(home.corrupt(name, "it is not what was written")) }
    }

    /// Whether it takes a passphrase to open it.
    pub(super) fn is_sealed(&self) -> bool {
        !self.sealed.is_empty()
    }

    /// The key in it. A passphrase is not needed for a plain one, and does no harm.
    pub(super) fn open(
        &self,
        home: &Home,
        passphrase: Option<&Passphrase>,
    ) -> Result<HomeKey, HomeError> {
        let id = self.id.clone();
        if !self.is_sealed() {
            return Ok(HomeKey { id, key: home.key_bytes(HOME_KEY_FILE, &self.key)? });
        }
        let needed = || HomeError::NeedsPassphrase(home.path().to_owned());
        let passphrase = passphrase.ok_or_else(needed)?;
        let sealed =
            self.parts().ok_or_else(|| home.corrupt(HOME_KEY_FILE, "it makes no sense"))?;
        let opened = sealed.open(passphrase, &purpose(&id));
        Ok(HomeKey { id, key: opened.map_err(|error| unsealed(home, error))? })
    }

    fn parts(&self) -> Option<Sealed> {
        let bytes = |hex: &str| HEXLOWER.decode(hex.as_bytes()).ok();
        Some(Sealed {
            cost: Cost::parse(&self.kdf)?,
            salt: bytes(&self.salt)?.try_into().ok()?,
            bytes: bytes(&self.sealed)?.try_into().ok()?,
        })
    }

    fn sum(&self) -> String {
        let mut hasher = blake3::Hasher::new_derive_key(CHECK_CONTEXT);
        for field in [&self.id, &self.key, &self.kdf, &self.salt, &self.sealed] {
            hasher.update(&(field.len() as u64).to_be_bytes()).update(field.as_bytes());
        }
        let mut sum = [0; 8];
        hasher.finalize_xof().fill(&mut sum);
        // It has seen the key, if that is plain.
        hasher.zeroize();
        HEXLOWER.encode(&sum)
    }
}

fn purpose(id: &str) -> String {
    format!("{PURPOSE} {id}")
}

fn unsealed(home: &Home, error: SealError) -> HomeError {
    match error {
        SealError::WrongPassphrase => HomeError::WrongPassphrase(home.path().to_owned()),
        SealError::System(detail) => {
            HomeError::NotWritable { path: home.path().join(HOME_KEY_FILE), detail }
        }
    }
}

/// A file that is about to be replaced, to be wiped afterwards. Wiping is a courtesy: many disks
/// and file systems keep what was overwritten, and nothing depends on it.
pub(super) struct OldFile(Option<fs::File>);

impl OldFile {
    /// Remembers the file at a path. One with another name besides is somebody's copy, and is
    /// left alone.
    pub(super) fn at(path: &Path) -> Self {
        let plain = fs::symlink_metadata(path)
            .is_ok_and(|meta| meta.is_file() && meta.nlink() == 1 && meta.len() <= WIPE_BYTES_MAX);
        Self(plain.then(|| OpenOptions::new().write(true).open(path).ok()).flatten())
    }

    /// Writes zeros over it.
    pub(super) fn wipe(self) {
        let Some(mut file) = self.0 else { return };
        let mut wipe = || -> io::Result<()> {
            let mut left = usize::try_from(file.metadata()?.len()).unwrap_or_default();
            while left > 0 {
                let step = left.min(WIPE_STEP);
                file.write_all(&vec![0; step])?;
                left -= step;
            }
            file.sync_all()
        };
        if let Err(error) = wipe() {
            tracing::debug!(%error, "a key file that was replaced could not be wiped");
        }
    }
}
