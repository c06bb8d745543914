//! Checksums under a key of the store's own.
//!
//! The key is random and stays in this store: nobody can write a message whose text passes for
//! a record of the log when a damaged stretch of it is searched for the next whole record.

/// Bytes of the key.
pub(super) const KEY_BYTES: usize = 32;

/// What a checksum stands for; part of the format.
#[derive(Clone, Copy)]
pub(super) enum Covers {
    /// The head of a segment.
    Segment = 1,
    /// The head of a record.
    RecordHead = 2,
    /// The writes of a record.
    Record = 3,
    /// Table, key and length of one write.
    WriteHead = 4,
    /// The value of one write, with its table and key.
    Value = 5,
    /// A row of the index.
    IndexRow = 6,
}

/// Makes the checksums of one store.
#[derive(Clone)]
pub(super) struct Checks {
    key: [u8; KEY_BYTES],
}

impl Checks {
    pub(super) fn new(key: [u8; KEY_BYTES]) -> Self {
        Self { key }
    }

    pub(super) fn key(&self) -> &[u8; KEY_BYTES] {
        &self.key
    }

    /// A checksum over parts, each with its length.
    pub(super) fn sum<const N: usize>(&self, covers: Covers, parts: &[&[u8]]) -> [u8; N] {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(&[covers as u8]);
        for part in parts {
            hasher.update(&(part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        let mut sum = [0; N];
        hasher.finalize_xof().fill(&mut sum);
        sum
    }
}
