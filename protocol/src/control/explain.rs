//! Why an object counts or not: the chain up to the root, with the first link that fails.

use super::nodes::{Ix, Limit};
use super::{ControlLog, authority};
use crate::id::{AgentId, DeviceId, ObjectId, RoomId, UnitId};
use crate::object::{FieldValue, Payload, Principal, RevokeMode, UnitKind};

/// What became of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Some authority stands behind it.
    Counts,
    /// No authority stands behind it now.
    Void,
    /// It waits for these.
    Parked(Vec<ObjectId>),
    /// It is not here, or was refused.
    Unknown,
}

impl Verdict {
    /// The word in JSON.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Counts => "counts",
            Self::Void => "void",
            Self::Parked(_) => "parked",
            Self::Unknown => "unknown",
        }
    }
}

/// One step on the way from an object to the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The object.
    pub object: ObjectId,
    /// Its type's name.
    pub kind: &'static str,
    /// Who signed it.
    pub author: DeviceId,
    /// Whether it counts.
    pub holds: bool,
    /// What it says, and why it holds or fails, in words.
    pub text: String,
}

/// Why an object counts or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The object.
    pub object: ObjectId,
    /// What became of it.
    pub verdict: Verdict,
    /// From the object to the root.
    pub links: Vec<Link>,
    /// If it is void: the link nearest to the root that fails.
    pub failing: Option<ObjectId>,
    /// If it is void: the revocations whose cut leaves it out.
    pub cut_by: Vec<ObjectId>,
    /// If it counts: the revocations that have ended it.
    pub ended_by: Vec<ObjectId>,
    /// Further remarks, such as that a revocation has no effect.
    pub notes: Vec<String>,
    /// A `conclave ratify` of this would make it count or return.
    pub ratify: Option<ObjectId>,
}

impl ControlLog {
    /// Why an object counts or not.
    #[must_use]
    pub fn explain(&self, id: ObjectId) -> Explanation {
        let mut explanation = Explanation {
            object: id,
            verdict: Verdict::Unknown,
            links: Vec::new(),
            failing: None,
            cut_by: Vec::new(),
            ended_by: Vec::new(),
            notes: Vec::new(),
            ratify: None,
        };
        let Some(ix) = self.nodes.find(id) else {
            if let Some(missing) = self.parked.missing(id, |id| self.holds(id)) {
                explanation.verdict = Verdict::Parked(missing);
            }
            return explanation;
        };
        self.climb(ix, &mut explanation);
        if self.nodes.node(ix).carried() {
            explanation.verdict = Verdict::Counts;
            self.explain_effect(ix, &mut explanation);
        } else {
            explanation.verdict = Verdict::Void;
            explanation.ratify =
                (!matches!(self.nodes.payload(ix), Some(Payload::RootRotate(_)))).then_some(id);
        }
        explanation
    }

    fn climb(&self, mut ix: Ix, explanation: &mut Explanation) {
        loop {
            let node = self.nodes.node(ix);
            let holds = node.carried();
            let author = self.nodes.author(ix);
            let mut next = self.nodes.authority(ix);
            let mut text = self.say(ix);
            if ix != Ix::GENESIS && !node.own {
                let by_ratify =
                    self.links.ratifies_of(ix).iter().find(|r| self.nodes.node(**r).carried());
                if let Some(ratify) = by_ratify {
                    text.push_str("; it stands because it was ratified");
                    next = *ratify;
                } else {
                    explanation.failing = Some(self.nodes.id(ix));
                    explanation.cut_by = self.cuts_on(ix);
                    text.push_str(&self.why_void(ix));
                }
            }
            explanation.links.push(Link {
                object: self.nodes.id(ix),
                kind: self.kind(ix),
                author,
                holds,
                text,
            });
            if ix == Ix::GENESIS {
                return;
            }
            ix = next;
        }
    }

    /// The name of an object's type.
    fn kind(&self, ix: Ix) -> &'static str {
        self.nodes.payload(ix).map_or("genesis", |payload| payload.object_type().name())
    }

    /// The revocations whose cut leaves an object out.
    fn cuts_on(&self, ix: Ix) -> Vec<ObjectId> {
        let seat = self.authority.seat(self.nodes.authority(ix));
        let standing = seat.filter(|seat| seat.stands && !seat.limit.holds(ix, &self.nodes));
        standing.map(|seat| authority::ids(&seat.hits, &self.nodes)).unwrap_or_default()
    }

    fn why_void(&self, ix: Ix) -> String {
        if matches!(self.nodes.payload(ix), Some(Payload::RootRotate(_))) {
            return "; it is not part of the root line: another rotation contradicts it, or the \
                    key that it follows is not the root"
                .to_owned();
        }
        let Some(seat) = self.authority.seat(self.nodes.authority(ix)) else {
            return "; what it cites is no authority".to_owned();
        };
        if !seat.stands {
            return "; the authority that it cites is void".to_owned();
        }
        let cut = match seat.limit {
            Limit::UpTo(last) => {
                format!("only what came up to {} counts", short(self.nodes.id(last)))
            }
            _ => "nothing that was signed under it counts".to_owned(),
        };
        let by: Vec<String> = seat.hits.iter().map(|hit| short(self.nodes.id(*hit))).collect();
        if by.is_empty() {
            format!("; the root key that signed it has been replaced: {cut}")
        } else {
            format!("; its authority was revoked by {}: {cut}", by.join(" and "))
        }
    }

    fn explain_effect(&self, ix: Ix, explanation: &mut Explanation) {
        let id = self.nodes.id(ix);
        match self.nodes.payload(ix) {
            Some(Payload::AdminGrant(_)) => explanation.ended_by = self.hits(id),
            Some(Payload::MemberGrant(g)) => {
                let strikes = self.access.strikes_on_member(g.agent, g.unit, self.view());
                let left = self.view().not_overridden(ix, &strikes);
                explanation.ended_by = left.into_iter().map(|r| self.nodes.id(r)).collect();
            }
            Some(Payload::Permit(p)) => {
                let strikes = self.access.strikes_on_permit(p.room, p.principal, self.view());
                let left = self.view().not_overridden(ix, &strikes);
                explanation.ended_by = left.into_iter().map(|r| self.nodes.id(r)).collect();
            }
            Some(
                Payload::AgentCert(_)
                | Payload::DeviceCert(_)
                | Payload::UnitCreate(_)
                | Payload::RoomCreate(_),
            ) => {
                explanation.ended_by = self.revokes_on(id);
                explanation.ratify = (!explanation.ended_by.is_empty()).then_some(id);
            }
            Some(Payload::Revoke(_)) if self.attempt(ix).is_some() => {
                explanation.notes.push(
                    "it has no effect: only a strictly more senior admin can end an admin's \
                     authority, or dismiss an admin or its devices"
                        .to_owned(),
                );
            }
            _ => {}
        }
    }

    /// What an object says, in words.
    #[must_use]
    pub fn describe(&self, id: ObjectId) -> String {
        self.nodes
            .find(id)
            .map_or_else(|| format!("unknown object {}", short(id)), |ix| self.say(ix))
    }

    fn say(&self, ix: Ix) -> String {
        let agent = |id: AgentId| self.name_in_words(id.into());
        let room = |id: RoomId| self.name_in_words(id.into());
        let unit = |id: UnitId| self.unit_in_words(id);
        match self.nodes.payload(ix) {
            None => {
                let name = self.genesis().map(|g| g.name.clone()).unwrap_or_default();
                format!("founds the company {name}")
            }
            Some(Payload::RootRotate(_)) => "replaces the root key".to_owned(),
            Some(Payload::AdminGrant(g)) => {
                let mut may: Vec<&str> = Vec::new();
                for (has, word) in [
                    (g.may.units, "units"),
                    (g.may.agents, "agents"),
                    (g.may.rooms, "rooms"),
                    (g.may.admins, "admins"),
                ] {
                    may.extend(has.then_some(word));
                }
                let scope =
                    g.scope.map_or_else(String::new, |scope| format!(" in {}", unit(scope)));
                format!(
                    "makes {} an admin of rank {}{scope} for {}",
                    agent(g.agent),
                    g.rank,
                    if may.is_empty() { "nothing".to_owned() } else { may.join(", ") }
                )
            }
            Some(Payload::UnitCreate(u)) => {
                let kind = match u.kind {
                    UnitKind::Department => "Department",
                    UnitKind::Group => "Group",
                    UnitKind::Role => "Role",
                };
                format!("makes the {kind} {}", u.name)
            }
            Some(Payload::AgentCert(c)) => format!("certifies the agent {}", c.name),
            Some(Payload::DeviceCert(c)) => {
                format!("certifies device {} of {}", short(ObjectId(c.device.0)), agent(c.agent))
            }
            Some(Payload::MemberGrant(g)) => {
                format!("puts {} into {}", agent(g.agent), unit(g.unit))
            }
            Some(Payload::RoomCreate(r)) => format!("makes the room {}", r.name),
            Some(Payload::Permit(p)) => {
                format!("opens the room {} to {}", room(p.room), self.principal(p.principal))
            }
            Some(Payload::Revoke(r)) => {
                let strict = if r.mode == RevokeMode::Strict { " (strict)" } else { "" };
                let target = self.nodes.find(r.target);
                let what = match target.and_then(|t| self.nodes.payload(t)) {
                    Some(Payload::AdminGrant(g)) => {
                        format!("ends {}'s authority of rank {}", agent(g.agent), g.rank)
                    }
                    Some(Payload::AgentCert(_)) => format!("dismisses {}", agent(r.target.into())),
                    Some(Payload::DeviceCert(c)) => format!(
                        "revokes device {} of {}",
                        short(ObjectId(c.device.0)),
                        agent(c.agent)
                    ),
                    Some(Payload::MemberGrant(g)) => {
                        format!("takes {} out of {}", agent(g.agent), unit(g.unit))
                    }
                    Some(Payload::Permit(p)) => {
                        format!(
                            "closes the room {} to {}",
                            room(p.room),
                            self.principal(p.principal)
                        )
                    }
                    Some(Payload::UnitCreate(_)) => {
                        format!("deletes {}", unit(r.target.into()))
                    }
                    Some(Payload::RoomCreate(_)) => {
                        format!("deletes the room {}", room(r.target.into()))
                    }
                    _ => format!("revokes {}", short(r.target)),
                };
                format!("{what}{strict}")
            }
            Some(Payload::RoomCut(c)) => {
                format!("cuts history of the room {} after {}", room(c.room), short(c.revoke))
            }
            Some(Payload::Ratify(r)) => {
                let target = self.nodes.find(r.target);
                // One step only: a chain of ratifications is as long as its author likes.
                let plain = |ix: &Ix| !matches!(self.nodes.payload(*ix), Some(Payload::Ratify(_)));
                match target.filter(plain) {
                    Some(target) => format!("ratifies {}: {}", short(r.target), self.say(target)),
                    None => format!("ratifies {}", short(r.target)),
                }
            }
            Some(Payload::SetField(f)) => {
                let target = match self.nodes.payload_of(f.target) {
                    Some(Payload::AgentCert(_)) => format!("agent {}", agent(f.target.into())),
                    Some(Payload::UnitCreate(_)) => unit(f.target.into()),
                    _ => format!("room {}", room(f.target.into())),
                };
                match &f.value {
                    FieldValue::Name(name) => format!("renames {target} to {name}"),
                    FieldValue::Topic(topic) => format!("sets the topic of {target} to {topic}"),
                    FieldValue::Active(true) => format!("reactivates {target}"),
                    FieldValue::Active(false) => format!("deactivates {target}"),
                }
            }
        }
    }

    fn principal(&self, principal: Principal) -> String {
        match principal {
            Principal::Unit(unit) if unit != UnitId::ROLE_AGENT => self.unit_in_words(unit),
            Principal::Unit(_) => self.access.label(principal),
            Principal::Agent(agent) => format!("agent:{}", self.name_in_words(agent.into())),
        }
    }

    /// The name of an agent or room, as shown; that of a void one, as it was made.
    fn name_in_words(&self, id: ObjectId) -> String {
        let access = &self.access;
        let agent = access.agents().get(&id.into()).map(|a| a.name.clone());
        let room = || access.rooms().get(&id.into()).map(|r| r.name.clone());
        let made = || self.nodes.find(id).map(|ix| self.view().name_of(ix));
        agent.or_else(room).or_else(made).unwrap_or_else(|| short(id))
    }

    /// The full name of a unit, as shown; that of a void one, as it was made.
    fn unit_in_words(&self, id: UnitId) -> String {
        match self.nodes.payload_of(id) {
            Some(Payload::UnitCreate(made)) if !self.access.units().contains_key(&id) => {
                let name = self.name_in_words(id.into());
                match made.parent {
                    Some(parent) => {
                        let parent = self.name_in_words(parent.into());
                        format!("{}:{parent}/{name}", made.kind.word())
                    }
                    None => format!("{}:{name}", made.kind.word()),
                }
            }
            _ => self.access.unit_label(id),
        }
    }
}

/// The first digits of an id, for sentences; the full id stands beside them in JSON.
fn short(id: ObjectId) -> String {
    id.to_string().chars().take(12).collect()
}
