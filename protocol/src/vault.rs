//! What the store must not show: rows that hold keys, or words that a user has written.
//!
//! The store of a node is a file that others may come to copy. Messages lie in it as they came,
//! encrypted under the keys of their epochs; these keys, and texts that are not sent yet, lie in it
//! sealed under one key of the home, which is kept apart from the store.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::{ZeroizeOnDrop, Zeroizing};

const NONCE_BYTES: usize = 24;

/// The key that seals rows of one home's store; wiped when dropped, and never shown.
#[derive(Clone, ZeroizeOnDrop)]
pub struct Vault {
    cipher: [u8; 32],
    nonces: [u8; 32],
}

impl Vault {
    /// A vault with this key.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        Self {
            cipher: blake3::derive_key("conclave v1 vault cipher", key),
            nonces: blake3::derive_key("conclave v1 vault nonces", key),
        }
    }

    /// Seals the value of a row. The nonce is a keyed hash of row and value: the same value in
    /// the same row looks the same, and nothing else does.
    #[must_use]
    pub fn seal(&self, row: &[u8], value: &[u8]) -> Vec<u8> {
        let nonce = self.nonce(row, value);
        let payload = Payload { msg: value, aad: row };
        let cipher = XChaCha20Poly1305::new((&self.cipher).into());
        let Ok(sealed) = cipher.encrypt(&XNonce::from(nonce), payload) else {
            unreachable!("only values of 256 GiB cannot be encrypted");
        };
        [&nonce[..], &sealed].concat()
    }

    /// Opens what [`Vault::seal`] made for this row; `None` if it is anything else.
    #[must_use]
    pub fn open(&self, row: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_BYTES>()?;
        let payload = Payload { msg: sealed, aad: row };
        let cipher = XChaCha20Poly1305::new((&self.cipher).into());
        cipher.decrypt(&XNonce::from(*nonce), payload).ok().map(Zeroizing::new)
    }

    fn nonce(&self, row: &[u8], value: &[u8]) -> [u8; NONCE_BYTES] {
        let mut hasher = blake3::Hasher::new_keyed(&self.nonces);
        hasher.update(&(row.len() as u64).to_be_bytes());
        hasher.update(row);
        hasher.update(value);
        let mut nonce = [0; NONCE_BYTES];
        hasher.finalize_xof().fill(&mut nonce);
        nonce
    }
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vault(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_opens_only_in_its_place_and_with_its_key() {
        let vault = Vault::new(&[1; 32]);
        let sealed = vault.seal(b"row", b"a secret");
        assert_eq!(vault.open(b"row", &sealed).as_deref(), Some(&b"a secret".to_vec()));
        assert_eq!(vault.open(b"other row", &sealed), None);
        assert_eq!(Vault::new(&[2; 32]).open(b"row", &sealed), None);
        for byte in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[byte] ^= 1;
            assert_eq!(vault.open(b"row", &changed), None, "byte {byte}");
        }
        assert_eq!(vault.open(b"row", &sealed[..10]), None);
    }

    #[test]
    fn different_values_never_share_a_nonce() {
        let vault = Vault::new(&[1; 32]);
        let nonce = |row: &[u8], value: &[u8]| vault.seal(row, value)[..NONCE_BYTES].to_vec();
        assert_ne!(nonce(b"row", b"one"), nonce(b"row", b"two"));
        assert_ne!(nonce(b"row", b"one"), nonce(b"ro", b"wone"));
        assert!(!vault.seal(b"row", b"words").windows(5).any(|w| w == b"words"));
    }
}
