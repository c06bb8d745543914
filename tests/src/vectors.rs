//! The golden vectors: every object, frame, hash and name rule from fixed seeds, and bytes that
//! must be refused.
//!
//! The files in `tests/vectors/` are the contract; this module makes them again, and a test
//! compares. See the README there.

mod bad;
mod bad_envelopes;
mod bad_objects;
mod cases;
mod envelopes;
mod epochs;
mod fields;
mod frames;
mod hashes;
mod log;
mod logs;
mod names;
mod raw;
mod signatures;

use conclave_protocol::address::AddressRecord;
use conclave_protocol::envelope::Envelope;
use conclave_protocol::found::{Foundation, Founding, found};
use conclave_protocol::id::{CompanyId, ObjectId};
use conclave_protocol::keys::{DeviceKeys, public_key, recovery_hash};
use conclave_protocol::object::{ControlObject, Genesis, ObjectError, ObjectType};
use conclave_protocol::presence::PresenceBeacon;
use conclave_protocol::report::StateReport;
use conclave_protocol::signed::{
    Trust, Verified, VerifyError, object_id, peek_type, signed_statement,
};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::forge;

pub use bad::{BadVector, Piece, bad};
pub use frames::{FrameVector, frames};
pub use hashes::{HashVector, hashes};
pub use logs::{Group, LogVector, choice, logs, logs_json, random};
pub use names::{NameVector, TypedName, names, typed_names};
pub use signatures::{SignatureVector, signatures};

/// A good object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vector {
    /// What it is an example of.
    pub name: String,
    /// The name of its type.
    #[serde(rename = "type")]
    pub type_name: String,
    /// The number of its type.
    pub type_number: u8,
    /// The seeds of the keys that sign, so that every signature can be made again.
    pub seeds: Seeds,
    /// The fields by name; their order in the encoding is in the document.
    pub fields: Value,
    /// What those know who have its keys.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub secrets: Value,
    /// The canonical body.
    pub body: String,
    /// `BLAKE3-derive-key("conclave v1 <type>", body)`.
    pub id: String,
    /// What the signature covers.
    pub statement: String,
    /// The signature.
    pub signature: String,
    /// `[type number, body, signature]`, as it is sent and stored.
    pub bytes: String,
}

/// Ed25519 seeds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seeds {
    /// Of the author.
    pub author: String,
    /// Of the device that a `device-cert` names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Of the device that countersigns it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub countersigner: Option<String>,
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

fn seed(n: u8) -> [u8; 32] {
    [n; 32]
}

/// Keys from a seed of 32 equal bytes.
fn keys(n: u8) -> DeviceKeys {
    DeviceKeys::new(&seed(n), &[0x50 + n; 32])
}

/// The company of all vectors.
#[must_use]
pub fn foundation() -> Foundation {
    founded(ObjectId([0x77; 32]))
}

fn founded(salt: ObjectId) -> Foundation {
    found(&Founding {
        company: "Acme",
        agent: "alice",
        root: &keys(1),
        recovery: recovery_hash(
            public_key(&seed(9)),
            recovery_hash(keys(10).device(), ObjectId::default()),
        ),
        salt,
        device: &keys(2),
    })
}

fn vector(name: &str, seeds: Seeds, secrets: Value, bytes: &[u8]) -> Vector {
    let (number, body, signature) = forge::split(bytes);
    let object_type = peek_type(bytes).unwrap_or(ObjectType::Genesis);
    let id = object_id(object_type, &body);
    let company = if object_type == ObjectType::Genesis {
        CompanyId::default()
    } else {
        foundation().company
    };
    Vector {
        name: name.to_owned(),
        type_name: object_type.name().to_owned(),
        type_number: number,
        seeds,
        fields: fields::of(object_type, &body),
        secrets,
        body: hex(&body),
        id: id.to_string(),
        statement: hex(&signed_statement(object_type, company, id)),
        signature: hex(&signature.0),
        bytes: hex(bytes),
    }
}

/// Vectors of control objects.
#[must_use]
pub fn control() -> Vec<Vector> {
    let of = |n: u8| hex(&seed(n));
    let seeds = |made: &log::Made| Seeds {
        author: of(made.author),
        device: made.device.map(of),
        countersigner: made.countersigner.map(of),
    };
    let log = log::log();
    log.made
        .iter()
        .map(|made| vector(made.name, seeds(made), Value::Null, &made.forged.bytes))
        .collect()
}

/// Vectors of envelopes, address records, state reports and beacons.
#[must_use]
pub fn envelope() -> Vec<Vector> {
    let seeds = || Seeds { author: hex(&seed(3)), ..Seeds::default() };
    let mut vectors: Vec<Vector> = envelopes::envelopes()
        .iter()
        .map(|made| vector(&made.name, seeds(), made.secrets.clone(), &made.signed().bytes))
        .collect();
    let records =
        [envelopes::address_records(), envelopes::state_reports(), envelopes::beacons()].concat();
    vectors.extend(records.iter().map(|(name, bytes)| vector(name, seeds(), Value::Null, bytes)));
    vectors
}

/// What verifying signed bytes of the vectors' company says: nothing, or why they are refused.
///
/// # Errors
/// [`VerifyError`].
pub fn verify(bytes: &[u8]) -> Result<(), VerifyError> {
    let company = foundation().company;
    match peek_type(bytes) {
        Some(ObjectType::Genesis) => {
            let genesis = Verified::<Genesis>::genesis(bytes, Trust::Nothing)?;
            let ours = CompanyId::from(genesis.id()) == company;
            if ours { Ok(()) } else { Err(VerifyError::WrongCompany) }
        }
        Some(ObjectType::Envelope) => {
            Verified::<Envelope>::envelope(bytes, company, Trust::Nothing).map(|_| ())
        }
        Some(ObjectType::AddressRecord) => {
            Verified::<AddressRecord>::address(bytes, company).map(|_| ())
        }
        Some(ObjectType::StateReport) => {
            Verified::<StateReport>::report(bytes, company).map(|_| ())
        }
        Some(ObjectType::Presence) => {
            Verified::<PresenceBeacon>::presence(bytes, company).map(|_| ())
        }
        _ => Verified::<ControlObject>::control(bytes, company, Trust::Nothing).map(|_| ()),
    }
}

/// The word for the result of [`verify`]: `ok`, or the sort of refusal.
#[must_use]
pub fn verdict(bytes: &[u8]) -> &'static str {
    match verify(bytes) {
        Ok(()) => "ok",
        // The node's counters have the same words.
        Err(VerifyError::Malformed(ObjectError::Unsupported(_) | ObjectError::Version(_))) => {
            "unsupported"
        }
        Err(VerifyError::Malformed(_)) => "malformed",
        Err(VerifyError::BadSignature) => "bad_signature",
        Err(VerifyError::WrongCompany) => "wrong_company",
    }
}

/// Each file with what belongs in it.
#[must_use]
pub fn files() -> Vec<(&'static str, String)> {
    fn json<T: Serialize>(vectors: &[T]) -> String {
        let lines: Vec<String> =
            vectors.iter().filter_map(|v| serde_json::to_string_pretty(v).ok()).collect();
        format!("[\n{}\n]\n", lines.join(",\n"))
    }
    vec![
        ("control.json", json(&control())),
        ("envelope.json", json(&envelope())),
        ("frames.json", json(&frames())),
        ("hashes.json", json(&hashes())),
        ("names.json", json(&names())),
        ("typed_names.json", json(&typed_names())),
        ("signatures.json", json(&signatures())),
        ("bad.json", json(&bad())),
    ]
}
