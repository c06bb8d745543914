//! Decisions from bytes: one byte a decision, so that a changed byte changes little.

/// What is left of the input.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self(data)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next byte; 0 after the last.
    pub(super) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// A place in a list of that length, if it has any.
    pub(super) fn place(&mut self, length: usize) -> Option<usize> {
        let byte = usize::from(self.byte());
        (length > 0).then(|| byte % length)
    }

    /// One of these, if there are any.
    pub(super) fn pick<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        self.place(from.len()).and_then(|place| from.get(place).copied())
    }

    /// Those of the first that the bits of a byte name; beyond eight each bit names several.
    pub(super) fn some<T: Copy>(&mut self, from: &[T]) -> Vec<T> {
        let bits = self.byte();
        let chosen = from.iter().enumerate().filter(|(n, _)| bits & (1 << (n % 8)) != 0);
        chosen.map(|(_, item)| *item).collect()
    }
}

/// Numbers that follow from the whole input, for orders: each change of a byte gives another one.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn of(data: &[u8]) -> Self {
        let hash = blake3::hash(data);
        let mut seed = [0; 8];
        seed.copy_from_slice(&hash.as_bytes()[..8]);
        Self(u64::from_le_bytes(seed))
    }

    /// Below `bound`, which is not 0 (splitmix64).
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let bound = u64::try_from(bound).unwrap_or(u64::MAX);
        usize::try_from((z ^ (z >> 31)) % bound).unwrap_or_default()
    }

    pub(super) fn shuffle<T>(&mut self, list: &mut [T]) {
        for n in (1..list.len()).rev() {
            list.swap(n, self.below(n + 1));
        }
    }
}
