//! Envelopes: the messages of a room's log and what surrounds them.

use minicbor::decode::{Decoder, Error as DecodeError};
use minicbor::encode::{Encoder, Error as EncodeError, Write};
use minicbor::{Decode, Encode};

use crate::codec::{self, CodecError};
use crate::crypt::{CIPHERTEXT_OVERHEAD, CONTENT_NONCE_BYTES, ContentKey, EpochKey};
use crate::epoch::{EpochKeys, EpochStart};
use crate::id::{CompanyId, DeviceId, MessageId, ObjectId, RoomId};
use crate::instant::InstantAgents;
use crate::limits::{ENTER_GRANTS_MAX, HEIGHT_MAX, OBJECT_BYTES_MAX, PARENTS_MAX, TEXT_BYTES_MAX};
use crate::time::Timestamp;

/// The version of the envelope in this document. Version 0, with its content in plain, was
/// provisional and is refused.
pub const ENVELOPE_VERSION: u8 = 1;

/// What an envelope is. Reserved: 1 edit, 2 retract, 3 reaction, 4 reply, 5 file reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnvelopeKind {
    /// A text; shown in the conversation.
    Text,
    /// Names the objects that let the author in.
    Enter,
    /// Acknowledges its ancestors, says nothing of its own.
    Seal,
    /// Begins an epoch, see [`crate::epoch::EpochStart`].
    EpochStart,
    /// Hands the key of an epoch to devices, see [`crate::epoch::EpochKeys`].
    EpochKeys,
}

impl EnvelopeKind {
    /// Whether it is shown in the conversation.
    #[must_use]
    pub fn is_content(self) -> bool {
        self == Self::Text
    }

    /// The number on the wire.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Text => 0,
            Self::Enter => 16,
            Self::Seal => 17,
            Self::EpochStart => 18,
            Self::EpochKeys => 19,
        }
    }

    /// The kind of a number, if this version knows it.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Text),
            16 => Some(Self::Enter),
            17 => Some(Self::Seal),
            18 => Some(Self::EpochStart),
            19 => Some(Self::EpochKeys),
            _ => None,
        }
    }
}

impl<C> Encode<C> for EnvelopeKind {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
        e.u8(self.number())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for EnvelopeKind {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
        Self::from_number(d.u8()?).ok_or(DecodeError::message("unknown kind of envelope"))
    }
}

/// Why bytes are no envelope that this version accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Not canonical CBOR of the right shape.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// Another version than this one.
    #[error("version {0} is not known here")]
    Version(u8),
    /// Fields that contradict each other or a bound.
    #[error("{0}")]
    Shape(&'static str),
}

/// One signed entry of a room's log.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Envelope {
    /// [`ENVELOPE_VERSION`].
    #[n(0)]
    pub version: u8,
    /// The company.
    #[n(1)]
    pub company: CompanyId,
    /// The room.
    #[n(2)]
    pub room: RoomId,
    /// The device that signs.
    #[n(3)]
    pub device: DeviceId,
    /// Position in the device's chain in this room, from 1.
    #[n(4)]
    pub seq: u64,
    /// The device's envelope before this one; none at `seq` 1.
    #[n(5)]
    pub prev: Option<MessageId>,
    /// Heads of the log that the author saw, ascending; at most 8.
    #[n(6)]
    pub parents: Vec<MessageId>,
    /// 1 + the largest height of the parents; 1 without parents.
    #[n(7)]
    pub height: u64,
    /// What it is.
    #[n(8)]
    pub kind: EnvelopeKind,
    /// The author's `Enter`; none in an `Enter`.
    #[n(9)]
    pub standing: Option<MessageId>,
    /// The `EpochStart` under whose key the content is encrypted; none for what has no content.
    #[n(10)]
    pub epoch: Option<MessageId>,
    /// See [`crate::crypt::ContentKey::seal`]; empty for what has no content.
    #[n(11)]
    #[cbor(with = "minicbor::bytes")]
    pub nonce: Vec<u8>,
    /// Text: its UTF-8 bytes, encrypted. Enter: an encoded [`EnterBody`]. Seal: nothing. Epoch
    /// start and epoch keys: encoded, see [`crate::epoch`].
    #[n(12)]
    #[cbor(with = "minicbor::bytes")]
    pub body: Vec<u8>,
    /// What the author's clock said, in ms since 1970; for people only.
    #[n(13)]
    pub claimed_time: Timestamp,
}

/// What an `Enter` lists: what leads from the device to the room. The number of fields tells the
/// two apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnterBody {
    /// One chain of grants that leads to a room with permissions.
    Permitted {
        /// The `DeviceCert` of the author's device.
        device_cert: ObjectId,
        /// `MemberGrant`s, ascending; empty if the permit names the agent or `role:Agent`.
        member_grants: Vec<ObjectId>,
        /// The `Permit`.
        permit: ObjectId,
    },
    /// The agents of an instant room, whose hash is the room's id.
    Instant {
        /// The `DeviceCert` of the author's device.
        device_cert: ObjectId,
        /// The agents.
        agents: InstantAgents,
    },
}

impl EnterBody {
    /// The certificate of the author's device.
    #[must_use]
    pub fn device_cert(&self) -> ObjectId {
        match self {
            Self::Permitted { device_cert, .. } | Self::Instant { device_cert, .. } => *device_cert,
        }
    }

    /// All objects that have to be here to judge it. Of the agents of an instant room only the
    /// author's matters, and its certificate stands below the device's.
    pub fn references(&self) -> impl Iterator<Item = ObjectId> + '_ {
        let (permit, grants) = match self {
            Self::Permitted { member_grants, permit, .. } => {
                (Some(*permit), member_grants.as_slice())
            }
            Self::Instant { .. } => (None, [].as_slice()),
        };
        [self.device_cert()].into_iter().chain(permit).chain(grants.iter().copied())
    }
}

impl<C> Encode<C> for EnterBody {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, c: &mut C) -> Result<(), EncodeError<W::Error>> {
        match self {
            Self::Permitted { device_cert, member_grants, permit } => {
                e.array(3)?;
                device_cert.encode(e, c)?;
                member_grants.encode(e, c)?;
                permit.encode(e, c)
            }
            Self::Instant { device_cert, agents } => {
                e.array(2)?;
                device_cert.encode(e, c)?;
                agents.encode(e, c)
            }
        }
    }
}

impl<'b, C> Decode<'b, C> for EnterBody {
    fn decode(d: &mut Decoder<'b>, c: &mut C) -> Result<Self, DecodeError> {
        match d.array()? {
            Some(3) => Ok(Self::Permitted {
                device_cert: ObjectId::decode(d, c)?,
                member_grants: Vec::decode(d, c)?,
                permit: ObjectId::decode(d, c)?,
            }),
            Some(2) => Ok(Self::Instant {
                device_cert: ObjectId::decode(d, c)?,
                agents: InstantAgents::decode(d, c)?,
            }),
            _ => Err(DecodeError::message("an Enter lists two or three things")),
        }
    }
}

/// Whether a text may be posted: not empty, within the bound, no control characters but
/// line feed and tab.
///
/// # Errors
/// Says which rule it breaks.
pub fn check_text(text: &str) -> Result<(), EnvelopeError> {
    if text.trim().is_empty() {
        return Err(EnvelopeError::Shape("the text is empty"));
    }
    if text.len() > TEXT_BYTES_MAX {
        return Err(EnvelopeError::Shape("the text is longer than 16 KiB"));
    }
    if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
        return Err(EnvelopeError::Shape("the text holds control characters"));
    }
    Ok(())
}

impl Envelope {
    /// The canonical body.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Decodes and checks an envelope on its own, without its surroundings.
    ///
    /// # Errors
    /// [`EnvelopeError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        codec::check_version(bytes, 1, ENVELOPE_VERSION).map_err(EnvelopeError::Version)?;
        let envelope: Self = codec::decode(bytes, OBJECT_BYTES_MAX)?;
        if envelope.version != ENVELOPE_VERSION {
            return Err(EnvelopeError::Version(envelope.version));
        }
        envelope.check()?;
        Ok(envelope)
    }

    fn check(&self) -> Result<(), EnvelopeError> {
        let shape = |ok: bool, why| if ok { Ok(()) } else { Err(EnvelopeError::Shape(why)) };
        shape(
            (self.seq == 1 && self.prev.is_none()) || (self.seq > 1 && self.prev.is_some()),
            "sequence number and predecessor do not fit",
        )?;
        shape(self.parents.len() <= PARENTS_MAX, "too many parents")?;
        shape(self.parents.windows(2).all(|p| p[0] < p[1]), "parents are not sorted")?;
        shape((1..=HEIGHT_MAX).contains(&self.height), "no such height")?;
        shape(self.parents.is_empty() == (self.height == 1), "height and parents do not fit")?;
        if self.kind.is_content() {
            shape(self.epoch.is_some(), "content without an epoch")?;
            shape(self.nonce.len() == CONTENT_NONCE_BYTES, "no such nonce")?;
            let bytes = CIPHERTEXT_OVERHEAD + 1..=CIPHERTEXT_OVERHEAD + TEXT_BYTES_MAX;
            shape(bytes.contains(&self.body.len()), "no such length of a text")?;
        } else {
            shape(self.epoch.is_none() && self.nonce.is_empty(), "an epoch without content")?;
        }
        shape((self.kind == EnvelopeKind::Enter) == self.standing.is_none(), "no standing")?;
        match self.kind {
            // What it says is between those who have the key: whether it is a text decides nothing.
            EnvelopeKind::Text => Ok(()),
            EnvelopeKind::Enter => self.enter_body().map(|_| ()),
            EnvelopeKind::Seal => shape(self.body.is_empty(), "a seal has no body"),
            EnvelopeKind::EpochStart => EpochStart::decode(&self.body).map(|_| ()),
            EnvelopeKind::EpochKeys => EpochKeys::decode(&self.body).map(|_| ()),
        }
    }

    /// The canonical bytes of all fields but nonce and body: what the key of the content depends
    /// on, and its associated data.
    #[must_use]
    pub fn content_fields(&self) -> Vec<u8> {
        let bare =
            Self { nonce: Vec::new(), body: Vec::new(), parents: self.parents.clone(), ..*self };
        bare.encode()
    }

    /// Encrypts a text into this envelope, which names the epoch already and is otherwise complete.
    pub fn seal_text(&mut self, key: &EpochKey, text: &str) {
        let fields = self.content_fields();
        let sealed = ContentKey::of(key, &fields).seal(&fields, text.as_bytes());
        self.nonce = sealed.nonce.to_vec();
        self.body = sealed.body;
    }

    /// The text of a content envelope, if the key opens it and it is a text that may be posted.
    #[must_use]
    pub fn text(&self, key: &EpochKey) -> Option<String> {
        let fields = self.content_fields();
        self.opened(&ContentKey::of(key, &fields), &fields)
    }

    /// As [`Envelope::text`], with the key of this one message.
    #[must_use]
    pub fn text_with(&self, key: &ContentKey) -> Option<String> {
        self.opened(key, &self.content_fields())
    }

    fn opened(&self, key: &ContentKey, fields: &[u8]) -> Option<String> {
        if !self.kind.is_content() {
            return None;
        }
        let content = key.open(fields, &self.nonce, &self.body)?;
        let text = std::str::from_utf8(&content).ok()?;
        check_text(text).is_ok().then(|| text.to_owned())
    }

    /// The epoch that an `EpochStart` begins.
    #[must_use]
    pub fn epoch_start(&self) -> Option<EpochStart> {
        let is_start = self.kind == EnvelopeKind::EpochStart;
        EpochStart::decode(&self.body).ok().filter(|_| is_start)
    }

    /// What an `EpochKeys` hands out.
    #[must_use]
    pub fn epoch_keys(&self) -> Option<EpochKeys> {
        let is_keys = self.kind == EnvelopeKind::EpochKeys;
        EpochKeys::decode(&self.body).ok().filter(|_| is_keys)
    }

    /// What an `Enter` lists.
    ///
    /// # Errors
    /// [`EnvelopeError`] if it is no `Enter` or its list is malformed.
    pub fn enter_body(&self) -> Result<EnterBody, EnvelopeError> {
        if self.kind != EnvelopeKind::Enter {
            return Err(EnvelopeError::Shape("not an Enter"));
        }
        let body: EnterBody = codec::decode(&self.body, OBJECT_BYTES_MAX)?;
        match &body {
            EnterBody::Permitted { member_grants: grants, .. }
                if grants.len() > ENTER_GRANTS_MAX || grants.windows(2).any(|p| p[0] >= p[1]) =>
            {
                Err(EnvelopeError::Shape("the grants are too many or not sorted"))
            }
            EnterBody::Instant { agents, .. } if agents.room(self.company) != self.room => {
                Err(EnvelopeError::Shape("the room is not that of the agents"))
            }
            _ => Ok(body),
        }
    }
}
