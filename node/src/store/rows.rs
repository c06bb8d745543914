//! How tables become keys of one sled tree, and how a damaged value is recognised.

use conclave_protocol::engine::Table;

/// Bytes of the checksum in front of each value.
const CHECKSUM_BYTES: usize = 8;

/// The key in sled: the table's number and the key within it.
pub(super) fn full_key(table: Table, key: &[u8]) -> Vec<u8> {
    let mut full = Vec::with_capacity(1 + key.len());
    // Part of the format: never renumber.
    full.push(match table {
        Table::Control => 1,
        Table::Messages => 2,
        Table::Marks => 3,
        Table::State => 4,
        Table::Index => 5,
        Table::Waiting => 6,
    });
    full.extend_from_slice(key);
    full
}

/// A value with a checksum over key and value in front. The objects' own hashes leave out their
/// signatures, and small state has no hash of its own.
pub(super) fn seal(key: &[u8], value: &[u8]) -> Vec<u8> {
    [&checksum(key, value)[..], value].concat()
}

/// The value behind a checksum that fits; `None` if the row is damaged.
pub(super) fn open<'a>(key: &[u8], row: &'a [u8]) -> Option<&'a [u8]> {
    let (sum, value) = row.split_at_checked(CHECKSUM_BYTES)?;
    (sum == checksum(key, value)).then_some(value)
}

fn checksum(key: &[u8], value: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(key.len() as u64).to_be_bytes());
    hasher.update(key);
    hasher.update(value);
    let mut sum = [0; CHECKSUM_BYTES];
    hasher.finalize_xof().fill(&mut sum);
    sum
}
