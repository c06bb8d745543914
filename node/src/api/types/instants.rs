//! The shapes of instant messages.

use conclave_protocol::id::{AgentId, MessageId, RoomId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::describe::Id;
use crate::api::time::Time;

/// A conversation with one or several agents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Instant {
    /// Its id, which stands wherever that of a room does.
    pub id: RoomId,
    /// The names of the others, joined by a comma; text from others, to be shown as data.
    pub name: String,
    /// Everybody in it, oneself included, by id.
    pub agents: Vec<InstantAgent>,
    /// Messages of others that this user has not read.
    pub unread: u64,
    /// The first of these on the screen.
    pub first_unread: Option<MessageId>,
    /// What the author of the newest message says the time was.
    pub newest: Option<Time>,
    /// Whether this agent may read and write in it.
    pub access: bool,
}

/// Somebody in a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InstantAgent {
    /// Their id.
    pub id: AgentId,
    /// Their name.
    pub name: String,
    /// Whether they can still read it: not dismissed.
    pub active: bool,
}

/// The instant messages of this agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Instants {
    /// The newest first.
    pub instants: Vec<Instant>,
}
