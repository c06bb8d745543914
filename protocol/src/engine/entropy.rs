//! Randomness for nonces and delays, drawn from one seed that the caller gives.

use crate::id::ObjectId;

/// A deterministic generator: BLAKE3 over seed and counter. Not for keys.
#[derive(Clone, Debug)]
pub(super) struct Entropy {
    seed: [u8; 32],
    drawn: u64,
}

impl Entropy {
    pub(super) fn new(seed: [u8; 32]) -> Self {
        Self { seed, drawn: 0 }
    }

    pub(super) fn nonce(&mut self) -> ObjectId {
        self.drawn += 1;
        let mut material = self.seed.to_vec();
        material.extend_from_slice(&self.drawn.to_be_bytes());
        ObjectId(blake3::derive_key("conclave v1 entropy", &material))
    }

    /// A number below `bound` (or 0), evenly enough for delays and choices.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        let bytes = self.nonce().0;
        let (head, _) = bytes.split_at(8);
        let number = head.iter().fold(0u64, |n, byte| (n << 8) | u64::from(*byte));
        if bound == 0 { 0 } else { number % bound }
    }
}
