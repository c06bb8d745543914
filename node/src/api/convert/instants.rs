//! Instant messages.

use conclave_protocol::view;

use crate::api::time::Time;
use crate::api::types::{Instant, InstantAgent};

impl From<view::InstantView> for Instant {
    fn from(instant: view::InstantView) -> Self {
        let agent = |(agent, active): (view::AgentRef, bool)| InstantAgent {
            id: agent.id,
            name: agent.name,
            active,
        };
        Self {
            id: instant.room.id,
            name: instant.room.name,
            agents: instant.agents.into_iter().map(agent).collect(),
            unread: instant.unread,
            first_unread: instant.first_unread,
            newest: instant.newest.map(Time),
            access: instant.access,
        }
    }
}
