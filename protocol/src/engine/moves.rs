//! Plans that put agents into units and open rooms, alone or together with taking out.

use std::collections::BTreeSet;

use super::Engine;
use super::admin::Plan;
use super::authoring::sign_as;
use super::command::{Command, Failure, FailureKind, Signer};
use super::commands::{answerable, depart};
use crate::control::{Added, ControlLog};
use crate::id::{AgentId, RoomId, UnitId};
use crate::limits::{MOVED_UNITS_MAX, TOPIC_CHARS_MAX};
use crate::object::{ControlObject, FieldValue, MemberGrant, Payload, Permit};
use crate::signed::{Trust, Verified, peek_id};
use crate::view::RoomRef;

impl Engine {
    /// What a command that only adds would sign, to be looked at; `None` for all others.
    pub(super) fn plan_added(&self, command: &Command) -> Result<Option<Plan>, Failure> {
        let plan = match command {
            Command::AddMember { agent, unit } => {
                let (agent, unit) = (self.find_agent(agent)?, self.find_unit(unit)?);
                let (log, access) = (self.log()?, self.access()?);
                let label = access.unit_label(unit);
                if !log.member_grants(agent.id, unit).is_empty() {
                    return Err(Failure::new(
                        FailureKind::Conflict,
                        format!("{} is a member of {label} already", agent.name),
                        "nothing needs to be done",
                    ));
                }
                let payloads = vec![self.grant(agent.id, unit)?];
                Plan::new(label, payloads).of_member(agent.id)
            }
            Command::Permit { room, unit } => {
                let (room, principal) = (self.find_room(room)?, self.find_principal(unit)?);
                let log = self.log()?;
                if !log.permits(room, principal).is_empty() {
                    return Err(Failure::new(
                        FailureKind::Conflict,
                        format!("the room is open to {} already", log.access().label(principal)),
                        "nothing needs to be done",
                    ));
                }
                let overrides = answerable(log.permit_revokes(room, principal))?;
                let permit = Permit { room, principal, overrides };
                Plan::new(self.room_name(room), vec![Payload::Permit(permit)])
            }
            _ => return Ok(None),
        };
        self.check_plan(&plan)?;
        Ok(Some(plan))
    }

    fn grant(&self, agent: AgentId, unit: UnitId) -> Result<Payload, Failure> {
        let overrides = answerable(self.log()?.member_revokes(agent, unit))?;
        Ok(Payload::MemberGrant(MemberGrant { agent, unit, overrides }))
    }

    /// All of a move or nothing: what the agent gets is signed first, so that nobody who hears of
    /// one half sees it without access. Only what leaving a Department would strike again, a
    /// Group of it, has to come after that.
    pub(super) fn plan_move(
        &self,
        agent: &str,
        from: &[String],
        to: &[String],
    ) -> Result<Plan, Failure> {
        let usage = |message: &str, hint: &str| Failure::new(FailureKind::Usage, message, hint);
        if from.is_empty() || to.is_empty() {
            let hint = "to add or to remove only, use `conclave agent add` or `agent remove`";
            return Err(usage("a move names units to leave and units to enter", hint));
        }
        if from.len() > MOVED_UNITS_MAX || to.len() > MOVED_UNITS_MAX {
            return Err(usage("a move names too many units", "move the agent in several steps"));
        }
        let agent = self.find_agent(agent)?;
        let units = |typed: &[String]| -> Result<BTreeSet<UnitId>, Failure> {
            typed.iter().map(|unit| self.find_unit(unit)).collect()
        };
        let (from, to) = (units(from)?, units(to)?);
        let log = self.log()?;
        let access = log.access();
        if let Some(unit) = from.intersection(&to).next() {
            let label = access.unit_label(*unit);
            let message = format!("{label} is both among what to leave and what to enter");
            return Err(usage(&message, "name it once, or not at all"));
        }
        let parent = |unit: UnitId| access.units().get(&unit).and_then(|info| info.parent);
        let held: BTreeSet<UnitId> = access.units_of(agent.id).collect();
        for unit in &from {
            let inside = |held: &UnitId| held == unit || parent(*held) == Some(*unit);
            if !held.iter().any(inside) {
                let label = access.unit_label(*unit);
                return Err(Failure::new(
                    FailureKind::NotFound,
                    format!("{} is not a member of {label}", agent.name),
                    "see where an agent belongs with `conclave agent show`",
                ));
            }
        }
        // Whoever leaves a Department leaves its Groups.
        let leaves = |unit: &UnitId| {
            from.contains(unit) || parent(*unit).is_some_and(|parent| from.contains(&parent))
        };
        let struck = |unit: UnitId| {
            parent(unit).is_some_and(|parent| from.contains(&parent) && held.contains(&parent))
        };
        let (after, before): (Vec<UnitId>, Vec<UnitId>) = to
            .iter()
            .copied()
            .filter(|unit| struck(*unit) || !held.contains(unit))
            .partition(|unit| struck(*unit));
        let mut payloads = Vec::new();
        for unit in before {
            payloads.push(self.grant(agent.id, unit)?);
        }
        let left = held.iter().filter(|unit| leaves(unit) && !to.contains(unit));
        let ended = left.filter_map(|unit| log.member_grants(agent.id, *unit).first().copied());
        payloads.extend(ended.map(|grant| Payload::Revoke(depart(grant))));
        for unit in after {
            payloads.push(self.grant(agent.id, unit)?);
        }
        Ok(Plan::new(agent.name, payloads).of_member(agent.id))
    }

    /// Lets the memberships of a plan answer the revocations that come before them in it. What is
    /// signed here is what will be signed: signatures are a function of key and content.
    pub(super) fn settle_grants(&self, plan: &mut Plan) -> Result<(), Failure> {
        let revoke = plan.payloads.iter().position(|p| matches!(p, Payload::Revoke(_)));
        let grant = plan.payloads.iter().rposition(|p| matches!(p, Payload::MemberGrant(_)));
        if revoke.zip(grant).is_none_or(|(revoke, grant)| grant < revoke) {
            return Ok(());
        }
        let mut log = self.log()?.clone();
        let signers: Vec<Option<Signer>> =
            (0..plan.payloads.len()).map(|n| plan.signer_of(n).cloned()).collect();
        for (payload, signer) in plan.payloads.iter_mut().zip(signers) {
            if let Payload::MemberGrant(grant) = payload {
                log.refresh();
                grant.overrides = answerable(log.member_revokes(grant.agent, grant.unit))?;
            }
            let keys = signer.as_ref().map_or(&self.keys, Signer::keys);
            let (_, bytes) = sign_as(&log, keys, payload.clone())?;
            let trust = peek_id(&bytes).map_or(Trust::Nothing, Trust::StoredAs);
            let added = Verified::<ControlObject>::control(&bytes, log.company(), trust)
                .map(|object| log.add(object));
            if !matches!(added, Ok(Added::Taken(_))) {
                return Err(super::authoring::broken("would not count"));
            }
        }
        Ok(())
    }

    pub(super) fn plan_topic(&self, room: &str, topic: &str) -> Result<Plan, Failure> {
        let room = self.find_room(room)?;
        let topic = topic.trim();
        if topic.chars().count() > TOPIC_CHARS_MAX || topic.chars().any(char::is_control) {
            return Err(Failure::new(
                FailureKind::Usage,
                "this is no topic of a room",
                format!(
                    "a topic has at most {TOPIC_CHARS_MAX} characters and no control characters"
                ),
            ));
        }
        let known = self.access()?.rooms().get(&room).is_some_and(|info| info.topic == topic);
        if known {
            return Err(Failure::new(
                FailureKind::Conflict,
                "this is the room's topic already",
                "nothing needs to be done",
            ));
        }
        let value = FieldValue::Topic(topic.to_owned());
        Ok(Plan::new(self.room_name(room), vec![self.set(room.into(), value)?]))
    }

    /// Rooms that an agent may read in two states of the log.
    pub(super) fn kept_by(
        &self,
        agent: AgentId,
        before: &ControlLog,
        after: &ControlLog,
    ) -> Vec<RoomRef> {
        let both = |room: &RoomId| {
            before.access().has_access(agent, *room) && after.access().has_access(agent, *room)
        };
        let rooms = before.access().rooms().keys().copied().filter(both);
        let mut kept: Vec<RoomRef> = rooms.map(|room| self.room_ref(room)).collect();
        kept.sort_by(|a, b| a.name.cmp(&b.name));
        kept
    }
}
