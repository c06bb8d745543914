//! Keeping content from those outside a room: the key of an epoch, what it encrypts, and how it
//! is handed to devices.
//!
//! - [`EpochKey`]: 32 random bytes that the devices with access share for a while.
//! - [`ContentKey`]: what it gives for one message; opens that one and no other.
//! - [`SealedKey`]: an epoch's key for one device, by HPKE (RFC 9180) in base mode with
//!   DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and ChaCha20-Poly1305. Who sealed it is known by the
//!   signature of what carries it.
//!
//! All randomness comes from one seed that the caller gives, see [`SecretRng`].

mod content;
mod epoch_key;
mod sealing;
mod secret_rng;

pub use content::{CIPHERTEXT_OVERHEAD, CONTENT_NONCE_BYTES, ContentKey, Sealed};
pub use epoch_key::{EpochKey, WRAPPED_KEY_BYTES, WrappedKey};
pub use sealing::{SEALED_KEY_BYTES, SealedKey, SealingContext, SealingSecret};
pub use secret_rng::SecretRng;
