//! The shapes of JSON on the local API and the command line.
//!
//! Ids are lower-case hexadecimal, times RFC 3339 in UTC, names of fields `snake_case`.

mod authority;
mod instants;

use std::collections::BTreeMap;

use conclave_protocol::id::{AgentId, CompanyId, DeviceId, MessageId, ObjectId, RoomId, UnitId};
use serde::{Deserialize, Serialize};

pub use self::authority::{
    Admin, Admins, Applied, Change, ChangeRequest, Changed, DryRun, Effects, LogEntry, LogPage,
    MissingDevice, Recovered, RecoveryRequest, RoomEffects, Why, WhyAccess, WhyLink,
};
pub use self::instants::{Instant, InstantAgent, Instants};
use super::time::Time;

/// Something with an id and a display name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named<I> {
    /// Its id.
    pub id: I,
    /// Its name; text from others, to be shown as data.
    pub name: String,
}

/// A message as shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// Its room.
    pub room: Named<RoomId>,
    /// Who wrote it.
    pub author: Named<AgentId>,
    /// On which device.
    pub device: DeviceId,
    /// With the id, its place in the order that all nodes show.
    pub height: u64,
    /// What the author's clock said.
    pub time: Time,
    /// The text.
    pub text: String,
    /// `pending`, `accepted`, `vouched` or `void`.
    pub state: String,
    /// There, and true, while something before it is still on its way here.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub incomplete: bool,
}

/// A backup that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backup {
    /// Where it is.
    pub file: std::path::PathBuf,
    /// How large it is.
    pub bytes: u64,
}

/// A page of messages, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// The messages.
    pub messages: Vec<Message>,
    /// Whether older ones exist.
    pub more: bool,
}

/// A Department, Group or Role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    /// Its id.
    pub id: UnitId,
    /// Its full name, such as `group:Support/Front Line`.
    pub unit: String,
}

/// Units of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Units {
    /// The units.
    pub units: Vec<Unit>,
}

/// An agent with its units and devices.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
    /// Its id.
    pub id: AgentId,
    /// Its name.
    pub name: String,
    /// Full names of the units it belongs to directly.
    pub units: Vec<String>,
    /// Its certified devices.
    pub devices: Vec<DeviceId>,
    /// Whether it may act.
    pub active: bool,
}

/// All agents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agents {
    /// The agents.
    pub agents: Vec<Agent>,
}

/// A device that asks to be let in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinRequest {
    /// The name it asks for.
    pub name: String,
    /// Its key.
    pub device: DeviceId,
    /// The safety code to compare with the newcomer's screen.
    pub code: String,
    /// When the request lapses.
    pub expires: Time,
    /// Whether an agent of that name exists already.
    pub name_taken: bool,
}

/// Devices that ask to be let in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinRequests {
    /// The requests.
    pub requests: Vec<JoinRequest>,
}

/// A device was let in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approved {
    /// Its agent.
    pub agent: Named<AgentId>,
    /// The device.
    pub device: DeviceId,
    /// Full names of the units it was put into.
    pub units: Vec<String>,
}

/// A membership began or ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Whose.
    pub agent: Named<AgentId>,
    /// In which unit.
    pub unit: String,
    /// The signed object that says so.
    pub object: ObjectId,
}

/// A room with its permissions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Room {
    /// Its id.
    pub id: RoomId,
    /// Its name.
    pub name: String,
    /// `full` or `from-join`.
    pub history: String,
    /// Whether it is in use.
    pub active: bool,
    /// Full names of the principals it is open to.
    pub permissions: Vec<String>,
}

/// A line of the room list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomLine {
    /// Its id.
    pub id: RoomId,
    /// Its name.
    pub name: String,
    /// Messages of others that this user has not read.
    pub unread: u64,
    /// Whether it is in use.
    pub active: bool,
    /// Whether this agent may read and write in it.
    pub access: bool,
}

/// The room list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rooms {
    /// The rooms.
    pub rooms: Vec<RoomLine>,
}

/// One agent With Access.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessLine {
    /// Its id.
    pub id: AgentId,
    /// Its name.
    pub name: String,
    /// The permissions that let it in.
    pub via: Vec<String>,
    /// Whether its node is in the room now, as far as this node sees.
    pub present: bool,
}

/// With Access.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// The room.
    pub room: Named<RoomId>,
    /// Everyone who may read and write in it.
    pub agents: Vec<AccessLine>,
}

/// Participants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Participants {
    /// The room.
    pub room: Named<RoomId>,
    /// Who is in it now.
    pub agents: Vec<Named<AgentId>>,
}

/// This device's own request to join.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Join {
    /// `waiting`, `admitted`, `refused` or `expired`.
    pub state: String,
    /// The name asked for.
    pub agent: String,
    /// The company that answered.
    pub company: Option<Named<CompanyId>>,
    /// The safety code, once known.
    pub code: Option<String>,
}

/// A connected peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// Its libp2p identity.
    pub peer_id: String,
    /// Its device key.
    pub device: DeviceId,
    /// Its agent, if the control log knows it.
    pub agent: Option<Named<AgentId>>,
    /// The address of one connection.
    pub addr: String,
}

/// The control log in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlSummary {
    /// Equal on nodes that agree.
    pub digest: ObjectId,
    /// How many objects it holds.
    pub objects: u64,
}

/// A room in the status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomStatus {
    /// Its id.
    pub id: RoomId,
    /// Its name.
    pub name: String,
    /// Accepted messages held.
    pub messages: u64,
    /// Equal on nodes that agree.
    pub digest: ObjectId,
    /// `complete`, or how far reconciliation is.
    pub sync: String,
    /// `room`, or `instant` for instant messages.
    pub kind: String,
}

/// Something an admin should look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarm {
    /// A stable word.
    pub kind: String,
    /// What is the matter and what to do.
    pub message: String,
    /// The control objects that it is about.
    pub objects: Vec<ObjectId>,
}

/// The state of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The company; null until this device is a member.
    pub company: Option<Named<CompanyId>>,
    /// This device's agent; null until it is a member.
    pub agent: Option<Named<AgentId>>,
    /// This device.
    pub device: DeviceId,
    /// Its libp2p identity.
    pub peer_id: String,
    /// Whether the control log certifies this device.
    pub member: bool,
    /// This device's own request to join.
    pub join: Option<Join>,
    /// Listen addresses, each with its `/p2p/…` part.
    pub listen: Vec<String>,
    /// Connected peers.
    pub peers: Vec<Peer>,
    /// The control log.
    pub control: ControlSummary,
    /// On how many devices it is known to be applied as it is here.
    pub applied: Applied,
    /// Rooms this agent may access.
    pub rooms: Vec<RoomStatus>,
    /// How often each reason led to a refusal since the node started.
    pub verdicts: BTreeMap<String, u64>,
    /// What needs attention.
    pub alarms: Vec<Alarm>,
    /// What keeps this node from its work for now, in words; left out if nothing does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub troubles: Vec<String>,
}

/// One object of the control log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlEntry {
    /// Its id.
    pub id: ObjectId,
    /// Its type's name.
    pub kind: String,
    /// Its height.
    pub height: u64,
    /// The device that signed it.
    pub author: DeviceId,
    /// The signed bytes, in hexadecimal.
    pub bytes: String,
}

/// The control log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlLog {
    /// Its objects.
    pub objects: Vec<ControlEntry>,
}

/// What went wrong and what to do next: the body of every error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    /// A stable word: `usage`, `not_running`, `not_member`, `no_access`, `not_admin`,
    /// `wrong_code`, `refused`, `not_found`, `conflict`, `failed`, or, from the API alone,
    /// `forbidden`, `unauthorized`.
    pub kind: String,
    /// One line: what is wrong.
    pub message: String,
    /// One line: what to do next.
    pub hint: String,
}

/// The envelope of [`Problem`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorDocument {
    /// The error.
    pub error: Problem,
}
