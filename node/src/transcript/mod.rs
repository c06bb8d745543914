//! Transcripts as JSON: one document, written and read part by part, so that a room of any length
//! costs neither side much memory. What is in one, and when it holds, says
//! [`conclave_protocol::transcript`].

mod read;
mod write;

use conclave_protocol::envelope::EnvelopeKind;
use conclave_protocol::id::{AgentId, CompanyId, DeviceId, MessageId, ObjectId, RoomId};
use conclave_protocol::view::AgentRef;
use serde::{Deserialize, Serialize};

pub use read::{ReadError, verify};
pub use write::Writer;

/// An agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AgentDocument {
    id: AgentId,
    name: String,
}

impl From<AgentRef> for AgentDocument {
    fn from(agent: AgentRef) -> Self {
        Self { id: agent.id, name: agent.name }
    }
}

impl From<AgentDocument> for AgentRef {
    fn from(agent: AgentDocument) -> Self {
        Self { id: agent.id, name: agent.name }
    }
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CompanyDocument {
    id: CompanyId,
    name: String,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RoomDocument {
    id: RoomId,
    name: String,
    /// None of an instant room, which has agents instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    history: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    agents: Option<Vec<AgentId>>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExportedDocument {
    time: String,
    time_ms: u64,
    agent: AgentDocument,
    device: DeviceId,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ControlDocument {
    digest: ObjectId,
    objects: u64,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeadDocument {
    company: CompanyDocument,
    room: RoomDocument,
    exported: ExportedDocument,
    control: ControlDocument,
    entries: u64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryDocument {
    id: MessageId,
    kind: String,
    author: Option<AgentDocument>,
    device: DeviceId,
    time: String,
    /// The same in milliseconds: what lies beyond the year 9999 has no other.
    time_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    state: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    authority: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    signed: String,
}

const KINDS: [(EnvelopeKind, &str); 5] = [
    (EnvelopeKind::Text, "text"),
    (EnvelopeKind::Enter, "enter"),
    (EnvelopeKind::Seal, "seal"),
    (EnvelopeKind::EpochStart, "epoch-start"),
    (EnvelopeKind::EpochKeys, "epoch-keys"),
];

fn word_of(kind: EnvelopeKind) -> &'static str {
    KINDS.iter().find(|(other, _)| *other == kind).map_or("", |(_, word)| word)
}

fn kind_of(word: &str) -> Option<EnvelopeKind> {
    KINDS.iter().find(|(_, other)| *other == word).map(|(kind, _)| *kind)
}
