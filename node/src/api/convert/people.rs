//! Whom rooms are open to, and who may go where, from what the engine shows.

use conclave_protocol::view;

use crate::api::types::{AccessPreview, AgentRoom, OwnAuthority, Principal, WouldEnter};

impl From<view::AccessPreview> for AccessPreview {
    fn from(preview: view::AccessPreview) -> Self {
        let agents = preview.agents.into_iter();
        let agents = agents.map(|line| WouldEnter {
            id: line.agent.id,
            name: line.agent.name,
            via: line.via,
        });
        Self { agents: agents.collect(), unknown: preview.unknown }
    }
}

impl From<view::PrincipalView> for Principal {
    fn from(principal: view::PrincipalView) -> Self {
        Self {
            principal: principal.principal,
            id: principal.id,
            kind: principal.kind.to_owned(),
            name: principal.name,
            members: principal.members,
        }
    }
}

impl From<view::AgentRoom> for AgentRoom {
    fn from(room: view::AgentRoom) -> Self {
        Self { id: room.room.id, name: room.room.name, active: room.active, via: room.via }
    }
}

impl From<view::OwnAuthority> for OwnAuthority {
    fn from(authority: view::OwnAuthority) -> Self {
        let may = authority.may.into_iter().map(str::to_owned).collect();
        Self { rank: authority.rank, may, scope: authority.scope }
    }
}
