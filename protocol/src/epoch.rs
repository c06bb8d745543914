//! Epochs: for how long a room uses one key, and who was given it.
//!
//! `EpochStart` and `EpochKeys` are bodies of envelopes in the room's log. A device may begin an
//! epoch; all who find that it fits encrypt under it until it fits no longer: see
//! [`crate::room::Epochs`].

use minicbor::decode::{Decoder, Error as DecodeError};
use minicbor::encode::{Encoder, Error as EncodeError, Write};
use minicbor::{Decode, Encode};

use crate::codec;
use crate::crypt::{SEALED_KEY_BYTES, SealedKey, WRAPPED_KEY_BYTES, WrappedKey};
use crate::envelope::EnvelopeError;
use crate::id::{DeviceId, MessageId, ObjectId};
use crate::limits::{
    EPOCH_AFTER_MAX, EPOCH_KEYS_PART_MAX, EPOCH_PREVIOUS_MAX, EPOCH_RECIPIENTS_MAX,
    OBJECT_BYTES_MAX,
};

/// An epoch before another, with its key under that of the later one if newcomers may read it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct PreviousEpoch {
    /// Its key, for whoever has the later one; nothing if the author lacks it, or if newcomers may
    /// not read what is older. Not the last, which would be left out if there is none.
    #[n(0)]
    pub wrapped: Option<WrappedKey>,
    /// Its `EpochStart`.
    #[n(1)]
    pub epoch: MessageId,
}

/// The beginning of an epoch: the body of an envelope.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct EpochStart {
    /// The epochs before it that the author knew and that no other one follows, ascending.
    #[n(0)]
    pub previous: Vec<PreviousEpoch>,
    /// The revocations that it answers, besides those that the previous epochs do, ascending: the
    /// key was made after them, so whoever they removed does not get it.
    #[n(1)]
    pub after: Vec<ObjectId>,
    /// See [`crate::crypt::EpochKey::hash`].
    #[n(2)]
    pub key_hash: ObjectId,
    /// How many devices get the key.
    #[n(3)]
    pub recipients: u32,
    /// See [`recipients_digest`].
    #[n(4)]
    pub recipients_digest: ObjectId,
}

/// The key of an epoch for one device.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct DeviceKey {
    /// Whose.
    #[n(0)]
    pub device: DeviceId,
    /// See [`crate::crypt::SealingContext`].
    #[n(1)]
    pub sealed: SealedKey,
}

/// The key of an epoch for some of its recipients: the body of an envelope. It counts only if its
/// author began the epoch.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct EpochKeys {
    /// The `EpochStart`.
    #[n(0)]
    pub epoch: MessageId,
    /// Which part of the list, from 0.
    #[n(1)]
    pub part: u32,
    /// By device, ascending.
    #[n(2)]
    pub keys: Vec<DeviceKey>,
}

/// The digest of the devices that get an epoch's key: BLAKE3 over them, ascending, under the
/// context `conclave v1 epoch recipients`.
#[must_use]
pub fn recipients_digest(devices: impl IntoIterator<Item = DeviceId>) -> ObjectId {
    let mut hasher = blake3::Hasher::new_derive_key("conclave v1 epoch recipients");
    for device in devices {
        hasher.update(&device.0);
    }
    ObjectId(hasher.finalize().into())
}

impl EpochStart {
    /// The canonical bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Decodes and checks the body of an envelope.
    ///
    /// # Errors
    /// [`EnvelopeError`].
    pub fn decode(body: &[u8]) -> Result<Self, EnvelopeError> {
        let start: Self = codec::decode(body, OBJECT_BYTES_MAX)?;
        let ascending = start.previous.windows(2).all(|p| matches!(p, [a, b] if a.epoch < b.epoch))
            && start.after.windows(2).all(|p| matches!(p, [a, b] if a < b));
        let bounded = start.previous.len() <= EPOCH_PREVIOUS_MAX
            && start.after.len() <= EPOCH_AFTER_MAX
            && start.recipients as usize <= EPOCH_RECIPIENTS_MAX;
        if ascending && bounded {
            Ok(start)
        } else {
            Err(EnvelopeError::Shape("an epoch's lists are too long or not sorted"))
        }
    }
}

impl EpochKeys {
    /// The canonical bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Decodes and checks the body of an envelope.
    ///
    /// # Errors
    /// [`EnvelopeError`].
    pub fn decode(body: &[u8]) -> Result<Self, EnvelopeError> {
        let keys: Self = codec::decode(body, OBJECT_BYTES_MAX)?;
        let ascending = keys.keys.windows(2).all(|p| matches!(p, [a, b] if a.device < b.device));
        let parts_max = EPOCH_RECIPIENTS_MAX / EPOCH_KEYS_PART_MAX;
        let bounded = (1..=EPOCH_KEYS_PART_MAX).contains(&keys.keys.len())
            && (keys.part as usize) < parts_max;
        if ascending && bounded {
            Ok(keys)
        } else {
            Err(EnvelopeError::Shape("an epoch's keys are too many or not sorted"))
        }
    }
}

macro_rules! fixed_bytes {
    ($name:ident, $length:expr) => {
        impl<C> Encode<C> for $name {
            fn encode<W: Write>(
                &self,
                e: &mut Encoder<W>,
                _: &mut C,
            ) -> Result<(), EncodeError<W::Error>> {
                e.bytes(&self.0)?.ok()
            }
        }

        impl<'b, C> Decode<'b, C> for $name {
            fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
                let bytes: Result<[u8; $length], _> = d.bytes()?.try_into();
                bytes.map(Self).map_err(|_| DecodeError::message("another length was expected"))
            }
        }
    };
}

fixed_bytes!(WrappedKey, WRAPPED_KEY_BYTES);
fixed_bytes!(SealedKey, SEALED_KEY_BYTES);

#[cfg(test)]
mod tests {
    use super::*;

    fn start(after: usize, previous: usize) -> EpochStart {
        let id = |n: usize| {
            ObjectId(
                [u8::try_from(n / 256).unwrap(), (n % 256) as u8].repeat(16).try_into().unwrap(),
            )
        };
        let previous = (0..previous).map(|n| PreviousEpoch {
            epoch: id(n),
            wrapped: Some(WrappedKey([7; WRAPPED_KEY_BYTES])),
        });
        EpochStart {
            previous: previous.collect(),
            after: (0..after).map(id).collect(),
            key_hash: ObjectId([1; 32]),
            recipients: 3,
            recipients_digest: ObjectId([2; 32]),
        }
    }

    fn keys(count: usize) -> EpochKeys {
        let device = |n: usize| {
            DeviceId(
                [u8::try_from(n / 256).unwrap(), (n % 256) as u8].repeat(16).try_into().unwrap(),
            )
        };
        let key = |n| DeviceKey { device: device(n), sealed: SealedKey([9; SEALED_KEY_BYTES]) };
        EpochKeys { epoch: ObjectId([1; 32]), part: 0, keys: (0..count).map(key).collect() }
    }

    #[test]
    fn the_largest_bodies_fit_an_object() {
        let most = start(EPOCH_AFTER_MAX, EPOCH_PREVIOUS_MAX).encode();
        assert!(EpochStart::decode(&most).is_ok());
        let full = keys(EPOCH_KEYS_PART_MAX).encode();
        assert!(EpochKeys::decode(&full).is_ok());
        for body in [most, full] {
            // What the rest of an envelope takes at most.
            assert!(body.len() + 1024 < OBJECT_BYTES_MAX, "{} bytes", body.len());
        }
    }

    #[test]
    fn lists_are_bounded_and_sorted() {
        assert!(EpochStart::decode(&start(EPOCH_AFTER_MAX + 1, 0).encode()).is_err());
        assert!(EpochStart::decode(&start(0, EPOCH_PREVIOUS_MAX + 1).encode()).is_err());
        assert!(EpochKeys::decode(&keys(EPOCH_KEYS_PART_MAX + 1).encode()).is_err());
        assert!(EpochKeys::decode(&keys(0).encode()).is_err());
        let mut twice = keys(2);
        twice.keys[1] = twice.keys[0].clone();
        assert!(EpochKeys::decode(&twice.encode()).is_err());
        let mut turned = start(2, 2);
        turned.after.reverse();
        assert!(EpochStart::decode(&turned.encode()).is_err());
        let mut turned = start(2, 2);
        turned.previous.reverse();
        assert!(EpochStart::decode(&turned.encode()).is_err());
        let mut many = start(0, 0);
        many.recipients = u32::try_from(EPOCH_RECIPIENTS_MAX).unwrap() + 1;
        assert!(EpochStart::decode(&many.encode()).is_err());
    }
}
