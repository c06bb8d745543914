//! The shapes of an agent's devices.

use conclave_protocol::id::{AgentId, DeviceId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::describe::Id;
use crate::api::time::Time;

use super::Named;

/// A device of an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Device {
    /// Its key.
    pub id: DeviceId,
    /// Its libp2p identity.
    pub peer_id: Option<String>,
    /// Since when, by this node's own clock: what is signed carries no time.
    pub since: Option<Time>,
    /// Whether it is the one that is asked.
    pub this: bool,
    /// Whether it may act: certified and not revoked.
    pub active: bool,
    /// Whether another device of the agent has confirmed it.
    pub countersigned: bool,
    /// Whether everybody is warned of it: not the agent's first, and confirmed by none.
    pub unconfirmed: bool,
    /// Whether it is connected with this node now.
    pub connected: bool,
}

/// A device that asks to become another one of this agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeviceRequest {
    /// The name it asks for.
    pub name: String,
    /// Its key.
    pub device: DeviceId,
    /// The safety code to compare with its screen.
    pub code: String,
    /// When the request lapses.
    pub expires: Time,
    /// Whether this agent has confirmed it, and an admin has to let it in.
    pub confirmed: bool,
}

/// The devices of an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Devices {
    /// Whose.
    pub agent: Named<AgentId>,
    /// Live ones first.
    pub devices: Vec<Device>,
    /// What asks to become one; of the own agent only.
    pub requests: Vec<DeviceRequest>,
}

/// A device of this agent was confirmed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeviceAdded {
    /// The agent.
    pub agent: Named<AgentId>,
    /// The device.
    pub device: DeviceId,
    /// `admitted`, or `waiting` for an admin.
    pub state: String,
    /// Until when it waits for an admin.
    pub expires: Option<Time>,
    /// How many connected devices of admins have been told.
    pub admins: u64,
}
