//! From what the engine shows to what JSON shows.

mod authority;
mod devices;
mod instants;
mod people;

use conclave_protocol::engine::Failure;
use conclave_protocol::view;
use data_encoding::HEXLOWER;

use super::time::Time;
use super::types::{
    AccessLine, Agent, Alarm, ControlEntry, ControlSummary, Join, JoinRequest, Message, Named,
    OwnAuthority, Page, Peer, Permitted, Problem, Room, RoomLine, RoomStatus, Status, Unit,
};
use crate::handle::NetInfo;
use conclave_protocol::id::{AgentId, CompanyId, RoomId};

/// What a copied home has to wait for.
const COPIED: &str = "this node was restored from a copy: it signs nothing before it has learned \
                      from another member what it had signed since";

impl Problem {
    /// A problem of the kind named by `kind`.
    #[must_use]
    pub fn new(kind: &str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { kind: kind.to_owned(), message: message.into(), hint: hint.into() }
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        Self::new(failure.kind.word(), failure.message, failure.hint)
    }
}

impl From<view::AgentRef> for Named<AgentId> {
    fn from(agent: view::AgentRef) -> Self {
        Self { id: agent.id, name: agent.name }
    }
}

impl From<view::RoomRef> for Named<RoomId> {
    fn from(room: view::RoomRef) -> Self {
        Self { id: room.id, name: room.name }
    }
}

impl From<view::CompanyRef> for Named<CompanyId> {
    fn from(company: view::CompanyRef) -> Self {
        Self { id: company.id, name: company.name }
    }
}

impl From<view::MessageView> for Message {
    fn from(message: view::MessageView) -> Self {
        Self {
            id: message.id,
            room: message.room.into(),
            author: message.author.into(),
            device: message.device,
            height: message.height,
            time: Time(message.time),
            text: message.text,
            state: message.state.word().to_owned(),
            incomplete: message.incomplete,
            late: message.late,
            clock: message.clock.map(|note| note.word().to_owned()),
        }
    }
}

impl From<view::Page> for Page {
    fn from(page: view::Page) -> Self {
        let messages = page.messages.into_iter().map(Message::from).collect();
        Self { messages, more: page.more, newer: page.newer }
    }
}

impl From<view::UnitView> for Unit {
    fn from(unit: view::UnitView) -> Self {
        Self { id: unit.id, unit: unit.label }
    }
}

impl From<view::AgentView> for Agent {
    fn from(agent: view::AgentView) -> Self {
        Self {
            id: agent.agent.id,
            name: agent.agent.name,
            units: agent.units,
            devices: agent.devices,
            active: agent.active,
        }
    }
}

impl From<view::JoinRequestView> for JoinRequest {
    fn from(request: view::JoinRequestView) -> Self {
        Self {
            name: request.name,
            device: request.device,
            code: request.code,
            expires: Time(request.expires),
            name_taken: request.name_taken,
            device_of: request.device_of.map(Named::from),
            countersigned: request.countersigned,
            name_note: None,
        }
    }
}

impl From<view::RoomView> for Room {
    fn from(room: view::RoomView) -> Self {
        Self {
            id: room.room.id,
            name: room.room.name,
            history: room.history.word().to_owned(),
            active: room.active,
            permissions: room.permissions,
            topic: room.topic,
            principals: room.principals.into_iter().map(Permitted::from).collect(),
        }
    }
}

impl From<view::PermittedView> for Permitted {
    fn from(permitted: view::PermittedView) -> Self {
        Self { principal: permitted.principal, id: permitted.id, gone: permitted.gone }
    }
}

impl From<view::RoomLine> for RoomLine {
    fn from(line: view::RoomLine) -> Self {
        Self {
            id: line.room.id,
            name: line.room.name,
            unread: line.unread,
            active: line.active,
            access: line.access,
            topic: line.topic,
            first_unread: line.first_unread,
            newest: line.newest.map(Time),
        }
    }
}

impl From<view::AccessLine> for AccessLine {
    fn from(line: view::AccessLine) -> Self {
        Self { id: line.agent.id, name: line.agent.name, via: line.via, present: line.present }
    }
}

impl From<view::JoinView> for Join {
    fn from(join: view::JoinView) -> Self {
        Self {
            state: join.state.word().to_owned(),
            agent: join.agent,
            company: join.company.map(Named::from),
            code: join.code,
            name_taken: join.name_taken,
        }
    }
}

impl From<view::ControlEntry> for ControlEntry {
    fn from(entry: view::ControlEntry) -> Self {
        Self {
            id: entry.id,
            kind: entry.kind.to_owned(),
            height: entry.height,
            author: entry.author,
            bytes: HEXLOWER.encode(&entry.bytes),
        }
    }
}

impl ControlEntry {
    /// The signed bytes, if the text is hexadecimal as it should be.
    #[must_use]
    pub fn signed_bytes(&self) -> Option<Vec<u8>> {
        HEXLOWER.decode(self.bytes.as_bytes()).ok()
    }
}

/// The status document: the engine's view joined with the network's.
pub(super) fn status(view: view::StatusView, net: NetInfo) -> Status {
    // The two are not read at one moment. A peer that the network has lost meanwhile has no
    // address to show and will be gone from the engine's list as well.
    let peers = view.peers.into_iter().filter_map(|peer| {
        let (peer_id, addr) = net.peers.get(&peer.device)?.clone();
        Some(Peer { peer_id, device: peer.device, agent: peer.agent.map(Named::from), addr })
    });
    Status {
        peers: peers.collect(),
        company: view.company.filter(|_| view.member).map(Named::from),
        agent: view.agent.filter(|_| view.member).map(Named::from),
        device: view.device,
        peer_id: net.peer_id,
        member: view.member,
        join: view.join.map(Join::from),
        listen: net.listen,
        control: ControlSummary { digest: view.control_digest, objects: view.control_objects },
        applied: view.applied.into(),
        presence: view.presence,
        rooms: view.rooms.into_iter().map(room_status).collect(),
        verdicts: view.verdicts.into_iter().map(|(reason, n)| (reason.to_owned(), n)).collect(),
        alarms: view.alarms.into_iter().map(Alarm::from).collect(),
        admin: view.admin.map(OwnAuthority::from),
        troubles: view.copied.then(|| COPIED.to_owned()).into_iter().collect(),
    }
}

fn room_status(room: view::RoomStatus) -> RoomStatus {
    RoomStatus {
        id: room.room.id,
        name: room.room.name,
        messages: room.messages,
        locked: room.locked,
        digest: room.digest,
        sync: room.sync,
        kind: if room.instant { "instant" } else { "room" }.to_owned(),
    }
}
