//! An agent's devices as they are shown.

use super::AgentRef;
use crate::id::DeviceId;
use crate::time::Timestamp;

/// A device of an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceView {
    /// Its key.
    pub device: DeviceId,
    /// Since when, by this device's own clock; objects carry no time.
    pub since: Option<Timestamp>,
    /// Whether it is the one that shows this.
    pub this: bool,
    /// Whether it may act: certified and not revoked.
    pub active: bool,
    /// Whether another device of the agent has confirmed it.
    pub countersigned: bool,
    /// Whether everybody is warned of it: not the agent's first, and confirmed by none.
    pub unconfirmed: bool,
    /// Whether it is connected with this one.
    pub connected: bool,
}

/// A device that asks to become another one of this agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceRequestView {
    /// The name it asks for.
    pub name: String,
    /// Its key.
    pub device: DeviceId,
    /// The safety code to compare, `XXXX-XXXX`.
    pub code: String,
    /// When the request lapses.
    pub expires: Timestamp,
    /// Whether this agent has confirmed it, and an admin has to certify it.
    pub confirmed: bool,
}

/// The devices of an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DevicesView {
    /// Whose.
    pub agent: AgentRef,
    /// Its devices, live ones first.
    pub devices: Vec<DeviceView>,
    /// What asks to become one; of the own agent only.
    pub requests: Vec<DeviceRequestView>,
}
