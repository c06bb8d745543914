//! Signed messages found in the bytes of files, whatever the store makes of them.
//!
//! Nothing is asked of the node: what it signed stands in its files in the encoding of the wire.

use std::collections::BTreeMap;

use conclave_protocol::envelope::Envelope;
use conclave_protocol::id::{CompanyId, DeviceId, MessageId, RoomId};
use conclave_protocol::signed::{Trust, Verified};

use crate::process::Node;

/// A signed envelope: an array of three, type 32, then a byte string.
const BEGIN: [u8; 3] = [0x83, 0x18, 0x20];
/// The signature: a byte string of 64 with its two bytes of length.
const SIGNATURE_BYTES: usize = 66;

/// The distinct messages of its company in the files of a node's home.
#[must_use]
pub fn envelopes(node: &Node) -> BTreeMap<MessageId, Envelope> {
    let company = node.status()["company"]["id"].as_str().expect("a company").to_owned();
    let company: CompanyId = company.parse().expect("an id");
    let files = node.files();
    files.iter().flat_map(|(_, bytes)| envelopes_in(bytes, company)).collect()
}

/// The distinct messages of a company in any bytes.
#[must_use]
pub fn envelopes_in(bytes: &[u8], company: CompanyId) -> BTreeMap<MessageId, Envelope> {
    let mut found = BTreeMap::new();
    for at in 0..bytes.len().saturating_sub(BEGIN.len()) {
        let Some(signed) = signed_at(&bytes[at..]) else { continue };
        if let Ok(envelope) = Verified::<Envelope>::envelope(signed, company, Trust::Nothing) {
            found.insert(envelope.id(), envelope.value().clone());
        }
    }
    found
}

/// Checks that no device has given a number to two messages of a room; gives how many messages
/// there were.
#[track_caller]
pub fn assert_no_number_twice(node: &Node) -> usize {
    let mut places: BTreeMap<(DeviceId, RoomId, u64), MessageId> = BTreeMap::new();
    let found = envelopes(node);
    for (id, envelope) in &found {
        let place = (envelope.device, envelope.room, envelope.seq);
        let before = places.insert(place, *id);
        assert_eq!(before, None, "{place:?} is taken twice, also by {id:?}");
    }
    found.len()
}

fn signed_at(bytes: &[u8]) -> Option<&[u8]> {
    let rest = bytes.strip_prefix(&BEGIN)?;
    let (head, length) = match rest {
        [0x58, length, ..] => (2, usize::from(*length)),
        [0x59, high, low, ..] => (3, usize::from(u16::from_be_bytes([*high, *low]))),
        _ => return None,
    };
    bytes.get(..BEGIN.len() + head + length + SIGNATURE_BYTES)
}
