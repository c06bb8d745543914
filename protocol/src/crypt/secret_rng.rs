//! Random bytes for keys, drawn from a seed.

use std::convert::Infallible;

use rand_core::{TryCryptoRng, TryRng};
use zeroize::ZeroizeOnDrop;

/// The output of BLAKE3 in its extendable mode under the context `conclave v1 secret rng`: as
/// unpredictable as the seed, which must never be used for two of these.
#[derive(ZeroizeOnDrop)]
pub struct SecretRng {
    #[zeroize(skip)]
    output: blake3::OutputReader,
    buffer: [u8; 64],
    used: usize,
}

impl SecretRng {
    /// Starts at the beginning of what a seed gives.
    #[must_use]
    pub fn new(seed: &[u8; 32]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("conclave v1 secret rng");
        hasher.update(seed);
        Self { output: hasher.finalize_xof(), buffer: [0; 64], used: 64 }
    }
}

impl TryRng for SecretRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        for byte in out {
            if self.used == self.buffer.len() {
                self.output.fill(&mut self.buffer);
                self.used = 0;
            }
            *byte = self.buffer.get(self.used).copied().unwrap_or_default();
            self.used += 1;
        }
        Ok(())
    }
}

impl TryCryptoRng for SecretRng {}

#[cfg(test)]
mod tests {
    use rand_core::Rng;

    use super::*;

    #[test]
    fn one_seed_gives_one_stream_and_no_byte_twice() {
        let drawn = |pieces: &[usize]| {
            let mut rng = SecretRng::new(&[3; 32]);
            let mut all = Vec::new();
            for piece in pieces {
                let mut bytes = vec![0; *piece];
                rng.fill_bytes(&mut bytes);
                all.extend(bytes);
            }
            all
        };
        let whole = drawn(&[300]);
        assert_eq!(whole, drawn(&[1, 63, 64, 100, 72]));
        assert_ne!(whole[..64], whole[64..128]);
        assert_ne!(whole[..32], SecretRng::new(&[4; 32]).next_u64().to_le_bytes().repeat(4)[..]);
    }
}
