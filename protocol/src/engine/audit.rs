//! The control log as an audit trail, and why something counts or not.

use super::Engine;
use super::command::{Failure, FailureKind};
use crate::control::{ControlLog, Explanation, Verdict};
use crate::id::{AgentId, DeviceId, MessageId, ObjectId, RoomId};
use crate::object::{ObjectType, Principal};
use crate::view::{AdminView, LogLine, WhyLink, WhyView};

impl Engine {
    /// All admins, the most senior first; those whose authority ended come last.
    ///
    /// # Errors
    /// If this device is not a member.
    pub fn admins(&self) -> Result<Vec<AdminView>, Failure> {
        let log = self.log()?;
        let ids: Vec<ObjectId> = log.admin_grants().map(|(id, _)| id).collect();
        let mut admins: Vec<AdminView> =
            ids.into_iter().filter_map(|id| self.admin_view(log, id)).collect();
        admins.sort_by(|a, b| {
            (!a.in_force, a.rank, &a.agent.name, a.grant).cmp(&(
                !b.in_force,
                b.rank,
                &b.agent.name,
                b.grant,
            ))
        });
        Ok(admins)
    }

    /// The audit trail: up to `limit` objects from number `from` on, in the order in which this
    /// device took them in, void ones included; with the number to go on from.
    ///
    /// # Errors
    /// If this device is not a member.
    pub fn audit(&self, from: u64, limit: usize) -> Result<(Vec<LogLine>, u64), Failure> {
        let log = self.log()?;
        let skip = usize::try_from(from).unwrap_or(usize::MAX);
        let lines: Vec<LogLine> =
            log.ids().skip(skip).take(limit).filter_map(|id| self.log_line(log, id)).collect();
        let next = from.saturating_add(lines.len() as u64);
        Ok((lines, next))
    }

    fn log_line(&self, log: &ControlLog, id: ObjectId) -> Option<LogLine> {
        let explanation = log.explain(id);
        let (author, seq) = log.place_of(id)?;
        let object = log.get(id);
        let kind = object.map_or(ObjectType::Genesis, |o| o.payload.object_type()).name();
        let agent = self.agent_of_any(log, author);
        Some(LogLine {
            id,
            kind,
            height: object.map_or(1, |o| o.header.height),
            author,
            seq,
            agent: agent.map(|agent| self.agent_ref(agent)),
            authority: object.map(|o| o.header.authority),
            rank: log.rank(id),
            state: explanation.verdict.word(),
            text: log.describe(id),
            cut_by: explanation.cut_by,
            ratify: explanation.ratify.filter(|_| explanation.verdict == Verdict::Void),
        })
    }

    fn agent_of_any(&self, log: &ControlLog, device: DeviceId) -> Option<AgentId> {
        log.access().agent_of(device).or_else(|| log.agents_of_device(device).next())
    }

    /// Why a control object or a message counts, or does not.
    ///
    /// # Errors
    /// If this device is not a member, or the text is no id.
    pub fn why(&self, typed: &str) -> Result<WhyView, Failure> {
        let log = self.log()?;
        let id: ObjectId = typed.parse().map_err(|_| {
            Failure::new(
                FailureKind::Usage,
                format!("\"{typed}\" is no id"),
                "use an `id` that `conclave log --json` or `conclave history --json` shows; for an \
                 agent's access to a room, `conclave room access ROOM --why AGENT`",
            )
        })?;
        let found = self
            .rooms
            .iter()
            .find(|(_, state)| state.log.get(id).is_some() || state.log.held.contains(id));
        if let Some(room) = found.map(|(room, _)| *room) {
            return self.why_message(log, room, id);
        }
        let explanation = log.explain(id);
        if explanation.verdict == Verdict::Unknown {
            return Err(Failure::new(
                FailureKind::NotFound,
                format!("{typed} is not here: it never came, or was refused"),
                "see what was refused under `verdicts` in `conclave status --json`",
            ));
        }
        Ok(self.why_view(log, explanation))
    }

    fn why_view(&self, log: &ControlLog, explanation: Explanation) -> WhyView {
        let says = log.describe(explanation.object);
        let mut summary = match &explanation.verdict {
            Verdict::Counts if explanation.ended_by.is_empty() => format!("counts: {says}"),
            Verdict::Counts => {
                format!("counted, and was ended by {}: {says}", words(log, &explanation.ended_by))
            }
            Verdict::Void if explanation.cut_by.is_empty() => {
                format!("void, because the authority it rests on is: {says}")
            }
            Verdict::Void => {
                format!("void, cut off by {}: {says}", words(log, &explanation.cut_by))
            }
            Verdict::Parked(missing) => {
                format!(
                    "waits for {} objects that it refers to and that are not here",
                    missing.len()
                )
            }
            Verdict::Unknown => "not here".to_owned(),
        };
        for note in &explanation.notes {
            summary.push_str("; ");
            summary.push_str(note);
        }
        let missing = match explanation.verdict.clone() {
            Verdict::Parked(missing) => missing,
            _ => Vec::new(),
        };
        let chain: Vec<WhyLink> = explanation
            .links
            .into_iter()
            .map(|link| WhyLink {
                id: link.object,
                kind: link.kind,
                author: self.device_words(log, link.author),
                holds: link.holds,
                text: link.text,
            })
            .collect();
        WhyView {
            id: explanation.object,
            kind: chain.first().map(|link| link.kind),
            state: explanation.verdict.word().to_owned(),
            summary,
            chain,
            failing: explanation.failing,
            cut_by: explanation.cut_by,
            ended_by: explanation.ended_by,
            missing,
            ratify: explanation.ratify,
        }
    }

    fn why_message(
        &self,
        log: &ControlLog,
        room: RoomId,
        id: MessageId,
    ) -> Result<WhyView, Failure> {
        // Who may not read the room learns nothing about its messages.
        self.readable_room(&room.to_string())?;
        let mut view = WhyView {
            id,
            kind: Some(ObjectType::Envelope.name()),
            state: "parked".to_owned(),
            summary: String::new(),
            chain: Vec::new(),
            failing: None,
            cut_by: Vec::new(),
            ended_by: Vec::new(),
            missing: Vec::new(),
            ratify: None,
        };
        let Some(entry) = self.rooms.get(&room).and_then(|state| state.log.get(id)) else {
            view.summary = "waits for messages or control objects that it refers to".to_owned();
            return Ok(view);
        };
        let standing = log.standing(entry.device, room);
        let author = self.device_words(log, entry.device);
        let shown = self.message_view(room, id).map(|shown| shown.state.word());
        view.state =
            shown.unwrap_or(if entry.is_accepted() { "accepted" } else { "void" }).to_owned();
        let mut ended: Vec<ObjectId> =
            standing.ways.iter().flatten().filter_map(|ended| ended.revoke).collect();
        ended.sort_unstable();
        ended.dedup();
        view.summary = match (standing.live, entry.is_accepted(), standing.ways.is_empty()) {
            (true, _, _) => format!("accepted: {author} has access to the room"),
            (false, true, _) => format!(
                "accepted although {author} has no access now: what ended it, {}, keeps the \
                 message, or somebody with access has written after it",
                words(log, &ended)
            ),
            (false, false, false) => format!(
                "void: {author} has no access now, and what ended it, {}, does not spare the \
                 message",
                words(log, &ended)
            ),
            (false, false, true) => {
                format!("void: no chain of grants that count leads {author} to the room")
            }
        };
        view.chain = self.access_chain(log, entry.device, room);
        view.failing = view.chain.iter().rev().find(|link| !link.holds).map(|link| link.id);
        view.ended_by = ended;
        Ok(view)
    }

    /// The objects that lead, or led, a device to a room, and their authorities up to the root.
    fn access_chain(&self, log: &ControlLog, device: DeviceId, room: RoomId) -> Vec<WhyLink> {
        let mut ids: Vec<ObjectId> = Vec::new();
        if let Some(body) = log.enter_body(device, room) {
            ids.extend(body.references());
        } else {
            let agent = self.agent_of_any(log, device);
            ids.extend(agent.into_iter().flat_map(|agent| log.certs_of(device, agent)));
            let access = log.access();
            let principals: Vec<Principal> = access.principals(room).collect();
            ids.extend(principals.into_iter().flat_map(|p| log.permits(room, p)));
        }
        let mut chain: Vec<WhyLink> = Vec::new();
        for id in ids {
            for link in self.why_view(log, log.explain(id)).chain {
                if chain.iter().all(|known| known.id != link.id) {
                    chain.push(link);
                }
            }
        }
        chain
    }

    /// Why an agent has access to a room, or has not.
    ///
    /// # Errors
    /// Unknown room or agent, or the room is neither open to this agent nor is it an admin.
    pub fn why_access(&self, room: &str, agent: &str) -> Result<WhyView, Failure> {
        let room = self.visible_room(room)?;
        let agent = self.find_agent(agent)?;
        let log = self.log()?;
        let access = log.access();
        let via = access.via(agent.id, room);
        let devices = access.agents().get(&agent.id).map(|a| a.devices.clone()).unwrap_or_default();
        let device = devices.first().copied().or_else(|| log.devices_of(agent.id).next());
        let chain = device.map(|d| self.access_chain(log, d, room)).unwrap_or_default();
        let name = self.room_ref(room).name;
        let labels: Vec<String> = via.iter().map(|p| access.label(*p)).collect();
        let mut ended: Vec<ObjectId> = device
            .map(|d| log.standing(d, room).ways)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|ended| ended.revoke)
            .collect();
        ended.sort_unstable();
        ended.dedup();
        let (state, summary) = if via.is_empty() {
            let why = if !access.is_live(agent.id) {
                "the agent has been dismissed"
            } else if access.rooms().get(&room).is_none_or(|r| r.revoked) {
                "the room has been deleted"
            } else {
                "none of its permissions in force names the agent or a unit of theirs"
            };
            ("void", format!("{} has no access to \"{name}\": {why}", agent.name))
        } else {
            ("counts", format!("{} has access to \"{name}\" by {}", agent.name, labels.join(", ")))
        };
        Ok(WhyView {
            id: room.into(),
            kind: Some(ObjectType::RoomCreate.name()),
            state: state.to_owned(),
            summary,
            failing: chain.iter().rev().find(|link| !link.holds).map(|link| link.id),
            chain,
            cut_by: Vec::new(),
            ended_by: ended,
            missing: Vec::new(),
            ratify: None,
        })
    }
}

/// Objects by what they say.
fn words(log: &ControlLog, ids: &[ObjectId]) -> String {
    let words: Vec<String> = ids
        .iter()
        .map(|id| {
            let short: String = id.to_string().chars().take(12).collect();
            format!("{short} ({})", log.describe(*id))
        })
        .collect();
    if words.is_empty() { "a dispute about its key".to_owned() } else { words.join(" and ") }
}
