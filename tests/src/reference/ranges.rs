//! What the fingerprint of a range is, from the places in it and nothing else.

use conclave_protocol::id::ObjectId;

/// As many places are hashed one by one.
const LEAF_MAX: usize = 64;

/// The fingerprint of places that are in order.
#[must_use]
pub fn fingerprint(places: &[(u64, ObjectId)]) -> ObjectId {
    let keys: Vec<[u8; 40]> = places
        .iter()
        .map(|(height, id)| {
            let mut key = [0; 40];
            key[..8].copy_from_slice(&height.to_be_bytes());
            key[8..].copy_from_slice(&id.0);
            key
        })
        .collect();
    ObjectId(print(&keys))
}

fn print(keys: &[[u8; 40]]) -> [u8; 32] {
    if keys.len() <= LEAF_MAX {
        return blake3::derive_key("conclave v1 range", &keys.concat());
    }
    let nibble = |key: &[u8; 40], at: usize| key[at / 2] >> (4 * (1 - at % 2)) & 15;
    let differ = |at: &usize| keys.iter().any(|key| nibble(key, *at) != nibble(&keys[0], *at));
    let at = (0..80).find(differ).unwrap_or_default();
    let mut parts = Vec::new();
    for part in keys.chunk_by(|a, b| nibble(a, at) == nibble(b, at)) {
        parts.push(nibble(&part[0], at));
        parts.extend((part.len() as u64).to_be_bytes());
        parts.extend(print(part));
    }
    blake3::derive_key("conclave v1 range parts", &parts)
}
