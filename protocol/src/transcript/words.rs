//! What stands in a transcript for people: written by the exporter, computed anew by who checks.

use std::collections::BTreeMap;

use super::Head;
use crate::control::ControlLog;
use crate::envelope::{EnterBody, Envelope, EnvelopeKind};
use crate::id::{AgentId, DeviceId, MessageId, RoomId};
use crate::object::{HistoryPolicy, Payload};
use crate::time::Timestamp;
use crate::view::AgentRef;

/// What the head says for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadWords {
    /// The company's name.
    pub company: String,
    /// The room's name; of an instant room the names of its agents.
    pub room: String,
    /// What newcomers may read; none of an instant room.
    pub history: Option<HistoryPolicy>,
    /// Whose device exports.
    pub exporter: AgentRef,
}

impl HeadWords {
    /// By this log; `None` unless the room is known and the exporter may read it.
    #[must_use]
    pub fn of(head: &Head, control: &ControlLog) -> Option<Self> {
        let access = control.access();
        let agent = access.agent_of(head.device)?;
        if !access.has_access(agent, head.room) {
            return None;
        }
        let (room, history) = match &head.agents {
            Some(agents) => {
                let mut names: Vec<String> =
                    agents.iter().map(|agent| agent_ref(control, agent).name).collect();
                names.sort_unstable();
                (names.join(", "), None)
            }
            None => {
                let info = access.rooms().get(&head.room)?;
                (info.name.clone(), Some(info.history))
            }
        };
        let company = control.genesis()?.name.clone();
        Some(Self { company, room, history, exporter: agent_ref(control, agent) })
    }
}

/// The `Enter`s that have been seen, with what they list.
#[derive(Clone, Debug, Default)]
pub(super) struct Enters(BTreeMap<MessageId, (DeviceId, EnterBody)>);

impl Enters {
    pub(super) fn note(&mut self, id: MessageId, envelope: &Envelope) {
        if let Ok(body) = envelope.enter_body() {
            self.0.insert(id, (envelope.device, body));
        }
    }

    /// What an `Enter` of a device lists.
    pub(super) fn of(&self, id: MessageId, device: DeviceId) -> Option<&EnterBody> {
        self.0.get(&id).filter(|(by, _)| *by == device).map(|(_, body)| body)
    }
}

/// What is said of an envelope for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// Its id.
    pub id: MessageId,
    /// What it is.
    pub kind: EnvelopeKind,
    /// Who wrote it, if the control log tells.
    pub author: Option<AgentRef>,
    /// On which device.
    pub device: DeviceId,
    /// What the author's clock said.
    pub time: Timestamp,
    /// The text, if its key is handed out.
    pub text: Option<String>,
    /// Of an `Enter`: what let the author in.
    pub authority: Vec<String>,
}

impl Words {
    /// Of an envelope, after these `Enter`s.
    pub(super) fn of(
        id: MessageId,
        envelope: &Envelope,
        text: Option<String>,
        control: &ControlLog,
        enters: &Enters,
    ) -> Self {
        let own = envelope.enter_body().ok();
        let authority = own.as_ref().map(|body| grants(body, control)).unwrap_or_default();
        let enter = || envelope.standing.and_then(|enter| enters.of(enter, envelope.device));
        let body = own.as_ref().or_else(enter);
        Self {
            id,
            kind: envelope.kind,
            author: author(control, envelope.device, envelope.room, body),
            device: envelope.device,
            time: envelope.claimed_time,
            text,
            authority,
        }
    }
}

/// The agent of a device, or, if it is live no longer, the one that it was when it wrote.
pub(super) fn author(
    control: &ControlLog,
    device: DeviceId,
    room: RoomId,
    enter: Option<&EnterBody>,
) -> Option<AgentRef> {
    let named = || match &control.get(enter?.device_cert())?.payload {
        Payload::DeviceCert(cert) if cert.device == device => Some(cert.agent),
        _ => None,
    };
    // A certificate without authority comes last: its author may name whom it likes.
    let counts = || enter.is_some_and(|enter| control.counts(enter.device_cert()));
    let agent = control.access().agent_of(device).or_else(|| named().filter(|_| counts()));
    let agent = agent.or_else(|| control.standing(device, room).agent).or_else(named)?;
    Some(agent_ref(control, agent))
}

pub(super) fn agent_ref(control: &ControlLog, id: AgentId) -> AgentRef {
    let name = control.access().agents().get(&id).map(|agent| agent.name.clone());
    AgentRef { id, name: name.unwrap_or_default() }
}

/// What an `Enter` lists, in words.
fn grants(body: &EnterBody, control: &ControlLog) -> Vec<String> {
    body.references().map(|id| control.describe(id)).collect()
}
