//! Passphrases, and a secret key encrypted with one.
//!
//! Argon2id makes a key of the passphrase and a random salt, ChaCha20-Poly1305 encrypts with
//! it. How much work that is stands in the file, so that it can grow without a new format, and
//! is bounded on reading, so that a forged file cannot stall whoever opens it.

use std::fmt;

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

/// Fewer characters are guessed whatever the work.
const CHARS_MIN: usize = 8;
const BYTES_MAX: usize = 1024;
const MEMORY_KIB_MIN: u32 = 8;
const MEMORY_KIB_MAX: u32 = 1 << 20;
const PASSES_MAX: u32 = 10;

/// Why a text cannot be a passphrase. It never repeats the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PassphraseError {
    /// Nothing, or nothing but blanks.
    #[error("the passphrase is empty")]
    Empty,
    /// Too easy to guess.
    #[error("the passphrase is too short: it needs at least {CHARS_MIN} characters")]
    TooShort,
    /// Rather a file that was named by mistake.
    #[error("the passphrase is too long: it may have {BYTES_MAX} bytes")]
    TooLong,
}

/// A passphrase, wiped when dropped. There is deliberately no way to print it.
#[derive(Clone)]
pub struct Passphrase(Zeroizing<String>);

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(hidden)")
    }
}

impl Passphrase {
    /// Longest [`Passphrase::text`].
    pub(crate) const TEXT_BYTES_MAX: usize = 3 * BYTES_MAX;

    /// A passphrase of at least eight characters. Blanks count as typed, except that those at
    /// the ends do not make it longer.
    ///
    /// # Errors
    /// [`PassphraseError`].
    pub fn new(text: &str) -> Result<Self, PassphraseError> {
        if text.len() > BYTES_MAX {
            return Err(PassphraseError::TooLong);
        }
        Self::handed_on(text)
    }

    /// One that was made by [`Passphrase::new`] elsewhere and handed on as its text, which may
    /// be longer than what was typed.
    ///
    /// # Errors
    /// [`PassphraseError`].
    pub(crate) fn handed_on(text: &str) -> Result<Self, PassphraseError> {
        if text.len() > Self::TEXT_BYTES_MAX {
            return Err(PassphraseError::TooLong);
        }
        // Keyboards and systems write the same letter with other bytes; NFC makes at most
        // three times as many of them, so that the text never moves and leaves a copy behind.
        let mut normal = Zeroizing::new(String::with_capacity(3 * text.len()));
        normal.extend(text.nfc());
        match normal.trim().chars().count() {
            0 => Err(PassphraseError::Empty),
            chars if chars < CHARS_MIN => Err(PassphraseError::TooShort),
            _ => Ok(Self(normal)),
        }
    }

    /// The text, for handing it on; it belongs neither in a log nor in an argument.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }

    fn key(&self, cost: Cost, salt: &[u8; 16]) -> Result<Zeroizing<[u8; 32]>, argon2::Error> {
        let params = Params::new(cost.memory_kib, cost.passes, 1, Some(32))?;
        let mut key = Zeroizing::new([0; 32]);
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        argon2.hash_password_into(self.0.as_bytes(), salt, &mut *key)?;
        Ok(key)
    }
}

/// How much work it is to try one passphrase: Argon2id with one lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cost {
    pub(super) memory_kib: u32,
    pub(super) passes: u32,
}

impl Cost {
    /// About two thirds of a second on one core; asked for a few times a year.
    pub(super) const USUAL: Self = Self { memory_kib: 256 << 10, passes: 3 };

    /// Reads what [`fmt::Display`] writes; nothing that would take longer than some seconds.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (memory, rest) = text.strip_prefix("argon2id m=")?.split_once(",t=")?;
        let passes = rest.strip_suffix(",p=1")?;
        let cost = Self { memory_kib: memory.parse().ok()?, passes: passes.parse().ok()? };
        let bounded = (MEMORY_KIB_MIN..=MEMORY_KIB_MAX).contains(&cost.memory_kib)
            && (1..=PASSES_MAX).contains(&cost.passes);
        bounded.then_some(cost)
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "argon2id m={},t={},p=1", self.memory_kib, self.passes)
    }
}

/// A secret key, encrypted.
pub(super) struct Sealed {
    pub(super) cost: Cost,
    pub(super) salt: [u8; 16],
    pub(super) bytes: [u8; 48],
}

/// Why nothing was encrypted or decrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SealError {
    /// Another passphrase made it, or somebody who knows none has changed it.
    WrongPassphrase,
    /// The system does not give what it takes.
    System(String),
}

impl Sealed {
    /// Encrypts a key; `purpose` keeps one kind of key from passing for another.
    pub(super) fn new(
        passphrase: &Passphrase,
        cost: Cost,
        purpose: &str,
        secret: &[u8; 32],
    ) -> Result<Self, SealError> {
        let mut salt = [0; 16];
        getrandom::fill(&mut salt).map_err(|error| SealError::System(error.to_string()))?;
        let payload = Payload { msg: secret, aad: purpose.as_bytes() };
        let bytes = cipher(passphrase, cost, &salt)?.encrypt(&nonce(), payload).ok();
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        let bytes = bytes.ok_or_else(|| SealError::System("no encryption".to_owned()))?;
        Ok(Self { cost, salt, bytes })
    }

    /// Decrypts the key.
    pub(super) fn open(
        &self,
        passphrase: &Passphrase,
        purpose: &str,
    ) -> Result<Zeroizing<[u8; 32]>, SealError> {
        let payload = Payload { msg: &self.bytes, aad: purpose.as_bytes() };
        let opened = cipher(passphrase, self.cost, &self.salt)?.decrypt(&nonce(), payload);
        let opened = opened.map(Zeroizing::new).map_err(|_| SealError::WrongPassphrase)?;
        let mut secret = Zeroizing::new([0; 32]);
        if opened.len() != secret.len() {
            return Err(SealError::WrongPassphrase);
        }
        secret.copy_from_slice(&opened);
        Ok(secret)
    }
}

fn cipher(
    passphrase: &Passphrase,
    cost: Cost,
    salt: &[u8; 16],
) -> Result<ChaCha20Poly1305, SealError> {
    let key = passphrase.key(cost, salt).map_err(|error| SealError::System(error.to_string()))?;
    Ok(ChaCha20Poly1305::new((&*key).into()))
}

/// Each salt is new and so is each key: it encrypts once, and the nonce need not differ.
fn nonce() -> Nonce {
    Nonce::default()
}
