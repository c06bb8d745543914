//! Keys and the statements that they sign.

use ed25519_dalek::{Signer, SigningKey};

use crate::crypt::SealingSecret;
use crate::id::{AgentId, CompanyId, DeviceId, ObjectId};

/// The secret keys of this device, in memory; wiped when dropped. The Ed25519 seed is also
/// the libp2p identity.
#[derive(Clone)]
pub struct DeviceKeys {
    signing: SigningKey,
    sealing: SealingSecret,
}

impl DeviceKeys {
    /// Keys from the Ed25519 seed and the secret X25519 key.
    #[must_use]
    pub fn new(seed: &[u8; 32], sealing: &[u8; 32]) -> Self {
        Self { signing: SigningKey::from_bytes(seed), sealing: SealingSecret::new(sealing) }
    }

    /// The public Ed25519 key.
    #[must_use]
    pub fn device(&self) -> DeviceId {
        DeviceId(self.signing.verifying_key().to_bytes())
    }

    /// The public X25519 key.
    #[must_use]
    pub fn sealing(&self) -> ObjectId {
        self.sealing.public()
    }

    /// The secret X25519 key, which opens what was sealed to this device.
    #[must_use]
    pub fn sealing_secret(&self) -> &SealingSecret {
        &self.sealing
    }

    /// Signs a statement.
    #[must_use]
    pub fn sign(&self, statement: &[u8]) -> [u8; 64] {
        self.signing.sign(statement).to_bytes()
    }
}

/// What a new device signs to show that it holds the key and wants to belong to the agent:
/// `"conclave v1 device" ‖ company ‖ agent ‖ device ‖ sealing`.
#[must_use]
pub fn device_statement(
    company: CompanyId,
    agent: AgentId,
    device: DeviceId,
    sealing: ObjectId,
) -> Vec<u8> {
    let mut statement = b"conclave v1 device".to_vec();
    for part in [&company.0, &agent.0, &device.0, &sealing.0] {
        statement.extend_from_slice(part);
    }
    statement
}

/// What `Genesis` or a `RootRotate` says of the recovery key after it: the BLAKE3 hash of its
/// public key and of the same hash for the key after that, under the context
/// `conclave v1 recovery`. So one hash fixes the whole line of keys, and nobody who holds one of
/// them, other than the phrase, can lead the line elsewhere.
#[must_use]
pub fn recovery_hash(recovery: DeviceId, next: ObjectId) -> ObjectId {
    let material = [recovery.0, next.0].concat();
    ObjectId(blake3::derive_key("conclave v1 recovery", &material))
}

/// The hash for the `index`-th recovery key of a phrase, from 1 to [`RECOVERY_KEYS`]; zeros
/// beyond that.
#[must_use]
pub fn recovery_commitment(entropy: &[u8; 32], index: u32) -> ObjectId {
    let mut hash = ObjectId::default();
    for index in (index..=RECOVERY_KEYS).rev() {
        hash = recovery_hash(public_key(&recovery_seed(entropy, index)), hash);
    }
    hash
}

/// How many recovery keys a phrase stands for.
pub const RECOVERY_KEYS: u32 = 64;

/// The seed of the `index`-th recovery key of a phrase: BLAKE3 over the phrase's 32 bytes of
/// entropy and the index (big-endian), under the context `conclave v1 recovery seed`.
#[must_use]
pub fn recovery_seed(entropy: &[u8; 32], index: u32) -> [u8; 32] {
    let mut material = entropy.to_vec();
    material.extend_from_slice(&index.to_be_bytes());
    blake3::derive_key("conclave v1 recovery seed", &material)
}

/// The public key of an Ed25519 seed.
#[must_use]
pub fn public_key(seed: &[u8; 32]) -> DeviceId {
    DeviceId(SigningKey::from_bytes(seed).verifying_key().to_bytes())
}
