//! The frames of the request-response protocol, as canonical CBOR.

use minicbor::{Decode, Encode};

use crate::codec::{self, CodecError};
use crate::crypt::SealedKey;
use crate::id::{AgentId, CompanyId, DeviceId, MessageId, ObjectId, RoomId};
use crate::instant::InstantAgents;
use crate::limits::{
    ADDRESS_RECORDS_FRAME_MAX, ADDRESSES_MAX, BEACONS_FRAME_MAX, EPOCH_KEYS_ASKED_MAX,
    FRAME_BYTES_MAX, IDS_FRAME_MAX, INSTANTS_TOLD_PER_PEER_MAX, INTRODUCTION_OBJECTS_MAX,
    NAME_CHARS_MAX, RANGE_PARTS, SAFETY_CODE_BYTES, SUMMARY_ROOMS_MAX,
};
use crate::object::SignatureBytes;

/// Why a frame is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Not canonical CBOR of a known frame.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// A list or text is longer than its bound.
    #[error("a list or text in the frame is too long")]
    TooLong,
}

/// A set that is reconciled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum Scope {
    /// The control log.
    #[n(0)]
    Control,
    /// The log of one room.
    #[n(1)]
    Room(#[n(0)] RoomId),
    /// The messages of one room whose authors have access and whose parents are not here.
    #[n(2)]
    Waiting(#[n(0)] RoomId),
}

/// A place in the order (height, id). A range holds its lower bound and not its upper one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(array)]
pub struct Bound {
    /// Height.
    #[n(0)]
    pub height: u64,
    /// Id.
    #[n(1)]
    pub id: ObjectId,
}

impl Bound {
    /// Below everything.
    pub const MIN: Self = Self { height: 0, id: ObjectId([0; 32]) };
    /// Above everything.
    pub const MAX: Self = Self { height: u64::MAX, id: ObjectId([255; 32]) };
}

/// A part of a range: from the end of the part before it up to `upper`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Part {
    /// Its upper bound.
    #[n(0)]
    pub upper: Bound,
    /// How many items it holds.
    #[n(1)]
    pub count: u64,
    /// See [`super::Items::fingerprint`].
    #[n(2)]
    pub fingerprint: ObjectId,
}

/// The whole of one room in one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct RoomSummary {
    /// Which room.
    #[n(0)]
    pub room: RoomId,
    /// How many items.
    #[n(1)]
    pub count: u64,
    /// Fingerprint of all of them.
    #[n(2)]
    pub fingerprint: ObjectId,
}

/// The whole of one instant room in one line.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct InstantSummary {
    /// Its agents.
    #[n(0)]
    pub agents: InstantAgents,
    /// What waits there, if anything does. Not the last, which would be left out if there is none.
    #[n(1)]
    pub waiting: Option<RoomSummary>,
    /// How much is held of it.
    #[n(2)]
    pub summary: RoomSummary,
}

/// Signed bytes inside a frame.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct Blob(
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub Vec<u8>,
);

/// A beacon and how long ago it came. A second hand must not make it younger.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct AgedBeacon {
    /// Signed bytes.
    #[n(0)]
    pub bytes: Blob,
    /// In ms.
    #[n(1)]
    pub age: u64,
}

/// A device that one of its agent's devices has confirmed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct NewDevice {
    /// The agent.
    #[n(0)]
    pub agent: AgentId,
    /// The new device.
    #[n(1)]
    pub device: DeviceId,
    /// Its X25519 key.
    #[n(2)]
    pub sealing: ObjectId,
    /// Its signature over [`crate::keys::device_statement`].
    #[n(3)]
    pub proof: SignatureBytes,
    /// That of the device which confirmed it, over the same.
    #[n(4)]
    pub countersignature: SignatureBytes,
    /// The safety code that both of them show.
    #[n(5)]
    pub code: String,
}

/// What a peer may ask.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Request {
    /// Fingerprints of the control log and of the rooms that both sides may read.
    #[n(0)]
    Summary,
    /// Fingerprints of the parts of a range.
    #[n(1)]
    Ranges {
        /// Of which set.
        #[n(0)]
        scope: Scope,
        /// From here.
        #[n(1)]
        lower: Bound,
        /// To before here.
        #[n(2)]
        upper: Bound,
    },
    /// The items of a range, lowest first, as many as fit.
    #[n(2)]
    List {
        /// Of which set.
        #[n(0)]
        scope: Scope,
        /// From here.
        #[n(1)]
        lower: Bound,
        /// To before here.
        #[n(2)]
        upper: Bound,
    },
    /// Objects by id, as many as fit, in the order asked.
    #[n(3)]
    Get {
        /// Of which set.
        #[n(0)]
        scope: Scope,
        /// Which.
        #[n(1)]
        ids: Vec<ObjectId>,
    },
    /// Objects that the sender thinks the other side lacks.
    #[n(4)]
    Push {
        /// Of which set.
        #[n(0)]
        scope: Scope,
        /// Signed bytes.
        #[n(1)]
        objects: Vec<Blob>,
    },
    /// Signed address records.
    #[n(5)]
    Addresses {
        /// Signed bytes.
        #[n(0)]
        records: Vec<Blob>,
    },
    /// Messages of the receiver that the sender holds durably.
    #[n(6)]
    Held {
        /// In which room.
        #[n(0)]
        room: RoomId,
        /// Which.
        #[n(1)]
        ids: Vec<ObjectId>,
    },
    /// A newcomer introduces itself and commits to its nonce.
    #[n(7)]
    JoinHello {
        /// The name it asks for.
        #[n(0)]
        name: String,
        /// Its X25519 key.
        #[n(1)]
        sealing: ObjectId,
        /// See [`crate::join::commitment`].
        #[n(2)]
        commitment: ObjectId,
        /// It is another device of the agent of that name, all of whose other devices are lost.
        #[n(3)]
        lost: bool,
    },
    /// The newcomer opens its commitment.
    #[n(8)]
    JoinReveal {
        /// Its nonce.
        #[n(0)]
        nonce: ObjectId,
    },
    /// The newcomer asks how its request stands.
    #[n(9)]
    JoinPoll,
    /// The admin asks the newcomer to show that it wants to be a device of this agent.
    #[n(10)]
    JoinSign {
        /// The company.
        #[n(0)]
        company: CompanyId,
        /// The agent's certificate.
        #[n(1)]
        agent: AgentId,
    },
    /// Signed state reports.
    #[n(11)]
    Reports {
        /// Signed bytes.
        #[n(0)]
        records: Vec<Blob>,
    },
    /// A device that the receiver's log does not certify shows its certificate and the
    /// authorities above it, the lowest first, without `Genesis`.
    #[n(12)]
    Introduce {
        /// Signed bytes.
        #[n(0)]
        objects: Vec<Blob>,
    },
    /// The newest items of a set, at most [`crate::limits::NEWEST_PAGE_MAX`].
    #[n(13)]
    Newest {
        /// Of which set.
        #[n(0)]
        scope: Scope,
    },
    /// The accepted messages of a room that nothing accepted follows; for admins of rooms, who
    /// need not have access.
    #[n(14)]
    Heads {
        /// Of which room.
        #[n(0)]
        room: RoomId,
    },
    /// Signed beacons: who is there, and the newest word of who is not.
    #[n(15)]
    Presence {
        /// In any order.
        #[n(0)]
        beacons: Vec<AgedBeacon>,
    },
    /// Which instant rooms both sides are in.
    #[n(16)]
    Instants {
        /// Only those whose id is not below this.
        #[n(0)]
        from: RoomId,
    },
    /// The sender holds an instant room that both sides are in.
    #[n(17)]
    Instant {
        /// Its agents.
        #[n(0)]
        agents: InstantAgents,
        /// Signed bytes of messages that the sender thinks the other side lacks.
        #[n(1)]
        objects: Vec<Blob>,
    },
    /// Keys of a room's epochs that the sender may have and lacks.
    #[n(18)]
    EpochKeys {
        /// Which room.
        #[n(0)]
        room: RoomId,
        /// Their `EpochStart`s; at most [`crate::limits::EPOCH_KEYS_ASKED_MAX`].
        #[n(1)]
        epochs: Vec<MessageId>,
    },
    /// A device of the sender's agent that the sender has confirmed; the receiver may certify it.
    #[n(19)]
    Confirmed {
        /// Which.
        #[n(0)]
        device: Box<NewDevice>,
    },
}

/// How a request to join stands with the peer that was asked.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum JoinAnswer {
    /// The admin has not decided.
    #[n(0)]
    Waiting,
    /// The control log certifies the device.
    #[n(1)]
    Admitted,
    /// The admin refused.
    #[n(2)]
    Refused,
    /// No such request is open, or it has lapsed.
    #[n(3)]
    Unknown,
    /// Too many requests are open, or too many frames came.
    #[n(4)]
    Busy,
}

/// What a peer answers.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Response {
    /// The peer may not have this, or the frame was not understood.
    #[n(0)]
    Refused,
    /// To [`Request::Summary`].
    #[n(1)]
    Summary {
        /// Count and fingerprint of the control log.
        #[n(0)]
        control: RoomSummary,
        /// The rooms that both sides may read.
        #[n(1)]
        rooms: Vec<RoomSummary>,
        /// Of these, those in which messages wait for their parents, with what waits.
        #[n(2)]
        waiting: Vec<RoomSummary>,
    },
    /// To [`Request::Ranges`].
    #[n(2)]
    Parts {
        /// In ascending order; the last one's upper bound is that of the range.
        #[n(0)]
        parts: Vec<Part>,
    },
    /// To [`Request::List`], [`Request::Newest`] and [`Request::Heads`].
    #[n(3)]
    Ids {
        /// In ascending order.
        #[n(0)]
        ids: Vec<Bound>,
        /// Whether the range holds more.
        #[n(1)]
        more: bool,
    },
    /// To [`Request::Get`].
    #[n(4)]
    Objects {
        /// Signed bytes, a prefix of what was asked without what is not held.
        #[n(0)]
        objects: Vec<Blob>,
        /// How many of the ids asked for have been dealt with.
        #[n(1)]
        done: u64,
    },
    /// Received.
    #[n(5)]
    Ack,
    /// To [`Request::JoinHello`], from an admin's device.
    #[n(6)]
    JoinOffer {
        /// The company.
        #[n(0)]
        company: CompanyId,
        /// Its name.
        #[n(1)]
        name: String,
        /// The admin's nonce.
        #[n(2)]
        nonce: ObjectId,
    },
    /// To [`Request::JoinHello`], from a member who cannot approve.
    #[n(7)]
    JoinReferral {
        /// The company.
        #[n(0)]
        company: CompanyId,
        /// Its name.
        #[n(1)]
        name: String,
        /// Devices that can approve, with their addresses.
        #[n(2)]
        admins: Vec<Referred>,
    },
    /// To [`Request::JoinReveal`], [`Request::JoinPoll`] and [`Request::Confirmed`].
    #[n(8)]
    Join {
        /// How the request stands.
        #[n(0)]
        answer: JoinAnswer,
    },
    /// To [`Request::JoinSign`].
    #[n(9)]
    JoinProof {
        /// Over [`crate::keys::device_statement`].
        #[n(0)]
        signature: SignatureBytes,
    },
    /// To [`Request::Instants`].
    #[n(10)]
    Instants {
        /// The id with which the next ones begin. Not the last, which would be left out if there
        /// is none.
        #[n(0)]
        next: Option<RoomId>,
        /// By id, ascending; at most [`crate::limits::INSTANTS_TOLD_PER_PEER_MAX`].
        #[n(1)]
        rooms: Vec<InstantSummary>,
    },
    /// To [`Request::EpochKeys`].
    #[n(11)]
    EpochKeys {
        /// Those that the asker may have and that are here.
        #[n(0)]
        keys: Vec<GivenKey>,
    },
    /// To [`Request::JoinHello`], from an admin's device: the name is that of an agent, whose
    /// devices confirm another one.
    #[n(12)]
    JoinTaken {
        /// The company.
        #[n(0)]
        company: CompanyId,
        /// Its name.
        #[n(1)]
        name: String,
    },
}

/// The key of an epoch for whoever asked for it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct GivenKey {
    /// The signed bytes of its `EpochStart`, which says what the key has to be.
    #[n(0)]
    pub start: Blob,
    /// See [`crate::crypt::SealingContext`].
    #[n(1)]
    pub sealed: SealedKey,
}

/// An admin's device and where it listens.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Referred {
    /// The device.
    #[n(0)]
    pub device: DeviceId,
    /// Multiaddrs without `/p2p`.
    #[n(1)]
    pub addresses: Vec<String>,
}

impl Request {
    /// The bytes of the frame.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Decodes a frame and checks its bounds.
    ///
    /// # Errors
    /// [`FrameError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, FrameError> {
        let request: Self = codec::decode(bytes, FRAME_BYTES_MAX)?;
        let fits = match &request {
            Self::Get { ids, .. } | Self::Held { ids, .. } => ids.len() <= IDS_FRAME_MAX,
            Self::Push { objects, .. } | Self::Instant { objects, .. } => {
                objects.len() <= IDS_FRAME_MAX
            }
            Self::Addresses { records } | Self::Reports { records } => {
                records.len() <= ADDRESS_RECORDS_FRAME_MAX
            }
            Self::Presence { beacons } => beacons.len() <= BEACONS_FRAME_MAX,
            Self::EpochKeys { epochs, .. } => epochs.len() <= EPOCH_KEYS_ASKED_MAX,
            Self::Introduce { objects } => objects.len() <= INTRODUCTION_OBJECTS_MAX,
            Self::JoinHello { name, .. } => name.chars().count() <= NAME_CHARS_MAX,
            Self::Confirmed { device } => device.code.len() <= SAFETY_CODE_BYTES,
            _ => true,
        };
        if fits { Ok(request) } else { Err(FrameError::TooLong) }
    }

    /// Whether a peer that the control log does not know may ask this.
    #[must_use]
    pub fn is_join(&self) -> bool {
        matches!(
            self,
            Self::JoinHello { .. }
                | Self::JoinReveal { .. }
                | Self::JoinPoll
                | Self::JoinSign { .. }
        )
    }
}

impl Response {
    /// The bytes of the frame.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Decodes a frame and checks its bounds.
    ///
    /// # Errors
    /// [`FrameError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, FrameError> {
        let response: Self = codec::decode(bytes, FRAME_BYTES_MAX)?;
        let fits = match &response {
            Self::Summary { rooms, waiting, .. } => {
                rooms.len() <= SUMMARY_ROOMS_MAX && waiting.len() <= SUMMARY_ROOMS_MAX
            }
            Self::Instants { rooms, .. } => rooms.len() <= INSTANTS_TOLD_PER_PEER_MAX,
            Self::EpochKeys { keys } => keys.len() <= EPOCH_KEYS_ASKED_MAX,
            Self::Parts { parts } => parts.len() <= RANGE_PARTS,
            Self::Objects { objects, .. } => objects.len() <= IDS_FRAME_MAX,
            Self::Ids { ids, .. } => ids.len() <= IDS_FRAME_MAX,
            Self::JoinReferral { admins, .. } => {
                admins.len() <= ADDRESSES_MAX
                    && admins.iter().all(|a| a.addresses.len() <= ADDRESSES_MAX)
            }
            _ => true,
        };
        if fits { Ok(response) } else { Err(FrameError::TooLong) }
    }
}
