//! Encrypting the content of one message.
//!
//! Each message has a key of its own: a keyed hash, under the epoch's key, of all the envelope's
//! fields but nonce and body. The nonce is a keyed hash of the plain content under that key. So no
//! nonce is ever used for two contents, whatever happens to a device's memory or disk; and the nonce
//! ties the message to its key and content: whoever is shown key and content of one message, and no
//! more, can tell that they are those which the author signed.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::{ZeroizeOnDrop, Zeroizing};

use super::EpochKey;

/// Bytes of the nonce of a message.
pub const CONTENT_NONCE_BYTES: usize = 24;
/// By how many bytes what is encrypted is longer than what it says.
pub const CIPHERTEXT_OVERHEAD: usize = 16;

/// Nonce and ciphertext of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The nonce.
    pub nonce: [u8; CONTENT_NONCE_BYTES],
    /// The ciphertext with its tag.
    pub body: Vec<u8>,
}

/// The key of one message; wiped when dropped. It opens nothing else.
#[derive(Clone, ZeroizeOnDrop)]
pub struct ContentKey([u8; 32]);

impl ContentKey {
    /// The key of the message whose envelope, with empty nonce and body, has these canonical bytes:
    /// BLAKE3 over them, keyed by `BLAKE3-derive-key("conclave v1 epoch contents", epoch key)`.
    #[must_use]
    pub fn of(epoch: &EpochKey, fields: &[u8]) -> Self {
        Self(blake3::keyed_hash(epoch.contents(), fields).into())
    }

    /// A key that somebody handed out.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, to be handed out with a transcript.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Encrypts: the nonce is the first 24 bytes of BLAKE3 over a zero byte and the content, keyed
    /// by this key; the cipher's key is BLAKE3 over a one byte and the nonce, keyed by this key; the
    /// envelope's fields are the associated data.
    #[must_use]
    pub fn seal(&self, fields: &[u8], content: &[u8]) -> Sealed {
        let nonce = self.nonce(content);
        let payload = Payload { msg: content, aad: fields };
        let Ok(body) = self.cipher(&nonce).encrypt(&XNonce::from(nonce), payload) else {
            unreachable!("only contents of 256 GiB cannot be encrypted");
        };
        Sealed { nonce, body }
    }

    /// Decrypts; `None` unless this is the key, and the nonce is the one that key and content give.
    #[must_use]
    pub fn open(&self, fields: &[u8], nonce: &[u8], body: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let nonce: [u8; CONTENT_NONCE_BYTES] = nonce.try_into().ok()?;
        let payload = Payload { msg: body, aad: fields };
        let content = self.cipher(&nonce).decrypt(&XNonce::from(nonce), payload).ok()?;
        let content = Zeroizing::new(content);
        (self.nonce(&content) == nonce).then_some(content)
    }

    fn nonce(&self, content: &[u8]) -> [u8; CONTENT_NONCE_BYTES] {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(&[0]).update(content);
        let mut nonce = [0; CONTENT_NONCE_BYTES];
        hasher.finalize_xof().fill(&mut nonce);
        nonce
    }

    fn cipher(&self, nonce: &[u8; CONTENT_NONCE_BYTES]) -> XChaCha20Poly1305 {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(&[1]).update(nonce);
        let key = Zeroizing::new(<[u8; 32]>::from(hasher.finalize()));
        XChaCha20Poly1305::new((&*key).into())
    }
}

impl std::fmt::Debug for ContentKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ContentKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(epoch: u8, fields: &[u8]) -> ContentKey {
        ContentKey::of(&EpochKey::new([epoch; 32]), fields)
    }

    #[test]
    fn content_opens_with_its_key_and_fields_only() {
        let sealed = key(1, b"fields").seal(b"fields", b"hello");
        let open = |key: &ContentKey, fields: &[u8], s: &Sealed| {
            key.open(fields, &s.nonce, &s.body).map(|content| content.to_vec())
        };
        assert_eq!(open(&key(1, b"fields"), b"fields", &sealed), Some(b"hello".to_vec()));
        assert_eq!(sealed.body.len(), b"hello".len() + CIPHERTEXT_OVERHEAD);
        assert_eq!(open(&key(2, b"fields"), b"fields", &sealed), None);
        assert_eq!(open(&key(1, b"others"), b"others", &sealed), None);
        assert_eq!(open(&key(1, b"fields"), b"others", &sealed), None);
        for byte in 0..sealed.body.len() {
            let mut changed = sealed.clone();
            changed.body[byte] ^= 1;
            assert_eq!(open(&key(1, b"fields"), b"fields", &changed), None);
        }
        for byte in 0..sealed.nonce.len() {
            let mut changed = sealed.clone();
            changed.nonce[byte] ^= 1;
            assert_eq!(open(&key(1, b"fields"), b"fields", &changed), None);
        }
        assert_eq!(key(1, b"fields").open(b"fields", &sealed.nonce[..23], &sealed.body), None);
    }

    #[test]
    fn two_contents_in_one_place_have_two_nonces() {
        // A copied home, or a frozen machine, may sign twice in one place.
        let key = key(1, b"fields");
        assert_ne!(key.seal(b"fields", b"one").nonce, key.seal(b"fields", b"two").nonce);
        assert_eq!(key.seal(b"fields", b"one"), key.seal(b"fields", b"one"));
    }

    #[test]
    fn a_nonce_that_content_and_key_do_not_give_is_refused() {
        // As an author would make it who wants one message to say two things.
        let key = key(1, b"fields");
        let nonce = [7; CONTENT_NONCE_BYTES];
        let payload = Payload { msg: b"hello".as_slice(), aad: b"fields" };
        let body = key.cipher(&nonce).encrypt(&XNonce::from(nonce), payload).expect("encrypted");
        assert_eq!(key.open(b"fields", &nonce, &body), None);
    }
}
