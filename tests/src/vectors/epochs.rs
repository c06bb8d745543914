//! What is encrypted, under fixed keys: texts, starts of epochs, and their keys for devices.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use conclave_protocol::crypt::{
    CONTENT_NONCE_BYTES, ContentKey, EpochKey, SealedKey, SealingContext, SealingSecret, SecretRng,
};
use conclave_protocol::envelope::{Envelope, EnvelopeKind};
use conclave_protocol::epoch::{
    DeviceKey, EpochKeys, EpochStart, PreviousEpoch, recipients_digest,
};
use conclave_protocol::id::{DeviceId, MessageId, ObjectId, RoomId};
use serde_json::{Value, json};

use super::envelopes::Made;
use super::hex;

/// The random bytes of the epoch's key that all texts here are encrypted under.
const KEY: [u8; 32] = [0xe1; 32];

pub(super) fn epoch_key() -> EpochKey {
    EpochKey::new(KEY)
}

/// Encrypts under the epoch that the envelope names.
pub(super) fn text(mut envelope: Envelope, content: &[u8]) -> Made {
    let fields = envelope.content_fields();
    let sealed = ContentKey::of(&epoch_key(), &fields).seal(&fields, content);
    (envelope.nonce, envelope.body) = (sealed.nonce.to_vec(), sealed.body);
    opened(String::new(), envelope, Some(content))
}

/// What a message says to those who have the key: what comes out of the cipher with its nonce, and
/// the text if it is one.
fn opened(name: String, envelope: Envelope, content: Option<&[u8]>) -> Made {
    let fields = envelope.content_fields();
    let secrets = json!({
        "epoch_key": hex(&KEY),
        "fields": hex(&fields),
        "message_key": hex(ContentKey::of(&epoch_key(), &fields).bytes()),
        "content": content.map(hex),
        "text": envelope.text(&epoch_key()),
    });
    Made { name, envelope, secrets }
}

/// Texts that count like others and that nobody shows.
pub(super) fn unreadable(plain: &Envelope) -> Vec<Made> {
    let contents: [(&str, &[u8]); 6] = [
        ("white space", b" \n\t\xc2\xa0\xe3\x80\x80"),
        ("no UTF-8", b"a\xff"),
        ("a surrogate in UTF-8", b"\xed\xa0\x80"),
        ("an escape character", b"a\x1b[31m"),
        ("a carriage return", b"a\r\nb"),
        ("a control character above 127", b"a\xc2\x9b"),
    ];
    let mut made: Vec<Made> = contents
        .into_iter()
        .map(|(name, content)| Made {
            name: format!("not shown: {name}"),
            ..text(plain.clone(), content)
        })
        .collect();
    // As one would who wants to give two keys to one message.
    let fields = plain.content_fields();
    let key = ContentKey::of(&epoch_key(), &fields);
    let nonce = [7; CONTENT_NONCE_BYTES];
    let mut hasher = blake3::Hasher::new_keyed(key.bytes());
    hasher.update(&[1]).update(&nonce);
    let cipher = XChaCha20Poly1305::new(&<[u8; 32]>::from(hasher.finalize()).into());
    let payload = Payload { msg: b"hello".as_slice(), aad: &fields };
    let body = cipher.encrypt(&XNonce::from(nonce), payload).expect("a few bytes");
    let chosen = Envelope { nonce: nonce.to_vec(), body, ..plain.clone() };
    made.push(opened("not shown: a nonce that is not that of its content".into(), chosen, None));
    let garbage = Envelope { nonce: nonce.to_vec(), body: vec![9; 40], ..plain.clone() };
    made.push(opened("not shown: what the key does not open".into(), garbage, None));
    let most = "x".repeat(16 * 1024);
    made.push(Made { name: "the longest text".into(), ..text(plain.clone(), most.as_bytes()) });
    made
}

/// Who gets keys here: devices with the secret keys to which is sealed, or without one.
fn recipients() -> Vec<(DeviceId, Option<[u8; 32]>)> {
    let device = |n| DeviceId([n; 32]);
    vec![
        (device(0x21), Some([0x61; 32])),
        // It has certified zeros for its key: whatever is sealed to that opens for everybody.
        (device(0x22), None),
        (device(0x23), Some([0x63; 32])),
    ]
}

fn starting(
    mut envelope: Envelope,
    earlier: &[(MessageId, Option<[u8; 32]>)],
    after: Vec<ObjectId>,
    devices: &[DeviceId],
) -> Made {
    let (room, key) = (envelope.room, epoch_key());
    let previous = earlier.iter().map(|(epoch, earlier)| {
        let wrapped = earlier.map(|earlier| key.wrap(room, *epoch, &EpochKey::new(earlier)));
        PreviousEpoch { wrapped, epoch: *epoch }
    });
    let start = EpochStart {
        previous: previous.collect(),
        after,
        key_hash: key.hash(room),
        recipients: u32::try_from(devices.len()).unwrap_or_default(),
        recipients_digest: recipients_digest(devices.iter().copied()),
    };
    envelope.kind = EnvelopeKind::EpochStart;
    envelope.body = start.encode();
    let secrets = json!({
        "epoch_key": hex(&KEY),
        "earlier": earlier.iter().map(|(_, key)| key.map(|key| hex(&key))).collect::<Vec<_>>(),
        "devices": devices.iter().map(ToString::to_string).collect::<Vec<_>>(),
    });
    Made { name: String::new(), envelope, secrets }
}

/// The first epoch of a room.
pub(super) fn first(envelope: Envelope) -> Made {
    let devices: Vec<DeviceId> = recipients().into_iter().map(|(device, _)| device).collect();
    let made = starting(envelope, &[], Vec::new(), &devices);
    Made { name: "an epoch".into(), ..made }
}

/// Its keys.
pub(super) fn keys(mut envelope: Envelope, epoch: MessageId, part: u32) -> Made {
    let (company, room) = (envelope.company, envelope.room);
    let mut known = Vec::new();
    let sealed = recipients().into_iter().enumerate().map(|(n, (device, secret))| {
        let sealing = secret.map_or(ObjectId::default(), |s| SealingSecret::new(&s).public());
        // The first 32 bytes of what a seed gives are what the ephemeral key is derived of.
        let seed = [u8::try_from(n).unwrap_or_default(); 32];
        let mut drawn = [0; 32];
        let mut hasher = blake3::Hasher::new_derive_key("conclave v1 secret rng");
        hasher.update(&seed).finalize_xof().fill(&mut drawn);
        known.push(json!({
            "sealing": sealing.to_string(),
            "secret": secret.map(|secret| hex(&secret)),
            "ephemeral": secret.map(|_| hex(&drawn)),
        }));
        let context = SealingContext { company, room, epoch, device };
        let sealed = context.seal(sealing, &epoch_key(), &mut SecretRng::new(&seed));
        assert_eq!(sealed == SealedKey([0; 80]), secret.is_none());
        DeviceKey { device, sealed }
    });
    let body = EpochKeys { epoch, part, keys: sealed.collect() };
    envelope.kind = EnvelopeKind::EpochKeys;
    envelope.body = body.encode();
    let secrets = json!({ "epoch_key": hex(&KEY), "recipients": known });
    Made { name: "the keys of an epoch".into(), envelope, secrets }
}

/// Epochs that follow others, and other parts.
pub(super) fn others(plain: &Envelope) -> Vec<Made> {
    let id = |n: u8| ObjectId([n; 32]);
    let named = |name: &str, made: Made| Made { name: name.to_owned(), ..made };
    let two = [(id(0x51), Some([0x71; 32])), (id(0x52), None)];
    let seven: Vec<(ObjectId, Option<[u8; 32]>)> =
        (1..=7).map(|n| (id(n), Some([n; 32]))).collect();
    let many =
        |count: u32| (0..count).map(|n| ObjectId(*blake3::hash(&n.to_be_bytes()).as_bytes()));
    let mut most: Vec<ObjectId> = many(40).collect();
    most.sort_unstable();
    let mut devices: Vec<DeviceId> = many(300).map(|id| DeviceId(id.0)).collect();
    devices.sort_unstable();
    let elsewhere = Envelope { room: RoomId([0x34; 32]), ..plain.clone() };
    vec![
        named("an epoch after two, of which one key is lost", {
            starting(plain.clone(), &two, vec![id(0x81), id(0x82)], &[DeviceId([0x21; 32])])
        }),
        named("an epoch after seven, in another room", {
            starting(elsewhere, &seven, Vec::new(), &devices)
        }),
        named("an epoch for nobody, that only answers", {
            starting(plain.clone(), &[], most, &[])
        }),
        named("the last part of keys", keys(plain.clone(), id(0x53), 255)),
    ]
}

/// What of epochs is hashed and encrypted, in small.
pub(super) fn rules() -> Vec<(&'static str, &'static str, Value, String)> {
    let (room, epoch) = (RoomId([0x33; 32]), ObjectId([0x51; 32]));
    let devices = |count: u8| (1..=count).map(|n| DeviceId([n; 32]));
    let mut made = vec![
        (
            "epoch key hash",
            "a key in a room",
            { json!({ "room": room.to_string(), "key": hex(&KEY) }) },
            epoch_key().hash(room).to_string(),
        ),
        (
            "wrapped key",
            "an earlier key",
            {
                json!({
                    "room": room.to_string(), "epoch": epoch.to_string(), "key": hex(&KEY),
                    "earlier": hex(&[0x71; 32]),
                })
            },
            hex(&epoch_key().wrap(room, epoch, &EpochKey::new([0x71; 32])).0),
        ),
    ];
    for (name, count) in [("nobody", 0), ("one device", 1), ("devices", 3)] {
        let listed: Vec<String> = devices(count).map(|device| device.to_string()).collect();
        let digest = recipients_digest(devices(count)).to_string();
        made.push(("epoch recipients", name, json!({ "devices": listed }), digest));
    }
    made
}
