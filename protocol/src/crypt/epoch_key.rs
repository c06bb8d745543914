//! The key of an epoch.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::id::{MessageId, ObjectId, RoomId};

/// Bytes of a wrapped key.
pub const WRAPPED_KEY_BYTES: usize = 48;

/// The key of an epoch under the key of a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrappedKey(pub [u8; WRAPPED_KEY_BYTES]);

/// The key of an epoch; wiped when dropped, and never shown.
#[derive(Clone, ZeroizeOnDrop)]
pub struct EpochKey {
    secret: [u8; 32],
    contents: [u8; 32],
}

impl EpochKey {
    /// A key of 32 random bytes.
    #[must_use]
    pub fn new(mut secret: [u8; 32]) -> Self {
        let contents = blake3::derive_key("conclave v1 epoch contents", &secret);
        let key = Self { secret, contents };
        secret.zeroize();
        key
    }

    /// A key of 32 random bytes and of what it is made for: a machine that is set back to an
    /// earlier moment draws the same bytes again, and must not give those who were removed
    /// meanwhile the key that they have. BLAKE3 over both under the context
    /// `conclave v1 epoch secret`.
    #[must_use]
    pub fn of_circumstances(mut secret: [u8; 32], circumstances: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("conclave v1 epoch secret");
        hasher.update(&secret).update(circumstances);
        secret.zeroize();
        Self::new(hasher.finalize().into())
    }

    /// The random bytes, to be sealed.
    #[must_use]
    pub fn secret(&self) -> &[u8; 32] {
        &self.secret
    }

    /// What the keys of messages are made of.
    pub(super) fn contents(&self) -> &[u8; 32] {
        &self.contents
    }

    /// What the start of the epoch says of the key: BLAKE3 over room and key under the context
    /// `conclave v1 epoch key`. So nobody can be given another key than the others.
    #[must_use]
    pub fn hash(&self, room: RoomId) -> ObjectId {
        let material = Zeroizing::new([room.0, self.secret].concat());
        ObjectId(blake3::derive_key("conclave v1 epoch key", &material))
    }

    /// Encrypts the key of an earlier epoch, whose id is `of`, under this one: XChaCha20-Poly1305
    /// with a key that is derived under the context `conclave v1 epoch wrap`, the first 24 bytes of
    /// the earlier epoch's id as nonce, and room and id as associated data.
    #[must_use]
    pub fn wrap(&self, room: RoomId, of: MessageId, earlier: &Self) -> WrappedKey {
        let aad = [room.0, of.0].concat();
        let payload = Payload { msg: &earlier.secret, aad: &aad };
        let sealed = self.wrapping().encrypt(&wrapping_nonce(of), payload).ok();
        let sealed = sealed.and_then(|sealed| sealed.try_into().ok());
        let Some(sealed) = sealed else { unreachable!("32 bytes can be encrypted") };
        WrappedKey(sealed)
    }

    /// Opens what [`EpochKey::wrap`] made; the caller compares [`EpochKey::hash`].
    #[must_use]
    pub fn unwrap_key(&self, room: RoomId, of: MessageId, wrapped: &WrappedKey) -> Option<Self> {
        let aad = [room.0, of.0].concat();
        let payload = Payload { msg: &wrapped.0, aad: &aad };
        let opened = self.wrapping().decrypt(&wrapping_nonce(of), payload).ok();
        let opened = Zeroizing::new(opened?);
        opened.as_slice().try_into().ok().map(Self::new)
    }

    fn wrapping(&self) -> XChaCha20Poly1305 {
        let key = Zeroizing::new(blake3::derive_key("conclave v1 epoch wrap", &self.secret));
        XChaCha20Poly1305::new((&*key).into())
    }
}

fn wrapping_nonce(of: MessageId) -> XNonce {
    let mut nonce = [0; 24];
    for (to, from) in nonce.iter_mut().zip(of.0) {
        *to = from;
    }
    nonce.into()
}

impl std::fmt::Debug for EpochKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EpochKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrapped_key_opens_with_the_later_key_in_its_place_only() {
        let (room, of) = (RoomId([1; 32]), ObjectId([2; 32]));
        let (earlier, later) = (EpochKey::new([3; 32]), EpochKey::new([4; 32]));
        let wrapped = later.wrap(room, of, &earlier);
        let opened = later.unwrap_key(room, of, &wrapped).expect("it opens");
        assert_eq!(opened.hash(room), earlier.hash(room));
        assert!(earlier.unwrap_key(room, of, &wrapped).is_none());
        assert!(later.unwrap_key(RoomId([9; 32]), of, &wrapped).is_none());
        assert!(later.unwrap_key(room, ObjectId([9; 32]), &wrapped).is_none());
        let mut changed = wrapped;
        changed.0[40] ^= 1;
        assert!(later.unwrap_key(room, of, &changed).is_none());
    }

    #[test]
    fn the_hash_binds_the_room_and_shows_nothing_of_the_key() {
        let key = EpochKey::new([3; 32]);
        assert_ne!(key.hash(RoomId([1; 32])), key.hash(RoomId([2; 32])));
        assert_ne!(key.hash(RoomId([1; 32])), EpochKey::new([4; 32]).hash(RoomId([1; 32])));
        assert_eq!(format!("{key:?}"), "EpochKey(…)");
    }
}
