//! Bytes that every implementation must refuse, and how.

use conclave_protocol::codec::CodecError;
use conclave_protocol::id::CompanyId;
use conclave_protocol::object::{ObjectError, ObjectType, SignatureBytes};
use conclave_protocol::signed::{VerifyError, object_id, signed_statement};
use conclave_protocol::sync::{FrameError, Request, Response};
use serde::{Deserialize, Serialize};

use super::raw::{self, NULL, Raw, array};
use super::{bad_envelopes, bad_objects, foundation, hex, keys, verdict, verify};
use crate::forge;

/// Bytes to be refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BadVector {
    /// What is wrong with them.
    pub name: String,
    /// What they are to be decoded as: `object`, `request` or `response`.
    pub decoder: String,
    /// `malformed`, `bad_signature` or `wrong_company`, which gossip answers with `Reject`, or
    /// `unsupported`, which it answers with `Ignore`.
    pub expected: String,
    /// The first rule that they break, for people and to find a checker's mistakes: `size`,
    /// `encoding`, `type`, `version`, `name`, `rule`, `company`, `signature`.
    pub reason: String,
    /// The bytes: all pieces one after the other.
    pub pieces: Vec<Piece>,
}

/// Some bytes and how often they stand there, so that what is too large is short here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece(pub String, pub u32);

impl BadVector {
    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let piece = |Piece(bytes, times): &Piece| {
            let bytes = data_encoding::HEXLOWER.decode(bytes.as_bytes()).unwrap_or_default();
            bytes.repeat(usize::try_from(*times).unwrap_or_default())
        };
        self.pieces.iter().flat_map(piece).collect()
    }

    /// What this version says of it: the word, and the reason.
    #[must_use]
    pub fn found(&self) -> (&'static str, &'static str) {
        let bytes = self.bytes();
        let frame = |error: Option<FrameError>| match error {
            None => ("ok", "ok"),
            Some(FrameError::TooLong) => ("malformed", "rule"),
            Some(FrameError::Codec(error)) => ("malformed", codec_reason(error)),
        };
        match self.decoder.as_str() {
            "request" => frame(Request::decode(&bytes).err()),
            "response" => frame(Response::decode(&bytes).err()),
            _ => (verdict(&bytes), verify(&bytes).err().map_or("ok", reason)),
        }
    }
}

fn codec_reason(error: CodecError) -> &'static str {
    match error {
        CodecError::TooLarge { .. } => "size",
        CodecError::Malformed | CodecError::NotCanonical => "encoding",
    }
}

fn reason(error: VerifyError) -> &'static str {
    match error {
        VerifyError::BadSignature => "signature",
        VerifyError::WrongCompany => "company",
        VerifyError::Malformed(error) => match error {
            ObjectError::Codec(error) => codec_reason(error),
            ObjectError::Name(_) => "name",
            ObjectError::Version(_) => "version",
            ObjectError::Unsupported("this type of object") => "type",
            _ => "rule",
        },
    }
}

/// A bad vector in the making: name, what is expected, and the bytes.
pub(super) struct Case(pub String, pub &'static str, pub &'static str, pub Vec<u8>);

pub(super) fn case(
    name: impl Into<String>,
    expected: &'static str,
    reason: &'static str,
    bytes: Vec<u8>,
) -> Case {
    Case(name.into(), expected, reason, bytes)
}

/// A body with a signature that fits it, whatever it says.
pub(super) fn resigned(
    author: u8,
    object_type: ObjectType,
    company: CompanyId,
    body: &[u8],
) -> Vec<u8> {
    let statement = signed_statement(object_type, company, object_id(object_type, body));
    let signature = SignatureBytes(keys(author).sign(&statement));
    forge::parts(object_type.number(), body, &signature)
}

/// Long repetitions become pieces of their own.
fn pieces(bytes: &[u8]) -> Vec<Piece> {
    const LONG: usize = 1_024;
    const PERIOD_MAX: usize = 128;
    let mut pieces = Vec::new();
    let (mut plain, mut at) = (0, 0);
    while at < bytes.len() {
        let rest = &bytes[at..];
        let repeats = |period: &usize| {
            let same = rest.iter().zip(&rest[*period..]).take_while(|(a, b)| a == b).count();
            (same + period) / period * period >= LONG && same >= *period
        };
        let Some(period) = (1..=PERIOD_MAX.min(rest.len())).find(repeats) else {
            at += 1;
            continue;
        };
        if plain < at {
            pieces.push(Piece(hex(&bytes[plain..at]), 1));
        }
        let same = rest.iter().zip(&rest[period..]).take_while(|(a, b)| a == b).count();
        let times = same / period + 1;
        pieces.push(Piece(hex(&rest[..period]), u32::try_from(times).unwrap_or_default()));
        at += times * period;
        plain = at;
    }
    if plain < bytes.len() {
        pieces.push(Piece(hex(&bytes[plain..]), 1));
    }
    pieces
}

/// What no frame may be.
fn frames(direction: &'static str) -> Vec<Case> {
    let number = |n: u64, fields: &[Raw]| array(&[Raw::Unsigned(n), array(fields)]);
    let good = number(0, &[]).write();
    let mut cases = vec![
        case("nothing", "malformed", "encoding", Vec::new()),
        case("a byte behind it", "malformed", "encoding", [&good[..], &[0]].concat()),
        case("a number without fields", "malformed", "encoding", vec![0x81, 0x00]),
        case("a number alone", "malformed", "encoding", vec![0x00]),
        case("a third element", "malformed", "encoding", vec![0x83, 0x00, 0x80, NULL]),
        case("an over-long number", "malformed", "encoding", vec![0x82, 0x18, 0x00, 0x80]),
        case("fields of indefinite length", "malformed", "encoding", vec![0x82, 0, 0x9f, 0xff]),
        case("a field too many", "malformed", "encoding", number(0, &[raw::id(1)]).write()),
        case("an unknown number", "malformed", "encoding", number(99, &[]).write()),
        case("a map for the fields", "malformed", "encoding", vec![0x82, 0x00, 0xa0]),
        case("a tag", "malformed", "encoding", [&[0xc1], &good[..]].concat()),
        case("more than 320 KiB", "malformed", "size", vec![0; 320 * 1024 + 1]),
    ];
    let many = |item: Raw, count: usize| Raw::Array(vec![item; count]);
    let control = || number(0, &[]);
    let blob = Raw::Bytes(Vec::new());
    let bound = |height| array(&[Raw::Unsigned(height), raw::id(4)]);
    let too_long = |name: &str, n: u64, fields: &[Raw]| {
        case(name, "malformed", "rule", number(n, fields).write())
    };
    let shape = |name: &str, n: u64, fields: &[Raw]| {
        case(name, "malformed", "encoding", number(n, fields).write())
    };
    if direction == "request" {
        let short = Raw::Bytes(vec![0; 31]);
        cases.extend([
            too_long("1,025 ids to fetch", 3, &[control(), many(raw::id(0), 1_025)]),
            too_long("1,025 objects", 4, &[control(), many(blob.clone(), 1_025)]),
            too_long("129 address records", 5, &[many(blob.clone(), 129)]),
            too_long("129 state reports", 11, &[many(blob.clone(), 129)]),
            too_long("129 beacons", 15, &[many(array(&[blob.clone(), Raw::Unsigned(0)]), 129)]),
            shape("a beacon without its age", 15, &[array(&[array(std::slice::from_ref(&blob))])]),
            too_long("17 keys of epochs", 18, &[raw::id(3), many(raw::id(0), 17)]),
            too_long("17 objects to introduce somebody", 12, &[many(blob, 17)]),
            too_long("1,025 held ids", 6, &[raw::id(3), many(raw::id(0), 1_025)]),
            too_long(
                "a name of 65 characters",
                7,
                &[raw::text(&"x".repeat(65)), raw::id(4), raw::id(4), Raw::Verbatim(vec![0xf4])],
            ),
            too_long("a safety code of 10 bytes", 19, &{
                let signature = || Raw::Bytes(vec![5; 64]);
                let code = raw::text("ABCD-EFGHI");
                [array(&[raw::id(7), raw::id(2), raw::id(4), signature(), signature(), code])]
            }),
            shape("a scope without its room", 3, &[number(1, &[]), array(&[])]),
            shape("an unknown scope", 3, &[number(2, &[]), array(&[])]),
            shape(
                "a scope of the control log with a room",
                3,
                &[number(0, &[raw::id(3)]), array(&[])],
            ),
            shape("an id of 31 bytes", 8, &[short]),
            shape("a range without its end", 1, &[control(), bound(1)]),
            shape(
                "a negative height",
                1,
                &[control(), array(&[Raw::Verbatim(vec![0x20]), raw::id(4)]), bound(1)],
            ),
            shape("a name as bytes", 7, &[Raw::Bytes(vec![0x62]), raw::id(4), raw::id(4)]),
        ]);
    } else {
        let part = array(&[bound(1), Raw::Unsigned(1), raw::id(4)]);
        let summary = array(&[raw::id(3), Raw::Unsigned(1), raw::id(4)]);
        let admin = |addresses| array(&[raw::id(8), many(raw::text("/"), addresses)]);
        let referral = |admins: Raw| [raw::id(5), raw::text("Acme"), admins];
        let given = |sealed| array(&[blob.clone(), Raw::Bytes(vec![6; sealed])]);
        let whether = |byte: u8| [array(&[bound(1)]), Raw::Verbatim(vec![byte])];
        cases.extend([
            too_long(
                "2,049 rooms",
                1,
                &[summary.clone(), many(summary.clone(), 2_049), many(summary.clone(), 0)],
            ),
            too_long(
                "2,049 rooms in which something waits",
                1,
                &[summary.clone(), many(summary.clone(), 0), many(summary, 2_049)],
            ),
            too_long("17 parts", 2, &[many(part, 17)]),
            too_long("17 keys of epochs", 11, &[many(given(80), 17)]),
            shape("a key of 79 bytes", 11, &[many(given(79), 1)]),
            too_long("1,025 listed", 3, &[many(bound(1), 1_025), Raw::Verbatim(vec![0xf4])]),
            too_long("1,025 objects", 4, &[many(blob, 1_025), Raw::Unsigned(1_025)]),
            too_long("17 admins", 7, &referral(many(admin(0), 17))),
            too_long("17 addresses", 7, &referral(many(admin(17), 1))),
            shape("a number for a truth value", 3, &whether(0x01)),
            shape("a truth value in two bytes", 3, &[array(&[]), Raw::Verbatim(vec![0xf8, 0x15])]),
            shape("undefined", 3, &whether(0xf7)),
            shape("a float for a count", 4, &[array(&[]), Raw::Verbatim(vec![0xf9, 0x3c, 0x00])]),
            shape("an unknown state", 8, &[number(5, &[])]),
            shape("a state without fields", 8, &[Raw::Unsigned(0)]),
            shape("a signature of 63 bytes", 9, &[Raw::Bytes(vec![6; 63])]),
            shape(
                "text that is not UTF-8",
                6,
                &[raw::id(5), Raw::Verbatim(vec![0x61, 0xff]), raw::id(4)],
            ),
        ]);
    }
    cases
}

/// All bad vectors.
#[must_use]
pub fn bad() -> Vec<BadVector> {
    let company = foundation().company;
    let decoders = [
        ("object", bad_objects::outer(company)),
        ("object", bad_envelopes::envelopes(company)),
        ("object", bad_envelopes::epochs(company)),
        ("object", bad_objects::every_type(company)),
        ("object", bad_objects::control(company)),
        ("object", bad_objects::texts(company)),
        ("request", frames("request")),
        ("response", frames("response")),
    ];
    let mut made = Vec::new();
    for (decoder, cases) in decoders {
        for Case(name, expected, reason, bytes) in cases {
            let bad = BadVector {
                name,
                decoder: decoder.to_owned(),
                expected: expected.to_owned(),
                reason: reason.to_owned(),
                pieces: pieces(&bytes),
            };
            assert_eq!(bad.bytes(), bytes, "{}", bad.name);
            let found = bad.found();
            assert_eq!(found, (expected, reason), "{decoder}: {}", bad.name);
            made.push(bad);
        }
    }
    made
}
