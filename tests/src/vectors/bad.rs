//! Bytes that every implementation must refuse, and how.

use conclave_protocol::codec;
use conclave_protocol::envelope::Envelope;
use conclave_protocol::id::{CompanyId, DeviceId, ObjectId};
use conclave_protocol::object::{AgentCert, ObjectType, Payload, SignatureBytes};
use conclave_protocol::signed::{object_id, signed_statement};
use serde::{Deserialize, Serialize};

use super::{envelopes, foundation, hex, keys, verdict};
use crate::forge;

/// Bytes to be refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BadVector {
    /// What is wrong with them.
    pub name: String,
    /// `malformed`, `bad_signature` or `wrong_company`; gossip answers each with `Reject`.
    pub expected: String,
    /// The bytes.
    pub bytes: String,
}

/// A body with a signature that fits it, whatever it says.
fn resigned(object_type: ObjectType, company: CompanyId, body: &[u8]) -> Vec<u8> {
    let statement = signed_statement(object_type, company, object_id(object_type, body));
    forge::parts(object_type.number(), body, &SignatureBytes(keys(3).sign(&statement)))
}

/// All bad vectors.
#[must_use]
pub fn bad() -> Vec<BadVector> {
    let company = foundation().company;
    let envelopes = envelopes();
    let text = &envelopes[1].1;
    let good = forge::signed(&keys(3), text).bytes;
    let (number, body, signature) = forge::split(&good);
    let envelope = |body: &[u8]| resigned(ObjectType::Envelope, company, body);
    let bent = |bend: fn(&mut Envelope)| {
        let mut envelope = text.clone();
        bend(&mut envelope);
        forge::signed(&keys(3), &envelope).bytes
    };
    let mut flipped = signature;
    flipped.0[40] ^= 1;
    let mut identity = [0; 32];
    identity[0] = 1;
    let mut small = text.clone();
    small.device = DeviceId(identity);
    let mut nothing = [0; 64];
    nothing[..32].copy_from_slice(&identity);
    let mut foreign = text.clone();
    foreign.company = CompanyId([1; 32]);
    let name = |name: &str| {
        let payload = Payload::AgentCert(AgentCert { name: name.into() });
        let genesis = ObjectId::from(company);
        forge::control(&keys(1), company, (2, Some(genesis)), genesis, 2, payload).bytes
    };
    let cases: Vec<(&str, &str, Vec<u8>)> = vec![
        ("a byte behind it", "malformed", [&good[..], &[0]].concat()),
        ("a byte short", "malformed", good[..good.len() - 1].to_vec()),
        ("nothing", "malformed", Vec::new()),
        ("an over-long type number", "malformed", [&[0x83, 0x19, 0, 0x20], &good[3..]].concat()),
        (
            "an outer array of indefinite length",
            "malformed",
            [&[0x9f], &good[1..], &[0xff]].concat(),
        ),
        ("a type that is not known", "malformed", forge::parts(33, &body, &signature)),
        ("an over-long version", "malformed", envelope(&[&[0x8e, 0x18, 0], &body[2..]].concat())),
        ("a byte behind the body", "malformed", envelope(&[&body[..], &[0]].concat())),
        (
            "a body of indefinite length",
            "malformed",
            envelope(&[&[0x9f], &body[1..], &[0xff]].concat()),
        ),
        ("a field too many", "malformed", envelope(&[&[0x8f], &body[1..], &[0xf6]].concat())),
        ("a height without parents", "malformed", bent(|e| e.parents.clear())),
        ("a height above all bounds", "malformed", bent(|e| e.height = 1 << 63)),
        (
            "parents that are not sorted",
            "malformed",
            bent(|e| {
                e.parents = vec![ObjectId([2; 32]), ObjectId([1; 32])];
            }),
        ),
        ("a place in the chain without a predecessor", "malformed", bent(|e| e.prev = None)),
        ("a text that is not UTF-8", "malformed", bent(|e| e.body = vec![0xff])),
        ("a text with an escape character", "malformed", bent(|e| e.body = vec![0x1b])),
        ("an epoch in version 0", "malformed", bent(|e| e.epoch = e.prev)),
        ("a name that is not in form C", "malformed", name("e\u{301}")),
        ("a name with a separator", "malformed", name("a/b")),
        ("a name that begins with a space", "malformed", name(" a")),
        ("a signature with one bit turned", "bad_signature", forge::parts(number, &body, &flipped)),
        (
            "another type with the same body and signature",
            "malformed",
            forge::parts(ObjectType::AgentCert.number(), &body, &signature),
        ),
        (
            "a key of small order",
            "bad_signature",
            forge::parts(number, &small.encode(), &SignatureBytes(nothing)),
        ),
        ("another key's signature", "bad_signature", forge::signed(&keys(4), text).bytes),
        ("another company in the body", "wrong_company", forge::signed(&keys(3), &foreign).bytes),
        (
            "a signature made for another company",
            "bad_signature",
            resigned(ObjectType::Envelope, CompanyId([1; 32]), &body),
        ),
        ("an id that is too long", "malformed", {
            let long = codec::encode(&ObjectId([0; 32]));
            envelope(&[&[0x8e, 0x00, 0x58, 0x21, 0], &long[2..], &body[36..]].concat())
        }),
    ];
    cases
        .into_iter()
        .map(|(name, expected, bytes)| {
            assert_eq!(verdict(&bytes), expected, "{name}");
            BadVector { name: name.into(), expected: expected.into(), bytes: hex(&bytes) }
        })
        .collect()
}
