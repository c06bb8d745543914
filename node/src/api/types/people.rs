//! The shapes of whom rooms are open to, and who may go where.

use conclave_protocol::id::{AgentId, ObjectId, RoomId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::describe::Id;

use super::Named;

/// Permissions that a room might be given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProposedAccess {
    /// Principals by full name or id.
    pub permits: Vec<String>,
}

/// Somebody who would get in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WouldEnter {
    /// Its id.
    pub id: AgentId,
    /// Its name.
    pub name: String,
    /// The permissions that would let it in.
    pub via: Vec<String>,
}

/// Who would get into a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccessPreview {
    /// The agents, by name.
    pub agents: Vec<WouldEnter>,
    /// What names no principal.
    pub unknown: Vec<String>,
}

/// Somebody, or several, that a room can be opened to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Principal {
    /// Its full name, such as `department:Support`.
    pub principal: String,
    /// Its id.
    pub id: ObjectId,
    /// `department`, `group`, `role` or `agent`.
    pub kind: String,
    /// Its own name.
    pub name: String,
    /// How many live agents that is.
    pub members: u64,
}

/// Whom a room can be opened to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Principals {
    /// Such as begin with the text first.
    pub principals: Vec<Principal>,
}

/// A room that an agent may read and write in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AgentRoom {
    /// Its id.
    pub id: RoomId,
    /// Its name.
    pub name: String,
    /// Whether it is in use.
    pub active: bool,
    /// The permissions that let the agent in.
    pub via: Vec<String>,
}

/// Where an agent may go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AgentRooms {
    /// The agent.
    pub agent: Named<AgentId>,
    /// Its rooms, by name.
    pub rooms: Vec<AgentRoom>,
}

/// What a device may do as an admin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OwnAuthority {
    /// 1 is the most senior.
    pub rank: u32,
    /// `units`, `agents`, `rooms`, `admins`.
    pub may: Vec<String>,
    /// The Department it is limited to, such as `department:Support`.
    pub scope: Option<String>,
}
