//! Randomness for nonces and delays, drawn from one seed that the caller gives.

use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::id::ObjectId;

/// A deterministic generator: BLAKE3 over seed and counter. What is drawn for keys and what others
/// may see are drawn under different contexts, so that the one says nothing of the other.
#[derive(Clone, ZeroizeOnDrop)]
pub(super) struct Entropy {
    seed: [u8; 32],
    drawn: u64,
}

impl Entropy {
    pub(super) fn new(seed: [u8; 32]) -> Self {
        Self { seed, drawn: 0 }
    }

    /// What others may see.
    pub(super) fn nonce(&mut self) -> ObjectId {
        ObjectId(self.draw("conclave v1 entropy"))
    }

    /// What nobody may see: a key, or the seed of what makes one.
    pub(super) fn secret(&mut self) -> [u8; 32] {
        self.draw("conclave v1 entropy secret")
    }

    fn draw(&mut self, context: &str) -> [u8; 32] {
        self.drawn += 1;
        let mut material = Zeroizing::new([0; 40]);
        let (seed, counter) = material.split_at_mut(32);
        seed.copy_from_slice(&self.seed);
        counter.copy_from_slice(&self.drawn.to_be_bytes());
        blake3::derive_key(context, &*material)
    }

    /// A number below `bound` (or 0), evenly enough for delays and choices.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        let bytes = self.nonce().0;
        let (head, _) = bytes.split_at(8);
        let number = head.iter().fold(0u64, |n, byte| (n << 8) | u64::from(*byte));
        if bound == 0 { 0 } else { number % bound }
    }
}
