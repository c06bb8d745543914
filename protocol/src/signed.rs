//! Signed bytes: from what arrived to what is verified.
//!
//! On the wire and on disk an object is `[type, body, signature]`. Its id is
//! `BLAKE3-derive-key("conclave v1 <type name>", body)`; the signature covers
//! `"conclave v1 sig" ‖ type name ‖ company ‖ id`, with zeros for the company in `Genesis`.
//! What is hashed and verified are the bytes that arrived, never an encoding of our own.

mod checked;

use ed25519_dalek::{Signature, VerifyingKey};
use minicbor::{Decode, Encode};

use crate::address::AddressRecord;
use crate::codec::{self, CodecError};
use crate::envelope::{Envelope, EnvelopeError};
use crate::id::{CompanyId, DeviceId, ObjectId};
use crate::keys::{DeviceKeys, device_statement};
use crate::limits::OBJECT_BYTES_MAX;
use crate::object::{ControlObject, Genesis, ObjectError, ObjectType, Payload, SignatureBytes};
use crate::presence::PresenceBeacon;
use crate::report::StateReport;

pub use self::checked::{Checked, Checker, claimed_author};

/// Most bytes that `[type, body, signature]` takes round a body of the largest size.
pub const SIGNED_BYTES_MAX: usize = OBJECT_BYTES_MAX + 80;

/// Why bytes are refused before anything else is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// Not canonical, of no known type, or breaking a rule of its own.
    #[error("malformed: {0}")]
    Malformed(#[from] ObjectError),
    /// The signature does not fit the key in the body.
    #[error("the signature does not fit")]
    BadSignature,
    /// An object of another company.
    #[error("belongs to another company")]
    WrongCompany,
}

impl From<CodecError> for VerifyError {
    fn from(error: CodecError) -> Self {
        Self::Malformed(error.into())
    }
}

impl From<EnvelopeError> for VerifyError {
    fn from(error: EnvelopeError) -> Self {
        match error {
            EnvelopeError::Codec(codec) => codec.into(),
            EnvelopeError::Version(version) => Self::Malformed(ObjectError::Version(version)),
            EnvelopeError::Shape(_) => Self::Malformed(ObjectError::Chain),
        }
    }
}

/// The three parts as they arrived, not verified.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
struct Parts<'a> {
    #[n(0)]
    number: u8,
    #[b(1)]
    #[cbor(with = "minicbor::bytes")]
    body: &'a [u8],
    #[n(2)]
    signature: SignatureBytes,
}

/// An object whose id and signature have been checked, with the bytes that arrived.
///
/// Only this module makes one, so that holding it is the proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified<T> {
    id: ObjectId,
    value: T,
    bytes: Vec<u8>,
}

impl<T> Verified<T> {
    /// The object's id.
    #[must_use]
    pub fn id(&self) -> ObjectId {
        self.id
    }

    /// What it says.
    #[must_use]
    pub fn value(&self) -> &T {
        &self.value
    }

    /// The signed bytes, for the store and for peers.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// The hash that names a body of a type.
#[must_use]
pub fn object_id(object_type: ObjectType, body: &[u8]) -> ObjectId {
    let context = match object_type {
        ObjectType::Genesis => "conclave v1 genesis",
        ObjectType::AdminGrant => "conclave v1 admin-grant",
        ObjectType::UnitCreate => "conclave v1 unit-create",
        ObjectType::AgentCert => "conclave v1 agent-cert",
        ObjectType::DeviceCert => "conclave v1 device-cert",
        ObjectType::MemberGrant => "conclave v1 member-grant",
        ObjectType::RoomCreate => "conclave v1 room-create",
        ObjectType::Permit => "conclave v1 permit",
        ObjectType::Revoke => "conclave v1 revoke",
        ObjectType::RootRotate => "conclave v1 root-rotate",
        ObjectType::RoomCut => "conclave v1 room-cut",
        ObjectType::Ratify => "conclave v1 ratify",
        ObjectType::SetField => "conclave v1 set-field",
        ObjectType::Envelope => "conclave v1 envelope",
        ObjectType::AddressRecord => "conclave v1 address-record",
        ObjectType::StateReport => "conclave v1 state-report",
        ObjectType::Presence => "conclave v1 presence",
    };
    ObjectId(blake3::derive_key(context, body))
}

/// What a signature covers.
#[must_use]
pub fn signed_statement(object_type: ObjectType, company: CompanyId, id: ObjectId) -> Vec<u8> {
    let mut statement = Vec::with_capacity(128);
    statement.extend_from_slice(b"conclave v1 sig");
    statement.extend_from_slice(object_type.name().as_bytes());
    statement.extend_from_slice(&company.0);
    statement.extend_from_slice(&id.0);
    statement
}

/// The id of signed bytes without checking the signature; `None` if they are no object.
#[must_use]
pub fn peek_id(bytes: &[u8]) -> Option<ObjectId> {
    let (object_type, parts) = split(bytes).ok()?;
    Some(object_id(object_type, parts.body))
}

/// The type of signed bytes without checking anything else.
#[must_use]
pub fn peek_type(bytes: &[u8]) -> Option<ObjectType> {
    split(bytes).ok().map(|(object_type, _)| object_type)
}

fn split(bytes: &[u8]) -> Result<(ObjectType, Parts<'_>), VerifyError> {
    let parts: Parts<'_> = codec::decode(bytes, SIGNED_BYTES_MAX)?;
    let object_type = ObjectType::from_number(parts.number)
        .ok_or(VerifyError::Malformed(ObjectError::Unsupported("this type of object")))?;
    Ok((object_type, parts))
}

/// Checks a signature the strict way, alone: batch verification accepts another set.
pub(crate) fn signature_fits(key: DeviceId, statement: &[u8], signature: &SignatureBytes) -> bool {
    let Ok(key) = VerifyingKey::from_bytes(&key.0) else {
        return false;
    };
    key.verify_strict(statement, &Signature::from_bytes(&signature.0)).is_ok()
}

/// How far bytes are to be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// They came from a peer: check everything.
    Nothing,
    /// They were verified before we stored them, under this id: check the hash only.
    StoredAs(ObjectId),
}

fn verify<T>(
    bytes: &[u8],
    trust: Trust,
    read: impl FnOnce(ObjectType, &[u8]) -> Result<(T, CompanyId, DeviceId), VerifyError>,
) -> Result<Verified<T>, VerifyError> {
    let (object_type, parts) = split(bytes)?;
    let (value, company, author) = read(object_type, parts.body)?;
    let id = object_id(object_type, parts.body);
    let fits = match trust {
        Trust::Nothing => {
            let statement = signed_statement(object_type, company, id);
            signature_fits(author, &statement, &parts.signature)
        }
        Trust::StoredAs(expected) => id == expected,
    };
    if !fits {
        return Err(VerifyError::BadSignature);
    }
    Ok(Verified { id, value, bytes: bytes.to_vec() })
}

/// The company that an object names, if it is the one that is expected.
fn of_company(expected: Option<CompanyId>, named: CompanyId) -> Result<CompanyId, VerifyError> {
    match expected {
        Some(expected) if expected != named => Err(VerifyError::WrongCompany),
        _ => Ok(named),
    }
}

impl Verified<Genesis> {
    /// Verifies a `Genesis`.
    ///
    /// # Errors
    /// [`VerifyError`].
    pub fn genesis(bytes: &[u8], trust: Trust) -> Result<Self, VerifyError> {
        verify(bytes, trust, |object_type, body| {
            if object_type != ObjectType::Genesis {
                return Err(CodecError::Malformed.into());
            }
            let genesis = Genesis::decode(body)?;
            let root = genesis.root;
            Ok((genesis, CompanyId::default(), root))
        })
    }
}

impl Verified<ControlObject> {
    /// Verifies a control object of `company`, a `DeviceCert`'s proof included.
    ///
    /// # Errors
    /// [`VerifyError`].
    pub fn control(bytes: &[u8], company: CompanyId, trust: Trust) -> Result<Self, VerifyError> {
        Self::control_of(bytes, Some(company), trust)
    }

    /// As [`Verified::control`], of any company if none is given.
    fn control_of(
        bytes: &[u8],
        company: Option<CompanyId>,
        trust: Trust,
    ) -> Result<Self, VerifyError> {
        verify(bytes, trust, |object_type, body| {
            let object = ControlObject::decode(object_type, body)?;
            let company = of_company(company, object.header.company)?;
            if let (Payload::DeviceCert(cert), Trust::Nothing) = (&object.payload, trust) {
                let statement = device_statement(company, cert.agent, cert.device, cert.sealing);
                let confirmed = cert
                    .countersignature
                    .as_ref()
                    .is_none_or(|c| signature_fits(c.device, &statement, &c.signature));
                if !signature_fits(cert.device, &statement, &cert.proof) || !confirmed {
                    return Err(VerifyError::BadSignature);
                }
            }
            let author = object.header.author;
            Ok((object, company, author))
        })
    }
}

impl Verified<Envelope> {
    /// Verifies a message of `company`.
    ///
    /// # Errors
    /// [`VerifyError`].
    pub fn envelope(bytes: &[u8], company: CompanyId, trust: Trust) -> Result<Self, VerifyError> {
        verify(bytes, trust, |object_type, body| {
            if object_type != ObjectType::Envelope {
                return Err(CodecError::Malformed.into());
            }
            let envelope = Envelope::decode(body)?;
            of_company(Some(company), envelope.company)?;
            let author = envelope.device;
            Ok((envelope, company, author))
        })
    }
}

impl Verified<AddressRecord> {
    /// Verifies an address record of `company`.
    ///
    /// # Errors
    /// [`VerifyError`].
    pub fn address(bytes: &[u8], company: CompanyId) -> Result<Self, VerifyError> {
        verify(bytes, Trust::Nothing, |object_type, body| {
            if object_type != ObjectType::AddressRecord {
                return Err(CodecError::Malformed.into());
            }
            let record = AddressRecord::decode(body)?;
            if record.company != company {
                return Err(VerifyError::WrongCompany);
            }
            let device = record.device;
            Ok((record, company, device))
        })
    }
}

impl Verified<StateReport> {
    /// Verifies a state report of `company`.
    ///
    /// # Errors
    /// [`VerifyError`].
    pub fn report(bytes: &[u8], company: CompanyId) -> Result<Self, VerifyError> {
        verify(bytes, Trust::Nothing, |object_type, body| {
            if object_type != ObjectType::StateReport {
                return Err(CodecError::Malformed.into());
            }
            let report = StateReport::decode(body)?;
            if report.company != company {
                return Err(VerifyError::WrongCompany);
            }
            let device = report.device;
            Ok((report, company, device))
        })
    }
}

impl Verified<PresenceBeacon> {
    /// Verifies a beacon of `company`.
    ///
    /// # Errors
    /// [`VerifyError`].
    pub fn presence(bytes: &[u8], company: CompanyId) -> Result<Self, VerifyError> {
        verify(bytes, Trust::Nothing, |object_type, body| {
            let beacon = beacon_in(object_type, body)?;
            of_company(Some(company), beacon.company)?;
            let device = beacon.device;
            Ok((beacon, company, device))
        })
    }
}

/// What a beacon says, its signature not checked: one that is not news is not worth a check.
///
/// # Errors
/// [`VerifyError`].
pub fn peek_presence(bytes: &[u8]) -> Result<PresenceBeacon, VerifyError> {
    let (object_type, parts) = split(bytes)?;
    beacon_in(object_type, parts.body)
}

fn beacon_in(object_type: ObjectType, body: &[u8]) -> Result<PresenceBeacon, VerifyError> {
    if object_type != ObjectType::Presence {
        return Err(CodecError::Malformed.into());
    }
    Ok(PresenceBeacon::decode(body)?)
}

/// Signs a body and gives the bytes for the wire with their id.
#[must_use]
pub fn sign(
    keys: &DeviceKeys,
    object_type: ObjectType,
    company: CompanyId,
    body: &[u8],
) -> (ObjectId, Vec<u8>) {
    let id = object_id(object_type, body);
    let signature = SignatureBytes(keys.sign(&signed_statement(object_type, company, id)));
    (id, codec::encode(&Parts { number: object_type.number(), body, signature }))
}
