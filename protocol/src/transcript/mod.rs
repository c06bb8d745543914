//! Transcripts: a room with all that is needed to judge it, for readers who have no node.
//!
//! A transcript holds the company's control log as far as it counts, and every shared envelope of
//! the room. Beside an envelope stands the key of its content, which opens that message and no
//! other, if the exporter could read it. The exporter's device signs a fingerprint of it all. Who
//! checks one ([`Check`]) evaluates both logs anew, with the code that nodes use; what is printed for
//! people is compared with that, never believed.
//!
//! All of the control log, because every object names the one that its author signed before: what
//! is needed for one message refers to nearly everything, and a revocation that is left out would
//! not be missed otherwise.

mod build;
mod check;
mod words;

use minicbor::{Decode, Encode};

pub use build::Build;
pub use check::{AuthorReport, Check, EnterReport, Fault, GrantReport, Notes, Report};
pub use words::{HeadWords, Words};

use crate::codec;
use crate::crypt::ContentKey;
use crate::id::{CompanyId, DeviceId, ObjectId, RoomId};
use crate::instant::InstantAgents;
use crate::time::Timestamp;

/// The version of transcripts in this document.
pub const TRANSCRIPT_VERSION: u8 = 1;

/// What a transcript is of; hashed as canonical CBOR.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Head {
    /// The company.
    #[n(0)]
    pub company: CompanyId,
    /// The room.
    #[n(1)]
    pub room: RoomId,
    /// The device that exports.
    #[n(2)]
    pub device: DeviceId,
    /// What its clock said, in ms since 1970.
    #[n(3)]
    pub time: Timestamp,
    /// See [`crate::control::ControlLog::digest`].
    #[n(4)]
    pub control_digest: ObjectId,
    /// How many control objects follow.
    #[n(5)]
    pub objects: u64,
    /// How many envelopes follow.
    #[n(6)]
    pub entries: u64,
    /// The agents of an instant room.
    #[n(7)]
    pub agents: Option<InstantAgents>,
}

/// How a message with content stands, by the included control log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stands {
    /// Accepted; its author's device may write in the room.
    Accepted,
    /// Accepted although its author's device may not any more.
    Vouched,
    /// Not accepted; it is there because accepted messages refer to it.
    Void,
}

impl Stands {
    /// The word in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Vouched => "vouched",
            Self::Void => "void",
        }
    }

    /// What a word means.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Accepted, Self::Vouched, Self::Void].into_iter().find(|state| state.word() == word)
    }

    pub(crate) fn of(accepted: bool, live: bool) -> Self {
        match (accepted, live) {
            (false, _) => Self::Void,
            (true, true) => Self::Accepted,
            (true, false) => Self::Vouched,
        }
    }

    fn number(stands: Option<Self>) -> u8 {
        match stands {
            None => 0,
            Some(Self::Accepted) => 1,
            Some(Self::Vouched) => 2,
            Some(Self::Void) => 3,
        }
    }
}

/// One envelope of the room.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The signed bytes.
    pub bytes: Vec<u8>,
    /// The key of its content.
    pub key: Option<ContentKey>,
    /// How it stood at the exporter; none for what has no content.
    pub stands: Option<Stands>,
}

/// Hashes what a transcript holds, in order: BLAKE3 under the context `conclave v1 transcript
/// content` over the head; for each control object a one byte, its length (4 bytes, big-endian) and
/// its signed bytes; for each envelope a two byte, length and signed bytes, how it stands (0 for
/// what has no content, 1 accepted, 2 vouched, 3 void), and a one byte with the key of its content
/// or a zero byte.
#[derive(Clone, Debug)]
pub struct Fingerprint(blake3::Hasher);

impl Fingerprint {
    /// Of a transcript with this head.
    #[must_use]
    pub fn new(head: &Head) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("conclave v1 transcript content");
        hasher.update(&codec::encode(head));
        Self(hasher)
    }

    fn bytes(&mut self, kind: u8, bytes: &[u8]) {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.0.update(&[kind]).update(&length.to_be_bytes()).update(bytes);
    }

    /// The next control object.
    pub fn object(&mut self, bytes: &[u8]) {
        self.bytes(1, bytes);
    }

    /// The next envelope.
    pub fn entry(&mut self, entry: &Entry) {
        self.bytes(2, &entry.bytes);
        self.0.update(&[Stands::number(entry.stands), u8::from(entry.key.is_some())]);
        if let Some(key) = &entry.key {
            self.0.update(key.bytes());
        }
    }

    /// The hash.
    #[must_use]
    pub fn finish(&self) -> ObjectId {
        ObjectId(self.0.finalize().into())
    }
}

/// What the exporter signs: `"conclave v1 transcript" ‖ company ‖ room ‖ device ‖ fingerprint`.
#[must_use]
pub fn seal_statement(head: &Head, fingerprint: ObjectId) -> Vec<u8> {
    let mut statement = b"conclave v1 transcript".to_vec();
    for part in [&head.company.0, &head.room.0, &head.device.0, &fingerprint.0] {
        statement.extend_from_slice(part);
    }
    statement
}
