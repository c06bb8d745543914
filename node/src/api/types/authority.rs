//! The shapes of what admins see and change: admins, previews, the audit trail, explanations.

use conclave_protocol::id::{AgentId, DeviceId, ObjectId, RoomId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Named, Room, Unit};
use crate::api::describe::Id;
use crate::api::time::Time;

/// An admin, by one grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Admin {
    /// The grant.
    pub grant: ObjectId,
    /// Who.
    pub agent: Named<AgentId>,
    /// With which device.
    pub device: DeviceId,
    /// 1 is the most senior.
    pub rank: u32,
    /// `units`, `agents`, `rooms`, `admins`.
    pub may: Vec<String>,
    /// The Department it is limited to, such as `department:Support`.
    pub scope: Option<String>,
    /// Whether the grant stands and nothing has ended it.
    pub in_force: bool,
    /// The revocations that ended it.
    pub ended_by: Vec<ObjectId>,
}

/// All admins, those in force first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Admins {
    /// The admins.
    pub admins: Vec<Admin>,
}

/// A change of the control log whose effect on people can be looked at before it is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// Make an agent's devices admins.
    GrantAdmin {
        /// Who.
        agent: String,
        /// One device only.
        #[serde(default)]
        device: Option<String>,
        /// 1 is the most senior.
        rank: u32,
        /// `units`, `agents`, `rooms`, `admins`; by default all, with a scope the first and third.
        #[serde(default)]
        may: Option<Vec<String>>,
        /// The Department that it is limited to.
        #[serde(default)]
        scope: Option<String>,
    },
    /// End an agent's authority as an admin.
    RevokeAdmin {
        /// Whose.
        agent: String,
        /// That of one device only.
        #[serde(default)]
        device: Option<String>,
        /// The last control object that still counts.
        #[serde(default)]
        last_good: Option<String>,
    },
    /// Dismiss an agent, or revoke one device.
    RevokeAgent {
        /// Who.
        agent: String,
        /// One device only.
        #[serde(default)]
        device: Option<String>,
        /// Of what was written, only what is kept stays.
        #[serde(default)]
        strict: bool,
        /// The last messages that stand, by id; for `strict`.
        #[serde(default)]
        keep: Vec<String>,
        /// The last control object that still counts.
        #[serde(default)]
        last_good: Option<String>,
    },
    /// Revoke a device of this agent, or, for admins, of any.
    RemoveDevice {
        /// The device, by id or at least its first 8 digits.
        device: String,
        /// Of what was written with it, only what is kept stays.
        #[serde(default)]
        strict: bool,
        /// The last messages that stand, by id, for `strict`: what this node has of it if none
        /// is named, and nothing if it says `none`.
        #[serde(default)]
        keep: Vec<String>,
    },
    /// Take an agent out of a unit.
    RemoveMember {
        /// Who.
        agent: String,
        /// Where from.
        unit: String,
    },
    /// Give a unit another name.
    RenameUnit {
        /// The unit.
        unit: String,
        /// Its new name.
        name: String,
    },
    /// Delete a unit.
    DeleteUnit {
        /// The unit.
        unit: String,
    },
    /// Take a permission away.
    Unpermit {
        /// The room.
        room: String,
        /// The principal.
        unit: String,
    },
    /// Give a room another name.
    RenameRoom {
        /// The room.
        room: String,
        /// Its new name.
        name: String,
    },
    /// Put an agent into a unit.
    AddMember {
        /// Who.
        agent: String,
        /// Where.
        unit: String,
    },
    /// Take an agent out of units and put it into others, all or nothing.
    MoveMember {
        /// Who.
        agent: String,
        /// Where from; a Department's Groups are included.
        from: Vec<String>,
        /// Where to.
        to: Vec<String>,
    },
    /// Open a room to a principal.
    Permit {
        /// The room.
        room: String,
        /// The principal.
        unit: String,
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
    /// Stand behind a void object, or let something revoked return.
    Ratify {
        /// An id, or the name of an agent, unit or room.
        target: String,
    },
}

/// A change, and the root key if it needs that. Not `Debug`, although the key is sealed.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct ChangeRequest {
    /// The change.
    #[serde(flatten)]
    pub change: Change,
    /// The seed of the root key, sealed for this node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
}

/// Replacing the root key. Not `Debug`, although the phrase is sealed.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct RecoveryRequest {
    /// What the recovery phrase stands for, sealed for this node.
    pub phrase: String,
    /// The last object of the old root key that still counts.
    #[serde(default)]
    pub last_good: Option<String>,
    /// Only say what it would change.
    #[serde(default)]
    pub dry_run: bool,
}

/// What a change means for people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Effects {
    /// Rooms in which something changes.
    pub rooms: Vec<RoomEffects>,
    /// Agents who can act no longer.
    pub dismissed: Vec<Named<AgentId>>,
    /// Agents who can act again.
    pub returned: Vec<Named<AgentId>>,
    /// Admin grants that end.
    pub admins_ended: Vec<Admin>,
    /// Control objects that count no longer.
    pub voided: Vec<ObjectId>,
    /// Control objects that count again.
    pub restored: Vec<ObjectId>,
    /// What the change cannot do, and what should be done about it.
    pub warnings: Vec<String>,
    /// Part of it has no effect, because it is aimed at an equal.
    #[serde(default)]
    pub powerless: bool,
    /// If it is about one agent's memberships: rooms that the agent may read before and after.
    #[serde(default)]
    pub kept: Vec<Named<RoomId>>,
}

/// What a change means for those in one room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RoomEffects {
    /// The room.
    pub room: Named<RoomId>,
    /// Agents who lose access.
    pub lose: Vec<Named<AgentId>>,
    /// Agents who get access.
    pub gain: Vec<Named<AgentId>>,
    /// Messages that will be shown no longer; null if this device does not read the room.
    pub messages_lost: Option<u64>,
    /// Nobody has access afterwards.
    pub nobody_left: bool,
}

/// What a change would mean; nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DryRun {
    /// Always true.
    pub dry_run: bool,
    /// What the change is about, by full name.
    pub subject: String,
    /// What it would mean.
    #[serde(flatten)]
    pub effects: Effects,
}

/// What was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Changed {
    /// What it was about, by full name.
    pub subject: String,
    /// The signed objects, where they are told.
    pub objects: Vec<ObjectId>,
    /// What it meant.
    pub effects: Effects,
    /// The agent it was about.
    pub agent: Option<Named<AgentId>>,
    /// The unit it was about: as it is now, or as it was if it is deleted.
    pub unit: Option<Unit>,
    /// The room it was about: as it is now, or as it was if it is deleted.
    pub room: Option<Room>,
}

/// The root key was replaced, or with `dry_run` would be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Recovered {
    /// Whether nothing was changed.
    pub dry_run: bool,
    /// Which recovery from the phrase this is; the first is 1.
    pub index: u32,
    /// The root key before.
    pub old_root: DeviceId,
    /// The root key now.
    pub new_root: DeviceId,
    /// The signed objects.
    pub objects: Vec<ObjectId>,
    /// What it meant.
    pub effects: Effects,
}

/// On how many devices this node's state of the control log is known to be applied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Applied {
    /// All certified devices.
    pub devices: u64,
    /// Those known to have this node's state, itself among them.
    pub applied: u64,
    /// The others.
    pub missing: Vec<MissingDevice>,
}

/// A device that is not known to have this node's state of the control log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MissingDevice {
    /// Whose.
    pub agent: Named<AgentId>,
    /// The device.
    pub device: DeviceId,
    /// When it last reported its state, by its own clock.
    pub last_seen: Option<Time>,
}

/// An object of the control log as a line of the audit trail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogEntry {
    /// Its id.
    pub id: ObjectId,
    /// Its type's name.
    pub kind: String,
    /// Its height.
    pub height: u64,
    /// Its place in the chain of its author.
    pub seq: u64,
    /// The key that signed it.
    pub author: DeviceId,
    /// Whose device that is or was; null for the root key.
    pub agent: Option<Named<AgentId>>,
    /// The grant, or root, under which it was signed; null for the first.
    pub authority: Option<ObjectId>,
    /// The rank of the most senior authority behind it; null if it is void.
    pub rank: Option<u32>,
    /// `counts` or `void`.
    pub state: String,
    /// What it says.
    pub text: String,
    /// If it is void: the revocations whose cut leaves it out.
    pub cut_by: Vec<ObjectId>,
    /// A `ratify` of this would make it count again.
    pub ratify: Option<ObjectId>,
    /// When this node took it in, by its own clock: for what was signed here, when it was signed.
    /// Null if that was before such times were kept.
    #[serde(default)]
    pub heard: Option<Time>,
}

/// A part of the audit trail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogPage {
    /// The objects, in the order in which this node took them in.
    pub objects: Vec<LogEntry>,
    /// The number from which to go on: of the first object behind them; with `newest_first` those
    /// below it follow.
    pub next: u64,
    /// Whether there is something to go on to. A page may hold less than was asked for although
    /// there is.
    #[serde(default)]
    pub more: bool,
    /// How many objects the whole log holds.
    #[serde(default)]
    pub total: u64,
    /// How many objects of the whole log fit the filter; null if the log is too long to count.
    #[serde(default)]
    pub matching: Option<u64>,
}

/// What the audit trail is narrowed down to; all that is named has to fit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogFilter {
    /// The name of an object's type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Who signed it, by name or id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// `counts` or `void`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Words in what it says or in the name of who signed it, or the beginning of its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// From the newest to the oldest.
    #[serde(default)]
    pub newest_first: bool,
}

/// Why something counts or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Why {
    /// The object or message.
    pub id: ObjectId,
    /// Its type's name; null while it waits for what it refers to.
    pub kind: Option<String>,
    /// `counts`, `void` or `parked`; of a message also `pending`, `accepted`, `vouched`.
    pub state: String,
    /// In a sentence.
    pub summary: String,
    /// From the object to the root.
    pub chain: Vec<WhyLink>,
    /// The link nearest to the root that fails.
    pub failing: Option<ObjectId>,
    /// The revocations whose cut leaves it out.
    pub cut_by: Vec<ObjectId>,
    /// The revocations that ended it.
    pub ended_by: Vec<ObjectId>,
    /// What it waits for.
    pub missing: Vec<ObjectId>,
    /// A `ratify` of this would make it count, or return.
    pub ratify: Option<ObjectId>,
}

/// One step on the way to the root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WhyLink {
    /// The object.
    pub id: ObjectId,
    /// Its type's name.
    pub kind: String,
    /// Who signed it, in words.
    pub author: String,
    /// Whether it counts.
    pub holds: bool,
    /// What it says, and why it holds or fails.
    pub text: String,
    /// When this node took it in; null if that was before such times were kept.
    #[serde(default)]
    pub heard: Option<Time>,
}

/// Why an agent has access to a room, or has not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WhyAccess {
    /// The room.
    pub room: Named<RoomId>,
    /// The agent.
    pub agent: Named<AgentId>,
    /// Whether it has access.
    pub access: bool,
    /// In a sentence.
    pub summary: String,
    /// The objects that lead the agent to the room, and their authorities up to the root.
    pub chain: Vec<WhyLink>,
    /// The revocations that ended its access.
    pub ended_by: Vec<ObjectId>,
}
