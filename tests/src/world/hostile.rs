//! Envelopes as a liar makes them: byte by byte as the document says, with any key and any
//! contradiction, and a reader of envelopes that shares no code with the one under test.

use conclave_protocol::id::{CompanyId, DeviceId, MessageId, ObjectId, RoomId};
use conclave_protocol::keys::DeviceKeys;
use conclave_protocol::time::Timestamp;
use ed25519_dalek::{Signature, VerifyingKey};

use crate::forge::{self, Forged};

/// How signed envelopes begin: an array of three, type 32.
const BEGIN: [u8; 3] = [0x83, 0x18, 0x20];
/// Where an envelope's body names its room and, behind that, its device: after the array's head, the version and the
/// company.
const ROOM_AT: usize = 38;
/// See [`ROOM_AT`].
const DEVICE_AT: usize = 72;

/// What a liar says. Nothing is checked.
#[derive(Clone, Debug)]
pub struct Claim {
    /// In which company.
    pub company: CompanyId,
    /// In which room.
    pub room: RoomId,
    /// Who signs, allegedly.
    pub device: DeviceId,
    /// The place in the device's chain.
    pub seq: u64,
    /// The envelope before it.
    pub prev: Option<MessageId>,
    /// With their heights, which decide this one's, plus `lift`.
    pub parents: Vec<(MessageId, u64)>,
    /// By how much the height is wrong.
    pub lift: u64,
    /// 0 text, 16 enter, 17 seal, 18 epoch start, 19 epoch keys.
    pub kind: u8,
    /// The author's `Enter`.
    pub standing: Option<MessageId>,
    /// The text, which is encrypted as [`forge::encrypted`] does; of other kinds the body.
    pub body: Vec<u8>,
    /// What the clock says, allegedly.
    pub claimed_time: u64,
}

impl Claim {
    /// The height that it claims.
    #[must_use]
    pub fn height(&self) -> u64 {
        self.parents.iter().map(|(_, height)| *height).max().unwrap_or(0) + 1 + self.lift
    }

    fn body_bytes(&self) -> Vec<u8> {
        let optional = |id: Option<ObjectId>| id.map_or(vec![0xf6], |id| string(&id.0));
        let mut parents: Vec<MessageId> = self.parents.iter().map(|(id, _)| *id).collect();
        parents.sort_unstable();
        parents.dedup();
        let listed: Vec<u8> = parents.iter().flat_map(|id| string(&id.0)).collect();
        let (epoch, nonce, body) = self.encrypted();
        [
            head(4, 14),
            head(0, 1),
            string(&self.company.0),
            string(&self.room.0),
            string(&self.device.0),
            head(0, self.seq),
            optional(self.prev),
            head(4, parents.len() as u64),
            listed,
            head(0, self.height()),
            head(0, u64::from(self.kind)),
            optional(self.standing),
            optional(epoch),
            string(&nonce),
            string(&body),
            head(0, self.claimed_time),
        ]
        .concat()
    }

    /// Epoch, nonce and body. How a text is encrypted is the protocol's own work; the fields round
    /// it, which it is bound to, are put together here.
    fn encrypted(&self) -> (Option<MessageId>, Vec<u8>, Vec<u8>) {
        if self.kind != 0 {
            return (None, Vec::new(), self.body.clone());
        }
        let mut text = forge::envelope(self.company, self.room, self.device, &self.parents);
        (text.seq, text.prev, text.standing) = (self.seq, self.prev, self.standing);
        text.parents.dedup();
        text.height = self.height();
        text.body.clone_from(&self.body);
        text.claimed_time = Timestamp(self.claimed_time);
        let text = forge::encrypted(&text);
        (text.epoch, text.nonce, text.body)
    }

    /// Signs it.
    #[must_use]
    pub fn sign(&self, keys: &DeviceKeys) -> Forged {
        let body = self.body_bytes();
        let id = ObjectId(blake3::derive_key("conclave v1 envelope", &body));
        let signature = keys.sign(&statement(self.company, id));
        let bytes = [BEGIN.to_vec(), string(&body), string(&signature)].concat();
        Forged { id, bytes }
    }
}

/// What a signature of an envelope covers.
fn statement(company: CompanyId, id: ObjectId) -> Vec<u8> {
    [b"conclave v1 sig".as_slice(), b"envelope", &company.0, &id.0].concat()
}

fn head(major: u8, n: u64) -> Vec<u8> {
    let bytes = n.to_be_bytes();
    let (info, from) = match n {
        0..=23 => return vec![major << 5 | bytes[7]],
        24..=0xff => (24, 7),
        0x100..=0xffff => (25, 6),
        0x1_0000..=0xffff_ffff => (26, 4),
        _ => (27, 0),
    };
    [vec![major << 5 | info], bytes[from..].to_vec()].concat()
}

fn string(bytes: &[u8]) -> Vec<u8> {
    [head(2, bytes.len() as u64), bytes.to_vec()].concat()
}

/// A signed envelope that was found somewhere.
#[derive(Clone, Copy, Debug)]
pub struct Sighted<'a> {
    /// Its id.
    pub id: MessageId,
    /// In which room it claims to be.
    pub room: RoomId,
    /// Who signed it, allegedly.
    pub device: DeviceId,
    /// What is signed.
    pub body: &'a [u8],
    /// All of it.
    pub bytes: &'a [u8],
}

impl Sighted<'_> {
    /// Whether the device signed it, for this company.
    #[must_use]
    pub fn is_signed(&self, company: CompanyId) -> bool {
        let Some(Ok(signature)) =
            self.bytes.last_chunk::<64>().map(|s| Signature::try_from(s.as_slice()))
        else {
            return false;
        };
        let Ok(key) = VerifyingKey::from_bytes(&self.device.0) else { return false };
        key.verify_strict(&statement(company, self.id), &signature).is_ok()
    }
}

/// Every signed envelope inside some bytes, whatever surrounds them: a frame or a row.
#[must_use]
pub fn envelopes_in(bytes: &[u8]) -> Vec<Sighted<'_>> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = bytes[from..].windows(3).position(|w| w == BEGIN).map(|at| from + at) {
        from = at + 1;
        if let Some(sighted) = envelope_at(&bytes[at..]) {
            from = at + sighted.bytes.len();
            found.push(sighted);
        }
    }
    found
}

fn envelope_at(bytes: &[u8]) -> Option<Sighted<'_>> {
    let (start, length) = match *bytes.get(3)? {
        0x58 => (5, usize::from(*bytes.get(4)?)),
        0x59 => (6, usize::from(u16::from_be_bytes([*bytes.get(4)?, *bytes.get(5)?]))),
        _ => return None,
    };
    let end = start + length;
    let body = bytes.get(start..end)?;
    if bytes.get(end..end + 2)? != [0x58, 0x40] || *body.first()? != 0x8e {
        return None;
    }
    Some(Sighted {
        id: ObjectId(blake3::derive_key("conclave v1 envelope", body)),
        room: RoomId(*body.get(ROOM_AT..)?.first_chunk()?),
        device: DeviceId(*body.get(DEVICE_AT..)?.first_chunk()?),
        body,
        bytes: bytes.get(..end + 66)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::node::keys_of;

    #[test]
    fn what_is_made_by_hand_is_what_the_protocol_makes() {
        let keys = keys_of(&[7; 32]);
        let (company, room) = (CompanyId([3; 32]), RoomId([4; 32]));
        let parents = [(ObjectId([9; 32]), 300), (ObjectId([8; 32]), 2)];
        let mut honest = forge::envelope(company, room, keys.device(), &parents);
        (honest.seq, honest.prev) = (70_000, Some(ObjectId([5; 32])));
        honest.claimed_time = Timestamp(1_700_000_000_000);
        let claim = Claim {
            company,
            room,
            device: keys.device(),
            seq: honest.seq,
            prev: honest.prev,
            parents: parents.to_vec(),
            lift: 0,
            kind: 0,
            standing: honest.standing,
            body: honest.body.clone(),
            claimed_time: honest.claimed_time.0,
        };
        let made = claim.sign(&keys);
        assert_eq!(made, forge::signed(&keys, &honest));
        let around = [vec![0x83, 0x18], made.bytes.clone(), vec![1, 2, 3], made.bytes.clone()];
        let around = around.concat();
        let found = envelopes_in(&around);
        assert_eq!(found.len(), 2);
        for sighted in found {
            let of = (sighted.id, sighted.room, sighted.device);
            assert_eq!(of, (made.id, room, keys.device()));
            assert_eq!(sighted.bytes, made.bytes);
            assert!(sighted.is_signed(company));
            assert!(!sighted.is_signed(CompanyId([4; 32])));
        }
    }
}
