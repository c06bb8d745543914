//! The company's root key in a file of its own, which its owner moves off the machine.
//!
//! The file is a few lines of text, plain or encrypted with a passphrase:
//!
//! ```text
//! conclave root key v1 plain          conclave root key v1 encrypted
//! seed 32 bytes in hex                kdf argon2id m=262144,t=3,p=1
//! check 8 bytes in hex                salt 16 bytes in hex
//!                                     sealed 48 bytes in hex
//!                                     check 8 bytes in hex
//! ```
//!
//! `sealed` is the seed under ChaCha20-Poly1305 with the key that `kdf` makes, nonce zero and
//! `conclave v1 root key` as associated data. `check` is the beginning of the BLAKE3 hash of the
//! lines before it, under the context `conclave v1 root key file`: it tells a worn medium from a
//! wrong passphrase, and would be of no use to an attacker. The first version of Conclave wrote a
//! JSON object with the seed in hex; that is still read.

#[cfg(test)]
mod tests;

use std::fs::{self, File, Permissions};
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use conclave_protocol::id::DeviceId;
use conclave_protocol::keys::{DeviceKeys, public_key};
use data_encoding::HEXLOWER;
use serde::Deserialize;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::passphrase::{Cost, SealError, Sealed};
use super::{Existing, HomeError, PRIVATE_FILE, Passphrase, random_key, write_private};

const MAGIC: &str = "conclave root key v";
const VERSION: u32 = 1;
const PLAIN: &str = "plain";
const ENCRYPTED: &str = "encrypted";
const PURPOSE: &str = "conclave v1 root key";
const CHECK_CONTEXT: &str = "conclave v1 root key file";
/// Several times what a file of this kind has.
const FILE_BYTES_MAX: usize = 4096;

/// Why a root key cannot be read or written. It never repeats what is in the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RootKeyError {
    /// There is no such file.
    #[error("there is no root key at {0}")]
    NotFound(PathBuf),
    /// A root key is never overwritten by accident.
    #[error("{0} exists already")]
    Exists(PathBuf),
    /// It is encrypted, and no passphrase was given.
    #[error("the root key at {0} is encrypted")]
    NeedsPassphrase(PathBuf),
    /// It is encrypted with another passphrase.
    #[error("this is not the passphrase of the root key at {0}")]
    WrongPassphrase(PathBuf),
    /// It is no root key, or not all of one, or has changed since it was written.
    #[error("{file} is not a root key, or damaged: {detail}")]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        detail: &'static str,
    },
    /// A later program wrote it.
    #[error("{file} has version {version} of the root key's format, which is not known here")]
    UnknownVersion {
        /// The file.
        file: PathBuf,
        /// The version that it names.
        version: u32,
    },
    /// The system does not let it be read, written or worked on.
    #[error("cannot use {file}: {detail}")]
    Io {
        /// The file.
        file: PathBuf,
        /// What the system says.
        detail: String,
    },
}

/// The secret root key of a company, in memory; wiped when dropped. There is deliberately no
/// way to print it.
#[derive(ZeroizeOnDrop)]
pub struct RootKey {
    seed: [u8; 32],
}

impl RootKey {
    /// A new one.
    ///
    /// # Errors
    /// [`HomeError::NoRandomness`].
    pub fn generate() -> Result<Self, HomeError> {
        Ok(Self::from_seed(&*random_key()?))
    }

    /// The one with this Ed25519 seed.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self { seed: *seed }
    }

    /// The Ed25519 seed, for handing it on.
    pub(crate) fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.seed)
    }

    /// What signs for the root. It is no device's: nothing is ever encrypted to it.
    #[must_use]
    pub fn keys(&self) -> DeviceKeys {
        DeviceKeys::new(&self.seed, &[0; 32])
    }

    /// The public key, by which the control log names it.
    #[must_use]
    pub fn public(&self) -> DeviceId {
        public_key(&self.seed)
    }

    /// Writes the key to a file that only its owner can read, encrypted if there is a passphrase.
    /// The file appears as a whole or not at all, and is durable afterwards.
    ///
    /// # Errors
    /// [`RootKeyError::Exists`] unless it may be replaced, or [`RootKeyError::Io`].
    pub fn write(
        &self,
        path: &Path,
        passphrase: Option<&Passphrase>,
        existing: Existing,
    ) -> Result<(), RootKeyError> {
        self.write_at(Cost::USUAL, path, passphrase, existing)
    }

    fn write_at(
        &self,
        cost: Cost,
        path: &Path,
        passphrase: Option<&Passphrase>,
        existing: Existing,
    ) -> Result<(), RootKeyError> {
        let text = match passphrase {
            None => plain_text(&self.seed),
            Some(passphrase) => {
                let sealed = Sealed::new(passphrase, cost, PURPOSE, &self.seed);
                encrypted_text(&sealed.map_err(|error| unsealed(path, error))?)
            }
        };
        let written = write_private(path, text.as_bytes(), existing);
        written.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => RootKeyError::Exists(path.to_owned()),
            _ => failed(path, &error),
        })
    }

    /// Reads a key. A passphrase is not needed for a plain file, and does no harm. Permissions
    /// that let others read the file are taken away if that is possible.
    ///
    /// # Errors
    /// Any [`RootKeyError`] but [`RootKeyError::Exists`].
    pub fn read(path: &Path, passphrase: Option<&Passphrase>) -> Result<Self, RootKeyError> {
        match content(path)? {
            Content::Plain(seed) => Ok(Self::from_seed(&seed)),
            Content::Encrypted(sealed) => {
                let needed = || RootKeyError::NeedsPassphrase(path.to_owned());
                let opened = sealed.open(passphrase.ok_or_else(needed)?, PURPOSE);
                Ok(Self::from_seed(&*opened.map_err(|error| unsealed(path, error))?))
            }
        }
    }

    /// Whether the key in a file is encrypted.
    ///
    /// # Errors
    /// As [`RootKey::read`], but for those of a passphrase.
    pub fn is_encrypted(path: &Path) -> Result<bool, RootKeyError> {
        Ok(matches!(content(path)?, Content::Encrypted(_)))
    }
}

enum Content {
    Plain(Zeroizing<[u8; 32]>),
    Encrypted(Sealed),
}

#[derive(Debug, PartialEq, Eq)]
enum Fault {
    Damaged(&'static str),
    Version(u32),
}

#[derive(Deserialize, Zeroize, ZeroizeOnDrop)]
struct FirstFormat {
    version: u32,
    signing: String,
}

fn content(path: &Path) -> Result<Content, RootKeyError> {
    let bytes = load(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => RootKeyError::NotFound(path.to_owned()),
        _ => failed(path, &error),
    })?;
    parse(&bytes).map_err(|fault| match fault {
        Fault::Damaged(detail) => RootKeyError::Damaged { file: path.to_owned(), detail },
        Fault::Version(version) => RootKeyError::UnknownVersion { file: path.to_owned(), version },
    })
}

fn load(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_file() && metadata.permissions().mode() & 0o077 != 0 {
        // Not possible on the file systems of some sticks, and no reason not to read.
        let _ = fs::set_permissions(path, Permissions::from_mode(PRIVATE_FILE));
    }
    // One more than allowed, which tells a longer file. The buffer never moves.
    let mut bytes = Zeroizing::new(Vec::with_capacity(FILE_BYTES_MAX + 1));
    file.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn parse(bytes: &[u8]) -> Result<Content, Fault> {
    if bytes.len() > FILE_BYTES_MAX {
        return Err(Fault::Damaged("it is too long"));
    }
    if bytes.starts_with(b"{") {
        return parse_first_format(bytes);
    }
    let text = str::from_utf8(bytes).map_err(|_| Fault::Damaged("it is not text"))?;
    // Line breaks may have changed on the way; nothing else may.
    let lines: Vec<&str> = text.trim_end().lines().collect();
    let head = lines.first().and_then(|line| line.strip_prefix(MAGIC));
    let head = head.ok_or(Fault::Damaged("it does not begin as one"))?;
    let (version, kind) = head.split_once(' ').unwrap_or((head, ""));
    match version.parse() {
        Ok(VERSION) => {}
        Ok(other) => return Err(Fault::Version(other)),
        Err(_) => return Err(Fault::Damaged("it names no version")),
    }
    let Some((last, body)) = lines.split_last() else {
        return Err(Fault::Damaged("it is empty"));
    };
    if field::<8>(last, "check ").as_deref() != Some(&check(body)) {
        return Err(Fault::Damaged("it is not what was written"));
    }
    match (kind, body.get(1..)) {
        (PLAIN, Some([seed])) => field(seed, "seed ").map(Content::Plain),
        (ENCRYPTED, Some([kdf, salt, sealed])) => {
            let cost = kdf.strip_prefix("kdf ").and_then(Cost::parse);
            let cost = cost.ok_or(Fault::Damaged("it asks for work out of bounds"))?;
            let salt = field(salt, "salt ").map(|salt| *salt);
            let bytes = field(sealed, "sealed ").map(|bytes| *bytes);
            salt.zip(bytes).map(|(salt, bytes)| Content::Encrypted(Sealed { cost, salt, bytes }))
        }
        _ => None,
    }
    .ok_or(Fault::Damaged("its lines are not those of a root key"))
}

fn parse_first_format(bytes: &[u8]) -> Result<Content, Fault> {
    // The message of serde_json can quote what it has read, which may be the key.
    let file: FirstFormat =
        serde_json::from_slice(bytes).map_err(|_| Fault::Damaged("it cannot be read"))?;
    if file.version != 1 {
        return Err(Fault::Version(file.version));
    }
    let seed = field(&file.signing, "").map(Content::Plain);
    seed.ok_or(Fault::Damaged("it should hold 64 hexadecimal digits"))
}

/// A line that names itself and holds so many bytes.
fn field<const N: usize>(line: &str, name: &str) -> Option<Zeroizing<[u8; N]>> {
    let hex = line.strip_prefix(name)?.as_bytes();
    let mut bytes = Zeroizing::new([0; N]);
    if hex.len() != 2 * N || HEXLOWER.decode_mut(hex, &mut *bytes).is_err() {
        return None;
    }
    Some(bytes)
}

fn check(lines: &[&str]) -> [u8; 8] {
    let mut hasher = blake3::Hasher::new_derive_key(CHECK_CONTEXT);
    for line in lines {
        hasher.update(line.as_bytes()).update(b"\n");
    }
    let mut check = [0; 8];
    hasher.finalize_xof().fill(&mut check);
    // It has seen the seed, if the file is plain.
    hasher.zeroize();
    check
}

fn plain_text(seed: &[u8; 32]) -> Zeroizing<String> {
    let mut text = begin(PLAIN);
    line(&mut text, "seed ", seed);
    finish(text)
}

fn encrypted_text(sealed: &Sealed) -> Zeroizing<String> {
    let mut text = begin(ENCRYPTED);
    text.push_str(&format!("kdf {}\n", sealed.cost));
    line(&mut text, "salt ", &sealed.salt);
    line(&mut text, "sealed ", &sealed.bytes);
    finish(text)
}

/// The first line, with room for all others: a text that grows leaves copies behind.
fn begin(kind: &str) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(FILE_BYTES_MAX));
    text.push_str(&format!("{MAGIC}{VERSION} {kind}\n"));
    text
}

fn line(text: &mut String, name: &str, bytes: &[u8]) {
    text.push_str(name);
    HEXLOWER.encode_append(bytes, text);
    text.push('\n');
}

fn finish(mut text: Zeroizing<String>) -> Zeroizing<String> {
    let check = check(&text.lines().collect::<Vec<_>>());
    line(&mut text, "check ", &check);
    text
}

fn unsealed(path: &Path, error: SealError) -> RootKeyError {
    match error {
        SealError::WrongPassphrase => RootKeyError::WrongPassphrase(path.to_owned()),
        SealError::System(detail) => RootKeyError::Io { file: path.to_owned(), detail },
    }
}

fn failed(path: &Path, error: &io::Error) -> RootKeyError {
    RootKeyError::Io { file: path.to_owned(), detail: error.to_string() }
}
