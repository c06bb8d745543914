//! What the engine shows: plain data for the API, the command line and tests.

mod devices;

pub use devices::{DeviceRequestView, DeviceView, DevicesView};

use crate::id::{AgentId, CompanyId, DeviceId, MessageId, ObjectId, RoomId, UnitId};
use crate::object::{HistoryPolicy, UnitKind};
use crate::room::ClockNote;
use crate::time::Timestamp;

/// An agent by id and display name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentRef {
    /// The agent.
    pub id: AgentId,
    /// Its display name.
    pub name: String,
}

/// A room by id and name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomRef {
    /// The room.
    pub id: RoomId,
    /// Its name.
    pub name: String,
}

/// A company by id and name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompanyRef {
    /// The company.
    pub id: CompanyId,
    /// Its name.
    pub name: String,
}

/// What bears a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NamedKind {
    /// An agent.
    Agent,
    /// A Chat Room.
    Room,
    /// A Department, Group or Role.
    Unit(UnitKind),
}

impl NamedKind {
    /// The word for people.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Room => "room",
            Self::Unit(kind) => kind.word(),
        }
    }
}

/// A name and who bears it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameView {
    /// The agent, room or unit.
    pub id: ObjectId,
    /// What it is.
    pub kind: NamedKind,
    /// The name as shown; of a Group with that of its Department.
    pub name: String,
    /// Not dismissed.
    pub live: bool,
}

/// How a message stands on this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageState {
    /// Accepted here; not yet known to be held by another device.
    Pending,
    /// Accepted; its author has access now.
    Accepted,
    /// Accepted although its author has lost access: a member acknowledged it.
    Vouched,
    /// Not accepted; kept because an accepted message refers to it. Never in a history.
    Void,
}

impl MessageState {
    /// The word in JSON and on screen.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Accepted => "accepted",
            Self::Vouched => "vouched",
            Self::Void => "void",
        }
    }
}

/// A message as shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageView {
    /// The id of its envelope.
    pub id: MessageId,
    /// Its room.
    pub room: RoomRef,
    /// Who wrote it.
    pub author: AgentRef,
    /// On which device.
    pub device: DeviceId,
    /// Its height in the room's log; with the id it gives the order on every screen.
    pub height: u64,
    /// What the author's clock said.
    pub time: Timestamp,
    /// The text.
    pub text: String,
    /// How it stands here.
    pub state: MessageState,
    /// It is shown although something before it is still on its way here.
    pub incomplete: bool,
    /// It came when something that stands behind it had been read already.
    pub late: bool,
    /// What it claims of its time cannot be.
    pub clock: Option<ClockNote>,
}

/// A page of messages, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The messages.
    pub messages: Vec<MessageView>,
    /// Whether older ones exist.
    pub more: bool,
    /// Whether newer ones exist.
    pub newer: bool,
}

/// A Department, Group or Role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitView {
    /// The unit.
    pub id: UnitId,
    /// What it is.
    pub kind: UnitKind,
    /// Its full name, such as `group:Support/Front Line`.
    pub label: String,
}

/// An agent with its units and devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentView {
    /// Who.
    pub agent: AgentRef,
    /// Full names of the units it belongs to directly.
    pub units: Vec<String>,
    /// Its live devices.
    pub devices: Vec<DeviceId>,
    /// Whether it may act: not dismissed, and at least one live device.
    pub active: bool,
}

/// A room with its permissions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomView {
    /// Which.
    pub room: RoomRef,
    /// What it is about; empty if nobody said.
    pub topic: String,
    /// What newcomers may read.
    pub history: HistoryPolicy,
    /// Whether it is in use.
    pub active: bool,
    /// Full names of the principals it is open to.
    pub permissions: Vec<String>,
    /// The same principals, such that two of one name can be told apart.
    pub principals: Vec<PermittedView>,
}

/// A principal that a room is open to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PermittedView {
    /// Its full name, now or when it was there.
    pub principal: String,
    /// The id of the unit or agent.
    pub id: ObjectId,
    /// Whether the unit is deleted, or the agent dismissed: the permission lets nobody in.
    pub gone: bool,
}

/// A line of the room list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomLine {
    /// Which.
    pub room: RoomRef,
    /// Messages of others that this user has not read.
    pub unread: u64,
    /// Whether it is in use.
    pub active: bool,
    /// Whether this agent may read and write in it.
    pub access: bool,
    /// What it is about; empty if nobody said.
    pub topic: String,
    /// The first message of others on the screen that this user has not read.
    pub first_unread: Option<MessageId>,
    /// What the newest message on the screen claims of its time.
    pub newest: Option<Timestamp>,
}

/// An instant message: a conversation that an agent has started with others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstantView {
    /// Its id, and the names of the others as its name.
    pub room: RoomRef,
    /// Its agents, by id; each with whether they are still here.
    pub agents: Vec<(AgentRef, bool)>,
    /// Messages of others that this user has not read.
    pub unread: u64,
    /// The first of these on the screen.
    pub first_unread: Option<MessageId>,
    /// What the author of the newest message says the time was.
    pub newest: Option<Timestamp>,
    /// Whether this agent may read and write in it.
    pub access: bool,
}

/// One agent With Access.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessLine {
    /// Who.
    pub agent: AgentRef,
    /// The permissions that let it in, by full name.
    pub via: Vec<String>,
    /// Whether its node is in the room now, as far as this node sees.
    pub present: bool,
}

/// Who would get into a room with some permissions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessPreview {
    /// The agents, each with the permissions that let it in; nobody is in the room yet.
    pub agents: Vec<AccessLine>,
    /// What names no principal.
    pub unknown: Vec<String>,
}

/// Somebody, or several, that a room can be opened to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrincipalView {
    /// Its full name, such as `department:Support`, as commands take it.
    pub principal: String,
    /// Its id.
    pub id: ObjectId,
    /// `department`, `group`, `role` or `agent`.
    pub kind: &'static str,
    /// Its own name; a Group's without that of its Department.
    pub name: String,
    /// How many live agents that is.
    pub members: u64,
}

/// A room that an agent may read and write in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentRoom {
    /// Which.
    pub room: RoomRef,
    /// Whether it is in use.
    pub active: bool,
    /// The permissions that let the agent in, by full name.
    pub via: Vec<String>,
}

/// What this device may do as an admin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnAuthority {
    /// 1 is the most senior.
    pub rank: u32,
    /// What it may do.
    pub may: Vec<&'static str>,
    /// The Department it is limited to, by full name.
    pub scope: Option<String>,
}

/// A device that asks to be let in, as the admin sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinRequestView {
    /// The name it asks for.
    pub name: String,
    /// Its key.
    pub device: DeviceId,
    /// The safety code to compare, `XXXX-XXXX`.
    pub code: String,
    /// When the request lapses.
    pub expires: Timestamp,
    /// Whether an agent of that name exists already, and nothing shows that it is one of its
    /// devices.
    pub name_taken: bool,
    /// The agent whose other device it would be: it bears the name.
    pub device_of: Option<AgentRef>,
    /// Whether a device of that agent has confirmed it.
    pub countersigned: bool,
}

/// How this device's own request to join stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinState {
    /// Sent or being sent; an admin has not answered.
    Waiting,
    /// The company's log certifies this device.
    Admitted,
    /// An admin refused.
    Refused,
    /// Nobody answered in time; the request is renewed while the node runs.
    Expired,
}

impl JoinState {
    /// The word in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Admitted => "admitted",
            Self::Refused => "refused",
            Self::Expired => "expired",
        }
    }
}

/// This device's own request to join.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinView {
    /// How it stands.
    pub state: JoinState,
    /// The name asked for.
    pub agent: String,
    /// The company that answered.
    pub company: Option<CompanyRef>,
    /// The safety code, once both nonces are known.
    pub code: Option<String>,
    /// The name is that of an agent, and none of its devices has answered yet.
    pub name_taken: bool,
}

/// A connected peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerView {
    /// Its device key.
    pub device: DeviceId,
    /// Its agent, if the control log knows it.
    pub agent: Option<AgentRef>,
}

/// A room in the status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomStatus {
    /// Which.
    pub room: RoomRef,
    /// Accepted messages held.
    pub messages: u64,
    /// How many of them cannot be read here: their key is not here, or not for this agent.
    pub locked: u64,
    /// Digest of everything accepted; equal on nodes that agree.
    pub digest: ObjectId,
    /// `complete`, or how far reconciliation is.
    pub sync: String,
    /// Whether it is an instant message.
    pub instant: bool,
}

/// What a change of the control log means for people, worked out before it is made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preview {
    /// Rooms in which something changes.
    pub rooms: Vec<RoomPreview>,
    /// Agents who are no longer live.
    pub dismissed: Vec<AgentRef>,
    /// Agents who are live again.
    pub returned: Vec<AgentRef>,
    /// Admin grants that end.
    pub admins_ended: Vec<AdminView>,
    /// Control objects that count no longer.
    pub voided: Vec<ObjectId>,
    /// Control objects that count again.
    pub restored: Vec<ObjectId>,
    /// What the change cannot do, and what should be done about it.
    pub warnings: Vec<String>,
    /// Part of it has no effect, because it is aimed at an equal: it is an appeal to whoever is
    /// senior to both.
    pub powerless: bool,
    /// If it is about one agent's memberships: rooms that the agent may read before and after.
    pub kept: Vec<RoomRef>,
}

/// See [`Preview`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomPreview {
    /// Which.
    pub room: RoomRef,
    /// Agents who lose access.
    pub lose: Vec<AgentRef>,
    /// Agents who get access.
    pub gain: Vec<AgentRef>,
    /// Messages that will be shown no longer; `None` if this device does not read the room.
    pub messages_lost: Option<u64>,
    /// Nobody has access afterwards.
    pub nobody_left: bool,
}

/// An admin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminView {
    /// The grant.
    pub grant: ObjectId,
    /// Who.
    pub agent: AgentRef,
    /// With which device.
    pub device: DeviceId,
    /// 1 is the most senior.
    pub rank: u32,
    /// What it may do.
    pub may: Vec<&'static str>,
    /// The Department it is limited to, by full name.
    pub scope: Option<String>,
    /// Whether the grant stands and nothing has ended it.
    pub in_force: bool,
    /// The revocations that ended it.
    pub ended_by: Vec<ObjectId>,
}

/// A line of the audit trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// The object.
    pub id: ObjectId,
    /// Its type's name.
    pub kind: &'static str,
    /// Its height.
    pub height: u64,
    /// The device that signed it, and its place in the device's chain.
    pub author: DeviceId,
    /// See `author`.
    pub seq: u64,
    /// Whose device it is, or was; none for the root key.
    pub agent: Option<AgentRef>,
    /// The grant, or root, under which it was signed.
    pub authority: Option<ObjectId>,
    /// The rank of the most senior authority behind it.
    pub rank: Option<u32>,
    /// `counts` or `void`.
    pub state: &'static str,
    /// What it says, in words.
    pub text: String,
    /// If it is void: the revocations whose cut leaves it out.
    pub cut_by: Vec<ObjectId>,
    /// A `ratify` of this would make it count again.
    pub ratify: Option<ObjectId>,
    /// When this device took it in; none if that was before such times were kept.
    pub heard: Option<Timestamp>,
}

/// Why something was accepted or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WhyView {
    /// The object or message.
    pub id: ObjectId,
    /// Its type's name, if it is here.
    pub kind: Option<&'static str>,
    /// `counts`, `void`, `parked`, `unknown`; of a message also `pending`, `accepted`, `vouched`.
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WhyLink {
    /// The object.
    pub id: ObjectId,
    /// Its type's name.
    pub kind: &'static str,
    /// Who signed it, in words.
    pub author: String,
    /// Whether it counts.
    pub holds: bool,
    /// What it says, and why it holds or fails.
    pub text: String,
    /// See [`LogLine::heard`].
    pub heard: Option<Timestamp>,
}

/// On how many of the certified devices this node's control log is known to be applied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppliedView {
    /// Devices whose newest report equals this node's state, itself among them.
    pub applied: u64,
    /// All live devices.
    pub devices: u64,
    /// The others.
    pub missing: Vec<MissingDevice>,
}

/// A device that is not known to have applied this node's control log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingDevice {
    /// Whose.
    pub agent: AgentRef,
    /// The device.
    pub device: DeviceId,
    /// When it last reported its state, by its own clock.
    pub last_seen: Option<Timestamp>,
}

/// Something an admin should look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlarmView {
    /// A stable word for scripts.
    pub kind: &'static str,
    /// What is the matter and what to do.
    pub message: String,
    /// The control objects that it is about.
    pub objects: Vec<ObjectId>,
}

/// The state of this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusView {
    /// The company, once known.
    pub company: Option<CompanyRef>,
    /// This device's agent, once a member.
    pub agent: Option<AgentRef>,
    /// This device.
    pub device: DeviceId,
    /// Whether the control log certifies this device.
    pub member: bool,
    /// Our own request to join, if we are not yet a member.
    pub join: Option<JoinView>,
    /// Connected peers.
    pub peers: Vec<PeerView>,
    /// Digest of the control log.
    pub control_digest: ObjectId,
    /// Objects in it.
    pub control_objects: u64,
    /// Where this state of the control log is applied.
    pub applied: AppliedView,
    /// Rooms this agent may access.
    pub rooms: Vec<RoomStatus>,
    /// How often each reason led to a refusal since the node started.
    pub verdicts: Vec<(&'static str, u64)>,
    /// What needs attention.
    pub alarms: Vec<AlarmView>,
    /// This home was restored from a copy and signs nothing before members have told what it had
    /// signed.
    pub copied: bool,
    /// Whether others are told that this device is there.
    pub presence: bool,
    /// What this device may do as an admin, by its most senior grant; none if it is no admin.
    pub admin: Option<OwnAuthority>,
}

/// One object of the control log, as data for tools.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlEntry {
    /// Its id.
    pub id: ObjectId,
    /// Its type's name, such as `member-grant`.
    pub kind: &'static str,
    /// Its height.
    pub height: u64,
    /// The device that signed it.
    pub author: DeviceId,
    /// The signed bytes.
    pub bytes: Vec<u8>,
}
