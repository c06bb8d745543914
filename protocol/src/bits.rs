//! A set of small numbers, one bit each.

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bits(Vec<u64>);

impl Bits {
    /// Whether a number is in it.
    pub(crate) fn has(&self, n: usize) -> bool {
        self.0.get(n / 64).is_some_and(|word| word >> (n % 64) & 1 == 1)
    }

    /// Puts a number in or takes it out; false if it was so before.
    pub(crate) fn set(&mut self, n: usize, to: bool) -> bool {
        if self.has(n) == to {
            return false;
        }
        if n / 64 >= self.0.len() {
            self.0.resize(n / 64 + 1, 0);
        }
        if let Some(word) = self.0.get_mut(n / 64) {
            *word ^= 1 << (n % 64);
        }
        true
    }
}
