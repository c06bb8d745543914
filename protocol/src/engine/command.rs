//! What a user can ask of the engine, and what comes back.

use std::fmt;

use crate::id::{DeviceId, ObjectId};
use crate::keys::DeviceKeys;
use crate::object::{Capabilities, HistoryPolicy, UnitKind};
use crate::time::Timestamp;
use crate::view::{AgentRef, InstantView, MessageView, Preview, RoomView, UnitView};

/// A change that the user of this node asks for. Names are as typed; ids stand wherever
/// names do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Make a Department, Group or Role.
    NewUnit {
        /// Which kind.
        kind: UnitKind,
        /// Its name.
        name: String,
        /// For a Group, its Department (`Support` or `department:Support` or an id).
        department: Option<String>,
    },
    /// Let a waiting device in.
    Approve {
        /// The name it asked for, or its device id.
        name: String,
        /// The safety code that its screen shows.
        code: String,
        /// Units it becomes a member of.
        units: Vec<String>,
    },
    /// Let a waiting device in as another one of the agent whose name it asks for, without that a
    /// device of the agent confirms it: everybody is warned of it.
    ApproveDevice {
        /// The name it asked for, or its device id.
        name: String,
        /// The safety code that its screen shows.
        code: String,
    },
    /// Confirm a device that asks to become another one of this agent.
    AddDevice {
        /// The safety code that its screen shows.
        code: String,
    },
    /// Revoke a device of this agent, or, for admins, of any.
    RemoveDevice {
        /// The device, by id or the beginning of it.
        device: String,
        /// Of what was written with it, only what is kept stays.
        strict: bool,
        /// The last messages that stand, for `strict`: what this device has of it if none is
        /// named, and nothing if it says `none`.
        keep: Vec<String>,
    },
    /// Say no to a waiting device.
    Refuse {
        /// The name it asked for, or its device id.
        name: String,
        /// The safety code, to tell several of one name apart.
        code: Option<String>,
    },
    /// Put an agent into a unit.
    AddMember {
        /// Who.
        agent: String,
        /// Where, such as `group:Support/Front Line`.
        unit: String,
    },
    /// Take an agent out of a unit; a Department's Groups are included.
    RemoveMember {
        /// Who.
        agent: String,
        /// Where from.
        unit: String,
    },
    /// Take an agent out of units and put it into others, at once.
    MoveMember {
        /// Who.
        agent: String,
        /// Where from; a Department's Groups are included.
        from: Vec<String>,
        /// Where to.
        to: Vec<String>,
    },
    /// Make a room.
    NewRoom {
        /// Its name.
        name: String,
        /// Whom it is open to; at least one.
        permits: Vec<String>,
        /// What newcomers may read.
        history: HistoryPolicy,
    },
    /// Open a room to one more principal.
    Permit {
        /// The room.
        room: String,
        /// The principal.
        unit: String,
    },
    /// Take a permission away.
    Unpermit {
        /// The room.
        room: String,
        /// The principal.
        unit: String,
    },
    /// Make an agent's devices admins.
    GrantAdmin {
        /// Who.
        agent: String,
        /// One device only; all live ones if none is named.
        device: Option<String>,
        /// 1 is the most senior.
        rank: u32,
        /// What they may do.
        may: Capabilities,
        /// The Department they are limited to.
        scope: Option<String>,
        /// The root key, which rank 1 needs.
        root: Option<Signer>,
    },
    /// End an agent's authority as an admin, or our own.
    RevokeAdmin {
        /// Whose.
        agent: String,
        /// That of one device only.
        device: Option<String>,
        /// The last control object of the device that still counts; all known ones if none.
        last_good: Option<String>,
        /// The root key, which rank 1 needs.
        root: Option<Signer>,
    },
    /// Dismiss an agent, or revoke one of its devices.
    RevokeAgent {
        /// Who.
        agent: String,
        /// One device only.
        device: Option<String>,
        /// Of what was written, only what is kept stays.
        strict: bool,
        /// The last messages that stand, by id; for `strict`.
        keep: Vec<String>,
        /// The last control object that still counts, should it be an admin.
        last_good: Option<String>,
        /// The root key, which a revocation of an admin of rank 1 needs.
        root: Option<Signer>,
    },
    /// Give a unit another name.
    RenameUnit {
        /// The unit.
        unit: String,
        /// Its new name, without that of its Department.
        name: String,
    },
    /// Delete a unit; a Department with its Groups.
    DeleteUnit {
        /// The unit.
        unit: String,
    },
    /// Give a room another name.
    RenameRoom {
        /// The room.
        room: String,
        /// Its new name.
        name: String,
    },
    /// Say what a room is about.
    SetTopic {
        /// The room.
        room: String,
        /// The topic; empty to say nothing.
        topic: String,
    },
    /// Put a room out of use, or into use again.
    SetRoomActive {
        /// The room.
        room: String,
        /// Which.
        active: bool,
    },
    /// Delete a room.
    DeleteRoom {
        /// The room.
        room: String,
    },
    /// Stand behind a void object, or let a revoked agent, device, unit or room return.
    Ratify {
        /// The object's id, or the name of an agent, unit (`department:…`) or room (`room:…`).
        target: String,
        /// The root key, should the object need it.
        root: Option<Signer>,
    },
    /// Replace the root key by the one that the recovery phrase yields.
    Recover {
        /// The new root key.
        key: Signer,
        /// Hash of the recovery key after it.
        next: ObjectId,
        /// The last object of the old root that still counts; all known ones if none.
        last_good: Option<String>,
    },
    /// Write to agents, 1 to 31 besides oneself, without a room that an admin has made. Nobody hears
    /// of it before the first message.
    OpenInstant {
        /// To whom.
        agents: Vec<String>,
    },
    /// Post a text.
    Send {
        /// The room.
        room: String,
        /// The text.
        text: String,
    },
    /// What is now in the room has been read.
    MarkRead {
        /// The room.
        room: String,
        /// Only what stands at or before this message on the screen; everything if none.
        up_to: Option<String>,
    },
    /// Change settings of this node; what is not given stays.
    ChangeSettings {
        /// See [`super::Settings::presence`].
        presence: Option<bool>,
        /// See [`super::Settings::notifications`].
        notifications: Option<bool>,
    },
    /// Keep a text that is not sent yet, in place of the one before; an empty one ends it.
    SetDraft {
        /// The room.
        room: String,
        /// The text.
        text: String,
    },
}

/// A secret key that signs in the place of this device's: the root key.
#[derive(Clone)]
pub struct Signer(Box<DeviceKeys>);

impl Signer {
    /// Signs with these keys.
    #[must_use]
    pub fn new(keys: DeviceKeys) -> Self {
        Self(Box::new(keys))
    }

    /// The keys.
    #[must_use]
    pub fn keys(&self) -> &DeviceKeys {
        &self.0
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Signer").field(&self.0.device()).finish()
    }
}

impl PartialEq for Signer {
    fn eq(&self, other: &Self) -> bool {
        self.0.device() == other.0.device()
    }
}

impl Eq for Signer {}

/// What a command led to. It is given out only once it is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A unit was made.
    Unit(UnitView),
    /// A device was let in.
    Approved {
        /// Its agent.
        agent: AgentRef,
        /// The device.
        device: DeviceId,
        /// Full names of the units it was put into.
        units: Vec<String>,
    },
    /// A device of this agent was confirmed.
    Device {
        /// The agent.
        agent: AgentRef,
        /// The device.
        device: DeviceId,
        /// Whether it is let in already; else an admin has to do it, until then.
        waits_until: Option<Timestamp>,
        /// How many connected devices that may do it have been told.
        admins: usize,
    },
    /// A device was refused.
    Refused {
        /// The name it asked for.
        name: String,
        /// The device.
        device: DeviceId,
    },
    /// A membership began or ended.
    Member {
        /// Whose.
        agent: AgentRef,
        /// In which unit, by full name.
        unit: String,
        /// The object that says so.
        object: ObjectId,
        /// What it changed, if it ended.
        preview: Preview,
    },
    /// A room was made or changed, and what was lost by that.
    Room(RoomView, Preview),
    /// A conversation with agents is open.
    Instant(InstantView),
    /// A message is durable here.
    Message(MessageView),
    /// Control objects were signed.
    Signed {
        /// What they are about, by full name.
        subject: String,
        /// The objects.
        objects: Vec<ObjectId>,
        /// What they changed.
        preview: Preview,
    },
    /// Done; there is nothing to show.
    Done,
}

/// Why a command failed; decides exit code and HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// The input is not valid.
    Usage,
    /// This device is not a member of a company yet.
    NotMember,
    /// The room is not open to this agent.
    NoAccess,
    /// This device has no grant that allows it.
    NotAdmin,
    /// The safety code does not match.
    WrongCode,
    /// No such room, unit, agent, request or message.
    NotFound,
    /// The name or state is taken.
    Conflict,
    /// It could not be done now.
    Failed,
}

impl FailureKind {
    /// The word in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::NotMember => "not_member",
            Self::NoAccess => "no_access",
            Self::NotAdmin => "not_admin",
            Self::WrongCode => "wrong_code",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::Failed => "failed",
        }
    }
}

/// A command that changed nothing, with what went wrong and what to do next.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What sort of failure.
    pub kind: FailureKind,
    /// One line: what is wrong.
    pub message: String,
    /// One line: what to do next.
    pub hint: String,
}

impl Failure {
    /// A failure of `kind`.
    #[must_use]
    pub fn new(kind: FailureKind, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: hint.into() }
    }
}
