//! Secrets on their way from a client to the node of its home.
//!
//! Each run of a node has a key in a 0600 file of the home that never travels. A client seals a
//! secret with it, so that neither a listener on loopback nor a program that has taken the port
//! of a node that was killed learns anything.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use data_encoding::HEXLOWER;
use zeroize::Zeroizing;

use crate::identity::Passphrase;

const NONCE_BYTES: usize = 12;
/// Passphrases are sealed at this length, their own length in front.
const PADDED_BYTES: usize = 4 + Passphrase::TEXT_BYTES_MAX;

/// What a secret is for; sealed for one, it opens for no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The seed of the root key.
    RootKey,
    /// What a recovery phrase stands for.
    Recovery,
    /// The passphrase of this home, as it is.
    CurrentPassphrase,
    /// The one that takes its place.
    NewPassphrase,
}

impl Purpose {
    fn context(self) -> &'static [u8] {
        match self {
            Self::RootKey => b"conclave v1 api root key",
            Self::Recovery => b"conclave v1 api recovery",
            Self::CurrentPassphrase => b"conclave v1 api current passphrase",
            Self::NewPassphrase => b"conclave v1 api new passphrase",
        }
    }
}

/// The key that client and node share. There is deliberately no way to print it.
#[derive(Clone)]
pub(crate) struct Seal(Zeroizing<[u8; 32]>);

impl Seal {
    pub(crate) fn new(key: Zeroizing<[u8; 32]>) -> Self {
        Self(key)
    }

    /// The secret as text that only the holder of this key can read; none if the system gives no
    /// random numbers.
    pub(super) fn seal(&self, purpose: Purpose, secret: &[u8; 32]) -> Option<String> {
        self.seal_bytes(purpose, secret)
    }

    /// The secret in a text; none if it was sealed with another key or for another purpose.
    pub(super) fn open(&self, purpose: Purpose, text: &str) -> Option<Zeroizing<[u8; 32]>> {
        let opened = self.open_bytes(purpose, text)?;
        let mut secret = Zeroizing::new([0; 32]);
        if opened.len() != secret.len() {
            return None;
        }
        secret.copy_from_slice(&opened);
        Some(secret)
    }

    /// A passphrase as such a text, whose length tells nothing of the passphrase's.
    pub(super) fn seal_passphrase(&self, purpose: Purpose, secret: &Passphrase) -> Option<String> {
        let text = secret.text().as_bytes();
        let mut padded = Zeroizing::new([0; PADDED_BYTES]);
        let (front, rest) = padded.split_first_chunk_mut::<4>()?;
        *front = u32::try_from(text.len()).ok()?.to_be_bytes();
        rest.get_mut(..text.len())?.copy_from_slice(text);
        self.seal_bytes(purpose, &*padded)
    }

    /// The passphrase in a text; none if there is none that could be one.
    pub(super) fn open_passphrase(&self, purpose: Purpose, text: &str) -> Option<Passphrase> {
        let padded = self.open_bytes(purpose, text)?;
        let (length, rest) = padded.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let text = str::from_utf8(rest.get(..length)?).ok()?;
        Passphrase::handed_on(text).ok()
    }

    fn seal_bytes(&self, purpose: Purpose, secret: &[u8]) -> Option<String> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).ok()?;
        let payload = Payload { msg: secret, aad: purpose.context() };
        let sealed = self.cipher().encrypt(&Nonce::from(nonce), payload).ok()?;
        Some(HEXLOWER.encode(&[&nonce[..], &sealed].concat()))
    }

    fn open_bytes(&self, purpose: Purpose, text: &str) -> Option<Zeroizing<Vec<u8>>> {
        let bytes = HEXLOWER.decode(text.as_bytes()).ok()?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE_BYTES)?;
        let nonce: [u8; NONCE_BYTES] = nonce.try_into().ok()?;
        let payload = Payload { msg: sealed, aad: purpose.context() };
        let opened = self.cipher().decrypt(&Nonce::from(nonce), payload);
        opened.ok().map(Zeroizing::new)
    }

    fn cipher(&self) -> ChaCha20Poly1305 {
        ChaCha20Poly1305::new((&*self.0).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_key_opens_for_the_same_purpose() {
        let seal = |byte| Seal::new(Zeroizing::new([byte; 32]));
        let text = seal(1).seal(Purpose::RootKey, &[7; 32]).expect("random numbers");
        assert_eq!(seal(1).open(Purpose::RootKey, &text).as_deref(), Some(&[7; 32]));
        assert_eq!(seal(1).open(Purpose::Recovery, &text), None);
        assert_eq!(seal(2).open(Purpose::RootKey, &text), None);
        let again = seal(1).seal(Purpose::RootKey, &[7; 32]).expect("random numbers");
        assert_ne!(text, again, "a nonce is used once");
        assert!(!text.contains(&"07".repeat(8)));
        for bad in ["", "00", "zz", &text[2..], &text[..text.len() - 2]] {
            assert_eq!(seal(1).open(Purpose::RootKey, bad), None, "{bad}");
        }
    }

    #[test]
    fn passphrases_travel_at_one_length() {
        let seal = Seal::new(Zeroizing::new([1; 32]));
        let sealed = |text: &str| {
            let passphrase = Passphrase::new(text).expect("long enough");
            seal.seal_passphrase(Purpose::NewPassphrase, &passphrase).expect("random numbers")
        };
        // The last one is longer in NFC than what was typed.
        let texts = ["correct horse", &"a".repeat(1024), &"\u{1d15e}".repeat(200)];
        for text in texts {
            let normal = Passphrase::new(text).expect("a passphrase");
            let opened = seal.open_passphrase(Purpose::NewPassphrase, &sealed(text));
            assert!(opened.is_some_and(|opened| opened.text() == normal.text()), "{text}");
            assert_eq!(sealed(text).len(), sealed("another passphrase").len());
        }
        let text = sealed("correct horse");
        assert!(seal.open_passphrase(Purpose::CurrentPassphrase, &text).is_none());
        let other = seal.seal(Purpose::NewPassphrase, &[0xff; 32]).expect("random numbers");
        assert!(seal.open_passphrase(Purpose::NewPassphrase, &other).is_none());
    }
}
