//! Control objects: plain data and their canonical encoding.
//!
//! A control object is `[header, payload]`; both are CBOR arrays. Its type is not in the
//! body: it stands beside it on the wire and is bound by id and signature (see [`crate::signed`]).

mod numbers;
mod payload;

use minicbor::{Decode, Encode};

pub use payload::{ControlObject, Payload};

use crate::codec::CodecError;
use crate::id::{AgentId, CompanyId, DeviceId, ObjectId, RoomId, UnitId};
use crate::name::NameError;

/// The version of the control objects in this document.
pub const CONTROL_VERSION: u8 = 1;

/// The type of a signed object. The numbers are part of the wire format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum ObjectType {
    /// [`Genesis`].
    Genesis = 0,
    /// [`RootRotate`].
    RootRotate = 1,
    /// [`AdminGrant`].
    AdminGrant = 2,
    /// [`UnitCreate`].
    UnitCreate = 3,
    /// [`AgentCert`].
    AgentCert = 4,
    /// [`DeviceCert`].
    DeviceCert = 5,
    /// [`MemberGrant`].
    MemberGrant = 6,
    /// [`RoomCreate`].
    RoomCreate = 7,
    /// [`Permit`].
    Permit = 8,
    /// [`Revoke`].
    Revoke = 9,
    /// [`RoomCut`].
    RoomCut = 10,
    /// [`Ratify`].
    Ratify = 11,
    /// [`SetField`].
    SetField = 12,
    /// A message of a room: [`crate::envelope::Envelope`].
    Envelope = 32,
    /// Where a device listens: [`crate::address::AddressRecord`].
    AddressRecord = 48,
    /// What a device has applied: [`crate::report::StateReport`].
    StateReport = 49,
    /// That a device is there: [`crate::presence::PresenceBeacon`].
    Presence = 50,
}

impl ObjectType {
    /// All types that this version knows.
    pub const ALL: [Self; 17] = [
        Self::Genesis,
        Self::RootRotate,
        Self::AdminGrant,
        Self::UnitCreate,
        Self::AgentCert,
        Self::DeviceCert,
        Self::MemberGrant,
        Self::RoomCreate,
        Self::Permit,
        Self::Revoke,
        Self::RoomCut,
        Self::Ratify,
        Self::SetField,
        Self::Envelope,
        Self::AddressRecord,
        Self::StateReport,
        Self::Presence,
    ];

    /// The number on the wire.
    #[must_use]
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The type of a number, if this version knows it.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.number() == number)
    }

    /// The name that id and signature are bound to.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Genesis => "genesis",
            Self::RootRotate => "root-rotate",
            Self::AdminGrant => "admin-grant",
            Self::UnitCreate => "unit-create",
            Self::AgentCert => "agent-cert",
            Self::DeviceCert => "device-cert",
            Self::MemberGrant => "member-grant",
            Self::RoomCreate => "room-create",
            Self::Permit => "permit",
            Self::Revoke => "revoke",
            Self::RoomCut => "room-cut",
            Self::Ratify => "ratify",
            Self::SetField => "set-field",
            Self::Envelope => "envelope",
            Self::AddressRecord => "address-record",
            Self::StateReport => "state-report",
            Self::Presence => "presence",
        }
    }
}

/// Why bytes are not a control object that this version accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ObjectError {
    /// Not canonical CBOR of the right shape.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// A name breaks the rules.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Another version than this one.
    #[error("version {0} is not known here")]
    Version(u8),
    /// A list is longer than its bound, or not in strictly ascending order.
    #[error("a list is too long or not sorted")]
    List,
    /// `seq`, `prev` and `height` contradict each other.
    #[error("sequence number and predecessor do not fit")]
    Chain,
    /// A room's topic is too long or holds control characters.
    #[error("a topic has at most 256 characters, and no control characters")]
    Topic,
    /// Part of the format, but not supported yet by this version.
    #[error("{0} is not supported by this version")]
    Unsupported(&'static str),
}

/// What every control object but `Genesis` begins with.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Header {
    /// [`CONTROL_VERSION`].
    #[n(0)]
    pub version: u8,
    /// The company.
    #[n(1)]
    pub company: CompanyId,
    /// The key that signs: a device, or the root.
    #[n(2)]
    pub author: DeviceId,
    /// Position in the author's chain, from 1. `Genesis` is the root's first.
    #[n(3)]
    pub seq: u64,
    /// The author's object before this one; none at `seq` 1.
    #[n(4)]
    pub prev: Option<ObjectId>,
    /// The `AdminGrant`, or `Genesis`, under which the author acts.
    #[n(5)]
    pub authority: ObjectId,
    /// 1 + the largest height of all objects referred to.
    #[n(6)]
    pub height: u64,
}

/// The founding of a company. Its id is the company's id.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Genesis {
    /// [`CONTROL_VERSION`].
    #[n(0)]
    pub version: u8,
    /// The company's name.
    #[n(1)]
    pub name: String,
    /// The root key (rank 0).
    #[n(2)]
    pub root: DeviceId,
    /// Hash of the recovery public key, see [`crate::keys::recovery_hash`].
    #[n(3)]
    pub recovery: ObjectId,
    /// Random, so that two companies of one name and root differ.
    #[n(4)]
    pub salt: ObjectId,
}

/// What an admin may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Capabilities {
    /// Units and memberships.
    #[n(0)]
    pub units: bool,
    /// Agents and devices.
    #[n(1)]
    pub agents: bool,
    /// Rooms and permissions.
    #[n(2)]
    pub rooms: bool,
    /// Junior admins.
    #[n(3)]
    pub admins: bool,
}

impl Capabilities {
    /// Everything.
    pub const ALL: Self = Self { units: true, agents: true, rooms: true, admins: true };
}

/// Makes a device an admin.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct AdminGrant {
    /// Whose key.
    #[n(0)]
    pub device: DeviceId,
    /// The agent that uses it.
    #[n(1)]
    pub agent: AgentId,
    /// 1 is the most senior.
    #[n(2)]
    pub rank: u32,
    /// What it may do.
    #[n(3)]
    pub may: Capabilities,
    /// The Department it is limited to, or none for the whole company.
    #[n(4)]
    pub scope: Option<UnitId>,
    /// Revocations that this grant knows and overrides, ascending.
    #[n(5)]
    pub overrides: Vec<ObjectId>,
}

/// What a unit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum UnitKind {
    /// A Department.
    Department,
    /// A Group inside one Department.
    Group,
    /// A Role.
    Role,
}

impl UnitKind {
    /// The word before the colon in a unit's full name.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Department => "department",
            Self::Group => "group",
            Self::Role => "role",
        }
    }
}

/// Makes a Department (kind 0), Group (1) or Role (2).
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct UnitCreate {
    /// What it is.
    #[n(0)]
    pub kind: UnitKind,
    /// For a Group its Department; it never changes.
    #[n(1)]
    pub parent: Option<UnitId>,
    /// Its name.
    #[n(2)]
    pub name: String,
}

/// Makes an agent.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct AgentCert {
    /// Its display name.
    #[n(0)]
    pub name: String,
}

/// A signature, 64 bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SignatureBytes(pub [u8; 64]);

/// A live device of the same agent confirms a new one.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Countersignature {
    /// The confirming device.
    #[n(0)]
    pub device: DeviceId,
    /// Its signature over the same statement as the proof.
    #[n(1)]
    pub signature: SignatureBytes,
}

/// Ties a device to an agent.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct DeviceCert {
    /// Whose.
    #[n(0)]
    pub agent: AgentId,
    /// The Ed25519 key: signatures and network identity.
    #[n(1)]
    pub device: DeviceId,
    /// The X25519 key, to which room keys will be sealed.
    #[n(2)]
    pub sealing: ObjectId,
    /// None for the agent's first device.
    #[n(3)]
    pub countersignature: Option<Countersignature>,
    /// The new device's signature over [`crate::keys::device_statement`].
    #[n(4)]
    pub proof: SignatureBytes,
}

/// Makes an agent a member of a unit.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct MemberGrant {
    /// Who.
    #[n(0)]
    pub agent: AgentId,
    /// Of what.
    #[n(1)]
    pub unit: UnitId,
    /// Revocations that this grant knows and overrides, ascending.
    #[n(2)]
    pub overrides: Vec<ObjectId>,
}

/// What newcomers of a room may read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HistoryPolicy {
    /// Everything.
    Full,
    /// What is written after they came.
    FromJoin,
}

impl HistoryPolicy {
    /// The word in JSON and on the command line.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::FromJoin => "from-join",
        }
    }
}

/// Makes a room. History policy 0 is `full`, 1 `from-join`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct RoomCreate {
    /// Its name.
    #[n(0)]
    pub name: String,
    /// What newcomers may read.
    #[n(1)]
    pub history: HistoryPolicy,
}

/// Whom a room is open to: `[0, [unit]]` or `[1, [agent]]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum Principal {
    /// All members of a unit, now and later.
    #[n(0)]
    Unit(#[n(0)] UnitId),
    /// One agent.
    #[n(1)]
    Agent(#[n(0)] AgentId),
}

/// Opens a room to a principal.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Permit {
    /// Which room.
    #[n(0)]
    pub room: RoomId,
    /// To whom.
    #[n(1)]
    pub principal: Principal,
    /// Revocations that this permit knows and overrides, ascending.
    #[n(2)]
    pub overrides: Vec<ObjectId>,
}

/// How a revocation treats what was written before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevokeMode {
    /// What members acknowledged stays.
    Depart,
    /// Only what the revocation keeps stays.
    Strict,
}

/// The last object of a struck device that still counts: `[device, seq, id]`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct ControlCut {
    /// Whose chain.
    #[n(0)]
    pub device: DeviceId,
    /// Up to here.
    #[n(1)]
    pub seq: u64,
    /// The object there.
    #[n(2)]
    pub id: ObjectId,
}

/// History of one room that stands: `[room, message ids]`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Keep {
    /// The room.
    #[n(0)]
    pub room: RoomId,
    /// Heads of what stands, ascending.
    #[n(1)]
    pub messages: Vec<ObjectId>,
}

/// Ends a grant, or dismisses an agent, a device, a unit or a room.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Revoke {
    /// What ends.
    #[n(0)]
    pub target: ObjectId,
    /// The last objects of struck devices that still count, one a device, ascending.
    #[n(1)]
    pub control_cuts: Vec<ControlCut>,
    /// What stands of rooms' history, one entry a room, ascending.
    #[n(2)]
    pub keep: Vec<Keep>,
    /// How what was written before is treated.
    #[n(3)]
    pub mode: RevokeMode,
}

/// Puts a new root key, which is the author, in the place of the one before. Its authority is
/// the `Genesis` or `RootRotate` that committed to it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct RootRotate {
    /// Hash of the recovery key after this one, see [`crate::keys::recovery_hash`].
    #[n(0)]
    pub next: ObjectId,
    /// The last object of the old root key that still counts.
    #[n(1)]
    pub cut: ControlCut,
}

/// Limits what a revocation leaves of one room's history.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct RoomCut {
    /// The room.
    #[n(0)]
    pub room: RoomId,
    /// The revocation.
    #[n(1)]
    pub revoke: ObjectId,
    /// Heads of what stands, ascending.
    #[n(2)]
    pub keep: Vec<ObjectId>,
}

/// Stands behind an object that a cut has voided, or lets a revoked agent, device, unit or room
/// return.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Ratify {
    /// The object.
    #[n(0)]
    pub target: ObjectId,
    /// Revocations of the target that this knows and overrides, ascending.
    #[n(1)]
    pub overrides: Vec<ObjectId>,
}

/// A field and its value: `[0, [name]]`, `[1, [topic]]` or `[2, [active]]`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum FieldValue {
    /// The name of an agent, unit or room.
    #[n(0)]
    Name(#[n(0)] String),
    /// What a room is about.
    #[n(1)]
    Topic(#[n(0)] String),
    /// Whether a room is in use.
    #[n(2)]
    Active(#[n(0)] bool),
}

/// Which field a [`FieldValue`] is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// The name of an agent, unit or room.
    Name,
    /// What a room is about.
    Topic,
    /// Whether a room is in use.
    Active,
}

impl FieldValue {
    /// Which field it is for.
    #[must_use]
    pub fn field(&self) -> Field {
        match self {
            Self::Name(_) => Field::Name,
            Self::Topic(_) => Field::Topic,
            Self::Active(_) => Field::Active,
        }
    }
}

/// Changes a field of an agent, unit or room.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct SetField {
    /// The agent, unit or room.
    #[n(0)]
    pub target: ObjectId,
    /// The field and its new value.
    #[n(1)]
    pub value: FieldValue,
    /// The `SetField`s whose values this replaces, ascending.
    #[n(2)]
    pub supersedes: Vec<ObjectId>,
}
