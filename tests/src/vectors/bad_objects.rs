//! Bad objects: each is a good one, bent in one place and signed again where that is possible.

use conclave_protocol::id::{CompanyId, DeviceId};
use conclave_protocol::keys::device_statement;
use conclave_protocol::object::{ObjectType, SignatureBytes};

use super::bad::{Case, case, resigned};
use super::raw::{self, NULL, Raw, array};
use super::{envelopes, foundation, keys, log};
use crate::forge;

/// The order of the group of signatures, little-endian.
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// The same signature to a verifier that does not reduce S.
fn malleable(mut signature: SignatureBytes) -> SignatureBytes {
    let mut carry = 0;
    for (byte, add) in signature.0[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    signature
}

pub(super) fn text() -> (Vec<u8>, Vec<u8>, SignatureBytes) {
    let good = envelopes::text().signed().bytes;
    let (_, body, signature) = forge::split(&good);
    (good, body, signature)
}

/// Bends the tree of a body and signs it again.
pub(super) fn bent(
    author: u8,
    object_type: ObjectType,
    company: CompanyId,
    body: &[u8],
    bend: impl FnOnce(&mut Raw),
) -> Vec<u8> {
    let mut tree = Raw::read(body);
    bend(&mut tree);
    resigned(author, object_type, company, &tree.write())
}

pub(super) fn replace(path: &'static [usize], with: Raw) -> impl FnOnce(&mut Raw) {
    move |tree| *tree.at(path) = with
}

/// Round the body: the outer array, the type, the signature.
pub(super) fn outer(company: CompanyId) -> Vec<Case> {
    let (good, body, signature) = text();
    let parts = |number, signature: &SignatureBytes| forge::parts(number, &body, signature);
    let tree = |bend: fn(&mut Raw)| {
        let mut tree = Raw::read(&good);
        bend(&mut tree);
        tree.write()
    };
    let encoding = |name: &str, bytes: Vec<u8>| case(name, "malformed", "encoding", bytes);
    let mut flipped = signature;
    flipped.0[40] ^= 1;
    let mut first = signature;
    first.0[0] ^= 0x80;
    let signed = |name: &str, bytes| case(name, "bad_signature", "signature", bytes);
    let mut cases = vec![
        encoding("nothing", Vec::new()),
        encoding("a byte behind it", [&good[..], &[0]].concat()),
        encoding("a byte short", good[..good.len() - 1].to_vec()),
        encoding("an over-long type number", [&[0x83, 0x19, 0, 0x20], &good[3..]].concat()),
        encoding("an array of indefinite length", [&[0x9f], &good[1..], &[0xff]].concat()),
        encoding("an over-long array length", [&[0x98, 0x03], &good[1..]].concat()),
        encoding("an element too many", tree(|t| t.items().push(Raw::Verbatim(vec![NULL])))),
        encoding("an element missing", tree(|t| drop(t.items().pop()))),
        encoding("a map", [&[0xa3], &good[1..]].concat()),
        encoding("a tag before it", [&[0xd9, 0xd9, 0xf7], &good[..]].concat()),
        encoding("a text for the body", tree(|t| *t.at(&[1]) = raw::text("body"))),
        encoding("a body in pieces", {
            let pieces = [&[0x5f][..], &Raw::Bytes(body.clone()).write(), &[0xff]].concat();
            let mut tree = Raw::read(&good);
            *tree.at(&[1]) = Raw::Verbatim(pieces);
            tree.write()
        }),
        encoding("a signature of 63 bytes", tree(|t| *t.at(&[2]) = Raw::Bytes(vec![0; 63]))),
        encoding("a signature of 65 bytes", tree(|t| *t.at(&[2]) = Raw::Bytes(vec![0; 65]))),
        encoding("a type above 255", tree(|t| *t.at(&[0]) = Raw::Unsigned(256))),
        encoding("a negative type", tree(|t| *t.at(&[0]) = Raw::Verbatim(vec![0x20]))),
        encoding("another type with the same body", parts(4, &signature)),
        signed("one bit of S turned", parts(32, &flipped)),
        signed("one bit of R turned", parts(32, &first)),
        signed("S and the group's order added", parts(32, &malleable(signature))),
        signed("a signature of zeros", parts(32, &SignatureBytes([0; 64]))),
        signed("a signature for another company", {
            resigned(3, ObjectType::Envelope, CompanyId([1; 32]), &body)
        }),
        signed("a signature without a company", {
            resigned(3, ObjectType::Envelope, CompanyId([0; 32]), &body)
        }),
        signed("another key's signature", resigned(4, ObjectType::Envelope, company, &body)),
        case("a body of more than 32 KiB", "malformed", "size", {
            resigned(3, ObjectType::Envelope, company, &vec![0; 32 * 1024 + 1])
        }),
        case("more than any object needs", "malformed", "size", vec![0; 32 * 1024 + 81]),
    ];
    for unknown in [13, 31, 33, 47, 51, 255] {
        let name = format!("the unknown type {unknown}");
        cases.push(case(name, "unsupported", "type", parts(unknown, &signature)));
    }
    let mut identity = [0; 32];
    identity[0] = 1;
    let mut minus_one = [0xff; 32];
    (minus_one[0], minus_one[31]) = (0xec, 0x7f);
    for (name, key) in [("1", identity), ("0", [0; 32]), ("-1", minus_one)] {
        let mut small = envelopes::text().envelope;
        small.device = DeviceId(key);
        let mut nothing = [0; 64];
        nothing[0] = 1;
        let bytes = forge::parts(32, &small.encode(), &SignatureBytes(nothing));
        let name = format!("a key of small order (y = {name}) that signs everything");
        cases.push(case(name, "bad_signature", "signature", bytes));
    }
    cases
}

/// One object of each type with its author and body.
fn each_type() -> Vec<(ObjectType, u8, Vec<u8>)> {
    let mut found = Vec::new();
    let log = log::log();
    for made in &log.made {
        let (number, body, _) = forge::split(&made.forged.bytes);
        let object_type = ObjectType::from_number(number).expect("our own");
        if !found.iter().any(|(other, _, _)| *other == object_type) {
            found.push((object_type, made.author, body));
        }
    }
    found.push((ObjectType::Envelope, 3, text().1));
    let record = &envelopes::address_records()[0].1;
    found.push((ObjectType::AddressRecord, 3, forge::split(record).1));
    let report = &envelopes::state_reports()[0].1;
    found.push((ObjectType::StateReport, 3, forge::split(report).1));
    let beacon = &envelopes::beacons()[0].1;
    found.push((ObjectType::Presence, 3, forge::split(beacon).1));
    assert_eq!(found.len(), ObjectType::ALL.len());
    found
}

/// What no object of any type may be.
pub(super) fn every_type(company: CompanyId) -> Vec<Case> {
    let mut cases = Vec::new();
    for (object_type, author, body) in each_type() {
        let name = object_type.name();
        // What is no control object has its fields in the outermost array.
        let flat = matches!(
            object_type,
            ObjectType::Genesis
                | ObjectType::Envelope
                | ObjectType::AddressRecord
                | ObjectType::StateReport
                | ObjectType::Presence
        );
        let fields: &[usize] = if flat { &[] } else { &[1] };
        let version: &[usize] = if flat { &[0] } else { &[0, 0] };
        let signer =
            if object_type == ObjectType::Genesis { CompanyId::default() } else { company };
        let made = |bend: &dyn Fn(&mut Raw)| bent(author, object_type, signer, &body, bend);
        let extra = |t: &mut Raw| t.at(fields).items().push(Raw::Verbatim(vec![NULL]));
        let fewer = |t: &mut Raw| drop(t.at(fields).items().pop());
        let newer = |t: &mut Raw| *t.at(version) = Raw::Unsigned(2);
        let what = |what: &str| format!("{name}: {what}");
        cases.push(case(what("a field too many"), "malformed", "encoding", made(&extra)));
        cases.push(case(what("the last field missing"), "malformed", "encoding", made(&fewer)));
        cases.push(case(what("version 2"), "unsupported", "version", made(&newer)));
        let both = |t: &mut Raw| {
            newer(t);
            extra(t);
        };
        cases.push(case(what("version 2 and a field more"), "unsupported", "version", made(&both)));
        if !flat {
            let zero = |t: &mut Raw| *t.at(&[0, 1]) = raw::id(1);
            let foreign = bent(author, object_type, CompanyId([1; 32]), &body, zero);
            cases.push(case(what("another company"), "wrong_company", "company", foreign));
            let high = |t: &mut Raw| *t.at(&[0, 6]) = Raw::Unsigned((1 << 48) + 1);
            cases.push(case(what("height 2^48 + 1"), "malformed", "rule", made(&high)));
        }
    }
    cases
}

/// Control objects, address records, state reports and beacons.
pub(super) fn control(company: CompanyId) -> Vec<Case> {
    let types = each_type();
    let made = |object_type: ObjectType, bend: &dyn Fn(&mut Raw)| {
        let (_, author, body) =
            types.iter().find(|(other, _, _)| *other == object_type).expect("one of each");
        bent(*author, object_type, company, body, bend)
    };
    use ObjectType as T;
    type Bend = (T, &'static str, &'static str, &'static [usize], Raw);
    let n = Raw::Unsigned;
    let null = || Raw::Verbatim(vec![NULL]);
    let list = |ids: &[u8]| Raw::Array(ids.iter().map(|n| raw::id(*n)).collect());
    let cut = |device: u8| array(&[raw::id(device), n(1), raw::id(1)]);
    let keep = |room: u8, messages: &[u8]| array(&[raw::id(room), list(messages)]);
    let choice = |n: u64, value: Raw| array(&[Raw::Unsigned(n), array(&[value])]);
    let long: Vec<Raw> =
        (0..513_u64).map(|n| Raw::Bytes([&[0; 24][..], &n.to_be_bytes()].concat())).collect();
    let role_agent = Raw::Bytes(conclave_protocol::id::UnitId::ROLE_AGENT.0.to_vec());
    let bends: Vec<Bend> = vec![
        (T::AgentCert, "place 0", "rule", &[0, 3], n(0)),
        (T::AgentCert, "place 1 with a predecessor", "rule", &[0, 3], n(1)),
        (T::AgentCert, "place 2 without", "rule", &[0, 4], null()),
        (T::AgentCert, "height 0", "rule", &[0, 6], n(0)),
        (T::AgentCert, "height 1", "rule", &[0, 6], n(1)),
        (T::AgentCert, "an over-long height", "encoding", &[0, 6], {
            Raw::Verbatim(vec![0x19, 0, 2])
        }),
        (T::AgentCert, "a null for the authority", "encoding", &[0, 5], null()),
        (T::AgentCert, "a map for the header", "encoding", &[0], Raw::Verbatim(vec![0xa0])),
        (T::AgentCert, "a header of indefinite length", "encoding", &[1], {
            Raw::Verbatim(vec![0x9f, 0x61, 0x61, 0xff])
        }),
        (T::AgentCert, "a name as bytes", "encoding", &[1, 0], Raw::Bytes(vec![0x61])),
        (T::AgentCert, "a name that is not UTF-8", "encoding", &[1, 0], {
            Raw::Verbatim(vec![0x61, 0xff])
        }),
        (T::AgentCert, "a name in pieces", "encoding", &[1, 0], {
            Raw::Verbatim(vec![0x7f, 0x61, 0x61, 0xff])
        }),
        (T::AdminGrant, "rank 0", "rule", &[1, 2], n(0)),
        (T::AdminGrant, "rank 2^32", "encoding", &[1, 2], n(1 << 32)),
        (T::AdminGrant, "three capabilities", "encoding", &[1, 3], {
            Raw::Verbatim(vec![0x83, 0xf5, 0xf5, 0xf5])
        }),
        (T::AdminGrant, "a number for a capability", "encoding", &[1, 3, 0], n(1)),
        (T::AdminGrant, "overrides not in order", "rule", &[1, 5], list(&[2, 1])),
        (T::UnitCreate, "a kind that is not known", "encoding", &[1, 0], n(3)),
        (T::UnitCreate, "a Department in another unit", "rule", &[1, 1], raw::id(1)),
        (T::UnitCreate, "a Group in no Department", "rule", &[1, 0], n(1)),
        (T::MemberGrant, "an override twice", "rule", &[1, 2], list(&[1, 1])),
        (T::MemberGrant, "513 overrides", "rule", &[1, 2], Raw::Array(long)),
        (T::MemberGrant, "the built-in role", "rule", &[1, 1], role_agent),
        (T::RoomCreate, "a policy that is not known", "encoding", &[1, 1], n(2)),
        (T::Permit, "a principal that is not known", "encoding", &[1, 1], choice(2, raw::id(1))),
        (T::Permit, "a principal without its array", "encoding", &[1, 1], {
            array(&[n(0), raw::id(1)])
        }),
        (T::Permit, "overrides not in order", "rule", &[1, 2], list(&[2, 1])),
        (T::Revoke, "cuts not in order", "rule", &[1, 1], array(&[cut(2), cut(1)])),
        (T::Revoke, "two cuts of one device", "rule", &[1, 1], array(&[cut(1), cut(1)])),
        (T::Revoke, "a cut without its id", "encoding", &[1, 1], {
            array(&[array(&[raw::id(1), n(1)])])
        }),
        (T::Revoke, "rooms not in order", "rule", &[1, 2], {
            array(&[keep(2, &[1]), keep(1, &[1])])
        }),
        (T::Revoke, "one room twice", "rule", &[1, 2], array(&[keep(1, &[1]), keep(1, &[2])])),
        (T::Revoke, "messages not in order", "rule", &[1, 2], array(&[keep(1, &[2, 1])])),
        (T::Revoke, "a message twice", "rule", &[1, 2], array(&[keep(1, &[1, 1])])),
        (T::Revoke, "a mode that is not known", "encoding", &[1, 3], n(2)),
        (T::RootRotate, "a null for the cut", "encoding", &[1, 1], null()),
        (T::RoomCut, "messages not in order", "rule", &[1, 2], list(&[2, 1])),
        (T::RoomCut, "a message twice", "rule", &[1, 2], list(&[1, 1])),
        (T::Ratify, "overrides not in order", "rule", &[1, 1], list(&[2, 1])),
        (T::SetField, "a field that is not known", "encoding", &[1, 1], choice(3, n(1))),
        (T::SetField, "a name that is no text", "encoding", &[1, 1], choice(0, n(1))),
        (T::SetField, "a number for a truth value", "encoding", &[1, 1], choice(2, n(1))),
        (T::SetField, "a name with a separator", "name", &[1, 1], choice(0, raw::text("a/b"))),
        (T::SetField, "a topic of 257 characters", "rule", &[1, 1], {
            choice(1, raw::text(&"\u{e9}".repeat(257)))
        }),
        (T::SetField, "a topic with a line feed", "rule", &[1, 1], choice(1, raw::text("a\nb"))),
        (T::SetField, "superseded twice", "rule", &[1, 2], list(&[1, 1])),
        (T::AddressRecord, "another company", "company", &[1], raw::id(1)),
        (T::AddressRecord, "17 addresses", "rule", &[4], Raw::Array(vec![raw::text("/a"); 17])),
        (T::AddressRecord, "an address of 257 bytes", "rule", &[4], {
            array(&[raw::text(&format!("/{}", "x".repeat(256)))])
        }),
        (T::AddressRecord, "an address that is none", "rule", &[4], array(&[raw::text("tcp")])),
        (T::AddressRecord, "an empty address", "rule", &[4], array(&[raw::text("")])),
        (T::AddressRecord, "257 bytes in 200 characters", "rule", &[4], {
            array(&[raw::text(&format!("/{}{}", "x".repeat(142), "\u{e9}".repeat(57)))])
        }),
        (T::StateReport, "another company", "company", &[1], raw::id(1)),
        (T::StateReport, "a digest of 31 bytes", "encoding", &[4], Raw::Bytes(vec![0; 31])),
        (T::StateReport, "a negative count", "encoding", &[5], Raw::Verbatim(vec![0x20])),
        (T::Presence, "another company", "company", &[1], raw::id(1)),
        (T::Presence, "a number for a truth value", "encoding", &[4], n(1)),
        (T::Presence, "a negative time", "encoding", &[3], Raw::Verbatim(vec![0x20])),
    ];
    let mut cases: Vec<Case> = bends
        .into_iter()
        .map(|(object_type, name, reason, path, with)| {
            let bytes = made(object_type, &|tree| *tree.at(path) = with.clone());
            let word = match reason {
                "company" => "wrong_company",
                _ if name == "the built-in role" => "unsupported",
                _ => "malformed",
            };
            case(format!("{}: {name}", object_type.name()), word, reason, bytes)
        })
        .collect();
    cases.extend(founding(&types));
    cases.extend(devices(company));
    cases
}

/// `Genesis` is signed for no company.
fn founding(types: &[(ObjectType, u8, Vec<u8>)]) -> Vec<Case> {
    let body = &types[0].2;
    let genesis = |name: Raw| {
        bent(1, ObjectType::Genesis, CompanyId::default(), body, |t| *t.at(&[1]) = name)
    };
    let company = foundation().company;
    vec![
        case("genesis: of another company", "wrong_company", "company", genesis(raw::text("B"))),
        case("genesis: signed for a company", "bad_signature", "signature", {
            resigned(1, ObjectType::Genesis, company, body)
        }),
        case("genesis: a name with an edge", "malformed", "name", genesis(raw::text("Acme "))),
        case("genesis: by another key", "bad_signature", "signature", {
            resigned(2, ObjectType::Genesis, CompanyId::default(), body)
        }),
    ]
}

/// Signatures inside a `device-cert`.
fn devices(company: CompanyId) -> Vec<Case> {
    let log = log::log();
    let of = |name: &str| {
        let made = log.made.iter().find(|m| m.name == name).expect("in the log");
        forge::split(&made.forged.bytes).1
    };
    let (plain, confirmed) = (of("a device"), of("a device with a countersignature"));
    let agent = log.id("an agent").into();
    let sign = |signer: u8, device: u8, company| {
        let (key, sealing) = (keys(device).device(), keys(device).sealing());
        let statement = device_statement(company, agent, key, sealing);
        SignatureBytes(keys(signer).sign(&statement))
    };
    let raw_signature = |signature: SignatureBytes| Raw::Bytes(signature.0.to_vec());
    let key = |device: u8| Raw::Bytes(keys(device).device().0.to_vec());
    let made = |name: &str, word, reason, body: &[u8], path: &'static [usize], with| {
        let bytes = bent(2, ObjectType::DeviceCert, company, body, replace(path, with));
        case(format!("device-cert: {name}"), word, reason, bytes)
    };
    let bad = |name, body: &[u8], path: &'static [usize], with| {
        made(name, "bad_signature", "signature", body, path, with)
    };
    let other = CompanyId([1; 32]);
    let mut identity = [0; 32];
    identity[0] = 1;
    let small = Raw::Bytes(identity.to_vec());
    let mut nothing = [0; 64];
    nothing[0] = 1;
    vec![
        bad("a proof by another key", &plain, &[1, 4], raw_signature(sign(4, 3, company))),
        bad("a proof for another company", &plain, &[1, 4], raw_signature(sign(3, 3, other))),
        bad("a proof with another sealing key", &plain, &[1, 2], raw::id(1)),
        bad("a proof with S and the group's order", &plain, &[1, 4], {
            raw_signature(malleable(sign(3, 3, company)))
        }),
        bad("a countersignature by another key", &confirmed, &[1, 3, 1], {
            raw_signature(sign(5, 4, company))
        }),
        bad("a countersignature for another company", &confirmed, &[1, 3, 1], {
            raw_signature(sign(3, 4, other))
        }),
        bad("a countersigner of small order", &confirmed, &[1, 3], {
            array(&[small, Raw::Bytes(nothing.to_vec())])
        }),
        made("countersigned by itself", "malformed", "rule", &confirmed, &[1, 3], {
            array(&[key(4), raw_signature(sign(4, 4, company))])
        }),
        made("a countersignature of 63 bytes", "malformed", "encoding", &confirmed, &[1, 3, 1], {
            Raw::Bytes(vec![0; 63])
        }),
    ]
}

/// Every name rule, in the object in which most names stand.
pub(super) fn texts(company: CompanyId) -> Vec<Case> {
    let types = each_type();
    let named = [
        (ObjectType::AgentCert, &[1, 0][..]),
        (ObjectType::UnitCreate, &[1, 2]),
        (ObjectType::RoomCreate, &[1, 0]),
    ];
    let mut cases = Vec::new();
    for (what, name) in [
        ("an empty name", String::new()),
        ("a name of spaces", "  ".into()),
        ("a name with a separator", "a:b".into()),
        ("a name with a control character", "a\u{7}".into()),
        ("a name that turns the text", "a\u{202e}b".into()),
        ("a name with a space at its end", "a ".into()),
        ("a name of 65 characters", "x".repeat(65)),
    ] {
        for (object_type, path) in named {
            let of_type = types.iter().find(|(other, _, _)| *other == object_type);
            let (_, author, body) = of_type.expect("one of each");
            let bend = |tree: &mut Raw| *tree.at(path) = raw::text(&name);
            let bytes = bent(*author, object_type, company, body, bend);
            cases.push(case(format!("{}: {what}", object_type.name()), "malformed", "name", bytes));
        }
    }
    cases
}
