//! What a user can ask of the engine, and what comes back.

use crate::id::{DeviceId, ObjectId};
use crate::object::{HistoryPolicy, UnitKind};
use crate::view::{AgentRef, MessageView, RoomView, UnitView};

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
    /// Post a text.
    Send {
        /// The room.
        room: String,
        /// The text.
        text: String,
    },
    /// Everything that is now in the room has been read.
    MarkRead {
        /// The room.
        room: String,
    },
}

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
    /// A membership began or ended.
    Member {
        /// Whose.
        agent: AgentRef,
        /// In which unit, by full name.
        unit: String,
        /// The object that says so.
        object: ObjectId,
    },
    /// A room was made or its permissions changed.
    Room(RoomView),
    /// A message is durable here.
    Message(MessageView),
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
