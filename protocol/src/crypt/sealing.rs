//! Handing an epoch's key to one device, by HPKE.

use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable};
use zeroize::{ZeroizeOnDrop, Zeroizing};

use super::{EpochKey, SecretRng};
use crate::id::{CompanyId, DeviceId, MessageId, ObjectId, RoomId};

type Aead = ChaCha20Poly1305;
type Kdf = HkdfSha256;
type Dh = X25519HkdfSha256;

/// Bytes of a sealed key: 32 of the encapsulated key, 32 of the key, 16 of the tag.
pub const SEALED_KEY_BYTES: usize = 80;

/// An epoch's key for one device.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SealedKey(pub [u8; SEALED_KEY_BYTES]);

impl std::fmt::Debug for SealedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealedKey(…)")
    }
}

/// For what a key is sealed: it opens for nothing else. The `info` of HPKE is
/// `"conclave v1 epoch key" ‖ company ‖ room ‖ epoch ‖ device`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealingContext {
    /// The company.
    pub company: CompanyId,
    /// The room.
    pub room: RoomId,
    /// The `EpochStart`.
    pub epoch: MessageId,
    /// The device that is to open it.
    pub device: DeviceId,
}

impl SealingContext {
    fn info(&self) -> Vec<u8> {
        let mut info = b"conclave v1 epoch key".to_vec();
        for part in [&self.company.0, &self.room.0, &self.epoch.0, &self.device.0] {
            info.extend_from_slice(part);
        }
        info
    }

    /// Seals a key to the X25519 key of the device. A device that has certified a key which is none
    /// gets zeros, which open for nobody.
    #[must_use]
    pub fn seal(&self, to: ObjectId, key: &EpochKey, rng: &mut SecretRng) -> SealedKey {
        self.try_seal(to, key, rng).unwrap_or(SealedKey([0; SEALED_KEY_BYTES]))
    }

    fn try_seal(&self, to: ObjectId, key: &EpochKey, rng: &mut SecretRng) -> Option<SealedKey> {
        let public = <Dh as Kem>::PublicKey::from_bytes(&to.0).ok()?;
        let (encapsulated, sealed) = hpke::single_shot_seal_with_rng::<Aead, Kdf, Dh>(
            &OpModeS::Base,
            &public,
            &self.info(),
            key.secret(),
            &[],
            rng,
        )
        .ok()?;
        let mut bytes = encapsulated.to_bytes().to_vec();
        bytes.extend_from_slice(&sealed);
        bytes.try_into().ok().map(SealedKey)
    }
}

/// The secret X25519 key of a device; wiped when dropped, and never shown.
#[derive(Clone, ZeroizeOnDrop)]
pub struct SealingSecret([u8; 32]);

impl SealingSecret {
    /// A key of 32 random bytes.
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(*secret)
    }

    /// The public key, which `DeviceCert`s carry.
    #[must_use]
    pub fn public(&self) -> ObjectId {
        let Ok(secret) = <Dh as Kem>::PrivateKey::from_bytes(&self.0) else {
            unreachable!("any 32 bytes are a secret key of X25519");
        };
        let mut public = [0; 32];
        for (to, from) in public.iter_mut().zip(<Dh as Kem>::sk_to_pk(&secret).to_bytes()) {
            *to = from;
        }
        ObjectId(public)
    }

    /// Opens what was sealed to this key for this context; the caller compares
    /// [`EpochKey::hash`].
    #[must_use]
    pub fn open(&self, context: &SealingContext, sealed: &SealedKey) -> Option<EpochKey> {
        let secret = <Dh as Kem>::PrivateKey::from_bytes(&self.0).ok()?;
        let (encapsulated, ciphertext) = sealed.0.split_at(32);
        let encapsulated = <Dh as Kem>::EncappedKey::from_bytes(encapsulated).ok()?;
        let opened = hpke::single_shot_open::<Aead, Kdf, Dh>(
            &OpModeR::Base,
            &secret,
            &encapsulated,
            &context.info(),
            ciphertext,
            &[],
        );
        let opened = Zeroizing::new(opened.ok()?);
        opened.as_slice().try_into().ok().map(EpochKey::new)
    }
}

impl std::fmt::Debug for SealingSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealingSecret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context() -> SealingContext {
        SealingContext {
            company: CompanyId([1; 32]),
            room: RoomId([2; 32]),
            epoch: ObjectId([3; 32]),
            device: DeviceId([4; 32]),
        }
    }

    #[test]
    fn a_sealed_key_opens_for_its_device_and_context_only() {
        let (bob, eve) = (SealingSecret::new(&[5; 32]), SealingSecret::new(&[6; 32]));
        let key = EpochKey::new([7; 32]);
        let mut rng = SecretRng::new(&[8; 32]);
        let sealed = context().seal(bob.public(), &key, &mut rng);
        let opened = bob.open(&context(), &sealed).expect("it opens");
        assert_eq!(opened.secret(), key.secret());
        assert!(eve.open(&context(), &sealed).is_none());
        for other in [
            SealingContext { company: CompanyId([9; 32]), ..context() },
            SealingContext { room: RoomId([9; 32]), ..context() },
            SealingContext { epoch: ObjectId([9; 32]), ..context() },
            SealingContext { device: DeviceId([9; 32]), ..context() },
        ] {
            assert!(bob.open(&other, &sealed).is_none(), "{other:?}");
        }
        assert_ne!(sealed, context().seal(bob.public(), &key, &mut rng), "each is fresh");
    }

    #[test]
    fn a_key_that_is_none_gets_zeros() {
        // Small-order points: whatever is sealed to them, everybody can open.
        for bad in [[0; 32], {
            let mut one = [0; 32];
            one[0] = 1;
            one
        }] {
            let mut rng = SecretRng::new(&[8; 32]);
            let sealed = context().seal(ObjectId(bad), &EpochKey::new([7; 32]), &mut rng);
            assert_eq!(sealed, SealedKey([0; SEALED_KEY_BYTES]));
        }
        assert!(SealingSecret::new(&[5; 32]).open(&context(), &SealedKey([0; 80])).is_none());
    }
}
