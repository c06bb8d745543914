//! The keys of this device, in the file `device.key`, sealed under the key of the home.
//!
//! A JSON object: `version` 2, `home_key` (the id of the key that opens it), `nonce` and `sealed`,
//! both in hex: the Ed25519 seed, the secret X25519 key and the key of the vault, 32 bytes each,
//! under ChaCha20-Poly1305 with purpose, version and that id as associated data. In version 1 the
//! first two stood there in plain; such a file is taken over when it is first opened.
//!
//! Both files change as one. A new home key is first written beside the old one; then
//! `device.key`, sealed under it, takes the place of the old one, and that decides; then the new
//! home key takes its place. As `device.key` names its home key, whoever opens it after a crash
//! between the steps finds the right one of the two, and does the last step again.

use std::fs::{self, File};
use std::sync::PoisonError;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use conclave_protocol::keys::{DeviceKeys, public_key};
use conclave_protocol::vault::Vault;
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::home_key::{HOME_KEY_FILE, HomeKey, HomeKeyFile, KeyId, NEXT_FILE, OldFile};
use super::passphrase::Cost;
use super::private_file::{Existing, write_private};
use super::{DEVICE_FILE, Home, HomeError, Passphrase, not_writable, random_key};
use crate::net::peer_id_of_device;

const VERSION: u32 = 2;
const PLAIN_VERSION: u32 = 1;
const PURPOSE: &str = "conclave v1 device keys, version 2, under home key";
const NONCE_BYTES: usize = 12;
/// Seed, X25519 key and vault key.
const PLAIN_BYTES: usize = 96;
/// What programs find in the place of the keys that know version 1 only. They look at the version
/// after they have read these fields, and then say that they do not know it.
const MOVED: &str = "sealed";

/// The secret keys of a device. There is deliberately no way to print them.
pub struct DeviceSecrets {
    // Boxed, so that moving it leaves no copies behind.
    plain: Box<Plain>,
}

#[derive(ZeroizeOnDrop)]
struct Plain {
    seed: [u8; 32],
    sealing: [u8; 32],
    vault: [u8; 32],
}

impl DeviceSecrets {
    fn empty() -> Self {
        Self { plain: Box::new(Plain { seed: [0; 32], sealing: [0; 32], vault: [0; 32] }) }
    }

    fn generate() -> Result<Self, HomeError> {
        let mut secrets = Self::empty();
        secrets.plain.seed = *random_key()?;
        secrets.plain.sealing = *random_key()?;
        secrets.plain.vault = *random_key()?;
        Ok(secrets)
    }

    /// What the engine signs and is addressed with.
    #[must_use]
    pub fn keys(&self) -> DeviceKeys {
        DeviceKeys::new(&self.plain.seed, &self.plain.sealing)
    }

    /// The libp2p identity.
    #[must_use]
    pub fn peer_id(&self) -> String {
        let device = public_key(&self.plain.seed);
        peer_id_of_device(device).map(|peer| peer.to_string()).unwrap_or_default()
    }

    /// The Ed25519 seed.
    #[must_use]
    pub fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.plain.seed)
    }

    /// The secret X25519 key.
    #[must_use]
    pub fn sealing_secret(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.plain.sealing)
    }

    /// What seals the rows of the store that hold keys or words.
    #[must_use]
    pub fn vault(&self) -> Vault {
        Vault::new(&self.plain.vault)
    }

    /// The key of [`DeviceSecrets::vault`].
    #[must_use]
    pub fn vault_key(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.plain.vault)
    }
}

/// What tells the versions apart.
#[derive(Deserialize)]
pub(super) struct Versioned {
    pub(super) version: u32,
}

#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
struct PlainFile {
    version: u32,
    signing: String,
    sealing: String,
}

#[derive(Serialize, Deserialize)]
struct SealedFile {
    version: u32,
    signing: String,
    sealing: String,
    home_key: KeyId,
    nonce: String,
    sealed: String,
}

enum Found {
    Plain(PlainFile),
    Sealed(SealedFile),
}

impl Home {
    /// This device's keys, if it has any. Those of an older program are sealed under a key of
    /// this home first. A passphrase is not needed for a home without one, and does no harm.
    ///
    /// # Errors
    /// [`HomeError::NeedsPassphrase`], [`HomeError::WrongPassphrase`], or one of reading and
    /// writing the files.
    pub fn device_secrets(
        &self,
        passphrase: Option<&Passphrase>,
    ) -> Result<Option<DeviceSecrets>, HomeError> {
        let _one = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        self.opened_secrets(passphrase)
    }

    fn opened_secrets(
        &self,
        passphrase: Option<&Passphrase>,
    ) -> Result<Option<DeviceSecrets>, HomeError> {
        match self.find_device_file()? {
            None => Ok(None),
            Some(Found::Plain(file)) => {
                let secrets = self.taken_over(&file)?;
                self.seal_anew(&secrets, None)?;
                Ok(Some(secrets))
            }
            Some(Found::Sealed(file)) => self.open_sealed(&file, passphrase).map(Some),
        }
    }

    /// Makes this device's keys, under a passphrase if there is one.
    ///
    /// # Errors
    /// [`HomeError::Exists`] if it has keys already.
    pub fn create_device_secrets(
        &self,
        passphrase: Option<&Passphrase>,
    ) -> Result<DeviceSecrets, HomeError> {
        let _one = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.path.join(DEVICE_FILE);
        if fs::symlink_metadata(&path).is_ok() {
            return Err(HomeError::Exists(path));
        }
        let secrets = DeviceSecrets::generate()?;
        self.seal_anew(&secrets, passphrase.map(|passphrase| (passphrase, Cost::USUAL)))?;
        Ok(secrets)
    }

    /// Whether the keys open only with a passphrase.
    ///
    /// # Errors
    /// One of reading the files.
    pub fn needs_passphrase(&self) -> Result<bool, HomeError> {
        let _one = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_protected()
    }

    fn is_protected(&self) -> Result<bool, HomeError> {
        match self.find_device_file()? {
            Some(Found::Sealed(file)) => Ok(self.key_of(&file)?.0.is_sealed()),
            _ => Ok(false),
        }
    }

    /// Seals the keys anew: under a new home key, which only this passphrase opens. With the old
    /// home key nobody opens the new files.
    ///
    /// # Errors
    /// As [`Home::device_secrets`] for the current passphrase; a failure leaves the keys as they
    /// were, or as they were to become.
    pub fn set_passphrase(
        &self,
        current: Option<&Passphrase>,
        new: &Passphrase,
    ) -> Result<(), HomeError> {
        self.change_passphrase(current, Some((new, Cost::USUAL)))
    }

    /// Seals the keys anew, under a new home key that lies in plain beside them.
    ///
    /// # Errors
    /// As [`Home::set_passphrase`], or [`HomeError::NoPassphrase`].
    pub fn remove_passphrase(&self, current: Option<&Passphrase>) -> Result<(), HomeError> {
        self.change_passphrase(current, None)
    }

    pub(super) fn change_passphrase(
        &self,
        current: Option<&Passphrase>,
        new: Option<(&Passphrase, Cost)>,
    ) -> Result<(), HomeError> {
        // One at a time: each takes the memory that makes guessing dear.
        let _one = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let missing = || HomeError::NoKeys(self.path.clone());
        let secrets = self.opened_secrets(current)?.ok_or_else(missing)?;
        if new.is_none() && !self.is_protected()? {
            return Err(HomeError::NoPassphrase(self.path.clone()));
        }
        self.seal_anew(&secrets, new)
    }

    /// Finishes a change of the keys that a crash has interrupted after it was decided. Takes no
    /// secret. The caller holds `changing`.
    pub(super) fn settle_keys(&self) -> Result<(), HomeError> {
        match self.find_device_file()? {
            Some(Found::Sealed(file)) => self.settled_key_of(&file).map(drop),
            _ => Ok(()),
        }
    }

    /// The three steps that the module tells of. The caller holds `changing`.
    fn seal_anew(
        &self,
        secrets: &DeviceSecrets,
        passphrase: Option<(&Passphrase, Cost)>,
    ) -> Result<(), HomeError> {
        let key = self.write_next(passphrase)?;
        self.write_sealed(secrets, &key)?;
        self.promote_next()
    }

    /// First step: nothing is sealed under the new key yet.
    pub(super) fn write_next(
        &self,
        passphrase: Option<(&Passphrase, Cost)>,
    ) -> Result<HomeKey, HomeError> {
        let key = HomeKey::generate()?;
        let file = key.file(self, passphrase)?;
        self.write(NEXT_FILE, &self.json(NEXT_FILE, &file)?)?;
        Ok(key)
    }

    /// Second step, which decides.
    pub(super) fn write_sealed(
        &self,
        secrets: &DeviceSecrets,
        key: &HomeKey,
    ) -> Result<(), HomeError> {
        let file = sealed_file(secrets, key)?;
        let path = self.path.join(DEVICE_FILE);
        let old = OldFile::at(&path);
        let written = write_private(&path, &self.json(DEVICE_FILE, &file)?, Existing::Replace);
        written.map_err(|error| not_writable(&path, &error))?;
        old.wipe();
        Ok(())
    }

    /// Third step.
    fn promote_next(&self) -> Result<(), HomeError> {
        let [next, path] = [NEXT_FILE, HOME_KEY_FILE].map(|name| self.path.join(name));
        let old = OldFile::at(&path);
        fs::rename(&next, &path)
            .and_then(|()| File::open(&self.path)?.sync_all())
            .map_err(|error| not_writable(&path, &error))?;
        old.wipe();
        Ok(())
    }

    fn find_device_file(&self) -> Result<Option<Found>, HomeError> {
        match self.read_json::<Versioned>(DEVICE_FILE)?.map(|file| file.version) {
            None => Ok(None),
            Some(PLAIN_VERSION) => Ok(self.read_json(DEVICE_FILE)?.map(Found::Plain)),
            Some(VERSION) => Ok(self.read_json(DEVICE_FILE)?.map(Found::Sealed)),
            Some(version) => Err(self.unknown_version(DEVICE_FILE, version)),
        }
    }

    /// The home key under which a file is sealed, and whether it is still the next.
    fn key_of(&self, file: &SealedFile) -> Result<(HomeKeyFile, bool), HomeError> {
        let in_place = HomeKeyFile::read(self, HOME_KEY_FILE);
        let wrong = match in_place {
            Ok(Some(key)) if key.id == file.home_key => return Ok((key, false)),
            Ok(_) => self.corrupt(HOME_KEY_FILE, "it is missing, or another than device.key needs"),
            Err(error) => error,
        };
        match HomeKeyFile::read(self, NEXT_FILE) {
            Ok(Some(next)) if next.id == file.home_key => Ok((next, true)),
            _ => Err(wrong),
        }
    }

    /// The same, after it has taken its place.
    fn settled_key_of(&self, file: &SealedFile) -> Result<HomeKeyFile, HomeError> {
        let (key, is_next) = self.key_of(file)?;
        if is_next {
            self.promote_next()?;
        }
        Ok(key)
    }

    fn open_sealed(
        &self,
        file: &SealedFile,
        passphrase: Option<&Passphrase>,
    ) -> Result<DeviceSecrets, HomeError> {
        let key = self.settled_key_of(file)?.open(self, passphrase)?;
        let altered = || self.corrupt(DEVICE_FILE, "it was altered, or its home key was");
        let decode = |hex: &str| HEXLOWER.decode(hex.as_bytes()).map_err(|_| altered());
        let nonce: [u8; NONCE_BYTES] = decode(&file.nonce)?.try_into().map_err(|_| altered())?;
        let (sealed, purpose) = (decode(&file.sealed)?, purpose(&key.id));
        let payload = Payload { msg: &sealed, aad: purpose.as_bytes() };
        let cipher = ChaCha20Poly1305::new((&*key.key).into());
        let plain = cipher.decrypt(&Nonce::from(nonce), payload).map(Zeroizing::new);
        let plain = plain.map_err(|_| altered())?;
        let mut secrets = DeviceSecrets::empty();
        let Some(([seed, sealing, vault], [])) = plain.as_chunks::<32>().0.split_first_chunk()
        else {
            return Err(altered());
        };
        secrets.plain.seed.copy_from_slice(seed);
        secrets.plain.sealing.copy_from_slice(sealing);
        secrets.plain.vault.copy_from_slice(vault);
        Ok(secrets)
    }

    fn taken_over(&self, file: &PlainFile) -> Result<DeviceSecrets, HomeError> {
        let mut secrets = DeviceSecrets::empty();
        secrets.plain.seed = *self.key_bytes(DEVICE_FILE, &file.signing)?;
        secrets.plain.sealing = *self.key_bytes(DEVICE_FILE, &file.sealing)?;
        secrets.plain.vault = *random_key()?;
        Ok(secrets)
    }
}

fn purpose(id: &str) -> String {
    format!("{PURPOSE} {id}")
}

fn sealed_file(secrets: &DeviceSecrets, key: &HomeKey) -> Result<SealedFile, HomeError> {
    let mut plain = Zeroizing::new([0; PLAIN_BYTES]);
    let Plain { seed, sealing, vault } = &*secrets.plain;
    for (part, secret) in plain.as_chunks_mut::<32>().0.iter_mut().zip([seed, sealing, vault]) {
        part.copy_from_slice(secret);
    }
    let mut nonce = [0; NONCE_BYTES];
    getrandom::fill(&mut nonce).map_err(|error| HomeError::NoRandomness(error.to_string()))?;
    let purpose = purpose(&key.id);
    let payload = Payload { msg: plain.as_slice(), aad: purpose.as_bytes() };
    let sealed = ChaCha20Poly1305::new((&*key.key).into()).encrypt(&Nonce::from(nonce), payload);
    let sealed = sealed.map_err(|_| HomeError::NoRandomness("no encryption".to_owned()))?;
    Ok(SealedFile {
        version: VERSION,
        signing: MOVED.to_owned(),
        sealing: MOVED.to_owned(),
        home_key: key.id.clone(),
        nonce: HEXLOWER.encode(&nonce),
        sealed: HEXLOWER.encode(&sealed),
    })
}
