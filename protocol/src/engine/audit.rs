//! The control log as an audit trail, and why something counts or not.

use super::Engine;
use super::command::{Failure, FailureKind};
use crate::control::{ControlLog, Explanation, Verdict};
use crate::id::{AgentId, DeviceId, MessageId, ObjectId, RoomId};
use crate::limits::AUDIT_LOOKED_AT_MAX;
use crate::name::normal_form;
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
        let page = self.audit_page(from, limit, &AuditFilter::default())?;
        Ok((page.lines, page.next))
    }

    /// A part of the audit trail that a filter lets through, from number `from` on. One answer
    /// looks at no more than [`AUDIT_LOOKED_AT_MAX`] objects, so a page may hold less than
    /// `limit` although there are more: [`AuditPage::more`] says so.
    ///
    /// With `newest_first` the numbers fall: objects below `from` follow, and 0 means all.
    ///
    /// # Errors
    /// If this device is not a member, or the filter names an unknown agent or word.
    pub fn audit_page(
        &self,
        from: u64,
        limit: usize,
        filter: &AuditFilter,
    ) -> Result<AuditPage, Failure> {
        let log = self.log()?;
        let wanted = self.wanted(filter)?;
        let total = log.len() as u64;
        let start = if filter.newest_first && from == 0 { total } else { from.min(total) };
        let matching = self.matching(log, &wanted);
        let mut page = AuditPage { lines: Vec::new(), next: start, more: false, total, matching };
        let at = usize::try_from(start).unwrap_or(usize::MAX);
        let mut take = |id: ObjectId| {
            page.lines
                .extend(self.fits(log, id, &wanted).then(|| self.log_line(log, id)).flatten());
            page.lines.len() < limit
        };
        let looked_at = if filter.newest_first {
            let newer = usize::try_from(total - start).unwrap_or(usize::MAX);
            looked_at(log.ids().rev().skip(newer).take(AUDIT_LOOKED_AT_MAX), &mut take)
        } else {
            looked_at(log.ids().skip(at).take(AUDIT_LOOKED_AT_MAX), &mut take)
        };
        page.next = if filter.newest_first { start - looked_at } else { start + looked_at };
        page.more = if filter.newest_first { page.next > 0 } else { page.next < total };
        Ok(page)
    }

    /// What a filter means.
    fn wanted(&self, filter: &AuditFilter) -> Result<Wanted, Failure> {
        let kind = filter.kind.as_deref().map(|word| {
            let mut kinds = ObjectType::ALL.into_iter();
            kinds.find(|kind| kind.name() == word).ok_or_else(|| {
                Failure::new(
                    FailureKind::Usage,
                    format!("\"{word}\" is no kind of control object"),
                    "a kind is a word such as member-grant, revoke or permit; `conclave log \
                     --json` shows them",
                )
            })
        });
        let state = filter.state.as_deref().map(|word| match word {
            "counts" => Ok(true),
            "void" => Ok(false),
            _ => Err(Failure::new(
                FailureKind::Usage,
                format!("\"{word}\" is no state of a control object"),
                "a state is counts or void",
            )),
        });
        let agent = filter.agent.as_deref().map(|typed| self.find_agent(typed));
        Ok(Wanted {
            kind: kind.transpose()?,
            counts: state.transpose()?,
            agent: agent.transpose()?.map(|agent| agent.id),
            text: filter.text.as_deref().map(folded).filter(|text| !text.is_empty()),
        })
    }

    /// How many objects of the whole log fit, unless they are too many to look at.
    fn matching(&self, log: &ControlLog, wanted: &Wanted) -> Option<u64> {
        if wanted.is_all() {
            return Some(log.len() as u64);
        }
        let few = log.len() <= AUDIT_LOOKED_AT_MAX;
        few.then(|| log.ids().filter(|id| self.fits(log, *id, wanted)).count() as u64)
    }

    /// Whether a filter lets an object through; the cheapest questions first.
    fn fits(&self, log: &ControlLog, id: ObjectId, wanted: &Wanted) -> bool {
        let kind = || log.get(id).map_or(ObjectType::Genesis, |o| o.payload.object_type());
        let agent = || log.place_of(id).and_then(|(device, _)| self.agent_of_any(log, device));
        let named = || agent().map(|agent| folded(&self.agent_ref(agent).name));
        let says = |text: &String| {
            folded(&log.describe(id)).contains(text)
                || named().is_some_and(|name| name.contains(text))
                || id.to_string().starts_with(text.as_str())
        };
        wanted.kind.is_none_or(|wanted| wanted == kind())
            && wanted.counts.is_none_or(|wanted| wanted == log.counts(id))
            && wanted.agent.is_none_or(|wanted| agent() == Some(wanted))
            && wanted.text.as_ref().is_none_or(says)
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
            heard: self.heard(id),
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
                heard: self.heard(link.object),
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
            } else if access.instant(room).is_some() {
                "these instant messages are between others"
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
            // No object makes the place of instant messages.
            kind: access.instant(room).is_none().then(|| ObjectType::RoomCreate.name()),
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

/// What the audit trail is narrowed down to. All that is named has to fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// The name of an object's type.
    pub kind: Option<String>,
    /// Who signed it, by name or id.
    pub agent: Option<String>,
    /// `counts` or `void`.
    pub state: Option<String>,
    /// Words in what it says or in the name of who signed it, in whatever case; or the beginning
    /// of its id.
    pub text: Option<String>,
    /// From the newest to the oldest.
    pub newest_first: bool,
}

/// A part of the audit trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditPage {
    /// The objects.
    pub lines: Vec<LogLine>,
    /// The number to go on from.
    pub next: u64,
    /// Whether there is something to go on to.
    pub more: bool,
    /// How many objects the whole log holds.
    pub total: u64,
    /// How many of them the filter lets through; none if they are too many to count.
    pub matching: Option<u64>,
}

/// A filter that has been understood.
struct Wanted {
    kind: Option<ObjectType>,
    counts: Option<bool>,
    agent: Option<AgentId>,
    text: Option<String>,
}

impl Wanted {
    fn is_all(&self) -> bool {
        self.kind.is_none() && self.counts.is_none() && self.agent.is_none() && self.text.is_none()
    }
}

fn folded(text: &str) -> String {
    normal_form(text.trim()).to_lowercase()
}

/// Hands out objects until no more is wanted; how many that were.
fn looked_at(ids: impl Iterator<Item = ObjectId>, take: &mut impl FnMut(ObjectId) -> bool) -> u64 {
    let mut looked_at = 0;
    for id in ids {
        looked_at += 1;
        if !take(id) {
            break;
        }
    }
    looked_at
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
