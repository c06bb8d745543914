//! The shapes of JSON on the local API and the command line.
//!
//! Ids are lower-case hexadecimal, times RFC 3339 in UTC, names of fields `snake_case`.

mod authority;
mod devices;
mod instants;
mod names;
mod people;
mod protection;
mod settings;

use std::collections::BTreeMap;

use conclave_protocol::id::{AgentId, CompanyId, DeviceId, MessageId, ObjectId, RoomId, UnitId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use self::authority::{
    Admin, Admins, Applied, Change, ChangeRequest, Changed, DryRun, Effects, LogEntry, LogFilter,
    LogPage, MissingDevice, Recovered, RecoveryRequest, RoomEffects, Why, WhyAccess, WhyLink,
};
pub use self::devices::{Device, DeviceAdded, DeviceRequest, Devices};
pub use self::instants::{Instant, InstantAgent, Instants};
pub use self::names::{Mark, Marks};
pub use self::people::{
    AccessPreview, AgentRoom, AgentRooms, OwnAuthority, Principal, Principals, ProposedAccess,
    WouldEnter,
};
pub use self::protection::{PassphraseRemoval, Protection, SetPassphrase};
pub use self::settings::{Draft, Drafts, Present, Settings, SettingsChange};
use super::describe::Id;
use super::time::Time;

/// Something with an id and a display name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Named<I> {
    /// Its id.
    pub id: I,
    /// Its name; text from others, to be shown as data.
    pub name: String,
}

/// A message as shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
    /// There, and true, if it came when something that stands behind it had been read already.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub late: bool,
    /// `ahead` or `behind` if `time` is wildly wrong; left out normally.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<String>,
}

/// A message that became visible, as the stream of events tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NewMessage {
    /// The message.
    #[serde(flatten)]
    pub message: Message,
    /// Whether it was just written; false while history fills in, of which nobody is told.
    pub live: bool,
}

/// A backup that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Backup {
    /// Where it is.
    #[schema(value_type = String)]
    pub file: std::path::PathBuf,
    /// How large it is.
    pub bytes: u64,
}

/// A page of messages, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Page {
    /// The messages.
    pub messages: Vec<Message>,
    /// Whether older ones exist.
    pub more: bool,
    /// Whether newer ones exist.
    #[serde(default)]
    pub newer: bool,
}

/// A Department, Group or Role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Unit {
    /// Its id.
    pub id: UnitId,
    /// Its full name, such as `group:Support/Front Line`.
    pub unit: String,
}

/// Units of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Units {
    /// The units.
    pub units: Vec<Unit>,
}

/// An agent with its units and devices.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Agents {
    /// The agents.
    pub agents: Vec<Agent>,
}

/// A device that asks to be let in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JoinRequest {
    /// The name it asks for.
    pub name: String,
    /// Its key.
    pub device: DeviceId,
    /// The safety code to compare with the newcomer's screen.
    pub code: String,
    /// When the request lapses.
    pub expires: Time,
    /// Whether an agent of that name exists already, and nothing shows that it is one of its
    /// devices.
    pub name_taken: bool,
    /// The agent whose other device it would be: it bears the name.
    pub device_of: Option<Named<AgentId>>,
    /// Whether a device of that agent has confirmed it.
    pub countersigned: bool,
    /// What is odd about the name, in words; left out if nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_note: Option<String>,
}

/// Devices that ask to be let in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JoinRequests {
    /// The requests.
    pub requests: Vec<JoinRequest>,
}

/// A device was let in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Approved {
    /// Its agent.
    pub agent: Named<AgentId>,
    /// The device.
    pub device: DeviceId,
    /// Full names of the units it was put into.
    pub units: Vec<String>,
}

/// A device was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Refused {
    /// The name it asked for.
    pub name: String,
    /// The device.
    pub device: DeviceId,
}

/// A membership began or ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Member {
    /// Whose.
    pub agent: Named<AgentId>,
    /// In which unit.
    pub unit: String,
    /// The signed object that says so.
    pub object: ObjectId,
}

/// A room with its permissions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
    /// What it is about; empty if nobody said.
    #[serde(default)]
    pub topic: String,
    /// The same principals, such that a deleted unit can be told from a new one of its name.
    #[serde(default)]
    pub principals: Vec<Permitted>,
}

/// A principal that a room is open to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Permitted {
    /// Its full name, now or when it was there.
    pub principal: String,
    /// The id of the unit or agent; it stands wherever its name does.
    pub id: ObjectId,
    /// Whether the unit is deleted, or the agent dismissed: the permission lets nobody in.
    pub gone: bool,
}

/// A line of the room list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
    /// What it is about; empty if nobody said.
    #[serde(default)]
    pub topic: String,
    /// The first message of others on the screen that this user has not read.
    #[serde(default)]
    pub first_unread: Option<MessageId>,
    /// What the newest message on the screen claims of its time.
    #[serde(default)]
    pub newest: Option<Time>,
}

/// The room list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Rooms {
    /// The rooms.
    pub rooms: Vec<RoomLine>,
}

/// One agent With Access.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Access {
    /// The room.
    pub room: Named<RoomId>,
    /// Everyone who may read and write in it.
    pub agents: Vec<AccessLine>,
}

/// Participants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Participants {
    /// The room.
    pub room: Named<RoomId>,
    /// Who is in it now.
    pub agents: Vec<Named<AgentId>>,
}

/// This device's own request to join.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Join {
    /// `waiting`, `admitted`, `refused` or `expired`.
    pub state: String,
    /// The name asked for.
    pub agent: String,
    /// The company that answered.
    pub company: Option<Named<CompanyId>>,
    /// The safety code, once known.
    pub code: Option<String>,
    /// The name is that of an agent, and none of its devices has answered yet.
    #[serde(default)]
    pub name_taken: bool,
}

/// A connected peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ControlSummary {
    /// Equal on nodes that agree.
    pub digest: ObjectId,
    /// How many objects it holds.
    pub objects: u64,
}

/// A room in the status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RoomStatus {
    /// Its id.
    pub id: RoomId,
    /// Its name.
    pub name: String,
    /// Accepted messages held.
    pub messages: u64,
    /// How many of them cannot be read here: they were written before this agent came to a room
    /// of history `from-join`, or their key is still on its way.
    #[serde(default)]
    pub locked: u64,
    /// Equal on nodes that agree.
    pub digest: ObjectId,
    /// `complete`, or how far reconciliation is.
    pub sync: String,
    /// `room`, or `instant` for instant messages.
    pub kind: String,
}

/// Something an admin should look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Alarm {
    /// A stable word.
    pub kind: String,
    /// What is the matter and what to do.
    pub message: String,
    /// The control objects that it is about.
    pub objects: Vec<ObjectId>,
}

/// The state of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
    /// Whether others are told that this device is there.
    pub presence: bool,
    /// What keeps this node from its work for now, in words; left out if nothing does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub troubles: Vec<String>,
    /// What this device may do as an admin; null if it is none.
    #[serde(default)]
    pub admin: Option<OwnAuthority>,
}

/// One object of the control log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ControlLog {
    /// Its objects.
    pub objects: Vec<ControlEntry>,
}

/// What went wrong and what to do next: the body of every error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, thiserror::Error)]
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

/// The body of every error: problem details as of RFC 9457, and the same for older scripts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProblemDetails {
    /// Always `about:blank`: `kind` tells problems apart.
    #[serde(rename = "type")]
    pub type_uri: String,
    /// The meaning of the status.
    pub title: String,
    /// The status.
    pub status: u16,
    /// One line: what is wrong.
    pub detail: String,
    /// A stable word, as in [`Problem`].
    pub kind: String,
    /// One line: what to do next.
    pub hint: String,
    /// The same once more.
    pub error: Problem,
}

/// The envelope of [`Problem`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorDocument {
    /// The error.
    pub error: Problem,
}

/// How many browsers were let in, and are no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EndedSessions {
    /// So many sessions were ended.
    pub ended: usize,
}

/// A link that lets one browser in, once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OpenLink {
    /// The link.
    pub open: String,
    /// When it ends, used or not.
    pub expires: Time,
}
