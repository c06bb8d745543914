//! Signed objects made by hand, honest and not.

use std::cell::RefCell;
use std::collections::BTreeMap;

use conclave_protocol::codec;
use conclave_protocol::crypt::{EpochKey, SealingContext, SecretRng};
use conclave_protocol::engine::{Engine, Reader, Table};
use conclave_protocol::envelope::{ENVELOPE_VERSION, EnterBody, Envelope, EnvelopeKind};
use conclave_protocol::epoch::{DeviceKey, EpochKeys, EpochStart, recipients_digest};
use conclave_protocol::id::{CompanyId, DeviceId, MessageId, ObjectId, RoomId};
use conclave_protocol::keys::DeviceKeys;
use conclave_protocol::object::{
    CONTROL_VERSION, ControlObject, Header, ObjectType, Payload, SignatureBytes,
};
use conclave_protocol::signed::{Trust, Verified, peek_id, sign};
use conclave_protocol::time::Timestamp;

use crate::world::{NodeId, World};

/// Signed bytes with their id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forged {
    /// The object's id.
    pub id: ObjectId,
    /// Its bytes on the wire.
    pub bytes: Vec<u8>,
}

/// An envelope to be signed; the fields may be changed before.
#[must_use]
pub fn envelope(
    company: CompanyId,
    room: RoomId,
    device: DeviceId,
    parents: &[(MessageId, u64)],
) -> Envelope {
    let mut ids: Vec<MessageId> = parents.iter().map(|(id, _)| *id).collect();
    ids.sort_unstable();
    let height = parents.iter().map(|(_, height)| *height).max().unwrap_or(0) + 1;
    Envelope {
        version: ENVELOPE_VERSION,
        company,
        room,
        device,
        seq: 1,
        prev: None,
        parents: ids,
        height,
        kind: EnvelopeKind::Text,
        standing: Some(ObjectId([1; 32])),
        epoch: None,
        nonce: Vec::new(),
        body: b"forged".to_vec(),
        claimed_time: Timestamp(1),
    }
}

/// Makes an envelope an `Enter`.
#[must_use]
pub fn entering(mut envelope: Envelope, body: &EnterBody) -> Envelope {
    envelope.kind = EnvelopeKind::Enter;
    envelope.standing = None;
    envelope.body = codec::encode(body);
    envelope
}

thread_local! {
    /// The keys of epochs that nodes of this thread's worlds have begun.
    static EPOCHS: RefCell<BTreeMap<(RoomId, MessageId), EpochKey>> = const { RefCell::new(BTreeMap::new()) };
    /// The last of each room.
    static NEWEST: RefCell<BTreeMap<RoomId, MessageId>> = const { RefCell::new(BTreeMap::new()) };
}

/// Lets texts that are forged from now on be read by those who have this key.
pub fn learn_epoch(room: RoomId, epoch: MessageId, key: &EpochKey) {
    EPOCHS.with_borrow_mut(|epochs| epochs.insert((room, epoch), key.clone()));
    NEWEST.with_borrow_mut(|newest| newest.insert(room, epoch));
}

/// The key of an epoch that a node of this thread's worlds has begun, or that was learnt.
#[must_use]
pub fn epoch_key(room: RoomId, epoch: MessageId) -> Option<EpochKey> {
    EPOCHS.with_borrow(|epochs| epochs.get(&(room, epoch)).cloned())
}

/// What a message says, whoever may read it.
#[must_use]
pub fn text_of(envelope: &Envelope) -> Option<String> {
    let epoch = envelope.epoch?;
    let key = EPOCHS.with_borrow(|epochs| epochs.get(&(envelope.room, epoch)).cloned());
    envelope.text(&key.unwrap_or_else(nobodys_key))
}

fn nobodys_key() -> EpochKey {
    EpochKey::new([0xee; 32])
}

/// Makes an envelope say a text, whatever it said before; it is encrypted when it is signed.
pub fn say(envelope: &mut Envelope, text: impl Into<Vec<u8>>) {
    (envelope.kind, envelope.epoch) = (EnvelopeKind::Text, None);
    (envelope.nonce, envelope.body) = (Vec::new(), text.into());
}

/// Encrypts the plain body of a text that names no epoch: under the newest one of its room that is
/// known here, or else under one that nobody has begun.
#[must_use]
pub fn encrypted(envelope: &Envelope) -> Envelope {
    let mut envelope = envelope.clone();
    if envelope.kind != EnvelopeKind::Text || envelope.epoch.is_some() {
        return envelope;
    }
    let room = envelope.room;
    let epoch = NEWEST.with_borrow(|newest| newest.get(&room).copied());
    let key = epoch.and_then(|epoch| EPOCHS.with_borrow(|all| all.get(&(room, epoch)).cloned()));
    let text = String::from_utf8_lossy(&envelope.body).into_owned();
    envelope.epoch = Some(epoch.unwrap_or(ObjectId([0xee; 32])));
    envelope.seal_text(&key.unwrap_or_else(nobodys_key), &text);
    envelope
}

/// Begins an epoch behind an `Enter` that is alone in its room, as its author: the start and the
/// keys for these devices. Texts that are forged from then on are encrypted under it.
#[must_use]
pub fn epoch(
    author: &DeviceKeys,
    (enter, envelope): (MessageId, &Envelope),
    recipients: &[(DeviceId, ObjectId)],
) -> (Forged, Forged) {
    let (company, room) = (envelope.company, envelope.room);
    let key = EpochKey::new(blake3::derive_key("conclave tests epoch", &enter.0));
    let mut recipients = recipients.to_vec();
    recipients.sort_unstable();
    let body = EpochStart {
        previous: Vec::new(),
        after: Vec::new(),
        key_hash: key.hash(room),
        recipients: u32::try_from(recipients.len()).unwrap_or_default(),
        recipients_digest: recipients_digest(recipients.iter().map(|(device, _)| *device)),
    };
    let mut next = envelope.clone();
    (next.seq, next.prev, next.height) = (envelope.seq + 1, Some(enter), envelope.height + 1);
    (next.parents, next.standing) = (vec![enter], Some(enter));
    (next.kind, next.body) = (EnvelopeKind::EpochStart, body.encode());
    let start = signed(author, &next);
    let mut rng = SecretRng::new(&[7; 32]);
    let keys = recipients.iter().map(|(device, sealing)| {
        let context = SealingContext { company, room, epoch: start.id, device: *device };
        DeviceKey { device: *device, sealed: context.seal(*sealing, &key, &mut rng) }
    });
    let body = EpochKeys { epoch: start.id, part: 0, keys: keys.collect() };
    (next.seq, next.prev, next.height) = (next.seq + 1, Some(start.id), next.height + 1);
    next.parents = vec![start.id];
    (next.kind, next.body) = (EnvelopeKind::EpochKeys, body.encode());
    let keys = signed(author, &next);
    learn_epoch(room, start.id, &key);
    (start, keys)
}

/// Signs an envelope; what a text says is encrypted first, see [`encrypted`].
#[must_use]
pub fn signed(keys: &DeviceKeys, envelope: &Envelope) -> Forged {
    let envelope = encrypted(envelope);
    let (id, bytes) = sign(keys, ObjectType::Envelope, envelope.company, &envelope.encode());
    Forged { id, bytes }
}

/// Signs a control object.
#[must_use]
pub fn control(
    keys: &DeviceKeys,
    company: CompanyId,
    (seq, prev): (u64, Option<ObjectId>),
    authority: ObjectId,
    height: u64,
    payload: Payload,
) -> Forged {
    let author = keys.device();
    let version = CONTROL_VERSION;
    let header = Header { version, company, author, seq, prev, authority, height };
    let (id, bytes) = ControlObject { header, payload }.sign(keys);
    Forged { id, bytes }
}

/// `[type, body, signature]` of any parts.
#[must_use]
pub fn parts(number: u8, body: &[u8], signature: &SignatureBytes) -> Vec<u8> {
    let mut bytes = vec![0x83];
    bytes.extend(codec::encode(&number));
    let mut encoder = minicbor_bytes(body);
    bytes.append(&mut encoder);
    bytes.extend(codec::encode(signature));
    bytes
}

fn minicbor_bytes(body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let mut bytes = match length {
        0..=23 => vec![0x40 + u8::try_from(length).unwrap_or_default()],
        24..=255 => vec![0x58, u8::try_from(length).unwrap_or_default()],
        _ => {
            let length = u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes();
            vec![0x59, length[0], length[1]]
        }
    };
    bytes.extend_from_slice(body);
    bytes
}

/// The type number, body and signature of signed bytes.
#[must_use]
pub fn split(bytes: &[u8]) -> (u8, Vec<u8>, SignatureBytes) {
    // 83, type (one byte below 24, else two), byte string, 58 40 and the signature.
    let after_type = if bytes[1] < 24 { 2 } else { 3 };
    let number = bytes[after_type - 1];
    let (start, end) = match bytes[after_type] {
        n @ 0x40..=0x57 => (after_type + 1, after_type + 1 + usize::from(n - 0x40)),
        0x58 => (after_type + 2, after_type + 2 + usize::from(bytes[after_type + 1])),
        _ => {
            let length = u16::from_be_bytes([bytes[after_type + 1], bytes[after_type + 2]]);
            (after_type + 3, after_type + 3 + usize::from(length))
        }
    };
    let mut signature = [0; 64];
    signature.copy_from_slice(&bytes[end + 2..]);
    (number, bytes[start..end].to_vec(), SignatureBytes(signature))
}

/// A message that a node's disk holds durably.
#[must_use]
pub fn stored(world: &World, node: NodeId, id: MessageId) -> Option<Verified<Envelope>> {
    let mut found = None;
    world.disk(node).scan(Table::Messages, &[], &mut |_, value| {
        if peek_id(value) == Some(id) {
            found = Verified::envelope(value, world.ledger().company, Trust::Nothing).ok();
        }
    });
    found
}

/// Every message of a room that a node's disk holds durably, by height.
#[must_use]
pub fn all_stored(world: &World, node: NodeId, room: RoomId) -> Vec<Verified<Envelope>> {
    let mut found = Vec::new();
    world.disk(node).scan(Table::Messages, &room.0, &mut |_, value| {
        found.extend(Verified::envelope(value, world.ledger().company, Trust::Nothing));
    });
    found.sort_by_key(|message: &Verified<Envelope>| (message.value().height, message.id()));
    found
}

/// A room's id by name.
#[must_use]
pub fn room_id(engine: &Engine, name: &str) -> RoomId {
    match engine.room(name) {
        Ok(view) => view.room.id,
        Err(failure) => panic!("no room {name}: {failure:?}"),
    }
}
